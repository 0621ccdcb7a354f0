/* Where services are. (tests/integration/test_aws.py holds the same rules against botocore's.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/alloc_fail.h"
#include "tests/unit/alerts/aws/fake.h"

static char config[] = "/tmp/oxpecker-aws-config-XXXXXX";

static int set_up(void **state) {
    (void)state;
    static const char text[] =
        "[default]\nregion = eu-north-1\n[profile other]\nregion = ap-south-1\n[profile none]\noutput = json\n";
    int fd = mkstemp(config);
    ssize_t written = fd < 0 ? -1 : write(fd, text, sizeof text - 1);
    close(fd);
    return written == (ssize_t)sizeof text - 1 ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    return unlink(config);
}

struct row {
    const char *what, *service;
    const char *region, *endpoint, *profile;
    bool fips, dual;
    const char *variables[6]; /* name, value, … */
    enum oxp_status expect;
    const char *url, *says; /* the URL, or a part of the error */
    const char *region_out; /* NULL = the same */
};

static void check(const struct row *row) {
    struct fake fake;
    struct oxp_arena arena;
    struct oxp_view url = {NULL, 0}, region = {NULL, 0};
    struct oxp_error error = {0};
    fake_init(&fake);
    oxp_arena_init(&arena, 0);
    fake_set(&fake, "AWS_CONFIG_FILE", config);
    fake_set(&fake, "AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials");
    for (size_t i = 0; i + 1 < 6 && row->variables[i] != NULL; i += 2) {
        fake_set(&fake, row->variables[i], row->variables[i + 1]);
    }
    struct oxp_aws_place place = {.region = oxp_view_from(row->region),
                                  .endpoint = oxp_view_from(row->endpoint),
                                  .profile = oxp_view_from(row->profile),
                                  .fips = row->fips,
                                  .dual_stack = row->dual};
    enum oxp_status status = oxp_aws_endpoint(&fake.world, &place, row->service == NULL ? "monitoring" : row->service,
                                              &arena, &url, &region, &error);
    const char *wanted = row->region_out != NULL ? row->region_out : row->region;
    bool good = status == row->expect;
    if (good && status == OXP_OK) {
        good = oxp_view_is(url, row->url) && oxp_view_is(region, wanted) && url.ptr[url.len] == '\0';
    } else if (good) {
        good = strstr(error.text, row->says) != NULL;
    }
    if (!good) {
        print_error("%s: %s, %.*s, \"%s\"\n", row->what, oxp_status_name(status), (int)url.len, url.ptr, error.text);
        fail();
    }
    oxp_arena_fini(&arena);
}

static void endpoints(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"usual", .region = "us-east-1", .url = "https://monitoring.us-east-1.amazonaws.com"},
        {"SNS", "sns", "eu-west-1", .url = "https://sns.eu-west-1.amazonaws.com"},
        {"FIPS", .region = "us-east-2", .fips = true, .url = "https://monitoring-fips.us-east-2.amazonaws.com"},
        {"dual-stack", .region = "us-east-2", .dual = true, .url = "https://monitoring.us-east-2.api.aws"},
        {"both", .region = "us-east-2", .fips = true, .dual = true, .url = "https://monitoring-fips.us-east-2.api.aws"},
        {"China", .region = "cn-north-1", .url = "https://monitoring.cn-north-1.amazonaws.com.cn"},
        {"China, dual-stack", .region = "cn-north-1", .dual = true,
         .url = "https://monitoring.cn-north-1.api.amazonwebservices.com.cn"},
        {"GovCloud", .region = "us-gov-west-1", .url = "https://monitoring.us-gov-west-1.amazonaws.com"},
        {"GovCloud is FIPS", .region = "us-gov-west-1", .fips = true,
         .url = "https://monitoring.us-gov-west-1.amazonaws.com"},
        {"SNS in GovCloud, both", "sns", "us-gov-west-1", .fips = true, .dual = true,
         .url = "https://sns-fips.us-gov-west-1.api.aws"},
        {"iso", .region = "us-iso-east-1", .url = "https://monitoring.us-iso-east-1.c2s.ic.gov"},
        {"iso b", .region = "us-isob-east-1", .url = "https://monitoring.us-isob-east-1.sc2s.sgov.gov"},
        {"Europe's own", .region = "eusc-de-east-1", .url = "https://monitoring.eusc-de-east-1.amazonaws.eu"},
        {"FIPS by environment", .region = "us-east-2", .variables = {"AWS_USE_FIPS_ENDPOINT", "TRUE"},
         .url = "https://monitoring-fips.us-east-2.amazonaws.com"},
        {"dual-stack by environment", .region = "us-east-2", .variables = {"AWS_USE_DUALSTACK_ENDPOINT", "true"},
         .url = "https://monitoring.us-east-2.api.aws"},
        {"not FIPS by environment", .region = "us-east-2", .variables = {"AWS_USE_FIPS_ENDPOINT", "false"},
         .url = "https://monitoring.us-east-2.amazonaws.com"},
        {"an endpoint", .region = "us-east-2", .endpoint = "http://127.0.0.1:5000/", .url = "http://127.0.0.1:5000"},
        {"an endpoint with a path", .region = "us-east-2", .endpoint = "https://Gate.Example/Aws//",
         .url = "https://gate.example/Aws"},
        {"an endpoint by environment", .region = "us-east-2",
         .variables = {"AWS_ENDPOINT_URL", "http://all", "AWS_ENDPOINT_URL_CLOUDWATCH", "http://one"},
         .url = "http://one"},
        {"another service's", .region = "us-east-2",
         .variables = {"AWS_ENDPOINT_URL", "http://all", "AWS_ENDPOINT_URL_SNS", "http://one"}, .url = "http://all"},
        {"the given one first", .region = "us-east-2", .endpoint = "http://given",
         .variables = {"AWS_ENDPOINT_URL", "http://all"}, .url = "http://given"},
        {"told not to look", .region = "us-east-2",
         .variables = {"AWS_ENDPOINT_URL", "http://all", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"},
         .url = "https://monitoring.us-east-2.amazonaws.com"},
        {"AWS_REGION first", .variables = {"AWS_DEFAULT_REGION", "b-2", "AWS_REGION", "a-1"},
         .url = "https://monitoring.a-1.amazonaws.com", .region_out = "a-1"},
        {"AWS_DEFAULT_REGION", .variables = {"AWS_DEFAULT_REGION", "b-2"},
         .url = "https://monitoring.b-2.amazonaws.com", .region_out = "b-2"},
        {"the default profile's", .url = "https://monitoring.eu-north-1.amazonaws.com", .region_out = "eu-north-1"},
        {"AWS_PROFILE's", .variables = {"AWS_PROFILE", "other"}, .url = "https://monitoring.ap-south-1.amazonaws.com",
         .region_out = "ap-south-1"},
        {"the given profile's", .profile = "other", .variables = {"AWS_PROFILE", "none"},
         .url = "https://monitoring.ap-south-1.amazonaws.com", .region_out = "ap-south-1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check(&rows[i]);
    }
}

static void refused(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"no region", .profile = "none", .expect = OXP_ERR_NOT_FOUND, .says = "no AWS region"},
        {"a host in the region", .region = "us-east-1.evil.com/", .expect = OXP_ERR_INVALID,
         .says = "not an AWS region"},
        {"a blank", .region = "us east", .expect = OXP_ERR_INVALID, .says = "region"},
        {"a dash first", .region = "-us", .expect = OXP_ERR_INVALID, .says = "region"},
        {"a dash last", .region = "us-", .expect = OXP_ERR_INVALID, .says = "region"},
        {"too long", .region = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         .expect = OXP_ERR_INVALID, .says = "region"},
        {"a bad one by environment", .variables = {"AWS_REGION", "x@y"}, .expect = OXP_ERR_INVALID, .says = "region"},
        {"no scheme", .region = "r", .endpoint = "localhost:1", .expect = OXP_ERR_INVALID, .says = "http://"},
        {"no host", .region = "r", .endpoint = "http://", .expect = OXP_ERR_INVALID, .says = "http://"},
        {"no host, a path", .region = "r", .endpoint = "http:///x", .expect = OXP_ERR_INVALID, .says = "http://"},
        {"a user", .region = "r", .endpoint = "http://a:b@c", .expect = OXP_ERR_INVALID, .says = "http://"},
        {"a query", .region = "r", .endpoint = "http://a?b", .expect = OXP_ERR_INVALID, .says = "http://"},
        {"a line", .region = "r", .endpoint = "http://a\nb", .expect = OXP_ERR_INVALID, .says = "http://"},
        {"FIPS and an endpoint", .region = "r", .endpoint = "http://a", .fips = true, .expect = OXP_ERR_INVALID,
         .says = "FIPS"},
        {"dual-stack and an endpoint", .region = "r", .endpoint = "http://a", .dual = true, .expect = OXP_ERR_INVALID,
         .says = "dual-stack"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check(&rows[i]);
    }
}

static void find_once(void *ctx) {
    (void)ctx;
    struct fake fake;
    struct oxp_arena arena;
    struct oxp_view url, region;
    struct oxp_aws_place place = {.fips = false};
    fake_init(&fake);
    fake_set(&fake, "AWS_CONFIG_FILE", config);
    oxp_arena_init(&arena, 0);
    enum oxp_status status = oxp_aws_endpoint(&fake.world, &place, "sts", &arena, &url, &region, NULL);
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && alloc_fail_hit()));
    oxp_arena_fini(&arena);
}

static void allocations_fail(void **state) {
    (void)state;
    assert_true(alloc_fail_each(find_once, NULL) >= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints),
        cmocka_unit_test(refused),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
