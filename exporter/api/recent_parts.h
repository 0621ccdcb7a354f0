/* The inside of recent.h: recent.c has the events and the owners, recent_logs.c the records, recent_traces.c the store
 * of spans, recent_answers.c what is shown of it. */
#ifndef OXP_API_RECENT_PARTS_H
#define OXP_API_RECENT_PARTS_H

#include "exporter/api/recent.h"
#include "lib/base/map.h"
#include "lib/log/ring.h"
#include <pthread.h>

/* ---- Spans ---- */

enum oxp_recent_text {
    OXP_RT_ID,
    OXP_RT_PARENT,
    OXP_RT_NAME,
    OXP_RT_COMPONENT,
    OXP_RT_WORKFLOW,
    OXP_RT_RUN,
    OXP_RT_SESSION,
    OXP_RT_TASK,
    OXP_RT_KIND,
    OXP_RT_MESSAGE,
    OXP_RT_ATTRS, /* a JSON object */
    OXP_RT_TEXTS
};

enum oxp_recent_state { OXP_RS_OPEN, OXP_RS_ENDED, OXP_RS_ABANDONED };
enum oxp_recent_status { OXP_RU_UNSET, OXP_RU_OK, OXP_RU_ERROR };

/* As an event says it. */
struct oxp_recent_span_in {
    struct oxp_view trace_id, texts[OXP_RT_TEXTS];
    enum oxp_recent_state state;
    enum oxp_recent_status status;
    double started_s, ended_s; /* ended_s NaN while it is open */
    bool start_known;
    uint64_t owner;
};

/* As it is kept: one block without pointers, so that it can be copied whole. */
struct oxp_recent_span {
    double started_s, ended_s, seen_s;
    uint64_t owner; /* 0 = nobody */
    uint32_t bytes_len;
    uint16_t lens[OXP_RT_TEXTS];
    uint8_t state, status;
    char bytes[];
};

struct oxp_recent_trace {
    char id[33];
    struct oxp_recent_trace *older, *newer; /* by when they were heard of last */
    struct oxp_recent_span **spans;
    size_t count, size, open;
    uint64_t dropped; /* past the 256th */
    size_t bytes;
};

/* Of an announced connection, while it is there and for a while after. */
struct oxp_recent_owner {
    uint64_t connection; /* 0 = gone */
    uint64_t writer, boot;
    double gone_s;
};

struct oxp_recent {
    pthread_mutex_t lock; /* guards all but the rings' insides */
    struct oxp_ring *logs, *alerts;
    struct oxp_map traces; /* by id */
    struct oxp_recent_trace *oldest, *newest;
    size_t trace_bytes, active;
    struct oxp_recent_owner *owners;
    size_t owner_count, owner_size;
    double swept_s;
    struct oxp_series *log_entries, *alert_entries, *trace_entries, *traces_active; /* NULL without stats */
    struct oxp_counter spans_dropped;
    bool counts; /* there are stats */
};

struct oxp_view oxp_recent_text(const struct oxp_recent_span *span, enum oxp_recent_text text);

/* recent_logs.c; not under the lock */
void oxp_recent_log_event(struct oxp_recent *recent, const struct oxp_event *event, double now_s);

/* recent_traces.c */
void oxp_recent_span_put_locked(struct oxp_recent *recent, const struct oxp_recent_span_in *in, double now_s);
void oxp_recent_dropped_locked(struct oxp_recent *recent, uint64_t count);
/* Closes the open spans of `owner` (0 = of anybody) that began before `before_s`. */
void oxp_recent_abandon_locked(struct oxp_recent *recent, uint64_t owner, double before_s, double now_s);
void oxp_recent_traces_free(struct oxp_recent *recent);

#endif
