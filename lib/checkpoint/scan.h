/* Walking over JSON text without making a tree of it, so that what the host wrote is kept to the last digit. For text
 * that lib/json has found to be JSON; with any other it stays inside the text, and what it gives means nothing. Pure.
 */
#ifndef OXP_CHECKPOINT_SCAN_H
#define OXP_CHECKPOINT_SCAN_H

#include <oxpecker/view.h>

/* The first place from `pos` on that is not white space. */
size_t oxp_scan_space(struct oxp_view text, size_t pos);
/* The place behind the string whose opening quote is at `pos`. */
size_t oxp_scan_string(struct oxp_view text, size_t pos);
/* The place behind the value that begins at `pos`. */
size_t oxp_scan_value(struct oxp_view text, size_t pos);
/* The text of member `name` (which needs no escapes) of the object that begins at text.ptr[0]; empty when it has none.
 */
struct oxp_view oxp_scan_member(struct oxp_view object, struct oxp_view name);

#endif
