#include "exporter/provider/answer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/alloc_fail.h"

static const struct oxp_provider_tag no_tag = {{0}, {0}};
static const struct oxp_provider_tag tag = {"service", "collector"};

/* ---- Times (RFC 3339); the expected values are from date(1) ---- */

static void times(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double seconds;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-12-31T23:59:59Z", 31535999},
        {"2000-02-29T00:00:00Z", 951782400},
        {"2000-03-01T00:00:00Z", 951868800},
        {"2023-11-07T05:31:56Z", 1699335116},
        {"2023-11-07t05:31:56z", 1699335116},
        {"2023-11-07 05:31:56Z", 1699335116},
        {"2026-11-22T04:26:00.123Z", 1795321560.123},
        {"2026-11-22T04:26:00.123456789012Z", 1795321560.123456789},
        {"2026-11-22T04:26:00+00:00", 1795321560},
        {"2026-11-22T05:26:00+01:00", 1795321560},
        {"2026-11-21T22:56:00.5-05:30", 1795321560.5},
        {"2100-03-01T00:00:00Z", 4107542400},
        {"9999-12-31T23:59:59Z", 253402300799},
        {"2016-12-31T23:59:60Z", 1483228800}, /* a leap second is the next one */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double seconds = oxp_provider_time_read(oxp_view_from(rows[i].text));
        if (!(fabs(seconds - rows[i].seconds) < 1e-6)) {
            fail_msg("%s: %f", rows[i].text, seconds);
        }
    }
    static const char *const refused[] = {
        "",
        "2023",
        "2023-11-07",
        "2023-11-07T05:31:56",
        "2023-11-07T05:31:56.Z",
        "2023-11-07T05:31:56,1Z",
        "2023-11-07T05:31:56ZZ",
        "2023-11-07T05:31:56+1:00",
        "2023-11-07T05:31:56+0100",
        "2023-11-07T05:31:56+24:00",
        "2023-11-07T05:31:56 01:00",
        "2023-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2023-13-01T00:00:00Z",
        "2023-00-01T00:00:00Z",
        "2023-04-31T00:00:00Z",
        "2023-11-07T24:00:00Z",
        "2023-11-07T05:60:00Z",
        "2023-11-07T05:31:61Z",
        "1969-12-31T23:59:59Z",
        "23-11-07T05:31:56Z",
        "2023/11/07T05:31:56Z",
        "+023-11-07T05:31:56Z",
        "1699335116",
        "yesterday",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (!isnan(oxp_provider_time_read(oxp_view_from(refused[i])))) {
            fail_msg("%s", refused[i]);
        }
    }
}

/* ---- Lists ---- */

#define S(id, status, more) "{\"id\":\"" id "\",\"status\":\"" status "\"" more "}"
#define OURS ",\"userMetadata\":{\"service\":\"collector\"}"
#define OTHERS ",\"userMetadata\":{\"service\":\"other\"}"

/* The list as text: "id status ours, …; bad N; more". */
static void describe(const struct oxp_provider_list *list, char *out, size_t size) {
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < list->count && len < size; i++) {
        const struct oxp_provider_session *s = &list->sessions[i];
        len += (size_t)snprintf(out + len, size - len, "%s%.*s %.*s%s", i == 0 ? "" : ", ", (int)s->id.len, s->id.ptr,
                                (int)s->status.len, s->status.ptr, s->ours ? " ours" : "");
    }
    if (list->bad != 0) {
        len += (size_t)snprintf(out + len, size - len, "; bad %zu", list->bad);
    }
    snprintf(out + len, size - len, "%s", list->more ? "; more" : "");
}

static void lists(void **state) {
    (void)state;
    static const struct {
        const char *name, *pending, *running, *list;
    } rows[] = {
        {"empty", "[]", "[]", ""},
        {"array", "[" S("p", "PENDING", "") "]", "[" S("r", "RUNNING", "") "]", "p pending, r running"},
        {"object", "{\"sessions\":[" S("p", "PENDING", "") "]}", "{\"sessions\":[],\"total\":0}", "p pending"},
        {"started in between", "[" S("a", "PENDING", "") "]", "[" S("b", "RUNNING", "") "," S("a", "RUNNING", "") "]",
         "a running, b running"},
        {"twice in one", "[" S("a", "PENDING", "") "," S("a", "PENDING", "") "]", "[]", "a pending"},
        {"case", "[" S("a", "pending", "") "]", "[" S("b", "Running", "") "]", "a pending, b running"},
        {"the filter is not obeyed", "[" S("a", "COMPLETED", "") "," S("b", "PENDING", "") "]",
         "[" S("c", "ERROR", "") "," S("d", "TIMED_OUT", "") "]", "b pending"},
        {"a new word", "[" S("a", "QUEUED", "") "]", "[" S("b", "RUNNING", "") "]", "b running; bad 1"},
        {"bad entries", "[null,1,\"x\",[],{},{\"id\":\"a\"},{\"status\":\"PENDING\"}]",
         "[{\"id\":7,\"status\":\"RUNNING\"},{\"id\":\"a/b\",\"status\":\"RUNNING\"},{\"id\":\"c\",\"status\":null}," //
         S("d", "RUNNING", "") "]",
         "d running; bad 10"},
        {"unknown members", "[" S("a", "PENDING", ",\"x\":{\"y\":[1,2]}") "]", "[]", "a pending"},
        {"tagged", "[" S("a", "PENDING", OURS) "," S("b", "PENDING", OTHERS) "]",
         "[" S("c", "RUNNING", "") "," S("d", "RUNNING", ",\"userMetadata\":{\"service\":[\"collector\"]}") "]",
         "a pending ours, b pending, c running, d running"},
        {"more by flag", "{\"sessions\":[],\"hasMore\":true}", "[]", "; more"},
        {"more by token", "[]", "{\"sessions\":[" S("a", "RUNNING", "") "],\"nextPageToken\":\"x\"}",
         "a running; more"},
        {"no more", "{\"sessions\":[],\"hasMore\":false,\"nextPageToken\":\"\",\"next\":null}", "[]", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_provider_list list;
        struct oxp_error error = {0};
        char text[512];
        oxp_provider_list_init(&list);
        assert_int_equal(oxp_provider_list_add(&list, oxp_view_from(rows[i].pending), &tag, &error), OXP_OK);
        assert_int_equal(oxp_provider_list_add(&list, oxp_view_from(rows[i].running), &tag, &error), OXP_OK);
        describe(&list, text, sizeof text);
        if (strcmp(text, rows[i].list) != 0) {
            fail_msg("%s: %s", rows[i].name, text);
        }
        for (size_t j = 0; j < list.count; j++) {
            assert_ptr_equal(oxp_provider_list_get(&list, list.sessions[j].id), &list.sessions[j]);
        }
        assert_null(oxp_provider_list_get(&list, OXP_VIEW("nobody")));
        oxp_provider_list_fini(&list);
    }
}

static void refused_lists(void **state) {
    (void)state;
    static const char *const rows[] = {
        "",
        "null",
        "1",
        "\"x\"",
        "{}",
        "[",
        "[] []",
        "{\"s\":[]}",
        "{\"sessions\":{}}",
        "<html>503</html>",
        "\xff",
        "[{\"id\":\"a\",\"id\":\"b\"}]",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_provider_list list;
        struct oxp_error error = {0};
        oxp_provider_list_init(&list);
        enum oxp_status status = oxp_provider_list_add(&list, oxp_view_from(rows[i]), &no_tag, &error);
        if (status != OXP_ERR_SYNTAX || error.text[0] == '\0') {
            fail_msg("%s: %d %s", rows[i], (int)status, error.text);
        }
        assert_int_equal(oxp_provider_list_mark(&list, oxp_view_from(rows[i]), &tag, &error), OXP_ERR_SYNTAX);
        oxp_provider_list_fini(&list);
    }
    struct oxp_provider_list list;
    oxp_provider_list_init(&list);
    for (int i = 0; i < OXP_PROVIDER_ANSWERS_MAX; i++) {
        assert_int_equal(oxp_provider_list_add(&list, OXP_VIEW("[]"), &no_tag, NULL), OXP_OK);
    }
    assert_int_equal(oxp_provider_list_add(&list, OXP_VIEW("[]"), &no_tag, NULL), OXP_ERR_LIMIT);
    oxp_provider_list_fini(&list);
}

/* Without a tag nothing is ours. */
static void no_tag_no_claim(void **state) {
    (void)state;
    struct oxp_provider_list list;
    oxp_provider_list_init(&list);
    struct oxp_view body =
        OXP_VIEW("[" S("a", "RUNNING", OURS) "," S("b", "RUNNING", ",\"userMetadata\":{\"\":\"\"}") //
                 "]");
    assert_int_equal(oxp_provider_list_add(&list, body, &no_tag, NULL), OXP_OK);
    assert_int_equal(list.count, 2);
    assert_false(list.sessions[0].ours || list.sessions[1].ours);
    oxp_provider_list_fini(&list);
}

static void marks(void **state) {
    (void)state;
    static const struct {
        const char *name, *listed, *queried;
        enum oxp_status status;
        size_t silent;
        const char *list;
    } rows[] = {
        {"the silent one that is found", "[" S("a", "RUNNING", "") "," S("b", "RUNNING", "") "]",
         "[" S("b", "RUNNING", "") "," S("unheard", "RUNNING", "") "]", OXP_OK, 2, "a running, b running ours"},
        {"null is silent", "[" S("a", "RUNNING", ",\"userMetadata\":null") "]", "[" S("a", "RUNNING", "") "]", OXP_OK,
         1, "a running ours"},
        {"its own word counts", "[" S("a", "RUNNING", OTHERS) "," S("b", "RUNNING", OURS) "]",
         "[" S("a", "RUNNING", "") "]", OXP_OK, 0, "a running, b running ours"},
        {"the query is not obeyed", "[" S("a", "RUNNING", "") "," S("b", "RUNNING", OTHERS) "]",
         "[" S("a", "RUNNING", "") "," S("b", "RUNNING", OTHERS) "]", OXP_ERR_UNSUPPORTED, 1, "a running, b running"},
        {"bad entries", "[" S("a", "RUNNING", "") "]", "[1,null,{},{\"id\":\"a\"}]", OXP_OK, 1, "a running ours"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_provider_list list;
        char text[256];
        oxp_provider_list_init(&list);
        assert_int_equal(oxp_provider_list_add(&list, oxp_view_from(rows[i].listed), &tag, NULL), OXP_OK);
        assert_int_equal(list.silent_count, rows[i].silent);
        assert_int_equal(oxp_provider_list_mark(&list, oxp_view_from(rows[i].queried), &tag, NULL), rows[i].status);
        describe(&list, text, sizeof text);
        if (strcmp(text, rows[i].list) != 0) {
            fail_msg("%s: %s", rows[i].name, text);
        }
        oxp_provider_list_fini(&list);
    }
}

/* A session that is silent in one answer and speaks in the next is not silent any more. */
static void silence_is_counted_once(void **state) {
    (void)state;
    struct oxp_provider_list list;
    oxp_provider_list_init(&list);
    assert_int_equal(oxp_provider_list_add(&list, OXP_VIEW("[" S("a", "PENDING", "") "]"), &tag, NULL), OXP_OK);
    assert_int_equal(list.silent_count, 1);
    assert_int_equal(oxp_provider_list_add(&list, OXP_VIEW("[" S("a", "RUNNING", OURS) "]"), &tag, NULL), OXP_OK);
    assert_int_equal(list.silent_count, 0);
    assert_true(list.sessions[0].ours);
    oxp_provider_list_fini(&list);
}

/* ---- One session ---- */

static void every_member(void **state) {
    (void)state;
    struct oxp_provider_session s;
    struct oxp_json *root = NULL;
    struct oxp_view body = OXP_VIEW(
        "{\"id\":\"a-1\",\"createdAt\":\"2023-11-07T05:31:56Z\",\"startedAt\":\"2023-11-07T05:31:57Z\","
        "\"updatedAt\":\"2023-11-07T05:31:58Z\",\"endedAt\":\"2023-11-07T05:31:59Z\","
        "\"expiresAt\":\"2023-11-07T06:31:56Z\",\"status\":\"TIMED_OUT\",\"keepAlive\":true,\"projectId\":\"p\","
        "\"proxyBytes\":123,\"region\":\"us-west-2\",\"userMetadata\":{\"service\":\"collector\"},\"contextId\":null}");
    assert_int_equal(oxp_provider_session_read(body, &tag, &s, &root, NULL), OXP_OK);
    assert_true(oxp_view_is(s.id, "a-1") && oxp_view_is(s.status, "timed_out") && oxp_view_is(s.region, "us-west-2"));
    assert_true(s.created_s == 1699335116 && s.started_s == 1699335117 && s.ended_s == 1699335119);
    assert_true(s.expires_s == 1699338716 && s.keep_alive && s.proxy_bytes == 123 && s.ours);
    oxp_json_free(root);
}

static void odd_members(void **state) {
    (void)state;
    static const struct {
        const char *more, *region;
        uint64_t proxy_bytes;
        bool keep_alive;
    } rows[] = {
        {"", "", 0, false},
        {",\"region\":7,\"proxyBytes\":\"9\",\"keepAlive\":\"yes\",\"createdAt\":9", "", 0, false},
        {",\"region\":\"us west\",\"proxyBytes\":-1,\"keepAlive\":false", "", 0, false},
        {",\"region\":\"eu-central-1\",\"proxyBytes\":1e300,\"keepAlive\":true", "eu-central-1", 0, true},
        {",\"proxyBytes\":12.75", "", 12, false},
        {",\"proxyBytes\":9007199254740993,\"createdAt\":\"soon\"", "", UINT64_C(9007199254740992), false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char body[256];
        struct oxp_provider_session s;
        struct oxp_json *root = NULL;
        snprintf(body, sizeof body, "{\"id\":\"a\",\"status\":\"FROZEN\"%s}", rows[i].more);
        assert_int_equal(oxp_provider_session_read(oxp_view_from(body), &tag, &s, &root, NULL), OXP_OK);
        assert_true(oxp_view_is(s.status, "unknown") && oxp_view_is(s.region, rows[i].region));
        assert_true(s.proxy_bytes == rows[i].proxy_bytes);
        assert_int_equal(s.keep_alive, rows[i].keep_alive);
        assert_true(isnan(s.created_s) && isnan(s.started_s) && isnan(s.ended_s) && isnan(s.expires_s) && !s.ours);
        oxp_json_free(root);
    }
    static const char *const refused[] = {"", "[]", "{}", "null", "{\"id\":\"a\"}", "{\"id\":\"..\",\"status\":\"X\"}"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct oxp_provider_session s;
        struct oxp_json *root = NULL;
        struct oxp_error error = {0};
        assert_int_equal(oxp_provider_session_read(oxp_view_from(refused[i]), &tag, &s, &root, &error), OXP_ERR_SYNTAX);
        assert_true(root == NULL && error.text[0] != '\0');
    }
}

static void final_statuses(void **state) {
    (void)state;
    assert_true(oxp_provider_status_is_final(OXP_VIEW("completed")));
    assert_true(oxp_provider_status_is_final(OXP_VIEW("error")));
    assert_true(oxp_provider_status_is_final(OXP_VIEW("timed_out")));
    assert_false(oxp_provider_status_is_final(OXP_VIEW("running")));
    assert_false(oxp_provider_status_is_final(OXP_VIEW("pending")));
    assert_false(oxp_provider_status_is_final(OXP_VIEW("unknown")));
    assert_false(oxp_provider_status_is_final(OXP_VIEW("")));
}

/* ---- The project ---- */

static bool same(double a, double b) {
    return a == b || (isnan(a) && isnan(b));
}

static void projects(void **state) {
    (void)state;
    static const struct {
        const char *body;
        enum oxp_status status;
        double concurrency, seconds, bytes;
    } rows[] = {
        {"{\"id\":\"p\",\"concurrency\":25,\"browserMinutes\":2.5,\"proxyBytes\":1000}", OXP_OK, 25, 150, 1000},
        {"{\"concurrency\":0,\"browserMinutes\":0,\"proxyBytes\":0}", OXP_OK, (double)NAN, 0, 0},
        {"{\"concurrency\":-1,\"browserMinutes\":-1,\"proxyBytes\":-1}", OXP_OK, (double)NAN, (double)NAN, (double)NAN},
        {"{\"concurrency\":\"25\",\"browserMinutes\":null}", OXP_OK, (double)NAN, (double)NAN, (double)NAN},
        {"{}", OXP_OK, (double)NAN, (double)NAN, (double)NAN},
        {"[]", OXP_ERR_SYNTAX, (double)NAN, (double)NAN, (double)NAN},
        {"25", OXP_ERR_SYNTAX, (double)NAN, (double)NAN, (double)NAN},
        {"{", OXP_ERR_SYNTAX, (double)NAN, (double)NAN, (double)NAN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double concurrency = 7, seconds = 7, bytes = 7;
        struct oxp_view body = oxp_view_from(rows[i].body);
        assert_int_equal(oxp_provider_project_read(body, &concurrency, NULL), rows[i].status);
        assert_int_equal(oxp_provider_usage_read(body, &seconds, &bytes, NULL), rows[i].status);
        if (!same(concurrency, rows[i].concurrency) || !same(seconds, rows[i].seconds) || !same(bytes, rows[i].bytes)) {
            fail_msg("%s: %f %f %f", rows[i].body, concurrency, seconds, bytes);
        }
    }
}

/* ---- Without memory ---- */

static void read_all(void *ctx) {
    (void)ctx;
    struct oxp_provider_list list;
    oxp_provider_list_init(&list);
    enum oxp_status status =
        oxp_provider_list_add(&list, OXP_VIEW("[" S("a", "PENDING", "") "," S("b", "PENDING", OURS) "]"), &tag, NULL);
    if (status == OXP_OK) {
        status =
            oxp_provider_list_add(&list, OXP_VIEW("[" S("c", "RUNNING", "") "," S("a", "RUNNING", "") "]"), &tag, NULL);
    }
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && alloc_fail_hit()));
    for (size_t i = 0; i < list.count; i++) { /* what is there is whole */
        assert_ptr_equal(oxp_provider_list_get(&list, list.sessions[i].id), &list.sessions[i]);
    }
    oxp_provider_list_fini(&list);
}

static void allocations_fail(void **state) {
    (void)state;
    assert_true(alloc_fail_each(read_all, NULL) >= 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),
        cmocka_unit_test(lists),
        cmocka_unit_test(refused_lists),
        cmocka_unit_test(no_tag_no_claim),
        cmocka_unit_test(marks),
        cmocka_unit_test(silence_is_counted_once),
        cmocka_unit_test(every_member),
        cmocka_unit_test(odd_members),
        cmocka_unit_test(final_statuses),
        cmocka_unit_test(projects),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
