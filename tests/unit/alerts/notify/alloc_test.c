/* No memory, at each place: what begins fails whole; what is at work loses nothing that the rules say again. */
#include "alerts/notify/alerting.h"
#include "lib/base/clock.h"
#include "tests/support/alloc_fail.h"
#include "tests/unit/lib/base/support.h"

#include <stdlib.h>

#define START_MS INT64_C(1700000000000)

static const char text[] = "route: {receiver: r, group_by: [alertname], group_wait: 1s}\n"
                           "receivers: [{name: r, webhook_configs: [{url: 'http://h/', http_config: {authorization:"
                           " {credentials: x}}}, {url_file: f}]}]\n"
                           "alertmanagers: ['http://am/x', {url: 'http://b', http_config: {basic_auth: {username: u,"
                           " password: p}}}]\n";

struct setting {
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    struct oxp_arena arena;
    const struct oxp_labels *labels, *annotations;
    size_t runs;
};

static void open_setting(struct setting *setting) {
    struct oxp_labels_builder builder;
    *setting = (struct setting){0};
    assert_int_equal(oxp_yaml_parse(oxp_view_from(text), &setting->yaml, &setting->root, NULL), OXP_OK);
    oxp_arena_init(&setting->arena, 0);
    oxp_labels_build(&builder, &setting->arena, oxp_labels_none());
    oxp_labels_set_text(&builder, OXP_VIEW("alertname"), OXP_VIEW("X"));
    setting->labels = oxp_labels_finish(&builder);
    oxp_labels_set_text(&builder, OXP_VIEW("summary"), OXP_VIEW("s"));
    setting->annotations = oxp_labels_finish(&builder);
    assert_non_null(setting->annotations);
}

static void close_setting(struct setting *setting) {
    oxp_yaml_free(setting->yaml);
    oxp_arena_fini(&setting->arena);
}

static void read_and_prepare(void *ctx) {
    struct setting *setting = ctx;
    struct oxp_alerting_config *config = NULL;
    struct oxp_error error;
    enum oxp_status status = oxp_alerting_config_read(setting->root, "x.yml", &config, &error);
    if (status != OXP_OK) {
        assert_int_equal(status, OXP_ERR_NOMEM);
        assert_null(config);
        return;
    }
    size_t count;
    const struct oxp_recipient *recipients = oxp_alerting_recipients(config, &count);
    for (size_t i = 0; i < count; i++) {
        struct oxp_arena arena;
        struct oxp_outbox_message message = {.content = OXP_VIEW("{}")};
        struct oxp_http_request request;
        struct oxp_verdict verdict = {.delivery = OXP_DELIVERED};
        oxp_arena_init(&arena, 0);
        status = recipients[i].prepare(recipients[i].ctx, &message, 0, &arena, &request, &verdict);
        assert_true(status == OXP_OK || verdict.delivery == OXP_DELIVERY_AGAIN);
        oxp_arena_fini(&arena);
    }
    oxp_alerting_config_free(config);
}

static void test_configuration(void **state) {
    (void)state;
    struct setting setting;
    open_setting(&setting);
    assert_true(alloc_fail_each(read_and_prepare, &setting) >= 5);
    close_setting(&setting);
}

static size_t waiting(struct oxp_outbox *outbox) {
    struct oxp_arena arena;
    struct oxp_outbox_stats stats;
    oxp_arena_init(&arena, 0);
    if (oxp_outbox_stats(outbox, &arena, &stats) != OXP_OK) { /* only one allocation fails in a run */
        oxp_arena_fini(&arena);
        assert_int_equal(oxp_outbox_stats(outbox, &arena, &stats), OXP_OK);
    }
    oxp_arena_fini(&arena);
    return stats.waiting;
}

/* A start over a ledger, an alert that fires and is resolved; each said twice. */
static void live(void *ctx) {
    struct setting *setting = ctx;
    struct oxp_clock_manual clock;
    struct oxp_outbox *outbox = NULL;
    struct oxp_outbox_options options = {0};
    oxp_clock_manual_init(&clock, (double)(START_MS / 1000));
    if (oxp_outbox_open(&options, START_MS, &outbox, NULL, NULL) != OXP_OK) {
        return;
    }
    for (int round = 0; round < 2; round++) {
        struct oxp_alerting_config *config = NULL;
        struct oxp_alerting *alerting = NULL;
        struct oxp_alert_event event = {.labels = setting->labels, .annotations = setting->annotations};
        int64_t now_ms = START_MS + round * INT64_C(1000000);
        if (oxp_alerting_config_read(setting->root, "x.yml", &config, NULL) != OXP_OK) {
            break;
        }
        struct oxp_alerting_options alerting_options = {.config = config, .outbox = outbox, .clock = &clock.clock};
        enum oxp_status status = oxp_alerting_new(&alerting_options, &alerting, NULL);
        if (status != OXP_OK) {
            assert_true(status == OXP_ERR_NOMEM || status == OXP_ERR_IO);
            oxp_alerting_config_free(config);
            break;
        }
        oxp_alerting_rules_ready(alerting, now_ms);
        event.life = (struct oxp_alert_life){.state = OXP_ALERT_FIRING, .fired_ms = START_MS};
        if (round == 1) {
            event.life = (struct oxp_alert_life){
                .state = OXP_ALERT_INACTIVE, .fired_ms = START_MS, .resolved_ms = START_MS + 1000};
        }
        for (int i = 0; i < 6; i++, now_ms += 2000) {
            oxp_alerting_tell(alerting, &event);
            oxp_alerting_turn(alerting, now_ms);
        }
        oxp_alerting_turn(alerting, now_ms + 300000);
        if (waiting(outbox) < 4) { /* two webhooks, two Alertmanagers, whatever failed once */
            fail_msg("round %d, run %zu: %zu wait", round, setting->runs, waiting(outbox));
        }
        oxp_alerting_free(alerting);
    }
    oxp_outbox_close(outbox);
    setting->runs++;
}

static void test_at_work(void **state) {
    (void)state;
    struct setting setting;
    open_setting(&setting);
    assert_true(alloc_fail_each(live, &setting) > 50);
    close_setting(&setting);
}

/* What an older version has left: it goes over whole, or is as it was. */
static void upgrade(void *ctx) {
    static const char old_value[] = "{\"queue\":\"r/webhook/1\",\"labels\":{},\"told_ms\":1,\"alerts\":[]}";
    struct setting *setting = ctx;
    struct oxp_outbox *outbox = NULL;
    struct oxp_outbox_options options = {0};
    struct oxp_alerting_config *config = NULL;
    struct oxp_error error = {0};
    struct oxp_outbox_message message = {
        .receiver = OXP_VIEW("r/webhook/1"), .integration = OXP_VIEW("webhook"), .content = OXP_VIEW("x")};
    struct oxp_outbox_value value = {OXP_VIEW("group/r/webhook/1/{}:{}"), oxp_view_from(old_value)};
    struct oxp_outbox_write write = {.messages = &message, .message_count = 1, .values = &value, .value_count = 1};
    if (oxp_outbox_open(&options, START_MS, &outbox, NULL, NULL) == OXP_OK &&
        oxp_outbox_put(outbox, &write, START_MS, NULL) == OXP_OK &&
        oxp_alerting_config_read(setting->root, "x.yml", &config, NULL) == OXP_OK) {
        enum oxp_status status = oxp_alerting_upgrade(config, outbox, START_MS, &error);
        assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && error.text[0] != '\0') || status == OXP_ERR_IO);
        if (status != OXP_OK) {
            status = oxp_alerting_upgrade(config, outbox, START_MS, &error); /* only one allocation fails in a run */
        }
        struct oxp_arena arena;
        struct oxp_outbox_value *values;
        size_t count = 0;
        oxp_arena_init(&arena, 0);
        if (status == OXP_OK &&
            oxp_outbox_values(outbox, OXP_VIEW("group/r/webhook/f-"), &arena, &values, &count) == OXP_OK) {
            assert_int_equal(count, 1);
            assert_true(oxp_view_starts(values[0].value, OXP_VIEW("{\"queue\":\"r/webhook/f-151a27db\",\"labels\"")));
            assert_int_equal(waiting(outbox), 1);
        }
        oxp_arena_fini(&arena);
    }
    oxp_alerting_config_free(config);
    oxp_outbox_close(outbox);
}

static void test_upgrade(void **state) {
    (void)state;
    struct setting setting;
    open_setting(&setting);
    assert_true(alloc_fail_each(upgrade, &setting) >= 10);
    close_setting(&setting);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_configuration), cmocka_unit_test(test_at_work),
                                       cmocka_unit_test(test_upgrade)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
