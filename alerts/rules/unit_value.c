/* The values of a rule unit test file: numbers, times, labels, series. */
#include "alerts/rules/unit_file.h"

#include "lib/base/date.h"
#include "lib/base/number.h"
#include <math.h>
#include <stdlib.h>

static bool is_absent(const struct oxp_yaml_node *node) {
    return node == NULL || node->kind == OXP_YAML_NULL;
}

static bool is_one_of(struct oxp_view text, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (oxp_view_is(text, words[i])) {
            return true;
        }
    }
    return false;
}
#define IS_ONE_OF(text, words) is_one_of((text), (words), sizeof(words) / sizeof(words)[0])

/* ---- Numbers ---- */

/* A whole number with its base in front, as Go's strconv.ParseInt(text, 0, 64) takes it. `digits` ends with a NUL. */
static bool read_based(const char *digits, double *value_out) {
    static const struct {
        const char *prefix;
        int base;
    } bases[] = {{"0x", 16}, {"0X", 16}, {"0o", 8}, {"0O", 8}, {"0b", 2}, {"0B", 2}, {"0", 8}};
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        size_t len = strlen(bases[i].prefix);
        const char *rest = digits + len;
        if (strncmp(digits, bases[i].prefix, len) == 0 && strspn(rest, "0123456789abcdefABCDEF") != 0) {
            char *end;
            unsigned long long value = strtoull(rest, &end, bases[i].base);
            *value_out = (double)value;
            return *end == '\0';
        }
    }
    return false;
}

/* YAML 1.1 sections "int" and "float", as yaml.v2 reads them: underscores in numbers mean nothing. */
static bool read_number(struct oxp_view text, double *value_out) {
    static const char *const infinite[] = {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"};
    static const char *const below[] = {"-.inf", "-.Inf", "-.INF"};
    static const char *const none[] = {".nan", ".NaN", ".NAN"};
    char plain[400] = "";
    size_t len = 0;
    if (IS_ONE_OF(text, infinite) || IS_ONE_OF(text, below)) {
        *value_out = text.ptr[0] == '-' ? -(double)INFINITY : (double)INFINITY;
        return true;
    }
    if (IS_ONE_OF(text, none)) {
        *value_out = (double)NAN;
        return true;
    }
    for (size_t i = 0; i < text.len && len < sizeof plain - 1; i++) {
        if (text.ptr[i] != '_' || i == 0) {
            plain[len++] = text.ptr[i];
        }
    }
    plain[len] = '\0';
    bool sign = plain[0] == '-' || plain[0] == '+';
    if (len == sizeof plain - 1) {
        return false;
    }
    if (read_based(plain + sign, value_out)) {
        *value_out = plain[0] == '-' ? -*value_out : *value_out;
        return true;
    }
    return strspn(plain, "0123456789.eE+-") == len && /* no words */
           oxp_number_parse_exposition(oxp_view_of(plain, len), value_out) == OXP_OK && isfinite(*value_out);
}

double oxp_unit_read_number(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node) {
    double value = 0;
    if (is_absent(node)) {
        return 0;
    }
    if (node->kind != OXP_YAML_SCALAR || node->quoted || !read_number(node->text, &value)) {
        OXP_FAULT(&reader->fields, node, "value: a number is expected, not %s",
                  node->kind != OXP_YAML_SCALAR ? "a list or mapping" : oxp_rule_shown(node->text).text);
    }
    return value;
}

bool oxp_unit_read_bool(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node) {
    static const char *const yes[] = {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"};
    static const char *const no[] = {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"};
    if (is_absent(node)) {
        return false;
    }
    bool scalar = node->kind == OXP_YAML_SCALAR && !node->quoted;
    bool value = scalar && IS_ONE_OF(node->text, yes);
    if (!value && !(scalar && IS_ONE_OF(node->text, no))) {
        OXP_FAULT(&reader->fields, node, "true or false is expected");
    }
    return value;
}

/* ---- Times ---- */

int64_t oxp_unit_read_time(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node) {
    struct oxp_view text = oxp_fields_view(&reader->fields, node);
    double seconds = 0;
    int64_t ms = 0;
    if (is_absent(node) || node->kind != OXP_YAML_SCALAR) {
        return 0;
    }
    if (oxp_number_parse_exposition(text, &seconds) == OXP_OK && fabs(seconds) < 1e12) {
        return (int64_t)floor(seconds * 1000);
    }
    if (!oxp_date_rfc3339(text, &ms)) {
        OXP_FAULT(&reader->fields, node, "cannot parse %s to a valid timestamp", oxp_rule_shown(text).text);
    }
    return ms;
}

/* ---- Labels ---- */

static int compare_names(const void *a, const void *b) {
    return oxp_symbol_compare(((const struct oxp_label *)a)->name, ((const struct oxp_label *)b)->name);
}

const struct oxp_labels *oxp_unit_read_labels(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node,
                                              struct oxp_arena *arena, struct oxp_view alertname) {
    size_t count;
    const struct oxp_yaml_node *first = oxp_fields_children(&reader->fields, node, OXP_YAML_MAPPING, &count);
    struct oxp_labels *labels = oxp_arena_zero(arena, 1, sizeof *labels + (count + 1) * sizeof labels->label[0]);
    if (labels == NULL) {
        oxp_fields_no_memory(&reader->fields);
        return NULL;
    }
    for (const struct oxp_yaml_node *child = first; child != NULL; child = child->next) {
        if (alertname.ptr == NULL || !oxp_view_is(child->key, "alertname")) {
            labels->label[labels->count++] = (struct oxp_label){
                oxp_symbol_new(arena, child->key), oxp_symbol_new(arena, oxp_fields_view(&reader->fields, child))};
        }
    }
    if (alertname.ptr != NULL) {
        labels->label[labels->count++] =
            (struct oxp_label){oxp_symbol_new(arena, OXP_VIEW("alertname")), oxp_symbol_new(arena, alertname)};
    }
    if (oxp_arena_status(arena) != OXP_OK) {
        oxp_fields_no_memory(&reader->fields);
        return NULL;
    }
    qsort(labels->label, labels->count, sizeof labels->label[0], compare_names);
    labels->hash = oxp_labels_hash(labels->label, labels->count);
    return labels;
}

/* ---- Series ---- */

/* Tells a fault within a text that is the node's text and perhaps more. */
static void fault_within(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node, enum oxp_status status,
                         const struct oxp_error *error) {
    unsigned line, column;
    oxp_rule_place_of(reader, node, error, &line, &column);
    oxp_fields_fault(&reader->fields, status, line, column, "%s",
                     error->text[0] == '\0' ? oxp_status_text(status) : error->text);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

const struct oxp_labels *oxp_unit_read_metric(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node,
                                              struct oxp_arena *arena) {
    struct oxp_view text = oxp_fields_view(&reader->fields, node);
    struct oxp_script_series series;
    struct oxp_error error = {0};
    while (text.len != 0 && is_blank(text.ptr[text.len - 1])) {
        text.len--;
    }
    if (text.len == 0) {
        return oxp_labels_none();
    }
    enum oxp_status status = oxp_script_parse_series(text, arena, &series, &error);
    if (status == OXP_OK && series.count == 0) {
        return series.labels;
    }
    if (status == OXP_OK) {
        OXP_FAULT(&reader->fields, node, "labels %s: there is something behind them", oxp_rule_shown(text).text);
    } else {
        fault_within(reader, node, status, &error);
    }
    return NULL;
}

/* promtool writes the series into lines: what stands behind a line feed it leaves out, all series that follow too,
 * without a word. */
static bool has_line_feed(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node, struct oxp_view text) {
    if (text.len == 0 || memchr(text.ptr, '\n', text.len) == NULL) {
        return false;
    }
    OXP_FAULT(&reader->fields, node, "a line feed ends all input series for promtool; write >- or quotes");
    return true;
}

void oxp_unit_read_series(struct oxp_rule_reader *reader, const struct oxp_unit_series_text *from,
                          struct oxp_arena *arena, struct oxp_script_series *series) {
    struct oxp_view name = oxp_fields_view(&reader->fields, from->series),
                    values = oxp_fields_view(&reader->fields, from->values);
    struct oxp_error error = {0};
    struct oxp_buf text;
    while (from->last && values.len != 0 && is_blank(values.ptr[values.len - 1])) {
        values.len--;
    }
    if (reader->fields.status != OXP_OK || has_line_feed(reader, from->series, name) ||
        has_line_feed(reader, from->values, values)) {
        return; /* the first fault is enough */
    }
    enum oxp_status status = oxp_script_parse_series(name, arena, series, &error);
    if (status != OXP_OK) { /* so that the place is within the right one of the two */
        fault_within(reader, from->series, status, &error);
        return;
    }
    oxp_buf_init(&text, 0);
    oxp_buf_append_view(&text, name);
    oxp_buf_append_char(&text, ' ');
    oxp_buf_append_view(&text, values);
    status = oxp_buf_status(&text);
    if (status == OXP_OK) {
        status = oxp_script_parse_series(oxp_buf_view(&text), arena, series, &error);
    }
    if (status != OXP_OK) {
        error.column -= error.column > name.len + 1 ? (unsigned)name.len + 1 : 0;
        fault_within(reader, from->values != NULL ? from->values : from->series, status, &error);
    }
    oxp_buf_fini(&text);
}
