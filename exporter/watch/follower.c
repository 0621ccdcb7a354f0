#include "exporter/watch/follow.h"

#include "lib/base/clock.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define INTERVAL_MAX_MS 3600000
#define BEGIN_MS 1000 /* that the thread is waited for, which a file system may hold up */

struct oxp_follower {
    struct oxp_follow *follow; /* of the thread */
    int64_t interval_ms;
    int stop_fd;  /* an eventfd: readable = stop */
    int begun_fd; /* an eventfd: readable = where the file ends is known */
    pthread_t thread;
};

/* Waits for the next look: until the time is over, or a pipe has something. False = stop. A failed poll (no memory)
 * waits no less than a millisecond, so that it cannot spin. */
static bool wait_for_more(const struct oxp_follower *follower, enum oxp_status last) {
    int pipe_fd = last == OXP_END ? -1 : oxp_follow_pipe(follower->follow);
    struct pollfd waits[] = {{.fd = follower->stop_fd, .events = POLLIN}, {.fd = pipe_fd, .events = POLLIN}};
    int timeout_ms = last == OXP_MORE ? 0 : last == OXP_END ? -1 : (int)follower->interval_ms;
    if (poll(waits, 2, timeout_ms) < 0) {
        (void)poll(NULL, 0, 1);
        return true;
    }
    return waits[0].revents == 0;
}

static void *follower_main(void *ctx) {
    const struct oxp_follower *follower = ctx;
    enum oxp_status status;
    oxp_follow_begin(follower->follow);
    (void)eventfd_write(follower->begun_fd, 1);
    do {
        status = oxp_follow_look(follower->follow);
    } while (wait_for_more(follower, status));
    return NULL;
}

static void close_if_open(int fd) {
    if (fd >= 0) {
        close(fd);
    }
}

static void discard(struct oxp_follower *follower) {
    close_if_open(follower->stop_fd);
    close_if_open(follower->begun_fd);
    oxp_follow_free(follower->follow);
    free(follower);
}

enum oxp_status oxp_follower_new(const struct oxp_follow_options *options, int64_t interval_ms,
                                 struct oxp_follower **follower_out) {
    *follower_out = NULL;
    if (interval_ms <= 0 || interval_ms > INTERVAL_MAX_MS) {
        return OXP_ERR_INVALID;
    }
    struct oxp_follower *follower = calloc(1, sizeof *follower);
    if (follower == NULL) {
        return OXP_ERR_NOMEM;
    }
    follower->interval_ms = interval_ms;
    follower->stop_fd = follower->begun_fd = -1;
    enum oxp_status status = oxp_follow_new(options, &follower->follow);
    if (status == OXP_OK && ((follower->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0 ||
                             (follower->begun_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)) {
        status = OXP_ERR_LIMIT;
    }
    if (status == OXP_OK && pthread_create(&follower->thread, NULL, follower_main, follower) != 0) {
        status = OXP_ERR_NOMEM; /* EAGAIN: no room for another thread */
    }
    if (status != OXP_OK) {
        discard(follower);
        return status;
    }
    (void)poll(&(struct pollfd){.fd = follower->begun_fd, .events = POLLIN}, 1, BEGIN_MS);
    *follower_out = follower;
    return OXP_OK;
}

void oxp_follower_free(struct oxp_follower *follower) {
    if (follower == NULL) {
        return;
    }
    (void)eventfd_write(follower->stop_fd, 1);
    pthread_join(follower->thread, NULL);
    discard(follower);
}
