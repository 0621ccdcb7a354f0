/* Small kernel files, read whole into the caller's bytes. No allocation. Not for other folders (but for
 * exporter/watch).
 */
#ifndef OXP_RESOURCE_FILE_H
#define OXP_RESOURCE_FILE_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>
#include <stdint.h>

#define OXP_RESOURCE_PATH_MAX 1024 /* bytes of a path, its NUL included */

/* Opens root/middle/name (an empty part is left out), reads at most `size` bytes, and gives what was read as a view of
 * `bytes`; what is longer is cut. OXP_ERR_LIMIT for a path that is too long, else what the system said:
 * OXP_ERR_NOT_FOUND also for a process that ended meanwhile. */
enum oxp_status oxp_resource_file(const char *root, struct oxp_view middle, const char *name, char *bytes, size_t size,
                                  struct oxp_view *text_out);
/* The same of root/PID/name. */
enum oxp_status oxp_resource_proc_file(const char *root, int64_t pid, const char *name, char *bytes, size_t size,
                                       struct oxp_view *text_out);
/* Calls `entry` with each name in a folder whose name begins with a digit, until it gives false. */
enum oxp_status oxp_resource_numbers(const char *path, bool (*entry)(void *ctx, struct oxp_view name), void *ctx);

#endif
