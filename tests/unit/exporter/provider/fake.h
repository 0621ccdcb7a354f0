/* A provider made of a table, and ears for what the poller says; both write down what happened as lines of text. */
#ifndef OXP_TEST_PROVIDER_FAKE_H
#define OXP_TEST_PROVIDER_FAKE_H

#include <pthread.h>
#include <stddef.h>

#include "exporter/provider/poller.h"
#include "lib/base/clock.h"

#define CANARY "bb_live_canary0123456789"

struct fake_rule {
    const char *match; /* part of "METHOD url"; NULL ends the table */
    enum oxp_status status;
    int http;
    const char *body;
};

struct fake {
    struct oxp_http http;
    const struct fake_rule *rules; /* the first that fits; none = 404 */
    struct oxp_clock_manual *clock;
    double takes_s; /* every request moves the clock so far */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t requests;
    size_t pass;     /* so many requests are let through, the next one waits */
    bool no_key;     /* a request came without the right key */
    char log[32768]; /* "GET /path\n", "POST /path body\n" */
    /* What was heard. */
    char heard[32768]; /* lines */
    size_t polls;      /* answered and failed */
    size_t settled;    /* released */
    double asked_at_s;
    const char *const *asks; /* ids for ask_about, NULL-terminated */
    char key_file[64];
};

/* Writes the key file and fills `options_out` (base http://provider, tag and project empty, dry run). */
void fake_init(struct fake *fake, const struct fake_rule *rules, struct oxp_poller_options *options_out);
/* Removes the key file; fails the test when the key was heard, logged, or missing from a request. */
void fake_fini(struct fake *fake);
void fake_write_key(const struct fake *fake, const char *text);
/* Waits (at most 30 s) until *counter has come to `least`; false = it did not. */
bool fake_wait(struct fake *fake, const size_t *counter, size_t least);
/* Lets the request that waits go on, and all that follow. Any thread. */
void fake_let_go(struct fake *fake);

#endif
