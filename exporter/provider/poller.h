/* The provider poller: asks the provider at an interval which sessions it holds, on a thread of its own, and releases
 * those that the ledger finds orphaned. What it learns goes to callbacks; it knows no ledger.
 *
 * One poll: the pending sessions, then the running ones (in this order, so that one which starts in between is seen
 * twice rather than not at all); with a tag, and when some session did not say its metadata, the same two again with a
 * query for the tag; the project and its usage, when a project is configured; then, one by one and few in a round, the
 * sessions that the ledger has and the lists lack. The lists make a poll good or failed; the rest is said when it is
 * known.
 *
 * A session is `ours` only when its userMetadata carries the tag: without one, none is, whoever else may use the
 * project. The key is read from its file for every request, so that a new one needs no restart, sent to base_url
 * alone, and never logged. */
#ifndef OXP_PROVIDER_POLLER_H
#define OXP_PROVIDER_POLLER_H

#include "exporter/event/provider.h"
#include "lib/base/http.h"
#include <stdint.h>

struct oxp_poller;
struct oxp_poller_asking; /* one round of choosing whom to ask about */

/* In the order of the option provider.release_orphans. */
enum oxp_release_mode { OXP_RELEASE_OFF, OXP_RELEASE_DRY_RUN, OXP_RELEASE_ON };

/* Texts are copied. All callbacks run on the poller's thread, one at a time, with no lock held; each may block, which
 * delays the poller alone, but must come back for oxp_poller_free to. Only `answered` and `failed` must be given. */
struct oxp_poller_options {
    const char *base_url;     /* "https://api.browserbase.com" */
    const char *api_key_file; /* path */
    const char *project_id;   /* may be empty */
    const char *tag;          /* "key=value"; may be empty */
    int64_t interval_ms, timeout_ms;
    enum oxp_release_mode release;
    struct oxp_http *http; /* borrowed; used by the poller's thread alone */
    /* A poll succeeded. `answer` lives as long as the call. */
    void (*answered)(void *ctx, const struct oxp_provider_answer *answer);
    /* A poll failed: a sentence without secrets. */
    void (*failed)(void *ctx, const char *reason);
    /* After `answered`: says with oxp_poller_ask what else the ledger has as open or orphaned; those that the lists
     * hold are skipped. */
    void (*ask_about)(void *ctx, struct oxp_poller_asking *asking);
    /* One that was asked about has ended (completed, error, timed_out), or is unknown there (not_found). */
    void (*ended)(void *ctx, const struct oxp_provider_session *session);
    /* The last word on a release: accepted (the session ends soon, as later polls show), or why not. */
    void (*released)(void *ctx, const char *id, bool ok, const char *reason);
    /* A line for the log; `level` as lib/log numbers them, `fields` as name, value pairs ended by NULL. */
    void (*note)(void *ctx, int level, const char *message, const char *const *fields);
    void *ctx;
};

/* Starts the thread, which polls at once and then at each interval. OXP_ERR_INVALID for a url, project, tag, interval
 * or timeout that cannot be (`error` says which), OXP_ERR_NOMEM. */
enum oxp_status oxp_poller_new(const struct oxp_poller_options *options, struct oxp_poller **poller_out,
                               struct oxp_error *error);
/* Asks the thread to end, and does not wait: a request under way is the last, and nothing more is told. Any thread. */
void oxp_poller_stop(struct oxp_poller *poller);
/* Stops, waits for a request or callback that is under way (a request: at most its timeout), frees. What is queued for
 * release is forgotten. Not from a callback, nor on a thread that a callback waits for. */
void oxp_poller_free(struct oxp_poller *poller);

/* Only inside `ask_about`: a session to ask about, if its turn comes. */
void oxp_poller_ask(struct oxp_poller_asking *asking, struct oxp_view id);

/* Queues the release of a session; call it for as long as the session is an orphan. Any thread, callbacks too; never
 * blocks on the network. With a dry run it is only said, once for each id. OXP_OK when queued; OXP_IGNORED when
 * releasing is off, or this one is queued, was released or refused within 10 minutes, or was said;
 * OXP_ERR_LIMIT when too many wait (256), OXP_ERR_INVALID for what is no id. */
enum oxp_status oxp_poller_release(struct oxp_poller *poller, struct oxp_view id);
/* A new mode after a reload; when it differs, what waits and what was said is forgotten. Any thread. */
void oxp_poller_set_release(struct oxp_poller *poller, enum oxp_release_mode mode);

#endif
