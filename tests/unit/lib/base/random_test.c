/* The generator: seeds repeat, the numbers are the published ones, the text is hex. */
#include "tests/unit/lib/base/support.h"

#include "lib/base/random.h"
#include <string.h>

/* xoshiro256** from the state 1, 2, 3, 4: worked out by hand from its definition. */
static void test_sequence(void **state) {
    (void)state;
    struct oxp_random random = {{1, 2, 3, 4}};
    const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_true(oxp_random_u64(&random) == expected[i]);
    }
}

static void test_seed(void **state) {
    (void)state;
    struct oxp_random a, b, c;
    oxp_random_seed(&a, 0);
    oxp_random_seed(&b, 0);
    oxp_random_seed(&c, 1);
    for (int i = 0; i < 100; i++) {
        uint64_t number = oxp_random_u64(&a);
        assert_true(number == oxp_random_u64(&b));
        assert_true(number != oxp_random_u64(&c));
    }
}

static void test_unit(void **state) {
    (void)state;
    struct oxp_random random;
    double sum = 0;
    oxp_random_seed(&random, 3);
    for (int i = 0; i < 100000; i++) {
        double unit = oxp_random_unit(&random);
        assert_true(unit >= 0 && unit < 1);
        sum += unit;
    }
    assert_true(sum > 49000 && sum < 51000);
}

static void test_hex(void **state) {
    (void)state;
    struct oxp_random a, b;
    char first[17], second[17];
    oxp_random_init(&a);
    oxp_random_init(&b);
    oxp_random_hex16(&a, first);
    oxp_random_hex16(&b, second);
    assert_int_equal(strspn(first, "0123456789abcdef"), 16);
    assert_int_equal(strlen(first), 16);
    assert_string_not_equal(first, second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequence),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_unit),
        cmocka_unit_test(test_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
