#include "exporter/provider/answer.h"

#include <math.h>

#include "lib/base/cursor.h"

/* Exactly `digits` decimal digits, or -1. */
static int take_number(struct oxp_cursor *cursor, int digits) {
    int value = 0;
    for (int i = 0; i < digits; i++) {
        int c = oxp_cursor_peek(cursor);
        if (c < '0' || c > '9') {
            return -1;
        }
        value = value * 10 + (c - '0');
        oxp_cursor_next(cursor);
    }
    return value;
}

static bool is_leap(int year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to a date of 1970 to 9999; -1 when there is no such date. */
static int64_t days_to(int year, int month, int day) {
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    if (year < 1970 || month < 1 || month > 12 || day < 1) {
        return -1;
    }
    int length = before[month] - before[month - 1] + (month == 2 && is_leap(year));
    if (day > length) {
        return -1;
    }
    int whole = year - 1; /* whole years since the year 1; 719162 days lie between then and 1970 */
    int64_t days = (int64_t)whole * 365 + whole / 4 - whole / 100 + whole / 400 - 719162;
    return days + before[month - 1] + (month > 2 && is_leap(year)) + day - 1;
}

/* ".123" as 0.123; 0 without a fraction; NaN for a point without digits. */
static double take_fraction(struct oxp_cursor *cursor) {
    if (!oxp_cursor_take_char(cursor, '.')) {
        return 0;
    }
    double value = 0, scale = 1;
    int digits = 0;
    for (int c = oxp_cursor_peek(cursor); c >= '0' && c <= '9'; c = oxp_cursor_peek(cursor)) {
        if (digits++ < 9) {
            value = value * 10 + (c - '0');
            scale *= 10;
        }
        oxp_cursor_next(cursor);
    }
    return digits == 0 ? NAN : value / scale;
}

/* Seconds that the zone is ahead of UTC; NaN when it is none. */
static double take_zone(struct oxp_cursor *cursor) {
    int sign = oxp_cursor_next(cursor);
    if (sign == 'Z' || sign == 'z') {
        return 0;
    }
    int hours = take_number(cursor, 2);
    bool colon = oxp_cursor_take_char(cursor, ':');
    int minutes = take_number(cursor, 2);
    if ((sign != '+' && sign != '-') || !colon || hours < 0 || hours > 23 || minutes < 0 || minutes > 59) {
        return NAN;
    }
    return (sign == '+' ? 1 : -1) * (hours * 3600.0 + minutes * 60.0);
}

double oxp_provider_time_read(struct oxp_view text) {
    struct oxp_cursor cursor = oxp_cursor_over(text);
    static const struct {
        int digits;
        const char *behind; /* any one of these bytes, or none */
        int least, most;
    } parts[] = {{4, "-", 1970, 9999}, {2, "-", 1, 12}, {2, "Tt ", 1, 31},
                 {2, ":", 0, 23},      {2, ":", 0, 59}, {2, "", 0, 60}};
    int values[6];
    for (size_t i = 0; i < 6; i++) {
        values[i] = take_number(&cursor, parts[i].digits);
        if (values[i] < parts[i].least || values[i] > parts[i].most) {
            return NAN;
        }
        if (parts[i].behind[0] != '\0') {
            int c = oxp_cursor_next(&cursor);
            if (c <= 0 || strchr(parts[i].behind, c) == NULL) {
                return NAN;
            }
        }
    }
    int64_t days = days_to(values[0], values[1], values[2]);
    double fraction = take_fraction(&cursor), zone = take_zone(&cursor);
    if (days < 0 || !oxp_cursor_at_end(&cursor)) {
        return NAN;
    }
    int64_t whole = days * 86400 + INT64_C(3600) * values[3] + INT64_C(60) * values[4] + values[5];
    return (double)whole - zone + fraction; /* NaN when either is */
}
