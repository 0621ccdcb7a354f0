/* A CloudWatch that is a table, and the alarms that may be in it: what the tests of plan, apply and test talk to. It
 * stands in for the client's functions, which have their own tests in alerts/aws. */
#ifndef OXP_TESTS_CLOUDWATCH_PLAN_FAKE_H
#define OXP_TESTS_CLOUDWATCH_PLAN_FAKE_H

#include "tests/unit/alerts/cloudwatch/plan_world.h"

struct fake {
    const char *const *pages; /* DescribeAlarms' answers, one after the other; the last again and again */
    size_t page;
    struct oxp_buf log; /* of calls: "Operation" and what tells them apart */
    const char *fail;   /* the operation that is refused */
    size_t fail_after;  /* that many of it are not */
    unsigned throttled; /* that many calls of it are, before one is taken */
    unsigned waits;     /* of more than a pace */
    int64_t slept_ms;
};
extern struct fake fake;

/* Begins anew, with these pages; NULL ends them. */
void fake_start(const char *const *pages);
/* Gives back what the log took. */
void fake_end(void);
/* For oxp_cw_apply_options: nobody waits; what was done stands in the log. */
void fake_sleep(void *ctx, int64_t ms);
void fake_done(void *ctx, const struct oxp_cw_planned *alarm);

/* ---- What is there ---- */

/* an alarm a line */
/* clang-format off */
#define NO_ALARMS "{\"MetricAlarms\":[],\"CompositeAlarms\":[]}"
#define SERVICE "Orchestrator/collector/"
#define N SERVICE "test/"
#define DIMENSIONS                                                                                                     \
    "\"Dimensions\":[{\"Name\":\"Service\",\"Value\":\"collector\"},{\"Name\":\"Environment\",\"Value\":\"test\"}]"
#define COMMON(name, arn)                                                                                              \
    "\"AlarmName\":\"" N name "\",\"AlarmArn\":\"" arn "\",\"Namespace\":\"Orchestrator\"," DIMENSIONS ","             \
    "\"ActionsEnabled\":true,\"OKActions\":[],\"InsufficientDataActions\":[]"
/* The threshold A as it is wanted, but for its threshold and period. */
#define ALARM_A(arn, threshold, period)                                                                                \
    "{" COMMON("A", arn) ",\"MetricName\":\"A\",\"Statistic\":\"Maximum\",\"Period\":" period                          \
                         ",\"EvaluationPeriods\":1,"                                                                   \
                         "\"DatapointsToAlarm\":1,\"Threshold\":" threshold                                            \
                         ",\"ComparisonOperator\":\"GreaterThanThreshold\","                                           \
                         "\"TreatMissingData\":\"missing\",\"AlarmActions\":[\"arn:aws:sns:us-east-1:1:t\"],"                  \
                         "\"AlarmDescription\":\"Maximum of A is above the threshold\"}"
#define ALARM_HIGH(arn)                                                                                                \
    "{" COMMON("high", arn) ",\"MetricName\":\"A\",\"Statistic\":\"Maximum\",\"Period\":60,\"EvaluationPeriods\":1,"   \
                            "\"DatapointsToAlarm\":1,\"Threshold\":9,\"ComparisonOperator\":\"GreaterThanThreshold\"," \
                            "\"TreatMissingData\":\"missing\",\"AlarmActions\":[],"                                    \
                            "\"AlarmDescription\":\"Maximum of A is above the threshold\"}"
#define ALARM_OLD(name, arn) "{" COMMON(name, arn) ",\"MetricName\":\"Old\",\"Period\":10}"
#define ALARM_AT(name, arn, environment)                                                                                \
    "{\"AlarmName\":\"" SERVICE name "\",\"AlarmArn\":\"" arn "\",\"Period\":60,\"Dimensions\":[{\"Name\":\"Service\","       \
    "\"Value\":\"collector\"},{\"Name\":\"Environment\",\"Value\":\"" environment "\"}]}"
#define PAGE(alarms) "{\"MetricAlarms\":[" alarms "],\"CompositeAlarms\":[]}"
#define PAGE_TOKEN(alarms, token) "{\"MetricAlarms\":[" alarms "],\"NextToken\":\"" token "\"}"
/* clang-format on */

#endif
