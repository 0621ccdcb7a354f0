/* Fields of YAML mappings and their values: what every reader of a configuration needs on top of lib/yaml's tree.
 *
 * A reader finds the keys of a mapping by a table and takes each value by its type. What is wrong is told with its
 * place, in one kind of sentence: "alerting.route: there is no key grup_by; did you mean group_by?", "fips: found
 * \"yes\"; expected true or false". After a fault reading goes on with what stands for nothing, so that a section is
 * read without a check behind every line; whoever would stumble over it asks for `status`.
 *
 *     enum { URL, TIMEOUT, KEYS };
 *     static const char *const names[] = {"url", "timeout"};
 *     static const struct oxp_keys keys = {.what = "webhook", .names = names, .count = KEYS};
 *     const struct oxp_yaml_node *found[KEYS];
 *     if (oxp_fields_find(fields, node, &keys, found)) {
 *         url = oxp_fields_text(fields, found[URL], NULL);
 *         timeout_ms = oxp_fields_duration(fields, found[TIMEOUT], 10000);
 *     }
 *
 * Keys that stand twice, and what is no YAML, were refused by oxp_yaml_parse. Owned by one thread. */
#ifndef OXP_YAML_FIELDS_H
#define OXP_YAML_FIELDS_H

#include "lib/base/arena.h"
#include "lib/yaml/yaml.h"
#include <stdint.h>

#define OXP_FIELDS_SHOWN_MAX 48 /* bytes of somebody's text that a sentence has room for */

/* A key or text of the file as it may stand in a sentence. */
struct oxp_fields_shown {
    char text[256];
};

enum oxp_fields_null {
    OXP_NULL_WRONG,  /* a null is a fault, as any value of a wrong kind */
    OXP_NULL_ABSENT, /* a key with a null is as if it were not there; a null in a list is a fault */
    OXP_NULL_EMPTY,  /* a null is found, and gives what stands for nothing */
};

struct oxp_fields {
    struct oxp_arena *arena; /* texts are copied there; may be NULL when none is kept */
    struct oxp_error *error; /* gets the first fault; may be NULL */
    enum oxp_status status;  /* of the first fault; OXP_ERR_NOMEM ends the reading and is the only one that replaces */
    /* Sees every fault, the first included, and may put words in front before it is kept; NULL: the first is enough. */
    void (*on_fault)(void *ctx, enum oxp_status status, struct oxp_error *fault);
    void *ctx;
    struct oxp_view directory; /* of the file, where relative paths begin; empty = they stay relative */
    enum oxp_fields_null null;
    bool quoted_is_text; /* quotes make text, which is no number and no bool */
    /* How a key is shown; NULL = oxp_fields_shown. */
    struct oxp_fields_shown (*show)(struct oxp_view key);
    /* The grammar of durations, with its words for what is wrong. */
    enum oxp_status (*duration)(struct oxp_view text, int64_t *ms_out, struct oxp_error *error);
};

/* ---- Faults ---- */

/* Tells a fault at a place. Control characters become `?`, what is too long is cut. OXP_ERR_NOMEM sticks. */
void oxp_fields_fault(struct oxp_fields *fields, enum oxp_status status, unsigned line, unsigned column,
                      const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The same where a node stands, or its key. */
#define OXP_FAULT(fields, node, ...)                                                                                   \
    oxp_fields_fault((fields), OXP_ERR_INVALID, (node)->line, (node)->column, __VA_ARGS__)
#define OXP_FAULT_AT_KEY(fields, node, ...)                                                                            \
    oxp_fields_fault((fields), OXP_ERR_INVALID, (node)->key_line, (node)->key_column, __VA_ARGS__)
void oxp_fields_no_memory(struct oxp_fields *fields);
/* "NAME: found a list; expected EXPECTED". `name` is what the value belongs to; NULL = its key, or that it is an item.
 */
void oxp_fields_wrong_kind(struct oxp_fields *fields, const struct oxp_yaml_node *node, const char *name,
                           const char *expected);
/* Cut, and without control characters. */
struct oxp_fields_shown oxp_fields_shown(struct oxp_view text);
/* "text", "a list", "a mapping", "nothing". */
const char *oxp_fields_kind(const struct oxp_yaml_node *node);

/* ---- Keys ---- */

struct oxp_keys {
    const char *what; /* whose keys these are, for sentences: "alerting.route" */
    const char *const *names;
    size_t count;
    const char *const *later; /* known, but not supported; ends with NULL; may be NULL */
    const char *later_suffix; /* the same for all that end so; may be NULL */
};
/* The values by their place in `keys`, NULL for absent ones. Tells every key that the mapping may not have, with the
 * nearest that it may. False when the node is no mapping, and after any fault of a reading that tells the first alone:
 * then there is nothing to go on for. */
bool oxp_fields_find(struct oxp_fields *fields, const struct oxp_yaml_node *node, const struct oxp_keys *keys,
                     const struct oxp_yaml_node **found);
/* `child`, or the first of its siblings behind it, whose key is none of these; NULL at the end. For who has words of
 * their own for unknown keys. */
const struct oxp_yaml_node *oxp_keys_unknown(const struct oxp_keys *keys, const struct oxp_yaml_node *child);
/* The values by their place, and not a word of what is unknown. */
void oxp_keys_pick(const struct oxp_keys *keys, const struct oxp_yaml_node *node, const struct oxp_yaml_node **found);

/* ---- Values ---- A node that is NULL is absent: it gives the value handed in, or nothing. So does a fault. ---- */

/* False for what is absent, and for a wrong kind, which is told. All below begin with this. */
bool oxp_fields_scalar(struct oxp_fields *fields, const struct oxp_yaml_node *node, const char *expected);
/* The text as it lies in the tree; empty for nothing. */
struct oxp_view oxp_fields_view(struct oxp_fields *fields, const struct oxp_yaml_node *node);
/* A copy in the arena that ends with a NUL; NULL without memory, which is told. */
const char *oxp_fields_keep(struct oxp_fields *fields, struct oxp_view text);
/* Such a copy of a text that is not empty. */
const char *oxp_fields_text(struct oxp_fields *fields, const struct oxp_yaml_node *node, const char *otherwise);
/* The same for the path of a file; NULL for nothing. */
const char *oxp_fields_path(struct oxp_fields *fields, const struct oxp_yaml_node *node);
/* true, false. */
bool oxp_fields_bool(struct oxp_fields *fields, const struct oxp_yaml_node *node, bool otherwise);
/* A finite number; an amount is not negative. */
double oxp_fields_number(struct oxp_fields *fields, const struct oxp_yaml_node *node, double otherwise);
double oxp_fields_amount(struct oxp_fields *fields, const struct oxp_yaml_node *node, double otherwise);
/* A whole number within bounds; UINT64_MAX as the upper one is none. */
struct oxp_range {
    uint64_t least, most;
};
uint64_t oxp_fields_count(struct oxp_fields *fields, const struct oxp_yaml_node *node, struct oxp_range range,
                          uint64_t otherwise);
/* Milliseconds, in the grammar of `fields->duration`. */
int64_t oxp_fields_duration(struct oxp_fields *fields, const struct oxp_yaml_node *node, int64_t otherwise);
/* The place in a list of words that NULL ends; 0 for nothing. */
size_t oxp_fields_choice(struct oxp_fields *fields, const struct oxp_yaml_node *node, const char *const *choices);
/* The first child of a list or mapping and how many there are; NULL and 0 for nothing. */
const struct oxp_yaml_node *oxp_fields_children(struct oxp_fields *fields, const struct oxp_yaml_node *node,
                                                enum oxp_yaml_kind kind, size_t *count_out);
/* Tells it, and gives false, when that was too many. */
bool oxp_fields_few(struct oxp_fields *fields, const struct oxp_yaml_node *node, size_t count, size_t most);

#endif
