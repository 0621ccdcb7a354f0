/* Lines to the ledger, counted: by transport, by reason, with their lag, and a log that a flood cannot fill. */
#include "exporter/api/intake.h"

#include "tests/support/alloc_fail.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1765432100.0

struct fixture {
    struct oxp_registry *registry;
    struct oxp_selfstats stats;
    struct oxp_clock_manual clock;
    struct oxp_ledger *ledger;
    struct oxp_log *log;
    struct oxp_intake *intake;
    int pipe[2];
    char logged[65536];
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    oxp_clock_manual_init(&f->clock, NOW);
    struct oxp_registry_options registry = {.series = 0};
    assert_int_equal(oxp_registry_new(&registry, &f->registry), OXP_OK);
    assert_int_equal(oxp_selfstats_register(&f->stats, f->registry, "1", "r"), OXP_OK);
    struct oxp_ledger_options ledger = {
        .clock = &f->clock.clock, .liveness_s = 30, .reconnect_grace_s = 5, .idle_limit_s = 600, .stall_limit_s = 300};
    assert_int_equal(oxp_ledger_new(&ledger, f->registry, &f->ledger), OXP_OK);
    assert_int_equal(pipe(f->pipe), 0);
    assert_int_equal(fcntl(f->pipe[0], F_SETFL, O_NONBLOCK), 0);
    struct oxp_log_options log = {
        .fd = f->pipe[1], .level = OXP_LOG_DEBUG, .format = OXP_LOG_LOGFMT, .clock = &f->clock.clock};
    assert_int_equal(oxp_log_new(&log, &f->log), OXP_OK);
    assert_int_equal(oxp_intake_new(f->ledger, &f->stats, f->log, &f->clock.clock, &f->intake), OXP_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    oxp_intake_free(f->intake);
    oxp_intake_free(NULL);
    oxp_log_free(f->log);
    oxp_ledger_free(f->ledger);
    oxp_registry_free(f->registry);
    close(f->pipe[0]);
    close(f->pipe[1]);
    free(f);
    return 0;
}

static double received(struct fixture *f, const char *transport) {
    return oxp_series_value(oxp_family_at(f->stats.families[OXP_S_EVENTS_RECEIVED_TOTAL], oxp_view_from(transport)),
                            NOW);
}

static double rejected(struct fixture *f, const char *reason) {
    return oxp_series_value(oxp_family_at(f->stats.families[OXP_S_EVENTS_REJECTED_TOTAL], oxp_view_from(reason)), NOW);
}

/* What was logged since the last call. */
static const char *logged(struct fixture *f) {
    ssize_t n = read(f->pipe[0], f->logged, sizeof f->logged - 1);
    f->logged[n < 0 ? 0 : n] = '\0';
    return f->logged;
}

static size_t count_of(const char *text, const char *word) {
    size_t count = 0;
    for (const char *p = strstr(text, word); p != NULL; p = strstr(p + 1, word)) {
        count++;
    }
    return count;
}

static bool give(struct fixture *f, const char *line, struct oxp_intake_refusal *refusal) {
    return oxp_intake_line(f->intake, OXP_TRANSPORT_UNIX, 0, 7, oxp_view_from(line), refusal);
}

static void a_good_line(void **state) {
    struct fixture *f = *state;
    struct oxp_session_view session;
    assert_true(give(f, "{\"type\":\"session.started\",\"session\":\"s1\"}", NULL));
    assert_true(oxp_intake_line(f->intake, OXP_TRANSPORT_HTTP, 0, 1,
                                OXP_VIEW("{\"type\":\"session.started\",\"session\":\"s2\"}"), NULL));
    assert_true(received(f, "unix") == 1 && received(f, "http") == 1);
    assert_int_equal(oxp_ledger_sessions(f->ledger, oxp_view_of(NULL, 0), 0, &session, 1), 2);
    assert_string_equal(logged(f), "");
    /* a repeated end is valid and changes nothing */
    assert_true(give(f, "{\"type\":\"session.ended\",\"session\":\"s1\",\"status\":\"COMPLETED\"}", NULL));
    assert_true(give(f, "{\"type\":\"session.ended\",\"session\":\"s1\",\"status\":\"COMPLETED\"}", NULL));
    assert_true(received(f, "unix") == 3);
}

static void lag(void **state) {
    struct fixture *f = *state;
    struct oxp_series *series = oxp_family_only(f->stats.families[OXP_S_EVENT_LAG_SECONDS]);
    char line[128];
    assert_true(give(f, "{\"type\":\"orchestrator.heartbeat\"}", NULL)); /* no ts, no lag */
    assert_true(oxp_series_value(series, NOW) == 0);
    snprintf(line, sizeof line, "{\"type\":\"orchestrator.heartbeat\",\"ts\":%.3f}", NOW - 2.5);
    assert_true(give(f, line, NULL));
    assert_true(oxp_series_value(series, NOW) == 1);
    assert_true(oxp_histogram_sum(series) == 2.5);
    snprintf(line, sizeof line, "{\"type\":\"orchestrator.heartbeat\",\"ts\":%.3f}", NOW + 0.5);
    assert_true(give(f, line, NULL)); /* a clock that is a little ahead */
    assert_true(oxp_series_value(series, NOW) == 2);
    assert_true(oxp_histogram_sum(series) == 2.5);
}

static void refusals_by_reason(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *line, *reason, *text;
    } rows[] = {
        {"{\"type\":", "malformed", "column 9: expected a value"},
        {"{\"type\":\"nope\"}", "unknown_type", "column 9: unknown type \"nope\""},
        {"{\"type\":\"session.started\"}", "bad_field", "column 26: session is missing"},
        {"{\"type\":\"error\",\"ts\":1e12}", "bad_time", "column 22: ts: not in unix seconds"},
        {"{\"type\":\"task.ended\",\"task\":\"t\",\"status\":\"strange\"}", "bad_field", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_intake_refusal refusal;
        memset(&refusal, 0xee, sizeof refusal);
        double before = rejected(f, rows[i].reason);
        assert_false(give(f, rows[i].line, &refusal));
        assert_true(rejected(f, rows[i].reason) == before + 1);
        assert_string_equal(oxp_reject_name(refusal.reason), rows[i].reason);
        assert_int_equal(refusal.line, 7);
        if (rows[i].text[0] != '\0') {
            assert_string_equal(refusal.text, rows[i].text);
        }
        assert_true(refusal.text[0] != '\0');
        const char *text = logged(f);
        assert_non_null(strstr(text, "event refused"));
        assert_non_null(strstr(text, rows[i].reason));
        assert_non_null(strstr(text, "line=7"));
    }
    assert_true(received(f, "unix") == 0);
    assert_false(give(f, "{\"type\":\"nope\"}", NULL));
}

static void other_reasons(void **state) {
    struct fixture *f = *state;
    static const enum oxp_reject reasons[] = {OXP_REJECT_TOO_LARGE, OXP_REJECT_CUT, OXP_REJECT_RATE, OXP_REJECT_AUTH};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        oxp_intake_reject(f->intake, OXP_TRANSPORT_UNIX, 3, 4, reasons[i]);
        assert_true(rejected(f, oxp_reject_name(reasons[i])) == 1);
        assert_non_null(strstr(logged(f), "connection=3"));
    }
}

static void body(void **state) {
    struct fixture *f = *state;
    static struct oxp_intake_result result;
    oxp_intake_body(f->intake,
                    OXP_VIEW("{\"type\":\"orchestrator.heartbeat\"}\r\n\nwrong\n{\"type\":\"nope\"}\n{\"type\":"
                             "\"orchestrator.heartbeat\"}"),
                    &result);
    assert_int_equal(result.accepted, 2);
    assert_int_equal(result.rejected, 2);
    assert_int_equal(result.refusals[0].line, 3);
    assert_string_equal(result.refusals[0].text, "column 1: expected an object");
    assert_int_equal(result.refusals[1].line, 4);
    assert_int_equal(result.refusals[1].reason, OXP_REJECT_UNKNOWN_TYPE);
    assert_true(received(f, "http") == 2);
    oxp_intake_body(f->intake, oxp_view_of(NULL, 0), &result);
    assert_int_equal(result.accepted + result.rejected, 0);
    oxp_intake_body(f->intake, OXP_VIEW("{\"type\":"), &result); /* the last line, and wrong */
    assert_int_equal(result.rejected, 1);
    assert_int_equal(result.refusals[0].reason, OXP_REJECT_MALFORMED);
}

static void long_body(void **state) {
    struct fixture *f = *state;
    static struct oxp_intake_result result;
    static char bytes[100 * 2 + 2 * OXP_EVENT_LINE_MAX];
    size_t len = 0;
    memset(bytes, 'x', OXP_EVENT_LINE_MAX + 1);
    len += OXP_EVENT_LINE_MAX + 1;
    bytes[len++] = '\n';
    for (int i = 0; i < 100; i++) {
        bytes[len++] = 'x';
        bytes[len++] = '\n';
    }
    oxp_intake_body(f->intake, oxp_view_of(bytes, len), &result);
    assert_int_equal(result.rejected, 101);
    assert_int_equal(result.refusals[0].reason, OXP_REJECT_TOO_LARGE);
    assert_int_equal(result.refusals[31].line, 32);
    assert_true(rejected(f, "malformed") == 100);
    assert_true(rejected(f, "too_large") == 1);
}

static void feed(struct oxp_intake_stream *stream, const char *bytes) {
    oxp_intake_stream_feed(stream, oxp_view_from(bytes));
}

static void stream(void **state) {
    struct fixture *f = *state;
    struct oxp_intake_stream *stream;
    assert_int_equal(oxp_intake_stream_new(f->intake, 5, &stream), OXP_OK);
    feed(stream, "{\"type\":\"orchestrator.started\",\"boot\":\"00000000000000aa\"}\n{\"type\":\"session.sta");
    assert_true(received(f, "unix") == 1);
    feed(stream, "rted\",\"session\":\"s\"}\nwrong\n{\"type\"");
    assert_true(received(f, "unix") == 2);
    assert_true(rejected(f, "malformed") == 1);
    struct oxp_writer_view writer;
    assert_int_equal(oxp_ledger_writers(f->ledger, oxp_view_of(NULL, 0), 0, &writer, 1), 1);
    assert_true(writer.connected);
    logged(f);
    oxp_intake_stream_end(stream);
    assert_true(rejected(f, "cut") == 1);
    assert_non_null(strstr(logged(f), "line=4"));
    assert_int_equal(oxp_ledger_writers(f->ledger, oxp_view_of(NULL, 0), 0, &writer, 1), 1);
    assert_false(writer.connected);
}

static void stream_too_large(void **state) {
    struct fixture *f = *state;
    struct oxp_intake_stream *stream;
    static char bytes[3 * OXP_EVENT_LINE_MAX];
    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(oxp_intake_stream_new(f->intake, 5, &stream), OXP_OK);
    oxp_intake_stream_feed(stream, oxp_view_of(bytes, sizeof bytes));
    oxp_intake_stream_feed(stream, oxp_view_of(bytes, sizeof bytes));
    feed(stream, "\n{\"type\":\"orchestrator.heartbeat\"}\n");
    assert_true(rejected(f, "too_large") == 1);
    assert_true(received(f, "unix") == 1);
    oxp_intake_stream_end(stream);
    assert_true(rejected(f, "cut") == 0);
}

/* Ten lines a second, then silence, and the next second says how many were left out. */
static void log_is_limited(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 25; i++) {
        assert_false(give(f, "wrong", NULL));
    }
    const char *text = logged(f);
    assert_int_equal(count_of(text, "event refused"), 10);
    assert_int_equal(count_of(text, "left_out"), 0);
    oxp_clock_manual_advance(&f->clock, 0.9);
    assert_false(give(f, "wrong", NULL));
    assert_string_equal(logged(f), "");
    oxp_clock_manual_advance(&f->clock, 0.1);
    assert_false(give(f, "wrong", NULL));
    assert_non_null(strstr(logged(f), "left_out=16"));
    assert_false(give(f, "wrong", NULL));
    assert_null(strstr(logged(f), "left_out"));
    assert_true(rejected(f, "malformed") == 28);
}

/* No secret of a refused event comes out by way of the reason. */
static void refusals_hold_no_secret(void **state) {
    struct fixture *f = *state;
    struct oxp_intake_refusal refusal;
    assert_false(give(f, "{\"type\":\"bb_live_0123456789abcdef\"}", &refusal));
    assert_null(strstr(refusal.text, "0123456789abcdef"));
    assert_null(strstr(logged(f), "0123456789abcdef"));
}

static void make_and_free(void *ctx) {
    struct fixture *f = ctx;
    struct oxp_intake *intake = NULL;
    struct oxp_intake_stream *stream = NULL;
    if (oxp_intake_new(f->ledger, &f->stats, f->log, &f->clock.clock, &intake) == OXP_OK &&
        oxp_intake_stream_new(intake, 9, &stream) == OXP_OK) {
        oxp_intake_stream_end(stream);
    }
    oxp_intake_free(intake);
}

static void no_memory(void **state) {
    assert_true(alloc_fail_each(make_and_free, *state) >= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lag, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusals_by_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_reasons, set_up, tear_down),
        cmocka_unit_test_setup_teardown(body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stream_too_large, set_up, tear_down),
        cmocka_unit_test_setup_teardown(log_is_limited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusals_hold_no_secret, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
