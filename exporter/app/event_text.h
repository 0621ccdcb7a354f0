/* An event's line from the words of a command: TYPE key=value… */
#ifndef OXP_APP_EVENT_TEXT_H
#define OXP_APP_EVENT_TEXT_H

#include "lib/base/buf.h"

/* Appends one JSON object without newline. argv[0] is the type; each further word is name=value, where the name is a
 * field of the event table ("session", "tokens.input") or "attrs.NAME" or "labels.NAME". A value's JSON type is the
 * field's. `now_s` becomes `ts` unless it is given. OXP_ERR_INVALID or OXP_ERR_NOMEM with a sentence in `error`. What
 * only the parser checks (limits, ranges, words that stand twice, needed fields) passes here. */
enum oxp_status oxp_event_text_build(int argc, char *const *argv, double now_s, struct oxp_buf *line,
                                     struct oxp_error *error);

#endif
