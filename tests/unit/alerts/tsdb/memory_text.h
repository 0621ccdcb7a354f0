/* The short memory as text, for the tests of what writes it. */
#ifndef OXP_TEST_TSDB_MEMORY_TEXT_H
#define OXP_TEST_TSDB_MEMORY_TEXT_H

#include "alerts/tsdb/tsdb.h"

/* One line a series whose name begins with `prefix` ("" = all), sorted: `name{labels} value@time value@time …`, times
 * in seconds, a stale marker as "stale". free() it. Fails the test when it cannot. */
char *memory_text(struct oxp_tsdb *tsdb, const char *prefix);
/* Compares, and frees; fails with both texts. */
void assert_memory(struct oxp_tsdb *tsdb, const char *prefix, const char *expected);
struct oxp_tsdb *new_memory(int64_t retention_s, size_t limit);
/* Labels of "name", or of "name,key=value,key=value". */
const struct oxp_labels *labels_of(struct oxp_arena *arena, const char *text);
void append_to(struct oxp_tsdb *tsdb, const char *labels, int64_t time_ms, double value);

#endif
