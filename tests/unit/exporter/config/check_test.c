#include "exporter/config/config.h"

#include "lib/base/buf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct row {
    const char *name;
    const char *text;
    const char *faults; /* "line:column: text\n" each; "" = none */
};

/* clang-format off: one row a line */
static const struct row accepted[] = {
    {"empty", "", ""},
    {"comments only", "# nothing yet\n", ""},
    {"document mark", "---\n", ""},
    {"empty section", "web:\nlog: {}\n", ""},
    {"block style", "web:\n  listen_address: ':10108'\nlog:\n  level: debug\n", ""},
    {"flow style", "web: {listen_address: \":10108\", max_connections: 10}\nlimits: {series: 1000}\n", ""},
    {"address without quotes", "web:\n  listen_address: :10108\n", ""},
    {"mode with and without quotes", "events: {unix_mode: 0666, listen_unix: \"\"}\n", ""},
    {"mode in quotes", "events: {unix_mode: \"0666\"}\n", ""},
    {"duration in quotes", "shutdown: {grace: \"5s\"}\n", ""},
    {"text that looks like something else", "orchestrator: {environment: 12}\nstorage: {path: true}\n", ""},
    {"variable", "orchestrator:\n  environment: ${OXP_TEST_NAME}\n", ""},
    {"variable as a number", "orchestrator:\n  sessions_limit: ${OXP_TEST_NUMBER}\n", ""},
    {"variable as a number in quotes", "orchestrator: {sessions_limit: \"${OXP_TEST_NUMBER}\"}\n", ""},
    {"variable with a default", "orchestrator: {environment: \"${OXP_TEST_ABSENT:-a b}\"}\n", ""},
    {"variable with an empty default", "orchestrator: {environment: \"${OXP_TEST_ABSENT:-}\"}\n", ""},
    {"trees", "alerting: {route: {receiver: x}, receivers: [{name: x}, ~, [a, {b: c}]]}\ncloudwatch: {}\n", ""},
    {"no trees", "alerting:\ncloudwatch: ~\n", ""},
    {"variables in a tree", "alerting: {receivers: [{name: \"${OXP_TEST_NAME}-$$\"}]}\n", ""},
    {"dollar", "orchestrator: {environment: a$$b}\n", ""},
    {"sizes", "storage: {memory_limit: 64MiB}\nquery: {memory_limit: 67108864}\n", ""},
    {"labels", "external_labels: {replica: \"${OXP_TEST_NAME}-1\", _zone9: \"a,b\\\\\", empty: \"\"}\n", ""},
    {"labels in block style", "external_labels:\n  replica: 1\n", ""},
    {"no labels", "external_labels:\n", ""},
    {"paths", "rule_files: [a.yml, \"${OXP_TEST_NAME}/*.yml\", \"a,b\\\\.yml\"]\n", ""},
    {"paths in block style", "rule_files:\n  - a.yml\n  - b.yml\n", ""},
    {"an empty list of paths", "rule_files: []\n", ""},
    {"no paths", "rule_files:\n", ""},
};

static const struct row refused[] = {
    {"unknown section", "webb: {}\n", "1:1: there is no section webb; did you mean web?\n"},
    {"unknown section with nothing near", "mailing:\n  route: {}\n", "1:1: there is no section mailing\n"},
    {"a tree that is a list", "alerting: [a]\n",
     "1:11: alerting: found a list; expected a mapping of keys to values\n"},
    {"a tree that is text", "cloudwatch: a\n", "1:13: cloudwatch: found text; expected a mapping of keys to values\n"},
    {"variables deep in a tree", "alerting:\n  receivers:\n  - {name: a, url: \"${OXP_TEST_ABSENT}\"}\n  - name: a$b\n",
     "3:20: alerting: the environment variable OXP_TEST_ABSENT is not set\n"
     "4:11: alerting: a $ must begin ${NAME}; write $$ for the character itself\n"},
    {"unknown key", "web:\n  listen_adress: x\n",
     "2:3: there is no key web.listen_adress; did you mean web.listen_address?\n"},
    {"key of another section", "web: {path: /x}\n", "1:7: there is no key web.path\n"},
    {"flag name as key", "web:\n  listen-address: x\n",
     "2:3: there is no key web.listen-address; did you mean web.listen_address?\n"},
    {"dotted section", "web.listen_address: x\n",
     "1:1: the key web.listen_address has a dot; write the section, a colon, and the rest below it\n"},
    {"dotted key", "web: {listen.address: x}\n",
     "1:7: the key listen.address has a dot; write the section, a colon, and the rest below it\n"},
    {"the file names itself", "config: {file: x}\n", "1:10: config.file is given by flag or environment only\n"},
    {"section is text", "web: yes\n", "1:6: web: found text; expected a mapping of keys to values\n"},
    {"section is a list", "web:\n- a\n", "2:1: web: found a list; expected a mapping of keys to values\n"},
    {"root is a list", "- web\n", "1:1: found a list; expected sections, such as web:\n"},
    {"root is text", "web\n", "1:1: found text; expected sections, such as web:\n"},
    {"value is a list", "log: {level: [info]}\n",
     "1:14: log.level: found a list; expected debug, info, warning, error or critical\n"},
    {"value is a mapping", "log:\n  level:\n    x: y\n",
     "3:5: log.level: found a mapping; expected debug, info, warning, error or critical\n"},
    {"value is missing", "log:\n  level:\n",
     "2:9: log.level: found nothing; expected debug, info, warning, error or critical\n"},
    {"value is null", "log: {level: ~}\n",
     "1:14: log.level: found nothing; expected debug, info, warning, error or critical\n"},
    {"yes is not a boolean", "web: {expose_ledger: yes}\n",
     "1:22: web.expose_ledger: found \"yes\"; expected true or false\n"},
    {"off is not a boolean", "web: {expose_ledger: off}\n",
     "1:22: web.expose_ledger: found \"off\"; expected true or false\n"},
    {"a boolean in quotes", "web: {expose_ledger: \"true\"}\n",
     "1:22: web.expose_ledger: found the text \"true\"; expected true or false, without quotes\n"},
    {"a number in quotes", "limits: {series: '500'}\n",
     "1:18: limits.series: found the text \"500\"; expected a whole number from 100 to 100000000, without quotes\n"},
    {"a number as a block", "limits:\n  series: |\n    500\n",
     "2:11: limits.series: found the text \"500?\"; expected a whole number from 100 to 100000000, without quotes\n"},
    {"over the range", "web:\n  max_connections: 65537\n",
     "2:20: web.max_connections: 65537 is out of range; expected a whole number from 1 to 65536\n"},
    {"duration without unit", "shutdown: {grace: 20}\n",
     "1:19: shutdown.grace: found \"20\"; expected a duration such as 30s or 1h30m, from 0s to 1h\n"},
    {"variable that is not set", "orchestrator:\n  environment: ${OXP_TEST_ABSENT}\n",
     "2:16: orchestrator.environment: the environment variable OXP_TEST_ABSENT is not set\n"},
    {"dollar alone", "orchestrator: {environment: a$b}\n",
     "1:29: orchestrator.environment: a $ must begin ${NAME}; write $$ for the character itself\n"},
    {"variable of the wrong kind", "limits: {series: \"${OXP_TEST_NAME}\"}\n",
     "1:18: limits.series: found \"staging\"; expected a whole number from 100 to 100000000\n"},
    {"a path that is no list", "rule_files: a.yml\n", "1:13: rule_files: found text; expected a list of paths\n"},
    {"paths as a mapping", "rule_files: {a: b}\n", "1:13: rule_files: found a mapping; expected a list of paths\n"},
    {"an empty path", "rule_files: [a, \"\"]\n", "1:17: rule_files: found nothing; expected the path of a file\n"},
    {"paths within paths", "rule_files:\n  - a\n  - [b]\n",
     "3:5: rule_files: found a list; expected the path of a file\n"},
    {"a path of a variable that is not set", "rule_files: [a, \"${OXP_TEST_ABSENT}\"]\n",
     "1:17: rule_files: the environment variable OXP_TEST_ABSENT is not set\n"},
    {"labels as text", "external_labels: a=b\n",
     "1:18: external_labels: found text; expected a mapping of label names to values\n"},
    {"labels as a list", "external_labels: [a]\n",
     "1:18: external_labels: found a list; expected a mapping of label names to values\n"},
    {"no label name", "external_labels:\n  a: b\n  a-b: c\n",
     "3:3: external_labels: \"a-b\" is no label name; expected letters, digits and underscores, no digit first\n"},
    {"a reserved label name", "external_labels: {a: b, instance: c}\n",
     "1:25: external_labels: the label name instance is reserved\n"},
    {"a label without a value", "external_labels: {a: }\n", "1:22: external_labels: a: found nothing; expected text\n"},
    {"a label with labels", "external_labels:\n  a:\n    b: c\n",
     "3:5: external_labels: a: found a mapping; expected text\n"},
    {"a label of a variable that is not set", "external_labels: {a: b, c: \"${OXP_TEST_ABSENT}\"}\n",
     "1:28: external_labels: the environment variable OXP_TEST_ABSENT is not set\n"},
    {"a label with a control character", "external_labels: {a: \"b\\tc\"}\n",
     "1:18: external_labels: the value \"a=b?c\" holds a control character\n"},
    {"a section that is near labels", "external_label: {a: b}\n",
     "1:1: there is no section external_label; did you mean external_labels?\n"},
    {"labels at home in no section", "web: {external_labels: {a: b}}\n",
     "1:7: there is no key web.external_labels; did you mean external_labels?\n"},
    {"a size without a known unit", "storage:\n  memory_limit: 64M\n",
     "2:17: storage.memory_limit: found \"64M\"; expected a size such as 64MiB, from 1MiB to 1TiB\n"},
    {"NUL in a value", "storage: {path: \"a\\0b\"}\n",
     "1:17: storage.path: the value \"a?b\" holds a control character\n"},
    {"duplicate key", "web:\n  expose_ledger: true\n  expose_ledger: false\n",
     "3:3: the key \"expose_ledger\" stands twice; first on line 2\n"},
    {"duplicate section", "web: {}\nlog: {}\nweb: {}\n", "3:1: the key \"web\" stands twice; first on line 1\n"},
    {"anchor", "web: &w {}\n", "1:6: anchors and aliases are not taken\n"},
    {"two documents", "web: {}\n---\nlog: {}\n", "2:1: a second document begins here\n"},
    {"tab", "web:\n\texpose_ledger: true\n",
     "2:1: found character that cannot start any token (while scanning for the next token)\n"},
    {"not UTF-8", "log: {level: \xff}\n", "1:14: not UTF-8\n"},
    {"control characters in a key", "\"a\\e[31mb\": 1\n", "1:1: there is no section a?[31mb\n"},
    {"every fault is reported", "web:\n  port: 1\n  max_connections: 0\nlogs: {}\nlog: {level: loud, format: xml}\n",
     "2:3: there is no key web.port\n"
     "3:20: web.max_connections: 0 is out of range; expected a whole number from 1 to 65536\n"
     "4:1: there is no section logs; did you mean log?\n"
     "5:14: log.level: found \"loud\"; expected debug, info, warning, error or critical\n"
     "5:28: log.format: found \"xml\"; expected logfmt or json\n"},
};
/* clang-format on */

static void collect(void *ctx, const struct oxp_error *error) {
    oxp_buf_append_format(ctx, "%u:%u: %s\n", error->line, error->column, error->text);
}

static void run_rows(const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct oxp_buf faults;
        oxp_buf_init(&faults, 0);
        enum oxp_status status = oxp_config_check(oxp_view_from(rows[i].text), collect, &faults);
        enum oxp_status expected = rows[i].faults[0] == '\0' ? OXP_OK : OXP_ERR_INVALID;
        if (status != expected || strcmp(oxp_buf_text(&faults), rows[i].faults) != 0) {
            fail_msg("%s: got %s\n%sexpected\n%s", rows[i].name, oxp_status_name(status), oxp_buf_text(&faults),
                     rows[i].faults);
        }
        oxp_buf_fini(&faults);
    }
}

static void test_accepted(void **state) {
    (void)state;
    run_rows(accepted, sizeof accepted / sizeof accepted[0]);
}

static void test_refused(void **state) {
    (void)state;
    run_rows(refused, sizeof refused / sizeof refused[0]);
}

static void test_too_large(void **state) {
    (void)state;
    size_t len = (1u << 20) + 1;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, '\n', len);
    struct oxp_buf faults;
    oxp_buf_init(&faults, 0);
    assert_int_equal(oxp_config_check(oxp_view_of(text, len), collect, &faults), OXP_ERR_INVALID);
    assert_string_equal(oxp_buf_text(&faults), "0:0: 1048577 bytes is too large; the most is 1048576\n");
    oxp_buf_fini(&faults);
    free(text);
}

/* What people are shown to begin with must be right. */
static void test_example(void **state) {
    (void)state;
    char *text;
    size_t len;
    struct oxp_error error = {0};
    if (oxp_config_read_file("examples/oxpecker.yml", &text, &len, &error) != OXP_OK) {
        fail_msg("%s", error.text);
    }
    struct oxp_buf faults;
    oxp_buf_init(&faults, 0);
    enum oxp_status status = oxp_config_check(oxp_view_of(text, len), collect, &faults);
    if (status != OXP_OK) {
        fail_msg("%s", oxp_buf_text(&faults));
    }
    /* It names every key that may stand in a file. */
    for (enum oxp_option option = 0; option < OXP_OPTIONS; option++) {
        const char *dot = strchr(oxp_option_spec(option)->key, '.');
        char line[80];
        const char *before = dot != NULL                                      ? "  "
                             : oxp_option_spec(option)->type == OXP_OPT_PATHS ? "\n# " /* no text is its default */
                                                                              : "\n";
        snprintf(line, sizeof line, "%s%s: ", before, dot == NULL ? oxp_option_spec(option)->key : dot + 1);
        if (option != OXP_OPT_CONFIG_FILE && strstr(text, line) == NULL) {
            fail_msg("the example lacks %s", oxp_option_spec(option)->key);
        }
    }
    oxp_buf_fini(&faults);
    free(text);
}

int main(void) {
    setenv("OXP_TEST_NAME", "staging", 1);
    setenv("OXP_TEST_NUMBER", "25", 1);
    unsetenv("OXP_TEST_ABSENT");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_example),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
