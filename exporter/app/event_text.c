#include "exporter/app/event_text.h"

#include "exporter/event/event.h"
#include "lib/base/number.h"
#include "lib/base/utf8.h"

/* "tokens.input" is {"tokens":{"input":…}}: words with one prefix are gathered into one object, in the order of the
 * first. */
struct word {
    struct oxp_view prefix; /* empty at the top level */
    struct oxp_view name;
    struct oxp_view value;
    enum oxp_field_kind kind;
};

#define WORDS_MAX 128

/* "<what>: <why>", with no more of a long word than leaves room for the reason. */
static enum oxp_status bad(struct oxp_error *error, const char *what, const char *why) {
    size_t len = strlen(what);
    struct oxp_view shown = oxp_utf8_cut(oxp_view_of(what, len), 120);
    oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "%.*s%s: %s", (int)shown.len, shown.ptr, shown.len < len ? "..." : "",
                  why);
    return OXP_ERR_INVALID;
}

static enum oxp_status check_value(const struct word *word, const char *text, struct oxp_error *error) {
    double number;
    switch (word->kind) {
    case OXP_KIND_NUMBER:
    case OXP_KIND_COUNT:
    case OXP_KIND_TIME:
    case OXP_KIND_REAL:
        return oxp_number_parse_json(word->value, &number) == OXP_OK ? OXP_OK : bad(error, text, "a number is wanted");
    case OXP_KIND_BOOL:
        return oxp_view_is(word->value, "true") || oxp_view_is(word->value, "false")
                   ? OXP_OK
                   : bad(error, text, "true or false is wanted");
    case OXP_KIND_ID: /* in a text a broken character is replaced; in a name that would make two things one */
        return oxp_utf8_is_valid(word->value) ? OXP_OK : bad(error, text, "not UTF-8");
    default:
        return OXP_OK;
    }
}

static enum oxp_status read_word(enum oxp_event_type type, const char *text, struct word *word,
                                 struct oxp_error *error) {
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text) {
        return bad(error, text, "not key=value");
    }
    struct oxp_view key = oxp_view_of(text, (size_t)(equals - text));
    const char *dot = memchr(key.ptr, '.', key.len);
    word->value = oxp_view_from(equals + 1);
    word->prefix = dot == NULL ? oxp_view_of(NULL, 0) : oxp_view_of(key.ptr, (size_t)(dot - key.ptr));
    word->name = dot == NULL ? key : oxp_view_of(dot + 1, key.len - word->prefix.len - 1);
    enum oxp_field field = oxp_field_find_for(type, word->prefix);
    if (field != OXP_FIELDS && oxp_field_spec(field)->kind == OXP_KIND_MAP) { /* attrs.NAME, labels.NAME */
        word->kind = OXP_KIND_STRING;
        return OXP_OK;
    }
    field = oxp_field_find_for(type, key);
    if (field == OXP_FIELDS || field == OXP_FIELD_TYPE || oxp_field_spec(field)->kind == OXP_KIND_MAP) {
        return bad(error, text, "no such field in an event of this type");
    }
    word->kind = oxp_field_spec(field)->kind;
    return check_value(word, text, error);
}

static void append_value(struct oxp_buf *line, const struct word *word) {
    oxp_buf_append_json_string(line, word->name);
    oxp_buf_append_char(line, ':');
    if (word->kind == OXP_KIND_STRING || word->kind == OXP_KIND_ID || word->kind == OXP_KIND_WORD) {
        oxp_buf_append_json_string(line, word->value);
    } else {
        oxp_buf_append_view(line, word->value);
    }
}

/* All words with the prefix of words[first], as one object. */
static void append_object(struct oxp_buf *line, const struct word *words, size_t count, size_t first) {
    oxp_buf_append_json_string(line, words[first].prefix);
    oxp_buf_append_text(line, ":{");
    for (size_t i = first; i < count; i++) {
        if (oxp_view_equal(words[i].prefix, words[first].prefix)) {
            oxp_buf_append_text(line, i == first ? "" : ",");
            append_value(line, &words[i]);
        }
    }
    oxp_buf_append_char(line, '}');
}

static bool prefix_seen(const struct word *words, size_t i) {
    for (size_t before = 0; before < i; before++) {
        if (oxp_view_equal(words[before].prefix, words[i].prefix)) {
            return true;
        }
    }
    return false;
}

enum oxp_status oxp_event_text_build(int argc, char *const *argv, double now_s, struct oxp_buf *line,
                                     struct oxp_error *error) {
    struct word words[WORDS_MAX];
    size_t count = 0;
    bool has_ts = false;
    enum oxp_event_type type = oxp_event_type_find(oxp_view_from(argv[0]));
    if (type == OXP_EVENT_NONE) {
        return bad(error, argv[0], "not an event type");
    }
    if (argc - 1 > WORDS_MAX) {
        return bad(error, argv[0], "more than 128 fields");
    }
    for (int i = 1; i < argc; i++, count++) {
        enum oxp_status status = read_word(type, argv[i], &words[count], error);
        if (status != OXP_OK) {
            return status;
        }
        has_ts |= words[count].prefix.len == 0 && oxp_view_is(words[count].name, "ts");
    }
    oxp_buf_append_text(line, "{\"type\":");
    oxp_buf_append_json_string(line, oxp_view_from(argv[0]));
    if (!has_ts) {
        oxp_buf_append_format(line, ",\"ts\":%.3f", now_s);
    }
    for (size_t i = 0; i < count; i++) {
        if (words[i].prefix.len > 0 && prefix_seen(words, i)) {
            continue;
        }
        oxp_buf_append_char(line, ',');
        if (words[i].prefix.len > 0) {
            append_object(line, words, count, i);
        } else {
            append_value(line, &words[i]);
        }
    }
    oxp_buf_append_char(line, '}');
    enum oxp_status status = oxp_buf_status(line);
    return status == OXP_OK          ? OXP_OK
           : status == OXP_ERR_LIMIT ? bad(error, argv[0], "the event is longer than 8 KiB")
                                     : oxp_error_set(error, status, 0, 0, "%s", oxp_status_text(status));
}
