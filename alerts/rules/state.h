/* The alert state machine: one alert's life, pure. The rules are numbered in state.c.
 *
 * Only time in which the rule was evaluated counts toward `for` and `keep_firing_for`: a gap between two evaluations
 * (the process stood still, the clock was set) is found by oxp_gap_between, the lives are moved past it by
 * oxp_alert_shift, and for a while, struct oxp_alert_watch says how long, what the expression gives is not believed.
 * The one gap that counts is that of a restart, up to an hour: oxp_alert_restore. */
#ifndef OXP_RULES_STATE_H
#define OXP_RULES_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum oxp_alert_state { OXP_ALERT_INACTIVE, OXP_ALERT_PENDING, OXP_ALERT_FIRING };

struct oxp_alert_life {
    enum oxp_alert_state state;
    int64_t active_ms;            /* when the expression first held */
    int64_t fired_ms;             /* when it began to fire; 0 = never */
    int64_t resolved_ms;          /* when it ceased to fire; 0 = it has not */
    int64_t keep_firing_since_ms; /* when the expression ceased to hold while it fires; 0 = it holds */
};

enum oxp_alert_change {
    OXP_ALERT_SAME,
    OXP_ALERT_BEGAN,    /* inactive to pending; or firing to pending, when a reload has made `for` longer */
    OXP_ALERT_FIRED,    /* to firing */
    OXP_ALERT_DROPPED,  /* pending to inactive: forget it */
    OXP_ALERT_RESOLVED, /* firing to inactive: kept for a while to be told */
    OXP_ALERT_FORGET,   /* resolved long enough ago */
};

struct oxp_alert_step {
    bool present;   /* the expression gave this alert */
    int64_t now_ms; /* of the evaluation */
    int64_t for_ms, keep_firing_for_ms;
    bool held;   /* owners are not back yet after a restart, or time jumped: nothing fires and nothing resolves */
    bool unsure; /* the expression's windows reach into a gap: that it does not hold is not believed */
};

/* How long a resolved alert is kept, as in Prometheus. */
#define OXP_ALERT_RESOLVED_KEPT_MS INT64_C(900000)

enum oxp_alert_change oxp_alert_step(struct oxp_alert_life *life, const struct oxp_alert_step *step);

/* After a restart: what the life is, given how long the sidecar was down (saved_ms to now_ms). Time that it was down
 * counts toward `for`, up to an hour (documented: Prometheus does not count it). False: it is too old to go on: one
 * that was pending or resolved over an hour ago. One that fired goes on however long that was, so that it can be
 * resolved. A clock that went back meanwhile counts as no time at all. */
bool oxp_alert_restore(struct oxp_alert_life *life, int64_t saved_ms, int64_t now_ms);

/* "inactive", "pending", "firing" */
const char *oxp_alert_state_text(enum oxp_alert_state state);

/* ---- Gaps ---- */

enum oxp_gap_kind {
    OXP_GAP_NONE,
    OXP_GAP_PAUSE, /* nothing was evaluated for a while: the process was stopped, the machine busy */
    OXP_GAP_JUMP,  /* wall and monotonic time disagree: the clock was set */
};

struct oxp_gap {
    enum oxp_gap_kind kind;
    int64_t shift_ms; /* wall time that passed and was not observed; negative when the clock was set back */
};

struct oxp_moment { /* of an evaluation */
    int64_t wall_ms, mono_ms;
};

/* What lies between two evaluations that should be one interval apart. Up to twice the interval, and up to ten seconds
 * in any case, is none: oxp_gap_patience. */
struct oxp_gap oxp_gap_between(const struct oxp_moment *last, const struct oxp_moment *now, int64_t interval_ms);
int64_t oxp_gap_patience(int64_t interval_ms);

/* Moves a life past time that does not count. */
void oxp_alert_shift(struct oxp_alert_life *life, int64_t shift_ms);

/* Until when not to believe. A hold that gaps begin again and again ends at the latest after twice its length of
 * observed time, for one evaluation at least: a machine that always lags must not silence the alerts. */
struct oxp_alert_hold {
    int64_t until_ms;
    int64_t limit_ms; /* 0 = it does not hold */
    int64_t length_ms;
};
bool oxp_alert_holds(struct oxp_alert_hold *hold, int64_t now_ms);

/* Of one rule. `held` and `unsure` are those of the step. */
struct oxp_alert_watch {
    struct oxp_alert_hold held, unsure;
};
/* A gap ended at `now_ms`. After a pause nothing fires or resolves for a minute, or two intervals if that is more
 * (what waited in sockets comes in now), and nothing resolves until the windows of the expression (reach_ms, at most an
 * hour) are behind the gap. After a jump nothing fires either until then, for the windows are wrong in either
 * direction. */
void oxp_alert_watch_gap(struct oxp_alert_watch *watch, const struct oxp_gap *gap, int64_t now_ms, int64_t interval_ms,
                         int64_t reach_ms);
/* A restart ended at `now_ms`: the windows have a hole, and counters may have begun anew. What was restored may fire,
 * but is not resolved before they are behind it. */
void oxp_alert_watch_restart(struct oxp_alert_watch *watch, int64_t now_ms, int64_t interval_ms, int64_t reach_ms);

#endif
