/* The engine with threads: two that query the same engine while a third appends to the short memory and trims it. */
#include "tests/unit/lib/base/support.h"

#include "alerts/promql/engine.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

enum { SERIES = 20, QUERIES = 200, INTERVAL_MS = 1000, KEPT_MS = 60 * INTERVAL_MS };

struct shared {
    struct oxp_tsdb *tsdb;
    struct oxp_promql_engine *engine;
    struct oxp_promql_expr *expr[3];
    _Atomic int64_t newest_ms;
    _Atomic int asked[2]; /* queries of each thread so far */
    _Atomic bool done;
    _Atomic unsigned wrong;
};

static const struct oxp_labels *labels_of(struct oxp_arena *arena, int number) {
    struct oxp_labels_builder builder;
    char text[16];
    snprintf(text, sizeof text, "%d", number);
    oxp_labels_build(&builder, arena, oxp_labels_none());
    oxp_labels_set_text(&builder, OXP_VIEW(OXP_NAME_LABEL), OXP_VIEW("c_total"));
    oxp_labels_set_text(&builder, OXP_VIEW("i"), oxp_view_from(text));
    return oxp_labels_finish(&builder);
}

/* Every counter grows by 1 each second; at each round one series ends and another one with a new name begins. */
static void append_round(struct shared *shared, int round) {
    struct oxp_arena arena;
    int64_t now_ms = (int64_t)round * INTERVAL_MS;
    oxp_arena_init(&arena, 0);
    for (int i = 0; i <= SERIES; i++) {
        struct oxp_tsdb_series *series;
        int number = i < SERIES ? i : SERIES + round; /* the last one is new each time */
        if (oxp_tsdb_series_at(shared->tsdb, labels_of(&arena, number), &series) != OXP_OK ||
            oxp_tsdb_append(shared->tsdb, series, now_ms, round) != OXP_OK) {
            atomic_fetch_add(&shared->wrong, 1);
        }
    }
    oxp_tsdb_trim(shared->tsdb, now_ms);
    atomic_store(&shared->newest_ms, now_ms);
    oxp_arena_fini(&arena);
}

/* Waits until both threads have ended the query that they were at, so that no query sees more than a few rounds pass:
 * its times must not be trimmed away under it. */
static void wait_for_readers(struct shared *shared) {
    for (size_t i = 0; i < 2; i++) {
        int before = atomic_load(&shared->asked[i]);
        while (atomic_load(&shared->asked[i]) == before && before < QUERIES) {
            sched_yield();
        }
    }
}

static void *append(void *ctx) {
    struct shared *shared = ctx;
    for (int round = 31; !atomic_load(&shared->done); round++) {
        if (round % 10 == 0) {
            wait_for_readers(shared);
        }
        append_round(shared, round);
    }
    return NULL;
}

/* What is asked is older than the newest round, so that it does not change any more. */
static bool is_right(struct shared *shared, int which) {
    struct oxp_promql_answer *answer;
    int64_t newest_ms = atomic_load(&shared->newest_ms);
    struct oxp_promql_request request = {
        .expr = shared->expr[which], .start_ms = newest_ms - 5000, .end_ms = newest_ms, .step_ms = 1000};
    request.step_ms = which == 2 ? 0 : request.step_ms;
    if (oxp_promql_query(shared->engine, shared->tsdb, &request, &answer, NULL) != OXP_OK) {
        return false;
    }
    bool right = which == 2 ? answer->count >= SERIES : answer->count == 1 && answer->series[0].count == 6;
    for (size_t i = 0; right && which != 2 && i < 6; i++) {
        double second = (double)answer->series[0].time_ms[i] / 1000;
        right = answer->series[0].value[i] == (which == 0 ? SERIES : SERIES * second);
    }
    oxp_promql_answer_free(answer);
    return right;
}

struct reader {
    struct shared *shared;
    size_t number;
};

static void *query(void *ctx) {
    const struct reader *reader = ctx;
    for (int i = 0; i < QUERIES; i++) {
        atomic_fetch_add(&reader->shared->wrong, !is_right(reader->shared, i % 3));
        atomic_fetch_add(&reader->shared->asked[reader->number], 1);
    }
    return NULL;
}

static void test_queries_beside_a_writer(void **state) {
    (void)state;
    static const char *const exprs[] = {"count(increase(c_total{i=~\"1?[0-9]\"}[10s]) > 9.5)",
                                        "sum(c_total{i=~\"1?[0-9]\"})", "c_total[10s]"};
    const struct oxp_tsdb_options options = {.retention_ms = KEPT_MS};
    static struct shared shared;
    struct reader readers[2] = {{&shared, 0}, {&shared, 1}};
    pthread_t writer, reader[2];
    assert_int_equal(oxp_tsdb_new(&options, &shared.tsdb), OXP_OK);
    assert_int_equal(oxp_promql_engine_new(NULL, &shared.engine), OXP_OK);
    for (size_t i = 0; i < COUNT_OF(exprs); i++) {
        assert_int_equal(oxp_promql_parse(oxp_view_from(exprs[i]), &shared.expr[i], NULL), OXP_OK);
    }
    for (int round = 1; round <= 30; round++) {
        append_round(&shared, round);
    }
    assert_int_equal(pthread_create(&writer, NULL, append, &shared), 0);
    assert_int_equal(pthread_create(&reader[0], NULL, query, &readers[0]), 0);
    assert_int_equal(pthread_create(&reader[1], NULL, query, &readers[1]), 0);
    pthread_join(reader[0], NULL);
    pthread_join(reader[1], NULL);
    atomic_store(&shared.done, true);
    pthread_join(writer, NULL);
    assert_int_equal(atomic_load(&shared.wrong), 0);
    struct oxp_promql_engine_stats stats;
    oxp_promql_engine_stats(shared.engine, &stats);
    assert_int_equal(stats.queries, 2 * QUERIES);
    assert_int_equal(stats.active, 0);
    for (size_t i = 0; i < COUNT_OF(exprs); i++) {
        oxp_promql_expr_free(shared.expr[i]);
    }
    oxp_promql_engine_free(shared.engine);
    oxp_tsdb_free(shared.tsdb);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queries_beside_a_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
