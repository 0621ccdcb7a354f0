#include "exporter/api/intake.h"

#include "exporter/api/recent.h"
#include "lib/base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

/* The wall clock is read once for each batch of bytes, not for each event: the lag is told to that precision. Refusals
 * are logged one by one up to LOGGED_A_SECOND; the next second's first line says how many were left out, and the
 * counters have them all. */

#define LOGGED_A_SECOND 10

struct oxp_intake {
    struct oxp_ledger *ledger;
    struct oxp_recent *recent;
    struct oxp_log *log;
    const struct oxp_clock *clock;
    struct oxp_counter received[3]; /* by enum oxp_transport */
    struct oxp_counter rejected[OXP_REJECTS];
    struct oxp_series *lag;
    double now_s;              /* wall time of this batch */
    struct oxp_mono log_start; /* of the second that is being counted */
    unsigned logged;           /* in that second */
    uint64_t left_out;         /* since the last line that was logged */
    void (*announced)(void *ctx, uint64_t connection, bool announced, int64_t pid);
    void *announced_ctx;
    void (*audited)(void *ctx, const struct oxp_event *event);
    void *audited_ctx;
    struct oxp_event event;
    struct oxp_refusal refusal;
};

struct oxp_intake_stream {
    struct oxp_intake *intake;
    uint64_t connection;
    struct oxp_lines lines;
};

static const char *const transports[] = {
    [OXP_TRANSPORT_UNIX] = "unix", [OXP_TRANSPORT_HTTP] = "http", [OXP_TRANSPORT_LOG] = "log"};

static void take_handles(struct oxp_intake *intake, struct oxp_selfstats *stats) {
    for (size_t i = 0; i < sizeof transports / sizeof transports[0]; i++) {
        intake->received[i] =
            oxp_counter(oxp_family_at(stats->families[OXP_S_EVENTS_RECEIVED_TOTAL], oxp_view_from(transports[i])));
    }
    for (unsigned i = 0; i < OXP_REJECTS; i++) {
        struct oxp_view reason = oxp_view_from(oxp_reject_name((enum oxp_reject)i));
        intake->rejected[i] = oxp_counter(oxp_family_at(stats->families[OXP_S_EVENTS_REJECTED_TOTAL], reason));
    }
    intake->lag = oxp_family_only(stats->families[OXP_S_EVENT_LAG_SECONDS]);
}

enum oxp_status oxp_intake_new(struct oxp_ledger *ledger, struct oxp_selfstats *stats, struct oxp_log *log,
                               const struct oxp_clock *clock, struct oxp_intake **intake_out) {
    struct oxp_intake *intake = calloc(1, sizeof *intake);
    if (intake == NULL) {
        return OXP_ERR_NOMEM;
    }
    intake->ledger = ledger;
    intake->log = log;
    intake->clock = clock;
    intake->log_start = oxp_clock_mono(clock);
    take_handles(intake, stats);
    *intake_out = intake;
    return OXP_OK;
}

void oxp_intake_free(struct oxp_intake *intake) {
    free(intake);
}

void oxp_intake_on_announced(struct oxp_intake *intake,
                             void (*announced)(void *ctx, uint64_t connection, bool announced, int64_t pid),
                             void *ctx) {
    intake->announced = announced;
    intake->announced_ctx = ctx;
}

void oxp_intake_on_audit(struct oxp_intake *intake, void (*audited)(void *ctx, const struct oxp_event *event),
                         void *ctx) {
    intake->audited = audited;
    intake->audited_ctx = ctx;
}

void oxp_intake_set_recent(struct oxp_intake *intake, struct oxp_recent *recent) {
    intake->recent = recent;
}

/* ---- Refusals ---- */

struct origin {
    enum oxp_transport transport;
    uint64_t connection;
    unsigned long line;
};

/* False when this second has had its share of lines. */
static bool may_log(struct oxp_intake *intake) {
    struct oxp_mono now = oxp_clock_mono(intake->clock);
    if (now.ns - intake->log_start.ns >= OXP_NS_PER_S) {
        intake->log_start = now;
        intake->logged = 0;
    }
    if (intake->logged >= LOGGED_A_SECOND) {
        intake->left_out++;
        return false;
    }
    intake->logged++;
    return true;
}

static void log_refusal(struct oxp_intake *intake, const struct origin *origin, const char *text) {
    if (!may_log(intake)) {
        return;
    }
    struct oxp_log_field fields[6];
    size_t count = 0;
    fields[count++] = OXP_LOG_TEXT("reason", oxp_reject_name(intake->refusal.reason));
    fields[count++] = OXP_LOG_TEXT("error", text);
    fields[count++] = OXP_LOG_TEXT("transport", transports[origin->transport]);
    fields[count++] = OXP_LOG_NUM("line", origin->line);
    if (origin->connection != 0) {
        fields[count++] = OXP_LOG_NUM("connection", origin->connection);
    }
    if (intake->left_out > 0) {
        fields[count++] = OXP_LOG_NUM("left_out", intake->left_out);
        intake->left_out = 0;
    }
    oxp_log_write(intake->log, OXP_LOG_WARNING, "event refused", fields, count);
}

/* Counts, logs and hands out what stands in intake->refusal. */
__attribute__((cold, noinline)) static void refuse(struct oxp_intake *intake, const struct origin *origin,
                                                   struct oxp_intake_refusal *refusal_out) {
    const struct oxp_refusal *refusal = &intake->refusal;
    char text[sizeof refusal->error.text + 24];
    if (refusal->error.column > 0) {
        snprintf(text, sizeof text, "column %u: %s", refusal->error.column, refusal->error.text);
    } else {
        snprintf(text, sizeof text, "%s", refusal->error.text);
    }
    oxp_counter_add(intake->rejected[refusal->reason], 1);
    log_refusal(intake, origin, text);
    if (refusal_out != NULL) {
        struct oxp_view cut = oxp_utf8_cut(oxp_view_from(text), sizeof refusal_out->text - 1);
        refusal_out->line = origin->line;
        refusal_out->reason = refusal->reason;
        memcpy(refusal_out->text, cut.ptr, cut.len);
        refusal_out->text[cut.len] = '\0';
    }
}

/* A refusal that is not the parser's nor the ledger's. */
static void set_refusal(struct oxp_intake *intake, enum oxp_reject reason) {
    intake->refusal.reason = reason;
    if (reason == OXP_REJECT_TOO_LARGE) {
        oxp_error_set(&intake->refusal.error, OXP_ERR_LIMIT, 0, 0, "longer than %d bytes", OXP_EVENT_LINE_MAX);
    } else if (reason == OXP_REJECT_CUT) {
        oxp_error_set(&intake->refusal.error, OXP_ERR_CLOSED, 0, 0, "the connection ended inside the line");
    } else {
        oxp_error_set(&intake->refusal.error, OXP_ERR_INVALID, 0, 0, "refused: %s", oxp_reject_name(reason));
    }
}

/* ---- One line ---- */

static void read_clock(struct oxp_intake *intake) {
    intake->now_s = oxp_wall_seconds(oxp_clock_wall(intake->clock));
}

/* True when the event was applied; else intake->refusal says why not. */
static bool apply(struct oxp_intake *intake, const struct oxp_event *event, const struct origin *origin) {
    const struct oxp_origin from = {
        .connection = origin->connection,
        .source = origin->transport == OXP_TRANSPORT_LOG ? OXP_SOURCE_LOG : OXP_SOURCE_CLIENT,
    };
    struct oxp_refusal *refusal = &intake->refusal;
    refusal->reason = OXP_REJECT_OTHER;
    refusal->error.column = 0;
    refusal->error.text[0] = '\0';
    enum oxp_status status = oxp_ledger_apply_from(intake->ledger, event, &from, &refusal->reason, &refusal->error);
    if (status >= 0) {
        return true;
    }
    if (status != OXP_ERR_INVALID) {
        refusal->reason = OXP_REJECT_OTHER;
    }
    if (refusal->error.text[0] == '\0') {
        oxp_error_set(&refusal->error, status, 0, 0, "%s", oxp_status_text(status));
    }
    return false;
}

/* An orchestrator came or goes: whoever watches its process is told. Forked workers ("main/12") are part of its tree.
 */
__attribute__((cold, noinline)) static void tell_announced(struct oxp_intake *intake, const struct oxp_event *event,
                                                           const struct origin *origin) {
    struct oxp_view writer = oxp_event_text(event, OXP_FIELD_WRITER);
    if (memchr(writer.ptr == NULL ? "" : writer.ptr, '/', writer.len) == NULL) {
        intake->announced(intake->announced_ctx, origin->connection, event->type == OXP_EVENT_ORCHESTRATOR_STARTED,
                          (int64_t)oxp_event_number(event, OXP_FIELD_PID, 0));
    }
}

/* What follows from an event that was applied. */
static void account(struct oxp_intake *intake, const struct oxp_event *event, const struct origin *origin) {
    oxp_counter_add(intake->received[origin->transport], 1);
    oxp_recent_event(intake->recent, event, origin->connection, intake->now_s);
    if (event->type == OXP_EVENT_AUDIT && intake->audited != NULL) {
        intake->audited(intake->audited_ctx, event);
    }
    if (oxp_event_has(event, OXP_FIELD_TS)) {
        double lag = intake->now_s - event->values[OXP_FIELD_TS].number;
        oxp_histogram_observe(intake->lag, lag > 0 ? lag : 0);
    }
    if ((event->type == OXP_EVENT_ORCHESTRATOR_STARTED || event->type == OXP_EVENT_ORCHESTRATOR_STOPPING) &&
        intake->announced != NULL) {
        tell_announced(intake, event, origin);
    }
}

static bool take_line(struct oxp_intake *intake, const struct origin *origin, struct oxp_view line,
                      struct oxp_intake_refusal *refusal_out) {
    if (oxp_parse_event(line, &intake->event, &intake->refusal) != OXP_OK || !apply(intake, &intake->event, origin)) {
        uint64_t seq;
        if (oxp_parse_seq(line, &seq)) {
            oxp_ledger_refused(intake->ledger, origin->connection, seq);
        }
        refuse(intake, origin, refusal_out);
        return false;
    }
    account(intake, &intake->event, origin);
    return true;
}

/* ---- A followed log ---- */

struct log_line {
    struct oxp_intake *intake;
    struct origin origin;
};

static void log_event(void *ctx, const struct oxp_event *event) {
    const struct log_line *from = ctx;
    if (apply(from->intake, event, &from->origin)) {
        account(from->intake, event, &from->origin);
    } else {
        refuse(from->intake, &from->origin, NULL);
    }
}

void oxp_intake_log_line(struct oxp_intake *intake, struct oxp_audit_reader *audit, unsigned long number,
                         struct oxp_view line) {
    struct log_line from = {intake, {OXP_TRANSPORT_LOG, 0, number}};
    const struct oxp_audit_sink sink = {&from, log_event};
    read_clock(intake);
    if (oxp_audit_is_event(line)) {
        (void)take_line(intake, &from.origin, line, NULL);
    } else if (oxp_audit_parse(audit, line, &sink, &intake->refusal) == OXP_ERR_SYNTAX) {
        refuse(intake, &from.origin, NULL);
    }
}

bool oxp_intake_line(struct oxp_intake *intake, enum oxp_transport transport, uint64_t connection, unsigned long number,
                     struct oxp_view line, struct oxp_intake_refusal *refusal_out) {
    struct origin origin = {transport, connection, number};
    read_clock(intake);
    return take_line(intake, &origin, line, refusal_out);
}

void oxp_intake_reject(struct oxp_intake *intake, enum oxp_transport transport, uint64_t connection,
                       unsigned long number, enum oxp_reject reason) {
    struct origin origin = {transport, connection, number};
    set_refusal(intake, reason);
    refuse(intake, &origin, NULL);
}

/* ---- A body of lines ---- */

struct body {
    struct oxp_intake *intake;
    struct oxp_intake_result *result;
};

static struct oxp_intake_refusal *next_refusal(struct oxp_intake_result *result) {
    size_t max = sizeof result->refusals / sizeof result->refusals[0];
    return result->rejected < max ? &result->refusals[result->rejected] : NULL;
}

static void body_line(void *ctx, unsigned long number, struct oxp_view line) {
    struct body *body = ctx;
    struct origin origin = {OXP_TRANSPORT_HTTP, 0, number};
    if (take_line(body->intake, &origin, line, next_refusal(body->result))) {
        body->result->accepted++;
    } else {
        body->result->rejected++;
    }
}

static void body_too_large(void *ctx, unsigned long number) {
    struct body *body = ctx;
    struct origin origin = {OXP_TRANSPORT_HTTP, 0, number};
    set_refusal(body->intake, OXP_REJECT_TOO_LARGE);
    refuse(body->intake, &origin, next_refusal(body->result));
    body->result->rejected++;
}

void oxp_intake_body(struct oxp_intake *intake, struct oxp_view bytes, struct oxp_intake_result *result_out) {
    struct body body = {intake, result_out};
    struct oxp_lines_sink sink = {&body, body_line, body_too_large};
    struct oxp_lines lines;
    oxp_lines_init(&lines);
    result_out->accepted = 0;
    result_out->rejected = 0;
    read_clock(intake);
    oxp_lines_feed(&lines, bytes, &sink);
    oxp_lines_feed(&lines, OXP_VIEW("\n"), &sink); /* the last line may lack its own; a blank one more is nothing */
}

/* ---- A stream ---- */

static void stream_line(void *ctx, unsigned long number, struct oxp_view line) {
    struct oxp_intake_stream *stream = ctx;
    struct origin origin = {OXP_TRANSPORT_UNIX, stream->connection, number};
    take_line(stream->intake, &origin, line, NULL);
}

static void stream_too_large(void *ctx, unsigned long number) {
    struct oxp_intake_stream *stream = ctx;
    oxp_intake_reject(stream->intake, OXP_TRANSPORT_UNIX, stream->connection, number, OXP_REJECT_TOO_LARGE);
}

enum oxp_status oxp_intake_stream_new(struct oxp_intake *intake, uint64_t connection,
                                      struct oxp_intake_stream **stream_out) {
    struct oxp_intake_stream *stream = malloc(sizeof *stream); /* not cleared: most connections never use `partial` */
    if (stream == NULL) {
        return OXP_ERR_NOMEM;
    }
    stream->intake = intake;
    stream->connection = connection;
    oxp_lines_init(&stream->lines);
    *stream_out = stream;
    return OXP_OK;
}

void oxp_intake_stream_feed(struct oxp_intake_stream *stream, struct oxp_view bytes) {
    struct oxp_lines_sink sink = {stream, stream_line, stream_too_large};
    read_clock(stream->intake);
    oxp_lines_feed(&stream->lines, bytes, &sink);
}

void oxp_intake_stream_end(struct oxp_intake_stream *stream) {
    unsigned long number;
    if (oxp_lines_end(&stream->lines, &number)) {
        oxp_intake_reject(stream->intake, OXP_TRANSPORT_UNIX, stream->connection, number, OXP_REJECT_CUT);
    }
    oxp_ledger_disconnect(stream->intake->ledger, stream->connection);
    read_clock(stream->intake);
    oxp_recent_disconnected(stream->intake->recent, stream->connection, stream->intake->now_s);
    free(stream);
}
