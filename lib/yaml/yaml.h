/* YAML: the one place for libyaml. Reads a document into a small tree that knows line and column of every node.
 *
 * Refused with place and reason: syntax errors, duplicate keys, non-scalar keys, anchors and aliases, tags, more than one document,
 * nesting past 32. Owned by one thread; views live as long as the document. */
#ifndef OXP_YAML_YAML_H
#define OXP_YAML_YAML_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>

enum oxp_yaml_kind { OXP_YAML_SCALAR, OXP_YAML_SEQUENCE, OXP_YAML_MAPPING, OXP_YAML_NULL };

struct oxp_yaml_node {
    enum oxp_yaml_kind kind;
    unsigned line, column; /* from 1 */
    struct oxp_view key;   /* in a mapping */
    unsigned key_line, key_column;
    struct oxp_view text;  /* scalar */
    bool quoted;           /* scalar: written with quotes or as a block, so always text */
    const struct oxp_yaml_node *first; /* children of a sequence or mapping */
    const struct oxp_yaml_node *next;  /* next sibling */
};

struct oxp_yaml; /* a document; owns its nodes */
/* `root_out` is NULL for an empty document. OXP_ERR_SYNTAX with the place, OXP_ERR_NOMEM. */
enum oxp_status oxp_yaml_parse(struct oxp_view text, struct oxp_yaml **yaml_out, const struct oxp_yaml_node **root_out,
                               struct oxp_error *error);
void oxp_yaml_free(struct oxp_yaml *yaml);

#endif
