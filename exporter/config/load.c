#include "exporter/config/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The strongest source reads first and a value that is set stays; weaker ones are checked all the same, so that a wrong
 * line in the file is seen on the day it is written and not on the day the flag goes away. */

void oxp_config_fault(struct oxp_config_reader *reader, unsigned line, unsigned column, const char *format, ...) {
    struct oxp_error error = {0};
    char text[512]; /* longer than any: names and values come cut */
    va_list args;
    va_start(args, format);
    int written = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (written < 0) {
        text[0] = '\0';
    }
    if (line != 0 && reader->path != NULL) {
        oxp_error_set(&error, OXP_ERR_INVALID, line, column, "%s:%u:%u: %s", oxp_shown_path(reader->path).text, line,
                      column, text);
    } else {
        oxp_error_set(&error, OXP_ERR_INVALID, line, column, "%s", text);
    }
    if (reader->status == OXP_OK) {
        reader->status = OXP_ERR_INVALID;
    }
    reader->report(reader->ctx, &error);
}

void oxp_config_no_memory(struct oxp_config_reader *reader) {
    struct oxp_error error = {0};
    reader->status = oxp_error_set(&error, OXP_ERR_NOMEM, 0, 0, "%s", oxp_status_text(OXP_ERR_NOMEM));
    reader->report(reader->ctx, &error);
}

static bool keep(struct oxp_config_value *value, struct oxp_view text, double number, enum oxp_option_source source) {
    value->text = malloc(text.len + 1);
    if (value->text == NULL) {
        return false;
    }
    if (text.len != 0) {
        memcpy(value->text, text.ptr, text.len);
    }
    value->text[text.len] = '\0';
    value->number = number;
    value->source = source;
    return true;
}

/* The paths of a flag that came before, and those of this one. */
static bool add_paths(struct oxp_config_value *value, struct oxp_view text) {
    size_t len = strlen(value->text);
    char *both = malloc(len + 1 + text.len + 1);
    if (both == NULL) {
        return false;
    }
    memcpy(both, value->text, len);
    if (len > 0 && text.len > 0) {
        both[len++] = ',';
    }
    if (text.len > 0) {
        memcpy(both + len, text.ptr, text.len);
    }
    both[len + text.len] = '\0';
    free(value->text);
    value->text = both;
    return true;
}

void oxp_config_set(struct oxp_config_reader *reader, const struct oxp_config_entry *entry, struct oxp_view text) {
    double number;
    struct oxp_error why = {0};
    enum oxp_status status = oxp_value_read(oxp_option_spec(entry->option), text, &number, &why);
    if (status == OXP_ERR_NOMEM) {
        oxp_config_no_memory(reader);
        return;
    }
    if (status != OXP_OK) {
        oxp_config_fault(reader, entry->line, entry->column, "%s: %s", entry->name, why.text);
        return;
    }
    struct oxp_config_value *value = reader->config == NULL ? NULL : &reader->config->values[entry->option];
    bool repeated = value != NULL && value->text != NULL && value->source == OXP_FROM_FLAG &&
                    entry->source == OXP_FROM_FLAG && oxp_option_spec(entry->option)->type == OXP_OPT_PATHS;
    if (value != NULL && value->text == NULL && !keep(value, text, number, entry->source)) {
        oxp_config_no_memory(reader);
    } else if (repeated && !add_paths(value, text)) {
        oxp_config_no_memory(reader);
    }
}

static void read_file(struct oxp_config_reader *reader) {
    const char *path = reader->config->values[OXP_OPT_CONFIG_FILE].text;
    if (path == NULL || path[0] == '\0') {
        return;
    }
    char *text = NULL;
    size_t len = 0;
    struct oxp_error error = {0};
    enum oxp_status status = oxp_config_read_file(path, &text, &len, &error);
    if (status != OXP_OK) {
        reader->status = status;
        reader->report(reader->ctx, &error);
        return;
    }
    reader->path = path;
    oxp_config_read_yaml(reader, oxp_view_of(text, len));
    reader->path = NULL;
    free(text);
}

static void read_defaults(struct oxp_config_reader *reader) {
    for (enum oxp_option option = 0; option < OXP_OPTIONS; option++) {
        const struct oxp_option_spec *spec = oxp_option_spec(option);
        struct oxp_config_entry entry = {option, OXP_FROM_DEFAULT, spec->key, 0, 0};
        oxp_config_set(reader, &entry, oxp_view_from(spec->initial));
    }
}

struct first_fault {
    struct oxp_error *error; /* may be NULL */
    bool seen;
};

static void keep_first(void *ctx, const struct oxp_error *error) {
    struct first_fault *first = ctx;
    if (!first->seen && first->error != NULL) {
        *first->error = *error;
    }
    first->seen = true;
}

enum oxp_status oxp_config_load(const struct oxp_config_source *source, struct oxp_config *config,
                                struct oxp_error *error) {
    *config = (struct oxp_config){0};
    struct first_fault first = {.error = error};
    struct oxp_config_reader reader = {
        .config = config, .environment = source->environment, .report = keep_first, .ctx = &first};
    oxp_config_read_flags(&reader, source->argc, source->argv);
    if (reader.status == OXP_OK) {
        oxp_config_read_environment(&reader);
    }
    if (reader.status == OXP_OK) {
        read_file(&reader);
    }
    if (reader.status == OXP_OK) {
        read_defaults(&reader);
    }
    if (reader.status != OXP_OK) {
        oxp_config_fini(config);
    }
    return reader.status;
}

enum oxp_status oxp_config_check_into(struct oxp_view text, void (*report)(void *ctx, const struct oxp_error *error),
                                      void *ctx, struct oxp_config *config_out) {
    *config_out = (struct oxp_config){0};
    struct oxp_config_reader reader = {.config = config_out, .environment = environ, .report = report, .ctx = ctx};
    oxp_config_read_yaml(&reader, text);
    if (reader.status == OXP_OK) {
        read_defaults(&reader);
    }
    return reader.status;
}

enum oxp_status oxp_config_check(struct oxp_view text, void (*report)(void *ctx, const struct oxp_error *error),
                                 void *ctx) {
    struct oxp_config_reader reader = {.environment = environ, .report = report, .ctx = ctx};
    oxp_config_read_yaml(&reader, text);
    return reader.status;
}

void oxp_config_fini(struct oxp_config *config) {
    for (size_t i = 0; i < OXP_OPTIONS; i++) {
        free(config->values[i].text);
    }
    oxp_arena_fini(&config->arena);
    *config = (struct oxp_config){0};
}
