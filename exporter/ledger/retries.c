/* Retries (domain catalogue, section 5).
 *
 *  1. A retry without an outcome is one more attempt: counted by upstream and by the category of its code, its delay
 *     observed, and the operation sleeps until the delay is over or its next retry event comes.
 *  2. A retry whose reason is one of the deferrals was put back on the queue: it is counted as such and does not sleep.
 *  3. A retry with an outcome is the end of the operation, counted when it took more than one attempt.
 *  4. An operation is known by its op with its task, else its session. */
#include "exporter/ledger/parts.h"

#include <math.h>
#include <stdlib.h>

static void show(struct oxp_ledger *ledger) {
    oxp_gauge_set(oxp_cell(&ledger->numbers, OXP_M_RETRY_BACKOFFS, 0), (double)ledger->backoffs_by_key.count);
}

static void forget(struct oxp_ledger *ledger, struct oxp_backoff *backoff) {
    oxp_map_remove(&ledger->backoffs_by_key, oxp_view_of(backoff->key, backoff->key_len));
    oxp_heap_take(&ledger->backoffs, &backoff->until);
    oxp_list_take(&backoff->owned);
    free(backoff);
}

void oxp_retries_fini(struct oxp_ledger *ledger) {
    struct oxp_backoff *backoff;
    for (size_t i = 0; (backoff = oxp_map_next(&ledger->backoffs_by_key, &i)) != NULL;) {
        free(backoff);
    }
    oxp_map_fini(&ledger->backoffs_by_key);
    oxp_heap_fini(&ledger->backoffs);
}

void oxp_retries_lose(struct oxp_ledger *ledger, struct oxp_identity *owner) {
    OXP_LIST_EACH(&owner->backoffs, link) {
        forget(ledger, OXP_AROUND(link, struct oxp_backoff, owned));
    }
    show(ledger);
}

void oxp_retries_tick(struct oxp_ledger *ledger) {
    struct oxp_heap_node *least;
    while ((least = oxp_heap_least(&ledger->backoffs)) != NULL && least->key <= ledger->mono_s) {
        forget(ledger, OXP_AROUND(least, struct oxp_backoff, until));
    }
    show(ledger);
}

/* The operation sleeps from the event's time on. Without memory, or past the cap, it is not followed. */
static void sleep_until(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_view key,
                        double delay_s) {
    oxp_ledger_now(ledger);
    double left = moment->ts + delay_s - ledger->wall_s;
    if (left <= 0 || ledger->backoffs_by_key.count >= OXP_BACKOFFS_MAX ||
        oxp_heap_reserve(&ledger->backoffs, ledger->backoffs.count + 1) != OXP_OK) {
        return;
    }
    struct oxp_backoff *backoff = calloc(1, sizeof *backoff);
    if (backoff == NULL) {
        return;
    }
    memcpy(backoff->key, key.ptr, key.len);
    backoff->key_len = key.len;
    if (oxp_map_set(&ledger->backoffs_by_key, oxp_view_of(backoff->key, key.len), backoff, NULL) != OXP_OK) {
        free(backoff);
        return;
    }
    backoff->owner = moment->owner;
    oxp_list_init(&backoff->owned);
    oxp_list_push(&moment->owner->backoffs, &backoff->owned);
    oxp_heap_put(&ledger->backoffs, &backoff->until, ledger->mono_s + left);
}

static unsigned category_of(const struct oxp_ledger *ledger, const struct oxp_event *event) {
    struct oxp_view code = oxp_event_text(event, OXP_FIELD_CODE);
    if (code.len != 0) {
        struct oxp_evidence evidence = {.code = code, .category = oxp_event_text(event, OXP_FIELD_CATEGORY)};
        const struct oxp_code *row = oxp_classify(&evidence);
        const struct oxp_code_number *number = oxp_numbers_code(&ledger->numbers, row);
        if (number->code == row) {
            return number->category;
        }
        return oxp_numbers_place_or(OXP_M_RETRY_ATTEMPTS, 1, oxp_view_from(row->category), OXP_CATEGORY_UNKNOWN);
    }
    return oxp_numbers_place_or(OXP_M_RETRY_ATTEMPTS, 1, oxp_event_text(event, OXP_FIELD_CATEGORY),
                                OXP_CATEGORY_UNKNOWN);
}

static enum oxp_status retry_ended(struct oxp_ledger *ledger, struct oxp_moment *moment, unsigned upstream) {
    const struct oxp_event *event = moment->event;
    int outcome = oxp_numbers_place(OXP_M_RETRY_OPERATIONS, 1, oxp_event_text(event, OXP_FIELD_OUTCOME));
    double attempts = oxp_event_number(event, OXP_FIELD_ATTEMPTS, oxp_event_number(event, OXP_FIELD_ATTEMPT, 2));
    if (attempts < 2) {
        return OXP_IGNORED;
    }
    oxp_count_event(ledger, moment,
                    oxp_cell(&ledger->numbers, OXP_M_RETRY_OPERATIONS, upstream * 4 + (unsigned)outcome));
    return OXP_OK;
}

enum oxp_status oxp_on_retry(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    bool ended = oxp_event_has(event, OXP_FIELD_OUTCOME);
    if (ended && oxp_numbers_place(OXP_M_RETRY_OPERATIONS, 1, oxp_event_text(event, OXP_FIELD_OUTCOME)) < 0) {
        return oxp_refuse(moment, OXP_FIELD_OUTCOME, OXP_M_RETRY_OPERATIONS, 1);
    }
    struct oxp_view what = oxp_event_text(event, OXP_FIELD_TASK);
    char key[OXP_PAIR_SIZE];
    size_t key_len = oxp_pair(key, oxp_event_text(event, OXP_FIELD_OP),
                              what.len != 0 ? what : oxp_event_text(event, OXP_FIELD_SESSION));
    struct oxp_backoff *backoff = oxp_map_get(&ledger->backoffs_by_key, oxp_view_of(key, key_len));
    if (backoff != NULL) {
        forget(ledger, backoff);
    }
    unsigned upstream =
        oxp_numbers_place_or(OXP_M_RETRY_ATTEMPTS, 0, oxp_event_text(event, OXP_FIELD_UPSTREAM), OXP_UPSTREAM_OTHER);
    enum oxp_status status = OXP_OK;
    int deferral = oxp_numbers_place(OXP_M_RETRY_DEFERRED, 0, oxp_event_text(event, OXP_FIELD_REASON));
    if (ended) {
        status = retry_ended(ledger, moment, upstream);
    } else if (deferral >= 0) {
        oxp_count_event(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_RETRY_DEFERRED, (size_t)deferral));
        oxp_incidents_act(ledger, what, OXP_DOES_REQUEUE);
    } else {
        unsigned category = category_of(ledger, event);
        oxp_incidents_act(ledger, what, OXP_DOES_RETRY);
        oxp_count_event(ledger, moment,
                        oxp_cell(&ledger->numbers, OXP_M_RETRY_ATTEMPTS, upstream * OXP_CATEGORIES + category));
        if (oxp_event_has(event, OXP_FIELD_DELAY_S)) {
            double delay = oxp_event_number(event, OXP_FIELD_DELAY_S, 0);
            oxp_observe(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_RETRY_DELAY, upstream), delay);
            sleep_until(ledger, moment, oxp_view_of(key, key_len), delay);
        }
    }
    show(ledger);
    return status;
}
