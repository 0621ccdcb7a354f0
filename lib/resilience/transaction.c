/* An open transaction is a list of steps that the process owns, and, with a store, the same list under the key
 * "txn.<name>", written whole at every push. The order of things is what makes a crash harmless:
 *
 *  1. push: stored first, then part of the list. A push that fails leaves both as they were.
 *  2. commit: the key is removed; the work is whole only when that worked. If it cannot be removed the steps would be
 *     undone by the next process, so commit fails and the transaction stays open.
 *  3. rollback: the last step is run, then taken off the list and the stored list; a crash between the two runs it
 * again.
 *  4. A step that failed stays in the stored list (moved behind those that are still to be run), so that the next
 *     oxp_transactions_recover tries it once more.
 *  5. What is stored under a name is never written over: begin asks the store first, and recover looks, reads and opens
 *     under the lock, so that nobody can begin, or be done, in between. */
#include <oxpecker/transaction.h>

#include "lib/base/clock.h"
#include "lib/base/fork.h"
#include "lib/resilience/transaction_form.h"
#include <oxpecker/retry.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS_MAX = 64, ID_COUNT = 6, KEY_SIZE = OXP_STORE_KEY_MAX + 1, NAME_MAX_BYTES = 64 };
static const char key_prefix[] = "txn.", corrupt[] = ".corrupt";
enum { CORRUPT_LEN = sizeof corrupt - 1 };

struct oxp_transactions {
    struct oxp_transactions_options options;
    struct oxp_undo_kind kinds[KINDS_MAX];
    char kind_names[KINDS_MAX][OXP_TRANSACTION_KIND_MAX + 1];
    struct oxp_fork_entry fork;
    pthread_mutex_t lock; /* of `open`, and of the store: one caller at a time */
    struct oxp_transaction *open;
};

struct oxp_transaction {
    struct oxp_transactions *manager;
    struct oxp_transaction *next; /* in the manager's list */
    char key[KEY_SIZE];
    struct oxp_ids ids;                               /* views into texts */
    char *texts;                                      /* owned */
    struct oxp_step steps[OXP_TRANSACTION_STEPS_MAX]; /* data is owned, kind is the manager's */
    size_t count;
};

static bool system_sleep(void *ctx, double seconds) {
    (void)ctx;
    return oxp_cancel_sleep(NULL, seconds);
}

/* ---- The manager ---- */

enum oxp_status oxp_transactions_new(const struct oxp_transactions_options *options,
                                     struct oxp_transactions **transactions_out) {
    *transactions_out = NULL;
    if (options->kind_count > KINDS_MAX) {
        return OXP_ERR_LIMIT;
    }
    struct oxp_transactions *manager = calloc(1, sizeof *manager);
    if (manager == NULL) {
        return OXP_ERR_NOMEM;
    }
    manager->options = *options;
    manager->options.now_s = options->now_s == NULL ? oxp_clock_mono_s : options->now_s;
    manager->options.sleep = options->sleep == NULL ? system_sleep : options->sleep;
    for (size_t i = 0; i < options->kind_count; i++) {
        const struct oxp_undo_kind *kind = &options->kinds[i];
        size_t len = kind->name == NULL ? 0 : strnlen(kind->name, OXP_TRANSACTION_KIND_MAX + 1);
        if (len == 0 || len > OXP_TRANSACTION_KIND_MAX || strpbrk(kind->name, " \n") != NULL || kind->undo == NULL ||
            (kind->policy != NULL && oxp_policy_find(oxp_view_from(kind->policy)) == NULL)) {
            free(manager);
            return OXP_ERR_INVALID;
        }
        memcpy(manager->kind_names[i], kind->name, len);
        manager->kinds[i] = *kind;
        manager->kinds[i].name = manager->kind_names[i];
    }
    pthread_mutex_init(&manager->lock, NULL);
    oxp_fork_add_mutex(&manager->fork, OXP_FORK_PART, &manager->lock);
    *transactions_out = manager;
    return OXP_OK;
}

static void free_transaction(struct oxp_transaction *transaction) {
    for (size_t i = 0; i < transaction->count; i++) {
        free((char *)(uintptr_t)transaction->steps[i].data.ptr);
    }
    free(transaction->texts);
    free(transaction);
}

void oxp_transactions_free(struct oxp_transactions *transactions) {
    if (transactions == NULL) {
        return;
    }
    for (struct oxp_transaction *each = transactions->open, *next = NULL; each != NULL; each = next) {
        next = each->next;
        free_transaction(each);
    }
    oxp_fork_remove(&transactions->fork);
    pthread_mutex_destroy(&transactions->lock);
    free(transactions);
}

static const struct oxp_undo_kind *kind_of(const struct oxp_transactions *manager, struct oxp_view name) {
    for (size_t i = 0; i < manager->options.kind_count; i++) {
        if (oxp_view_is(name, manager->kinds[i].name)) {
            return &manager->kinds[i];
        }
    }
    return NULL;
}

/* ---- Opening ---- */

static bool is_set_aside(struct oxp_view key) {
    return key.len > CORRUPT_LEN && memcmp(key.ptr + key.len - CORRUPT_LEN, corrupt, CORRUPT_LEN) == 0;
}

static bool is_name(struct oxp_view text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-')) {
            return false;
        }
    }
    return text.len > 0 && text.len <= NAME_MAX_BYTES && !is_set_aside(text);
}

/* Copies the ids; the views then point to the copy. */
static bool keep_ids(struct oxp_transaction *transaction, const struct oxp_ids *ids) {
    struct oxp_view *views[ID_COUNT] = {&transaction->ids.workflow, &transaction->ids.run,
                                        &transaction->ids.session,  &transaction->ids.task,
                                        &transaction->ids.trace_id, &transaction->ids.span_id};
    size_t room = 1;
    transaction->ids = *ids;
    for (size_t i = 0; i < ID_COUNT; i++) {
        room += views[i]->len;
    }
    transaction->texts = malloc(room);
    char *at = transaction->texts;
    for (size_t i = 0; at != NULL && i < ID_COUNT; i++) {
        if (views[i]->len != 0) {
            memcpy(at, views[i]->ptr, views[i]->len);
        }
        views[i]->ptr = at;
        at += views[i]->len;
    }
    return transaction->texts != NULL;
}

/* Takes a transaction off the manager's list. */
static void close_locked(struct oxp_transaction *transaction) {
    struct oxp_transaction **at = &transaction->manager->open;
    while (*at != NULL && *at != transaction) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = transaction->next;
    }
}

static bool is_open_locked(const struct oxp_transactions *manager, const char *key) {
    const struct oxp_transaction *each = manager->open;
    while (each != NULL && strcmp(each->key, key) != 0) {
        each = each->next;
    }
    return each != NULL;
}

static void open_locked(struct oxp_transactions *manager, struct oxp_transaction *transaction) {
    transaction->next = manager->open;
    manager->open = transaction;
}

/* Rule 5. OXP_OK when nothing is stored under the key. */
static enum oxp_status is_free_locked(const struct oxp_transactions *manager, const char *key) {
    struct oxp_store *store = manager->options.store;
    char *text = NULL;
    size_t len = 0;
    if (is_open_locked(manager, key)) {
        return OXP_ERR_EXISTS;
    }
    enum oxp_status status =
        store == NULL ? OXP_ERR_NOT_FOUND : store->get(store, key, OXP_TRANSACTION_BYTES_MAX, &text, &len, NULL);
    if (status == OXP_OK) {
        free(text);
    }
    return status == OXP_ERR_NOT_FOUND ? OXP_OK : status == OXP_OK || status == OXP_ERR_LIMIT ? OXP_ERR_EXISTS : status;
}

static struct oxp_transaction *new_transaction(struct oxp_transactions *manager, const char *key,
                                               const struct oxp_ids *ids) {
    static const struct oxp_ids nobody;
    struct oxp_transaction *transaction = calloc(1, sizeof *transaction);
    if (transaction == NULL || !keep_ids(transaction, ids == NULL ? &nobody : ids)) {
        free(transaction);
        return NULL;
    }
    transaction->manager = manager;
    memcpy(transaction->key, key, strlen(key) + 1);
    return transaction;
}

enum oxp_status oxp_transaction_begin(struct oxp_transactions *transactions, struct oxp_view name,
                                      const struct oxp_ids *ids, struct oxp_transaction **transaction_out) {
    char key[KEY_SIZE] = "txn.";
    *transaction_out = NULL;
    if (!is_name(name)) {
        return OXP_ERR_INVALID;
    }
    memcpy(key + sizeof key_prefix - 1, name.ptr, name.len);
    struct oxp_transaction *transaction = new_transaction(transactions, key, ids);
    if (transaction == NULL) {
        return OXP_ERR_NOMEM;
    }
    pthread_mutex_lock(&transactions->lock);
    enum oxp_status status = is_free_locked(transactions, key);
    if (status == OXP_OK) {
        open_locked(transactions, transaction);
    }
    pthread_mutex_unlock(&transactions->lock);
    if (status != OXP_OK) {
        free_transaction(transaction);
        return status;
    }
    *transaction_out = transaction;
    return OXP_OK;
}

/* ---- Storing ---- */

/* Writes the list as it is, or removes it when it is empty. */
static enum oxp_status store_steps(struct oxp_transaction *transaction) {
    struct oxp_store *store = transaction->manager->options.store;
    struct oxp_buf buf;
    if (store == NULL) {
        return OXP_OK;
    }
    oxp_buf_init(&buf, OXP_TRANSACTION_BYTES_MAX);
    pthread_mutex_lock(&transaction->manager->lock);
    enum oxp_status status = OXP_OK;
    if (transaction->count == 0) {
        status = store->remove(store, transaction->key, NULL);
    } else {
        oxp_transaction_write(&buf, &transaction->ids, transaction->steps, transaction->count);
        status = oxp_buf_status(&buf);
        if (status == OXP_OK) {
            status = store->put(store, transaction->key, oxp_buf_view(&buf), NULL);
        }
    }
    pthread_mutex_unlock(&transaction->manager->lock);
    oxp_buf_fini(&buf);
    return status;
}

enum oxp_status oxp_transaction_push(struct oxp_transaction *transaction, const char *kind, struct oxp_view data) {
    const struct oxp_undo_kind *known = kind_of(transaction->manager, oxp_view_from(kind));
    if (known == NULL) {
        return OXP_ERR_NOT_FOUND;
    }
    if (transaction->count == OXP_TRANSACTION_STEPS_MAX || data.len > OXP_TRANSACTION_DATA_MAX) {
        return OXP_ERR_LIMIT;
    }
    char *copy = malloc(data.len + 1);
    if (copy == NULL) {
        return OXP_ERR_NOMEM;
    }
    if (data.len != 0) {
        memcpy(copy, data.ptr, data.len);
    }
    transaction->steps[transaction->count++] = (struct oxp_step){oxp_view_from(known->name), {copy, data.len}};
    enum oxp_status status = store_steps(transaction);
    if (status != OXP_OK) {
        transaction->count--;
        free(copy);
    }
    return status;
}

/* ---- Ending ---- */

static void report(const struct oxp_transaction *transaction, const char *outcome,
                   const struct oxp_rollback *rollback) {
    struct oxp_pair pairs[] = {
        oxp_pair_text("outcome", oxp_view_from(outcome)),
        oxp_pair_text("name", oxp_view_from(transaction->key + sizeof key_prefix - 1)),
        {NULL, OXP_PAIR_NONE, {{NULL, 0}}},
        {NULL, OXP_PAIR_NONE, {{NULL, 0}}},
        {NULL, OXP_PAIR_NONE, {{NULL, 0}}},
    };
    if (rollback != NULL) {
        pairs[2] = oxp_pair_count("steps", rollback->steps);
        pairs[3] = oxp_pair_count("failed_steps", rollback->failed);
        pairs[4] = oxp_pair_number("duration_s", rollback->duration_s);
    }
    oxp_report(transaction->manager->options.reporter, "transaction", &transaction->ids, pairs,
               rollback == NULL ? 2 : 5);
}

static void end(struct oxp_transaction *transaction) {
    pthread_mutex_lock(&transaction->manager->lock);
    close_locked(transaction);
    pthread_mutex_unlock(&transaction->manager->lock);
    free_transaction(transaction);
}

enum oxp_status oxp_transaction_commit(struct oxp_transaction *transaction) {
    size_t count = transaction->count;
    transaction->count = 0;
    enum oxp_status status = store_steps(transaction);
    transaction->count = count;
    if (status == OXP_OK) {
        report(transaction, "committed", NULL);
        end(transaction);
    }
    return status;
}

void oxp_transaction_abandon(struct oxp_transaction *transaction) {
    report(transaction, "abandoned", NULL);
    end(transaction);
}

/* Runs one step with the tries of its policy. NULL = undone. */
static struct oxp_failure *undo(struct oxp_transactions *manager, const struct oxp_step *step) {
    const struct oxp_undo_kind *kind = kind_of(manager, step->kind);
    if (kind == NULL) {
        const struct oxp_evidence evidence = {.code = OXP_VIEW("txn_rollback_failed"),
                                              .message = OXP_VIEW("no undo function of this kind is registered")};
        return oxp_failure_new(&evidence, NULL);
    }
    const struct oxp_policy *policy = oxp_policy_find(oxp_view_from(kind->policy == NULL ? "release" : kind->policy));
    struct oxp_failure *failure = NULL;
    for (unsigned n = 1;; n++) {
        struct oxp_failure *again = kind->undo(kind->ctx, step->data);
        oxp_failure_free(failure); /* the last one says what still stands in the way */
        failure = again;
        if (failure == NULL || n >= policy->attempts) {
            return failure;
        }
        if (!manager->options.sleep(manager->options.ctx, oxp_policy_delay(policy, n, 0, 0))) {
            return failure;
        }
    }
}

/* The failure of a step, as one of the rollback. */
static struct oxp_failure *step_failure(const struct oxp_transaction *transaction, const struct oxp_step *step,
                                        struct oxp_failure *cause) {
    const struct oxp_pair attributes[] = {
        oxp_pair_text("transaction", oxp_view_from(transaction->key + sizeof key_prefix - 1)),
        oxp_pair_text("step", step->kind), oxp_pair_text("data", step->data)};
    const struct oxp_failure_context context = {
        .component = OXP_VIEW("transaction"), .ids = transaction->ids, .attributes = attributes, .attribute_count = 3};
    const struct oxp_evidence evidence = {.code = OXP_VIEW("txn_rollback_failed"),
                                          .message =
                                              OXP_VIEW("an undo step failed: what it should have undone is left")};
    return oxp_failure_wrap(cause, &evidence, &context);
}

/* Rules 3, 4. The steps that failed are put in front, in their order, and are not tried again here. */
static void run_steps(struct oxp_transaction *transaction, struct oxp_rollback *rollback, bool *is_stored) {
    size_t kept = 0; /* failed ones, at the front */
    while (transaction->count > kept) {
        struct oxp_step step = transaction->steps[transaction->count - 1];
        struct oxp_failure *failure = undo(transaction->manager, &step);
        rollback->steps++;
        if (failure == NULL) {
            free((char *)(uintptr_t)step.data.ptr);
            transaction->count--;
            *is_stored = store_steps(transaction) == OXP_OK;
            continue;
        }
        rollback->failed++;
        failure = step_failure(transaction, &step, failure);
        if (rollback->failure == NULL) {
            rollback->failure = failure;
        } else {
            rollback->failure = oxp_failure_cleanup(rollback->failure, failure);
        }
        memmove(transaction->steps + 1, transaction->steps, (transaction->count - 1) * sizeof *transaction->steps);
        transaction->steps[0] = step;
        *is_stored = false;
        kept++;
    }
}

enum oxp_status oxp_transaction_rollback(struct oxp_transaction *transaction, struct oxp_rollback *rollback_out) {
    struct oxp_transactions *manager = transaction->manager;
    struct oxp_rollback rollback = {0};
    double began_s = manager->options.now_s(manager->options.ctx);
    bool is_stored = true;
    run_steps(transaction, &rollback, &is_stored);
    rollback.duration_s = manager->options.now_s(manager->options.ctx) - began_s;
    if (!is_stored) {
        (void)store_steps(transaction); /* when it fails again, what was undone is undone once more by the next */
    }
    if (rollback.failed > 0) {
        oxp_failure_report(rollback.failure, manager->options.reporter);
    }
    report(transaction, rollback.failed > 0 ? "rollback_failed" : "rolled_back", &rollback);
    end(transaction);
    if (rollback_out != NULL) {
        *rollback_out = rollback;
    } else {
        oxp_failure_free(rollback.failure);
    }
    return rollback.failed > 0 ? OXP_ERR_IO : OXP_OK;
}

/* ---- What an earlier process left ---- */

struct found {
    char (*keys)[KEY_SIZE];
    size_t count, room;
    bool no_memory;
};

static bool keep_key(void *ctx, const struct oxp_store_entry *entry) {
    struct found *found = ctx;
    size_t len = strlen(entry->key);
    if (len >= KEY_SIZE || is_set_aside(oxp_view_of(entry->key, len))) {
        return true;
    }
    if (found->count == found->room) {
        size_t room = found->room == 0 ? 16 : 2 * found->room;
        void *more = realloc(found->keys, room * sizeof *found->keys);
        if (more == NULL) {
            found->no_memory = true;
            return false;
        }
        found->keys = more;
        found->room = room;
    }
    memcpy(found->keys[found->count++], entry->key, len + 1);
    return true;
}

/* Makes the stored transaction one of this process. */
static enum oxp_status restore(struct oxp_transactions *manager, const char *key, struct oxp_view text,
                               struct oxp_transaction **transaction_out, struct oxp_error *error) {
    struct oxp_step *steps = calloc(OXP_TRANSACTION_STEPS_MAX, sizeof *steps);
    struct oxp_ids ids;
    size_t count = 0;
    enum oxp_status status = steps == NULL ? OXP_ERR_NOMEM : oxp_transaction_read(text, &ids, steps, &count, error);
    struct oxp_transaction *transaction = status == OXP_OK ? new_transaction(manager, key, &ids) : NULL;
    if (status == OXP_OK && transaction == NULL) {
        status = OXP_ERR_NOMEM;
    }
    for (size_t i = 0; status == OXP_OK && i < count; i++) {
        /* A kind that nobody registered keeps its name in front of its data, in one allocation. */
        const struct oxp_undo_kind *kind = kind_of(manager, steps[i].kind);
        char *copy = malloc(steps[i].data.len + steps[i].kind.len + 1);
        if (copy == NULL) {
            status = OXP_ERR_NOMEM;
            break;
        }
        memcpy(copy, steps[i].data.ptr, steps[i].data.len);
        memcpy(copy + steps[i].data.len, steps[i].kind.ptr, steps[i].kind.len);
        transaction->steps[transaction->count++] = (struct oxp_step){
            kind != NULL ? oxp_view_from(kind->name) : oxp_view_of(copy + steps[i].data.len, steps[i].kind.len),
            {copy, steps[i].data.len}};
    }
    free(steps);
    if (status != OXP_OK && transaction != NULL) {
        free_transaction(transaction);
        transaction = NULL;
    }
    *transaction_out = transaction;
    return status;
}

static void set_aside_locked(struct oxp_store *store, const char *key, struct oxp_view text) {
    char aside[KEY_SIZE + CORRUPT_LEN];
    snprintf(aside, sizeof aside, "%s%s", key, corrupt);
    if (store->put(store, aside, text, NULL) == OXP_OK) {
        (void)store->remove(store, key, NULL);
    }
}

/* Says of a stored transaction that nobody can tell what it would have undone. */
static void report_unreadable(struct oxp_transactions *manager, const char *key, const struct oxp_error *why) {
    struct oxp_view name = oxp_view_from(key + sizeof key_prefix - 1);
    const struct oxp_pair attributes[] = {oxp_pair_text("transaction", name),
                                          oxp_pair_text("reason", oxp_view_from(why->text))};
    const struct oxp_failure_context context = {
        .component = OXP_VIEW("transaction"), .attributes = attributes, .attribute_count = 2};
    const struct oxp_evidence evidence = {
        .code = OXP_VIEW("txn_rollback_failed"),
        .message = OXP_VIEW("a stored transaction cannot be read: what it should have undone is left")};
    const struct oxp_pair pairs[] = {oxp_pair_text("outcome", OXP_VIEW("rollback_failed")),
                                     oxp_pair_text("name", name)};
    struct oxp_failure *failure = oxp_failure_new(&evidence, &context);
    oxp_failure_report(failure, manager->options.reporter);
    oxp_failure_free(failure);
    oxp_report(manager->options.reporter, "transaction", NULL, pairs, sizeof pairs / sizeof *pairs);
}

/* Takes one from the store, as one that is open. OXP_IGNORED when somebody has it, or had it and is done. */
static enum oxp_status take_locked(struct oxp_transactions *manager, const char *key,
                                   struct oxp_transaction **transaction_out, struct oxp_error *error) {
    struct oxp_store *store = manager->options.store;
    char *text = NULL;
    size_t len = 0;
    if (is_open_locked(manager, key)) {
        return OXP_IGNORED;
    }
    enum oxp_status status = store->get(store, key, OXP_TRANSACTION_BYTES_MAX, &text, &len, error);
    if (status != OXP_OK) {
        return status == OXP_ERR_NOT_FOUND ? OXP_IGNORED : status;
    }
    status = restore(manager, key, oxp_view_of(text, len), transaction_out, error);
    if (status == OXP_OK) {
        open_locked(manager, *transaction_out);
    } else if (status == OXP_ERR_CORRUPT) {
        set_aside_locked(store, key, oxp_view_of(text, len));
    }
    free(text);
    return status;
}

static enum oxp_status recover_one(struct oxp_transactions *manager, const char *key, struct oxp_error *error) {
    struct oxp_transaction *transaction = NULL;
    pthread_mutex_lock(&manager->lock);
    enum oxp_status status = take_locked(manager, key, &transaction, error);
    pthread_mutex_unlock(&manager->lock);
    if (status == OXP_ERR_CORRUPT) {
        report_unreadable(manager, key, error);
    }
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_rollback rollback;
    status = oxp_transaction_rollback(transaction, &rollback);
    if (status != OXP_OK) {
        struct oxp_view message = oxp_failure_message(rollback.failure);
        oxp_error_set(error, status, 0, 0, "%s: %.*s", key, (int)message.len, message.ptr);
    }
    oxp_failure_free(rollback.failure);
    return status;
}

enum oxp_status oxp_transactions_recover(struct oxp_transactions *transactions, unsigned *count_out,
                                         struct oxp_error *error) {
    struct oxp_store *store = transactions->options.store;
    struct found found = {0};
    unsigned count = 0;
    enum oxp_status first = OXP_OK;
    if (store != NULL) {
        pthread_mutex_lock(&transactions->lock);
        first = store->list(store, key_prefix, keep_key, &found, error);
        pthread_mutex_unlock(&transactions->lock);
    }
    if (first == OXP_OK && found.no_memory) {
        first = OXP_ERR_NOMEM;
    }
    for (size_t i = 0; i < found.count; i++) {
        struct oxp_error reason = {0};
        enum oxp_status status = recover_one(transactions, found.keys[i], &reason);
        count += status != OXP_IGNORED;
        if (status < 0 && first == OXP_OK) {
            first = status;
            oxp_error_set(error, status, reason.line, reason.column, "%s", reason.text);
        }
    }
    free(found.keys);
    if (count_out != NULL) {
        *count_out = count;
    }
    return first;
}
