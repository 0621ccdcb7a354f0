/* Ids of W3C Trace Context. Pure. */
#ifndef OXP_TRACE_IDS_H
#define OXP_TRACE_IDS_H

#include <oxpecker/view.h>

#define OXP_TRACE_ID_DIGITS 32
#define OXP_SPAN_ID_DIGITS 16

/* True for exactly `digits` lower-case hex digits that are not all zero (sections 3.2.2.3 and 3.2.2.4). */
bool oxp_trace_id_is_valid(struct oxp_view id, size_t digits);

#endif
