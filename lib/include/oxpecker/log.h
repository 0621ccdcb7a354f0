/* Logs of a host program: one record, up to three places. Structured JSON for machines, text lines as Python's logging
 * writes them for people, an audit line for who did what; and a ring of the newest records in memory.
 *
 *     oxp_logger_log(logger, OXP_LOG_INFO, &ids, "session created", pairs, 2);
 *     oxp_logger_audit(logger, &(struct oxp_audit){.action = OXP_VIEW("create_session"), .status = OXP_VIEW("success"),
 *                                                  .ids = ids});
 *
 * The forms:
 *   JSON   {"ts":"2026-11-22T04:26:00.123Z","level":"info","logger":"orchestrator","msg":"session created",
 *           "session":"…","trace_id":"…","region":"us-east-1"}
 *   text   2026-11-22 04:26:00,123 - orchestrator - INFO - session created region=us-east-1
 *   audit  2026-11-22 04:26:00,123 - orchestrator - INFO - Action: create_session, Status: success, Workflow: N/A,
 *           SessionID: …, TaskID: N/A, Details: …                                      (one line; Details keeps its
 * commas) A line is one write(2) of at most 8 KiB; what is longer is cut at a character. Line breaks in it are written
 * as \n. Every text is scrubbed of keys and connect URLs. Nothing here waits: a line that cannot be written at once is
 * dropped and counted, and a later one says how many were.
 *
 * Levels: debug = for who develops; info = milestones; warning = it recovers; error = an operation failed; critical =
 * the whole is in danger. All functions may be called from any thread. */
#ifndef OXPECKER_LOG_H
#define OXPECKER_LOG_H

#include <oxpecker/report.h>
#include <oxpecker/status.h>

OXP_BEGIN_DECLS

enum oxp_log_level { OXP_LOG_DEBUG, OXP_LOG_INFO, OXP_LOG_WARNING, OXP_LOG_ERROR, OXP_LOG_CRITICAL, OXP_LOG_LEVELS };

/* "debug", "info", "warning" (also "warn"), "error", "critical", any case; OXP_ERR_INVALID for another word. */
enum oxp_status oxp_log_level_from(struct oxp_view name, enum oxp_log_level *level_out);
const char *oxp_log_level_name(enum oxp_log_level level);

#define OXP_LOGGER_UTC_OFFSET_LOCAL INT32_MIN

struct oxp_logger_options {
    const char *name;         /* who logs; NULL = "orchestrator" */
    enum oxp_log_level level; /* least one that is kept and written */
    /* Descriptors, not owned, whose flags are left alone; -1 = none. The same one may serve several forms. */
    int json_fd, text_fd, audit_fd;
    int32_t utc_offset_s; /* of the text and audit forms' time; OXP_LOGGER_UTC_OFFSET_LOCAL = the machine's now */
    size_t recent;        /* records kept in memory; 0 = 1000 */
    /* Records from this level on, and every audit line, go to the sidecar as `log` and `audit` events. NULL = none. */
    struct oxp_reporter *reporter;
    enum oxp_log_level report_level;
    double (*now_s)(void *ctx); /* unix seconds; NULL = the system's */
    void *ctx;
};

struct oxp_logger;
enum oxp_status oxp_logger_new(const struct oxp_logger_options *options, struct oxp_logger **logger_out);
void oxp_logger_free(struct oxp_logger *logger);
void oxp_logger_set_level(struct oxp_logger *logger, enum oxp_log_level level);

/* Writes one record. `logger` may be NULL (nothing happens), `ids` and `pairs` too. */
void oxp_logger_log(struct oxp_logger *logger, enum oxp_log_level level, const struct oxp_ids *ids,
                    struct oxp_view message, const struct oxp_pair *pairs, size_t count);

/* Something that must be answered for. Empty parts are written N/A. */
struct oxp_audit {
    struct oxp_view action;  /* "run_workflow", "create_session", "execute_task" … */
    struct oxp_view status;  /* "started", "success", "failure" … */
    struct oxp_view details; /* any text */
    struct oxp_ids ids;
    enum oxp_log_level level; /* OXP_LOG_DEBUG (0) means: error where the status says failed, else info */
};
void oxp_logger_audit(struct oxp_logger *logger, const struct oxp_audit *audit);

/* A record of the ring. The views are valid during the call. */
struct oxp_log_entry {
    double ts; /* unix seconds */
    enum oxp_log_level level;
    struct oxp_view trace_id;
    struct oxp_view json; /* the record in its JSON form, without a newline */
};
/* Calls `each` for the newest records, newest first, at most `most` (0 = all), until it returns false. */
void oxp_logger_recent(const struct oxp_logger *logger, size_t most,
                       bool (*each)(void *ctx, const struct oxp_log_entry *entry), void *ctx);

struct oxp_logger_stats {
    uint64_t written[OXP_LOG_LEVELS]; /* records that passed the level */
    uint64_t dropped;                 /* lines that could not be written */
    size_t held;                      /* records in the ring */
};
void oxp_logger_read(const struct oxp_logger *logger, struct oxp_logger_stats *stats_out);

OXP_END_DECLS

#endif
