/* The browser sessions: opened one for each worker, kept for many tasks, replaced when they die or have done enough,
 * released at the end whatever happens.
 *
 * Nothing is ever lost sight of:
 *  1. While a session is being opened, a transaction holds how to undo it: by its tag, from before the creation is
 * asked for. A failure rolls that back, a crash leaves it to the next start.
 *  2. An open session stands in the record "sessions" of the checkpoint store. The next process looks each up: what
 *     still runs it takes up, what has ended it reports so. So the sidecar's orphans resolve.
 *  3. A session whose release failed for good stays in the record. */
#ifndef ORCHESTRATOR_POOL_H
#define ORCHESTRATOR_POOL_H

#include "examples/orchestrator/browserbase.h"
#include <pthread.h>

enum { POOL_MAX = 256 };

struct session { /* of the thread that took it, while it is taken */
    char id[SESSION_ID_SIZE];
    double started_s;         /* unix time */
    char page_of[ID_SIZE];    /* the task whose page it shows; "" = nobody's */
    char status[STATUS_SIZE]; /* how it ended, when that is known; "" = it runs */
    unsigned tasks;
    bool attached; /* Stagehand works on it */
    bool taken, leaked;
};

struct pool {
    struct app *app;
    pthread_mutex_t lock;   /* of the list */
    pthread_mutex_t record; /* one writer of the record at a time, so that the newest list is written last */
    struct session *sessions[POOL_MAX];
    size_t count;
    void (*freed)(void *ctx); /* a session ended: somebody may be waiting for its slot */
    void *ctx;
};

/* An opening that may be put off and gone on with: begins all zero, belongs to one task. */
struct opening {
    struct bb_creation creation;
    struct oxp_retry_result result;
    struct oxp_transaction *transaction;
};

/* Makes the transaction manager, undoes what a crash left half open, takes up what it left open. False with the reason
 * in the log. */
bool pool_start(struct pool *pool, struct app *app, struct http *http);
/* Releases every session. `hurry`: one try each. */
void pool_stop(struct pool *pool, struct http *http, bool hurry);

/* An idle session, `preferred` (may be "") if that is one, or NULL. */
struct session *pool_take(struct pool *pool, const char *preferred);
void pool_give_back(struct pool *pool, struct session *session);
/* Opens one, taken. NULL and *session_out, or the failure; after OXP_RETRY_DEFERRED call again with the same opening,
 * or drop it. */
struct oxp_failure *pool_open(struct pool *pool, const struct caller *who, struct opening *opening,
                              struct session **session_out, enum oxp_retry_outcome *outcome_out);
void pool_drop_opening(struct opening *opening);
/* Puts Stagehand to work on it, unless it is already. NULL, or the failure. */
struct oxp_failure *pool_attach(struct pool *pool, const struct caller *who, struct session *session);
/* Ends a taken session: releases it unless it has ended by itself (session->status), and frees it. */
void pool_close(struct pool *pool, const struct caller *who, struct session *session, const char *reason, bool hurry);
/* Sessions that are open. */
size_t pool_count(struct pool *pool);

#endif
