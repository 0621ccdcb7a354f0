/* Delivery at work: the outbox, who is told of alerts, what goes to CloudWatch, and the threads of all that.
 *
 * Rules thread -> oxp_deliveries_tell -> alerting's thread -> outbox -> a courier's thread for each queue -> receiver.
 * The delivery thread, which is ours, opens the outbox (and tries again while the disk fails), publishes to CloudWatch,
 * sweeps, writes notes, shows the metrics, and rebuilds the parts after a reload. A sidecar that has nothing configured
 * opens no outbox and begins no thread; with --storage.path the first note does.
 *
 * An outbox that cannot be opened in --storage.path is in memory in its place: the log says so,
 * oxpecker_storage_persistent is 0, oxpecker_storage_failures_total counts the tries, one each five seconds. When the
 * disk is well the parts end, what memory has is put into the file (outbox.h, oxp_outbox_take_over) beside what waits
 * there of a former run, and the parts begin anew over it. CloudWatch's ledger is the one of memory alone, if it has
 * any: it speaks of this run's counters.
 *
 * While an outbox that was opened cannot be written nothing is accepted: the log says so, the failures are counted, and
 * what fires is told again by the rules each minute, until the disk is back. */
#ifndef OXP_APP_DELIVERY_H
#define OXP_APP_DELIVERY_H

#include "alerts/cloudwatch/config.h"
#include "alerts/notify/alerting.h"
#include "alerts/promql/engine.h"
#include "exporter/config/config.h"

struct oxp_daemon;
struct oxp_deliveries;

/* What a configuration says about delivery, read and checked. */
struct oxp_delivery_setup {
    struct oxp_alerting_config *alerting; /* NULL = nobody is told */
    struct oxp_cw_config *cloudwatch;     /* NULL = nothing is published */
    struct oxp_arena arena;               /* of the identity */
    struct oxp_cw_identity identity;
    /* known when the server is bound; NULL before */
    const char *external_url;
    const struct oxp_labels *target; /* what every sample carries; where something is published */
    bool over_budget;                /* nothing is published */
    struct oxp_promql_options limits;
    int64_t sample_interval_ms, evaluation_interval_ms;
};
/* Reads the sections `alerting` and `cloudwatch`. A fault has its line and column, and its text begins
 * "FILE:LINE:COLUMN: " (without the place when `place` is false). OXP_ERR_INVALID, OXP_ERR_SYNTAX, OXP_ERR_NOMEM; then
 * nothing is left to free. Any thread. */
enum oxp_status oxp_delivery_read(const struct oxp_config *config, bool place, struct oxp_delivery_setup *setup_out,
                                  struct oxp_error *error);
void oxp_delivery_setup_fini(struct oxp_delivery_setup *setup);

/* What the setup costs a month with these rules, by the configuration's prices and one series for each entry, against
 * its budget: OXP_ERR_LIMIT and a sentence when it is above. OXP_ERR_INVALID: an alarm that CloudWatch would refuse. */
enum oxp_status oxp_delivery_budget(const struct oxp_delivery_setup *setup, struct oxp_rule_file *const *files,
                                    size_t count, struct oxp_error *error);

/* Reads the daemon's configuration; opens nothing. */
enum oxp_status oxp_deliveries_new(struct oxp_daemon *daemon, struct oxp_deliveries **deliveries_out,
                                   struct oxp_error *error);
/* The rules are read: holds the cost against the budget, and says so when it is above. Before _begin. */
void oxp_deliveries_rules(struct oxp_deliveries *deliveries, struct oxp_rule_file *const *files, size_t count);
/* The server is bound and the short memory is there: builds what is configured and begins the threads, or nothing.
 * Before the sampling thread. OXP_ERR_NOMEM. */
enum oxp_status oxp_deliveries_begin(struct oxp_deliveries *deliveries);
/* The last turn of everything: what was told is put into the outbox, CloudWatch gets what is left of the period, queues
 * go on for at most `grace_ms`. After the sampling thread has ended. */
void oxp_deliveries_stop(struct oxp_deliveries *deliveries, int64_t grace_ms);
void oxp_deliveries_free(struct oxp_deliveries *deliveries); /* stops without grace; NULL is allowed */

/* From the rules: waits for nothing but a short lock. The rules thread; NULL is allowed. */
void oxp_deliveries_tell(struct oxp_deliveries *deliveries, const struct oxp_alert_event *event);
/* Not 0: an alerting that is new, since the start or a reload, wants to be told of all that lasts, and then that the
 * rules are ready; this is its number. The rules thread; NULL is allowed. */
uint64_t oxp_deliveries_wanting(struct oxp_deliveries *deliveries);
/* The one of that number was told everything, and nothing is held. The rules thread. */
void oxp_deliveries_rules_ready(struct oxp_deliveries *deliveries, uint64_t wanting, int64_t now_ms);
/* Takes over what was read from a fresh configuration. When nothing of it changed, only the limits of queries are
 * taken; else the parts are rebuilt, and the outbox stays. Loop thread. */
void oxp_deliveries_reload(struct oxp_deliveries *deliveries, struct oxp_delivery_setup *setup, bool changed);
/* A manual act or an audit event, for the outbox's notes. Any thread; waits for nothing. Of a flood that the disk
 * cannot follow the oldest are left out, which is said in the log. */
void oxp_deliveries_note(struct oxp_deliveries *deliveries, const char *kind, const char *text);

/* For views: the outbox and the courier, which stay until they are released; either may be NULL. A call may wait for
 * the disk. `oxp_deliveries_release` in any case. Any thread but the loop's and the rules'. */
struct oxp_courier;
void oxp_deliveries_hold(struct oxp_deliveries *deliveries, struct oxp_outbox **outbox_out,
                         struct oxp_courier **courier_out);
void oxp_deliveries_release(struct oxp_deliveries *deliveries);

#endif
