/* How many series the metrics for CloudWatch have, asked of a running sidecar: each is paid for. */
#ifndef OXP_APP_SERIES_H
#define OXP_APP_SERIES_H

#include "alerts/cloudwatch/config.h"

/* One number for each of the configuration's metrics, in the arena, or NULL when no sidecar answers at `listen`
 * (host:port of --web.listen-address). Entries without labels are one series; nobody is asked about them. */
const size_t *oxp_series_of(struct oxp_http *http, const char *listen, const struct oxp_cw_config *config,
                            struct oxp_arena *arena);

#endif
