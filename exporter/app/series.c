#include "exporter/app/series.h"

#include "exporter/app/words.h"
#include "lib/base/number.h"
#include "lib/json/json.h"
#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS 3000
#define ANSWER_MAX ((size_t)1 << 20)

/* count(count by (label, …) (expression)) */
static void append_question(struct oxp_buf *out, const struct oxp_cw_metric *metric) {
    oxp_buf_append_text(out, "count(count by (");
    for (size_t i = 0; i < metric->label_count; i++) {
        oxp_buf_append_format(out, "%s%s", i == 0 ? "" : ",", metric->labels[i].value);
    }
    oxp_buf_append_format(out, ") (%s))", metric->expr);
}

/* RFC 3986: everything but unreserved characters in percent form. */
static void append_encoded(struct oxp_buf *out, struct oxp_view text) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\0' && strchr(plain, text.ptr[i]) != NULL) {
            oxp_buf_append_char(out, text.ptr[i]);
        } else {
            oxp_buf_append_format(out, "%%%02X", (unsigned)(unsigned char)text.ptr[i]);
        }
    }
}

/* The one number of an instant vector; 0 when it is empty. False when this is no such answer. */
static bool read_number(struct oxp_view body, size_t *number_out) {
    struct oxp_json *root = NULL;
    struct oxp_error error = {0};
    double value = 0;
    if (oxp_json_read(body, &root, &error) != OXP_OK) {
        return false;
    }
    const struct oxp_json *result = oxp_json_get(oxp_json_get(root, "data"), "result");
    bool ok = oxp_json_kind_of(result) == OXP_JSON_ARRAY;
    const struct oxp_json *text = oxp_json_at(oxp_json_get(oxp_json_at(result, 0), "value"), 1);
    if (ok && text != NULL) {
        ok = oxp_number_parse_exposition(oxp_json_text_of(text), &value) == OXP_OK && value >= 0 && value < 1e9;
    }
    *number_out = ok ? (size_t)value : 0;
    oxp_json_free(root);
    return ok;
}

static bool ask(struct oxp_http *http, const char *listen, const struct oxp_cw_metric *metric, size_t *series_out) {
    struct oxp_buf question, path, url;
    struct oxp_http_response response = {0};
    struct oxp_error error = {0};
    bool ok = false;
    oxp_buf_init(&question, 0);
    oxp_buf_init(&path, 0);
    oxp_buf_init(&url, 0);
    append_question(&question, metric);
    oxp_buf_append_text(&path, "/api/v1/query?query=");
    append_encoded(&path, oxp_buf_view(&question));
    const char *text = oxp_buf_text(&path);
    char *room = oxp_buf_reserve(&url, path.len + OXP_WORDS_URL_ROOM);
    if (oxp_buf_status(&question) == OXP_OK && oxp_buf_status(&path) == OXP_OK && room != NULL) {
        oxp_words_url(listen, text, room, path.len + OXP_WORDS_URL_ROOM);
        const struct oxp_http_request request = {
            .method = "GET", .url = room, .timeout_ms = TIMEOUT_MS, .direct = true, .max_body_bytes = ANSWER_MAX};
        ok = http->exchange(http, &request, &response, &error) == OXP_OK && response.status == 200 &&
             read_number(oxp_view_of(response.body, response.body_len), series_out);
        oxp_http_response_fini(&response);
    }
    oxp_buf_fini(&url);
    oxp_buf_fini(&path);
    oxp_buf_fini(&question);
    return ok;
}

const size_t *oxp_series_of(struct oxp_http *http, const char *listen, const struct oxp_cw_config *config,
                            struct oxp_arena *arena) {
    size_t *series = oxp_arena_zero(arena, config->metric_count + 1, sizeof *series);
    for (size_t i = 0; series != NULL && i < config->metric_count; i++) {
        series[i] = 1;
        if (config->metrics[i].label_count > 0) {
            if (!ask(http, listen, &config->metrics[i], &series[i])) {
                return NULL;
            }
            series[i] = series[i] == 0 ? 1 : series[i]; /* it will come */
        }
    }
    return series;
}
