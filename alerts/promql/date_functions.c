/* Parts of a date, in UTC and the proleptic Gregorian calendar, of unix times.
 *
 * Every whole second that fits into 64 bits has a date. What has none (NaN, infinities, times beyond) gives NaN; there
 * Prometheus gives what its processor makes of the conversion. Fractions of a second are cut off toward zero, as there.
 */
#include <math.h>

#include "alerts/promql/calls.h"

/* 400 years have the same number of days wherever they begin. Counted from the first of January 2000, 10957 days after
 * the epoch, the first year of such an era and every 4th is a leap year, but for the 100th, 200th and 300th. */
enum { DAYS_IN_ERA = 146097, YEARS_IN_ERA = 400, ERA_START = 10957, EPOCH_WEEKDAY = 4 };
#define DAY_SECONDS INT64_C(86400)

/* Division and remainder toward minus infinity. */
static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}
static int64_t floor_mod(int64_t a, int64_t b) {
    return a % b + (a % b < 0 ? b : 0);
}

static bool is_leap(int64_t year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days of an era before its year `year`, from 0. */
static int days_before(int year) {
    return year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
}

/* Days of a year before each month, and of the year. */
static const int month_start[2][13] = {
    {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365},
    {0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366},
};

struct oxp_civil oxp_civil_of(int64_t unix_seconds) {
    struct oxp_civil civil;
    int64_t days = floor_div(unix_seconds, DAY_SECONDS), rest = floor_mod(unix_seconds, DAY_SECONDS);
    civil.hour = (int)(rest / 3600);
    civil.minute = (int)(rest / 60 % 60);
    civil.second = (int)(rest % 60);
    civil.weekday = (int)floor_mod(days + EPOCH_WEEKDAY, 7);
    int64_t since = days - ERA_START;
    int day = (int)floor_mod(since, DAYS_IN_ERA);
    int year = day / 366; /* the right one or one too early */
    while (day >= days_before(year + 1)) {
        year++;
    }
    day -= days_before(year);
    civil.year = 2000 + floor_div(since, DAYS_IN_ERA) * YEARS_IN_ERA + year;
    const int *starts = month_start[is_leap(civil.year)];
    civil.day_of_year = day + 1;
    civil.month = 1;
    while (day >= starts[civil.month]) {
        civil.month++;
    }
    civil.day = day - starts[civil.month - 1] + 1;
    civil.days_in_month = starts[civil.month] - starts[civil.month - 1];
    return civil;
}

/* One part of the date of `time`, as an expression of `civil`. */
#define PART(name, expression)                                                                                         \
    double oxp_call_##name(double time, const double *args) {                                                          \
        (void)args;                                                                                                    \
        if (!(time >= -0x1p63 && time < 0x1p63)) {                                                                     \
            return NAN;                                                                                                \
        }                                                                                                              \
        struct oxp_civil civil = oxp_civil_of((int64_t)time);                                                          \
        return (double)(expression);                                                                                   \
    }

PART(minute, civil.minute)
PART(hour, civil.hour)
PART(day_of_week, civil.weekday)
PART(day_of_month, civil.day)
PART(day_of_year, civil.day_of_year)
PART(days_in_month, civil.days_in_month)
PART(month, civil.month)
PART(year, civil.year)
