/* AWS' shared files: what is read, and the line of what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "alerts/aws/ini.h"
#include "tests/support/alloc_fail.h"

static enum oxp_status parse(const char *text, bool config, struct oxp_arena *arena, struct oxp_aws_ini *ini,
                             struct oxp_error *error) {
    return oxp_aws_ini_parse(oxp_view_from(text), config, "file", arena, ini, error);
}

static void accepted(void **state) {
    (void)state;
    static const struct {
        const char *what, *text, *profile, *name, *value; /* value NULL = it is not there */
        bool config;
    } rows[] = {
        {"plain", "[a]\nk = v\n", "a", "k", "v", .config = false},
        {"no blanks, no newline", "[a]\nk=v", "a", "k", "v", .config = false},
        {"a colon", "[a]\nregion: us-east-1\n", "a", "region", "us-east-1", .config = false},
        {"the first separator", "[a]\nrole = arn:aws:x=y\n", "a", "role", "arn:aws:x=y", .config = false},
        {"CR LF", "[a]\r\nk = v\r\nl = w\r\n", "a", "l", "w", .config = false},
        {"names in any case", "[a]\nAWS_Key = V\n", "a", "aws_key", "V", .config = false},
        {"comments", "# c\n; c\n[a]\n # c\nk = v\n", "a", "k", "v", .config = false},
        {"what looks like a comment is the value", "[a]\nk = v # w ; x\n", "a", "k", "v # w ; x", .config = false},
        {"an empty value", "[a]\nk =\n", "a", "k", "", .config = false},
        {"nested settings", "[a]\ns3 =\n  max = 10\n  k = no\nk = v\n", "a", "k", "v", .config = false},
        {"nested settings are not ours", "[a]\ns3 =\n  max = 10\n", "a", "max", NULL, .config = false},
        {"all of it further in", "[a]\n  k = v\n  l = w\n", "a", "l", "w", .config = false},
        {"a second section", "[a]\nk = v\n[b]\nk = w\n", "b", "k", "w", .config = false},
        {"not the other's", "[a]\nk = v\n[b]\n", "b", "k", NULL, .config = false},
        {"a comment behind a section", "[a] # c\nk = v\n", "a", "k", "v", .config = false},
        {"a profile", "[profile a]\nk = v\n", "a", "k", "v", .config = true},
        {"the default", "[default]\nk = v\n", "default", "k", "v", .config = true},
        {"a profile in quotes", "[profile \"a b\"]\nk = v\n", "a b", "k", "v", .config = true},
        {"a profile far off", "[profile \t a ]\nk = v\n", "a", "k", "v", .config = true},
        {"other sections", "[sso-session a]\nk = no\nk = twice\n[profile a]\nk = v\n", "a", "k", "v", .config = true},
        {"without the word it is no profile", "[a]\nk = v\n", "a", "k", NULL, .config = true},
        {"a credentials file has no word", "[profile a]\nk = v\n", "profile a", "k", "v", .config = false},
        {"a space in a name", "[a b]\nk = v\n", "a b", "k", "v", .config = false},
        {"empty", "", "a", "k", NULL, .config = false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_arena arena;
        struct oxp_aws_ini ini;
        struct oxp_error error = {0};
        oxp_arena_init(&arena, 0);
        enum oxp_status status = parse(rows[i].text, rows[i].config, &arena, &ini, &error);
        struct oxp_view value = oxp_aws_ini_get(&ini, oxp_view_from(rows[i].profile), rows[i].name);
        bool good =
            status == OXP_OK &&
            (rows[i].value == NULL ? value.ptr == NULL : value.ptr != NULL && oxp_view_is(value, rows[i].value));
        if (!good) {
            print_error("%s: %s %u \"%s\", %.*s\n", rows[i].what, oxp_status_name(status), error.line, error.text,
                        (int)value.len, value.ptr);
            fail();
        }
        oxp_arena_fini(&arena);
    }
}

static void refused(void **state) {
    (void)state;
    static const struct {
        const char *what, *text;
        unsigned line;
        const char *says;
    } rows[] = {
        {"a setting before all", "k = v\n", 1, "before the first section"},
        {"no =", "[a]\nk v\n", 2, "neither"},
        {"no name", "[a]\n\n= v\n", 3, "no name"},
        {"not closed", "[a\nk = v\n", 1, "[name]"},
        {"no section's name", "[ ]\n", 1, "[name]"},
        {"behind a section", "[a] b\n", 1, "behind"},
        {"a name twice", "[a]\nk = v\nK = w\n", 3, "twice"},
        {"a section twice", "[a]\nk = v\n[b]\n[a]\n", 4, "twice"},
        {"a value over two lines", "[a]\nk = v\n  w = x\n", 3, "over lines"},
        {"a byte order mark", "\xef\xbb\xbf[a]\nk = v\n", 1, "before the first section"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_arena arena;
        struct oxp_aws_ini ini;
        struct oxp_error error = {0};
        oxp_arena_init(&arena, 0);
        enum oxp_status status = parse(rows[i].text, false, &arena, &ini, &error);
        if (status != OXP_ERR_SYNTAX || error.line != rows[i].line || strstr(error.text, rows[i].says) == NULL ||
            strncmp(error.text, "file: ", 6) != 0) {
            print_error("%s: %s %u \"%s\"\n", rows[i].what, oxp_status_name(status), error.line, error.text);
            fail();
        }
        oxp_arena_fini(&arena);
    }
}

static void errors_hold_no_values(void **state) {
    (void)state;
    struct oxp_arena arena;
    struct oxp_aws_ini ini;
    struct oxp_error error = {0};
    oxp_arena_init(&arena, 0);
    assert_int_equal(parse("[a]\nsecret topsecretvalue\n", false, &arena, &ini, &error), OXP_ERR_SYNTAX);
    assert_null(strstr(error.text, "topsecret"));
    oxp_arena_fini(&arena);
}

static void many_settings(void **state) {
    (void)state;
    static char text[200000];
    struct oxp_arena arena;
    struct oxp_aws_ini ini;
    struct oxp_error error = {0};
    size_t len = 0;
    for (int i = 0; i < 2500; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "[p%d]\nregion = r%d\n", i, i);
    }
    oxp_arena_init(&arena, 0);
    assert_int_equal(parse(text, false, &arena, &ini, &error), OXP_ERR_LIMIT);
    assert_int_equal(ini.count, 4096);
    assert_true(oxp_view_is(oxp_aws_ini_get(&ini, OXP_VIEW("p1000"), "region"), "r1000"));
    assert_true(arena.bytes < 2000000);
    oxp_arena_fini(&arena);
}

static void parse_once(void *ctx) {
    (void)ctx;
    struct oxp_arena arena;
    struct oxp_aws_ini ini;
    char text[4000] = "";
    size_t len = 0;
    for (int i = 0; i < 100; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "[p%d]\nregion = r%d\n", i, i);
    }
    oxp_arena_init(&arena, 0);
    enum oxp_status status = parse(text, false, &arena, &ini, NULL);
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && alloc_fail_hit()));
    assert_true(status != OXP_OK || ini.count == 200);
    oxp_arena_fini(&arena);
}

static void allocations_fail(void **state) {
    (void)state;
    assert_true(alloc_fail_each(parse_once, NULL) >= 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted),      cmocka_unit_test(refused),          cmocka_unit_test(errors_hold_no_values),
        cmocka_unit_test(many_settings), cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
