/* What the operating system and curl say: errno and getaddrinfo names with those of Node and Chromium, CURLcode, exit
 * statuses and signals (domain catalogue, section 3.2). */
#include <errno.h>
#include <signal.h>

#include "lib/base/number.h"
#include "lib/resilience/evidence.h"

/* In the order of the names; `number` is Linux's, or libuv's where it has none of its own. */
static const struct oxp_system_row errnos[] = {
    {0, "CERT_HAS_EXPIRED", OXP_CODE_net_tls},
    {0, "DEPTH_ZERO_SELF_SIGNED_CERT", OXP_CODE_net_tls},
    {EACCES, "EACCES", OXP_CODE_sys_perm},
    {EADDRINUSE, "EADDRINUSE", OXP_CODE_res_conflict},
    {EAGAIN, "EAGAIN", OXP_CODE_file_locked},
    {-3001, "EAI_AGAIN", OXP_CODE_net_dns_temp},
    {-3008, "EAI_NONAME", OXP_CODE_net_dns_name},
    {EBUSY, "EBUSY", OXP_CODE_file_locked},
    {ECANCELED, "ECANCELED", OXP_CODE_task_cancelled},
    {ECONNABORTED, "ECONNABORTED", OXP_CODE_net_reset},
    {ECONNREFUSED, "ECONNREFUSED", OXP_CODE_net_refused},
    {ECONNRESET, "ECONNRESET", OXP_CODE_net_reset},
    {EDEADLK, "EDEADLK", OXP_CODE_res_conflict},
    {EDQUOT, "EDQUOT", OXP_CODE_sys_disk_full},
    {EEXIST, "EEXIST", OXP_CODE_res_conflict},
    {EHOSTDOWN, "EHOSTDOWN", OXP_CODE_net_unreachable},
    {EHOSTUNREACH, "EHOSTUNREACH", OXP_CODE_net_unreachable},
    {EINTR, "EINTR", OXP_CODE_sys_interrupted},
    {EIO, "EIO", OXP_CODE_sys_io},
    {EMFILE, "EMFILE", OXP_CODE_sys_fd_limit},
    {ENETDOWN, "ENETDOWN", OXP_CODE_net_unreachable},
    {ENETRESET, "ENETRESET", OXP_CODE_net_reset},
    {ENETUNREACH, "ENETUNREACH", OXP_CODE_net_unreachable},
    {ENFILE, "ENFILE", OXP_CODE_sys_fd_limit},
    {ENOMEM, "ENOMEM", OXP_CODE_sys_oom},
    {ENOSPC, "ENOSPC", OXP_CODE_sys_disk_full},
    {0, "ENOTFOUND", OXP_CODE_net_dns_name},
    {EPERM, "EPERM", OXP_CODE_sys_perm},
    {EPIPE, "EPIPE", OXP_CODE_net_reset},
    {EROFS, "EROFS", OXP_CODE_sys_io},
    {0, "ERR_EMPTY_RESPONSE", OXP_CODE_site_down},
    {0, "ERR_INTERNET_DISCONNECTED", OXP_CODE_net_unreachable},
    {0, "ERR_INVALID_ARG_TYPE", OXP_CODE_logic_error},
    {0, "ERR_MODULE_NOT_FOUND", OXP_CODE_dep_missing},
    {0, "ERR_NAME_NOT_RESOLVED", OXP_CODE_net_dns_name},
    {0, "ERR_PROXY_CONNECTION_FAILED", OXP_CODE_net_proxy},
    {0, "ERR_STREAM_PREMATURE_CLOSE", OXP_CODE_net_reset},
    {0, "ERR_TIMED_OUT", OXP_CODE_net_timeout},
    {0, "ERR_TLS_CERT_ALTNAME_INVALID", OXP_CODE_net_tls},
    {0, "ERR_TUNNEL_CONNECTION_FAILED", OXP_CODE_net_proxy},
    {0, "ESOCKETTIMEDOUT", OXP_CODE_net_timeout},
    {ETIMEDOUT, "ETIMEDOUT", OXP_CODE_net_timeout},
    {ETXTBSY, "ETXTBSY", OXP_CODE_file_locked},
    {0, "EWOULDBLOCK", OXP_CODE_file_locked},
    {0, "MODULE_NOT_FOUND", OXP_CODE_dep_missing},
    {0, "SELF_SIGNED_CERT_IN_CHAIN", OXP_CODE_net_tls},
    {0, "UNABLE_TO_VERIFY_LEAF_SIGNATURE", OXP_CODE_net_tls},
    {0, "UND_ERR_ABORTED", OXP_CODE_sh_aborted},
    {0, "UND_ERR_BODY_TIMEOUT", OXP_CODE_net_timeout},
    {0, "UND_ERR_CONNECT_TIMEOUT", OXP_CODE_net_timeout},
    {0, "UND_ERR_HEADERS_TIMEOUT", OXP_CODE_net_timeout},
    {0, "UND_ERR_SOCKET", OXP_CODE_net_reset},
};

/* libcurl's numbers (curl.h is another folder's). 6 does not tell a name that does not exist from a resolver that is
 * down: it is tried again, and determinism finds the former out. 35 is any fault of the handshake, a cut included. 22
 * says only that there was a status. */
static const struct oxp_system_row curls[] = {
    {1, "CURLE_UNSUPPORTED_PROTOCOL", OXP_CODE_cfg_invalid},
    {3, "CURLE_URL_MALFORMAT", OXP_CODE_cfg_invalid},
    {4, "CURLE_NOT_BUILT_IN", OXP_CODE_dep_missing},
    {5, "CURLE_COULDNT_RESOLVE_PROXY", OXP_CODE_net_proxy},
    {6, "CURLE_COULDNT_RESOLVE_HOST", OXP_CODE_net_dns_temp},
    {7, "CURLE_COULDNT_CONNECT", OXP_CODE_net_refused},
    {8, "CURLE_WEIRD_SERVER_REPLY", OXP_CODE_net_reset},
    {16, "CURLE_HTTP2", OXP_CODE_net_reset},
    {18, "CURLE_PARTIAL_FILE", OXP_CODE_net_reset},
    {27, "CURLE_OUT_OF_MEMORY", OXP_CODE_sys_oom},
    {28, "CURLE_OPERATION_TIMEDOUT", OXP_CODE_net_timeout},
    {35, "CURLE_SSL_CONNECT_ERROR", OXP_CODE_net_reset},
    {42, "CURLE_ABORTED_BY_CALLBACK", OXP_CODE_sh_aborted},
    {43, "CURLE_BAD_FUNCTION_ARGUMENT", OXP_CODE_logic_error},
    {51, "CURLE_PEER_FAILED_VERIFICATION (before 7.62)", OXP_CODE_net_tls},
    {52, "CURLE_GOT_NOTHING", OXP_CODE_net_reset},
    {55, "CURLE_SEND_ERROR", OXP_CODE_net_reset},
    {56, "CURLE_RECV_ERROR", OXP_CODE_net_reset},
    {58, "CURLE_SSL_CERTPROBLEM", OXP_CODE_net_tls},
    {60, "CURLE_PEER_FAILED_VERIFICATION", OXP_CODE_net_tls},
    {61, "CURLE_BAD_CONTENT_ENCODING", OXP_CODE_data_parse},
    {65, "CURLE_SEND_FAIL_REWIND", OXP_CODE_net_reset},
    {77, "CURLE_SSL_CACERT_BADFILE", OXP_CODE_net_tls},
    {82, "CURLE_SSL_CRL_BADFILE", OXP_CODE_net_tls},
    {83, "CURLE_SSL_ISSUER_ERROR", OXP_CODE_net_tls},
    {90, "CURLE_SSL_PINNEDPUBKEYNOTMATCH", OXP_CODE_net_tls},
    {91, "CURLE_SSL_INVALIDCERTSTATUS", OXP_CODE_net_tls},
    {92, "CURLE_HTTP2_STREAM", OXP_CODE_net_reset},
    {95, "CURLE_HTTP3", OXP_CODE_net_reset},
    {96, "CURLE_QUIC_CONNECT_ERROR", OXP_CODE_net_reset},
    {97, "CURLE_PROXY", OXP_CODE_net_proxy},
};

/* Any signal that is not listed is a crash. SIGKILL is the kernel's for want of memory, as far as can be told (exit
 * 137); the others here are somebody's wish. */
static const struct oxp_system_row signals[] = {
    {SIGHUP, "SIGHUP", OXP_CODE_task_cancelled},   {SIGINT, "SIGINT", OXP_CODE_task_cancelled},
    {SIGQUIT, "SIGQUIT", OXP_CODE_task_cancelled}, {SIGABRT, "SIGABRT", OXP_CODE_sys_crash},
    {SIGBUS, "SIGBUS", OXP_CODE_sys_crash},        {SIGSEGV, "SIGSEGV", OXP_CODE_sys_crash},
    {SIGKILL, "SIGKILL", OXP_CODE_sys_oom},        {SIGPIPE, "SIGPIPE", OXP_CODE_net_reset},
    {SIGTERM, "SIGTERM", OXP_CODE_task_cancelled},
};

/* Any other status that is not 0 is a crash. */
static const struct oxp_system_row exits[] = {
    {64, "EX_USAGE", OXP_CODE_cfg_invalid},
    {77, "EX_NOPERM", OXP_CODE_sys_perm},
    {78, "EX_CONFIG", OXP_CODE_cfg_invalid},
    {124, "timeout(1)", OXP_CODE_task_timeout},
    {126, "shell: not executable", OXP_CODE_sys_perm},
    {127, "shell: not found", OXP_CODE_dep_missing},
};

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

const struct oxp_system_row *oxp_errno_at(size_t index) {
    return index < COUNT(errnos) ? &errnos[index] : NULL;
}

const struct oxp_system_row *oxp_curl_at(size_t index) {
    return index < COUNT(curls) ? &curls[index] : NULL;
}

const struct oxp_system_row *oxp_signal_at(size_t index) {
    return index < COUNT(signals) ? &signals[index] : NULL;
}

const struct oxp_system_row *oxp_exit_at(size_t index) {
    return index < COUNT(exits) ? &exits[index] : NULL;
}

static enum oxp_code_id find(const struct oxp_system_row *rows, size_t count, int number, enum oxp_code_id otherwise) {
    for (size_t i = 0; i < count; i++) {
        if (rows[i].number == number) {
            return rows[i].code;
        }
    }
    return otherwise;
}

enum oxp_code_id oxp_code_of_curl(int curl_code) {
    return find(curls, COUNT(curls), curl_code, OXP_CODE_NONE);
}

enum oxp_code_id oxp_code_of_signal(int number) {
    return number > 0 && number < NSIG ? find(signals, COUNT(signals), number, OXP_CODE_sys_crash) : OXP_CODE_NONE;
}

enum oxp_code_id oxp_code_of_exit(int exit_status) {
    if (exit_status < 0) {
        return exit_status > -NSIG ? oxp_code_of_signal(-exit_status) : OXP_CODE_NONE;
    }
    if (exit_status == 0 || exit_status > 255) {
        return OXP_CODE_NONE;
    }
    if (exit_status > 128 && exit_status < 128 + NSIG) {
        return oxp_code_of_signal(exit_status - 128);
    }
    return find(exits, COUNT(exits), exit_status, OXP_CODE_sys_crash);
}

static enum oxp_code_id code_of_number(struct oxp_view text) {
    bool negative = text.ptr[0] == '-';
    uint64_t number = 0;
    if (oxp_number_parse_u64(oxp_view_of(text.ptr + negative, text.len - negative), &number) != OXP_OK || number == 0 ||
        number > 4095) {
        return OXP_CODE_NONE;
    }
    /* libuv's own numbers are negative in the table; of the kernel's it gives the negative */
    enum oxp_code_id code = find(errnos, COUNT(errnos), (int)number, OXP_CODE_NONE);
    return code == OXP_CODE_NONE && negative ? find(errnos, COUNT(errnos), -(int)number, OXP_CODE_NONE) : code;
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
    if (oxp_fold_starts(text, "ERR_CERT_")) {
        return OXP_CODE_net_tls;
    }
    size_t low = 0;
    size_t high = COUNT(errnos);
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
