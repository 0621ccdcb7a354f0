/* Any bytes as a stream. The first byte seeds the places at which it is split; the lines that come out must not depend
 * on them. */
#include "exporter/parse/parse.h"
#include "lib/base/random.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t hash;
    unsigned long last; /* number of the last line */
};

static void mix(struct seen *seen, uint64_t value) {
    seen->hash = (seen->hash ^ value) * UINT64_C(0x100000001b3);
}

static void note(struct seen *seen, unsigned long number) {
    if (number <= seen->last) {
        abort(); /* numbers only grow */
    }
    seen->last = number;
    mix(seen, number);
}

static void on_line(void *ctx, unsigned long number, struct oxp_view line) {
    struct seen *seen = ctx;
    if (line.len == 0 || line.len > OXP_EVENT_LINE_MAX) {
        abort();
    }
    note(seen, number);
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] == '\n') {
            abort();
        }
        mix(seen, (unsigned char)line.ptr[i]);
    }
}

static void on_large(void *ctx, unsigned long number) {
    note(ctx, number);
    mix(ctx, UINT64_MAX);
}

static struct seen run(struct oxp_view bytes, struct oxp_random *random) {
    static struct oxp_lines lines;
    struct seen seen = {0, 0};
    struct oxp_lines_sink sink = {&seen, on_line, on_large};
    oxp_lines_init(&lines);
    while (bytes.len > 0) {
        size_t len =
            random == NULL ? bytes.len : (size_t)(oxp_random_u64(random) >> (oxp_random_u64(random) % 16 + 48));
        len = len > bytes.len ? bytes.len : len;
        oxp_lines_feed(&lines, oxp_view_of(bytes.ptr, len), &sink);
        bytes.ptr += len;
        bytes.len -= len;
    }
    unsigned long number = 0;
    mix(&seen, oxp_lines_end(&lines, &number));
    mix(&seen, number);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    struct oxp_view bytes = oxp_view_of((const char *)data + 1, size - 1);
    struct oxp_random random;
    oxp_random_seed(&random, data[0]);
    struct seen whole = run(bytes, NULL);
    struct seen split = run(bytes, &random);
    if (whole.hash != split.hash || whole.last != split.last) {
        abort();
    }
    return 0;
}
