/* What one question to the chain of credentials gave, in texts; and worlds for it. */
#ifndef OXP_TEST_AWS_FOUND_H
#define OXP_TEST_AWS_FOUND_H

#include "alerts/aws/source.h"
#include "tests/unit/alerts/aws/fake.h"

#define STS(id, expires)                                                                                               \
    "<R><Credentials><AccessKeyId>" id "</AccessKeyId><SecretAccessKey>stssecret</SecretAccessKey>"                    \
    "<SessionToken>ststoken</SessionToken><Expiration>" expires "</Expiration></Credentials></R>"
#define JSON(id, expires)                                                                                              \
    "{\"Code\": \"Success\", \"AccessKeyId\": \"" id "\", \"SecretAccessKey\": \"js\", \"Token\": \"jt\", "            \
    "\"Expiration\": \"" expires "\"}"
#define AN_HOUR "2026-11-21T17:00:00Z" /* FAKE_NOW_S and an hour */

struct found {
    enum oxp_status status;
    char id[64], secret[64], token[64], source[OXP_AWS_SOURCE_MAX];
    struct oxp_error error;
};

/* A region, and nothing to find: no files, no metadata service. */
void without_files(struct fake *fake);
struct found ask(struct oxp_aws_credentials *credentials, bool force);
/* The same of a chain of its own; `profile` may be NULL. */
struct found ask_once(struct fake *fake, const char *profile);
/* Fail the test, saying `what`. No error may hold the words "secret" and "evil", which stand in the tests' secrets. */
void expect(const char *what, const struct found *found, const char *id, const char *source);
void expect_error(const char *what, const struct found *found, enum oxp_status status, const char *says);

#endif
