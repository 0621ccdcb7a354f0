/* What happened lately: the newest log records, alerts and traces, in memory.
 *
 * Fed on the loop thread with the events that the ledger accepted (and, from any thread, with the sidecar's own log);
 * read by HTTP threads. Nothing but the struct is allocated before the first record.
 *
 *   logs    1000 records of `log` and `audit` events and the sidecar's own log, and 1000 `alert` events apart, so that
 *           a flood of logs does not wash alerts away: each record at most 4 KiB of JSON
 *   traces  the 1000 that were heard of last, each at most 256 spans, in all 8 MiB; what exceeds that is dropped, and
 *           counted in oxpecker_spans_dropped_total
 *
 * so that the worst case is 17 MiB in all, and what an orchestrator really says 2 or 3.
 *
 * A span is open from its event with state "started" to the one with "ended" (the default); they may come in either
 * order, and the start may be missing. One whose end never came is closed as abandoned: after 6 h, when its writer
 * starts anew with another boot, or when its writer's connection has been gone for 30 s. An end that comes after all is
 * taken. Spans over a connection that never announced itself have no owner, and fall to the 6 h. */
#ifndef OXP_API_RECENT_H
#define OXP_API_RECENT_H

#include "exporter/event/event.h"
#include "exporter/selfstats/selfstats.h"
#include "lib/base/buf.h"
#include "lib/log/log.h"

#define OXP_RECENT_TRACES 1000
#define OXP_RECENT_SPANS 256 /* of a trace */
#define OXP_RECENT_TRACE_BYTES ((size_t)8 << 20)
#define OXP_RECENT_RECORD_MAX 4096 /* bytes of a log record's JSON */
#define OXP_RECENT_SPAN_LIFE_S (6 * 3600.0)
#define OXP_RECENT_GONE_S 30.0

struct oxp_recent;
/* `stats` (borrowed, may be NULL) gets oxpecker_ring_entries, _traces_active and _spans_dropped_total. OXP_ERR_NOMEM.
 */
enum oxp_status oxp_recent_new(struct oxp_selfstats *stats, struct oxp_recent **recent_out);
void oxp_recent_free(struct oxp_recent *recent);

/* One event that was accepted; all but those of the types above cost nothing. `recent` may be NULL here and below. Loop
 * thread. */
void oxp_recent_event(struct oxp_recent *recent, const struct oxp_event *event, uint64_t connection, double now_s);
/* A connection ended. Loop thread. */
void oxp_recent_disconnected(struct oxp_recent *recent, uint64_t connection, double now_s);
/* Closes what is abandoned; once a second or so, any thread. */
void oxp_recent_tick(struct oxp_recent *recent, double now_s);
/* A record of the sidecar's own log; those below warning are not kept. Texts are scrubbed. Any thread. It logs nothing.
 */
void oxp_recent_own_log(struct oxp_recent *recent, enum oxp_log_level level, double ts_s, const char *message,
                        const struct oxp_log_field *fields, size_t count);

/* ---- Questions: each appends one JSON value and a newline to `out` (whose failure sticks). Any thread. ---- */

struct oxp_recent_logs_query {
    size_t limit;
    enum oxp_log_level level;                      /* least */
    struct oxp_view kind, trace_id, session, task; /* empty = any */
};
/* {"total": all that match, "logs": [newest first]} */
void oxp_recent_logs(struct oxp_recent *recent, const struct oxp_recent_logs_query *query, struct oxp_buf *out);

enum oxp_recent_wish { OXP_WISH_ANY, OXP_WISH_YES, OXP_WISH_NO };

struct oxp_recent_traces_query {
    size_t limit;
    struct oxp_view session, task, workflow; /* of any span; empty = any */
    enum oxp_recent_wish active, error;
    double min_duration_s;
    double now_s; /* for the duration of those that are open */
};
/* {"total": all that match, "traces": [newest start first]} */
void oxp_recent_traces(struct oxp_recent *recent, const struct oxp_recent_traces_query *query, struct oxp_buf *out);
/* The trace as a tree: {"trace_id": …, "roots": [{span, "children": […]}]}. OXP_ERR_NOT_FOUND, OXP_ERR_NOMEM; then
 * nothing was appended. */
enum oxp_status oxp_recent_trace(struct oxp_recent *recent, struct oxp_view trace_id, double now_s,
                                 struct oxp_buf *out);

#endif
