/* What the provider of sessions says about them: plain data, made by the poller (exporter/provider), read by the
 * ledger. The views belong to whoever fills the struct and live as long as the call that hands it over. Times are unix
 * seconds by the provider's clock; NaN = the provider did not say. */
#ifndef OXP_EVENT_PROVIDER_H
#define OXP_EVENT_PROVIDER_H

#include <oxpecker/view.h>
#include <stdint.h>

/* One session as the provider knows it. */
struct oxp_provider_session {
    struct oxp_view id; /* 1 to 127 bytes of A-Z a-z 0-9 . _ - */
    /* pending, running, completed, error, timed_out; unknown (a word we do not know); or, asked about one session,
     * not_found: the provider knows no such session, which a key of another project makes of every session. */
    struct oxp_view status;
    struct oxp_view region; /* "us-west-2"; may be empty */
    double created_s, started_s, ended_s, expires_s;
    bool keep_alive;
    uint64_t proxy_bytes; /* 0 when not said */
    bool ours;            /* carries the tag that is configured for our sessions */
};

/* One round of questions: the sessions that are pending or running at the provider. */
struct oxp_provider_answer {
    const struct oxp_provider_session *sessions; /* each id once */
    size_t count;
    /* Every list was read to its end and every entry understood: a session that is not here is neither pending nor
     * running. False: only what is here is known. */
    bool complete;
    double concurrency;           /* sessions that the project may have at a time; NaN = unknown */
    double usage_browser_seconds; /* of the project; NaN = unknown */
    double usage_proxy_bytes;     /* of the project; NaN = unknown */
    double asked_at_s;            /* unix time before the first question of this round */
};

#endif
