/* HTTP statuses by what was asked, and WebSocket close codes (domain catalogue, sections 1.1 to 1.4 and 3.2). */
#include "lib/base/number.h"
#include "lib/resilience/evidence.h"

/* Words of a message that tell apart what one status may mean. */
static const char *const concurrency[] = {"concurrent", "concurrency", "concurrently", NULL};
static const char *const creation_rate[] = {"creation rate", "session creations", "creations per", NULL};
static const char *const rate[] = {"rate limit", "per minute", "per second", "too many requests", NULL};
/* What both kinds of refusal may state: a ceiling with the present count (capacity.c). Not looked for as a text. */
static const char *const ceiling[] = {"limit N, currently M", NULL};
static const char *const plan[] = {"plan",       "plans", "keep alive", "keepalive", "keep-alive",
                                   "keep_alive", "proxy", "proxies",    NULL};
static const char *const quota[] = {"insufficient_quota", "exceeded your current quota", "credit balance is too low",
                                    NULL};
static const char *const context[] = {"context_length_exceeded", "maximum context length", "prompt is too long", NULL};
static const char *const refused[] = {"content_filter", "content filter", "content policy", "content management policy",
                                      NULL};
static const char *const output[] = {"no object generated", "did not match schema", "schema validation",
                                     "zodschemavalidationerror", NULL};
static const char *const too_fast[] = {"rate_limit_error", "rate_limit_exceeded", "rate limit reached for", NULL};
static const char *const overloaded[] = {"overloaded_error", NULL};
static const char *const challenge[] = {
    "captcha", "just a moment", "verify you are human", "cf-chl", "bot detected", "attention required", NULL};

#define BB                                                                                                             \
    (OXP_UP_BROWSERBASE | OXP_UP_STAGEHAND) /* one company, one key: a hosted Stagehand call fails as its status */
#define LLM OXP_UP_LLM
#define MODEL (OXP_UP_ANY & ~(OXP_UP_BROWSERBASE | OXP_UP_SITE)) /* who may hand on what a model's host said */
#define SITE OXP_UP_SITE
#define ANY OXP_UP_ANY
#define CALL(name) OXP_CALL_##name

static const struct oxp_http_rule rules[] = {
    {ANY, CALL(ANY), 407, 407, NULL, OXP_CODE_net_proxy},
    {MODEL, CALL(ANY), 400, 499, quota, OXP_CODE_llm_quota}, /* comes as a 429 */
    {MODEL, CALL(ANY), 400, 499, context, OXP_CODE_llm_context},
    {MODEL, CALL(ANY), 400, 499, refused, OXP_CODE_llm_refused},
    {MODEL, CALL(ANY), 400, 599, output, OXP_CODE_llm_bad_output},
    {MODEL, CALL(ANY), 400, 599, too_fast, OXP_CODE_llm_rate_limit},
    {MODEL, CALL(ANY), 400, 599, overloaded, OXP_CODE_llm_overloaded},
    {BB, CALL(CONNECT), 429, 429, NULL, OXP_CODE_bb_concurrency_limit},
    {BB, CALL(CONNECT), 403, 403, NULL, OXP_CODE_bb_auth},
    {BB, CALL(CONNECT), 500, 599, NULL, OXP_CODE_cdp_handshake},
    {BB, CALL(CREATE), 408, 408, NULL, OXP_CODE_bb_create_timeout},
    {BB, CALL(CREATE) | CALL(NONE), 429, 429, concurrency, OXP_CODE_bb_concurrency_limit},
    {BB, CALL(CREATE) | CALL(NONE), 429, 429, creation_rate, OXP_CODE_bb_create_rate_limit},
    {BB, CALL(CREATE), 429, 429, rate, OXP_CODE_bb_create_rate_limit}, /* these may state a ceiling, too */
    {BB, CALL(NONE), 429, 429, rate, OXP_CODE_bb_api_rate_limit},
    {BB, CALL(CREATE) | CALL(NONE), 429, 429, ceiling, OXP_CODE_bb_concurrency_limit},
    {BB, CALL(CREATE), 429, 429, NULL, OXP_CODE_bb_create_rate_limit},
    {BB, CALL(ANY), 401, 401, NULL, OXP_CODE_bb_auth},
    {BB, CALL(ANY), 403, 403, plan, OXP_CODE_bb_plan},
    {BB, CALL(ANY), 402, 403, NULL, OXP_CODE_bb_forbidden},
    {BB, CALL(ANY), 404, 404, NULL, OXP_CODE_bb_not_found},
    {BB, CALL(ANY), 408, 408, NULL, OXP_CODE_net_timeout},
    {BB, CALL(ANY), 409, 409, NULL, OXP_CODE_bb_conflict},
    {BB, CALL(ANY), 410, 410, NULL, OXP_CODE_bb_not_found},
    {BB, CALL(ANY), 429, 429, NULL, OXP_CODE_bb_api_rate_limit},
    {BB, CALL(ANY), 400, 499, NULL, OXP_CODE_bb_bad_request},
    {BB, CALL(ANY), 500, 599, NULL, OXP_CODE_bb_server_error},
    {LLM, CALL(ANY), 401, 401, NULL, OXP_CODE_llm_auth},
    {LLM, CALL(ANY), 402, 402, NULL, OXP_CODE_llm_quota},
    {LLM, CALL(ANY), 403, 403, NULL, OXP_CODE_llm_auth},
    {LLM, CALL(ANY), 408, 408, NULL, OXP_CODE_llm_timeout},
    {LLM, CALL(ANY), 413, 413, NULL, OXP_CODE_llm_context},
    {LLM, CALL(ANY), 429, 429, NULL, OXP_CODE_llm_rate_limit},
    {LLM, CALL(ANY), 503, 503, NULL, OXP_CODE_llm_overloaded},
    {LLM, CALL(ANY), 529, 529, NULL, OXP_CODE_llm_overloaded},
    {SITE, CALL(ANY), 400, 599, challenge, OXP_CODE_site_blocked},
    {SITE, CALL(ANY), 401, 401, NULL, OXP_CODE_site_blocked}, /* a page that wants a login is no fault of our keys */
    {SITE, CALL(ANY), 403, 403, NULL, OXP_CODE_site_blocked},
    {SITE, CALL(ANY), 500, 599, NULL, OXP_CODE_site_down},
    {ANY, CALL(ANY), 401, 401, NULL, OXP_CODE_api_auth},
    {ANY, CALL(ANY), 403, 403, NULL, OXP_CODE_api_auth},
    {ANY, CALL(ANY), 408, 408, NULL, OXP_CODE_net_timeout},
    {ANY, CALL(ANY), 429, 429, NULL, OXP_CODE_api_rate_limit},
    {ANY, CALL(ANY), 400, 499, NULL, OXP_CODE_api_client},
    {ANY, CALL(ANY), 500, 599, NULL, OXP_CODE_api_server},
};

const struct oxp_http_rule *oxp_http_rule_at(size_t index) {
    return index < sizeof rules / sizeof rules[0] ? &rules[index] : NULL;
}

static struct oxp_view behind(struct oxp_view text, size_t at) {
    return at == 0 ? text : oxp_view_of(text.ptr + at, text.len - at);
}

/* The number of exactly `digits` digits that `text` begins with, when a word does not go on behind it; or 0. */
static int leading_number(struct oxp_view text, size_t digits) {
    uint64_t number = 0;
    if (text.len < digits || (text.len > digits && oxp_fold_is_word(text.ptr[digits])) ||
        oxp_number_parse_u64(oxp_view_of(text.ptr, digits), &number) != OXP_OK) {
        return 0;
    }
    return (int)number;
}

static int failed_status(int status) {
    return status >= 400 && status <= 599 ? status : 0;
}

int oxp_status_in_message(struct oxp_view message) {
    /* the Node SDK ("Error: 403 …" or "403 …"), the Python one ("Error code: 429 - …"), Stagehand's v3 client */
    static const char *const before[] = {"Unknown error: ", "HTTP error! status: ", "Error code: ", "Error: ", ""};
    size_t i = 0;
    while (!oxp_fold_starts(message, before[i])) {
        i++;
    }
    struct oxp_view rest = behind(message, strlen(before[i]));
    if (rest.len > 3 && strchr(" \t\n:-,.", rest.ptr[3]) == NULL) {
        return 0;
    }
    return failed_status(leading_number(rest, 3));
}

int oxp_handshake_in_message(struct oxp_view message) {
    /* Node's ws; Playwright, which puts the address between ("WebSocket error: wss://… 429 Too Many Requests") */
    static const char *const ws[] = {"unexpected server response:", "websocket error:", NULL};
    enum { REACH = 512 }; /* bytes of an address */
    size_t at = 0;
    if (!oxp_fold_find(message, ws, &at)) {
        return 0;
    }
    struct oxp_view text = behind(message, at);
    text.len = text.len < REACH ? text.len : REACH;
    for (size_t i = 0; i + 3 < text.len; i++) { /* a port is not behind a blank */
        int status = text.ptr[i] == ' ' ? failed_status(leading_number(behind(text, i + 1), 3)) : 0;
        if (status != 0) {
            return status;
        }
    }
    return 0;
}

int oxp_ws_in_message(struct oxp_view message) {
    static const char *const closed[] = {"socket-close code=", "websocket closed with code ", "close code ",
                                         "closed with code ", NULL};
    size_t at = 0;
    return oxp_fold_find(message, closed, &at) ? leading_number(behind(message, at), 4) : 0;
}

static bool words_fit(const struct oxp_http_rule *rule, struct oxp_view message) {
    unsigned limit = 0, current = 0;
    if (rule->words == ceiling) {
        return oxp_capacity_from_message(message, &limit, &current) && current > 0;
    }
    return rule->words == NULL || oxp_fold_mentions(message, rule->words);
}

enum oxp_code_id oxp_code_of_status(const struct oxp_case *c) {
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (c->status >= rules[i].from && c->status <= rules[i].to && (rules[i].upstreams & c->upstream) != 0 &&
            (rules[i].calls & c->call) != 0 && words_fit(&rules[i], c->message)) {
            return rules[i].code;
        }
    }
    return OXP_CODE_NONE;
}

enum oxp_code_id oxp_code_of_ws(int ws_code) {
    static const int lost[] = {1001, 1006, 1011, 1012, 1013}; /* RFC 6455 section 7.4.1 and its registry */
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        if (ws_code == lost[i]) {
            return OXP_CODE_cdp_closed;
        }
    }
    return OXP_CODE_NONE;
}
