/* Whose fault a failure is: rule 8 of courier.h, without the courier. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alerts/delivery/suspects.h"
#include "lib/base/crc32.h"

static unsigned add(struct oxp_suspects *suspects, int64_t id, const char *group, uint64_t delivered, bool expect_own) {
    const struct oxp_outbox_message message = {.id = id, .group = oxp_view_from(group)};
    bool is_own = !expect_own;
    unsigned own = oxp_suspects_add(suspects, &message, delivered, &is_own);
    assert_int_equal(is_own, expect_own);
    return own;
}

static void own_failures(void **state) {
    (void)state;
    struct oxp_suspects suspects = {0};
    assert_int_equal(add(&suspects, 1, "", 5, false), 0); /* its first: whose fault is not known */
    assert_int_equal(add(&suspects, 1, "", 5, false), 0); /* nobody got through */
    assert_int_equal(add(&suspects, 1, "", 6, true), 1);
    assert_int_equal(add(&suspects, 1, "", 6, false), 1); /* nobody since */
    assert_int_equal(add(&suspects, 2, "", 9, false), 0); /* another */
    assert_int_equal(add(&suspects, 1, "", 9, true), 2);
    const struct oxp_outbox_message first = {.id = 1};
    oxp_suspects_forget(&suspects, &first);
    oxp_suspects_forget(&suspects, &first);
    assert_int_equal(add(&suspects, 1, "", 10, false), 0);
    assert_int_equal(add(&suspects, 2, "", 10, true), 1); /* is as it was */
}

static void a_group_goes_on(void **state) {
    (void)state;
    struct oxp_suspects suspects = {0};
    assert_int_equal(add(&suspects, 1, "g", 0, false), 0);
    assert_int_equal(add(&suspects, 7, "g", 1, true), 1);
    assert_int_equal(add(&suspects, 8, "h", 1, false), 0);
    assert_int_equal(add(&suspects, 9, "g", 2, true), 2);
    assert_int_equal(suspects.count, 2);
}

/* Whatever sum its group has, it is not taken for a message that stands alone. */
static void a_group_is_not_a_message(void **state) {
    (void)state;
    struct oxp_suspects suspects = {0};
    int64_t sum = (int64_t)oxp_crc32c(0, "g", 1);
    assert_int_equal(add(&suspects, 1, "g", 0, false), 0);
    assert_int_equal(add(&suspects, sum, "", 1, false), 0);
    assert_int_equal(suspects.count, 2);
}

static void the_longest_ago_is_forgotten(void **state) {
    (void)state;
    struct oxp_suspects suspects = {0};
    for (uint64_t delivered = 0; delivered < 2; delivered++) {
        for (int64_t id = 0; id < OXP_SUSPECTS_MAX; id++) {
            assert_int_equal(add(&suspects, id, "", delivered, delivered == 1), delivered);
        }
    }
    assert_int_equal(add(&suspects, 0, "", 2, true), 2);
    assert_int_equal(add(&suspects, OXP_SUSPECTS_MAX, "", 2, false), 0); /* in the place of 1, and with nothing of it */
    assert_int_equal(suspects.count, OXP_SUSPECTS_MAX);
    assert_int_equal(add(&suspects, 0, "", 3, true), 3);
    assert_int_equal(add(&suspects, OXP_SUSPECTS_MAX, "", 3, true), 1);
    assert_int_equal(add(&suspects, 1, "", 3, false), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_failures),
        cmocka_unit_test(a_group_goes_on),
        cmocka_unit_test(a_group_is_not_a_message),
        cmocka_unit_test(the_longest_ago_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
