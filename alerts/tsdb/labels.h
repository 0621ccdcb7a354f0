/* Label sets: what names a series, in the short memory and in every result.
 *
 * A symbol is a text with its hash. A label set is an array of pairs of symbols, sorted by name (bytewise), each name
 * once, no empty value (in Prometheus an empty value is no label); the metric's name is the label "__name__". Sets and
 * symbols are immutable. Two symbols are equal when their texts are; that they are the same pointer is only the fast
 * way to see it, so sets from different places may be compared. Sets of the short memory live as long as a reader is
 * open (tsdb.h); sets that a query makes live in its arena. */
#ifndef OXP_TSDB_LABELS_H
#define OXP_TSDB_LABELS_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include <stdint.h>

#define OXP_NAME_LABEL "__name__"
#define OXP_LABELS_LIMIT 64 /* pairs of one set */

struct oxp_symbol {
    uint32_t hash; /* of the text, oxp_symbol_hash */
    uint32_t len;
    char text[]; /* a NUL follows */
};

struct oxp_label {
    const struct oxp_symbol *name, *value;
};

struct oxp_labels {
    uint32_t hash; /* of all pairs; the same for equal sets */
    uint32_t count;
    struct oxp_label label[];
};

static inline struct oxp_view oxp_symbol_view(const struct oxp_symbol *symbol) {
    return oxp_view_of(symbol->text, symbol->len);
}

static inline bool oxp_symbol_equal(const struct oxp_symbol *a, const struct oxp_symbol *b) {
    return a == b || (a->hash == b->hash && a->len == b->len && memcmp(a->text, b->text, a->len) == 0);
}

/* The hash of a text; the same in the whole process, seeded at its start. Any thread. */
uint32_t oxp_symbol_hash(struct oxp_view text);
/* The hash that a set of these pairs has: independent of where the symbols are. */
uint32_t oxp_labels_hash(const struct oxp_label *labels, size_t count);
/* A symbol in an arena; NULL on failure. */
const struct oxp_symbol *oxp_symbol_new(struct oxp_arena *arena, struct oxp_view text);
/* Less than, equal to or greater than 0, bytewise, a shorter one first. */
int oxp_symbol_compare(const struct oxp_symbol *a, const struct oxp_symbol *b);

/* The empty set. */
const struct oxp_labels *oxp_labels_none(void);
/* The value under a name, or NULL. */
const struct oxp_symbol *oxp_labels_get(const struct oxp_labels *labels, const struct oxp_symbol *name);
const struct oxp_symbol *oxp_labels_find(const struct oxp_labels *labels, struct oxp_view name);
/* The metric's name, or NULL. */
const struct oxp_symbol *oxp_labels_name(const struct oxp_labels *labels);
bool oxp_labels_equal(const struct oxp_labels *a, const struct oxp_labels *b);
/* The order of Prometheus' labels.Compare: pair by pair, name before value, then the shorter set first. */
int oxp_labels_compare(const struct oxp_labels *a, const struct oxp_labels *b);

/* ---- Making sets ---- */
struct oxp_labels_builder {
    struct oxp_arena *arena;
    size_t count;
    bool overflow;                            /* more than OXP_LABELS_LIMIT */
    bool keeps_empty;                         /* set after _build: an empty value is one (annotations) */
    struct oxp_label label[OXP_LABELS_LIMIT]; /* sorted by name */
};

/* Starts from a set (oxp_labels_none() for an empty one). */
void oxp_labels_build(struct oxp_labels_builder *builder, struct oxp_arena *arena, const struct oxp_labels *base);
/* Sets a label; an empty or NULL value removes it (with keeps_empty NULL alone does). */
void oxp_labels_set(struct oxp_labels_builder *builder, const struct oxp_symbol *name, const struct oxp_symbol *value);
/* The same with texts, which are copied into the arena. */
void oxp_labels_set_text(struct oxp_labels_builder *builder, struct oxp_view name, struct oxp_view value);
void oxp_labels_remove(struct oxp_labels_builder *builder, struct oxp_view name);
/* The set, in the arena; NULL when there was no memory or there were too many labels (OXP_ERR_LIMIT sticks to the
 * arena). */
const struct oxp_labels *oxp_labels_finish(struct oxp_labels_builder *builder);

/* A choice of labels, for by (…), without (…), on (…) and ignoring (…): names sorted by text. */
struct oxp_label_choice {
    const struct oxp_symbol *const *names;
    size_t count;
    bool without; /* all but these, and never __name__; else only these */
};
/* The chosen part's hash, whether two sets agree in it, and the part itself as a set (in the arena; NULL without
 * memory). With `without` the metric's name is never part. */
uint32_t oxp_labels_chosen_hash(const struct oxp_labels *labels, const struct oxp_label_choice *choice);
bool oxp_labels_chosen_equal(const struct oxp_labels *a, const struct oxp_labels *b,
                             const struct oxp_label_choice *choice);
const struct oxp_labels *oxp_labels_chosen(struct oxp_arena *arena, const struct oxp_labels *labels,
                                           const struct oxp_label_choice *choice);
/* The set without its metric's name, __type__ and __unit__; the set itself when it has none of them. NULL without
 * memory. */
const struct oxp_labels *oxp_labels_nameless(struct oxp_arena *arena, const struct oxp_labels *labels);

/* As Prometheus prints a set: `{a="b", c="d"}`; with `metric` the name in front: `up{job="x"}`. Names that are no
 * legacy label names are quoted. */
void oxp_labels_format(struct oxp_buf *out, const struct oxp_labels *labels, bool metric);
/* A text between double quotes as Go's strconv.Quote writes it. */
void oxp_text_quote(struct oxp_buf *out, struct oxp_view text);

#endif
