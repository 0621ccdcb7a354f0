/* Failures with their context: what went wrong, where, in which session and task, and what led to it.
 *
 * A failure is made once, from evidence (errors.h), at the place where something went wrong; it is classified there and
 * then. Callers further up wrap it or hand it on. What goes wrong while cleaning up after it is added to it, and never
 * takes its place:
 *
 *     struct oxp_failure *failure = oxp_failure_new(&evidence, &context);
 *     ...
 *     failure = oxp_failure_cleanup(failure, release(session));   (release gives a failure, or NULL when it worked)
 *     oxp_failure_report(failure, reporter);
 *     oxp_failure_free(failure);
 *
 * A failure belongs to one thread at a time. Making one never fails: without memory it is a shared, constant one that
 * says so, which may be used and freed like any other. */
#ifndef OXPECKER_FAILURE_H
#define OXPECKER_FAILURE_H

#include <oxpecker/errors.h>
#include <oxpecker/report.h>

OXP_BEGIN_DECLS

#define OXP_FAILURE_ATTRIBUTES_MAX 16
#define OXP_FAILURE_MESSAGE_MAX 4096 /* bytes; a longer one is cut at a character */

/* Where it happened. Everything is copied, and scrubbed of keys and connect URLs. */
struct oxp_failure_context {
    struct oxp_view component; /* part of the orchestrator: "sessions", "extractor" */
    struct oxp_view phase;     /* where in the work: "login", "page 3" */
    struct oxp_view ref;       /* of a session creation that failed: what session.creating called it */
    struct oxp_view region;    /* likewise */
    struct oxp_view model;     /* language model that was asked */
    struct oxp_ids ids;
    const struct oxp_pair *attributes; /* further values; the first 16 are kept */
    size_t attribute_count;
    double occurred_s; /* unix time of the fault when it is known to be earlier than now; 0 = now */
    bool stack;        /* keep the call stack (function names where the program exports them) */
};

struct oxp_failure;

/* Classifies and keeps. The evidence's views are copied; `context` may be NULL. */
struct oxp_failure *oxp_failure_new(const struct oxp_evidence *evidence, const struct oxp_failure_context *context);
/* The same, caused by `cause`, which it takes (NULL = none). A wrapping failure whose own evidence says nothing takes
 * the code of its cause. Chains are at most 16 long: the middle is left out. */
struct oxp_failure *oxp_failure_wrap(struct oxp_failure *cause, const struct oxp_evidence *evidence,
                                     const struct oxp_failure_context *context);
/* Adds what went wrong while cleaning up after `first`, and returns `first`; takes both. With `first` NULL the
 * cleanup's failure is returned and stands for itself; with `cleanup` NULL nothing changes. At most 8 are kept, the
 * rest counted.
 */
struct oxp_failure *oxp_failure_cleanup(struct oxp_failure *first, struct oxp_failure *cleanup);
void oxp_failure_free(struct oxp_failure *failure);

/* Never NULL. Determinism (errors.h) and session status may have changed it since. */
const struct oxp_code *oxp_failure_code(const struct oxp_failure *failure);
/* Gives it another code, when more is known than at the start (the session's status, that every try failed alike). */
void oxp_failure_reclassify(struct oxp_failure *failure, const struct oxp_code *code);
struct oxp_view oxp_failure_message(const struct oxp_failure *failure);
struct oxp_view oxp_failure_component(const struct oxp_failure *failure);
struct oxp_view oxp_failure_op(const struct oxp_failure *failure);
struct oxp_view oxp_failure_upstream(const struct oxp_failure *failure);
struct oxp_view oxp_failure_stack(const struct oxp_failure *failure);
/* Views into the failure; valid as long as it is. */
const struct oxp_ids *oxp_failure_ids(const struct oxp_failure *failure);
double oxp_failure_occurred_s(const struct oxp_failure *failure);
double oxp_failure_made_s(const struct oxp_failure *failure);
/* What led to it, or NULL. */
const struct oxp_failure *oxp_failure_cause(const struct oxp_failure *failure);
/* The i-th failure of cleaning up after it, or NULL. */
const struct oxp_failure *oxp_failure_cleanup_at(const struct oxp_failure *failure, size_t index);
/* The i-th attribute; false past the end. The pair's views are valid as long as the failure. */
bool oxp_failure_attribute_at(const struct oxp_failure *failure, size_t index, struct oxp_pair *pair_out);
/* Of code, component, operation and the message with its numbers and ids left out: the same fault has the same one in
 * every process. */
uint64_t oxp_failure_fingerprint(const struct oxp_failure *failure);

/* One `error` event for it (its causes as the text `cause`), and one with `cleanup: true` for each failure of cleaning
 * up after it or after one of its causes. Reporting twice reports once. */
void oxp_failure_report(struct oxp_failure *failure, struct oxp_reporter *reporter);
/* The same, with unhandled: true: nobody but the outermost loop caught it (crash.h). */
void oxp_failure_report_unhandled(struct oxp_failure *failure, struct oxp_reporter *reporter);
/* For people: one line, then a line for each cause, cleanup and attribute, then the stack. NUL-terminated; free with
 * free(). NULL without memory. */
char *oxp_failure_text(const struct oxp_failure *failure);

OXP_END_DECLS

#endif
