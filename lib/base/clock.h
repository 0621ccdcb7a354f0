/* Time is handed in. Monotonic and wall time are different types; both count nanoseconds.
 *
 * Code that needs the time takes a `const struct oxp_clock *`. The system clock is one; tests make another with
 * oxp_clock_manual and move it by hand. */
#ifndef OXP_BASE_CLOCK_H
#define OXP_BASE_CLOCK_H

#include <stdint.h>

#define OXP_NS_PER_S INT64_C(1000000000)
#define OXP_NS_PER_MS INT64_C(1000000)

struct oxp_mono {
    int64_t ns; /* since an unknown start; never goes back */
};

struct oxp_wall {
    int64_t ns; /* since 1970-01-01T00:00:00Z; may jump */
};

struct oxp_clock {
    struct oxp_mono (*mono)(const struct oxp_clock *clock);
    struct oxp_wall (*wall)(const struct oxp_clock *clock);
};

/* The system's clocks (CLOCK_MONOTONIC, CLOCK_REALTIME). Any thread. */
const struct oxp_clock *oxp_clock_system(void);

/* The system's clocks in seconds: unix time, and since an unknown start. They have the shape of the callbacks that
 * options take for a time, and look at no context. Any thread. */
double oxp_clock_wall_s(void *ctx);
double oxp_clock_mono_s(void *ctx);

static inline struct oxp_mono oxp_clock_mono(const struct oxp_clock *clock) {
    return clock->mono(clock);
}

static inline struct oxp_wall oxp_clock_wall(const struct oxp_clock *clock) {
    return clock->wall(clock);
}

/* A clock that moves only when told to. Owned by one thread. Pass &manual->clock. */
struct oxp_clock_manual {
    struct oxp_clock clock;
    struct oxp_mono mono_now;
    struct oxp_wall wall_now;
};

void oxp_clock_manual_init(struct oxp_clock_manual *manual, double wall_s);
/* Moves both clocks forward. */
void oxp_clock_manual_advance(struct oxp_clock_manual *manual, double seconds);

static inline double oxp_wall_seconds(struct oxp_wall wall) {
    int64_t whole = wall.ns / OXP_NS_PER_S, rest = wall.ns % OXP_NS_PER_S; /* apart, so that it is rounded once */
    return (double)whole + (double)rest / 1e9;
}

struct oxp_wall oxp_wall_from_seconds(double seconds);

/* RFC 3339 in UTC with milliseconds ("2026-11-22T04:26:00.123Z"), always 24 bytes and a NUL; years 0 to 9999. */
void oxp_wall_format(struct oxp_wall wall, char out[25]);

#endif
