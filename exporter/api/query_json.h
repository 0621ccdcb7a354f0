/* Answers as Prometheus' HTTP API writes them: {"status":"success","data":…,"warnings":[…],"infos":[…]} or
 * {"status":"error","errorType":"…","error":"…"}. Pure; every failure sticks to the buffer. */
#ifndef OXP_API_QUERY_JSON_H
#define OXP_API_QUERY_JSON_H

#include "alerts/promql/engine.h"
#include "lib/base/buf.h"

/* ---- What went wrong ---- */
enum oxp_query_error {
    OXP_QUERY_BAD_DATA,    /* 400: an argument */
    OXP_QUERY_EXECUTION,   /* 422: the expression cannot be evaluated */
    OXP_QUERY_CANCELED,    /* 503 */
    OXP_QUERY_TIMEOUT,     /* 503 */
    OXP_QUERY_UNAVAILABLE, /* 503: not now */
    OXP_QUERY_INTERNAL,    /* 500 */
    OXP_QUERY_NOT_FOUND,   /* 404 */
    OXP_QUERY_ERRORS
};

struct oxp_query_fault {
    enum oxp_query_error error;
    char text[640];
};

/* Fills `fault` and gives false, so that callers can `return oxp_query_refuse(…)`. */
bool oxp_query_refuse(struct oxp_query_fault *fault, enum oxp_query_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int oxp_query_http_status(enum oxp_query_error error);
/* "bad_data", "execution", … */
const char *oxp_query_error_type(enum oxp_query_error error);
/* What a status of the engine means to the client. */
enum oxp_query_error oxp_query_error_of(enum oxp_status status);
void oxp_query_json_fault(struct oxp_buf *out, const struct oxp_query_fault *fault);

/* ---- Parts ---- */
/* {"__name__":"up","job":"x"} */
void oxp_query_json_labels(struct oxp_buf *out, const struct oxp_labels *labels);
/* Unix seconds with as many as three decimals: 1435781451.781, 12, -0.001. */
void oxp_query_json_time(struct oxp_buf *out, int64_t ms);
/* A sample's value between quotes: the shortest decimals that read back the same, with an exponent below 1e-6 and from
 * 1e21 on ("1e+21", "1e-07"), else without; "NaN", "+Inf", "-Inf", "-0". */
void oxp_query_json_value(struct oxp_buf *out, double value);
/* The same without any exponent, as a scalar's value is written. */
void oxp_query_json_scalar(struct oxp_buf *out, double value);
/* ["a","b"] */
void oxp_query_json_symbols(struct oxp_buf *out, const struct oxp_symbol *const *symbols, size_t count);
/* `,"warnings":[…],"infos":[…]` with what there is; at most ten of each and a line that counts the others. `more`
 * (NULL-terminated texts; may be NULL) are warnings too, behind the others and not counted. */
void oxp_query_json_annotations(struct oxp_buf *out, const struct oxp_annotation *annotations, size_t count,
                                const char *const *more);
/* {"status":"success","data": */
void oxp_query_json_begin(struct oxp_buf *out);

/* ---- The answer of a query, piece by piece, so that it can be compressed while it is made ---- */
struct oxp_query_text {
    const struct oxp_promql_answer *answer;
    bool range;              /* a range query: a matrix, whatever its count of samples */
    bool stats;              /* with statistics */
    size_t limit;            /* series; 0 = all */
    const char *warnings[3]; /* more of them: static texts, ended by NULL */
    /* its own */
    size_t series, sample; /* the next one */
    bool begun, ended;
};
/* Appends the next piece, a few kilobytes; false at the end. A oxp_pieces_fn of query_parts.h. */
bool oxp_query_text_next(void *text, struct oxp_buf *piece);

#endif
