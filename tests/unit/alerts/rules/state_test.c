/* One alert's life from tables: what each evaluation sees, and what comes of it. The numbers in the names are the rules
 * of state.c. */
#include "tests/unit/lib/base/support.h"

#include "alerts/rules/state.h"
#include <stdio.h>
#include <string.h>

#define S INT64_C(1000)
#define M (60 * S)
#define H (60 * M)
#define Y (365 * 24 * H)

/* ---- Steps ---- */

/* One evaluation: `+` given, `-` not given; held and unsure. Then the change, and the state it leaves. */
struct row {
    int64_t at_ms;
    const char *seen;   /* "+", "-", "+held", "-held", "-unsure", "+unsure" */
    const char *change; /* "same", "began", … */
    const char *state;
};

enum { ROWS = 12 };

static const struct {
    const char *name;
    int64_t for_ms, keep_ms;
    struct row rows[ROWS];
} lives[] = {
    {"1 2: for 0 fires at once", 0, 0, {{5 * S, "+", "fired", "firing"}}},
    {"1 2: pending until for has passed",
     M,
     0,
     {{10 * S, "+", "began", "pending"},
      {25 * S, "+", "same", "pending"},
      {69999, "+", "same", "pending"},
      {70 * S, "+", "fired", "firing"},
      {85 * S, "+", "same", "firing"}}},
    {"3: pending is dropped, and begins anew",
     M,
     0,
     {{10 * S, "+", "began", "pending"},
      {60 * S, "-", "dropped", "inactive"},
      {75 * S, "+", "began", "pending"},
      {90 * S, "+", "same", "pending"},
      {135 * S, "+", "fired", "firing"}}},
    {"4 5: keeps firing, then resolved",
     0,
     M,
     {{10 * S, "+", "fired", "firing"},
      {20 * S, "-", "same", "firing"},
      {79999, "-", "same", "firing"},
      {80 * S, "-", "resolved", "inactive"}}},
    {"5: resolved at once without keep_firing_for",
     0,
     0,
     {{10 * S, "+", "fired", "firing"}, {20 * S, "-", "resolved", "inactive"}}},
    {"6: given again, keep_firing_for begins anew",
     0,
     M,
     {{10 * S, "+", "fired", "firing"},
      {20 * S, "-", "same", "firing"},
      {70 * S, "+", "same", "firing"},
      {85 * S, "-", "same", "firing"},
      {144 * S, "-", "same", "firing"},
      {145 * S, "-", "resolved", "inactive"}}},
    {"7: resolved is kept for 15 minutes",
     0,
     0,
     {{10 * S, "+", "fired", "firing"},
      {20 * S, "-", "resolved", "inactive"},
      {20 * S + 15 * M, "-", "same", "inactive"},
      {20 * S + 15 * M + 1, "-", "forget", "inactive"}}},
    {"8: resolved and given again is a new life",
     M,
     0,
     {{10 * S, "+", "began", "pending"},
      {70 * S, "+", "fired", "firing"},
      {80 * S, "-", "resolved", "inactive"},
      {90 * S, "+", "began", "pending"},
      {149 * S, "+", "same", "pending"},
      {150 * S, "+", "fired", "firing"}}},
    {"11: held, for 0 does not fire before it ends",
     0,
     0,
     {{10 * S, "+held", "began", "pending"}, {20 * S, "+held", "same", "pending"}, {30 * S, "+", "fired", "firing"}}},
    {"11: held time counts toward for",
     M,
     0,
     {{10 * S, "+", "began", "pending"}, {70 * S, "+held", "same", "pending"}, {80 * S, "+", "fired", "firing"}}},
    {"11: held, pending is not dropped",
     M,
     0,
     {{10 * S, "+", "began", "pending"},
      {20 * S, "-held", "same", "pending"},
      {30 * S, "+", "same", "pending"},
      {70 * S, "+", "fired", "firing"}}},
    {"11: held, firing is not resolved, and is after it",
     0,
     0,
     {{10 * S, "+", "fired", "firing"}, {20 * S, "-held", "same", "firing"}, {30 * S, "-", "resolved", "inactive"}}},
    {"11: held, keep_firing_for does not begin",
     0,
     M,
     {{10 * S, "+", "fired", "firing"},
      {20 * S, "-held", "same", "firing"},
      {80 * S, "-", "same", "firing"},
      {140 * S, "-", "resolved", "inactive"}}},
    {"12: unsure, nothing is resolved or dropped, but fires",
     M,
     0,
     {{10 * S, "+", "began", "pending"},
      {20 * S, "-unsure", "same", "pending"},
      {70 * S, "+unsure", "fired", "firing"},
      {80 * S, "-unsure", "same", "firing"},
      {90 * S, "-", "resolved", "inactive"}}},
};

static struct oxp_alert_step step_of(const struct row *row, int64_t for_ms, int64_t keep_ms) {
    return (struct oxp_alert_step){.present = row->seen[0] == '+',
                                   .now_ms = row->at_ms,
                                   .for_ms = for_ms,
                                   .keep_firing_for_ms = keep_ms,
                                   .held = strstr(row->seen, "held") != NULL,
                                   .unsure = strstr(row->seen, "unsure") != NULL};
}

static const char *change_text(enum oxp_alert_change change) {
    static const char *const texts[] = {"same", "began", "fired", "dropped", "resolved", "forget"};
    return texts[change];
}

static void test_lives(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lives); i++) {
        struct oxp_alert_life life = {0};
        for (size_t k = 0; k < ROWS && lives[i].rows[k].seen != NULL; k++) {
            const struct row *row = &lives[i].rows[k];
            struct oxp_alert_step step = step_of(row, lives[i].for_ms, lives[i].keep_ms);
            const char *change = change_text(oxp_alert_step(&life, &step));
            const char *after = oxp_alert_state_text(life.state);
            if (strcmp(change, row->change) != 0 || strcmp(after, row->state) != 0) {
                fail_msg("%s: row %zu: %s, %s; expected %s, %s", lives[i].name, k + 1, change, after, row->change,
                         row->state);
            }
        }
    }
}

static void assert_life(const char *name, const struct oxp_alert_life *is, const struct oxp_alert_life *expected) {
    if (is->state != expected->state || is->active_ms != expected->active_ms || is->fired_ms != expected->fired_ms ||
        is->resolved_ms != expected->resolved_ms || is->keep_firing_since_ms != expected->keep_firing_since_ms) {
        fail_msg("%s: %s, active %lld, fired %lld, resolved %lld, keeps firing since %lld", name,
                 oxp_alert_state_text(is->state), (long long)is->active_ms, (long long)is->fired_ms,
                 (long long)is->resolved_ms, (long long)is->keep_firing_since_ms);
    }
}

static void test_times_of_a_life(void **state) {
    (void)state;
    struct oxp_alert_life life = {0};
    const struct row rows[] = {
        {10 * S, "+", "", ""}, {20 * S, "+", "", ""}, {25 * S, "-", "", ""}, {40 * S, "-", "", ""}};
    const struct oxp_alert_life expected[] = {{OXP_ALERT_PENDING, 10 * S, 0, 0, 0},
                                              {OXP_ALERT_FIRING, 10 * S, 20 * S, 0, 0},
                                              {OXP_ALERT_FIRING, 10 * S, 20 * S, 0, 25 * S},
                                              {OXP_ALERT_INACTIVE, 10 * S, 20 * S, 40 * S, 0}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_alert_step step = step_of(&rows[i], 10 * S, 15 * S);
        oxp_alert_step(&life, &step);
        assert_life("times", &life, &expected[i]);
    }
}

static void test_longer_for_by_a_reload(void **state) { /* 9 */
    (void)state;
    struct oxp_alert_life life = {.state = OXP_ALERT_FIRING, .active_ms = 10 * S, .fired_ms = 20 * S};
    struct oxp_alert_step step = {.present = true, .now_ms = 30 * S, .for_ms = M, .held = true};
    assert_int_equal(oxp_alert_step(&life, &step), OXP_ALERT_SAME);
    step.held = false;
    assert_int_equal(oxp_alert_step(&life, &step), OXP_ALERT_BEGAN);
    assert_int_equal(life.state, OXP_ALERT_PENDING);
    assert_int_equal(life.active_ms, 10 * S);
    assert_int_equal(life.fired_ms, 0);
    step.now_ms = 70 * S;
    assert_int_equal(oxp_alert_step(&life, &step), OXP_ALERT_FIRED);
}

/* ---- Gaps ---- */

static const struct {
    const char *name;
    int64_t wall_ms, mono_ms, interval_ms; /* since the last evaluation */
    enum oxp_gap_kind kind;
    int64_t shift_ms;
} gaps[] = {
    {"on time", 15 * S, 15 * S, 15 * S, OXP_GAP_NONE, 0},
    {"a little late", 15 * S, 21 * S, 15 * S, OXP_GAP_NONE, 0},
    {"one missed", 30 * S, 30 * S, 15 * S, OXP_GAP_NONE, 0},
    {"two missed", 45 * S, 45 * S, 15 * S, OXP_GAP_PAUSE, 30 * S},
    {"ten seconds, whatever the interval", 10 * S, 10 * S, S, OXP_GAP_NONE, 0},
    {"more than ten seconds", 11 * S, 11 * S, S, OXP_GAP_PAUSE, 10 * S},
    {"over a minute", 75 * S, 75 * S, 15 * S, OXP_GAP_PAUSE, M},
    {"SIGSTOP for 10 minutes", 10 * M, 10 * M, 15 * S, OXP_GAP_PAUSE, 10 * M - 15 * S},
    {"a long interval missed once", 10 * M, 10 * M, 5 * M, OXP_GAP_NONE, 0},
    {"a long interval missed twice", 15 * M, 15 * M, 5 * M, OXP_GAP_PAUSE, 10 * M},
    {"an hour forward", H, 15 * S, 15 * S, OXP_GAP_JUMP, H - 15 * S},
    {"ten years forward", 10 * Y, 15 * S, 15 * S, OXP_GAP_JUMP, 10 * Y - 15 * S},
    {"an hour back, waited for", 15 * S, H, 15 * S, OXP_GAP_JUMP, 0},
    {"an hour back, gone on from", -H, 15 * S, 15 * S, OXP_GAP_JUMP, -H - 15 * S},
    {"stopped for an hour and an hour back", 15 * S, 2 * H, 15 * S, OXP_GAP_JUMP, 0},
    {"a minute forward", 75 * S, 15 * S, 15 * S, OXP_GAP_JUMP, M},
    {"half a minute of adjustment", 45 * S, 15 * S, 15 * S, OXP_GAP_PAUSE, 30 * S},
    {"half a minute back, waited for", 15 * S, 45 * S, 15 * S, OXP_GAP_NONE, 0},
};

static void test_gaps(void **state) {
    (void)state;
    const struct oxp_moment last = {.wall_ms = 20 * Y, .mono_ms = 5000};
    for (size_t i = 0; i < COUNT_OF(gaps); i++) {
        struct oxp_moment now = {last.wall_ms + gaps[i].wall_ms, last.mono_ms + gaps[i].mono_ms};
        struct oxp_gap gap = oxp_gap_between(&last, &now, gaps[i].interval_ms);
        if (gap.kind != gaps[i].kind || gap.shift_ms != gaps[i].shift_ms) {
            fail_msg("%s: kind %d, shift %lld ms", gaps[i].name, (int)gap.kind, (long long)gap.shift_ms);
        }
    }
    struct oxp_moment ends[2] = {{INT64_MIN, INT64_MIN}, {INT64_MAX, INT64_MAX}};
    assert_int_equal(oxp_gap_between(&ends[0], &ends[1], 15 * S).kind, OXP_GAP_PAUSE);
    assert_int_equal(oxp_gap_between(&ends[1], &ends[0], 15 * S).kind, OXP_GAP_NONE);
}

static const struct {
    const char *name;
    int64_t shift_ms;
    struct oxp_alert_life before, after;
} shifts[] = {
    {"pending moves on", H, {OXP_ALERT_PENDING, 5 * H, 0, 0, 0}, {OXP_ALERT_PENDING, 6 * H, 0, 0, 0}},
    {"firing stays", H, {OXP_ALERT_FIRING, 5 * H, 6 * H, 0, 0}, {OXP_ALERT_FIRING, 5 * H, 6 * H, 0, 0}},
    {"what it keeps firing from moves on",
     H,
     {OXP_ALERT_FIRING, 5 * H, 6 * H, 0, 7 * H},
     {OXP_ALERT_FIRING, 5 * H, 6 * H, 0, 8 * H}},
    {"resolved moves on",
     H,
     {OXP_ALERT_INACTIVE, 5 * H, 6 * H, 7 * H, 0},
     {OXP_ALERT_INACTIVE, 5 * H, 6 * H, 8 * H, 0}},
    {"back: everything", -H, {OXP_ALERT_FIRING, 5 * H, 6 * H, 0, 7 * H}, {OXP_ALERT_FIRING, 4 * H, 5 * H, 0, 6 * H}},
    {"active at the beginning of time moves, too", H, {OXP_ALERT_PENDING, 0, 0, 0, 0}, {OXP_ALERT_PENDING, H, 0, 0, 0}},
    {"not past the end", INT64_MAX, {OXP_ALERT_PENDING, H, 0, 0, 0}, {OXP_ALERT_PENDING, INT64_MAX, 0, 0, 0}},
};

static void test_shifts(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shifts); i++) {
        struct oxp_alert_life life = shifts[i].before;
        oxp_alert_shift(&life, shifts[i].shift_ms);
        assert_life(shifts[i].name, &life, &shifts[i].after);
    }
}

/* ---- Restarts ---- Saved at 10 hours. */

static const struct {
    const char *name;
    int64_t down_ms;
    struct oxp_alert_life before;
    bool goes_on;
    struct oxp_alert_life after;
} restarts[] = {
    {"pending, a minute down: it counts",
     M,
     {OXP_ALERT_PENDING, 9 * H, 0, 0, 0},
     true,
     {OXP_ALERT_PENDING, 9 * H, 0, 0, 0}},
    {"pending, an hour down", H, {OXP_ALERT_PENDING, 9 * H, 0, 0, 0}, true, {OXP_ALERT_PENDING, 9 * H, 0, 0, 0}},
    {"pending, over an hour down",
     H + 1,
     {OXP_ALERT_PENDING, 9 * H, 0, 0, 0},
     false,
     {OXP_ALERT_PENDING, 9 * H, 0, 0, 0}},
    {"firing, ten years down",
     10 * Y,
     {OXP_ALERT_FIRING, 8 * H, 9 * H, 0, 0},
     true,
     {OXP_ALERT_FIRING, 8 * H, 9 * H, 0, 0}},
    {"keeps firing: an hour of it counts",
     3 * H,
     {OXP_ALERT_FIRING, 8 * H, 9 * H, 0, 10 * H},
     true,
     {OXP_ALERT_FIRING, 8 * H, 9 * H, 0, 12 * H}},
    {"resolved, a minute down",
     M,
     {OXP_ALERT_INACTIVE, 7 * H, 8 * H, 9 * H, 0},
     true,
     {OXP_ALERT_INACTIVE, 7 * H, 8 * H, 9 * H, 0}},
    {"resolved, over an hour down",
     2 * H,
     {OXP_ALERT_INACTIVE, 7 * H, 8 * H, 9 * H, 0},
     false,
     {OXP_ALERT_INACTIVE, 7 * H, 8 * H, 9 * H, 0}},
    {"the clock went back: no time passed",
     -2 * H,
     {OXP_ALERT_PENDING, 9 * H, 0, 0, 0},
     true,
     {OXP_ALERT_PENDING, 7 * H, 0, 0, 0}},
};

static void test_restarts(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(restarts); i++) {
        struct oxp_alert_life life = restarts[i].before;
        bool goes_on = oxp_alert_restore(&life, 10 * H, 10 * H + restarts[i].down_ms);
        if (goes_on != restarts[i].goes_on) {
            fail_msg("%s: %s", restarts[i].name, goes_on ? "goes on" : "is forgotten");
        }
        assert_life(restarts[i].name, &life, &restarts[i].after);
    }
}

static void test_for_10m_restarted_at_minute_9(void **state) {
    (void)state;
    struct oxp_alert_life life = {0};
    struct oxp_alert_step step = {.present = true, .now_ms = H, .for_ms = 10 * M};
    assert_int_equal(oxp_alert_step(&life, &step), OXP_ALERT_BEGAN);
    assert_true(oxp_alert_restore(&life, H + 8 * M + 50 * S, H + 9 * M));
    step.now_ms = H + 9 * M + 45 * S;
    assert_int_equal(oxp_alert_step(&life, &step), OXP_ALERT_SAME);
    step.now_ms = H + 10 * M;
    assert_int_equal(oxp_alert_step(&life, &step), OXP_ALERT_FIRED);
}

/* ---- What is not believed for a while ---- */

/* Gives the first time, in steps of 15 s after the gap's end, at which nothing is held any more. */
static int64_t ends_after(struct oxp_alert_hold *hold, int64_t now_ms) {
    for (int64_t at = now_ms; at <= now_ms + 3 * H; at += 15 * S) {
        if (!oxp_alert_holds(hold, at)) {
            return at - now_ms;
        }
    }
    return -1;
}

static const struct {
    const char *name;
    enum oxp_gap_kind kind;
    int64_t interval_ms, reach_ms;
    int64_t held_ms, unsure_ms;
} watches[] = {
    {"no gap", OXP_GAP_NONE, 15 * S, 5 * M, 0, 0},
    {"pause, no window", OXP_GAP_PAUSE, 15 * S, 0, M, M},
    {"pause, a window", OXP_GAP_PAUSE, 15 * S, 5 * M, M, 5 * M},
    {"pause, a window without end", OXP_GAP_PAUSE, 15 * S, INT64_MAX, M, H},
    {"jump, no window", OXP_GAP_JUMP, 15 * S, 0, M, M},
    {"jump, a window", OXP_GAP_JUMP, 15 * S, 5 * M, 5 * M, 5 * M},
    {"jump, a day's window", OXP_GAP_JUMP, 15 * S, 24 * H, H, H},
    {"a long interval", OXP_GAP_PAUSE, 2 * M, M, 4 * M, 4 * M},
};

static void test_watches(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(watches); i++) {
        struct oxp_alert_watch watch = {0};
        struct oxp_gap gap = {watches[i].kind, 10 * M};
        oxp_alert_watch_gap(&watch, &gap, H, watches[i].interval_ms, watches[i].reach_ms);
        int64_t held = ends_after(&watch.held, H), unsure = ends_after(&watch.unsure, H);
        if (held != watches[i].held_ms || unsure != watches[i].unsure_ms) {
            fail_msg("%s: held for %lld s, unsure for %lld s", watches[i].name, (long long)held / S,
                     (long long)unsure / S);
        }
    }
}

/* A machine on which every other minute is missing is not silenced for good. */
static void test_gaps_again_and_again(void **state) {
    (void)state;
    struct oxp_alert_watch watch = {0};
    struct oxp_moment last = {H, H};
    unsigned free_ones = 0, row = 0, longest = 0;
    for (int i = 0; i < 100; i++) {
        struct oxp_moment now = {last.wall_ms + 2 * M, last.mono_ms + 2 * M};
        struct oxp_gap gap = oxp_gap_between(&last, &now, 15 * S);
        oxp_alert_watch_gap(&watch, &gap, now.wall_ms, 15 * S, 0);
        bool held = oxp_alert_holds(&watch.held, now.wall_ms);
        free_ones += !held;
        row = held ? row + 1 : 0;
        longest = row > longest ? row : longest;
        last = now;
    }
    assert_in_range(free_ones, 5, 50);
    assert_in_range(longest, 1, 9);
}

/* A jump while a pause is still watched holds as long as a jump does. */
static void test_jump_after_a_pause(void **state) {
    (void)state;
    struct oxp_alert_watch watch = {0};
    struct oxp_gap pause = {OXP_GAP_PAUSE, 10 * M}, jump = {OXP_GAP_JUMP, 10 * Y};
    oxp_alert_watch_gap(&watch, &pause, H, 15 * S, 10 * M);
    assert_true(oxp_alert_holds(&watch.held, H + 15 * S));
    oxp_alert_watch_gap(&watch, &jump, H + 10 * Y, 15 * S, 10 * M);
    assert_int_equal(ends_after(&watch.held, H + 10 * Y), 10 * M);
}

static void test_watch_after_a_restart(void **state) {
    (void)state;
    struct oxp_alert_watch watch = {0};
    oxp_alert_watch_restart(&watch, H, 15 * S, 5 * M);
    assert_int_equal(ends_after(&watch.held, H), 0);
    assert_int_equal(ends_after(&watch.unsure, H), 5 * M);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lives),
        cmocka_unit_test(test_times_of_a_life),
        cmocka_unit_test(test_longer_for_by_a_reload),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_shifts),
        cmocka_unit_test(test_restarts),
        cmocka_unit_test(test_for_10m_restarted_at_minute_9),
        cmocka_unit_test(test_watches),
        cmocka_unit_test(test_gaps_again_and_again),
        cmocka_unit_test(test_jump_after_a_pause),
        cmocka_unit_test(test_watch_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
