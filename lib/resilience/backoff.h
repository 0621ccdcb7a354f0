/* When to try again, inside this folder: the date that a server names (RFC 9110 section 5.6.7). Pure; any thread. */
#ifndef OXP_RESILIENCE_BACKOFF_H
#define OXP_RESILIENCE_BACKOFF_H

#include <oxpecker/view.h>

#include <stdint.h>

/* Reads a whole HTTP-date in any of its three forms: IMF-fixdate, RFC 850 (its two digits of the year are the nearest
 * to `wall_s` that is at most 50 years ahead), asctime. Gives unix seconds. False for anything else, an impossible day
 * or time included; the name of the day is not held against the date. */
bool oxp_http_date_parse(struct oxp_view text, double wall_s, int64_t *unix_s_out);

#endif
