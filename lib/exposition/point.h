/* One metric point: the samples of one label set (and, in OpenMetrics, one timestamp) of a family, and what they must
 * be together. Knows histograms, summaries and counters; the other types have one sample a point. Plain state. */
#ifndef OXP_EXPOSITION_POINT_H
#define OXP_EXPOSITION_POINT_H

#include "lib/exposition/grammar.h"
#include "lib/exposition/types.h"

struct oxp_point {
    unsigned seen;      /* bit 1 << role for each role that came */
    double le;          /* of the last bucket */
    double bucket;      /* its value */
    double count;       /* _count or _gcount */
    double quantile;    /* the last one */
    bool negative_le;   /* some bucket's bound is below 0 */
    bool negative_gsum; /* _gsum is below 0 */
};

/* One sample on its way into its point. */
struct oxp_point_sample {
    const struct oxp_line_reader *reader;
    const struct oxp_line *line;
    enum oxp_sample_role role;
    const struct oxp_read_label *special; /* the "le" or "quantile" label; NULL when it is missing */
};

/* Checks a sample by itself and against those before it, and takes it in. OXP_OK, or OXP_ERR_SYNTAX at its place. */
enum oxp_status oxp_point_add(struct oxp_point *point, const struct oxp_point_sample *in);
/* What the whole point of a family of this type lacks: a sentence in `reason`, or false when it is complete. */
bool oxp_point_fault(const struct oxp_point *point, enum oxp_format format, enum oxp_read_type type, char reason[128]);

#endif
