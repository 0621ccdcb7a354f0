/* Counters and histograms across a clean stop.
 *
 * At a clean stop the registry is written to `<directory>/metrics.saved` as OpenMetrics with created times; at the next
 * start the file is read by the strict reader, the counters continue, and the file is removed at once: after a crash
 * there is none, counters start at 0 with a new created time, because one that is restored to an older value looks like
 * a reset to rate() and would be counted twice. */
#ifndef OXP_APP_SAVED_H
#define OXP_APP_SAVED_H

#include <oxpecker/metrics.h>

/* Writes by rename, synced. OXP_ERR_IO; `error` names the path. */
enum oxp_status oxp_saved_write(const struct oxp_registry *registry, const char *directory, double now_s,
                                struct oxp_error *error);
/* Restores and removes the file. OXP_END when there is none; OXP_ERR_CORRUPT, and then the file was set aside as
 * "metrics.saved.corrupt" and nothing was restored. `restored_out` gets the number of series. */
enum oxp_status oxp_saved_read(struct oxp_registry *registry, const char *directory, size_t *restored_out,
                               struct oxp_error *error);

#endif
