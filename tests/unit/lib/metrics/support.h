/* What the tests of lib/metrics share: cmocka with its includes, a registry with a fixed clock and a record of what was
 * dropped, and a snapshot as one string. */
#ifndef OXP_TEST_METRICS_SUPPORT_H
#define OXP_TEST_METRICS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include <oxpecker/metrics.h>
#include <stdio.h>
#include <stdlib.h>

#define NOW 1700000000.0

struct drops {
    size_t count;
    char last[512]; /* family label=value */
};

static inline double fixed_now(void *ctx) {
    (void)ctx;
    return NOW;
}

static inline void note_drop(void *ctx, const char *family, const char *key, struct oxp_view value) {
    struct drops *drops = ctx;
    drops->count++;
    snprintf(drops->last, sizeof drops->last, "%s %s=%.*s", family, key, (int)value.len, value.ptr);
}

static inline struct oxp_registry *registry_with(size_t series, size_t series_per_family, struct drops *drops) {
    struct oxp_registry *registry = NULL;
    struct oxp_registry_options options = {.series = series,
                                           .series_per_family = series_per_family,
                                           .now_s = fixed_now,
                                           .on_drop = drops == NULL ? NULL : note_drop,
                                           .ctx = drops};
    assert_int_equal(oxp_registry_new(&options, &registry), OXP_OK);
    return registry;
}

static inline struct oxp_family *add(struct oxp_registry *registry, const struct oxp_family_spec *spec) {
    struct oxp_family *family = NULL;
    assert_int_equal(oxp_registry_add(registry, spec, &family), OXP_OK);
    assert_non_null(family);
    return family;
}

/* Every visible series as `name{labels} value`, one a line. */
static inline void dump_at(struct oxp_registry *registry, double now_s, struct oxp_buf *out) {
    struct oxp_snapshot snapshot;
    const struct oxp_family_spec *spec;
    struct oxp_sample sample;
    oxp_snapshot_begin(&snapshot, registry, now_s);
    while (oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        while (oxp_snapshot_next(&snapshot, &sample) == OXP_OK) {
            oxp_buf_append_format(out, "%s{%.*s} ", spec->name, (int)sample.labels.len, sample.labels.ptr);
            oxp_buf_append_double(out, sample.value);
            oxp_buf_append_char(out, '\n');
        }
    }
}

static inline void assert_dump(struct oxp_registry *registry, const char *expected) {
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    dump_at(registry, NOW, &out);
    assert_string_equal(oxp_buf_text(&out), expected);
    oxp_buf_fini(&out);
}

#endif
