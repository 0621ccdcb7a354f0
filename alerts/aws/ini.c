#include "alerts/aws/ini.h"

#include "alerts/aws/parts.h"
#include "lib/base/cursor.h"

enum { SETTINGS_MAX = 4096 };

struct reader {
    struct oxp_arena *arena;
    struct oxp_aws_ini *ini;
    struct oxp_error *error;
    const char *what;
    bool config;
    unsigned line;
    size_t room;                  /* settings that there is memory for */
    bool in_section, passed_over; /* a section that is no profile */
    struct oxp_view profile;
    size_t indent;    /* of the last name */
    bool has_name;    /* a name stands above, in this section */
    bool value_empty; /* and it has no value */
};

static enum oxp_status fail(const struct reader *reader, const char *text) {
    return oxp_error_set(reader->error, OXP_ERR_SYNTAX, reader->line, 1, "%s: %s", reader->what, text);
}

static enum oxp_status add(struct reader *reader, struct oxp_view name, struct oxp_view value) {
    struct oxp_aws_ini *ini = reader->ini;
    if (ini->count == SETTINGS_MAX) {
        return oxp_error_set(reader->error, OXP_ERR_LIMIT, reader->line, 1, "%s: more than %d settings", reader->what,
                             SETTINGS_MAX);
    }
    if (ini->count == reader->room) {
        reader->room = ini->count == 0 ? 16 : 2 * ini->count;
        ini->settings =
            oxp_arena_grow(reader->arena, ini->settings, ini->count, reader->room, sizeof(struct oxp_aws_setting));
        if (ini->settings == NULL) {
            ini->count = 0;
            return oxp_arena_status(reader->arena);
        }
    }
    ini->settings[ini->count++] = (struct oxp_aws_setting){reader->profile, name, value};
    return OXP_OK;
}

/* "profile x", "profile 'x y'" or "default" of a config file. False: no profile. */
static bool name_of_section(bool config, struct oxp_view inside, struct oxp_view *profile_out) {
    struct oxp_view name = oxp_aws_trim(inside);
    if (config && !oxp_view_is(name, "default")) {
        if (!oxp_view_starts(name, OXP_VIEW("profile ")) && !oxp_view_starts(name, OXP_VIEW("profile\t"))) {
            return false;
        }
        name = oxp_aws_trim(oxp_view_of(name.ptr + 8, name.len - 8));
        bool quoted =
            name.len >= 2 && (name.ptr[0] == '"' || name.ptr[0] == '\'') && name.ptr[name.len - 1] == name.ptr[0];
        name = quoted ? oxp_view_of(name.ptr + 1, name.len - 2) : name;
    }
    *profile_out = name;
    return name.len > 0;
}

static enum oxp_status take_section(struct reader *reader, struct oxp_view line) {
    struct oxp_view behind = {NULL, 0};
    struct oxp_view inside = oxp_aws_before(oxp_view_of(line.ptr + 1, line.len - 1), ']', &behind);
    if (behind.ptr == NULL || oxp_aws_trim(inside).len == 0) {
        return fail(reader, "a section is written [name]");
    }
    behind = oxp_aws_trim(behind);
    if (behind.len > 0 && behind.ptr[0] != '#' && behind.ptr[0] != ';') {
        return fail(reader, "something stands behind the section's name");
    }
    reader->in_section = true;
    reader->has_name = false;
    reader->passed_over = !name_of_section(reader->config, inside, &reader->profile);
    if (reader->passed_over) {
        return OXP_OK;
    }
    if (oxp_aws_ini_has(reader->ini, reader->profile)) {
        return fail(reader, "this section is there twice");
    }
    return add(reader, oxp_view_of(NULL, 0), oxp_view_of(NULL, 0));
}

/* True when the last section has it already. */
static bool is_there(const struct reader *reader, struct oxp_view name) {
    for (size_t i = reader->ini->count; i-- > 0 && reader->ini->settings[i].name.len > 0;) {
        if (oxp_view_equal(reader->ini->settings[i].name, name)) {
            return true;
        }
    }
    return false;
}

static enum oxp_status take_setting(struct reader *reader, struct oxp_view line, size_t indent) {
    size_t at = 0;
    if (!reader->in_section) {
        return fail(reader, "a setting stands before the first section");
    }
    if (reader->has_name && indent > reader->indent) {
        return reader->value_empty || reader->passed_over ? OXP_OK : fail(reader, "values do not go on over lines");
    }
    while (at < line.len && line.ptr[at] != '=' && line.ptr[at] != ':') {
        at++;
    }
    if (at == line.len) {
        return fail(reader, "this is neither [section] nor name = value");
    }
    struct oxp_view name = oxp_aws_trim(oxp_view_of(line.ptr, at));
    struct oxp_view value = oxp_aws_trim(oxp_view_of(line.ptr + at + 1, line.len - at - 1));
    if (name.len == 0) {
        return fail(reader, "there is no name before the =");
    }
    reader->has_name = true;
    reader->indent = indent;
    reader->value_empty = value.len == 0;
    if (reader->passed_over) {
        return OXP_OK;
    }
    name = oxp_aws_lower_copy(reader->arena, name);
    if (name.ptr == NULL) {
        return oxp_arena_status(reader->arena);
    }
    return is_there(reader, name) ? fail(reader, "this name is there twice in its section") : add(reader, name, value);
}

enum oxp_status oxp_aws_ini_parse(struct oxp_view text, bool config, const char *what, struct oxp_arena *arena,
                                  struct oxp_aws_ini *ini_out, struct oxp_error *error) {
    struct reader reader = {.arena = arena, .ini = ini_out, .error = error, .what = what, .config = config};
    struct oxp_cursor cursor = oxp_cursor_over(text);
    enum oxp_status status = OXP_OK;
    *ini_out = (struct oxp_aws_ini){NULL, 0};
    while (!oxp_cursor_at_end(&cursor) && status == OXP_OK) {
        reader.line = cursor.line;
        struct oxp_view whole = oxp_cursor_take_line(&cursor), line = oxp_aws_trim(whole);
        if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';') {
            continue;
        }
        if (memchr(line.ptr, '\0', line.len) != NULL) {
            status = fail(&reader, "a NUL byte");
        } else if (line.ptr[0] == '[') {
            status = take_section(&reader, line);
        } else {
            status = take_setting(&reader, line, (size_t)(line.ptr - whole.ptr));
        }
    }
    return status;
}

bool oxp_aws_ini_has(const struct oxp_aws_ini *ini, struct oxp_view profile) {
    for (size_t i = 0; i < ini->count; i++) {
        if (oxp_view_equal(ini->settings[i].profile, profile)) {
            return true;
        }
    }
    return false;
}

struct oxp_view oxp_aws_ini_get(const struct oxp_aws_ini *ini, struct oxp_view profile, const char *name) {
    for (size_t i = 0; i < ini->count; i++) {
        if (oxp_view_equal(ini->settings[i].profile, profile) && oxp_view_is(ini->settings[i].name, name)) {
            return ini->settings[i].value;
        }
    }
    return oxp_view_of(NULL, 0);
}
