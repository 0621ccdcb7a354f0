/* The rules of an alert's life. 1 to 10 are those of Prometheus (rules/alerting.go in its repository), 11 to 14 ours.
 *
 *      1. The expression gives an alert that is inactive (or was never seen): it is pending, active since now.
 *      2. One that is pending, still given, and active for `for` or longer: it fires. With `for` 0 rules 1 and 2 apply
 *         in one step.
 *      3. Pending and not given: it is dropped, with no trace.
 *      4. Firing and not given, with keep_firing_for: it goes on firing until it was not given for that long.
 *      5. Firing, not given and rule 4 does not (or no longer) apply: it is resolved.
 *      6. Firing and given: whatever rule 4 had begun is forgotten.
 *      7. Resolved and not given: it is kept for 15 minutes, so that it can be told again, then forgotten.
 *      8. Resolved and given again: a new life begins with rule 1.
 *      9. Firing, but active for less than `for` (which a reload has made longer): it is pending again.
 *     10. A life's active time never changes while it lasts, gaps (13) apart.
 *     11. While held nothing fires (2), nothing is dropped or resolved (3, 4, 5), and 9 waits; what is given begins
 * (1).
 *     12. While unsure nothing is dropped or resolved (3, 4, 5).
 *     13. A gap does not count: `active` of what is pending, and the times that 4 and 7 count from, move past it. What
 *         fires keeps its times, unless the clock went back: no time of a life may lie ahead.
 *     14. A restart is a gap that counts toward `for` and keep_firing_for, up to an hour. After more than that, what
 * was pending or resolved is forgotten (Prometheus' outage tolerance); what fired goes on. */
#include "alerts/rules/state.h"

#define PATIENCE_LEAST_MS INT64_C(10000)
#define HOLD_LEAST_MS INT64_C(60000)
#define HOUR_MS INT64_C(3600000)

/* a + b and a - b, but no further than the ends. */
static int64_t plus(int64_t a, int64_t b) {
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum)) {
        return b > 0 ? INT64_MAX : INT64_MIN;
    }
    return sum;
}

static int64_t minus(int64_t a, int64_t b) {
    int64_t difference;
    if (__builtin_sub_overflow(a, b, &difference)) {
        return b > 0 ? INT64_MIN : INT64_MAX;
    }
    return difference;
}

/* ---- A step ---- */

static enum oxp_alert_change given(struct oxp_alert_life *life, const struct oxp_alert_step *step) {
    enum oxp_alert_change change = OXP_ALERT_SAME;
    if (life->state == OXP_ALERT_INACTIVE) { /* 1, 8 */
        *life = (struct oxp_alert_life){.state = OXP_ALERT_PENDING, .active_ms = step->now_ms};
        change = OXP_ALERT_BEGAN;
    }
    life->keep_firing_since_ms = 0; /* 6 */
    return change;
}

/* Rules 2 and 9, for what goes on. */
static enum oxp_alert_change served(struct oxp_alert_life *life, const struct oxp_alert_step *step,
                                    enum oxp_alert_change change) {
    bool long_enough = minus(step->now_ms, life->active_ms) >= step->for_ms;
    if (step->held) { /* 11 */
        return change;
    }
    if (life->state == OXP_ALERT_PENDING && step->present && long_enough) {
        life->state = OXP_ALERT_FIRING;
        life->fired_ms = step->now_ms;
        return OXP_ALERT_FIRED;
    }
    if (life->state == OXP_ALERT_FIRING && !long_enough) {
        life->state = OXP_ALERT_PENDING;
        life->fired_ms = life->keep_firing_since_ms = 0;
        return OXP_ALERT_BEGAN;
    }
    return change;
}

/* Rule 4. */
static bool keeps_firing(struct oxp_alert_life *life, const struct oxp_alert_step *step) {
    if (step->keep_firing_for_ms <= 0) {
        return false;
    }
    if (life->keep_firing_since_ms == 0) {
        life->keep_firing_since_ms = step->now_ms;
    }
    return minus(step->now_ms, life->keep_firing_since_ms) < step->keep_firing_for_ms;
}

enum oxp_alert_change oxp_alert_step(struct oxp_alert_life *life, const struct oxp_alert_step *step) {
    if (step->present) {
        return served(life, step, given(life, step));
    }
    if (life->state == OXP_ALERT_INACTIVE) { /* 7 */
        return minus(step->now_ms, life->resolved_ms) > OXP_ALERT_RESOLVED_KEPT_MS ? OXP_ALERT_FORGET : OXP_ALERT_SAME;
    }
    if (step->held || step->unsure) { /* 11, 12 */
        return OXP_ALERT_SAME;
    }
    if (life->state == OXP_ALERT_PENDING) { /* 3 */
        life->state = OXP_ALERT_INACTIVE;
        return OXP_ALERT_DROPPED;
    }
    if (keeps_firing(life, step)) {
        return served(life, step, OXP_ALERT_SAME);
    }
    life->state = OXP_ALERT_INACTIVE; /* 5 */
    life->resolved_ms = step->now_ms;
    life->keep_firing_since_ms = 0;
    return OXP_ALERT_RESOLVED;
}

const char *oxp_alert_state_text(enum oxp_alert_state state) {
    static const char *const texts[] = {"inactive", "pending", "firing"};
    return texts[state];
}

/* ---- Time that does not count, and time that does ---- */

static void move(int64_t *time_ms, int64_t shift_ms) {
    if (*time_ms != 0) { /* 0 says that there is none */
        *time_ms = plus(*time_ms, shift_ms);
    }
}

void oxp_alert_shift(struct oxp_alert_life *life, int64_t shift_ms) { /* 13 */
    if (life->state == OXP_ALERT_PENDING || shift_ms < 0) {
        life->active_ms = plus(life->active_ms, shift_ms);
    }
    if (shift_ms < 0) {
        move(&life->fired_ms, shift_ms);
    }
    move(&life->resolved_ms, shift_ms);
    move(&life->keep_firing_since_ms, shift_ms);
}

bool oxp_alert_restore(struct oxp_alert_life *life, int64_t saved_ms, int64_t now_ms) { /* 14 */
    int64_t down_ms = minus(now_ms, saved_ms);
    if (down_ms < 0) {
        oxp_alert_shift(life, down_ms);
    }
    if (down_ms > HOUR_MS) {
        move(&life->keep_firing_since_ms, down_ms - HOUR_MS);
        return life->state == OXP_ALERT_FIRING;
    }
    return true;
}

/* ---- Gaps ---- */

int64_t oxp_gap_patience(int64_t interval_ms) {
    return interval_ms > PATIENCE_LEAST_MS / 2 ? 2 * interval_ms : PATIENCE_LEAST_MS;
}

struct oxp_gap oxp_gap_between(const struct oxp_moment *last, const struct oxp_moment *now, int64_t interval_ms) {
    int64_t wall = minus(now->wall_ms, last->wall_ms), mono = minus(now->mono_ms, last->mono_ms);
    int64_t apart = minus(wall, mono), patience = oxp_gap_patience(interval_ms);
    int64_t seen = mono < interval_ms ? mono : interval_ms; /* what passed at most between two evaluations */
    struct oxp_gap gap = {OXP_GAP_NONE, minus(wall, seen)};
    if (apart > patience || apart < -patience) {
        gap.kind = OXP_GAP_JUMP;
    } else if (wall > patience) {
        gap.kind = OXP_GAP_PAUSE;
    } else {
        gap.shift_ms = 0;
    }
    return gap;
}

bool oxp_alert_holds(struct oxp_alert_hold *hold, int64_t now_ms) {
    if (hold->limit_ms != 0 && (now_ms >= hold->until_ms || now_ms >= hold->limit_ms)) {
        hold->limit_ms = 0;
    }
    return hold->limit_ms != 0;
}

static void begin(struct oxp_alert_hold *hold, int64_t now_ms, int64_t length_ms, int64_t shift_ms) {
    if (hold->limit_ms == 0 || length_ms > hold->length_ms) {
        hold->limit_ms = plus(now_ms, 2 * length_ms);
        hold->length_ms = length_ms;
    } else {
        hold->limit_ms = plus(hold->limit_ms, shift_ms);
    }
    hold->until_ms = plus(now_ms, length_ms);
}

/* For how long behind a gap nothing is believed in any case. */
static int64_t hold_ms(int64_t interval_ms) {
    return interval_ms > HOLD_LEAST_MS / 2 ? 2 * interval_ms : HOLD_LEAST_MS;
}

/* How long the windows of an expression look back into a gap. */
static int64_t blurred_ms(int64_t interval_ms, int64_t reach_ms) {
    int64_t least = hold_ms(interval_ms), reach = reach_ms < HOUR_MS ? reach_ms : HOUR_MS;
    return reach > least ? reach : least;
}

void oxp_alert_watch_gap(struct oxp_alert_watch *watch, const struct oxp_gap *gap, int64_t now_ms, int64_t interval_ms,
                         int64_t reach_ms) {
    int64_t blurred = blurred_ms(interval_ms, reach_ms);
    if (gap->kind != OXP_GAP_NONE) {
        begin(&watch->unsure, now_ms, blurred, gap->shift_ms);
        begin(&watch->held, now_ms, gap->kind == OXP_GAP_JUMP ? blurred : hold_ms(interval_ms), gap->shift_ms);
    }
}

void oxp_alert_watch_restart(struct oxp_alert_watch *watch, int64_t now_ms, int64_t interval_ms, int64_t reach_ms) {
    begin(&watch->unsure, now_ms, blurred_ms(interval_ms, reach_ms), 0);
}
