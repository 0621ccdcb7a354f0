#include "exporter/serve/access.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* What a plain client on this machine looks like; rows change one thing. */
#define HERE .peer_loopback = true, .local_loopback = true
#define OURS .host = "localhost:10108"
#define LIVE HERE, .enable_lifecycle = true

static const struct {
    const char *name;
    struct oxp_access_facts facts;
    bool open, ledger, local, lifecycle;
} rows[] = {
    {"plain", {HERE, OURS}, true, true, true, false},
    {"lifecycle enabled", {LIVE, OURS}, true, true, true, true},
    {"nothing known", {.host = NULL}, true, false, false, false},
    {"nothing known, everything enabled", {.expose_ledger = true, .enable_lifecycle = true}, true, true, false, false},
    /* addresses */
    {"peer elsewhere", {.local_loopback = true, OURS, .enable_lifecycle = true}, true, false, false, false},
    {"peer elsewhere, ledger exposed",
     {.local_loopback = true, OURS, .enable_lifecycle = true, .expose_ledger = true},
     true,
     true,
     false,
     false},
    {"came to another address", {.peer_loopback = true, OURS, .enable_lifecycle = true}, true, false, false, false},
    /* Host: must accept */
    {"localhost", {LIVE, .host = "localhost"}, true, true, true, true},
    {"LocalHost", {LIVE, .host = "LocalHost:1"}, true, true, true, true},
    {"127.0.0.1", {LIVE, .host = "127.0.0.1"}, true, true, true, true},
    {"127.0.0.1 port", {LIVE, .host = "127.0.0.1:65535"}, true, true, true, true},
    {"::1", {LIVE, .host = "[::1]"}, true, true, true, true},
    {"::1 port", {LIVE, .host = "[::1]:10108"}, true, true, true, true},
    /* Host: must reject */
    {"no Host", {LIVE, .host = NULL}, true, false, false, false},
    {"empty Host", {LIVE, .host = ""}, true, false, false, false},
    {"another name", {LIVE, .host = "attacker.example"}, true, false, false, false},
    {"suffix", {LIVE, .host = "localhost.attacker.example"}, true, false, false, false},
    {"prefix", {LIVE, .host = "xlocalhost"}, true, false, false, false},
    {"trailing dot", {LIVE, .host = "localhost."}, true, false, false, false},
    {"port that is none", {LIVE, .host = "localhost:80x"}, true, false, false, false},
    {"empty port", {LIVE, .host = "localhost:"}, true, false, false, false},
    {"long port", {LIVE, .host = "localhost:123456"}, true, false, false, false},
    {"userinfo", {LIVE, .host = "localhost:80@attacker.example"}, true, false, false, false},
    {"other loopback", {LIVE, .host = "127.0.0.2"}, true, false, false, false},
    {"longer address", {LIVE, .host = "127.0.0.10"}, true, false, false, false},
    {"two Hosts", {LIVE, .host = "localhost, attacker.example"}, true, false, false, false},
    {"bare ::1", {LIVE, .host = "::1"}, true, false, false, false},
    {"wildcard address", {LIVE, .host = "0.0.0.0:10108"}, true, false, false, false},
    {"exposed, another name", {HERE, .host = "prod.example", .expose_ledger = true}, true, true, false, false},
    /* browsers: a page cannot read the ledger across origins, so these concern writing */
    {"Origin", {LIVE, OURS, .origin = "http://attacker.example"}, true, true, false, false},
    {"our own Origin", {LIVE, OURS, .origin = "http://localhost:10108"}, true, true, false, false},
    {"Origin null", {LIVE, OURS, .origin = "null"}, true, true, false, false},
    {"empty Origin", {LIVE, OURS, .origin = ""}, true, true, false, false},
    {"same-origin", {LIVE, OURS, .sec_fetch_site = "same-origin"}, true, true, true, true},
    {"typed in", {LIVE, OURS, .sec_fetch_site = "none"}, true, true, true, true},
    {"cross-site", {LIVE, OURS, .sec_fetch_site = "cross-site"}, true, true, false, false},
    {"same-site", {LIVE, OURS, .sec_fetch_site = "same-site"}, true, true, false, false},
    {"two Sec-Fetch-Site", {LIVE, OURS, .sec_fetch_site = "none, cross-site"}, true, true, false, false},
    {"empty Sec-Fetch-Site", {LIVE, OURS, .sec_fetch_site = ""}, true, true, false, false},
    /* proxies */
    {"Forwarded", {LIVE, OURS, .forwarded = "for=192.0.2.1"}, true, false, false, false},
    {"empty Forwarded", {LIVE, OURS, .forwarded = ""}, true, false, false, false},
    {"Via", {LIVE, OURS, .via = "1.1 proxy"}, true, false, false, false},
    {"X-Forwarded", {LIVE, OURS, .x_forwarded = true}, true, false, false, false},
};

static void test_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const bool wanted[] = {[OXP_ACCESS_OPEN] = rows[i].open,
                               [OXP_ACCESS_LEDGER] = rows[i].ledger,
                               [OXP_ACCESS_LOCAL] = rows[i].local,
                               [OXP_ACCESS_LIFECYCLE] = rows[i].lifecycle};
        for (unsigned access = 0; access < sizeof wanted / sizeof wanted[0]; access++) {
            const char *why = oxp_access_check((enum oxp_access)access, &rows[i].facts);
            if ((why == NULL) != wanted[access] || (why != NULL && why[0] == '\0')) {
                fail_msg("%s, rule %u: %s", rows[i].name, access, why == NULL ? "allowed" : why);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
