/* One lock guards which alternative is in use, and is never held while one is called. Reports are made under it, so
 * that the sidecar hears of the changes in their order.
 *
 *  1. Whole: the alternatives are tried from the first on.
 *  2. Degraded to level n: they are tried from n on; the lesser ones before it are left alone, but for one caller at a
 *     time, every retry_first_s, who begins at the first again.
 *  3. The alternative that works is the level from then on, except that a caller who began at n says nothing about
 * those before n: he can make it worse, never better.
 *  4. When all fail, or what failed may not be answered by another, the level stays where it was: the next call begins
 *     there.
 *  5. Reported (`degraded`) is each change of level, and each call in which an alternative was asked in place of
 * another and none worked. The sidecar counts a fallback from on=true with ok: so the change that a fallback made says
 *     ok=true; one that failed says on=true, ok=false, and then on=false where the component is whole none the less.
 *     What was switched by hand, or mended, says no ok: no fallback was taken. */
#include <oxpecker/fallback.h>

#include "lib/base/clock.h"
#include "lib/base/fork.h"
#include "lib/resilience/failure_chain.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ALTERNATIVES_MAX = 8, NAME_SIZE = 64 };

struct oxp_fallback {
    struct oxp_fallback_options options;
    struct oxp_alternative alternatives[ALTERNATIVES_MAX];
    char component[NAME_SIZE], names[ALTERNATIVES_MAX][NAME_SIZE];
    pthread_mutex_t lock;
    struct oxp_fork_entry fork;
    size_t level;
    bool retrying;        /* somebody is at the first just now */
    double first_again_s; /* monotonic; when the first may be tried again */
};

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
    fallback->options.component = fallback->component;
    fallback->options.alternatives = fallback->alternatives;
    if (fallback->options.now_s == NULL) {
        fallback->options.now_s = oxp_clock_mono_s;
    }
    if (fallback->options.may_fall == NULL) {
        fallback->options.may_fall = default_may_fall;
    }
    if (!(fallback->options.retry_first_s > 0)) {
        fallback->options.retry_first_s = 60;
    }
    pthread_mutex_init(&fallback->lock, NULL);
    oxp_fork_add_mutex(&fallback->fork, OXP_FORK_PART, &fallback->lock);
    *fallback_out = fallback;
    return OXP_OK;
}

void oxp_fallback_free(struct oxp_fallback *fallback) {
    if (fallback != NULL) {
        oxp_fork_remove(&fallback->fork);
        pthread_mutex_destroy(&fallback->lock);
    }
    free(fallback);
}

enum taken { NOT_TAKEN, WORKED, FAILED };

/* Rule 5. */
static void report_locked(struct oxp_fallback *fallback, bool on, enum taken taken, struct oxp_view reason) {
    const struct oxp_pair none = {NULL, OXP_PAIR_NONE, {{NULL, 0}}};
    const struct oxp_pair pairs[] = {
        oxp_pair_text("component", oxp_view_from(fallback->component)),
        oxp_pair_flag("on", on),
        taken == NOT_TAKEN ? none : oxp_pair_flag("ok", taken == WORKED),
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

/* The first was tried again, or is not to be tried for a while. */
static void put_off_first_locked(struct oxp_fallback *fallback) {
    fallback->first_again_s = fallback->options.now_s(fallback->options.ctx) + fallback->options.retry_first_s;
}

/* One call: where it began, and whether it is the one that tries the first again. */
struct call {
    size_t from, tried;
    bool retrying;
};

/* `used` worked, after `failure` (NULL = it was the first that was asked): rule 3. */
static void settle(struct oxp_fallback *fallback, const struct call *call, size_t used,
                   const struct oxp_failure *failure) {
    pthread_mutex_lock(&fallback->lock);
    bool is_news = used > fallback->level || (used < fallback->level && call->from == 0);
    if (is_news) {
        fallback->level = used;
        struct oxp_view name = oxp_view_from(fallback->names[used]);
        report_locked(fallback, used > 0, used > 0 ? WORKED : NOT_TAKEN,
                      failure == NULL ? name : oxp_failure_message(failure));
    }
    if (call->retrying || is_news) {
        put_off_first_locked(fallback);
    }
    fallback->retrying = fallback->retrying && !call->retrying;
    pthread_mutex_unlock(&fallback->lock);
}

/* Nothing worked (rule 4). */
static void give_up(struct oxp_fallback *fallback, const struct call *call, const struct oxp_failure *failure) {
    pthread_mutex_lock(&fallback->lock);
    if (call->retrying) {
        put_off_first_locked(fallback);
        fallback->retrying = false;
    }
    if (call->tried > 1) {
        report_locked(fallback, true, FAILED, oxp_failure_message(failure));
        if (fallback->level == 0) {
            report_locked(fallback, false, NOT_TAKEN, OXP_VIEW("no alternative worked"));
        }
    }
    pthread_mutex_unlock(&fallback->lock);
}

struct oxp_failure *oxp_fallback_call(struct oxp_fallback *fallback, void *result, size_t *used_out) {
    struct call call = {0};
    call.from = begin(fallback, &call.retrying);
    struct oxp_failure *failure = NULL;
    bool may_fall = true;
    for (size_t i = call.from; may_fall && i < fallback->options.count; i++) {
        struct oxp_failure *again = fallback->alternatives[i].call(fallback->alternatives[i].ctx, result);
        call.tried++;
        if (again == NULL) {
            settle(fallback, &call, i, failure);
            oxp_failure_free(failure);
            if (used_out != NULL) {
                *used_out = i;
            }
            return NULL;
        }
        may_fall = fallback->options.may_fall(fallback->options.ctx, again);
        failure = oxp_failure_follow(failure, again);
    }
    give_up(fallback, &call, failure);
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
    put_off_first_locked(fallback);
    if (is_news) {
        report_locked(fallback, level > 0, NOT_TAKEN, oxp_view_from(reason));
    }
    pthread_mutex_unlock(&fallback->lock);
}
