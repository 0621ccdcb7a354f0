/* Transactions: a stack of undo steps. Each step of the work that leaves something behind pushes how to undo it; a
 * failure runs the stack in reverse, a commit forgets it.
 *
 *     oxp_transaction_begin(manager, OXP_VIEW("order-17"), &ids, &transaction);
 *     session = create_session();
 *     oxp_transaction_push(transaction, "release", session_id);      (kind and data, not a pointer: it survives a
 * crash)
 *     ...
 *     failed ? oxp_transaction_rollback(transaction, &result) : oxp_transaction_commit(transaction);
 *
 * Undo steps are named by kind; the functions that run them are registered with the manager, so that a process which
 * starts after a crash can run what the last one left (oxp_transactions_recover), when the manager has a store
 * (store.h): a step is stored before oxp_transaction_push returns. A step may run twice (a crash between running it and
 * noting that): undo functions must be safe to repeat.
 *
 * Each step is retried by the policy `release` (docs/errors.md) unless its kind says otherwise. A step that keeps
 * failing does not hold up those below it; the transaction then ends as rollback_failed, keeps the failed steps for
 * oxp_transactions_recover, and says what is left (`txn_rollback_failed`). Reported as `transaction` events.
 *
 * A transaction belongs to one thread at a time; the manager to any. */
#ifndef OXPECKER_TRANSACTION_H
#define OXPECKER_TRANSACTION_H

#include <oxpecker/failure.h>
#include <oxpecker/status.h>
#include <oxpecker/store.h>

OXP_BEGIN_DECLS

#define OXP_TRANSACTION_STEPS_MAX 256
#define OXP_TRANSACTION_DATA_MAX 4096 /* bytes of data of one step */

/* Undoes one step. NULL = undone, or there was nothing to undo; else the failure (handed over). */
typedef struct oxp_failure *(*oxp_undo_fn)(void *ctx, struct oxp_view data);

struct oxp_undo_kind {
    const char *name; /* "release", "delete-file"; 1 to 64 bytes */
    oxp_undo_fn undo;
    void *ctx;
    const char *policy; /* of its retries; NULL = "release" */
};

struct oxp_transactions_options {
    const struct oxp_undo_kind *kinds; /* copied */
    size_t kind_count;
    struct oxp_store *store; /* borrowed; NULL = what is open dies with the process */
    struct oxp_reporter *reporter;
    /* Sleeps between tries; NULL = the system's clock and nanosleep. `sleep` returns false to give up waiting. */
    double (*now_s)(void *ctx);
    bool (*sleep)(void *ctx, double seconds);
    void *ctx;
};

struct oxp_transactions;
struct oxp_transaction;

/* OXP_ERR_NOMEM; OXP_ERR_LIMIT (more than 64 kinds); OXP_ERR_INVALID (a name with a blank or newline or of another
 * length, no function, a policy that is none). A store is one manager's alone while that lives: for another, what this
 * one has open looks like what a crash left (workers that share a Redis take a prefix each). */
enum oxp_status oxp_transactions_new(const struct oxp_transactions_options *options,
                                     struct oxp_transactions **transactions_out);
/* Transactions that are still open are left as a crash would leave them. */
void oxp_transactions_free(struct oxp_transactions *transactions);

/* `name` is 1 to 64 bytes as store.h's keys are, and does not end in ".corrupt" (OXP_ERR_INVALID); it must not be open
 * already, nor be kept in the store from before (OXP_ERR_EXISTS: recover first). `ids` may be NULL. Also OXP_ERR_NOMEM,
 * or what the store says. */
enum oxp_status oxp_transaction_begin(struct oxp_transactions *transactions, struct oxp_view name,
                                      const struct oxp_ids *ids, struct oxp_transaction **transaction_out);
/* Pushes an undo step. When it does not return OXP_OK the step is not kept: the caller undoes it at once.
 * OXP_ERR_NOT_FOUND (kind), OXP_ERR_LIMIT, OXP_ERR_NOMEM, or what the store says. */
enum oxp_status oxp_transaction_push(struct oxp_transaction *transaction, const char *kind, struct oxp_view data);
/* The work is whole: forgets the steps and frees the transaction. When it does not return OXP_OK (the store could not
 * forget them) nothing has changed: commit again, or roll back. */
enum oxp_status oxp_transaction_commit(struct oxp_transaction *transaction);

struct oxp_rollback {
    unsigned steps;  /* that were run */
    unsigned failed; /* that could not be undone: integrity is lost when this is not 0 */
    double duration_s;
    struct oxp_failure
        *failure; /* the first of them, the others as its cleanups; yours to free; NULL when none failed */
};

/* Runs the steps, last first, and frees the transaction. OXP_OK when every step was undone, else OXP_ERR_IO with what
 * failed in `*rollback_out` (may be NULL). */
enum oxp_status oxp_transaction_rollback(struct oxp_transaction *transaction, struct oxp_rollback *rollback_out);
/* Lets go of it without undoing: its steps stay in the store for oxp_transactions_recover; without a store they are
 * lost. Counts as abandoned. */
void oxp_transaction_abandon(struct oxp_transaction *transaction);
/* Rolls back what an earlier process left in the store; `count_out` (may be NULL) gets how many transactions. A stored
 * one that cannot be read is set aside (its key gets the suffix ".corrupt") and counts as failed.
 * Returns the first failure, with its reason in `error`; the others are rolled back all the same. What this manager has
 * open is left alone. */
enum oxp_status oxp_transactions_recover(struct oxp_transactions *transactions, unsigned *count_out,
                                         struct oxp_error *error);

OXP_END_DECLS

#endif
