/* What is configured of retries: three layers over the table of policies, the narrower one wins: what is said of all
 * policies, of one policy, of one code. Values that were not said are NaN (attempts: UNSAID), so that the order in
 * which they are set does not matter. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "lib/resilience/codes.h"
#include "lib/resilience/policy.h"
#include "lib/resilience/setting.h"

#define UNSAID UINT32_MAX
#define LONGEST_S 86400
#define SEED_PREFIX "error_handling.retry."
#define ENVIRONMENT_PREFIX "OXPECKER_RETRY_"

struct layer {
    unsigned attempts;
    double first_delay_s, factor, max_delay_s, jitter;
    enum oxp_policy_id policy; /* of a code; OXP_POLICIES = its own */
};

struct oxp_retry_config {
    struct layer all;
    struct layer policies[OXP_POLICIES];
    struct layer codes[OXP_CODES];
    double deadline_s; /* 0 = none */
};

static const struct oxp_setting properties[] = {
    {"attempts", OXP_SETTING_COUNT, 1, 1000, offsetof(struct layer, attempts)},
    {"first_delay", OXP_SETTING_NUMBER, 0, LONGEST_S, offsetof(struct layer, first_delay_s)},
    {"factor", OXP_SETTING_NUMBER, 1, 100, offsetof(struct layer, factor)},
    {"max_delay", OXP_SETTING_NUMBER, 0, LONGEST_S, offsetof(struct layer, max_delay_s)},
    {"jitter", OXP_SETTING_NUMBER, 0, 1, offsetof(struct layer, jitter)},
};
static const struct oxp_setting overall[] = {
    {"default_max_attempts", OXP_SETTING_COUNT, 1, 1000, offsetof(struct oxp_retry_config, all.attempts)},
    {"default_initial_delay", OXP_SETTING_NUMBER, 0, LONGEST_S, offsetof(struct oxp_retry_config, all.first_delay_s)},
    {"default_max_delay", OXP_SETTING_NUMBER, 0, LONGEST_S, offsetof(struct oxp_retry_config, all.max_delay_s)},
    {"jitter", OXP_SETTING_NUMBER, 0, 1, offsetof(struct oxp_retry_config, all.jitter)},
    {"deadline", OXP_SETTING_NUMBER, 0, 1e9, offsetof(struct oxp_retry_config, deadline_s)},
};

enum { PROPERTIES = sizeof properties / sizeof properties[0], OVERALL = sizeof overall / sizeof overall[0] };

/* ---- Setting ---- */

static const struct layer nothing = {UNSAID, NAN, NAN, NAN, NAN, OXP_POLICIES};

enum oxp_status oxp_retry_config_new(struct oxp_retry_config **config_out) {
    struct oxp_retry_config *config = calloc(1, sizeof *config);
    if (config == NULL) {
        return OXP_ERR_NOMEM;
    }
    config->all = nothing;
    for (size_t i = 0; i < OXP_POLICIES; i++) {
        config->policies[i] = nothing;
    }
    for (size_t i = 0; i < OXP_CODES; i++) {
        config->codes[i] = nothing;
    }
    config->deadline_s = OXP_OPERATION_DEADLINE_S;
    *config_out = config;
    return OXP_OK;
}

void oxp_retry_config_free(struct oxp_retry_config *config) {
    free(config);
}

/* What is said of a code or a policy, or NULL when the subject is neither. */
static struct layer *layer_of(struct oxp_retry_config *config, struct oxp_view subject, bool *is_code) {
    enum oxp_policy_id policy = oxp_policy_id_of(subject);
    *is_code = policy == OXP_POLICIES;
    if (policy != OXP_POLICIES) {
        return &config->policies[policy];
    }
    const struct oxp_code *code = oxp_code_find(subject);
    if (code == NULL) {
        code = oxp_code_find_alias(subject);
    }
    enum oxp_code_id id = code == NULL ? OXP_CODE_NONE : oxp_code_id_of(code);
    return id == OXP_CODE_NONE ? NULL : &config->codes[id];
}

static enum oxp_status set_policy(struct layer *layer, const char *key, const char *value, struct oxp_error *error) {
    enum oxp_policy_id policy = oxp_policy_id_of(oxp_view_from(value));
    if (policy == OXP_POLICIES) {
        return oxp_error_set(error, OXP_ERR_SYNTAX, 0, 0,
                             "%.80s: \"%.40s\" is not a policy (adjust, model, none, quick, reconnect, release, "
                             "server_wait, slot, verify)",
                             key, value);
    }
    layer->policy = policy;
    return OXP_OK;
}

/* `subject` and `property`: what stands before and behind the last dot of `key`. */
static enum oxp_status set_narrow(struct oxp_retry_config *config, const char *key, const char *dot, const char *value,
                                  struct oxp_error *error) {
    bool is_code;
    struct oxp_view subject = oxp_view_of(key, (size_t)(dot - key));
    struct layer *layer = layer_of(config, subject, &is_code);
    if (layer == NULL) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "%.80s: \"%.*s\" is neither an error code nor a policy", key,
                             (int)(subject.len > 64 ? 64 : subject.len), subject.ptr);
    }
    if (is_code && strcmp(dot + 1, "policy") == 0) {
        return set_policy(layer, key, value, error);
    }
    const struct oxp_setting *row = oxp_setting_find(properties, PROPERTIES, oxp_view_from(dot + 1));
    if (row == NULL) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0,
                             "%.80s: \"%.40s\" is not one of attempts, first_delay, factor, max_delay, jitter%s", key,
                             dot + 1, is_code ? ", policy" : "");
    }
    return oxp_setting_store(row, key, value, layer, error);
}

enum oxp_status oxp_retry_config_set(struct oxp_retry_config *config, const char *key, const char *value,
                                     struct oxp_error *error) {
    if (strncmp(key, SEED_PREFIX, sizeof SEED_PREFIX - 1) == 0) {
        key += sizeof SEED_PREFIX - 1;
    }
    const struct oxp_setting *row = oxp_setting_find(overall, OVERALL, oxp_view_from(key));
    if (row != NULL) {
        return oxp_setting_store(row, key, value, config, error);
    }
    const char *dot = strrchr(key, '.');
    if (dot == NULL) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0,
                             "%.80s: not a setting of retries (default_max_attempts, default_initial_delay, "
                             "default_max_delay, jitter, deadline, CODE.attempts, POLICY.attempts …)",
                             key);
    }
    return set_narrow(config, key, dot, value, error);
}

/* "BB_AUTH_FIRST_DELAY" to "bb_auth.first_delay": the last words are the property, because codes have underscores too.
 */
static void key_of_variable(struct oxp_view variable, char key[128]) {
    size_t len = variable.len < 127 ? variable.len : 127;
    for (size_t i = 0; i < len; i++) {
        key[i] = (char)tolower((unsigned char)variable.ptr[i]);
    }
    key[len] = '\0';
    if (oxp_setting_find(overall, OVERALL, oxp_view_from(key)) != NULL) {
        return;
    }
    for (size_t i = 0; i <= PROPERTIES; i++) {
        const char *name = i < PROPERTIES ? properties[i].name : "policy";
        size_t tail = strlen(name);
        if (len > tail + 1 && key[len - tail - 1] == '_' && strcmp(key + len - tail, name) == 0) {
            key[len - tail - 1] = '.';
            return;
        }
    }
}

enum oxp_status oxp_retry_config_from_environment(struct oxp_retry_config *config, const char *const *environment,
                                                  struct oxp_error *error) {
    for (; *environment != NULL; environment++) {
        const char *equals = strchr(*environment, '=');
        const char *name = *environment + sizeof ENVIRONMENT_PREFIX - 1;
        if (strncmp(*environment, ENVIRONMENT_PREFIX, sizeof ENVIRONMENT_PREFIX - 1) != 0 || equals == NULL) {
            continue;
        }
        char key[128];
        key_of_variable(oxp_view_of(name, (size_t)(equals - name)), key);
        struct oxp_error why = {0};
        enum oxp_status status = oxp_retry_config_set(config, key, equals + 1, &why);
        if (status != OXP_OK) {
            return oxp_error_set(error, status, 0, 0, "%.*s: %.180s",
                                 (int)(equals - *environment > 60 ? 60 : equals - *environment), *environment,
                                 why.text);
        }
    }
    return OXP_OK;
}

/* ---- Reading ---- */

static void lay_over(struct oxp_policy *policy, const struct layer *layer) {
    policy->attempts = layer->attempts != UNSAID ? layer->attempts : policy->attempts;
    policy->first_delay_s = isnan(layer->first_delay_s) ? policy->first_delay_s : layer->first_delay_s;
    policy->factor = isnan(layer->factor) ? policy->factor : layer->factor;
    policy->max_delay_s = isnan(layer->max_delay_s) ? policy->max_delay_s : layer->max_delay_s;
    policy->jitter = isnan(layer->jitter) ? policy->jitter : layer->jitter;
}

/* What is said of all: attempts of the two policies that the guides mean, the first delay of those that count tries. */
static struct layer general_of(const struct oxp_retry_config *config, enum oxp_policy_id id,
                               const struct oxp_policy *policy) {
    struct layer general = config->all;
    if (id != OXP_POLICY_quick && id != OXP_POLICY_server_wait) {
        general.attempts = UNSAID;
    }
    if (policy->queues) {
        general.first_delay_s = NAN;
    }
    return general;
}

void oxp_retry_config_policy(const struct oxp_retry_config *config, const struct oxp_code *code,
                             struct oxp_policy *policy_out) {
    if (config == NULL) {
        oxp_policy_of(code, policy_out);
        return;
    }
    enum oxp_code_id row = oxp_code_id_of(code);
    const struct layer *own = &config->codes[row == OXP_CODE_NONE ? OXP_CODE_unknown : row];
    enum oxp_policy_id id = own->policy != OXP_POLICIES ? own->policy : oxp_policy_id_of(oxp_view_from(code->policy));
    id = id == OXP_POLICIES ? OXP_POLICY_none : id;
    *policy_out = *oxp_policy_at(id);
    struct layer general = general_of(config, id, policy_out);
    lay_over(policy_out, &general);
    lay_over(policy_out, &config->policies[id]);
    oxp_policy_except(code, policy_out);
    lay_over(policy_out, own);
}

double oxp_retry_config_deadline(const struct oxp_retry_config *config) {
    double deadline = config == NULL ? OXP_OPERATION_DEADLINE_S : config->deadline_s;
    return deadline == 0 ? INFINITY : deadline;
}
