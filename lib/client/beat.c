/* What happens with every heartbeat: hooks, counters, the sign of life; and metrics of the host's own. */
#include "lib/client/internal.h"

#include <stdlib.h>

#define LABELS_MAX 32 /* alternating names and values */

/* ---- Hooks ---- */

static size_t find_hook_locked(const struct oxp_client *client, oxp_client_beat_fn hook, const void *ctx) {
    size_t i = 0;
    while (i < client->hook_count && (client->hooks[i].call != hook || client->hooks[i].ctx != ctx)) {
        i++;
    }
    return i;
}

enum oxp_status oxp_client_on_beat(struct oxp_client *client, oxp_client_beat_fn hook, void *ctx) {
    if (client == NULL) {
        return OXP_OK;
    }
    if (hook == NULL) {
        return OXP_ERR_INVALID;
    }
    pthread_mutex_lock(&client->lock);
    enum oxp_status status = client->hook_count < OXP_CLIENT_HOOKS_MAX ? OXP_OK : OXP_ERR_NOMEM;
    if (status == OXP_OK) {
        client->hooks[client->hook_count++] = (struct oxp_client_hook){hook, ctx};
    }
    pthread_mutex_unlock(&client->lock);
    return status;
}

void oxp_client_off_beat(struct oxp_client *client, oxp_client_beat_fn hook, void *ctx) {
    if (client == NULL) {
        return;
    }
    pthread_mutex_lock(&client->lock);
    size_t i = find_hook_locked(client, hook, ctx);
    if (i < client->hook_count) {
        memmove(&client->hooks[i], &client->hooks[i + 1], (client->hook_count - i - 1) * sizeof client->hooks[0]);
        client->hook_count--;
    }
    while (client->running != NULL && client->running->call == hook && client->running->ctx == ctx &&
           !pthread_equal(pthread_self(), client->running_on)) {
        pthread_cond_wait(&client->changed, &client->lock);
    }
    pthread_mutex_unlock(&client->lock);
}

/* Each hook that is there when its turn comes; one that is taken off meanwhile may make another wait for the next. */
static void call_hooks(struct oxp_client *client) {
    pthread_mutex_lock(&client->lock);
    while (client->running != NULL) { /* the last beat is made by oxp_client_stop, on another thread */
        pthread_cond_wait(&client->changed, &client->lock);
    }
    client->running_on = pthread_self();
    for (size_t i = 0; i < client->hook_count; i++) {
        client->running_hook = client->hooks[i];
        client->running = &client->running_hook;
        pthread_mutex_unlock(&client->lock);
        client->running_hook.call(client->running_hook.ctx);
        pthread_mutex_lock(&client->lock);
        client->running = NULL;
        pthread_cond_broadcast(&client->changed);
    }
    pthread_mutex_unlock(&client->lock);
}

/* ---- Metrics ---- */

/* Pairs "labels.NAME" for alternating names and values; the keys lie in `keys`. */
static size_t label_pairs(const struct oxp_view *labels, size_t count, struct oxp_pair *pairs, char *keys,
                          size_t size) {
    size_t made = 0, used = 0;
    for (size_t i = 0; i + 1 < count && i < LABELS_MAX; i += 2) {
        size_t need = sizeof "labels." + labels[i].len;
        if (labels[i].len == 0 || need > size - used) {
            continue;
        }
        char *key = keys + used;
        memcpy(key, "labels.", 7);
        memcpy(key + 7, labels[i].ptr, labels[i].len);
        key[need - 1] = '\0';
        used += need;
        pairs[made++] = (struct oxp_pair){key, OXP_PAIR_TEXT, {labels[i + 1]}};
    }
    return made;
}

static void report_metric(struct oxp_client *client, struct oxp_view name, struct oxp_view kind, double value,
                          const struct oxp_pair *labels, size_t count) {
    struct oxp_pair pairs[3 + LABELS_MAX / 2] = {
        oxp_pair_text("name", name),
        oxp_pair_text("kind", kind),
        oxp_pair_number("value", value),
    };
    if (client == NULL || name.len == 0 || pairs[2].kind == OXP_PAIR_NONE) {
        return;
    }
    if (count > 0) {
        memcpy(pairs + 3, labels, count * sizeof labels[0]);
    }
    oxp_client_report_own(client, "metric", pairs, 3 + count, false);
}

static void report_labelled(struct oxp_client *client, struct oxp_view name, struct oxp_view kind, double value,
                            const struct oxp_view *labels, size_t count) {
    struct oxp_pair pairs[LABELS_MAX / 2];
    char keys[1024];
    report_metric(client, name, kind, value, pairs, label_pairs(labels, count, pairs, keys, sizeof keys));
}

void oxp_client_gauge(struct oxp_client *client, struct oxp_view name, double value, const struct oxp_view *labels,
                      size_t count) {
    report_labelled(client, name, OXP_VIEW("gauge"), value, labels, count);
}

void oxp_client_histogram(struct oxp_client *client, struct oxp_view name, double value, const struct oxp_view *labels,
                          size_t count) {
    report_labelled(client, name, OXP_VIEW("histogram"), value, labels, count);
}

void oxp_client_count(struct oxp_client *client, struct oxp_view name, double n, const struct oxp_view *labels,
                      size_t count) {
    report_labelled(client, name, OXP_VIEW("counter"), n, labels, count);
}

/* ---- Counters ---- */

static char *put_part(char *to, struct oxp_view part) {
    if (part.len != 0) {
        memcpy(to, part.ptr, part.len);
    }
    to[part.len] = '\0';
    return to + part.len + 1;
}

/* Name and labels as one key; `size_out` alone when `to` is NULL. */
static size_t join_key(char *to, struct oxp_view name, const struct oxp_view *labels, size_t count) {
    size_t size = name.len + 1;
    for (size_t i = 0; i < count; i++) {
        size += labels[i].len + 1;
    }
    if (to != NULL) {
        to = put_part(to, name);
        for (size_t i = 0; i < count; i++) {
            to = put_part(to, labels[i]);
        }
    }
    return size;
}

static struct oxp_counter_cell *new_cell(struct oxp_view name, const struct oxp_view *labels, size_t count) {
    size_t key_len = join_key(NULL, name, labels, count);
    size_t keys = key_len + (count / 2) * sizeof "labels.";
    size_t pairs = count / 2 * sizeof(struct oxp_pair);
    struct oxp_counter_cell *cell = calloc(1, sizeof *cell + key_len + keys);
    struct oxp_pair *made = cell == NULL ? NULL : calloc(1, pairs + 1);
    if (made == NULL) {
        free(cell);
        return NULL;
    }
    cell->key_len = join_key(cell->key, name, labels, count);
    struct oxp_view own[LABELS_MAX];
    const char *at = cell->key + name.len + 1;
    for (size_t i = 0; i < count; i++) {
        own[i] = oxp_view_of(at, labels[i].len);
        at += labels[i].len + 1;
    }
    cell->name = oxp_view_of(cell->key, name.len);
    cell->labels = made;
    cell->label_count = label_pairs(own, count, made, cell->key + key_len, keys);
    return cell;
}

static struct oxp_counter_cell *find_cell_locked(const struct oxp_client *client, const struct oxp_counter_cell *like) {
    struct oxp_counter_cell *cell = client->counters;
    while (cell != NULL &&
           !oxp_view_equal(oxp_view_of(cell->key, cell->key_len), oxp_view_of(like->key, like->key_len))) {
        cell = cell->next;
    }
    return cell;
}

struct oxp_client_counter *oxp_client_counter(struct oxp_client *client, struct oxp_view name,
                                              const struct oxp_view *labels, size_t count) {
    count = (count < LABELS_MAX ? count : LABELS_MAX) / 2 * 2;
    struct oxp_counter_cell *fresh = client == NULL || name.len == 0 ? NULL : new_cell(name, labels, count);
    if (fresh == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&client->lock);
    struct oxp_counter_cell *cell = find_cell_locked(client, fresh);
    if (cell == NULL && client->counter_count < OXP_CLIENT_COUNTERS_MAX) {
        fresh->next = client->counters;
        client->counters = cell = fresh;
        client->counter_count++;
        fresh = NULL;
    }
    pthread_mutex_unlock(&client->lock);
    if (fresh != NULL) {
        free(fresh->labels);
        free(fresh);
    }
    return cell == NULL ? NULL : &cell->counter;
}

static void report_counters(struct oxp_client *client) {
    pthread_mutex_lock(&client->lock);
    struct oxp_counter_cell *cell = client->counters;
    pthread_mutex_unlock(&client->lock);
    for (; cell != NULL; cell = cell->next) {
        uint64_t added = __atomic_exchange_n(&cell->counter.pending, 0, __ATOMIC_RELAXED);
        if (added != 0) {
            report_metric(client, cell->name, OXP_VIEW("counter"), (double)added, cell->labels, cell->label_count);
        }
    }
}

/* In a forked child: what the parent had added is the parent's. */
void oxp_client_counters_forget(struct oxp_client *client) {
    for (struct oxp_counter_cell *cell = client->counters; cell != NULL; cell = cell->next) {
        cell->counter.pending = 0;
    }
}

void oxp_client_counters_free(struct oxp_client *client) {
    while (client->counters != NULL) {
        struct oxp_counter_cell *next = client->counters->next;
        free(client->counters->labels);
        free(client->counters);
        client->counters = next;
    }
}

/* ---- The beat ---- */

void oxp_client_heartbeat(struct oxp_client *client) {
    if (client == NULL) {
        return;
    }
    pthread_mutex_lock(&client->lock);
    uint64_t sessions_limit = client->sessions_limit, create_limit = client->create_limit;
    pthread_mutex_unlock(&client->lock);
    struct oxp_pair pairs[2] = {oxp_pair_count("sessions_limit", sessions_limit),
                                oxp_pair_count("create_limit", create_limit)};
    pairs[0].kind = sessions_limit == 0 ? OXP_PAIR_NONE : pairs[0].kind;
    pairs[1].kind = create_limit == 0 ? OXP_PAIR_NONE : pairs[1].kind;
    oxp_client_report_own(client, "orchestrator.heartbeat", pairs, 2, false);
}

void oxp_client_beat(struct oxp_client *client, bool connected) {
    call_hooks(client);
    report_counters(client);
    if (connected) { /* without a sidecar they would only push out what matters */
        oxp_client_heartbeat(client);
    }
}
