/* The outbox: what was accepted for delivery, kept in SQLite until it was delivered or set aside for all to see.
 *
 * Promise: once oxp_outbox_put has given OXP_OK, the messages are on the disk (with a path) and are claimed again and
 * again until they are sent, set aside with a reason, superseded by a newer state, or dropped by a bound; the last
 * three are visible and counted. A message that was claimed when the process was killed is claimed again after the next
 * opening: at least once, and repeats are bounded by what was in flight.
 *
 * One queue for each receiver. Within a queue critical comes first, then the oldest. One unsent message for each
 * receiver and group: a newer one supersedes it, and takes over its answer: why it waits. Beside the messages it keeps
 * a ledger (small values under a key, for what must change in the same commit as a message) and notes (audit events and
 * manual acts).
 *
 * Files: `outbox.db` in the directory, journal mode WAL with synchronous=FULL; TRUNCATE where the file system cannot do
 * WAL. A damaged file is set aside (`outbox.db.damaged-N`) and a new one begun; OXP_OUTBOX_FRESH says so. Without a
 * path everything is in memory, with the same rules. The only folder with SQLite.
 *
 * Threads: any; one lock inside. Every call may wait for the disk, so none may be made by a thread that must not. Other
 * processes may open the same file meanwhile (`oxpecker outbox list`). */
#ifndef OXP_OUTBOX_OUTBOX_H
#define OXP_OUTBOX_OUTBOX_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include <oxpecker/status.h>
#include <stdint.h>

enum oxp_outbox_priority { OXP_OUTBOX_CRITICAL, OXP_OUTBOX_WARNING, OXP_OUTBOX_INFO, OXP_OUTBOX_PRIORITIES };
/* "critical", "warning", "info". */
const char *oxp_outbox_priority_name(enum oxp_outbox_priority priority);

enum oxp_outbox_state {
    OXP_OUTBOX_WAITING,    /* for its turn, or for the time of its next try */
    OXP_OUTBOX_CLAIMED,    /* being sent */
    OXP_OUTBOX_SENT,       /* kept for a while, to be looked at */
    OXP_OUTBOX_ASIDE,      /* the receiver refuses it; kept until it is sent again or is too old */
    OXP_OUTBOX_SUPERSEDED, /* a newer state of its group took its place before it was sent */
    OXP_OUTBOX_DROPPED,    /* by a bound: `answer` says which */
    OXP_OUTBOX_STATES,
};
/* "waiting", "claimed", "sent", "set_aside", "superseded", "dropped". */
const char *oxp_outbox_state_name(enum oxp_outbox_state state);
/* The state of that name as a bit for struct oxp_outbox_filter.states; false when there is none. */
bool oxp_outbox_state_find(const char *name, unsigned *states_out);

enum oxp_outbox_drop { OXP_OUTBOX_FULL, OXP_OUTBOX_EXPIRED, OXP_OUTBOX_SUPERSEDING, OXP_OUTBOX_DROPS };
/* "full", "expired", "superseded". */
const char *oxp_outbox_drop_name(enum oxp_outbox_drop drop);

/* A message: texts are borrowed in _put, and in the caller's arena when read. */
struct oxp_outbox_message {
    int64_t id;                  /* given by _put; grows */
    struct oxp_view receiver;    /* the queue: "oncall/webhook/…", "alertmanager/http://…", "cloudwatch" */
    struct oxp_view integration; /* for metrics: webhook, alertmanager, cloudwatch, … */
    struct oxp_view group;       /* empty = stands alone, supersedes nothing */
    enum oxp_outbox_priority priority;
    int64_t since_ms;   /* what it tells began then: the delay of its delivery is counted from there; 0 = made_ms */
    int64_t made_ms;    /* unix ms; 0 in _put = now */
    int64_t due_ms;     /* not to be tried before; 0 = at once */
    int64_t expires_ms; /* dropped then; 0 = the outbox's greatest age */
    struct oxp_view summary; /* one line for people, without secrets */
    struct oxp_view content; /* what the receiver makes its request of; never signed, never holding a credential */
    /* filled when read */
    enum oxp_outbox_state state;
    unsigned tries;         /* sends that were begun */
    int64_t changed_ms;     /* when it came into its state */
    struct oxp_view answer; /* the last answer or error, or why it was dropped; cut to OXP_OUTBOX_ANSWER_MAX */
};
#define OXP_OUTBOX_ANSWER_MAX 2000
#define OXP_OUTBOX_CONTENT_MAX (1u << 20)

struct oxp_outbox_options {
    const char *directory; /* --storage.path; NULL = in memory */
    uint64_t rows_max;     /* waiting and set aside; 0 = 100,000. The oldest of the lowest priority is dropped */
    uint64_t bytes_max;    /* of the file, or the memory; 0 = 64 MiB */
    int64_t age_max_ms;    /* 0 = 14 days */
    int64_t history_ms;    /* how long what is over is kept to be looked at; 0 = 24 h */
    /* Told of every drop, with the lock held: must not call back. May be NULL. */
    void (*on_drop)(void *ctx, const struct oxp_outbox_message *message, enum oxp_outbox_drop drop);
    /* Told of every message that was set aside because its record was damaged on the disk; like on_drop. May be NULL.
     */
    void (*on_damage)(void *ctx, const struct oxp_outbox_message *message);
    /* Told at each named point ("accept", "commit", "claim", "send", "acknowledge", "prune", "recover"): the tests kill
     * the process there. NULL in the daemon. */
    void (*point)(void *ctx, const char *name);
    void *ctx;
};

enum oxp_outbox_opened { OXP_OUTBOX_AS_IT_WAS, OXP_OUTBOX_NEW, OXP_OUTBOX_FRESH /* the old one was damaged */ };

struct oxp_outbox;
/* Opens or makes it, brings an older schema up to date, gives back to the queues what was claimed. OXP_ERR_IO (with the
 * reason; a read-only or full disk), OXP_ERR_UNSUPPORTED (made by a newer version), OXP_ERR_NOMEM. `opened_out` may be
 * NULL. */
enum oxp_status oxp_outbox_open(const struct oxp_outbox_options *options, int64_t now_ms,
                                struct oxp_outbox **outbox_out, enum oxp_outbox_opened *opened_out,
                                struct oxp_error *error);
/* To look at an outbox that another process has open, and to send messages again: recovers nothing, bounds nothing.
 * OXP_ERR_NOT_FOUND when there is none. */
enum oxp_status oxp_outbox_visit(const char *directory, struct oxp_outbox **outbox_out, struct oxp_error *error);
void oxp_outbox_close(struct oxp_outbox *outbox); /* NULL is allowed */
/* True when it survives a restart. */
bool oxp_outbox_is_kept(const struct oxp_outbox *outbox);

/* The version of the library behind this (SQLite), static text; NULL when it is not on this machine. Loads it. */
const char *oxp_outbox_library(void);

/* ---- Accepting ---- */

struct oxp_outbox_value { /* of the ledger */
    struct oxp_view key;
    struct oxp_view value; /* ptr NULL = removes the key */
};
struct oxp_outbox_note {
    struct oxp_view kind; /* "reload", "breaker.reset", "outbox.retry", … */
    struct oxp_view text;
};
struct oxp_outbox_write {
    const struct oxp_outbox_message *messages;
    size_t message_count;
    const struct oxp_outbox_value *values;
    size_t value_count;
    const struct oxp_outbox_note *notes;
    size_t note_count;
    int64_t *ids_out; /* NULL, or room for the ids of the messages */
};
/* All of it in one commit, or nothing. When it is back with OXP_OK, it is on the disk. OXP_ERR_IO, OXP_ERR_FULL (the
 * disk; what is bounded drops instead), OXP_ERR_LIMIT (a content too long), OXP_ERR_NOMEM. */
enum oxp_status oxp_outbox_put(struct oxp_outbox *outbox, const struct oxp_outbox_write *write, int64_t now_ms,
                               struct oxp_error *error);

/* Takes over what another outbox has not delivered (waiting, claimed, set aside: all of it waits), its ledger and its
 * notes, in one commit of `to`; `from`, which nobody may use meanwhile, is as it was, and is to be closed. Ids and
 * tries begin anew. Of the ledger `from` has the last word; and if it has any key that begins with `whole`, keys of
 * `to` alone that begin so go. OXP_ERR_IO, OXP_ERR_FULL, OXP_ERR_NOMEM: nothing was taken over. */
enum oxp_status oxp_outbox_take_over(struct oxp_outbox *from, struct oxp_outbox *to, struct oxp_view whole,
                                     int64_t now_ms, size_t *messages_out, struct oxp_error *error);

/* ---- Delivering ---- */

/* The next message of the queue that is due, claimed; its texts are in the arena. One whose record was damaged on the
 * disk is set aside instead. OXP_END: none is due; `next_ms_out`
 * is when one will be (INT64_MAX: none waits). OXP_ERR_IO, OXP_ERR_FULL, OXP_ERR_NOMEM. */
enum oxp_status oxp_outbox_claim(struct oxp_outbox *outbox, struct oxp_view receiver, int64_t now_ms,
                                 struct oxp_arena *arena, struct oxp_outbox_message *message_out, int64_t *next_ms_out);
/* The same, but of what is due the message that was tried least often, whatever its priority; of those the first in the
 * queue's order, or with `by_age` the oldest. For a receiver in trouble, where a try is dear: reads the whole queue. */
enum oxp_status oxp_outbox_claim_least_tried(struct oxp_outbox *outbox, struct oxp_view receiver, bool by_age,
                                             int64_t now_ms, struct oxp_arena *arena,
                                             struct oxp_outbox_message *message_out, int64_t *next_ms_out);
/* What became of a claimed message. OXP_ERR_IO, OXP_ERR_FULL: it stays claimed, and the caller tells again.
 * OXP_ERR_NOT_FOUND: it is not claimed, so there is nothing to tell: an earlier telling that seemed to fail did not, or
 * the file was damaged and begun anew. After _again it is superseded when a newer one of its group waits by then. */
enum oxp_status oxp_outbox_sent(struct oxp_outbox *outbox, int64_t id, struct oxp_view answer, int64_t now_ms);
enum oxp_status oxp_outbox_again(struct oxp_outbox *outbox, int64_t id, int64_t due_ms, struct oxp_view answer,
                                 int64_t now_ms);
enum oxp_status oxp_outbox_set_aside(struct oxp_outbox *outbox, int64_t id, struct oxp_view answer, int64_t now_ms);
/* Drops what is too old and history past its time; once a second or so, cheap when there is nothing. */
enum oxp_status oxp_outbox_sweep(struct oxp_outbox *outbox, int64_t now_ms);

/* The receivers that there are, after they were configured. What waits for another gets an answer that says so, stays
 * waiting, due as it was, and is counted; what waits for one that is back loses that answer. OXP_ERR_IO, OXP_ERR_FULL,
 * OXP_ERR_NOMEM: nothing changed. */
enum oxp_status oxp_outbox_adopt(struct oxp_outbox *outbox, const struct oxp_view *receivers, size_t count,
                                 size_t *orphans_out);
/* A queue gets another name: all its messages, those that are over as well, whatever their state. Of two of one group
 * that would wait then the older is superseded. Gives how many there were. Nobody may send from either queue meanwhile.
 * The same failures. */
enum oxp_status oxp_outbox_rename(struct oxp_outbox *outbox, struct oxp_view from, struct oxp_view to, int64_t now_ms,
                                  size_t *count_out);
/* A receiver that there is, and that nobody sends to for now: what waits for it gets the answer "it waits: WHY", until
 * it is adopted again. Gives how many. The same failures. */
enum oxp_status oxp_outbox_idle(struct oxp_outbox *outbox, struct oxp_view receiver, const char *why,
                                size_t *count_out);

/* ---- The ledger ---- */

/* OXP_ERR_NOT_FOUND; the value is in the arena. */
enum oxp_status oxp_outbox_value(struct oxp_outbox *outbox, struct oxp_view key, struct oxp_arena *arena,
                                 struct oxp_view *value_out);
/* All whose key begins with `prefix`, in the order of their keys. */
enum oxp_status oxp_outbox_values(struct oxp_outbox *outbox, struct oxp_view prefix, struct oxp_arena *arena,
                                  struct oxp_outbox_value **values_out, size_t *count_out);

/* ---- Looking, and by hand ---- */

struct oxp_outbox_filter {
    struct oxp_view receiver; /* empty = all */
    unsigned states;          /* bits 1u << enum oxp_outbox_state; 0 = all */
    int64_t below_id;         /* 0 = from the newest */
    size_t limit;             /* 0 = 100 */
};
/* Newest first; contents are left out (empty). */
enum oxp_status oxp_outbox_list(struct oxp_outbox *outbox, const struct oxp_outbox_filter *filter,
                                struct oxp_arena *arena, struct oxp_outbox_message **messages_out, size_t *count_out);
/* One, whole. OXP_ERR_NOT_FOUND. */
enum oxp_status oxp_outbox_show(struct oxp_outbox *outbox, int64_t id, struct oxp_arena *arena,
                                struct oxp_outbox_message *message_out);
/* Sends again at once: one by its id (set aside, dropped, superseded or waiting), or with id 0 all that are set aside
 * for this receiver (empty = for all; of each group the newest only, and none that a later one has overtaken: the
 * others are superseded). Leaves a note. Gives how many. OXP_ERR_NOT_FOUND, OXP_ERR_IN_USE (claimed), OXP_ERR_EXISTS (a
 * newer message of its group is unsent), OXP_ERR_INVALID (it was sent, superseded or dropped for want of room: its
 * content is gone). */
enum oxp_status oxp_outbox_retry(struct oxp_outbox *outbox, int64_t id, struct oxp_view receiver, int64_t now_ms,
                                 size_t *count_out);
struct oxp_outbox_noted {
    int64_t id, at_ms;
    struct oxp_view kind, text;
};
/* Newest first. */
enum oxp_status oxp_outbox_notes(struct oxp_outbox *outbox, size_t limit, struct oxp_arena *arena,
                                 struct oxp_outbox_noted **notes_out, size_t *count_out);

struct oxp_outbox_count {
    struct oxp_view integration;
    uint64_t waiting, claimed, aside;
};
struct oxp_outbox_stats {
    uint64_t waiting, claimed, aside, bytes;
    int64_t oldest_ms; /* when the oldest waiting one was made; 0 = none waits */
    uint64_t dropped[OXP_OUTBOX_DROPS];
    uint64_t failures;               /* of the disk */
    struct oxp_outbox_count *counts; /* by integration; in the arena */
    size_t count;
};
/* From memory, without the disk. */
enum oxp_status oxp_outbox_stats(struct oxp_outbox *outbox, struct oxp_arena *arena,
                                 struct oxp_outbox_stats *stats_out);
/* Why the disk failed last, as a sentence; an empty text when something was written since. */
void oxp_outbox_trouble(struct oxp_outbox *outbox, struct oxp_error *error_out);
/* True once after a sweep that found that another process changed something (`oxpecker outbox retry`): wake the
 * courier. */
bool oxp_outbox_was_touched(struct oxp_outbox *outbox);

#endif
