/* How a series of the registry is called in the short memory: its own labels, unescaped, with what names this sidecar
 * (job, instance, external labels) over them. Used by the sampler alone. Owned by one thread. */
#ifndef OXP_TSDB_NAMING_H
#define OXP_TSDB_NAMING_H

#include "alerts/tsdb/sampler.h"

struct oxp_naming {
    struct oxp_arena arena;
    const struct oxp_labels *target; /* job, instance and the external labels */
    const struct oxp_symbol *name, *le;
};

/* Copies what it needs of the options. OXP_ERR_NOMEM, OXP_ERR_LIMIT (too many labels). Free with oxp_naming_fini, also
 * after a failure. */
enum oxp_status oxp_naming_init(struct oxp_naming *naming, const struct oxp_sampler_options *options);
void oxp_naming_fini(struct oxp_naming *naming);

/* The labels of a series but for its name: `own` is the text of a struct oxp_sample (`a="b",c="d"`, escaped as for
 * exposition). A label of its own that is also one of the target's is kept as exported_<name>, with as many "exported_"
 * as it takes to be free (as a scrape with honor_labels: false does it). In the arena; NULL when it has failed. */
const struct oxp_labels *oxp_naming_base(const struct oxp_naming *naming, struct oxp_arena *arena, struct oxp_view own);
/* How many series of the short memory a family's series makes: one, or a histogram's buckets, _sum and _count. */
size_t oxp_naming_count(const struct oxp_family_spec *spec);
/* The labels of the one at `index` (a histogram's buckets first, then _sum, then _count). In the arena; NULL when it
 * has failed. */
const struct oxp_labels *oxp_naming_series(const struct oxp_naming *naming, struct oxp_arena *arena,
                                           const struct oxp_labels *base, const struct oxp_family_spec *spec,
                                           size_t index);
/* A metric of the sidecar itself, such as "up". */
const struct oxp_labels *oxp_naming_meta(const struct oxp_naming *naming, struct oxp_arena *arena, const char *name);
/* The pairs of an exemplar, or any other text of that form, as a set. */
const struct oxp_labels *oxp_naming_parse(struct oxp_arena *arena, struct oxp_view text);

#endif
