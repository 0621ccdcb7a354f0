/* The template language of labels and annotations: Go's text/template as Prometheus uses it
 * (https://prometheus.io/docs/prometheus/latest/configuration/template_reference/, https://pkg.go.dev/text/template).
 *
 * Actions: {{ pipeline }}, if/else if/else, range/else (over results, labels, with $i, $v), with/else, define/template
 * within one text, variables ($x := …, $x = …), break and continue, comments, trim marks {{- -}}, parentheses, fields
 * and map keys (.Labels.instance, $labels.instance), literals, and Go's own functions (printf, print, println, len,
 * index, slice, eq ne lt le gt ge, and or not, html, js, urlquery, call is refused). Prometheus' functions stand in
 * template_functions.def. `$labels`, `$externalLabels`, `$externalURL` and `$value` are there in every template.
 *
 * Numbers are printed as Go's %v prints a float64: the shortest digits that read back as it, with an exponent below
 * 1e-4 and from 1e6 on ("1e+06", "1.353755652e+09", but "123456"). Parsed templates are immutable: any thread.
 *
 * Departures from Go: complex numbers, hexadecimal floats and `call` are refused; where Go prints the address of a
 * sample (a list of them, %p) the sample is printed; there are limits. `tmpl` is of console templates only, and refused
 * in rules by Prometheus, too. */
#ifndef OXP_RULES_TEMPLATE_H
#define OXP_RULES_TEMPLATE_H

#include "alerts/tsdb/labels.h"

#define OXP_TEMPLATE_TEXT_MAX (256u << 10)  /* bytes of one template */
#define OXP_TEMPLATE_OUTPUT_MAX (64u << 10) /* bytes of one expansion, and of every text on the way to it */
#define OXP_TEMPLATE_STEPS 1000000u         /* of one expansion; some tenths of a second */
#define OXP_TEMPLATE_DEPTH 64               /* actions inside each other */

struct oxp_template;

/* Parses; what it makes, the text included, lives in the arena. `error` has line and column within the text, from 1,
 * and what Go says behind `template: __alert_NAME:LINE: `. OXP_ERR_SYNTAX, OXP_ERR_LIMIT, OXP_ERR_NOMEM. */
enum oxp_status oxp_template_parse(struct oxp_arena *arena, struct oxp_view text,
                                   const struct oxp_template **template_out, struct oxp_error *error);
/* True when the text has no action: it expands to itself. */
bool oxp_template_plain(const struct oxp_template *template);

/* One sample of what `query` gave. */
struct oxp_template_sample {
    const struct oxp_labels *labels;
    double value;
};

struct oxp_template_data {
    const struct oxp_labels *labels; /* $labels; with the metric's name */
    const struct oxp_labels *external_labels;
    const char *external_url;
    double value;    /* $value */
    int64_t time_ms; /* of the evaluation: `now`, and the time of queries */
    /* `query`: an instant query at time_ms. Puts an array into `arena`; OXP_ERR_…, with a sentence in `error`. NULL:
     * there is none, and templates that use it fail. */
    enum oxp_status (*query)(void *ctx, struct oxp_view expr, int64_t time_ms, struct oxp_arena *arena,
                             const struct oxp_template_sample **samples_out, size_t *count_out,
                             struct oxp_error *error);
    void *ctx;
    size_t steps;          /* nodes that one expansion may walk, and what costly functions are charged; 0 = the usual */
    struct oxp_view alert; /* the alert's name: errors name the template by it, __alert_NAME */
};

/* Appends the expansion. On failure nothing is appended and `error` has Prometheus' and Go's words, cut to fit (`error
 * executing template __alert_X: template: __alert_X:1:115: executing "__alert_X" at <…>: error calling …`), and no
 * place of its own: OXP_ERR_INVALID, OXP_ERR_LIMIT (output, steps, depth, memory), OXP_ERR_NOMEM. */
enum oxp_status oxp_template_expand(const struct oxp_template *template, const struct oxp_template_data *data,
                                    struct oxp_buf *out, struct oxp_error *error);
/* The same as Prometheus does it for rules: a failure becomes the text `<error expanding template: …>`. Only OXP_OK or
 * OXP_ERR_NOMEM. */
enum oxp_status oxp_template_expand_rule(const struct oxp_template *template, const struct oxp_template_data *data,
                                         struct oxp_buf *out);

/* %v of a float64: what {{ $value }} prints. Any thread. */
void oxp_template_print_float(struct oxp_buf *out, double value);

#endif
