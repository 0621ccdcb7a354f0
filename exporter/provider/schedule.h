/* When and what the poller asks next: the time of the next poll, which sessions to ask about one by one, and the queue
 * of releases. Pure: time (monotonic ns) and randomness (0 to below 1) are handed in. A struct is owned by one thread
 * or guarded by its owner. */
#ifndef OXP_PROVIDER_SCHEDULE_H
#define OXP_PROVIDER_SCHEDULE_H

#include "exporter/provider/request.h"
#include <stdint.h>

/* ---- Polls ---- */

/* From one poll to the next: the interval, doubled for each failure in a row up to 15 minutes (or the interval, when
 * that is longer), moved by up to a tenth in either direction. */
int64_t oxp_poll_delay_ns(int64_t interval_ns, unsigned failures, double unit);

/* ---- Which sessions to ask about ---- */

enum { OXP_ASKS_MAX = 20 }; /* questions about single sessions in one round */

/* Picks at most OXP_ASKS_MAX of any number of candidates, so that each has its turn over the rounds: ids are on a ring
 * by their hash, and a round goes on where the last one ended. */
struct oxp_asks {
    uint64_t seed, cursor;
    size_t count;
    struct {
        uint64_t distance; /* along the ring; ascending */
        char id[OXP_PROVIDER_ID_SIZE];
    } picks[OXP_ASKS_MAX];
};

/* Begins a round. */
void oxp_asks_begin(struct oxp_asks *asks);
/* Offers a candidate; one that cannot stand in a path, or is picked already, is ignored. */
void oxp_asks_offer(struct oxp_asks *asks, struct oxp_view id);
/* That pick was asked: the next round goes on behind it. */
void oxp_asks_done(struct oxp_asks *asks, size_t pick);

/* ---- Releases ----
 *
 * The policy `release` of the domain catalogue: 6 tries, 1, 2, 4, 8 and 16 s apart, less up to a quarter at random. */

enum { OXP_RELEASES_WAITING = 256, OXP_RELEASES_REMEMBERED = 1024 };

enum oxp_release_verdict { OXP_RELEASE_DONE, OXP_RELEASE_SAID, OXP_RELEASE_AGAIN, OXP_RELEASE_REFUSED };

struct oxp_release {
    char id[OXP_PROVIDER_ID_SIZE];
    unsigned tries;
    int64_t due_ns;
};

struct oxp_releases {
    struct oxp_release waiting[OXP_RELEASES_WAITING];
    size_t count;
    /* Ids that were settled lately, by hash, and until when they are not taken again; the oldest is overwritten. */
    struct {
        uint64_t hash;
        int64_t until_ns;
    } remembered[OXP_RELEASES_REMEMBERED];
    size_t next;
    uint64_t seed;
};

/* OXP_OK; OXP_IGNORED when it waits already or was settled lately (10 minutes; said by a dry run: for good);
 * OXP_ERR_LIMIT when OXP_RELEASES_WAITING are waiting; OXP_ERR_INVALID for what is no id. */
enum oxp_status oxp_releases_add(struct oxp_releases *releases, struct oxp_view id, int64_t now_ns);
/* The first that is due now, or NULL; it stays in the queue until it is settled. Valid until the next call. */
const struct oxp_release *oxp_releases_due(const struct oxp_releases *releases, int64_t now_ns);
/* When the next one is due; INT64_MAX when none waits. */
int64_t oxp_releases_next(const struct oxp_releases *releases);
/* What came of a try. True when that was the last word, false when it waits for another try. */
bool oxp_releases_settle(struct oxp_releases *releases, const char *id, enum oxp_release_verdict verdict,
                         int64_t now_ns, double unit);
/* Forgets what waits and what was settled. */
void oxp_releases_forget(struct oxp_releases *releases);

/* ---- What an exchange means ---- */

/* What came of a release: any 2xx is DONE; no answer, 408, 409, 425, 429 and 5xx are AGAIN; the rest is REFUSED. */
enum oxp_release_verdict oxp_release_judge(enum oxp_status exchange, int http_status);
/* OXP_OK for 2xx; else a reason for a person, "GET /v1/sessions/{id}: HTTP status 429, asked too often", in `error`:
 * OXP_ERR_DENIED (401, 403), OXP_ERR_NOT_FOUND (404, 410), OXP_ERR_LIMIT (429), OXP_ERR_IO, or `exchange` unless that
 * was OXP_OK. `detail` is the transport's reason. */
enum oxp_status oxp_provider_judge(enum oxp_provider_question question, enum oxp_status exchange, int http_status,
                                   const char *detail, struct oxp_error *error);

#endif
