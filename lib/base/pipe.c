#include "lib/base/pipe.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

ssize_t oxp_pipe_write(int fd, struct oxp_view bytes) {
    sigset_t pipe_only, before, waiting;
    const struct timespec at_once = {0, 0};
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigemptyset(&waiting);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    sigpending(&waiting);
    ssize_t written = write(fd, bytes.ptr, bytes.len);
    int error = errno;
    if (written < 0 && error == EPIPE && sigismember(&waiting, SIGPIPE) != 1) {
        while (sigtimedwait(&pipe_only, NULL, &at_once) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return written;
}
