/* Error class names (domain catalogue, sections 1.2, 1.3 and 3.2), matched without regard to case. */
#include "lib/resilience/evidence.h"

/* In the order of the names without regard to case; found by binary search. */
static const struct oxp_name_row rows[] = {
    {"ActTimeoutError", NAME_CODE, OXP_CODE_sh_act_timeout, 0},
    {"AgentAbortError", NAME_CODE, OXP_CODE_sh_aborted, 0},
    {"AI_NoObjectGeneratedError", NAME_CODE, OXP_CODE_llm_bad_output, 0},
    {"APIConnectionError", NAME_CODE, OXP_CODE_net_reset, 0},
    {"APIConnectionTimeoutError", NAME_TIMEOUT, OXP_CODE_net_timeout, 0},
    {"APIResponseValidationError", NAME_CODE, OXP_CODE_bb_bad_response, 0},
    {"APITimeoutError", NAME_TIMEOUT, OXP_CODE_net_timeout, 0},
    {"APIUserAbortError", NAME_CODE, OXP_CODE_sh_aborted, 0},
    {"AssertionError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"AttributeError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"AuthenticationError", NAME_STATUS, OXP_CODE_NONE, 401},
    {"BadRequestError", NAME_STATUS, OXP_CODE_NONE, 400},
    {"BrokenPipeError", NAME_WEAK, OXP_CODE_net_reset, 0},
    {"BrowserbaseSessionNotFoundError", NAME_CODE, OXP_CODE_bb_not_found, 0},
    {"CaptchaTimeoutError", NAME_CODE, OXP_CODE_sh_captcha, 0},
    {"CdpConnectionClosedError", NAME_CODE, OXP_CODE_cdp_closed, 0},
    {"ConflictError", NAME_STATUS, OXP_CODE_NONE, 409},
    {"ConnectionRefusedError", NAME_WEAK, OXP_CODE_net_refused, 0},
    {"ConnectionResetError", NAME_WEAK, OXP_CODE_net_reset, 0},
    {"ConnectionTimeoutError", NAME_CODE, OXP_CODE_sh_init_timeout, 0},
    {"content_filter", NAME_CODE, OXP_CODE_llm_refused, 0},
    {"ContentFrameNotFoundError", NAME_CODE, OXP_CODE_sh_element, 0},
    {"context_length_exceeded", NAME_CODE, OXP_CODE_llm_context, 0},
    {"CreateChatCompletionResponseError", NAME_CODE, OXP_CODE_llm_bad_output, 0},
    {"CuaModelRequiredError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"ElementNotFoundError", NAME_CODE, OXP_CODE_sh_element, 0},
    {"ElementNotVisibleError", NAME_CODE, OXP_CODE_sh_element, 0},
    {"ExperimentalApiConflictError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"ExperimentalNotConfiguredError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"ExtractTimeoutError", NAME_CODE, OXP_CODE_sh_read_timeout, 0},
    {"FileExistsError", NAME_WEAK, OXP_CODE_res_conflict, 0},
    {"HandlerNotInitializedError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"IndexError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"insufficient_quota", NAME_CODE, OXP_CODE_llm_quota, 0},
    {"InternalServerError", NAME_STATUS, OXP_CODE_NONE, 500},
    {"InterruptedError", NAME_WEAK, OXP_CODE_sys_interrupted, 0},
    {"invalid_api_key", NAME_CODE, OXP_CODE_llm_auth, 0},
    {"InvalidAISDKModelFormatError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"JSONDecodeError", NAME_WEAK, OXP_CODE_data_parse, 0},
    {"KeyError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"LLMResponseError", NAME_CODE, OXP_CODE_llm_bad_output, 0},
    {"MCPConnectionError", NAME_CODE, OXP_CODE_sh_mcp, 0},
    {"MemoryError", NAME_WEAK, OXP_CODE_sys_oom, 0},
    {"MissingEnvironmentVariableError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"MissingLLMConfigurationError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"NameError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"NoObjectGeneratedError", NAME_CODE, OXP_CODE_llm_bad_output, 0},
    {"NotFoundError", NAME_STATUS, OXP_CODE_NONE, 404},
    {"ObserveTimeoutError", NAME_CODE, OXP_CODE_sh_read_timeout, 0},
    {"overloaded_error", NAME_CODE, OXP_CODE_llm_overloaded, 0},
    {"PageNotFoundError", NAME_CODE, OXP_CODE_sh_page, 0},
    {"PermissionDeniedError", NAME_STATUS, OXP_CODE_NONE, 403},
    {"PermissionError", NAME_WEAK, OXP_CODE_sys_perm, 0},
    {"rate_limit_error", NAME_CODE, OXP_CODE_llm_rate_limit, 0},
    {"RateLimitError", NAME_STATUS, OXP_CODE_NONE, 429},
    {"ReferenceError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"ResponseBodyError", NAME_CODE, OXP_CODE_sh_stream_cut, 0},
    {"ResponseParseError", NAME_CODE, OXP_CODE_sh_parse, 0},
    {"RPCResponseTimeoutError", NAME_CODE, OXP_CODE_sh_read_timeout, 0},
    {"SSLCertVerificationError", NAME_WEAK, OXP_CODE_net_tls, 0},
    {"StagehandAPIUnauthorizedError", NAME_CODE, OXP_CODE_bb_auth, 0},
    {"StagehandBatchTimeoutError", NAME_CODE, OXP_CODE_sh_unresponsive, 0},
    {"StagehandClickError", NAME_CODE, OXP_CODE_sh_element, 0},
    {"StagehandClosedError", NAME_CODE, OXP_CODE_sh_closed, 0},
    {"StagehandDomProcessError", NAME_CODE, OXP_CODE_sh_page, 0},
    {"StagehandElementNotFoundError", NAME_CODE, OXP_CODE_sh_element, 0},
    {"StagehandHttpError", NAME_HTTP, OXP_CODE_sh_http, 0},
    {"StagehandIframeError", NAME_CODE, OXP_CODE_sh_element, 0},
    {"StagehandInitError", NAME_CODE, OXP_CODE_sh_init_timeout, 0},
    {"StagehandInvalidArgumentError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"StagehandLocatorError", NAME_CODE, OXP_CODE_sh_element, 0},
    {"StagehandMissingArgumentError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"StagehandNotInitializedError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"StagehandResponseBodyError", NAME_CODE, OXP_CODE_sh_stream_cut, 0},
    {"StagehandResponseParseError", NAME_CODE, OXP_CODE_sh_parse, 0},
    {"StagehandRuntimeIncompatibleError", NAME_CODE, OXP_CODE_sh_incompatible, 0},
    {"StagehandServerError", NAME_CODE, OXP_CODE_sh_stream_cut, 0},
    {"StagehandShadowRootMissingError", NAME_CODE, OXP_CODE_sh_element, 0},
    {"StagehandShadowSegmentEmptyError", NAME_CODE, OXP_CODE_sh_element, 0},
    {"StagehandShadowSegmentNotFoundError", NAME_CODE, OXP_CODE_sh_element, 0},
    {"StagehandSnapshotError", NAME_CODE, OXP_CODE_sh_page, 0},
    {"TimeoutError", NAME_READ, OXP_CODE_sh_read_timeout, 0},
    {"TypeError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"UnboundLocalError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"UnderstudyCommandException", NAME_CODE, OXP_CODE_sh_page, 0},
    {"UnprocessableEntityError", NAME_STATUS, OXP_CODE_NONE, 422},
    {"UnsupportedAISDKModelProviderError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"UnsupportedModelError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"UnsupportedModelProviderError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"XPathResolutionError", NAME_CODE, OXP_CODE_sh_element, 0},
    {"ZeroDivisionError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"ZodSchemaValidationError", NAME_CODE, OXP_CODE_llm_bad_output, 0},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

/* A name with Stagehand in front, or one that came from Stagehand, is looked at without that word. */
static const struct {
    const char *start; /* "" = any */
    const char *end;
    enum oxp_code_id code;
} families[] = {
    {"Missing", "Error", OXP_CODE_sh_config},        {"Unsupported", "Error", OXP_CODE_sh_config},
    {"Invalid", "Error", OXP_CODE_sh_config},        {"Experimental", "Error", OXP_CODE_sh_config},
    {"", "NotInitializedError", OXP_CODE_sh_config}, {"Shadow", "Error", OXP_CODE_sh_element},
    {"Locator", "Error", OXP_CODE_sh_element},       {"Click", "Error", OXP_CODE_sh_element},
    {"Iframe", "Error", OXP_CODE_sh_element},        {"", "ElementNotFound", OXP_CODE_sh_element},
    {"", "ElementNotVisible", OXP_CODE_sh_element},  {"ResponseBody", "Error", OXP_CODE_sh_stream_cut},
    {"ResponseParse", "Error", OXP_CODE_sh_parse},   {"Snapshot", "Error", OXP_CODE_sh_page},
    {"DomProcess", "Error", OXP_CODE_sh_page},
};

const struct oxp_name_row *oxp_name_at(size_t index) {
    return index < ROWS ? &rows[index] : NULL;
}

static struct oxp_view without_module(struct oxp_view name) {
    for (size_t i = name.len; i > 0; i--) {
        if (name.ptr[i - 1] == '.' || name.ptr[i - 1] == ':') {
            return oxp_view_of(name.ptr + i, name.len - i);
        }
    }
    return name;
}

const struct oxp_name_row *oxp_name_find(struct oxp_view name) {
    name = without_module(name);
    size_t low = 0;
    size_t high = ROWS;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = oxp_fold_compare(name, rows[middle].name);
        if (order == 0) {
            return &rows[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

enum oxp_code_id oxp_name_family(struct oxp_view name, enum oxp_upstream upstream) {
    name = without_module(name);
    bool ours = oxp_fold_starts(name, "Stagehand");
    if (!ours && upstream != OXP_UP_STAGEHAND) {
        return OXP_CODE_NONE;
    }
    if (ours) {
        size_t len = sizeof "Stagehand" - 1;
        name = oxp_view_of(name.ptr + len, name.len - len);
    }
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        if (oxp_fold_starts(name, families[i].start) && oxp_fold_ends(name, families[i].end)) {
            return families[i].code;
        }
    }
    return OXP_CODE_NONE;
}
