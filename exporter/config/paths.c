#include "exporter/config/reader.h"

#include <stdlib.h>

/* Options of type PATHS. In the file they are a list; as a flag (which may be repeated) or a variable, and inside a
 * struct oxp_config, text: paths with commas between them, where \ before a comma or a \ makes it one of the path's. */

void oxp_path_append(struct oxp_buf *out, struct oxp_view path) {
    if (out->len > 0) {
        oxp_buf_append_char(out, ',');
    }
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] == ',' || path.ptr[i] == '\\') {
            oxp_buf_append_char(out, '\\');
        }
        oxp_buf_append_char(out, path.ptr[i]);
    }
}

/* Takes one path off the front of `text`, with the comma behind it; it goes to `to`, which has room for all of the
 * text. OXP_END at the end; OXP_ERR_SYNTAX for one that is empty, or for a \ before anything else. */
static enum oxp_status take_path(struct oxp_view *text, char *to, size_t *len_out) {
    const char *pos = text->ptr, *end = text->ptr + text->len;
    *len_out = 0;
    if (text->len == 0) {
        return OXP_END;
    }
    for (; pos < end && *pos != ','; pos++) {
        if (*pos == '\\') {
            pos++;
            if (pos == end || (*pos != ',' && *pos != '\\')) {
                return OXP_ERR_SYNTAX;
            }
        }
        to[(*len_out)++] = *pos;
    }
    if (*len_out == 0 || pos + 1 == end) {
        return OXP_ERR_SYNTAX;
    }
    pos += pos < end;
    *text = oxp_view_of(pos, (size_t)(end - pos));
    return OXP_OK;
}

enum oxp_status oxp_paths_check(struct oxp_view text, struct oxp_error *why) {
    char path[OXP_CONFIG_VALUE_MAX];
    struct oxp_view rest = text;
    size_t len = 0;
    enum oxp_status status = OXP_OK;
    while ((status = take_path(&rest, path, &len)) == OXP_OK) {
    }
    return status == OXP_END
               ? OXP_OK
               : oxp_error_set(why, OXP_ERR_INVALID, 0, 0, "found \"%s\"; expected paths with commas between them",
                               oxp_shown(text).text);
}

enum oxp_status oxp_config_paths(const struct oxp_config *config, enum oxp_option option, char ***paths_out) {
    struct oxp_view rest = oxp_view_from(oxp_config_text(config, option));
    size_t most = 1, count = 0, len = 0; /* one more than there are commas */
    for (size_t i = 0; i < rest.len; i++) {
        most += rest.ptr[i] == ',';
    }
    char **paths = malloc((most + 1) * sizeof *paths + rest.len + most);
    *paths_out = paths;
    if (paths == NULL) {
        return OXP_ERR_NOMEM;
    }
    char *to = (char *)(paths + most + 1);
    while (count < most && take_path(&rest, to, &len) == OXP_OK) {
        paths[count++] = to;
        to[len] = '\0';
        to += len + 1;
    }
    paths[count] = NULL;
    return OXP_OK;
}
