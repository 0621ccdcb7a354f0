#include "tests/unit/alerts/aws/found.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

void without_files(struct fake *fake) {
    fake_init(fake);
    fake_set(fake, "AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/a");
    fake_set(fake, "AWS_CONFIG_FILE", "/nonexistent/b");
    fake_set(fake, "AWS_REGION", "eu-west-1");
    fake_set(fake, "AWS_EC2_METADATA_DISABLED", "true");
}

static void keep(char out[64], struct oxp_view text) {
    snprintf(out, 64, "%.*s", (int)text.len, text.len == 0 ? "" : text.ptr);
}

struct found ask(struct oxp_aws_credentials *credentials, bool force) {
    struct found found = {.status = OXP_OK};
    struct oxp_aws_keys keys = {.access_key_id = {NULL, 0}};
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    found.status = oxp_aws_keys_get(credentials, force, &arena, &keys, &found.error);
    keep(found.id, keys.access_key_id);
    keep(found.secret, keys.secret_access_key);
    keep(found.token, keys.session_token);
    oxp_aws_credentials_source(credentials, found.source, sizeof found.source);
    oxp_arena_fini(&arena);
    return found;
}

struct found ask_once(struct fake *fake, const char *profile) {
    struct oxp_aws_credentials *credentials = NULL;
    struct oxp_aws_place place = {.profile = oxp_view_from(profile)};
    assert_int_equal(oxp_aws_credentials_new(&fake->world, &place, &credentials), OXP_OK);
    struct found found = ask(credentials, false);
    oxp_aws_credentials_free(credentials);
    return found;
}

void expect(const char *what, const struct found *found, const char *id, const char *source) {
    if (found->status != OXP_OK || strcmp(found->id, id) != 0 || strcmp(found->source, source) != 0) {
        print_error("%s: %s \"%s\", %s by \"%s\"\n", what, oxp_status_name(found->status), found->error.text, found->id,
                    found->source);
        fail();
    }
}

void expect_error(const char *what, const struct found *found, enum oxp_status status, const char *says) {
    if (found->status != status || strstr(found->error.text, says) == NULL || found->id[0] != '\0' ||
        strstr(found->error.text, "secret") != NULL || strstr(found->error.text, "evil") != NULL) {
        print_error("%s: %s \"%s\", %s\n", what, oxp_status_name(found->status), found->error.text, found->id);
        fail();
    }
}
