/* Text to tokens: the lexer of PromQL, private to the parser.
 *
 * What is a token depends on where it stands, as in Prometheus: within braces there are no keywords, and directly
 * behind a `[` only durations and their arithmetic are read. Tokens are read one at a time, when the parser asks, so
 * that the first fault in the text is the one that is told. Owned by one thread. */
#ifndef OXP_PROMQL_LEXER_H
#define OXP_PROMQL_LEXER_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include <stdint.h>

enum oxp_token_kind {
#define TOKEN(name, class, text, uses) OXP_TOKEN_##name,
#include "alerts/promql/tokens.def"
#undef TOKEN
    OXP_TOKENS
};

enum oxp_token_class {
    OXP_TOKEN_CLASS_OTHER,
    OXP_TOKEN_CLASS_MARK,
    OXP_TOKEN_CLASS_OPERATOR,
    OXP_TOKEN_CLASS_WORD_OPERATOR,
    OXP_TOKEN_CLASS_AGGREGATION,
    OXP_TOKEN_CLASS_KEYWORD,
    OXP_TOKEN_CLASS_QUERY,
};

struct oxp_token {
    enum oxp_token_kind kind;
    uint32_t start, end; /* bytes of the text, end exclusive */
};

/* A text that is read, and where the reason goes when it is wrong. */
struct oxp_source {
    struct oxp_view text;
    struct oxp_error *error; /* may be NULL */
};

struct oxp_lexer {
    struct oxp_source source;
    uint32_t pos, start; /* read so far; where the token in work began */
    int paren_depth;
    bool brace_open, bracket_open;
    bool in_duration; /* directly behind a `[` or a sign there */
    bool got_colon, got_duration;
};

/* A lexer at the start of the text, which must outlive it and be shorter than 4 GiB. */
void oxp_lexer_init(struct oxp_lexer *lexer, struct oxp_source source);
/* The next token; OXP_TOKEN_END at the end, again and again. OXP_ERR_SYNTAX with the reason in the source's error: the
 * token is then OXP_TOKEN_FAILED, and the lexer must not be asked again. */
enum oxp_status oxp_lexer_next(struct oxp_lexer *lexer, struct oxp_token *token_out);

enum oxp_token_class oxp_token_class(enum oxp_token_kind kind);
bool oxp_token_names_metric(enum oxp_token_kind kind);
bool oxp_token_names_label(enum oxp_token_kind kind);
/* Whether a word of letters, digits and `_` is read as a label in a list of labels: not `without`, `inf` and `nan`. */
bool oxp_word_names_label(struct oxp_view word);
struct oxp_view oxp_token_text(const struct oxp_source *source, const struct oxp_token *token);
/* As error messages name a token: `identifier "foo"`, `<op:+>`, `end of input`. Cut to fit; returns `out`. */
#define OXP_TOKEN_SHOWN 200
const char *oxp_token_show(char out[OXP_TOKEN_SHOWN], const struct oxp_source *source, const struct oxp_token *token);

/* Fills the source's error with the line and column (bytes, from 1) of the byte `at`, and gives `status` back. A text
 * without a byte has no place: line and column are 0. */
enum oxp_status oxp_source_fail(const struct oxp_source *source, enum oxp_status status, size_t at, const char *format,
                                ...) __attribute__((format(printf, 4, 5)));
/* A text in double quotes as Go's %q prints it, cut to fit with `...` behind; returns `out`. */
const char *oxp_show_quoted(char out[OXP_TOKEN_SHOWN], struct oxp_view text);
#define OXP_QUOTED(view) oxp_show_quoted((char[OXP_TOKEN_SHOWN]){0}, (view))

/* ---- literal.c: what literals are worth ---- */

/* Moves over a number at `*pos`: the bytes that Prometheus' lexer takes for one, whether it is well formed or not.
 * False when what was read cannot be a number; `*pos` is then behind what was seen. */
bool oxp_literal_scan_number(struct oxp_view text, uint32_t *pos);
/* The value of a number: decimal with or without fraction and exponent, `0x` hexadecimal, a leading 0 octal (when all
 * digits are), underscores between digits, Inf and NaN in any case. OXP_ERR_SYNTAX, OXP_ERR_RANGE. */
enum oxp_status oxp_literal_number(struct oxp_view text, double *value_out);
/* The bytes that a string means, quotes off and escapes resolved (Go's strconv.Unquote; single quotes hold strings,
 * too). The lexer has checked it. In the arena, or empty with a NULL pointer without memory. */
struct oxp_view oxp_literal_unquote(struct oxp_arena *arena, struct oxp_view text);

/* ---- duration.c ---- */

/* oxp_promql_parse_duration with Prometheus' words in `error` (without a place). */
enum oxp_status oxp_duration_read(struct oxp_view text, int64_t *ms_out, struct oxp_error *error);
/* Seconds as the milliseconds that Prometheus makes of them (a duration counts nanoseconds there, rounded, and then
 * whole milliseconds). OXP_ERR_RANGE when more than 2^63 ns, or not a number. */
enum oxp_status oxp_duration_from_seconds(double seconds, int64_t *ms_out);
/* Milliseconds as seconds, as Go's Duration.Seconds() does it. */
double oxp_duration_seconds(int64_t ms);

#endif
