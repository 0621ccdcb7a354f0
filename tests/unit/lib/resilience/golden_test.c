/* tests/golden/errors.tsv: every code of the taxonomy, every trap of the catalogue, and the order of the evidence. Each
 * line gives the code, what it shows, and the evidence as key=value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <oxpecker/errors.h>

#define GOLDEN "tests/golden/errors.tsv"

static const struct {
    const char *key;
    size_t offset;
    enum { TEXT, INT, REAL, FLAG } kind;
} keys[] = {
    {"code", offsetof(struct oxp_evidence, code), TEXT},
    {"category", offsetof(struct oxp_evidence, category), TEXT},
    {"upstream", offsetof(struct oxp_evidence, upstream), TEXT},
    {"op", offsetof(struct oxp_evidence, op), TEXT},
    {"name", offsetof(struct oxp_evidence, name), TEXT},
    {"errno", offsetof(struct oxp_evidence, errno_name), TEXT},
    {"message", offsetof(struct oxp_evidence, message), TEXT},
    {"outcome", offsetof(struct oxp_evidence, outcome), TEXT},
    {"session_status", offsetof(struct oxp_evidence, session_status), TEXT},
    {"status", offsetof(struct oxp_evidence, status), INT},
    {"ws", offsetof(struct oxp_evidence, ws_code), INT},
    {"curl", offsetof(struct oxp_evidence, curl_code), INT},
    {"exit", offsetof(struct oxp_evidence, exit_status), INT},
    {"signal", offsetof(struct oxp_evidence, signal), INT},
    {"session_age", offsetof(struct oxp_evidence, session_age_s), REAL},
    {"last_command_age", offsetof(struct oxp_evidence, last_command_age_s), REAL},
    {"never_connected", offsetof(struct oxp_evidence, never_connected), FLAG},
    {"tasks_running", offsetof(struct oxp_evidence, tasks_running), FLAG},
};

/* Cuts `*rest` at the next `separator`; NULL at the end. */
static char *cut(char **rest, char separator) {
    char *field = *rest;
    if (field != NULL) {
        char *end = strchr(field, separator);
        *rest = end == NULL ? NULL : end + 1;
        if (end != NULL) {
            *end = '\0';
        }
    }
    return field;
}

static void set(struct oxp_evidence *evidence, char *field) {
    char *value = strchr(field, '=');
    assert_non_null(value);
    *value++ = '\0';
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(keys[i].key, field) != 0) {
            continue;
        }
        char *place = (char *)evidence + keys[i].offset;
        if (keys[i].kind == TEXT) {
            *(struct oxp_view *)(void *)place = oxp_view_from(value);
        } else if (keys[i].kind == INT) {
            *(int *)(void *)place = (int)strtol(value, NULL, 10);
        } else if (keys[i].kind == REAL) {
            *(double *)(void *)place = (double)strtol(value, NULL, 10);
        } else {
            *(bool *)(void *)place = strcmp(value, "1") == 0;
        }
        return;
    }
    fail_msg("no such evidence: %s", field);
}

static char *read_file(void) {
    static char text[65536];
    FILE *file = fopen(GOLDEN, "rb");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof text - 1, file);
    assert_true(len < sizeof text - 1);
    fclose(file);
    text[len] = '\0';
    return text;
}

/* The number of rows that the line got wrong: 0 or 1. */
static size_t check_line(char *line, unsigned number, bool *seen) {
    char *rest = line;
    char *code = cut(&rest, '\t');
    char *what = cut(&rest, '\t');
    assert_non_null(what);
    char *category = code;
    code = cut(&category, '/');
    struct oxp_evidence evidence = {.status = 0};
    for (char *field = cut(&rest, '\t'); field != NULL; field = cut(&rest, '\t')) {
        set(&evidence, field);
    }
    const struct oxp_code *expect = oxp_code_find(oxp_view_from(code));
    if (expect == NULL) {
        fail_msg(GOLDEN ":%u: no such code: %s", number, code);
    }
    const struct oxp_code *found = oxp_classify(&evidence);
    for (size_t i = 0; oxp_code_at(i) != NULL; i++) {
        seen[i] = seen[i] || oxp_code_at(i) == found;
    }
    if (strcmp(found->name, code) == 0 && (category == NULL || strcmp(found->category, category) == 0)) {
        return 0;
    }
    print_error(GOLDEN ":%u: %s: expected %s, got %s/%s\n", number, what, code, found->name, found->category);
    return 1;
}

static void golden(void **state) {
    (void)state;
    static bool seen[256];
    size_t wrong = 0, count = 0;
    unsigned number = 0;
    char *rest = read_file();
    for (char *line = cut(&rest, '\n'); line != NULL; line = cut(&rest, '\n')) {
        number++;
        if (line[0] == '\0' || line[0] == '#') {
            continue;
        }
        wrong += check_line(line, number, seen);
        count++;
    }
    assert_true(count > 250);
    for (size_t i = 0; oxp_code_at(i) != NULL; i++) {
        if (!seen[i]) {
            print_error("no row of " GOLDEN " gives %s\n", oxp_code_at(i)->name);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
