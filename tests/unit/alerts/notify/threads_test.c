/* One thread says, another takes its turns, a third looks: at the end the outbox has the last state of all. */
#include "alerts/notify/alerting.h"
#include "lib/json/json.h"
#include "tests/unit/lib/base/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { ALERTS = 50, ROUNDS = 200 };

struct shared {
    struct oxp_alerting *alerting;
    _Atomic bool done;
    _Atomic unsigned puts, wrong;
};

static void on_put(void *ctx, struct oxp_view receiver) {
    struct shared *shared = ctx;
    atomic_fetch_add(&shared->puts, receiver.len != 0);
}

static void tell(struct shared *shared, int alert, bool firing, int round, int64_t now_ms) {
    struct oxp_arena arena;
    struct oxp_labels_builder builder;
    char name[16], note[16];
    snprintf(name, sizeof name, "%d", alert);
    snprintf(note, sizeof note, "%d", round);
    oxp_arena_init(&arena, 0);
    oxp_labels_build(&builder, &arena, oxp_labels_none());
    oxp_labels_set_text(&builder, OXP_VIEW("alertname"), oxp_view_from(name));
    struct oxp_alert_event event = {.labels = oxp_labels_finish(&builder),
                                    .life = {.state = OXP_ALERT_FIRING, .fired_ms = now_ms}};
    oxp_labels_build(&builder, &arena, oxp_labels_none());
    oxp_labels_set_text(&builder, OXP_VIEW("round"), oxp_view_from(note));
    event.annotations = oxp_labels_finish(&builder);
    if (!firing) {
        event.life = (struct oxp_alert_life){.fired_ms = now_ms, .resolved_ms = now_ms};
    }
    oxp_alerting_tell(shared->alerting, &event);
    oxp_arena_fini(&arena);
}

static void *say(void *ctx) {
    struct shared *shared = ctx;
    int64_t now_ms = oxp_clock_wall(oxp_clock_system()).ns / OXP_NS_PER_MS;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < ALERTS; i++) {
            bool firing = round == ROUNDS - 1 ? i % 2 == 0 : (round + i) % 3 != 0;
            tell(shared, i, firing, round, now_ms);
        }
        oxp_alerting_rules_ready(shared->alerting, now_ms);
    }
    atomic_store(&shared->done, true);
    return NULL;
}

static void *look(void *ctx) {
    struct shared *shared = ctx;
    while (!atomic_load(&shared->done)) {
        struct oxp_alerting_stats stats;
        oxp_alerting_stats(shared->alerting, &stats);
        atomic_fetch_add(&shared->wrong, stats.alerts > ALERTS || stats.refused != 0);
    }
    return NULL;
}

static void check_last_state(struct oxp_outbox *outbox) {
    struct oxp_arena arena;
    struct oxp_outbox_message message;
    struct oxp_json *alerts;
    int64_t next_ms, now_ms = oxp_clock_wall(oxp_clock_system()).ns / OXP_NS_PER_MS;
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_outbox_claim(outbox, OXP_VIEW("alertmanager/am"), now_ms + 1000, &arena, &message, &next_ms),
                     OXP_OK);
    assert_int_equal(oxp_json_read(message.content, &alerts, NULL), OXP_OK);
    assert_int_equal(oxp_json_size(alerts), ALERTS);
    char summary[64];
    snprintf(summary, sizeof summary, "%d alerts, %d of them firing", ALERTS, ALERTS / 2);
    assert_true(oxp_view_is(message.summary, summary));
    for (size_t i = 0; i < ALERTS; i++) {
        const struct oxp_json *annotations = oxp_json_get(oxp_json_at(alerts, i), "annotations");
        snprintf(summary, sizeof summary, "%d", ROUNDS - 1);
        assert_true(oxp_view_is(oxp_json_text_of(oxp_json_get(annotations, "round")), summary));
    }
    oxp_json_free(alerts);
    oxp_arena_fini(&arena);
}

static void test_all_at_once(void **state) {
    (void)state;
    static const char text[] = "route: {receiver: r, group_by: [alertname], group_wait: 0s, group_interval: 10ms}\n"
                               "receivers: [{name: r, webhook_configs: [{url: 'http://h/'}]}]\n"
                               "alertmanagers: ['http://am']\n";
    struct shared shared = {0};
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    struct oxp_outbox_options outbox_options = {0};
    struct oxp_alerting_options options = {.clock = oxp_clock_system(), .on_put = on_put, .ctx = &shared};
    pthread_t threads[2];
    assert_int_equal(oxp_yaml_parse(oxp_view_from(text), &yaml, &root, NULL), OXP_OK);
    assert_int_equal(oxp_alerting_config_read(root, NULL, &options.config, NULL), OXP_OK);
    oxp_yaml_free(yaml);
    assert_int_equal(oxp_outbox_open(&outbox_options, 0, &options.outbox, NULL, NULL), OXP_OK);
    assert_int_equal(oxp_alerting_new(&options, &shared.alerting, NULL), OXP_OK);
    assert_int_equal(oxp_alerting_start(shared.alerting), OXP_OK);
    assert_int_equal(pthread_create(&threads[0], NULL, say, &shared), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, look, &shared), 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    oxp_alerting_stop(shared.alerting); /* with a last turn */
    oxp_alerting_stop(shared.alerting); /* again is nothing */
    assert_int_equal(shared.wrong, 0);
    assert_true(shared.puts > ALERTS / 2);
    check_last_state(options.outbox);
    oxp_alerting_free(shared.alerting);
    oxp_outbox_close(options.outbox);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
