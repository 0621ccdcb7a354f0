/* What a record of the host's logger costs: to the ring alone, as JSON to /dev/null, and in both forms; beside what it
 * cannot do without: the clock, a copy on the heap in place of an older one, and each write(2). Prints
 * `name value unit limit_name limit_value`. */
#include <fcntl.h>
#include <math.h>
#include <oxpecker/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 7, CALLS = 100000, HELD = 1000, LINE = 210 };

/* The thread's own time: what others do on the machine is not ours. */
static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static struct oxp_logger *logger;
static int null_fd;
static char line[LINE]; /* as long as the record below is in JSON */
static char *copies[HELD];
static size_t next;

static void log_one(void) {
    static const struct oxp_ids ids = {.session = {"2f9c1c4e-51d4-4c2f-9f0e-7a4f1f5a9f10", 36}, .task = {"task-17", 7}};
    const struct oxp_pair pairs[] = {oxp_pair_text("region", OXP_VIEW("us-east-1")), oxp_pair_number("took_s", 0.25)};
    oxp_logger_log(logger, OXP_LOG_INFO, &ids, OXP_VIEW("session created"), pairs, 2);
}

static void below_the_level(void) {
    oxp_logger_log(logger, OXP_LOG_DEBUG, NULL, OXP_VIEW("session created"), NULL, 0);
}

static void clock_and_copy(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    char **place = &copies[next++ % HELD];
    free(*place);
    *place = malloc(LINE + 64);
    if (*place != NULL) {
        memcpy(*place, line, LINE);
        **place = (char)now.tv_nsec;
    }
}

static void and_one_write(void) {
    clock_and_copy();
    (void)!write(null_fd, line, LINE);
}

static void and_two_writes(void) {
    and_one_write();
    (void)!write(null_fd, line, LINE);
}

static void nothing(void) {
}

/* The best of a few rounds, ns for one. */
static double measure(void (*volatile body)(void)) {
    double best = INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < CALLS; i++) {
            body();
        }
        best = fmin(best, (now_ns() - start) / CALLS);
    }
    return best;
}

static bool compare(const char *name, int json_fd, int text_fd, void (*ours)(void), const char *limit_name,
                    void (*limit)(void)) {
    const struct oxp_logger_options options = {
        .level = OXP_LOG_INFO, .json_fd = json_fd, .text_fd = text_fd, .audit_fd = -1, .recent = HELD};
    if (oxp_logger_new(&options, &logger) != OXP_OK) {
        return false;
    }
    double limit_ns = measure(limit);
    printf("%s %.1f ns/op %s %.1f\n", name, measure(ours), limit_name, limit_ns);
    oxp_logger_free(logger);
    return true;
}

int main(void) {
    null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    bool good = null_fd >= 0 && compare("below_level", -1, -1, below_the_level, "bare_call", nothing) &&
                compare("ring_only", -1, -1, log_one, "clock+copy", clock_and_copy) &&
                compare("ring_and_json", null_fd, -1, log_one, "clock+copy+write", and_one_write) &&
                compare("ring_json_and_text", null_fd, null_fd, log_one, "clock+copy+2_writes", and_two_writes);
    for (size_t i = 0; i < HELD; i++) {
        free(copies[i]);
    }
    return good ? 0 : 1;
}
