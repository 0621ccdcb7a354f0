/* The taxonomy's table and the classifier, as one golden table: evidence on the left, the code on the right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/resilience/classify.h"
#include "lib/resilience/evidence.h"

struct row {
    const char *what;
    const char *code, *upstream, *op, *name, *errno_name, *message;
    int status, ws_code;
    const char *expect;
};

static const struct oxp_code *classify(const struct row *row) {
    struct oxp_evidence evidence = {
        .code = oxp_view_from(row->code),
        .upstream = oxp_view_from(row->upstream),
        .op = oxp_view_from(row->op),
        .name = oxp_view_from(row->name),
        .errno_name = oxp_view_from(row->errno_name),
        .message = oxp_view_from(row->message),
        .status = row->status,
        .ws_code = row->ws_code,
    };
    return oxp_classify(&evidence);
}

static void check_rows(const struct row *rows, size_t count) {
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        const struct oxp_code *found = classify(&rows[i]);
        if (strcmp(found->name, rows[i].expect) != 0) {
            print_error("%s: expected %s, got %s\n", rows[i].what, rows[i].expect, found->name);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

#define CHECK(rows) check_rows(rows, sizeof rows / sizeof rows[0])

/* Evidence that was said: the code, or the name of the class. */
static void names(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"explicit code", .code = "bb_plan", .status = 500, .expect = "bb_plan"},
        {"explicit code beats the release rule", .code = "bb_not_found", .op = "session.release",
         .expect = "bb_not_found"},
        {"explicit code beats the name", .code = "task_stalled", .name = "ActTimeoutError", .expect = "task_stalled"},
        {"unlisted code, known prefix", .code = "bb_brand_new", .status = 500, .upstream = "llm", .expect = "unknown"},
        {"unlisted code, no prefix: the rest decides", .code = "E42", .status = 503, .upstream = "llm",
         .expect = "llm_overloaded"},
        {"codes are exact", .code = "BB_PLAN", .expect = "unknown"},
        {"prefix of a code is not the code", .code = "unknow", .expect = "unknown"},
        {"Python SDK", .name = "AuthenticationError", .expect = "bb_auth"},
        {"v3 unauthorized", .name = "StagehandAPIUnauthorizedError", .expect = "bb_auth"},
        {"shared name at a model host", .name = "AuthenticationError", .upstream = "llm", .expect = "llm_auth"},
        {"shared name with its module", .name = "openai.RateLimitError", .upstream = "llm", .expect = "llm_rate_limit"},
        {"shared name on create", .name = "RateLimitError", .op = "session.create", .expect = "bb_create_rate_limit"},
        {"shared name on create, concurrency", .name = "RateLimitError", .op = "session.create",
         .message = "429 You have exceeded your max concurrent sessions limit", .expect = "bb_concurrency_limit"},
        {"a status beats the one in the name", .name = "APIStatusError", .upstream = "browserbase", .status = 409,
         .expect = "bb_conflict"},
        {"server error of the SDK", .name = "InternalServerError", .expect = "bb_server_error"},
        {"server error of a model", .name = "InternalServerError", .upstream = "llm", .status = 529,
         .expect = "llm_overloaded"},
        {"bad request", .name = "BadRequestError", .expect = "bb_bad_request"},
        {"unprocessable", .name = "UnprocessableEntityError", .expect = "bb_bad_request"},
        {"permission denied", .name = "PermissionDeniedError", .expect = "bb_forbidden"},
        {"permission denied by the plan", .name = "PermissionDeniedError", .message = "keepAlive needs a paid account",
         .expect = "bb_plan"},
        {"not found", .name = "NotFoundError", .expect = "bb_not_found"},
        {"conflict", .name = "ConflictError", .expect = "bb_conflict"},
        {"no session id", .name = "BrowserbaseSessionNotFoundError", .expect = "bb_not_found"},
        {"answer of another shape", .name = "APIResponseValidationError", .expect = "bb_bad_response"},
        {"CDP, v3 capitals", .name = "CdpConnectionClosedError", .expect = "cdp_closed"},
        {"CDP, v4 capitals", .name = "CDPConnectionClosedError", .expect = "cdp_closed"},
        {"init", .name = "StagehandInitError", .expect = "sh_init_timeout"},
        {"connection timeout", .name = "ConnectionTimeoutError", .expect = "sh_init_timeout"},
        {"act", .name = "ActTimeoutError", .expect = "sh_act_timeout"},
        {"extract", .name = "ExtractTimeoutError", .expect = "sh_read_timeout"},
        {"observe", .name = "ObserveTimeoutError", .expect = "sh_read_timeout"},
        {"other timeout", .name = "TimeoutError", .upstream = "stagehand", .expect = "sh_read_timeout"},
        {"other timeout, upstream not said", .name = "TimeoutError", .expect = "sh_read_timeout"},
        {"other timeout, elsewhere", .name = "TimeoutError", .upstream = "site", .expect = "net_timeout"},
        {"other timeout, model", .name = "TimeoutError", .upstream = "llm", .expect = "llm_timeout"},
        {"other timeout, create", .name = "TimeoutError", .op = "session.create", .expect = "bb_create_timeout"},
        {"RPC", .name = "RPCResponseTimeoutError", .expect = "sh_read_timeout"},
        {"batch", .name = "StagehandBatchTimeoutError", .expect = "sh_unresponsive"},
        {"element", .name = "StagehandElementNotFoundError", .expect = "sh_element"},
        {"hidden element", .name = "ElementNotVisibleError", .expect = "sh_element"},
        {"xpath", .name = "XPathResolutionError", .expect = "sh_element"},
        {"frame", .name = "ContentFrameNotFoundError", .expect = "sh_element"},
        {"shadow", .name = "StagehandShadowRootMissingError", .expect = "sh_element"},
        {"shadow, one not listed", .name = "StagehandShadowNewError", .expect = "sh_element"},
        {"locator", .name = "StagehandLocatorError", .expect = "sh_element"},
        {"click", .name = "StagehandClickError", .expect = "sh_element"},
        {"iframe", .name = "StagehandIframeError", .expect = "sh_element"},
        {"agent aborted", .name = "AgentAbortError", .expect = "sh_aborted"},
        {"user aborted", .name = "APIUserAbortError", .expect = "sh_aborted"},
        {"captcha", .name = "CaptchaTimeoutError", .expect = "sh_captcha"},
        {"server", .name = "StagehandServerError", .expect = "sh_stream_cut"},
        {"body", .name = "ResponseBodyError", .expect = "sh_stream_cut"},
        {"parse", .name = "StagehandResponseParseError", .expect = "sh_parse"},
        {"snapshot", .name = "StagehandSnapshotError", .expect = "sh_page"},
        {"dom", .name = "StagehandDomProcessError", .expect = "sh_page"},
        {"page", .name = "PageNotFoundError", .expect = "sh_page"},
        {"understudy", .name = "UnderstudyCommandException", .expect = "sh_page"},
        {"closed", .name = "StagehandClosedError", .expect = "sh_closed"},
        {"mcp", .name = "MCPConnectionError", .expect = "sh_mcp"},
        {"http without a status", .name = "StagehandHttpError", .expect = "sh_http"},
        {"http with its status", .name = "StagehandHttpError", .status = 502, .expect = "bb_server_error"},
        {"http with a status in the message", .name = "StagehandHttpError", .message = "Unknown error: 400",
         .expect = "bb_bad_request"},
        {"missing", .name = "MissingLLMConfigurationError", .expect = "sh_config"},
        {"missing, one not listed", .name = "MissingThingError", .upstream = "stagehand", .expect = "sh_config"},
        {"missing, but not Stagehand's", .name = "MissingThingError", .expect = "unknown"},
        {"unsupported", .name = "UnsupportedModelError", .expect = "sh_config"},
        {"invalid", .name = "StagehandInvalidArgumentError", .expect = "sh_config"},
        {"experimental", .name = "ExperimentalNotConfiguredError", .expect = "sh_config"},
        {"not initialized", .name = "StagehandNotInitializedError", .expect = "sh_config"},
        {"cua", .name = "CuaModelRequiredError", .expect = "sh_config"},
        {"incompatible", .name = "StagehandRuntimeIncompatibleError", .expect = "sh_incompatible"},
        {"model answer", .name = "LLMResponseError", .expect = "llm_bad_output"},
        {"model object", .name = "AI_NoObjectGeneratedError", .expect = "llm_bad_output"},
        {"model schema", .name = "ZodSchemaValidationError", .expect = "llm_bad_output"},
        {"model completion", .name = "CreateChatCompletionResponseError", .expect = "llm_bad_output"},
        {"model error type", .name = "overloaded_error", .expect = "llm_overloaded"},
        {"model quota as a name", .name = "insufficient_quota", .status = 429, .upstream = "llm",
         .expect = "llm_quota"},
        {"SDK timeout", .name = "APITimeoutError", .expect = "net_timeout"},
        {"SDK connection timeout", .name = "APIConnectionTimeoutError", .upstream = "browserbase",
         .expect = "net_timeout"},
        {"SDK timeout on create", .name = "APITimeoutError", .op = "session.create", .expect = "bb_create_timeout"},
        {"SDK timeout of a model", .name = "APITimeoutError", .upstream = "llm", .expect = "llm_timeout"},
        {"SDK connection", .name = "APIConnectionError", .expect = "net_reset"},
        {"any case", .name = "acttimeouterror", .expect = "sh_act_timeout"},
        {"JSON", .name = "json.decoder.JSONDecodeError", .expect = "data_parse"},
        {"logic", .name = "KeyError", .expect = "logic_error"},
        {"assertion", .name = "AssertionError", .expect = "logic_error"},
        {"Node's fetch: a TypeError with an errno", .name = "TypeError", .errno_name = "ECONNREFUSED",
         .expect = "net_refused"},
        {"a base class says nothing", .name = "Error", .upstream = "browserbase", .status = 404,
         .expect = "bb_not_found"},
        {"an empty name in a module", .name = "openai.", .expect = "unknown"},
        {"nothing", .expect = "unknown"},
    };
    CHECK(rows);
}

/* HTTP statuses, by what was asked. */
static void statuses(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"create at the ceiling", .upstream = "browserbase", .op = "session.create", .status = 429,
         .message = "max concurrent sessions: limit 3, currently 3", .expect = "bb_concurrency_limit"},
        {"create, the observed form", .op = "session.create", .status = 429, .message = "(limit 25, Currently 25)",
         .expect = "bb_concurrency_limit"},
        {"create too often", .upstream = "browserbase", .op = "session.create", .status = 429,
         .message = "Too many requests", .expect = "bb_create_rate_limit"},
        {"concurrency, operation not said", .upstream = "browserbase", .status = 429,
         .message = "concurrent sessions limit reached", .expect = "bb_concurrency_limit"},
        {"elsewhere", .upstream = "browserbase", .op = "session.get", .status = 429,
         .message = "concurrent requests limit", .expect = "bb_api_rate_limit"},
        {"upgrade at the ceiling", .op = "session.connect", .status = 429, .expect = "bb_concurrency_limit"},
        {"upgrade refused", .op = "session.connect", .status = 403, .expect = "bb_auth"},
        {"upgrade, key", .op = "session.connect", .status = 401, .expect = "bb_auth"},
        {"upgrade, gone", .op = "session.connect", .status = 410, .expect = "bb_not_found"},
        {"upgrade, server", .op = "session.connect", .status = 502, .expect = "cdp_handshake"},
        {"key", .upstream = "browserbase", .status = 401, .expect = "bb_auth"},
        {"payment", .upstream = "browserbase", .status = 402, .expect = "bb_forbidden"},
        {"forbidden", .upstream = "browserbase", .status = 403, .expect = "bb_forbidden"},
        {"forbidden, of planets", .upstream = "browserbase", .status = 403, .message = "no such planet, explain",
         .expect = "bb_forbidden"},
        {"plan", .upstream = "browserbase", .status = 403, .message = "Your plan has no proxies", .expect = "bb_plan"},
        {"bad request", .upstream = "browserbase", .status = 400, .expect = "bb_bad_request"},
        {"unprocessable", .upstream = "browserbase", .status = 422, .expect = "bb_bad_request"},
        {"other client fault", .upstream = "browserbase", .status = 415, .expect = "bb_bad_request"},
        {"not found", .upstream = "browserbase", .status = 404, .expect = "bb_not_found"},
        {"gone", .upstream = "browserbase", .status = 410, .expect = "bb_not_found"},
        {"conflict", .upstream = "browserbase", .status = 409, .expect = "bb_conflict"},
        {"server", .upstream = "browserbase", .status = 500, .expect = "bb_server_error"},
        {"gateway", .upstream = "browserbase", .status = 504, .expect = "bb_server_error"},
        {"slow create", .op = "session.create", .status = 408, .expect = "bb_create_timeout"},
        {"slow elsewhere", .upstream = "browserbase", .op = "session.get", .status = 408, .expect = "net_timeout"},
        {"release", .op = "session.release", .status = 429, .message = "concurrent", .expect = "bb_release_failed"},
        {"release, by errno", .op = "session.release", .errno_name = "ECONNRESET", .expect = "bb_release_failed"},
        {"Stagehand", .upstream = "stagehand", .op = "act", .status = 401, .expect = "bb_auth"},
        {"proxy", .upstream = "site", .status = 407, .expect = "net_proxy"},
        {"model, too fast", .upstream = "llm", .status = 429, .expect = "llm_rate_limit"},
        {"model, no money: also a 429", .upstream = "llm", .status = 429, .message = "code: 'insufficient_quota'",
         .expect = "llm_quota"},
        {"model, busy", .upstream = "llm", .status = 503, .expect = "llm_overloaded"},
        {"model, busy, their own status", .upstream = "llm", .status = 529, .expect = "llm_overloaded"},
        {"model, key", .upstream = "llm", .status = 401, .expect = "llm_auth"},
        {"model, forbidden", .upstream = "llm", .status = 403, .expect = "llm_auth"},
        {"model, too long", .upstream = "llm", .status = 400, .message = "context_length_exceeded",
         .expect = "llm_context"},
        {"model, refused", .upstream = "llm", .status = 400, .message = "blocked by content filter",
         .expect = "llm_refused"},
        {"model, slow", .upstream = "llm", .status = 408, .expect = "llm_timeout"},
        {"model, server", .upstream = "llm", .status = 500, .expect = "api_server"},
        {"model, bad request", .upstream = "llm", .status = 400, .expect = "api_client"},
        {"site down", .upstream = "site", .status = 503, .expect = "site_down"},
        {"site blocks", .upstream = "site", .status = 403, .expect = "site_blocked"},
        {"site wants a login", .upstream = "site", .status = 401, .expect = "site_blocked"},
        {"site, too fast", .upstream = "site", .status = 429, .expect = "api_rate_limit"},
        {"site, missing page", .upstream = "site", .status = 404, .expect = "api_client"},
        {"store", .upstream = "store", .status = 500, .expect = "api_server"},
        {"other, too fast", .upstream = "other", .status = 429, .expect = "api_rate_limit"},
        {"not said", .status = 404, .expect = "api_client"},
        {"not said, key", .status = 401, .expect = "api_auth"},
        {"not said, forbidden", .status = 403, .expect = "api_auth"},
        {"not said, slow", .status = 408, .expect = "net_timeout"},
        {"an upstream nobody knows", .upstream = "mars", .status = 500, .expect = "api_server"},
        {"not a failure", .upstream = "browserbase", .status = 204, .expect = "unknown"},
        {"not a failure, but an errno", .status = 200, .errno_name = "EPIPE", .expect = "net_reset"},
        {"not a status", .status = 600, .expect = "unknown"},
        {"negative", .status = -1, .expect = "unknown"},
        {"Node SDK: status only in the message", .upstream = "browserbase", .message = "Error: 403 no access",
         .expect = "bb_forbidden"},
        {"the same, bare", .upstream = "browserbase", .message = "404 no body", .expect = "bb_not_found"},
        {"Python SDK", .upstream = "llm", .message = "Error code: 429 - {'error': …}", .expect = "llm_rate_limit"},
        {"v3 client", .upstream = "stagehand", .message = "HTTP error! status: 500", .expect = "bb_server_error"},
        {"a number that is no status", .upstream = "browserbase", .message = "4040 things", .expect = "unknown"},
        {"a number in anybody's message", .message = "404 things", .expect = "unknown"},
    };
    CHECK(rows);
}

static void numbers(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"ws 1006", .ws_code = 1006, .expect = "cdp_closed"},
        {"ws 1001", .ws_code = 1001, .expect = "cdp_closed"},
        {"ws 1011", .ws_code = 1011, .expect = "cdp_closed"},
        {"ws 1012", .ws_code = 1012, .expect = "cdp_closed"},
        {"ws 1013", .ws_code = 1013, .expect = "cdp_closed"},
        {"ws closed normally", .ws_code = 1000, .expect = "unknown"},
        {"ws before errno", .ws_code = 1006, .errno_name = "ECONNRESET", .expect = "cdp_closed"},
        {"ws after the status", .ws_code = 1006, .op = "session.connect", .status = 500, .expect = "cdp_handshake"},
        {"DNS, for now", .errno_name = "EAI_AGAIN", .expect = "net_dns_temp"},
        {"DNS, libuv", .errno_name = "-3001", .expect = "net_dns_temp"},
        {"DNS", .errno_name = "ENOTFOUND", .expect = "net_dns_name"},
        {"DNS, getaddrinfo", .errno_name = "EAI_NONAME", .expect = "net_dns_name"},
        {"refused", .errno_name = "ECONNREFUSED", .expect = "net_refused"},
        {"refused, Linux", .errno_name = "111", .expect = "net_refused"},
        {"refused, libuv", .errno_name = "-111", .expect = "net_refused"},
        {"refused, lower case", .errno_name = "econnrefused", .expect = "net_refused"},
        {"reset", .errno_name = "ECONNRESET", .expect = "net_reset"},
        {"pipe", .errno_name = "EPIPE", .expect = "net_reset"},
        {"timed out", .errno_name = "ETIMEDOUT", .expect = "net_timeout"},
        {"timed out, create", .errno_name = "ETIMEDOUT", .op = "session.create", .expect = "bb_create_timeout"},
        {"timed out, model", .errno_name = "110", .upstream = "llm", .expect = "llm_timeout"},
        {"no route", .errno_name = "EHOSTUNREACH", .expect = "net_unreachable"},
        {"no network", .errno_name = "ENETUNREACH", .expect = "net_unreachable"},
        {"network down", .errno_name = "ENETDOWN", .expect = "net_unreachable"},
        {"certificate", .errno_name = "CERT_HAS_EXPIRED", .expect = "net_tls"},
        {"tunnel", .errno_name = "net::ERR_TUNNEL_CONNECTION_FAILED", .expect = "net_proxy"},
        {"proxy", .errno_name = "ERR_PROXY_CONNECTION_FAILED", .expect = "net_proxy"},
        {"site", .errno_name = "net::ERR_CONNECTION_RESET", .expect = "site_down"},
        {"locked", .errno_name = "EBUSY", .expect = "file_locked"},
        {"text busy", .errno_name = "ETXTBSY", .expect = "file_locked"},
        {"again", .errno_name = "EAGAIN", .expect = "file_locked"},
        {"exists", .errno_name = "EEXIST", .expect = "res_conflict"},
        {"memory", .errno_name = "ENOMEM", .expect = "sys_oom"},
        {"space", .errno_name = "ENOSPC", .expect = "sys_disk_full"},
        {"quota", .errno_name = "EDQUOT", .expect = "sys_disk_full"},
        {"descriptors", .errno_name = "EMFILE", .expect = "sys_fd_limit"},
        {"all descriptors", .errno_name = "ENFILE", .expect = "sys_fd_limit"},
        {"access", .errno_name = "EACCES", .expect = "sys_perm"},
        {"perm", .errno_name = "EPERM", .expect = "sys_perm"},
        {"io", .errno_name = "EIO", .expect = "sys_io"},
        {"read-only", .errno_name = "EROFS", .expect = "sys_io"},
        {"interrupted", .errno_name = "4", .expect = "sys_interrupted"},
        {"unlisted errno", .errno_name = "ENOENT", .expect = "unknown"},
        {"libuv's ENOENT is not a resolver's", .errno_name = "-2", .expect = "unknown"},
        {"positive libuv number", .errno_name = "3001", .expect = "unknown"},
        {"zero", .errno_name = "0", .expect = "unknown"},
        {"minus", .errno_name = "-", .expect = "unknown"},
        {"huge", .errno_name = "99999999999999999999", .expect = "unknown"},
        {"wraps", .errno_name = "4294967407", .expect = "unknown"},
        {"trailing text", .errno_name = "111x", .expect = "unknown"},
    };
    CHECK(rows);
}

/* ---- The table ---- */

static const char *const categories[] = {"browserbase",     "stagehand",       "network",        "data_processing",
                                         "file_processing", "agent_execution", "memory_storage", "vector_db",
                                         "api_call",        "configuration",   "system",         "security",
                                         "resource",        "recovery",        "unknown",        NULL};
static const char *const classes[] = {"transient", "recoverable", "fatal", "unknown", NULL};
static const char *const severities[] = {"low", "medium", "high", "critical", NULL};
static const char *const actions[] = {"retry", "requeue", "adjust",   "replace", "fallback",
                                      "skip",  "debug",   "escalate", "abort",   NULL};
static const char *const policies[] = {"quick",     "server_wait", "slot",  "adjust", "verify",
                                       "reconnect", "release",     "model", "none",   NULL};

static bool listed(const char *const *list, const char *word) {
    while (*list != NULL && strcmp(*list, word) != 0) {
        list++;
    }
    return *list != NULL;
}

static void table(void **state) {
    (void)state;
    size_t count = 0, creates = 0, releases = 0;
    for (; oxp_code_at(count) != NULL; count++) {
        const struct oxp_code *row = oxp_code_at(count);
        assert_true(listed(categories, row->category));
        assert_true(listed(classes, row->class));
        assert_true(listed(severities, row->severity));
        assert_true(listed(actions, row->action));
        assert_true(listed(policies, row->policy));
        assert_ptr_equal(oxp_code_find(oxp_view_from(row->name)), row);
        assert_true(count == 0 || strcmp(oxp_code_at(count - 1)->name, row->name) < 0);
        creates += row->session_create;
        releases += row->session_release;
    }
    assert_int_equal(count, 93);
    assert_in_range(creates, 1, 23); /* with "other" within the label's bound of 24 */
    assert_in_range(releases, 1, 15);
}

static void look_ups_that_fail(void **state) {
    (void)state;
    static const char *const names[] = {"", "b", "bb", "bb_", "bb_auth2", "bb_aut", "zzz", "Unknown", "unknown "};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_null(oxp_code_find(oxp_view_from(names[i])));
    }
    assert_null(oxp_code_find(oxp_view_of(NULL, 0)));
    assert_null(oxp_code_find(oxp_view_of("bb_auth\0", 8)));
}

static void unlisted_codes(void **state) {
    (void)state;
    static const struct {
        const char *code, *category;
    } rows[] = {
        {"bb_x", "browserbase"},
        {"sh_x", "stagehand"},
        {"llm_x", "api_call"},
        {"api_x", "api_call"},
        {"net_x", "network"},
        {"site_x", "network"},
        {"cdp_x", "network"},
        {"data_x", "data_processing"},
        {"file_x", "file_processing"},
        {"agent_x", "agent_execution"},
        {"task_x", "agent_execution"},
        {"mem_x", "memory_storage"},
        {"embed_x", "memory_storage"},
        {"vec_x", "vector_db"},
        {"cfg_x", "configuration"},
        {"dep_x", "configuration"},
        {"sys_x", "system"},
        {"sec_x", "security"},
        {"res_x", "resource"},
        {"breaker_x", "recovery"},
        {"ckpt_x", "recovery"},
        {"txn_x", "recovery"},
        {"bbx", "unknown"},
        {"x_bb_", "unknown"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct row row = {.code = rows[i].code};
        const struct oxp_code *found = classify(&row);
        assert_string_equal(found->name, "unknown");
        assert_string_equal(found->category, rows[i].category);
        assert_string_equal(found->class, "unknown");
        assert_string_equal(found->severity, "medium");
    }
    size_t count = 0;
    for (; oxp_code_unknown_at(count) != NULL; count++) {
        assert_true(listed(categories, oxp_code_unknown_at(count)->category));
        assert_string_not_equal(oxp_code_unknown_at(count)->category, "unknown"); /* that one is in the table */
    }
    assert_int_equal(count, 14);
}

static void order_of_the_other_tables(void **state) {
    (void)state;
    for (size_t i = 1; oxp_name_at(i) != NULL; i++) {
        assert_true(oxp_fold_compare(oxp_view_from(oxp_name_at(i - 1)->name), oxp_name_at(i)->name) < 0);
    }
    for (size_t i = 0; oxp_name_at(i) != NULL; i++) {
        assert_ptr_equal(oxp_name_find(oxp_view_from(oxp_name_at(i)->name)), oxp_name_at(i));
    }
    for (size_t i = 1; oxp_errno_at(i) != NULL; i++) {
        assert_true(oxp_fold_compare(oxp_view_from(oxp_errno_at(i - 1)->name), oxp_errno_at(i)->name) < 0);
    }
}

/* A few rows of the catalogue in full, so that the columns cannot have moved. */
static void whole_rows(void **state) {
    (void)state;
    static const struct {
        const char *name, *category, *class, *severity, *action, *policy;
    } rows[] = {
        {"bb_concurrency_limit", "browserbase", "transient", "medium", "requeue", "slot"},
        {"bb_auth", "browserbase", "fatal", "critical", "abort", "none"},
        {"api_auth", "api_call", "fatal", "critical", "abort", "none"},
        {"net_dns_name", "configuration", "recoverable", "high", "escalate", "adjust"},
        {"sh_aborted", "agent_execution", "fatal", "low", "skip", "none"},
        {"sys_interrupted", "system", "transient", "low", "retry", "quick"},
        {"breaker_open", "recovery", "transient", "low", "requeue", "slot"},
        {"unknown", "unknown", "unknown", "medium", "debug", "adjust"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct oxp_code *row = oxp_code_find(oxp_view_from(rows[i].name));
        assert_non_null(row);
        assert_string_equal(row->category, rows[i].category);
        assert_string_equal(row->class, rows[i].class);
        assert_string_equal(row->severity, rows[i].severity);
        assert_string_equal(row->action, rows[i].action);
        assert_string_equal(row->policy, rows[i].policy);
    }
}

/* Every prefix of some evidence in memory of exactly its size: the sanitizers see a read past its end. */
static void views_are_not_strings(void **state) {
    (void)state;
    static const char *const texts[] = {"Error: 403 plan", "net::ERR_CONNECTION_RESET", "StagehandShadowNewError",
                                        "-3001",           "openai.RateLimitError",     "bb_auth"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (size_t len = 0; len <= strlen(texts[i]); len++) {
            char *copy = malloc(len == 0 ? 1 : len);
            assert_non_null(copy);
            memcpy(copy, texts[i], len);
            struct oxp_view view = oxp_view_of(copy, len);
            struct oxp_evidence evidence = {.code = view,
                                            .name = view,
                                            .errno_name = view,
                                            .message = view,
                                            .upstream = OXP_VIEW("browserbase"),
                                            .status = 403};
            assert_non_null(oxp_classify(&evidence));
            evidence = (struct oxp_evidence){.errno_name = view, .message = view, .upstream = OXP_VIEW("stagehand")};
            assert_non_null(oxp_classify(&evidence));
            free(copy);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(statuses),
        cmocka_unit_test(numbers),
        cmocka_unit_test(table),
        cmocka_unit_test(look_ups_that_fail),
        cmocka_unit_test(unlisted_codes),
        cmocka_unit_test(order_of_the_other_tables),
        cmocka_unit_test(whole_rows),
        cmocka_unit_test(views_are_not_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
