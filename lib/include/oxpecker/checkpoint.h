/* Checkpoints: what a task needs to go on where it was, kept so that a crash at any moment leaves the old snapshot or
 * the new one, never a torn one.
 *
 *     struct oxp_store *store = NULL;
 *     struct oxp_checkpoints *checkpoints = NULL;
 *     oxp_store_files_new("checkpoints", NULL, &store, &error);
 *     oxp_checkpoints_new(&(struct oxp_checkpoints_options){.store = store, .reporter = reporter}, &checkpoints);
 *
 *     oxp_checkpoints_each_unfinished(checkpoints, resume, ctx, NULL);       // at the start: what a crash left
 *     oxp_checkpoint_before(checkpoints, &checkpoint);                       // a task begins
 *     oxp_checkpoint_save(checkpoints, &checkpoint);                         // after each step: returns at once
 *     oxp_checkpoint_after(checkpoints, &checkpoint, true);                  // it ended well: not to be repeated
 *     oxp_checkpoint_done(checkpoints, OXP_VIEW("task-1"));                  // nobody needs it any more: removed
 *
 * A save copies the snapshot and returns; a thread of the manager encodes it, takes the secrets out and writes it. Of
 * a task for which several snapshots wait, only the newest is written. Every outcome is reported as an event of type
 * "checkpoint" (docs/events.md) and counted in the numbers of oxp_checkpoints_stats.
 *
 * Every snapshot is a value of the store under the key `<task>.<sequence>.json`. The sequence is the time of the save
 * in microseconds of unix time, made to grow even when the clock goes back, so a listing by name is one by age. One
 * that cannot be read is kept as `<task>.<sequence>.corrupt`, and the one before it is used. Bytes of a task id that a
 * key may not have are written `_xHH`.
 *
 * Secrets (lib/base/scrub.h) never reach the store: API keys, tokens and the secret parts of URLs become "[redacted]",
 * and so does any value under a name that says secret ("apiKey", "nextPageToken"; `plain_names` makes exceptions).
 *
 * All functions may be called from any thread, several at a time. After fork the child may go on using the manager: its
 * writer starts again with the next save, and what the parent had not yet written stays the parent's. */
#ifndef OXPECKER_CHECKPOINT_H
#define OXPECKER_CHECKPOINT_H

#include <oxpecker/api.h>
#include <oxpecker/report.h>
#include <oxpecker/status.h>
#include <oxpecker/store.h>
#include <oxpecker/view.h>
#include <stdint.h>

OXP_BEGIN_DECLS

struct oxp_clock; /* lib/base/clock.h */

#define OXP_CHECKPOINT_FORMAT 1            /* of the file; another one is incompatible */
#define OXP_CHECKPOINT_TASK_MAX 128        /* bytes of a task id */
#define OXP_CHECKPOINT_FINISHED_MAX 100000 /* ids of finished dependencies */

/* ---- The snapshot ---- */

/* All views are borrowed for the time of the call; of a loaded checkpoint they live as long as it does. What is empty
 * is left out of the file. Text is UTF-8. */
struct oxp_checkpoint {
    struct oxp_view task;            /* id: 1 to 128 bytes of UTF-8 without control characters, and not a secret */
    struct oxp_view workflow;        /* name */
    struct oxp_view run;             /* of the workflow */
    struct oxp_view session;         /* that the task works in */
    struct oxp_view state;           /* the host's own word for where the task is: "logged_in", "page 7" */
    struct oxp_view context;         /* JSON text, any value: the agent's context and memory */
    struct oxp_view results;         /* JSON text, any value: intermediate results */
    const struct oxp_view *finished; /* ids of dependencies that are done */
    size_t finished_count;
    double progress_pct; /* 0 to 100 */
    uint32_t attempt;    /* from 1; 0 = not said */
    bool complete;       /* the task ended well: kept for whoever depends on it, not listed for resume */
    /* Set by the manager when it saves. */
    uint32_t schema;  /* of the application: oxp_checkpoints_options */
    uint64_t seq;     /* grows with each snapshot of a manager */
    double created_s; /* unix seconds of the save */
};

/* The snapshot as a JSON file, pretty enough to read, with its secrets out: an envelope (format, CRC-32C and length)
 * around the payload. `context` and `results` stand in it as the host wrote them, numbers to the last digit. The text
 * is the caller's (free), NUL-terminated. `plain_names`: see the options; may be NULL. OXP_ERR_INVALID (task id,
 * progress, text that is not UTF-8), OXP_ERR_SYNTAX (context or results are not JSON; nested past 60),
 * OXP_ERR_LIMIT (finished_count), OXP_ERR_NOMEM. Pure. */
enum oxp_status oxp_checkpoint_encode(const struct oxp_checkpoint *checkpoint, const char *const *plain_names,
                                      char **text_out, size_t *len_out, struct oxp_error *error);
/* Reads one. The result is one allocation: oxp_checkpoint_free. OXP_ERR_CORRUPT (anything but what encode wrote: one
 * changed bit is enough; a CRC-32C finds every burst up to 32 bits, and misses another change once in 2^32),
 * OXP_ERR_UNSUPPORTED (whole, but of another format), OXP_ERR_NOMEM. Pure. */
enum oxp_status oxp_checkpoint_decode(struct oxp_view text, struct oxp_checkpoint **checkpoint_out,
                                      struct oxp_error *error);
/* free(NULL) is allowed. */
void oxp_checkpoint_free(struct oxp_checkpoint *checkpoint);

/* ---- Stores (store.h). Each locks itself: several managers and transactions may share one. ---- */

struct oxp_store_files_options {
    unsigned mode; /* of new files; 0 = 0600 */
};

/* A folder, made (mode 0700) when only its last part is missing. A value is a file of its key's name: written beside
 * it under a name that begins with a dot, synced, renamed over it, and the folder synced. What a crash left half
 * written is removed here. OXP_ERR_NOT_FOUND, OXP_ERR_DENIED, … with the reason. A fork's child may use it. */
enum oxp_status oxp_store_files_new(const char *directory, const struct oxp_store_files_options *options,
                                    struct oxp_store **store_out, struct oxp_error *error);

struct oxp_store_redis_options {
    const char *prefix;  /* of all keys; NULL = "oxpecker:" */
    unsigned timeout_ms; /* of connecting and of each answer; 0 = 2000 */
};

/* Redis 4 or later: `redis://[user:password@]host[:port][/db]`, or `unix://[user:password@]/path/to/socket[?db=N]`;
 * user and password percent-encoded. Each value is a hash of fields `value` and `time`. Connects with the first call,
 * and again after a failure; a value is as durable as that server is set up to be (appendfsync). libhiredis is loaded
 * here: OXP_ERR_UNSUPPORTED when it is not on this machine, or for rediss://; OXP_ERR_INVALID for a bad URL (which
 * the reason does not quote: it may hold a password). A fork's child may use it: it opens its own connection. */
enum oxp_status oxp_store_redis_new(const char *url, const struct oxp_store_redis_options *options,
                                    struct oxp_store **store_out, struct oxp_error *error);

/* Memory that is gone with the process: for tests, and for hosts that want the manager without a disk. NULL when there
 * is none. `clock` (NULL = the system's) dates the entries and must outlive the store. */
struct oxp_store *oxp_store_memory_new(const struct oxp_clock *clock);

/* free(NULL) is allowed. No manager may use it any more. */
void oxp_store_free(struct oxp_store *store);
/* True for 1 to 200 bytes of letters, digits, '.', '_' and '-' that do not begin with a dot. Pure. */
bool oxp_store_key_is_valid(const char *key);

/* ---- The manager ---- */

struct oxp_checkpoints;

/* What a migration changed; each text is from malloc and is taken over, NULL leaves what was there. */
struct oxp_checkpoint_migrated {
    char *state;
    char *context;
    char *results;
};

/* 0 and NULL take the default. */
struct oxp_checkpoints_options {
    struct oxp_store *store;       /* needed; borrowed, must outlive the manager */
    struct oxp_reporter *reporter; /* borrowed; NULL = nobody */
    const struct oxp_clock *clock; /* borrowed; NULL = the system's */
    uint32_t schema;               /* version of what the application puts into context and results */
    /* Brings a checkpoint of another schema up to this one. OXP_OK, or anything else for "cannot": incompatible. Called
     * from the thread that loads, with no lock of the host's held by us. NULL = another schema is incompatible. */
    enum oxp_status (*migrate)(void *ctx, const struct oxp_checkpoint *old, struct oxp_checkpoint_migrated *out);
    void *migrate_ctx;

    unsigned queue_max;  /* tasks with a snapshot that waits; default 256 */
    size_t queue_bytes;  /* that wait; default 32 MiB */
    size_t snapshot_max; /* bytes of one snapshot; default 8 MiB */
    unsigned wait_ms;    /* the longest that a save waits for room in the queue; default 3 */
    unsigned attempts;   /* to write a snapshot when the store fails in a way that may pass; default 3 */
    unsigned retry_ms;   /* between them, growing by as much each time; default 200 */

    unsigned keep_per_task; /* snapshots kept of one task; default 3 */
    double max_age_s;       /* default 7 days; negative = any age */
    uint64_t max_snapshots; /* in the store; default 10000 */
    uint64_t max_bytes;     /* in the store; default 1 GiB */
    /* Names, ended by NULL, whose values are kept although the name looks like a secret's: "nextPageToken". What looks
     * like a secret by itself is taken out all the same. Borrowed. */
    const char *const *plain_names;
};

/* Lists the store once. A store that cannot be reached now is no failure: it is asked again with each write.
 * OXP_ERR_INVALID (no store), OXP_ERR_NOMEM. Starts no thread. */
enum oxp_status oxp_checkpoints_new(const struct oxp_checkpoints_options *options,
                                    struct oxp_checkpoints **checkpoints_out);
/* Writes what waits (one try each), ends the thread and frees the manager; takes as long as the store does. No other
 * call may be under way. free(NULL) is allowed. */
void oxp_checkpoints_free(struct oxp_checkpoints *checkpoints);

/* Copies the snapshot for the writer and returns: no disk, no network, at most `wait_ms` for room. An older one of
 * the same task that still waits is replaced. The manager sets schema, seq and created_s. OXP_ERR_INVALID (task id),
 * OXP_ERR_LIMIT (longer than snapshot_max), OXP_ERR_FULL (no room in the queue), OXP_ERR_NOMEM, or why the thread could
 * not start; these are reported as failed saves. What is wrong with the JSON is found by the writer and reported so. */
enum oxp_status oxp_checkpoint_save(struct oxp_checkpoints *checkpoints, const struct oxp_checkpoint *checkpoint);
/* The same, written when it returns OXP_OK; the caller waits for the store. One try. */
enum oxp_status oxp_checkpoint_save_now(struct oxp_checkpoints *checkpoints, const struct oxp_checkpoint *checkpoint,
                                        struct oxp_error *error);
/* A save when a task begins: an empty state becomes "started". */
enum oxp_status oxp_checkpoint_before(struct oxp_checkpoints *checkpoints, const struct oxp_checkpoint *checkpoint);
/* A save when a task has ended: an empty state becomes "succeeded" or "failed"; success also sets `complete` and 100
 * percent. */
enum oxp_status oxp_checkpoint_after(struct oxp_checkpoints *checkpoints, const struct oxp_checkpoint *checkpoint,
                                     bool succeeded);

/* Removes every snapshot of the task, the waiting one too, in the background and in order with the saves. The same
 * failures as a save. After a crash before the removal the task is listed again, unless it was saved as complete. */
enum oxp_status oxp_checkpoint_done(struct oxp_checkpoints *checkpoints, struct oxp_view task);
/* The same, removed when it returns OXP_OK; the caller waits for the store. */
enum oxp_status oxp_checkpoint_done_now(struct oxp_checkpoints *checkpoints, struct oxp_view task,
                                        struct oxp_error *error);

/* Waits until all that waited when it was called has been written or given up (see oxp_checkpoints_stats).
 * OXP_ERR_TIMEOUT. */
enum oxp_status oxp_checkpoints_flush(struct oxp_checkpoints *checkpoints, unsigned timeout_ms);

/* The newest valid snapshot of the task, a waiting one (which is written first) included; for oxp_checkpoint_free. A
 * corrupt one is set aside and the one before it taken. OXP_ERR_NOT_FOUND, OXP_ERR_CORRUPT (there were only such),
 * OXP_ERR_UNSUPPORTED (the newest is of another format or schema and cannot be migrated; it stays where it is, and no
 * older one is taken in its place), OXP_ERR_INVALID, OXP_ERR_NOMEM, or the store's failure. Waits for the store. */
enum oxp_status oxp_checkpoint_load(struct oxp_checkpoints *checkpoints, struct oxp_view task,
                                    struct oxp_checkpoint **checkpoint_out, struct oxp_error *error);

/* Loads the newest valid snapshot of every task in the store that is not `complete`, oldest task first, and hands it
 * to `each` (borrowed for the call), until that returns false. One that cannot be loaded comes as its status with
 * `checkpoint` NULL. `each` may use the manager. The result is the listing's. Waits for the store. */
enum oxp_status oxp_checkpoints_each_unfinished(struct oxp_checkpoints *checkpoints,
                                                bool (*each)(void *ctx, struct oxp_view task, enum oxp_status status,
                                                             const struct oxp_checkpoint *checkpoint),
                                                void *ctx, struct oxp_error *error);

struct oxp_checkpoint_counts {
    uint64_t ok;
    uint64_t corrupt; /* set aside now */
    uint64_t incompatible;
    uint64_t unread; /* the store failed */
};

/* Reads every snapshot of the task (empty = of all tasks) and sets the corrupt ones aside. OXP_OK when all are whole
 * (incompatible ones are), OXP_ERR_CORRUPT, or the store's failure. `counts_out` may be NULL. Waits for the store. */
enum oxp_status oxp_checkpoints_verify(struct oxp_checkpoints *checkpoints, struct oxp_view task,
                                       struct oxp_checkpoint_counts *counts_out, struct oxp_error *error);

/* Lists the store again and removes what is past age, count or size: the oldest first, the newest of each task last.
 * The writer does the same once a minute when it writes. Age is counted by the monotonic clock from when this manager
 * first saw a snapshot, so that a clock that jumps removes nothing. Waits for the store. */
enum oxp_status oxp_checkpoints_prune(struct oxp_checkpoints *checkpoints, struct oxp_error *error);

struct oxp_checkpoints_stats {
    uint64_t stored;       /* snapshots in the store, as far as this manager knows */
    uint64_t stored_bytes; /* the set-aside ones included */
    uint64_t backlog;      /* snapshots that wait for the writer */
    uint64_t saved;        /* since the manager was made, and so below */
    uint64_t failed;
    uint64_t replaced; /* never written, because a newer one of the task came */
    uint64_t removed;
    uint64_t set_aside; /* found corrupt */
};

void oxp_checkpoints_stats(struct oxp_checkpoints *checkpoints, struct oxp_checkpoints_stats *stats_out);

OXP_END_DECLS

#endif
