/* The nine policies, the codes that are treated apart, and what can be configured. */
#include "lib/resilience/policy.h"

#include <math.h>

#include "tests/support/alloc_fail.h"
#include "tests/unit/lib/resilience/notes.h"

#define NONE OXP_NEED_NOTHING

/* Domain catalogue, section 3.1. The delays are those before the 2nd, 3rd … try, with no jitter and no hint. */
static const struct {
    const char *name;
    unsigned attempts;
    bool heeds_hint, queues, bypasses;
    enum oxp_retry_need need;
    double delays[10];
} rows[] = {
    {"adjust", 2, false, false, false, OXP_NEED_CHANGE, {1}},
    {"model", 4, true, false, false, NONE, {1, 2, 4}},
    {"none", 1, false, false, false, NONE, {0}},
    {"quick", 3, false, false, false, NONE, {1, 2}},
    {"reconnect", 2, false, false, false, OXP_NEED_STATE, {1}},
    {"release", 6, false, false, true, NONE, {1, 2, 4, 8, 16}},
    {"server_wait", 3, true, false, false, NONE, {1, 2}},
    {"slot", 0, true, true, false, NONE, {5, 7.5, 11.25, 16.875, 25.3125, 37.96875, 56.953125, 60, 60}},
    {"verify", 2, false, false, false, OXP_NEED_STATE, {1}},
};

static void the_nine_policies_are_the_catalogue_s(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct oxp_policy *policy = oxp_policy_find(oxp_view_from(rows[i].name));
        assert_non_null(policy);
        assert_ptr_equal(policy, oxp_policy_at(i));
        assert_int_equal(policy->attempts, rows[i].attempts);
        assert_int_equal(policy->heeds_hint, rows[i].heeds_hint);
        assert_int_equal(policy->queues, rows[i].queues);
        assert_int_equal(policy->bypasses, rows[i].bypasses);
        assert_int_equal(policy->need, rows[i].need);
        assert_true(policy->max_delay_s == 60 && policy->jitter == 0.25);
        struct oxp_policy exact = *policy;
        exact.jitter = 0;
        for (unsigned n = 1; n <= 10 && rows[i].delays[n - 1] != 0; n++) {
            assert_true(oxp_policy_delay(&exact, n, 0, 0.9) == rows[i].delays[n - 1]);
        }
    }
    assert_null(oxp_policy_at(COUNT_OF(rows)));
    assert_null(oxp_policy_find(OXP_VIEW("quic")));
    assert_null(oxp_policy_find(OXP_VIEW("")));
}

static void every_code_has_a_policy_of_the_table(void **state) {
    (void)state;
    const struct oxp_code *code;
    size_t exceptions = 0;
    for (size_t i = 0; (code = oxp_code_at(i)) != NULL; i++) {
        struct oxp_policy policy;
        assert_non_null(oxp_policy_find(oxp_view_from(code->policy)));
        oxp_retry_config_policy(NULL, code, &policy);
        assert_string_equal(policy.name, code->policy);
        assert_true((policy.first_delay_s == 0) == (strcmp(code->name, "sys_interrupted") == 0));
        exceptions += oxp_code_never_ran(code) || policy.need_optional || policy.first_delay_s == 0;
    }
    /* none of the names in policies.def is misspelt */
#define POLICY(...)
#define EXCEPTION(name, flags)                                                                                         \
    assert_non_null(oxp_code_find(OXP_VIEW(#name)));                                                                   \
    exceptions--;
#include "lib/resilience/policies.def"
    assert_int_equal(exceptions, 0);
}

/* ---- Configuration ---- */

struct want {
    const char *code;
    const char *policy;
    unsigned attempts;
    double first, factor, max, jitter;
};

static void expect(const struct oxp_retry_config *config, const struct want *want) {
    struct oxp_policy policy;
    oxp_retry_config_policy(config, oxp_code_find(oxp_view_from(want->code)), &policy);
    assert_string_equal(policy.name, want->policy);
    assert_int_equal(policy.attempts, want->attempts);
    assert_true(policy.first_delay_s == want->first && policy.factor == want->factor);
    assert_true(policy.max_delay_s == want->max && policy.jitter == want->jitter);
}

static const struct {
    const char *pairs[8];
    struct want want;
} configured[] = {
    {{NULL}, {"net_reset", "quick", 3, 1, 2, 60, 0.25}},
    {{"default_max_attempts", "5"}, {"net_reset", "quick", 5, 1, 2, 60, 0.25}},
    {{"default_max_attempts", "5"}, {"bb_api_rate_limit", "server_wait", 5, 1, 2, 60, 0.25}},
    {{"default_max_attempts", "5"}, {"bb_auth", "none", 1, 1, 2, 60, 0.25}},
    {{"default_max_attempts", "5"}, {"bb_release_failed", "release", 6, 1, 2, 60, 0.25}},
    {{"default_initial_delay", "0.5"}, {"llm_timeout", "model", 4, 0.5, 2, 60, 0.25}},
    {{"default_initial_delay", "0.5"}, {"bb_concurrency_limit", "slot", 0, 5, 1.5, 60, 0.25}},
    {{"default_initial_delay", "0.5"}, {"sys_interrupted", "quick", 3, 0, 2, 60, 0.25}},
    {{"default_max_delay", "30", "jitter", "0"}, {"bb_concurrency_limit", "slot", 0, 5, 1.5, 30, 0}},
    {{"error_handling.retry.default_max_attempts", "4"}, {"net_reset", "quick", 4, 1, 2, 60, 0.25}},
    {{"quick.attempts", "7", "default_max_attempts", "5"}, {"net_reset", "quick", 7, 1, 2, 60, 0.25}},
    {{"net_reset.attempts", "2", "quick.attempts", "7"}, {"net_reset", "quick", 2, 1, 2, 60, 0.25}},
    {{"net_reset.attempts", "2", "quick.attempts", "7"}, {"net_refused", "quick", 7, 1, 2, 60, 0.25}},
    {{"bb_auth.attempts", "2"}, {"bb_auth", "none", 2, 1, 2, 60, 0.25}},
    {{"net_reset.policy", "release", "net_reset.factor", "3"}, {"net_reset", "release", 6, 1, 3, 60, 0.25}},
    {{"net_reset.policy", "release", "release.first_delay", "2"}, {"net_reset", "release", 6, 2, 2, 60, 0.25}},
    {{"sys_interrupted.first_delay", "0.1"}, {"sys_interrupted", "quick", 3, 0.1, 2, 60, 0.25}},
    {{"slot.attempts", "10", "slot.max_delay", "20"}, {"breaker_open", "slot", 10, 5, 1.5, 20, 0.25}},
    {{"unknown.attempts", "1"}, {"unknown", "adjust", 1, 1, 2, 60, 0.25}},
    {{"browserbase_session_failed.jitter", "1"}, {"net_reset", "quick", 3, 1, 2, 60, 0.25}}, /* an alias is taken */
};

static void the_narrower_setting_wins(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(configured); i++) {
        struct oxp_retry_config *config = NULL;
        assert_int_equal(oxp_retry_config_new(&config), OXP_OK);
        const char *const *pair = configured[i].pairs;
        for (; *pair != NULL; pair += 2) {
            assert_int_equal(oxp_retry_config_set(config, pair[0], pair[1], NULL), OXP_OK);
        }
        expect(config, &configured[i].want);
        oxp_retry_config_free(config);
    }
}

static const struct {
    const char *key, *value;
    enum oxp_status status;
    const char *says;
} refused[] = {
    {"bb_auht.attempts", "2", OXP_ERR_INVALID, "\"bb_auht\" is neither an error code nor a policy"},
    {"bb_auth.tries", "2", OXP_ERR_INVALID, "\"tries\" is not one of attempts"},
    {"quick.policy", "slot", OXP_ERR_INVALID, "\"policy\" is not one of attempts"},
    {"attempts", "2", OXP_ERR_INVALID, "attempts: not a setting of retries"},
    {"", "2", OXP_ERR_INVALID, "not a setting of retries"},
    {".", "2", OXP_ERR_INVALID, "neither an error code"},
    {"bb_auth.attempts", "two", OXP_ERR_SYNTAX, "bb_auth.attempts: \"two\" is not a number"},
    {"bb_auth.attempts", "", OXP_ERR_SYNTAX, "is not a number"},
    {"bb_auth.attempts", "0", OXP_ERR_RANGE, "whole number from 1 to 1000"},
    {"bb_auth.attempts", "1.5", OXP_ERR_RANGE, "whole number from 1 to 1000"},
    {"bb_auth.attempts", "-1", OXP_ERR_RANGE, "whole number"},
    {"bb_auth.attempts", "1e999", OXP_ERR_RANGE, "whole number"},
    {"bb_auth.jitter", "1.1", OXP_ERR_RANGE, "number from 0 to 1"},
    {"bb_auth.policy", "fast", OXP_ERR_SYNTAX, "\"fast\" is not a policy"},
    {"default_max_attempts", "0", OXP_ERR_RANGE, "from 1"},
    {"deadline", "-1", OXP_ERR_RANGE, "from 0"},
};

static void what_is_wrong_is_said_and_changes_nothing(void **state) {
    (void)state;
    struct oxp_retry_config *config = NULL;
    assert_int_equal(oxp_retry_config_new(&config), OXP_OK);
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct oxp_error error = {0};
        assert_int_equal(oxp_retry_config_set(config, refused[i].key, refused[i].value, &error), refused[i].status);
        if (strstr(error.text, refused[i].says) == NULL) {
            fail_msg("%s: %s", refused[i].key, error.text);
        }
    }
    expect(config, &(struct want){"bb_auth", "none", 1, 1, 2, 60, 0.25});
    assert_true(oxp_retry_config_deadline(config) == 120);
    oxp_retry_config_free(config);
}

static void the_deadline_is_configured(void **state) {
    (void)state;
    struct oxp_retry_config *config = NULL;
    assert_true(oxp_retry_config_deadline(NULL) == 120);
    assert_int_equal(oxp_retry_config_new(&config), OXP_OK);
    assert_int_equal(oxp_retry_config_set(config, "deadline", "30", NULL), OXP_OK);
    assert_true(oxp_retry_config_deadline(config) == 30);
    assert_int_equal(oxp_retry_config_set(config, "deadline", "0", NULL), OXP_OK);
    assert_true(isinf(oxp_retry_config_deadline(config)));
    oxp_retry_config_free(config);
}

static void the_environment_is_read(void **state) {
    (void)state;
    const char *const good[] = {"PATH=/bin",
                                "OXPECKER_RETRY_DEFAULT_MAX_ATTEMPTS=6",
                                "OXPECKER_RETRY_BB_AUTH_ATTEMPTS=2",
                                "OXPECKER_RETRY_SERVER_WAIT_FIRST_DELAY=3",
                                "OXPECKER_RETRY_VEC_DOWN_POLICY=release",
                                "OXPECKER_RETRYX_BB_AUTH_ATTEMPTS=9",
                                "OXPECKER_RETRY_NOT_AN_ASSIGNMENT",
                                NULL};
    const char *const bad[] = {"OXPECKER_RETRY_NET_RESET_ATTEMPTS=2", "OXPECKER_RETRY_BB_ATTEMPTS=1", NULL};
    struct oxp_retry_config *config = NULL;
    struct oxp_error error = {0};
    assert_int_equal(oxp_retry_config_new(&config), OXP_OK);
    assert_int_equal(oxp_retry_config_from_environment(config, good, &error), OXP_OK);
    expect(config, &(struct want){"net_reset", "quick", 6, 1, 2, 60, 0.25});
    expect(config, &(struct want){"bb_auth", "none", 2, 1, 2, 60, 0.25});
    expect(config, &(struct want){"bb_api_rate_limit", "server_wait", 6, 3, 2, 60, 0.25});
    expect(config, &(struct want){"vec_down", "release", 6, 1, 2, 60, 0.25});
    assert_int_equal(oxp_retry_config_from_environment(config, bad, &error), OXP_ERR_INVALID);
    assert_non_null(strstr(error.text, "OXPECKER_RETRY_BB_ATTEMPTS: "));
    expect(config, &(struct want){"net_reset", "quick", 2, 1, 2, 60, 0.25});
    oxp_retry_config_free(config);
}

static void make_one(void *ctx) {
    (void)ctx;
    struct oxp_retry_config *config = NULL;
    bool made = oxp_retry_config_new(&config) == OXP_OK;
    assert_int_equal(made, config != NULL);
    oxp_retry_config_free(config);
}

static void it_may_lack_memory(void **state) {
    (void)state;
    assert_int_equal(alloc_fail_each(make_one, NULL), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nine_policies_are_the_catalogue_s),
        cmocka_unit_test(every_code_has_a_policy_of_the_table),
        cmocka_unit_test(the_narrower_setting_wins),
        cmocka_unit_test(what_is_wrong_is_said_and_changes_nothing),
        cmocka_unit_test(the_deadline_is_configured),
        cmocka_unit_test(the_environment_is_read),
        cmocka_unit_test(it_may_lack_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
