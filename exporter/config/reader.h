/* Inside exporter/config: what the sources (flags, environment, file) share. Nobody outside includes this.
 *
 * Every source reports its faults to one reader; the option table, the grammar of values and the suggestions stand in
 * one place each. */
#ifndef OXP_CONFIG_READER_H
#define OXP_CONFIG_READER_H

#include "exporter/config/config.h"
#include "lib/base/buf.h"
#include "lib/yaml/fields.h"

#define OXP_CONFIG_VALUE_MAX 4096 /* bytes of one value, after expansion */

/* ---- options.c: the table ---- */

enum oxp_option_name { OXP_NAME_KEY, OXP_NAME_SECTION, OXP_NAME_FLAG, OXP_NAME_ENVIRONMENT };

struct oxp_view oxp_option_name(enum oxp_option option, enum oxp_option_name form);
/* OXP_OPTIONS when there is none. For a section: the first option in it. */
enum oxp_option oxp_option_find(struct oxp_view name, enum oxp_option_name form);
/* The known name with the smallest edit distance (insert, delete, replace, swap of neighbours), or the empty view when
 * none is near. What may not stand in a file is never suggested as a key or section. */
struct oxp_view oxp_option_nearest(struct oxp_view name, enum oxp_option_name form);
/* True for what flags and environment alone may give. */
bool oxp_option_outside_file(enum oxp_option option);
/* True for what the file alone may give. */
bool oxp_option_file_only(enum oxp_option option);
/* "a whole number from 1 to 65536": what a value must be. */
void oxp_option_expected(const struct oxp_option_spec *spec, struct oxp_buf *out);

/* ---- value.c: the grammar of values ---- */

/* Reads a duration in Prometheus' grammar (model.ParseDuration): [Ny][Nw][Nd][Nh][Nm][Ns][Nms] in that order, at least
 * one of them, or "0". In seconds. OXP_ERR_SYNTAX, OXP_ERR_RANGE past 2^63 ns. */
enum oxp_status oxp_duration_parse(struct oxp_view text, double *seconds_out);
/* The shortest such text for whole milliseconds, weeks and years apart ("90s" is "1m30s", a week "7d"). */
void oxp_duration_append(struct oxp_buf *out, double seconds);
/* The largest unit that divides it: "64MiB"; else plain bytes. */
void oxp_bytes_append(struct oxp_buf *out, double bytes);
/* OXP_OK and the number (a choice gives its place), or OXP_ERR_INVALID and in `why` what was found and what was
 * expected. */
enum oxp_status oxp_value_read(const struct oxp_option_spec *spec, struct oxp_view text, double *number_out,
                               struct oxp_error *why);
/* Text of others as it may stand in an error: secrets out, control characters replaced, cut (of a path the beginning,
 * else the end). */
struct oxp_shown {
    char text[112];
};
struct oxp_shown oxp_shown(struct oxp_view text);
struct oxp_shown oxp_shown_path(const char *path);

/* ---- labels.c ---- */

/* OXP_OK, or OXP_ERR_INVALID and in `why` the reason: no label name, or one that is reserved. */
enum oxp_status oxp_label_name_check(struct oxp_view name, struct oxp_error *why);
/* The same for a whole text of pairs: syntax, names, none twice, not too many. */
enum oxp_status oxp_labels_check(struct oxp_view text, struct oxp_error *why);
/* Appends one pair to such a text. */
void oxp_label_append(struct oxp_buf *out, struct oxp_view name, struct oxp_view value);

/* ---- paths.c ---- */

/* OXP_OK, or OXP_ERR_INVALID and in `why` the reason, for a whole text of paths. */
enum oxp_status oxp_paths_check(struct oxp_view text, struct oxp_error *why);
/* Appends one path to such a text. */
void oxp_path_append(struct oxp_buf *out, struct oxp_view path);

/* ---- expand.c ---- */

/* The value of NAME in "NAME=value" entries; false when it is not set. */
bool oxp_environment_find(char *const *environment, struct oxp_view name, struct oxp_view *value_out);
/* Appends `text` with ${NAME} replaced and $$ made $. OXP_ERR_INVALID and the reason in `why`. Replacements are not
 * expanded again. */
enum oxp_status oxp_expand(struct oxp_view text, char *const *environment, struct oxp_buf *out, struct oxp_error *why);

/* ---- load.c: the reader ---- */

struct oxp_config_reader {
    struct oxp_config *config; /* a value that is set stays: the strongest source reads first */
    char *const *environment;
    const char *path;       /* of the file, for messages; NULL when the caller knows it */
    enum oxp_status status; /* of the first fault */
    void (*report)(void *ctx, const struct oxp_error *error);
    void *ctx;
    struct oxp_fields fields; /* file.c: hands the faults of nodes to oxp_config_fault */
};

void oxp_config_fault(struct oxp_config_reader *reader, unsigned line, unsigned column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void oxp_config_no_memory(struct oxp_config_reader *reader);

struct oxp_config_entry {
    enum oxp_option option;
    enum oxp_option_source source;
    const char *name;      /* as the person wrote it, for messages: "--log.level" */
    unsigned line, column; /* file */
};
/* Checks the value, and keeps it unless a stronger source has already given one. Paths of a repeated flag come behind
 * those before. */
void oxp_config_set(struct oxp_config_reader *reader, const struct oxp_config_entry *entry, struct oxp_view text);

/* flags.c, environment.c, file.c: one source each. */
void oxp_config_read_flags(struct oxp_config_reader *reader, int argc, char *const *argv);
void oxp_config_read_environment(struct oxp_config_reader *reader);
void oxp_config_read_yaml(struct oxp_config_reader *reader, struct oxp_view text);

/* tree.c: a section of type TREE. */
void oxp_config_read_tree(struct oxp_config_reader *reader, const struct oxp_yaml_node *section,
                          enum oxp_option option);

#endif
