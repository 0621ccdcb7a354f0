/* Anchors, aliases and merge keys (YAML 1.1 sections 3.2.2.2 and 7.1; https://yaml.org/type/merge.html), as
 * go.yaml.in/yaml/v3 has them, which is what Prometheus reads its rule files with:
 *
 *   1. An alias is the node that the anchor of its name was on last. One that is still open contains itself: refused.
 *   2. An alias shares the children of what it stands for, so it costs one node. But whoever walks the tree meets them
 *      again each time; therefore what aliases add, written out, is bounded (OXP_YAML_ALIASED_MAX), and so is the
 * depth.
 *   3. `<<` without quotes merges a mapping, or a list of them: keys of the mapping itself win over merged ones, an
 *      earlier mapping of the list over a later one. Merged mappings have merged their own by then. */
#include "lib/yaml/builder.h"

enum oxp_status oxp_yaml_anchor(struct oxp_yaml_builder *builder, const yaml_char_t *name, struct oxp_yaml_node *node,
                                bool open, struct oxp_yaml_anchor **anchor_out) {
    struct oxp_yaml_anchor *anchor = oxp_arena_zero(&builder->yaml->arena, 1, sizeof *anchor);
    struct oxp_view key;
    enum oxp_status status = oxp_yaml_copy(builder, name, strlen((const char *)name), &key);
    if (anchor == NULL || status != OXP_OK) {
        return OXP_ERR_NOMEM;
    }
    *anchor = (struct oxp_yaml_anchor){.node = node, .open = open, .bytes = OXP_YAML_NODE_COST + node->text.len};
    if (anchor_out != NULL) {
        *anchor_out = anchor;
    }
    return oxp_map_set(&builder->anchors, key, anchor, NULL);
}

static enum oxp_status alias_key(struct oxp_yaml_builder *builder, const yaml_event_t *event,
                                 const struct oxp_yaml_node *node) {
    if (node->kind != OXP_YAML_SCALAR && node->kind != OXP_YAML_NULL) {
        return oxp_yaml_fault(builder, event->start_mark,
                              node->kind == OXP_YAML_MAPPING ? "a key is a mapping; a key must be text"
                                                             : "a key is a list; a key must be text");
    }
    return oxp_yaml_take_key(builder, event->start_mark, node->text, false);
}

enum oxp_status oxp_yaml_alias(struct oxp_yaml_builder *builder, const yaml_event_t *event) {
    if ((builder->options & OXP_YAML_ALIASES) == 0) {
        return oxp_yaml_fault(builder, event->start_mark, "anchors and aliases are not taken");
    }
    const struct oxp_yaml_anchor *anchor =
        oxp_map_get(&builder->anchors, oxp_view_from((const char *)event->data.alias.anchor));
    if (anchor == NULL) {
        return oxp_yaml_fault(builder, event->start_mark, "the alias names no anchor that stands before it");
    }
    if (anchor->open) {
        return oxp_yaml_fault(builder, event->start_mark, "the anchor's value contains itself");
    }
    if (builder->depth + anchor->height > OXP_YAML_DEPTH) {
        return oxp_yaml_fault(builder, event->start_mark, "nested too deeply");
    }
    builder->aliased += anchor->bytes;
    if (builder->aliased > OXP_YAML_ALIASED_MAX) {
        return oxp_yaml_fault(builder, event->start_mark, "aliases make the document too large");
    }
    if (oxp_yaml_wants_key(builder)) {
        return alias_key(builder, event, anchor->node);
    }
    struct oxp_yaml_frame *frame = oxp_yaml_top(builder);
    if (frame != NULL && frame->height < anchor->height) {
        frame->height = anchor->height;
    }
    struct oxp_yaml_node proto = *anchor->node, *node;
    proto.line = (unsigned)event->start_mark.line + 1;
    proto.column = (unsigned)event->start_mark.column + 1;
    enum oxp_status status = oxp_yaml_hang(builder, &proto, &node);
    builder->bytes += anchor->bytes - OXP_YAML_NODE_COST - proto.text.len; /* those two were counted by the hanging */
    return status;
}

static enum oxp_status merge_one(struct oxp_yaml_builder *builder, struct oxp_yaml_frame *frame,
                                 const struct oxp_yaml_node *from) {
    if (from->kind != OXP_YAML_MAPPING) {
        return oxp_error_set(builder->error, OXP_ERR_SYNTAX, from->line, from->column,
                             "what << merges must be a mapping or a list of mappings");
    }
    for (const struct oxp_yaml_node *child = from->first; child != NULL; child = child->next) {
        if (oxp_map_get(&frame->keys, child->key) != NULL) {
            continue;
        }
        struct oxp_yaml_node *copy = oxp_arena_take(&builder->yaml->arena, sizeof *copy);
        if (copy == NULL || oxp_map_set(&frame->keys, child->key, copy, NULL) != OXP_OK) {
            return OXP_ERR_NOMEM;
        }
        *copy = *child;
        copy->next = NULL;
        *frame->tail = copy;
        frame->tail = &copy->next;
    }
    return OXP_OK;
}

enum oxp_status oxp_yaml_merge(struct oxp_yaml_builder *builder, struct oxp_yaml_frame *frame) {
    if (frame->merge->kind != OXP_YAML_SEQUENCE) {
        return merge_one(builder, frame, frame->merge);
    }
    for (const struct oxp_yaml_node *from = frame->merge->first; from != NULL; from = from->next) {
        enum oxp_status status = merge_one(builder, frame, from);
        if (status != OXP_OK) {
            return status;
        }
    }
    return OXP_OK;
}

/* The tags that say what is to be seen anyway; libyaml gives them with their prefix. `!` alone means "not by its
 * looks", which for a scalar is text. */
enum oxp_status oxp_yaml_tag(const struct oxp_yaml_builder *builder, const yaml_event_t *event, bool *quoted) {
    static const struct {
        yaml_event_type_t type;
        const char *tag;
    } plain[] = {
        {YAML_SCALAR_EVENT, "!"},         {YAML_SCALAR_EVENT, YAML_STR_TAG},
        {YAML_MAPPING_START_EVENT, "!"},  {YAML_MAPPING_START_EVENT, YAML_MAP_TAG},
        {YAML_SEQUENCE_START_EVENT, "!"}, {YAML_SEQUENCE_START_EVENT, YAML_SEQ_TAG},
    };
    const yaml_char_t *tag = event->type == YAML_SCALAR_EVENT          ? event->data.scalar.tag
                             : event->type == YAML_MAPPING_START_EVENT ? event->data.mapping_start.tag
                                                                       : event->data.sequence_start.tag;
    if (tag == NULL) {
        return OXP_OK;
    }
    if ((builder->options & OXP_YAML_TAGS) == 0) {
        return oxp_yaml_fault(builder, event->start_mark, "tags are not taken");
    }
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (plain[i].type == event->type && strcmp((const char *)tag, plain[i].tag) == 0) {
            *quoted = *quoted || event->type == YAML_SCALAR_EVENT;
            return OXP_OK;
        }
    }
    return oxp_yaml_fault(builder, event->start_mark, "no other tags are taken than !!str, !!map and !!seq");
}
