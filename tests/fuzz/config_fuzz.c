/* The configuration file: the YAML tree alone, then every check of it. Holds whatever the bytes:
 *   - a refused document says where, and leaves nothing behind;
 *   - what is reported is one line of UTF-8 with no control characters, whatever stood in the file;
 *   - a check that reports nothing is OXP_OK, and the other way round. */
#include "exporter/config/reader.h"
#include "lib/base/utf8.h"
#include "lib/yaml/yaml.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds) {
        abort();
    }
}

static void report(void *ctx, const struct oxp_error *error) {
    size_t *faults = ctx;
    struct oxp_view text = oxp_view_from(error->text);
    must(text.len != 0 && oxp_utf8_is_valid(text));
    for (size_t i = 0; i < text.len; i++) {
        must((unsigned char)text.ptr[i] >= 0x20 && text.ptr[i] != 0x7f);
    }
    must((error->line == 0) == (error->column == 0));
    ++*faults;
}

/* Every byte of the tree, so that a sanitizer sees a view that points nowhere. Depth is bounded by OXP_YAML_DEPTH. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static size_t walk(const struct oxp_yaml_node *node, unsigned depth) {
    must(depth <= OXP_YAML_DEPTH + 1 && node->line != 0 && node->column != 0);
    size_t sum = 0;
    for (size_t i = 0; i < node->key.len; i++) {
        sum += (unsigned char)node->key.ptr[i];
    }
    for (size_t i = 0; i < node->text.len; i++) {
        sum += (unsigned char)node->text.ptr[i];
    }
    for (const struct oxp_yaml_node *child = node->first; child != NULL; child = child->next) {
        sum += walk(child, depth + 1);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct oxp_view text = oxp_view_of((const char *)data, size);
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_yaml_parse(text, &yaml, &root, &error);
    if (status == OXP_OK) {
        volatile size_t sum = root == NULL ? 0 : walk(root, 1);
        (void)sum;
    } else {
        must(yaml == NULL && root == NULL && error.text[0] != '\0');
        must(status != OXP_ERR_SYNTAX || error.line != 0);
    }
    oxp_yaml_free(yaml);

    size_t faults = 0;
    status = oxp_config_check(text, report, &faults);
    must((status == OXP_OK) == (faults == 0));
    return 0;
}
