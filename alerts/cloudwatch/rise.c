/* How counters rose since they were published last. Rules:
 *
 *  1. A series that the ledger knows: now less then; when it is smaller now it began anew at 0 and is worth its value.
 *     So an outage of the sidecar or of the outbox's disk is covered by the next period. When the process' counters
 *     began anew (counters.h) all of them are worth their values, larger or not.
 *  2. One that it does not know, of a metric that was published before while the short memory was alive: it did not
 *     exist then, so it began at 0 since.
 *  3. One of a metric that was never published: it began with the first value that the short memory has of it in the
 *     period, which is 0 when it was made in it (sampler.h); so what happened before the first period is not told. But
 *     where the publisher began with the process, and a period ended meanwhile, it began with the first value since the
 *     process' counters began (gather.h: fresh_ms).
 *
 *  4. A further one that differs from one of ours in target labels alone (key.h) and is not known yet: its value now.
 *     What a former host left in the short memory was told under the bare labels.
 *
 * A value that is not a number is left out, and the ledger keeps what it had. */
#include "alerts/cloudwatch/gather.h"

#include "alerts/cloudwatch/key.h"
#include <math.h>

/* The first values of all series in the period; of an expression that is no plain selector at steps of a second. */
static enum oxp_status ask_first(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric,
                                 const struct oxp_promql_expr *expr, const struct oxp_promql_expr *first,
                                 struct oxp_promql_answer **answer_out) {
    enum { STEP_MS = 1000 };
    if (first != NULL) {
        return oxp_cw_ask(gather, metric, first, gather->now_ms, 0, answer_out);
    }
    int64_t start_ms = gather->now_ms - (gather->config->interval_ms - STEP_MS);
    return oxp_cw_ask(gather, metric, expr, start_ms, STEP_MS, answer_out);
}

static double first_value(const struct oxp_promql_answer *answer, const struct oxp_labels *labels, double otherwise) {
    for (size_t i = 0; answer != NULL && i < answer->count; i++) {
        const struct oxp_promql_series *series = &answer->series[i];
        if (series->count > 0 && oxp_labels_equal(series->labels, labels)) {
            return isfinite(series->value[0]) ? series->value[0] : otherwise;
        }
    }
    return otherwise;
}

struct asker {
    struct oxp_cw_gather *gather;
    const struct oxp_cw_metric *metric;
    const struct oxp_promql_expr *expr, *first;
    struct oxp_promql_answer *firsts, *earlier; /* asked when the first series needs it; rule 3 */
    bool asked, published;                      /* published: rule 2 */
    const struct oxp_cw_key *keys;              /* of the series of the answer */
};

/* The first values in the interval that began with the counters: the range is an interval, open on the left. */
static enum oxp_status ask_earlier(struct asker *asker) {
    struct oxp_cw_gather *gather = asker->gather;
    if (gather->fresh_ms == 0 || asker->first == NULL) {
        return OXP_OK;
    }
    int64_t end_ms = gather->fresh_ms - 1 + gather->config->interval_ms;
    return oxp_cw_ask(gather, asker->metric, asker->first, end_ms, 0, &asker->earlier);
}

static enum oxp_status begin_value(struct asker *asker, const struct oxp_labels *labels, double now, double *last_out) {
    *last_out = 0;
    if (asker->published) {
        return OXP_OK;
    }
    if (!asker->asked) {
        asker->asked = true;
        enum oxp_status status = ask_first(asker->gather, asker->metric, asker->expr, asker->first, &asker->firsts);
        status = status == OXP_OK ? ask_earlier(asker) : status;
        if (status != OXP_OK) {
            return status;
        }
    }
    *last_out = first_value(asker->earlier, labels, first_value(asker->firsts, labels, now));
    return OXP_OK;
}

static enum oxp_status take_series(struct asker *asker, const struct oxp_promql_series *series,
                                   const struct oxp_cw_key *key, struct oxp_cw_rises *rises) {
    struct oxp_cw_gather *gather = asker->gather;
    struct oxp_cw_rise rise = {series->labels, series->value[0], 0, key->text};
    enum oxp_status status = OXP_OK;
    if (!isfinite(rise.now)) {
        oxp_cw_leave_out(gather->data, asker->metric->name, "a counter's value is not a number");
        return OXP_OK;
    }
    if (!oxp_cw_counter_last(gather->counters, key->text, &rise.last)) {
        if (key->twin && asker->published) {
            rise.last = rise.now;
        } else {
            status = begin_value(asker, series->labels, rise.now, &rise.last);
        }
    }
    rises->list[rises->count++] = rise;
    return status;
}

static enum oxp_status look_back(struct asker *asker, const struct oxp_promql_answer *answer) {
    struct oxp_cw_gather *gather = asker->gather;
    double ignored;
    oxp_cw_counter_prefix(asker->metric, &gather->key);
    if (oxp_buf_status(&gather->key) != OXP_OK) {
        return OXP_ERR_NOMEM;
    }
    asker->published = oxp_cw_counter_last(gather->counters, oxp_buf_view(&gather->key), &ignored);
    asker->keys = oxp_cw_keys(gather->arena, gather->target, oxp_buf_view(&gather->key), answer);
    return asker->keys == NULL ? OXP_ERR_NOMEM : OXP_OK;
}

enum oxp_status oxp_cw_rises_keep(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric,
                                  const struct oxp_cw_rises *rises) {
    enum oxp_status status = OXP_OK;
    oxp_cw_counter_prefix(metric, &gather->key);
    /* Only what was looked for in a living memory may be said not to have been there. The mark is set again where it
     * is, so that it is not forgotten. */
    double ignored;
    if (gather->alive || oxp_cw_counter_last(gather->counters, oxp_buf_view(&gather->key), &ignored)) {
        status = oxp_cw_counter_set(gather->counters, oxp_buf_view(&gather->key), 1);
    }
    for (size_t i = 0; i < rises->count && status == OXP_OK; i++) {
        status = oxp_cw_counter_set(gather->counters, rises->list[i].key, rises->list[i].now);
    }
    return status;
}

enum oxp_status oxp_cw_rises_ask(struct oxp_cw_gather *gather, const struct oxp_cw_metric *metric,
                                 const struct oxp_promql_expr *expr, const struct oxp_promql_expr *first,
                                 struct oxp_cw_rises *rises_out) {
    struct asker asker = {.gather = gather, .metric = metric, .expr = expr, .first = first};
    struct oxp_promql_answer *answer = NULL;
    *rises_out = (struct oxp_cw_rises){0};
    enum oxp_status status = oxp_cw_ask(gather, metric, expr, gather->now_ms, 0, &answer);
    if (status != OXP_OK) {
        return status;
    }
    rises_out->answer = answer;
    rises_out->list = oxp_arena_zero(gather->arena, answer->count + 1, sizeof *rises_out->list);
    status = rises_out->list == NULL ? OXP_ERR_NOMEM : look_back(&asker, answer);
    for (size_t i = 0; i < answer->count && status == OXP_OK; i++) {
        status = take_series(&asker, &answer->series[i], &asker.keys[i], rises_out);
    }
    oxp_promql_answer_free(asker.firsts);
    oxp_promql_answer_free(asker.earlier);
    if (status != OXP_OK) {
        oxp_promql_answer_free(answer);
        *rises_out = (struct oxp_cw_rises){0};
    }
    return status;
}
