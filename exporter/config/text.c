#include "exporter/config/reader.h"

#include <stdlib.h>

/* The table as text for people: --help, the man page's OPTIONS, docs/configuration.md. */

/* What stands for a value that has no default. */
static const char *placeholder(const struct oxp_option_spec *spec) {
    static const char *const words[] = {
        [OXP_OPT_TEXT] = "TEXT",    [OXP_OPT_PATH] = "PATH",       [OXP_OPT_ROUTE] = "PATH",
        [OXP_OPT_URL] = "URL",      [OXP_OPT_ADDRESS] = "ADDRESS", [OXP_OPT_BOOL] = "BOOL",
        [OXP_OPT_COUNT] = "N",      [OXP_OPT_MODE] = "MODE",       [OXP_OPT_DURATION] = "DURATION",
        [OXP_OPT_CHOICE] = "WORD",  [OXP_OPT_BYTES] = "SIZE",      [OXP_OPT_LABELS] = "NAME=VALUE,…",
        [OXP_OPT_PATHS] = "PATH,…", [OXP_OPT_TREE] = "MAPPING",
    };
    return words[spec->type];
}

/* The help sentence with what the type adds to it: the range, or the words to choose from. */
static void append_meaning(struct oxp_buf *out, const struct oxp_option_spec *spec) {
    oxp_buf_append_text(out, spec->help);
    if (spec->type == OXP_OPT_CHOICE) {
        oxp_buf_append_text(out, " One of ");
        oxp_option_expected(spec, out);
        oxp_buf_append_char(out, '.');
    }
}

/* ---- --help ---- */

enum { HELP_COLUMN = 34, HELP_WIDTH = 100 };

static void append_spaces(struct oxp_buf *out, size_t count) {
    while (count-- != 0) {
        oxp_buf_append_char(out, ' ');
    }
}

/* Words of `text` from the help column on, never past the width; the cursor stands at `column`. */
static void append_wrapped(struct oxp_buf *out, const char *text, size_t column) {
    if (column + 2 > HELP_COLUMN) {
        oxp_buf_append_char(out, '\n');
        column = 0;
    }
    append_spaces(out, HELP_COLUMN - column);
    column = HELP_COLUMN;
    for (const char *word = text; *word != '\0';) {
        size_t len = strcspn(word, " ");
        bool first = column == HELP_COLUMN;
        if (!first && column + 1 + len > HELP_WIDTH) {
            oxp_buf_append_char(out, '\n');
            append_spaces(out, HELP_COLUMN);
            column = HELP_COLUMN;
            first = true;
        }
        if (!first) {
            oxp_buf_append_char(out, ' ');
            column++;
        }
        oxp_buf_append(out, word, len);
        column += len;
        word += len + (word[len] == ' ');
    }
    oxp_buf_append_char(out, '\n');
}

static void append_help_row(struct oxp_buf *out, const char *flag, const char *meaning) {
    size_t start = out->len;
    append_spaces(out, 6);
    oxp_buf_append_text(out, flag);
    append_wrapped(out, meaning, out->len - start);
}

/* "--web.listen-address=":10108"", "--[no-]web.enable-lifecycle", "--storage.path=PATH" */
static void append_usage(struct oxp_buf *out, const struct oxp_option_spec *spec) {
    if (spec->type == OXP_OPT_BOOL) {
        oxp_buf_append_format(out, "--[no-]%s", spec->flag);
        return;
    }
    bool quotes = spec->type <= OXP_OPT_ADDRESS;
    if (spec->initial[0] == '\0') {
        oxp_buf_append_format(out, "--%s=%s", spec->flag, placeholder(spec));
    } else {
        oxp_buf_append_format(out, quotes ? "--%s=\"%s\"" : "--%s=%s", spec->flag, spec->initial);
    }
}

char *oxp_config_help(void) {
    struct oxp_buf out, flag, meaning;
    oxp_buf_init(&out, 0);
    oxp_buf_init(&flag, 0);
    oxp_buf_init(&meaning, 0);
    append_help_row(&out, "--help", "Print this and stop.");
    append_help_row(&out, "--version", "Print the version, and those of the libraries, and stop.");
    enum oxp_status status = OXP_OK;
    for (enum oxp_option option = 0; option < OXP_OPTIONS && status == OXP_OK; option++) {
        const struct oxp_option_spec *spec = oxp_option_spec(option);
        if (oxp_option_file_only(option)) {
            continue;
        }
        oxp_buf_clear(&flag);
        oxp_buf_clear(&meaning);
        append_usage(&flag, spec);
        append_meaning(&meaning, spec);
        oxp_buf_append_format(&meaning, " ($%s)", spec->environment);
        append_help_row(&out, oxp_buf_text(&flag), oxp_buf_text(&meaning));
        status = flag.status != OXP_OK ? flag.status : meaning.status;
    }
    oxp_buf_fini(&flag);
    oxp_buf_fini(&meaning);
    char *text = status == OXP_OK ? oxp_buf_take(&out, NULL) : NULL;
    oxp_buf_fini(&out);
    return text;
}

/* ---- The man page (man(7)) ---- */

/* Text that roff prints as it is: dashes are dashes, backslashes backslashes, and no line begins with a request. */
static void append_roff(struct oxp_buf *out, const char *text) {
    if (text[0] == '.' || text[0] == '\'') {
        oxp_buf_append_text(out, "\\&");
    }
    for (; *text != '\0'; text++) {
        if (*text == '-') {
            oxp_buf_append_text(out, "\\-");
        } else if (*text == '\\') {
            oxp_buf_append_text(out, "\\e");
        } else {
            oxp_buf_append_char(out, *text);
        }
    }
}

static void append_man_row(struct oxp_buf *out, const struct oxp_option_spec *spec) {
    oxp_buf_append_text(out, ".TP\n");
    if (spec->type == OXP_OPT_BOOL) {
        oxp_buf_append_text(out, ".BR \\-\\- [no\\-]");
        append_roff(out, spec->flag);
    } else {
        oxp_buf_append_text(out, ".BI \\-\\-");
        append_roff(out, spec->flag);
        oxp_buf_append_format(out, "= %s", placeholder(spec));
    }
    oxp_buf_append_char(out, '\n');
    struct oxp_buf meaning;
    oxp_buf_init(&meaning, 0);
    append_meaning(&meaning, spec);
    append_roff(out, oxp_buf_text(&meaning));
    if (meaning.status != OXP_OK) {
        out->status = meaning.status;
    }
    oxp_buf_fini(&meaning);
    if (spec->initial[0] != '\0') {
        oxp_buf_append_text(out, "\nDefault:\n.BR \"");
        append_roff(out, spec->initial);
        oxp_buf_append_text(out, "\" .");
    }
    oxp_buf_append_format(out, "\nEnvironment:\n.BR %s .\n", spec->environment);
}

char *oxp_config_man(void) {
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    oxp_buf_append_text(&out, ".SH OPTIONS\n");
    for (enum oxp_option option = 0; option < OXP_OPTIONS; option++) {
        if (!oxp_option_file_only(option)) {
            append_man_row(&out, oxp_option_spec(option));
        }
    }
    return oxp_buf_take(&out, NULL);
}

/* ---- Markdown: a table a section ---- */

static void append_code(struct oxp_buf *out, const char *text) {
    oxp_buf_append_format(out, text[0] == '\0' ? "empty" : "`%s`", text);
}

/* What may be written: "a whole number from 1 to 65536"; a bar would end the cell. */
static void append_markdown_row(struct oxp_buf *out, enum oxp_option option) {
    const struct oxp_option_spec *spec = oxp_option_spec(option);
    oxp_buf_append_char(out, '|');
    oxp_buf_append_text(out, oxp_option_outside_file(option) ? " not in the file" : "");
    if (!oxp_option_outside_file(option)) {
        oxp_buf_append_format(out, " `%s`", spec->key);
    }
    if (oxp_option_file_only(option)) {
        oxp_buf_append_text(out, "<br>in the file only | ");
    } else {
        oxp_buf_append_format(out, "<br>`--%s`<br>`%s` | ", spec->flag, spec->environment);
    }
    oxp_option_expected(spec, out);
    oxp_buf_append_text(out, " | ");
    append_code(out, spec->initial);
    oxp_buf_append_format(out, " | %s | %s |\n", spec->reloadable ? "yes" : "no", spec->help);
}

char *oxp_config_markdown(void) {
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    struct oxp_view section = {NULL, 0};
    for (enum oxp_option option = 0; option < OXP_OPTIONS; option++) {
        struct oxp_view now = oxp_option_name(option, OXP_NAME_SECTION);
        if (!oxp_view_equal(now, section)) {
            oxp_buf_append_format(&out, "%s## %.*s\n\n", option == 0 ? "" : "\n", (int)now.len, now.ptr);
            oxp_buf_append_text(&out, "| key, flag, variable | value | default | reload | meaning |\n"
                                      "|---|---|---|---|---|\n");
            section = now;
        }
        append_markdown_row(&out, option);
    }
    return oxp_buf_take(&out, NULL);
}
