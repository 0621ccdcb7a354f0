#include "exporter/config/reader.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The rule of docs/configuration.md: "web.listen_address", --web.listen-address, OXPECKER_WEB_LISTEN_ADDRESS. */
static void test_names_follow_the_rule(void **state) {
    (void)state;
    for (enum oxp_option option = 0; option < OXP_OPTIONS; option++) {
        const struct oxp_option_spec *spec = oxp_option_spec(option);
        char flag[64] = "", environment[80] = "OXPECKER_";
        size_t prefix = strlen(environment);
        assert_true(strlen(spec->key) < sizeof flag);
        for (size_t i = 0; spec->key[i] != '\0'; i++) {
            char c = spec->key[i];
            assert_true(islower((unsigned char)c) || isdigit((unsigned char)c) || c == '.' || c == '_');
            flag[i] = (char)(c == '_' ? '-' : c);
            environment[prefix + i] = (char)(c == '.' ? '_' : toupper((unsigned char)c));
        }
        assert_string_equal(spec->flag, flag);
        assert_string_equal(spec->environment, environment);
        const char *dot = strchr(spec->key, '.'); /* at the top of the file stand sections, mappings and lists */
        assert_int_equal(dot == NULL,
                         spec->type == OXP_OPT_LABELS || spec->type == OXP_OPT_PATHS || spec->type == OXP_OPT_TREE);
        assert_true(dot == NULL || strchr(dot + 1, '.') == NULL); /* so that a section is one level of YAML */
    }
}

static void test_rows_make_sense(void **state) {
    (void)state;
    for (enum oxp_option option = 0; option < OXP_OPTIONS; option++) {
        const struct oxp_option_spec *spec = oxp_option_spec(option);
        bool number = spec->type == OXP_OPT_COUNT || spec->type == OXP_OPT_DURATION || spec->type == OXP_OPT_MODE ||
                      spec->type == OXP_OPT_BYTES;
        assert_int_equal(spec->least < spec->most, number);
        assert_int_equal(spec->choices != NULL, spec->type == OXP_OPT_CHOICE);
        size_t len = strlen(spec->help);
        assert_true(len > 10 && spec->help[len - 1] == '.' && strchr(spec->help, '|') == NULL);
        double value;
        struct oxp_error why = {0};
        if (oxp_value_read(spec, oxp_view_from(spec->initial), &value, &why) != OXP_OK) {
            fail_msg("%s: the default is refused: %s", spec->key, why.text);
        }
    }
}

static void test_sections_stand_together(void **state) {
    (void)state;
    for (enum oxp_option option = 1; option < OXP_OPTIONS; option++) {
        struct oxp_view section = oxp_option_name(option, OXP_NAME_SECTION);
        bool follows = oxp_view_equal(section, oxp_option_name(option - 1, OXP_NAME_SECTION));
        assert_int_equal(follows, oxp_option_find(section, OXP_NAME_SECTION) < option);
    }
}

static void test_find(void **state) {
    (void)state;
    assert_int_equal(oxp_option_find(OXP_VIEW("log.level"), OXP_NAME_KEY), OXP_OPT_LOG_LEVEL);
    assert_int_equal(oxp_option_find(OXP_VIEW("web.listen-address"), OXP_NAME_FLAG), OXP_OPT_WEB_LISTEN_ADDRESS);
    assert_int_equal(oxp_option_find(OXP_VIEW("web.listen_address"), OXP_NAME_FLAG), OXP_OPTIONS);
    assert_int_equal(oxp_option_find(OXP_VIEW("OXPECKER_STORAGE_PATH"), OXP_NAME_ENVIRONMENT), OXP_OPT_STORAGE_PATH);
    assert_int_equal(oxp_option_find(OXP_VIEW("web"), OXP_NAME_SECTION), OXP_OPT_WEB_LISTEN_ADDRESS);
    assert_int_equal(oxp_option_find(OXP_VIEW("we"), OXP_NAME_SECTION), OXP_OPTIONS);
    assert_int_equal(oxp_option_find(OXP_VIEW(""), OXP_NAME_KEY), OXP_OPTIONS);
}

static void test_nearest(void **state) {
    (void)state;
    static const struct {
        const char *name;
        enum oxp_option_name form;
        const char *nearest;
    } rows[] = {
        {"web.listen_adress", OXP_NAME_KEY, "web.listen_address"},
        {"web.listen-address", OXP_NAME_KEY, "web.listen_address"},
        {"log.levle", OXP_NAME_KEY, "log.level"},
        {"log.lvl", OXP_NAME_KEY, "log.level"},
        {"web.level", OXP_NAME_KEY, "log.level"}, /* a third of the letters may be wrong */
        {"webs.level", OXP_NAME_KEY, ""},
        {"storage.retentoin", OXP_NAME_KEY, "storage.retention"},
        {"storage.codecs", OXP_NAME_KEY, ""},
        {"external_label", OXP_NAME_SECTION, "external_labels"},
        {"config.fil", OXP_NAME_KEY, ""}, /* not in a file */
        {"config.fil", OXP_NAME_FLAG, "config.file"},
        {"orchestator", OXP_NAME_SECTION, "orchestrator"},
        {"event", OXP_NAME_SECTION, "events"},
        {"wbe", OXP_NAME_SECTION, "web"}, /* a swap is one mistake */
        {"wxy", OXP_NAME_SECTION, ""},
        {"configs", OXP_NAME_SECTION, ""},
        {"cloudwach", OXP_NAME_SECTION, "cloudwatch"},
        {"cloudwach", OXP_NAME_FLAG, ""}, /* in the file only */
        {"OXPECKER_ALERTNG", OXP_NAME_ENVIRONMENT, ""},
        {"web.listen_address", OXP_NAME_FLAG, "web.listen-address"},
        {"OXPECKER_LOG_LEVL", OXP_NAME_ENVIRONMENT, "OXPECKER_LOG_LEVEL"},
        {"", OXP_NAME_KEY, ""},
        {"x", OXP_NAME_KEY, ""},
        {"a-very-long-name-that-is-longer-than-any-name-of-an-option-may-ever-be", OXP_NAME_FLAG, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_view nearest = oxp_option_nearest(oxp_view_from(rows[i].name), rows[i].form);
        if (!oxp_view_is(nearest, rows[i].nearest)) {
            fail_msg("%s: got \"%.*s\", expected \"%s\"", rows[i].name, (int)nearest.len, nearest.ptr, rows[i].nearest);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_follow_the_rule),
        cmocka_unit_test(test_rows_make_sense),
        cmocka_unit_test(test_sections_stand_together),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
