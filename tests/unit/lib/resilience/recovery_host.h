/* For the tests of the recovery manager: a host with a clock of its own that writes down what it is told. */
#ifndef OXP_TESTS_RESILIENCE_RECOVERY_HOST_H
#define OXP_TESTS_RESILIENCE_RECOVERY_HOST_H

#include "tests/unit/lib/resilience/notes.h"

#include <oxpecker/recovery.h>

#define V(text) OXP_VIEW(text)

/* The host: its clock, its debugger, its hooks. */
struct host {
    struct notes notes;
    double now_s;
    unsigned debugged, escalated;
    enum oxp_verdict verdict;
    bool debug_fails;
    char reason[32], context[8192], incident[OXP_INCIDENT_ID_SIZE];
    struct oxp_recovery *recovery;
};

static struct host host;

static inline double host_now(void *ctx) {
    (void)ctx;
    return host.now_s;
}

static inline void host_escalate(void *ctx, const struct oxp_failure *failure, const char *incident,
                                 const char *reason) {
    struct oxp_recovery_stats stats;
    (void)ctx;
    assert_non_null(failure);
    host.escalated++;
    snprintf(host.reason, sizeof host.reason, "%s", reason);
    snprintf(host.incident, sizeof host.incident, "%s", incident);
    oxp_recovery_read(host.recovery, &stats);
}

static inline struct oxp_recovery_options options_of(void) {
    return (struct oxp_recovery_options){
        .escalate = host_escalate, .reporter = &host.notes.reporter, .now_s = host_now};
}

static inline struct oxp_recovery *make(const struct oxp_recovery_options *options) {
    memset(&host, 0, sizeof host);
    notes_init(&host.notes);
    host.now_s = 1800000000;
    assert_int_equal(oxp_recovery_new(options, &host.recovery), OXP_OK);
    return host.recovery;
}

static inline struct oxp_failure *failure_of(const char *code, const char *message, const char *task) {
    const struct oxp_evidence evidence = {.code = oxp_view_from(code), .message = oxp_view_from(message)};
    const struct oxp_failure_context context = {.component = V("worker"), .ids = {.task = oxp_view_from(task)}};
    return oxp_failure_new(&evidence, &context);
}

static inline struct oxp_advice handle(const char *code, const char *message, const char *task) {
    struct oxp_advice advice;
    struct oxp_failure *failure = failure_of(code, message, task);
    memset(&advice, 0x55, sizeof advice);
    oxp_recovery_handle(host.recovery, failure, &advice);
    oxp_failure_free(failure);
    return advice;
}

static inline struct oxp_recovery_stats stats(void) {
    struct oxp_recovery_stats read;
    oxp_recovery_read(host.recovery, &read);
    return read;
}

/* The notes of one kind, the incident's id left out: "recovery state=… " to its semicolon. */
static const char *notes_of(const char *type) {
    static char text[8192];
    size_t used = 0;
    for (const char *at = host.notes.text; *at != '\0';) {
        const char *end = strchr(at, ';');
        size_t len = (size_t)(end - at) + 1;
        if (strncmp(at, type, strlen(type)) == 0) {
            const char *id = memmem(at, len, " incident=", 10);
            size_t before = id == NULL ? len : (size_t)(id - at), skipped = id == NULL ? 0 : 10 + 16;
            used += (size_t)snprintf(text + used, sizeof text - used, "%.*s%.*s", (int)before, at,
                                     (int)(len - before - skipped), at + before + skipped);
        }
        at = end + 1;
    }
    text[used] = '\0';
    return text;
}

#endif
