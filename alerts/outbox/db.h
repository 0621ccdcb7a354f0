/* A thin layer over SQLite: prepared statements by name, and transactions whose first failure sticks.
 *
 * Within a transaction nothing needs to be asked: after a failure every further call does nothing, and oxp_db_end rolls
 * back and says what it was. Foreign errors become ours here and nowhere else. Owned by whoever holds the outbox' lock.
 * Not for other folders. */
#ifndef OXP_OUTBOX_DB_H
#define OXP_OUTBOX_DB_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>
#include <stdint.h>

struct sqlite3;
struct sqlite3_stmt;

enum oxp_db_statement {
#define X(name, sql) OXP_DB_##name,
#include "alerts/outbox/statements.def"
#undef X
    OXP_DB_STATEMENTS
};

struct oxp_db {
    struct sqlite3 *handle; /* NULL = not open */
    struct sqlite3_stmt *statements[OXP_DB_STATEMENTS];
    enum oxp_status status; /* the first failure since oxp_db_begin or oxp_db_end */
    struct oxp_error error; /* and what it was */
    bool opening;           /* until oxp_db_prepare_all */
    bool damaged;           /* a failure was of the kind that a broken file gives; stays until closed */
    bool unsure;            /* a failure after which the file should be opened again; stays until closed */
};

enum oxp_db_open { OXP_DB_MEMORY, OXP_DB_FILE, OXP_DB_VISIT };
/* Opens the file (for OXP_DB_FILE it must be there, if only empty) and sets how it is used. On failure it is closed. */
enum oxp_status oxp_db_open(struct oxp_db *db, enum oxp_db_open how, const char *path, struct oxp_error *error);
void oxp_db_close(struct oxp_db *db);
/* SQL that the table does not hold (schemas, settings); sticks. */
void oxp_db_exec(struct oxp_db *db, const char *sql);
/* The number that a single-row query gives; 0 on failure, which sticks. */
int64_t oxp_db_ask(struct oxp_db *db, const char *sql);
/* True when PRAGMA quick_check finds nothing. A failure sticks. */
bool oxp_db_is_sound(struct oxp_db *db);

/* Prepares every statement: a schema that is not ours shows here, as damage. Ends the opening. */
enum oxp_status oxp_db_prepare_all(struct oxp_db *db, struct oxp_error *error);

/* Begins a transaction: BEGIN IMMEDIATE, or BEGIN for reading. Forgets an earlier failure. */
void oxp_db_begin(struct oxp_db *db, bool for_reading);
/* Ends it: commits, or rolls back and gives the first failure. `error` may be NULL. */
enum oxp_status oxp_db_end(struct oxp_db *db, struct oxp_error *error);
/* A failure of ours within the transaction. */
void oxp_db_fail(struct oxp_db *db, enum oxp_status status, const char *text);
static inline bool oxp_db_is_well(const struct oxp_db *db) {
    return db->status == OXP_OK;
}

struct oxp_db_value {
    enum { OXP_DB_IS_NUMBER, OXP_DB_IS_TEXT, OXP_DB_IS_BYTES } kind;
    int64_t number;
    struct oxp_view view; /* must live until the statement's next use */
};
#define OXP_DB_NUMBER(value) ((struct oxp_db_value){.kind = OXP_DB_IS_NUMBER, .number = (value)})
#define OXP_DB_TEXT(value) ((struct oxp_db_value){.kind = OXP_DB_IS_TEXT, .view = (value)})
#define OXP_DB_BYTES(value) ((struct oxp_db_value){.kind = OXP_DB_IS_BYTES, .view = (value)})
#define OXP_DB_VALUES(...)                                                                                             \
    (const struct oxp_db_value[]){__VA_ARGS__},                                                                        \
        sizeof((const struct oxp_db_value[]){__VA_ARGS__}) / sizeof(struct oxp_db_value)

/* Runs a statement whose rows, if any, do not matter. */
void oxp_db_run(struct oxp_db *db, enum oxp_db_statement which, const struct oxp_db_value *values, size_t count);
/* Begins a query: true when there is a first row. False: no row, or a failure. */
bool oxp_db_first(struct oxp_db *db, enum oxp_db_statement which, const struct oxp_db_value *values, size_t count);
bool oxp_db_next(struct oxp_db *db, enum oxp_db_statement which);
/* Ends a query, also one that has rows left. */
void oxp_db_done(struct oxp_db *db, enum oxp_db_statement which);
/* Columns of the row, from 0. Texts are good until the statement's next call. */
int64_t oxp_db_number(struct oxp_db *db, enum oxp_db_statement which, int column);
struct oxp_view oxp_db_view(struct oxp_db *db, enum oxp_db_statement which, int column);
bool oxp_db_is_null(struct oxp_db *db, enum oxp_db_statement which, int column);
/* True when the query has a row. */
bool oxp_db_exists(struct oxp_db *db, enum oxp_db_statement which, const struct oxp_db_value *values, size_t count);
/* A query of one number without arguments; `none` when there is no row or it is NULL. */
int64_t oxp_db_one(struct oxp_db *db, enum oxp_db_statement which, int64_t none);
int64_t oxp_db_last_id(struct oxp_db *db);
/* Moves what the write-ahead log holds into the file, as far as nobody is in the way. Never fails. */
void oxp_db_checkpoint(struct oxp_db *db);

#endif
