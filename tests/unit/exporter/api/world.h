/* The API over a real server, loop, registry and self-metrics; ledger and intake are stand-ins that a test scripts. */
#ifndef OXP_TESTS_API_WORLD_H
#define OXP_TESTS_API_WORLD_H

#include "exporter/api/api.h"
#include <pthread.h>
#include <stdatomic.h>

/* The stand-ins: intake counts a line "good…" as accepted, blank ones not at all, others as refused (malformed); the
 * ledger holds WORLD_ENTRIES of everything, the n-th named "<n>"; of the breakers the last WORLD_OPEN are open, the
 * very last one half open. */
#define WORLD_ENTRIES 250
#define WORLD_OPEN 9

struct world {
    struct oxp_api api;
    struct oxp_registry *registry;
    struct oxp_selfstats stats;
    struct oxp_loop *loop;
    pthread_t loop_thread;
    bool loop_runs;
    struct oxp_route *routes;
    struct oxp_server *server;
    unsigned port;
    atomic_bool not_ready, reload_fails;
    atomic_uint reloads, quits;
    pthread_mutex_t held; /* world_hold: the loop waits for it */
    bool holding;
};

/* Starts everything; asserts. */
void world_start(struct world *world, const char *telemetry_path);
void world_stop(struct world *world);
/* Stops the loop thread only. */
void world_stop_loop(struct world *world);
/* Keeps the loop thread busy until world_let_go. */
void world_hold(struct world *world);
void world_let_go(struct world *world);

#endif
