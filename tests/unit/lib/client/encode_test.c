#include "lib/client/encode.h"

#include "exporter/parse/parse.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct oxp_ids ids = {.workflow = {"collect", 7}, .session = {"s1", 2}, .trace_id = {"abc", 3}};

/* The line as it is sent, and what the sidecar's own reader makes of it. */
struct sent {
    struct oxp_encoded encoded;
    char line[OXP_CLIENT_LINE_MAX + 1];
    size_t len;
    struct oxp_event event;
    struct oxp_refusal refusal;
};

static void put_around(struct sent *sent) {
    int n = snprintf(sent->line, sizeof sent->line, "{\"seq\":1,\"ts\":1700000000.000001,%.*s}",
                     (int)sent->encoded.head.body_len, sent->encoded.body);
    assert_true(n > 0 && (size_t)n <= OXP_CLIENT_LINE_MAX);
    sent->len = (size_t)n;
}

static void must_parse(struct sent *sent, const struct oxp_report *report) {
    assert_true(oxp_encode(report, &sent->encoded));
    put_around(sent);
    if (oxp_parse_event(oxp_view_of(sent->line, sent->len), &sent->event, &sent->refusal) != OXP_OK) {
        fail_msg("%s: %s", sent->refusal.error.text, sent->line);
    }
}

static struct sent sent;

/* ---- Exact texts ---- */

struct text_row {
    const char *name;
    struct oxp_report report;
    const char *body;
};

#define PAIRS(...)                                                                                                     \
    .pairs = (const struct oxp_pair[]){__VA_ARGS__},                                                                   \
    .count = sizeof((const struct oxp_pair[]){__VA_ARGS__}) / sizeof(struct oxp_pair)
#define TEXT(name, literal)                                                                                            \
    {                                                                                                                  \
        name, OXP_PAIR_TEXT, {                                                                                         \
            { literal, sizeof(literal) - 1 }                                                                           \
        }                                                                                                              \
    }
#define NUMBER(name, value)                                                                                            \
    {                                                                                                                  \
        name, OXP_PAIR_NUMBER, {                                                                                       \
            .number = (value)                                                                                          \
        }                                                                                                              \
    }
#define COUNT(name, value)                                                                                             \
    {                                                                                                                  \
        name, OXP_PAIR_COUNT, {                                                                                        \
            .count = (value)                                                                                           \
        }                                                                                                              \
    }
#define FLAG(name, value)                                                                                              \
    {                                                                                                                  \
        name, OXP_PAIR_FLAG, {                                                                                         \
            .flag = (value)                                                                                            \
        }                                                                                                              \
    }

/* clang-format off: a table */
static const struct text_row text_rows[] = {
    {"bare", {.type = "orchestrator.heartbeat"}, "\"type\":\"orchestrator.heartbeat\""},
    {"ids",
     {.type = "task.progress", .ids = &ids},
     "\"type\":\"task.progress\",\"workflow\":\"collect\",\"session\":\"s1\",\"trace_id\":\"abc\""},
    {"kinds",
     {.type = "x", PAIRS(TEXT("a", "b"), NUMBER("n", 0.5), COUNT("c", 7), FLAG("f", true), FLAG("g", false))},
     "\"type\":\"x\",\"a\":\"b\",\"n\":0.5,\"c\":7,\"f\":true,\"g\":false"},
    {"none is left out", {.type = "x", PAIRS({.key = "a"}, COUNT("c", 1))}, "\"type\":\"x\",\"c\":1"},
    {"a group",
     {.type = "x", PAIRS(COUNT("tokens.input", 1), {.key = "tokens.output"}, COUNT("tokens.output", 2), COUNT("a", 3))},
     "\"type\":\"x\",\"tokens\":{\"input\":1,\"output\":2},\"a\":3"},
    {"two groups",
     {.type = "x", PAIRS(COUNT("low.length", 1), COUNT("high.length", 2))},
     "\"type\":\"x\",\"low\":{\"length\":1},\"high\":{\"length\":2}"},
    {"maps come last",
     {.type = "x", PAIRS(TEXT("attrs.k", "v"), COUNT("a", 3), TEXT("attrs.l", "w"))},
     "\"type\":\"x\",\"a\":3,\"attrs\":{\"k\":\"v\",\"l\":\"w\"}"},
    {"negative seconds",
     {.type = "x", PAIRS(NUMBER("duration_s", -1.5), NUMBER("value", -1.5), NUMBER("attrs.t", -1))},
     "\"type\":\"x\",\"duration_s\":0,\"value\":-1.5,\"attrs\":{\"t\":-1}"},
    {"count past 2^53", {.type = "x", PAIRS(COUNT("c", UINT64_MAX))}, "\"type\":\"x\",\"c\":9007199254740992"},
    {"escapes", {.type = "x", PAIRS(TEXT("message", "a\"b\\c\nd"))}, "\"type\":\"x\",\"message\":\"a\\\"b\\\\c\\nd\""},
    {"bad UTF-8", {.type = "x", PAIRS(TEXT("message", "a\xff"))}, "\"type\":\"x\",\"message\":\"a\xef\xbf\xbd\""},
    {"control character in an id",
     {.type = "x", PAIRS(TEXT("ref", "a\nb"), TEXT("reason", "a\nb"))},
     "\"type\":\"x\",\"ref\":\"a_b\",\"reason\":\"a\\nb\""},
    {"quote in an id", {.type = "x", PAIRS(TEXT("ref", "a\"b"))}, "\"type\":\"x\",\"ref\":\"a\\\"b\""},
    {"secret in a text",
     {.type = "x", PAIRS(TEXT("message", "wss://h/?apiKey=bb_live_0123456789abcdef&x=1"))},
     "\"type\":\"x\",\"message\":\"wss://h/?apiKey=[redacted]&x=[redacted]\""},
    {"secret by its name",
     {.type = "x", PAIRS(TEXT("attrs.apiKey", "abc"), TEXT("attrs.size", "abc"))},
     "\"type\":\"x\",\"attrs\":{\"apiKey\":\"[redacted]\",\"size\":\"abc\"}"},
    {"key with a quote", {.type = "x", PAIRS(COUNT("a\"b", 1))}, "\"type\":\"x\",\"a\\\"b\":1"},
};
/* clang-format on */

static void texts(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof text_rows / sizeof text_rows[0]; i++) {
        const struct text_row *row = &text_rows[i];
        assert_true(oxp_encode(&row->report, &sent.encoded));
        struct oxp_view body = oxp_view_of(sent.encoded.body, sent.encoded.head.body_len);
        if (!oxp_view_is(body, row->body)) {
            fail_msg("%s: %.*s", row->name, (int)body.len, body.ptr);
        }
    }
}

static void must_reject(void **state) {
    (void)state;
    char long_type[80];
    memset(long_type, 'x', sizeof long_type);
    long_type[sizeof long_type - 1] = '\0';
    const char *const types[] = {"", "orchestrator.started", long_type};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct oxp_report report = {.type = types[i]};
        assert_false(oxp_encode(&report, &sent.encoded));
    }
}

/* ---- Against the sidecar's table and reader ---- */

static void limits_are_the_table(void **state) {
    (void)state;
    for (unsigned i = 0; i < OXP_FIELDS; i++) {
        const struct oxp_field_spec *spec = oxp_field_spec((enum oxp_field)i);
        bool text = spec->kind == OXP_KIND_STRING || spec->kind == OXP_KIND_ID || spec->kind == OXP_KIND_WORD;
        if (!text || i <= OXP_FIELD_SPAN_ID) {
            continue;
        }
        bool id = false;
        size_t limit = oxp_encode_limit(oxp_view_from(spec->name), &id);
        if (limit != spec->limit || id != (spec->kind == OXP_KIND_ID)) {
            fail_msg("%s: %zu, not %u; id %d", spec->name, limit, spec->limit, id);
        }
    }
    bool id = false;
    assert_int_equal(oxp_encode_limit(OXP_VIEW("attrs.x"), &id), oxp_field_spec(OXP_FIELD_ATTRS)->limit);
    assert_int_equal(oxp_encode_limit(OXP_VIEW("labels.x"), &id), oxp_field_spec(OXP_FIELD_LABELS)->limit);
}

/* Everything as long as it can be, in every sort of character: the line stays within 8 KiB, is JSON, and what the type
 * needs is in it. */
static void longest(void **state) {
    (void)state;
    static const char *const fills[] = {"x", "\"", "\n", "\xc3\xa9", "\xf0\x9f\x98\x80", "\xff", "\x01"};
    static char text[20000];
    for (size_t f = 0; f < sizeof fills / sizeof fills[0]; f++) {
        size_t unit = strlen(fills[f]);
        for (size_t i = 0; i + unit <= sizeof text; i += unit) {
            memcpy(text + i, fills[f], unit);
        }
        struct oxp_view all = oxp_view_of(text, sizeof text / unit * unit);
        struct oxp_ids long_ids = {all, all, all, all, all, all};
        struct oxp_pair pairs[40] = {oxp_pair_text("stack", all), oxp_pair_text("attrs.a", all),
                                     oxp_pair_text("message", all), oxp_pair_text("report", all)};
        static char keys[32][16];
        for (size_t i = 0; i < 32; i++) {
            snprintf(keys[i], sizeof keys[i], "attrs.k%zu", i);
            pairs[4 + i] = oxp_pair_text(keys[i], all);
        }
        pairs[1].kind = OXP_PAIR_NONE;
        pairs[36] = oxp_pair_text("op", OXP_VIEW("act"));
        pairs[37] = oxp_pair_flag("ok", true);
        pairs[38] = oxp_pair_number("duration_s", 1);
        struct oxp_report report = {"operation", &long_ids, pairs, 39, 0};
        must_parse(&sent, &report);
        assert_true(oxp_view_is(oxp_event_text(&sent.event, OXP_FIELD_OP), "act"));
        assert_true(sent.len > OXP_CLIENT_LINE_MAX / 2);
    }
}

static void long_error_keeps_both(void **state) {
    (void)state;
    static char text[7000];
    memset(text, 'x', sizeof text);
    const struct oxp_pair pairs[] = {
        oxp_pair_text("message", oxp_view_of(text, sizeof text)),
        oxp_pair_text("stack", oxp_view_of(text, sizeof text)),
        oxp_pair_text("code", OXP_VIEW("bb_concurrency_limit")),
    };
    struct oxp_report report = {"error", NULL, pairs, 3, 0};
    must_parse(&sent, &report);
    assert_int_equal(oxp_event_text(&sent.event, OXP_FIELD_MESSAGE).len, 4096);
    assert_true(oxp_event_text(&sent.event, OXP_FIELD_STACK).len > 2000);
    assert_true(oxp_view_is(oxp_event_text(&sent.event, OXP_FIELD_CODE), "bb_concurrency_limit"));
}

static void secret_at_a_cut(void **state) {
    (void)state;
    char text[300];
    memset(text, 'x', sizeof text);
    const char secret[] = " bb_live_0123456789abcdef0123456789";
    memcpy(text + 240, secret, sizeof secret - 1);
    const struct oxp_pair pair = oxp_pair_text("reason", oxp_view_of(text, 240 + sizeof secret - 1));
    struct oxp_report report = {"x", NULL, &pair, 1, 0};
    assert_true(oxp_encode(&report, &sent.encoded));
    assert_null(memmem(sent.encoded.body, sent.encoded.head.body_len, "bb_live_0", 9));
}

/* ---- What is watched ---- */

struct watch_row {
    const char *name;
    struct oxp_report report;
    enum oxp_watch_verb verb;
    enum oxp_watch_kind kind;
    const char *key;
    const char *state;
};

static const struct oxp_ids run_ids = {.workflow = {"w", 1}, .run = {"r", 1}, .task = {"t", 1}, .session = {"s", 1}};
static const struct oxp_ids no_ids = {.trace_id = {"t", 1}};

/* clang-format off: a table */
static const struct watch_row watch_rows[] = {
    {"run", {.type = "workflow.started", .ids = &run_ids}, OXP_WATCH_OPEN, OXP_OPEN_RUN, "w\0r", ""},
    {"run ends", {.type = "workflow.ended", .ids = &run_ids}, OXP_WATCH_CLOSE, OXP_OPEN_RUN, "w\0r", ""},
    {"session", {.type = "session.started", .ids = &run_ids}, OXP_WATCH_OPEN, OXP_OPEN_SESSION, "s", "active"},
    {"releasing", {.type = "session.releasing", .ids = &run_ids}, OXP_WATCH_STATE, OXP_OPEN_SESSION, "s", "releasing"},
    {"session ends", {.type = "session.ended", .ids = &run_ids}, OXP_WATCH_CLOSE, OXP_OPEN_SESSION, "s", ""},
    {"creation", {.type = "session.creating", PAIRS(TEXT("ref", "q"))}, OXP_WATCH_OPEN, OXP_OPEN_CREATION, "q", ""},
    {"creation fails", {.type = "error", PAIRS(TEXT("ref", "q"))}, OXP_WATCH_CLOSE, OXP_OPEN_CREATION, "q", ""},
    {"another error", {.type = "error", PAIRS(TEXT("op", "act"))}, OXP_WATCH_NOTHING, 0, "", ""},
    {"task", {.type = "task.queued", .ids = &run_ids}, OXP_WATCH_OPEN, OXP_OPEN_TASK, "t", ""},
    {"task starts", {.type = "task.started", .ids = &run_ids}, OXP_WATCH_OPEN, OXP_OPEN_TASK, "t", ""},
    {"task ends", {.type = "task.ended", .ids = &run_ids}, OXP_WATCH_CLOSE, OXP_OPEN_TASK, "t", ""},
    {"breaker",
     {.type = "breaker", PAIRS(TEXT("name", "b"), TEXT("to", "open"))},
     OXP_WATCH_OPEN,
     OXP_OPEN_BREAKER,
     "b",
     "open"},
    {"breaker closes",
     {.type = "breaker", PAIRS(TEXT("name", "b"), TEXT("to", "closed"))},
     OXP_WATCH_CLOSE,
     OXP_OPEN_BREAKER,
     "b",
     "closed"},
    {"degraded",
     {.type = "degraded", PAIRS(TEXT("component", "c"), FLAG("on", true))},
     OXP_WATCH_OPEN,
     OXP_OPEN_DEGRADED,
     "c",
     ""},
    {"well again",
     {.type = "degraded", PAIRS(TEXT("component", "c"), FLAG("on", false))},
     OXP_WATCH_CLOSE,
     OXP_OPEN_DEGRADED,
     "c",
     ""},
    {"incident",
     {.type = "recovery", PAIRS(TEXT("incident", "i"), TEXT("state", "started"))},
     OXP_WATCH_OPEN,
     OXP_OPEN_INCIDENT,
     "i",
     ""},
    {"recovered",
     {.type = "recovery", PAIRS(TEXT("incident", "i"), TEXT("state", "ended"))},
     OXP_WATCH_CLOSE,
     OXP_OPEN_INCIDENT,
     "i",
     ""},
    {"no id", {.type = "session.started", .ids = &no_ids}, OXP_WATCH_NOTHING, 0, "", ""},
    {"no ids", {.type = "session.started"}, OXP_WATCH_NOTHING, 0, "", ""},
    {"ordinary", {.type = "operation", .ids = &run_ids}, OXP_WATCH_NOTHING, 0, "", ""},
};
/* clang-format on */

static void watching(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof watch_rows / sizeof watch_rows[0]; i++) {
        const struct watch_row *row = &watch_rows[i];
        assert_true(oxp_encode(&row->report, &sent.encoded));
        const struct oxp_record *head = &sent.encoded.head;
        size_t key_len = row->kind == OXP_OPEN_RUN && row->verb != OXP_WATCH_NOTHING ? 3 : strlen(row->key);
        bool right = head->verb == row->verb && head->kind == row->kind && head->key_len == key_len &&
                     memcmp(sent.encoded.key, row->key, key_len) == 0 && head->state_len == strlen(row->state) &&
                     memcmp(sent.encoded.state.ptr, row->state, head->state_len) == 0;
        if (!right) {
            fail_msg("%s: verb %d kind %d key %.*s state %.*s", row->name, head->verb, head->kind, head->key_len,
                     sent.encoded.key, head->state_len, sent.encoded.state.ptr);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),           cmocka_unit_test(must_reject),
        cmocka_unit_test(longest),         cmocka_unit_test(limits_are_the_table),
        cmocka_unit_test(watching),        cmocka_unit_test(long_error_keeps_both),
        cmocka_unit_test(secret_at_a_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
