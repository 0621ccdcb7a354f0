/* The short memory across a restart: one file, replaced by rename.
 *
 * The format (docs/operations.md says what users must know, saved.c has the layout): a head with magic, version and
 * time; then for each series its labels and its compressed samples; a CRC-32C for each record and one for the whole.
 * Written by a reader, in any thread, while the writer goes on. */
#ifndef OXP_TSDB_SAVED_H
#define OXP_TSDB_SAVED_H

#include "alerts/tsdb/tsdb.h"

/* Writes `directory`/samples.saved: to a temporary file, synced, renamed, directory synced. Streams; needs about
 * a megabyte. No reader is open while it writes, so a disk that hangs holds up nobody else. OXP_ERR_IO, OXP_ERR_FULL
 * (no space), OXP_ERR_DENIED, OXP_ERR_NOMEM; `error` names the path. The old file stays on failure. */
enum oxp_status oxp_tsdb_save(struct oxp_tsdb *tsdb, const char *directory, int64_t now_ms, struct oxp_error *error);
/* Reads it into an empty short memory; samples older than the retention, or later than `now_ms` (a clock that went
 * back), are left out. `samples_out` gets how many were taken. OXP_END when there is no file. A damaged or foreign file
 * is set aside as samples.saved.corrupt: OXP_ERR_CORRUPT, and then nothing was taken. OXP_ERR_IO, OXP_ERR_NOMEM. */
enum oxp_status oxp_tsdb_load(struct oxp_tsdb *tsdb, const char *directory, int64_t now_ms, uint64_t *samples_out,
                              struct oxp_error *error);

#endif
