/* Most patterns in alert rules and dashboards are matched without PCRE2: literals, sets of literals, and literals
 * before or behind `.*` and `.+`. Only those of them that have groups are compiled, for expansion to know what they
 * matched. */
#include "lib/regex/regex.h"

#include <stdatomic.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/base/arena.h"
#include "lib/base/number.h"
#include "lib/base/utf8.h"
#include "lib/regex/re2.h"

#define STEP_LIMIT 50000 /* about a millisecond of matching */
#define HEAP_LIMIT_KIB 1024
#define REPLACE_ROUNDS 64 /* replacements before each next one may take only half the steps */
#define GIVE_UP 100       /* matches that reached the limit before a pattern is not tried any more */
#define LITERALS_MAX 256
#define LITERAL_DEPTH 8

enum shape {
    SHAPE_ANY,      /* only PCRE2 can tell */
    SHAPE_LITERALS, /* one of a set */
    SHAPE_PREFIX,   /* literal, then .* or .+ */
    SHAPE_SUFFIX,   /* .* or .+, then a literal */
    SHAPE_CONTAINS, /* .*literal.* */
};

struct oxp_regex {
    pcre2_code *code;                  /* NULL when the shape says all */
    _Atomic(pcre2_match_data *) spare; /* one, kept for the next match */
    atomic_uint limited;               /* matches that came to no end */
    atomic_uint strikes;               /* those since the last retry */
    enum shape shape;
    struct oxp_view pattern, literal;
    size_t least_more; /* prefix, suffix: bytes there must be besides the literal (.+) */
    const struct oxp_view *literals;
    size_t literal_count;
    bool loose; /* not anchored */
    struct oxp_arena arena;
};

/* ---- Literals ---- A pattern of letters, alternations and groups alone stands for a set of texts. */

struct texts {
    struct oxp_view *text;
    size_t count, size;
};

struct expander {
    struct oxp_arena *arena;
    const char *pos, *end;
    unsigned depth;
};

static bool add_text(struct oxp_arena *arena, struct texts *texts, struct oxp_view text) {
    if (texts->count == LITERALS_MAX) {
        return false;
    }
    if (texts->count == texts->size) {
        size_t size = texts->size == 0 ? 8 : texts->size * 2;
        struct oxp_view *grown = oxp_arena_grow(arena, texts->text, texts->size, size, sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        texts->text = grown;
        texts->size = size;
    }
    texts->text[texts->count++] = text;
    return true;
}

static bool join(struct oxp_arena *arena, struct oxp_view a, struct oxp_view b, struct oxp_view *joined_out) {
    if (a.len == 0 || b.len == 0) {
        *joined_out = a.len == 0 ? b : a;
        return true;
    }
    char *text = oxp_arena_take(arena, a.len + b.len);
    if (text == NULL) {
        return false;
    }
    memcpy(text, a.ptr, a.len);
    memcpy(text + a.len, b.ptr, b.len);
    *joined_out = oxp_view_of(text, a.len + b.len);
    return true;
}

/* Every text of `left` followed by every text of `right`. */
static bool multiply(struct oxp_arena *arena, struct texts *left, const struct texts *right) {
    struct texts product = {NULL, 0, 0};
    for (size_t i = 0; i < left->count; i++) {
        for (size_t k = 0; k < right->count; k++) {
            struct oxp_view joined;
            if (!join(arena, left->text[i], right->text[k], &joined) || !add_text(arena, &product, joined)) {
                return false;
            }
        }
    }
    *left = product;
    return true;
}

static bool is_special(char c) {
    return strchr("\\.+*?()|[]{}^$", c) != NULL && c != '\0';
}

/* Bytes of the pattern that make one letter here: 1, 2 for an escaped punctuation mark, 0 for anything else. */
static size_t letter_at(const struct expander *x, const char *pos) {
    if (pos == x->end) {
        return 0;
    }
    if (*pos != '\\') {
        return is_special(*pos) ? 0 : 1;
    }
    return x->end - pos > 1 && pos[1] != '\0' && strchr("\\.+*?()|[]{}^$-/_", pos[1]) != NULL ? 2 : 0;
}

/* A run of letters, with punctuation escaped. False when there is something else. */
static bool take_letters(struct expander *x, struct oxp_view *run_out) {
    const char *end = x->pos;
    size_t length = 0;
    for (size_t step; (step = letter_at(x, end)) != 0; length++) {
        end += step;
    }
    char *run = oxp_arena_take(x->arena, length);
    for (size_t i = 0; run != NULL && i < length; i++) {
        x->pos += letter_at(x, x->pos) - 1;
        run[i] = *x->pos++;
    }
    *run_out = oxp_view_of(run, length);
    return run != NULL && length != 0;
}

static bool expand_alternatives(struct expander *x, struct texts *out);

/* One letter run or group as a set of texts. Recursive, as groups are: LITERAL_DEPTH bounds it. */
static bool expand_item(struct expander *x, struct texts *out) { // NOLINT(misc-no-recursion): bounded by LITERAL_DEPTH
    struct oxp_view run;
    if (*x->pos != '(') {
        return take_letters(x, &run) && add_text(x->arena, out, run);
    }
    x->pos++;
    if (x->end - x->pos >= 2 && x->pos[0] == '?') {
        if (x->pos[1] != ':') {
            return false;
        }
        x->pos += 2;
    }
    if (++x->depth > LITERAL_DEPTH || !expand_alternatives(x, out) || x->pos == x->end || *x->pos != ')') {
        return false;
    }
    x->depth--;
    x->pos++;
    return true;
}

static bool expand_alternatives(struct expander *x, // NOLINT(misc-no-recursion): bounded by LITERAL_DEPTH
                                struct texts *out) {
    for (;;) {
        struct texts branch = {NULL, 0, 0};
        if (!add_text(x->arena, &branch, oxp_view_of("", 0))) {
            return false;
        }
        while (x->pos < x->end && *x->pos != '|' && *x->pos != ')') {
            struct texts item = {NULL, 0, 0};
            const char *before = x->pos;
            if (!expand_item(x, &item) || x->pos == before || !multiply(x->arena, &branch, &item)) {
                return false;
            }
            /* a repetition would apply to the last letter or group: no set of literals */
            if (x->pos < x->end && strchr("*+?{", *x->pos) != NULL) {
                return false;
            }
        }
        for (size_t i = 0; i < branch.count; i++) {
            if (!add_text(x->arena, out, branch.text[i])) {
                return false;
            }
        }
        if (x->pos == x->end || *x->pos == ')') {
            return true;
        }
        x->pos++;
    }
}

static bool is_plain(struct oxp_view text) {
    for (size_t i = 0; i < text.len; i++) {
        if (is_special(text.ptr[i])) {
            return false;
        }
    }
    return true;
}

/* ".*" and ".+" at an end of the pattern: how many bytes more than none they want, or -1 for anything else. */
static int any_at(struct oxp_view text) {
    return text.len != 2 || text.ptr[0] != '.' ? -1 : text.ptr[1] == '*' ? 0 : text.ptr[1] == '+' ? 1 : -1;
}

static void find_shape(struct oxp_regex *regex) {
    struct oxp_view p = regex->pattern;
    struct expander x = {.arena = &regex->arena, .pos = p.ptr, .end = p.ptr + p.len};
    struct texts texts = {NULL, 0, 0};
    if (expand_alternatives(&x, &texts) && x.pos == x.end) {
        regex->shape = SHAPE_LITERALS;
        regex->literals = texts.text;
        regex->literal_count = texts.count;
        return;
    }
    int before = p.len < 2 ? -1 : any_at(oxp_view_of(p.ptr, 2));
    int behind = p.len < 2 ? -1 : any_at(oxp_view_of(p.ptr + p.len - 2, 2));
    if (behind >= 0 && is_plain(oxp_view_of(p.ptr, p.len - 2))) {
        regex->shape = SHAPE_PREFIX;
        regex->literal = oxp_view_of(p.ptr, p.len - 2);
        regex->least_more = (size_t)behind;
    } else if (before >= 0 && is_plain(oxp_view_of(p.ptr + 2, p.len - 2))) {
        regex->shape = SHAPE_SUFFIX;
        regex->literal = oxp_view_of(p.ptr + 2, p.len - 2);
        regex->least_more = (size_t)before;
    } else if (before == 0 && behind == 0 && p.len > 4 && is_plain(oxp_view_of(p.ptr + 2, p.len - 4))) {
        regex->shape = SHAPE_CONTAINS;
        regex->literal = oxp_view_of(p.ptr + 2, p.len - 4);
    }
}

/* Whether the shape stands for all that the pattern is: then it has no group. */
static bool is_understood(const struct oxp_regex *regex) {
    struct oxp_view p = regex->pattern;
    return regex->shape != SHAPE_ANY && (p.len == 0 || memchr(p.ptr, '(', p.len) == NULL) && oxp_utf8_is_valid(p);
}

/* ---- Compiling ---- */

/* The translated pattern as PCRE2 code. */
static enum oxp_status compile_text(struct oxp_regex *regex, struct oxp_view text, struct oxp_error *error) {
    int code = 0;
    size_t offset = 0;
    /* values that are no UTF-8 (a test script's) just do not match where they are broken */
    uint32_t options =
        PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_INVALID_UTF | PCRE2_DUPNAMES | (regex->loose ? 0 : PCRE2_DOTALL);
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (context == NULL) {
        return OXP_ERR_NOMEM;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    regex->code = pcre2_compile((PCRE2_SPTR)text.ptr, text.len, options, &code, &offset, context);
    pcre2_compile_context_free(context);
    if (regex->code == NULL && code == PCRE2_ERROR_NOMEMORY) {
        return OXP_ERR_NOMEM;
    }
    if (regex->code == NULL) {
        PCRE2_UCHAR words[160];
        pcre2_get_error_message(code, words, sizeof words);
        return oxp_error_set(error, code == PCRE2_ERROR_PATTERN_TOO_LARGE ? OXP_ERR_LIMIT : OXP_ERR_SYNTAX, 1, 1, "%s",
                             (const char *)words);
    }
    return OXP_OK;
}

static enum oxp_status compile(struct oxp_regex *regex, struct oxp_error *error) {
    struct oxp_buf buf;
    oxp_buf_init(&buf, 0);
    oxp_buf_append_text(&buf, regex->loose ? "(?:" : "\\A(?:");
    enum oxp_status status = oxp_re2_translate(regex->pattern, regex->loose, &buf, error);
    oxp_buf_append_text(&buf, regex->loose ? ")" : ")\\z");
    status = status != OXP_OK ? status : oxp_buf_status(&buf);
    if (status == OXP_OK) {
        status = compile_text(regex, oxp_buf_view(&buf), error);
    }
    oxp_buf_fini(&buf);
    return status;
}

static enum oxp_status make(struct oxp_view pattern, bool loose, struct oxp_regex **regex_out,
                            struct oxp_error *error) {
    struct oxp_regex *regex = calloc(1, sizeof *regex);
    if (regex == NULL) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    oxp_arena_init(&regex->arena, 1u << 20);
    regex->loose = loose;
    regex->pattern = oxp_arena_copy(&regex->arena, pattern);
    enum oxp_status status = oxp_arena_status(&regex->arena);
    if (status == OXP_OK && !loose) {
        find_shape(regex);
    }
    if (status == OXP_OK && !is_understood(regex)) {
        status = compile(regex, error);
    }
    if (status != OXP_OK) {
        oxp_regex_free(regex);
        return status == OXP_ERR_NOMEM ? oxp_error_set(error, status, 0, 0, "out of memory") : status;
    }
    *regex_out = regex;
    return OXP_OK;
}

enum oxp_status oxp_regex_new(struct oxp_view pattern, struct oxp_regex **regex_out, struct oxp_error *error) {
    return make(pattern, false, regex_out, error);
}

enum oxp_status oxp_regex_new_loose(struct oxp_view pattern, struct oxp_regex **regex_out, struct oxp_error *error) {
    return make(pattern, true, regex_out, error);
}

void oxp_regex_free(struct oxp_regex *regex) {
    if (regex != NULL) {
        pcre2_match_data_free(atomic_load_explicit(&regex->spare, memory_order_relaxed));
        pcre2_code_free(regex->code);
        oxp_arena_fini(&regex->arena);
        free(regex);
    }
}

struct oxp_view oxp_regex_pattern(const struct oxp_regex *regex) {
    return regex->pattern;
}

unsigned oxp_regex_limited(const struct oxp_regex *regex) {
    return atomic_load_explicit(&regex->limited, memory_order_relaxed);
}

void oxp_regex_retry(struct oxp_regex *regex) {
    atomic_store_explicit(&regex->strikes, 0, memory_order_relaxed);
}

size_t oxp_regex_bytes(const struct oxp_regex *regex) {
    size_t code = 0;
    if (regex->code != NULL) {
        (void)pcre2_pattern_info(regex->code, PCRE2_INFO_SIZE, &code); /* fails only for what is no pattern */
    }
    return sizeof *regex + regex->arena.bytes + code;
}

size_t oxp_regex_literals(const struct oxp_regex *regex, const struct oxp_view **literals_out) {
    if (literals_out != NULL) {
        *literals_out = regex->literals;
    }
    return regex->shape == SHAPE_LITERALS ? regex->literal_count : 0;
}

/* ---- Matching ---- */

static pcre2_match_data *take_data(struct oxp_regex *regex) {
    pcre2_match_data *data = atomic_exchange_explicit(&regex->spare, NULL, memory_order_acquire);
    return data != NULL ? data : pcre2_match_data_create_from_pattern(regex->code, NULL);
}

static void give_data(struct oxp_regex *regex, pcre2_match_data *data) {
    pcre2_match_data_free(atomic_exchange_explicit(&regex->spare, data, memory_order_acq_rel));
}

/* Where a match begins to look, and how many steps it may take. */
struct attempt {
    size_t start;
    uint32_t steps;
};

static int match(struct oxp_regex *regex, struct oxp_view text, struct attempt attempt, pcre2_match_data *data) {
    pcre2_match_context *context = data == NULL ? NULL : pcre2_match_context_create(NULL);
    if (context == NULL) {
        return PCRE2_ERROR_NOMEMORY;
    }
    pcre2_set_match_limit(context, attempt.steps);
    pcre2_set_heap_limit(context, HEAP_LIMIT_KIB);
    PCRE2_SPTR subject = (PCRE2_SPTR)(text.ptr == NULL ? "" : text.ptr);
    int found = pcre2_match(regex->code, subject, text.len, attempt.start, 0, data, context);
    pcre2_match_context_free(context);
    return found;
}

static bool is_limit(int found) {
    return found == PCRE2_ERROR_MATCHLIMIT || found == PCRE2_ERROR_HEAPLIMIT || found == PCRE2_ERROR_DEPTHLIMIT;
}

/* What PCRE2 says of the text; a match that could not be brought to its end is counted. */
static int run_from(struct oxp_regex *regex, struct oxp_view text, struct attempt attempt, pcre2_match_data *data) {
    int found = PCRE2_ERROR_MATCHLIMIT;
    if (atomic_load_explicit(&regex->strikes, memory_order_relaxed) < GIVE_UP) {
        found = match(regex, text, attempt, data);
        if (is_limit(found)) {
            atomic_fetch_add_explicit(&regex->strikes, 1, memory_order_relaxed);
        }
    }
    if (is_limit(found) || found == PCRE2_ERROR_NOMEMORY) {
        atomic_fetch_add_explicit(&regex->limited, 1, memory_order_relaxed);
    }
    return found;
}

static int run(struct oxp_regex *regex, struct oxp_view text, pcre2_match_data *data) {
    return run_from(regex, text, (struct attempt){0, STEP_LIMIT}, data);
}

static bool matches_slowly(const struct oxp_regex *regex, struct oxp_view text) {
    struct oxp_regex *own = (struct oxp_regex *)(uintptr_t)regex; /* the spare and the count are atomics */
    pcre2_match_data *data = take_data(own);
    int found = run(own, text, data);
    give_data(own, data);
    return found > 0;
}

bool oxp_regex_matches(const struct oxp_regex *regex, struct oxp_view text) {
    struct oxp_view literal = regex->literal;
    switch (regex->shape) {
    case SHAPE_LITERALS:
        for (size_t i = 0; i < regex->literal_count; i++) {
            if (oxp_view_equal(regex->literals[i], text)) {
                return true;
            }
        }
        return false;
    case SHAPE_PREFIX:
        return text.len >= literal.len + regex->least_more && oxp_view_starts(text, literal);
    case SHAPE_SUFFIX:
        return text.len >= literal.len + regex->least_more &&
               (literal.len == 0 || memcmp(text.ptr + text.len - literal.len, literal.ptr, literal.len) == 0);
    case SHAPE_CONTAINS:
        return text.len != 0 && memmem(text.ptr, text.len, literal.ptr, literal.len) != NULL;
    case SHAPE_ANY:
        return matches_slowly(regex, text);
    }
    return false;
}

/* ---- Expansion (Go's Regexp.Expand) ---- */

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 128;
}

/* The name behind a dollar; what follows it in `*rest`. False when the dollar is just a dollar. */
static bool take_reference(struct oxp_view text, struct oxp_view *name_out, struct oxp_view *rest_out) {
    bool braces = text.len > 1 && text.ptr[1] == '{';
    size_t from = braces ? 2 : 1, end = from;
    while (end < text.len && is_word(text.ptr[end])) {
        end++;
    }
    if (end == from || (braces && (end == text.len || text.ptr[end] != '}'))) {
        return false;
    }
    *name_out = oxp_view_of(text.ptr + from, end - from);
    end += braces ? 1 : 0;
    *rest_out = oxp_view_of(text.ptr + end, text.len - end);
    return true;
}

/* What matched: where the whole and each group begin and end in the text. */
struct found {
    struct oxp_view text;
    const PCRE2_SIZE *ends;
    uint32_t count;
};

static struct found found_in(struct oxp_view text, pcre2_match_data *data) {
    return (struct found){text, pcre2_get_ovector_pointer(data), pcre2_get_ovector_count(data)};
}

static bool has_group(const struct found *found, uint64_t group) {
    return group < found->count && found->ends[2 * group] != PCRE2_UNSET;
}

static void append_group(const struct found *found, uint64_t group, struct oxp_buf *out) {
    if (has_group(found, group)) {
        const PCRE2_SIZE *ends = found->ends + 2 * group;
        oxp_buf_append(out, found->text.ptr + ends[0], ends[1] - ends[0]);
    }
}

/* Of several groups with one name the first that took part in the match. */
static void append_named(const struct oxp_regex *regex, const struct found *found, struct oxp_view name,
                         struct oxp_buf *out) {
    char key[64];
    PCRE2_SPTR first = NULL, last = NULL;
    if (regex->code == NULL || name.len >= sizeof key) {
        return;
    }
    memcpy(key, name.ptr, name.len);
    key[name.len] = '\0';
    int size = pcre2_substring_nametable_scan(regex->code, (PCRE2_SPTR)key, &first, &last);
    for (PCRE2_SPTR entry = first; size > 0 && entry <= last; entry += size) {
        unsigned group = (unsigned)entry[0] << 8 | entry[1];
        if (has_group(found, group)) {
            append_group(found, group, out);
            return;
        }
    }
}

static void expand(const struct oxp_regex *regex, const struct found *found, struct oxp_view rest,
                   struct oxp_buf *out) {
    while (rest.len != 0) {
        const char *dollar = memchr(rest.ptr, '$', rest.len);
        size_t plain = dollar == NULL ? rest.len : (size_t)(dollar - rest.ptr);
        oxp_buf_append(out, rest.ptr, plain);
        rest = oxp_view_of(rest.ptr + plain, rest.len - plain);
        struct oxp_view name;
        if (rest.len == 0) {
            break;
        }
        if (rest.len > 1 && rest.ptr[1] == '$') {
            oxp_buf_append_char(out, '$');
            rest = oxp_view_of(rest.ptr + 2, rest.len - 2);
        } else if (take_reference(rest, &name, &rest)) {
            uint64_t number = 0;
            if (oxp_number_parse_u64(name, &number) == OXP_OK) {
                append_group(found, number, out);
            } else {
                append_named(regex, found, name, out);
            }
        } else {
            oxp_buf_append_char(out, '$');
            rest = oxp_view_of(rest.ptr + 1, rest.len - 1);
        }
    }
}

enum oxp_status oxp_regex_expand(const struct oxp_regex *regex, struct oxp_view text, struct oxp_view template_text,
                                 struct oxp_buf *out) {
    text = text.ptr == NULL ? OXP_VIEW("") : text;
    if (regex->code == NULL) {
        const PCRE2_SIZE whole[2] = {0, text.len};
        if (!oxp_regex_matches(regex, text)) {
            return OXP_END;
        }
        expand(regex, &(struct found){text, whole, 1}, template_text, out);
        return OXP_OK;
    }
    struct oxp_regex *own = (struct oxp_regex *)(uintptr_t)regex; /* the spare and the count are atomics */
    pcre2_match_data *data = take_data(own);
    if (data == NULL) {
        return OXP_ERR_NOMEM;
    }
    int status = run(own, text, data);
    if (status > 0) {
        const struct found found = found_in(text, data);
        expand(regex, &found, template_text, out);
    }
    give_data(own, data);
    return status > 0 ? OXP_OK : status == PCRE2_ERROR_NOMEMORY ? OXP_ERR_NOMEM : OXP_END;
}

/* ---- Replacement (Go's Regexp.ReplaceAllString) ---- */

/* Bytes of the character at `pos`, 0 at the end. */
static size_t width_at(struct oxp_view text, size_t pos) {
    size_t width = pos < text.len ? 1 : 0;
    while (width != 0 && width < 4 && pos + width < text.len && ((unsigned char)text.ptr[pos + width] & 0xc0) == 0x80) {
        width++;
    }
    return width;
}

/* Fewer steps for each match the more there are, so that all of them together are bounded, too. */
static uint32_t steps_of_match(size_t round) {
    size_t halvings = round / REPLACE_ROUNDS < 6 ? round / REPLACE_ROUNDS : 6;
    return (uint32_t)STEP_LIMIT >> halvings;
}

static enum oxp_status replace_all(struct oxp_regex *regex, pcre2_match_data *data, struct oxp_view text,
                                   struct oxp_view template_text, struct oxp_buf *out) {
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(data);
    size_t search = 0, copied = 0; /* where to look from; what has been written or replaced */
    for (size_t round = 0; search <= text.len && oxp_buf_status(out) == OXP_OK; round++) {
        int found = run_from(regex, text, (struct attempt){search, steps_of_match(round)}, data);
        if (found == PCRE2_ERROR_NOMATCH) {
            break;
        }
        if (found <= 0) {
            return found == PCRE2_ERROR_NOMEMORY ? OXP_ERR_NOMEM : OXP_ERR_LIMIT;
        }
        oxp_buf_append(out, text.ptr + copied, ends[0] - copied);
        if (ends[1] > copied || ends[0] == 0) { /* nothing is put for an empty match right behind another one */
            const struct found what = found_in(text, data);
            expand(regex, &what, template_text, out);
        }
        copied = ends[1];
        size_t width = width_at(text, search);
        search = search + (width == 0 ? 1 : width) > copied ? search + (width == 0 ? 1 : width) : copied;
    }
    oxp_buf_append(out, text.ptr + copied, text.len - copied);
    return oxp_buf_status(out);
}

enum oxp_status oxp_regex_replace_all(const struct oxp_regex *regex, struct oxp_view text,
                                      struct oxp_view template_text, struct oxp_buf *out) {
    struct oxp_regex *own = (struct oxp_regex *)(uintptr_t)regex; /* the spare and the count are atomics */
    if (own->code == NULL) {
        return OXP_ERR_INVALID; /* its shape said all: not a loose one */
    }
    pcre2_match_data *data = take_data(own);
    if (data == NULL) {
        return OXP_ERR_NOMEM;
    }
    enum oxp_status status = replace_all(own, data, text.ptr == NULL ? OXP_VIEW("") : text, template_text, out);
    give_data(own, data);
    return status;
}

const char *oxp_regex_library(void) {
    static _Thread_local char version[64]; /* pcre2_config wants a place of ours; it says how long the text is */
    int length = pcre2_config(PCRE2_CONFIG_VERSION, NULL);
    bool fits = length > 0 && (size_t)length <= sizeof version;
    return fits && pcre2_config(PCRE2_CONFIG_VERSION, version) > 0 ? version : "unknown";
}
