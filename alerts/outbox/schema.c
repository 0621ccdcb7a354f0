#include "alerts/outbox/schema.h"

#include <inttypes.h>
#include <stdio.h>

#define APPLICATION_ID 0x4f787062 /* "Oxpb", for file(1) and for people */
#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

/* Step n makes version n + 1 out of version n. A step that was released is never changed: another is added.
 *
 * Contents are apart from messages: a message changes its state four times, and a row is written whole each time. Ids
 * are never used twice (AUTOINCREMENT): "newer" is "greater id", also after the newest row was pruned.
 * `message_group` is unique: one waiting message for each receiver and group. Files of the time before the first
 * release are without the indices of what is set aside: they are right, and slower. */
static const char *const steps[] = {
    "CREATE TABLE message ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " receiver TEXT NOT NULL, integration TEXT NOT NULL, grp TEXT NOT NULL,"
    " priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 2),"
    " state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 5),"
    " since_ms INTEGER NOT NULL, made_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,"
    " tries INTEGER NOT NULL, changed_ms INTEGER NOT NULL, summary TEXT NOT NULL, answer TEXT NOT NULL,"
    " crc INTEGER NOT NULL);"
    "CREATE INDEX message_due ON message (receiver, priority, id, due_ms, expires_ms) WHERE state = 0;"
    "CREATE UNIQUE INDEX message_group ON message (receiver, grp) WHERE state = 0 AND grp <> '';"
    "CREATE INDEX message_made ON message (made_ms) WHERE state = 0;"
    "CREATE INDEX message_least ON message (priority DESC, id) WHERE state IN (0, 3);"
    "CREATE INDEX message_expires ON message (expires_ms) WHERE state IN (0, 3);"
    "CREATE INDEX message_aside ON message (priority DESC, id) WHERE state = 3;"
    "CREATE INDEX message_aside_group ON message (receiver, grp) WHERE state = 3 AND grp <> '';"
    "CREATE INDEX message_over ON message (state, changed_ms) WHERE state IN (2, 4, 5);"
    "CREATE TABLE content (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
    "CREATE TABLE ledger (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE note (id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, kind TEXT NOT NULL,"
    " text TEXT NOT NULL);"
    "PRAGMA application_id = " TEXT_OF(APPLICATION_ID) ";",
};
_Static_assert(sizeof steps / sizeof steps[0] == OXP_SCHEMA_VERSION, "one step for each version");

static enum oxp_status too_new(struct oxp_error *error, int64_t version) {
    return oxp_error_set(error, OXP_ERR_UNSUPPORTED, 0, 0,
                         "the outbox was made by a newer oxpecker (its version is %" PRId64 ", this one knows %d)",
                         version, OXP_SCHEMA_VERSION);
}

enum oxp_status oxp_schema_upgrade(struct oxp_db *db, int64_t above_id, bool *new_out, struct oxp_error *error) {
    char sql[160];
    oxp_db_begin(db, false);
    int64_t version = oxp_db_ask(db, "PRAGMA user_version");
    *new_out = version == 0;
    if (oxp_db_is_well(db) && version > OXP_SCHEMA_VERSION) {
        oxp_db_fail(db, OXP_ERR_UNSUPPORTED, "newer");
        oxp_db_end(db, NULL);
        return too_new(error, version);
    }
    if (oxp_db_is_well(db) && version < 0) {
        version = 0; /* no version of ours: the tables that are there, or are not, will tell */
    }
    for (int64_t at = version; at < OXP_SCHEMA_VERSION; at++) {
        oxp_db_exec(db, steps[at]);
    }
    if (version == 0) {
        snprintf(sql, sizeof sql, "INSERT INTO sqlite_sequence (name, seq) VALUES ('message', %" PRId64 ")", above_id);
        oxp_db_exec(db, sql);
    }
    if (version != OXP_SCHEMA_VERSION) {
        oxp_db_exec(db, "PRAGMA user_version = " TEXT_OF(OXP_SCHEMA_VERSION));
    }
    return oxp_db_end(db, error);
}

enum oxp_status oxp_schema_check(struct oxp_db *db, struct oxp_error *error) {
    oxp_db_begin(db, true);
    int64_t version = oxp_db_ask(db, "PRAGMA user_version");
    enum oxp_status status = oxp_db_end(db, error);
    if (status != OXP_OK || version == OXP_SCHEMA_VERSION) {
        return status;
    }
    if (version > OXP_SCHEMA_VERSION) {
        return too_new(error, version);
    }
    if (version == 0) {
        return oxp_error_set(error, OXP_ERR_NOT_FOUND, 0, 0, "the outbox is still empty");
    }
    return oxp_error_set(error, OXP_ERR_UNSUPPORTED, 0, 0,
                         "the outbox was made by an older oxpecker: its daemon brings it up to date when it starts");
}
