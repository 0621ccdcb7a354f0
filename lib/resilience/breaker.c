/* One breaker: the rules under a lock, calls counted, transitions told. */
#include <oxpecker/breaker.h>

#include <math.h>

#include "lib/resilience/breaker_parts.h"

const char *oxp_breaker_state_name(enum oxp_breaker_state state) {
    static const char *const names[] = {"closed", "open", "half_open"};
    return (unsigned)state < 3 ? names[state] : "";
}

/* ---- Transitions ---- */

/* What happened while the lock was held; the observer is told when it is not. */
struct change {
    enum oxp_breaker_state from, to;
    bool moved, manual;
};

static struct change begin_locked(const struct oxp_breaker *breaker, bool manual) {
    struct change change = {breaker->rules.state, breaker->rules.state, false, manual};
    return change;
}

static void report_locked(struct oxp_breaker *breaker, const struct change *change) {
    const struct oxp_pair pairs[] = {
        oxp_pair_text("name", oxp_view_from(breaker->name)),
        oxp_pair_text("from", oxp_view_from(oxp_breaker_state_name(change->from))),
        oxp_pair_text("to", oxp_view_from(oxp_breaker_state_name(change->to))),
        oxp_pair_count("failures", breaker->rules.failures),
        oxp_pair_text("cause", change->manual ? OXP_VIEW("manual") : OXP_VIEW("auto")),
    };
    oxp_report(atomic_load(&breaker->owner->reporter), "breaker", NULL, pairs, sizeof pairs / sizeof pairs[0]);
}

static void end_locked(struct oxp_breaker *breaker, uint64_t generation, struct change *change) {
    change->to = breaker->rules.state;
    change->moved = breaker->rules.generation != generation;
    if (change->moved) {
        breaker->manual = change->manual;
        breaker->since_wall_s = oxp_breakers_wall_s(breaker->owner);
        report_locked(breaker, change);
    }
}

static void tell(struct oxp_breaker *breaker, const struct change *change) {
    struct oxp_breaker_observer *observer = atomic_load(&breaker->owner->observer);
    if (change->moved && observer != NULL && observer->moved != NULL) {
        observer->moved(observer, breaker, change->from, change->to, change->manual);
    }
}

/* ---- Calls ---- */

static bool enter(struct oxp_breaker *breaker, bool anyway, struct oxp_breaker_ticket *ticket) {
    *ticket = (struct oxp_breaker_ticket){.breaker = breaker};
    if (breaker == NULL) {
        return true;
    }
    double now_s = oxp_breakers_now_s(breaker->owner);
    pthread_mutex_lock(&breaker->lock);
    uint64_t generation = breaker->rules.generation;
    struct change change = begin_locked(breaker, false);
    bool passed = oxp_breaker_rules_enter(&breaker->rules, anyway, now_s, ticket) != OXP_PASS_REJECTED;
    if (!passed) {
        breaker->calls[OXP_BREAKER_REJECTED]++;
        ticket->breaker = NULL;
    }
    end_locked(breaker, generation, &change);
    pthread_mutex_unlock(&breaker->lock);
    tell(breaker, &change);
    return passed;
}

bool oxp_breaker_enter(struct oxp_breaker *breaker, struct oxp_breaker_ticket *ticket_out) {
    return enter(breaker, false, ticket_out);
}

void oxp_breaker_enter_anyway(struct oxp_breaker *breaker, struct oxp_breaker_ticket *ticket_out) {
    enter(breaker, true, ticket_out);
}

void oxp_breaker_leave(struct oxp_breaker_ticket *ticket, enum oxp_breaker_outcome outcome) {
    struct oxp_breaker *breaker = ticket->breaker;
    if (breaker == NULL) {
        return;
    }
    ticket->breaker = NULL;
    double now_s = oxp_breakers_now_s(breaker->owner);
    pthread_mutex_lock(&breaker->lock);
    uint64_t generation = breaker->rules.generation;
    struct change change = begin_locked(breaker, false);
    breaker->calls[outcome == OXP_BREAKER_SUCCESS   ? OXP_BREAKER_SUCCEEDED
                   : outcome == OXP_BREAKER_FAILURE ? OXP_BREAKER_FAILED
                                                    : OXP_BREAKER_SKIPPED]++;
    oxp_breaker_rules_leave(&breaker->rules, ticket, outcome, now_s);
    end_locked(breaker, generation, &change);
    pthread_mutex_unlock(&breaker->lock);
    tell(breaker, &change);
}

enum oxp_breaker_outcome oxp_breaker_outcome_of(const struct oxp_breaker *breaker, const struct oxp_code *code) {
    if (code == NULL) {
        return OXP_BREAKER_SUCCESS;
    }
    const struct oxp_breaker_options *options = breaker == NULL ? NULL : &breaker->rules.options; /* constant */
    bool counts = options == NULL || options->counts == NULL ? oxp_code_counts_for_breaker(code)
                                                             : options->counts(options->ctx, code);
    return counts ? OXP_BREAKER_FAILURE : OXP_BREAKER_IGNORED;
}

const struct oxp_code *oxp_breaker_call(struct oxp_breaker *breaker, oxp_breaker_call_fn call, void *ctx) {
    struct oxp_breaker_ticket ticket;
    if (!oxp_breaker_enter(breaker, &ticket)) {
        return oxp_code_find(OXP_VIEW("breaker_open"));
    }
    const struct oxp_code *code = call(ctx);
    oxp_breaker_leave(&ticket, oxp_breaker_outcome_of(breaker, code));
    return code;
}

/* ---- By hand ---- */

static void by_hand(struct oxp_breaker *breaker, void (*act)(struct oxp_breaker_rules *rules, double now_s)) {
    double now_s = oxp_breakers_now_s(breaker->owner);
    pthread_mutex_lock(&breaker->lock);
    uint64_t generation = breaker->rules.generation;
    struct change change = begin_locked(breaker, true);
    act(&breaker->rules, now_s);
    end_locked(breaker, generation, &change);
    pthread_mutex_unlock(&breaker->lock);
    tell(breaker, &change);
}

void oxp_breaker_reset(struct oxp_breaker *breaker) {
    by_hand(breaker, oxp_breaker_rules_reset);
}

void oxp_breaker_disable(struct oxp_breaker *breaker) {
    by_hand(breaker, oxp_breaker_rules_disable);
}

void oxp_breaker_enable(struct oxp_breaker *breaker) {
    by_hand(breaker, oxp_breaker_rules_enable);
}

/* ---- Looking ---- */

/* The lock of what is only looked at. */
static pthread_mutex_t *lock_of(const struct oxp_breaker *breaker) {
    return &((struct oxp_breaker *)breaker)->lock;
}

double oxp_breaker_wait_s(const struct oxp_breaker *breaker) {
    double now_s = oxp_breakers_now_s(breaker->owner);
    pthread_mutex_lock(lock_of(breaker));
    double wait_s = oxp_breaker_rules_wait_s(&breaker->rules, now_s);
    pthread_mutex_unlock(lock_of(breaker));
    return wait_s;
}

enum oxp_breaker_state oxp_breaker_state_of(const struct oxp_breaker *breaker) {
    pthread_mutex_lock(lock_of(breaker));
    enum oxp_breaker_state state = breaker->rules.state;
    pthread_mutex_unlock(lock_of(breaker));
    return state;
}

void oxp_breaker_read(const struct oxp_breaker *breaker, struct oxp_breaker_info *info_out) {
    double now_s = oxp_breakers_now_s(breaker->owner);
    pthread_mutex_lock(lock_of(breaker));
    const struct oxp_breaker_rules *rules = &breaker->rules;
    *info_out = (struct oxp_breaker_info){
        .state = rules->state,
        .disabled = rules->disabled,
        .monitor_only = rules->options.monitor_only,
        .manual = breaker->manual,
        .failures = rules->failures,
        .opened = rules->opened,
        .success = breaker->calls[OXP_BREAKER_SUCCEEDED],
        .failure = breaker->calls[OXP_BREAKER_FAILED],
        .rejected = breaker->calls[OXP_BREAKER_REJECTED],
        .ignored = breaker->calls[OXP_BREAKER_SKIPPED],
        .since_s = breaker->since_wall_s,
        .wait_s = oxp_breaker_rules_wait_s(rules, now_s),
    };
    pthread_mutex_unlock(lock_of(breaker));
    memcpy(info_out->name, breaker->name, sizeof info_out->name);
}
