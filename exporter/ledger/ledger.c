/* The ledger's frame: it finds whose event it is and when it happened, and hands it to the part that knows its type.
 *
 *  1. An event without `ts` happened now. One that is more than 5 minutes ahead of the clock, or before 2000, cannot be
 *     believed: bad_time.
 *  2. A value outside an enumeration that has no "other" or "unknown" is bad_field; the text names field, value and
 * what is allowed.
 *  3. An event that is refused costs only itself: it moves nothing, but its seq was seen.
 *  4. Time that goes back for one entity is taken as the last time of that entity, and counted. */
#include "exporter/ledger/parts.h"

#include "lib/base/number.h"
#include "lib/base/utf8.h"
#include <math.h>
#include <stdlib.h>

#define EARLIEST_S 946684800.0 /* 2000-01-01T00:00:00Z */
#define AHEAD_MOST_S 300.0
#define DEFAULT_MAX_OPEN 100000
#define CLAMP_NOTE_EVERY_S 60.0

/* What moves on each type. */
static oxp_handler_fn *const handlers[OXP_EVENT_TYPES] = {
    [OXP_EVENT_ORCHESTRATOR_STARTED] = oxp_on_started,
    [OXP_EVENT_ORCHESTRATOR_HEARTBEAT] = oxp_on_heartbeat,
    [OXP_EVENT_ORCHESTRATOR_STOPPING] = oxp_on_stopping,
    [OXP_EVENT_WORKFLOW_STARTED] = oxp_on_workflow_started,
    [OXP_EVENT_WORKFLOW_ENDED] = oxp_on_workflow_ended,
    [OXP_EVENT_SESSION_CREATING] = oxp_on_session_creating,
    [OXP_EVENT_SESSION_STARTED] = oxp_on_session_started,
    [OXP_EVENT_SESSION_CONNECTED] = oxp_on_session_connected,
    [OXP_EVENT_SESSION_DISCONNECTED] = oxp_on_session_disconnected,
    [OXP_EVENT_SESSION_REPLACED] = oxp_on_session_replaced,
    [OXP_EVENT_SESSION_RELEASING] = oxp_on_session_releasing,
    [OXP_EVENT_SESSION_ENDED] = oxp_on_session_ended,
    [OXP_EVENT_TASK_QUEUED] = oxp_on_task_queued,
    [OXP_EVENT_TASK_STARTED] = oxp_on_task_started,
    [OXP_EVENT_TASK_PROGRESS] = oxp_on_task_progress,
    [OXP_EVENT_TASK_ENDED] = oxp_on_task_ended,
    [OXP_EVENT_OPERATION] = oxp_on_operation,
    [OXP_EVENT_CAPTCHA] = oxp_on_captcha,
    [OXP_EVENT_ERROR] = oxp_on_error,
    [OXP_EVENT_RETRY] = oxp_on_retry,
    [OXP_EVENT_BREAKER] = oxp_on_breaker,
    [OXP_EVENT_BREAKER_CALLS] = oxp_on_breaker_calls,
    [OXP_EVENT_CHECKPOINT] = oxp_on_checkpoint,
    [OXP_EVENT_RECOVERY] = oxp_on_recovery,
    [OXP_EVENT_TRANSACTION] = oxp_on_transaction,
    [OXP_EVENT_DEGRADED] = oxp_on_degraded,
    [OXP_EVENT_DEBUGGER] = oxp_on_debugger,
    [OXP_EVENT_STAGE] = oxp_on_stage,
    [OXP_EVENT_QUEUE] = oxp_on_queue,
    [OXP_EVENT_RESOURCE] = oxp_on_resource,
    [OXP_EVENT_METRIC] = oxp_on_metric,
    [OXP_EVENT_SPAN] = oxp_on_passed_on,
    [OXP_EVENT_LOG] = oxp_on_passed_on,
    [OXP_EVENT_ALERT] = oxp_on_passed_on,
    [OXP_EVENT_AUDIT] = oxp_on_passed_on,
};

/* ---- Small helpers that the parts share ---- */

size_t oxp_keep(char *to, size_t size, struct oxp_view text) {
    if (text.len >= size) {
        text = oxp_utf8_cut(text, size - 1);
    }
    if (text.len != 0) {
        memcpy(to, text.ptr, text.len);
    }
    to[text.len] = '\0';
    return text.len;
}

void oxp_keep_number(char *to, size_t size, uint64_t value) {
    char digits[OXP_NUMBER_MAX];
    (void)oxp_keep(to, size, oxp_view_of(digits, oxp_number_from_u64(digits, value)));
}

size_t oxp_pair(char *to, struct oxp_view a, struct oxp_view b) {
    size_t half = (OXP_PAIR_SIZE - 2) / 2;
    a.len = a.len > half ? half : a.len;
    b.len = b.len > half ? half : b.len;
    if (a.len != 0) {
        memcpy(to, a.ptr, a.len);
    }
    to[a.len] = '\0';
    if (b.len != 0) {
        memcpy(to + a.len + 1, b.ptr, b.len);
    }
    return a.len + 1 + b.len;
}

void oxp_note(struct oxp_ledger *ledger, int level, const char *message, const char *const *pairs) {
    if (ledger->options.on_note != NULL && !ledger->replaying) {
        ledger->options.on_note(ledger->options.ctx, level, message, pairs);
    }
}

enum oxp_status oxp_refuse(struct oxp_moment *moment, enum oxp_field field, enum oxp_metric metric, unsigned label) {
    char choices[192];
    oxp_numbers_choices(metric, label, choices, sizeof choices);
    struct oxp_view value = oxp_utf8_cut(oxp_event_text(moment->event, field), 40);
    return oxp_refuse_because(moment, OXP_REJECT_BAD_FIELD, "%s: \"%.*s\" is not one of %s",
                              oxp_field_spec(field)->name, (int)value.len, value.len == 0 ? "" : value.ptr, choices);
}

double oxp_clamp(struct oxp_ledger *ledger, struct oxp_moment *moment, double *last_s) {
    if (moment->ts >= *last_s) {
        *last_s = moment->ts;
        return moment->ts;
    }
    ledger->clamped++;
    if (ledger->options.on_clamped != NULL) {
        ledger->options.on_clamped(ledger->options.ctx);
    }
    if (ledger->patience_s >= ledger->clamp_noted_at + CLAMP_NOTE_EVERY_S) {
        ledger->clamp_noted_at = ledger->patience_s;
        char total[24];
        oxp_keep_number(total, sizeof total, ledger->clamped);
        const char *pairs[] = {"type", oxp_type_spec(moment->event->type)->name, "clamped_so_far", total, NULL};
        oxp_note(ledger, OXP_NOTE_WARNING, "time went back for a session, task, run or breaker", pairs);
    }
    return *last_s;
}

/* ---- Exemplars ---- */

/* True when this series had an exemplar of that order of magnitude within the last second: a scrape shows one for each
 * bucket, so writing more would cost more than counting and show no more. */
static bool had_exemplar(struct oxp_ledger *ledger, const struct oxp_series *series, double value) {
    int magnitude;
    (void)frexp(value, &magnitude);
    uintptr_t mixed = ((uintptr_t)series >> 4) * UINT64_C(0x9e3779b97f4a7c15) + (uintptr_t)magnitude * 31;
    struct oxp_exemplar_mark *mark = &ledger->exemplars[(mixed >> 20) % OXP_EXEMPLAR_MARKS];
    if (mark->series == series && mark->magnitude == magnitude && fabs(ledger->wall_s - mark->set_s) < 1) {
        return true;
    }
    *mark = (struct oxp_exemplar_mark){series, magnitude, ledger->wall_s};
    return false;
}

/* The session id goes first when both are too long, then the trace id. */
void oxp_exemplar(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_series *series, double value) {
    struct oxp_view trace = oxp_event_text(moment->event, OXP_FIELD_TRACE_ID);
    struct oxp_view session = oxp_event_text(moment->event, OXP_FIELD_SESSION);
    if ((trace.len == 0 && session.len == 0) || had_exemplar(ledger, series, value)) {
        return;
    }
    const struct oxp_view trace_key = OXP_VIEW("trace_id"), session_key = OXP_VIEW("session_id");
    struct oxp_view labels[4];
    size_t count = 0, points = 0;
    if (trace.len != 0 && trace_key.len + oxp_utf8_count(trace) <= OXP_EXEMPLAR_MAX) {
        labels[count++] = trace_key;
        labels[count++] = trace;
        points = trace_key.len + oxp_utf8_count(trace);
    }
    if (session.len != 0 && points + session_key.len + oxp_utf8_count(session) <= OXP_EXEMPLAR_MAX) {
        labels[count++] = session_key;
        labels[count++] = session;
    }
    if (count != 0) {
        oxp_series_exemplar(series, value, moment->ts, labels, count);
    }
}

void oxp_observe(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_series *series, double value) {
    oxp_histogram_observe(series, value);
    oxp_exemplar(ledger, moment, series, value);
}

void oxp_count_event(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_series *series) {
    oxp_count(series, 1);
    oxp_exemplar(ledger, moment, series, 1);
}

/* ---- Life ---- */

static void take_options(struct oxp_ledger *ledger, const struct oxp_ledger_options *options) {
    ledger->options = *options;
    struct oxp_ledger_options *o = &ledger->options;
    o->max_sessions = o->max_sessions == 0 ? DEFAULT_MAX_OPEN : o->max_sessions;
    o->max_tasks = o->max_tasks == 0 ? DEFAULT_MAX_OPEN : o->max_tasks;
    (void)oxp_keep(ledger->environment, sizeof ledger->environment, oxp_view_from(options->environment));
    o->environment = ledger->environment;
}

enum oxp_status oxp_ledger_new(const struct oxp_ledger_options *options, struct oxp_registry *registry,
                               struct oxp_ledger **ledger_out) {
    struct oxp_ledger *ledger = calloc(1, sizeof *ledger);
    if (ledger == NULL) {
        return OXP_ERR_NOMEM;
    }
    enum oxp_status status = oxp_numbers_init(&ledger->numbers, registry);
    if (status != OXP_OK) {
        free(ledger);
        return status;
    }
    ledger->registry = registry;
    take_options(ledger, options);
    ledger->mono_s = (double)oxp_clock_mono(options->clock).ns / 1e9;
    ledger->wall_s = oxp_wall_seconds(oxp_clock_wall(options->clock));
    ledger->clamp_noted_at = -CLAMP_NOTE_EVERY_S;
    oxp_writers_init(ledger);
    oxp_sessions_init(ledger);
    oxp_tasks_init(ledger);
    oxp_queue_init(ledger);
    oxp_breakers_init(ledger);
    oxp_incidents_init(ledger);
    oxp_degraded_init(ledger);
    oxp_usage_init(ledger);
    oxp_map_init(&ledger->runs_by_key);
    oxp_map_init(&ledger->backoffs_by_key);
    oxp_closed_init(&ledger->closed);
    oxp_buf_init(&ledger->record, OXP_JOURNAL_RECORD_MAX);
    oxp_limits_configured(ledger);
    *ledger_out = ledger;
    return OXP_OK;
}

void oxp_ledger_free(struct oxp_ledger *ledger) {
    if (ledger == NULL) {
        return;
    }
    oxp_persist_close(ledger);
    oxp_sessions_fini(ledger);
    oxp_tasks_fini(ledger);
    oxp_queue_fini(ledger);
    oxp_runs_fini(ledger);
    oxp_retries_fini(ledger);
    oxp_breakers_fini(ledger);
    oxp_incidents_fini(ledger);
    oxp_degraded_fini(ledger);
    oxp_apps_fini(ledger);
    oxp_provider_state_fini(ledger);
    oxp_writers_fini(ledger);
    oxp_closed_fini(&ledger->closed);
    oxp_buf_fini(&ledger->record);
    oxp_numbers_fini(&ledger->numbers);
    free(ledger);
}

void oxp_ledger_refused(struct oxp_ledger *ledger, uint64_t connection, uint64_t seq) {
    struct oxp_event event;
    oxp_event_clear(&event);
    event.values[OXP_FIELD_SEQ].number = (double)seq;
    event.present[OXP_FIELD_SEQ / 64] |= UINT64_C(1) << (OXP_FIELD_SEQ % 64);
    struct oxp_moment moment = {.event = &event, .connection = connection};
    oxp_writers_identify(ledger, &moment);
    (void)oxp_writers_is_repeat(ledger, &moment);
}

void oxp_ledger_configure(struct oxp_ledger *ledger, const struct oxp_ledger_options *options) {
    take_options(ledger, options);
    oxp_limits_configured(ledger);
    oxp_persist_loose(ledger);
    oxp_ledger_tick(ledger);
}

/* ---- Time ---- */

void oxp_ledger_now(struct oxp_ledger *ledger) {
    const struct oxp_clock *clock = ledger->options.clock;
    double mono = (double)oxp_clock_mono(clock).ns / 1e9;
    double passed = fmax(mono - ledger->mono_s, 0);
    ledger->mono_s = mono;
    ledger->patience_s += fmin(passed, OXP_PATIENCE_GAP_S);
    ledger->wall_s = oxp_wall_seconds(oxp_clock_wall(clock));
}

void oxp_ledger_tick(struct oxp_ledger *ledger) {
    oxp_ledger_now(ledger);
    oxp_writers_tick(ledger);
    oxp_sessions_tick(ledger);
    oxp_tasks_tick(ledger);
    oxp_retries_tick(ledger);
    oxp_breakers_tick(ledger);
    oxp_incidents_tick(ledger);
    oxp_degraded_tick(ledger);
    oxp_usage_tick(ledger);
    oxp_persist_tick(ledger);
}

void oxp_ledger_disconnect(struct oxp_ledger *ledger, uint64_t connection) {
    oxp_ledger_now(ledger);
    oxp_writers_disconnect(ledger, connection);
}

void oxp_ledger_probed(struct oxp_ledger *ledger, bool healthy) {
    oxp_ledger_now(ledger);
    oxp_writers_probed(ledger, healthy);
}

/* ---- Applying ---- */

/* Rule 1. */
static enum oxp_status check_time(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    static const enum oxp_field times[] = {OXP_FIELD_TS, OXP_FIELD_OCCURRED_AT, OXP_FIELD_STARTED_AT};
    const struct oxp_event *event = moment->event;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        if (!oxp_event_has(event, times[i])) {
            continue;
        }
        double at = event->values[times[i]].number;
        if (!(at >= EARLIEST_S)) {
            return oxp_refuse_because(moment, OXP_REJECT_BAD_TIME, "%s: %.3f is before the year 2000 (unix seconds)",
                                      oxp_field_spec(times[i])->name, at);
        }
        if (at > ledger->wall_s + AHEAD_MOST_S) {
            return oxp_refuse_because(moment, OXP_REJECT_BAD_TIME, "%s: %.3f is %.0f s ahead of this clock",
                                      oxp_field_spec(times[i])->name, at, at - ledger->wall_s);
        }
    }
    moment->ts = oxp_event_number(event, OXP_FIELD_TS, ledger->wall_s);
    return OXP_OK;
}

/* Repeats are ignored, but for what a reconnecting client says again on purpose. */
static bool is_said_again(const struct oxp_event *event) {
    return event->type == OXP_EVENT_ORCHESTRATOR_STARTED || oxp_event_flag(event, OXP_FIELD_RESUMED, false);
}

enum oxp_status oxp_ledger_apply(struct oxp_ledger *ledger, const struct oxp_event *event, uint64_t connection,
                                 enum oxp_reject *reason_out, struct oxp_error *error) {
    struct oxp_origin origin = {connection, OXP_SOURCE_CLIENT};
    return oxp_ledger_apply_from(ledger, event, &origin, reason_out, error);
}

enum oxp_status oxp_ledger_apply_from(struct oxp_ledger *ledger, const struct oxp_event *event,
                                      const struct oxp_origin *origin, enum oxp_reject *reason_out,
                                      struct oxp_error *error) {
    struct oxp_moment moment = {.event = event,
                                .connection = origin->connection,
                                .source = origin->source,
                                .reason = OXP_REJECT_OTHER,
                                .error = error};
    ledger->wall_s = oxp_wall_seconds(oxp_clock_wall(ledger->options.clock));
    enum oxp_status status = check_time(ledger, &moment);
    if (status == OXP_OK) {
        oxp_writers_identify(ledger, &moment);
        bool repeat = oxp_writers_is_repeat(ledger, &moment);
        oxp_handler_fn *handler = (unsigned)event->type < OXP_EVENT_TYPES ? handlers[event->type] : NULL;
        if (handler == NULL || (repeat && !is_said_again(event))) {
            status = OXP_IGNORED;
        } else {
            ledger->event_s = moment.ts; /* for what the handler writes to the journal */
            status = handler(ledger, &moment);
            ledger->event_s = 0;
        }
    }
    if (status < 0) {
        if (reason_out != NULL) {
            *reason_out = moment.reason;
        }
        return status;
    }
    oxp_writers_seen(ledger, &moment);
    if (event->type < OXP_EVENT_SESSION_CREATING || event->type > OXP_EVENT_SESSION_ENDED) {
        oxp_sessions_touch(ledger, &moment);
    }
    if (event->type < OXP_EVENT_TASK_QUEUED || event->type > OXP_EVENT_TASK_PROGRESS) {
        oxp_tasks_touch(ledger, &moment);
    }
    oxp_persist_loose(ledger);
    return status;
}
