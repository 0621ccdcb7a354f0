/* Differences between an alarm as CloudWatch tells it and as it is wanted, in words; of tags, too. */
#include "alerts/cloudwatch/plan_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define BASE                                                                                                           \
    "\"Namespace\":\"N\",\"MetricName\":\"m\",\"Dimensions\":[{\"Name\":\"a\",\"Value\":\"b\"},{\"Name\":\"c\","       \
    "\"Value\":\"d\"}],\"Period\":60,\"EvaluationPeriods\":3,\"ComparisonOperator\":\"GreaterThanThreshold\""
#define WANTED                                                                                                         \
    "{" BASE ",\"DatapointsToAlarm\":3,\"Threshold\":5,\"Statistic\":\"Maximum\",\"TreatMissingData\":\"missing\","    \
    "\"ActionsEnabled\":true,\"AlarmActions\":[\"arn:1\",\"arn:2\"],\"OKActions\":[],"                                 \
    "\"InsufficientDataActions\":[],\"AlarmDescription\":\"what it is\"}"

/* one row a line */
/* clang-format off */
static const struct {
    const char *name, *there, *words;
} rows[] = {
    {"the same", WANTED, ""},
    {"defaults left out, other order, read-only fields",
     "{\"AlarmArn\":\"arn\",\"StateValue\":\"OK\",\"Namespace\":\"N\",\"MetricName\":\"m\",\"Period\":60.0,"
     "\"EvaluationPeriods\":3,\"Metrics\":[],"
     "\"ComparisonOperator\":\"GreaterThanThreshold\",\"Dimensions\":[{\"Name\":\"c\",\"Value\":\"d\"},{\"Name\":\"a\","
     "\"Value\":\"b\"}],"
     "\"Threshold\":5.0,\"Statistic\":\"Maximum\",\"AlarmActions\":[\"arn:2\",\"arn:1\"],\"AlarmDescription\":\"what "
     "it is\"}",
     ""},
    {"numbers",
     "{\"Namespace\":\"N\",\"MetricName\":\"m\",\"Dimensions\":[{\"Name\":\"a\",\"Value\":\"b\"},{\"Name\":\"c\","
     "\"Value\":\"d\"}],\"Period\":300,"
     "\"EvaluationPeriods\":5,\"DatapointsToAlarm\":2,\"Threshold\":0.1,\"ComparisonOperator\":"
     "\"GreaterThanThreshold\",\"Statistic\":\"Maximum\","
     "\"AlarmActions\":[\"arn:1\",\"arn:2\"],\"AlarmDescription\":\"what it is\"}",
     "Period 300 -> 60, EvaluationPeriods 5 -> 3, DatapointsToAlarm 2 -> 3, Threshold 0.1 -> 5"},
    {"points follow the periods when left out",
     "{" BASE ",\"Threshold\":5,\"Statistic\":\"Maximum\",\"AlarmActions\":[\"arn:1\",\"arn:2\"],\"AlarmDescription\":"
              "\"what it is\"}",
     ""},
    {"texts",
     "{\"Namespace\":\"M\",\"MetricName\":\"n\",\"Dimensions\":[{\"Name\":\"a\",\"Value\":\"b\"},{\"Name\":\"c\","
     "\"Value\":\"d\"}],\"Period\":60,"
     "\"EvaluationPeriods\":3,\"Threshold\":5,\"ComparisonOperator\":\"LessThanThreshold\",\"ExtendedStatistic\":"
     "\"p99\",\"Unit\":\"Count\","
     "\"TreatMissingData\":\"ignore\",\"AlarmActions\":[\"arn:1\",\"arn:2\"]}",
     "Namespace M -> N, MetricName n -> m, Statistic none -> Maximum, ExtendedStatistic p99 -> none, Unit Count -> "
     "none, "
     "ComparisonOperator LessThanThreshold -> GreaterThanThreshold, TreatMissingData ignore -> missing, "
     "AlarmDescription none -> \"what it is\""},
    {"dimensions: a value, one more, one less",
     "{\"Namespace\":\"N\",\"MetricName\":\"m\",\"Dimensions\":[{\"Name\":\"a\",\"Value\":\"x\"},{\"Name\":\"c\","
     "\"Value\":\"d\"}],\"Period\":60,"
     "\"EvaluationPeriods\":3,\"Threshold\":5,\"ComparisonOperator\":\"GreaterThanThreshold\",\"Statistic\":"
     "\"Maximum\",\"AlarmActions\":[\"arn:1\",\"arn:2\"],"
     "\"AlarmDescription\":\"what it is\"}",
     "Dimensions {a=x, c=d} -> {a=b, c=d}"},
    {"a dimension more",
     "{\"Namespace\":\"N\",\"MetricName\":\"m\",\"Dimensions\":[{\"Name\":\"a\",\"Value\":\"b\"},{\"Name\":\"c\","
     "\"Value\":\"d\"},{\"Name\":\"e\",\"Value\":\"f\"}],"
     "\"Period\":60,\"EvaluationPeriods\":3,\"Threshold\":5,\"ComparisonOperator\":\"GreaterThanThreshold\","
     "\"Statistic\":\"Maximum\","
     "\"AlarmActions\":[\"arn:1\",\"arn:2\"],\"AlarmDescription\":\"what it is\"}",
     "Dimensions {a=b, c=d, e=f} -> {a=b, c=d}"},
    {"actions: off, one less, two more",
     "{" BASE ",\"Threshold\":5,\"Statistic\":\"Maximum\",\"ActionsEnabled\":false,\"AlarmActions\":[\"arn:2\"],"
              "\"OKActions\":[\"arn:3\",\"arn:4\"],"
     "\"AlarmDescription\":\"what it is\"}",
     "ActionsEnabled false -> true, AlarmActions +arn:1, OKActions -arn:3 -arn:4"},
    {"what CloudWatch may add",
     "{" BASE ",\"Threshold\":5,\"Statistic\":\"Maximum\",\"AlarmActions\":[\"arn:1\",\"arn:2\"],\"AlarmDescription\":\"what it is\",\"EvaluateLowSampleCountPercentile\":\"evaluate\"}", ""},
    {"mathematics of somebody",
     "{" BASE ",\"Threshold\":5,\"Statistic\":\"Maximum\",\"AlarmActions\":[\"arn:1\",\"arn:2\"],\"AlarmDescription\":"
              "\"what it is\","
     "\"Metrics\":[{\"Id\":\"e\"}],\"EvaluationCriteria\":{\"PromQLCriteria\":{}}}",
     "Metrics -> none, EvaluationCriteria -> none"},
    {"nothing that is known", "{}",
     "Namespace none -> N, MetricName none -> m, Dimensions {} -> {a=b, c=d}, Statistic none -> Maximum, Period none "
     "-> 60, "
     "EvaluationPeriods none -> 3, DatapointsToAlarm none -> 3, Threshold none -> 5, ComparisonOperator none -> "
     "GreaterThanThreshold, "
     "AlarmActions +arn:1 +arn:2, AlarmDescription none -> \"what it is\""},
};

static const struct {
    const char *name, *there, *wanted, *words;
} tag_rows[] = {
    {"the same, and others", "[{\"Key\":\"x\",\"Value\":\"1\"},{\"Key\":\"a\",\"Value\":\"b\"}]",
     "[{\"Key\":\"a\",\"Value\":\"b\"}]", ""},
    {"a value", "[{\"Key\":\"a\",\"Value\":\"x\"}]", "[{\"Key\":\"a\",\"Value\":\"b\"}]", "tag a x -> b"},
    {"none", "[]", "[{\"Key\":\"a\",\"Value\":\"b\"},{\"Key\":\"c\",\"Value\":\"\"}]",
     "tag a none -> b, tag c none -> none"},
};
/* clang-format on */

static struct oxp_json *read_json(const char *text) {
    struct oxp_json *value = NULL;
    assert_int_equal(oxp_json_read(oxp_view_from(text), &value, NULL), OXP_OK);
    return value;
}

static void test_alarms(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_json *there = read_json(rows[i].there), *wanted = read_json(WANTED);
        struct oxp_buf out;
        oxp_buf_init(&out, 0);
        print_message("%s\n", rows[i].name);
        oxp_cw_alarm_compare(there, wanted, &out);
        assert_string_equal(oxp_buf_text(&out), rows[i].words);
        oxp_buf_fini(&out);
        oxp_json_free(there);
        oxp_json_free(wanted);
    }
}

static void test_tags(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(tag_rows); i++) {
        struct oxp_json *there = read_json(tag_rows[i].there), *wanted = read_json(tag_rows[i].wanted);
        struct oxp_buf out;
        oxp_buf_init(&out, 0);
        print_message("%s\n", tag_rows[i].name);
        oxp_cw_tags_compare(there, wanted, &out);
        assert_string_equal(oxp_buf_text(&out), tag_rows[i].words);
        oxp_buf_fini(&out);
        oxp_json_free(there);
        oxp_json_free(wanted);
    }
}

static void test_long_text(void **state) {
    char there[2200] = "{\"AlarmDescription\":\"";
    struct oxp_json *old, *wanted = read_json("{\"AlarmDescription\":\"\"}");
    struct oxp_buf out;
    (void)state;
    memset(there + strlen(there), 'd', 1000);
    memcpy(there + strlen(there), "\"}", 3);
    old = read_json(there);
    oxp_buf_init(&out, 0);
    oxp_cw_alarm_compare(old, wanted, &out);
    assert_non_null(strstr(oxp_buf_text(&out), "ddd… -> none"));
    assert_true(out.len < 200);
    oxp_buf_fini(&out);
    oxp_json_free(old);
    oxp_json_free(wanted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alarms),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_long_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
