/* Queues that were called by their webhook's place in the list. */
#include "alerts/notify/alerting.h"

#include "alerts/notify/settings.h"
#include <stdio.h>

struct upgrade {
    struct oxp_outbox *outbox;
    struct oxp_arena *arena;
    int64_t now_ms;
    struct oxp_error *error;
    struct oxp_view old, queue;
};

/* `value` with the other queue in it; it begins `{"queue":"…"`, for ledger.c has written it. Nothing when it does not.
 */
static struct oxp_view renamed_value(const struct upgrade *upgrade, struct oxp_view value) {
    struct oxp_buf old, text;
    oxp_buf_init(&old, 0);
    oxp_buf_init(&text, 0);
    oxp_buf_append_text(&old, "{\"queue\":");
    oxp_buf_append_json_string(&old, upgrade->old);
    oxp_buf_append_text(&text, "{\"queue\":");
    oxp_buf_append_json_string(&text, upgrade->queue);
    struct oxp_view renamed = {NULL, 0};
    if (oxp_view_starts(value, oxp_buf_view(&old))) {
        oxp_buf_append(&text, value.ptr + old.len, value.len - old.len);
        renamed = oxp_arena_copy(upgrade->arena, oxp_buf_view(&text));
    }
    if (oxp_buf_status(&old) != OXP_OK || oxp_buf_status(&text) != OXP_OK) {
        upgrade->arena->status = OXP_ERR_NOMEM;
    }
    oxp_buf_fini(&old);
    oxp_buf_fini(&text);
    return renamed;
}

/* "group/" QUEUE "/" */
static struct oxp_view prefix_of(const struct upgrade *upgrade, struct oxp_view queue, struct oxp_view rest) {
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_buf_append_text(&text, "group/");
    oxp_buf_append_view(&text, queue);
    oxp_buf_append_char(&text, '/');
    oxp_buf_append_view(&text, rest);
    struct oxp_view copy = oxp_arena_copy(upgrade->arena, oxp_buf_view(&text));
    if (oxp_buf_status(&text) != OXP_OK) {
        upgrade->arena->status = OXP_ERR_NOMEM;
    }
    oxp_buf_fini(&text);
    return copy;
}

/* Each value under its new key in one commit; what is known under the new one already has the last word. */
static enum oxp_status upgrade_ledger(const struct upgrade *upgrade) {
    struct oxp_outbox_value *values = NULL;
    size_t count = 0;
    struct oxp_view prefix = prefix_of(upgrade, upgrade->old, OXP_VIEW(""));
    if (oxp_arena_status(upgrade->arena) != OXP_OK) {
        return OXP_ERR_NOMEM;
    }
    enum oxp_status status = oxp_outbox_values(upgrade->outbox, prefix, upgrade->arena, &values, &count);
    if (status != OXP_OK || count == 0) {
        return status;
    }
    struct oxp_outbox_value *writes = oxp_arena_zero(upgrade->arena, 2 * count, sizeof *writes);
    struct oxp_outbox_write write = {.values = writes};
    for (size_t i = 0; writes != NULL && i < count; i++) {
        struct oxp_view rest = oxp_view_of(values[i].key.ptr + prefix.len, values[i].key.len - prefix.len), there;
        struct oxp_view key = prefix_of(upgrade, upgrade->queue, rest), value = renamed_value(upgrade, values[i].value);
        writes[write.value_count++].key = values[i].key; /* removed */
        if (value.ptr != NULL && oxp_outbox_value(upgrade->outbox, key, upgrade->arena, &there) == OXP_ERR_NOT_FOUND) {
            writes[write.value_count++] = (struct oxp_outbox_value){key, value};
        }
    }
    status = oxp_arena_status(upgrade->arena);
    return status == OXP_OK ? oxp_outbox_put(upgrade->outbox, &write, upgrade->now_ms, upgrade->error) : status;
}

static bool has_messages(const struct upgrade *upgrade, enum oxp_status *status) {
    struct oxp_outbox_filter filter = {.receiver = upgrade->old, .limit = 1};
    struct oxp_outbox_message *messages;
    size_t count = 0;
    *status = oxp_outbox_list(upgrade->outbox, &filter, upgrade->arena, &messages, &count);
    return *status == OXP_OK && count > 0;
}

static enum oxp_status upgrade_queue(const struct upgrade *upgrade) {
    enum oxp_status status = OXP_OK;
    size_t count = 0;
    if (has_messages(upgrade, &status)) {
        status = oxp_outbox_rename(upgrade->outbox, upgrade->old, upgrade->queue, upgrade->now_ms, &count);
    }
    return status == OXP_OK ? upgrade_ledger(upgrade) : status;
}

/* Once for each outbox: a place that is filled later must not get what waited for another webhook. One in memory is
 * always new, and its ledger may come over one on the disk that is not. */
static const char mark[] = "queues";

static bool is_marked(struct oxp_outbox *outbox, struct oxp_arena *arena) {
    struct oxp_view value;
    return oxp_outbox_value(outbox, oxp_view_from(mark), arena, &value) == OXP_OK;
}

/* When it cannot be written the next start looks again. */
static void set_mark(struct oxp_outbox *outbox, int64_t now_ms) {
    struct oxp_outbox_value value = {oxp_view_from(mark), OXP_VIEW("named")};
    struct oxp_outbox_write write = {.values = &value, .value_count = 1};
    if (oxp_outbox_is_kept(outbox)) {
        (void)oxp_outbox_put(outbox, &write, now_ms, NULL);
    }
}

enum oxp_status oxp_alerting_upgrade(const struct oxp_alerting_config *config, struct oxp_outbox *outbox,
                                     int64_t now_ms, struct oxp_error *error) {
    enum oxp_status status = OXP_OK;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    bool marked = is_marked(outbox, &arena);
    for (size_t i = 0; i < config->receiver_count && !marked; i++) {
        const struct oxp_receiver *receiver = &config->receivers[i];
        for (size_t k = 0; k < receiver->count && status == OXP_OK; k++) {
            struct oxp_buf old;
            oxp_buf_init(&old, 0);
            oxp_buf_append_format(&old, "%s/webhook/%zu", receiver->name, k);
            struct upgrade upgrade = {.outbox = outbox,
                                      .arena = &arena,
                                      .now_ms = now_ms,
                                      .error = error,
                                      .old = oxp_buf_view(&old),
                                      .queue = oxp_view_from(receiver->webhooks[k].queue)};
            status = oxp_buf_status(&old) == OXP_OK ? upgrade_queue(&upgrade) : OXP_ERR_NOMEM;
            oxp_buf_fini(&old);
        }
    }
    oxp_arena_fini(&arena);
    if (status == OXP_OK && !marked) {
        set_mark(outbox, now_ms);
    }
    if (status != OXP_OK && error->text[0] == '\0') {
        oxp_error_set(error, status, 0, 0, "the outbox cannot be brought up to date: %s", oxp_status_text(status));
    }
    return status;
}
