/* Profiles that take on a role: role_arn with source_profile (another profile's keys, which may be of a role too) or
 * credential_source (Environment, EcsContainer, Ec2InstanceMetadata), by a signed STS AssumeRole. */
#include <stdio.h>

#include "alerts/aws/parts.h"
#include "alerts/aws/source.h"

enum { CHAIN_MAX = 8 }; /* roles on the way; a longer chain is taken for a circle */

static const struct {
    const char *name;
    oxp_aws_source_fn fn;
} sources[] = {
    {"Environment", oxp_aws_from_environment},
    {"EcsContainer", oxp_aws_from_container},
    {"Ec2InstanceMetadata", oxp_aws_from_instance},
};

static const char *shown(struct oxp_view profile, char out[161]) {
    return oxp_aws_safe(profile, out);
}

static bool has_role(const struct oxp_aws_fetch *fetch, struct oxp_view profile) {
    return oxp_aws_fetch_setting(fetch, profile, "role_arn").len > 0 &&
           (oxp_aws_fetch_setting(fetch, profile, "source_profile").len > 0 ||
            oxp_aws_fetch_setting(fetch, profile, "credential_source").len > 0);
}

/* AssumeRole of one profile, signed by the keys found so far, which those of the role replace. */
static enum oxp_status assume(struct oxp_aws_fetch *fetch, struct oxp_view profile, struct oxp_aws_found *found) {
    static const struct {
        const char *setting, *argument;
    } optional[] = {{"external_id", "ExternalId"}, {"duration_seconds", "DurationSeconds"}};
    struct oxp_aws_keys signer = found->keys;
    struct oxp_buf form;
    char usual[48], text[161];
    struct oxp_view session = oxp_aws_fetch_setting(fetch, profile, "role_session_name");
    if (oxp_aws_fetch_setting(fetch, profile, "mfa_serial").len > 0) {
        return oxp_error_set(fetch->error, OXP_ERR_UNSUPPORTED, 0, 0,
                             "profile %s: mfa_serial wants a person, and there is none", shown(profile, text));
    }
    (void)snprintf(usual, sizeof usual, "oxpecker-%lld", (long long)(oxp_aws_now_ms(fetch->world) / 1000));
    oxp_buf_init(&form, 0);
    oxp_aws_form_add(&form, "Action", OXP_VIEW("AssumeRole"));
    oxp_aws_form_add(&form, "Version", OXP_VIEW("2011-06-15"));
    oxp_aws_form_add(&form, "RoleArn", oxp_aws_fetch_setting(fetch, profile, "role_arn"));
    oxp_aws_form_add(&form, "RoleSessionName", session.len > 0 ? session : oxp_view_from(usual));
    for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++) {
        struct oxp_view value = oxp_aws_fetch_setting(fetch, profile, optional[i].setting);
        if (value.len > 0) {
            oxp_aws_form_add(&form, optional[i].argument, value);
        }
    }
    enum oxp_status status = oxp_buf_status(&form);
    if (status == OXP_OK) {
        status = oxp_aws_sts(fetch, oxp_buf_view(&form), &signer, found);
    }
    oxp_buf_fini(&form);
    return status;
}

static enum oxp_status named_source(struct oxp_aws_fetch *fetch, struct oxp_view profile, struct oxp_view name,
                                    struct oxp_aws_found *found_out) {
    char text[161], other[161];
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        if (oxp_aws_same(name, sources[i].name)) {
            struct oxp_aws_place anywhere = *fetch->place;
            struct oxp_aws_fetch inner = *fetch;
            anywhere.profile = oxp_view_of(NULL, 0); /* the profile itself sends us to the environment */
            inner.place = &anywhere;
            enum oxp_status status = sources[i].fn(&inner, found_out);
            return status != OXP_IGNORED ? status
                                         : oxp_error_set(fetch->error, OXP_ERR_NOT_FOUND, 0, 0,
                                                         "profile %s: its credential_source %s has no keys",
                                                         shown(profile, text), sources[i].name);
        }
    }
    return oxp_error_set(fetch->error, OXP_ERR_INVALID, 0, 0, "profile %s: there is no credential_source \"%s\"",
                         shown(profile, text), oxp_aws_safe(name, other));
}

/* The keys of a profile that another one names as its source and that has no role of its own. */
static enum oxp_status end_of_chain(struct oxp_aws_fetch *fetch, struct oxp_view profile,
                                    struct oxp_aws_found *found_out) {
    char text[161];
    if (!oxp_aws_profile_exists(&fetch->profiles, profile)) {
        return oxp_error_set(fetch->error, OXP_ERR_NOT_FOUND, 0, 0, "there is no profile %s", shown(profile, text));
    }
    enum oxp_status status = oxp_aws_web_identity_profile(fetch, profile, found_out);
    if (status == OXP_IGNORED) {
        status = oxp_aws_plain_profile(fetch, profile, found_out);
    }
    return status != OXP_IGNORED
               ? status
               : oxp_error_set(fetch->error, OXP_ERR_NOT_FOUND, 0, 0, "profile %s has no keys", shown(profile, text));
}

enum oxp_status oxp_aws_from_role(struct oxp_aws_fetch *fetch, struct oxp_aws_found *found_out) {
    struct oxp_view chain[CHAIN_MAX], profile = oxp_aws_profile_name(fetch->world, fetch->place);
    size_t count = 0;
    char text[161];
    enum oxp_status status = oxp_aws_fetch_profiles(fetch);
    if (status != OXP_OK || !has_role(fetch, profile)) {
        return status != OXP_OK ? status : OXP_IGNORED;
    }
    struct oxp_view first = profile;
    for (;;) { /* down to where keys are, then up again role by role */
        if (count == CHAIN_MAX) {
            return oxp_error_set(fetch->error, OXP_ERR_INVALID, 0, 0, "profile %s: its source profiles go in a circle",
                                 shown(first, text));
        }
        chain[count++] = profile;
        struct oxp_view next = oxp_aws_fetch_setting(fetch, profile, "source_profile");
        struct oxp_view source = oxp_aws_fetch_setting(fetch, profile, "credential_source");
        if (next.len == 0) {
            status = named_source(fetch, profile, source, found_out);
            break;
        }
        status = oxp_aws_static_keys(fetch, next,
                                     found_out); /* they win over its role, and allow a profile to name itself */
        if (status != OXP_IGNORED) {
            break;
        }
        if (!has_role(fetch, next)) {
            status = end_of_chain(fetch, next, found_out);
            break;
        }
        profile = next;
    }
    while (status == OXP_OK && count > 0) {
        status = assume(fetch, chain[--count], found_out);
    }
    (void)snprintf(found_out->source, sizeof found_out->source, "profile %.80s", shown(first, text));
    return status;
}
