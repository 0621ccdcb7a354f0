/* The store of spans: traces by id and by when they were heard of last; a trace's spans in no order.
 *
 * Limits, in the order in which they bite: a trace's 257th span is dropped; the 1001st trace, or the first byte too
 * many, drops the trace that was silent longest. Dropped is counted, but for traces that had ended and made room. */
#include "exporter/api/recent_parts.h"

#include "lib/base/utf8.h"
#include <math.h>
#include <stdlib.h>

static const size_t limits[OXP_RT_TEXTS] = {16, 16, 64, 64, 64, 128, 128, 128, 16, 512, 2048};

struct oxp_view oxp_recent_text(const struct oxp_recent_span *span, enum oxp_recent_text text) {
    size_t at = 0;
    for (size_t i = 0; i < (size_t)text; i++) {
        at += span->lens[i];
    }
    return oxp_view_of(span->bytes + at, span->lens[text]);
}

/* ---- Counting ---- */

void oxp_recent_dropped_locked(struct oxp_recent *recent, uint64_t count) {
    if (recent->counts) {
        oxp_counter_add(recent->spans_dropped, count);
    }
}

static void show_counts(struct oxp_recent *recent) {
    if (recent->counts) {
        oxp_gauge_set(recent->trace_entries, (double)recent->traces.count);
        oxp_gauge_set(recent->traces_active, (double)recent->active);
    }
}

static void set_open(struct oxp_recent *recent, struct oxp_recent_trace *trace, size_t open) {
    recent->active = recent->active - (trace->open > 0) + (open > 0);
    trace->open = open;
}

static size_t size_of(const struct oxp_recent_span *span) {
    return sizeof *span + span->bytes_len + 16; /* and the allocator's */
}

static void weigh(struct oxp_recent *recent, struct oxp_recent_trace *trace, size_t more, size_t less) {
    trace->bytes += more - less;
    recent->trace_bytes += more - less;
}

/* ---- Traces ---- */

static void unlink_trace(struct oxp_recent *recent, struct oxp_recent_trace *trace) {
    *(trace->older == NULL ? &recent->oldest : &trace->older->newer) = trace->newer;
    *(trace->newer == NULL ? &recent->newest : &trace->newer->older) = trace->older;
    trace->older = trace->newer = NULL;
}

static void link_newest(struct oxp_recent *recent, struct oxp_recent_trace *trace) {
    trace->older = recent->newest;
    trace->newer = NULL;
    *(recent->newest == NULL ? &recent->oldest : &recent->newest->newer) = trace;
    recent->newest = trace;
}

static void free_trace(struct oxp_recent *recent, struct oxp_recent_trace *trace) {
    set_open(recent, trace, 0);
    unlink_trace(recent, trace);
    oxp_map_remove(&recent->traces, oxp_view_from(trace->id));
    recent->trace_bytes -= trace->bytes;
    for (size_t i = 0; i < trace->count; i++) {
        free(trace->spans[i]);
    }
    free(trace->spans);
    free(trace);
}

void oxp_recent_traces_free(struct oxp_recent *recent) {
    while (recent->oldest != NULL) {
        free_trace(recent, recent->oldest);
    }
    oxp_map_fini(&recent->traces);
}

static struct oxp_recent_trace *new_trace(struct oxp_recent *recent, struct oxp_view id) {
    struct oxp_recent_trace *trace = calloc(1, sizeof *trace);
    if (trace == NULL) {
        return NULL;
    }
    memcpy(trace->id, id.ptr, sizeof trace->id - 1);
    if (oxp_map_set(&recent->traces, oxp_view_from(trace->id), trace, NULL) != OXP_OK) {
        free(trace);
        return NULL;
    }
    link_newest(recent, trace);
    weigh(recent, trace, sizeof *trace, 0);
    return trace;
}

static void make_room(struct oxp_recent *recent, const struct oxp_recent_trace *but) {
    while (recent->oldest != NULL && recent->oldest != but &&
           (recent->traces.count > OXP_RECENT_TRACES || recent->trace_bytes > OXP_RECENT_TRACE_BYTES)) {
        bool full = recent->trace_bytes > OXP_RECENT_TRACE_BYTES;
        oxp_recent_dropped_locked(recent, full ? recent->oldest->count : recent->oldest->open);
        free_trace(recent, recent->oldest);
    }
}

/* ---- Spans ---- */

static struct oxp_recent_span *make_span(const struct oxp_recent_span_in *in, double now_s) {
    size_t lens[OXP_RT_TEXTS], total = 0;
    for (size_t i = 0; i < OXP_RT_TEXTS; i++) {
        lens[i] = oxp_utf8_cut(in->texts[i], limits[i]).len;
        total += lens[i];
    }
    struct oxp_recent_span *span = calloc(1, sizeof *span + total);
    if (span == NULL) {
        return NULL;
    }
    span->started_s = in->started_s;
    span->ended_s = in->ended_s;
    span->seen_s = now_s;
    span->owner = in->owner;
    span->state = (uint8_t)in->state;
    span->status = (uint8_t)in->status;
    span->bytes_len = (uint32_t)total;
    char *at = span->bytes;
    for (size_t i = 0; i < OXP_RT_TEXTS; i++) {
        span->lens[i] = (uint16_t)lens[i];
        if (lens[i] > 0) {
            memcpy(at, in->texts[i].ptr, lens[i]);
        }
        at += lens[i];
    }
    return span;
}

/* What is known of it already, where the event says nothing. A start that comes behind the end opens nothing. */
static void merge(const struct oxp_recent_span *known, struct oxp_recent_span_in *in) {
    for (size_t i = 0; i < OXP_RT_TEXTS; i++) {
        if (in->texts[i].len == 0) {
            in->texts[i] = oxp_recent_text(known, (enum oxp_recent_text)i);
        }
    }
    in->owner = in->owner == 0 ? known->owner : in->owner;
    in->status = in->status == OXP_RU_UNSET ? (enum oxp_recent_status)known->status : in->status;
    if (!in->start_known) {
        in->started_s = known->started_s;
    }
    if (in->state == OXP_RS_OPEN && known->state == OXP_RS_ENDED) {
        in->state = OXP_RS_ENDED;
        in->ended_s = known->ended_s;
    }
    if (in->ended_s < in->started_s) {
        in->ended_s = in->started_s;
    }
}

static size_t find_span(const struct oxp_recent_trace *trace, struct oxp_view id) {
    size_t at = 0;
    while (at < trace->count && !oxp_view_equal(oxp_recent_text(trace->spans[at], OXP_RT_ID), id)) {
        at++;
    }
    return at;
}

static bool grow(struct oxp_recent *recent, struct oxp_recent_trace *trace) {
    if (trace->count < trace->size) {
        return true;
    }
    size_t size = trace->size == 0 ? 4 : trace->size * 2;
    struct oxp_recent_span **more = realloc(trace->spans, size * sizeof(struct oxp_recent_span *));
    if (more == NULL) {
        return false;
    }
    weigh(recent, trace, (size - trace->size) * sizeof(struct oxp_recent_span *), 0);
    trace->spans = more;
    trace->size = size;
    return true;
}

/* Puts it at `at`: over what is there, or behind the last. False without memory, or room. */
static bool put(struct oxp_recent *recent, struct oxp_recent_trace *trace, size_t at,
                const struct oxp_recent_span_in *given, double now_s) {
    struct oxp_recent_span_in in = *given;
    struct oxp_recent_span *known = at < trace->count ? trace->spans[at] : NULL;
    if (known != NULL) {
        merge(known, &in);
    } else if (trace->count == OXP_RECENT_SPANS || !grow(recent, trace)) {
        return false;
    }
    struct oxp_recent_span *span = make_span(&in, now_s);
    if (span == NULL) {
        return false;
    }
    bool was_open = known != NULL && known->state == OXP_RS_OPEN;
    set_open(recent, trace, trace->open - was_open + (in.state == OXP_RS_OPEN));
    weigh(recent, trace, size_of(span), known == NULL ? 0 : size_of(known));
    free(known);
    trace->spans[at] = span;
    trace->count += known == NULL;
    return true;
}

void oxp_recent_span_put_locked(struct oxp_recent *recent, const struct oxp_recent_span_in *in, double now_s) {
    struct oxp_recent_trace *trace = oxp_map_get(&recent->traces, in->trace_id);
    trace = trace == NULL ? new_trace(recent, in->trace_id) : trace;
    if (trace == NULL) {
        oxp_recent_dropped_locked(recent, 1);
        return;
    }
    unlink_trace(recent, trace);
    link_newest(recent, trace);
    if (!put(recent, trace, find_span(trace, in->texts[OXP_RT_ID]), in, now_s)) {
        trace->dropped++;
        oxp_recent_dropped_locked(recent, 1);
    }
    make_room(recent, trace);
    if (trace->count == 0) { /* no memory for its first span */
        free_trace(recent, trace);
    }
    show_counts(recent);
}

void oxp_recent_abandon_locked(struct oxp_recent *recent, uint64_t owner, double before_s, double now_s) {
    for (struct oxp_recent_trace *trace = recent->oldest; trace != NULL; trace = trace->newer) {
        for (size_t i = 0; i < trace->count && trace->open > 0; i++) {
            struct oxp_recent_span *span = trace->spans[i];
            bool meant = span->state == OXP_RS_OPEN && (owner == 0 || span->owner == owner) && span->seen_s < before_s;
            if (meant) {
                span->state = OXP_RS_ABANDONED;
                span->ended_s = now_s > span->started_s ? now_s : span->started_s;
                set_open(recent, trace, trace->open - 1);
            }
        }
    }
    show_counts(recent);
}
