#include "tests/unit/lib/checkpoint/sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static size_t add_pair(char *out, size_t size, const struct oxp_pair *pair) {
    int len = 0;
    switch (pair->kind) {
    case OXP_PAIR_NONE:
        return 0;
    case OXP_PAIR_TEXT:
        len = snprintf(out, size, " %s=%.*s", pair->key, (int)pair->value.text.len, pair->value.text.ptr);
        break;
    case OXP_PAIR_NUMBER:
        len = snprintf(out, size, " %s=%g", pair->key, pair->value.number);
        break;
    case OXP_PAIR_COUNT:
        len = snprintf(out, size, " %s=%" PRIu64, pair->key, pair->value.count);
        break;
    case OXP_PAIR_FLAG:
        len = snprintf(out, size, " %s=%s", pair->key, pair->value.flag ? "true" : "false");
        break;
    }
    return len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1;
}

static void take(struct oxp_reporter *self, const struct oxp_report *report) {
    struct sink *sink = (struct sink *)self;
    char line[1024];
    int head = snprintf(line, 400, "%.*s %s", (int)report->ids->task.len, report->ids->task.ptr, report->type);
    size_t len = head < 0 ? 0 : (size_t)head;
    pthread_mutex_lock(&sink->lock);
    for (size_t i = 0; i < report->count; i++) {
        len += add_pair(line + len, sizeof line - len, &report->pairs[i]);
        if (strcmp(report->pairs[i].key, "overhead_s") == 0 && report->pairs[i].value.number > sink->overhead_max_s) {
            sink->overhead_max_s = report->pairs[i].value.number;
        }
    }
    if (sink->len + len + 2 < sizeof sink->text) {
        memcpy(sink->text + sink->len, line, len);
        memcpy(sink->text + sink->len + len, "\n", 2);
        sink->len += len + 1;
    }
    pthread_mutex_unlock(&sink->lock);
}

void sink_init(struct sink *sink) {
    memset(sink, 0, sizeof *sink);
    sink->reporter.report = take;
    pthread_mutex_init(&sink->lock, NULL);
}

void sink_clear(struct sink *sink) {
    pthread_mutex_lock(&sink->lock);
    sink->len = 0;
    sink->text[0] = '\0';
    pthread_mutex_unlock(&sink->lock);
}

size_t sink_count(struct sink *sink, const char *words) {
    size_t count = 0;
    pthread_mutex_lock(&sink->lock);
    for (const char *at = strstr(sink->text, words); at != NULL; at = strstr(at + 1, words)) {
        count++;
    }
    pthread_mutex_unlock(&sink->lock);
    return count;
}

static enum oxp_status faulty_put(struct oxp_store *store, const char *key, struct oxp_view value,
                                  struct oxp_error *error) {
    struct faulty *faulty = (struct faulty *)store;
    atomic_fetch_add(&faulty->waiting, 1);
    pthread_mutex_lock(&faulty->gate);
    pthread_mutex_unlock(&faulty->gate);
    atomic_fetch_sub(&faulty->waiting, 1);
    atomic_fetch_add(&faulty->puts, 1);
    if (atomic_load(&faulty->puts_to_fail) > 0) {
        atomic_fetch_sub(&faulty->puts_to_fail, 1);
        return oxp_error_set(error, (enum oxp_status)atomic_load(&faulty->status), 0, 0, "told to fail");
    }
    return faulty->inner->put(faulty->inner, key, value, error);
}

static enum oxp_status faulty_get(struct oxp_store *store, const char *key, size_t max_bytes, char **value_out,
                                  size_t *len_out, struct oxp_error *error) {
    struct oxp_store *inner = ((struct faulty *)store)->inner;
    return inner->get(inner, key, max_bytes, value_out, len_out, error);
}

static enum oxp_status faulty_remove(struct oxp_store *store, const char *key, struct oxp_error *error) {
    struct oxp_store *inner = ((struct faulty *)store)->inner;
    return inner->remove(inner, key, error);
}

static enum oxp_status faulty_list(struct oxp_store *store, const char *prefix,
                                   bool (*each)(void *ctx, const struct oxp_store_entry *entry), void *ctx,
                                   struct oxp_error *error) {
    struct faulty *faulty = (struct faulty *)store;
    if (atomic_load(&faulty->list_fails)) {
        return oxp_error_set(error, OXP_ERR_CLOSED, 0, 0, "told to fail");
    }
    return faulty->inner->list(faulty->inner, prefix, each, ctx, error);
}

void faulty_init(struct faulty *faulty, struct oxp_store *inner) {
    memset(faulty, 0, sizeof *faulty);
    faulty->store =
        (struct oxp_store){.put = faulty_put, .get = faulty_get, .remove = faulty_remove, .list = faulty_list};
    faulty->inner = inner;
    pthread_mutex_init(&faulty->gate, NULL);
}
