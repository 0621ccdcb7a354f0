/* The texts of /proc and cgroups: what must be read and what must be refused, side by side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/resource/parse.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define TAIL "0 1 1 0 -1 0 0 0 0 0 11 12 13 14 20 0 5 0 1120993 3133440 390 18446744073709551615 9"

static void check(bool holds, const char *name) {
    if (!holds) {
        print_error("row: %s\n", name);
        fail();
    }
}

/* A copy that ends where the text ends, so that the sanitizer sees a read past it. */
static struct oxp_view copy_of(const char *text) {
    size_t len = strlen(text);
    char *copy = malloc(len == 0 ? 1 : len);
    assert_non_null(copy);
    memcpy(copy, text, len);
    return oxp_view_of(copy, len);
}

static void stat_rows(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
        bool ok;
        int64_t pid;
        char state;
    } rows[] = {
        {"plain", "12876 (cat) R " TAIL "\n", true, 12876, 'R'},
        {"name with parenthesis", "7 (a) Z 9 (b) S " TAIL, true, 7, 'S'},
        {"name with newline", "7 (a\n1) D " TAIL, true, 7, 'D'},
        {"no name", "7 () S " TAIL, true, 7, 'S'},
        {"dead", "7 (x) Z " TAIL, true, 7, 'Z'},
        {"empty", "", false, 0, 0},
        {"no parentheses", "7 cat S " TAIL, false, 0, 0},
        {"closed before opened", "7 )cat( S " TAIL, false, 0, 0},
        {"no pid", "(cat) S " TAIL, false, 0, 0},
        {"pid is a word", "x (cat) S " TAIL, false, 0, 0},
        {"pid past 2^31", "2147483648 (cat) S " TAIL, false, 0, 0},
        {"cut before rss", "7 (cat) S 0 1 1 0 -1 0 0 0 0 0 11 12 13 14 20 0 5 0 1120993 3133440", false, 0, 0},
        {"cut in the state", "7 (cat) ", false, 0, 0},
        {"long state", "7 (cat) SS " TAIL, false, 0, 0},
        {"negative ticks", "7 (cat) S 0 1 1 0 -1 0 0 0 0 0 -11 12 13 14 20 0 5 0 1 1 390 1", false, 0, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct oxp_proc_stat stat = {.pid = -1};
        struct oxp_view text = copy_of(rows[i].text);
        check(oxp_proc_parse_stat(text, &stat) == rows[i].ok, rows[i].name);
        check(rows[i].ok || stat.pid == -1, rows[i].name);
        if (rows[i].ok) {
            check(stat.pid == rows[i].pid && stat.state == rows[i].state && stat.user_ticks == 11 &&
                      stat.system_ticks == 12 && stat.waited_user_ticks == 13 && stat.waited_system_ticks == 14 &&
                      stat.threads == 5 && stat.start_ticks == 1120993 && stat.resident_pages == 390 &&
                      oxp_proc_is_dead(&stat) == (rows[i].state == 'Z'),
                  rows[i].name);
        }
        free((char *)text.ptr);
    }
}

static void io_rows(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
        bool ok;
        uint64_t read, written;
    } rows[] = {
        {"whole", "rchar: 6\nwchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 1\n", true, 4096,
         8192},
        {"no last newline", "read_bytes: 1\nwrite_bytes: 2", true, 1, 2},
        {"empty", "", false, 0, 0},
        {"no write", "read_bytes: 1\n", false, 0, 0},
        {"cut number", "read_bytes: 1\nwrite_bytes: ", false, 0, 0},
        {"word", "read_bytes: x\nwrite_bytes: 1\n", false, 0, 0},
        {"two numbers", "read_bytes: 1 2\nwrite_bytes: 1\n", false, 0, 0},
        {"bad cancelled", "read_bytes: 1\nwrite_bytes: 2\ncancelled_write_bytes: -1\n", false, 0, 0},
        {"past 2^64", "read_bytes: 18446744073709551616\nwrite_bytes: 2\n", false, 0, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t read = 0, written = 0;
        struct oxp_view text = copy_of(rows[i].text);
        check(oxp_proc_parse_io(text, &read, &written) == rows[i].ok && read == rows[i].read &&
                  written == rows[i].written,
              rows[i].name);
        free((char *)text.ptr);
    }
}

static void max_fds_rows(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
        bool ok;
        uint64_t max;
    } rows[] = {
        {"soft limit", "Limit Soft Hard\nMax open files            1024                 4096                 files\n",
         true, 1024},
        {"unlimited", "Max open files            unlimited            unlimited            files\n", false, 0},
        {"missing", "Max processes  1 2 processes\n", false, 0},
        {"cut", "Max open files", false, 0},
        {"empty", "", false, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t max = 0;
        struct oxp_view text = copy_of(rows[i].text);
        check(oxp_proc_parse_max_fds(text, &max) == rows[i].ok && max == rows[i].max, rows[i].name);
        free((char *)text.ptr);
    }
}

static void nspid_rows(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
        bool ok;
        int64_t outer, inner;
        unsigned depth;
    } rows[] = {
        {"ours", "Name:\tx\nNSpid:\t42\nVmRSS: 1\n", true, 42, 42, 1},
        {"nested", "NSpid:\t4711\t7\n", true, 4711, 7, 2},
        {"deep", "NSpid:\t4711\t20\t1", true, 4711, 1, 3},
        {"none", "Name:\tx\n", false, 0, 0, 0},
        {"empty", "NSpid:\n", false, 0, 0, 0},
        {"word", "NSpid:\t1\tx\n", false, 0, 0, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t outer = 0, inner = 0;
        unsigned depth = 0;
        struct oxp_view text = copy_of(rows[i].text);
        check(oxp_proc_parse_nspid(text, &outer, &inner, &depth) == rows[i].ok && outer == rows[i].outer &&
                  inner == rows[i].inner && depth == rows[i].depth,
              rows[i].name);
        free((char *)text.ptr);
    }
}

static void path_rows(void **state) {
    (void)state;
#define V1 "9:name=systemd:/\n4:memory:/mem\n2:cpu,cpuacct:/cpu:x\n"
    static const struct {
        const char *name, *text, *controller;
        bool ok;
        const char *list, *path;
    } rows[] = {
        {"version 2", "0::/system.slice/a.service\n", NULL, true, "", "/system.slice/a.service"},
        {"version 2 beside 1", V1 "0::/", NULL, true, "", "/"},
        {"colon in the path", "0::/a:b\n", NULL, true, "", "/a:b"},
        {"dots in a name", "0::/a..b/..c/d..\n", NULL, true, "", "/a..b/..c/d.."},
        {"memory", V1, "memory", true, "memory", "/mem"},
        {"second of two", V1, "cpuacct", true, "cpu,cpuacct", "/cpu:x"},
        {"first of two", V1, "cpu", true, "cpu,cpuacct", "/cpu:x"},
        {"no version 2", V1, NULL, false, NULL, NULL},
        {"part of a name", V1, "acct", false, NULL, NULL},
        {"no such controller", V1, "io", false, NULL, NULL},
        {"another container", "0::/../x\n", NULL, false, NULL, NULL},
        {"up at the end", "0::/a/..\n", NULL, false, NULL, NULL},
        {"no slash", "0::a\n", NULL, false, NULL, NULL},
        {"no path", "0::\n", NULL, false, NULL, NULL},
        {"no colons", "0\n", NULL, false, NULL, NULL},
        {"one colon", "0:/a\n", NULL, false, NULL, NULL},
        {"empty", "", NULL, false, NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct oxp_view list = {NULL, 0}, path = {NULL, 0}, text = copy_of(rows[i].text);
        check(oxp_cgroup_parse_path(text, rows[i].controller, &list, &path) == rows[i].ok, rows[i].name);
        check(!rows[i].ok || (oxp_view_is(list, rows[i].list) && oxp_view_is(path, rows[i].path)), rows[i].name);
        free((char *)text.ptr);
    }
}

static bool parse_key(struct oxp_view text, uint64_t *value) {
    return oxp_cgroup_parse_key(text, "usage_usec", value);
}

static bool parse_some(struct oxp_view text, uint64_t *value) {
    return oxp_cgroup_parse_pressure(text, "some", value);
}

static bool parse_full(struct oxp_view text, uint64_t *value) {
    return oxp_cgroup_parse_pressure(text, "full", value);
}

static void number_rows(void **state) {
    (void)state;
#define PRESSURE                                                                                                       \
    "some avg10=0.86 avg60=0.99 avg300=1.60 total=1292183143\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
    static const struct {
        const char *name, *text;
        bool (*parse)(struct oxp_view text, uint64_t *value);
        bool ok;
        uint64_t value;
    } rows[] = {
        {"key", "usage_usec 12\nuser_usec 3\n", parse_key, true, 12},
        {"key later", "a 1\nusage_usec 12", parse_key, true, 12},
        {"longer key", "usage_usec2 12\n", parse_key, false, 0},
        {"key without value", "usage_usec\n", parse_key, false, 0},
        {"key with word", "usage_usec x\n", parse_key, false, 0},
        {"no key", "", parse_key, false, 0},
        {"number", "4096\n", oxp_cgroup_parse_number, true, 4096},
        {"number without newline", "4096", oxp_cgroup_parse_number, true, 4096},
        {"no number", "\n", oxp_cgroup_parse_number, false, 0},
        {"two", "1 2\n", oxp_cgroup_parse_number, false, 0},
        {"limit", "104857600\n", oxp_cgroup_parse_limit, true, 104857600},
        {"no limit, version 2", "max\n", oxp_cgroup_parse_limit, true, 0},
        {"no limit, version 1", "9223372036854771712\n", oxp_cgroup_parse_limit, true, 0},
        {"limit is a word", "min\n", oxp_cgroup_parse_limit, false, 0},
        {"limit is empty", "", oxp_cgroup_parse_limit, false, 0},
        {"some", PRESSURE, parse_some, true, 1292183143},
        {"full", PRESSURE, parse_full, true, 7},
        {"no full line", "some avg10=0.86 total=1\n", parse_full, false, 0},
        {"no total", "some avg10=0.86\n", parse_some, false, 0},
        {"total is a word", "some total=x\n", parse_some, false, 0},
        {"no pressure", "", parse_some, false, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t value = 0;
        struct oxp_view text = copy_of(rows[i].text);
        check(rows[i].parse(text, &value) == rows[i].ok && value == rows[i].value, rows[i].name);
        free((char *)text.ptr);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stat_rows),  cmocka_unit_test(io_rows),   cmocka_unit_test(max_fds_rows),
        cmocka_unit_test(nspid_rows), cmocka_unit_test(path_rows), cmocka_unit_test(number_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
