/* Label sets: symbols, sets, choices of labels, and how they are printed. */
#include "alerts/tsdb/labels.h"

#include <pthread.h>

#include "lib/base/map.h"
#include "lib/base/random.h"
#include "lib/base/utf8.h"

/* ---- Symbols ---- */

static uint64_t seed;
static pthread_once_t seeded = PTHREAD_ONCE_INIT;

static void make_seed(void) {
    struct oxp_random random;
    oxp_random_init(&random);
    seed = oxp_random_u64(&random);
}

uint32_t oxp_symbol_hash(struct oxp_view text) {
    pthread_once(&seeded, make_seed);
    uint64_t hash = oxp_hash(text.ptr, text.len, seed);
    return (uint32_t)(hash ^ (hash >> 32));
}

const struct oxp_symbol *oxp_symbol_new(struct oxp_arena *arena, struct oxp_view text) {
    struct oxp_symbol *symbol = NULL;
    if (text.len > UINT32_MAX - 64) {
        arena->status = arena->status == OXP_OK ? OXP_ERR_LIMIT : arena->status;
        return NULL;
    }
    symbol = oxp_arena_take(arena, sizeof *symbol + text.len + 1);
    if (symbol == NULL) {
        return NULL;
    }
    symbol->hash = oxp_symbol_hash(text);
    symbol->len = (uint32_t)text.len;
    if (text.len != 0) {
        memcpy(symbol->text, text.ptr, text.len);
    }
    symbol->text[text.len] = '\0';
    return symbol;
}

static int compare_text(struct oxp_view a, struct oxp_view b) {
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

int oxp_symbol_compare(const struct oxp_symbol *a, const struct oxp_symbol *b) {
    return a == b ? 0 : compare_text(oxp_symbol_view(a), oxp_symbol_view(b));
}

/* ---- Sets ---- */

static uint32_t mix(uint32_t hash, const struct oxp_label *label) {
    uint64_t wide = ((uint64_t)label->name->hash << 32 | label->value->hash) ^ hash;
    wide *= UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(wide ^ (wide >> 32));
}

uint32_t oxp_labels_hash(const struct oxp_label *labels, size_t count) {
    uint32_t hash = 0;
    for (size_t i = 0; i < count; i++) {
        hash = mix(hash, &labels[i]);
    }
    return hash;
}

const struct oxp_labels *oxp_labels_none(void) {
    static const struct oxp_labels none;
    return &none;
}

const struct oxp_symbol *oxp_labels_get(const struct oxp_labels *labels, const struct oxp_symbol *name) {
    for (size_t i = 0; i < labels->count; i++) {
        if (oxp_symbol_equal(labels->label[i].name, name)) {
            return labels->label[i].value;
        }
    }
    return NULL;
}

const struct oxp_symbol *oxp_labels_find(const struct oxp_labels *labels, struct oxp_view name) {
    for (size_t i = 0; i < labels->count; i++) {
        if (oxp_view_equal(oxp_symbol_view(labels->label[i].name), name)) {
            return labels->label[i].value;
        }
    }
    return NULL;
}

static bool is_name(const struct oxp_symbol *symbol) {
    return symbol->len == sizeof OXP_NAME_LABEL - 1 && memcmp(symbol->text, OXP_NAME_LABEL, symbol->len) == 0;
}

const struct oxp_symbol *oxp_labels_name(const struct oxp_labels *labels) {
    for (size_t i = 0; i < labels->count; i++) {
        if (is_name(labels->label[i].name)) {
            return labels->label[i].value;
        }
    }
    return NULL;
}

bool oxp_labels_equal(const struct oxp_labels *a, const struct oxp_labels *b) {
    if (a == b) {
        return true;
    }
    if (a->hash != b->hash || a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!oxp_symbol_equal(a->label[i].name, b->label[i].name) ||
            !oxp_symbol_equal(a->label[i].value, b->label[i].value)) {
            return false;
        }
    }
    return true;
}

int oxp_labels_compare(const struct oxp_labels *a, const struct oxp_labels *b) {
    size_t common = a->count < b->count ? a->count : b->count;
    for (size_t i = 0; i < common; i++) {
        int order = oxp_symbol_compare(a->label[i].name, b->label[i].name);
        order = order != 0 ? order : oxp_symbol_compare(a->label[i].value, b->label[i].value);
        if (order != 0) {
            return order;
        }
    }
    return (a->count > b->count) - (a->count < b->count);
}

/* ---- Making sets ---- */

static const struct oxp_labels *new_set(struct oxp_arena *arena, const struct oxp_label *label, size_t count) {
    if (count == 0) {
        return oxp_labels_none();
    }
    struct oxp_labels *labels = oxp_arena_take(arena, sizeof *labels + count * sizeof *label);
    if (labels == NULL) {
        return NULL;
    }
    labels->hash = oxp_labels_hash(label, count);
    labels->count = (uint32_t)count;
    memcpy(labels->label, label, count * sizeof *label);
    return labels;
}

void oxp_labels_build(struct oxp_labels_builder *builder, struct oxp_arena *arena, const struct oxp_labels *base) {
    builder->arena = arena;
    builder->overflow = base->count > OXP_LABELS_LIMIT;
    builder->keeps_empty = false;
    builder->count = builder->overflow ? 0 : base->count;
    memcpy(builder->label, base->label, builder->count * sizeof builder->label[0]);
}

/* The place of a name, or where it would stand. */
static size_t place_of(const struct oxp_labels_builder *builder, struct oxp_view name, bool *there_out) {
    size_t i = 0;
    int order = 1;
    while (i < builder->count && (order = compare_text(oxp_symbol_view(builder->label[i].name), name)) < 0) {
        i++;
    }
    *there_out = i < builder->count && order == 0;
    return i;
}

void oxp_labels_remove(struct oxp_labels_builder *builder, struct oxp_view name) {
    bool there = false;
    size_t at = place_of(builder, name, &there);
    if (there) {
        builder->count--;
        memmove(&builder->label[at], &builder->label[at + 1], (builder->count - at) * sizeof builder->label[0]);
    }
}

void oxp_labels_set(struct oxp_labels_builder *builder, const struct oxp_symbol *name, const struct oxp_symbol *value) {
    bool there = false;
    if (value == NULL || (value->len == 0 && !builder->keeps_empty)) {
        oxp_labels_remove(builder, oxp_symbol_view(name));
        return;
    }
    size_t at = place_of(builder, oxp_symbol_view(name), &there);
    if (!there) {
        if (builder->count == OXP_LABELS_LIMIT) {
            builder->overflow = true;
            return;
        }
        memmove(&builder->label[at + 1], &builder->label[at], (builder->count - at) * sizeof builder->label[0]);
        builder->count++;
    }
    builder->label[at] = (struct oxp_label){name, value};
}

void oxp_labels_set_text(struct oxp_labels_builder *builder, struct oxp_view name, struct oxp_view value) {
    if (value.len == 0 && !builder->keeps_empty) {
        oxp_labels_remove(builder, name);
        return;
    }
    const struct oxp_symbol *name_symbol = oxp_symbol_new(builder->arena, name);
    const struct oxp_symbol *value_symbol = oxp_symbol_new(builder->arena, value);
    if (name_symbol != NULL && value_symbol != NULL) {
        oxp_labels_set(builder, name_symbol, value_symbol);
    } /* else the failure sticks to the arena, and finish sees it */
}

const struct oxp_labels *oxp_labels_finish(struct oxp_labels_builder *builder) {
    if (builder->overflow && builder->arena->status == OXP_OK) {
        builder->arena->status = OXP_ERR_LIMIT;
    }
    return builder->arena->status != OXP_OK ? NULL : new_set(builder->arena, builder->label, builder->count);
}

/* ---- Choices ---- Names of a choice and of a set are both sorted, so one walk along both finds what they share. */

static bool chosen(const struct oxp_label *label, const struct oxp_label_choice *choice, size_t *at) {
    int order = -1;
    while (*at < choice->count) {
        const struct oxp_symbol *name = choice->names[*at];
        order = oxp_symbol_equal(name, label->name) ? 0 : oxp_symbol_compare(name, label->name);
        if (order >= 0) {
            break;
        }
        ++*at;
    }
    bool named = *at < choice->count && order == 0;
    return choice->without ? !named && !is_name(label->name) : named;
}

uint32_t oxp_labels_chosen_hash(const struct oxp_labels *labels, const struct oxp_label_choice *choice) {
    uint32_t hash = 0;
    size_t at = 0;
    for (size_t i = 0; i < labels->count; i++) {
        if (chosen(&labels->label[i], choice, &at)) {
            hash = mix(hash, &labels->label[i]);
        }
    }
    return hash;
}

bool oxp_labels_chosen_equal(const struct oxp_labels *a, const struct oxp_labels *b,
                             const struct oxp_label_choice *choice) {
    size_t i = 0, j = 0, at_a = 0, at_b = 0;
    for (;;) {
        while (i < a->count && !chosen(&a->label[i], choice, &at_a)) {
            i++;
        }
        while (j < b->count && !chosen(&b->label[j], choice, &at_b)) {
            j++;
        }
        if (i == a->count || j == b->count) {
            return i == a->count && j == b->count;
        }
        if (!oxp_symbol_equal(a->label[i].name, b->label[j].name) ||
            !oxp_symbol_equal(a->label[i].value, b->label[j].value)) {
            return false;
        }
        i++;
        j++;
    }
}

const struct oxp_labels *oxp_labels_chosen(struct oxp_arena *arena, const struct oxp_labels *labels,
                                           const struct oxp_label_choice *choice) {
    struct oxp_label kept[OXP_LABELS_LIMIT];
    size_t count = 0, at = 0;
    for (size_t i = 0; i < labels->count; i++) {
        if (chosen(&labels->label[i], choice, &at)) {
            kept[count++] = labels->label[i];
        }
    }
    return count == labels->count ? labels : new_set(arena, kept, count);
}

/* What Prometheus 3 drops with the name: its type and unit, where they were made labels. */
static bool goes_with_the_name(const struct oxp_symbol *symbol) {
    return is_name(symbol) ||
           (symbol->len == 8 && (memcmp(symbol->text, "__type__", 8) == 0 || memcmp(symbol->text, "__unit__", 8) == 0));
}

const struct oxp_labels *oxp_labels_nameless(struct oxp_arena *arena, const struct oxp_labels *labels) {
    struct oxp_label kept[OXP_LABELS_LIMIT];
    size_t count = 0;
    for (size_t i = 0; i < labels->count; i++) {
        if (!goes_with_the_name(labels->label[i].name)) {
            kept[count++] = labels->label[i];
        }
    }
    return count == labels->count ? labels : new_set(arena, kept, count);
}

/* ---- Text ---- */

void oxp_text_quote(struct oxp_buf *out, struct oxp_view text) {
    static const struct {
        char c, letter;
    } escapes[] = {{'"', '"'},  {'\\', '\\'}, {'\n', 'n'}, {'\t', 't'}, {'\r', 'r'},
                   {'\a', 'a'}, {'\b', 'b'},  {'\f', 'f'}, {'\v', 'v'}};
    oxp_buf_append_char(out, '"');
    while (text.len != 0) {
        size_t valid = oxp_utf8_valid_prefix(text), i = 0;
        for (; i < valid; i++) {
            char letter = 0, c = text.ptr[i];
            for (size_t k = 0; k < sizeof escapes / sizeof escapes[0] && letter == 0; k++) {
                if (c == escapes[k].c) {
                    letter = escapes[k].letter;
                }
            }
            if (letter != 0) {
                oxp_buf_append_char(out, '\\');
                oxp_buf_append_char(out, letter);
            } else if ((unsigned char)c < 0x20 || c == 0x7f) {
                oxp_buf_append_format(out, "\\x%02x", (unsigned char)c);
            } else {
                oxp_buf_append_char(out, c);
            }
        }
        if (i < text.len) { /* a byte that is no UTF-8 */
            oxp_buf_append_format(out, "\\x%02x", (unsigned char)text.ptr[i++]);
        }
        text = oxp_view_of(text.ptr + i, text.len - i);
    }
    oxp_buf_append_char(out, '"');
}

/* [a-zA-Z_][a-zA-Z0-9_]*, and colons in a metric's name: what stands without quotes. */
static bool is_plain(struct oxp_view text, bool metric) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (metric && c == ':');
        if (!letter && (i == 0 || c < '0' || c > '9')) {
            return false;
        }
    }
    return text.len != 0;
}

void oxp_labels_format(struct oxp_buf *out, const struct oxp_labels *labels, bool metric) {
    const struct oxp_symbol *symbol = metric ? oxp_labels_name(labels) : NULL;
    struct oxp_view name = symbol == NULL ? oxp_view_of(NULL, 0) : oxp_symbol_view(symbol);
    bool bare = is_plain(name, true);
    if (bare) {
        oxp_buf_append_view(out, name);
        if (labels->count == 1) {
            return;
        }
    }
    oxp_buf_append_char(out, '{');
    bool first = true;
    if (name.len != 0 && !bare) {
        oxp_text_quote(out, name);
        first = false;
    }
    for (size_t i = 0; i < labels->count; i++) {
        const struct oxp_label *label = &labels->label[i];
        if (name.len != 0 && is_name(label->name)) {
            continue;
        }
        oxp_buf_append_text(out, first ? "" : ", ");
        first = false;
        if (is_plain(oxp_symbol_view(label->name), false)) {
            oxp_buf_append_view(out, oxp_symbol_view(label->name));
        } else {
            oxp_text_quote(out, oxp_symbol_view(label->name));
        }
        oxp_buf_append_char(out, '=');
        oxp_text_quote(out, oxp_symbol_view(label->value));
    }
    oxp_buf_append_char(out, '}');
}
