/* What a manager knows to be in its store, by task: for the gauges, and for deciding what is kept. A listing brings it
 * up to date; in between, other writers' snapshots are not in it. Owned by whoever holds the manager's store_lock. */
#ifndef OXP_CHECKPOINT_INDEX_H
#define OXP_CHECKPOINT_INDEX_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>
#include <stdint.h>

#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/checkpoint/key.h"

struct oxp_known {
    uint64_t seq;
    uint64_t size;         /* bytes */
    struct oxp_mono since; /* when it was written, or would have been by what the store said when it was first seen */
    bool corrupt;          /* set aside */
};

struct oxp_known_task {
    struct oxp_known *list; /* by seq, the smallest first */
    size_t count, room;
    size_t part_len;
    char part[]; /* with a NUL */
};

struct oxp_index {
    struct oxp_map tasks; /* part to struct oxp_known_task */
    uint64_t snapshots;   /* without those set aside */
    uint64_t bytes;       /* of all */
};

void oxp_index_init(struct oxp_index *index);
void oxp_index_fini(struct oxp_index *index);
/* NULL when nothing is known of it. */
struct oxp_known_task *oxp_index_task(const struct oxp_index *index, struct oxp_view part);
/* Puts an entry, or brings the size of one with that seq and kind up to date. OXP_ERR_NOMEM. */
enum oxp_status oxp_index_put(struct oxp_index *index, struct oxp_view part, const struct oxp_known *known);
/* Forgets it, if it is there. Pointers into the list of its task, and to a task that has no more entries, end. */
void oxp_index_remove(struct oxp_index *index, struct oxp_view part, uint64_t seq, bool corrupt);
/* The entry, or NULL. */
const struct oxp_known *oxp_index_find(const struct oxp_index *index, struct oxp_view part, uint64_t seq, bool corrupt);
/* The largest seq that is not set aside; 0 when there is none. */
uint64_t oxp_known_newest(const struct oxp_known_task *task);

#endif
