#include "exporter/parse/audit_parts.h"

#include "lib/base/ascii.h"
#include "lib/base/scrub.h"
#include "lib/base/utf8.h"

#include <stdio.h>

/* From words to events, in three tables: actions, statuses, and what comes of both. An audit line names an action that
 * has a beginning and an end (`run_workflow` start, then success), or one of the two alone (`session_created`). */

enum {
    SLACK = 2048,   /* bytes past a field's limit that are looked at for secrets */
    NAME_LEAST = 6, /* "Error" alone names no class */
    ID_WORD_MAX = 80,
};

/* ---- Words ---- */

enum thing { NOTHING, RUN, CREATE, RELEASE, TASK_CREATE, TASK };
enum outcome { OTHER, STARTED, SUCCEEDED, DEGRADED, PARTIAL, FAILED, TIMED_OUT, CANCELLED, SKIPPED };
enum part { WHOLE, BEGINNING, END };

/* Compared without case, spaces, underscores and hyphens, and without the service's name. `otherwise` is the outcome
 * when the status says none. */
static const struct {
    const char *words;
    enum thing thing;
    enum part part;
    enum outcome otherwise;
} actions[] = {
    /* clang-format off: a table, one row a line */
    {"run_workflow", RUN, WHOLE, OTHER},
    {"workflow_run", RUN, WHOLE, OTHER},
    {"execute_workflow", RUN, WHOLE, OTHER},
    {"workflow_execute", RUN, WHOLE, OTHER},
    {"workflow_execution", RUN, WHOLE, OTHER},
    {"workflow", RUN, WHOLE, OTHER},
    {"start_workflow", RUN, BEGINNING, STARTED},
    {"workflow_start", RUN, BEGINNING, STARTED},
    {"workflow_started", RUN, BEGINNING, STARTED},
    {"run_workflow_start", RUN, BEGINNING, STARTED},
    {"workflow_complete", RUN, END, SUCCEEDED},
    {"workflow_completed", RUN, END, SUCCEEDED},
    {"workflow_finished", RUN, END, SUCCEEDED},
    {"workflow_end", RUN, END, SUCCEEDED},
    {"workflow_ended", RUN, END, SUCCEEDED},
    {"run_workflow_end", RUN, END, SUCCEEDED},
    {"workflow_failed", RUN, END, FAILED},
    {"create_session", CREATE, WHOLE, OTHER},
    {"session_create", CREATE, WHOLE, OTHER},
    {"session_creation", CREATE, WHOLE, OTHER},
    {"session_provisioning", CREATE, WHOLE, OTHER},
    {"provision_session", CREATE, WHOLE, OTHER},
    {"start_session", CREATE, WHOLE, OTHER},
    {"session_start", CREATE, WHOLE, OTHER},
    {"session_created", CREATE, END, SUCCEEDED},
    {"session_started", CREATE, END, SUCCEEDED},
    {"session_create_failed", CREATE, END, FAILED},
    {"session_creation_failed", CREATE, END, FAILED},
    {"release_session", RELEASE, WHOLE, OTHER},
    {"session_release", RELEASE, WHOLE, OTHER},
    {"close_session", RELEASE, WHOLE, OTHER},
    {"session_close", RELEASE, WHOLE, OTHER},
    {"end_session", RELEASE, WHOLE, OTHER},
    {"session_end", RELEASE, WHOLE, OTHER},
    {"terminate_session", RELEASE, WHOLE, OTHER},
    {"session_termination", RELEASE, WHOLE, OTHER},
    {"cleanup_session", RELEASE, WHOLE, OTHER},
    {"session_cleanup", RELEASE, WHOLE, OTHER},
    {"session_released", RELEASE, END, SUCCEEDED},
    {"session_closed", RELEASE, END, SUCCEEDED},
    {"session_ended", RELEASE, END, SUCCEEDED},
    {"session_terminated", RELEASE, END, SUCCEEDED},
    {"session_release_failed", RELEASE, END, FAILED},
    {"create_task", TASK_CREATE, WHOLE, OTHER},
    {"task_create", TASK_CREATE, WHOLE, OTHER},
    {"task_creation", TASK_CREATE, WHOLE, OTHER},
    {"queue_task", TASK_CREATE, WHOLE, OTHER},
    {"submit_task", TASK_CREATE, WHOLE, OTHER},
    {"task_created", TASK_CREATE, END, SUCCEEDED},
    {"task_queued", TASK_CREATE, END, SUCCEEDED},
    {"task_creation_failed", TASK_CREATE, END, FAILED},
    {"execute_task", TASK, WHOLE, OTHER},
    {"task_execute", TASK, WHOLE, OTHER},
    {"task_execution", TASK, WHOLE, OTHER},
    {"run_task", TASK, WHOLE, OTHER},
    {"task_run", TASK, WHOLE, OTHER},
    {"task", TASK, WHOLE, OTHER},
    {"start_task", TASK, BEGINNING, STARTED},
    {"task_start", TASK, BEGINNING, STARTED},
    {"task_started", TASK, BEGINNING, STARTED},
    {"task_complete", TASK, END, SUCCEEDED},
    {"task_completed", TASK, END, SUCCEEDED},
    {"task_finished", TASK, END, SUCCEEDED},
    {"task_end", TASK, END, SUCCEEDED},
    {"task_ended", TASK, END, SUCCEEDED},
    {"task_failed", TASK, END, FAILED},
    {"task_execution_failed", TASK, END, FAILED},
    /* clang-format on */
};

static const struct {
    const char *word;
    enum outcome outcome;
} statuses[] = {
    {"start", STARTED},
    {"started", STARTED},
    {"starting", STARTED},
    {"begin", STARTED},
    {"initiated", STARTED},
    {"initiating", STARTED},
    {"initiate", STARTED},
    {"in_progress", STARTED},
    {"running", STARTED},
    {"attempt", STARTED},
    {"attempting", STARTED},
    {"pending", STARTED},
    {"requested", STARTED},
    {"success", SUCCEEDED},
    {"succeeded", SUCCEEDED},
    {"successful", SUCCEEDED},
    {"successfully", SUCCEEDED},
    {"ok", SUCCEEDED},
    {"done", SUCCEEDED},
    {"complete", SUCCEEDED},
    {"completed", SUCCEEDED},
    {"finished", SUCCEEDED},
    {"created", SUCCEEDED},
    {"released", SUCCEEDED},
    {"queued", SUCCEEDED},
    {"closed", SUCCEEDED},
    {"ended", SUCCEEDED},
    {"degraded", DEGRADED},
    {"partial", PARTIAL},
    {"partial_success", PARTIAL},
    {"partially_completed", PARTIAL},
    {"failure", FAILED},
    {"failed", FAILED},
    {"fail", FAILED},
    {"error", FAILED},
    {"errored", FAILED},
    {"exception", FAILED},
    {"aborted", FAILED},
    {"rejected", FAILED},
    {"timeout", TIMED_OUT},
    {"timed_out", TIMED_OUT},
    {"cancelled", CANCELLED},
    {"canceled", CANCELLED},
    {"skipped", SKIPPED},
};

/* The `outcome` field of the audit event. */
static const char *const outcome_names[] = {NULL,     "started",   "succeeded", "degraded", "partial",
                                            "failed", "timed_out", "cancelled", "skipped"};

/* What comes of it. Rows of one thing and outcome are handed on in order; one whose event lacks a field that it needs
 * (an id that was not written) is left out. A failed run is not an error of its own: its cause was logged where it
 * happened. */
static const struct effect {
    enum thing thing;
    enum outcome outcome;
    enum oxp_event_type type;
    const char *status;
    const char *op, *upstream;
} effects[] = {
    /* clang-format off: a table, one row a line */
    {RUN, STARTED, OXP_EVENT_WORKFLOW_STARTED, NULL, NULL, NULL},
    {RUN, SUCCEEDED, OXP_EVENT_WORKFLOW_ENDED, "succeeded", NULL, NULL},
    {RUN, DEGRADED, OXP_EVENT_WORKFLOW_ENDED, "partial", NULL, NULL},
    {RUN, PARTIAL, OXP_EVENT_WORKFLOW_ENDED, "partial", NULL, NULL},
    {RUN, FAILED, OXP_EVENT_WORKFLOW_ENDED, "failed", NULL, NULL},
    {RUN, TIMED_OUT, OXP_EVENT_WORKFLOW_ENDED, "timed_out", NULL, NULL},
    {RUN, CANCELLED, OXP_EVENT_WORKFLOW_ENDED, "cancelled", NULL, NULL},
    {CREATE, STARTED, OXP_EVENT_SESSION_CREATING, NULL, NULL, NULL},
    {CREATE, SUCCEEDED, OXP_EVENT_SESSION_STARTED, NULL, NULL, NULL},
    {CREATE, FAILED, OXP_EVENT_ERROR, NULL, "session.create", "browserbase"},
    {CREATE, TIMED_OUT, OXP_EVENT_ERROR, NULL, "session.create", "browserbase"},
    {CREATE, CANCELLED, OXP_EVENT_ERROR, NULL, "session.create", "browserbase"},
    {RELEASE, STARTED, OXP_EVENT_SESSION_RELEASING, NULL, NULL, NULL},
    {RELEASE, SUCCEEDED, OXP_EVENT_SESSION_ENDED, "completed", NULL, NULL},
    {RELEASE, FAILED, OXP_EVENT_ERROR, NULL, "session.release", "browserbase"},
    {RELEASE, TIMED_OUT, OXP_EVENT_ERROR, NULL, "session.release", "browserbase"},
    {TASK_CREATE, SUCCEEDED, OXP_EVENT_TASK_QUEUED, NULL, NULL, NULL},
    {TASK_CREATE, FAILED, OXP_EVENT_ERROR, NULL, "task.create", "stagehand"},
    {TASK_CREATE, TIMED_OUT, OXP_EVENT_ERROR, NULL, "task.create", "stagehand"},
    {TASK, STARTED, OXP_EVENT_TASK_STARTED, NULL, NULL, NULL},
    {TASK, SUCCEEDED, OXP_EVENT_TASK_ENDED, "succeeded", NULL, NULL},
    {TASK, DEGRADED, OXP_EVENT_TASK_ENDED, "degraded", NULL, NULL},
    {TASK, PARTIAL, OXP_EVENT_TASK_ENDED, "degraded", NULL, NULL},
    {TASK, FAILED, OXP_EVENT_ERROR, NULL, "task.execute", "stagehand"},
    {TASK, FAILED, OXP_EVENT_TASK_ENDED, "failed", NULL, NULL},
    {TASK, TIMED_OUT, OXP_EVENT_ERROR, NULL, "task.execute", "stagehand"},
    {TASK, TIMED_OUT, OXP_EVENT_TASK_ENDED, "timed_out", NULL, NULL},
    {TASK, CANCELLED, OXP_EVENT_TASK_ENDED, "cancelled", NULL, NULL},
    {TASK, SKIPPED, OXP_EVENT_TASK_ENDED, "skipped", NULL, NULL},
    /* clang-format on */
};

/* ---- Meaning ---- */

struct meaning {
    enum thing thing;
    enum outcome outcome;
};

/* The action without the name of the service: "create_browserbase_session" is "create_session". */
static struct oxp_view without_service(struct oxp_view action, char space[ID_WORD_MAX]) {
    static const char *const services[] = {"browserbase", "stagehand"};
    size_t len = 0;
    for (size_t i = 0; i < action.len && len < ID_WORD_MAX; i++) {
        char c = action.ptr[i];
        space[len++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        for (unsigned s = 0; s < 2; s++) {
            size_t name = strlen(services[s]);
            if (len >= name && memcmp(space + len - name, services[s], name) == 0) {
                len -= name;
            }
        }
    }
    return oxp_view_of(space, len);
}

static enum outcome outcome_of(struct oxp_view status) {
    size_t word = 0; /* "failed: no route" is failed */
    while (word < status.len && strchr(" :(;,", status.ptr[word]) == NULL) {
        word++;
    }
    const struct oxp_view tries[] = {status, oxp_view_of(status.ptr, word)};
    for (unsigned t = 0; t < 2 && status.len > 0; t++) {
        for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
            if (oxp_audit_same(tries[t], statuses[i].word)) {
                return statuses[i].outcome;
            }
        }
    }
    return OTHER;
}

static struct meaning meaning_of(const struct oxp_audit_record *record) {
    char space[ID_WORD_MAX];
    struct oxp_view action = without_service(record->action, space);
    struct meaning meaning = {.thing = NOTHING, .outcome = outcome_of(record->status)};
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (!oxp_audit_same(action, actions[i].words)) {
            continue;
        }
        meaning.thing = actions[i].thing;
        bool begun = actions[i].part == BEGINNING && meaning.outcome == SUCCEEDED; /* the starting went well */
        bool over = actions[i].part == END && meaning.outcome == STARTED;
        if (meaning.outcome == OTHER || begun || over) {
            meaning.outcome = actions[i].otherwise;
        }
        break;
    }
    if (meaning.outcome == OTHER && record->level >= OXP_AUDIT_ERROR) { /* the level says it where no known word does */
        meaning.outcome = FAILED;
    }
    return meaning;
}

/* ---- Texts into events ---- */

/* Copies text, what is no UTF-8 replaced by U+FFFD, as long as there is room. */
static size_t mend(struct oxp_view text, char *out, size_t size) {
    size_t len = 0;
    while (text.len > 0) {
        size_t good = oxp_utf8_valid_prefix(text);
        good = good < size - len ? good : size - len;
        memcpy(out + len, text.ptr, good);
        len += good;
        text = oxp_view_of(text.ptr + good, text.len - good);
        if (text.len > 0) {
            if (size - len < 4) {
                break;
            }
            len += oxp_utf8_encode(0xfffd, out + len);
            text = oxp_view_of(text.ptr + 1, text.len - 1);
        }
    }
    return len;
}

/* The text as an event may hold it: UTF-8, without secrets, at most `limit` bytes. */
static struct oxp_view clean(struct oxp_event *event, struct oxp_view text, size_t limit) {
    char copy[OXP_EVENT_LINE_MAX];
    bool cut = text.len > limit + SLACK;
    text.len = cut ? limit + SLACK : text.len;
    if (text.len == 0) {
        return oxp_view_of(NULL, 0);
    }
    if (!oxp_utf8_is_valid(text)) {
        text = oxp_utf8_cut(oxp_view_of(copy, mend(text, copy, sizeof copy)), sizeof copy);
    } else if (!oxp_scrub_suspects(text)) {
        return oxp_utf8_cut(text, limit);
    }
    char *out = event->scratch + event->scratch_len;
    size_t room = sizeof event->scratch - event->scratch_len;
    size_t len = oxp_scrub(text, out, room);
    if (cut && len < limit) { /* the last word may be the beginning of a secret that was cut */
        while (len > 0 && out[len - 1] != ' ') {
            len--;
        }
    }
    struct oxp_view done = oxp_utf8_cut(oxp_view_of(out, oxp_utf8_valid_prefix(oxp_view_of(out, len))), limit);
    event->scratch_len += done.len;
    return done;
}

/* Sets a text field; an id that cannot be one stays absent. */
static void put(struct oxp_event *event, enum oxp_field field, struct oxp_view text) {
    const struct oxp_field_spec *spec = oxp_field_spec(field);
    bool is_id = spec->kind == OXP_KIND_ID;
    if (text.len == 0 || (is_id && oxp_ascii_has_controls(text))) {
        return;
    }
    struct oxp_view done = clean(event, text, spec->limit);
    if (done.len > 0) {
        event->values[field].text = done;
        event->present[field / 64] |= UINT64_C(1) << (field % 64);
    }
}

static void put_word(struct oxp_event *event, enum oxp_field field, const char *word) {
    put(event, field, oxp_view_from(word));
}

static bool is_named(const struct oxp_event *event, struct oxp_view name) {
    for (size_t i = 0; i < event->attr_count; i++) {
        if (oxp_view_equal(event->attrs[i].name, name)) {
            return true;
        }
    }
    return false;
}

static void put_attr(struct oxp_event *event, struct oxp_view name, struct oxp_view value) {
    enum { NAME_MAX_BYTES = 128 };
    if (name.len == 0 || name.len > NAME_MAX_BYTES || value.len == 0 || oxp_ascii_has_controls(name) ||
        event->attr_count == OXP_EVENT_ATTRS_MAX) {
        return;
    }
    struct oxp_event_pair pair = {clean(event, name, NAME_MAX_BYTES), OXP_VIEW("[redacted]")};
    if (!oxp_scrub_is_secret_name(pair.name)) {
        pair.value = clean(event, value, oxp_field_spec(OXP_FIELD_ATTRS)->limit);
    }
    if (pair.name.len > 0 && !is_named(event, pair.name)) {
        event->attrs[event->attr_count++] = pair;
    }
}

/* ---- Events ---- */

/* The id that the record states, or the one in its text. */
static struct oxp_view id_of(const struct oxp_audit_record *record, struct oxp_view stated, const char *name) {
    struct oxp_view text = record->is_audit ? record->details : record->message;
    return stated.len > 0 ? stated : oxp_audit_value_of(text, name);
}

/* An event of this type with the record's time and ids. */
static struct oxp_event *begin(struct oxp_audit_reader *audit, const struct oxp_audit_record *record,
                               enum oxp_event_type type) {
    struct oxp_event *event = &audit->event;
    oxp_event_clear(event);
    event->type = type;
    put_word(event, OXP_FIELD_TYPE, oxp_type_spec(type)->name);
    if (record->has_ts) {
        event->values[OXP_FIELD_TS].number = record->ts;
        event->present[OXP_FIELD_TS / 64] |= UINT64_C(1) << (OXP_FIELD_TS % 64);
    }
    put(event, OXP_FIELD_WORKFLOW, id_of(record, record->workflow, "workflow_name"));
    struct oxp_view session = id_of(record, record->session, "session_id");
    put(event, OXP_FIELD_SESSION, id_of(record, session, "browserbase_session_id"));
    struct oxp_view task = id_of(record, record->task, "stagehand_task_id");
    put(event, OXP_FIELD_TASK, id_of(record, task, "task_id"));
    put(event, OXP_FIELD_TRACE_ID, id_of(record, record->trace_id, "trace_id"));
    put(event, OXP_FIELD_SPAN_ID, record->span_id);
    return event;
}

/* Hands it on when it has all that its type needs. */
static void finish(const struct oxp_event *event, const struct oxp_audit_sink *sink) {
    const uint64_t *required = oxp_type_required(event->type);
    for (unsigned word = 0; word < OXP_FIELD_WORDS; word++) {
        if ((required[word] & ~event->present[word]) != 0) {
            return;
        }
    }
    sink->event(sink->ctx, event);
}

static void add_attrs(struct oxp_event *event, const struct oxp_audit_record *record) {
    static const char *const in_text[] = {"project_id", "stagehand_execution_id"};
    for (size_t i = 0; i < record->attr_count; i++) {
        put_attr(event, record->attrs[i].name, record->attrs[i].value);
    }
    for (size_t i = 0; i < sizeof in_text / sizeof in_text[0]; i++) {
        put_attr(event, oxp_view_from(in_text[i]), id_of(record, oxp_view_of(NULL, 0), in_text[i]));
    }
}

/* The name of an error's class in a text: the first word that ends so, without its module ("openai.RateLimitError"). */
static struct oxp_view class_in(struct oxp_view text) {
    static const struct oxp_view ends[] = {{"Error", 5}, {"Exception", 9}};
    for (size_t i = 0, start = 0; text.len > 0 && i <= text.len; i++) {
        char c = (char)(i == text.len ? ' ' : text.ptr[i]);
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_') {
            continue;
        }
        struct oxp_view word = oxp_view_of(text.ptr + start, i - start);
        start = i + 1;
        for (unsigned e = 0; e < 2; e++) {
            if (word.len >= NAME_LEAST && word.len <= 64 && word.len > ends[e].len &&
                memcmp(word.ptr + word.len - ends[e].len, ends[e].ptr, ends[e].len) == 0) {
                return word;
            }
        }
    }
    return oxp_view_of(NULL, 0);
}

/* What a creation is called until its session is known. */
static void put_ref(struct oxp_event *event) {
    char ref[128];
    struct oxp_view workflow = oxp_event_text(event, OXP_FIELD_WORKFLOW);
    size_t room = sizeof event->scratch - event->scratch_len;
    int len = snprintf(ref, sizeof ref, "audit/%.*s", (int)workflow.len, workflow.len == 0 ? "" : workflow.ptr);
    if (len > 0 && (size_t)len < sizeof ref && (size_t)len <= room) {
        char *out = event->scratch + event->scratch_len;
        memcpy(out, ref, (size_t)len);
        event->scratch_len += (size_t)len;
        put(event, OXP_FIELD_REF, oxp_view_of(out, (size_t)len));
    }
}

static void tell_error(struct oxp_audit_reader *audit, const struct oxp_audit_record *record,
                       const struct effect *effect, const struct oxp_audit_sink *sink) {
    struct oxp_event *event = begin(audit, record, OXP_EVENT_ERROR);
    struct oxp_view text = record->is_audit ? record->details : record->message;
    put_word(event, OXP_FIELD_OP, effect->op);
    put_word(event, OXP_FIELD_UPSTREAM, effect->upstream);
    put(event, OXP_FIELD_NAME, class_in(text));
    put(event, OXP_FIELD_MESSAGE, text);
    put(event, OXP_FIELD_COMPONENT, record->logger);
    put(event, OXP_FIELD_STACK, record->stack);
    if (record->level == OXP_AUDIT_CRITICAL) {
        put_word(event, OXP_FIELD_SEVERITY, "critical");
    }
    if (effect->thing == CREATE) {
        put_ref(event);
    }
    finish(event, sink);
}

static void tell_effect(struct oxp_audit_reader *audit, const struct oxp_audit_record *record,
                        const struct effect *effect, const struct oxp_audit_sink *sink) {
    struct oxp_event *event = begin(audit, record, effect->type);
    put_word(event, OXP_FIELD_STATUS, effect->status);
    if (effect->thing == CREATE) {
        put_ref(event);
    }
    finish(event, sink);
}

static void tell_meaning(struct oxp_audit_reader *audit, const struct oxp_audit_record *record, struct meaning meaning,
                         const struct oxp_audit_sink *sink) {
    for (size_t i = 0; i < sizeof effects / sizeof effects[0]; i++) {
        const struct effect *effect = &effects[i];
        if (effect->thing != meaning.thing || effect->outcome != meaning.outcome) {
            continue;
        }
        if (effect->type == OXP_EVENT_ERROR) {
            tell_error(audit, record, effect, sink);
        } else {
            tell_effect(audit, record, effect, sink);
        }
    }
    /* An action that is not in the table is an error when it failed. */
    if (meaning.thing == NOTHING && (meaning.outcome == FAILED || meaning.outcome == TIMED_OUT)) {
        tell_error(audit, record, &(struct effect){.thing = NOTHING}, sink);
    }
}

static void tell_audit(struct oxp_audit_reader *audit, const struct oxp_audit_record *record, struct meaning meaning,
                       const struct oxp_audit_sink *sink) {
    struct oxp_event *event = begin(audit, record, OXP_EVENT_AUDIT);
    put(event, OXP_FIELD_ACTION, record->action);
    put(event, OXP_FIELD_STATUS, record->status);
    put(event, OXP_FIELD_DETAILS, record->details);
    put(event, OXP_FIELD_COMPONENT, record->logger);
    put_word(event, OXP_FIELD_OUTCOME, outcome_names[meaning.outcome]);
    if (record->level == OXP_AUDIT_WARNING || record->level == OXP_AUDIT_CRITICAL) { /* what no outcome says */
        put_word(event, OXP_FIELD_LEVEL, oxp_audit_level_name(record->level));
    }
    add_attrs(event, record);
    finish(event, sink);
}

static void tell_log(struct oxp_audit_reader *audit, const struct oxp_audit_record *record,
                     const struct oxp_audit_sink *sink) {
    struct oxp_event *event = begin(audit, record, OXP_EVENT_LOG);
    put_word(event, OXP_FIELD_LEVEL, oxp_audit_level_name(record->level));
    put(event, OXP_FIELD_LOGGER, record->logger);
    put(event, OXP_FIELD_MESSAGE, record->message);
    add_attrs(event, record);
    finish(event, sink);
}

void oxp_audit_tell(struct oxp_audit_reader *audit, const struct oxp_audit_record *record,
                    const struct oxp_audit_sink *sink) {
    if (record->is_audit) {
        struct meaning meaning = meaning_of(record);
        tell_audit(audit, record, meaning, sink);
        tell_meaning(audit, record, meaning, sink);
        return;
    }
    tell_log(audit, record, sink);
    if (record->level >= OXP_AUDIT_ERROR) {
        tell_error(audit, record, &(struct effect){.thing = NOTHING}, sink);
    }
}
