#include "exporter/config/reader.h"

static const struct oxp_view prefix = {"OXPECKER_", 9};

static bool ends_with(struct oxp_view text, const char *end) {
    struct oxp_view tail = oxp_view_from(end);
    return text.len >= tail.len && memcmp(text.ptr + text.len - tail.len, tail.ptr, tail.len) == 0;
}

/* Kubernetes gives every container variables for every service of its namespace (and docker --link did so before it):
 * for a service named oxpecker they begin with our prefix, and nobody wrote them. OXPECKER_SERVICE_HOST,
 * OXPECKER_SERVICE_PORT, OXPECKER_SERVICE_PORT_<name>, OXPECKER_PORT=tcp://…, OXPECKER_PORT_10108_TCP, …_TCP_PROTO,
 * …_TCP_PORT, …_TCP_ADDR; the same with more words for a service such as oxpecker-metrics. */
static bool is_service_link(struct oxp_view name, struct oxp_view value) {
    if (ends_with(name, "_SERVICE_HOST") || ends_with(name, "_SERVICE_PORT") ||
        memmem(name.ptr, name.len, "_SERVICE_PORT_", 14) != NULL) {
        return true;
    }
    if (ends_with(name, "_PORT") && memmem(value.ptr, value.len, "://", 3) != NULL) {
        return true;
    }
    static const char *const protocols[] = {"_TCP", "_UDP", "_SCTP"};
    const char *port = memmem(name.ptr, name.len, "_PORT_", 6);
    for (size_t i = 0; port != NULL && i < 3; i++) {
        if (memmem(port, (size_t)(name.ptr + name.len - port), protocols[i], strlen(protocols[i])) != NULL) {
            return true;
        }
    }
    return false;
}

static void unknown(struct oxp_config_reader *reader, struct oxp_view name) {
    struct oxp_view near = oxp_option_nearest(name, OXP_NAME_ENVIRONMENT);
    if (near.len == 0) {
        oxp_config_fault(reader, 0, 0, "the environment variable %s names no option", oxp_shown(name).text);
    } else {
        oxp_config_fault(reader, 0, 0, "the environment variable %s names no option; did you mean %.*s?",
                         oxp_shown(name).text, (int)near.len, near.ptr);
    }
}

void oxp_config_read_environment(struct oxp_config_reader *reader) {
    for (char *const *entry = reader->environment; entry != NULL && *entry != NULL; entry++) {
        const char *equals = strchr(*entry, '=');
        struct oxp_view name = oxp_view_of(*entry, equals == NULL ? 0 : (size_t)(equals - *entry));
        if (!oxp_view_starts(name, prefix)) {
            continue;
        }
        enum oxp_option option = oxp_option_find(name, OXP_NAME_ENVIRONMENT);
        struct oxp_view value = oxp_view_from(equals + 1);
        if (option != OXP_OPTIONS && oxp_option_file_only(option)) {
            oxp_config_fault(reader, 0, 0, "%s: the section %s stands in the file only",
                             oxp_option_spec(option)->environment, oxp_option_spec(option)->key);
        } else if (option != OXP_OPTIONS) {
            const char *known = oxp_option_spec(option)->environment;
            oxp_config_set(reader, &(struct oxp_config_entry){option, OXP_FROM_ENVIRONMENT, known, 0, 0}, value);
        } else if (!is_service_link(name, value)) {
            unknown(reader, name);
        }
    }
}
