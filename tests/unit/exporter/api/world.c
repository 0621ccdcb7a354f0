#include "tests/unit/exporter/api/world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Stand-ins for the intake and the ledger ---- */

void oxp_intake_body(struct oxp_intake *intake, struct oxp_view body, struct oxp_intake_result *result_out) {
    (void)intake;
    unsigned long number = 0;
    *result_out = (struct oxp_intake_result){.accepted = 0};
    while (body.len > 0) {
        const char *end = memchr(body.ptr, '\n', body.len);
        size_t len = end == NULL ? body.len : (size_t)(end - body.ptr);
        number++;
        if (len >= 4 && memcmp(body.ptr, "good", 4) == 0) {
            result_out->accepted++;
        } else if (len > 0) {
            size_t room = sizeof result_out->refusals / sizeof result_out->refusals[0];
            if (result_out->rejected < room) {
                struct oxp_intake_refusal *refusal = &result_out->refusals[result_out->rejected];
                *refusal = (struct oxp_intake_refusal){.line = number, .reason = OXP_REJECT_MALFORMED};
                snprintf(refusal->text, sizeof refusal->text, "not \"good\"");
            }
            result_out->rejected++;
        }
        body = end == NULL ? (struct oxp_view){NULL, 0} : oxp_view_of(end + 1, body.len - len - 1);
    }
}

/* Calls `fill` for the entries of one page. */
static size_t page(struct oxp_view id, size_t skip, size_t max, void (*fill)(void *out, size_t at, size_t number),
                   void *out) {
    size_t total = 0, put = 0;
    for (size_t i = 0; i < WORLD_ENTRIES; i++) {
        char name[16];
        snprintf(name, sizeof name, "%zu", i);
        if (id.len > 0 && !oxp_view_is(id, name)) {
            continue;
        }
        if (total++ >= skip && put < max) {
            fill(out, put++, i);
        }
    }
    return total;
}

static void fill_session(void *out, size_t at, size_t number) {
    struct oxp_session_view *view = (struct oxp_session_view *)out + at;
    *view = (struct oxp_session_view){.started_s = 1700000000.5, .last_event_s = 1700000001, .timeout_s = NAN};
    snprintf(view->id, sizeof view->id, "%zu", number);
    snprintf(view->state, sizeof view->state, "running");
    snprintf(view->writer, sizeof view->writer, "ma\"in");
    view->orphaned = number == 1;
    view->keep_alive_known = view->keep_alive = number == 1;
}

static void fill_task(void *out, size_t at, size_t number) {
    struct oxp_task_view *view = (struct oxp_task_view *)out + at;
    *view = (struct oxp_task_view){.started_s = NAN, .last_event_s = NAN, .progress_ratio = 0.1, .attempt = 3};
    snprintf(view->id, sizeof view->id, "%zu", number);
}

static void fill_breaker(void *out, size_t at, size_t number) {
    struct oxp_breaker_view *view = (struct oxp_breaker_view *)out + at;
    *view = (struct oxp_breaker_view){.since_s = 1, .open_total_s = 0.25, .consecutive_failures = 7};
    snprintf(view->name, sizeof view->name, "%zu", number);
    if (number >= WORLD_ENTRIES - WORLD_OPEN) {
        snprintf(view->state, sizeof view->state, number + 1 < WORLD_ENTRIES ? "open" : "half_open");
    }
}

static void fill_incident(void *out, size_t at, size_t number) {
    struct oxp_incident_view *view = (struct oxp_incident_view *)out + at;
    *view = (struct oxp_incident_view){.opened_s = 1, .closed_s = number % 2 == 0 ? 2 : NAN};
    snprintf(view->id, sizeof view->id, "%zu", number);
    snprintf(view->state, sizeof view->state, "%s",
             number % 2 == 0   ? "closed"
             : number % 4 == 1 ? "open"
                               : "escalated");
    snprintf(view->severity, sizeof view->severity, "%s", number < 10 ? "high" : "low");
}

static void fill_writer(void *out, size_t at, size_t number) {
    struct oxp_writer_view *view = (struct oxp_writer_view *)out + at;
    *view =
        (struct oxp_writer_view){.connected = true, .last_seq = 9007199254740993U, .started_s = 1, .last_event_s = NAN};
    snprintf(view->writer, sizeof view->writer, "%zu", number);
}

size_t oxp_ledger_sessions(const struct oxp_ledger *ledger, struct oxp_view id, size_t skip,
                           struct oxp_session_view *out, size_t max) {
    (void)ledger;
    return page(id, skip, max, fill_session, out);
}

size_t oxp_ledger_tasks(const struct oxp_ledger *ledger, struct oxp_view id, size_t skip, struct oxp_task_view *out,
                        size_t max) {
    (void)ledger;
    return page(id, skip, max, fill_task, out);
}

size_t oxp_ledger_breakers(const struct oxp_ledger *ledger, struct oxp_view name, size_t skip,
                           struct oxp_breaker_view *out, size_t max) {
    (void)ledger;
    return page(name, skip, max, fill_breaker, out);
}

size_t oxp_ledger_incidents(const struct oxp_ledger *ledger, struct oxp_view id, size_t skip,
                            struct oxp_incident_view *out, size_t max) {
    (void)ledger;
    return page(id, skip, max, fill_incident, out);
}

size_t oxp_ledger_writers(const struct oxp_ledger *ledger, struct oxp_view writer, size_t skip,
                          struct oxp_writer_view *out, size_t max) {
    (void)ledger;
    return page(writer, skip, max, fill_writer, out);
}

/* ---- The world ---- */

static bool is_ready(void *ctx, const char **why) {
    struct world *world = ctx;
    *why = "the configuration is not loaded";
    return !atomic_load(&world->not_ready);
}

static enum oxp_status reload(void *ctx, struct oxp_error *error) {
    struct world *world = ctx;
    atomic_fetch_add(&world->reloads, 1);
    return atomic_load(&world->reload_fails) ? oxp_error_set(error, OXP_ERR_SYNTAX, 3, 1, "x.yml:3:1: unknown key")
                                             : OXP_OK;
}

static void quit(void *ctx) {
    atomic_fetch_add(&((struct world *)ctx)->quits, 1);
}

static void *run_loop(void *ctx) {
    (void)oxp_loop_run(ctx);
    return NULL;
}

void world_start(struct world *world, const char *telemetry_path) {
    memset(world, 0, sizeof *world);
    pthread_mutex_init(&world->held, NULL);
    assert_int_equal(oxp_registry_new(&(struct oxp_registry_options){.series = 0}, &world->registry), OXP_OK);
    assert_int_equal(oxp_selfstats_register(&world->stats, world->registry, "1.2.3", "abc"), OXP_OK);
    assert_int_equal(oxp_loop_new(oxp_clock_system(), &world->loop), OXP_OK);
    assert_int_equal(pthread_create(&world->loop_thread, NULL, run_loop, world->loop), 0);
    world->loop_runs = true;
    assert_int_equal(oxp_api_routes(telemetry_path, &world->routes), OXP_OK);
    world->api.registry = world->registry;
    world->api.stats = &world->stats;
    world->api.loop = world->loop;
    world->api.clock = oxp_clock_system();
    assert_int_equal(oxp_recent_new(&world->stats, &world->api.recent), OXP_OK);
    world->api.ready = is_ready;
    world->api.reload = reload;
    world->api.quit = quit;
    world->api.ctx = world;
    struct oxp_server_options options = {
        .address = "127.0.0.1:0",
        .routes = world->routes,
        .ctx = &world->api,
        .on_answer = oxp_api_on_answer,
        .enable_lifecycle = true,
    };
    assert_int_equal(oxp_server_new(&options, &world->server, NULL), OXP_OK);
    world->port = oxp_server_port(world->server);
}

void world_stop_loop(struct world *world) {
    if (world->loop_runs) {
        oxp_loop_stop(world->loop);
        pthread_join(world->loop_thread, NULL);
        world->loop_runs = false;
    }
}

void world_stop(struct world *world) {
    world_let_go(world);
    oxp_server_free(world->server, 0);
    world_stop_loop(world);
    oxp_loop_free(world->loop);
    free(world->routes);
    oxp_recent_free(world->api.recent);
    oxp_registry_free(world->registry);
    pthread_mutex_destroy(&world->held);
}

static void wait_for_lock(void *ctx) {
    struct world *world = ctx;
    pthread_mutex_lock(&world->held);
    pthread_mutex_unlock(&world->held);
}

void world_hold(struct world *world) {
    pthread_mutex_lock(&world->held);
    world->holding = true;
    assert_int_equal(oxp_loop_post(world->loop, wait_for_lock, world), OXP_OK);
}

void world_let_go(struct world *world) {
    if (world->holding) {
        pthread_mutex_unlock(&world->held);
    }
    world->holding = false;
}
