/* oxpecker query EXPR: one instant query over the HTTP API of a sidecar (or of any Prometheus), as a table or as the
 * answer itself. Warnings and infos go to standard error. */
#include "exporter/app/app.h"
#include "exporter/app/ask.h"

#include "alerts/tsdb/labels.h"
#include "lib/base/utf8.h"
#include <stdio.h>
#include <string.h>

/* ---- Asking ---- */

static void append_encoded(struct oxp_buf *out, const char *text) {
    static const char hex[] = "0123456789ABCDEF";
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("-._~", c) != NULL) {
            oxp_buf_append_char(out, (char)c);
        } else {
            char escape[] = {'%', hex[c >> 4], hex[c & 15]};
            oxp_buf_append(out, escape, sizeof escape);
        }
    }
}

static bool ask_for(const struct oxp_ask *ask, struct oxp_asked *asked) {
    struct oxp_buf form;
    oxp_buf_init(&form, 0);
    oxp_buf_append_text(&form, "query=");
    append_encoded(&form, ask->word);
    if (ask->value != NULL) {
        oxp_buf_append_text(&form, "&time=");
        append_encoded(&form, ask->value);
    }
    bool done = false;
    if (oxp_buf_status(&form) == OXP_OK) {
        done = oxp_ask_for(ask, "/api/v1/query", oxp_buf_view(&form), asked);
    } else {
        fputs("oxpecker query: out of memory\n", stderr);
    }
    oxp_buf_fini(&form);
    return done;
}

/* ---- Showing ---- */

/* One line of the table. */
struct row {
    struct oxp_view labels;              /* empty: another sample of the series above */
    const struct oxp_json *value, *time; /* time: NULL where all are the same */
};

struct table {
    struct oxp_arena arena;
    struct row *rows;
    size_t count;
    size_t width; /* of the labels, in characters */
};

static struct oxp_view format_labels(struct table *table, const struct oxp_json *metric) {
    struct oxp_labels_builder builder;
    struct oxp_view key;
    void *place = NULL;
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_labels_build(&builder, &table->arena, oxp_labels_none());
    for (const struct oxp_json *value; (value = oxp_json_next(metric, &place, &key)) != NULL;) {
        oxp_labels_set_text(&builder, key, oxp_json_text_of(value));
    }
    const struct oxp_labels *labels = oxp_labels_finish(&builder);
    if (labels != NULL) {
        oxp_labels_format(&text, labels, true);
    }
    struct oxp_view copy = oxp_arena_copy(&table->arena, oxp_buf_view(&text));
    oxp_buf_fini(&text);
    return copy;
}

static void add_row(struct table *table, struct oxp_view labels, const struct oxp_json *sample, bool timed) {
    struct row *rows = oxp_arena_grow(&table->arena, table->rows, table->count, table->count + 1, sizeof *rows);
    if (rows == NULL) {
        return; /* sticks to the arena */
    }
    size_t width = oxp_utf8_count(labels);
    table->width = width > table->width ? width : table->width;
    table->rows = rows;
    rows[table->count++] = (struct row){labels, oxp_json_at(sample, 1), timed ? oxp_json_at(sample, 0) : NULL};
}

static void add_series(struct table *table, const struct oxp_json *series) {
    struct oxp_view labels = format_labels(table, oxp_json_get(series, "metric"));
    const struct oxp_json *values = oxp_json_get(series, "values");
    if (values == NULL) {
        add_row(table, labels, oxp_json_get(series, "value"), false);
    }
    for (size_t i = 0; i < oxp_json_size(values); i++) {
        add_row(table, i == 0 ? labels : OXP_VIEW(""), oxp_json_at(values, i), true);
    }
}

static void print_row(const struct table *table, const struct row *row) {
    struct oxp_view value = oxp_json_text_of(row->value);
    size_t pad = table->width - oxp_utf8_count(row->labels);
    printf("%.*s%*s  %.*s", (int)row->labels.len, row->labels.ptr == NULL ? "" : row->labels.ptr, (int)pad, "",
           (int)value.len, value.ptr == NULL ? "" : value.ptr);
    if (row->time != NULL) {
        struct oxp_buf time;
        oxp_buf_init(&time, 0);
        oxp_buf_append_double(&time, oxp_json_number_of(row->time));
        printf(" @%s", oxp_buf_text(&time));
        oxp_buf_fini(&time);
    }
    putchar('\n');
}

static int print_table(const struct oxp_json *data) {
    struct oxp_view type = oxp_json_text_of(oxp_json_get(data, "resultType"));
    const struct oxp_json *result = oxp_json_get(data, "result");
    struct table table = {.count = 0};
    if (oxp_view_is(type, "scalar") || oxp_view_is(type, "string")) {
        struct oxp_view value = oxp_json_text_of(oxp_json_at(result, 1));
        printf("%.*s\n", (int)value.len, value.ptr == NULL ? "" : value.ptr);
        return 0;
    }
    oxp_arena_init(&table.arena, 0);
    for (size_t i = 0; i < oxp_json_size(result); i++) {
        add_series(&table, oxp_json_at(result, i));
    }
    bool ok = oxp_arena_status(&table.arena) == OXP_OK;
    for (size_t i = 0; ok && i < table.count; i++) {
        print_row(&table, &table.rows[i]);
    }
    oxp_arena_fini(&table.arena);
    if (!ok) {
        fputs("oxpecker query: out of memory\n", stderr);
    }
    return ok ? 0 : 1;
}

static void print_notes(const char *what, const struct oxp_json *notes) {
    for (size_t i = 0; i < oxp_json_size(notes); i++) {
        struct oxp_view text = oxp_json_text_of(oxp_json_at(notes, i));
        fprintf(stderr, "%s: %.*s\n", what, (int)text.len, text.ptr == NULL ? "" : text.ptr);
    }
}

int oxp_command_query(int argc, char **argv) {
    struct oxp_ask ask = {
        .command = "query",
        .value_name = "--time",
        .usage = "usage: oxpecker query [--server=URL] [--time=TIME] [--output=table|json] [flags] EXPR\n"
                 "for example: oxpecker query 'sum by (state) (orchestrator_sessions_active)'\n",
    };
    struct oxp_asked asked = {0};
    int status = 1;
    if (oxp_ask_read(&ask, argc, argv) && ask_for(&ask, &asked)) {
        print_notes("warning", oxp_json_get(asked.answer, "warnings"));
        print_notes("info", oxp_json_get(asked.answer, "infos"));
        status = 0;
        if (oxp_ask_json(&ask)) {
            oxp_asked_print(&asked);
        } else {
            status = print_table(asked.data);
        }
    }
    oxp_asked_fini(&asked);
    oxp_ask_fini(&ask);
    return status;
}
