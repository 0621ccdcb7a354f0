/* A writer that makes series, appends, trims, loses series again and goes back in time, and readers beside it: what
 * they see is in order, true (every value is a function of its series and time) and complete, and labels can be read.
 */
#include "lib/base/random.h"
#include "tests/unit/alerts/tsdb/memory_support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { SERIES = 300, READERS = 3, STEP = 1000, KEPT = 40, BACK = 12 };

static struct oxp_tsdb *tsdb;
static atomic_int done; /* the last tick that is wholly there */
static atomic_int era;  /* how often time went back */
static atomic_bool stopped;
static atomic_uint passes; /* of readers */
static atomic_size_t wrong, seen;

/* cmocka's own asserts jump, which only the main thread may do. */
static void expect(bool holds) {
    if (!holds) {
        atomic_fetch_add(&wrong, 1);
    }
}

static double value_at(int id, int tick) {
    switch (id % 4) {
    case 0:
        return tick / 16; /* idles */
    case 1:
        return (double)tick * id * 1.1; /* doubles */
    case 2:
        return tick % 9 == 0 ? oxp_stale_value() : tick * 3;
    default:
        return tick * tick % 100;
    }
}

/* Series come and go in turns, for longer than the retention. */
static bool is_there(int id, int tick) {
    return (tick / 30 + id) % 5 < 3;
}

struct writing {
    int ticks;
    int eras;      /* how often time goes back */
    bool refusals; /* are to be expected */
};

/* Readers come and go between ticks, as they would: else what they hold back fills a memory that is short. */
static void let_readers_pass(void) {
    unsigned passed = atomic_load(&passes);
    while (atomic_load(&passes) - passed < READERS) {
        sched_yield();
    }
}

/* To between two ticks, where a marker tells of series that had ended. */
static int go_back(int tick) {
    tick -= BACK;
    atomic_store(&done, tick);
    atomic_fetch_add(&era, 1);
    oxp_tsdb_forget_after(tsdb, (int64_t)tick * STEP + STEP / 2);
    return tick;
}

static bool is_marker(int64_t time_ms, double value) {
    return time_ms % STEP == STEP / 2 && oxp_is_stale(value);
}

static void *write_all(void *ctx) {
    const struct writing *writing = ctx;
    static const struct oxp_labels *labels[SERIES];
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    for (int id = 0; id < SERIES; id++) {
        char text[16], group[16], few[16];
        snprintf(text, sizeof text, "%d", id);
        snprintf(group, sizeof group, "g%d", id % 7);
        snprintf(few, sizeof few, "%d", id / 3); /* none to three of these are there */
        labels[id] = labels_of(&arena, "id", text, "group", group, "few", few, "job", "test", NULL);
    }
    for (int tick = 1; tick <= writing->ticks; tick++) {
        for (int id = 0; id < SERIES; id++) {
            struct oxp_tsdb_series *series;
            if (!is_there(id, tick)) {
                continue;
            }
            enum oxp_status status = oxp_tsdb_series_at(tsdb, labels[id], &series);
            if (status == OXP_OK) {
                status = oxp_tsdb_append(tsdb, series, (int64_t)tick * STEP, value_at(id, tick));
            }
            expect(status == OXP_OK || (writing->refusals && status == OXP_ERR_FULL));
        }
        atomic_store(&done, tick);
        oxp_tsdb_trim(tsdb, (int64_t)tick * STEP);
        if (tick % 8 == 0) {
            let_readers_pass();
        }
        if (tick % 61 == 0 && atomic_load(&era) < writing->eras) {
            tick = go_back(tick);
        }
    }
    atomic_store(&stopped, true);
    oxp_arena_fini(&arena);
    return NULL;
}

static int id_of(const struct oxp_labels *labels) {
    const struct oxp_symbol *id = oxp_labels_find(labels, OXP_VIEW("id"));
    const struct oxp_symbol *group = oxp_labels_find(labels, OXP_VIEW("group"));
    expect(id != NULL && group != NULL && oxp_labels_find(labels, OXP_VIEW("job")) != NULL);
    int number = id == NULL ? 0 : (int)strtol(id->text, NULL, 10);
    expect(group != NULL && group->text[1] == '0' + number % 7);
    return number;
}

static bool same(double a, double b) {
    return memcmp(&a, &b, sizeof a) == 0;
}

struct moment {
    int era, tick; /* in this order: the tick may already be another era's, and then it is an earlier one */
};

static void check_series(const struct oxp_tsdb_reader *reader, const struct oxp_tsdb_found *found,
                         const struct moment *then, bool complete, struct oxp_points *points) {
    int since = then->tick, was = then->era;
    int id = id_of(found->labels), expected = 0, got = 0, last = 0;
    int64_t newest_ms;
    double newest;
    expect(oxp_tsdb_samples(reader, found->series, 0, INT64_MAX, points) == OXP_OK);
    for (size_t i = 0; i < points->count; i++) {
        int tick = (int)(points->time_ms[i] / STEP);
        expect(i == 0 || points->time_ms[i] > points->time_ms[i - 1]);
        if (is_marker(points->time_ms[i], points->value[i])) {
            continue;
        }
        expect(is_there(id, tick) && same(points->value[i], value_at(id, tick)));
        got += tick > since - KEPT / 2 && tick <= since;
        last = tick <= since ? tick : last; /* later ones one call may see and the next one not */
    }
    if (oxp_tsdb_newest(reader, found->series, 0, INT64_MAX, &newest_ms, &newest)) {
        expect(is_marker(newest_ms, newest) || same(newest, value_at(id, (int)(newest_ms / STEP))));
        /* where memory is short, a series that goes back may find no room for its end */
        expect(!complete || newest_ms / STEP >= last || atomic_load(&era) != was);
    }
    for (int tick = since - KEPT / 2 + 1; tick <= since; tick++) {
        expected += tick > 0 && is_there(id, tick);
    }
    /* unless the writer was so fast that it has trimmed since, or went back */
    expect(!complete || got == expected || atomic_load(&done) > since + KEPT / 4 || atomic_load(&era) != was);
    atomic_fetch_add(&seen, points->count);
}

struct reading {
    unsigned seed;
    bool complete;
};

static void *read_all(void *ctx) {
    const struct reading *reading = ctx;
    struct oxp_arena arena, texts;
    struct oxp_points points = {0};
    struct oxp_random random;
    oxp_random_seed(&random, reading->seed);
    oxp_arena_init(&arena, 0);
    oxp_arena_init(&texts, 0);
    struct oxp_matcher matchers[] = {
        matcher_of(&texts, "job", OXP_MATCH_EQUAL, "test"), matcher_of(&texts, "group", OXP_MATCH_REGEX, "g1|g2|g3"),
        matcher_of(&texts, "id", OXP_MATCH_REGEX, ".*7"), matcher_of(&texts, "id", OXP_MATCH_NOT_EQUAL, "10"),
        matcher_of(&texts, "few", OXP_MATCH_REGEX, "3|12|13|40")};
    while (!atomic_load(&stopped)) {
        struct oxp_tsdb_reader reader;
        struct oxp_tsdb_found *found;
        struct oxp_tsdb_stats stats;
        const struct oxp_symbol **symbols;
        size_t count = 0, from = oxp_random_u64(&random) % 5, some = oxp_random_u64(&random) % (6 - from);
        expect(oxp_tsdb_read(tsdb, &reader) == OXP_OK);
        for (unsigned again = 0; again < 3; again++) {
            struct moment then = {.era = atomic_load(&era)};
            then.tick = atomic_load(&done);
            expect(oxp_tsdb_select(&reader, matchers + from, some, 0, INT64_MAX, &arena, &found, &count) == OXP_OK);
            for (size_t i = 0; i < count; i++) {
                expect(i == 0 || oxp_labels_compare(found[i - 1].labels, found[i].labels) < 0);
                expect(oxp_matchers_accept(matchers + from, some, found[i].labels));
                check_series(&reader, &found[i], &then, reading->complete, &points);
            }
        }
        expect(oxp_tsdb_label_values(&reader, OXP_VIEW("group"), NULL, 0, 0, INT64_MAX, &arena, &symbols, &count) ==
               OXP_OK);
        expect(count <= 7);
        oxp_tsdb_stats(tsdb, &stats);
        expect(stats.series <= SERIES);
        oxp_tsdb_close(&reader);
        oxp_arena_clear(&arena);
        atomic_fetch_add(&passes, 1);
    }
    for (size_t i = 0; i < sizeof matchers / sizeof *matchers; i++) {
        oxp_regex_free(matchers[i].regex);
    }
    oxp_points_fini(&points);
    oxp_arena_fini(&arena);
    oxp_arena_fini(&texts);
    return NULL;
}

static void run(size_t memory_limit, int ticks, int eras) {
    struct oxp_tsdb_options options = {.retention_ms = KEPT * STEP, .memory_limit = memory_limit};
    struct writing writing = {ticks, eras, memory_limit != 0};
    struct reading readings[READERS];
    pthread_t writer, readers[READERS];
    atomic_store(&stopped, false);
    atomic_store(&done, 0);
    atomic_store(&era, 0);
    atomic_store(&seen, 0);
    assert_int_equal(oxp_tsdb_new(&options, &tsdb), OXP_OK);
    for (unsigned i = 0; i < READERS; i++) {
        readings[i] = (struct reading){i, memory_limit == 0};
        assert_int_equal(pthread_create(&readers[i], NULL, read_all, &readings[i]), 0);
    }
    assert_int_equal(pthread_create(&writer, NULL, write_all, &writing), 0);
    assert_int_equal(pthread_join(writer, NULL), 0);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&wrong), 0);
    assert_true(atomic_load(&seen) > 0);
    oxp_tsdb_trim(tsdb, INT64_MAX);
    struct oxp_tsdb_stats stats;
    oxp_tsdb_stats(tsdb, &stats);
    assert_int_equal(stats.series, 0);
    assert_int_equal(stats.sample_bytes, 0); /* everything was given back */
    assert_true(stats.series_gone > SERIES);
    oxp_tsdb_free(tsdb);
}

static void test_readers_beside_the_writer(void **state) {
    (void)state;
    run(0, 600, 0);
}

static void test_readers_while_memory_is_short(void **state) {
    (void)state;
    run(200 << 10, 400, 0);
}

static void test_readers_while_time_goes_back(void **state) {
    (void)state;
    run(0, 400, 12);
    run(200 << 10, 300, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers_beside_the_writer),
        cmocka_unit_test(test_readers_while_memory_is_short),
        cmocka_unit_test(test_readers_while_time_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
