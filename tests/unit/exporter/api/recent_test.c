/* What happened lately, with time handed in: limits, what is abandoned, the own log, threads, no memory. The forms of
 * the answers stand in tests/integration/test_traces.py. */
#include "exporter/api/recent_parts.h"
#include "exporter/parse/parse.h"
#include "lib/json/json.h"
#include "tests/support/alloc_fail.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1790000000.0
#define CANARY "bb_live_canary0123456789ABCDEF"

struct fixture {
    struct oxp_registry *registry;
    struct oxp_selfstats stats;
    struct oxp_recent *recent;
};

static int setup(void **state) {
    static struct fixture f;
    assert_int_equal(oxp_registry_new(&(struct oxp_registry_options){.series = 0}, &f.registry), OXP_OK);
    assert_int_equal(oxp_selfstats_register(&f.stats, f.registry, "1", "r"), OXP_OK);
    assert_int_equal(oxp_recent_new(&f.stats, &f.recent), OXP_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    oxp_recent_free(f->recent);
    oxp_registry_free(f->registry);
    return 0;
}

static double value(const struct fixture *f, enum oxp_self_metric metric, const char *label) {
    struct oxp_family *family = f->stats.families[metric];
    return oxp_series_value(label == NULL ? oxp_family_only(family) : oxp_family_at(family, oxp_view_from(label)), 0);
}

static void give(struct oxp_recent *recent, uint64_t connection, double now_s, const char *line) {
    static _Thread_local struct oxp_event event;
    struct oxp_refusal refusal;
    if (oxp_parse_event(oxp_view_from(line), &event, &refusal) != OXP_OK) {
        fail_msg("%s: %s", line, refusal.error.text);
    }
    oxp_recent_event(recent, &event, connection, now_s);
}

__attribute__((format(printf, 4, 5))) static void say(struct oxp_recent *recent, uint64_t connection, double now_s,
                                                      const char *format, ...) {
    char line[8192];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    give(recent, connection, now_s, line);
}

static void span(struct oxp_recent *recent, unsigned trace, unsigned id, const char *state, double now_s) {
    say(recent, 0, now_s,
        "{\"type\":\"span\",\"name\":\"x\",\"trace_id\":\"%032x\",\"span_id\":\"%016x\",\"state\":\"%s\",\"ts\":%.1f}",
        trace, id, state, now_s);
}

/* A member of a trace's tree, as text or number; "" or NaN when the trace is not there. */
static struct oxp_json *tree(struct oxp_recent *recent, unsigned trace, double now_s) {
    char id[33];
    struct oxp_buf buf;
    struct oxp_json *json = NULL;
    snprintf(id, sizeof id, "%032x", trace);
    oxp_buf_init(&buf, 0);
    if (oxp_recent_trace(recent, oxp_view_from(id), now_s, &buf) == OXP_OK) {
        struct oxp_error error;
        assert_int_equal(oxp_json_read(oxp_buf_view(&buf), &json, &error), OXP_OK);
    }
    oxp_buf_fini(&buf);
    return json;
}

static void expect(struct oxp_recent *recent, unsigned trace, double now_s, const char *state, double duration_s) {
    struct oxp_json *json = tree(recent, trace, now_s);
    struct oxp_view got = oxp_json_text_of(oxp_json_get(json, "state"));
    double duration = oxp_json_number_of(oxp_json_get(json, "duration_s"));
    if (!oxp_view_is(got, state) || (duration_s >= 0 && duration != duration_s)) {
        fail_msg("trace %u: %.*s %g", trace, (int)got.len, got.ptr, duration);
    }
    oxp_json_free(json);
}

/* ---- Traces ---- */

static void nothing_before_the_first(void **state) {
    struct fixture *f = *state;
    say(f->recent, 1, NOW, "{\"type\":\"session.started\",\"session\":\"s\"}");
    oxp_recent_tick(f->recent, NOW);
    assert_null(f->recent->logs);
    assert_null(f->recent->alerts);
    assert_null(f->recent->owners);
    assert_int_equal(f->recent->trace_bytes, 0);
    assert_null(tree(f->recent, 1, NOW));
    oxp_recent_event(NULL, NULL, 0, NOW);
    oxp_recent_disconnected(NULL, 1, NOW);
    oxp_recent_tick(NULL, NOW);
    oxp_recent_own_log(NULL, OXP_LOG_ERROR, NOW, "x", NULL, 0);
    oxp_recent_free(NULL);
}

static void open_and_ended(void **state) {
    struct fixture *f = *state;
    span(f->recent, 1, 1, "started", NOW);
    expect(f->recent, 1, NOW + 5, "active", 5);
    assert_true(value(f, OXP_S_TRACES_ACTIVE, NULL) == 1);
    span(f->recent, 1, 1, "started", NOW); /* again, as after a connect */
    span(f->recent, 1, 2, "started", NOW + 1);
    span(f->recent, 1, 1, "ended", NOW + 2);
    assert_true(value(f, OXP_S_TRACES_ACTIVE, NULL) == 1); /* the other is open */
    span(f->recent, 1, 2, "ended", NOW + 3);
    expect(f->recent, 1, NOW + 100, "ended", 3);
    assert_true(value(f, OXP_S_TRACES_ACTIVE, NULL) == 0);
    assert_true(value(f, OXP_S_RING_ENTRIES, "traces") == 1);
    span(f->recent, 1, 2, "started", NOW + 3); /* late: nothing opens again */
    expect(f->recent, 1, NOW + 100, "ended", 3);
    /* times of an end without a start: from its duration, else its own */
    say(f->recent, 0, NOW,
        "{\"type\":\"span\",\"name\":\"a\",\"trace_id\":\"%032x\",\"span_id\":\"%016x\","
        "\"duration_s\":4,\"ts\":1700000010}",
        2U, 1U);
    expect(f->recent, 2, NOW, "ended", 4);
    struct oxp_json *json = tree(f->recent, 2, NOW);
    assert_true(oxp_json_number_of(oxp_json_get(json, "started_at")) == 1700000006);
    oxp_json_free(json);
    say(f->recent, 0, NOW, "{\"type\":\"span\",\"name\":\"a\",\"trace_id\":\"%032x\",\"span_id\":\"%016x\"}", 3U, 1U);
    expect(f->recent, 3, NOW, "ended", 0);
}

static void a_late_start_gives_what_is_missing(void **state) {
    struct fixture *f = *state;
    say(f->recent, 0, NOW,
        "{\"type\":\"span\",\"name\":\"a\",\"trace_id\":\"%032x\",\"span_id\":\"%016x\","
        "\"status\":\"error\",\"ts\":1700000010}",
        1U, 1U);
    say(f->recent, 0, NOW,
        "{\"type\":\"span\",\"name\":\"a\",\"trace_id\":\"%032x\",\"span_id\":\"%016x\","
        "\"state\":\"started\",\"started_at\":1700000003,\"ts\":1700000003,\"task\":\"t\"}",
        1U, 1U);
    struct oxp_json *json = tree(f->recent, 1, NOW);
    assert_true(oxp_json_number_of(oxp_json_get(json, "started_at")) == 1700000003);
    assert_true(oxp_json_number_of(oxp_json_get(json, "duration_s")) == 7);
    assert_true(oxp_view_is(oxp_json_text_of(oxp_json_get(json, "status")), "error"));
    assert_true(oxp_view_is(oxp_json_text_of(oxp_json_get(json, "task")), "t"));
    oxp_json_free(json);
}

static void old_ones_are_abandoned(void **state) {
    struct fixture *f = *state;
    span(f->recent, 1, 1, "started", NOW);
    oxp_recent_tick(f->recent, NOW + OXP_RECENT_SPAN_LIFE_S - 10);
    expect(f->recent, 1, NOW + OXP_RECENT_SPAN_LIFE_S - 10, "active", -1);
    oxp_recent_tick(f->recent, NOW + OXP_RECENT_SPAN_LIFE_S + 10);
    assert_true(value(f, OXP_S_TRACES_ACTIVE, NULL) == 0);
    expect(f->recent, 1, NOW + 1e6, "abandoned", OXP_RECENT_SPAN_LIFE_S + 10);
    span(f->recent, 1, 1, "ended", NOW + 1e6);
    expect(f->recent, 1, NOW + 1e6, "ended", 1e6);
}

#define STARTED "{\"type\":\"orchestrator.started\",\"writer\":\"%s\",\"boot\":\"%016x\"}"
#define SPAN "{\"type\":\"span\",\"state\":\"started\",\"name\":\"x\",\"trace_id\":\"%032x\",\"span_id\":\"%016x\"}"

static void owners(void **state) {
    struct fixture *f = *state;
    struct oxp_recent *recent = f->recent;
    double at = NOW;
    say(recent, 1, at, STARTED, "main", 0xaU);
    say(recent, 2, at, STARTED, "main/7", 0xbU);
    say(recent, 1, at, SPAN, 1U, 1U);
    say(recent, 2, at, SPAN, 2U, 2U);
    say(recent, 3, at, SPAN, 3U, 3U); /* never announced */
    oxp_recent_disconnected(recent, 1, at);
    oxp_recent_disconnected(recent, 2, at);
    oxp_recent_disconnected(recent, 3, at);
    oxp_recent_tick(recent, at += OXP_RECENT_GONE_S - 10);
    say(recent, 4, at, STARTED, "main", 0xaU); /* the first is back */
    oxp_recent_tick(recent, at += 20);
    expect(recent, 1, at, "active", -1);
    expect(recent, 2, at, "abandoned", -1);
    expect(recent, 3, at, "active", -1);
    /* another boot of the same writer while the old connection is still there: not yet; once it is gone: at once */
    say(recent, 5, at, STARTED, "main", 0xcU);
    expect(recent, 1, at, "active", -1);
    oxp_recent_disconnected(recent, 4, at);
    say(recent, 6, at, STARTED, "main", 0xdU);
    expect(recent, 1, at, "abandoned", -1);
    assert_int_equal(recent->owner_count, 2);
    /* of two connections of one boot one goes: it is still there */
    say(recent, 7, at, STARTED, "two", 0xeU);
    say(recent, 8, at, STARTED, "two", 0xeU);
    say(recent, 7, at, SPAN, 4U, 4U);
    oxp_recent_disconnected(recent, 7, at);
    oxp_recent_tick(recent, at += OXP_RECENT_GONE_S + 1);
    expect(recent, 4, at, "active", -1);
    oxp_recent_disconnected(recent, 8, at);
    oxp_recent_tick(recent, at += OXP_RECENT_GONE_S + 1);
    expect(recent, 4, at, "abandoned", -1);
    size_t before = recent->owner_count;
    /* many come and go */
    for (unsigned i = 0; i < 100; i++) {
        char writer[16];
        snprintf(writer, sizeof writer, "w/%u", i);
        say(recent, 100 + i, at, STARTED, writer, i);
        oxp_recent_disconnected(recent, 100 + i, at);
    }
    assert_int_equal(recent->owner_count, before + 100);
    oxp_recent_tick(recent, at += OXP_RECENT_GONE_S + 1);
    assert_true(recent->owner_count <= before);
}

static void limits(void **state) {
    struct fixture *f = *state;
    struct oxp_recent *recent = f->recent;
    for (unsigned i = 1; i <= OXP_RECENT_SPANS + 10; i++) {
        span(recent, 1, i, "ended", NOW);
    }
    assert_true(value(f, OXP_S_SPANS_DROPPED_TOTAL, NULL) == 10);
    span(recent, 2, 1, "started", NOW);
    for (unsigned i = 3; i <= OXP_RECENT_TRACES; i++) {
        span(recent, i, 1, "ended", NOW);
    }
    span(recent, 1, 1, "ended", NOW);                     /* heard of again: not the oldest any more */
    span(recent, OXP_RECENT_TRACES + 1, 1, "ended", NOW); /* the 1001st: number 2 goes, with an open span */
    assert_int_equal(recent->traces.count, OXP_RECENT_TRACES);
    assert_null(tree(recent, 2, NOW));
    expect(recent, 1, NOW, "ended", -1);
    assert_true(value(f, OXP_S_SPANS_DROPPED_TOTAL, NULL) == 11);
    assert_true(value(f, OXP_S_TRACES_ACTIVE, NULL) == 0);
    assert_true(value(f, OXP_S_RING_ENTRIES, "traces") == OXP_RECENT_TRACES);
    span(recent, OXP_RECENT_TRACES + 2, 1, "ended", NOW); /* number 3 goes, ended: that is no loss */
    assert_null(tree(recent, 3, NOW));
    assert_true(value(f, OXP_S_SPANS_DROPPED_TOTAL, NULL) == 11);
}

/* The sum of what is kept is what is counted, and stays below its limit, whatever comes. */
static void bytes(void **state) {
    struct fixture *f = *state;
    char attrs[2600] = "";
    for (size_t i = 0, len = 0; i < 28; i++) {
        len += (size_t)snprintf(attrs + len, sizeof attrs - len, "%s\"key%zu\":\"%064zu\"", i == 0 ? "" : ",", i, i);
    }
    size_t most = 0;
    for (unsigned i = 0; i < 8000; i++) {
        say(f->recent, 0, NOW,
            "{\"type\":\"span\",\"name\":\"x\",\"trace_id\":\"%032x\",\"span_id\":\"%016x\",\"attrs\":{%s},"
            "\"message\":\"%0512d\"}",
            i / 16 + 1, i + 1, attrs, 0);
        most = f->recent->trace_bytes > most ? f->recent->trace_bytes : most;
        assert_true(f->recent->trace_bytes <= OXP_RECENT_TRACE_BYTES);
    }
    for (unsigned i = 7900; i < 8000; i++) { /* said again, longer: weighed anew */
        say(f->recent, 0, NOW, "{\"type\":\"span\",\"name\":\"longer\",\"trace_id\":\"%032x\",\"span_id\":\"%016x\"}",
            i / 16 + 1, i + 1);
    }
    assert_true(most > OXP_RECENT_TRACE_BYTES * 9 / 10);
    assert_true(value(f, OXP_S_SPANS_DROPPED_TOTAL, NULL) > 1000);
    size_t sum = 0;
    for (const struct oxp_recent_trace *trace = f->recent->oldest; trace != NULL; trace = trace->newer) {
        sum += sizeof *trace + trace->size * sizeof(void *);
        for (size_t i = 0; i < trace->count; i++) {
            sum += sizeof *trace->spans[i] + trace->spans[i]->bytes_len + 16;
        }
    }
    assert_int_equal(sum, f->recent->trace_bytes);
}

/* ---- Logs ---- */

static char *logs(struct oxp_recent *recent, struct oxp_recent_logs_query query) {
    struct oxp_buf buf;
    struct oxp_json *json = NULL;
    struct oxp_error error;
    oxp_buf_init(&buf, 0);
    query.limit = query.limit == 0 ? 100 : query.limit;
    oxp_recent_logs(recent, &query, &buf);
    assert_int_equal(oxp_json_read(oxp_buf_view(&buf), &json, &error), OXP_OK);
    oxp_json_free(json);
    return oxp_buf_take(&buf, NULL);
}

static void the_own_log(void **state) {
    struct fixture *f = *state;
    const struct oxp_log_field fields[] = {OXP_LOG_TEXT("reason", "key " CANARY), OXP_LOG_TEXT("password", "hidden"),
                                           OXP_LOG_NUM("line", 7)};
    oxp_recent_own_log(f->recent, OXP_LOG_INFO, NOW, "not kept", NULL, 0);
    oxp_recent_own_log(f->recent, OXP_LOG_WARNING, NOW, "event refused", fields, 3);
    oxp_recent_own_log(f->recent, OXP_LOG_ERROR, NOW, "bare " CANARY, NULL, 0);
    char *text = logs(f->recent, (struct oxp_recent_logs_query){.kind = OXP_VIEW("sidecar")});
    assert_string_equal(text, "{\"total\":2,\"logs\":[{\"ts\":1790000000,\"kind\":\"sidecar\",\"level\":\"error\","
                              "\"logger\":\"oxpecker\",\"message\":\"bare [redacted]\",\"attrs\":{}},\n"
                              "{\"ts\":1790000000,\"kind\":\"sidecar\",\"level\":\"warning\",\"logger\":\"oxpecker\","
                              "\"message\":\"event refused\",\"attrs\":{\"reason\":\"key [redacted]\","
                              "\"password\":\"[redacted]\",\"line\":7}}]}\n");
    free(text);
    struct oxp_log_field many[60];
    char control[400];
    memset(control, 1, sizeof control - 1);
    control[sizeof control - 1] = '\0';
    for (size_t i = 0; i < 60; i++) {
        many[i] = OXP_LOG_TEXT("k", control);
    }
    oxp_recent_own_log(f->recent, OXP_LOG_ERROR, NOW, "many", many, 60); /* cut, and still JSON */
    text = logs(f->recent, (struct oxp_recent_logs_query){.limit = 1});
    assert_non_null(strstr(text, "\"total\":3"));
    free(text);
}

static void levels(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *line, *level;
    } rows[] = {
        {"{\"type\":\"log\",\"message\":\"m\"}", "info"},
        {"{\"type\":\"log\",\"message\":\"m\",\"level\":\"Error\"}", "error"},
        {"{\"type\":\"log\",\"message\":\"m\",\"level\":\"loud\"}", "info"},
        {"{\"type\":\"alert\",\"message\":\"m\"}", "warning"},
        {"{\"type\":\"alert\",\"message\":\"m\",\"severity\":\"low\"}", "info"},
        {"{\"type\":\"alert\",\"message\":\"m\",\"severity\":\"medium\"}", "warning"},
        {"{\"type\":\"alert\",\"message\":\"m\",\"severity\":\"high\"}", "error"},
        {"{\"type\":\"alert\",\"message\":\"m\",\"severity\":\"critical\"}", "critical"},
        {"{\"type\":\"alert\",\"message\":\"m\",\"severity\":\"info\"}", "info"},
        {"{\"type\":\"audit\",\"action\":\"a\"}", "info"},
        {"{\"type\":\"audit\",\"action\":\"a\",\"status\":\"failure\"}", "error"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char want[32];
        give(f->recent, 0, NOW + (double)i, rows[i].line);
        char *text = logs(f->recent, (struct oxp_recent_logs_query){.limit = 1});
        snprintf(want, sizeof want, "\"level\":\"%s\"", rows[i].level);
        if (strstr(text, want) == NULL) {
            fail_msg("%s: %s", rows[i].line, text);
        }
        free(text);
    }
}

static void long_records_are_cut(void **state) {
    struct fixture *f = *state;
    char *text = malloc(6001), *line = malloc(8192);
    memset(text, '"', 6000); /* two bytes each */
    text[6000] = '\0';
    for (size_t i = 0; i < 6000; i += 2) {
        text[i] = '\\';
    }
    snprintf(line, 8192, "{\"type\":\"log\",\"message\":\"m %.3000s\",\"stack\":\"%.4000s\",\"task\":\"t\"}", text,
             text);
    give(f->recent, 0, NOW, line);
    char *got = logs(f->recent, (struct oxp_recent_logs_query){.task = OXP_VIEW("t")});
    assert_non_null(strstr(got, "\"message\":\"m \\\""));
    assert_true(strlen(got) < OXP_RECENT_RECORD_MAX + 64 && strlen(got) > 1000);
    free(got);
    free(text);
    free(line);
}

/* ---- Threads ---- */

static void *ask(void *ctx) {
    struct oxp_recent *recent = ctx;
    for (int i = 0; i < 60; i++) {
        struct oxp_buf buf;
        oxp_buf_init(&buf, 0);
        oxp_recent_traces(recent, &(struct oxp_recent_traces_query){.limit = 100, .now_s = NOW}, &buf);
        oxp_recent_logs(recent, &(struct oxp_recent_logs_query){.limit = 100}, &buf);
        oxp_json_free(tree(recent, 5, NOW));
        oxp_recent_own_log(recent, OXP_LOG_WARNING, NOW, "asked", NULL, 0);
        oxp_buf_fini(&buf);
    }
    return NULL;
}

static void readers_beside_the_loop(void **state) {
    struct fixture *f = *state;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask, f->recent), 0);
    }
    for (unsigned i = 0; i < 2000; i++) {
        span(f->recent, i % 50 + 1, i + 1, i % 3 == 0 ? "started" : "ended", NOW + i);
        give(f->recent, 0, NOW, "{\"type\":\"log\",\"message\":\"m\"}");
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(f->recent->traces.count, 50);
}

/* ---- No memory ---- */

static void live_once(void *ctx) {
    (void)ctx;
    struct oxp_recent *recent = NULL;
    enum oxp_status status = oxp_recent_new(NULL, &recent);
    assert_true(status == OXP_OK ? recent != NULL : recent == NULL);
    say(recent, 1, NOW, STARTED, "main", 1U);
    span(recent, 1, 1, "started", NOW);
    span(recent, 1, 2, "ended", NOW);
    span(recent, 1, 1, "ended", NOW);
    give(recent, 0, NOW, "{\"type\":\"alert\",\"message\":\"m\",\"attrs\":{\"a\":\"b\"}}");
    oxp_recent_own_log(recent, OXP_LOG_ERROR, NOW, "x", NULL, 0);
    struct oxp_buf buf;
    oxp_buf_init(&buf, 0);
    oxp_recent_traces(recent, &(struct oxp_recent_traces_query){.limit = 100, .now_s = NOW}, &buf);
    oxp_recent_logs(recent, &(struct oxp_recent_logs_query){.limit = 100, .kind = OXP_VIEW("alert")}, &buf);
    status = oxp_recent_trace(recent, OXP_VIEW("00000000000000000000000000000001"), NOW, &buf);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM || status == OXP_ERR_NOT_FOUND);
    oxp_buf_fini(&buf);
    oxp_recent_free(recent);
}

static void every_allocation_fails_once(void **state) {
    (void)state;
    assert_true(alloc_fail_each(live_once, NULL) >= 15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_before_the_first, setup, teardown),
        cmocka_unit_test_setup_teardown(open_and_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(a_late_start_gives_what_is_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(old_ones_are_abandoned, setup, teardown),
        cmocka_unit_test_setup_teardown(owners, setup, teardown),
        cmocka_unit_test_setup_teardown(limits, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(the_own_log, setup, teardown),
        cmocka_unit_test_setup_teardown(levels, setup, teardown),
        cmocka_unit_test_setup_teardown(long_records_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(readers_beside_the_loop, setup, teardown),
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
