/* One lock guards which alternative is in use, and is never held while one is called.
 *
 *  1. Whole: the alternatives are tried from the first on.
 *  2. Degraded to level n: they are tried from n on; the lesser ones before it are left alone, but for one caller at a
 *     time, every retry_first_s, who begins at the first again.
 *  3. The alternative that works is the level from then on, except that a caller who began at n says nothing about
 * those before n: he can make it worse, never better.
 *  4. When all fail the level stays where it was: the next call begins there. */
#include <oxpecker/fallback.h>

#include "lib/base/clock.h"
#include <pthread.h>
#include <stdlib.h>

enum { ALTERNATIVES_MAX = 8, NAME_SIZE = 64 };

struct oxp_fallback {
    struct oxp_fallback_options options;
    struct oxp_alternative alternatives[ALTERNATIVES_MAX];
    char component[NAME_SIZE], names[ALTERNATIVES_MAX][NAME_SIZE];
    pthread_mutex_t lock;
    size_t level;
    bool retrying;        /* somebody is at the first just now */
    double first_again_s; /* monotonic; when the first may be tried again */
};

static double system_mono(void *ctx) {
    (void)ctx;
    return (double)oxp_clock_mono(oxp_clock_system()).ns / 1e9;
}

/* What a failure's action says: nobody else can do what must not be done, or need not be. */
static bool default_may_fall(void *ctx, const struct oxp_failure *failure) {
    const char *action = oxp_failure_code(failure)->action;
    (void)ctx;
    return strcmp(action, "abort") != 0 && strcmp(action, "skip") != 0;
}

static bool keep_name(char to[NAME_SIZE], const char *name) {
    size_t len = name == NULL ? 0 : strnlen(name, NAME_SIZE);
    if (len == 0 || len == NAME_SIZE) {
        return false;
    }
    memcpy(to, name, len);
    to[len] = '\0';
    return true;
}

enum oxp_status oxp_fallback_new(const struct oxp_fallback_options *options, struct oxp_fallback **fallback_out) {
    *fallback_out = NULL;
    if (options->count < 2 || options->count > ALTERNATIVES_MAX) {
        return OXP_ERR_INVALID;
    }
    struct oxp_fallback *fallback = calloc(1, sizeof *fallback);
    if (fallback == NULL) {
        return OXP_ERR_NOMEM;
    }
    bool good = keep_name(fallback->component, options->component);
    for (size_t i = 0; i < options->count; i++) {
        fallback->alternatives[i] = options->alternatives[i];
        good = good && options->alternatives[i].call != NULL &&
               keep_name(fallback->names[i], options->alternatives[i].name);
        fallback->alternatives[i].name = fallback->names[i];
    }
    if (!good) {
        free(fallback);
        return OXP_ERR_INVALID;
    }
    fallback->options = *options;
    if (fallback->options.now_s == NULL) {
        fallback->options.now_s = system_mono;
    }
    if (fallback->options.may_fall == NULL) {
        fallback->options.may_fall = default_may_fall;
    }
    if (!(fallback->options.retry_first_s > 0)) {
        fallback->options.retry_first_s = 60;
    }
    pthread_mutex_init(&fallback->lock, NULL);
    *fallback_out = fallback;
    return OXP_OK;
}

void oxp_fallback_free(struct oxp_fallback *fallback) {
    if (fallback != NULL) {
        pthread_mutex_destroy(&fallback->lock);
    }
    free(fallback);
}

/* Says that the component runs on another alternative now, or again (`ok`: the fallback worked). */
static void report(struct oxp_fallback *fallback, size_t level, bool ok, struct oxp_view reason) {
    const struct oxp_pair pairs[] = {
        oxp_pair_text("component", oxp_view_from(fallback->component)),
        oxp_pair_flag("on", level > 0),
        oxp_pair_flag("ok", ok),
        oxp_pair_text("reason", reason),
    };
    oxp_report(fallback->options.reporter, "degraded", NULL, pairs, sizeof pairs / sizeof *pairs);
}

/* Where a call begins (rules 1, 2). */
static size_t begin(struct oxp_fallback *fallback, bool *retrying_out) {
    pthread_mutex_lock(&fallback->lock);
    size_t from = fallback->level;
    *retrying_out =
        from > 0 && !fallback->retrying && fallback->options.now_s(fallback->options.ctx) >= fallback->first_again_s;
    fallback->retrying |= *retrying_out;
    pthread_mutex_unlock(&fallback->lock);
    return *retrying_out ? 0 : from;
}

/* Takes the level that was reached (rule 3); true when it is another one than before. */
static bool settle(struct oxp_fallback *fallback, size_t from, size_t used, bool retrying) {
    pthread_mutex_lock(&fallback->lock);
    bool is_news = used > fallback->level || (used < fallback->level && from == 0);
    if (is_news) {
        fallback->level = used;
    }
    if (retrying || is_news) {
        fallback->first_again_s = fallback->options.now_s(fallback->options.ctx) + fallback->options.retry_first_s;
    }
    if (retrying) {
        fallback->retrying = false;
    }
    pthread_mutex_unlock(&fallback->lock);
    return is_news;
}

/* Nothing worked (rule 4). */
static void give_up(struct oxp_fallback *fallback, size_t from, bool retrying) {
    pthread_mutex_lock(&fallback->lock);
    size_t level = fallback->level;
    if (retrying) {
        fallback->retrying = false;
        fallback->first_again_s = fallback->options.now_s(fallback->options.ctx) + fallback->options.retry_first_s;
    }
    pthread_mutex_unlock(&fallback->lock);
    if (from + 1 < fallback->options.count) { /* an alternative was tried, and failed as well */
        report(fallback, level, false, OXP_VIEW("no alternative worked"));
    }
}

/* Puts what failed before behind what failed now, as its cause. */
static struct oxp_failure *chain(struct oxp_failure *before, struct oxp_failure *now) {
    const struct oxp_failure_context context = {.component = oxp_failure_component(now),
                                                .ids = *oxp_failure_ids(now),
                                                .occurred_s = oxp_failure_occurred_s(now)};
    const struct oxp_evidence evidence = {.code = oxp_view_from(oxp_failure_code(now)->name),
                                          .upstream = oxp_failure_upstream(now),
                                          .op = oxp_failure_op(now),
                                          .message = oxp_failure_message(now)};
    if (before == NULL) {
        return now;
    }
    struct oxp_failure *both = oxp_failure_wrap(before, &evidence, &context);
    oxp_failure_free(now);
    return both;
}

struct oxp_failure *oxp_fallback_call(struct oxp_fallback *fallback, void *result, size_t *used_out) {
    bool retrying = false;
    size_t from = begin(fallback, &retrying);
    struct oxp_failure *failure = NULL;
    for (size_t i = from; i < fallback->options.count; i++) {
        struct oxp_failure *again = fallback->alternatives[i].call(fallback->alternatives[i].ctx, result);
        if (again == NULL) {
            if (settle(fallback, from, i, retrying)) {
                report(fallback, i, true,
                       failure == NULL ? oxp_view_from(fallback->names[i]) : oxp_failure_message(failure));
            }
            oxp_failure_free(failure);
            if (used_out != NULL) {
                *used_out = i;
            }
            return NULL;
        }
        bool may_fall = fallback->options.may_fall(fallback->options.ctx, again);
        failure = chain(failure, again);
        if (!may_fall) {
            from = fallback->options.count; /* nobody else was asked */
            break;
        }
    }
    give_up(fallback, from, retrying);
    return failure;
}

size_t oxp_fallback_level(const struct oxp_fallback *fallback) {
    struct oxp_fallback *open = (struct oxp_fallback *)(uintptr_t)fallback; /* its lock is no part of what it says */
    pthread_mutex_lock(&open->lock);
    size_t level = open->level;
    pthread_mutex_unlock(&open->lock);
    return level;
}

bool oxp_fallback_is_degraded(const struct oxp_fallback *fallback) {
    return oxp_fallback_level(fallback) > 0;
}

void oxp_fallback_set(struct oxp_fallback *fallback, size_t level, const char *reason) {
    level = level < fallback->options.count ? level : fallback->options.count - 1;
    pthread_mutex_lock(&fallback->lock);
    bool is_news = fallback->level != level;
    fallback->level = level;
    fallback->first_again_s = fallback->options.now_s(fallback->options.ctx) + fallback->options.retry_first_s;
    pthread_mutex_unlock(&fallback->lock);
    if (is_news) {
        report(fallback, level, true, oxp_view_from(reason));
    }
}
