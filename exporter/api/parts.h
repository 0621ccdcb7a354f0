/* The handlers, one file an idea; routes.c has the table. All run on pool threads; `ctx` is the struct oxp_api. */
#ifndef OXP_API_PARTS_H
#define OXP_API_PARTS_H

#include "exporter/api/api.h"

#define OXP_API_EVENTS_MAX ((size_t)1024 * 1024) /* bytes of a body of events, before and after gzip */

oxp_handler_fn oxp_api_metrics;                                                              /* metrics.c */
oxp_handler_fn oxp_api_health, oxp_api_healthy, oxp_api_ready, oxp_api_reload, oxp_api_quit; /* lifecycle.c */
oxp_handler_fn oxp_api_events;                                                               /* events.c */
oxp_handler_fn oxp_api_sessions, oxp_api_tasks, oxp_api_breakers, oxp_api_incidents,
    oxp_api_writers;                                        /* ledger_views.c */
oxp_handler_fn oxp_api_traces, oxp_api_trace, oxp_api_logs; /* traces.c, logs.c */
oxp_handler_fn oxp_api_notifications;                       /* notifications.c */

/* Runs fn(arg) on the loop thread and waits for it. False when it did not run (and never will); then 503 has been
 * answered. */
bool oxp_api_on_loop(struct oxp_api *api, oxp_loop_fn *fn, void *arg, struct oxp_response *response);
/* A whole number in the query from bounds[0] to bounds[1]; `*value` stays when it is not there. False for anything
 * else. */
bool oxp_api_number(const struct oxp_request *request, const char *name, const uint64_t bounds[2], size_t *value);
/* Answers with what a buffer holds, and empties it; 503 when it failed. */
struct oxp_buf;
void oxp_api_json_text(struct oxp_response *response, struct oxp_buf *text);
/* Answers with a JSON tree, which it frees; 503 when there was no memory for it (`made` is not OXP_OK). */
struct oxp_json;
void oxp_api_json(struct oxp_response *response, int status, struct oxp_json *tree, enum oxp_status made);

#endif
