/* The connection: first lines, batches, what a stalled or absent sidecar does to the queue. */
#include "lib/client/internal.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKOFF_FIRST_NS (50 * OXP_NS_PER_MS)
#define BACKOFF_MOST_NS (5 * OXP_NS_PER_S)
#define BACKOFF_STOPPING_NS (200 * OXP_NS_PER_MS)
#define LASTED_NS (5 * OXP_NS_PER_S) /* a connection that lasted so long was a good one */
#define ROUNDS 64                    /* sends before others get the work lock */

/* ---- In and out ---- */

static void back_off(struct oxp_client *client) {
    unsigned doublings = client->failures < 8 ? client->failures : 8;
    int64_t delay = BACKOFF_FIRST_NS << doublings;
    delay = delay < BACKOFF_MOST_NS ? delay : BACKOFF_MOST_NS;
    if (client->hurried && delay > BACKOFF_STOPPING_NS) {
        delay = BACKOFF_STOPPING_NS;
    }
    delay -= (int64_t)((double)delay / 2 * oxp_random_unit(&client->random));
    client->next_connect_ns = oxp_client_now_ns() + delay;
    client->failures++;
}

bool oxp_client_connect(struct oxp_client *client) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&client->address, sizeof client->address) != 0) {
        close(fd); /* EAGAIN, too: the listener's backlog is full */
        fd = -1;
    }
    if (fd < 0) {
        back_off(client);
        return false;
    }
    client->fd = fd;
    client->connects++;
    client->connected_ns = oxp_client_now_ns();
    client->announce = true;
    client->shut = client->stalled = false;
    oxp_open_owe_all(&client->open);
    return true;
}

void oxp_client_disconnect(struct oxp_client *client) {
    close(client->fd);
    client->fd = -1;
    client->stalled = false;
    oxp_batch_rewind(&client->batch, &client->open);
    if (oxp_client_now_ns() - client->connected_ns >= LASTED_NS) {
        client->failures = 0;
    }
    back_off(client);
}

/* ---- Lines ---- */

static int64_t wall_us(const struct oxp_client *client) {
    return oxp_clock_wall(client->clock).ns / 1000;
}

static void add_text(struct oxp_buf *out, const char *key, const char *text) {
    if (text[0] != '\0') {
        oxp_buf_append_text(out, key);
        oxp_buf_append_json_string(out, oxp_view_from(text));
    }
}

static void add_count(struct oxp_buf *out, const char *key, uint64_t count) {
    if (count != 0) {
        oxp_buf_append_text(out, key);
        oxp_buf_append_u64(out, count);
    }
}

/* orchestrator.started. Once this boot has written anything it says so, and up to where (exporter/ledger/writers.c,
 * rule 8): a sidecar that never heard of it then counts as lost only what was dropped since. */
static void announce(struct oxp_client *client, uint64_t dropped, uint64_t sessions_limit, uint64_t create_limit) {
    struct oxp_buf *out = &client->batch.out;
    uint64_t last_seq = client->batch.written.seq;
    if (!oxp_batch_begin(&client->batch, dropped)) {
        return;
    }
    oxp_open_append_time(out, "\"ts\":", wall_us(client));
    oxp_buf_append_text(out, ",\"type\":\"orchestrator.started\"");
    add_text(out, ",\"writer\":", client->writer);
    add_text(out, ",\"boot\":", client->boot);
    add_text(out, ",\"version\":", client->version);
    add_text(out, ",\"environment\":", client->environment);
    add_text(out, ",\"sdk\":", "liboxpecker/" OXP_VERSION);
    add_count(out, ",\"pid\":", (uint64_t)getpid());
    add_count(out, ",\"sessions_limit\":", sessions_limit);
    add_count(out, ",\"create_limit\":", create_limit);
    oxp_open_append_time(out, ",\"started_at\":", client->started_us);
    if (last_seq != 0) {
        oxp_buf_append_text(out, ",\"resumed\":true");
        add_count(out, ",\"last_seq\":", last_seq);
    }
    oxp_buf_append_char(out, '}');
    oxp_batch_end(&client->batch, OXP_ITEM_OTHER);
    client->announce = false;
}

static void take(struct oxp_client *client) {
    uint64_t ordinary_tail, state_tail;
    pthread_mutex_lock(&client->lock);
    struct oxp_ring ordinary = client->ordinary, state = client->state;
    client->ordinary.pinned = client->state.pinned = true;
    pthread_mutex_unlock(&client->lock);
    oxp_batch_take(&client->batch, &ordinary, &state, &ordinary_tail, &state_tail);
    pthread_mutex_lock(&client->lock);
    oxp_ring_release(&client->ordinary, ordinary_tail);
    oxp_ring_release(&client->state, state_tail);
    pthread_mutex_unlock(&client->lock);
}

static void make_lines(struct oxp_client *client) {
    pthread_mutex_lock(&client->lock);
    uint64_t dropped = client->dropped;
    uint64_t sessions_limit = client->sessions_limit, create_limit = client->create_limit;
    pthread_mutex_unlock(&client->lock);
    if (client->announce) {
        announce(client, dropped, sessions_limit, create_limit);
    }
    while (oxp_open_owes(&client->open)) {
        bool is_end = false;
        if (!oxp_batch_begin(&client->batch, dropped)) {
            return;
        }
        oxp_open_render(&client->open, &client->batch.out, wall_us(client), &is_end);
        oxp_batch_end(&client->batch, is_end ? OXP_ITEM_END : OXP_ITEM_OTHER);
    }
    if (!oxp_batch_has_records(&client->batch)) {
        take(client);
    }
    oxp_batch_render(&client->batch, dropped);
}

void oxp_client_pump(struct oxp_client *client) {
    struct oxp_batch *batch = &client->batch;
    for (int round = 0; round < ROUNDS && !client->shut; round++) {
        if (!oxp_batch_has_out(batch)) {
            make_lines(client);
        }
        if (!oxp_batch_has_out(batch)) {
            client->stalled = false;
            return;
        }
        ssize_t n =
            send(client->fd, batch->out.data + batch->sent, batch->out.len - batch->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            client->stalled = false;
            client->written += oxp_batch_advance(batch, (size_t)n, &client->open);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            client->stalled = true;
            return;
        } else if (errno != EINTR) {
            oxp_client_disconnect(client);
            return;
        }
    }
}

/* ---- Folding ---- */

void oxp_client_fold(struct oxp_client *client) {
    uint64_t lost = oxp_batch_fold(&client->batch, &client->open);
    pthread_mutex_lock(&client->lock);
    struct oxp_ring ring = client->state;
    client->state.pinned = true;
    pthread_mutex_unlock(&client->lock);
    uint64_t at = ring.tail;
    const struct oxp_record *record;
    while (ring.head - at > ring.size / 2 && (record = oxp_ring_at(&ring, &at, ring.head)) != NULL) {
        lost += oxp_open_apply(&client->open, record, OXP_FOLDED);
        at += record->size;
    }
    pthread_mutex_lock(&client->lock);
    oxp_ring_release(&client->state, at);
    client->dropped += lost;
    pthread_mutex_unlock(&client->lock);
}
