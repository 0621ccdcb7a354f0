/* The last evidence: words of the message (domain catalogue, sections 1.3, 1.4 and 3.2), in two steps.
 *
 * 1. A symbol in the text that errno would have given ("connect ECONNREFUSED 127.0.0.1:443"): the first one.
 * 2. The table of phrases. Where several stand in the text, the one that is higher in the table decides: what names a
 *    thing stands above what names only a kind of failure, "timed out" last of all. A phrase counts only where no
 * letter or digit goes on beside it, and case does not matter.
 *
 * Only the beginning of a long message is looked at: what follows is a stack or a page. */
#include "lib/resilience/evidence.h"

enum { LOOK_AT_BYTES = 2048 };

#define ANY OXP_UP_ANY
#define NOT_SITE (OXP_UP_ANY & ~(unsigned)OXP_UP_SITE)
#define OURS (OXP_UP_NONE | OXP_UP_BROWSERBASE | OXP_UP_STAGEHAND | OXP_UP_OTHER)
#define SITE (OXP_UP_NONE | OXP_UP_SITE | OXP_UP_OTHER)
#define MODEL (OXP_UP_ANY & ~((unsigned)OXP_UP_BROWSERBASE | OXP_UP_SITE)) /* who may hand on what a model said */

/* clang-format off: one phrase to a line */
static const struct oxp_message_row rows[] = {
    /* the two services, and the link to a browser */
    {ANY, "session create timed out", OXP_CODE_bb_create_timeout},
    {ANY, "session creation timed out", OXP_CODE_bb_create_timeout},
    {ANY, "initialization timed out", OXP_CODE_sh_init_timeout},
    {ANY, "waitforfirsttoplevelpage", OXP_CODE_sh_init_timeout},
    {ANY, "rpc client is closed", OXP_CODE_sh_closed},
    {ANY, "stagehand is closed", OXP_CODE_sh_closed},
    {ANY, "page, context or browser has been closed", OXP_CODE_cdp_closed},
    {ANY, "browser has been closed", OXP_CODE_cdp_closed},
    {ANY, "browser has disconnected", OXP_CODE_cdp_closed},
    {ANY, "cdp transport closed", OXP_CODE_cdp_closed},
    {ANY, "cdp connection closed", OXP_CODE_cdp_closed},
    {ANY, "most likely the page has been closed", OXP_CODE_cdp_closed},
    {ANY, "target closed", OXP_CODE_cdp_closed},
    {ANY, "unexpected shape", OXP_CODE_bb_bad_response},
    {ANY, "missing connecturl", OXP_CODE_bb_bad_response},
    {ANY, "connecturl is missing", OXP_CODE_bb_bad_response},
    {ANY, "no connecturl", OXP_CODE_bb_bad_response},
    {ANY, "solving-errored", OXP_CODE_sh_captcha},
    {ANY, "captcha timed out", OXP_CODE_sh_captcha},
    {ANY, "captcha timeout", OXP_CODE_sh_captcha},
    {ANY, "captcha solver", OXP_CODE_sh_captcha},
    {ANY, "captcha not solved", OXP_CODE_sh_captcha},
    {OURS, "extension is missing", OXP_CODE_sh_incompatible},
    {OURS, "extension missing", OXP_CODE_sh_incompatible},
    {OURS, "extension is not installed", OXP_CODE_sh_incompatible},
    {OURS, "extension not installed", OXP_CODE_sh_incompatible},
    {OURS, "extension is disabled", OXP_CODE_sh_incompatible},
    {OURS, "extension disabled", OXP_CODE_sh_incompatible},
    {OURS, "act() timed out", OXP_CODE_sh_act_timeout},
    {OURS, "agent() timed out", OXP_CODE_sh_act_timeout},
    {OURS, "execute() timed out", OXP_CODE_sh_act_timeout},
    {OURS, "extract() timed out", OXP_CODE_sh_read_timeout},
    {OURS, "observe() timed out", OXP_CODE_sh_read_timeout},
    {OURS, "no action found", OXP_CODE_sh_unsuccessful},
    {OURS, "element not found", OXP_CODE_sh_element},
    {OURS, "element is not visible", OXP_CODE_sh_element},
    {OURS, "no element found", OXP_CODE_sh_element},
    {OURS, "could not find element", OXP_CODE_sh_element},
    {OURS, "could not find an element", OXP_CODE_sh_element},
    {OURS, "mcp connection", OXP_CODE_sh_mcp},
    {OURS, "mcp server", OXP_CODE_sh_mcp},
    {OXP_UP_STAGEHAND, "unknown error", OXP_CODE_sh_http},
    {ANY, "http error! status", OXP_CODE_sh_http},
    /* models */
    {ANY, "insufficient_quota", OXP_CODE_llm_quota},
    {ANY, "exceeded your current quota", OXP_CODE_llm_quota},
    {ANY, "credit balance is too low", OXP_CODE_llm_quota},
    {ANY, "rate_limit_error", OXP_CODE_llm_rate_limit},
    {MODEL, "rate limit reached for", OXP_CODE_llm_rate_limit},
    {ANY, "overloaded_error", OXP_CODE_llm_overloaded},
    {ANY, "context_length_exceeded", OXP_CODE_llm_context},
    {ANY, "maximum context length", OXP_CODE_llm_context},
    {ANY, "prompt is too long", OXP_CODE_llm_context},
    {ANY, "content_filter", OXP_CODE_llm_refused},
    {ANY, "content filter", OXP_CODE_llm_refused},
    {ANY, "content policy", OXP_CODE_llm_refused},
    {ANY, "content management policy", OXP_CODE_llm_refused},
    {ANY, "invalid_api_key", OXP_CODE_llm_auth},
    {ANY, "no object generated", OXP_CODE_llm_bad_output},
    {ANY, "response did not match schema", OXP_CODE_llm_bad_output},
    /* what the library and the orchestrator say of themselves */
    {ANY, "circuit breaker is open", OXP_CODE_breaker_open},
    {ANY, "circuit breaker open", OXP_CODE_breaker_open},
    {ANY, "circuit is open", OXP_CODE_breaker_open},
    {ANY, "breaker is open", OXP_CODE_breaker_open},
    {ANY, "checkpoint checksum", OXP_CODE_ckpt_corrupt},
    {ANY, "checkpoint is corrupt", OXP_CODE_ckpt_corrupt},
    {ANY, "checkpoint is corrupted", OXP_CODE_ckpt_corrupt},
    {ANY, "checkpoint corrupted", OXP_CODE_ckpt_corrupt},
    {ANY, "corrupt checkpoint", OXP_CODE_ckpt_corrupt},
    {ANY, "corrupted checkpoint", OXP_CODE_ckpt_corrupt},
    {ANY, "checkpoint write failed", OXP_CODE_ckpt_write},
    {ANY, "failed to write checkpoint", OXP_CODE_ckpt_write},
    {ANY, "failed to save checkpoint", OXP_CODE_ckpt_write},
    {ANY, "could not write checkpoint", OXP_CODE_ckpt_write},
    {ANY, "rollback failed", OXP_CODE_txn_rollback_failed},
    {ANY, "undo step failed", OXP_CODE_txn_rollback_failed},
    {ANY, "compensation failed", OXP_CODE_txn_rollback_failed},
    {ANY, "task cancelled", OXP_CODE_task_cancelled},
    {ANY, "task canceled", OXP_CODE_task_cancelled},
    {ANY, "cancelled by user", OXP_CODE_task_cancelled},
    {ANY, "canceled by user", OXP_CODE_task_cancelled},
    {ANY, "task timed out", OXP_CODE_task_timeout},
    {ANY, "task deadline exceeded", OXP_CODE_task_timeout},
    {ANY, "task stalled", OXP_CODE_task_stalled},
    {ANY, "no progress", OXP_CODE_task_stalled},
    {ANY, "missing configuration", OXP_CODE_cfg_invalid},
    {ANY, "invalid configuration", OXP_CODE_cfg_invalid},
    {ANY, "missing environment variable", OXP_CODE_cfg_invalid},
    {ANY, "missing required setting", OXP_CODE_cfg_invalid},
    {ANY, "security violation", OXP_CODE_sec_violation},
    {ANY, "domain policy", OXP_CODE_sec_violation},
    {ANY, "domain not allowed", OXP_CODE_sec_violation},
    {ANY, "domain is not allowed", OXP_CODE_sec_violation},
    {ANY, "tampering detected", OXP_CODE_sec_violation},
    {ANY, "secret exposed", OXP_CODE_sec_violation},
    /* agents, memory, files, data, dependencies (the specialised errors of the design) */
    {ANY, "max_steps", OXP_CODE_agent_limit},
    {ANY, "max steps", OXP_CODE_agent_limit},
    {ANY, "maximum number of steps", OXP_CODE_agent_limit},
    {ANY, "step limit", OXP_CODE_agent_limit},
    {ANY, "max_time", OXP_CODE_agent_limit},
    {ANY, "max_tokens", OXP_CODE_agent_limit},
    {ANY, "token limit exceeded", OXP_CODE_agent_limit},
    {ANY, "resource limit exceeded", OXP_CODE_agent_limit},
    {ANY, "tool failed", OXP_CODE_agent_tool},
    {ANY, "tool failure", OXP_CODE_agent_tool},
    {ANY, "tool call failed", OXP_CODE_agent_tool},
    {ANY, "tool execution failed", OXP_CODE_agent_tool},
    {ANY, "infinite loop", OXP_CODE_agent_loop},
    {ANY, "repeated the same step", OXP_CODE_agent_loop},
    {ANY, "loop detected", OXP_CODE_agent_loop},
    {ANY, "memory capacity exceeded", OXP_CODE_mem_capacity},
    {ANY, "memory store is full", OXP_CODE_mem_capacity},
    {ANY, "capacity exceeded", OXP_CODE_mem_capacity},
    {ANY, "connect to vector", OXP_CODE_vec_down},
    {ANY, "connect to the vector", OXP_CODE_vec_down},
    {ANY, "vector db connection", OXP_CODE_vec_down},
    {ANY, "vector database connection", OXP_CODE_vec_down},
    {ANY, "vector database is down", OXP_CODE_vec_down},
    {ANY, "embedding api", OXP_CODE_embed_failed},
    {ANY, "embedding failed", OXP_CODE_embed_failed},
    {ANY, "embedding request failed", OXP_CODE_embed_failed},
    {ANY, "unsupported format", OXP_CODE_file_format},
    {ANY, "unsupported file format", OXP_CODE_file_format},
    {ANY, "unsupported file type", OXP_CODE_file_format},
    {ANY, "ocr failed", OXP_CODE_file_ocr},
    {ANY, "ocr failure", OXP_CODE_file_ocr},
    {ANY, "corrupt file", OXP_CODE_file_corrupt},
    {ANY, "corrupted file", OXP_CODE_file_corrupt},
    {ANY, "file is corrupt", OXP_CODE_file_corrupt},
    {ANY, "file is corrupted", OXP_CODE_file_corrupt},
    {ANY, "no module named", OXP_CODE_dep_missing},
    {ANY, "cannot find module", OXP_CODE_dep_missing},
    {ANY, "cannot find package", OXP_CODE_dep_missing},
    {ANY, "missing dependency", OXP_CODE_dep_missing},
    {ANY, "command not found", OXP_CODE_dep_missing},
    {ANY, "cannot open shared object file", OXP_CODE_dep_missing},
    {ANY, "schema mismatch", OXP_CODE_data_schema},
    {ANY, "does not match schema", OXP_CODE_data_schema},
    {ANY, "does not match the schema", OXP_CODE_data_schema},
    {ANY, "schema validation", OXP_CODE_data_schema},
    {ANY, "invalid json", OXP_CODE_data_parse},
    {ANY, "in json at position", OXP_CODE_data_parse},
    {ANY, "is not valid json", OXP_CODE_data_parse},
    {ANY, "unexpected end of json input", OXP_CODE_data_parse},
    {ANY, "expecting value: line", OXP_CODE_data_parse},
    {ANY, "invalid input", OXP_CODE_data_invalid},
    {ANY, "invalid input format", OXP_CODE_data_invalid},
    {ANY, "no data found", OXP_CODE_data_empty},
    {ANY, "nothing found", OXP_CODE_data_empty},
    {ANY, "no results found", OXP_CODE_data_empty},
    /* the machine, in the words of strerror(3) and of kernels */
    {ANY, "no space left on device", OXP_CODE_sys_disk_full},
    {ANY, "disk quota exceeded", OXP_CODE_sys_disk_full},
    {ANY, "too many open files", OXP_CODE_sys_fd_limit},
    {ANY, "cannot allocate memory", OXP_CODE_sys_oom},
    {ANY, "out of memory", OXP_CODE_sys_oom},
    {ANY, "oom_kill", OXP_CODE_sys_oom},
    {ANY, "oom-kill", OXP_CODE_sys_oom},
    {ANY, "oomkilled", OXP_CODE_sys_oom},
    {ANY, "sigkill", OXP_CODE_sys_oom},
    {ANY, "input/output error", OXP_CODE_sys_io},
    {ANY, "read-only file system", OXP_CODE_sys_io},
    {ANY, "segmentation fault", OXP_CODE_sys_crash},
    {ANY, "core dumped", OXP_CODE_sys_crash},
    {ANY, "sigsegv", OXP_CODE_sys_crash},
    {ANY, "sigabrt", OXP_CODE_sys_crash},
    {ANY, "sigbus", OXP_CODE_sys_crash},
    {ANY, "interrupted system call", OXP_CODE_sys_interrupted},
    {ANY, "text file busy", OXP_CODE_file_locked},
    {ANY, "device or resource busy", OXP_CODE_file_locked},
    {ANY, "resource temporarily unavailable", OXP_CODE_file_locked},
    {ANY, "file is locked", OXP_CODE_file_locked},
    {ANY, "file exists", OXP_CODE_res_conflict},
    {ANY, "resource conflict", OXP_CODE_res_conflict},
    {ANY, "lock held", OXP_CODE_res_conflict},
    {ANY, "lock is held", OXP_CODE_res_conflict},
    {ANY, "already locked", OXP_CODE_res_conflict},
    {ANY, "could not acquire lock", OXP_CODE_res_conflict},
    {ANY, "session is busy", OXP_CODE_res_conflict},
    {ANY, "already in use", OXP_CODE_res_conflict},
    {NOT_SITE, "permission denied", OXP_CODE_sys_perm},
    {NOT_SITE, "operation not permitted", OXP_CODE_sys_perm},
    /* sites */
    {SITE, "just a moment", OXP_CODE_site_blocked},
    {SITE, "verify you are human", OXP_CODE_site_blocked},
    {SITE, "unusual traffic", OXP_CODE_site_blocked},
    {SITE, "bot detected", OXP_CODE_site_blocked},
    {SITE, "captcha required", OXP_CODE_site_blocked},
    {OXP_UP_SITE, "access denied", OXP_CODE_site_blocked},
    /* the network */
    {ANY, "certificate verify failed", OXP_CODE_net_tls},
    {ANY, "certificate has expired", OXP_CODE_net_tls},
    {ANY, "self signed certificate", OXP_CODE_net_tls},
    {ANY, "self-signed certificate", OXP_CODE_net_tls},
    {ANY, "unable to verify the first certificate", OXP_CODE_net_tls},
    {ANY, "temporary failure in name resolution", OXP_CODE_net_dns_temp},
    {ANY, "name or service not known", OXP_CODE_net_dns_name},
    {ANY, "nodename nor servname provided", OXP_CODE_net_dns_name},
    {ANY, "no such host", OXP_CODE_net_dns_name},
    {ANY, "could not resolve host", OXP_CODE_net_dns_temp},
    {ANY, "connection refused", OXP_CODE_net_refused},
    {ANY, "all connection attempts failed", OXP_CODE_net_refused},
    {ANY, "network is unreachable", OXP_CODE_net_unreachable},
    {ANY, "no route to host", OXP_CODE_net_unreachable},
    {ANY, "socket hang up", OXP_CODE_net_reset},
    {ANY, "premature close", OXP_CODE_net_reset},
    {ANY, "connection reset", OXP_CODE_net_reset},
    {ANY, "connection aborted", OXP_CODE_net_reset},
    {ANY, "connection closed", OXP_CODE_net_reset},
    {ANY, "connection error", OXP_CODE_net_reset},
    {ANY, "broken pipe", OXP_CODE_net_reset},
    {ANY, "other side closed", OXP_CODE_net_reset},
    {ANY, "remote end closed connection", OXP_CODE_net_reset},
    {ANY, "empty reply from server", OXP_CODE_net_reset},
    {ANY, "fetch failed", OXP_CODE_net_reset},
    {ANY, "deadline exceeded", OXP_CODE_net_timeout},
    {ANY, "timed out", OXP_CODE_net_timeout},
    {ANY, "timeout", OXP_CODE_net_timeout},
};
/* clang-format on */

enum { ROWS = sizeof rows / sizeof rows[0] };

const struct oxp_message_row *oxp_message_at(size_t index) {
    return index < ROWS ? &rows[index] : NULL;
}

static bool is_symbol(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Step 1. */
static enum oxp_code_id of_symbols(struct oxp_view text) {
    for (size_t at = 0; at < text.len;) {
        size_t end = at;
        while (end < text.len && is_symbol(text.ptr[end])) {
            end++;
        }
        bool whole =
            (at == 0 || !oxp_fold_is_word(text.ptr[at - 1])) && (end == text.len || !oxp_fold_is_word(text.ptr[end]));
        if (whole && end - at >= 3 && text.ptr[at] >= 'A') {
            enum oxp_code_id code = oxp_code_of_errno(oxp_view_of(text.ptr + at, end - at));
            if (code != OXP_CODE_NONE) {
                return code;
            }
        }
        at = end + 1;
    }
    return OXP_CODE_NONE;
}

/* Step 2. */
static enum oxp_code_id of_phrases(struct oxp_view text, unsigned upstream) {
    size_t best = ROWS;
    for (size_t at = 0; at < text.len; at++) {
        if (at > 0 && oxp_fold_is_word(text.ptr[at - 1])) {
            continue;
        }
        char first = (char)oxp_fold_lower(text.ptr[at]);
        for (size_t i = 0; i < best; i++) {
            if (rows[i].phrase[0] == first && (rows[i].upstreams & upstream) != 0 &&
                oxp_fold_stands_at(text, at, rows[i].phrase)) {
                best = i;
            }
        }
    }
    return best < ROWS ? rows[best].code : OXP_CODE_NONE;
}

enum oxp_code_id oxp_code_of_message(const struct oxp_case *c) {
    struct oxp_view text = c->message;
    text.len = text.len < LOOK_AT_BYTES ? text.len : LOOK_AT_BYTES;
    enum oxp_code_id code = of_symbols(text);
    return code == OXP_CODE_NONE ? of_phrases(text, c->upstream) : code;
}
