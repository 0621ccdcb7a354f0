/* Flushes: who is told what of a group (internal.h has the rules G1 to G8). */
#include "alerts/notify/internal.h"

#include <stdio.h>
#include <stdlib.h>

/* How soon a group that is over looks whether what it told has arrived, and goes: Alertmanager looks for empty groups
 * so often. */
enum { SETTLE_MS = 30000, FLUSHES_MAX = 200 };

/* ---- Putting ---- */

bool oxp_alerting_put(struct oxp_alerting *alerting, const struct oxp_outbox_write *write, int64_t now_ms) {
    struct oxp_error error = {0};
    enum oxp_status status = oxp_outbox_put(alerting->options.outbox, write, now_ms, &error);
    if (status == OXP_OK) {
        alerting->failed_ms = 0;
        for (size_t i = 0; alerting->options.on_put != NULL && i < write->message_count; i++) {
            alerting->options.on_put(alerting->options.ctx, write->messages[i].receiver);
        }
        return true;
    }
    pthread_mutex_lock(&alerting->lock);
    alerting->stats.failures++;
    pthread_mutex_unlock(&alerting->lock);
    bool due = alerting->failed_ms == 0 || now_ms - alerting->failed_ms >= OXP_ALERTING_IDLE_MS ||
               now_ms < alerting->failed_ms;
    if (due && alerting->options.on_failure != NULL) {
        if (error.text[0] == '\0') {
            oxp_error_set(&error, status, 0, 0, "%s", oxp_status_text(status));
        }
        alerting->options.on_failure(alerting->options.ctx, &error);
    }
    alerting->failed_ms = due ? now_ms : alerting->failed_ms;
    return false;
}

enum oxp_outbox_priority oxp_notice_priority(const struct oxp_notice *notice) {
    static const struct {
        const char *severity;
        enum oxp_outbox_priority priority;
    } table[] = {{"critical", OXP_OUTBOX_CRITICAL},
                 {"warning", OXP_OUTBOX_WARNING},
                 {"high", OXP_OUTBOX_WARNING},
                 {"medium", OXP_OUTBOX_WARNING}};
    struct oxp_view severity = oxp_pairs_get(notice->labels, OXP_VIEW("severity"));
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (oxp_view_is(severity, table[i].severity)) {
            return table[i].priority;
        }
    }
    return OXP_OUTBOX_INFO;
}

/* ---- One webhook's part of a flush ---- */

struct telling {
    struct oxp_group *group;
    const struct oxp_target *target;
    uint64_t bit;
    size_t index;
    bool needed;  /* G3 */
    bool settled; /* what was owed has arrived, which the ledger does not know yet */
    bool has_message;
    int64_t told_ms; /* the next one */
    struct oxp_outbox_message message;
    struct oxp_buf content, summary, key, value;
};

struct tally {
    size_t firing, resolved;
    bool fresh;       /* something fires that the last telling did not hold */
    bool missed;      /* something was resolved that the last telling should have held as firing: G6 */
    bool unconfirmed; /* G8 */
};

static bool is_missed(const struct telling *telling, const struct oxp_member *member) {
    return member->state == OXP_MEMBER_RESOLVED && (member->missed & telling->bit) != 0;
}

static struct tally count(const struct telling *telling) {
    struct tally tally = {0};
    for (const struct oxp_member *member = telling->group->members; member != NULL; member = member->next) {
        bool told = (member->told & telling->bit) != 0;
        tally.firing += member->state == OXP_MEMBER_FIRING;
        tally.resolved += member->state == OXP_MEMBER_RESOLVED;
        tally.fresh = tally.fresh || (member->state == OXP_MEMBER_FIRING && !told);
        tally.missed = tally.missed || is_missed(telling, member);
        tally.unconfirmed = tally.unconfirmed || member->unconfirmed;
    }
    return tally;
}

/* G3. */
static bool is_needed(const struct oxp_alerting *alerting, const struct telling *telling, int64_t now_ms) {
    struct tally tally = count(telling);
    int64_t told_ms = telling->group->told_ms[telling->index];
    if (tally.missed) {
        return true;
    }
    if (told_ms == 0) {
        return tally.firing != 0;
    }
    if (tally.fresh) {
        return true;
    }
    if (tally.firing == 0) {
        return true; /* something did in the last telling, or there would be no time of it */
    }
    if (telling->target->send_resolved && tally.resolved != 0) {
        return true;
    }
    return !tally.unconfirmed && now_ms - told_ms >= alerting->config->repeat_interval_ms;
}

/* G4, G6 and G7. */
static bool is_in(const struct telling *telling, const struct oxp_member *member) {
    bool resolved = member->state == OXP_MEMBER_RESOLVED ||
                    (member->state == OXP_MEMBER_OVER && (member->next_owed & telling->bit) != 0);
    return member->state == OXP_MEMBER_FIRING || is_missed(telling, member) ||
           (telling->target->send_resolved && resolved);
}

static struct oxp_news *collect(const struct telling *telling, size_t *count_out) {
    size_t count = 0;
    for (const struct oxp_member *member = telling->group->members; member != NULL; member = member->next) {
        count += is_in(telling, member);
    }
    struct oxp_news *news = calloc(count + 1, sizeof *news), *at = news;
    for (const struct oxp_member *member = telling->group->members; news != NULL && member != NULL;
         member = member->next) {
        if (is_in(telling, member)) {
            *at++ = (struct oxp_news){.notice = member->notice,
                                      .resolved = member->state != OXP_MEMBER_FIRING && telling->target->send_resolved,
                                      .starts_ms = member->starts_ms,
                                      .ends_ms = member->ends_ms};
        }
    }
    oxp_news_sort(news, news == NULL ? 0 : count);
    *count_out = count;
    return news;
}

/* Those that fire to the front, each kind in its order, so that a cut leaves no group that fires looking resolved. (In
 * Alertmanager it may.) */
static bool firing_first(struct oxp_news *news, size_t count) {
    struct oxp_news *sorted = calloc(count, sizeof *sorted);
    size_t at = 0;
    for (int resolved = 0; sorted != NULL && resolved < 2; resolved++) {
        for (size_t i = 0; i < count; i++) {
            if (news[i].resolved == (resolved == 1)) {
                sorted[at++] = news[i];
            }
        }
    }
    if (sorted == NULL) {
        return false;
    }
    memcpy(news, sorted, count * sizeof *news);
    free(sorted);
    return true;
}

/* The payload with as many alerts as are allowed and fit. */
static bool write_content(const struct oxp_alerting *alerting, struct telling *telling, struct oxp_news *news,
                          size_t count) {
    uint64_t max = telling->target->max_alerts;
    size_t shown = max != 0 && max < count ? (size_t)max : count;
    struct oxp_payload payload = {.receiver = alerting->config->route->name,
                                  .external_url = alerting->external_url,
                                  .group_key = telling->group->key,
                                  .group_labels = telling->group->labels->labels,
                                  .news = news};
    for (size_t i = 0; i < count; i++) {
        payload.firing = payload.firing || !news[i].resolved;
    }
    for (;; shown /= 2) {
        if (shown < count && !firing_first(news, count)) {
            return false;
        }
        payload.count = shown;
        payload.truncated = count - shown;
        oxp_buf_clear(&telling->content);
        oxp_payload_write(&telling->content, &payload);
        if (oxp_buf_status(&telling->content) != OXP_ERR_LIMIT || shown == 0) {
            return oxp_buf_status(&telling->content) == OXP_OK;
        }
    }
}

/* `[FIRING:2, RESOLVED:1] {}:{alertname="X"}` */
static void write_summary(struct telling *telling, size_t firing, size_t resolved) {
    oxp_buf_append_char(&telling->summary, '[');
    if (firing != 0) {
        oxp_buf_append_format(&telling->summary, "FIRING:%zu%s", firing, resolved == 0 ? "" : ", ");
    }
    if (resolved != 0) {
        oxp_buf_append_format(&telling->summary, "RESOLVED:%zu", resolved);
    }
    struct oxp_view key = telling->group->key;
    oxp_buf_append_format(&telling->summary, "] %.*s", (int)(key.len < OXP_SUMMARY_MAX ? key.len : OXP_SUMMARY_MAX),
                          key.ptr);
}

/* When what is new in the telling began; 0 = nothing is. */
static int64_t since(const struct telling *telling) {
    int64_t since_ms = 0;
    for (const struct oxp_member *member = telling->group->members; member != NULL; member = member->next) {
        int64_t began_ms = member->state == OXP_MEMBER_FIRING && (member->told & telling->bit) == 0 ? member->starts_ms
                           : member->state == OXP_MEMBER_RESOLVED                                   ? member->ends_ms
                                                                                                    : 0;
        since_ms = began_ms != 0 && (since_ms == 0 || began_ms < since_ms) ? began_ms : since_ms;
    }
    return since_ms;
}

static bool write_message(const struct oxp_alerting *alerting, struct telling *telling) {
    size_t total = 0, firing = 0;
    struct oxp_news *news = collect(telling, &total);
    if (news == NULL) {
        return false;
    }
    enum oxp_outbox_priority priority = OXP_OUTBOX_INFO;
    for (size_t i = 0; i < total; i++) {
        enum oxp_outbox_priority own = oxp_notice_priority(news[i].notice);
        priority = own < priority ? own : priority;
        firing += !news[i].resolved;
    }
    bool written = true;
    telling->has_message = total != 0;
    if (telling->has_message) {
        written = write_content(alerting, telling, news, total);
        write_summary(telling, firing, total - firing);
        telling->message = (struct oxp_outbox_message){.receiver = oxp_view_from(telling->target->queue),
                                                       .integration = OXP_VIEW("webhook"),
                                                       .group = telling->group->key,
                                                       .priority = priority,
                                                       .since_ms = since(telling),
                                                       .summary = oxp_buf_view(&telling->summary),
                                                       .content = oxp_buf_view(&telling->content)};
    }
    free(news);
    return written && oxp_buf_status(&telling->summary) == OXP_OK;
}

/* What the ledger will say when this telling is put. */
static void advance(struct telling *telling, int64_t now_ms) {
    uint64_t bit = telling->bit;
    bool firing = false;
    for (struct oxp_member *member = telling->group->members; member != NULL; member = member->next) {
        bool fires = member->state == OXP_MEMBER_FIRING;
        bool in = telling->has_message && is_in(telling, member);
        member->next_told = fires ? member->next_told | bit : member->next_told & ~bit;
        member->next_owed = in && !fires ? member->next_owed | bit : member->next_owed & ~bit;
        firing = firing || fires;
    }
    telling->told_ms = firing ? now_ms : 0;
}

/* ---- What was owed ---- */

struct unsent { /* of one webhook, asked for once in a turn */
    bool asked, known;
    struct oxp_outbox_message *messages;
    size_t count;
};
struct flushing {
    struct oxp_alerting *alerting;
    int64_t now_ms;
    struct oxp_arena arena;
    struct unsent unsent[OXP_TARGETS_MAX];
};

static bool is_unsent(struct flushing *flushing, const struct telling *telling) {
    struct unsent *unsent = &flushing->unsent[telling->index];
    if (!unsent->asked) {
        struct oxp_outbox_filter filter = {.receiver = oxp_view_from(telling->target->queue),
                                           .states = 1U << OXP_OUTBOX_WAITING | 1U << OXP_OUTBOX_CLAIMED,
                                           .limit = (size_t)2 * OXP_ALERTING_MAX};
        unsent->asked = true;
        unsent->known = oxp_outbox_list(flushing->alerting->options.outbox, &filter, &flushing->arena,
                                        &unsent->messages, &unsent->count) == OXP_OK;
    }
    bool found = !unsent->known; /* then nothing is taken for sent */
    for (size_t i = 0; !found && i < unsent->count; i++) {
        found = oxp_view_equal(unsent->messages[i].group, telling->group->key);
    }
    return found;
}

/* G7: the message in which it was told is no longer on its way. */
static void settle(struct flushing *flushing, struct telling *telling) {
    uint64_t owed = 0;
    for (struct oxp_member *member = telling->group->members; member != NULL; member = member->next) {
        owed |= member->owed & telling->bit;
    }
    if (owed == 0 || is_unsent(flushing, telling)) {
        return;
    }
    telling->settled = true;
    for (struct oxp_member *member = telling->group->members; member != NULL; member = member->next) {
        member->next_owed &= ~telling->bit;
    }
}

/* ---- A flush ---- */

static bool prepare(struct flushing *flushing, struct telling *telling) {
    settle(flushing, telling);
    telling->told_ms = telling->group->told_ms[telling->index];
    telling->needed = is_needed(flushing->alerting, telling, flushing->now_ms);
    if (telling->needed) {
        if (!write_message(flushing->alerting, telling)) {
            return false;
        }
        advance(telling, flushing->now_ms);
    }
    if (telling->needed || telling->settled) {
        oxp_ledger_write(telling->group, telling->target, telling->index, telling->told_ms, &telling->key,
                         &telling->value);
    }
    return oxp_buf_status(&telling->key) == OXP_OK && oxp_buf_status(&telling->value) == OXP_OK;
}

static void commit(const struct oxp_alerting *alerting, struct oxp_group *group, const struct telling *tellings,
                   int64_t now_ms) {
    for (size_t i = 0; i < alerting->config->route->count; i++) {
        group->told_ms[i] = tellings[i].told_ms;
    }
    group->flushed = false;
    for (struct oxp_member *member = group->members; member != NULL; member = member->next) {
        member->told = member->next_told;
        member->owed = member->next_owed;
        member->missed = 0;
        group->flushed = group->flushed || member->state == OXP_MEMBER_FIRING;
        if (member->state == OXP_MEMBER_RESOLVED) {
            member->state = OXP_MEMBER_OVER; /* G5 */
        }
    }
    group->next_ms = now_ms + (group->flushed ? alerting->config->group_interval_ms : SETTLE_MS);
}

/* G6: after a put that failed. */
static void remember_missed(struct oxp_alerting *alerting, struct oxp_group *group) {
    bool crowded = oxp_alerting_is_crowded(alerting);
    for (struct oxp_member *member = group->members; member != NULL; member = member->next) {
        if (member->state == OXP_MEMBER_FIRING) {
            member->missed |= ~member->told;
        } else if (crowded) {
            member->missed = 0;
        }
    }
}

/* One commit of all messages and ledger values; nothing to put is a success. */
static bool put_all(struct oxp_alerting *alerting, const struct telling *tellings, int64_t now_ms) {
    struct oxp_outbox_message messages[OXP_TARGETS_MAX];
    struct oxp_outbox_value values[OXP_TARGETS_MAX];
    struct oxp_outbox_write write = {.messages = messages, .values = values};
    for (size_t i = 0; i < alerting->config->route->count; i++) {
        const struct telling *telling = &tellings[i];
        if (telling->has_message) {
            messages[write.message_count++] = telling->message;
        }
        if (telling->key.len != 0) {
            struct oxp_view value = telling->value.len == 0 ? oxp_view_of(NULL, 0) : oxp_buf_view(&telling->value);
            values[write.value_count++] = (struct oxp_outbox_value){oxp_buf_view(&telling->key), value};
        }
    }
    return write.message_count + write.value_count == 0 || oxp_alerting_put(alerting, &write, now_ms);
}

/* Flushes a group; true when it is gone then. */
static bool flush(struct flushing *flushing, struct oxp_group *group) {
    struct oxp_alerting *alerting = flushing->alerting;
    const struct oxp_receiver *receiver = alerting->config->route;
    struct telling *tellings = calloc(receiver->count + 1, sizeof *tellings);
    bool done = tellings != NULL;
    for (struct oxp_member *member = group->members; member != NULL; member = member->next) {
        member->next_told = member->told;
        member->next_owed = member->owed;
    }
    for (size_t i = 0; tellings != NULL && i < receiver->count; i++) {
        struct telling *telling = &tellings[i];
        *telling =
            (struct telling){.group = group, .target = &receiver->webhooks[i], .bit = UINT64_C(1) << i, .index = i};
        oxp_buf_init(&telling->content, OXP_OUTBOX_CONTENT_MAX - 1);
        done = done && prepare(flushing, telling);
    }
    done = done && put_all(alerting, tellings, flushing->now_ms);
    if (done) {
        commit(alerting, group, tellings, flushing->now_ms);
    } else {
        group->next_ms = flushing->now_ms + OXP_ALERTING_AGAIN_MS; /* G6 */
        remember_missed(alerting, group);
    }
    for (size_t i = 0; tellings != NULL && i < receiver->count; i++) {
        oxp_buf_fini(&tellings[i].content);
        oxp_buf_fini(&tellings[i].summary);
        oxp_buf_fini(&tellings[i].key);
        oxp_buf_fini(&tellings[i].value);
    }
    free(tellings);
    return done && oxp_group_prune(alerting, group);
}

static bool waits_for_rules(const struct oxp_group *group) {
    for (const struct oxp_member *member = group->members; member != NULL; member = member->next) {
        if (member->unconfirmed) {
            return true;
        }
    }
    return false;
}

/* The clock went back: nothing is due later than it can be. */
static void clamp(const struct oxp_alerting *alerting, struct oxp_group *group, int64_t now_ms) {
    const struct oxp_alerting_config *config = alerting->config;
    int64_t most_ms = group->flushed ? config->group_interval_ms : config->group_wait_ms;
    most_ms = most_ms > SETTLE_MS ? most_ms : SETTLE_MS;
    group->next_ms = oxp_earlier(group->next_ms, now_ms + most_ms);
    for (size_t i = 0; i < OXP_TARGETS_MAX; i++) {
        group->told_ms[i] = oxp_earlier(group->told_ms[i], now_ms);
    }
}

static bool is_due(const struct oxp_alerting *alerting, const struct oxp_group *group, int64_t now_ms) {
    return group->next_ms <= now_ms && (alerting->ready_seen_ms != 0 || !waits_for_rules(group));
}

/* Some of the groups that are due: each is a commit, and on a slow disk the Alertmanagers must not wait for a thousand
 * of them. Gives how many. */
static size_t due_groups(struct oxp_alerting *alerting, int64_t now_ms, struct oxp_group *due[FLUSHES_MAX]) {
    struct oxp_group *group;
    size_t count = 0;
    for (size_t i = 0; (group = oxp_map_next(&alerting->groups, &i)) != NULL;) {
        clamp(alerting, group, now_ms);
        if (count < FLUSHES_MAX && is_due(alerting, group, now_ms)) {
            due[count++] = group;
        }
    }
    return count;
}

int64_t oxp_groups_flush(struct oxp_alerting *alerting, int64_t now_ms) {
    struct flushing flushing = {.alerting = alerting, .now_ms = now_ms};
    struct oxp_group *group, *due[FLUSHES_MAX];
    size_t count = due_groups(alerting, now_ms, due);
    oxp_arena_init(&flushing.arena, 0);
    for (size_t i = 0; i < count; i++) {
        flush(&flushing, due[i]);
    }
    oxp_arena_fini(&flushing.arena);
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; (group = oxp_map_next(&alerting->groups, &i)) != NULL;) {
        int64_t own_ms = group->next_ms > now_ms           ? group->next_ms
                         : is_due(alerting, group, now_ms) ? now_ms + 1
                                                           : now_ms + OXP_ALERTING_AGAIN_MS;
        next_ms = oxp_earlier(next_ms, own_ms);
    }
    return next_ms;
}
