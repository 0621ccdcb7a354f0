/* The queue (domain catalogue, section 5).
 *
 *  1. Queued tasks are counted by priority; the head is the one queued first.
 *  2. A snapshot overrides that: from then on the length is what the snapshot said plus what task events add and take
 *     since. A priority that a snapshot leaves out, while it names another, is empty.
 *  3. A start of a task that we did not know as queued takes one of those that only the snapshot knew.
 *  4. What a snapshot said goes with its sender.
 *  5. Workers are gauges of their process (usage.c). The share of a quota is of the account: the last word stands. */
#include "exporter/ledger/parts.h"

#include <math.h>

void oxp_queue_init(struct oxp_ledger *ledger) {
    for (size_t i = 0; i < OXP_PRIORITIES; i++) {
        ledger->queue.head_s[i] = NAN;
    }
}

void oxp_queue_fini(struct oxp_ledger *ledger) {
    for (size_t i = 0; i < OXP_PRIORITIES; i++) {
        oxp_heap_fini(&ledger->queue.tasks[i]);
    }
}

enum oxp_status oxp_queue_reserve(struct oxp_ledger *ledger, unsigned priority) {
    return oxp_heap_reserve(&ledger->queue.tasks[priority], ledger->queue.tasks[priority].count + 1);
}

/* When the head was queued, or 0 when there is none. */
static double head_of(const struct oxp_queue *queue, unsigned priority, long length) {
    const struct oxp_heap_node *least = oxp_heap_least(&queue->tasks[priority]);
    double known = least == NULL ? NAN : least->key;
    if (length <= 0) {
        return 0;
    }
    if (queue->base[priority] == 0 || isnan(queue->head_s[priority])) {
        return isnan(known) ? 0 : known;
    }
    /* More than we know: the snapshot's head may be older. Fewer: what we know is stale, the snapshot is right. */
    return queue->base[priority] > 0 ? fmin(known, queue->head_s[priority]) : fmax(known, queue->head_s[priority]);
}

static void show(struct oxp_ledger *ledger, unsigned priority) {
    const struct oxp_queue *queue = &ledger->queue;
    long length = queue->derived[priority] + queue->base[priority];
    length = length < 0 ? 0 : length;
    oxp_gauge_set(oxp_cell(&ledger->numbers, OXP_M_QUEUE_LENGTH, priority), (double)length);
    oxp_gauge_set(oxp_cell(&ledger->numbers, OXP_M_QUEUE_OLDEST_AGE, priority), head_of(queue, priority, length));
}

void oxp_queue_put(struct oxp_ledger *ledger, struct oxp_task *task) {
    ledger->queue.derived[task->priority]++;
    oxp_heap_put(&ledger->queue.tasks[task->priority], &task->queued, task->queued_s);
    show(ledger, task->priority);
}

void oxp_queue_take(struct oxp_ledger *ledger, struct oxp_task *task) {
    ledger->queue.derived[task->priority]--;
    oxp_heap_take(&ledger->queue.tasks[task->priority], &task->queued);
    show(ledger, task->priority);
}

void oxp_queue_started_unknown(struct oxp_ledger *ledger, unsigned priority) {
    if (ledger->queue.base[priority] > 0) {
        ledger->queue.base[priority]--;
        show(ledger, priority);
    }
}

void oxp_queue_lose(struct oxp_ledger *ledger, const struct oxp_identity *source) {
    struct oxp_queue *queue = &ledger->queue;
    if (queue->source != source) {
        return;
    }
    queue->source = NULL;
    for (unsigned i = 0; i < OXP_PRIORITIES; i++) {
        queue->base[i] = 0;
        queue->head_s[i] = NAN;
        show(ledger, i);
    }
}

/* Rule 5. OXP_IGNORED when there are none. */
static enum oxp_status take_others(struct oxp_ledger *ledger, const struct oxp_moment *moment) {
    static const enum oxp_field quotas[] = {OXP_FIELD_QUOTA_SESSIONS,     OXP_FIELD_QUOTA_CREATE_RATE,
                                            OXP_FIELD_QUOTA_BROWSER_TIME, OXP_FIELD_QUOTA_PROXY,
                                            OXP_FIELD_QUOTA_TOKENS,       OXP_FIELD_QUOTA_DISK};
    enum oxp_status status = oxp_usage_take(ledger, moment);
    for (size_t i = 0; i < sizeof quotas / sizeof *quotas; i++) {
        if (oxp_event_has(moment->event, quotas[i])) {
            oxp_gauge_set(oxp_cell(&ledger->numbers, OXP_M_QUOTA_USED, i), moment->event->values[quotas[i]].number);
            status = status == OXP_IGNORED ? OXP_OK : status;
        }
    }
    return status;
}

enum oxp_status oxp_on_queue(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    static const struct {
        enum oxp_field length, oldest;
    } fields[OXP_PRIORITIES] = {
        {OXP_FIELD_QUEUE_LOW_LENGTH, OXP_FIELD_QUEUE_LOW_OLDEST_S},
        {OXP_FIELD_QUEUE_NORMAL_LENGTH, OXP_FIELD_QUEUE_NORMAL_OLDEST_S},
        {OXP_FIELD_QUEUE_HIGH_LENGTH, OXP_FIELD_QUEUE_HIGH_OLDEST_S},
    };
    struct oxp_queue *queue = &ledger->queue;
    bool any = false;
    for (unsigned i = 0; i < OXP_PRIORITIES; i++) {
        any = any || oxp_event_has(moment->event, fields[i].length);
    }
    enum oxp_status others = take_others(ledger, moment);
    if (!any && others == OXP_IGNORED) {
        return oxp_refuse_because(moment, OXP_REJECT_BAD_FIELD,
                                  "queue: none of low, normal, high has a length, nor are there workers or a quota");
    }
    if (!any || others < 0) {
        return others;
    }
    for (unsigned i = 0; i < OXP_PRIORITIES; i++) {
        long length = (long)fmin(oxp_event_number(moment->event, fields[i].length, 0), 1e9);
        queue->base[i] = length - queue->derived[i];
        queue->head_s[i] = length == 0 || !oxp_event_has(moment->event, fields[i].oldest)
                               ? NAN
                               : moment->ts - oxp_event_number(moment->event, fields[i].oldest, 0);
    }
    queue->source = moment->owner == &ledger->nobody ? NULL : moment->owner;
    oxp_persist_queue(ledger);
    for (unsigned i = 0; i < OXP_PRIORITIES; i++) {
        show(ledger, i);
    }
    return OXP_OK;
}

void oxp_queue_restore(struct oxp_ledger *ledger, const struct oxp_queue *read, struct oxp_identity *source) {
    struct oxp_queue *queue = &ledger->queue;
    queue->source = source == &ledger->nobody ? NULL : source;
    for (unsigned i = 0; i < OXP_PRIORITIES; i++) {
        queue->base[i] = read->base[i];
        queue->head_s[i] = read->head_s[i];
        show(ledger, i);
    }
}
