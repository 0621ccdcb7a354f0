/* A failure is one block: the struct, and behind it the bytes of every text it keeps, scrubbed on their way in. Room is
 * reckoned before anything is copied, so making one is a single allocation, and the one that stands for no memory is
 * static. */
#include <oxpecker/failure.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/scrub.h"
#include "lib/base/utf8.h"
#include "lib/resilience/determinism.h"
#include "lib/resilience/failure_chain.h"
#include "lib/resilience/stack.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHAIN_MAX = 16,
    CLEANUPS_MAX = 8,
    TEXT_MAX = 256,   /* bytes of every text but the message and the stack */
    STACK_MAX = 6144, /* what an error event takes (docs/events.md) */
    CAUSE_MAX = 1024, /* likewise */
    SCRUB_ROOM = 16,  /* that a secret's replacement may be longer by */
    ATTRS_LEN = 6,    /* of "attrs.", which stands before every key */
    PAIRS_MAX = OXP_FAILURE_ATTRIBUTES_MAX + 24,
};

struct oxp_failure {
    const struct oxp_code *code;
    struct oxp_view message, component, phase, ref, region, model, op, upstream, name, errno_name, stack;
    struct oxp_ids ids;
    struct oxp_pair attributes[OXP_FAILURE_ATTRIBUTES_MAX]; /* each key with "attrs." in front of it */
    size_t attribute_count;
    int status, ws_code;
    double occurred_s, made_s;
    struct oxp_failure *cause;
    struct oxp_failure *cleanups[CLEANUPS_MAX];
    size_t cleanup_count;
    unsigned cleanups_left_out, causes_left_out;
    struct oxp_failure *next; /* in a list that is worked off: freeing, reporting */
    bool is_static, is_cleanup, is_reported;
};

static struct oxp_failure no_memory = {
    .message = {"out of memory while a failure was put down", 42},
    .component = {"liboxpecker", 11},
    .is_static = true,
};

static const struct oxp_evidence no_memory_evidence = {.errno_name = {"ENOMEM", 6}};

/* ---- Making one ---- */

/* Every text of a failure: where it comes from, where it goes, how much of it is kept. */
struct text {
    struct oxp_view from;
    struct oxp_view *to;
    size_t most;
};

enum { TEXTS = 16 };

static void list_texts(struct text texts[TEXTS], const struct oxp_evidence *evidence,
                       const struct oxp_failure_context *context, struct oxp_failure *to) {
    const struct text list[TEXTS] = {
        {evidence->message, &to->message, OXP_FAILURE_MESSAGE_MAX},
        {context->component, &to->component, TEXT_MAX},
        {context->phase, &to->phase, TEXT_MAX},
        {context->ref, &to->ref, TEXT_MAX},
        {context->region, &to->region, TEXT_MAX},
        {context->model, &to->model, TEXT_MAX},
        {evidence->op, &to->op, TEXT_MAX},
        {evidence->upstream, &to->upstream, TEXT_MAX},
        {evidence->name, &to->name, TEXT_MAX},
        {evidence->errno_name, &to->errno_name, TEXT_MAX},
        {context->ids.workflow, &to->ids.workflow, TEXT_MAX},
        {context->ids.run, &to->ids.run, TEXT_MAX},
        {context->ids.session, &to->ids.session, TEXT_MAX},
        {context->ids.task, &to->ids.task, TEXT_MAX},
        {context->ids.trace_id, &to->ids.trace_id, TEXT_MAX},
        {context->ids.span_id, &to->ids.span_id, TEXT_MAX},
    };
    memcpy(texts, list, sizeof list);
}

static size_t room_for(struct oxp_view text, size_t most) {
    return (text.len < most ? text.len : most) + SCRUB_ROOM;
}

static size_t attribute_room(const struct oxp_pair *pair) {
    size_t room = ATTRS_LEN + strnlen(pair->key, TEXT_MAX) + 1;
    return room + (pair->kind == OXP_PAIR_TEXT ? room_for(pair->value.text, TEXT_MAX) : 0);
}

/* Copies a text to the pool, cut and without its secrets. */
static struct oxp_view keep(char **pool, struct oxp_view text, size_t most) {
    size_t room = room_for(text, most);
    struct oxp_view kept = {*pool, oxp_scrub(text, *pool, room)};
    if (kept.len > most) {
        kept = oxp_utf8_cut(kept, most);
    } else if (kept.len == room) { /* it ended where the room did, maybe within a character */
        kept = oxp_utf8_cut(kept, room - 1);
    }
    *pool += room;
    return kept;
}

static void keep_attribute(struct oxp_failure *failure, char **pool, const struct oxp_pair *pair) {
    size_t key_len = strnlen(pair->key, TEXT_MAX);
    struct oxp_pair *kept = &failure->attributes[failure->attribute_count++];
    *kept = *pair;
    kept->key = *pool;
    memcpy(*pool, "attrs.", ATTRS_LEN);
    memcpy(*pool + ATTRS_LEN, pair->key, key_len);
    (*pool)[ATTRS_LEN + key_len] = '\0';
    *pool += ATTRS_LEN + key_len + 1;
    if (pair->kind == OXP_PAIR_TEXT) {
        bool secret = oxp_scrub_is_secret_name(oxp_view_of(pair->key, key_len));
        kept->value.text = secret ? OXP_VIEW("[redacted]") : keep(pool, pair->value.text, TEXT_MAX);
    }
}

static bool says_nothing(const struct oxp_evidence *evidence, const struct oxp_code *code) {
    return evidence->code.len == 0 && strcmp(code->name, "unknown") == 0;
}

struct oxp_failure *oxp_failure_new(const struct oxp_evidence *evidence, const struct oxp_failure_context *context) {
    static const struct oxp_failure_context nowhere;
    struct text texts[TEXTS];
    char stack[STACK_MAX];
    context = context == NULL ? &nowhere : context;
    size_t attributes = context->attribute_count;
    attributes = attributes < OXP_FAILURE_ATTRIBUTES_MAX ? attributes : OXP_FAILURE_ATTRIBUTES_MAX;
    size_t stack_len = context->stack ? oxp_stack_text(stack, sizeof stack, 1) : 0;
    size_t room = stack_len + SCRUB_ROOM;
    list_texts(texts, evidence, context, &no_memory); /* for their lengths alone */
    for (size_t i = 0; i < TEXTS; i++) {
        room += room_for(texts[i].from, texts[i].most);
    }
    for (size_t i = 0; i < attributes; i++) {
        room += attribute_room(&context->attributes[i]);
    }
    struct oxp_failure *failure = calloc(1, sizeof *failure + room);
    if (failure == NULL) {
        return &no_memory;
    }
    char *pool = (char *)(failure + 1);
    list_texts(texts, evidence, context, failure);
    for (size_t i = 0; i < TEXTS; i++) {
        *texts[i].to = keep(&pool, texts[i].from, texts[i].most);
    }
    for (size_t i = 0; i < attributes; i++) {
        keep_attribute(failure, &pool, &context->attributes[i]);
    }
    failure->stack = keep(&pool, oxp_view_of(stack, stack_len), STACK_MAX);
    failure->code = oxp_classify(evidence);
    failure->status = evidence->status;
    failure->ws_code = evidence->ws_code;
    failure->made_s = oxp_clock_wall_s(NULL);
    failure->occurred_s = context->occurred_s > 0 ? context->occurred_s : failure->made_s;
    return failure;
}

/* A chain that is too long loses the links behind its newest one: the first cause and the newest failure say most. */
static void shorten(struct oxp_failure *failure) {
    size_t length = 0;
    for (const struct oxp_failure *link = failure; link != NULL; link = link->cause) {
        length++;
    }
    for (; length > CHAIN_MAX; length--) {
        struct oxp_failure *left_out = failure->cause;
        failure->cause = left_out->cause;
        failure->causes_left_out += left_out->causes_left_out + 1;
        left_out->cause = NULL;
        oxp_failure_free(left_out);
    }
}

struct oxp_failure *oxp_failure_wrap(struct oxp_failure *cause, const struct oxp_evidence *evidence,
                                     const struct oxp_failure_context *context) {
    struct oxp_failure *failure = oxp_failure_new(evidence, context);
    if (cause == NULL) {
        return failure;
    }
    if (failure->is_static) {
        return cause; /* what happened is worth more than where it passed by */
    }
    failure->cause = cause;
    if (says_nothing(evidence, failure->code)) {
        failure->code = oxp_failure_code(cause);
    }
    if (context == NULL || !(context->occurred_s > 0)) {
        failure->occurred_s = cause->is_static ? failure->occurred_s : cause->occurred_s;
    }
    shorten(failure);
    return failure;
}

struct oxp_failure *oxp_failure_follow(struct oxp_failure *before, struct oxp_failure *failure) {
    if (before == NULL || failure->is_static) {
        return before == NULL ? failure : before;
    }
    struct oxp_failure *last = failure;
    while (last->cause != NULL && !last->cause->is_static) {
        last = last->cause;
    }
    last->cause = before;
    shorten(failure);
    return failure;
}

struct oxp_failure *oxp_failure_cleanup(struct oxp_failure *first, struct oxp_failure *cleanup) {
    if (first == NULL || cleanup == NULL || first == cleanup) {
        return first == NULL ? cleanup : first;
    }
    if (first->is_static) { /* shared by all threads: it is never written to */
        oxp_failure_free(cleanup);
        return first;
    }
    if (cleanup->is_static || first->cleanup_count == CLEANUPS_MAX) {
        first->cleanups_left_out++;
        oxp_failure_free(cleanup);
        return first;
    }
    cleanup->is_cleanup = true;
    first->cleanups[first->cleanup_count++] = cleanup;
    return first;
}

/* Every failure that hangs on `first`, as a list: its causes, their cleanups, and what hangs on those. A list, as
 * chains of cleanups of causes may be deep. */
static void list_all(struct oxp_failure *first) {
    struct oxp_failure *last = first;
    first->next = NULL;
    for (struct oxp_failure *at = first; at != NULL; at = at->next) {
        for (size_t i = 0; i < at->cleanup_count; i++) {
            last = last->next = at->cleanups[i];
            last->next = NULL;
        }
        if (at->cause != NULL && !at->cause->is_static) {
            last = last->next = at->cause;
            last->next = NULL;
        }
    }
}

void oxp_failure_free(struct oxp_failure *failure) {
    if (failure == NULL || failure->is_static) {
        return;
    }
    list_all(failure);
    for (struct oxp_failure *next = NULL; failure != NULL; failure = next) {
        next = failure->next;
        free(failure);
    }
}

/* ---- Reading one ---- */

const struct oxp_code *oxp_failure_code(const struct oxp_failure *failure) {
    return failure->code != NULL ? failure->code : oxp_classify(&no_memory_evidence);
}

void oxp_failure_reclassify(struct oxp_failure *failure, const struct oxp_code *code) {
    if (!failure->is_static && code != NULL) {
        failure->code = code;
    }
}

struct oxp_view oxp_failure_message(const struct oxp_failure *failure) {
    return failure->message;
}

struct oxp_view oxp_failure_component(const struct oxp_failure *failure) {
    return failure->component;
}

struct oxp_view oxp_failure_op(const struct oxp_failure *failure) {
    return failure->op;
}

struct oxp_view oxp_failure_upstream(const struct oxp_failure *failure) {
    return failure->upstream;
}

struct oxp_view oxp_failure_stack(const struct oxp_failure *failure) {
    return failure->stack;
}

const struct oxp_ids *oxp_failure_ids(const struct oxp_failure *failure) {
    return &failure->ids;
}

double oxp_failure_occurred_s(const struct oxp_failure *failure) {
    return failure->is_static ? oxp_clock_wall_s(NULL) : failure->occurred_s;
}

double oxp_failure_made_s(const struct oxp_failure *failure) {
    return failure->is_static ? oxp_clock_wall_s(NULL) : failure->made_s;
}

const struct oxp_failure *oxp_failure_cause(const struct oxp_failure *failure) {
    return failure->cause;
}

const struct oxp_failure *oxp_failure_cleanup_at(const struct oxp_failure *failure, size_t index) {
    return index < failure->cleanup_count ? failure->cleanups[index] : NULL;
}

bool oxp_failure_attribute_at(const struct oxp_failure *failure, size_t index, struct oxp_pair *pair_out) {
    if (index >= failure->attribute_count) {
        return false;
    }
    *pair_out = failure->attributes[index];
    pair_out->key += ATTRS_LEN;
    return true;
}

uint64_t oxp_failure_fingerprint(const struct oxp_failure *failure) {
    const struct oxp_view parts[] = {oxp_view_from(oxp_failure_code(failure)->name), failure->component, failure->op};
    uint64_t mixed = oxp_message_fingerprint(failure->message);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        for (size_t k = 0; k < parts[i].len; k++) {
            mixed = (mixed ^ (unsigned char)parts[i].ptr[k]) * UINT64_C(0x100000001b3);
        }
        mixed = (mixed ^ 0xff) * UINT64_C(0x100000001b3); /* FNV-1a; no byte of UTF-8 is 0xff */
    }
    return mixed;
}

/* ---- Saying it ---- */

/* "bb_auth in sessions (session.create): 401 key refused" */
static void say_line(struct oxp_buf *buf, const struct oxp_failure *failure) {
    oxp_buf_append_text(buf, oxp_failure_code(failure)->name);
    if (failure->component.len != 0) {
        oxp_buf_append_text(buf, " in ");
        oxp_buf_append_view(buf, failure->component);
    }
    if (failure->op.len != 0) {
        oxp_buf_append_text(buf, " (");
        oxp_buf_append_view(buf, failure->op);
        oxp_buf_append_text(buf, ")");
    }
    oxp_buf_append_text(buf, ": ");
    if (failure->name.len != 0) {
        oxp_buf_append_view(buf, failure->name);
        oxp_buf_append_text(buf, ": ");
    }
    if (failure->status != 0) {
        oxp_buf_append_format(buf, "%d ", failure->status);
    }
    oxp_buf_append_view(buf, failure->message.len != 0 ? failure->message : failure->errno_name);
}

static struct oxp_view say_causes(struct oxp_buf *buf, const struct oxp_failure *failure) {
    for (const struct oxp_failure *cause = failure->cause; cause != NULL; cause = cause->cause) {
        if (buf->len != 0) {
            oxp_buf_append_text(buf, "; ");
        }
        say_line(buf, cause);
    }
    return oxp_utf8_cut(oxp_buf_view(buf), CAUSE_MAX);
}

static void report_one(const struct oxp_failure *failure, struct oxp_reporter *reporter, bool unhandled) {
    struct oxp_buf causes;
    struct oxp_pair pairs[PAIRS_MAX];
    const struct oxp_code *code = oxp_failure_code(failure);
    size_t count = 0;
    oxp_buf_init(&causes, 0);
    pairs[count++] = oxp_pair_text("code", oxp_view_from(code->name));
    pairs[count++] = oxp_pair_text("category", oxp_view_from(code->category));
    pairs[count++] = oxp_pair_text("severity", oxp_view_from(code->severity));
    pairs[count++] = oxp_pair_text("upstream", failure->upstream);
    pairs[count++] = oxp_pair_text("op", failure->op);
    pairs[count++] = oxp_pair_text("name", failure->name);
    pairs[count++] = oxp_pair_text("errno", failure->errno_name);
    pairs[count++] = oxp_pair_text("component", failure->component);
    pairs[count++] = oxp_pair_text("phase", failure->phase);
    pairs[count++] = oxp_pair_text("ref", failure->ref);
    pairs[count++] = oxp_pair_text("region", failure->region);
    pairs[count++] = oxp_pair_text("model", failure->model);
    pairs[count++] = oxp_pair_text("message", failure->message);
    pairs[count++] = oxp_pair_text("cause", say_causes(&causes, failure));
    pairs[count++] = oxp_pair_text("stack", failure->stack);
    pairs[count++] = oxp_pair_number("occurred_at", failure->is_static ? NAN : failure->occurred_s);
    if (failure->status > 0) {
        pairs[count++] = oxp_pair_count("status", (uint64_t)failure->status);
    }
    if (failure->ws_code > 0) {
        pairs[count++] = oxp_pair_count("ws_code", (uint64_t)failure->ws_code);
    }
    if (unhandled) {
        pairs[count++] = oxp_pair_flag("unhandled", true);
    }
    if (failure->is_cleanup) {
        pairs[count++] = oxp_pair_flag("cleanup", true);
    }
    for (size_t i = 0; i < failure->attribute_count; i++) {
        pairs[count++] = failure->attributes[i];
    }
    oxp_report(reporter, "error", &failure->ids, pairs, count);
    oxp_buf_fini(&causes);
}

static void report_all(struct oxp_failure *failure, struct oxp_reporter *reporter, bool unhandled) {
    if (reporter == NULL || failure->is_reported) {
        return;
    }
    report_one(failure, reporter, unhandled);
    if (failure->is_static) { /* that one is shared by all threads, and has nothing hanging on it */
        return;
    }
    failure->is_reported = true;
    list_all(failure);
    for (struct oxp_failure *at = failure->next; at != NULL; at = at->next) { /* causes stand in what they caused */
        if (at->is_cleanup && !at->is_reported) {
            at->is_reported = true;
            report_one(at, reporter, false);
        }
    }
}

void oxp_failure_report(struct oxp_failure *failure, struct oxp_reporter *reporter) {
    report_all(failure, reporter, false);
}

void oxp_failure_report_unhandled(struct oxp_failure *failure, struct oxp_reporter *reporter) {
    report_all(failure, reporter, true);
}

static void say_attributes(struct oxp_buf *buf, const struct oxp_failure *failure) {
    struct oxp_pair pair;
    for (size_t i = 0; oxp_failure_attribute_at(failure, i, &pair); i++) {
        oxp_buf_append_format(buf, "\n  %s: ", pair.key);
        switch (pair.kind) {
        case OXP_PAIR_TEXT:
            oxp_buf_append_view(buf, pair.value.text);
            break;
        case OXP_PAIR_NUMBER:
            oxp_buf_append_double(buf, pair.value.number);
            break;
        case OXP_PAIR_COUNT:
            oxp_buf_append_u64(buf, pair.value.count);
            break;
        case OXP_PAIR_FLAG:
            oxp_buf_append_text(buf, pair.value.flag ? "true" : "false");
            break;
        case OXP_PAIR_NONE:
            oxp_buf_append_text(buf, "unknown");
            break;
        }
    }
}

char *oxp_failure_text(const struct oxp_failure *failure) {
    struct oxp_buf buf;
    oxp_buf_init(&buf, 0);
    say_line(&buf, failure);
    for (const struct oxp_failure *link = failure; link != NULL; link = link->cause) {
        if (link != failure) {
            oxp_buf_append_text(&buf, "\n  caused by ");
            say_line(&buf, link);
        }
        if (link->causes_left_out != 0) {
            oxp_buf_append_format(&buf, "\n  … %u between left out", link->causes_left_out);
        }
    }
    for (const struct oxp_failure *link = failure; link != NULL; link = link->cause) {
        for (size_t i = 0; i < link->cleanup_count; i++) {
            oxp_buf_append_text(&buf, "\n  while cleaning up: ");
            say_line(&buf, link->cleanups[i]);
        }
        if (link->cleanups_left_out != 0) {
            oxp_buf_append_format(&buf, "\n  … %u more while cleaning up", link->cleanups_left_out);
        }
    }
    say_attributes(&buf, failure);
    if (failure->stack.len != 0) {
        oxp_buf_append_text(&buf, "\n");
        oxp_buf_append_view(&buf, failure->stack);
    }
    return oxp_buf_take(&buf, NULL);
}
