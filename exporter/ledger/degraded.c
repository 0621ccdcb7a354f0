/* Components in reduced mode (domain catalogue, section 5).
 *
 *  1. A component is degraded from on=true to on=false. Said again, it says nothing new.
 *  2. on=true with ok, or outcome, is a fallback that was taken and worked or failed: it counts each time, unless it is
 *     `resumed`.
 *  3. It goes with its owner: who does not run does not run in reduced mode. One that nobody owns goes after the idle
 *     limit. Its gauge is 0 then.
 *  4. Past the bound of the label components share "other", which is 1 while any of them is degraded; past
 *     OXP_DEGRADED_MAX they only count. */
#include "exporter/ledger/parts.h"

#include <stdlib.h>

static struct oxp_view name_of(const struct oxp_degraded *degraded) {
    return oxp_view_of(degraded->name, degraded->name_len);
}

void oxp_degraded_init(struct oxp_ledger *ledger) {
    oxp_map_init(&ledger->degraded_by_name);
    oxp_list_init(&ledger->all_degraded);
}

void oxp_degraded_fini(struct oxp_ledger *ledger) {
    OXP_LIST_EACH(&ledger->all_degraded, link) {
        free(OXP_AROUND(link, struct oxp_degraded, all));
    }
    oxp_map_fini(&ledger->degraded_by_name);
}

static void show(struct oxp_ledger *ledger, struct oxp_open_value *value) {
    bool any = false;
    OXP_LIST_EACH(&ledger->all_degraded, link) {
        any = any || OXP_AROUND(link, struct oxp_degraded, all)->value == value;
    }
    oxp_gauge_set(value->cells[OXP_CMP_DEGRADED], any);
}

static enum oxp_status link_in(struct oxp_ledger *ledger, struct oxp_degraded *degraded) {
    if (oxp_map_set(&ledger->degraded_by_name, name_of(degraded), degraded, NULL) != OXP_OK) {
        return OXP_ERR_NOMEM;
    }
    oxp_list_push(&ledger->all_degraded, &degraded->all);
    oxp_list_push(&degraded->owner->degraded, &degraded->owned);
    show(ledger, degraded->value);
    return OXP_OK;
}

static void forget(struct oxp_ledger *ledger, struct oxp_degraded *degraded) {
    struct oxp_open_value *value = degraded->value;
    oxp_map_remove(&ledger->degraded_by_name, name_of(degraded));
    oxp_list_take(&degraded->all);
    oxp_list_take(&degraded->owned);
    free(degraded);
    show(ledger, value);
}

void oxp_degraded_forget(struct oxp_ledger *ledger, struct oxp_view name) {
    struct oxp_degraded *degraded = oxp_map_get(&ledger->degraded_by_name, name);
    if (degraded != NULL) {
        forget(ledger, degraded);
    }
}

static void end(struct oxp_ledger *ledger, struct oxp_degraded *degraded) {
    oxp_persist_gone(ledger, 'd', name_of(degraded), OXP_CLOSED_NOT);
    forget(ledger, degraded);
}

void oxp_degraded_lose(struct oxp_ledger *ledger, struct oxp_identity *owner) {
    OXP_LIST_EACH(&owner->degraded, link) {
        forget(ledger, OXP_AROUND(link, struct oxp_degraded, owned));
    }
}

void oxp_degraded_tick(struct oxp_ledger *ledger) {
    double idle_since = ledger->patience_s - ledger->options.idle_limit_s;
    OXP_LIST_EACH(&ledger->nobody.degraded, link) {
        struct oxp_degraded *degraded = OXP_AROUND(link, struct oxp_degraded, owned);
        if (degraded->touched > idle_since) {
            break;
        }
        end(ledger, degraded);
    }
}

/* Rule 2: 1 when a fallback worked, 0 when it failed, -1 when none was taken; -2 for an outcome that is none. */
static int fallback_of(const struct oxp_event *event) {
    if (oxp_event_has(event, OXP_FIELD_OUTCOME)) {
        int place = oxp_numbers_place(OXP_M_FALLBACKS, 1, oxp_event_text(event, OXP_FIELD_OUTCOME));
        return place < 0 ? -2 : place == OXP_OK_OK;
    }
    return oxp_event_has(event, OXP_FIELD_OK) ? oxp_event_flag(event, OXP_FIELD_OK, true) : -1;
}

static struct oxp_degraded *new_degraded(struct oxp_identity *owner, struct oxp_view name,
                                         struct oxp_open_value *value) {
    struct oxp_degraded *degraded = calloc(1, sizeof *degraded);
    if (degraded != NULL) {
        oxp_list_init(&degraded->owned);
        oxp_list_init(&degraded->all);
        degraded->name_len = oxp_keep(degraded->name, sizeof degraded->name, name);
        degraded->owner = owner;
        degraded->value = value;
    }
    return degraded;
}

/* It was not known as degraded. */
static enum oxp_status begin(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_open_value *value) {
    if (ledger->degraded_by_name.count >= OXP_DEGRADED_MAX) {
        return OXP_IGNORED;
    }
    struct oxp_degraded *degraded =
        new_degraded(moment->owner, oxp_event_text(moment->event, OXP_FIELD_COMPONENT), value);
    if (degraded == NULL) {
        return OXP_ERR_NOMEM;
    }
    degraded->since_s = oxp_event_number(moment->event, OXP_FIELD_STARTED_AT, moment->ts);
    degraded->touched = ledger->patience_s;
    oxp_persist_degraded(ledger, degraded);
    if (link_in(ledger, degraded) != OXP_OK) {
        oxp_persist_gone(ledger, 'd', name_of(degraded), OXP_CLOSED_NOT);
        free(degraded);
        return OXP_ERR_NOMEM;
    }
    return OXP_OK;
}

/* It is said again. An announced connection takes what somebody else had. */
static void again(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_degraded *degraded) {
    degraded->touched = ledger->patience_s;
    bool takes = moment->owner != &ledger->nobody && moment->owner != degraded->owner;
    degraded->owner = takes ? moment->owner : degraded->owner;
    oxp_list_push(&degraded->owner->degraded, &degraded->owned);
    if (takes) {
        oxp_persist_degraded(ledger, degraded);
    }
}

enum oxp_status oxp_on_degraded(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    bool on = oxp_event_flag(event, OXP_FIELD_ON, false);
    int fallback = fallback_of(event);
    if (fallback == -2) {
        return oxp_refuse(moment, OXP_FIELD_OUTCOME, OXP_M_FALLBACKS, 1);
    }
    struct oxp_view name = oxp_event_text(event, OXP_FIELD_COMPONENT);
    struct oxp_open_value *value = oxp_open_get(&ledger->numbers.components, name);
    struct oxp_degraded *degraded = oxp_map_get(&ledger->degraded_by_name, name);
    enum oxp_status status = OXP_IGNORED;
    if (on && degraded == NULL) {
        status = begin(ledger, moment, value);
    } else if (on) {
        again(ledger, moment, degraded);
    } else if (degraded != NULL) {
        end(ledger, degraded);
        status = OXP_OK;
    }
    if (status < 0 || !on || fallback < 0 || oxp_event_flag(event, OXP_FIELD_RESUMED, false)) {
        return status;
    }
    oxp_count_event(ledger, moment, value->cells[OXP_CMP_FALLBACKS + (fallback != 0 ? OXP_OK_OK : OXP_OK_FAILED)]);
    return OXP_OK;
}

void oxp_degraded_restore(struct oxp_ledger *ledger, const struct oxp_degraded *read, struct oxp_identity *owner) {
    oxp_degraded_forget(ledger, name_of(read));
    struct oxp_degraded *degraded =
        new_degraded(owner, name_of(read), oxp_open_get(&ledger->numbers.components, name_of(read)));
    if (degraded == NULL) {
        return;
    }
    degraded->since_s = read->since_s;
    degraded->touched = ledger->patience_s;
    if (link_in(ledger, degraded) != OXP_OK) {
        free(degraded);
    }
}
