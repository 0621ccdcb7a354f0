/* Incidents: from a failure to its end (domain catalogue, sections 4.1 and 5).
 *
 *  1. An incident is known by its id from recovery state=started, or escalated, to state=ended. A start that is said
 *     again says nothing new.
 *  2. ended counts even when the id is unknown, then without a duration of its own. A second end is ignored.
 *  3. The duration is observed once, at the end: duration_s when given, else from started_at, or the start, to the end.
 *  4. What an event does not say of severity, action and automation is what the code's row in the taxonomy says; an end
 *     by a person (outcome manual) is manual.
 *  5. Each level that an incident is escalated to counts once: operator unless the event says another. The reason is,
 *     unless it says so, security in that category, else no_fix.
 *  6. When its owner is lost it stays open: the next process may resume it by its id. One without an owner that nobody
 *     speaks of for the idle limit is closed as failed; when it failed is not known, so no duration is observed.
 *  7. Past OXP_INCIDENTS_MAX the oldest without an owner goes, else the oldest of all; it is forgotten, not counted.
 *  8. Of a writer that never says recovery, incidents are derived: the first error of a running task opens one, named
 *     "task:" and the task, and the task's end closes it (succeeded and degraded: recovered; cancelled: nobody asks any
 *     more, nothing is counted; the rest, its owner's loss among them: failed). Its action is the last that a retry, a
 *     requeue or a replaced session of the task shows, else the code's. The first recovery event of a writer ends this
 *     for him for good: what was derived from his tasks is forgotten, but for the incident of the task that the event
 *     names, which becomes the one it names. So nothing is counted twice. A writer without a connection is "nobody".
 *  9. A breaker that a person closed is an intervention (escalate, manual), of a writer that never says recovery. */
#include "exporter/ledger/incident_books.h"

#include <math.h>
#include <stdio.h>

/* ---- What is known of one ---- */

static const struct oxp_code *code_of(const struct oxp_event *event) {
    struct oxp_evidence evidence = {.code = oxp_event_text(event, OXP_FIELD_CODE),
                                    .category = oxp_event_text(event, OXP_FIELD_CATEGORY)};
    return oxp_classify(&evidence);
}

/* What the taxonomy says, where the event does not (rule 4). */
static void describe_by_code(struct oxp_incident *incident, const struct oxp_code *code) {
    incident->severity =
        oxp_numbers_place_or(OXP_M_INCIDENTS_ACTIVE, 0, oxp_view_from(code->severity), OXP_SEVERITY_MEDIUM);
    incident->action = oxp_numbers_place_or(OXP_M_RECOVERIES, 0, oxp_view_from(code->action), OXP_DOES_DEBUG);
    incident->automation =
        oxp_numbers_place_or(OXP_M_RECOVERY_DURATION, 0, oxp_view_from(code->automation), OXP_AUTO_SEMI);
    oxp_keep(incident->category, sizeof incident->category, oxp_view_from(code->category));
}

/* Where `field` is a value of the label, its place goes to `to`. The event was checked. */
static void take_place(unsigned *to, const struct oxp_event *event, enum oxp_field field, enum oxp_metric metric) {
    int place = oxp_numbers_place(metric, 0, oxp_event_text(event, field));
    *to = place < 0 ? *to : (unsigned)place;
}

/* What it is called and belongs to; what is known already stays. */
static void keep_texts(struct oxp_incident *incident, const struct oxp_event *event) {
    const struct {
        char *to;
        size_t size;
        enum oxp_field field;
    } texts[] = {
        {incident->code, sizeof incident->code, OXP_FIELD_CODE},
        {incident->component, sizeof incident->component, OXP_FIELD_COMPONENT},
        {incident->task, sizeof incident->task, OXP_FIELD_TASK},
        {incident->session, sizeof incident->session, OXP_FIELD_SESSION},
        {incident->workflow, sizeof incident->workflow, OXP_FIELD_WORKFLOW},
        {incident->trace_id, sizeof incident->trace_id, OXP_FIELD_TRACE_ID},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].to[0] == '\0') {
            oxp_keep(texts[i].to, texts[i].size, oxp_event_text(event, texts[i].field));
        }
    }
}

/* What the event says about it; `code` is what it is classified as. Not for the severity of one that is open: that is
 * set before it is counted. */
static void describe(struct oxp_incident *incident, const struct oxp_moment *moment, const struct oxp_code *code) {
    const struct oxp_event *event = moment->event;
    describe_by_code(incident, code);
    take_place(&incident->severity, event, OXP_FIELD_SEVERITY, OXP_M_INCIDENTS_ACTIVE);
    take_place(&incident->action, event, OXP_FIELD_ACTION, OXP_M_RECOVERIES);
    take_place(&incident->automation, event, OXP_FIELD_AUTOMATION, OXP_M_RECOVERY_DURATION);
    if (oxp_event_has(event, OXP_FIELD_CATEGORY)) {
        oxp_keep(incident->category, sizeof incident->category, oxp_event_text(event, OXP_FIELD_CATEGORY));
    }
    keep_texts(incident, event);
    const struct oxp_identity *who = moment->who;
    oxp_keep(incident->writer, sizeof incident->writer,
             who != NULL ? oxp_view_from(who->writer) : oxp_event_text(event, OXP_FIELD_WRITER));
    oxp_keep(incident->boot, sizeof incident->boot, who != NULL ? oxp_view_from(who->boot) : OXP_VIEW(""));
}

/* ---- Deriving (rule 8) ---- */

static bool derives(const struct oxp_moment *moment, const struct oxp_task *task) {
    return task->state == OXP_TASK_RUNNING && !moment->owner->recovers && !task->owner->recovers;
}

void oxp_incidents_error(struct oxp_ledger *ledger, const struct oxp_moment *moment, const struct oxp_code *code) {
    const struct oxp_event *event = moment->event;
    struct oxp_task *task = oxp_tasks_find(ledger, oxp_event_text(event, OXP_FIELD_TASK));
    if (task == NULL || oxp_event_has(event, OXP_FIELD_INCIDENT) || !derives(moment, task)) {
        return;
    }
    if (task->incident != NULL) {
        task->incident->last_s = fmax(task->incident->last_s, moment->ts);
        return;
    }
    char id[OXP_ID_SIZE + 8];
    int len = snprintf(id, sizeof id, "task:%s", task->id);
    if (oxp_incidents_find(ledger, oxp_view_of(id, (size_t)len)) != NULL) {
        return; /* a client that calls its incidents so */
    }
    oxp_incidents_make_room(ledger);
    struct oxp_incident *incident = oxp_incident_new(&ledger->nobody, oxp_view_of(id, (size_t)len));
    if (incident == NULL) {
        return;
    }
    describe(incident, moment, code);
    oxp_keep(incident->code, sizeof incident->code, oxp_view_from(code->name));
    oxp_keep(incident->workflow, sizeof incident->workflow, oxp_view_from(task->workflow));
    incident->derived = true;
    incident->of = task;
    incident->opened_s = oxp_event_number(event, OXP_FIELD_OCCURRED_AT, moment->ts);
    incident->last_s = moment->ts;
    (void)oxp_incident_open(ledger, incident);
}

void oxp_incidents_act(struct oxp_ledger *ledger, struct oxp_view task_id, unsigned action) {
    struct oxp_task *task = oxp_tasks_find(ledger, task_id);
    if (task != NULL && task->incident != NULL && task->incident->action != action) {
        task->incident->action = action;
        oxp_persist_incident(ledger, task->incident);
    }
}

void oxp_incidents_task_ended(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_task *task,
                              int status) {
    struct oxp_incident *incident = task->incident;
    if (incident == NULL) {
        return;
    }
    if (ledger->replaying) {
        oxp_incident_forget(ledger, incident);
    } else if (status < 0 || status == OXP_TASK_CANCELLED) {
        oxp_incident_discard(ledger, incident);
    } else {
        bool recovered = status == OXP_TASK_SUCCEEDED || status == OXP_TASK_DEGRADED;
        double duration = moment == NULL ? NAN : fmax(moment->ts - incident->opened_s, 0);
        incident->action = status == OXP_TASK_DEGRADED  ? OXP_DOES_FALLBACK
                           : status == OXP_TASK_SKIPPED ? OXP_DOES_SKIP
                                                        : incident->action;
        oxp_incident_close(ledger, moment, incident, recovered ? OXP_ENDED_RECOVERED : OXP_ENDED_FAILED, duration);
    }
}

void oxp_incidents_manual_reset(struct oxp_ledger *ledger, const struct oxp_moment *moment) {
    if (!moment->owner->recovers) {
        oxp_count_event(
            ledger, moment,
            oxp_cell(&ledger->numbers, OXP_M_RECOVERIES, OXP_DOES_ESCALATE * OXP_RECOVERY_OUTCOMES + OXP_ENDED_MANUAL));
    }
}

/* The first recovery event of a writer. */
static void stop_deriving(struct oxp_ledger *ledger, struct oxp_identity *owner, const struct oxp_incident *but) {
    if (owner->recovers) {
        return;
    }
    owner->recovers = true;
    if (owner != &ledger->nobody) {
        oxp_persist_identity(ledger, owner);
    }
    OXP_LIST_EACH(&owner->tasks, link) {
        struct oxp_incident *incident = OXP_AROUND(link, struct oxp_task, owned)->incident;
        if (incident != NULL && incident != but) {
            oxp_incident_discard(ledger, incident);
        }
    }
}

/* A derived incident becomes the one that the event names. */
static struct oxp_incident *take_name(struct oxp_ledger *ledger, const struct oxp_moment *moment,
                                      struct oxp_incident *derived) {
    struct oxp_incident *named = oxp_incident_new(moment->owner, oxp_event_text(moment->event, OXP_FIELD_INCIDENT));
    if (named != NULL) {
        describe(named, moment, code_of(moment->event));
        if (named->code[0] == '\0') {
            oxp_keep(named->code, sizeof named->code, oxp_view_from(derived->code));
        }
        named->opened_s = derived->opened_s;
        named->last_s = derived->last_s;
        named->touched = ledger->patience_s;
    }
    oxp_incident_discard(ledger, derived);
    return named != NULL && oxp_incident_open(ledger, named) == OXP_OK ? named : NULL;
}

/* ---- Events ---- */

enum { STARTED, ESCALATED, ENDED };

static int state_of(struct oxp_view text) {
    static const char *const states[] = {"started", "escalated", "ended"};
    for (int i = 0; i < 3; i++) {
        if (oxp_view_is(text, states[i])) {
            return i;
        }
    }
    return -1;
}

/* What the event names is what the catalogue knows. */
static enum oxp_status check(struct oxp_moment *moment, int state) {
    static const struct {
        enum oxp_field field;
        enum oxp_metric metric;
        unsigned label;
        int state; /* -1: in all */
    } words[] = {
        {OXP_FIELD_SEVERITY, OXP_M_INCIDENTS_ACTIVE, 0, -1},
        {OXP_FIELD_ACTION, OXP_M_RECOVERIES, 0, -1},
        {OXP_FIELD_CATEGORY, OXP_M_ERRORS, 1, -1},
        {OXP_FIELD_OUTCOME, OXP_M_RECOVERIES, 1, ENDED},
        {OXP_FIELD_AUTOMATION, OXP_M_RECOVERY_DURATION, 0, -1},
        {OXP_FIELD_LEVEL, OXP_M_ESCALATIONS, 0, ESCALATED},
        {OXP_FIELD_REASON, OXP_M_ESCALATIONS, 1, ESCALATED},
    };
    const struct oxp_event *event = moment->event;
    if (state < 0) {
        struct oxp_view text = oxp_event_text(event, OXP_FIELD_STATE);
        return oxp_refuse_because(moment, OXP_REJECT_BAD_FIELD,
                                  "state: \"%.*s\" is not one of started, escalated, ended", (int)text.len, text.ptr);
    }
    if (state == ENDED && !oxp_event_has(event, OXP_FIELD_OUTCOME)) {
        return oxp_refuse_because(moment, OXP_REJECT_BAD_FIELD,
                                  "outcome: the end of an incident needs recovered, failed or manual");
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if ((words[i].state < 0 || words[i].state == state) && oxp_event_has(event, words[i].field) &&
            oxp_numbers_place(words[i].metric, words[i].label, oxp_event_text(event, words[i].field)) < 0) {
            return oxp_refuse(moment, words[i].field, words[i].metric, words[i].label);
        }
    }
    return OXP_OK;
}

/* An announced connection takes what has no owner at hand. */
static bool take_over(const struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_incident *incident) {
    bool takes =
        moment->owner != &ledger->nobody && moment->owner != incident->owner && incident->owner->connections == 0;
    incident->owner = takes ? moment->owner : incident->owner;
    oxp_list_push(&incident->owner->incidents, &incident->owned); /* those of nobody: the one seen last is the last */
    return takes;
}

/* The event's incident, seen; NULL when it is not open. */
static struct oxp_incident *seen(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    struct oxp_incident *incident = oxp_incidents_find(ledger, oxp_event_text(moment->event, OXP_FIELD_INCIDENT));
    struct oxp_task *task = oxp_tasks_find(ledger, oxp_event_text(moment->event, OXP_FIELD_TASK));
    struct oxp_incident *derived = task == NULL || task->incident == incident ? NULL : task->incident;
    stop_deriving(ledger, moment->owner, derived != NULL ? derived : incident);
    if (derived != NULL && incident == NULL) {
        incident = take_name(ledger, moment, derived);
    } else if (derived != NULL) {
        oxp_incident_discard(ledger, derived);
    }
    if (incident == NULL || incident->derived) {
        return incident;
    }
    moment->ts = oxp_clamp(ledger, moment, &incident->last_s);
    incident->touched = ledger->patience_s;
    if (take_over(ledger, moment, incident)) {
        oxp_persist_incident(ledger, incident);
    }
    return incident;
}

static struct oxp_incident *start(struct oxp_ledger *ledger, const struct oxp_moment *moment) {
    struct oxp_view id = oxp_event_text(moment->event, OXP_FIELD_INCIDENT);
    oxp_incidents_make_room(ledger);
    struct oxp_incident *incident = oxp_incident_new(moment->owner, id);
    if (incident == NULL) {
        return NULL;
    }
    describe(incident, moment, code_of(moment->event));
    incident->opened_s = oxp_event_number(moment->event, OXP_FIELD_STARTED_AT, moment->ts);
    incident->last_s = moment->ts;
    incident->touched = ledger->patience_s;
    if (oxp_incident_open(ledger, incident) != OXP_OK) {
        return NULL;
    }
    oxp_closed_remove(&ledger->closed, oxp_incident_hash(ledger, id));
    return incident;
}

/* Rule 5. */
static enum oxp_status escalate(struct oxp_ledger *ledger, const struct oxp_moment *moment,
                                struct oxp_incident *incident) {
    const struct oxp_event *event = moment->event;
    bool security = strcmp(incident->category, "security") == 0;
    unsigned level = oxp_numbers_place_or(OXP_M_ESCALATIONS, 0, oxp_event_text(event, OXP_FIELD_LEVEL), 0);
    unsigned reason = oxp_numbers_place_or(OXP_M_ESCALATIONS, 1, oxp_event_text(event, OXP_FIELD_REASON),
                                           security ? OXP_REASON_SECURITY : OXP_REASON_NO_FIX);
    if ((incident->levels >> level & 1) != 0) {
        return OXP_IGNORED;
    }
    incident->levels |= 1u << level;
    oxp_keep(incident->reason, sizeof incident->reason, oxp_view_from(oxp_numbers_text(OXP_M_ESCALATIONS, 1, reason)));
    oxp_persist_incident(ledger, incident);
    if (!oxp_event_flag(event, OXP_FIELD_RESUMED, false)) {
        oxp_count_event(ledger, moment,
                        oxp_cell(&ledger->numbers, OXP_M_ESCALATIONS, level * OXP_ESCALATION_REASONS + reason));
    }
    return OXP_OK;
}

static enum oxp_status end(struct oxp_ledger *ledger, struct oxp_moment *moment, struct oxp_incident *incident) {
    const struct oxp_event *event = moment->event;
    struct oxp_view id = oxp_event_text(event, OXP_FIELD_INCIDENT);
    double began = incident != NULL ? incident->opened_s : NAN;
    began = oxp_event_number(event, OXP_FIELD_STARTED_AT, began);
    double duration = isnan(began) ? NAN : fmax(moment->ts - began, 0);
    duration = oxp_event_number(event, OXP_FIELD_DURATION_S, duration);
    if (incident == NULL) {
        incident = oxp_incident_new(&ledger->nobody, id);
        if (incident == NULL) {
            return OXP_ERR_NOMEM;
        }
        describe(incident, moment, code_of(event));
        incident->opened_s = isnan(duration) ? NAN : moment->ts - duration;
        oxp_incidents_count(ledger, incident->severity, 1); /* for the moment: it is closed below */
    }
    keep_texts(incident, event);
    take_place(&incident->action, event, OXP_FIELD_ACTION, OXP_M_RECOVERIES);
    take_place(&incident->automation, event, OXP_FIELD_AUTOMATION, OXP_M_RECOVERY_DURATION);
    int outcome = oxp_numbers_place(OXP_M_RECOVERIES, 1, oxp_event_text(event, OXP_FIELD_OUTCOME));
    oxp_incident_close(ledger, moment, incident, (unsigned)outcome, duration);
    return OXP_OK;
}

enum oxp_status oxp_on_recovery(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    int state = state_of(oxp_event_text(moment->event, OXP_FIELD_STATE));
    enum oxp_status status = check(moment, state);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_view id = oxp_event_text(moment->event, OXP_FIELD_INCIDENT);
    bool was_open = oxp_incidents_find(ledger, id) != NULL;
    struct oxp_incident *incident = seen(ledger, moment);
    enum oxp_closed_how how = oxp_closed_find(&ledger->closed, oxp_incident_hash(ledger, id));
    if (incident == NULL && (how == OXP_CLOSED_ENDED || (how != OXP_CLOSED_NOT && state == ENDED))) {
        return OXP_IGNORED;
    }
    if (state == ENDED) {
        return end(ledger, moment, incident);
    }
    if (incident != NULL && state == STARTED) {
        return was_open ? OXP_IGNORED : OXP_OK;
    }
    incident = incident != NULL ? incident : start(ledger, moment);
    if (incident == NULL) {
        return OXP_ERR_NOMEM;
    }
    return state == ESCALATED ? escalate(ledger, moment, incident) : OXP_OK;
}
