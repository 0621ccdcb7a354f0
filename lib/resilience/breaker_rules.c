#include "lib/resilience/breaker_rules.h"

#include <math.h>

enum { THRESHOLD = 5, MIN_CALLS = 10, PROBE_SUCCESSES = 1 };

#define WINDOW_S 60.0
#define OPEN_S 60.0
#define OPEN_MAX_S 600.0

static void fill_defaults(struct oxp_breaker_options *options) {
    options->failure_threshold = options->failure_threshold != 0 ? options->failure_threshold : THRESHOLD;
    options->min_calls = options->min_calls != 0 ? options->min_calls : MIN_CALLS;
    options->probe_successes = options->probe_successes != 0 ? options->probe_successes : PROBE_SUCCESSES;
    options->window_s = options->window_s != 0 ? options->window_s : WINDOW_S;
    options->open_s = options->open_s != 0 ? options->open_s : OPEN_S;
    options->open_growth = options->open_growth != 0 ? options->open_growth : 1;
    options->open_max_s = fmax(options->open_max_s != 0 ? options->open_max_s : OPEN_MAX_S, options->open_s);
    options->probe_timeout_s = options->probe_timeout_s != 0 ? options->probe_timeout_s : options->open_s;
}

bool oxp_breaker_rules_init(struct oxp_breaker_rules *rules, const struct oxp_breaker_options *options, double now_s,
                            struct oxp_error *error) {
    *rules = (struct oxp_breaker_rules){.options = *options, .generation = 1, .now_s = now_s};
    struct oxp_breaker_options *o = &rules->options;
    fill_defaults(o);
    /* written so that NaN is refused */
    const char *wrong = !(o->failure_ratio >= 0 && o->failure_ratio <= 1) ? "failure_ratio is not from 0 to 1"
                        : !(o->window_s > 0 && o->window_s <= 86400)      ? "window_s is not from 0 to 86400"
                        : !(o->open_s > 0 && o->open_s <= 86400)          ? "open_s is not from 0 to 86400"
                        : !(o->open_growth >= 1 && o->open_growth <= 100) ? "open_growth is not from 1 to 100"
                        : !(o->open_max_s <= 86400)                       ? "open_max_s is more than 86400"
                        : !(o->probe_timeout_s > 0)                       ? "probe_timeout_s is not above 0"
                                                                          : NULL;
    if (wrong != NULL) {
        oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "breaker: %s", wrong);
    }
    return wrong == NULL;
}

/* Rule 10. */
static double advance(struct oxp_breaker_rules *rules, double now_s) {
    rules->now_s = fmax(rules->now_s, now_s);
    return rules->now_s;
}

/* ---- The window (rule 1) ---- */

static int64_t slice_number(const struct oxp_breaker_rules *rules) {
    return (int64_t)floor(rules->now_s * OXP_BREAKER_SLICES / rules->options.window_s);
}

static void count_in_window(struct oxp_breaker_rules *rules, bool failed) {
    int64_t number = slice_number(rules);
    struct oxp_breaker_slice *slice = &rules->slices[(uint64_t)number % OXP_BREAKER_SLICES];
    if (slice->number != number) {
        *slice = (struct oxp_breaker_slice){.number = number};
    }
    slice->calls++;
    slice->failures += failed;
}

static bool ratio_reached(const struct oxp_breaker_rules *rules) {
    int64_t oldest = slice_number(rules) - OXP_BREAKER_SLICES + 1;
    uint64_t calls = 0, failures = 0;
    for (size_t i = 0; i < OXP_BREAKER_SLICES; i++) {
        if (rules->slices[i].number >= oldest) {
            calls += rules->slices[i].calls;
            failures += rules->slices[i].failures;
        }
    }
    return calls >= rules->options.min_calls && (double)failures >= rules->options.failure_ratio * (double)calls;
}

/* ---- Transitions ---- */

static void move(struct oxp_breaker_rules *rules, enum oxp_breaker_state state) {
    rules->state = state;
    rules->generation++;
    rules->probe = 0;
    rules->probe_successes = 0;
}

/* Rule 2. */
static void to_open(struct oxp_breaker_rules *rules) {
    const struct oxp_breaker_options *options = &rules->options;
    rules->open_for_s =
        rules->open_for_s == 0 ? options->open_s : fmin(rules->open_for_s * options->open_growth, options->open_max_s);
    rules->open_until_s = rules->now_s + rules->open_for_s;
    rules->opened++;
    move(rules, OXP_BREAKER_OPEN);
}

static void to_closed(struct oxp_breaker_rules *rules) {
    rules->failures = 0;
    rules->open_for_s = 0;
    memset(rules->slices, 0, sizeof rules->slices);
    if (rules->state != OXP_BREAKER_CLOSED) {
        move(rules, OXP_BREAKER_CLOSED);
    }
}

/* ---- Events ---- */

/* Rules 2, 3, 4: becomes the probe when none is out. */
static bool become_probe(struct oxp_breaker_rules *rules, struct oxp_breaker_ticket *ticket) {
    if (rules->state == OXP_BREAKER_OPEN && rules->now_s >= rules->open_until_s) {
        move(rules, OXP_BREAKER_HALF_OPEN);
    }
    if (rules->state != OXP_BREAKER_HALF_OPEN || (rules->probe != 0 && rules->now_s < rules->probe_until_s)) {
        return false;
    }
    if (rules->probe != 0) { /* a lost one ends the row of successes */
        rules->probe_successes = 0;
    }
    rules->probe = ++rules->probes;
    rules->probe_until_s = rules->now_s + rules->options.probe_timeout_s;
    ticket->probe = rules->probe;
    ticket->generation = rules->generation;
    return true;
}

enum oxp_breaker_pass oxp_breaker_rules_enter(struct oxp_breaker_rules *rules, bool anyway, double now_s,
                                              struct oxp_breaker_ticket *ticket) {
    advance(rules, now_s);
    ticket->generation = 0; /* of no state: it will move nothing (rule 5) */
    ticket->probe = 0;
    if (rules->disabled) {
        return anyway ? OXP_PASS_CALL : OXP_PASS_REJECTED;
    }
    if (rules->state == OXP_BREAKER_CLOSED) {
        ticket->generation = rules->generation;
        return OXP_PASS_CALL;
    }
    if (become_probe(rules, ticket)) {
        return OXP_PASS_PROBE;
    }
    return anyway || rules->options.monitor_only ? OXP_PASS_CALL : OXP_PASS_REJECTED;
}

static void leave_closed(struct oxp_breaker_rules *rules, enum oxp_breaker_outcome outcome) {
    bool failed = outcome == OXP_BREAKER_FAILURE;
    rules->failures = failed ? rules->failures + 1 : 0;
    bool by_ratio = rules->options.failure_ratio > 0;
    if (by_ratio) {
        count_in_window(rules, failed);
    }
    if (failed && (by_ratio ? ratio_reached(rules) : rules->failures >= rules->options.failure_threshold)) {
        to_open(rules);
    }
}

static void leave_half_open(struct oxp_breaker_rules *rules, enum oxp_breaker_outcome outcome) {
    rules->probe = 0;
    if (outcome == OXP_BREAKER_FAILURE) {
        rules->failures++;
        to_open(rules);
    } else if (outcome == OXP_BREAKER_SUCCESS && ++rules->probe_successes >= rules->options.probe_successes) {
        to_closed(rules);
    }
}

void oxp_breaker_rules_leave(struct oxp_breaker_rules *rules, const struct oxp_breaker_ticket *ticket,
                             enum oxp_breaker_outcome outcome, double now_s) {
    advance(rules, now_s);
    if (ticket->generation != rules->generation || rules->disabled) {
        return; /* rule 5 */
    }
    if (rules->state == OXP_BREAKER_HALF_OPEN) {
        if (ticket->probe == rules->probe && ticket->probe != 0) { /* else rule 4: it was lost */
            leave_half_open(rules, outcome);
        }
    } else if (outcome != OXP_BREAKER_IGNORED) {
        leave_closed(rules, outcome);
    }
}

void oxp_breaker_rules_reset(struct oxp_breaker_rules *rules, double now_s) {
    advance(rules, now_s);
    if (rules->disabled) {
        rules->failures = 0; /* rule 7 */
    } else {
        to_closed(rules);
    }
}

void oxp_breaker_rules_disable(struct oxp_breaker_rules *rules, double now_s) {
    advance(rules, now_s);
    rules->disabled = true;
    if (rules->state != OXP_BREAKER_OPEN) {
        to_open(rules);
    }
}

void oxp_breaker_rules_enable(struct oxp_breaker_rules *rules, double now_s) {
    advance(rules, now_s);
    if (rules->disabled) {
        rules->disabled = false;
        to_closed(rules);
    }
}

double oxp_breaker_rules_wait_s(const struct oxp_breaker_rules *rules, double now_s) {
    double now = fmax(rules->now_s, now_s);
    if (rules->disabled) {
        return INFINITY;
    }
    if (rules->state == OXP_BREAKER_OPEN) {
        return fmax(rules->open_until_s - now, 0);
    }
    if (rules->state == OXP_BREAKER_HALF_OPEN && rules->probe != 0) {
        return fmax(rules->probe_until_s - now, 0);
    }
    return 0;
}
