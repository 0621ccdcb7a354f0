/* Appending to the journal, syncing it in the background, and rewriting it. journal_open.c has the form of the file.
 *
 * The lock is a file of its own, "ledger.lock": a rewrite replaces the journal's inode, and a lock on it would go with
 * it. The sync thread works on a duplicate of the descriptor, so that the mutex covers no disk access and a rewrite may
 * close its own at any time. A sync that fails means that written pages may be gone although later syncs succeed; a
 * rewrite cures it as it cures a failed append. */
#include "exporter/ledger/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"

enum {
    REWRITE_LEAST_BYTES = 1 << 20,
    RETRY_MOST_S = 64,
};

/* ---- The sync thread ---- */

/* Waits until a second after the first unsynced append, or for the stop. False = stop. */
static bool wait_for_work_locked(struct oxp_journal *journal) {
    while (!journal->stop && !atomic_load(&journal->dirty)) {
        pthread_cond_wait(&journal->wake, &journal->mutex);
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    while (!journal->stop && pthread_cond_timedwait(&journal->wake, &journal->mutex, &until) == 0) {
    }
    return !journal->stop;
}

static void *sync_main(void *ctx) {
    struct oxp_journal *journal = ctx;
    pthread_mutex_lock(&journal->mutex);
    while (wait_for_work_locked(journal)) {
        atomic_store(&journal->dirty, false);
        int fd = fcntl(journal->fd, F_DUPFD_CLOEXEC, 0);
        pthread_mutex_unlock(&journal->mutex);
        if (fd < 0) {
            atomic_store(&journal->dirty, true); /* no descriptor left: again in a second */
        } else if (fdatasync(fd) != 0) {
            atomic_store(&journal->sync_failed, true);
            atomic_fetch_add(&journal->failures, 1);
        }
        if (fd >= 0) {
            close(fd);
        }
        pthread_mutex_lock(&journal->mutex);
    }
    pthread_mutex_unlock(&journal->mutex);
    return NULL;
}

static void mark_dirty(struct oxp_journal *journal) {
    if (!atomic_exchange(&journal->dirty, true)) { /* so the mutex is taken once a second, not for each append */
        pthread_mutex_lock(&journal->mutex);
        pthread_cond_signal(&journal->wake);
        pthread_mutex_unlock(&journal->mutex);
    }
}

static struct oxp_journal *allocate(void) {
    struct oxp_journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL) {
        return NULL;
    }
    journal->fd = journal->lock_fd = journal->directory_fd = -1;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&journal->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&journal->mutex, NULL);
    return journal;
}

enum oxp_status oxp_journal_open(const char *directory, oxp_journal_replay_fn *replay, void *ctx,
                                 struct oxp_journal **journal_out, struct oxp_journal_report *report_out,
                                 struct oxp_error *error) {
    struct oxp_journal_report report = {0};
    *journal_out = NULL;
    struct oxp_journal *journal = allocate();
    if (journal == NULL) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "%s/%s: out of memory", directory, JOURNAL_NAME);
    }
    enum oxp_status status = oxp_journal_open_files(journal, directory, error);
    if (status == OXP_OK) {
        status = oxp_journal_read(journal, replay, ctx, &report, error);
    }
    if (status == OXP_OK) {
        int number = pthread_create(&journal->thread, NULL, sync_main, journal);
        journal->thread_runs = number == 0;
        status = number == 0 ? OXP_OK : oxp_journal_fail(journal, error, JOURNAL_NAME, number);
    }
    if (report_out != NULL) {
        *report_out = report;
    }
    if (status == OXP_OK) {
        *journal_out = journal;
        journal = NULL;
    }
    oxp_journal_close(journal);
    return status;
}

void oxp_journal_close(struct oxp_journal *journal) {
    if (journal == NULL) {
        return;
    }
    if (journal->thread_runs) {
        pthread_mutex_lock(&journal->mutex);
        journal->stop = true;
        pthread_cond_signal(&journal->wake);
        pthread_mutex_unlock(&journal->mutex);
        pthread_join(journal->thread, NULL);
        fdatasync(journal->fd);
    }
    int fds[] = {journal->fd, journal->directory_fd, journal->lock_fd}; /* the lock last */
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    pthread_cond_destroy(&journal->wake);
    pthread_mutex_destroy(&journal->mutex);
    free(journal);
}

/* ---- Writing ---- */

static enum oxp_status append_failed(struct oxp_journal *journal) {
    atomic_fetch_add(&journal->failures, 1);
    journal->append_failed = true;
    return OXP_ERR_IO;
}

enum oxp_status oxp_journal_append(struct oxp_journal *journal, struct oxp_view record) {
    if (record.len > OXP_JOURNAL_RECORD_MAX) {
        return OXP_ERR_LIMIT;
    }
    if (journal->torn) {
        return append_failed(journal);
    }
    unsigned char header[RECORD_HEADER_BYTES];
    oxp_journal_record_header(header, record);
    struct iovec parts[] = {
        {.iov_base = header, .iov_len = sizeof header},
        {.iov_base = (void *)(uintptr_t)record.ptr, .iov_len = record.len},
    };
    size_t total = sizeof header + record.len;
    ssize_t n = 0;
    do {
        n = writev(journal->fd, parts, record.len == 0 ? 1 : 2);
    } while (n < 0 && errno == EINTR);
    if (n == (ssize_t)total) {
        journal->bytes += total;
        mark_dirty(journal);
        return OXP_OK;
    }
    journal->torn = n > 0 && ftruncate(journal->fd, (off_t)journal->bytes) != 0;
    return append_failed(journal);
}

struct rewrite {
    int fd;
    uint64_t bytes;
    struct oxp_buf buf;
    enum oxp_status status;
};

static enum oxp_status rewrite_flush(struct rewrite *rewrite) {
    if (rewrite->status == OXP_OK) {
        rewrite->status = oxp_buf_status(&rewrite->buf);
    }
    struct oxp_view view = oxp_buf_view(&rewrite->buf);
    if (rewrite->status == OXP_OK) {
        rewrite->status = oxp_journal_write(rewrite->fd, view.ptr, view.len);
        rewrite->bytes += view.len;
    }
    oxp_buf_clear(&rewrite->buf);
    return rewrite->status;
}

static enum oxp_status rewrite_put(void *ctx, struct oxp_view record) {
    struct rewrite *rewrite = ctx;
    if (record.len > OXP_JOURNAL_RECORD_MAX) {
        return OXP_ERR_LIMIT;
    }
    unsigned char header[RECORD_HEADER_BYTES];
    oxp_journal_record_header(header, record);
    oxp_buf_append(&rewrite->buf, header, sizeof header);
    oxp_buf_append_view(&rewrite->buf, record);
    return rewrite->buf.len < FLUSH_BYTES ? rewrite->status : rewrite_flush(rewrite);
}

/* Writes and syncs the new file; OXP_OK and its descriptor and size in `rewrite`. */
static enum oxp_status rewrite_fill(struct oxp_journal *journal, struct rewrite *rewrite, oxp_journal_dump_fn *dump,
                                    void *ctx) {
    rewrite->fd = openat(journal->directory_fd, REWRITE_NAME, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (rewrite->fd < 0) {
        return OXP_ERR_IO;
    }
    unsigned char header[HEADER_BYTES];
    oxp_journal_header(header);
    oxp_buf_append(&rewrite->buf, header, sizeof header);
    enum oxp_status status = dump(ctx, rewrite_put, rewrite);
    enum oxp_status flushed = rewrite_flush(rewrite); /* a dump that did not look at what `put` gave is not believed */
    if (status < 0 || flushed != OXP_OK) {
        return status < 0 ? status : flushed;
    }
    return fsync(rewrite->fd) == 0 ? OXP_OK : OXP_ERR_IO;
}

static void rewrite_failed(struct oxp_journal *journal) {
    atomic_fetch_add(&journal->failures, 1);
    int64_t wait_s = journal->rewrites_failed < 6 ? INT64_C(1) << journal->rewrites_failed : RETRY_MOST_S;
    journal->rewrites_failed++;
    journal->retry_ns = oxp_clock_mono(oxp_clock_system()).ns + wait_s * OXP_NS_PER_S;
    unlinkat(journal->directory_fd, REWRITE_NAME, 0);
}

enum oxp_status oxp_journal_rewrite(struct oxp_journal *journal, oxp_journal_dump_fn *dump, void *ctx) {
    struct rewrite rewrite = {.fd = -1};
    oxp_buf_init(&rewrite.buf, 0);
    enum oxp_status status = rewrite_fill(journal, &rewrite, dump, ctx);
    int dir = journal->directory_fd;
    if (status == OXP_OK && renameat(dir, REWRITE_NAME, dir, JOURNAL_NAME) != 0) {
        status = OXP_ERR_IO;
    }
    oxp_buf_fini(&rewrite.buf);
    if (status != OXP_OK) {
        if (rewrite.fd >= 0) {
            close(rewrite.fd);
        }
        rewrite_failed(journal);
        return status;
    }
    if (!oxp_journal_sync_directory(journal)) {
        atomic_fetch_add(&journal->failures,
                         1); /* the new file is in place; a power cut now may bring the old one back */
    }
    pthread_mutex_lock(&journal->mutex);
    int old = journal->fd;
    journal->fd = rewrite.fd;
    pthread_mutex_unlock(&journal->mutex);
    close(old);
    journal->bytes = journal->base_bytes = rewrite.bytes;
    journal->torn = journal->append_failed = false;
    journal->rewrites_failed = 0;
    journal->retry_ns = 0;
    atomic_store(&journal->sync_failed, false);
    return OXP_OK;
}

bool oxp_journal_wants_rewrite(const struct oxp_journal *journal) {
    bool grown = journal->bytes >= REWRITE_LEAST_BYTES && journal->bytes >= 2 * journal->base_bytes;
    if (!grown && !journal->append_failed && !atomic_load(&journal->sync_failed)) {
        return false;
    }
    return journal->rewrites_failed == 0 || oxp_clock_mono(oxp_clock_system()).ns >= journal->retry_ns;
}

uint64_t oxp_journal_bytes(const struct oxp_journal *journal) {
    return journal->bytes;
}

uint64_t oxp_journal_failures(const struct oxp_journal *journal) {
    return atomic_load(&journal->failures);
}
