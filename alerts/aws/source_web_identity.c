/* Web identity (Kubernetes' IRSA, and any OpenID provider): a token file and a role, by environment or profile. The
 * call is unsigned, as the token is the proof; whoever issues it replaces the file, so it is read anew each time. */
#include <stdio.h>

#include "alerts/aws/parts.h"
#include "alerts/aws/source.h"

struct identity {
    struct oxp_view token_file, role, session;
};

static enum oxp_status assume(struct oxp_aws_fetch *fetch, const struct identity *identity,
                              struct oxp_aws_found *found_out) {
    struct oxp_view token = {NULL, 0};
    struct oxp_buf form;
    char session[48];
    if (identity->role.len == 0) {
        return oxp_error_set(fetch->error, OXP_ERR_INVALID, 0, 0, "web identity: there is a token file, but no role");
    }
    enum oxp_status status = oxp_aws_read_token(fetch, identity->token_file, "web identity", &token);
    if (status != OXP_OK) {
        return status;
    }
    (void)snprintf(session, sizeof session, "oxpecker-%lld", (long long)(oxp_aws_now_ms(fetch->world) / 1000));
    oxp_buf_init(&form, 0);
    oxp_aws_form_add(&form, "Action", OXP_VIEW("AssumeRoleWithWebIdentity"));
    oxp_aws_form_add(&form, "Version", OXP_VIEW("2011-06-15"));
    oxp_aws_form_add(&form, "RoleArn", identity->role);
    oxp_aws_form_add(&form, "RoleSessionName", identity->session.len > 0 ? identity->session : oxp_view_from(session));
    oxp_aws_form_add(&form, "WebIdentityToken", oxp_aws_trim(token));
    status = oxp_buf_status(&form);
    if (status == OXP_OK) {
        status = oxp_aws_sts(fetch, oxp_buf_view(&form), NULL, found_out);
    }
    if (form.data != NULL) {
        explicit_bzero(form.data, form.size);
    }
    oxp_buf_fini(&form);
    (void)snprintf(found_out->source, sizeof found_out->source, "web identity");
    return status;
}

enum oxp_status oxp_aws_web_identity_profile(struct oxp_aws_fetch *fetch, struct oxp_view profile,
                                             struct oxp_aws_found *found_out) {
    struct identity identity = {
        oxp_aws_fetch_setting(fetch, profile, "web_identity_token_file"),
        oxp_aws_fetch_setting(fetch, profile, "role_arn"),
        oxp_aws_fetch_setting(fetch, profile, "role_session_name"),
    };
    return identity.token_file.len == 0 ? OXP_IGNORED : assume(fetch, &identity, found_out);
}

enum oxp_status oxp_aws_from_web_identity(struct oxp_aws_fetch *fetch, struct oxp_aws_found *found_out) {
    struct identity identity = {
        oxp_aws_env(fetch->world, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        oxp_aws_env(fetch->world, "AWS_ROLE_ARN"),
        oxp_aws_env(fetch->world, "AWS_ROLE_SESSION_NAME"),
    };
    if (identity.token_file.len > 0 && fetch->place->profile.len == 0) {
        return assume(fetch, &identity, found_out);
    }
    enum oxp_status status = oxp_aws_fetch_profiles(fetch);
    return status != OXP_OK
               ? status
               : oxp_aws_web_identity_profile(fetch, oxp_aws_profile_name(fetch->world, fetch->place), found_out);
}
