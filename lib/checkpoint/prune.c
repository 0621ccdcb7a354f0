/* What is kept.
 *
 *   1. Of one task the newest keep_per_task; the newest is never removed by this rule.
 *   2. Nothing older than max_age_s, counted by the monotonic clock: since it was written, or, for what was there when
 *      the manager began, since what its age was then by the wall clock. A wall clock that jumps later changes nothing.
 *   3. No more than max_snapshots and max_bytes in all: the oldest go first, but the newest of each task after all
 *      others.
 *   4. When the store is full: all but the newest of each task.
 * What was set aside counts under 2 and for the bytes of 3, and goes before all others. */
#include <math.h>
#include <stdlib.h>

#include "lib/checkpoint/manager.h"

void oxp_index_changed_locked(struct oxp_checkpoints *checkpoints) {
    atomic_store(&checkpoints->stored, checkpoints->index.snapshots);
    atomic_store(&checkpoints->stored_bytes, checkpoints->index.bytes);
}

/* ---- The listing ---- */

struct relisting {
    struct oxp_checkpoints *checkpoints;
    struct oxp_index fresh;
    struct oxp_mono now;
    double wall_s;
    uint64_t newest;
    enum oxp_status status;
};

static struct oxp_mono since_of(const struct relisting *relisting, const struct oxp_key *key, double time_s) {
    const struct oxp_known *old = oxp_index_find(&relisting->checkpoints->index, key->part, key->seq, key->corrupt);
    if (old != NULL) {
        return old->since;
    }
    double age_s = relisting->wall_s - time_s;
    age_s = age_s > 0 && time_s > 0 ? age_s : 0;
    age_s = age_s < 1e9 ? age_s : 1e9; /* 30 years */
    return (struct oxp_mono){relisting->now.ns - (int64_t)(age_s * 1e9)};
}

static bool relist_one(void *ctx, const struct oxp_store_entry *entry) {
    struct relisting *relisting = ctx;
    struct oxp_key key;
    if (!oxp_key_read(entry->key, &key)) {
        return true; /* somebody else's */
    }
    const struct oxp_known known = {key.seq, entry->size, since_of(relisting, &key, entry->time_s), key.corrupt};
    relisting->newest = key.seq > relisting->newest ? key.seq : relisting->newest;
    relisting->status = oxp_index_put(&relisting->fresh, key.part, &known);
    return relisting->status == OXP_OK;
}

enum oxp_status oxp_relist_locked(struct oxp_checkpoints *checkpoints, struct oxp_error *error) {
    struct oxp_store *store = checkpoints->options.store;
    struct relisting relisting = {.checkpoints = checkpoints,
                                  .now = oxp_clock_mono(checkpoints->options.clock),
                                  .wall_s = oxp_wall_seconds(oxp_clock_wall(checkpoints->options.clock))};
    oxp_index_init(&relisting.fresh);
    enum oxp_status status = store->list(store, "", relist_one, &relisting, error);
    if (status == OXP_OK && relisting.status != OXP_OK) {
        status = oxp_error_set(error, relisting.status, 0, 0, "out of memory");
    }
    if (status != OXP_OK) {
        oxp_index_fini(&relisting.fresh);
        return status;
    }
    oxp_index_fini(&checkpoints->index);
    checkpoints->index = relisting.fresh;
    checkpoints->listed = true;
    oxp_index_changed_locked(checkpoints);
    oxp_manager_saw_seq(checkpoints, relisting.newest);
    return OXP_OK;
}

/* ---- Removing ---- */

enum oxp_status oxp_drop_locked(struct oxp_checkpoints *checkpoints, struct oxp_view part,
                                const struct oxp_known *known, const char *reason, struct oxp_error *error) {
    struct oxp_store *store = checkpoints->options.store;
    const struct oxp_known gone = *known; /* it may be in the index */
    char key[OXP_KEY_SIZE], owned[OXP_PART_MAX + 1], task[OXP_PART_MAX + 1];
    memcpy(owned, part.ptr, part.len); /* so may the part */
    struct oxp_view kept = {owned, part.len};
    oxp_key_write(key, kept, gone.seq, gone.corrupt);
    enum oxp_status status = store->remove(store, key, error);
    if (status != OXP_OK) {
        return status;
    }
    oxp_index_remove(&checkpoints->index, kept, gone.seq, gone.corrupt);
    oxp_index_changed_locked(checkpoints);
    if (reason != NULL) {
        atomic_fetch_add(&checkpoints->removed, 1);
        oxp_report_outcome(checkpoints, NULL, oxp_view_of(task, oxp_task_of_part(kept, task, sizeof task)),
                           &(struct oxp_outcome){.op = "removed",
                                                 .status = OXP_OK,
                                                 .reason = reason,
                                                 .overhead_s = NAN,
                                                 .write_s = NAN,
                                                 .bytes = gone.size});
    }
    return OXP_OK;
}

struct collecting {
    struct oxp_view part;
    struct oxp_known *list;
    size_t count, room;
    enum oxp_status status;
};

static bool collect_one(void *ctx, const struct oxp_store_entry *entry) {
    struct collecting *collecting = ctx;
    struct oxp_key key;
    if (!oxp_key_read(entry->key, &key) || !oxp_view_equal(key.part, collecting->part)) {
        return true;
    }
    if (collecting->count == collecting->room) {
        size_t room = collecting->room == 0 ? 8 : collecting->room * 2;
        struct oxp_known *list = realloc(collecting->list, room * sizeof *list);
        if (list == NULL) {
            collecting->status = OXP_ERR_NOMEM;
            return false;
        }
        collecting->list = list;
        collecting->room = room;
    }
    collecting->list[collecting->count++] = (struct oxp_known){key.seq, entry->size, {0}, key.corrupt};
    return true;
}

enum oxp_status oxp_drop_task_locked(struct oxp_checkpoints *checkpoints, struct oxp_view part,
                                     struct oxp_error *error) {
    struct oxp_store *store = checkpoints->options.store;
    struct collecting collecting = {.part = part};
    char prefix[OXP_PART_MAX + 2];
    memcpy(prefix, part.ptr, part.len);
    memcpy(prefix + part.len, ".", 2);
    enum oxp_status status = store->list(store, prefix, collect_one, &collecting, error);
    status = status == OXP_OK ? collecting.status : status;
    for (size_t i = 0; i < collecting.count && status == OXP_OK; i++) {
        status = oxp_drop_locked(checkpoints, part, &collecting.list[i], "success", error);
    }
    free(collecting.list);
    return status;
}

/* ---- Rule 1 ---- */

enum oxp_status oxp_prune_task_locked(struct oxp_checkpoints *checkpoints, struct oxp_view part,
                                      struct oxp_error *error) {
    enum oxp_status status = OXP_OK;
    while (status == OXP_OK) {
        const struct oxp_known_task *task = oxp_index_task(&checkpoints->index, part);
        size_t live = 0;
        const struct oxp_known *oldest = NULL;
        for (size_t i = 0; task != NULL && i < task->count; i++) {
            live += !task->list[i].corrupt;
            oldest = oldest == NULL && !task->list[i].corrupt ? &task->list[i] : oldest;
        }
        if (live <= checkpoints->options.keep_per_task) {
            break;
        }
        status = oxp_drop_locked(checkpoints, part, oldest, "count", error);
    }
    return status;
}

/* ---- Rules 2 to 4 ---- */

struct candidate {
    struct oxp_view part; /* a copy's: in `texts` */
    struct oxp_known known;
    int rank; /* 0 = set aside, 1 = has a newer one, 2 = the newest of its task */
};

static int by_rank_and_age(const void *a, const void *b) {
    const struct candidate *left = a, *right = b;
    if (left->rank != right->rank) {
        return left->rank < right->rank ? -1 : 1;
    }
    return left->known.seq < right->known.seq ? -1 : left->known.seq > right->known.seq;
}

struct candidates {
    struct candidate *list;
    size_t count;
    char *texts; /* the parts: those of the index go with their last entry */
};

static void gather_task(struct candidates *out, const struct oxp_known_task *task, char *text) {
    memcpy(text, task->part, task->part_len);
    uint64_t newest = oxp_known_newest(task);
    for (size_t i = 0; i < task->count; i++) {
        bool corrupt = task->list[i].corrupt;
        int rank = corrupt ? 0 : task->list[i].seq == newest ? 2 : 1;
        out->list[out->count++] = (struct candidate){oxp_view_of(text, task->part_len), task->list[i], rank};
    }
}

static bool gather(const struct oxp_index *index, struct candidates *out) {
    size_t entries = 0, bytes = 0, at = 0;
    const struct oxp_known_task *task;
    while ((task = oxp_map_next(&index->tasks, &at)) != NULL) {
        entries += task->count;
        bytes += task->part_len;
    }
    *out = (struct candidates){calloc(entries + 1, sizeof *out->list), 0, malloc(bytes + 1)};
    if (out->list == NULL || out->texts == NULL) {
        free(out->list);
        free(out->texts);
        *out = (struct candidates){NULL, 0, NULL};
        return false;
    }
    char *text = out->texts;
    at = 0;
    while ((task = oxp_map_next(&index->tasks, &at)) != NULL) {
        gather_task(out, task, text);
        text += task->part_len;
    }
    qsort(out->list, out->count, sizeof *out->list, by_rank_and_age);
    return true;
}

/* "age", "count", "size", or NULL when it may stay. */
static const char *reason_to_drop(const struct oxp_checkpoints *checkpoints, const struct candidate *candidate,
                                  uint64_t snapshots, uint64_t bytes) {
    const struct oxp_checkpoints_options *options = &checkpoints->options;
    struct oxp_mono now = oxp_clock_mono(options->clock);
    double age_s = (double)(now.ns - candidate->known.since.ns) / 1e9;
    if (options->max_age_s >= 0 && age_s > options->max_age_s) {
        return "age";
    }
    if (checkpoints->index.snapshots > snapshots && !candidate->known.corrupt) {
        return "count";
    }
    return checkpoints->index.bytes > bytes ? "size" : NULL;
}

enum oxp_status oxp_prune_all_locked(struct oxp_checkpoints *checkpoints, uint64_t snapshots, uint64_t bytes,
                                     struct oxp_error *error) {
    struct candidates candidates;
    if (!gather(&checkpoints->index, &candidates)) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    enum oxp_status status = OXP_OK;
    for (size_t i = 0; i < candidates.count && status == OXP_OK; i++) {
        const struct candidate *candidate = &candidates.list[i];
        const char *reason = reason_to_drop(checkpoints, candidate, snapshots, bytes);
        if (reason != NULL) {
            status = oxp_drop_locked(checkpoints, candidate->part, &candidate->known, reason, error);
        }
    }
    free(candidates.list);
    free(candidates.texts);
    return status;
}

bool oxp_make_room_locked(struct oxp_checkpoints *checkpoints) {
    struct candidates candidates;
    if (!gather(&checkpoints->index, &candidates)) {
        return false;
    }
    bool any = false;
    for (size_t i = 0; i < candidates.count && candidates.list[i].rank < 2; i++) {
        any =
            oxp_drop_locked(checkpoints, candidates.list[i].part, &candidates.list[i].known, "size", NULL) == OXP_OK ||
            any;
    }
    free(candidates.list);
    free(candidates.texts);
    return any;
}

enum oxp_status oxp_prune_locked(struct oxp_checkpoints *checkpoints, struct oxp_error *error) {
    enum oxp_status status = oxp_relist_locked(checkpoints, error);
    /* Removing changes the map, so the parts are gathered first. */
    struct candidates candidates = {NULL, 0, NULL};
    if (status == OXP_OK && !gather(&checkpoints->index, &candidates)) {
        status = oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    for (size_t i = 0; i < candidates.count && status == OXP_OK; i++) {
        if (candidates.list[i].rank == 2) {
            status = oxp_prune_task_locked(checkpoints, candidates.list[i].part, error);
        }
    }
    free(candidates.list);
    free(candidates.texts);
    if (status == OXP_OK) {
        status = oxp_prune_all_locked(checkpoints, checkpoints->options.max_snapshots, checkpoints->options.max_bytes,
                                      error);
    }
    checkpoints->pruned = oxp_clock_mono(checkpoints->options.clock);
    return status;
}

enum oxp_status oxp_checkpoints_prune(struct oxp_checkpoints *checkpoints, struct oxp_error *error) {
    pthread_mutex_lock(&checkpoints->store_lock);
    enum oxp_status status = oxp_prune_locked(checkpoints, error);
    pthread_mutex_unlock(&checkpoints->store_lock);
    return status;
}
