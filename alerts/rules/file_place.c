/* From a byte of an expression or template to where it was written. YAML's scalars differ from their source only in
 * white space (folding, indentation), in doubled single quotes and in the escapes of double quotes (YAML 1.1 chapter
 * 9). So both are walked side by side, character by character, white space aside. */
#include "alerts/rules/file_reader.h"

#include "lib/base/utf8.h"

struct walk {
    struct oxp_view text;
    size_t at;
    unsigned line, column; /* of text[at] */
};

/* A character as it is meant, in UTF-8. */
struct meant {
    char bytes[4];
    size_t len;
    size_t source; /* bytes that write it; 0 = none is left */
};

/* Bytes of the line break at `at`: CR LF, LF, CR, NEL, LS, PS; 0 = none. */
static size_t break_at(struct oxp_view text, size_t at) {
    if (at >= text.len || (text.ptr[at] >= 0x20 && text.ptr[at] < 0x7f)) {
        return 0;
    }
    struct oxp_view rest = oxp_view_of(text.ptr + at, text.len - at);
    static const char *const breaks[] = {"\r\n", "\n", "\r", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"};
    for (size_t i = 0; i < sizeof breaks / sizeof breaks[0]; i++) {
        if (oxp_view_starts(rest, oxp_view_from(breaks[i]))) {
            return strlen(breaks[i]);
        }
    }
    return 0;
}

/* Bytes of the white space at `at`; 0 = something else, or the end. */
static size_t space_at(struct oxp_view text, size_t at) {
    if (at < text.len && (text.ptr[at] == ' ' || text.ptr[at] == '\t')) {
        return 1;
    }
    return break_at(text, at);
}

static size_t character_at(struct oxp_view text, size_t at) {
    size_t len = at < text.len ? 1 : 0;
    while (at + len < text.len && ((unsigned char)text.ptr[at + len] & 0xc0) == 0x80) {
        len++;
    }
    return len;
}

/* One character or line break on. */
static void step(struct walk *walk) {
    size_t len = break_at(walk->text, walk->at);
    if (len != 0) {
        walk->line++;
        walk->column = 1;
    } else {
        len = character_at(walk->text, walk->at);
        walk->column++;
    }
    walk->at += len;
}

static bool at_end(const struct walk *walk) {
    return walk->at >= walk->text.len;
}

static void to(struct walk *walk, size_t at) {
    while (walk->at < at && !at_end(walk)) {
        step(walk);
    }
}

static void skip_space(struct walk *walk) {
    while (!at_end(walk) && space_at(walk->text, walk->at) != 0) {
        step(walk);
    }
}

/* A character that is what it looks like. */
static struct meant plain_at(struct oxp_view text, size_t at) {
    struct meant meant = {.len = character_at(text, at)};
    meant.len = meant.len > sizeof meant.bytes ? sizeof meant.bytes : meant.len;
    memcpy(meant.bytes, text.ptr + at, meant.len);
    meant.source = meant.len;
    return meant;
}

static unsigned hex(char c) {
    return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* What an escape between double quotes means; `at` is at the backslash. libyaml has found it well formed. */
static struct meant escape_at(struct oxp_view text, size_t at) {
    static const struct {
        char letter;
        uint8_t digits;
        uint16_t code;
    } escapes[] = {
        {'0', 0, 0},      {'a', 0, 7},      {'b', 0, 8},  {'t', 0, 9},  {'\t', 0, 9},   {'n', 0, 10},
        {'v', 0, 11},     {'f', 0, 12},     {'r', 0, 13}, {'e', 0, 27}, {'N', 0, 0x85}, {'_', 0, 0xa0},
        {'L', 0, 0x2028}, {'P', 0, 0x2029}, {'x', 2, 0},  {'u', 4, 0},  {'U', 8, 0},
    };
    struct meant meant = {.source = 2};
    if (at + 1 >= text.len) {
        return (struct meant){.source = 0};
    }
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
        if (escapes[i].letter == text.ptr[at + 1]) {
            uint32_t code = escapes[i].code;
            for (size_t digit = 0; digit < escapes[i].digits && at + 2 + digit < text.len; digit++) {
                code = code << 4 | hex(text.ptr[at + 2 + digit]);
            }
            meant.source += escapes[i].digits;
            meant.len = oxp_utf8_encode(code, meant.bytes);
            return meant;
        }
    }
    meant = plain_at(text, at + 1); /* \" \\ \/ and an escaped blank are themselves; a line break is skipped anyway */
    meant.source++;
    return meant;
}

static struct meant meant_at(const struct walk *walk, char style) {
    size_t at = walk->at;
    if (style == '"' && !at_end(walk) && walk->text.ptr[at] == '\\') {
        return escape_at(walk->text, at);
    }
    struct meant meant = plain_at(walk->text, at);
    if (style == '\'' && meant.len == 1 && meant.bytes[0] == '\'') {
        meant.source = 2;
    }
    return meant;
}

/* To the next character that is no white space, escaped or not. */
static struct meant next_solid(struct walk *walk, char style) {
    for (;;) {
        skip_space(walk);
        struct meant meant = meant_at(walk, style);
        if (meant.source == 0 || space_at(oxp_view_of(meant.bytes, meant.len), 0) == 0) {
            return meant;
        }
        to(walk, walk->at + meant.source);
    }
}

/* From the node's place to its first character: over anchor and tag, the quote, a block's first line. Gives the style:
 * a quote, `|`, `>`, or a blank for a plain scalar. */
static char enter(struct walk *walk) {
    while (!at_end(walk) && (walk->text.ptr[walk->at] == '&' || walk->text.ptr[walk->at] == '!')) {
        while (!at_end(walk) && space_at(walk->text, walk->at) == 0) {
            step(walk);
        }
        skip_space(walk);
    }
    if (at_end(walk)) {
        return ' ';
    }
    char style = walk->text.ptr[walk->at];
    if (style == '"' || style == '\'') {
        step(walk);
        return style;
    }
    if (style != '|' && style != '>') {
        return ' ';
    }
    while (!at_end(walk) && break_at(walk->text, walk->at) == 0) {
        step(walk);
    }
    return style;
}

/* The start of a line, found from the one that was asked for last: many faults of a file must not each read it whole.
 */
static size_t find_line(struct oxp_rule_reader *reader, unsigned line) {
    if (reader->line == 0 || line < reader->line) {
        reader->line = 1;
        reader->line_start = 0;
    }
    while (reader->line < line && reader->line_start < reader->text.len) {
        size_t len = break_at(reader->text, reader->line_start);
        reader->line += len != 0;
        reader->line_start += len != 0 ? len : 1;
    }
    return reader->line_start;
}

void oxp_rule_place(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node, size_t offset, unsigned *line_out,
                    unsigned *column_out) {
    struct walk walk = {
        .text = reader->text, .at = find_line(reader, node->text_line), .line = node->text_line, .column = 1};
    *line_out = node->text_line;
    *column_out = node->text_column;
    while (walk.column < node->text_column && !at_end(&walk)) {
        step(&walk);
    }
    char style = enter(&walk);
    bool plain_start = style != '|' && style != '>';
    if (plain_start) {
        *line_out = walk.line;
        *column_out = walk.column;
    }
    for (size_t at = 0; at < node->text.len && at <= offset;) {
        size_t space = space_at(node->text, at);
        if (space != 0) {
            at += space;
            continue;
        }
        struct meant meant = next_solid(&walk, style);
        size_t len = character_at(node->text, at);
        if (meant.source == 0 || meant.len != len || memcmp(meant.bytes, node->text.ptr + at, len) != 0) {
            return; /* not as expected: the place so far will do */
        }
        if (offset < at + len) {
            *line_out = walk.line;
            *column_out = walk.column;
            return;
        }
        to(&walk, walk.at + meant.source);
        *line_out = walk.line;
        *column_out = walk.column;
        at += len;
    }
}

void oxp_rule_place_of(struct oxp_rule_reader *reader, const struct oxp_yaml_node *node, const struct oxp_error *within,
                       unsigned *line_out, unsigned *column_out) {
    size_t at = 0;
    for (unsigned line = 1; line < within->line && at < node->text.len; at++) {
        line += node->text.ptr[at] == '\n';
    }
    at += within->column > 0 ? within->column - 1 : 0;
    oxp_rule_place(reader, node, at, line_out, column_out);
}
