/* What the routes answer: metrics, health, lifecycle, events in, the ledger and what happened lately as JSON, and the
 * Prometheus HTTP API over the short memory (query_parts.h).
 *
 * The lists of the ledger (sessions, tasks, breakers, incidents, writers) answer {"total": all that match, "skip": s,
 * "<list>": [entries]}, oldest first; ?limit= (1 to 1,000, 100 if absent), ?skip= and ?id= choose, of incidents also
 * ?state=, ?severity= and ?task=. Notifications: see notifications.c. Traces and logs answer {"total": …, "<list>": …},
 * newest first. Times are unix seconds, null when unknown. */
#ifndef OXP_API_API_H
#define OXP_API_API_H

#include "alerts/promql/engine.h"
#include "alerts/tsdb/exemplars.h"
#include "exporter/api/intake.h"
#include "exporter/api/recent.h"
#include "exporter/loop/loop.h"
#include "exporter/serve/serve.h"

struct oxp_rules;
struct oxp_outbox;
struct oxp_courier;

struct oxp_api {
    struct oxp_registry *registry;
    struct oxp_selfstats *stats;
    struct oxp_loop *loop;
    struct oxp_ledger *ledger; /* touched only through oxp_loop_call */
    struct oxp_intake *intake; /* likewise */
    struct oxp_recent *recent; /* NULL: there are no traces and no logs */
    struct oxp_log *log;
    const struct oxp_clock *clock;
    /* The query API. NULL: there is no short memory, and it answers 503. */
    struct oxp_tsdb *tsdb;
    struct oxp_promql_engine *engine;      /* not NULL when tsdb is not */
    struct oxp_exemplars_store *exemplars; /* NULL: there are none */
    struct oxp_rules *rules;               /* NULL: none are evaluated */
    const char *revision;                  /* of the build, for status/buildinfo; NULL: none is told */
    _Atomic bool openmetrics_created;      /* --web.openmetrics-created */
    _Atomic size_t held_bytes;             /* of answers of the query API that clients are still taking */
    /* True when the configuration is loaded and the sockets are bound; else `why` (static text) is set. Any thread. */
    bool (*ready)(void *ctx, const char **why);
    /* Reloads (on the loop thread, and waits) or asks to stop. `error` gets the reason. Any thread. */
    enum oxp_status (*reload)(void *ctx, struct oxp_error *error);
    void (*quit)(void *ctx);
    /* The outbox and the courier, which stay until `release`, called with the same ctx; either may be NULL. NULL: there
     * is no delivery. Any thread but the loop's; what is then asked of the outbox may wait for the disk. */
    void (*hold)(void *ctx, struct oxp_outbox **outbox_out, struct oxp_courier **courier_out);
    void (*release)(void *ctx);
    void *ctx;
};

/* The route table; `telemetry_path` replaces "/metrics" (NULL leaves it). The array is the caller's: free() it; the
 * path must outlive it. OXP_ERR_INVALID when the path does not begin with a slash, ends in a star or is another route's
 * ("/" apart, which then has no landing page), OXP_ERR_NOMEM. */
enum oxp_status oxp_api_routes(const char *telemetry_path, struct oxp_route **routes_out);
/* For oxp_server_options.on_answer: a debug line for each answer. `ctx` is the struct oxp_api. Scrapes are not counted
 * here but when their stream has ended (metrics.c), where the format is known; one that the client left half-way is not
 * counted. */
void oxp_api_on_answer(void *ctx, const struct oxp_route *route, int status, double seconds);

#endif
