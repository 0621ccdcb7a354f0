#include "exporter/config/reader.h"

/* Options of type TREE: sections of the file whose grammar is another module's (`alerting`, `cloudwatch`). Here they
 * are copied, with the variables of their texts expanded, into an arena of the configuration; every node keeps its
 * place in the file. The text of such an option is the copy in one canonical line, so that two of them can be compared.
 */

struct copying {
    struct oxp_config_reader *reader;
    struct oxp_arena *arena;
    struct oxp_buf canonical;
    const char *name; /* of the option */
    bool ok;
};

static struct oxp_view copy_text(struct copying *copying, const struct oxp_yaml_node *node) {
    struct oxp_error why = {0};
    struct oxp_view copy = {NULL, 0};
    struct oxp_buf value;
    oxp_buf_init(&value, OXP_CONFIG_VALUE_MAX);
    enum oxp_status status = oxp_expand(node->text, copying->reader->environment, &value, &why);
    if (status == OXP_OK) {
        copy = oxp_arena_copy(copying->arena, oxp_buf_view(&value));
        oxp_buf_append_format(&copying->canonical, "%zu:", value.len); /* so that no text can look like two */
        oxp_buf_append_view(&copying->canonical, oxp_buf_view(&value));
    } else if (status == OXP_ERR_NOMEM) {
        copying->arena->status = OXP_ERR_NOMEM;
    } else {
        OXP_FAULT(&copying->reader->fields, node, "%s: %s", copying->name, why.text);
        copying->ok = false;
    }
    oxp_buf_fini(&value);
    return copy;
}

/* As deep as the document, which lib/yaml bounds (OXP_YAML_DEPTH). */
// NOLINTNEXTLINE(misc-no-recursion)
static const struct oxp_yaml_node *copy_node(struct copying *copying, const struct oxp_yaml_node *node) {
    static const char kinds[] = {
        [OXP_YAML_SCALAR] = 's', [OXP_YAML_SEQUENCE] = '[', [OXP_YAML_MAPPING] = '{', [OXP_YAML_NULL] = '0'};
    struct oxp_yaml_node *copy = oxp_arena_zero(copying->arena, 1, sizeof *copy);
    if (copy == NULL) {
        return NULL;
    }
    *copy = *node;
    copy->first = NULL;
    copy->next = NULL;
    copy->key = oxp_arena_copy(copying->arena, node->key);
    oxp_buf_append_format(&copying->canonical, "%zu:", node->key.len);
    oxp_buf_append_view(&copying->canonical, node->key);
    oxp_buf_append_char(&copying->canonical, kinds[node->kind]);
    if (node->kind == OXP_YAML_SCALAR) {
        copy->text = copy_text(copying, node);
        oxp_buf_append_char(&copying->canonical, node->quoted ? 'q' : 'p');
    } else if (node->kind == OXP_YAML_NULL) {
        copy->text = oxp_arena_copy(copying->arena, node->text);
    }
    const struct oxp_yaml_node **place = &copy->first;
    for (const struct oxp_yaml_node *child = node->first; child != NULL; child = child->next) {
        struct oxp_yaml_node *made = (struct oxp_yaml_node *)(uintptr_t)copy_node(copying, child);
        if (made == NULL) {
            return NULL;
        }
        *place = made;
        place = &made->next;
    }
    oxp_buf_append_char(&copying->canonical, '.');
    return copy;
}

static bool keep(struct oxp_config_reader *reader, enum oxp_option option, const struct oxp_yaml_node *tree,
                 struct oxp_buf *canonical) {
    struct oxp_config_value *value = &reader->config->values[option];
    value->text = oxp_buf_take(canonical, NULL);
    value->source = OXP_FROM_FILE;
    reader->config->trees[option] = tree;
    return value->text != NULL;
}

void oxp_config_read_tree(struct oxp_config_reader *reader, const struct oxp_yaml_node *section,
                          enum oxp_option option) {
    const struct oxp_option_spec *spec = oxp_option_spec(option);
    if (section->kind == OXP_YAML_NULL) {
        return; /* as if it were not there */
    }
    if (section->kind != OXP_YAML_MAPPING) {
        oxp_fields_wrong_kind(&reader->fields, section, spec->key, "a mapping of keys to values");
        return;
    }
    struct oxp_arena scratch;
    oxp_arena_init(&scratch, 0);
    struct copying copying = {.reader = reader,
                              .arena = reader->config == NULL ? &scratch : &reader->config->arena,
                              .name = spec->key,
                              .ok = true};
    oxp_buf_init(&copying.canonical, 0);
    const struct oxp_yaml_node *tree = copy_node(&copying, section);
    bool memory = oxp_arena_status(copying.arena) == OXP_OK && oxp_buf_status(&copying.canonical) == OXP_OK;
    if (memory && copying.ok && reader->config != NULL) {
        memory = keep(reader, option, tree, &copying.canonical);
    }
    if (!memory) {
        oxp_config_no_memory(reader);
    }
    oxp_buf_fini(&copying.canonical);
    oxp_arena_fini(&scratch);
}

const struct oxp_yaml_node *oxp_config_tree(const struct oxp_config *config, enum oxp_option option) {
    return config->trees[option];
}
