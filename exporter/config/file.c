#include "exporter/config/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- From disk ---- */

/* Reads to the end, or to one byte past the limit. */
static enum oxp_status read_all(int fd, struct oxp_buf *out) {
    enum { STEP = 8192 };
    for (;;) {
        char *room = oxp_buf_reserve(out, STEP);
        if (room == NULL) {
            return oxp_buf_status(out);
        }
        ssize_t got = read(fd, room, STEP);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return oxp_status_from_errno(errno);
        }
        oxp_buf_commit(out, (size_t)got);
        if (got == 0) {
            return OXP_OK;
        }
        if (out->len > OXP_YAML_MAX) {
            return OXP_ERR_LIMIT;
        }
    }
}

enum oxp_status oxp_config_read_file(const char *path, char **text_out, size_t *len_out, struct oxp_error *error) {
    *text_out = NULL;
    *len_out = 0;
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    const char *reason = NULL;
    struct stat info;
    enum oxp_status status = OXP_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &info) != 0) {
        reason = strerrordesc_np(errno);
        status = oxp_status_from_errno(errno);
    } else if (S_ISDIR(info.st_mode)) {
        reason = "it is a directory";
        status = OXP_ERR_INVALID;
    } else {
        status = read_all(fd, &text);
        reason = status == OXP_ERR_LIMIT ? "it is larger than 1 MiB" : oxp_status_text(status);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (status == OXP_OK) {
        *text_out = oxp_buf_take(&text, len_out);
        status = *text_out == NULL ? OXP_ERR_NOMEM : OXP_OK;
        reason = oxp_status_text(status);
    }
    oxp_buf_fini(&text);
    if (status != OXP_OK) {
        return oxp_error_set(error, status, 0, 0, "the file %s cannot be read: %s", oxp_shown_path(path).text,
                             reason == NULL ? "unknown error" : reason);
    }
    return OXP_OK;
}

/* ---- From YAML: sections, and keys in them ---- */

/* The expected words of an option, cut to what an error holds. */
struct words {
    char text[128];
};

static struct words expected(const struct oxp_option_spec *spec) {
    struct words words = {""};
    struct oxp_buf buf;
    oxp_buf_init(&buf, sizeof words.text - 1);
    oxp_option_expected(spec, &buf);
    if (oxp_buf_status(&buf) == OXP_OK) {
        memcpy(words.text, buf.data, buf.len);
    }
    oxp_buf_fini(&buf);
    return words;
}

static void unknown_key(struct oxp_config_reader *reader, const struct oxp_yaml_node *node, struct oxp_view key,
                        enum oxp_option_name form) {
    const char *what = form == OXP_NAME_SECTION ? "section" : "key";
    struct oxp_view near = oxp_option_nearest(key, form);
    if (near.len == 0) {
        OXP_FAULT_AT_KEY(&reader->fields, node, "there is no %s %s", what, oxp_shown(key).text);
    } else {
        OXP_FAULT_AT_KEY(&reader->fields, node, "there is no %s %s; did you mean %.*s?", what, oxp_shown(key).text,
                         (int)near.len, near.ptr);
    }
}

static bool is_dotted(struct oxp_config_reader *reader, const struct oxp_yaml_node *node) {
    if (memchr(node->key.ptr, '.', node->key.len) == NULL) {
        return false;
    }
    OXP_FAULT_AT_KEY(&reader->fields, node, "the key %s has a dot; write the section, a colon, and the rest below it",
                     oxp_shown(node->key).text);
    return true;
}

/* Quotes make text, and text is not a number; what a variable gave is read as if it stood there without quotes. */
static bool is_mere_text(const struct oxp_option_spec *spec, const struct oxp_yaml_node *node) {
    bool number = spec->type == OXP_OPT_COUNT || spec->type == OXP_OPT_BOOL;
    return number && node->quoted && memchr(node->text.ptr, '$', node->text.len) == NULL;
}

/* A value with its variables; false when it was at fault, which was then reported under `name`. */
static bool expand(struct oxp_config_reader *reader, const struct oxp_yaml_node *node, const char *name,
                   struct oxp_buf *out) {
    struct oxp_error why = {0};
    enum oxp_status status = oxp_expand(node->text, reader->environment, out, &why);
    if (status == OXP_ERR_NOMEM) {
        oxp_config_no_memory(reader);
    } else if (status != OXP_OK) {
        OXP_FAULT(&reader->fields, node, "%s: %s", name, why.text);
    }
    return status == OXP_OK;
}

static void set(struct oxp_config_reader *reader, const struct oxp_yaml_node *node, enum oxp_option option,
                struct oxp_buf *text) {
    struct oxp_config_entry entry = {option, OXP_FROM_FILE, oxp_option_spec(option)->key, node->line, node->column};
    if (oxp_buf_status(text) != OXP_OK) {
        oxp_config_no_memory(reader);
    } else {
        oxp_config_set(reader, &entry, oxp_buf_view(text));
    }
}

static void read_value(struct oxp_config_reader *reader, const struct oxp_yaml_node *node, enum oxp_option option) {
    const struct oxp_option_spec *spec = oxp_option_spec(option);
    if (node->kind != OXP_YAML_SCALAR) {
        oxp_fields_wrong_kind(&reader->fields, node, spec->key, expected(spec).text);
        return;
    }
    if (is_mere_text(spec, node)) {
        OXP_FAULT(&reader->fields, node, "%s: found the text \"%s\"; expected %s, without quotes", spec->key,
                  oxp_shown(node->text).text, expected(spec).text);
        return;
    }
    struct oxp_buf value;
    oxp_buf_init(&value, OXP_CONFIG_VALUE_MAX);
    if (expand(reader, node, spec->key, &value)) {
        set(reader, node, option, &value);
    }
    oxp_buf_fini(&value);
}

/* One label of a mapping, appended to the option's text. A value that is empty is no label. False when it was at fault.
 */
static bool read_label(struct oxp_config_reader *reader, const struct oxp_yaml_node *node, const char *name,
                       struct oxp_buf *text) {
    struct oxp_error why = {0};
    if (oxp_label_name_check(node->key, &why) != OXP_OK) {
        OXP_FAULT_AT_KEY(&reader->fields, node, "%s: %s", name, why.text);
        return false;
    }
    if (node->kind != OXP_YAML_SCALAR) {
        OXP_FAULT(&reader->fields, node, "%s: %s: found %s; expected text", name, oxp_shown(node->key).text,
                  oxp_fields_kind(node));
        return false;
    }
    struct oxp_buf value;
    oxp_buf_init(&value, OXP_CONFIG_VALUE_MAX);
    bool ok = expand(reader, node, name, &value);
    if (ok && value.len > 0) {
        oxp_label_append(text, node->key, oxp_buf_view(&value));
    }
    oxp_buf_fini(&value);
    return ok;
}

/* An option at the top of the file: a mapping of label names to values. */
static void read_labels(struct oxp_config_reader *reader, const struct oxp_yaml_node *mapping, enum oxp_option option) {
    const struct oxp_option_spec *spec = oxp_option_spec(option);
    if (mapping->kind != OXP_YAML_MAPPING && mapping->kind != OXP_YAML_NULL) {
        oxp_fields_wrong_kind(&reader->fields, mapping, spec->key, "a mapping of label names to values");
        return;
    }
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    bool ok = true;
    for (const struct oxp_yaml_node *node = mapping->first; node != NULL; node = node->next) {
        ok = read_label(reader, node, spec->key, &text) && ok;
    }
    if (ok) {
        set(reader, mapping, option, &text);
    }
    oxp_buf_fini(&text);
}

/* The same for a list of paths. */
static void read_paths(struct oxp_config_reader *reader, const struct oxp_yaml_node *list, enum oxp_option option) {
    const struct oxp_option_spec *spec = oxp_option_spec(option);
    if (list->kind != OXP_YAML_SEQUENCE && list->kind != OXP_YAML_NULL) {
        oxp_fields_wrong_kind(&reader->fields, list, spec->key, "a list of paths");
        return;
    }
    struct oxp_buf text, path;
    oxp_buf_init(&text, 0);
    oxp_buf_init(&path, OXP_CONFIG_VALUE_MAX);
    bool ok = true;
    for (const struct oxp_yaml_node *node = list->first; node != NULL; node = node->next) {
        oxp_buf_clear(&path);
        if (node->kind != OXP_YAML_SCALAR) {
            oxp_fields_wrong_kind(&reader->fields, node, spec->key, "the path of a file");
            ok = false;
        } else if (!expand(reader, node, spec->key, &path)) {
            ok = false;
        } else if (path.len == 0) {
            OXP_FAULT(&reader->fields, node, "%s: found nothing; expected the path of a file", spec->key);
            ok = false;
        } else {
            oxp_path_append(&text, oxp_buf_view(&path));
        }
    }
    if (ok) {
        set(reader, list, option, &text);
    }
    oxp_buf_fini(&path);
    oxp_buf_fini(&text);
}

static void read_key(struct oxp_config_reader *reader, struct oxp_view section, const struct oxp_yaml_node *node) {
    if (is_dotted(reader, node)) {
        return;
    }
    struct oxp_buf key;
    oxp_buf_init(&key, 0);
    oxp_buf_append_view(&key, section);
    oxp_buf_append_char(&key, '.');
    oxp_buf_append_view(&key, node->key);
    enum oxp_option option = oxp_option_find(oxp_buf_view(&key), OXP_NAME_KEY);
    if (oxp_buf_status(&key) != OXP_OK) {
        oxp_config_no_memory(reader);
    } else if (option == OXP_OPTIONS) {
        unknown_key(reader, node, oxp_buf_view(&key), OXP_NAME_KEY);
    } else if (oxp_option_outside_file(option)) {
        OXP_FAULT_AT_KEY(&reader->fields, node, "%s is given by flag or environment only",
                         oxp_option_spec(option)->key);
    } else {
        read_value(reader, node, option);
    }
    oxp_buf_fini(&key);
}

static void read_section(struct oxp_config_reader *reader, const struct oxp_yaml_node *section) {
    if (is_dotted(reader, section)) {
        return;
    }
    enum oxp_option option = oxp_option_find(section->key, OXP_NAME_SECTION);
    if (option == OXP_OPTIONS) {
        unknown_key(reader, section, section->key, OXP_NAME_SECTION);
        return;
    }
    if (strchr(oxp_option_spec(option)->key, '.') == NULL) {
        enum oxp_option_type type = oxp_option_spec(option)->type;
        (type == OXP_OPT_TREE    ? oxp_config_read_tree
         : type == OXP_OPT_PATHS ? read_paths
                                 : read_labels)(reader, section, option);
        return;
    }
    if (section->kind != OXP_YAML_MAPPING && section->kind != OXP_YAML_NULL) {
        oxp_fields_wrong_kind(&reader->fields, section, oxp_shown(section->key).text, "a mapping of keys to values");
        return;
    }
    for (const struct oxp_yaml_node *node = section->first; node != NULL; node = node->next) {
        read_key(reader, section->key, node);
    }
}

static void pass_on(void *ctx, enum oxp_status status, struct oxp_error *fault) {
    (void)status;
    oxp_config_fault(ctx, fault->line, fault->column, "%s", fault->text);
}

void oxp_config_read_yaml(struct oxp_config_reader *reader, struct oxp_view text) {
    struct oxp_yaml *yaml = NULL;
    const struct oxp_yaml_node *root = NULL;
    struct oxp_error error = {0};
    reader->fields = (struct oxp_fields){.on_fault = pass_on, .ctx = reader};
    enum oxp_status status = oxp_yaml_parse(text, &yaml, &root, &error);
    if (status == OXP_ERR_NOMEM) {
        oxp_config_no_memory(reader);
    } else if (status != OXP_OK) {
        oxp_config_fault(reader, error.line, error.column, "%s", error.text);
    } else if (root != NULL && root->kind == OXP_YAML_MAPPING) {
        for (const struct oxp_yaml_node *section = root->first; section != NULL; section = section->next) {
            read_section(reader, section);
        }
    } else if (root != NULL && root->kind != OXP_YAML_NULL) {
        OXP_FAULT(&reader->fields, root, "found %s; expected sections, such as web:", oxp_fields_kind(root));
    }
    oxp_yaml_free(yaml);
}
