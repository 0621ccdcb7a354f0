#include "lib/yaml/fields.h"

#include "lib/base/number.h"
#include "tests/support/alloc_fail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

enum { NAME, PATH, BOOL, NUMBER, AMOUNT, COUNT, PLAIN, WAIT, WORD, LIST, MAPPING, KEYS };
static const char *const names[KEYS] = {"name",  "path", "bool", "number", "amount", "count",
                                        "plain", "wait", "word", "list",   "mapping"};
static const char *const later[] = {"routes", NULL};
static const struct oxp_keys keys = {"top", names, KEYS, later, "_configs"};

struct values {
    const char *name, *path;
    bool yes;
    double number, amount;
    uint64_t count, plain;
    int64_t wait_ms;
    size_t word, items, pairs;
    struct oxp_view view;
};

/* Seconds, as "5s". */
static enum oxp_status read_seconds(struct oxp_view text, int64_t *ms_out, struct oxp_error *error) {
    uint64_t seconds;
    if (!oxp_view_ends(text, OXP_VIEW("s")) ||
        oxp_number_parse_u64(oxp_view_of(text.ptr, text.len - 1), &seconds) != OXP_OK) {
        return oxp_error_set(error, OXP_ERR_SYNTAX, 0, 0, "no seconds");
    }
    *ms_out = (int64_t)seconds * 1000;
    return OXP_OK;
}

static void read_values(struct oxp_fields *fields, const struct oxp_yaml_node *root, struct values *values) {
    static const char *const words[] = {"red", "green", "blue", NULL};
    const struct oxp_yaml_node *found[KEYS];
    if (!oxp_fields_find(fields, root, &keys, found)) {
        return;
    }
    values->name = oxp_fields_text(fields, found[NAME], "nobody");
    values->view = found[NAME] == NULL ? OXP_VIEW("") : oxp_fields_view(fields, found[NAME]);
    values->path = oxp_fields_path(fields, found[PATH]);
    values->yes = oxp_fields_bool(fields, found[BOOL], true);
    values->number = oxp_fields_number(fields, found[NUMBER], 7);
    values->amount = oxp_fields_amount(fields, found[AMOUNT], 8);
    values->count = oxp_fields_count(fields, found[COUNT], (struct oxp_range){1, 10}, 9);
    values->plain = oxp_fields_count(fields, found[PLAIN], (struct oxp_range){0, UINT64_MAX}, 10);
    values->wait_ms = oxp_fields_duration(fields, found[WAIT], 11);
    values->word = oxp_fields_choice(fields, found[WORD], words);
    const struct oxp_yaml_node *item = oxp_fields_children(fields, found[LIST], OXP_YAML_SEQUENCE, &values->items);
    (void)oxp_fields_few(fields, found[LIST], values->items, 2);
    for (; item != NULL; item = item->next) {
        (void)oxp_fields_view(fields, item);
    }
    (void)oxp_fields_children(fields, found[MAPPING], OXP_YAML_MAPPING, &values->pairs);
}

static enum oxp_status read_text(const char *text, struct oxp_fields *fields, struct values *values) {
    struct oxp_yaml *yaml = NULL;
    const struct oxp_yaml_node *root = NULL;
    enum oxp_status status = oxp_yaml_parse(oxp_view_from(text), &yaml, &root, fields->error);
    fields->duration = read_seconds;
    if (status == OXP_OK) {
        read_values(fields, root, values);
        status = fields->status;
    }
    oxp_yaml_free(yaml);
    return status;
}

static void takes_every_type(void **state) {
    (void)state;
    struct oxp_arena arena;
    struct values values = {0};
    oxp_arena_init(&arena, 0);
    struct oxp_fields fields = {.arena = &arena, .directory = OXP_VIEW("/etc/oxpecker")};
    assert_int_equal(read_text("{name: n, path: p, bool: false, number: -1.5, amount: 2.5, count: 10, plain: 99, "
                               "wait: 5s, word: blue, list: [a, b], mapping: {a: b}}",
                               &fields, &values),
                     OXP_OK);
    assert_string_equal(values.name, "n");
    assert_string_equal(values.path, "/etc/oxpecker/p");
    assert_false(values.yes);
    assert_true(values.number < -1.4 && values.number > -1.6 && values.amount > 2.4 && values.amount < 2.6);
    assert_int_equal(values.count, 10);
    assert_int_equal(values.plain, 99);
    assert_int_equal(values.wait_ms, 5000);
    assert_int_equal(values.word, 2);
    assert_int_equal(values.items, 2);
    assert_int_equal(values.pairs, 1);
    assert_int_equal(read_text("path: /p", &fields, &values), OXP_OK);
    assert_string_equal(values.path, "/p");
    oxp_arena_fini(&arena);
}

static void nothing_gives_the_value_handed_in(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum oxp_fields_null null;
    } rows[] = {
        {"{}", OXP_NULL_WRONG},
        {"{name: , path: ~, bool: , number: , amount: , count: , plain: , wait: , word: , list: , mapping: }",
         OXP_NULL_ABSENT},
        {"{name: , path: ~, bool: , number: , amount: , count: , plain: , wait: , word: , list: [~], mapping: }",
         OXP_NULL_EMPTY},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct values values = {.items = 9};
        struct oxp_fields fields = {.null = rows[i].null};
        assert_int_equal(read_text(rows[i].text, &fields, &values), OXP_OK);
        assert_string_equal(values.name, "nobody");
        assert_null(values.path);
        assert_true(values.yes && values.number > 6 && values.amount > 7);
        assert_int_equal(values.count, 9);
        assert_int_equal(values.plain, 10);
        assert_int_equal(values.wait_ms, 11);
        assert_int_equal(values.word, 0);
        assert_int_equal(values.items, rows[i].null == OXP_NULL_EMPTY);
        assert_int_equal(values.pairs, 0);
    }
}

/* clang-format off: one row a line */
static const struct {
    const char *text;
    unsigned line, column;
    const char *words;
    enum oxp_fields_null null;
    bool quoted_is_text;
} refused[] = {
    {"[]", 1, 1, "top: found a list; expected a mapping", 0, false},
    {"nmae: x", 1, 1, "top: there is no key nmae; did you mean name?", 0, false},
    {"zzz: x", 1, 1, "top: there is no key zzz", 0, false},
    {"bool: true\n\"a\\nb\": x", 2, 1, "top: there is no key a?b", 0, false},
    {"routes: x", 1, 1, "top: routes is not supported yet", 0, false},
    {"slack_configs: x", 1, 1, "top: slack_configs is not supported yet", 0, false},
    {"name: a\nname: b", 2, 1, "the key \"name\" stands twice; first on line 1", 0, false},
    {"name: ''", 1, 7, "name: found an empty text", 0, false},
    {"name: \"\\0\"", 1, 7, "name: found an empty text", 0, false},
    {"name: [a]", 1, 7, "name: found a list; expected text", 0, false},
    {"name: ", 1, 6, "name: found nothing; expected text", 0, false},
    {"list: [~]", 1, 8, "an item: found nothing; expected text", OXP_NULL_ABSENT, false},
    {"list: [{}]", 1, 8, "an item: found a mapping; expected text", OXP_NULL_EMPTY, false},
    {"list: x", 1, 7, "list: found text; expected a list", 0, false},
    {"list: [a, b, c]", 1, 7, "list: 3 entries; at most 2 are allowed", 0, false},
    {"mapping: []", 1, 10, "mapping: found a list; expected a mapping", 0, false},
    {"bool: yes", 1, 7, "bool: found \"yes\"; expected true or false", 0, false},
    {"bool: 'true'", 1, 7, "bool: found \"true\"; expected true or false", 0, true},
    {"number: x", 1, 9, "number: found \"x\"; expected a number", 0, false},
    {"number: 1e999", 1, 9, "number: found \"1e999\"; expected a number", 0, false},
    {"number: '1'", 1, 9, "number: found \"1\"; expected a number", 0, true},
    {"amount: -1", 1, 9, "amount: found \"-1\"; expected a number that is not negative", 0, false},
    {"count: 0", 1, 8, "count: found \"0\"; expected a whole number from 1 to 10", 0, false},
    {"count: 11", 1, 8, "count: found \"11\"; expected a whole number from 1 to 10", 0, false},
    {"plain: 1.5", 1, 8, "plain: found \"1.5\"; expected a whole number", 0, false},
    {"plain: '1'", 1, 8, "plain: found \"1\"; expected a whole number", 0, true},
    {"wait: soon", 1, 7, "wait: no seconds", 0, false},
    {"wait: {}", 1, 7, "wait: found a mapping; expected a duration", 0, false},
    {"word: pink", 1, 7, "word: found \"pink\"; expected one of red, green, blue", 0, false},
    {"word: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa9", 1, 7,
     "word: found \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\"; expected one of red, green, blue", 0, false},
    {"{zzz: a, bool: b}", 1, 2, "top: there is no key zzz", 0, false}, /* the first */
};
/* clang-format on */

static void tells_what_is_wrong_and_where(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct oxp_arena arena;
        struct oxp_error error = {0};
        struct values values = {0};
        oxp_arena_init(&arena, 0);
        struct oxp_fields fields = {
            .arena = &arena, .error = &error, .null = refused[i].null, .quoted_is_text = refused[i].quoted_is_text};
        enum oxp_status status = read_text(refused[i].text, &fields, &values);
        oxp_arena_fini(&arena);
        if (status == OXP_OK || strcmp(error.text, refused[i].words) != 0 || error.line != refused[i].line ||
            error.column != refused[i].column) {
            fail_msg("%s: %s at %u:%u: %s", refused[i].text, oxp_status_name(status), error.line, error.column,
                     error.text);
        }
    }
}

struct told {
    char text[400];
};

static void keep_told(void *ctx, enum oxp_status status, struct oxp_error *fault) {
    struct told *told = ctx;
    struct oxp_error bare = *fault;
    assert_int_equal(status, OXP_ERR_INVALID);
    oxp_error_set(fault, status, bare.line, bare.column, "here: %s", bare.text);
    size_t len = strlen(told->text);
    snprintf(told->text + len, sizeof told->text - len, "%u:%u %s\n", fault->line, fault->column, fault->text);
}

static struct oxp_fields_shown in_brackets(struct oxp_view key) {
    struct oxp_fields_shown shown;
    snprintf(shown.text, sizeof shown.text, "<%.*s>", (int)key.len, key.ptr);
    return shown;
}

static void tells_all_to_who_asks(void **state) {
    (void)state;
    struct told told = {""};
    struct oxp_error error = {0};
    struct values values = {0};
    struct oxp_fields fields = {.error = &error, .on_fault = keep_told, .ctx = &told, .show = in_brackets};
    assert_int_equal(read_text("zzz: a\nbool: b\nlist: [[]]\n", &fields, &values), OXP_ERR_INVALID);
    assert_string_equal(told.text, "1:1 here: top: there is no key zzz\n"
                                   "2:7 here: <bool>: found \"b\"; expected true or false\n"
                                   "3:8 here: an item: found a list; expected text\n");
    assert_string_equal(error.text, "here: top: there is no key zzz");
    assert_int_equal(error.line, 1);
}

static void read_once(void *ctx) {
    struct oxp_arena arena;
    struct oxp_error error = {0};
    struct values values = {0};
    (void)ctx;
    oxp_arena_init(&arena, 0);
    struct oxp_fields fields = {.arena = &arena, .error = &error, .directory = OXP_VIEW("/d")};
    enum oxp_status status = read_text("{name: n, path: p}", &fields, &values);
    assert_int_equal(status, alloc_fail_hit() ? OXP_ERR_NOMEM : OXP_OK);
    assert_true(status == OXP_OK || strcmp(error.text, "out of memory") == 0);
    oxp_arena_fini(&arena);
}

static void survives_no_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_each(read_once, NULL) > 1);
}

/* It is the only one that replaces a fault, and nothing comes behind it. */
static void no_memory_ends_it(void **state) {
    (void)state;
    struct told told = {""};
    struct oxp_error error = {0};
    struct oxp_fields fields = {.error = &error, .on_fault = keep_told, .ctx = &told};
    oxp_fields_fault(&fields, OXP_ERR_INVALID, 1, 2, "wrong");
    oxp_fields_fault(&fields, OXP_ERR_NOMEM, 3, 4, "whatever");
    oxp_fields_fault(&fields, OXP_ERR_INVALID, 5, 6, "wrong again");
    assert_int_equal(fields.status, OXP_ERR_NOMEM);
    assert_string_equal(error.text, "out of memory");
    assert_string_equal(told.text, "1:2 here: wrong\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_every_type),
        cmocka_unit_test(nothing_gives_the_value_handed_in),
        cmocka_unit_test(tells_what_is_wrong_and_where),
        cmocka_unit_test(tells_all_to_who_asks),
        cmocka_unit_test(survives_no_memory),
        cmocka_unit_test(no_memory_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
