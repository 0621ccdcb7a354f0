/* Where a service is (botocore 1.43's endpoint rules of CloudWatch, SNS and STS, and its partitions). */
#include "alerts/aws/parts.h"
#include "alerts/aws/profiles.h"

enum { REGION_MAX = 63 };

/* By the beginning of the region's name, the first that fits; the last row is everybody else's. */
static const struct partition {
    const char *prefix, *suffix, *dual_suffix;
    bool gov;
} partitions[] = {
    {"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn", false},
    {"us-gov-", "amazonaws.com", "api.aws", true},
    {"us-iso-", "c2s.ic.gov", "api.aws.ic.gov", false},
    {"us-isob-", "sc2s.sgov.gov", "api.aws.scloud", false},
    {"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", false},
    {"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov", false},
    {"eusc-", "amazonaws.eu", "api.amazonwebservices.eu", false},
    {"", "amazonaws.com", "api.aws", false},
};

static const struct service {
    const char *name, *variable;
    bool gov_is_fips, gov_dual_is_fips; /* in GovCloud the plain host is the one that is validated */
} services[] = {
    {"monitoring", "AWS_ENDPOINT_URL_CLOUDWATCH", true, true},
    {"sns", "AWS_ENDPOINT_URL_SNS", true, false},
    {"sts", "AWS_ENDPOINT_URL_STS", true, false},
};

static const struct service *find_service(const char *name) {
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        if (strcmp(services[i].name, name) == 0) {
            return &services[i];
        }
    }
    return NULL;
}

static const struct partition *find_partition(struct oxp_view region) {
    size_t i = 0;
    while (!oxp_view_starts(region, oxp_view_from(partitions[i].prefix))) {
        i++;
    }
    return &partitions[i];
}

static bool is_region(struct oxp_view region) {
    for (size_t i = 0; i < region.len; i++) {
        char c = region.ptr[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alnum && (c != '-' || i == 0 || i == region.len - 1)) {
            return false;
        }
    }
    return region.len > 0 && region.len <= REGION_MAX;
}

static enum oxp_status find_region(const struct oxp_aws_world *world, const struct oxp_aws_place *place,
                                   struct oxp_arena *arena, struct oxp_view *region_out, struct oxp_error *error) {
    struct oxp_view region = place->region, profile = oxp_aws_profile_name(world, place);
    region = region.len > 0 ? region : oxp_aws_env(world, "AWS_REGION");
    region = region.len > 0 ? region : oxp_aws_env(world, "AWS_DEFAULT_REGION");
    if (region.len == 0) {
        struct oxp_aws_profiles profiles;
        enum oxp_status status = oxp_aws_profiles_load(world, arena, &profiles, error);
        if (status != OXP_OK) {
            return status;
        }
        region = oxp_aws_profile_get(&profiles, profile, "region");
    }
    if (region.len == 0) {
        return oxp_error_set(error, OXP_ERR_NOT_FOUND, 0, 0,
                             "no AWS region: neither configured, nor in AWS_REGION or AWS_DEFAULT_REGION, nor in the "
                             "profile \"%.*s\"",
                             (int)(profile.len < 60 ? profile.len : 60), profile.ptr);
    }
    if (!is_region(region)) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "\"%.*s\" is not an AWS region",
                             (int)(region.len < REGION_MAX ? region.len : REGION_MAX), region.ptr);
    }
    *region_out = oxp_arena_copy(arena, region);
    return oxp_arena_status(arena);
}

/* One that was given: http or https, a host, perhaps a path. The host in lower case, as it is signed. */
static enum oxp_status take_endpoint(struct oxp_view given, struct oxp_arena *arena, struct oxp_view *url_out,
                                     struct oxp_error *error) {
    struct oxp_view tls = OXP_VIEW("https://"), plain = OXP_VIEW("http://");
    size_t scheme = oxp_view_starts(given, tls) ? tls.len : oxp_view_starts(given, plain) ? plain.len : 0;
    while (given.len > scheme && given.ptr[given.len - 1] == '/') {
        given.len--;
    }
    if (scheme == 0 || given.len == scheme || !oxp_aws_is_token(given) || given.ptr[scheme] == '/' ||
        memchr(given.ptr, '@', given.len) != NULL || memchr(given.ptr, '?', given.len) != NULL ||
        memchr(given.ptr, '#', given.len) != NULL) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0,
                             "an endpoint is written http://HOST[:PORT] or https://HOST[:PORT], with no user or query");
    }
    char *copy = oxp_arena_take(arena, given.len + 1);
    if (copy == NULL) {
        return oxp_arena_status(arena);
    }
    memcpy(copy, given.ptr, given.len);
    copy[given.len] = '\0';
    for (size_t i = scheme; i < given.len && copy[i] != '/'; i++) {
        copy[i] = oxp_aws_lower(copy[i]);
    }
    *url_out = oxp_view_of(copy, given.len);
    return OXP_OK;
}

static enum oxp_status usual_endpoint(const char *name, struct oxp_view region, bool fips, bool dual,
                                      struct oxp_arena *arena, struct oxp_view *url_out) {
    const struct partition *partition = find_partition(region);
    const struct service *service = find_service(name);
    bool is_fips = service != NULL && partition->gov && (dual ? service->gov_dual_is_fips : service->gov_is_fips);
    *url_out =
        oxp_view_from(oxp_aws_format(arena, "https://%s%s.%.*s.%s", name, fips && !is_fips ? "-fips" : "",
                                     (int)region.len, region.ptr, dual ? partition->dual_suffix : partition->suffix));
    return oxp_arena_status(arena);
}

enum oxp_status oxp_aws_endpoint(const struct oxp_aws_world *world, const struct oxp_aws_place *place,
                                 const char *service, struct oxp_arena *arena, struct oxp_view *url_out,
                                 struct oxp_view *region_out, struct oxp_error *error) {
    const struct service *known = find_service(service);
    bool fips = place->fips || oxp_aws_env_is_true(world, "AWS_USE_FIPS_ENDPOINT");
    bool dual = place->dual_stack || oxp_aws_env_is_true(world, "AWS_USE_DUALSTACK_ENDPOINT");
    bool ignored = oxp_aws_env_is_true(world, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    enum oxp_status status = find_region(world, place, arena, region_out, error);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_view given = place->endpoint;
    given = given.len > 0 || ignored || known == NULL ? given : oxp_aws_env(world, known->variable);
    given = given.len > 0 || ignored ? given : oxp_aws_env(world, "AWS_ENDPOINT_URL");
    if (given.len == 0) {
        return usual_endpoint(service, *region_out, fips, dual, arena, url_out);
    }
    if (fips || dual) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "%s and an endpoint of one's own exclude each other",
                             fips ? "FIPS" : "dual-stack");
    }
    return take_endpoint(given, arena, url_out, error);
}
