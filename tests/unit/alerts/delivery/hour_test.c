/* A receiver that is gone for an hour, by a clock moved by hand, over the real outbox on a disk: everything is kept
 * within the bound, another receiver gets its messages at once all the while, the dead one is asked seldom, and two
 * minutes after it is back its queue is empty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/alerts/delivery/hand.h"
#include "tests/unit/alerts/delivery/rests.h"

enum {
    HOUR_S = 3600,
    DATA_EVERY_S = 15,
    ALERT_EVERY_S = 60,
    DATA = HOUR_S / DATA_EVERY_S,
    ALERTS = HOUR_S / ALERT_EVERY_S,
    DATUM_BYTES = 60000,
};

static atomic_bool down = true;
static atomic_uint data_arrived, alerts_arrived, asked_in_vain;
static char content[DATUM_BYTES + 1];

enum oxp_status exchange(struct oxp_http *http, const struct oxp_http_request *request,
                         struct oxp_http_response *response_out, struct oxp_error *error) {
    (void)http;
    *response_out = (struct oxp_http_response){.status = 200};
    if (request->body.len < DATUM_BYTES) {
        atomic_fetch_add(&alerts_arrived, 1);
        return OXP_OK;
    }
    if (atomic_load(&down)) {
        atomic_fetch_add(&asked_in_vain, 1);
        return oxp_error_set(error, OXP_ERR_CLOSED, 0, 0, "no such host");
    }
    atomic_fetch_add(&data_arrived, 1);
    return OXP_OK;
}

static void put(struct oxp_outbox *outbox, const char *receiver, struct oxp_view bytes) {
    struct oxp_outbox_message message = {.receiver = oxp_view_from(receiver),
                                         .integration = OXP_VIEW("test"),
                                         .priority = OXP_OUTBOX_WARNING,
                                         .summary = OXP_VIEW("test"),
                                         .content = bytes};
    const struct oxp_outbox_write write = {.messages = &message, .message_count = 1};
    struct oxp_error error = {0};
    if (oxp_outbox_put(outbox, &write, now_ms(), &error) != OXP_OK) {
        fail_msg("%s", error.text);
    }
}

/* Time passes, and all that is to be done then is done. */
static void pass(struct oxp_courier *courier, int seconds) {
    atomic_fetch_add(&now_ns, seconds * OXP_NS_PER_S);
    rests_await(courier, 2);
}

static struct oxp_courier *begin(struct oxp_outbox *outbox) {
    const struct oxp_recipient recipients[] = {
        {.receiver = "dead", .integration = "test", .prepare = prepare},
        {.receiver = "well", .integration = "test", .prepare = prepare},
    };
    const struct oxp_courier_options options = {.outbox = outbox,
                                                .recipients = recipients,
                                                .count = 2,
                                                .clock = &hand_clock,
                                                .http_new = http_new,
                                                .seed = 5,
                                                .delay_max_s = 60, /* as the daemon has them */
                                                .open_max_s = 60};
    struct oxp_courier *courier = NULL;
    rests_begin();
    assert_int_equal(oxp_courier_new(&options, &courier), OXP_OK);
    return courier;
}

/* Seconds of the hand's clock until the queue is empty. */
static int drain(struct oxp_courier *courier) {
    int seconds = 0;
    for (; atomic_load(&data_arrived) < DATA && seconds < HOUR_S; seconds++) {
        pass(courier, 1);
    }
    return seconds;
}

static void test_an_hour(void **state) {
    (void)state;
    char directory[] = "/tmp/oxp-hour-XXXXXX", command[64];
    struct oxp_outbox *outbox = NULL;
    struct oxp_error error = {0};
    struct oxp_arena arena;
    struct oxp_outbox_stats stats;
    memset(content, 'x', DATUM_BYTES);
    assert_non_null(mkdtemp(directory));
    const struct oxp_outbox_options options = {.directory = directory};
    assert_int_equal(oxp_outbox_open(&options, now_ms(), &outbox, NULL, &error), OXP_OK);
    struct oxp_courier *courier = begin(outbox);
    for (int second = 0; second < HOUR_S; second += 5) {
        if (second % DATA_EVERY_S == 0) {
            put(outbox, "dead", oxp_view_from(content));
        }
        if (second % ALERT_EVERY_S == 0) {
            put(outbox, "well", OXP_VIEW("an alert"));
        }
        pass(courier, 5);
        assert_int_equal(atomic_load(&alerts_arrived), second / ALERT_EVERY_S + 1);
    }
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_outbox_stats(outbox, &arena, &stats), OXP_OK);
    assert_int_equal(stats.waiting + stats.claimed, DATA);
    assert_int_equal(stats.dropped[OXP_OUTBOX_FULL], 0);
    assert_true(stats.bytes <= 64u << 20);
    assert_in_range(atomic_load(&asked_in_vain), 5, 130); /* once in its open time of a minute, and before it opened */
    assert_int_equal(atomic_load(&data_arrived), 0);
    atomic_store(&down, false);
    int seconds = drain(courier);
    print_message("%d messages of %d KB kept in %.1f MiB; asked %u times in the hour; drained %d s after the return\n",
                  DATA, DATUM_BYTES / 1000, (double)stats.bytes / (1 << 20), atomic_load(&asked_in_vain), seconds);
    assert_in_range(seconds, 0, 120);
    assert_int_equal(atomic_load(&data_arrived), DATA); /* each once */
    assert_int_equal(atomic_load(&alerts_arrived), ALERTS);
    oxp_courier_free(courier);
    oxp_outbox_close(outbox);
    oxp_arena_fini(&arena);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_an_hour)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
