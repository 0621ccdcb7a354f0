/* oxpecker alerts: what fires and what is about to, and why, over the HTTP API of a sidecar (or of any Prometheus). The
 * table is made of /api/v1/rules, which has the expressions, too; --output=json is the answer of /api/v1/alerts. Rules
 * that fail are named on standard error: what they watch for cannot be seen. */
#include "exporter/app/app.h"
#include "exporter/app/ask.h"

#include "alerts/promql/parse.h"
#include "exporter/api/query_args.h"
#include "lib/base/clock.h"
#include "lib/base/number.h"
#include "lib/base/utf8.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATE, SEVERITY, SINCE, ACTIVE, VALUE, NAME, COLUMNS };

struct row {
    struct oxp_view cells[COLUMNS];
    struct oxp_view labels; /* but for those of the columns */
    struct oxp_view why;    /* what the rule's author says */
    struct oxp_view query;
};

struct table {
    struct oxp_arena arena;
    struct oxp_buf text; /* of the cell at hand */
    int64_t now_ms;
    struct row *rows;
    size_t count, rules;
};

/* ---- Reading ---- */

static struct oxp_view text_of(const struct oxp_json *object, const char *key) {
    return oxp_json_text_of(oxp_json_get(object, key));
}

/* What was appended to the cell's text, kept. */
static struct oxp_view take_text(struct table *table) {
    struct oxp_view copy = oxp_arena_copy(&table->arena, oxp_buf_view(&table->text));
    if (oxp_buf_status(&table->text) != OXP_OK) {
        table->arena.status = OXP_ERR_NOMEM;
    }
    oxp_buf_clear(&table->text);
    return copy;
}

/* "2026-11-22T04:26:00Z", whatever the fraction. */
static struct oxp_view since_of(struct table *table, int64_t active_ms) {
    char text[25];
    oxp_wall_format((struct oxp_wall){active_ms * OXP_NS_PER_MS}, text);
    oxp_buf_append(&table->text, text, 19);
    oxp_buf_append_char(&table->text, 'Z');
    return take_text(table);
}

/* For how long it has been so; of one that is pending, of how long before it fires. */
static struct oxp_view active_of(struct table *table, int64_t active_ms, bool pending, double for_s) {
    int64_t active_s = (table->now_ms - active_ms) / 1000;
    oxp_promql_print_duration(&table->text, (active_s < 0 ? 0 : active_s) * 1000);
    if (pending && for_s >= 0 && for_s < 1e9) {
        oxp_buf_append_text(&table->text, " of ");
        oxp_promql_print_duration(&table->text, (int64_t)(for_s * 1000));
    }
    return take_text(table);
}

/* "1e+00" as people write it. */
static struct oxp_view value_of(struct table *table, struct oxp_view text) {
    double value = 0;
    if (oxp_number_parse_exposition(text, &value) != OXP_OK) {
        return text;
    }
    oxp_buf_append_double(&table->text, value);
    return take_text(table);
}

static struct oxp_view labels_of(struct table *table, const struct oxp_json *labels) {
    struct oxp_view key;
    void *place = NULL;
    bool first = true;
    for (const struct oxp_json *value; (value = oxp_json_next(labels, &place, &key)) != NULL;) {
        if (!oxp_view_is(key, "alertname") && !oxp_view_is(key, "severity")) {
            oxp_buf_append_text(&table->text, first ? "" : ", ");
            oxp_buf_append_view(&table->text, key);
            oxp_buf_append_char(&table->text, '=');
            oxp_text_quote(&table->text, oxp_json_text_of(value));
            first = false;
        }
    }
    return take_text(table);
}

static void add_alert(struct table *table, const struct oxp_json *rule, const struct oxp_json *alert) {
    const struct oxp_json *labels = oxp_json_get(alert, "labels"), *annotations = oxp_json_get(alert, "annotations");
    int64_t active_ms = table->now_ms;
    struct oxp_error error;
    struct oxp_view state = text_of(alert, "state"), why = text_of(annotations, "summary");
    struct row *rows = oxp_arena_grow(&table->arena, table->rows, table->count, table->count + 1, sizeof *rows);
    if (rows == NULL) {
        return; /* sticks to the arena */
    }
    (void)oxp_query_time(text_of(alert, "activeAt"), &active_ms, &error);
    table->rows = rows;
    rows[table->count++] = (struct row){
        .cells = {[STATE] = state,
                  [SEVERITY] = text_of(labels, "severity"),
                  [SINCE] = since_of(table, active_ms),
                  [ACTIVE] = active_of(table, active_ms, oxp_view_is(state, "pending"),
                                       oxp_json_number_of(oxp_json_get(rule, "duration"))),
                  [VALUE] = value_of(table, text_of(alert, "value")),
                  [NAME] = text_of(rule, "name")},
        .labels = labels_of(table, labels),
        .why = why.len > 0 ? why : text_of(annotations, "description"),
        .query = text_of(rule, "query"),
    };
}

static void add_rule(struct table *table, const struct oxp_json *rule) {
    const struct oxp_json *alerts = oxp_json_get(rule, "alerts");
    struct oxp_view name = text_of(rule, "name"), reason = text_of(rule, "lastError");
    if (!oxp_view_is(text_of(rule, "type"), "alerting")) {
        return;
    }
    table->rules++;
    if (reason.len > 0) {
        fprintf(stderr, "warning: the rule %.*s fails: %.*s\n", (int)name.len, name.ptr == NULL ? "" : name.ptr,
                (int)reason.len, reason.ptr);
    }
    for (size_t i = 0; i < oxp_json_size(alerts); i++) {
        add_alert(table, rule, oxp_json_at(alerts, i));
    }
}

/* What fires first, then by name and by time. */
static int compare_rows(const void *a, const void *b) {
    const struct row *left = a, *right = b;
    static const int columns[] = {STATE, NAME, SINCE}; /* "firing" stands before "pending" */
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        struct oxp_view x = left->cells[columns[i]], y = right->cells[columns[i]];
        size_t len = x.len < y.len ? x.len : y.len;
        int order = len == 0 ? 0 : memcmp(x.ptr, y.ptr, len);
        order = order != 0 ? order : (x.len > y.len) - (x.len < y.len);
        if (order != 0) {
            return order;
        }
    }
    return 0;
}

/* ---- Showing ---- */

static void print_cells(const struct oxp_view *cells, const size_t *widths) {
    for (size_t i = 0; i < COLUMNS; i++) {
        size_t width = oxp_utf8_count(cells[i]);
        int pad = i + 1 < COLUMNS ? (int)(widths[i] - width) + 2 : 0;
        printf("%.*s%*s", (int)cells[i].len, cells[i].ptr == NULL ? "" : cells[i].ptr, pad, "");
    }
    putchar('\n');
}

/* Lines below a row; a text of several lines stays one of several. */
static void print_below(struct oxp_view text, size_t indent) {
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end == NULL ? text.len : (size_t)(end - text.ptr);
        if (len > 0) {
            printf("%*s%.*s\n", (int)indent, "", (int)len, text.ptr);
        }
        len += end != NULL;
        text = oxp_view_of(text.ptr + len, text.len - len);
    }
}

static void print_table(const struct table *table) {
    static const char *const titles[COLUMNS] = {"STATE", "SEVERITY", "SINCE", "FOR", "VALUE", "ALERT"};
    struct oxp_view head[COLUMNS];
    size_t widths[COLUMNS];
    for (size_t c = 0; c < COLUMNS; c++) {
        head[c] = oxp_view_from(titles[c]);
        widths[c] = head[c].len;
        for (size_t i = 0; i < table->count; i++) {
            size_t width = oxp_utf8_count(table->rows[i].cells[c]);
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    print_cells(head, widths);
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        print_cells(row->cells, widths);
        print_below(row->labels, widths[STATE] + 2);
        print_below(row->why, widths[STATE] + 2);
        print_below(row->query, widths[STATE] + 2);
    }
}

static int show(const struct oxp_json *data) {
    struct table table = {.now_ms = oxp_clock_wall(oxp_clock_system()).ns / OXP_NS_PER_MS};
    const struct oxp_json *groups = oxp_json_get(data, "groups");
    oxp_arena_init(&table.arena, 0);
    oxp_buf_init(&table.text, 0);
    for (size_t g = 0; g < oxp_json_size(groups); g++) {
        const struct oxp_json *rules = oxp_json_get(oxp_json_at(groups, g), "rules");
        for (size_t r = 0; r < oxp_json_size(rules); r++) {
            add_rule(&table, oxp_json_at(rules, r));
        }
    }
    bool ok = oxp_arena_status(&table.arena) == OXP_OK;
    if (!ok) {
        fputs("oxpecker alerts: out of memory\n", stderr);
    } else if (table.count == 0) {
        printf("nothing fires and nothing is pending (%zu alerting %s)\n", table.rules,
               table.rules == 1 ? "rule" : "rules");
    } else {
        qsort(table.rows, table.count, sizeof *table.rows, compare_rows);
        print_table(&table);
    }
    oxp_buf_fini(&table.text);
    oxp_arena_fini(&table.arena);
    return ok ? 0 : 1;
}

int oxp_command_alerts(int argc, char **argv) {
    struct oxp_ask ask = {.command = "alerts"};
    struct oxp_asked asked = {0};
    int status = 1;
    if (oxp_ask_read(&ask, argc, argv) &&
        oxp_ask_for(&ask, oxp_ask_json(&ask) ? "/api/v1/alerts" : "/api/v1/rules?type=alert", OXP_VIEW(""), &asked)) {
        status = 0;
        if (oxp_ask_json(&ask)) {
            oxp_asked_print(&asked);
        } else {
            status = show(asked.data);
        }
    }
    oxp_asked_fini(&asked);
    oxp_ask_fini(&ask);
    return status;
}
