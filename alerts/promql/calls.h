/* The implementations behind functions.def, and what several of them share. Not for users: they have functions.h. */
#ifndef OXP_PROMQL_CALLS_H
#define OXP_PROMQL_CALLS_H

#include "alerts/promql/functions.h"

/* oxp_call_rate, oxp_call_abs, …: one for each row that has one. */
#define RANGE(name, args, flags, function, check, help) oxp_range_fn oxp_call_##function;
#define MATH(name, args, function, help) oxp_math_fn oxp_call_##function;
#define DATE(name, function, help) oxp_math_fn oxp_call_##function;
#define SPECIAL(name, args, flags, function, help) oxp_special_fn oxp_call_##function;
#define ENGINE(name, type, args, help)
#define REFUSED(name, type, args, reason, help)
#include "alerts/promql/functions.def"
#undef RANGE
#undef MATH
#undef DATE
#undef SPECIAL
#undef ENGINE
#undef REFUSED

/* Ends a SPECIAL function: columns without values go, names too when `drop_names`, and columns whose labels became
 * equal are joined. Fails the query when they cannot be, in Prometheus' words. */
enum oxp_status oxp_call_finish(struct oxp_call *call, struct oxp_vector *vector, bool drop_names);

/* A moment in the proleptic Gregorian calendar, UTC. */
struct oxp_civil {
    int64_t year;             /* 0 is 1 BC */
    int month, day;           /* from 1 */
    int day_of_year;          /* from 1 */
    int weekday;              /* 0 = Sunday */
    int hour, minute, second; /* no leap seconds */
    int days_in_month;
};
/* Of unix seconds, all of them. */
struct oxp_civil oxp_civil_of(int64_t seconds);

#endif
