/* Names that others use for codes, severities and categories: those of the designs that the project follows (domain
 * catalogue, sections 2.1, 2.4 and 2.13), and of the same sort. Matched without regard to case. */
#include "lib/resilience/codes.h"

/* In the order of the names; found by binary search. A name that says only what failed, and not how, stands for the
 * code with the mildest cure: a creation for bb_server_error, a task's for sh_http and sh_agent_incomplete. */
/* clang-format off: one name to a line */
static const struct {
    const char *name;
    enum oxp_code_id code;
} aliases[] = {
    {"agent_aborted", OXP_CODE_sh_aborted},
    {"agent_incomplete", OXP_CODE_sh_agent_incomplete},
    {"agent_limit_exceeded", OXP_CODE_agent_limit},
    {"api_limits", OXP_CODE_api_rate_limit},
    {"authentication_failed", OXP_CODE_api_auth},
    {"authentication_failure", OXP_CODE_api_auth},
    {"browserbase_auth_failed", OXP_CODE_bb_auth},
    {"browserbase_concurrency_limit", OXP_CODE_bb_concurrency_limit},
    {"browserbase_connection_failed", OXP_CODE_cdp_closed},
    {"browserbase_create_failed", OXP_CODE_bb_server_error},
    {"browserbase_error", OXP_CODE_bb_server_error},
    {"browserbase_rate_limit", OXP_CODE_bb_api_rate_limit},
    {"browserbase_rate_limited", OXP_CODE_bb_api_rate_limit},
    {"browserbase_release_failed", OXP_CODE_bb_release_failed},
    {"browserbase_session_create_failed", OXP_CODE_bb_server_error},
    {"browserbase_session_creation_failed", OXP_CODE_bb_server_error},
    {"browserbase_session_error", OXP_CODE_bb_session_error},
    {"browserbase_session_expired", OXP_CODE_bb_session_timed_out},
    {"browserbase_session_failed", OXP_CODE_bb_session_error},
    {"browserbase_session_lost", OXP_CODE_cdp_closed},
    {"browserbase_session_not_found", OXP_CODE_bb_not_found},
    {"browserbase_session_release_failed", OXP_CODE_bb_release_failed},
    {"browserbase_session_timed_out", OXP_CODE_bb_session_timed_out},
    {"browserbase_session_timeout", OXP_CODE_bb_session_timed_out},
    {"captcha_failed", OXP_CODE_sh_captcha},
    {"captcha_timeout", OXP_CODE_sh_captcha},
    {"checkpoint_corrupt", OXP_CODE_ckpt_corrupt},
    {"checkpoint_failed", OXP_CODE_ckpt_write},
    {"checkpoint_write_failed", OXP_CODE_ckpt_write},
    {"circuit_breaker_open", OXP_CODE_breaker_open},
    {"circuit_open", OXP_CODE_breaker_open},
    {"configuration_error", OXP_CODE_cfg_invalid},
    {"connection_refused", OXP_CODE_net_refused},
    {"connection_reset", OXP_CODE_net_reset},
    {"corrupt_file", OXP_CODE_file_corrupt},
    {"corrupted_file", OXP_CODE_file_corrupt},
    {"critical_security_violation", OXP_CODE_sec_violation},
    {"data_processing_error", OXP_CODE_data_invalid},
    {"disk_full", OXP_CODE_sys_disk_full},
    {"embedding_api_failure", OXP_CODE_embed_failed},
    {"embedding_failed", OXP_CODE_embed_failed},
    {"infinite_loop", OXP_CODE_agent_loop},
    {"input_format", OXP_CODE_data_invalid},
    {"invalid_input", OXP_CODE_data_invalid},
    {"invalid_input_format", OXP_CODE_data_invalid},
    {"logic_errors", OXP_CODE_logic_error},
    {"memory_capacity_exceeded", OXP_CODE_mem_capacity},
    {"missing_dependencies", OXP_CODE_dep_missing},
    {"missing_dependency", OXP_CODE_dep_missing},
    {"network_error", OXP_CODE_net_reset},
    {"network_timeout", OXP_CODE_net_timeout},
    {"ocr_failed", OXP_CODE_file_ocr},
    {"ocr_failure", OXP_CODE_file_ocr},
    {"out_of_memory", OXP_CODE_sys_oom},
    {"rate_limit", OXP_CODE_api_rate_limit},
    {"rate_limit_exceeded", OXP_CODE_api_rate_limit},
    {"rate_limited", OXP_CODE_api_rate_limit},
    {"resource_conflict", OXP_CODE_res_conflict},
    {"resource_conflicts", OXP_CODE_res_conflict},
    {"resource_limit_exceeded", OXP_CODE_agent_limit},
    {"rollback_failed", OXP_CODE_txn_rollback_failed},
    {"security_issue", OXP_CODE_sec_violation},
    {"security_violation", OXP_CODE_sec_violation},
    {"session_create_failed", OXP_CODE_bb_server_error},
    {"session_creation_error", OXP_CODE_bb_server_error},
    {"session_creation_failed", OXP_CODE_bb_server_error},
    {"session_expired", OXP_CODE_bb_session_timed_out},
    {"session_failed", OXP_CODE_bb_session_error},
    {"session_not_found", OXP_CODE_bb_not_found},
    {"session_release_error", OXP_CODE_bb_release_failed},
    {"session_release_failed", OXP_CODE_bb_release_failed},
    {"session_timeout", OXP_CODE_bb_session_timed_out},
    {"SessionCreationError", OXP_CODE_bb_server_error},
    {"SessionReleaseError", OXP_CODE_bb_release_failed},
    {"stagehand_aborted", OXP_CODE_sh_aborted},
    {"stagehand_act_timeout", OXP_CODE_sh_act_timeout},
    {"stagehand_element_not_found", OXP_CODE_sh_element},
    {"stagehand_error", OXP_CODE_sh_http},
    {"stagehand_init_failed", OXP_CODE_sh_init_timeout},
    {"stagehand_task_creation_failed", OXP_CODE_sh_http},
    {"stagehand_task_execution_failed", OXP_CODE_sh_agent_incomplete},
    {"stagehand_task_failed", OXP_CODE_sh_agent_incomplete},
    {"stagehand_timeout", OXP_CODE_sh_read_timeout},
    {"system_crash", OXP_CODE_sys_crash},
    {"task_canceled", OXP_CODE_task_cancelled},
    {"task_cancellation", OXP_CODE_task_cancelled},
    {"task_creation_error", OXP_CODE_sh_http},
    {"task_creation_failed", OXP_CODE_sh_http},
    {"task_execution_error", OXP_CODE_sh_agent_incomplete},
    {"task_execution_failed", OXP_CODE_sh_agent_incomplete},
    {"task_timed_out", OXP_CODE_task_timeout},
    {"TaskCreationError", OXP_CODE_sh_http},
    {"TaskExecutionError", OXP_CODE_sh_agent_incomplete},
    {"temporary_file_lock", OXP_CODE_file_locked},
    {"tool_failed", OXP_CODE_agent_tool},
    {"tool_failure", OXP_CODE_agent_tool},
    {"unsupported_format", OXP_CODE_file_format},
    {"vector_db_connection_error", OXP_CODE_vec_down},
    {"vector_db_down", OXP_CODE_vec_down},
    {"vector_db_unavailable", OXP_CODE_vec_down},
};
/* clang-format on */

/* The scales of three and four steps and the levels of logs, on ours (section 2.13). */
static const struct {
    const char *word, *severity;
} severities[] = {
    {"low", "low"},           {"medium", "medium"},   {"high", "high"},          {"critical", "critical"},
    {"informational", "low"}, {"information", "low"}, {"info", "low"},           {"debug", "low"},
    {"notice", "low"},        {"warning", "medium"},  {"warn", "medium"},        {"moderate", "medium"},
    {"error", "high"},        {"err", "high"},        {"fatal", "critical"},     {"alert", "critical"},
    {"crit", "critical"},     {"emerg", "critical"},  {"emergency", "critical"},
};

static const struct {
    const char *word, *category;
} categories[] = {
    {"browserbase", "browserbase"},
    {"stagehand", "stagehand"},
    {"network", "network"},
    {"infrastructure", "network"},
    {"network_infrastructure", "network"},
    {"data_processing", "data_processing"},
    {"input_format", "data_processing"},
    {"file_processing", "file_processing"},
    {"agent_execution", "agent_execution"},
    {"logic", "agent_execution"},
    {"logic_errors", "agent_execution"},
    {"memory_storage", "memory_storage"},
    {"vector_db", "vector_db"},
    {"api_call", "api_call"},
    {"api_limits", "api_call"},
    {"configuration", "configuration"},
    {"system", "system"},
    {"security", "security"},
    {"security_issues", "security"},
    {"resource", "resource"},
    {"resource_conflicts", "resource"},
    {"recovery", "recovery"},
    {"unknown", "unknown"},
};

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

const struct oxp_code *oxp_code_find_alias(struct oxp_view alias) {
    size_t low = 0;
    size_t high = COUNT(aliases);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = oxp_fold_compare(alias, aliases[middle].name);
        if (order == 0) {
            return oxp_code_row(aliases[middle].code);
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const char *oxp_code_alias_at(size_t index, const struct oxp_code **code_out) {
    if (index >= COUNT(aliases)) {
        return NULL;
    }
    if (code_out != NULL) {
        *code_out = oxp_code_row(aliases[index].code);
    }
    return aliases[index].name;
}

/* "ErrorSeverity.HIGH" */
static struct oxp_view without_enum(struct oxp_view text, const char *prefix) {
    size_t len = strlen(prefix);
    return oxp_fold_starts(text, prefix) ? oxp_view_of(text.ptr + len, text.len - len) : text;
}

const char *oxp_severity_of(struct oxp_view text) {
    text = without_enum(text, "ErrorSeverity.");
    for (size_t i = 0; i < COUNT(severities); i++) {
        if (oxp_fold_compare(text, severities[i].word) == 0) {
            return severities[i].severity;
        }
    }
    return NULL;
}

const char *oxp_severity_word_at(size_t index, const char **severity_out) {
    if (index >= COUNT(severities)) {
        return NULL;
    }
    *severity_out = severities[index].severity;
    return severities[index].word;
}

const char *oxp_category_word_at(size_t index, const char **category_out) {
    if (index >= COUNT(categories)) {
        return NULL;
    }
    *category_out = categories[index].category;
    return categories[index].word;
}

const char *oxp_category_of(struct oxp_view text) {
    text = without_enum(text, "ErrorCategory.");
    for (size_t i = 0; i < COUNT(categories); i++) {
        if (oxp_fold_compare(text, categories[i].word) == 0) {
            return categories[i].category;
        }
    }
    return NULL;
}
