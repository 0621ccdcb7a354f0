/* The calling thread's stack as text, one frame a line: "  at function+0x12 (module+0x3456)". Names come from the
 * dynamic symbols (link with -rdynamic for a program's own); the offset in the module is what addr2line takes. */
#ifndef OXP_RESILIENCE_STACK_H
#define OXP_RESILIENCE_STACK_H

#include <stddef.h>

/* Writes at most `size` bytes, whole lines, leaving out the `skip` newest frames besides its own; returns how many.
 * Any thread; not for signal handlers (the first call may load libgcc's unwinder). */
size_t oxp_stack_text(char *out, size_t size, unsigned skip);

#endif
