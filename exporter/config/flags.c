#include "exporter/config/reader.h"

#include <stdio.h>

/* --flag=value, --flag value, --bool, --no-bool; -- ends the flags. Each flag once, those of paths apart; nothing but
 * flags. */

struct flag {
    enum oxp_option option;
    struct oxp_view name; /* with its dashes, as written */
    bool has_value, negative;
    struct oxp_view value;
};

static const struct oxp_view dashes = {"--", 2};
static const struct oxp_view no = {"no-", 3};

static struct oxp_view behind(struct oxp_view text, size_t len) {
    return oxp_view_of(text.ptr + len, text.len - len);
}

static struct flag split(struct oxp_view arg) {
    struct flag flag = {.name = arg};
    const char *equals = memchr(arg.ptr, '=', arg.len);
    if (equals != NULL) {
        flag.name.len = (size_t)(equals - arg.ptr);
        flag.has_value = true;
        flag.value = behind(arg, flag.name.len + 1);
    }
    struct oxp_view bare = behind(flag.name, dashes.len);
    flag.option = oxp_option_find(bare, OXP_NAME_FLAG);
    if (flag.option == OXP_OPTIONS && oxp_view_starts(bare, no)) {
        enum oxp_option option = oxp_option_find(behind(bare, no.len), OXP_NAME_FLAG);
        if (option != OXP_OPTIONS && oxp_option_spec(option)->type == OXP_OPT_BOOL) {
            flag.option = option;
            flag.negative = true;
        }
    }
    return flag;
}

static void unknown(struct oxp_config_reader *reader, struct oxp_view name) {
    struct oxp_view bare = name;
    while (bare.len != 0 && bare.ptr[0] == '-') {
        bare = behind(bare, 1);
    }
    const char *prefix = "--";
    if (oxp_view_starts(bare, no)) {
        prefix = "--no-";
        bare = behind(bare, no.len);
    }
    struct oxp_view near = oxp_option_nearest(bare, OXP_NAME_FLAG);
    if (near.len == 0) {
        oxp_config_fault(reader, 0, 0, "there is no flag %s", oxp_shown(name).text);
    } else {
        oxp_config_fault(reader, 0, 0, "there is no flag %s; did you mean %s%.*s?", oxp_shown(name).text, prefix,
                         (int)near.len, near.ptr);
    }
}

/* The value of a flag that wants one, from behind its equals sign or from the next argument. */
static bool take_value(struct oxp_config_reader *reader, struct flag *flag, const char *next, size_t *used) {
    if (flag->has_value) {
        return true;
    }
    if (next == NULL || oxp_view_starts(oxp_view_from(next), dashes)) {
        oxp_config_fault(reader, 0, 0, "--%s needs a value", oxp_option_spec(flag->option)->flag);
        return false;
    }
    flag->value = oxp_view_from(next);
    *used = 2;
    return true;
}

static bool take_bool(struct oxp_config_reader *reader, struct flag *flag) {
    if (flag->negative && flag->has_value) {
        oxp_config_fault(reader, 0, 0, "--no-%s takes no value", oxp_option_spec(flag->option)->flag);
        return false;
    }
    if (!flag->has_value) {
        flag->value = flag->negative ? OXP_VIEW("false") : OXP_VIEW("true");
    }
    return true;
}

/* One flag; returns how many arguments it took. */
static size_t read_flag(struct oxp_config_reader *reader, const char *arg, const char *next, bool *seen) {
    size_t used = 1;
    struct flag flag = split(oxp_view_from(arg));
    if (flag.option == OXP_OPTIONS) {
        unknown(reader, flag.name);
        return used;
    }
    const struct oxp_option_spec *spec = oxp_option_spec(flag.option);
    if (oxp_option_file_only(flag.option)) {
        oxp_config_fault(reader, 0, 0, "there is no flag --%s: the section %s stands in the file only", spec->flag,
                         spec->key);
        return used;
    }
    bool taken = spec->type == OXP_OPT_BOOL ? take_bool(reader, &flag) : take_value(reader, &flag, next, &used);
    if (!taken) {
        return used;
    }
    if (seen[flag.option] && spec->type != OXP_OPT_PATHS) {
        oxp_config_fault(reader, 0, 0, "--%s is given twice", spec->flag);
        return used;
    }
    seen[flag.option] = true;
    char name[80];
    snprintf(name, sizeof name, "--%s", spec->flag);
    oxp_config_set(reader, &(struct oxp_config_entry){flag.option, OXP_FROM_FLAG, name, 0, 0}, flag.value);
    return used;
}

void oxp_config_read_flags(struct oxp_config_reader *reader, int argc, char *const *argv) {
    bool seen[OXP_OPTIONS] = {false};
    for (size_t i = 0; i < (size_t)argc;) {
        struct oxp_view arg = oxp_view_from(argv[i]);
        if (oxp_view_equal(arg, dashes)) {
            i++;
            if (i < (size_t)argc) {
                oxp_config_fault(reader, 0, 0, "the argument \"%s\" is not expected",
                                 oxp_shown(oxp_view_from(argv[i])).text);
            }
            return;
        }
        if (!oxp_view_starts(arg, dashes)) {
            if (arg.len > 1 && arg.ptr[0] == '-') {
                unknown(reader, split(arg).name);
            } else {
                oxp_config_fault(reader, 0, 0, "the argument \"%s\" is not expected", oxp_shown(arg).text);
            }
            i++;
            continue;
        }
        i += read_flag(reader, argv[i], i + 1 < (size_t)argc ? argv[i + 1] : NULL, seen);
    }
}
