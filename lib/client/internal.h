/* The client's parts, and who owns what.
 *
 * Callers touch only what `lock` guards, for as long as it takes to copy one event; nobody holds it across a system
 * call. The client's thread holds `work` while it does anything but sleep and call hooks, so that a fork, which takes
 * both (work before lock), finds every part whole and the child can begin anew. */
#ifndef OXP_CLIENT_INTERNAL_H
#define OXP_CLIENT_INTERNAL_H

#include "lib/base/clock.h"
#include "lib/base/fork.h"
#include "lib/base/random.h"
#include "lib/client/batch.h"
#include "lib/client/open.h"
#include <oxpecker/client.h>
#include <pthread.h>
#include <sys/un.h>

#define OXP_CLIENT_HOOKS_MAX 64
#define OXP_CLIENT_COUNTERS_MAX 4096
#define OXP_CLIENT_TEXT_MAX 64

struct oxp_client_hook {
    oxp_client_beat_fn call;
    void *ctx;
};

struct oxp_counter_cell {
    struct oxp_client_counter counter; /* first: callers hold a pointer to it */
    struct oxp_counter_cell *next;
    struct oxp_view name;
    struct oxp_pair *labels; /* keys "labels.NAME" */
    size_t label_count;
    size_t key_len;
    char key[]; /* name and labels, each behind a NUL: what tells counters apart */
};

/* What the client's thread may do while a caller gives events. */
enum oxp_client_sleep {
    OXP_AWAKE,
    OXP_ASLEEP,      /* wake it when a queue is half full */
    OXP_ASLEEP_DEAF, /* it could not write anyway: only when the queue of the open is nearly full */
};

struct oxp_client {
    struct oxp_reporter reporter; /* first: the client is one */

    /* Fixed when it is made, but for the fork. */
    struct sockaddr_un address;
    char root_writer[OXP_CLIENT_TEXT_MAX + 1];
    char version[OXP_CLIENT_TEXT_MAX + 1];
    char environment[OXP_CLIENT_TEXT_MAX + 1];
    const struct oxp_clock *clock;
    int64_t heartbeat_ns;
    struct oxp_fork_entry fork;
    char writer[OXP_CLIENT_TEXT_MAX + 1];
    char boot[17];
    int64_t started_us;

    /* Under `lock`. */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* `done`, `ended` or `running` changed */
    struct oxp_ring ordinary, state;
    uint64_t ticket; /* of the newest event */
    uint64_t done;   /* every event up to this ticket was written or dropped */
    uint64_t dropped, reported, outrun;
    enum oxp_client_sleep sleep;
    bool started;  /* the thread exists */
    bool closed;   /* no more events are taken */
    bool stopping; /* write all, say so, end */
    bool aborting; /* end */
    bool ended;
    int64_t stop_deadline_ns; /* monotonic */
    enum oxp_status stop_status;
    uint64_t sessions_limit, create_limit;
    struct oxp_client_hook hooks[OXP_CLIENT_HOOKS_MAX];
    size_t hook_count;
    const struct oxp_client_hook *running;
    struct oxp_client_hook running_hook;
    pthread_t running_on;
    struct oxp_counter_cell *counters; /* newest first; never taken out */
    size_t counter_count;
    struct oxp_client_stats shown; /* what the thread knows */
    pthread_t thread;
    int wake_fd; /* eventfd; -1 before the thread exists */

    /* Under `work`: the client's thread. */
    pthread_mutex_t work;
    struct oxp_batch batch;
    struct oxp_open open;
    struct oxp_random random;
    int fd;            /* the connection, or -1 */
    bool announce;     /* the first line of this connection is still to be made */
    bool shut;         /* its writing side is closed */
    bool acknowledged; /* and then the sidecar closed its own: it has applied all */
    bool hurried;      /* stopping was noticed */
    bool stalled;      /* the socket takes no more */
    uint64_t connects, written;
    unsigned failures;                                   /* connects that failed, or did not last, in a row */
    int64_t connected_ns, next_connect_ns, next_beat_ns; /* monotonic */
    int tick_ms;
};

/* client.c */
/* Puts an encoded event into its queue. `last` also closes the client to further events. */
void oxp_client_put(struct oxp_client *client, const struct oxp_encoded *event, bool last);
/* The client's own events. */
void oxp_client_report_own(struct oxp_client *client, const char *type, const struct oxp_pair *pairs, size_t count,
                           bool last);

/* Wakes the thread, which exists. Any thread. */
void oxp_client_wake(struct oxp_client *client);
/* A new boot id, start time and random sequence; timers anew. */
void oxp_client_begin_boot(struct oxp_client *client);
/* Starts the thread; false when there is none to be had. */
bool oxp_client_start_locked(struct oxp_client *client);
void oxp_client_make_cond(pthread_cond_t *cond);

/* sender.c: the thread. */
void *oxp_client_run(void *client);
static inline int64_t oxp_client_now_ns(void) {
    return oxp_clock_mono(oxp_clock_system()).ns;
}

/* link.c: the connection. Under `work`. */
/* Connects; false (and next_connect_ns is set) when that failed. */
bool oxp_client_connect(struct oxp_client *client);
void oxp_client_disconnect(struct oxp_client *client);
/* Writes what can be written without waiting. */
void oxp_client_pump(struct oxp_client *client);
/* Folds what is in the queue of the open, down to half of it (open.h). */
void oxp_client_fold(struct oxp_client *client);

/* fork.c: into and out of the list of all clients. */
void oxp_client_enlist(struct oxp_client *client);
void oxp_client_delist(struct oxp_client *client);

/* beat.c */
/* Calls the hooks, reports what counters gathered and a heartbeat. Without `work` held. */
void oxp_client_beat(struct oxp_client *client, bool connected);
void oxp_client_counters_forget(struct oxp_client *client);
void oxp_client_counters_free(struct oxp_client *client);

#endif
