#include "alerts/aws/profiles.h"

#include "alerts/aws/parts.h"
#include "lib/base/file.h"

enum { FILE_MAX = 1 << 20 };

static const struct names {
    const char *variable, *usual;
    bool config;
} credentials_file = {"AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", false},
  config_file = {"AWS_CONFIG_FILE", "~/.aws/config", true};

/* The path of a variable or of its default in the home directory; NULL when there is neither, or no memory. */
static const char *path_of(const struct oxp_aws_world *world, const char *variable, const char *usual,
                           struct oxp_arena *arena) {
    struct oxp_view path = oxp_aws_env(world, variable), home = oxp_aws_env(world, "HOME");
    if (path.len == 0) {
        path = oxp_view_from(usual);
    }
    if (!oxp_view_starts(path, OXP_VIEW("~/"))) {
        return oxp_aws_text(arena, path);
    }
    return home.len == 0 ? NULL
                         : oxp_aws_format(arena, "%.*s%.*s", (int)home.len, home.ptr, (int)path.len - 1, path.ptr + 1);
}

/* `named`: somebody asked for this very file. The usual one may also be out of reach (a service's user whose HOME is
 * another's), which is as good as not being there. */
static enum oxp_status read_text(const char *path, bool named, struct oxp_buf *bytes, struct oxp_error *error) {
    enum oxp_status status = oxp_file_read(path, bytes, error);
    bool ours = status == OXP_OK || status == OXP_ERR_NOMEM || status == OXP_ERR_LIMIT;
    return ours || named ? status : OXP_END;
}

static enum oxp_status load(const struct names *names, const struct oxp_aws_world *world, struct oxp_arena *arena,
                            struct oxp_aws_ini *ini_out, struct oxp_error *error) {
    struct oxp_buf bytes;
    const char *path = path_of(world, names->variable, names->usual, arena);
    bool named = oxp_aws_env(world, names->variable).len > 0;
    *ini_out = (struct oxp_aws_ini){NULL, 0};
    if (path == NULL) {
        return oxp_arena_status(arena);
    }
    oxp_buf_init(&bytes, FILE_MAX);
    enum oxp_status status = read_text(path, named, &bytes, error);
    struct oxp_view text = {NULL, 0};
    if (status == OXP_OK) {
        text = oxp_arena_copy(arena, oxp_buf_view(&bytes));
        status = oxp_arena_status(arena);
    }
    if (bytes.data != NULL) {
        explicit_bzero(bytes.data, bytes.size);
    }
    oxp_buf_fini(&bytes);
    if (status != OXP_OK) {
        return status == OXP_END ? OXP_OK : status;
    }
    return oxp_aws_ini_parse(text, names->config, path, arena, ini_out, error);
}

enum oxp_status oxp_aws_profiles_load(const struct oxp_aws_world *world, struct oxp_arena *arena,
                                      struct oxp_aws_profiles *profiles_out, struct oxp_error *error) {
    enum oxp_status status = load(&credentials_file, world, arena, &profiles_out->credentials, error);
    if (status == OXP_OK) {
        status = load(&config_file, world, arena, &profiles_out->config, error);
    }
    return status;
}

struct oxp_view oxp_aws_profile_name(const struct oxp_aws_world *world, const struct oxp_aws_place *place) {
    struct oxp_view name = place->profile;
    name = name.len > 0 ? name : oxp_aws_env(world, "AWS_PROFILE");
    name = name.len > 0 ? name : oxp_aws_env(world, "AWS_DEFAULT_PROFILE");
    return name.len > 0 ? name : OXP_VIEW("default");
}

bool oxp_aws_profile_exists(const struct oxp_aws_profiles *profiles, struct oxp_view profile) {
    return oxp_aws_ini_has(&profiles->credentials, profile) || oxp_aws_ini_has(&profiles->config, profile);
}

struct oxp_view oxp_aws_profile_get(const struct oxp_aws_profiles *profiles, struct oxp_view profile,
                                    const char *name) {
    struct oxp_view value = oxp_aws_ini_get(&profiles->credentials, profile, name);
    return value.ptr != NULL ? value : oxp_aws_ini_get(&profiles->config, profile, name);
}
