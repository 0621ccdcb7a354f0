/* Traces as JSON. What is shown is copied under the lock, and written without it. */
#include "exporter/api/recent_parts.h"

#include "lib/trace/tree.h"
#include <math.h>
#include <stdlib.h>

static const char *const states[] = {"active", "ended", "abandoned"};
static const char *const span_states[] = {"open", "ended", "abandoned"};
static const char *const statuses[] = {"unset", "ok", "error"};

static void add_text(struct oxp_buf *out, const char *key, struct oxp_view text) {
    oxp_buf_append_format(out, ",\"%s\":", key);
    if (text.len == 0) {
        oxp_buf_append_text(out, "null");
    } else {
        oxp_buf_append_json_string(out, text);
    }
}

static void add_number(struct oxp_buf *out, const char *key, double number) {
    oxp_buf_append_format(out, ",\"%s\":", key);
    oxp_buf_append_json_double(out, number);
}

/* ---- A trace in a line ---- */

struct text {
    char bytes[128];
    size_t len;
};

struct line {
    char id[33];
    struct text name, workflow, session, task;
    double started_s, duration_s;
    size_t spans, open, errors;
    uint64_t dropped;
    enum oxp_recent_state state;
    enum oxp_recent_status status;
};

static void copy(struct text *out, struct oxp_view text) {
    if (out->len == 0 && text.len <= sizeof out->bytes && text.len > 0) {
        memcpy(out->bytes, text.ptr, text.len);
        out->len = text.len;
    }
}

/* The root: the earliest without a parent, else the earliest. */
static const struct oxp_recent_span *root_of(const struct oxp_recent_trace *trace) {
    const struct oxp_recent_span *root = NULL;
    for (size_t i = 0; i < trace->count; i++) {
        const struct oxp_recent_span *span = trace->spans[i];
        int rank = root == NULL ? 1 : (root->lens[OXP_RT_PARENT] > 0) - (span->lens[OXP_RT_PARENT] > 0);
        if (rank > 0 || (rank == 0 && span->started_s < root->started_s)) {
            root = span;
        }
    }
    return root;
}

static void sum_up(const struct oxp_recent_trace *trace, double now_s, struct line *line) {
    const struct oxp_recent_span *root = root_of(trace);
    double first_s = INFINITY, last_s = -INFINITY;
    bool ok = false, abandoned = false;
    *line = (struct line){.spans = trace->count, .open = trace->open, .dropped = trace->dropped};
    memcpy(line->id, trace->id, sizeof line->id);
    copy(&line->name, oxp_recent_text(root, OXP_RT_NAME));
    for (size_t i = 0; i <= trace->count; i++) { /* the root's own first */
        const struct oxp_recent_span *span = i == 0 ? root : trace->spans[i - 1];
        copy(&line->workflow, oxp_recent_text(span, OXP_RT_WORKFLOW));
        copy(&line->session, oxp_recent_text(span, OXP_RT_SESSION));
        copy(&line->task, oxp_recent_text(span, OXP_RT_TASK));
    }
    for (size_t i = 0; i < trace->count; i++) {
        const struct oxp_recent_span *span = trace->spans[i];
        double end_s = span->state == OXP_RS_OPEN ? now_s : span->ended_s;
        first_s = span->started_s < first_s ? span->started_s : first_s;
        last_s = end_s > last_s ? end_s : last_s;
        line->errors += span->status == OXP_RU_ERROR;
        ok = ok || span->status == OXP_RU_OK;
        abandoned = abandoned || span->state == OXP_RS_ABANDONED;
    }
    line->started_s = first_s;
    line->duration_s = last_s > first_s ? last_s - first_s : 0;
    line->state = trace->open > 0 ? OXP_RS_OPEN : abandoned ? OXP_RS_ABANDONED : OXP_RS_ENDED;
    line->status = line->errors > 0 ? OXP_RU_ERROR : ok ? OXP_RU_OK : OXP_RU_UNSET;
}

static struct oxp_view view_of(const struct text *text) {
    return oxp_view_of(text->bytes, text->len);
}

/* Without its closing brace. */
static void write_line(const struct line *line, struct oxp_buf *out) {
    oxp_buf_append_format(out, "{\"trace_id\":\"%s\"", line->id);
    add_text(out, "name", view_of(&line->name));
    oxp_buf_append_format(out, ",\"state\":\"%s\",\"status\":\"%s\"", states[line->state], statuses[line->status]);
    add_text(out, "workflow", view_of(&line->workflow));
    add_text(out, "session", view_of(&line->session));
    add_text(out, "task", view_of(&line->task));
    add_number(out, "started_at", line->started_s);
    add_number(out, "duration_s", line->duration_s);
    oxp_buf_append_format(out, ",\"spans\":%zu,\"open\":%zu,\"errors\":%zu,\"dropped\":%llu", line->spans, line->open,
                          line->errors, (unsigned long long)line->dropped);
}

/* ---- The list ---- */

static bool any_has(const struct oxp_recent_trace *trace, enum oxp_recent_text text, struct oxp_view value) {
    bool has = value.len == 0;
    for (size_t i = 0; i < trace->count && !has; i++) {
        has = oxp_view_equal(oxp_recent_text(trace->spans[i], text), value);
    }
    return has;
}

static bool grants(enum oxp_recent_wish wish, bool is) {
    return wish == OXP_WISH_ANY || (wish == OXP_WISH_YES) == is;
}

static bool matches(const struct oxp_recent_trace *trace, const struct line *line,
                    const struct oxp_recent_traces_query *query) {
    return grants(query->active, line->open > 0) && grants(query->error, line->errors > 0) &&
           line->duration_s >= query->min_duration_s && any_has(trace, OXP_RT_SESSION, query->session) &&
           any_has(trace, OXP_RT_TASK, query->task) && any_has(trace, OXP_RT_WORKFLOW, query->workflow);
}

static int newest_first(const void *a, const void *b) {
    const struct line *left = a, *right = b;
    if (left->started_s != right->started_s) {
        return left->started_s < right->started_s ? 1 : -1;
    }
    return strcmp(left->id, right->id);
}

void oxp_recent_traces(struct oxp_recent *recent, const struct oxp_recent_traces_query *query, struct oxp_buf *out) {
    size_t total = 0;
    struct line *lines = NULL;
    if (recent != NULL) {
        oxp_recent_tick(recent, query->now_s);
        pthread_mutex_lock(&recent->lock);
        size_t most = recent->traces.count;
        lines = most == 0 ? NULL : calloc(most, sizeof *lines);
        if (most > 0 && lines == NULL) {
            out->status = OXP_ERR_NOMEM;
        }
        for (const struct oxp_recent_trace *trace = recent->newest; trace != NULL && lines != NULL;
             trace = trace->older) {
            sum_up(trace, query->now_s, &lines[total]);
            total += matches(trace, &lines[total], query) ? 1 : 0;
        }
        pthread_mutex_unlock(&recent->lock);
    }
    if (total > 1) {
        qsort(lines, total, sizeof *lines, newest_first);
    }
    oxp_buf_append_format(out, "{\"total\":%zu,\"traces\":[", total);
    for (size_t i = 0; i < total && i < query->limit; i++) {
        oxp_buf_append_text(out, i == 0 ? "" : ",\n");
        write_line(&lines[i], out);
        oxp_buf_append_char(out, '}');
    }
    oxp_buf_append_text(out, "]}\n");
    free(lines);
}

/* ---- The tree ---- */

struct copied {
    struct line line;
    struct oxp_recent_span **spans;
    size_t count;
};

static void free_copied(struct copied *copied) {
    for (size_t i = 0; i < copied->count; i++) {
        free(copied->spans[i]);
    }
    free(copied->spans);
}

static enum oxp_status copy_locked(const struct oxp_recent_trace *trace, double now_s, struct copied *copied) {
    sum_up(trace, now_s, &copied->line);
    copied->spans = calloc(trace->count, sizeof(struct oxp_recent_span *));
    bool whole = copied->spans != NULL;
    while (whole && copied->count < trace->count) {
        const struct oxp_recent_span *span = trace->spans[copied->count];
        struct oxp_recent_span *twin = malloc(sizeof *span + span->bytes_len);
        whole = twin != NULL;
        if (whole) {
            memcpy(twin, span, sizeof *span + span->bytes_len);
            copied->spans[copied->count++] = twin;
        }
    }
    return whole ? OXP_OK : OXP_ERR_NOMEM;
}

static void write_span(const struct oxp_recent_span *span, double now_s, struct oxp_buf *out) {
    double end_s = span->state == OXP_RS_OPEN ? now_s : span->ended_s;
    struct oxp_view attrs = oxp_recent_text(span, OXP_RT_ATTRS);
    oxp_buf_append_text(out, "{\"span_id\":");
    oxp_buf_append_json_string(out, oxp_recent_text(span, OXP_RT_ID));
    add_text(out, "parent_id", oxp_recent_text(span, OXP_RT_PARENT));
    add_text(out, "name", oxp_recent_text(span, OXP_RT_NAME));
    add_text(out, "component", oxp_recent_text(span, OXP_RT_COMPONENT));
    add_text(out, "kind", oxp_recent_text(span, OXP_RT_KIND));
    oxp_buf_append_format(out, ",\"state\":\"%s\",\"status\":\"%s\"", span_states[span->state], statuses[span->status]);
    add_text(out, "message", oxp_recent_text(span, OXP_RT_MESSAGE));
    add_text(out, "workflow", oxp_recent_text(span, OXP_RT_WORKFLOW));
    add_text(out, "run", oxp_recent_text(span, OXP_RT_RUN));
    add_text(out, "session", oxp_recent_text(span, OXP_RT_SESSION));
    add_text(out, "task", oxp_recent_text(span, OXP_RT_TASK));
    add_number(out, "started_at", span->started_s);
    add_number(out, "duration_s", end_s > span->started_s ? end_s - span->started_s : 0);
    oxp_buf_append_text(out, ",\"attrs\":");
    oxp_buf_append_view(out, attrs.len == 0 ? OXP_VIEW("{}") : attrs);
    oxp_buf_append_text(out, ",\"children\":[");
}

/* Each span leaves its list of children open; what closes it is the depth of the next one. */
static void write_tree(const struct copied *copied, const struct oxp_tree_place *places, double now_s,
                       struct oxp_buf *out) {
    for (size_t i = 0; i < copied->count; i++) {
        write_span(copied->spans[places[i].node], now_s, out);
        bool last = i + 1 == copied->count;
        unsigned next = last ? 0 : places[i + 1].depth;
        for (unsigned depth = places[i].depth + 1; depth > next; depth--) {
            oxp_buf_append_text(out, "]}");
        }
        if (!last && next <= places[i].depth) {
            oxp_buf_append_text(out, ",");
        }
    }
}

static enum oxp_status write_copied(const struct copied *copied, double now_s, struct oxp_buf *out) {
    struct oxp_tree_node nodes[OXP_RECENT_SPANS];
    struct oxp_tree_place places[OXP_RECENT_SPANS];
    for (size_t i = 0; i < copied->count; i++) {
        const struct oxp_recent_span *span = copied->spans[i];
        nodes[i] = (struct oxp_tree_node){oxp_recent_text(span, OXP_RT_ID), oxp_recent_text(span, OXP_RT_PARENT),
                                          span->started_s};
    }
    enum oxp_status status = oxp_tree_order(nodes, copied->count, places);
    if (status == OXP_OK) {
        write_line(&copied->line, out);
        oxp_buf_append_text(out, ",\"roots\":[");
        write_tree(copied, places, now_s, out);
        oxp_buf_append_text(out, "]}\n");
    }
    return status;
}

enum oxp_status oxp_recent_trace(struct oxp_recent *recent, struct oxp_view trace_id, double now_s,
                                 struct oxp_buf *out) {
    if (recent == NULL) {
        return OXP_ERR_NOT_FOUND;
    }
    struct copied copied = {.count = 0};
    oxp_recent_tick(recent, now_s);
    pthread_mutex_lock(&recent->lock);
    const struct oxp_recent_trace *trace = oxp_map_get(&recent->traces, trace_id);
    enum oxp_status status = trace == NULL ? OXP_ERR_NOT_FOUND : copy_locked(trace, now_s, &copied);
    pthread_mutex_unlock(&recent->lock);
    if (status == OXP_OK) {
        status = write_copied(&copied, now_s, out);
    }
    free_copied(&copied);
    return status;
}
