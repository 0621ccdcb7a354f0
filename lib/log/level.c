#include <oxpecker/log.h>

#include <strings.h>

static const char *const level_names[OXP_LOG_LEVELS] = {
    [OXP_LOG_DEBUG] = "debug", [OXP_LOG_INFO] = "info",         [OXP_LOG_WARNING] = "warning",
    [OXP_LOG_ERROR] = "error", [OXP_LOG_CRITICAL] = "critical",
};

const char *oxp_log_level_name(enum oxp_log_level level) {
    return (unsigned)level < OXP_LOG_LEVELS ? level_names[level] : "unknown";
}

static bool is_word(struct oxp_view text, const char *word) {
    return text.len == strlen(word) && strncasecmp(text.ptr, word, text.len) == 0;
}

enum oxp_status oxp_log_level_from(struct oxp_view name, enum oxp_log_level *level_out) {
    for (int i = 0; i < OXP_LOG_LEVELS; i++) {
        if (is_word(name, level_names[i])) {
            *level_out = (enum oxp_log_level)i;
            return OXP_OK;
        }
    }
    if (is_word(name, "warn")) {
        *level_out = OXP_LOG_WARNING;
        return OXP_OK;
    }
    return OXP_ERR_INVALID;
}
