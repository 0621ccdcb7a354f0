/* The sidecar's own metrics: every `oxpecker_` family and the unprefixed `process_` ones, declared in selfstats.def.
 *
 * Handles in the struct may be used from any thread. Families that later parts of the sidecar move are marked `later`.
 */
#ifndef OXP_SELFSTATS_SELFSTATS_H
#define OXP_SELFSTATS_SELFSTATS_H

#include <oxpecker/metrics.h>

enum oxp_self_metric {
#define FAMILY(id, ...) OXP_S_##id,
#include "exporter/selfstats/selfstats.def"
#undef FAMILY
    OXP_SELF_METRICS
};

struct oxp_self_row {
    struct oxp_family_spec spec;
    const char *section;
    const char *mover;
    const char *later; /* NULL, or why nothing moves it yet */
};

const struct oxp_self_row *oxp_self_row(enum oxp_self_metric metric);

struct oxp_selfstats {
    struct oxp_family *families[OXP_SELF_METRICS];
    struct oxp_registry *registry;
};

/* Registers the families and sets oxpecker_build_info. */
enum oxp_status oxp_selfstats_register(struct oxp_selfstats *stats, struct oxp_registry *registry, const char *version,
                                       const char *revision);
/* Reads /proc/self and the registry into the gauges (process_*, oxpecker_series). Any thread; called before
 * a scrape is answered, a sample taken, or the first page shown. */
void oxp_selfstats_collect(struct oxp_selfstats *stats);

#endif
