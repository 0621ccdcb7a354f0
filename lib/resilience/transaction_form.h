/* A transaction as it is stored: text, so that a person can read what a crash left behind.
 *
 *     oxpecker-transaction 1 <CRC-32C of what follows, 8 hex digits>\n
 *     id <name> <bytes>\n<value>\n            for each id that is known: workflow, run, session, task, trace_id
 *     step <kind> <bytes>\n<data>\n           oldest first
 *
 * Pure. */
#ifndef OXP_RESILIENCE_TRANSACTION_FORM_H
#define OXP_RESILIENCE_TRANSACTION_FORM_H

#include "lib/base/buf.h"
#include <oxpecker/transaction.h>

#define OXP_TRANSACTION_KIND_MAX 64 /* bytes */
#define OXP_TRANSACTION_BYTES_MAX (OXP_TRANSACTION_STEPS_MAX * (OXP_TRANSACTION_DATA_MAX + 128) + 4096)

struct oxp_step {
    struct oxp_view kind, data;
};

void oxp_transaction_write(struct oxp_buf *buf, const struct oxp_ids *ids, const struct oxp_step *steps, size_t count);
/* The views are into `text`. OXP_ERR_CORRUPT with the reason in `error` (may be NULL). `steps` has room for
 * OXP_TRANSACTION_STEPS_MAX. */
enum oxp_status oxp_transaction_read(struct oxp_view text, struct oxp_ids *ids_out, struct oxp_step *steps,
                                     size_t *count_out, struct oxp_error *error);

#endif
