/* An event: what an orchestrator says happened. Plain data with fixed limits; no I/O, no state.
 *
 * event.def is the one table: every field with its kind and limit, every type with the fields it needs. Parsers fill a
 * `struct oxp_event`, the ledger reads it, `oxpecker send` and docs/events.md take kinds and names from the same table.
 */
#ifndef OXP_EVENT_EVENT_H
#define OXP_EVENT_EVENT_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>
#include <stdint.h>

#define OXP_EVENT_LINE_MAX 8192 /* bytes of one line, newline not counted */
#define OXP_EVENT_ATTRS_MAX 32  /* pairs in attrs, and in labels */

enum oxp_event_type {
    OXP_EVENT_NONE,
#define TYPE(id, name, ...) OXP_EVENT_##id,
#include "exporter/event/event.def"
#undef TYPE
    OXP_EVENT_TYPES
};

enum oxp_field {
#define FIELD(id, name, kind, limit, help) OXP_FIELD_##id,
#include "exporter/event/event.def"
#undef FIELD
    OXP_FIELDS
};

#define OXP_FIELD_WORDS ((OXP_FIELDS + 63) / 64)

enum oxp_field_kind {
    OXP_KIND_STRING, /* UTF-8, at most `limit` bytes, scrubbed of secrets */
    OXP_KIND_ID,     /* a string that names something: 1 to `limit` bytes, no control characters, scrubbed */
    OXP_KIND_NUMBER, /* double, 0 to 1e9 */
    OXP_KIND_COUNT,  /* whole number, 0 to 2^53 */
    OXP_KIND_TIME,   /* unix seconds */
    OXP_KIND_BOOL,
    OXP_KIND_MAP,  /* one level of name: scalar pairs (attrs, labels); `limit` bytes a value */
    OXP_KIND_REAL, /* finite double of either sign */
    OXP_KIND_WORD, /* a STRING, or a number kept as the text that it was written in */
};

/* Why an event was refused; the label values of oxpecker_events_rejected_total. */
enum oxp_reject {
#define REJECT(id, name) OXP_REJECT_##id,
#include "exporter/event/event.def"
#undef REJECT
    OXP_REJECTS
};

struct oxp_event_pair {
    struct oxp_view name;
    struct oxp_view value; /* text; numbers and booleans as they were written */
};

union oxp_field_value {
    struct oxp_view text; /* STRING, ID, WORD */
    double number;        /* NUMBER, COUNT, TIME, REAL; seconds for times and durations */
    bool flag;            /* BOOL */
};

struct oxp_event {
    enum oxp_event_type type;
    uint64_t present[OXP_FIELD_WORDS];        /* one bit a field */
    union oxp_field_value values[OXP_FIELDS]; /* valid where the bit is set */
    struct oxp_event_pair attrs[OXP_EVENT_ATTRS_MAX];
    size_t attr_count;
    struct oxp_event_pair labels[OXP_EVENT_ATTRS_MAX];
    size_t label_count;
    /* Views above point into the parsed line or, where a string had escapes or secrets, in here. */
    size_t scratch_len;
    char scratch[OXP_EVENT_LINE_MAX];
};

static inline bool oxp_event_has(const struct oxp_event *event, enum oxp_field field) {
    return (event->present[field / 64] >> (field % 64)) & 1;
}

/* The field's text, or the empty view. */
static inline struct oxp_view oxp_event_text(const struct oxp_event *event, enum oxp_field field) {
    return oxp_event_has(event, field) ? event->values[field].text : (struct oxp_view){NULL, 0};
}

/* The field's number, or `otherwise`. */
static inline double oxp_event_number(const struct oxp_event *event, enum oxp_field field, double otherwise) {
    return oxp_event_has(event, field) ? event->values[field].number : otherwise;
}

static inline bool oxp_event_flag(const struct oxp_event *event, enum oxp_field field, bool otherwise) {
    return oxp_event_has(event, field) ? event->values[field].flag : otherwise;
}

/* An event with nothing in it. Cheap: the value and scratch arrays are not cleared. */
void oxp_event_clear(struct oxp_event *event);

struct oxp_field_spec {
    const char *name; /* as written in JSON; nested ones with a dot ("tokens.input") */
    enum oxp_field_kind kind;
    unsigned limit; /* bytes of a string; 0 elsewhere */
    const char *help;
};

struct oxp_type_spec {
    const char *name;               /* "session.started" */
    const enum oxp_field *required; /* ends with OXP_FIELDS */
    const enum oxp_field *optional; /* ends with OXP_FIELDS; the envelope is always allowed */
    const char *moves;              /* for docs */
};

const struct oxp_field_spec *oxp_field_spec(enum oxp_field field);
const struct oxp_type_spec *oxp_type_spec(enum oxp_event_type type);
/* By name; OXP_EVENT_NONE or OXP_FIELDS when it is not in the table. Constant time. */
enum oxp_event_type oxp_event_type_find(struct oxp_view name);
enum oxp_field oxp_field_find(struct oxp_view name);
/* What `name` means in an event of this type: the envelope's field or one that the type lists. OXP_FIELDS when it means
 * nothing there, and is skipped. Two fields share the name "status": of an error it is HTTP_STATUS, a number, elsewhere
 * STATUS, a text. Constant time; the parser and `oxpecker send` go by this. */
enum oxp_field oxp_field_find_for(enum oxp_event_type type, struct oxp_view name);
/* True when `name` is the first part of a nested field of this type ("tokens" of "operation"). */
bool oxp_field_is_group(enum oxp_event_type type, struct oxp_view name);
/* One bit a field: those that every event of this type must have. `type` and the envelope are not in it. */
const uint64_t *oxp_type_required(enum oxp_event_type type);
/* The kind in words: "text", "a whole number" … */
const char *oxp_field_kind_name(enum oxp_field_kind kind);
/* "malformed", … */
const char *oxp_reject_name(enum oxp_reject reason);

#endif
