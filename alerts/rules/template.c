/* The template language's front: expansion as a whole. */
#include "alerts/rules/template.h"

#include "alerts/rules/template_run.h"

bool oxp_template_plain(const struct oxp_template *template) {
    return template->plain;
}

/* What rules show: Prometheus' words in front of Go's. */
static void put_failure(struct oxp_buf *out, const struct oxp_tpl_run *run) {
    oxp_buf_append_text(out, "error executing template __alert_");
    oxp_buf_append_view(out, run->data->alert);
    oxp_buf_append_text(out, ": ");
    oxp_buf_append_view(out, oxp_buf_view(&run->reason));
    oxp_tpl_spoil(out, oxp_buf_status(&run->reason));
}

/* Runs, and appends either the expansion or, with `shown`, what went wrong. */
static enum oxp_status expand(const struct oxp_template *template, const struct oxp_template_data *data,
                              struct oxp_buf *out, struct oxp_error *error, bool shown) {
    struct oxp_tpl_run run = {
        .template = template, .data = data, .steps = data->steps == 0 ? OXP_TEMPLATE_STEPS : data->steps};
    struct oxp_buf words;
    if (template->plain) {
        oxp_buf_append_view(out, template->text);
        return oxp_buf_status(out);
    }
    oxp_arena_init(&run.arena, OXP_TPL_MEMORY);
    oxp_buf_init(&run.out, OXP_TEMPLATE_OUTPUT_MAX);
    oxp_buf_init(&run.reason, 0);
    oxp_buf_init(&words, 0);
    enum oxp_status status = OXP_OK;
    if (oxp_tpl_execute(&run)) {
        oxp_buf_append_view(out, oxp_buf_view(&run.out));
        status = oxp_buf_status(out);
    } else {
        put_failure(&words, &run);
        status = oxp_buf_status(&words) == OXP_OK ? run.status : OXP_ERR_NOMEM;
        if (status != OXP_ERR_NOMEM && shown) {
            oxp_buf_append_text(out, "<error expanding template: ");
            oxp_buf_append_view(out, oxp_buf_view(&words));
            oxp_buf_append_char(out, '>');
            status = oxp_buf_status(out);
        } else {
            oxp_error_set(error, status, 0, 0, "%s", oxp_buf_text(&words));
        }
    }
    oxp_buf_fini(&words);
    oxp_buf_fini(&run.reason);
    oxp_buf_fini(&run.out);
    oxp_arena_fini(&run.arena);
    return status;
}

enum oxp_status oxp_template_expand(const struct oxp_template *template, const struct oxp_template_data *data,
                                    struct oxp_buf *out, struct oxp_error *error) {
    return expand(template, data, out, error, false);
}

enum oxp_status oxp_template_expand_rule(const struct oxp_template *template, const struct oxp_template_data *data,
                                         struct oxp_buf *out) {
    return expand(template, data, out, NULL, true);
}
