/* The short memory keeps its bounds of time and bytes, and takes no more than the goals say. */
#include "lib/base/random.h"
#include "tests/unit/alerts/tsdb/memory_world.h"

#define NAME OXP_NAME_LABEL
enum { STEP = 15000 };

static void test_retention(void **state) {
    (void)state;
    struct oxp_points points = {0};
    struct oxp_tsdb_reader reader;
    open_tsdb(0, 0);
    struct oxp_tsdb_series *series = series_at(labels_of(&arena, "a", "b", NULL));
    int64_t now = 0;
    for (int64_t i = 1; i <= 2000; i++) {
        now = i * STEP;
        assert_int_equal(oxp_tsdb_append(tsdb, series, now, (double)(i % 50)), OXP_OK);
        assert_false(oxp_tsdb_trim(tsdb, now));
        struct oxp_tsdb_stats seen = stats();
        assert_int_equal(seen.reach_ms, 3600000);
        assert_true(seen.samples >= (uint64_t)(i < 241 ? i : 241));
        assert_true(seen.samples <= 241 + 120);
        assert_true(seen.oldest_ms > 0 && seen.newest_ms == now);
    }
    assert_int_equal(oxp_tsdb_read(tsdb, &reader), OXP_OK);
    assert_int_equal(oxp_tsdb_samples(&reader, series, now - 3600000 - 1, now, &points), OXP_OK);
    assert_int_equal(points.count, 241);
    oxp_tsdb_close(&reader);
    oxp_points_fini(&points);
}

/* Appends a tick of `count` series; some are floats, so that memory runs short. */
static void tick(struct oxp_tsdb_series **series, size_t count, struct oxp_random *random, int64_t now,
                 size_t *refused) {
    for (size_t i = 0; i < count; i++) {
        double value = i % 2 == 0 ? oxp_random_unit(random) : (double)(oxp_random_u64(random) % 1000);
        enum oxp_status status = oxp_tsdb_append(tsdb, series[i], now, value);
        assert_true(status == OXP_OK || status == OXP_ERR_FULL);
        *refused += status != OXP_OK;
    }
}

/* Every sample that the reach promises is there. */
static void check_reach(struct oxp_tsdb_series **series, size_t count, int64_t now) {
    struct oxp_tsdb_reader reader;
    struct oxp_points points = {0};
    int64_t reach = stats().reach_ms, begin = now - reach;
    assert_int_equal(oxp_tsdb_read(tsdb, &reader), OXP_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(oxp_tsdb_samples(&reader, series[i], begin, now, &points), OXP_OK);
        int64_t first = begin < 0 ? 0 : begin / STEP; /* ticks at or before the begin */
        assert_int_equal(points.count, now / STEP - first);
    }
    oxp_tsdb_close(&reader);
    oxp_points_fini(&points);
}

static void test_memory_limit(void **state) {
    (void)state;
    enum { SERIES = 500, LIMIT = 768 << 10 };
    static struct oxp_tsdb_series *series[SERIES];
    struct oxp_random random;
    size_t refused = 0;
    bool cut = false;
    int64_t least = INT64_MAX, most = 0;
    oxp_random_seed(&random, 8);
    open_tsdb(0, LIMIT);
    for (size_t i = 0; i < SERIES; i++) {
        char id[16];
        snprintf(id, sizeof id, "%zu", i);
        series[i] = series_at(labels_of(&arena, "id", id, "job", "x", NULL));
        oxp_tsdb_hold(series[i]);
    }
    for (int64_t now = STEP; now <= 600 * STEP; now += STEP) {
        tick(series, SERIES, &random, now, &refused);
        assert_true(stats().bytes <= LIMIT);
        cut |= oxp_tsdb_trim(tsdb, now);
        assert_int_equal(refused, 0);
        if (now % (50 * STEP) == 0) {
            check_reach(series, SERIES, now);
        }
        assert_true(stats().bytes <= LIMIT);
        if (now > 400 * STEP) {
            least = stats().reach_ms < least ? stats().reach_ms : least;
            most = stats().reach_ms > most ? stats().reach_ms : most;
        }
    }
    assert_true(cut);
    assert_int_equal(refused, 0);
    print_message("reach %lld to %lld s in %d KiB for %d series\n", (long long)least / 1000, (long long)most / 1000,
                  LIMIT >> 10, SERIES);
    assert_true(most < 3600000 && least > 1200000);
    assert_true(most < least + least / 5); /* it does not swing much */
    /* With room again, the reach grows back. */
    oxp_tsdb_configure(tsdb, &(struct oxp_tsdb_options){.memory_limit = 16 << 20});
    int64_t now = 600 * STEP;
    for (int64_t i = 0; i < 241; i++) {
        tick(series, SERIES, &random, now += STEP, &refused);
        assert_false(oxp_tsdb_trim(tsdb, now));
    }
    assert_int_equal(stats().reach_ms, 3600000);
    check_reach(series, SERIES, now);
}

/* A memory that is much too small reaches back hardly at all, but every series in it is sampled still; and what a
 * reader holds back is waited for. */
static void test_never_blind(void **state) {
    (void)state;
    enum { SERIES = 3000, LIMIT = 800 << 10 };
    static struct oxp_tsdb_series *series[SERIES];
    struct oxp_random random;
    struct oxp_tsdb_reader reader;
    size_t made = 0, refused = 0;
    oxp_random_seed(&random, 9);
    open_tsdb(0, LIMIT);
    for (; made < SERIES; made++) {
        char id[16];
        snprintf(id, sizeof id, "%zu", made);
        const struct oxp_labels *labels = labels_of(&arena, "id", id, "job", "x", "instance", "y", NULL);
        if (oxp_tsdb_series_at(tsdb, labels, &series[made]) != OXP_OK ||
            oxp_tsdb_append(tsdb, series[made], STEP, 0.5) != OXP_OK) {
            break;
        }
        oxp_tsdb_hold(series[made]);
    }
    assert_true(made > 1000 && made < SERIES);
    for (int64_t now = 2 * STEP; now <= 100 * STEP; now += STEP) {
        oxp_tsdb_trim(tsdb, now - STEP);
        tick(series, made, &random, now, &refused);
        assert_int_equal(refused, 0);
        assert_true(stats().bytes <= LIMIT);
    }
    assert_true(stats().reach_ms < 20 * STEP);
    assert_int_equal(oxp_tsdb_read(tsdb, &reader), OXP_OK);
    uint64_t samples = stats().samples;
    for (int64_t now = 101 * STEP; now <= 140 * STEP; now += STEP) {
        tick(series, made, &random, now, &refused);
        oxp_tsdb_trim(tsdb, now);
        assert_true(stats().bytes <= LIMIT);
    }
    assert_true(refused > 0 && stats().samples > samples / 4);
    oxp_tsdb_close(&reader);
    oxp_tsdb_trim(tsdb, 140 * STEP);
    refused = 0;
    tick(series, made, &random, 141 * STEP, &refused);
    assert_int_equal(refused, 0);
}

static void test_full(void **state) {
    (void)state;
    enum { LIMIT = 128 << 10 };
    struct oxp_random random;
    size_t made = 0, refused = 0;
    oxp_random_seed(&random, 8);
    open_tsdb(0, LIMIT);
    for (size_t i = 0; i < 5000; i++) {
        struct oxp_tsdb_series *series;
        char id[16];
        snprintf(id, sizeof id, "%zu", i);
        struct oxp_arena_mark mark = oxp_arena_here(&arena);
        enum oxp_status status = oxp_tsdb_series_at(tsdb, labels_of(&arena, "id", id, NULL), &series);
        oxp_arena_reset(&arena, mark);
        assert_true(status == OXP_OK || status == OXP_ERR_FULL);
        if (status == OXP_OK) {
            made++;
            status = oxp_tsdb_append(tsdb, series, STEP, oxp_random_unit(&random));
            assert_true(status == OXP_OK || status == OXP_ERR_FULL);
        }
        refused += status != OXP_OK;
        assert_true(stats().bytes <= LIMIT);
    }
    assert_true(made > 100 && refused > 100);
    assert_int_equal(stats().refused, refused);
    oxp_tsdb_trim(tsdb, STEP);
    assert_true(stats().bytes <= LIMIT);
    oxp_tsdb_trim(tsdb, 3600000 + 2 * STEP); /* and when all has gone, there is room again */
    assert_int_equal(stats().series, 0);
    struct oxp_tsdb_series *series = series_at(labels_of(&arena, "new", "one", NULL));
    assert_int_equal(oxp_tsdb_append(tsdb, series, 3600000 + 3 * STEP, 1), OXP_OK);
}

/* What lists and tables were before they grew does not wait for the next trim, and while a reader is open it does. */
static void test_growing_leaves_nothing(void **state) {
    (void)state;
    enum { SERIES = 4000 };
    struct oxp_tsdb_reader reader;
    uint64_t after[2];
    for (unsigned read = 0; read < 2; read++) {
        open_tsdb(0, 0);
        if (read != 0) {
            assert_int_equal(oxp_tsdb_read(tsdb, &reader), OXP_OK);
        }
        for (size_t i = 0; i < SERIES; i++) {
            char id[16], few[16];
            snprintf(id, sizeof id, "%zu", i);
            snprintf(few, sizeof few, "%zu", i % 100);
            struct oxp_arena_mark mark = oxp_arena_here(&arena);
            oxp_tsdb_hold(series_at(labels_of(&arena, "id", id, "few", few, "job", "x", NULL)));
            oxp_arena_reset(&arena, mark);
        }
        uint64_t before = stats().bytes;
        if (read != 0) {
            oxp_tsdb_close(&reader);
        }
        oxp_tsdb_trim(tsdb, STEP);
        after[read] = stats().bytes;
        assert_true(read != 0 ? before > after[0] + after[0] / 4 : before < after[0] + after[0] / 16);
        oxp_tsdb_free(tsdb);
        tsdb = NULL;
    }
    assert_true(after[1] < after[0] + after[0] / 16);
}

/* ---- The figures of the goals ---- */

static double realistic(struct oxp_random *random, size_t kind, double last) {
    uint64_t draw = oxp_random_u64(random);
    switch (kind % 20) {
    case 0: /* a busy counter */
        return last + (double)(draw % 40);
    case 1: /* a counter that moves a little */
    case 2:
    case 3:
        return last + (draw % 3 == 0);
    case 4: /* gauges: sessions, bytes */
    case 5:
        return (double)(draw % 25);
    case 6:
        return last + (double)((int64_t)(draw % 65) - 32) * 4096;
    case 7: /* a sum of seconds */
        return draw % 3 == 0 ? last + oxp_random_unit(random) * 3 : last;
    case 8: /* a ratio */
        return oxp_random_unit(random);
    case 9: /* buckets */
    case 10:
    case 11:
    case 12:
        return last + (double)(draw % 4 == 0);
    default: /* most do nothing */
        return last + (draw % 500 == 0);
    }
}

static void test_figures(void **state) {
    (void)state;
    enum { SERIES = 10000, TICKS = 240 };
    static struct oxp_tsdb_series *series[SERIES];
    static double last[SERIES];
    struct oxp_random random;
    oxp_random_seed(&random, 2);
    open_tsdb(0, 0);
    for (size_t i = 0; i < SERIES; i++) {
        char name[64], operation[32], le[16];
        snprintf(name, sizeof name, "orchestrator_metric_%zu_total", i / 100);
        snprintf(operation, sizeof operation, "operation-%zu", i % 100 / 10);
        snprintf(le, sizeof le, "%zu", i % 10);
        series[i] = series_at(labels_of(&arena, NAME, name, "operation", operation, "le", le, "outcome", "ok", "job",
                                        "collector", "instance", "10.0.0.1:10108", "replica", "a", NULL));
        oxp_tsdb_hold(series[i]);
        last[i] = 0;
    }
    for (int64_t t = 1; t <= TICKS; t++) {
        for (size_t i = 0; i < SERIES; i++) {
            last[i] = realistic(&random, i / 10, last[i]);
            assert_int_equal(oxp_tsdb_append(tsdb, series[i], t * STEP, last[i]), OXP_OK);
        }
        oxp_tsdb_trim(tsdb, t * STEP);
    }
    struct oxp_tsdb_stats seen = stats();
    double each = (double)seen.sample_bytes / (double)seen.samples;
    print_message("10,000 series, 240 samples: %.2f MB; %.2f bytes a sample in %llu chunks\n", (double)seen.bytes / 1e6,
                  each, (unsigned long long)seen.chunks);
    assert_int_equal(seen.samples, SERIES * TICKS);
    assert_true(each <= 2);
    assert_true(seen.bytes <= 12000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_retention), TEST(test_memory_limit),           TEST(test_never_blind),
        TEST(test_full),      TEST(test_growing_leaves_nothing), TEST(test_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
