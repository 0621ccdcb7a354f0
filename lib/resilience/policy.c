#include "lib/resilience/policy.h"

#define EXCEPTION(code, flags)
#define POLICY(name, attempts, first, factor, max, hint, queues, bypasses, need, then)                                 \
    {#name, attempts, first, factor, max, OXP_POLICY_JITTER, hint, queues, bypasses, OXP_NEED_##need, false, then},
static const struct oxp_policy rows[] = {
#include "lib/resilience/policies.def"
};

enum { NO_DELAY = 1, ANYWAY = 2, NEVER_RAN = 4 };

#define POLICY(...)
#define EXCEPTION(code, flags) {#code, flags},
static const struct {
    const char *code;
    int flags;
} exceptions[] = {
#include "lib/resilience/policies.def"
};

const struct oxp_policy *oxp_policy_at(size_t index) {
    return index < OXP_POLICIES ? &rows[index] : NULL;
}

enum oxp_policy_id oxp_policy_id_of(struct oxp_view name) {
    size_t i = 0;
    while (i < OXP_POLICIES && !oxp_view_is(name, rows[i].name)) {
        i++;
    }
    return (enum oxp_policy_id)i;
}

const struct oxp_policy *oxp_policy_find(struct oxp_view name) {
    return oxp_policy_at(oxp_policy_id_of(name));
}

/* Codes are few and failures slow: a walk is enough. */
static int flags_of(const struct oxp_code *code) {
    for (size_t i = 0; i < sizeof exceptions / sizeof exceptions[0]; i++) {
        if (strcmp(exceptions[i].code, code->name) == 0) {
            return exceptions[i].flags;
        }
    }
    return 0;
}

void oxp_policy_except(const struct oxp_code *code, struct oxp_policy *policy) {
    int flags = flags_of(code);
    if ((flags & NO_DELAY) != 0) {
        policy->first_delay_s = 0;
    }
    policy->need_optional = (flags & ANYWAY) != 0;
}

void oxp_policy_of(const struct oxp_code *code, struct oxp_policy *policy_out) {
    const struct oxp_policy *row = oxp_policy_find(oxp_view_from(code->policy));
    *policy_out = row != NULL ? *row : rows[OXP_POLICY_none];
    oxp_policy_except(code, policy_out);
}

bool oxp_code_never_ran(const struct oxp_code *code) {
    return (flags_of(code) & NEVER_RAN) != 0;
}
