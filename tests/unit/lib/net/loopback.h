/* A very small HTTP server on a loopback port, on a thread of its own, whose paths behave well or badly on purpose:
 *
 * /ok 200 "fine" · /status/NNN that status, no body · /echo 200 with the request as it came · /redirect 302 to /ok
 * /headers 200 with some headers · /early 200 behind a 103 · /trailer 200 in chunks, with a trailer
 * /big 200 with 100,000 bytes · /hang reads and never answers · /drip an endless answer, a byte now and then
 * /cut promises 100 bytes, sends 10, closes · /empty closes · /garbage is not HTTP */
#ifndef OXP_TEST_LOOPBACK_H
#define OXP_TEST_LOOPBACK_H

#include <stddef.h>

struct loopback;

/* NULL when no socket is to be had. */
struct loopback *loopback_start(void);
void loopback_stop(struct loopback *server);
/* "http://127.0.0.1:PORT" and the path. */
const char *loopback_url(const struct loopback *server, const char *path, char *out, size_t size);
unsigned loopback_connections(const struct loopback *server);
unsigned loopback_requests(const struct loopback *server);

#endif
