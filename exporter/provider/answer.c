#include "exporter/provider/answer.h"

#include <math.h>
#include <stdlib.h>

enum { REGION_MAX = 63 };

/* ---- One session ---- */

static const struct {
    const char *word; /* as the provider says it */
    struct oxp_view status;
    bool open, final;
} statuses[] = {
    {"PENDING", {"pending", 7}, true, false},     {"RUNNING", {"running", 7}, true, false},
    {"COMPLETED", {"completed", 9}, false, true}, {"ERROR", {"error", 5}, false, true},
    {"TIMED_OUT", {"timed_out", 9}, false, true},
};

enum { STATUSES = sizeof statuses / sizeof statuses[0] };

static bool same_word(struct oxp_view text, const char *word) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        c = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
        if (word[i] == '\0' || c != word[i]) {
            return false;
        }
    }
    return word[text.len] == '\0';
}

/* The place of a status in the table; STATUSES for a word that is not there. */
static size_t find_status(struct oxp_view text) {
    size_t i = 0;
    while (i < STATUSES && !same_word(text, statuses[i].word)) {
        i++;
    }
    return i;
}

bool oxp_provider_status_is_final(struct oxp_view status) {
    size_t i = find_status(status);
    return i < STATUSES && statuses[i].final;
}

static double time_of(const struct oxp_json *object, const char *key) {
    return oxp_provider_time_read(oxp_json_text_of(oxp_json_get(object, key)));
}

/* A finite number from 0 on, or NaN. */
static double amount_of(const struct oxp_json *object, const char *key) {
    double value = oxp_json_number_of(oxp_json_get(object, key));
    return isfinite(value) && value >= 0 ? value : (double)NAN;
}

static struct oxp_view region_of(const struct oxp_json *object) {
    struct oxp_view region = oxp_json_text_of(oxp_json_get(object, "region"));
    bool fits = region.len <= REGION_MAX && (region.len == 0 || oxp_provider_id_is_valid(region));
    return fits ? region : OXP_VIEW("");
}

enum metadata { METADATA_SILENT, METADATA_OURS, METADATA_OTHER };

static enum metadata metadata_of(const struct oxp_json *object, const struct oxp_provider_tag *tag) {
    const struct oxp_json *metadata = oxp_json_get(object, "userMetadata");
    if (oxp_json_kind_of(metadata) != OXP_JSON_OBJECT) {
        return METADATA_SILENT;
    }
    const struct oxp_json *value = tag->key[0] == '\0' ? NULL : oxp_json_get(metadata, tag->key);
    bool ours = oxp_json_kind_of(value) == OXP_JSON_TEXT && oxp_view_is(oxp_json_text_of(value), tag->value);
    return ours ? METADATA_OURS : METADATA_OTHER;
}

/* False when it has no id or no status. */
static bool read_session(const struct oxp_json *object, const struct oxp_provider_tag *tag,
                         struct oxp_provider_session *session_out) {
    struct oxp_view id = oxp_json_text_of(oxp_json_get(object, "id"));
    struct oxp_view word = oxp_json_text_of(oxp_json_get(object, "status"));
    if (!oxp_provider_id_is_valid(id) || word.len == 0) {
        return false;
    }
    size_t place = find_status(word);
    double proxy_bytes = amount_of(object, "proxyBytes");
    *session_out = (struct oxp_provider_session){
        .id = id,
        .status = place < STATUSES ? statuses[place].status : OXP_VIEW("unknown"),
        .region = region_of(object),
        .created_s = time_of(object, "createdAt"),
        .started_s = time_of(object, "startedAt"),
        .ended_s = time_of(object, "endedAt"),
        .expires_s = time_of(object, "expiresAt"),
        .keep_alive = oxp_json_bool_of(oxp_json_get(object, "keepAlive")),
        .proxy_bytes = proxy_bytes < 0x1p63 ? (uint64_t)proxy_bytes : 0, /* NaN is not below anything */
        .ours = metadata_of(object, tag) == METADATA_OURS,
    };
    return true;
}

enum oxp_status oxp_provider_session_read(struct oxp_view body, const struct oxp_provider_tag *tag,
                                          struct oxp_provider_session *session_out, struct oxp_json **root_out,
                                          struct oxp_error *error) {
    *root_out = NULL;
    enum oxp_status status = oxp_json_read(body, root_out, error);
    if (status == OXP_OK && !read_session(*root_out, tag, session_out)) {
        oxp_json_free(*root_out);
        *root_out = NULL;
        status = oxp_error_set(error, OXP_ERR_SYNTAX, 0, 0, "the answer is no session");
    }
    return status;
}

/* ---- Lists ---- */

void oxp_provider_list_init(struct oxp_provider_list *list) {
    *list = (struct oxp_provider_list){0};
    oxp_map_init(&list->ids);
}

void oxp_provider_list_fini(struct oxp_provider_list *list) {
    oxp_map_fini(&list->ids);
    free(list->sessions);
    free(list->silent);
    for (size_t i = 0; i < list->root_count; i++) {
        oxp_json_free(list->roots[i]);
    }
    *list = (struct oxp_provider_list){0};
}

static struct oxp_provider_session *find(const struct oxp_provider_list *list, struct oxp_view id) {
    void *place = oxp_map_get(&list->ids, id);
    return place == NULL ? NULL : &list->sessions[(uintptr_t)place - 1];
}

const struct oxp_provider_session *oxp_provider_list_get(const struct oxp_provider_list *list, struct oxp_view id) {
    return find(list, id);
}

static enum oxp_status make_room(struct oxp_provider_list *list, size_t more) {
    if (list->size - list->count >= more) {
        return OXP_OK;
    }
    size_t size = list->count + more; /* at most a few times the bytes of the bodies */
    struct oxp_provider_session *sessions = realloc(list->sessions, size * sizeof *sessions);
    if (sessions == NULL) {
        return OXP_ERR_NOMEM;
    }
    list->sessions = sessions;
    bool *silent = realloc(list->silent, size * sizeof *silent);
    if (silent == NULL) {
        return OXP_ERR_NOMEM;
    }
    list->silent = silent;
    list->size = size;
    return OXP_OK;
}

/* Puts a session into the list, or over the one with its id. */
static enum oxp_status put(struct oxp_provider_list *list, const struct oxp_provider_session *session, bool silent) {
    struct oxp_provider_session *known = find(list, session->id);
    size_t place = known == NULL ? list->count : (size_t)(known - list->sessions);
    if (known == NULL) {
        enum oxp_status status = oxp_map_set(&list->ids, session->id, (void *)(uintptr_t)(place + 1), NULL);
        if (status != OXP_OK) {
            return status;
        }
        list->count++;
        list->silent[place] = false;
    }
    list->silent_count += (size_t)silent - (size_t)list->silent[place];
    list->silent[place] = silent;
    list->sessions[place] = *session; /* the map's key stays in the earlier answer, which lives as long */
    return OXP_OK;
}

/* The array of sessions in an answer; NULL when it is no list. `*more_out`: the answer says that it is not all. */
static const struct oxp_json *entries_of(const struct oxp_json *root, bool *more_out) {
    static const char *const hints[] = {"hasMore", "has_more", "next", "nextCursor", "nextPageToken"};
    *more_out = false;
    if (oxp_json_kind_of(root) == OXP_JSON_ARRAY) {
        return root;
    }
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++) {
        const struct oxp_json *hint = oxp_json_get(root, hints[i]);
        *more_out = *more_out || oxp_json_bool_of(hint) || oxp_json_text_of(hint).len != 0;
    }
    const struct oxp_json *sessions = oxp_json_get(root, "sessions");
    return oxp_json_kind_of(sessions) == OXP_JSON_ARRAY ? sessions : NULL;
}

static enum oxp_status no_list(struct oxp_error *error) {
    return oxp_error_set(error, OXP_ERR_SYNTAX, 0, 0, "the answer is no list of sessions");
}

enum oxp_status oxp_provider_list_add(struct oxp_provider_list *list, struct oxp_view body,
                                      const struct oxp_provider_tag *tag, struct oxp_error *error) {
    if (list->root_count == OXP_PROVIDER_ANSWERS_MAX) {
        return OXP_ERR_LIMIT;
    }
    struct oxp_json *root = NULL;
    enum oxp_status status = oxp_json_read(body, &root, error);
    if (status != OXP_OK) {
        return status;
    }
    list->roots[list->root_count++] = root;
    bool more;
    const struct oxp_json *entries = entries_of(root, &more);
    if (entries == NULL) {
        return no_list(error);
    }
    list->more = list->more || more;
    status = make_room(list, oxp_json_size(entries));
    for (size_t i = 0; status == OXP_OK && i < oxp_json_size(entries); i++) {
        const struct oxp_json *entry = oxp_json_at(entries, i);
        struct oxp_provider_session session;
        bool good = read_session(entry, tag, &session) && !oxp_view_is(session.status, "unknown");
        list->bad += !good;
        if (good && statuses[find_status(session.status)].open) {
            status = put(list, &session, metadata_of(entry, tag) == METADATA_SILENT);
        }
    }
    return status;
}

/* An entry that says itself that it does not carry the tag. */
static bool any_other(const struct oxp_json *entries, const struct oxp_provider_tag *tag) {
    bool found = false;
    for (size_t i = 0; i < oxp_json_size(entries) && !found; i++) {
        found = metadata_of(oxp_json_at(entries, i), tag) == METADATA_OTHER;
    }
    return found;
}

enum oxp_status oxp_provider_list_mark(struct oxp_provider_list *list, struct oxp_view body,
                                       const struct oxp_provider_tag *tag, struct oxp_error *error) {
    struct oxp_json *root = NULL;
    enum oxp_status status = oxp_json_read(body, &root, error);
    if (status != OXP_OK) {
        return status;
    }
    bool more;
    const struct oxp_json *entries = entries_of(root, &more);
    if (entries == NULL) {
        status = no_list(error);
    } else if (any_other(entries, tag)) {
        status = oxp_error_set(error, OXP_ERR_UNSUPPORTED, 0, 0, "the provider does not obey the query");
    }
    for (size_t i = 0; status == OXP_OK && i < oxp_json_size(entries); i++) {
        struct oxp_view id = oxp_json_text_of(oxp_json_get(oxp_json_at(entries, i), "id"));
        struct oxp_provider_session *known = find(list, id);
        if (known != NULL && list->silent[known - list->sessions]) {
            known->ours = true;
        }
    }
    oxp_json_free(root);
    return status;
}

/* ---- The project ---- */

static enum oxp_status read_object(struct oxp_view body, struct oxp_json **root_out, struct oxp_error *error) {
    *root_out = NULL;
    enum oxp_status status = oxp_json_read(body, root_out, error);
    if (status == OXP_OK && oxp_json_kind_of(*root_out) != OXP_JSON_OBJECT) {
        oxp_json_free(*root_out);
        *root_out = NULL;
        status = oxp_error_set(error, OXP_ERR_SYNTAX, 0, 0, "the answer is no object");
    }
    return status;
}

enum oxp_status oxp_provider_project_read(struct oxp_view body, double *concurrency_out, struct oxp_error *error) {
    struct oxp_json *root;
    *concurrency_out = (double)NAN;
    enum oxp_status status = read_object(body, &root, error);
    double value = amount_of(root, "concurrency");
    *concurrency_out = value > 0 ? value : (double)NAN;
    oxp_json_free(root);
    return status;
}

enum oxp_status oxp_provider_usage_read(struct oxp_view body, double *browser_seconds_out, double *proxy_bytes_out,
                                        struct oxp_error *error) {
    struct oxp_json *root;
    enum oxp_status status = read_object(body, &root, error);
    *browser_seconds_out = amount_of(root, "browserMinutes") * 60;
    *proxy_bytes_out = amount_of(root, "proxyBytes");
    oxp_json_free(root);
    return status;
}
