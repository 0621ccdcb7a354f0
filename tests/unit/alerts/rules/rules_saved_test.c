/* Alerts across a restart: what is saved comes back, what is damaged is refused as a whole, and time that the sidecar
 * was down counts. */
#include "tests/support/alloc_fail.h"
#include "tests/unit/alerts/rules/world.h"

#include <stdio.h>
#include <stdlib.h>

#define GROUP(rules) "groups: [{name: g, rules: [" rules "]}]"
#define DOWN10 GROUP("{alert: Down, expr: up == 0, for: 10m}")
#define A "{alertname=\"Down\", job=\"a\"}"

static char *save(struct world *world) {
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    assert_int_equal(oxp_rules_save(world->rules, world_now(world), &text, NULL), OXP_OK);
    char *taken = oxp_buf_take(&text, NULL);
    assert_non_null(taken);
    return taken;
}

/* Ends, is down for so long, and begins with these rules and what was saved. */
static void restart(struct world *world, double down_s, const char *yaml) {
    char *text = save(world);
    world_pass(world, down_s);
    world_restart(world, yaml);
    assert_int_equal(oxp_rules_restore(world->rules, oxp_view_from(text), world_now(world)), OXP_OK);
    free(text);
}

/* ---- Restarts ---- */

static void test_for_10m_restarted_at_minute_9(void **state) {
    (void)state;
    static const double downs[] = {1, 20, 300, 8 * 60 + 50};
    for (size_t i = 0; i < COUNT_OF(downs); i++) {
        struct world world;
        world_open(&world, DOWN10);
        world_set(&world, "up,job=a", 0);
        world_step(&world, 1);
        while (world_now(&world) + (int64_t)(downs[i] * 1000) + 15000 < world.start_ms + 540000) {
            world_step(&world, 1);
        }
        restart(&world, downs[i], DOWN10);
        assert_told(&world, "0 BEGAN " A " 0\n");
        world.held = true;
        world_step(&world, 1);
        world.held = false; /* the owners are back */
        while (world_now(&world) < world.start_ms + 585000) {
            world_step(&world, 1);
        }
        assert_told(&world, "");
        world_step(&world, 1);
        assert_told(&world, "600 FIRED " A " 0\n");
        world_close(&world);
    }
}

/* What waits while owners are not back, and what becomes of it. */
static void test_held_after_a_restart(void **state) {
    (void)state;
    struct world world;
    const char *yaml = GROUP("{alert: Down, expr: up == 0, annotations: {s: '{{ $value }}'}}");
    world_open(&world, yaml);
    world_set(&world, "up,job=a", 0);
    world_set(&world, "up,job=b", 0);
    world_step(&world, 2);
    assert_told(&world, "0 FIRED " A " 0 {s=\"0\"}\n0 FIRED {alertname=\"Down\", job=\"b\"} 0 {s=\"0\"}\n");
    world_unset(&world, "up,job=a");
    world_unset(&world, "up,job=b");
    restart(&world, 30, yaml);
    assert_alerts(&world, A " firing since 0 value 0\n{alertname=\"Down\", job=\"b\"} firing since 0 value 0\n");
    world.held = true;
    world_step(&world, 8);
    assert_told(&world, "");
    struct oxp_rules_stats stats;
    oxp_rules_stats(world.rules, &stats);
    assert_int_equal(stats.firing, 2);
    world_set(&world, "up,job=a", 0);
    world.held = false;
    world_step(&world, 1);
    assert_told(&world, "180 RESOLVED {alertname=\"Down\", job=\"b\"} 0 {s=\"0\"}\n");
    world_close(&world);
}

/* A window with a hole in it does not resolve anything. */
static void test_windows_after_a_restart(void **state) {
    (void)state;
    struct world world;
    const char *yaml = GROUP("{alert: Busy, expr: 'increase(c[5m]) > 100'}");
    world_open(&world, yaml);
    double c = 0;
    for (int i = 0; i < 20; i++) {
        world_set(&world, "c", c += 15);
        world_step(&world, 1);
    }
    oxp_buf_clear(&world.told);
    restart(&world, 400, yaml);
    c = 0; /* the counter began anew */
    for (int i = 0; i < 25; i++) {
        world_set(&world, "c", c += 15);
        world_step(&world, 1);
    }
    assert_told(&world, "");
    world_step(&world, 20);
    assert_non_null(strstr(oxp_buf_text(&world.told), "RESOLVED"));
    world_close(&world);
}

static void test_restarts(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double down_s;
        const char *yaml;
        const char *alerts; /* after it */
    } rows[] = {
        {"at once", 0, DOWN10, A " pending since 0 value 0\n"},
        {"an hour down", 3600, DOWN10, A " pending since 0 value 0\n"},
        {"over an hour down", 3601, DOWN10, ""},
        {"another expression", 1, GROUP("{alert: Down, expr: up <= 0, for: 10m}"), ""},
        {"another name", 1, GROUP("{alert: Up, expr: up == 0, for: 10m}"), ""},
        {"other labels", 1, GROUP("{alert: Down, expr: up == 0, for: 10m, labels: {x: y}}"), ""},
        {"another for", 1, GROUP("{alert: Down, expr: up == 0, for: 5m}"), A " pending since 0 value 0\n"},
        {"other layout of the expression", 1, GROUP("{alert: Down, expr: 'up  ==0', for: 10m}"),
         A " pending since 0 value 0\n"},
        {"another group", 1, "groups: [{name: h, rules: [{alert: Down, expr: up == 0, for: 10m}]}]", ""},
        {"no rules", 1, "groups: []", ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world world;
        world_open(&world, DOWN10);
        world_set(&world, "up,job=a", 0);
        world_step(&world, 3);
        restart(&world, rows[i].down_s, rows[i].yaml);
        struct oxp_buf *told = &world.told;
        oxp_buf_clear(told);
        oxp_buf_append_text(told, rows[i].name); /* shows in a failure */
        assert_alerts(&world, rows[i].alerts);
        world_close(&world);
    }
}

/* A reload knows the rules that a restart gave their alerts back. */
static void test_reload_behind_a_restart(void **state) {
    (void)state;
    struct world world;
    const char *yaml = GROUP("{alert: Down, expr: up == 0}, {alert: Late, expr: up == 0, for: 10m}");
    world_open(&world, yaml);
    world_set(&world, "up,job=a", 0);
    world_step(&world, 2);
    restart(&world, 30, yaml);
    oxp_buf_clear(&world.told);
    assert_int_equal(world_load(&world, yaml), OXP_OK);
    world_step(&world, 1);
    assert_alerts(&world, A " firing since 0 value 0\n{alertname=\"Late\", job=\"a\"} pending since 0 value 0\n");
    assert_told(&world, "");
    world_close(&world);
}

static void test_resolved_is_told_on(void **state) {
    (void)state;
    struct world world;
    const char *yaml = GROUP("{alert: Down, expr: up == 0}");
    world_open(&world, yaml);
    world.telling_again = true;
    world_set(&world, "up,job=a", 0);
    world_step(&world, 1);
    world_set(&world, "up,job=a", 1);
    world_step(&world, 1);
    restart(&world, 60, yaml);
    assert_told(&world, "0 FIRED " A " 0\n15 RESOLVED " A " 0\n");
    world_step(&world, 2);
    assert_told(&world, "90 SAME " A " 0\n");
    world_close(&world);
}

static void test_rules_with_all_the_same(void **state) {
    (void)state;
    struct world world;
    const char *yaml = GROUP("{alert: X, expr: a > 0, for: 5m}, {alert: X, expr: a > 0, for: 1h}");
    world_open(&world, yaml);
    world_set(&world, "a,l=x", 1);
    world_step(&world, 1);
    restart(&world, 1, yaml);
    assert_alerts(&world, "{alertname=\"X\", l=\"x\"} pending since 0 value 1\n"
                          "{alertname=\"X\", l=\"x\"} pending since 0 value 1\n");
    world_close(&world);
}

/* ---- The text ---- */

static void test_text(void **state) {
    (void)state;
    struct world world;
    char expected[600];
    world_open(&world,
               GROUP("{alert: Inf, expr: v > 0, labels: {q: 'say \"hi\"\\'}, annotations: {a: 'ü {{ $value }}'}},"
                     "{record: r, expr: v}, {alert: Quiet, expr: v < 0}"));
    world_set(&world, "v", (double)INFINITY);
    world_step(&world, 2);
    char *text = save(&world);
    snprintf(expected, sizeof expected,
             "{\"oxpecker_alerts\":1,\"saved_ms\":%lld}\n"
             "{\"file\":\"rules.yml\",\"group\":\"g\",\"rule\":\"Inf\",\"query\":\"v > 0\","
             "\"labels\":{\"q\":\"say \\\"hi\\\"\\\\\"}}\n"
             "{\"labels\":{\"alertname\":\"Inf\",\"q\":\"say \\\"hi\\\"\\\\\"},\"annotations\":{\"a\":\"ü +Inf\"},"
             "\"value\":\"+Inf\",\"state\":\"firing\",\"active_ms\":%lld,\"fired_ms\":%lld,\"resolved_ms\":0,"
             "\"keep_firing_since_ms\":0}\n"
             "{\"alerts\":1,\"crc32c\":",
             (long long)world_now(&world), (long long)world.start_ms, (long long)world.start_ms);
    if (strncmp(text, expected, strlen(expected)) != 0) {
        fail_msg("is:\n%s\nexpected:\n%s", text, expected);
    }
    world_restart(&world, GROUP("{alert: Inf, expr: v > 0, labels: {q: 'say \"hi\"\\'}}"));
    assert_int_equal(oxp_rules_restore(world.rules, oxp_view_from(text), world_now(&world)), OXP_OK);
    assert_alerts(&world, "{alertname=\"Inf\", q=\"say \\\"hi\\\"\\\\\"} firing since 0 value +Inf\n");
    free(text);
    world_close(&world);
}

/* Every cut and every changed byte is seen, and then nothing is taken. */
static void test_damage(void **state) {
    (void)state;
    struct world world;
    world_open(&world, DOWN10);
    world_set(&world, "up,job=a", 0);
    world_step(&world, 1);
    char *text = save(&world);
    size_t len = strlen(text);
    world_restart(&world, DOWN10);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(oxp_rules_restore(world.rules, oxp_view_of(text, cut), world_now(&world)), OXP_ERR_CORRUPT);
    }
    for (size_t i = 0; i < len; i++) {
        char was = text[i];
        text[i] ^= 1;
        assert_int_equal(oxp_rules_restore(world.rules, oxp_view_of(text, len), world_now(&world)), OXP_ERR_CORRUPT);
        text[i] = was;
    }
    assert_alerts(&world, "");
    assert_int_equal(oxp_rules_restore(world.rules, oxp_view_of(text, len), world_now(&world)), OXP_OK);
    assert_alerts(&world, A " pending since 0 value 0\n");
    assert_int_equal(oxp_rules_restore(world.rules, oxp_view_of(text, len), world_now(&world)), OXP_OK); /* again */
    assert_alerts(&world, A " pending since 0 value 0\n");
    free(text);
    world_close(&world);
}

/* With a right sum, but not what the writer writes. */
#define HEAD "{\"oxpecker_alerts\":1,\"saved_ms\":1767225600000}\n"
#define RULE "{\"file\":\"rules.yml\",\"group\":\"g\",\"rule\":\"Down\",\"query\":\"up == 0\",\"labels\":{}}\n"
#define ALERT(labels, value, life) "{\"labels\":{" labels "},\"annotations\":{},\"value\":\"" value "\"," life "}\n"
#define LIFE "\"state\":\"firing\",\"active_ms\":1,\"fired_ms\":1,\"resolved_ms\":0,\"keep_firing_since_ms\":0"
#define GOOD ALERT("\"alertname\":\"Down\"", "1", LIFE)

static const struct {
    const char *name;
    bool good;
    int alerts; /* as the last line says */
    const char *text;
} texts[] = {
    {"nothing", true, 0, HEAD},
    {"one", true, 1, HEAD RULE GOOD},
    {"two", true, 2, HEAD RULE GOOD ALERT("\"alertname\":\"Down\",\"a\":\"b\"", "NaN", LIFE)},
    {"the same twice", true, 2, HEAD RULE GOOD GOOD},
    {"a rule that is not there", true, 1,
     HEAD "{\"file\":\"x\",\"group\":\"g\",\"rule\":\"D\",\"query\":\"u\",\"labels\":{}}\n" GOOD},
    {"no head", false, 1, RULE GOOD},
    {"another version", false, 0, "{\"oxpecker_alerts\":2,\"saved_ms\":1767225600000}\n"},
    {"an alert without a rule", false, 1, HEAD GOOD},
    {"too few", false, 2, HEAD RULE GOOD},
    {"too many", false, 0, HEAD RULE GOOD},
    {"an empty line", false, 1, HEAD "\n" RULE GOOD},
    {"no JSON", false, 1, HEAD "rule\n" GOOD},
    {"an array", false, 1, HEAD RULE "[]\n"},
    {"labels of another kind", false, 1, HEAD RULE ALERT("\"alertname\":1", "1", LIFE)},
    {"a label without a name", false, 1, HEAD RULE ALERT("\"\":\"Down\"", "1", LIFE)},
    {"no number", false, 1, HEAD RULE ALERT("\"alertname\":\"Down\"", "one", LIFE)},
    {"no life", false, 1, HEAD RULE ALERT("\"alertname\":\"Down\"", "1", "\"state\":\"firing\"")},
    {"another state", false, 1,
     HEAD RULE ALERT("\"alertname\":\"Down\"", "1",
                     "\"state\":\"x\",\"active_ms\":1,\"fired_ms\":1,\"resolved_ms\":0,\"keep_firing_since_ms\":0")},
    {"inactive, but never resolved", false, 1,
     HEAD RULE ALERT(
         "\"alertname\":\"Down\"", "1",
         "\"state\":\"inactive\",\"active_ms\":1,\"fired_ms\":1,\"resolved_ms\":0,\"keep_firing_since_ms\":0")},
    {"a time past all numbers", false, 1,
     HEAD RULE ALERT(
         "\"alertname\":\"Down\"", "1",
         "\"state\":\"firing\",\"active_ms\":1e300,\"fired_ms\":1,\"resolved_ms\":0,\"keep_firing_since_ms\":0")},
    {"a time in pieces", false, 1,
     HEAD RULE ALERT(
         "\"alertname\":\"Down\"", "1",
         "\"state\":\"firing\",\"active_ms\":1.5,\"fired_ms\":1,\"resolved_ms\":0,\"keep_firing_since_ms\":0")},
};

static uint32_t crc32c(const char *bytes, size_t len) { /* bit by bit, as RFC 3720 has it */
    uint32_t crc = ~0u;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)bytes[i];
        for (int k = 0; k < 8; k++) {
            crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
        }
    }
    return ~crc;
}

static void test_texts(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct world world;
        char text[2000];
        size_t len = strlen(texts[i].text);
        snprintf(text, sizeof text, "%s{\"alerts\":%d,\"crc32c\":%lu}\n", texts[i].text, texts[i].alerts,
                 (unsigned long)crc32c(texts[i].text, len));
        world_open(&world, DOWN10);
        enum oxp_status status = oxp_rules_restore(world.rules, oxp_view_from(text), world_now(&world));
        if (status != (texts[i].good ? OXP_OK : OXP_ERR_CORRUPT)) {
            fail_msg("%s: %s", texts[i].name, oxp_status_name(status));
        }
        if (!texts[i].good) {
            assert_alerts(&world, "");
        }
        world_close(&world);
    }
}

static void test_changed(void **state) {
    (void)state;
    struct world world;
    struct oxp_buf text;
    bool changed = false;
    oxp_buf_init(&text, 0);
    world_open(&world, DOWN10);
    static const struct {
        double up;
        int steps;
        bool changed;
    } rows[] = {{1, 1, true},  {1, 1, false}, {1, 8, false}, {0, 1, true}, {0, 1, false},
                {0, 2, false}, {0, 1, true},  {0, 1, false}, {1, 1, true}, {1, 9, false}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        world_set(&world, "up,job=a", rows[i].up);
        world_step(&world, rows[i].steps);
        oxp_buf_clear(&text);
        assert_int_equal(oxp_rules_save(world.rules, world_now(&world), &text, &changed), OXP_OK);
        if (changed != rows[i].changed || changed != (text.len != 0)) {
            fail_msg("row %zu: %d, %zu bytes", i, changed, text.len);
        }
    }
    oxp_buf_fini(&text);
    oxp_buf_init(&text, 10);
    assert_int_equal(oxp_rules_save(world.rules, world_now(&world), &text, NULL), OXP_ERR_LIMIT);
    oxp_buf_fini(&text);
    world_close(&world);
}

/* ---- No memory ---- */

struct lacking {
    struct world *world;
    const char *text;
};

static void restore_without_memory(void *ctx) {
    const struct lacking *lacking = ctx;
    struct world *world = lacking->world;
    struct oxp_rules *rules = NULL;
    struct oxp_rule_file *file = NULL;
    struct oxp_rules_stats stats;
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    const char *yaml = GROUP("{alert: Down, expr: up == 0, for: 10m}");
    if (oxp_rule_file_read(oxp_view_from(yaml), OXP_VIEW("rules.yml"), NULL, NULL, &file, NULL) == OXP_OK &&
        oxp_rules_new(&world->options, &rules) == OXP_OK && oxp_rules_load(rules, &file, 1, 1) == OXP_OK) {
        file = NULL;
        enum oxp_status status = oxp_rules_restore(rules, oxp_view_from(lacking->text), world_now(world));
        oxp_rules_stats(rules, &stats);
        assert_int_equal(stats.pending, status == OXP_OK ? 3 : 0);
        assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
        (void)oxp_rules_save(rules, world_now(world), &text, NULL);
    }
    oxp_buf_fini(&text);
    oxp_rules_free(rules);
    oxp_rule_file_free(file);
}

static void test_no_memory(void **state) {
    (void)state;
    struct world world;
    world_open(&world, DOWN10);
    world_set(&world, "up,job=a", 0);
    world_set(&world, "up,job=b", 0);
    world_set(&world, "up,job=c", 0);
    world_step(&world, 1);
    char *text = save(&world);
    struct lacking lacking = {&world, text};
    assert_in_range(alloc_fail_each(restore_without_memory, &lacking), 20, 10000);
    free(text);
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_for_10m_restarted_at_minute_9),
        cmocka_unit_test(test_held_after_a_restart),
        cmocka_unit_test(test_windows_after_a_restart),
        cmocka_unit_test(test_restarts),
        cmocka_unit_test(test_reload_behind_a_restart),
        cmocka_unit_test(test_resolved_is_told_on),
        cmocka_unit_test(test_rules_with_all_the_same),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
