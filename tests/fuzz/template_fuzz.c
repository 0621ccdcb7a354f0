/* Any bytes as a template. Beside not crashing: a refusal has its reason and its place; what expands is no longer than
 * allowed, and the same again; what fails appends nothing, and rules show why. */
#include "alerts/rules/template.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define STEPS 20000 /* fewer than in use, for speed */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) {
        abort();
    }
}

static const struct oxp_labels *make_labels(struct oxp_arena *arena, const char *name, const char *value) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, oxp_labels_none());
    oxp_labels_set_text(&builder, oxp_view_from(name), oxp_view_from(value));
    oxp_labels_set_text(&builder, OXP_VIEW("job"), OXP_VIEW("node"));
    return oxp_labels_finish(&builder);
}

static enum oxp_status query(void *ctx, struct oxp_view expr, int64_t time_ms, struct oxp_arena *arena,
                             const struct oxp_template_sample **samples_out, size_t *count_out,
                             struct oxp_error *error) {
    (void)ctx;
    (void)time_ms;
    if (oxp_view_is(expr, "bad")) {
        return oxp_error_set(error, OXP_ERR_SYNTAX, 1, 1, "parse error");
    }
    struct oxp_template_sample *samples = oxp_arena_zero(arena, 3, sizeof *samples);
    if (samples == NULL) {
        return oxp_arena_status(arena);
    }
    samples[0] = (struct oxp_template_sample){make_labels(arena, "instance", "b"), 21};
    samples[1] = (struct oxp_template_sample){make_labels(arena, "instance", "a"), -1.5e300};
    samples[2] = (struct oxp_template_sample){make_labels(arena, "instance", "c"), NAN};
    *samples_out = samples;
    *count_out = oxp_view_is(expr, "none") ? 0 : 3;
    return samples[0].labels == NULL || samples[1].labels == NULL || samples[2].labels == NULL ? oxp_arena_status(arena)
                                                                                               : OXP_OK;
}

static void check_expansion(const struct oxp_template *template, const struct oxp_template_data *data) {
    struct oxp_error error = {.line = 7};
    struct oxp_buf once, twice;
    oxp_buf_init(&once, 0);
    oxp_buf_init(&twice, 0);
    enum oxp_status status = oxp_template_expand(template, data, &once, &error);
    check(status == OXP_OK || status == OXP_ERR_INVALID || status == OXP_ERR_LIMIT);
    check(oxp_template_expand_rule(template, data, &twice) == OXP_OK);
    if (status == OXP_OK) {
        check(oxp_template_plain(template) || once.len <= OXP_TEMPLATE_OUTPUT_MAX);
        check(oxp_view_equal(oxp_buf_view(&once), oxp_buf_view(&twice)));
    } else {
        check(once.len == 0 && error.text[0] != '\0' && error.line == 0);
        check(oxp_view_starts(oxp_buf_view(&twice), OXP_VIEW("<error expanding template: error executing template ")));
    }
    oxp_buf_fini(&once);
    oxp_buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct oxp_arena arena;
    struct oxp_error error = {0};
    const struct oxp_template *template = NULL;
    oxp_arena_init(&arena, 0);
    struct oxp_template_data given = {.labels = make_labels(&arena, "instance", "host.example.com:9100"),
                                      .external_labels = make_labels(&arena, "region", "eu"),
                                      .external_url = "http://host:9090/prefix",
                                      .value = 1234567.891,
                                      .time_ms = 1353755652000,
                                      .query = query,
                                      .steps = STEPS,
                                      .alert = OXP_VIEW("A")};
    enum oxp_status status = oxp_template_parse(&arena, oxp_view_of((const char *)data, size), &template, &error);
    if (status == OXP_OK) {
        check_expansion(template, &given);
    } else {
        check(status == OXP_ERR_SYNTAX || status == OXP_ERR_LIMIT);
        check(template == NULL && error.text[0] != '\0' && error.line > 0 && error.column > 0);
        check(error.column <= size + 1);
    }
    oxp_arena_fini(&arena);
    return 0;
}
