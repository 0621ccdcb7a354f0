#include "lib/yaml/yaml.h"

#include "lib/base/map.h"
#include "lib/base/utf8.h"
#include <stdalign.h>
#include <stdlib.h>
#include <yaml.h>

/* libyaml gives events; the tree is ours, in an arena, built with a stack of open collections and no recursion:
 *
 *   1. A node goes into the innermost open collection (or becomes the root).
 *   2. In a mapping, nodes alternate: a scalar that becomes the pending key, then the node that gets it.
 *   3. A key is looked up in the mapping's own map first, so that a million keys do not cost a million million
 * compares.
 *
 * The first fault ends the build. libyaml's own memory does not pass through our allocator. */

enum { CHUNK_BYTES = 16 * 1024 };

struct chunk {
    struct chunk *next;
    size_t used, size;
    alignas(max_align_t) char bytes[];
};

struct oxp_yaml {
    struct chunk *chunks; /* newest first */
};

struct frame {
    struct oxp_yaml_node *node;
    const struct oxp_yaml_node **tail; /* where the next child is hung */
    struct oxp_map keys;               /* mappings: key to node */
    bool has_key;                      /* a key waits for its value */
    struct oxp_view key;
    unsigned key_line, key_column;
};

struct builder {
    yaml_parser_t parser;
    struct oxp_yaml *yaml;
    struct oxp_yaml_node *root;
    struct frame stack[OXP_YAML_DEPTH];
    size_t depth;
    size_t documents;
    struct oxp_error *error;
};

static void *arena_take(struct oxp_yaml *yaml, size_t size) {
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct chunk *chunk = yaml->chunks;
    if (chunk == NULL || chunk->size - chunk->used < size) {
        size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
        chunk = malloc(sizeof *chunk + room);
        if (chunk == NULL) {
            return NULL;
        }
        *chunk = (struct chunk){.next = yaml->chunks, .size = room};
        yaml->chunks = chunk;
    }
    void *taken = chunk->bytes + chunk->used;
    chunk->used += size;
    return taken;
}

static enum oxp_status arena_copy(struct oxp_yaml *yaml, const yaml_event_t *event, struct oxp_view *copy_out) {
    size_t len = event->data.scalar.length;
    char *bytes = arena_take(yaml, len == 0 ? 1 : len);
    if (bytes == NULL) {
        return OXP_ERR_NOMEM;
    }
    if (len != 0) {
        memcpy(bytes, event->data.scalar.value, len);
    }
    *copy_out = oxp_view_of(bytes, len);
    return OXP_OK;
}

static unsigned line_of(yaml_mark_t mark) {
    return (unsigned)mark.line + 1;
}

static unsigned column_of(yaml_mark_t mark) {
    return (unsigned)mark.column + 1;
}

static enum oxp_status fault(struct builder *builder, yaml_mark_t mark, const char *text) {
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

static enum oxp_status parser_fault(const struct builder *builder, struct oxp_view text) {
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

static struct frame *top(struct builder *builder) {
    return builder->depth == 0 ? NULL : &builder->stack[builder->depth - 1];
}

/* True when the next node is the key of a mapping. */
static bool wants_key(struct builder *builder) {
    const struct frame *frame = top(builder);
    return frame != NULL && frame->node->kind == OXP_YAML_MAPPING && !frame->has_key;
}

/* The key as it may stand in one line for a person: cut, and no control characters. */
static enum oxp_status twice(const struct builder *builder, const yaml_event_t *event, struct oxp_view key,
                             unsigned first_line) {
    char shown[64];
    struct oxp_view cut = oxp_utf8_cut(key, sizeof shown);
    for (size_t i = 0; i < cut.len; i++) {
        shown[i] = cut.ptr[i];
        if ((unsigned char)cut.ptr[i] < 0x20 || cut.ptr[i] == 0x7f) {
            shown[i] = '?';
        }
    }
    return oxp_error_set(builder->error, OXP_ERR_SYNTAX, line_of(event->start_mark), column_of(event->start_mark),
                         "the key \"%.*s\" stands twice; first on line %u", (int)cut.len, shown, first_line);
}

static enum oxp_status take_key(struct builder *builder, const yaml_event_t *event) {
    struct frame *frame = top(builder);
    if (event->data.scalar.length == 0) {
        return fault(builder, event->start_mark, "a key is empty");
    }
    struct oxp_view key;
    enum oxp_status status = arena_copy(builder->yaml, event, &key);
    if (status != OXP_OK) {
        return status;
    }
    const struct oxp_yaml_node *before = oxp_map_get(&frame->keys, key);
    if (before != NULL) {
        return twice(builder, event, key, before->key_line);
    }
    frame->has_key = true;
    frame->key = key;
    frame->key_line = line_of(event->start_mark);
    frame->key_column = column_of(event->start_mark);
    return OXP_OK;
}

/* A new node in its place. */
static enum oxp_status hang(struct builder *builder, const yaml_event_t *event, enum oxp_yaml_kind kind,
                            struct oxp_yaml_node **node_out) {
    struct oxp_yaml_node *node = arena_take(builder->yaml, sizeof *node);
    if (node == NULL) {
        return OXP_ERR_NOMEM;
    }
    *node = (struct oxp_yaml_node){
        .kind = kind, .line = line_of(event->start_mark), .column = column_of(event->start_mark)};
    *node_out = node;
    struct frame *frame = top(builder);
    if (frame == NULL) {
        builder->root = node;
        return OXP_OK;
    }
    if (frame->node->kind == OXP_YAML_MAPPING) {
        node->key = frame->key;
        node->key_line = frame->key_line;
        node->key_column = frame->key_column;
        frame->has_key = false;
        enum oxp_status status = oxp_map_set(&frame->keys, node->key, node, NULL);
        if (status != OXP_OK) {
            return status;
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

static enum oxp_status on_scalar(struct builder *builder, const yaml_event_t *event) {
    if (event->data.scalar.anchor != NULL) {
        return fault(builder, event->start_mark, "anchors and aliases are not taken");
    }
    if (event->data.scalar.tag != NULL) {
        return fault(builder, event->start_mark, "tags are not taken");
    }
    if (wants_key(builder)) {
        return take_key(builder, event);
    }
    struct oxp_view text;
    struct oxp_yaml_node *node;
    enum oxp_status status = arena_copy(builder->yaml, event, &text);
    if (status == OXP_OK) {
        status = hang(builder, event, OXP_YAML_SCALAR, &node);
    }
    if (status != OXP_OK) {
        return status;
    }
    node->text = text;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (!node->quoted && is_null(text)) {
        node->kind = OXP_YAML_NULL;
    }
    return OXP_OK;
}

static enum oxp_status on_open(struct builder *builder, const yaml_event_t *event) {
    bool mapping = event->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *anchor = mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    const yaml_char_t *tag = mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    if (anchor != NULL) {
        return fault(builder, event->start_mark, "anchors and aliases are not taken");
    }
    if (tag != NULL) {
        return fault(builder, event->start_mark, "tags are not taken");
    }
    if (wants_key(builder)) {
        return fault(builder, event->start_mark,
                     mapping ? "a key is a mapping; a key must be text" : "a key is a list; a key must be text");
    }
    if (builder->depth == OXP_YAML_DEPTH) {
        return fault(builder, event->start_mark, "nested too deeply");
    }
    struct oxp_yaml_node *node;
    enum oxp_status status = hang(builder, event, mapping ? OXP_YAML_MAPPING : OXP_YAML_SEQUENCE, &node);
    if (status != OXP_OK) {
        return status;
    }
    struct frame *frame = &builder->stack[builder->depth++];
    *frame = (struct frame){.node = node, .tail = &node->first};
    oxp_map_init(&frame->keys);
    return OXP_OK;
}

static void on_close(struct builder *builder) {
    oxp_map_fini(&builder->stack[--builder->depth].keys);
}

static enum oxp_status on_event(struct builder *builder, const yaml_event_t *event) {
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return builder->documents++ == 0 ? OXP_OK : fault(builder, event->start_mark, "a second document begins here");
    case YAML_ALIAS_EVENT:
        return fault(builder, event->start_mark, "anchors and aliases are not taken");
    case YAML_SCALAR_EVENT:
        return on_scalar(builder, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return on_open(builder, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        on_close(builder);
        return OXP_OK;
    default:
        return OXP_OK;
    }
}

static enum oxp_status build(struct builder *builder, struct oxp_view text) {
    for (;;) {
        yaml_event_t event;
        if (yaml_parser_parse(&builder->parser, &event) == 0) {
            return parser_fault(builder, text);
        }
        bool last = event.type == YAML_STREAM_END_EVENT;
        enum oxp_status status = on_event(builder, &event);
        yaml_event_delete(&event);
        if (status == OXP_ERR_NOMEM) {
            return oxp_error_set(builder->error, OXP_ERR_NOMEM, 0, 0, "out of memory");
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

enum oxp_status oxp_yaml_parse(struct oxp_view text, struct oxp_yaml **yaml_out, const struct oxp_yaml_node **root_out,
                               struct oxp_error *error) {
    *yaml_out = NULL;
    *root_out = NULL;
    enum oxp_status status = check_text(text, error);
    if (status != OXP_OK) {
        return status;
    }
    struct builder builder = {.error = error, .yaml = calloc(1, sizeof *builder.yaml)};
    if (builder.yaml == NULL || yaml_parser_initialize(&builder.parser) == 0) {
        free(builder.yaml);
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    /* Said, not detected: a byte order mark must not turn the input into UTF-16. */
    yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&builder.parser, (const unsigned char *)(text.len == 0 ? "" : text.ptr), text.len);
    status = build(&builder, text);
    yaml_parser_delete(&builder.parser);
    while (builder.depth > 0) {
        on_close(&builder);
    }
    if (status != OXP_OK) {
        oxp_yaml_free(builder.yaml);
        return status;
    }
    *yaml_out = builder.yaml;
    *root_out = builder.root;
    return OXP_OK;
}

void oxp_yaml_free(struct oxp_yaml *yaml) {
    if (yaml == NULL) {
        return;
    }
    while (yaml->chunks != NULL) {
        struct chunk *next = yaml->chunks->next;
        free(yaml->chunks);
        yaml->chunks = next;
    }
    free(yaml);
}

const char *oxp_yaml_library(void) {
    return yaml_get_version_string();
}
