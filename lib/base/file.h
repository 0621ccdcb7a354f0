/* Files that are replaced whole and read whole: state that must outlive a restart.
 *
 * A file is written beside its name (`NAME.new`), synced, renamed over the name, and the directory is synced: after a
 * crash at any point the name stands for the old bytes or for the new ones (rename(2), fsync(2)). One process at a time
 * writes a directory; whoever owns it holds its lock. */
#ifndef OXP_BASE_FILE_H
#define OXP_BASE_FILE_H

#include "lib/base/buf.h"

#define OXP_PATH_MAX 4096

/* Writes all of it, or gives false with errno; what was written before a failure stays. Any thread. */
bool oxp_file_write(int fd, const void *bytes, size_t len);
/* Makes what was made, renamed or removed in a directory last through a power cut; false with errno. */
bool oxp_file_sync_directory(const char *directory);
/* Writes "`directory`/`name`" to a path of OXP_PATH_MAX bytes. OXP_ERR_INVALID when it is too long. */
enum oxp_status oxp_file_path(char path_out[OXP_PATH_MAX], const char *directory, const char *name,
                              struct oxp_error *error);
/* Appends the whole of a file to a buffer, whose cap is the limit. OXP_END when there is none, OXP_ERR_LIMIT,
 * OXP_ERR_NOMEM, or the status of oxp_status_from_errno; `error` names the path. A pipe in its place is not waited for.
 */
enum oxp_status oxp_file_read(const char *path, struct oxp_buf *out, struct oxp_error *error);
/* Renames `name` to `name`.corrupt over an older one; removes it when that is not possible. */
void oxp_file_set_aside(const char *directory, const char *name);

/* A file on its way. Plain data, owned by one thread. */
struct oxp_file {
    int fd;                /* for writing, mode 0600; -1 when there is nothing to end */
    const char *directory; /* the caller's */
    char path[OXP_PATH_MAX], fresh[OXP_PATH_MAX];
};

/* Begins to replace `directory`/`name`. On failure `error` names the path and there is nothing to end. The statuses are
 * those of oxp_status_from_errno: OXP_ERR_NOT_FOUND, OXP_ERR_DENIED, OXP_ERR_FULL, OXP_ERR_IO … */
enum oxp_status oxp_file_begin(struct oxp_file *file, const char *directory, const char *name, struct oxp_error *error);
/* Puts the file in its place; on failure the old one stays. Ends it either way. */
enum oxp_status oxp_file_commit(struct oxp_file *file, struct oxp_error *error);
/* Ends it without effect. */
void oxp_file_abandon(struct oxp_file *file);
/* The status and the text for a write that failed with errno. */
enum oxp_status oxp_file_failure(struct oxp_error *error, const char *path, const char *what);

#endif
