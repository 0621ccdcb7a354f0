/* Checkpoints (domain catalogue, section 5).
 *
 *  1. A checkpoint's outcome is what it says, else ok when `ok`, else failed; of one that was restored, corrupt: that
 * is what does not pass its verification, while one that is missing or from another version is known as that.
 *  2. A removal says why, and may say how many went.
 *  3. Any checkpoint event may say how many are kept, their size, and how many wait for the writer; the last word
 *     counts. How many wait goes with who said it, what is kept does not. */
#include "exporter/ledger/parts.h"

/* The outcome's place in the closed set of `metric`, or refused. */
static enum oxp_status outcome_of(struct oxp_moment *moment, enum oxp_metric metric, unsigned *place) {
    const struct oxp_event *event = moment->event;
    unsigned bad = metric == OXP_M_CHECKPOINT_RESTORES ? (unsigned)OXP_RESTORE_CORRUPT : (unsigned)OXP_OK_FAILED;
    *place = oxp_event_flag(event, OXP_FIELD_OK, true) ? OXP_OK_OK : bad;
    if (!oxp_event_has(event, OXP_FIELD_OUTCOME)) {
        return OXP_OK;
    }
    int found = oxp_numbers_place(metric, 0, oxp_event_text(event, OXP_FIELD_OUTCOME));
    if (found < 0) {
        return oxp_refuse(moment, OXP_FIELD_OUTCOME, metric, 0);
    }
    *place = (unsigned)found;
    return OXP_OK;
}

static void saved(struct oxp_ledger *ledger, struct oxp_moment *moment, unsigned outcome) {
    const struct oxp_event *event = moment->event;
    struct oxp_numbers *numbers = &ledger->numbers;
    if (oxp_event_has(event, OXP_FIELD_OVERHEAD_S)) {
        oxp_observe(ledger, moment, oxp_cell(numbers, OXP_M_CHECKPOINT_OVERHEAD, 0),
                    event->values[OXP_FIELD_OVERHEAD_S].number);
    }
    if (oxp_event_has(event, OXP_FIELD_WRITE_S)) {
        oxp_observe(ledger, moment, oxp_cell(numbers, OXP_M_CHECKPOINT_WRITE_DURATION, 0),
                    event->values[OXP_FIELD_WRITE_S].number);
    }
    if (outcome == OXP_OK_OK) {
        oxp_gauge_set(oxp_cell(numbers, OXP_M_CHECKPOINT_LAST_SUCCESS, 0), moment->ts);
    }
}

static enum oxp_status removed_some(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    int reason = oxp_numbers_place(OXP_M_CHECKPOINTS_REMOVED, 0, oxp_event_text(moment->event, OXP_FIELD_REASON));
    if (reason < 0) {
        return oxp_refuse(moment, OXP_FIELD_REASON, OXP_M_CHECKPOINTS_REMOVED, 0);
    }
    struct oxp_series *removed = oxp_cell(&ledger->numbers, OXP_M_CHECKPOINTS_REMOVED, (size_t)reason);
    oxp_count(removed, (uint64_t)oxp_event_number(moment->event, OXP_FIELD_REMOVED, 1));
    return OXP_OK;
}

/* Rule 3. */
static void take_stock(struct oxp_ledger *ledger, const struct oxp_moment *moment) {
    static const struct {
        enum oxp_field field;
        enum oxp_metric metric;
    } rows[] = {
        {OXP_FIELD_STORED, OXP_M_CHECKPOINTS_STORED},
        {OXP_FIELD_STORED_BYTES, OXP_M_CHECKPOINT_BYTES},
        {OXP_FIELD_BACKLOG, OXP_M_CHECKPOINT_BACKLOG},
    };
    const struct oxp_event *event = moment->event;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (oxp_event_has(event, rows[i].field)) {
            oxp_gauge_set(oxp_cell(&ledger->numbers, rows[i].metric, 0), event->values[rows[i].field].number);
        }
    }
    if (oxp_event_has(event, OXP_FIELD_BACKLOG)) {
        ledger->backlog_source = moment->owner;
    }
}

void oxp_checkpoints_lose(struct oxp_ledger *ledger, const struct oxp_identity *owner) {
    if (ledger->backlog_source == owner) {
        ledger->backlog_source = NULL;
        oxp_gauge_set(oxp_cell(&ledger->numbers, OXP_M_CHECKPOINT_BACKLOG, 0), 0);
    }
}

static enum oxp_status count_op(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    static const struct {
        const char *op;
        enum oxp_metric metric;
    } ops[] = {
        {"saved", OXP_M_CHECKPOINT_WRITES},
        {"restored", OXP_M_CHECKPOINT_RESTORES},
        {"verified", OXP_M_CHECKPOINT_VERIFICATIONS},
    };
    struct oxp_view op = oxp_event_text(moment->event, OXP_FIELD_OP);
    if (oxp_view_is(op, "removed")) {
        return removed_some(ledger, moment);
    }
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (!oxp_view_is(op, ops[i].op)) {
            continue;
        }
        unsigned outcome;
        enum oxp_status status = outcome_of(moment, ops[i].metric, &outcome);
        if (status != OXP_OK) {
            return status;
        }
        oxp_count_event(ledger, moment, oxp_cell(&ledger->numbers, ops[i].metric, outcome));
        if (ops[i].metric == OXP_M_CHECKPOINT_WRITES) {
            saved(ledger, moment, outcome);
        }
        return OXP_OK;
    }
    return oxp_refuse_because(moment, OXP_REJECT_BAD_FIELD,
                              "op: \"%.*s\" is not one of saved, restored, verified, removed", (int)op.len, op.ptr);
}

enum oxp_status oxp_on_checkpoint(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    enum oxp_status status = count_op(ledger, moment);
    if (status == OXP_OK) {
        take_stock(ledger, moment);
    }
    return status;
}

void oxp_checkpoints_restore(struct oxp_ledger *ledger, const struct oxp_loose *read) {
    const struct oxp_numbers *numbers = &ledger->numbers;
    if (read->checkpoint_s > 0) {
        oxp_gauge_set(oxp_cell(numbers, OXP_M_CHECKPOINT_LAST_SUCCESS, 0), read->checkpoint_s);
    }
    oxp_gauge_set(oxp_cell(numbers, OXP_M_CHECKPOINTS_STORED, 0), read->stored);
    oxp_gauge_set(oxp_cell(numbers, OXP_M_CHECKPOINT_BYTES, 0), read->stored_bytes);
}
