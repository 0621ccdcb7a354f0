/* Tasks (domain catalogue, section 5).
 *
 *  1. A task is queued, running, or ended. task.started of an unknown id counts as started when it is the first attempt
 *     or `resumed`; of a queued one when it is its first start.
 *  2. task.queued of a running task puts it back: it is requeued, no longer active, and its start stays the first one.
 *  3. task.ended counts even when the id is unknown, then without a duration of its own. A second end is ignored. A
 *     queued task that ends was cancelled, or rejected.
 *  4. The duration runs from the first start to the end, retries and waits included; duration_s when given.
 *  5. When the owner is lost a task that had begun has failed; one that waited for its first start leaves the queue.
 *     Written off so, it can be resumed without being counted again, and its late end is ignored. A task that nobody
 *     owns leaves the gauges after the idle limit and is forgotten: nobody knows how it went, so nothing is counted,
 * and its end, should it come, counts by rule 3.
 *  6. A running task without an event past the stall limit is stalled, until its next event. That is an error
 *     (task_stalled) that the watchdog noticed; it happened when the limit was over.
 *  7. Past max_tasks the task without an owner that was idle longest goes first, then the oldest of all; it is
 * forgotten, not counted. */
#include "exporter/ledger/parts.h"

#include <math.h>
#include <stdlib.h>

static struct oxp_view id_of(const struct oxp_task *task) {
    return oxp_view_of(task->id, task->id_len);
}

static uint64_t hash_of(const struct oxp_ledger *ledger, struct oxp_view id) {
    return oxp_closed_hash(&ledger->closed, 't', id);
}

void oxp_tasks_init(struct oxp_ledger *ledger) {
    oxp_map_init(&ledger->tasks_by_id);
    oxp_list_init(&ledger->all_tasks);
    oxp_list_init(&ledger->running);
    oxp_list_init(&ledger->stalled);
}

void oxp_tasks_fini(struct oxp_ledger *ledger) {
    OXP_LIST_EACH(&ledger->all_tasks, link) {
        free(OXP_AROUND(link, struct oxp_task, all));
    }
    oxp_map_fini(&ledger->tasks_by_id);
}

struct oxp_task *oxp_tasks_find(const struct oxp_ledger *ledger, struct oxp_view id) {
    return id.len == 0 ? NULL : oxp_map_get(&ledger->tasks_by_id, id);
}

static void count_queue(struct oxp_ledger *ledger, unsigned event) {
    oxp_count(oxp_cell(&ledger->numbers, OXP_M_QUEUE_EVENTS, event), 1);
}

/* ---- States: what the gauges see ---- */

static void set_stalled(struct oxp_ledger *ledger, struct oxp_task *task, bool stalled) {
    if (task->stalled != stalled) {
        task->stalled = stalled;
        ledger->stalled_count += stalled ? 1 : (size_t)-1;
        oxp_gauge_set(oxp_cell(&ledger->numbers, OXP_M_TASKS_STALLED, 0), (double)ledger->stalled_count);
    }
    oxp_list_push(stalled ? &ledger->stalled : &ledger->running, &task->running);
}

static void enter(struct oxp_ledger *ledger, struct oxp_task *task, enum oxp_task_state state) {
    task->state = state;
    if (state == OXP_TASK_QUEUED) {
        oxp_queue_put(ledger, task);
    } else {
        oxp_gauge_add(task->flow->cells[OXP_FLOW_ACTIVE], 1);
        set_stalled(ledger, task, false);
    }
}

static void leave(struct oxp_ledger *ledger, struct oxp_task *task) {
    if (task->state == OXP_TASK_QUEUED) {
        oxp_queue_take(ledger, task);
        return;
    }
    oxp_gauge_add(task->flow->cells[OXP_FLOW_ACTIVE], -1);
    set_stalled(ledger, task, false);
    oxp_list_take(&task->running);
}

/* ---- In and out ---- */

/* Takes a task that is linked nowhere into the books, in its state. */
static enum oxp_status link_in(struct oxp_ledger *ledger, struct oxp_task *task) {
    if (oxp_queue_reserve(ledger, task->priority) != OXP_OK ||
        oxp_map_set(&ledger->tasks_by_id, id_of(task), task, NULL) != OXP_OK) {
        return OXP_ERR_NOMEM;
    }
    oxp_list_push(&ledger->all_tasks, &task->all);
    oxp_list_push(&task->owner->tasks, &task->owned);
    enter(ledger, task, task->state);
    return OXP_OK;
}

static void forget(struct oxp_ledger *ledger, struct oxp_task *task) {
    oxp_incidents_task_ended(ledger, NULL, task, -1); /* unless it was ended before */
    leave(ledger, task);
    oxp_map_remove(&ledger->tasks_by_id, id_of(task));
    oxp_list_take(&task->all);
    oxp_list_take(&task->owned);
    free(task);
}

void oxp_tasks_forget(struct oxp_ledger *ledger, struct oxp_view id) {
    struct oxp_task *task = oxp_tasks_find(ledger, id);
    if (task != NULL) {
        forget(ledger, task);
    }
}

/* Rule 7. */
static void make_room(struct oxp_ledger *ledger) {
    if (ledger->tasks_by_id.count < ledger->options.max_tasks) {
        return;
    }
    struct oxp_task *victim = oxp_list_is_empty(&ledger->nobody.tasks)
                                  ? OXP_AROUND(ledger->all_tasks.next, struct oxp_task, all)
                                  : OXP_AROUND(ledger->nobody.tasks.next, struct oxp_task, owned);
    const char *pairs[] = {"task", victim->id, NULL};
    oxp_note(ledger, OXP_NOTE_WARNING, "too many open tasks: one is forgotten", pairs);
    oxp_persist_gone(ledger, 't', id_of(victim), OXP_CLOSED_NOT);
    forget(ledger, victim);
}

static struct oxp_task *new_task(struct oxp_identity *owner, struct oxp_view id) {
    struct oxp_task *task = calloc(1, sizeof *task);
    if (task == NULL) {
        return NULL;
    }
    oxp_list_init(&task->owned);
    oxp_list_init(&task->all);
    oxp_list_init(&task->running);
    task->id_len = oxp_keep(task->id, sizeof task->id, id);
    task->owner = owner;
    task->priority = OXP_PRIORITY_NORMAL;
    task->queued_s = task->started_s = task->progress = NAN;
    return task;
}

/* ---- Losing (rule 5) ---- */

static void write_off(struct oxp_ledger *ledger, struct oxp_task *task) {
    if (!ledger->replaying && !isnan(task->started_s)) {
        oxp_count(task->flow->cells[OXP_FLOW_ENDED + OXP_TASK_FAILED], 1);
    }
    oxp_incidents_task_ended(ledger, NULL, task, OXP_TASK_FAILED);
    oxp_closed_put(&ledger->closed, hash_of(ledger, id_of(task)), OXP_CLOSED_WRITTEN_OFF);
    forget(ledger, task);
}

void oxp_tasks_lose(struct oxp_ledger *ledger, struct oxp_identity *owner) {
    OXP_LIST_EACH(&owner->tasks, link) {
        write_off(ledger, OXP_AROUND(link, struct oxp_task, owned));
    }
}

void oxp_tasks_tick(struct oxp_ledger *ledger) {
    double idle_since = ledger->patience_s - ledger->options.idle_limit_s;
    OXP_LIST_EACH(&ledger->nobody.tasks, link) {
        struct oxp_task *task = OXP_AROUND(link, struct oxp_task, owned);
        if (task->touched > idle_since) {
            break;
        }
        oxp_persist_gone(ledger, 't', id_of(task), OXP_CLOSED_NOT);
        forget(ledger, task);
    }
    double stalled_since = ledger->patience_s - ledger->options.stall_limit_s;
    OXP_LIST_EACH(&ledger->running, link2) {
        struct oxp_task *task = OXP_AROUND(link2, struct oxp_task, running);
        if (task->touched > stalled_since) {
            break;
        }
        set_stalled(ledger, task, true);
        oxp_errors_noticed(ledger, "task_stalled", OXP_SOURCE_WATCHDOG, stalled_since - task->touched);
    }
}

/* ---- Being seen (rule 6) ---- */

static void keep_ids(struct oxp_task *task, const struct oxp_event *event) {
    if (oxp_event_has(event, OXP_FIELD_SESSION)) {
        oxp_keep(task->session, sizeof task->session, oxp_event_text(event, OXP_FIELD_SESSION));
    }
    if (oxp_event_has(event, OXP_FIELD_TRACE_ID) && task->trace_id[0] == '\0') {
        oxp_keep(task->trace_id, sizeof task->trace_id, oxp_event_text(event, OXP_FIELD_TRACE_ID));
    }
}

static void touch(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_task *task) {
    task->touched = ledger->patience_s;
    if (moment->ts > task->last_s) {
        task->last_s = moment->ts;
    }
    if (task->state == OXP_TASK_RUNNING) {
        set_stalled(ledger, task, false);
    }
    if (task->owner == &ledger->nobody) {
        oxp_list_push(&ledger->nobody.tasks, &task->owned);
    }
    keep_ids(task, moment->event);
}

void oxp_tasks_touch(struct oxp_ledger *ledger, const struct oxp_moment *moment) {
    struct oxp_task *task = oxp_tasks_find(ledger, oxp_event_text(moment->event, OXP_FIELD_TASK));
    if (task != NULL) {
        touch(ledger, moment, task);
    }
}

/* A task event: time clamped; an announced connection takes what has no owner. */
static void seen(struct oxp_ledger *ledger, struct oxp_moment *moment, struct oxp_task *task) {
    moment->ts = oxp_clamp(ledger, moment, &task->last_s);
    bool free_to_take = task->owner == &ledger->nobody || task->owner->connections == 0;
    if (moment->owner != &ledger->nobody && moment->owner != task->owner && free_to_take) {
        task->owner = moment->owner;
        oxp_list_push(&moment->owner->tasks, &task->owned);
    }
    touch(ledger, moment, task);
}

/* ---- Events ---- */

/* The event's priority, or `otherwise`; -1 when it is not one. */
static int priority_of(const struct oxp_event *event, unsigned otherwise) {
    if (!oxp_event_has(event, OXP_FIELD_PRIORITY)) {
        return (int)otherwise;
    }
    return oxp_numbers_place(OXP_M_QUEUE_LENGTH, 0, oxp_event_text(event, OXP_FIELD_PRIORITY));
}

static struct oxp_task *open_task(struct oxp_ledger *ledger, struct oxp_moment *moment, enum oxp_task_state state,
                                  unsigned priority) {
    const struct oxp_event *event = moment->event;
    make_room(ledger);
    struct oxp_task *task = new_task(moment->owner, oxp_event_text(event, OXP_FIELD_TASK));
    if (task == NULL) {
        return NULL;
    }
    oxp_keep(task->workflow, sizeof task->workflow, oxp_event_text(event, OXP_FIELD_WORKFLOW));
    task->flow = oxp_runs_flow(ledger, oxp_view_from(task->workflow));
    task->priority = priority;
    task->state = state;
    task->attempt = (unsigned)oxp_event_number(event, OXP_FIELD_ATTEMPT, 1);
    double since_s = oxp_event_number(event, OXP_FIELD_STARTED_AT, moment->ts);
    *(state == OXP_TASK_QUEUED ? &task->queued_s : &task->started_s) = since_s;
    task->last_s = moment->ts;
    task->touched = ledger->patience_s;
    keep_ids(task, event);
    oxp_persist_task(ledger, task);
    if (link_in(ledger, task) != OXP_OK) {
        oxp_persist_gone(ledger, 't', id_of(task), OXP_CLOSED_NOT);
        free(task);
        return NULL;
    }
    oxp_closed_remove(&ledger->closed, hash_of(ledger, id_of(task)));
    return task;
}

static enum oxp_closed_how how_closed(const struct oxp_ledger *ledger, const struct oxp_event *event) {
    return oxp_closed_find(&ledger->closed, hash_of(ledger, event->values[OXP_FIELD_TASK].text));
}

enum oxp_status oxp_on_task_queued(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    bool resumed = oxp_event_flag(event, OXP_FIELD_RESUMED, false);
    struct oxp_task *task = oxp_tasks_find(ledger, oxp_event_text(event, OXP_FIELD_TASK));
    int priority = priority_of(event, task == NULL ? OXP_PRIORITY_NORMAL : task->priority);
    if (priority < 0) {
        return oxp_refuse(moment, OXP_FIELD_PRIORITY, OXP_M_QUEUE_LENGTH, 0);
    }
    if (task == NULL) {
        enum oxp_closed_how how = how_closed(ledger, event);
        if (how == OXP_CLOSED_ENDED) {
            return OXP_IGNORED;
        }
        task = open_task(ledger, moment, OXP_TASK_QUEUED, (unsigned)priority);
        if (task != NULL && how == OXP_CLOSED_NOT) {
            count_queue(ledger, OXP_QUEUE_ENQUEUED);
        }
        return task == NULL ? OXP_ERR_NOMEM : OXP_OK;
    }
    seen(ledger, moment, task);
    bool was_running = task->state == OXP_TASK_RUNNING;
    if (!was_running && task->priority == (unsigned)priority) {
        return OXP_IGNORED;
    }
    if (oxp_queue_reserve(ledger, (unsigned)priority) != OXP_OK) {
        return OXP_ERR_NOMEM;
    }
    leave(ledger, task);
    task->priority = (unsigned)priority;
    task->queued_s = was_running ? moment->ts : task->queued_s;
    task->state = OXP_TASK_QUEUED;
    oxp_persist_task(ledger, task);
    enter(ledger, task, OXP_TASK_QUEUED);
    if (was_running && !resumed) {
        count_queue(ledger, OXP_QUEUE_REQUEUED);
    }
    return OXP_OK;
}

/* From the queue to running. */
static void start_queued(struct oxp_ledger *ledger, struct oxp_moment *moment, struct oxp_task *task) {
    leave(ledger, task);
    bool first = isnan(task->started_s);
    double wait = fmax(moment->ts - task->queued_s, 0);
    if (first) {
        task->started_s = oxp_event_number(moment->event, OXP_FIELD_STARTED_AT, moment->ts);
    }
    task->state = OXP_TASK_RUNNING;
    oxp_persist_task(ledger, task);
    enter(ledger, task, OXP_TASK_RUNNING);
    if (first) {
        oxp_count_event(ledger, moment, task->flow->cells[OXP_FLOW_STARTED]);
    }
    count_queue(ledger, OXP_QUEUE_STARTED);
    oxp_observe(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_QUEUE_WAIT, task->priority), wait);
}

static enum oxp_status start_unknown(struct oxp_ledger *ledger, struct oxp_moment *moment, unsigned priority) {
    const struct oxp_event *event = moment->event;
    enum oxp_closed_how how = how_closed(ledger, event);
    if (how == OXP_CLOSED_ENDED) {
        return OXP_IGNORED;
    }
    struct oxp_task *task = open_task(ledger, moment, OXP_TASK_RUNNING, priority);
    if (task == NULL) {
        return OXP_ERR_NOMEM;
    }
    bool resumed = oxp_event_flag(event, OXP_FIELD_RESUMED, false);
    if (how == OXP_CLOSED_NOT && (resumed || task->attempt <= 1)) {
        oxp_count_event(ledger, moment, task->flow->cells[OXP_FLOW_STARTED]);
    }
    if (!resumed) {
        count_queue(ledger, OXP_QUEUE_STARTED);
        oxp_queue_started_unknown(ledger, priority);
    }
    return OXP_OK;
}

enum oxp_status oxp_on_task_started(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    struct oxp_task *task = oxp_tasks_find(ledger, oxp_event_text(event, OXP_FIELD_TASK));
    int priority = priority_of(event, task == NULL ? OXP_PRIORITY_NORMAL : task->priority);
    if (priority < 0) {
        return oxp_refuse(moment, OXP_FIELD_PRIORITY, OXP_M_QUEUE_LENGTH, 0);
    }
    if (task == NULL) {
        return start_unknown(ledger, moment, (unsigned)priority);
    }
    const struct oxp_identity *owner = task->owner;
    seen(ledger, moment, task);
    unsigned attempt = (unsigned)oxp_event_number(event, OXP_FIELD_ATTEMPT, task->attempt);
    if (task->state == OXP_TASK_RUNNING) {
        bool changed = attempt != task->attempt || task->owner != owner;
        task->attempt = attempt;
        if (changed) {
            oxp_persist_task(ledger, task);
        }
        return changed ? OXP_OK : OXP_IGNORED;
    }
    task->attempt = attempt;
    start_queued(ledger, moment, task);
    return OXP_OK;
}

enum oxp_status oxp_on_task_progress(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    struct oxp_task *task = oxp_tasks_find(ledger, oxp_event_text(moment->event, OXP_FIELD_TASK));
    if (task == NULL) {
        return OXP_IGNORED;
    }
    touch(ledger, moment, task);
    if (oxp_event_has(moment->event, OXP_FIELD_PCT)) {
        task->progress = fmin(oxp_event_number(moment->event, OXP_FIELD_PCT, 0) / 100, 1);
    }
    return OXP_OK;
}

enum oxp_status oxp_on_task_ended(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    int status = oxp_numbers_place(OXP_M_TASKS_ENDED, 1, oxp_event_text(event, OXP_FIELD_STATUS));
    if (status < 0) {
        return oxp_refuse(moment, OXP_FIELD_STATUS, OXP_M_TASKS_ENDED, 1);
    }
    struct oxp_view id = oxp_event_text(event, OXP_FIELD_TASK);
    struct oxp_task *task = oxp_tasks_find(ledger, id);
    if (task == NULL && how_closed(ledger, event) != OXP_CLOSED_NOT) {
        return OXP_IGNORED;
    }
    struct oxp_open_value *flow =
        task != NULL ? task->flow : oxp_runs_flow(ledger, oxp_event_text(event, OXP_FIELD_WORKFLOW));
    double duration = NAN;
    if (task != NULL) {
        moment->ts = oxp_clamp(ledger, moment, &task->last_s);
        duration = fmax(moment->ts - task->started_s, 0);
        duration = isnan(task->started_s) ? NAN : duration;
    }
    duration = oxp_event_number(event, OXP_FIELD_DURATION_S, duration);
    oxp_persist_gone(ledger, 't', id, OXP_CLOSED_ENDED);
    oxp_closed_put(&ledger->closed, hash_of(ledger, id), OXP_CLOSED_ENDED);
    oxp_count_event(ledger, moment, flow->cells[OXP_FLOW_ENDED + status]);
    if (!isnan(duration)) {
        oxp_observe(ledger, moment, flow->cells[OXP_FLOW_DURATION], duration);
    }
    if (task != NULL) {
        oxp_incidents_task_ended(ledger, moment, task, status);
        if (task->state == OXP_TASK_QUEUED) {
            count_queue(ledger, status == OXP_TASK_CANCELLED ? OXP_QUEUE_CANCELLED : OXP_QUEUE_REJECTED);
        }
        forget(ledger, task);
    }
    return OXP_OK;
}

/* ---- After a restart ---- */

void oxp_tasks_restore(struct oxp_ledger *ledger, const struct oxp_task *read, struct oxp_identity *owner) {
    oxp_tasks_forget(ledger, id_of(read));
    struct oxp_task *task = new_task(owner, id_of(read));
    if (task == NULL) {
        return;
    }
    memcpy(task->workflow, read->workflow, sizeof task->workflow);
    memcpy(task->session, read->session, sizeof task->session);
    memcpy(task->trace_id, read->trace_id, sizeof task->trace_id);
    task->flow = oxp_runs_flow(ledger, oxp_view_from(task->workflow));
    task->state = read->state == OXP_TASK_QUEUED ? OXP_TASK_QUEUED : OXP_TASK_RUNNING;
    task->priority = read->priority < OXP_PRIORITIES ? read->priority : OXP_PRIORITY_NORMAL;
    task->attempt = read->attempt;
    task->queued_s = read->queued_s;
    task->started_s = read->started_s;
    task->last_s = read->last_s;
    task->touched = ledger->patience_s;
    if (link_in(ledger, task) != OXP_OK) {
        free(task);
        return;
    }
    oxp_closed_remove(&ledger->closed, hash_of(ledger, id_of(task)));
}
