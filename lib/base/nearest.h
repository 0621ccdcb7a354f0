/* The known word that somebody may have meant: by edit distance (insert, delete, replace, swap of neighbours). Of two
 * that are as near the first one handed in wins. Pure. */
#ifndef OXP_BASE_NEAREST_H
#define OXP_BASE_NEAREST_H

#include <oxpecker/view.h>

#define OXP_NEAREST_MAX 63 /* bytes: a longer word is like no other */

struct oxp_nearest {
    struct oxp_view word;
    unsigned limit;       /* only what is nearer counts */
    struct oxp_view name; /* the nearest so far; empty = none */
};

/* Begins the search for what `word` may have been. More than a third of its letters wrong is another word. */
struct oxp_nearest oxp_nearest_begin(struct oxp_view word);
/* Looks at one known word, which must outlive the search. */
void oxp_nearest_try(struct oxp_nearest *nearest, struct oxp_view name);

#endif
