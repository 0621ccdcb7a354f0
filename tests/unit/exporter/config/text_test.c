#include "exporter/config/config.h"

#include "tests/support/alloc_fail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_help(void **state) {
    (void)state;
    char *help = oxp_config_help();
    assert_non_null(help);
    for (const char *line = help; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        if (len > 100 || line[0] != ' ' || line[len - 1] == ' ') {
            fail_msg("a line of %zu columns: %.*s", len, (int)len, line);
        }
        line += len + 1;
    }
    for (enum oxp_option option = 0; option < OXP_OPTIONS; option++) {
        if (oxp_option_spec(option)->type == OXP_OPT_TREE) {
            assert_null(strstr(help, oxp_option_spec(option)->environment)); /* in the file only */
            continue;
        }
        assert_non_null(strstr(help, oxp_option_spec(option)->flag));
        assert_non_null(strstr(help, oxp_option_spec(option)->environment));
    }
    static const char *const pieces[] = {
        "      --help                      Print this and stop.\n",
        "      --config.file=PATH          The YAML file to read.",
        "      --web.listen-address=\":10108\"\n                                  Where HTTP is served",
        "      --[no-]web.enable-lifecycle\n                                  Allow",
        ("      --log.level=info            The least level that is logged. One of debug, info, warning, error\n"
         "                                  or critical. ($OXPECKER_LOG_LEVEL)\n"),
        "      --shutdown.grace=20s        How long",
    };
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        if (strstr(help, pieces[i]) == NULL) {
            fail_msg("lacks \"%s\":\n%s", pieces[i], help);
        }
    }
    free(help);
}

static void test_man(void **state) {
    (void)state;
    char *man = oxp_config_man();
    assert_non_null(man);
    static const char *const pieces[] = {
        ".SH OPTIONS\n.TP\n",
        ".BI \\-\\-web.listen\\-address= ADDRESS\nWhere HTTP is served",
        "Default:\n.BR \":10108\" .\nEnvironment:\n.BR OXPECKER_WEB_LISTEN_ADDRESS .\n",
        ".BR \\-\\- [no\\-]web.enable\\-lifecycle\n",
    };
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        if (strstr(man, pieces[i]) == NULL) {
            fail_msg("lacks \"%s\":\n%s", pieces[i], man);
        }
    }
    free(man);
}

static void test_markdown(void **state) {
    (void)state;
    char *text = oxp_config_markdown();
    assert_non_null(text);
    static const char *const pieces[] = {
        "## web\n\n| key, flag, variable | value | default | reload | meaning |\n|---|---|---|---|---|\n| "
        "`web.listen_address`<br>",
        "| not in the file<br>`--config.file`<br>`OXPECKER_CONFIG_FILE` | the path of a file | empty | yes |",
        "| `log.level`<br>`--log.level`<br>`OXPECKER_LOG_LEVEL` | debug, info, warning, error or critical | `info` | "
        "yes |",
        "`--web.max-connections`<br>`OXPECKER_WEB_MAX_CONNECTIONS` | a whole number from 1 to 65536 | `512` | no |",
    };
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        if (strstr(text, pieces[i]) == NULL) {
            fail_msg("lacks \"%s\":\n%s", pieces[i], text);
        }
    }
    free(text);
}

static void all_texts(void *ctx) {
    (void)ctx;
    char *(*const makers[])(void) = {oxp_config_help, oxp_config_man, oxp_config_markdown};
    size_t missing = 0;
    for (size_t i = 0; i < 3; i++) {
        char *text = makers[i]();
        missing += text == NULL;
        free(text);
    }
    assert_int_equal(missing, alloc_fail_hit() ? 1 : 0);
}

static void test_no_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_each(all_texts, NULL) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_man),
        cmocka_unit_test(test_markdown),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
