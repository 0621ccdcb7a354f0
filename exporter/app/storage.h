/* --storage.path: whether it can be used.
 *
 * A path that cannot be used when the sidecar begins (missing where it cannot be made, a file in its place, no
 * permission, read-only, full, failing) does not end it: the log says so, oxpecker_storage_persistent is 0,
 * oxpecker_storage_failures_total counts the tries, and all state is in memory. Every two seconds it is tried again.
 * When the path can be used it is taken over without a restart:
 *
 *  1. The directory's lock comes first: while another process has it nothing is touched.
 *  2. This run began without what a former one left there, and has counted on since. So the files of the former one
 *     (ledger.journal, metrics.saved, samples.saved, alerts.saved) become NAME.late-<unix time>, which the log names.
 *     Nothing of them is read, so that nothing counts twice, and nothing of them is lost.
 *  3. What is in memory is written there as if it had always been.
 *  4. The outbox is another matter, for what was accepted must be delivered: delivery.h.
 *
 * A path that another sidecar uses when this one begins ends it: that is a fault of the configuration. */
#ifndef OXP_APP_STORAGE_H
#define OXP_APP_STORAGE_H

#include "exporter/app/daemon.h"

enum oxp_storage {
    OXP_STORAGE_NONE,    /* no path: memory is all there is, as was said */
    OXP_STORAGE_READY,   /* what the parts write there is kept */
    OXP_STORAGE_AWAITED, /* nothing is read or written there */
};

/* Restores what the last run left, when there is a path that can be used; the ledger must be there and have heard
 * nothing. OXP_ERR_IN_USE, OXP_ERR_INVALID, OXP_ERR_NOMEM; `error` names the path. */
enum oxp_status oxp_storage_begin(struct oxp_daemon *daemon, struct oxp_error *error);
/* Once a second: tries again while it is awaited. Loop thread. */
void oxp_storage_tick(struct oxp_daemon *daemon);
/* True when files there may be read and written. Any thread. */
bool oxp_storage_is_ready(const struct oxp_daemon *daemon);
/* False too when the outbox is in memory in place of that on the disk. Loop thread. */
bool oxp_storage_is_persistent(const struct oxp_daemon *daemon);

#endif
