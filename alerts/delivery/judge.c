/* What an answer means, by its status. */
#include "alerts/delivery/courier.h"

#include <math.h>
#include <stdio.h>

#include <oxpecker/retry.h>

#include "lib/base/scrub.h"
#include "lib/base/utf8.h"

enum { SHOWN_MAX = 1500 }; /* bytes of a body */

const char *oxp_delivery_reason_name(enum oxp_delivery_reason reason) {
    static const char *const names[OXP_DELIVERY_REASONS] = {
        [OXP_REASON_CLIENT_ERROR] = "clientError",
        [OXP_REASON_SERVER_ERROR] = "serverError",
        [OXP_REASON_AUTH_ERROR] = "authError",
        [OXP_REASON_RATE_LIMITED] = "rateLimited",
        [OXP_REASON_DELIVERY_TIMEOUT] = "timeout",
        [OXP_REASON_TOO_OLD] = "tooOld",
        [OXP_REASON_OTHER] = "other",
    };
    return (unsigned)reason < OXP_DELIVERY_REASONS ? names[reason] : "other";
}

int64_t oxp_retry_after_ms(struct oxp_view text, int64_t now_ms) {
    double hint_s;
    if (!oxp_hint_parse((struct oxp_view){0}, text, (double)now_ms / 1000, &hint_s)) {
        return 0;
    }
    return (int64_t)fmin(ceil(hint_s * 1000), (double)OXP_COURIER_WAIT_MAX_MS);
}

/* ---- The text for people ---- */

/* Copies at most `max` bytes of any text as one line of UTF-8, and gives how many. */
static size_t one_line(struct oxp_view text, char *out, size_t max) {
    size_t len = 0;
    while (text.len != 0 && len < max) {
        size_t valid = oxp_utf8_valid_prefix(text);
        struct oxp_view part = oxp_utf8_cut(oxp_view_of(text.ptr, valid), max - len);
        for (size_t i = 0; i < part.len; i++) {
            char c = part.ptr[i];
            if ((unsigned char)c < 0x20 || c == 0x7f) {
                c = ' ';
            }
            out[len++] = c;
        }
        if (part.len < valid) {
            break; /* the rest of a character does not fit */
        }
        text = oxp_view_of(text.ptr + valid, text.len - valid);
        if (text.len != 0 && len < max) {
            out[len++] = '?';
            text = oxp_view_of(text.ptr + 1, text.len - 1);
        }
    }
    while (len != 0 && out[len - 1] == ' ') {
        len--;
    }
    return len;
}

/* `head` and the beginning of `text`, without secrets. Empty when there is no memory. */
static struct oxp_view describe(struct oxp_arena *arena, const char *head, struct oxp_view text) {
    char raw[SHOWN_MAX + 64];
    size_t len = (size_t)snprintf(raw, 64, "%s", head);
    len += one_line(oxp_view_of(text.ptr, text.len < SHOWN_MAX ? text.len : SHOWN_MAX), raw + len, SHOWN_MAX);
    char *shown = oxp_arena_take(arena, OXP_OUTBOX_ANSWER_MAX);
    if (shown == NULL) {
        return (struct oxp_view){0};
    }
    len = oxp_scrub(oxp_view_of(raw, len), shown, OXP_OUTBOX_ANSWER_MAX);
    return oxp_view_of(shown, oxp_utf8_valid_prefix(oxp_view_of(shown, len)));
}

/* ---- The table ---- */

static const struct row {
    int first, last; /* HTTP status */
    enum oxp_delivery delivery;
    enum oxp_delivery_reason reason;
} rows[] = {
    {200, 299, OXP_DELIVERED, OXP_REASON_OTHER},
    {401, 401, OXP_DELIVERY_AGAIN, OXP_REASON_AUTH_ERROR},
    {403, 403, OXP_DELIVERY_AGAIN, OXP_REASON_AUTH_ERROR},
    {408, 408, OXP_DELIVERY_AGAIN, OXP_REASON_DELIVERY_TIMEOUT},
    {425, 425, OXP_DELIVERY_AGAIN, OXP_REASON_CLIENT_ERROR},
    {429, 429, OXP_DELIVERY_WAIT, OXP_REASON_RATE_LIMITED},
    {400, 499, OXP_DELIVERY_REFUSED, OXP_REASON_CLIENT_ERROR},
    {500, 599, OXP_DELIVERY_AGAIN, OXP_REASON_SERVER_ERROR},
    {0, 0, OXP_DELIVERY_REFUSED, OXP_REASON_OTHER}, /* every other one: redirects are not followed */
};

static const struct row *row_of(int http_status) {
    const struct row *row = rows;
    while (row->first != 0 && (http_status < row->first || http_status > row->last)) {
        row++;
    }
    return row;
}

static void judge_answer(const struct oxp_http_response *response, int64_t now_ms, struct oxp_arena *arena,
                         struct oxp_verdict *verdict_out) {
    const struct row *row = row_of(response->status);
    *verdict_out = (struct oxp_verdict){.delivery = row->delivery, .reason = row->reason};
    if (row->delivery == OXP_DELIVERY_AGAIN || row->delivery == OXP_DELIVERY_WAIT) {
        verdict_out->wait_ms = oxp_retry_after_ms(oxp_http_header(response, "retry-after"), now_ms);
    }
    char head[32];
    snprintf(head, sizeof head, response->body_len == 0 ? "HTTP %d" : "HTTP %d: ", response->status);
    verdict_out->answer = describe(arena, head, oxp_view_of(response->body, response->body_len));
}

void oxp_courier_judge(enum oxp_status status, const struct oxp_http_response *response, const struct oxp_error *error,
                       int64_t now_ms, struct oxp_arena *arena, struct oxp_verdict *verdict_out) {
    if (status == OXP_OK) {
        judge_answer(response, now_ms, arena, verdict_out);
        return;
    }
    *verdict_out =
        (struct oxp_verdict){.delivery = OXP_DELIVERY_AGAIN,
                             .reason = status == OXP_ERR_TIMEOUT ? OXP_REASON_DELIVERY_TIMEOUT : OXP_REASON_OTHER};
    const char *text = error == NULL || error->text[0] == '\0' ? oxp_status_text(status) : error->text;
    verdict_out->answer = describe(arena, "no answer: ", oxp_view_from(text));
}
