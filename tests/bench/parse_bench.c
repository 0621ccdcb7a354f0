/* What one line costs: cutting, parsing, looking for secrets. Prints `name value unit limit_name limit_value`, the best
 * of several rounds; the limits are measured beside it: touching each byte once through a table, which no reader of
 * single bytes can beat, and copying. */
#include "exporter/parse/parse.h"
#include "lib/base/scrub.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 15
#define TIMES 20000

static const char operation[] = "{\"type\":\"operation\",\"ts\":1765432100.123456,\"seq\":4711,\"session\":\"3f2c9a1e-"
                                "77b0-4d1c-9a55-0c2b7e9d1f42\","
                                "\"op\":\"act\",\"ok\":true,\"duration_s\":1.873,\"model\":\"gpt-4.1-mini\",\"tokens\":"
                                "{\"input\":1834,\"output\":92},"
                                "\"cache\":\"miss\"}";
static const char started[] =
    "{\"type\":\"session.started\",\"ts\":1765432100.123,\"seq\":12,\"boot\":\"9f86d081884c7d65\","
    "\"writer\":\"main\",\"workflow\":\"collect\",\"session\":\"3f2c9a1e-77b0-4d1c-9a55-0c2b7e9d1f42\","
    "\"region\":\"us-east-1\",\"keep_alive\":false,\"timeout_s\":3600}";
static const char error[] = "{\"type\":\"error\",\"ts\":1765432100.123,\"seq\":13,\"session\":\"3f2c9a1e-77b0-4d1c-"
                            "9a55-0c2b7e9d1f42\",\"upstream\":"
                            "\"browserbase\",\"op\":\"session.create\",\"name\":\"RateLimitError\",\"status\":429,"
                            "\"message\":\"You've exceeded your max "
                            "concurrent sessions limit (limit 25, currently 25)\"}";
static const char secret[] = "{\"type\":\"error\",\"message\":\"connect to "
                             "wss://connect.browserbase.com?apiKey=bb_live_0123456789abcdef failed\"}";

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static volatile unsigned long sink;

static void parse(struct oxp_view line) {
    static struct oxp_event event;
    static struct oxp_refusal refusal;
    if (oxp_parse_event(line, &event, &refusal) != OXP_OK) {
        fprintf(stderr, "refused: column %u: %s\n", refusal.error.column, refusal.error.text);
        exit(1);
    }
    sink += event.present[0];
}

static void touch(struct oxp_view line) {
    static unsigned char table[256];
    unsigned long sum = 0;
    for (size_t i = 0; i < line.len; i++) {
        sum += table[(unsigned char)line.ptr[i]]++;
    }
    sink += sum;
}

static void suspect(struct oxp_view line) {
    sink += oxp_scrub_suspects(line);
}

static void copy(struct oxp_view line) {
    static char to[65536];
    memcpy(to, line.ptr, line.len);
    __asm__ volatile("" ::"r"(to) : "memory");
}

static void count_line(void *ctx, unsigned long number, struct oxp_view line) {
    (void)ctx;
    sink += number + line.len;
}

static void count_large(void *ctx, unsigned long number) {
    (void)ctx;
    sink += number;
}

static void cut(struct oxp_view bytes) {
    static struct oxp_lines lines;
    struct oxp_lines_sink to = {NULL, count_line, count_large};
    oxp_lines_init(&lines);
    oxp_lines_feed(&lines, bytes, &to);
}

static double best(void (*what)(struct oxp_view), struct oxp_view line) {
    double least = 1e300;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < TIMES; i++) {
            what(line);
        }
        double each = (now_ns() - start) / TIMES;
        least = each < least ? each : least;
    }
    return least;
}

static const char *only = ""; /* the first argument: figures whose name holds it */

static void print(const char *name, void (*what)(struct oxp_view), void (*limit)(struct oxp_view),
                  struct oxp_view line) {
    if (strstr(name, only) == NULL) {
        return;
    }
    printf("%s_%zu_bytes %.0f ns %s %.0f\n", name, line.len, best(what, line),
           limit == copy ? "copy" : "touch_each_byte", best(limit, line));
}

int main(int argc, char **argv) {
    only = argc > 1 ? argv[1] : only;
    print("parse_operation", parse, touch, oxp_view_from(operation));
    print("parse_session_started", parse, touch, oxp_view_from(started));
    print("parse_error", parse, touch, oxp_view_from(error));
    print("parse_with_secret", parse, touch, oxp_view_from(secret));
    static char text[2000];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = "the quick brown fox jumps over the lazy dog "[i % 44];
    }
    print("scan_for_secrets", suspect, copy, oxp_view_of(text, sizeof text));
    print("scan_uuid", suspect, copy, OXP_VIEW("3f2c9a1e-77b0-4d1c-9a55-0c2b7e9d1f42"));
    static char batch[64 * sizeof operation];
    size_t len = 0;
    for (int i = 0; i < 64; i++) {
        memcpy(batch + len, operation, sizeof operation - 1);
        len += sizeof operation - 1;
        batch[len++] = '\n';
    }
    print("cut_64_lines", cut, copy, oxp_view_of(batch, len));
    return 0;
}
