/* The journal's file, as its two parts see it: opening and repairing (journal_open.c), and appending, syncing and
 * rewriting (journal.c). Internal to this folder. */
#ifndef OXP_LEDGER_JOURNAL_FILE_H
#define OXP_LEDGER_JOURNAL_FILE_H

#include "exporter/ledger/journal.h"

#include <pthread.h>
#include <stdatomic.h>

#define JOURNAL_NAME "ledger.journal"
#define REWRITE_NAME "ledger.journal.new"
#define LOCK_NAME "ledger.lock"

enum {
    HEADER_BYTES = 16,
    RECORD_HEADER_BYTES = 8,
    FLUSH_BYTES = 65536,
};

struct oxp_journal {
    /* the owner's */
    int directory_fd;
    int lock_fd;
    uint64_t bytes;           /* where the last whole record ends */
    uint64_t base_bytes;      /* after the last rewrite; 0 before the first */
    bool torn;                /* bytes of a failed append could not be cut off: nothing may follow them */
    bool append_failed;       /* since the last rewrite */
    unsigned rewrites_failed; /* in a row */
    int64_t retry_ns;         /* monotonic time before which a failed rewrite is not worth another */
    char directory[4096];

    /* shared with the sync thread */
    pthread_mutex_t mutex; /* guards fd while it is swapped, stop, and the wait for dirty */
    pthread_cond_t wake;
    int fd; /* written by the owner under the mutex, so that the owner may read it without */
    bool stop;
    _Atomic bool dirty;
    _Atomic bool sync_failed; /* since the last rewrite */
    _Atomic uint64_t failures;
    pthread_t thread;
    bool thread_runs;
};

/* The header of the file, and that of a record. */
void oxp_journal_header(unsigned char out[HEADER_BYTES]);
void oxp_journal_record_header(unsigned char out[RECORD_HEADER_BYTES], struct oxp_view record);
/* Writes all, or fails with OXP_ERR_IO; what was written before a failure stays. */
enum oxp_status oxp_journal_write(int fd, const void *bytes, size_t len);
bool oxp_journal_sync_directory(const struct oxp_journal *journal);
/* "<directory>/<name>: <what errno `number` means>", and its status. */
enum oxp_status oxp_journal_fail(const struct oxp_journal *journal, struct oxp_error *error, const char *name,
                                 int number);
/* Opens the directory, the lock and the file. On failure what is open is closed by oxp_journal_close. */
enum oxp_status oxp_journal_open_files(struct oxp_journal *journal, const char *directory, struct oxp_error *error);
/* Replays the open file and repairs its end. */
enum oxp_status oxp_journal_read(struct oxp_journal *journal, oxp_journal_replay_fn *replay, void *ctx,
                                 struct oxp_journal_report *report, struct oxp_error *error);

#endif
