/* Durations as Prometheus writes them: "1h30m". Whole milliseconds; at most 2^63 - 1 ns, as there. */
#include <math.h>

#include "alerts/promql/lexer.h"
#include "alerts/promql/parse.h"
#include "lib/base/ascii.h"

#define DURATION_MAX_MS INT64_C(9223372036854)
#define DURATION_MAX_SECONDS 9223372036.854775808 /* 2^63 ns */

static const struct unit {
    char name[3];
    uint64_t ms;
    bool whole; /* printed only when nothing smaller is left: 90d reads better than 12w6d */
} units[] = {
    /* a duration names them in this order */
    {"y", UINT64_C(31536000000), true},
    {"w", 604800000, true},
    {"d", 86400000, false},
    {"h", 3600000, false},
    {"m", 60000, false},
    {"s", 1000, false},
    {"ms", 1, false},
};

#define UNITS (sizeof units / sizeof units[0])

/* Takes bytes off the front of `text` while they are digits, or while they are not. */
static struct oxp_view take(struct oxp_view *text, bool digits) {
    struct oxp_view taken = {text->ptr, 0};
    while (taken.len < text->len && oxp_is_digit(text->ptr[taken.len]) == digits) {
        taken.len++;
    }
    *text = oxp_view_of(text->ptr + taken.len, text->len - taken.len);
    return taken;
}

/* `digits` as a number; false when there are none or they pass 64 bits. */
static bool read_count(struct oxp_view digits, uint64_t *count_out) {
    uint64_t count = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (__builtin_mul_overflow(count, 10, &count) ||
            __builtin_add_overflow(count, (uint64_t)(digits.ptr[i] - '0'), &count)) {
            return false;
        }
    }
    *count_out = count;
    return digits.len != 0;
}

enum oxp_status oxp_duration_read(struct oxp_view text, int64_t *ms_out, struct oxp_error *error) {
    static const char invalid[] = "not a valid duration string: %s";
    struct oxp_view rest = text;
    uint64_t total = 0;
    if (text.len == 0) {
        return oxp_error_set(error, OXP_ERR_SYNTAX, 0, 0, "empty duration string");
    }
    if (oxp_view_is(text, "0")) { /* the only one without a unit */
        *ms_out = 0;
        return OXP_OK;
    }
    for (size_t next = 0; rest.len != 0;) {
        uint64_t count = 0;
        struct oxp_view digits = take(&rest, true);
        struct oxp_view name = take(&rest, false);
        if (!read_count(digits, &count) || name.len == 0) {
            return oxp_error_set(error, OXP_ERR_SYNTAX, 0, 0, invalid, OXP_QUOTED(text));
        }
        size_t unit = 0;
        while (unit < UNITS && !oxp_view_is(name, units[unit].name)) {
            unit++;
        }
        if (unit == UNITS) {
            return oxp_error_set(error, OXP_ERR_SYNTAX, 0, 0, "unknown unit %s in duration %s", OXP_QUOTED(name),
                                 OXP_QUOTED(text));
        }
        if (unit < next) { /* from big to small, each once */
            return oxp_error_set(error, OXP_ERR_SYNTAX, 0, 0, invalid, OXP_QUOTED(text));
        }
        next = unit + 1;
        if (count > (uint64_t)DURATION_MAX_MS / units[unit].ms ||
            (total += count * units[unit].ms) > (uint64_t)DURATION_MAX_MS) {
            return oxp_error_set(error, OXP_ERR_RANGE, 0, 0, "duration out of range");
        }
    }
    *ms_out = (int64_t)total;
    return OXP_OK;
}

enum oxp_status oxp_promql_parse_duration(struct oxp_view text, int64_t *ms_out) {
    return oxp_duration_read(text, ms_out, NULL);
}

void oxp_promql_print_duration(struct oxp_buf *out, int64_t ms) {
    uint64_t left = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
    if (left == 0) {
        oxp_buf_append_text(out, "0s");
        return;
    }
    if (ms < 0) {
        oxp_buf_append_char(out, '-');
    }
    for (size_t i = 0; i < UNITS; i++) {
        uint64_t count = left / units[i].ms;
        if (count == 0 || (units[i].whole && left % units[i].ms != 0)) {
            continue;
        }
        oxp_buf_append_u64(out, count);
        oxp_buf_append_text(out, units[i].name);
        left -= count * units[i].ms;
    }
}

enum oxp_status oxp_duration_from_seconds(double seconds, int64_t *ms_out) {
    if (!(seconds <= DURATION_MAX_SECONDS && seconds >= -DURATION_MAX_SECONDS)) {
        return OXP_ERR_RANGE;
    }
    double ns = round(seconds * 1e9);
    if (ns >= 9223372036854775808.0 || ns <= -9223372036854775808.0) {
        *ms_out = ns > 0 ? DURATION_MAX_MS : -DURATION_MAX_MS;
    } else {
        *ms_out = (int64_t)ns / 1000000;
    }
    return OXP_OK;
}

double oxp_duration_seconds(int64_t ms) {
    int64_t whole = ms / 1000;
    return (double)whole + (double)(ms % 1000 * 1000000) / 1e9;
}
