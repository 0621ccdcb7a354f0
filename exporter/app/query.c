/* oxpecker query EXPR: one instant query over the HTTP API of a sidecar (or of any Prometheus), as a table or as the
 * answer itself. Warnings and infos go to standard error. */
#include "exporter/app/app.h"
#include "exporter/app/words.h"

#include "alerts/tsdb/labels.h"
#include "exporter/config/config.h"
#include "lib/base/utf8.h"
#include "lib/json/json.h"
#include "lib/net/net.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH "/api/v1/query"
#define TIMEOUT_MS 150000 /* longer than a query may take */
#define ANSWER_MAX ((size_t)256 * 1024 * 1024)

struct options {
    const char *expr, *server, *time, *output;
    char **flags; /* of the configuration */
    int flag_count;
};

/* ---- Words ---- */

/* --name=VALUE or --name VALUE at argv[*at]; false when it is another word. A missing value is NULL. */
static bool take_option(const char *name, int argc, char **argv, int *at, const char **value_out) {
    size_t len = strlen(name);
    const char *word = argv[*at];
    if (strncmp(word, name, len) != 0 || (word[len] != '=' && word[len] != '\0')) {
        return false;
    }
    if (word[len] == '=') {
        *value_out = word + len + 1;
    } else {
        *value_out = *at + 1 < argc ? argv[++*at] : NULL;
    }
    return true;
}

static bool usage(void) {
    fputs("usage: oxpecker query [--server=URL] [--time=TIME] [--output=table|json] [flags] EXPR\n"
          "for example: oxpecker query 'sum by (state) (orchestrator_sessions_active)'\n",
          stderr);
    return false;
}

/* A word of the configuration's flags, with the word behind it where it takes one. */
static void take_flag(struct options *options, int argc, char **argv, int *at) {
    options->flags[options->flag_count++] = argv[*at];
    if (!oxp_words_flag_is_whole(argv[*at]) && *at + 1 < argc) {
        options->flags[options->flag_count++] = argv[++*at];
    }
}

static bool read_words(int argc, char **argv, struct options *options) {
    bool words_only = false;
    options->output = "table";
    for (int i = 0; i < argc; i++) {
        const char **const values[] = {&options->server, &options->time, &options->output};
        static const char *const names[] = {"--server", "--time", "--output"};
        size_t n = 0;
        while (!words_only && n < 3 && !take_option(names[n], argc, argv, &i, values[n])) {
            n++;
        }
        if (!words_only && n < 3) {
            if (*values[n] == NULL) {
                fprintf(stderr, "oxpecker query: %s needs a value\n", names[n]);
                return false;
            }
        } else if (!words_only && strcmp(argv[i], "--") == 0) {
            words_only = true;
        } else if (!words_only && strncmp(argv[i], "--", 2) == 0) {
            take_flag(options, argc, argv, &i);
        } else if (options->expr != NULL) {
            fputs("oxpecker query: one expression, please (in quotes)\n", stderr);
            return false;
        } else {
            options->expr = argv[i];
        }
    }
    if (strcmp(options->output, "table") != 0 && strcmp(options->output, "json") != 0) {
        fputs("oxpecker query: --output must be table or json\n", stderr);
        return false;
    }
    return options->expr != NULL || usage();
}

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

/* The URL to ask: of --server, or of where the configuration says that the sidecar listens. */
static bool find_url(const struct options *options, char *url, size_t size) {
    struct oxp_config config;
    struct oxp_error error = {0};
    struct oxp_config_source source = {.argc = options->flag_count, .argv = options->flags, .environment = environ};
    if (oxp_config_load(&source, &config, &error) != OXP_OK) {
        fprintf(stderr, "oxpecker query: %s\n", error.text);
        return false;
    }
    if (options->server == NULL) {
        oxp_words_url(oxp_config_text(&config, OXP_OPT_WEB_LISTEN_ADDRESS), PATH, url, size);
    } else {
        int len = (int)strlen(options->server);
        len -= len > 0 && options->server[len - 1] == '/' ? 1 : 0;
        snprintf(url, size, "%s%.*s" PATH, strstr(options->server, "://") == NULL ? "http://" : "", len,
                 options->server);
    }
    oxp_config_fini(&config);
    return true;
}

static bool ask(const struct options *options, const char *url, struct oxp_http_response *response) {
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    struct oxp_http *http = NULL;
    struct oxp_error error = {0};
    struct oxp_buf form;
    oxp_buf_init(&form, 0);
    oxp_buf_append_text(&form, "query=");
    append_encoded(&form, options->expr);
    if (options->time != NULL) {
        oxp_buf_append_text(&form, "&time=");
        append_encoded(&form, options->time);
    }
    struct oxp_http_request request = {
        .method = "POST",
        .url = url,
        .headers = headers,
        .body = oxp_buf_view(&form),
        .timeout_ms = TIMEOUT_MS,
        .direct = options->server == NULL,
        .max_body_bytes = ANSWER_MAX,
    };
    bool asked = false;
    if (oxp_buf_status(&form) != OXP_OK || oxp_net_http_new(&http) != OXP_OK) {
        fputs("oxpecker query: out of memory\n", stderr);
    } else if (http->exchange(http, &request, response, &error) != OXP_OK) {
        fprintf(stderr, "oxpecker query: %s: %s\n", url, error.text);
    } else {
        asked = true;
    }
    if (http != NULL) {
        http->free(http);
    }
    oxp_buf_fini(&form);
    return asked;
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
           (int)value.len, value.ptr);
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

static int show(const struct options *options, const char *url, const struct oxp_http_response *response) {
    struct oxp_json *answer = NULL;
    struct oxp_view body = oxp_view_of(response->body, response->body_len);
    if (body.ptr == NULL || oxp_json_read(body, &answer, NULL) != OXP_OK ||
        !oxp_view_is(oxp_json_text_of(oxp_json_get(answer, "status")), "success")) {
        struct oxp_view type = oxp_json_text_of(oxp_json_get(answer, "errorType"));
        struct oxp_view text = oxp_json_text_of(oxp_json_get(answer, "error"));
        if (text.len != 0) {
            fprintf(stderr, "oxpecker query: %.*s%s%.*s\n", (int)type.len, type.ptr == NULL ? "" : type.ptr,
                    type.len > 0 ? ": " : "", (int)text.len, text.ptr);
        } else {
            fprintf(stderr, "oxpecker query: %s: HTTP status %d, and no answer of a query API\n", url,
                    response->status);
        }
        oxp_json_free(answer);
        return 1;
    }
    int status = 0;
    print_notes("warning", oxp_json_get(answer, "warnings"));
    print_notes("info", oxp_json_get(answer, "infos"));
    if (strcmp(options->output, "json") == 0) {
        printf("%.*s%s", (int)body.len, body.ptr, body.ptr[body.len - 1] == '\n' ? "" : "\n");
    } else {
        status = print_table(oxp_json_get(answer, "data"));
    }
    oxp_json_free(answer);
    return status;
}

int oxp_command_query(int argc, char **argv) {
    struct options options = {.flags = calloc((size_t)argc + 1, sizeof(char *))};
    struct oxp_http_response response = {0};
    char url[1024];
    int status = 1;
    if (options.flags == NULL) {
        fputs("oxpecker query: out of memory\n", stderr);
    } else if (read_words(argc, argv, &options) && find_url(&options, url, sizeof url) &&
               ask(&options, url, &response)) {
        status = show(&options, url, &response);
    }
    oxp_http_response_fini(&response);
    free(options.flags);
    return status;
}
