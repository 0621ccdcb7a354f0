#include "exporter/parse/audit_parts.h"

#include "lib/base/ascii.h"
#include "lib/base/number.h"

#include <stdint.h>

static char lower(char c) {
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static bool is_word(char c) {
    return oxp_is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '_';
}

static bool is_filler(char c) {
    return c == ' ' || c == '\t' || c == '_' || c == '-';
}

static struct oxp_view from(struct oxp_view text, size_t at) {
    return at >= text.len ? oxp_view_of(NULL, 0) : oxp_view_of(text.ptr + at, text.len - at);
}

struct oxp_view oxp_audit_trim(struct oxp_view text) {
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* Bytes at the front of `text` that spell `word`, fillers aside; 0 when they do not. */
static size_t spells(struct oxp_view text, const char *word) {
    size_t at = 0;
    for (; *word != '\0'; word++) {
        if (is_filler(*word)) {
            continue;
        }
        while (at < text.len && is_filler(text.ptr[at])) {
            at++;
        }
        if (at == text.len || lower(text.ptr[at]) != lower(*word)) {
            return 0;
        }
        at++;
    }
    return at;
}

bool oxp_audit_same(struct oxp_view text, const char *word) {
    size_t at = spells(text, word);
    if (at == 0) {
        return false;
    }
    while (at < text.len && is_filler(text.ptr[at])) {
        at++;
    }
    return at == text.len;
}

struct oxp_view oxp_audit_or_none(struct oxp_view text) {
    static const char *const nothing[] = {"N/A", "None", "null", "nil", "<none>", "undefined"};
    text = oxp_audit_trim(text);
    bool none = oxp_view_is(text, "-") || oxp_view_is(text, "''") || oxp_view_is(text, "\"\"");
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0] && !none; i++) {
        none = oxp_audit_same(text, nothing[i]);
    }
    return none ? oxp_view_of(NULL, 0) : text;
}

/* ---- Times ---- */

/* `count` digits at `at` as a number, -1 when they are not there. */
static int digits(struct oxp_view text, size_t at, unsigned count) {
    int value = 0;
    if (at + count > text.len) {
        return -1;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!oxp_is_digit(text.ptr[at + i])) {
            return -1;
        }
        value = value * 10 + (text.ptr[at + i] - '0');
    }
    return value;
}

static bool stands(struct oxp_view text, size_t at, char c) {
    return at < text.len && text.ptr[at] == c;
}

static int month_days(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Days from 1970-01-01 to a date of the Gregorian calendar: years count from March, so that a leap day is the last of
 * its year, and in each year the months before this one have (153 m + 2) / 5 days. */
static int64_t days_from_civil(int year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t m = month <= 2 ? month + 9 : month - 3;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* "Z", "+02:00", "+0200" at `*at`: moved over. */
static void zone(struct oxp_view text, size_t *at, int *offset_s) {
    if (stands(text, *at, 'Z')) {
        *offset_s = 0;
        ++*at;
        return;
    }
    if (!stands(text, *at, '+') && !stands(text, *at, '-')) {
        return;
    }
    size_t colon = stands(text, *at + 3, ':') ? 1 : 0;
    int hours = digits(text, *at + 1, 2), minutes = digits(text, *at + 3 + colon, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) {
        return;
    }
    int seconds = hours * 3600 + minutes * 60;
    *offset_s = text.ptr[*at] == '-' ? -seconds : seconds;
    *at += 5 + colon;
}

size_t oxp_audit_time(struct oxp_view text, int utc_offset_s, double *ts_out) {
    int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
    int hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
    bool has_marks = stands(text, 4, '-') && stands(text, 7, '-') && (stands(text, 10, ' ') || stands(text, 10, 'T')) &&
                     stands(text, 13, ':') && stands(text, 16, ':');
    if (!has_marks || year < 1970 || month < 1 || month > 12 || day < 1 || day > month_days(year, month) || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
        return 0;
    }
    size_t at = 19;
    double fraction = 0;
    if ((stands(text, at, ',') || stands(text, at, '.')) && digits(text, at + 1, 1) >= 0) {
        double unit = 0.1;
        for (at++; at < text.len && oxp_is_digit(text.ptr[at]); at++) {
            fraction += (text.ptr[at] - '0') * unit;
            unit /= 10;
        }
    }
    zone(text, &at, &utc_offset_s);
    int64_t whole =
        days_from_civil(year, month, day) * 86400 + (int64_t)hour * 3600 + (int64_t)minute * 60 + second - utc_offset_s;
    if (whole < 0) {
        return 0;
    }
    *ts_out = (double)whole + fraction;
    return at;
}

/* ---- Levels ---- */

static const char *const level_names[] = {"", "debug", "info", "warning", "error", "critical"};

const char *oxp_audit_level_name(enum oxp_audit_level level) {
    return level_names[level];
}

/* Python's numbers: 10, 20, 30, 40, 50; what lies between counts as the lower one. */
static enum oxp_audit_level level_of_number(uint64_t number) {
    return number < 20   ? OXP_AUDIT_DEBUG
           : number < 30 ? OXP_AUDIT_INFO
           : number < 40 ? OXP_AUDIT_WARNING
           : number < 50 ? OXP_AUDIT_ERROR
                         : OXP_AUDIT_CRITICAL;
}

bool oxp_audit_level(struct oxp_view text, enum oxp_audit_level *level_out) {
    static const struct {
        const char *name;
        enum oxp_audit_level level;
    } names[] = {
        {"debug", OXP_AUDIT_DEBUG},     {"info", OXP_AUDIT_INFO},         {"warning", OXP_AUDIT_WARNING},
        {"error", OXP_AUDIT_ERROR},     {"critical", OXP_AUDIT_CRITICAL}, {"warn", OXP_AUDIT_WARNING},
        {"fatal", OXP_AUDIT_CRITICAL},  {"trace", OXP_AUDIT_DEBUG},       {"notset", OXP_AUDIT_DEBUG},
        {"notice", OXP_AUDIT_INFO},     {"success", OXP_AUDIT_INFO},      {"information", OXP_AUDIT_INFO},
        {"exception", OXP_AUDIT_ERROR},
    };
    text = oxp_audit_trim(text);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (oxp_audit_same(text, names[i].name)) {
            *level_out = names[i].level;
            return true;
        }
    }
    size_t at = spells(text, "level");
    uint64_t number;
    if (at == 0 || oxp_number_parse_u64(oxp_audit_trim(from(text, at)), &number) != OXP_OK) {
        return false;
    }
    *level_out = level_of_number(number);
    return true;
}

/* ---- Audit bodies ---- */

/* Bytes that `key` and its colon take at the front of `text`, 0 when they do not stand there. */
static size_t key_at(struct oxp_view text, const char *key) {
    size_t at = spells(text, key);
    if (at == 0) {
        return 0;
    }
    while (at < text.len && text.ptr[at] == ' ') {
        at++;
    }
    return stands(text, at, ':') ? at + 1 : 0;
}

bool oxp_audit_is_body(struct oxp_view text) {
    return key_at(oxp_audit_trim(text), "Action") > 0;
}

/* Looks in `text` for a comma with `key:` behind it: where the comma stands, and where the value begins. */
static bool find_key(struct oxp_view text, const char *key, size_t *comma_out, size_t *value_out) {
    for (size_t i = 0; i < text.len; i++) {
        const char *comma = memchr(text.ptr + i, ',', text.len - i);
        if (comma == NULL) {
            return false;
        }
        i = (size_t)(comma - text.ptr);
        size_t len = key_at(from(text, i + 1), key);
        if (len > 0) {
            *comma_out = i;
            *value_out = i + 1 + len;
            return true;
        }
    }
    return false;
}

static const char *const keys[] = {"Status", "Workflow", "SessionID", "TaskID"};
enum { KEYS = sizeof keys / sizeof keys[0] };

/* The nearest key of those that were not met yet (a bit each), KEYS when there is none. */
static unsigned nearest_key(struct oxp_view text, unsigned met, size_t *comma_out, size_t *value_out) {
    unsigned found = KEYS;
    size_t comma, value;
    for (unsigned key = 0; key < KEYS; key++) {
        if ((met >> key & 1) == 0 && find_key(text, keys[key], &comma, &value) &&
            (found == KEYS || comma < *comma_out)) {
            found = key;
            *comma_out = comma;
            *value_out = value;
        }
    }
    return found;
}

bool oxp_audit_body(struct oxp_view text, struct oxp_audit_record *record) {
    struct oxp_view *const values[KEYS] = {&record->status, &record->workflow, &record->session, &record->task};
    struct oxp_view *open = &record->action; /* the value that is being collected */
    text = oxp_audit_trim(text);
    text = from(text, key_at(text, "Action"));
    /* Details first: what stands in it are no keys. */
    size_t comma, value;
    if (find_key(text, "Details", &comma, &value)) {
        record->details = oxp_audit_or_none(from(text, value));
        text.len = comma;
    }
    /* In their order; in another one too, as some line will have it. */
    for (unsigned met = 0, key; (key = nearest_key(text, met, &comma, &value)) < KEYS; met |= 1U << key) {
        *open = oxp_audit_or_none(oxp_view_of(text.ptr, comma));
        text = from(text, value);
        open = values[key];
    }
    *open = oxp_audit_or_none(text);
    record->is_audit = record->action.len > 0;
    return record->is_audit;
}

static bool is_id_char(char c) {
    return is_word(c) || c == '-' || c == '.' || (unsigned char)c >= 0x80;
}

struct oxp_view oxp_audit_value_of(struct oxp_view text, const char *name) {
    size_t name_len = strlen(name);
    for (size_t i = 0; i + name_len < text.len; i++) {
        if (lower(text.ptr[i]) != name[0] || (i > 0 && is_word(text.ptr[i - 1]))) {
            continue;
        }
        size_t k = 1;
        while (k < name_len && lower(text.ptr[i + k]) == name[k]) {
            k++;
        }
        if (k < name_len) {
            continue;
        }
        size_t at = i + name_len;
        at += stands(text, at, '"') || stands(text, at, '\'') ? 1 : 0;
        at += stands(text, at, ' ') ? 1 : 0;
        if (!stands(text, at, ':') && !stands(text, at, '=')) {
            continue;
        }
        at++;
        at += stands(text, at, ' ') ? 1 : 0;
        at += stands(text, at, '"') || stands(text, at, '\'') ? 1 : 0;
        size_t end = at;
        while (end < text.len && is_id_char(text.ptr[end])) {
            end++;
        }
        struct oxp_view value = oxp_audit_or_none(oxp_view_of(text.ptr + at, end - at));
        if (value.len > 0) {
            return value;
        }
    }
    return oxp_view_of(NULL, 0);
}
