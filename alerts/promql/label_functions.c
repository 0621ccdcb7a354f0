/* Functions of labels and of the order of series. */
#include <math.h>
#include <stdlib.h>

#include "alerts/promql/calls.h"
#include "alerts/promql/parse.h"
#include "lib/base/utf8.h"
#include "lib/regex/regex.h"

/* ---- sort ---- */

/* Ascending; a NaN last in either direction; equal values in the order of their labels. */
static int compare_values(const struct oxp_column *a, const struct oxp_column *b, int direction) {
    double x = a->value[0], y = b->value[0];
    if (isnan(x) || isnan(y)) {
        int order = (isnan(x) != 0) - (isnan(y) != 0);
        return order != 0 ? order : oxp_labels_compare(a->labels, b->labels);
    }
    int order = (x > y) - (x < y);
    return order != 0 ? order * direction : oxp_labels_compare(a->labels, b->labels);
}

static int compare_ascending(const void *a, const void *b) {
    return compare_values(a, b, 1);
}

static int compare_descending(const void *a, const void *b) {
    return compare_values(a, b, -1);
}

static enum oxp_status sorted(struct oxp_call *call, int (*compare)(const void *, const void *),
                              struct oxp_vector *out) {
    *out = call->args[0];
    if (call->eval->steps != 1) {
        oxp_query_annotate(call->eval->query, OXP_ANNOTATION_WARNING, call->node,
                           "sort is ineffective for range queries since results are always ordered by labels");
        return OXP_OK;
    }
    oxp_vector_compact(out, 1);
    if (out->count > 1) {
        qsort(out->columns, out->count, sizeof *out->columns, compare);
    }
    out->ordered = true;
    return OXP_OK;
}

enum oxp_status oxp_call_sort(struct oxp_call *call, struct oxp_vector *out) {
    return sorted(call, compare_ascending, out);
}

enum oxp_status oxp_call_sort_desc(struct oxp_call *call, struct oxp_vector *out) {
    return sorted(call, compare_descending, out);
}

/* ---- label_replace, label_join ---- */

/* Any UTF-8 is a name in Prometheus 3, but none at all. */
static bool is_label_name(struct oxp_view name) {
    return name.len != 0 && oxp_utf8_is_valid(name);
}

static enum oxp_status refuse(struct oxp_call *call, const char *what, struct oxp_view text) {
    int len = text.len > 400 ? 400 : (int)text.len; /* more than an error holds */
    return oxp_query_fail(call->eval->query, OXP_ERR_INVALID, "invalid %s: %.*s", what, len,
                          text.len == 0 ? "" : text.ptr);
}

static struct oxp_view label_of(const struct oxp_labels *labels, struct oxp_view name) {
    const struct oxp_symbol *value = oxp_labels_find(labels, name);
    return value == NULL ? (struct oxp_view){NULL, 0} : oxp_symbol_view(value);
}

/* Every label value this long would not fit many times into a query's memory. */
#define VALUE_MAX (1u << 20)

/* The column's set with one label changed. */
static enum oxp_status relabel(struct oxp_call *call, struct oxp_column *column, struct oxp_view name,
                               const struct oxp_buf *value) {
    struct oxp_query_state *query = call->eval->query;
    if (oxp_buf_status(value) == OXP_ERR_LIMIT) {
        return oxp_query_fail(query, OXP_ERR_LIMIT, "a label value would be longer than %u bytes", VALUE_MAX);
    }
    if (oxp_buf_status(value) != OXP_OK) {
        return oxp_query_fail(query, oxp_buf_status(value), "%s", oxp_status_text(oxp_buf_status(value)));
    }
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, &query->arena, column->labels);
    oxp_labels_set_text(&builder, name, oxp_buf_view(value));
    if (builder.overflow) {
        return oxp_query_fail(query, OXP_ERR_LIMIT, "a series would have more than %d labels", OXP_LABELS_LIMIT);
    }
    column->labels = oxp_labels_finish(&builder);
    return column->labels == NULL ? oxp_query_memory(query) : oxp_query_check(query, 0);
}

static enum oxp_status replace_all(struct oxp_call *call, const struct oxp_regex *regex, struct oxp_buf *value,
                                   struct oxp_vector *vector) {
    const struct oxp_view name = call->texts[1], replacement = call->texts[2], source = call->texts[3];
    struct oxp_query_state *query = call->eval->query;
    for (size_t i = 0; i < vector->count; i++) {
        oxp_buf_clear(value);
        enum oxp_status status =
            oxp_regex_expand(regex, label_of(vector->columns[i].labels, source), replacement, value);
        if (status == OXP_ERR_NOMEM) {
            return oxp_query_fail(query, status, "%s", oxp_status_text(status));
        }
        if (oxp_regex_limited(regex) != 0) {
            return oxp_query_fail(query, OXP_ERR_LIMIT, OXP_PROMQL_PATTERN_LIMIT);
        }
        status = status == OXP_OK ? relabel(call, &vector->columns[i], name, value) : oxp_query_check(query, 0);
        if (status != OXP_OK) {
            return status;
        }
    }
    return OXP_OK;
}

enum oxp_status oxp_call_label_replace(struct oxp_call *call, struct oxp_vector *out) {
    struct oxp_regex *regex = NULL;
    struct oxp_buf value;
    oxp_buf_init(&value, VALUE_MAX);
    *out = call->args[0];
    enum oxp_status status = oxp_regex_new(call->texts[4], &regex, NULL);
    if (status == OXP_ERR_NOMEM) {
        status = oxp_query_fail(call->eval->query, status, "%s", oxp_status_text(status));
    } else if (status != OXP_OK) {
        status = refuse(call, "regular expression in label_replace()", call->texts[4]);
    } else if (!is_label_name(call->texts[1])) {
        status = refuse(call, "destination label name in label_replace()", call->texts[1]);
    } else {
        status = replace_all(call, regex, &value, out);
    }
    oxp_regex_free(regex);
    oxp_buf_fini(&value);
    return status == OXP_OK ? oxp_call_finish(call, out, false) : status;
}

static enum oxp_status join_all(struct oxp_call *call, struct oxp_buf *value, struct oxp_vector *vector) {
    const struct oxp_view name = call->texts[1], separator = call->texts[2];
    for (size_t i = 0; i < vector->count; i++) {
        oxp_buf_clear(value);
        for (size_t k = 3; k < call->node->call.arg_count; k++) {
            if (k > 3) {
                oxp_buf_append_view(value, separator);
            }
            oxp_buf_append_view(value, label_of(vector->columns[i].labels, call->texts[k]));
        }
        enum oxp_status status = relabel(call, &vector->columns[i], name, value);
        if (status != OXP_OK) {
            return status;
        }
    }
    return OXP_OK;
}

enum oxp_status oxp_call_label_join(struct oxp_call *call, struct oxp_vector *out) {
    *out = call->args[0];
    for (size_t k = 3; k < call->node->call.arg_count; k++) {
        if (!is_label_name(call->texts[k])) {
            return refuse(call, "source label name in label_join()", call->texts[k]);
        }
    }
    if (!is_label_name(call->texts[1])) {
        return refuse(call, "destination label name in label_join()", call->texts[1]);
    }
    struct oxp_buf value;
    oxp_buf_init(&value, VALUE_MAX);
    enum oxp_status status = join_all(call, &value, out);
    oxp_buf_fini(&value);
    return status == OXP_OK ? oxp_call_finish(call, out, false) : status;
}
