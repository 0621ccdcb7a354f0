/* One call to an upstream, done as the library wants it: each try inside its breakers, with a span whose traceparent
 * goes along, an `operation` event, and a failure with its context when it went wrong; around the tries the retry loop,
 * with its hooks and the budget.
 *
 * Who makes a call says how a request is built (anew for each try, since a hook may have changed what is asked for) and
 * how a reply is judged. A call belongs to one thread. */
#ifndef ORCHESTRATOR_CALL_H
#define ORCHESTRATOR_CALL_H

#include "examples/orchestrator/app.h"
#include "examples/orchestrator/http.h"
#include <jansson.h>

struct call;

/* The method, address and body of the next try; `body_out` is freed by the call, NULL = none. */
typedef void (*call_build_fn)(struct call *call, char **body_out);
/* Judges a whole answer with status 200: true = it worked. Else fills call->evidence (views of static text or of
 * call->text). */
typedef bool (*call_judge_fn)(struct call *call, json_t *answer);
/* Judges everything else: fills in what call_run has not (status, message and name are there). May be NULL. */
typedef void (*call_blame_fn)(struct call *call);

struct call {
    /* Said by the caller. */
    struct app *app;
    struct http *http;
    const char *op, *upstream, *component, *phase; /* static */
    const char *method;
    char url[512];
    char headers[5][600]; /* besides the traceparent; "" = none */
    double timeout_s;
    struct oxp_breaker *breaker, *model_breaker;
    const struct oxp_ids *ids;
    const struct oxp_span *parent;
    const char *ref; /* of a creation */
    struct oxp_cancel *cancel;
    double until_s;
    unsigned attempts; /* 0 = the policy's */
    bool silent;       /* no error event: the caller only looks */
    call_build_fn build;
    call_judge_fn judge;
    call_blame_fn blame;
    bool (*adjust)(void *ctx, const struct oxp_retry_decision *decision);
    enum oxp_verified (*verify)(void *ctx, const struct oxp_retry_decision *decision);
    void *ctx;
    struct oxp_retry_result *result; /* kept by the caller across a deferral */

    /* Of the try that runs. */
    struct http_reply reply;
    struct oxp_evidence evidence;
    char text[512], name[128]; /* for the evidence */
    struct oxp_client_operation operation;
    unsigned attempt;
    /* Of the last try that failed; the caller takes it (and sets it to NULL) or call_end frees it. */
    struct oxp_failure *failure;
};

/* Runs it. SUCCEEDED (then the judge or the verify hook saw what it wanted), or a failure stands in call->failure, and
 * call->result->decision says what follows. */
enum oxp_retry_outcome call_run(struct call *call);
/* Frees what the call holds. */
void call_end(struct call *call);
/* Takes the failure out of the call. */
struct oxp_failure *call_take_failure(struct call *call);

#endif
