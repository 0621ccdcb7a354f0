/* The plan and its execution against a CloudWatch that is a table: pages, tags, conflicts, other replicas, the order
 * and pace of calls, a hundred names at once, the budget, failures of each call, the test. */
#include "tests/unit/alerts/cloudwatch/plan_fake.h"

#include "tests/support/alloc_fail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define SECTION                                                                                                        \
    "metrics: [{expr: a, name: A, kind: gauge}]\n"                                                                     \
    "thresholds: [{metric: A, above: 3, actions: [\"arn:aws:sns:us-east-1:1:t\"]}, {metric: A, above: 9, name: "       \
    "high}]\n"                                                                                                         \
    "heartbeat: {}\ntags: {team: web}\n"

/* a plan a line */
/* clang-format off */
static const struct {
    const char *name, *pages[4], *replica;
    const char *plan;                  /* sign and name of each, and differences */
    size_t now[2], then[2], pruned[2]; /* alarms, and those of high resolution */
} plans[] = {
    {"nothing is there", {NO_ALARMS}, NULL, "+A +high +heartbeat ", {0, 0}, {3, 0}, {3, 0}},
    {"as it should be, on two pages; somebody else's",
     {PAGE_TOKEN(ALARM_A("arn:ours", "3", "60"), "t1"),
      PAGE(ALARM_HIGH("arn:ours") "," ALARM_OLD("x", "arn:none") "," ALARM_OLD("y", "arn:other"))},
     NULL,
     "=A =high +heartbeat ",
     {2, 0},
     {3, 0},
     {3, 0}},
    {"another threshold, a shorter period",
     {PAGE(ALARM_A("arn:ours", "5", "30"))},
     NULL,
     "~A(Period 30 -> 60, Threshold 5 -> 3) +high +heartbeat ",
     {0, 1},
     {3, 0},
     {3, 0}},
    {"another tag",
     {PAGE(ALARM_A("arn:old", "3", "60"))},
     NULL,
     "~A(tag team x -> web) +high +heartbeat ",
     {1, 0},
     {3, 0},
     {3, 0}},
    {"no longer wanted",
     {PAGE(ALARM_OLD("x", "arn:ours") "," ALARM_OLD("y", "arn:old"))},
     NULL,
     "+A +high +heartbeat -x -y ",
     {0, 2},
     {3, 2},
     {3, 0}},
    {"conflicts",
     {PAGE(ALARM_A("arn:none", "3", "60") "," ALARM_HIGH("arn:other"))},
     NULL,
     "!A(it does not carry the tag oxpecker:service) !high(its tag oxpecker:service is \"another\", not \"collector\") "
     "+heartbeat ",
     {0, 0},
     {1, 0},
     {1, 0}},
    {"conflicts of environments",
     {PAGE(ALARM_A("arn:once", "3", "60") "," ALARM_HIGH("arn:staging"))},
     NULL,
     "!A(it does not carry the tag oxpecker:environment) !high(its tag oxpecker:environment is \"staging\", not "
     "\"test\") +heartbeat ",
     {0, 0},
     {1, 0},
     {1, 0}},
    {"other environments, and what was made without one",
     {PAGE(ALARM_AT("staging/A", "arn:staging", "staging") "," ALARM_AT("A", "arn:once", "test") ","
           ALARM_AT("heartbeat", "arn:once", "staging") "," ALARM_AT("production/A", "arn:namesake", "production"))},
     NULL,
     "+A +high +heartbeat -A(made without an environment) ",
     {1, 0},
     {4, 0},
     {3, 0}},
    {"composite alarms",
     {"{\"MetricAlarms\":[],\"CompositeAlarms\":[" ALARM_A("arn:ours", "3", "60") "," ALARM_OLD("x", "arn:ours") "]}"},
     NULL,
     "!A(a composite alarm has this name) +high +heartbeat ",
     {0, 0},
     {2, 0},
     {2, 0}},
    {"another prefix than was asked for",
     {PAGE("{\"AlarmName\":\"Orchestrator/other/A\",\"AlarmArn\":\"arn:ours\"}")},
     NULL,
     "+A +high +heartbeat ",
     {0, 0},
     {3, 0},
     {3, 0}},
    {"another replica's",
     {PAGE("{\"AlarmName\":\"" N
           "A/replica=b\",\"AlarmArn\":\"arn:ours\",\"Dimensions\":[{\"Name\":\"replica\",\"Value\":\"b\"}]},"
           "{\"AlarmName\":\"" N "Z/"
           "replica=a\",\"AlarmArn\":\"arn:ours\",\"Dimensions\":[{\"Name\":\"replica\","
           "\"Value\":\"a\"}],\"Period\":60}")},
     "a",
     "+A/replica=a +high/replica=a +heartbeat -Z/replica=a ",
     {1, 0},
     {4, 0},
     {3, 0}},
};
/* clang-format on */

static void describe(const struct oxp_cw_plan *plan, struct oxp_buf *out) {
    for (size_t i = 0; i < plan->count; i++) {
        const char *name = plan->alarms[i].name;
        assert_true(strncmp(name, SERVICE, strlen(SERVICE)) == 0);
        name += strncmp(name, N, strlen(N)) == 0 ? strlen(N) : strlen(SERVICE);
        oxp_buf_append_format(out, "%c%s", "=+~-!"[plan->alarms[i].change], name);
        if (plan->alarms[i].differences[0] != '\0') {
            oxp_buf_append_format(out, "(%s)", plan->alarms[i].differences);
        }
        oxp_buf_append_char(out, ' ');
    }
}

static void assert_counts(const struct oxp_cw_cost *cost, const size_t *counts) {
    assert_int_equal(cost->alarms, counts[0]);
    assert_int_equal(cost->high_resolution_alarms, counts[1]);
}

static void test_plans(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(plans); i++) {
        struct plan_world world;
        struct oxp_cw_plan plan;
        struct oxp_error error = {0};
        struct oxp_buf text;
        char section[512];
        oxp_buf_init(&text, 0);
        print_message("%s\n", plans[i].name);
        snprintf(section, sizeof section, "%s%s", SECTION, plans[i].replica == NULL ? "" : "replicas: split\n");
        plan_world_open(&world, section, NULL, plans[i].replica);
        fake_start(plans[i].pages);
        assert_int_equal(oxp_cw_plan(&world.input, NULL, NULL, &world.arena, &plan, &error), OXP_OK);
        describe(&plan, &text);
        assert_string_equal(oxp_buf_text(&text), plans[i].plan);
        assert_counts(&plan.now, plans[i].now);
        assert_counts(&plan.then, plans[i].then);
        assert_counts(&plan.pruned, plans[i].pruned);
        assert_true(oxp_view_is(plan.region, "us-east-1"));
        oxp_buf_fini(&text);
        plan_world_close(&world);
    }
}

static void test_pages(void **state) {
    struct plan_world world;
    struct oxp_cw_plan plan;
    struct oxp_error error = {0};
    static const char *const endless[] = {PAGE_TOKEN("", "again"), NULL};
    (void)state;
    plan_world_open(&world, SECTION, NULL, NULL);
    fake_start(plans[1].pages);
    assert_int_equal(oxp_cw_plan(&world.input, NULL, NULL, &world.arena, &plan, &error), OXP_OK);
    assert_string_equal(oxp_buf_text(&fake.log), "DescribeAlarms " SERVICE "\n"
                                                 "ListTagsForResource arn:ours\n"
                                                 "DescribeAlarms t1 " SERVICE "\n"
                                                 "ListTagsForResource arn:ours\n"
                                                 "ListTagsForResource arn:none\n"
                                                 "ListTagsForResource arn:other\n");
    fake_start(endless);
    assert_int_equal(oxp_cw_plan(&world.input, NULL, NULL, &world.arena, &plan, &error), OXP_ERR_LIMIT);
    plan_world_close(&world);
}

static void test_where_actions_are(void **state) {
    static const struct {
        const char *section;
        bool taken;
    } rows[] = {
        {"heartbeat: {actions: ['arn:aws:sns:us-east-1:123456789012:t']}\n", true},
        {"heartbeat: {actions: ['arn:aws:ssm-incidents::123456789012:response-plan/r']}\n", true},
        {"heartbeat: {actions: ['arn:aws:sns:eu-west-1:123456789012:t']}\n", false},
        {"heartbeat: {actions: ['arn:aws:sns:us-east-1:123456789012:t', 'arn:aws-cn:sns:us-east-1:123456789012:t']}\n",
         false},
        {"rule_alarms: {ok_actions: ['arn:aws:sns:us-east-2:123456789012:t']}\n", false},
        {"metrics: [{expr: a, name: A, kind: gauge}]\n"
         "thresholds: [{metric: A, above: 1, insufficient_data_actions: ['arn:aws:sns:us-east:123456789012:t']}]\n",
         false},
    };
    static const char *const nothing[] = {NO_ALARMS, NULL};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct plan_world world;
        struct oxp_cw_plan plan;
        struct oxp_error error = {0};
        print_message("%s", rows[i].section);
        plan_world_open(&world, rows[i].section, NULL, NULL);
        fake_start(nothing);
        assert_int_equal(oxp_cw_plan(&world.input, NULL, NULL, &world.arena, &plan, &error),
                         rows[i].taken ? OXP_OK : OXP_ERR_INVALID);
        if (!rows[i].taken) {
            assert_non_null(strstr(error.text, "the alarm's own region alone, which is us-east-1"));
            assert_int_equal(fake.log.len, 0);
        }
        plan_world_close(&world);
    }
}

/* ---- Apply ---- */

struct run {
    enum oxp_status status;
    struct oxp_error error;
};

static struct run run_apply(struct plan_world *world, const char *const *pages, bool prune) {
    struct oxp_cw_plan plan;
    struct run run = {0};
    const struct oxp_cw_apply_options options = {.prune = prune, .done = fake_done, .sleep = fake_sleep};
    fake_start(pages);
    assert_int_equal(oxp_cw_plan(&world->input, NULL, NULL, &world->arena, &plan, &run.error), OXP_OK);
    oxp_buf_clear(&fake.log);
    run.status = oxp_cw_apply(&plan, &world->input, NULL, NULL, &options, &run.error);
    return run;
}

static void test_apply(void **state) {
    static const char *const mixed[] = {
        PAGE(ALARM_A("arn:old", "5", "60") "," ALARM_OLD("x", "arn:ours") "," ALARM_HIGH("arn:ours")), NULL};
    struct plan_world world;
    (void)state;
    plan_world_open(&world, SECTION, NULL, NULL);
    assert_int_equal(run_apply(&world, mixed, false).status, OXP_OK);
    assert_string_equal(oxp_buf_text(&fake.log), "PutMetricAlarm " N "A\n"
                                                 "TagResource arn:old tags\n"
                                                 "done " N "A\n"
                                                 "PutMetricAlarm " N "heartbeat tags\n"
                                                 "done " N "heartbeat\n");
    assert_int_equal(fake.slept_ms, 2 * 334);
    assert_int_equal(run_apply(&world, mixed, true).status, OXP_OK);
    assert_string_equal(oxp_buf_text(&fake.log), "DeleteAlarms 1 names\n"
                                                 "done " N "x\n"
                                                 "PutMetricAlarm " N "A\n"
                                                 "TagResource arn:old tags\n"
                                                 "done " N "A\n"
                                                 "PutMetricAlarm " N "heartbeat tags\n"
                                                 "done " N "heartbeat\n");
    assert_int_equal(fake.slept_ms, 3 * 334);
    plan_world_close(&world);
}

static void test_conflict(void **state) {
    struct plan_world world;
    (void)state;
    plan_world_open(&world, SECTION, NULL, NULL);
    struct run run = run_apply(&world, plans[5].pages, true);
    assert_int_equal(run.status, OXP_ERR_EXISTS);
    assert_non_null(strstr(run.error.text, N "A\" is not ours"));
    assert_int_equal(fake.log.len, 0);
    plan_world_close(&world);
}

/* 205 alarms are deleted in three calls, and only those. */
static void test_many_removed(void **state) {
    struct plan_world world;
    struct oxp_buf page;
    (void)state;
    oxp_buf_init(&page, 0);
    oxp_buf_append_text(&page, "{\"MetricAlarms\":[");
    for (unsigned i = 0; i < 205; i++) {
        oxp_buf_append_format(&page, "%s{\"AlarmName\":\"" N "old%u\",\"AlarmArn\":\"arn:ours:%u\"}", i == 0 ? "" : ",",
                              i, i);
    }
    oxp_buf_append_text(&page, "," ALARM_OLD("z", "arn:none") "]}");
    const char *const pages[] = {oxp_buf_text(&page), NULL};
    plan_world_open(&world, "metrics: [{expr: a, name: A, kind: gauge}]\n", NULL, NULL);
    assert_int_equal(run_apply(&world, pages, true).status, OXP_OK);
    const char *log = oxp_buf_text(&fake.log);
    assert_true(strncmp(log, "DeleteAlarms 100 names\ndone " N "old0\n",
                        strlen("DeleteAlarms 100 names\ndone " N "old0\n")) == 0);
    assert_non_null(strstr(log, "done " N "old99\nDeleteAlarms 100 names\ndone " N "old100\n"));
    assert_non_null(strstr(log, "done " N "old199\nDeleteAlarms 5 names\ndone " N "old200\n"));
    assert_null(strstr(log, N "z"));
    oxp_buf_fini(&page);
    plan_world_close(&world);
}

/* one row a line */
/* clang-format off */
#define DEAR "prices: {free_metrics: 0, free_alarms: 0, metric: 1, alarm: 1, high_resolution_alarm: 3}\n"
static const struct {
    const char *name, *budget, *pages[2];
    bool prune;
    enum oxp_status status;
    const char *calls, *words;
} budgets[] = {
    /* two metrics and three alarms cost 5 */
    {"none", "", {NO_ALARMS}, false, OXP_OK, "PutMetricAlarm A PutMetricAlarm high PutMetricAlarm heartbeat ", ""},
    {"just enough",
     "budget: 5\n",
     {NO_ALARMS},
     false,
     OXP_OK,
     "PutMetricAlarm A PutMetricAlarm high PutMetricAlarm heartbeat ",
     ""},
    {"too little",
     "budget: 4.5\n",
     {NO_ALARMS},
     false,
     OXP_ERR_LIMIT,
     "",
     "3 alarms were not created or changed: 5.00 a month would exceed the budget of 4.50 by 0.50 USD"},
    {"what does not grow is done",
     "budget: 4.5\n",
     {PAGE(ALARM_A("arn:ours", "5", "60"))},
     false,
     OXP_ERR_LIMIT,
     "PutMetricAlarm A ",
     "2 alarms were not created"},
    {"no growth above the budget",
     "budget: 1\n",
     {PAGE(ALARM_A("arn:ours", "5", "60") "," ALARM_HIGH("arn:ours") ",{" COMMON("heartbeat",
                                                                                 "arn:ours") ",\"Period\":60}")},
     false,
     OXP_OK,
     "PutMetricAlarm A PutMetricAlarm heartbeat ",
     ""},
    /* without prune 8, with it 5, as it is 5 */
    {"something must go first",
     "budget: 4.5\n",
     {PAGE(ALARM_OLD("x", "arn:ours"))},
     false,
     OXP_ERR_LIMIT,
     "",
     "exceed the budget of 4.50 by 3.50"},
    {"with prune it shrinks",
     "budget: 4.5\n",
     {PAGE(ALARM_OLD("x", "arn:ours"))},
     true,
     OXP_OK,
     "DeleteAlarms 1 names PutMetricAlarm A PutMetricAlarm high PutMetricAlarm heartbeat ",
     ""},
};
/* clang-format on */

static void test_budget(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(budgets); i++) {
        struct plan_world world;
        struct oxp_buf calls;
        char section[1024];
        oxp_buf_init(&calls, 0);
        print_message("%s\n", budgets[i].name);
        snprintf(section, sizeof section, "%s%s%s", SECTION, DEAR, budgets[i].budget);
        plan_world_open(&world, section, NULL, NULL);
        struct run run = run_apply(&world, budgets[i].pages, budgets[i].prune);
        assert_int_equal(run.status, budgets[i].status);
        assert_non_null(strstr(run.error.text, budgets[i].words));
        char *rest = NULL, *log = oxp_buf_take(&fake.log, NULL);
        for (char *line = log == NULL ? NULL : strtok_r(log, "\n", &rest); line != NULL;
             line = strtok_r(NULL, "\n", &rest)) {
            char *tags = strstr(line, " tags"), *name = strstr(line, N);
            if (tags != NULL) {
                *tags = '\0';
            }
            if (strncmp(line, "done", 4) != 0) {
                size_t len = name == NULL ? strlen(line) : (size_t)(name - line);
                oxp_buf_append_format(&calls, "%.*s%s ", (int)len, line, name == NULL ? "" : name + strlen(N));
            }
        }
        free(log);
        assert_string_equal(oxp_buf_text(&calls), budgets[i].calls);
        oxp_buf_fini(&calls);
        plan_world_close(&world);
    }
}

/* ---- Failures ---- */

static void test_failures(void **state) {
    static const char *const mixed[] = {PAGE(ALARM_A("arn:old", "5", "60") "," ALARM_OLD("x", "arn:ours")), NULL};
    static const char *const more[] = {/* one of them is as it should be */
                                       PAGE(ALARM_A("arn:old", "5", "60") "," ALARM_HIGH("arn:ours") "," ALARM_OLD(
                                           "x", "arn:ours") "," ALARM_OLD("y", "arn:ours")),
                                       NULL};
    static const struct {
        const char *const *pages;
        bool prune;
        const char *operation;
        size_t after;
        const char *log; /* the last call */
        const char *where;
    } rows[] = {
        {mixed, true, "DeleteAlarms", 0, "DeleteAlarms 1 names\n",
         "stopped at \"" N "x\", 0 of 4 done, a further apply goes on: "},
        {mixed, true, "PutMetricAlarm", 0, "PutMetricAlarm " N "A\n", "stopped at \"" N "A\", 1 of 4 done"},
        {mixed, true, "TagResource", 0, "TagResource arn:old tags\n", "stopped at \"" N "A\", 1 of 4 done"},
        {mixed, true, "PutMetricAlarm", 1, "PutMetricAlarm " N "high tags\n", "stopped at \"" N "high\", 2 of 4 done"},
        {mixed, true, "PutMetricAlarm", 2, "PutMetricAlarm " N "heartbeat tags\n",
         "stopped at \"" N "heartbeat\", 3 of 4 done"},
        {mixed, false, "PutMetricAlarm", 0, "PutMetricAlarm " N "A\n", "stopped at \"" N "A\", 0 of 3 done"},
        {more, true, "DeleteAlarms", 0, "DeleteAlarms 2 names\n", "stopped at \"" N "x\", 0 of 4 done"},
        {more, true, "PutMetricAlarm", 1, "PutMetricAlarm " N "heartbeat tags\n",
         "stopped at \"" N "heartbeat\", 3 of 4 done"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct plan_world world;
        struct oxp_cw_plan plan;
        struct oxp_error error = {0};
        const struct oxp_cw_apply_options options = {.prune = rows[i].prune, .sleep = fake_sleep};
        print_message("%s after %zu\n", rows[i].operation, rows[i].after);
        plan_world_open(&world, SECTION, NULL, NULL);
        fake_start(rows[i].pages);
        assert_int_equal(oxp_cw_plan(&world.input, NULL, NULL, &world.arena, &plan, &error), OXP_OK);
        fake.fail = rows[i].operation;
        fake.fail_after = rows[i].after;
        assert_int_equal(oxp_cw_apply(&plan, &world.input, NULL, NULL, &options, &error), OXP_ERR_DENIED);
        assert_non_null(strstr(error.text, rows[i].operation));
        assert_non_null(strstr(error.text, "AccessDenied: no"));
        assert_non_null(strstr(error.text, rows[i].where));
        assert_true(oxp_view_ends(oxp_buf_view(&fake.log), oxp_view_from(rows[i].log)));
        for (int k = 0; k < 2; k++) { /* and while it asks */
            fake_start(rows[i].pages);
            fake.fail = k == 0 ? "DescribeAlarms" : "ListTagsForResource";
            assert_int_equal(oxp_cw_plan(&world.input, NULL, NULL, &world.arena, &plan, &error), OXP_ERR_DENIED);
            assert_non_null(strstr(error.text, fake.fail));
        }
        plan_world_close(&world);
    }
}

/* Somebody else uses up what CloudWatch grants: a command waits, for a while. */
static void test_throttled(void **state) {
    static const char *const nothing[] = {NO_ALARMS, NULL};
    static const struct {
        unsigned throttled;
        enum oxp_status status;
        unsigned waits;
        int64_t least_ms, most_ms;
    } rows[] = {
        {1, OXP_OK, 1, 500, 1000},
        {9, OXP_OK, 9, 55500, 111000},
        {10, OXP_ERR_LIMIT, 9, 55500, 111000},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct plan_world world;
        struct oxp_cw_plan plan;
        struct oxp_error error = {0};
        const struct oxp_cw_apply_options options = {.sleep = fake_sleep};
        print_message("throttled %u times\n", rows[i].throttled);
        plan_world_open(&world, SECTION, NULL, NULL);
        fake_start(nothing);
        assert_int_equal(oxp_cw_plan(&world.input, NULL, NULL, &world.arena, &plan, &error), OXP_OK);
        fake.fail = "PutMetricAlarm";
        fake.fail_after = 100;
        fake.throttled = rows[i].throttled;
        assert_int_equal(oxp_cw_apply(&plan, &world.input, NULL, NULL, &options, &error), rows[i].status);
        assert_int_equal(fake.waits, rows[i].waits);
        int64_t paces_ms = rows[i].status == OXP_OK ? INT64_C(2) * 334 : 0;
        assert_in_range(fake.slept_ms - paces_ms, rows[i].least_ms, rows[i].most_ms);
        if (rows[i].status != OXP_OK) {
            assert_string_equal(error.text, "stopped at \"" N "A\", 0 of 3 done, a further apply goes on: "
                                            "PutMetricAlarm: Throttling: Rate exceeded");
        }
        plan_world_close(&world);
    }
}

static void test_nonsense(void **state) {
    static const char *const answers[] = {"", "[]", "{\"MetricAlarms\":5}", "{\"MetricAlarms\":[5,{}]}", "<xml/>"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        const char *const pages[] = {answers[i], NULL};
        struct plan_world world;
        struct oxp_cw_plan plan;
        struct oxp_error error = {0};
        plan_world_open(&world, SECTION, NULL, NULL);
        fake_start(pages);
        enum oxp_status status = oxp_cw_plan(&world.input, NULL, NULL, &world.arena, &plan, &error);
        assert_int_equal(status, i == 0 || i == 4 ? OXP_ERR_SYNTAX : OXP_OK);
        assert_int_equal(plan.count, status == OXP_OK ? 3 : 0);
        plan_world_close(&world);
    }
}

static void plan_all(void *ctx) {
    struct plan_world *world = ctx;
    static const char *const mixed[] = {PAGE(ALARM_A("arn:old", "5", "60") "," ALARM_OLD("x", "arn:ours")), NULL};
    const struct oxp_cw_apply_options options = {.prune = true, .sleep = fake_sleep};
    struct oxp_cw_plan plan;
    struct oxp_error error = {0};
    struct oxp_arena arena;
    struct oxp_buf out;
    oxp_arena_init(&arena, 0);
    oxp_buf_init(&out, 0);
    fake_start(mixed);
    enum oxp_status status = oxp_cw_plan(&world->input, NULL, NULL, &arena, &plan, &error);
    if (status == OXP_OK) {
        oxp_cw_plan_print(&world->input, &plan, &out);
        status = oxp_cw_apply(&plan, &world->input, NULL, NULL, &options, &error);
    }
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
    fake_start(mixed);
    status = oxp_cw_test(&world->input, NULL, NULL, &out, &error);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
    oxp_buf_fini(&out);
    oxp_arena_fini(&arena);
}

static void test_no_memory(void **state) {
    struct plan_world world;
    (void)state;
    plan_world_open(&world, SECTION, NULL, NULL);
    assert_true(alloc_fail_each(plan_all, &world) > 20);
    plan_world_close(&world);
}

/* ---- The test ---- */

static void test_trial(void **state) {
    static const char *const there[] = {PAGE(ALARM_HIGH("arn:ours") "," ALARM_A("arn:ours", "3", "60")),
                                        PAGE(ALARM_A("arn:ours", "3", "60")), NULL};
    static const char *const none[] = {PAGE(ALARM_OLD("x", "arn:ours")), NULL};
    struct plan_world world;
    struct oxp_error error = {0};
    struct oxp_buf out;
    (void)state;
    oxp_buf_init(&out, 0);
    plan_world_open(&world, SECTION, NULL, NULL);
    fake_start(there);
    assert_int_equal(oxp_cw_test(&world.input, NULL, NULL, &out, &error), OXP_OK);
    assert_string_equal(oxp_buf_text(&fake.log), "PutMetricData\n"
                                                 "DescribeAlarms " SERVICE "\n"
                                                 "ListTagsForResource arn:ours\n"
                                                 "ListTagsForResource arn:ours\n"
                                                 "SetAlarmState " N "A\n"
                                                 "DescribeAlarms 1 names\n");
    assert_non_null(strstr(
        oxp_buf_text(&out),
        "metric OxpeckerTest in namespace Orchestrator, with the dimensions Service=collector, Environment=test, "
        "Oxpecker=test; request id-1"));
    assert_non_null(strstr(oxp_buf_text(&out), "The alarm " N "A was set to ALARM"));
    assert_non_null(strstr(oxp_buf_text(&out), "arn:aws:sns:us-east-1:1:t\n"));
    assert_non_null(strstr(oxp_buf_text(&out), "sets the alarm back"));
    fake_start(none);
    assert_int_equal(oxp_cw_test(&world.input, NULL, NULL, &out, &error), OXP_ERR_NOT_FOUND);
    fake_start(there);
    fake.fail = "SetAlarmState";
    assert_int_equal(oxp_cw_test(&world.input, NULL, NULL, &out, &error), OXP_ERR_DENIED);
    world.config->lane = OXP_CW_EMF;
    fake_start(there);
    fake.fail = "PutMetricData";
    oxp_buf_clear(&out);
    assert_int_equal(oxp_cw_test(&world.input, NULL, NULL, &out, &error), OXP_OK);
    assert_non_null(strstr(oxp_buf_text(&out), "No datum was sent"));
    plan_world_close(&world);
    oxp_buf_fini(&out);
}

/* An alarm with actions goes before one without, and none that rings already. */
static void test_choice(void **state) {
    static const char *const there[] = {
        PAGE("{" COMMON(
            "A", "arn:ours") ",\"AlarmActions\":[\"arn:1\"],\"StateValue\":\"ALARM\"},"
                             "{" COMMON("high", "arn:ours") ",\"AlarmActions\":[]},"
                                                            "{" COMMON("heartbeat",
                                                                       "arn:ours") ",\"AlarmActions\":[\"arn:1\"]}"),
        NULL};
    struct plan_world world;
    struct oxp_error error = {0};
    struct oxp_buf out;
    (void)state;
    oxp_buf_init(&out, 0);
    plan_world_open(&world, SECTION, NULL, NULL);
    fake_start(there);
    assert_int_equal(oxp_cw_test(&world.input, NULL, NULL, &out, &error), OXP_OK);
    assert_non_null(strstr(oxp_buf_text(&fake.log), "SetAlarmState " N "heartbeat\n"));
    plan_world_close(&world);
    oxp_buf_fini(&out);
}

static int forget(void **state) {
    (void)state;
    fake_end();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans),        cmocka_unit_test(test_pages),    cmocka_unit_test(test_where_actions_are),
        cmocka_unit_test(test_apply),        cmocka_unit_test(test_conflict), cmocka_unit_test(test_budget),
        cmocka_unit_test(test_many_removed), cmocka_unit_test(test_failures), cmocka_unit_test(test_trial),
        cmocka_unit_test(test_choice),       cmocka_unit_test(test_nonsense), cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_throttled),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
