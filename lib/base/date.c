#include "lib/base/date.h"

#include <string.h>
#include <time.h>

/* ---- Pieces; each moves over what it took ---- */

static bool take_digits(struct oxp_view *text, size_t count, int *value_out) {
    int value = 0;
    if (text->len < count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (text->ptr[i] < '0' || text->ptr[i] > '9') {
            return false;
        }
        value = value * 10 + (text->ptr[i] - '0');
    }
    *text = oxp_view_of(text->ptr + count, text->len - count);
    *value_out = value;
    return true;
}

static bool take(struct oxp_view *text, const char *what) {
    size_t len = strlen(what);
    if (text->len < len || memcmp(text->ptr, what, len) != 0) {
        return false;
    }
    *text = oxp_view_of(text->ptr + len, text->len - len);
    return true;
}

/* Hours, minutes and seconds with colons between. */
static bool take_clock(struct oxp_view *text, struct tm *date) {
    return take_digits(text, 2, &date->tm_hour) && take(text, ":") && take_digits(text, 2, &date->tm_min) &&
           take(text, ":") && take_digits(text, 2, &date->tm_sec) && date->tm_hour <= 23 && date->tm_min <= 59 &&
           date->tm_sec <= 59;
}

/* Seconds since 1970 of a date in UTC: `tm_year` is the year itself, `tm_mon` counts from 0. */
static bool seconds_of(struct tm date, int64_t *seconds_out) {
    int day = date.tm_mday, month = date.tm_mon;
    date.tm_year -= 1900;
    if (day < 1 || month < 0 || month > 11) {
        return false;
    }
    *seconds_out = timegm(&date);
    return date.tm_mday == day && date.tm_mon == month; /* else there is no such day, and it was moved on */
}

/* ".781" as milliseconds. */
static bool take_fraction(struct oxp_view *text, int *ms_out) {
    int ms = 0, digit = 0, weight = 100;
    *ms_out = 0;
    if (!take(text, ".") && !take(text, ",")) {
        return true;
    }
    if (!take_digits(text, 1, &digit)) {
        return false;
    }
    do {
        ms += digit * weight;
        weight /= 10;
    } while (take_digits(text, 1, &digit));
    *ms_out = ms;
    return true;
}

static bool take_offset(struct oxp_view *text, int *minutes_out) {
    int sign = 1, hours = 0, minutes = 0;
    *minutes_out = 0;
    if (take(text, "Z")) {
        return true;
    }
    if (take(text, "-")) {
        sign = -1;
    } else if (!take(text, "+")) {
        return false;
    }
    if (!take_digits(text, 2, &hours) || !take(text, ":") || !take_digits(text, 2, &minutes) || hours > 24 ||
        minutes > 59) {
        return false;
    }
    *minutes_out = sign * (hours * 60 + minutes);
    return true;
}

bool oxp_date_rfc3339(struct oxp_view text, int64_t *ms_out) {
    struct tm date = {0};
    int ms = 0, offset_min = 0;
    int64_t seconds;
    if (!take_digits(&text, 4, &date.tm_year) || !take(&text, "-") || !take_digits(&text, 2, &date.tm_mon) ||
        !take(&text, "-") || !take_digits(&text, 2, &date.tm_mday) || !take(&text, "T") || !take_clock(&text, &date) ||
        !take_fraction(&text, &ms) || !take_offset(&text, &offset_min) || text.len != 0) {
        return false;
    }
    date.tm_mon -= 1;
    if (!seconds_of(date, &seconds)) {
        return false;
    }
    *ms_out = (seconds - (int64_t)offset_min * 60) * 1000 + ms;
    return true;
}
