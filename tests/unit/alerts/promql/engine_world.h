/* What tests of the engine share: a small short memory, and answers as text. */
#ifndef OXP_TEST_PROMQL_ENGINE_WORLD_H
#define OXP_TEST_PROMQL_ENGINE_WORLD_H

#include "tests/unit/lib/base/support.h"

#include "alerts/promql/engine.h"

#define S INT64_C(1000)

/* The series at the top of engine_world.c. Everything here asserts. */
struct oxp_tsdb *make_tsdb(void);
/* Adds one: `name{label="value"} 1 2`, a sample every 10 s from 0 on. */
void load_series(struct oxp_tsdb *tsdb, const char *text);
struct oxp_promql_engine *make_engine(const struct oxp_promql_options *options);
struct oxp_promql_expr *parse(const char *text);
/* Runs a query and prints its answer, or `! ` and the reason:
 * `{a="b"} 1`; of a range query with _ for steps without a value; of raw samples with their times in seconds: `1@10` */
enum oxp_status run(struct oxp_promql_engine *engine, struct oxp_tsdb *tsdb, struct oxp_promql_request *request,
                    const char *text, struct oxp_buf *out);

#endif
