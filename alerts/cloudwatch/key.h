/* Under which key the ledger knows a series. Private to this folder; owned by the publisher's thread.
 *
 * The sidecar gives every sample its target labels: job, instance and the external labels (alerts/tsdb/sampler.h). They
 * say where a counter is, not which one: a container that is made anew has another host name and the very same
 * counters. So the key of a series has its labels without these ("bare"). Only when several series of one result differ
 * in nothing else do they need them:
 *
 *  1. A series that is alone with its bare labels is known by them.
 *  2. Of several, the one with this sidecar's own values is known by the bare labels; each of the others by all its
 *     labels. When none or more than one has the own values, each is known by all its labels. */
#ifndef OXP_CLOUDWATCH_KEY_H
#define OXP_CLOUDWATCH_KEY_H

#include "alerts/promql/engine.h"

struct oxp_cw_key {
    struct oxp_view text; /* in the arena */
    bool twin;            /* by all its labels: others have the same bare ones */
};

/* The keys of all series of an answer, in its order, in the arena: `prefix`, a slash, and the labels as Prometheus
 * prints them. `target` has the target labels with this sidecar's values; NULL = job and instance, of unknown values.
 * NULL without memory. */
struct oxp_cw_key *oxp_cw_keys(struct oxp_arena *arena, const struct oxp_labels *target, struct oxp_view prefix,
                               const struct oxp_promql_answer *answer);

/* Labels of such a text without the target labels, as rule 1 has them, appended to `out`. OXP_ERR_NOMEM; OXP_ERR_SYNTAX
 * when the text is none of ours: `out` is as it was. */
enum oxp_status oxp_cw_bare_text(struct oxp_view text, const struct oxp_labels *target, struct oxp_arena *arena,
                                 struct oxp_buf *out);

#endif
