#include "exporter/provider/schedule.h"

#include "lib/base/clock.h"
#include "lib/base/map.h"

#define POLL_DELAY_MAX (900 * OXP_NS_PER_S)
#define REMEMBER (600 * OXP_NS_PER_S)

enum { RELEASE_TRIES = 6 };

/* ---- Polls ---- */

int64_t oxp_poll_delay_ns(int64_t interval_ns, unsigned failures, double unit) {
    int64_t most = interval_ns > POLL_DELAY_MAX ? interval_ns : POLL_DELAY_MAX;
    int64_t delay = interval_ns;
    for (unsigned i = 0; i < failures && delay < most; i++) {
        delay = delay > most / 2 ? most : delay * 2;
    }
    return (int64_t)((double)delay * (0.9 + 0.2 * unit));
}

/* ---- Which sessions to ask about ---- */

void oxp_asks_begin(struct oxp_asks *asks) {
    asks->count = 0;
}

void oxp_asks_offer(struct oxp_asks *asks, struct oxp_view id) {
    if (!oxp_provider_id_is_valid(id)) {
        return;
    }
    /* The cursor itself was asked last: it is the farthest. Unsigned arithmetic wraps, which is what a ring does. */
    uint64_t distance = oxp_hash(id.ptr, id.len, asks->seed) - asks->cursor - 1;
    size_t place = asks->count;
    while (place > 0 && asks->picks[place - 1].distance >= distance) {
        place--;
    }
    bool known = place < asks->count && asks->picks[place].distance == distance;
    if (known || place == OXP_ASKS_MAX) {
        return;
    }
    size_t kept = asks->count < OXP_ASKS_MAX ? asks->count : OXP_ASKS_MAX - 1;
    memmove(&asks->picks[place + 1], &asks->picks[place], (kept - place) * sizeof asks->picks[0]);
    asks->count = kept + 1;
    asks->picks[place].distance = distance;
    memcpy(asks->picks[place].id, id.ptr, id.len);
    asks->picks[place].id[id.len] = '\0';
}

void oxp_asks_done(struct oxp_asks *asks, size_t pick) {
    struct oxp_view id = oxp_view_from(asks->picks[pick].id);
    asks->cursor = oxp_hash(id.ptr, id.len, asks->seed);
}

/* ---- Releases ---- */

static struct oxp_release *find_waiting(struct oxp_releases *releases, struct oxp_view id) {
    for (size_t i = 0; i < releases->count; i++) {
        if (oxp_view_is(id, releases->waiting[i].id)) {
            return &releases->waiting[i];
        }
    }
    return NULL;
}

static bool is_remembered(const struct oxp_releases *releases, uint64_t hash, int64_t now_ns) {
    for (size_t i = 0; i < OXP_RELEASES_REMEMBERED; i++) {
        if (releases->remembered[i].until_ns > now_ns && releases->remembered[i].hash == hash) {
            return true;
        }
    }
    return false;
}

enum oxp_status oxp_releases_add(struct oxp_releases *releases, struct oxp_view id, int64_t now_ns) {
    if (!oxp_provider_id_is_valid(id)) {
        return OXP_ERR_INVALID;
    }
    if (find_waiting(releases, id) != NULL ||
        is_remembered(releases, oxp_hash(id.ptr, id.len, releases->seed), now_ns)) {
        return OXP_IGNORED;
    }
    if (releases->count == OXP_RELEASES_WAITING) {
        return OXP_ERR_LIMIT;
    }
    struct oxp_release *release = &releases->waiting[releases->count++];
    *release = (struct oxp_release){.due_ns = now_ns};
    memcpy(release->id, id.ptr, id.len);
    return OXP_OK;
}

static const struct oxp_release *earliest(const struct oxp_releases *releases) {
    const struct oxp_release *first = NULL;
    for (size_t i = 0; i < releases->count; i++) {
        first = first == NULL || releases->waiting[i].due_ns < first->due_ns ? &releases->waiting[i] : first;
    }
    return first;
}

const struct oxp_release *oxp_releases_due(const struct oxp_releases *releases, int64_t now_ns) {
    const struct oxp_release *first = earliest(releases);
    return first != NULL && first->due_ns <= now_ns ? first : NULL;
}

int64_t oxp_releases_next(const struct oxp_releases *releases) {
    const struct oxp_release *first = earliest(releases);
    return first == NULL ? INT64_MAX : first->due_ns;
}

static void remember(struct oxp_releases *releases, struct oxp_view id, int64_t until_ns) {
    releases->remembered[releases->next].hash = oxp_hash(id.ptr, id.len, releases->seed);
    releases->remembered[releases->next].until_ns = until_ns;
    releases->next = (releases->next + 1) % OXP_RELEASES_REMEMBERED;
}

bool oxp_releases_settle(struct oxp_releases *releases, const char *id, enum oxp_release_verdict verdict,
                         int64_t now_ns, double unit) {
    struct oxp_release *release = find_waiting(releases, oxp_view_from(id));
    if (release == NULL) {
        return true; /* forgotten meanwhile */
    }
    release->tries++;
    if (verdict == OXP_RELEASE_AGAIN && release->tries < RELEASE_TRIES) {
        double delay = (double)(OXP_NS_PER_S << (release->tries - 1));
        release->due_ns = now_ns + (int64_t)(delay * (1 - 0.25 * unit));
        return false;
    }
    remember(releases, oxp_view_from(release->id), verdict == OXP_RELEASE_SAID ? INT64_MAX : now_ns + REMEMBER);
    *release = releases->waiting[--releases->count];
    return true;
}

void oxp_releases_forget(struct oxp_releases *releases) {
    releases->count = 0;
    memset(releases->remembered, 0, sizeof releases->remembered);
}

/* ---- What an exchange means ---- */

/* Ranges, the first that fits. */
static const struct {
    int least, most;
    enum oxp_status status;
    enum oxp_release_verdict release;
    const char *meaning;
} answers[] = {
    {200, 299, OXP_OK, OXP_RELEASE_DONE, ""},
    {300, 399, OXP_ERR_IO, OXP_RELEASE_REFUSED, ", a redirection, which is not followed"},
    {401, 401, OXP_ERR_DENIED, OXP_RELEASE_REFUSED, ", the key was refused"},
    {403, 403, OXP_ERR_DENIED, OXP_RELEASE_REFUSED, ", the key may not do this"},
    {404, 404, OXP_ERR_NOT_FOUND, OXP_RELEASE_REFUSED, ", unknown to the provider"},
    {410, 410, OXP_ERR_NOT_FOUND, OXP_RELEASE_REFUSED, ", gone at the provider"},
    {408, 409, OXP_ERR_IO, OXP_RELEASE_AGAIN, ""},
    {425, 425, OXP_ERR_IO, OXP_RELEASE_AGAIN, ""},
    {429, 429, OXP_ERR_LIMIT, OXP_RELEASE_AGAIN, ", asked too often"},
    {500, 599, OXP_ERR_IO, OXP_RELEASE_AGAIN, ", the provider failed"},
    {0, 0x7fffffff, OXP_ERR_IO, OXP_RELEASE_REFUSED, ""},
};

static size_t find_answer(int http_status) {
    size_t i = 0;
    while (i + 1 < sizeof answers / sizeof answers[0] &&
           (http_status < answers[i].least || http_status > answers[i].most)) {
        i++;
    }
    return i;
}

enum oxp_release_verdict oxp_release_judge(enum oxp_status exchange, int http_status) {
    return exchange == OXP_OK ? answers[find_answer(http_status)].release : OXP_RELEASE_AGAIN;
}

enum oxp_status oxp_provider_judge(enum oxp_provider_question question, enum oxp_status exchange, int http_status,
                                   const char *detail, struct oxp_error *error) {
    const char *text = oxp_provider_question_text(question);
    if (exchange != OXP_OK) {
        return oxp_error_set(error, exchange, 0, 0, "%s: %s", text,
                             detail[0] == '\0' ? oxp_status_text(exchange) : detail);
    }
    size_t place = find_answer(http_status);
    if (answers[place].status == OXP_OK) {
        return OXP_OK;
    }
    return oxp_error_set(error, answers[place].status, 0, 0, "%s: HTTP status %d%s", text, http_status,
                         answers[place].meaning);
}
