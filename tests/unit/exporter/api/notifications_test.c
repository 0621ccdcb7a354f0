/* /api/oxpecker/v1/notifications over a real outbox in memory; no courier. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/outbox/outbox.h"
#include "tests/unit/exporter/api/world.h"
#include "tests/unit/exporter/serve/client.h"

#define PATH "/api/oxpecker/v1/notifications"
#define GET(arguments) "GET " PATH arguments " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
#define NOW_MS INT64_C(1700000000000)

static struct world world;
static struct oxp_outbox *outbox;
static int held;

static void hold(void *ctx, struct oxp_outbox **outbox_out, struct oxp_courier **courier_out) {
    (void)ctx;
    held++;
    *outbox_out = outbox;
    *courier_out = NULL;
}

static void release(void *ctx) {
    (void)ctx;
    held--;
}

static void put(const char *receiver, const char *group, const char *summary) {
    const struct oxp_outbox_message message = {.receiver = oxp_view_from(receiver),
                                               .integration = OXP_VIEW("webhook"),
                                               .group = oxp_view_from(group),
                                               .priority = OXP_OUTBOX_WARNING,
                                               .since_ms = NOW_MS - 2500,
                                               .summary = oxp_view_from(summary),
                                               .content = OXP_VIEW("{\"secret\":1}")};
    const struct oxp_outbox_write write = {.messages = &message, .message_count = 1};
    struct oxp_error error = {0};
    assert_int_equal(oxp_outbox_put(outbox, &write, NOW_MS, &error), OXP_OK);
}

static int start(void **state) {
    (void)state;
    const struct oxp_outbox_options options = {0};
    struct oxp_error error = {0};
    assert_int_equal(oxp_outbox_open(&options, NOW_MS, &outbox, NULL, &error), OXP_OK);
    world_start(&world, NULL);
    world.api.hold = hold;
    world.api.release = release;
    return 0;
}

static int stop(void **state) {
    (void)state;
    world_stop(&world);
    oxp_outbox_close(outbox);
    assert_int_equal(held, 0);
    return 0;
}

static void has(const char *request, int status, const char *const *wanted, const char *const *unwanted) {
    struct answer answer;
    client_ask(world.port, request, &answer);
    bool ok = answer.status == status;
    for (size_t i = 0; wanted[i] != NULL; i++) {
        ok = ok && strstr(answer.body, wanted[i]) != NULL;
    }
    for (size_t i = 0; unwanted[i] != NULL; i++) {
        ok = ok && strstr(answer.body, unwanted[i]) == NULL;
    }
    if (!ok) {
        fail_msg("%s: %d %s", request, answer.status, answer.body);
    }
    answer_free(&answer);
}
#define LIST(...)                                                                                                      \
    (const char *const[]) {                                                                                            \
        __VA_ARGS__ NULL                                                                                               \
    }

static void test_messages(void **state) {
    (void)state;
    put("a/webhook/0", "g", "first");
    put("b/webhook/0", "g", "other");
    put("a/webhook/0", "g", "second"); /* supersedes the first */
    has(GET(""), 200,
        LIST("\"id\":3,\"state\":\"waiting\",\"receiver\":\"a/webhook/0\",\"integration\":\"webhook\",\"group\":\"g\","
             "\"priority\":\"warning\",\"summary\":\"second\",\"tries\":0,\"answer\":\"\",\"since_s\":1699999997.5,"
             "\"made_s\":1700000000",
             "\"id\":1,\"state\":\"superseded\"", "\"persistent\":false,\"waiting\":2,\"claimed\":0,\"set_aside\":0",
             "\"oldest_s\":1700000000", "\"dropped\":{\"full\":0,\"expired\":0,\"superseded\":1}",
             "\"receivers\":[]", ),
        LIST("secret", ));
    has(GET("?state=superseded"), 200, LIST("first", ), LIST("second", "other", ));
    has(GET("?receiver=b/webhook/0"), 200, LIST("other", ), LIST("first", "second", ));
    has(GET("?limit=1"), 200, LIST("second", ), LIST("first", "other", ));
    has(GET("?limit=1&below=3"), 200, LIST("other", ), LIST("first", "second", ));
    has(GET("?receiver=c"), 200, LIST("\"notifications\":[]", ), LIST("second", ));
}

static void test_notes(void **state) {
    (void)state;
    const struct oxp_outbox_note note = {OXP_VIEW("reload"), OXP_VIEW("a.yml")};
    const struct oxp_outbox_write write = {.notes = &note, .note_count = 1};
    struct oxp_error error = {0};
    assert_int_equal(oxp_outbox_put(outbox, &write, NOW_MS, &error), OXP_OK);
    has(GET(""), 200, LIST("\"at_s\":1700000000,\"kind\":\"reload\",\"text\":\"a.yml\"", ), LIST(NULL, ));
}

static void test_refused(void **state) {
    (void)state;
    static const char *const requests[] = {GET("?state=gone"), GET("?state="),   GET("?limit=0"),
                                           GET("?limit=1001"), GET("?below=-1"), GET("?below=x")};
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        has(requests[i], 400, LIST("\"status\":\"error\"", ), LIST(NULL, ));
    }
    has("GET " PATH " HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n", 403, LIST(NULL, ),
        LIST(NULL, ));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_messages, start, stop),
        cmocka_unit_test_setup_teardown(test_notes, start, stop),
        cmocka_unit_test_setup_teardown(test_refused, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
