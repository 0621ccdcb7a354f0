/* Profiles of the shared files: static keys, or a process that prints keys. Single sign-on wants a person, so it is
 * named and refused. */
#include <stdio.h>

#include "alerts/aws/parts.h"
#include "alerts/aws/source.h"

enum oxp_status oxp_aws_static_keys(struct oxp_aws_fetch *fetch, struct oxp_view profile,
                                    struct oxp_aws_found *found_out) {
    char text[161], who[180];
    struct oxp_aws_keys keys = {
        oxp_aws_fetch_setting(fetch, profile, "aws_access_key_id"),
        oxp_aws_fetch_setting(fetch, profile, "aws_secret_access_key"),
        oxp_aws_fetch_setting(fetch, profile, "aws_session_token"),
    };
    if (keys.access_key_id.len == 0 && keys.secret_access_key.len == 0) {
        return OXP_IGNORED;
    }
    found_out->keys = keys;
    found_out->expires_ms = 0;
    (void)snprintf(found_out->source, sizeof found_out->source, "profile %.80s", oxp_aws_safe(profile, text));
    (void)snprintf(who, sizeof who, "profile %s", text);
    return oxp_aws_keys_check(fetch, &keys, who);
}

enum oxp_status oxp_aws_plain_profile(struct oxp_aws_fetch *fetch, struct oxp_view profile,
                                      struct oxp_aws_found *found_out) {
    char text[161];
    enum oxp_status status = oxp_aws_static_keys(fetch, profile, found_out);
    struct oxp_view command = oxp_aws_fetch_setting(fetch, profile, "credential_process");
    if (status != OXP_IGNORED || command.len == 0) {
        return status;
    }
    (void)snprintf(found_out->source, sizeof found_out->source, "profile %.80s", oxp_aws_safe(profile, text));
    return oxp_aws_from_process(fetch, command, found_out);
}

enum oxp_status oxp_aws_from_profile(struct oxp_aws_fetch *fetch, struct oxp_aws_found *found_out) {
    static const char *const interactive[] = {"sso_session", "sso_start_url", "sso_account_id", "login_session"};
    struct oxp_view profile = oxp_aws_profile_name(fetch->world, fetch->place);
    char text[161];
    enum oxp_status status = oxp_aws_fetch_profiles(fetch);
    if (status != OXP_OK) {
        return status;
    }
    if (!oxp_aws_profile_exists(&fetch->profiles, profile)) {
        return oxp_view_is(profile, "default")
                   ? OXP_IGNORED
                   : oxp_error_set(fetch->error, OXP_ERR_NOT_FOUND, 0, 0,
                                   "there is no profile %s in the shared files of AWS", oxp_aws_safe(profile, text));
    }
    status = oxp_aws_plain_profile(fetch, profile, found_out);
    for (size_t i = 0; status == OXP_IGNORED && i < sizeof interactive / sizeof interactive[0]; i++) {
        if (oxp_aws_fetch_setting(fetch, profile, interactive[i]).len > 0) {
            return oxp_error_set(fetch->error, OXP_ERR_UNSUPPORTED, 0, 0,
                                 "profile %s signs on with a person (%s), which this program does not do",
                                 oxp_aws_safe(profile, text), interactive[i]);
        }
    }
    return status;
}
