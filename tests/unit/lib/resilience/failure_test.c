/* Failures: what is kept, what is scrubbed, which code a chain has, that cleaning up never masks, and that there is one
 * without memory too. */
#include <oxpecker/failure.h>

#include "lib/base/utf8.h"
#include "lib/resilience/failure_chain.h"
#include "tests/support/alloc_fail.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A reporter that writes each report down as text. */
struct notebook {
    struct oxp_reporter reporter;
    char text[8192];
    unsigned reports;
};

static void note(struct oxp_reporter *self, const struct oxp_report *report) {
    struct notebook *book = (struct notebook *)self;
    size_t used = strlen(book->text);
    book->reports++;
    used += (size_t)snprintf(book->text + used, sizeof book->text - used, "[%s", report->type);
    if (report->ids != NULL && report->ids->session.len != 0) {
        used += (size_t)snprintf(book->text + used, sizeof book->text - used, " session=%.*s",
                                 (int)report->ids->session.len, report->ids->session.ptr);
    }
    for (size_t i = 0; i < report->count; i++) {
        const struct oxp_pair *pair = &report->pairs[i];
        if (pair->kind == OXP_PAIR_TEXT) {
            used += (size_t)snprintf(book->text + used, sizeof book->text - used, " %s=%.*s", pair->key,
                                     (int)pair->value.text.len, pair->value.text.ptr);
        } else if (pair->kind == OXP_PAIR_COUNT) {
            used += (size_t)snprintf(book->text + used, sizeof book->text - used, " %s=%llu", pair->key,
                                     (unsigned long long)pair->value.count);
        } else if (pair->kind == OXP_PAIR_FLAG) {
            used += (size_t)snprintf(book->text + used, sizeof book->text - used, " %s=%s", pair->key,
                                     pair->value.flag ? "true" : "false");
        }
    }
    snprintf(book->text + used, sizeof book->text - used, "]");
}

static struct notebook notebook(void) {
    return (struct notebook){.reporter = {note}};
}

#define V(text) OXP_VIEW(text)
static const struct oxp_evidence refused = {
    .upstream = {"browserbase", 11}, .op = {"session.create", 14}, .status = 401, .message = {"key refused", 11}};
static const struct oxp_evidence timed_out = {.errno_name = {"ETIMEDOUT", 9}, .message = {"no answer", 9}};

static void it_is_classified_and_keeps_its_context(void **state) {
    const struct oxp_pair attributes[] = {oxp_pair_text("region", V("us-east-1")), oxp_pair_count("page", 3)};
    const struct oxp_failure_context context = {.component = V("sessions"),
                                                .ids = {.session = V("s1"), .task = V("t1")},
                                                .attributes = attributes,
                                                .attribute_count = 2,
                                                .occurred_s = 1800000000};
    struct oxp_pair pair;
    struct oxp_failure *failure = oxp_failure_new(&refused, &context);
    (void)state;
    assert_string_equal(oxp_failure_code(failure)->name, "bb_auth");
    assert_true(oxp_view_is(oxp_failure_message(failure), "key refused"));
    assert_true(oxp_view_is(oxp_failure_component(failure), "sessions"));
    assert_true(oxp_view_is(oxp_failure_ids(failure)->task, "t1"));
    assert_true(oxp_failure_occurred_s(failure) == 1800000000 && oxp_failure_made_s(failure) > 1700000000);
    assert_true(oxp_failure_attribute_at(failure, 0, &pair) && strcmp(pair.key, "region") == 0);
    assert_true(oxp_failure_attribute_at(failure, 1, &pair) && pair.value.count == 3);
    assert_false(oxp_failure_attribute_at(failure, 2, &pair));
    char *text = oxp_failure_text(failure);
    assert_string_equal(text, "bb_auth in sessions (session.create): 401 key refused\n  region: us-east-1\n  page: 3");
    free(text);
    oxp_failure_free(failure);
}

static void an_error_event_names_the_creation_that_failed(void **state) {
    const struct oxp_failure_context context = {.ref = V("create-7"), .region = V("us-east-1"), .model = V("m")};
    struct oxp_failure *failure = oxp_failure_new(&refused, &context);
    struct notebook book = notebook();
    (void)state;
    oxp_failure_report(failure, &book.reporter);
    assert_non_null(strstr(book.text, " ref=create-7 region=us-east-1 model=m "));
    oxp_failure_free(failure);
}

static void secrets_never_get_in(void **state) {
    const struct oxp_pair attributes[] = {
        oxp_pair_text("api_key", V("hunter2")),
        oxp_pair_text("url", V("wss://connect.browserbase.com?apiKey=bb_live_abcdefghijklmnop"))};
    const struct oxp_failure_context context = {.attributes = attributes, .attribute_count = 2};
    struct oxp_evidence evidence = {
        .message = V("cannot reach wss://connect.browserbase.com?apiKey=bb_live_abcdefghijklmnop")};
    struct oxp_failure *failure = oxp_failure_new(&evidence, &context);
    struct notebook book = notebook();
    (void)state;
    oxp_failure_report(failure, &book.reporter);
    assert_null(strstr(book.text, "bb_live"));
    assert_null(strstr(book.text, "hunter2"));
    assert_non_null(strstr(book.text, "[redacted]"));
    oxp_failure_free(failure);
}

static void long_texts_are_cut_at_a_character(void **state) {
    static char message[9001];
    for (size_t i = 0; i < 9000; i += 3) {
        memcpy(message + i, "\xe2\x82\xac", 3); /* the euro sign, 3 bytes */
    }
    struct oxp_evidence evidence = {.message = oxp_view_of(message, 9000)};
    struct oxp_failure *failure = oxp_failure_new(&evidence, NULL);
    (void)state;
    assert_int_equal(oxp_failure_message(failure).len, OXP_FAILURE_MESSAGE_MAX / 3 * 3);
    oxp_failure_free(failure);
}

static void a_wrapping_failure_without_evidence_takes_its_causes_code(void **state) {
    static const struct oxp_evidence nothing = {.message = {"the page could not be read", 26}};
    const struct oxp_failure_context early = {.occurred_s = 1800000000};
    struct oxp_failure *failure = oxp_failure_wrap(oxp_failure_new(&timed_out, &early), &nothing, NULL);
    struct notebook book = notebook();
    (void)state;
    assert_string_equal(oxp_failure_code(failure)->name, "net_timeout");
    assert_true(oxp_failure_occurred_s(failure) == 1800000000);
    oxp_failure_report(failure, &book.reporter);
    assert_int_equal(book.reports, 1);
    assert_non_null(strstr(book.text, "cause=net_timeout: no answer"));
    struct oxp_failure *other = oxp_failure_wrap(failure, &refused, NULL);
    assert_string_equal(oxp_failure_code(other)->name, "bb_auth");
    assert_ptr_equal(oxp_failure_cause(other), failure);
    oxp_failure_free(other);
}

static void chains_stay_short(void **state) {
    struct oxp_failure *failure = oxp_failure_new(&timed_out, NULL);
    size_t length = 0;
    (void)state;
    for (int i = 0; i < 100; i++) {
        failure = oxp_failure_wrap(failure, &refused, NULL);
    }
    const struct oxp_failure *first = failure;
    for (const struct oxp_failure *link = failure; link != NULL; link = oxp_failure_cause(link), length++) {
        first = link;
    }
    assert_int_equal(length, 16);
    assert_string_equal(oxp_failure_code(first)->name, "net_timeout");
    char *text = oxp_failure_text(failure);
    assert_non_null(strstr(text, "85 between left out"));
    free(text);
    oxp_failure_free(failure);
}

static void cleaning_up_never_masks(void **state) {
    struct notebook book = notebook();
    (void)state;
    struct oxp_failure *failure = oxp_failure_new(&refused, NULL);
    for (int i = 0; i < 12; i++) {
        failure = oxp_failure_cleanup(failure, oxp_failure_new(&timed_out, NULL));
    }
    failure = oxp_failure_cleanup(failure, NULL);
    assert_string_equal(oxp_failure_code(failure)->name, "bb_auth");
    assert_non_null(oxp_failure_cleanup_at(failure, 7));
    assert_null(oxp_failure_cleanup_at(failure, 8));
    oxp_failure_report(failure, &book.reporter);
    assert_int_equal(book.reports, 9);
    assert_null(strstr(book.text, "code=bb_auth cleanup"));
    assert_non_null(strstr(book.text, "cleanup=true"));
    oxp_failure_report(failure, &book.reporter);
    assert_int_equal(book.reports, 9); /* once */
    char *text = oxp_failure_text(failure);
    assert_non_null(strstr(text, "4 more while cleaning up"));
    free(text);
    oxp_failure_free(failure);
    failure = oxp_failure_cleanup(NULL, oxp_failure_new(&timed_out, NULL)); /* nothing to mask */
    book = notebook();
    oxp_failure_report(failure, &book.reporter);
    assert_null(strstr(book.text, "cleanup"));
    oxp_failure_free(failure);
}

/* What went wrong after a cause was cleaned up is not lost when somebody wraps it. */
static void cleanups_of_causes_are_said(void **state) {
    struct notebook book = notebook();
    (void)state;
    struct oxp_failure *failure =
        oxp_failure_cleanup(oxp_failure_new(&refused, NULL), oxp_failure_new(&timed_out, NULL));
    failure = oxp_failure_wrap(failure, &refused, NULL);
    oxp_failure_report(failure, &book.reporter);
    assert_int_equal(book.reports, 2);
    assert_non_null(strstr(book.text, "cleanup=true"));
    char *text = oxp_failure_text(failure);
    assert_non_null(strstr(text, "while cleaning up: net_timeout"));
    free(text);
    oxp_failure_free(failure);
}

/* Secrets that are shorter than what stands for them: a text that grows past its room ends at a character. */
static void a_text_that_grew_is_cut_at_a_character(void **state) {
    char message[256] = "";
    (void)state;
    for (int i = 0; i < 8; i++) {
        size_t used = strlen(message);
        snprintf(message + used, sizeof message - used, "password=a \xe2\x82\xac\xe2\x82\xac ");
    }
    for (size_t len = strlen(message); len > 0; len--) {
        struct oxp_evidence evidence = {.message = oxp_utf8_cut(oxp_view_of(message, strlen(message)), len)};
        struct oxp_failure *failure = oxp_failure_new(&evidence, NULL);
        assert_true(oxp_utf8_is_valid(oxp_failure_message(failure)));
        oxp_failure_free(failure);
    }
}

/* Puts one chain behind another: what fallback makes of its alternatives. */
static void one_failure_follows_another(void **state) {
    (void)state;
    struct oxp_failure *before = oxp_failure_wrap(oxp_failure_new(&timed_out, NULL), &refused, NULL);
    struct oxp_failure *now = oxp_failure_wrap(oxp_failure_new(&refused, NULL), &timed_out, NULL);
    assert_ptr_equal(oxp_failure_follow(NULL, now), now);
    assert_ptr_equal(oxp_failure_follow(before, now), now);
    assert_ptr_equal(oxp_failure_cause(oxp_failure_cause(now)), before);
    for (int i = 0; i < 40; i++) {
        now = oxp_failure_follow(now, oxp_failure_wrap(oxp_failure_new(&timed_out, NULL), &refused, NULL));
    }
    size_t length = 0;
    for (const struct oxp_failure *link = now; link != NULL; link = oxp_failure_cause(link)) {
        length++;
    }
    assert_int_equal(length, 16);
    char *text = oxp_failure_text(now);
    assert_non_null(strstr(text, "68 between left out"));
    free(text);
    oxp_failure_free(now);
}

static void *use_the_shared_one(void *arg) {
    struct notebook book = notebook();
    for (int i = 0; i < 200; i++) {
        alloc_fail_at(1);
        struct oxp_failure *failure = oxp_failure_new(&refused, NULL);
        alloc_fail_at(0);
        book.text[0] = '\0';
        failure = oxp_failure_cleanup(failure, oxp_failure_new(&timed_out, NULL));
        oxp_failure_report(failure, &book.reporter);
        oxp_failure_free(failure);
    }
    return book.reports == 200 ? NULL : arg;
}

/* The one without memory is constant: threads that share it do not race (thread sanitizer). */
static void threads_may_share_the_one_without_memory(void **state) {
    pthread_t threads[4];
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, use_the_shared_one, threads), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        assert_null(result);
    }
}

static void the_fingerprint_is_of_the_fault_not_of_its_numbers(void **state) {
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"session 12 closed", "session 99 closed", true},
        {"session 12 closed", "session 12 opened", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct oxp_evidence a = {.message = oxp_view_from(rows[i].a)}, b = {.message = oxp_view_from(rows[i].b)};
        struct oxp_failure *one = oxp_failure_new(&a, NULL), *two = oxp_failure_new(&b, NULL);
        assert_int_equal(oxp_failure_fingerprint(one) == oxp_failure_fingerprint(two), rows[i].same);
        oxp_failure_free(one);
        oxp_failure_free(two);
    }
    const struct oxp_failure_context here = {.component = V("a")}, there = {.component = V("b")};
    struct oxp_failure *one = oxp_failure_new(&timed_out, &here), *two = oxp_failure_new(&timed_out, &there);
    assert_true(oxp_failure_fingerprint(one) != oxp_failure_fingerprint(two));
    oxp_failure_free(one);
    oxp_failure_free(two);
}

static __attribute__((noinline)) struct oxp_failure *made_in_here(void) {
    const struct oxp_failure_context context = {.stack = true};
    return oxp_failure_new(&timed_out, &context);
}

static void the_stack_names_its_module(void **state) {
    struct oxp_failure *failure = made_in_here();
    struct oxp_view stack = oxp_failure_stack(failure);
    (void)state;
    assert_true(stack.len > 0 && stack.len <= 6144);
    assert_non_null(memmem(stack.ptr, stack.len, "failure", 7)); /* this program's name */
    oxp_failure_free(failure);
}

static void there_is_one_without_memory(void **state) {
    struct notebook book = notebook();
    (void)state;
    struct oxp_failure *cause = oxp_failure_new(&refused, NULL);
    alloc_fail_at(1);
    struct oxp_failure *failure = oxp_failure_new(&refused, NULL);
    assert_true(alloc_fail_hit());
    alloc_fail_at(1);
    assert_ptr_equal(oxp_failure_wrap(cause, &timed_out, NULL), cause);
    alloc_fail_at(0);
    assert_ptr_equal(oxp_failure_cleanup(cause, failure), cause);
    assert_string_equal(oxp_failure_code(failure)->name, "sys_oom");
    oxp_failure_report(failure, &book.reporter);
    assert_non_null(strstr(book.text, "out of memory"));
    char *text = oxp_failure_text(failure);
    assert_non_null(strstr(text, "sys_oom in liboxpecker"));
    free(text);
    oxp_failure_free(failure);
    oxp_failure_free(failure);
    assert_string_equal(oxp_failure_code(cause)->name, "bb_auth");
    oxp_failure_free(cause);
    oxp_failure_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_classified_and_keeps_its_context),
        cmocka_unit_test(an_error_event_names_the_creation_that_failed),
        cmocka_unit_test(secrets_never_get_in),
        cmocka_unit_test(long_texts_are_cut_at_a_character),
        cmocka_unit_test(a_wrapping_failure_without_evidence_takes_its_causes_code),
        cmocka_unit_test(chains_stay_short),
        cmocka_unit_test(cleaning_up_never_masks),
        cmocka_unit_test(cleanups_of_causes_are_said),
        cmocka_unit_test(a_text_that_grew_is_cut_at_a_character),
        cmocka_unit_test(one_failure_follows_another),
        cmocka_unit_test(threads_may_share_the_one_without_memory),
        cmocka_unit_test(the_fingerprint_is_of_the_fault_not_of_its_numbers),
        cmocka_unit_test(the_stack_names_its_module),
        cmocka_unit_test(there_is_one_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
