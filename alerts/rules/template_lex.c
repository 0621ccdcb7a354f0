/* Text to tokens, as text/template/parse/lex.go has them: the same tokens, positions and words of refusal. */
#include "lib/base/utf8.h"

#include "alerts/rules/template_tree.h"
#include <stdio.h>

#define AT_END UINT32_MAX

static const struct {
    const char *word;
    enum oxp_tpl_token_kind kind;
} keywords[] = {
    {"block", OXP_TPL_T_BLOCK},
    {"break", OXP_TPL_T_BREAK},
    {"continue", OXP_TPL_T_CONTINUE},
    {"define", OXP_TPL_T_DEFINE},
    {"else", OXP_TPL_T_ELSE},
    {"end", OXP_TPL_T_END},
    {"if", OXP_TPL_T_IF},
    {"range", OXP_TPL_T_RANGE},
    {"nil", OXP_TPL_T_NIL},
    {"template", OXP_TPL_T_TEMPLATE},
    {"with", OXP_TPL_T_WITH},
    {"true", OXP_TPL_T_BOOL},
    {"false", OXP_TPL_T_BOOL},
};

void oxp_tpl_lexer_init(struct oxp_tpl_lexer *lexer, struct oxp_view text) {
    *lexer = (struct oxp_tpl_lexer){.text = text, .line = 1, .start_line = 1};
}

static struct oxp_view rest_of(const struct oxp_tpl_lexer *lexer) {
    return lexer->pos >= lexer->text.len ? oxp_view_of("", 0)
                                         : oxp_view_of(lexer->text.ptr + lexer->pos, lexer->text.len - lexer->pos);
}

static bool is_space(uint32_t c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_word(uint32_t c) {
    return c == '_' || (c != AT_END && oxp_tpl_is_letter(c));
}

static uint32_t peek(const struct oxp_tpl_lexer *lexer) {
    struct oxp_view rest = rest_of(lexer);
    return rest.len == 0 ? AT_END : oxp_tpl_take_rune(&rest);
}

static uint32_t next(struct oxp_tpl_lexer *lexer) {
    struct oxp_view rest = rest_of(lexer);
    if (rest.len == 0) {
        return AT_END;
    }
    size_t before = rest.len;
    uint32_t c = oxp_tpl_take_rune(&rest);
    lexer->pos += (uint32_t)(before - rest.len);
    lexer->line += c == '\n';
    return c;
}

/* Moves over bytes and counts their lines. */
static void skip(struct oxp_tpl_lexer *lexer, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        lexer->line += lexer->text.ptr[lexer->pos++] == '\n';
    }
}

static void ignore(struct oxp_tpl_lexer *lexer) {
    lexer->start = lexer->pos;
    lexer->start_line = lexer->line;
}

static struct oxp_tpl_token emit(struct oxp_tpl_lexer *lexer, enum oxp_tpl_token_kind kind) {
    struct oxp_tpl_token token = {kind, lexer->start, lexer->start_line,
                                  oxp_view_of(lexer->text.ptr + lexer->start, lexer->pos - lexer->start)};
    if (lexer->text.ptr == NULL) {
        token.text = oxp_view_of("", 0);
    }
    ignore(lexer);
    return token;
}

/* What `fault` holds; then the text is at its end. */
static struct oxp_tpl_token refuse(struct oxp_tpl_lexer *lexer) {
    struct oxp_tpl_token token = {OXP_TPL_T_ERROR, lexer->start, lexer->start_line, oxp_view_from(lexer->fault)};
    lexer->pos = lexer->start = (uint32_t)lexer->text.len;
    return token;
}

static struct oxp_tpl_token refuse_with(struct oxp_tpl_lexer *lexer, const char *words) {
    snprintf(lexer->fault, sizeof lexer->fault, "%s", words);
    return refuse(lexer);
}

/* Go's %#U. */
static struct oxp_tpl_token refuse_rune(struct oxp_tpl_lexer *lexer, const char *words, uint32_t c) {
    char shown[16] = "";
    if (c == AT_END) {
        snprintf(lexer->fault, sizeof lexer->fault, "%s U+FFFFFFFFFFFFFFFF", words);
        return refuse(lexer);
    }
    if (oxp_tpl_is_print(c)) {
        char bytes[4];
        snprintf(shown, sizeof shown, " '%.*s'", (int)oxp_utf8_encode(c, bytes), bytes);
    }
    snprintf(lexer->fault, sizeof lexer->fault, "%s U+%04X%s", words, (unsigned)c, shown);
    return refuse(lexer);
}

/* ---- Delimiters ---- */

static bool starts(struct oxp_view text, const char *prefix) {
    return oxp_view_starts(text, oxp_view_from(prefix));
}

static struct oxp_view behind(struct oxp_view text, size_t bytes) {
    return oxp_view_of(text.ptr + bytes, text.len - bytes);
}

/* "- " behind the left delimiter. */
static bool trims_before(struct oxp_view text) {
    return text.len >= 2 && text.ptr[0] == '-' && is_space((unsigned char)text.ptr[1]);
}

/* " -" in front of the right one. */
static bool trims_after(struct oxp_view text) {
    return text.len >= 2 && is_space((unsigned char)text.ptr[0]) && text.ptr[1] == '-';
}

static bool at_right_delim(const struct oxp_tpl_lexer *lexer, bool *trims_out) {
    struct oxp_view rest = rest_of(lexer);
    *trims_out = trims_after(rest) && starts(behind(rest, 2), "}}");
    return *trims_out || starts(rest, "}}");
}

static void skip_spaces(struct oxp_tpl_lexer *lexer) {
    while (lexer->pos < lexer->text.len && is_space((unsigned char)lexer->text.ptr[lexer->pos])) {
        skip(lexer, 1);
    }
}

static struct oxp_tpl_token lex_right_delim(struct oxp_tpl_lexer *lexer) {
    bool trims = false;
    at_right_delim(lexer, &trims);
    if (trims) {
        skip(lexer, 2);
        ignore(lexer);
    }
    skip(lexer, 2);
    struct oxp_tpl_token token = emit(lexer, OXP_TPL_T_RIGHT_DELIM);
    if (trims) {
        skip_spaces(lexer);
        ignore(lexer);
    }
    lexer->inside_action = false;
    return token;
}

/* A comment; the position is on its opening mark. False: `fault` is set. */
static bool skip_comment(struct oxp_tpl_lexer *lexer) {
    struct oxp_view rest = behind(rest_of(lexer), 2);
    const char *close = rest.len < 2 ? NULL : memmem(rest.ptr, rest.len, "*/", 2);
    if (close == NULL) {
        snprintf(lexer->fault, sizeof lexer->fault, "unclosed comment");
        return false;
    }
    bool trims = false;
    uint32_t line = lexer->line;
    skip(lexer, (size_t)(close - rest.ptr) + 4);
    if (!at_right_delim(lexer, &trims)) {
        lexer->line = line;
        snprintf(lexer->fault, sizeof lexer->fault, "comment ends before closing delimiter");
        return false;
    }
    skip(lexer, trims ? 4 : 2);
    if (trims) {
        skip_spaces(lexer);
    }
    ignore(lexer);
    return true;
}

/* Text up to the next action, comments left out; or that action's delimiter; or the end. */
static struct oxp_tpl_token lex_text(struct oxp_tpl_lexer *lexer) {
    for (;;) {
        struct oxp_view rest = rest_of(lexer);
        const char *open = rest.len < 2 ? NULL : memmem(rest.ptr, rest.len, "{{", 2);
        if (open == NULL) {
            skip(lexer, rest.len);
            return emit(lexer, rest.len != 0 ? OXP_TPL_T_TEXT : OXP_TPL_T_EOF);
        }
        size_t plain = (size_t)(open - rest.ptr), kept = plain;
        bool trims = trims_before(behind(rest, plain + 2));
        while (trims && kept > 0 && is_space((unsigned char)rest.ptr[kept - 1])) {
            kept--;
        }
        skip(lexer, kept);
        struct oxp_tpl_token token = emit(lexer, OXP_TPL_T_TEXT);
        skip(lexer, plain - kept);
        ignore(lexer);
        if (kept != 0) {
            return token;
        }
        size_t mark = trims ? 2 : 0;
        if (!starts(behind(rest, plain + 2 + mark), "/*")) {
            skip(lexer, 2);
            token = emit(lexer, OXP_TPL_T_LEFT_DELIM);
            skip(lexer, mark);
            ignore(lexer);
            lexer->inside_action = true;
            lexer->paren_depth = 0;
            return token;
        }
        skip(lexer, 2 + mark);
        ignore(lexer);
        if (!skip_comment(lexer)) {
            return refuse(lexer);
        }
    }
}

/* ---- Inside of an action ---- */

/* What may stand behind a word: .X.Y comes in two, "$x+2" is no two. */
static bool at_terminator(const struct oxp_tpl_lexer *lexer) {
    uint32_t c = peek(lexer);
    return is_space(c) || c == AT_END || (c < 128 && c != 0 && strchr(".,|:)(", (int)c) != NULL) ||
           starts(rest_of(lexer), "}}");
}

static struct oxp_tpl_token lex_space(struct oxp_tpl_lexer *lexer) {
    uint32_t first = lexer->pos;
    skip_spaces(lexer);
    struct oxp_view last = oxp_view_of(lexer->text.ptr + lexer->pos - 1, lexer->text.len - lexer->pos + 1);
    if (trims_after(last) && starts(behind(last, 2), "}}")) { /* the last space belongs to the delimiter */
        lexer->pos--;
        lexer->line -= lexer->text.ptr[lexer->pos] == '\n';
        if (lexer->pos == first) {
            return lex_right_delim(lexer);
        }
    }
    return emit(lexer, OXP_TPL_T_SPACE);
}

static void skip_word(struct oxp_tpl_lexer *lexer) {
    while (is_word(peek(lexer))) {
        next(lexer);
    }
}

static struct oxp_tpl_token lex_identifier(struct oxp_tpl_lexer *lexer) {
    skip_word(lexer);
    if (!at_terminator(lexer)) {
        return refuse_rune(lexer, "bad character", peek(lexer));
    }
    struct oxp_tpl_token token = emit(lexer, OXP_TPL_T_IDENTIFIER);
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (oxp_view_is(token.text, keywords[i].word)) {
            token.kind = keywords[i].kind;
        }
    }
    return token;
}

/* The dot or dollar has been read. */
static struct oxp_tpl_token lex_name(struct oxp_tpl_lexer *lexer, enum oxp_tpl_token_kind kind) {
    if (at_terminator(lexer)) {
        return emit(lexer, kind == OXP_TPL_T_VARIABLE ? kind : OXP_TPL_T_DOT);
    }
    skip_word(lexer);
    return at_terminator(lexer) ? emit(lexer, kind) : refuse_rune(lexer, "bad character", peek(lexer));
}

/* The opening quote has been read. */
static struct oxp_tpl_token lex_quoted(struct oxp_tpl_lexer *lexer, uint32_t quote) {
    for (uint32_t c; (c = next(lexer)) != quote;) {
        if (c == '\\') {
            c = next(lexer);
        } else if (c != AT_END && c != '\n') {
            continue;
        }
        if (c == AT_END || c == '\n') {
            return refuse_with(lexer, quote == '"' ? "unterminated quoted string" : "unterminated character constant");
        }
    }
    return emit(lexer, quote == '"' ? OXP_TPL_T_STRING : OXP_TPL_T_CHAR_CONSTANT);
}

static struct oxp_tpl_token lex_raw(struct oxp_tpl_lexer *lexer) {
    for (uint32_t c; (c = next(lexer)) != '`';) {
        if (c == AT_END) {
            return refuse_with(lexer, "unterminated raw quoted string");
        }
    }
    return emit(lexer, OXP_TPL_T_RAW_STRING);
}

static bool accept(struct oxp_tpl_lexer *lexer, const char *set) {
    struct oxp_view rest = rest_of(lexer);
    if (rest.len == 0 || rest.ptr[0] == '\0' || strchr(set, rest.ptr[0]) == NULL) {
        return false;
    }
    lexer->pos++;
    return true;
}

static void accept_all(struct oxp_tpl_lexer *lexer, const char *set) {
    while (accept(lexer, set)) {
    }
}

/* What looks like a number; whether it is one, its reader will tell. */
static bool scan_number(struct oxp_tpl_lexer *lexer) {
    const char *digits = "0123456789_", *exponent = "eE";
    accept(lexer, "+-");
    if (accept(lexer, "0")) {
        if (accept(lexer, "xX")) {
            digits = "0123456789abcdefABCDEF_";
            exponent = "pP";
        } else if (accept(lexer, "oO")) {
            digits = "01234567_";
            exponent = "";
        } else if (accept(lexer, "bB")) {
            digits = "01_";
            exponent = "";
        }
    }
    accept_all(lexer, digits);
    if (accept(lexer, ".")) {
        accept_all(lexer, digits);
    }
    if (accept(lexer, exponent)) {
        accept(lexer, "+-");
        accept_all(lexer, "0123456789_");
    }
    accept(lexer, "i");
    if (is_word(peek(lexer))) {
        next(lexer);
        return false;
    }
    return true;
}

static struct oxp_tpl_token lex_number(struct oxp_tpl_lexer *lexer) {
    bool good = scan_number(lexer), pair = false;
    uint32_t sign = peek(lexer);
    if (good && (sign == '+' || sign == '-')) { /* 1+2i */
        good = scan_number(lexer) && lexer->text.ptr[lexer->pos - 1] == 'i';
        pair = true;
    }
    if (!good) {
        snprintf(lexer->fault, sizeof lexer->fault, "bad number syntax: \"%.*s\"",
                 lexer->pos - lexer->start > 100 ? 100 : (int)(lexer->pos - lexer->start),
                 lexer->text.ptr + lexer->start);
        return refuse(lexer);
    }
    return emit(lexer, pair ? OXP_TPL_T_COMPLEX : OXP_TPL_T_NUMBER);
}

static struct oxp_tpl_token lex_paren(struct oxp_tpl_lexer *lexer, bool open) {
    next(lexer);
    lexer->paren_depth += open ? 1 : -1;
    return lexer->paren_depth < 0 ? refuse_with(lexer, "unexpected right paren")
                                  : emit(lexer, open ? OXP_TPL_T_LEFT_PAREN : OXP_TPL_T_RIGHT_PAREN);
}

static bool is_digit(uint32_t c) {
    return c >= '0' && c <= '9';
}

static struct oxp_tpl_token lex_mark(struct oxp_tpl_lexer *lexer, uint32_t c) {
    next(lexer);
    switch (c) {
    case '=':
        return emit(lexer, OXP_TPL_T_ASSIGN);
    case '|':
        return emit(lexer, OXP_TPL_T_PIPE);
    case '"':
    case '\'':
        return lex_quoted(lexer, c);
    case '`':
        return lex_raw(lexer);
    case '$':
        return lex_name(lexer, OXP_TPL_T_VARIABLE);
    case '.':
        return lex_name(lexer, OXP_TPL_T_FIELD);
    case ':':
        return next(lexer) == '=' ? emit(lexer, OXP_TPL_T_DECLARE) : refuse_with(lexer, "expected :=");
    default:
        return c >= ' ' && c < 127 ? emit(lexer, OXP_TPL_T_CHAR)
                                   : refuse_rune(lexer, "unrecognized character in action:", c);
    }
}

static struct oxp_tpl_token lex_inside(struct oxp_tpl_lexer *lexer) {
    bool trims = false;
    if (at_right_delim(lexer, &trims)) {
        return lexer->paren_depth == 0 ? lex_right_delim(lexer) : refuse_with(lexer, "unclosed left paren");
    }
    uint32_t c = peek(lexer);
    struct oxp_view rest = rest_of(lexer);
    if (c == AT_END) {
        return refuse_with(lexer, "unclosed action");
    }
    if (is_space(c)) {
        return lex_space(lexer);
    }
    bool point = c == '.' && (rest.len == 1 || is_digit((unsigned char)rest.ptr[1])); /* a lone one at the end, too */
    if (point || c == '+' || c == '-' || is_digit(c)) {
        return lex_number(lexer);
    }
    if (is_word(c)) {
        return lex_identifier(lexer);
    }
    return c == '(' || c == ')' ? lex_paren(lexer, c == '(') : lex_mark(lexer, c);
}

struct oxp_tpl_token oxp_tpl_lexer_next(struct oxp_tpl_lexer *lexer) {
    return lexer->inside_action ? lex_inside(lexer) : lex_text(lexer);
}
