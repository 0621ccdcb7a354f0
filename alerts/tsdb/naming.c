#include "alerts/tsdb/naming.h"

#include "lib/base/number.h"

#define EXPORTED "exported_"

enum oxp_status oxp_naming_init(struct oxp_naming *naming, const struct oxp_sampler_options *options) {
    oxp_arena_init(&naming->arena, 0);
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, &naming->arena, oxp_labels_none());
    for (const char *const *pair = options->external_labels; pair != NULL && *pair != NULL; pair += 2) {
        oxp_labels_set_text(&builder, oxp_view_from(pair[0]), oxp_view_from(pair[1]));
    }
    oxp_labels_set_text(&builder, OXP_VIEW("job"), oxp_view_from(options->job));
    oxp_labels_set_text(&builder, OXP_VIEW("instance"), oxp_view_from(options->instance));
    naming->target = oxp_labels_finish(&builder);
    naming->name = oxp_symbol_new(&naming->arena, OXP_VIEW(OXP_NAME_LABEL));
    naming->le = oxp_symbol_new(&naming->arena, OXP_VIEW("le"));
    return oxp_arena_status(&naming->arena);
}

void oxp_naming_fini(struct oxp_naming *naming) {
    oxp_arena_fini(&naming->arena);
}

/* ---- Text between braces ---- */

/* Takes one pair off the front of `text`, which the registry wrote, so that only its form needs to be known:
 * name="value", in the value \\, \" and \n stand for one byte each. The value is unescaped into the arena. False at the
 * end of the text, or without memory. */
static bool take_pair(struct oxp_view *text, struct oxp_arena *arena, struct oxp_view *name_out,
                      struct oxp_view *value_out) {
    const char *pos = text->ptr, *end = text->ptr + text->len;
    const char *equals = text->len == 0 ? NULL : memchr(pos, '=', text->len);
    if (equals == NULL || end - equals < 3) {
        return false;
    }
    *name_out = oxp_view_of(pos, (size_t)(equals - pos));
    pos = equals + 2;
    char *to = oxp_arena_take(arena, (size_t)(end - pos));
    if (to == NULL) {
        return false;
    }
    *value_out = oxp_view_of(to, 0);
    for (; pos < end && *pos != '"'; pos++) {
        char c = *pos;
        if (c == '\\' && pos + 1 < end) {
            c = (char)(*++pos == 'n' ? '\n' : *pos);
        }
        to[value_out->len++] = c;
    }
    pos += pos < end; /* the quote */
    pos += pos < end && *pos == ',';
    *text = oxp_view_of(pos, (size_t)(end - pos));
    return true;
}

const struct oxp_labels *oxp_naming_parse(struct oxp_arena *arena, struct oxp_view text) {
    struct oxp_labels_builder builder;
    struct oxp_view name, value;
    oxp_labels_build(&builder, arena, oxp_labels_none());
    while (take_pair(&text, arena, &name, &value)) {
        oxp_labels_set_text(&builder, name, value);
    }
    return oxp_labels_finish(&builder);
}

/* ---- Sets ---- */

static bool has(const struct oxp_labels_builder *builder, struct oxp_view name) {
    for (size_t i = 0; i < builder->count; i++) {
        if (oxp_view_equal(oxp_symbol_view(builder->label[i].name), name)) {
            return true;
        }
    }
    return false;
}

/* exported_<name>, with more in front while that is taken. */
static void set_exported(const struct oxp_naming *naming, struct oxp_labels_builder *builder,
                         const struct oxp_label *label) {
    struct oxp_view name = oxp_symbol_view(label->name);
    do {
        size_t len = sizeof EXPORTED - 1 + name.len;
        char *longer = oxp_arena_take(builder->arena, len);
        if (longer == NULL) {
            return; /* sticks to the arena */
        }
        memcpy(longer, EXPORTED, sizeof EXPORTED - 1);
        memcpy(longer + sizeof EXPORTED - 1, name.ptr, name.len);
        name = oxp_view_of(longer, len);
    } while (has(builder, name) || oxp_labels_find(naming->target, name) != NULL);
    oxp_labels_set_text(builder, name, oxp_symbol_view(label->value));
}

const struct oxp_labels *oxp_naming_base(const struct oxp_naming *naming, struct oxp_arena *arena,
                                         struct oxp_view own) {
    const struct oxp_labels *labels = oxp_naming_parse(arena, own);
    if (labels == NULL) {
        return NULL;
    }
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, labels);
    for (size_t i = 0; i < labels->count; i++) {
        if (oxp_labels_get(naming->target, labels->label[i].name) != NULL) {
            oxp_labels_remove(&builder, oxp_symbol_view(labels->label[i].name));
        }
    }
    for (size_t i = 0; i < labels->count; i++) {
        if (oxp_labels_get(naming->target, labels->label[i].name) != NULL) {
            set_exported(naming, &builder, &labels->label[i]);
        }
    }
    for (size_t i = 0; i < naming->target->count; i++) {
        oxp_labels_set(&builder, naming->target->label[i].name, naming->target->label[i].value);
    }
    return oxp_labels_finish(&builder);
}

size_t oxp_naming_count(const struct oxp_family_spec *spec) {
    return spec->type == OXP_HISTOGRAM ? spec->bound_count + 3 : 1;
}

static const struct oxp_labels *named(const struct oxp_naming *naming, struct oxp_arena *arena,
                                      const struct oxp_labels *base, const char *name, const char *suffix,
                                      const struct oxp_symbol *le) {
    struct oxp_labels_builder builder;
    const struct oxp_view parts[2] = {oxp_view_from(name), oxp_view_from(suffix)};
    size_t len = parts[0].len + parts[1].len;
    char *whole = oxp_arena_take(arena, len);
    if (whole == NULL) {
        return NULL;
    }
    memcpy(whole, parts[0].ptr, parts[0].len);
    memcpy(whole + parts[0].len, parts[1].ptr, parts[1].len);
    oxp_labels_build(&builder, arena, base);
    const struct oxp_symbol *value = oxp_symbol_new(arena, oxp_view_of(whole, len));
    if (value != NULL) {
        oxp_labels_set(&builder, naming->name, value);
    }
    if (le != NULL) {
        oxp_labels_set(&builder, naming->le, le);
    }
    return oxp_labels_finish(&builder);
}

const struct oxp_labels *oxp_naming_series(const struct oxp_naming *naming, struct oxp_arena *arena,
                                           const struct oxp_labels *base, const struct oxp_family_spec *spec,
                                           size_t index) {
    if (spec->type != OXP_HISTOGRAM) {
        return named(naming, arena, base, spec->name, "", NULL);
    }
    if (index > spec->bound_count) {
        return named(naming, arena, base, spec->name, index == spec->bound_count + 1 ? "_sum" : "_count", NULL);
    }
    char text[OXP_NUMBER_MAX] = "+Inf";
    size_t len = 4;
    if (index < spec->bound_count) {
        len = oxp_number_from_double_canonical(text, spec->bounds[index]);
    }
    const struct oxp_symbol *le = oxp_symbol_new(arena, oxp_view_of(text, len));
    return le == NULL ? NULL : named(naming, arena, base, spec->name, "_bucket", le);
}

const struct oxp_labels *oxp_naming_meta(const struct oxp_naming *naming, struct oxp_arena *arena, const char *name) {
    return named(naming, arena, naming->target, name, "", NULL);
}
