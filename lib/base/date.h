/* Dates as RFC 3339 writes them, read. Pure; no locale, no time zone of the machine. HTTP's dates: lib/resilience's
 * oxp_http_date_parse. */
#ifndef OXP_BASE_DATE_H
#define OXP_BASE_DATE_H

#include <oxpecker/view.h>
#include <stdbool.h>
#include <stdint.h>

/* RFC 3339, section 5.6, as Go reads it: "2026-11-22T04:26:00.123Z", an offset instead of Z, a comma instead of the
 * point; capital T and Z; no leap second. Unix milliseconds, finer digits cut. False: it is something else, or names a
 * day that does not exist. */
bool oxp_date_rfc3339(struct oxp_view text, int64_t *ms_out);

#endif
