#include "lib/resilience/backoff.h"

#include <math.h>

#include "lib/base/ascii.h"
#include "lib/base/number.h"
#include <oxpecker/retry.h>

#define DAY_S 86400

double oxp_policy_delay(const struct oxp_policy *policy, unsigned n, double hint_s, double random) {
    if (policy->heeds_hint && isfinite(hint_s) && hint_s > 0) {
        return hint_s; /* no jitter: earlier than the server asked is what it does not want */
    }
    double delay = policy->first_delay_s * pow(policy->factor, n > 1 ? (double)(n - 1) : 0);
    delay = fmin(delay, policy->max_delay_s);
    return delay - delay * policy->jitter * random;
}

/* ---- HTTP-date ---- */

/* The form of a date: 'w' a word of letters, 'm' month, 'd' day of two digits, 'e' of one behind a blank or of two, 'y'
 * year of four digits, 'z' of two, 't' time; the rest stands for itself. */
static const char *const forms[] = {
    "w, d m y t GMT", /* IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT */
    "w, d-m-z t GMT", /* RFC 850:     Sunday, 06-Nov-94 08:49:37 GMT */
    "w m e t y",      /* asctime:     Sun Nov  6 08:49:37 1994 */
};

struct date {
    int64_t year;
    int month, day, hour, minute, second; /* month from 1 */
    bool short_year;
};

static bool digits(struct oxp_view *rest, size_t count, int *value_out) {
    uint64_t value;
    if (rest->len < count || oxp_number_parse_u64(oxp_view_of(rest->ptr, count), &value) != OXP_OK) {
        return false;
    }
    *value_out = (int)value;
    *rest = oxp_view_of(rest->ptr + count, rest->len - count);
    return true;
}

static bool letter(struct oxp_view *rest, char expected) {
    if (rest->len == 0 || rest->ptr[0] != expected) {
        return false;
    }
    *rest = oxp_view_of(rest->ptr + 1, rest->len - 1);
    return true;
}

static bool month(struct oxp_view *rest, int *month_out) {
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12 && rest->len >= 3; i++) {
        if (memcmp(rest->ptr, names + (ptrdiff_t)3 * i, 3) == 0) {
            *month_out = i + 1;
            *rest = oxp_view_of(rest->ptr + 3, rest->len - 3);
            return true;
        }
    }
    return false;
}

static bool word(struct oxp_view *rest) {
    size_t len = 0;
    while (len < rest->len && ((rest->ptr[len] | 32) >= 'a' && (rest->ptr[len] | 32) <= 'z')) {
        len++;
    }
    *rest = oxp_view_of(rest->ptr + len, rest->len - len);
    return len >= 3 && len <= 9;
}

static bool time_of_day(struct oxp_view *rest, struct date *date) {
    return digits(rest, 2, &date->hour) && letter(rest, ':') && digits(rest, 2, &date->minute) && letter(rest, ':') &&
           digits(rest, 2, &date->second);
}

static bool read_part(char part, struct oxp_view *rest, struct date *date) {
    int year = 0;
    switch (part) {
    case 'w':
        return word(rest);
    case 'd':
        return digits(rest, 2, &date->day);
    case 'e':
        return letter(rest, ' ') ? digits(rest, 1, &date->day) : digits(rest, 2, &date->day);
    case 'm':
        return month(rest, &date->month);
    case 't':
        return time_of_day(rest, date);
    case 'y':
    case 'z':
        if (!digits(rest, part == 'y' ? 4 : 2, &year)) {
            return false;
        }
        date->year = year;
        date->short_year = part == 'z';
        return true;
    default:
        return letter(rest, part);
    }
}

/* Days from 1970-01-01 in the Gregorian calendar: the year begins in March, so that the leap day is its last. */
static int64_t days_of(int64_t year, int month_number, int day) {
    int64_t y = month_number > 2 ? year : year - 1;
    int64_t m = month_number > 2 ? month_number - 3 : month_number + 9;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool possible(const struct date *date) {
    static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (date->year % 4 == 0 && date->year % 100 != 0) || date->year % 400 == 0;
    int length = date->month == 2 && !leap ? 28 : lengths[date->month - 1];
    return date->year >= 1 && date->day >= 1 && date->day <= length && date->hour <= 23 && date->minute <= 59 &&
           date->second <= 60; /* a leap second */
}

static int64_t unix_of(const struct date *date) {
    return days_of(date->year, date->month, date->day) * DAY_S + (int64_t)date->hour * 3600 +
           (int64_t)date->minute * 60 + date->second;
}

/* RFC 9110: two digits that would be more than 50 years ahead are the past century's. */
static void lengthen_year(struct date *date, double wall_s) {
    int64_t this_year = 1970 + (int64_t)(wall_s / (365.2425 * DAY_S));
    date->year += this_year - this_year % 100;
    if (date->year > this_year + 50) {
        date->year -= 100;
    } else if (date->year <= this_year - 50) {
        date->year += 100;
    }
}

bool oxp_http_date_parse(struct oxp_view text, double wall_s, int64_t *unix_s_out) {
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct oxp_view rest = text;
        struct date date = {0};
        const char *part = forms[i];
        while (*part != '\0' && read_part(*part, &rest, &date)) {
            part++;
        }
        if (*part != '\0' || rest.len != 0) {
            continue;
        }
        if (date.short_year) {
            lengthen_year(&date, wall_s);
        }
        if (!possible(&date)) {
            return false;
        }
        *unix_s_out = unix_of(&date);
        return true;
    }
    return false;
}

/* ---- Hints ---- */

static bool accept(double seconds, double *hint_s_out) {
    if (!(seconds > 0)) {
        return false;
    }
    *hint_s_out = fmin(seconds, DAY_S);
    return true;
}

bool oxp_hint_parse(struct oxp_view retry_after_ms, struct oxp_view retry_after, double wall_s, double *hint_s_out) {
    double number;
    enum oxp_status status = oxp_number_parse_json(oxp_ascii_trim(retry_after_ms, " \t"), &number);
    if (status == OXP_OK && accept(number / 1000, hint_s_out)) {
        return true;
    }
    struct oxp_view text = oxp_ascii_trim(retry_after, " \t");
    if (oxp_number_parse_json(text, &number) == OXP_OK) { /* fractions are not RFC 9110's, but SDKs take them */
        return accept(number, hint_s_out);
    }
    int64_t date;
    return oxp_http_date_parse(text, wall_s, &date) && accept((double)date - wall_s, hint_s_out);
}
