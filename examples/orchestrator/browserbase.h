/* Browserbase's session API: create, look up, release. Every creation carries a unique tag in its userMetadata, so that
 * one whose answer was lost is found again instead of being made twice. */
#ifndef ORCHESTRATOR_BROWSERBASE_H
#define ORCHESTRATOR_BROWSERBASE_H

#include "examples/orchestrator/call.h"

enum { SESSION_ID_SIZE = 72, TAG_SIZE = 40, STATUS_SIZE = 16 };

/* On whose behalf a call is made. Borrowed for the time of the call. */
struct caller {
    struct app *app;
    struct http *http;
    const struct oxp_ids *ids;
    const struct oxp_span *parent;
    struct oxp_cancel *cancel;
    double until_s; /* in the time of app_now; 0 = none */
};

struct bb_session {
    char id[SESSION_ID_SIZE];
    char status[STATUS_SIZE]; /* PENDING, RUNNING, COMPLETED, ERROR, TIMED_OUT */
    uint64_t proxy_bytes;
};

/* What a creation asks for and gives. */
struct bb_creation {
    char tag[TAG_SIZE];
    bool plain; /* without what costs extra: the plan does not sell it */
    struct bb_session session;
    double took_s;
};

/* True for the three that a session never leaves. */
bool bb_is_ended(const char *status);

/* Fills in what every call of `who` has in common. */
void bb_prepare(struct call *call, const struct caller *who, const char *op, const char *method);

/* Creates, with retries; `result` is kept by the caller when it is deferred, and handed in again. NULL: there is a
 * session; else the failure, the caller's. */
struct oxp_failure *bb_create(const struct caller *who, struct bb_creation *creation, struct oxp_retry_result *result,
                              enum oxp_retry_outcome *outcome_out);
/* The session as the provider sees it. NULL, or the failure. */
struct oxp_failure *bb_get(const struct caller *who, const char *id, struct bb_session *session_out);
/* The newest session with this tag that has not ended; *found_out says whether there is one. NULL, or the failure. */
struct oxp_failure *bb_find(const struct caller *who, const char *tag, struct bb_session *session_out, bool *found_out);
/* Asks for the release; a session that has ended is released. `attempts` 0 = the policy `release`, past every breaker;
 * 1 = once, for callers that repeat it themselves. NULL, or the failure. */
struct oxp_failure *bb_release(const struct caller *who, const char *id, unsigned attempts);
/* Concurrent sessions that the project may have; 0 = not said. NULL, or the failure. */
struct oxp_failure *bb_limit(const struct caller *who, uint64_t *limit_out);

#endif
