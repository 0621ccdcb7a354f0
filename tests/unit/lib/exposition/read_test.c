/* The strict reader: every file below tests/conformance/exposition is accepted or rejected as its folder says, and for
 * the reason that stands here. */
#include <oxpecker/exposition.h>

#include "lib/base/buf.h"
#include "tests/support/alloc_fail.h"
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FOLDER "tests/conformance/exposition"

struct reject {
    const char *name;
    unsigned line;
    const char *reason; /* a fragment of the error's text */
};

#define X(name, line, reason) {name, line, reason},
static const struct reject openmetrics_rejects[] = {
#include "tests/conformance/exposition/openmetrics/reject.def"
};

static const struct reject text_rejects[] = {
#include "tests/conformance/exposition/text/reject.def"
};
#undef X

enum { MOST_BYTES = 64 * 1024 };

/* A file in memory of exactly its size, so that the sanitizer sees a read past its end. */
static struct oxp_view load(const char *path) {
    static char bytes[MOST_BYTES];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("%s cannot be opened", path);
    }
    size_t len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    char *copy = malloc(len == 0 ? 1 : len);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    return oxp_view_of(copy, len);
}

static void unload(struct oxp_view view) {
    free((void *)(uintptr_t)view.ptr);
}

static const char *format_name(enum oxp_format format) {
    return format == OXP_FORMAT_OPENMETRICS ? "openmetrics" : "text";
}

/* Calls `check` with each file of a folder and gives their number; an empty folder fails. */
static size_t each_file(enum oxp_format format, const char *kind,
                        void (*check)(enum oxp_format format, const char *name, struct oxp_view input)) {
    char folder[256], path[1024];
    snprintf(folder, sizeof folder, FOLDER "/%s/%s", format_name(format), kind);
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    size_t count = 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        struct oxp_view input = load(path);
        check(format, entry->d_name, input);
        unload(input);
        count++;
    }
    closedir(dir);
    assert_int_not_equal(count, 0);
    return count;
}

static void check_accepted(enum oxp_format format, const char *name, struct oxp_view input) {
    struct oxp_error error = {0};
    if (oxp_exposition_read(input, format, NULL, &error) != OXP_OK) {
        fail_msg("%s/accept/%s: %u:%u: %s", format_name(format), name, error.line, error.column, error.text);
    }
}

static void accepts_what_it_must(void **state) {
    (void)state;
    assert_true(each_file(OXP_FORMAT_OPENMETRICS, "accept", check_accepted) >= 40);
    assert_true(each_file(OXP_FORMAT_TEXT, "accept", check_accepted) >= 20);
}

static void check_rejected(enum oxp_format format, const struct reject *row) {
    char path[256];
    snprintf(path, sizeof path, FOLDER "/%s/reject/%s.txt", format_name(format), row->name);
    struct oxp_view input = load(path);
    struct oxp_error error = {0};
    enum oxp_status status = oxp_exposition_read(input, format, NULL, &error);
    if (status != OXP_ERR_SYNTAX) {
        fail_msg("%s: expected a syntax error, got %s", path, oxp_status_name(status));
    }
    if (error.line != row->line || error.column == 0 || strstr(error.text, row->reason) == NULL) {
        fail_msg("%s: expected line %u and \"%s\", got %u:%u: %s", path, row->line, row->reason, error.line,
                 error.column, error.text);
    }
    unload(input);
}

static void ignore_file(enum oxp_format format, const char *name, struct oxp_view input) {
    (void)format;
    (void)name;
    (void)input;
}

static void rejects_what_it_must(void **state) {
    (void)state;
    const size_t openmetrics_count = sizeof openmetrics_rejects / sizeof *openmetrics_rejects;
    const size_t text_count = sizeof text_rejects / sizeof *text_rejects;
    for (size_t i = 0; i < openmetrics_count; i++) {
        check_rejected(OXP_FORMAT_OPENMETRICS, &openmetrics_rejects[i]);
    }
    for (size_t i = 0; i < text_count; i++) {
        check_rejected(OXP_FORMAT_TEXT, &text_rejects[i]);
    }
    /* a file without a row would prove nothing */
    assert_int_equal(each_file(OXP_FORMAT_OPENMETRICS, "reject", ignore_file), openmetrics_count);
    assert_int_equal(each_file(OXP_FORMAT_TEXT, "reject", ignore_file), text_count);
}

/* ---- Places ---- */

static void names_the_column(void **state) {
    (void)state;
    static const struct {
        enum oxp_format format;
        const char *input;
        unsigned line, column;
    } rows[] = {
        {OXP_FORMAT_OPENMETRICS, "g{a=\"x\",b='y'} 1\n# EOF\n", 1, 11},
        {OXP_FORMAT_OPENMETRICS, "g{a=\"x\",bb=\"y\",a=\"z\"} 1\n# EOF\n", 1, 16},
        {OXP_FORMAT_OPENMETRICS, "g 1\nhhh 2x\n# EOF\n", 2, 5},
        {OXP_FORMAT_OPENMETRICS, "# TYPE h histogram\nh_bucket{a=\"1\",le=\"x\"} 1\n# EOF\n", 2, 16},
        {OXP_FORMAT_OPENMETRICS, "# TYPE g gouge\n# EOF\n", 1, 10},
        {OXP_FORMAT_OPENMETRICS, "# HELP g a \"b\n# EOF\n", 1, 12},
        {OXP_FORMAT_TEXT, "g{ a = \"x\" , 1b=\"y\"} 1\n", 1, 14},
        {OXP_FORMAT_TEXT, "g 1   2.5\n", 1, 7},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct oxp_error error = {0};
        assert_int_equal(oxp_exposition_read(oxp_view_from(rows[i].input), rows[i].format, NULL, &error),
                         OXP_ERR_SYNTAX);
        if (error.line != rows[i].line || error.column != rows[i].column) {
            fail_msg("%s: expected %u:%u, got %u:%u: %s", rows[i].input, rows[i].line, rows[i].column, error.line,
                     error.column, error.text);
        }
        /* the caller may not care why */
        assert_int_equal(oxp_exposition_read(oxp_view_from(rows[i].input), rows[i].format, NULL, NULL), OXP_ERR_SYNTAX);
    }
}

/* ---- The sink ---- */

/* Renders each sample on one line: what the sink was given, in a form that a test can compare. */
static void render_labels(struct oxp_buf *out, const struct oxp_read_label *labels, size_t count) {
    for (size_t i = 0; i < count; i++) {
        oxp_buf_append_char(out, ' ');
        oxp_buf_append_view(out, labels[i].name);
        oxp_buf_append_char(out, '=');
        oxp_buf_append_json_string(out, labels[i].value);
    }
}

static enum oxp_status render_sample(void *ctx, const struct oxp_read_sample *sample) {
    struct oxp_buf *out = ctx;
    oxp_buf_append_format(out, "%u %.*s %.*s %d", sample->line, (int)sample->family.len, sample->family.ptr,
                          (int)sample->name.len, sample->name.ptr, (int)sample->type);
    render_labels(out, sample->labels, sample->label_count);
    oxp_buf_append_format(out, " %g", sample->value);
    if (sample->has_timestamp) {
        oxp_buf_append_format(out, " @%.3f", sample->timestamp_s);
    }
    if (sample->has_exemplar) {
        oxp_buf_append_text(out, " #");
        render_labels(out, sample->exemplar_labels, sample->exemplar_label_count);
        oxp_buf_append_format(out, " %g", sample->exemplar_value);
    }
    if (sample->exemplar_has_timestamp) {
        oxp_buf_append_format(out, " @%.3f", sample->exemplar_timestamp_s);
    }
    oxp_buf_append_char(out, '\n');
    return OXP_OK;
}

static void gives_every_sample(void **state) {
    (void)state;
    static const struct {
        enum oxp_format format;
        const char *input, *expected;
    } rows[] = {
        {OXP_FORMAT_OPENMETRICS,
         "# TYPE a counter\n"
         "a_total{x=\"\\\"1\\\"\",y=\"2\\n\\\\\"} 17 1.5 # {id=\"7\\\"\"} 0.5 2.25\n"
         "# TYPE h histogram\n"
         "h_bucket{le=\"+Inf\"} 2\n"
         "free 3\n"
         "# EOF\n",
         "2 a a_total 1 x=\"\\\"1\\\"\" y=\"2\\n\\\\\" 17 @1.500 # id=\"7\\\"\" 0.5 @2.250\n"
         "4 h h_bucket 3 le=\"+Inf\" 2\n"
         "5 free free 0 3\n"},
        {OXP_FORMAT_TEXT, "# TYPE a_total counter\n\na_total {x = \"1\",} 17 -1500\n# TYPE s summary\ns_sum 2\n",
         "3 a_total a_total 1 x=\"1\" 17 @-1.500\n5 s s_sum 4 2\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct oxp_buf out;
        oxp_buf_init(&out, 0);
        struct oxp_reader_sink sink = {render_sample, &out};
        assert_int_equal(oxp_exposition_read(oxp_view_from(rows[i].input), rows[i].format, &sink, NULL), OXP_OK);
        assert_string_equal(oxp_buf_text(&out), rows[i].expected);
        oxp_buf_fini(&out);
    }
}

static enum oxp_status stop_at_second(void *ctx, const struct oxp_read_sample *sample) {
    (void)sample;
    return ++*(int *)ctx == 2 ? OXP_ERR_LIMIT : OXP_IGNORED;
}

static void hands_up_what_the_sink_says(void **state) {
    (void)state;
    int calls = 0;
    struct oxp_reader_sink sink = {stop_at_second, &calls};
    assert_int_equal(oxp_exposition_read(OXP_VIEW("a 1\nb 2\nc 3\n"), OXP_FORMAT_TEXT, &sink, NULL), OXP_ERR_LIMIT);
    assert_int_equal(calls, 2);
}

/* ---- Hostile input ---- */

/* Whatever is cut off: no crash, and OpenMetrics is never whole without its last line. */
static void check_prefixes(enum oxp_format format, const char *name, struct oxp_view input) {
    for (size_t len = 0; len < input.len; len++) {
        char *copy = malloc(len == 0 ? 1 : len);
        assert_non_null(copy);
        memcpy(copy, input.ptr, len);
        enum oxp_status status = oxp_exposition_read(oxp_view_of(copy, len), format, NULL, NULL);
        bool whole = len >= 5 && memcmp(copy + len - 5, "# EOF", 5) == 0;
        if (format == OXP_FORMAT_OPENMETRICS && (status == OXP_OK) != whole) {
            fail_msg("%s: the first %zu bytes: %s", name, len, oxp_status_name(status));
        }
        free(copy);
    }
}

static void copes_with_every_prefix(void **state) {
    (void)state;
    each_file(OXP_FORMAT_OPENMETRICS, "accept", check_prefixes);
    each_file(OXP_FORMAT_TEXT, "accept", check_prefixes);
}

/* A line of a million bytes of labels must cost no square: this takes seconds if it does. */
static void copes_with_many_labels(void **state) {
    (void)state;
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_buf_append_text(&text, "g{");
    for (unsigned i = 0; i < 60000; i++) {
        oxp_buf_append_format(&text, "%sl%u=\"\\n\"", i == 0 ? "" : ",", (i * 7919U) % 60000U);
    }
    size_t good = text.len;
    oxp_buf_append_text(&text, "} 1\n# EOF\n");
    assert_int_equal(oxp_exposition_read(oxp_buf_view(&text), OXP_FORMAT_OPENMETRICS, NULL, NULL), OXP_OK);
    text.len = good;
    oxp_buf_append_text(&text, ",l4711=\"\"} 1\n# EOF\n");
    struct oxp_error error = {0};
    assert_int_equal(oxp_exposition_read(oxp_buf_view(&text), OXP_FORMAT_OPENMETRICS, NULL, &error), OXP_ERR_SYNTAX);
    assert_string_equal(error.text, "label \"l4711\" stands twice");
    assert_int_equal(error.column, good + 2);
    oxp_buf_fini(&text);
}

static void copes_with_many_series_and_families(void **state) {
    (void)state;
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    for (unsigned i = 0; i < 20000; i++) {
        oxp_buf_append_format(&text, "# TYPE h%u histogram\nh%u_bucket{le=\"+Inf\"} 1\n", i, i);
    }
    oxp_buf_append_text(&text, "# TYPE g gauge\n");
    for (unsigned i = 0; i < 20000; i++) {
        oxp_buf_append_format(&text, "g{a=\"%u\"} 1\n", i);
    }
    oxp_buf_append_text(&text, "g{a=\"77\"} 1\n# EOF\n");
    struct oxp_error error = {0};
    assert_int_equal(oxp_exposition_read(oxp_buf_view(&text), OXP_FORMAT_OPENMETRICS, NULL, &error), OXP_ERR_SYNTAX);
    assert_int_equal(error.line, 60002);
    oxp_buf_fini(&text);
}

/* ---- No memory ---- */

struct starving {
    enum oxp_format format;
    struct oxp_view input;
};

static void read_starving(void *ctx) {
    const struct starving *starving = ctx;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_exposition_read(starving->input, starving->format, NULL, &error);
    assert_true(status == (alloc_fail_hit() ? OXP_ERR_NOMEM : OXP_OK));
}

static void survives_each_failing_allocation(void **state) {
    (void)state;
    struct starving openmetrics = {
        OXP_FORMAT_OPENMETRICS,
        OXP_VIEW(
            "# TYPE h histogram\nh_bucket{a=\"\\n\",le=\"1.0\"} 1 # {b=\"\\\\\"} 1\nh_bucket{a=\"\\n\",le=\"+Inf\"} 1\n"
            "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns{quantile=\"0.6\"} 1\n"
            "# TYPE g gauge\ng{a=\"1\",b=\"2\",c=\"3\",d=\"4\",e=\"5\",f=\"6\",g=\"7\",h=\"8\",i=\"9\"} 1\ng 2\n# "
            "EOF\n"),
    };
    struct starving text = {OXP_FORMAT_TEXT, OXP_VIEW("g{a=\"\\n\"} 1\ng{b=\"1\"} 2\nh 1\n")};
    assert_true(alloc_fail_each(read_starving, &openmetrics) >= 10);
    assert_true(alloc_fail_each(read_starving, &text) >= 5);
}

static void knows_the_content_types(void **state) {
    (void)state;
    assert_string_equal(oxp_format_content_type(OXP_FORMAT_TEXT), "text/plain; version=0.0.4; charset=utf-8");
    assert_string_equal(oxp_format_content_type(OXP_FORMAT_OPENMETRICS),
                        "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_it_must),
        cmocka_unit_test(rejects_what_it_must),
        cmocka_unit_test(names_the_column),
        cmocka_unit_test(gives_every_sample),
        cmocka_unit_test(hands_up_what_the_sink_says),
        cmocka_unit_test(copes_with_every_prefix),
        cmocka_unit_test(copes_with_many_labels),
        cmocka_unit_test(copes_with_many_series_and_families),
        cmocka_unit_test(survives_each_failing_allocation),
        cmocka_unit_test(knows_the_content_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
