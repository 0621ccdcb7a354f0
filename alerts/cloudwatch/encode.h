/* Data as requests and lines: PutMetricData's JSON (JSON 1.0 of GraniteServiceVersion20100801), EMF, OTLP/JSON. Pure.
 */
#ifndef OXP_CLOUDWATCH_ENCODE_H
#define OXP_CLOUDWATCH_ENCODE_H

#include "alerts/cloudwatch/datum.h"
#include "lib/base/buf.h"

#define OXP_CW_DATA_MAX 1000     /* of one request */
#define OXP_CW_BODY_MAX 1000000u /* bytes of one request or line before compression */
#define OXP_CW_VALUES_MAX 150    /* of one datum; a longer one is written as several of the same time */
#define OXP_CW_EMF_METRICS_MAX 100
#define OXP_CW_EMF_VALUES_MAX 100
#define OXP_CW_EMF_EXPANDED_MAX 10000 /* values of one datum: EMF has no counts, each stands there as often as seen */

struct oxp_cw_body {
    struct oxp_view text;
    size_t data; /* how many are in it */
};
/* The bodies, in the arena, with the time `now_ms`; data that CloudWatch would refuse are left out and counted.
 * OXP_ERR_NOMEM. */
enum oxp_status oxp_cw_encode(const struct oxp_cw_config *config, struct oxp_cw_data *data, int64_t now_ms,
                              struct oxp_cw_body **bodies_out, size_t *count_out);
/* The lines of EMF, each with its line feed. Data with the same dimensions share lines. Counts what was written in
 * `written_out`. OXP_ERR_NOMEM. */
enum oxp_status oxp_cw_emf(const struct oxp_cw_config *config, struct oxp_cw_data *data, int64_t now_ms,
                           struct oxp_buf *out, size_t *written_out);
/* OTLP/JSON, in the arena: deltas and distributions count from `since_ms` (otlp.c). */
#define OXP_CW_OTLP_BEGINNING "{\"resourceMetrics\":" /* of such a body; no other one of ours begins so */
struct oxp_cw_bodies {
    struct oxp_cw_body *list;
    size_t count;
};
enum oxp_status oxp_cw_otlp(const struct oxp_cw_config *config, struct oxp_cw_data *data, int64_t since_ms,
                            int64_t now_ms, struct oxp_cw_bodies *bodies_out);

#endif
