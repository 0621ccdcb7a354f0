/* Operations and captchas: events that count and leave nothing open (domain catalogue, section 5).
 *
 *  1. An operation's outcome is what it says, else ok when `ok`, else error. An operation that is not in the set is
 *     "other".
 *  2. Tokens, inference time and cache lookups count under the operation they belong to, "other" included.
 *  3. A captcha that ends counts; its time is duration_s, else since the session's captcha began.
 *  4. An operation that stopped at a limit of its agent, and is no error, counts the limit; of one that is an error its
 *     `error` event counts it (errors.c). */
#include "exporter/ledger/parts.h"

#include <math.h>

/* ---- Operations ---- */

static void count_tokens(struct oxp_ledger *ledger, const struct oxp_event *event, struct oxp_view op) {
    static const enum oxp_field fields[OXP_TOKEN_TYPES] = {OXP_FIELD_TOKENS_INPUT, OXP_FIELD_TOKENS_OUTPUT,
                                                           OXP_FIELD_TOKENS_REASONING, OXP_FIELD_TOKENS_CACHED_INPUT};
    struct oxp_open_value *model = NULL;
    unsigned place = 0;
    for (size_t i = 0; i < OXP_TOKEN_TYPES; i++) {
        if (!oxp_event_has(event, fields[i])) {
            continue;
        }
        if (model == NULL) {
            struct oxp_view name = oxp_event_text(event, OXP_FIELD_MODEL);
            model = oxp_open_get(&ledger->numbers.models, name.len == 0 ? OXP_VIEW("none") : name);
            place = oxp_numbers_place_or(OXP_M_LLM_TOKENS, 0, op, OXP_MODEL_OPERATION_OTHER) * OXP_TOKEN_TYPES;
        }
        oxp_count(model->cells[place + i], (uint64_t)event->values[fields[i]].number);
    }
}

static void count_model_use(struct oxp_ledger *ledger, struct oxp_moment *moment, struct oxp_view op, int cache) {
    const struct oxp_event *event = moment->event;
    count_tokens(ledger, event, op);
    if (oxp_event_has(event, OXP_FIELD_INFERENCE_S)) {
        unsigned place = oxp_numbers_place_or(OXP_M_LLM_INFERENCE, 0, op, OXP_MODEL_OPERATION_OTHER);
        oxp_series_count(oxp_cell(&ledger->numbers, OXP_M_LLM_INFERENCE, place),
                         event->values[OXP_FIELD_INFERENCE_S].number);
    }
    if (cache >= 0) {
        unsigned place = oxp_numbers_place_or(OXP_M_CACHE_REQUESTS, 0, op, OXP_CACHE_OPERATION_OTHER);
        oxp_count_event(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_CACHE_REQUESTS, place * 3 + (unsigned)cache));
    }
    if (oxp_event_has(event, OXP_FIELD_TOKENS_SAVED)) {
        oxp_count(oxp_cell(&ledger->numbers, OXP_M_CACHE_TOKENS_SAVED, 0),
                  (uint64_t)event->values[OXP_FIELD_TOKENS_SAVED].number);
    }
    if (oxp_event_has(event, OXP_FIELD_STEPS)) {
        oxp_count(oxp_cell(&ledger->numbers, OXP_M_AGENT_STEPS, 0), (uint64_t)event->values[OXP_FIELD_STEPS].number);
    }
}

enum oxp_status oxp_on_operation(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    struct oxp_view op = oxp_event_text(event, OXP_FIELD_OP);
    int outcome = oxp_event_flag(event, OXP_FIELD_OK, true) ? OXP_OUTCOME_OK : OXP_OUTCOME_ERROR;
    if (oxp_event_has(event, OXP_FIELD_OUTCOME)) {
        outcome = oxp_numbers_place(OXP_M_OPERATION_DURATION, 1, oxp_event_text(event, OXP_FIELD_OUTCOME));
        if (outcome < 0) {
            return oxp_refuse(moment, OXP_FIELD_OUTCOME, OXP_M_OPERATION_DURATION, 1);
        }
    }
    int cache = -1;
    if (oxp_event_has(event, OXP_FIELD_CACHE)) {
        cache = oxp_numbers_place(OXP_M_CACHE_REQUESTS, 1, oxp_event_text(event, OXP_FIELD_CACHE));
        if (cache < 0) {
            return oxp_refuse(moment, OXP_FIELD_CACHE, OXP_M_CACHE_REQUESTS, 1);
        }
    }
    int limit = -1;
    if (oxp_event_has(event, OXP_FIELD_LIMIT)) {
        limit = oxp_numbers_place(OXP_M_AGENT_LIMIT_HITS, 0, oxp_event_text(event, OXP_FIELD_LIMIT));
        if (limit < 0) {
            return oxp_refuse(moment, OXP_FIELD_LIMIT, OXP_M_AGENT_LIMIT_HITS, 0);
        }
    }
    unsigned place = oxp_numbers_place_or(OXP_M_OPERATION_DURATION, 0, op, OXP_OPERATION_OTHER);
    struct oxp_series *series =
        oxp_cell(&ledger->numbers, OXP_M_OPERATION_DURATION, place * OXP_OUTCOMES + (unsigned)outcome);
    if (oxp_event_has(event, OXP_FIELD_DURATION_S)) {
        oxp_observe(ledger, moment, series, event->values[OXP_FIELD_DURATION_S].number);
    }
    count_model_use(ledger, moment, op, cache);
    if (limit >= 0 && outcome != OXP_OUTCOME_ERROR) {
        oxp_count_event(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_AGENT_LIMIT_HITS, (size_t)limit));
    }
    return OXP_OK;
}

/* ---- Captchas ---- */

/* What clients call the states of a solver. */
static const struct {
    const char *state;
    const char *outcome; /* NULL: it began */
} captcha_states[] = {
    {"started", NULL},    {"solving", NULL},     {"solved", "solved"},       {"finished", "solved"},
    {"failed", "failed"}, {"errored", "failed"}, {"timed_out", "timed_out"}, {"abandoned", "abandoned"},
};

enum oxp_status oxp_on_captcha(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    struct oxp_view state = oxp_event_text(event, OXP_FIELD_STATE);
    struct oxp_session *session = oxp_sessions_find(ledger, oxp_event_text(event, OXP_FIELD_SESSION));
    const char *outcome = NULL;
    bool known = false;
    for (size_t i = 0; i < sizeof captcha_states / sizeof *captcha_states && !known; i++) {
        known = oxp_view_is(state, captcha_states[i].state);
        outcome = captcha_states[i].outcome;
    }
    if (oxp_event_has(event, OXP_FIELD_OUTCOME)) {
        int place = oxp_numbers_place(OXP_M_CAPTCHAS, 0, oxp_event_text(event, OXP_FIELD_OUTCOME));
        if (place < 0) {
            return oxp_refuse(moment, OXP_FIELD_OUTCOME, OXP_M_CAPTCHAS, 0);
        }
        outcome = oxp_numbers_text(OXP_M_CAPTCHAS, 0, (unsigned)place);
    } else if (!known) {
        return oxp_refuse(moment, OXP_FIELD_STATE, OXP_M_CAPTCHAS, 0);
    }
    if (outcome == NULL) {
        if (session != NULL) {
            session->captcha_s = moment->ts;
        }
        return OXP_OK;
    }
    double began = session == NULL ? NAN : session->captcha_s;
    double took = oxp_event_number(event, OXP_FIELD_DURATION_S, isnan(began) ? NAN : fmax(moment->ts - began, 0));
    unsigned place = oxp_numbers_place_or(OXP_M_CAPTCHAS, 0, oxp_view_from(outcome), 0);
    oxp_count_event(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_CAPTCHAS, place));
    if (!isnan(took)) {
        oxp_observe(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_CAPTCHA_DURATION, 0), took);
    }
    if (session != NULL) {
        session->captcha_s = NAN;
    }
    return OXP_OK;
}
