/* Evaluation: groups on an even schedule, recording rules written back, alerts with their lives.
 *
 * As Prometheus does it (facts: rules/manager.go, rules/group.go, rules/alerting.go in its repository): the rules of a
 * group run in order at one time, at multiples of the interval plus the group's phase (hash of file and name); ticks
 * that were missed are counted and not replayed; a rule that fails spoils only itself. Results of recording rules and
 * ALERTS, ALERTS_FOR_STATE go into the short memory; what is gone gets a stale marker.
 *
 * Threads: oxp_rules_run, _load, _save and _restore belong to the thread that writes the short memory. The views are
 * for any thread: they copy under a lock that is held briefly. */
#ifndef OXP_RULES_RULES_H
#define OXP_RULES_RULES_H

#include "alerts/promql/engine.h"
#include "alerts/rules/file.h"
#include "alerts/rules/state.h"

/* An alert that fires, or was resolved less than OXP_ALERT_RESOLVED_KEPT_MS ago, is told again this often, with
 * OXP_ALERT_SAME: Prometheus' --rules.alert.resend-delay. */
#define OXP_ALERT_RESEND_MS 60000

struct oxp_alert_event { /* told for every change, and again at each resend; good during the call */
    const struct oxp_rule_group *group;
    const struct oxp_rule *rule;
    const struct oxp_labels *labels;      /* the alert's, external labels included */
    const struct oxp_labels *annotations; /* names and texts */
    double value;
    enum oxp_alert_change change;
    struct oxp_alert_life life;
};

struct oxp_rules_options {
    struct oxp_tsdb *tsdb;
    struct oxp_promql_engine *engine;
    int64_t interval_ms;                      /* of groups that name none; 0 = 15 s */
    const struct oxp_labels *external_labels; /* copied; may be NULL */
    const char *external_url;                 /* copied; may be NULL */
    const struct oxp_clock *clock;            /* NULL = the system's: measures durations */
    /* A change of an alert. Called by oxp_rules_run, and by oxp_rules_load for alerts whose rule is gone (those that
     * fired are told as resolved); must not block. What was not told for want of memory is told at the next resend, so
     * the life's state counts, not the change alone. May be NULL. */
    void (*on_alert)(void *ctx, const struct oxp_alert_event *event);
    /* Something to say: a rule that fails or works again, a gap in time (then `rule` is NULL). May be NULL. */
    void (*on_note)(void *ctx, const struct oxp_rule_group *group, const struct oxp_rule *rule, const char *text);
    void *ctx;
};

struct oxp_rules;
/* OXP_ERR_NOMEM. */
enum oxp_status oxp_rules_new(const struct oxp_rules_options *options, struct oxp_rules **rules_out);
/* Frees the files, too; nothing is told or written. Before the short memory is freed. NULL is allowed. */
void oxp_rules_free(struct oxp_rules *rules);

/* Takes these files (which are owned from then on) in the place of what was loaded: a group with the same file and name
 * goes on as it was; of its rules those that have the same kind, name and labels keep their alerts, whatever else
 * changed, as in Prometheus. Series that no rule goes on with are ended with stale markers two intervals later. A new
 * group first runs at its next slot after now_ms. OXP_ERR_NOMEM, and then nothing changed and the files are still the
 * caller's. */
enum oxp_status oxp_rules_load(struct oxp_rules *rules, struct oxp_rule_file **files, size_t count, int64_t now_ms);
/* Options that a reload may change: interval_ms, external_labels, external_url; the others stay. OXP_ERR_NOMEM, and
 * then nothing changed. */
enum oxp_status oxp_rules_configure(struct oxp_rules *rules, const struct oxp_rules_options *options);

/* Unix milliseconds at which the next group is due; INT64_MAX when there is none. */
int64_t oxp_rules_next(const struct oxp_rules *rules);
/* Evaluates every group that is due at `now_ms`, each at its own slot time. `held`: alerts neither fire nor resolve
 * yet, for owners are not back since a restart. A clock that went back runs nothing until it is where it was; ticks
 * that lie behind are missed.
 *
 * Gaps: when much more time passed since a group's last run than its interval (twice, and over ten seconds), or the
 * monotonic clock tells another story than `now_ms` (the clock was set), the time between does not count toward `for`,
 * and for a while nothing fires and nothing resolves by itself (state.h says how long). */
void oxp_rules_run(struct oxp_rules *rules, int64_t now_ms, bool held);
/* The clock was set back for good and the caller has emptied the short memory: goes on from `now_ms`, alerts keep how
 * long they have been active. */
void oxp_rules_rewind(struct oxp_rules *rules, int64_t now_ms);
/* Evaluates all groups at this very time, in the files' order: for rule unit tests. */
void oxp_rules_run_at(struct oxp_rules *rules, int64_t time_ms);

/* Tells every alert that fires or was resolved less than OXP_ALERT_RESOLVED_KEPT_MS ago, as it is (OXP_ALERT_SAME): for
 * a listener that begins anew, and must not wait for the next evaluation of a group with a long interval. The thread
 * that runs the rules. */
void oxp_rules_tell_all(struct oxp_rules *rules, int64_t now_ms);
/* True while an alerting rule of this name has not been evaluated since it was loaded, or not without a failure, or not
 * while nothing was held: its alerts may not be known. Any thread. */
bool oxp_rules_awaits(struct oxp_rules *rules, struct oxp_view name);

/* ---- State across a restart ---- One text; the caller keeps it (a file, a database). */
/* Appends the state of all alerts (rules_saved.c has the format). With `changed_out`: appends nothing, and says false,
 * when nothing changed since the last call; it says true at least once a minute while there are alerts, so that a
 * restart knows how long it took. Call it without when the last text was not kept. OXP_ERR_NOMEM, OXP_ERR_LIMIT (the
 * buffer's cap). */
enum oxp_status oxp_rules_save(struct oxp_rules *rules, int64_t now_ms, struct oxp_buf *out, bool *changed_out);
/* After oxp_rules_load, before the first run. Alerts whose rule is no longer there as it was (file, group, name,
 * expression, labels), or that are too old, are left out. OXP_ERR_CORRUPT, OXP_ERR_NOMEM, and then nothing was taken.
 */
enum oxp_status oxp_rules_restore(struct oxp_rules *rules, struct oxp_view text, int64_t now_ms);

/* ---- Looking ---- */
enum oxp_rule_health { OXP_RULE_UNKNOWN, OXP_RULE_OK, OXP_RULE_FAILED };

struct oxp_alert_view {
    const struct oxp_labels *labels, *annotations;
    double value;
    struct oxp_alert_life life;
};
struct oxp_rule_view {
    enum oxp_rule_kind kind;
    struct oxp_view name, query, last_error;
    int64_t for_ms, keep_firing_for_ms;
    const struct oxp_labels *labels, *annotations; /* as written */
    enum oxp_rule_health health;
    enum oxp_alert_state state;          /* of an alerting rule: its alerts' highest */
    int64_t last_ms;                     /* when it was evaluated last; 0 = never */
    double seconds;                      /* what that took */
    const struct oxp_alert_view *alerts; /* pending and firing */
    size_t alert_count;
};
struct oxp_group_view {
    struct oxp_view name, file;
    int64_t interval_ms, last_ms;
    double seconds;
    unsigned limit;
    uint64_t missed;
    const struct oxp_rule_view *rules;
    size_t count;
};
/* A copy of everything, in the arena. */
enum oxp_status oxp_rules_view(struct oxp_rules *rules, struct oxp_arena *arena,
                               const struct oxp_group_view **groups_out, size_t *count_out);

struct oxp_rules_stats {
    uint64_t evaluations, failures, missed;
    size_t groups, rules, pending, firing;
};
void oxp_rules_stats(struct oxp_rules *rules, struct oxp_rules_stats *stats_out);

#endif
