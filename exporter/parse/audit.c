#include "exporter/parse/audit.h"

#include "exporter/parse/audit_parts.h"
#include "exporter/parse/json.h"

#include <stdio.h>

/* ---- Refusals ---- */

static enum oxp_status refuse(struct oxp_refusal *refusal, enum oxp_reject reason, size_t at, const char *text) {
    refusal->reason = reason;
    return oxp_error_set(&refusal->error, OXP_ERR_SYNTAX, 0, (unsigned)at + 1, "%s", text);
}

/* ---- Text records ---- */

static const struct oxp_view separator = {" - ", 3};

static bool find_separator(struct oxp_view text, size_t from, size_t *at_out) {
    for (size_t i = from; i + separator.len <= text.len; i++) {
        if (memcmp(text.ptr + i, separator.ptr, separator.len) == 0) {
            *at_out = i;
            return true;
        }
    }
    return false;
}

/* "name - LEVEL - message". The name may hold a separator too: the first level behind one ends it. */
static bool split_record(struct oxp_view text, struct oxp_audit_record *record) {
    enum { TRIES = 4 };
    size_t name_end = 0, level_end;
    for (unsigned i = 0; i < TRIES && find_separator(text, name_end, &name_end); i++, name_end++) {
        size_t level_at = name_end + separator.len;
        if (!find_separator(text, level_at, &level_end)) {
            level_end = text.len; /* an empty message, whose space was trimmed */
            level_end -= level_end >= 2 && memcmp(text.ptr + level_end - 2, " -", 2) == 0 ? 2 : 0;
        }
        if (level_end >= level_at &&
            oxp_audit_level(oxp_view_of(text.ptr + level_at, level_end - level_at), &record->level)) {
            size_t message = level_end + separator.len;
            record->logger = oxp_audit_trim(oxp_view_of(text.ptr, name_end));
            record->message =
                message < text.len ? oxp_view_of(text.ptr + message, text.len - message) : oxp_view_of(NULL, 0);
            return true;
        }
    }
    return false;
}

/* A line that begins as a time does: what is wrong with it is a fault, not a continuation. */
static bool begins_as_record(struct oxp_view line) {
    static const char form[] = "0000-00-00";
    for (size_t i = 0; i < sizeof form - 1; i++) {
        bool digit = i < line.len && line.ptr[i] >= '0' && line.ptr[i] <= '9';
        if (i >= line.len || (form[i] == '0' ? !digit : line.ptr[i] != form[i])) {
            return false;
        }
    }
    return true;
}

static enum oxp_status read_text(struct oxp_audit_reader *audit, struct oxp_view line, struct oxp_audit_record *record,
                                 struct oxp_refusal *refusal) {
    size_t time_len = oxp_audit_time(line, audit->options.utc_offset_s, &record->ts);
    if (time_len == 0) {
        return refuse(refusal, OXP_REJECT_BAD_TIME, 0, "no such time");
    }
    record->has_ts = true;
    struct oxp_view rest = oxp_view_of(line.ptr + time_len, line.len - time_len);
    if (!oxp_view_starts(rest, separator)) {
        return refuse(refusal, OXP_REJECT_MALFORMED, time_len, "expected \" - \" behind the time");
    }
    rest = oxp_view_of(rest.ptr + separator.len, rest.len - separator.len);
    if (!split_record(rest, record)) {
        return refuse(refusal, OXP_REJECT_MALFORMED, time_len + separator.len, "expected a logger and a level");
    }
    return OXP_OK;
}

/* ---- JSON records ---- */

enum role {
    ROLE_TIME,
    ROLE_LEVEL,
    ROLE_MAP,
    ROLE_MESSAGE,
    ROLE_LOGGER,
    ROLE_STACK,
    ROLE_TRACE,
    ROLE_SPAN,
    ROLE_WORKFLOW,
    ROLE_SESSION,
    ROLE_TASK,
    ROLE_ACTION,
    ROLE_STATUS,
    ROLE_DETAILS,
    ROLE_OTHER,
};

/* Names as loggers write them; case, underscores and hyphens do not matter. */
static const struct {
    const char *name;
    enum role role;
    bool in_map; /* means the same inside metadata */
} names[] = {
    {"timestamp", ROLE_TIME, false},
    {"@timestamp", ROLE_TIME, false},
    {"ts", ROLE_TIME, false},
    {"time", ROLE_TIME, false},
    {"asctime", ROLE_TIME, false},
    {"level", ROLE_LEVEL, false},
    {"levelname", ROLE_LEVEL, false},
    {"severity", ROLE_LEVEL, false},
    {"metadata", ROLE_MAP, false},
    {"extra", ROLE_MAP, false},
    {"context", ROLE_MAP, false},
    {"attributes", ROLE_MAP, false},
    {"message", ROLE_MESSAGE, false},
    {"msg", ROLE_MESSAGE, false},
    {"logger", ROLE_LOGGER, false},
    {"name", ROLE_LOGGER, false},
    {"component", ROLE_LOGGER, false},
    {"exception", ROLE_STACK, false},
    {"exc_info", ROLE_STACK, false},
    {"stack", ROLE_STACK, false},
    {"stack_trace", ROLE_STACK, false},
    {"traceback", ROLE_STACK, true},
    {"trace_id", ROLE_TRACE, true},
    {"span_id", ROLE_SPAN, true},
    {"workflow_name", ROLE_WORKFLOW, true},
    {"workflow", ROLE_WORKFLOW, true},
    {"session_id", ROLE_SESSION, true},
    {"session", ROLE_SESSION, true},
    {"stagehand_task_id", ROLE_TASK, true},
    {"task_id", ROLE_TASK, true},
    {"task", ROLE_TASK, true},
    {"action", ROLE_ACTION, false},
    {"status", ROLE_STATUS, false},
    {"details", ROLE_DETAILS, false},
};

static enum role role_of(struct oxp_view name, bool in_map) {
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((names[i].in_map || !in_map) && oxp_audit_same(name, names[i].name)) {
            return names[i].role;
        }
    }
    return ROLE_OTHER;
}

/* Where a text of this role is kept, or NULL. */
static struct oxp_view *place_of(struct oxp_audit_record *record, enum role role) {
    struct oxp_view *const places[ROLE_OTHER] = {
        [ROLE_MESSAGE] = &record->message, [ROLE_LOGGER] = &record->logger,   [ROLE_STACK] = &record->stack,
        [ROLE_TRACE] = &record->trace_id,  [ROLE_SPAN] = &record->span_id,    [ROLE_WORKFLOW] = &record->workflow,
        [ROLE_SESSION] = &record->session, [ROLE_TASK] = &record->task,       [ROLE_ACTION] = &record->action,
        [ROLE_STATUS] = &record->status,   [ROLE_DETAILS] = &record->details,
    };
    return role < ROLE_OTHER ? places[role] : NULL;
}

struct json_reader {
    struct oxp_audit_reader *audit;
    struct oxp_audit_record *record;
    struct oxp_parse json;
    const char *fault; /* of a value, beyond the grammar */
    enum oxp_reject reason;
};

/* The scratch is as long as the longest line, and no text grows when its escapes go: there is always room. */
static struct oxp_view text_of(struct oxp_audit_reader *audit, const struct oxp_parse_string *string) {
    if (!string->escaped) {
        return string->raw;
    }
    char *out = audit->scratch + audit->scratch_len;
    size_t len = oxp_parse_unescape(string->raw, out);
    audit->scratch_len += len;
    return oxp_view_of(out, len);
}

static void set_time(struct json_reader *reader, double ts) {
    double unit = ts > 1e14 ? 1e6 : ts > 1e11 ? 1e3 : 1; /* microseconds, milliseconds, seconds */
    ts /= unit;
    if (!(ts >= 0 && ts <= 9e9)) {
        reader->fault = "not a time in unix seconds";
        reader->reason = OXP_REJECT_BAD_TIME;
        return;
    }
    reader->record->ts = ts;
    reader->record->has_ts = true;
}

static void take_text(struct json_reader *reader, enum role role, struct oxp_view text) {
    struct oxp_audit_record *record = reader->record;
    struct oxp_view *place = place_of(record, role);
    if (role == ROLE_TIME) {
        double ts;
        size_t len = oxp_audit_time(text, reader->audit->options.utc_offset_s, &ts);
        if (len == 0 || len != text.len) {
            reader->fault = "no such time";
            reader->reason = OXP_REJECT_BAD_TIME;
        } else {
            set_time(reader, ts);
        }
    } else if (role == ROLE_LEVEL && !oxp_audit_level(text, &record->level)) {
        reader->fault = "no such level";
        reader->reason = OXP_REJECT_BAD_FIELD;
    } else if (place != NULL && place->len == 0) {
        *place = role == ROLE_MESSAGE || role == ROLE_STACK ? text : oxp_audit_or_none(text);
    }
}

/* A value that stands under `name`; in a map it is kept as an attribute too. */
static bool read_scalar(struct json_reader *reader, struct oxp_view name, enum role role, bool in_map) {
    struct oxp_audit_record *record = reader->record;
    struct oxp_view text;
    struct oxp_parse_string string;
    struct oxp_parse_number number;
    char c = oxp_parse_peek(&reader->json);
    const char *start = reader->json.pos;
    if (c == '"') {
        if (!oxp_parse_string(&reader->json, &string)) {
            return false;
        }
        text = text_of(reader->audit, &string);
        take_text(reader, role, text);
    } else if ((c >= '0' && c <= '9') || c == '-') {
        if (!oxp_parse_number(&reader->json, &number)) {
            return false;
        }
        text = number.text;
        if (role == ROLE_TIME) {
            set_time(reader, number.value);
        } else if (role != ROLE_LEVEL) {
            take_text(reader, role, text);
        }
    } else {
        if (!oxp_parse_skip(&reader->json, in_map ? 2 : 1)) {
            return false;
        }
        text = oxp_view_of(start, (size_t)(reader->json.pos - start));
        in_map = in_map && (c == 't' || c == 'f');
    }
    if (in_map && record->attr_count < OXP_EVENT_ATTRS_MAX) {
        record->attrs[record->attr_count++] = (struct oxp_event_pair){name, text};
    }
    return true;
}

static bool read_key(struct json_reader *reader, struct oxp_view *name_out) {
    struct oxp_parse_string key;
    if (!oxp_parse_string(&reader->json, &key) || !oxp_parse_sign(&reader->json, ':', "expected ':'")) {
        return false;
    }
    *name_out = text_of(reader->audit, &key);
    return true;
}

/* Moves over what stands behind a member; *end_out at the object's end. */
static bool member_end(struct oxp_parse *json, bool *end_out) {
    oxp_parse_space(json);
    char c = oxp_parse_peek(json);
    if (c != ',' && c != '}') {
        return oxp_parse_fail(json, json->pos, "expected ',' or '}'");
    }
    json->pos++;
    oxp_parse_space(json);
    *end_out = c == '}';
    return true;
}

static void object_start(struct oxp_parse *json, bool *end_out) {
    json->pos++;
    oxp_parse_space(json);
    *end_out = oxp_parse_peek(json) == '}';
    json->pos += *end_out;
}

static bool read_map(struct json_reader *reader) {
    bool end;
    for (object_start(&reader->json, &end); !end;) {
        struct oxp_view name;
        if (!read_key(reader, &name) || !read_scalar(reader, name, role_of(name, true), true) ||
            !member_end(&reader->json, &end)) {
            return false;
        }
    }
    return true;
}

static bool read_object(struct json_reader *reader) {
    bool end;
    for (object_start(&reader->json, &end); !end;) {
        struct oxp_view name;
        if (!read_key(reader, &name)) {
            return false;
        }
        enum role role = role_of(name, false);
        bool is_map = role == ROLE_MAP && oxp_parse_peek(&reader->json) == '{';
        if (!(is_map ? read_map(reader) : read_scalar(reader, name, role, false)) || !member_end(&reader->json, &end)) {
            return false;
        }
    }
    if (reader->json.pos != reader->json.end) {
        return oxp_parse_fail(&reader->json, reader->json.pos, "something stands behind the object");
    }
    return true;
}

static struct oxp_parse json_over(struct oxp_view line) {
    return (struct oxp_parse){
        .start = line.ptr, .pos = line.ptr, .end = line.len == 0 ? line.ptr : line.ptr + line.len};
}

static enum oxp_status read_json(struct oxp_audit_reader *audit, struct oxp_view line, struct oxp_audit_record *record,
                                 struct oxp_refusal *refusal) {
    struct json_reader reader = {.audit = audit, .record = record, .json = json_over(line)};
    if (!read_object(&reader)) {
        return refuse(refusal, OXP_REJECT_MALFORMED, (size_t)(reader.json.fault_at - line.ptr), reader.json.fault);
    }
    if (reader.fault != NULL) {
        return refuse(refusal, reader.reason, 0, reader.fault);
    }
    record->is_audit = record->action.len > 0;
    if (record->message.len == 0 && !record->is_audit) {
        return refuse(refusal, OXP_REJECT_BAD_FIELD, 0, "message is missing");
    }
    return OXP_OK;
}

/* An object, not the printed dictionary of a continuation. */
static bool begins_as_json(struct oxp_view line) {
    size_t i = 1;
    while (i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t')) {
        i++;
    }
    return line.len > 0 && line.ptr[0] == '{' && i < line.len && (line.ptr[i] == '"' || line.ptr[i] == '}');
}

bool oxp_audit_is_event(struct oxp_view line) {
    struct oxp_parse json = json_over(oxp_audit_trim(line));
    if (json.pos == json.end || *json.pos != '{') {
        return false;
    }
    bool end;
    for (object_start(&json, &end); !end;) {
        struct oxp_parse_string key, type;
        if (!oxp_parse_string(&json, &key) || !oxp_parse_sign(&json, ':', "expected ':'")) {
            return false;
        }
        if (oxp_view_is(key.raw, "type")) {
            return oxp_parse_peek(&json) == '"' && oxp_parse_string(&json, &type) &&
                   oxp_event_type_find(type.raw) != OXP_EVENT_NONE;
        }
        if (!oxp_parse_skip(&json, 1) || !member_end(&json, &end)) {
            return false;
        }
    }
    return false;
}

/* ---- Lines ---- */

void oxp_audit_init(struct oxp_audit_reader *audit, const struct oxp_audit_options *options) {
    audit->options = *options;
    audit->inside = false;
    audit->scratch_len = 0;
    oxp_event_clear(&audit->event);
}

/* The message of a record may be an audit body. */
static enum oxp_status tell(struct oxp_audit_reader *audit, struct oxp_view line, struct oxp_audit_record *record,
                            const struct oxp_audit_sink *sink, struct oxp_refusal *refusal) {
    audit->inside = true;
    if (!record->is_audit && oxp_audit_is_body(record->message) && !oxp_audit_body(record->message, record)) {
        return refuse(refusal, OXP_REJECT_BAD_FIELD, line.len, "Action is empty");
    }
    if (!record->is_audit && oxp_audit_trim(record->message).len == 0) {
        return OXP_IGNORED;
    }
    oxp_audit_tell(audit, record, sink);
    return OXP_OK;
}

enum oxp_status oxp_audit_parse(struct oxp_audit_reader *audit, struct oxp_view line, const struct oxp_audit_sink *sink,
                                struct oxp_refusal *refusal) {
    struct oxp_audit_record record = {.has_ts = false};
    audit->scratch_len = 0;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    if (line.len > OXP_AUDIT_LINE_MAX) {
        return refuse(refusal, OXP_REJECT_TOO_LARGE, OXP_AUDIT_LINE_MAX, "longer than 64 KiB");
    }
    struct oxp_view trimmed = oxp_audit_trim(line);
    enum oxp_status status = OXP_OK;
    if (trimmed.len == 0) {
        return OXP_IGNORED;
    }
    if (begins_as_record(line)) {
        status = read_text(audit, line, &record, refusal);
    } else if (begins_as_json(trimmed)) {
        status = read_json(audit, trimmed, &record, refusal);
    } else if (oxp_audit_is_body(line)) {
        record.message = trimmed;
    } else {
        return audit->inside ? OXP_IGNORED : refuse(refusal, OXP_REJECT_MALFORMED, 0, "no log record");
    }
    return status == OXP_OK ? tell(audit, line, &record, sink, refusal) : status;
}
