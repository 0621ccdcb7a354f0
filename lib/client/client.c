#include "lib/client/internal.h"

#include "lib/base/utf8.h"
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_PATH "/run/oxpecker/events.sock"
#define DEFAULT_QUEUE_BYTES ((size_t)4 << 20)
#define LEAST_QUEUE_BYTES ((size_t)64 << 10)
#define DEFAULT_OPEN_LIMIT 16384
#define DEFAULT_HEARTBEAT_S 10.0

/* ---- Making one ---- */

static void keep_text(char out[OXP_CLIENT_TEXT_MAX + 1], const char *text) {
    struct oxp_view kept = oxp_utf8_cut(oxp_view_from(text), OXP_CLIENT_TEXT_MAX);
    if (kept.len != 0) {
        memcpy(out, kept.ptr, kept.len);
    }
    out[kept.len] = '\0';
}

static enum oxp_status keep_path(struct oxp_client *client, const char *path) {
    if (path == NULL) {
        path = getenv("OXPECKER_EVENTS_LISTEN_UNIX");
    }
    if (path == NULL || path[0] == '\0') {
        path = DEFAULT_PATH;
    }
    size_t len = strlen(path);
    if (len >= sizeof client->address.sun_path) {
        return OXP_ERR_INVALID;
    }
    client->address.sun_family = AF_UNIX;
    memcpy(client->address.sun_path, path, len + 1);
    return OXP_OK;
}

static enum oxp_status keep_writer(struct oxp_client *client, const char *writer) {
    writer = writer == NULL || writer[0] == '\0' ? "main" : writer;
    for (const char *c = writer; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '/') {
            return OXP_ERR_INVALID;
        }
    }
    keep_text(client->root_writer, writer);
    keep_text(client->writer, writer);
    return OXP_OK;
}

static size_t power_of_two_within(size_t bytes) {
    size_t power = LEAST_QUEUE_BYTES;
    while (power <= bytes / 2) {
        power *= 2;
    }
    return power;
}

static enum oxp_status keep_options(struct oxp_client *client, const struct oxp_client_options *options) {
    enum oxp_status status = keep_path(client, options->socket_path);
    if (status == OXP_OK) {
        status = keep_writer(client, options->writer);
    }
    keep_text(client->version, options->version);
    keep_text(client->environment, options->environment);
    client->clock = options->clock == NULL ? oxp_clock_system() : options->clock;
    client->sessions_limit = options->sessions_limit;
    client->create_limit = options->create_limit;
    double heartbeat_s = options->heartbeat_s > 0 ? fmin(options->heartbeat_s, 3600) : DEFAULT_HEARTBEAT_S;
    client->heartbeat_ns = (int64_t)(heartbeat_s * 1e9);
    return status;
}

static enum oxp_status make_queues(struct oxp_client *client, const struct oxp_client_options *options) {
    size_t half = power_of_two_within(options->queue_bytes == 0 ? DEFAULT_QUEUE_BYTES : options->queue_bytes) / 2;
    enum oxp_status status = oxp_ring_init(&client->ordinary, half);
    if (status == OXP_OK) {
        status = oxp_ring_init(&client->state, half);
    }
    return status == OXP_OK ? oxp_batch_init(&client->batch) : status;
}

static void make_locks(struct oxp_client *client) {
    pthread_mutexattr_t adaptive; /* spins for a moment: what is guarded is short */
    pthread_mutexattr_init(&adaptive);
    pthread_mutexattr_settype(&adaptive, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&client->lock, &adaptive);
    pthread_mutexattr_destroy(&adaptive);
    pthread_mutex_init(&client->work, NULL);
    oxp_client_make_cond(&client->changed);
}

void oxp_client_make_cond(pthread_cond_t *cond) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void destroy(struct oxp_client *client) {
    oxp_ring_fini(&client->ordinary);
    oxp_ring_fini(&client->state);
    oxp_batch_fini(&client->batch);
    oxp_open_fini(&client->open);
    oxp_client_counters_free(client);
    if (client->wake_fd >= 0) {
        close(client->wake_fd);
    }
    if (client->fd >= 0) {
        close(client->fd);
    }
    pthread_cond_destroy(&client->changed);
    pthread_mutex_destroy(&client->lock);
    pthread_mutex_destroy(&client->work);
    free(client);
}

static void report(struct oxp_reporter *self, const struct oxp_report *what);

enum oxp_status oxp_client_new(const struct oxp_client_options *options, struct oxp_client **client_out) {
    static const struct oxp_client_options defaults;
    options = options == NULL ? &defaults : options;
    *client_out = NULL;
    if (options->off) {
        return OXP_OK;
    }
    struct oxp_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return OXP_ERR_NOMEM;
    }
    client->reporter.report = report;
    client->fd = client->wake_fd = -1;
    oxp_open_init(&client->open, options->open_limit == 0 ? DEFAULT_OPEN_LIMIT : options->open_limit);
    make_locks(client);
    enum oxp_status status = keep_options(client, options);
    if (status == OXP_OK) {
        status = make_queues(client, options);
    }
    if (status != OXP_OK) {
        destroy(client);
        return status;
    }
    oxp_client_begin_boot(client);
    pthread_mutex_lock(&client->lock);
    status = oxp_client_start_locked(client) ? OXP_OK : OXP_ERR_IO;
    pthread_mutex_unlock(&client->lock);
    if (status == OXP_OK) {
        oxp_client_enlist(client);
        *client_out = client;
    } else {
        destroy(client);
    }
    return status;
}

void oxp_client_begin_boot(struct oxp_client *client) {
    oxp_random_init(&client->random);
    oxp_random_hex16(&client->random, client->boot);
    client->started_us = oxp_clock_wall(client->clock).ns / 1000;
    client->next_beat_ns = oxp_client_now_ns() + client->heartbeat_ns;
    client->next_connect_ns = 0;
    client->tick_ms = 1;
}

/* The thread begins with all signals blocked: none of the host's is ever handled on it. */
bool oxp_client_start_locked(struct oxp_client *client) {
    if (client->wake_fd < 0) {
        client->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    if (client->wake_fd < 0) {
        return false;
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    client->started = pthread_create(&client->thread, NULL, oxp_client_run, client) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return client->started;
}

void oxp_client_wake(struct oxp_client *client) {
    uint64_t one = 1;
    ssize_t n;
    do {
        n = write(client->wake_fd, &one, sizeof one); /* does not block; a full counter wakes, too */
    } while (n < 0 && errno == EINTR);
}

/* ---- Reporting ---- */

/* Whether the thread is to be woken for what was just put in: only when much waits. Waking costs a system call, and may
 * cost the caller its processor; the thread looks by itself every few milliseconds. */
static bool wants_waking_locked(struct oxp_client *client) {
    uint64_t state = oxp_ring_used(&client->state), ordinary = oxp_ring_used(&client->ordinary);
    bool wants = client->sleep == OXP_ASLEEP ? ordinary > client->ordinary.size / 2 || state > client->state.size / 2
                                             : client->sleep == OXP_ASLEEP_DEAF && state > client->state.size / 4 * 3;
    if (wants) {
        client->sleep = OXP_AWAKE; /* one caller wakes it */
    }
    return wants;
}

static struct timespec timespec_of(int64_t ns) {
    return (struct timespec){.tv_sec = (time_t)(ns / OXP_NS_PER_S), .tv_nsec = (long)(ns % OXP_NS_PER_S)};
}

static void copy_event(struct oxp_record *record, const struct oxp_encoded *event, uint64_t ticket) {
    uint32_t size = record->size;
    *record = event->head;
    record->size = size;
    record->ticket = ticket;
    char *to = (char *)(record + 1);
    memcpy(to, event->key, event->head.key_len);
    to += event->head.key_len;
    memcpy(to, event->ref, event->head.ref_len);
    to += event->head.ref_len;
    memcpy(to, event->state.ptr, event->head.state_len);
    memcpy(to + event->head.state_len, event->body, event->head.body_len);
}

/* What comes last waits for room, until the stop's deadline: without it the sidecar would take a planned end for a
 * crash. The thread has the ring pinned meanwhile, so that nothing can be dropped for it. */
static bool wait_for_room_locked(struct oxp_client *client) {
    int64_t now_ns = oxp_client_now_ns();
    if (now_ns >= client->stop_deadline_ns || client->ended) {
        return false;
    }
    struct timespec until = timespec_of(now_ns + OXP_NS_PER_MS);
    oxp_client_wake(client);
    pthread_cond_timedwait(&client->changed, &client->lock, &until);
    return true;
}

void oxp_client_put(struct oxp_client *client, const struct oxp_encoded *event, bool last) {
    const struct oxp_record *head = &event->head;
    bool is_state = head->verb != OXP_WATCH_NOTHING;
    size_t bytes = sizeof *head + head->key_len + head->ref_len + head->state_len + head->body_len;
    uint32_t size = (uint32_t)((bytes + OXP_RECORD_ALIGN - 1) / OXP_RECORD_ALIGN * OXP_RECORD_ALIGN);
    bool wake = false;
    pthread_mutex_lock(&client->lock);
    if (!client->closed && (client->started || oxp_client_start_locked(client))) {
        struct oxp_record *record;
        do {
            record = is_state ? oxp_ring_push(&client->state, size, NULL)
                              : oxp_ring_push(&client->ordinary, size, &client->dropped);
        } while (record == NULL && last && wait_for_room_locked(client));
        client->reported++;
        client->ticket++;
        if (record != NULL) {
            copy_event(record, event, client->ticket);
            if (record->ts_us == 0) { /* under the lock: what comes later in the queue is never earlier */
                record->ts_us = oxp_clock_wall(client->clock).ns / 1000;
            }
        } else {
            client->dropped++;
            client->outrun += is_state;
        }
        client->closed = last;
        wake = wants_waking_locked(client);
    }
    pthread_mutex_unlock(&client->lock);
    if (wake) {
        oxp_client_wake(client);
    }
}

static void put_report(struct oxp_client *client, const struct oxp_report *what, bool last) {
    struct oxp_encoded event;
    if (!oxp_encode(what, &event)) {
        return;
    }
    event.head.ts_us = what->ts > 0 && what->ts < 1e11 ? (int64_t)(what->ts * 1e6) : 0;
    oxp_client_put(client, &event, last);
}

static void report(struct oxp_reporter *self, const struct oxp_report *what) {
    if (strcmp(what->type, "orchestrator.stopping") != 0) {
        put_report((struct oxp_client *)(void *)self, what, false);
    }
}

void oxp_client_report_own(struct oxp_client *client, const char *type, const struct oxp_pair *pairs, size_t count,
                           bool last) {
    struct oxp_report what = {type, NULL, pairs, count, 0};
    put_report(client, &what, last);
}

struct oxp_reporter *oxp_client_reporter(struct oxp_client *client) {
    return client == NULL ? NULL : &client->reporter;
}

/* One connection for one line, which announces nothing: the client's own may be in the middle of a line. */
void oxp_client_crash_line(void *arg, struct oxp_view line) {
    const struct oxp_client *client = arg;
    if (client == NULL || line.len == 0 || line.len > OXP_CLIENT_LINE_MAX) {
        return;
    }
    int error = errno;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0) {
        if (connect(fd, (const struct sockaddr *)&client->address, sizeof client->address) == 0 &&
            send(fd, line.ptr, line.len, MSG_NOSIGNAL) == (ssize_t)line.len) {
            (void)(send(fd, "\n", 1, MSG_NOSIGNAL) == 1);
        }
        close(fd);
    }
    errno = error;
}

/* ---- Flush, stop, free ---- */

enum oxp_status oxp_client_flush(struct oxp_client *client, int timeout_ms) {
    if (client == NULL) {
        return OXP_ERR_CLOSED;
    }
    struct timespec until = timespec_of(oxp_client_now_ns() + (int64_t)timeout_ms * OXP_NS_PER_MS);
    pthread_mutex_lock(&client->lock);
    uint64_t wanted = client->ticket;
    bool must_wake = client->done < wanted && client->started && !client->ended;
    pthread_mutex_unlock(&client->lock);
    if (must_wake) {
        oxp_client_wake(client);
    }
    int error = timeout_ms == 0 ? ETIMEDOUT : 0;
    pthread_mutex_lock(&client->lock);
    while (client->done < wanted && !client->ended && error == 0) {
        error = timeout_ms < 0 ? pthread_cond_wait(&client->changed, &client->lock)
                               : pthread_cond_timedwait(&client->changed, &client->lock, &until);
    }
    enum oxp_status status = client->ended || client->closed ? OXP_ERR_CLOSED
                             : client->done >= wanted        ? OXP_OK
                                                             : OXP_ERR_TIMEOUT;
    pthread_mutex_unlock(&client->lock);
    return status;
}

static void join(struct oxp_client *client) {
    pthread_mutex_lock(&client->lock);
    bool started = client->started;
    client->started = false;
    client->closed = true;
    pthread_mutex_unlock(&client->lock);
    if (started) {
        oxp_client_wake(client);
        pthread_join(client->thread, NULL);
    }
}

enum oxp_status oxp_client_stop(struct oxp_client *client, const char *reason, int timeout_ms) {
    if (client == NULL) {
        return OXP_OK;
    }
    pthread_mutex_lock(&client->lock);
    bool speaks = client->started && !client->closed;
    client->closed = client->closed || !client->started; /* a forked child that never reported has nothing to say */
    client->stop_deadline_ns = oxp_client_now_ns() + (int64_t)(timeout_ms < 0 ? 0 : timeout_ms) * OXP_NS_PER_MS;
    pthread_mutex_unlock(&client->lock);
    if (!speaks) {
        return client->stop_status;
    }
    oxp_client_beat(client, false); /* what hooks and counters still hold */
    struct oxp_pair pair = oxp_pair_text("reason", oxp_view_from(reason));
    oxp_client_report_own(client, "orchestrator.stopping", &pair, 1, true);
    pthread_mutex_lock(&client->lock);
    client->stopping = true;
    pthread_mutex_unlock(&client->lock);
    join(client);
    return client->stop_status;
}

void oxp_client_free(struct oxp_client *client) {
    if (client == NULL) {
        return;
    }
    oxp_client_delist(client);
    pthread_mutex_lock(&client->lock);
    client->aborting = true;
    pthread_mutex_unlock(&client->lock);
    join(client);
    destroy(client);
}

void oxp_client_stats(struct oxp_client *client, struct oxp_client_stats *stats_out) {
    *stats_out = (struct oxp_client_stats){.reported = 0};
    if (client == NULL) {
        return;
    }
    pthread_mutex_lock(&client->lock);
    *stats_out = client->shown;
    stats_out->reported = client->reported;
    stats_out->dropped = client->dropped;
    stats_out->outrun = client->outrun;
    stats_out->queued = client->ended ? 0 : client->reported - client->done; /* what was left at the end is dropped */
    memcpy(stats_out->writer, client->writer, sizeof stats_out->writer);
    memcpy(stats_out->boot, client->boot, sizeof stats_out->boot);
    pthread_mutex_unlock(&client->lock);
}

void oxp_client_limits(struct oxp_client *client, uint64_t sessions_limit, uint64_t create_limit) {
    if (client != NULL) {
        pthread_mutex_lock(&client->lock);
        client->sessions_limit = sessions_limit;
        client->create_limit = create_limit;
        pthread_mutex_unlock(&client->lock);
    }
}
