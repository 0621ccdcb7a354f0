/* Workflow runs (domain catalogue, section 5).
 *
 *  1. A run is known by its workflow and, where runs of one workflow overlap, by `run`.
 *  2. workflow.ended counts, even when its start was not seen, then without a duration of its own. A second end of a
 * run that has a `run` id is ignored; without one nobody can tell it from another run's end.
 *  3. The runs of a lost owner have failed. Written off so, a late end is ignored. */
#include "exporter/ledger/parts.h"

#include <math.h>
#include <stdlib.h>

static struct oxp_view key_of(const struct oxp_run *run) {
    return oxp_view_of(run->key, run->key_len);
}

struct oxp_open_value *oxp_runs_flow(struct oxp_ledger *ledger, struct oxp_view workflow) {
    return oxp_open_get(&ledger->numbers.workflows, workflow.len == 0 ? OXP_VIEW("none") : workflow);
}

static void forget(struct oxp_ledger *ledger, struct oxp_run *run) {
    oxp_map_remove(&ledger->runs_by_key, key_of(run));
    oxp_list_take(&run->owned);
    free(run);
}

void oxp_runs_forget(struct oxp_ledger *ledger, struct oxp_view key) {
    struct oxp_run *run = oxp_map_get(&ledger->runs_by_key, key);
    if (run != NULL) {
        forget(ledger, run);
    }
}

void oxp_runs_fini(struct oxp_ledger *ledger) {
    struct oxp_run *run;
    for (size_t i = 0; (run = oxp_map_next(&ledger->runs_by_key, &i)) != NULL;) {
        free(run);
    }
    oxp_map_fini(&ledger->runs_by_key);
}

static uint64_t hash_of(const struct oxp_ledger *ledger, struct oxp_view key) {
    return oxp_closed_hash(&ledger->closed, 'r', key);
}

void oxp_runs_lose(struct oxp_ledger *ledger, struct oxp_identity *owner) {
    OXP_LIST_EACH(&owner->runs, link) {
        struct oxp_run *run = OXP_AROUND(link, struct oxp_run, owned);
        if (!ledger->replaying) {
            oxp_count(run->flow->cells[OXP_FLOW_RUNS + OXP_RUN_FAILED], 1);
        }
        if (run->named) {
            oxp_closed_put(&ledger->closed, hash_of(ledger, key_of(run)), OXP_CLOSED_WRITTEN_OFF);
        }
        forget(ledger, run);
    }
}

static enum oxp_status link_in(struct oxp_ledger *ledger, struct oxp_run *run) {
    if (oxp_map_set(&ledger->runs_by_key, key_of(run), run, NULL) != OXP_OK) {
        return OXP_ERR_NOMEM;
    }
    oxp_list_push(&run->owner->runs, &run->owned);
    return OXP_OK;
}

static size_t event_key(const struct oxp_event *event, char *key) {
    return oxp_pair(key, oxp_event_text(event, OXP_FIELD_WORKFLOW), oxp_event_text(event, OXP_FIELD_RUN));
}

/* The run that nobody owns and that began first makes room; with none such the new one is not followed. */
static bool make_room(struct oxp_ledger *ledger) {
    if (ledger->runs_by_key.count < OXP_RUNS_MAX) {
        return true;
    }
    if (oxp_list_is_empty(&ledger->nobody.runs)) {
        return false;
    }
    struct oxp_run *run = OXP_AROUND(ledger->nobody.runs.next, struct oxp_run, owned);
    oxp_persist_gone(ledger, 'r', key_of(run), OXP_CLOSED_NOT);
    forget(ledger, run);
    return true;
}

enum oxp_status oxp_on_workflow_started(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    char key[OXP_PAIR_SIZE];
    size_t key_len = event_key(event, key);
    bool named = oxp_event_has(event, OXP_FIELD_RUN);
    struct oxp_run *run = oxp_map_get(&ledger->runs_by_key, oxp_view_of(key, key_len));
    struct oxp_open_value *flow = oxp_runs_flow(ledger, oxp_event_text(event, OXP_FIELD_WORKFLOW));
    enum oxp_closed_how how = oxp_closed_find(&ledger->closed, hash_of(ledger, oxp_view_of(key, key_len)));
    if (run != NULL || (named && how == OXP_CLOSED_ENDED) || !make_room(ledger)) {
        return OXP_IGNORED;
    }
    run = calloc(1, sizeof *run);
    if (run == NULL) {
        return OXP_ERR_NOMEM;
    }
    oxp_list_init(&run->owned);
    memcpy(run->key, key, key_len);
    run->key_len = key_len;
    run->named = named;
    run->flow = flow;
    run->owner = moment->owner;
    run->started_s = oxp_event_number(event, OXP_FIELD_STARTED_AT, moment->ts);
    run->last_s = moment->ts;
    oxp_persist_run(ledger, run);
    enum oxp_status status = link_in(ledger, run);
    if (status != OXP_OK) {
        free(run);
        return status;
    }
    oxp_closed_remove(&ledger->closed, hash_of(ledger, key_of(run)));
    return OXP_OK;
}

enum oxp_status oxp_on_workflow_ended(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    int status = oxp_numbers_place(OXP_M_WORKFLOW_RUNS, 1, oxp_event_text(event, OXP_FIELD_STATUS));
    if (status < 0) {
        return oxp_refuse(moment, OXP_FIELD_STATUS, OXP_M_WORKFLOW_RUNS, 1);
    }
    char key[OXP_PAIR_SIZE];
    struct oxp_view view = oxp_view_of(key, event_key(event, key));
    bool named = oxp_event_has(event, OXP_FIELD_RUN);
    struct oxp_run *run = oxp_map_get(&ledger->runs_by_key, view);
    if (run == NULL && named && oxp_closed_find(&ledger->closed, hash_of(ledger, view)) != OXP_CLOSED_NOT) {
        return OXP_IGNORED;
    }
    struct oxp_open_value *flow = oxp_runs_flow(ledger, oxp_event_text(event, OXP_FIELD_WORKFLOW));
    double duration = NAN;
    if (run != NULL) {
        moment->ts = oxp_clamp(ledger, moment, &run->last_s);
        duration = fmax(moment->ts - run->started_s, 0);
    }
    duration = oxp_event_number(event, OXP_FIELD_DURATION_S, duration);
    oxp_persist_gone(ledger, 'r', view, named ? OXP_CLOSED_ENDED : OXP_CLOSED_NOT);
    if (named) {
        oxp_closed_put(&ledger->closed, hash_of(ledger, view), OXP_CLOSED_ENDED);
    }
    oxp_count_event(ledger, moment, flow->cells[OXP_FLOW_RUNS + status]);
    if (!isnan(duration)) {
        oxp_observe(ledger, moment, flow->cells[OXP_FLOW_RUN_DURATION], duration);
    }
    if (run != NULL) {
        forget(ledger, run);
    }
    return OXP_OK;
}

void oxp_runs_restore(struct oxp_ledger *ledger, const struct oxp_run *read, struct oxp_identity *owner) {
    oxp_runs_forget(ledger, key_of(read));
    struct oxp_run *run = malloc(sizeof *run);
    if (run == NULL) {
        return;
    }
    *run = *read;
    oxp_list_init(&run->owned);
    run->owner = owner;
    run->flow = oxp_runs_flow(ledger, oxp_view_from(run->key)); /* the workflow ends at the NUL between the two */
    if (link_in(ledger, run) != OXP_OK) {
        free(run);
    }
}
