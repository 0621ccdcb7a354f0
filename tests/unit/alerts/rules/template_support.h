/* What the template tests share: a fixed world to expand in, with a query that gives three samples. */
#ifndef OXP_TEST_TEMPLATE_SUPPORT_H
#define OXP_TEST_TEMPLATE_SUPPORT_H

#include "alerts/rules/template.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* `pairs`: names and values in turn, NULL at the end. NULL without memory. */
static inline const struct oxp_labels *make_labels(struct oxp_arena *arena, const char *const *pairs) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, oxp_labels_none());
    for (; *pairs != NULL; pairs += 2) {
        oxp_labels_set_text(&builder, oxp_view_from(pairs[0]), oxp_view_from(pairs[1]));
    }
    return oxp_labels_finish(&builder);
}

/* "none" gives no sample, "bad" fails, anything else gives b, a, c. */
static inline enum oxp_status fake_query(void *ctx, struct oxp_view expr, int64_t time_ms, struct oxp_arena *arena,
                                         const struct oxp_template_sample **samples_out, size_t *count_out,
                                         struct oxp_error *error) {
    static const char *const pairs[3][7] = {{"__name__", "metric", "instance", "b", "n", "2", NULL},
                                            {"__name__", "metric", "instance", "a", "n", "1", NULL},
                                            {"__name__", "metric", "instance", "c", "n", "1", NULL}};
    const double values[3] = {21, 11.5, NAN};
    (void)ctx;
    *count_out = 0;
    if (oxp_view_is(expr, "none")) {
        return OXP_OK;
    }
    if (oxp_view_is(expr, "bad") || time_ms != 1353755652000) {
        return oxp_error_set(error, OXP_ERR_SYNTAX, 1, 4, "1:4: parse error: unexpected end of input");
    }
    struct oxp_template_sample *samples = oxp_arena_zero(arena, 3, sizeof *samples);
    for (size_t i = 0; samples != NULL && i < 3; i++) {
        samples[i] = (struct oxp_template_sample){make_labels(arena, pairs[i]), values[i]};
        if (samples[i].labels == NULL) {
            return OXP_ERR_NOMEM;
        }
    }
    *samples_out = samples;
    *count_out = 3;
    return samples == NULL ? OXP_ERR_NOMEM : OXP_OK;
}

struct world {
    struct oxp_arena arena;
    struct oxp_template_data data;
    struct oxp_buf out;
    struct oxp_error error;
};

static inline bool world_init(struct world *world, double value) {
    *world = (struct world){.arena = {0}};
    oxp_arena_init(&world->arena, 0);
    oxp_buf_init(&world->out, 0);
    const char *const labels[] = {"__name__", "up",       "instance", "host.example.com:9100", "job", "node",
                                  "\xc3\xa9", "\xc3\xbc", NULL};
    const char *const external[] = {"region", "eu", NULL};
    world->data = (struct oxp_template_data){.labels = make_labels(&world->arena, labels),
                                             .external_labels = make_labels(&world->arena, external),
                                             .external_url = "http://testhost:9090/path/prefix",
                                             .value = value,
                                             .time_ms = 1353755652000,
                                             .query = fake_query,
                                             .alert = OXP_VIEW("A")};
    return world->data.labels != NULL && world->data.external_labels != NULL;
}

static inline void world_fini(struct world *world) {
    oxp_buf_fini(&world->out);
    oxp_arena_fini(&world->arena);
}

/* Parses and expands as rules do; the world's `out` has the expansion. */
static inline enum oxp_status world_expand(struct world *world, struct oxp_view text) {
    const struct oxp_template *template = NULL;
    enum oxp_status status = oxp_template_parse(&world->arena, text, &template, &world->error);
    return status != OXP_OK ? status : oxp_template_expand_rule(template, &world->data, &world->out);
}

/* Fails the test unless `text` expands to `want`. */
static inline void check_row(const char *text, double value, const char *want) {
    struct world world;
    assert_true(world_init(&world, value));
    enum oxp_status status = world_expand(&world, oxp_view_from(text));
    if (status != OXP_OK || !oxp_view_is(oxp_buf_view(&world.out), want)) {
        fail_msg("`%s`:\n got `%s`\nwant `%s`", text, status == OXP_OK ? oxp_buf_text(&world.out) : world.error.text,
                 want);
    }
    world_fini(&world);
}

#endif
