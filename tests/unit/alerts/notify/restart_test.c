/* A restart in each state: another alerting over the same outbox (rule G8 of alerts/notify/internal.h). */
#include "tests/unit/alerts/notify/world.h"

#define HOOK "oncall/webhook/one"
#define ROUTE(by)                                                                                                      \
    "route: {receiver: oncall, group_by: " by ", group_wait: 30s, group_interval: 5m, repeat_interval: 4h}\n"
#define ONE "receivers: [{name: oncall, webhook_configs: [{name: one, url: 'http://127.0.0.1:1/'}]}]\n"

static const char plain[] = ROUTE("[alertname]") ONE;
static const char a[] = "alertname=X,i=a", b[] = "alertname=X,i=b", c[] = "alertname=X,i=c";

static size_t ledger_size(struct world *world) {
    struct oxp_arena arena;
    struct oxp_outbox_value *values;
    size_t count;
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_outbox_values(world->outbox, OXP_VIEW("group/"), &arena, &values, &count), OXP_OK);
    oxp_arena_fini(&arena);
    return count;
}

/* a was told as firing at 30. */
static void open_told(struct world *world) {
    world_open(world, plain);
    world_fire(world, a);
    world_pass(world, 100);
    assert_log(world, "30 " HOOK " {alertname=\"X\"} a+\n");
    assert_int_equal(ledger_size(world), 1);
}

static void test_before_the_first_telling(void **state) {
    (void)state;
    struct world world;
    world_open(&world, plain);
    world_fire(&world, a);
    world_pass(&world, 10);
    world_restart(&world, plain);
    world_pass(&world, 10);
    world_fired(&world, a, 0); /* the rules kept it */
    world_ready(&world);
    world_pass(&world, 29);
    assert_log(&world, ""); /* the wait begins anew */
    world_pass(&world, 1);
    assert_log(&world, "50 " HOOK " {alertname=\"X\"} a+\n");
    world_close(&world);
}

static void test_told_and_goes_on(void **state) {
    (void)state;
    struct world world;
    open_told(&world);
    world_restart(&world, plain);
    world_fired(&world, a, 0);
    world_ready(&world);
    world_pass(&world, 14330 - 1);
    assert_log(&world, "");
    world_pass(&world, 1);
    assert_log(&world, "14430 " HOOK " {alertname=\"X\"} a+\n"); /* the repeat, four hours after the first */
    world_resolve(&world, a, 0);
    world_pass(&world, 300);
    assert_log(&world, "14730 " HOOK " {alertname=\"X\"} a-\n");
    assert_int_equal(ledger_size(&world), 1); /* not known to have arrived */
    world_pass(&world, 30);
    assert_int_equal(ledger_size(&world), 0);
    world_close(&world);
}

static void test_told_and_resolved_by_the_rules(void **state) {
    (void)state;
    struct world world;
    open_told(&world);
    world_restart(&world, plain);
    world_resolve(&world, a, 0);
    world_ready(&world);
    world_pass(&world, 229);
    assert_log(&world, "");
    world_pass(&world, 1);
    assert_log(&world, "330 " HOOK " {alertname=\"X\"} a-\n");
    world_close(&world);
}

static void test_told_and_never_heard_of_again(void **state) {
    (void)state;
    struct world world;
    open_told(&world);
    world_restart(&world, plain);
    world_pass(&world, 3600);
    assert_log(&world, ""); /* the rules are not ready */
    world_ready(&world);
    world_pass(&world, 299);
    assert_log(&world, "");
    world_pass(&world, 301);
    assert_log(&world, "4000 " HOOK " {alertname=\"X\"} a-\n");
    assert_int_equal(ledger_size(&world), 0);
    assert_int_equal(world_groups(&world), 0);
    world_close(&world);
}

static void test_unconfirmed_is_not_repeated_but_shown(void **state) {
    (void)state;
    struct world world;
    open_told(&world);
    world_restart(&world, plain);
    world_pass(&world, 14400);
    world_ready(&world);
    world_pass(&world, 10);
    assert_log(&world, ""); /* the repeat would be due */
    world_fire(&world, b);
    world_pass(&world, 289);
    assert_log(&world, "");
    world_pass(&world, 1);
    assert_log(&world, "14800 " HOOK " {alertname=\"X\"} a- b+\n");
    world_close(&world);
}

static void test_new_beside_told(void **state) {
    (void)state;
    struct world world;
    open_told(&world);
    world_restart(&world, plain);
    world_fired(&world, a, 0);
    world_fire(&world, b);
    world_ready(&world);
    world_pass(&world, 230);
    assert_log(&world, "330 " HOOK " {alertname=\"X\"} a+ b+\n");
    world_close(&world);
}

/* What an unsent message said to be resolved is not lost when that is superseded after the restart. */
static void test_owed(void **state) {
    (void)state;
    struct world world;
    open_told(&world);
    world_fire(&world, b);
    world_resolve(&world, a, 0);
    world.down = true;
    world_pass(&world, 300);
    world_restart(&world, plain);
    world_fired(&world, b, 100);
    world_fire(&world, c);
    world_ready(&world);
    world_pass(&world, 300);
    world.down = false;
    world_pass(&world, 1);
    assert_log(&world, "700 " HOOK " {alertname=\"X\"} a- b+ c+\n");
    world_restart(&world, plain);
    world_fired(&world, b, 100);
    world_fired(&world, c, 400);
    world_ready(&world);
    world_pass(&world, 600);
    assert_log(&world, "");
    world_resolve(&world, b, 100);
    world_pass(&world, 300);
    assert_log(&world, "1530 " HOOK " {alertname=\"X\"} b- c+\n");
    world_close(&world);
}

/* What fires goes on in its new group; the old one ends without saying that it was resolved (G9). */
static void test_group_by_was_changed(void **state) {
    (void)state;
    struct world world;
    open_told(&world);
    world_restart(&world, ROUTE("[i]") ONE);
    world_fired(&world, a, 0);
    world_ready(&world);
    world_pass(&world, 700);
    assert_log(&world, "100 " HOOK " {i=\"a\"} a+\n");
    assert_string_equal(world_noted(&world),
                        "alerting.regrouped: 1 alerts that fire are in other groups since group_by "
                        "was changed; their old ones, {}:{alertname=\"X\"} for one, end without a "
                        "telling");
    assert_int_equal(ledger_size(&world), 1); /* the new group's */
    assert_int_equal(world_groups(&world), 1);
    world_resolve(&world, a, 0);
    world_pass(&world, 3600);
    assert_log(&world, "1000 " HOOK " {i=\"a\"} a-\n");
    assert_int_equal(ledger_size(&world), 0);
    world_close(&world);
}

/* Of two in the old group one fires no more: that is told, and of that one alone. */
static void test_group_by_was_changed_and_one_is_over(void **state) {
    (void)state;
    struct world world;
    world_open(&world, plain);
    world_fire(&world, a);
    world_fire(&world, b);
    world_pass(&world, 100);
    assert_log(&world, "30 " HOOK " {alertname=\"X\"} a+ b+\n");
    world_restart(&world, ROUTE("[i]") ONE);
    world_fired(&world, a, 0);
    world_ready(&world);
    world_pass(&world, 700);
    assert_log(&world, "100 " HOOK " {i=\"a\"} a+\n630 " HOOK " {alertname=\"X\"} b-\n");
    world_close(&world);
}

/* A group of rules with an interval of ten minutes, whose alerts no restored state knows: they are not given up while
 * its rule waits for its turn. Those of a rule that is no more are. */
static void test_the_rules_turn_is_late(void **state) {
    (void)state;
    struct world world;
    open_told(&world);
    world_fire(&world, "alertname=Y,i=d");
    world_pass(&world, 100);
    assert_log(&world, "130 " HOOK " {alertname=\"Y\"} d+\n");
    world_restart(&world, plain); /* at 200 */
    world.awaited = "X";
    world_ready(&world);
    world_pass(&world, 600);
    assert_log(&world, "730 " HOOK " {alertname=\"Y\"} d-\n");
    world_fired(&world, a, 0);
    world.awaited = NULL;
    world_pass(&world, 600);
    assert_log(&world, "");       /* it went on all the time */
    world_restart(&world, plain); /* at 1400 */
    world.awaited = "X";
    world_ready(&world);
    world_pass(&world, 600);
    assert_log(&world, "");
    world.awaited = NULL; /* its turn came and did not find it */
    world_pass(&world, 400);
    assert_log(&world, "2300 " HOOK " {alertname=\"X\"} a-\n");
    world_close(&world);
}

static void test_the_receiver_is_gone(void **state) {
    (void)state;
    static const char other[] =
        "route: {receiver: other, group_by: [alertname]}\n"
        "receivers: [{name: other, webhook_configs: [{name: one, url: 'http://127.0.0.1:1/'}]}]\n";
    struct world world;
    open_told(&world);
    world_restart(&world, other);
    world_fired(&world, a, 0);
    world_pass(&world, 1);
    assert_log(&world, "100 other/webhook/one {alertname=\"X\"} a+\n");
    assert_int_equal(ledger_size(&world), 2);
    world_restart(&world, "{}");
    world_fired(&world, a, 0);
    world_pass(&world, 1000);
    assert_log(&world, "");
    world_pass(&world, 14 * 86400 - 1030);
    world_restart(&world, "{}");
    assert_int_equal(ledger_size(&world), 1); /* what oncall was told at 30 is forgotten */
    world_close(&world);
}

static void test_nonsense_in_the_ledger(void **state) {
    (void)state;
    static const char odd[] = "{\"queue\":\"oncall/webhook/one\",\"labels\":{},\"told_ms\":-1e99,\"alerts\":"
                              "[{\"labels\":{},\"starts_ms\":\"x\",\"firing\":true,\"told\":true}]}";
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{\"queue\":7}",
                                        "{\"queue\":\"oncall/webhook/one\",\"alerts\":[]}",
                                        "{\"queue\":\"oncall/webhook/one\",\"labels\":{\"x\":1},\"alerts\":[7,null]}",
                                        odd};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct world world;
        struct oxp_outbox_value value = {OXP_VIEW("group/oncall/webhook/one/{}:{}"), oxp_view_from(texts[i])};
        struct oxp_outbox_write write = {.values = &value, .value_count = 1};
        world_open(&world, plain);
        assert_int_equal(oxp_outbox_put(world.outbox, &write, WORLD_START_S * 1000, NULL), OXP_OK);
        world_restart(&world, plain);
        world_ready(&world);
        world_fire(&world, a);
        world_pass(&world, 31);
        const char *text = oxp_buf_text(&world.log);
        assert_non_null(strstr(text, "30 " HOOK " {alertname=\"X\"} a+\n"));
        oxp_buf_clear(&world.log);
        world_close(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_the_first_telling),
        cmocka_unit_test(test_told_and_goes_on),
        cmocka_unit_test(test_told_and_resolved_by_the_rules),
        cmocka_unit_test(test_told_and_never_heard_of_again),
        cmocka_unit_test(test_unconfirmed_is_not_repeated_but_shown),
        cmocka_unit_test(test_new_beside_told),
        cmocka_unit_test(test_owed),
        cmocka_unit_test(test_group_by_was_changed),
        cmocka_unit_test(test_group_by_was_changed_and_one_is_over),
        cmocka_unit_test(test_the_rules_turn_is_late),
        cmocka_unit_test(test_the_receiver_is_gone),
        cmocka_unit_test(test_nonsense_in_the_ledger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
