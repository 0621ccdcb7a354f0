/* For the tests of the short memory: label sets and matchers from C strings. */
#ifndef OXP_TESTS_TSDB_MEMORY_SUPPORT_H
#define OXP_TESTS_TSDB_MEMORY_SUPPORT_H

#include "alerts/tsdb/tsdb.h"
#include "lib/regex/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* name, value, name, value, …, NULL; NULL when there was no memory */
static inline const struct oxp_labels *labels_of(struct oxp_arena *arena, const char *name, ...) {
    struct oxp_labels_builder builder;
    va_list more;
    va_start(more, name);
    oxp_labels_build(&builder, arena, oxp_labels_none());
    while (name != NULL) {
        oxp_labels_set_text(&builder, oxp_view_from(name), oxp_view_from(va_arg(more, const char *)));
        name = va_arg(more, const char *);
    }
    va_end(more);
    return oxp_labels_finish(&builder);
}

/* Free its pattern with oxp_regex_free. */
static inline struct oxp_matcher matcher_of(struct oxp_arena *arena, const char *name, enum oxp_match_op op,
                                            const char *value) {
    struct oxp_matcher matcher = {.op = op,
                                  .name = oxp_symbol_new(arena, oxp_view_from(name)),
                                  .value = oxp_symbol_new(arena, oxp_view_from(value))};
    if (op == OXP_MATCH_REGEX || op == OXP_MATCH_NOT_REGEX) {
        struct oxp_error error = {0};
        oxp_regex_new(oxp_view_from(value), &matcher.regex, &error);
    }
    return matcher;
}

#endif
