/* Credentials: where they are found, in which order, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alerts/aws/source.h"
#include "tests/support/alloc_fail.h"
#include "tests/unit/alerts/aws/found.h"

/* ---- Files ---- */

enum { CREDENTIALS, CONFIG, TOKEN, TOKEN_LINE, LINES, FILES };
static char paths[FILES][64];
static const char *const texts[FILES] = {
    [CREDENTIALS] = "[default]\naws_access_key_id = AKIDFILE\naws_secret_access_key = filesecret\n"
                    "[session]\naws_access_key_id = AKIDSESSION\naws_secret_access_key = s\naws_session_token = st\n"
                    "[half]\naws_access_key_id = AKIDHALF\n"
                    "[base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = basesecret\n"
                    "[self]\naws_access_key_id = AKIDSELF\naws_secret_access_key = selfsecret\n",
    [CONFIG] =
        "[default]\nregion = eu-west-1\n[profile conf]\naws_access_key_id = AKIDCONF\naws_secret_access_key = c\n"
        "[profile sso]\nsso_session = x\n"
        "[profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\nexternal_id = e/1\n"
        "[profile chain]\nrole_arn = arn:aws:iam::2:role/r\nsource_profile = role\n"
        "[profile self]\nrole_arn = arn:aws:iam::3:role/r\nsource_profile = self\n"
        "[profile round]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = about\n"
        "[profile about]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = round\n"
        "[profile nowhere]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = missing\n"
        "[profile byenv]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = Environment\n"
        "[profile byecs]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = EcsContainer\n"
        "[profile byguess]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = Guess\n"
        "[profile mfa]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\nmfa_serial = m\n"
        "[profile process]\ncredential_process = /bin/sh -c 'echo \"{\\\"Version\\\": 1, \\\"AccessKeyId\\\": "
        "\\\"AKIDPROC\\\", "
        "\\\"SecretAccessKey\\\": \\\"p\\\", \\\"SessionToken\\\": \\\"pt\\\", \\\"Expiration\\\": "
        "\\\"2026-11-21T17:00:00Z\\\"}\"'\n"
        "[profile procfail]\ncredential_process = /bin/sh -c 'echo topsecret; exit 3'\n"
        "[profile procver]\ncredential_process = echo '{\"Version\": 2}'\n"
        "[profile proctext]\ncredential_process = echo topsecret\n"
        "[profile procquote]\ncredential_process = echo 'open\n"
        "[profile procnone]\ncredential_process = /nonexistent/program\n"
        "[profile empty]\noutput = json\n",
    [TOKEN] = "token-of-a-file",
    [TOKEN_LINE] = " token-of-a-line\n",
    [LINES] = "token\r\nX-Evil: 1",
};

static int set_up(void **state) {
    (void)state;
    for (size_t i = 0; i < FILES; i++) {
        snprintf(paths[i], sizeof paths[i], "/tmp/oxpecker-aws-chain-XXXXXX");
        int fd = mkstemp(paths[i]);
        ssize_t len = (ssize_t)strlen(texts[i]);
        if (fd < 0 || write(fd, texts[i], (size_t)len) != len) {
            return -1;
        }
        close(fd);
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    for (size_t i = 0; i < FILES; i++) {
        unlink(paths[i]);
    }
    return 0;
}

static void with_files(struct fake *fake) {
    fake_init(fake);
    fake_set(fake, "AWS_SHARED_CREDENTIALS_FILE", paths[CREDENTIALS]);
    fake_set(fake, "AWS_CONFIG_FILE", paths[CONFIG]);
    fake_set(fake, "AWS_EC2_METADATA_DISABLED", "true");
}

static void the_order(void **state) {
    (void)state;
    struct fake fake;
    with_files(&fake);
    fake_set(&fake, "AWS_WEB_IDENTITY_TOKEN_FILE", paths[TOKEN]);
    fake_set(&fake, "AWS_ROLE_ARN", "arn:aws:iam::1:role/web");
    fake_set(&fake, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c");
    fake_set(&fake, "AWS_ACCESS_KEY_ID", "AKIDENV");
    fake_set(&fake, "AWS_SECRET_ACCESS_KEY", "es");
    fake_set(&fake, "AWS_SESSION_TOKEN", "et");
    fake_answer(&fake,
                (struct fake_answer){.url = "sts.", .http = 200, .body = STS("AKIDWEB", AN_HOUR), .stays = true});
    fake_answer(&fake, (struct fake_answer){.url = "/c", .http = 200, .body = JSON("AKIDECS", AN_HOUR), .stays = true});
    struct found found = ask_once(&fake, NULL);
    expect("the environment first", &found, "AKIDENV", "environment");
    assert_string_equal(found.token, "et");
    found = ask_once(&fake, "base");
    expect("a profile that was asked for passes it by", &found, "AKIDBASE", "profile base");
    fake_set(&fake, "AWS_PROFILE", "conf");
    found = ask_once(&fake, NULL);
    expect("one of the environment does not", &found, "AKIDENV", "environment");
    fake_set(&fake, "AWS_ACCESS_KEY_ID", NULL);
    fake_set(&fake, "AWS_PROFILE", NULL);
    found = ask_once(&fake, NULL);
    expect("web identity", &found, "AKIDWEB", "web identity");
    fake_set(&fake, "AWS_PROFILE", "role");
    found = ask_once(&fake, NULL);
    expect("a role before web identity", &found, "AKIDWEB", "profile role");
    fake_set(&fake, "AWS_WEB_IDENTITY_TOKEN_FILE", NULL);
    fake_set(&fake, "AWS_PROFILE", NULL);
    found = ask_once(&fake, NULL);
    expect("the files", &found, "AKIDFILE", "profile default");
    fake_set(&fake, "AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/x");
    found = ask_once(&fake, NULL);
    expect("the container", &found, "AKIDECS", "container");
    fake_set(&fake, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", NULL);
    found = ask_once(&fake, NULL);
    expect_error("nothing", &found, OXP_ERR_NOT_FOUND, "no AWS credentials: tried AWS_ACCESS_KEY_ID");
}

static void profiles(void **state) {
    (void)state;
    static const struct {
        const char *profile, *id, *token; /* id NULL = an error that says `token` */
        enum oxp_status expect;
    } rows[] = {
        {"base", "AKIDBASE", "", OXP_OK},
        {"session", "AKIDSESSION", "st", OXP_OK},
        {"conf", "AKIDCONF", "", OXP_OK},
        {"process", "AKIDPROC", "pt", OXP_OK},
        {"half", NULL, "profile half: the secret access key is missing", OXP_ERR_INVALID},
        {"missing", NULL, "there is no profile missing", OXP_ERR_NOT_FOUND},
        {"empty", NULL, "no AWS credentials", OXP_ERR_NOT_FOUND},
        {"sso", NULL, "sso_session", OXP_ERR_UNSUPPORTED},
        {"round", NULL, "circle", OXP_ERR_INVALID},
        {"nowhere", NULL, "there is no profile missing", OXP_ERR_NOT_FOUND},
        {"byenv", NULL, "credential_source Environment has no keys", OXP_ERR_NOT_FOUND},
        {"byguess", NULL, "no credential_source \"Guess\"", OXP_ERR_INVALID},
        {"mfa", NULL, "mfa_serial", OXP_ERR_UNSUPPORTED},
        {"procfail", NULL, "failed with status 3", OXP_ERR_IO},
        {"procver", NULL, "Version 1", OXP_ERR_UNSUPPORTED},
        {"proctext", NULL, "did not print JSON", OXP_ERR_INVALID},
        {"procquote", NULL, "quotes", OXP_ERR_SYNTAX},
        {"procnone", NULL, "/nonexistent/program", OXP_ERR_IO},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake fake;
        char source[64];
        with_files(&fake);
        struct found found = ask_once(&fake, rows[i].profile);
        snprintf(source, sizeof source, "profile %s", rows[i].profile);
        if (rows[i].id != NULL) {
            expect(rows[i].profile, &found, rows[i].id, source);
            assert_string_equal(found.token, rows[i].token);
        } else if (strcmp(rows[i].profile, "half") == 0) { /* its text has the word that the others must not have */
            assert_int_equal(found.status, rows[i].expect);
            assert_string_equal(found.error.text, rows[i].token);
        } else {
            expect_error(rows[i].profile, &found, rows[i].expect, rows[i].token);
        }
        assert_int_equal(fake.asked_count, 0);
    }
}

static void roles(void **state) {
    (void)state;
    struct fake fake;
    with_files(&fake);
    fake_set(&fake, "AWS_REGION", "eu-west-1");
    fake_answer(&fake, (struct fake_answer){.url = "sts.", .http = 200, .body = STS("AKIDONE", AN_HOUR)});
    fake_answer(&fake, (struct fake_answer){.url = "sts.", .http = 200, .body = STS("AKIDTWO", AN_HOUR)});
    struct found found = ask_once(&fake, "chain");
    expect("a role by a role", &found, "AKIDTWO", "profile chain");
    assert_int_equal(fake.asked_count, 2);
    assert_string_equal(fake.asked[0].url, "https://sts.eu-west-1.amazonaws.com/");
    assert_non_null(strstr(fake.asked[0].body,
                           "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"
                           "&RoleSessionName=oxpecker-1795276800&ExternalId=e%2F1"));
    assert_non_null(strstr(fake.asked[0].headers, "Credential=AKIDBASE/20261121/eu-west-1/sts/aws4_request"));
    assert_non_null(strstr(fake.asked[1].headers, "Credential=AKIDONE/"));
    assert_true(fake_has_header(&fake, 1, "X-Amz-Security-Token: ststoken"));
    assert_false(fake.asked[0].direct);

    with_files(&fake);
    fake_answer(&fake, (struct fake_answer){.url = "sts.", .http = 200, .body = STS("AKIDONE", AN_HOUR)});
    found = ask_once(&fake, "self");
    expect("a profile that is its own source", &found, "AKIDONE", "profile self");
    assert_non_null(strstr(fake.asked[0].headers, "Credential=AKIDSELF/"));

    with_files(&fake);
    fake_set(&fake, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c");
    fake_answer(&fake, (struct fake_answer){.url = "/c", .http = 200, .body = JSON("AKIDECS", AN_HOUR)});
    fake_answer(&fake, (struct fake_answer){.url = "sts.", .http = 200, .body = STS("AKIDONE", AN_HOUR)});
    found = ask_once(&fake, "byecs");
    expect("a role by the container", &found, "AKIDONE", "profile byecs");
    assert_non_null(strstr(fake.asked[1].headers, "Credential=AKIDECS/"));

    with_files(&fake);
    fake_set(&fake, "AWS_ACCESS_KEY_ID", "AKIDENV");
    fake_set(&fake, "AWS_SECRET_ACCESS_KEY", "es");
    fake_answer(&fake, (struct fake_answer){.url = "sts.", .http = 200, .body = STS("AKIDONE", AN_HOUR)});
    found = ask_once(&fake, "byenv");
    expect("a role by the environment", &found, "AKIDONE", "profile byenv");
}

static void web_identity(void **state) {
    (void)state;
    static const struct {
        const char *what;
        struct fake_answer answers[3];
        unsigned asked;
        enum oxp_status expect;
        const char *says;
    } rows[] = {
        {"good", {{.url = "sts.", .http = 200, .body = STS("AKIDWEB", AN_HOUR)}}, 1, OXP_OK, ""},
        {"after an error",
         {{.url = "sts.", .http = 500}, {.url = "sts.", .http = 200, .body = STS("AKIDWEB", AN_HOUR)}},
         2,
         OXP_OK,
         ""},
        {"after a throttle",
         {{.url = "sts.", .http = 400, .body = "<E><Code>Throttling</Code></E>"},
          {.url = "sts.", .status = OXP_ERR_TIMEOUT},
          {.url = "sts.", .http = 200, .body = STS("AKIDWEB", AN_HOUR)}},
         3,
         OXP_OK,
         ""},
        {"no",
         {{.url = "sts.", .http = 403, .body = "<E><Code>AccessDenied</Code><Message>not you</Message></E>"}},
         1,
         OXP_ERR_DENIED,
         "STS: HTTP 403 AccessDenied: not you"},
        {"nobody", {{.url = NULL, .status = OXP_ERR_CLOSED, .stays = true}}, 3, OXP_ERR_CLOSED, "the fake says"},
        {"not XML", {{.url = "sts.", .http = 200, .body = "{}"}}, 1, OXP_ERR_INVALID, "no credentials"},
        {"half of it",
         {{.url = "sts.", .http = 200, .body = "<AccessKeyId>A</AccessKeyId><Expiration>" AN_HOUR "</Expiration>"}},
         1,
         OXP_ERR_INVALID,
         "missing"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake fake;
        without_files(&fake);
        fake_set(&fake, "AWS_WEB_IDENTITY_TOKEN_FILE", paths[TOKEN]);
        fake_set(&fake, "AWS_ROLE_ARN", "arn:aws:iam::1:role/web");
        for (size_t k = 0; k < 3; k++) {
            fake_answer(&fake, rows[i].answers[k]);
        }
        struct found found = ask_once(&fake, NULL);
        if (found.status != rows[i].expect || strstr(found.error.text, rows[i].says) == NULL ||
            fake.asked_count != rows[i].asked) {
            print_error("%s: %s \"%s\", asked %zu times\n", rows[i].what, oxp_status_name(found.status),
                        found.error.text, fake.asked_count);
            fail();
        }
        assert_null(strstr(fake.asked[0].headers, "Authorization"));
        assert_non_null(strstr(fake.asked[0].body, "&WebIdentityToken=token-of-a-file"));
    }
    struct fake fake;
    without_files(&fake);
    fake_set(&fake, "AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token");
    fake_set(&fake, "AWS_ROLE_ARN", "arn:aws:iam::1:role/web");
    struct found found = ask_once(&fake, NULL);
    expect_error("no token file", &found, OXP_ERR_NOT_FOUND, "/nonexistent/token");
    fake_set(&fake, "AWS_ROLE_ARN", NULL);
    found = ask_once(&fake, NULL);
    expect_error("no role", &found, OXP_ERR_INVALID, "no role");
    without_files(&fake);
    fake_set(&fake, "AWS_WEB_IDENTITY_TOKEN_FILE", paths[TOKEN]);
    fake_set(&fake, "AWS_ROLE_ARN", "arn:aws:iam::1:role/web");
    fake_set(&fake, "AWS_REGION", NULL);
    fake_answer(
        &fake, (struct fake_answer){.url = "https://sts.amazonaws.com/", .http = 200, .body = STS("AKIDWEB", AN_HOUR)});
    found = ask_once(&fake, NULL);
    expect("no region: the old global one", &found, "AKIDWEB", "web identity");
    fake_set(&fake, "AWS_WEB_IDENTITY_TOKEN_FILE", paths[TOKEN_LINE]);
    fake_answer(&fake, (struct fake_answer){.url = "https://sts.us-west-2.amazonaws.com/",
                                            .http = 200,
                                            .body = STS("AKIDWEB", AN_HOUR)});
    struct oxp_aws_credentials *credentials = NULL;
    struct oxp_aws_place place = {.region = OXP_VIEW("us-west-2"), .endpoint = OXP_VIEW("http://another.service")};
    assert_int_equal(oxp_aws_credentials_new(&fake.world, &place, &credentials), OXP_OK);
    found = ask(credentials, false);
    expect("the place's region, not its endpoint", &found, "AKIDWEB", "web identity");
    const char *body = fake.asked[fake.asked_count - 1].body;
    assert_string_equal(strstr(body, "&WebIdentityToken="), "&WebIdentityToken=token-of-a-line");
    oxp_aws_credentials_free(credentials);
}

static void environment_by_halves(void **state) {
    (void)state;
    struct fake fake;
    without_files(&fake);
    fake_set(&fake, "AWS_ACCESS_KEY_ID", "AKIDENV");
    struct found found = ask_once(&fake, NULL);
    assert_int_equal(found.status, OXP_ERR_INVALID);
    assert_string_equal(found.error.text, "environment: the secret access key is missing");
    fake_set(&fake, "AWS_SECRET_ACCESS_KEY", "evil\n");
    found = ask_once(&fake, NULL);
    expect_error("a newline", &found, OXP_ERR_INVALID, "control characters");
}

static void bad_files(void **state) {
    (void)state;
    struct fake fake;
    with_files(&fake);
    fake_set(&fake, "AWS_CONFIG_FILE", paths[TOKEN]);
    struct found found = ask_once(&fake, NULL);
    assert_int_equal(found.status, OXP_ERR_SYNTAX);
    assert_int_equal(found.error.line, 1);
    assert_non_null(strstr(found.error.text, paths[TOKEN]));
    assert_null(strstr(found.error.text, "token-of-a-file"));
}

static void files_out_of_reach(void **state) {
    (void)state;
    struct fake fake;
    without_files(&fake);
    fake_set(&fake, "AWS_SHARED_CREDENTIALS_FILE", NULL);
    fake_set(&fake, "AWS_CONFIG_FILE", NULL);
    fake_set(&fake, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c");
    fake_answer(&fake, (struct fake_answer){.url = "/c", .http = 200, .body = JSON("AKIDECS", AN_HOUR), .stays = true});
    static const char *const homes[] = {NULL, "", "/nonexistent", "/dev/null"};
    for (size_t i = 0; i < sizeof homes / sizeof homes[0]; i++) {
        fake_set(&fake, "HOME", homes[i]);
        struct found found = ask_once(&fake, NULL);
        expect("a home that is none", &found, "AKIDECS", "container");
    }
    fake_set(&fake, "AWS_CONFIG_FILE", "/dev/null/config"); /* one that was named is missed */
    struct found found = ask_once(&fake, NULL);
    assert_int_not_equal(found.status, OXP_OK);
    assert_non_null(strstr(found.error.text, "/dev/null/config"));
}

/* ---- Memory ---- */

struct memory_row {
    const char *profile;
    const char *name, *value;
};

static void walk_once(void *ctx) {
    const struct memory_row *row = ctx;
    struct fake fake;
    struct oxp_aws_credentials *credentials = NULL;
    struct oxp_aws_place place = {.profile = oxp_view_from(row->profile)};
    with_files(&fake);
    if (row->profile == NULL) {
        fake_set(&fake, "AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/x");
    }
    fake_set(&fake, row->name, row->value);
    fake_set(&fake, "AWS_ROLE_ARN", "arn:aws:iam::1:role/web");
    fake_answer(&fake, (struct fake_answer){.url = "sts.", .http = 200, .body = STS("ONE", AN_HOUR), .stays = true});
    fake_answer(&fake, (struct fake_answer){.url = "/c", .http = 200, .body = JSON("ONE", AN_HOUR), .stays = true});
    fake_answer(&fake, (struct fake_answer){.url = "/api/token", .http = 200, .body = "t", .stays = true});
    fake_answer(
        &fake, (struct fake_answer){.url = "-credentials/r", .http = 200, .body = JSON("ONE", AN_HOUR), .stays = true});
    fake_answer(&fake, (struct fake_answer){.url = "-credentials/", .http = 200, .body = "r", .stays = true});
    if (oxp_aws_credentials_new(&fake.world, &place, &credentials) != OXP_OK) {
        assert_true(alloc_fail_hit());
        return;
    }
    struct found found = ask(credentials, false);
    if (found.status != OXP_OK && found.status != OXP_ERR_NOMEM) {
        print_error("%s: %s %s\n", row->name, oxp_status_name(found.status), found.error.text);
        fail();
    }
    assert_true(found.status == OXP_OK || alloc_fail_hit());
    oxp_aws_credentials_free(credentials);
}

static void allocations_fail(void **state) {
    (void)state;
    static struct memory_row rows[] = {
        {"base", "X", "y"},
        {"chain", "X", "y"},
        {"process", "X", "y"},
        {NULL, "AWS_WEB_IDENTITY_TOKEN_FILE", paths[TOKEN]},
        {NULL, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c"},
        {NULL, "AWS_EC2_METADATA_DISABLED", "false"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(alloc_fail_each(walk_once, &rows[i]) >= 4);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order),
        cmocka_unit_test(profiles),
        cmocka_unit_test(roles),
        cmocka_unit_test(web_identity),
        cmocka_unit_test(environment_by_halves),
        cmocka_unit_test(bad_files),
        cmocka_unit_test(files_out_of_reach),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
