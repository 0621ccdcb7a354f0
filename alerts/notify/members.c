/* Alertmanagers: each member gets all alerts, past route and grouping, in the newest state alone.
 *
 * One unsent message for each member holds everything, so a change means that all is put again. Of more than about
 * 512 KiB it becomes several messages (`alerts`, `alerts/1`, …), which are always put together; places that are no
 * longer needed get an empty list, so that no older state stays unsent. Changes are gathered for a moment, and put not
 * more than once a second for each part. */
#include "alerts/notify/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { GATHER_MS = 100, SPACING_MS = 1000, REPEAT_MS = OXP_ALERT_RESEND_MS };

struct part {
    struct oxp_buf content;
    char group[32];
};
struct parts {
    struct part *part;
    size_t count, room;
    size_t full; /* the others are empty lists */
    size_t alerts, firing;
    bool failed;
    enum oxp_outbox_priority priority;
    int64_t since_ms;
};

static void free_parts(struct parts *parts) {
    for (size_t i = 0; i < parts->count; i++) {
        oxp_buf_fini(&parts->part[i].content);
    }
    free(parts->part);
}

static struct part *add_part(struct parts *parts) {
    if (parts->count == parts->room) {
        size_t room = parts->room == 0 ? 4 : 2 * parts->room;
        struct part *grown = realloc(parts->part, room * sizeof *grown);
        if (grown == NULL) {
            parts->failed = true;
            return NULL;
        }
        parts->part = grown;
        parts->room = room;
    }
    struct part *part = &parts->part[parts->count];
    oxp_buf_init(&part->content, OXP_OUTBOX_CONTENT_MAX - 1);
    snprintf(part->group, sizeof part->group, parts->count == 0 ? "alerts" : "alerts/%zu", parts->count);
    parts->count++;
    return part;
}

static bool is_wanted(const struct oxp_entry *entry, int64_t now_ms) {
    return entry->known && (!entry->now.resolved || now_ms - entry->now.ends_ms < OXP_ALERT_RESOLVED_KEPT_MS);
}

static void tally(struct parts *parts, const struct oxp_entry *entry) {
    enum oxp_outbox_priority own = oxp_notice_priority(entry->notice);
    int64_t began_ms = entry->now.resolved ? entry->now.ends_ms : entry->now.starts_ms;
    parts->alerts++;
    parts->firing += !entry->now.resolved;
    parts->priority = own < parts->priority ? own : parts->priority;
    if (entry->news && (parts->since_ms == 0 || began_ms < parts->since_ms)) {
        parts->since_ms = began_ms;
    }
}

/* One that is too large stays out, or nothing would ever be sent again. */
static void add_alert(struct parts *parts, struct oxp_entry *entry) {
    struct part *part = parts->count == 0 ? NULL : &parts->part[parts->count - 1];
    struct oxp_news news = {.notice = entry->notice,
                            .resolved = entry->now.resolved,
                            .starts_ms = entry->now.starts_ms,
                            .ends_ms = entry->now.resolved ? entry->now.ends_ms : entry->now.valid_ms};
    if (part == NULL || part->content.len > OXP_ALERTING_PART) {
        part = add_part(parts);
    }
    if (part == NULL) {
        return;
    }
    size_t len = part->content.len;
    oxp_buf_append_char(&part->content, len == 0 ? '[' : ',');
    oxp_news_write(&part->content, &news);
    size_t bytes = part->content.len - len - 1;
    bool fits = oxp_buf_status(&part->content) != OXP_ERR_LIMIT && bytes <= OXP_ALERTING_ALERT_MAX;
    entry->left_out_said = entry->left_out_said && !fits;
    entry->left_out_bytes = fits ? 0 : bytes;
    if (!fits) {
        part->content.len = len;
        part->content.status = OXP_OK;
        return;
    }
    tally(parts, entry);
}

static struct parts build(struct oxp_alerting *alerting, int64_t now_ms) {
    struct parts parts = {.priority = OXP_OUTBOX_INFO};
    for (struct oxp_entry *entry = alerting->all; entry != NULL && !parts.failed; entry = entry->next) {
        if (is_wanted(entry, now_ms)) {
            add_alert(&parts, entry);
        }
    }
    parts.full = parts.count;
    while (!parts.failed && parts.count < alerting->parts) {
        add_part(&parts);
    }
    for (size_t i = 0; i < parts.count; i++) {
        struct oxp_buf *content = &parts.part[i].content;
        oxp_buf_append_text(content, content->len == 0 ? "[]\n" : "]\n");
        parts.failed = parts.failed || oxp_buf_status(content) != OXP_OK;
    }
    return parts;
}

static bool put(struct oxp_alerting *alerting, const struct parts *parts, int64_t now_ms) {
    const struct oxp_alerting_config *config = alerting->config;
    char summary[64];
    struct oxp_outbox_message *messages = calloc(parts->count * config->alertmanager_count, sizeof *messages);
    if (messages == NULL) {
        return false;
    }
    struct oxp_outbox_write write = {.messages = messages};
    snprintf(summary, sizeof summary, "%zu alerts, %zu of them firing", parts->alerts, parts->firing);
    for (size_t i = 0; i < config->alertmanager_count; i++) {
        for (size_t k = 0; k < parts->count; k++) {
            messages[write.message_count++] =
                (struct oxp_outbox_message){.receiver = oxp_view_from(config->alertmanagers[i].queue),
                                            .integration = OXP_VIEW("alertmanager"),
                                            .group = oxp_view_from(parts->part[k].group),
                                            .priority = parts->priority,
                                            .since_ms = parts->since_ms,
                                            .summary = oxp_view_from(summary),
                                            .content = oxp_buf_view(&parts->part[k].content)};
        }
    }
    bool done = oxp_alerting_put(alerting, &write, now_ms);
    free(messages);
    return done;
}

/* ---- What was left out ---- */

static bool note_left_out(struct oxp_alerting *alerting, const struct oxp_entry *entry, struct oxp_view name,
                          int64_t now_ms) {
    struct oxp_error text = {0};
    oxp_error_set(&text, OXP_OK, 0, 0,
                  "%.*s (fingerprint %016" PRIx64 ") is in no message to Alertmanagers: at least %zu bytes, of %u",
                  (int)(name.len < 128 ? name.len : 128), name.ptr, entry->notice->fingerprint, entry->left_out_bytes,
                  OXP_ALERTING_ALERT_MAX);
    const struct oxp_outbox_note note = {OXP_VIEW("alerting.too_large"), oxp_view_from(text.text)};
    const struct oxp_outbox_write write = {.notes = &note, .note_count = 1};
    return oxp_alerting_put(alerting, &write, now_ms);
}

/* Each once; of those that the outbox does not take, when everything is put again. */
static void say_left_out(struct oxp_alerting *alerting, int64_t now_ms) {
    for (struct oxp_entry *entry = alerting->all; entry != NULL; entry = entry->next) {
        if (entry->left_out_bytes == 0 || entry->left_out_said) {
            continue;
        }
        struct oxp_view name = oxp_pairs_get(entry->notice->labels, OXP_VIEW("alertname"));
        if (!note_left_out(alerting, entry, name, now_ms)) {
            return;
        }
        entry->left_out_said = true;
        pthread_mutex_lock(&alerting->lock);
        alerting->stats.left_out++;
        pthread_mutex_unlock(&alerting->lock);
        if (alerting->options.on_left_out != NULL) {
            alerting->options.on_left_out(alerting->options.ctx, name, entry->left_out_bytes);
        }
    }
}

/* When something is to be put. */
static int64_t due(struct oxp_alerting *alerting, int64_t now_ms) {
    /* The clock may have gone back. */
    alerting->members_put_ms = oxp_earlier(alerting->members_put_ms, now_ms);
    alerting->members_changed_ms = oxp_earlier(alerting->members_changed_ms, now_ms);
    alerting->members_again_ms = oxp_earlier(alerting->members_again_ms, now_ms + OXP_ALERTING_AGAIN_MS);
    if (alerting->members_again_ms != 0) {
        return alerting->members_again_ms;
    }
    if (alerting->members_changed_ms == 0) {
        return alerting->members_put_ms == 0 ? INT64_MAX : alerting->members_put_ms + REPEAT_MS;
    }
    if (alerting->last) {
        return now_ms;
    }
    int64_t gathered_ms = alerting->members_changed_ms + GATHER_MS;
    int64_t spaced_ms = alerting->members_put_ms + SPACING_MS * (int64_t)alerting->parts;
    return gathered_ms > spaced_ms ? gathered_ms : spaced_ms;
}

int64_t oxp_members_turn(struct oxp_alerting *alerting, int64_t now_ms) {
    if (alerting->config->alertmanager_count == 0) {
        return INT64_MAX;
    }
    int64_t due_ms = due(alerting, now_ms);
    if (due_ms > now_ms) {
        return due_ms;
    }
    struct parts parts = build(alerting, now_ms);
    bool done = !parts.failed && (parts.count == 0 || put(alerting, &parts, now_ms));
    if (done) {
        for (struct oxp_entry *entry = alerting->all; entry != NULL; entry = entry->next) {
            entry->news = false;
        }
        alerting->members_put_ms = parts.alerts == 0 ? 0 : now_ms;
        alerting->members_changed_ms = 0;
        alerting->members_again_ms = 0;
        alerting->parts = parts.full;
    } else {
        alerting->members_again_ms = now_ms + OXP_ALERTING_AGAIN_MS;
    }
    free_parts(&parts);
    say_left_out(alerting, now_ms);
    return due(alerting, now_ms);
}
