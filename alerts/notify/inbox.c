/* What the rules say, on its way to the turn. */
#include "alerts/notify/internal.h"

#include <stdlib.h>

enum { INTERVAL_MS = 15000, VALID_FACTOR = 4, KEPT_SPARE_MS = 60000 };

/* ---- The rules' thread ---- */

static int64_t valid_until(const struct oxp_alerting *alerting, const struct oxp_alert_event *event, int64_t now_ms) {
    int64_t interval_ms = event->group == NULL ? 0 : event->group->interval_ms;
    if (interval_ms == 0) {
        interval_ms = alerting->options.interval_ms != 0 ? alerting->options.interval_ms : INTERVAL_MS;
    }
    /* Prometheus' rules/alerting.go: 4 times the longer of interval and resend delay. */
    return now_ms + VALID_FACTOR * (interval_ms > OXP_ALERT_RESEND_MS ? interval_ms : OXP_ALERT_RESEND_MS);
}

/* Texts that differ from those that are known; NULL when they do not, or without memory. */
static struct oxp_notice *fresh_texts(struct oxp_alerting *alerting, const struct oxp_alert_event *event,
                                      const struct oxp_notice *known) {
    struct oxp_pair labels[OXP_NOTICE_PAIRS], annotations[OXP_NOTICE_PAIRS];
    struct oxp_notice shape = {.labels = oxp_pairs_of(event->labels, labels),
                               .annotations = oxp_pairs_of(event->annotations, annotations)};
    oxp_buf_clear(&alerting->generator);
    oxp_generator_url(&alerting->generator, oxp_view_from(alerting->external_url),
                      event->rule == NULL ? oxp_view_of("", 0) : event->rule->query);
    shape.generator = oxp_buf_view(&alerting->generator);
    if (oxp_buf_status(&alerting->generator) != OXP_OK) {
        shape.generator = known == NULL ? oxp_view_of("", 0) : known->generator;
    }
    if (known != NULL && oxp_pairs_equal(known->annotations, shape.annotations) &&
        oxp_view_equal(known->generator, shape.generator)) {
        return NULL;
    }
    return oxp_notice_new(&shape);
}

static struct oxp_entry *entry_new(struct oxp_view key) {
    struct oxp_entry *entry = calloc(1, sizeof *entry + key.len);
    if (entry != NULL) {
        entry->key_len = key.len;
        memcpy(entry->key, key.ptr, key.len);
    }
    return entry;
}

void oxp_entry_free(struct oxp_entry *entry) {
    oxp_notice_drop(entry->fresh);
    oxp_notice_drop(entry->notice);
    free(entry);
}

/* Adds an entry with these texts, which it holds then. NULL past the bound and without memory. */
static struct oxp_entry *add_locked(struct oxp_alerting *alerting, struct oxp_notice *notice) {
    struct oxp_entry *entry = alerting->entries.count >= OXP_ALERTING_MAX ? NULL : entry_new(notice->key);
    if (entry == NULL ||
        oxp_map_set(&alerting->entries, oxp_view_of(entry->key, entry->key_len), entry, NULL) != OXP_OK) {
        free(entry);
        return NULL;
    }
    entry->fresh = notice;
    return entry;
}

/* OXP_ERR_NOMEM: it is not known whether there is one. */
static enum oxp_status find_locked(struct oxp_alerting *alerting, const struct oxp_alert_event *event,
                                   struct oxp_entry **entry_out) {
    struct oxp_pair labels[OXP_NOTICE_PAIRS];
    oxp_buf_clear(&alerting->key);
    oxp_notice_key(&alerting->key, oxp_pairs_of(event->labels, labels));
    *entry_out = oxp_map_get(&alerting->entries, oxp_buf_view(&alerting->key));
    return oxp_buf_status(&alerting->key);
}

/* What the event says; false when it says nothing that matters: it is pending, or was resolved long ago. */
static bool said_by(const struct oxp_alerting *alerting, const struct oxp_alert_event *event,
                    const struct oxp_entry *entry, int64_t now_ms, struct oxp_said *said_out) {
    const struct oxp_alert_life *life = &event->life;
    if (life->state == OXP_ALERT_FIRING) {
        *said_out = (struct oxp_said){.starts_ms = life->fired_ms, .valid_ms = valid_until(alerting, event, now_ms)};
        return true;
    }
    if (life->state == OXP_ALERT_INACTIVE && life->resolved_ms != 0) {
        *said_out = (struct oxp_said){true, life->fired_ms, life->resolved_ms, 0};
        return entry != NULL || now_ms - life->resolved_ms < OXP_ALERT_RESOLVED_KEPT_MS;
    }
    /* A longer `for` after a reload: it fires no more. */
    *said_out = (struct oxp_said){true, entry == NULL ? 0 : entry->said.starts_ms, now_ms, 0};
    return entry != NULL && !entry->said.resolved;
}

static void tell_locked(struct oxp_alerting *alerting, const struct oxp_alert_event *event, int64_t now_ms) {
    struct oxp_said said;
    struct oxp_entry *entry = NULL;
    if (find_locked(alerting, event, &entry) != OXP_OK) {
        alerting->stats.refused++;
        return;
    }
    if (!said_by(alerting, event, entry, now_ms, &said)) {
        return;
    }
    bool fresh = entry == NULL;
    const struct oxp_notice *known = fresh ? NULL : entry->fresh != NULL ? entry->fresh : entry->notice;
    struct oxp_notice *notice = fresh_texts(alerting, event, known);
    if (fresh) {
        entry = notice == NULL ? NULL : add_locked(alerting, notice);
        if (entry == NULL) {
            oxp_notice_drop(notice);
            alerting->stats.refused++;
            return;
        }
    } else if (notice != NULL) {
        oxp_notice_drop(entry->fresh);
        entry->fresh = notice;
    }
    if (said.ends_ms != 0 && said.ends_ms < said.starts_ms) {
        said.ends_ms = said.starts_ms; /* the clock went back; Alertmanager refuses that */
    }
    bool changed = fresh || entry->said.resolved != said.resolved || entry->said.starts_ms != said.starts_ms;
    entry->said = said;
    if (!entry->listed) {
        entry->listed = true;
        entry->next_said = alerting->said;
        alerting->said = entry;
    }
    if (changed) {
        alerting->woken = true;
        pthread_cond_signal(&alerting->wake);
    }
}

void oxp_alerting_tell(struct oxp_alerting *alerting, const struct oxp_alert_event *event) {
    int64_t now_ms = oxp_clock_wall(alerting->options.clock).ns / OXP_NS_PER_MS;
    pthread_mutex_lock(&alerting->lock);
    tell_locked(alerting, event, now_ms);
    pthread_mutex_unlock(&alerting->lock);
}

/* ---- The turn ---- */

static void link_entry(struct oxp_alerting *alerting, struct oxp_entry *entry) {
    entry->next = alerting->all;
    if (entry->next != NULL) {
        entry->next->previous = entry;
    }
    alerting->all = entry;
}

/* One entry's news under the lock: pointers and numbers only. */
static void take_locked(struct oxp_alerting *alerting, struct oxp_entry *entry, int64_t now_ms) {
    if (!entry->known && entry->notice == NULL) {
        link_entry(alerting, entry);
    }
    if (!entry->known || entry->now.resolved != entry->said.resolved || entry->now.starts_ms != entry->said.starts_ms) {
        entry->news = true;
        alerting->members_changed_ms = alerting->members_changed_ms == 0 ? now_ms : alerting->members_changed_ms;
    }
    entry->listed = false;
    entry->known = true;
    entry->now = entry->said;
    if (entry->fresh != NULL) {
        oxp_notice_drop(entry->notice);
        entry->notice = entry->fresh;
        entry->fresh = NULL;
    }
}

static void say_again(struct oxp_alerting *alerting, struct oxp_entry *entry) {
    pthread_mutex_lock(&alerting->lock);
    if (!entry->listed) {
        entry->listed = true;
        entry->next_said = alerting->said;
        alerting->said = entry;
    }
    pthread_mutex_unlock(&alerting->lock);
}

bool oxp_alerting_take(struct oxp_alerting *alerting, int64_t now_ms) {
    struct oxp_entry *taken = NULL;
    bool whole = true;
    pthread_mutex_lock(&alerting->lock);
    for (struct oxp_entry *entry = alerting->said; entry != NULL; entry = entry->next_said) {
        take_locked(alerting, entry, now_ms);
        entry->next_taken = taken; /* turns the list around: the first said is the first again */
        taken = entry;
    }
    alerting->said = NULL;
    alerting->woken = false;
    pthread_mutex_unlock(&alerting->lock);
    for (; taken != NULL; taken = taken->next_taken) {
        if (oxp_group_tell(alerting, taken, now_ms) != OXP_OK) {
            say_again(alerting, taken);
            whole = false;
        }
    }
    return whole;
}

struct oxp_entry *oxp_entry_restore(struct oxp_alerting *alerting, struct oxp_notice *notice) {
    pthread_mutex_lock(&alerting->lock);
    struct oxp_entry *entry = oxp_map_get(&alerting->entries, notice->key);
    if (entry == NULL) {
        entry = add_locked(alerting, notice);
        if (entry != NULL) {
            entry->notice = oxp_notice_hold(notice);
            entry->fresh = NULL;
            link_entry(alerting, entry);
        }
    }
    pthread_mutex_unlock(&alerting->lock);
    return entry;
}

bool oxp_alerting_fires(struct oxp_alerting *alerting, const struct oxp_notice *notice) {
    pthread_mutex_lock(&alerting->lock);
    const struct oxp_entry *entry = oxp_map_get(&alerting->entries, notice->key);
    bool fires = entry != NULL && (entry->known || entry->listed) && !entry->said.resolved;
    pthread_mutex_unlock(&alerting->lock);
    return fires;
}

bool oxp_alerting_is_crowded(struct oxp_alerting *alerting) {
    pthread_mutex_lock(&alerting->lock);
    bool crowded = alerting->entries.count > OXP_ALERTING_MAX / 2;
    pthread_mutex_unlock(&alerting->lock);
    return crowded;
}

/* The rules tell a resolved alert again for a while: until then it must be known that this was told. */
static bool is_over(const struct oxp_entry *entry, int64_t now_ms) {
    if (entry->member != NULL || entry->listed) {
        return false;
    }
    return !entry->known ||
           (entry->now.resolved && now_ms - entry->now.ends_ms >= OXP_ALERT_RESOLVED_KEPT_MS + KEPT_SPARE_MS);
}

void oxp_alerting_sweep(struct oxp_alerting *alerting, int64_t now_ms) {
    pthread_mutex_lock(&alerting->lock);
    for (struct oxp_entry *entry = alerting->all, *next; entry != NULL; entry = next) {
        next = entry->next;
        if (!is_over(entry, now_ms)) {
            continue;
        }
        oxp_map_remove(&alerting->entries, oxp_view_of(entry->key, entry->key_len));
        *(entry->previous == NULL ? &alerting->all : &entry->previous->next) = next;
        if (next != NULL) {
            next->previous = entry->previous;
        }
        oxp_entry_free(entry);
    }
    pthread_mutex_unlock(&alerting->lock);
}
