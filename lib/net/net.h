/* HTTP requests out, by libcurl (the GnuTLS build), which is loaded on first use: a sidecar that never asks anything
 * does not pay its memory. The only folder that knows libcurl. */
#ifndef OXP_NET_NET_H
#define OXP_NET_NET_H

#include "lib/base/http.h"

/* A client for one thread at a time. Follows no redirects, uses no proxy that is not configured by the environment,
 * speaks http and https only. */
enum oxp_status oxp_net_http_new(struct oxp_http **http_out);
/* The loaded library's version text, or NULL when it is not on this machine; loads nothing that stays. */
const char *oxp_net_version(void);

#endif
