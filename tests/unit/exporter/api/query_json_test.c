/* Answers, byte for byte as Prometheus writes them. */
#include "exporter/api/query_json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/alloc_fail.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

static struct oxp_arena arena;
static struct oxp_buf out;

static int start(void **state) {
    (void)state;
    oxp_arena_init(&arena, 0);
    oxp_buf_init(&out, 0);
    return 0;
}

static int stop(void **state) {
    (void)state;
    oxp_arena_fini(&arena);
    oxp_buf_fini(&out);
    return 0;
}

static const struct oxp_labels *labels_of(const char *name, const char *key, const char *value) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, &arena, oxp_labels_none());
    oxp_labels_set_text(&builder, OXP_VIEW("__name__"), oxp_view_from(name));
    oxp_labels_set_text(&builder, oxp_view_from(key), oxp_view_from(value));
    return oxp_labels_finish(&builder);
}

/* What strconv.FormatFloat gives for 'f' and 'e' with the cut-offs of Prometheus' jsonutil.MarshalFloat. */
static const struct {
    double value;
    const char *sample, *scalar;
} values[] = {
    {0, "0", "0"},
    {-0.0, "-0", "-0"},
    {1, "1", "1"},
    {-1.5, "-1.5", "-1.5"},
    {0.1, "0.1", "0.1"},
    {1.0 / 3, "0.3333333333333333", "0.3333333333333333"},
    {1e6, "1000000", "1000000"},
    {123456789012345680000.0, "123456789012345680000", "123456789012345680000"},
    {999999999999999900000.0, "999999999999999900000", "999999999999999900000"},
    {1e21, "1e+21", "1000000000000000000000"},
    {-1.25e22, "-1.25e+22", "-12500000000000000000000"},
    {1e100, "1e+100",
     "10000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"},
    {0.00001, "0.00001", "0.00001"},
    {0.000001, "0.000001", "0.000001"},
    {1.234e-6, "0.000001234", "0.000001234"},
    {-9.99e-6, "-0.00000999", "-0.00000999"},
    {9.99e-7, "9.99e-07", "0.000000999"},
    {1e-7, "1e-07", "0.0000001"},
    {-1.5e-10, "-1.5e-10", "-0.00000000015"},
    {5e-324, "5e-324", NULL},
    {1.7976931348623157e308, "1.7976931348623157e+308", NULL},
    {4294967296.5, "4294967296.5", "4294967296.5"},
    {INFINITY, "+Inf", "+Inf"},
    {-INFINITY, "-Inf", "-Inf"},
    {NAN, "NaN", "NaN"},
};

static void test_values(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        char want[400];
        oxp_buf_clear(&out);
        oxp_query_json_value(&out, values[i].value);
        snprintf(want, sizeof want, "\"%s\"", values[i].sample);
        assert_string_equal(oxp_buf_text(&out), want);
        if (values[i].scalar != NULL) {
            oxp_buf_clear(&out);
            oxp_query_json_scalar(&out, values[i].value);
            snprintf(want, sizeof want, "\"%s\"", values[i].scalar);
            assert_string_equal(oxp_buf_text(&out), want);
        }
    }
    oxp_buf_clear(&out);
    oxp_query_json_scalar(&out, 1.7976931348623157e308); /* 309 digits */
    assert_int_equal(out.len, 311);
    assert_memory_equal(out.data, "\"17976931348623157000", 21);
    oxp_buf_clear(&out);
    oxp_query_json_scalar(&out, 5e-324);
    assert_int_equal(out.len, 328);
    assert_memory_equal(out.data + out.len - 4, "005\"", 4);
}

static void test_times(void **state) {
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "0"},
        {1, "0.001"},
        {-1, "-0.001"},
        {12000, "12"},
        {12340, "12.340"},
        {1050, "1.050"},
        {1435781451781, "1435781451.781"},
        {-12500, "-12.500"},
        {INT64_MIN, "-9223372036854775.808"},
        {INT64_MAX, "9223372036854775.807"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        oxp_buf_clear(&out);
        oxp_query_json_time(&out, rows[i].ms);
        assert_string_equal(oxp_buf_text(&out), rows[i].text);
    }
}

static void test_faults(void **state) {
    (void)state;
    static const struct {
        enum oxp_status status;
        int http;
        const char *json;
    } rows[] = {
        {OXP_ERR_SYNTAX, 400, "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"a \\\"b\\\"\"}"},
        {OXP_ERR_INVALID, 422, "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"a \\\"b\\\"\"}"},
        {OXP_ERR_LIMIT, 422, "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"a \\\"b\\\"\"}"},
        {OXP_ERR_TIMEOUT, 503, "{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"a \\\"b\\\"\"}"},
        {OXP_ERR_CLOSED, 503, "{\"status\":\"error\",\"errorType\":\"canceled\",\"error\":\"a \\\"b\\\"\"}"},
        {OXP_ERR_IN_USE, 503, "{\"status\":\"error\",\"errorType\":\"unavailable\",\"error\":\"a \\\"b\\\"\"}"},
        {OXP_ERR_NOMEM, 503, "{\"status\":\"error\",\"errorType\":\"unavailable\",\"error\":\"a \\\"b\\\"\"}"},
        {OXP_ERR_CORRUPT, 500, "{\"status\":\"error\",\"errorType\":\"internal\",\"error\":\"a \\\"b\\\"\"}"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct oxp_query_fault fault;
        assert_false(oxp_query_refuse(&fault, oxp_query_error_of(rows[i].status), "a \"%s\"", "b"));
        oxp_buf_clear(&out);
        oxp_query_json_fault(&out, &fault);
        assert_string_equal(oxp_buf_text(&out), rows[i].json);
        assert_int_equal(oxp_query_http_status(fault.error), rows[i].http);
    }
    assert_int_equal(oxp_query_http_status(OXP_QUERY_NOT_FOUND), 404);
}

static const char *annotations_text(const struct oxp_annotation *annotations, size_t count, const char *const *more) {
    oxp_buf_clear(&out);
    oxp_query_json_annotations(&out, annotations, count, more);
    return oxp_buf_text(&out);
}

static void test_annotations(void **state) {
    (void)state;
    static const char *const more[] = {"cut", NULL};
    struct oxp_annotation some[25];
    for (size_t i = 0; i < COUNT(some); i++) {
        some[i].level = i % 2 == 0 ? OXP_ANNOTATION_WARNING : OXP_ANNOTATION_INFO;
        some[i].text = i % 2 == 0 ? OXP_VIEW("w\"") : OXP_VIEW("i");
    }
    assert_string_equal(annotations_text(NULL, 0, NULL), "");
    assert_string_equal(annotations_text(some, 1, NULL), ",\"warnings\":[\"w\\\"\"]");
    assert_string_equal(annotations_text(some + 1, 1, NULL), ",\"infos\":[\"i\"]");
    assert_string_equal(annotations_text(some, 3, NULL), ",\"warnings\":[\"w\\\"\",\"w\\\"\"],\"infos\":[\"i\"]");
    assert_string_equal(annotations_text(NULL, 0, more), ",\"warnings\":[\"cut\"]");
    assert_string_equal(annotations_text(some, 1, more), ",\"warnings\":[\"w\\\"\",\"cut\"]");
    const char *many = annotations_text(some, 25, NULL); /* 13 warnings, 12 infos */
    assert_non_null(strstr(many, ",\"3 more warning annotations omitted\"],\"infos\":[\"i\","));
    assert_non_null(strstr(many, ",\"2 more info annotations omitted\"]"));
}

static const char *whole(struct oxp_query_text text) {
    oxp_buf_clear(&out);
    while (oxp_query_text_next(&text, &out)) {
    }
    return oxp_buf_text(&out);
}

#define HEAD "{\"status\":\"success\",\"data\":{\"resultType\":"

static void test_answers(void **state) {
    (void)state;
    const int64_t time_ms[] = {1000, 2500};
    const double value[] = {1, INFINITY};
    struct oxp_promql_series series[] = {
        {.labels = labels_of("up", "job", "a\"\xc3\xa9"), .count = 1, .time_ms = time_ms, .value = value},
        {.labels = oxp_labels_none(), .count = 1, .time_ms = time_ms, .value = value},
    };
    struct oxp_promql_answer answer = {.type = OXP_PROMQL_VECTOR, .series = series, .count = 2};
    assert_string_equal(whole((struct oxp_query_text){.answer = &answer}),
                        HEAD "\"vector\",\"result\":[{\"metric\":{\"__name__\":\"up\",\"job\":\"a\\\"\xc3\xa9\"},"
                             "\"value\":[1,\"1\"]},{\"metric\":{},\"value\":[1,\"1\"]}]}}");
    assert_string_equal(whole((struct oxp_query_text){.answer = &answer, .limit = 1, .warnings = {"cut"}}),
                        HEAD "\"vector\",\"result\":[{\"metric\":{\"__name__\":\"up\",\"job\":\"a\\\"\xc3\xa9\"},"
                             "\"value\":[1,\"1\"]}]},\"warnings\":[\"cut\"]}");
    answer.count = 0;
    assert_string_equal(whole((struct oxp_query_text){.answer = &answer}), HEAD "\"vector\",\"result\":[]}}");
    answer.count = 2;
    answer.type = OXP_PROMQL_MATRIX;
    series[0].count = 2;
    assert_string_equal(whole((struct oxp_query_text){.answer = &answer, .range = true}),
                        HEAD "\"matrix\",\"result\":[{\"metric\":{\"__name__\":\"up\",\"job\":\"a\\\"\xc3\xa9\"},"
                             "\"values\":[[1,\"1\"],[2.500,\"+Inf\"]]},{\"metric\":{},\"values\":[[1,\"1\"]]}]}}");
    answer.type = OXP_PROMQL_SCALAR;
    answer.count = 1;
    assert_string_equal(whole((struct oxp_query_text){.answer = &answer}), HEAD "\"scalar\",\"result\":[1,\"1\"]}}");
    answer.type = OXP_PROMQL_STRING;
    answer.count = 0;
    answer.text = OXP_VIEW("a\nb");
    answer.text_time_ms = 1001;
    answer.samples = 7;
    answer.seconds = 0.25;
    assert_string_equal(whole((struct oxp_query_text){.answer = &answer, .stats = true}), HEAD
                        "\"string\",\"result\":[1.001,\"a\\nb\"],\"stats\":{\"timings\":{\"evalTotalTime\":0.25,"
                        "\"resultSortTime\":0,\"queryPreparationTime\":0,\"innerEvalTime\":0.25,\"execQueueTime\":0,"
                        "\"execTotalTime\":0.25},\"samples\":{\"totalQueryableSamples\":7,\"peakSamples\":0}}}}");
}

/* Samples of a list are written in one go: the same text for each value. */
static void test_samples(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        const int64_t time_ms = -1050;
        struct oxp_promql_series series = {oxp_labels_none(), 1, &time_ms, &values[i].value};
        struct oxp_promql_answer answer = {.type = OXP_PROMQL_VECTOR, .series = &series, .count = 1};
        char want[400];
        snprintf(want, sizeof want, HEAD "\"vector\",\"result\":[{\"metric\":{},\"value\":[-1.050,\"%s\"]}]}}",
                 values[i].sample);
        assert_string_equal(whole((struct oxp_query_text){.answer = &answer}), want);
    }
}

/* Pieces are small, and together they are the same, wherever they are cut. */
static void test_pieces(void **state) {
    (void)state;
    enum { STEPS = 3000, SERIES = 40 };
    int64_t *time_ms = malloc(STEPS * sizeof *time_ms);
    double *value = malloc(STEPS * sizeof *value);
    struct oxp_promql_series series[SERIES];
    for (size_t i = 0; i < STEPS; i++) {
        time_ms[i] = (int64_t)i * 15000;
        value[i] = (double)i / 7;
    }
    for (size_t i = 0; i < SERIES; i++) {
        series[i] = (struct oxp_promql_series){labels_of("a", "b", "c"), i % 3 == 0 ? STEPS : i, time_ms, value};
    }
    struct oxp_promql_answer answer = {.type = OXP_PROMQL_MATRIX, .series = series, .count = SERIES};
    struct oxp_query_text text = {.answer = &answer, .range = true};
    struct oxp_buf piece;
    size_t samples = 0, pieces = 0, opened = 0, closed = 0;
    oxp_buf_init(&piece, 0);
    for (; oxp_query_text_next(&text, &piece); oxp_buf_clear(&piece), pieces++) {
        assert_true(piece.len < 20000);
        for (size_t i = 0; i < piece.len; i++) {
            opened += piece.data[i] == '[';
            closed += piece.data[i] == ']';
        }
    }
    for (size_t i = 0; i < SERIES; i++) {
        samples += series[i].count;
    }
    assert_int_equal(opened, closed);
    assert_int_equal(opened, samples + SERIES + 1);
    assert_true(pieces > 100);
    assert_false(oxp_query_text_next(&text, &piece));
    oxp_buf_fini(&piece);
    free(time_ms);
    free(value);
}

static void write_once(void *ctx) {
    struct oxp_query_text text = {.answer = ctx};
    struct oxp_buf buf;
    oxp_buf_init(&buf, 0);
    while (oxp_query_text_next(&text, &buf) && oxp_buf_status(&buf) == OXP_OK) {
    }
    assert_true((oxp_buf_status(&buf) == OXP_ERR_NOMEM) == alloc_fail_hit());
    oxp_buf_fini(&buf);
}

static void test_no_memory(void **state) {
    (void)state;
    const int64_t time_ms = 1;
    const double value = 2;
    struct oxp_promql_series series[50];
    for (size_t i = 0; i < COUNT(series); i++) {
        series[i] = (struct oxp_promql_series){labels_of("name", "key", "value"), 1, &time_ms, &value};
    }
    struct oxp_promql_answer answer = {.type = OXP_PROMQL_VECTOR, .series = series, .count = COUNT(series)};
    assert_true(alloc_fail_each(write_once, &answer) >= 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values, start, stop),
        cmocka_unit_test_setup_teardown(test_times, start, stop),
        cmocka_unit_test_setup_teardown(test_faults, start, stop),
        cmocka_unit_test_setup_teardown(test_annotations, start, stop),
        cmocka_unit_test_setup_teardown(test_answers, start, stop),
        cmocka_unit_test_setup_teardown(test_samples, start, stop),
        cmocka_unit_test_setup_teardown(test_pieces, start, stop),
        cmocka_unit_test_setup_teardown(test_no_memory, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
