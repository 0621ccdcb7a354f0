/* The host's logger: its three forms, what is scrubbed, what cannot forge a record, the ring, and that it never waits.
 */
#include <oxpecker/log.h>

#include "lib/log/ring.h"
#include "tests/support/alloc_fail.h"
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define AT 1800000000.1234 /* 2027-01-15T08:00:00.123Z */

static double now(void *ctx) {
    (void)ctx;
    return AT;
}

/* A pipe for each form. */
struct ends {
    int json[2], text[2], audit[2];
};

static void open_ends(struct ends *ends) {
    assert_int_equal(pipe(ends->json) | pipe(ends->text) | pipe(ends->audit), 0);
}

static void close_ends(struct ends *ends) {
    const int all[] = {ends->json[0], ends->json[1], ends->text[0], ends->text[1], ends->audit[0], ends->audit[1]};
    for (size_t i = 0; i < 6; i++) {
        close(all[i]);
    }
}

static const char *read_end(int fd) {
    static char text[65536];
    fcntl(fd, F_SETFL, O_NONBLOCK);
    ssize_t len = read(fd, text, sizeof text - 1);
    text[len < 0 ? 0 : len] = '\0';
    return text;
}

static struct oxp_logger *logger_over(const struct ends *ends, int32_t utc_offset_s, struct oxp_reporter *reporter) {
    const struct oxp_logger_options options = {.level = OXP_LOG_INFO,
                                               .json_fd = ends->json[1],
                                               .text_fd = ends->text[1],
                                               .audit_fd = ends->audit[1],
                                               .utc_offset_s = utc_offset_s,
                                               .reporter = reporter,
                                               .report_level = OXP_LOG_WARNING,
                                               .now_s = now};
    struct oxp_logger *logger = NULL;
    assert_int_equal(oxp_logger_new(&options, &logger), OXP_OK);
    return logger;
}

static void each_form_as_its_header_says(void **state) {
    static const struct oxp_ids ids = {.session = {"s1", 2}, .trace_id = {"0af7651916cd43dd8448eb211c80319c", 32}};
    const struct oxp_pair pairs[] = {oxp_pair_text("region", OXP_VIEW("us-east-1")), oxp_pair_count("tries", 2),
                                     oxp_pair_flag("ok", true), oxp_pair_number("wait_s", 0.5)};
    struct ends ends;
    (void)state;
    open_ends(&ends);
    struct oxp_logger *logger = logger_over(&ends, 0, NULL);
    oxp_logger_log(logger, OXP_LOG_INFO, &ids, OXP_VIEW("session created"), pairs, 4);
    assert_string_equal(
        read_end(ends.json[0]),
        "{\"ts\":\"2027-01-15T08:00:00.123Z\",\"level\":\"info\",\"logger\":\"orchestrator\","
        "\"msg\":\"session created\",\"session\":\"s1\",\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\","
        "\"region\":\"us-east-1\",\"tries\":2,\"ok\":\"true\",\"wait_s\":0.5}\n");
    assert_string_equal(read_end(ends.text[0]), "2027-01-15 08:00:00,123 - orchestrator - INFO - session created "
                                                "region=us-east-1 tries=2 ok=true wait_s=0.5\n");
    assert_string_equal(read_end(ends.audit[0]), "");
    oxp_logger_log(logger, OXP_LOG_DEBUG, NULL, OXP_VIEW("below the level"), NULL, 0);
    assert_string_equal(read_end(ends.json[0]), "");
    oxp_logger_set_level(logger, OXP_LOG_DEBUG);
    oxp_logger_log(logger, OXP_LOG_DEBUG, NULL, OXP_VIEW("now it is not"), NULL, 0);
    assert_string_equal(read_end(ends.text[0]), "2027-01-15 08:00:00,123 - orchestrator - DEBUG - now it is not\n");
    oxp_logger_free(logger);
    close_ends(&ends);
}

static void audit_lines_split_at_their_keys(void **state) {
    static const struct {
        struct oxp_audit audit;
        const char *line;
    } rows[] = {
        {{.action = {"create_session", 14},
          .status = {"success", 7},
          .ids = {.session = {"s1", 2}},
          .details = {"a, b", 4}},
         "INFO - Action: create_session, Status: success, Workflow: N/A, SessionID: s1, TaskID: N/A, Details: a, b\n"},
        {{.action = {"run", 3}, .status = {"FAILED", 6}, .ids = {.workflow = {"w, Status: x", 12}, .task = {"t", 1}}},
         "ERROR - Action: run, Status: FAILED, Workflow: w; Status: x, SessionID: N/A, TaskID: t, Details: N/A\n"},
        {{.action = {"run", 3}, .status = {"started", 7}, .details = {"one\ntwo\r", 8}, .level = OXP_LOG_WARNING},
         "WARNING - Action: run, Status: started, Workflow: N/A, SessionID: N/A, TaskID: N/A, Details: one\\ntwo?\n"},
        {{.action = {"x", 1}, .details = {"apiKey=bb_live_abcdefghijklmnop", 31}},
         "INFO - Action: x, Status: N/A, Workflow: N/A, SessionID: N/A, TaskID: N/A, Details: apiKey=[redacted]\n"},
    };
    struct ends ends;
    (void)state;
    open_ends(&ends);
    struct oxp_logger *logger = logger_over(&ends, 5400, NULL); /* an hour and a half east */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        oxp_logger_audit(logger, &rows[i].audit);
        const char *line = read_end(ends.audit[0]);
        assert_memory_equal(line, "2027-01-15 09:30:00,123 - orchestrator - ", 41);
        assert_string_equal(line + 41, rows[i].line);
        assert_non_null(strstr(read_end(ends.json[0]), "\"msg\":\"audit\",")); /* it is a record as well */
    }
    oxp_logger_free(logger);
    close_ends(&ends);
}

struct listener {
    struct oxp_reporter reporter;
    char types[128];
};

static void listen_to(struct oxp_reporter *self, const struct oxp_report *report) {
    struct listener *listener = (struct listener *)self;
    strncat(listener->types, report->type, sizeof listener->types - strlen(listener->types) - 1);
    strncat(listener->types, " ", sizeof listener->types - strlen(listener->types) - 1);
}

static void the_sidecar_gets_what_matters(void **state) {
    struct listener listener = {.reporter = {listen_to}};
    struct ends ends;
    (void)state;
    open_ends(&ends);
    struct oxp_logger *logger = logger_over(&ends, 0, &listener.reporter);
    oxp_logger_log(logger, OXP_LOG_INFO, NULL, OXP_VIEW("quiet"), NULL, 0);
    oxp_logger_log(logger, OXP_LOG_ERROR, NULL, OXP_VIEW("loud"), NULL, 0);
    oxp_logger_audit(logger, &(struct oxp_audit){.action = OXP_VIEW("x")});
    assert_string_equal(listener.types, "log audit ");
    oxp_logger_free(logger);
    close_ends(&ends);
}

static void lines_are_whole_and_bounded(void **state) {
    static char longest[20000];
    struct ends ends;
    (void)state;
    open_ends(&ends);
    struct oxp_logger *logger = logger_over(&ends, 0, NULL);
    for (size_t i = 0; i + 3 <= sizeof longest; i += 3) {
        memcpy(longest + i, "\xe2\x82\xac", 3);
    }
    oxp_logger_log(logger, OXP_LOG_INFO, NULL, oxp_view_of(longest, sizeof longest / 3 * 3), NULL, 0);
    const int fds[] = {ends.json[0], ends.text[0]};
    for (size_t i = 0; i < 2; i++) {
        const char *line = read_end(fds[i]);
        size_t len = strlen(line);
        assert_true(len > 8000 && len <= 8192);
        assert_true(line[len - 1] == '\n' && strchr(line, '\n') == line + len - 1);
    }
    oxp_logger_log(logger, OXP_LOG_INFO, NULL, OXP_VIEW("2027 - forged\n2027-01-15 - INFO - \xff"), NULL, 0);
    assert_string_equal(read_end(ends.text[0]),
                        "2027-01-15 08:00:00,123 - orchestrator - INFO - 2027 - forged\\n2027-01-15 - INFO - ?\n");
    oxp_logger_free(logger);
    close_ends(&ends);
}

static void a_pipe_that_nobody_reads_holds_up_nobody(void **state) {
    struct oxp_logger_stats stats;
    struct ends ends;
    (void)state;
    open_ends(&ends);
    struct oxp_logger *logger = logger_over(&ends, 0, NULL);
    for (int i = 0; i < 20000; i++) { /* far more than a pipe holds */
        oxp_logger_log(logger, OXP_LOG_INFO, NULL, OXP_VIEW("line after line"), NULL, 0);
    }
    oxp_logger_read(logger, &stats);
    assert_true(stats.dropped > 10000 && stats.written[OXP_LOG_INFO] == 20000);
    assert_int_equal(stats.held, 1000);
    (void)read_end(ends.json[0]);
    oxp_logger_log(logger, OXP_LOG_INFO, NULL, OXP_VIEW("again"), NULL, 0);
    assert_non_null(strstr(read_end(ends.json[0]), "log lines were dropped"));
    oxp_logger_free(logger);
    close_ends(&ends);
}

static bool newest_first(void *ctx, const struct oxp_log_entry *entry) {
    char *text = ctx;
    assert_true(entry->ts == AT);
    size_t used = strlen(text);
    const char *at = memmem(entry->json.ptr, entry->json.len, "\"msg\":\"", 7);
    snprintf(text + used, 64 - used, "%.2s ", at + 7);
    return strlen(text) < 9;
}

static void the_ring_holds_the_newest(void **state) {
    const struct oxp_logger_options options = {.json_fd = -1, .text_fd = -1, .audit_fd = -1, .recent = 4, .now_s = now};
    struct oxp_logger *logger = NULL;
    char text[64] = "";
    (void)state;
    assert_int_equal(oxp_logger_new(&options, &logger), OXP_OK);
    oxp_logger_recent(logger, 0, newest_first, text);
    assert_string_equal(text, "");
    for (int i = 10; i < 19; i++) {
        char message[8];
        snprintf(message, sizeof message, "%d", i);
        oxp_logger_log(logger, OXP_LOG_INFO, NULL, oxp_view_from(message), NULL, 0);
    }
    oxp_logger_recent(logger, 2, newest_first, text);
    assert_string_equal(text, "18 17 ");
    text[0] = '\0';
    oxp_logger_recent(logger, 0, newest_first, text);
    assert_string_equal(text, "18 17 16 "); /* it said enough */
    oxp_logger_free(logger);
}

static bool count_entries(void *ctx, const struct oxp_log_entry *entry) {
    size_t *count = ctx;
    assert_true(entry->json.len > 2 && entry->json.ptr[0] == '{' && entry->json.ptr[entry->json.len - 1] == '}');
    ++*count;
    return true;
}

static void *log_a_lot(void *arg) {
    for (int i = 0; i < 3000; i++) {
        oxp_logger_log(arg, OXP_LOG_INFO, NULL, OXP_VIEW("from a thread"), NULL, 0);
    }
    return NULL;
}

static void threads_and_a_reader(void **state) {
    const struct oxp_logger_options options = {.json_fd = -1, .text_fd = -1, .audit_fd = -1, .now_s = now};
    struct oxp_logger *logger = NULL;
    pthread_t threads[8];
    (void)state;
    assert_int_equal(oxp_logger_new(&options, &logger), OXP_OK);
    for (size_t i = 0; i < 8; i++) {
        pthread_create(&threads[i], NULL, log_a_lot, logger);
    }
    for (int i = 0; i < 20; i++) {
        size_t count = 0;
        oxp_logger_recent(logger, 0, count_entries, &count);
        assert_true(count <= 1000);
    }
    for (size_t i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    struct oxp_logger_stats stats;
    oxp_logger_read(logger, &stats);
    assert_int_equal(stats.written[OXP_LOG_INFO], 24000);
    assert_int_equal(stats.held, 1000);
    oxp_logger_free(logger);
}

static void make_and_log(void *ctx) {
    const struct oxp_logger_options options = {.json_fd = -1, .text_fd = -1, .audit_fd = -1, .now_s = now};
    struct oxp_logger *logger = NULL;
    (void)ctx;
    if (oxp_logger_new(&options, &logger) == OXP_OK) {
        oxp_logger_log(logger, OXP_LOG_INFO, NULL, OXP_VIEW("x"), NULL, 0);
        oxp_logger_audit(logger, &(struct oxp_audit){.action = OXP_VIEW("x")});
    }
    oxp_logger_free(logger);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    assert_true(alloc_fail_each(make_and_log, NULL) >= 4);
    oxp_logger_log(NULL, OXP_LOG_INFO, NULL, OXP_VIEW("x"), NULL, 0);
    oxp_logger_audit(NULL, &(struct oxp_audit){.action = OXP_VIEW("x")});
    oxp_logger_recent(NULL, 0, count_entries, NULL);
    oxp_logger_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_as_its_header_says),
        cmocka_unit_test(audit_lines_split_at_their_keys),
        cmocka_unit_test(the_sidecar_gets_what_matters),
        cmocka_unit_test(lines_are_whole_and_bounded),
        cmocka_unit_test(a_pipe_that_nobody_reads_holds_up_nobody),
        cmocka_unit_test(the_ring_holds_the_newest),
        cmocka_unit_test(threads_and_a_reader),
        cmocka_unit_test(every_allocation_may_fail),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
