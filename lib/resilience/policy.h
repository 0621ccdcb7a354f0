/* The rows of policies.def inside this folder. Pure; any thread. */
#ifndef OXP_RESILIENCE_POLICY_H
#define OXP_RESILIENCE_POLICY_H

#include <oxpecker/retry.h>

#define POLICY(name, ...) OXP_POLICY_##name,
#define EXCEPTION(code, flags)
enum oxp_policy_id {
#include "lib/resilience/policies.def"
    OXP_POLICIES,
};

/* Position in the table, or OXP_POLICIES. */
enum oxp_policy_id oxp_policy_id_of(struct oxp_view name);
/* The policy of a code as the tables have it: its row with the code's exceptions. An unknown name is policy none. */
void oxp_policy_of(const struct oxp_code *code, struct oxp_policy *policy_out);
/* Puts what is special about the code into a policy that was given to it. */
void oxp_policy_except(const struct oxp_code *code, struct oxp_policy *policy);
/* True when a request that failed so cannot have been carried out. */
bool oxp_code_never_ran(const struct oxp_code *code);
/* The code of a failed try: what it says, else by its evidence with what the options know. */
const struct oxp_code *oxp_retry_code_of(const struct oxp_retry_options *options,
                                         const struct oxp_retry_failure *failure);

#endif
