/* docs/metrics.md: every family of the catalogue and of the sidecar itself. */
#include "docs/generate.h"

#include "exporter/ledger/catalogue.h"
#include "exporter/selfstats/selfstats.h"

/* One row of either table. */
struct row {
    const struct oxp_family_spec *spec;
    const char *section, *mover, *later;
};

enum { ROWS = OXP_METRICS + OXP_SELF_METRICS };

static struct row row_at(size_t index) {
    if (index < OXP_METRICS) {
        const struct oxp_catalogue_row *row = oxp_catalogue_row((enum oxp_metric)index);
        return (struct row){&row->spec, row->section, row->mover, NULL};
    }
    const struct oxp_self_row *row = oxp_self_row((enum oxp_self_metric)(index - OXP_METRICS));
    return (struct row){&row->spec, row->section, row->mover, row->later};
}

static void append_type(struct oxp_buf *out, const struct oxp_family_spec *spec) {
    static const char *const words[] = {[OXP_COUNTER] = "counter",
                                        [OXP_COUNTER_FLOAT] = "counter",
                                        [OXP_GAUGE] = "gauge",
                                        [OXP_GAUGE_AGE] = "gauge",
                                        [OXP_HISTOGRAM] = "histogram"};
    oxp_buf_append_text(out, words[spec->type]);
    for (size_t i = 0; i < spec->bound_count; i++) {
        oxp_buf_append_text(out, i == 0 ? "<br>" : " ");
        oxp_buf_append_double(out, spec->bounds[i]);
    }
}

/* `region` (us-west-2, us-east-1), `workflow` (at most 17) */
static void append_labels(struct oxp_buf *out, const struct oxp_family_spec *spec) {
    for (size_t i = 0; i < OXP_LABELS_MAX && spec->labels[i].key != NULL; i++) {
        const struct oxp_label_spec *label = &spec->labels[i];
        oxp_buf_append_format(out, "%s`%s`", i == 0 ? "" : "<br>", label->key);
        if (label->values != NULL) {
            for (size_t v = 0; label->values[v] != NULL; v++) {
                oxp_buf_append_text(out, v == 0 ? ": " : ", ");
                generate_cell(out, label->values[v]);
            }
        } else if (label->bound != 0) {
            oxp_buf_append_format(out, " (at most %u)", label->bound);
        }
    }
}

static void append_row(struct oxp_buf *out, const struct row *row) {
    const struct oxp_family_spec *spec = row->spec;
    oxp_buf_append_format(out, "| `%s` | ", spec->name);
    append_type(out, spec);
    oxp_buf_append_format(out, " | %s | ", spec->unit == NULL ? "" : spec->unit);
    append_labels(out, spec);
    oxp_buf_append_text(out, " | ");
    generate_cell(out, spec->help);
    if ((spec->flags & OXP_FAMILY_ABSENT) != 0) {
        oxp_buf_append_text(out, " (absent before its first value)");
    }
    oxp_buf_append_text(out, " | ");
    generate_cell(out, row->mover);
    oxp_buf_append_text(out, " |\n");
}

/* A section's rows wherever they stand, under the heading of the first. */
static void append_section(struct oxp_buf *out, size_t first) {
    const char *section = row_at(first).section;
    oxp_buf_append_format(
        out, "\n## %s\n\n| metric | type | unit | labels | meaning | moved by |\n|---|---|---|---|---|---|\n", section);
    for (size_t i = first; i < ROWS; i++) {
        struct row row = row_at(i);
        if (row.later == NULL && strcmp(row.section, section) == 0) {
            append_row(out, &row);
        }
    }
}

static bool is_first_of_section(size_t index) {
    struct row row = row_at(index);
    for (size_t i = 0; i < index; i++) {
        struct row before = row_at(i);
        if (before.later == NULL && strcmp(before.section, row.section) == 0) {
            return false;
        }
    }
    return row.later == NULL;
}

static void append_later(struct oxp_buf *out) {
    oxp_buf_append_text(
        out,
        "\n## Not exposed yet\n\nNothing moves these yet. They have their names already, and are not on `/metrics`.\n\n"
        "| metric | meaning | why not |\n|---|---|---|\n");
    for (size_t i = 0; i < ROWS; i++) {
        struct row row = row_at(i);
        if (row.later != NULL) {
            oxp_buf_append_format(out, "| `%s` | ", row.spec->name);
            generate_cell(out, row.spec->help);
            oxp_buf_append_text(out, " | ");
            generate_cell(out, row.later);
            oxp_buf_append_text(out, " |\n");
        }
    }
}

void generate_metrics(struct oxp_buf *out) {
    oxp_buf_append_text(out,
                        "# Metrics\n\n"
                        "Made from the metric tables (`exporter/ledger/catalogue.def`, "
                        "`exporter/selfstats/selfstats.def`) by `oxpecker-docs`; do not edit.\n\n"
                        "`orchestrator_` is what is watched, `oxpecker_` and `process_` the sidecar itself. Ids are "
                        "never labels: they are exemplars in the\n"
                        "OpenMetrics format, and entries in the JSON of the ledger.\n\n"
                        "- A label with listed values has all its series from the start, at 0, so that an alert sees "
                        "the first increase;\n"
                        "  beside a label with open values, from that one's first sight on. Of error codes, the "
                        "combinations that can occur are there.\n"
                        "- A label with a bound takes values as they come; what is past the bound becomes `other`.\n"
                        "- Histograms have a bucket for each bound named here, and `+Inf`.\n");
    for (size_t i = 0; i < ROWS; i++) {
        if (is_first_of_section(i)) {
            append_section(out, i);
        }
    }
    append_later(out);
}
