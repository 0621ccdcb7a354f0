/* HTTP statuses by what was asked, WebSocket close codes, and errno (domain catalogue, section 3.2). */
#include <errno.h>

#include "lib/base/number.h"
#include "lib/resilience/evidence.h"

/* Words of a message that tell apart what one status may mean. */
static const char *const concurrency[] = {"concurrent", "concurrency", "concurrently", "currently", NULL};
static const char *const plan[] = {"plan",       "plans", "keep alive", "keepalive", "keep-alive",
                                   "keep_alive", "proxy", "proxies",    NULL};
static const char *const quota[] = {"insufficient_quota", NULL};
static const char *const context[] = {"context_length_exceeded", NULL};
static const char *const refused[] = {"content_filter", "content filter", NULL};

#define BB                                                                                                             \
    (OXP_UP_BROWSERBASE | OXP_UP_STAGEHAND) /* one company, one key: a hosted Stagehand call fails as its status */
#define LLM OXP_UP_LLM
#define SITE OXP_UP_SITE
#define ANY OXP_UP_ANY
#define CALL(name) OXP_CALL_##name

/* The first rule that fits decides. */
static const struct {
    unsigned upstreams;
    unsigned calls;
    int from, to;
    const char *const *words; /* the message must hold one of them; NULL = any message */
    enum oxp_code_id code;
} rules[] = {
    {ANY, CALL(ANY), 407, 407, NULL, OXP_CODE_net_proxy},
    {BB, CALL(CONNECT), 429, 429, NULL, OXP_CODE_bb_concurrency_limit},
    {BB, CALL(CONNECT), 403, 403, NULL, OXP_CODE_bb_auth},
    {BB, CALL(CONNECT), 500, 599, NULL, OXP_CODE_cdp_handshake},
    {BB, CALL(CREATE), 408, 408, NULL, OXP_CODE_bb_create_timeout},
    {BB, CALL(CREATE) | CALL(NONE), 429, 429, concurrency, OXP_CODE_bb_concurrency_limit},
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
    {LLM, CALL(ANY), 400, 499, quota, OXP_CODE_llm_quota}, /* comes as a 429 */
    {LLM, CALL(ANY), 400, 499, context, OXP_CODE_llm_context},
    {LLM, CALL(ANY), 400, 499, refused, OXP_CODE_llm_refused},
    {LLM, CALL(ANY), 401, 401, NULL, OXP_CODE_llm_auth},
    {LLM, CALL(ANY), 403, 403, NULL, OXP_CODE_llm_auth},
    {LLM, CALL(ANY), 408, 408, NULL, OXP_CODE_llm_timeout},
    {LLM, CALL(ANY), 429, 429, NULL, OXP_CODE_llm_rate_limit},
    {LLM, CALL(ANY), 503, 503, NULL, OXP_CODE_llm_overloaded},
    {LLM, CALL(ANY), 529, 529, NULL, OXP_CODE_llm_overloaded},
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

/* In the order of the names; `number` is Linux's, or libuv's where it has none of its own; 0 = none. */
static const struct {
    const char *name;
    int number;
    enum oxp_code_id code;
} errnos[] = {
    {"CERT_HAS_EXPIRED", 0, OXP_CODE_net_tls},
    {"DEPTH_ZERO_SELF_SIGNED_CERT", 0, OXP_CODE_net_tls},
    {"EACCES", EACCES, OXP_CODE_sys_perm},
    {"EAGAIN", EAGAIN, OXP_CODE_file_locked},
    {"EAI_AGAIN", -3001, OXP_CODE_net_dns_temp},
    {"EAI_NONAME", -3008, OXP_CODE_net_dns_name},
    {"EBUSY", EBUSY, OXP_CODE_file_locked},
    {"ECONNABORTED", ECONNABORTED, OXP_CODE_net_reset},
    {"ECONNREFUSED", ECONNREFUSED, OXP_CODE_net_refused},
    {"ECONNRESET", ECONNRESET, OXP_CODE_net_reset},
    {"EDQUOT", EDQUOT, OXP_CODE_sys_disk_full},
    {"EEXIST", EEXIST, OXP_CODE_res_conflict},
    {"EHOSTUNREACH", EHOSTUNREACH, OXP_CODE_net_unreachable},
    {"EINTR", EINTR, OXP_CODE_sys_interrupted},
    {"EIO", EIO, OXP_CODE_sys_io},
    {"EMFILE", EMFILE, OXP_CODE_sys_fd_limit},
    {"ENETDOWN", ENETDOWN, OXP_CODE_net_unreachable},
    {"ENETUNREACH", ENETUNREACH, OXP_CODE_net_unreachable},
    {"ENFILE", ENFILE, OXP_CODE_sys_fd_limit},
    {"ENOMEM", ENOMEM, OXP_CODE_sys_oom},
    {"ENOSPC", ENOSPC, OXP_CODE_sys_disk_full},
    {"ENOTFOUND", 0, OXP_CODE_net_dns_name},
    {"EPERM", EPERM, OXP_CODE_sys_perm},
    {"EPIPE", EPIPE, OXP_CODE_net_reset},
    {"EROFS", EROFS, OXP_CODE_sys_io},
    {"ERR_PROXY_CONNECTION_FAILED", 0, OXP_CODE_net_proxy},
    {"ERR_TLS_CERT_ALTNAME_INVALID", 0, OXP_CODE_net_tls},
    {"ERR_TUNNEL_CONNECTION_FAILED", 0, OXP_CODE_net_proxy},
    {"ETIMEDOUT", ETIMEDOUT, OXP_CODE_net_timeout},
    {"ETXTBSY", ETXTBSY, OXP_CODE_file_locked},
    {"EWOULDBLOCK", 0, OXP_CODE_file_locked},
    {"SELF_SIGNED_CERT_IN_CHAIN", 0, OXP_CODE_net_tls},
    {"UNABLE_TO_VERIFY_LEAF_SIGNATURE", 0, OXP_CODE_net_tls},
};

enum { ERRNOS = sizeof errnos / sizeof errnos[0] };

int oxp_status_in_message(struct oxp_view message) {
    /* the Node SDK ("Error: 403 …" or "403 …"), the Python one ("Error code: 429 - …"), Stagehand's v3 client */
    static const char *const before[] = {"Unknown error: ", "HTTP error! status: ", "Error code: ", "Error: ", ""};
    size_t i = 0;
    while (!oxp_fold_starts(message, before[i])) {
        i++;
    }
    size_t at = strlen(before[i]);
    if (message.len < at + 3 || (message.len > at + 3 && strchr(" \t:-,.", message.ptr[at + 3]) == NULL)) {
        return 0;
    }
    uint64_t status = 0;
    if (oxp_number_parse_u64(oxp_view_of(message.ptr + at, 3), &status) != OXP_OK || status < 400 || status > 599) {
        return 0;
    }
    return (int)status;
}

enum oxp_code_id oxp_code_of_status(const struct oxp_case *c) {
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (c->status >= rules[i].from && c->status <= rules[i].to && (rules[i].upstreams & c->upstream) != 0 &&
            (rules[i].calls & c->call) != 0 &&
            (rules[i].words == NULL || oxp_fold_mentions(c->message, rules[i].words))) {
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

const char *oxp_errno_at(size_t index) {
    return index < ERRNOS ? errnos[index].name : NULL;
}

static enum oxp_code_id code_of_number(struct oxp_view text) {
    bool negative = text.ptr[0] == '-';
    uint64_t number = 0;
    if (oxp_number_parse_u64(oxp_view_of(text.ptr + negative, text.len - negative), &number) != OXP_OK || number == 0 ||
        number > 4095) {
        return OXP_CODE_NONE;
    }
    for (size_t i = 0; i < ERRNOS; i++) {
        /* libuv's own numbers are negative in the table; of the kernel's it gives the negative */
        if (errnos[i].number == (int)number || (negative && errnos[i].number == -(int)number)) {
            return errnos[i].code;
        }
    }
    return OXP_CODE_NONE;
}

enum oxp_code_id oxp_code_of_errno(struct oxp_view text) {
    if (text.len == 0) {
        return OXP_CODE_NONE;
    }
    if (text.ptr[0] == '-' || (text.ptr[0] >= '0' && text.ptr[0] <= '9')) {
        return code_of_number(text);
    }
    if (oxp_fold_starts(text, "net::")) { /* as Chromium writes them */
        text = oxp_view_of(text.ptr + 5, text.len - 5);
    }
    if (oxp_fold_starts(text, "ERR_CONNECTION_")) {
        return OXP_CODE_site_down;
    }
    size_t low = 0;
    size_t high = ERRNOS;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = oxp_fold_compare(text, errnos[middle].name);
        if (order == 0) {
            return errnos[middle].code;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return OXP_CODE_NONE;
}
