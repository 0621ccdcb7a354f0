/* OTLP/HTTP in its JSON form (opentelemetry-proto, docs/specification.md, "OTLP/HTTP" and "JSON Protobuf Encoding";
 * trace/v1/trace.proto): requests out, answers in, and where to. Pure but for the reading of the environment. */
#ifndef OXP_TRACE_OTLP_H
#define OXP_TRACE_OTLP_H

#include "lib/base/buf.h"
#include <oxpecker/trace.h>

#define OXP_OTLP_HEADERS_MAX 32
/* A request is closed once it is this long, whatever is left over (20 MiB is what receivers are told to take). */
#define OXP_OTLP_BODY_FULL ((size_t)4 << 20)

struct oxp_otlp_headers {
    const char *lines[OXP_OTLP_HEADERS_MAX + 2]; /* "Name: value", each owned; Content-Type first; ended by NULL */
};

/* Adds the pairs of OTEL_EXPORTER_OTLP_HEADERS' form (W3C Baggage without properties: "name=value,…", values
 * percent-encoded) to what is there. What is no header (a bad name, a control character in the value) is left out.
 * OXP_ERR_NOMEM. */
enum oxp_status oxp_otlp_headers_read(struct oxp_view text, struct oxp_otlp_headers *headers);
/* Content-Type, then those of the environment. */
enum oxp_status oxp_otlp_headers_init(struct oxp_otlp_headers *headers);
void oxp_otlp_headers_fini(struct oxp_otlp_headers *headers);

/* The URL that is posted to, the caller's (free); NULL for no export. OXP_ERR_INVALID for an `endpoint` that is no HTTP
 * URL; OXP_ERR_NOMEM. */
enum oxp_status oxp_otlp_url(const char *endpoint, char **url_out);

/* One ExportTraceServiceRequest: begin, spans until one gives false (the request is full; that span is in it), end.
 * Failures stick in the buffer. */
struct oxp_otlp_span {
    struct oxp_span_view view;
    bool sampled, remote_parent;
};
void oxp_otlp_begin(struct oxp_buf *buf, const char *service);
bool oxp_otlp_add(struct oxp_buf *buf, const struct oxp_otlp_span *span, bool first);
void oxp_otlp_end(struct oxp_buf *buf);

/* partialSuccess.rejectedSpans of an ExportTraceServiceResponse; 0 when it says nothing. */
uint64_t oxp_otlp_rejected(struct oxp_view body);

/* True for the HTTP statuses that may be tried again: 429, 502, 503, 504. */
bool oxp_otlp_may_retry(int http_status);

#endif
