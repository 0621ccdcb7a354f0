/* How the parts of the library say what happened, and to whom.
 *
 * A report is one event of the vocabulary in docs/events.md: its type, the ids that it belongs to, and named values.
 * Retries, breakers, checkpoints, transactions and all the rest make reports and hand them to a `struct oxp_reporter`.
 * The client (client.h) is one: it sends them to the sidecar. A test is another. Every part takes NULL for nobody, and
 * works the same without one.
 *
 *     const struct oxp_pair pairs[] = {
 *         oxp_pair_text("op", OXP_VIEW("act")), oxp_pair_flag("ok", true), oxp_pair_number("duration_s", 1.5),
 *     };
 *     oxp_report(reporter, "operation", &ids, pairs, 3);
 *
 * Views and pairs are borrowed for the time of the call. All functions here may be called from any thread. */
#ifndef OXPECKER_REPORT_H
#define OXPECKER_REPORT_H

#include <oxpecker/api.h>
#include <oxpecker/view.h>
#include <stdint.h>

OXP_BEGIN_DECLS

/* What an event belongs to; an empty view is left out. */
struct oxp_ids {
    struct oxp_view workflow;
    struct oxp_view run; /* tells apart concurrent runs of one workflow */
    struct oxp_view session;
    struct oxp_view task;
    struct oxp_view trace_id; /* 32 lower-case hex digits (W3C trace context) */
    struct oxp_view span_id;  /* 16 */
};

enum oxp_pair_kind {
    OXP_PAIR_NONE, /* left out: so that a list may be written down whole and hold what is not known */
    OXP_PAIR_TEXT, /* UTF-8; a longer one than the event allows is cut at a character */
    OXP_PAIR_NUMBER,
    OXP_PAIR_COUNT,
    OXP_PAIR_FLAG,
};

/* A named value. A key with a dot is nested one level ("tokens.input"); pairs of one group stand side by side. */
struct oxp_pair {
    const char *key;
    enum oxp_pair_kind kind;
    union {
        struct oxp_view text;
        double number; /* seconds for times and durations */
        uint64_t count;
        bool flag;
    } value;
};

struct oxp_report {
    const char *type;          /* "retry", "breaker", …: docs/events.md */
    const struct oxp_ids *ids; /* NULL = none */
    const struct oxp_pair *pairs;
    size_t count;
    double ts; /* unix seconds of the event; 0 = now */
};

/* Somebody who is told. `report` may be called from any thread, must not block, and must not call back into the part
 * that reports. */
struct oxp_reporter {
    void (*report)(struct oxp_reporter *self, const struct oxp_report *report);
};

static inline void oxp_report(struct oxp_reporter *reporter, const char *type, const struct oxp_ids *ids,
                              const struct oxp_pair *pairs, size_t count) {
    if (reporter != NULL) {
        struct oxp_report report = {type, ids, pairs, count, 0};
        reporter->report(reporter, &report);
    }
}

/* Pairs. An empty text and a number that is not finite make a pair that is left out. */
static inline struct oxp_pair oxp_pair_text(const char *key, struct oxp_view text) {
    struct oxp_pair pair = {key, text.len == 0 ? OXP_PAIR_NONE : OXP_PAIR_TEXT, {text}};
    return pair;
}

static inline struct oxp_pair oxp_pair_number(const char *key, double number) {
    struct oxp_pair pair = {key, number - number == 0 ? OXP_PAIR_NUMBER : OXP_PAIR_NONE, {{NULL, 0}}};
    pair.value.number = number;
    return pair;
}

static inline struct oxp_pair oxp_pair_count(const char *key, uint64_t count) {
    struct oxp_pair pair = {key, OXP_PAIR_COUNT, {{NULL, 0}}};
    pair.value.count = count;
    return pair;
}

static inline struct oxp_pair oxp_pair_flag(const char *key, bool flag) {
    struct oxp_pair pair = {key, OXP_PAIR_FLAG, {{NULL, 0}}};
    pair.value.flag = flag;
    return pair;
}

OXP_END_DECLS

#endif
