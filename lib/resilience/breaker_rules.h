/* The state machine of one breaker, inside this folder: state and event in, next state out. The rules are numbered in
 * breaker.h. No lock, no clock, no report: the caller hands in monotonic seconds and guards it. */
#ifndef OXP_RESILIENCE_BREAKER_RULES_H
#define OXP_RESILIENCE_BREAKER_RULES_H

#include <oxpecker/breaker.h>

enum { OXP_BREAKER_SLICES = 10 }; /* of the window */

struct oxp_breaker_slice {
    int64_t number; /* of the time since the start, in slices; another one = not in use */
    uint64_t failures, calls;
};

struct oxp_breaker_rules {
    struct oxp_breaker_options options; /* defaults filled in */
    enum oxp_breaker_state state;
    bool disabled;
    uint64_t generation; /* counts transitions; from 1 */
    uint64_t failures;   /* consecutive */
    uint64_t opened;     /* times it opened */
    double now_s;        /* the latest time seen (rule 10) */
    double open_until_s; /* rule 2 */
    double open_for_s;   /* the last wait, for its growth; 0 = it was closed since */
    uint64_t probes;     /* number of the last probe */
    uint64_t probe;      /* the one that is out; 0 = none */
    double probe_until_s;
    unsigned probe_successes;
    struct oxp_breaker_slice slices[OXP_BREAKER_SLICES];
};

enum oxp_breaker_pass { OXP_PASS_REJECTED, OXP_PASS_CALL, OXP_PASS_PROBE };

/* Fills in the defaults. False when something makes no sense (and `error`, which may be NULL, says what). */
bool oxp_breaker_rules_init(struct oxp_breaker_rules *rules, const struct oxp_breaker_options *options, double now_s,
                            struct oxp_error *error);
/* A call wants to pass; may move open to half_open. `anyway` = it is not to be rejected. Fills generation and probe of
 * the ticket. */
enum oxp_breaker_pass oxp_breaker_rules_enter(struct oxp_breaker_rules *rules, bool anyway, double now_s,
                                              struct oxp_breaker_ticket *ticket);
void oxp_breaker_rules_leave(struct oxp_breaker_rules *rules, const struct oxp_breaker_ticket *ticket,
                             enum oxp_breaker_outcome outcome, double now_s);
void oxp_breaker_rules_reset(struct oxp_breaker_rules *rules, double now_s);
void oxp_breaker_rules_disable(struct oxp_breaker_rules *rules, double now_s);
void oxp_breaker_rules_enable(struct oxp_breaker_rules *rules, double now_s);
/* Seconds until a probe may be made. */
double oxp_breaker_rules_wait_s(const struct oxp_breaker_rules *rules, double now_s);

#endif
