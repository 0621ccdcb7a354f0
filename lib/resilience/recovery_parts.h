/* The recovery manager's parts, inside this folder: what an incident is, and how it is told to the sidecar and to the
 * debugger. */
#ifndef OXP_RESILIENCE_RECOVERY_PARTS_H
#define OXP_RESILIENCE_RECOVERY_PARTS_H

#include "lib/base/fork.h"
#include "lib/base/map.h"
#include "lib/base/random.h"
#include <oxpecker/recovery.h>
#include <pthread.h>
#include <sys/types.h>

enum {
    OXP_FIXES_MAX = 64,
    OXP_FIX_NAME_SIZE = 64,
    OXP_INCIDENT_TEXT_SIZE = 129,
    OXP_INCIDENT_KEY_SIZE = 2 * OXP_INCIDENT_TEXT_SIZE,
    OXP_INCIDENT_HISTORY = 5,
    OXP_INCIDENT_KINDS = 8, /* different failures of one incident that are told apart */
    OXP_INCIDENT_MESSAGE_SIZE = 200,
};

/* How often a failure was seen in its incident, since the debugger was last asked. */
struct oxp_incident_kind {
    uint64_t fingerprint;
    unsigned seen;
};

struct oxp_fix {
    char name[OXP_FIX_NAME_SIZE], code[OXP_FIX_NAME_SIZE];
    uint64_t fingerprint;
    oxp_fix_fn fix;
    void *ctx;
};

struct oxp_incident {
    struct oxp_incident *before, *after; /* in order of opening */
    char id[OXP_INCIDENT_ID_SIZE];
    char key[OXP_INCIDENT_KEY_SIZE]; /* task or component, NUL, code */
    size_t key_len;
    char task[OXP_INCIDENT_TEXT_SIZE], session[OXP_INCIDENT_TEXT_SIZE], workflow[OXP_INCIDENT_TEXT_SIZE],
        run[OXP_INCIDENT_TEXT_SIZE], component[OXP_INCIDENT_TEXT_SIZE];
    char trace_id[OXP_INCIDENT_TEXT_SIZE];
    const struct oxp_code *code;
    enum oxp_automation automation;
    enum oxp_action action; /* the last one that was advised */
    double opened_s;
    unsigned tries, alike; /* alike: failures like the last one, as `kinds` counts them */
    uint64_t fingerprint;
    struct oxp_incident_kind kinds[OXP_INCIDENT_KINDS];
    uint64_t fixes_tried;   /* bits by index */
    bool escalated, person; /* person: somebody stepped in */
    char history[OXP_INCIDENT_HISTORY]
                [OXP_INCIDENT_MESSAGE_SIZE];      /* messages, newest at tries % OXP_INCIDENT_HISTORY */
    char intervention[OXP_INCIDENT_MESSAGE_SIZE]; /* what that person did */
};

struct oxp_recovery {
    struct oxp_recovery_options options;
    char **command; /* owned copy of the debugger's argv, or NULL */
    struct oxp_fork_entry fork;
    pthread_mutex_t lock;
    struct oxp_incident *oldest, *newest;
    struct oxp_map by_key;
    size_t open;
    struct oxp_random random;
    pid_t random_of; /* the process that it was seeded for: a child must not give its parent's ids */
    struct oxp_fix fixes[OXP_FIXES_MAX];
    size_t fix_count;
    struct oxp_recovery_stats stats;
};

/* The value that a word of the taxonomy stands for; the first of its kind for another word. */
enum oxp_action oxp_action_of(const char *name);
enum oxp_automation oxp_automation_of(const char *name);

struct oxp_said {
    const char *state;
    const char *outcome, *level; /* NULL = left out, as all below */
    struct oxp_view reason;
    double duration_s; /* NaN = left out */
    bool resumed;
};

/* A `recovery` event about the incident. With the lock, like the next. */
void oxp_incident_say(const struct oxp_recovery *recovery, const struct oxp_incident *incident,
                      const struct oxp_said *said);
/* A `debugger` event: what the debugger, or a known fix, did about it. */
void oxp_incident_say_debugged(const struct oxp_recovery *recovery, const struct oxp_incident *incident,
                               const struct oxp_debug_answer *answer, double duration_s);
/* Rule 3: gathers the context and asks the debugger. Without the lock: `copy` is one of the incident. Gives how long it
 * took in seconds; verdict error when nobody answered in time (`*timed_out_out`) or at all. */
double oxp_incident_debug(const struct oxp_recovery *recovery, const struct oxp_incident *copy,
                          const struct oxp_failure *failure, struct oxp_debug_answer *answer_out, bool *timed_out_out);
/* Said of each end: recovered, failed, manual. */
const char *oxp_recovery_outcome_name(enum oxp_recovery_outcome outcome);

#endif
