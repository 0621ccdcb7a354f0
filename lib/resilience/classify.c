/* From evidence to a code, in the order of the domain catalogue (section 3):
 *
 *  1. an explicit code: a listed one or an alias is believed; an unlisted one keeps the category of its prefix, as
 *     "unknown"; one with a prefix that nobody knows says nothing.
 *  2. the error's class name, which may stand in front of the message instead. Names that several SDKs share give only
 *     a status, and upstream decides what that means. A name that wraps another failure says so only when all else is
 *     silent.
 *  3. what was called, with the HTTP status and, where one status means two things, words of the message.
 *  4. the WebSocket close code.
 *  5. errno, by name or number; CURLcode; exit status; signal.
 *  6. an outcome "unsuccessful": nothing was thrown, and nothing was done.
 *  7. names that a language gives to many things (TypeError, KeyError), which say less than any number, and more than
 *     words.
 *  8. words of the message; where they are silent too, a name that says only that a connection failed
 *     (APIConnectionError).
 *  9. unknown, in the category that the evidence states.
 *
 * Then the rows that go by the operation: any failure of a release is bb_release_failed, a timeout is the timeout of
 * whatever was asked, and a call to a vector database or for embeddings fails as that. Then the first override, the
 * session's status (session.c), which an explicit code of a lost link undergoes as well. The second, determinism, needs
 * all tries of an operation: determinism.h. */
#include "lib/resilience/classify.h"

#include "lib/resilience/evidence.h"

#define OURS (OXP_UP_BROWSERBASE | OXP_UP_STAGEHAND)

struct word_row {
    const char *word;
    unsigned value;
};

static const struct word_row upstreams[] = {
    {"", OXP_UP_NONE},
    {"browserbase", OXP_UP_BROWSERBASE},
    {"stagehand", OXP_UP_STAGEHAND},
    {"llm", OXP_UP_LLM},
    {"site", OXP_UP_SITE},
    {NULL, OXP_UP_OTHER},
};

static const struct word_row calls[] = {
    {"", OXP_CALL_NONE},
    {"session.create", OXP_CALL_CREATE},
    {"session.start", OXP_CALL_CREATE},
    {"start", OXP_CALL_CREATE}, /* Stagehand's, which makes a session */
    {"session.release", OXP_CALL_RELEASE},
    {"session.connect", OXP_CALL_CONNECT},
    {"session.reconnect", OXP_CALL_CONNECT},
    {"act", OXP_CALL_ACT},
    {"agent", OXP_CALL_AGENT},
    {"agentExecute", OXP_CALL_AGENT},
    {"extract", OXP_CALL_EXTRACT},
    {"observe", OXP_CALL_OBSERVE},
    {"captcha", OXP_CALL_CAPTCHA},
    {"embed", OXP_CALL_EMBED},
    {"embedding", OXP_CALL_EMBED},
    {"embeddings", OXP_CALL_EMBED},
    {NULL, OXP_CALL_OTHER},
};

static unsigned find_word(const struct word_row *rows, struct oxp_view text) {
    while (rows->word != NULL && !oxp_view_is(text, rows->word)) {
        rows++;
    }
    return rows->value;
}

/* What the text of the message gives away of the numbers that were not said. */
static void read_message(struct oxp_case *c) {
    int handshake = c->status == 0 ? oxp_handshake_in_message(c->message) : 0;
    if (handshake != 0 && (c->upstream & (OXP_UP_NONE | OURS)) != 0) {
        c->upstream = OXP_UP_BROWSERBASE;
        c->call = OXP_CALL_CONNECT;
        c->status = handshake;
    }
    if (c->upstream == OXP_UP_NONE &&
        (oxp_fold_starts(c->message, "Unknown error: ") || oxp_fold_starts(c->message, "HTTP error! status: "))) {
        c->upstream = OXP_UP_STAGEHAND; /* its v3 client's words */
    }
    if (c->status == 0 && (c->upstream & (OURS | OXP_UP_LLM)) != 0) {
        c->status = oxp_status_in_message(c->message);
    }
    if (c->ws_code == 0) {
        c->ws_code = oxp_ws_in_message(c->message);
    }
}

static struct oxp_case read_case(const struct oxp_evidence *evidence) {
    struct oxp_case c = {
        .upstream = find_word(upstreams, evidence->upstream),
        .call = find_word(calls, evidence->op),
        .status = evidence->status,
        .ws_code = evidence->ws_code,
        .name = evidence->name,
        .message = evidence->message,
    };
    const struct oxp_name_row *row = c.name.len == 0 ? NULL : oxp_name_find(c.name);
    bool wraps = row != NULL && (row->kind == NAME_WRAP || row->kind == NAME_CREATE);
    if (wraps || (row == NULL && oxp_name_family(c.name, c.upstream) == OXP_CODE_NONE)) {
        struct oxp_view inner = oxp_name_in_message(c.message);
        if (inner.len != 0) {
            c.name = inner;
            c.message = oxp_view_of(c.message.ptr + inner.len + 1, c.message.len - inner.len - 1);
            c.message = c.message.len > 0 && c.message.ptr[0] == ' ' ? oxp_view_of(c.message.ptr + 1, c.message.len - 1)
                                                                     : c.message;
        }
    }
    if (row != NULL && row->kind == NAME_CREATE && c.call == OXP_CALL_NONE) {
        c.call = OXP_CALL_CREATE;
    }
    c.upstream = c.upstream == OXP_UP_NONE ? oxp_upstream_of_module(c.name, OXP_UP_NONE) : c.upstream;
    if (c.upstream == OXP_UP_NONE && (c.call & (OXP_CALL_CREATE | OXP_CALL_RELEASE | OXP_CALL_CONNECT)) != 0) {
        c.upstream = OXP_UP_BROWSERBASE; /* whose else would the session be */
    }
    if (c.upstream == OXP_UP_NONE &&
        (c.call & (OXP_CALL_ACT | OXP_CALL_AGENT | OXP_CALL_EXTRACT | OXP_CALL_OBSERVE)) != 0) {
        c.upstream = OXP_UP_STAGEHAND;
    }
    const char *category = oxp_category_of(evidence->category);
    if (category != NULL && strcmp(category, "vector_db") == 0) {
        c.call = OXP_CALL_VECTOR;
    }
    read_message(&c);
    return c;
}

/* Step 2. Fills the case's status where the name gives one away. */
static enum oxp_code_id of_name(const struct oxp_name_row *row, struct oxp_case *c) {
    if (row == NULL) {
        return c->name.len == 0 ? OXP_CODE_NONE : oxp_name_family(c->name, c->upstream);
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
        c->upstream = c->upstream == OXP_UP_NONE ? OXP_UP_BROWSERBASE : c->upstream;
        c->status = c->status == 0 ? oxp_status_in_message(c->message) : c->status;
        c->status = c->status == 0 ? row->status : c->status;
        return OXP_CODE_NONE;
    case NAME_HTTP: {
        c->upstream = OXP_UP_STAGEHAND;
        c->status = c->status == 0 ? oxp_status_in_message(c->message) : c->status;
        enum oxp_code_id code = oxp_code_of_status(c);
        return code == OXP_CODE_NONE ? OXP_CODE_sh_http : code;
    }
    default:
        return OXP_CODE_NONE;
    }
}

/* Steps 4 and 5. */
static enum oxp_code_id of_numbers(const struct oxp_evidence *evidence, const struct oxp_case *c) {
    enum oxp_code_id code = oxp_code_of_ws(c->ws_code);
    code = code == OXP_CODE_NONE ? oxp_code_of_errno(evidence->errno_name) : code;
    code = code == OXP_CODE_NONE ? oxp_code_of_curl(evidence->curl_code) : code;
    code = code == OXP_CODE_NONE ? oxp_code_of_exit(evidence->exit_status) : code;
    return code == OXP_CODE_NONE ? oxp_code_of_signal(evidence->signal) : code;
}

/* Step 6. */
static enum oxp_code_id of_outcome(struct oxp_view outcome, const struct oxp_case *c) {
    if (!oxp_view_is(outcome, "unsuccessful")) {
        return OXP_CODE_NONE;
    }
    return c->call == OXP_CALL_AGENT     ? OXP_CODE_sh_agent_incomplete
           : c->call == OXP_CALL_EXTRACT ? OXP_CODE_data_empty
                                         : OXP_CODE_sh_unsuccessful;
}

/* The code of a name that says only that a connection failed, or OXP_CODE_NONE for any other. */
static enum oxp_code_id of_link_name(const struct oxp_name_row *row, const struct oxp_case *c) {
    static const char *const fetch[] = {"fetch failed", "failed to fetch", "network error", "terminated", NULL};
    if (row != NULL && row->kind == NAME_LINK) {
        return row->code;
    }
    bool fetched = row != NULL && row->kind == NAME_FETCH && oxp_fold_mentions(c->message, fetch);
    return fetched ? OXP_CODE_net_reset : OXP_CODE_NONE;
}

/* Step 7. */
static enum oxp_code_id of_weak_name(const struct oxp_name_row *row, const struct oxp_case *c) {
    bool is_weak = row != NULL && (row->kind == NAME_WEAK || row->kind == NAME_FETCH);
    return is_weak && of_link_name(row, c) == OXP_CODE_NONE ? row->code : OXP_CODE_NONE;
}

/* Step 8, and what is left of 2. */
static enum oxp_code_id of_words(const struct oxp_evidence *evidence, struct oxp_case *c) {
    enum oxp_code_id code = oxp_code_of_message(c);
    bool sdk = oxp_fold_starts(c->message, "Error: ") || oxp_fold_starts(c->message, "Error code: ");
    if (code == OXP_CODE_NONE && c->status == 0 && sdk) { /* nobody said whose SDK it was */
        c->status = oxp_status_in_message(c->message);
        code = oxp_code_of_status(c);
    }
    const struct oxp_name_row *said = evidence->name.len == 0 ? NULL : oxp_name_find(evidence->name);
    const struct oxp_name_row *rows[] = {oxp_name_find(c->name), said};
    for (size_t i = 0; i < 2 && code == OXP_CODE_NONE; i++) {
        if (rows[i] != NULL && (rows[i]->kind == NAME_WRAP || rows[i]->kind == NAME_CREATE)) {
            code = rows[i]->code;
        }
    }
    return code;
}

static enum oxp_code_id of_evidence(const struct oxp_evidence *evidence, struct oxp_case *c) {
    const struct oxp_name_row *row = c->name.len == 0 ? NULL : oxp_name_find(c->name);
    enum oxp_code_id code = of_name(row, c);
    if (code == OXP_CODE_NONE && c->status != 0) {
        code = oxp_code_of_status(c);
    }
    code = code == OXP_CODE_NONE ? of_numbers(evidence, c) : code;
    code = code == OXP_CODE_NONE ? of_outcome(evidence->outcome, c) : code;
    code = code == OXP_CODE_NONE ? of_weak_name(row, c) : code;
    code = code == OXP_CODE_NONE ? of_words(evidence, c) : code;
    code = code == OXP_CODE_NONE ? of_link_name(row, c) : code;
    return code == OXP_CODE_NONE ? OXP_CODE_unknown : code;
}

static bool is_timeout(enum oxp_code_id code) {
    return code == OXP_CODE_net_timeout || code == OXP_CODE_sh_read_timeout;
}

static bool is_outage(enum oxp_code_id code) {
    static const enum oxp_code_id outages[] = {
        OXP_CODE_net_dns_temp,    OXP_CODE_net_refused,    OXP_CODE_net_reset,  OXP_CODE_net_timeout,
        OXP_CODE_net_unreachable, OXP_CODE_api_rate_limit, OXP_CODE_api_server, OXP_CODE_llm_rate_limit,
        OXP_CODE_llm_overloaded,  OXP_CODE_llm_timeout,    OXP_CODE_unknown,
    };
    for (size_t i = 0; i < sizeof outages / sizeof outages[0]; i++) {
        if (code == outages[i]) {
            return true;
        }
    }
    return false;
}

/* The rows that go by the operation. An act that timed out may have happened: it is never a reading call's timeout. */
static enum oxp_code_id of_call(enum oxp_code_id code, const struct oxp_case *c) {
    switch (c->call) {
    case OXP_CALL_RELEASE:
        return OXP_CODE_bb_release_failed;
    case OXP_CALL_EMBED:
        return is_outage(code) ? OXP_CODE_embed_failed : code;
    case OXP_CALL_VECTOR:
        return is_outage(code) && code != OXP_CODE_unknown ? OXP_CODE_vec_down : code;
    case OXP_CALL_CAPTCHA:
        return is_timeout(code) ? OXP_CODE_sh_captcha : code;
    case OXP_CALL_CREATE:
        return code == OXP_CODE_net_timeout && (c->upstream & OURS) != 0 ? OXP_CODE_bb_create_timeout : code;
    case OXP_CALL_ACT:
    case OXP_CALL_AGENT:
        if (is_timeout(code) && (c->upstream & OURS) != 0) {
            return OXP_CODE_sh_act_timeout;
        }
        break;
    default:
        break;
    }
    return code == OXP_CODE_net_timeout && c->upstream == OXP_UP_LLM ? OXP_CODE_llm_timeout : code;
}

static const struct oxp_code *of_explicit_code(struct oxp_view code) {
    const struct oxp_code *row = code.len == 0 ? NULL : oxp_code_find(code);
    row = row == NULL && code.len != 0 ? oxp_code_find_alias(code) : row;
    return row == NULL && code.len != 0 ? oxp_code_unknown_of(code) : row;
}

const struct oxp_code *oxp_classify(const struct oxp_evidence *evidence) {
    const struct oxp_code *said = of_explicit_code(evidence->code);
    enum oxp_code_id code = said == NULL ? OXP_CODE_NONE : oxp_code_id_of(said);
    bool session_known = evidence->session_status.len != 0 || evidence->last_command_age_s > 0;
    if (said != NULL && (code == OXP_CODE_NONE || code == OXP_CODE_unknown || !session_known)) {
        return said;
    }
    struct oxp_case c = read_case(evidence);
    if (said == NULL) {
        code = of_call(of_evidence(evidence, &c), &c);
    }
    code = oxp_code_of_session(code, evidence, &c);
    const struct oxp_code *unknown = NULL;
    if (code == OXP_CODE_unknown) {
        unknown = oxp_code_unknown_in(oxp_category_of(evidence->category));
    }
    return unknown == NULL ? oxp_code_row(code) : unknown;
}
