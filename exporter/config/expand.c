#include "exporter/config/reader.h"

#include "lib/base/ascii.h"

/* ${NAME} in the file's values:
 *   1. $$ is one $.
 *   2. ${NAME} is the variable's value as it is; a variable that is not set is a fault (one that is set and empty is
 * not).
 *   3. ${NAME:-TEXT} is TEXT, as it stands, where the variable is not set or empty, as in a shell.
 *   4. Any other $ is a fault, so that a forgotten brace is not taken for text. */

bool oxp_environment_find(char *const *environment, struct oxp_view name, struct oxp_view *value_out) {
    for (char *const *entry = environment; entry != NULL && *entry != NULL; entry++) {
        struct oxp_view whole = oxp_view_from(*entry);
        if (oxp_view_starts(whole, name) && whole.len > name.len && whole.ptr[name.len] == '=') {
            *value_out = oxp_view_from(*entry + name.len + 1);
            return true;
        }
    }
    return false;
}

struct wanted {
    struct oxp_view name;
    bool has_default;
    struct oxp_view initial; /* TEXT of rule 3 */
    size_t len;              /* with $ and braces */
};

/* Takes the name apart from what stands behind `:-`. */
static void split_default(struct wanted *wanted) {
    const char *mark = memmem(wanted->name.ptr, wanted->name.len, ":-", 2);
    if (mark != NULL) {
        size_t len = (size_t)(mark - wanted->name.ptr);
        wanted->initial = oxp_view_of(mark + 2, wanted->name.len - len - 2);
        wanted->name.len = len;
        wanted->has_default = true;
    }
}

/* What stands between the braces at the start of `text`; false when there are none. */
static bool take_name(struct oxp_view text, struct wanted *wanted_out) {
    const char *end = text.len < 3 || text.ptr[1] != '{' ? NULL : memchr(text.ptr, '}', text.len);
    if (end == NULL) {
        return false;
    }
    *wanted_out = (struct wanted){.name = oxp_view_of(text.ptr + 2, (size_t)(end - text.ptr) - 2),
                                  .len = (size_t)(end - text.ptr) + 1};
    split_default(wanted_out);
    return oxp_ascii_is_name(wanted_out->name);
}

enum oxp_status oxp_expand(struct oxp_view text, char *const *environment, struct oxp_buf *out, struct oxp_error *why) {
    while (text.len != 0) {
        const char *dollar = memchr(text.ptr, '$', text.len);
        size_t before = dollar == NULL ? text.len : (size_t)(dollar - text.ptr);
        oxp_buf_append(out, text.ptr, before);
        text = oxp_view_of(text.ptr + before, text.len - before);
        if (text.len == 0) {
            break;
        }
        struct wanted wanted = {.len = 2};
        struct oxp_view value = {NULL, 0};
        if (text.len >= 2 && text.ptr[1] == '$') {
            oxp_buf_append_char(out, '$');
        } else if (!take_name(text, &wanted)) {
            return oxp_error_set(why, OXP_ERR_INVALID, 0, 0,
                                 "a $ must begin ${NAME}; write $$ for the character itself");
        } else if (!oxp_environment_find(environment, wanted.name, &value) && !wanted.has_default) {
            return oxp_error_set(why, OXP_ERR_INVALID, 0, 0, "the environment variable %s is not set",
                                 oxp_shown(wanted.name).text);
        } else {
            oxp_buf_append_view(out, value.len == 0 && wanted.has_default ? wanted.initial : value);
        }
        text = oxp_view_of(text.ptr + wanted.len, text.len - wanted.len);
    }
    enum oxp_status status = oxp_buf_status(out);
    if (status == OXP_ERR_LIMIT) {
        return oxp_error_set(why, OXP_ERR_INVALID, 0, 0, "the value is longer than %d bytes", OXP_CONFIG_VALUE_MAX);
    }
    return status;
}
