#include "exporter/parse/parse.h"

#include "exporter/parse/json.h"
#include "lib/base/ascii.h"
#include "lib/base/scrub.h"
#include "lib/base/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* One pass over a line. The type settles what each name means ("status" is a text in one type and a number in another),
 * so it is looked for first; nearly every client writes it first, and then nothing is read twice. The first fault in
 * the order of the bytes is the one that is told, with one exception: a line that is no JSON is malformed even when its
 * type is also unknown or missing. */

#define COUNT_MAX 9007199254740992.0 /* 2^53: whole numbers are exact in a double up to here */
#define TIME_MAX 9e9                 /* year 2255; milliseconds given for seconds are far past it */
#define NUMBER_MAX 1e9
#define MAP_NAME_MAX 128     /* bytes of a name in attrs or labels */
#define STRANGERS_MAX 16     /* unknown keys that are watched for repetition */
#define KEY_MAX ((size_t)64) /* longer than every name of the table */

struct reader {
    struct oxp_parse json;
    enum oxp_event_type type; /* NONE: unknown or missing; then every field is passed over */
    struct oxp_event *event;
    struct oxp_refusal *refusal;
    uint64_t seen[OXP_FIELD_WORDS];           /* keys that were met, null ones included */
    struct oxp_view strangers[STRANGERS_MAX]; /* raw keys of unknown fields and of groups */
    size_t stranger_count;
};

/* ---- Refusals ---- */

__attribute__((cold, noinline, format(printf, 4, 5))) static bool refuse(struct reader *reader, enum oxp_reject reason,
                                                                         const char *at, const char *format, ...) {
    char text[sizeof reader->refusal->error.text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    reader->refusal->reason = reason;
    oxp_error_set(&reader->refusal->error, OXP_ERR_SYNTAX, 0, (unsigned)(at - reader->json.start) + 1, "%s", text);
    return false;
}

__attribute__((cold, noinline)) static bool malformed(struct reader *reader) {
    return refuse(reader, OXP_REJECT_MALFORMED, reader->json.fault_at, "%s", reader->json.fault);
}

static const char *found_name(char c) {
    switch (c) {
    case '"':
        return "text";
    case '{':
        return "an object";
    case '[':
        return "an array";
    case 't':
    case 'f':
        return "true or false";
    case 'n':
        return "null";
    default:
        return (c >= '0' && c <= '9') || c == '-' ? "a number" : NULL;
    }
}

/* The value at `pos` is not of the kind that `name` wants. */
__attribute__((cold, noinline)) static bool wrong_kind(struct reader *reader, const char *name, const char *wanted) {
    const char *found = found_name(oxp_parse_peek(&reader->json));
    if (found == NULL) {
        oxp_parse_fail(&reader->json, reader->json.pos, "expected a value");
        return malformed(reader);
    }
    return refuse(reader, OXP_REJECT_BAD_FIELD, reader->json.pos, "%s: expected %s, found %s", name, wanted, found);
}

__attribute__((cold, noinline)) static bool no_room(struct reader *reader) {
    return refuse(reader, OXP_REJECT_TOO_LARGE, reader->json.pos, "too long once its secrets are replaced");
}

/* ---- Text ---- */

/* Hides the secrets of `text`, which lies in the line or is the last thing in the event's scratch. */
__attribute__((cold, noinline)) static bool scrub(struct reader *reader, struct oxp_view *text) {
    struct oxp_event *event = reader->event;
    char copy[OXP_EVENT_LINE_MAX];
    struct oxp_view from = *text;
    if (from.ptr >= event->scratch && from.ptr < event->scratch + sizeof event->scratch) {
        event->scratch_len -= from.len;
        memcpy(copy, from.ptr, from.len);
        from.ptr = copy;
    }
    char *out = event->scratch + event->scratch_len;
    size_t room = sizeof event->scratch - event->scratch_len;
    size_t len = oxp_scrub(from, out, room);
    if (len == room) {
        return no_room(reader);
    }
    event->scratch_len += len;
    *text = oxp_view_of(out, len);
    return true;
}

static bool unescape(struct reader *reader, struct oxp_view raw, struct oxp_view *text_out) {
    struct oxp_event *event = reader->event;
    if (raw.len > sizeof event->scratch - event->scratch_len) {
        return no_room(reader);
    }
    char *out = event->scratch + event->scratch_len;
    size_t len = oxp_parse_unescape(raw, out);
    event->scratch_len += len;
    *text_out = oxp_view_of(out, len);
    return true;
}

/* The text of a string, without escapes and without secrets. */
static inline bool text_of(struct reader *reader, const struct oxp_parse_string *string, struct oxp_view *text_out) {
    *text_out = string->raw;
    if (string->escaped && !unescape(reader, string->raw, text_out)) {
        return false;
    }
    return !oxp_scrub_suspects(*text_out) || scrub(reader, text_out);
}

static bool read_text(struct reader *reader, enum oxp_field field, const struct oxp_field_spec *spec) {
    const char *at = reader->json.pos;
    struct oxp_parse_string string;
    struct oxp_view *text = &reader->event->values[field].text;
    if (!oxp_parse_string(&reader->json, &string)) {
        return malformed(reader);
    }
    if (!text_of(reader, &string, text)) {
        return false;
    }
    if (spec->kind != OXP_KIND_ID) {
        *text = oxp_utf8_cut(*text, spec->limit);
        return true;
    }
    if (text->len == 0) {
        return refuse(reader, OXP_REJECT_BAD_FIELD, at, "%s: may not be empty", spec->name);
    }
    if (text->len > spec->limit) {
        return refuse(reader, OXP_REJECT_BAD_FIELD, at, "%s: longer than %u bytes", spec->name, spec->limit);
    }
    if ((string.escaped || string.odd) && oxp_ascii_has_controls(*text)) {
        return refuse(reader, OXP_REJECT_BAD_FIELD, at, "%s: holds a control character", spec->name);
    }
    return true;
}

/* ---- Numbers ---- */

static bool read_number(struct reader *reader, enum oxp_field field, const struct oxp_field_spec *spec) {
    const char *at = reader->json.pos;
    struct oxp_parse_number number;
    if (!oxp_parse_number(&reader->json, &number)) {
        return malformed(reader);
    }
    double value = number.value;
    const char *fault = NULL;
    enum oxp_reject reason = OXP_REJECT_BAD_FIELD;
    if (spec->kind != OXP_KIND_REAL && value < 0) {
        fault = "may not be negative";
    } else if (isinf(value)) {
        fault = "out of range";
    } else if (spec->kind == OXP_KIND_COUNT) {
        if (number.is_whole ? number.whole > (uint64_t)COUNT_MAX : value >= COUNT_MAX) {
            fault = "more than 2^53";
        } else if (!number.is_whole && value != floor(value)) {
            fault = "expected a whole number";
        } else if (field == OXP_FIELD_SEQ && value < 1) {
            fault = "counts from 1";
        }
    } else if (spec->kind == OXP_KIND_NUMBER && value > NUMBER_MAX) {
        fault = "more than 1e9"; /* 31 years: one absurd duration would spoil a sum for good */
    } else if (spec->kind == OXP_KIND_TIME && value > TIME_MAX) {
        fault = "not in unix seconds";
        reason = OXP_REJECT_BAD_TIME;
    }
    if (fault != NULL) {
        return refuse(reader, reason, at, "%s: %s", spec->name, fault);
    }
    reader->event->values[field].number = value + 0.0; /* -0 becomes 0 */
    return true;
}

static bool read_bool(struct reader *reader, enum oxp_field field) {
    bool flag = oxp_parse_peek(&reader->json) == 't';
    reader->event->values[field].flag = flag;
    return oxp_parse_literal(&reader->json, flag ? "true" : "false") || malformed(reader);
}

/* A number as it was written. */
static bool read_number_text(struct reader *reader, struct oxp_view *text_out) {
    struct oxp_parse_number number;
    if (!oxp_parse_number(&reader->json, &number)) {
        return malformed(reader);
    }
    *text_out = number.text;
    return true;
}

/* ---- Maps ---- */

struct map {
    const char *name; /* "attrs" */
    size_t limit;     /* bytes of a value */
    struct oxp_event_pair *pairs;
    size_t *count;
};

static bool read_pair_name(struct reader *reader, const struct map *map, struct oxp_view *name_out) {
    const char *at = reader->json.pos;
    struct oxp_parse_string key;
    if (!oxp_parse_string(&reader->json, &key)) {
        return malformed(reader);
    }
    if (!text_of(reader, &key, name_out)) {
        return false;
    }
    if (name_out->len == 0 || name_out->len > MAP_NAME_MAX ||
        ((key.escaped || key.odd) && oxp_ascii_has_controls(*name_out))) {
        return refuse(reader, OXP_REJECT_BAD_FIELD, at, "%s: a name must be 1 to %d bytes without control characters",
                      map->name, MAP_NAME_MAX);
    }
    for (size_t i = 0; i < *map->count; i++) {
        if (oxp_view_equal(map->pairs[i].name, *name_out)) {
            return refuse(reader, OXP_REJECT_MALFORMED, at, "%s: a name stands twice", map->name);
        }
    }
    return oxp_parse_sign(&reader->json, ':', "expected ':'") || malformed(reader);
}

/* The value of a pair; `null_out` when there is none. */
static bool read_pair_value(struct reader *reader, const struct map *map, struct oxp_event_pair *pair, bool *null_out) {
    struct oxp_parse_string string;
    char c = oxp_parse_peek(&reader->json);
    *null_out = false;
    switch (c) {
    case '"':
        if (!oxp_parse_string(&reader->json, &string)) {
            return malformed(reader);
        }
        if (oxp_scrub_is_secret_name(pair->name)) {
            pair->value = OXP_VIEW("[redacted]");
            return true;
        }
        if (!text_of(reader, &string, &pair->value)) {
            return false;
        }
        pair->value = oxp_utf8_cut(pair->value, map->limit);
        return true;
    case 't':
    case 'f':
        pair->value = c == 't' ? OXP_VIEW("true") : OXP_VIEW("false");
        return oxp_parse_literal(&reader->json, pair->value.ptr) || malformed(reader);
    case 'n':
        *null_out = true;
        return oxp_parse_literal(&reader->json, "null") || malformed(reader);
    case '{':
    case '[':
        return wrong_kind(reader, map->name, "text, numbers, true or false in it");
    default:
        return read_number_text(reader, &pair->value);
    }
}

/* Moves over what stands behind a member: a comma, or the end of the object, and then *end_out is set. */
static inline bool member_end(struct reader *reader, bool *end_out) {
    struct oxp_parse *json = &reader->json;
    oxp_parse_space(json);
    char c = oxp_parse_peek(json);
    if (c == ',') {
        json->pos++;
        oxp_parse_space(json);
        return true;
    }
    if (c == '}') {
        json->pos++;
        *end_out = true;
        return true;
    }
    oxp_parse_fail(json, json->pos, json->pos == json->end ? "the line ends inside an object" : "expected ',' or '}'");
    return malformed(reader);
}

/* Moves over the '{' at `pos`; *end_out when the object is empty. */
static inline void object_start(struct reader *reader, bool *end_out) {
    reader->json.pos++;
    oxp_parse_space(&reader->json);
    *end_out = oxp_parse_peek(&reader->json) == '}';
    reader->json.pos += *end_out;
}

static bool read_map(struct reader *reader, enum oxp_field field, const struct oxp_field_spec *spec) {
    struct oxp_event *event = reader->event;
    struct map map = {spec->name, spec->limit, event->attrs, &event->attr_count};
    if (field == OXP_FIELD_LABELS) {
        map.pairs = event->labels;
        map.count = &event->label_count;
    }
    bool end;
    for (object_start(reader, &end); !end;) {
        const char *at = reader->json.pos;
        struct oxp_event_pair pair = {{NULL, 0}, {NULL, 0}};
        bool is_null;
        if (!read_pair_name(reader, &map, &pair.name) || !read_pair_value(reader, &map, &pair, &is_null)) {
            return false;
        }
        if (!is_null) {
            if (*map.count == OXP_EVENT_ATTRS_MAX) {
                return refuse(reader, OXP_REJECT_BAD_FIELD, at, "%s: more than %d pairs", spec->name,
                              OXP_EVENT_ATTRS_MAX);
            }
            map.pairs[(*map.count)++] = pair;
        }
        if (!member_end(reader, &end)) {
            return false;
        }
    }
    return true;
}

/* ---- Fields ---- */

static bool read_value(struct reader *reader, enum oxp_field field, const struct oxp_field_spec *spec, char c) {
    bool is_number = (c >= '0' && c <= '9') || c == '-';
    switch (spec->kind) {
    case OXP_KIND_STRING:
    case OXP_KIND_ID:
        return c == '"' ? read_text(reader, field, spec)
                        : wrong_kind(reader, spec->name, oxp_field_kind_name(spec->kind));
    case OXP_KIND_NUMBER:
    case OXP_KIND_COUNT:
    case OXP_KIND_TIME:
    case OXP_KIND_REAL:
        return is_number ? read_number(reader, field, spec)
                         : wrong_kind(reader, spec->name, oxp_field_kind_name(spec->kind));
    case OXP_KIND_BOOL:
        return c == 't' || c == 'f' ? read_bool(reader, field)
                                    : wrong_kind(reader, spec->name, oxp_field_kind_name(spec->kind));
    case OXP_KIND_WORD:
        if (is_number) {
            return read_number_text(reader, &reader->event->values[field].text);
        }
        return c == '"' ? read_text(reader, field, spec)
                        : wrong_kind(reader, spec->name, oxp_field_kind_name(spec->kind));
    case OXP_KIND_MAP:
        return c == '{' ? read_map(reader, field, spec)
                        : wrong_kind(reader, spec->name, oxp_field_kind_name(spec->kind));
    }
    return false;
}

static bool read_field(struct reader *reader, enum oxp_field field, const char *key_at) {
    const struct oxp_field_spec *spec = oxp_field_spec(field);
    uint64_t bit = UINT64_C(1) << (field % 64);
    if ((reader->seen[field / 64] & bit) != 0) {
        return refuse(reader, OXP_REJECT_MALFORMED, key_at, "%s stands twice", spec->name);
    }
    reader->seen[field / 64] |= bit;
    char c = oxp_parse_peek(&reader->json);
    if (c == 'n') {
        return oxp_parse_literal(&reader->json, "null") || malformed(reader);
    }
    if (!read_value(reader, field, spec, c)) {
        return false;
    }
    reader->event->present[field / 64] |= bit;
    return true;
}

/* What a key says, for comparing it with names. A key with escapes is written to `space`; one too long for it can be no
 * name of ours, and is left as it stands. */
static inline struct oxp_view key_text(const struct oxp_parse_string *key, char space[6 * KEY_MAX]) {
    if (!key->escaped || key->raw.len > 6 * KEY_MAX) {
        return key->raw;
    }
    return oxp_view_of(space, oxp_parse_unescape(key->raw, space));
}

/* {"input": 1, …} behind "tokens": each member is the field "tokens.input". */
static bool read_group(struct reader *reader, struct oxp_view group) {
    char name[2 * KEY_MAX], space[6 * KEY_MAX];
    memcpy(name, group.ptr, group.len);
    name[group.len] = '.';
    bool end;
    for (object_start(reader, &end); !end;) {
        const char *key_at = reader->json.pos;
        struct oxp_parse_string key;
        if (!oxp_parse_string(&reader->json, &key) || !oxp_parse_sign(&reader->json, ':', "expected ':'")) {
            return malformed(reader);
        }
        struct oxp_view member = key_text(&key, space);
        enum oxp_field field = OXP_FIELDS;
        if (member.len <= KEY_MAX && member.len > 0) {
            memcpy(name + group.len + 1, member.ptr, member.len);
            field = oxp_field_find_for(reader->type, oxp_view_of(name, group.len + 1 + member.len));
        }
        bool ok = field != OXP_FIELDS ? read_field(reader, field, key_at)
                                      : oxp_parse_skip(&reader->json, 2) || malformed(reader);
        if (!ok || !member_end(reader, &end)) {
            return false;
        }
    }
    return true;
}

/* A key that is no field of this type: the name of a group, or unknown. */
static bool read_stranger(struct reader *reader, const struct oxp_parse_string *key, struct oxp_view name) {
    for (size_t i = 0; i < reader->stranger_count; i++) {
        if (oxp_view_equal(reader->strangers[i], key->raw)) {
            return refuse(reader, OXP_REJECT_MALFORMED, key->raw.ptr - 1, "a key stands twice");
        }
    }
    if (reader->stranger_count < STRANGERS_MAX) {
        reader->strangers[reader->stranger_count++] = key->raw;
    }
    char c = oxp_parse_peek(&reader->json);
    if (c != 'n' && name.len < KEY_MAX && oxp_field_is_group(reader->type, name)) {
        if (c != '{') {
            char text[KEY_MAX];
            snprintf(text, sizeof text, "%.*s", (int)name.len, name.ptr);
            return wrong_kind(reader, text, "an object");
        }
        return read_group(reader, name);
    }
    return oxp_parse_skip(&reader->json, 1) || malformed(reader);
}

static bool read_members(struct reader *reader) {
    char space[6 * KEY_MAX];
    for (bool end = false; !end;) {
        const char *key_at = reader->json.pos;
        struct oxp_parse_string key;
        if (!oxp_parse_string(&reader->json, &key) || !oxp_parse_sign(&reader->json, ':', "expected ':'")) {
            return malformed(reader);
        }
        struct oxp_view name = key_text(&key, space);
        enum oxp_field field = oxp_field_find_for(reader->type, name);
        bool ok = field != OXP_FIELDS ? read_field(reader, field, key_at) : read_stranger(reader, &key, name);
        if (!ok || !member_end(reader, &end)) {
            return false;
        }
    }
    return true;
}

/* ---- The type ---- */

struct type_at {
    const char *value; /* where it stands; NULL = there is none, or it is no string */
    struct oxp_parse_string text;
    const char *after; /* behind it, when it is the first member; else NULL */
};

/* Looks for the member "type". False when the line is malformed before it was found. */
static bool find_type(struct reader *reader, struct type_at *type) {
    struct oxp_parse *json = &reader->json;
    char space[6 * KEY_MAX];
    bool end = false;
    for (bool first = true; !end; first = false) {
        struct oxp_parse_string key;
        if (!oxp_parse_string(json, &key) || !oxp_parse_sign(json, ':', "expected ':'")) {
            return malformed(reader);
        }
        if (oxp_view_equal(key_text(&key, space), OXP_VIEW("type"))) {
            if (oxp_parse_peek(json) != '"') {
                return wrong_kind(reader, "type", "text");
            }
            type->value = json->pos;
            if (!oxp_parse_string(json, &type->text)) {
                return malformed(reader);
            }
            type->after = first ? json->pos : NULL;
            return true;
        }
        if ((!oxp_parse_skip(json, 1) && !malformed(reader)) || !member_end(reader, &end)) {
            return false;
        }
    }
    return true;
}

/* The line is good JSON, but its type is not in the table or there is none. */
__attribute__((cold, noinline)) static bool no_type(struct reader *reader, const struct type_at *type) {
    if (type->value == NULL) {
        return refuse(reader, OXP_REJECT_BAD_FIELD, reader->json.start, "type is missing");
    }
    char shown[OXP_EVENT_LINE_MAX];
    size_t len = oxp_scrub(type->text.raw, shown, sizeof shown);
    struct oxp_view cut = oxp_utf8_cut(oxp_view_of(shown, len), 80);
    return refuse(reader, OXP_REJECT_UNKNOWN_TYPE, type->value, "unknown type \"%.*s\"", (int)cut.len, cut.ptr);
}

static bool check_required(struct reader *reader) {
    const uint64_t *required = oxp_type_required(reader->type);
    for (unsigned word = 0; word < OXP_FIELD_WORDS; word++) {
        uint64_t missing = required[word] & ~reader->event->present[word];
        if (missing != 0) {
            enum oxp_field field = (enum oxp_field)(64 * word + (unsigned)__builtin_ctzll(missing));
            return refuse(reader, OXP_REJECT_BAD_FIELD, reader->json.pos - 1, "%s is missing",
                          oxp_field_spec(field)->name);
        }
    }
    return true;
}

/* Sets the event's type, and places the reader on the first member that is still to be read; *end_out when there is
 * none. */
static bool begin(struct reader *reader, struct type_at *type, bool *end_out) {
    const char *members = reader->json.pos;
    if (!find_type(reader, type)) {
        return false;
    }
    if (type->value != NULL) {
        char space[6 * KEY_MAX];
        reader->type = oxp_event_type_find(key_text(&type->text, space));
    }
    if (type->after == NULL || reader->type == OXP_EVENT_NONE) {
        reader->json.pos = members;
        return true;
    }
    reader->seen[OXP_FIELD_TYPE / 64] |= UINT64_C(1) << (OXP_FIELD_TYPE % 64);
    reader->event->present[OXP_FIELD_TYPE / 64] |= UINT64_C(1) << (OXP_FIELD_TYPE % 64);
    reader->event->values[OXP_FIELD_TYPE].text = oxp_view_from(oxp_type_spec(reader->type)->name);
    return member_end(reader, end_out);
}

static bool read_line(struct reader *reader) {
    struct oxp_parse *json = &reader->json;
    struct type_at type = {.value = NULL};
    oxp_parse_space(json);
    if (oxp_parse_peek(json) != '{') {
        oxp_parse_fail(json, json->pos, "expected an object");
        return malformed(reader);
    }
    bool end;
    object_start(reader, &end);
    if (!end && (!begin(reader, &type, &end) || (!end && !read_members(reader)))) {
        return false;
    }
    const char *close = json->pos;
    oxp_parse_space(json);
    if (json->pos != json->end) {
        oxp_parse_fail(json, json->pos, "something stands behind the object");
        return malformed(reader);
    }
    json->pos = close;
    reader->event->type = reader->type;
    return reader->type == OXP_EVENT_NONE ? no_type(reader, &type) : check_required(reader);
}

enum oxp_status oxp_parse_event(struct oxp_view line, struct oxp_event *event, struct oxp_refusal *refusal) {
    struct reader reader;
    reader.json =
        (struct oxp_parse){.start = line.ptr, .pos = line.ptr, .end = line.len == 0 ? line.ptr : line.ptr + line.len};
    reader.type = OXP_EVENT_NONE;
    reader.event = event;
    reader.refusal = refusal;
    memset(reader.seen, 0, sizeof reader.seen);
    reader.stranger_count = 0;
    oxp_event_clear(event);
    if (line.len > OXP_EVENT_LINE_MAX) {
        refuse(&reader, OXP_REJECT_TOO_LARGE, line.ptr + OXP_EVENT_LINE_MAX, "longer than %d bytes",
               OXP_EVENT_LINE_MAX);
        return OXP_ERR_SYNTAX;
    }
    return read_line(&reader) ? OXP_OK : OXP_ERR_SYNTAX;
}

bool oxp_parse_seq(struct oxp_view line, uint64_t *seq_out) {
    struct oxp_parse json = {.start = line.ptr, .pos = line.ptr, .end = line.len == 0 ? line.ptr : line.ptr + line.len};
    if (!oxp_parse_sign(&json, '{', "expected an object")) {
        return false;
    }
    do {
        struct oxp_parse_string key;
        struct oxp_parse_number number;
        if (!oxp_parse_string(&json, &key) || !oxp_parse_sign(&json, ':', "expected ':'")) {
            return false;
        }
        if (oxp_view_is(key.raw, "seq")) {
            bool good = oxp_parse_number(&json, &number) && number.is_whole && number.whole >= 1 &&
                        number.whole <= (uint64_t)COUNT_MAX;
            *seq_out = good ? number.whole : 0;
            return good;
        }
        if (!oxp_parse_skip(&json, 1)) {
            return false;
        }
    } while (oxp_parse_sign(&json, ',', "expected ','"));
    return false;
}
