/* Errors (domain catalogue, sections 3 and 5).
 *
 *  1. An error with a code of the taxonomy is taken at its word; else it is classified from its evidence. One that
 *     nothing matches is `unknown`, in the category that it states. A severity that it states overrides the code's.
 *  2. op session.create: a creation gave no session, counted by code; what was pending under its ref is over, and its
 *     time is observed with outcome error. op session.release: a release failed. op session.reconnect: so did that.
 *  3. occurred_at gives the time to detection. cleanup: it must not mask the error before it.
 *  4. A capacity refusal that states the ceiling ("limit N, currently M") sets sessions_limit. */
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

/* The series of this error: the code's own, or one made for what the event overrides (rule 1). */
static struct oxp_series *series_of(struct oxp_ledger *ledger, const struct oxp_event *event,
                                    const struct oxp_code *code, const struct oxp_code_number *number) {
    const char *category = code->category, *severity = code->severity;
    int place = oxp_numbers_place(OXP_M_ERRORS, 1, oxp_event_text(event, OXP_FIELD_CATEGORY));
    if (place >= 0 && strcmp(code->name, "unknown") == 0) {
        category = oxp_numbers_text(OXP_M_ERRORS, 1, (unsigned)place);
    }
    place = oxp_numbers_place(OXP_M_ERRORS, 3, oxp_event_text(event, OXP_FIELD_SEVERITY));
    if (place >= 0) {
        severity = oxp_numbers_text(OXP_M_ERRORS, 3, (unsigned)place);
    }
    if (number->code == code && strcmp(category, code->category) == 0 && strcmp(severity, code->severity) == 0) {
        return number->errors;
    }
    struct oxp_view labels[] = {oxp_view_from(code->name), oxp_view_from(category), oxp_view_from(code->class),
                                oxp_view_from(severity)};
    struct oxp_series *series;
    (void)oxp_family_series(ledger->numbers.families[OXP_M_ERRORS], labels, &series);
    return series;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* The number after "limit" in a text like "… limit of 3, currently 3 …", or 0 (rule 4). */
static double limit_in(struct oxp_view text) {
    static const char word[] = "limit";
    const size_t len = sizeof word - 1;
    for (size_t i = 0; i + len < text.len; i++) {
        size_t k = 0;
        while (k < len && (text.ptr[i + k] | 0x20) == word[k]) {
            k++;
        }
        if (k < len) {
            continue;
        }
        size_t at = i + len, skipped = 0;
        for (; at < text.len && !is_digit(text.ptr[at]) && skipped < 6; skipped++) { /* " of ", ": ", "=" */
            at++;
        }
        double number = 0;
        for (; at < text.len && is_digit(text.ptr[at]) && number < 1e6; at++) {
            number = number * 10 + (text.ptr[at] - '0');
        }
        if (number > 0) {
            return number;
        }
    }
    return 0;
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
    const struct oxp_event *event = moment->event;
    if (oxp_event_has(event, OXP_FIELD_SEVERITY) &&
        oxp_numbers_place(OXP_M_ERRORS, 3, oxp_event_text(event, OXP_FIELD_SEVERITY)) < 0) {
        return oxp_refuse(moment, OXP_FIELD_SEVERITY, OXP_M_ERRORS, 3);
    }
    if (oxp_event_has(event, OXP_FIELD_CATEGORY) &&
        oxp_numbers_place(OXP_M_ERRORS, 1, oxp_event_text(event, OXP_FIELD_CATEGORY)) < 0) {
        return oxp_refuse(moment, OXP_FIELD_CATEGORY, OXP_M_ERRORS, 1);
    }
    return OXP_OK;
}

enum oxp_status oxp_on_error(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    enum oxp_status status = check(moment);
    if (status != OXP_OK) {
        return status;
    }
    const struct oxp_code *code = classify(event);
    const struct oxp_code_number *number = oxp_numbers_code(&ledger->numbers, code);
    oxp_count_event(ledger, moment, series_of(ledger, event, code, number));
    count_by_op(ledger, moment, number);
    if (oxp_event_has(event, OXP_FIELD_OCCURRED_AT)) {
        oxp_observe(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_ERROR_DETECTION, OXP_SOURCE_CLIENT),
                    fmax(moment->ts - event->values[OXP_FIELD_OCCURRED_AT].number, 0));
    }
    if (oxp_event_flag(event, OXP_FIELD_CLEANUP, false)) {
        oxp_count_event(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_ERRORS_SUPPRESSED, OXP_SUPPRESS_CLEANUP));
    }
    if (oxp_event_flag(event, OXP_FIELD_UNHANDLED, false)) {
        struct oxp_view component = oxp_event_text(event, OXP_FIELD_COMPONENT);
        struct oxp_open_value *value =
            oxp_open_get(&ledger->numbers.components, component.len == 0 ? OXP_VIEW("none") : component);
        oxp_count_event(ledger, moment, value->cells[0]);
    }
    double limit = oxp_event_number(event, OXP_FIELD_SESSIONS_LIMIT, 0);
    if (limit <= 0 && strcmp(code->name, "bb_concurrency_limit") == 0) {
        limit = limit_in(oxp_event_text(event, OXP_FIELD_MESSAGE));
    }
    oxp_writers_limit(ledger, limit);
    return OXP_OK;
}
