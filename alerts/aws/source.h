/* A source of credentials: one file each, in the order of the chain (credentials.c). */
#ifndef OXP_AWS_SOURCE_H
#define OXP_AWS_SOURCE_H

#include "alerts/aws/aws.h"
#include "alerts/aws/profiles.h"
#include "lib/json/json.h"

#define OXP_AWS_SOURCE_MAX 96

struct oxp_aws_fetch { /* one walk along the chain; owned by one thread */
    const struct oxp_aws_world *world;
    const struct oxp_aws_place *place;
    struct oxp_arena *arena;
    struct oxp_error *error;
    bool has_profiles;
    struct oxp_aws_profiles profiles; /* once oxp_aws_fetch_profiles was called */
};

struct oxp_aws_found {
    struct oxp_aws_keys keys; /* in the fetch's arena */
    int64_t expires_ms;       /* unix; 0 = they do not */
    char source[OXP_AWS_SOURCE_MAX];
};

/* OXP_OK; OXP_IGNORED: this source is not configured, the next one is asked; a failure ends the chain, with a sentence
 * that names the source and holds no secret. */
typedef enum oxp_status (*oxp_aws_source_fn)(struct oxp_aws_fetch *fetch, struct oxp_aws_found *found_out);

enum oxp_status oxp_aws_from_environment(struct oxp_aws_fetch *fetch, struct oxp_aws_found *found_out);
enum oxp_status oxp_aws_from_role(struct oxp_aws_fetch *fetch, struct oxp_aws_found *found_out);
enum oxp_status oxp_aws_from_web_identity(struct oxp_aws_fetch *fetch, struct oxp_aws_found *found_out);
enum oxp_status oxp_aws_from_profile(struct oxp_aws_fetch *fetch, struct oxp_aws_found *found_out);
enum oxp_status oxp_aws_from_container(struct oxp_aws_fetch *fetch, struct oxp_aws_found *found_out);
enum oxp_status oxp_aws_from_instance(struct oxp_aws_fetch *fetch, struct oxp_aws_found *found_out);

/* ---- Shared by sources ---- */

/* The shared files, read once in a walk. */
enum oxp_status oxp_aws_fetch_profiles(struct oxp_aws_fetch *fetch);
/* A setting of a profile, once they are loaded. */
struct oxp_view oxp_aws_fetch_setting(const struct oxp_aws_fetch *fetch, struct oxp_view profile, const char *name);
/* The static keys of a profile; OXP_IGNORED: it has none; OXP_ERR_INVALID: half of them. */
enum oxp_status oxp_aws_static_keys(struct oxp_aws_fetch *fetch, struct oxp_view profile,
                                    struct oxp_aws_found *found_out);
/* The keys of a profile without a role: static, then credential_process. OXP_IGNORED: it has none. */
enum oxp_status oxp_aws_plain_profile(struct oxp_aws_fetch *fetch, struct oxp_view profile,
                                      struct oxp_aws_found *found_out);
/* The same by web identity, of the settings of a profile. */
enum oxp_status oxp_aws_web_identity_profile(struct oxp_aws_fetch *fetch, struct oxp_view profile,
                                             struct oxp_aws_found *found_out);
/* Runs a command line (split as a shell would, run without one) for at most `timeout_ms`, its standard output into
 * `out`, whose cap is the limit. Its standard error is not read: it may hold anything. OXP_ERR_TIMEOUT (it was killed),
 * OXP_ERR_CLOSED (the world gave up: it was killed), OXP_ERR_IO (it failed), OXP_ERR_SYNTAX (the quotes). Of the fetch
 * the world and the error are used. */
enum oxp_status oxp_aws_process_run(struct oxp_aws_fetch *fetch, struct oxp_view command, int64_t timeout_ms,
                                    struct oxp_buf *out);
enum oxp_status oxp_aws_from_process(struct oxp_aws_fetch *fetch, struct oxp_view command,
                                     struct oxp_aws_found *found_out);

/* Keys out of the JSON that endpoints and processes give; `token` names its member ("Token", "SessionToken"). The found
 * keys are checked for bytes that cannot stand in a header. `who` begins the error's text. */
enum oxp_status oxp_aws_keys_from_json(struct oxp_aws_fetch *fetch, const struct oxp_json *json, const char *token,
                                       const char *who, struct oxp_aws_found *found_out);
/* Both checks of keys: complete, and fit for headers. */
enum oxp_status oxp_aws_keys_check(struct oxp_aws_fetch *fetch, const struct oxp_aws_keys *keys, const char *who);
/* One exchange on the world's transport. The body is at most 64 KiB. */
enum oxp_status oxp_aws_ask(struct oxp_aws_fetch *fetch, const struct oxp_http_request *request,
                            struct oxp_http_response *response_out);
/* An STS action that gives Credentials (query protocol); `signer` NULL = unsigned. Three tries. */
enum oxp_status oxp_aws_sts(struct oxp_aws_fetch *fetch, struct oxp_view form, const struct oxp_aws_keys *signer,
                            struct oxp_aws_found *found_out);
/* A whole small file (tokens) in the arena, as it stands; `who` begins the error's text. */
enum oxp_status oxp_aws_read_token(struct oxp_aws_fetch *fetch, struct oxp_view path, const char *who,
                                   struct oxp_view *token_out);
/* Frees the answer and wipes its body. */
void oxp_aws_answer_fini(struct oxp_http_response *response);

#endif
