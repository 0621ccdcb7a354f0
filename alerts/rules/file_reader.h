/* What the parts of the rule file reader share: file.c goes through file and groups, file_rule.c through a rule,
 * file_fields.c through fields and values, file_place.c finds a place of an expression in the file. Private to this
 * folder. Owned by one thread. */
#ifndef OXP_RULES_FILE_READER_H
#define OXP_RULES_FILE_READER_H

#include "alerts/rules/file.h"
#include "lib/yaml/yaml.h"

struct oxp_rule_reader {
    struct oxp_rule_file *file;
    struct oxp_view text; /* of the file */
    oxp_rule_fault_fn *on_fault;
    void *ctx;
    struct oxp_error *error; /* gets the first fault; may be NULL */
    enum oxp_status status;  /* of the first fault. OXP_ERR_NOMEM ends the reading, and is the only one that replaces */
    /* Where the reader is, for sentences: */
    struct oxp_view group;
    size_t rule;          /* from 1; 0 = in no rule */
    struct oxp_view name; /* the rule's */
    unsigned line;        /* a line of the text whose start is known: */
    size_t line_start;    /* … at this byte */
};

/* ---- Faults (file_fields.c) ---- */

/* Tells a fault at a place, with group and rule in front. Control characters become `?`. OXP_ERR_NOMEM tells nothing
 * and sticks. */
void oxp_rule_fault(struct oxp_rule_reader *reader, enum oxp_status status, unsigned line, unsigned column,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The same at the place of a node. */
#define OXP_RULE_FAULT(reader, node, ...)                                                                              \
    oxp_rule_fault((reader), OXP_ERR_INVALID, (node)->line, (node)->column, __VA_ARGS__)
/* No memory. */
void oxp_rule_no_memory(struct oxp_rule_reader *reader);
static inline bool oxp_rule_ended(const struct oxp_rule_reader *reader) {
    return reader->status == OXP_ERR_NOMEM;
}
/* A text that somebody wrote, between quotes, cut so that a sentence has room for it. */
#define OXP_RULE_SHOWN_MAX 48
struct oxp_rule_shown {
    char text[256];
};
struct oxp_rule_shown oxp_rule_shown(struct oxp_view text);

/* ---- Fields (file_fields.c) ---- */

struct oxp_rule_fields {
    const char *what; /* "a rule" */
    const char *const *names;
    size_t count;
};
/* Finds the fields of a mapping by name; `found` has a place for each. Absent ones are NULL. False, and the fault is
 * told, when the node is no mapping. */
bool oxp_rule_fields_find(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node,
                          const struct oxp_rule_fields *fields, const struct oxp_yaml_node **found);
/* Tells every field that the mapping may not have. */
void oxp_rule_fields_unknown(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node,
                             const struct oxp_rule_fields *fields);

/* Values. An absent field (NULL) and an empty one are the same, as for Prometheus; what is of a wrong kind is told. */
struct oxp_view oxp_rule_read_text(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node);
/* True when a text is missing only because what stands there is a list or mapping, which was told. */
static inline bool oxp_rule_no_text(const struct oxp_yaml_node *node) {
    return node != NULL && node->kind != OXP_YAML_SCALAR && node->kind != OXP_YAML_NULL;
}
int64_t oxp_rule_read_duration(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node);
/* A whole number as YAML 1.1 writes them; 0 for what is below 0. */
unsigned oxp_rule_read_limit(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node);
/* The first child of a list or mapping; NULL when there is none. Null items of a list are skipped by oxp_rule_item. */
const struct oxp_yaml_node *oxp_rule_read_children(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node,
                                                   enum oxp_yaml_kind kind);
/* `node` or the next of its siblings that is something; NULL at the end. */
const struct oxp_yaml_node *oxp_rule_item(const struct oxp_yaml_node *node);

/* ---- Places (file_place.c) ---- */

/* Where in the file the byte `offset` of a scalar's text was written: quotes, escapes, folding and indentation undone.
 * A place within white space, or behind the end, is right behind what was before it. Falls back to the scalar's own
 * place. */
void oxp_rule_place(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node, size_t offset, unsigned *line_out,
                    unsigned *column_out);
/* The same for a line and column (bytes, from 1; 0 = the start) within the scalar's text. */
void oxp_rule_place_of(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node, const struct oxp_error *within,
                       unsigned *line_out, unsigned *column_out);

/* ---- Rules (file_rule.c) ---- */

/* Labels or annotations as written, sorted by name. */
struct oxp_rule_texts {
    struct oxp_rule_text *texts;
    const struct oxp_yaml_node **nodes; /* of each, its value */
    size_t count;
    bool parsed; /* the templates were, and what is wrong with them was told */
};
/* `what` is "label" or "annotation"; a label may not be called __name__. */
struct oxp_rule_texts oxp_rule_read_texts(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node,
                                          const char *what);
/* One rule of a group. `group` are the group's labels; their templates are parsed when the first alerting rule of it
 * comes. */
void oxp_rule_read(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node, struct oxp_rule_texts *group,
                   struct oxp_rule *rule);

#endif
