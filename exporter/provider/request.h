/* What the poller asks: the provider's paths, the query on metadata, the body of a release. Pure; any thread. Paths and
 * parameters as in the provider's published OpenAPI description (GET /v1/sessions with status and q, GET
 * /v1/sessions/{id}, GET /v1/projects/{id}, GET /v1/projects/{id}/usage, POST /v1/sessions/{id}). */
#ifndef OXP_PROVIDER_REQUEST_H
#define OXP_PROVIDER_REQUEST_H

#include "lib/base/buf.h"
#include <oxpecker/status.h>
#include <oxpecker/view.h>

enum {
    OXP_PROVIDER_ID_SIZE = 128,  /* an id with its NUL */
    OXP_PROVIDER_KEY_SIZE = 513, /* an API key with its NUL */
    OXP_PROVIDER_TAG_MAX = 256,  /* bytes of KEY=VALUE; all of a session's metadata has 512 characters */
};

/* What marks our sessions: userMetadata[key] == value. Both empty: no tag. */
struct oxp_provider_tag {
    char key[OXP_PROVIDER_TAG_MAX + 1], value[OXP_PROVIDER_TAG_MAX + 1];
};

enum oxp_provider_question {
    OXP_ASK_PENDING,       /* the sessions that are pending */
    OXP_ASK_RUNNING,       /* those that are running */
    OXP_ASK_PENDING_OURS,  /* those that are pending and carry the tag */
    OXP_ASK_RUNNING_OURS,  /* those that are running and carry it */
    OXP_ASK_PROJECT,       /* id = the project's */
    OXP_ASK_PROJECT_USAGE, /* id = the project's */
    OXP_ASK_SESSION,       /* id = the session's */
    OXP_ASK_RELEASE,       /* id = the session's; the only POST */
    OXP_PROVIDER_QUESTIONS
};

/* An id that may stand in a path: 1 to 127 bytes of letters, digits, ".", "_" and "-", the first a letter or digit. */
bool oxp_provider_id_is_valid(struct oxp_view id);
/* Takes "KEY=VALUE" apart at its first "="; empty text is no tag. OXP_ERR_INVALID without a key or value, when it is
 * longer than OXP_PROVIDER_TAG_MAX, or when it holds a quote, a backslash or a control character (the query language
 * has no documented way to write them); `error` says which. */
enum oxp_status oxp_provider_tag_read(struct oxp_view text, struct oxp_provider_tag *tag_out, struct oxp_error *error);
/* A header's value: 1 to 512 printable ASCII characters, without blanks. `text` may end in white space, as files do.
 * OXP_ERR_INVALID, with a reason that does not show the key. */
enum oxp_status oxp_provider_key_read(struct oxp_view text, char key_out[OXP_PROVIDER_KEY_SIZE],
                                      struct oxp_error *error);

/* Appends the URL of a question. `base` is http(s)://host[:port][/path]; slashes at its end do not count. */
void oxp_provider_url(struct oxp_buf *out, struct oxp_view base, enum oxp_provider_question question,
                      struct oxp_view id);
/* The same with `tag` for the two questions that are about ours. */
void oxp_provider_url_tagged(struct oxp_buf *out, struct oxp_view base, enum oxp_provider_question question,
                             const struct oxp_provider_tag *tag);
/* The question for a person: "GET /v1/sessions/{id}". Static text. */
const char *oxp_provider_question_text(enum oxp_provider_question question);
/* The body of a release; `project` may be empty. */
void oxp_provider_release_body(struct oxp_buf *out, struct oxp_view project);

#endif
