/* The debugger as a command, inside this folder: started without a shell, given the request on its standard input, read
 * until it ends or its time is over. */
#ifndef OXP_RESILIENCE_DEBUGGER_H
#define OXP_RESILIENCE_DEBUGGER_H

#include <oxpecker/recovery.h>

/* Runs `argv` (NULL-terminated; found by PATH) with `request` on its standard input, and reads its answer. False, with
 * verdict error and the reason as report, when it cannot be started, fails, says something else, or is not done in time
 * (then `*timed_out` and it is killed with its process group). Any thread; blocks it. */
bool oxp_debugger_run(const char *const *argv, struct oxp_view request, double timeout_s,
                      struct oxp_debug_answer *answer_out, bool *timed_out);
/* Reads {"verdict": "…", "fix": "…", "report": "…"}: a flat object of strings, other members are passed over. False for
 * anything else, and for a verdict that is none. Pure. */
bool oxp_debugger_read(struct oxp_view text, struct oxp_debug_answer *answer_out);

#endif
