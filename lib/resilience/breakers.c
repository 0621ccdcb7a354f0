/* The registry of breakers: by name, in the order of their making; flush, resume, and what a fork needs. */
#include <oxpecker/breaker.h>

#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/resilience/breaker_parts.h"
#include "lib/resilience/setting.h"

double oxp_breakers_now_s(const struct oxp_breakers *breakers) {
    if (breakers->options.now_s != NULL) {
        return breakers->options.now_s(breakers->options.ctx);
    }
    return oxp_clock_mono_s(NULL);
}

double oxp_breakers_wall_s(const struct oxp_breakers *breakers) {
    if (breakers->options.wall_s != NULL) {
        return breakers->options.wall_s(breakers->options.ctx);
    }
    return oxp_clock_wall_s(NULL);
}

/* ---- Fork ----
 *
 * A child has one thread; a lock that another thread held when it was made would stay locked in it for ever. So all
 * locks of all registries are taken before, and given back on both sides. What was called and not flushed is the
 * parent's to tell. */

static void each_lock(struct oxp_breakers *breakers, int (*act)(pthread_mutex_t *lock)) {
    act(&breakers->lock);
    for (struct oxp_breaker *breaker = breakers->first; breaker != NULL; breaker = breaker->next) {
        act(&breaker->lock);
    }
}

static void before_fork(void *ctx) {
    struct oxp_breakers *breakers = ctx;
    pthread_mutex_lock(&breakers->telling);
    each_lock(breakers, pthread_mutex_lock);
}

static void after_fork(void *ctx) {
    struct oxp_breakers *breakers = ctx;
    each_lock(breakers, pthread_mutex_unlock);
    pthread_mutex_unlock(&breakers->telling);
}

static void after_fork_in_child(void *ctx) {
    struct oxp_breakers *breakers = ctx;
    for (struct oxp_breaker *breaker = breakers->first; breaker != NULL; breaker = breaker->next) {
        memcpy(breaker->told, breaker->calls, sizeof breaker->told);
    }
    after_fork(breakers);
}

/* ---- In and out ---- */

static enum oxp_status check(const struct oxp_breaker_options *options, struct oxp_error *error) {
    struct oxp_breaker_rules rules;
    return oxp_breaker_rules_init(&rules, options, 0, error) ? OXP_OK : OXP_ERR_INVALID;
}

enum oxp_status oxp_breakers_new(const struct oxp_breakers_options *options, struct oxp_breakers **breakers_out) {
    if (options != NULL && check(&options->defaults, NULL) != OXP_OK) {
        return OXP_ERR_INVALID;
    }
    struct oxp_breakers *breakers = calloc(1, sizeof *breakers);
    if (breakers == NULL) {
        return OXP_ERR_NOMEM;
    }
    if (options != NULL) {
        breakers->options = *options;
    }
    atomic_init(&breakers->reporter, breakers->options.reporter);
    atomic_init(&breakers->observer, breakers->options.observer);
    pthread_mutex_init(&breakers->telling, NULL);
    pthread_mutex_init(&breakers->lock, NULL);
    oxp_map_init(&breakers->by_name);
    breakers->fork =
        (struct oxp_fork_entry){OXP_FORK_PART, before_fork, after_fork, after_fork_in_child, breakers, NULL, NULL};
    oxp_fork_add(&breakers->fork);
    *breakers_out = breakers;
    return OXP_OK;
}

static void free_breaker(struct oxp_breaker *breaker) {
    pthread_mutex_destroy(&breaker->lock);
    free(breaker);
}

void oxp_breakers_free(struct oxp_breakers *breakers) {
    if (breakers == NULL) {
        return;
    }
    oxp_fork_remove(&breakers->fork);
    while (breakers->first != NULL) {
        struct oxp_breaker *breaker = breakers->first;
        breakers->first = breaker->next;
        free_breaker(breaker);
    }
    oxp_map_fini(&breakers->by_name);
    pthread_mutex_destroy(&breakers->lock);
    pthread_mutex_destroy(&breakers->telling);
    free(breakers);
}

struct oxp_breakers *oxp_breakers_default(void) {
    static _Atomic(struct oxp_breakers *) instance;
    struct oxp_breakers *found = atomic_load_explicit(&instance, memory_order_acquire);
    struct oxp_breakers *made = NULL;
    if (found != NULL || oxp_breakers_new(NULL, &made) != OXP_OK) {
        return found;
    }
    if (!atomic_compare_exchange_strong(&instance, &found, made)) { /* another thread was first */
        oxp_breakers_free(made);
        return found;
    }
    return made;
}

static struct oxp_breaker *new_breaker(struct oxp_breakers *breakers, struct oxp_view name,
                                       const struct oxp_breaker_options *options) {
    struct oxp_breaker *breaker = calloc(1, sizeof *breaker);
    if (breaker == NULL) {
        return NULL;
    }
    if (!oxp_breaker_rules_init(&breaker->rules, options, oxp_breakers_now_s(breakers), NULL)) {
        free(breaker);
        return NULL;
    }
    breaker->owner = breakers;
    memcpy(breaker->name, name.ptr, name.len);
    breaker->since_wall_s = oxp_breakers_wall_s(breakers);
    pthread_mutex_init(&breaker->lock, NULL);
    return breaker;
}

static struct oxp_breaker *get_locked(struct oxp_breakers *breakers, struct oxp_view name,
                                      const struct oxp_breaker_options *options) {
    struct oxp_breaker *breaker = oxp_map_get(&breakers->by_name, name);
    if (breaker != NULL) {
        return breaker;
    }
    breaker = new_breaker(breakers, name, options != NULL ? options : &breakers->options.defaults);
    if (breaker == NULL) {
        return NULL;
    }
    if (oxp_map_set(&breakers->by_name, oxp_view_from(breaker->name), breaker, NULL) != OXP_OK) {
        free_breaker(breaker);
        return NULL;
    }
    *(breakers->last == NULL ? &breakers->first : &breakers->last->next) = breaker;
    breakers->last = breaker;
    return breaker;
}

struct oxp_breaker *oxp_breaker_get(struct oxp_breakers *breakers, const char *name,
                                    const struct oxp_breaker_options *options) {
    struct oxp_view view = oxp_view_from(name);
    if (breakers == NULL || view.len == 0 || view.len > OXP_BREAKER_NAME_MAX) {
        return NULL;
    }
    pthread_mutex_lock(&breakers->lock);
    struct oxp_breaker *breaker = get_locked(breakers, view, options);
    pthread_mutex_unlock(&breakers->lock);
    return breaker;
}

struct oxp_breaker *oxp_breaker_find(struct oxp_breakers *breakers, const char *name) {
    pthread_mutex_lock(&breakers->lock);
    struct oxp_breaker *breaker = oxp_map_get(&breakers->by_name, oxp_view_from(name));
    pthread_mutex_unlock(&breakers->lock);
    return breaker;
}

/* ---- Settings ---- */

enum oxp_status oxp_breakers_set_defaults(struct oxp_breakers *breakers, const struct oxp_breaker_options *defaults,
                                          struct oxp_error *error) {
    if (check(defaults, error) != OXP_OK) {
        return OXP_ERR_INVALID;
    }
    pthread_mutex_lock(&breakers->lock);
    breakers->options.defaults = *defaults;
    pthread_mutex_unlock(&breakers->lock);
    return OXP_OK;
}

#define SEED_PREFIX "error_handling.circuit_breaker."
#define AT(member) offsetof(struct oxp_breaker_options, member)
static const struct oxp_setting settings[] = {
    {"default_failure_threshold", OXP_SETTING_COUNT, 1, 1e6, AT(failure_threshold)},
    {"default_recovery_timeout", OXP_SETTING_NUMBER, 0.001, 86400, AT(open_s)},
    {"failure_threshold", OXP_SETTING_COUNT, 1, 1e6, AT(failure_threshold)},
    {"failure_ratio", OXP_SETTING_NUMBER, 0, 1, AT(failure_ratio)},
    {"window_s", OXP_SETTING_NUMBER, 0.001, 86400, AT(window_s)},
    {"min_calls", OXP_SETTING_COUNT, 1, 1e6, AT(min_calls)},
    {"open_s", OXP_SETTING_NUMBER, 0.001, 86400, AT(open_s)},
    {"open_growth", OXP_SETTING_NUMBER, 1, 100, AT(open_growth)},
    {"open_max_s", OXP_SETTING_NUMBER, 0.001, 86400, AT(open_max_s)},
    {"probe_successes", OXP_SETTING_COUNT, 1, 1e6, AT(probe_successes)},
    {"probe_timeout_s", OXP_SETTING_NUMBER, 0.001, 86400, AT(probe_timeout_s)},
    {"monitor_only", OXP_SETTING_FLAG, 0, 0, AT(monitor_only)},
};

enum oxp_status oxp_breakers_config_set(struct oxp_breakers *breakers, const char *key, const char *value,
                                        struct oxp_error *error) {
    if (strncmp(key, SEED_PREFIX, sizeof SEED_PREFIX - 1) == 0) {
        key += sizeof SEED_PREFIX - 1;
    }
    const struct oxp_setting *row =
        oxp_setting_find(settings, sizeof settings / sizeof settings[0], oxp_view_from(key));
    if (row == NULL) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "%.80s: not a setting of breakers", key);
    }
    pthread_mutex_lock(&breakers->lock);
    enum oxp_status status = oxp_setting_store(row, key, value, &breakers->options.defaults, error);
    pthread_mutex_unlock(&breakers->lock);
    return status;
}

/* ---- Looking and telling ---- */

static struct oxp_breaker *first_of(const struct oxp_breakers *breakers, struct oxp_breaker **last_out) {
    pthread_mutex_t *lock = &((struct oxp_breakers *)breakers)->lock;
    pthread_mutex_lock(lock);
    struct oxp_breaker *first = breakers->first;
    *last_out = breakers->last;
    pthread_mutex_unlock(lock);
    return first;
}

/* Walks those that there were at its beginning: `next` of any but the last of them is not written any more. */
static struct oxp_breaker *after(struct oxp_breaker *breaker, const struct oxp_breaker *last) {
    return breaker == last ? NULL : breaker->next;
}

size_t oxp_breakers_list(const struct oxp_breakers *breakers, struct oxp_breaker_info *out, size_t max) {
    struct oxp_breaker *last;
    size_t count = 0;
    for (struct oxp_breaker *at = first_of(breakers, &last); at != NULL; at = after(at, last)) {
        if (count < max) {
            oxp_breaker_read(at, &out[count]);
        }
        count++;
    }
    return count;
}

static void flush_one(struct oxp_breaker *breaker, struct oxp_reporter *reporter) {
    uint64_t news[OXP_BREAKER_CALLS], sum = 0;
    pthread_mutex_lock(&breaker->lock);
    for (size_t i = 0; i < OXP_BREAKER_CALLS; i++) {
        news[i] = breaker->calls[i] - breaker->told[i];
        breaker->told[i] = breaker->calls[i];
        sum += news[i];
    }
    uint64_t failures = breaker->rules.failures;
    pthread_mutex_unlock(&breaker->lock);
    if (sum == 0) {
        return;
    }
    const struct oxp_pair pairs[] = {
        oxp_pair_text("name", oxp_view_from(breaker->name)),  oxp_pair_count("success", news[OXP_BREAKER_SUCCEEDED]),
        oxp_pair_count("failure", news[OXP_BREAKER_FAILED]),  oxp_pair_count("rejected", news[OXP_BREAKER_REJECTED]),
        oxp_pair_count("ignored", news[OXP_BREAKER_SKIPPED]), oxp_pair_count("failures", failures),
    };
    oxp_report(reporter, "breaker.calls", NULL, pairs, sizeof pairs / sizeof pairs[0]);
}

void oxp_breakers_flush(struct oxp_breakers *breakers) {
    pthread_mutex_lock(&breakers->telling);
    struct oxp_reporter *reporter = atomic_load(&breakers->reporter);
    struct oxp_breaker *last;
    struct oxp_breaker *at = reporter == NULL ? NULL : first_of(breakers, &last); /* nobody: they wait for somebody */
    for (; at != NULL; at = after(at, last)) {
        flush_one(at, reporter);
    }
    pthread_mutex_unlock(&breakers->telling);
}

static void resume_one(struct oxp_breaker *breaker, struct oxp_reporter *reporter) {
    pthread_mutex_lock(&breaker->lock);
    const struct oxp_pair pairs[] = {
        oxp_pair_text("name", oxp_view_from(breaker->name)),
        oxp_pair_text("to", oxp_view_from(oxp_breaker_state_name(breaker->rules.state))),
        oxp_pair_count("failures", breaker->rules.failures),
        oxp_pair_text("cause", breaker->manual ? OXP_VIEW("manual") : OXP_VIEW("auto")),
        oxp_pair_flag("resumed", true),
        oxp_pair_number("started_at", breaker->since_wall_s),
    };
    oxp_report(reporter, "breaker", NULL, pairs, sizeof pairs / sizeof pairs[0]); /* in order with its transitions */
    pthread_mutex_unlock(&breaker->lock);
}

void oxp_breakers_resume(struct oxp_breakers *breakers, struct oxp_reporter *reporter) {
    struct oxp_breaker *last;
    pthread_mutex_lock(&breakers->telling);
    for (struct oxp_breaker *at = first_of(breakers, &last); at != NULL; at = after(at, last)) {
        resume_one(at, reporter);
    }
    pthread_mutex_unlock(&breakers->telling);
}

void oxp_breakers_set_reporter(struct oxp_breakers *breakers, struct oxp_reporter *reporter) {
    struct oxp_breaker *last;
    pthread_mutex_lock(&breakers->telling);
    atomic_store(&breakers->reporter, reporter);
    for (struct oxp_breaker *at = first_of(breakers, &last); at != NULL; at = after(at, last)) {
        pthread_mutex_lock(&at->lock); /* whoever still tells the old one holds it */
        pthread_mutex_unlock(&at->lock);
    }
    pthread_mutex_unlock(&breakers->telling);
}

void oxp_breakers_set_observer(struct oxp_breakers *breakers, struct oxp_breaker_observer *observer) {
    atomic_store(&breakers->observer, observer);
}
