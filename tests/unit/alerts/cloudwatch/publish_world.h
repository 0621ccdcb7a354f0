/* What tests of publishing share: a short memory that is fed by hand, an outbox in memory (or on disk), and what was
 * published as lines. Times are seconds after `START_S`, which is a multiple of a minute. Everything here asserts. */
#ifndef OXP_TEST_CLOUDWATCH_PUBLISH_WORLD_H
#define OXP_TEST_CLOUDWATCH_PUBLISH_WORLD_H

#include "tests/unit/lib/base/support.h"

#include "alerts/cloudwatch/publish.h"

#define START_S INT64_C(1700000040)
#define BARE "namespace: N\ndimensions: {}\nmetrics:\n"
#define DELTA BARE "- {expr: errors_total, name: D, kind: delta}\n"

struct world {
    struct oxp_tsdb *tsdb;
    struct oxp_promql_engine *engine;
    struct oxp_outbox *outbox;
    struct oxp_cw_config *config;
    struct oxp_cw_publisher *publisher;
    struct oxp_cw_publisher_options options;
    struct oxp_cw_published published;
    struct oxp_buf text; /* what world_publish gave */
};

struct oxp_cw_config *world_config(const char *yaml);
/* `directory` NULL = in memory. The section has no dimensions unless it names some. */
void world_open(struct world *world, const char *yaml, const char *directory);
void world_close(struct world *world);
/* As after kill -9: the short memory and the publisher are new, the outbox is what it was. */
void world_restart(struct world *world, const char *yaml);
/* One sample: "errors_total,code=x". */
void world_set(struct world *world, double at_s, const char *series, double value);
/* Publishes, takes what waits out of the outbox, and says it, a datum a line:
 * `Errors{Code="x"} 3 Count`, `G n=4 sum=10 min=1 max=4`, `H 0.5*3 2*1`. */
const char *world_publish(struct world *world, double at_s);
enum oxp_status world_try(struct world *world, double at_s);
/* What waits, without publishing. */
const char *world_waiting(struct world *world);
/* PutMetricData's body as such lines, appended. Asserts the limits of a request, too. Gives how many data it has. */
size_t tell_body(struct oxp_view body, struct oxp_buf *out);

#endif
