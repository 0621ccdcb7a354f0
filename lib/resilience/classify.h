/* The error taxonomy and the classifier: from evidence (code, name, status, errno, message) to a code and what it
 * implies.
 *
 * codes.def is the one table (domain catalogue, section 3.2). This is its floor: explicit code, HTTP status by upstream
 * and operation, errno name, and the class names of the first rows. Pure; any thread. */
#ifndef OXP_RESILIENCE_CLASSIFY_H
#define OXP_RESILIENCE_CLASSIFY_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>

struct oxp_code {
    const char *name;     /* "bb_concurrency_limit" */
    const char *category; /* one of 15 */
    const char *class;    /* transient, recoverable, fatal, unknown */
    const char *severity; /* low, medium, high, critical */
    const char *action;
    const char *policy;
    bool session_create;  /* a session creation can yield it */
    bool session_release; /* a release can yield it */
};

struct oxp_evidence {
    struct oxp_view code;
    struct oxp_view category;
    struct oxp_view severity;
    struct oxp_view upstream;   /* browserbase, stagehand, llm, site, store, other */
    struct oxp_view op;         /* "session.create", "act", … */
    struct oxp_view name;       /* error class name */
    struct oxp_view errno_name; /* "ECONNREFUSED" or the Linux number in decimal */
    struct oxp_view message;
    int status;  /* HTTP status; 0 = none */
    int ws_code; /* WebSocket close code; 0 = none */
};

/* Never NULL: the row "unknown" when nothing matches. A code that is not listed gives a row named "unknown" with the
 * category of the code's prefix. Operations that change the meaning: session.create, session.connect, session.release.
 */
const struct oxp_code *oxp_classify(const struct oxp_evidence *evidence);
/* The row of this name, or NULL. */
const struct oxp_code *oxp_code_find(struct oxp_view name);
/* The i-th row in table order (by name), or NULL past the end. */
const struct oxp_code *oxp_code_at(size_t index);
/* What stands for codes that are not listed, one row for each category but "unknown": all are named "unknown". NULL
 * past the end. Together with oxp_code_at: everything that oxp_classify can give. */
const struct oxp_code *oxp_code_unknown_at(size_t index);

#endif
