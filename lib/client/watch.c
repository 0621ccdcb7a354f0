/* Which events say that something is open. One table of types; the first letter keeps the others cheap. */
#include "lib/client/encode.h"

enum key_source { BY_RUN, BY_SESSION, BY_TASK, BY_PAIR };

/* clang-format off: a table */
static const struct watched {
    const char *type;
    uint8_t kind, verb, source;
    const char *key; /* the pair, BY_PAIR */
} table[] = {
    {"workflow.started", OXP_OPEN_RUN, OXP_WATCH_OPEN, BY_RUN, NULL},
    {"workflow.ended", OXP_OPEN_RUN, OXP_WATCH_CLOSE, BY_RUN, NULL},
    {"session.started", OXP_OPEN_SESSION, OXP_WATCH_OPEN, BY_SESSION, NULL},
    {"session.releasing", OXP_OPEN_SESSION, OXP_WATCH_STATE, BY_SESSION, NULL},
    {"session.ended", OXP_OPEN_SESSION, OXP_WATCH_CLOSE, BY_SESSION, NULL},
    {"session.creating", OXP_OPEN_CREATION, OXP_WATCH_OPEN, BY_PAIR, "ref"},
    {"error", OXP_OPEN_CREATION, OXP_WATCH_CLOSE, BY_PAIR, "ref"},
    {"task.queued", OXP_OPEN_TASK, OXP_WATCH_OPEN, BY_TASK, NULL},
    {"task.started", OXP_OPEN_TASK, OXP_WATCH_OPEN, BY_TASK, NULL},
    {"task.ended", OXP_OPEN_TASK, OXP_WATCH_CLOSE, BY_TASK, NULL},
    {"breaker", OXP_OPEN_BREAKER, OXP_WATCH_OPEN, BY_PAIR, "name"},
    {"degraded", OXP_OPEN_DEGRADED, OXP_WATCH_OPEN, BY_PAIR, "component"},
    {"recovery", OXP_OPEN_INCIDENT, OXP_WATCH_OPEN, BY_PAIR, "incident"},
};
/* clang-format on */

static const struct oxp_pair *pair_of(const struct oxp_report *report, const char *key) {
    for (size_t i = 0; i < report->count; i++) {
        if (report->pairs[i].kind != OXP_PAIR_NONE && strcmp(report->pairs[i].key, key) == 0) {
            return &report->pairs[i];
        }
    }
    return NULL;
}

static struct oxp_view text_of(const struct oxp_report *report, const char *key) {
    const struct oxp_pair *pair = pair_of(report, key);
    return pair != NULL && pair->kind == OXP_PAIR_TEXT ? pair->value.text : OXP_VIEW("");
}

static uint8_t keep(char *out, size_t at, struct oxp_view text, size_t most) {
    size_t len = text.len < most ? text.len : most;
    if (len != 0) {
        memcpy(out + at, text.ptr, len);
    }
    return (uint8_t)(at + len);
}

static uint8_t key_of(const struct watched *row, const struct oxp_report *report, char *out) {
    static const struct oxp_ids nothing;
    const struct oxp_ids *ids = report->ids == NULL ? &nothing : report->ids;
    switch ((enum key_source)row->source) {
    case BY_RUN:
        if (ids->workflow.len == 0) {
            return 0;
        }
        out[keep(out, 0, ids->workflow, 64)] = '\0';
        return keep(out, (ids->workflow.len < 64 ? ids->workflow.len : 64) + 1, ids->run, 128);
    case BY_SESSION:
        return keep(out, 0, ids->session, 128);
    case BY_TASK:
        return keep(out, 0, ids->task, 128);
    default:
        return keep(out, 0, text_of(report, row->key), 128);
    }
}

/* Opens or closes, by what the event says: a breaker's new state, whether degraded, how far a recovery is. */
static uint8_t verb_of(const struct watched *row, const struct oxp_report *report) {
    const struct oxp_pair *pair;
    switch (row->kind) {
    case OXP_OPEN_BREAKER:
        pair = pair_of(report, "to");
        return oxp_view_is(text_of(report, pair != NULL ? "to" : "state"), "closed") ? OXP_WATCH_CLOSE : OXP_WATCH_OPEN;
    case OXP_OPEN_DEGRADED:
        pair = pair_of(report, "on");
        return pair != NULL && pair->kind == OXP_PAIR_FLAG && pair->value.flag ? OXP_WATCH_OPEN : OXP_WATCH_CLOSE;
    case OXP_OPEN_INCIDENT:
        return oxp_view_is(text_of(report, "state"), "started") ? OXP_WATCH_OPEN : OXP_WATCH_CLOSE;
    default:
        return row->verb;
    }
}

/* What the body has already, so that it is not said twice when it is said again. */
static uint8_t flags_of(const struct oxp_report *report) {
    unsigned flags = pair_of(report, "resumed") == NULL ? 0 : OXP_RECORD_HAS_RESUMED;
    flags |= pair_of(report, "started_at") == NULL ? 0 : OXP_RECORD_HAS_STARTED_AT;
    flags |= pair_of(report, "state") == NULL ? 0 : OXP_RECORD_HAS_STATE;
    return (uint8_t)flags;
}

void oxp_watch(const struct oxp_report *report, struct oxp_encoded *out) {
    const struct watched *row = NULL;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].type[0] == report->type[0] && strcmp(table[i].type, report->type) == 0) {
            row = &table[i];
            break;
        }
    }
    out->state = OXP_VIEW("");
    if (row == NULL || (out->head.key_len = key_of(row, report, out->key)) == 0) {
        return;
    }
    out->head.kind = row->kind;
    out->head.verb = verb_of(row, report);
    out->head.flags = flags_of(report);
    if (row->kind == OXP_OPEN_SESSION && row->verb == OXP_WATCH_OPEN) {
        out->head.ref_len = keep(out->ref, 0, text_of(report, "ref"), 128);
        out->state = OXP_VIEW("active");
    } else if (row->verb == OXP_WATCH_STATE) {
        out->state = OXP_VIEW("releasing");
    } else if (row->kind == OXP_OPEN_BREAKER) {
        out->state = text_of(report, "to");
    }
    out->head.state_len = (uint8_t)(out->state.len < 64 ? out->state.len : 64);
}
