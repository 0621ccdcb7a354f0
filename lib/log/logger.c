/* A record goes, in this order, to the ring, the descriptors and the sidecar. Each form is built once, on the caller's
 * stack, only when somebody takes it. */
#include <oxpecker/log.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/scrub.h"
#include "lib/base/utf8.h"
#include "lib/log/line.h"
#include "lib/log/ring.h"
#include "lib/log/sink.h"
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

enum { NAME_SIZE = 64 };

struct oxp_logger {
    char name[NAME_SIZE];
    atomic_int level;
    struct oxp_sink json, text, audit;
    int32_t utc_offset_s;
    atomic_llong offset_of;    /* the quarter of an hour that local_offset_s was asked for in */
    atomic_int local_offset_s; /* where utc_offset_s is the machine's */
    struct oxp_ring *ring;
    struct oxp_reporter *reporter;
    enum oxp_log_level report_level;
    double (*now_s)(void *ctx);
    void *ctx;
    atomic_ullong written[OXP_LOG_LEVELS];
};

enum oxp_status oxp_logger_new(const struct oxp_logger_options *options, struct oxp_logger **logger_out) {
    struct oxp_logger *logger = calloc(1, sizeof *logger);
    if (logger == NULL || oxp_ring_new(options->recent, &logger->ring) != OXP_OK) {
        free(logger);
        return OXP_ERR_NOMEM;
    }
    struct oxp_view name = oxp_view_from(options->name == NULL ? "orchestrator" : options->name);
    name = oxp_utf8_cut(name, sizeof logger->name - 1);
    memcpy(logger->name, name.ptr, name.len);
    atomic_init(&logger->level, (int)options->level);
    atomic_init(&logger->offset_of, INT64_MIN);
    oxp_sink_init(&logger->json, options->json_fd);
    oxp_sink_init(&logger->text, options->text_fd);
    oxp_sink_init(&logger->audit, options->audit_fd);
    logger->utc_offset_s = options->utc_offset_s;
    logger->reporter = options->reporter;
    logger->report_level = options->report_level;
    logger->now_s = options->now_s == NULL ? oxp_clock_wall_s : options->now_s;
    logger->ctx = options->ctx;
    *logger_out = logger;
    return OXP_OK;
}

void oxp_logger_free(struct oxp_logger *logger) {
    if (logger == NULL) {
        return;
    }
    oxp_sink_fini(&logger->json);
    oxp_sink_fini(&logger->text);
    oxp_sink_fini(&logger->audit);
    oxp_ring_free(logger->ring);
    free(logger);
}

void oxp_logger_set_level(struct oxp_logger *logger, enum oxp_log_level level) {
    if (logger != NULL) {
        atomic_store(&logger->level, (int)level);
    }
}

/* ---- The JSON form ---- */

struct record {
    double ts;
    enum oxp_log_level level;
    struct oxp_ids ids;
    struct oxp_view message;
    const struct oxp_pair *pairs;
    size_t count;
};

static void add_ids(struct oxp_log_line *line, const struct oxp_ids *ids) {
    const struct {
        const char *key;
        struct oxp_view value;
    } rows[] = {{"workflow", ids->workflow}, {"run", ids->run},           {"session", ids->session},
                {"task", ids->task},         {"trace_id", ids->trace_id}, {"span_id", ids->span_id}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].value.len != 0) {
            oxp_log_line_text(line, rows[i].key, rows[i].value);
        }
    }
}

static void add_pair(struct oxp_log_line *line, const struct oxp_pair *pair) {
    switch (pair->kind) {
    case OXP_PAIR_TEXT:
        oxp_log_line_text(line, pair->key,
                          oxp_scrub_is_secret_name(oxp_view_from(pair->key)) ? OXP_VIEW("[redacted]")
                                                                             : pair->value.text);
        break;
    case OXP_PAIR_NUMBER:
        oxp_log_line_number(line, pair->key, pair->value.number);
        break;
    case OXP_PAIR_COUNT:
        oxp_log_line_number(line, pair->key, (double)pair->value.count);
        break;
    case OXP_PAIR_FLAG:
        oxp_log_line_text(line, pair->key, pair->value.flag ? OXP_VIEW("true") : OXP_VIEW("false"));
        break;
    case OXP_PAIR_NONE:
        break;
    }
}

static struct oxp_view json_form(struct oxp_log_line *line, const struct oxp_logger *logger,
                                 const struct record *record) {
    char ts[25];
    oxp_wall_format(oxp_wall_from_seconds(record->ts), ts);
    oxp_log_line_begin(line, OXP_LOG_JSON, oxp_sink_line_max(&logger->json), false); /* cut, it is still JSON */
    oxp_log_line_text(line, "ts", oxp_view_from(ts));
    oxp_log_line_text(line, "level", oxp_view_from(oxp_log_level_name(record->level)));
    oxp_log_line_text(line, "logger", oxp_view_from(logger->name));
    oxp_log_line_text(line, "msg", record->message);
    add_ids(line, &record->ids);
    for (size_t i = 0; i < record->count; i++) {
        add_pair(line, &record->pairs[i]);
    }
    return oxp_log_line_end(line);
}

/* ---- The text form: "%(asctime)s - %(name)s - %(levelname)s - %(message)s" (Python's logging) ---- */

/* The machine's distance from UTC. Asked for once in a quarter of an hour, as long as no zone changes within one:
 * localtime_r takes a lock of the C library, which in a forked child may never be free again. */
static int32_t local_offset_s(struct oxp_logger *logger, int64_t now_s) {
    enum { ASK_EVERY_S = 900 };
    int64_t quarter = now_s / ASK_EVERY_S;
    if (atomic_load(&logger->offset_of) != quarter) {
        time_t seconds = (time_t)now_s;
        struct tm parts = {0};
        localtime_r(&seconds, &parts);
        atomic_store(&logger->local_offset_s, (int)parts.tm_gmtoff);
        atomic_store(&logger->offset_of, quarter);
    }
    return atomic_load(&logger->local_offset_s);
}

/* "2026-11-22 04:26:00,123" */
static void put_asctime(struct oxp_buf *buf, struct oxp_logger *logger, double ts) {
    char text[25];
    struct oxp_wall wall = oxp_wall_from_seconds(ts);
    int32_t offset_s = logger->utc_offset_s == OXP_LOGGER_UTC_OFFSET_LOCAL
                           ? local_offset_s(logger, wall.ns / OXP_NS_PER_S)
                           : logger->utc_offset_s;
    wall.ns += offset_s * OXP_NS_PER_S;
    oxp_wall_format(wall, text);
    oxp_buf_append_format(buf, "%.10s %.8s,%.3s", text, text + 11, text + 20);
}

static const char *python_level(enum oxp_log_level level) {
    static const char *const names[OXP_LOG_LEVELS] = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"};
    return names[level];
}

/* Appends the text scrubbed, on one line: a line break would let what came from outside forge a record. */
static void put_plain(struct oxp_buf *buf, struct oxp_view text, bool keep_commas) {
    char clean[OXP_LOG_LINE_MAX];
    size_t len = text.len == 0 ? 0 : oxp_scrub(text, clean, sizeof clean);
    size_t valid = oxp_utf8_valid_prefix(oxp_view_of(clean, len));
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)clean[i];
        if (c == '\n') {
            oxp_buf_append_text(buf, "\\n");
        } else if (c == ',' && !keep_commas) {
            oxp_buf_append_char(buf, ';');
        } else if (c < 0x20 || c == 0x7f || i == valid) {
            oxp_buf_append_char(buf, '?');
            if (i == valid) { /* this byte is no character: what is behind it may be */
                valid = i + 1 + oxp_utf8_valid_prefix(oxp_view_of(clean + i + 1, len - i - 1));
            }
        } else {
            oxp_buf_append_char(buf, clean[i]);
        }
    }
}

/* A line over bytes of the caller, whose end is kept free for the newline. */
struct plain_line {
    struct oxp_buf buf;
    char bytes[OXP_LOG_LINE_MAX];
};

static void begin_plain(struct plain_line *line, struct oxp_logger *logger, double ts, enum oxp_log_level level) {
    line->buf = (struct oxp_buf){.data = line->bytes, .size = sizeof line->bytes, .cap = sizeof line->bytes - 1};
    put_asctime(&line->buf, logger, ts);
    oxp_buf_append_format(&line->buf, " - %s - %s - ", logger->name, python_level(level));
}

static struct oxp_view end_plain(struct plain_line *line) {
    struct oxp_view text = oxp_view_of(line->bytes, line->buf.len);
    if (oxp_buf_status(&line->buf) != OXP_OK) { /* it is full, maybe up to within a character */
        text.len = oxp_utf8_valid_prefix(text);
    }
    line->bytes[text.len] = '\n';
    return oxp_view_of(line->bytes, text.len + 1);
}

static void put_pair(struct oxp_buf *buf, const struct oxp_pair *pair) {
    if (pair->kind == OXP_PAIR_NONE) {
        return;
    }
    oxp_buf_append_format(buf, " %s=", pair->key);
    if (pair->kind == OXP_PAIR_TEXT) {
        bool secret = oxp_scrub_is_secret_name(oxp_view_from(pair->key));
        put_plain(buf, secret ? OXP_VIEW("[redacted]") : pair->value.text, true);
    } else if (pair->kind == OXP_PAIR_FLAG) {
        oxp_buf_append_text(buf, pair->value.flag ? "true" : "false");
    } else if (pair->kind == OXP_PAIR_COUNT) {
        oxp_buf_append_u64(buf, pair->value.count);
    } else {
        oxp_buf_append_double(buf, pair->value.number);
    }
}

static struct oxp_view text_form(struct plain_line *line, struct oxp_logger *logger, const struct record *record) {
    begin_plain(line, logger, record->ts, record->level);
    put_plain(&line->buf, record->message, true);
    for (size_t i = 0; i < record->count; i++) {
        put_pair(&line->buf, &record->pairs[i]);
    }
    return end_plain(line);
}

/* ---- Out ---- */

/* Writes the line; the newline that a torn one before it lacks goes out first. False when it did not go out whole. */
static bool put_line(struct oxp_sink *sink, struct oxp_view line) {
    char cut[OXP_LOG_LINE_MAX];
    size_t most = oxp_sink_line_max(sink);
    if (line.len > most) { /* a pipe that must be asked first takes less */
        struct oxp_view start = oxp_utf8_cut(line, most - 1);
        memcpy(cut, start.ptr, start.len);
        cut[start.len] = '\n';
        line = oxp_view_of(cut, start.len + 1);
    }
    if (atomic_exchange(&sink->torn, false) && !oxp_sink_put(sink, OXP_VIEW("\n"))) {
        atomic_store(&sink->torn, true);
        return false;
    }
    return oxp_sink_put(sink, line);
}

static void write_line(struct oxp_sink *sink, struct oxp_view line) {
    if (sink->fd >= 0 && !put_line(sink, line)) {
        oxp_sink_count_dropped(sink);
    }
}

/* Says how many lines nobody took, before the next one. */
static void say_dropped(struct oxp_logger *logger, struct oxp_sink *sink) {
    unsigned long long lost = sink->fd < 0 ? 0 : atomic_exchange(&sink->unreported, 0);
    if (lost == 0) {
        return;
    }
    const struct oxp_pair pair = oxp_pair_count("dropped", lost);
    const struct record record = {logger->now_s(logger->ctx),
                                  OXP_LOG_WARNING,
                                  {.run = {NULL, 0}},
                                  OXP_VIEW("log lines were dropped, as nobody read them"),
                                  &pair,
                                  1};
    bool written = false;
    if (sink == &logger->json) {
        struct oxp_log_line line;
        written = put_line(sink, json_form(&line, logger, &record));
    } else {
        struct plain_line line;
        written = put_line(sink, text_form(&line, logger, &record));
    }
    if (!written) {
        atomic_fetch_add(&sink->unreported, lost);
    }
}

static void keep_and_write(struct oxp_logger *logger, const struct record *record) {
    struct oxp_log_line line; /* its bytes are not initialised on purpose */
    struct oxp_view json = json_form(&line, logger, record);
    const struct oxp_log_entry entry = {record->ts, record->level, record->ids.trace_id, {json.ptr, json.len - 1}};
    atomic_fetch_add(&logger->written[record->level], 1);
    (void)oxp_ring_add(logger->ring, &entry);
    say_dropped(logger, &logger->json);
    write_line(&logger->json, json);
}

void oxp_logger_log(struct oxp_logger *logger, enum oxp_log_level level, const struct oxp_ids *ids,
                    struct oxp_view message, const struct oxp_pair *pairs, size_t count) {
    if (logger == NULL || (unsigned)level >= OXP_LOG_LEVELS || (int)level < atomic_load(&logger->level)) {
        return;
    }
    struct record record = {logger->now_s(logger->ctx), level, {.run = {NULL, 0}}, message, pairs, count};
    if (ids != NULL) {
        record.ids = *ids;
    }
    keep_and_write(logger, &record);
    if (logger->text.fd >= 0) {
        struct plain_line line;
        say_dropped(logger, &logger->text);
        write_line(&logger->text, text_form(&line, logger, &record));
    }
    if (logger->reporter != NULL && level >= logger->report_level) {
        const struct oxp_pair fields[] = {oxp_pair_text("message", message),
                                          oxp_pair_text("level", oxp_view_from(oxp_log_level_name(level))),
                                          oxp_pair_text("logger", oxp_view_from(logger->name))};
        oxp_report(logger->reporter, "log", &record.ids, fields, sizeof fields / sizeof *fields);
    }
}

/* ---- Audit ---- */

static bool says_failed(struct oxp_view status) {
    static const char *const words[] = {"fail", "failed", "failure", "error", "timed_out", "timeout", "denied"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (status.len == strlen(words[i]) && strncasecmp(status.ptr, words[i], status.len) == 0) {
            return true;
        }
    }
    return false;
}

/* "Action: .., Status: .., Workflow: .., SessionID: .., TaskID: .., Details: .." */
static struct oxp_view audit_form(struct plain_line *line, struct oxp_logger *logger, double ts,
                                  const struct oxp_audit *audit) {
    const struct {
        const char *key;
        struct oxp_view value;
    } rows[] = {{"Action", audit->action},         {"Status", audit->status},   {"Workflow", audit->ids.workflow},
                {"SessionID", audit->ids.session}, {"TaskID", audit->ids.task}, {"Details", audit->details}};
    size_t last = sizeof rows / sizeof *rows - 1;
    begin_plain(line, logger, ts, audit->level);
    for (size_t i = 0; i <= last; i++) {
        oxp_buf_append_format(&line->buf, "%s%s: ", i == 0 ? "" : ", ", rows[i].key);
        put_plain(&line->buf, rows[i].value.len == 0 ? OXP_VIEW("N/A") : rows[i].value, i == last);
    }
    return end_plain(line);
}

void oxp_logger_audit(struct oxp_logger *logger, const struct oxp_audit *audit) {
    if (logger == NULL) {
        return;
    }
    struct oxp_audit said = *audit;
    if (said.level == OXP_LOG_DEBUG || (unsigned)said.level >= OXP_LOG_LEVELS) {
        said.level = says_failed(said.status) ? OXP_LOG_ERROR : OXP_LOG_INFO;
    }
    const struct oxp_pair fields[] = {oxp_pair_text("action", said.action), oxp_pair_text("status", said.status),
                                      oxp_pair_text("details", said.details)};
    struct record record = {logger->now_s(logger->ctx), said.level, said.ids, OXP_VIEW("audit"), fields, 3};
    keep_and_write(logger, &record);
    if (logger->audit.fd >= 0) {
        struct plain_line line;
        say_dropped(logger, &logger->audit);
        write_line(&logger->audit, audit_form(&line, logger, record.ts, &said));
    }
    oxp_report(logger->reporter, "audit", &said.ids, fields, 3);
}

/* ---- Reading ---- */

void oxp_logger_recent(const struct oxp_logger *logger, size_t most,
                       bool (*each)(void *ctx, const struct oxp_log_entry *entry), void *ctx) {
    if (logger != NULL) {
        oxp_ring_each(logger->ring, most, each, ctx);
    }
}

void oxp_logger_read(const struct oxp_logger *logger, struct oxp_logger_stats *stats_out) {
    memset(stats_out, 0, sizeof *stats_out);
    if (logger == NULL) {
        return;
    }
    for (size_t i = 0; i < OXP_LOG_LEVELS; i++) {
        stats_out->written[i] = atomic_load(&logger->written[i]);
    }
    stats_out->dropped =
        atomic_load(&logger->json.dropped) + atomic_load(&logger->text.dropped) + atomic_load(&logger->audit.dropped);
    stats_out->held = oxp_ring_held(logger->ring);
}
