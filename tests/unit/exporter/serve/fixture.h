/* A server with a few routes to ask, and what it called back. */
#ifndef OXP_TESTS_SERVE_FIXTURE_H
#define OXP_TESTS_SERVE_FIXTURE_H

#include "exporter/serve/serve.h"
#include <pthread.h>
#include <stdatomic.h>

#define ECHO_MAX 1000
#define STREAM_UNIT 1024 /* /stream?n= counts these */

enum { REFUSED_FRAMING, REFUSED_ACCESS, REFUSED_DEADLINE, REFUSED_LIMIT, REFUSED_OTHER, REFUSALS };

/* Routes: GET /hello; POST|PUT /echo; GET /args (?a=, header X); GET /star/(any), GET /star/exact, POST /star/(any);
 * GET and POST /both in two rows; GET /stream?n=; GET /block (waits for fixture_release); GET /ledger, POST /local,
 * POST /life by access. */
struct fixture {
    struct oxp_server *server;
    unsigned port;
    atomic_uint answers, statuses, refusals[REFUSALS]; /* statuses: their sum; answers are told in no certain order */
    atomic_uint streams_open, streams_ended;           /* ended: done() was called */
    atomic_bool no_route_seen;
    pthread_mutex_t lock;
    pthread_cond_t released;
    bool release;
    atomic_uint blocked;
};

/* Starts it with these options; address, routes and callbacks are filled in. Asserts. */
void fixture_start(struct fixture *fixture, struct oxp_server_options options);
void fixture_release(struct fixture *fixture);
void fixture_stop(struct fixture *fixture);
extern const struct oxp_route fixture_routes[];

#endif
