/* Between the three files of the audit parser. Not for other folders. */
#ifndef OXP_PARSE_AUDIT_PARTS_H
#define OXP_PARSE_AUDIT_PARTS_H

#include "exporter/parse/audit.h"

enum oxp_audit_level {
    OXP_AUDIT_NO_LEVEL,
    OXP_AUDIT_DEBUG,
    OXP_AUDIT_INFO,
    OXP_AUDIT_WARNING,
    OXP_AUDIT_ERROR,
    OXP_AUDIT_CRITICAL,
};

/* A record as it was written: views of the line or of the audit's scratch, neither cut nor scrubbed. */
struct oxp_audit_record {
    bool has_ts;
    double ts; /* unix seconds */
    enum oxp_audit_level level;
    struct oxp_view logger, message, stack, trace_id, span_id;
    bool is_audit;
    struct oxp_view action, status, workflow, session, task, details;
    struct oxp_event_pair attrs[OXP_EVENT_ATTRS_MAX];
    size_t attr_count;
};

/* ---- audit_text.c: pieces of text ---- */

struct oxp_view oxp_audit_trim(struct oxp_view text);
/* True when both are the same but for case, spaces, underscores and hyphens. */
bool oxp_audit_same(struct oxp_view text, const char *word);
/* The text, or the empty view when it stands for nothing ("N/A"). */
struct oxp_view oxp_audit_or_none(struct oxp_view text);
/* A time at the front of `text`: how many bytes it takes, 0 when there is none. A zone that it states wins over the
 * offset. */
size_t oxp_audit_time(struct oxp_view text, int utc_offset_s, double *ts_out);
/* A level by its name, or "Level 25" by its number; false when it is none. */
bool oxp_audit_level(struct oxp_view text, enum oxp_audit_level *level_out);
const char *oxp_audit_level_name(enum oxp_audit_level level);
/* "Action:" stands at the front. */
bool oxp_audit_is_body(struct oxp_view text);
/* Splits an audit body into the record's six views. False when Action is empty. */
bool oxp_audit_body(struct oxp_view text, struct oxp_audit_record *record);
/* The value behind `name` in a text ("session_id: x", "session_id='x'"), or the empty view. */
struct oxp_view oxp_audit_value_of(struct oxp_view text, const char *name);

/* ---- audit_meaning.c: what it stands for ---- */

/* Hands on all events of a record. */
void oxp_audit_tell(struct oxp_audit_reader *audit, const struct oxp_audit_record *record,
                    const struct oxp_audit_sink *sink);

#endif
