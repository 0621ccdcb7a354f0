/* AWS, as far as a sidecar needs it: who we are (credentials), where it is (endpoints), signing, and calls with AWS'
 * retry rules. Facts: botocore 1.43 and AWS' documentation, see docs/cloudwatch.md.
 *
 * Everything that the environment decides is handed in (struct oxp_aws_world), so that tests decide it. */
#ifndef OXP_AWS_AWS_H
#define OXP_AWS_AWS_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/http.h"

struct oxp_aws_world {
    const char *(*getenv)(void *ctx, const char *name); /* NULL = the process' environment */
    void *ctx;
    struct oxp_http *http; /* for STS, the container's and the instance's endpoints; used under a lock; nobody else's */
    const struct oxp_clock *clock;
    const char *container_host; /* NULL = http://169.254.170.2; tests */
    const char *instance_host;  /* NULL = http://169.254.169.254; tests, and AWS_EC2_METADATA_SERVICE_ENDPOINT */
    /* Waits, between tries; NULL = sleeps. */
    void (*sleep)(void *ctx, int64_t ms);
    /* Asked at least every second while credentials are fetched: true ends that with OXP_ERR_CLOSED. Any thread. May be
     * NULL. */
    bool (*give_up)(void *ctx);
    void *give_up_ctx;
};

/* The version of the library that hashes (GnuTLS), static text. */
const char *oxp_aws_library(void);

/* ---- Signing (sigv4.c): AWS Signature Version 4, pure ---- */

struct oxp_aws_keys {                                                /* texts are borrowed */
    struct oxp_view access_key_id, secret_access_key, session_token; /* token empty = none */
};
struct oxp_aws_signing {
    struct oxp_aws_keys keys;
    struct oxp_view region, service;
    int64_t time_ms; /* unix; the clock offset already added */
};
/* The headers that a request needs besides its own: Authorization, X-Amz-Date and, with a token, X-Amz-Security-Token;
 * "Name: value" lines in the arena, NULL-terminated. Signs host, x-amz-date, the token and all headers of the request
 * but those without a value (the transport leaves them out) and those that proxies change (user-agent, expect, …).
 * The URL may have a query, which is put in order. Any thread. OXP_ERR_INVALID (the URL, a header, keys that cannot
 * stand in one), OXP_ERR_UNSUPPORTED (no SHA-256 on this machine), OXP_ERR_NOMEM. */
enum oxp_status oxp_aws_sign(const struct oxp_aws_signing *signing, const struct oxp_http_request *request,
                             struct oxp_arena *arena, const char *const **headers_out);

/* ---- Endpoints (endpoint.c) ---- */

struct oxp_aws_place {
    struct oxp_view region;   /* empty = AWS_REGION, AWS_DEFAULT_REGION, the profile's */
    struct oxp_view endpoint; /* empty = AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, else by region */
    struct oxp_view profile;  /* empty = AWS_PROFILE, "default" */
    bool fips, dual_stack;    /* also by AWS_USE_FIPS_ENDPOINT, AWS_USE_DUALSTACK_ENDPOINT */
};
/* `service` is "monitoring", "sns" or "sts". Gives the URL (no slash at its end) and the region for signing, in the
 * arena. OXP_ERR_NOT_FOUND with a sentence when no region is known; OXP_ERR_INVALID for one that is malformed, and for
 * an endpoint together with FIPS or dual-stack; OXP_ERR_SYNTAX for a shared file, with its line. Any thread. */
enum oxp_status oxp_aws_endpoint(const struct oxp_aws_world *world, const struct oxp_aws_place *place,
                                 const char *service, struct oxp_arena *arena, struct oxp_view *url_out,
                                 struct oxp_view *region_out, struct oxp_error *error);

/* ---- Credentials (credentials.c and one file for each source) ---- */

/* The chain: environment; web identity; shared files with profiles, source_profile, credential_process; the container's
 * endpoint; the instance's (IMDSv2). SSO is named in the error and not done. Refreshed from 15 min before they expire;
 * while a refresh fails, keys that are still valid go on being used, with backoff. */
struct oxp_aws_credentials;
enum oxp_status oxp_aws_credentials_new(const struct oxp_aws_world *world, const struct oxp_aws_place *place,
                                        struct oxp_aws_credentials **credentials_out);
void oxp_aws_credentials_free(struct oxp_aws_credentials *credentials);
/* Keys that are good now, copied into the arena (the caller wipes nothing: arenas of senders are short-lived, and are
 * cleared). May block for a refresh, about ten seconds for each source in the worst case, or until the world gives up.
 * `force`: the last ones were refused as expired; a failure to get others is handed up. OXP_ERR_NOT_FOUND: no source
 * has any, with a sentence that names what was tried; OXP_ERR_TIMEOUT, OXP_ERR_CLOSED, OXP_ERR_IO; OXP_ERR_DENIED (a
 * source said no); OXP_ERR_INVALID, OXP_ERR_SYNTAX (with a line), OXP_ERR_UNSUPPORTED (single sign-on, MFA) for what is
 * configured wrongly. No text holds a secret. Any thread. */
enum oxp_status oxp_aws_keys_get(struct oxp_aws_credentials *credentials, bool force, struct oxp_arena *arena,
                                 struct oxp_aws_keys *keys_out, struct oxp_error *error);
/* Which source gave the keys in use: "environment", "web identity", "profile x", "container", "instance"; "" = none. */
void oxp_aws_credentials_source(struct oxp_aws_credentials *credentials, char *out, size_t size);

/* ---- Calls (client.c) ---- */

struct oxp_aws_client; /* a service in one place, with credentials, clock offset and retry quota */
struct oxp_aws_client_options {
    const struct oxp_aws_world *world;       /* must outlive the client */
    struct oxp_aws_place place;              /* copied */
    const char *service;                     /* "monitoring", "sns", "sts" */
    struct oxp_aws_credentials *credentials; /* shared; NULL = one of its own */
};
enum oxp_status oxp_aws_client_new(const struct oxp_aws_client_options *options, struct oxp_aws_client **client_out,
                                   struct oxp_error *error);
void oxp_aws_client_free(struct oxp_aws_client *client);
struct oxp_view oxp_aws_client_region(const struct oxp_aws_client *client);

/* A request of the service, signed now with whatever keys are good now. `target` is the JSON protocol's
 * ("GraniteServiceVersion20100801.PutMetricData") or NULL for the query protocol (the body is then a form). `gzip`:
 * content-encoding of the body. For couriers; `client` from any thread. The request, 10 s and answers up to 8 MiB, may
 * be changed but for its method, URL, headers and body. Fails as oxp_aws_keys_get and oxp_aws_sign do. */
struct oxp_aws_operation {
    const char *target;
    struct oxp_view body;
    bool gzip;
    const char *path;         /* NULL = "/" */
    const char *content_type; /* NULL = by protocol */
};
enum oxp_status oxp_aws_prepare(struct oxp_aws_client *client, const struct oxp_aws_operation *operation,
                                struct oxp_arena *arena, struct oxp_http_request *request_out, struct oxp_error *error);

/* Appends "name=value" to the form of a query operation, percent-encoded, with an & before it when it is not the first.
 */
void oxp_aws_form_add(struct oxp_buf *form, const char *name, struct oxp_view value);

/* What an answer means; learns the clock's offset from its Date when it says that the time is wrong, and forgets keys
 * that it calls expired. Any thread. */
enum oxp_aws_answer {
    OXP_AWS_OK,
    OXP_AWS_THROTTLED, /* later; the code decides, not the status */
    OXP_AWS_TRANSIENT, /* 5xx but 501 and 505, 408, no answer, RequestTimeout */
    OXP_AWS_RESIGN,    /* the clock's offset was learned, or the keys had expired: at once, once. When there is nothing
                        * new to sign with, the same answer is TRANSIENT (the time) or DENIED (the keys) */
    OXP_AWS_DENIED,    /* not allowed, or no such key: heals by hand */
    OXP_AWS_REFUSED    /* this request will never be taken */
};
struct oxp_aws_outcome {
    enum oxp_aws_answer answer;
    struct oxp_view code, message, request_id; /* in the arena */
    int64_t wait_ms;                           /* x-amz-retry-after, Retry-After */
};
void oxp_aws_judge(struct oxp_aws_client *client, enum oxp_status status, const struct oxp_http_response *response,
                   const struct oxp_error *error, struct oxp_arena *arena, struct oxp_aws_outcome *outcome_out);

/* One call with retries (standard mode: three tries in all, full jitter, cap 20 s, token bucket), blocking. For
 * commands. `response_out` is to be freed whatever comes. OXP_OK only when the answer was OXP_AWS_OK; else `error` has
 * code and message: OXP_ERR_LIMIT (throttled), OXP_ERR_IO (the server's errors), OXP_ERR_DENIED, OXP_ERR_INVALID
 * (refused), the exchange's status when there was no answer, or that of oxp_aws_prepare. */
enum oxp_status oxp_aws_call(struct oxp_aws_client *client, struct oxp_http *http,
                             const struct oxp_aws_operation *operation, struct oxp_arena *arena,
                             struct oxp_http_response *response_out, struct oxp_aws_outcome *outcome_out,
                             struct oxp_error *error);

#endif
