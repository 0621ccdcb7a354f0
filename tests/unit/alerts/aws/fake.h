/* A world for the tests of alerts/aws: an environment that is a table, a transport that answers from a script, a clock
 * that is moved by hand, and sleeps that are counted. One at a time. */
#ifndef OXP_TEST_AWS_FAKE_H
#define OXP_TEST_AWS_FAKE_H

#include "alerts/aws/aws.h"

enum { FAKE_ANSWERS = 32, FAKE_ASKED = 64, FAKE_VARIABLES = 16 };

struct fake_answer {
    const char *url;        /* a part of the URL that it is for; NULL = any */
    enum oxp_status status; /* of the exchange */
    int http;
    const char *body, *headers;
    bool stays; /* not used up */
};
struct fake_asked {
    char method[8], url[256];
    char headers[2048]; /* lines, each with a newline */
    char body[1024];
    bool direct;
    long timeout_ms;
};
struct fake {
    struct oxp_aws_world world;
    struct oxp_http http;
    struct oxp_clock_manual clock;
    struct {
        const char *name, *value;
    } variables[FAKE_VARIABLES];
    struct fake_answer answers[FAKE_ANSWERS];
    size_t answer_count;
    struct fake_asked asked[FAKE_ASKED];
    size_t asked_count;
    int64_t slept_ms;
    unsigned sleeps;
    void (*during)(struct fake *fake); /* while a request is under way */
};

#define FAKE_NOW_S 1795276800.0 /* 2026-11-21T16:00:00Z */

void fake_init(struct fake *fake);
void fake_set(struct fake *fake, const char *name, const char *value);
/* Queues an answer; they are used in order, the first whose URL fits. */
void fake_answer(struct fake *fake, struct fake_answer answer);
/* True when the n-th request (from 0) has this header line. */
bool fake_has_header(const struct fake *fake, size_t n, const char *line);

#endif
