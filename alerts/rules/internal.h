/* What the files of the evaluation share: groups and rules with what they hold between evaluations.
 *
 * Everything belongs to the thread that writes the short memory. What views look at (the lists of groups and rules,
 * alerts and their lives, health, durations, counts) that thread changes under `lock` only, and reads without it. */
#ifndef OXP_RULES_INTERNAL_H
#define OXP_RULES_INTERNAL_H

#include "alerts/rules/label_table.h"
#include "alerts/rules/rules.h"
#include <pthread.h>

/* A series of a recording rule. */
struct oxp_record {
    struct oxp_labelled item;       /* labels of the result; first */
    struct oxp_tsdb_series *series; /* held; NULL while there was no room */
    double value;
};

struct oxp_alert {
    struct oxp_labelled item;       /* labels without the external ones; first */
    struct oxp_labels *annotations; /* owned; never NULL */
    double value;
    struct oxp_alert_life life;
    int64_t told_ms; /* to on_alert; 0 = not yet */
    /* what it writes: ALERTS of the state `written`, ALERTS_FOR_STATE; held; NULL while there is nothing or no room */
    struct oxp_tsdb_series *alerts, *for_state;
    enum oxp_alert_state written;
    /* of the evaluation that goes on */
    double next_value;
    struct oxp_labels *next_annotations; /* NULL = as they are */
    enum oxp_alert_change change;
};

struct oxp_rule_state {
    const struct oxp_rule *rule;
    const struct oxp_labels *labels, *annotations; /* as written; in the group's arena */
    /* The values of labels and annotations that are the same in every evaluation, NULL for those with templates. */
    const struct oxp_symbol *const *label_values, *const *annotation_values;
    struct oxp_label_table table; /* records or alerts */
    uint64_t round;               /* evaluations; what the last one gave has it as its round */
    struct oxp_alert_watch watch;
    enum oxp_rule_health health;
    bool known;             /* it was evaluated without a failure, and nothing held: all its alerts are here */
    struct oxp_error error; /* of the last evaluation; its text is "" when there was none */
    int64_t last_ms;
    double seconds;
    struct oxp_rule_state *from; /* while loading: where its state comes from */
    bool taken;                  /* while loading or restoring */
};

struct oxp_group_state {
    const struct oxp_rule_group *group;
    struct oxp_arena arena;
    int64_t interval_ms, next_ms;
    bool ran;
    struct oxp_moment last; /* of the last evaluation: its slot and the monotonic time */
    int64_t last_ms;
    double seconds;
    uint64_t missed;
    struct oxp_rule_state *rules;
    size_t count;
    bool taken; /* while loading */
};

/* A series whose rule a reload has taken away: it ends with a stale marker unless another rule goes on with it. */
struct oxp_ended {
    struct oxp_tsdb_series *series; /* held */
    int64_t last_ms, due_ms;        /* its last sample; when to look again */
};

enum oxp_rules_symbol {
    OXP_RULES_NAME,       /* __name__ */
    OXP_RULES_ALERTNAME,  /* alertname */
    OXP_RULES_ALERTSTATE, /* alertstate */
    OXP_RULES_ALERTS,     /* ALERTS */
    OXP_RULES_FOR_STATE,  /* ALERTS_FOR_STATE */
    OXP_RULES_PENDING,
    OXP_RULES_FIRING,
    OXP_RULES_SYMBOLS
};

struct oxp_rules {
    struct oxp_rules_options options; /* labels and URL are copies in `settings` */
    struct oxp_arena settings, symbols, scratch;
    struct oxp_buf text;
    const struct oxp_symbol *symbol[OXP_RULES_SYMBOLS];
    pthread_mutex_t lock;
    struct oxp_rule_file **files;
    size_t file_count;
    struct oxp_group_state *groups;
    size_t group_count;
    struct oxp_ended *ended;
    size_t ended_count;
    uint64_t evaluations, failures, missed;
    bool gap_noted;                  /* in this call of oxp_rules_run */
    uint64_t changes, saved_changes; /* of alerts' lives; how many when they were saved last */
    int64_t saved_ms;                /* INT64_MIN = never */
};

/* One rule at one time. */
struct oxp_evaluation {
    struct oxp_rules *rules;
    const struct oxp_group_state *group;
    struct oxp_rule_state *rule;
    int64_t time_ms;   /* of the evaluation */
    int64_t sample_ms; /* of query and samples: query_offset earlier */
    bool held;
    struct oxp_error error;     /* why it failed: nothing was changed */
    struct oxp_error unwritten; /* why samples were not taken, the first of them; "" when all were */
    size_t unwritten_count;
};

/* evaluate.c */
/* The rule's query at sample_ms: what it gave, to be freed, or the reason in `error`. */
enum oxp_status oxp_evaluation_ask(const struct oxp_rules *rules, const struct oxp_promql_expr *expr, int64_t time_ms,
                                   struct oxp_promql_answer **answer_out, struct oxp_error *error);
/* Puts the rule's fixed labels over those of a result, whose name goes. Those with templates are left out. */
void oxp_evaluation_relabel(const struct oxp_evaluation *evaluation, const struct oxp_labels *labels,
                            struct oxp_labels_builder *builder);
/* Appends to a series, which is first got and held when *series is NULL: by `labels`, which may be NULL when there was
 * no memory for them. Failures are noted. */
void oxp_evaluation_write(struct oxp_evaluation *evaluation, struct oxp_tsdb_series **series,
                          const struct oxp_labels *labels, double value);
/* Ends a series with a stale marker and lets it go; *series may be NULL and is afterwards. */
void oxp_evaluation_end(struct oxp_evaluation *evaluation, struct oxp_tsdb_series **series);
enum oxp_status oxp_evaluation_fail(struct oxp_evaluation *evaluation, enum oxp_status status);

/* expand.c */
/* Puts the expanded ones of `texts` into the set: those whose value is NULL. False without memory. */
bool oxp_evaluation_expand(const struct oxp_evaluation *evaluation, const struct oxp_rule_text *texts, size_t count,
                           const struct oxp_symbol *const *values, const struct oxp_template_data *data,
                           struct oxp_labels_builder *builder);
/* `query` of struct oxp_template_data; the context is the struct oxp_rules. */
enum oxp_status oxp_template_ask(void *ctx, struct oxp_view text, int64_t time_ms, struct oxp_arena *arena,
                                 const struct oxp_template_sample **samples_out, size_t *count_out,
                                 struct oxp_error *error);

/* recording.c, alerts.c: OXP_OK, or the reason in evaluation->error. */
enum oxp_status oxp_rule_record(struct oxp_evaluation *evaluation);
enum oxp_status oxp_rule_alert(struct oxp_evaluation *evaluation);
void oxp_record_free(struct oxp_record *record); /* lets its series go */
void oxp_alert_free(struct oxp_alert *alert);    /* the same */
/* Tells an alert as it is to on_alert. */
void oxp_alert_tell(struct oxp_rules *rules, const struct oxp_rule_group *group, const struct oxp_rule *rule,
                    struct oxp_alert *alert, enum oxp_alert_change change, int64_t now_ms);

/* rules.c */
/* Alerts that are shown: pending or firing. Under the lock, or the owner. */
size_t oxp_rule_state_count(const struct oxp_rule_state *state, enum oxp_alert_state of);

/* group.c */
/* Copies names and labels, and plans the first run: the next slot after now_ms. */
enum oxp_status oxp_group_init(const struct oxp_rules *rules, struct oxp_group_state *group,
                               const struct oxp_rule_group *from, int64_t now_ms);
/* Frees it with what its rules still hold. */
void oxp_group_fini(struct oxp_group_state *group);
/* The last slot at or before a time. */
int64_t oxp_group_slot(const struct oxp_group_state *group, int64_t time_ms);
/* The default interval has changed. */
void oxp_group_reschedule(const struct oxp_rules *rules, struct oxp_group_state *group);
/* Time passed that nobody observed: alerts' lives are moved past it, and watched for a while. Under the lock. */
void oxp_group_bridge(struct oxp_rules *rules, struct oxp_group_state *group, const struct oxp_gap *gap,
                      int64_t slot_ms);
/* Runs the rules at `slot_ms`. `watched`: looks for gaps since the last time. */
void oxp_group_run(struct oxp_rules *rules, struct oxp_group_state *group, int64_t slot_ms, int64_t now_ms, bool held,
                   bool watched);
void oxp_rules_note(const struct oxp_rules *rules, const struct oxp_rule_group *group, const struct oxp_rule *rule,
                    const char *text);

#endif
