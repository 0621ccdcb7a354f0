/* The short memory from inside, for tsdb.c and select.c. */
#ifndef OXP_TSDB_INTERNAL_H
#define OXP_TSDB_INTERNAL_H

#include "alerts/tsdb/index.h"
#include "alerts/tsdb/tsdb.h"

/* What any thread may ask: written by the writer alone. */
struct oxp_tsdb_counts {
    _Atomic uint64_t series, samples, chunks, made, gone, refused;
    _Atomic int64_t retention_ms, oldest_ms, newest_ms; /* oldest > newest: there is none */
    _Atomic int64_t floor_ms; /* newest of the samples that the limit took; INT64_MIN = none */
};

struct oxp_tsdb {
    struct oxp_memory memory;
    struct oxp_index index;
    struct oxp_tsdb_counts counts;
    /* the writer's */
    int64_t reach_ms; /* as in the stats: what sizes chunks */
    bool cut;         /* the limit took samples since the last trim */
    bool exhausted;   /* and there are no more to take: not tried again before the next trim */
};

#endif
