/* The client: how an orchestrator reports to the sidecar.
 *
 *     struct oxp_client *client = NULL;
 *     struct oxp_client_options options = {.version = "1.4", .environment = "production", .sessions_limit = 25};
 *     oxp_client_new(&options, &client);
 *     struct oxp_ids ids = {.session = OXP_VIEW("5d1c…")};
 *     oxp_client_session_started(client, &ids, &(struct oxp_client_session){.region = OXP_VIEW("us-east-1")});
 *     …
 *     oxp_client_stop(client, "done", 2000);
 *     oxp_client_free(client);
 *
 * Everything else in the library reports through `oxp_client_reporter(client)`. An event is encoded on the caller's
 * thread and copied into a queue of fixed size; a thread of the client writes it to the sidecar's Unix socket, in
 * batches, at most 20 ms later (oxp_client_flush hurries it). A caller is never made to wait: not by a sidecar that is
 * absent, slow or stopped, not by a full queue. The host's signals, their handlers and SIGPIPE are left alone (the
 * thread blocks all signals). NULL is a client that does nothing, everywhere.
 *
 * What happens when the queue is full
 *  1. There are two queues of half the size each. What opens, changes or closes a workflow run, session, task, breaker,
 *     degradation or incident goes into one, everything else into the other; they are written in the order of the
 *     events.
 *  2. A full queue of ordinary events loses its oldest ones.
 *  3. The client remembers what is open, and says it again after every connect, with `resumed: true`. When the queue of
 *     such events is nearly full its oldest ones are folded into that memory: what they opened is said later in its
 *     newest state, and what they closed is said if the sidecar knew it open. Only what opened and closed in between is
 *     lost.
 *  4. Callers that fill that queue faster than the client's thread gets to run at all (with the default, some ten
 * thousand openings and ends within a few milliseconds) lose the newest, and `outrun` counts them: what is remembered
 *     as open may then be out of date.
 *  5. Every lost event leaves a gap in `seq`, so that the sidecar counts exactly as many (oxpecker_events_lost_total)
 *     as oxp_client_stats says were dropped.
 *
 * After fork without exec the child is a writer of its own, "main/<pid>", with a new boot and an empty queue; its
 * thread and connection begin with its first event. What the parent has open stays the parent's. A child that ends
 * should call oxp_client_stop; one that is killed has its sessions orphaned. clone(2) past libc is not noticed.
 *
 * Texts are cut at the limits of docs/events.md, keys and secrets in them are hidden, times are set when they are left
 * out. All functions may be called from any thread, but for new, stop and free: one thread, once each. None
 * but oxp_client_crash_line may be called from a signal handler. */
#ifndef OXPECKER_CLIENT_H
#define OXPECKER_CLIENT_H

#include <oxpecker/api.h>
#include <oxpecker/report.h>
#include <oxpecker/status.h>

OXP_BEGIN_DECLS

struct oxp_client;
struct oxp_clock; /* lib/base/clock.h; tests bring their own */

/* All zero is a good choice. Strings are copied; those that are too long are cut at 64 bytes. */
struct oxp_client_options {
    bool off;                /* a client that does nothing: no thread, no socket */
    const char *socket_path; /* NULL = $OXPECKER_EVENTS_LISTEN_UNIX, else /run/oxpecker/events.sock */
    const char *writer;      /* NULL = "main"; one orchestrator's processes that did not fork differ here */
    const char *version;     /* of the orchestrator; may be NULL */
    const char *environment; /* "production"; may be NULL */
    uint64_t sessions_limit; /* concurrent sessions that the provider allows; 0 = not known */
    uint64_t create_limit;   /* sessions that may be created in 60 seconds; 0 = not known */
    size_t queue_bytes;      /* memory of both queues; 0 = 4 MiB; least 64 KiB; rounded down to a power of two */
    size_t open_limit;       /* how much that is open is remembered; 0 = 16384; what is past it is not said again */
    double heartbeat_s;      /* 0 = 10 s */
    const struct oxp_clock *clock; /* NULL = the system's; else safe for threads, and outlives the client */
};

/* Makes a client and starts its thread. It connects in the background, again and again (50 ms to 5 s apart, with
 * jitter); that there is no sidecar is no error. OXP_ERR_NOMEM, OXP_ERR_INVALID (a socket path of more than 107 bytes,
 * a writer with "/" or control characters), OXP_ERR_IO (no thread); then *client_out is NULL, which is a client
 * that does nothing. */
enum oxp_status oxp_client_new(const struct oxp_client_options *options, struct oxp_client **client_out);

/* Reports orchestrator.stopping with `reason` (may be NULL), writes all that is queued, and waits until the sidecar has
 * applied it, all within `timeout_ms`; then ends the thread. Events that are reported later are ignored. OXP_OK, or
 * what is left was dropped: OXP_ERR_TIMEOUT, OXP_ERR_CLOSED (there is no sidecar; returns as soon as a connect fails,
 * if none ever succeeded). Not from a hook of oxp_client_on_beat. */
enum oxp_status oxp_client_stop(struct oxp_client *client, const char *reason, int timeout_ms);
/* Frees the client. One that was not stopped is cut off, as if the process had died. No thread may still use it, its
 * reporter or its counters. NULL is allowed. */
void oxp_client_free(struct oxp_client *client);

/* The client as everything else in the library knows it; lives as long. NULL for NULL. Types "orchestrator.started" and
 * "orchestrator.stopping" are the client's own and are ignored when reported. */
struct oxp_reporter *oxp_client_reporter(struct oxp_client *client);

/* For oxp_crash_options.send, with the client as `ctx`: sends one event's line (no newline) over a connection of its
 * own, at once or not at all. The one function here that is safe in a signal handler. */
void oxp_client_crash_line(void *client, struct oxp_view line);

/* Waits until everything that was reported before the call was written to the sidecar's socket (or dropped). OXP_OK,
 * OXP_ERR_TIMEOUT, OXP_ERR_CLOSED (stopped or off). A timeout of 0 only asks, a negative one waits without end. */
enum oxp_status oxp_client_flush(struct oxp_client *client, int timeout_ms);

/* `hook` is called on the client's thread before every heartbeat, whether or not there is a connection, so that
 * breakers flush their counts and resource samples are taken; what it reports goes out with the heartbeat. It should be
 * quick and must not call stop, free, flush or on_beat. `ctx` must outlive the client, or be taken off first.
 * OXP_ERR_NOMEM, OXP_ERR_INVALID. After a fork the child calls them, too. */
typedef void (*oxp_client_beat_fn)(void *ctx);
enum oxp_status oxp_client_on_beat(struct oxp_client *client, oxp_client_beat_fn hook, void *ctx);
/* Takes the hook off; when it returns the hook is not running and will not be called again. */
void oxp_client_off_beat(struct oxp_client *client, oxp_client_beat_fn hook, void *ctx);

struct oxp_client_stats {
    uint64_t reported; /* events that callers gave */
    uint64_t written;  /* lines that were written whole, the client's own (started, heartbeat, resumed …) included */
    uint64_t dropped;  /* events that will never be written */
    uint64_t queued;   /* events that wait now */
    uint64_t connects; /* connections made */
    uint64_t open;     /* what is remembered as open */
    uint64_t outrun;   /* dropped openings and ends, of which nothing is remembered either (rule 4) */
    uint64_t unkept;   /* openings that were not remembered, past open_limit or without memory */
    bool connected;
    char writer[65];
    char boot[17];
};
/* All zero for NULL. */
void oxp_client_stats(struct oxp_client *client, struct oxp_client_stats *stats_out);

/* ---- Typed events: oxp_report with the fields written out. Zero and empty fields are left out. ---- */

/* session.creating; `ref` is any text that names the creation until its session is known. */
void oxp_client_session_creating(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view ref,
                                 struct oxp_view region);

struct oxp_client_session {
    struct oxp_view ref;
    struct oxp_view region;
    bool keep_alive;
    double timeout_s;
    double create_s;   /* request to usable connect URL */
    double started_at; /* unix seconds; when it is taken up from a checkpoint */
    bool resumed;      /* the same */
};
/* session.started; ids->session is needed. */
void oxp_client_session_started(struct oxp_client *client, const struct oxp_ids *ids,
                                const struct oxp_client_session *session);
void oxp_client_session_connected(struct oxp_client *client, const struct oxp_ids *ids, bool reconnect);
/* `ws_code` 0 = none. */
void oxp_client_session_disconnected(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view reason,
                                     uint64_t ws_code);
/* ids->session took the place of `old`. */
void oxp_client_session_replaced(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view old,
                                 struct oxp_view reason);
void oxp_client_session_releasing(struct oxp_client *client, const struct oxp_ids *ids);
/* `status`: completed, released, error, timed_out …; `proxy_bytes` 0 = not known. */
void oxp_client_session_ended(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view status,
                              struct oxp_view reason, uint64_t proxy_bytes);

/* workflow.started and workflow.ended; ids->workflow is needed, ids->run when runs of one workflow overlap. */
void oxp_client_workflow_started(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view site,
                                 uint64_t sessions);
void oxp_client_workflow_ended(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view status,
                               double duration_s);

/* Tasks; ids->task is needed. `priority`: low, normal, high. `attempt` from 1. */
void oxp_client_task_queued(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view priority);
void oxp_client_task_started(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view priority,
                             uint64_t attempt);
void oxp_client_task_progress(struct oxp_client *client, const struct oxp_ids *ids, double percent);
/* `status`: succeeded, failed, timed_out, cancelled …; `code` is the error's, when it failed. */
void oxp_client_task_ended(struct oxp_client *client, const struct oxp_ids *ids, struct oxp_view status,
                           struct oxp_view code);

struct oxp_client_operation {
    struct oxp_view op; /* act, extract, observe, navigate, session.create … */
    bool ok;
    double duration_s;
    struct oxp_view outcome;
    struct oxp_view upstream;
    struct oxp_view code;
    struct oxp_view model;
    uint64_t tokens_input, tokens_output, tokens_reasoning, tokens_cached_input, tokens_saved;
    double inference_s;
    struct oxp_view cache; /* hit, miss, disabled */
    uint64_t steps;        /* of an agent */
    struct oxp_view limit; /* that it reached: max_steps, max_time, max_tokens, loop */
};
void oxp_client_operation(struct oxp_client *client, const struct oxp_ids *ids,
                          const struct oxp_client_operation *operation);

/* Every field of the error event. What is left out the sidecar works out (docs/errors.md). */
struct oxp_client_error {
    struct oxp_view code, category, severity;
    struct oxp_view upstream, op, phase, component;
    struct oxp_view name;       /* the error's class */
    uint64_t http_status;       /* 0 = none */
    struct oxp_view errno_name; /* "ECONNRESET", or the number */
    uint64_t ws_code;
    struct oxp_view message, cause, stack; /* cut so that the line stays within 8 KiB */
    double occurred_at;                    /* unix seconds, if earlier than now */
    bool cleanup, unhandled;
    struct oxp_view ref, region; /* of a creation that failed (op "session.create") */
    struct oxp_view incident, model;
    uint64_t attempt;
    double duration_s;
};
void oxp_client_error(struct oxp_client *client, const struct oxp_ids *ids, const struct oxp_client_error *error);

/* A snapshot of the waiting tasks. */
struct oxp_client_queue {
    uint64_t low_length, normal_length, high_length;
    double low_oldest_s, normal_oldest_s, high_oldest_s;
};
void oxp_client_queue(struct oxp_client *client, const struct oxp_client_queue *queue);
/* Workers of this process that work, and that wait. */
void oxp_client_workers(struct oxp_client *client, uint64_t busy, uint64_t idle);
/* The used share (0 to 1) of a quota: sessions, create_rate, browser_time, proxy, tokens, disk. */
void oxp_client_quota(struct oxp_client *client, const char *resource, double used_ratio);

/* `stage`: collection, processing, delivery. */
struct oxp_client_stage {
    struct oxp_view stage;
    struct oxp_view status;
    uint64_t items_ok, items_failed, sessions;
    double duration_s;
};
void oxp_client_stage(struct oxp_client *client, const struct oxp_ids *ids, const struct oxp_client_stage *stage);

/* What the provider allows now; goes out with the next heartbeat. 0 = not known. */
void oxp_client_limits(struct oxp_client *client, uint64_t sessions_limit, uint64_t create_limit);
/* An extra sign of life, now. The client gives one every heartbeat_s by itself. */
void oxp_client_heartbeat(struct oxp_client *client);

/* ---- Metrics of the host's own. Labels are alternating names and values, `count` of them in all (even, at most 32).
 * ---- */

void oxp_client_gauge(struct oxp_client *client, struct oxp_view name, double value, const struct oxp_view *labels,
                      size_t count);
void oxp_client_histogram(struct oxp_client *client, struct oxp_view name, double value, const struct oxp_view *labels,
                          size_t count);
/* Adds `n` to the sidecar's counter, with one event. For what happens often take a handle. */
void oxp_client_count(struct oxp_client *client, struct oxp_view name, double n, const struct oxp_view *labels,
                      size_t count);

/* A counter that costs an atomic add; what was added is reported with every heartbeat, as one `metric` event. */
struct oxp_client_counter {
    uint64_t pending; /* added since the last report; atomic */
};
/* The counter of that name and labels, made when there is none; owned by the client, valid as long as it. NULL (which
 * is allowed below) without client or memory, or past 4096 counters. */
struct oxp_client_counter *oxp_client_counter(struct oxp_client *client, struct oxp_view name,
                                              const struct oxp_view *labels, size_t count);
static inline void oxp_client_counter_add(struct oxp_client_counter *counter, uint64_t n) {
    if (counter != NULL) {
        __atomic_fetch_add(&counter->pending, n, __ATOMIC_RELAXED);
    }
}

OXP_END_DECLS

#endif
