#include "lib/checkpoint/redact.h"

#include <stdint.h>
#include <stdlib.h>

#include "lib/base/scrub.h"
#include "lib/checkpoint/scan.h"
#include "lib/json/json.h"

struct redactor {
    struct oxp_buf *out;
    struct oxp_view in;
    size_t pos;
    unsigned depth;
    uint64_t objects; /* bit n: what is open at depth n is an object */
    bool name_next;
    unsigned names; /* that were replaced */
    const char *const *plain_names;
    enum oxp_status status;
};

/* "[redacted]" is longer than the shortest secret (one byte), so the text may grow. */
static void append_scrubbed(struct oxp_buf *out, struct oxp_view text) {
    size_t size = text.len * 3 + 16;
    char *scrubbed = malloc(size);
    if (scrubbed == NULL) {
        out->status = out->status == OXP_OK ? OXP_ERR_NOMEM : out->status;
        return;
    }
    size_t len = oxp_scrub(text, scrubbed, size);
    oxp_buf_append_json_string(out, oxp_view_of(scrubbed, len));
    free(scrubbed);
}

void oxp_redact_text(struct oxp_buf *out, struct oxp_view text) {
    if (oxp_scrub_suspects(text)) {
        append_scrubbed(out, text);
    } else {
        oxp_buf_append_json_string(out, text);
    }
}

static bool is_plain_name(const struct redactor *redactor, struct oxp_view name) {
    for (const char *const *plain = redactor->plain_names; plain != NULL && *plain != NULL; plain++) {
        if (oxp_view_is(name, *plain)) {
            return true;
        }
    }
    return false;
}

static void copy_until(struct redactor *redactor, size_t end) {
    oxp_buf_append(redactor->out, redactor->in.ptr + redactor->pos, end - redactor->pos);
    redactor->pos = end;
}

/* The value behind a name that says secret. What cannot hide anything stays. */
static void replace_value(struct redactor *redactor) {
    size_t start = oxp_scan_space(redactor->in, oxp_scan_space(redactor->in, redactor->pos) + 1);
    start = start > redactor->in.len ? redactor->in.len : start;
    copy_until(redactor, start);
    size_t end = oxp_scan_value(redactor->in, start);
    struct oxp_view value = oxp_view_of(redactor->in.ptr + start, end - start);
    if (oxp_view_is(value, "null") || oxp_view_is(value, "true") || oxp_view_is(value, "false")) {
        copy_until(redactor, end);
        return;
    }
    oxp_buf_append_text(redactor->out, "\"[redacted]\"");
    redactor->pos = end;
}

static void redact_name(struct redactor *redactor, struct oxp_view name, size_t end) {
    if (oxp_scrub_suspects(name)) {
        oxp_buf_append_format(redactor->out, "\"[redacted-%u]\"", ++redactor->names); /* names stay apart */
        redactor->pos = end;
    } else {
        copy_until(redactor, end);
    }
    if (oxp_scrub_is_secret_name(name) && !is_plain_name(redactor, name)) {
        replace_value(redactor);
    }
}

static void redact_plain_string(struct redactor *redactor, struct oxp_view text, size_t end) {
    if (redactor->name_next) {
        redactor->name_next = false;
        redact_name(redactor, text, end);
    } else if (oxp_scrub_suspects(text)) {
        append_scrubbed(redactor->out, text);
        redactor->pos = end;
    } else {
        copy_until(redactor, end);
    }
}

/* The string at pos. One with escapes is unescaped first: "\u0062b_live_…" is a key too. */
static void redact_string(struct redactor *redactor) {
    size_t end = oxp_scan_string(redactor->in, redactor->pos);
    struct oxp_view quoted = oxp_view_of(redactor->in.ptr + redactor->pos, end - redactor->pos);
    if (quoted.len >= 2 && memchr(quoted.ptr, '\\', quoted.len) == NULL) {
        redact_plain_string(redactor, oxp_view_of(quoted.ptr + 1, quoted.len - 2), end);
        return;
    }
    struct oxp_json *text = NULL;
    redactor->status = oxp_json_read(quoted, &text, NULL);
    if (redactor->status == OXP_OK) {
        redact_plain_string(redactor, oxp_json_text_of(text), end);
    }
    oxp_json_free(text);
}

static bool open_level(struct redactor *redactor, bool object) {
    if (redactor->depth >= OXP_REDACT_DEPTH_MAX) {
        redactor->status = OXP_ERR_SYNTAX;
        return false;
    }
    redactor->depth++;
    redactor->objects &= ~(UINT64_C(1) << redactor->depth);
    redactor->objects |= (uint64_t)object << redactor->depth;
    redactor->name_next = object;
    return true;
}

static void step(struct redactor *redactor) {
    char c = redactor->in.ptr[redactor->pos];
    switch (c) {
    case '"':
        redact_string(redactor);
        return;
    case '{':
    case '[':
        if (!open_level(redactor, c == '{')) {
            return;
        }
        break;
    case '}':
    case ']':
        redactor->depth -= redactor->depth > 0;
        redactor->name_next = false;
        break;
    case ',':
        redactor->name_next = (redactor->objects >> redactor->depth & 1) != 0;
        break;
    default:
        break;
    }
    size_t end = redactor->pos + 1;
    while (end < redactor->in.len && strchr("\"{}[],", redactor->in.ptr[end]) == NULL) {
        end++;
    }
    copy_until(redactor, end);
}

enum oxp_status oxp_redact_json(struct oxp_buf *out, struct oxp_view json, const char *const *plain_names,
                                struct oxp_error *error) {
    struct oxp_json *value = NULL;
    enum oxp_status status = oxp_json_read(json, &value, error);
    oxp_json_free(value);
    if (status != OXP_OK) {
        return status;
    }
    size_t start = out->len;
    struct redactor redactor = {.out = out, .in = json, .plain_names = plain_names};
    while (redactor.pos < json.len && redactor.status == OXP_OK) {
        step(&redactor);
    }
    if (redactor.status == OXP_ERR_SYNTAX) {
        return oxp_error_set(error, OXP_ERR_SYNTAX, 0, 0, "nested more than %d deep", OXP_REDACT_DEPTH_MAX);
    }
    status = redactor.status != OXP_OK ? redactor.status : oxp_buf_status(out);
    if (status == OXP_OK && redactor.names > 0) { /* a replaced name may now stand there twice */
        status = oxp_json_read(oxp_view_of(out->data + start, out->len - start), &value, error);
        oxp_json_free(status == OXP_OK ? value : NULL);
    }
    return status;
}
