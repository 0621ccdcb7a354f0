/* Open incidents stand in a list, oldest first, and in a map by what they are about: task (or component) and code. One
 * lock guards them; it is let go while a fix, the debugger or a hook runs, and the incident is looked up again by its
 * id afterwards, as it may have been closed meanwhile. Rules as numbered in the header. */
#include <oxpecker/recovery.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/base/random.h"
#include "lib/base/scrub.h"
#include "lib/base/utf8.h"
#include "lib/resilience/debugger.h"
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIXES_MAX = 64, NAME_SIZE = 64, ID_SIZE = 129, KEY_SIZE = 2 * ID_SIZE, HISTORY = 5, TEXT_SIZE = 200 };

struct fix {
    char name[NAME_SIZE], code[NAME_SIZE];
    uint64_t fingerprint;
    oxp_fix_fn fix;
    void *ctx;
};

struct incident {
    struct incident *before, *after; /* in order of opening */
    char id[OXP_INCIDENT_ID_SIZE];
    char key[KEY_SIZE]; /* task or component, NUL, code */
    size_t key_len;
    char task[ID_SIZE], session[ID_SIZE], workflow[ID_SIZE], run[ID_SIZE], component[ID_SIZE];
    char trace_id[ID_SIZE];
    const struct oxp_code *code;
    enum oxp_automation automation;
    enum oxp_action action; /* the last one that was advised */
    double opened_s;
    unsigned tries, alike; /* alike: failures with the last fingerprint */
    uint64_t fingerprint;
    uint64_t fixes_tried; /* bits by index */
    bool escalated, person; /* person: somebody stepped in */
    char history[HISTORY][TEXT_SIZE]; /* messages, newest at tries % HISTORY */
};

struct oxp_recovery {
    struct oxp_recovery_options options;
    pthread_mutex_t lock;
    struct incident *oldest, *newest;
    struct oxp_map by_key;
    size_t open;
    struct oxp_random random;
    pid_t random_of; /* the process that it was seeded for: a child must not give its parent's ids */
    struct fix fixes[FIXES_MAX];
    size_t fix_count;
    struct oxp_recovery_stats stats;
};

static const char *const action_names[OXP_ACTIONS] = {"retry", "requeue", "adjust",   "replace", "fallback",
                                                      "skip",  "debug",   "escalate", "abort"};
static const char *const automation_names[] = {"full", "semi", "manual"};
static const char *const outcome_names[] = {"recovered", "failed", "manual"};
static const char *const verdict_names[] = {"fixed", "suggested", "no_fix", "error"};

const char *oxp_action_name(enum oxp_action action) {
    return (unsigned)action < OXP_ACTIONS ? action_names[action] : "unknown";
}

static unsigned index_of(const char *const *names, unsigned count, const char *name) {
    unsigned i = 0;
    while (i < count && strcmp(names[i], name) != 0) {
        i++;
    }
    return i < count ? i : 0;
}

static double system_now(void *ctx) {
    (void)ctx;
    return oxp_wall_seconds(oxp_clock_wall(oxp_clock_system()));
}

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

enum oxp_status oxp_recovery_new(const struct oxp_recovery_options *options, struct oxp_recovery **recovery_out) {
    struct oxp_recovery *recovery = calloc(1, sizeof *recovery);
    *recovery_out = recovery;
    if (recovery == NULL) {
        return OXP_ERR_NOMEM;
    }
    recovery->options = *options;
    struct oxp_recovery_options *own = &recovery->options;
    own->debug_after = own->debug_after == 0 ? 3 : own->debug_after;
    own->escalate_after = own->escalate_after == 0 ? 10 : own->escalate_after;
    own->incidents_max = own->incidents_max == 0 ? 1000 : own->incidents_max;
    own->debug_timeout_s = own->debug_timeout_s > 0 ? own->debug_timeout_s : 30;
    own->now_s = own->now_s == NULL ? system_now : own->now_s;
    pthread_mutex_init(&recovery->lock, NULL);
    oxp_map_init(&recovery->by_key);
    return OXP_OK;
}

void oxp_recovery_free(struct oxp_recovery *recovery) {
    if (recovery == NULL) {
        return;
    }
    for (struct incident *each = recovery->oldest, *next = NULL; each != NULL; each = next) {
        next = each->after;
        free(each);
    }
    oxp_map_fini(&recovery->by_key);
    pthread_mutex_destroy(&recovery->lock);
    free(recovery);
}

enum oxp_status oxp_recovery_fix(struct oxp_recovery *recovery, const char *name, uint64_t fingerprint,
                                 const char *code, oxp_fix_fn fix, void *ctx) {
    if (name == NULL || name[0] == '\0' || fix == NULL || (fingerprint == 0) == (code == NULL) ||
        (code != NULL && oxp_code_find(oxp_view_from(code)) == NULL)) {
        return OXP_ERR_INVALID;
    }
    pthread_mutex_lock(&recovery->lock);
    enum oxp_status status = recovery->fix_count < FIXES_MAX ? OXP_OK : OXP_ERR_LIMIT;
    if (status == OXP_OK) {
        struct fix *own = &recovery->fixes[recovery->fix_count++];
        keep(own->name, sizeof own->name, oxp_view_from(name));
        keep(own->code, sizeof own->code, oxp_view_from(code));
        own->fingerprint = fingerprint;
        own->fix = fix;
        own->ctx = ctx;
    }
    pthread_mutex_unlock(&recovery->lock);
    return status;
}

/* ---- Saying it ---- */

static struct oxp_ids ids_of(const struct incident *incident) {
    return (struct oxp_ids){.workflow = oxp_view_from(incident->workflow),
                            .run = oxp_view_from(incident->run),
                            .session = oxp_view_from(incident->session),
                            .task = oxp_view_from(incident->task),
                            .trace_id = oxp_view_from(incident->trace_id)};
}

struct said {
    const char *state;
    const char *outcome, *level; /* NULL = left out, as all below */
    struct oxp_view reason;
    double duration_s; /* NaN = left out */
    bool resumed;
};

static void report(const struct oxp_recovery *recovery, const struct incident *incident, const struct said *said) {
    struct oxp_ids ids = ids_of(incident);
    struct oxp_pair pairs[12];
    size_t count = 0;
    pairs[count++] = oxp_pair_text("state", oxp_view_from(said->state));
    pairs[count++] = oxp_pair_text("incident", oxp_view_from(incident->id));
    pairs[count++] = oxp_pair_text("action", oxp_view_from(oxp_action_name(incident->action)));
    pairs[count++] = oxp_pair_text("automation", oxp_view_from(automation_names[incident->automation]));
    pairs[count++] = oxp_pair_text("severity", oxp_view_from(incident->code->severity));
    pairs[count++] = oxp_pair_text("category", oxp_view_from(incident->code->category));
    pairs[count++] = oxp_pair_text("code", oxp_view_from(incident->code->name));
    pairs[count++] = oxp_pair_text("component", oxp_view_from(incident->component));
    pairs[count++] = oxp_pair_text("outcome", oxp_view_from(said->outcome));
    pairs[count++] = oxp_pair_text("level", oxp_view_from(said->level));
    pairs[count++] = oxp_pair_text("reason", said->reason);
    if (said->resumed) {
        pairs[count - 1] = oxp_pair_number("started_at", incident->opened_s);
        pairs[count++] = oxp_pair_flag("resumed", true);
    } else if (!isnan(said->duration_s)) {
        pairs[count++] = oxp_pair_number("duration_s", said->duration_s);
    }
    oxp_report(recovery->options.reporter, "recovery", &ids, pairs, count);
}

static void report_debugger(const struct oxp_recovery *recovery, const struct incident *incident,
                            const struct oxp_debug_answer *answer, double duration_s) {
    struct oxp_ids ids = ids_of(incident);
    const struct oxp_pair pairs[] = {
        oxp_pair_text("outcome", oxp_view_from(verdict_names[answer->verdict])),
        oxp_pair_text("fix", oxp_view_from(answer->fix)),
        oxp_pair_text("report", oxp_view_from(answer->report)),
        oxp_pair_text("incident", oxp_view_from(incident->id)),
        oxp_pair_text("code", oxp_view_from(incident->code->name)),
        oxp_pair_text("component", oxp_view_from(incident->component)),
        oxp_pair_number("duration_s", duration_s),
    };
    oxp_report(recovery->options.reporter, "debugger", &ids, pairs, sizeof pairs / sizeof *pairs);
}

/* ---- Incidents ---- */

/* Rule 1. Without a task the component stands for it, marked so that the two never meet. */
static size_t make_key(char key[KEY_SIZE], const struct oxp_failure *failure) {
    char about[ID_SIZE];
    struct oxp_view task = oxp_failure_ids(failure)->task;
    keep(about + (task.len == 0), sizeof about - 1, task.len != 0 ? task : oxp_failure_component(failure));
    if (task.len == 0) {
        about[0] = '\t';
    }
    size_t len = strlen(about);
    const char *code = oxp_failure_code(failure)->name;
    size_t code_len = strlen(code);
    memcpy(key, about, len + 1);
    memcpy(key + len + 1, code, code_len);
    return len + 1 + code_len;
}

static void take_off_locked(struct oxp_recovery *recovery, struct incident *incident) {
    *(incident->before == NULL ? &recovery->oldest : &incident->before->after) = incident->after;
    *(incident->after == NULL ? &recovery->newest : &incident->after->before) = incident->before;
    (void)oxp_map_remove(&recovery->by_key, oxp_view_of(incident->key, incident->key_len));
    recovery->open--;
}

static void close_locked(struct oxp_recovery *recovery, struct incident *incident, enum oxp_recovery_outcome outcome,
                         struct oxp_view note) {
    double took_s = now(recovery) - incident->opened_s;
    took_s = took_s > 0 ? took_s : 0;
    if (outcome == OXP_RECOVERED && incident->person) {
        outcome = OXP_RECOVERY_MANUAL; /* rule 6 */
    }
    take_off_locked(recovery, incident);
    uint64_t *const counts[] = {&recovery->stats.recovered, &recovery->stats.failed, &recovery->stats.manual};
    ++*counts[outcome];
    recovery->stats.recovery_seconds_sum += took_s;
    report(recovery, incident,
           &(struct said){.state = "ended", .outcome = outcome_names[outcome], .reason = note, .duration_s = took_s});
    free(incident);
}

static void name_it(struct oxp_recovery *recovery, struct incident *incident) {
    if (recovery->random_of != getpid()) {
        recovery->random_of = getpid();
        oxp_random_init(&recovery->random);
    }
    oxp_random_hex16(&recovery->random, incident->id);
}

/* NULL without memory. */
static struct incident *open_locked(struct oxp_recovery *recovery, const struct oxp_failure *failure, const char *key,
                                    size_t key_len) {
    if (recovery->open >= recovery->options.incidents_max) {
        close_locked(recovery, recovery->oldest, OXP_RECOVERY_FAILED, OXP_VIEW("too many are open"));
    }
    struct incident *incident = calloc(1, sizeof *incident);
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
    incident->automation = (enum oxp_automation)index_of(automation_names, 3, incident->code->automation);
    incident->action = (enum oxp_action)index_of(action_names, OXP_ACTIONS, incident->code->action);
    incident->opened_s = oxp_failure_made_s(failure);
    name_it(recovery, incident);
    incident->before = recovery->newest;
    *(recovery->newest == NULL ? &recovery->oldest : &recovery->newest->after) = incident;
    recovery->newest = incident;
    recovery->open++;
    recovery->stats.opened++;
    report(recovery, incident, &(struct said){.state = "started", .duration_s = NAN});
    return incident;
}

static struct incident *by_id_locked(const struct oxp_recovery *recovery, const char *id) {
    for (struct incident *each = recovery->newest; each != NULL && id[0] != '\0'; each = each->before) {
        if (strcmp(each->id, id) == 0) {
            return each;
        }
    }
    return NULL;
}

/* ---- Advice ---- */

static void note_failure_locked(struct incident *incident, const struct oxp_failure *failure) {
    uint64_t fingerprint = oxp_failure_fingerprint(failure);
    incident->alike = incident->tries > 0 && fingerprint == incident->fingerprint ? incident->alike + 1 : 1;
    incident->fingerprint = fingerprint;
    incident->tries++;
    keep(incident->history[incident->tries % HISTORY], TEXT_SIZE, oxp_failure_message(failure));
}

/* Rule 2: the fix that was not tried yet, or NULL. */
static const struct fix *next_fix_locked(const struct oxp_recovery *recovery, struct incident *incident) {
    for (size_t i = 0; i < recovery->fix_count; i++) {
        const struct fix *fix = &recovery->fixes[i];
        bool is_for = fix->fingerprint != 0 ? fix->fingerprint == incident->fingerprint
                                            : strcmp(fix->code, incident->code->name) == 0;
        if (is_for && (incident->fixes_tried >> i & 1) == 0) {
            incident->fixes_tried |= UINT64_C(1) << i;
            return fix;
        }
    }
    return NULL;
}

/* What the debugger is told: the failure, what came before it, what the host adds. */
static void gather(const struct oxp_recovery *recovery, const struct incident *copy, const struct oxp_failure *failure,
                   struct oxp_buf *buf) {
    char *text = oxp_failure_text(failure), more[4096] = "", clean[sizeof more];
    oxp_buf_append_text(buf, "{\"incident\":");
    oxp_buf_append_json_string(buf, oxp_view_from(copy->id));
    oxp_buf_append_format(buf, ",\"tries\":%u,\"alike\":%u,\"code\":\"%s\",\"category\":\"%s\",\"class\":\"%s\"",
                          copy->tries, copy->alike, copy->code->name, copy->code->category, copy->code->class);
    oxp_buf_append_text(buf, ",\"failure\":");
    oxp_buf_append_json_string(buf, oxp_view_from(text));
    oxp_buf_append_text(buf, ",\"task\":");
    oxp_buf_append_json_string(buf, oxp_view_from(copy->task));
    oxp_buf_append_text(buf, ",\"session\":");
    oxp_buf_append_json_string(buf, oxp_view_from(copy->session));
    oxp_buf_append_text(buf, ",\"earlier\":[");
    for (unsigned i = 1; i < HISTORY && i < copy->tries; i++) {
        oxp_buf_append_text(buf, i == 1 ? "" : ",");
        oxp_buf_append_json_string(buf, oxp_view_from(copy->history[(copy->tries - i) % HISTORY]));
    }
    oxp_buf_append_text(buf, "]");
    if (recovery->options.gather != NULL &&
        recovery->options.gather(recovery->options.ctx, failure, more, sizeof more)) {
        more[sizeof more - 1] = '\0';
        size_t len = oxp_scrub(oxp_view_from(more), clean, sizeof clean);
        oxp_buf_append_text(buf, ",");
        oxp_buf_append(buf, clean, len);
    }
    oxp_buf_append_text(buf, "}\n");
    free(text);
}

/* Rule 3. Runs without the lock. Gives how long it took. */
static double ask_debugger(const struct oxp_recovery *recovery, const struct incident *copy,
                           const struct oxp_failure *failure, struct oxp_debug_answer *answer_out, bool *timed_out) {
    double began_s = (double)oxp_clock_mono(oxp_clock_system()).ns / 1e9;
    struct oxp_buf context;
    memset(answer_out, 0, sizeof *answer_out);
    *timed_out = false;
    oxp_buf_init(&context, 256 * 1024);
    gather(recovery, copy, failure, &context);
    if (oxp_buf_status(&context) != OXP_OK) {
        answer_out->verdict = OXP_VERDICT_ERROR;
    } else if (recovery->options.debug != NULL) {
        const struct oxp_debug_request request = {copy->id, failure, oxp_buf_view(&context)};
        if (!recovery->options.debug(recovery->options.ctx, &request, answer_out)) {
            answer_out->verdict = OXP_VERDICT_ERROR;
        }
    } else {
        (void)oxp_debugger_run(recovery->options.debug_command, oxp_buf_view(&context),
                               recovery->options.debug_timeout_s, answer_out, timed_out);
    }
    oxp_buf_fini(&context);
    double took_s = (double)oxp_clock_mono(oxp_clock_system()).ns / 1e9 - began_s;
    *timed_out = *timed_out || took_s > recovery->options.debug_timeout_s;
    if (*timed_out) {
        answer_out->verdict = OXP_VERDICT_ERROR;
    }
    return took_s;
}

/* Rule 4, 5. */
static void escalate_locked(struct oxp_recovery *recovery, struct incident *incident, const char *reason) {
    if (incident->escalated) {
        return;
    }
    incident->escalated = true;
    recovery->stats.escalated++;
    report(recovery, incident,
           &(struct said){.state = "escalated",
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
    char fix[NAME_SIZE];
};

/* Rule 2: true when a fix was applied, and may have helped. */
static bool apply_fix_locked(struct handling *at, struct incident *incident) {
    struct oxp_recovery *recovery = at->recovery;
    const struct fix *fix = next_fix_locked(recovery, incident);
    if (fix == NULL) {
        return false;
    }
    pthread_mutex_unlock(&recovery->lock);
    bool helped = fix->fix(fix->ctx, at->failure);
    pthread_mutex_lock(&recovery->lock);
    incident = by_id_locked(recovery, at->id);
    if (incident != NULL) {
        struct oxp_debug_answer answer = {.verdict = helped ? OXP_VERDICT_FIXED : OXP_VERDICT_NO_FIX};
        keep(answer.fix, sizeof answer.fix, oxp_view_from(fix->name));
        report_debugger(recovery, incident, &answer, 0);
    }
    if (helped) {
        recovery->stats.fixed++;
        keep(at->fix, sizeof at->fix, oxp_view_from(fix->name));
        at->action = OXP_ACTION_RETRY;
    }
    return helped;
}

static void debug_locked(struct handling *at, struct incident *incident) {
    struct oxp_recovery *recovery = at->recovery;
    const struct incident copy = *incident;
    struct oxp_debug_answer answer;
    bool timed_out = false;
    pthread_mutex_unlock(&recovery->lock);
    double took_s = ask_debugger(recovery, &copy, at->failure, &answer, &timed_out);
    pthread_mutex_lock(&recovery->lock);
    recovery->stats.debugged++;
    incident = by_id_locked(recovery, at->id);
    if (incident == NULL) {
        return;
    }
    report_debugger(recovery, incident, &answer, took_s);
    incident->alike = 0; /* it is asked again only after as many more */
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

/* Decides; the lock may be let go on the way. */
static void decide_locked(struct handling *at, struct incident *incident) {
    const struct oxp_recovery_options *options = &at->recovery->options;
    bool security = strcmp(incident->code->category, "security") == 0;
    at->action = (enum oxp_action)index_of(action_names, OXP_ACTIONS, oxp_failure_code(at->failure)->action);
    if (security) { /* rule 5 */
        at->action = OXP_ACTION_ABORT;
        at->escalation = "security";
        return;
    }
    if (at->action == OXP_ACTION_ESCALATE) {
        at->escalation = "no_fix";
        return;
    }
    if (at->action == OXP_ACTION_ABORT || at->action == OXP_ACTION_SKIP || apply_fix_locked(at, incident)) {
        return;
    }
    incident = by_id_locked(at->recovery, at->id);
    if (incident == NULL) {
        return;
    }
    bool repeats = incident->alike >= options->debug_after || at->action == OXP_ACTION_DEBUG;
    if (incident->tries >= options->escalate_after) {
        at->escalation = "exhausted";
    } else if (repeats && has_debugger(at->recovery)) {
        debug_locked(at, incident);
    } else if (at->action == OXP_ACTION_DEBUG) {
        at->escalation = "no_fix"; /* nobody to ask */
    }
}

static void advise(const struct handling *at, const struct incident *incident, struct oxp_advice *advice_out) {
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
    advice_out->action = (enum oxp_action)index_of(action_names, OXP_ACTIONS, code->action);
    advice_out->automation = (enum oxp_automation)index_of(automation_names, 3, code->automation);
    advice_out->tries = 1;
}

void oxp_recovery_handle(struct oxp_recovery *recovery, struct oxp_failure *failure, struct oxp_advice *advice_out) {
    char key[KEY_SIZE];
    struct handling at = {.recovery = recovery, .failure = failure};
    double detected_s = oxp_failure_made_s(failure) - oxp_failure_occurred_s(failure);
    size_t key_len = make_key(key, failure);
    bool newly_escalated = false;
    begin_advice(failure, advice_out);
    oxp_failure_report(failure, recovery->options.reporter);
    pthread_mutex_lock(&recovery->lock);
    recovery->stats.handled++;
    recovery->stats.detection_seconds_sum += detected_s > 0 ? detected_s : 0;
    struct incident *incident = oxp_map_get(&recovery->by_key, oxp_view_of(key, key_len));
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
    struct incident *found = by_id_locked(recovery, incident);
    if (found != NULL) {
        close_locked(recovery, found, outcome, oxp_view_from(note));
    }
    pthread_mutex_unlock(&recovery->lock);
    return found != NULL ? OXP_OK : OXP_ERR_NOT_FOUND;
}

size_t oxp_recovery_close_task(struct oxp_recovery *recovery, struct oxp_view task, enum oxp_recovery_outcome outcome) {
    size_t closed = 0;
    pthread_mutex_lock(&recovery->lock);
    for (struct incident *each = recovery->oldest, *next = NULL; each != NULL && task.len != 0; each = next) {
        next = each->after;
        if (oxp_view_is(oxp_utf8_cut(task, ID_SIZE - 1), each->task)) {
            close_locked(recovery, each, outcome, (struct oxp_view){NULL, 0});
            closed++;
        }
    }
    pthread_mutex_unlock(&recovery->lock);
    return closed;
}

enum oxp_status oxp_recovery_intervened(struct oxp_recovery *recovery, const char *incident, const char *what) {
    pthread_mutex_lock(&recovery->lock);
    struct incident *found = by_id_locked(recovery, incident);
    if (found != NULL) {
        found->automation = OXP_AUTOMATION_MANUAL;
        found->person = true;
        keep(found->history[found->tries % HISTORY], TEXT_SIZE, oxp_view_from(what)); /* for the debugger */
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
    for (const struct incident *each = recovery->oldest; each != NULL; each = each->after) {
        report(recovery, each, &(struct said){.state = "started", .duration_s = NAN, .resumed = true});
    }
    pthread_mutex_unlock(&recovery->lock);
}
