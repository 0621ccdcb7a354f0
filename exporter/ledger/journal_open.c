/* Opening, replaying and repairing the journal's file: a header of 16 bytes (magic, version, CRC-32C of both), then
 * records of length, CRC-32C of length and payload, payload. Numbers are little-endian.
 *
 * What a reader does with a record that is not whole:
 * 1. a good record stands somewhere behind it: the file was damaged. It is set aside, and the journal goes on with what
 *    was good before the damage. (A length that was hit would otherwise look like a torn tail and cost all that
 *    follows.)
 * 2. none does, and the record reaches to the end of the file or past it, or only zeros are left: that is what kill -9
 *    and a power cut leave, a torn tail, which is cut off.
 * 3. none does, and something else is there: damage again. */
#include "exporter/ledger/journal_file.h"

#include "lib/base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/crc32.h"

static const unsigned char magic[8] = {'O', 'X', 'P', 'L', 'E', 'D', 'G', 'R'};

enum {
    VERSION = 1,
    RECORD_BYTES_MAX = RECORD_HEADER_BYTES + OXP_JOURNAL_RECORD_MAX,
    WINDOW_BYTES = 2 * RECORD_BYTES_MAX,
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

void oxp_journal_header(unsigned char out[HEADER_BYTES]) {
    memcpy(out, magic, sizeof magic);
    put_u32(out + 8, VERSION);
    put_u32(out + 12, oxp_crc32c(0, out, 12));
}

void oxp_journal_record_header(unsigned char out[RECORD_HEADER_BYTES], struct oxp_view record) {
    put_u32(out, (uint32_t)record.len);
    put_u32(out + 4, oxp_crc32c(oxp_crc32c(0, out, 4), record.ptr, record.len));
}

enum oxp_status oxp_journal_write(int fd, const void *bytes, size_t len) {
    return oxp_file_write(fd, bytes, len) ? OXP_OK : OXP_ERR_IO;
}

bool oxp_journal_sync_directory(const struct oxp_journal *journal) {
    return fsync(journal->directory_fd) == 0 || errno == EINVAL; /* some file systems cannot, and need not */
}

enum oxp_status oxp_journal_fail(const struct oxp_journal *journal, struct oxp_error *error, const char *name,
                                 int number) {
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
    oxp_journal_header(expected);
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

/* A journal that holds the first `good` bytes of `scan` under REWRITE_NAME, synced; its descriptor, or -1. */
static int copy_good(struct oxp_journal *journal, struct scan *scan, uint64_t good) {
    int fd = openat(journal->directory_fd, REWRITE_NAME, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -1;
    }
    unsigned char header[HEADER_BYTES];
    oxp_journal_header(header);
    enum oxp_status status = oxp_journal_write(fd, header, sizeof header);
    for (uint64_t at = HEADER_BYTES; status == OXP_OK && at < good;) {
        size_t len = good - at < FLUSH_BYTES ? (size_t)(good - at) : FLUSH_BYTES;
        const unsigned char *bytes = scan_at(scan, at, len);
        status = bytes == NULL ? OXP_ERR_IO : oxp_journal_write(fd, bytes, len);
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

/* A second name, so that there is a journal at every moment; not every file system has links. */
static bool keep_as(struct oxp_journal *journal, const char *kind, char name[64]) {
    int dir = journal->directory_fd;
    int64_t when = oxp_clock_wall(oxp_clock_system()).ns / OXP_NS_PER_S;
    do {
        snprintf(name, 64, JOURNAL_NAME ".%s-%lld", kind, (long long)when++);
    } while (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
    return linkat(dir, JOURNAL_NAME, dir, name, 0) == 0 || renameat(dir, JOURNAL_NAME, dir, name) == 0;
}

enum oxp_status oxp_journal_keep_late(struct oxp_journal *journal, char path_out[256], struct oxp_error *error) {
    char name[64];
    if (!keep_as(journal, "late", name)) {
        return oxp_journal_fail(journal, error, JOURNAL_NAME, errno);
    }
    snprintf(path_out, 256, "%.180s/%s", journal->directory, name);
    return OXP_OK;
}

/* Keeps the damaged file under another name and puts what was good in its place. */
static enum oxp_status set_aside(struct oxp_journal *journal, struct scan *scan, uint64_t good,
                                 struct oxp_journal_report *report) {
    int fd = copy_good(journal, scan, good);
    if (fd < 0) {
        return OXP_ERR_IO;
    }
    char name[64];
    int dir = journal->directory_fd;
    if (!keep_as(journal, "corrupt", name) || renameat(dir, REWRITE_NAME, dir, JOURNAL_NAME) != 0) {
        int number = errno;
        close(fd);
        errno = number;
        return OXP_ERR_IO;
    }
    oxp_journal_sync_directory(journal);
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
        oxp_journal_header(header);
        if (oxp_journal_write(journal->fd, header, sizeof header) != OXP_OK || fsync(journal->fd) != 0) {
            return OXP_ERR_IO;
        }
        oxp_journal_sync_directory(journal);
        journal->bytes = HEADER_BYTES;
    }
    return OXP_OK;
}

enum oxp_status oxp_journal_read(struct oxp_journal *journal, oxp_journal_replay_fn *replay, void *ctx,
                                 struct oxp_journal_report *report, struct oxp_error *error) {
    struct stat info;
    if (fstat(journal->fd, &info) != 0) {
        return oxp_journal_fail(journal, error, JOURNAL_NAME, errno);
    }
    if (!S_ISREG(info.st_mode)) {
        return oxp_error_set(error, OXP_ERR_IO, 0, 0, "%s/%s: not a regular file", journal->directory, JOURNAL_NAME);
    }
    struct scan scan = {.fd = journal->fd, .size = (uint64_t)info.st_size, .window = malloc(WINDOW_BYTES)};
    if (scan.window == NULL) {
        return oxp_journal_fail(journal, error, JOURNAL_NAME, ENOMEM);
    }
    struct found found;
    errno = 0;
    enum oxp_status status = replay_file(&scan, replay, ctx, report, &found);
    if (scan.error != 0) {
        status = oxp_journal_fail(journal, error, JOURNAL_NAME, scan.error);
    } else if (status != OXP_OK) {
        oxp_error_set(error, status, 0, 0, "%s/%s: replay: %s", journal->directory, JOURNAL_NAME,
                      oxp_status_text(status));
    } else {
        status = found.damaged ? set_aside(journal, &scan, found.good, report)
                               : cut_tail(journal, &scan, found.good, report);
        if (status != OXP_OK) {
            status = oxp_journal_fail(journal, error, JOURNAL_NAME, errno == 0 ? EIO : errno);
        }
    }
    free(scan.window);
    return status;
}

enum oxp_status oxp_journal_open_files(struct oxp_journal *journal, const char *directory, struct oxp_error *error) {
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
        return oxp_journal_fail(journal, error, LOCK_NAME, errno);
    }
    if (flock(journal->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? oxp_error_set(error, OXP_ERR_IN_USE, 0, 0, "%s/%s: another process uses it",
                                                    directory, JOURNAL_NAME)
                                    : oxp_journal_fail(journal, error, LOCK_NAME, errno);
    }
    unlinkat(journal->directory_fd, REWRITE_NAME, 0); /* of a rewrite that was killed */
    /* O_NONBLOCK: a named pipe put there must not hold the start up */
    journal->fd = openat(journal->directory_fd, JOURNAL_NAME,
                         O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    return journal->fd < 0 ? oxp_journal_fail(journal, error, JOURNAL_NAME, errno) : OXP_OK;
}
