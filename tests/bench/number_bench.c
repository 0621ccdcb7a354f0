/* Numbers as text and back, beside the C library. Prints `name value unit limit_name limit_value`. */
#include "lib/base/number.h"
#include "lib/base/random.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { NUMBERS = 8192, ROUNDS = 40 };

static double doubles[NUMBERS];
static uint64_t wholes[NUMBERS];
static char texts[NUMBERS][40];
static size_t lengths[NUMBERS];
static size_t sum; /* keeps the work alive */

/* The thread's own time: what others do on the machine is not ours. */
static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void write_ours(size_t i) {
    char text[OXP_NUMBER_MAX];
    sum += oxp_number_from_double(text, doubles[i]);
}

static void write_theirs(size_t i) {
    char text[64];
    sum += (size_t)snprintf(text, sizeof text, "%.17g", doubles[i]);
}

static void whole_ours(size_t i) {
    char text[OXP_NUMBER_MAX];
    sum += oxp_number_from_u64(text, wholes[i]);
}

static void whole_theirs(size_t i) {
    char text[64];
    sum += (size_t)snprintf(text, sizeof text, "%ju", (uintmax_t)wholes[i]);
}

static void read_ours(size_t i) {
    double value = 0;
    oxp_number_parse_json(oxp_view_of(texts[i], lengths[i]), &value);
    sum += value > 1;
}

static void read_theirs(size_t i) {
    sum += strtod(texts[i], NULL) > 1;
}

/* The best of a few rounds, ns for one. */
static double measure(void (*work)(size_t i)) {
    double best = INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (size_t i = 0; i < NUMBERS; i++) {
            work(i);
        }
        best = fmin(best, (now_ns() - start) / NUMBERS);
    }
    return best;
}

static void compare(const char *name, void (*ours)(size_t i), const char *limit, void (*theirs)(size_t i)) {
    double theirs_ns = measure(theirs);
    printf("%s %.2f ns/op %s %.2f\n", name, measure(ours), limit, theirs_ns);
}

static void fill_texts(void) {
    for (size_t i = 0; i < NUMBERS; i++) {
        lengths[i] = oxp_number_from_double(texts[i], doubles[i]);
        texts[i][lengths[i]] = '\0';
    }
}

int main(void) {
    struct oxp_random random;
    oxp_random_seed(&random, 1);
    for (size_t i = 0; i < NUMBERS; i++) { /* 17 digits, within what durations and ratios are */
        doubles[i] = oxp_random_unit(&random) * 1000;
    }
    compare("double_17_digits", write_ours, "snprintf_%.17g", write_theirs);
    fill_texts();
    compare("double_17_digits_read", read_ours, "strtod", read_theirs);
    for (size_t i = 0; i < NUMBERS; i++) { /* as a clock in ms gives them */
        doubles[i] = (double)(oxp_random_u64(&random) % 10000000) / 1000;
    }
    compare("double_short", write_ours, "snprintf_%.17g", write_theirs);
    fill_texts();
    compare("double_short_read", read_ours, "strtod", read_theirs);
    for (size_t i = 0; i < NUMBERS; i++) {
        wholes[i] = oxp_random_u64(&random) % 1000;
        doubles[i] = (double)wholes[i];
    }
    compare("double_small_whole", write_ours, "snprintf_%.17g", write_theirs);
    compare("u64_small", whole_ours, "snprintf_%ju", whole_theirs);
    for (size_t i = 0; i < NUMBERS; i++) {
        wholes[i] = oxp_random_u64(&random) >> (i % 64);
    }
    compare("u64_any", whole_ours, "snprintf_%ju", whole_theirs);
    return sum == 0;
}
