/* The error taxonomy and the classifier: from evidence (code, name, status, errno, message …) to a code and what it
 * implies.
 *
 *     struct oxp_evidence evidence = {.upstream = OXP_VIEW("browserbase"), .op = OXP_VIEW("session.create"),
 *                                     .status = 429, .message = OXP_VIEW("limit 3, currently 3")};
 *     const struct oxp_code *code = oxp_classify(&evidence);   // bb_concurrency_limit: requeue, slot
 *
 * lib/resilience/codes.def is the one table of codes (domain catalogue, section 3.2); docs/errors.md is made from it.
 * Everything here is pure, allocates nothing and may be called from any thread. Rows are static; nobody frees them. */
#ifndef OXPECKER_ERRORS_H
#define OXPECKER_ERRORS_H

#include <oxpecker/api.h>
#include <oxpecker/view.h>
#include <stdbool.h>
#include <stddef.h>

OXP_BEGIN_DECLS

struct oxp_code {
    const char *name;     /* "bb_concurrency_limit" */
    const char *category; /* one of 15 */
#ifdef __cplusplus
    const char *class_; /* the word is taken there */
#else
    const char *class; /* transient, recoverable, fatal, unknown */
#endif
    const char *severity;   /* low, medium, high, critical */
    const char *action;     /* one of 9: what is done about it */
    const char *policy;     /* one of 9: how it is repeated */
    const char *automation; /* full, semi, manual: who can cure it */
    const char *help;       /* what it means, one sentence */
    bool session_create;    /* a session creation can yield it */
    bool session_release;   /* a release can yield it */
    bool breaker;           /* see oxp_code_counts_for_breaker */
};

/* What is known of a failure. Everything may be left out: empty and 0 mean "not said". The views are only read. */
struct oxp_evidence {
    struct oxp_view code;           /* of the taxonomy, an alias, or the caller's own */
    struct oxp_view category;       /* used when nothing else says one */
    struct oxp_view severity;       /* not used; see oxp_severity_of */
    struct oxp_view upstream;       /* browserbase, stagehand, llm, site, store, other */
    struct oxp_view op;             /* "session.create", "session.connect", "session.release", "act", … */
    struct oxp_view name;           /* error class name, with or without its module */
    struct oxp_view errno_name;     /* "ECONNREFUSED", or Linux's or libuv's number in decimal */
    struct oxp_view message;        /* any text */
    int status;                     /* HTTP status; on op session.connect that of the WebSocket upgrade */
    int ws_code;                    /* WebSocket close code */
    int curl_code;                  /* CURLcode */
    int exit_status;                /* of a process: 128 + n and -n are signal n */
    int signal;                     /* that ended a process */
    struct oxp_view outcome;        /* "unsuccessful": act's success=false, an empty observe, completed=false */
    struct oxp_view session_status; /* what the provider says now: RUNNING, COMPLETED, ERROR, TIMED_OUT */
    double session_age_s;           /* creation to end, or to now */
    double last_command_age_s;      /* since the last CDP command when the link was lost */
    bool never_connected;           /* nobody ever connected to the session */
    bool tasks_running;             /* the session had work when the link was lost */
};

/* Never NULL: the row "unknown" when nothing matches, in the category that the evidence states. A code that is not
 * listed gives a row named "unknown" with the category of the code's prefix. */
const struct oxp_code *oxp_classify(const struct oxp_evidence *evidence);

/* The row of this name (exact), or NULL. */
const struct oxp_code *oxp_code_find(struct oxp_view name);
/* The row that an alias ("browserbase_session_failed", "SessionCreationError"; any case) stands for, or NULL. */
const struct oxp_code *oxp_code_find_alias(struct oxp_view alias);
/* The i-th row in table order (by name), or NULL past the end. */
const struct oxp_code *oxp_code_at(size_t index);
/* What stands for codes that are not listed, one row for each category but "unknown": all are named "unknown". NULL
 * past the end. Together with oxp_code_at: everything that oxp_classify can give. */
const struct oxp_code *oxp_code_unknown_at(size_t index);
/* The i-th alias with its row in `code_out` (which may be NULL), or NULL past the end. */
const char *oxp_code_alias_at(size_t index, const struct oxp_code **code_out);

/* Whether a circuit breaker counts a failure with this code (domain catalogue, section 3.1; the rule is at the top of
 * codes.def). False for NULL. */
bool oxp_code_counts_for_breaker(const struct oxp_code *code);

/* The severity (low, medium, high, critical) that a word stands for: those four, or the three-step scale and the log
 * levels ("informational", "warning", "error", "ErrorSeverity.HIGH"); any case. NULL for another word. */
const char *oxp_severity_of(struct oxp_view text);
/* The category (one of 15) that a word stands for, "FILE_PROCESSING" and "ErrorCategory.API_CALL" included; any case.
 * NULL for another word. */
const char *oxp_category_of(struct oxp_view text);

/* Reads the ceiling and the present count out of a refusal that states them ("limit 25, currently 25"; domain
 * catalogue, section 1.1). False, with nothing written, when no ceiling is stated; a count that is not stated is 0. */
bool oxp_capacity_from_message(struct oxp_view message, unsigned *limit_out, unsigned *current_out);

OXP_END_DECLS

#endif
