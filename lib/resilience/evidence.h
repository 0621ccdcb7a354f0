/* The kinds of evidence that the classifier asks, one after the other, inside this folder. Each gives a code, or
 * OXP_CODE_NONE when it has nothing to say. The tables can be walked (…_at: the i-th row, or NULL past the end): the
 * tests check their order, docs/errors.md is made from them. Everything here is pure; any thread. */
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
                OXP_CALL_ACT = 16,
                OXP_CALL_AGENT = 32,
                OXP_CALL_EXTRACT = 64,
                OXP_CALL_OBSERVE = 128,
                OXP_CALL_CAPTCHA = 256,
                OXP_CALL_EMBED = 512,
                OXP_CALL_VECTOR = 1024, /* or of category vector_db */
                OXP_CALL_OTHER = 2048,
                OXP_CALL_ANY = 4095,
};

/* The evidence, read. */
struct oxp_case {
    unsigned upstream; /* one of enum oxp_upstream */
    unsigned call;     /* one of enum oxp_call */
    int status;        /* HTTP; from the evidence, or from the message where an SDK hides it there; 0 = none */
    int ws_code;       /* the same */
    struct oxp_view name;
    struct oxp_view message; /* without the class name that stood in front of it */
};

/* What an error's class name says (names.c). */
enum oxp_name_kind {
    NAME_NONE,
    NAME_CODE,    /* the code */
    NAME_STATUS,  /* only an HTTP status: the SDKs of Browserbase, OpenAI and Anthropic share these names */
    NAME_TIMEOUT, /* a timeout, of whatever was asked */
    NAME_READ,    /* "TimeoutError": Stagehand's, unless the call went elsewhere */
    NAME_HTTP,    /* a status, or sh_http */
    NAME_WRAP,    /* wraps another failure: the code, if nothing else says more */
    NAME_CREATE,  /* the same of a failed creation: says where it was, too */
    NAME_FETCH,   /* "TypeError": the code, unless the message is one of fetch's */
    NAME_WEAK,    /* the code, when no number says more */
    NAME_LINK,    /* some fault of a connection: the code, when neither a number nor words say which */
};

struct oxp_name_row {
    const char *name;
    enum oxp_name_kind kind;
    enum oxp_code_id code;
    int status;
};

/* The row of a class name, with or without its module ("openai.RateLimitError"), or NULL. */
const struct oxp_name_row *oxp_name_find(struct oxp_view name);
const struct oxp_name_row *oxp_name_at(size_t index);
/* Stagehand's families of names that are not listed one by one ("Missing…", "Shadow…"), with Stagehand in front or of
 * upstream stagehand. */
struct oxp_name_family_row {
    const char *start; /* "" = any */
    const char *end;
    enum oxp_code_id code;
};
const struct oxp_name_family_row *oxp_name_family_at(size_t index);
enum oxp_code_id oxp_name_family(struct oxp_view name, unsigned upstream);
/* The class name in front of a message ("KeyError: 'x'"), where it is one that is known; else the empty view. */
struct oxp_view oxp_name_in_message(struct oxp_view message);
/* The upstream that a name's module gives away ("openai.RateLimitError"), or `otherwise`. */
unsigned oxp_upstream_of_module(struct oxp_view name, unsigned otherwise);

/* HTTP statuses and WebSocket codes (numbers.c). The first rule that fits decides. */
struct oxp_http_rule {
    unsigned upstreams; /* enum oxp_upstream */
    unsigned calls;     /* enum oxp_call */
    int from, to;
    const char *const *words; /* the message must hold one of them; NULL = any message */
    enum oxp_code_id code;
};
const struct oxp_http_rule *oxp_http_rule_at(size_t index);
/* The HTTP status that the text of a message gives away ("Error: 403 …", "Unknown error: 400"), or 0. */
int oxp_status_in_message(struct oxp_view message);
/* The status of a refused WebSocket upgrade in a message ("Unexpected server response: 429"), or 0. */
int oxp_handshake_in_message(struct oxp_view message);
/* The close code in a message ("socket-close code=1006"), or 0. */
int oxp_ws_in_message(struct oxp_view message);
enum oxp_code_id oxp_code_of_status(const struct oxp_case *c);
enum oxp_code_id oxp_code_of_ws(int ws_code);

/* What an operating system and curl say (system.c). */
struct oxp_system_row {
    int number;       /* 0 = has none */
    const char *name; /* "ECONNRESET", "CURLE_OPERATION_TIMEDOUT", "SIGSEGV"; of an exit status what it means */
    enum oxp_code_id code;
};
const struct oxp_system_row *oxp_errno_at(size_t index); /* in the order of the names */
const struct oxp_system_row *oxp_curl_at(size_t index);
const struct oxp_system_row *oxp_signal_at(size_t index);
const struct oxp_system_row *oxp_exit_at(size_t index);
/* A symbolic name (errno, getaddrinfo, Node's and Chromium's) or a number, which may be negative as libuv gives it. */
enum oxp_code_id oxp_code_of_errno(struct oxp_view text);
enum oxp_code_id oxp_code_of_curl(int curl_code);
enum oxp_code_id oxp_code_of_signal(int number);
/* Of an exit status: a shell's 128 + n and Python's -n are signal n. */
enum oxp_code_id oxp_code_of_exit(int exit_status);

/* Words of messages (messages.c). The first row of which the phrase stands in the message decides. */
struct oxp_message_row {
    unsigned upstreams; /* enum oxp_upstream */
    const char *phrase; /* lower case */
    enum oxp_code_id code;
};
const struct oxp_message_row *oxp_message_at(size_t index);
enum oxp_code_id oxp_code_of_message(const struct oxp_case *c);

/* The first override (session.c): what the session's status makes of a lost link; `code` where it says no more. */
enum oxp_code_id oxp_code_of_session(enum oxp_code_id code, const struct oxp_evidence *evidence,
                                     const struct oxp_case *c);

#endif
