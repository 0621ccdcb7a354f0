#include "exporter/config/reader.h"

#include "lib/base/nearest.h"

static const struct oxp_option_spec specs[] = {
#define OPTION(id, key_, flag_, type_, initial_, least_, most_, choices_, reloadable_, help_)                          \
    [OXP_OPT_##id] = {.key = (key_),                                                                                   \
                      .flag = (flag_),                                                                                 \
                      .environment = "OXPECKER_" #id,                                                                  \
                      .type = OXP_OPT_##type_,                                                                         \
                      .initial = (initial_),                                                                           \
                      .least = (least_),                                                                               \
                      .most = (most_),                                                                                 \
                      .choices = (choices_),                                                                           \
                      .reloadable = (reloadable_),                                                                     \
                      .help = (help_)},
#include "exporter/config/options.def"
#undef OPTION
};

_Static_assert(sizeof specs / sizeof specs[0] == OXP_OPTIONS, "one row an option");

const struct oxp_option_spec *oxp_option_spec(enum oxp_option option) {
    return &specs[option];
}

bool oxp_option_outside_file(enum oxp_option option) {
    return option == OXP_OPT_CONFIG_FILE;
}

bool oxp_option_file_only(enum oxp_option option) {
    return specs[option].type == OXP_OPT_TREE;
}

struct oxp_view oxp_option_name(enum oxp_option option, enum oxp_option_name form) {
    const struct oxp_option_spec *spec = &specs[option];
    switch (form) {
    case OXP_NAME_FLAG:
        return oxp_view_from(spec->flag);
    case OXP_NAME_ENVIRONMENT:
        return oxp_view_from(spec->environment);
    case OXP_NAME_SECTION:
        return oxp_view_of(spec->key, strcspn(spec->key, "."));
    case OXP_NAME_KEY:
        break;
    }
    return oxp_view_from(spec->key);
}

enum oxp_option oxp_option_find(struct oxp_view name, enum oxp_option_name form) {
    for (enum oxp_option option = 0; option < OXP_OPTIONS; option++) {
        if (oxp_view_equal(oxp_option_name(option, form), name)) {
            return option;
        }
    }
    return OXP_OPTIONS;
}

struct oxp_view oxp_option_nearest(struct oxp_view name, enum oxp_option_name form) {
    struct oxp_nearest nearest = oxp_nearest_begin(name);
    bool in_file = form == OXP_NAME_KEY || form == OXP_NAME_SECTION;
    for (enum oxp_option option = 0; option < OXP_OPTIONS; option++) {
        bool elsewhere = in_file ? oxp_option_outside_file(option) : oxp_option_file_only(option);
        if (!elsewhere) {
            oxp_nearest_try(&nearest, oxp_option_name(option, form));
        }
    }
    return nearest.name;
}

static void append_choices(struct oxp_buf *out, const char *choices) {
    for (const char *pos = choices; *pos != '\0';) {
        size_t len = strcspn(pos, "|");
        bool last = pos[len] == '\0';
        if (pos != choices) {
            oxp_buf_append_text(out, last ? " or " : ", ");
        }
        oxp_buf_append(out, pos, len);
        pos += len + !last;
    }
}

static void append_count(struct oxp_buf *out, double value) {
    oxp_buf_append_u64(out, (uint64_t)value);
}

void oxp_option_expected(const struct oxp_option_spec *spec, struct oxp_buf *out) {
    static const char *const words[] = {
        [OXP_OPT_TEXT] = "text",
        [OXP_OPT_PATH] = "the path of a file",
        [OXP_OPT_ROUTE] = "a path of the server, such as /metrics",
        [OXP_OPT_URL] = "a URL that begins with http:// or https://",
        [OXP_OPT_ADDRESS] = "host:port, such as :10108 or 127.0.0.1:10108",
        [OXP_OPT_BOOL] = "true or false",
        [OXP_OPT_COUNT] = "a whole number from ",
        [OXP_OPT_DURATION] = "a duration such as 30s or 1h30m, from ",
        [OXP_OPT_MODE] = "an octal file mode, such as 0660",
        [OXP_OPT_CHOICE] = "",
        [OXP_OPT_BYTES] = "a size such as 64MiB, from ",
        [OXP_OPT_LABELS] = "label names and values, such as replica=a,zone=b",
        [OXP_OPT_PATHS] = "paths of files, such as a.yml,rules/*.yml",
        [OXP_OPT_TREE] = "a mapping of keys to values",
    };
    oxp_buf_append_text(out, words[spec->type]);
    if (spec->type == OXP_OPT_CHOICE) {
        append_choices(out, spec->choices);
        return;
    }
    void (*append)(struct oxp_buf *, double) = spec->type == OXP_OPT_COUNT      ? append_count
                                               : spec->type == OXP_OPT_DURATION ? oxp_duration_append
                                               : spec->type == OXP_OPT_BYTES    ? oxp_bytes_append
                                                                                : NULL;
    if (append != NULL) {
        append(out, spec->least);
        oxp_buf_append_text(out, " to ");
        append(out, spec->most);
    }
}
