/* Configuration: one table of options (options.def), read from flags, environment, a YAML file and defaults, in that
 * order.
 *
 * `--web.listen-address`, `web.listen_address` in the file, and OXPECKER_WEB_LISTEN_ADDRESS are one row: key, type,
 * default, range and help stand there and nowhere else; `--help`, the man page and docs/configuration.md are made from
 * it. Secrets have a `_file` form. */
#ifndef OXP_CONFIG_CONFIG_H
#define OXP_CONFIG_CONFIG_H

#include "lib/base/arena.h"
#include <oxpecker/status.h>
#include <oxpecker/view.h>

struct oxp_yaml_node;

enum oxp_option {
#define OPTION(id, ...) OXP_OPT_##id,
#include "exporter/config/options.def"
#undef OPTION
    OXP_OPTIONS
};

enum oxp_option_type {
    OXP_OPT_TEXT,
    OXP_OPT_PATH,     /* of a file */
    OXP_OPT_ROUTE,    /* of a URL: "/metrics" */
    OXP_OPT_URL,      /* http:// or https:// */
    OXP_OPT_ADDRESS,  /* host:port */
    OXP_OPT_BOOL,     /* true, false; a bare flag is true, --no-flag is false */
    OXP_OPT_COUNT,    /* whole number within the range */
    OXP_OPT_DURATION, /* Prometheus: 1h30m, 15s, 500ms; in seconds here */
    OXP_OPT_MODE,     /* octal file mode */
    OXP_OPT_CHOICE,   /* one of a list */
    OXP_OPT_BYTES,    /* 64MiB; KB, MB, GB and TB are powers of two, as in Prometheus */
    OXP_OPT_LABELS,   /* label names and values: a mapping in the file, else a=b,c=d (oxp_config_labels) */
    OXP_OPT_PATHS,    /* of files: a list in the file, else a,b; a flag may be repeated (oxp_config_paths) */
    OXP_OPT_TREE,     /* a section of the file with a grammar of its own; no flag, no variable (oxp_config_tree) */
};

enum oxp_option_source { OXP_FROM_DEFAULT, OXP_FROM_FILE, OXP_FROM_ENVIRONMENT, OXP_FROM_FLAG };

struct oxp_option_spec {
    const char *key;         /* "web.listen_address"; without a dot it stands at the top of the file */
    const char *flag;        /* "web.listen-address" */
    const char *environment; /* "OXPECKER_WEB_LISTEN_ADDRESS" */
    enum oxp_option_type type;
    const char *initial; /* default, as text */
    double least, most;  /* COUNT, DURATION, BYTES */
    const char *choices; /* CHOICE: "a|b|c" */
    bool reloadable;     /* takes effect on reload; else a change is said to need a restart */
    const char *help;
};

const struct oxp_option_spec *oxp_option_spec(enum oxp_option option);

struct oxp_config_value {
    char *text;    /* owned; the value as given, never NULL */
    double number; /* COUNT, BYTES, DURATION (seconds), MODE, BOOL (0 or 1), CHOICE (its place in the list, from 0) */
    enum oxp_option_source source;
};

struct oxp_config {
    struct oxp_config_value values[OXP_OPTIONS];
    const struct oxp_yaml_node *trees[OXP_OPTIONS]; /* TREE; NULL = not in the file */
    struct oxp_arena arena;                         /* of the trees */
};

static inline const char *oxp_config_text(const struct oxp_config *config, enum oxp_option option) {
    return config->values[option].text;
}
static inline double oxp_config_number(const struct oxp_config *config, enum oxp_option option) {
    return config->values[option].number;
}
static inline bool oxp_config_bool(const struct oxp_config *config, enum oxp_option option) {
    return config->values[option].number != 0;
}

/* The pairs of a LABELS option: name, value, name, value, …, ended by NULL, in one block: free(*pairs_out).
 * OXP_ERR_NOMEM.
 */
enum oxp_status oxp_config_labels(const struct oxp_config *config, enum oxp_option option, char ***pairs_out);

/* The paths of a PATHS option, as they were given, ended by NULL, in one block: free(*paths_out). OXP_ERR_NOMEM. */
enum oxp_status oxp_config_paths(const struct oxp_config *config, enum oxp_option option, char ***paths_out);

/* The mapping of a TREE option, its variables expanded, with every node's place in the file; NULL when the file has no
 * such section. Lives as long as the configuration. The option's text is the tree in one canonical line: equal texts
 * are equal trees. */
const struct oxp_yaml_node *oxp_config_tree(const struct oxp_config *config, enum oxp_option option);

struct oxp_config_source {
    int argc;
    char *const *argv;        /* flags only, without the program's name */
    char *const *environment; /* "NAME=value", NULL-terminated */
};

/* Reads everything. On failure `error` (may be NULL) has a sentence that names the flag, variable or file, what was
 * wrong, and what was expected. A fault inside the file has its line and column in `error`, and its text begins
 * "FILE:LINE:COLUMN: "; else both are 0. `config` is then empty. OXP_ERR_INVALID for what a person must mend, the
 * system's reason for a file that cannot be read (NOT_FOUND, DENIED, LIMIT past 1 MiB, …), OXP_ERR_NOMEM. Free with
 * oxp_config_fini. */
enum oxp_status oxp_config_load(const struct oxp_config_source *source, struct oxp_config *config,
                                struct oxp_error *error);
/* Checks one YAML text alone, reporting every fault (not only the first) through `report`; OXP_OK when there was none.
 * The caller knows the file's name: the texts do not begin with a place. ${NAME} is taken from the process'
 * environment. */
enum oxp_status oxp_config_check(struct oxp_view text, void (*report)(void *ctx, const struct oxp_error *error),
                                 void *ctx);
/* The same, and gives what was read: the file's values and the defaults, without flags and environment. `config_out` is
 * to be freed with oxp_config_fini whatever comes; it is whole when the status is OXP_OK. */
enum oxp_status oxp_config_check_into(struct oxp_view text, void (*report)(void *ctx, const struct oxp_error *error),
                                      void *ctx, struct oxp_config *config_out);
/* Reads a file (a pipe too) whole, at most 1 MiB; free(*text_out). `error` names the path and the reason. */
enum oxp_status oxp_config_read_file(const char *path, char **text_out, size_t *len_out, struct oxp_error *error);
void oxp_config_fini(struct oxp_config *config);

/* Text made from the table (free()): the flags part of --help, a roff man page's OPTIONS section,
 * docs/configuration.md's tables. NULL without memory. */
char *oxp_config_help(void);
char *oxp_config_man(void);
char *oxp_config_markdown(void);

#endif
