/* Field by field: what DescribeAlarms tells against what PutMetricAlarm would say. A field that CloudWatch leaves out
 * has its default. What a person changed by hand (a unit, actions switched off) is a difference, too. */
#include "alerts/cloudwatch/plan_internal.h"

#include "lib/base/utf8.h"
#include <math.h>

#define SHOWN_MAX 120 /* bytes of a text */

enum shape { TEXT, NUMBER, TRUTH, SET, DIMENSIONS, ABSENT, CRITERIA };

static const struct {
    const char *name;
    enum shape shape;
    const char *fallback; /* of a text, or the field that gives the value of a number */
} fields[] = {
    {"Namespace", TEXT, ""},
    {"MetricName", TEXT, ""},
    {"Dimensions", DIMENSIONS, NULL},
    {"Statistic", TEXT, ""},
    {"ExtendedStatistic", TEXT, ""},
    {"Unit", TEXT, ""},
    {"Period", NUMBER, NULL},
    {"EvaluationPeriods", NUMBER, NULL},
    {"DatapointsToAlarm", NUMBER, "EvaluationPeriods"},
    {"Threshold", NUMBER, NULL},
    {"ComparisonOperator", TEXT, ""},
    {"TreatMissingData", TEXT, "missing"},
    {"EvaluateLowSampleCountPercentile", TEXT, "evaluate"},
    {"ThresholdMetricId", TEXT, ""},
    {"ActionsEnabled", TRUTH, NULL},
    {"AlarmActions", SET, NULL},
    {"OKActions", SET, NULL},
    {"InsufficientDataActions", SET, NULL},
    {"Metrics", ABSENT, NULL},
    {"EvaluationCriteria", CRITERIA, NULL},
    {"EvaluationInterval", NUMBER, NULL},
    {"AlarmDescription", TEXT, ""},
};

static void separate(struct oxp_buf *out) {
    if (out->len > 0) {
        oxp_buf_append_text(out, ", ");
    }
}

static void show(struct oxp_buf *out, struct oxp_view text) {
    struct oxp_view cut = oxp_utf8_cut(text, SHOWN_MAX);
    if (text.len == 0) {
        oxp_buf_append_text(out, "none");
    } else if (memchr(text.ptr, ' ', text.len) != NULL) {
        oxp_buf_append_char(out, '"');
        oxp_buf_append_view(out, cut);
        oxp_buf_append_text(out, cut.len < text.len ? "…\"" : "\"");
    } else {
        oxp_buf_append_view(out, cut);
        oxp_buf_append_text(out, cut.len < text.len ? "…" : "");
    }
}

static void compare_texts(const char *name, struct oxp_view there, struct oxp_view wanted, struct oxp_buf *out) {
    if (!oxp_view_equal(there, wanted)) {
        separate(out);
        oxp_buf_append_format(out, "%s ", name);
        show(out, there);
        oxp_buf_append_text(out, " -> ");
        show(out, wanted);
    }
}

static struct oxp_view text_of(const struct oxp_json *value, const char *fallback) {
    return oxp_json_kind_of(value) == OXP_JSON_TEXT ? oxp_json_text_of(value) : oxp_view_from(fallback);
}

static void show_number(struct oxp_buf *out, double value) {
    if (isnan(value)) {
        oxp_buf_append_text(out, "none");
    } else {
        oxp_buf_append_double(out, value);
    }
}

static void compare_numbers(const char *name, double there, double wanted, struct oxp_buf *out) {
    if (there == wanted || (isnan(there) && isnan(wanted))) {
        return;
    }
    separate(out);
    oxp_buf_append_format(out, "%s ", name);
    show_number(out, there);
    oxp_buf_append_text(out, " -> ");
    show_number(out, wanted);
}

static double number_of(const struct oxp_json *alarm, const char *name, const char *fallback) {
    const struct oxp_json *value = oxp_json_get(alarm, name);
    if (oxp_json_kind_of(value) != OXP_JSON_NUMBER && fallback != NULL) {
        value = oxp_json_get(alarm, fallback);
    }
    return oxp_json_number_of(value);
}

/* ---- Sets ---- */

static bool contains(const struct oxp_json *array, struct oxp_view text) {
    for (size_t i = 0; i < oxp_json_size(array); i++) {
        if (oxp_view_equal(oxp_json_text_of(oxp_json_at(array, i)), text)) {
            return true;
        }
    }
    return false;
}

/* Members of `from` that are not in `other`, each behind `sign`. */
static void tell_missing(const struct oxp_json *from, const struct oxp_json *other, const char *sign, const char **name,
                         struct oxp_buf *out) {
    for (size_t i = 0; i < oxp_json_size(from); i++) {
        struct oxp_view text = oxp_json_text_of(oxp_json_at(from, i));
        if (contains(other, text)) {
            continue;
        }
        if (*name != NULL) {
            separate(out);
            oxp_buf_append_text(out, *name);
            *name = NULL;
        }
        oxp_buf_append_format(out, " %s", sign);
        oxp_buf_append_view(out, text);
    }
}

static void compare_sets(const char *name, const struct oxp_json *there, const struct oxp_json *wanted,
                         struct oxp_buf *out) {
    tell_missing(there, wanted, "-", &name, out);
    tell_missing(wanted, there, "+", &name, out);
}

static const struct oxp_json *find_value(const struct oxp_json *pairs, const char *key_name, struct oxp_view key) {
    for (size_t i = 0; i < oxp_json_size(pairs); i++) {
        const struct oxp_json *pair = oxp_json_at(pairs, i);
        if (oxp_view_equal(oxp_json_text_of(oxp_json_get(pair, key_name)), key)) {
            return oxp_json_get(pair, "Value");
        }
    }
    return NULL;
}

static void show_dimensions(const struct oxp_json *pairs, struct oxp_buf *out) {
    oxp_buf_append_char(out, '{');
    for (size_t i = 0; i < oxp_json_size(pairs); i++) {
        oxp_buf_append_text(out, i == 0 ? "" : ", ");
        oxp_buf_append_view(out, oxp_json_text_of(oxp_json_get(oxp_json_at(pairs, i), "Name")));
        oxp_buf_append_char(out, '=');
        oxp_buf_append_view(out, oxp_json_text_of(oxp_json_get(oxp_json_at(pairs, i), "Value")));
    }
    oxp_buf_append_char(out, '}');
}

static void compare_dimensions(const char *name, const struct oxp_json *there, const struct oxp_json *wanted,
                               struct oxp_buf *out) {
    bool same = oxp_json_size(there) == oxp_json_size(wanted);
    for (size_t i = 0; same && i < oxp_json_size(wanted); i++) {
        const struct oxp_json *pair = oxp_json_at(wanted, i);
        const struct oxp_json *value = find_value(there, "Name", oxp_json_text_of(oxp_json_get(pair, "Name")));
        same = value != NULL && oxp_view_equal(oxp_json_text_of(value), oxp_json_text_of(oxp_json_get(pair, "Value")));
    }
    if (!same) {
        separate(out);
        oxp_buf_append_format(out, "%s ", name);
        show_dimensions(there, out);
        oxp_buf_append_text(out, " -> ");
        show_dimensions(wanted, out);
    }
}

/* A PromQL alarm's; `PromQLCriteria` is the only kind that there is. */
static void compare_criteria(const char *name, const struct oxp_json *there, const struct oxp_json *wanted,
                             struct oxp_buf *out) {
    static const char *const times[] = {"PendingPeriod", "RecoveryPeriod"};
    const struct oxp_json *old = oxp_json_get(there, "PromQLCriteria"), *new = oxp_json_get(wanted, "PromQLCriteria");
    if (new == NULL) {
        if (oxp_json_size(there) > 0) {
            separate(out);
            oxp_buf_append_format(out, "%s -> none", name);
        }
        return;
    }
    compare_texts("Query", text_of(oxp_json_get(old, "Query"), ""), text_of(oxp_json_get(new, "Query"), ""), out);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        double before = number_of(old, times[i], NULL);
        compare_numbers(times[i], isnan(before) ? 0 : before, number_of(new, times[i], NULL), out);
    }
}

static void compare_field(size_t i, const struct oxp_json *there, const struct oxp_json *wanted, struct oxp_buf *out) {
    const char *name = fields[i].name;
    const struct oxp_json *old = oxp_json_get(there, name), *new = oxp_json_get(wanted, name);
    switch (fields[i].shape) {
    case TEXT:
        compare_texts(name, text_of(old, fields[i].fallback), text_of(new, fields[i].fallback), out);
        break;
    case NUMBER:
        compare_numbers(name, number_of(there, name, fields[i].fallback), number_of(wanted, name, fields[i].fallback),
                        out);
        break;
    case TRUTH: /* true when it is left out */
        if (oxp_json_kind_of(old) == OXP_JSON_BOOL && oxp_json_bool_of(old) != oxp_json_bool_of(new)) {
            separate(out);
            oxp_buf_append_format(out, "%s %s", name, oxp_json_bool_of(new) ? "false -> true" : "true -> false");
        }
        break;
    case SET:
        compare_sets(name, old, new, out);
        break;
    case DIMENSIONS:
        compare_dimensions(name, old, new, out);
        break;
    case CRITERIA:
        compare_criteria(name, old, new, out);
        break;
    case ABSENT:
        if (oxp_json_size(old) > 0) {
            separate(out);
            oxp_buf_append_format(out, "%s -> none", name);
        }
        break;
    }
}

void oxp_cw_alarm_compare(const struct oxp_json *there, const struct oxp_json *wanted, struct oxp_buf *out) {
    bool promql = oxp_json_get(wanted, "EvaluationCriteria") != NULL;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (!promql || strcmp(fields[i].name, "TreatMissingData") != 0) { /* "not applicable to PromQL alarms" */
            compare_field(i, there, wanted, out);
        }
    }
}

/* ---- Tags ---- */

struct oxp_view oxp_cw_tag_find(const struct oxp_json *tags, const char *key) {
    return oxp_json_text_of(find_value(tags, "Key", oxp_view_from(key)));
}

void oxp_cw_tags_compare(const struct oxp_json *there, const struct oxp_json *wanted, struct oxp_buf *out) {
    for (size_t i = 0; i < oxp_json_size(wanted); i++) {
        const struct oxp_json *pair = oxp_json_at(wanted, i);
        struct oxp_view key = oxp_json_text_of(oxp_json_get(pair, "Key"));
        struct oxp_view value = oxp_json_text_of(oxp_json_get(pair, "Value"));
        const struct oxp_json *old = find_value(there, "Key", key);
        if (old == NULL || !oxp_view_equal(oxp_json_text_of(old), value)) {
            separate(out);
            oxp_buf_append_text(out, "tag ");
            oxp_buf_append_view(out, key);
            oxp_buf_append_char(out, ' ');
            show(out, oxp_json_text_of(old));
            oxp_buf_append_text(out, " -> ");
            show(out, value);
        }
    }
}
