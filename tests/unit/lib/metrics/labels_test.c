/* The label text compared with raw values, apart from the hash that stands before it in a lookup. */
#include "tests/unit/lib/metrics/support.h"

#include "lib/metrics/internal.h"

static const struct oxp_family_spec spec = {
    .name = "g", .help = "h", .labels = {{"a", NULL, 0}, {"b", NULL, 0}}, .type = OXP_GAUGE};

static const struct {
    const char *a, *b;   /* of the series */
    const char *qa, *qb; /* asked for */
    bool match;
} rows[] = {
    {"x", "y", "x", "y", true},
    {"x", "y", "x", "", false},
    {"x", "y", "", "y", false},
    {"x", "y", "x", "yy", false},
    {"x", "y", "xx", "y", false},
    {"", "", "", "", true},
    {"", "", "\"", "", false},
    /* raw bytes that stand in the text, across the end of a value */
    {"x", "y", "x\",b=\"y", "", false},
    {"x", "yyyyyyyyyyyy", "x\",b=\"y", "yyyyyy", false},
    {"x", "yyyyyyyyyyyy", "x\",b=\"y", "yyyyyyy", false},
    {"x", "", "x\",b=\"", "", false},
    {"x", "y", "x\"", "y", false},
    {"x", "y", "x", "y\"", false},
    /* escaped */
    {"\\", "", "\\", "", true},
    {"\\\\", "", "\\\\", "", true},
    {"\\", "", "\\\\", "", false},
    {"\\\\", "", "\\", "", false},
    {"\n", "", "\n", "", true},
    {"\n", "", "\\n", "", false},
    {"\\n", "", "\n", "", false},
    {"\"", "\"", "\"", "\"", true},
    {"\"", "y", "\"", "z", false},
    {"\"", "y", "\\\"", "y", false},
    {"x", "\\", "x", "\\", true},
    {"x", "\\", "x", "", false},
    {"x", "\\", "x", "\\\"", false},
};

static void test_match(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_registry *registry = registry_with(0, 0, NULL);
        struct oxp_series *series =
            oxp_family_at2(add(registry, &spec), oxp_view_from(rows[i].a), oxp_view_from(rows[i].b));
        struct oxp_view query[] = {oxp_view_from(rows[i].qa), oxp_view_from(rows[i].qb)};
        if (oxp_labels_match(series, query) != rows[i].match) {
            fail_msg("%s and %s against %s and %s", rows[i].a, rows[i].b, rows[i].qa, rows[i].qb);
        }
        oxp_registry_free(registry);
    }
}

/* The value inside the text, for hiding by it. */
static void test_value(void **state) {
    (void)state;
    struct oxp_registry *registry = registry_with(0, 0, NULL);
    struct oxp_series *series = oxp_family_at2(add(registry, &spec), OXP_VIEW("x\"\\"), OXP_VIEW(""));
    assert_true(oxp_view_is(oxp_labels_value(series, 0), "x\\\"\\\\"));
    assert_true(oxp_view_is(oxp_labels_value(series, 1), ""));
    oxp_registry_free(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_match), cmocka_unit_test(test_value)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
