/* Four writers make, look up and move series while a reader takes snapshots: nothing is lost, nothing is seen
 * half-made, and the thread sanitizer has nothing to say. */
#include "tests/unit/lib/metrics/support.h"

#include <pthread.h>

enum { WRITERS = 4, ROUNDS = 3000, VALUES = 500, EXEMPLARS = 100000 };

static const double bounds[] = {0.25, 0.5, 0.75};
static const char *const outcomes[] = {"ok", "error", NULL};
static const struct oxp_family_spec counter = {
    .name = "c_total", .help = "h", .type = OXP_COUNTER, .labels = {{"x", NULL, 0}, {"outcome", outcomes, 0}}};
static const struct oxp_family_spec capped = {
    .name = "capped_total", .help = "h", .type = OXP_COUNTER, .labels = {{"x", NULL, 20}}, .max_series = 50};
static const struct oxp_family_spec seconds = {.name = "s_total", .help = "h", .type = OXP_COUNTER_FLOAT};
static const struct oxp_family_spec gauge = {
    .name = "g", .help = "h", .type = OXP_GAUGE, .labels = {{"x", NULL, 0}}, .flags = OXP_FAMILY_ABSENT};
static const struct oxp_family_spec histogram = {
    .name = "h", .help = "h", .type = OXP_HISTOGRAM, .labels = {{"x", NULL, 0}}, .bounds = bounds, .bound_count = 3};

static struct oxp_registry *registry;
static struct oxp_family *c, *k, *s, *g, *h;
static atomic_bool stopped;
static atomic_size_t dropped;
static atomic_size_t wrong;

/* cmocka's own asserts jump, which only the main thread may do. */
static void expect(bool holds) {
    if (!holds) {
        atomic_fetch_add(&wrong, 1);
    }
}

static void count_drop(void *ctx, const char *family, const char *key, struct oxp_view value) {
    (void)ctx;
    (void)family;
    (void)key;
    (void)value;
    atomic_fetch_add(&dropped, 1);
}

/* The value, the time and the text of an exemplar all say the same number, so that a torn one shows. */
static void set_exemplar(struct oxp_series *series, int number) {
    char text[101];
    memset(text, 'a' + number % 26, sizeof text);
    struct oxp_view labels[] = {OXP_VIEW("id"), oxp_view_of(text, (size_t)(number % 100) + 1)};
    oxp_series_exemplar(series, number, number, labels, 2);
}

static void *write_all(void *ctx) {
    int writer = *(int *)ctx;
    for (int i = 0; i < ROUNDS; i++) {
        char text[16];
        snprintf(text, sizeof text, "v%d", (i * 7 + writer) % VALUES);
        struct oxp_view x = oxp_view_from(text);
        oxp_counter_add(oxp_counter(oxp_family_at2(c, x, OXP_VIEW("ok"))), 1);
        oxp_counter_add(oxp_counter(oxp_family_at(k, x)), 1);
        oxp_series_count(oxp_family_only(s), 0.5);
        struct oxp_series *level = oxp_family_at(g, x);
        oxp_gauge_add(level, 1);
        if (i % 5 == 0) {
            oxp_series_hide(level);
        }
        struct oxp_series *times = oxp_family_at(h, x);
        oxp_histogram_observe(times, (double)(i % 4) / 4 + 0.1);
        set_exemplar(oxp_family_at2(c, OXP_VIEW("v0"), OXP_VIEW("error")), i);
        set_exemplar(times, i);
        if (i % 1000 == 0) {
            oxp_family_hide_where(g, "x", x);
        }
    }
    return NULL;
}

static void check_exemplar(const struct oxp_sample *sample, size_t bucket) {
    struct oxp_exemplar exemplar;
    if (oxp_sample_exemplar(sample, bucket, &exemplar)) {
        int number = (int)exemplar.value;
        expect(exemplar.time_s == exemplar.value);
        expect(exemplar.labels_len == (size_t)number % 100 + 1 + 5);
        for (size_t i = 4; i + 1 < exemplar.labels_len; i++) {
            expect(exemplar.labels[i] == 'a' + number % 26);
        }
    }
}

static size_t check_snapshot(void) {
    struct oxp_snapshot snapshot;
    const struct oxp_family_spec *spec;
    struct oxp_sample sample;
    size_t seen = 0;
    oxp_snapshot_begin(&snapshot, registry, NOW);
    while (oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        while (oxp_snapshot_next(&snapshot, &sample) == OXP_OK) {
            expect(sample.labels.len == 0 || sample.labels.ptr[sample.labels.len - 1] == '"');
            expect(sample.value >= 0);
            seen++;
            if (spec->type == OXP_HISTOGRAM) {
                uint64_t buckets[4];
                uint64_t count = oxp_sample_buckets(&sample, buckets);
                expect(count == buckets[0] + buckets[1] + buckets[2] + buckets[3]);
                expect((double)count >= sample.value); /* only ever more */
            }
            for (size_t bucket = 0; bucket < 4; bucket++) {
                check_exemplar(&sample, bucket);
            }
        }
    }
    return seen;
}

static void *read_all(void *ctx) {
    size_t *rounds = ctx;
    size_t before = 0;
    do {
        size_t now = check_snapshot();
        expect(now + VALUES >= before); /* gauges come and go, the rest only comes */
        before = now;
        (*rounds)++;
    } while (!atomic_load(&stopped));
    return NULL;
}

static double total(struct oxp_family *family) {
    struct oxp_snapshot snapshot;
    const struct oxp_family_spec *spec;
    struct oxp_sample sample;
    double sum = 0;
    oxp_snapshot_begin(&snapshot, registry, NOW);
    while (oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        while (spec == oxp_family_spec_of(family) && oxp_snapshot_next(&snapshot, &sample) == OXP_OK) {
            sum += sample.value;
        }
    }
    return sum;
}

static void test_threads(void **state) {
    (void)state;
    struct oxp_registry_options options = {.now_s = fixed_now, .on_drop = count_drop};
    assert_int_equal(oxp_registry_new(&options, &registry), OXP_OK);
    c = add(registry, &counter);
    k = add(registry, &capped);
    s = add(registry, &seconds);
    g = add(registry, &gauge);
    h = add(registry, &histogram);
    pthread_t writers[WRITERS], reader;
    int numbers[WRITERS];
    size_t rounds = 0;
    assert_int_equal(pthread_create(&reader, NULL, read_all, &rounds), 0);
    for (int i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&writers[i], NULL, write_all, &numbers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(writers[i], NULL), 0);
    }
    atomic_store(&stopped, true);
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_true(rounds > 0);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_true(total(c) == WRITERS * ROUNDS);
    assert_true(total(k) == WRITERS * ROUNDS);
    assert_true(total(s) == WRITERS * ROUNDS / 2.0);
    assert_true(total(h) == WRITERS * ROUNDS);
    assert_true(atomic_load(&dropped) > 0);
    /* what the counter of visible series says is what a walk finds: all but the gauges, then with them */
    oxp_family_hide_all(g);
    assert_int_equal(oxp_registry_series(registry), 2 * VALUES + 20 + 1 + VALUES);
    assert_int_equal(check_snapshot(), oxp_registry_series(registry));
    assert_int_equal(atomic_load(&wrong), 0);
    oxp_registry_free(registry);
}

static void *write_exemplars(void *ctx) {
    for (int i = 0; i < EXEMPLARS; i++) {
        set_exemplar(ctx, i);
    }
    atomic_store(&stopped, true);
    return NULL;
}

/* One slot, written as fast as it goes: a reader never gets half of one and half of another. */
static void test_exemplar_is_whole(void **state) {
    (void)state;
    struct oxp_registry_options options = {.now_s = fixed_now};
    assert_int_equal(oxp_registry_new(&options, &registry), OXP_OK);
    struct oxp_series *series = oxp_family_only(add(registry, &seconds));
    struct oxp_sample sample = {.spec = &seconds, .series = series};
    pthread_t writers[2];
    atomic_store(&stopped, false);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&writers[i], NULL, write_exemplars, series), 0);
    }
    do {
        check_exemplar(&sample, 0);
    } while (!atomic_load(&stopped));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(writers[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&wrong), 0);
    struct oxp_exemplar exemplar;
    assert_true(oxp_sample_exemplar(&sample, 0, &exemplar));
    oxp_registry_free(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads), cmocka_unit_test(test_exemplar_is_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
