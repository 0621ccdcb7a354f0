/* The query API over a real server and short memory; the engine is a stand-in that this test scripts by the metric's
 * name: "good", "scalar", "string", "many", "huge", "noted", "timeout", "invalid", "limit", "busy", "nomem", "wait". */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "exporter/api/query_parts.h"
#include "lib/gzip/gzip.h"
#include "tests/unit/exporter/api/world.h"
#include "tests/unit/exporter/serve/client.h"

#define API "/api/v1/"
#define GET(path) "GET " API path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"
#define FAULT(type, text) "{\"status\":\"error\",\"errorType\":\"" type "\",\"error\":\"" text "\"}"
#define OK(data) "{\"status\":\"success\",\"data\":" data "}"
#define RESULT(type, result) OK("{\"resultType\":\"" type "\",\"result\":[" result "]}")
#define BASE_MS INT64_C(1700000000000)
#define MANY 3000

static struct world world;
static struct oxp_promql_request last; /* what the engine was asked */
static atomic_uint waiting, cancelled;

/* ---- The engine ---- */

static const int64_t one_time[] = {BASE_MS};
static const double one_value[] = {1.5};
static const struct oxp_annotation notes[] = {
    {OXP_ANNOTATION_WARNING, {"PromQL warning: w", 17}},
    {OXP_ANNOTATION_INFO, {"PromQL info: i", 14}},
};
static struct oxp_promql_series many[MANY];
static struct oxp_promql_series huge[MANY];
static int64_t long_time[1000];
static double long_value[1000];

static enum oxp_status wait_for_cancel(const struct oxp_promql_request *request, struct oxp_error *error) {
    atomic_fetch_add(&waiting, 1);
    for (int64_t until = client_now_ms() + CLIENT_WAIT_MS; client_now_ms() < until; usleep(1000)) {
        if (atomic_load(request->cancelled)) {
            atomic_fetch_add(&cancelled, 1);
            return oxp_error_set(error, OXP_ERR_CLOSED, 0, 0, "query was canceled in expression evaluation");
        }
    }
    return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "nobody cancelled");
}

static enum oxp_status fail_by_name(struct oxp_view name, const struct oxp_promql_request *request,
                                    struct oxp_error *error) {
    static const struct {
        const char *name;
        enum oxp_status status;
        const char *text;
    } failures[] = {
        {"timeout", OXP_ERR_TIMEOUT, "query timed out in expression evaluation"},
        {"invalid", OXP_ERR_INVALID, "many-to-many matching not allowed: \"x\""},
        {"limit", OXP_ERR_LIMIT, "query processing would load too many samples into memory in query execution"},
        {"busy", OXP_ERR_IN_USE, "too many queries at a time"},
        {"nomem", OXP_ERR_NOMEM, ""},
    };
    if (oxp_view_is(name, "wait")) {
        return wait_for_cancel(request, error);
    }
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        if (oxp_view_is(name, failures[i].name)) {
            return oxp_error_set(error, failures[i].status, 0, 0, "%s", failures[i].text);
        }
    }
    return OXP_OK;
}

enum oxp_status oxp_promql_query(struct oxp_promql_engine *engine, struct oxp_tsdb *tsdb,
                                 const struct oxp_promql_request *request, struct oxp_promql_answer **answer_out,
                                 struct oxp_error *error) {
    const struct oxp_promql_node *root = request->expr->root;
    struct oxp_view name = root->kind == OXP_NODE_SELECTOR ? root->selector.name : OXP_VIEW("");
    assert_ptr_equal(tsdb, world.api.tsdb);
    assert_ptr_equal(engine, world.api.engine);
    assert_non_null(request->cancelled);
    enum oxp_status status = fail_by_name(name, request, error);
    if (status != OXP_OK) {
        return status;
    }
    last = *request;
    struct oxp_promql_answer *answer = calloc(1, sizeof *answer);
    assert_non_null(answer);
    static struct oxp_promql_series one;
    one = (struct oxp_promql_series){oxp_labels_none(), 1, one_time, one_value};
    answer->type = root->type;
    answer->series = oxp_view_is(name, "many") ? many : &one;
    answer->count = oxp_view_is(name, "many") ? MANY : 1;
    answer->samples = 10;
    if (root->type == OXP_PROMQL_STRING) {
        answer->count = 0;
        answer->text = root->string;
        answer->text_time_ms = BASE_MS;
    }
    if (oxp_view_is(name, "huge")) { /* some 80 MB of text */
        answer->series = huge;
        answer->count = MANY;
    }
    if (oxp_view_is(name, "noted")) {
        answer->annotations = notes;
        answer->annotation_count = 2;
    }
    *answer_out = answer;
    return OXP_OK;
}

static int64_t timeout_ms = 60000;

int64_t oxp_promql_engine_timeout_ms(struct oxp_promql_engine *engine) {
    assert_ptr_equal(engine, world.api.engine);
    return timeout_ms;
}

void oxp_promql_answer_free(struct oxp_promql_answer *answer) {
    free(answer);
}

/* ---- The world ---- */

struct sample_row {
    const char *name, *job;
    int64_t after_ms;
};

static void put_samples(void) {
    static const struct sample_row rows[] = {
        {"up", "a", 0}, {"up", "b", 0}, {"down", "a", 60000}, {"up", "a", 60000}, {"a.b", "c", 0},
    };
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_labels_builder builder;
        struct oxp_tsdb_series *series = NULL;
        oxp_labels_build(&builder, &arena, oxp_labels_none());
        oxp_labels_set_text(&builder, OXP_VIEW("__name__"), oxp_view_from(rows[i].name));
        oxp_labels_set_text(&builder, OXP_VIEW("job"), oxp_view_from(rows[i].job));
        assert_int_equal(oxp_tsdb_series_at(world.api.tsdb, oxp_labels_finish(&builder), &series), OXP_OK);
        assert_int_equal(oxp_tsdb_append(world.api.tsdb, series, BASE_MS + rows[i].after_ms, 1), OXP_OK);
    }
    oxp_arena_fini(&arena);
}

static const struct oxp_labels *labels_of(struct oxp_arena *arena, const char *key, const char *value) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, oxp_labels_none());
    oxp_labels_set_text(&builder, oxp_view_from(key), oxp_view_from(value));
    return oxp_labels_finish(&builder);
}

static void put_exemplars(void) {
    static const char *const series[] = {"up", "down", "up"};
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    for (size_t i = 0; i < 3; i++) {
        char trace[8];
        snprintf(trace, sizeof trace, "t%zu", i);
        assert_int_equal(oxp_exemplars_add(world.api.exemplars, labels_of(&arena, "__name__", series[i]),
                                           labels_of(&arena, "trace_id", trace), BASE_MS + 1000 * (int64_t)i, 0.5),
                         OXP_OK);
    }
    oxp_arena_fini(&arena);
}

static char engine_place; /* only its address is looked at */

static int start(void **state) {
    (void)state;
    world_start(&world, NULL);
    world.api.engine = (struct oxp_promql_engine *)(void *)&engine_place;
    assert_int_equal(oxp_tsdb_new(&(struct oxp_tsdb_options){0}, &world.api.tsdb), OXP_OK);
    assert_int_equal(oxp_exemplars_new(0, &world.api.exemplars), OXP_OK);
    put_samples();
    put_exemplars();
    for (size_t i = 0; i < MANY; i++) {
        many[i] = (struct oxp_promql_series){oxp_labels_none(), 1, one_time, one_value};
        huge[i] = (struct oxp_promql_series){oxp_labels_none(), 1000, long_time, long_value};
    }
    for (size_t i = 0; i < 1000; i++) {
        long_time[i] = BASE_MS + (int64_t)i * 1001;
        long_value[i] = 1.0 / 3;
    }
    return 0;
}

static int stop(void **state) {
    (void)state;
    struct oxp_api api = world.api;
    world_stop(&world);
    oxp_tsdb_free(api.tsdb);
    oxp_exemplars_free(api.exemplars);
    return 0;
}

struct row {
    const char *name, *request;
    int status;
    const char *body; /* exactly; NULL = anything */
};

static void check(const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct answer answer;
        client_ask(world.port, rows[i].request, &answer);
        const char *body = answer.body == NULL ? "" : answer.body;
        if (answer.status != rows[i].status || answer.cut ||
            (rows[i].body != NULL && strcmp(body, rows[i].body) != 0)) {
            fail_msg("%s: %d\n%s%s", rows[i].name, answer.status, answer.head, body);
        }
        answer_free(&answer);
    }
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof(rows)[0])

/* Asks, and looks at what the engine was asked. */
static void asked(const char *request, const struct oxp_promql_request *want) {
    struct answer answer;
    last = (struct oxp_promql_request){.start_ms = -1};
    client_ask(world.port, request, &answer);
    if (answer.status != 200 || last.start_ms != want->start_ms || last.end_ms != want->end_ms ||
        last.step_ms != want->step_ms || last.timeout_ms != want->timeout_ms || last.lookback_ms != want->lookback_ms) {
        fail_msg("%s: %d %s\n%lld %lld %lld %lld %lld", request, answer.status, answer.body, (long long)last.start_ms,
                 (long long)last.end_ms, (long long)last.step_ms, (long long)last.timeout_ms,
                 (long long)last.lookback_ms);
    }
    answer_free(&answer);
}

static void test_arguments(void **state) {
    (void)state;
    asked(GET("query?query=good&time=12.5"), &(struct oxp_promql_request){.start_ms = 12500, .end_ms = 12500});
    asked(GET("query?query=good&time=2015-07-01T20:10:51.781Z&timeout=10s&lookback_delta=1m"),
          &(struct oxp_promql_request){
              .start_ms = 1435781451781, .end_ms = 1435781451781, .timeout_ms = 10000, .lookback_ms = 60000});
    asked(GET("query?query=good&time=1&timeout=-5&lookback_delta=-1"),
          &(struct oxp_promql_request){.start_ms = 1000, .end_ms = 1000, .timeout_ms = 1});
    asked(GET("query_range?query=good&start=10&end=20&step=0.5"),
          &(struct oxp_promql_request){.start_ms = 10000, .end_ms = 20000, .step_ms = 500});
    asked(GET("query_range?query=good&start=0&end=11000&step=1s&limit=3"),
          &(struct oxp_promql_request){.end_ms = 11000000, .step_ms = 1000});
}

static void test_posted(void **state) {
    (void)state;
    asked("POST " API "query_range?start=1 HTTP/1.1\r\nHost: h\r\n" FORM
          "Content-Length: 35\r\n\r\nquery=good&start=5&end=5&step=1m30s",
          &(struct oxp_promql_request){.start_ms = 5000, .end_ms = 5000, .step_ms = 90000});
    int64_t before = oxp_clock_wall(oxp_clock_system()).ns / OXP_NS_PER_MS;
    static const struct row rows[] = {{"without a time", GET("query?query=good"), 200, NULL}};
    CHECK(rows);
    assert_true(last.start_ms >= before && last.start_ms <= oxp_clock_wall(oxp_clock_system()).ns / OXP_NS_PER_MS);
}

#define BAD(parameter, text) FAULT("bad_data", "invalid parameter \\\"" parameter "\\\": " text)

static void test_refused_arguments(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"time", GET("query?query=up&time=x"), 400,
         BAD("time", "invalid time value for 'time': cannot parse \\\"x\\\" to a valid timestamp")},
        {"limit", GET("query?query=up&limit=x&time=x"), 400,
         BAD("limit", "strconv.Atoi: parsing \\\"x\\\": invalid syntax")},
        {"negative limit", GET("query?query=up&limit=-1"), 400, BAD("limit", "limit must be non-negative")},
        {"timeout", GET("query?query=up&timeout=x"), 400, BAD("timeout", "cannot parse \\\"x\\\" to a valid duration")},
        {"lookback", GET("query?query=up&lookback_delta=x"), 400,
         FAULT("bad_data", "error parsing lookback delta duration: cannot parse \\\"x\\\" to a valid duration")},
        {"no query", GET("query"), 400, BAD("query", "unknown position: parse error: no expression found in input")},
        {"no start", GET("query_range?query=up"), 400, BAD("start", "cannot parse \\\"\\\" to a valid timestamp")},
        {"no end", GET("query_range?query=up&start=1"), 400, BAD("end", "cannot parse \\\"\\\" to a valid timestamp")},
        {"end before start", GET("query_range?query=up&start=2&end=1&step=1"), 400,
         BAD("end", "end timestamp must not be before start time")},
        {"no step", GET("query_range?query=up&start=1&end=2"), 400,
         BAD("step", "cannot parse \\\"\\\" to a valid duration")},
        {"step 0", GET("query_range?query=up&start=1&end=2&step=0"), 400,
         BAD("step", "zero or negative query resolution step widths are not accepted. Try a positive integer")},
        {"step below 0", GET("query_range?query=up&start=1&end=2&step=-1"), 400, NULL},
        {"a step that is none", GET("query_range?query=up&start=1&end=2&step=0.0001"), 400, NULL},
        {"too many points", GET("query_range?query=up&start=0&end=11001&step=1"), 400,
         FAULT("bad_data", "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
                           "resolution (?step=XX)")},
        {"too many by far", GET("query_range?query=up&start=-1e300&end=1e300&step=1y"), 400, NULL},
        {"a range vector over a range", GET("query_range?query=up%5B5m%5D&start=1&end=2&step=1"), 400,
         BAD("query", "invalid expression type \\\"range vector\\\" for range query, must be Scalar or instant "
                      "Vector")},
        {"a string over a range", GET("query_range?query=%22a%22&start=1&end=2&step=1"), 400, NULL},
        {"PUT", "PUT " API "query HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", 405, NULL},
        {"POST to a list of values", "POST " API "label/job/values HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
         405, NULL},
        {"no such request", GET("nothing"), 404, NULL},
    };
    CHECK(rows);
    struct answer answer;
    client_ask(world.port, GET("query?query=up%7B"), &answer);
    assert_int_equal(answer.status, 400);
    assert_non_null(strstr(answer.body, "\"errorType\":\"bad_data\",\"error\":\"invalid parameter \\\"query\\\": 1:4: "
                                        "parse error: "));
    answer_free(&answer);
}

static void test_answers(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"vector", GET("query?query=good"), 200, RESULT("vector", "{\"metric\":{},\"value\":[1700000000,\"1.5\"]}")},
        {"scalar", GET("query?query=1%2B1"), 200, RESULT("scalar", "1700000000,\"1.5\"")},
        {"string", GET("query?query=%22te%5C%22xt%22"), 200, RESULT("string", "1700000000,\"te\\\"xt\"")},
        {"matrix", GET("query?query=good%5B5m%5D"), 200,
         RESULT("matrix", "{\"metric\":{},\"values\":[[1700000000,\"1.5\"]]}")},
        {"range", GET("query_range?query=good&start=1&end=2&step=1"), 200,
         RESULT("matrix", "{\"metric\":{},\"values\":[[1700000000,\"1.5\"]]}")},
        {"HEAD", "HEAD " API "query?query=good HTTP/1.1\r\nHost: h\r\n\r\n", 200, ""},
        {"annotations", GET("query?query=noted"), 200,
         "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":["
         "1700000000,\"1.5\"]}]},\"warnings\":[\"PromQL warning: w\"],\"infos\":[\"PromQL info: i\"]}"},
        {"limited", GET("query?query=many&limit=1"), 200,
         "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":["
         "1700000000,\"1.5\"]}]},\"warnings\":[\"results truncated due to limit\"]}"},
        {"a limit that is enough", GET("query?query=good&limit=1"), 200,
         RESULT("vector", "{\"metric\":{},\"value\":[1700000000,\"1.5\"]}")},
        {"no limit of a scalar", GET("query?query=1&limit=1"), 200, RESULT("scalar", "1700000000,\"1.5\"")},
        {"stats", GET("query?query=1&stats=all"), 200,
         "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1700000000,\"1.5\"],\"stats\":{"
         "\"timings\":{\"evalTotalTime\":0,\"resultSortTime\":0,\"queryPreparationTime\":0,\"innerEvalTime\":0,"
         "\"execQueueTime\":0,\"execTotalTime\":0},\"samples\":{\"totalQueryableSamples\":10,\"peakSamples\":0}}}}"},
        {"timeout", GET("query?query=timeout"), 503, FAULT("timeout", "query timed out in expression evaluation")},
        {"invalid", GET("query?query=invalid"), 422,
         FAULT("execution", "many-to-many matching not allowed: \\\"x\\\"")},
        {"limit", GET("query?query=limit"), 422, NULL},
        {"busy", GET("query?query=busy"), 503, FAULT("unavailable", "too many queries at a time")},
        {"no memory", GET("query?query=nomem"), 503, NULL},
    };
    CHECK(rows);
    struct answer answer;
    client_ask(world.port, GET("query?query=1&stats=x"), &answer);
    assert_non_null(strstr(answer.body, "\"warnings\":[\"value \\\"x\\\" for parameter \\\"stats\\\" is deprecated and "
                                        "will be rejected in the next major release, use \\\"true\\\" or "
                                        "\\\"all\\\"\"]}"));
    answer_free(&answer);
}

static void test_gzip(void **state) {
    (void)state;
    static const char ask_gzip[] =
        "GET " API "query?query=many HTTP/1.1\r\nHost: h\r\nAccept-Encoding: deflate, gzip\r\n\r\n";
    static const char ask_small[] = "GET " API "query?query=good HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n";
    struct answer plain, packed, small;
    char *text = NULL;
    size_t len = 0;
    client_ask(world.port, GET("query?query=many"), &plain);
    client_ask(world.port, ask_gzip, &packed);
    client_ask(world.port, ask_small, &small);
    assert_non_null(strstr(plain.head, "\r\nVary: Accept-Encoding\r\n"));
    assert_null(strstr(plain.head, "Content-Encoding"));
    assert_null(strstr(small.head, "Content-Encoding"));
    assert_non_null(strstr(packed.head, "\r\nContent-Encoding: gzip\r\n"));
    assert_true(packed.body_len * 10 < plain.body_len);
    assert_int_equal(oxp_gzip_expand(oxp_view_of(packed.body, packed.body_len), 10000000, &text, &len), OXP_OK);
    assert_true(oxp_view_equal(oxp_view_of(text, len), oxp_view_of(plain.body, plain.body_len)));
    free(text);
    answer_free(&plain);
    answer_free(&packed);
    answer_free(&small);
}

/* The bound is on what is held: where the client takes gzip, far more can be said. */
static void test_too_long(void **state) {
    (void)state;
    struct answer answer;
    static const struct row rows[] = {
        {"plain", GET("query_range?query=huge&start=1&end=2&step=1"), 422,
         FAULT("execution", "the answer would be longer than 64 MiB; ask for fewer series or steps")},
    };
    CHECK(rows);
    client_ask(world.port,
               "GET " API "query_range?query=huge&start=1&end=2&step=1&limit=2000 HTTP/1.1\r\nHost: h\r\n"
               "Accept-Encoding: gzip\r\n\r\n",
               &answer);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
}

#define UP_A "{\"__name__\":\"up\",\"job\":\"a\"}"
#define UP_B "{\"__name__\":\"up\",\"job\":\"b\"}"
#define DOWN "{\"__name__\":\"down\",\"job\":\"a\"}"

static void test_lists(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"series", GET("series?match[]=up"), 200, OK("[" UP_A "," UP_B "]")},
        {"series of two", GET("series?match[]=up&match%5B%5D=%7Bjob%3D%22a%22%7D"), 200,
         OK("[" DOWN "," UP_A "," UP_B "]")},
        {"posted",
         "POST " API "series HTTP/1.1\r\nHost: h\r\n" FORM "Content-Length: 25\r\n\r\nmatch%5B%5D=up&limit=1234", 200,
         OK("[" UP_A "," UP_B "]")},
        {"none", GET("series?match[]=nothing"), 200, OK("[]")},
        {"limited", GET("series?match[]=up&limit=1"), 200,
         "{\"status\":\"success\",\"data\":[" UP_A "],\"warnings\":[\"results truncated due to limit\"]}"},
        {"a limit that is enough", GET("series?match[]=up&limit=2"), 200, OK("[" UP_A "," UP_B "]")},
        {"no match", GET("series"), 400, FAULT("bad_data", "no match[] parameter provided")},
        {"empty match", GET("series?match[]=%7B%7D"), 400,
         BAD("match[]", "match[] must contain at least one non-empty matcher")},
        {"bad start", GET("series?match[]=up&start=x"), 400,
         BAD("start", "invalid time value for 'start': cannot parse \\\"x\\\" to a valid timestamp")},
        {"labels", GET("labels"), 200, OK("[\"__name__\",\"job\"]")},
        {"labels of two", GET("labels?match[]=up&match[]=down"), 200, OK("[\"__name__\",\"job\"]")},
        {"labels of none", GET("labels?match[]=nothing"), 200, OK("[]")},
        {"labels, limited", GET("labels?limit=1"), 200,
         "{\"status\":\"success\",\"data\":[\"__name__\"],\"warnings\":[\"results truncated due to limit\"]}"},
        {"labels, empty match", GET("labels?match[]=%7B%7D"), 400,
         FAULT("bad_data", "match[] must contain at least one non-empty matcher")},
        {"values", GET("label/job/values"), 200, OK("[\"a\",\"b\",\"c\"]")},
        {"values of one", GET("label/job/values?match[]=down"), 200, OK("[\"a\"]")},
        {"values of two", GET("label/job/values?match[]=up&match[]=down"), 200, OK("[\"a\",\"b\"]")},
        {"names", GET("label/__name__/values"), 200, OK("[\"a.b\",\"down\",\"up\"]")},
        {"escaped", GET("label/U__job/values"), 200, OK("[\"a\",\"b\",\"c\"]")},
        {"percent", GET("label/j%6fb/values"), 200, OK("[\"a\",\"b\",\"c\"]")},
        {"no such label", GET("label/nothing/values"), 200, OK("[]")},
        {"no name", GET("label//values"), 400, FAULT("bad_data", "invalid label name: \\\"\\\"")},
        {"not values", GET("label/job/value"), 404, FAULT("not_found", "there is nothing at this path")},
        {"nothing behind", GET("label/values"), 404, NULL},
    };
    CHECK(rows);
}

static void test_list_times(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"later", GET("series?match[]=%7Bjob%3D~%22.%2B%22%7D&start=1700000030"), 200, OK("[" DOWN "," UP_A "]")},
        {"earlier", GET("label/__name__/values?end=1700000030"), 200, OK("[\"a.b\",\"up\"]")},
        {"long ago", GET("labels?end=1600000000"), 200, OK("[]")},
    };
    CHECK(rows);
}

#define EXEMPLAR(n) "{\"labels\":{\"trace_id\":\"t" #n "\"},\"value\":\"0.5\",\"timestamp\":170000000" #n "}"

static void test_exemplars(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"one", GET("query_exemplars?query=rate(down%5B5m%5D)"), 200,
         OK("[{\"seriesLabels\":{\"__name__\":\"down\"},\"exemplars\":[" EXEMPLAR(1) "]}]")},
        {"all selectors, each series once", GET("query_exemplars?query=up%2Bup%2F%7B__name__%3D~%22up|down%22%7D"), 200,
         OK("[{\"seriesLabels\":{\"__name__\":\"down\"},\"exemplars\":[" EXEMPLAR(
             1) "]},{\"seriesLabels\":{\"__name__\":\"up\"},\"exemplars\":[" EXEMPLAR(0) "," EXEMPLAR(2) "]}]")},
        {"times", GET("query_exemplars?query=up&start=1700000001&end=1700000002"), 200,
         OK("[{\"seriesLabels\":{\"__name__\":\"up\"},\"exemplars\":[" EXEMPLAR(2) "]}]")},
        {"as Grafana asks whether there are any",
         GET("query_exemplars?query=test&start=1700000000000&end=1700000001000"), 200, OK("[]")},
        {"nothing to select", GET("query_exemplars?query=1"), 204, ""},
        {"end before start", GET("query_exemplars?query=up&start=2&end=1"), 400,
         FAULT("bad_data", "end timestamp must not be before start timestamp")},
        {"no query", GET("query_exemplars"), 400,
         FAULT("bad_data", "unknown position: parse error: no expression found in input")},
    };
    CHECK(rows);
}

static void test_meta(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"build", GET("status/buildinfo"), 200,
         OK("{\"version\":\"3.0.0\",\"revision\":\"\",\"branch\":\"oxpecker-" OXP_VERSION
            "\",\"buildUser\":\"oxpecker\",\"buildDate\":\"\",\"goVersion\":\"\"}")},
        {"rules", GET("rules"), 200, OK("{\"groups\":[]}")},
        {"alerts", GET("alerts"), 200, OK("{\"alerts\":[]}")},
        {"a counter without _total", GET("metadata?metric=oxpecker_scrapes"), 200,
         OK("{\"oxpecker_scrapes\":[{\"type\":\"counter\",\"unit\":\"\",\"help\":\"Scrapes answered, by exposition "
            "format.\"}]}")},
        {"not with it", GET("metadata?metric=oxpecker_scrapes_total"), 200, OK("{}")},
        {"a unit", GET("metadata?metric=oxpecker_scrape_duration_seconds&limit=1&limit_per_metric=1"), 200,
         OK("{\"oxpecker_scrape_duration_seconds\":[{\"type\":\"histogram\",\"unit\":\"seconds\",\"help\":\"Time taken "
            "to answer a scrape.\"}]}")},
        {"none that is absent", GET("metadata?metric=oxpecker_config_last_reload_success_timestamp_seconds"), 200,
         OK("{}")},
        {"limit 0", GET("metadata?limit=0"), 200, OK("{}")},
        {"limit below 0", GET("metadata?limit=-1&metric=oxpecker_series"), 200, NULL},
        {"bad limit", GET("metadata?limit=x"), 400, FAULT("bad_data", "limit must be a number")},
        {"bad limit per metric", GET("metadata?limit_per_metric=x"), 400,
         FAULT("bad_data", "limit_per_metric must be a number")},
    };
    CHECK(rows);
    struct answer answer;
    client_ask(world.port, GET("metadata?limit=3"), &answer);
    unsigned families = 0;
    for (const char *at = answer.body; (at = strstr(at, "\"type\":")) != NULL; at++) {
        families++;
    }
    assert_int_equal(families, 3);
    answer_free(&answer);
}

static double count_of(const char *outcome) {
    struct oxp_family *family = world.stats.families[OXP_S_QUERIES_TOTAL];
    return oxp_series_value(oxp_family_at(family, oxp_view_from(outcome)), 0);
}

static void test_counts(void **state) {
    (void)state;
    static const char *const outcomes[] = {"ok", "bad_data", "execution", "timeout", "unavailable"};
    static const struct row rows[] = {
        {"", GET("query?query=good"), 200, NULL},
        {"", GET("query_range?query=good&start=1&end=2&step=1"), 200, NULL},
        {"", GET("query?query=%7B"), 400, NULL},
        {"", GET("query?query=invalid"), 422, NULL},
        {"", GET("query?query=timeout"), 503, NULL},
        {"", GET("query?query=busy"), 503, NULL},
        {"not counted", GET("labels"), 200, NULL},
    };
    double before[5];
    struct oxp_series *samples = oxp_family_only(world.stats.families[OXP_S_QUERY_SAMPLES_TOTAL]);
    struct oxp_series *took = oxp_family_only(world.stats.families[OXP_S_QUERY_DURATION_SECONDS]);
    double samples_before = oxp_series_value(samples, 0), took_before = oxp_series_value(took, 0);
    for (size_t i = 0; i < 5; i++) {
        before[i] = count_of(outcomes[i]);
    }
    CHECK(rows);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal((int)(count_of(outcomes[i]) - before[i]), i == 0 ? 2 : 1);
    }
    assert_int_equal((int)(oxp_series_value(samples, 0) - samples_before), 20);
    assert_int_equal((int)(oxp_series_value(took, 0) - took_before), 6);
}

static bool is_waiting(void *ctx) {
    return atomic_load(&waiting) == *(unsigned *)ctx;
}

static bool is_cancelled(void *ctx) {
    return atomic_load(&cancelled) == *(unsigned *)ctx;
}

/* More queries than there are threads for them: scrapes and probes are answered all the same, on the connections that
 * asked the queries' workers before; a query ends when its client goes. */
static void test_concurrency_and_cancelling(void **state) {
    (void)state;
    enum { QUERIES = 6 };
    int probes[8], queries[QUERIES];
    unsigned two = 2, six = 6;
    static const char probe[] = "GET /-/ready HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct answer answer;
    atomic_store(&waiting, 0);
    atomic_store(&cancelled, 0);
    for (size_t i = 0; i < 8; i++) { /* one or two on each worker */
        probes[i] = client_dial(world.port);
        assert_true(client_say(probes[i], probe));
        client_read(probes[i], false, &answer);
        answer_free(&answer);
    }
    for (size_t i = 0; i < QUERIES; i++) {
        queries[i] = client_dial(world.port);
        assert_true(client_say(queries[i], GET("query?query=wait")));
    }
    assert_true(client_wait(is_waiting, &two));
    for (size_t i = 0; i < 8; i++) {
        assert_true(client_say(probes[i], probe));
        client_read(probes[i], false, &answer);
        assert_int_equal(answer.status, 200);
        answer_free(&answer);
        close(probes[i]);
    }
    static const struct row metrics[] = {
        {"a scrape", "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, NULL},
        {"health", "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, NULL},
    };
    CHECK(metrics);
    assert_int_equal(atomic_load(&waiting), 2);
    for (size_t i = 0; i < QUERIES; i++) {
        close(queries[i]);
    }
    assert_true(client_wait(is_cancelled, &six));
}

static void test_without_memory(void **state) {
    (void)state;
    struct oxp_tsdb *tsdb = world.api.tsdb;
    struct oxp_exemplars_store *exemplars = world.api.exemplars;
    static const struct row rows[] = {
        {"query", GET("query?query=up"), 503, FAULT("unavailable", "this sidecar keeps no samples in memory")},
        {"range", GET("query_range?query=up&start=1&end=2&step=1"), 503, NULL},
        {"a bad one is still bad", GET("query?query=%7B"), 400, NULL},
        {"series", GET("series?match[]=up"), 503, NULL},
        {"labels", GET("labels"), 503, NULL},
        {"values", GET("label/job/values"), 503, NULL},
        {"exemplars", GET("query_exemplars?query=up"), 200, OK("[]")},
        {"metadata", GET("metadata?limit=1"), 200, NULL},
    };
    world.api.tsdb = NULL;
    world.api.exemplars = NULL;
    CHECK(rows);
    world.api.tsdb = tsdb;
    world.api.exemplars = exemplars;
}

/* Lists have the queries' time, and are not answered from matches that came to no end. */
static void test_list_limits(void **state) {
    (void)state;
    static const struct row timely[] = {
        {"series", GET("series?match[]=up&match[]=down"), 503, FAULT("timeout", "the request timed out")},
        {"labels", GET("labels?match[]=up"), 503, FAULT("timeout", "the request timed out")},
        {"values", GET("label/job/values?match[]=up"), 503, FAULT("timeout", "the request timed out")},
        {"exemplars", GET("query_exemplars?query=up"), 503, FAULT("timeout", "the request timed out")},
    };
    static const struct row patterns[] = {
        {"series", GET("series?match[]=up&match[]=%7Bjob%3D~%22(a*)*%5Bbd%5D%22%7D"), 422,
         FAULT("execution", "a regular expression takes too much to match")},
        {"labels", GET("labels?match[]=%7Bjob%3D~%22(a*)*%5Bbd%5D%22%7D"), 422, NULL},
        {"values", GET("label/job/values?match[]=%7Bjob%3D~%22(a*)*%5Bbd%5D%22%7D"), 422, NULL},
        {"exemplars", GET("query_exemplars?query=%7Bjob%3D~%22(a*)*%5Bbd%5D%22%7D"), 422, NULL},
    };
    struct oxp_arena arena;
    struct oxp_tsdb_series *series = NULL;
    oxp_arena_init(&arena, 0);
    const struct oxp_labels *slow = labels_of(&arena, "job", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac");
    assert_int_equal(oxp_tsdb_series_at(world.api.tsdb, slow, &series), OXP_OK);
    assert_int_equal(oxp_tsdb_append(world.api.tsdb, series, BASE_MS + 90000, 1), OXP_OK);
    assert_int_equal(oxp_exemplars_add(world.api.exemplars, slow, slow, BASE_MS, 0.5), OXP_OK);
    oxp_arena_fini(&arena);
    CHECK(patterns);
    timeout_ms = 0;
    CHECK(timely);
    timeout_ms = 60000;
}

static bool holds_something(void *ctx) {
    (void)ctx;
    return atomic_load(&world.api.held_bytes) > 0;
}

static bool holds_nothing(void *ctx) {
    (void)ctx;
    return atomic_load(&world.api.held_bytes) == 0;
}

/* Long answers count until their clients have them; a long one is refused when there are too many. */
static void test_held_answers(void **state) {
    (void)state;
    static const struct row refused[] = {
        {"long", GET("query?query=many"), 503, FAULT("unavailable", "too many long answers are being read; try again")},
        {"short", GET("query?query=good"), 200, NULL},
    };
    static const struct row taken[] = {{"long", GET("query?query=many"), 200, NULL}};
    struct answer answer;
    assert_true(client_wait(holds_nothing, NULL));
    atomic_store(&world.api.held_bytes, OXP_QUERY_HELD_MAX);
    CHECK(refused);
    client_ask(world.port, "GET " API "query?query=many HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n", &answer);
    assert_int_equal(answer.status, 200); /* it is short then */
    answer_free(&answer);
    assert_int_equal(atomic_load(&world.api.held_bytes), OXP_QUERY_HELD_MAX);
    atomic_store(&world.api.held_bytes, 0);
    CHECK(taken);
    assert_true(client_wait(holds_nothing, NULL));
    int fd = client_dial(world.port);
    assert_true(client_say(fd, GET("query_range?query=huge&start=1&end=2&step=1&limit=600"))); /* 16 MB, and not read */
    assert_true(client_wait(holds_something, NULL));
    close(fd);
    assert_true(client_wait(holds_nothing, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_posted),
        cmocka_unit_test(test_refused_arguments),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_list_times),
        cmocka_unit_test(test_exemplars),
        cmocka_unit_test(test_meta),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_list_limits),
        cmocka_unit_test(test_held_answers),
        cmocka_unit_test(test_concurrency_and_cancelling),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
