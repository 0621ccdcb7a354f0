/* The client's thread: connect, write, beat, sleep. */
#include "lib/client/internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* While it sleeps with a connection, events wait for the next tick: nobody pays for waking it, and a batch gathers. The
 * tick grows while there is nothing to do. */
#define TICK_FIRST_MS 2
#define TICK_MOST_MS 20

static bool nothing_waits_locked(const struct oxp_client *client) {
    return oxp_ring_used(&client->ordinary) == 0 && oxp_ring_used(&client->state) == 0;
}

/* ---- What others see ---- */

static uint64_t first_ticket(const struct oxp_ring *ring, uint64_t otherwise) {
    uint64_t at = ring->tail;
    const struct oxp_record *record = oxp_ring_at(ring, &at, ring->head);
    return record == NULL || record->ticket > otherwise ? otherwise : record->ticket;
}

/* The ticket up to which everything was written or dropped. */
static uint64_t done_locked(const struct oxp_client *client) {
    const struct oxp_batch *batch = &client->batch;
    if (oxp_open_owes(&client->open) || (oxp_batch_has_out(batch) && !oxp_batch_has_records(batch))) {
        return client->done;
    }
    uint64_t first = first_ticket(&client->state, first_ticket(&client->ordinary, client->ticket + 1));
    if (oxp_batch_has_records(batch)) {
        uint64_t at = oxp_batch_first_ticket(batch);
        first = at < first ? at : first;
    }
    return first - 1;
}

static void publish(struct oxp_client *client) {
    pthread_mutex_lock(&client->lock);
    uint64_t done = done_locked(client);
    if (done > client->done) {
        client->done = done;
        pthread_cond_broadcast(&client->changed);
    }
    client->shown.connects = client->connects;
    client->shown.connected = client->fd >= 0;
    client->shown.written = client->written;
    client->shown.open = client->open.by_key.count;
    client->shown.unkept = client->open.unkept;
    client->shown.queued = client->batch.count - client->batch.next;
    pthread_mutex_unlock(&client->lock);
}

/* ---- Stopping ---- */

static bool over(struct oxp_client *client, enum oxp_status status) {
    client->stop_status = status;
    return true;
}

/* True when the thread is to end. */
static bool is_over(struct oxp_client *client, int64_t now_ns) {
    pthread_mutex_lock(&client->lock);
    bool aborting = client->aborting, stopping = client->stopping, nothing = nothing_waits_locked(client);
    int64_t deadline_ns = client->stop_deadline_ns;
    pthread_mutex_unlock(&client->lock);
    if (aborting) {
        return over(client, OXP_ERR_CLOSED);
    }
    if (!stopping) {
        return false;
    }
    if (client->acknowledged) {
        return over(client, OXP_OK);
    }
    nothing = nothing && !oxp_batch_has_records(&client->batch);
    if (client->fd < 0 && (nothing || (client->connects == 0 && client->hurried))) {
        return over(client, OXP_ERR_CLOSED); /* to connect again would only take the stopping back */
    }
    if (now_ns >= deadline_ns) {
        return over(client, client->fd < 0 ? OXP_ERR_CLOSED : OXP_ERR_TIMEOUT);
    }
    if (nothing && client->fd >= 0 && !client->shut && !oxp_batch_has_out(&client->batch) && !client->announce &&
        !oxp_open_owes(&client->open)) {
        shutdown(client->fd, SHUT_WR);
        client->shut = true;
    }
    if (!client->hurried) {
        client->hurried = true; /* one more try at once, whatever the backoff */
        client->next_connect_ns = 0;
    }
    return false;
}

static uint64_t count_records(const struct oxp_ring *ring) {
    uint64_t count = 0;
    const struct oxp_record *record;
    for (uint64_t at = ring->tail; (record = oxp_ring_at(ring, &at, ring->head)) != NULL; at += record->size) {
        count++;
    }
    return count;
}

static void end(struct oxp_client *client) {
    if (client->fd >= 0) {
        close(client->fd);
        client->fd = -1;
    }
    pthread_mutex_lock(&client->lock);
    client->closed = client->ended = true;
    client->dropped += count_records(&client->ordinary) + count_records(&client->state);
    client->dropped += client->batch.count - client->batch.next + oxp_open_unsaid(&client->open);
    client->ordinary.tail = client->ordinary.head;
    client->state.tail = client->state.head;
    client->batch.count = client->batch.next = 0;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
    publish(client);
}

/* ---- Sleeping ---- */

/* The sidecar never writes: what comes is its end. */
static void look_for_end(struct oxp_client *client) {
    char bytes[64];
    ssize_t n = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))) {
        return;
    }
    client->acknowledged = client->shut && n == 0;
    oxp_client_disconnect(client);
}

static int until_ms(int64_t now_ns, int64_t when_ns, int most_ms) {
    int64_t left = (when_ns - now_ns + OXP_NS_PER_MS - 1) / OXP_NS_PER_MS;
    return left < 0 ? 0 : left < most_ms ? (int)left : most_ms;
}

static int wait_ms(const struct oxp_client *client, bool deaf, int64_t deadline_ns) {
    int64_t now_ns = oxp_client_now_ns();
    int wait = until_ms(now_ns, client->next_beat_ns, 60000);
    if (client->fd < 0) {
        wait = until_ms(now_ns, client->next_connect_ns, wait);
    } else if (!deaf) {
        wait = wait < client->tick_ms ? wait : client->tick_ms;
    }
    return deadline_ns == 0 ? wait : until_ms(now_ns, deadline_ns, wait);
}

/* Under `work`; says how to sleep, or that there is something to do. */
static bool may_sleep(struct oxp_client *client, struct pollfd fds[2], int *wait_out) {
    bool deaf = client->fd < 0 || client->stalled;
    pthread_mutex_lock(&client->lock);
    bool busy = !deaf && !client->shut &&
                (oxp_ring_used(&client->state) > client->state.size / 2 ||
                 oxp_ring_used(&client->ordinary) > client->ordinary.size / 2 || oxp_batch_has_out(&client->batch));
    client->sleep = busy ? OXP_AWAKE : deaf ? OXP_ASLEEP_DEAF : OXP_ASLEEP;
    int64_t deadline_ns = client->stopping ? client->stop_deadline_ns : 0;
    pthread_mutex_unlock(&client->lock);
    fds[0] = (struct pollfd){.fd = client->wake_fd, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = client->fd, .events = (short)(client->stalled ? POLLIN | POLLOUT : POLLIN)};
    *wait_out = wait_ms(client, deaf, deadline_ns);
    return !busy;
}

static void sleep_a_while(struct oxp_client *client, struct pollfd fds[2], int wait) {
    poll(fds, 2, wait);
    pthread_mutex_lock(&client->lock);
    client->sleep = OXP_AWAKE;
    pthread_mutex_unlock(&client->lock);
    uint64_t count;
    if (fds[0].revents != 0 && read(client->wake_fd, &count, sizeof count) < 0) {
        return; /* not blocking: nothing was there after all */
    }
}

/* ---- The thread ---- */

/* One turn, under `work`; true when it was the last. */
static bool turn(struct oxp_client *client, bool look) {
    if (look && client->fd >= 0) {
        look_for_end(client);
    }
    int64_t now_ns = oxp_client_now_ns();
    uint64_t before = client->written;
    if (client->fd < 0 && now_ns >= client->next_connect_ns && !client->acknowledged) {
        oxp_client_connect(client);
    }
    if (client->fd >= 0) {
        oxp_client_pump(client);
    }
    pthread_mutex_lock(&client->lock);
    bool nearly_full = oxp_ring_used(&client->state) > client->state.size / 4 * 3;
    pthread_mutex_unlock(&client->lock);
    if (nearly_full && (client->fd < 0 || client->stalled)) {
        oxp_client_fold(client);
    }
    client->tick_ms = client->written != before
                          ? TICK_FIRST_MS
                          : (client->tick_ms * 2 < TICK_MOST_MS ? client->tick_ms * 2 : TICK_MOST_MS);
    bool last = is_over(client, now_ns);
    if (last) {
        end(client);
    } else {
        publish(client);
    }
    return last;
}

void *oxp_client_run(void *arg) {
    struct oxp_client *client = arg;
    struct pollfd fds[2] = {{.fd = -1}, {.fd = -1}};
    for (;;) {
        int wait = 0;
        pthread_mutex_lock(&client->work);
        bool last = turn(client, fds[1].revents != 0);
        fds[1].revents = 0;
        bool connected = client->fd >= 0;
        bool beats = !last && oxp_client_now_ns() >= client->next_beat_ns;
        bool sleeps = !last && !beats && may_sleep(client, fds, &wait);
        pthread_mutex_unlock(&client->work);
        if (last) {
            return NULL;
        }
        if (beats) {
            client->next_beat_ns = oxp_client_now_ns() + client->heartbeat_ns;
            oxp_client_beat(client, connected);
        }
        if (sleeps) {
            sleep_a_while(client, fds, wait);
        }
    }
}
