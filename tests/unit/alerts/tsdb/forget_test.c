/* A clock that was set back: what lies behind the new time is forgotten, to the sample, and everything else stays. */
#include "lib/base/random.h"
#include "tests/support/alloc_fail.h"
#include "tests/unit/alerts/tsdb/memory_world.h"

enum { STEP = 15000, MOST = 1000, SERIES = 40, HOUR_MS = 3600000 };

static struct oxp_tsdb_series *series_of(const char *id) {
    struct oxp_tsdb_series *series;
    assert_int_equal(oxp_tsdb_series_at(tsdb, labels_of(&arena, "id", id, NULL), &series), OXP_OK);
    oxp_tsdb_hold(series);
    return series;
}

static bool same(double a, double b) {
    return memcmp(&a, &b, sizeof a) == 0;
}

/* ---- Any series, any cut ---- */

struct model {
    size_t count;
    int64_t time_ms[MOST];
    double value[MOST];
};

static double any_value(struct oxp_random *random, size_t kind, double last) {
    uint64_t draw = oxp_random_u64(random);
    switch (kind % 5) {
    case 0:
        return 7; /* runs */
    case 1:
        return (oxp_is_stale(last) ? 0 : last) + (double)(draw % 3);
    case 2:
        return oxp_random_unit(random) * 100;
    case 3:
        return draw % 5 == 0 ? oxp_stale_value() : (double)(draw % 4);
    default:
        return (double)(draw % 1000) / (draw % 7 == 0 ? 1000 : 10); /* of changing scale */
    }
}

static void add_some(struct model *model, struct oxp_tsdb_series *series, struct oxp_random *random, size_t kind) {
    size_t more = oxp_random_u64(random) % 300;
    int64_t now = model->count == 0 ? 1000000 : model->time_ms[model->count - 1];
    double value = model->count == 0 ? 0 : model->value[model->count - 1];
    for (size_t i = 0; i < more && model->count < MOST; i++) {
        now += kind % 3 == 0 ? 1 + (int64_t)(oxp_random_u64(random) % 40000) : STEP;
        value = any_value(random, kind, value);
        assert_int_equal(oxp_tsdb_append(tsdb, series, now, value), OXP_OK);
        model->time_ms[model->count] = now;
        model->value[model->count++] = value;
    }
}

/* What the model forgets, the marker that ends an ended series included. */
static void forget(struct model *model, int64_t time_ms) {
    size_t count = model->count;
    if (count == 0 || model->time_ms[count - 1] <= time_ms) {
        return;
    }
    double last = model->value[count - 1];
    while (count != 0 && model->time_ms[count - 1] > time_ms - oxp_is_stale(last)) {
        count--;
    }
    if (count != 0 && oxp_is_stale(last) && !oxp_is_stale(model->value[count - 1])) {
        model->time_ms[count] = time_ms;
        model->value[count++] = last;
    }
    model->count = count;
}

static void check(const struct model *model, const struct oxp_tsdb_series *series, struct oxp_points *points) {
    struct oxp_tsdb_reader reader;
    int64_t time_ms = 0;
    double value = 0;
    assert_int_equal(oxp_tsdb_read(tsdb, &reader), OXP_OK);
    assert_int_equal(oxp_tsdb_samples(&reader, series, INT64_MIN, INT64_MAX, points), OXP_OK);
    assert_int_equal(points->count, model->count);
    for (size_t i = 0; i < model->count; i++) {
        assert_int_equal(points->time_ms[i], model->time_ms[i]);
        assert_true(same(points->value[i], model->value[i]));
    }
    assert_int_equal(oxp_tsdb_last(series, &time_ms, &value), model->count != 0);
    if (model->count != 0) {
        assert_int_equal(time_ms, model->time_ms[model->count - 1]);
        assert_true(same(value, model->value[model->count - 1]));
        assert_true(oxp_tsdb_newest(&reader, series, INT64_MIN, INT64_MAX, &time_ms, &value));
        assert_int_equal(time_ms, model->time_ms[model->count - 1]);
    }
    oxp_tsdb_close(&reader);
}

static void check_stats(const struct model *models) {
    uint64_t samples = 0, series = 0;
    int64_t oldest = INT64_MAX, newest = INT64_MIN;
    for (size_t i = 0; i < SERIES; i++) {
        const struct model *model = &models[i];
        samples += model->count;
        series += model->count != 0;
        if (model->count != 0) {
            oldest = model->time_ms[0] < oldest ? model->time_ms[0] : oldest;
            newest = model->time_ms[model->count - 1] > newest ? model->time_ms[model->count - 1] : newest;
        }
    }
    assert_int_equal(stats().samples, samples);
    assert_int_equal(stats().series, series);
    assert_int_equal(stats().oldest_ms, samples == 0 ? 0 : oldest);
    assert_int_equal(stats().newest_ms, samples == 0 ? 0 : newest);
    assert_true((stats().chunks != 0) == (samples != 0));
}

static void test_any_series_any_cut(void **state) {
    (void)state;
    static struct model models[SERIES];
    static struct oxp_tsdb_series *series[SERIES];
    struct oxp_points points = {0};
    struct oxp_random random;
    oxp_random_seed(&random, 5);
    for (size_t round = 0; round < 6; round++) {
        open_tsdb(HOUR_MS, 0);
        memset(models, 0, sizeof models);
        for (size_t i = 0; i < SERIES; i++) {
            char id[16];
            snprintf(id, sizeof id, "%zu", i);
            series[i] = series_of(id);
        }
        for (size_t cut = 0; cut < 8; cut++) {
            int64_t newest = 0;
            for (size_t i = 0; i < SERIES; i++) {
                add_some(&models[i], series[i], &random, i);
                if (models[i].count != 0 && models[i].time_ms[models[i].count - 1] > newest) {
                    newest = models[i].time_ms[models[i].count - 1];
                }
            }
            int64_t time_ms = newest - (int64_t)(oxp_random_u64(&random) % (cut % 2 == 0 ? 300000 : 9000000));
            time_ms = cut == 6 ? 999999 : time_ms / STEP * STEP + (int64_t)(cut % 3); /* once all of it */
            oxp_tsdb_forget_after(tsdb, time_ms);
            for (size_t i = 0; i < SERIES; i++) {
                forget(&models[i], time_ms);
                check(&models[i], series[i], &points);
            }
            check_stats(models);
        }
        oxp_tsdb_trim(tsdb, INT64_MAX);
        assert_int_equal(stats().samples, 0);
        assert_int_equal(stats().chunks, 0);
        assert_int_equal(stats().sample_bytes, 0); /* every block was given back */
        oxp_tsdb_free(tsdb);
        tsdb = NULL;
        oxp_arena_clear(&arena);
    }
    oxp_points_fini(&points);
}

static void test_borders(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int64_t time_ms;
        size_t left;
    } rows[] = {
        {"later than all", 4001, 4}, {"the last one", 4000, 4}, {"just before it", 3999, 3},
        {"the first one", 1000, 1},  {"before all", 999, 0},    {"long before", INT64_MIN, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        open_tsdb(HOUR_MS, 0);
        struct oxp_tsdb_series *series = series_of("a");
        for (int64_t time_ms = 1000; time_ms <= 4000; time_ms += 1000) {
            assert_int_equal(oxp_tsdb_append(tsdb, series, time_ms, 1), OXP_OK);
        }
        oxp_tsdb_forget_after(tsdb, rows[i].time_ms);
        if (stats().samples != rows[i].left) {
            fail_msg("%s: %llu left", rows[i].name, (unsigned long long)stats().samples);
        }
        assert_int_equal(oxp_tsdb_append(tsdb, series, 4002, 2), OXP_OK);
        oxp_tsdb_free(tsdb);
        tsdb = NULL;
        oxp_arena_clear(&arena);
    }
}

static void test_an_empty_memory(void **state) {
    (void)state;
    open_tsdb(HOUR_MS, 0);
    oxp_tsdb_forget_after(tsdb, 0);
    struct oxp_tsdb_series *series = series_of("a");
    oxp_tsdb_forget_after(tsdb, 0);
    assert_int_equal(stats().series + stats().samples, 0);
    assert_int_equal(oxp_tsdb_append(tsdb, series, 1, 1), OXP_OK);
}

/* ---- Readers ---- */

static size_t samples_of(const struct oxp_tsdb_reader *reader, const struct oxp_tsdb_found *found) {
    struct oxp_points points = {0};
    assert_int_equal(oxp_tsdb_samples(reader, found->series, INT64_MIN, INT64_MAX, &points), OXP_OK);
    size_t count = points.count;
    for (size_t i = 1; i < count; i++) {
        assert_true(points.time_ms[i] > points.time_ms[i - 1]);
    }
    oxp_points_fini(&points);
    return count;
}

/* What an open reader found can be looked at still, and is freed when it is closed. */
static void test_reader(void **state) {
    (void)state;
    struct oxp_tsdb_reader reader;
    struct oxp_tsdb_found *found;
    size_t count;
    open_tsdb(HOUR_MS, 0);
    struct oxp_tsdb_series *series = series_of("a");
    for (int64_t i = 1; i <= 500; i++) {
        assert_int_equal(oxp_tsdb_append(tsdb, series, i * STEP, 0.37 * (double)i), OXP_OK);
    }
    assert_int_equal(oxp_tsdb_read(tsdb, &reader), OXP_OK);
    assert_int_equal(oxp_tsdb_select(&reader, NULL, 0, INT64_MIN, INT64_MAX, &arena, &found, &count), OXP_OK);
    assert_int_equal(count, 1);
    for (int64_t left = 400; left >= 0; left -= 50) {
        oxp_tsdb_forget_after(tsdb, left * STEP + 1);
        assert_int_equal(samples_of(&reader, found), left);
    }
    oxp_tsdb_release(series);
    oxp_tsdb_trim(tsdb, 600 * (int64_t)STEP);
    assert_int_equal(stats().series_gone, 1);
    assert_int_equal(samples_of(&reader, found), 0);
    assert_true(stats().sample_bytes != 0); /* they wait for it */
    oxp_tsdb_close(&reader);
    oxp_tsdb_trim(tsdb, 600 * (int64_t)STEP);
    assert_int_equal(stats().sample_bytes, 0);
}

/* ---- Bounds ---- */

static void test_while_memory_is_short(void **state) {
    (void)state;
    enum { LIMIT = 256 << 10, MANY = 200 };
    static struct oxp_tsdb_series *series[MANY];
    struct oxp_random random;
    oxp_random_seed(&random, 4);
    open_tsdb(HOUR_MS, LIMIT);
    for (size_t i = 0; i < MANY; i++) {
        char id[16];
        snprintf(id, sizeof id, "%zu", i);
        series[i] = series_of(id);
    }
    int64_t now = 0;
    for (int64_t tick = 0; tick < 600; tick++) {
        now += STEP;
        for (size_t i = 0; i < MANY; i++) {
            assert_int_equal(oxp_tsdb_append(tsdb, series[i], now, oxp_random_unit(&random)), OXP_OK);
        }
        oxp_tsdb_trim(tsdb, now);
        assert_true(stats().bytes <= LIMIT);
        if (tick % 100 == 99) {
            assert_true(stats().reach_ms < 3600000);
            uint64_t samples = stats().samples;
            now -= 10 * STEP;
            oxp_tsdb_forget_after(tsdb, now);
            assert_int_equal(stats().newest_ms, now);
            assert_int_equal(stats().samples, samples - 10 * MANY); /* there was room to write the rest anew */
            assert_true(stats().bytes <= LIMIT);
        }
    }
    /* what the limit took lay behind the new time: so far the memory reaches back no further */
    assert_true(stats().reach_ms > 0);
    oxp_tsdb_forget_after(tsdb, STEP);
    assert_int_equal(stats().reach_ms, 0);
    assert_int_equal(oxp_tsdb_append(tsdb, series[0], 2 * STEP, 1), OXP_OK);
    oxp_tsdb_trim(tsdb, 2 * STEP);
    assert_int_equal(stats().reach_ms, STEP);
}

static void body(void *ctx) {
    (void)ctx;
    struct oxp_arena local;
    struct oxp_tsdb *made = NULL;
    struct oxp_tsdb_series *series[8] = {NULL};
    struct oxp_tsdb_stats seen;
    oxp_arena_init(&local, 0);
    if (oxp_tsdb_new(&(struct oxp_tsdb_options){0}, &made) != OXP_OK) {
        return;
    }
    for (size_t i = 0; i < 8; i++) {
        char id[16];
        snprintf(id, sizeof id, "%zu", i);
        const struct oxp_labels *labels = labels_of(&local, "id", id, NULL);
        if (labels == NULL || oxp_tsdb_series_at(made, labels, &series[i]) != OXP_OK) {
            continue;
        }
        oxp_tsdb_hold(series[i]);
        for (int64_t tick = 1; tick <= 200; tick++) {
            enum oxp_status status =
                oxp_tsdb_append(made, series[i], tick * STEP, (double)(tick * (int64_t)i % 17) * 0.3);
            assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
        }
    }
    oxp_tsdb_forget_after(made, 130 * STEP + 1);
    oxp_tsdb_stats(made, &seen);
    assert_true(seen.newest_ms <= 130 * STEP);
    uint64_t left = 0;
    for (size_t i = 0; i < 8; i++) {
        int64_t last_ms;
        double last;
        struct oxp_tsdb_reader reader;
        struct oxp_points points = {0};
        if (series[i] == NULL) {
            continue;
        }
        assert_int_equal(oxp_tsdb_read(made, &reader), OXP_OK);
        if (oxp_tsdb_samples(&reader, series[i], INT64_MIN, INT64_MAX, &points) == OXP_OK) {
            bool some = oxp_tsdb_last(series[i], &last_ms, &last);
            assert_int_equal(some, points.count != 0);
            assert_true(!some || last_ms == points.time_ms[points.count - 1]);
            left += points.count;
        } else {
            assert_true(alloc_fail_hit());
            left = seen.samples; /* not to be known */
        }
        oxp_points_fini(&points);
        oxp_tsdb_close(&reader);
        assert_true(oxp_tsdb_append(made, series[i], 131 * STEP, 5) != OXP_ERR_RANGE);
    }
    assert_true(left == seen.samples || alloc_fail_hit());
    oxp_tsdb_trim(made, INT64_MAX);
    oxp_tsdb_stats(made, &seen);
    assert_int_equal(seen.samples, 0);
    assert_int_equal(seen.chunks, 0);
    oxp_tsdb_free(made);
    oxp_arena_fini(&local);
}

static void test_failing_allocations(void **state) {
    (void)state;
    assert_true(alloc_fail_each(body, NULL) > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_any_series_any_cut),    TEST(test_borders),
        TEST(test_an_empty_memory),       TEST(test_reader),
        TEST(test_while_memory_is_short), TEST(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
