/* A view: bytes that somebody else owns. Nothing assumes a NUL behind them. */
#ifndef OXPECKER_VIEW_H
#define OXPECKER_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct oxp_view {
    const char *ptr; /* may be NULL when len is 0 */
    size_t len;      /* bytes */
};

/* A view of a string literal. */
#ifdef __cplusplus
#define OXP_VIEW(literal) (oxp_view{"" literal, sizeof(literal) - 1})
#else
#define OXP_VIEW(literal) ((struct oxp_view){"" literal, sizeof(literal) - 1})
#endif

static inline struct oxp_view oxp_view_of(const char *ptr, size_t len) {
    return (struct oxp_view){ptr, len};
}

/* A view of a NUL-terminated string; NULL gives the empty view. */
static inline struct oxp_view oxp_view_from(const char *text) {
    return (struct oxp_view){text, text == NULL ? 0 : strlen(text)};
}

static inline bool oxp_view_equal(struct oxp_view a, struct oxp_view b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool oxp_view_is(struct oxp_view view, const char *text) {
    return oxp_view_equal(view, oxp_view_from(text));
}

static inline bool oxp_view_starts(struct oxp_view view, struct oxp_view prefix) {
    return view.len >= prefix.len && (prefix.len == 0 || memcmp(view.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool oxp_view_ends(struct oxp_view view, struct oxp_view suffix) {
    return view.len >= suffix.len &&
           (suffix.len == 0 || memcmp(view.ptr + view.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

#endif
