/* The journal: what the ledger must not forget, as checksummed records in one append-only file, compacted by rename.
 *
 * Records are opaque bytes. An append is one write(2), not synced: kill -9 loses nothing; a background thread syncs
 * once a second, so a power cut loses at most the last second. A torn tail is cut off; a file that is damaged elsewhere
 * is set aside as "<name>.corrupt-<unix time>" after the good records before the damage were replayed. When the disk is
 * full or fails, appends report it, the journal keeps count, and the next success after a rewrite heals it. Owned by
 * one thread (the loop's). */
#ifndef OXP_LEDGER_JOURNAL_H
#define OXP_LEDGER_JOURNAL_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>
#include <stdint.h>

#define OXP_JOURNAL_RECORD_MAX 65536

struct oxp_journal;

typedef enum oxp_status oxp_journal_replay_fn(void *ctx, struct oxp_view record);
/* Emits records by calling `put(put_ctx, record)`. */
typedef enum oxp_status oxp_journal_put_fn(void *put_ctx, struct oxp_view record);
typedef enum oxp_status oxp_journal_dump_fn(void *ctx, oxp_journal_put_fn *put, void *put_ctx);

struct oxp_journal_report {
    uint64_t records;    /* replayed */
    uint64_t torn_bytes; /* cut off at the end */
    bool set_aside;      /* the file was damaged */
    char aside_path[256];
};

/* Opens (makes, mode 0600) `<directory>/ledger.journal`, locks it against a second process (`ledger.lock`), replays it.
 * OXP_ERR_IN_USE, OXP_ERR_DENIED, OXP_ERR_IO, OXP_ERR_NOT_FOUND (no such directory); `error` names the path.
 * A negative status of `replay` ends the opening and is returned. `report_out` may be NULL. */
enum oxp_status oxp_journal_open(const char *directory, oxp_journal_replay_fn *replay, void *ctx,
                                 struct oxp_journal **journal_out, struct oxp_journal_report *report_out,
                                 struct oxp_error *error);
/* Gives the file a second name, "ledger.journal.late-<unix time>", which stays when the next rewrite replaces the
 * journal: for records of a former run that this one does not take over. Until that rewrite nothing may be appended.
 * `path_out` gets the name. OXP_ERR_IO … */
enum oxp_status oxp_journal_keep_late(struct oxp_journal *journal, char path_out[256], struct oxp_error *error);
/* OXP_OK; OXP_ERR_LIMIT for a record that is too long; OXP_ERR_IO, and then the file ends with the last whole
 * record. */
enum oxp_status oxp_journal_append(struct oxp_journal *journal, struct oxp_view record);
/* Writes what `dump` emits to a new file, syncs it, and renames it over the old. On failure the old file stays in
 * use: OXP_ERR_IO, OXP_ERR_NOMEM, OXP_ERR_LIMIT for a record that is too long, or what `dump` returned. */
enum oxp_status oxp_journal_rewrite(struct oxp_journal *journal, oxp_journal_dump_fn *dump, void *ctx);
/* True when the file has grown enough past its last rewrite to be worth another (twice its size and at least 1 MiB), or
 * an append or a sync failed since. After a rewrite that failed: not again for 1, 2, 4 … 64 s. */
bool oxp_journal_wants_rewrite(const struct oxp_journal *journal);
uint64_t oxp_journal_bytes(const struct oxp_journal *journal);
/* Appends, rewrites and syncs that failed since it was opened. Any thread. */
uint64_t oxp_journal_failures(const struct oxp_journal *journal);
/* Syncs and closes. */
void oxp_journal_close(struct oxp_journal *journal);

#endif
