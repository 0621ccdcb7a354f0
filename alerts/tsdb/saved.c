/* samples.saved. Numbers are little-endian.
 *
 *     head     "OXPSAMPL", version (u32), 0 (u32), unix ms at which it was begun (i64), CRC-32C of these (u32)
 *     records  length of the payload (u32, not 0), CRC-32C of length and payload (u32), payload (record.h)
 *     tail     0 (u32), number of records (u64), bytes of the whole file (u64), CRC-32C of all bytes before it (u32)
 *
 * A reader goes through the file twice: the first time it checks everything, the tail's sums and each record's meaning
 * included, and takes nothing; the second time it takes. Each time it holds one record in memory. */
#include "alerts/tsdb/saved.h"

#include "alerts/tsdb/record.h"
#include "lib/base/crc32.h"
#include "lib/base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "samples.saved"
#define MAGIC "OXPSAMPL"

enum {
    VERSION = 1,
    HEAD_BYTES = 28,
    RECORD_HEAD_BYTES = 8,
    TAIL_BYTES = 24,
    RECORD_BYTES_MAX = 64 << 20,
    CHUNK_BYTES = 1 << 20, /* written at a time */
};

static void put_le(unsigned char *to, uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) {
        to[i] = (unsigned char)(value >> (8 * i));
    }
}

static uint64_t get_le(const unsigned char *from, unsigned bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)from[i] << (8 * i);
    }
    return value;
}

/* ---- Writing ----
 *
 * Series go into a chunk while a reader is open, and from there into the file when none is: a disk that hangs must not
 * keep the short memory from giving back what it drops. Between two chunks series may come and go; the next chunk
 * begins behind the last series' labels. */

struct writer {
    struct oxp_file file;
    struct oxp_buf chunk;  /* on its way to the file */
    struct oxp_buf record; /* payload in work */
    struct oxp_points points;
    struct oxp_error *error;
    uint64_t bytes, records; /* handed to the chunk so far */
    uint32_t crc;
};

static void emit(struct writer *writer, const void *bytes, size_t len) {
    oxp_buf_append(&writer->chunk, bytes, len);
    writer->crc = oxp_crc32c(writer->crc, bytes, len);
    writer->bytes += len;
}

static enum oxp_status flush(struct writer *writer) {
    if (oxp_buf_status(&writer->chunk) != OXP_OK) {
        return oxp_error_set(writer->error, OXP_ERR_NOMEM, 0, 0, "%s: out of memory", writer->file.path);
    }
    if (!oxp_file_write(writer->file.fd, writer->chunk.data, writer->chunk.len)) {
        return oxp_file_failure(writer->error, writer->file.fresh, "write");
    }
    oxp_buf_clear(&writer->chunk);
    return OXP_OK;
}

static enum oxp_status write_record(struct writer *writer, const struct oxp_labels *labels,
                                    const struct oxp_points *points, size_t from, size_t count) {
    unsigned char head[RECORD_HEAD_BYTES];
    oxp_buf_clear(&writer->record);
    oxp_record_write(&writer->record, labels, points, from, count);
    if (oxp_buf_status(&writer->record) != OXP_OK) {
        return OXP_ERR_NOMEM;
    }
    put_le(head, writer->record.len, 4);
    put_le(head + 4, oxp_crc32c(oxp_crc32c(0, head, 4), writer->record.data, writer->record.len), 4);
    emit(writer, head, sizeof head);
    emit(writer, writer->record.data, writer->record.len);
    writer->records++;
    return oxp_buf_status(&writer->chunk);
}

static enum oxp_status write_one(struct writer *writer, const struct oxp_tsdb_reader *reader,
                                 const struct oxp_tsdb_found *found) {
    struct oxp_points *points = &writer->points;
    enum oxp_status status = oxp_tsdb_samples(reader, found->series, INT64_MIN, INT64_MAX, points);
    for (size_t from = 0; status == OXP_OK && from < points->count; from += OXP_RECORD_SAMPLES_MAX) {
        size_t left = points->count - from;
        status = write_record(writer, found->labels, points, from,
                              left < OXP_RECORD_SAMPLES_MAX ? left : OXP_RECORD_SAMPLES_MAX);
    }
    return status;
}

/* The first of the sorted ones behind `last`. */
static size_t first_after(const struct oxp_tsdb_found *found, size_t count, const struct oxp_labels *last) {
    size_t low = 0, high = last == NULL ? 0 : count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (oxp_labels_compare(found[middle].labels, last) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Puts series behind `last` into the writer's chunk until it is full. Gives the last of them, in `keep`; NULL when
 * there are no more. */
static enum oxp_status fill_chunk(struct writer *writer, struct oxp_tsdb *tsdb, struct oxp_arena *keep,
                                  const struct oxp_labels **last) {
    struct oxp_arena arena;
    struct oxp_tsdb_reader reader;
    struct oxp_tsdb_found *found = NULL;
    size_t count = 0;
    enum oxp_status status = oxp_tsdb_read(tsdb, &reader);
    if (status != OXP_OK) {
        return status;
    }
    oxp_arena_init(&arena, 0);
    status = oxp_tsdb_select(&reader, NULL, 0, INT64_MIN, INT64_MAX, &arena, &found, &count);
    size_t i = status == OXP_OK ? first_after(found, count, *last) : 0;
    while (status == OXP_OK && i < count && writer->chunk.len < CHUNK_BYTES) {
        status = write_one(writer, &reader, &found[i++]);
    }
    *last = NULL;
    if (status == OXP_OK && i < count) {
        struct oxp_labels_builder builder;
        oxp_arena_clear(keep);
        oxp_labels_build(&builder, keep, oxp_labels_none());
        for (uint32_t k = 0; k < found[i - 1].labels->count; k++) {
            const struct oxp_label *label = &found[i - 1].labels->label[k];
            oxp_labels_set_text(&builder, oxp_symbol_view(label->name), oxp_symbol_view(label->value));
        }
        *last = oxp_labels_finish(&builder);
        status = oxp_arena_status(keep);
    }
    oxp_tsdb_close(&reader);
    oxp_arena_fini(&arena);
    return status;
}

static enum oxp_status write_series(struct writer *writer, struct oxp_tsdb *tsdb) {
    struct oxp_arena keep;
    const struct oxp_labels *last = NULL;
    enum oxp_status status;
    oxp_arena_init(&keep, 0);
    do {
        status = fill_chunk(writer, tsdb, &keep, &last);
        status = status == OXP_OK ? flush(writer) : status;
    } while (status == OXP_OK && last != NULL);
    oxp_arena_fini(&keep);
    return status;
}

static enum oxp_status write_all(struct writer *writer, struct oxp_tsdb *tsdb, int64_t now_ms) {
    unsigned char head[HEAD_BYTES] = MAGIC, tail[TAIL_BYTES];
    put_le(head + 8, VERSION, 4);
    put_le(head + 12, 0, 4);
    put_le(head + 16, (uint64_t)now_ms, 8);
    put_le(head + 24, oxp_crc32c(0, head, 24), 4);
    emit(writer, head, sizeof head);
    enum oxp_status status = write_series(writer, tsdb);
    put_le(tail, 0, 4);
    put_le(tail + 4, writer->records, 8);
    put_le(tail + 12, writer->bytes + TAIL_BYTES, 8);
    put_le(tail + 20, oxp_crc32c(writer->crc, tail, 20), 4);
    emit(writer, tail, sizeof tail);
    return status == OXP_OK ? flush(writer) : status;
}

enum oxp_status oxp_tsdb_save(struct oxp_tsdb *tsdb, const char *directory, int64_t now_ms, struct oxp_error *error) {
    struct oxp_error reason = {0};
    struct writer writer = {.error = &reason};
    oxp_buf_init(&writer.chunk, 0);
    oxp_buf_init(&writer.record, 0);
    enum oxp_status status = oxp_file_begin(&writer.file, directory, FILE_NAME, &reason);
    if (status == OXP_OK) {
        status = write_all(&writer, tsdb, now_ms);
        if (status == OXP_OK) {
            status = oxp_file_commit(&writer.file, &reason);
        } else {
            oxp_file_abandon(&writer.file);
        }
    }
    oxp_buf_fini(&writer.chunk);
    oxp_buf_fini(&writer.record);
    oxp_points_fini(&writer.points);
    if (status == OXP_OK) {
        return OXP_OK;
    }
    if (reason.text[0] == '\0') {
        oxp_error_set(&reason, status, 0, 0, "%s/%s: %s", directory, FILE_NAME, oxp_status_text(status));
    }
    return oxp_error_set(error, status, 0, 0, "%s", reason.text);
}

/* ---- Reading ---- */

struct reader {
    int fd;
    const char *path;
    uint64_t size, at; /* bytes of the file, and read */
    uint32_t crc;
    struct oxp_buf record;
    struct oxp_arena arena;
    struct oxp_points points;
    struct oxp_error *error;
    /* of the second round */
    struct oxp_tsdb *tsdb; /* NULL in the first */
    int64_t after_ms, until_ms, now_ms;
    uint64_t taken;
};

static enum oxp_status damaged(struct reader *reader, const char *what) {
    return oxp_error_set(reader->error, OXP_ERR_CORRUPT, 0, 0, "%s: %s at byte %llu; set aside as %s.corrupt",
                         reader->path, what, (unsigned long long)reader->at, FILE_NAME);
}

static enum oxp_status no_memory(struct reader *reader) {
    return oxp_error_set(reader->error, OXP_ERR_NOMEM, 0, 0, "%s: out of memory", reader->path);
}

static enum oxp_status read_bytes(struct reader *reader, void *to, size_t len) {
    if (len > reader->size - reader->at) {
        return damaged(reader, "cut off");
    }
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(reader->fd, (char *)to + done, len - done, (off_t)(reader->at + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return oxp_file_failure(reader->error, reader->path, "read");
        }
        if (n == 0) {
            return damaged(reader, "cut off");
        }
        done += (size_t)n;
    }
    reader->crc = oxp_crc32c(reader->crc, to, len);
    reader->at += len;
    return OXP_OK;
}

static enum oxp_status read_head(struct reader *reader) {
    unsigned char head[HEAD_BYTES] = {0};
    reader->at = reader->crc = 0;
    enum oxp_status status = read_bytes(reader, head, sizeof head);
    if (status != OXP_OK) {
        return status;
    }
    if (memcmp(head, MAGIC, 8) != 0 || get_le(head + 24, 4) != oxp_crc32c(0, head, 24)) {
        return damaged(reader, "not a file of samples");
    }
    return get_le(head + 8, 4) == VERSION && get_le(head + 12, 4) == 0
               ? OXP_OK
               : damaged(reader, "samples in a form that this version does not know");
}

/* The sums behind the last record; `zero` are the bytes that said that it was the last. */
static enum oxp_status read_tail(struct reader *reader, uint64_t records) {
    unsigned char tail[TAIL_BYTES - 4] = {0};
    uint32_t crc = 0;
    enum oxp_status status = read_bytes(reader, tail, 16);
    crc = reader->crc;
    if (status == OXP_OK) {
        status = read_bytes(reader, tail + 16, 4);
    }
    if (status != OXP_OK) {
        return status;
    }
    bool good = get_le(tail, 8) == records && get_le(tail + 8, 8) == reader->size && reader->at == reader->size &&
                get_le(tail + 16, 4) == crc;
    return good ? OXP_OK : damaged(reader, "wrong sums");
}

/* One sample or series at a time into the short memory, whose limit may be lower than when the file was written: then
 * the reach of all series is shortened, as it would have been. */
static enum oxp_status append(struct reader *reader, struct oxp_tsdb_series *series, size_t i) {
    const struct oxp_points *points = &reader->points;
    enum oxp_status status = oxp_tsdb_append(reader->tsdb, series, points->time_ms[i], points->value[i]);
    if (status == OXP_ERR_FULL) {
        (void)oxp_tsdb_trim(reader->tsdb, reader->now_ms);
        status = oxp_tsdb_append(reader->tsdb, series, points->time_ms[i], points->value[i]);
    }
    reader->taken += status == OXP_OK;
    return status == OXP_ERR_NOMEM ? no_memory(reader) : OXP_OK;
}

static enum oxp_status take(struct reader *reader, const struct oxp_labels *labels) {
    const struct oxp_points *points = &reader->points;
    size_t first = 0, past = points->count;
    while (first < past && points->time_ms[first] <= reader->after_ms) {
        first++;
    }
    while (past > first && points->time_ms[past - 1] > reader->until_ms) {
        past--;
    }
    if (first == past) {
        return OXP_OK;
    }
    struct oxp_tsdb_series *series = NULL;
    enum oxp_status status = oxp_tsdb_series_at(reader->tsdb, labels, &series);
    if (status == OXP_ERR_FULL) {
        (void)oxp_tsdb_trim(reader->tsdb, reader->now_ms);
        status = oxp_tsdb_series_at(reader->tsdb, labels, &series);
    }
    if (status != OXP_OK) {
        return status == OXP_ERR_NOMEM ? no_memory(reader) : OXP_OK;
    }
    oxp_tsdb_hold(series);
    for (size_t i = first; i < past && status == OXP_OK; i++) {
        status = append(reader, series, i);
    }
    oxp_tsdb_release(series);
    return status;
}

static enum oxp_status read_record(struct reader *reader, const unsigned char head[RECORD_HEAD_BYTES]) {
    size_t len = (size_t)get_le(head, 4);
    if (len > RECORD_BYTES_MAX || len > reader->size - reader->at) {
        return damaged(reader, "a record that is too long");
    }
    oxp_buf_clear(&reader->record);
    char *bytes = oxp_buf_reserve(&reader->record, len);
    if (bytes == NULL) {
        return no_memory(reader);
    }
    enum oxp_status status = read_bytes(reader, bytes, len);
    if (status != OXP_OK) {
        return status;
    }
    if (get_le(head + 4, 4) != oxp_crc32c(oxp_crc32c(0, head, 4), bytes, len)) {
        return damaged(reader, "a damaged record ends");
    }
    const struct oxp_labels *labels = NULL;
    oxp_arena_clear(&reader->arena);
    status = oxp_record_read(oxp_view_of(bytes, len), &reader->arena, &labels, &reader->points);
    if (status != OXP_OK) {
        return status == OXP_ERR_NOMEM ? no_memory(reader) : damaged(reader, "a malformed record ends");
    }
    return reader->tsdb == NULL ? OXP_OK : take(reader, labels);
}

/* Once through the file. */
static enum oxp_status read_through(struct reader *reader) {
    unsigned char head[RECORD_HEAD_BYTES] = {0};
    enum oxp_status status = read_head(reader);
    for (uint64_t records = 0; status == OXP_OK; records++) {
        status = read_bytes(reader, head, 4);
        if (status == OXP_OK && get_le(head, 4) == 0) {
            return read_tail(reader, records);
        }
        if (status == OXP_OK) {
            status = read_bytes(reader, head + 4, 4);
        }
        if (status == OXP_OK) {
            status = read_record(reader, head);
        }
    }
    return status;
}

static enum oxp_status read_file(struct reader *reader, struct oxp_tsdb *tsdb, int64_t now_ms) {
    struct stat info;
    if (fstat(reader->fd, &info) != 0) {
        return oxp_file_failure(reader->error, reader->path, "read");
    }
    reader->size = S_ISREG(info.st_mode) ? (uint64_t)info.st_size : 0;
    enum oxp_status status = read_through(reader);
    if (status == OXP_OK) {
        struct oxp_tsdb_stats stats;
        oxp_tsdb_stats(tsdb, &stats);
        reader->tsdb = tsdb;
        reader->after_ms = now_ms - stats.retention_ms;
        reader->until_ms = reader->now_ms = now_ms;
        status = read_through(reader);
    }
    return status;
}

enum oxp_status oxp_tsdb_load(struct oxp_tsdb *tsdb, const char *directory, int64_t now_ms, uint64_t *samples_out,
                              struct oxp_error *error) {
    char path[OXP_PATH_MAX];
    *samples_out = 0;
    enum oxp_status status = oxp_file_path(path, directory, FILE_NAME, error);
    if (status != OXP_OK) {
        return status;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe in its place may not hold up the start */
    if (fd < 0) {
        return errno == ENOENT ? OXP_END : oxp_file_failure(error, path, "open");
    }
    struct reader reader = {.fd = fd, .path = path, .error = error};
    oxp_buf_init(&reader.record, 0);
    oxp_arena_init(&reader.arena, 0);
    status = read_file(&reader, tsdb, now_ms);
    *samples_out = reader.taken;
    oxp_points_fini(&reader.points);
    oxp_arena_fini(&reader.arena);
    oxp_buf_fini(&reader.record);
    close(fd);
    if (status == OXP_ERR_CORRUPT) {
        oxp_file_set_aside(directory, FILE_NAME);
    }
    return status;
}
