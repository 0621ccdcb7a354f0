/* The state of alerting. Private to this folder.
 *
 * Two sides. The rules' thread leaves in each alert's entry what it said last, and a list of the entries in which it
 * said something; the lock covers that, and the map of entries, and is never held while anything is written or made.
 * The turn (the thread of alerting, or a test) takes the list over, and everything else is its own.
 *
 * Groups, rule by rule (as Alertmanager's dispatcher, deduplication and notification log have it):
 * G1. An alert belongs to the group of its values of group_by; an alert that fires makes its group.
 * G2. A group flushes group_wait after it was made, or at once when its alert has fired longer than that already; then
 *     every group_interval. Nothing is told at another time.
 * G3. A flush tells an integration (one webhook) when: it was never told of the group and something fires; or something
 *     fires that its last telling did not hold; or nothing fires any more, and something did in its last telling; or
 *     something was resolved since the last flush, and it wants to know; or repeat_interval is over since its last
 *     telling. So a group whose alerts came and went between two flushes is not told.
 * G4. A telling holds all that fires and all that was resolved since the last flush.
 * G5. What was resolved is forgotten with the flush, and a group with its last alert: what fires then is a new group.
 * Ours, beyond Alertmanager:
 * G6. To tell is to put into the outbox, in one commit with the ledger. When that fails, the flush has not been, and is
 *     tried again each second. What fired in it and was not told is `missed`: when it is resolved before a put
 * succeeds, a flush is needed all the same, and tells it as resolved (as firing to one that wants no resolved ones, as
 * the message would have that could not be put). Where the alerts that are known come near their bound, missed ones
 * that are over are let go.
 * G7. A telling that takes the place of an unsent one also holds what that one said to be resolved (`owed`): else the
 * receiver would never hear of it. A resolved state supersedes an unsent firing one and is told: the receiver sees from
 * startsAt that there was something.
 * G8. After a restart or a reload the ledger says what was told. Its alerts are taken to fire, unconfirmed, until the
 * rules speak of them; those that they do not within OXP_ALERTING_LOST_MS of being ready are resolved, unless a rule of
 * their name is awaited still. Groups with unconfirmed alerts wait for the rules to be ready, and are not repeated.
 * G9. An alert that under a changed group_by belongs into another group, and fires there, is not told as resolved by
 * its old one: a receiver that goes by fingerprints would take it for over. It leaves the old group untold; a note says
 * so. When it does not fire, G8 resolves it in its old group.
 * G10. What a webhook was told is remembered for OXP_ALERTING_GONE_MS after it has gone from the configuration, as long
 * as what waits for it: when it is back, G8 compares that with what fires then. So a firing state that has waited is
 * superseded by the present one, or followed by a resolved one. */
#ifndef OXP_NOTIFY_INTERNAL_H
#define OXP_NOTIFY_INTERNAL_H

#include "alerts/notify/alerting.h"
#include "alerts/notify/notice.h"
#include "alerts/notify/settings.h"
#include "lib/base/map.h"
#include <pthread.h>

#define OXP_ALERTING_AGAIN_MS 1000               /* after a failure */
#define OXP_ALERTING_AWAIT_MS 10000              /* between two looks at what the rules owe */
#define OXP_ALERTING_GONE_MS INT64_C(1209600000) /* 14 days, the outbox' greatest age (G10) */
#define OXP_ALERTING_IDLE_MS 60000               /* between two turns at most */
#define OXP_SUMMARY_MAX 200                      /* bytes of a group's key for people */
#define OXP_ALERTING_PART (512 << 10)            /* bytes of a message to an Alertmanager, about */

struct oxp_said { /* of an alert, by the rules */
    bool resolved;
    int64_t starts_ms, ends_ms;
    int64_t valid_ms; /* until when a firing one counts without being said again */
};

struct oxp_member;
struct oxp_entry {
    /* The lock's: */
    struct oxp_said said;
    struct oxp_notice *fresh;    /* texts that the turn has not taken yet; NULL = as they were */
    bool listed;                 /* in alerting->said */
    struct oxp_entry *next_said; /* … behind it */
    /* The turn's; `notice` is replaced under the lock, so that both may read it: */
    struct oxp_notice *notice;
    struct oxp_said now;
    bool known;            /* `now` was said by the rules since the start */
    bool news;             /* not yet put for Alertmanagers */
    size_t left_out_bytes; /* too large for the Alertmanagers; 0 = it is not */
    bool left_out_said;
    struct oxp_member *member;
    struct oxp_entry *next_taken;
    struct oxp_entry *previous, *next; /* of all that the turn knows */
    size_t key_len;
    char key[];
};

enum oxp_member_state {
    OXP_MEMBER_FIRING,
    OXP_MEMBER_RESOLVED, /* since the last flush */
    OXP_MEMBER_OVER,     /* … flushed; kept while a bit is set */
};
struct oxp_group;
struct oxp_member { /* an alert in a group */
    struct oxp_member *next;
    struct oxp_group *group;
    struct oxp_entry *entry;   /* NULL: from the ledger, and under the present group_by it belongs elsewhere */
    struct oxp_notice *notice; /* held */
    enum oxp_member_state state;
    bool unconfirmed;
    int64_t starts_ms, ends_ms;
    uint64_t told;                 /* a bit for each webhook: its last telling held this alert as firing */
    uint64_t owed;                 /* … as resolved, and that telling may not have arrived */
    uint64_t next_told, next_owed; /* what they are when the put has succeeded */
    uint64_t missed;               /* it fired and was due, and no put has succeeded since (G6) */
};
struct oxp_group {
    struct oxp_notice *labels; /* the group's labels, as a notice */
    struct oxp_view key;       /* `{}:{alertname="X"}`; owned */
    struct oxp_member *members;
    bool flushed; /* since it began to fire */
    int64_t next_ms;
    int64_t told_ms[OXP_TARGETS_MAX]; /* last telling of each webhook; 0 = never, or nothing fired in it */
};

struct oxp_alerting {
    struct oxp_alerting_options options;
    struct oxp_alerting_config *config;
    char *external_url;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* The lock's: */
    struct oxp_map entries; /* by key */
    struct oxp_entry *said;
    struct oxp_buf key, generator; /* of the alert that is being told; they keep their memory */
    struct oxp_alerting_stats stats;
    int64_t ready_ms; /* 0 = not yet */
    bool woken, stopping, running;
    pthread_t thread;
    /* The turn's: */
    struct oxp_entry *all;
    struct oxp_map groups; /* by key */
    int64_t ready_seen_ms;
    int64_t members_put_ms, members_changed_ms, members_again_ms; /* 0 = never, nothing, no failure */
    size_t parts;                                                 /* messages of the last put to each Alertmanager */
    bool last;                                                    /* no other turn will follow: nothing is gathered */
    bool lost;                                                    /* the unconfirmed were given up */
    uint64_t noted;
    int64_t noted_ms, swept_ms, failed_ms;
};

/* ---- inbox.c ---- */
/* Takes over what was said since the last turn; false when some of it must be tried again for want of memory. */
bool oxp_alerting_take(struct oxp_alerting *alerting, int64_t now_ms);
/* An entry for an alert of the ledger, which the rules have not spoken of; NULL without memory or past the bound. */
struct oxp_entry *oxp_entry_restore(struct oxp_alerting *alerting, struct oxp_notice *notice);
/* True when the rules have said that this alert fires, and not that it was resolved. */
bool oxp_alerting_fires(struct oxp_alerting *alerting, const struct oxp_notice *notice);
/* Frees entries that nobody needs any more. */
void oxp_alerting_sweep(struct oxp_alerting *alerting, int64_t now_ms);
void oxp_entry_free(struct oxp_entry *entry);
/* True when half of the alerts that may be known are: what is not needed should be let go. */
bool oxp_alerting_is_crowded(struct oxp_alerting *alerting);

/* ---- groups.c ---- */
/* What the rules said of an entry reaches its group. OXP_ERR_NOMEM: nothing changed. */
enum oxp_status oxp_group_tell(struct oxp_alerting *alerting, struct oxp_entry *entry, int64_t now_ms);
/* The labels by which an alert is grouped; they point into `labels`. */
struct oxp_pairs oxp_group_labels(const struct oxp_alerting_config *config, struct oxp_pairs labels,
                                  struct oxp_pair *room);
/* The group of these labels, made when it is not there; NULL without memory. */
struct oxp_group *oxp_group_for(struct oxp_alerting *alerting, struct oxp_pairs labels);
struct oxp_member *oxp_member_new(struct oxp_group *group, struct oxp_notice *notice);
/* Members that are over and have no bit left go, and the group with the last of them: true when it is gone. */
bool oxp_group_prune(struct oxp_alerting *alerting, struct oxp_group *group);
void oxp_group_free(struct oxp_group *group);
/* G8 and G9: gives up what the rules do not speak of. False while some of it is awaited. */
bool oxp_groups_lose(struct oxp_alerting *alerting, int64_t now_ms);

/* ---- telling.c ---- */
/* Flushes what is due and gives when the next will be; INT64_MAX = none. */
int64_t oxp_groups_flush(struct oxp_alerting *alerting, int64_t now_ms);
/* Puts it; a failure is told (once a minute) and counted. */
bool oxp_alerting_put(struct oxp_alerting *alerting, const struct oxp_outbox_write *write, int64_t now_ms);
enum oxp_outbox_priority oxp_notice_priority(const struct oxp_notice *notice);

/* ---- ledger.c ---- */
/* The ledger's key and value of a webhook's knowledge of a group, from next_told and next_owed; nothing is appended to
 * `value` when there is none. */
void oxp_ledger_write(const struct oxp_group *group, const struct oxp_target *target, size_t bit, int64_t told_ms,
                      struct oxp_buf *key, struct oxp_buf *value);
/* Fills the groups from the ledger; what is of no use any more is removed. */
enum oxp_status oxp_ledger_read(struct oxp_alerting *alerting, struct oxp_error *error);

/* ---- members.c ---- */
/* Puts what is due for the Alertmanagers and gives when that will be next. */
int64_t oxp_members_turn(struct oxp_alerting *alerting, int64_t now_ms);

static inline int64_t oxp_earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

#endif
