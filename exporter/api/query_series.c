/* /api/v1/series, /api/v1/labels and /api/v1/label/NAME/values: what there is, without samples. */
#include "exporter/api/query_parts.h"

#include <stdlib.h>

#define LABEL_PATH "/api/v1/label/"
#define VALUES "/values"

/* One request under way. */
struct list {
    struct oxp_query_ask ask;
    struct oxp_query_selectors selectors;
    int64_t min_ms, max_ms;
    size_t limit;
    struct oxp_arena arena;
    struct oxp_tsdb_reader reader;
    bool reading;
    struct oxp_buf label; /* of label values */
    /* what was found */
    const struct oxp_symbol **symbols;
    const struct oxp_labels **series;
    size_t count;
};

static void begin(struct list *list, void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    *list = (struct list){.ask = {.api = ctx, .request = request, .response = response},
                          .min_ms = OXP_QUERY_MIN_MS,
                          .max_ms = OXP_QUERY_MAX_MS};
    oxp_arena_init(&list->arena, OXP_QUERY_LIST_MAX);
    oxp_buf_init(&list->label, 0);
}

static void end(struct list *list, bool ok) {
    if (!ok) {
        oxp_query_send_fault(&list->ask);
    }
    if (list->reading) {
        oxp_tsdb_close(&list->reader);
    }
    oxp_arena_fini(&list->arena);
    oxp_query_selectors_fini(&list->selectors);
    oxp_buf_fini(&list->label);
}

static bool read_arguments(struct list *list, bool parameter) {
    return oxp_query_arg_limit(&list->ask, &list->limit) && oxp_query_arg_time(&list->ask, "start", &list->min_ms) &&
           oxp_query_arg_time(&list->ask, "end", &list->max_ms) &&
           oxp_query_arg_selectors(&list->ask, parameter, &list->selectors);
}

/* Asked before each selector and behind the last. False with the fault set. */
static bool goes_on(struct list *list, size_t done) {
    if (done > 0 && oxp_promql_limited(list->selectors.exprs[done - 1]) != 0) { /* it may have left series out */
        return oxp_query_refuse(&list->ask.fault, OXP_QUERY_EXECUTION, OXP_PROMQL_PATTERN_LIMIT);
    }
    return oxp_query_goes_on(&list->ask);
}

static bool fail(struct list *list, enum oxp_status status) {
    if (status == OXP_OK || status == OXP_ERR_TIMEOUT) {
        return false; /* whoever said that it must end has set the fault */
    }
    if (status == OXP_ERR_LIMIT) {
        return oxp_query_refuse(&list->ask.fault, OXP_QUERY_EXECUTION,
                                "the answer would take more than %zu MiB; ask for less", OXP_QUERY_LIST_MAX >> 20);
    }
    return oxp_query_refuse(&list->ask.fault, OXP_QUERY_UNAVAILABLE, "no memory for the answer");
}

/* While series are selected. */
static bool must_end(void *ctx) {
    return !oxp_query_goes_on(ctx);
}

static bool open_memory(struct list *list) {
    if (!oxp_query_has_memory(&list->ask)) {
        return false;
    }
    enum oxp_status status = oxp_tsdb_read(list->ask.api->tsdb, &list->reader);
    list->reading = status == OXP_OK;
    list->reader.give_up = must_end;
    list->reader.give_up_ctx = &list->ask;
    return list->reading || oxp_query_refuse(&list->ask.fault, OXP_QUERY_UNAVAILABLE,
                                             "too many readers of the short memory at a time; try again");
}

static const struct oxp_promql_node *selector_at(const struct list *list, size_t index) {
    return list->selectors.exprs[index]->root;
}

/* Sends what was written to `text` so far, with its warning, as a whole answer. */
static bool send(struct list *list, struct oxp_buf *text, bool truncated) {
    static const char *const note[] = {"results truncated due to limit", NULL};
    oxp_query_json_annotations(text, NULL, 0, truncated ? note : NULL);
    oxp_buf_append_char(text, '}');
    return oxp_query_send_text(&list->ask, text);
}

/* ---- Series ---- */

static int compare_series(const void *a, const void *b) {
    return oxp_labels_compare(*(const struct oxp_labels *const *)a, *(const struct oxp_labels *const *)b);
}

static int compare_addresses(const void *a, const void *b) {
    uintptr_t left = (uintptr_t) * (const void *const *)a, right = (uintptr_t) * (const void *const *)b;
    return (left > right) - (left < right);
}

/* Several selectors may have found the same series: each once, by labels. */
static void unite_series(struct list *list) {
    size_t kept = 0;
    if (list->selectors.count < 2 || list->count < 2) {
        return; /* the short memory gave them sorted */
    }
    qsort(list->series, list->count, sizeof(void *), compare_addresses);
    for (size_t i = 0; i < list->count; i++) {
        if (i == 0 || list->series[i] != list->series[kept - 1]) {
            list->series[kept++] = list->series[i];
        }
    }
    list->count = kept;
    qsort(list->series, list->count, sizeof(void *), compare_series);
}

/* Adds what one selector finds. */
static enum oxp_status add_series(struct list *list, size_t index) {
    const struct oxp_promql_node *node = selector_at(list, index);
    struct oxp_tsdb_found *found = NULL;
    size_t found_count = 0;
    enum oxp_status status = oxp_tsdb_select(&list->reader, node->selector.matchers, node->selector.matcher_count,
                                             list->min_ms, list->max_ms, &list->arena, &found, &found_count);
    if (status != OXP_OK || found_count == 0) {
        return status;
    }
    list->series = oxp_arena_grow(&list->arena, list->series, list->count, list->count + found_count, sizeof(void *));
    if (list->series == NULL) {
        return oxp_arena_status(&list->arena);
    }
    for (size_t i = 0; i < found_count; i++) {
        list->series[list->count++] = found[i].labels;
    }
    return OXP_OK;
}

static bool answer_series(struct list *list) {
    enum oxp_status status = OXP_OK;
    for (size_t i = 0; i < list->selectors.count && status == OXP_OK; i++) {
        status = goes_on(list, i) ? add_series(list, i) : OXP_ERR_TIMEOUT;
    }
    if (status != OXP_OK || !goes_on(list, list->selectors.count)) {
        return fail(list, status);
    }
    unite_series(list);
    bool truncated = list->limit != 0 && list->count > list->limit;
    size_t until = truncated ? list->limit : list->count;
    struct oxp_buf text;
    oxp_buf_init(&text, OXP_QUERY_BODY_MAX);
    oxp_query_json_begin(&text);
    oxp_buf_append_char(&text, '[');
    for (size_t i = 0; i < until && oxp_buf_status(&text) == OXP_OK; i++) {
        oxp_buf_append_text(&text, i > 0 ? "," : "");
        oxp_query_json_labels(&text, list->series[i]);
    }
    oxp_buf_append_char(&text, ']');
    return send(list, &text, truncated);
}

void oxp_api_series(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    struct list list;
    struct oxp_view first;
    begin(&list, ctx, request, response);
    bool ok = oxp_request_field(request, "match[]", 0, &first) ||
              oxp_query_refuse(&list.ask.fault, OXP_QUERY_BAD_DATA, "no match[] parameter provided");
    end(&list, ok && read_arguments(&list, true) && open_memory(&list) && answer_series(&list));
}

/* ---- Labels and their values ---- */

static int compare_symbols(const void *a, const void *b) {
    return oxp_symbol_compare(*(const struct oxp_symbol *const *)a, *(const struct oxp_symbol *const *)b);
}

/* Names, or the values of list->label, under one selector (NULL: of all series). */
static enum oxp_status add_symbols(struct list *list, bool values, const struct oxp_promql_node *node) {
    const struct oxp_matcher *matchers = node == NULL ? NULL : node->selector.matchers;
    size_t matcher_count = node == NULL ? 0 : node->selector.matcher_count, found_count = 0;
    const struct oxp_symbol **found = NULL;
    enum oxp_status status =
        values ? oxp_tsdb_label_values(&list->reader, oxp_buf_view(&list->label), matchers, matcher_count, list->min_ms,
                                       list->max_ms, &list->arena, &found, &found_count)
               : oxp_tsdb_label_names(&list->reader, matchers, matcher_count, list->min_ms, list->max_ms, &list->arena,
                                      &found, &found_count);
    if (status != OXP_OK || found_count == 0) {
        return status;
    }
    list->symbols = oxp_arena_grow(&list->arena, list->symbols, list->count, list->count + found_count, sizeof(void *));
    if (list->symbols == NULL) {
        return oxp_arena_status(&list->arena);
    }
    memcpy(list->symbols + list->count, found, found_count * sizeof(void *));
    list->count += found_count;
    return OXP_OK;
}

static void sort_and_unite(struct list *list) {
    size_t kept = 0;
    if (list->selectors.count < 2 || list->count < 2) {
        return; /* the short memory gave them sorted */
    }
    qsort(list->symbols, list->count, sizeof(void *), compare_symbols);
    for (size_t i = 0; i < list->count; i++) {
        if (i == 0 || !oxp_symbol_equal(list->symbols[i], list->symbols[kept - 1])) {
            list->symbols[kept++] = list->symbols[i];
        }
    }
    list->count = kept;
}

static bool answer_symbols(struct list *list, bool values) {
    enum oxp_status status = list->selectors.count == 0 ? add_symbols(list, values, NULL) : OXP_OK;
    for (size_t i = 0; i < list->selectors.count && status == OXP_OK; i++) {
        status = goes_on(list, i) ? add_symbols(list, values, selector_at(list, i)) : OXP_ERR_TIMEOUT;
    }
    if (status != OXP_OK || !goes_on(list, list->selectors.count)) {
        return fail(list, status);
    }
    sort_and_unite(list);
    bool truncated = list->limit != 0 && list->count > list->limit;
    struct oxp_buf text;
    oxp_buf_init(&text, OXP_QUERY_BODY_MAX);
    oxp_query_json_begin(&text);
    oxp_query_json_symbols(&text, list->symbols, truncated ? list->limit : list->count);
    return send(list, &text, truncated);
}

void oxp_api_labels(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    struct list list;
    begin(&list, ctx, request, response);
    end(&list, read_arguments(&list, false) && open_memory(&list) && answer_symbols(&list, false));
}

/* NAME of the path label/NAME/values. */
static bool read_label(struct list *list) {
    struct oxp_view path = oxp_request_path(list->ask.request);
    const size_t before = sizeof LABEL_PATH - 1, behind = sizeof VALUES - 1;
    struct oxp_error error = {0};
    if (path.len < before + behind || memcmp(path.ptr + path.len - behind, VALUES, behind) != 0) {
        return oxp_query_refuse(&list->ask.fault, OXP_QUERY_NOT_FOUND, "there is nothing at this path");
    }
    enum oxp_status status =
        oxp_query_label_name(oxp_view_of(path.ptr + before, path.len - before - behind), &list->label, &error);
    if (status == OXP_ERR_INVALID) {
        return oxp_query_refuse(&list->ask.fault, OXP_QUERY_BAD_DATA, "%s", error.text);
    }
    return status == OXP_OK || fail(list, status);
}

void oxp_api_label_values(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    struct list list;
    begin(&list, ctx, request, response);
    end(&list, read_label(&list) && read_arguments(&list, false) && open_memory(&list) && answer_symbols(&list, true));
}
