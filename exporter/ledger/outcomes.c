/* Transactions, debugger runs and stages: events that say how something came out and leave nothing open (domain
 * catalogue, section 5); and the types that the ledger only passes on.
 *
 *  1. A transaction counts by its outcome. Unless it was committed its steps are undo steps: those that failed, and the
 *     rest that worked; its duration is the rollback's.
 *  2. A debugger run counts by its outcome. A fix that it names was tried, and worked when the run fixed it, unless it
 *     is only suggested.
 *  3. A stage counts its items and sessions; its duration is observed when it is given.
 *  4. span, log, alert and audit move no family: they are kept by the rings of recent traces and logs. */
#include "exporter/ledger/parts.h"

#include <math.h>

static uint64_t count_in(const struct oxp_event *event, enum oxp_field field) {
    return (uint64_t)oxp_event_number(event, field, 0);
}

static void observe_duration(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_series *series) {
    if (oxp_event_has(moment->event, OXP_FIELD_DURATION_S)) {
        oxp_observe(ledger, moment, series, moment->event->values[OXP_FIELD_DURATION_S].number);
    }
}

enum oxp_status oxp_on_transaction(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    int outcome = oxp_numbers_place(OXP_M_TRANSACTIONS, 0, oxp_event_text(event, OXP_FIELD_OUTCOME));
    if (outcome < 0) {
        return oxp_refuse(moment, OXP_FIELD_OUTCOME, OXP_M_TRANSACTIONS, 0);
    }
    oxp_count_event(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_TRANSACTIONS, (size_t)outcome));
    if (outcome == OXP_TRANSACTION_COMMITTED) {
        return OXP_OK;
    }
    uint64_t steps = count_in(event, OXP_FIELD_STEPS), failed = count_in(event, OXP_FIELD_FAILED_STEPS);
    oxp_count(oxp_cell(&ledger->numbers, OXP_M_ROLLBACK_STEPS, OXP_OK_OK), steps > failed ? steps - failed : 0);
    oxp_count(oxp_cell(&ledger->numbers, OXP_M_ROLLBACK_STEPS, OXP_OK_FAILED), failed);
    observe_duration(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_ROLLBACK_DURATION, 0));
    return OXP_OK;
}

enum oxp_status oxp_on_debugger(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    int outcome = oxp_numbers_place(OXP_M_DEBUGGER_RUNS, 0, oxp_event_text(event, OXP_FIELD_OUTCOME));
    if (outcome < 0) {
        return oxp_refuse(moment, OXP_FIELD_OUTCOME, OXP_M_DEBUGGER_RUNS, 0);
    }
    oxp_count_event(ledger, moment, oxp_cell(&ledger->numbers, OXP_M_DEBUGGER_RUNS, (size_t)outcome));
    struct oxp_view fix = oxp_event_text(event, OXP_FIELD_FIX);
    if (fix.len != 0 && outcome != OXP_DEBUGGER_SUGGESTED) {
        struct oxp_open_value *value = oxp_open_get(&ledger->numbers.fixes, fix);
        oxp_count_event(ledger, moment, value->cells[outcome == OXP_DEBUGGER_FIXED ? OXP_OK_OK : OXP_OK_FAILED]);
    }
    return OXP_OK;
}

enum oxp_status oxp_on_stage(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    int stage = oxp_numbers_place(OXP_M_STAGE_DURATION, 0, oxp_event_text(event, OXP_FIELD_STAGE));
    if (stage < 0) {
        return oxp_refuse(moment, OXP_FIELD_STAGE, OXP_M_STAGE_DURATION, 0);
    }
    const struct oxp_numbers *numbers = &ledger->numbers;
    size_t items = (size_t)stage * 2;
    oxp_count(oxp_cell(numbers, OXP_M_STAGE_ITEMS, items + OXP_OK_OK), count_in(event, OXP_FIELD_ITEMS_OK));
    oxp_count(oxp_cell(numbers, OXP_M_STAGE_ITEMS, items + OXP_OK_FAILED), count_in(event, OXP_FIELD_ITEMS_FAILED));
    oxp_count(oxp_cell(numbers, OXP_M_STAGE_SESSIONS, (size_t)stage), count_in(event, OXP_FIELD_SESSIONS));
    observe_duration(ledger, moment, oxp_cell(numbers, OXP_M_STAGE_DURATION, (size_t)stage));
    return OXP_OK;
}

enum oxp_status oxp_on_passed_on(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    (void)ledger;
    (void)moment;
    return OXP_OK;
}
