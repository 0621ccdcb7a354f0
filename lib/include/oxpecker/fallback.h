/* Fallback and degradation: ordered alternatives for one component, and a state that says when it runs on a lesser one.
 *
 * Alternatives are tried in order. When the first works, the component is whole; when a later one works it is degraded,
 * and stays so until the first has worked again. While degraded the first is not tried at every call but every
 * `retry_first_s`, by one caller at a time: that is the way back. Every change is reported (`degraded`), and every
 * fallback that failed. All functions may be called from any thread; the alternatives, and may_fall, are called without
 * a lock held. */
#ifndef OXPECKER_FALLBACK_H
#define OXPECKER_FALLBACK_H

#include <oxpecker/failure.h>
#include <oxpecker/status.h>

OXP_BEGIN_DECLS

/* Does the work; NULL = it worked, else the failure (handed over). `result` is the caller's of oxp_fallback_call. */
typedef struct oxp_failure *(*oxp_alternative_fn)(void *ctx, void *result);

struct oxp_alternative {
    const char *name; /* "provider", "local browser", "cached copy" */
    oxp_alternative_fn call;
    void *ctx;
};

struct oxp_fallback_options {
    const char *component;                      /* label `component`: "browser", "extractor" */
    const struct oxp_alternative *alternatives; /* copied; 2 to 8, best first */
    size_t count;
    double retry_first_s; /* how long to stay on a lesser one before the first is tried again; 0 = 60 */
    /* Whether this failure of an alternative may be answered by the next one. NULL: every failure but those whose
     * action is abort or skip. */
    bool (*may_fall)(void *ctx, const struct oxp_failure *failure);
    void *ctx;
    struct oxp_reporter *reporter;
    double (*now_s)(void *ctx); /* monotonic seconds; NULL = the system's */
};

struct oxp_fallback;
/* OXP_ERR_NOMEM; OXP_ERR_INVALID: a name is empty or longer than 63 bytes, a function is missing, or there are less
 * than 2 or more than 8 alternatives. */
enum oxp_status oxp_fallback_new(const struct oxp_fallback_options *options, struct oxp_fallback **fallback_out);
/* Not while a call is under way. */
void oxp_fallback_free(struct oxp_fallback *fallback);

/* Calls the alternatives until one works. NULL = one did, `*used_out` (may be NULL) says which; else the failure of the
 * last one tried, with those before it as its causes. */
struct oxp_failure *oxp_fallback_call(struct oxp_fallback *fallback, void *result, size_t *used_out);
/* The alternative that was last used; 0 = whole. */
size_t oxp_fallback_level(const struct oxp_fallback *fallback);
bool oxp_fallback_is_degraded(const struct oxp_fallback *fallback);
/* Degrades or mends by hand, for components that the host switches itself (no alternative is called). */
void oxp_fallback_set(struct oxp_fallback *fallback, size_t level, const char *reason);

OXP_END_DECLS

#endif
