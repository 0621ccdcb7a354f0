/* The HTTP client that parts of the library are handed, such as the export of traces: opaque, made here, used by one
 * thread at a time.
 *
 *     struct oxp_http *http = NULL;
 *     oxp_http_curl_new(&http);
 *     oxp_tracer_new(&(struct oxp_tracer_options){.service = "collector", .http = http}, &tracer);
 *     …
 *     oxp_tracer_free(tracer);
 *     oxp_http_free(http); */
#ifndef OXPECKER_HTTP_H
#define OXPECKER_HTTP_H

#include <oxpecker/status.h>

OXP_BEGIN_DECLS

struct oxp_http;

/* One over libcurl (the GnuTLS build), which is loaded with the first request; where it is not on the machine, each
 * request fails with OXP_ERR_UNSUPPORTED. A forked child may go on with its copy: it makes connections of its own.
 * OXP_ERR_NOMEM. */
enum oxp_status oxp_http_curl_new(struct oxp_http **http_out);
/* NULL is allowed. Whoever was handed the client must be gone. */
void oxp_http_free(struct oxp_http *http);

OXP_END_DECLS

#endif
