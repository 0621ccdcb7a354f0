/* Secrets out of text and JSON on its way into a checkpoint. Pure. */
#ifndef OXP_CHECKPOINT_REDACT_H
#define OXP_CHECKPOINT_REDACT_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>

#include "lib/base/buf.h"

#define OXP_REDACT_DEPTH_MAX 60 /* of the host's JSON, so that lib/json reads the whole file back */

/* Appends `text` (UTF-8) as a JSON string, secrets replaced. Failures stick in `out`. */
void oxp_redact_text(struct oxp_buf *out, struct oxp_view text);
/* Appends the JSON value `json` as it stands, but for strings that hold a secret, values whose name says that they are
 * one (all but true, false and null; not those of `plain_names`, ended by NULL, may be NULL), and names that are one.
 * OXP_ERR_SYNTAX, OXP_ERR_NOMEM. */
enum oxp_status oxp_redact_json(struct oxp_buf *out, struct oxp_view json, const char *const *plain_names,
                                struct oxp_error *error);

#endif
