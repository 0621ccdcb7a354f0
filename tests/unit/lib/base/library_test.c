/* Libraries that are loaded at run time: libm is on every machine. */
#include "lib/base/library.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct api {
    double (*root)(double x);
    double (*power)(double x, double y);
};
#define FUNCTION(member, symbol)                                                                                       \
    { symbol, offsetof(struct api, member) }

static void finds_functions(void **state) {
    (void)state;
    static const struct oxp_library_function functions[] = {FUNCTION(root, "sqrt"), FUNCTION(power, "pow")};
    struct api api = {0};
    void *library = oxp_library_load("libm.so.6", functions, 2, &api);
    assert_non_null(library);
    assert_true(api.root(9) > 2.9 && api.root(9) < 3.1);
    assert_true(api.power(2, 3) > 7.9 && api.power(2, 3) < 8.1);
    assert_int_equal(dlclose(library), 0);
}

static void lacks_something(void **state) {
    (void)state;
    static const struct oxp_library_function functions[] = {FUNCTION(root, "sqrt"), FUNCTION(power, "there is none")};
    struct api api = {0};
    assert_null(oxp_library_load("libm.so.6", functions, 2, &api));
    assert_null(api.power);
    assert_null(oxp_library_load("liboxpecker-there-is-none.so.1", functions, 1, &api));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_functions),
        cmocka_unit_test(lacks_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
