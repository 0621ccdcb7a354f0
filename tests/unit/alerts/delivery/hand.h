/* For the tests of the courier over the real outbox: a clock that moves by hand and may be read by any thread, and a
 * transport that does what the test's `exchange` says. */
#ifndef OXP_TEST_DELIVERY_HAND_H
#define OXP_TEST_DELIVERY_HAND_H

#include "alerts/delivery/courier.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>

static atomic_llong now_ns = OXP_NS_PER_S; /* both clocks; the wall began at 1,700,000,000 s */

static inline struct oxp_mono hand_mono(const struct oxp_clock *clock) {
    (void)clock;
    return (struct oxp_mono){atomic_load(&now_ns)};
}

static inline struct oxp_wall hand_wall(const struct oxp_clock *clock) {
    (void)clock;
    return (struct oxp_wall){atomic_load(&now_ns) + 1700000000 * OXP_NS_PER_S};
}

static const struct oxp_clock hand_clock = {hand_mono, hand_wall};

static inline int64_t now_ms(void) {
    return hand_wall(NULL).ns / OXP_NS_PER_MS;
}

/* The test's own. */
enum oxp_status exchange(struct oxp_http *http, const struct oxp_http_request *request,
                         struct oxp_http_response *response_out, struct oxp_error *error);

static inline void http_free(struct oxp_http *http) {
    free(http);
}

static inline enum oxp_status http_new(struct oxp_http **http_out) {
    *http_out = malloc(sizeof **http_out);
    **http_out = (struct oxp_http){exchange, http_free};
    return OXP_OK;
}

/* struct oxp_recipient.prepare: the content is the body. */
static inline enum oxp_status prepare(void *ctx, const struct oxp_outbox_message *message, int64_t now,
                                      struct oxp_arena *arena, struct oxp_http_request *request_out,
                                      struct oxp_verdict *verdict_out) {
    (void)ctx, (void)now, (void)verdict_out;
    assert_true(message->tries >= 1);
    *request_out = (struct oxp_http_request){
        .method = "POST", .url = "http://test/", .body = oxp_arena_copy(arena, message->content)};
    return OXP_OK;
}

#endif
