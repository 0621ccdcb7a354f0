/* Encode and decode: what comes back, what is refused, what never gets into a file. */
#include <oxpecker/checkpoint.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/crc32.h"
#include "lib/base/random.h"
#include "lib/json/json.h"
#include "tests/support/alloc_fail.h"

#define TEXT(view) (int)(view).len, (view).ptr

static const struct oxp_view deps[] = {{"a", 1}, {"b/\"ü\"", 6}, {"", 0}};

static struct oxp_checkpoint sample(void) {
    return (struct oxp_checkpoint){
        .task = OXP_VIEW("task-1"),
        .workflow = OXP_VIEW("daily"),
        .run = OXP_VIEW("r7"),
        .session = OXP_VIEW("0f9b2c1e"),
        .state = OXP_VIEW("page \"7\" / ü \t"),
        .context =
            OXP_VIEW("{\"n\": 12345678901234567, \"d\": 0.10, \"e\": [1.0, -0, 1e2, null, true], \"s\": \"\\u00fc\"}"),
        .results = OXP_VIEW(" [ {} , [] ] "),
        .finished = deps,
        .finished_count = 3,
        .progress_pct = 62.5,
        .attempt = 2,
        .schema = 9,
        .seq = UINT64_C(18446744073709551615),
        .created_s = 1763784360.125,
    };
}

static char *encode(const struct oxp_checkpoint *checkpoint, size_t *len_out) {
    char *text = NULL;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_checkpoint_encode(checkpoint, NULL, &text, len_out, &error);
    if (status != OXP_OK) {
        fail_msg("encode: %s", error.text);
    }
    return text;
}

static void assert_view(struct oxp_view got, struct oxp_view want) {
    if (!oxp_view_equal(got, want)) {
        fail_msg("got \"%.*s\", want \"%.*s\"", TEXT(got), TEXT(want));
    }
}

static void test_round_trip(void **state) {
    (void)state;
    struct oxp_checkpoint in = sample(), *out = NULL;
    size_t len = 0;
    char *text = encode(&in, &len);
    assert_int_equal(strlen(text), len);
    assert_int_equal(oxp_checkpoint_decode(oxp_view_of(text, len), &out, NULL), OXP_OK);
    assert_view(out->task, in.task);
    assert_view(out->workflow, in.workflow);
    assert_view(out->run, in.run);
    assert_view(out->session, in.session);
    assert_view(out->state, in.state);
    assert_view(out->context, in.context); /* numbers to the last digit */
    assert_view(out->results, OXP_VIEW("[ {} , [] ]"));
    assert_int_equal(out->finished_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_view(out->finished[i], deps[i]);
    }
    assert_true(out->progress_pct == 62.5 && out->created_s == in.created_s);
    assert_true(out->attempt == 2 && out->schema == 9 && out->seq == in.seq && !out->complete);
    struct oxp_json *json = NULL; /* the file is JSON as a whole */
    assert_int_equal(oxp_json_read(oxp_view_of(text, len), &json, NULL), OXP_OK);
    oxp_json_free(json);
    oxp_checkpoint_free(out);
    free(text);
}

/* So that a file of today is read for ever. */
static void test_golden(void **state) {
    (void)state;
    static const char golden[] = "{\n  \"oxpecker_checkpoint\": 1,\n  \"crc32c\": \"0d16c79f\",\n  \"bytes\": 238,\n  "
                                 "\"payload\": {\n    \"schema\": 1,\n    \"seq\": \"42\",\n    \"task\": \"t\",\n    "
                                 "\"created\": \"2026-11-22T04:26:00.000Z\",\n    \"created_s\": 1795321560,\n    "
                                 "\"progress_pct\": 0,\n    \"attempt\": 0,\n    \"complete\": true,\n    "
                                 "\"finished\": [\"a\"],\n    \"context\": {\"k\": 1}\n  }\n}\n";
    struct oxp_checkpoint in = {.task = OXP_VIEW("t"),
                                .schema = 1,
                                .seq = 42,
                                .created_s = 1795321560,
                                .complete = true,
                                .finished = deps,
                                .finished_count = 1,
                                .context = OXP_VIEW("{\"k\": 1}")};
    size_t len = 0;
    char *text = encode(&in, &len);
    assert_string_equal(text, golden);
    free(text);
}

static void test_empty(void **state) {
    (void)state;
    struct oxp_checkpoint in = {.task = OXP_VIEW("t")}, *out = NULL;
    size_t len = 0;
    char *text = encode(&in, &len);
    assert_int_equal(oxp_checkpoint_decode(oxp_view_of(text, len), &out, NULL), OXP_OK);
    assert_int_equal(out->finished_count, 0);
    assert_int_equal(out->context.len + out->results.len + out->workflow.len, 0);
    oxp_checkpoint_free(out);
    free(text);
}

/* ---- What encode refuses ---- */

static char *deep(unsigned depth) {
    char *text = calloc(1, depth * 2 + 1);
    assert_non_null(text);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    return text;
}

static void test_refused(void **state) {
    (void)state;
    char long_id[OXP_CHECKPOINT_TASK_MAX + 2];
    memset(long_id, 'x', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    char *depth60 = deep(60), *depth61 = deep(61), *depth2000 = deep(2000);
    const struct {
        const char *name;
        const char *task, *text, *json;
        double pct, created;
        enum oxp_status status;
    } rows[] = {
        {"plain", "t", "s", "{}", 0, 0, OXP_OK},
        {"any JSON value", "t", "s", "\"x\"", 100, 0, OXP_OK},
        {"a task id of all kinds of bytes", "a b/ü:{}\"'\\", "", "", 0, 0, OXP_OK},
        {"no task", "", "", "", 0, 0, OXP_ERR_INVALID},
        {"a long task", long_id, "", "", 0, 0, OXP_ERR_INVALID},
        {"a control byte in the task", "a\nb", "", "", 0, 0, OXP_ERR_INVALID},
        {"a task that is not UTF-8", "\xff", "", "", 0, 0, OXP_ERR_INVALID},
        {"a task that is a key", "bb_live_0123456789abcdef", "", "", 0, 0, OXP_ERR_INVALID},
        {"a state that is not UTF-8", "t", "\xc3", "", 0, 0, OXP_ERR_INVALID},
        {"progress above", "t", "", "", 100.5, 0, OXP_ERR_INVALID},
        {"progress below", "t", "", "", -1, 0, OXP_ERR_INVALID},
        {"progress is no number", "t", "", "", 0.0 / 0.0, 0, OXP_ERR_INVALID},
        {"time is no number", "t", "", "", 0, 1.0 / 0.0, OXP_ERR_INVALID},
        {"cut JSON", "t", "", "{\"a\":", 0, 0, OXP_ERR_SYNTAX},
        {"two values", "t", "", "1 2", 0, 0, OXP_ERR_SYNTAX},
        {"only space", "t", "", " ", 0, 0, OXP_ERR_SYNTAX},
        {"a key twice", "t", "", "{\"a\":1,\"a\":2}", 0, 0, OXP_ERR_SYNTAX},
        {"no UTF-8 in JSON", "t", "", "\"\xff\"", 0, 0, OXP_ERR_SYNTAX},
        {"a huge whole number", "t", "", "123456789012345678901234567890", 0, 0, OXP_ERR_SYNTAX},
        {"a huge number", "t", "", "1e999", 0, 0, OXP_ERR_SYNTAX},
        {"60 deep", "t", "", depth60, 0, 0, OXP_OK},
        {"61 deep", "t", "", depth61, 0, 0, OXP_ERR_SYNTAX},
        {"2000 deep", "t", "", depth2000, 0, 0, OXP_ERR_SYNTAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_checkpoint in = {.task = oxp_view_from(rows[i].task),
                                    .state = oxp_view_from(rows[i].text),
                                    .context = oxp_view_from(rows[i].json),
                                    .progress_pct = rows[i].pct,
                                    .created_s = rows[i].created};
        char *text = NULL;
        size_t len = 0;
        struct oxp_error error = {0};
        enum oxp_status status = oxp_checkpoint_encode(&in, NULL, &text, &len, &error);
        if (status != rows[i].status) {
            fail_msg("%s: %s (%s)", rows[i].name, oxp_status_name(status), error.text);
        }
        assert_true(status == OXP_OK || error.text[0] != '\0');
        if (status == OXP_OK) { /* what is written can be read */
            struct oxp_checkpoint *out = NULL;
            assert_int_equal(oxp_checkpoint_decode(oxp_view_of(text, len), &out, NULL), OXP_OK);
            assert_view(out->context, in.context);
            oxp_checkpoint_free(out);
            free(text);
        }
    }
    free(depth60);
    free(depth61);
    free(depth2000);
}

static void test_nul(void **state) {
    (void)state;
    const struct oxp_view nul = {"a\0b", 3};
    const struct oxp_checkpoint rows[] = {
        {.task = nul},
        {.task = OXP_VIEW("t"), .state = nul},
        {.task = OXP_VIEW("t"), .finished = &nul, .finished_count = 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *text = NULL;
        size_t len;
        assert_int_equal(oxp_checkpoint_encode(&rows[i], NULL, &text, &len, NULL), OXP_ERR_INVALID);
    }
}

static void test_too_many_finished(void **state) {
    (void)state;
    struct oxp_checkpoint in = {
        .task = OXP_VIEW("t"), .finished = deps, .finished_count = OXP_CHECKPOINT_FINISHED_MAX + 1};
    char *text = NULL;
    size_t len;
    assert_int_equal(oxp_checkpoint_encode(&in, NULL, &text, &len, NULL), OXP_ERR_LIMIT);
}

/* ---- What decode refuses ---- */

static enum oxp_status try_decode(const char *text, size_t len) {
    char *exact = malloc(len + 1); /* so that a byte too far is met by the sanitizer */
    assert_non_null(exact);
    memcpy(exact, text, len);
    exact[len] = 'x';
    struct oxp_checkpoint *out = NULL;
    enum oxp_status status = oxp_checkpoint_decode(oxp_view_of(exact, len), &out, NULL);
    assert_true((status == OXP_OK) == (out != NULL));
    oxp_checkpoint_free(out);
    free(exact);
    return status;
}

static void test_cut_and_changed(void **state) {
    (void)state;
    struct oxp_checkpoint in = sample();
    size_t len = 0;
    char *text = encode(&in, &len);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(try_decode(text, cut), OXP_ERR_CORRUPT);
    }
    for (size_t at = 0; at < len; at++) { /* every bit; then the byte as a zero, as a lost block would have it */
        char old = text[at];
        for (int bit = 0; bit <= 8; bit++) {
            text[at] = (char)(bit == 8 ? 0 : old ^ (1 << bit));
            if (try_decode(text, len) != OXP_ERR_CORRUPT) {
                fail_msg("byte %zu, bit %d: accepted", at, bit);
            }
        }
        text[at] = old;
    }
    char *longer = malloc(len + 2);
    assert_non_null(longer);
    memcpy(longer, text, len);
    longer[len] = '\n';
    assert_int_equal(try_decode(longer, len + 1), OXP_ERR_CORRUPT);
    memset(longer, 0, len);
    assert_int_equal(try_decode(longer, len), OXP_ERR_CORRUPT); /* what some file systems leave after a power cut */
    free(longer);
    assert_int_equal(try_decode(text, len), OXP_OK);
    free(text);
}

/* A file with a checksum that fits. */
static char *seal(const char *format, const char *payload, size_t *len_out) {
    uint32_t crc = oxp_crc32c(oxp_crc32c(0, format, strlen(format)), payload, strlen(payload));
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    oxp_buf_append_format(&out, "{\n  \"oxpecker_checkpoint\": %s,\n  \"crc32c\": \"%08x\",\n  \"bytes\": %zu,\n",
                          format, crc, strlen(payload));
    oxp_buf_append_text(&out, "  \"payload\": ");
    oxp_buf_append_text(&out, payload);
    oxp_buf_append_text(&out, "\n}\n");
    return oxp_buf_take(&out, len_out);
}

#define GOOD(rest)                                                                                                     \
    "{\"schema\": 1, \"seq\": \"1\", \"task\": \"t\", \"created_s\": 1, \"progress_pct\": 1, \"attempt\": 1, "         \
    "\"complete\": true" rest "}"

static void test_sealed(void **state) {
    (void)state;
    char *depth70 = deep(70);
    struct oxp_buf nested;
    oxp_buf_init(&nested, 0);
    oxp_buf_append_format(&nested, GOOD(", \"context\": %s"), depth70);
    const struct {
        const char *name, *format, *payload;
        enum oxp_status status;
    } rows[] = {
        {"good", "1", GOOD(""), OXP_OK},
        {"members of later versions", "1", GOOD(", \"new\": [1, {\"context\": 3}]"), OXP_OK},
        {"format 2", "2", GOOD(""), OXP_ERR_UNSUPPORTED},
        {"format 2, of another shape", "2", "[]", OXP_ERR_UNSUPPORTED},
        {"format 999999999", "999999999", "x", OXP_ERR_UNSUPPORTED},
        {"format of 10 digits", "1999999999", GOOD(""), OXP_ERR_CORRUPT},
        {"no format", "", GOOD(""), OXP_ERR_CORRUPT},
        {"not an object", "1", "[]", OXP_ERR_CORRUPT},
        {"not JSON", "1", "{", OXP_ERR_CORRUPT},
        {"no members", "1", "{}", OXP_ERR_CORRUPT},
        {"seq is a number", "1",
         "{\"schema\": 1, \"seq\": 1, \"task\": \"t\", \"created_s\": 1, \"progress_pct\": 1, \"attempt\": 1, "
         "\"complete\": true}",
         OXP_ERR_CORRUPT},
        {"schema of 33 bits", "1",
         "{\"schema\": 4294967296, \"seq\": \"1\", \"task\": \"t\", \"created_s\": 1, \"progress_pct\": 1, "
         "\"attempt\": "
         "1, \"complete\": true}",
         OXP_ERR_CORRUPT},
        {"attempt is a fraction", "1",
         "{\"schema\": 1, \"seq\": \"1\", \"task\": \"t\", \"created_s\": 1, \"progress_pct\": 1, \"attempt\": 1.5, "
         "\"complete\": true}",
         OXP_ERR_CORRUPT},
        {"huge time", "1",
         "{\"schema\": 1, \"seq\": \"1\", \"task\": \"t\", \"created_s\": 1e300, \"progress_pct\": 1, \"attempt\": 1, "
         "\"complete\": true}",
         OXP_ERR_CORRUPT},
        {"seq past 64 bits", "1",
         "{\"schema\": 1, \"seq\": \"18446744073709551616\", \"task\": \"t\", \"created_s\": 1, \"progress_pct\": 1, "
         "\"attempt\": 1, \"complete\": true}",
         OXP_ERR_CORRUPT},
        {"state is a number", "1", GOOD(", \"state\": 1"), OXP_ERR_CORRUPT},
        {"finished is an object", "1", GOOD(", \"finished\": {}"), OXP_ERR_CORRUPT},
        {"finished has a number", "1", GOOD(", \"finished\": [\"a\", 1]"), OXP_ERR_CORRUPT},
        {"a member twice", "1", GOOD(", \"task\": \"u\""), OXP_ERR_CORRUPT},
        {"deep", "1", oxp_buf_text(&nested), OXP_ERR_CORRUPT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = 0;
        char *text = seal(rows[i].format, rows[i].payload, &len);
        enum oxp_status status = try_decode(text, len);
        if (status != rows[i].status) {
            fail_msg("%s: %s", rows[i].name, oxp_status_name(status));
        }
        free(text);
    }
    oxp_buf_fini(&nested);
    free(depth70);
}

/* ---- Secrets ---- */

#define CANARY "bb_live_c4nary0123456789"

static void test_secrets(void **state) {
    (void)state;
    static const struct {
        const char *name, *in, *want;
    } rows[] = {
        {"nothing", "{\"a\": [1.50, \"x\"]}", "{\"a\": [1.50, \"x\"]}"},
        {"a key in a text", "{\"a\": \"key " CANARY "!\"}", "{\"a\": \"key [redacted]!\"}"},
        {"a connect URL", "[\"wss://connect.example.com/?apiKey=" CANARY "&x=1\"]",
         "[\"wss://connect.example.com/?apiKey=[redacted]&x=[redacted]\"]"},
        {"escaped", "\"\\u0062b_live_c4nary0123456789\"", "\"[redacted]\""},
        {"escaped slashes", "\"wss:\\/\\/c.example.com\\/?signingKey=c4nary0123456789\"",
         "\"wss://c.example.com/?signingKey=[redacted]\""},
        {"by its name", "{\"apiKey\" : \"c4nary\", \"b\": 1}", "{\"apiKey\" : \"[redacted]\", \"b\": 1}"},
        {"by its escaped name", "{\"api\\u004bey\": \"c4nary\"}", "{\"api\\u004bey\": \"[redacted]\"}"},
        {"a number by its name", "{\"password\":12345,\"n\":2}", "{\"password\":\"[redacted]\",\"n\":2}"},
        {"a list by its name", "{\"x-api-key\": [\"c4nary\", {\"a\": \"]\"}], \"n\": 2}",
         "{\"x-api-key\": \"[redacted]\", \"n\": 2}"},
        {"an object by its name", "{\"credentials\": {\"u\": \"c4nary}\"}}", "{\"credentials\": \"[redacted]\"}"},
        {"null by its name", "{\"password\": null, \"token\": false}", "{\"password\": null, \"token\": false}"},
        {"a plain name", "{\"nextPageToken\": \"p2\", \"token\": \"c4nary\"}",
         "{\"nextPageToken\": \"p2\", \"token\": \"[redacted]\"}"},
        {"a key under a plain name", "{\"nextPageToken\": \"" CANARY "\"}", "{\"nextPageToken\": \"[redacted]\"}"},
        {"names", "{\"" CANARY "\": 1, \"" CANARY "5\": 2}", "{\"[redacted-1]\": 1, \"[redacted-2]\": 2}"},
        {"JSON in a text", "\"{\\\"apiKey\\\": \\\"c4nary0123\\\"}\"", "\"{\\\"apiKey\\\": \\\"[redacted]\\\"}\""},
        {"an array in an object in an array", "[{\"a\":[{\"secretKey\":\"c4nary\"},\"k\"],\"b\":\"v\"}]",
         "[{\"a\":[{\"secretKey\":\"[redacted]\"},\"k\"],\"b\":\"v\"}]"},
    };
    static const char *const plain[] = {"nextPageToken", NULL};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_checkpoint in = {
            .task = OXP_VIEW("t"), .context = oxp_view_from(rows[i].in), .results = oxp_view_from(rows[i].in)};
        char *text = NULL;
        size_t len = 0;
        assert_int_equal(oxp_checkpoint_encode(&in, plain, &text, &len, NULL), OXP_OK);
        struct oxp_checkpoint *out = NULL;
        assert_int_equal(oxp_checkpoint_decode(oxp_view_of(text, len), &out, NULL), OXP_OK);
        if (!oxp_view_is(out->context, rows[i].want) || !oxp_view_is(out->results, rows[i].want)) {
            fail_msg("%s: %.*s", rows[i].name, TEXT(out->context));
        }
        assert_null(strstr(text, "c4nary"));
        oxp_checkpoint_free(out);
        free(text);
    }
}

static void test_secrets_in_texts(void **state) {
    (void)state;
    const struct oxp_view canary = OXP_VIEW("wss://u:c4nary@h/?apiKey=" CANARY);
    struct oxp_checkpoint in = {.task = OXP_VIEW("t"),
                                .workflow = canary,
                                .run = canary,
                                .session = canary,
                                .state = canary,
                                .finished = &canary,
                                .finished_count = 1};
    size_t len = 0;
    char *text = encode(&in, &len);
    assert_null(strstr(text, "c4nary"));
    free(text);
}

/* Nor into the reason why a snapshot was refused. */
static void test_secrets_in_reasons(void **state) {
    (void)state;
    static const char *const rows[] = {"{\"password\": \"c4nary\" \"c4nary\"}", "c4nary", "{\"c4nary\":1,\"c4nary\":2}",
                                       "[\"c4nary"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_checkpoint in = {.task = OXP_VIEW("t"), .context = oxp_view_from(rows[i])};
        struct oxp_error error = {0};
        char *text = NULL;
        size_t len;
        assert_int_equal(oxp_checkpoint_encode(&in, NULL, &text, &len, &error), OXP_ERR_SYNTAX);
        if (strstr(error.text, "c4nary") != NULL || error.line == 0) {
            fail_msg("line %u: %s", error.line, error.text);
        }
    }
}

/* ---- Memory ---- */

static void encode_and_decode(void *ctx) {
    (void)ctx;
    struct oxp_checkpoint in = sample(), *out = NULL;
    in.context = OXP_VIEW("{\"a\\n\": \"" CANARY "\"}");
    char *text = NULL;
    size_t len = 0;
    if (oxp_checkpoint_encode(&in, NULL, &text, &len, NULL) != OXP_OK) {
        return;
    }
    if (oxp_checkpoint_decode(oxp_view_of(text, len), &out, NULL) == OXP_OK) {
        assert_view(out->task, in.task);
    }
    oxp_checkpoint_free(out);
    free(text);
}

static void test_no_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_each(encode_and_decode, NULL) > 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_too_many_finished),
        cmocka_unit_test(test_cut_and_changed),
        cmocka_unit_test(test_sealed),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_secrets_in_texts),
        cmocka_unit_test(test_secrets_in_reasons),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
