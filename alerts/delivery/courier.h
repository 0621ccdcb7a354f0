/* The courier: takes messages out of the outbox and hands them to their receivers, each queue by a thread of its own,
 * so that a slow receiver holds up nobody.
 *
 * A send: claim, ask the receiver for the request (which may sign it now), exchange, ask the receiver what the answer
 * means, tell the outbox. Rules (the tests quote them):
 *  1. Between the tries of a message: full jitter under 1 s doubling to 5 min, or what Retry-After says (seconds or a
 *     date; at most 1 h).
 *  2. An answer that says that this message will never be taken (most 4xx) sets it aside with the answer's text; the
 *     queue goes on with the next.
 *  3. Where the receiver asks for time (429, or Retry-After) the whole queue waits; a row of 429 without Retry-After
 *     doubles that time as the tries of one message would.
 *  4. A breaker for each receiver (lib/resilience): after 5 failures in a row nothing is sent for 30 s, then there is
 *     one try; each that fails doubles the time, up to 5 min. Meanwhile messages wait, and no tries are counted. Only
 *     AGAIN is a failure; REFUSED is the answer of a receiver that lives.
 *  5. When that one try was answered, the fault may be the message's: another that is due gets a try of its own before
 *     the breaker opens again. Such tries, and the first after a time of rule 3, take the message that was tried least
 *     often, of those the first in the queue's order; after one that failed, the oldest of them. So no message that
 *     fails can keep the others from a receiver that takes them. All other tries are in the queue's order.
 *  6. An outbox that cannot be told what became of a message is told again until it can, or the end: a message is never
 *     sent a second time for that.
 *  7. An answer that is too long to be read counts by its status.
 *  8. A failure (AGAIN, whether answered or not) is the message's own when another of its queue was delivered since the
 *     message, or an older state of its group, failed last. When answered it does not count for the breaker. From the
 *     third on, the message waits for 1 min, doubled each time up to 10 min, less at most a half by chance; the 10th
 *     sets it aside, with the last answer: half an hour of trouble, or more. While the receiver fails all its messages
 *     none is ever set aside for that. What is known of the last 256 that failed is of this run, and is not kept.
 *
 * Threads: _new, _stop and _free by one thread; _wake and _look by any. */
#ifndef OXP_DELIVERY_COURIER_H
#define OXP_DELIVERY_COURIER_H

#include "alerts/outbox/outbox.h"
#include "lib/base/clock.h"
#include "lib/base/http.h"

enum oxp_delivery { /* what an answer means */
                    OXP_DELIVERED,
                    OXP_DELIVERY_AGAIN,  /* later; counts against the receiver's breaker */
                    OXP_DELIVERY_WAIT,   /* the receiver says that it is too much now (429): later, not its failure */
                    OXP_DELIVERY_REFUSED /* never: set aside */
};
/* Reasons as the metric names them: oxpecker_notifications_failed_total{reason}. */
enum oxp_delivery_reason {
    OXP_REASON_CLIENT_ERROR,
    OXP_REASON_SERVER_ERROR,
    OXP_REASON_AUTH_ERROR,
    OXP_REASON_RATE_LIMITED,
    OXP_REASON_DELIVERY_TIMEOUT,
    OXP_REASON_TOO_OLD,
    OXP_REASON_OTHER,
    OXP_DELIVERY_REASONS
};
/* "clientError", "serverError", "authError", "rateLimited", "timeout", "tooOld", "other". */
const char *oxp_delivery_reason_name(enum oxp_delivery_reason reason);
struct oxp_verdict {
    enum oxp_delivery delivery;
    enum oxp_delivery_reason reason; /* of a failure */
    int64_t wait_ms;                 /* what the receiver asked for: rule 3; 0 = the courier's own backoff */
    struct oxp_view answer;          /* for people: status and the beginning of the body; in the arena */
};

/* One queue and how it is served. Copied by _new; texts and ctx must outlive the courier. */
struct oxp_recipient {
    const char *receiver;    /* the queue's name in the outbox */
    const char *integration; /* webhook, alertmanager, cloudwatch, … */
    int64_t timeout_ms;      /* of one exchange; 0 = 10 s */
    /* Makes the request for a message, in the arena; may block (credentials). Not OXP_OK: `verdict_out` says what
     * becomes of the message, as if the receiver had answered. */
    enum oxp_status (*prepare)(void *ctx, const struct oxp_outbox_message *message, int64_t now_ms,
                               struct oxp_arena *arena, struct oxp_http_request *request_out,
                               struct oxp_verdict *verdict_out);
    /* What the answer means; NULL = oxp_courier_judge. `status` is the exchange's; the response is empty unless OXP_OK.
     */
    void (*judge)(void *ctx, const struct oxp_outbox_message *message, enum oxp_status status,
                  const struct oxp_http_response *response, const struct oxp_error *error, int64_t now_ms,
                  struct oxp_arena *arena, struct oxp_verdict *verdict_out);
    void *ctx;
};
/* By HTTP status: 2xx delivered; 408, 425 and 5xx again; 429 wait; 401, 403 again as authError (credentials heal by
 * hand); every other one refused; no answer: again. Retry-After is obeyed. */
void oxp_courier_judge(enum oxp_status status, const struct oxp_http_response *response, const struct oxp_error *error,
                       int64_t now_ms, struct oxp_arena *arena, struct oxp_verdict *verdict_out);
/* Retry-After (RFC 9110, 10.2.3) as milliseconds from now_ms: seconds or an HTTP date, at most OXP_COURIER_WAIT_MAX_MS;
 * 0 for nonsense and the past. Pure. */
int64_t oxp_retry_after_ms(struct oxp_view text, int64_t now_ms);
#define OXP_COURIER_WAIT_MAX_MS INT64_C(3600000) /* the longest that a receiver can make us wait */
#define OXP_COURIER_OWN_TRIES_MAX 10             /* rule 8 */

struct oxp_courier_options {
    struct oxp_outbox *outbox;
    const struct oxp_recipient *recipients;
    size_t count;
    const struct oxp_clock *clock;
    /* Makes the transport of a thread. */
    enum oxp_status (*http_new)(struct oxp_http **http_out);
    uint64_t seed;      /* of the jitter */
    double delay_max_s; /* of the backoff between the tries of a message; 0 = 300 */
    double open_s;      /* of a receiver's breaker, doubled each time that it opens again; 0 = 30 */
    double open_max_s;  /* 0 = 300 */
    /* Told "send" on the queue's thread, when a message is claimed and its request ready: the tests kill there. NULL in
     * the daemon. */
    void (*point)(void *ctx, const char *name);
    /* After each send, when the outbox has been told, on the queue's thread: for metrics and the log. Not for one that
     * was cut off. The views are good for the call. May be NULL. */
    void (*on_send)(void *ctx, const struct oxp_recipient *recipient, const struct oxp_outbox_message *message,
                    const struct oxp_verdict *verdict, double seconds);
    void *ctx;
};

struct oxp_courier;
/* Begins a thread for each recipient. OXP_ERR_NOMEM. */
enum oxp_status oxp_courier_new(const struct oxp_courier_options *options, struct oxp_courier **courier_out);
/* Something was put for this receiver (empty = for any). */
void oxp_courier_wake(struct oxp_courier *courier, struct oxp_view receiver);
/* Goes on until all queues are empty of what is due, or `grace_ms` is over; then sends under way are cut off (their
 * messages wait again, for the next start) and the threads end: within a second, unless a `prepare` blocks for longer.
 * Only the first call does something. */
void oxp_courier_stop(struct oxp_courier *courier, int64_t grace_ms);
void oxp_courier_free(struct oxp_courier *courier); /* stops without grace; NULL is allowed */

struct oxp_courier_view {
    const char *receiver, *integration;
    const char *breaker;     /* closed, open, half_open */
    int64_t last_success_ms; /* 0 = never */
    int64_t last_failure_ms;
    uint64_t sent, failed, refused;
};
/* Fills at most `max`, gives how many recipients there are. */
size_t oxp_courier_look(struct oxp_courier *courier, struct oxp_courier_view *views, size_t max);

#endif
