/* Traces: what belongs together over functions, threads and services.
 *
 * Ids are those of W3C Trace Context, so that our spans join those of Stagehand and of every OpenTelemetry SDK: a trace
 * id is 32, a span id 16 lower-case hex digits, not all zero. A span that begins with somebody else's `traceparent`
 * carries its trace on. Spans that end are kept in a ring, reported to the sidecar (`span` events), and exported by
 * OTLP/HTTP JSON when an endpoint is set.
 *
 *     struct oxp_span *span = oxp_span_start(tracer, &(struct oxp_span_options){.name = OXP_VIEW("extract"),
 *                                                                             .parent = parent});
 *     oxp_span_traceparent(span, header);              to be sent along with a request
 *     oxp_span_end(span, OXP_SPAN_OK, (struct oxp_view){NULL, 0});
 *
 * A span belongs to one thread at a time, a tracer to any. Starting never fails: without memory, or past
 * `active_max`, the span is a shared one that carries nothing and may be used and ended like any other. */
#ifndef OXPECKER_TRACE_H
#define OXPECKER_TRACE_H

#include <oxpecker/report.h>
#include <oxpecker/status.h>

OXP_BEGIN_DECLS

#define OXP_TRACE_ID_SIZE 33    /* hex digits and a NUL */
#define OXP_SPAN_ID_SIZE 17     /* likewise */
#define OXP_TRACEPARENT_SIZE 56 /* "00-<trace>-<span>-01" and a NUL */
#define OXP_SPAN_ATTRIBUTES_MAX 16

struct oxp_trace_context {
    char trace_id[OXP_TRACE_ID_SIZE]; /* "" = none */
    char span_id[OXP_SPAN_ID_SIZE];
    bool sampled;
};

/* Reads a `traceparent` header (W3C Trace Context, section 3.2): version 00, or a higher one whose first four fields
 * have that form. OXP_ERR_SYNTAX for anything else; `context_out` is then empty. Pure. */
enum oxp_status oxp_traceparent_read(struct oxp_view header, struct oxp_trace_context *context_out);
/* Writes version 00 with the flag that says whether it is sampled. An empty context writes "". Pure. */
void oxp_traceparent_write(const struct oxp_trace_context *context, char header_out[OXP_TRACEPARENT_SIZE]);

enum oxp_span_status { OXP_SPAN_UNSET, OXP_SPAN_OK, OXP_SPAN_ERROR };
enum oxp_span_kind { OXP_SPAN_INTERNAL, OXP_SPAN_SERVER, OXP_SPAN_CLIENT, OXP_SPAN_PRODUCER, OXP_SPAN_CONSUMER };

struct oxp_http;

struct oxp_tracer_options {
    const char *service; /* resource attribute service.name; NULL = "orchestrator" */
    size_t kept;         /* ended spans in memory; 0 = 1000 */
    size_t active_max;   /* spans that may be open; 0 = 10000 */
    struct oxp_reporter *reporter;
    bool report_ends_only; /* no `span` event when a span starts: the sidecar then knows only those that ended */
    /* OTLP/HTTP: the base URL, to which /v1/traces is added. NULL = the environment's
     * OTEL_EXPORTER_OTLP_TRACES_ENDPOINT (used as it is) or OTEL_EXPORTER_OTLP_ENDPOINT; "" = no export, whatever the
     * environment says. Headers come from OTEL_EXPORTER_OTLP_TRACES_HEADERS or OTEL_EXPORTER_OTLP_HEADERS
     * ("name=value,…", percent-encoded). A thread sends batches of up to 512, or what there is after 5 s; what cannot
     * be sent after three tries, or does not fit its queue of 2048, is dropped and counted. Only spans that are sampled
     * are exported. */
    const char *otlp_endpoint;
    struct oxp_http *http;      /* borrowed, used by that thread alone (oxp_http_curl_new); NULL = no export */
    double (*now_s)(void *ctx); /* unix seconds; NULL = the system's */
    void *ctx;
};

struct oxp_tracer;
/* `options` may be NULL; what it points to is copied, but for reporter, http and ctx. OXP_ERR_NOMEM; OXP_ERR_INVALID
 * when the endpoint is no http:// or https:// URL (one from the environment is taken as it is: what cannot be sent is
 * counted). */
enum oxp_status oxp_tracer_new(const struct oxp_tracer_options *options, struct oxp_tracer **tracer_out);
/* Sends what is waiting (at most 5 s). No other thread may use the tracer any more; spans that are open are freed, and
 * must not be used after. */
void oxp_tracer_free(struct oxp_tracer *tracer);
/* Sends what is waiting now, and waits for the end of it for at most `timeout_ms`. False when there is still something
 * on its way. At once true without export. */
bool oxp_tracer_flush(struct oxp_tracer *tracer, long timeout_ms);

struct oxp_span;

struct oxp_span_options {
    struct oxp_view name;      /* "extract" */
    struct oxp_view component; /* part of the orchestrator */
    enum oxp_span_kind kind;
    const struct oxp_span *parent;          /* of the same tracer; or */
    const struct oxp_trace_context *remote; /* somebody else's; neither = a new trace */
    struct oxp_ids ids;                     /* workflow, run, session, task; the trace's are filled in */
};

/* `tracer` may be NULL: a span that carries nothing. */
struct oxp_span *oxp_span_start(struct oxp_tracer *tracer, const struct oxp_span_options *options);
/* Its own context, for what is called; empty for one that carries nothing. */
struct oxp_trace_context oxp_span_context(const struct oxp_span *span);
void oxp_span_traceparent(const struct oxp_span *span, char header_out[OXP_TRACEPARENT_SIZE]);
/* Ids with trace and span filled in, for events; views into the span. */
const struct oxp_ids *oxp_span_ids(const struct oxp_span *span);
/* Copied, scrubbed; one of the same key is replaced. A key is cut at 64, a text at 256 bytes. Past the 16th key they
 * are counted as dropped. */
void oxp_span_set(struct oxp_span *span, const struct oxp_pair *attribute);
/* Ends and frees it. `message` says why, for errors (cut at 1024 bytes). Children that are still open stay open. In a
 * forked child, the end of a span that the parent process started is not reported: it is the parent's to end. */
void oxp_span_end(struct oxp_span *span, enum oxp_span_status status, struct oxp_view message);

/* A span as it is shown. The views are valid during the call. */
struct oxp_span_view {
    struct oxp_view trace_id, span_id, parent_id, name, component, workflow, run, session, task, message;
    enum oxp_span_kind kind;
    enum oxp_span_status status;
    double started_s, ended_s; /* unix seconds; ended_s is NaN while it is open */
    const struct oxp_pair *attributes;
    size_t attribute_count;
    uint64_t attributes_dropped;
};

typedef bool (*oxp_span_fn)(void *ctx, const struct oxp_span_view *span);

/* Spans that are open, in no order; those that ended, newest first, at most `most` (0 = all); those of one trace,
 * parents before children and else in the order of their start, with their depth in the tree: a span whose parent is
 * not held is a root. Each stops when `each` returns false. `each` must not call the tracer. Without memory nothing is
 * shown. */
void oxp_tracer_active(struct oxp_tracer *tracer, oxp_span_fn each, void *ctx);
void oxp_tracer_recent(struct oxp_tracer *tracer, size_t most, oxp_span_fn each, void *ctx);
void oxp_tracer_tree(struct oxp_tracer *tracer, struct oxp_view trace_id,
                     bool (*each)(void *ctx, const struct oxp_span_view *span, unsigned depth), void *ctx);

struct oxp_tracer_stats {
    size_t active, kept;
    uint64_t started, ended, exported, dropped; /* dropped: not kept, not carried, or not exported */
};
void oxp_tracer_read(const struct oxp_tracer *tracer, struct oxp_tracer_stats *stats_out);

OXP_END_DECLS

#endif
