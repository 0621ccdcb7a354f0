/* The intake: lines of events from any transport to the ledger, counted. Loop thread only.
 *
 * bytes -> lines -> event -> ledger, and for each line oxpecker_events_received_total or _rejected_total by its reason.
 */
#ifndef OXP_API_INTAKE_H
#define OXP_API_INTAKE_H

#include "exporter/ledger/ledger.h"
#include "exporter/parse/audit.h"
#include "exporter/parse/parse.h"
#include "exporter/selfstats/selfstats.h"
#include "lib/log/log.h"

enum oxp_transport { OXP_TRANSPORT_UNIX, OXP_TRANSPORT_HTTP, OXP_TRANSPORT_LOG };

struct oxp_intake; /* counters and one event to parse into */
enum oxp_status oxp_intake_new(struct oxp_ledger *ledger, struct oxp_selfstats *stats, struct oxp_log *log,
                               const struct oxp_clock *clock, struct oxp_intake **intake_out);
void oxp_intake_free(struct oxp_intake *intake);
/* From now on accepted events go to `recent` (borrowed; NULL = nobody), too. */
struct oxp_recent;
void oxp_intake_set_recent(struct oxp_intake *intake, struct oxp_recent *recent);

/* Told of each announcement (`pid` is what it says, 0 when it does not) and each planned end of a root writer, as it is
 * applied. `announced` false: it stops. */
void oxp_intake_on_announced(struct oxp_intake *intake,
                             void (*announced)(void *ctx, uint64_t connection, bool announced, int64_t pid), void *ctx);

/* Told of each event of the type `audit`, as it is applied; the event is good during the call. */
void oxp_intake_on_audit(struct oxp_intake *intake, void (*audited)(void *ctx, const struct oxp_event *event),
                         void *ctx);

/* One line that was refused. */
struct oxp_intake_refusal {
    unsigned long line;
    enum oxp_reject reason;
    char text[256];
};

struct oxp_intake_result {
    uint64_t accepted, rejected;
    struct oxp_intake_refusal refusals[32]; /* the first ones */
};

/* One line. True when it was accepted. `refusal_out` may be NULL. */
bool oxp_intake_line(struct oxp_intake *intake, enum oxp_transport transport, uint64_t connection, unsigned long number,
                     struct oxp_view line, struct oxp_intake_refusal *refusal_out);
/* One line of a followed log: an event of our own, or whatever `audit` reads out of it. */
void oxp_intake_log_line(struct oxp_intake *intake, struct oxp_audit_reader *audit, unsigned long number,
                         struct oxp_view line);
/* A whole body of lines (HTTP). The last line may lack its newline. */
void oxp_intake_body(struct oxp_intake *intake, struct oxp_view body, struct oxp_intake_result *result_out);
/* Counts a line that never was whole: too_large, cut. */
void oxp_intake_reject(struct oxp_intake *intake, enum oxp_transport transport, uint64_t connection,
                       unsigned long number, enum oxp_reject reason);

/* A stream (the Unix socket): one for each connection. */
struct oxp_intake_stream;
enum oxp_status oxp_intake_stream_new(struct oxp_intake *intake, uint64_t connection,
                                      struct oxp_intake_stream **stream_out);
void oxp_intake_stream_feed(struct oxp_intake_stream *stream, struct oxp_view bytes);
/* The connection ended: counts a cut line, tells the ledger, frees. */
void oxp_intake_stream_end(struct oxp_intake_stream *stream);

#endif
