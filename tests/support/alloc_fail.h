/* Failing allocations, one after the other: link a test with oxp_alloc_fail and the linker's --wrap turns malloc,
 * calloc, realloc and strdup of the code under test into these. */
#ifndef OXP_SUPPORT_ALLOC_FAIL_H
#define OXP_SUPPORT_ALLOC_FAIL_H

#include <stdbool.h>
#include <stddef.h>

/* The n-th allocation from now on (from 1), made by this thread, fails; 0 = none does. */
void alloc_fail_at(size_t n);
/* True when that allocation was asked for (and failed). */
bool alloc_fail_hit(void);

/* Runs `body` with the first, second, … allocation failing, until a run in which none failed. `body` must cope with
 * failure and must free all that it made (the sanitizers watch). Gives the number of failures that were tried. */
size_t alloc_fail_each(void (*body)(void *ctx), void *ctx);

#endif
