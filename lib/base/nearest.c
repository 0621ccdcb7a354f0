#include "lib/base/nearest.h"

static unsigned least_of(unsigned a, unsigned b) {
    return a < b ? a : b;
}

/* Optimal string alignment distance, three rows at a time. Both have OXP_NEAREST_MAX bytes at most. */
static unsigned distance(struct oxp_view a, struct oxp_view b) {
    unsigned rows[3][OXP_NEAREST_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b.len; j++) {
        last[j] = (unsigned)j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned cost = a.ptr[i - 1] != b.ptr[j - 1];
            now[j] = least_of(least_of(last[j] + 1, now[j - 1] + 1), last[j - 1] + cost);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1]) {
                now[j] = least_of(now[j], before[j - 2] + 1);
            }
        }
        unsigned *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b.len];
}

struct oxp_nearest oxp_nearest_begin(struct oxp_view word) {
    bool hopeless = word.len == 0 || word.len > OXP_NEAREST_MAX;
    return (struct oxp_nearest){.word = word, .limit = hopeless ? 0 : (unsigned)word.len / 3 + 1};
}

void oxp_nearest_try(struct oxp_nearest *nearest, struct oxp_view name) {
    if (nearest->limit == 0 || name.len > OXP_NEAREST_MAX) {
        return;
    }
    unsigned far = distance(nearest->word, name);
    if (far < nearest->limit) {
        nearest->limit = far;
        nearest->name = name;
    }
}
