/* The rows of codes.def by name, inside this folder: an id for each, so that the classifier's tables are checked by the
 * compiler. */
#ifndef OXP_RESILIENCE_CODES_H
#define OXP_RESILIENCE_CODES_H

#include "lib/resilience/classify.h"

enum oxp_code_id {
#define CODE(name, ...) OXP_CODE_##name,
#include "lib/resilience/codes.def"
#undef CODE
    OXP_CODES,
    OXP_CODE_NONE = OXP_CODES, /* no row: the evidence says nothing */
};

const struct oxp_code *oxp_code_row(enum oxp_code_id id);
/* The id of a row of the table; OXP_CODE_NONE for any other row. */
enum oxp_code_id oxp_code_id_of(const struct oxp_code *code);
/* The row "unknown" in this category, or NULL for one that has none. */
const struct oxp_code *oxp_code_unknown_in(const char *category);
/* For docs and tests: the i-th word for a severity or a category and what it stands for, or NULL past the end. */
const char *oxp_severity_word_at(size_t index, const char **severity_out);
const char *oxp_category_word_at(size_t index, const char **category_out);
/* For docs and tests: the i-th prefix of codes and its category, or NULL past the end. */
const char *oxp_code_prefix_at(size_t index, const char **category_out);
/* The row "unknown" in the category that the code's prefix ("bb_", "net_", …) stands for, or NULL for another prefix.
 */
const struct oxp_code *oxp_code_unknown_of(struct oxp_view name);

/* ASCII order without regard to case, shorter first. */
int oxp_fold_compare(struct oxp_view a, const char *b);
bool oxp_fold_starts(struct oxp_view text, const char *prefix);
bool oxp_fold_ends(struct oxp_view text, const char *suffix);
static inline unsigned char oxp_fold_lower(char c) {
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}
/* An ASCII letter or digit. */
static inline bool oxp_fold_is_word(char c) {
    return (oxp_fold_lower(c) >= 'a' && oxp_fold_lower(c) <= 'z') || (c >= '0' && c <= '9');
}
/* True when `word` (lower case, not empty) stands at `at` (< text.len), and no letter or digit goes on behind it. */
bool oxp_fold_stands_at(struct oxp_view text, size_t at, const char *word);
/* True when `text` holds one of `words` (NULL-terminated list, lower case), with no letter or digit on either side;
 * `end_out` is where the first one ends. */
bool oxp_fold_find(struct oxp_view text, const char *const *words, size_t *end_out);
bool oxp_fold_mentions(struct oxp_view text, const char *const *words);

#endif
