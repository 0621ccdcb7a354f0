/* The hash map. */
#include "tests/unit/lib/base/support.h"

#include "lib/base/map.h"
#include "lib/base/random.h"
#include "tests/support/alloc_fail.h"
#include <stdio.h>
#include <stdlib.h>

enum { KEYS = 400 };

static char keys[KEYS][8];
static int values[KEYS];

static struct oxp_view key(size_t i) {
    snprintf(keys[i], sizeof keys[i], "k%zu", i);
    return oxp_view_from(keys[i]);
}

static void test_basics(void **state) {
    (void)state;
    struct oxp_map map;
    int one = 1, two = 2;
    void *old = &two;
    oxp_map_init(&map);
    size_t index = 0;
    assert_null(oxp_map_get(&map, OXP_VIEW("a")));
    assert_null(oxp_map_remove(&map, OXP_VIEW("a")));
    assert_null(oxp_map_next(&map, &index));
    assert_int_equal(oxp_map_set(&map, OXP_VIEW("a"), &one, &old), OXP_OK);
    assert_null(old);
    assert_ptr_equal(oxp_map_get(&map, OXP_VIEW("a")), &one);
    assert_null(oxp_map_get(&map, OXP_VIEW("")));
    assert_null(oxp_map_get(&map, OXP_VIEW("aa")));
    assert_int_equal(oxp_map_set(&map, OXP_VIEW("a"), &two, &old), OXP_OK);
    assert_ptr_equal(old, &one);
    assert_int_equal(map.count, 1);
    assert_int_equal(oxp_map_set(&map, oxp_view_of(NULL, 0), &one, NULL), OXP_OK);
    assert_ptr_equal(oxp_map_get(&map, OXP_VIEW("")), &one);
    assert_int_equal(oxp_map_set(&map, oxp_view_of("a\0b", 3), &one, NULL), OXP_OK);
    assert_ptr_equal(oxp_map_get(&map, OXP_VIEW("a")), &two);
    assert_ptr_equal(oxp_map_remove(&map, OXP_VIEW("a")), &two);
    assert_null(oxp_map_get(&map, OXP_VIEW("a")));
    assert_int_equal(map.count, 2);
    oxp_map_fini(&map);
    assert_null(oxp_map_get(&map, OXP_VIEW("")));
    oxp_map_fini(&map);
}

/* Random sets and removals beside a plain array that says what must be there. */
static void test_against_model(void **state) {
    (void)state;
    struct oxp_random random;
    struct oxp_map map;
    bool there[KEYS] = {false};
    size_t count = 0;
    oxp_random_seed(&random, 99);
    oxp_map_init(&map);
    for (int step = 0; step < 40000; step++) {
        size_t i = oxp_random_u64(&random) % KEYS;
        if (oxp_random_u64(&random) % 3 != 0) {
            void *old = NULL;
            assert_int_equal(oxp_map_set(&map, key(i), &values[i], &old), OXP_OK);
            assert_ptr_equal(old, there[i] ? &values[i] : NULL);
            count += !there[i];
            there[i] = true;
        } else {
            assert_ptr_equal(oxp_map_remove(&map, key(i)), there[i] ? &values[i] : NULL);
            count -= there[i];
            there[i] = false;
        }
        assert_int_equal(map.count, count);
        size_t probe = oxp_random_u64(&random) % KEYS;
        assert_ptr_equal(oxp_map_get(&map, key(probe)), there[probe] ? &values[probe] : NULL);
    }
    size_t index = 0, seen = 0;
    for (int *value = oxp_map_next(&map, &index); value != NULL; value = oxp_map_next(&map, &index)) {
        assert_true(there[value - values]);
        there[value - values] = false; /* each once */
        seen++;
    }
    assert_int_equal(seen, count);
    oxp_map_fini(&map);
}

/* The hash depends on every byte, on the length and on the seed. */
static void test_hash(void **state) {
    (void)state;
    char bytes[65] = {0};
    uint64_t zeros[65];
    for (size_t len = 0; len <= 64; len++) {
        zeros[len] = oxp_hash(bytes, len, 1);
        assert_true(zeros[len] != oxp_hash(bytes, len, 2));
        for (size_t other = 0; other < len; other++) {
            assert_true(zeros[len] != zeros[other]);
        }
        for (size_t i = 0; i < len; i++) {
            bytes[i] = 1;
            assert_true(oxp_hash(bytes, len, 1) != zeros[len]);
            bytes[i] = 0;
        }
    }
}

static void fill(void *ctx) {
    (void)ctx;
    struct oxp_map map;
    oxp_map_init(&map);
    size_t put = 0;
    for (size_t i = 0; i < KEYS; i++) {
        enum oxp_status status = oxp_map_set(&map, key(i), &values[i], NULL);
        assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
        assert_ptr_equal(oxp_map_get(&map, key(i)), status == OXP_OK ? &values[i] : NULL);
        put += status == OXP_OK;
    }
    assert_int_equal(map.count, put); /* a failure changed nothing */
    assert_true((put == KEYS) == !alloc_fail_hit());
    oxp_map_fini(&map);
}

static void test_allocation_failures(void **state) {
    (void)state;
    assert_true(alloc_fail_each(fill, NULL) >= 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basics),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
