/* Circuit breakers (domain catalogue, section 5).
 *
 *  1. A breaker is known by its name. Exactly one of its states is 1.
 *  2. A transition counts as an entry into `to`, unless it says nothing new (`to` is the known state, and `from` is not
 *     another). One that is `resumed` counts when the breaker was not known and is not closed.
 *  3. Time spent open is counted as it passes.
 *  4. A transition to closed with cause manual is a manual reset, and an intervention (incidents.c).
 *  5. Past the bound of the label, breakers share "other", which shows the worst state and the most failures; past
 *     OXP_BREAKERS_MAX they only count.
 *  6. A breaker goes with its owner: nobody knows its state any more, so its gauges are hidden. One that nobody owns
 * and that is not closed goes after the idle limit. */
#include "exporter/ledger/parts.h"

#include <math.h>
#include <stdlib.h>

void oxp_breakers_init(struct oxp_ledger *ledger) {
    oxp_map_init(&ledger->breakers_by_name);
    oxp_list_init(&ledger->all_breakers);
}

void oxp_breakers_fini(struct oxp_ledger *ledger) {
    OXP_LIST_EACH(&ledger->all_breakers, link) {
        free(OXP_AROUND(link, struct oxp_breaker, all));
    }
    oxp_map_fini(&ledger->breakers_by_name);
}

static struct oxp_view name_of(const struct oxp_breaker *breaker) {
    return oxp_view_of(breaker->name, breaker->name_len);
}

/* ---- Gauges (rules 1, 5) ---- */

/* open is worse than half_open, which is worse than closed. */
static int badness(enum oxp_breaker_state state) {
    return state == OXP_BREAKER_OPEN ? 2 : state == OXP_BREAKER_HALF_OPEN ? 1 : 0;
}

/* Shows the worst of those that share this value, or hides it when there is none. */
static void show(struct oxp_ledger *ledger, struct oxp_open_value *value) {
    bool any = false;
    enum oxp_breaker_state worst = OXP_BREAKER_CLOSED;
    uint64_t failures = 0;
    OXP_LIST_EACH(&ledger->all_breakers, link) {
        const struct oxp_breaker *breaker = OXP_AROUND(link, struct oxp_breaker, all);
        if (breaker->value == value) {
            any = true;
            worst = badness(breaker->state) > badness(worst) ? breaker->state : worst;
            failures = breaker->failures > failures ? breaker->failures : failures;
        }
    }
    for (unsigned i = 0; i < OXP_BREAKER_STATES; i++) {
        if (any) {
            oxp_gauge_set(value->cells[OXP_BRK_STATE + i], i == worst);
        } else {
            oxp_series_hide(value->cells[OXP_BRK_STATE + i]);
        }
    }
    if (any) {
        oxp_gauge_set(value->cells[OXP_BRK_FAILURES], (double)failures);
    } else {
        oxp_series_hide(value->cells[OXP_BRK_FAILURES]);
    }
}

/* Counts open time up to now (rule 3). */
static void count_open_time(struct oxp_ledger *ledger, struct oxp_breaker *breaker) {
    double passed = ledger->mono_s - breaker->counted_at;
    breaker->counted_at = ledger->mono_s;
    if (breaker->state == OXP_BREAKER_OPEN && passed > 0) {
        breaker->open_total_s += passed;
        oxp_series_count(breaker->value->cells[OXP_BRK_OPEN_SECONDS], passed);
    }
}

/* ---- In and out ---- */

static struct oxp_breaker *new_breaker(struct oxp_ledger *ledger, struct oxp_view name, struct oxp_identity *owner) {
    struct oxp_breaker *breaker = calloc(1, sizeof *breaker);
    if (breaker == NULL) {
        return NULL;
    }
    oxp_list_init(&breaker->owned);
    oxp_list_init(&breaker->all);
    breaker->name_len = oxp_keep(breaker->name, sizeof breaker->name, name);
    breaker->value = oxp_open_get(&ledger->numbers.breakers, name);
    breaker->owner = owner;
    breaker->counted_at = ledger->mono_s;
    breaker->touched = ledger->patience_s;
    return breaker;
}

static enum oxp_status link_in(struct oxp_ledger *ledger, struct oxp_breaker *breaker) {
    if (oxp_map_set(&ledger->breakers_by_name, name_of(breaker), breaker, NULL) != OXP_OK) {
        return OXP_ERR_NOMEM;
    }
    oxp_list_push(&ledger->all_breakers, &breaker->all);
    oxp_list_push(&breaker->owner->breakers, &breaker->owned);
    return OXP_OK;
}

static void forget(struct oxp_ledger *ledger, struct oxp_breaker *breaker) {
    struct oxp_open_value *value = breaker->value;
    count_open_time(ledger, breaker);
    oxp_map_remove(&ledger->breakers_by_name, name_of(breaker));
    oxp_list_take(&breaker->all);
    oxp_list_take(&breaker->owned);
    free(breaker);
    show(ledger, value);
}

void oxp_breakers_forget(struct oxp_ledger *ledger, struct oxp_view name) {
    struct oxp_breaker *breaker = oxp_map_get(&ledger->breakers_by_name, name);
    if (breaker != NULL) {
        forget(ledger, breaker);
    }
}

/* ---- Rules 3, 6 ---- */

void oxp_breakers_lose(struct oxp_ledger *ledger, struct oxp_identity *owner) {
    OXP_LIST_EACH(&owner->breakers, link) {
        forget(ledger, OXP_AROUND(link, struct oxp_breaker, owned));
    }
}

void oxp_breakers_tick(struct oxp_ledger *ledger) {
    double idle_since = ledger->patience_s - ledger->options.idle_limit_s;
    OXP_LIST_EACH(&ledger->all_breakers, link) {
        struct oxp_breaker *breaker = OXP_AROUND(link, struct oxp_breaker, all);
        count_open_time(ledger, breaker);
        if (breaker->owner == &ledger->nobody && breaker->state != OXP_BREAKER_CLOSED &&
            breaker->touched <= idle_since) {
            oxp_persist_gone(ledger, 'b', name_of(breaker), OXP_CLOSED_NOT);
            forget(ledger, breaker);
        }
    }
}

/* ---- Events ---- */

/* An announced connection takes what has no owner at hand. True when it did. */
static bool take_over(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_breaker *breaker) {
    if (moment->owner == &ledger->nobody || moment->owner == breaker->owner) {
        return false;
    }
    breaker->owner = moment->owner;
    oxp_list_push(&moment->owner->breakers, &breaker->owned);
    return true;
}

/* The states that the event names, checked: `to` from `to` or `state`; `from` is -1 when it is absent. */
static enum oxp_status read_states(struct oxp_moment *moment, int *from, int *to) {
    const struct oxp_event *event = moment->event;
    enum oxp_field field = oxp_event_has(event, OXP_FIELD_TO) ? OXP_FIELD_TO : OXP_FIELD_STATE;
    if (!oxp_event_has(event, field)) {
        return oxp_refuse_because(moment, OXP_REJECT_BAD_FIELD,
                                  "to: a breaker event needs the state that it is in now");
    }
    *to = oxp_numbers_place(OXP_M_BREAKER_STATE, 1, oxp_event_text(event, field));
    if (*to < 0) {
        return oxp_refuse(moment, field, OXP_M_BREAKER_STATE, 1);
    }
    *from = -1;
    if (oxp_event_has(event, OXP_FIELD_FROM)) {
        *from = oxp_numbers_place(OXP_M_BREAKER_STATE, 1, oxp_event_text(event, OXP_FIELD_FROM));
        if (*from < 0) {
            return oxp_refuse(moment, OXP_FIELD_FROM, OXP_M_BREAKER_STATE, 1);
        }
    }
    struct oxp_view cause = oxp_event_text(event, OXP_FIELD_CAUSE);
    if (cause.len != 0 && !oxp_view_is(cause, "auto") && !oxp_view_is(cause, "manual")) {
        return oxp_refuse_because(moment, OXP_REJECT_BAD_FIELD, "cause: \"%.*s\" is not one of auto, manual",
                                  (int)(cause.len > 64 ? 64 : cause.len), cause.ptr);
    }
    return OXP_OK;
}

/* Rule 2. `known` says whether the breaker was. */
static bool is_transition(const struct oxp_event *event, const struct oxp_breaker *breaker, bool known, int from,
                          int to) {
    if (oxp_event_flag(event, OXP_FIELD_RESUMED, false)) {
        return !known && to != OXP_BREAKER_CLOSED;
    }
    if (from >= 0 && from != to) {
        return true;
    }
    return (unsigned)to != breaker->state;
}

static void apply_state(struct oxp_ledger *ledger, struct oxp_moment *moment, struct oxp_breaker *breaker, int to) {
    const struct oxp_event *event = moment->event;
    count_open_time(ledger, breaker);
    if ((unsigned)to != breaker->state || breaker->since_s == 0) {
        breaker->since_s = oxp_event_number(event, OXP_FIELD_STARTED_AT, moment->ts);
    }
    breaker->state = (enum oxp_breaker_state)to;
    breaker->failures =
        (uint64_t)oxp_event_number(event, OXP_FIELD_FAILURES, to == OXP_BREAKER_CLOSED ? 0 : (double)breaker->failures);
    if (oxp_event_has(event, OXP_FIELD_CAUSE)) {
        oxp_keep(breaker->cause, sizeof breaker->cause, oxp_event_text(event, OXP_FIELD_CAUSE));
    }
    oxp_persist_breaker(ledger, breaker);
    show(ledger, breaker->value);
}

/* The breaker of the event, made when it is not known; NULL past the cap or without memory. */
static struct oxp_breaker *get(struct oxp_ledger *ledger, const struct oxp_moment *moment, bool *known) {
    struct oxp_view name = oxp_event_text(moment->event, OXP_FIELD_NAME);
    struct oxp_breaker *breaker = oxp_map_get(&ledger->breakers_by_name, name);
    *known = breaker != NULL;
    if (*known) {
        return breaker;
    }
    if (ledger->breakers_by_name.count >= OXP_BREAKERS_MAX) {
        return NULL;
    }
    breaker = new_breaker(ledger, name, moment->owner);
    if (breaker != NULL && link_in(ledger, breaker) != OXP_OK) {
        free(breaker);
        return NULL;
    }
    return breaker;
}

enum oxp_status oxp_on_breaker(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    int from = -1, to = 0;
    enum oxp_status status = read_states(moment, &from, &to);
    if (status != OXP_OK) {
        return status;
    }
    oxp_ledger_now(ledger);
    bool known;
    struct oxp_breaker *breaker = get(ledger, moment, &known);
    if (breaker == NULL) { /* rule 5: it only counts */
        struct oxp_open_value *value = oxp_open_get(&ledger->numbers.breakers, oxp_event_text(event, OXP_FIELD_NAME));
        oxp_count_event(ledger, moment, value->cells[OXP_BRK_TRANSITIONS + to]);
        return OXP_OK;
    }
    moment->ts = oxp_clamp(ledger, moment, &breaker->last_s);
    breaker->touched = ledger->patience_s;
    bool taken = take_over(ledger, moment, breaker);
    bool transition = is_transition(event, breaker, known, from, to);
    bool failures = oxp_event_has(event, OXP_FIELD_FAILURES);
    if (known && !transition && !taken && !failures && (unsigned)to == breaker->state) {
        return OXP_IGNORED;
    }
    apply_state(ledger, moment, breaker, to);
    if (transition) {
        oxp_count_event(ledger, moment, breaker->value->cells[OXP_BRK_TRANSITIONS + to]);
        if (to == OXP_BREAKER_CLOSED && oxp_view_is(oxp_event_text(event, OXP_FIELD_CAUSE), "manual")) {
            oxp_count_event(ledger, moment, breaker->value->cells[OXP_BRK_RESETS]);
            oxp_incidents_manual_reset(ledger, moment);
            const char *pairs[] = {"breaker", breaker->name, "writer", breaker->owner->writer, NULL};
            oxp_note(ledger, OXP_NOTE_INFO, OXP_LEDGER_BREAKER_RESET, pairs);
        }
    }
    return OXP_OK;
}

enum oxp_status oxp_on_breaker_calls(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    static const enum oxp_field fields[OXP_BREAKER_RESULTS] = {OXP_FIELD_SUCCESS, OXP_FIELD_FAILURE, OXP_FIELD_REJECTED,
                                                               OXP_FIELD_IGNORED};
    const struct oxp_event *event = moment->event;
    struct oxp_view name = oxp_event_text(event, OXP_FIELD_NAME);
    struct oxp_breaker *breaker = oxp_map_get(&ledger->breakers_by_name, name);
    struct oxp_open_value *value = breaker != NULL ? breaker->value : oxp_open_get(&ledger->numbers.breakers, name);
    for (size_t i = 0; i < OXP_BREAKER_RESULTS; i++) {
        uint64_t calls = (uint64_t)oxp_event_number(event, fields[i], 0);
        if (calls != 0) {
            oxp_count(value->cells[OXP_BRK_CALLS + i], calls);
        }
    }
    if (breaker == NULL) {
        bool known;
        breaker = get(ledger, moment, &known); /* a breaker that never opened is closed */
        if (breaker == NULL) {
            return OXP_OK;
        }
        breaker->since_s = moment->ts;
        oxp_persist_breaker(ledger, breaker);
        show(ledger, value);
    }
    breaker->touched = ledger->patience_s;
    if (oxp_event_has(event, OXP_FIELD_FAILURES)) {
        breaker->failures = (uint64_t)oxp_event_number(event, OXP_FIELD_FAILURES, 0);
        show(ledger, value);
    }
    return OXP_OK;
}

/* ---- After a restart ---- */

void oxp_breakers_restore(struct oxp_ledger *ledger, const struct oxp_breaker *read, struct oxp_identity *owner) {
    struct oxp_breaker *breaker = oxp_map_get(&ledger->breakers_by_name, name_of(read));
    if (breaker == NULL) {
        breaker = new_breaker(ledger, name_of(read), owner);
        if (breaker == NULL) {
            return;
        }
        if (link_in(ledger, breaker) != OXP_OK) {
            free(breaker);
            return;
        }
    }
    breaker->owner = owner;
    oxp_list_push(&owner->breakers, &breaker->owned);
    breaker->state = (unsigned)read->state < OXP_BREAKER_STATES ? read->state : OXP_BREAKER_CLOSED;
    breaker->since_s = read->since_s;
    breaker->last_s = read->last_s;
    breaker->open_total_s = read->open_total_s;
    breaker->failures = read->failures;
    memcpy(breaker->cause, read->cause, sizeof breaker->cause);
    show(ledger, breaker->value);
}
