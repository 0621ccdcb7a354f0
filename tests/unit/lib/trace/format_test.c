/* What is pure: traceparent, the order of a tree, OTLP's requests, answers, URLs and headers. */
#include "lib/trace/otlp.h"
#include "lib/trace/tree.h"
#include "tests/support/alloc_fail.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define T "12345678901234567890123456789012"
#define S "1234567890123456"

/* ---- traceparent. Rows as in the W3C's own test-suite (w3c/trace-context, test/test.py) and section 3.2's text. ----
 */

static void traceparents_to_accept(void **state) {
    (void)state;
    static const struct {
        const char *name, *header, *trace_id, *span_id;
        bool sampled;
    } rows[] = {
        {"sampled", "00-" T "-" S "-01", T, S, true},
        {"not sampled", "00-" T "-" S "-00", T, S, false},
        {"unknown flags are ignored", "00-" T "-" S "-fe", T, S, false},
        {"all flags", "00-" T "-" S "-ff", T, S, true},
        {"the text's example", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
         "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", true},
        {"a zero at the start of ids", "00-00000000000000000000000000000001-0000000000000001-01",
         "00000000000000000000000000000001", "0000000000000001", true},
        {"a higher version", "cc-" T "-" S "-01", T, S, true},
        {"a higher version with more", "cc-" T "-" S "-01-what-the-future-will-be-like", T, S, true},
        {"the next version", "01-" T "-" S "-00-", T, S, false},
        {"space before", " \t00-" T "-" S "-01", T, S, true},
        {"space behind", "00-" T "-" S "-01 \t ", T, S, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_trace_context context;
        if (oxp_traceparent_read(oxp_view_from(rows[i].header), &context) != OXP_OK ||
            strcmp(context.trace_id, rows[i].trace_id) != 0 || strcmp(context.span_id, rows[i].span_id) != 0 ||
            context.sampled != rows[i].sampled) {
            fail_msg("%s: %s %s %d", rows[i].name, context.trace_id, context.span_id, context.sampled);
        }
    }
}

static void traceparents_to_reject(void **state) {
    (void)state;
    static const struct {
        const char *name, *header;
    } rows[] = {
        {"nothing", ""},
        {"space", "  "},
        {"version ff", "ff-" T "-" S "-01"},
        {"version ff with more", "ff-" T "-" S "-01-x"},
        {"version 00 with a dot", "00-" T "-" S "-01."},
        {"version 00 with more", "00-" T "-" S "-01-what-the-future-will-be-like"},
        {"higher version, no dash", "cc-" T "-" S "-01.what-the-future-will-be-like"},
        {"version of no hex", ".0-" T "-" S "-01"},
        {"version of no hex", "0.-" T "-" S "-01"},
        {"version too long", "000-" T "-" S "-01"},
        {"version too short", "0-" T "-" S "-01"},
        {"upper-case version", "CC-" T "-" S "-01"},
        {"trace id of zeros", "00-00000000000000000000000000000000-" S "-01"},
        {"trace id with a dot", "00-.2345678901234567890123456789012-" S "-01"},
        {"trace id too long", "00-" T "3-" S "-01"},
        {"trace id too short", "00-1234567890123456789012345678901-" S "-01"},
        {"upper-case trace id", "00-0AF7651916CD43DD8448EB211C80319C-" S "-01"},
        {"parent id of zeros", "00-" T "-0000000000000000-01"},
        {"parent id with a dot", "00-" T "-123456789012345.-01"},
        {"parent id too long", "00-" T "-12345678901234567-01"},
        {"parent id too short", "00-" T "-123456789012345-01"},
        {"upper-case parent id", "00-" T "-B7AD6B7169203331-01"},
        {"flags of no hex", "00-" T "-" S "-.0"},
        {"flags of no hex", "00-" T "-" S "-0."},
        {"flags too long", "00-" T "-" S "-001"},
        {"flags too short", "00-" T "-" S "-1"},
        {"upper-case flags", "00-" T "-" S "-0A"},
        {"no flags", "00-" T "-" S "-"},
        {"other separator", "00_" T "-" S "-01"},
        {"two of them", "00-" T "-" S "-01,00-" T "-" S "-01"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_trace_context context = {.trace_id = "x"};
        if (oxp_traceparent_read(oxp_view_from(rows[i].header), &context) != OXP_ERR_SYNTAX ||
            context.trace_id[0] != '\0' || context.span_id[0] != '\0') {
            fail_msg("%s was read: %s", rows[i].name, rows[i].header);
        }
    }
    /* no byte of a good one may be missed, whatever is cut off */
    const char *good = "00-" T "-" S "-01";
    for (size_t len = 0; len < strlen(good); len++) {
        struct oxp_trace_context context;
        char *exact = malloc(len + 1);
        memcpy(exact, good, len);
        assert_int_equal(oxp_traceparent_read(oxp_view_of(exact, len), &context), OXP_ERR_SYNTAX);
        free(exact);
    }
}

static void traceparents_written(void **state) {
    (void)state;
    char header[OXP_TRACEPARENT_SIZE];
    oxp_traceparent_write(&(struct oxp_trace_context){T, S, true}, header);
    assert_string_equal(header, "00-" T "-" S "-01");
    oxp_traceparent_write(&(struct oxp_trace_context){T, S, false}, header);
    assert_string_equal(header, "00-" T "-" S "-00");
    oxp_traceparent_write(&(struct oxp_trace_context){"", "", true}, header);
    assert_string_equal(header, "");
}

/* ---- The tree ---- */

/* Nodes are written "id<parent@start", the outcome "id:depth …". */
static void trees(void **state) {
    (void)state;
    static const struct {
        const char *name, *nodes[8], *outcome;
    } rows[] = {
        {"one", {"a<@1"}, "a:0 "},
        {"children come last", {"a<@1", "b<a@2", "c<b@3", "d<a@4"}, "a:0 b:1 c:2 d:1 "},
        {"children come first", {"d<a@4", "c<b@3", "b<a@2", "a<@1"}, "a:0 b:1 c:2 d:1 "},
        {"siblings by start", {"a<@1", "z<a@2", "y<a@4", "x<a@3"}, "a:0 z:1 x:1 y:1 "},
        {"a child that began before its parent", {"b<a@1", "a<@2"}, "a:0 b:1 "},
        {"an orphan is a root", {"a<@2", "o<gone@1", "p<o@3"}, "o:0 p:1 a:0 "},
        {"two roots", {"b<@2", "a<@1", "c<b@3"}, "a:0 b:0 c:1 "},
        {"its own parent", {"a<a@1", "b<a@2"}, "a:0 b:1 "},
        {"a circle", {"a<c@1", "b<a@2", "c<b@3"}, "a:0 b:1 c:2 "},
        {"a circle beside a root, with a tail", {"r<@0", "a<b@1", "b<a@2", "t<b@3"}, "r:0 a:0 b:1 t:2 "},
        {"the same id twice", {"a<@1", "a<@2", "b<a@3"}, "a:0 b:1 a:0 "},
        {"the same id twice, one below the other", {"a<@1", "a<a@2"}, "a:0 a:1 "},
        {"no ids", {"<@1", "<@2"}, ":0 :0 "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_tree_node nodes[8];
        struct oxp_tree_place places[8];
        size_t count = 0;
        for (; count < 8 && rows[i].nodes[count] != NULL; count++) {
            const char *text = rows[i].nodes[count], *less = strchr(text, '<'), *at = strchr(text, '@');
            nodes[count] = (struct oxp_tree_node){oxp_view_of(text, (size_t)(less - text)),
                                                  oxp_view_of(less + 1, (size_t)(at - less - 1)), at[1] - '0'};
        }
        char outcome[128] = "";
        assert_int_equal(oxp_tree_order(nodes, count, places), OXP_OK);
        for (size_t j = 0, len = 0; j < count; j++) {
            struct oxp_view id = nodes[places[j].node].id;
            len +=
                (size_t)snprintf(outcome + len, sizeof outcome - len, "%.*s:%u ", (int)id.len, id.ptr, places[j].depth);
        }
        if (strcmp(outcome, rows[i].outcome) != 0) {
            fail_msg("%s: %s", rows[i].name, outcome);
        }
    }
    assert_int_equal(oxp_tree_order(NULL, 0, NULL), OXP_OK);
}

static void a_deep_tree_needs_no_stack(void **state) {
    (void)state;
    enum { DEEP = 20000 };
    struct oxp_tree_node *nodes = calloc(DEEP, sizeof *nodes);
    struct oxp_tree_place *places = calloc(DEEP, sizeof *places);
    size_t *ids = calloc(DEEP, sizeof *ids);
    for (size_t i = 0; i < DEEP; i++) {
        ids[i] = i + 1;
        struct oxp_view id = oxp_view_of((const char *)&ids[i], sizeof ids[i]);
        nodes[i] = (struct oxp_tree_node){id, i == 0 ? oxp_view_of(NULL, 0) : nodes[i - 1].id, (double)(DEEP - i)};
    }
    assert_int_equal(oxp_tree_order(nodes, DEEP, places), OXP_OK);
    for (size_t i = 0; i < DEEP; i++) {
        assert_int_equal(places[i].node, i);
        assert_int_equal(places[i].depth, i);
    }
    free(nodes);
    free(places);
    free(ids);
}

static void order_something(void *ctx) {
    (void)ctx;
    struct oxp_tree_node nodes[2] = {{OXP_VIEW("a"), {NULL, 0}, 1}, {OXP_VIEW("b"), OXP_VIEW("a"), 2}};
    struct oxp_tree_place places[2];
    enum oxp_status status = oxp_tree_order(nodes, 2, places);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
}

/* ---- OTLP ---- */

static void a_request(void **state) {
    (void)state;
    const struct oxp_pair pairs[] = {
        oxp_pair_text("url", OXP_VIEW("https://a/\"b\"")),
        oxp_pair_number("ratio", 0.5),
        oxp_pair_count("bytes", 7),
        oxp_pair_count("huge", UINT64_MAX),
        oxp_pair_flag("ok", false),
        {"bad", OXP_PAIR_NUMBER, {.number = NAN}},
        oxp_pair_text("none", oxp_view_of(NULL, 0)),
    };
    const struct oxp_otlp_span full = {.view = {.trace_id = OXP_VIEW(T),
                                                .span_id = OXP_VIEW(S),
                                                .parent_id = OXP_VIEW("00f067aa0ba902b7"),
                                                .name = OXP_VIEW("extract"),
                                                .component = OXP_VIEW("stagehand"),
                                                .workflow = OXP_VIEW("w"),
                                                .run = OXP_VIEW("r"),
                                                .session = OXP_VIEW("s1"),
                                                .task = OXP_VIEW("t1"),
                                                .message = OXP_VIEW("it\nbroke"),
                                                .kind = OXP_SPAN_CLIENT,
                                                .status = OXP_SPAN_ERROR,
                                                .started_s = 1544712660.25,
                                                .ended_s = 1544712661,
                                                .attributes = pairs,
                                                .attribute_count = sizeof pairs / sizeof pairs[0],
                                                .attributes_dropped = 3},
                                       .sampled = true,
                                       .remote_parent = true};
    const struct oxp_otlp_span bare = {
        .view = {.trace_id = OXP_VIEW(T), .span_id = OXP_VIEW(S), .name = OXP_VIEW("x"), .started_s = -1, .ended_s = 0},
        .sampled = true};
    struct oxp_buf buf;
    oxp_buf_init(&buf, 0);
    oxp_otlp_begin(&buf, "my \"service\"");
    assert_true(oxp_otlp_add(&buf, &full, true));
    assert_true(oxp_otlp_add(&buf, &bare, false));
    oxp_otlp_end(&buf);
    assert_string_equal(
        oxp_buf_text(&buf),
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":["
        "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"my \\\"service\\\"\"}},"
        "{\"key\":\"telemetry.sdk.name\",\"value\":{\"stringValue\":\"oxpecker\"}},"
        "{\"key\":\"telemetry.sdk.language\",\"value\":{\"stringValue\":\"c\"}},"
        "{\"key\":\"telemetry.sdk.version\",\"value\":{\"stringValue\":\"" OXP_VERSION "\"}}]},"
        "\"scopeSpans\":[{\"scope\":{\"name\":\"oxpecker\",\"version\":\"" OXP_VERSION "\"},\"spans\":["
        "{\"traceId\":\"" T "\",\"spanId\":\"" S "\",\"parentSpanId\":\"00f067aa0ba902b7\",\"name\":\"extract\","
        "\"flags\":769,\"kind\":3,\"startTimeUnixNano\":\"1544712660250000000\","
        "\"endTimeUnixNano\":\"1544712661000000000\",\"attributes\":["
        "{\"key\":\"oxpecker.component\",\"value\":{\"stringValue\":\"stagehand\"}},"
        "{\"key\":\"oxpecker.workflow\",\"value\":{\"stringValue\":\"w\"}},"
        "{\"key\":\"oxpecker.run\",\"value\":{\"stringValue\":\"r\"}},"
        "{\"key\":\"session.id\",\"value\":{\"stringValue\":\"s1\"}},"
        "{\"key\":\"oxpecker.task\",\"value\":{\"stringValue\":\"t1\"}},"
        "{\"key\":\"url\",\"value\":{\"stringValue\":\"https://a/\\\"b\\\"\"}},"
        "{\"key\":\"ratio\",\"value\":{\"doubleValue\":0.5}},"
        "{\"key\":\"bytes\",\"value\":{\"intValue\":\"7\"}},"
        "{\"key\":\"huge\",\"value\":{\"doubleValue\":18446744073709552000}},"
        "{\"key\":\"ok\",\"value\":{\"boolValue\":false}}],\"droppedAttributesCount\":3,"
        "\"status\":{\"code\":2,\"message\":\"it\\nbroke\"}},"
        "{\"traceId\":\"" T "\",\"spanId\":\"" S "\",\"name\":\"x\",\"flags\":257,\"kind\":1,"
        "\"startTimeUnixNano\":\"0\",\"endTimeUnixNano\":\"0\",\"attributes\":[],\"status\":{\"code\":0}}]}]}]}");
    oxp_buf_fini(&buf);
}

static void answers(void **state) {
    (void)state;
    static const struct {
        const char *body;
        uint64_t rejected;
    } rows[] = {
        {"", 0},
        {"{}", 0},
        {"{\"partialSuccess\":{}}", 0},
        {"{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"no\"}}", 3},
        {"{\"partialSuccess\": {\"errorMessage\": \"no\", \"rejectedSpans\" : 12}}", 12},
        {"{\"partialSuccess\":{\"errorMessage\":\"\\\"rejectedSpans\\\":9\"}}", 0},
        {"{\"partialSuccess\":{\"errorMessage\":\"rejectedSpans\",\"rejectedSpans\":2}}", 2},
        {"{\"partialSuccess\":{\"rejectedSpans\":", 0},
        {"{\"partialSuccess\":{\"rejectedSpans\":\"", 0},
        {"{\"rejectedSpans\":-1}", 0},
        {"\"\\", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = strlen(rows[i].body);
        char *exact = malloc(len + 1); /* the sanitizer sees a byte too many */
        memcpy(exact, rows[i].body, len);
        if (oxp_otlp_rejected(oxp_view_of(exact, len)) != rows[i].rejected) {
            fail_msg("%s", rows[i].body);
        }
        free(exact);
    }
    for (int status = 100; status < 600; status++) {
        assert_int_equal(oxp_otlp_may_retry(status), status == 429 || status == 502 || status == 503 || status == 504);
    }
}

static void urls(void **state) {
    (void)state;
    static const struct {
        const char *given, *traces, *all, *url; /* NULL url = none */
        enum oxp_status status;
    } rows[] = {
        {NULL, NULL, NULL, NULL, OXP_OK},
        {"http://127.0.0.1:4318", NULL, NULL, "http://127.0.0.1:4318/v1/traces", OXP_OK},
        {"HTTPS://otel.example/base/", NULL, NULL, "HTTPS://otel.example/base/v1/traces", OXP_OK},
        {NULL, NULL, "http://c:4318/", "http://c:4318/v1/traces", OXP_OK},
        {NULL, "http://c/own", "http://other", "http://c/own", OXP_OK},
        {NULL, "", "http://other", "http://other/v1/traces", OXP_OK},
        {"http://given", "http://c/own", "http://other", "http://given/v1/traces", OXP_OK},
        {"", "http://c/own", "http://other", NULL, OXP_OK},
        {NULL, NULL, "", NULL, OXP_OK},
        {"127.0.0.1:4318", NULL, NULL, NULL, OXP_ERR_INVALID},
        {"ftp://a", NULL, NULL, NULL, OXP_ERR_INVALID},
        {"http://", NULL, NULL, NULL, OXP_ERR_INVALID},
        {"http:///x", NULL, NULL, NULL, OXP_ERR_INVALID},
        {"http://a b", NULL, NULL, NULL, OXP_ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const names[] = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"};
        const char *const values[] = {rows[i].traces, rows[i].all};
        for (size_t j = 0; j < 2; j++) {
            assert_int_equal(values[j] == NULL ? unsetenv(names[j]) : setenv(names[j], values[j], 1), 0);
        }
        char *url = NULL;
        enum oxp_status status = oxp_otlp_url(rows[i].given, &url);
        if (status != rows[i].status || (url == NULL) != (rows[i].url == NULL) ||
            (url != NULL && strcmp(url, rows[i].url) != 0)) {
            fail_msg("row %zu: %d %s", i, status, url == NULL ? "-" : url);
        }
        free(url);
        unsetenv(names[0]);
        unsetenv(names[1]);
    }
}

static void headers(void **state) {
    (void)state;
    static const struct {
        const char *text, *lines[4];
    } rows[] = {
        {"", {NULL}},
        {"api-key=key", {"api-key: key"}},
        {"api-key=key,other-config-value=value", {"api-key: key", "other-config-value: value"}},
        {" a = b , c=d ", {"a: b", "c: d"}},
        {"Authorization=Bearer%20abc%2Cdef", {"Authorization: Bearer abc,def"}},
        {"a=b=c", {"a: b=c"}},
        {"a=", {"a: "}},
        {"a=%", {"a: %"}},
        {"a=%4", {"a: %4"}},
        {"a=%zz", {"a: %zz"}},
        {"nothing,a=b,=c,,", {"a: b"}},
        {"a=x%0d%0aEvil: 1,b=2", {"b: 2"}},
        {"bad name=1,b=2", {"b: 2"}},
        {"na:me=1,b=2", {"b: 2"}},
        {"content-type=text/plain,b=2", {"b: 2"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_otlp_headers read = {.lines = {NULL}};
        assert_int_equal(oxp_otlp_headers_read(oxp_view_from(rows[i].text), &read), OXP_OK);
        for (size_t j = 0; j < 4; j++) {
            const char *got = read.lines[j], *want = rows[i].lines[j];
            if ((got == NULL) != (want == NULL) || (got != NULL && strcmp(got, want) != 0)) {
                fail_msg("%s: %s instead of %s", rows[i].text, got == NULL ? "-" : got, want == NULL ? "-" : want);
            }
            if (got == NULL) {
                break;
            }
        }
        oxp_otlp_headers_fini(&read);
    }
    char many[1024] = "";
    for (size_t i = 0, len = 0; i < 100; i++) {
        len += (size_t)snprintf(many + len, sizeof many - len, "h%zu=v,", i);
    }
    struct oxp_otlp_headers read;
    setenv("OTEL_EXPORTER_OTLP_HEADERS", many, 1);
    assert_int_equal(oxp_otlp_headers_init(&read), OXP_OK);
    assert_string_equal(read.lines[0], "Content-Type: application/json");
    assert_string_equal(read.lines[OXP_OTLP_HEADERS_MAX], "h31: v");
    assert_null(read.lines[OXP_OTLP_HEADERS_MAX + 1]);
    oxp_otlp_headers_fini(&read);
    setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x=y", 1);
    assert_int_equal(oxp_otlp_headers_init(&read), OXP_OK);
    assert_string_equal(read.lines[1], "x: y");
    assert_null(read.lines[2]);
    oxp_otlp_headers_fini(&read);
    unsetenv("OTEL_EXPORTER_OTLP_HEADERS");
    unsetenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS");
}

static void read_where(void *ctx) {
    (void)ctx;
    char *url = NULL;
    enum oxp_status status = oxp_otlp_url("http://a", &url);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
    free(url);
    struct oxp_otlp_headers read = {.lines = {NULL}};
    status = oxp_otlp_headers_read(OXP_VIEW("a=b,c=d"), &read);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
    oxp_otlp_headers_fini(&read);
}

static void without_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_each(order_something, NULL) >= 2);
    assert_true(alloc_fail_each(read_where, NULL) >= 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traceparents_to_accept),
        cmocka_unit_test(traceparents_to_reject),
        cmocka_unit_test(traceparents_written),
        cmocka_unit_test(trees),
        cmocka_unit_test(a_deep_tree_needs_no_stack),
        cmocka_unit_test(a_request),
        cmocka_unit_test(answers),
        cmocka_unit_test(urls),
        cmocka_unit_test(headers),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
