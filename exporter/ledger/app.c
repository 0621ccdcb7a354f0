/* What the application records itself: the event `metric` (domain catalogue, section 4, "User-defined").
 *
 *  1. kind=function is a call of a watched function: `value` is its duration in seconds, ok=false says that it failed.
 *  2. Any other makes, at its first event, the family orchestrator_app_<name>: a counter (`value` is what it grows by),
 * a gauge or a histogram. Its kind and its labels are those of the first event from then on: another kind is refused,
 *     a label that is missing is "none", one that is new is left out. At most APPS_MAX names; one more is refused.
 *  3. The name: what may not stand in one becomes "_", a unit at its end becomes the base unit, and the value with it
 *     ("page.duration_ms" is page_duration_seconds), a counter ends in "_total". No other kind does.
 *  4. At most LABELS_MAX labels and SERIES_MAX series; past it they share one whose labels are "other". Labels that
 * name one of something without end (session, task, trace, URL, user …) are left out, and so are those that Prometheus
 *     keeps for itself.
 *  5. They are not in the journal: after a restart they are there again with their first event. */
#include "exporter/ledger/parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define PREFIX "orchestrator_app_"
enum { APPS_MAX = 64, LABELS_MAX = 4, SERIES_MAX = 20, NAME_SIZE = 128, KEY_SIZE = 65 };

struct app {
    char base[NAME_SIZE]; /* the map's key: without prefix and "_total" */
    char name[NAME_SIZE + sizeof PREFIX + sizeof "_total"];
    char keys[LABELS_MAX][KEY_SIZE];
    unsigned key_count;
    struct oxp_family_spec spec; /* points into this struct: the registry keeps it */
    struct oxp_family *family;
};

struct oxp_apps {
    struct oxp_map by_base;
};

void oxp_apps_fini(struct oxp_ledger *ledger) {
    if (ledger->apps == NULL) {
        return;
    }
    struct app *app;
    for (size_t i = 0; (app = oxp_map_next(&ledger->apps->by_base, &i)) != NULL;) {
        free(app);
    }
    oxp_map_fini(&ledger->apps->by_base);
    free(ledger->apps);
    ledger->apps = NULL;
}

/* ---- Names (rule 3) ---- */

static const double second_bounds[] = {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300};
static const double byte_bounds[] = {1024, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864, 268435456, 1e9};
static const double ratio_bounds[] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1};
static const double plain_bounds[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10000, 100000, 1000000};

/* Units that a name may end in, and what they become. */
static const struct unit {
    const char *word, *unit; /* unit: NULL = none */
    double scale;
} units[] = {
    {"ms", "seconds", 1e-3},      {"milliseconds", "seconds", 1e-3},
    {"us", "seconds", 1e-6},      {"microseconds", "seconds", 1e-6},
    {"ns", "seconds", 1e-9},      {"s", "seconds", 1},
    {"sec", "seconds", 1},        {"secs", "seconds", 1},
    {"seconds", "seconds", 1},    {"minutes", "seconds", 60},
    {"hours", "seconds", 3600},   {"kb", "bytes", 1024},
    {"kib", "bytes", 1024},       {"mb", "bytes", 1048576},
    {"mib", "bytes", 1048576},    {"gb", "bytes", 1073741824},
    {"gib", "bytes", 1073741824}, {"bytes", "bytes", 1},
    {"percent", "ratio", 0.01},   {"pct", "ratio", 0.01},
    {"ratio", "ratio", 1},
};
static const struct unit no_unit = {"", NULL, 1};

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* `text` with what may not stand in a name as "_", never two of them, none at its ends; gives the length. */
static size_t tidy(char *to, size_t size, struct oxp_view text) {
    size_t len = 0;
    for (size_t i = 0; i < text.len && len + 1 < size; i++) {
        if (is_name_char(text.ptr[i])) {
            to[len++] = text.ptr[i];
        } else if (len > 0 && to[len - 1] != '_') {
            to[len++] = '_';
        }
    }
    len -= len > 0 && to[len - 1] == '_';
    to[len] = '\0';
    return len;
}

/* The unit at the end of `base`, which then ends in its base unit. */
static const struct unit *take_unit(char *base) {
    char *last = strrchr(base, '_');
    char *word = last == NULL ? base : last + 1;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(word, units[i].word) == 0) {
            memcpy(word, units[i].unit, strlen(units[i].unit) + 1); /* the longest of them fits: NAME_SIZE */
            return &units[i];
        }
    }
    return &no_unit;
}

/* The map's key of a name, "" when nothing is left of it; and its unit. */
static const struct unit *base_of(char base[NAME_SIZE], struct oxp_view name) {
    const size_t total = sizeof "_total" - 1;
    size_t len = tidy(base, NAME_SIZE - 16, name);
    if (len > total && strcmp(base + len - total, "_total") == 0) {
        base[len - total] = '\0';
    }
    return take_unit(base);
}

/* ---- Labels (rules 2, 4) ---- */

static bool is_left_out(const char *key) {
    static const char *const words[] = {"le",   "quantile", "job",     "instance", "session",  "session_id",
                                        "task", "task_id",  "run",     "run_id",   "trace_id", "span_id",
                                        "url",  "uri",      "message", "user",     "user_id"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(key, words[i]) == 0) {
            return true;
        }
    }
    return key[0] == '\0' || (key[0] >= '0' && key[0] <= '9');
}

static int compare_keys(const void *a, const void *b) {
    return strcmp(a, b);
}

/* The keys of the event's labels, in their order, each once. */
static void take_keys(struct app *app, const struct oxp_event *event) {
    for (size_t i = 0; i < event->label_count && app->key_count < LABELS_MAX; i++) {
        char *key = app->keys[app->key_count];
        (void)tidy(key, KEY_SIZE, event->labels[i].name);
        bool known = is_left_out(key);
        for (unsigned k = 0; k < app->key_count; k++) {
            known = known || strcmp(app->keys[k], key) == 0;
        }
        app->key_count += !known;
    }
    qsort(app->keys, app->key_count, sizeof *app->keys, compare_keys);
    for (unsigned k = 0; k < app->key_count; k++) {
        app->spec.labels[k].key = app->keys[k];
    }
}

/* What the event says for a label, or "none". */
static struct oxp_view label_of(const struct oxp_event *event, const char *key) {
    char tidied[KEY_SIZE];
    for (size_t i = 0; i < event->label_count; i++) {
        size_t len = tidy(tidied, sizeof tidied, event->labels[i].name);
        if (oxp_view_is(oxp_view_of(tidied, len), key) && event->labels[i].value.len != 0) {
            return event->labels[i].value;
        }
    }
    return OXP_VIEW("none");
}

/* ---- Families ---- */

static const struct kind {
    const char *name;
    enum oxp_metric_type type;
} kinds[] = {{"counter", OXP_COUNTER_FLOAT}, {"gauge", OXP_GAUGE}, {"histogram", OXP_HISTOGRAM}};

static const char *kind_name(enum oxp_metric_type type) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].type == type) {
            return kinds[i].name;
        }
    }
    return "";
}

static void choose_bounds(struct oxp_family_spec *spec) {
#define BOUNDS(set) spec->bounds = (set), spec->bound_count = sizeof(set) / sizeof *(set)
    struct oxp_view unit = oxp_view_from(spec->unit);
    if (spec->unit == NULL) {
        BOUNDS(plain_bounds);
    } else if (oxp_view_is(unit, "seconds")) {
        BOUNDS(second_bounds);
    } else if (oxp_view_is(unit, "bytes")) {
        BOUNDS(byte_bounds);
    } else {
        BOUNDS(ratio_bounds);
    }
#undef BOUNDS
}

static struct app *new_app(const struct oxp_event *event, const char *base, const struct unit *unit,
                           enum oxp_metric_type type) {
    struct app *app = calloc(1, sizeof *app);
    if (app == NULL) {
        return NULL;
    }
    (void)oxp_keep(app->base, sizeof app->base, oxp_view_from(base));
    (void)snprintf(app->name, sizeof app->name, PREFIX "%s%s", base, type == OXP_COUNTER_FLOAT ? "_total" : "");
    app->spec = (struct oxp_family_spec){.name = app->name,
                                         .help = "Recorded by the application",
                                         .unit = unit->unit,
                                         .type = type,
                                         .max_series = SERIES_MAX};
    if (type == OXP_HISTOGRAM) {
        choose_bounds(&app->spec);
    }
    take_keys(app, event);
    return app;
}

/* Makes the family of a name that was not known. */
static enum oxp_status add_app(struct oxp_ledger *ledger, struct oxp_moment *moment, struct app *app) {
    struct oxp_apps *apps = ledger->apps;
    enum oxp_status status = oxp_map_set(&apps->by_base, oxp_view_from(app->base), app, NULL);
    if (status != OXP_OK) {
        return OXP_ERR_NOMEM;
    }
    status = oxp_registry_add(ledger->registry, &app->spec, &app->family);
    if (status == OXP_OK) {
        return OXP_OK;
    }
    oxp_map_remove(&apps->by_base, oxp_view_from(app->base));
    return status == OXP_ERR_NOMEM
               ? status
               : oxp_refuse_because(moment, OXP_REJECT_BAD_FIELD, "name: %s is taken by another metric", app->name);
}

static enum oxp_status get_app(struct oxp_ledger *ledger, struct oxp_moment *moment, enum oxp_metric_type type,
                               struct app **app_out, double *scale_out) {
    char base[NAME_SIZE];
    struct oxp_view name = oxp_event_text(moment->event, OXP_FIELD_NAME);
    const struct unit *unit = base_of(base, name);
    *scale_out = unit->scale;
    if (base[0] == '\0') {
        return oxp_refuse_because(moment, OXP_REJECT_BAD_FIELD, "name: nothing of it may stand in a metric's name");
    }
    if (ledger->apps == NULL) {
        ledger->apps = calloc(1, sizeof *ledger->apps);
        if (ledger->apps == NULL) {
            return OXP_ERR_NOMEM;
        }
        oxp_map_init(&ledger->apps->by_base);
    }
    struct app *app = oxp_map_get(&ledger->apps->by_base, oxp_view_from(base));
    if (app == NULL) {
        if (ledger->apps->by_base.count >= APPS_MAX) {
            return oxp_refuse_because(moment, OXP_REJECT_OTHER, "name: %d metrics of the application are there already",
                                      APPS_MAX);
        }
        app = new_app(moment->event, base, unit, type);
        enum oxp_status status = app == NULL ? OXP_ERR_NOMEM : add_app(ledger, moment, app);
        if (status != OXP_OK) {
            free(app);
            return status;
        }
    }
    *app_out = app;
    return app->spec.type == type ? OXP_OK
                                  : oxp_refuse_because(moment, OXP_REJECT_BAD_FIELD, "kind: %s is a %s already, no %s",
                                                       app->name, kind_name(app->spec.type), kind_name(type));
}

/* ---- Events ---- */

static enum oxp_status call_of_function(struct oxp_ledger *ledger, struct oxp_moment *moment, double value) {
    if (value < 0) {
        return oxp_refuse_because(moment, OXP_REJECT_BAD_FIELD, "value: a function took 0 seconds or more");
    }
    struct oxp_open_value *function =
        oxp_open_get(&ledger->numbers.functions, oxp_event_text(moment->event, OXP_FIELD_NAME));
    oxp_observe(ledger, moment, function->cells[OXP_FUN_DURATION], value);
    if (!oxp_event_flag(moment->event, OXP_FIELD_OK, true)) {
        oxp_count_event(ledger, moment, function->cells[OXP_FUN_ERRORS]);
    }
    return OXP_OK;
}

static void record(struct oxp_ledger *ledger, const struct oxp_moment *moment, const struct app *app, double value) {
    struct oxp_view labels[LABELS_MAX] = {{NULL, 0}};
    struct oxp_series *series = NULL;
    for (unsigned i = 0; i < app->key_count; i++) {
        labels[i] = label_of(moment->event, app->keys[i]);
    }
    (void)oxp_family_series(app->family, labels, &series);
    if (app->spec.type == OXP_HISTOGRAM) {
        oxp_observe(ledger, moment, series, value);
    } else if (app->spec.type == OXP_GAUGE) {
        oxp_gauge_set(series, value);
    } else {
        oxp_series_count(series, value);
        oxp_exemplar(ledger, moment, series, value);
    }
}

enum oxp_status oxp_on_metric(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    struct oxp_view kind = oxp_event_text(event, OXP_FIELD_KIND);
    double value = oxp_event_number(event, OXP_FIELD_VALUE, NAN), scale = 1;
    if (oxp_view_is(kind, "function")) {
        return call_of_function(ledger, moment, value);
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!oxp_view_is(kind, kinds[i].name)) {
            continue;
        }
        if (kinds[i].type != OXP_GAUGE && !(value >= 0)) {
            return oxp_refuse_because(moment, OXP_REJECT_BAD_FIELD, "value: a %s takes nothing below 0", kinds[i].name);
        }
        struct app *app = NULL;
        enum oxp_status status = get_app(ledger, moment, kinds[i].type, &app, &scale);
        if (status == OXP_OK && app != NULL) {
            record(ledger, moment, app, value * scale);
        }
        return status;
    }
    return oxp_refuse_because(moment, OXP_REJECT_BAD_FIELD,
                              "kind: \"%.*s\" is not one of counter, gauge, histogram, function", (int)kind.len,
                              kind.ptr);
}
