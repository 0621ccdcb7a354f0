#include "lib/log/log.h"

#include "lib/base/clock.h"
#include "lib/base/utf8.h"
#include "tests/support/alloc_fail.h"
#include <fcntl.h>
#include <math.h>
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
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define LINE_MAX_BYTES 8192

struct world {
    struct oxp_clock_manual clock;
    int ends[2]; /* the log writes to [1] */
    struct oxp_log *log;
    atomic_uint records[OXP_LOG_LEVELS];
    char text[1 << 20]; /* what was read last */
    size_t len;
};

static struct world world;

static void count_record(void *ctx, enum oxp_log_level level, const char *message, const struct oxp_log_field *fields,
                         size_t count) {
    (void)message; /* a row has none */
    assert_true(count == 0 || fields != NULL);
    atomic_fetch_add(&((struct world *)ctx)->records[level], 1);
}

static struct oxp_log *log_to(int fd, enum oxp_log_format format) {
    struct oxp_log *log = NULL;
    struct oxp_log_options options = {
        .fd = fd,
        .level = OXP_LOG_INFO,
        .format = format,
        .clock = &world.clock.clock,
        .on_record = count_record,
        .ctx = &world,
    };
    assert_int_equal(oxp_log_new(&options, &log), OXP_OK);
    return log;
}

static int setup(void **state) {
    (void)state;
    memset(&world, 0, sizeof world);
    oxp_clock_manual_init(&world.clock, 1795321560.5); /* 2026-11-22T04:26:00.500Z */
    if (pipe(world.ends) != 0) {
        return -1;
    }
    world.log = log_to(world.ends[1], OXP_LOG_LOGFMT);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    oxp_log_free(world.log);
    close(world.ends[0]);
    close(world.ends[1]);
    return 0;
}

/* All that can be read now, NUL-terminated. */
static const char *read_all(int fd) {
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    world.len = 0;
    for (ssize_t len; (len = read(fd, world.text + world.len, sizeof world.text - 1 - world.len)) > 0;) {
        world.len += (size_t)len;
    }
    fcntl(fd, F_SETFL, flags);
    world.text[world.len] = '\0';
    return world.text;
}

static const char *written(void) {
    return read_all(world.ends[0]);
}

/* ---- what a line looks like ---- */

#define TS_LOGFMT "ts=2026-11-22T04:26:00.500Z "
#define TS_JSON "{\"ts\":\"2026-11-22T04:26:00.500Z\","

static void records_in_both_formats(void **state) {
    (void)state;
    static const struct {
        const char *name;
        enum oxp_log_level level;
        const char *message;
        struct oxp_log_field fields[3];
        size_t count;
        const char *logfmt, *json; /* behind ts */
    } rows[] = {
        {"no fields", OXP_LOG_INFO, "ready", {{0}}, 0, "level=info msg=ready", "\"level\":\"info\",\"msg\":\"ready\"}"},
        {"a message of words",
         OXP_LOG_WARNING,
         "a stale socket was replaced",
         {{0}},
         0,
         "level=warning msg=\"a stale socket was replaced\"",
         "\"level\":\"warning\",\"msg\":\"a stale socket was replaced\"}"},
        {"text and number",
         OXP_LOG_ERROR,
         "failed",
         {{.key = "path", .text = OXP_VIEW("/run/x.sock")}, {.key = "n", .number = 3, .kind = OXP_LOG_FIELD_NUMBER}},
         2,
         "level=error msg=failed path=/run/x.sock n=3",
         "\"level\":\"error\",\"msg\":\"failed\",\"path\":\"/run/x.sock\",\"n\":3}"},
        {"numbers",
         OXP_LOG_CRITICAL,
         "n",
         {{.key = "a", .number = 0.1, .kind = OXP_LOG_FIELD_NUMBER},
          {.key = "b", .number = NAN, .kind = OXP_LOG_FIELD_NUMBER},
          {.key = "c", .number = -INFINITY, .kind = OXP_LOG_FIELD_NUMBER}},
         3,
         "level=critical msg=n a=0.1 b=NaN c=-Inf",
         "\"level\":\"critical\",\"msg\":\"n\",\"a\":0.1,\"b\":null,\"c\":null}"},
        {"what needs quotes",
         OXP_LOG_INFO,
         "",
         {{.key = "eq", .text = OXP_VIEW("a=b")}, {.key = "q", .text = OXP_VIEW("say \"x\"")}, {.key = "e"}},
         3,
         "level=info msg=\"\" eq=\"a=b\" q=\"say \\\"x\\\"\" e=\"\"",
         "\"level\":\"info\",\"msg\":\"\",\"eq\":\"a=b\",\"q\":\"say \\\"x\\\"\",\"e\":\"\"}"},
        {"what does not",
         OXP_LOG_INFO,
         "naïve–日本",
         {{.key = "b", .text = OXP_VIEW("C:\\dir")}, {.key = "n", .text = OXP_VIEW("nul")}},
         2,
         "level=info msg=naïve–日本 b=C:\\dir n=nul",
         "\"level\":\"info\",\"msg\":\"naïve–日本\",\"b\":\"C:\\\\dir\",\"n\":\"nul\"}"},
        {"a word that readers take for nothing",
         OXP_LOG_INFO,
         "null",
         {{0}},
         0,
         "level=info msg=\"null\"",
         "\"level\":\"info\",\"msg\":\"null\"}"},
        {"line breaks do not make lines",
         OXP_LOG_INFO,
         "one\ntwo\r\nlevel=critical msg=forged",
         {{0}},
         0,
         "level=info msg=\"one\\ntwo\\r\\nlevel=critical msg=forged\"",
         "\"level\":\"info\",\"msg\":\"one\\ntwo\\r\\nlevel=critical msg=forged\"}"},
        {"control characters",
         OXP_LOG_INFO,
         "\x1b[31m\x7f",
         {{.key = "nul", .text = {"a\0b", 3}}, {.key = "tab", .text = OXP_VIEW("\t")}},
         2,
         "level=info msg=\"\\u001b[31m\\u007f\" nul=\"a\\u0000b\" tab=\"\\t\"",
         "\"level\":\"info\",\"msg\":\"\\u001b[31m\\u007f\",\"nul\":\"a\\u0000b\",\"tab\":\"\\t\"}"},
        {"bytes that are not UTF-8",
         OXP_LOG_INFO,
         "a\xff"
         "b\xc3",
         {{0}},
         0,
         "level=info msg=\"a\xef\xbf\xbd"
         "b\xef\xbf\xbd\"",
         "\"level\":\"info\",\"msg\":\"a\xef\xbf\xbd"
         "b\xef\xbf\xbd\"}"},
        {"keys that cannot be",
         OXP_LOG_INFO,
         "k",
         {{.key = "a b=\"c\"\n", .text = OXP_VIEW("v")}},
         1,
         "level=info msg=k abc=v",
         "\"level\":\"info\",\"msg\":\"k\",\"a b=\\\"c\\\"\\n\":\"v\"}"},
        {"no message at all", OXP_LOG_INFO, NULL, {{0}}, 0, "level=info msg=\"\"", "\"level\":\"info\",\"msg\":\"\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s\n", rows[i].name);
        char wanted[1024];
        oxp_log_set(world.log, OXP_LOG_INFO, OXP_LOG_LOGFMT);
        oxp_log_write(world.log, rows[i].level, rows[i].message, rows[i].fields, rows[i].count);
        snprintf(wanted, sizeof wanted, "%s%s\n", TS_LOGFMT, rows[i].logfmt);
        assert_string_equal(written(), wanted);
        oxp_log_set(world.log, OXP_LOG_INFO, OXP_LOG_JSON);
        oxp_log_write(world.log, rows[i].level, rows[i].message, rows[i].fields, rows[i].count);
        snprintf(wanted, sizeof wanted, "%s%s\n", TS_JSON, rows[i].json);
        assert_string_equal(written(), wanted);
    }
}

static void the_words_of_the_header(void **state) {
    (void)state;
    const char *none = NULL;
    oxp_log_set(world.log, OXP_LOG_DEBUG, OXP_LOG_LOGFMT);
    oxp_log_debug(world.log, "d", OXP_LOG_TEXT("t", "text"), OXP_LOG_TEXT("none", none));
    oxp_log_info(world.log, "i", OXP_LOG_NUM("n", 7u));
    oxp_log_warning(world.log, "w", OXP_LOG_VIEW("v", OXP_VIEW("view")));
    oxp_log_error(world.log, "e", OXP_LOG_NUM("n", -1));
    oxp_log_critical(world.log, "c", OXP_LOG_NUM("n", 0.5));
    oxp_log_info(NULL, "nowhere", OXP_LOG_NUM("n", 1));
    assert_string_equal(written(), TS_LOGFMT "level=debug msg=d t=text none=\"\"\n" TS_LOGFMT
                                             "level=info msg=i n=7\n" TS_LOGFMT "level=warning msg=w v=view\n" TS_LOGFMT
                                             "level=error msg=e n=-1\n" TS_LOGFMT "level=critical msg=c n=0.5\n");
}

static void only_what_passes_the_level_is_written_and_counted(void **state) {
    (void)state;
    for (int least = 0; least < OXP_LOG_LEVELS; least++) {
        memset(world.records, 0, sizeof world.records);
        oxp_log_set(world.log, (enum oxp_log_level)least, OXP_LOG_LOGFMT);
        for (int level = 0; level < OXP_LOG_LEVELS; level++) {
            oxp_log_write(world.log, (enum oxp_log_level)level, "x", NULL, 0);
            bool passes = level >= least;
            assert_int_equal(world.records[level], passes);
            assert_int_equal(strlen(written()) > 0, passes);
        }
    }
}

static void level_names(void **state) {
    (void)state;
    static const char *const good[] = {"debug", "info", "warning", "error", "critical"};
    static const char *const bad[] = {"", "warnin", "info ", "fatal", "debugx"};
    enum oxp_log_level level;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(oxp_log_level_from(oxp_view_from(good[i]), &level), OXP_OK);
        assert_string_equal(oxp_log_level_name(level), good[i]);
        assert_int_equal(level, i);
    }
    assert_int_equal(oxp_log_level_from(OXP_VIEW("WARN"), &level), OXP_OK);
    assert_int_equal(level, OXP_LOG_WARNING);
    assert_int_equal(oxp_log_level_from(OXP_VIEW("Critical"), &level), OXP_OK);
    assert_int_equal(level, OXP_LOG_CRITICAL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(oxp_log_level_from(oxp_view_from(bad[i]), &level), OXP_ERR_INVALID);
    }
    assert_string_equal(oxp_log_level_name((enum oxp_log_level)99), "unknown");
}

static void secrets_are_not_written(void **state) {
    (void)state;
    /* Made up, and put together here so that no scanner takes them for real ones. */
    static const char *const canaries[] = {"AKIA"
                                           "IOSFODNN7EXAMPLE",
                                           "bb_live_"
                                           "0123456789abcdefABCDEF",
                                           "sk-ant-"
                                           "api03-0123456789abcdefghij"};
    static const enum oxp_log_format formats[] = {OXP_LOG_LOGFMT, OXP_LOG_JSON};
    for (size_t i = 0; i < sizeof canaries / sizeof canaries[0]; i++) {
        for (size_t f = 0; f < 2; f++) {
            char message[128];
            snprintf(message, sizeof message, "could not use %s today", canaries[i]);
            oxp_log_set(world.log, OXP_LOG_INFO, formats[f]);
            oxp_log_info(world.log, message, OXP_LOG_TEXT("value", canaries[i]), OXP_LOG_TEXT("after", "kept"));
            assert_null(strstr(written(), canaries[i]));
            assert_non_null(strstr(world.text, "[redacted]"));
            assert_non_null(strstr(world.text, "could not use"));
            assert_non_null(strstr(world.text, "kept"));
        }
    }
}

/* ---- long lines ---- */

static bool quotes_are_even(const char *text) {
    bool inside = false;
    for (; *text != '\0'; text++) {
        if (inside && *text == '\\') {
            text++;
        } else if (*text == '"') {
            inside = !inside;
        }
    }
    return !inside;
}

static void long_lines_are_cut_at_a_character(void **state) {
    (void)state;
    static const struct {
        const char *name, *piece; /* repeated */
    } rows[] = {{"letters", "x"},      {"words", "x "},     {"quotes", "\""},
                {"three bytes", "日"}, {"escapes", "\x01"}, {"bad", "\xff"}};
    static char text[30000];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t extra = 0; extra < 8; extra++) { /* so that the cut falls into each place of a character */
            size_t piece = strlen(rows[i].piece), len = 20000 / piece * piece;
            for (size_t at = 0; at < len; at += piece) {
                memcpy(text + at, rows[i].piece, piece);
            }
            for (int format = OXP_LOG_LOGFMT; format <= OXP_LOG_JSON; format++) {
                oxp_log_set(world.log, OXP_LOG_INFO, (enum oxp_log_format)format);
                oxp_log_info(world.log, "long", OXP_LOG_VIEW("pad", oxp_view_of("12345678", extra)),
                             OXP_LOG_VIEW("text", oxp_view_of(text, len)), OXP_LOG_TEXT("after", "left out"),
                             OXP_LOG_NUM("number", 1));
                const char *line = written();
                assert_in_range(world.len, LINE_MAX_BYTES - 16, LINE_MAX_BYTES);
                assert_int_equal(line[world.len - 1], '\n');
                assert_ptr_equal(strchr(line, '\n'), line + world.len - 1);
                assert_true(oxp_utf8_is_valid(oxp_view_of(line, world.len)));
                assert_true(quotes_are_even(line));
                assert_null(strstr(line, "left out"));
                assert_null(strstr(line, "number"));
                if (format == OXP_LOG_JSON) {
                    assert_string_equal(line + world.len - 3, "\"}\n");
                }
            }
        }
    }
}

static void fields_that_do_not_fit_are_left_out(void **state) {
    (void)state;
    static char key[9000];
    memset(key, 'k', sizeof key - 1);
    oxp_log_info(world.log, "m", OXP_LOG_NUM(key, 1), OXP_LOG_NUM("n", 2));
    assert_string_equal(written(), TS_LOGFMT "level=info msg=m\n");
    oxp_log_info(world.log, "m", OXP_LOG_TEXT(key, "v"), OXP_LOG_NUM("n", 2));
    assert_string_equal(written(), TS_LOGFMT "level=info msg=m\n");
    oxp_log_set(world.log, OXP_LOG_INFO, OXP_LOG_JSON);
    oxp_log_info(world.log, "m", OXP_LOG_TEXT(key, "v"));
    assert_string_equal(written(), TS_JSON "\"level\":\"info\",\"msg\":\"m\"}\n");
}

/* ---- a descriptor that takes no more ---- */

/* Writes records until `wanted` were dropped. */
static void write_until_dropped(struct oxp_log *log, uint64_t wanted) {
    for (int i = 0; i < 100000 && oxp_log_dropped(log) < wanted; i++) {
        oxp_log_info(log, "fill", OXP_LOG_NUM("i", i));
    }
    assert_int_equal(oxp_log_dropped(log), wanted);
}

static void check_drops_are_reported(struct oxp_log *log, int reader) {
    write_until_dropped(log, 5);
    read_all(reader);
    oxp_log_info(log, "after", OXP_LOG_NUM("i", 1));
    oxp_log_info(log, "later", OXP_LOG_NUM("i", 2));
    assert_string_equal(read_all(reader), TS_LOGFMT
                        "level=warning msg=\"log lines were dropped, as nobody read them\" dropped=5\n" TS_LOGFMT
                        "level=info msg=after i=1\n" TS_LOGFMT "level=info msg=later i=2\n");
    assert_int_equal(oxp_log_dropped(log), 5);
}

static void a_full_pipe_drops_and_says_so_later(void **state) {
    (void)state;
    check_drops_are_reported(world.log, world.ends[0]);
    /* The descriptor is shared with whoever started us: it must still be one that blocks. */
    assert_int_equal(fcntl(world.ends[1], F_GETFL) & O_NONBLOCK, 0);
}

static void a_full_socket_drops_and_says_so_later(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct oxp_log *log = log_to(ends[1], OXP_LOG_LOGFMT);
    check_drops_are_reported(log, ends[0]);
    close(ends[0]); /* no signal comes of it */
    oxp_log_info(log, "nobody", OXP_LOG_NUM("i", 1));
    assert_int_equal(oxp_log_dropped(log), 6);
    close(ends[1]);
    oxp_log_free(log);
}

/* A container's standard error may belong to another user, who does not let us open it again. */
static void a_pipe_that_cannot_be_opened_again_does_not_block_either(void **state) {
    (void)state;
    if (geteuid() != 0 || seteuid(65534) != 0) {
        print_message("SKIPPED: it takes root to become somebody else\n");
        skip();
    }
    struct oxp_log *log = log_to(world.ends[1], OXP_LOG_LOGFMT);
    int root_again = seteuid(0);
    static char text[9000];
    memset(text, 'x', sizeof text);
    assert_int_equal(root_again, 0);
    oxp_log_info(log, "long", OXP_LOG_VIEW("text", oxp_view_of(text, sizeof text)));
    written();
    assert_in_range(world.len, 4090, 4096); /* PIPE_BUF: what poll promises */
    check_drops_are_reported(log, world.ends[0]);
    oxp_log_free(log);
}

static void a_torn_line_does_not_spoil_the_next(void **state) {
    (void)state;
    static char text[7000];
    memset(text, 'x', sizeof text);
    assert_int_equal(fcntl(world.ends[1], F_SETPIPE_SZ, 4 * 4096), 4 * 4096);
    /* One page, two pages, and of the third line there is room for its first page only. */
    static const size_t lens[] = {2000, 7000, 7000};
    for (size_t i = 0; i < 3; i++) {
        oxp_log_info(world.log, "long", OXP_LOG_VIEW("text", oxp_view_of(text, lens[i])));
    }
    assert_int_equal(oxp_log_dropped(world.log), 1);
    written();
    assert_int_equal(world.text[world.len - 1], 'x');
    oxp_log_info(world.log, "next", OXP_LOG_NUM("i", 1));
    assert_string_equal(written(),
                        "\n" TS_LOGFMT
                        "level=warning msg=\"log lines were dropped, as nobody read them\" dropped=1\n" TS_LOGFMT
                        "level=info msg=next i=1\n");
}

static void a_closed_descriptor_is_counted(void **state) {
    (void)state;
    struct oxp_log *log = log_to(-1, OXP_LOG_LOGFMT);
    oxp_log_info(log, "x", OXP_LOG_NUM("i", 1));
    oxp_log_info(log, "x", OXP_LOG_NUM("i", 2));
    assert_int_equal(oxp_log_dropped(log), 2);
    assert_int_equal(oxp_log_dropped(NULL), 0);
    oxp_log_free(log);
    oxp_log_free(NULL);
}

static void a_regular_file_takes_all(void **state) {
    (void)state;
    char path[] = "/tmp/oxp-log-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    struct oxp_log *log = log_to(fd, OXP_LOG_LOGFMT);
    for (int i = 0; i < 100; i++) {
        oxp_log_info(log, "line", OXP_LOG_NUM("i", i));
    }
    assert_int_equal(oxp_log_dropped(log), 0);
    lseek(fd, 0, SEEK_SET);
    assert_non_null(strstr(read_all(fd), "msg=line i=0\n"));
    assert_non_null(strstr(world.text, "msg=line i=99\n"));
    oxp_log_free(log);
    close(fd);
}

/* ---- threads ---- */

#define THREADS 4
#define LINES 2000

static void *write_lines(void *ctx) {
    char padding[600];
    memset(padding, 'p', sizeof padding);
    for (int i = 0; i < LINES; i++) {
        oxp_log_info(world.log, "from a thread", OXP_LOG_NUM("id", *(const int *)ctx), OXP_LOG_NUM("i", i),
                     OXP_LOG_VIEW("pad", oxp_view_of(padding, (size_t)i % sizeof padding)), OXP_LOG_TEXT("end", "end"));
        if (i % 50 == 0) {
            oxp_log_set(world.log, OXP_LOG_INFO, OXP_LOG_LOGFMT);
        }
    }
    return NULL;
}

struct reading {
    unsigned long lines, whole, reports;
};

static void check_line(struct reading *reading, const char *line) {
    static const char report[] = "level=warning msg=\"log lines were dropped";
    reading->lines++;
    if (strncmp(line, TS_LOGFMT, sizeof TS_LOGFMT - 1) != 0) {
        return;
    }
    size_t len = strlen(line);
    bool is_report = strncmp(line + sizeof TS_LOGFMT - 1, report, sizeof report - 1) == 0;
    bool is_whole = len > 8 && strcmp(line + len - 8, " end=end") == 0 && strstr(line + 10, "ts=") == NULL;
    reading->reports += is_report;
    reading->whole += is_whole;
}

static void *read_lines(void *ctx) {
    struct reading *reading = ctx;
    FILE *in = fdopen(dup(world.ends[0]), "r");
    char *line = NULL;
    size_t size = 0;
    for (ssize_t len; (len = getline(&line, &size, in)) > 0;) {
        line[len - 1] = '\0';
        check_line(reading, line);
    }
    free(line);
    fclose(in);
    return NULL;
}

static void threads_write_whole_lines(void **state) {
    (void)state;
    struct reading reading = {0};
    pthread_t threads[THREADS], reader;
    int ids[THREADS];
    assert_int_equal(pthread_create(&reader, NULL, read_lines, &reading), 0);
    for (int i = 0; i < THREADS; i++) {
        ids[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &ids[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    uint64_t dropped = oxp_log_dropped(world.log);
    oxp_log_free(world.log);
    world.log = NULL;
    close(world.ends[1]); /* the last one to write: the reader sees the end */
    world.ends[1] = -1;
    pthread_join(reader, NULL);
    print_message("%lu whole, %lu dropped, %lu reports\n", reading.whole, (unsigned long)dropped, reading.reports);
    assert_int_equal(reading.whole + dropped, THREADS * LINES);
    assert_int_equal(reading.lines, reading.whole + reading.reports);
}

/* ---- memory ---- */

static void build_a_log(void *ctx) {
    struct oxp_log *log = NULL;
    struct oxp_log_options options = {.fd = world.ends[1], .clock = &world.clock.clock};
    enum oxp_status status = oxp_log_new(&options, &log);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
    oxp_log_info(log, "no memory is needed to say that there is none", OXP_LOG_NUM("n", 1));
    *(unsigned *)ctx += oxp_log_dropped(log) != 0;
    oxp_log_free(log);
}

static void every_allocation_may_fail_and_writing_needs_none(void **state) {
    (void)state;
    unsigned dropped = 0;
    assert_int_equal(alloc_fail_each(build_a_log, &dropped), 1);
    assert_int_equal(dropped, 0);
}

#define ON_PIPE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_PIPE(records_in_both_formats),
        ON_PIPE(the_words_of_the_header),
        ON_PIPE(only_what_passes_the_level_is_written_and_counted),
        ON_PIPE(level_names),
        ON_PIPE(secrets_are_not_written),
        ON_PIPE(long_lines_are_cut_at_a_character),
        ON_PIPE(fields_that_do_not_fit_are_left_out),
        ON_PIPE(a_full_pipe_drops_and_says_so_later),
        ON_PIPE(a_full_socket_drops_and_says_so_later),
        ON_PIPE(a_pipe_that_cannot_be_opened_again_does_not_block_either),
        ON_PIPE(a_torn_line_does_not_spoil_the_next),
        ON_PIPE(a_closed_descriptor_is_counted),
        ON_PIPE(a_regular_file_takes_all),
        ON_PIPE(threads_write_whole_lines),
        ON_PIPE(every_allocation_may_fail_and_writing_needs_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
