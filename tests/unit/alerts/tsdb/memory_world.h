/* One short memory for a test program, and an arena for what is found in it. */
#ifndef OXP_TESTS_TSDB_MEMORY_WORLD_H
#define OXP_TESTS_TSDB_MEMORY_WORLD_H

#include "tests/unit/alerts/tsdb/memory_support.h"

static struct oxp_arena arena;
static struct oxp_tsdb *tsdb;

/* Zeros are the defaults. */
static inline void open_tsdb(int64_t retention_ms, size_t memory_limit) {
    struct oxp_tsdb_options options = {.retention_ms = retention_ms, .memory_limit = memory_limit};
    assert_int_equal(oxp_tsdb_new(&options, &tsdb), OXP_OK);
}

static inline int teardown(void **state) {
    (void)state;
    oxp_tsdb_free(tsdb);
    tsdb = NULL;
    oxp_arena_fini(&arena);
    return 0;
}

static inline struct oxp_tsdb_series *series_at(const struct oxp_labels *labels) {
    struct oxp_tsdb_series *series;
    assert_non_null(labels);
    assert_int_equal(oxp_tsdb_series_at(tsdb, labels, &series), OXP_OK);
    return series;
}

static inline struct oxp_tsdb_stats stats(void) {
    struct oxp_tsdb_stats stats;
    oxp_tsdb_stats(tsdb, &stats);
    return stats;
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

#endif
