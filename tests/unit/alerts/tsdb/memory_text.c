#include "tests/unit/alerts/tsdb/memory_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void write_points(struct oxp_buf *out, const struct oxp_points *points) {
    for (size_t i = 0; i < points->count; i++) {
        oxp_buf_append_char(out, ' ');
        if (oxp_is_stale(points->value[i])) {
            oxp_buf_append_text(out, "stale");
        } else {
            oxp_buf_append_double(out, points->value[i]);
        }
        oxp_buf_append_char(out, '@');
        oxp_buf_append_double(out, (double)points->time_ms[i] / 1000);
    }
    oxp_buf_append_char(out, '\n');
}

char *memory_text(struct oxp_tsdb *tsdb, const char *prefix) {
    struct oxp_tsdb_reader reader;
    struct oxp_arena arena;
    struct oxp_points points = {0};
    struct oxp_tsdb_found *found = NULL;
    size_t count = 0;
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_tsdb_read(tsdb, &reader), OXP_OK);
    assert_int_equal(oxp_tsdb_select(&reader, NULL, 0, INT64_MIN, INT64_MAX, &arena, &found, &count), OXP_OK);
    for (size_t i = 0; i < count; i++) {
        const struct oxp_symbol *name = oxp_labels_name(found[i].labels);
        if (name == NULL || strncmp(name->text, prefix, strlen(prefix)) != 0) {
            continue;
        }
        assert_int_equal(oxp_tsdb_samples(&reader, found[i].series, INT64_MIN, INT64_MAX, &points), OXP_OK);
        oxp_labels_format(&out, found[i].labels, true);
        write_points(&out, &points);
    }
    oxp_tsdb_close(&reader);
    oxp_points_fini(&points);
    oxp_arena_fini(&arena);
    char *text = oxp_buf_take(&out, NULL);
    assert_non_null(text);
    return text;
}

void assert_memory(struct oxp_tsdb *tsdb, const char *prefix, const char *expected) {
    char *text = memory_text(tsdb, prefix);
    if (strcmp(text, expected) != 0) {
        fail_msg("got\n%sexpected\n%s", text, expected);
    }
    free(text);
}

struct oxp_tsdb *new_memory(int64_t retention_s, size_t limit) {
    struct oxp_tsdb *tsdb = NULL;
    struct oxp_tsdb_options options = {.retention_ms = retention_s * 1000, .memory_limit = limit};
    assert_int_equal(oxp_tsdb_new(&options, &tsdb), OXP_OK);
    return tsdb;
}

const struct oxp_labels *labels_of(struct oxp_arena *arena, const char *text) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, oxp_labels_none());
    size_t len = strcspn(text, ",");
    oxp_labels_set_text(&builder, OXP_VIEW(OXP_NAME_LABEL), oxp_view_of(text, len));
    while (text[len] == ',') {
        text += len + 1;
        len = strcspn(text, ",");
        size_t name = strcspn(text, "=");
        oxp_labels_set_text(&builder, oxp_view_of(text, name), oxp_view_of(text + name + 1, len - name - 1));
    }
    return oxp_labels_finish(&builder);
}

void append_to(struct oxp_tsdb *tsdb, const char *labels, int64_t time_ms, double value) {
    struct oxp_arena arena;
    struct oxp_tsdb_series *series = NULL;
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_tsdb_series_at(tsdb, labels_of(&arena, labels), &series), OXP_OK);
    assert_int_equal(oxp_tsdb_append(tsdb, series, time_ms, value), OXP_OK);
    oxp_arena_fini(&arena);
}
