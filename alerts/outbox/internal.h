/* What the files of the outbox share. Not for other folders.
 *
 * A write is: oxp_outbox_enter_write, changes, oxp_outbox_leave_write. Changes say what they do to the counts, and what
 * they drop; both are kept apart until the commit, and forgotten when there is none. */
#ifndef OXP_OUTBOX_INTERNAL_H
#define OXP_OUTBOX_INTERNAL_H

#include <pthread.h>

#include "alerts/outbox/db.h"
#include "alerts/outbox/outbox.h"

#define OXP_OUTBOX_FILE "outbox.db"

/* How many messages of one integration are in which state: committed, and what the transaction at hand adds. */
struct oxp_tally {
    char *integration; /* owned */
    size_t len;
    int64_t kept[OXP_OUTBOX_STATES], pending[OXP_OUTBOX_STATES];
};

struct oxp_outbox_dropped { /* in the transaction at hand */
    struct oxp_outbox_message message;
    bool damaged; /* it was not dropped: it was set aside, because its record was damaged */
    enum oxp_outbox_drop why;
    struct oxp_outbox_dropped *next;
};

struct oxp_outbox {
    pthread_mutex_t lock;
    struct oxp_outbox_options options; /* with the defaults filled in; its directory is the one below */
    char *directory;                   /* NULL = in memory */
    bool visiting, touched;
    int64_t last_id; /* the greatest that was given */
    struct oxp_db db;
    int64_t data_version; /* SQLite's: changes when another connection commits */
    bool recount;         /* what is counted may be wrong */
    int64_t swept_ms;     /* the time of the last sweep */
    unsigned damages;     /* failures of a damaged file since the last commit */
    int64_t page_size;

    struct oxp_tally *tallies;
    size_t tally_count;
    int64_t total[OXP_OUTBOX_STATES]; /* kept + pending of all */
    uint64_t bytes, dropped[OXP_OUTBOX_DROPS], failures;
    int64_t oldest_ms;
    struct oxp_error trouble; /* why the last write failed; empty when it did not */
    bool trouble_is_full;

    struct oxp_arena scratch; /* of the transaction at hand */
    struct oxp_outbox_dropped *drops;
};

/* ---- outbox.c ---- */

/* Takes the lock and begins a transaction, opening the file again when the last failure asks for it. On failure the
 * lock is free again. */
enum oxp_status oxp_outbox_enter(struct oxp_outbox *outbox, bool for_reading, struct oxp_error *error);
/* Ends it, takes over the counts, tells of what was dropped and frees the lock. */
enum oxp_status oxp_outbox_leave(struct oxp_outbox *outbox, bool for_reading, struct oxp_error *error);
void oxp_outbox_at_point(struct oxp_outbox *outbox, const char *name);
/* Counts everything anew. Within a transaction. */
void oxp_outbox_recount(struct oxp_outbox *outbox);

/* ---- open.c ---- */

/* Opens the file, or the memory, as the options say. `check` looks at all of it; a damaged one is set aside. */
enum oxp_status oxp_outbox_open_file(struct oxp_outbox *outbox, bool check, enum oxp_outbox_opened *opened_out,
                                     struct oxp_error *error);

/* ---- change.c: within a transaction ---- */

/* A column of the row at hand as a text in the arena; a lack of memory fails the transaction. */
struct oxp_view oxp_outbox_copy_column(struct oxp_outbox *outbox, enum oxp_db_statement which, int column,
                                       struct oxp_arena *arena);
/* The row of a query with OXP_DB_ROW's columns; its texts are in the arena, its content is empty. A lack of memory
 * fails the transaction. */
void oxp_outbox_read_row(struct oxp_outbox *outbox, enum oxp_db_statement which, struct oxp_arena *arena,
                         struct oxp_outbox_message *message_out, uint32_t *crc_out);
/* The same for a query of at most one row; false when there is none. */
bool oxp_outbox_find(struct oxp_outbox *outbox, enum oxp_db_statement which, const struct oxp_db_value *values,
                     size_t count, struct oxp_outbox_message *message_out);
/* The content, in the arena; ptr NULL when it is gone. */
struct oxp_view oxp_outbox_read_content(struct oxp_outbox *outbox, int64_t id, struct oxp_arena *arena);
/* Over everything that a message says. */
uint32_t oxp_outbox_checksum(const struct oxp_outbox_message *message);
void oxp_outbox_count(struct oxp_outbox *outbox, struct oxp_view integration, enum oxp_outbox_state state, int64_t add);
/* Writes due_ms, expires_ms, tries and answer of `message` with its new state. The answer is cut to its limit. */
void oxp_outbox_move(struct oxp_outbox *outbox, struct oxp_outbox_message *message, enum oxp_outbox_state state,
                     int64_t now_ms);
/* Moves it to superseded or dropped, with its reason, and lets its content go unless it may be wanted again. */
void oxp_outbox_drop(struct oxp_outbox *outbox, struct oxp_outbox_message *message, enum oxp_outbox_drop why,
                     int64_t now_ms);
/* Sets it aside, because its record is damaged. */
void oxp_outbox_move_damaged(struct oxp_outbox *outbox, struct oxp_outbox_message *message, int64_t now_ms);
/* Lets a message wait (again): of two of one group the newer stays, the older is superseded, and leaves it its answer.
 */
void oxp_outbox_let_wait(struct oxp_outbox *outbox, struct oxp_outbox_message *message, int64_t now_ms);
void oxp_outbox_forget(struct oxp_outbox *outbox, const struct oxp_outbox_message *message);
void oxp_outbox_add_note(struct oxp_outbox *outbox, struct oxp_view kind, struct oxp_view text, int64_t now_ms);

/* ---- bound.c: within a transaction ---- */

#define OXP_OUTBOX_NOTES_MAX 10000

/* Makes the outbox fit its bounds. */
void oxp_outbox_bound(struct oxp_outbox *outbox, int64_t now_ms);
/* After the clock went back: what was put off by the time that was wrong is due now. */
void oxp_outbox_undo_future(struct oxp_outbox *outbox, int64_t now_ms);
uint64_t oxp_outbox_used_bytes(struct oxp_outbox *outbox);

#endif
