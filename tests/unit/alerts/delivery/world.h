/* A world for the courier: a small outbox of its own in place of the real one, a transport that answers as the messages
 * say, and a clock that moves by hand and may be read by any thread.
 *
 * A message's content is what it is answered, one word for each try, the last again and again:
 *     200  500  400=text-without-blanks  429:RETRY-AFTER  503:RETRY-AFTER
 *     judge:WAIT_MS (200; the recipient's own judge wants it again after that time)
 *     dead (no answer)  timeout  long (200, longer than may be)  block (until it is given up)
 *     refuse, later (prepare says so; nothing is sent)
 * While world.storm is set, that is answered to all. */
#ifndef OXP_TEST_DELIVERY_WORLD_H
#define OXP_TEST_DELIVERY_WORLD_H

#include <pthread.h>
#include <stdatomic.h>

#include "alerts/delivery/courier.h"

enum { MESSAGES = 128, SENDS = 512 };

struct letter {
    int64_t id, due_ms;
    const char *receiver, *content;
    enum oxp_outbox_state state;
    unsigned tries, told; /* told: what became of it */
    unsigned exchanges;
    int64_t sent_at_ms;
    char answer[128];
};

struct world {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_llong now_ns; /* both clocks; the wall began at 1,000,000 s */
    struct oxp_clock clock;
    struct oxp_courier *courier;
    _Atomic(const char *) storm;
    atomic_int fail_tells, fail_claims, fail_https; /* so many fail with OXP_ERR_IO */
    atomic_int points, seen, blocked;
    atomic_int put_at_end; /* so many times one is put, and all are woken, just when a claim has found nothing */
    atomic_bool by_due;    /* the first that is due comes first, not the first that was put */
    size_t lanes;          /* of the courier */
    /* under the lock */
    struct letter letters[MESSAGES];
    size_t count;
    int64_t sends[SENDS]; /* ids, in order */
    size_t send_count;
    char probes[64]; /* what was claimed as least tried: q, of those in the queue's order, or a, by age */
};

/* The one world; a courier for these receivers is at work in it. Seeded: the jitter is the same each time. */
struct world *world_begin(const char *const *receivers, size_t count);
/* Stops without grace. */
void world_end(struct world *world);
/* Puts without waking. */
int64_t world_put(struct world *world, const char *receiver, const char *content);
/* Changes when it is due, as another process would. */
void world_due_now(struct world *world, int64_t id);
int64_t world_put_later(struct world *world, const char *receiver, const char *content, double seconds);
void world_wake(struct world *world);
/* Lets the courier come to rest, moves the clock and wakes all. Nothing of it while an exchange blocks. */
void world_advance(struct world *world, double seconds);
/* Waits until this many were sent in all; fails the test after a minute. */
void world_await_sends(struct world *world, size_t count);
/* Waits until the message is in this state. */
void world_await(struct world *world, int64_t id, enum oxp_outbox_state state);
/* Wakes all and waits until the courier has done what is to be done at this time; gives the number of sends. */
size_t world_quiet(struct world *world);
/* The same where it cannot come to rest, because an exchange blocks or it has ended: in some milliseconds. */
size_t world_pause(struct world *world);
struct letter world_letter(struct world *world, int64_t id);

#endif
