/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; not when a profile was asked for by configuration. */
#include <stdio.h>

#include "alerts/aws/parts.h"
#include "alerts/aws/source.h"

enum oxp_status oxp_aws_from_environment(struct oxp_aws_fetch *fetch, struct oxp_aws_found *found_out) {
    struct oxp_view id = oxp_aws_env(fetch->world, "AWS_ACCESS_KEY_ID");
    struct oxp_view token = oxp_aws_env(fetch->world, "AWS_SESSION_TOKEN");
    token = token.len > 0 ? token : oxp_aws_env(fetch->world, "AWS_SECURITY_TOKEN");
    if (id.len == 0 || fetch->place->profile.len > 0) {
        return OXP_IGNORED;
    }
    found_out->keys.access_key_id = oxp_arena_copy(fetch->arena, id);
    found_out->keys.secret_access_key =
        oxp_arena_copy(fetch->arena, oxp_aws_env(fetch->world, "AWS_SECRET_ACCESS_KEY"));
    found_out->keys.session_token = oxp_arena_copy(fetch->arena, token);
    if (oxp_arena_status(fetch->arena) != OXP_OK) {
        return oxp_arena_status(fetch->arena);
    }
    (void)snprintf(found_out->source, sizeof found_out->source, "environment");
    return oxp_aws_keys_check(fetch, &found_out->keys, "environment");
}
