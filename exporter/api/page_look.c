/* What the first page shows, gathered: the registry, the ledger, the rules, the outbox. Bounded, however much there is.
 */
#include "exporter/api/page_parts.h"

#include <math.h>
#include <stdlib.h>

#include "alerts/tsdb/tsdb.h"
#include "exporter/selfstats/selfstats.h"
#include "lib/base/utf8.h"

#define ARENA_MAX ((size_t)4 << 20) /* of all rules and alerts; beyond it they are counted only */

/* ---- The registry ---- */

struct wanted {
    const char *family, *label;
};

static const struct wanted wanted[OXP_PAGE_NUMBERS] = {
#define NUMBER(id, family, label) {family, label},
#include "exporter/api/page_numbers.def"
#undef NUMBER
};

/* The value under a key of `a="b",c="d"`, as text again; empty when it is not there. Cut at a character when the room
 * ends. */
static void label_value(struct oxp_view pairs, const char *key, char out[OXP_PAGE_NAME]) {
    size_t at = 0, len = 0;
    bool mine = false, quoted = false;
    size_t key_at = 0;
    for (; at < pairs.len; at++) {
        char c = pairs.ptr[at];
        if (!quoted && c == '=') {
            mine = oxp_view_is(oxp_view_of(pairs.ptr + key_at, at - key_at), key);
        } else if (!quoted && c == ',') {
            key_at = at + 1;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (quoted) {
            if (c == '\\' && at + 1 < pairs.len) {
                c = pairs.ptr[++at];
                if (c == 'n') {
                    c = '\n';
                }
            }
            if (mine && len < OXP_PAGE_NAME) {
                out[len++] = c;
            }
        }
    }
    len = oxp_utf8_cut(oxp_view_of(out, len), OXP_PAGE_NAME - 1).len;
    out[len] = '\0';
}

static void add(struct oxp_page_group *group, const char *name, double value) {
    size_t i = 0;
    while (i < group->count && strcmp(group->rows[i].name, name) != 0) {
        i++;
    }
    if (i == group->count && i < OXP_PAGE_ROWS) {
        group->rows[i] = (struct oxp_page_row){.value = 0};
        memcpy(group->rows[i].name, name, strlen(name) + 1);
        group->count++;
    } else if (i == OXP_PAGE_ROWS) {
        memcpy(group->rows[--i].name, "other", sizeof "other");
    }
    group->rows[i].value += value;
}

static void add_family(struct oxp_page_facts *facts, struct oxp_snapshot *snapshot, const char *family) {
    struct oxp_sample sample;
    char name[OXP_PAGE_NAME];
    while (oxp_snapshot_next(snapshot, &sample) == OXP_OK) {
        for (size_t i = 0; i < OXP_PAGE_NUMBERS; i++) {
            if (strcmp(wanted[i].family, family) == 0) {
                label_value(sample.labels, wanted[i].label, name);
                add(&facts->numbers[i], name, sample.value);
            }
        }
    }
}

static void look_at_registry(struct oxp_page_facts *facts, struct oxp_api *api) {
    struct oxp_snapshot snapshot;
    const struct oxp_family_spec *spec = NULL;
    oxp_snapshot_begin(&snapshot, api->registry, facts->now_s);
    while (oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        for (size_t i = 0; i < OXP_PAGE_NUMBERS; i++) {
            if (strcmp(wanted[i].family, spec->name) == 0) {
                add_family(facts, &snapshot, spec->name);
                break;
            }
        }
    }
}

double oxp_page_sum(const struct oxp_page_facts *facts, enum oxp_page_number number) {
    const struct oxp_page_group *group = &facts->numbers[number];
    double sum = group->count == 0 ? (double)NAN : 0;
    for (size_t i = 0; i < group->count; i++) {
        sum += group->rows[i].value;
    }
    return sum;
}

double oxp_page_at(const struct oxp_page_facts *facts, enum oxp_page_number number, const char *name) {
    const struct oxp_page_group *group = &facts->numbers[number];
    for (size_t i = 0; i < group->count; i++) {
        if (strcmp(group->rows[i].name, name) == 0) {
            return group->rows[i].value;
        }
    }
    return 0;
}

/* ---- The ledger ---- */

struct ask {
    struct oxp_page_facts *facts;
    const struct oxp_ledger *ledger;
    struct oxp_breaker_view seen[OXP_PAGE_BREAKERS];
};

void oxp_page_offer(struct oxp_page_top *top, const void *row) {
    char *rows = top->rows;
    size_t at = top->count;
    while (at > 0 && top->compare(row, rows + (at - 1) * top->size) < 0) {
        at--;
    }
    if (at == top->max) {
        return;
    }
    top->count += top->count < top->max ? 1 : 0;
    memmove(rows + (at + 1) * top->size, rows + at * top->size, (top->count - at - 1) * top->size);
    memcpy(rows + at * top->size, row, top->size);
}

int oxp_page_breaker_rank(const struct oxp_breaker_view *breaker) {
    return strcmp(breaker->state, "open") == 0        ? OXP_PAGE_OPEN
           : strcmp(breaker->state, "half_open") == 0 ? OXP_PAGE_HALF_OPEN
                                                      : OXP_PAGE_CLOSED;
}

static int compare_breakers(const void *a, const void *b) {
    return oxp_page_breaker_rank(a) - oxp_page_breaker_rank(b);
}

/* All are looked at, some at a time, and counted; the worst are kept. */
static void look_at_breakers(struct ask *ask) {
    struct oxp_page_facts *facts = ask->facts;
    struct oxp_page_top top = {facts->breakers, sizeof facts->breakers[0], OXP_PAGE_BREAKERS, 0, compare_breakers};
    size_t looked = 0;
    do {
        facts->breaker_count = oxp_ledger_breakers(ask->ledger, OXP_VIEW(""), looked, ask->seen, OXP_PAGE_BREAKERS);
        for (size_t i = 0; i < OXP_PAGE_BREAKERS && looked < facts->breaker_count; i++, looked++) {
            int rank = oxp_page_breaker_rank(&ask->seen[i]);
            facts->open_breakers += rank == OXP_PAGE_OPEN ? 1 : 0;
            facts->half_open_breakers += rank == OXP_PAGE_HALF_OPEN ? 1 : 0;
            oxp_page_offer(&top, &ask->seen[i]);
        }
    } while (looked < facts->breaker_count);
}

static void look_at_ledger(void *ctx) {
    struct ask *ask = ctx;
    struct oxp_page_facts *facts = ask->facts;
    look_at_breakers(ask);
    facts->writer_count = oxp_ledger_writers(ask->ledger, OXP_VIEW(""), 0, facts->writers, OXP_PAGE_WRITERS);
}

/* ---- All ---- */

static void look_at_outbox(struct oxp_page_facts *facts, struct oxp_api *api) {
    struct oxp_outbox *box = NULL;
    struct oxp_courier *courier = NULL;
    if (api->hold == NULL) {
        return;
    }
    api->hold(api->ctx, &box, &courier);
    if (courier != NULL) {
        facts->receiver_count = oxp_courier_look(courier, facts->receivers, OXP_PAGE_RECEIVERS);
    }
    if (box != NULL) {
        facts->has_outbox = oxp_outbox_stats(box, &facts->arena, &facts->outbox) == OXP_OK;
        facts->kept = oxp_outbox_is_kept(box);
    }
}

static void count_rule(struct oxp_page_facts *facts, const struct oxp_rule_view *rule) {
    facts->rule_count++;
    if (rule->health == OXP_RULE_FAILED) {
        facts->failed = facts->failing++ == 0 ? rule : facts->failed;
    }
    facts->waiting += rule->health == OXP_RULE_UNKNOWN && rule->alert_count == 0 ? 1 : 0;
    for (size_t a = 0; a < rule->alert_count; a++) {
        bool fires = rule->alerts[a].life.state == OXP_ALERT_FIRING;
        int rank = oxp_page_alert_rank(&rule->alerts[a]);
        facts->info += fires && rank == OXP_PAGE_INFO ? 1 : 0;
        facts->firing += fires && rank != OXP_PAGE_INFO ? 1 : 0;
        facts->critical += fires && rank == OXP_PAGE_CRITICAL ? 1 : 0;
        facts->pending += rule->alerts[a].life.state == OXP_ALERT_PENDING ? 1 : 0;
    }
}

static void look_at_rules(struct oxp_page_facts *facts, struct oxp_api *api) {
    facts->has_rules =
        api->rules != NULL && oxp_rules_view(api->rules, &facts->arena, &facts->groups, &facts->group_count) == OXP_OK;
    if (!facts->has_rules) {
        facts->group_count = 0;
    }
    if (!facts->has_rules && api->rules != NULL) {
        struct oxp_rules_stats stats;
        oxp_rules_stats(api->rules, &stats);
        facts->too_many = true;
        facts->firing = stats.firing;
        facts->pending = stats.pending;
    }
    for (size_t g = 0; g < facts->group_count; g++) {
        for (size_t r = 0; r < facts->groups[g].count; r++) {
            count_rule(facts, &facts->groups[g].rules[r]);
        }
    }
}

void oxp_page_look(struct oxp_page_facts *facts, struct oxp_api *api) {
    struct oxp_response scratch = {.status = 0};
    struct ask ask = {.facts = facts, .ledger = api->ledger};
    facts->now_s = oxp_wall_seconds(oxp_clock_wall(api->clock));
    oxp_arena_init(&facts->arena, ARENA_MAX);
    oxp_selfstats_collect(api->stats);
    look_at_registry(facts, api);
    if (api->tsdb != NULL) {
        struct oxp_tsdb_stats memory;
        oxp_tsdb_stats(api->tsdb, &memory);
        facts->oldest_s = (double)memory.oldest_ms / 1000;
    }
    facts->has_ledger = oxp_api_on_loop(api, look_at_ledger, &ask, &scratch);
    free(scratch.body);         /* a refusal, which is not what is answered */
    look_at_outbox(facts, api); /* before the rules, which may fill the arena */
    look_at_rules(facts, api);
}

void oxp_page_forget(struct oxp_page_facts *facts, struct oxp_api *api) {
    if (api->hold != NULL) {
        api->release(api->ctx);
    }
    oxp_arena_fini(&facts->arena);
}
