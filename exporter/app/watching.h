/* What the daemon looks at by itself: the orchestrator's process and container, its log file, the provider. Each has a
 * thread of its own that hands what it saw to the loop; nothing here is asked for in the default configuration but the
 * process. */
#ifndef OXP_APP_WATCHING_H
#define OXP_APP_WATCHING_H

#include "exporter/app/daemon.h"

struct oxp_watching;

/* Starts what the configuration names; after the intake was made, before the loop runs. `error` says which option is
 * wrong. */
enum oxp_status oxp_watching_new(struct oxp_daemon *daemon, struct oxp_watching **watching_out,
                                 struct oxp_error *error);
/* What may change while running: release_orphans. Loop thread. */
void oxp_watching_reload(struct oxp_watching *watching, const struct oxp_config *config);
/* Tells the threads to end without waiting for them: at the beginning of a stop. Loop thread. */
void oxp_watching_stop(struct oxp_watching *watching);
/* Waits for them; the loop no longer runs. NULL is allowed. */
void oxp_watching_free(struct oxp_watching *watching);

#endif
