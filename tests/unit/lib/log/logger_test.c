/* The host's logger: its three forms, what is scrubbed, what cannot forge a record, the ring, and that it never waits.
 */
#include <oxpecker/log.h>

#include "lib/base/utf8.h"
#include "lib/log/ring.h"
#include "tests/support/alloc_fail.h"
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
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
        char message[16];
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

/* A line that is cut ends at a character, wherever in one the room ends. */
static void a_cut_line_is_utf8(void **state) {
    static char text[9000];
    struct ends ends;
    (void)state;
    open_ends(&ends);
    struct oxp_logger *logger = logger_over(&ends, 0, NULL);
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 4 <= sizeof text; i += 4) {
            memcpy(text + i, "\xf0\x9f\x98\x80", 4);
        }
        oxp_logger_log(logger, OXP_LOG_INFO, NULL, oxp_view_of(text, 8800 + shift), NULL, 0);
        const int fds[] = {ends.json[0], ends.text[0]};
        for (size_t i = 0; i < 2; i++) {
            const char *line = read_end(fds[i]);
            assert_true(strlen(line) > 8000 && oxp_utf8_is_valid(oxp_view_from(line)));
        }
    }
    oxp_logger_log(logger, OXP_LOG_INFO, NULL, OXP_VIEW("caf\xe9 closed, \xff\xe2\x82 and \xe2\x82\xac"), NULL, 0);
    assert_non_null(strstr(read_end(ends.text[0]), "- caf? closed, ??? and \xe2\x82\xac\n"));
    oxp_logger_free(logger);
    close_ends(&ends);
}

static void a_reader_that_is_gone_costs_a_line(void **state) {
    struct oxp_logger_stats stats;
    struct ends ends;
    (void)state;
    open_ends(&ends);
    struct oxp_logger *logger = logger_over(&ends, 0, NULL);
    close(ends.json[0]);
    close(ends.text[0]);
    signal(SIGPIPE, SIG_DFL); /* as a host has it that never thought of it */
    oxp_logger_log(logger, OXP_LOG_INFO, NULL, OXP_VIEW("x"), NULL, 0);
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    assert_true(before == SIG_DFL);
    oxp_logger_read(logger, &stats);
    assert_int_equal(stats.dropped, 2);
    oxp_logger_free(logger);
    ends.json[0] = ends.text[0] = -1;
    close_ends(&ends);
}

/* The host's own zone: what localtime says. */
static void local_time_is_the_machines(void **state) {
    static const struct {
        const char *zone, *text;
    } rows[] = {{"UTC0", "2027-01-15 08:00:00,123 - "},
                {"EST5", "2027-01-15 03:00:00,123 - "},
                {"IST-5:30", "2027-01-15 13:30:00,123 - "},
                {"XYZ8:00:01", "2027-01-14 23:59:59,123 - "}};
    struct ends ends;
    (void)state;
    open_ends(&ends);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        setenv("TZ", rows[i].zone, 1);
        tzset();
        struct oxp_logger *logger = logger_over(&ends, OXP_LOGGER_UTC_OFFSET_LOCAL, NULL);
        oxp_logger_log(logger, OXP_LOG_INFO, NULL, OXP_VIEW("x"), NULL, 0);
        const char *line = read_end(ends.text[0]);
        if (strncmp(line, rows[i].text, strlen(rows[i].text)) != 0) {
            fail_msg("%s: %s", rows[i].zone, line);
        }
        oxp_logger_free(logger);
    }
    unsetenv("TZ");
    tzset();
    close_ends(&ends);
}

/* ---- Forks ---- */

static atomic_bool stop;

static void *log_until_told(void *arg) {
    while (!atomic_load(&stop)) {
        oxp_logger_log(arg, OXP_LOG_INFO, NULL, OXP_VIEW("from a thread"), NULL, 0);
        oxp_logger_audit(arg, &(struct oxp_audit){.action = OXP_VIEW("x")});
        size_t count = 0;
        oxp_logger_recent(arg, 20, count_entries, &count);
    }
    return NULL;
}

/* The child's whole life: whatever was held when it was made, it logs and ends. */
static void live_as_a_child(struct oxp_logger *logger) {
    size_t count = 0;
    alarm(60);
    for (int i = 0; i < 20; i++) {
        oxp_logger_log(logger, OXP_LOG_INFO, NULL, OXP_VIEW("from a child"), NULL, 0);
        oxp_logger_audit(logger, &(struct oxp_audit){.action = OXP_VIEW("y")});
    }
    oxp_logger_recent(logger, 0, count_entries, &count);
    _exit(0);
}

static void a_child_of_a_busy_process_logs_on(void **state) {
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const struct oxp_logger_options options = {.json_fd = null, .text_fd = null, .audit_fd = null, .recent = 50};
    struct oxp_logger *logger = NULL;
    pthread_t threads[4];
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* its allocator may be locked at the moment of the fork, and then is for ever in the child */
#endif
    assert_int_equal(oxp_logger_new(&options, &logger), OXP_OK);
    atomic_store(&stop, false);
    for (size_t i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, log_until_told, logger);
    }
    for (int i = 0; i < 30; i++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0) {
            live_as_a_child(logger);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    oxp_logger_free(logger);
    close(null);
}

/* The worst moment: somebody is at the ring when the child is made, and there is nobody to let go of it. */
static void a_child_made_while_the_ring_is_busy(void **state) {
    const struct oxp_log_entry entry = {.json = OXP_VIEW("{}")};
    struct oxp_ring *ring = NULL;
    size_t count = 0;
    int status = 0;
    (void)state;
    assert_int_equal(oxp_ring_new(4, &ring), OXP_OK);
    assert_true(oxp_ring_add(ring, &entry));
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        /* its flag stands behind its capacity; were it elsewhere, the record would be added */
        (void)atomic_flag_test_and_set((atomic_flag *)(void *)((char *)ring + sizeof(size_t)));
        bool added = oxp_ring_add(ring, &entry);
        oxp_ring_each(ring, 0, count_entries, &count);
        _exit(added || count != 0 || oxp_ring_missed(ring) != 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    oxp_ring_free(ring);
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
        cmocka_unit_test(a_cut_line_is_utf8),
        cmocka_unit_test(a_reader_that_is_gone_costs_a_line),
        cmocka_unit_test(local_time_is_the_machines),
        cmocka_unit_test(a_child_of_a_busy_process_logs_on),
        cmocka_unit_test(a_child_made_while_the_ring_is_busy),
        cmocka_unit_test(every_allocation_may_fail),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
