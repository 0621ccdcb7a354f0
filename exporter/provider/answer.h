/* What the provider answered, out of its JSON: lists of sessions, one session, a project, its usage. Pure; a struct is
 * owned by one thread. Unknown members are ignored; a bad entry of a list costs only itself. Members as in the
 * provider's published OpenAPI description: id, status, region, createdAt, startedAt, endedAt, expiresAt, keepAlive,
 * proxyBytes, userMetadata; concurrency; browserMinutes, proxyBytes. */
#ifndef OXP_PROVIDER_ANSWER_H
#define OXP_PROVIDER_ANSWER_H

#include "exporter/event/provider.h"
#include "exporter/provider/request.h"
#include "lib/base/map.h"
#include "lib/json/json.h"

enum { OXP_PROVIDER_ANSWERS_MAX = 4 }; /* bodies that one list is made of */

/* Sessions from several answers, each id once. */
struct oxp_provider_list {
    struct oxp_provider_session *sessions; /* views into `roots` or static text */
    bool *silent;                          /* beside each session: it did not say its metadata */
    size_t count, size;
    size_t silent_count;
    size_t bad;         /* entries that were not understood */
    bool more;          /* an answer said that there is more than it holds */
    struct oxp_map ids; /* id to place + 1 */
    struct oxp_json *roots[OXP_PROVIDER_ANSWERS_MAX];
    size_t root_count;
};

void oxp_provider_list_init(struct oxp_provider_list *list);
void oxp_provider_list_fini(struct oxp_provider_list *list);
/* Takes the sessions of one answer: an array, or an object with the array "sessions". Those that are neither pending
 * nor running are left out; of an id that is known, the later answer counts. A session is `ours` when its userMetadata
 * carries the tag (never without a tag). OXP_ERR_SYNTAX when the body is no list (`error` says why), OXP_ERR_LIMIT past
 * OXP_PROVIDER_ANSWERS_MAX, OXP_ERR_NOMEM; on failure the list may have some of the answer. */
enum oxp_status oxp_provider_list_add(struct oxp_provider_list *list, struct oxp_view body,
                                      const struct oxp_provider_tag *tag, struct oxp_error *error);
/* Takes an answer to the query for our tag: known sessions that did not say their metadata themselves become ours.
 * When any entry shows by its own metadata that the query was not obeyed, nothing is changed: OXP_ERR_UNSUPPORTED. Else
 * as oxp_provider_list_add. */
enum oxp_status oxp_provider_list_mark(struct oxp_provider_list *list, struct oxp_view body,
                                       const struct oxp_provider_tag *tag, struct oxp_error *error);
/* The session under an id, or NULL; valid until the next call that adds. */
const struct oxp_provider_session *oxp_provider_list_get(const struct oxp_provider_list *list, struct oxp_view id);

/* One session, of any status. Its views live as long as `*root_out` (oxp_json_free). OXP_ERR_SYNTAX, OXP_ERR_NOMEM. */
enum oxp_status oxp_provider_session_read(struct oxp_view body, const struct oxp_provider_tag *tag,
                                          struct oxp_provider_session *session_out, struct oxp_json **root_out,
                                          struct oxp_error *error);
/* True for completed, error and timed_out. */
bool oxp_provider_status_is_final(struct oxp_view status);
/* Sessions that the project may have at a time; NaN when it does not say a number above 0. OXP_ERR_SYNTAX when it is no
 * object, OXP_ERR_NOMEM. */
enum oxp_status oxp_provider_project_read(struct oxp_view body, double *concurrency_out, struct oxp_error *error);
/* Seconds (the provider counts minutes) and bytes; NaN for what is not a number from 0 on. */
enum oxp_status oxp_provider_usage_read(struct oxp_view body, double *browser_seconds_out, double *proxy_bytes_out,
                                        struct oxp_error *error);
/* Unix seconds of "2026-11-22T04:26:00.123Z" (RFC 3339, any offset, years 1970 to 9999), or NaN. */
double oxp_provider_time_read(struct oxp_view text);

#endif
