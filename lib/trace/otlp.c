#include "lib/trace/otlp.h"

#include "lib/base/clock.h"
#include "lib/base/number.h"

/* ---- Requests ---- */

static void add_key(struct oxp_buf *buf, struct oxp_view key, bool *first) {
    oxp_buf_append_text(buf, *first ? "{\"key\":" : ",{\"key\":");
    oxp_buf_append_json_string(buf, key);
    oxp_buf_append_text(buf, ",\"value\":{");
    *first = false;
}

static void add_text(struct oxp_buf *buf, const char *key, struct oxp_view text, bool *first) {
    if (text.len != 0) {
        add_key(buf, oxp_view_from(key), first);
        oxp_buf_append_text(buf, "\"stringValue\":");
        oxp_buf_append_json_string(buf, text);
        oxp_buf_append_text(buf, "}}");
    }
}

/* common.proto, AnyValue. 64-bit integers are strings in protobuf's JSON; a count too large for one is a double. */
static void add_pair(struct oxp_buf *buf, const struct oxp_pair *pair, bool *first) {
    if (pair->kind == OXP_PAIR_TEXT) {
        add_text(buf, pair->key, pair->value.text, first);
        return;
    }
    if (pair->kind == OXP_PAIR_NONE ||
        (pair->kind == OXP_PAIR_NUMBER && !(pair->value.number - pair->value.number == 0))) {
        return;
    }
    add_key(buf, oxp_view_from(pair->key), first);
    if (pair->kind == OXP_PAIR_FLAG) {
        oxp_buf_append_text(buf, pair->value.flag ? "\"boolValue\":true" : "\"boolValue\":false");
    } else if (pair->kind == OXP_PAIR_COUNT && pair->value.count <= INT64_MAX) {
        oxp_buf_append_text(buf, "\"intValue\":\"");
        oxp_buf_append_u64(buf, pair->value.count);
        oxp_buf_append_char(buf, '"');
    } else {
        oxp_buf_append_text(buf, "\"doubleValue\":");
        oxp_buf_append_json_double(buf, pair->kind == OXP_PAIR_COUNT ? (double)pair->value.count : pair->value.number);
    }
    oxp_buf_append_text(buf, "}}");
}

void oxp_otlp_begin(struct oxp_buf *buf, const char *service) {
    bool first = true;
    oxp_buf_append_text(buf, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    add_text(buf, "service.name", oxp_view_from(service), &first);
    add_text(buf, "telemetry.sdk.name", OXP_VIEW("oxpecker"), &first);
    add_text(buf, "telemetry.sdk.language", OXP_VIEW("c"), &first);
    add_text(buf, "telemetry.sdk.version", OXP_VIEW(OXP_VERSION), &first);
    oxp_buf_append_text(buf, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"oxpecker\",\"version\":\"" OXP_VERSION
                             "\"},\"spans\":[");
}

void oxp_otlp_end(struct oxp_buf *buf) {
    oxp_buf_append_text(buf, "]}]}]}");
}

static void add_field(struct oxp_buf *buf, const char *before, struct oxp_view text) {
    oxp_buf_append_text(buf, before);
    oxp_buf_append_json_string(buf, text);
}

static void add_nanoseconds(struct oxp_buf *buf, const char *before, double seconds) {
    int64_t ns = oxp_wall_from_seconds(seconds).ns;
    oxp_buf_append_text(buf, before);
    oxp_buf_append_u64(buf, ns < 0 ? 0 : (uint64_t)ns);
    oxp_buf_append_char(buf, '"');
}

static void add_attributes(struct oxp_buf *buf, const struct oxp_span_view *span) {
    const struct {
        const char *key;
        struct oxp_view value;
    } ids[] = {{"oxpecker.component", span->component},
               {"oxpecker.workflow", span->workflow},
               {"oxpecker.run", span->run},
               {"session.id", span->session},
               {"oxpecker.task", span->task}};
    bool first = true;
    oxp_buf_append_text(buf, ",\"attributes\":[");
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        add_text(buf, ids[i].key, ids[i].value, &first);
    }
    for (size_t i = 0; i < span->attribute_count; i++) {
        add_pair(buf, &span->attributes[i], &first);
    }
    oxp_buf_append_char(buf, ']');
    if (span->attributes_dropped > 0) {
        oxp_buf_append_text(buf, ",\"droppedAttributesCount\":");
        oxp_buf_append_u64(buf, span->attributes_dropped < UINT32_MAX ? span->attributes_dropped : UINT32_MAX);
    }
}

/* trace.proto, Span.flags: bits 0 to 7 are those of the trace context, bit 8 says that bit 9, "the parent is remote",
 * is known. SpanKind counts from 1 (INTERNAL); StatusCode is 0 unset, 1 ok, 2 error. */
bool oxp_otlp_add(struct oxp_buf *buf, const struct oxp_otlp_span *span, bool first) {
    const struct oxp_span_view *view = &span->view;
    unsigned flags = (span->sampled ? 1U : 0U) | 0x100U | (span->remote_parent ? 0x200U : 0U);
    add_field(buf, first ? "{\"traceId\":" : ",{\"traceId\":", view->trace_id);
    add_field(buf, ",\"spanId\":", view->span_id);
    if (view->parent_id.len != 0) {
        add_field(buf, ",\"parentSpanId\":", view->parent_id);
    }
    add_field(buf, ",\"name\":", view->name);
    oxp_buf_append_format(buf, ",\"flags\":%u,\"kind\":%d", flags, (int)view->kind + 1);
    add_nanoseconds(buf, ",\"startTimeUnixNano\":\"", view->started_s);
    add_nanoseconds(buf, ",\"endTimeUnixNano\":\"", view->ended_s);
    add_attributes(buf, view);
    oxp_buf_append_format(buf, ",\"status\":{\"code\":%d", (int)view->status);
    if (view->message.len != 0) {
        add_field(buf, ",\"message\":", view->message);
    }
    oxp_buf_append_text(buf, "}}");
    return buf->len < OXP_OTLP_BODY_FULL;
}

/* ---- Answers ---- */

bool oxp_otlp_may_retry(int http_status) {
    return http_status == 429 || http_status == 502 || http_status == 503 || http_status == 504;
}

static size_t past_spaces(struct oxp_view body, size_t at) {
    while (at < body.len &&
           (body.ptr[at] == ' ' || body.ptr[at] == '\t' || body.ptr[at] == '\n' || body.ptr[at] == '\r')) {
        at++;
    }
    return at;
}

/* The closing quote of the string whose first byte is at `start`. */
static size_t string_end(struct oxp_view body, size_t start) {
    size_t at = start;
    while (at < body.len && body.ptr[at] != '"') {
        at += body.ptr[at] == '\\' ? 2 : 1;
    }
    return at < body.len ? at : body.len;
}

/* The whole number at `at`, which protobuf's JSON may write as a string. */
static uint64_t number_at(struct oxp_view body, size_t at) {
    at += at < body.len && body.ptr[at] == '"' ? 1 : 0;
    size_t end = at;
    while (end < body.len && body.ptr[end] >= '0' && body.ptr[end] <= '9') {
        end++;
    }
    uint64_t number = 0;
    return oxp_number_parse_u64(oxp_view_of(body.ptr + at, end - at), &number) == OXP_OK ? number : 0;
}

/* The name stands in one place of the answer only: a string of that text with a colon behind it. This does not judge
 * the rest of the JSON. */
uint64_t oxp_otlp_rejected(struct oxp_view body) {
    for (size_t at = 0; at < body.len; at++) {
        if (body.ptr[at] != '"') {
            continue;
        }
        size_t end = string_end(body, at + 1), colon = past_spaces(body, end + 1);
        bool is_name = colon < body.len && body.ptr[colon] == ':';
        if (is_name && oxp_view_is(oxp_view_of(body.ptr + at + 1, end - at - 1), "rejectedSpans")) {
            return number_at(body, past_spaces(body, colon + 1));
        }
        at = end;
    }
    return 0;
}
