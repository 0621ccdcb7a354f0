/* Status codes and located errors.
 *
 * Every function that can fail returns one `enum oxp_status`: zero is success, a negative value is a failure that is
 * handed up unchanged, a positive value is a condition that the function's own header names. The table is status.def.
 * Where a person will read the reason, the caller also passes a `struct oxp_error`, which the callee fills with the
 * place and a sentence. The library never prints and never exits. All functions here are pure and may be called from
 * any thread. */
#ifndef OXPECKER_STATUS_H
#define OXPECKER_STATUS_H

#include <oxpecker/api.h>
#include <stdbool.h>
#include <stddef.h>

OXP_BEGIN_DECLS

enum oxp_status {
#define X(name, value, retry, text) OXP_##name = (value),
#include <oxpecker/status.def>
#undef X
};

/* A reason with its place. `line` and `column` count from 1; 0 means that there is none. */
struct oxp_error {
    unsigned line;
    unsigned column;
    char text[256];
};

/* The code's name without its prefix ("ERR_NOMEM"); "UNKNOWN" for a number that is not in the table. */
const char *oxp_status_name(enum oxp_status status);
/* A short English text; never NULL. */
const char *oxp_status_text(enum oxp_status status);
/* True when the same call may succeed later with nothing changed. */
bool oxp_status_may_retry(enum oxp_status status);
/* The code for an errno value (table in lib/base/status.c); OXP_ERR_IO for one that is not listed, OXP_OK for 0. */
enum oxp_status oxp_status_from_errno(int error);

/* Fills `error` (which may be NULL) and returns `status`, so that callers can `return oxp_error_set(…)`.
 * The text is cut to fit at a UTF-8 boundary. */
enum oxp_status oxp_error_set(struct oxp_error *error, enum oxp_status status, unsigned line, unsigned column,
                              const char *format, ...) __attribute__((format(printf, 5, 6)));

OXP_END_DECLS

#endif
