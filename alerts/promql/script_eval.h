/* What the parts of the script runner share: the reading of lines, one `eval` as it was read, the world it runs in. Not
 * for users: they have script.h. Owned by the thread that runs the script. */
#ifndef OXP_PROMQL_SCRIPT_EVAL_H
#define OXP_PROMQL_SCRIPT_EVAL_H

#include "alerts/promql/script.h"

struct oxp_regex;

/* A script that is read line by line. */
struct oxp_script_reader {
    struct oxp_view rest;   /* what was not read */
    struct oxp_view line;   /* the one read last, without blanks around it; a comment is empty */
    unsigned number;        /* its number */
    unsigned indent;        /* bytes in front of it */
    struct oxp_arena arena; /* of the command that is read */
    struct oxp_error *error;
};

enum oxp_expect_kind {
    OXP_EXPECT_ORDERED,
    OXP_EXPECT_FAIL,
    OXP_EXPECT_WARN,
    OXP_EXPECT_NO_WARN,
    OXP_EXPECT_INFO,
    OXP_EXPECT_NO_INFO,
    OXP_EXPECT_KINDS,
};

/* One `expect` line: a message that must be equal, or a pattern that must be found in it, or anything. */
struct oxp_expect {
    enum oxp_expect_kind kind;
    bool any, is_regex;
    struct oxp_view text;    /* as written */
    struct oxp_regex *regex; /* the pattern between .* and .*; owned by the eval */
};

struct oxp_script_eval {
    unsigned line;
    struct oxp_view expr;
    bool range;                          /* a range query; else an instant one */
    int64_t start_ms, end_ms, step_ms;   /* an instant query: start_ms; with times_given the times of its samples */
    int64_t at_ms;                       /* of an instant query */
    bool times_given;                    /* `expect range vector` */
    bool eval_warn, eval_info;           /* eval_warn, eval_info: at least one of them */
    unsigned expected[OXP_EXPECT_KINDS]; /* how many lines of each kind */
    struct oxp_expect *expects;
    size_t expect_count;
    bool is_scalar; /* the result is `scalar` */
    double scalar;
    bool is_text; /* the result is the string `text` */
    struct oxp_view text;
    const struct oxp_script_series *rows;
    size_t row_count;
    const char *unsupported; /* why its expectation cannot be checked; NULL when it can */
};

/* A series that was not loaded, or only a part of it: whatever selects it is skipped. */
struct oxp_script_missing {
    const struct oxp_labels *labels;
    const char *reason;
};

struct oxp_script_world {
    struct oxp_tsdb *tsdb;
    struct oxp_promql_engine *engine;
    const struct oxp_script_missing *missing;
    size_t missing_count;
};

/* ---- script_reader.c ---- */

/* Reads the next line; false at the end of the script. */
bool oxp_script_next_line(struct oxp_script_reader *reader);
/* The next line of a block; false when the block ends: at an empty line, a comment, or the end of the script. */
bool oxp_script_next_in_block(struct oxp_script_reader *reader);
/* A text without the blanks around it. */
struct oxp_view oxp_script_trim(struct oxp_view text);
/* Takes a word off a text, and the blanks behind it. */
struct oxp_view oxp_script_take_word(struct oxp_view *text);
/* The same when it is this word; else false, and nothing is taken. */
bool oxp_script_take_this(struct oxp_view *text, const char *wanted);
/* A duration, or a zero without a unit, in milliseconds. */
bool oxp_script_parse_ms(struct oxp_view text, int64_t *ms_out);
/* The line as a series, in the reader's arena. *unsupported_out: why it cannot be had (also in the arena), when its
 * labels are all that there is; NULL when it can. */
enum oxp_status oxp_script_read_series(struct oxp_script_reader *reader, struct oxp_script_series *series_out,
                                       const char **unsupported_out);
/* Fails at the line, with OXP_ERR_SYNTAX. */
enum oxp_status oxp_script_fail(struct oxp_script_reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The arena's failure. */
enum oxp_status oxp_script_memory(const struct oxp_arena *arena);

/* ---- script_question.c ---- */

/* Reads an eval whose first line was read. oxp_script_eval_fini is needed even after a failure. */
enum oxp_status oxp_script_read_eval(struct oxp_script_reader *reader, struct oxp_script_eval *eval_out);
void oxp_script_eval_fini(struct oxp_script_eval *eval);

/* ---- script_eval.c ---- */

/* Runs one eval as Prometheus' own runner does: an instant query also with its time fixed by @ at other times, and each
 * time as the middle of a range query. `why` gets the reason unless it passed. OXP_ERR_NOMEM. */
enum oxp_status oxp_script_eval_run(const struct oxp_script_world *world, const struct oxp_script_eval *eval,
                                    enum oxp_script_outcome *outcome_out, struct oxp_buf *why);

/* ---- script_compare.c: true, or false with what was wanted and what came in `why`. Pure. ---- */

/* Whether two values are the same to a script: equal, both NaN, or within 1e-6 of their size. */
bool oxp_script_same(double a, double b);
/* A failed query's reason against `expect fail`. */
bool oxp_script_failure_fits(const struct oxp_script_eval *eval, const char *reason, struct oxp_buf *why);
/* Warnings and infos against the expect lines. */
bool oxp_script_annotations_fit(const struct oxp_script_eval *eval, const struct oxp_promql_answer *answer,
                                struct oxp_buf *why);
/* The result. */
bool oxp_script_answer_fits(const struct oxp_script_eval *eval, const struct oxp_promql_answer *answer,
                            struct oxp_buf *why);

#endif
