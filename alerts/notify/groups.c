/* Groups and their members. */
#include "alerts/notify/internal.h"

#include <stdlib.h>

/* ---- A group ---- */

static bool is_grouped_by(const struct oxp_alerting_config *config, struct oxp_view name) {
    for (size_t i = 0; i < config->group_by_count; i++) {
        if (oxp_view_equal(config->group_by[i], name)) {
            return true;
        }
    }
    return config->group_by_all;
}

struct oxp_pairs oxp_group_labels(const struct oxp_alerting_config *config, struct oxp_pairs labels,
                                  struct oxp_pair *room) {
    size_t count = 0;
    for (size_t i = 0; i < labels.count; i++) {
        if (is_grouped_by(config, labels.pair[i].name)) {
            room[count++] = labels.pair[i];
        }
    }
    return (struct oxp_pairs){room, count};
}

void oxp_group_free(struct oxp_group *group) {
    for (struct oxp_member *member = group->members, *next; member != NULL; member = next) {
        next = member->next;
        oxp_notice_drop(member->notice);
        free(member);
    }
    oxp_notice_drop(group->labels);
    free((void *)(uintptr_t)group->key.ptr);
    free(group);
}

/* `{}` is the name of the root route: it has no matchers. */
static char *key_of(struct oxp_pairs labels, size_t *len_out) {
    struct oxp_buf key;
    oxp_buf_init(&key, 0);
    oxp_buf_append_text(&key, "{}:");
    oxp_pairs_format(&key, labels);
    char *text = oxp_buf_take(&key, len_out);
    oxp_buf_fini(&key);
    return text;
}

struct oxp_group *oxp_group_for(struct oxp_alerting *alerting, struct oxp_pairs labels) {
    size_t len = 0;
    char *key = key_of(labels, &len);
    if (key == NULL) {
        return NULL;
    }
    struct oxp_group *group = oxp_map_get(&alerting->groups, oxp_view_of(key, len));
    if (group != NULL) {
        free(key);
        return group;
    }
    group = calloc(1, sizeof *group);
    if (group == NULL) {
        free(key);
        return NULL;
    }
    struct oxp_notice shape = {.labels = labels};
    group->key = oxp_view_of(key, len);
    group->labels = oxp_notice_new(&shape);
    group->next_ms = INT64_MAX;
    if (group->labels == NULL || oxp_map_set(&alerting->groups, group->key, group, NULL) != OXP_OK) {
        oxp_group_free(group);
        return NULL;
    }
    return group;
}

struct oxp_member *oxp_member_new(struct oxp_group *group, struct oxp_notice *notice) {
    struct oxp_member *member = calloc(1, sizeof *member);
    if (member != NULL) {
        member->group = group;
        member->state = OXP_MEMBER_OVER;
        member->notice = oxp_notice_hold(notice);
        member->next = group->members;
        group->members = member;
    }
    return member;
}

bool oxp_group_prune(struct oxp_alerting *alerting, struct oxp_group *group) {
    for (struct oxp_member **at = &group->members; *at != NULL;) {
        struct oxp_member *member = *at;
        if (member->state != OXP_MEMBER_OVER || member->told != 0 || member->owed != 0) {
            at = &member->next;
            continue;
        }
        *at = member->next;
        if (member->entry != NULL) {
            member->entry->member = NULL;
        }
        oxp_notice_drop(member->notice);
        free(member);
    }
    if (group->members != NULL) {
        return false;
    }
    oxp_map_remove(&alerting->groups, group->key);
    oxp_group_free(group);
    return true;
}

/* ---- What the rules said ---- */

static struct oxp_member *member_for(struct oxp_alerting *alerting, struct oxp_entry *entry) {
    struct oxp_pair room[OXP_NOTICE_PAIRS];
    if (entry->member != NULL) {
        return entry->member;
    }
    struct oxp_group *group = oxp_group_for(alerting, oxp_group_labels(alerting->config, entry->notice->labels, room));
    if (group == NULL) {
        return NULL;
    }
    struct oxp_member *member = oxp_member_new(group, entry->notice);
    if (member == NULL) {
        oxp_group_prune(alerting, group);
        return NULL;
    }
    member->entry = entry;
    entry->member = member;
    return member;
}

static bool lives(const struct oxp_group *group) {
    const struct oxp_member *member = group->members;
    while (member != NULL && member->state == OXP_MEMBER_OVER) {
        member = member->next;
    }
    return member != NULL;
}

/* G2. */
static void fire(struct oxp_alerting *alerting, struct oxp_member *member, int64_t starts_ms, int64_t now_ms) {
    struct oxp_group *group = member->group;
    int64_t wait_ms = alerting->config->group_wait_ms;
    if (!group->flushed && !lives(group)) {
        group->next_ms = now_ms + wait_ms;
    }
    if (!group->flushed && starts_ms + wait_ms <= now_ms) {
        group->next_ms = oxp_earlier(group->next_ms, now_ms);
    }
    member->state = OXP_MEMBER_FIRING;
    member->starts_ms = starts_ms;
}

enum oxp_status oxp_group_tell(struct oxp_alerting *alerting, struct oxp_entry *entry, int64_t now_ms) {
    struct oxp_member *member = entry->member;
    if (alerting->config->route == NULL || (entry->now.resolved && member == NULL)) {
        return OXP_OK;
    }
    if (!entry->now.resolved) {
        member = member_for(alerting, entry);
        if (member == NULL) {
            return OXP_ERR_NOMEM;
        }
        fire(alerting, member, entry->now.starts_ms, now_ms);
    } else if (member->state == OXP_MEMBER_FIRING) {
        member->state = OXP_MEMBER_RESOLVED;
        member->ends_ms = entry->now.ends_ms;
    }
    member->unconfirmed = false;
    if (member->notice != entry->notice) {
        oxp_notice_drop(member->notice);
        member->notice = oxp_notice_hold(entry->notice);
    }
    return OXP_OK;
}

/* ---- What the rules do not speak of ---- */

struct losing {
    struct oxp_alerting *alerting;
    int64_t now_ms;
    bool awaits;                  /* some may still be spoken of */
    size_t regrouped;             /* G9 */
    const struct oxp_group *left; /* by one of these */
};

static bool is_awaited(const struct oxp_alerting *alerting, const struct oxp_member *member) {
    return alerting->options.awaits != NULL &&
           alerting->options.awaits(alerting->options.ctx,
                                    oxp_pairs_get(member->notice->labels, OXP_VIEW("alertname")));
}

static void lose_member(struct losing *losing, struct oxp_member *member) {
    if (member->entry == NULL && oxp_alerting_fires(losing->alerting, member->notice)) {
        member->state = OXP_MEMBER_OVER;
        member->owed = 0;
        losing->regrouped++;
        losing->left = member->group;
    } else if (is_awaited(losing->alerting, member)) {
        losing->awaits = true;
        return;
    } else {
        member->state = OXP_MEMBER_RESOLVED;
        member->ends_ms = losing->now_ms > member->starts_ms ? losing->now_ms : member->starts_ms;
    }
    member->unconfirmed = false;
}

/* Best effort: an outbox that cannot take it has other troubles. */
static void note_regrouped(const struct losing *losing) {
    struct oxp_buf text;
    struct oxp_view key = losing->left->key;
    oxp_buf_init(&text, 0);
    oxp_buf_append_format(&text,
                          "%zu alerts that fire are in other groups since group_by was changed; their old ones, ",
                          losing->regrouped);
    oxp_buf_append(&text, key.ptr, key.len < OXP_SUMMARY_MAX ? key.len : OXP_SUMMARY_MAX);
    oxp_buf_append_text(&text, " for one, end without a telling");
    struct oxp_outbox_note note = {OXP_VIEW("alerting.regrouped"), oxp_buf_view(&text)};
    struct oxp_outbox_write write = {.notes = &note, .note_count = 1};
    if (oxp_buf_status(&text) == OXP_OK) {
        (void)oxp_alerting_put(losing->alerting, &write, losing->now_ms);
    }
    oxp_buf_fini(&text);
}

bool oxp_groups_lose(struct oxp_alerting *alerting, int64_t now_ms) {
    struct losing losing = {.alerting = alerting, .now_ms = now_ms};
    struct oxp_group *group;
    for (size_t i = 0; (group = oxp_map_next(&alerting->groups, &i)) != NULL;) {
        for (struct oxp_member *member = group->members; member != NULL; member = member->next) {
            if (member->unconfirmed) { /* and fires, or it would not be */
                lose_member(&losing, member);
            }
        }
    }
    if (losing.left != NULL) {
        note_regrouped(&losing);
    }
    return !losing.awaits;
}
