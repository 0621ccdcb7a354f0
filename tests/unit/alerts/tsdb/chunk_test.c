/* Chunks give back what was put in, bit by bit, and are as small as they should be. */
#include "alerts/tsdb/chunk.h"
#include "alerts/tsdb/tsdb.h"
#include "lib/base/number.h"
#include "lib/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MOST = 3000, WORDS = 29 };

struct column {
    size_t count;
    int64_t time_ms[MOST];
    uint64_t bits[MOST];
};

static void add(struct column *column, int64_t time_ms, double value) {
    assert_true(column->count < MOST);
    column->time_ms[column->count] = time_ms;
    column->bits[column->count++] = oxp_bits_of(value);
}

/* A chain of blocks as the short memory would make it. */
struct chain {
    struct oxp_chunk *newest;
    struct oxp_chunk_sample last;
    size_t words[MOST]; /* of the chunks, oldest first */
    size_t chunks, bytes;
};

static void open_chunk(struct chain *chain, struct oxp_chunk_coder *coder, int64_t time_ms, uint64_t bits) {
    struct oxp_chunk_bits first;
    if (chain->newest != NULL) {
        unsigned count = oxp_chunk_count(atomic_load(&chain->newest->state));
        coder->density = (uint16_t)(1u + coder->used * 8u / count);
    }
    oxp_chunk_open(coder, bits, &first);
    size_t words = oxp_chunk_words(coder, &first, 3600000);
    words = words > WORDS ? WORDS : words;
    assert_true(words * 64 >= first.used);
    struct oxp_chunk *chunk = calloc(1, sizeof *chunk + words * 8);
    assert_non_null(chunk);
    chunk->first_ms = time_ms;
    oxp_chunk_start(chunk, 0x5a5, coder, &first);
    atomic_store(&chunk->older, chain->newest);
    chain->newest = chunk;
    chain->words[chain->chunks++] = words;
    chain->bytes += sizeof *chunk + words * 8;
}

static void append(struct chain *chain, struct oxp_chunk_coder *coder, int64_t time_ms, uint64_t bits) {
    struct oxp_chunk_sample sample = {time_ms, bits};
    const struct oxp_chunk_coder before = *coder;
    if (chain->newest == NULL ||
        !oxp_chunk_add(chain->newest, chain->words[chain->chunks - 1], coder, &chain->last, &sample)) {
        assert_memory_equal(coder, &before, sizeof before); /* as if nobody had tried */
        open_chunk(chain, coder, time_ms, bits);
    }
    chain->last = sample;
}

/* Decodes from the newest chunk backwards and holds it against the column; frees. */
static void check(struct chain *chain, const struct column *column) {
    size_t end = column->count;
    for (struct oxp_chunk *chunk = chain->newest, *older; chunk != NULL; chunk = older) {
        int64_t time_ms[OXP_CHUNK_SAMPLES];
        double value[OXP_CHUNK_SAMPLES];
        uint64_t state = atomic_load(&chunk->state);
        unsigned count = oxp_chunk_count(state);
        assert_true(count <= end && count <= OXP_CHUNK_SAMPLES);
        assert_int_equal(oxp_chunk_home(state), 0x5a5);
        oxp_chunk_decode(chunk, state, chain->words[--chain->chunks], time_ms, value);
        end -= count;
        for (unsigned i = 0; i < count; i++) {
            assert_int_equal(time_ms[i], column->time_ms[end + i]);
            assert_int_equal(oxp_bits_of(value[i]), column->bits[end + i]);
        }
        older = atomic_load(&chunk->older);
        free(chunk);
    }
    assert_int_equal(end, 0);
    chain->newest = NULL;
}

/* Bytes a sample. */
static double round_trip(const struct column *column) {
    static struct chain chain;
    struct oxp_chunk_coder coder = {0};
    chain = (struct chain){0};
    for (size_t i = 0; i < column->count; i++) {
        append(&chain, &coder, column->time_ms[i], column->bits[i]);
    }
    double bytes = (double)chain.bytes / (double)column->count;
    check(&chain, column);
    return bytes;
}

/* ---- What a chunk must bear ---- */

static void test_special_values(void **state) {
    (void)state;
    static const uint64_t bits[] = {
        OXP_STALE_BITS,
        UINT64_C(0x7ff8000000000001),
        UINT64_C(0xfff8000000000123),
        UINT64_C(0x7ff0000000000000),
        UINT64_C(0xfff0000000000000),
        UINT64_C(1) << 63,
        0,
        1,
        UINT64_C(0x7fefffffffffffff),
    };
    static const double plain[] = {0, 1, 0.5, 1e15, 1e300, -3, 0.1 + 0.2};
    for (size_t p = 0; p < sizeof plain / sizeof *plain; p++) {
        for (size_t first = 0; first < sizeof bits / sizeof *bits; first++) {
            static struct column column;
            column.count = 0;
            int64_t now = 1000;
            for (size_t i = 0; i < 40; i++) {
                add(&column, now += 15000, plain[p]);
                column.bits[column.count - 1] = i % 4 == 3 ? bits[(first + i) % 9] : column.bits[column.count - 1];
            }
            round_trip(&column);
            column.bits[0] = bits[first];
            round_trip(&column);
        }
    }
}

static void test_extreme_times(void **state) {
    (void)state;
    static const int64_t times[] = {
        INT64_MIN,         INT64_MIN + 1,    -1,       0, 1, 15001, 15002, 30002, 30003, 45003, 60003, INT64_MAX / 2,
        INT64_MAX - 20000, INT64_MAX - 5000, INT64_MAX};
    static struct column column;
    column.count = 0;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        add(&column, times[i], (double)i);
    }
    round_trip(&column);
    for (size_t i = 0; i < column.count; i++) {
        column.bits[i] = oxp_bits_of(0.1);
    }
    round_trip(&column);
}

static void test_extreme_whole_numbers(void **state) {
    (void)state;
    static const double whole[] = {0x1p53 - 1, -(0x1p53 - 1), 0, 0x1p53, -0x1p53, 0x1p53 + 2, 1, -1, 0x1p52, -0x1p52};
    static struct column column;
    column.count = 0;
    for (size_t i = 0; i < 400; i++) {
        add(&column, (int64_t)i * 1000, whole[i * i % 10]);
    }
    round_trip(&column);
}

/* ---- Any series at all, against the plain column ---- */

static double any_value(struct oxp_random *random, unsigned kind, double last) {
    uint64_t draw = oxp_random_u64(random);
    uint64_t low = draw >> 32;
    switch (kind) {
    case 0: /* idle, now and then one more */
        return last + (low % 10 == 0);
    case 1: /* a counter */
        return low % 100 == 0 ? 0 : last + (double)(low % 1000);
    case 2: /* a gauge of whole numbers */
        return (double)(low % 50);
    case 3: /* decimals */
        return (double)(low % 100000) / 100;
    case 4: /* doubles */
        return oxp_random_unit(random) * 1e6;
    case 5: { /* any bits: not-a-numbers with payloads, infinities, denormals */
        uint64_t bits = low % 4 == 0 ? draw | UINT64_C(0x7ff) << 52 : oxp_random_u64(random);
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    case 6: /* ends and comes back */
        return low % 5 == 0 ? oxp_stale_value() : (double)(low % 3);
    case 7: /* leaps */
        return (double)((int64_t)draw >> (low % 64));
    default: /* sums */
        return low % 3 == 0 ? last + oxp_random_unit(random) : last;
    }
}

static int64_t any_distance(struct oxp_random *random, unsigned kind) {
    uint64_t draw = oxp_random_u64(random);
    switch (kind) {
    case 0:
        return 15000;
    case 1: /* ticks are missed */
        return draw % 20 == 0 ? 45000 : 15000;
    case 2: /* they shake */
        return 14990 + (int64_t)(draw % 20);
    case 3:
        return 1 + (int64_t)(draw % 5);
    default:
        return 1 + (int64_t)(draw >> (16 + draw % 48));
    }
}

static void test_any_series(void **state) {
    (void)state;
    struct oxp_random random;
    oxp_random_seed(&random, 4);
    for (unsigned round = 0; round < 2000; round++) {
        static struct column column;
        column.count = 0;
        size_t count = 1 + oxp_random_u64(&random) % 600;
        unsigned kind = round % 9, times = round / 9 % 5;
        int64_t now = (int64_t)(oxp_random_u64(&random) >> 20);
        double last = 0;
        for (size_t i = 0; i < count; i++) {
            if (round % 7 == 6 && oxp_random_u64(&random) % 50 == 0) { /* becomes another sort of series */
                kind = (unsigned)(oxp_random_u64(&random) % 9);
                times = (unsigned)(oxp_random_u64(&random) % 5);
            }
            double value = any_value(&random, kind, last);
            last = isfinite(value) ? value : 0;
            int64_t distance = any_distance(&random, times);
            if (now > INT64_MAX - distance) {
                break;
            }
            now += distance;
            add(&column, now, value);
        }
        round_trip(&column);
    }
}

/* Even steps about as long as a chunk's head has room for, and longer: those are never learnt. */
static void test_long_steps(void **state) {
    (void)state;
    static const int64_t distances[] = {15000, INT64_C(1) << 33, OXP_CHUNK_STEP_MAX, INT64_C(1) << 32, 1};
    enum { DISTANCES = sizeof distances / sizeof distances[0] };
    for (size_t k = 0; k < DISTANCES * DISTANCES; k++) {
        static struct column column;
        column.count = 0;
        int64_t now = -5;
        for (size_t i = 0; i < 400; i++) {
            now += distances[i % 60 < 30 ? k / DISTANCES : k % DISTANCES];
            add(&column, now, (double)(i / 7));
        }
        round_trip(&column);
    }
}

/* A reader that takes any state in between sees exactly the samples of that state. */
static void test_every_prefix(void **state) {
    (void)state;
    struct oxp_random random;
    oxp_random_seed(&random, 9);
    for (unsigned kind = 0; kind < 9; kind++) {
        static struct column column;
        static struct chain chain;
        struct oxp_chunk_coder coder = {0};
        column.count = 0;
        chain = (struct chain){0};
        int64_t now = 0;
        double last = 0;
        for (size_t i = 0; i < 60; i++) {
            double value = any_value(&random, kind, last);
            last = isfinite(value) ? value : 0;
            add(&column, now += any_distance(&random, 1), value);
            append(&chain, &coder, now, column.bits[i]);
            int64_t time_ms[OXP_CHUNK_SAMPLES];
            double got[OXP_CHUNK_SAMPLES];
            uint64_t head = atomic_load(&chain.newest->state);
            oxp_chunk_decode(chain.newest, head, chain.words[chain.chunks - 1], time_ms, got);
            assert_int_equal(time_ms[oxp_chunk_count(head) - 1], now);
            assert_int_equal(oxp_bits_of(got[oxp_chunk_count(head) - 1]), column.bits[i]);
        }
        check(&chain, &column);
    }
}

/* ---- Size ---- */

static double poisson(struct oxp_random *random, double mean) {
    double limit = exp(-mean), product = 1;
    unsigned count = 0;
    while ((product *= oxp_random_unit(random)) > limit) {
        count++;
    }
    return count;
}

static void test_sizes(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double mean, scale; /* of events a step; by what their number is multiplied */
        bool gauge;
        double bytes_at_most;
    } rows[] = {
        {"idle", 0, 1, false, 0.35},
        {"one in twenty", 0.05, 1, false, 0.7},
        {"one in three", 0.33, 1, false, 0.9},
        {"four a step", 4, 1, false, 1.0},
        {"hundred a step", 100, 1, false, 1.35},
        {"cents", 20, 0.01, false, 1.25},
        {"gauge", 10, 1, true, 1.1},
        {"bytes", 50, 4096, true, 3.2},
    };
    struct oxp_random random;
    oxp_random_seed(&random, 1);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        static struct column column;
        column.count = 0;
        double total = 0;
        for (int64_t i = 0; i < 2400; i++) {
            double events = rows[r].mean == 0 ? 0 : poisson(&random, rows[r].mean);
            total = rows[r].gauge ? events : total + events;
            double value = rows[r].scale < 1 ? total / nearbyint(1 / rows[r].scale) : total * rows[r].scale;
            add(&column, 1700000000000 + i * 15000, value);
        }
        double bytes = round_trip(&column);
        print_message("%-16s %.2f bytes a sample\n", rows[r].name, bytes);
        assert_true(bytes <= rows[r].bytes_at_most);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_special_values),
        cmocka_unit_test(test_extreme_times),
        cmocka_unit_test(test_extreme_whole_numbers),
        cmocka_unit_test(test_any_series),
        cmocka_unit_test(test_long_steps),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
