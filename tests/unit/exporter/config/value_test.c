#include "exporter/config/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* clang-format off: one row a line */
static const struct {
    const char *text;
    double seconds;
} durations[] = {
    {"0", 0},         {"0s", 0},
    {"0ms", 0},       {"15s", 15},
    {"500ms", 0.5},   {"1h30m", 5400},
    {"1d", 86400},    {"1w", 604800},
    {"1y", 31536000}, {"1y2w3d4h5m6s7ms", 31536000 + 2 * 604800 + 3 * 86400 + 4 * 3600 + 5 * 60 + 6.007},
    {"90m", 5400},    {"1m5ms", 60.005},
    {"007s", 7},      {"292y", 292 * 31536000.0},
};

static const struct {
    const char *text;
    enum oxp_status status;
} bad_durations[] = {
    {"", OXP_ERR_SYNTAX},
    {"15", OXP_ERR_SYNTAX},
    {"00", OXP_ERR_SYNTAX},
    {"s", OXP_ERR_SYNTAX},
    {"1.5h", OXP_ERR_SYNTAX},
    {"-1s", OXP_ERR_SYNTAX},
    {"+1s", OXP_ERR_SYNTAX},
    {"1s1m", OXP_ERR_SYNTAX},
    {"1m1m", OXP_ERR_SYNTAX},
    {"1ms1s", OXP_ERR_SYNTAX},
    {"1 s", OXP_ERR_SYNTAX},
    {" 1s", OXP_ERR_SYNTAX},
    {"1s ", OXP_ERR_SYNTAX},
    {"1S", OXP_ERR_SYNTAX},
    {"1us", OXP_ERR_SYNTAX},
    {"1h30", OXP_ERR_SYNTAX},
    {"1hour", OXP_ERR_SYNTAX},
    {"1e3s", OXP_ERR_SYNTAX},
    {"1h,5m", OXP_ERR_SYNTAX},
    {"293y", OXP_ERR_RANGE},
    {"292y60w", OXP_ERR_RANGE},
    {"99999999999999999999s", OXP_ERR_RANGE},
    {"18446744073709551616ms", OXP_ERR_RANGE},
    {"99999999999999999999s5", OXP_ERR_SYNTAX},
};

static const struct {
    double seconds;
    const char *text;
} written[] = {{0, "0s"},    {0.1, "100ms"}, {1, "1s"},      {90, "1m30s"},
               {3600, "1h"}, {86400, "1d"},  {604800, "7d"}, {1.5, "1s500ms"}};

/* Must be taken, and gives this number. */
static const struct {
    enum oxp_option option;
    const char *text;
    double number;
} taken[] = {
    {OXP_OPT_WEB_MAX_CONNECTIONS, "1", 1},
    {OXP_OPT_WEB_MAX_CONNECTIONS, "65536", 65536},
    {OXP_OPT_WEB_MAX_CONNECTIONS, "007", 7},
    {OXP_OPT_ORCHESTRATOR_SESSIONS_LIMIT, "0", 0},
    {OXP_OPT_WEB_EXPOSE_LEDGER, "true", 1},
    {OXP_OPT_WEB_EXPOSE_LEDGER, "false", 0},
    {OXP_OPT_EVENTS_UNIX_MODE, "0660", 0660},
    {OXP_OPT_EVENTS_UNIX_MODE, "666", 0666},
    {OXP_OPT_EVENTS_UNIX_MODE, "000", 0},
    {OXP_OPT_EVENTS_UNIX_MODE, "0777", 0777},
    {OXP_OPT_LOG_LEVEL, "debug", 0},
    {OXP_OPT_LOG_LEVEL, "critical", 4},
    {OXP_OPT_LOG_FORMAT, "json", 1},
    {OXP_OPT_SHUTDOWN_GRACE, "0", 0},
    {OXP_OPT_SHUTDOWN_GRACE, "1h", 3600},
    {OXP_OPT_ORCHESTRATOR_HEALTH_TIMEOUT, "100ms", 0.1},
    {OXP_OPT_WEB_LISTEN_ADDRESS, ":10108", 0},
    {OXP_OPT_WEB_LISTEN_ADDRESS, ":0", 0},
    {OXP_OPT_WEB_LISTEN_ADDRESS, "127.0.0.1:80", 0},
    {OXP_OPT_WEB_LISTEN_ADDRESS, "localhost:65535", 0},
    {OXP_OPT_WEB_LISTEN_ADDRESS, "[::1]:8080", 0},
    {OXP_OPT_WEB_LISTEN_ADDRESS, "[::]:8080", 0},
    {OXP_OPT_WEB_LISTEN_ADDRESS, "my-host.example:1", 0},
    {OXP_OPT_WEB_TELEMETRY_PATH, "/metrics", 0},
    {OXP_OPT_WEB_TELEMETRY_PATH, "/a/b.c-d_e", 0},
    {OXP_OPT_WEB_TELEMETRY_PATH, "/healthy", 0},
    {OXP_OPT_ORCHESTRATOR_HEALTH_URL, "http://127.0.0.1:8000/health", 0},
    {OXP_OPT_ORCHESTRATOR_HEALTH_URL, "https://h", 0},
    {OXP_OPT_ORCHESTRATOR_HEALTH_URL, "http://[::1]:80/a?b=c", 0},
    {OXP_OPT_ORCHESTRATOR_HEALTH_URL, "http://[::1]", 0},
    {OXP_OPT_ORCHESTRATOR_HEALTH_URL, "http://u:p@h:1/", 0},
    {OXP_OPT_ORCHESTRATOR_HEALTH_URL, "", 0},
    {OXP_OPT_STORAGE_PATH, "", 0},
    {OXP_OPT_STORAGE_PATH, "/var/lib/\xc3\xa9", 0},
    {OXP_OPT_STORAGE_PATH, "relative", 0},
    {OXP_OPT_EVENTS_LISTEN_UNIX, "", 0},
    {OXP_OPT_ORCHESTRATOR_ENVIRONMENT, "yes", 0},
    {OXP_OPT_STORAGE_MEMORY_LIMIT, "64MiB", 67108864},
    {OXP_OPT_STORAGE_MEMORY_LIMIT, "64MB", 67108864},
    {OXP_OPT_STORAGE_MEMORY_LIMIT, "67108864", 67108864},
    {OXP_OPT_STORAGE_MEMORY_LIMIT, "67108864B", 67108864},
    {OXP_OPT_STORAGE_MEMORY_LIMIT, "1024KiB", 1048576},
    {OXP_OPT_STORAGE_MEMORY_LIMIT, "2GiB", 2147483648},
    {OXP_OPT_STORAGE_MEMORY_LIMIT, "1TiB", 1099511627776},
    {OXP_OPT_EXTERNAL_LABELS, "", 0},
    {OXP_OPT_EXTERNAL_LABELS, "a=b", 0},
    {OXP_OPT_EXTERNAL_LABELS, "replica=r 1,zone=a\\,b\\\\,_x9=", 0},
    {OXP_OPT_EXTERNAL_LABELS, "a=b=c", 0},
    {OXP_OPT_RULE_FILES, "", 0},
    {OXP_OPT_RULE_FILES, "a.yml", 0},
    {OXP_OPT_RULE_FILES, "rules/*.yml,/etc/a b.yml,c\\,d\\\\.yml", 0},
};

/* Must be refused, with this sentence. */
static const struct {
    enum oxp_option option;
    const char *text;
    const char *why;
} refused[] = {
    {OXP_OPT_WEB_MAX_CONNECTIONS, "0", "0 is out of range; expected a whole number from 1 to 65536"},
    {OXP_OPT_WEB_MAX_CONNECTIONS, "65537", "65537 is out of range; expected a whole number from 1 to 65536"},
    {OXP_OPT_WEB_MAX_CONNECTIONS, "99999999999999999999",
     "99999999999999999999 is out of range; expected a whole number from 1 to 65536"},
    {OXP_OPT_WEB_MAX_CONNECTIONS, "", "found nothing; expected a whole number from 1 to 65536"},
    {OXP_OPT_WEB_MAX_CONNECTIONS, "-1", "found \"-1\"; expected a whole number from 1 to 65536"},
    {OXP_OPT_WEB_MAX_CONNECTIONS, "+1", "found \"+1\"; expected a whole number from 1 to 65536"},
    {OXP_OPT_WEB_MAX_CONNECTIONS, "1.0", "found \"1.0\"; expected a whole number from 1 to 65536"},
    {OXP_OPT_WEB_MAX_CONNECTIONS, "1e2", "found \"1e2\"; expected a whole number from 1 to 65536"},
    {OXP_OPT_WEB_MAX_CONNECTIONS, "0x10", "found \"0x10\"; expected a whole number from 1 to 65536"},
    {OXP_OPT_WEB_MAX_CONNECTIONS, "many", "found \"many\"; expected a whole number from 1 to 65536"},
    {OXP_OPT_WEB_EXPOSE_LEDGER, "yes", "found \"yes\"; expected true or false"},
    {OXP_OPT_WEB_EXPOSE_LEDGER, "on", "found \"on\"; expected true or false"},
    {OXP_OPT_WEB_EXPOSE_LEDGER, "True", "found \"True\"; expected true or false"},
    {OXP_OPT_WEB_EXPOSE_LEDGER, "1", "found \"1\"; expected true or false"},
    {OXP_OPT_WEB_EXPOSE_LEDGER, "", "found nothing; expected true or false"},
    {OXP_OPT_EVENTS_UNIX_MODE, "0680", "found \"0680\"; expected an octal file mode, such as 0660"},
    {OXP_OPT_EVENTS_UNIX_MODE, "1777", "1777 is out of range; expected an octal file mode, such as 0660"},
    {OXP_OPT_EVENTS_UNIX_MODE, "66", "found \"66\"; expected an octal file mode, such as 0660"},
    {OXP_OPT_EVENTS_UNIX_MODE, "777777777777777777777777",
     "777777777777777777777777 is out of range; expected an octal file mode, such as 0660"},
    {OXP_OPT_EVENTS_UNIX_MODE, "u=rw", "found \"u=rw\"; expected an octal file mode, such as 0660"},
    {OXP_OPT_LOG_LEVEL, "warn", "found \"warn\"; expected debug, info, warning, error or critical"},
    {OXP_OPT_LOG_LEVEL, "INFO", "found \"INFO\"; expected debug, info, warning, error or critical"},
    {OXP_OPT_LOG_LEVEL, "debug|info", "found \"debug|info\"; expected debug, info, warning, error or critical"},
    {OXP_OPT_LOG_FORMAT, "", "found nothing; expected logfmt or json"},
    {OXP_OPT_STORAGE_MEMORY_LIMIT, "", "found nothing; expected a size such as 64MiB, from 1MiB to 1TiB"},
    {OXP_OPT_STORAGE_MEMORY_LIMIT, "0", "0 is out of range; expected a size such as 64MiB, from 1MiB to 1TiB"},
    {OXP_OPT_STORAGE_MEMORY_LIMIT, "1023KiB",
     "1023KiB is out of range; expected a size such as 64MiB, from 1MiB to 1TiB"},
    {OXP_OPT_STORAGE_MEMORY_LIMIT, "99999999999999999999",
     "99999999999999999999 is out of range; expected a size such as 64MiB, from 1MiB to 1TiB"},
    {OXP_OPT_STORAGE_MEMORY_LIMIT, "2TiB", "2TiB is out of range; expected a size such as 64MiB, from 1MiB to 1TiB"},
    {OXP_OPT_STORAGE_MEMORY_LIMIT, "MiB", "found \"MiB\"; expected a size such as 64MiB, from 1MiB to 1TiB"},
    {OXP_OPT_STORAGE_MEMORY_LIMIT, "64m", "found \"64m\"; expected a size such as 64MiB, from 1MiB to 1TiB"},
    {OXP_OPT_STORAGE_MEMORY_LIMIT, "64 MiB", "found \"64 MiB\"; expected a size such as 64MiB, from 1MiB to 1TiB"},
    {OXP_OPT_STORAGE_MEMORY_LIMIT, "1.5GiB", "found \"1.5GiB\"; expected a size such as 64MiB, from 1MiB to 1TiB"},
    {OXP_OPT_STORAGE_MEMORY_LIMIT, "-1MiB", "found \"-1MiB\"; expected a size such as 64MiB, from 1MiB to 1TiB"},
    {OXP_OPT_EXTERNAL_LABELS, "a", "found \"a\"; expected NAME=VALUE pairs with commas between them"},
    {OXP_OPT_EXTERNAL_LABELS, "a=b,", "found \"a=b,\"; expected NAME=VALUE pairs with commas between them"},
    {OXP_OPT_EXTERNAL_LABELS, "a=b,c", "found \"a=b,c\"; expected NAME=VALUE pairs with commas between them"},
    {OXP_OPT_EXTERNAL_LABELS, "a=\\b", "found \"a=\\b\"; expected NAME=VALUE pairs with commas between them"},
    {OXP_OPT_EXTERNAL_LABELS, "a=\\", "found \"a=\\\"; expected NAME=VALUE pairs with commas between them"},
    {OXP_OPT_EXTERNAL_LABELS, "=b", "\"\" is no label name; expected letters, digits and underscores, no digit first"},
    {OXP_OPT_EXTERNAL_LABELS, "9=b",
     "\"9\" is no label name; expected letters, digits and underscores, no digit first"},
    {OXP_OPT_EXTERNAL_LABELS, "a=b, c=d",
     "\" c\" is no label name; expected letters, digits and underscores, no digit first"},
    {OXP_OPT_EXTERNAL_LABELS, "a=1,b=2,a=3", "the label a is given twice"},
    {OXP_OPT_EXTERNAL_LABELS, "job=x", "the label name job is reserved"},
    {OXP_OPT_EXTERNAL_LABELS, "le=x", "the label name le is reserved"},
    {OXP_OPT_EXTERNAL_LABELS, "__x=y", "the label name __x is reserved"},
    {OXP_OPT_EXTERNAL_LABELS, "a=,b=,c=,d=,e=,f=,g=,h=,i=,j=,k=,l=,m=,n=,o=,p=,q=", "there are more than 16 labels"},
    {OXP_OPT_RULE_FILES, ",", "found \",\"; expected paths with commas between them"},
    {OXP_OPT_RULE_FILES, "a.yml,", "found \"a.yml,\"; expected paths with commas between them"},
    {OXP_OPT_RULE_FILES, "a.yml,,b.yml", "found \"a.yml,,b.yml\"; expected paths with commas between them"},
    {OXP_OPT_RULE_FILES, "a\\b", "found \"a\\b\"; expected paths with commas between them"},
    {OXP_OPT_RULE_FILES, "a\\", "found \"a\\\"; expected paths with commas between them"},
    {OXP_OPT_SHUTDOWN_GRACE, "20", "found \"20\"; expected a duration such as 30s or 1h30m, from 0s to 1h"},
    {OXP_OPT_SHUTDOWN_GRACE, "1h1s", "1h1s is out of range; expected a duration such as 30s or 1h30m, from 0s to 1h"},
    {OXP_OPT_SHUTDOWN_GRACE, "9999y", "9999y is out of range; expected a duration such as 30s or 1h30m, from 0s to 1h"},
    {OXP_OPT_ORCHESTRATOR_HEALTH_TIMEOUT, "99ms",
     "99ms is out of range; expected a duration such as 30s or 1h30m, from 100ms to 1m"},
    {OXP_OPT_WEB_LISTEN_ADDRESS, "", "found nothing; expected host:port, such as :10108 or 127.0.0.1:10108"},
    {OXP_OPT_WEB_LISTEN_ADDRESS, "10108", "found \"10108\"; expected host:port, such as :10108 or 127.0.0.1:10108"},
    {OXP_OPT_WEB_LISTEN_ADDRESS, "localhost",
     "found \"localhost\"; expected host:port, such as :10108 or 127.0.0.1:10108"},
    {OXP_OPT_WEB_LISTEN_ADDRESS, ":", "found \":\"; expected host:port, such as :10108 or 127.0.0.1:10108"},
    {OXP_OPT_WEB_LISTEN_ADDRESS, ":65536", "found \":65536\"; expected host:port, such as :10108 or 127.0.0.1:10108"},
    {OXP_OPT_WEB_LISTEN_ADDRESS, ":http", "found \":http\"; expected host:port, such as :10108 or 127.0.0.1:10108"},
    {OXP_OPT_WEB_LISTEN_ADDRESS, "::1:80", "found \"::1:80\"; expected host:port, such as :10108 or 127.0.0.1:10108"},
    {OXP_OPT_WEB_LISTEN_ADDRESS, "[::1]", "found \"[::1]\"; expected host:port, such as :10108 or 127.0.0.1:10108"},
    {OXP_OPT_WEB_LISTEN_ADDRESS, "[::x]:80",
     "found \"[::x]:80\"; expected host:port, such as :10108 or 127.0.0.1:10108"},
    {OXP_OPT_WEB_LISTEN_ADDRESS, "[]:80", "found \"[]:80\"; expected host:port, such as :10108 or 127.0.0.1:10108"},
    {OXP_OPT_WEB_LISTEN_ADDRESS, "http://x:80",
     "found \"http://x:80\"; expected host:port, such as :10108 or 127.0.0.1:10108"},
    {OXP_OPT_WEB_LISTEN_ADDRESS, "a b:80", "found \"a b:80\"; expected host:port, such as :10108 or 127.0.0.1:10108"},
    {OXP_OPT_WEB_TELEMETRY_PATH, "metrics", "found \"metrics\"; expected a path of the server, such as /metrics"},
    {OXP_OPT_WEB_TELEMETRY_PATH, "/a b", "found \"/a b\"; expected a path of the server, such as /metrics"},
    {OXP_OPT_WEB_TELEMETRY_PATH, "/m?x", "found \"/m?x\"; expected a path of the server, such as /metrics"},
    {OXP_OPT_WEB_TELEMETRY_PATH, "/m*", "found \"/m*\"; expected a path of the server, such as /metrics"},
    {OXP_OPT_WEB_TELEMETRY_PATH, "", "found nothing; expected a path of the server, such as /metrics"},
    {OXP_OPT_WEB_TELEMETRY_PATH, "/", "the server needs \"/\" for something else"},
    {OXP_OPT_WEB_TELEMETRY_PATH, "/health", "the server needs \"/health\" for something else"},
    {OXP_OPT_WEB_TELEMETRY_PATH, "/-/metrics", "the server needs \"/-/metrics\" for something else"},
    {OXP_OPT_WEB_TELEMETRY_PATH, "/api/x", "the server needs \"/api/x\" for something else"},
    {OXP_OPT_ORCHESTRATOR_HEALTH_URL, "localhost:8000",
     "found \"localhost:8000\"; expected a URL that begins with http:// or https://"},
    {OXP_OPT_ORCHESTRATOR_HEALTH_URL, "ftp://x",
     "found \"ftp://x\"; expected a URL that begins with http:// or https://"},
    {OXP_OPT_ORCHESTRATOR_HEALTH_URL, "http://",
     "found \"http://\"; expected a URL that begins with http:// or https://"},
    {OXP_OPT_ORCHESTRATOR_HEALTH_URL, "http:///x",
     "found \"http:///x\"; expected a URL that begins with http:// or https://"},
    {OXP_OPT_ORCHESTRATOR_HEALTH_URL, "http://h:99999/",
     "found \"http://h:99999/\"; expected a URL that begins with http:// or https://"},
    {OXP_OPT_ORCHESTRATOR_HEALTH_URL, "http://h/a b",
     "found \"http://h/a b\"; expected a URL that begins with http:// or https://"},
    {OXP_OPT_STORAGE_PATH, "a\nb", "the value \"a?b\" holds a control character"},
    {OXP_OPT_STORAGE_PATH, "a\x7f", "the value \"a?\" holds a control character"},
    {OXP_OPT_STORAGE_PATH,
     "a\xff"
     "b",
     "the value \"a\xe2\x80\xa6\" is not UTF-8"},
};
/* clang-format on */

static void test_durations(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        double seconds = -1;
        enum oxp_status status = oxp_duration_parse(oxp_view_from(durations[i].text), &seconds);
        if (status != OXP_OK || seconds != durations[i].seconds) {
            fail_msg("%s: got %s %.17g, expected %.17g", durations[i].text, oxp_status_name(status), seconds,
                     durations[i].seconds);
        }
    }
    for (size_t i = 0; i < sizeof bad_durations / sizeof bad_durations[0]; i++) {
        double seconds;
        enum oxp_status status = oxp_duration_parse(oxp_view_from(bad_durations[i].text), &seconds);
        if (status != bad_durations[i].status) {
            fail_msg("\"%s\": got %s, expected %s", bad_durations[i].text, oxp_status_name(status),
                     oxp_status_name(bad_durations[i].status));
        }
    }
}

static void test_durations_written(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        struct oxp_buf out;
        oxp_buf_init(&out, 0);
        oxp_duration_append(&out, written[i].seconds);
        assert_string_equal(oxp_buf_text(&out), written[i].text);
        double back;
        assert_int_equal(oxp_duration_parse(oxp_buf_view(&out), &back), OXP_OK);
        assert_true(back == written[i].seconds);
        oxp_buf_fini(&out);
    }
}

static void test_taken(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        const struct oxp_option_spec *spec = oxp_option_spec(taken[i].option);
        double number = -1;
        struct oxp_error why = {0};
        enum oxp_status status = oxp_value_read(spec, oxp_view_from(taken[i].text), &number, &why);
        if (status != OXP_OK || number != taken[i].number) {
            fail_msg("%s = %s: got %s %g \"%s\", expected %g", spec->key, taken[i].text, oxp_status_name(status),
                     number, why.text, taken[i].number);
        }
    }
}

static void test_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        const struct oxp_option_spec *spec = oxp_option_spec(refused[i].option);
        double number;
        struct oxp_error why = {0};
        enum oxp_status status = oxp_value_read(spec, oxp_view_from(refused[i].text), &number, &why);
        if (status != OXP_ERR_INVALID || strcmp(why.text, refused[i].why) != 0) {
            fail_msg("%s = %s: got %s \"%s\", expected \"%s\"", spec->key, refused[i].text, oxp_status_name(status),
                     why.text, refused[i].why);
        }
    }
}

static void test_long_values(void **state) {
    (void)state;
    char text[OXP_CONFIG_VALUE_MAX + 1];
    memset(text, 'x', sizeof text);
    const struct oxp_option_spec *spec = oxp_option_spec(OXP_OPT_STORAGE_PATH);
    double number;
    struct oxp_error why = {0};
    assert_int_equal(oxp_value_read(spec, oxp_view_of(text, OXP_CONFIG_VALUE_MAX), &number, &why), OXP_OK);
    assert_int_equal(oxp_value_read(spec, oxp_view_of(text, sizeof text), &number, &why), OXP_ERR_INVALID);
    assert_non_null(strstr(why.text, "xxx\xe2\x80\xa6\" is longer than 4096 bytes"));
}

static void test_shown(void **state) {
    (void)state;
    char text[200];
    memset(text, 'p', sizeof text);
    text[sizeof text - 1] = '\0';
    struct oxp_shown shown = oxp_shown(oxp_view_from(text));
    assert_int_equal(strlen(shown.text), 64 + 3);
    /* of a path the end, and no half character at its beginning */
    memcpy(text + sizeof text - 1 - 101, "\xc3\xa9", 2);
    shown = oxp_shown_path(text);
    assert_int_equal(strlen(shown.text), 3 + 99);
    assert_int_equal(strncmp(shown.text, "\xe2\x80\xa6ppp", 6), 0);
    assert_string_equal(oxp_shown_path("/etc/oxpecker.yml").text, "/etc/oxpecker.yml");
    assert_string_equal(oxp_shown(oxp_view_of(NULL, 0)).text, "");
}

static void test_expand(void **state) {
    (void)state;
    static char *const environment[] = {"HOST=a", "HOSTNAME=pod-1", "EMPTY=", "_x9=y", "DOLLAR=${HOST}", "odd", NULL};
    static const struct {
        const char *text;
        const char *out; /* NULL: refused */
        const char *why;
    } rows[] = {
        {"", "", NULL},
        {"plain", "plain", NULL},
        {"${HOSTNAME}", "pod-1", NULL},
        {"a-${HOST}-${HOSTNAME}-z", "a-a-pod-1-z", NULL},
        {"${EMPTY}", "", NULL},
        {"${_x9}", "y", NULL},
        {"$$", "$", NULL},
        {"$${HOST}", "${HOST}", NULL},
        {"$$$$", "$$", NULL},
        {"${DOLLAR}", "${HOST}", NULL}, /* not expanded again */
        {"}{", "}{", NULL},
        {"${ABSENT}", NULL, "the environment variable ABSENT is not set"},
        {"${odd}", NULL, "the environment variable odd is not set"},
        {"${HOS}", NULL, "the environment variable HOS is not set"},
        {"$", NULL, "a $ must begin ${NAME}; write $$ for the character itself"},
        {"$HOST", NULL, "a $ must begin ${NAME}; write $$ for the character itself"},
        {"x$", NULL, "a $ must begin ${NAME}; write $$ for the character itself"},
        {"${", NULL, "a $ must begin ${NAME}; write $$ for the character itself"},
        {"${}", NULL, "a $ must begin ${NAME}; write $$ for the character itself"},
        {"${HOST", NULL, "a $ must begin ${NAME}; write $$ for the character itself"},
        {"${9}", NULL, "a $ must begin ${NAME}; write $$ for the character itself"},
        {"${HOST:-x}", "a", NULL},
        {"${ABSENT:-x y}-", "x y-", NULL},
        {"${ABSENT:-}", "", NULL},
        {"${EMPTY:-x}", "x", NULL},
        {"${ABSENT:-$}", "$", NULL}, /* as it stands */
        {"${ABSENT:-a:-b}", "a:-b", NULL},
        {"${HOST:x}", NULL, "a $ must begin ${NAME}; write $$ for the character itself"},
        {"${HOST-x}", NULL, "a $ must begin ${NAME}; write $$ for the character itself"},
        {"${:-x}", NULL, "a $ must begin ${NAME}; write $$ for the character itself"},
        {"${HOST:-x", NULL, "a $ must begin ${NAME}; write $$ for the character itself"},
        {"$x}", NULL, "a $ must begin ${NAME}; write $$ for the character itself"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_buf out;
        oxp_buf_init(&out, OXP_CONFIG_VALUE_MAX);
        struct oxp_error why = {0};
        enum oxp_status status = oxp_expand(oxp_view_from(rows[i].text), environment, &out, &why);
        const char *expected = rows[i].out != NULL ? rows[i].out : rows[i].why;
        const char *got = status == OXP_OK ? oxp_buf_text(&out) : why.text;
        if ((status == OXP_OK) != (rows[i].out != NULL) || strcmp(got, expected) != 0) {
            fail_msg("%s: got \"%s\", expected \"%s\"", rows[i].text, got, expected);
        }
        oxp_buf_fini(&out);
    }
}

static void test_expand_is_bounded(void **state) {
    (void)state;
    char entry[3000] = "BIG=";
    memset(entry + 4, 'x', sizeof entry - 5);
    entry[sizeof entry - 1] = '\0';
    char *const environment[] = {entry, NULL};
    struct oxp_buf out;
    oxp_buf_init(&out, OXP_CONFIG_VALUE_MAX);
    struct oxp_error why = {0};
    assert_int_equal(oxp_expand(OXP_VIEW("${BIG}"), environment, &out, &why), OXP_OK);
    assert_int_equal(oxp_expand(OXP_VIEW("${BIG}"), environment, &out, &why), OXP_ERR_INVALID);
    assert_string_equal(why.text, "the value is longer than 4096 bytes");
    oxp_buf_fini(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations), cmocka_unit_test(test_durations_written), cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_long_values),       cmocka_unit_test(test_shown),
        cmocka_unit_test(test_expand),    cmocka_unit_test(test_expand_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
