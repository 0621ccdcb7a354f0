/* The health probe: asks the orchestrator's health endpoint at an interval, on a thread of its own, and posts each
 * answer to the loop. */
#ifndef OXP_WATCH_HEALTH_H
#define OXP_WATCH_HEALTH_H

#include "lib/base/http.h"
#include <stdint.h>

struct oxp_health_probe;

struct oxp_health_options {
    const char *url; /* copied */
    int64_t interval_ms, timeout_ms;
    struct oxp_http *http; /* borrowed */
    /* Called on the probe's thread after each try: healthy = any 2xx; `reason` says why not ("" when healthy). */
    void (*probed)(void *ctx, bool healthy, const char *reason);
    void *ctx;
};

/* Starts the thread, which tries at once and then at each interval (missed beats are skipped). OXP_ERR_INVALID for an
 * interval or timeout that is not above 0, OXP_ERR_NOMEM. */
enum oxp_status oxp_health_probe_new(const struct oxp_health_options *options, struct oxp_health_probe **probe_out);
/* Waits for a try that is under way (at most its timeout) and stops. */
void oxp_health_probe_free(struct oxp_health_probe *probe);

#endif
