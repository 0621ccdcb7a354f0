/* YAML: the one place for libyaml. Reads a document into a small tree that knows line and column of every node.
 *
 * Refused with place and reason: syntax errors, bytes that are not UTF-8, duplicate keys, keys that are not scalars or
 * are empty, anchors and aliases, tags, more than one document, nesting past OXP_YAML_DEPTH, texts past OXP_YAML_MAX.
 * Who reads other people's files (rule files, as Prometheus reads them) may ask for aliases, tags and further
 * documents. Nothing is guessed from looks but null: yes, no, on, off, true, 12 and 1e3 are all scalars with their
 * text, and the reader of a value knows what it wants. Owned by one thread; views live as long as the document. */
#ifndef OXP_YAML_YAML_H
#define OXP_YAML_YAML_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>

#define OXP_YAML_MAX (1u << 20)         /* bytes of one document */
#define OXP_YAML_DEPTH 32               /* mappings and sequences inside each other, the root included */
#define OXP_YAML_NODE_COST 32           /* what a node counts beside the bytes of its text and key */
#define OXP_YAML_ALIASED_MAX (4u << 20) /* what all aliases of a document add at most, were they written out */

enum oxp_yaml_kind {
    OXP_YAML_SCALAR,
    OXP_YAML_SEQUENCE,
    OXP_YAML_MAPPING,
    OXP_YAML_NULL, /* nothing, ~ or null, without quotes */
};

struct oxp_yaml_node {
    enum oxp_yaml_kind kind;
    unsigned line, column;           /* from 1; columns count characters. Of an alias: where it stands */
    unsigned text_line, text_column; /* where it is written: of an alias where its anchor is, else the same */
    struct oxp_view key;             /* in a mapping */
    unsigned key_line, key_column;
    struct oxp_view text;              /* scalar; of a null what was written */
    bool quoted;                       /* scalar: written with quotes, as a block or with !!str, so always text */
    const struct oxp_yaml_node *first; /* children of a sequence or mapping */
    const struct oxp_yaml_node *next;  /* next sibling */
};

struct oxp_yaml; /* a document; owns its nodes */
/* `root_out` is NULL for an empty document. OXP_ERR_SYNTAX with the place, OXP_ERR_LIMIT (too large), OXP_ERR_NOMEM;
 * then nothing is owned by the caller. `text` is not needed after the call. */
enum oxp_status oxp_yaml_parse(struct oxp_view text, struct oxp_yaml **yaml_out, const struct oxp_yaml_node **root_out,
                               struct oxp_error *error);

enum oxp_yaml_option {
    /* Anchors, aliases and the merge key `<<` (which is then no key of the tree). A scalar or collection that is used
     * by several aliases is shared: what is below a node must not be taken for its own. Bounded by OXP_YAML_DEPTH and
     * OXP_YAML_ALIASED_MAX, so that a walk over the tree ends soon. */
    OXP_YAML_ALIASES = 1,
    OXP_YAML_TAGS = 2,           /* !!str, !!map, !!seq and ! where they say what is there */
    OXP_YAML_FIRST_DOCUMENT = 4, /* what stands behind the first document is not looked at (oxp_yaml_more) */
};
/* The same with some of enum oxp_yaml_option. */
enum oxp_status oxp_yaml_parse_with(struct oxp_view text, unsigned options, struct oxp_yaml **yaml_out,
                                    const struct oxp_yaml_node **root_out, struct oxp_error *error);
/* True when something stood behind the first document, which was not looked at. */
bool oxp_yaml_more(const struct oxp_yaml *yaml);
void oxp_yaml_free(struct oxp_yaml *yaml);

/* The version of the library behind this (libyaml), static text. */
const char *oxp_yaml_library(void);

#endif
