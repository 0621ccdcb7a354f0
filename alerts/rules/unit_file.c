/* Reading a rule unit test file, as gopkg.in/yaml.v2 decodes it strictly for promtool (cmd/promtool/unittest.go): an
 * unknown field is a fault, and so is whatever could not run: a series or expected labels that cannot be parsed, an
 * alert check without alertname. Null items are empty ones, not skipped. */
#include "alerts/rules/unit_file.h"

#include <stdlib.h>

#define DEFAULT_INTERVAL_MS 60000

struct unit_reader {
    struct oxp_rule_reader base;
    struct oxp_unit_file *file;
    struct oxp_arena *arena;
};

/* ---- Fields and lists ---- */

#define FIELDS(variable, what, names)                                                                                  \
    static const struct oxp_keys variable = {what, names, sizeof names / sizeof names[0], NULL, NULL}

enum { RULE_FILES, EVALUATION_INTERVAL, GROUP_EVAL_ORDER, TESTS, FUZZY_COMPARE, FILE_FIELDS };
static const char *const file_names[] = {
    [RULE_FILES] = "rule_files",
    [EVALUATION_INTERVAL] = "evaluation_interval",
    [GROUP_EVAL_ORDER] = "group_eval_order",
    [TESTS] = "tests",
    [FUZZY_COMPARE] = "fuzzy_compare",
};
FIELDS(file_fields, "a test file", file_names);

enum {
    INTERVAL,
    INPUT_SERIES,
    ALERT_RULE_TEST,
    PROMQL_EXPR_TEST,
    EXTERNAL_LABELS,
    EXTERNAL_URL,
    NAME,
    START,
    TEST_FIELDS
};
static const char *const test_names[] = {
    [INTERVAL] = "interval",
    [INPUT_SERIES] = "input_series",
    [ALERT_RULE_TEST] = "alert_rule_test",
    [PROMQL_EXPR_TEST] = "promql_expr_test",
    [EXTERNAL_LABELS] = "external_labels",
    [EXTERNAL_URL] = "external_url",
    [NAME] = "name",
    [START] = "start_timestamp",
};
FIELDS(test_fields, "a test", test_names);

enum { SERIES, VALUES, SERIES_FIELDS };
static const char *const series_names[] = {[SERIES] = "series", [VALUES] = "values"};
FIELDS(series_fields, "an input series", series_names);

enum { EVAL_TIME, ALERTNAME, EXP_ALERTS, ALERT_CHECK_FIELDS };
static const char *const alert_check_names[] = {
    [EVAL_TIME] = "eval_time", [ALERTNAME] = "alertname", [EXP_ALERTS] = "exp_alerts"};
FIELDS(alert_check_fields, "an alert_rule_test", alert_check_names);

enum { EXP_LABELS, EXP_ANNOTATIONS, ALERT_FIELDS };
static const char *const alert_names[] = {[EXP_LABELS] = "exp_labels", [EXP_ANNOTATIONS] = "exp_annotations"};
FIELDS(alert_fields, "an expected alert", alert_names);

enum { EXPR, QUERY_EVAL_TIME, EXP_SAMPLES, QUERY_CHECK_FIELDS };
static const char *const query_check_names[] = {
    [EXPR] = "expr", [QUERY_EVAL_TIME] = "eval_time", [EXP_SAMPLES] = "exp_samples"};
FIELDS(query_check_fields, "a promql_expr_test", query_check_names);

enum { LABELS, VALUE, HISTOGRAM, SAMPLE_FIELDS };
static const char *const sample_names[] = {[LABELS] = "labels", [VALUE] = "value", [HISTOGRAM] = "histogram"};
FIELDS(sample_fields, "an expected sample", sample_names);

/* The fields of a mapping; of a null item there are none. False after a fault. */
static bool find(struct unit_reader *reader, const struct oxp_yaml_node *node, const struct oxp_keys *fields,
                 const struct oxp_yaml_node **found) {
    if (node->kind == OXP_YAML_NULL) {
        return true;
    }
    if (!oxp_rule_fields_find(&reader->base, node, fields, found)) {
        return false;
    }
    oxp_rule_fields_unknown(&reader->base, node, fields);
    return !oxp_rule_ended(&reader->base);
}

static struct oxp_view read_text(struct unit_reader *reader, const struct oxp_yaml_node *node) {
    struct oxp_view text = oxp_arena_copy(reader->arena, oxp_fields_view(&reader->base.fields, node));
    if (text.ptr == NULL) {
        oxp_fields_no_memory(&reader->base.fields);
    }
    return text;
}

/* An array of zeros for the items of a list; NULL when there are none or no memory. */
static void *read_list(struct unit_reader *reader, const struct oxp_yaml_node *node, size_t size,
                       const struct oxp_yaml_node **first_out, size_t *count_out) {
    size_t count;
    *first_out = oxp_fields_children(&reader->base.fields, node, OXP_YAML_SEQUENCE, &count);
    void *items = count == 0 ? NULL : oxp_arena_zero(reader->arena, count, size);
    if (items == NULL && count != 0) {
        oxp_fields_no_memory(&reader->base.fields);
        *first_out = NULL;
        count = 0;
    }
    *count_out = count;
    return items;
}

static struct oxp_unit_name *read_names(struct unit_reader *reader, const struct oxp_yaml_node *node,
                                        size_t *count_out) {
    const struct oxp_yaml_node *item;
    struct oxp_unit_name *names = read_list(reader, node, sizeof *names, &item, count_out);
    for (size_t i = 0; item != NULL; item = item->next, i++) {
        names[i] = (struct oxp_unit_name){read_text(reader, item), item->line, item->column};
    }
    return names;
}

/* ---- Checks ---- */

static void read_alert(struct unit_reader *reader, const struct oxp_yaml_node *node, struct oxp_view alertname,
                       struct oxp_unit_alert *alert) {
    const struct oxp_yaml_node *found[ALERT_FIELDS] = {NULL};
    if (find(reader, node, &alert_fields, found)) {
        alert->labels = oxp_unit_read_labels(&reader->base, found[EXP_LABELS], reader->arena, alertname);
        alert->annotations =
            oxp_unit_read_labels(&reader->base, found[EXP_ANNOTATIONS], reader->arena, oxp_view_of(NULL, 0));
    }
}

static void read_alert_check(struct unit_reader *reader, const struct oxp_yaml_node *node,
                             struct oxp_unit_alert_check *check) {
    const struct oxp_yaml_node *found[ALERT_CHECK_FIELDS] = {NULL}, *item;
    check->line = node->line;
    if (!find(reader, node, &alert_check_fields, found)) {
        return;
    }
    check->eval_ms = oxp_fields_duration(&reader->base.fields, found[EVAL_TIME], 0);
    check->alertname = read_text(reader, found[ALERTNAME]);
    if (check->alertname.len == 0 && !oxp_rule_no_text(found[ALERTNAME])) {
        OXP_FAULT(&reader->base.fields, node, "an item under alert_rule_test misses required attribute alertname");
    }
    check->alerts = read_list(reader, found[EXP_ALERTS], sizeof *check->alerts, &item, &check->count);
    for (size_t i = 0; item != NULL; item = item->next, i++) {
        read_alert(reader, item, check->alertname, &check->alerts[i]);
    }
    if (reader->base.fields.status == OXP_OK && check->count != 0) {
        qsort(check->alerts, check->count, sizeof *check->alerts, oxp_unit_alert_compare);
    }
}

static void read_sample(struct unit_reader *reader, const struct oxp_yaml_node *node, struct oxp_unit_sample *sample) {
    const struct oxp_yaml_node *found[SAMPLE_FIELDS] = {NULL};
    if (!find(reader, node, &sample_fields, found)) {
        return;
    }
    sample->labels = oxp_unit_read_metric(&reader->base, found[LABELS], reader->arena);
    sample->value = oxp_unit_read_number(&reader->base, found[VALUE]);
    if (found[HISTOGRAM] != NULL && oxp_fields_view(&reader->base.fields, found[HISTOGRAM]).len != 0) {
        oxp_fields_fault(&reader->base.fields, OXP_ERR_UNSUPPORTED, found[HISTOGRAM]->key_line,
                         found[HISTOGRAM]->key_column, "histogram: native histograms are not supported");
    }
}

static void read_query_check(struct unit_reader *reader, const struct oxp_yaml_node *node,
                             struct oxp_unit_query_check *check) {
    const struct oxp_yaml_node *found[QUERY_CHECK_FIELDS] = {NULL}, *item;
    check->line = node->line;
    if (!find(reader, node, &query_check_fields, found)) {
        return;
    }
    check->eval_ms = oxp_fields_duration(&reader->base.fields, found[QUERY_EVAL_TIME], 0);
    check->expr = read_text(reader, found[EXPR]);
    check->samples = read_list(reader, found[EXP_SAMPLES], sizeof *check->samples, &item, &check->count);
    for (size_t i = 0; item != NULL; item = item->next, i++) {
        read_sample(reader, item, &check->samples[i]);
    }
    if (reader->base.fields.status == OXP_OK && check->count != 0) {
        qsort(check->samples, check->count, sizeof *check->samples, oxp_unit_sample_compare);
    }
}

/* ---- Tests ---- */

static void read_series(struct unit_reader *reader, const struct oxp_yaml_node *node, struct oxp_unit_test *test) {
    const struct oxp_yaml_node *item;
    struct oxp_script_series *series = read_list(reader, node, sizeof *series, &item, &test->series_count);
    test->series = series;
    for (size_t i = 0; item != NULL && !oxp_rule_ended(&reader->base); item = item->next, i++) {
        const struct oxp_yaml_node *found[SERIES_FIELDS] = {NULL};
        if (!find(reader, item, &series_fields, found)) {
            continue;
        }
        if (oxp_fields_view(&reader->base.fields, found[SERIES]).len == 0 && !oxp_rule_no_text(found[SERIES])) {
            /* promtool leaves out all that follow an empty one, without a word */
            OXP_FAULT(&reader->base.fields, item, "the series is missing");
            continue;
        }
        struct oxp_unit_series_text text = {found[SERIES], found[VALUES], item->next == NULL};
        oxp_unit_read_series(&reader->base, &text, reader->arena, &series[i]);
    }
}

static int compare_times(const void *a, const void *b) {
    const struct oxp_unit_alert_check *first = a, *second = b;
    if (first->eval_ms != second->eval_ms) {
        return first->eval_ms < second->eval_ms ? -1 : 1;
    }
    return first->number < second->number ? -1 : 1;
}

static void read_checks(struct unit_reader *reader, const struct oxp_yaml_node *const *found,
                        struct oxp_unit_test *test) {
    const struct oxp_yaml_node *item;
    test->alert_checks =
        read_list(reader, found[ALERT_RULE_TEST], sizeof *test->alert_checks, &item, &test->alert_check_count);
    for (size_t i = 0; item != NULL && !oxp_rule_ended(&reader->base); item = item->next, i++) {
        test->alert_checks[i].number = i;
        read_alert_check(reader, item, &test->alert_checks[i]);
    }
    if (test->alert_check_count != 0) {
        qsort(test->alert_checks, test->alert_check_count, sizeof *test->alert_checks, compare_times);
    }
    test->query_checks =
        read_list(reader, found[PROMQL_EXPR_TEST], sizeof *test->query_checks, &item, &test->query_check_count);
    for (size_t i = 0; item != NULL && !oxp_rule_ended(&reader->base); item = item->next, i++) {
        read_query_check(reader, item, &test->query_checks[i]);
    }
}

static void read_test(struct unit_reader *reader, const struct oxp_yaml_node *node, struct oxp_unit_test *test) {
    const struct oxp_yaml_node *found[TEST_FIELDS] = {NULL};
    test->line = node->line;
    if (!find(reader, node, &test_fields, found)) {
        return;
    }
    test->interval_ms = oxp_fields_duration(&reader->base.fields, found[INTERVAL], 0);
    test->interval_ms = test->interval_ms == 0 ? reader->file->eval_interval_ms : test->interval_ms;
    test->name = read_text(reader, found[NAME]);
    test->external_url = read_text(reader, found[EXTERNAL_URL]);
    test->external_labels =
        oxp_unit_read_labels(&reader->base, found[EXTERNAL_LABELS], reader->arena, oxp_view_of(NULL, 0));
    test->start_ms = oxp_unit_read_time(&reader->base, found[START]);
    read_series(reader, found[INPUT_SERIES], test);
    if (!oxp_rule_ended(&reader->base)) {
        read_checks(reader, found, test);
    }
}

/* ---- The file ---- */

static void check_order(struct unit_reader *reader) {
    const struct oxp_unit_file *file = reader->file;
    for (size_t i = 1; i < file->group_order_count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (oxp_view_equal(file->group_order[i].text, file->group_order[k].text)) {
                oxp_fields_fault(&reader->base.fields, OXP_ERR_INVALID, file->group_order[i].line,
                                 file->group_order[i].column, "group name repeated in evaluation order: %s",
                                 oxp_rule_shown(file->group_order[i].text).text);
                return;
            }
        }
    }
}

static void read_file(struct unit_reader *reader, const struct oxp_yaml_node *root) {
    struct oxp_unit_file *file = reader->file;
    const struct oxp_yaml_node *found[FILE_FIELDS] = {NULL}, *item;
    if (!find(reader, root, &file_fields, found)) {
        return;
    }
    file->patterns = read_names(reader, found[RULE_FILES], &file->pattern_count);
    file->eval_interval_ms = oxp_fields_duration(&reader->base.fields, found[EVALUATION_INTERVAL], 0);
    file->eval_interval_ms = file->eval_interval_ms == 0 ? DEFAULT_INTERVAL_MS : file->eval_interval_ms;
    file->group_order = read_names(reader, found[GROUP_EVAL_ORDER], &file->group_order_count);
    file->fuzzy = oxp_unit_read_bool(&reader->base, found[FUZZY_COMPARE]);
    if (!oxp_rule_ended(&reader->base)) {
        check_order(reader);
    }
    file->tests = read_list(reader, found[TESTS], sizeof *file->tests, &item, &file->test_count);
    for (size_t i = 0; item != NULL && !oxp_rule_ended(&reader->base); item = item->next, i++) {
        read_test(reader, item, &file->tests[i]);
    }
}

enum oxp_status oxp_unit_file_read(struct oxp_view text, struct oxp_unit_file *file_out, struct oxp_error *error) {
    struct unit_reader reader = {.base = {.text = text}, .file = file_out, .arena = &file_out->arena};
    struct oxp_yaml *yaml = NULL;
    const struct oxp_yaml_node *root = NULL;
    *file_out = (struct oxp_unit_file){.eval_interval_ms = DEFAULT_INTERVAL_MS};
    oxp_arena_init(&file_out->arena, 0);
    reader.base.fields = oxp_rule_reader_fields(&reader.base, error);
    enum oxp_status status =
        oxp_yaml_parse_with(text, OXP_YAML_ALIASES | OXP_YAML_TAGS | OXP_YAML_FIRST_DOCUMENT, &yaml, &root, error);
    if (status != OXP_OK) {
        return status;
    }
    if (root != NULL) {
        read_file(&reader, root);
    }
    oxp_yaml_free(yaml);
    return reader.base.fields.status;
}

void oxp_unit_file_fini(struct oxp_unit_file *file) {
    oxp_arena_fini(&file->arena);
}
