/* The tables of the outbox, and how older ones become them. Not for other folders. */
#ifndef OXP_OUTBOX_SCHEMA_H
#define OXP_OUTBOX_SCHEMA_H

#include "alerts/outbox/db.h"

#define OXP_SCHEMA_VERSION 1

/* Brings the database up to OXP_SCHEMA_VERSION in one transaction. `*new_out` says whether it was empty. Ids begin
 * above `above_id` in a new one. OXP_ERR_UNSUPPORTED when a newer version made it. */
enum oxp_status oxp_schema_upgrade(struct oxp_db *db, int64_t above_id, bool *new_out, struct oxp_error *error);
/* OXP_OK when it has this version. OXP_ERR_UNSUPPORTED for a newer one, and for an older one that is still to be
 * brought up to date; OXP_ERR_NOT_FOUND for an empty file. */
enum oxp_status oxp_schema_check(struct oxp_db *db, struct oxp_error *error);

#endif
