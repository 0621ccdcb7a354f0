/* Who may do what: pure rules over what is known of a request. Being on loopback is not a password: proxies and pages
 * in a local browser come from there too. */
#ifndef OXP_SERVE_ACCESS_H
#define OXP_SERVE_ACCESS_H

#include "exporter/serve/serve.h"

struct oxp_access_facts {
    bool peer_loopback;  /* the peer's address is 127.0.0.1 or ::1 (IPv4-mapped too) */
    bool local_loopback; /* so is the address that it connected to */
    const char *host;    /* Host header, or NULL */
    const char *origin, *sec_fetch_site, *forwarded, *via; /* header values, or NULL */
    bool x_forwarded;                                      /* any header whose name begins with X-Forwarded- */
    bool expose_ledger, enable_lifecycle;
};

/* NULL when allowed, else the reason for the 403 (static text). */
const char *oxp_access_check(enum oxp_access access, const struct oxp_access_facts *facts);

#endif
