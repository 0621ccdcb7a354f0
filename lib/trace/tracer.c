#include "lib/trace/parts.h"

#include "lib/base/utf8.h"
#include "lib/trace/tree.h"
#include <stdlib.h>

/* ---- Making one ---- */

enum oxp_status oxp_tracer_new(const struct oxp_tracer_options *given, struct oxp_tracer **tracer_out) {
    static const struct oxp_tracer_options defaults = {.service = NULL};
    const struct oxp_tracer_options *options = given == NULL ? &defaults : given;
    struct oxp_tracer *tracer = calloc(1, sizeof *tracer);
    *tracer_out = NULL;
    if (tracer == NULL) {
        return OXP_ERR_NOMEM;
    }
    const char *service = options->service == NULL || options->service[0] == '\0' ? "orchestrator" : options->service;
    struct oxp_view kept = oxp_utf8_cut(oxp_view_from(service), sizeof tracer->service - 1);
    memcpy(tracer->service, kept.ptr, kept.len);
    tracer->kept = options->kept == 0 ? OXP_TRACE_KEPT : options->kept;
    tracer->active_max = options->active_max == 0 ? OXP_TRACE_ACTIVE_MAX : options->active_max;
    tracer->reporter = options->reporter;
    tracer->report_ends_only = options->report_ends_only;
    tracer->now_s = options->now_s;
    tracer->ctx = options->ctx;
    tracer->ended = calloc(tracer->kept, sizeof(struct oxp_span *));
    enum oxp_status status = tracer->ended == NULL ? OXP_ERR_NOMEM : oxp_export_init(&tracer->export, options);
    if (status != OXP_OK) {
        free(tracer->ended);
        free(tracer);
        return status;
    }
    oxp_random_init(&tracer->random);
    pthread_mutex_init(&tracer->lock, NULL);
    oxp_trace_enlist(tracer);
    *tracer_out = tracer;
    return OXP_OK;
}

static void drop_list_locked(struct oxp_span **list) {
    while (*list != NULL) {
        struct oxp_span *span = *list;
        *list = span->next;
        oxp_span_unref_locked(span);
    }
}

static void drop_ended_locked(struct oxp_tracer *tracer) {
    for (size_t i = 0; i < tracer->kept; i++) {
        if (tracer->ended[i] != NULL) {
            oxp_span_unref_locked(tracer->ended[i]);
            tracer->ended[i] = NULL;
        }
    }
    tracer->ended_total = 0;
    tracer->ended_count = 0;
}

void oxp_tracer_free(struct oxp_tracer *tracer) {
    if (tracer == NULL) {
        return;
    }
    oxp_export_end(tracer);
    oxp_trace_delist(tracer);
    pthread_mutex_lock(&tracer->lock);
    drop_list_locked(&tracer->active);
    drop_list_locked(&tracer->inherited);
    drop_ended_locked(tracer);
    oxp_trace_empty_bin_locked(tracer);
    pthread_mutex_unlock(&tracer->lock);
    pthread_mutex_destroy(&tracer->lock);
    free(tracer->ended);
    free(tracer);
}

/* The parent ends, keeps and exports what is its own; who holds an open span here may still use it as a parent. */
void oxp_tracer_begin_anew_locked(struct oxp_tracer *tracer) {
    struct oxp_span **end = &tracer->active, *last = NULL;
    while (*end != NULL) {
        last = *end;
        end = &last->next;
    }
    *end = tracer->inherited;
    if (tracer->inherited != NULL) {
        tracer->inherited->previous = last;
    }
    tracer->inherited = tracer->active;
    tracer->active = NULL;
    tracer->active_count = 0;
    tracer->generation++;
    tracer->readers = 0; /* whoever read is not in this process */
    oxp_export_forget_locked(tracer);
    drop_ended_locked(tracer);
    oxp_trace_empty_bin_locked(tracer);
    tracer->stats = (struct oxp_tracer_stats){.active = 0};
    oxp_random_init(&tracer->random);
}

/* ---- Looking ---- */

void oxp_tracer_read(const struct oxp_tracer *tracer, struct oxp_tracer_stats *stats_out) {
    struct oxp_tracer *open = (struct oxp_tracer *)(uintptr_t)tracer; /* its lock is no part of what it says */
    *stats_out = (struct oxp_tracer_stats){.active = 0};
    if (tracer == NULL) {
        return;
    }
    pthread_mutex_lock(&open->lock);
    *stats_out = open->stats;
    stats_out->active = open->active_count;
    stats_out->kept = open->ended_count;
    pthread_mutex_unlock(&open->lock);
}

/* Pointers to spans; valid from begin_walk to end_walk. */
struct walk {
    const struct oxp_span **spans; /* NULL without memory, or when there are none */
    size_t count;
};

enum { WANT_ACTIVE = 1, WANT_ENDED = 2 };

static bool is_of(const struct oxp_span *span, struct oxp_view trace_id) {
    return trace_id.len == 0 || oxp_view_equal(span->ids.trace_id, trace_id);
}

static void collect_locked(const struct oxp_tracer *tracer, unsigned want, struct oxp_view trace_id,
                           struct walk *walk) {
    for (const struct oxp_span *span = tracer->active; span != NULL && (want & WANT_ACTIVE) != 0; span = span->next) {
        if (is_of(span, trace_id)) {
            walk->spans[walk->count++] = span;
        }
    }
    for (uint64_t i = 0; i < tracer->ended_count && (want & WANT_ENDED) != 0; i++) {
        const struct oxp_span *span = tracer->ended[(tracer->ended_total - 1 - i) % tracer->kept];
        if (is_of(span, trace_id)) {
            walk->spans[walk->count++] = span;
        }
    }
}

static void begin_walk(struct oxp_tracer *tracer, unsigned want, struct oxp_view trace_id, struct walk *walk) {
    walk->count = 0;
    pthread_mutex_lock(&tracer->lock);
    tracer->readers++;
    size_t most = tracer->active_count + tracer->ended_count;
    walk->spans = most == 0 ? NULL : malloc(most * sizeof(struct oxp_span *));
    if (walk->spans != NULL) {
        collect_locked(tracer, want, trace_id, walk);
    }
    pthread_mutex_unlock(&tracer->lock);
}

static void end_walk(struct oxp_tracer *tracer, struct walk *walk) {
    pthread_mutex_lock(&tracer->lock);
    if (tracer->readers > 0 && --tracer->readers == 0) { /* 0: forked meanwhile */
        oxp_trace_empty_bin_locked(tracer);
    }
    pthread_mutex_unlock(&tracer->lock);
    free(walk->spans);
}

static void walk_all(struct oxp_tracer *tracer, unsigned want, size_t most, oxp_span_fn each, void *ctx) {
    struct walk walk;
    if (tracer == NULL) {
        return;
    }
    begin_walk(tracer, want, oxp_view_of(NULL, 0), &walk);
    bool go_on = true;
    for (size_t i = 0; i < walk.count && (most == 0 || i < most) && go_on; i++) {
        struct oxp_pair pairs[OXP_SPAN_ATTRIBUTES_MAX];
        struct oxp_span_view view;
        oxp_span_show(walk.spans[i], pairs, &view);
        go_on = each(ctx, &view);
    }
    end_walk(tracer, &walk);
}

void oxp_tracer_active(struct oxp_tracer *tracer, oxp_span_fn each, void *ctx) {
    walk_all(tracer, WANT_ACTIVE, 0, each, ctx);
}

void oxp_tracer_recent(struct oxp_tracer *tracer, size_t most, oxp_span_fn each, void *ctx) {
    walk_all(tracer, WANT_ENDED, most, each, ctx);
}

void oxp_tracer_tree(struct oxp_tracer *tracer, struct oxp_view trace_id,
                     bool (*each)(void *ctx, const struct oxp_span_view *span, unsigned depth), void *ctx) {
    struct walk walk;
    if (tracer == NULL || trace_id.len == 0) {
        return;
    }
    begin_walk(tracer, WANT_ACTIVE | WANT_ENDED, trace_id, &walk);
    struct oxp_tree_node *nodes = walk.count == 0 ? NULL : calloc(walk.count, sizeof *nodes);
    struct oxp_tree_place *places = nodes == NULL ? NULL : calloc(walk.count, sizeof *places);
    for (size_t i = 0; i < walk.count && places != NULL; i++) {
        const struct oxp_span *span = walk.spans[i];
        nodes[i] = (struct oxp_tree_node){span->ids.span_id, oxp_view_from(span->parent_id), span->started_s};
    }
    bool go_on = places != NULL && oxp_tree_order(nodes, walk.count, places) == OXP_OK;
    for (size_t i = 0; i < walk.count && go_on; i++) {
        struct oxp_pair pairs[OXP_SPAN_ATTRIBUTES_MAX];
        struct oxp_span_view view;
        oxp_span_show(walk.spans[places[i].node], pairs, &view);
        go_on = each(ctx, &view, places[i].depth);
    }
    free(places);
    free(nodes);
    end_walk(tracer, &walk);
}
