/* The log: one line a record, logfmt or JSON, levels, secrets scrubbed, to a file descriptor (standard error).
 *
 *     oxp_log_info(log, "listening", OXP_LOG_TEXT("address", address), OXP_LOG_NUM("port", port));
 *
 * Any thread; a line is one write(2) of at most 8 KiB (what is longer is cut at a character; the fields behind are left
 * out). A line that cannot be written at once is dropped and counted, and a later line says how many were. The process
 * must ignore SIGPIPE.
 *
 * logfmt as go-kit writes it: a value is quoted, with JSON's escapes, when it is empty or holds a space, `=`, `"`, a
 * control character or bytes that are not UTF-8. */
#ifndef OXP_LOG_LOG_H
#define OXP_LOG_LOG_H

#include "lib/base/clock.h"
#include <oxpecker/log.h>
#include <oxpecker/status.h>
#include <oxpecker/view.h>
#include <stdint.h>

enum oxp_log_format { OXP_LOG_LOGFMT, OXP_LOG_JSON };

struct oxp_log_field {
    const char *key;
    struct oxp_view text;
    double number;
    enum { OXP_LOG_FIELD_TEXT, OXP_LOG_FIELD_NUMBER } kind;
};

struct oxp_log_options {
    int fd;                   /* not owned; its flags are left alone */
    enum oxp_log_level level; /* least level that is written */
    enum oxp_log_format format;
    const struct oxp_clock *clock;
    /* Called for each record that passes the level, before it is written (metrics, the ring). May be NULL; logs
     * nothing. */
    void (*on_record)(void *ctx, enum oxp_log_level level, const char *message, const struct oxp_log_field *fields,
                      size_t count);
    void *ctx;
};

struct oxp_log;
enum oxp_status oxp_log_new(const struct oxp_log_options *options, struct oxp_log **log_out);
void oxp_log_free(struct oxp_log *log);
/* Any thread, like all below. */
void oxp_log_set(struct oxp_log *log, enum oxp_log_level level, enum oxp_log_format format);
/* Lines that were dropped since oxp_log_new. 0 for NULL. */
uint64_t oxp_log_dropped(const struct oxp_log *log);

/* Writes one record: ts, level, msg, then the fields in order. `log` may be NULL (nothing happens). */
void oxp_log_write(struct oxp_log *log, enum oxp_log_level level, const char *message,
                   const struct oxp_log_field *fields, size_t count);

#define OXP_LOG_TEXT(name, value)                                                                                      \
    ((struct oxp_log_field){.key = (name), .text = oxp_view_from(value), .kind = OXP_LOG_FIELD_TEXT})
#define OXP_LOG_VIEW(name, value) ((struct oxp_log_field){.key = (name), .text = (value), .kind = OXP_LOG_FIELD_TEXT})
#define OXP_LOG_NUM(name, value)                                                                                       \
    ((struct oxp_log_field){.key = (name), .number = (double)(value), .kind = OXP_LOG_FIELD_NUMBER})
#define OXP_LOG_AT(log, level, message, ...)                                                                           \
    oxp_log_write((log), (level), (message), (const struct oxp_log_field[]){__VA_ARGS__},                              \
                  sizeof((const struct oxp_log_field[]){__VA_ARGS__}) / sizeof(struct oxp_log_field))
#define oxp_log_debug(log, message, ...) OXP_LOG_AT(log, OXP_LOG_DEBUG, message, __VA_ARGS__)
#define oxp_log_info(log, message, ...) OXP_LOG_AT(log, OXP_LOG_INFO, message, __VA_ARGS__)
#define oxp_log_warning(log, message, ...) OXP_LOG_AT(log, OXP_LOG_WARNING, message, __VA_ARGS__)
#define oxp_log_error(log, message, ...) OXP_LOG_AT(log, OXP_LOG_ERROR, message, __VA_ARGS__)
#define oxp_log_critical(log, message, ...) OXP_LOG_AT(log, OXP_LOG_CRITICAL, message, __VA_ARGS__)

#endif
