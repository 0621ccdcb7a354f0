/* The chain of sources, and when it is walked again.
 *
 * Rules (times by the wall clock; the tests quote them):
 *  1. Keys that do not expire are fetched once, and again only when they are called expired (`force`).
 *  2. From 15 min before they expire, one thread fetches new ones; the others go on with the old.
 *  3. From 10 min before they expire, all wait for that one.
 *  4. A fetch that fails while the old ones are still good is not the caller's trouble: they get the old ones, and the
 *     next fetch is after a pause that doubles from 5 s to 5 min, half of it by chance. Where
 *     the old ones were called expired, the failure is handed up.
 *  5. Sources may give the same keys again (they replace them when they see fit): the next fetch is not before a minute
 *     has passed, or half of what is left to them.
 *  6. Keys that arrive expired are used for a minute all the same: our clock may be wrong, and a metadata service that
 *     has lost its own source hands out its last ones on purpose.
 *  7. One fetch at a time in the whole process: the world's transport serves one thread. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "alerts/aws/parts.h"
#include "alerts/aws/source.h"
#include "lib/base/random.h"

enum {
    ADVISORY_MS = 15 * 60 * 1000,
    MANDATORY_MS = 10 * 60 * 1000,
    AGAIN_MS = 60 * 1000, /* rules 5 and 6 */
    PAUSE_FIRST_MS = 5 * 1000,
    PAUSE_MAX_MS = 5 * 60 * 1000
};

static const struct {
    const char *name;
    oxp_aws_source_fn fn;
} chain[] = {
    {"environment", oxp_aws_from_environment},   {"assumed role", oxp_aws_from_role},
    {"web identity", oxp_aws_from_web_identity}, {"profile", oxp_aws_from_profile},
    {"container", oxp_aws_from_container},       {"instance", oxp_aws_from_instance},
};

struct oxp_aws_credentials {
    const struct oxp_aws_world *world;
    struct oxp_aws_place place; /* texts in `texts` */
    struct oxp_arena texts;
    pthread_mutex_t lock; /* guards all below; never held while a source is asked */
    struct oxp_random random;
    char *bytes; /* the three keys, one behind the other; NULL = none */
    size_t bytes_len;
    struct oxp_aws_keys keys; /* into `bytes` */
    char source[OXP_AWS_SOURCE_MAX];
    int64_t expires_ms; /* 0 = never */
    int64_t next_ms;    /* no fetch before, while the keys are good */
    int64_t pause_ms;   /* of the last failure; 0 = it worked */
    uint64_t fetches;   /* that worked */
};

static pthread_mutex_t fetching = PTHREAD_MUTEX_INITIALIZER; /* rule 7; taken before a credentials' own lock */

/* ---- The chain ---- */

static enum oxp_status walk(struct oxp_aws_fetch *fetch, struct oxp_aws_found *found_out) {
    for (size_t i = 0; i < sizeof chain / sizeof chain[0]; i++) {
        enum oxp_status status = chain[i].fn(fetch, found_out);
        if (status != OXP_IGNORED) {
            return status;
        }
        *found_out = (struct oxp_aws_found){.expires_ms = 0};
    }
    return oxp_error_set(fetch->error, OXP_ERR_NOT_FOUND, 0, 0,
                         "no AWS credentials: tried AWS_ACCESS_KEY_ID, web identity, the shared files, the container's "
                         "endpoint and the instance's");
}

/* ---- The keys ---- */

static void drop_locked(struct oxp_aws_credentials *credentials) {
    if (credentials->bytes != NULL) {
        explicit_bzero(credentials->bytes, credentials->bytes_len);
        free(credentials->bytes);
    }
    credentials->bytes = NULL;
    credentials->keys = (struct oxp_aws_keys){.access_key_id = {NULL, 0}};
}

/* Copies one key to `*at`. */
static struct oxp_view move_in(struct oxp_view key, char **at) {
    struct oxp_view out = oxp_view_of(*at, key.len);
    if (key.len > 0) {
        memcpy(*at, key.ptr, key.len);
    }
    *at += key.len;
    return out;
}

static enum oxp_status install_locked(struct oxp_aws_credentials *credentials, const struct oxp_aws_found *found,
                                      int64_t now_ms) {
    const struct oxp_aws_keys *keys = &found->keys;
    size_t len = keys->access_key_id.len + keys->secret_access_key.len + keys->session_token.len;
    char *bytes = malloc(len + 1), *at = bytes;
    if (bytes == NULL) {
        return OXP_ERR_NOMEM;
    }
    drop_locked(credentials);
    credentials->bytes = bytes;
    credentials->bytes_len = len;
    credentials->keys.access_key_id = move_in(keys->access_key_id, &at);
    credentials->keys.secret_access_key = move_in(keys->secret_access_key, &at);
    credentials->keys.session_token = move_in(keys->session_token, &at);
    memcpy(credentials->source, found->source, sizeof credentials->source);
    credentials->expires_ms = found->expires_ms;
    if (found->expires_ms != 0) {
        int64_t left = found->expires_ms - now_ms;
        int64_t again = left / 2 < AGAIN_MS ? left / 2 : AGAIN_MS;
        credentials->expires_ms = left <= 0 ? now_ms + AGAIN_MS : found->expires_ms; /* rule 6 */
        again = left <= 0 ? AGAIN_MS : again;
        int64_t advisory = credentials->expires_ms - ADVISORY_MS;
        credentials->next_ms = advisory > now_ms + again ? advisory : now_ms + again; /* rule 5 */
    }
    credentials->pause_ms = 0;
    credentials->fetches++;
    return OXP_OK;
}

static bool is_good_locked(const struct oxp_aws_credentials *credentials, int64_t now_ms) {
    return credentials->bytes != NULL && (credentials->expires_ms == 0 || now_ms < credentials->expires_ms);
}

static bool is_due_locked(const struct oxp_aws_credentials *credentials, int64_t now_ms) {
    return !is_good_locked(credentials, now_ms) ||
           (credentials->expires_ms != 0 && now_ms >= credentials->expires_ms - ADVISORY_MS &&
            now_ms >= credentials->next_ms);
}

static enum oxp_status copy_locked(const struct oxp_aws_credentials *credentials, struct oxp_arena *arena,
                                   struct oxp_aws_keys *keys_out) {
    keys_out->access_key_id = oxp_arena_copy(arena, credentials->keys.access_key_id);
    keys_out->secret_access_key = oxp_arena_copy(arena, credentials->keys.secret_access_key);
    keys_out->session_token = oxp_arena_copy(arena, credentials->keys.session_token);
    return oxp_arena_status(arena);
}

/* Rule 4. */
static void pause_locked(struct oxp_aws_credentials *credentials, int64_t now_ms) {
    int64_t pause = credentials->pause_ms == 0 ? PAUSE_FIRST_MS : 2 * credentials->pause_ms;
    credentials->pause_ms = pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
    double part = 0.5 + 0.5 * oxp_random_unit(&credentials->random);
    credentials->next_ms = now_ms + (int64_t)((double)credentials->pause_ms * part);
}

/* ---- Fetching ---- */

/* Asks the chain and takes what it gives. `fetching` is held. */
static enum oxp_status fetch_now(struct oxp_aws_credentials *credentials, struct oxp_error *error) {
    struct oxp_arena arena;
    struct oxp_aws_found found = {.expires_ms = 0};
    struct oxp_error reason = {0};
    oxp_arena_init(&arena, (size_t)8 << 20);
    struct oxp_aws_fetch fetch = {
        .world = credentials->world, .place = &credentials->place, .arena = &arena, .error = &reason};
    enum oxp_status status = walk(&fetch, &found);
    int64_t now_ms = oxp_aws_now_ms(credentials->world);
    pthread_mutex_lock(&credentials->lock);
    if (status == OXP_OK) {
        status = install_locked(credentials, &found, now_ms);
    }
    if (status != OXP_OK) {
        pause_locked(credentials, now_ms);
    }
    pthread_mutex_unlock(&credentials->lock);
    oxp_arena_fini(&arena);
    if (status != OXP_OK) {
        (void)oxp_error_set(error, status, reason.line, reason.column, "%s",
                            reason.text[0] != '\0' ? reason.text : oxp_status_text(status));
    }
    return status;
}

struct decision {
    bool good, due, must;
    uint64_t fetches;
};

static struct decision decide(struct oxp_aws_credentials *credentials, bool force) {
    int64_t now_ms = oxp_aws_now_ms(credentials->world);
    pthread_mutex_lock(&credentials->lock);
    bool good = is_good_locked(credentials, now_ms);
    struct decision decision = {
        .good = good,
        .due = force || is_due_locked(credentials, now_ms),
        .must = force || !good ||
                (credentials->expires_ms != 0 && now_ms >= credentials->expires_ms - MANDATORY_MS), /* rule 3 */
        .fetches = credentials->fetches,
    };
    pthread_mutex_unlock(&credentials->lock);
    return decision;
}

enum oxp_status oxp_aws_keys_get(struct oxp_aws_credentials *credentials, bool force, struct oxp_arena *arena,
                                 struct oxp_aws_keys *keys_out, struct oxp_error *error) {
    struct decision first = decide(credentials, force);
    enum oxp_status status = OXP_OK;
    if (first.due && (first.must ? pthread_mutex_lock(&fetching) : pthread_mutex_trylock(&fetching)) == 0) {
        struct decision then = decide(credentials, force);
        if (then.fetches == first.fetches && then.due) { /* else somebody did it while we waited */
            status = fetch_now(credentials, error);
        }
        pthread_mutex_unlock(&fetching);
    }
    pthread_mutex_lock(&credentials->lock);
    bool refused = force && status != OXP_OK; /* the old ones would be refused again */
    if (!refused && is_good_locked(credentials, oxp_aws_now_ms(credentials->world))) {
        status = copy_locked(credentials, arena, keys_out);
    } else if (status == OXP_OK) { /* they ran out this very moment */
        status = oxp_error_set(error, OXP_ERR_TIMEOUT, 0, 0, "the AWS credentials have expired");
    }
    pthread_mutex_unlock(&credentials->lock);
    return status;
}

/* ---- Life ---- */

static bool copy_place(struct oxp_aws_credentials *credentials, const struct oxp_aws_place *place) {
    credentials->place = *place;
    credentials->place.region = oxp_arena_copy(&credentials->texts, place->region);
    credentials->place.endpoint = oxp_arena_copy(&credentials->texts, place->endpoint);
    credentials->place.profile = oxp_arena_copy(&credentials->texts, place->profile);
    return oxp_arena_status(&credentials->texts) == OXP_OK;
}

enum oxp_status oxp_aws_credentials_new(const struct oxp_aws_world *world, const struct oxp_aws_place *place,
                                        struct oxp_aws_credentials **credentials_out) {
    struct oxp_aws_credentials *credentials = calloc(1, sizeof *credentials);
    if (credentials == NULL) {
        return OXP_ERR_NOMEM;
    }
    credentials->world = world;
    oxp_arena_init(&credentials->texts, 0);
    if (!copy_place(credentials, place) || pthread_mutex_init(&credentials->lock, NULL) != 0) {
        oxp_arena_fini(&credentials->texts);
        free(credentials);
        return OXP_ERR_NOMEM;
    }
    oxp_random_init(&credentials->random);
    *credentials_out = credentials;
    return OXP_OK;
}

void oxp_aws_credentials_free(struct oxp_aws_credentials *credentials) {
    if (credentials == NULL) {
        return;
    }
    drop_locked(credentials);
    pthread_mutex_destroy(&credentials->lock);
    oxp_arena_fini(&credentials->texts);
    free(credentials);
}

void oxp_aws_credentials_source(struct oxp_aws_credentials *credentials, char *out, size_t size) {
    pthread_mutex_lock(&credentials->lock);
    (void)snprintf(out, size, "%s", credentials->bytes == NULL ? "" : credentials->source);
    pthread_mutex_unlock(&credentials->lock);
}
