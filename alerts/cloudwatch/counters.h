/* The counters' ledger: the last value of every series that was published as a difference, kept in the outbox
 * ("cw/METRIC/CRC/LABELS", the CRC of expression and dimensions, so that another expression begins anew; the labels as
 * key.h has them), a mark for every metric that was published before ("cw/METRIC/CRC"), when the counters began at 0
 * ("cw//began"), and the version of all that ("cw//version", 2).
 *
 * Version 1 had all labels in its keys, target labels included. Its keys are read as those of this version: of several
 * that become one, of which all but the newest are of former hosts, the largest value counts. The first commit writes
 * them anew.
 *
 * A round: values are set aside while the period is gathered; what changed goes into the same commit as the messages;
 * then the round is kept, or undone when the commit failed. Owned by the publisher. */
#ifndef OXP_CLOUDWATCH_COUNTERS_H
#define OXP_CLOUDWATCH_COUNTERS_H

#include "alerts/cloudwatch/publish.h"
#include "alerts/outbox/outbox.h"
#include "lib/base/map.h"

struct oxp_cw_counters {
    struct oxp_map map;    /* of struct oxp_cw_counter, which it owns */
    unsigned version;      /* that the outbox has; 0 = none, or that of before there were versions */
    int64_t began_ms;      /* that the outbox has; 0 = none */
    int64_t next_began_ms; /* of the counters that are published now; 0 = not known */
};
/* Reads the ledger; the configuration says of which metrics keys of version 1 are wanted, `target` which labels go
 * (key.h). `outbox` may be NULL: then there is none. OXP_ERR_IO, OXP_ERR_NOMEM. */
enum oxp_status oxp_cw_counters_open(struct oxp_cw_counters *counters, struct oxp_outbox *outbox,
                                     const struct oxp_cw_config *config, const struct oxp_labels *target);
void oxp_cw_counters_close(struct oxp_cw_counters *counters);

/* After opening: the counters that are published now began at 0 then (unix ms; 0 = not known). When that is another
 * time than the ledger's they are others: the last value of each series is 0 until it is set, however large it became
 * in the meantime. A ledger without a time takes this one. */
void oxp_cw_counters_began(struct oxp_cw_counters *counters, int64_t began_ms);

/* "cw/METRIC/CRC"; cleared first. */
void oxp_cw_counter_prefix(const struct oxp_cw_metric *metric, struct oxp_buf *out);

/* The value kept under the key; false = there is none. */
bool oxp_cw_counter_last(const struct oxp_cw_counters *counters, struct oxp_view key, double *value_out);
/* Sets a value aside. OXP_ERR_NOMEM. */
enum oxp_status oxp_cw_counter_set(struct oxp_cw_counters *counters, struct oxp_view key, double value);
/* What changed in this round, for the commit; removes keys of metrics that are no longer configured, and of series that
 * were not seen for as long as messages are kept. Texts in the arena. */
enum oxp_status oxp_cw_counters_changes(struct oxp_cw_counters *counters, const struct oxp_cw_config *config,
                                        int64_t now_ms, struct oxp_arena *arena, struct oxp_outbox_value **values_out,
                                        size_t *count_out);
void oxp_cw_counters_keep(struct oxp_cw_counters *counters);
void oxp_cw_counters_undo(struct oxp_cw_counters *counters);

#endif
