/* Errors (domain catalogue, sections 3 and 5).
 *
 *  1. An error with a code of the taxonomy is taken at its word; else it is classified from its evidence. One that
 *     nothing matches is `unknown`, in the category that it states. A severity that it states overrides that of a fatal
 *     code and of `unknown`; of any other code its own stands, so that the family keeps its bound (oxp_numbers_error).
 *  2. op session.create: a creation gave no session, counted by code; what was pending under its ref is over, and its
 *     time is observed with outcome error. op session.release: a release failed. op session.reconnect: so did that.
 *  3. occurred_at gives the time to detection, under whoever sent the event. `suppressed` (cleanup=true is short for
 *     suppressed=cleanup): it must not mask the error before it, and opens no incident. task_stalled of a task that our
 *     own watchdog has found stalled is a duplicate: it was counted then.
 *  4. A capacity refusal that states the ceiling ("limit N, currently M") sets sessions_limit.
 *  5. Every error in the category security is an immediate stop: the action of all its codes is abort.
 *  6. agent_loop and agent_limit are limits that an agent reached; `limit` says which, else it was its steps. */
#include "exporter/ledger/parts.h"

#include <math.h>

static const struct oxp_code *classify(const struct oxp_event *event) {
    struct oxp_evidence evidence = {
        .code = oxp_event_text(event, OXP_FIELD_CODE),
        .category = oxp_event_text(event, OXP_FIELD_CATEGORY),
        .severity = oxp_event_text(event, OXP_FIELD_SEVERITY),
        .upstream = oxp_event_text(event, OXP_FIELD_UPSTREAM),
        .op = oxp_event_text(event, OXP_FIELD_OP),
        .name = oxp_event_text(event, OXP_FIELD_NAME),
        .errno_name = oxp_event_text(event, OXP_FIELD_ERRNO),
        .message = oxp_event_text(event, OXP_FIELD_MESSAGE),
        .status = (int)fmin(oxp_event_number(event, OXP_FIELD_HTTP_STATUS, 0), 9999),
        .ws_code = (int)fmin(oxp_event_number(event, OXP_FIELD_WS_CODE, 0), 9999),
    };
    return oxp_classify(&evidence);
}

/* A severity or category that is said, in the words of the catalogue: those of the logging guides ("warning",
 * "FILE_PROCESSING") stand for them. What stands for nothing is left as it is. */
static struct oxp_view in_our_words(const struct oxp_event *event, enum oxp_field field) {
    struct oxp_view said = oxp_event_text(event, field);
    const char *word = field == OXP_FIELD_SEVERITY   ? oxp_severity_of(said)
                       : field == OXP_FIELD_CATEGORY ? oxp_category_of(said)
                                                     : NULL;
    return word == NULL ? said : oxp_view_from(word);
}

/* The series of this error (rule 1). */
static struct oxp_series *series_of(struct oxp_ledger *ledger, const struct oxp_event *event,
                                    const struct oxp_code *code) {
    int category = -1, severity = -1;
    if (oxp_event_has(event, OXP_FIELD_CATEGORY)) {
        category = oxp_numbers_place(OXP_M_ERRORS, 1, in_our_words(event, OXP_FIELD_CATEGORY));
    }
    if (oxp_event_has(event, OXP_FIELD_SEVERITY)) {
        severity = oxp_numbers_place(OXP_M_ERRORS, 3, in_our_words(event, OXP_FIELD_SEVERITY));
    }
    return oxp_numbers_error(&ledger->numbers, code, category, severity);
}

static void count_failed_create(struct oxp_ledger *ledger, struct oxp_moment *moment,
                                const struct oxp_code_number *number) {
    const struct oxp_event *event = moment->event;
    double since_s = oxp_sessions_create_failed(ledger, moment);
    double took = isnan(since_s) ? NAN : fmax(moment->ts - since_s, 0);
    took = oxp_event_number(event, OXP_FIELD_DURATION_S, took);
    took = oxp_event_number(event, OXP_FIELD_CREATE_S, took);
    oxp_count_event(ledger, moment, number->create_failures);
    if (!isnan(took)) {
        oxp_observe(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_SESSION_CREATE_DURATION, OXP_OK_FAILED), took);
    }
}

/* Rule 2. */
static void count_by_op(struct oxp_ledger *ledger, struct oxp_moment *moment, const struct oxp_code_number *number) {
    struct oxp_view op = oxp_event_text(moment->event, OXP_FIELD_OP);
    if (oxp_view_is(op, "session.create")) {
        count_failed_create(ledger, moment, number);
    } else if (oxp_view_is(op, "session.release")) {
        oxp_count_event(ledger, moment, number->release_failures);
    } else if (oxp_view_is(op, "session.reconnect")) {
        oxp_count_event(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_SESSION_RECONNECTS, OXP_OK_FAILED));
    }
}

static enum oxp_status check(struct oxp_moment *moment) {
    static const struct {
        enum oxp_field field;
        enum oxp_metric metric;
        unsigned label;
    } words[] = {
        {OXP_FIELD_SEVERITY, OXP_M_ERRORS, 3},
        {OXP_FIELD_CATEGORY, OXP_M_ERRORS, 1},
        {OXP_FIELD_SUPPRESSED, OXP_M_ERRORS_SUPPRESSED, 0},
        {OXP_FIELD_LIMIT, OXP_M_AGENT_LIMIT_HITS, 0},
    };
    const struct oxp_event *event = moment->event;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (oxp_event_has(event, words[i].field) &&
            oxp_numbers_place(words[i].metric, words[i].label, in_our_words(event, words[i].field)) < 0) {
            return oxp_refuse(moment, words[i].field, words[i].metric, words[i].label);
        }
    }
    return OXP_OK;
}

/* Rule 3: why it must not mask another (a place), or -1. */
static int suppressed_as(const struct oxp_ledger *ledger, const struct oxp_event *event, const struct oxp_code *code) {
    if (oxp_event_has(event, OXP_FIELD_SUPPRESSED)) {
        return oxp_numbers_place(OXP_M_ERRORS_SUPPRESSED, 0, oxp_event_text(event, OXP_FIELD_SUPPRESSED));
    }
    if (oxp_event_flag(event, OXP_FIELD_CLEANUP, false)) {
        return OXP_SUPPRESS_CLEANUP;
    }
    const struct oxp_task *task = oxp_tasks_find(ledger, oxp_event_text(event, OXP_FIELD_TASK));
    bool duplicate = task != NULL && task->stalled && strcmp(code->name, "task_stalled") == 0;
    return duplicate ? OXP_SUPPRESS_DUPLICATE : -1;
}

/* Rule 6. */
static void count_agent_limit(struct oxp_ledger *ledger, struct oxp_moment *moment, const struct oxp_code *code) {
    bool loop = strcmp(code->name, "agent_loop") == 0;
    if (loop || strcmp(code->name, "agent_limit") == 0) {
        unsigned otherwise = loop ? OXP_LIMIT_LOOP : OXP_LIMIT_MAX_STEPS;
        unsigned limit =
            oxp_numbers_place_or(OXP_M_AGENT_LIMIT_HITS, 0, oxp_event_text(moment->event, OXP_FIELD_LIMIT), otherwise);
        oxp_count_event(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_AGENT_LIMIT_HITS, limit));
    }
}

/* Rule 5. */
static void count_security(struct oxp_ledger *ledger, struct oxp_moment *moment, const struct oxp_code *code) {
    struct oxp_view category = oxp_view_from(code->category);
    if (strcmp(code->name, "unknown") == 0 && oxp_event_has(moment->event, OXP_FIELD_CATEGORY)) {
        category = in_our_words(moment->event, OXP_FIELD_CATEGORY);
    }
    if (oxp_numbers_place(OXP_M_ERRORS, 1, category) == OXP_CATEGORY_SECURITY) {
        oxp_count_event(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_SECURITY_HALTS, 0));
    }
}

static void count_unhandled(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    if (oxp_event_flag(moment->event, OXP_FIELD_UNHANDLED, false)) {
        struct oxp_view component = oxp_event_text(moment->event, OXP_FIELD_COMPONENT);
        struct oxp_open_value *value =
            oxp_open_get(&ledger->numbers.components, component.len == 0 ? OXP_VIEW("none") : component);
        oxp_count_event(ledger, moment, value->cells[OXP_CMP_UNHANDLED]);
    }
}

static void take_limit(struct oxp_ledger *ledger, const struct oxp_event *event, const struct oxp_code *code) {
    double limit = oxp_event_number(event, OXP_FIELD_SESSIONS_LIMIT, 0);
    if (limit <= 0 && strcmp(code->name, "bb_concurrency_limit") == 0) {
        unsigned ceiling = 0, present = 0;
        if (oxp_capacity_from_message(oxp_event_text(event, OXP_FIELD_MESSAGE), &ceiling, &present)) {
            limit = ceiling;
        }
    }
    oxp_limits_announce(ledger, limit);
}

enum oxp_status oxp_on_error(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    enum oxp_status status = check(moment);
    if (status != OXP_OK) {
        return status;
    }
    const struct oxp_code *code = classify(event);
    int suppressed = suppressed_as(ledger, event, code);
    if (suppressed >= 0) {
        oxp_count_event(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_ERRORS_SUPPRESSED, (size_t)suppressed));
    }
    if (suppressed == OXP_SUPPRESS_DUPLICATE) {
        return OXP_OK; /* it was counted the first time */
    }
    oxp_count_event(ledger, moment, series_of(ledger, event, code));
    count_by_op(ledger, moment, oxp_numbers_code(&ledger->numbers, code));
    if (oxp_event_has(event, OXP_FIELD_OCCURRED_AT)) {
        oxp_observe(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_ERROR_DETECTION, moment->source),
                    fmax(moment->ts - event->values[OXP_FIELD_OCCURRED_AT].number, 0));
    } else if (moment->source == OXP_SOURCE_LOG &&
               oxp_event_has(event, OXP_FIELD_TS)) { /* it was logged as it happened */
        oxp_observe(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_ERROR_DETECTION, OXP_SOURCE_LOG),
                    fmax(ledger->wall_s - moment->ts, 0));
    }
    count_unhandled(ledger, moment);
    count_agent_limit(ledger, moment, code);
    count_security(ledger, moment, code);
    take_limit(ledger, event, code);
    if (suppressed < 0) {
        oxp_incidents_error(ledger, moment, code);
    }
    return OXP_OK;
}

void oxp_errors_noticed(struct oxp_ledger *ledger, const char *code, enum oxp_source source, double late_s) {
    struct oxp_evidence evidence = {.code = oxp_view_from(code)};
    oxp_count(oxp_numbers_error(&ledger->numbers, oxp_classify(&evidence), -1, -1), 1);
    if (!isnan(late_s)) {
        oxp_histogram_observe(oxp_cell(&ledger->numbers, OXP_M_ERROR_DETECTION, source), fmax(late_s, 0));
    }
}
