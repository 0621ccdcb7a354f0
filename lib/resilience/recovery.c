/* Open incidents stand in a list, oldest first, and in a map by what they are about: task (or component) and code. One
 * lock guards them; it is let go while a fix, the debugger or a hook runs, and the incident is looked up again by its
 * id afterwards, as it may have been closed meanwhile. Rules as numbered in the header. */
#include "lib/resilience/recovery_parts.h"

#include "lib/base/clock.h"
#include "lib/base/utf8.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double now(const struct oxp_recovery *recovery) {
    return recovery->options.now_s(recovery->options.ctx);
}

static void keep(char *to, size_t size, struct oxp_view text) {
    text = oxp_utf8_cut(text, size - 1);
    if (text.len != 0) {
        memcpy(to, text.ptr, text.len);
    }
    to[text.len] = '\0';
}

static void free_command(char **command) {
    for (size_t i = 0; command != NULL && command[i] != NULL; i++) {
        free(command[i]);
    }
    free(command);
}

static char **copy_command(const char *const *argv) {
    size_t count = 0;
    while (argv[count] != NULL) {
        count++;
    }
    char **copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = strdup(argv[i]);
        if (copy[i] == NULL) {
            free_command(copy);
            return NULL;
        }
    }
    return copy;
}

enum oxp_status oxp_recovery_new(const struct oxp_recovery_options *options, struct oxp_recovery **recovery_out) {
    *recovery_out = NULL;
    if (options->debug_command != NULL && options->debug_command[0] == NULL) {
        return OXP_ERR_INVALID;
    }
    struct oxp_recovery *recovery = calloc(1, sizeof *recovery);
    if (recovery == NULL) {
        return OXP_ERR_NOMEM;
    }
    recovery->options = *options;
    struct oxp_recovery_options *own = &recovery->options;
    if (options->debug_command != NULL) {
        recovery->command = copy_command(options->debug_command);
        if (recovery->command == NULL) {
            free(recovery);
            return OXP_ERR_NOMEM;
        }
        own->debug_command = (const char *const *)recovery->command;
    }
    own->debug_after = own->debug_after == 0 ? 3 : own->debug_after;
    own->escalate_after = own->escalate_after == 0 ? 10 : own->escalate_after;
    own->incidents_max = own->incidents_max == 0 ? 1000 : own->incidents_max;
    own->debug_timeout_s = own->debug_timeout_s > 0 ? own->debug_timeout_s : 30;
    own->now_s = own->now_s == NULL ? oxp_clock_wall_s : own->now_s;
    pthread_mutex_init(&recovery->lock, NULL);
    oxp_fork_add_mutex(&recovery->fork, OXP_FORK_PART, &recovery->lock);
    oxp_map_init(&recovery->by_key);
    *recovery_out = recovery;
    return OXP_OK;
}

void oxp_recovery_free(struct oxp_recovery *recovery) {
    if (recovery == NULL) {
        return;
    }
    for (struct oxp_incident *each = recovery->oldest, *next = NULL; each != NULL; each = next) {
        next = each->after;
        free(each);
    }
    oxp_map_fini(&recovery->by_key);
    oxp_fork_remove(&recovery->fork);
    pthread_mutex_destroy(&recovery->lock);
    free_command(recovery->command);
    free(recovery);
}

enum oxp_status oxp_recovery_fix(struct oxp_recovery *recovery, const char *name, uint64_t fingerprint,
                                 const char *code, oxp_fix_fn fix, void *ctx) {
    if (name == NULL || name[0] == '\0' || fix == NULL || (fingerprint == 0) == (code == NULL) ||
        (code != NULL && oxp_code_find(oxp_view_from(code)) == NULL)) {
        return OXP_ERR_INVALID;
    }
    pthread_mutex_lock(&recovery->lock);
    enum oxp_status status = recovery->fix_count < OXP_FIXES_MAX ? OXP_OK : OXP_ERR_LIMIT;
    if (status == OXP_OK) {
        struct oxp_fix *own = &recovery->fixes[recovery->fix_count++];
        keep(own->name, sizeof own->name, oxp_view_from(name));
        keep(own->code, sizeof own->code, oxp_view_from(code));
        own->fingerprint = fingerprint;
        own->fix = fix;
        own->ctx = ctx;
    }
    pthread_mutex_unlock(&recovery->lock);
    return status;
}

/* ---- Incidents ---- */

/* Rule 1. Without a task the component stands for it, marked so that the two never meet. */
static size_t make_key(char key[OXP_INCIDENT_KEY_SIZE], const struct oxp_failure *failure) {
    char about[OXP_INCIDENT_TEXT_SIZE + 1];
    struct oxp_view task = oxp_failure_ids(failure)->task;
    keep(about + (task.len == 0), sizeof about - 1, task.len != 0 ? task : oxp_failure_component(failure));
    if (task.len == 0) {
        about[0] = '\t';
    }
    size_t len = strlen(about);
    const char *code = oxp_failure_code(failure)->name;
    size_t code_len = strlen(code);
    memcpy(key, about, len + 1);
    /* a key has a length: NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
    memcpy(key + len + 1, code, code_len);
    return len + 1 + code_len;
}

static void take_off_locked(struct oxp_recovery *recovery, struct oxp_incident *incident) {
    *(incident->before == NULL ? &recovery->oldest : &incident->before->after) = incident->after;
    *(incident->after == NULL ? &recovery->newest : &incident->after->before) = incident->before;
    (void)oxp_map_remove(&recovery->by_key, oxp_view_of(incident->key, incident->key_len));
    recovery->open--;
}

static void close_locked(struct oxp_recovery *recovery, struct oxp_incident *incident,
                         enum oxp_recovery_outcome outcome, struct oxp_view note) {
    double took_s = now(recovery) - incident->opened_s;
    took_s = took_s > 0 ? took_s : 0;
    outcome = incident->person ? OXP_RECOVERY_MANUAL : outcome; /* rule 6 */
    if (outcome == OXP_RECOVERY_MANUAL) {
        incident->automation = OXP_AUTOMATION_MANUAL;
    }
    take_off_locked(recovery, incident);
    uint64_t *const counts[] = {&recovery->stats.recovered, &recovery->stats.failed, &recovery->stats.manual};
    ++*counts[outcome];
    recovery->stats.recovery_seconds_sum += took_s;
    oxp_incident_say(
        recovery, incident,
        &(struct oxp_said){
            .state = "ended", .outcome = oxp_recovery_outcome_name(outcome), .reason = note, .duration_s = took_s});
    free(incident);
}

static void name_it(struct oxp_recovery *recovery, struct oxp_incident *incident) {
    if (recovery->random_of != getpid()) {
        recovery->random_of = getpid();
        oxp_random_init(&recovery->random);
    }
    oxp_random_hex16(&recovery->random, incident->id);
}

/* NULL without memory. */
static struct oxp_incident *open_locked(struct oxp_recovery *recovery, const struct oxp_failure *failure,
                                        const char *key, size_t key_len) {
    if (recovery->open >= recovery->options.incidents_max) {
        close_locked(recovery, recovery->oldest, OXP_RECOVERY_FAILED, OXP_VIEW("too many are open"));
    }
    struct oxp_incident *incident = calloc(1, sizeof *incident);
    if (incident == NULL) {
        return NULL;
    }
    const struct oxp_ids *ids = oxp_failure_ids(failure);
    memcpy(incident->key, key, key_len);
    incident->key_len = key_len;
    if (oxp_map_set(&recovery->by_key, oxp_view_of(incident->key, key_len), incident, NULL) != OXP_OK) {
        free(incident);
        return NULL;
    }
    keep(incident->task, sizeof incident->task, ids->task);
    keep(incident->session, sizeof incident->session, ids->session);
    keep(incident->workflow, sizeof incident->workflow, ids->workflow);
    keep(incident->run, sizeof incident->run, ids->run);
    keep(incident->trace_id, sizeof incident->trace_id, ids->trace_id);
    keep(incident->component, sizeof incident->component, oxp_failure_component(failure));
    incident->code = oxp_failure_code(failure);
    incident->automation = oxp_automation_of(incident->code->automation);
    incident->action = oxp_action_of(incident->code->action);
    incident->opened_s = now(recovery);
    name_it(recovery, incident);
    incident->before = recovery->newest;
    *(recovery->newest == NULL ? &recovery->oldest : &recovery->newest->after) = incident;
    recovery->newest = incident;
    recovery->open++;
    recovery->stats.opened++;
    oxp_incident_say(recovery, incident, &(struct oxp_said){.state = "started", .duration_s = NAN});
    return incident;
}

static struct oxp_incident *by_id_locked(const struct oxp_recovery *recovery, const char *id) {
    for (struct oxp_incident *each = recovery->newest; each != NULL && id != NULL; each = each->before) {
        if (strcmp(each->id, id) == 0) {
            return each;
        }
    }
    return NULL;
}

/* ---- Advice ---- */

/* The row of this fingerprint; of too many different ones the one that was seen least makes room. */
static struct oxp_incident_kind *kind_of(struct oxp_incident *incident, uint64_t fingerprint) {
    struct oxp_incident_kind *least = &incident->kinds[0];
    for (size_t i = 0; i < OXP_INCIDENT_KINDS; i++) {
        struct oxp_incident_kind *kind = &incident->kinds[i];
        if (kind->seen > 0 && kind->fingerprint == fingerprint) {
            return kind;
        }
        least = kind->seen < least->seen ? kind : least;
    }
    *least = (struct oxp_incident_kind){fingerprint, 0};
    return least;
}

static void note_failure_locked(struct oxp_incident *incident, const struct oxp_failure *failure) {
    struct oxp_incident_kind *kind = kind_of(incident, oxp_failure_fingerprint(failure));
    incident->alike = ++kind->seen;
    incident->fingerprint = kind->fingerprint;
    incident->tries++;
    keep(incident->history[incident->tries % OXP_INCIDENT_HISTORY], OXP_INCIDENT_MESSAGE_SIZE,
         oxp_failure_message(failure));
}

/* Rule 2: the fix that was not tried yet, or NULL. */
static const struct oxp_fix *next_fix_locked(const struct oxp_recovery *recovery, struct oxp_incident *incident) {
    for (size_t i = 0; i < recovery->fix_count; i++) {
        const struct oxp_fix *fix = &recovery->fixes[i];
        bool is_for = fix->fingerprint != 0 ? fix->fingerprint == incident->fingerprint
                                            : strcmp(fix->code, incident->code->name) == 0;
        if (is_for && (incident->fixes_tried >> i & 1) == 0) {
            incident->fixes_tried |= UINT64_C(1) << i;
            return fix;
        }
    }
    return NULL;
}

/* Rule 4, 5. */
static void escalate_locked(struct oxp_recovery *recovery, struct oxp_incident *incident, const char *reason) {
    if (incident->escalated) {
        return;
    }
    incident->escalated = true;
    recovery->stats.escalated++;
    oxp_incident_say(
        recovery, incident,
        &(struct oxp_said){.state = "escalated",
                           .level = strcmp(incident->code->severity, "critical") == 0 ? "oncall" : "operator",
                           .reason = oxp_view_from(reason),
                           .duration_s = NAN});
}

/* One failure being handled: what is known of its incident while the lock is let go. */
struct handling {
    struct oxp_recovery *recovery;
    struct oxp_failure *failure;
    char id[OXP_INCIDENT_ID_SIZE];
    enum oxp_action action;
    const char *escalation; /* reason, or NULL */
    char fix[OXP_FIX_NAME_SIZE];
};

/* Rule 2: true when one of the fixes was applied, and may have helped. */
static bool apply_fix_locked(struct handling *at) {
    struct oxp_recovery *recovery = at->recovery;
    bool helped = false;
    for (;;) {
        struct oxp_incident *incident = by_id_locked(recovery, at->id);
        const struct oxp_fix *fix = helped || incident == NULL ? NULL : next_fix_locked(recovery, incident);
        if (fix == NULL) {
            return helped;
        }
        pthread_mutex_unlock(&recovery->lock);
        helped = fix->fix(fix->ctx, at->failure);
        pthread_mutex_lock(&recovery->lock);
        incident = by_id_locked(recovery, at->id);
        if (incident != NULL) {
            struct oxp_debug_answer answer = {.verdict = helped ? OXP_VERDICT_FIXED : OXP_VERDICT_NO_FIX};
            keep(answer.fix, sizeof answer.fix, oxp_view_from(fix->name));
            oxp_incident_say_debugged(recovery, incident, &answer, 0);
        }
        if (helped) {
            recovery->stats.fixed++;
            keep(at->fix, sizeof at->fix, oxp_view_from(fix->name));
            at->action = OXP_ACTION_RETRY;
        }
    }
}

static void debug_locked(struct handling *at, struct oxp_incident *incident) {
    struct oxp_recovery *recovery = at->recovery;
    const struct oxp_incident copy = *incident;
    struct oxp_debug_answer answer;
    bool timed_out = false;
    memset(incident->kinds, 0, sizeof incident->kinds); /* it is asked again only after as many more */
    incident->alike = 0;
    pthread_mutex_unlock(&recovery->lock);
    double took_s = oxp_incident_debug(recovery, &copy, at->failure, &answer, &timed_out);
    pthread_mutex_lock(&recovery->lock);
    recovery->stats.debugged++;
    incident = by_id_locked(recovery, at->id);
    if (incident == NULL) {
        return;
    }
    oxp_incident_say_debugged(recovery, incident, &answer, took_s);
    switch (answer.verdict) {
    case OXP_VERDICT_FIXED:
        recovery->stats.fixed++;
        at->action = OXP_ACTION_RETRY;
        keep(at->fix, sizeof at->fix, oxp_view_from(answer.fix));
        break;
    case OXP_VERDICT_SUGGESTED:
        if (incident->automation == OXP_AUTOMATION_FULL) {
            incident->automation = OXP_AUTOMATION_SEMI;
        }
        at->action = OXP_ACTION_RETRY;
        break;
    case OXP_VERDICT_NO_FIX:
    case OXP_VERDICT_ERROR:
        at->escalation = timed_out ? "timeout" : "no_fix";
        break;
    }
}

static bool has_debugger(const struct oxp_recovery *recovery) {
    return recovery->options.debug != NULL || recovery->options.debug_command != NULL;
}

/* Whether the table itself gives the code to the debugger; a transient that failed alike on every try (retry.h, rule 8)
 * has only been given to it. */
static bool is_for_the_debugger(const struct oxp_code *code) {
    const struct oxp_code *row = oxp_code_find(oxp_view_from(code->name));
    return row == NULL || oxp_action_of(row->action) == OXP_ACTION_DEBUG;
}

/* Decides; the lock may be let go on the way. */
static void decide_locked(struct handling *at, struct oxp_incident *incident) {
    const struct oxp_recovery_options *options = &at->recovery->options;
    bool security = strcmp(incident->code->category, "security") == 0;
    at->action = oxp_action_of(oxp_failure_code(at->failure)->action);
    if (security) { /* rule 5 */
        at->action = OXP_ACTION_ABORT;
        at->escalation = "security";
        return;
    }
    if (apply_fix_locked(at)) {
        return;
    }
    incident = by_id_locked(at->recovery, at->id);
    if (incident == NULL) {
        return;
    }
    bool repeats = incident->alike >= options->debug_after || at->action == OXP_ACTION_DEBUG;
    if (incident->tries >= options->escalate_after) {
        at->escalation = "exhausted";
    } else if (at->action == OXP_ACTION_ESCALATE) {
        at->escalation = "no_fix";
    } else if (at->action == OXP_ACTION_ABORT || at->action == OXP_ACTION_SKIP) {
        return; /* there is nothing to be tried again */
    } else if (repeats && has_debugger(at->recovery)) {
        debug_locked(at, incident);
    } else if (at->action == OXP_ACTION_DEBUG && is_for_the_debugger(incident->code)) {
        at->escalation = "no_fix"; /* nobody to ask */
    } else if (at->action == OXP_ACTION_DEBUG && incident->alike < options->debug_after) {
        at->action =
            OXP_ACTION_REQUEUE; /* the tries of one operation failed alike, as they do while an upstream is down */
    } else if (at->action == OXP_ACTION_DEBUG) {
        at->escalation = "no_fix";
    }
}

static void advise(const struct handling *at, const struct oxp_incident *incident, struct oxp_advice *advice_out) {
    advice_out->action = at->action;
    keep(advice_out->fix, sizeof advice_out->fix, oxp_view_from(at->fix));
    if (incident != NULL) {
        advice_out->automation = incident->automation;
        advice_out->tries = incident->tries;
        advice_out->escalated = incident->escalated;
        memcpy(advice_out->incident, incident->id, sizeof incident->id);
    }
}

static void begin_advice(const struct oxp_failure *failure, struct oxp_advice *advice_out) {
    const struct oxp_code *code = oxp_failure_code(failure);
    memset(advice_out, 0, sizeof *advice_out);
    advice_out->policy = code->policy;
    advice_out->action = oxp_action_of(code->action);
    advice_out->automation = oxp_automation_of(code->automation);
    advice_out->tries = 1;
}

void oxp_recovery_handle(struct oxp_recovery *recovery, struct oxp_failure *failure, struct oxp_advice *advice_out) {
    char key[OXP_INCIDENT_KEY_SIZE];
    struct handling at = {.recovery = recovery, .failure = failure};
    double detected_s = oxp_failure_made_s(failure) - oxp_failure_occurred_s(failure);
    size_t key_len = make_key(key, failure);
    bool newly_escalated = false;
    begin_advice(failure, advice_out);
    oxp_failure_report(failure, recovery->options.reporter);
    pthread_mutex_lock(&recovery->lock);
    recovery->stats.handled++;
    recovery->stats.detection_seconds_sum += detected_s > 0 ? detected_s : 0;
    struct oxp_incident *incident = oxp_map_get(&recovery->by_key, oxp_view_of(key, key_len));
    if (incident == NULL) {
        incident = open_locked(recovery, failure, key, key_len);
    }
    if (incident != NULL) {
        memcpy(at.id, incident->id, sizeof at.id);
        note_failure_locked(incident, failure);
        decide_locked(&at, incident);
        incident = by_id_locked(recovery, at.id);
        if (incident != NULL && at.escalation != NULL) {
            at.action = at.action == OXP_ACTION_ABORT ? OXP_ACTION_ABORT : OXP_ACTION_ESCALATE;
            newly_escalated = !incident->escalated;
            incident->action = at.action;
            escalate_locked(recovery, incident, at.escalation);
        }
        if (incident != NULL) {
            incident->action = at.action;
        }
        advise(&at, incident, advice_out);
    }
    pthread_mutex_unlock(&recovery->lock);
    if (newly_escalated && recovery->options.escalate != NULL) {
        recovery->options.escalate(recovery->options.ctx, failure, at.id, at.escalation);
    }
}

enum oxp_status oxp_recovery_close(struct oxp_recovery *recovery, const char *incident,
                                   enum oxp_recovery_outcome outcome, const char *note) {
    pthread_mutex_lock(&recovery->lock);
    struct oxp_incident *found = by_id_locked(recovery, incident);
    if (found != NULL) {
        close_locked(recovery, found, outcome, oxp_view_from(note));
    }
    pthread_mutex_unlock(&recovery->lock);
    return found != NULL ? OXP_OK : OXP_ERR_NOT_FOUND;
}

size_t oxp_recovery_close_task(struct oxp_recovery *recovery, struct oxp_view task, enum oxp_recovery_outcome outcome) {
    size_t closed = 0;
    pthread_mutex_lock(&recovery->lock);
    for (struct oxp_incident *each = recovery->oldest, *next = NULL; each != NULL && task.len != 0; each = next) {
        next = each->after;
        if (oxp_view_is(oxp_utf8_cut(task, OXP_INCIDENT_TEXT_SIZE - 1), each->task)) {
            close_locked(recovery, each, outcome, (struct oxp_view){NULL, 0});
            closed++;
        }
    }
    pthread_mutex_unlock(&recovery->lock);
    return closed;
}

enum oxp_status oxp_recovery_intervened(struct oxp_recovery *recovery, const char *incident, const char *what) {
    pthread_mutex_lock(&recovery->lock);
    struct oxp_incident *found = by_id_locked(recovery, incident);
    if (found != NULL) {
        found->automation = OXP_AUTOMATION_MANUAL;
        found->person = true;
        keep(found->intervention, sizeof found->intervention, oxp_view_from(what)); /* for the debugger */
    }
    pthread_mutex_unlock(&recovery->lock);
    return found != NULL ? OXP_OK : OXP_ERR_NOT_FOUND;
}

void oxp_recovery_read(const struct oxp_recovery *recovery, struct oxp_recovery_stats *stats_out) {
    struct oxp_recovery *open = (struct oxp_recovery *)(uintptr_t)recovery; /* its lock is no part of what it says */
    pthread_mutex_lock(&open->lock);
    *stats_out = recovery->stats;
    stats_out->open = recovery->open;
    pthread_mutex_unlock(&open->lock);
}

void oxp_recovery_resume(struct oxp_recovery *recovery) {
    pthread_mutex_lock(&recovery->lock);
    for (const struct oxp_incident *each = recovery->oldest; each != NULL; each = each->after) {
        oxp_incident_say(recovery, each, &(struct oxp_said){.state = "started", .duration_s = NAN, .resumed = true});
    }
    pthread_mutex_unlock(&recovery->lock);
}
