/* From evidence to a code, in the order of the domain catalogue (section 3):
 *
 * 1. an explicit code: a listed one is believed; an unlisted one keeps the category of its prefix, as "unknown"; one
 * with a prefix that nobody knows says nothing.
 * 2. the error's class name. Names that several SDKs share give only a status, and upstream decides what that means.
 * 3. what was called, with the HTTP status and, where one status means two things, words of the message.
 * 4. the WebSocket close code.
 * 5. errno, by name or number.
 * 6. names that a language gives to many things (TypeError, KeyError), which say less than any number.
 * 7. unknown.
 *
 * Then two rows that go by the operation: any failure of a release is bb_release_failed, and a timeout is the timeout
 * of whatever was asked.
 *
 * Not covered yet, for the full taxonomy: the patterns of messages but for those of 3 ("socket hang up", "Premature
 * close", "initialization timed out", "waitForFirstTopLevelPage", "Session create timed out", "RPC client is closed",
 * "Target page … has been closed", "unexpected shape", "solving-errored"); session status (bb_session_timed_out,
 * bb_session_error, bb_session_ended_early, bb_connect_window_missed); the age of the last command (cdp_idle_closed);
 * curl and exit codes and signals (sys_crash, sys_oom by 137); the second override, determinism. The codes that only a
 * client can know come as explicit codes: sh_unsuccessful, sh_agent_incomplete, data_*, dep_missing, file_format,
 * file_ocr, file_corrupt, agent_*, mem_capacity, vec_down, embed_failed, breaker_open, task_*, ckpt_*,
 * txn_rollback_failed, cfg_invalid, sec_violation (but for data_parse, by JSONDecodeError). */
#include "lib/resilience/classify.h"

#include "lib/resilience/evidence.h"

struct word_row {
    const char *word;
    unsigned value;
};

static unsigned find_word(const struct word_row *rows, struct oxp_view text, unsigned otherwise) {
    for (; rows->word != NULL; rows++) {
        if (oxp_view_is(text, rows->word)) {
            return rows->value;
        }
    }
    return otherwise;
}

static struct oxp_case read_case(const struct oxp_evidence *evidence) {
    static const struct word_row upstreams[] = {
        {"", OXP_UP_NONE},
        {"browserbase", OXP_UP_BROWSERBASE},
        {"stagehand", OXP_UP_STAGEHAND},
        {"llm", OXP_UP_LLM},
        {"site", OXP_UP_SITE},
        {NULL, 0},
    };
    static const struct word_row calls[] = {
        {"", OXP_CALL_NONE},
        {"session.create", OXP_CALL_CREATE},
        {"session.release", OXP_CALL_RELEASE},
        {"session.connect", OXP_CALL_CONNECT},
        {NULL, 0},
    };
    struct oxp_case c = {
        .upstream = find_word(upstreams, evidence->upstream, OXP_UP_OTHER),
        .call = find_word(calls, evidence->op, OXP_CALL_OTHER),
        .status = evidence->status,
        .message = evidence->message,
    };
    if (c.upstream == OXP_UP_NONE && (c.call & (OXP_CALL_CREATE | OXP_CALL_RELEASE | OXP_CALL_CONNECT)) != 0) {
        c.upstream = OXP_UP_BROWSERBASE; /* whose else would the session be */
    }
    if (c.status == 0 && (c.upstream & (OXP_UP_BROWSERBASE | OXP_UP_STAGEHAND | OXP_UP_LLM)) != 0) {
        c.status = oxp_status_in_message(c.message);
    }
    return c;
}

/* Step 2. Fills the case's status where the name gives one away. */
static enum oxp_code_id of_name(const struct oxp_name_row *row, struct oxp_view name, struct oxp_case *c) {
    if (row == NULL) {
        return oxp_name_family(name, c->upstream);
    }
    switch (row->kind) {
    case NAME_CODE:
    case NAME_TIMEOUT:
        return row->code;
    case NAME_READ:
        return (c->upstream & (OXP_UP_NONE | OXP_UP_STAGEHAND)) != 0 && c->call != OXP_CALL_CREATE
                   ? OXP_CODE_sh_read_timeout
                   : OXP_CODE_net_timeout;
    case NAME_STATUS:
        c->status = c->status == 0 ? row->status : c->status;
        c->upstream = c->upstream == OXP_UP_NONE ? OXP_UP_BROWSERBASE : c->upstream;
        return OXP_CODE_NONE;
    case NAME_HTTP: {
        c->upstream = OXP_UP_STAGEHAND;
        c->status = c->status == 0 ? oxp_status_in_message(c->message) : c->status;
        enum oxp_code_id code = oxp_code_of_status(c);
        return code == OXP_CODE_NONE ? OXP_CODE_sh_http : code;
    }
    case NAME_WEAK:
    case NAME_NONE:
        break;
    }
    return OXP_CODE_NONE;
}

static enum oxp_code_id of_evidence(const struct oxp_evidence *evidence, struct oxp_case *c) {
    const struct oxp_name_row *row = evidence->name.len == 0 ? NULL : oxp_name_find(evidence->name);
    enum oxp_code_id code = evidence->name.len == 0 ? OXP_CODE_NONE : of_name(row, evidence->name, c);
    if (code == OXP_CODE_NONE && c->status != 0) {
        code = oxp_code_of_status(c);
    }
    if (code == OXP_CODE_NONE && evidence->ws_code != 0) {
        code = oxp_code_of_ws(evidence->ws_code);
    }
    if (code == OXP_CODE_NONE) {
        code = oxp_code_of_errno(evidence->errno_name);
    }
    if (code == OXP_CODE_NONE && row != NULL && row->kind == NAME_WEAK) {
        code = row->code;
    }
    return code == OXP_CODE_NONE ? OXP_CODE_unknown : code;
}

/* The rows that go by the operation. */
static enum oxp_code_id of_call(enum oxp_code_id code, const struct oxp_case *c) {
    if (c->call == OXP_CALL_RELEASE) {
        return OXP_CODE_bb_release_failed;
    }
    if (code != OXP_CODE_net_timeout) {
        return code;
    }
    if (c->upstream == OXP_UP_LLM) {
        return OXP_CODE_llm_timeout;
    }
    bool theirs = (c->upstream & (OXP_UP_BROWSERBASE | OXP_UP_STAGEHAND)) != 0;
    return theirs && c->call == OXP_CALL_CREATE ? OXP_CODE_bb_create_timeout : code;
}

const struct oxp_code *oxp_classify(const struct oxp_evidence *evidence) {
    if (evidence->code.len != 0) {
        const struct oxp_code *said = oxp_code_find(evidence->code);
        said = said == NULL ? oxp_code_unknown_of(evidence->code) : said;
        if (said != NULL) {
            return said;
        }
    }
    struct oxp_case c = read_case(evidence);
    enum oxp_code_id code = of_evidence(evidence, &c);
    return oxp_code_row(of_call(code, &c));
}
