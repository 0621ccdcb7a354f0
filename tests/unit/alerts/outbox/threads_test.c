/* Several threads put into and take out of the same outbox. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/alerts/outbox/world.h"

#define PUTS 60
#define QUEUES 3
#define COUNT 6 /* a putting and a taking one for each queue */

struct worker {
    struct oxp_outbox *outbox;
    char queue[8];
    bool failed;
};

static void *put_all(void *ctx) {
    struct worker *worker = ctx;
    for (int i = 0; i < PUTS; i++) {
        struct oxp_outbox_message message = {.receiver = oxp_view_from(worker->queue),
                                             .integration = oxp_view_from(worker->queue),
                                             .summary = OXP_VIEW("x")};
        struct oxp_outbox_write write = {.messages = &message, .message_count = 1};
        worker->failed = worker->failed || oxp_outbox_put(worker->outbox, &write, NOW, NULL) != OXP_OK;
    }
    return NULL;
}

static void *take_all(void *ctx) {
    struct worker *worker = ctx;
    struct oxp_arena arena;
    int64_t last_id = 0;
    oxp_arena_init(&arena, 0);
    for (int taken = 0; taken < PUTS && !worker->failed;) {
        struct oxp_outbox_message message;
        struct oxp_outbox_stats stats;
        int64_t next_ms = 0;
        oxp_arena_clear(&arena);
        enum oxp_status status =
            oxp_outbox_claim(worker->outbox, oxp_view_from(worker->queue), NOW, &arena, &message, &next_ms);
        if (status == OXP_OK) {
            worker->failed = message.id <= last_id || !oxp_view_is(message.receiver, worker->queue) ||
                             oxp_outbox_sent(worker->outbox, message.id, OXP_VIEW("200"), NOW) != OXP_OK;
            last_id = message.id;
            taken++;
        } else {
            worker->failed = status != OXP_END;
            oxp_outbox_sweep(worker->outbox, NOW);
            oxp_outbox_stats(worker->outbox, &arena, &stats);
        }
    }
    oxp_arena_fini(&arena);
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    struct world world;
    struct worker workers[COUNT];
    pthread_t threads[COUNT];
    world_make(&world, false);
    world_open(&world);
    for (size_t i = 0; i < COUNT; i++) {
        workers[i] = (struct worker){.outbox = world.outbox};
        snprintf(workers[i].queue, sizeof workers[i].queue, "q%zu", i / 2);
        assert_int_equal(pthread_create(&threads[i], NULL, i % 2 == 0 ? put_all : take_all, &workers[i]), 0);
    }
    for (size_t i = 0; i < COUNT; i++) {
        pthread_join(threads[i], NULL);
        assert_false(workers[i].failed);
    }
    struct oxp_outbox_stats stats = world_stats(&world);
    assert_int_equal(stats.waiting + stats.claimed + stats.aside + stats.failures, 0);
    assert_int_equal(stats.count, QUEUES);
    world_end(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
