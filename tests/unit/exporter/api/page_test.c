/* The first page over a real server: what is escaped, what stands there without a script, who sees it. The rules that
 * are shown are a stand-in for oxp_rules_view; ledger and loop are world.c's. */
#include "exporter/api/page_parts.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exporter/api/page_text.h"
#include "tests/unit/exporter/api/world.h"
#include "tests/unit/exporter/serve/client.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define FROM(header) "GET / HTTP/1.1\r\n" header "\r\n\r\n"
#define BAD "\xEF\xBF\xBD"

/* ---- Words and numbers ---- */

static void test_escape(void **state) {
    (void)state;
    static const struct {
        struct oxp_view text;
        const char *html;
    } rows[] = {
        {OXP_VIEW("plain"), "plain"},
        {OXP_VIEW(""), ""},
        {OXP_VIEW("<script>alert(1)</script>"), "&lt;script&gt;alert(1)&lt;/script&gt;"},
        {OXP_VIEW("\" onload='x' &amp;"), "&quot; onload=&#39;x&#39; &amp;amp;"},
        {OXP_VIEW("größer"), "größer"},
        {OXP_VIEW("a\nb\tc"), "a b c"},
        {OXP_VIEW("a\0b\x7f"), "a" BAD "b" BAD},
        {OXP_VIEW("\xff<\xc3"), BAD "&lt;" BAD},
        {OXP_VIEW("\xed\xa0\x80"), BAD BAD BAD}, /* half of a surrogate pair */
        {OXP_VIEW("{{links}}"), "{{links}}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_buf page;
        oxp_buf_init(&page, 0);
        oxp_page_escape(&page, rows[i].text);
        assert_string_equal(oxp_buf_text(&page), rows[i].html);
        oxp_buf_fini(&page);
    }
}

static void test_numbers(void **state) {
    (void)state;
    static const struct {
        void (*write)(struct oxp_buf *page, double value);
        double value;
        const char *text;
    } rows[] = {
        {oxp_page_count, 0, "0"},
        {oxp_page_count, 999, "999"},
        {oxp_page_count, 1000, "1,000"},
        {oxp_page_count, 1234567, "1,234,567"},
        {oxp_page_count, 10000005, "10,000,005"},
        {oxp_page_count, 0.25, "0.3"},
        {oxp_page_count, -3, "-3"},
        {oxp_page_count, 1e300, "1e+300"},
        {oxp_page_count, (double)NAN, "–"},
        {oxp_page_count, (double)INFINITY, "–"},
        {oxp_page_bytes, 0, "0 B"},
        {oxp_page_bytes, 1023, "1023 B"},
        {oxp_page_bytes, 9.5 * 1048576, "9.5 MiB"},
        {oxp_page_bytes, 1e30, NULL},
        {oxp_page_bytes, (double)NAN, "–"},
        {oxp_page_duration, -5, "0 s"},
        {oxp_page_duration, 0.9, "0 s"},
        {oxp_page_duration, 59, "59 s"},
        {oxp_page_duration, 60, "1 min"},
        {oxp_page_duration, 125, "2 min 5 s"},
        {oxp_page_duration, 754, "12 min"},
        {oxp_page_duration, 3600 * 3 + 61, "3 h 1 min"},
        {oxp_page_duration, 86400 * 400.0, "400 d"},
        {oxp_page_duration, (double)NAN, "–"},
        {oxp_page_time, 1700000000, "2023-11-14 22:13:20 UTC"},
        {oxp_page_time, 0, "–"},
        {oxp_page_time, 1e300, "–"},
        {oxp_page_time, (double)NAN, "–"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_buf page;
        oxp_buf_init(&page, 0);
        rows[i].write(&page, rows[i].value);
        if (rows[i].text != NULL && strcmp(oxp_buf_text(&page), rows[i].text) != 0) {
            fail_msg("row %zu: %s, not %s", i, oxp_buf_text(&page), rows[i].text);
        }
        oxp_buf_fini(&page);
    }
}

/* ---- What there is ---- */

static struct world world;
static struct oxp_outbox *outbox;
static struct oxp_arena arena;
static struct oxp_rule_view rule;
static struct oxp_group_view group = {.rules = &rule, .count = 1};
static struct oxp_alert_view alerts[OXP_PAGE_ALERTS + 3];
static int held;
static bool no_memory;

enum oxp_status oxp_rules_view(struct oxp_rules *of, struct oxp_arena *into, const struct oxp_group_view **groups_out,
                               size_t *count_out) {
    (void)of;
    (void)into;
    *groups_out = no_memory ? NULL : &group;
    *count_out = 1;
    return no_memory ? OXP_ERR_NOMEM : OXP_OK;
}

static const struct oxp_labels *labels_of(const char *const *pairs) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, &arena, oxp_labels_none());
    for (size_t i = 0; pairs[i] != NULL; i += 2) {
        oxp_labels_set_text(&builder, oxp_view_from(pairs[i]), oxp_view_from(pairs[i + 1]));
    }
    return oxp_labels_finish(&builder);
}
#define LABELS(...) labels_of((const char *const[]){__VA_ARGS__, NULL})

static void make_rules(void) {
    oxp_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++) {
        alerts[i] = (struct oxp_alert_view){
            .labels = LABELS("alertname", "Loud", "severity", "<i>", "job", "<script>x</script>"),
            .annotations =
                LABELS("summary", "</td><b>bold</b>", "runbook_url", i == 0 ? "https://r/?a&b" : "javascript:x"),
            .life = {.state = i == 1 ? OXP_ALERT_PENDING : OXP_ALERT_FIRING, .active_ms = 1, .fired_ms = 1},
        };
    }
    rule = (struct oxp_rule_view){
        .kind = OXP_RULE_ALERTING, .name = OXP_VIEW("<Loud>"), .alerts = alerts, .alert_count = 2};
}

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

static const struct oxp_family_spec errors = {.name = "orchestrator_errors_total",
                                              .help = "Errors",
                                              .type = OXP_COUNTER,
                                              .labels = {{"code", NULL, 0}, {"category", NULL, 0}}};
static const struct oxp_family_spec limit = {.name = "orchestrator_sessions_limit", .help = "Limit", .type = OXP_GAUGE};
static const struct oxp_family_spec sessions = {
    .name = "orchestrator_sessions_active", .help = "Sessions", .type = OXP_GAUGE, .labels = {{"state", NULL, 0}}};

static struct oxp_family *add_family(const struct oxp_family_spec *spec) {
    struct oxp_family *family = NULL;
    assert_int_equal(oxp_registry_add(world.registry, spec, &family), OXP_OK);
    return family;
}

static void make_numbers(void) {
    struct oxp_family *family = add_family(&errors);
    oxp_counter_add(oxp_counter(oxp_family_at2(family, OXP_VIEW("a,category=\"x\\"), OXP_VIEW("<s>\"q\"\\\n"))), 1234);
    oxp_counter_add(oxp_counter(oxp_family_at2(family, OXP_VIEW("b"), OXP_VIEW("<s>\"q\"\\\n"))), 1);
    for (int i = 0; i < 2 * OXP_PAGE_ROWS; i++) { /* more than there is room for */
        char name[32];
        snprintf(name, sizeof name, "many%d", i);
        oxp_counter_add(oxp_counter(oxp_family_at2(family, OXP_VIEW("c"), oxp_view_from(name))), 1);
    }
    char longest[OXP_LABEL_VALUE_MAX + 1];
    memset(longest, 'l', sizeof longest);
    oxp_counter_add(oxp_counter(oxp_family_at2(family, OXP_VIEW("d"), oxp_view_of(longest, OXP_LABEL_VALUE_MAX))), 1);
    oxp_gauge_set(oxp_family_only(add_family(&limit)), 20);
    oxp_gauge_set(oxp_family_at(add_family(&sessions), OXP_VIEW("running")), 19);
}

static int start(void **state) {
    (void)state;
    const struct oxp_outbox_options options = {0};
    struct oxp_error error = {0};
    assert_int_equal(oxp_outbox_open(&options, 1, &outbox, NULL, &error), OXP_OK);
    world_start(&world, NULL);
    world.api.hold = hold;
    world.api.release = release;
    world.api.rules = (struct oxp_rules *)(void *)&world; /* never looked into */
    make_rules();
    make_numbers();
    return 0;
}

static int stop(void **state) {
    (void)state;
    world_stop(&world);
    oxp_outbox_close(outbox);
    oxp_arena_fini(&arena);
    assert_int_equal(held, 0);
    no_memory = false;
    return 0;
}

/* ---- The page ---- */

static void check(const char *request, const char *const *there, const char *const *not_there) {
    struct answer answer;
    client_ask(world.port, request, &answer);
    assert_int_equal(answer.status, 200);
    for (size_t i = 0; there[i] != NULL; i++) {
        if (strstr(answer.body, there[i]) == NULL && strstr(answer.head, there[i]) == NULL) {
            fail_msg("%s is missing from %s%s", there[i], answer.head, answer.body);
        }
    }
    for (size_t i = 0; not_there[i] != NULL; i++) {
        if (strstr(answer.body, not_there[i]) != NULL) {
            fail_msg("%s is in %s", not_there[i], answer.body);
        }
    }
    answer_free(&answer);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_whole(void **state) {
    (void)state;
    check(GET("/"),
          WORDS("Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';",
                "frame-ancestors 'none'", "X-Frame-Options: DENY", "Referrer-Policy: no-referrer",
                "X-Content-Type-Options: nosniff", "<script src=\"page.js\" defer></script>",
                "&lt;s&gt;&quot;q&quot;\\ </th>", ">1,235<", ">&lt;Loud&gt;</th>", "&lt;/td&gt;&lt;b&gt;bold&lt;/b&gt;",
                "job=&lt;script&gt;x&lt;/script&gt;", "href=\"https://r/?a&amp;b\"", ">firing<", ">pending<",
                "<b>19</b><small>of 20</small>", "<div class=\"tile warn\">Sessions", "and 218 more", ">other</th>",
                "in memory only", "<b>0</b><small>waiting, 0 set aside", OXP_VERSION, "<a href=\"/metrics\">"),
          WORDS("<s>", "<i>", "<b>bold", "<script>x", "javascript:", "style=", "onload", "{{", "nan", "unsafe",
                "href=\"/page.js\""));
    group.count = 0;
    check(GET("/"), WORDS("Nothing fires and nothing is pending, of 0 rules"), WORDS("&lt;Loud&gt;"));
    group.count = 1;
    rule.alert_count = sizeof alerts / sizeof alerts[0];
    check(GET("/"), WORDS("and 3 more"), WORDS("{{"));
    no_memory = true;
    check(GET("/"), WORDS("There are no rules to look at."), WORDS("&lt;Loud&gt;"));
}

static void test_who(void **state) {
    (void)state;
    static const char *const strangers[] = {
        FROM("Host: prod.example"),
        FROM("Host: localhost\r\nX-Forwarded-For: 10.0.0.1"),
        FROM("Host: localhost\r\nVia: 1.1 x"),
    };
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        check(strangers[i],
              WORDS("Content-Security-Policy: default-src 'none'", "<a href=\"/metrics\">", "<h1>", "</html>"),
              WORDS("<script", "Loud", "1,235", "tile", "{{", "data-live"));
    }
    oxp_server_configure(world.server, true, false);
    check(strangers[0], WORDS("&lt;Loud&gt;", "<script src"), WORDS("{{"));
}

static void test_parts(void **state) {
    (void)state;
    check(GET("/page.css"), WORDS("Content-Type: text/css; charset=utf-8", "prefers-color-scheme: dark"),
          WORDS("url(", "@import"));
    check(GET("/page.js"), WORDS("Content-Type: text/javascript; charset=utf-8", "\"use strict\""),
          WORDS("innerHTML =", "eval(", "insertAdjacent", "document.write"));
    assert_true(oxp_page_html_len + oxp_page_css_len + oxp_page_js_len < 40960);
}

/* A loop that does not answer costs the ledger's part, not the page. */
static void test_no_loop(void **state) {
    (void)state;
    world_stop_loop(&world);
    check(GET("/"), WORDS("The ledger did not answer in time.", "1,235", "&lt;Loud&gt;"), WORDS("{{"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test_setup_teardown(test_whole, start, stop),
        cmocka_unit_test_setup_teardown(test_who, start, stop),
        cmocka_unit_test_setup_teardown(test_parts, start, stop),
        cmocka_unit_test_setup_teardown(test_no_loop, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
