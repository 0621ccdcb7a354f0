/* The thread of a lane. A turn sends one message, or says how long there is nothing to do; the numbers are the rules of
 * courier.h. */
#include "alerts/delivery/lane.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "alerts/delivery/backoff.h"
#include "alerts/delivery/hide.h"
#include "lib/base/utf8.h"

#define TIMEOUT_MS 10000
#define LOOK_MS 1000                  /* the outbox may have been written by another process */
#define TELL_FIRST_MS 20              /* rule 6: pause before the outbox is told again, doubled up to LOOK_MS */
#define ANSWER_MAX ((size_t)64 << 10) /* bytes of an answer's body that are asked for */
#define OWN_FREE 2                    /* rule 8: own failures before the long times */
#define OWN_FIRST_S 60.0
#define OWN_LONGEST_S 600.0

/* ---- Time ---- */

void oxp_cond_init_monotonic(pthread_cond_t *cond) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

void oxp_cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t wait_ms) {
    int64_t ns = oxp_clock_mono(oxp_clock_system()).ns + wait_ms * OXP_NS_PER_MS;
    struct timespec at = {(time_t)(ns / OXP_NS_PER_S), (long)(ns % OXP_NS_PER_S)};
    pthread_cond_timedwait(cond, lock, &at);
}

static int64_t wall_ms(const struct oxp_lane *lane) {
    return oxp_clock_wall(lane->courier->options.clock).ns / OXP_NS_PER_MS;
}

static int64_t mono_ns(const struct oxp_lane *lane) {
    return oxp_clock_mono(lane->courier->options.clock).ns;
}

static double mono_s(const struct oxp_lane *lane) {
    return (double)mono_ns(lane) / 1e9;
}

/* ---- The rest of a lane's life ---- */

void oxp_lane_init(struct oxp_lane *lane, struct oxp_courier *courier, const struct oxp_recipient *recipient) {
    lane->courier = courier;
    lane->recipient = *recipient;
    if (lane->recipient.timeout_ms <= 0) {
        lane->recipient.timeout_ms = TIMEOUT_MS;
    }
    if (lane->recipient.integration == NULL) {
        lane->recipient.integration = "other";
    }
    const struct oxp_breaker_options breaker = {
        .open_s = courier->options.open_s, .open_growth = 2, .open_max_s = courier->options.open_max_s};
    oxp_breaker_rules_init(&lane->breaker, &breaker, mono_s(lane), NULL);
    pthread_mutex_init(&lane->lock, NULL);
    oxp_cond_init_monotonic(&lane->changed);
    oxp_arena_init(&lane->arena, 0);
    /* a sequence of its own for each, from one seed */
    oxp_random_seed(&lane->random, courier->options.seed + (uint64_t)(lane - courier->lanes));
    lane->hold_until_ns = INT64_MIN;
}

void oxp_lane_fini(struct oxp_lane *lane) {
    pthread_cond_destroy(&lane->changed);
    pthread_mutex_destroy(&lane->lock);
}

void oxp_lane_wake(struct oxp_lane *lane) {
    pthread_mutex_lock(&lane->lock);
    lane->woken = true;
    pthread_cond_signal(&lane->changed);
    pthread_mutex_unlock(&lane->lock);
}

/* Until somebody wakes the lane; once, so that whatever the clock that was handed in says is looked at again. */
static void rest(struct oxp_lane *lane, int64_t wait_ms) {
    pthread_mutex_lock(&lane->lock);
    if (!lane->woken) {
        oxp_cond_wait_ms(&lane->changed, &lane->lock, wait_ms);
    }
    lane->woken = false;
    pthread_mutex_unlock(&lane->lock);
}

static bool is_cut(const struct oxp_lane *lane) {
    return atomic_load(&lane->courier->cut);
}

static bool give_up(void *ctx) {
    return is_cut(ctx);
}

/* ---- The breaker (rules 4 and 5) ---- */

static void enter(struct oxp_lane *lane, struct oxp_breaker_ticket *ticket) {
    pthread_mutex_lock(&lane->lock);
    oxp_breaker_rules_enter(&lane->breaker, true, mono_s(lane), ticket);
    pthread_mutex_unlock(&lane->lock);
}

static void leave(struct oxp_lane *lane, const struct oxp_breaker_ticket *ticket, enum oxp_breaker_outcome outcome) {
    pthread_mutex_lock(&lane->lock);
    oxp_breaker_rules_leave(&lane->breaker, ticket, outcome, mono_s(lane));
    pthread_mutex_unlock(&lane->lock);
}

/* Nobody else was due: the failure that was not told is told now. */
static void pay_failure(struct oxp_lane *lane) {
    struct oxp_breaker_ticket ticket;
    if (lane->owes_failure) {
        lane->owes_failure = false;
        enter(lane, &ticket);
        leave(lane, &ticket, OXP_BREAKER_FAILURE);
    }
}

/* What has become of a try. */
struct attempt {
    enum sent { SENT_NOT, SENT_ANSWERED, SENT_UNANSWERED, SENT_CUT } sent;
    bool is_probe; /* rule 5 */
    bool is_own;   /* rule 8: this failure was the message's own, */
    unsigned own;  /* and so many have been */
};

static enum oxp_breaker_outcome outcome_of(struct oxp_lane *lane, const struct oxp_verdict *verdict,
                                           const struct attempt *attempt) {
    bool answered = attempt->sent == SENT_ANSWERED;
    bool owed = lane->owes_failure;
    lane->owes_failure = false;
    switch (verdict->delivery) {
    case OXP_DELIVERED:
    case OXP_DELIVERY_REFUSED: /* where nobody was asked, nobody has shown to be alive */
        return answered ? OXP_BREAKER_SUCCESS : OXP_BREAKER_IGNORED;
    case OXP_DELIVERY_WAIT:
        return OXP_BREAKER_IGNORED;
    default:
        break;
    }
    if (lane->breaker.state == OXP_BREAKER_HALF_OPEN) {
        lane->owes_failure = answered && !owed;
        return lane->owes_failure ? OXP_BREAKER_IGNORED : OXP_BREAKER_FAILURE;
    }
    return answered && attempt->is_own ? OXP_BREAKER_IGNORED : OXP_BREAKER_FAILURE;
}

/* Rule 8. Nobody was asked = nobody can be blamed. */
static void suspect(struct oxp_lane *lane, const struct oxp_outbox_message *message, const struct oxp_verdict *verdict,
                    struct attempt *attempt) {
    if (verdict->delivery == OXP_DELIVERED || verdict->delivery == OXP_DELIVERY_REFUSED) {
        oxp_suspects_forget(&lane->suspects, message);
    } else if (verdict->delivery == OXP_DELIVERY_AGAIN && attempt->sent != SENT_NOT) {
        attempt->own = oxp_suspects_add(&lane->suspects, message, lane->sent, &attempt->is_own);
    }
}

static void give_it_up(struct oxp_lane *lane, const struct oxp_outbox_message *message, struct oxp_verdict *verdict) {
    char *text = oxp_arena_take(&lane->arena, OXP_OUTBOX_ANSWER_MAX);
    int len = text == NULL ? 0
                           : snprintf(text, OXP_OUTBOX_ANSWER_MAX,
                                      "%d tries failed while others were delivered; the last one: %.*s",
                                      OXP_COURIER_OWN_TRIES_MAX, (int)verdict->answer.len,
                                      verdict->answer.len == 0 ? "" : verdict->answer.ptr);
    verdict->delivery = OXP_DELIVERY_REFUSED;
    if (len > 0) {
        size_t most = OXP_OUTBOX_ANSWER_MAX - 1;
        verdict->answer = oxp_utf8_cut(oxp_view_of(text, (size_t)len < most ? (size_t)len : most), most);
    }
    oxp_suspects_forget(&lane->suspects, message);
}

/* ---- Telling the outbox (rule 6) ---- */

static enum oxp_status tell_once(struct oxp_lane *lane, int64_t id, const struct oxp_verdict *verdict, int64_t due_ms) {
    struct oxp_outbox *outbox = lane->courier->options.outbox;
    switch (verdict->delivery) {
    case OXP_DELIVERED:
        return oxp_outbox_sent(outbox, id, verdict->answer, wall_ms(lane));
    case OXP_DELIVERY_REFUSED:
        return oxp_outbox_set_aside(outbox, id, verdict->answer, wall_ms(lane));
    default:
        return oxp_outbox_again(outbox, id, due_ms, verdict->answer, wall_ms(lane));
    }
}

static bool heals(enum oxp_status status) {
    return status == OXP_ERR_IO || status == OXP_ERR_FULL || status == OXP_ERR_NOMEM || status == OXP_ERR_IN_USE;
}

static void tell(struct oxp_lane *lane, int64_t id, const struct oxp_verdict *verdict, int64_t due_ms) {
    int64_t pause_ms = TELL_FIRST_MS;
    while (heals(tell_once(lane, id, verdict, due_ms)) && !is_cut(lane)) {
        rest(lane, pause_ms);
        pause_ms = pause_ms * 2 < LOOK_MS ? pause_ms * 2 : LOOK_MS;
    }
}

/* ---- A send ---- */

/* Rule 8. */
static int64_t own_delay_ms(struct oxp_lane *lane, unsigned own) {
    double delay_s = own <= OWN_FREE ? 0 : fmin(ldexp(OWN_FIRST_S, (int)(own - OWN_FREE - 1)), OWN_LONGEST_S);
    return (int64_t)(delay_s * 1000 * (0.5 + 0.5 * oxp_random_unit(&lane->random)));
}

/* Rules 1, 3 and 8. */
static int64_t delay_of(struct oxp_lane *lane, const struct oxp_outbox_message *message,
                        const struct oxp_verdict *verdict, unsigned own) {
    lane->was_held = false;
    if (verdict->delivery == OXP_DELIVERED || verdict->delivery == OXP_DELIVERY_REFUSED) {
        lane->waits = 0;
        return 0;
    }
    bool asked = verdict->wait_ms > 0;
    int64_t delay_ms = verdict->wait_ms < OXP_COURIER_WAIT_MAX_MS ? verdict->wait_ms : OXP_COURIER_WAIT_MAX_MS;
    unsigned tries = message->tries;
    if (verdict->delivery == OXP_DELIVERY_WAIT) {
        lane->waits++;
        tries = lane->waits;
    }
    if (!asked) {
        delay_ms = oxp_delivery_delay_ms(tries, lane->courier->options.delay_max_s, oxp_random_unit(&lane->random));
    }
    if (asked || verdict->delivery == OXP_DELIVERY_WAIT) {
        lane->hold_until_ns = mono_ns(lane) + delay_ms * OXP_NS_PER_MS;
        lane->was_held = true;
    }
    int64_t own_ms = own_delay_ms(lane, own);
    return own_ms > delay_ms ? own_ms : delay_ms;
}

static void judge(struct oxp_lane *lane, const struct oxp_outbox_message *message, enum oxp_status status,
                  const struct oxp_http_response *response, const struct oxp_error *error,
                  struct oxp_verdict *verdict_out) {
    const struct oxp_recipient *recipient = &lane->recipient;
    char nothing[1] = "";
    struct oxp_http_response answer = {.body = nothing};
    if (status == OXP_OK) {
        answer = *response;
    } else if (status == OXP_ERR_LIMIT && response->status != 0) { /* rule 7 */
        answer.status = response->status;
        status = OXP_OK;
    }
    if (recipient->judge == NULL) {
        oxp_courier_judge(status, &answer, error, wall_ms(lane), &lane->arena, verdict_out);
    } else {
        recipient->judge(recipient->ctx, message, status, &answer, error, wall_ms(lane), &lane->arena, verdict_out);
    }
}

/* From the request to the verdict; not told to anybody yet. */
static enum sent try_it(struct oxp_lane *lane, const struct oxp_outbox_message *message,
                        struct oxp_verdict *verdict_out, double *seconds_out) {
    const struct oxp_courier_options *options = &lane->courier->options;
    const struct oxp_recipient *recipient = &lane->recipient;
    struct oxp_http_request request = {0};
    if (recipient->prepare(recipient->ctx, message, wall_ms(lane), &lane->arena, &request, verdict_out) != OXP_OK) {
        return SENT_NOT;
    }
    request.timeout_ms = request.timeout_ms > 0 ? request.timeout_ms : (long)recipient->timeout_ms;
    request.max_body_bytes = request.max_body_bytes != 0 ? request.max_body_bytes : ANSWER_MAX;
    request.give_up = give_up;
    request.give_up_ctx = lane;
    if (options->point != NULL) {
        options->point(options->ctx, "send");
    }
    struct oxp_http_response response = {0};
    struct oxp_error error = {0};
    double begun_s = mono_s(lane);
    enum oxp_status status = lane->http->exchange(lane->http, &request, &response, &error);
    *seconds_out = fmax(mono_s(lane) - begun_s, 0);
    bool answered = response.status != 0;
    bool cut = status != OXP_OK && !answered && is_cut(lane);
    if (!cut) {
        judge(lane, message, status, &response, &error, verdict_out);
        verdict_out->answer = oxp_hide_request(&lane->arena, verdict_out->answer, &request);
    }
    oxp_http_response_fini(&response);
    return cut ? SENT_CUT : answered ? SENT_ANSWERED : SENT_UNANSWERED;
}

static void count(struct oxp_lane *lane, const struct oxp_verdict *verdict) {
    bool delivered = verdict->delivery == OXP_DELIVERED;
    bool refused = verdict->delivery == OXP_DELIVERY_REFUSED;
    pthread_mutex_lock(&lane->lock);
    lane->sent += delivered;
    lane->refused += refused;
    lane->failed += !delivered && !refused;
    *(delivered ? &lane->last_success_ms : &lane->last_failure_ms) = wall_ms(lane);
    pthread_mutex_unlock(&lane->lock);
}

static void send_one(struct oxp_lane *lane, const struct oxp_outbox_message *message, bool is_probe) {
    const struct oxp_courier_options *options = &lane->courier->options;
    struct oxp_verdict verdict = {.delivery = OXP_DELIVERY_AGAIN, .reason = OXP_REASON_OTHER};
    struct oxp_breaker_ticket ticket;
    double seconds = 0;
    enter(lane, &ticket);
    struct attempt attempt = {.sent = try_it(lane, message, &verdict, &seconds), .is_probe = is_probe};
    if (attempt.sent == SENT_CUT) { /* by us: it says nothing about the receiver, and waits for the next start */
        leave(lane, &ticket, OXP_BREAKER_IGNORED);
        oxp_outbox_again(options->outbox, message->id, wall_ms(lane), OXP_VIEW("cut off: the sender was stopped"),
                         wall_ms(lane));
        return;
    }
    suspect(lane, message, &verdict, &attempt);
    leave(lane, &ticket, outcome_of(lane, &verdict, &attempt));
    lane->vain = verdict.delivery == OXP_DELIVERED ? 0 : lane->vain + (attempt.is_probe ? 1 : 0);
    if (attempt.own >= OXP_COURIER_OWN_TRIES_MAX) {
        give_it_up(lane, message, &verdict);
    }
    int64_t delay_ms = delay_of(lane, message, &verdict, attempt.own);
    count(lane, &verdict);
    tell(lane, message->id, &verdict, wall_ms(lane) + delay_ms);
    if (options->on_send != NULL) {
        options->on_send(options->ctx, &lane->recipient, message, &verdict, seconds);
    }
}

/* ---- A turn ---- */

/* How long the whole queue waits; 0 = it may go on. */
static int64_t held_ms(struct oxp_lane *lane) {
    int64_t hold_ns = lane->hold_until_ns == INT64_MIN ? 0 : lane->hold_until_ns - mono_ns(lane);
    double open_s = oxp_breaker_rules_wait_s(&lane->breaker, mono_s(lane));
    int64_t wait_ms = hold_ns > 0 ? hold_ns / OXP_NS_PER_MS + 1 : 0;
    int64_t open_ms = (int64_t)ceil(open_s * 1000);
    return wait_ms > open_ms ? wait_ms : open_ms;
}

/* Rule 5: where a try is dear, the least tried first; every second time the oldest of those. */
static enum oxp_status claim(struct oxp_lane *lane, bool is_probe, int64_t now_ms,
                             struct oxp_outbox_message *message_out, int64_t *next_ms_out) {
    struct oxp_outbox *outbox = lane->courier->options.outbox;
    struct oxp_view receiver = oxp_view_from(lane->recipient.receiver);
    return is_probe ? oxp_outbox_claim_least_tried(outbox, receiver, lane->vain % 2 == 1, now_ms, &lane->arena,
                                                   message_out, next_ms_out)
                    : oxp_outbox_claim(outbox, receiver, now_ms, &lane->arena, message_out, next_ms_out);
}

/* Sends one message and gives 0, or gives how long there is nothing to do. */
static int64_t turn(struct oxp_lane *lane) {
    const struct oxp_courier_options *options = &lane->courier->options;
    int64_t wait_ms = held_ms(lane);
    if (wait_ms > 0) {
        return wait_ms;
    }
    if (lane->http == NULL && options->http_new(&lane->http) != OXP_OK) {
        lane->http = NULL;
        return LOOK_MS;
    }
    struct oxp_outbox_message message;
    int64_t now_ms = wall_ms(lane), next_ms = INT64_MAX;
    bool is_probe = lane->breaker.state != OXP_BREAKER_CLOSED || lane->was_held;
    enum oxp_status status = claim(lane, is_probe, now_ms, &message, &next_ms);
    if (status == OXP_OK) {
        send_one(lane, &message, is_probe);
        oxp_arena_clear(&lane->arena);
        return 0;
    }
    oxp_arena_fini(&lane->arena); /* a rest may be long */
    if (status != OXP_END) {
        return LOOK_MS;
    }
    pay_failure(lane);
    return next_ms > now_ms ? next_ms - now_ms : 1; /* at once would be a loop if the outbox disagreed about now */
}

void *oxp_lane_run(void *ctx) {
    struct oxp_lane *lane = ctx;
    while (!is_cut(lane)) {
        int64_t wait_ms = turn(lane);
        if (wait_ms > 0 && atomic_load(&lane->courier->draining)) {
            break;
        }
        if (wait_ms > 0) {
            rest(lane, wait_ms < LOOK_MS ? wait_ms : LOOK_MS);
        }
    }
    if (lane->http != NULL) {
        lane->http->free(lane->http);
    }
    oxp_arena_fini(&lane->arena);
    pthread_mutex_lock(&lane->courier->lock);
    lane->courier->running--;
    pthread_cond_signal(&lane->courier->ended);
    pthread_mutex_unlock(&lane->courier->lock);
    return NULL;
}
