/* Helpers on the two columns of struct oxp_points (tsdb.h). Owned by one thread. */
#ifndef OXP_TSDB_POINTS_H
#define OXP_TSDB_POINTS_H

#include "alerts/tsdb/tsdb.h"

/* Room for `count` samples in all. OXP_ERR_NOMEM. */
enum oxp_status oxp_points_reserve(struct oxp_points *points, size_t count);
/* Keeps of samples in order of time those with after_ms < time <= until_ms. */
void oxp_points_cut(struct oxp_points *points, int64_t after_ms, int64_t until_ms);

#endif
