/* What the two halves of the YAML reader share: yaml.c makes the tree of libyaml's events, alias.c keeps anchors,
 * writes aliases out and merges. Private to this folder. Owned by one thread. */
#ifndef OXP_YAML_BUILDER_H
#define OXP_YAML_BUILDER_H

#include "lib/base/arena.h"
#include "lib/base/map.h"
#include "lib/yaml/yaml.h"
#include <yaml.h>

struct oxp_yaml {
    struct oxp_arena arena;
    bool more;
};

struct oxp_yaml_anchor {
    struct oxp_yaml_node *node;
    bool open;       /* its collection has not ended */
    size_t bytes;    /* what it costs to write it out once more */
    unsigned height; /* collections inside each other, itself included; a scalar has 0 */
};

struct oxp_yaml_frame {
    struct oxp_yaml_node *node;
    const struct oxp_yaml_node **tail; /* where the next child is hung */
    struct oxp_map keys;               /* mappings: key to node */
    bool has_key;                      /* a key waits for its value */
    bool merging;                      /* … and it is the merge key */
    struct oxp_view key;
    unsigned key_line, key_column;
    const struct oxp_yaml_node *merge; /* the value of the merge key, which is no child */
    struct oxp_yaml_anchor *anchor;    /* of this collection, or NULL */
    size_t bytes_before;               /* the builder's, when it was opened */
    unsigned height;                   /* of what is in it so far */
};

struct oxp_yaml_builder {
    yaml_parser_t parser;
    unsigned options;
    struct oxp_yaml *yaml;
    struct oxp_yaml_node *root;
    struct oxp_yaml_frame stack[OXP_YAML_DEPTH];
    size_t depth;
    size_t documents;
    struct oxp_map anchors; /* name to anchor */
    size_t bytes;           /* what the tree so far costs, aliases written out */
    size_t aliased;         /* how much of that came from aliases */
    struct oxp_error *error;
};

/* ---- yaml.c ---- */

static inline struct oxp_yaml_frame *oxp_yaml_top(struct oxp_yaml_builder *builder) {
    return builder->depth == 0 ? NULL : &builder->stack[builder->depth - 1];
}
enum oxp_status oxp_yaml_fault(const struct oxp_yaml_builder *builder, yaml_mark_t mark, const char *text);
/* True when the next node is the key of a mapping. */
bool oxp_yaml_wants_key(struct oxp_yaml_builder *builder);
/* Takes a text as the pending key; it must last as long as the tree. `plain`: without quotes, so that it may be the
 * merge key. OXP_ERR_SYNTAX for one that stands twice. */
enum oxp_status oxp_yaml_take_key(struct oxp_yaml_builder *builder, yaml_mark_t mark, struct oxp_view key, bool plain);
/* Puts a copy of `proto` into its place in the tree; only its key and sibling are set here. OXP_ERR_NOMEM. */
enum oxp_status oxp_yaml_hang(struct oxp_yaml_builder *builder, const struct oxp_yaml_node *proto,
                              struct oxp_yaml_node **node_out);
/* Copies a text into the tree's arena. */
enum oxp_status oxp_yaml_copy(struct oxp_yaml_builder *builder, const void *bytes, size_t len,
                              struct oxp_view *copy_out);

/* ---- alias.c ---- */

/* Remembers an anchor's name for `node`, over an older one of the same name. `open`: a collection that has just
 * begun. */
enum oxp_status oxp_yaml_anchor(struct oxp_yaml_builder *builder, const yaml_char_t *name, struct oxp_yaml_node *node,
                                bool open, struct oxp_yaml_anchor **anchor_out);
/* An alias where a node or a key is wanted. */
enum oxp_status oxp_yaml_alias(struct oxp_yaml_builder *builder, const yaml_event_t *event);
/* The end of a mapping that had a merge key: what it merges is hung behind its own. */
enum oxp_status oxp_yaml_merge(struct oxp_yaml_builder *builder, struct oxp_yaml_frame *frame);
/* What a tag means for a scalar (`quoted` becomes true when it says text) or a collection. */
enum oxp_status oxp_yaml_tag(const struct oxp_yaml_builder *builder, const yaml_event_t *event, bool *quoted);

#endif
