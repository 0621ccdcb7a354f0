#include "exporter/app/saved.h"

#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/number.h"
#include <errno.h>
#include <math.h>
#include <oxpecker/exposition.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "metrics.saved"
#define FILE_MAX (size_t)(512 << 20)
#define BUCKETS_MAX 512 /* of one histogram: as many as the registry allows */

/* This file's callers need no finer reason. */
static enum oxp_status io_failure(struct oxp_error *error, const char *path, const char *what) {
    (void)oxp_file_failure(error, path, what);
    return OXP_ERR_IO;
}

/* ---- writing ---- */

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
        ok = oxp_file_write(fd, chunk, n);
    }
    oxp_writer_free(writer);
    return ok;
}

enum oxp_status oxp_saved_write(const struct oxp_registry *registry, const char *directory, double now_s,
                                struct oxp_error *error) {
    struct oxp_file file;
    enum oxp_status status = oxp_file_begin(&file, directory, FILE_NAME, error);
    if (status != OXP_OK) {
        return status == OXP_ERR_INVALID ? status : OXP_ERR_IO;
    }
    if (!write_registry(file.fd, registry, now_s)) {
        status = io_failure(error, file.fresh, "write");
        oxp_file_abandon(&file);
        return status;
    }
    return oxp_file_commit(&file, error) == OXP_OK ? OXP_OK : OXP_ERR_IO;
}

/* ---- reading ---- */

/* One series is several samples in a row; it is put together here and restored when the next one begins. */
struct restore {
    struct oxp_registry *registry;
    size_t restored;
    const struct oxp_family_spec *spec;
    struct oxp_series *series; /* the pending one, or NULL */
    double value, sum, created_s;
    bool has_value, has_sum, has_created;
    bool foreign;                  /* its buckets are not those of this version */
    uint64_t buckets[BUCKETS_MAX]; /* cumulative as read */
    size_t bucket_count;
};

static void begin(struct restore *restore, const struct oxp_family_spec *spec, struct oxp_series *series) {
    restore->spec = spec;
    restore->series = series;
    restore->value = restore->sum = restore->created_s = 0;
    restore->has_value = restore->has_sum = restore->has_created = restore->foreign = false;
    restore->bucket_count = 0;
}

/* Restores the pending series if it is whole. A histogram whose sum could not be written (OpenMetrics has none below
 * zero) is left out: half of it would be wrong for ever. */
static void finish(struct restore *restore) {
    enum oxp_status status = OXP_ERR_INVALID;
    if (restore->series == NULL || !restore->has_created || restore->foreign) {
        return;
    }
    if (restore->spec->type != OXP_HISTOGRAM && restore->has_value) {
        status = oxp_series_restore_counter(restore->series, restore->value, restore->created_s);
    } else if (restore->spec->type == OXP_HISTOGRAM && restore->has_sum) {
        for (size_t i = restore->bucket_count; i-- > 1;) {
            restore->buckets[i] -= restore->buckets[i - 1];
        }
        status = oxp_series_restore_histogram(restore->series, restore->buckets, restore->bucket_count, restore->sum,
                                              restore->created_s);
    }
    restore->restored += status == OXP_OK;
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
    struct oxp_family *family = oxp_registry_find(registry, oxp_view_from(name));
    bool histogram = family != NULL && oxp_family_spec_of(family)->type == OXP_HISTOGRAM;
    return histogram == (sample->type == OXP_READ_HISTOGRAM) ? family : NULL;
}

/* The series with the sample's labels, a bucket's `le` apart; NULL when the labels are not this family's any more. */
static struct oxp_series *series_of(struct oxp_family *family, const struct oxp_read_sample *sample) {
    const struct oxp_family_spec *spec = oxp_family_spec_of(family);
    struct oxp_view values[OXP_LABELS_MAX];
    size_t wanted = 0, given = 0;
    for (size_t i = 0; i < sample->label_count; i++) {
        given += spec->type != OXP_HISTOGRAM || !oxp_view_is(sample->labels[i].name, "le");
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
    double time_s = sample->exemplar_has_timestamp ? sample->exemplar_timestamp_s : (double)NAN;
    oxp_series_exemplar(series, sample->exemplar_value, time_s, pairs, 2 * sample->exemplar_label_count);
}

/* True when the sample is the next bucket of the family as it is declared now. */
static bool is_next_bucket(const struct restore *restore, const struct oxp_read_sample *sample) {
    const struct oxp_family_spec *spec = restore->spec;
    size_t next = restore->bucket_count;
    double bound = 0, wanted = next < spec->bound_count ? spec->bounds[next] : (double)INFINITY;
    if (next >= BUCKETS_MAX || next > spec->bound_count || !(sample->value < 0x1p64)) {
        return false;
    }
    for (size_t i = 0; i < sample->label_count; i++) {
        if (oxp_view_is(sample->labels[i].name, "le")) {
            return oxp_number_parse_exposition(sample->labels[i].value, &bound) == OXP_OK && bound == wanted;
        }
    }
    return false;
}

static enum oxp_status take(void *ctx, const struct oxp_read_sample *sample) {
    struct restore *restore = ctx;
    struct oxp_family *family = family_of(restore->registry, sample);
    struct oxp_series *series = family == NULL ? NULL : series_of(family, sample);
    if (series != restore->series) {
        finish(restore);
        begin(restore, series == NULL ? NULL : oxp_family_spec_of(family), series);
    }
    if (series == NULL) {
        return OXP_OK;
    }
    if (ends_with(sample->name, "_created")) {
        restore->created_s = sample->value;
        restore->has_created = true;
    } else if (sample->type == OXP_READ_COUNTER) {
        restore->value = sample->value;
        restore->has_value = true;
    } else if (ends_with(sample->name, "_sum")) {
        restore->sum = sample->value;
        restore->has_sum = true;
    } else if (ends_with(sample->name, "_bucket") && is_next_bucket(restore, sample)) {
        restore->buckets[restore->bucket_count++] = (uint64_t)sample->value;
    } else if (ends_with(sample->name, "_bucket")) {
        restore->foreign = true;
    }
    if (!restore->foreign) {
        keep_exemplar(series, sample);
    }
    return OXP_OK;
}

static enum oxp_status read_file(const char *path, struct oxp_buf *buf, struct oxp_error *error) {
    enum oxp_status status = oxp_file_read(path, buf, error);
    return status >= 0 || status == OXP_ERR_NOMEM || status == OXP_ERR_LIMIT ? status : OXP_ERR_IO;
}

/* First without a sink: a damaged file must restore nothing, not a part. */
static enum oxp_status check(struct oxp_view text, const char *path, struct oxp_error *error) {
    struct oxp_error reason = {0};
    enum oxp_status status = oxp_exposition_read(text, OXP_FORMAT_OPENMETRICS, NULL, &reason);
    if (status == OXP_ERR_SYNTAX) {
        return oxp_error_set(error, OXP_ERR_CORRUPT, 0, 0, "%s:%u:%u: %s; set aside as %s.corrupt", path, reason.line,
                             reason.column, reason.text, FILE_NAME);
    }
    return status == OXP_OK ? OXP_OK : oxp_error_set(error, status, 0, 0, "%s: %s", path, oxp_status_text(status));
}

static enum oxp_status restore_all(struct oxp_registry *registry, struct oxp_view text, size_t *restored_out,
                                   struct oxp_error *error) {
    struct restore restore = {.registry = registry};
    struct oxp_reader_sink sink = {.sample = take, .ctx = &restore};
    struct oxp_error reason = {0};
    enum oxp_status status = oxp_exposition_read(text, OXP_FORMAT_OPENMETRICS, &sink, &reason);
    if (status == OXP_OK) {
        finish(&restore);
    } else {
        oxp_error_set(error, status, 0, 0, "%s; only %zu series were restored", oxp_status_text(status),
                      restore.restored);
    }
    *restored_out = restore.restored;
    return status;
}

enum oxp_status oxp_saved_read(struct oxp_registry *registry, const char *directory, size_t *restored_out,
                               struct oxp_error *error) {
    char path[OXP_PATH_MAX];
    struct oxp_buf buf;
    *restored_out = 0;
    enum oxp_status status = oxp_file_path(path, directory, FILE_NAME, error);
    if (status != OXP_OK) {
        return status;
    }
    oxp_buf_init(&buf, FILE_MAX);
    status = read_file(path, &buf, error);
    if (status == OXP_OK) {
        status = check(oxp_buf_view(&buf), path, error);
    }
    if (status == OXP_OK && unlink(path) != 0) {
        status = io_failure(error, path, "remove"); /* it would be restored again after a crash */
    } else if (status == OXP_OK) {
        (void)oxp_file_sync_directory(directory);
        status = restore_all(registry, oxp_buf_view(&buf), restored_out, error);
    } else if (status < 0) {
        /* What is not restored now must not be after a crash either, when it is old. */
        oxp_file_set_aside(directory, FILE_NAME);
    }
    oxp_buf_fini(&buf);
    return status;
}
