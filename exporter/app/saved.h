/* Counters and histograms across a clean stop.
 *
 * At a clean stop the registry is written to `<directory>/metrics.saved` as OpenMetrics with created times; at the next
 * start the file is read by the strict reader, the counters continue, and the file is removed at once: after a crash
 * there is none, counters start at 0 with a new created time, because one that is restored to an older value looks like
 * a reset to rate() and would be counted twice. */
#ifndef OXP_APP_SAVED_H
#define OXP_APP_SAVED_H

#include <oxpecker/metrics.h>

/* Writes by rename; file and directory are synced. OXP_ERR_IO; `error` names the path. */
enum oxp_status oxp_saved_write(const struct oxp_registry *registry, const char *directory, double now_s,
                                struct oxp_error *error);
/* Restores what the registry still declares with the same type, labels and bounds, and removes the file.
 * `restored_out` gets the number of series. OXP_END when there is no file. On a failure `error` has the reason, nothing
 * was restored, and the file was set aside as "metrics.saved.corrupt": OXP_ERR_CORRUPT for a damaged one, OXP_ERR_IO,
 * OXP_ERR_LIMIT, OXP_ERR_NOMEM. Only where memory runs out in the middle can a part be restored (each series whole or
 * not at all), and then the file is gone. */
enum oxp_status oxp_saved_read(struct oxp_registry *registry, const char *directory, size_t *restored_out,
                               struct oxp_error *error);

#endif
