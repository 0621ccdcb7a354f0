#include "alerts/promql/eval.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

/* The clock is looked at once in so many checks; the flag of cancellation at each. */
#define CHECKS_PER_LOOK 16
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

enum oxp_status oxp_query_check(struct oxp_query_state *query, uint64_t samples) {
    query->samples += samples;
    if (query->samples > query->samples_max) {
        return oxp_query_fail(query, OXP_ERR_LIMIT,
                              "query processing would load too many samples into memory in query execution");
    }
    if (query->cancelled != NULL && atomic_load_explicit(query->cancelled, memory_order_relaxed)) {
        return oxp_query_fail(query, OXP_ERR_CLOSED, "query was canceled in expression evaluation");
    }
    if (query->ticks++ % CHECKS_PER_LOOK == 0 && query->clock != NULL &&
        oxp_clock_mono(query->clock).ns >= query->deadline.ns) {
        query->ticks = 0; /* whoever asks again is told again */
        return oxp_query_fail(query, OXP_ERR_TIMEOUT, "query timed out in expression evaluation");
    }
    return OXP_OK;
}

enum oxp_status oxp_query_memory(struct oxp_query_state *query) {
    if (oxp_arena_status(&query->arena) == OXP_ERR_LIMIT) {
        return oxp_query_fail(query, OXP_ERR_LIMIT, "query needs more than its %zu bytes of memory", query->arena.cap);
    }
    return oxp_query_fail(query, OXP_ERR_NOMEM, "out of memory");
}

/* The place of a node as Prometheus counts it: lines from 1, columns in bytes from 1. */
static void place_of(const struct oxp_query_state *query, const struct oxp_promql_node *node, unsigned *line_out,
                     unsigned *column_out) {
    unsigned line = 1, column = 1;
    for (size_t i = 0; i < node->start && i < query->text.len; i++) {
        bool end = query->text.ptr[i] == '\n';
        line += end;
        column = end ? 1 : column + 1;
    }
    *line_out = line;
    *column_out = column;
}

/* True when there is one like it, or so many of its level that it is not kept. */
static bool is_superfluous(const struct oxp_query_state *query, enum oxp_annotation_level level, struct oxp_view text) {
    size_t same_level = 0;
    for (size_t i = 0; i < query->annotation_count; i++) {
        if (query->annotations[i].level != level) {
            continue;
        }
        if (oxp_view_equal(query->annotations[i].text, text)) {
            return true;
        }
        same_level++;
    }
    return same_level >= ANNOTATIONS_MAX;
}

void oxp_query_annotate(struct oxp_query_state *query, enum oxp_annotation_level level,
                        const struct oxp_promql_node *node, const char *format, ...) {
    static const char prefix[] = "PromQL ";
    char sentence[1024], text[1024 + 64];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    int len = snprintf(text, sizeof text, "%s%s",
                       strncmp(sentence, prefix, sizeof prefix - 1) == 0 ? ""
                       : level == OXP_ANNOTATION_WARNING                 ? "PromQL warning: "
                                                                         : "PromQL info: ",
                       sentence);
    if (node != NULL && len > 0) {
        unsigned line, column;
        place_of(query, node, &line, &column);
        snprintf(text + len, sizeof text - (size_t)len, " (%u:%u)", line, column);
    }
    struct oxp_view view = oxp_view_from(text);
    if (is_superfluous(query, level, view)) {
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
