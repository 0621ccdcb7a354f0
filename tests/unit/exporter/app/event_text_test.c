/* Words to JSON: what a shell script says is what the sidecar's parser hears, or the script is told why not. */
#include "exporter/app/event_text.h"

#include "exporter/parse/parse.h"
#include "lib/base/number.h"
#include "tests/support/alloc_fail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW 1700000000.25
#define MOST 12

static char **writable(const char *const *words) {
    return (char **)(uintptr_t)words;
}

static int count_of(const char *const *words) {
    int count = 0;
    while (count < MOST && words[count] != NULL) {
        count++;
    }
    return count;
}

/* Every word, from TYPE on, is in the event with its value. */
static bool is_intact(const struct oxp_event *event, int argc, const char *const *words) {
    if (event->type != oxp_event_type_find(oxp_view_from(words[0]))) {
        return false;
    }
    for (int i = 1; i < argc; i++) {
        const char *equals = strchr(words[i], '=');
        struct oxp_view key = oxp_view_of(words[i], (size_t)(equals - words[i])), value = oxp_view_from(equals + 1);
        bool attrs = oxp_view_starts(key, OXP_VIEW("attrs.")), labels = oxp_view_starts(key, OXP_VIEW("labels."));
        bool same = false;
        if (attrs || labels) {
            const struct oxp_event_pair *pairs = attrs ? event->attrs : event->labels;
            size_t prefix = attrs ? 6 : 7, count = attrs ? event->attr_count : event->label_count;
            for (size_t j = 0; j < count; j++) {
                same |= oxp_view_equal(pairs[j].name, oxp_view_of(key.ptr + prefix, key.len - prefix)) &&
                        oxp_view_equal(pairs[j].value, value);
            }
        } else {
            enum oxp_field field = oxp_field_find_for(event->type, key);
            enum oxp_field_kind kind = oxp_field_spec(field)->kind;
            double number = 0;
            if (!oxp_event_has(event, field)) {
                return false;
            }
            same = kind == OXP_KIND_BOOL ? event->values[field].flag == oxp_view_is(value, "true")
                   : kind == OXP_KIND_STRING || kind == OXP_KIND_ID || kind == OXP_KIND_WORD
                       ? oxp_view_equal(event->values[field].text, value)
                       : oxp_number_parse_json(value, &number) == OXP_OK && event->values[field].number == number;
        }
        if (!same) {
            print_error("%s was not understood as it was said\n", words[i]);
            return false;
        }
    }
    return true;
}

/* clang-format off: tables, one row a line */
static const struct {
    const char *name;
    const char *words[MOST];
    const char *line; /* behind {"type":…,"ts":1700000000.250 */
} accept_rows[] = {
    {"nothing but a type", {"queue"}, "}"},
    {"ID", {"session.started", "session=a"}, ",\"session\":\"a\"}"},
    {"an ID that looks like a number", {"session.started", "session=007"}, ",\"session\":\"007\"}"},
    {"an ID that looks like a flag", {"session.started", "session=true"}, ",\"session\":\"true\"}"},
    {"an ID with an equals sign", {"session.started", "session=a=b="}, ",\"session\":\"a=b=\"}"},
    {"an ID with a dot and a quote", {"session.started", "session=a.\"b\"\\"}, ",\"session\":\"a.\\\"b\\\"\\\\\"}"},
    {"STRING", {"session.started", "session=a", "region=us-east-1"}, ",\"session\":\"a\",\"region\":\"us-east-1\"}"},
    {"an empty STRING", {"session.started", "session=a", "region="}, ",\"session\":\"a\",\"region\":\"\"}"},
    {"a STRING of digits", {"session.started", "session=a", "region=42"}, ",\"session\":\"a\",\"region\":\"42\"}"},
    {"a STRING that is null", {"error", "message=null"}, ",\"message\":\"null\"}"},
    {"a STRING that is JSON", {"error", "message={\"a\":[1,2]}"}, ",\"message\":\"{\\\"a\\\":[1,2]}\"}"},
    {"newlines and tabs", {"error", "message=a\nb\r\n\tc"}, ",\"message\":\"a\\nb\\r\\n\\tc\"}"},
    {"a control character", {"error", "message=\x01\x1f\x7f"}, ",\"message\":\"\\u0001\\u001f\\u007f\"}"},
    {"UTF-8",
     {"error", "message=caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa6"},
     ",\"message\":\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa6\"}"},
    {"blanks", {"error", "message= a  b "}, ",\"message\":\" a  b \"}"},
    {"the status of an error is a number", {"error", "status=503"}, ",\"status\":503}"},
    {"the status of a session is a text",
     {"session.ended", "session=a", "status=COMPLETED"},
     ",\"session\":\"a\",\"status\":\"COMPLETED\"}"},
    {"and stays one when it has digits",
     {"session.ended", "session=a", "status=503"},
     ",\"session\":\"a\",\"status\":\"503\"}"},
    {"WORD as a name", {"error", "errno=ECONNRESET"}, ",\"errno\":\"ECONNRESET\"}"},
    {"WORD as a number", {"error", "errno=104"}, ",\"errno\":\"104\"}"},
    {"NUMBER", {"session.started", "session=a", "create_s=1.5"}, ",\"session\":\"a\",\"create_s\":1.5}"},
    {"a NUMBER with an exponent",
     {"session.started", "session=a", "create_s=1e3"},
     ",\"session\":\"a\",\"create_s\":1e3}"},
    {"a tiny NUMBER", {"session.started", "session=a", "create_s=2.5E-7"}, ",\"session\":\"a\",\"create_s\":2.5E-7}"},
    {"COUNT", {"session.started", "session=a", "sessions_limit=25"}, ",\"session\":\"a\",\"sessions_limit\":25}"},
    {"COUNT 0", {"breaker.calls", "name=b", "success=0"}, ",\"name\":\"b\",\"success\":0}"},
    {"COUNT 2^53",
     {"breaker.calls", "name=b", "success=9007199254740992"},
     ",\"name\":\"b\",\"success\":9007199254740992}"},
    {"a COUNT with an exponent", {"breaker.calls", "name=b", "success=1e3"}, ",\"name\":\"b\",\"success\":1e3}"},
    {"TIME",
     {"session.started", "session=a", "started_at=1699999999.5"},
     ",\"session\":\"a\",\"started_at\":1699999999.5}"},
    {"BOOL true", {"session.started", "session=a", "keep_alive=true"}, ",\"session\":\"a\",\"keep_alive\":true}"},
    {"BOOL false", {"session.started", "session=a", "keep_alive=false"}, ",\"session\":\"a\",\"keep_alive\":false}"},
    {"REAL", {"metric", "name=m", "kind=gauge", "value=-1.25"}, ",\"name\":\"m\",\"kind\":\"gauge\",\"value\":-1.25}"},
    {"a group",
     {"operation", "op=act", "ok=true", "duration_s=2", "tokens.input=5", "tokens.output=6"},
     ",\"op\":\"act\",\"ok\":true,\"duration_s\":2,\"tokens\":{\"input\":5,\"output\":6}}"},
    {"a group in pieces",
     {"operation", "tokens.input=5", "op=act", "tokens.output=6", "ok=true", "duration_s=2"},
     ",\"tokens\":{\"input\":5,\"output\":6},\"op\":\"act\",\"ok\":true,\"duration_s\":2}"},
    {"three groups",
     {"queue", "low.length=1", "high.length=2", "low.oldest_s=0.5", "normal.length=0"},
     ",\"low\":{\"length\":1,\"oldest_s\":0.5},\"high\":{\"length\":2},\"normal\":{\"length\":0}}"},
    {"attrs",
     {"error", "attrs.query=a=b&c", "code=X", "attrs.n=5"},
     ",\"attrs\":{\"query\":\"a=b&c\",\"n\":\"5\"},\"code\":\"X\"}"},
    {"attrs whose names have dots and quotes",
     {"queue", "attrs.a.b=1", "attrs.\"=2"},
     ",\"attrs\":{\"a.b\":\"1\",\"\\\"\":\"2\"}}"},
    {"labels",
     {"metric", "name=m", "kind=counter", "value=1", "labels.site=a\"b"},
     ",\"name\":\"m\",\"kind\":\"counter\",\"value\":1,\"labels\":{\"site\":\"a\\\"b\"}}"},
    {"the envelope",
     {"queue", "seq=7", "boot=b", "writer=w", "workflow=f", "run=r", "task=t"},
     ",\"seq\":7,\"boot\":\"b\",\"writer\":\"w\",\"workflow\":\"f\",\"run\":\"r\",\"task\":\"t\"}"},
};

enum by { HERE, PARSER }; /* who refuses it; `oxpecker send` asks both before it connects */
static const struct {
    const char *name;
    const char *words[MOST];
    enum by by;
    const char *fragment; /* of the reason */
} reject_rows[] = {
    {"no type", {""}, HERE, ": not an event type"},
    {"unknown type", {"session.start", "session=a"}, HERE, "session.start: not an event type"},
    {"a type in capitals", {"QUEUE"}, HERE, "QUEUE: not an event type"},
    {"JSON as a type", {"{\"type\":\"queue\"}"}, HERE, "not an event type"},
    {"no equals sign", {"session.started", "session"}, HERE, "session: not key=value"},
    {"an empty word", {"session.started", ""}, HERE, ": not key=value"},
    {"no key", {"session.started", "=a"}, HERE, "=a: not key=value"},
    {"unknown field", {"session.started", "sesion=a"}, HERE, "sesion=a: no such field in an event of this type"},
    {"a field in capitals", {"session.started", "SESSION=a"}, HERE, "no such field"},
    {"a field of another type", {"session.started", "session=a", "tokens.input=1"}, HERE, "no such field"},
    {"the type again", {"queue", "type=queue"}, HERE, "no such field"},
    {"a group as a field", {"operation", "tokens=5"}, HERE, "no such field"},
    {"unknown member of a group", {"operation", "tokens.inputs=5"}, HERE, "no such field"},
    {"too deep in a group", {"operation", "tokens.input.x=5"}, HERE, "no such field"},
    {"a group without a member", {"operation", "tokens.=5"}, HERE, "no such field"},
    {"a member without a group", {"operation", ".input=5"}, HERE, "no such field"},
    {"a field as a group", {"session.started", "session.x=a"}, HERE, "no such field"},
    {"a dot in front", {"session.started", ".session=a"}, HERE, "no such field"},
    {"attrs as a field", {"queue", "attrs=5"}, HERE, "no such field"},
    {"labels where there are none", {"session.started", "session=a", "labels.x=1"}, HERE, "labels.x=1: no such field"},
    {"an attr without a name", {"queue", "attrs.=5"}, PARSER, "attrs: a name must be"},
    {"a label without a name",
     {"metric", "name=m", "kind=gauge", "value=1", "labels.=5"},
     PARSER,
     "labels: a name must be"},
    {"NUMBER in words", {"session.started", "session=a", "create_s=fast"}, HERE, "create_s=fast: a number is wanted"},
    {"an empty NUMBER", {"session.started", "session=a", "create_s="}, HERE, "a number is wanted"},
    {"a NUMBER in quotes", {"session.started", "session=a", "create_s=\"5\""}, HERE, "a number is wanted"},
    {"a NUMBER with a unit", {"session.started", "session=a", "create_s=5s"}, HERE, "a number is wanted"},
    {"a NUMBER with a blank", {"session.started", "session=a", "create_s= 5"}, HERE, "a number is wanted"},
    {"a NUMBER with a comma", {"session.started", "session=a", "create_s=1,5"}, HERE, "a number is wanted"},
    {"a leading zero", {"session.started", "session=a", "create_s=05"}, HERE, "a number is wanted"},
    {"a plus sign", {"session.started", "session=a", "create_s=+5"}, HERE, "a number is wanted"},
    {"hexadecimal", {"session.started", "session=a", "create_s=0x10"}, HERE, "a number is wanted"},
    {"nan", {"session.started", "session=a", "create_s=nan"}, HERE, "a number is wanted"},
    {"inf", {"session.started", "session=a", "create_s=inf"}, HERE, "a number is wanted"},
    {"-Infinity", {"metric", "name=m", "kind=gauge", "value=-Infinity"}, HERE, "a number is wanted"},
    {"too large", {"metric", "name=m", "kind=gauge", "value=1e999"}, HERE, "a number is wanted"},
    {"a point at the end", {"session.started", "session=a", "create_s=5."}, HERE, "a number is wanted"},
    {"a point in front", {"session.started", "session=a", "create_s=.5"}, HERE, "a number is wanted"},
    {"more JSON", {"session.started", "session=a", "create_s=5,\"x\":1"}, HERE, "a number is wanted"},
    {"a negative NUMBER", {"session.started", "session=a", "create_s=-1"}, PARSER, "create_s: may not be negative"},
    {"a status of an error in words", {"error", "status=COMPLETED"}, HERE, "status=COMPLETED: a number is wanted"},
    {"COUNT in words", {"queue", "low.length=few"}, HERE, "low.length=few: a number is wanted"},
    {"half a COUNT", {"queue", "low.length=1.5"}, PARSER, "low.length: expected a whole number"},
    {"a negative COUNT", {"queue", "low.length=-1"}, PARSER, "low.length: may not be negative"},
    {"a COUNT past 2^53", {"queue", "low.length=9007199254740993"}, PARSER, "low.length: more than 2^53"},
    {"seq 0", {"queue", "seq=0"}, PARSER, "seq: counts from 1"},
    {"TIME in words", {"queue", "ts=now"}, HERE, "ts=now: a number is wanted"},
    {"TIME in milliseconds", {"queue", "ts=1700000000000"}, PARSER, "ts: not in unix seconds"},
    {"BOOL in capitals",
     {"session.started", "session=a", "keep_alive=True"},
     HERE,
     "keep_alive=True: true or false is wanted"},
    {"BOOL as a number", {"session.started", "session=a", "keep_alive=1"}, HERE, "true or false is wanted"},
    {"an empty BOOL", {"session.started", "session=a", "keep_alive="}, HERE, "true or false is wanted"},
    {"an empty ID", {"session.started", "session="}, PARSER, "session: may not be empty"},
    {"an ID with a newline", {"session.started", "session=a\nb"}, PARSER, "session: holds a control character"},
    {"an ID that is not UTF-8", {"session.started", "session=caf\xe9"}, HERE, ": not UTF-8"},
    {"a field twice", {"session.started", "session=a", "session=b"}, PARSER, "session stands twice"},
    {"a field twice, the same", {"session.started", "session=a", "session=a"}, PARSER, "session stands twice"},
    {"ts twice", {"queue", "ts=1", "ts=2"}, PARSER, "ts stands twice"},
    {"a member twice",
     {"operation", "op=a", "ok=true", "duration_s=1", "tokens.input=1", "tokens.input=1"},
     PARSER,
     "tokens.input stands twice"},
    {"an attr twice", {"queue", "attrs.a=1", "attrs.b=2", "attrs.a=3"}, PARSER, "attrs: a name stands twice"},
    {"a label twice",
     {"metric", "name=m", "kind=gauge", "value=1", "labels.a=1", "labels.a=1"},
     PARSER,
     "labels: a name stands twice"},
    {"a needed field is missing", {"session.ended", "session=a"}, PARSER, "status is missing"},
};
/* clang-format on */

static enum oxp_status build(int argc, const char *const *words, struct oxp_buf *line, struct oxp_error *error) {
    oxp_buf_init(line, OXP_EVENT_LINE_MAX + 1); /* as oxpecker send does */
    return oxp_event_text_build(argc, writable(words), NOW, line, error);
}

static void test_accept(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof accept_rows / sizeof accept_rows[0]; i++) {
        const char *const *words = accept_rows[i].words;
        struct oxp_buf line;
        struct oxp_error error = {0};
        struct oxp_refusal refusal = {0};
        static struct oxp_event event;
        char expected[512];
        int argc = count_of(words);
        snprintf(expected, sizeof expected, "{\"type\":\"%s\",\"ts\":1700000000.250%s", words[0], accept_rows[i].line);
        if (build(argc, words, &line, &error) != OXP_OK || strcmp(oxp_buf_text(&line), expected) != 0) {
            fail_msg("%s: %s\n%s\n%s", accept_rows[i].name, error.text, oxp_buf_text(&line), expected);
        }
        if (oxp_parse_event(oxp_buf_view(&line), &event, &refusal) != OXP_OK || !is_intact(&event, argc, words)) {
            fail_msg("%s: %s", accept_rows[i].name, refusal.error.text);
        }
        assert_true(event.values[OXP_FIELD_TS].number == NOW);
        oxp_buf_fini(&line);
    }
}

static void test_reject(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof reject_rows / sizeof reject_rows[0]; i++) {
        const char *const *words = reject_rows[i].words;
        struct oxp_buf line;
        struct oxp_error error = {0};
        struct oxp_refusal refusal = {0};
        static struct oxp_event event;
        enum oxp_status built = build(count_of(words), words, &line, &error);
        enum oxp_status parsed = oxp_parse_event(oxp_buf_view(&line), &event, &refusal);
        const char *reason = built != OXP_OK ? error.text : refusal.error.text;
        if (built != (reject_rows[i].by == HERE ? OXP_ERR_INVALID : OXP_OK) || parsed != OXP_ERR_SYNTAX ||
            strstr(reason, reject_rows[i].fragment) == NULL) {
            fail_msg("%s: %s, then %s: %s", reject_rows[i].name, oxp_status_name(built), oxp_status_name(parsed),
                     reason);
        }
        oxp_buf_fini(&line);
    }
}

static void test_ts_is_given(void **state) {
    (void)state;
    static const char *const words[] = {"queue", "low.length=1", "ts=5.5"};
    struct oxp_buf line;
    struct oxp_error error = {0};
    assert_int_equal(build(3, words, &line, &error), OXP_OK);
    assert_string_equal(oxp_buf_text(&line), "{\"type\":\"queue\",\"low\":{\"length\":1},\"ts\":5.5}");
    oxp_buf_fini(&line);
    static const char *const other[] = {"queue", "attrs.ts=5"}; /* that is another one */
    assert_int_equal(build(2, other, &line, &error), OXP_OK);
    assert_string_equal(oxp_buf_text(&line), "{\"type\":\"queue\",\"ts\":1700000000.250,\"attrs\":{\"ts\":\"5\"}}");
    oxp_buf_fini(&line);
}

/* What is no UTF-8 in a text costs the character, not the event. */
static void test_broken_text_is_mended(void **state) {
    (void)state;
    static const char *const words[] = {"error", "message=caf\xe9!"};
    struct oxp_buf line;
    struct oxp_error error = {0};
    assert_int_equal(build(2, words, &line, &error), OXP_OK);
    assert_string_equal(oxp_buf_text(&line),
                        "{\"type\":\"error\",\"ts\":1700000000.250,\"message\":\"caf\xef\xbf\xbd!\"}");
    oxp_buf_fini(&line);
}

/* Every field of every type by the kind in its table, together with what the type needs. */
static void test_every_field_of_every_type(void **state) {
    (void)state;
    static const char *const values[] = {
        [OXP_KIND_STRING] = "503", [OXP_KIND_ID] = "007",    [OXP_KIND_NUMBER] = "1e-3", [OXP_KIND_COUNT] = "12",
        [OXP_KIND_TIME] = "17e8",  [OXP_KIND_BOOL] = "true", [OXP_KIND_REAL] = "-0.5",   [OXP_KIND_WORD] = "5",
    };
    size_t tried = 0;
    for (unsigned t = OXP_EVENT_NONE + 1; t < OXP_EVENT_TYPES; t++) {
        enum oxp_event_type type = (enum oxp_event_type)t;
        const struct oxp_type_spec *spec = oxp_type_spec(type);
        for (unsigned f = OXP_FIELD_TYPE + 1; f < OXP_FIELDS; f++) {
            const struct oxp_field_spec *field = oxp_field_spec((enum oxp_field)f);
            if (oxp_field_find_for(type, oxp_view_from(field->name)) != (enum oxp_field)f) {
                continue;
            }
            char texts[MOST][64];
            const char *words[MOST] = {spec->name};
            int argc = 1;
            bool needed = false;
            for (const enum oxp_field *r = spec->required; *r != OXP_FIELDS; r++, argc++) {
                const struct oxp_field_spec *required = oxp_field_spec(*r);
                needed |= *r == (enum oxp_field)f;
                snprintf(texts[argc], sizeof texts[argc], "%s=%s", required->name, values[required->kind]);
                words[argc] = texts[argc];
            }
            if (!needed) {
                snprintf(texts[argc], sizeof texts[argc], field->kind == OXP_KIND_MAP ? "%s.x=%s" : "%s=%s",
                         field->name, field->kind == OXP_KIND_MAP ? "1" : values[field->kind]);
                words[argc] = texts[argc];
                argc++;
            }
            struct oxp_buf line;
            struct oxp_error error = {0};
            struct oxp_refusal refusal = {0};
            static struct oxp_event event;
            if (build(argc, words, &line, &error) != OXP_OK ||
                oxp_parse_event(oxp_buf_view(&line), &event, &refusal) != OXP_OK || !is_intact(&event, argc, words)) {
                fail_msg("%s %s: %s%s", spec->name, field->name, error.text, refusal.error.text);
            }
            oxp_buf_fini(&line);
            tried++;
        }
    }
    assert_true(tried > 500);
}

/* A line of exactly `len` bytes: the texts are filled up. */
static enum oxp_status build_of_length(size_t len, struct oxp_buf *line, struct oxp_error *error) {
    static char stack[6200], report[4200];
    static const char *const words[] = {"error", stack, report};
    size_t fixed = strlen("{\"type\":\"error\",\"ts\":1700000000.250,\"stack\":\"\",\"message\":\"\"}");
    snprintf(stack, sizeof stack, "stack=%0*d", 6000, 0);
    snprintf(report, sizeof report, "message=%0*d", (int)(len - fixed - 6000), 0);
    return build(3, words, line, error);
}

static void test_longest_line(void **state) {
    (void)state;
    struct oxp_buf line;
    struct oxp_error error = {0};
    struct oxp_refusal refusal = {0};
    static struct oxp_event event;
    assert_int_equal(build_of_length(OXP_EVENT_LINE_MAX, &line, &error), OXP_OK);
    assert_int_equal(oxp_buf_view(&line).len, OXP_EVENT_LINE_MAX);
    assert_int_equal(oxp_parse_event(oxp_buf_view(&line), &event, &refusal), OXP_OK);
    assert_int_equal(event.values[OXP_FIELD_STACK].text.len, 6000);
    oxp_buf_fini(&line);

    /* one byte more fits into the buffer, as the newline's place; the parser says no */
    assert_int_equal(build_of_length(OXP_EVENT_LINE_MAX + 1, &line, &error), OXP_OK);
    assert_int_equal(oxp_parse_event(oxp_buf_view(&line), &event, &refusal), OXP_ERR_SYNTAX);
    assert_int_equal(refusal.reason, OXP_REJECT_TOO_LARGE);
    oxp_buf_fini(&line);

    assert_int_equal(build_of_length(OXP_EVENT_LINE_MAX + 2, &line, &error), OXP_ERR_INVALID);
    assert_string_equal(error.text, "error: the event is longer than 8 KiB");
    oxp_buf_fini(&line);
}

static void test_number_of_words(void **state) {
    (void)state;
    static char texts[130][40];
    static const char *words[130] = {"queue"};
    static struct oxp_event event;
    struct oxp_refusal refusal = {0};
    struct oxp_error error = {0};
    struct oxp_buf line;
    for (int i = 1; i < 130; i++) {
        snprintf(texts[i], sizeof texts[i], "attrs.a%d=%d", i, i);
        words[i] = texts[i];
    }
    assert_int_equal(build(1 + OXP_EVENT_ATTRS_MAX, words, &line, &error), OXP_OK);
    assert_int_equal(oxp_parse_event(oxp_buf_view(&line), &event, &refusal), OXP_OK);
    assert_true(is_intact(&event, 1 + OXP_EVENT_ATTRS_MAX, words));
    oxp_buf_fini(&line);
    assert_int_equal(build(129, words, &line, &error), OXP_OK);
    assert_int_equal(oxp_parse_event(oxp_buf_view(&line), &event, &refusal), OXP_ERR_SYNTAX);
    assert_non_null(strstr(refusal.error.text, "attrs: more than 32 pairs"));
    oxp_buf_fini(&line);
    assert_int_equal(build(130, words, &line, &error), OXP_ERR_INVALID);
    assert_string_equal(error.text, "queue: more than 128 fields");
    oxp_buf_fini(&line);
}

/* The reason is there however long the word is. */
static void test_a_long_word_leaves_room_for_the_reason(void **state) {
    (void)state;
    char word[1000];
    const char *words[] = {"session.started", word};
    struct oxp_buf line;
    struct oxp_error error = {0};
    snprintf(word, sizeof word, "create_s=%0900dx", 0);
    assert_int_equal(build(2, words, &line, &error), OXP_ERR_INVALID);
    assert_non_null(strstr(error.text, "create_s=0000"));
    assert_non_null(strstr(error.text, "...: a number is wanted"));
    oxp_buf_fini(&line);
}

static void build_one(void *ctx) {
    static const char *const words[] = {"operation", "op=act", "ok=true", "duration_s=1", "tokens.input=5"};
    struct oxp_buf line;
    struct oxp_error error = {0};
    (void)ctx;
    enum oxp_status status = build(5, words, &line, &error);
    bool hit = alloc_fail_hit();
    assert_int_equal(status, hit ? OXP_ERR_NOMEM : OXP_OK);
    assert_string_equal(error.text, hit ? oxp_status_text(OXP_ERR_NOMEM) : "");
    oxp_buf_fini(&line);
}

static void test_without_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_each(build_one, NULL) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_reject),
        cmocka_unit_test(test_ts_is_given),
        cmocka_unit_test(test_broken_text_is_mended),
        cmocka_unit_test(test_every_field_of_every_type),
        cmocka_unit_test(test_longest_line),
        cmocka_unit_test(test_number_of_words),
        cmocka_unit_test(test_a_long_word_leaves_room_for_the_reason),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
