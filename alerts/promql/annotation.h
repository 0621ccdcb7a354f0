/* Annotations: what Prometheus says beside an answer. A warning means that the answer may be wrong, an info that the
 * query may not mean what its author thinks (promql/promqltest and util/annotations in Prometheus' repository). */
#ifndef OXP_PROMQL_ANNOTATION_H
#define OXP_PROMQL_ANNOTATION_H

#include <oxpecker/view.h>

enum oxp_annotation_level { OXP_ANNOTATION_WARNING, OXP_ANNOTATION_INFO };

struct oxp_annotation {
    enum oxp_annotation_level level;
    struct oxp_view text; /* `PromQL info: metric might not be a counter, …: "x" (1:6)` */
};

#endif
