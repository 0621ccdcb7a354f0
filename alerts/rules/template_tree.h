/* A parsed template, and the way to it: tokens, literals, nodes. Private to the template language.
 *
 * The tree has the shape of Go's (text/template/parse), because what an error says names nodes as that prints them.
 * Nodes live in the arena of the template and are immutable. */
#ifndef OXP_RULES_TEMPLATE_TREE_H
#define OXP_RULES_TEMPLATE_TREE_H

#include "alerts/rules/template.h"

/* ---- Tokens ---- */

enum oxp_tpl_token_kind {
    OXP_TPL_T_ERROR,
    OXP_TPL_T_BOOL,
    OXP_TPL_T_CHAR, /* a printable mark that has no meaning of its own */
    OXP_TPL_T_CHAR_CONSTANT,
    OXP_TPL_T_COMPLEX,
    OXP_TPL_T_ASSIGN,
    OXP_TPL_T_DECLARE,
    OXP_TPL_T_EOF,
    OXP_TPL_T_FIELD,
    OXP_TPL_T_IDENTIFIER,
    OXP_TPL_T_LEFT_DELIM,
    OXP_TPL_T_LEFT_PAREN,
    OXP_TPL_T_NUMBER,
    OXP_TPL_T_PIPE,
    OXP_TPL_T_RAW_STRING,
    OXP_TPL_T_RIGHT_DELIM,
    OXP_TPL_T_RIGHT_PAREN,
    OXP_TPL_T_SPACE,
    OXP_TPL_T_STRING,
    OXP_TPL_T_TEXT,
    OXP_TPL_T_VARIABLE,
    OXP_TPL_T_DOT, /* from here on, keywords */
    OXP_TPL_T_BLOCK,
    OXP_TPL_T_BREAK,
    OXP_TPL_T_CONTINUE,
    OXP_TPL_T_DEFINE,
    OXP_TPL_T_ELSE,
    OXP_TPL_T_END,
    OXP_TPL_T_IF,
    OXP_TPL_T_NIL,
    OXP_TPL_T_RANGE,
    OXP_TPL_T_TEMPLATE,
    OXP_TPL_T_WITH,
};

struct oxp_tpl_token {
    enum oxp_tpl_token_kind kind;
    uint32_t pos, line; /* byte of the text from 0, line from 1 */
    struct oxp_view text;
};

struct oxp_tpl_lexer {
    struct oxp_view text;
    uint32_t pos, start, line, start_line;
    int paren_depth;
    bool inside_action;
    char fault[160]; /* what a token of kind ERROR says */
};

void oxp_tpl_lexer_init(struct oxp_tpl_lexer *lexer, struct oxp_view text);
/* The next token. After an ERROR there is only the end, or another ERROR. The token's text lives as long as the
 * template's text, or, of an ERROR, as the lexer. */
struct oxp_tpl_token oxp_tpl_lexer_next(struct oxp_tpl_lexer *lexer);

/* ---- Nodes ---- */

enum oxp_tpl_node_kind {
    OXP_TPL_LIST,
    OXP_TPL_TEXT,
    OXP_TPL_ACTION,
    OXP_TPL_IF,
    OXP_TPL_RANGE,
    OXP_TPL_WITH,
    OXP_TPL_TEMPLATE,
    OXP_TPL_BREAK,
    OXP_TPL_CONTINUE,
    OXP_TPL_PIPE,
    OXP_TPL_COMMAND,
    OXP_TPL_IDENTIFIER,
    OXP_TPL_FIELD,
    OXP_TPL_VARIABLE,
    OXP_TPL_CHAIN,
    OXP_TPL_DOT,
    OXP_TPL_NIL,
    OXP_TPL_BOOL,
    OXP_TPL_NUMBER,
    OXP_TPL_STRING,
    OXP_TPL_END,  /* only while parsing */
    OXP_TPL_ELSE, /* only while parsing */
};

/* A number as Go reads it where the type is not known: it may be all three. */
struct oxp_tpl_number {
    struct oxp_view text;
    bool is_int, is_uint, is_float;
    bool written_float; /* with a point or an exponent: a float wherever any type will do */
    int64_t as_int;
    uint64_t as_uint;
    double as_float;
};

struct oxp_tpl_nodes { /* an array that grows in an arena */
    const struct oxp_tpl_node **item;
    size_t count, size;
};

struct oxp_tpl_node {
    enum oxp_tpl_node_kind kind;
    uint32_t pos;
    union {
        struct oxp_tpl_nodes list; /* LIST; COMMAND: its words */
        struct oxp_view text;      /* TEXT */
        struct {                   /* PIPE: [$a[, $b] :=] commands */
            struct oxp_view declared[2];
            size_t declared_count;
            bool assigns;
            struct oxp_tpl_nodes commands;
        } pipe;
        struct { /* ACTION; IF, RANGE, WITH; TEMPLATE, whose pipe may be NULL */
            const struct oxp_tpl_node *pipe, *list, *else_list;
            bool chained; /* the else list is one IF or WITH: `else if` */
            struct oxp_view name;
        } control;
        struct { /* FIELD .a.b; VARIABLE $x.a.b, the first with its dollar; CHAIN (base).a.b */
            const struct oxp_tpl_node *base;
            struct oxp_view *names;
            size_t count;
        } path;
        struct {
            struct oxp_view name;
            const struct oxp_tpl_function *function;
        } identifier;
        bool truth;
        struct oxp_tpl_number number;
        struct {
            struct oxp_view quoted, text;
        } string;
    };
};

struct oxp_tpl_definition {
    struct oxp_view name;
    const struct oxp_tpl_node *root;
    struct oxp_tpl_definition *next;
};

struct oxp_template {
    struct oxp_view text;
    const struct oxp_tpl_node *root;
    const struct oxp_tpl_definition *definitions;
    bool plain;
};

/* Appends the node as Go's String() prints it. */
void oxp_tpl_node_print(struct oxp_buf *out, const struct oxp_tpl_node *node);

/* ---- Literals ---- */

/* A number or character constant. False: `fault` (a text of at least 160 bytes) says why. */
bool oxp_tpl_read_number(struct oxp_view text, bool character, struct oxp_tpl_number *number_out, char *fault);
/* Go's strconv.ParseFloat, but for hexadecimal floats: OXP_ERR_SYNTAX, OXP_ERR_RANGE (too large). */
enum oxp_status oxp_tpl_read_float(struct oxp_view text, double *number_out);
/* True when Go's strconv.Unquote takes this string, quotes and all. */
bool oxp_tpl_is_quoted(struct oxp_view text);

/* ---- Unicode, independent of the process' locale ---- */

/* Takes a character (invalid bytes give U+FFFD, one byte each) off the front of a text that is not empty. */
uint32_t oxp_tpl_take_rune(struct oxp_view *text);
bool oxp_tpl_is_letter(uint32_t rune); /* or digit */
bool oxp_tpl_is_print(uint32_t rune);  /* as Go's strconv.IsPrint, nearly */
uint32_t oxp_tpl_to_upper(uint32_t rune);
uint32_t oxp_tpl_to_lower(uint32_t rune);
void oxp_tpl_put_rune(struct oxp_buf *out, uint32_t rune);

#endif
