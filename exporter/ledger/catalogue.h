/* The metric catalogue: every `orchestrator_` family, declared once in catalogue.def (domain catalogue, section 4).
 * Each is moved by an event or a watcher; what the shipped rules record
 * (trend.yml's orchestrator_failure_risk_ratio) is not here. */
#ifndef OXP_LEDGER_CATALOGUE_H
#define OXP_LEDGER_CATALOGUE_H

#include <oxpecker/metrics.h>

enum oxp_metric {
#define FAMILY(id, ...) OXP_M_##id,
#include "exporter/ledger/catalogue.def"
#undef FAMILY
    OXP_METRICS
};

struct oxp_catalogue_row {
    struct oxp_family_spec spec;
    const char *section; /* heading in docs/metrics.md */
    const char *mover;   /* the event types or the watcher that move it */
};

const struct oxp_catalogue_row *oxp_catalogue_row(enum oxp_metric metric);
/* True for the row that stands for families which events make at run time ("orchestrator_app_<name>"). */
bool oxp_catalogue_is_pattern(const struct oxp_catalogue_row *row);
/* Adds every row but patterns to the registry; families[i] is NULL for those. Uses the taxonomy for
 * the combinations of code, category, class and severity. */
enum oxp_status oxp_catalogue_register(struct oxp_registry *registry, struct oxp_family *families[OXP_METRICS]);

#endif
