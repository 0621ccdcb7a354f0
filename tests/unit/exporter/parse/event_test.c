/* One line to one event: what is taken, what is refused, why and where. */
#include "exporter/parse/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct oxp_event event;
static struct oxp_refusal refusal;

/* The line in memory of exactly its length, so that the sanitizer sees a read past its end. */
static enum oxp_status parse(struct oxp_view line) {
    static char *copy;
    free(copy);
    copy = malloc(line.len == 0 ? 1 : line.len);
    assert_non_null(copy);
    memcpy(copy, line.ptr, line.len);
    memset(&event, 0xee, sizeof event);
    memset(&refusal, 0, sizeof refusal);
    return oxp_parse_event(oxp_view_of(copy, line.len), &event, &refusal);
}

static void accepts(const char *name, struct oxp_view line) {
    if (parse(line) != OXP_OK) {
        fail_msg("%s: refused: column %u: %s", name, refusal.error.column, refusal.error.text);
    }
}

/* ---- Must accept: the value of one field, as text ---- */

static const struct {
    const char *name, *line;
    enum oxp_event_type type;
    enum oxp_field field;
    const char *want; /* text, number or flag as printed below; NULL = absent */
} must_accept[] = {
    {"smallest", "{\"type\":\"error\"}", OXP_EVENT_ERROR, OXP_FIELD_TYPE, "error"},
    {"space everywhere", " \t{ \"type\" : \"error\" , \"op\" : \"act\" } \r\n", OXP_EVENT_ERROR, OXP_FIELD_OP, "act"},
    {"id", "{\"type\":\"task.progress\",\"task\":\"t-1\"}", OXP_EVENT_TASK_PROGRESS, OXP_FIELD_TASK, "t-1"},
    {"type at the end", "{\"task\":\"t-1\",\"pct\":5,\"type\":\"task.progress\"}", OXP_EVENT_TASK_PROGRESS,
     OXP_FIELD_PCT, "5"},
    {"type in the middle", "{\"task\":\"t-1\",\"type\":\"task.progress\",\"pct\":5}", OXP_EVENT_TASK_PROGRESS,
     OXP_FIELD_TASK, "t-1"},
    {"type with escapes", "{\"ty\\u0070e\":\"\\u0065rror\",\"op\":\"act\"}", OXP_EVENT_ERROR, OXP_FIELD_OP, "act"},
    {"type below is another", "{\"x\":{\"type\":\"queue\"},\"type\":\"error\"}", OXP_EVENT_ERROR, OXP_FIELD_TYPE,
     "error"},
    {"key with escapes", "{\"type\":\"error\",\"\\u006fp\":\"act\"}", OXP_EVENT_ERROR, OXP_FIELD_OP, "act"},
    {"empty text", "{\"type\":\"error\",\"op\":\"\"}", OXP_EVENT_ERROR, OXP_FIELD_OP, ""},
    {"escapes", "{\"type\":\"error\",\"message\":\"\\\"\\\\\\/\\b\\f\\n\\r\\tz\"}", OXP_EVENT_ERROR, OXP_FIELD_MESSAGE,
     "\"\\/\b\f\n\r\tz"},
    {"unicode escapes", "{\"type\":\"error\",\"message\":\"\\u00e9\\u20AC\\uD83D\\uDE00\"}", OXP_EVENT_ERROR,
     OXP_FIELD_MESSAGE, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"utf-8",
     "{\"type\":\"error\",\"message\":\"caf\xc3\xa9, \xe6\x9d\xb1\xe4\xba\xac, and \xf0\x9f\x98\x80 behind sixteen "
     "bytes\"}",
     OXP_EVENT_ERROR, OXP_FIELD_MESSAGE,
     "caf\xc3\xa9, \xe6\x9d\xb1\xe4\xba\xac, and \xf0\x9f\x98\x80 behind sixteen bytes"},
    {"DEL in text", "{\"type\":\"error\",\"message\":\"a\x7f\"}", OXP_EVENT_ERROR, OXP_FIELD_MESSAGE, "a\x7f"},
    {"null is absent", "{\"type\":\"error\",\"op\":null}", OXP_EVENT_ERROR, OXP_FIELD_OP, NULL},
    {"null time", "{\"type\":\"error\",\"ts\":null}", OXP_EVENT_ERROR, OXP_FIELD_TS, NULL},
    {"time", "{\"type\":\"error\",\"ts\":1765432100.123456}", OXP_EVENT_ERROR, OXP_FIELD_TS, "1765432100.123456"},
    {"number 0", "{\"type\":\"error\",\"duration_s\":0}", OXP_EVENT_ERROR, OXP_FIELD_DURATION_S, "0"},
    {"number -0", "{\"type\":\"error\",\"duration_s\":-0}", OXP_EVENT_ERROR, OXP_FIELD_DURATION_S, "0"},
    {"number 0.1", "{\"type\":\"error\",\"duration_s\":0.1}", OXP_EVENT_ERROR, OXP_FIELD_DURATION_S, "0.1"},
    {"number with exponent", "{\"type\":\"error\",\"duration_s\":1.5E+2}", OXP_EVENT_ERROR, OXP_FIELD_DURATION_S,
     "150"},
    {"many digits", "{\"type\":\"error\",\"duration_s\":0.1000000000000000055511151231257827}", OXP_EVENT_ERROR,
     OXP_FIELD_DURATION_S, "0.1"},
    {"tiny", "{\"type\":\"error\",\"duration_s\":5e-324}", OXP_EVENT_ERROR, OXP_FIELD_DURATION_S,
     "4.9406564584124654e-324"},
    {"most", "{\"type\":\"error\",\"duration_s\":1e9}", OXP_EVENT_ERROR, OXP_FIELD_DURATION_S, "1000000000"},
    {"count", "{\"type\":\"error\",\"seq\":1}", OXP_EVENT_ERROR, OXP_FIELD_SEQ, "1"},
    {"greatest count", "{\"type\":\"error\",\"seq\":9007199254740992}", OXP_EVENT_ERROR, OXP_FIELD_SEQ,
     "9007199254740992"},
    {"count written as a float", "{\"type\":\"error\",\"attempt\":3.0}", OXP_EVENT_ERROR, OXP_FIELD_ATTEMPT, "3"},
    {"count with exponent", "{\"type\":\"error\",\"attempt\":1e3}", OXP_EVENT_ERROR, OXP_FIELD_ATTEMPT, "1000"},
    {"true", "{\"type\":\"error\",\"cleanup\":true}", OXP_EVENT_ERROR, OXP_FIELD_CLEANUP, "true"},
    {"false", "{\"type\":\"error\",\"cleanup\":false}", OXP_EVENT_ERROR, OXP_FIELD_CLEANUP, "false"},
    {"status of an error", "{\"type\":\"error\",\"status\":429}", OXP_EVENT_ERROR, OXP_FIELD_HTTP_STATUS, "429"},
    {"status before the type", "{\"status\":429,\"type\":\"error\"}", OXP_EVENT_ERROR, OXP_FIELD_HTTP_STATUS, "429"},
    {"status of a session", "{\"status\":\"COMPLETED\",\"session\":\"s\",\"type\":\"session.ended\"}",
     OXP_EVENT_SESSION_ENDED, OXP_FIELD_STATUS, "COMPLETED"},
    {"errno by name", "{\"type\":\"error\",\"errno\":\"ECONNREFUSED\"}", OXP_EVENT_ERROR, OXP_FIELD_ERRNO,
     "ECONNREFUSED"},
    {"errno by number", "{\"type\":\"error\",\"errno\":111}", OXP_EVENT_ERROR, OXP_FIELD_ERRNO, "111"},
    {"errno negative", "{\"type\":\"error\",\"errno\":-111}", OXP_EVENT_ERROR, OXP_FIELD_ERRNO, "-111"},
    {"negative metric", "{\"type\":\"metric\",\"name\":\"n\",\"kind\":\"gauge\",\"value\":-1.5}", OXP_EVENT_METRIC,
     OXP_FIELD_VALUE, "-1.5"},
    {"group", "{\"type\":\"queue\",\"low\":{\"length\":3,\"oldest_s\":1.5}}", OXP_EVENT_QUEUE,
     OXP_FIELD_QUEUE_LOW_OLDEST_S, "1.5"},
    {"group, long name",
     "{\"type\":\"operation\",\"op\":\"act\",\"ok\":true,\"duration_s\":1,\"tokens\":{\"cached_input\":7}}",
     OXP_EVENT_OPERATION, OXP_FIELD_TOKENS_CACHED_INPUT, "7"},
    {"group with unknown", "{\"type\":\"queue\",\"high\":{\"x\":[{}],\"length\":2,\"\":0}}", OXP_EVENT_QUEUE,
     OXP_FIELD_QUEUE_HIGH_LENGTH, "2"},
    {"group, escaped names", "{\"type\":\"queue\",\"lo\\u0077\":{\"l\\u0065ngth\":3}}", OXP_EVENT_QUEUE,
     OXP_FIELD_QUEUE_LOW_LENGTH, "3"},
    {"empty group", "{\"type\":\"queue\",\"low\":{ }}", OXP_EVENT_QUEUE, OXP_FIELD_QUEUE_LOW_LENGTH, NULL},
    {"null group", "{\"type\":\"queue\",\"low\":null}", OXP_EVENT_QUEUE, OXP_FIELD_QUEUE_LOW_LENGTH, NULL},
    {"null in a group", "{\"type\":\"queue\",\"low\":{\"length\":null}}", OXP_EVENT_QUEUE, OXP_FIELD_QUEUE_LOW_LENGTH,
     NULL},
    {"group written flat", "{\"type\":\"queue\",\"low.length\":3}", OXP_EVENT_QUEUE, OXP_FIELD_QUEUE_LOW_LENGTH, "3"},
    {"unknown fields", "{\"type\":\"error\",\"a\":1,\"b\":[1,\"x\",{\"c\":[]}],\"d\":{},\"e\":false,\"op\":\"x\"}",
     OXP_EVENT_ERROR, OXP_FIELD_OP, "x"},
    {"a field of another type", "{\"type\":\"task.progress\",\"task\":\"t\",\"status\":[]}", OXP_EVENT_TASK_PROGRESS,
     OXP_FIELD_STATUS, NULL},
    {"a group of another type", "{\"type\":\"error\",\"tokens\":5}", OXP_EVENT_ERROR, OXP_FIELD_TOKENS_INPUT, NULL},
    {"nested 16 deep", "{\"type\":\"error\",\"x\":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}", OXP_EVENT_ERROR, OXP_FIELD_TYPE,
     "error"},
    {"key in message", "{\"type\":\"error\",\"message\":\"at wss://c.example?apiKey=bb_live_0123456789\"}",
     OXP_EVENT_ERROR, OXP_FIELD_MESSAGE, "at wss://c.example?apiKey=[redacted]"},
    {"key behind escapes", "{\"type\":\"error\",\"message\":\"\\tbb\\u005flive_0123456789\"}", OXP_EVENT_ERROR,
     OXP_FIELD_MESSAGE, "\t[redacted]"},
    {"key in an id", "{\"type\":\"task.progress\",\"task\":\"bb_live_0123456789\"}", OXP_EVENT_TASK_PROGRESS,
     OXP_FIELD_TASK, "[redacted]"},
    {"attrs", "{\"type\":\"error\",\"attrs\":{\"a\":1},\"op\":\"x\"}", OXP_EVENT_ERROR, OXP_FIELD_OP, "x"},
};

static void print_value(enum oxp_field field, char *out, size_t size) {
    union oxp_field_value value = event.values[field];
    switch (oxp_field_spec(field)->kind) {
    case OXP_KIND_STRING:
    case OXP_KIND_ID:
    case OXP_KIND_WORD:
        snprintf(out, size, "%.*s", (int)value.text.len, value.text.ptr);
        break;
    case OXP_KIND_BOOL:
        snprintf(out, size, "%s", value.flag ? "true" : "false");
        break;
    default:
        snprintf(out, size, "%.17g", value.number);
        if (strtod(out, NULL) == 0.1) {
            snprintf(out, size, "0.1");
        }
    }
}

static void accepted(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof must_accept / sizeof must_accept[0]; i++) {
        const char *name = must_accept[i].name;
        char got[256], want[256];
        accepts(name, oxp_view_from(must_accept[i].line));
        assert_int_equal(event.type, must_accept[i].type);
        assert_true(oxp_event_has(&event, OXP_FIELD_TYPE));
        if (must_accept[i].want == NULL) {
            assert_false(oxp_event_has(&event, must_accept[i].field));
            continue;
        }
        if (!oxp_event_has(&event, must_accept[i].field)) {
            fail_msg("%s: the field is absent", name);
        }
        print_value(must_accept[i].field, got, sizeof got);
        enum oxp_field_kind kind = oxp_field_spec(must_accept[i].field)->kind;
        bool is_number =
            kind == OXP_KIND_NUMBER || kind == OXP_KIND_COUNT || kind == OXP_KIND_TIME || kind == OXP_KIND_REAL;
        snprintf(want, sizeof want, "%s", must_accept[i].want);
        if (is_number) {
            assert_true(event.values[must_accept[i].field].number == strtod(want, NULL));
        } else if (strcmp(got, want) != 0) {
            fail_msg("%s: got \"%s\"", name, got);
        }
    }
}

/* ---- Must refuse ---- */

static const struct {
    const char *name, *line;
    enum oxp_reject reason;
    unsigned column;
    const char *text; /* part of the reason */
} must_reject[] = {
    /* syntax */
    {"nothing", "", OXP_REJECT_MALFORMED, 1, "expected an object"},
    {"space", "  ", OXP_REJECT_MALFORMED, 3, "expected an object"},
    {"array", "[]", OXP_REJECT_MALFORMED, 1, "expected an object"},
    {"text", "hello", OXP_REJECT_MALFORMED, 1, "expected an object"},
    {"byte order mark", "\xef\xbb\xbf{}", OXP_REJECT_MALFORMED, 1, "expected an object"},
    {"open", "{", OXP_REJECT_MALFORMED, 2, "ends too early"},
    {"not closed", "{\"type\":\"error\"", OXP_REJECT_MALFORMED, 16, "ends inside"},
    {"two objects", "{\"type\":\"error\"}{}", OXP_REJECT_MALFORMED, 17, "behind the object"},
    {"trailing comma", "{\"type\":\"error\",}", OXP_REJECT_MALFORMED, 17, "expected a string"},
    {"no colon", "{\"type\" \"error\"}", OXP_REJECT_MALFORMED, 9, "expected ':'"},
    {"no comma", "{\"type\":\"error\" \"a\":1}", OXP_REJECT_MALFORMED, 17, "expected ','"},
    {"bare key", "{type:\"error\"}", OXP_REJECT_MALFORMED, 2, "expected a string"},
    {"single quotes", "{'type':'error'}", OXP_REJECT_MALFORMED, 2, "expected a string"},
    {"comment", "{\"type\":\"error\"/**/}", OXP_REJECT_MALFORMED, 16, "expected ','"},
    {"no value", "{\"type\":\"error\",\"op\":}", OXP_REJECT_MALFORMED, 22, "expected a value"},
    {"value cut", "{\"type\":\"error\",\"op\":", OXP_REJECT_MALFORMED, 22, "expected a value"},
    {"string cut", "{\"type\":\"error\",\"op\":\"act", OXP_REJECT_MALFORMED, 26, "not closed"},
    {"NUL", "{\"type\":\"error\",\"x\":\1}", OXP_REJECT_MALFORMED, 21, "expected a value"},
    {"control character in a string", "{\"type\":\"error\",\"op\":\"a\tb\"}", OXP_REJECT_MALFORMED, 24,
     "control character"},
    {"control character in a key", "{\"type\":\"error\",\"o\np\":1}", OXP_REJECT_MALFORMED, 19, "control character"},
    {"bad escape", "{\"type\":\"error\",\"op\":\"a\\x\"}", OXP_REJECT_MALFORMED, 24, "escape"},
    {"escape at the end", "{\"type\":\"error\",\"op\":\"a\\", OXP_REJECT_MALFORMED, 24, "escape"},
    {"short \\u", "{\"type\":\"error\",\"op\":\"\\u12g4\"}", OXP_REJECT_MALFORMED, 23, "hex"},
    {"cut \\u", "{\"type\":\"error\",\"op\":\"\\u12", OXP_REJECT_MALFORMED, 23, "hex"},
    {"lone high surrogate", "{\"type\":\"error\",\"op\":\"\\ud83d\"}", OXP_REJECT_MALFORMED, 23, "surrogate"},
    {"high and no low", "{\"type\":\"error\",\"op\":\"\\ud83d\\u0041\"}", OXP_REJECT_MALFORMED, 23, "surrogate"},
    {"lone low surrogate", "{\"type\":\"error\",\"op\":\"\\ude00\"}", OXP_REJECT_MALFORMED, 23, "surrogate"},
    {"not UTF-8", "{\"type\":\"error\",\"op\":\"a\xff\"}", OXP_REJECT_MALFORMED, 24, "UTF-8"},
    {"overlong", "{\"type\":\"error\",\"op\":\"\xc0\xaf\"}", OXP_REJECT_MALFORMED, 23, "UTF-8"},
    {"surrogate in UTF-8", "{\"type\":\"error\",\"op\":\"\xed\xa0\x80\"}", OXP_REJECT_MALFORMED, 23, "UTF-8"},
    {"character cut", "{\"type\":\"error\",\"op\":\"\xe2\x82\"}", OXP_REJECT_MALFORMED, 23, "UTF-8"},
    {"not UTF-8 in a key", "{\"type\":\"error\",\"a\xff\":1}", OXP_REJECT_MALFORMED, 19, "UTF-8"},
    {"not UTF-8 in an unknown field", "{\"type\":\"error\",\"x\":[\"\xff\"]}", OXP_REJECT_MALFORMED, 23, "UTF-8"},
    {"word", "{\"type\":\"error\",\"x\":nul}", OXP_REJECT_MALFORMED, 21, "expected a value"},
    {"NaN", "{\"type\":\"error\",\"ts\":NaN}", OXP_REJECT_MALFORMED, 22, "expected a value"},
    {"plus sign", "{\"type\":\"error\",\"ts\":+1}", OXP_REJECT_MALFORMED, 22, "expected a value"},
    {"leading zero", "{\"type\":\"error\",\"ts\":01}", OXP_REJECT_MALFORMED, 22, "begin with 0"},
    {"no digit before the point", "{\"type\":\"error\",\"ts\":.5}", OXP_REJECT_MALFORMED, 22, "expected a value"},
    {"no digit behind the point", "{\"type\":\"error\",\"ts\":5.}", OXP_REJECT_MALFORMED, 24, "digit"},
    {"no digit in the exponent", "{\"type\":\"error\",\"ts\":5e}", OXP_REJECT_MALFORMED, 23, "exponent"},
    {"only a minus", "{\"type\":\"error\",\"ts\":-}", OXP_REJECT_MALFORMED, 23, "digit"},
    {"hexadecimal", "{\"type\":\"error\",\"ts\":0x10}", OXP_REJECT_MALFORMED, 23, "expected ','"},
    {"bad number in an unknown field", "{\"type\":\"error\",\"x\":[1,-]}", OXP_REJECT_MALFORMED, 25, "digit"},
    {"array not closed", "{\"type\":\"error\",\"x\":[1,2}", OXP_REJECT_MALFORMED, 25, "expected ',' or ']'"},
    {"comma in an array", "{\"type\":\"error\",\"x\":[1,]}", OXP_REJECT_MALFORMED, 24, "expected a value"},
    {"object not closed", "{\"type\":\"error\",\"x\":{\"a\":1]}", OXP_REJECT_MALFORMED, 27, "expected ',' or '}'"},
    {"nested 17 deep", "{\"type\":\"error\",\"x\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", OXP_REJECT_MALFORMED, 36,
     "deep"},
    {"malformed before unknown type", "{\"type\":\"nope\",\"a\":}", OXP_REJECT_MALFORMED, 20, "expected a value"},
    {"malformed before missing type", "{\"a\":1", OXP_REJECT_MALFORMED, 7, "ends inside"},
    {"malformed in front of the type", "{\"a\":[,\"type\":\"error\"}", OXP_REJECT_MALFORMED, 7, "expected a value"},
    /* repetition */
    {"type twice", "{\"type\":\"error\",\"type\":\"error\"}", OXP_REJECT_MALFORMED, 17, "type stands twice"},
    {"type twice, late", "{\"op\":\"a\",\"type\":\"error\",\"type\":\"error\"}", OXP_REJECT_MALFORMED, 26,
     "type stands twice"},
    {"field twice", "{\"type\":\"error\",\"op\":\"a\",\"op\":\"a\"}", OXP_REJECT_MALFORMED, 26, "op stands twice"},
    {"field twice, one null", "{\"type\":\"error\",\"op\":null,\"op\":\"a\"}", OXP_REJECT_MALFORMED, 27,
     "op stands twice"},
    {"field twice, one escaped", "{\"type\":\"error\",\"op\":\"a\",\"\\u006fp\":\"a\"}", OXP_REJECT_MALFORMED, 26,
     "op stands twice"},
    {"unknown field twice", "{\"type\":\"error\",\"x\":1,\"x\":1}", OXP_REJECT_MALFORMED, 23, "twice"},
    {"group twice", "{\"type\":\"queue\",\"low\":{},\"low\":{}}", OXP_REJECT_MALFORMED, 26, "twice"},
    {"twice in a group", "{\"type\":\"queue\",\"low\":{\"length\":1,\"length\":1}}", OXP_REJECT_MALFORMED, 35,
     "low.length stands twice"},
    {"in a group and flat", "{\"type\":\"queue\",\"low\":{\"length\":1},\"low.length\":1}", OXP_REJECT_MALFORMED, 36,
     "low.length stands"},
    {"attr twice", "{\"type\":\"error\",\"attrs\":{\"a\":1,\"a\":2}}", OXP_REJECT_MALFORMED, 32, "twice"},
    /* types */
    {"no type", "{}", OXP_REJECT_BAD_FIELD, 1, "type is missing"},
    {"no type among fields", "{\"op\":\"act\",\"ts\":1}", OXP_REJECT_BAD_FIELD, 1, "type is missing"},
    {"type is a number", "{\"type\":5}", OXP_REJECT_BAD_FIELD, 9, "type: expected text, found a number"},
    {"type is null", "{\"type\":null}", OXP_REJECT_BAD_FIELD, 9, "type: expected text, found null"},
    {"unknown type", "{\"type\":\"session.begun\"}", OXP_REJECT_UNKNOWN_TYPE, 9, "unknown type \"session.begun\""},
    {"empty type", "{\"type\":\"\"}", OXP_REJECT_UNKNOWN_TYPE, 9, "unknown type \"\""},
    {"type in capitals", "{\"a\":1,\"type\":\"ERROR\"}", OXP_REJECT_UNKNOWN_TYPE, 15, "unknown type \"ERROR\""},
    {"secret type", "{\"type\":\"bb_live_0123456789\"}", OXP_REJECT_UNKNOWN_TYPE, 9, "unknown type \"[redacted]\""},
    /* kinds */
    {"text wanted", "{\"type\":\"error\",\"op\":5}", OXP_REJECT_BAD_FIELD, 22, "op: expected text, found a number"},
    {"text wanted, object", "{\"type\":\"error\",\"op\":{}}", OXP_REJECT_BAD_FIELD, 22,
     "op: expected text, found an object"},
    {"text wanted, array", "{\"type\":\"error\",\"op\":[]}", OXP_REJECT_BAD_FIELD, 22,
     "op: expected text, found an array"},
    {"text wanted, flag", "{\"type\":\"error\",\"op\":true}", OXP_REJECT_BAD_FIELD, 22,
     "op: expected text, found true or false"},
    {"time as text", "{\"type\":\"error\",\"ts\":\"2026-11-22T04:26:00Z\"}", OXP_REJECT_BAD_FIELD, 22,
     "ts: expected unix seconds, found text"},
    {"number as text", "{\"type\":\"error\",\"duration_s\":\"1\"}", OXP_REJECT_BAD_FIELD, 30,
     "duration_s: expected a number, found text"},
    {"flag as number", "{\"type\":\"error\",\"cleanup\":1}", OXP_REJECT_BAD_FIELD, 27,
     "cleanup: expected true or false, found a number"},
    {"flag as text", "{\"type\":\"error\",\"cleanup\":\"true\"}", OXP_REJECT_BAD_FIELD, 27,
     "cleanup: expected true or false, found text"},
    {"status of an error as text", "{\"type\":\"error\",\"status\":\"429\"}", OXP_REJECT_BAD_FIELD, 26,
     "status: expected a whole number"},
    {"status of a session as number", "{\"type\":\"session.ended\",\"session\":\"s\",\"status\":1}",
     OXP_REJECT_BAD_FIELD, 48, "status: expected text"},
    {"errno as flag", "{\"type\":\"error\",\"errno\":true}", OXP_REJECT_BAD_FIELD, 25,
     "errno: expected text or a number"},
    {"group as number", "{\"type\":\"queue\",\"low\":3}", OXP_REJECT_BAD_FIELD, 23,
     "low: expected an object, found a number"},
    {"attrs as array", "{\"type\":\"error\",\"attrs\":[]}", OXP_REJECT_BAD_FIELD, 25,
     "attrs: expected an object, found an array"},
    {"attr as object", "{\"type\":\"error\",\"attrs\":{\"a\":{}}}", OXP_REJECT_BAD_FIELD, 30,
     "attrs: expected text, numbers"},
    {"attr without a name", "{\"type\":\"error\",\"attrs\":{\"\":1}}", OXP_REJECT_BAD_FIELD, 26, "attrs: a name"},
    {"attr with a control character", "{\"type\":\"error\",\"attrs\":{\"\\n\":1}}", OXP_REJECT_BAD_FIELD, 26,
     "attrs: a name"},
    {"attr not a value", "{\"type\":\"error\",\"attrs\":{\"a\":x}}", OXP_REJECT_MALFORMED, 30, "expected a value"},
    /* ranges */
    {"negative number", "{\"type\":\"error\",\"duration_s\":-1}", OXP_REJECT_BAD_FIELD, 30,
     "duration_s: may not be negative"},
    {"negative time", "{\"type\":\"error\",\"ts\":-1}", OXP_REJECT_BAD_FIELD, 22, "ts: may not be negative"},
    {"infinite", "{\"type\":\"error\",\"duration_s\":1e999}", OXP_REJECT_BAD_FIELD, 30, "duration_s: out of range"},
    {"infinite metric", "{\"type\":\"metric\",\"name\":\"n\",\"kind\":\"g\",\"value\":-1e999}", OXP_REJECT_BAD_FIELD,
     48, "value: out of range"},
    {"fraction of a count", "{\"type\":\"error\",\"attempt\":1.5}", OXP_REJECT_BAD_FIELD, 27,
     "attempt: expected a whole number"},
    {"absurd duration", "{\"type\":\"error\",\"duration_s\":1e308}", OXP_REJECT_BAD_FIELD, 30,
     "duration_s: more than 1e9"},
    {"count past 2^53", "{\"type\":\"error\",\"attempt\":9007199254740993}", OXP_REJECT_BAD_FIELD, 27,
     "attempt: more than 2^53"},
    {"count of many digits", "{\"type\":\"error\",\"attempt\":123456789012345678901234567890}", OXP_REJECT_BAD_FIELD,
     27, "more than 2^53"},
    {"seq 0", "{\"type\":\"error\",\"seq\":0}", OXP_REJECT_BAD_FIELD, 23, "seq: counts from 1"},
    {"milliseconds", "{\"type\":\"error\",\"ts\":1765432100123}", OXP_REJECT_BAD_TIME, 22, "ts: not in unix seconds"},
    {"empty id", "{\"type\":\"error\",\"session\":\"\"}", OXP_REJECT_BAD_FIELD, 27, "session: may not be empty"},
    {"newline in an id", "{\"type\":\"error\",\"session\":\"a\\nb\"}", OXP_REJECT_BAD_FIELD, 27,
     "session: holds a control character"},
    {"NUL in an id", "{\"type\":\"error\",\"session\":\"a\\u0000b\"}", OXP_REJECT_BAD_FIELD, 27,
     "session: holds a control character"},
    {"DEL in an id", "{\"type\":\"error\",\"session\":\"a\x7f\"}", OXP_REJECT_BAD_FIELD, 27,
     "session: holds a control character"},
    /* what a type needs */
    {"session is missing", "{\"type\":\"session.started\"}", OXP_REJECT_BAD_FIELD, 26, "session is missing"},
    {"session is null", "{\"type\":\"session.started\",\"session\":null}", OXP_REJECT_BAD_FIELD, 41,
     "session is missing"},
    {"status is missing", "{\"type\":\"session.ended\",\"session\":\"s\"}  ", OXP_REJECT_BAD_FIELD, 38,
     "status is missing"},
    {"boot is missing", "{\"type\":\"orchestrator.started\"}", OXP_REJECT_BAD_FIELD, 31, "boot is missing"},
};

static void refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof must_reject / sizeof must_reject[0]; i++) {
        const char *name = must_reject[i].name;
        if (parse(oxp_view_from(must_reject[i].line)) != OXP_ERR_SYNTAX) {
            fail_msg("%s: not refused", name);
        }
        if (refusal.reason != must_reject[i].reason || refusal.error.column != must_reject[i].column ||
            strstr(refusal.error.text, must_reject[i].text) == NULL) {
            fail_msg("%s: got %s, column %u: %s", name, oxp_reject_name(refusal.reason), refusal.error.column,
                     refusal.error.text);
        }
    }
}

/* A good line cut anywhere is refused as malformed, at a column within it; the same line with one byte put wrong never
 * crashes. */
static void cut_anywhere(void **state) {
    (void)state;
    static const char line[] = "{\"type\":\"operation\",\"ts\":1.5e3,\"op\":\"a\\u00e9\xc3\xa9\",\"ok\":true,"
                               "\"duration_s\":0.25,\"tokens\":{\"input\":1},"
                               "\"attrs\":{\"a\":\"b\",\"c\":null},\"x\":[1,{\"y\":\"z\"}]}";
    accepts("whole", oxp_view_from(line));
    for (size_t len = 0; len < sizeof line - 1; len++) {
        assert_int_equal(parse(oxp_view_of(line, len)), OXP_ERR_SYNTAX);
        assert_int_equal(refusal.reason, OXP_REJECT_MALFORMED);
        assert_in_range(refusal.error.column, 1, len + 1);
    }
    char wrong[sizeof line];
    for (size_t at = 0; at < sizeof line - 1; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            memcpy(wrong, line, sizeof line);
            wrong[at] = (char)byte;
            if (parse(oxp_view_of(wrong, sizeof line - 1)) != OXP_OK) {
                assert_in_range(refusal.error.column, 1, sizeof line);
                assert_true(refusal.error.text[0] != '\0');
            }
        }
    }
}

static void nul_bytes(void **state) {
    (void)state;
    static const char between[] = "{\"type\":\"error\"\0}", inside[] = "{\"type\":\"error\",\"op\":\"a\0b\"}",
                      behind[] = "{\"type\":\"error\"}\0";
    assert_int_equal(parse(oxp_view_of(between, sizeof between - 1)), OXP_ERR_SYNTAX);
    assert_int_equal(refusal.error.column, 16);
    assert_int_equal(parse(oxp_view_of(inside, sizeof inside - 1)), OXP_ERR_SYNTAX);
    assert_int_equal(refusal.error.column, 24);
    assert_int_equal(parse(oxp_view_of(behind, sizeof behind - 1)), OXP_ERR_SYNTAX);
    assert_int_equal(refusal.error.column, 17);
}

static size_t line_with(char *out, const char *head, size_t fill, const char *tail) {
    size_t len = strlen(head);
    memcpy(out, head, len);
    memset(out + len, 'x', fill);
    memcpy(out + len + fill, tail, strlen(tail));
    return len + fill + strlen(tail);
}

static void limits(void **state) {
    (void)state;
    static char line[3 * OXP_EVENT_LINE_MAX];
    size_t len = line_with(line, "{\"type\":\"error\",\"session\":\"", 128, "\"}");
    accepts("id of 128", oxp_view_of(line, len));
    len = line_with(line, "{\"type\":\"error\",\"session\":\"", 129, "\"}");
    assert_int_equal(parse(oxp_view_of(line, len)), OXP_ERR_SYNTAX);
    assert_string_equal(refusal.error.text, "session: longer than 128 bytes");
    len = line_with(line, "{\"type\":\"error\",\"message\":\"", 5000, "\"}");
    accepts("long message", oxp_view_of(line, len));
    assert_int_equal(oxp_event_text(&event, OXP_FIELD_MESSAGE).len, 4096);
    /* the cut does not split a character: the euro sign would end at byte 65 */
    len = line_with(line, "{\"type\":\"error\",\"op\":\"", 62, "\xe2\x82\xac and more\"}");
    accepts("long op", oxp_view_of(line, len));
    assert_int_equal(oxp_event_text(&event, OXP_FIELD_OP).len, 62);
    len = line_with(line, "{\"type\":\"error\",\"op\":\"", 61, "\xe2\x82\xac and more\"}");
    accepts("long op", oxp_view_of(line, len));
    assert_int_equal(oxp_event_text(&event, OXP_FIELD_OP).len, 64);
    /* the line itself */
    len = line_with(line, "{\"type\":\"error\",\"x\":\"", OXP_EVENT_LINE_MAX - 23, "\"}");
    assert_int_equal(len, OXP_EVENT_LINE_MAX);
    accepts("longest line", oxp_view_of(line, len));
    line[len] = ' ';
    assert_int_equal(parse(oxp_view_of(line, len + 1)), OXP_ERR_SYNTAX);
    assert_int_equal(refusal.reason, OXP_REJECT_TOO_LARGE);
    assert_int_equal(refusal.error.column, OXP_EVENT_LINE_MAX + 1);
}

/* A secret at the place where a text is cut is hidden first, so that no half of it stays. */
static void scrubbed_before_it_is_cut(void **state) {
    (void)state;
    static char line[OXP_EVENT_LINE_MAX];
    size_t len = line_with(line, "{\"type\":\"error\",\"message\":\"", 4080, " bb_live_0123456789abcdef\"}");
    accepts("cut key", oxp_view_of(line, len));
    struct oxp_view text = oxp_event_text(&event, OXP_FIELD_MESSAGE);
    assert_int_equal(text.len, 4080 + 1 + 10);
    assert_memory_equal(text.ptr + 4080, " [redacted]", 11);
}

/* Every value and name doubled by "[redacted]": more than the scratch holds is refused, not cut. */
static void scratch_overflows(void **state) {
    (void)state;
    static char line[OXP_EVENT_LINE_MAX + 64];
    size_t len = (size_t)snprintf(line, sizeof line, "{\"type\":\"error\",\"stack\":\"");
    while (len < OXP_EVENT_LINE_MAX - 20) {
        memcpy(line + len, "token=x,", 8);
        len += 8;
    }
    memcpy(line + len, "\"}", 2);
    assert_int_equal(parse(oxp_view_of(line, len + 2)), OXP_ERR_SYNTAX);
    assert_int_equal(refusal.reason, OXP_REJECT_TOO_LARGE);
    line[40] = '\\'; /* and the same by way of an escape */
    line[41] = 'n';
    assert_int_equal(parse(oxp_view_of(line, len + 2)), OXP_ERR_SYNTAX);
    assert_int_equal(refusal.reason, OXP_REJECT_TOO_LARGE);
}

static bool has_pair(const struct oxp_event_pair *pairs, size_t count, const char *name, const char *value) {
    for (size_t i = 0; i < count; i++) {
        if (oxp_view_is(pairs[i].name, name)) {
            return oxp_view_is(pairs[i].value, value);
        }
    }
    return false;
}

static void maps(void **state) {
    (void)state;
    accepts("attrs",
            oxp_view_from(
                "{\"type\":\"metric\",\"name\":\"n\",\"kind\":\"gauge\",\"value\":1,\"labels\":{\"caller\":\"me\"},"
                "\"attrs\":{\"s\":\"t\\u0065xt\",\"n\":-1.50e3,\"t\":true,\"f\":false,\"z\":null,\"e\":\"\","
                "\"apiKey\":\"anything\",\"url\":\"wss://h?k=v\",\"bb_live_0123456789\":1}}"));
    assert_true(oxp_event_has(&event, OXP_FIELD_ATTRS));
    assert_int_equal(event.attr_count, 8);
    assert_true(has_pair(event.attrs, 8, "s", "text"));
    assert_true(has_pair(event.attrs, 8, "n", "-1.50e3"));
    assert_true(has_pair(event.attrs, 8, "t", "true"));
    assert_true(has_pair(event.attrs, 8, "f", "false"));
    assert_true(has_pair(event.attrs, 8, "e", ""));
    assert_true(has_pair(event.attrs, 8, "apiKey", "[redacted]"));
    assert_true(has_pair(event.attrs, 8, "url", "wss://h?k=[redacted]"));
    assert_true(has_pair(event.attrs, 8, "[redacted]", "1"));
    assert_int_equal(event.label_count, 1);
    assert_true(has_pair(event.labels, 1, "caller", "me"));
}

static void map_limits(void **state) {
    (void)state;
    static char line[OXP_EVENT_LINE_MAX];
    for (int pairs = 32; pairs <= 33; pairs++) {
        size_t len = (size_t)snprintf(line, sizeof line, "{\"type\":\"error\",\"attrs\":{");
        for (int i = 0; i < pairs; i++) {
            len += (size_t)snprintf(line + len, sizeof line - len, "%s\"a%d\":%d", i == 0 ? "" : ",", i, i);
        }
        len += (size_t)snprintf(line + len, sizeof line - len, "}}");
        assert_int_equal(parse(oxp_view_of(line, len)), pairs == 32 ? OXP_OK : OXP_ERR_SYNTAX);
    }
    assert_string_equal(refusal.error.text, "attrs: more than 32 pairs");
    size_t len = line_with(line, "{\"type\":\"error\",\"attrs\":{\"", 129, "\":1}}");
    assert_int_equal(parse(oxp_view_of(line, len)), OXP_ERR_SYNTAX);
    assert_int_equal(refusal.reason, OXP_REJECT_BAD_FIELD);
    len = line_with(line, "{\"type\":\"error\",\"attrs\":{\"a\":\"", 2000, "\"}}");
    accepts("long attr", oxp_view_of(line, len));
    assert_int_equal(event.attrs[0].value.len, 1024);
}

/* More unknown keys than are watched: still taken. */
static void many_unknown_keys(void **state) {
    (void)state;
    static char line[OXP_EVENT_LINE_MAX];
    size_t len = (size_t)snprintf(line, sizeof line, "{\"type\":\"error\"");
    for (int i = 0; i < 200; i++) {
        len += (size_t)snprintf(line + len, sizeof line - len, ",\"unknown_%d\":%d", i, i);
    }
    line[len++] = '}';
    accepts("many", oxp_view_of(line, len));
}

/* Every type of the table with all its fields, in both orders. */
static void every_type(void **state) {
    (void)state;
    for (unsigned t = OXP_EVENT_NONE + 1; t < OXP_EVENT_TYPES; t++) {
        const struct oxp_type_spec *spec = oxp_type_spec((enum oxp_event_type)t);
        char line[OXP_EVENT_LINE_MAX], fields[OXP_EVENT_LINE_MAX];
        size_t len = 0;
        const enum oxp_field *both[] = {spec->required, spec->optional};
        for (size_t b = 0; b < 2; b++) {
            for (const enum oxp_field *f = both[b]; *f != OXP_FIELDS; f++) {
                const struct oxp_field_spec *field = oxp_field_spec(*f);
                bool text =
                    field->kind == OXP_KIND_STRING || field->kind == OXP_KIND_ID || field->kind == OXP_KIND_WORD;
                const char *value = text                           ? "\"v\""
                                    : field->kind == OXP_KIND_BOOL ? "true"
                                    : field->kind == OXP_KIND_MAP  ? "{}"
                                                                   : "7";
                len += (size_t)snprintf(fields + len, sizeof fields - len, "%s\"%s\":%s", len == 0 ? "" : ",",
                                        field->name, value);
            }
        }
        fields[len] = '\0';
        for (int last = 0; last < 2; last++) {
            const char *comma = len == 0 ? "" : ",";
            int n = last ? snprintf(line, sizeof line, "{%s%s\"type\":\"%s\"}", fields, comma, spec->name)
                         : snprintf(line, sizeof line, "{\"type\":\"%s\"%s%s}", spec->name, comma, fields);
            accepts(spec->name, oxp_view_of(line, (size_t)n));
            assert_int_equal(event.type, t);
            for (size_t b = 0; b < 2; b++) {
                for (const enum oxp_field *f = both[b]; *f != OXP_FIELDS; f++) {
                    assert_true(oxp_event_has(&event, *f));
                }
            }
        }
    }
}

/* The seq of a line that was refused, wherever it stands. */
static void seq_of_refused_lines(void **state) {
    static const struct {
        const char *name, *line;
        uint64_t seq; /* 0 = none */
    } rows[] = {
        {"last", "{\"type\":\"no.such\",\"x\":{\"seq\":9},\"seq\":5}", 5},
        {"first", " { \"seq\" : 7 , \"type\":\"session.started\"}", 7},
        {"cut behind it", "{\"seq\":7,\"type\":", 7},
        {"cut before it", "{\"type\":\"session.sta", 0},
        {"none", "{\"type\":\"no.such\"}", 0},
        {"nested alone", "{\"x\":{\"seq\":9}}", 0},
        {"text", "{\"seq\":\"7\"}", 0},
        {"zero", "{\"seq\":0}", 0},
        {"negative", "{\"seq\":-1}", 0},
        {"fraction", "{\"seq\":1.5}", 0},
        {"past 2^53", "{\"seq\":9007199254740993}", 0},
        {"no object", "[1]", 0},
        {"empty", "", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t seq = 0;
        bool found = oxp_parse_seq(oxp_view_from(rows[i].line), &seq);
        if (found != (rows[i].seq != 0) || (found && seq != rows[i].seq)) {
            fail_msg("%s: %d %llu", rows[i].name, found, (unsigned long long)seq);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted),
        cmocka_unit_test(seq_of_refused_lines),
        cmocka_unit_test(refused),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(nul_bytes),
        cmocka_unit_test(limits),
        cmocka_unit_test(scrubbed_before_it_is_cut),
        cmocka_unit_test(scratch_overflows),
        cmocka_unit_test(maps),
        cmocka_unit_test(map_limits),
        cmocka_unit_test(many_unknown_keys),
        cmocka_unit_test(every_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
