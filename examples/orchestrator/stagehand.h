/* Stagehand's v3 REST API: a browser session is put to work, and five kinds of calls are made on it. Replies come as
 * JSON or, where a call may take long (act, agent), as a stream of server-sent events. */
#ifndef ORCHESTRATOR_STAGEHAND_H
#define ORCHESTRATOR_STAGEHAND_H

#include "examples/orchestrator/browserbase.h"

enum sh_kind { SH_NAVIGATE, SH_ACT, SH_EXTRACT, SH_OBSERVE, SH_AGENT, SH_KINDS };

/* "navigate", … "agent" and, the other way, SH_KINDS for another word. */
const char *sh_kind_name(enum sh_kind kind);
enum sh_kind sh_kind_find(const char *name);

/* One call on a session. */
struct sh_call {
    enum sh_kind kind;
    const char *session;
    const char *text;     /* URL or instruction */
    const json_t *action; /* of an act: what an observe found, instead of the text; NULL = none */
    const json_t *schema; /* of an extract; NULL = none */
    const char *model;
    struct oxp_breaker *model_breaker; /* NULL where no model is asked */
    /* Hooks of the retry loop: their context is this struct. NULL = none. */
    bool (*adjust)(void *ctx, const struct oxp_retry_decision *decision);
    enum oxp_verified (*verify)(void *ctx, const struct oxp_retry_decision *decision);
    void *ctx;         /* of who wrote the hooks */
    unsigned attempts; /* 0 = the policy's */
    const char *phase;
    /* Out. */
    json_t *result;                   /* new reference; NULL when it failed */
    char session_status[STATUS_SIZE]; /* when a failure made us ask; "" = not asked */
    const struct caller *who;         /* the library's own use */
};

/* Runs it with retries. NULL and sh->result, or the failure. `result` is kept by the caller across a deferral. */
struct oxp_failure *sh_run(const struct caller *who, struct sh_call *sh, struct oxp_retry_result *result,
                           enum oxp_retry_outcome *outcome_out);
/* Puts Stagehand to work on a session of Browserbase's. NULL, or the failure; then `status_out` is the session's, or ""
 * when nobody asked. */
struct oxp_failure *sh_start(const struct caller *who, const char *session, const char *model,
                             char status_out[STATUS_SIZE]);
/* Says that no more calls will come. Tried once. NULL, or the failure. */
struct oxp_failure *sh_end(const struct caller *who, const char *session);

#endif
