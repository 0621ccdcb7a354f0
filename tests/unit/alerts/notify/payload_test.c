/* The bodies, against files made by hand (tests/golden/notify), and their parts. */
#include "alerts/notify/notice.h"
#include "lib/base/file.h"
#include "tests/unit/lib/base/support.h"

#include <stdio.h>
#include <stdlib.h>

/* Pairs from "name=value|name=value", sorted already. */
static struct oxp_pairs pairs_of(const char *text, struct oxp_pair *room) {
    size_t count = 0;
    while (*text != '\0') {
        size_t name = strcspn(text, "="), value = strcspn(text + name + 1, "|");
        room[count++] = (struct oxp_pair){oxp_view_of(text, name), oxp_view_of(text + name + 1, value)};
        text += name + 1 + value;
        text += *text == '|';
    }
    return (struct oxp_pairs){room, count};
}

static struct oxp_notice *notice_of(const char *labels, const char *annotations, const char *generator) {
    struct oxp_pair first[8], second[8];
    struct oxp_notice shape = {.labels = pairs_of(labels, first),
                               .annotations = pairs_of(annotations, second),
                               .generator = oxp_view_from(generator)};
    struct oxp_notice *notice = oxp_notice_new(&shape);
    assert_non_null(notice);
    return notice;
}

static struct oxp_notice *disk(void) {
    return notice_of("alertname=Disk|instance=b:1|job=node|severity=critical",
                     "runbook=http://r/1|summary=Disk of b:1 \"full\"\n\xc3\xbc <&>",
                     "http://p/graph?g0.expr=up&g0.tab=1");
}

static struct oxp_notice *other(void) {
    return notice_of("alertname=Disk|instance=a:1|job=node", "runbook=http://r/1|summary=Disk of a:1", "");
}

static char *sorted_json(struct oxp_view text) {
    struct oxp_json *value = NULL;
    struct oxp_error error = {0};
    char *out = NULL;
    size_t len;
    if (oxp_json_read(text, &value, &error) != OXP_OK) {
        fail_msg("%u:%u: %s", error.line, error.column, error.text);
    }
    assert_int_equal(oxp_json_write(value, &out, &len), OXP_OK);
    oxp_json_free(value);
    return out;
}

static void assert_golden(struct oxp_view text, const char *path) {
    struct oxp_buf file;
    struct oxp_error error = {0};
    oxp_buf_init(&file, 1 << 20);
    if (oxp_file_read(path, &file, &error) != OXP_OK) {
        fail_msg("%s", error.text);
    }
    char *left = sorted_json(text), *right = sorted_json(oxp_buf_view(&file));
    assert_string_equal(left, right);
    free(left);
    free(right);
    oxp_buf_fini(&file);
}

static void test_webhook(void **state) {
    (void)state;
    struct oxp_notice *first = disk(), *second = other();
    struct oxp_news news[] = {{first, false, 1700000000120, 0}, {second, true, 1700000000000, 1700000060001}};
    static const struct oxp_pair group[] = {{{"alertname", 9}, {"Disk", 4}}};
    struct oxp_payload payload = {.receiver = "on.call+1",
                                  .external_url = "http://sidecar:10108",
                                  .group_key = OXP_VIEW("{}:{alertname=\"Disk\"}"),
                                  .group_labels = {group, 1},
                                  .news = news,
                                  .count = 2,
                                  .truncated = 3,
                                  .firing = true};
    struct oxp_buf out;
    oxp_news_sort(news, 2); /* a:1 before b:1 */
    oxp_buf_init(&out, 0);
    oxp_payload_write(&out, &payload);
    assert_golden(oxp_buf_view(&out), "tests/golden/notify/webhook.json");
    assert_true(oxp_view_ends(oxp_buf_view(&out), OXP_VIEW("}\n")));
    oxp_buf_clear(&out);
    payload.count = 0; /* all are cut off */
    payload.firing = false;
    oxp_payload_write(&out, &payload);
    assert_golden(oxp_buf_view(&out), "tests/golden/notify/webhook_empty.json");
    oxp_buf_fini(&out);
    oxp_notice_drop(first);
    oxp_notice_drop(second);
}

static void test_api(void **state) {
    (void)state;
    struct oxp_notice *first = disk(), *second = other();
    struct oxp_news news[] = {{first, false, 1700000000120, 1700000240000},
                              {second, true, 1700000000000, 1700000060001}};
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    oxp_buf_append_char(&out, '[');
    oxp_news_write(&out, &news[0]);
    oxp_buf_append_char(&out, ',');
    oxp_news_write(&out, &news[1]);
    oxp_buf_append_char(&out, ']');
    assert_golden(oxp_buf_view(&out), "tests/golden/notify/alertmanager.json");
    oxp_buf_fini(&out);
    oxp_notice_drop(first);
    oxp_notice_drop(second);
}

/* Fingerprints as an Alertmanager 0.25 gave them. */
static void test_fingerprint(void **state) {
    (void)state;
    struct oxp_notice *notice = disk();
    assert_int_equal(notice->fingerprint, UINT64_C(0x4992b453cbdaebb8));
    oxp_notice_drop(notice);
    notice = notice_of("", "", "");
    assert_int_equal(notice->fingerprint, UINT64_C(0xcbf29ce484222325));
    oxp_notice_drop(notice);
}

static void test_order(void **state) {
    (void)state;
    static const struct { /* the first stands before the second */
        const char *name, *first, *second;
    } rows[] = {
        {"job", "job=a|x=9", "job=b"},
        {"with a job", "job=a|x=9", "a=a"},
        {"instance", "a=9|instance=a", "a=1|instance=b"},
        {"fewer labels", "z=9", "a=1|b=1"},
        {"the value", "a=1|b=1", "a=1|b=2"},
        {"who lacks the name", "b=1", "a=2"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_notice *first = notice_of(rows[i].first, "", ""), *second = notice_of(rows[i].second, "", "");
        for (int swapped = 0; swapped < 2; swapped++) {
            struct oxp_news news[] = {{.notice = swapped ? second : first}, {.notice = swapped ? first : second}};
            oxp_news_sort(news, 2);
            if (news[0].notice != first) {
                fail_msg("%s", rows[i].name);
            }
        }
        oxp_notice_drop(first);
        oxp_notice_drop(second);
    }
}

static void test_times(void **state) {
    (void)state;
    static const struct {
        int64_t ms;
        const char *expected;
    } rows[] = {{0, "\"1970-01-01T00:00:00Z\""},
                {1700000000000, "\"2023-11-14T22:13:20Z\""},
                {1700000000100, "\"2023-11-14T22:13:20.1Z\""},
                {1700000000120, "\"2023-11-14T22:13:20.12Z\""},
                {1700000000003, "\"2023-11-14T22:13:20.003Z\""}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_buf out;
        oxp_buf_init(&out, 0);
        oxp_time_json(&out, rows[i].ms);
        assert_string_equal(oxp_buf_text(&out), rows[i].expected);
        oxp_buf_fini(&out);
    }
}

static void test_generator(void **state) {
    (void)state;
    static const struct {
        const char *base, *expression, *expected;
    } rows[] = {
        {"", "up", ""},
        {"http://h", "up", "http://h/graph?g0.expr=up&g0.tab=1"},
        {"http://h/x/", "a + b{c=\"d\"}", "http://h/x/graph?g0.expr=a+%2B+b%7Bc%3D%22d%22%7D&g0.tab=1"},
        {"http://h", "-_.~*(\xc3\xbc", "http://h/graph?g0.expr=-_.~%2A%28%C3%BC&g0.tab=1"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_buf out;
        oxp_buf_init(&out, 0);
        oxp_generator_url(&out, oxp_view_from(rows[i].base), oxp_view_from(rows[i].expression));
        assert_string_equal(oxp_buf_text(&out), rows[i].expected);
        oxp_buf_fini(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_webhook), cmocka_unit_test(test_api),   cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_order),   cmocka_unit_test(test_times), cmocka_unit_test(test_generator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
