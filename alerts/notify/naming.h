/* What the queue of a webhook is called. Private to this folder. */
#ifndef OXP_NOTIFY_NAMING_H
#define OXP_NOTIFY_NAMING_H

#include "alerts/notify/settings.h"
#include "lib/yaml/fields.h"

/* Names the queues of a receiver whose webhooks were read from the items of `list`: "RECEIVER/webhook/NAME", and
 * without a name "RECEIVER/webhook/PLACE-HASH": the host (of url_file: the file), and 32 bits of a checksum of the
 * whole address but for user and password, so that a token in a path tells two apart and is not shown. The same address
 * twice:
 * "-2" behind it, and so on. None of it says where in the list it stands, so an edited list moves no messages to
 * another. Two of the same name are a fault. */
void oxp_webhooks_name(struct oxp_fields *fields, const struct oxp_yaml_node *list, struct oxp_receiver *receiver);
/* What such a name may be: a letter, then letters, digits, `_`, `-`, `.`; at most 63. */
bool oxp_webhook_name_is_good(const char *name);

#endif
