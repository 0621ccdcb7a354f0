/* The file: a header of 16 bytes (magic, version, CRC-32C of both), then records of length, CRC-32C of length and
 * payload, payload. Numbers are little-endian.
 *
 * What a reader does with a record that is not whole:
 * 1. a good record stands somewhere behind it: the file was damaged. It is set aside, and the journal goes on with what
 * was good before the damage. (A length that was hit would otherwise look like a torn tail and cost all that follows.)
 * 2. none does, and the record reaches to the end of the file or past it, or only zeros are left: that is what kill -9
 * and a power cut leave, a torn tail, which is cut off.
 * 3. none does, and something else is there: damage again.
 *
 * The lock is a file of its own, "ledger.lock": a rewrite replaces the journal's inode, and a lock on it would go with
 * it. The sync thread works on a duplicate of the descriptor, so that the mutex covers no disk access and a rewrite may
 * close its own at any time. A sync that fails means that written pages may be gone although later syncs succeed; a
 * rewrite cures it as it cures a failed append. */
#include "exporter/ledger/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/crc32.h"

#define JOURNAL_NAME "ledger.journal"
#define REWRITE_NAME "ledger.journal.new"
#define LOCK_NAME "ledger.lock"
static const unsigned char magic[8] = {'O', 'X', 'P', 'L', 'E', 'D', 'G', 'R'};

enum {
    VERSION = 1,
    HEADER_BYTES = 16,
    RECORD_HEADER_BYTES = 8,
    RECORD_BYTES_MAX = RECORD_HEADER_BYTES + OXP_JOURNAL_RECORD_MAX,
    WINDOW_BYTES = 2 * RECORD_BYTES_MAX,
    FLUSH_BYTES = 65536,
    REWRITE_LEAST_BYTES = 1 << 20,
    RETRY_MOST_S = 64,
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

/* ---- Bytes ---- */

static void put_u32(unsigned char out[4], uint32_t value) {
    for (int i = 0; i < 4; i++) {
        out[i] = (unsigned char)(value >> (8 * i));
    }
}

static uint32_t get_u32(const unsigned char in[4]) {
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static void make_header(unsigned char out[HEADER_BYTES]) {
    memcpy(out, magic, sizeof magic);
    put_u32(out + 8, VERSION);
    put_u32(out + 12, oxp_crc32c(0, out, 12));
}

static void make_record_header(unsigned char out[RECORD_HEADER_BYTES], struct oxp_view record) {
    put_u32(out, (uint32_t)record.len);
    put_u32(out + 4, oxp_crc32c(oxp_crc32c(0, out, 4), record.ptr, record.len));
}

/* Writes all, or fails; what was written before a failure stays. */
static enum oxp_status write_all(int fd, const void *bytes, size_t len) {
    const char *rest = bytes;
    while (len > 0) {
        ssize_t n = write(fd, rest, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return OXP_ERR_IO;
        }
        rest += n;
        len -= (size_t)n;
    }
    return OXP_OK;
}

static enum oxp_status fail(const struct oxp_journal *journal, struct oxp_error *error, const char *name, int number) {
    char text[128];
    return oxp_error_set(error, oxp_status_from_errno(number), 0, 0, "%s/%s: %s", journal->directory, name,
                         strerror_r(number, text, sizeof text));
}

/* ---- Reading ---- */

/* A window over the file, moved as needed. */
struct scan {
    int fd;
    uint64_t size;
    unsigned char *window;
    uint64_t start;
    size_t len;
    int error; /* errno of a read that failed */
};

/* `len` bytes at `at`, valid until the next call; NULL when the file ends before, or cannot be read. */
static const unsigned char *scan_at(struct scan *scan, uint64_t at, size_t len) {
    if (at > scan->size || scan->size - at < len) {
        return NULL;
    }
    if (at >= scan->start && at + len <= scan->start + scan->len) {
        return scan->window + (at - scan->start);
    }
    scan->start = at;
    scan->len = 0;
    while (scan->len < WINDOW_BYTES && at + scan->len < scan->size) {
        ssize_t n = pread(scan->fd, scan->window + scan->len, WINDOW_BYTES - scan->len, (off_t)(at + scan->len));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            scan->error = n < 0 ? errno : EIO;
            return NULL;
        }
        scan->len += (size_t)n;
    }
    return scan->len >= len ? scan->window : NULL;
}

/* True when a whole record stands at `at`; `record_out` is valid until the next scan. */
static bool scan_record(struct scan *scan, uint64_t at, struct oxp_view *record_out) {
    const unsigned char *header = scan_at(scan, at, RECORD_HEADER_BYTES);
    uint32_t len = header == NULL ? UINT32_MAX : get_u32(header);
    if (len > OXP_JOURNAL_RECORD_MAX) {
        return false;
    }
    header = scan_at(scan, at, RECORD_HEADER_BYTES + (size_t)len);
    if (header == NULL) {
        return false;
    }
    const unsigned char *payload = header + RECORD_HEADER_BYTES;
    *record_out = oxp_view_of((const char *)payload, len);
    return get_u32(header + 4) == oxp_crc32c(oxp_crc32c(0, header, 4), payload, len);
}

static bool only_zeros(struct scan *scan, uint64_t at) {
    for (; at < scan->size; at++) {
        const unsigned char *byte = scan_at(scan, at, 1);
        if (byte == NULL || *byte != 0) {
            return false;
        }
    }
    return true;
}

/* What stands at `at`, where no whole record does: rules 1 to 3 above. */
static bool is_torn_tail(struct scan *scan, uint64_t at) {
    struct oxp_view record;
    for (uint64_t next = at + 1; next < scan->size; next++) {
        if (scan_record(scan, next, &record)) {
            return false;
        }
    }
    const unsigned char *header = scan_at(scan, at, RECORD_HEADER_BYTES);
    if (header == NULL) {
        return true;
    }
    uint32_t len = get_u32(header);
    return (len <= OXP_JOURNAL_RECORD_MAX && len + RECORD_HEADER_BYTES >= scan->size - at) || only_zeros(scan, at);
}

struct found {
    uint64_t good; /* bytes from the start that are whole; 0 = not even the header */
    bool damaged;  /* else what is behind `good` is a torn tail */
};

static struct found scan_header(struct scan *scan) {
    unsigned char expected[HEADER_BYTES];
    make_header(expected);
    size_t len = scan->size < HEADER_BYTES ? (size_t)scan->size : HEADER_BYTES;
    const unsigned char *header = scan_at(scan, 0, len);
    bool same = len == 0 || (header != NULL && memcmp(header, expected, len) == 0);
    return (struct found){same && len == HEADER_BYTES ? HEADER_BYTES : 0, !same};
}

static enum oxp_status replay_file(struct scan *scan, oxp_journal_replay_fn *replay, void *ctx,
                                   struct oxp_journal_report *report, struct found *found_out) {
    struct found found = scan_header(scan);
    struct oxp_view record;
    while (found.good != 0 && scan_record(scan, found.good, &record)) {
        uint64_t next = found.good + RECORD_HEADER_BYTES + record.len;
        enum oxp_status status = replay(ctx, record);
        if (status < 0) {
            return status;
        }
        report->records++;
        found.good = next;
    }
    if (found.good != 0 && found.good < scan->size) {
        found.damaged = !is_torn_tail(scan, found.good);
    }
    *found_out = found;
    return scan->error == 0 ? OXP_OK : OXP_ERR_IO;
}

/* ---- Opening ---- */

static bool sync_directory(const struct oxp_journal *journal) {
    return fsync(journal->directory_fd) == 0 || errno == EINVAL; /* some file systems cannot, and need not */
}

/* A journal that holds the first `good` bytes of `scan` under REWRITE_NAME, synced; its descriptor, or -1. */
static int copy_good(struct oxp_journal *journal, struct scan *scan, uint64_t good) {
    int fd = openat(journal->directory_fd, REWRITE_NAME, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -1;
    }
    unsigned char header[HEADER_BYTES];
    make_header(header);
    enum oxp_status status = write_all(fd, header, sizeof header);
    for (uint64_t at = HEADER_BYTES; status == OXP_OK && at < good;) {
        size_t len = good - at < FLUSH_BYTES ? (size_t)(good - at) : FLUSH_BYTES;
        const unsigned char *bytes = scan_at(scan, at, len);
        status = bytes == NULL ? OXP_ERR_IO : write_all(fd, bytes, len);
        at += len;
    }
    if (status != OXP_OK || fsync(fd) != 0) {
        int number = scan->error != 0 ? scan->error : errno;
        close(fd);
        unlinkat(journal->directory_fd, REWRITE_NAME, 0);
        errno = number;
        return -1;
    }
    return fd;
}

/* Keeps the damaged file under another name and puts what was good in its place. */
static enum oxp_status set_aside(struct oxp_journal *journal, struct scan *scan, uint64_t good,
                                 struct oxp_journal_report *report) {
    int fd = copy_good(journal, scan, good);
    if (fd < 0) {
        return OXP_ERR_IO;
    }
    char name[64];
    int64_t when = oxp_clock_wall(oxp_clock_system()).ns / OXP_NS_PER_S;
    do {
        snprintf(name, sizeof name, JOURNAL_NAME ".corrupt-%lld", (long long)when++);
    } while (faccessat(journal->directory_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
    int dir = journal->directory_fd;
    /* a second name first, so that there is a journal at every moment; not every file system has links */
    if ((linkat(dir, JOURNAL_NAME, dir, name, 0) != 0 && renameat(dir, JOURNAL_NAME, dir, name) != 0) ||
        renameat(dir, REWRITE_NAME, dir, JOURNAL_NAME) != 0) {
        int number = errno;
        close(fd);
        errno = number;
        return OXP_ERR_IO;
    }
    sync_directory(journal);
    close(journal->fd);
    journal->fd = fd;
    journal->bytes = good < HEADER_BYTES ? HEADER_BYTES : good;
    report->set_aside = true;
    snprintf(report->aside_path, sizeof report->aside_path, "%.180s/%s", journal->directory, name);
    return OXP_OK;
}

/* Cuts the torn tail off; a file without a header gets one. */
static enum oxp_status cut_tail(struct oxp_journal *journal, const struct scan *scan, uint64_t good,
                                struct oxp_journal_report *report) {
    report->torn_bytes = scan->size - good;
    if (scan->size != good && ftruncate(journal->fd, (off_t)good) != 0) {
        return OXP_ERR_IO;
    }
    journal->bytes = good;
    if (good == 0) {
        unsigned char header[HEADER_BYTES];
        make_header(header);
        if (write_all(journal->fd, header, sizeof header) != OXP_OK || fsync(journal->fd) != 0) {
            return OXP_ERR_IO;
        }
        sync_directory(journal);
        journal->bytes = HEADER_BYTES;
    }
    return OXP_OK;
}

static enum oxp_status read_journal(struct oxp_journal *journal, oxp_journal_replay_fn *replay, void *ctx,
                                    struct oxp_journal_report *report, struct oxp_error *error) {
    struct stat info;
    if (fstat(journal->fd, &info) != 0) {
        return fail(journal, error, JOURNAL_NAME, errno);
    }
    if (!S_ISREG(info.st_mode)) {
        return oxp_error_set(error, OXP_ERR_IO, 0, 0, "%s/%s: not a regular file", journal->directory, JOURNAL_NAME);
    }
    struct scan scan = {.fd = journal->fd, .size = (uint64_t)info.st_size, .window = malloc(WINDOW_BYTES)};
    if (scan.window == NULL) {
        return fail(journal, error, JOURNAL_NAME, ENOMEM);
    }
    struct found found;
    errno = 0;
    enum oxp_status status = replay_file(&scan, replay, ctx, report, &found);
    if (scan.error != 0) {
        status = fail(journal, error, JOURNAL_NAME, scan.error);
    } else if (status != OXP_OK) {
        oxp_error_set(error, status, 0, 0, "%s/%s: replay: %s", journal->directory, JOURNAL_NAME,
                      oxp_status_text(status));
    } else {
        status = found.damaged ? set_aside(journal, &scan, found.good, report)
                               : cut_tail(journal, &scan, found.good, report);
        if (status != OXP_OK) {
            status = fail(journal, error, JOURNAL_NAME, errno == 0 ? EIO : errno);
        }
    }
    free(scan.window);
    return status;
}

static enum oxp_status open_files(struct oxp_journal *journal, const char *directory, struct oxp_error *error) {
    size_t len = strlen(directory);
    if (len >= sizeof journal->directory) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "%.200s…: the path is too long", directory);
    }
    memcpy(journal->directory, directory, len + 1);
    journal->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (journal->directory_fd < 0) {
        char text[128];
        return oxp_error_set(error, oxp_status_from_errno(errno), 0, 0, "%s: %s", directory,
                             strerror_r(errno, text, sizeof text));
    }
    journal->lock_fd = openat(journal->directory_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (journal->lock_fd < 0) {
        return fail(journal, error, LOCK_NAME, errno);
    }
    if (flock(journal->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? oxp_error_set(error, OXP_ERR_IN_USE, 0, 0, "%s/%s: another process uses it",
                                                    directory, JOURNAL_NAME)
                                    : fail(journal, error, LOCK_NAME, errno);
    }
    unlinkat(journal->directory_fd, REWRITE_NAME, 0); /* of a rewrite that was killed */
    /* O_NONBLOCK: a named pipe put there must not hold the start up */
    journal->fd = openat(journal->directory_fd, JOURNAL_NAME,
                         O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    return journal->fd < 0 ? fail(journal, error, JOURNAL_NAME, errno) : OXP_OK;
}

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
    enum oxp_status status = open_files(journal, directory, error);
    if (status == OXP_OK) {
        status = read_journal(journal, replay, ctx, &report, error);
    }
    if (status == OXP_OK) {
        int number = pthread_create(&journal->thread, NULL, sync_main, journal);
        journal->thread_runs = number == 0;
        status = number == 0 ? OXP_OK : fail(journal, error, JOURNAL_NAME, number);
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
    make_record_header(header, record);
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
        rewrite->status = write_all(rewrite->fd, view.ptr, view.len);
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
    make_record_header(header, record);
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
    make_header(header);
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
    if (!sync_directory(journal)) {
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
