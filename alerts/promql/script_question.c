/* Reading an eval: what to ask, when, and what is expected. */
#include "alerts/promql/script_eval.h"

#include "lib/base/number.h"
#include "lib/regex/regex.h"

/* `from A to B step S` of a range query or of an expected range vector. */
static enum oxp_status parse_times(struct oxp_script_reader *reader, struct oxp_view *text,
                                   struct oxp_script_eval *eval) {
    struct oxp_view from, to, step;
    bool ok = oxp_script_take_this(text, "from");
    from = oxp_script_take_word(text);
    ok = ok && oxp_script_take_this(text, "to");
    to = oxp_script_take_word(text);
    ok = ok && oxp_script_take_this(text, "step");
    step = oxp_script_take_word(text);
    if (!ok || !oxp_script_parse_ms(from, &eval->start_ms) || !oxp_script_parse_ms(to, &eval->end_ms) ||
        !oxp_script_parse_ms(step, &eval->step_ms)) {
        return oxp_script_fail(reader, "\"from TIME to TIME step DURATION\" is expected");
    }
    if (eval->end_ms < eval->start_ms || eval->step_ms == 0) {
        return oxp_script_fail(reader, "the times go backwards, or the step is 0");
    }
    return OXP_OK;
}

static enum oxp_status add_expect(struct oxp_script_reader *reader, struct oxp_script_eval *eval,
                                  struct oxp_expect expect) {
    struct oxp_expect *grown =
        oxp_arena_grow(&reader->arena, eval->expects, eval->expect_count, eval->expect_count + 1, sizeof *grown);
    if (grown == NULL) {
        return oxp_script_memory(&reader->arena);
    }
    eval->expects = grown;
    if (expect.is_regex) { /* found anywhere in the message */
        struct oxp_buf pattern;
        struct oxp_error error = {0};
        oxp_buf_init(&pattern, 0);
        oxp_buf_append_text(&pattern, ".*(?:");
        oxp_buf_append_view(&pattern, expect.text);
        oxp_buf_append_text(&pattern, ").*");
        enum oxp_status status = oxp_buf_status(&pattern);
        if (status == OXP_OK) {
            status = oxp_regex_new(oxp_buf_view(&pattern), &expect.regex, &error);
        }
        oxp_buf_fini(&pattern);
        if (status != OXP_OK) {
            return status == OXP_ERR_NOMEM ? status
                                           : oxp_script_fail(reader, "the pattern is malformed: %s", error.text);
        }
    }
    eval->expects[eval->expect_count++] = expect;
    eval->expected[expect.kind]++;
    return OXP_OK;
}

/* `expect KIND`, `expect KIND msg: TEXT`, `expect KIND regex: PATTERN` */
static enum oxp_status read_expect(struct oxp_script_reader *reader, struct oxp_script_eval *eval) {
    static const char *const kinds[OXP_EXPECT_KINDS] = {
        [OXP_EXPECT_ORDERED] = "ordered", [OXP_EXPECT_FAIL] = "fail", [OXP_EXPECT_WARN] = "warn",
        [OXP_EXPECT_NO_WARN] = "no_warn", [OXP_EXPECT_INFO] = "info", [OXP_EXPECT_NO_INFO] = "no_info",
    };
    struct oxp_view text = reader->line;
    oxp_script_take_word(&text);
    struct oxp_view word = oxp_script_take_word(&text);
    struct oxp_expect expect = {.kind = 0};
    while (expect.kind < OXP_EXPECT_KINDS && !oxp_view_is(word, kinds[expect.kind])) {
        expect.kind++;
    }
    expect.any = text.len == 0;
    expect.is_regex = oxp_view_starts(text, OXP_VIEW("regex:"));
    if (expect.kind == OXP_EXPECT_KINDS ||
        (!expect.any && !expect.is_regex && !oxp_view_starts(text, OXP_VIEW("msg:")))) {
        return oxp_script_fail(
            reader, "\"expect KIND [msg: TEXT | regex: PATTERN]\" is expected, KIND being ordered, fail, warn, "
                    "no_warn, info or no_info");
    }
    size_t skip = expect.any ? 0 : expect.is_regex ? 6 : 4;
    expect.text = oxp_script_trim(oxp_view_of(text.ptr + skip, text.len - skip));
    enum oxp_status status = add_expect(reader, eval, expect);
    if (status == OXP_OK && ((eval->expected[OXP_EXPECT_INFO] > 0 && eval->expected[OXP_EXPECT_NO_INFO] > 0) ||
                             (eval->expected[OXP_EXPECT_WARN] > 0 && eval->expected[OXP_EXPECT_NO_WARN] > 0) ||
                             eval->expected[OXP_EXPECT_FAIL] > 1)) {
        return oxp_script_fail(reader, "the expect lines contradict each other");
    }
    return status;
}

/* `expect string "TEXT"`: the text as PromQL writes it. */
static enum oxp_status read_expect_string(struct oxp_script_reader *reader, struct oxp_script_eval *eval) {
    struct oxp_view text = reader->line;
    struct oxp_promql_expr *expr = NULL;
    oxp_script_take_word(&text);
    oxp_script_take_word(&text);
    enum oxp_status status = oxp_promql_parse(text, &expr, NULL);
    if (status == OXP_ERR_NOMEM) {
        return status;
    }
    if (status != OXP_OK || expr->root->kind != OXP_NODE_STRING) {
        oxp_promql_expr_free(expr);
        return oxp_script_fail(reader, "a string between quotes is expected");
    }
    eval->is_text = true;
    eval->text = oxp_arena_copy(&reader->arena, expr->root->string);
    oxp_promql_expr_free(expr);
    return eval->text.ptr == NULL ? oxp_script_memory(&reader->arena) : OXP_OK;
}

static bool parse_scalar(struct oxp_view text, double *value_out) {
    return oxp_number_parse_exposition(text, value_out) == OXP_OK;
}

static enum oxp_status read_row(struct oxp_script_reader *reader, struct oxp_script_eval *eval,
                                struct oxp_script_series **rows) {
    struct oxp_script_series *grown =
        oxp_arena_grow(&reader->arena, *rows, eval->row_count, eval->row_count + 1, sizeof *grown);
    if (grown == NULL) {
        return oxp_script_memory(&reader->arena);
    }
    eval->rows = *rows = grown;
    struct oxp_script_series *row = &grown[eval->row_count];
    const char *unsupported;
    enum oxp_status status = oxp_script_read_series(reader, row, &unsupported);
    if (status != OXP_OK) {
        return status;
    }
    eval->row_count++;
    if (unsupported != NULL) {
        eval->unsupported = unsupported;
    } else if (row->count == 0) {
        return oxp_script_fail(reader, "the series has no value");
    } else if (row->count > 1 && !eval->range && !eval->times_given) {
        return oxp_script_fail(
            reader, "an instant query gives one value a series, unless a line says \"expect range vector from "
                    "… to … step …\"");
    }
    return OXP_OK;
}

/* One line of an eval's block. *more_out: false when it was the last one. */
static enum oxp_status read_expectation(struct oxp_script_reader *reader, struct oxp_script_eval *eval,
                                        struct oxp_script_series **rows, bool *more_out) {
    struct oxp_view line = reader->line, rest = line;
    struct oxp_view word = oxp_script_take_word(&rest);
    bool old = oxp_view_is(word, "expected_fail_message");
    if (old || oxp_view_is(word, "expected_fail_regexp")) {
        *more_out = false;
        return add_expect(reader, eval, (struct oxp_expect){.kind = OXP_EXPECT_FAIL, .is_regex = !old, .text = rest});
    }
    if (oxp_view_starts(line, OXP_VIEW("expect range vector"))) {
        oxp_script_take_word(&rest);
        oxp_script_take_word(&rest);
        eval->times_given = true;
        enum oxp_status status = parse_times(reader, &rest, eval);
        eval->at_ms = eval->end_ms;
        return status;
    }
    if (oxp_view_starts(line, OXP_VIEW("expect string"))) {
        return read_expect_string(reader, eval);
    }
    if (oxp_view_is(word, "expect")) {
        return read_expect(reader, eval);
    }
    if (parse_scalar(line, &eval->scalar)) {
        eval->is_scalar = true;
        *more_out = false;
        return OXP_OK;
    }
    return read_row(reader, eval, rows);
}

/* The line that begins with eval: what to ask and when. */
static enum oxp_status read_question(struct oxp_script_reader *reader, struct oxp_script_eval *eval) {
    struct oxp_view text = reader->line;
    struct oxp_view command = oxp_script_take_word(&text);
    enum oxp_status status = OXP_OK;
    *eval = (struct oxp_script_eval){.line = reader->number};
    eval->eval_warn = oxp_view_is(command, "eval_warn");
    eval->eval_info = oxp_view_is(command, "eval_info");
    bool ordered = oxp_view_is(command, "eval_ordered"), fail = oxp_view_is(command, "eval_fail");
    if (!eval->eval_warn && !eval->eval_info && !ordered && !fail && !oxp_view_is(command, "eval")) {
        return oxp_script_fail(reader, "there is no such command");
    }
    if (oxp_script_take_this(&text, "range") && !ordered) {
        eval->range = true;
        status = parse_times(reader, &text, eval);
    } else {
        bool ok = oxp_script_take_this(&text, "instant") && oxp_script_take_this(&text, "at");
        if (!ok || !oxp_script_parse_ms(oxp_script_take_word(&text), &eval->at_ms)) {
            return oxp_script_fail(
                reader, "\"eval instant at TIME EXPR\" or \"eval range from TIME to TIME step DURATION EXPR\" "
                        "is expected");
        }
        eval->start_ms = eval->end_ms = eval->at_ms;
    }
    eval->expr = text;
    if (status == OXP_OK && text.len == 0) {
        status = oxp_script_fail(reader, "an expression is expected");
    }
    if (status == OXP_OK && (ordered || fail)) {
        status = add_expect(reader, eval,
                            (struct oxp_expect){.kind = fail ? OXP_EXPECT_FAIL : OXP_EXPECT_ORDERED, .any = true});
    }
    return status;
}

enum oxp_status oxp_script_read_eval(struct oxp_script_reader *reader, struct oxp_script_eval *eval_out) {
    struct oxp_script_series *rows = NULL;
    bool more = true;
    enum oxp_status status = read_question(reader, eval_out);
    while (status == OXP_OK && more && oxp_script_next_in_block(reader)) {
        status = read_expectation(reader, eval_out, &rows, &more);
    }
    return status;
}

void oxp_script_eval_fini(struct oxp_script_eval *eval) {
    for (size_t i = 0; i < eval->expect_count; i++) {
        oxp_regex_free(eval->expects[i].regex);
    }
}
