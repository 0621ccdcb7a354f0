/* From expressions to metric data: evaluated each interval, encoded to CloudWatch's limits, and put into the outbox.
 *
 *  - gauge: the values seen in the period (the short memory's samples of it) as a statistic set: SampleCount, Sum,
 *    Minimum, Maximum.
 *  - delta: the reset-aware difference between now and what the ledger holds from the last time, zero included, not
 *    extrapolated. A series never seen before is worth its value when its metric was published before; at the metric's
 *    first publishing it counts from its first value in the period (rise.c has the rules). Each series of the
 *    expression's result has its own place in the ledger: give plain selectors, for in a sum a counter that begins
 *    anew is seen only when the sum falls. A metric without dimensions of its own that has no series yet is 0.
 *    What was published and the new ledger are one commit: a kill -9 publishes nothing twice, and loses what was
 *    counted since. The counters then begin at 0 again, which `counters_began_ms` tells: without it a reset is seen
 *    only when a counter is smaller than it was.
 *  - distribution: of a histogram's buckets; the differences as Values (the middle of each bucket, for +Inf the largest
 *    finite bound) and Counts, so moved within their buckets that the sum is that of the family's _sum.
 *    distribution.c has the rules. Nothing is sent when nothing was observed.
 *
 * A datum that CloudWatch would refuse (NaN, infinities, beyond 2^360, bad names, dimensions too long or blank) is
 * left out and counted, so that it cannot poison its batch; in the value of a dimension each byte that is not printable
 * ASCII becomes `\xC3` (and a backslash before what reads as such `\x5C`), so that values which differ stay apart. Of a
 * gauge, series that have the same dimensions are left out and counted; the others of the metric go on. A batch is one
 * message: at most 1000 data and 1 MB, with its own timestamps, so that a backlog tells what was when.
 *
 * Lanes: putmetricdata (JSON 1.0; gzip above 10,240 bytes), emf (lines on standard output at once; the outbox has
 * the ledger alone, and what a kill cuts off between the two is told twice), otlp (OTLP/JSON to <endpoint>/v1/metrics,
 * never tried against AWS: a gauge is its last value, a distribution its buckets, deltas tell since when they count).
 */
#ifndef OXP_CLOUDWATCH_PUBLISH_H
#define OXP_CLOUDWATCH_PUBLISH_H

#include "alerts/cloudwatch/config.h"
#include "alerts/delivery/courier.h"
#include "alerts/promql/engine.h"
#include "alerts/rules/rules.h"

#define OXP_CW_RECEIVER "cloudwatch"
#define OXP_CW_LEDGER "cw/" /* keys of the outbox's ledger that are ours begin so */

struct oxp_cw_publisher_options {
    const struct oxp_cw_config *config; /* must outlive the publisher */
    struct oxp_tsdb *tsdb;
    struct oxp_promql_engine *engine; /* its own */
    struct oxp_outbox *outbox;
    struct oxp_rules *rules; /* for rule alarms' metrics; may be NULL */
    /* The labels that the sampler gives every series, with their values now: job, instance, external labels. They are
     * left out of the ledger's keys (key.h), so that another host's name over the same volume publishes nothing again.
     * NULL = job and instance, of unknown values. Must outlive the publisher. */
    const struct oxp_labels *target;
    int64_t sample_interval_ms; /* between the short memory's samples; 0 = 15 s */
    /* When the counters in the short memory began at 0, unix ms: the same over reloads and over restarts that restored
     * them, another when they begin anew. 0 = not known. */
    int64_t counters_began_ms;
    int64_t began_ms; /* when the publisher begins, unix ms: its first deltas (lane otlp) say no earlier time, at which
                         the last run's may have ended; 0 = not known */
    /* The emf lane's lines; NULL = standard output. */
    enum oxp_status (*write)(void *ctx, struct oxp_view lines);
    void *ctx;
};
struct oxp_cw_publisher;
enum oxp_status oxp_cw_publisher_new(const struct oxp_cw_publisher_options *options,
                                     struct oxp_cw_publisher **publisher_out, struct oxp_error *error);
void oxp_cw_publisher_free(struct oxp_cw_publisher *publisher);

struct oxp_cw_published {
    size_t data, messages;
    uint64_t left_out; /* data that CloudWatch would have refused, and gauges of the same dimensions */
    uint64_t failed;   /* expressions that could not be evaluated */
    uint64_t replaced; /* dimension values with a character that is not ASCII, sent as `\xC3\xA4` */
    uint64_t inexact;  /* distributions whose buckets and sum contradict each other: the sum is the buckets' */
    struct oxp_error first_failed, first_left_out; /* "METRIC: why" of the first of each */
};
/* Publishes the period that ends at `now_ms`: an interval, for gauges less when the last one ended within it. Call it a
 * moment after that time, when the short memory's samples of it are all written. OXP_ERR_IO, OXP_ERR_NOMEM: nothing was
 * published, the next time covers it. */
enum oxp_status oxp_cw_publish(struct oxp_cw_publisher *publisher, int64_t now_ms,
                               struct oxp_cw_published *published_out, struct oxp_error *error);
/* When the next one is due: at multiples of the interval. */
int64_t oxp_cw_next(const struct oxp_cw_publisher *publisher, int64_t now_ms);

/* The queue that carries the data: prepares (gzip above 10,240 bytes, signing) and judges. `client` must outlive it.
 * The second one obeys the configuration's `compress`. */
struct oxp_recipient oxp_cw_recipient(struct oxp_aws_client *client);
struct oxp_recipient oxp_cw_recipient_of(const struct oxp_cw_config *config, struct oxp_aws_client *client);
/* What oxp_cw_recipient prepares of a content, in the arena: OXP_ERR_NOMEM. */
/* How many data points the verdict's answer says were refused although the request was taken (OTLP's partialSuccess);
 * 0 for any other answer. Pure: for on_send of the courier. */
uint64_t oxp_cw_rejected(struct oxp_view answer);
#define OXP_CW_GZIP_ABOVE 10240
#define OXP_CW_TOO_OLD_MS (INT64_C(14) * 86400 * 1000)
enum oxp_status oxp_cw_gzip(struct oxp_view plain, struct oxp_arena *arena, struct oxp_view *packed_out);

#endif
