#include "exporter/serve/access.h"

#include <ctype.h>
#include <oxpecker/view.h>
#include <strings.h>

/* The Host names that mean this machine and that nobody else's name server can point here. */
static const char *const local_hosts[] = {"localhost", "127.0.0.1", "[::1]"};

static bool is_port(const char *text) {
    size_t digits = 0;
    while (isdigit((unsigned char)text[digits])) {
        digits++;
    }
    return digits >= 1 && digits <= 5 && text[digits] == '\0';
}

/* A Host that is one of ours, with any port or none. Anything else may be a name that an attacker's DNS points to
 * loopback. */
static bool host_is_local(const char *host) {
    if (host == NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof local_hosts / sizeof local_hosts[0]; i++) {
        size_t len = strlen(local_hosts[i]);
        if (strncasecmp(host, local_hosts[i], len) == 0 &&
            (host[len] == '\0' || (host[len] == ':' && is_port(host + len + 1)))) {
            return true;
        }
    }
    return false;
}

static const char *check_loopback(const struct oxp_access_facts *facts) {
    if (!facts->peer_loopback || !facts->local_loopback) {
        return "only from this machine, over 127.0.0.1 or ::1";
    }
    if (!host_is_local(facts->host)) {
        return "the Host header must be localhost, 127.0.0.1 or [::1]";
    }
    if (facts->forwarded != NULL || facts->via != NULL || facts->x_forwarded) {
        return "not through a proxy";
    }
    return NULL;
}

static const char *check_strict(const struct oxp_access_facts *facts) {
    const char *why = check_loopback(facts);
    if (why != NULL) {
        return why;
    }
    if (facts->origin != NULL) {
        return "not from a page in a browser (Origin)";
    }
    if (facts->sec_fetch_site != NULL && strcmp(facts->sec_fetch_site, "same-origin") != 0 &&
        strcmp(facts->sec_fetch_site, "none") != 0) {
        return "not from a page in a browser (Sec-Fetch-Site)";
    }
    return NULL;
}

const char *oxp_access_check(enum oxp_access access, const struct oxp_access_facts *facts) {
    switch (access) {
    case OXP_ACCESS_OPEN:
        return NULL;
    case OXP_ACCESS_LEDGER:
        return facts->expose_ledger ? NULL : check_loopback(facts);
    case OXP_ACCESS_LOCAL:
        return check_strict(facts);
    case OXP_ACCESS_LIFECYCLE:
        return facts->enable_lifecycle ? check_strict(facts)
                                       : "the lifecycle API is not enabled (--web.enable-lifecycle)";
    }
    return "unknown access rule";
}
