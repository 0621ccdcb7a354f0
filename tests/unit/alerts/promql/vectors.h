/* Vectors as text, for tests of what works on them: `up{a=1,b=x} 1 2 _; {a=2} NaN _ 3` is two series over three steps,
 * `_` being no value; `= 1 2 3` is a scalar. Everything lives in the query's arena. */
#ifndef OXP_TESTS_PROMQL_VECTORS_H
#define OXP_TESTS_PROMQL_VECTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "alerts/promql/eval.h"
#include "lib/base/number.h"

enum { WORLD_NAMES = 32 };

struct world {
    struct oxp_query_state query;
    struct oxp_eval eval;
    /* Names of labels have one address each, as in the short memory; their values and the names of the operators' own
     * do not. */
    const struct oxp_symbol *names[WORLD_NAMES];
    size_t name_count;
};

static inline void world_init(struct world *world, size_t steps) {
    *world = (struct world){.query.samples_max = UINT64_MAX, .eval.step_ms = 1000};
    oxp_arena_init(&world->query.arena, 0);
    world->eval.query = &world->query;
    world->eval.steps = steps;
}

static inline void world_fini(struct world *world) {
    oxp_arena_fini(&world->query.arena);
}

static inline struct oxp_view text_until(const char **at, const char *ends) {
    size_t len = strcspn(*at, ends);
    struct oxp_view view = oxp_view_of(*at, len);
    *at += len;
    return view;
}

static inline void pass_over(const char **at, const char *what) {
    *at += strspn(*at, what);
}

/* The values up to the next semicolon; how many there are. NULL values: only counts. */
static inline size_t read_values(const char **at, double *values) {
    size_t count = 0;
    for (pass_over(at, " "); **at != '\0' && **at != ';'; pass_over(at, " ")) {
        struct oxp_view word = text_until(at, " ;");
        double value = oxp_absent();
        if (!oxp_view_is(word, "_") && oxp_number_parse_exposition(word, &value) != OXP_OK) {
            fail_msg("no number: %.*s", (int)word.len, word.ptr);
        }
        if (values != NULL) {
            values[count] = value;
        }
        count++;
    }
    return count;
}

/* The symbol of a name; NULL without memory. */
static inline const struct oxp_symbol *name_of(struct world *world, struct oxp_view text) {
    for (size_t i = 0; i < world->name_count; i++) {
        if (oxp_view_equal(oxp_symbol_view(world->names[i]), text)) {
            return world->names[i];
        }
    }
    assert_true(world->name_count < WORLD_NAMES);
    const struct oxp_symbol *name = oxp_symbol_new(&world->query.arena, text);
    if (name != NULL) {
        world->names[world->name_count++] = name;
    }
    return name;
}

/* Sets a label; without memory the failure sticks to the arena. */
static inline void set_label(struct world *world, struct oxp_labels_builder *builder, struct oxp_view name,
                             struct oxp_view value) {
    const struct oxp_symbol *name_symbol = name_of(world, name);
    const struct oxp_symbol *value_symbol = oxp_symbol_new(&world->query.arena, value);
    if (name_symbol != NULL && value_symbol != NULL) {
        oxp_labels_set(builder, name_symbol, value_symbol);
    }
}

/* Labels at the start of a series; NULL without memory. */
static inline const struct oxp_labels *read_labels(struct world *world, const char **at) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, &world->query.arena, oxp_labels_none());
    set_label(world, &builder, OXP_VIEW(OXP_NAME_LABEL), text_until(at, "{ "));
    if (**at == '{') {
        ++*at;
        for (pass_over(at, ", "); **at != '}'; pass_over(at, ", ")) {
            struct oxp_view label = text_until(at, "=");
            ++*at;
            set_label(world, &builder, label, text_until(at, ",}"));
        }
        ++*at;
    }
    return oxp_labels_finish(&builder);
}

/* How many steps the first series of a text has; 0 when there is none. */
static inline size_t count_steps(const char *text) {
    text += strcspn(text, " ");
    return read_values(&text, NULL);
}

/* False without memory. */
static inline bool read_vector(struct world *world, const char *text, struct oxp_vector *out) {
    struct oxp_arena *arena = &world->query.arena;
    *out = (struct oxp_vector){0};
    for (pass_over(&text, " ;"); *text != '\0'; pass_over(&text, " ;")) {
        const struct oxp_labels *labels = oxp_labels_none();
        if (*text == '=') {
            text++;
        } else {
            labels = read_labels(world, &text);
        }
        double *values = oxp_column_values(arena, world->eval.steps);
        if (labels == NULL || values == NULL) {
            return false;
        }
        const char *probe = text;
        size_t count = read_values(&probe, NULL);
        if (count != world->eval.steps) {
            fail_msg("%zu values, want %zu: %s", count, world->eval.steps, text);
        }
        read_values(&text, values);
        if (oxp_vector_add(arena, out, labels, values, world->eval.steps) == NULL) {
            return false;
        }
    }
    return true;
}

/* The vector as text, in one way: free it. */
static inline char *vector_text(const struct oxp_vector *vector, size_t steps) {
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    for (size_t i = 0; i < vector->count; i++) {
        oxp_buf_append_text(&text, i == 0 ? "" : "; ");
        oxp_labels_format(&text, vector->columns[i].labels, true);
        for (size_t step = 0; step < steps; step++) {
            double value = vector->columns[i].value[step];
            oxp_buf_append_char(&text, ' ');
            if (oxp_is_absent(value)) {
                oxp_buf_append_char(&text, '_');
            } else {
                oxp_buf_append_double(&text, value);
            }
        }
    }
    return oxp_buf_take(&text, NULL);
}

/* Symbols of the words of a text; sorted or as written. NULL without memory. */
static inline const struct oxp_symbol **read_names(struct oxp_arena *arena, const char *text, bool sorted,
                                                   size_t *count_out) {
    const struct oxp_symbol **names = oxp_arena_take(arena, 16 * sizeof *names);
    *count_out = 0;
    for (pass_over(&text, " "); names != NULL && *text != '\0'; pass_over(&text, " ")) {
        const struct oxp_symbol *name = oxp_symbol_new(arena, text_until(&text, " "));
        size_t at = (*count_out)++;
        if (name == NULL) {
            return NULL;
        }
        for (; sorted && at > 0 && oxp_symbol_compare(names[at - 1], name) > 0; at--) {
            names[at] = names[at - 1];
        }
        names[at] = name;
    }
    return names;
}

/* The result against the text of what is wanted, in any order of series unless `ordered`. */
static inline void check_vector(struct world *world, const char *row, struct oxp_vector *result, const char *want,
                                bool ordered) {
    struct oxp_vector wanted;
    if (!read_vector(world, want, &wanted)) {
        fail_msg("%s: no memory", row);
    }
    if (!ordered) {
        oxp_vector_sort(result);
        oxp_vector_sort(&wanted);
    }
    char *is = vector_text(result, world->eval.steps), *should = vector_text(&wanted, world->eval.steps);
    if (is == NULL || should == NULL || strcmp(is, should) != 0) {
        fail_msg("%s:\n  is     %s\n  should %s", row, is, should);
    }
    free(is);
    free(should);
}

#endif
