#include "lib/base/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const known[] = {"web", "log", "limits", "receivers", "repeat_interval", "web.level", "log.level"};

static const struct {
    const char *word, *nearest;
} rows[] = {
    {"web", "web"},
    {"wbe", "web"}, /* a swap of neighbours is one mistake */
    {"webs", "web"},
    {"we", ""}, /* one mistake in two letters */
    {"bew", ""},
    {"recievers", "receivers"},
    {"recieverz", "receivers"},
    {"XXXXXt_interval", "repeat_interval"}, /* a third of the letters */
    {"XXXXXX_interval", ""},
    {"group_waiting", ""},
    {"lob.level", "log.level"}, /* the nearest, not the first that is near */
    {"wog.level", "log.level"},
    {"x", ""},
    {"", ""},
    {"a-very-long-word-that-is-longer-than-any-word-that-is-known-here-x", ""},
};

static void finds_the_nearest(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_nearest nearest = oxp_nearest_begin(oxp_view_from(rows[i].word));
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
            oxp_nearest_try(&nearest, oxp_view_from(known[k]));
        }
        if (!oxp_view_is(nearest.name, rows[i].nearest)) {
            fail_msg("%s: got \"%.*s\", expected \"%s\"", rows[i].word, (int)nearest.name.len, nearest.name.ptr,
                     rows[i].nearest);
        }
    }
}

static void a_name_that_is_too_long_is_passed_over(void **state) {
    (void)state;
    char name[OXP_NEAREST_MAX + 2];
    memset(name, 'a', sizeof name);
    struct oxp_nearest nearest = oxp_nearest_begin(oxp_view_of(name, OXP_NEAREST_MAX));
    oxp_nearest_try(&nearest, oxp_view_of(name, OXP_NEAREST_MAX + 1));
    assert_int_equal(nearest.name.len, 0);
    oxp_nearest_try(&nearest, oxp_view_of(name, OXP_NEAREST_MAX - 1));
    assert_int_equal(nearest.name.len, OXP_NEAREST_MAX - 1);
    oxp_nearest_try(&nearest, oxp_view_of(name, OXP_NEAREST_MAX));
    assert_int_equal(nearest.name.len, OXP_NEAREST_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_nearest),
        cmocka_unit_test(a_name_that_is_too_long_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
