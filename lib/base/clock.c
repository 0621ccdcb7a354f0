#include "lib/base/clock.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * OXP_NS_PER_S + now.tv_nsec;
}

static struct oxp_mono system_mono(const struct oxp_clock *clock) {
    (void)clock;
    return (struct oxp_mono){read_clock(CLOCK_MONOTONIC)};
}

static struct oxp_wall system_wall(const struct oxp_clock *clock) {
    (void)clock;
    return (struct oxp_wall){read_clock(CLOCK_REALTIME)};
}

const struct oxp_clock *oxp_clock_system(void) {
    static const struct oxp_clock clock = {system_mono, system_wall};
    return &clock;
}

double oxp_clock_wall_s(void *ctx) {
    (void)ctx;
    return oxp_wall_seconds(oxp_clock_wall(oxp_clock_system()));
}

double oxp_clock_mono_s(void *ctx) {
    (void)ctx;
    return (double)oxp_clock_mono(oxp_clock_system()).ns / 1e9;
}

/* `clock` is the first member of its struct oxp_clock_manual. */
static struct oxp_mono manual_mono(const struct oxp_clock *clock) {
    return ((const struct oxp_clock_manual *)clock)->mono_now;
}

static struct oxp_wall manual_wall(const struct oxp_clock *clock) {
    return ((const struct oxp_clock_manual *)clock)->wall_now;
}

void oxp_clock_manual_init(struct oxp_clock_manual *manual, double wall_s) {
    *manual = (struct oxp_clock_manual){
        .clock = {manual_mono, manual_wall},
        .mono_now = {OXP_NS_PER_S},
        .wall_now = oxp_wall_from_seconds(wall_s),
    };
}

void oxp_clock_manual_advance(struct oxp_clock_manual *manual, double seconds) {
    int64_t ns = (int64_t)(seconds * 1e9);
    manual->mono_now.ns += ns;
    manual->wall_now.ns += ns;
}

struct oxp_wall oxp_wall_from_seconds(double seconds) {
    double whole = floor(seconds);
    return (struct oxp_wall){(int64_t)whole * OXP_NS_PER_S + llround((seconds - whole) * 1e9)};
}

struct date {
    int64_t year;
    int month, day;
};

/* Days from 1 March of the year 0 to that of another (proleptic Gregorian calendar): a leap day is its year's last. */
static int64_t first_day_of(int64_t year) {
    return 365 * year + year / 4 - year / 100 + year / 400;
}

/* gmtime_r takes a lock of the C library, which in a forked child may never be free again. */
static struct date date_of(int64_t days_since_1970) {
    static const int first_day_of_month[] = {0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337}; /* from March */
    int64_t days = days_since_1970 + 719468, year = days * 400 / 146097;
    while (first_day_of(year) > days) {
        year--;
    }
    while (first_day_of(year + 1) <= days) {
        year++;
    }
    int rest = (int)(days - first_day_of(year)), month = 11;
    while (first_day_of_month[month] > rest) {
        month--;
    }
    return (struct date){year + (month >= 10), month >= 10 ? month - 9 : month + 3,
                         rest - first_day_of_month[month] + 1};
}

void oxp_wall_format(struct oxp_wall wall, char out[25]) {
    const int64_t most = INT64_C(253402300799); /* 9999-12-31T23:59:59Z */
    int64_t seconds = wall.ns / OXP_NS_PER_S, ns = wall.ns % OXP_NS_PER_S;
    if (ns < 0) {
        seconds--;
        ns += OXP_NS_PER_S;
    }
    seconds = seconds < 0 ? 0 : seconds > most ? most : seconds;
    struct date date = date_of(seconds / 86400);
    int second = (int)(seconds % 86400);
    char text[64];
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)date.year, date.month, date.day,
             second / 3600, second / 60 % 60, second % 60, (int)(ns / OXP_NS_PER_MS));
    snprintf(out, 25, "%.24s", text);
}
