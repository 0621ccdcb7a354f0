#include "exporter/ledger/numbers.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Closed sets ---- */

static bool same_word(struct oxp_view value, const char *word) {
    for (size_t i = 0; i < value.len; i++, word++) {
        int c = value.ptr[i] >= 'A' && value.ptr[i] <= 'Z' ? value.ptr[i] | 0x20 : value.ptr[i];
        if (*word == '\0' || c != *word) {
            return false;
        }
    }
    return *word == '\0';
}

int oxp_numbers_place(enum oxp_metric metric, unsigned label, struct oxp_view value) {
    const char *const *values = oxp_catalogue_row(metric)->spec.labels[label].values;
    for (int i = 0; values[i] != NULL; i++) {
        if (same_word(value, values[i])) {
            return i;
        }
    }
    return -1;
}

unsigned oxp_numbers_place_or(enum oxp_metric metric, unsigned label, struct oxp_view value, unsigned otherwise) {
    int place = oxp_numbers_place(metric, label, value);
    return place < 0 ? otherwise : (unsigned)place;
}

const char *oxp_numbers_text(enum oxp_metric metric, unsigned label, unsigned place) {
    return oxp_catalogue_row(metric)->spec.labels[label].values[place];
}

void oxp_numbers_choices(enum oxp_metric metric, unsigned label, char *out, size_t size) {
    const char *const *values = oxp_catalogue_row(metric)->spec.labels[label].values;
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; values[i] != NULL && len < size; i++) {
        int n = snprintf(out + len, size - len, "%s%s", i == 0 ? "" : ", ", values[i]);
        len += n > 0 ? (size_t)n : 0;
    }
}

static size_t value_count(const struct oxp_label_spec *label) {
    size_t count = 0;
    while (label->values[count] != NULL) {
        count++;
    }
    return count;
}

/* How many series a family has for one value of each open label. */
static size_t combinations(const struct oxp_family_spec *spec) {
    size_t count = 1;
    for (size_t i = 0; i < OXP_LABELS_MAX && spec->labels[i].key != NULL; i++) {
        count *= spec->labels[i].values == NULL ? 1 : value_count(&spec->labels[i]);
    }
    return count;
}

static bool is_closed(const struct oxp_family_spec *spec) {
    for (size_t i = 0; i < OXP_LABELS_MAX && spec->labels[i].key != NULL; i++) {
        if (spec->labels[i].values == NULL) {
            return false;
        }
    }
    return true;
}

/* The n-th combination, with `open` for the open label. */
static struct oxp_series *resolve(struct oxp_family *family, size_t n, struct oxp_view open) {
    const struct oxp_family_spec *spec = oxp_family_spec_of(family);
    struct oxp_view values[OXP_LABELS_MAX];
    size_t labels = 0;
    while (labels < OXP_LABELS_MAX && spec->labels[labels].key != NULL) {
        labels++;
    }
    for (size_t i = labels; i-- > 0;) {
        if (spec->labels[i].values == NULL) {
            values[i] = open;
            continue;
        }
        size_t count = value_count(&spec->labels[i]);
        values[i] = oxp_view_from(spec->labels[i].values[n % count]);
        n /= count;
    }
    struct oxp_series *series = NULL;
    (void)oxp_family_series(family, values, &series);
    return series;
}

/* ---- Open labels ---- */

static void open_init(struct oxp_open *open, struct oxp_family **families, const enum oxp_metric *metrics,
                      size_t count) {
    *open = (struct oxp_open){.families = families, .metric_count = count};
    memcpy(open->metrics, metrics, count * sizeof *metrics);
    oxp_map_init(&open->by_name);
    const struct oxp_label_spec *labels = oxp_catalogue_row(metrics[0])->spec.labels;
    for (size_t i = 0; i < OXP_LABELS_MAX && labels[i].key != NULL; i++) {
        if (labels[i].values == NULL) {
            open->bound = labels[i].bound;
        }
    }
}

static void open_fini(struct oxp_open *open) {
    struct oxp_open_value *value;
    for (size_t i = 0; (value = oxp_map_next(&open->by_name, &i)) != NULL;) {
        free(value);
    }
    oxp_map_fini(&open->by_name);
}

static void fill(struct oxp_open *open, struct oxp_open_value *value, struct oxp_view name) {
    size_t at = 0;
    memcpy(value->name, name.ptr, name.len);
    value->name[name.len] = '\0';
    value->ready = true;
    for (size_t i = 0; i < open->metric_count; i++) {
        struct oxp_family *family = open->families[open->metrics[i]];
        size_t count = combinations(oxp_family_spec_of(family));
        for (size_t n = 0; n < count && at < OXP_OPEN_CELLS; n++) {
            value->cells[at++] = resolve(family, n, name);
        }
    }
}

static struct oxp_open_value *other(struct oxp_open *open, struct oxp_view name) {
    if (!open->other.ready) {
        fill(open, &open->other, OXP_VIEW("other"));
    }
    if (!oxp_view_is(name, "other")) {
        /* Asked for by its own name, so that the registry counts what the bound folded away. */
        (void)resolve(open->families[open->metrics[0]], 0, name);
    }
    return &open->other;
}

struct oxp_open_value *oxp_open_get(struct oxp_open *open, struct oxp_view name) {
    name.len = name.len > OXP_OPEN_NAME_MAX ? OXP_OPEN_NAME_MAX : name.len;
    if (open->last != NULL && oxp_view_equal(name, oxp_view_from(open->last->name))) {
        return open->last;
    }
    struct oxp_open_value *value = oxp_map_get(&open->by_name, name);
    if (value != NULL) {
        return open->last = value;
    }
    if (open->by_name.count + 1 >= open->bound || oxp_view_is(name, "other")) {
        return other(open, name);
    }
    value = calloc(1, sizeof *value);
    if (value == NULL) {
        return other(open, OXP_VIEW("other"));
    }
    fill(open, value, name);
    if (oxp_map_set(&open->by_name, oxp_view_of(value->name, name.len), value, NULL) != OXP_OK) {
        free(value);
        return other(open, OXP_VIEW("other"));
    }
    return open->last = value;
}

/* ---- Codes ---- */

static size_t codes_in_taxonomy(void) {
    size_t count = 0;
    while (oxp_code_at(count) != NULL) {
        count++;
    }
    return count;
}

static enum oxp_status init_codes(struct oxp_numbers *numbers) {
    numbers->code_count = codes_in_taxonomy();
    numbers->codes = calloc(numbers->code_count + 1, sizeof *numbers->codes);
    if (numbers->codes == NULL) {
        return OXP_ERR_NOMEM;
    }
    struct oxp_family *creates = numbers->families[OXP_M_SESSION_CREATE_FAILURES];
    struct oxp_family *releases = numbers->families[OXP_M_SESSION_RELEASE_FAILURES];
    for (size_t i = 0; i < numbers->code_count; i++) {
        struct oxp_code_number *number = &numbers->codes[i];
        const struct oxp_code *code = number->code = oxp_code_at(i);
        struct oxp_view name = oxp_view_from(code->name), other_name = OXP_VIEW("other");
        number->create_failures = oxp_family_at(creates, code->session_create ? name : other_name);
        number->release_failures = oxp_family_at(releases, code->session_release ? name : other_name);
        number->category =
            oxp_numbers_place_or(OXP_M_RETRY_ATTEMPTS, 1, oxp_view_from(code->category), OXP_CATEGORY_UNKNOWN);
        number->listed = strcmp(code->class, "unknown") != 0;
        number->fatal = strcmp(code->class, "fatal") == 0;
        number->severity = oxp_numbers_place_or(OXP_M_ERRORS, 3, oxp_view_from(code->severity), OXP_SEVERITY_MEDIUM);
        enum oxp_status status = oxp_map_set(&numbers->by_code, name, number, NULL);
        if (status != OXP_OK) {
            return status;
        }
    }
    return OXP_OK;
}

const struct oxp_code_number *oxp_numbers_code(const struct oxp_numbers *numbers, const struct oxp_code *code) {
    const struct oxp_code_number *number = oxp_map_get(&numbers->by_code, oxp_view_from(code->name));
    return number != NULL ? number : oxp_map_get(&numbers->by_code, OXP_VIEW("unknown"));
}

/* Into `cell`, unless memory ran out: then it is asked for again the next time. */
static struct oxp_series *resolve_error(const struct oxp_numbers *numbers, const struct oxp_code *code,
                                        struct oxp_view category, struct oxp_view severity, struct oxp_series **cell) {
    struct oxp_view labels[] = {oxp_view_from(code->name), category, oxp_view_from(code->class), severity};
    struct oxp_series *series = NULL;
    enum oxp_status status = oxp_family_series(numbers->families[OXP_M_ERRORS], labels, &series);
    if (status >= 0) {
        *cell = series;
    }
    return series;
}

struct oxp_series *oxp_numbers_error(struct oxp_numbers *numbers, const struct oxp_code *code, int category,
                                     int severity) {
    struct oxp_code_number *number = oxp_map_get(&numbers->by_code, oxp_view_from(code->name));
    struct oxp_series **cell;
    if (number != NULL && number->code == code && number->listed) {
        category = (int)number->category;
        severity = severity >= 0 && number->fatal ? severity : (int)number->severity;
        cell = &number->errors[severity];
    } else {
        unsigned own = oxp_numbers_place_or(OXP_M_ERRORS, 1, oxp_view_from(code->category), OXP_CATEGORY_UNKNOWN);
        category = category >= 0 ? category : (int)own;
        severity = severity >= 0 ? severity : OXP_SEVERITY_MEDIUM;
        cell = &numbers->unlisted[category][severity];
    }
    return *cell != NULL
               ? *cell
               : resolve_error(numbers, code, oxp_view_from(oxp_numbers_text(OXP_M_ERRORS, 1, (unsigned)category)),
                               oxp_view_from(oxp_numbers_text(OXP_M_ERRORS, 3, (unsigned)severity)), cell);
}

/* ---- All of it ---- */

static enum oxp_status init_cells(struct oxp_numbers *numbers) {
    size_t total = 0;
    for (size_t m = 0; m < OXP_METRICS; m++) {
        const struct oxp_family_spec *spec = &oxp_catalogue_row((enum oxp_metric)m)->spec;
        total += numbers->families[m] != NULL && is_closed(spec) ? combinations(spec) : 0;
    }
    numbers->storage = calloc(total, sizeof(struct oxp_series *));
    if (numbers->storage == NULL) {
        return OXP_ERR_NOMEM;
    }
    size_t at = 0;
    for (size_t m = 0; m < OXP_METRICS; m++) {
        const struct oxp_family_spec *spec = &oxp_catalogue_row((enum oxp_metric)m)->spec;
        if (numbers->families[m] == NULL || !is_closed(spec)) {
            continue;
        }
        numbers->cells[m] = &numbers->storage[at];
        size_t count = combinations(spec);
        for (size_t n = 0; n < count; n++) {
            numbers->storage[at++] = resolve(numbers->families[m], n, OXP_VIEW(""));
        }
    }
    return OXP_OK;
}

enum oxp_status oxp_numbers_init(struct oxp_numbers *numbers, struct oxp_registry *registry) {
    static const enum oxp_metric workflow[] = {OXP_M_WORKFLOW_RUNS, OXP_M_WORKFLOW_DURATION, OXP_M_TASKS_STARTED,
                                               OXP_M_TASKS_ENDED,   OXP_M_TASKS_ACTIVE,      OXP_M_TASK_DURATION};
    static const enum oxp_metric breaker[] = {OXP_M_BREAKER_STATE,    OXP_M_BREAKER_TRANSITIONS,  OXP_M_BREAKER_CALLS,
                                              OXP_M_BREAKER_FAILURES, OXP_M_BREAKER_OPEN_SECONDS, OXP_M_BREAKER_RESETS};
    static const enum oxp_metric model[] = {OXP_M_LLM_TOKENS};
    static const enum oxp_metric component[] = {OXP_M_UNHANDLED, OXP_M_FALLBACKS, OXP_M_DEGRADED};
    static const enum oxp_metric fix[] = {OXP_M_FIXES_APPLIED};
    static const enum oxp_metric function[] = {OXP_M_FUNCTION_DURATION, OXP_M_FUNCTION_ERRORS};
    *numbers = (struct oxp_numbers){0};
    oxp_map_init(&numbers->by_code);
    open_init(&numbers->workflows, numbers->families, workflow, 6);
    open_init(&numbers->breakers, numbers->families, breaker, 6);
    open_init(&numbers->models, numbers->families, model, 1);
    open_init(&numbers->components, numbers->families, component, 3);
    open_init(&numbers->fixes, numbers->families, fix, 1);
    open_init(&numbers->functions, numbers->families, function, 2);
    enum oxp_status status = oxp_catalogue_register(registry, numbers->families);
    if (status == OXP_OK) {
        status = init_cells(numbers);
    }
    if (status == OXP_OK) {
        status = init_codes(numbers);
    }
    if (status != OXP_OK) {
        oxp_numbers_fini(numbers);
    }
    return status;
}

void oxp_numbers_fini(struct oxp_numbers *numbers) {
    open_fini(&numbers->workflows);
    open_fini(&numbers->breakers);
    open_fini(&numbers->models);
    open_fini(&numbers->components);
    open_fini(&numbers->fixes);
    open_fini(&numbers->functions);
    oxp_map_fini(&numbers->by_code);
    free(numbers->codes);
    free(numbers->storage);
    *numbers = (struct oxp_numbers){0};
}
