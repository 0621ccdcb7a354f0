/* Messages of the outbox as JSON: the same in the API's answers and in what `oxpecker outbox` prints. Pure. */
#ifndef OXP_API_MESSAGE_JSON_H
#define OXP_API_MESSAGE_JSON_H

#include "alerts/outbox/outbox.h"
#include "lib/json/json.h"

/* A message without its content, for the caller to free. `*status` becomes OXP_ERR_NOMEM when something is missing for
 * want of memory, else it stays. */
struct oxp_json *oxp_message_json(const struct oxp_outbox_message *message, enum oxp_status *status);
/* A time in unix milliseconds as unix seconds; null for 0, which is never. */
struct oxp_json *oxp_message_time(int64_t ms);

#endif
