#include "exporter/app/saved.h"

#include "lib/base/buf.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <oxpecker/exposition.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "metrics.saved"
#define FILE_MAX (size_t)(512 << 20)
#define BOUNDS_MAX 64

static enum oxp_status path_of(char *out, size_t size, const char *directory, const char *name,
                               struct oxp_error *error) {
    int length = snprintf(out, size, "%s/%s", directory, name);
    return length < 0 || (size_t)length >= size
               ? oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "%s: the path is too long", directory)
               : OXP_OK;
}

static enum oxp_status io_failure(struct oxp_error *error, const char *path, const char *what) {
    int number = errno;
    errno = number;
    return oxp_error_set(error, OXP_ERR_IO, 0, 0, "%s: cannot %s: %m", path, what);
}

/* ---- writing ---- */

static bool write_all(int fd, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static bool write_registry(int fd, const struct oxp_registry *registry, double now_s) {
    struct oxp_writer *writer = NULL;
    struct oxp_writer_options options = {.format = OXP_FORMAT_OPENMETRICS, .created = true, .now_s = now_s};
    if (oxp_writer_new(registry, &options, &writer) != OXP_OK) {
        errno = ENOMEM;
        return false;
    }
    char chunk[16384];
    size_t n;
    bool ok = true;
    while (ok && (n = oxp_writer_read(writer, chunk, sizeof chunk)) > 0) {
        ok = write_all(fd, chunk, n);
    }
    oxp_writer_free(writer);
    return ok && fsync(fd) == 0;
}

enum oxp_status oxp_saved_write(const struct oxp_registry *registry, const char *directory, double now_s,
                                struct oxp_error *error) {
    char path[4096], fresh[4096];
    enum oxp_status status = path_of(path, sizeof path, directory, FILE_NAME, error);
    if (status == OXP_OK) {
        status = path_of(fresh, sizeof fresh, directory, FILE_NAME ".new", error);
    }
    if (status != OXP_OK) {
        return status;
    }
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return io_failure(error, fresh, "create");
    }
    if (!write_registry(fd, registry, now_s)) {
        status = io_failure(error, fresh, "write");
    }
    if (close(fd) != 0 && status == OXP_OK) {
        status = io_failure(error, fresh, "close");
    }
    if (status == OXP_OK && rename(fresh, path) != 0) {
        status = io_failure(error, path, "rename to");
    }
    if (status != OXP_OK) {
        unlink(fresh);
    }
    return status;
}

/* ---- reading ---- */

/* One histogram is several samples in a row; it is put together here and restored when the next series begins. */
struct restore {
    struct oxp_registry *registry;
    size_t restored;
    struct oxp_family *family; /* of the pending series, or NULL */
    struct oxp_series *series;
    double value, sum, created_s;
    uint64_t buckets[BOUNDS_MAX + 1]; /* cumulative as read */
    size_t bucket_count;
    bool complete; /* a value or a +Inf bucket was seen */
};

static void flush(struct restore *restore) {
    if (restore->series == NULL || !restore->complete) {
        restore->series = NULL;
        return;
    }
    const struct oxp_family_spec *spec = oxp_family_spec_of(restore->family);
    enum oxp_status status;
    if (spec->type == OXP_HISTOGRAM) {
        for (size_t i = restore->bucket_count; i-- > 1;) {
            restore->buckets[i] -= restore->buckets[i - 1];
        }
        status = oxp_series_restore_histogram(restore->series, restore->buckets, restore->bucket_count, restore->sum,
                                              restore->created_s);
    } else {
        status = oxp_series_restore_counter(restore->series, restore->value, restore->created_s);
    }
    restore->restored += status == OXP_OK;
    restore->series = NULL;
}

/* The registry's family for a sample: counters are registered with their _total. NULL for what is not restored: gauges,
 * what this version no longer has, and the process's own clock. */
static struct oxp_family *family_of(struct oxp_registry *registry, const struct oxp_read_sample *sample) {
    char name[256];
    const char *suffix = sample->type == OXP_READ_COUNTER ? "_total" : "";
    if (sample->type != OXP_READ_COUNTER && sample->type != OXP_READ_HISTOGRAM) {
        return NULL;
    }
    int length = snprintf(name, sizeof name, "%.*s%s", (int)sample->family.len, sample->family.ptr, suffix);
    if (length < 0 || (size_t)length >= sizeof name || strncmp(name, "process_", 8) == 0) {
        return NULL;
    }
    return oxp_registry_find(registry, oxp_view_from(name));
}

/* The series with the sample's labels, `le` apart; NULL when the labels are not this family's any more. */
static struct oxp_series *series_of(struct oxp_family *family, const struct oxp_read_sample *sample) {
    const struct oxp_family_spec *spec = oxp_family_spec_of(family);
    struct oxp_view values[OXP_LABELS_MAX];
    size_t wanted = 0, given = 0;
    for (size_t i = 0; i < sample->label_count; i++) {
        given += !oxp_view_is(sample->labels[i].name, "le");
    }
    for (; wanted < OXP_LABELS_MAX && spec->labels[wanted].key != NULL; wanted++) {
        size_t i = 0;
        while (i < sample->label_count && !oxp_view_is(sample->labels[i].name, spec->labels[wanted].key)) {
            i++;
        }
        if (i == sample->label_count) {
            return NULL;
        }
        values[wanted] = sample->labels[i].value;
    }
    struct oxp_series *series = NULL;
    return wanted == given && oxp_family_series(family, values, &series) == OXP_OK ? series : NULL;
}

static bool ends_with(struct oxp_view text, const char *suffix) {
    size_t len = strlen(suffix);
    return text.len >= len && memcmp(text.ptr + text.len - len, suffix, len) == 0;
}

static void keep_exemplar(struct oxp_series *series, const struct oxp_read_sample *sample) {
    struct oxp_view pairs[16];
    if (!sample->has_exemplar || sample->exemplar_label_count > 8) {
        return;
    }
    for (size_t i = 0; i < sample->exemplar_label_count; i++) {
        pairs[2 * i] = sample->exemplar_labels[i].name;
        pairs[2 * i + 1] = sample->exemplar_labels[i].value;
    }
    oxp_series_exemplar(series, sample->exemplar_value, sample->exemplar_timestamp_s, pairs,
                        2 * sample->exemplar_label_count);
}

static enum oxp_status take(void *ctx, const struct oxp_read_sample *sample) {
    struct restore *restore = ctx;
    struct oxp_family *family = family_of(restore->registry, sample);
    struct oxp_series *series = family == NULL ? NULL : series_of(family, sample);
    if (series != restore->series) {
        flush(restore);
        *restore = (struct restore){
            .registry = restore->registry, .restored = restore->restored, .family = family, .series = series};
    }
    if (series == NULL) {
        return OXP_OK;
    }
    keep_exemplar(series, sample);
    if (ends_with(sample->name, "_created")) {
        restore->created_s = sample->value;
    } else if (sample->type == OXP_READ_COUNTER) {
        restore->value = sample->value;
        restore->complete = true;
    } else if (ends_with(sample->name, "_sum")) {
        restore->sum = sample->value;
    } else if (ends_with(sample->name, "_bucket") && restore->bucket_count <= BOUNDS_MAX) {
        restore->buckets[restore->bucket_count++] = (uint64_t)sample->value;
        restore->complete = true;
    }
    return OXP_OK;
}

static enum oxp_status read_file(const char *path, struct oxp_buf *buf, struct oxp_error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? OXP_END : io_failure(error, path, "open");
    }
    enum oxp_status status = OXP_OK;
    for (;;) {
        char *to = oxp_buf_reserve(buf, 65536);
        if (to == NULL) {
            status = oxp_error_set(error, oxp_buf_status(buf), 0, 0, "%s: too large", path);
            break;
        }
        ssize_t n = read(fd, to, 65536);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            status = io_failure(error, path, "read");
        }
        if (n <= 0) {
            break;
        }
        oxp_buf_commit(buf, (size_t)n);
    }
    close(fd);
    return status;
}

enum oxp_status oxp_saved_read(struct oxp_registry *registry, const char *directory, size_t *restored_out,
                               struct oxp_error *error) {
    char path[4096], aside[4096];
    struct oxp_buf buf;
    *restored_out = 0;
    enum oxp_status status = path_of(path, sizeof path, directory, FILE_NAME, error);
    if (status == OXP_OK) {
        status = path_of(aside, sizeof aside, directory, FILE_NAME ".corrupt", error);
    }
    if (status != OXP_OK) {
        return status;
    }
    oxp_buf_init(&buf, FILE_MAX);
    status = read_file(path, &buf, error);
    if (status != OXP_OK) {
        oxp_buf_fini(&buf);
        return status;
    }
    /* First without a sink: a damaged file must restore nothing, not a part. */
    struct oxp_error reason;
    if (oxp_exposition_read(oxp_buf_view(&buf), OXP_FORMAT_OPENMETRICS, NULL, &reason) != OXP_OK) {
        status = oxp_error_set(error, OXP_ERR_CORRUPT, 0, 0, "%s:%u:%u: %s; set aside as %s.corrupt", path, reason.line,
                               reason.column, reason.text, FILE_NAME);
        if (rename(path, aside) != 0) {
            unlink(path);
        }
    } else if (unlink(path) != 0) {
        /* A file that cannot be removed would be restored again after a crash. */
        status = io_failure(error, path, "remove");
    } else {
        struct restore restore = {.registry = registry};
        status = oxp_exposition_read(oxp_buf_view(&buf), OXP_FORMAT_OPENMETRICS,
                                     &(struct oxp_reader_sink){.sample = take, .ctx = &restore}, &reason);
        flush(&restore);
        *restored_out = restore.restored;
    }
    oxp_buf_fini(&buf);
    return status;
}
