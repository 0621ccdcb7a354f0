/* What an answer says, read; and what it means, by tables. Pure; any thread. */
#ifndef OXP_AWS_JUDGE_H
#define OXP_AWS_JUDGE_H

#include "alerts/aws/aws.h"

enum oxp_aws_class {
    OXP_AWS_CLASS_OK,
    OXP_AWS_CLASS_THROTTLED,
    OXP_AWS_CLASS_TRANSIENT,
    OXP_AWS_CLASS_EXPIRED,   /* the keys */
    OXP_AWS_CLASS_SKEWED,    /* the time, says the code */
    OXP_AWS_CLASS_SIGNATURE, /* wrong: perhaps the time, perhaps the secret */
    OXP_AWS_CLASS_DENIED,
    OXP_AWS_CLASS_REFUSED
};
/* Code, message and request id of an answer, in the arena: x-amzn-query-error and x-amzn-errortype first, then the
 * JSON's __type or code, then XML. */
void oxp_aws_read_answer(const struct oxp_http_response *response, struct oxp_arena *arena,
                         struct oxp_aws_outcome *outcome_out);
/* By the code where the table has it, else by the HTTP status. */
enum oxp_aws_class oxp_aws_classify(int http_status, struct oxp_view code);

#endif
