/* Streams cut into lines, however they arrive. */
#include "exporter/parse/parse.h"

#include "lib/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* What came out, as text: "1:abc|2!|" (a line, one too large). */
struct seen {
    char text[1024];
    size_t len;
    size_t longest;
    unsigned long large;
    const char *last; /* where the last line lay */
};

static void on_line(void *ctx, unsigned long number, struct oxp_view line) {
    struct seen *seen = ctx;
    seen->longest = line.len > seen->longest ? line.len : seen->longest;
    seen->last = line.ptr;
    size_t left = sizeof seen->text - seen->len;
    int n = snprintf(seen->text + seen->len, left, "%lu:%.*s|", number, (int)(line.len > 20 ? 20 : line.len), line.ptr);
    seen->len += (size_t)n < left ? (size_t)n : left - 1;
}

static void on_large(void *ctx, unsigned long number) {
    struct seen *seen = ctx;
    size_t left = sizeof seen->text - seen->len;
    seen->large++;
    int n = snprintf(seen->text + seen->len, left, "%lu!|", number);
    seen->len += (size_t)n < left ? (size_t)n : left - 1;
}

static void feed_in_pieces(struct oxp_lines *lines, struct oxp_view bytes, size_t piece, struct seen *seen) {
    struct oxp_lines_sink sink = {seen, on_line, on_large};
    for (size_t at = 0; at < bytes.len; at += piece) {
        size_t len = bytes.len - at < piece ? bytes.len - at : piece;
        oxp_lines_feed(lines, oxp_view_of(bytes.ptr + at, len), &sink);
    }
}

static const struct {
    const char *name, *in, *want;
    unsigned long cut; /* number of the line that the end cuts; 0 = none */
} rows[] = {
    {"nothing", "", "", 0},
    {"one", "abc\n", "1:abc|", 0},
    {"two", "abc\ndef\n", "1:abc|2:def|", 0},
    {"CR LF", "abc\r\ndef\r\n", "1:abc|2:def|", 0},
    {"only one CR goes", "abc\r\r\n", "1:abc\r|", 0},
    {"CR inside", "a\rb\n", "1:a\rb|", 0},
    {"blank lines count", "\n\r\n \t\nabc\n", "4:abc|", 0},
    {"spaces stay", " abc \n", "1: abc |", 0},
    {"cut", "abc\nde", "1:abc|", 2},
    {"cut at once", "a", "", 1},
    {"blank end is not cut", "abc\n  \r", "1:abc|", 0},
};

static void lines_at_every_split(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t piece = 1; piece <= strlen(rows[i].in) + 1; piece++) {
            struct oxp_lines lines;
            struct seen seen = {.len = 0};
            unsigned long number = 0;
            oxp_lines_init(&lines);
            feed_in_pieces(&lines, oxp_view_from(rows[i].in), piece, &seen);
            if (strcmp(seen.text, rows[i].want) != 0) {
                fail_msg("%s, %zu at a time: got %s", rows[i].name, piece, seen.text);
            }
            bool cut = oxp_lines_end(&lines, &number);
            assert_int_equal(cut ? number : 0, rows[i].cut);
            assert_false(oxp_lines_end(&lines, &number));
        }
    }
}

/* `len` bytes and an ending, between two short lines. */
static size_t long_input(char *out, size_t len, const char *ending) {
    memcpy(out, "a\n", 2);
    memset(out + 2, 'x', len);
    size_t end = 2 + len;
    memcpy(out + end, ending, strlen(ending));
    end += strlen(ending);
    memcpy(out + end, "b\n", 2);
    return end + 2;
}

static void longest_line(void **state) {
    (void)state;
    static const struct {
        size_t len;
        const char *ending;
        bool fits;
    } cases[] = {
        {OXP_EVENT_LINE_MAX - 1, "\n", true},    {OXP_EVENT_LINE_MAX, "\n", true},
        {OXP_EVENT_LINE_MAX, "\r\n", true},      {OXP_EVENT_LINE_MAX + 1, "\n", false},
        {OXP_EVENT_LINE_MAX + 1, "\r\n", false}, {3 * OXP_EVENT_LINE_MAX, "\n", false},
        {3 * OXP_EVENT_LINE_MAX, "\r\n", false},
    };
    static const size_t pieces[] = {1,     7, 4096, OXP_EVENT_LINE_MAX, OXP_EVENT_LINE_MAX + 1, OXP_EVENT_LINE_MAX + 2,
                                    100000};
    static char in[4 * OXP_EVENT_LINE_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = long_input(in, cases[i].len, cases[i].ending);
        for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
            static struct oxp_lines lines;
            struct seen seen = {.len = 0};
            oxp_lines_init(&lines);
            feed_in_pieces(&lines, oxp_view_of(in, len), pieces[p], &seen);
            assert_string_equal(seen.text, cases[i].fits ? "1:a|2:xxxxxxxxxxxxxxxxxxxx|3:b|" : "1:a|2!|3:b|");
            assert_int_equal(seen.large, !cases[i].fits);
            assert_int_equal(seen.longest, cases[i].fits ? cases[i].len : 1);
        }
    }
}

/* A line that was too large is told once, and its end by the stream's end is no second fault. */
static void too_large_then_end(void **state) {
    (void)state;
    static struct oxp_lines lines;
    static char in[OXP_EVENT_LINE_MAX + 2];
    struct seen seen = {.len = 0};
    unsigned long number = 0;
    memset(in, 'x', sizeof in);
    oxp_lines_init(&lines);
    feed_in_pieces(&lines, oxp_view_of(in, sizeof in), sizeof in, &seen);
    feed_in_pieces(&lines, oxp_view_of(in, sizeof in), 100, &seen);
    assert_int_equal(seen.large, 1);
    assert_false(oxp_lines_end(&lines, &number));
}

static void no_copy_of_a_whole_line(void **state) {
    (void)state;
    static struct oxp_lines lines;
    static const char in[] = "abc\ndef\n";
    struct seen seen = {.len = 0};
    oxp_lines_init(&lines);
    feed_in_pieces(&lines, oxp_view_from(in), sizeof in, &seen);
    assert_ptr_equal(seen.last, in + 4);
}

static void random_splits(void **state) {
    (void)state;
    struct oxp_random random;
    oxp_random_seed(&random, 11);
    static const char in[] = "abc\r\n\n{\"a\":1}\n\r\n  x  \nlast\r\nend";
    for (int i = 0; i < 2000; i++) {
        struct oxp_lines lines;
        struct seen seen = {.len = 0};
        unsigned long number = 0;
        oxp_lines_init(&lines);
        for (size_t at = 0; at < sizeof in - 1;) {
            size_t len = (size_t)(oxp_random_u64(&random) % 8);
            len = len > sizeof in - 1 - at ? sizeof in - 1 - at : len;
            feed_in_pieces(&lines, oxp_view_of(in + at, len), len + 1, &seen);
            at += len;
        }
        assert_string_equal(seen.text, "1:abc|3:{\"a\":1}|5:  x  |6:last|");
        assert_true(oxp_lines_end(&lines, &number));
        assert_int_equal(number, 7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_at_every_split), cmocka_unit_test(longest_line),
        cmocka_unit_test(too_large_then_end),   cmocka_unit_test(no_copy_of_a_whole_line),
        cmocka_unit_test(random_splits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
