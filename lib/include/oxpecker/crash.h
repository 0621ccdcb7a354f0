/* The global handler: what nobody caught leaves a last record, and nothing is made worse by it.
 *
 * oxp_crash_install takes the fatal signals that the host has not taken itself (SIGSEGV, SIGBUS, SIGILL, SIGFPE,
 * SIGABRT, SIGSYS). When one comes, a record of one line (JSON: time, signal, code sys_crash, address, process, thread,
 * ids of the thread as set by oxp_crash_ids, and the call stack as module and offset, which addr2line takes) is
 * written with write(2) to a descriptor that was opened beforehand and, when the client has a connection, as an `error`
 * event with unhandled: true. Only async-signal-safe functions are used, on a stack of its own; then the signal is
 * raised again with the action that was there before, so that the exit status, the core file and the host's own handler
 * are what they would have been. A second fault inside the handler ends there.
 *
 * oxp_crash_unhandled is for the host's outermost loop: a failure that nobody caught. */
#ifndef OXPECKER_CRASH_H
#define OXPECKER_CRASH_H

#include <oxpecker/failure.h>
#include <oxpecker/status.h>

OXP_BEGIN_DECLS

struct oxp_crash_options {
    const char *path;              /* the record is appended to this file, opened now; NULL = none */
    int fd;                        /* or to this descriptor, not owned; -1 = none. 2 is a good choice */
    const char *component;         /* label `component` of orchestrator_unhandled_exceptions_total; NULL = "main" */
    struct oxp_reporter *reporter; /* for oxp_crash_unhandled; borrowed */
    /* Called from the signal handler with the event's line (no newline), to be sent at once if that can be done with
     * async-signal-safe calls and without waiting; the client's oxp_client_crash_line does that. May be NULL. */
    void (*send)(void *ctx, struct oxp_view line);
    void *ctx;
};

/* Once a process; OXP_ERR_EXISTS the second time. Threads made later get their alternate stack by oxp_crash_thread, or
 * use the signal's default stack. */
enum oxp_status oxp_crash_install(const struct oxp_crash_options *options, struct oxp_error *error);
/* Gives back the signals (those that are still ours). */
void oxp_crash_uninstall(void);
/* An alternate signal stack for the calling thread, freed when it ends. Optional. */
enum oxp_status oxp_crash_thread(void);
/* What the calling thread works on, for its record; copied, at most 64 bytes each. NULL clears. */
void oxp_crash_ids(const struct oxp_ids *ids);
/* Reports a failure that reached the outermost loop, with unhandled: true, and writes the record. Takes nothing. */
void oxp_crash_unhandled(struct oxp_failure *failure);

OXP_END_DECLS

#endif
