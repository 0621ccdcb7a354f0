/* Events through a Unix stream socket, so many to a write: bench_events SOCKET COUNT EVENTS_PER_WRITE
 *
 * SOCKET is a sidecar's, or "sink" for the limit: the same bytes to a thread that only reads. Prints "COUNT SECONDS
 * BYTES"; the time ends when the other side has closed, which a sidecar does once all is applied. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *sink(void *ctx) {
    int fd = *(int *)ctx;
    static char buffer[262144];
    while (read(fd, buffer, sizeof buffer) > 0) {
    }
    close(fd);
    return NULL;
}

static int connect_to(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

/* One session's life: 8 events of about 200 bytes, of which 4 are operations. Each is a head, the number of the life,
 * and a tail. */
static size_t event(char *out, size_t size, long i) {
    static const char *const forms[][3] = {
        {"session.started", "\"session\":\"5f0c1c9e-8f7d-4a55-9b1c-",
         "\"region\":\"us-east-1\",\"keep_alive\":true,\"timeout_s\":3600,\"create_s\":1.284,"
         "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\""},
        {"task.started", "\"task\":\"task-",
         "\"workflow\":\"video_discovery\",\"session\":\"5f0c1c9e-8f7d-4a55-9b1c-000000000001\",\"attempt\":1,"
         "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\""},
        {"operation", "\"session\":\"5f0c1c9e-8f7d-4a55-9b1c-",
         "\"op\":\"extract\",\"ok\":true,\"duration_s\":2.417,\"model\":\"gpt-4o\",\"tokens\":{\"input\":1834,"
         "\"output\":212},"
         "\"inference_s\":1.9"},
        {"task.ended", "\"task\":\"task-",
         "\"workflow\":\"video_discovery\",\"status\":\"succeeded\",\"duration_s\":12.25,"
         "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\""},
        {"session.ended", "\"session\":\"5f0c1c9e-8f7d-4a55-9b1c-",
         "\"status\":\"COMPLETED\",\"reason\":\"released\",\"proxy_bytes\":1048576,"
         "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\""},
    };
    static const int order[8] = {0, 1, 2, 2, 2, 2, 3, 4};
    const char *const *form = forms[order[i % 8]];
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (size_t)snprintf(out, size, "{\"type\":\"%s\",\"ts\":%ld.%03ld,\"seq\":%ld,%s%012ld\",%s}\n", form[0],
                            (long)t.tv_sec, t.tv_nsec / 1000000, i + 1, form[1], i / 8, form[2]);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        return 2;
    }
    long count = atol(argv[2]), batch = atol(argv[3]);
    int pair[2] = {-1, -1};
    pthread_t thread;
    int is_sink = strcmp(argv[1], "sink") == 0;
    if (is_sink &&
        (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || pthread_create(&thread, NULL, sink, &pair[1]) != 0)) {
        return 1;
    }
    int fd = is_sink ? pair[0] : connect_to(argv[1]);
    size_t size = (size_t)count * 320, len = 0;
    char *all = malloc(size);
    size_t *ends = malloc((size_t)count * sizeof *ends);
    if (fd < 0 || all == NULL || ends == NULL) {
        perror(argv[1]);
        return 1;
    }
    for (long i = 0; i < count; i++) {
        len += event(all + len, size - len, i);
        ends[i] = len;
    }
    double began = now();
    size_t done = 0;
    for (long i = batch - 1; done < len; i += batch) {
        size_t end = i < count ? ends[i] : len;
        while (done < end) {
            ssize_t n = send(fd, all + done, end - done, MSG_NOSIGNAL);
            if (n <= 0) {
                perror("send");
                return 1;
            }
            done += (size_t)n;
        }
    }
    shutdown(fd, SHUT_WR);
    char byte;
    while (read(fd, &byte, 1) > 0) {
    }
    printf("%ld %.6f %zu\n", count, now() - began, len);
    return 0;
}
