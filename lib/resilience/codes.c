#include "lib/resilience/codes.h"

enum { CREATE = 1, RELEASE = 2 };

static const struct oxp_code rows[OXP_CODES] = {
#define CODE(name, category, class, severity, action, policy, flags)                                                   \
    {#name, #category, #class, #severity, #action, #policy, ((flags)&CREATE) != 0, ((flags)&RELEASE) != 0},
#include "lib/resilience/codes.def"
#undef CODE
};

/* What stands for a code that is not listed: the code's own name must not become a label, its category may. */
#define UNKNOWN_IN(category)                                                                                           \
    { "unknown", category, "unknown", "medium", "debug", "adjust", true, true }
static const struct oxp_code unknown_rows[] = {
    UNKNOWN_IN("browserbase"),     UNKNOWN_IN("stagehand"),       UNKNOWN_IN("network"),
    UNKNOWN_IN("data_processing"), UNKNOWN_IN("file_processing"), UNKNOWN_IN("agent_execution"),
    UNKNOWN_IN("memory_storage"),  UNKNOWN_IN("vector_db"),       UNKNOWN_IN("api_call"),
    UNKNOWN_IN("configuration"),   UNKNOWN_IN("system"),          UNKNOWN_IN("security"),
    UNKNOWN_IN("resource"),        UNKNOWN_IN("recovery"),
};

static const struct {
    const char *prefix;
    const char *category;
} prefixes[] = {
    {"agent_", "agent_execution"},
    {"api_", "api_call"},
    {"bb_", "browserbase"},
    {"breaker_", "recovery"},
    {"cdp_", "network"},
    {"cfg_", "configuration"},
    {"ckpt_", "recovery"},
    {"data_", "data_processing"},
    {"dep_", "configuration"},
    {"embed_", "memory_storage"},
    {"file_", "file_processing"},
    {"llm_", "api_call"},
    {"mem_", "memory_storage"},
    {"net_", "network"},
    {"res_", "resource"},
    {"sec_", "security"},
    {"sh_", "stagehand"},
    {"site_", "network"},
    {"sys_", "system"},
    {"task_", "agent_execution"},
    {"txn_", "recovery"},
    {"vec_", "vector_db"},
};

const struct oxp_code *oxp_code_row(enum oxp_code_id id) {
    return &rows[id];
}

const struct oxp_code *oxp_code_at(size_t index) {
    return index < OXP_CODES ? &rows[index] : NULL;
}

const struct oxp_code *oxp_code_unknown_at(size_t index) {
    return index < sizeof unknown_rows / sizeof unknown_rows[0] ? &unknown_rows[index] : NULL;
}

const struct oxp_code *oxp_code_find(struct oxp_view name) {
    size_t low = 0;
    size_t high = OXP_CODES;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        size_t len = strlen(rows[middle].name);
        int order = memcmp(name.ptr == NULL ? "" : name.ptr, rows[middle].name, name.len < len ? name.len : len);
        if (order == 0 && name.len == len) {
            return &rows[middle];
        }
        if (order < 0 || (order == 0 && name.len < len)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const struct oxp_code *oxp_code_unknown_of(struct oxp_view name) {
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (!oxp_view_starts(name, oxp_view_from(prefixes[i].prefix))) {
            continue;
        }
        for (size_t j = 0; j < sizeof unknown_rows / sizeof unknown_rows[0]; j++) {
            if (strcmp(unknown_rows[j].category, prefixes[i].category) == 0) {
                return &unknown_rows[j];
            }
        }
    }
    return NULL;
}
