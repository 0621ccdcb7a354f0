/* What a tracer is made of, and which lock guards what.
 *
 * `tracer->lock` guards everything of the tracer; it is held for a few lines, never over a call to the outside (but for
 * the list walks, see `readers`). A span's own fields are written by its owner before it is published (start), under
 * the lock (set), or before `done` is set (end); readers load `done` first. The export thread takes the lock only to
 * fetch a batch and to count.
 *
 * Walks: while `readers` is not zero nothing that a reader may see is freed; it goes to the bin, which the last reader
 * empties. So walks call the host without the lock. */
#ifndef OXP_TRACE_PARTS_H
#define OXP_TRACE_PARTS_H

#include <oxpecker/trace.h>

#include "lib/base/clock.h"
#include "lib/base/fork.h"
#include "lib/base/http.h"
#include "lib/base/random.h"
#include "lib/trace/otlp.h"
#include <pthread.h>
#include <stdatomic.h>

enum {
    OXP_SPAN_KEY_MAX = 64,
    OXP_SPAN_TEXT_MAX = 256, /* of an attribute */
    OXP_SPAN_MESSAGE_MAX = 1024,
    OXP_SPAN_NAME_MAX = 128,
    OXP_TRACE_KEPT = 1000,
    OXP_TRACE_ACTIVE_MAX = 10000,
    OXP_EXPORT_QUEUE = 2048,
    OXP_EXPORT_BATCH = 512,
    OXP_EXPORT_TRIES = 3,
    OXP_EXPORT_EVERY_MS = 5000,    /* a batch that is not full waits this long */
    OXP_EXPORT_EXCHANGE_MS = 4000, /* one try; below the 5 s in which oxp_tracer_free ends */
    OXP_EXPORT_END_MS = 4800,
};

/* What may be waiting to be freed. The first member of what it is for. */
struct oxp_trash {
    struct oxp_trash *next;
};

struct oxp_attribute {
    struct oxp_trash trash;
    struct oxp_pair pair; /* key and text point behind it */
    char bytes[];
};

struct oxp_span {
    struct oxp_trash trash;
    struct oxp_tracer *tracer;        /* NULL: carries nothing */
    unsigned generation;              /* the tracer's when it began: another one means before a fork */
    unsigned refs;                    /* under the lock: active list or owner, ring, export queue */
    struct oxp_span *previous, *next; /* active list */
    struct oxp_trace_context context;
    char parent_id[OXP_SPAN_ID_SIZE];
    bool remote_parent;
    enum oxp_span_kind kind;
    struct oxp_view name, component; /* into `bytes`, as what `ids` points to */
    struct oxp_ids ids;
    double started_s;
    struct oxp_mono started; /* so that a clock that is set does not bend the duration */
    struct oxp_attribute *_Atomic attributes[OXP_SPAN_ATTRIBUTES_MAX];
    atomic_size_t attribute_count;
    atomic_ullong attributes_dropped;
    atomic_bool done; /* the three below are set */
    enum oxp_span_status status;
    double ended_s;
    char *message; /* with a NUL; NULL = none */
    char bytes[];
};

struct oxp_export {
    struct oxp_http *http; /* NULL = no export */
    char *url;
    struct oxp_otlp_headers headers;
    struct oxp_span *queue[OXP_EXPORT_QUEUE]; /* a circle: `waiting` from `head` on */
    size_t head, waiting;
    struct oxp_span *sending[OXP_EXPORT_BATCH]; /* the thread's, so that a forked child can let them go */
    size_t sending_count;
    struct oxp_mono oldest; /* when the first of those that wait came */
    pthread_t thread;
    bool running, stopping, hurried;
    struct oxp_mono stop_at; /* when `stopping`: no exchange goes on longer */
    pthread_cond_t wake;     /* CLOCK_MONOTONIC */
    pthread_cond_t idle;     /* something left the queue */
    struct oxp_random random;
    long backoff_ms; /* before the second try; tests make it short */
};

struct oxp_tracer {
    pthread_mutex_t lock;
    struct oxp_fork_entry fork;
    unsigned generation;
    char service[OXP_SPAN_NAME_MAX + 1];
    struct oxp_reporter *reporter;
    bool report_ends_only;
    double (*now_s)(void *ctx);
    void *ctx;
    struct oxp_random random;
    size_t active_max, active_count;
    struct oxp_span *active, *inherited; /* inherited: open in the parent process when it forked */
    size_t kept;
    struct oxp_span **ended; /* a circle of `kept`: the newest is at (ended_total - 1) % kept */
    uint64_t ended_total;
    size_t ended_count;
    unsigned readers;
    struct oxp_trash *bin_spans, *bin_attributes;
    struct oxp_tracer_stats stats;
    struct oxp_export export;
};

/* span.c. Those that end in _locked want the tracer's lock. */
void oxp_span_unref_locked(struct oxp_span *span);
void oxp_trace_empty_bin_locked(struct oxp_tracer *tracer);
/* A view; `pairs` is where its attributes go. */
void oxp_span_show(const struct oxp_span *span, struct oxp_pair pairs[OXP_SPAN_ATTRIBUTES_MAX],
                   struct oxp_span_view *view_out);

/* fork.c */
void oxp_trace_enlist(struct oxp_tracer *tracer);
void oxp_trace_delist(struct oxp_tracer *tracer);
/* In the child, under the lock: what was the parent's is forgotten (tracer.c, export.c). */
void oxp_tracer_begin_anew_locked(struct oxp_tracer *tracer);

/* export.c */
enum oxp_status oxp_export_init(struct oxp_export *export, const struct oxp_tracer_options *options);
void oxp_export_make_conds(struct oxp_export *export);
/* Takes a reference when it takes the span; else counts it as dropped. Starts the thread. */
void oxp_export_push_locked(struct oxp_tracer *tracer, struct oxp_span *span);
void oxp_export_forget_locked(struct oxp_tracer *tracer);
/* Ends the thread and lets go of what is left. */
void oxp_export_end(struct oxp_tracer *tracer);
/* Wait before try `next_try` (2, 3): twice as long each time, of which half is by chance (`unit` in [0, 1)). */
long oxp_export_backoff_ms(long first_ms, unsigned next_try, double unit);

#endif
