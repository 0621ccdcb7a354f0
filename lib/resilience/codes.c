#include "lib/resilience/codes.h"

#include "lib/resilience/determinism.h"

enum { CREATE = 1, RELEASE = 2, COUNTS = 4 };

/* clang-format off: one column to a line */
#define ROW(name, category, class, severity, action, policy, automation, flags, help)                                  \
    {                                                                                                                  \
        name, category, class, severity, action, policy, automation, help, ((flags)&CREATE) != 0,                      \
            ((flags)&RELEASE) != 0, ((flags)&COUNTS) != 0                                                              \
    }

static const struct oxp_code rows[OXP_CODES] = {
#define CODE(name, category, class, severity, action, policy, automation, flags, help)                                 \
    ROW(#name, #category, #class, #severity, #action, #policy, #automation, flags, help),
#include "lib/resilience/codes.def"
#undef CODE
};

/* The same codes when every try failed the same way (determinism.h); only those of transients are ever given out. */
static const struct oxp_code determined_rows[OXP_CODES] = {
#define CODE(name, category, class, severity, action, policy, automation, flags, help)                                 \
    ROW(#name, #category, "recoverable", #severity, "debug", "none", "semi", flags, help),
#include "lib/resilience/codes.def"
#undef CODE
};
/* clang-format on */

/* What stands for a code that is not listed: the code's own name must not become a label, its category may. */
#define UNKNOWN_HELP "Not in the table; its category is known."
#define UNKNOWN_IN(category)                                                                                           \
    ROW("unknown", category, "unknown", "medium", "debug", "adjust", "semi", CREATE | RELEASE | COUNTS, UNKNOWN_HELP)
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

enum oxp_code_id oxp_code_id_of(const struct oxp_code *code) {
    for (size_t i = 0; i < OXP_CODES; i++) {
        if (code == &rows[i]) {
            return (enum oxp_code_id)i;
        }
    }
    return OXP_CODE_NONE;
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

const struct oxp_code *oxp_code_unknown_in(const char *category) {
    for (size_t i = 0; category != NULL && i < sizeof unknown_rows / sizeof unknown_rows[0]; i++) {
        if (strcmp(unknown_rows[i].category, category) == 0) {
            return &unknown_rows[i];
        }
    }
    return NULL;
}

const struct oxp_code *oxp_code_unknown_of(struct oxp_view name) {
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (oxp_view_starts(name, oxp_view_from(prefixes[i].prefix))) {
            return oxp_code_unknown_in(prefixes[i].category);
        }
    }
    return NULL;
}

const char *oxp_code_prefix_at(size_t index, const char **category_out) {
    if (index >= sizeof prefixes / sizeof prefixes[0]) {
        return NULL;
    }
    *category_out = prefixes[index].category;
    return prefixes[index].prefix;
}

bool oxp_code_counts_for_breaker(const struct oxp_code *code) {
    return code != NULL && code->breaker;
}

const struct oxp_code *oxp_code_determined(const struct oxp_code *code) {
    static const char *const waiting[] = {"slot", "server_wait", "model", "release"};
    if (code == NULL || strcmp(code->class, "transient") != 0 || strcmp(code->action, "requeue") == 0) {
        return code;
    }
    for (size_t i = 0; i < sizeof waiting / sizeof waiting[0]; i++) {
        if (strcmp(code->policy, waiting[i]) == 0) {
            return code;
        }
    }
    const struct oxp_code *row = oxp_code_find(oxp_view_from(code->name));
    return row == NULL ? code : &determined_rows[row - rows];
}
