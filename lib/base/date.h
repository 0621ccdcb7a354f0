/* Dates of the wire, read: RFC 3339 and HTTP's three forms. Pure; no locale, no time zone of the machine. */
#ifndef OXP_BASE_DATE_H
#define OXP_BASE_DATE_H

#include <oxpecker/view.h>
#include <stdbool.h>
#include <stdint.h>

/* RFC 3339, section 5.6, as Go reads it: "2026-11-22T04:26:00.123Z", an offset instead of Z, a comma instead of the
 * point; capital T and Z; no leap second. Unix milliseconds, finer digits cut. False: it is something else, or names a
 * day that does not exist. */
bool oxp_date_rfc3339(struct oxp_view text, int64_t *ms_out);
/* RFC 9110, section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT" (the year that is less
 * than 50 years after `now_ms`) and "Sun Nov  6 08:49:37 1994". Unix milliseconds. The name of the day is not held
 * against the date. */
bool oxp_date_http(struct oxp_view text, int64_t now_ms, int64_t *ms_out);

#endif
