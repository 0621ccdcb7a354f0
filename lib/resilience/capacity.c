/* The ceiling in a refusal for want of capacity: "… limit 25, currently 25", "limit of 3, current: 3" (domain
 * catalogue, section 1.1). The present count may stand before the limit or be missing. */
#include "lib/resilience/codes.h"

#include "lib/base/ascii.h"

enum {
    GAP_BYTES = 6, /* between the word and its number: " of ", ": ", "=", "ed to " */
    NUMBER_MAX = 1000000,
};

/* The number behind the first `word` that has one, or 0. The word may go on ("current", "currently"), but not begin
 * before. */
static unsigned number_behind(struct oxp_view text, const char *word) {
    size_t len = strlen(word);
    for (size_t at = 0; at + len < text.len; at++) {
        if ((at > 0 && oxp_fold_is_word(text.ptr[at - 1])) ||
            !oxp_fold_starts(oxp_view_of(text.ptr + at, text.len - at), word)) {
            continue;
        }
        size_t digit = at + len;
        for (size_t skipped = 0; digit < text.len && !oxp_is_digit(text.ptr[digit]) && skipped < GAP_BYTES; skipped++) {
            digit++;
        }
        unsigned number = 0;
        for (; digit < text.len && oxp_is_digit(text.ptr[digit]) && number < NUMBER_MAX; digit++) {
            number = number * 10 + (unsigned)(text.ptr[digit] - '0');
        }
        if (number > 0 && number <= NUMBER_MAX) {
            return number;
        }
    }
    return 0;
}

bool oxp_capacity_from_message(struct oxp_view message, unsigned *limit_out, unsigned *current_out) {
    unsigned limit = number_behind(message, "limit");
    if (limit == 0) {
        return false;
    }
    *limit_out = limit;
    *current_out = number_behind(message, "current");
    return true;
}
