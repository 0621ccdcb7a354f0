/* Fork: a client is whole when it happens, and begins anew in the child.
 *
 * Both of its locks are taken before, so that no thread is in the middle of anything. The child closes its copies of
 * the descriptors (no shutdown: the connection is the parent's), forgets what waits and what is open, and takes a name
 * and a boot of its own; its thread begins with its first event. */
#include "lib/client/internal.h"

#include "lib/base/number.h"
#include <unistd.h>

static void before_fork(void *ctx) {
    struct oxp_client *client = ctx;
    pthread_mutex_lock(&client->work);
    pthread_mutex_lock(&client->lock);
}

static void in_parent(void *ctx) {
    struct oxp_client *client = ctx;
    pthread_mutex_unlock(&client->lock);
    pthread_mutex_unlock(&client->work);
}

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

/* "main/1234"; a grandchild is "main/5678". */
static void name_child(struct oxp_client *client) {
    char pid[OXP_NUMBER_MAX];
    size_t digits = oxp_number_from_u64(pid, (uint64_t)getpid());
    size_t root = strlen(client->root_writer);
    root = root + 1 + digits <= OXP_CLIENT_TEXT_MAX ? root : OXP_CLIENT_TEXT_MAX - 1 - digits;
    memcpy(client->writer, client->root_writer, root);
    client->writer[root] = '/';
    memcpy(client->writer + root + 1, pid, digits);
    client->writer[root + 1 + digits] = '\0';
}

static void empty(struct oxp_ring *ring) {
    ring->head = ring->tail = 0;
    ring->pinned = false;
}

static void begin_anew(struct oxp_client *client) {
    close_fd(&client->fd);
    close_fd(&client->wake_fd);
    empty(&client->ordinary);
    empty(&client->state);
    oxp_batch_reset(&client->batch);
    oxp_open_fini(&client->open);
    oxp_client_counters_forget(client);
    client->ticket = client->done = client->dropped = client->reported = client->outrun = 0;
    client->sleep = OXP_AWAKE;
    client->started = client->stopping = client->ended = false;
    client->running = NULL;
    client->stop_status = OXP_OK;
    client->shown = (struct oxp_client_stats){.reported = 0};
    client->announce = client->shut = client->acknowledged = client->hurried = client->stalled = false;
    client->connects = client->written = 0;
    client->failures = 0;
    name_child(client);
    oxp_client_begin_boot(client);
    oxp_client_make_cond(&client->changed); /* whoever waited on it is not in this process */
}

static void in_child(void *ctx) {
    begin_anew(ctx);
    in_parent(ctx);
}

void oxp_client_enlist(struct oxp_client *client) {
    client->fork = (struct oxp_fork_entry){OXP_FORK_CLIENT, before_fork, in_parent, in_child, client, NULL, NULL};
    oxp_fork_add(&client->fork);
}

void oxp_client_delist(struct oxp_client *client) {
    oxp_fork_remove(&client->fork);
}
