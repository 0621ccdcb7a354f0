/* ASCII text without regard to case, for names and messages of other people's errors. */
#include "lib/resilience/codes.h"

int oxp_fold_compare(struct oxp_view a, const char *b) {
    for (size_t i = 0; i < a.len; i++) {
        int order =
            (int)oxp_fold_lower(a.ptr[i]) - (int)oxp_fold_lower(b[i]); /* b's end is less than any byte but NUL */
        if (order != 0 || b[i] == '\0') {
            return order != 0 ? order : 1;
        }
    }
    return b[a.len] == '\0' ? 0 : -1;
}

bool oxp_fold_starts(struct oxp_view text, const char *prefix) {
    size_t len = strlen(prefix);
    return text.len >= len && oxp_fold_compare(oxp_view_of(text.ptr, len), prefix) == 0;
}

bool oxp_fold_ends(struct oxp_view text, const char *suffix) {
    size_t len = strlen(suffix);
    return text.len >= len && (len == 0 || oxp_fold_compare(oxp_view_of(text.ptr + text.len - len, len), suffix) == 0);
}

bool oxp_fold_stands_at(struct oxp_view text, size_t at, const char *word) {
    if (oxp_fold_lower(text.ptr[at]) != (unsigned char)*word) {
        return false;
    }
    size_t len = strlen(word);
    if (!oxp_fold_starts(oxp_view_of(text.ptr + at, text.len - at), word)) {
        return false;
    }
    return at + len == text.len || !oxp_fold_is_word(word[len - 1]) || !oxp_fold_is_word(text.ptr[at + len]);
}

bool oxp_fold_find(struct oxp_view text, const char *const *words, size_t *end_out) {
    for (size_t at = 0; at < text.len; at++) {
        if (at > 0 && oxp_fold_is_word(text.ptr[at - 1])) {
            continue;
        }
        for (const char *const *word = words; *word != NULL; word++) {
            if (oxp_fold_stands_at(text, at, *word)) {
                *end_out = at + strlen(*word);
                return true;
            }
        }
    }
    return false;
}

bool oxp_fold_mentions(struct oxp_view text, const char *const *words) {
    size_t end;
    return oxp_fold_find(text, words, &end);
}
