/* What the files of this folder share: the poller without its thread, so that tests can take its steps one by one with
 * a clock of their own. */
#ifndef OXP_PROVIDER_PARTS_H
#define OXP_PROVIDER_PARTS_H

#include "exporter/provider/answer.h"
#include "exporter/provider/poller.h"
#include "exporter/provider/schedule.h"
#include "lib/base/clock.h"
#include "lib/base/random.h"
#include <pthread.h>

struct oxp_poller {
    /* Set once. */
    struct oxp_poller_options options; /* its texts are those below */
    char *base_url, *api_key_file, *project_id;
    struct oxp_provider_tag tag;
    const struct oxp_clock *clock;
    /* The poller's thread. */
    struct oxp_random random;
    struct oxp_asks asks;
    int64_t next_poll_ns;
    unsigned failures;  /* in a row */
    bool throttled;     /* in this round */
    bool project_noted; /* that the project cannot be read was said */
    bool query_noted;   /* likewise the query for our tag */
    pthread_t thread;
    /* Guarded by the mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool stop, woken;
    enum oxp_release_mode mode;
    struct oxp_releases releases;
};

struct oxp_poller_asking {
    struct oxp_asks *asks;
    const struct oxp_provider_list *list;
};

/* oxp_poller_new without a thread. */
enum oxp_status oxp_poller_make(const struct oxp_poller_options *options, const struct oxp_clock *clock,
                                struct oxp_poller **poller_out, struct oxp_error *error);
void oxp_poller_unmake(struct oxp_poller *poller);
/* Does what is due: some releases, a poll. Gives the time (monotonic ns) of what is due next. */
int64_t oxp_poller_step(struct oxp_poller *poller);
bool oxp_poller_stopping(struct oxp_poller *poller);

/* exchange.c: one question and its answer. `body` is the request's, of a release. On OXP_OK (any 2xx) the caller frees
 * the response; else `error` says why, without secrets, and `response_out->status` is the HTTP status or 0. */
struct oxp_provider_request {
    enum oxp_provider_question question;
    struct oxp_view id;
    struct oxp_view body;
};
enum oxp_status oxp_poller_exchange(struct oxp_poller *poller, const struct oxp_provider_request *request,
                                    struct oxp_http_response *response_out, struct oxp_error *error);
/* A line for the log about `name` = `value`. */
void oxp_poller_note(struct oxp_poller *poller, int level, const char *message, const char *name, const char *value);
enum { OXP_NOTE_DEBUG, OXP_NOTE_INFO, OXP_NOTE_WARNING }; /* as lib/log numbers levels */

/* round.c: one poll, with its callbacks. */
void oxp_poller_round(struct oxp_poller *poller);
/* release.c: at most `most` of the releases that are due. */
void oxp_poller_run_releases(struct oxp_poller *poller, int most);

#endif
