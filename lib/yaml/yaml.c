#include "lib/yaml/builder.h"

#include "lib/base/utf8.h"
#include <stdlib.h>

/* libyaml gives events; the tree is ours, in an arena, built with a stack of open collections and no recursion:
 *
 *   1. A node goes into the innermost open collection (or becomes the root).
 *   2. In a mapping, nodes alternate: a scalar that becomes the pending key, then the node that gets it.
 *   3. A key is looked up in the mapping's own map first, so that a million keys do not cost a million million
 * compares.
 *   4. An alias is hung like what it stands for (alias.c), a merge key's value is kept aside until its mapping ends.
 *
 * The first fault ends the build. libyaml's own memory does not pass through our allocator. */

enum oxp_status oxp_yaml_copy(struct oxp_yaml_builder *builder, const void *bytes, size_t len,
                              struct oxp_view *copy_out) {
    *copy_out = oxp_arena_copy(&builder->yaml->arena, oxp_view_of(bytes, len));
    return oxp_arena_status(&builder->yaml->arena);
}

static unsigned line_of(yaml_mark_t mark) {
    return (unsigned)mark.line + 1;
}

static unsigned column_of(yaml_mark_t mark) {
    return (unsigned)mark.column + 1;
}

enum oxp_status oxp_yaml_fault(const struct oxp_yaml_builder *builder, yaml_mark_t mark, const char *text) {
    return oxp_error_set(builder->error, OXP_ERR_SYNTAX, line_of(mark), column_of(mark), "%s", text);
}

/* Line and column of a byte, for faults that libyaml places by offset only. */
static enum oxp_status fault_at_offset(struct oxp_error *error, struct oxp_view text, size_t offset,
                                       const char *reason) {
    if (offset > text.len) {
        offset = text.len;
    }
    unsigned line = 1;
    size_t line_start = 0;
    for (size_t i = 0; i < offset; i++) {
        if (text.ptr[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    size_t column = oxp_utf8_count(oxp_view_of(text.ptr + line_start, offset - line_start)) + 1;
    return oxp_error_set(error, OXP_ERR_SYNTAX, line, (unsigned)column, "%s", reason);
}

static enum oxp_status parser_fault(const struct oxp_yaml_builder *builder, struct oxp_view text) {
    const yaml_parser_t *parser = &builder->parser;
    if (parser->error == YAML_MEMORY_ERROR) {
        return oxp_error_set(builder->error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    const char *problem = parser->problem == NULL ? "malformed YAML" : parser->problem;
    if (parser->error == YAML_READER_ERROR) {
        return fault_at_offset(builder->error, text, parser->problem_offset, problem);
    }
    unsigned line = line_of(parser->problem_mark);
    unsigned column = column_of(parser->problem_mark);
    if (parser->context == NULL) {
        return oxp_error_set(builder->error, OXP_ERR_SYNTAX, line, column, "%s", problem);
    }
    return oxp_error_set(builder->error, OXP_ERR_SYNTAX, line, column, "%s (%s)", problem, parser->context);
}

bool oxp_yaml_wants_key(struct oxp_yaml_builder *builder) {
    const struct oxp_yaml_frame *frame = oxp_yaml_top(builder);
    return frame != NULL && frame->node->kind == OXP_YAML_MAPPING && !frame->has_key;
}

/* The key as it may stand in one line for a person: cut, and no control characters. */
static enum oxp_status twice(const struct oxp_yaml_builder *builder, yaml_mark_t mark, struct oxp_view key,
                             unsigned first_line) {
    char shown[64];
    struct oxp_view cut = oxp_utf8_cut(key, sizeof shown);
    for (size_t i = 0; i < cut.len; i++) {
        shown[i] = cut.ptr[i];
        if ((unsigned char)cut.ptr[i] < 0x20 || cut.ptr[i] == 0x7f) {
            shown[i] = '?';
        }
    }
    return oxp_error_set(builder->error, OXP_ERR_SYNTAX, line_of(mark), column_of(mark),
                         "the key \"%.*s\" stands twice; first on line %u", (int)cut.len, shown, first_line);
}

enum oxp_status oxp_yaml_take_key(struct oxp_yaml_builder *builder, yaml_mark_t mark, struct oxp_view key, bool plain) {
    struct oxp_yaml_frame *frame = oxp_yaml_top(builder);
    if (key.len == 0) {
        return oxp_yaml_fault(builder, mark, "a key is empty");
    }
    const struct oxp_yaml_node *before = oxp_map_get(&frame->keys, key);
    if (before != NULL) {
        return twice(builder, mark, key, before->key_line);
    }
    frame->has_key = true;
    frame->merging = plain && (builder->options & OXP_YAML_ALIASES) != 0 && oxp_view_is(key, "<<");
    frame->key = key;
    frame->key_line = line_of(mark);
    frame->key_column = column_of(mark);
    return OXP_OK;
}

enum oxp_status oxp_yaml_hang(struct oxp_yaml_builder *builder, const struct oxp_yaml_node *proto,
                              struct oxp_yaml_node **node_out) {
    struct oxp_yaml_node *node = oxp_arena_take(&builder->yaml->arena, sizeof *node);
    if (node == NULL) {
        return OXP_ERR_NOMEM;
    }
    *node = *proto;
    node->key = (struct oxp_view){NULL, 0};
    node->key_line = node->key_column = 0;
    node->next = NULL;
    *node_out = node;
    builder->bytes += OXP_YAML_NODE_COST + node->text.len;
    struct oxp_yaml_frame *frame = oxp_yaml_top(builder);
    if (frame == NULL) {
        builder->root = node;
        return OXP_OK;
    }
    if (frame->node->kind == OXP_YAML_MAPPING) {
        node->key = frame->key;
        node->key_line = frame->key_line;
        node->key_column = frame->key_column;
        frame->has_key = false;
        builder->bytes += node->key.len;
        enum oxp_status status = oxp_map_set(&frame->keys, node->key, node, NULL);
        if (status != OXP_OK) {
            return status;
        }
        if (frame->merging) {
            frame->merging = false;
            frame->merge = node;
            return OXP_OK;
        }
    }
    *frame->tail = node;
    frame->tail = &node->next;
    return OXP_OK;
}

static bool is_null(struct oxp_view text) {
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (oxp_view_is(text, words[i])) {
            return true;
        }
    }
    return false;
}

static struct oxp_yaml_node proto_at(yaml_mark_t mark, enum oxp_yaml_kind kind) {
    return (struct oxp_yaml_node){.kind = kind,
                                  .line = line_of(mark),
                                  .column = column_of(mark),
                                  .text_line = line_of(mark),
                                  .text_column = column_of(mark)};
}

/* A key may carry an anchor; the node that it names is in no place of the tree. */
static enum oxp_status on_key(struct oxp_yaml_builder *builder, const yaml_event_t *event,
                              const struct oxp_yaml_node *proto) {
    if (event->data.scalar.anchor != NULL) {
        struct oxp_yaml_node *node = oxp_arena_take(&builder->yaml->arena, sizeof *node);
        if (node == NULL) {
            return OXP_ERR_NOMEM;
        }
        *node = *proto;
        enum oxp_status status = oxp_yaml_anchor(builder, event->data.scalar.anchor, node, false, NULL);
        if (status != OXP_OK) {
            return status;
        }
    }
    return oxp_yaml_take_key(builder, event->start_mark, proto->text, !proto->quoted);
}

static enum oxp_status on_scalar(struct oxp_yaml_builder *builder, const yaml_event_t *event) {
    const yaml_char_t *anchor = event->data.scalar.anchor;
    if (anchor != NULL && (builder->options & OXP_YAML_ALIASES) == 0) {
        return oxp_yaml_fault(builder, event->start_mark, "anchors and aliases are not taken");
    }
    struct oxp_yaml_node proto = proto_at(event->start_mark, OXP_YAML_SCALAR), *node;
    proto.quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    enum oxp_status status = oxp_yaml_tag(builder, event, &proto.quoted);
    status = status == OXP_OK ? oxp_yaml_copy(builder, event->data.scalar.value, event->data.scalar.length, &proto.text)
                              : status;
    if (status != OXP_OK) {
        return status;
    }
    if (!proto.quoted && is_null(proto.text)) {
        proto.kind = OXP_YAML_NULL;
    }
    if (oxp_yaml_wants_key(builder)) {
        return on_key(builder, event, &proto);
    }
    status = oxp_yaml_hang(builder, &proto, &node);
    return status == OXP_OK && anchor != NULL ? oxp_yaml_anchor(builder, anchor, node, false, NULL) : status;
}

static enum oxp_status on_open(struct oxp_yaml_builder *builder, const yaml_event_t *event) {
    bool mapping = event->type == YAML_MAPPING_START_EVENT, quoted = false;
    const yaml_char_t *anchor = mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    if (anchor != NULL && (builder->options & OXP_YAML_ALIASES) == 0) {
        return oxp_yaml_fault(builder, event->start_mark, "anchors and aliases are not taken");
    }
    enum oxp_status status = oxp_yaml_tag(builder, event, &quoted);
    if (status != OXP_OK) {
        return status;
    }
    if (oxp_yaml_wants_key(builder)) {
        return oxp_yaml_fault(builder, event->start_mark,
                              mapping ? "a key is a mapping; a key must be text"
                                      : "a key is a list; a key must be text");
    }
    if (builder->depth == OXP_YAML_DEPTH) {
        return oxp_yaml_fault(builder, event->start_mark, "nested too deeply");
    }
    size_t bytes_before = builder->bytes;
    struct oxp_yaml_node proto = proto_at(event->start_mark, mapping ? OXP_YAML_MAPPING : OXP_YAML_SEQUENCE), *node;
    struct oxp_yaml_anchor *kept = NULL;
    status = oxp_yaml_hang(builder, &proto, &node);
    if (status == OXP_OK && anchor != NULL) {
        status = oxp_yaml_anchor(builder, anchor, node, true, &kept);
    }
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_yaml_frame *frame = &builder->stack[builder->depth++];
    *frame = (struct oxp_yaml_frame){.node = node, .tail = &node->first, .anchor = kept, .bytes_before = bytes_before};
    oxp_map_init(&frame->keys);
    return OXP_OK;
}

static enum oxp_status on_close(struct oxp_yaml_builder *builder) {
    struct oxp_yaml_frame *frame = &builder->stack[builder->depth - 1];
    enum oxp_status status = frame->merge == NULL ? OXP_OK : oxp_yaml_merge(builder, frame);
    builder->depth--;
    oxp_map_fini(&frame->keys);
    unsigned height = frame->height + 1;
    if (frame->anchor != NULL) {
        frame->anchor->open = false;
        frame->anchor->bytes = builder->bytes - frame->bytes_before;
        frame->anchor->height = height;
    }
    struct oxp_yaml_frame *outer = oxp_yaml_top(builder);
    if (outer != NULL && outer->height < height) {
        outer->height = height;
    }
    return status;
}

static enum oxp_status on_event(struct oxp_yaml_builder *builder, const yaml_event_t *event) {
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return builder->documents++ == 0 ? OXP_OK
                                         : oxp_yaml_fault(builder, event->start_mark, "a second document begins here");
    case YAML_ALIAS_EVENT:
        return oxp_yaml_alias(builder, event);
    case YAML_SCALAR_EVENT:
        return on_scalar(builder, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return on_open(builder, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close(builder);
    default:
        return OXP_OK;
    }
}

/* Whether anything but the end follows the first document; it may be malformed. */
static bool more_follows(struct oxp_yaml_builder *builder) {
    yaml_event_t event;
    if (yaml_parser_parse(&builder->parser, &event) == 0) {
        return true;
    }
    bool more = event.type != YAML_STREAM_END_EVENT;
    yaml_event_delete(&event);
    return more;
}

static enum oxp_status build(struct oxp_yaml_builder *builder, struct oxp_view text) {
    for (;;) {
        yaml_event_t event;
        if (yaml_parser_parse(&builder->parser, &event) == 0) {
            return parser_fault(builder, text);
        }
        bool last = event.type == YAML_STREAM_END_EVENT;
        bool first_ended = event.type == YAML_DOCUMENT_END_EVENT && (builder->options & OXP_YAML_FIRST_DOCUMENT) != 0;
        enum oxp_status status = on_event(builder, &event);
        yaml_event_delete(&event);
        if (status == OXP_ERR_NOMEM) {
            return oxp_error_set(builder->error, OXP_ERR_NOMEM, 0, 0, "out of memory");
        }
        if (status == OXP_OK && first_ended) {
            builder->yaml->more = more_follows(builder);
            return OXP_OK;
        }
        if (status != OXP_OK || last) {
            return status;
        }
    }
}

static enum oxp_status check_text(struct oxp_view text, struct oxp_error *error) {
    if (text.len > OXP_YAML_MAX) {
        return oxp_error_set(error, OXP_ERR_LIMIT, 0, 0, "%zu bytes is too large; the most is %u", text.len,
                             OXP_YAML_MAX);
    }
    size_t valid = oxp_utf8_valid_prefix(text);
    return valid == text.len ? OXP_OK : fault_at_offset(error, text, valid, "not UTF-8");
}

/* What the builder holds beside the tree. */
static void builder_fini(struct oxp_yaml_builder *builder) {
    yaml_parser_delete(&builder->parser);
    while (builder->depth > 0) {
        oxp_map_fini(&builder->stack[--builder->depth].keys);
    }
    oxp_map_fini(&builder->anchors);
}

enum oxp_status oxp_yaml_parse_with(struct oxp_view text, unsigned options, struct oxp_yaml **yaml_out,
                                    const struct oxp_yaml_node **root_out, struct oxp_error *error) {
    *yaml_out = NULL;
    *root_out = NULL;
    enum oxp_status status = check_text(text, error);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_yaml_builder builder = {.error = error, .options = options, .yaml = calloc(1, sizeof *builder.yaml)};
    if (builder.yaml == NULL || yaml_parser_initialize(&builder.parser) == 0) {
        free(builder.yaml);
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    oxp_map_init(&builder.anchors);
    /* Said, not detected: a byte order mark must not turn the input into UTF-16. */
    yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&builder.parser, (const unsigned char *)(text.len == 0 ? "" : text.ptr), text.len);
    status = build(&builder, text);
    builder_fini(&builder);
    if (status != OXP_OK) {
        oxp_yaml_free(builder.yaml);
        return status;
    }
    *yaml_out = builder.yaml;
    *root_out = builder.root;
    return OXP_OK;
}

enum oxp_status oxp_yaml_parse(struct oxp_view text, struct oxp_yaml **yaml_out, const struct oxp_yaml_node **root_out,
                               struct oxp_error *error) {
    return oxp_yaml_parse_with(text, 0, yaml_out, root_out, error);
}

bool oxp_yaml_more(const struct oxp_yaml *yaml) {
    return yaml->more;
}

void oxp_yaml_free(struct oxp_yaml *yaml) {
    if (yaml == NULL) {
        return;
    }
    oxp_arena_fini(&yaml->arena);
    free(yaml);
}

const char *oxp_yaml_library(void) {
    return yaml_get_version_string();
}
