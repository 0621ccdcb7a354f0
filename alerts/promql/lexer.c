/* The states of the lexer are those of Prometheus' (promql/parser/lex.go), so that the same texts are refused at the
 * same byte with the same words:
 *   1. plain: operators, words, numbers, strings, brackets;
 *   2. within braces: labels, strings and match operators; a word is never a keyword;
 *   3. behind `[`: signs and the arithmetic of durations, up to the first number; then plain again, but a letter may
 *      only be the `:` of a subquery or one of step, range, min_of, max_of. */
#include "alerts/promql/lexer.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "alerts/tsdb/labels.h"
#include "lib/base/ascii.h"
#include "lib/base/utf8.h"

#define END_OF_TEXT (-1)
#define BAD_RUNE 0xFFFD /* what Go reads from bytes that are no UTF-8 */

/* ---- Tokens ---- */

enum { METRIC = 1, LABEL = 2 };

static const struct {
    const char *text;
    enum oxp_token_class class;
    unsigned uses;
} tokens[OXP_TOKENS] = {
#define TOKEN(name, class_, text_, uses_) [OXP_TOKEN_##name] = {(text_), OXP_TOKEN_CLASS_##class_, (uses_)},
#include "alerts/promql/tokens.def"
#undef TOKEN
};

enum oxp_token_class oxp_token_class(enum oxp_token_kind kind) {
    return tokens[kind].class;
}

bool oxp_token_names_metric(enum oxp_token_kind kind) {
    return (tokens[kind].uses & METRIC) != 0;
}

bool oxp_token_names_label(enum oxp_token_kind kind) {
    return (tokens[kind].uses & LABEL) != 0;
}

struct oxp_view oxp_token_text(const struct oxp_source *source, const struct oxp_token *token) {
    return oxp_view_of(source->text.ptr + token->start, token->end - token->start);
}

/* ---- Words of errors ---- */

enum oxp_status oxp_source_fail(const struct oxp_source *source, enum oxp_status status, size_t at, const char *format,
                                ...) {
    char text[sizeof source->error->text];
    unsigned line = source->text.len == 0 ? 0 : 1;
    size_t line_start = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (size_t i = 0; i < at && i < source->text.len; i++) {
        if (source->text.ptr[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    return oxp_error_set(source->error, status, line, line == 0 ? 0 : (unsigned)(at - line_start) + 1, "%s", text);
}

/* `text` quoted, at most `most` bytes of it, into `out`. */
static const char *show_cut(char out[OXP_TOKEN_SHOWN], struct oxp_view text, size_t most) {
    bool cut = text.len > most;
    struct oxp_buf quoted;
    oxp_buf_init(&quoted, OXP_TOKEN_SHOWN - 4);
    oxp_text_quote(&quoted, cut ? oxp_utf8_cut(text, most) : text);
    if (oxp_buf_status(&quoted) == OXP_OK) {
        snprintf(out, OXP_TOKEN_SHOWN, "%s%s", oxp_buf_text(&quoted), cut ? "..." : "");
    } else { /* many escapes, or no memory: as it is */
        struct oxp_view plain = oxp_utf8_cut(text, 40);
        snprintf(out, OXP_TOKEN_SHOWN, "\"%.*s\"...", (int)plain.len, plain.ptr);
    }
    oxp_buf_fini(&quoted);
    return out;
}

const char *oxp_show_quoted(char out[OXP_TOKEN_SHOWN], struct oxp_view text) {
    return show_cut(out, text, 120);
}

/* A token as Prometheus' Item.String has it: at most ten characters of what is not a word or an operator. */
static const char *show_plain(char out[OXP_TOKEN_SHOWN], struct oxp_view text) {
    size_t count = 0;
    struct oxp_view head = {text.ptr, 0};
    if (text.len <= 10) {
        return show_cut(out, text, text.len);
    }
    while (head.len < text.len && count < 10) { /* a character starts where no byte continues one */
        do {
            head.len++;
        } while (head.len < text.len && ((unsigned char)text.ptr[head.len] & 0xC0) == 0x80);
        count++;
    }
    show_cut(out, head, head.len);
    size_t len = strlen(out);
    snprintf(out + len, OXP_TOKEN_SHOWN - len, "...");
    return out;
}

const char *oxp_token_show(char out[OXP_TOKEN_SHOWN], const struct oxp_source *source, const struct oxp_token *token) {
    struct oxp_view text = oxp_token_text(source, token);
    char quoted[OXP_TOKEN_SHOWN - 32];
    switch (tokens[token->kind].class) {
    case OXP_TOKEN_CLASS_OTHER:
        if (token->kind == OXP_TOKEN_END || token->kind == OXP_TOKEN_FAILED) {
            snprintf(out, OXP_TOKEN_SHOWN, "%s", tokens[token->kind].text);
            break;
        }
        if (token->kind == OXP_TOKEN_IDENTIFIER || token->kind == OXP_TOKEN_METRIC) {
            show_cut(out, text, 120);
        } else {
            show_plain(out, text);
        }
        snprintf(quoted, sizeof quoted, "%s", out);
        snprintf(out, OXP_TOKEN_SHOWN, "%s %s", tokens[token->kind].text, quoted);
        break;
    case OXP_TOKEN_CLASS_MARK:
    case OXP_TOKEN_CLASS_QUERY:
        return show_plain(out, text);
    case OXP_TOKEN_CLASS_OPERATOR:
    case OXP_TOKEN_CLASS_WORD_OPERATOR:
        snprintf(out, OXP_TOKEN_SHOWN, "<op:%.*s>", (int)text.len, text.ptr);
        break;
    case OXP_TOKEN_CLASS_AGGREGATION:
        snprintf(out, OXP_TOKEN_SHOWN, "<aggr:%.*s>", (int)text.len, text.ptr);
        break;
    case OXP_TOKEN_CLASS_KEYWORD:
        snprintf(out, OXP_TOKEN_SHOWN, "<%.*s>", (int)text.len, text.ptr);
        break;
    }
    return out;
}

/* ---- Characters ---- */

/* The character at `pos`, or END_OF_TEXT; `*len_out` is its length in bytes. */
static int32_t rune_at(const struct oxp_lexer *lexer, uint32_t pos, uint32_t *len_out) {
    struct oxp_view text = lexer->source.text;
    *len_out = pos < text.len ? 1 : 0;
    if (pos >= text.len) {
        return END_OF_TEXT;
    }
    unsigned char lead = (unsigned char)text.ptr[pos];
    if (lead < 0x80) {
        return lead;
    }
    size_t len = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (text.len - pos < len || !oxp_utf8_is_valid(oxp_view_of(text.ptr + pos, len))) {
        return BAD_RUNE;
    }
    int32_t rune = lead & (0x7F >> len);
    for (size_t i = 1; i < len; i++) {
        rune = rune << 6 | ((unsigned char)text.ptr[pos + i] & 0x3F);
    }
    *len_out = (uint32_t)len;
    return rune;
}

static int32_t peek(const struct oxp_lexer *lexer) {
    uint32_t len = 0;
    return rune_at(lexer, lexer->pos, &len);
}

static int32_t next(struct oxp_lexer *lexer) {
    uint32_t len = 0;
    int32_t rune = rune_at(lexer, lexer->pos, &len);
    lexer->pos += len;
    return rune;
}

static bool is_space(int32_t c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_alpha(int32_t c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(int32_t c) {
    return is_alpha(c) || oxp_is_digit(c);
}

static bool accept(struct oxp_lexer *lexer, const char *set) {
    int32_t c = peek(lexer);
    if (c <= 0 || c > 0x7F || strchr(set, (int)c) == NULL) {
        return false;
    }
    lexer->pos++;
    return true;
}

/* A character between single quotes, as Go's %q prints it. */
#define RUNE_SHOWN 24
static const char *show_rune(char out[RUNE_SHOWN], int32_t rune) {
    char bytes[4], quoted[OXP_TOKEN_SHOWN];
    size_t len = oxp_utf8_encode(rune == END_OF_TEXT ? BAD_RUNE : (uint32_t)rune, bytes);
    if (rune == '\'' || rune == '"') {
        snprintf(out, RUNE_SHOWN, rune == '"' ? "'%c'" : "'\\%c'", (char)rune);
        return out;
    }
    show_cut(quoted, oxp_view_of(bytes, len), 4);
    snprintf(out, RUNE_SHOWN, "'%.*s'", (int)strlen(quoted) - 2, quoted + 1);
    return out;
}

#define RUNE(rune) show_rune((char[RUNE_SHOWN]){0}, (rune))

/* ---- What a state gives ---- */

static enum oxp_status emit(struct oxp_lexer *lexer, enum oxp_token_kind kind, struct oxp_token *token) {
    *token = (struct oxp_token){kind, lexer->start, lexer->pos};
    lexer->start = lexer->pos;
    return OXP_OK;
}

/* Nothing but space: the caller asks again. */
static enum oxp_status skip(struct oxp_lexer *lexer) {
    lexer->start = lexer->pos;
    return OXP_IGNORED;
}

#define FAIL(lexer, ...) oxp_source_fail(&(lexer)->source, OXP_ERR_SYNTAX, (lexer)->start, __VA_ARGS__)

/* ---- Strings ---- */

static int digit_value(int32_t c) {
    return oxp_is_digit(c)        ? (int)c - '0'
           : c >= 'a' && c <= 'f' ? (int)c - 'a' + 10
           : c >= 'A' && c <= 'F' ? (int)c - 'A' + 10
                                  : 16;
}

/* A character as Go's %#U prints it: U+0063 'c', or U+000A alone for one that cannot be shown. */
static const char *show_code_point(char out[OXP_TOKEN_SHOWN], int32_t rune) {
    char quoted[RUNE_SHOWN], bytes[4];
    show_rune(quoted, rune);
    if (quoted[1] == '\\' && rune != '\\' && rune != '\'') {
        snprintf(out, OXP_TOKEN_SHOWN, "U+%04X", (unsigned)rune);
    } else {
        int len = (int)oxp_utf8_encode((uint32_t)rune, bytes);
        snprintf(out, OXP_TOKEN_SHOWN, "U+%04X '%.*s'", (unsigned)rune, len, bytes);
    }
    return out;
}

/* An escape; the backslash has been read. */
static enum oxp_status lex_escape(struct oxp_lexer *lexer, int32_t quote) {
    uint32_t base = 16, most = 0x10FFFF, value = 0;
    int32_t c = next(lexer);
    int count = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (c == quote || (c > 0 && c <= 0x7F && strchr("abfnrtv\\", (int)c) != NULL)) {
        return OXP_OK;
    }
    if (c == END_OF_TEXT) {
        return FAIL(lexer, "escape sequence not terminated");
    }
    if (c >= '0' && c <= '7') {
        count = 3;
        base = 8;
        most = 255;
    } else if (count == 0) {
        return FAIL(lexer, "unknown escape sequence %s", show_code_point((char[OXP_TOKEN_SHOWN]){0}, c));
    } else {
        most = c == 'x' ? 255 : most;
        c = next(lexer);
    }
    for (; count > 0; count--) {
        uint32_t digit = (uint32_t)digit_value(c);
        if (c == END_OF_TEXT) {
            return FAIL(lexer, "escape sequence not terminated");
        }
        if (digit >= base) {
            return FAIL(lexer, "illegal character %s in escape sequence",
                        show_code_point((char[OXP_TOKEN_SHOWN]){0}, c));
        }
        value = value * base + digit;
        c = count > 1 ? next(lexer) : c;
    }
    if (value > most || (value >= 0xD800 && value < 0xE000)) {
        return FAIL(lexer, "escape sequence is an invalid Unicode code point");
    }
    return OXP_OK;
}

/* A string; its opening quote has been read. */
static enum oxp_status lex_string(struct oxp_lexer *lexer, int32_t quote, struct oxp_token *token) {
    bool raw = quote == '`';
    for (;;) {
        int32_t c = next(lexer);
        if (c == quote) {
            return emit(lexer, OXP_TOKEN_STRING, token);
        }
        if (c == BAD_RUNE) {
            return FAIL(lexer, "invalid UTF-8 rune");
        }
        if (c == END_OF_TEXT || (c == '\n' && !raw)) {
            return FAIL(lexer, raw ? "unterminated raw string" : "unterminated quoted string");
        }
        if (c == '\\' && !raw) {
            enum oxp_status status = lex_escape(lexer, quote);
            if (status != OXP_OK) {
                return status;
            }
        }
    }
}

/* ---- Numbers, durations, words ---- */

/* The unit of a duration whose first digits have been read, and what follows. */
static bool scan_duration(struct oxp_lexer *lexer) {
    if (!accept(lexer, "smhdwy")) {
        return false;
    }
    accept(lexer, "s"); /* of ms; that "hs" is no unit comes out when the duration is read */
    while (accept(lexer, "0123456789")) {
        while (accept(lexer, "0123456789")) {
        }
        if (!accept(lexer, "smhdw")) { /* years come first or not at all */
            return false;
        }
        accept(lexer, "s");
    }
    if (is_word(peek(lexer))) {
        next(lexer);
        return false;
    }
    return true;
}

static enum oxp_status lex_number(struct oxp_lexer *lexer, struct oxp_token *token) {
    if (oxp_literal_scan_number(lexer->source.text, &lexer->pos)) {
        return emit(lexer, OXP_TOKEN_NUMBER, token);
    }
    if (scan_duration(lexer)) {
        return emit(lexer, OXP_TOKEN_DURATION, token);
    }
    struct oxp_view seen = oxp_view_of(lexer->source.text.ptr + lexer->start, lexer->pos - lexer->start);
    return FAIL(lexer, "bad number or duration syntax: %s", OXP_QUOTED(seen));
}

/* The keyword that a word is, or OXP_TOKEN_FAILED. */
static enum oxp_token_kind find_word(struct oxp_view word) {
    if (word.len == 3 && (strncasecmp(word.ptr, "inf", 3) == 0 || strncasecmp(word.ptr, "nan", 3) == 0)) {
        return OXP_TOKEN_NUMBER;
    }
    for (enum oxp_token_kind kind = OXP_TOKEN_AND; kind < OXP_TOKENS; kind++) {
        if (strlen(tokens[kind].text) == word.len && strncasecmp(word.ptr, tokens[kind].text, word.len) == 0) {
            return kind;
        }
    }
    return OXP_TOKEN_FAILED;
}

bool oxp_word_names_label(struct oxp_view word) {
    enum oxp_token_kind kind = find_word(word);
    return kind == OXP_TOKEN_FAILED || oxp_token_names_label(kind);
}

/* fill… is a word of the language only in front of a parenthesis. */
static bool paren_follows(const struct oxp_lexer *lexer) {
    struct oxp_view text = lexer->source.text;
    uint32_t pos = lexer->pos;
    while (pos < text.len && is_space(text.ptr[pos])) {
        pos++;
    }
    return pos < text.len && text.ptr[pos] == '(';
}

static enum oxp_status lex_word(struct oxp_lexer *lexer, struct oxp_token *token) {
    while (is_word(peek(lexer)) || peek(lexer) == ':') {
        next(lexer);
    }
    struct oxp_view word = oxp_view_of(lexer->source.text.ptr + lexer->start, lexer->pos - lexer->start);
    enum oxp_token_kind kind = find_word(word);
    if ((kind == OXP_TOKEN_FILL || kind == OXP_TOKEN_FILL_LEFT || kind == OXP_TOKEN_FILL_RIGHT) &&
        !paren_follows(lexer)) {
        kind = OXP_TOKEN_IDENTIFIER;
    } else if (kind == OXP_TOKEN_FAILED) {
        kind = memchr(word.ptr, ':', word.len) != NULL ? OXP_TOKEN_METRIC : OXP_TOKEN_IDENTIFIER;
    }
    return emit(lexer, kind, token);
}

/* step, range, min_of or max_of within brackets; the first letter has been read. False when it is another word. */
static bool lex_duration_word(struct oxp_lexer *lexer, struct oxp_token *token) {
    while (is_alpha(peek(lexer))) {
        next(lexer);
    }
    enum oxp_token_kind kind = find_word(oxp_view_of(lexer->source.text.ptr + lexer->start, lexer->pos - lexer->start));
    if (kind != OXP_TOKEN_STEP && kind != OXP_TOKEN_RANGE && kind != OXP_TOKEN_MIN_OF && kind != OXP_TOKEN_MAX_OF) {
        return false;
    }
    emit(lexer, kind, token);
    return true;
}

static bool starts_duration_word(int32_t c) {
    return c > 0 && c <= 0x7F && strchr("srmSRM", (int)c) != NULL;
}

static enum oxp_status lex_comment(struct oxp_lexer *lexer) {
    while (peek(lexer) != '\n' && peek(lexer) != '\r' && peek(lexer) != END_OF_TEXT) {
        next(lexer);
    }
    return skip(lexer);
}

static enum oxp_status lex_paren(struct oxp_lexer *lexer, int32_t c, struct oxp_token *token) {
    lexer->paren_depth += c == '(' ? 1 : -1;
    emit(lexer, c == '(' ? OXP_TOKEN_LEFT_PAREN : OXP_TOKEN_RIGHT_PAREN, token);
    return lexer->paren_depth < 0 ? FAIL(lexer, "unexpected right parenthesis ')'") : OXP_OK;
}

/* ---- The three states ---- */

static enum oxp_status lex_in_braces(struct oxp_lexer *lexer, struct oxp_token *token) {
    int32_t c = next(lexer), after = peek(lexer);
    switch (c) {
    case END_OF_TEXT:
        return FAIL(lexer, "unexpected end of input inside braces");
    case '#':
        return lex_comment(lexer);
    case ',':
        return emit(lexer, OXP_TOKEN_COMMA, token);
    case '"':
    case '\'':
    case '`':
        return lex_string(lexer, c, token);
    case '=':
        return emit(lexer, accept(lexer, "~") ? OXP_TOKEN_EQL_REGEX : OXP_TOKEN_EQUAL, token);
    case '!':
        if (accept(lexer, "~=")) {
            return emit(lexer, after == '~' ? OXP_TOKEN_NEQ_REGEX : OXP_TOKEN_NEQ, token);
        }
        return FAIL(lexer, "unexpected character after '!' inside braces: %s", RUNE(after));
    case '{':
        if (lexer->pos >= 2 && lexer->source.text.ptr[lexer->pos - 2] == '{') {
            return oxp_source_fail(&lexer->source, OXP_ERR_UNSUPPORTED, lexer->start,
                                   "unexpected left brace '{' (native histograms are not supported)");
        }
        return FAIL(lexer, "unexpected left brace '{'");
    case '}':
        lexer->brace_open = false;
        return emit(lexer, OXP_TOKEN_RIGHT_BRACE, token);
    default:
        break;
    }
    if (is_space(c)) {
        return skip(lexer);
    }
    if (!is_alpha(c)) {
        return FAIL(lexer, "unexpected character inside braces: %s", RUNE(c));
    }
    while (is_word(peek(lexer))) {
        next(lexer);
    }
    return emit(lexer, OXP_TOKEN_IDENTIFIER, token);
}

static const struct {
    char c;
    enum oxp_token_kind kind;
} arithmetic[] = {
    {',', OXP_TOKEN_COMMA}, {'*', OXP_TOKEN_MUL}, {'/', OXP_TOKEN_DIV}, {'%', OXP_TOKEN_MOD},
    {'+', OXP_TOKEN_ADD},   {'-', OXP_TOKEN_SUB}, {'^', OXP_TOKEN_POW}, {'@', OXP_TOKEN_AT},
};

static bool lex_arithmetic(struct oxp_lexer *lexer, int32_t c, struct oxp_token *token) {
    for (size_t i = 0; i < sizeof arithmetic / sizeof arithmetic[0]; i++) {
        if (c == arithmetic[i].c) {
            emit(lexer, arithmetic[i].kind, token);
            return true;
        }
    }
    return false;
}

static enum oxp_status lex_duration(struct oxp_lexer *lexer, struct oxp_token *token) {
    int32_t c = next(lexer);
    if (c == END_OF_TEXT) {
        return FAIL(lexer, "unexpected end of input in duration expression");
    }
    if (c == ']') {
        lexer->bracket_open = lexer->got_colon = lexer->in_duration = false;
        return emit(lexer, OXP_TOKEN_RIGHT_BRACKET, token);
    }
    if (c == ':') {
        emit(lexer, OXP_TOKEN_COLON, token);
        if (!lexer->got_duration || lexer->got_colon) {
            return FAIL(lexer, lexer->got_duration ? "unexpected repeated colon in duration expression"
                                                   : "unexpected colon before duration in duration expression");
        }
        lexer->got_colon = true;
        return OXP_OK;
    }
    if (c == '(' || c == ')') {
        return lex_paren(lexer, c, token);
    }
    if (is_space(c)) {
        return skip(lexer);
    }
    if (oxp_is_digit(c) || (c == '.' && oxp_is_digit(peek(lexer)))) {
        lexer->pos--;
        lexer->got_duration = true;
        lexer->in_duration = false;
        return lex_number(lexer, token);
    }
    if ((c != '@' && lex_arithmetic(lexer, c, token)) || (starts_duration_word(c) && lex_duration_word(lexer, token))) {
        return OXP_OK;
    }
    return FAIL(lexer, "unexpected character in duration expression: %s", RUNE(c));
}

/* A bracket, `[` or `]`, has been read. */
static enum oxp_status lex_bracket(struct oxp_lexer *lexer, int32_t c, struct oxp_token *token) {
    if (lexer->bracket_open == (c == '[')) {
        return FAIL(lexer, c == '[' ? "unexpected left bracket '['" : "unexpected right bracket ']'");
    }
    lexer->bracket_open = lexer->in_duration = c == '[';
    lexer->got_colon = lexer->got_colon && c != '[';
    return emit(lexer, c == '[' ? OXP_TOKEN_LEFT_BRACKET : OXP_TOKEN_RIGHT_BRACKET, token);
}

/* One of = ! < >, which has been read. */
static enum oxp_status lex_comparison(struct oxp_lexer *lexer, int32_t c, struct oxp_token *token) {
    int32_t after = peek(lexer);
    if (c == '=') {
        if (after == '~') {
            return FAIL(lexer, "unexpected character after '=': '~'");
        }
        return emit(lexer, accept(lexer, "=") ? OXP_TOKEN_EQL : OXP_TOKEN_EQUAL, token);
    }
    if (c == '!') {
        return accept(lexer, "=") ? emit(lexer, OXP_TOKEN_NEQ, token)
                                  : FAIL(lexer, "unexpected character after '!': %s", RUNE(after));
    }
    if (accept(lexer, "=")) {
        return emit(lexer, c == '<' ? OXP_TOKEN_LTE : OXP_TOKEN_GTE, token);
    }
    if (accept(lexer, "/")) {
        return emit(lexer, c == '<' ? OXP_TOKEN_TRIM_UPPER : OXP_TOKEN_TRIM_LOWER, token);
    }
    return emit(lexer, c == '<' ? OXP_TOKEN_LSS : OXP_TOKEN_GTR, token);
}

/* A letter or a colon, which has been read, in the plain state. */
static enum oxp_status lex_letter(struct oxp_lexer *lexer, int32_t c, struct oxp_token *token) {
    if (!lexer->bracket_open) {
        return lex_word(lexer, token);
    }
    if (c == ':') {
        if (lexer->got_colon) {
            return FAIL(lexer, "unexpected colon ':'");
        }
        lexer->got_colon = true;
        return emit(lexer, OXP_TOKEN_COLON, token);
    }
    if (starts_duration_word(c) && lex_duration_word(lexer, token)) {
        return OXP_OK;
    }
    return FAIL(lexer, "unexpected character: %s, expected ':'", RUNE(c));
}

static enum oxp_status lex_end(struct oxp_lexer *lexer, struct oxp_token *token) {
    if (lexer->paren_depth != 0 || lexer->bracket_open) {
        return FAIL(lexer, lexer->paren_depth != 0 ? "unclosed left parenthesis" : "unclosed left bracket");
    }
    return emit(lexer, OXP_TOKEN_END, token);
}

static enum oxp_status lex_plain(struct oxp_lexer *lexer, struct oxp_token *token) {
    int32_t c = next(lexer);
    if (is_space(c)) {
        return skip(lexer);
    }
    if (oxp_is_digit(c) || (c == '.' && oxp_is_digit(peek(lexer)))) {
        lexer->pos--;
        return lex_number(lexer, token);
    }
    if (is_alpha(c) || c == ':') {
        return lex_letter(lexer, c, token);
    }
    if (lex_arithmetic(lexer, c, token)) {
        return OXP_OK;
    }
    switch (c) {
    case END_OF_TEXT:
        return lex_end(lexer, token);
    case '#':
        return lex_comment(lexer);
    case '=':
    case '!':
    case '<':
    case '>':
        return lex_comparison(lexer, c, token);
    case '"':
    case '\'':
    case '`':
        return lex_string(lexer, c, token);
    case '(':
    case ')':
        return lex_paren(lexer, c, token);
    case '{':
        lexer->brace_open = true;
        return emit(lexer, OXP_TOKEN_LEFT_BRACE, token);
    case '[':
    case ']':
        return lex_bracket(lexer, c, token);
    default:
        return FAIL(lexer, "unexpected character: %s", RUNE(c));
    }
}

void oxp_lexer_init(struct oxp_lexer *lexer, struct oxp_source source) {
    *lexer = (struct oxp_lexer){.source = source};
}

enum oxp_status oxp_lexer_next(struct oxp_lexer *lexer, struct oxp_token *token_out) {
    enum oxp_status status = OXP_IGNORED;
    while (status == OXP_IGNORED) {
        status = lexer->in_duration  ? lex_duration(lexer, token_out)
                 : lexer->brace_open ? lex_in_braces(lexer, token_out)
                                     : lex_plain(lexer, token_out);
    }
    if (status != OXP_OK) {
        *token_out = (struct oxp_token){OXP_TOKEN_FAILED, lexer->start, lexer->pos};
    }
    return status;
}
