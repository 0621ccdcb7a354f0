#include "lib/checkpoint/index.h"

#include <stdlib.h>

void oxp_index_init(struct oxp_index *index) {
    *index = (struct oxp_index){.snapshots = 0};
    oxp_map_init(&index->tasks);
}

static void task_free(struct oxp_known_task *task) {
    if (task != NULL) {
        free(task->list);
        free(task);
    }
}

void oxp_index_fini(struct oxp_index *index) {
    size_t at = 0;
    struct oxp_known_task *task;
    while ((task = oxp_map_next(&index->tasks, &at)) != NULL) {
        task_free(task);
    }
    oxp_map_fini(&index->tasks);
}

struct oxp_known_task *oxp_index_task(const struct oxp_index *index, struct oxp_view part) {
    return oxp_map_get(&index->tasks, part);
}

static struct oxp_known_task *task_make(struct oxp_index *index, struct oxp_view part) {
    struct oxp_known_task *task = calloc(1, sizeof *task + part.len + 1);
    if (task == NULL) {
        return NULL;
    }
    memcpy(task->part, part.ptr, part.len);
    task->part_len = part.len;
    if (oxp_map_set(&index->tasks, oxp_view_of(task->part, part.len), task, NULL) != OXP_OK) {
        free(task);
        return NULL;
    }
    return task;
}

/* The first place whose entry is not before (seq, corrupt). */
static size_t place_of(const struct oxp_known_task *task, uint64_t seq, bool corrupt) {
    size_t at = task->count; /* nearly always the end */
    while (at > 0 &&
           (task->list[at - 1].seq > seq || (task->list[at - 1].seq == seq && task->list[at - 1].corrupt >= corrupt))) {
        at--;
    }
    return at;
}

static bool is_at(const struct oxp_known_task *task, size_t at, uint64_t seq, bool corrupt) {
    return at < task->count && task->list[at].seq == seq && task->list[at].corrupt == corrupt;
}

static bool grow(struct oxp_known_task *task) {
    if (task->count < task->room) {
        return true;
    }
    size_t room = task->room == 0 ? 4 : task->room * 2;
    struct oxp_known *list = realloc(task->list, room * sizeof *list);
    if (list == NULL) {
        return false;
    }
    task->list = list;
    task->room = room;
    return true;
}

static void drop_when_empty(struct oxp_index *index, struct oxp_known_task *task) {
    if (task->count == 0) {
        oxp_map_remove(&index->tasks, oxp_view_of(task->part, task->part_len));
        task_free(task);
    }
}

enum oxp_status oxp_index_put(struct oxp_index *index, struct oxp_view part, const struct oxp_known *known) {
    struct oxp_known_task *task = oxp_index_task(index, part);
    task = task == NULL ? task_make(index, part) : task;
    if (task == NULL) {
        return OXP_ERR_NOMEM;
    }
    size_t at = place_of(task, known->seq, known->corrupt);
    if (is_at(task, at, known->seq, known->corrupt)) {
        index->bytes = index->bytes - task->list[at].size + known->size;
        task->list[at].size = known->size;
        return OXP_OK;
    }
    if (!grow(task)) {
        drop_when_empty(index, task);
        return OXP_ERR_NOMEM;
    }
    memmove(task->list + at + 1, task->list + at, (task->count - at) * sizeof *task->list);
    task->list[at] = *known;
    task->count++;
    index->snapshots += !known->corrupt;
    index->bytes += known->size;
    return OXP_OK;
}

void oxp_index_remove(struct oxp_index *index, struct oxp_view part, uint64_t seq, bool corrupt) {
    struct oxp_known_task *task = oxp_index_task(index, part);
    size_t at = task == NULL ? 0 : place_of(task, seq, corrupt);
    if (task == NULL || !is_at(task, at, seq, corrupt)) {
        return;
    }
    index->snapshots -= !corrupt;
    index->bytes -= task->list[at].size;
    task->count--;
    memmove(task->list + at, task->list + at + 1, (task->count - at) * sizeof *task->list);
    drop_when_empty(index, task);
}

const struct oxp_known *oxp_index_find(const struct oxp_index *index, struct oxp_view part, uint64_t seq,
                                       bool corrupt) {
    const struct oxp_known_task *task = oxp_index_task(index, part);
    size_t at = task == NULL ? 0 : place_of(task, seq, corrupt);
    return task != NULL && is_at(task, at, seq, corrupt) ? &task->list[at] : NULL;
}

uint64_t oxp_known_newest(const struct oxp_known_task *task) {
    for (size_t at = task->count; at > 0; at--) {
        if (!task->list[at - 1].corrupt) {
            return task->list[at - 1].seq;
        }
    }
    return 0;
}
