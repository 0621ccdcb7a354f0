/* What each webhook was told of each group, in the outbox' ledger: `group/QUEUE/GROUPKEY` holds
 *
 *     {"queue": …, "labels": {the group's}, "told_ms": …, "alerts": [{"labels", "annotations", "generator",
 * "starts_ms", "ends_ms", "firing", "told", "owed"}]}
 *
 * with all that is needed to tell an alert as resolved later, when nobody knows it any more. */
#include "alerts/notify/internal.h"

#include <inttypes.h>
#include <stdlib.h>

static const char prefix[] = "group/";

/* ---- Writing ---- */

static void write_member(struct oxp_buf *out, const struct oxp_member *member, uint64_t bit) {
    oxp_buf_append_text(out, "{\"labels\":");
    oxp_pairs_json(out, member->notice->labels);
    oxp_buf_append_text(out, ",\"annotations\":");
    oxp_pairs_json(out, member->notice->annotations);
    oxp_buf_append_text(out, ",\"generator\":");
    oxp_buf_append_json_string(out, member->notice->generator);
    oxp_buf_append_format(out, ",\"starts_ms\":%" PRId64 ",\"ends_ms\":%" PRId64, member->starts_ms, member->ends_ms);
    oxp_buf_append_format(
        out, ",\"firing\":%s,\"told\":%s,\"owed\":%s}", member->state == OXP_MEMBER_FIRING ? "true" : "false",
        (member->next_told & bit) != 0 ? "true" : "false", (member->next_owed & bit) != 0 ? "true" : "false");
}

void oxp_ledger_write(const struct oxp_group *group, const struct oxp_target *target, size_t bit, int64_t told_ms,
                      struct oxp_buf *key, struct oxp_buf *value) {
    uint64_t mask = UINT64_C(1) << bit;
    bool any = false;
    oxp_buf_append_format(key, "%s%s/", prefix, target->queue);
    oxp_buf_append_view(key, group->key);
    for (const struct oxp_member *member = group->members; member != NULL; member = member->next) {
        if (((member->next_told | member->next_owed) & mask) == 0) {
            continue;
        }
        if (!any) {
            oxp_buf_append_text(value, "{\"queue\":");
            oxp_buf_append_json_string(value, oxp_view_from(target->queue));
            oxp_buf_append_text(value, ",\"labels\":");
            oxp_pairs_json(value, group->labels->labels);
            oxp_buf_append_format(value, ",\"told_ms\":%" PRId64 ",\"alerts\":[", told_ms);
        }
        oxp_buf_append_text(value, any ? "," : "");
        write_member(value, member, mask);
        any = true;
    }
    oxp_buf_append_text(value, any ? "]}" : "");
}

/* ---- Reading ---- */

static int64_t number_of(const struct oxp_json *object, const char *name) {
    double value = oxp_json_number_of(oxp_json_get(object, name));
    return value >= 0 && value < 9e15 ? (int64_t)value : 0; /* NaN is 0, too */
}

static struct oxp_notice *notice_of(const struct oxp_json *alert) {
    struct oxp_pair labels[OXP_NOTICE_PAIRS], annotations[OXP_NOTICE_PAIRS];
    struct oxp_notice shape = {.labels = oxp_pairs_of_json(oxp_json_get(alert, "labels"), labels),
                               .annotations = oxp_pairs_of_json(oxp_json_get(alert, "annotations"), annotations),
                               .generator = oxp_json_text_of(oxp_json_get(alert, "generator"))};
    return oxp_notice_new(&shape);
}

/* The member of this alert, if another webhook's value has made it; else a new one. NULL without memory. */
static struct oxp_member *member_of(struct oxp_alerting *alerting, struct oxp_group *group, struct oxp_notice *notice) {
    struct oxp_pair room[OXP_NOTICE_PAIRS];
    struct oxp_pairs labels = oxp_group_labels(alerting->config, notice->labels, room);
    struct oxp_entry *entry = NULL;
    if (oxp_pairs_equal(labels, group->labels->labels)) {
        entry = oxp_entry_restore(alerting, notice);
    }
    if (entry != NULL && entry->member != NULL) {
        return entry->member;
    }
    for (struct oxp_member *member = group->members; entry == NULL && member != NULL; member = member->next) {
        if (oxp_view_equal(member->notice->key, notice->key)) {
            return member;
        }
    }
    struct oxp_member *member = oxp_member_new(group, notice);
    if (member != NULL) {
        member->entry = entry;
        if (entry != NULL) {
            entry->member = member;
        }
    }
    return member;
}

static enum oxp_status read_alert(struct oxp_alerting *alerting, struct oxp_group *group, const struct oxp_json *alert,
                                  uint64_t bit) {
    struct oxp_notice *notice = notice_of(alert);
    struct oxp_member *member = notice == NULL ? NULL : member_of(alerting, group, notice);
    oxp_notice_drop(notice);
    if (member == NULL) {
        return OXP_ERR_NOMEM;
    }
    member->starts_ms = number_of(alert, "starts_ms");
    member->ends_ms = number_of(alert, "ends_ms");
    if (oxp_json_bool_of(oxp_json_get(alert, "firing"))) {
        member->state = OXP_MEMBER_FIRING;
        member->unconfirmed = true; /* G8 */
    }
    member->told |= oxp_json_bool_of(oxp_json_get(alert, "told")) ? bit : 0;
    member->owed |= oxp_json_bool_of(oxp_json_get(alert, "owed")) ? bit : 0;
    return OXP_OK;
}

/* The webhook's place in the route's receiver; its count when it is no more. */
static size_t place_of(const struct oxp_alerting_config *config, struct oxp_view queue) {
    size_t i = 0;
    while (config->route != NULL && i < config->route->count && !oxp_view_is(queue, config->route->webhooks[i].queue)) {
        i++;
    }
    return config->route == NULL ? OXP_TARGETS_MAX : i;
}

static enum oxp_status read_group(struct oxp_alerting *alerting, const struct oxp_json *value, size_t place) {
    struct oxp_pair room[OXP_NOTICE_PAIRS];
    const struct oxp_json *alerts = oxp_json_get(value, "alerts");
    struct oxp_group *group = oxp_group_for(alerting, oxp_pairs_of_json(oxp_json_get(value, "labels"), room));
    if (group == NULL) {
        return OXP_ERR_NOMEM;
    }
    enum oxp_status status = OXP_OK;
    for (size_t i = 0; status == OXP_OK && i < oxp_json_size(alerts); i++) {
        status = read_alert(alerting, group, oxp_json_at(alerts, i), UINT64_C(1) << place);
    }
    int64_t told_ms = number_of(value, "told_ms");
    int64_t next_ms = told_ms + alerting->config->group_interval_ms;
    group->told_ms[place] = told_ms;
    group->next_ms = group->next_ms == INT64_MAX || group->next_ms < next_ms ? next_ms : group->next_ms;
    group->flushed = group->flushed || told_ms != 0;
    return status;
}

/* G10: of a webhook that is no more. */
static bool is_too_old(const struct oxp_alerting *alerting, const struct oxp_json *value) {
    const struct oxp_json *alerts = oxp_json_get(value, "alerts");
    int64_t now_ms = oxp_clock_wall(alerting->options.clock).ns / OXP_NS_PER_MS;
    int64_t last_ms = number_of(value, "told_ms");
    for (size_t i = 0; i < oxp_json_size(alerts); i++) {
        int64_t ends_ms = number_of(oxp_json_at(alerts, i), "ends_ms");
        last_ms = ends_ms > last_ms ? ends_ms : last_ms;
    }
    return now_ms - last_ms >= OXP_ALERTING_GONE_MS;
}

/* One value of the ledger. OXP_END: it is of no use any more. */
static enum oxp_status read_value(struct oxp_alerting *alerting, struct oxp_view text) {
    struct oxp_json *value = NULL;
    enum oxp_status status = oxp_json_read(text, &value, NULL);
    if (status != OXP_OK) {
        return status == OXP_ERR_NOMEM ? status : OXP_END;
    }
    size_t place = place_of(alerting->config, oxp_json_text_of(oxp_json_get(value, "queue")));
    size_t count = alerting->config->route == NULL ? 0 : alerting->config->route->count;
    status = place < count ? read_group(alerting, value, place) : is_too_old(alerting, value) ? OXP_END : OXP_OK;
    oxp_json_free(value);
    return status;
}

static enum oxp_status forget(struct oxp_alerting *alerting, struct oxp_view key, struct oxp_error *error) {
    struct oxp_outbox_value value = {.key = key, .value = {NULL, 0}};
    struct oxp_outbox_write write = {.values = &value, .value_count = 1};
    int64_t now_ms = oxp_clock_wall(alerting->options.clock).ns / OXP_NS_PER_MS;
    return oxp_outbox_put(alerting->options.outbox, &write, now_ms, error);
}

enum oxp_status oxp_ledger_read(struct oxp_alerting *alerting, struct oxp_error *error) {
    struct oxp_arena arena;
    struct oxp_outbox_value *values = NULL;
    size_t count = 0;
    oxp_arena_init(&arena, 0);
    enum oxp_status status =
        oxp_outbox_values(alerting->options.outbox, oxp_view_from(prefix), &arena, &values, &count);
    if (status != OXP_OK) {
        oxp_error_set(error, status, 0, 0, "the outbox' ledger cannot be read: %s", oxp_status_text(status));
    }
    for (size_t i = 0; status == OXP_OK && i < count; i++) {
        status = read_value(alerting, values[i].value);
        if (status == OXP_END) {
            status = forget(alerting, values[i].key, error);
        } else if (status != OXP_OK) {
            oxp_error_set(error, status, 0, 0, "%s", oxp_status_text(status));
        }
    }
    oxp_arena_fini(&arena);
    return status;
}
