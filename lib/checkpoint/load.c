/* Reading: load, resume, verify. What cannot be read is set aside under another key, so that it is found by a person
 * and not by the next load. */
#include <math.h>
#include <stdlib.h>

#include "lib/checkpoint/format.h"
#include "lib/checkpoint/manager.h"

/* ---- Finding ---- */

struct finding {
    struct oxp_view part; /* empty = all */
    struct oxp_found *list;
    size_t count, room;
    enum oxp_status status;
};

static bool find_one(void *ctx, const struct oxp_store_entry *entry) {
    struct finding *finding = ctx;
    struct oxp_key key;
    if (!oxp_key_read(entry->key, &key) || key.corrupt ||
        (finding->part.len > 0 && !oxp_view_equal(key.part, finding->part))) {
        return true;
    }
    if (finding->count == finding->room) {
        size_t room = finding->room == 0 ? 8 : finding->room * 2;
        struct oxp_found *list = realloc(finding->list, room * sizeof *list);
        if (list == NULL) {
            finding->status = OXP_ERR_NOMEM;
            return false;
        }
        finding->list = list;
        finding->room = room;
    }
    struct oxp_found *found = &finding->list[finding->count++];
    memcpy(found->part, key.part.ptr, key.part.len);
    found->part[key.part.len] = '\0';
    found->seq = key.seq;
    found->size = entry->size;
    return true;
}

static int by_task_newest_first(const void *a, const void *b) {
    const struct oxp_found *left = a, *right = b;
    int order = strcmp(left->part, right->part);
    return order != 0 ? order : left->seq > right->seq ? -1 : left->seq < right->seq;
}

/* Another process may have written them. */
static void learn(struct oxp_checkpoints *checkpoints, const struct finding *finding) {
    uint64_t newest = 0;
    for (size_t i = 0; i < finding->count; i++) {
        const struct oxp_found *found = &finding->list[i];
        struct oxp_view part = oxp_view_from(found->part);
        newest = found->seq > newest ? found->seq : newest;
        if (oxp_index_find(&checkpoints->index, part, found->seq, false) == NULL) {
            const struct oxp_known known = {found->seq, found->size, oxp_clock_mono(checkpoints->options.clock), false};
            (void)oxp_index_put(&checkpoints->index, part, &known);
        }
    }
    oxp_index_changed_locked(checkpoints);
    oxp_manager_saw_seq(checkpoints, newest);
}

enum oxp_status oxp_find_locked(struct oxp_checkpoints *checkpoints, struct oxp_view part, struct oxp_found **list_out,
                                size_t *count_out, struct oxp_error *error) {
    struct oxp_store *store = checkpoints->options.store;
    struct finding finding = {.part = part};
    char prefix[OXP_PART_MAX + 2] = "";
    if (part.len > 0) {
        memcpy(prefix, part.ptr, part.len);
        memcpy(prefix + part.len, ".", 2);
    }
    enum oxp_status status = store->list(store, prefix, find_one, &finding, error);
    if (status == OXP_OK && finding.status != OXP_OK) {
        status = oxp_error_set(error, finding.status, 0, 0, "out of memory");
    }
    if (status != OXP_OK) {
        free(finding.list);
        return status;
    }
    if (finding.count > 1) {
        qsort(finding.list, finding.count, sizeof *finding.list, by_task_newest_first);
    }
    learn(checkpoints, &finding);
    *list_out = finding.list;
    *count_out = finding.count;
    return OXP_OK;
}

/* ---- One snapshot ---- */

/* Longer than any file of a snapshot that a save lets in: escapes and "[redacted]" make text longer. */
static size_t longest_file(const struct oxp_checkpoints *checkpoints) {
    return checkpoints->options.snapshot_max * 7 + ((size_t)1 << 20);
}

static void set_aside_locked(struct oxp_checkpoints *checkpoints, const struct oxp_found *found, struct oxp_view text) {
    struct oxp_store *store = checkpoints->options.store;
    struct oxp_view part = oxp_view_from(found->part);
    char key[OXP_KEY_SIZE];
    atomic_fetch_add(&checkpoints->set_aside, 1);
    oxp_key_write(key, part, found->seq, true);
    if (store->put(store, key, text, NULL) != OXP_OK) {
        return; /* it stays where it is, and will be found again */
    }
    const struct oxp_known aside = {found->seq, text.len, oxp_clock_mono(checkpoints->options.clock), true};
    (void)oxp_index_put(&checkpoints->index, part, &aside);
    const struct oxp_known old = {.seq = found->seq};
    (void)oxp_drop_locked(checkpoints, part, &old, NULL, NULL);
}

/* OXP_ERR_CORRUPT (set aside), OXP_ERR_UNSUPPORTED, OXP_ERR_NOT_FOUND (gone meanwhile), or the store's failure. */
static enum oxp_status read_locked(struct oxp_checkpoints *checkpoints, const struct oxp_found *found,
                                   struct oxp_checkpoint **checkpoint_out, struct oxp_error *error) {
    struct oxp_store *store = checkpoints->options.store;
    char key[OXP_KEY_SIZE];
    char *text = NULL;
    size_t len = 0;
    oxp_key_write(key, oxp_view_from(found->part), found->seq, false);
    enum oxp_status status = store->get(store, key, longest_file(checkpoints), &text, &len, error);
    if (status == OXP_ERR_NOT_FOUND) {
        oxp_index_remove(&checkpoints->index, oxp_view_from(found->part), found->seq, false);
        oxp_index_changed_locked(checkpoints);
        return status;
    }
    if (status == OXP_ERR_LIMIT) { /* nothing of ours; not even read, and so left where it is */
        return OXP_ERR_CORRUPT;
    }
    if (status == OXP_OK) {
        status = oxp_checkpoint_decode(oxp_view_of(text, len), checkpoint_out, error);
        if (status == OXP_ERR_CORRUPT) {
            set_aside_locked(checkpoints, found, oxp_view_of(text, len));
        }
    }
    free(text);
    return status;
}

/* ---- Loading ---- */

static void report_restored(struct oxp_checkpoints *checkpoints, const struct oxp_checkpoint *checkpoint,
                            struct oxp_view task, enum oxp_status status, const char *reason) {
    const char *outcome = status == OXP_OK                ? "ok"
                          : status == OXP_ERR_CORRUPT     ? "corrupt"
                          : status == OXP_ERR_UNSUPPORTED ? "incompatible"
                                                          : "missing"; /* there, perhaps, but not to be had */
    oxp_report_outcome(checkpoints, checkpoint, task,
                       &(struct oxp_outcome){.op = "restored",
                                             .status = status,
                                             .outcome = outcome,
                                             .reason = status == OXP_OK ? NULL : reason,
                                             .overhead_s = NAN,
                                             .write_s = NAN});
}

/* A snapshot of that task which still waits is written first. */
static void write_waiting_locked(struct oxp_checkpoints *checkpoints, struct oxp_view part) {
    struct oxp_job *job = oxp_manager_take_locked(checkpoints, part);
    if (job != NULL) {
        (void)oxp_writer_run_locked(checkpoints, job, true, NULL);
    }
    oxp_manager_taken_locked(checkpoints);
}

/* The newest valid one in the list; an empty `task` is any task. */
static enum oxp_status choose_locked(struct oxp_checkpoints *checkpoints, const struct oxp_found *list, size_t count,
                                     struct oxp_view task, struct oxp_checkpoint **checkpoint_out,
                                     struct oxp_error *error) {
    enum oxp_status found = OXP_ERR_NOT_FOUND;
    for (size_t i = 0; i < count; i++) {
        struct oxp_error reason = {0};
        enum oxp_status status = read_locked(checkpoints, &list[i], checkpoint_out, &reason);
        if (status == OXP_OK && task.len > 0 && !oxp_view_equal((*checkpoint_out)->task, task)) {
            oxp_checkpoint_free(*checkpoint_out); /* two tasks may share a part: key.h */
            *checkpoint_out = NULL;
            continue;
        }
        if (status == OXP_ERR_NOT_FOUND) {
            continue;
        }
        if (status != OXP_OK && error != NULL) {
            *error = reason;
        }
        if (status != OXP_ERR_CORRUPT) {
            return status;
        }
        report_restored(checkpoints, NULL, task, status, reason.text);
        found = OXP_ERR_CORRUPT;
    }
    return found == OXP_ERR_NOT_FOUND ? oxp_error_set(error, found, 0, 0, "there is no checkpoint of this task")
                                      : found;
}

/* Replaces `*checkpoint` by what the host makes of it. */
static enum oxp_status migrate(const struct oxp_checkpoints *checkpoints, struct oxp_checkpoint **checkpoint,
                               struct oxp_error *error) {
    const struct oxp_checkpoints_options *options = &checkpoints->options;
    uint32_t schema = (*checkpoint)->schema;
    struct oxp_checkpoint_migrated changed = {NULL, NULL, NULL};
    enum oxp_status status =
        options->migrate == NULL ? OXP_ERR_UNSUPPORTED : options->migrate(options->migrate_ctx, *checkpoint, &changed);
    struct oxp_checkpoint *copy = NULL;
    if (status == OXP_OK) {
        struct oxp_checkpoint made = **checkpoint;
        made.schema = options->schema;
        made.state = changed.state == NULL ? made.state : oxp_view_from(changed.state);
        made.context = changed.context == NULL ? made.context : oxp_view_from(changed.context);
        made.results = changed.results == NULL ? made.results : oxp_view_from(changed.results);
        copy = oxp_checkpoint_copy(&made);
    }
    free(changed.state);
    free(changed.context);
    free(changed.results);
    if (status != OXP_OK) {
        return oxp_error_set(error, OXP_ERR_UNSUPPORTED, 0, 0, "the checkpoint has schema %u; this application %u",
                             schema, options->schema);
    }
    if (copy == NULL) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    oxp_checkpoint_free(*checkpoint);
    *checkpoint = copy;
    return OXP_OK;
}

/* Reports what went wrong; what went well is for the caller to report. `*checkpoint_out` is NULL on failure. */
static enum oxp_status load_part(struct oxp_checkpoints *checkpoints, struct oxp_view part, struct oxp_view task,
                                 struct oxp_checkpoint **checkpoint_out, struct oxp_error *error) {
    struct oxp_error reason = {0};
    struct oxp_found *list = NULL;
    size_t count = 0;
    *checkpoint_out = NULL;
    pthread_mutex_lock(&checkpoints->store_lock);
    write_waiting_locked(checkpoints, part);
    enum oxp_status status = oxp_find_locked(checkpoints, part, &list, &count, &reason);
    if (status == OXP_OK) {
        status = choose_locked(checkpoints, list, count, task, checkpoint_out, &reason);
    }
    pthread_mutex_unlock(&checkpoints->store_lock);
    free(list);
    if (status == OXP_OK && *checkpoint_out != NULL && (*checkpoint_out)->schema != checkpoints->options.schema) {
        status = migrate(checkpoints, checkpoint_out, &reason);
    }
    if (status != OXP_OK && status != OXP_ERR_CORRUPT) { /* corrupt ones were reported one by one */
        report_restored(checkpoints, *checkpoint_out, task, status, reason.text);
    }
    if (status != OXP_OK) {
        oxp_checkpoint_free(*checkpoint_out);
        *checkpoint_out = NULL;
        if (error != NULL) {
            *error = reason;
        }
    }
    return status;
}

enum oxp_status oxp_checkpoint_load(struct oxp_checkpoints *checkpoints, struct oxp_view task,
                                    struct oxp_checkpoint **checkpoint_out, struct oxp_error *error) {
    if (!oxp_task_is_valid(task)) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "not a task id");
    }
    char part[OXP_PART_MAX + 1];
    oxp_part_of_task(task, part);
    enum oxp_status status = load_part(checkpoints, oxp_view_from(part), task, checkpoint_out, error);
    if (status == OXP_OK) {
        report_restored(checkpoints, *checkpoint_out, task, OXP_OK, NULL);
    }
    return status;
}

/* ---- Resuming ---- */

static int by_age(const void *a, const void *b) {
    const struct oxp_found *left = a, *right = b;
    return left->seq < right->seq ? -1 : left->seq > right->seq;
}

/* Keeps the first (newest) of each task. */
static size_t one_of_each_task(struct oxp_found *list, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || strcmp(list[kept - 1].part, list[i].part) != 0) {
            list[kept++] = list[i];
        }
    }
    return kept;
}

enum oxp_status oxp_checkpoints_each_unfinished(struct oxp_checkpoints *checkpoints,
                                                bool (*each)(void *ctx, struct oxp_view task, enum oxp_status status,
                                                             const struct oxp_checkpoint *checkpoint),
                                                void *ctx, struct oxp_error *error) {
    struct oxp_found *list = NULL;
    size_t count = 0;
    pthread_mutex_lock(&checkpoints->store_lock);
    enum oxp_status status = oxp_find_locked(checkpoints, oxp_view_of(NULL, 0), &list, &count, error);
    pthread_mutex_unlock(&checkpoints->store_lock);
    count = status == OXP_OK ? one_of_each_task(list, count) : 0;
    if (count > 1) {
        qsort(list, count, sizeof *list, by_age);
    }
    bool more = true;
    for (size_t i = 0; i < count && more; i++) {
        struct oxp_checkpoint *checkpoint = NULL;
        struct oxp_view part = oxp_view_from(list[i].part);
        char text[OXP_PART_MAX + 1];
        struct oxp_view task = oxp_view_of(text, oxp_task_of_part(part, text, sizeof text));
        enum oxp_status loaded = load_part(checkpoints, part, oxp_view_of(NULL, 0), &checkpoint, NULL);
        if (loaded == OXP_OK && checkpoint != NULL && !checkpoint->complete) {
            report_restored(checkpoints, checkpoint, checkpoint->task, OXP_OK, NULL);
            more = each(ctx, checkpoint->task, OXP_OK, checkpoint);
        } else if (loaded != OXP_OK && loaded != OXP_ERR_NOT_FOUND) {
            more = each(ctx, task, loaded, NULL);
        }
        oxp_checkpoint_free(checkpoint);
    }
    free(list);
    return status;
}

/* ---- Verifying ---- */

static enum oxp_status verify_one(struct oxp_checkpoints *checkpoints, const struct oxp_found *found,
                                  struct oxp_checkpoint_counts *counts, struct oxp_error *error) {
    struct oxp_checkpoint *checkpoint = NULL;
    struct oxp_error reason = {0};
    pthread_mutex_lock(&checkpoints->store_lock);
    enum oxp_status status = read_locked(checkpoints, found, &checkpoint, &reason);
    pthread_mutex_unlock(&checkpoints->store_lock);
    if (status == OXP_ERR_NOT_FOUND) {
        return OXP_OK;
    }
    bool foreign =
        status == OXP_ERR_UNSUPPORTED || (checkpoint != NULL && checkpoint->schema != checkpoints->options.schema);
    counts->incompatible += foreign;
    counts->ok += status == OXP_OK && !foreign;
    counts->corrupt += status == OXP_ERR_CORRUPT;
    counts->unread += status != OXP_OK && !foreign && status != OXP_ERR_CORRUPT;
    char text[OXP_PART_MAX + 1];
    struct oxp_view part = oxp_view_from(found->part);
    oxp_report_outcome(checkpoints, checkpoint, oxp_view_of(text, oxp_task_of_part(part, text, sizeof text)),
                       &(struct oxp_outcome){.op = "verified",
                                             .status = foreign ? OXP_OK : status,
                                             .reason = status == OXP_OK ? NULL : reason.text,
                                             .overhead_s = NAN,
                                             .write_s = NAN,
                                             .bytes = found->size});
    oxp_checkpoint_free(checkpoint);
    if (status == OXP_OK || foreign) {
        return OXP_OK;
    }
    if (error != NULL) {
        *error = reason;
    }
    return status;
}

enum oxp_status oxp_checkpoints_verify(struct oxp_checkpoints *checkpoints, struct oxp_view task,
                                       struct oxp_checkpoint_counts *counts_out, struct oxp_error *error) {
    struct oxp_checkpoint_counts counts = {0};
    struct oxp_found *list = NULL;
    size_t count = 0;
    char part[OXP_PART_MAX + 1] = "";
    if (task.len > 0) {
        if (!oxp_task_is_valid(task)) {
            return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "not a task id");
        }
        oxp_part_of_task(task, part);
    }
    pthread_mutex_lock(&checkpoints->store_lock);
    enum oxp_status status = oxp_find_locked(checkpoints, oxp_view_from(part), &list, &count, error);
    pthread_mutex_unlock(&checkpoints->store_lock);
    for (size_t i = 0; i < count; i++) {
        enum oxp_status one = verify_one(checkpoints, &list[i], &counts, error);
        status = one == OXP_OK || (status != OXP_OK && one == OXP_ERR_CORRUPT) ? status : one;
    }
    free(list);
    if (counts_out != NULL) {
        *counts_out = counts;
    }
    return status;
}
