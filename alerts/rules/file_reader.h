/* What the parts of the rule file reader share: file.c goes through file and groups, file_rule.c through a rule,
 * file_fields.c has what lib/yaml/fields.h has not, file_place.c finds a place of an expression in the file. Private to
 * this folder. Owned by one thread. */
#ifndef OXP_RULES_FILE_READER_H
#define OXP_RULES_FILE_READER_H

#include "alerts/rules/file.h"
#include "lib/yaml/fields.h"

struct oxp_rule_reader {
    struct oxp_fields fields;
    struct oxp_rule_file *file;
    struct oxp_view text; /* of the file */
    oxp_rule_fault_fn *on_fault;
    void *ctx;
    /* Where the reader is, for sentences: */
    struct oxp_view group;
    size_t rule;          /* from 1; 0 = in no rule */
    struct oxp_view name; /* the rule's */
    unsigned line;        /* a line of the text whose start is known: */
    size_t line_start;    /* … at this byte */
};

/* ---- Faults and fields (file_fields.c) ---- */

/* What a reader begins with: its faults get group and rule in front and go to `on_fault`. The reader keeps its place.
 */
struct oxp_fields oxp_rule_reader_fields(struct oxp_rule_reader *reader, struct oxp_error *error);
static inline bool oxp_rule_ended(const struct oxp_rule_reader *reader) {
    return reader->fields.status == OXP_ERR_NOMEM;
}
/* A text that somebody wrote, between quotes, cut so that a sentence has room for it. */
struct oxp_fields_shown oxp_rule_shown(struct oxp_view text);

/* Finds the fields of a mapping by name; `found` has a place for each. Absent ones are NULL. False, and the fault is
 * told, when the node is no mapping. */
bool oxp_rule_fields_find(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node, const struct oxp_keys *keys,
                          const struct oxp_yaml_node **found);
/* Tells every field that the mapping may not have, in Prometheus' words. */
void oxp_rule_fields_unknown(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node,
                             const struct oxp_keys *keys);
/* True when a text is missing only because what stands there is a list or mapping, which was told. */
static inline bool oxp_rule_no_text(const struct oxp_yaml_node *node) {
    return node != NULL && node->kind != OXP_YAML_SCALAR && node->kind != OXP_YAML_NULL;
}
/* A whole number as YAML 1.1 writes them; 0 for what is below 0. */
unsigned oxp_rule_read_limit(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node);
/* An item of a list: `node` or the next of its siblings that is no null; NULL at the end. */
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
