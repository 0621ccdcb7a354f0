/* GET /health, which answers 200 and exactly {"status": "healthy"} for as long as the process lives and is not stopping
 * for good. Nothing else is served. */
#ifndef ORCHESTRATOR_HEALTH_H
#define ORCHESTRATOR_HEALTH_H

#include <stdbool.h>

struct health;

/* `address` is HOST:PORT ("127.0.0.1:8000", "0.0.0.0:8000", "[::1]:0") or "off", which gives NULL and true. False, with
 * the reason on standard error, when it cannot be bound. `port_out` is the one that was bound. */
bool health_start(const char *address, struct health **health_out, unsigned *port_out);
void health_stop(struct health *health); /* NULL is allowed */

#endif
