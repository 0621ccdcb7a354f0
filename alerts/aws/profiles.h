/* The shared files together: what a profile says. */
#ifndef OXP_AWS_PROFILES_H
#define OXP_AWS_PROFILES_H

#include "alerts/aws/aws.h"
#include "alerts/aws/ini.h"

struct oxp_aws_profiles {
    struct oxp_aws_ini credentials, config;
};

/* Reads AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials) and AWS_CONFIG_FILE (~/.aws/config) anew; one that is not
 * there is empty, and so is a usual one that cannot be reached. OXP_ERR_SYNTAX with file and line; the status of
 * oxp_file_read. */
enum oxp_status oxp_aws_profiles_load(const struct oxp_aws_world *world, struct oxp_arena *arena,
                                      struct oxp_aws_profiles *profiles_out, struct oxp_error *error);
/* The profile asked for: the place's, AWS_PROFILE, AWS_DEFAULT_PROFILE, "default". */
struct oxp_view oxp_aws_profile_name(const struct oxp_aws_world *world, const struct oxp_aws_place *place);
bool oxp_aws_profile_exists(const struct oxp_aws_profiles *profiles, struct oxp_view profile);
/* What it says, the credentials file first; empty when it says nothing. */
struct oxp_view oxp_aws_profile_get(const struct oxp_aws_profiles *profiles, struct oxp_view profile, const char *name);

#endif
