/* The queue "cloudwatch": a message is PutMetricData's JSON or OTLP's; it is packed and signed when it is sent. What an
 * answer means is AWS' matter (oxp_aws_judge); here it becomes a verdict. */
#include "alerts/cloudwatch/publish.h"

#include "alerts/cloudwatch/encode.h"
#include "lib/base/number.h"
#include "lib/gzip/gzip.h"
#include "lib/json/json.h"
#include <inttypes.h>
#include <math.h>

#define TARGET "GraniteServiceVersion20100801.PutMetricData"
#define REJECTED "rejected data points: "

static bool is_otlp(const struct oxp_outbox_message *message) {
    return oxp_view_starts(message->content, OXP_VIEW(OXP_CW_OTLP_BEGINNING));
}

/* ---- gzip ---- */

static size_t next_bytes(void *ctx, char *out, size_t size) {
    struct oxp_view *left = ctx;
    size_t len = left->len < size ? left->len : size;
    if (len > 0) {
        memcpy(out, left->ptr, len);
        *left = oxp_view_of(left->ptr + len, left->len - len);
    }
    return len;
}

enum oxp_status oxp_cw_gzip(struct oxp_view plain, struct oxp_arena *arena, struct oxp_view *packed_out) {
    struct oxp_gzip *gzip;
    struct oxp_buf packed;
    struct oxp_view left = plain;
    enum { PIECE = 16384 };
    enum oxp_status status = oxp_gzip_new(&gzip);
    if (status != OXP_OK) {
        return status;
    }
    oxp_buf_init(&packed, 0);
    for (size_t len = 1; len > 0;) {
        char *room = oxp_buf_reserve(&packed, PIECE);
        len = room == NULL ? 0 : oxp_gzip_read(gzip, next_bytes, &left, room, PIECE);
        oxp_buf_commit(&packed, len);
    }
    status = oxp_buf_status(&packed);
    *packed_out = status == OXP_OK ? oxp_arena_copy(arena, oxp_buf_view(&packed)) : OXP_VIEW("");
    status = status == OXP_OK && packed_out->ptr == NULL ? OXP_ERR_NOMEM : status;
    oxp_buf_fini(&packed);
    oxp_gzip_free(gzip);
    return status;
}

/* ---- Verdicts ---- */

static struct oxp_verdict verdict_of(enum oxp_delivery delivery, enum oxp_delivery_reason reason,
                                     struct oxp_view answer) {
    return (struct oxp_verdict){.delivery = delivery, .reason = reason, .answer = answer};
}

static struct oxp_view keep_text(struct oxp_arena *arena, const char *text, const char *otherwise) {
    struct oxp_view kept = oxp_arena_copy(arena, oxp_view_from(text[0] == '\0' ? otherwise : text));
    return kept.ptr == NULL ? OXP_VIEW("") : kept;
}

/* Why there is no request: missing keys heal by hand, sources of keys by themselves. */
static void cannot_prepare(enum oxp_status status, const struct oxp_error *error, struct oxp_arena *arena,
                           struct oxp_verdict *verdict_out) {
    enum oxp_delivery_reason reason = OXP_REASON_OTHER;
    if (status == OXP_ERR_NOT_FOUND || status == OXP_ERR_DENIED) {
        reason = OXP_REASON_AUTH_ERROR;
    } else if (status == OXP_ERR_TIMEOUT) {
        reason = OXP_REASON_DELIVERY_TIMEOUT;
    }
    *verdict_out = verdict_of(OXP_DELIVERY_AGAIN, reason, keep_text(arena, error->text, oxp_status_text(status)));
}

static enum oxp_status prepare(struct oxp_aws_client *client, bool pack, const struct oxp_outbox_message *message,
                               int64_t now_ms, struct oxp_arena *arena, struct oxp_http_request *request_out,
                               struct oxp_verdict *verdict_out) {
    struct oxp_error error = {0};
    struct oxp_aws_operation operation = {.target = TARGET, .body = message->content};
    if (is_otlp(message)) { /* by what it is, not by the lane: that may be another one by now */
        operation = (struct oxp_aws_operation){
            .body = message->content, .path = "/v1/metrics", .content_type = "application/json"};
    }
    if (message->made_ms > 0 && now_ms - message->made_ms > OXP_CW_TOO_OLD_MS) {
        *verdict_out = verdict_of(OXP_DELIVERY_REFUSED, OXP_REASON_TOO_OLD,
                                  OXP_VIEW("too old: CloudWatch takes data of the last two weeks"));
        return OXP_ERR_RANGE;
    }
    enum oxp_status status = OXP_OK;
    if (pack && message->content.len > OXP_CW_GZIP_ABOVE) {
        status = oxp_cw_gzip(message->content, arena, &operation.body);
        operation.gzip = true;
    }
    if (status == OXP_OK) {
        status = oxp_aws_prepare(client, &operation, arena, request_out, &error);
    }
    if (status != OXP_OK) {
        cannot_prepare(status, &error, arena, verdict_out);
    }
    return status;
}

static enum oxp_status prepare_packed(void *ctx, const struct oxp_outbox_message *message, int64_t now_ms,
                                      struct oxp_arena *arena, struct oxp_http_request *request_out,
                                      struct oxp_verdict *verdict_out) {
    return prepare(ctx, true, message, now_ms, arena, request_out, verdict_out);
}

static enum oxp_status prepare_plain(void *ctx, const struct oxp_outbox_message *message, int64_t now_ms,
                                     struct oxp_arena *arena, struct oxp_http_request *request_out,
                                     struct oxp_verdict *verdict_out) {
    return prepare(ctx, false, message, now_ms, arena, request_out, verdict_out);
}

/* "HTTP 400 InvalidParameterValue: … (request 1234)" */
static struct oxp_view answer_text(const struct oxp_aws_outcome *outcome, enum oxp_status status,
                                   const struct oxp_http_response *response, const struct oxp_error *error,
                                   struct oxp_arena *arena) {
    struct oxp_buf text;
    if (status != OXP_OK) {
        return keep_text(arena, error == NULL ? "" : error->text, oxp_status_text(status));
    }
    oxp_buf_init(&text, OXP_OUTBOX_ANSWER_MAX);
    oxp_buf_append_format(&text, "HTTP %d", response->status);
    if (outcome->code.len > 0 && !oxp_view_starts(outcome->code, OXP_VIEW("HTTP "))) { /* said already */
        oxp_buf_append_char(&text, ' ');
        oxp_buf_append_view(&text, outcome->code);
    }
    if (outcome->message.len > 0) {
        oxp_buf_append_text(&text, ": ");
        oxp_buf_append_view(&text, outcome->message);
    }
    if (outcome->request_id.len > 0) {
        oxp_buf_append_text(&text, " (request ");
        oxp_buf_append_view(&text, outcome->request_id);
        oxp_buf_append_char(&text, ')');
    }
    struct oxp_view kept = oxp_arena_copy(arena, oxp_buf_view(&text));
    oxp_buf_fini(&text);
    return kept.ptr == NULL ? OXP_VIEW("") : kept;
}

/* ---- partialSuccess: the request was taken, some of its points were not ---- */

uint64_t oxp_cw_rejected(struct oxp_view answer) {
    uint64_t count = 0;
    size_t at = sizeof REJECTED - 1;
    if (!oxp_view_starts(answer, OXP_VIEW(REJECTED))) {
        return 0;
    }
    for (; at < answer.len && answer.ptr[at] >= '0' && answer.ptr[at] <= '9' && count < UINT64_MAX / 10; at++) {
        count = count * 10 + (uint64_t)(answer.ptr[at] - '0');
    }
    return count;
}

/* An int64: a text by the mapping, a number from who is lenient. */
static double count_of(const struct oxp_json *value) {
    double count = oxp_json_number_of(value);
    if (oxp_json_kind_of(value) == OXP_JSON_TEXT && oxp_number_parse_json(oxp_json_text_of(value), &count) != OXP_OK) {
        count = NAN;
    }
    return count >= 1 && count < 1e15 ? floor(count) : 0;
}

static void tell_rejected(const struct oxp_http_response *response, struct oxp_arena *arena,
                          struct oxp_verdict *verdict) {
    struct oxp_json *body = NULL;
    struct oxp_buf text;
    if (response->body == NULL ||
        oxp_json_read(oxp_view_of(response->body, response->body_len), &body, NULL) != OXP_OK) {
        return; /* an empty answer, or protobuf's */
    }
    const struct oxp_json *partial = oxp_json_get(body, "partialSuccess");
    double rejected = count_of(oxp_json_get(partial, "rejectedDataPoints"));
    struct oxp_view why = oxp_json_text_of(oxp_json_get(partial, "errorMessage"));
    oxp_buf_init(&text, OXP_OUTBOX_ANSWER_MAX);
    oxp_buf_append_format(&text, REJECTED "%.0f%s", rejected, why.len > 0 ? ", " : "");
    oxp_buf_append_view(&text, why);
    if (rejected > 0) {
        struct oxp_view kept = oxp_arena_copy(arena, oxp_buf_view(&text));
        verdict->answer = kept.ptr == NULL ? verdict->answer : kept;
    }
    oxp_buf_fini(&text);
    oxp_json_free(body);
}

static void judge(void *ctx, const struct oxp_outbox_message *message, enum oxp_status status,
                  const struct oxp_http_response *response, const struct oxp_error *error, int64_t now_ms,
                  struct oxp_arena *arena, struct oxp_verdict *verdict_out) {
    static const struct {
        enum oxp_delivery delivery;
        enum oxp_delivery_reason reason;
    } meanings[] = {
        [OXP_AWS_OK] = {OXP_DELIVERED, OXP_REASON_OTHER},
        [OXP_AWS_THROTTLED] = {OXP_DELIVERY_WAIT, OXP_REASON_RATE_LIMITED},
        [OXP_AWS_TRANSIENT] = {OXP_DELIVERY_AGAIN, OXP_REASON_SERVER_ERROR},
        [OXP_AWS_RESIGN] = {OXP_DELIVERY_AGAIN, OXP_REASON_AUTH_ERROR},
        [OXP_AWS_DENIED] = {OXP_DELIVERY_AGAIN, OXP_REASON_AUTH_ERROR},
        [OXP_AWS_REFUSED] = {OXP_DELIVERY_REFUSED, OXP_REASON_CLIENT_ERROR},
    };
    struct oxp_aws_outcome outcome = {0};
    (void)now_ms;
    oxp_aws_judge(ctx, status, response, error, arena, &outcome);
    *verdict_out = verdict_of(meanings[outcome.answer].delivery, meanings[outcome.answer].reason,
                              answer_text(&outcome, status, response, error, arena));
    verdict_out->wait_ms = outcome.wait_ms;
    if (status == OXP_ERR_TIMEOUT) {
        verdict_out->reason = OXP_REASON_DELIVERY_TIMEOUT;
    }
    if (outcome.answer == OXP_AWS_OK && is_otlp(message)) {
        tell_rejected(response, arena, verdict_out);
    }
    if (outcome.answer == OXP_AWS_RESIGN) {
        /* At once; but when that did not help either, after the courier's own pause. */
        verdict_out->wait_ms = message->tries % 2 == 1 ? 1 : 0;
    }
}

struct oxp_recipient oxp_cw_recipient(struct oxp_aws_client *client) {
    return (struct oxp_recipient){.receiver = OXP_CW_RECEIVER,
                                  .integration = "cloudwatch",
                                  .prepare = prepare_packed,
                                  .judge = judge,
                                  .ctx = client};
}

struct oxp_recipient oxp_cw_recipient_of(const struct oxp_cw_config *config, struct oxp_aws_client *client) {
    struct oxp_recipient recipient = oxp_cw_recipient(client);
    if (config->plain) {
        recipient.prepare = prepare_plain;
    }
    return recipient;
}
