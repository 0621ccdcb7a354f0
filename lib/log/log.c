/* Records of the daemon to its sink. A line is built on the caller's stack. */
#include "lib/log/log.h"

#include "lib/log/line.h"
#include "lib/log/sink.h"
#include <stdlib.h>

struct oxp_log {
    struct oxp_sink sink;
    const struct oxp_clock *clock;
    void (*on_record)(void *ctx, enum oxp_log_level level, const char *message, const struct oxp_log_field *fields,
                      size_t count);
    void *ctx;
    atomic_int level, format;
};

enum oxp_status oxp_log_new(const struct oxp_log_options *options, struct oxp_log **log_out) {
    struct oxp_log *log = calloc(1, sizeof *log);
    if (log == NULL) {
        return OXP_ERR_NOMEM;
    }
    oxp_sink_init(&log->sink, options->fd);
    log->clock = options->clock;
    log->on_record = options->on_record;
    log->ctx = options->ctx;
    oxp_log_set(log, options->level, options->format);
    *log_out = log;
    return OXP_OK;
}

void oxp_log_free(struct oxp_log *log) {
    if (log != NULL) {
        oxp_sink_fini(&log->sink);
    }
    free(log);
}

void oxp_log_set(struct oxp_log *log, enum oxp_log_level level, enum oxp_log_format format) {
    atomic_store(&log->level, (int)level);
    atomic_store(&log->format, (int)format);
}

uint64_t oxp_log_dropped(const struct oxp_log *log) {
    return log == NULL ? 0 : atomic_load(&log->sink.dropped);
}

struct record {
    enum oxp_log_level level;
    const char *message;
    const struct oxp_log_field *fields;
    size_t count;
};

/* Builds the line and puts it out; false when it did not go out whole. */
static bool put_record(struct oxp_log *log, const struct record *record) {
    struct oxp_log_line line; /* its bytes are not initialised on purpose: 16 KiB for each record */
    char ts[25];
    oxp_wall_format(oxp_clock_wall(log->clock), ts);
    bool torn = atomic_exchange(&log->sink.torn, false);
    oxp_log_line_begin(&line, (enum oxp_log_format)atomic_load(&log->format), oxp_sink_line_max(&log->sink), torn);
    oxp_log_line_text(&line, "ts", oxp_view_from(ts));
    oxp_log_line_text(&line, "level", oxp_view_from(oxp_log_level_name(record->level)));
    oxp_log_line_text(&line, "msg", oxp_view_from(record->message));
    for (size_t i = 0; i < record->count; i++) {
        const struct oxp_log_field *field = &record->fields[i];
        if (field->kind == OXP_LOG_FIELD_NUMBER) {
            oxp_log_line_number(&line, field->key, field->number);
        } else {
            oxp_log_line_text(&line, field->key, field->text);
        }
    }
    bool done = oxp_sink_put(&log->sink, oxp_log_line_end(&line));
    if (!done && torn) {
        atomic_store(&log->sink.torn, true);
    }
    return done;
}

/* Says how many lines were lost, once there is room again. False when there is not. */
static bool report_dropped(struct oxp_log *log) {
    unsigned long long lost = atomic_exchange(&log->sink.unreported, 0);
    if (lost == 0) {
        return true;
    }
    struct oxp_log_field field = OXP_LOG_NUM("dropped", lost);
    if (put_record(log, &(struct record){OXP_LOG_WARNING, "log lines were dropped, as nobody read them", &field, 1})) {
        return true;
    }
    atomic_fetch_add(&log->sink.unreported, lost);
    return false;
}

void oxp_log_write(struct oxp_log *log, enum oxp_log_level level, const char *message,
                   const struct oxp_log_field *fields, size_t count) {
    if (log == NULL || (int)level < atomic_load(&log->level)) {
        return;
    }
    if (log->on_record != NULL) {
        log->on_record(log->ctx, level, message, fields, count);
    }
    if (!report_dropped(log) || !put_record(log, &(struct record){level, message, fields, count})) {
        oxp_sink_count_dropped(&log->sink);
    }
}
