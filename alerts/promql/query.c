#include "alerts/promql/eval.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "alerts/promql/parse.h"
#include "alerts/tsdb/points.h"
#include "lib/base/utf8.h"

/* The clock is looked at once in so many checks, or when so many values were worked through between them; the flag of
 * cancellation at each. */
#define CHECKS_PER_LOOK 16
#define VALUES_PER_LOOK (UINT64_C(1) << 20)
/* Annotations kept of each level: a query over everything makes one for each metric's name, and nobody reads those. */
#define ANNOTATIONS_MAX 64

enum oxp_status oxp_query_fail(struct oxp_query_state *query, enum oxp_status status, const char *format, ...) {
    if (query->error.text[0] != '\0') {
        return status; /* the first reason is the one to tell */
    }
    char text[sizeof query->error.text * 2]; /* cut at a whole character by oxp_error_set */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return oxp_error_set(&query->error, status, 0, 0, "%s", text);
}

enum oxp_status oxp_query_work(struct oxp_query_state *query, uint64_t values) {
    if (query->cancelled != NULL && atomic_load_explicit(query->cancelled, memory_order_relaxed)) {
        return oxp_query_fail(query, OXP_ERR_CLOSED, "query was canceled in expression evaluation");
    }
    uint64_t cost = VALUES_PER_LOOK / CHECKS_PER_LOOK + (values < VALUES_PER_LOOK ? values : VALUES_PER_LOOK);
    if (query->patience > cost) {
        query->patience -= cost;
        return OXP_OK;
    }
    query->patience = 0; /* whoever asks again after the end is told again */
    if (query->clock != NULL && oxp_clock_mono(query->clock).ns >= query->deadline.ns) {
        return oxp_query_fail(query, OXP_ERR_TIMEOUT, "query timed out in expression evaluation");
    }
    query->patience = VALUES_PER_LOOK;
    return OXP_OK;
}

enum oxp_status oxp_query_check(struct oxp_query_state *query, uint64_t samples) {
    query->samples += samples;
    if (query->samples > query->samples_max) {
        return oxp_query_fail(query, OXP_ERR_LIMIT,
                              "query processing would load too many samples into memory in query execution");
    }
    return oxp_query_work(query, samples);
}

enum oxp_status oxp_query_patterns(struct oxp_query_state *query) {
    return query->expr == NULL || oxp_promql_limited(query->expr) == query->limited
               ? OXP_OK
               : oxp_query_fail(query, OXP_ERR_LIMIT, OXP_PROMQL_PATTERN_LIMIT);
}

static enum oxp_status fail_memory_max(struct oxp_query_state *query) {
    return oxp_query_fail(query, OXP_ERR_LIMIT, "query needs more than its %zu bytes of memory", query->memory_max);
}

enum oxp_status oxp_query_memory(struct oxp_query_state *query) {
    return oxp_arena_status(&query->arena) == OXP_ERR_LIMIT ? fail_memory_max(query)
                                                            : oxp_query_fail(query, OXP_ERR_NOMEM, "out of memory");
}

/* What the points have grown by comes off the arena's cap. False when that is not there. */
static bool charge_points(struct oxp_query_state *query, size_t size) {
    const size_t each = sizeof *query->points.time_ms + sizeof *query->points.value;
    size_t grown = size > query->points_size ? size - query->points_size : 0;
    if (query->memory_max == 0 || grown == 0) {
        return true;
    }
    if (grown >= (query->arena.cap - query->arena.bytes) / each) {
        return false;
    }
    query->arena.cap -= grown * each;
    query->points_size += grown;
    return true;
}

enum oxp_status oxp_query_points(struct oxp_query_state *query, size_t count) {
    if (!charge_points(query, count)) { /* asked before they are there */
        return fail_memory_max(query);
    }
    if (oxp_points_reserve(&query->points, count) != OXP_OK) {
        return oxp_query_fail(query, OXP_ERR_NOMEM, "out of memory");
    }
    return charge_points(query, query->points.size) ? OXP_OK : fail_memory_max(query);
}

/* Finds the place of a node as Prometheus counts it: lines from 1, columns in bytes from 1. The last one found is kept,
 * since a node that has something to say often says it at every step. */
static void find_place(struct oxp_query_state *query, const struct oxp_promql_node *node) {
    if (query->line != 0 && query->placed == node->start) {
        return;
    }
    query->placed = node->start;
    query->line = query->column = 1;
    for (size_t i = 0; i < node->start && i < query->text.len; i++) {
        bool end = query->text.ptr[i] == '\n';
        query->line += end;
        query->column = end ? 1 : query->column + 1;
    }
}

static size_t count_level(const struct oxp_query_state *query, enum oxp_annotation_level level) {
    size_t count = 0;
    for (size_t i = 0; i < query->annotation_count; i++) {
        count += query->annotations[i].level == level;
    }
    return count;
}

static bool is_there(const struct oxp_query_state *query, enum oxp_annotation_level level, struct oxp_view text) {
    for (size_t i = 0; i < query->annotation_count; i++) {
        if (query->annotations[i].level == level && oxp_view_equal(query->annotations[i].text, text)) {
            return true;
        }
    }
    return false;
}

void oxp_query_annotate(struct oxp_query_state *query, enum oxp_annotation_level level,
                        const struct oxp_promql_node *node, const char *format, ...) {
    static const char prefix[] = "PromQL ";
    char sentence[1024], text[1024 + 64];
    if (count_level(query, level) >= ANNOTATIONS_MAX) {
        return;
    }
    va_list args;
    va_start(args, format);
    int written = vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (written >= (int)sizeof sentence) { /* cut at a whole character */
        sentence[oxp_utf8_cut(oxp_view_from(sentence), sizeof sentence - 2).len] = '\0';
    }
    int len = snprintf(text, sizeof text, "%s%s",
                       strncmp(sentence, prefix, sizeof prefix - 1) == 0 ? ""
                       : level == OXP_ANNOTATION_WARNING                 ? "PromQL warning: "
                                                                         : "PromQL info: ",
                       sentence);
    if (node != NULL && len > 0) {
        find_place(query, node);
        snprintf(text + len, sizeof text - (size_t)len, " (%u:%u)", query->line, query->column);
    }
    struct oxp_view view = oxp_view_from(text);
    if (is_there(query, level, view)) {
        return;
    }
    struct oxp_annotation *annotations = oxp_arena_grow(&query->arena, query->annotations, query->annotation_count,
                                                        query->annotation_count + 1, sizeof *annotations);
    if (annotations == NULL) {
        return; /* the failure sticks to the arena */
    }
    query->annotations = annotations;
    view = oxp_arena_copy(&query->arena, view);
    if (view.ptr != NULL) {
        annotations[query->annotation_count++] = (struct oxp_annotation){.level = level, .text = view};
    }
}
