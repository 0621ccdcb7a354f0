/* What the handlers of the Prometheus HTTP API share: query.c (query, query_range), query_series.c (series, labels,
 * label values), query_meta.c (metadata, exemplars, build information), rules.c (rules, alerts).
 *
 * They run on the server's slow threads. Their routes are open, as /metrics is: they show the same numbers. A form that
 * is posted changes nothing, so a page of another site may send one as it may send a GET: it gets no answer that its
 * scripts could read, since no answer allows another origin. */
#ifndef OXP_API_QUERY_PARTS_H
#define OXP_API_QUERY_PARTS_H

#include "exporter/api/parts.h"
#include "exporter/api/query_args.h"
#include "exporter/api/query_json.h"

#define OXP_QUERY_FORM_MAX ((size_t)1024 * 1024)      /* bytes of a posted form */
#define OXP_QUERY_BODY_MAX ((size_t)64 * 1024 * 1024) /* bytes of an answer, compressed where it is */
#define OXP_QUERY_LIST_MAX ((size_t)64 * 1024 * 1024) /* bytes of memory for a list of series or labels */
/* Bytes of all answers that clients are still taking: one that reads slowly keeps its answer in memory. An answer that
 * would pass it is refused, but one may always be under way; short ones do not count. */
#define OXP_QUERY_HELD_MAX ((size_t)128 * 1024 * 1024)

oxp_handler_fn oxp_api_query, oxp_api_query_range;                           /* query.c */
oxp_handler_fn oxp_api_series, oxp_api_labels, oxp_api_label_values;         /* query_series.c */
oxp_handler_fn oxp_api_metadata, oxp_api_query_exemplars, oxp_api_buildinfo; /* query_meta.c */
oxp_handler_fn oxp_api_rules, oxp_api_alerts;                                /* rules.c */

/* One request under way. */
struct oxp_query_ask {
    struct oxp_api *api;
    const struct oxp_request *request;
    struct oxp_response *response;
    struct oxp_query_fault fault;
    struct oxp_mono until; /* 0: not asked yet */
};

/* False with the fault set when the client has gone or the request has taken as long as a query may, counted from the
 * first call. For what works through lists outside of the engine; call it often. */
bool oxp_query_goes_on(struct oxp_query_ask *ask);
/* The first argument of this name; empty when there is none. */
struct oxp_view oxp_query_arg(const struct oxp_query_ask *ask, const char *name);
/* Those that are optional: `*out` stays when they are not given. False with the fault set. */
bool oxp_query_arg_limit(struct oxp_query_ask *ask, size_t *limit);
bool oxp_query_arg_time(struct oxp_query_ask *ask, const char *name, int64_t *ms);
/* All match[]; `parameter`: messages begin with `invalid parameter "match[]": `. */
bool oxp_query_arg_selectors(struct oxp_query_ask *ask, bool parameter, struct oxp_query_selectors *selectors);
/* Sets the fault "unavailable" unless there is a short memory. */
bool oxp_query_has_memory(struct oxp_query_ask *ask);

/* Appends the next piece of an answer; false at the end. */
typedef bool oxp_pieces_fn(void *ctx, struct oxp_buf *piece);
/* Answers with all pieces, compressed where the client likes that; false with the fault set when it grew too long or
 * there was no memory. */
bool oxp_query_send(struct oxp_query_ask *ask, oxp_pieces_fn *next, void *ctx);
/* Answers with a whole text, and empties it. */
bool oxp_query_send_text(struct oxp_query_ask *ask, struct oxp_buf *text);
void oxp_query_send_fault(struct oxp_query_ask *ask);

#endif
