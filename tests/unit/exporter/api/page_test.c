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
#include "exporter/selfstats/selfstats.h"
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
        {OXP_VIEW("a\u202eb\u202c \u202ac\u202c \u2066d\u2069"),
         "a" BAD "b" BAD " " BAD "c" BAD " " BAD "d" BAD}, /* they turn what follows */
        {OXP_VIEW("\u2029\u202f\u2065\u206aא\u200f"), "\u2029\u202f\u2065\u206aא\u200f"},
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
static struct oxp_rule_view rules[2];
static struct oxp_group_view group = {.rules = rules, .count = 1};
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

void oxp_rules_stats(struct oxp_rules *of, struct oxp_rules_stats *stats_out) {
    (void)of;
    *stats_out = (struct oxp_rules_stats){.firing = 12345, .pending = 7};
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
    rules[1] = (struct oxp_rule_view){.kind = OXP_RULE_ALERTING, .name = OXP_VIEW("Quiet"), .health = OXP_RULE_OK};
    rules[0] = (struct oxp_rule_view){.kind = OXP_RULE_ALERTING,
                                      .name = OXP_VIEW("<Loud>"),
                                      .health = OXP_RULE_OK,
                                      .alerts = alerts,
                                      .alert_count = 2};
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

static const struct oxp_family_spec oldest = {
    .name = "orchestrator_session_oldest_age_seconds", .help = "Oldest", .type = OXP_GAUGE};

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
    oxp_gauge_set(oxp_family_only(add_family(&oldest)), 14);
}

static int start(void **state) {
    (void)state;
    const struct oxp_outbox_options options = {0};
    struct oxp_error error = {0};
    assert_int_equal(oxp_outbox_open(&options, 1, &outbox, NULL, &error), OXP_OK);
    world_start(&world, NULL);
    oxp_gauge_set(oxp_family_only(world.stats.families[OXP_S_CONFIG_LAST_RELOAD_SUCCESSFUL]), 1);
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
    group.count = 1;
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
          WORDS("Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';",
                "; connect-src 'self';", "frame-ancestors 'none'", "X-Frame-Options: DENY",
                "Referrer-Policy: no-referrer", "X-Content-Type-Options: nosniff",
                "<script src=\"page.js\" defer></script>", "&lt;s&gt;&quot;q&quot;\\ </bdi></th>", ">1,235<",
                "<b><bdi>&lt;Loud&gt;</bdi></b>", "&lt;/td&gt;&lt;b&gt;bold&lt;/b&gt;",
                "<bdi>job</bdi>=<bdi>&lt;script&gt;x&lt;/script&gt;</bdi>", "href=\"https://r/?a&amp;b\"", ">firing<",
                ">pending<", "<b>19</b><small>of 20, oldest 14 s</small>", "<small>without an owner<",
                "<div class=\"tile warn\">Sessions", "<div class=\"tile \">Tasks running<b>–<", "and 218 more",
                "and 238 more", ">other</bdi></th>", "<title>1 firing – Oxpecker</title>", "in memory only",
                "0 series, reaches back –", "<b>0</b><small>waiting, 0 set aside", OXP_VERSION,
                "<a href=\"/metrics\">"),
          WORDS("<s>", "<i>", "<b>bold", "<script>x", "javascript:", "style=", "onload", "{{", "nan", "unsafe",
                "href=\"/page.js\"", "href=\"/page.svg\""));
    rules[0].alert_count = sizeof alerts / sizeof alerts[0];
    check(GET("/"), WORDS("and 3 more"), WORDS("{{"));
}

/* What is not known is not shown as good. */
static void test_not_known(void **state) {
    (void)state;
    rules[0].alert_count = 0;
    check(GET("/"),
          WORDS("<div class=\"tile ok\">Alerts firing<b>0<", "Nothing fires and nothing is pending, of 1 rule.<"),
          WORDS("class=\"trouble\">", "&lt;Loud&gt;"));
    rules[0].health = OXP_RULE_UNKNOWN;
    check(GET("/"),
          WORDS("<div class=\"tile \">Alerts firing<b>–</b><small>no rule was evaluated yet<",
                "<p class=\"none\">No rule was evaluated yet."),
          WORDS("Nothing fires"));
    group.count = 2;
    check(GET("/"), WORDS("Nothing fires and nothing is pending, of the 1 of 2 rules that were evaluated so far."),
          WORDS("No rule"));
    group.count = 1;
    rules[0].health = OXP_RULE_FAILED;
    rules[0].last_error = OXP_VIEW("many-to-many <x>");
    check(GET("/"),
          WORDS("<div class=\"tile bad\">Alerts firing<b>–</b><small>every rule fails", "No rule could be evaluated",
                "<p class=\"trouble\">1 of 1 rule fails: ", "&lt;Loud&gt;", "many-to-many &lt;x&gt;"),
          WORDS("Nothing fires"));
    group.count = 2;
    check(GET("/"),
          WORDS("<div class=\"tile warn\">Alerts firing<b>0</b><small>0 pending, 1 rule fails",
                "Nothing fires and nothing is pending, of the 1 of 2 rules that could be evaluated.",
                "<p class=\"trouble\">1 of 2 rules fails: "),
          WORDS("No rule"));
    group.count = 0;
    check(GET("/"), WORDS("<div class=\"tile warn\">Alerts firing<b>–</b><small>no rules", "No rule is loaded"),
          WORDS("Nothing fires", "of 0", "class=\"trouble\">"));
    group.count = 1;
    no_memory = true;
    check(GET("/"),
          WORDS("<div class=\"tile bad\">Alerts firing<b>12,345</b><small>7 pending", "12,345 fire and 7 are pending"),
          WORDS("No rule", "Nothing fires"));
    world.api.rules = NULL;
    check(GET("/"), WORDS("<div class=\"tile warn\">Alerts firing<b>–</b><small>no rules", "No rule is evaluated"),
          WORDS("Nothing fires"));
}

/* What is wrong with the sidecar itself stands at the top. */
static void test_trouble(void **state) {
    (void)state;
    struct oxp_family **families = world.stats.families;
    struct oxp_series *persistent = oxp_family_only(families[OXP_S_STORAGE_PERSISTENT]);
    oxp_gauge_set(persistent, 0);
    check(GET("/"), WORDS("in memory only"), WORDS("class=\"trouble\">")); /* as was said to it */
    oxp_counter_add(oxp_counter(oxp_family_only(families[OXP_S_STORAGE_FAILURES_TOTAL])), 3);
    check(GET("/"), WORDS("<p class=\"trouble\">State is kept in memory only: 3 writes to the disk failed."),
          WORDS("{{"));
    oxp_gauge_set(persistent, 1);
    check(GET("/"), WORDS("3 writes failed"), WORDS("class=\"trouble\">")); /* is over */
    oxp_gauge_set(oxp_family_only(families[OXP_S_CONFIG_LAST_RELOAD_SUCCESSFUL]), 0);
    check(GET("/"), WORDS("<p class=\"trouble\">The last reload of the configuration failed"), WORDS("{{"));
}

/* A value from outside turns nothing but itself around, and a long one does not push the rest away. */
static void test_values(void **state) {
    (void)state;
    char huge[5000];
    memset(huge, '\'', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    alerts[0] = (struct oxp_alert_view){
        .labels = LABELS("alertname", "Loud", "severity", "critical", "a", "\u202egpj.exe\u202c", "b", "אב"),
        .annotations =
            LABELS("summary", "work \u202eflow\u202c", "description", "do <this>", "runbook", "docs/<Loud>.md"),
        .life = {.state = OXP_ALERT_FIRING, .active_ms = 1, .fired_ms = 1},
    };
    rules[0].alert_count = 1;
    check(GET("/"),
          WORDS("<b><bdi>&lt;Loud&gt;</bdi></b>",
                "<details><summary><bdi>work " BAD "flow" BAD "</bdi></summary><bdi>do &lt;this&gt;</bdi></details>",
                "<bdi>a</bdi>=<bdi>" BAD "gpj.exe" BAD
                "</bdi> <bdi>b</bdi>=<bdi>אב</bdi> See <bdi>docs/&lt;Loud&gt;.md</bdi>"),
          WORDS("<this>"));
    alerts[0].annotations = LABELS("description", "d", "runbook", "https://book.example/");
    check(GET("/"),
          WORDS("<details><summary>More</summary><bdi>d</bdi></details>",
                "<a rel=\"noreferrer\" href=\"https://book.example/\">runbook</a>"),
          WORDS("See <bdi>"));
    for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++) {
        alerts[i].life = (struct oxp_alert_life){.state = OXP_ALERT_FIRING, .active_ms = 1, .fired_ms = 1};
        alerts[i].labels = LABELS("a", huge, "b", huge, "c", huge, "d", huge, "e", huge, "severity", huge);
        alerts[i].annotations =
            LABELS("summary", huge, "description", huge, "runbook_url", "https://b/", "runbook", huge);
    }
    rules[0].alert_count = sizeof alerts / sizeof alerts[0];
    rules[0].name = oxp_view_from(huge);
    check(GET("/"), WORDS("&#39;…</bdi> … <a rel", "</html>"), WORDS("{{"));
}

/* What is for information is not counted as trouble. */
static void test_info(void **state) {
    (void)state;
    static const struct {
        const char *severities[2], *tile, *title;
    } rows[] = {
        {{"info", "info"}, "<div class=\"tile ok\">Alerts firing<b>0</b><small>0 pending, 2 info<", "<title>Oxpecker"},
        {{"info", "warning"},
         "<div class=\"tile warn\">Alerts firing<b>1</b><small>0 pending, 1 info<",
         "<title>1 firing"},
        {{"", "critical"}, "<div class=\"tile bad\">Alerts firing<b>2</b><small>0 pending<", "<title>2 firing"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t k = 0; k < 2; k++) {
            alerts[k].labels = LABELS("severity", rows[i].severities[k]);
            alerts[k].life.state = OXP_ALERT_FIRING;
        }
        check(GET("/"), WORDS(rows[i].tile, rows[i].title), WORDS("{{"));
    }
}

/* The address in an alert's generatorURL, as Prometheus has it. */
static void test_graph(void **state) {
    (void)state;
    struct answer answer;
    client_ask(world.port, GET("/graph?g0.expr=up&g0.tab=1"), &answer);
    assert_int_equal(answer.status, 302);
    assert_non_null(strstr(answer.head, "Location: ./#alerts-title\r\n"));
    answer_free(&answer);
    check(GET("/"), WORDS("id=\"alerts-title\""), WORDS("/graph"));
}

/* Each link answers something to who sees it. */
static void test_links(void **state) {
    (void)state;
    check(GET("/"),
          WORDS("<a href=\"/api/v1/query?query=orchestrator_up\">/api/v1/query</a>",
                "<a href=\"/api/v1/series?match[]=orchestrator_up\">/api/v1/series</a>",
                "<li>/api/v1/query_range <span", "<li>/api/v1/query_exemplars ",
                "<a href=\"/api/oxpecker/v1/sessions\">"),
          WORDS("<a href=\"/api/v1/query_range"));
    check(FROM("Host: prod.example"), WORDS("<a href=\"/api/v1/rules\">", "--web.expose-ledger"),
          WORDS("/api/oxpecker/v1/sessions"));
}

/* A reader who does not see hears what a table is. */
static void test_tables_have_names(void **state) {
    (void)state;
    struct answer answer;
    client_ask(world.port, GET("/"), &answer);
    size_t count = 0;
    for (const char *at = answer.body; (at = strstr(at, "<table")) != NULL; at++, count++) {
        const char *name = strstr(at, " aria-label=\"");
        assert_true(name != NULL && name < strchr(at, '>'));
    }
    assert_true(count >= 6);
    answer_free(&answer);
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
              WORDS("Content-Security-Policy: default-src 'none'", "<a href=\"/metrics\">", "<h1>", "</html>",
                    "<title>Oxpecker</title>", "--web.expose-ledger"),
              WORDS("<script", "Loud", "1,235", "tile", "{{", "data-live", "firing"));
    }
    oxp_server_configure(world.server, true, false);
    check(strangers[0], WORDS("&lt;Loud&gt;", "<script src"), WORDS("{{", "--web.expose-ledger"));
}

static void test_parts(void **state) {
    (void)state;
    check(GET("/page.css"), WORDS("Content-Type: text/css; charset=utf-8", "prefers-color-scheme: dark"),
          WORDS("url(", "@import"));
    check(GET("/page.js"), WORDS("Content-Type: text/javascript; charset=utf-8", "\"use strict\""),
          WORDS("innerHTML =", "eval(", "insertAdjacent", "document.write"));
    check(GET("/page.svg"), WORDS("Content-Type: image/svg+xml", "<svg xmlns=\"http://www.w3.org/2000/svg\""),
          WORDS("<script", "href", "on"));
    assert_true(oxp_page_html_len + oxp_page_css_len + oxp_page_js_len < 40960);
}

/* Each is there, after the one before it. */
static void check_order(const char *text, const char *const *order) {
    const char *last = text;
    for (size_t i = 0; order[i] != NULL; i++) {
        const char *found = strstr(text, order[i]);
        if (found == NULL || found < last) {
            fail_msg("%s is missing or out of order in %s", order[i], text);
        }
        last = found;
    }
}

/* The worst first, whatever the order of the rules, and the others are cut: by severity, by state, the newest first. */
static void test_alert_order(void **state) {
    (void)state;
    static const struct {
        const char *name, *severity;
        enum oxp_alert_state state;
        int64_t since_ms;
    } rows[] = {
        {"older", "warning", OXP_ALERT_FIRING, 3},    {"newer", "warning", OXP_ALERT_FIRING, 9},
        {"waits", "critical", OXP_ALERT_PENDING, 99}, {"unrated", "", OXP_ALERT_PENDING, 5},
        {"worst", "critical", OXP_ALERT_FIRING, 1},
    };
    enum { ROWS = sizeof rows / sizeof rows[0], ALL = sizeof alerts / sizeof alerts[0] };
    for (size_t i = 0; i < ALL; i++) {
        const size_t row = i + ROWS - ALL; /* the last ones */
        const bool mine = i >= ALL - ROWS;
        alerts[i] = (struct oxp_alert_view){
            .labels = LABELS("alertname", "Loud", "severity", mine ? rows[row].severity : "info"),
            .annotations = LABELS("summary", mine ? rows[row].name : "tiny"),
            .life = {.state = mine ? rows[row].state : OXP_ALERT_FIRING,
                     .active_ms = mine ? rows[row].since_ms : 50,
                     .fired_ms = mine && rows[row].state == OXP_ALERT_FIRING ? rows[row].since_ms : 0},
        };
    }
    rules[0].alert_count = ALL;
    struct answer answer;
    client_ask(world.port, GET("/"), &answer);
    check_order(answer.body, WORDS("worst<", "waits<", "newer<", "older<", "unrated<", "tiny<", "and 3 more"));
    answer_free(&answer);
}

/* The worst of all, not of the first that fit, and all are counted. */
static void test_breaker_order(void **state) {
    (void)state;
    struct answer answer;
    client_ask(world.port, GET("/"), &answer);
    check_order(answer.body, WORDS("<div class=\"tile bad\">Open breakers<b>8</b><small>250 known, 1 half open<",
                                   ">241</", ">248</", ">half_open<", ">22</", "and 218 more"));
    assert_null(strstr(answer.body, ">23</bdi></th>"));
    answer_free(&answer);
}

/* The lost first; not those whose next process is connected. */
static void test_writers(void **state) {
    (void)state;
    static const struct oxp_writer_view writers[] = {
        {.writer = "main", .version = "v1", .lost = true},       {.writer = "main", .version = "v2", .connected = true},
        {.writer = "helper", .version = "v3", .stopping = true}, {.writer = "gone", .version = "v4", .lost = true},
        {.writer = "main", .version = "v5", .stopping = true},
    };
    struct oxp_page_facts *facts = calloc(1, sizeof *facts);
    struct oxp_buf page;
    assert_non_null(facts);
    oxp_buf_init(&page, 0);
    memcpy(facts->writers, writers, sizeof writers);
    facts->writer_count = sizeof writers / sizeof writers[0];
    facts->has_ledger = true;
    oxp_page_writers(&page, facts);
    check_order(oxp_buf_text(&page), WORDS("v4", "v2", "v3"));
    assert_null(strstr(oxp_buf_text(&page), "v1"));
    assert_null(strstr(oxp_buf_text(&page), "v5"));
    assert_null(strstr(oxp_buf_text(&page), "more"));
    oxp_buf_fini(&page);
    free(facts);
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
        cmocka_unit_test(test_writers),
        cmocka_unit_test_setup_teardown(test_whole, start, stop),
        cmocka_unit_test_setup_teardown(test_who, start, stop),
        cmocka_unit_test_setup_teardown(test_parts, start, stop),
        cmocka_unit_test_setup_teardown(test_not_known, start, stop),
        cmocka_unit_test_setup_teardown(test_trouble, start, stop),
        cmocka_unit_test_setup_teardown(test_values, start, stop),
        cmocka_unit_test_setup_teardown(test_info, start, stop),
        cmocka_unit_test_setup_teardown(test_graph, start, stop),
        cmocka_unit_test_setup_teardown(test_links, start, stop),
        cmocka_unit_test_setup_teardown(test_tables_have_names, start, stop),
        cmocka_unit_test_setup_teardown(test_alert_order, start, stop),
        cmocka_unit_test_setup_teardown(test_breaker_order, start, stop),
        cmocka_unit_test_setup_teardown(test_no_loop, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
