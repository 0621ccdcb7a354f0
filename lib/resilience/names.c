/* Error class names (domain catalogue, sections 1.2, 1.3 and 3.2), matched without regard to case. */
#include "lib/resilience/evidence.h"

/* In the order of the names without regard to case; found by binary search. */
static const struct oxp_name_row rows[] = {
    {"AbortError", NAME_CODE, OXP_CODE_sh_aborted, 0},
    {"ActTimeoutError", NAME_CODE, OXP_CODE_sh_act_timeout, 0},
    {"AgentAbortError", NAME_CODE, OXP_CODE_sh_aborted, 0},
    {"AI_NoObjectGeneratedError", NAME_CODE, OXP_CODE_llm_bad_output, 0},
    {"APIConnectionError", NAME_LINK, OXP_CODE_net_reset, 0},
    {"APIConnectionTimeoutError", NAME_TIMEOUT, OXP_CODE_net_timeout, 0},
    {"APIResponseValidationError", NAME_CODE, OXP_CODE_bb_bad_response, 0},
    {"APITimeoutError", NAME_TIMEOUT, OXP_CODE_net_timeout, 0},
    {"APIUserAbortError", NAME_CODE, OXP_CODE_sh_aborted, 0},
    {"AssertionError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"AttributeError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"AuthenticationError", NAME_STATUS, OXP_CODE_NONE, 401},
    {"BadRequestError", NAME_STATUS, OXP_CODE_NONE, 400},
    {"BadZipFile", NAME_WEAK, OXP_CODE_file_corrupt, 0},
    {"BlockingIOError", NAME_WEAK, OXP_CODE_file_locked, 0},
    {"BodyTimeoutError", NAME_TIMEOUT, OXP_CODE_net_timeout, 0},
    {"BreakerOpenError", NAME_CODE, OXP_CODE_breaker_open, 0},
    {"BrokenPipeError", NAME_WEAK, OXP_CODE_net_reset, 0},
    {"BrowserbaseSessionNotFoundError", NAME_CODE, OXP_CODE_bb_not_found, 0},
    {"CancelledError", NAME_WEAK, OXP_CODE_task_cancelled, 0},
    {"CaptchaTimeoutError", NAME_CODE, OXP_CODE_sh_captcha, 0},
    {"CdpConnectionClosedError", NAME_CODE, OXP_CODE_cdp_closed, 0},
    {"CheckpointCorruptError", NAME_CODE, OXP_CODE_ckpt_corrupt, 0},
    {"CheckpointIntegrityError", NAME_CODE, OXP_CODE_ckpt_corrupt, 0},
    {"CheckpointWriteError", NAME_CODE, OXP_CODE_ckpt_write, 0},
    {"CircuitBreakerError", NAME_CODE, OXP_CODE_breaker_open, 0},
    {"CircuitBreakerOpenError", NAME_CODE, OXP_CODE_breaker_open, 0},
    {"CircuitOpenError", NAME_CODE, OXP_CODE_breaker_open, 0},
    {"ConfigError", NAME_CODE, OXP_CODE_cfg_invalid, 0},
    {"ConfigurationError", NAME_CODE, OXP_CODE_cfg_invalid, 0},
    {"ConflictError", NAME_STATUS, OXP_CODE_NONE, 409},
    {"ConnectError", NAME_LINK, OXP_CODE_net_reset, 0},
    {"ConnectionAbortedError", NAME_WEAK, OXP_CODE_net_reset, 0},
    {"ConnectionClosedError", NAME_WEAK, OXP_CODE_cdp_closed, 0},
    {"ConnectionError", NAME_LINK, OXP_CODE_net_reset, 0},
    {"ConnectionRefusedError", NAME_WEAK, OXP_CODE_net_refused, 0},
    {"ConnectionResetError", NAME_WEAK, OXP_CODE_net_reset, 0},
    {"ConnectionTimeoutError", NAME_CODE, OXP_CODE_sh_init_timeout, 0},
    {"ConnectTimeout", NAME_TIMEOUT, OXP_CODE_net_timeout, 0},
    {"ConnectTimeoutError", NAME_TIMEOUT, OXP_CODE_net_timeout, 0},
    {"content_filter", NAME_CODE, OXP_CODE_llm_refused, 0},
    {"ContentFrameNotFoundError", NAME_CODE, OXP_CODE_sh_element, 0},
    {"context_length_exceeded", NAME_CODE, OXP_CODE_llm_context, 0},
    {"CorruptedFileError", NAME_CODE, OXP_CODE_file_corrupt, 0},
    {"CorruptFileError", NAME_CODE, OXP_CODE_file_corrupt, 0},
    {"CreateChatCompletionResponseError", NAME_CODE, OXP_CODE_llm_bad_output, 0},
    {"CuaModelRequiredError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"DomainPolicyError", NAME_CODE, OXP_CODE_sec_violation, 0},
    {"ElementNotFoundError", NAME_CODE, OXP_CODE_sh_element, 0},
    {"ElementNotVisibleError", NAME_CODE, OXP_CODE_sh_element, 0},
    {"EmbeddingAPIError", NAME_CODE, OXP_CODE_embed_failed, 0},
    {"EmbeddingError", NAME_CODE, OXP_CODE_embed_failed, 0},
    {"ExperimentalApiConflictError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"ExperimentalNotConfiguredError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"ExtractTimeoutError", NAME_CODE, OXP_CODE_sh_read_timeout, 0},
    {"FileExistsError", NAME_WEAK, OXP_CODE_res_conflict, 0},
    {"gaierror", NAME_WRAP, OXP_CODE_net_dns_temp, 0},
    {"HandlerNotInitializedError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"HeadersTimeoutError", NAME_TIMEOUT, OXP_CODE_net_timeout, 0},
    {"ImportError", NAME_WEAK, OXP_CODE_dep_missing, 0},
    {"IndexError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"InfiniteLoopError", NAME_CODE, OXP_CODE_agent_loop, 0},
    {"insufficient_quota", NAME_CODE, OXP_CODE_llm_quota, 0},
    {"InternalServerError", NAME_STATUS, OXP_CODE_NONE, 500},
    {"InterruptedError", NAME_WEAK, OXP_CODE_sys_interrupted, 0},
    {"invalid_api_key", NAME_CODE, OXP_CODE_llm_auth, 0},
    {"InvalidAISDKModelFormatError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"JSONDecodeError", NAME_WEAK, OXP_CODE_data_parse, 0},
    {"KeyboardInterrupt", NAME_WEAK, OXP_CODE_task_cancelled, 0},
    {"KeyError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"LLMResponseError", NAME_CODE, OXP_CODE_llm_bad_output, 0},
    {"MaxStepsExceededError", NAME_CODE, OXP_CODE_agent_limit, 0},
    {"MCPConnectionError", NAME_CODE, OXP_CODE_sh_mcp, 0},
    {"MemoryCapacityError", NAME_CODE, OXP_CODE_mem_capacity, 0},
    {"MemoryCapacityExceededError", NAME_CODE, OXP_CODE_mem_capacity, 0},
    {"MemoryError", NAME_WEAK, OXP_CODE_sys_oom, 0},
    {"MissingEnvironmentVariableError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"MissingLLMConfigurationError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"ModuleNotFoundError", NAME_WEAK, OXP_CODE_dep_missing, 0},
    {"NameError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"NoObjectGeneratedError", NAME_CODE, OXP_CODE_llm_bad_output, 0},
    {"NotFoundError", NAME_STATUS, OXP_CODE_NONE, 404},
    {"NotImplementedError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"ObserveTimeoutError", NAME_CODE, OXP_CODE_sh_read_timeout, 0},
    {"OCRError", NAME_CODE, OXP_CODE_file_ocr, 0},
    {"OCRFailureError", NAME_CODE, OXP_CODE_file_ocr, 0},
    {"OrchestratorError", NAME_WRAP, OXP_CODE_unknown, 0},
    {"OutOfMemoryError", NAME_WEAK, OXP_CODE_sys_oom, 0},
    {"overloaded_error", NAME_CODE, OXP_CODE_llm_overloaded, 0},
    {"PageNotFoundError", NAME_CODE, OXP_CODE_sh_page, 0},
    {"PermissionDeniedError", NAME_STATUS, OXP_CODE_NONE, 403},
    {"PermissionError", NAME_WEAK, OXP_CODE_sys_perm, 0},
    {"ProxyError", NAME_WEAK, OXP_CODE_net_proxy, 0},
    {"RangeError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"rate_limit_error", NAME_CODE, OXP_CODE_llm_rate_limit, 0},
    {"RateLimitError", NAME_STATUS, OXP_CODE_NONE, 429},
    {"ReadError", NAME_WEAK, OXP_CODE_net_reset, 0},
    {"ReadTimeout", NAME_TIMEOUT, OXP_CODE_net_timeout, 0},
    {"RecursionError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"ReferenceError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"RemoteProtocolError", NAME_WEAK, OXP_CODE_net_reset, 0},
    {"ResourceLimitExceededError", NAME_CODE, OXP_CODE_agent_limit, 0},
    {"ResponseBodyError", NAME_CODE, OXP_CODE_sh_stream_cut, 0},
    {"ResponseParseError", NAME_CODE, OXP_CODE_sh_parse, 0},
    {"RollbackError", NAME_CODE, OXP_CODE_txn_rollback_failed, 0},
    {"RPCResponseTimeoutError", NAME_CODE, OXP_CODE_sh_read_timeout, 0},
    {"SecurityViolationError", NAME_CODE, OXP_CODE_sec_violation, 0},
    {"SessionCreationError", NAME_CREATE, OXP_CODE_bb_server_error, 0},
    {"SessionReleaseError", NAME_CODE, OXP_CODE_bb_release_failed, 0},
    {"SSLCertVerificationError", NAME_WEAK, OXP_CODE_net_tls, 0},
    {"SSLError", NAME_WRAP, OXP_CODE_net_reset, 0},
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
    {"SyntaxError", NAME_WEAK, OXP_CODE_data_parse, 0},
    {"TargetClosedError", NAME_CODE, OXP_CODE_cdp_closed, 0},
    {"TaskCancelledError", NAME_CODE, OXP_CODE_task_cancelled, 0},
    {"TaskCreationError", NAME_WRAP, OXP_CODE_sh_http, 0},
    {"TaskExecutionError", NAME_WRAP, OXP_CODE_sh_agent_incomplete, 0},
    {"TaskStalledError", NAME_CODE, OXP_CODE_task_stalled, 0},
    {"TaskTimeoutError", NAME_CODE, OXP_CODE_task_timeout, 0},
    {"TimeoutError", NAME_READ, OXP_CODE_sh_read_timeout, 0},
    {"ToolError", NAME_CODE, OXP_CODE_agent_tool, 0},
    {"ToolExecutionError", NAME_CODE, OXP_CODE_agent_tool, 0},
    {"ToolFailureError", NAME_CODE, OXP_CODE_agent_tool, 0},
    {"TypeError", NAME_FETCH, OXP_CODE_logic_error, 0},
    {"UnboundLocalError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"UnderstudyCommandException", NAME_CODE, OXP_CODE_sh_page, 0},
    {"UnicodeDecodeError", NAME_WEAK, OXP_CODE_data_parse, 0},
    {"UnprocessableEntityError", NAME_STATUS, OXP_CODE_NONE, 422},
    {"UnsupportedAISDKModelProviderError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"UnsupportedFileFormatError", NAME_CODE, OXP_CODE_file_format, 0},
    {"UnsupportedFormatError", NAME_CODE, OXP_CODE_file_format, 0},
    {"UnsupportedModelError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"UnsupportedModelProviderError", NAME_CODE, OXP_CODE_sh_config, 0},
    {"ValidationError", NAME_WEAK, OXP_CODE_data_schema, 0},
    {"ValueError", NAME_WEAK, OXP_CODE_data_invalid, 0},
    {"VectorDBConnectionError", NAME_CODE, OXP_CODE_vec_down, 0},
    {"VectorDBError", NAME_CODE, OXP_CODE_vec_down, 0},
    {"VectorStoreError", NAME_CODE, OXP_CODE_vec_down, 0},
    {"WriteError", NAME_WEAK, OXP_CODE_net_reset, 0},
    {"WriteTimeout", NAME_TIMEOUT, OXP_CODE_net_timeout, 0},
    {"XPathResolutionError", NAME_CODE, OXP_CODE_sh_element, 0},
    {"ZeroDivisionError", NAME_WEAK, OXP_CODE_logic_error, 0},
    {"ZodError", NAME_WEAK, OXP_CODE_data_schema, 0},
    {"ZodSchemaValidationError", NAME_CODE, OXP_CODE_llm_bad_output, 0},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

/* A name with Stagehand in front, or one that came from Stagehand, is looked at without that word. */
static const struct oxp_name_family_row families[] = {
    {"Missing", "Error", OXP_CODE_sh_config},        {"Unsupported", "Error", OXP_CODE_sh_config},
    {"Invalid", "Error", OXP_CODE_sh_config},        {"Experimental", "Error", OXP_CODE_sh_config},
    {"", "NotInitializedError", OXP_CODE_sh_config}, {"Shadow", "Error", OXP_CODE_sh_element},
    {"Locator", "Error", OXP_CODE_sh_element},       {"Click", "Error", OXP_CODE_sh_element},
    {"Iframe", "Error", OXP_CODE_sh_element},        {"", "ElementNotFound", OXP_CODE_sh_element},
    {"", "ElementNotVisible", OXP_CODE_sh_element},  {"ResponseBody", "Error", OXP_CODE_sh_stream_cut},
    {"ResponseParse", "Error", OXP_CODE_sh_parse},   {"Snapshot", "Error", OXP_CODE_sh_page},
    {"DomProcess", "Error", OXP_CODE_sh_page},
};

const struct oxp_name_family_row *oxp_name_family_at(size_t index) {
    return index < sizeof families / sizeof families[0] ? &families[index] : NULL;
}

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

enum oxp_code_id oxp_name_family(struct oxp_view name, unsigned upstream) {
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

static bool is_name(char c) {
    return oxp_fold_is_word(c) || c == '_' || c == '.';
}

struct oxp_view oxp_name_in_message(struct oxp_view message) {
    size_t len = 0;
    while (len < message.len && is_name(message.ptr[len])) {
        len++;
    }
    struct oxp_view name = oxp_view_of(message.ptr, len);
    bool known = len > 0 && len < message.len && message.ptr[len] == ':' &&
                 (oxp_name_find(name) != NULL || oxp_name_family(name, OXP_UP_NONE) != OXP_CODE_NONE);
    return known ? name : oxp_view_of(NULL, 0);
}

unsigned oxp_upstream_of_module(struct oxp_view name, unsigned otherwise) {
    static const struct {
        const char *module;
        unsigned upstream;
    } modules[] = {
        {"openai.", OXP_UP_LLM},
        {"anthropic.", OXP_UP_LLM},
        {"browserbase.", OXP_UP_BROWSERBASE},
        {"stagehand.", OXP_UP_STAGEHAND},
    };
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
        if (oxp_fold_starts(name, modules[i].module)) {
            return modules[i].upstream;
        }
    }
    return otherwise;
}
