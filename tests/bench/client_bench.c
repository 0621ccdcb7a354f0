/* Reporting through the client: what it costs the caller, with the sidecar present, absent and stopped, and with a
 * counter's handle; beside the limits that no client can pass: reading the clock and copying the line.
 *
 *     bench_client [SOCKET]        (a sidecar listens there; else a thread that reads stands for it)
 *
 * Every call is timed by itself; p50, p99 and the longest are of all of them. Prints `name value unit limit_name
 * limit_value`. */
#include <oxpecker/client.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 200000, PACED = 2000, COUNTS = 20000000, GOAL_NS = 1000 };

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void say(const char *name, double value, const char *unit, const char *limit_name, double limit) {
    printf("%s %.1f %s %s %.1f\n", name, value, unit, limit_name, limit);
    fflush(stdout);
}

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t times[EVENTS];

static void say_times(const char *name, size_t count) {
    char text[96];
    qsort(times, count, sizeof times[0], by_value);
    snprintf(text, sizeof text, "%s_p50", name);
    say(text, times[count / 2], "ns", "goal", GOAL_NS);
    snprintf(text, sizeof text, "%s_p99", name);
    say(text, times[count * 99 / 100], "ns", "goal", GOAL_NS);
    snprintf(text, sizeof text, "%s_longest", name);
    say(text, times[count - 1], "ns", "-", 0);
}

/* ---- Limits ---- */

static void limits(void) {
    static char line[232], ring[1 << 20];
    struct timespec wall;
    memset(line, 'x', sizeof line);
    uint64_t start = now_ns();
    for (size_t i = 0; i < EVENTS; i++) {
        clock_gettime(CLOCK_REALTIME, &wall);
        memcpy(ring + (i * sizeof line) % (sizeof ring - sizeof line), line, sizeof line);
        __asm__ volatile("" ::: "memory");
    }
    say("bare_clock_and_copy", (double)(now_ns() - start) / EVENTS, "ns", "-", 0);
    for (size_t i = 0; i < PACED; i++) {
        usleep(500);
        start = now_ns();
        clock_gettime(CLOCK_REALTIME, &wall);
        memcpy(ring + (i * sizeof line) % (sizeof ring - sizeof line), line, sizeof line);
        __asm__ volatile("" ::: "memory");
        times[i] = (uint32_t)(now_ns() - start);
    }
    say_times("bare_clock_and_copy_paced", PACED);
    start = now_ns();
    for (size_t i = 0; i < EVENTS; i++) {
        (void)now_ns();
    }
    say("timing_itself", (double)(now_ns() - start) / EVENTS, "ns", "-", 0);
}

/* ---- Events ---- */

static void one_event(struct oxp_client *client, size_t i) {
    static const struct oxp_ids ids = {.workflow = {"collect", 7},
                                       .session = {"5d1cbb6a-0a52-4ff2-a4bb-0b1dd6b3a9b1", 36},
                                       .task = {"task-000123", 11},
                                       .trace_id = {"4bf92f3577b34da6a3ce929d0e0e4736", 32},
                                       .span_id = {"00f067aa0ba902b7", 16}};
    struct oxp_client_operation operation = {.op = OXP_VIEW("act"),
                                             .ok = true,
                                             .duration_s = 1.25 + (double)(i % 100) / 64,
                                             .upstream = OXP_VIEW("stagehand")};
    oxp_client_operation(client, &ids, &operation);
}

static struct oxp_client *client_at(const char *path) {
    struct oxp_client *client = NULL;
    struct oxp_client_options options = {.socket_path = path, .version = "bench"};
    if (oxp_client_new(&options, &client) != OXP_OK) {
        fail("no client");
    }
    return client;
}

static void flood(const char *name, const char *path) {
    struct oxp_client *client = client_at(path);
    usleep(300000);
    for (size_t i = 0; i < EVENTS; i++) {
        uint64_t start = now_ns();
        one_event(client, i);
        times[i] = (uint32_t)(now_ns() - start);
    }
    struct oxp_client_stats stats;
    oxp_client_flush(client, 1000);
    oxp_client_stats(client, &stats);
    say_times(name, EVENTS);
    fprintf(stderr, "%s: %lu reported, %lu written, %lu dropped\n", name, (unsigned long)stats.reported,
            (unsigned long)stats.written, (unsigned long)stats.dropped);
    oxp_client_free(client);
}

/* One event now and then, as orchestrators report; and what opens or closes something. */
static void paced(const char *name, const char *path, bool state) {
    struct oxp_client *client = client_at(path);
    usleep(300000);
    for (size_t i = 0; i < PACED; i++) {
        usleep(500);
        uint64_t start = now_ns();
        if (state) {
            struct oxp_ids ids = {.session = OXP_VIEW("bench")};
            if (i % 2 == 0) {
                oxp_client_session_started(client, &ids, NULL);
            } else {
                oxp_client_session_ended(client, &ids, OXP_VIEW("completed"), OXP_VIEW(""), 0);
            }
        } else {
            one_event(client, i);
        }
        times[i] = (uint32_t)(now_ns() - start);
    }
    say_times(name, PACED);
    oxp_client_stop(client, "bench", 2000);
    oxp_client_free(client);
}

static void counters(void) {
    static uint64_t bare;
    uint64_t start = now_ns();
    for (size_t i = 0; i < COUNTS; i++) {
        __atomic_fetch_add(&bare, 1, __ATOMIC_RELAXED);
    }
    double limit = (double)(now_ns() - start) / COUNTS;
    struct oxp_client *client = client_at("/nonexistent/oxpecker.sock");
    struct oxp_client_counter *counter = oxp_client_counter(client, OXP_VIEW("bench_total"), NULL, 0);
    start = now_ns();
    for (size_t i = 0; i < COUNTS; i++) {
        oxp_client_counter_add(counter, 1);
    }
    say("counter", (double)(now_ns() - start) / COUNTS, "ns", "bare_atomic", limit);
    oxp_client_free(client);
}

/* ---- Peers ---- */

static int listener(const char *name, char path[108]) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/oxpecker-bench-%d-%s.sock", (int)getpid(), name);
    memcpy(path, address.sun_path, sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 8) != 0) {
        fail("no listener");
    }
    return fd;
}

/* Reads one connection after the other to its end. */
static void *read_all(void *ctx) {
    static char bytes[1 << 16];
    for (;;) {
        int fd = accept(*(int *)ctx, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        while (read(fd, bytes, sizeof bytes) > 0) {
        }
        close(fd);
    }
}

static void with_sidecar(const char *path) {
    flood("event_sidecar_present", path);
    paced("event_paced", path, false);
    paced("event_state_paced", path, true);
}

int main(int argc, char **argv) {
    char path[108];
    limits();
    counters();
    if (argc > 1) {
        with_sidecar(argv[1]);
    } else {
        pthread_t reader;
        int fd = listener("reader", path);
        if (pthread_create(&reader, NULL, read_all, &fd) != 0) {
            fail("no thread");
        }
        with_sidecar(path);
        shutdown(fd, SHUT_RDWR);
        pthread_join(reader, NULL);
        close(fd);
        unlink(path);
    }
    flood("event_sidecar_absent", "/nonexistent/oxpecker.sock");
    int fd = listener("deaf", path); /* never reads: a stopped sidecar */
    flood("event_sidecar_stopped", path);
    close(fd);
    unlink(path);
    return 0;
}
