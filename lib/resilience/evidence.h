/* The kinds of evidence that the classifier asks, one after the other, inside this folder. Each gives a code, or
 * OXP_CODE_NONE when it has nothing to say. */
#ifndef OXP_RESILIENCE_EVIDENCE_H
#define OXP_RESILIENCE_EVIDENCE_H

#include "lib/resilience/codes.h"

enum oxp_upstream { /* bits, so that a rule can name several */
                    OXP_UP_NONE = 1,
                    OXP_UP_BROWSERBASE = 2,
                    OXP_UP_STAGEHAND = 4,
                    OXP_UP_LLM = 8,
                    OXP_UP_SITE = 16,
                    OXP_UP_OTHER = 32,
                    OXP_UP_ANY = 63,
};

enum oxp_call {                       /* the operations that change the meaning of a failure; bits */
                OXP_CALL_NONE = 1,    /* not said */
                OXP_CALL_CREATE = 2,  /* "session.create" */
                OXP_CALL_RELEASE = 4, /* "session.release" */
                OXP_CALL_CONNECT = 8, /* "session.connect": the WebSocket upgrade */
                OXP_CALL_OTHER = 16,
                OXP_CALL_ANY = 31,
};

/* The evidence, read. */
struct oxp_case {
    enum oxp_upstream upstream;
    enum oxp_call call;
    int status; /* HTTP; from the evidence, or from the message where an SDK hides it there; 0 = none */
    struct oxp_view message;
};

/* What an error's class name says (names.c). */
enum oxp_name_kind {
    NAME_NONE,
    NAME_CODE,    /* the code */
    NAME_STATUS,  /* only an HTTP status: the SDKs of Browserbase, OpenAI and Anthropic share these names */
    NAME_TIMEOUT, /* a timeout, of whatever was asked */
    NAME_READ,    /* "TimeoutError": Stagehand's, unless the call went elsewhere */
    NAME_HTTP,    /* a status, or sh_http */
    NAME_WEAK,    /* the code, when no number says more */
};

struct oxp_name_row {
    const char *name;
    enum oxp_name_kind kind;
    enum oxp_code_id code;
    int status;
};

/* The row of a class name, with or without its module ("openai.RateLimitError"), or NULL. */
const struct oxp_name_row *oxp_name_find(struct oxp_view name);
/* For the test of the table's order. */
const struct oxp_name_row *oxp_name_at(size_t index);
/* Stagehand's families of names that are not listed one by one ("Missing…", "Shadow…"). */
enum oxp_code_id oxp_name_family(struct oxp_view name, enum oxp_upstream upstream);

/* The HTTP status that the text of a message gives away ("Error: 403 …", "Unknown error: 400"), or 0. */
int oxp_status_in_message(struct oxp_view message);
enum oxp_code_id oxp_code_of_status(const struct oxp_case *c);
enum oxp_code_id oxp_code_of_ws(int ws_code);
/* A symbolic name (errno, getaddrinfo, Node's and Chromium's) or a number, which may be negative as libuv gives it. */
enum oxp_code_id oxp_code_of_errno(struct oxp_view text);
/* For the test of the table's order: the i-th errno name, or NULL. */
const char *oxp_errno_at(size_t index);

#endif
