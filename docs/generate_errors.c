/* docs/errors.md: the taxonomy, what classifies where, and the names that others use. */
#include "docs/generate.h"

#include <stdio.h>
#include <string.h>

#include "lib/resilience/evidence.h"

static void append_codes(struct oxp_buf *out) {
    oxp_buf_append_text(out, "| code | category | class | severity | action | policy | automation | breaker | meaning "
                             "|\n|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; oxp_code_at(i) != NULL; i++) {
        const struct oxp_code *code = oxp_code_at(i);
        oxp_buf_append_format(out, "| `%s` | %s | %s | %s | %s | %s | %s | %s | ", code->name, code->category,
                              code->class, code->severity, code->action, code->policy, code->automation,
                              code->breaker ? "counts" : "");
        generate_cell(out, code->help);
        oxp_buf_append_text(out, " |\n");
    }
}

/* The evidence of one code, kind by kind; `some` is whether a cell has something in it already. */
struct cell {
    struct oxp_buf *out;
    const char *kind; /* written before the first of a kind */
    bool some;
};

static void begin(struct cell *cell, const char *kind) {
    cell->kind = kind;
}

static void add(struct cell *cell, const char *text) {
    if (cell->kind != NULL) {
        oxp_buf_append_format(cell->out, "%s%s: ", cell->some ? "<br>" : "", cell->kind);
    } else {
        oxp_buf_append_text(cell->out, ", ");
    }
    generate_cell(cell->out, text);
    cell->kind = NULL;
    cell->some = true;
}

static void add_bits(struct oxp_buf *text, unsigned bits, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if ((bits & (1U << i)) != 0 && names[i] != NULL) {
            oxp_buf_append_format(text, " %s", names[i]);
        }
    }
}

/* "429 browserbase stagehand on session.create naming concurrent, …" */
static void add_rule(struct cell *cell, const struct oxp_http_rule *rule) {
    static const char *const upstreams[] = {"(not said)", "browserbase", "stagehand", "llm", "site", "other"};
    static const char *const calls[] = {"(not said)", "session.create", "session.release", "session.connect"};
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_buf_append_format(&text, rule->from == rule->to ? "%d" : "%d to %d", rule->from, rule->to);
    if (rule->upstreams != OXP_UP_ANY) {
        oxp_buf_append_text(&text, " from");
        add_bits(&text, rule->upstreams, upstreams, sizeof upstreams / sizeof upstreams[0]);
    }
    if (rule->calls != OXP_CALL_ANY) {
        oxp_buf_append_text(&text, " on");
        add_bits(&text, rule->calls, calls, sizeof calls / sizeof calls[0]);
    }
    for (size_t i = 0; rule->words != NULL && rule->words[i] != NULL; i++) {
        oxp_buf_append_format(&text, "%s\"%s\"", i == 0 ? " naming " : " or ", rule->words[i]);
    }
    oxp_buf_append_char(&text, '\0');
    if (oxp_buf_status(&text) == OXP_OK) {
        add(cell, text.data);
    } else {
        cell->out->status = OXP_ERR_NOMEM;
    }
    oxp_buf_fini(&text);
}

static void add_systems(struct cell *cell, const char *kind, const struct oxp_system_row *(*at)(size_t),
                        const struct oxp_code *code) {
    begin(cell, kind);
    for (size_t i = 0; at(i) != NULL; i++) {
        if (oxp_code_row(at(i)->code) == code) {
            add(cell, at(i)->name);
        }
    }
}

static void append_evidence(struct oxp_buf *out, const struct oxp_code *code) {
    struct cell cell = {.out = out};
    begin(&cell, "class");
    for (size_t i = 0; oxp_name_at(i) != NULL; i++) {
        const struct oxp_name_row *row = oxp_name_at(i);
        if (row->code != OXP_CODE_NONE && oxp_code_row(row->code) == code && row->code != OXP_CODE_unknown) {
            add(&cell, row->name);
        }
    }
    begin(&cell, "class of Stagehand's");
    for (size_t i = 0; oxp_name_family_at(i) != NULL; i++) {
        const struct oxp_name_family_row *row = oxp_name_family_at(i);
        if (oxp_code_row(row->code) == code) {
            char name[64];
            (void)snprintf(name, sizeof name, "%s…%s", row->start, row->end);
            add(&cell, name);
        }
    }
    begin(&cell, "HTTP");
    for (size_t i = 0; oxp_http_rule_at(i) != NULL; i++) {
        if (oxp_code_row(oxp_http_rule_at(i)->code) == code) {
            add_rule(&cell, oxp_http_rule_at(i));
        }
    }
    if (oxp_code_row(OXP_CODE_cdp_closed) == code) {
        begin(&cell, "WebSocket");
        add(&cell, "1001, 1006, 1011, 1012, 1013");
    }
    add_systems(&cell, "errno", oxp_errno_at, code);
    add_systems(&cell, "curl", oxp_curl_at, code);
    add_systems(&cell, "signal", oxp_signal_at, code);
    add_systems(&cell, "exit", oxp_exit_at, code);
    begin(&cell, "words");
    for (size_t i = 0; oxp_message_at(i) != NULL; i++) {
        if (oxp_code_row(oxp_message_at(i)->code) == code) {
            add(&cell, oxp_message_at(i)->phrase);
        }
    }
}

static void append_classification(struct oxp_buf *out) {
    oxp_buf_append_text(out, "| code | evidence |\n|---|---|\n");
    for (size_t i = 0; oxp_code_at(i) != NULL; i++) {
        size_t before = out->len;
        oxp_buf_append_format(out, "| `%s` | ", oxp_code_at(i)->name);
        size_t empty = out->len;
        append_evidence(out, oxp_code_at(i));
        if (out->len == empty) {
            out->len = before; /* only said, or by one of the rules in the text */
        } else {
            oxp_buf_append_text(out, " |\n");
        }
    }
}

static void append_shared_names(struct oxp_buf *out) {
    bool first = true;
    for (size_t i = 0; oxp_name_at(i) != NULL; i++) {
        if (oxp_name_at(i)->kind == NAME_STATUS) {
            oxp_buf_append_format(out, "%s`%s` %d", first ? "" : ", ", oxp_name_at(i)->name, oxp_name_at(i)->status);
            first = false;
        }
    }
}

static void append_aliases(struct oxp_buf *out) {
    const struct oxp_code *code;
    oxp_buf_append_text(out, "| name | code |\n|---|---|\n");
    for (size_t i = 0; oxp_code_alias_at(i, &code) != NULL; i++) {
        oxp_buf_append_format(out, "| `%s` | `%s` |\n", oxp_code_alias_at(i, NULL), code->name);
    }
}

/* "`warning`, `warn`: medium; …": the words of a table, gathered by what they stand for. */
static void append_words(struct oxp_buf *out, const char *(*at)(size_t, const char **)) {
    const char *meaning, *other;
    bool first = true;
    for (size_t i = 0; at(i, &meaning) != NULL; i++) {
        size_t k = 0;
        while (k < i && at(k, &other) != NULL && strcmp(other, meaning) != 0) {
            k++;
        }
        if (k < i) {
            continue; /* that meaning had its turn */
        }
        oxp_buf_append_text(out, first ? "" : "; ");
        first = false;
        for (size_t j = i; at(j, &other) != NULL; j++) {
            if (strcmp(other, meaning) == 0) {
                oxp_buf_append_format(out, "%s`%s`", j == i ? "" : ", ", at(j, &other));
            }
        }
        oxp_buf_append_format(out, " → %s", meaning);
    }
    oxp_buf_append_text(out, "\n");
}

static void append_policy(struct oxp_buf *out, const char *name, unsigned attempts, double first, double factor,
                          double max, bool hint, const char *need) {
    oxp_buf_append_format(out, "| `%s` | ", name);
    if (attempts == 0) {
        oxp_buf_append_text(out, "no end, from the queue");
    } else {
        oxp_buf_append_format(out, "%u", attempts);
    }
    oxp_buf_append_text(out, attempts == 1 ? " | | " : hint ? " | the server's hint, else " : " | ");
    double delay = first;
    for (unsigned n = 1; n < (attempts == 0 ? 6 : attempts); n++) {
        oxp_buf_append_text(out, n == 1 ? "" : ", ");
        oxp_buf_append_double(out, delay < max ? delay : max);
        delay *= factor;
    }
    oxp_buf_append_format(out, "%s | %s |\n", attempts == 0 ? " …" : "", need);
}

static void append_policies(struct oxp_buf *out) {
    static const char NOTHING[] = "", CHANGE[] = "a hook has changed something",
                      STATE[] = "the real state was asked for";
    oxp_buf_append_text(out, "| policy | attempts | seconds between them | before each |\n|---|---|---|---|\n");
#define POLICY(name, attempts, first, factor, max, hint, queues, bypasses, need, then)                                 \
    append_policy(out, #name, attempts, first, factor, max, hint, need);
#define EXCEPTION(code, flags)
#include "lib/resilience/policies.def"
}

static void append_order(struct oxp_buf *out) {
    oxp_buf_append_text(
        out,
        "\n## How a failure gets its code\n\n"
        "The first of these that says something decides:\n\n"
        "1. **An explicit code**, or an alias of one (below). A code that is not listed counts as `unknown` in the "
        "category of its prefix.\n"
        "2. **The class name**, in any case, with or without its module; also where it stands in front of the message "
        "(`KeyError: 'x'`).\n"
        "   Names that several SDKs share give only a status: ");
    append_shared_names(out);
    oxp_buf_append_text(
        out,
        ".\n"
        "3. **HTTP status, with upstream, operation and words of the message.** Where an SDK hides the status in the "
        "text (`Error: 403 …`,\n"
        "   `Unknown error: 400`, `Unexpected server response: 429`) it is read from there.\n"
        "4. **The WebSocket close code.**\n"
        "5. **errno** (by name or number), **curl's code**, **exit status** (128 + n and -n are signal n), **signal**. "
        "A signal or status that is\n"
        "   not listed is `sys_crash`. Chromium's `net::ERR_CONNECTION_…` are `site_down`, `net::ERR_CERT_…` are "
        "`net_tls`.\n"
        "6. **Outcome `unsuccessful`**: `sh_agent_incomplete` of an agent, `data_empty` of an extract, else "
        "`sh_unsuccessful`.\n"
        "7. **Class names that a language gives to many things** (`TypeError`, `KeyError`, `ValueError` …).\n"
        "8. **Words of the message**: a symbol as errno has them, else the first phrase of the table.\n"
        "9. `unknown`, in the category that the error states.\n\n"
        "Then the operation: any failure of `session.release` is `bb_release_failed`; a timeout is that of "
        "`session.create`, `act` and\n"
        "`agent`, `captcha` or the model; a call for embeddings or to a vector database that fails is `embed_failed` "
        "or `vec_down`.\n\n"
        "Two overrides come last:\n\n"
        "- **Session status**, when the link was lost: ended, never connected and about five minutes old → "
        "`bb_connect_window_missed`;\n"
        "  `TIMED_OUT` → `bb_session_timed_out`; `ERROR` → `bb_session_error`; last command 600 s ago or more → "
        "`cdp_idle_closed`; `COMPLETED`\n"
        "  under work → `bb_session_ended_early`; `RUNNING` → stays, and is connected to again.\n"
        "- **Determinism**: when every try of an operation failed with the same code and the same message (numbers, "
        "ids and quoted parts\n"
        "  apart), a transient becomes recoverable: stop, and debug. Limits, breakers, models and releases, whose cure "
        "is to wait, do not.\n\n");
}

void generate_errors(struct oxp_buf *out) {
    oxp_buf_append_text(
        out,
        "# Errors\n\n"
        "Made from the error tables (`lib/resilience/*.def` and the tables of its classifier) by `oxpecker-docs`; do "
        "not edit.\n\n"
        "`oxp_classify` (`<oxpecker/errors.h>`) gives every failure one of these codes, and so does the sidecar when "
        "an `error` event says none.\n\n"
        "- **class**: transient (try again), recoverable (try again with a change), fatal (do not), unknown.\n"
        "- **automation**: full (cured without anybody), semi (a debugger or another path, which somebody should look "
        "at), manual.\n"
        "- **breaker**: whether a circuit breaker counts it as a failure of the service.\n\n"
        "## Codes\n\n");
    append_codes(out);
    append_order(out);
    oxp_buf_append_text(out, "## What classifies where\n\n");
    append_classification(out);
    oxp_buf_append_text(out, "\n## Policies\n\n");
    append_policies(out);
    oxp_buf_append_text(out, "\nDelays are ceilings: up to a quarter of each is taken away by chance.\n\n"
                             "## Other names\n\nIn any case.\n\n");
    append_aliases(out);
    oxp_buf_append_text(out, "\n**Severities.** ");
    append_words(out, oxp_severity_word_at);
    oxp_buf_append_text(out, "\n**Categories.** ");
    append_words(out, oxp_category_word_at);
    oxp_buf_append_text(out, "\n**Prefixes** of codes that are not listed. ");
    append_words(out, oxp_code_prefix_at);
}
