#include "lib/client/encode.h"

#include "lib/base/buf.h"
#include "lib/base/scrub.h"
#include "lib/base/utf8.h"

#define SHORT_LIMIT 64 /* bytes; of every text that is not in the table */
#define TEXT_MAX 6144
#define SCRUB_MORE 256 /* bytes looked at behind a cut, so that a secret is not cut in two and missed */
#define FIRST_MAX 256  /* longer texts are written last, and cut */
#define COUNT_MAX (UINT64_C(1) << 53)

/* Limits of texts: the table of events (docs/events.md), which a test holds this one against. */
/* clang-format off: a table */
static const struct limit {
    struct oxp_view key;
    unsigned bytes;
    bool id;
} limits[] = {
    {{"name", 4}, 64, true},       {{"model", 5}, 64, true},      {{"component", 9}, 64, true},
    {{"fix", 3}, 64, true},        {{"ref", 3}, 128, true},       {{"old", 3}, 128, true},
    {{"incident", 8}, 128, true},  {{"logger", 6}, 128, false},   {{"parent_id", 9}, 64, true},
    {{"mount", 5}, 64, true},      {{"reason", 6}, 256, false},   {{"site", 4}, 256, false},
    {{"cause", 5}, 1024, false},   {{"message", 7}, 4096, false}, {{"report", 6}, 4096, false},
    {{"details", 7}, 4096, false}, {{"stack", 5}, 6144, false},
};
/* clang-format on */

size_t oxp_encode_limit(struct oxp_view key, bool *id_out) {
    *id_out = false;
    if (oxp_view_starts(key, OXP_VIEW("attrs."))) {
        return 1024;
    }
    if (oxp_view_starts(key, OXP_VIEW("labels."))) {
        return 256;
    }
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (oxp_view_equal(limits[i].key, key)) {
            *id_out = limits[i].id;
            return limits[i].bytes;
        }
    }
    return SHORT_LIMIT;
}

static bool is_control(char c) {
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* ---- Texts ---- */

/* Bytes that stand for themselves in a JSON string: printable ASCII but for the quote and the backslash. */
static bool is_plain(char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* `before`, `text` and `after` in one piece, when every byte of `text` stands for itself: nearly every key and id does.
 * False, and nothing is appended, when one does not, or there is no room. */
static bool append_if_plain(struct oxp_buf *buf, struct oxp_view before, struct oxp_view text, struct oxp_view after) {
    if (buf->status != OXP_OK || buf->cap - buf->len < before.len + text.len + after.len) {
        return false;
    }
    char *to = buf->data + buf->len; /* never grows: oxp_encode */
    memcpy(to, before.ptr, before.len);
    to += before.len;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_plain(text.ptr[i])) {
            return false;
        }
        to[i] = text.ptr[i];
    }
    memcpy(to + text.len, after.ptr, after.len);
    oxp_buf_commit(buf, before.len + text.len + after.len);
    return true;
}

/* What the plain way does not do well: control characters of ids, and bytes that are not UTF-8, which grow to three
 * when they become U+FFFD. Apart, so that a caller's stack holds the buffer only when it is needed. */
static __attribute__((noinline)) void append_mended(struct oxp_buf *buf, struct oxp_view text, size_t limit, bool id) {
    char clean[TEXT_MAX];
    size_t len = 0;
    while (text.len > 0) {
        size_t valid = oxp_utf8_valid_prefix(text);
        struct oxp_view part = oxp_utf8_cut(oxp_view_of(text.ptr, valid), limit - len);
        memcpy(clean + len, part.ptr, part.len);
        len += part.len;
        if (part.len < valid || valid == text.len || limit - len < 3) {
            break;
        }
        len += oxp_utf8_encode(0xfffd, clean + len);
        text = oxp_view_of(text.ptr + valid + 1, text.len - valid - 1);
    }
    for (size_t i = 0; id && i < len; i++) {
        clean[i] = (char)(is_control(clean[i]) ? '_' : clean[i]);
    }
    oxp_buf_append_json_string(buf, oxp_view_of(clean, len));
}

static bool needs_mending(struct oxp_view text, bool id) {
    for (size_t i = 0; id && i < text.len; i++) {
        if (is_control(text.ptr[i])) {
            return true;
        }
    }
    return !oxp_utf8_is_valid(text);
}

static void append_plain(struct oxp_buf *buf, struct oxp_view text, size_t limit, bool id) {
    struct oxp_view part = text.len > limit ? oxp_utf8_cut(text, limit) : text;
    size_t start = buf->len;
    if (buf->status != OXP_OK || append_if_plain(buf, OXP_VIEW("\""), part, OXP_VIEW("\""))) {
        return;
    }
    oxp_buf_append_json_string(buf, part);
    if (buf->len - start != part.len + 2 && needs_mending(part, id)) {
        buf->status = OXP_OK;
        buf->len = start;
        append_mended(buf, text, limit, id);
    }
}

static __attribute__((noinline)) void append_scrubbed(struct oxp_buf *buf, struct oxp_view text, size_t limit,
                                                      bool id) {
    char clean[TEXT_MAX + 2 * SCRUB_MORE];
    append_plain(buf, oxp_view_of(clean, oxp_scrub(text, clean, sizeof clean)), limit, id);
}

/* `text` as a JSON string, within `limit`. */
static void append_text(struct oxp_buf *buf, struct oxp_view text, size_t limit, bool id) {
    text.len = text.len > limit + SCRUB_MORE ? limit + SCRUB_MORE : text.len;
    if (oxp_scrub_suspects(text)) {
        append_scrubbed(buf, text, limit, id);
    } else {
        append_plain(buf, text, limit, id);
    }
}

static void append_id(struct oxp_buf *buf, struct oxp_view key, struct oxp_view id, size_t limit) {
    if (id.len != 0) {
        oxp_buf_append_view(buf, key);
        append_text(buf, id, limit, true);
    }
}

static void append_ids(struct oxp_buf *buf, const struct oxp_ids *ids) {
    append_id(buf, OXP_VIEW(",\"workflow\":"), ids->workflow, 64);
    append_id(buf, OXP_VIEW(",\"run\":"), ids->run, 128);
    append_id(buf, OXP_VIEW(",\"session\":"), ids->session, 128);
    append_id(buf, OXP_VIEW(",\"task\":"), ids->task, 128);
    append_id(buf, OXP_VIEW(",\"trace_id\":"), ids->trace_id, 64);
    append_id(buf, OXP_VIEW(",\"span_id\":"), ids->span_id, 64);
}

/* ---- Pairs ---- */

/* The list as it is being written: which group is open, and whether it has something in it. */
struct pairs {
    struct oxp_buf *buf;
    struct oxp_view group; /* empty = none */
    bool any;
};

static void close_group(struct pairs *pairs) {
    if (pairs->group.len != 0) {
        oxp_buf_append_char(pairs->buf, '}');
        pairs->group.len = 0;
    }
}

/* Writes the comma and the key; gives the key's part behind the dot. */
static void begin_pair(struct pairs *pairs, struct oxp_view key) {
    const char *dot = memchr(key.ptr, '.', key.len);
    struct oxp_view group = oxp_view_of(key.ptr, dot == NULL ? 0 : (size_t)(dot - key.ptr));
    if (!oxp_view_equal(group, pairs->group)) {
        close_group(pairs);
        pairs->any = true;
        if (group.len != 0) {
            oxp_buf_append_char(pairs->buf, ',');
            oxp_buf_append_json_string(pairs->buf, group);
            oxp_buf_append_text(pairs->buf, ":{");
            pairs->group = group;
            pairs->any = false;
        }
    }
    bool comma = pairs->any || pairs->group.len == 0;
    pairs->any = true;
    size_t skip = dot == NULL ? 0 : group.len + 1;
    struct oxp_view name = oxp_view_of(key.ptr + skip, key.len - skip);
    if (append_if_plain(pairs->buf, comma ? OXP_VIEW(",\"") : OXP_VIEW("\""), name, OXP_VIEW("\":"))) {
        return;
    }
    if (comma) {
        oxp_buf_append_char(pairs->buf, ',');
    }
    oxp_buf_append_json_string(pairs->buf, name);
    oxp_buf_append_char(pairs->buf, ':');
}

static void append_value(struct pairs *pairs, const struct oxp_pair *pair, struct oxp_view key, size_t limit, bool id) {
    switch (pair->kind) {
    case OXP_PAIR_TEXT:
        if (pairs->group.len != 0 &&
            oxp_scrub_is_secret_name(oxp_view_of(key.ptr + pairs->group.len + 1, key.len - pairs->group.len - 1))) {
            oxp_buf_append_text(pairs->buf, "\"[redacted]\"");
        } else {
            append_text(pairs->buf, pair->value.text, limit, id);
        }
        break;
    case OXP_PAIR_NUMBER: { /* only the value of a metric may be negative, and what is the host's own */
        double number = pair->value.number;
        bool real = number >= 0 || pairs->group.len != 0 || oxp_view_is(key, "value");
        oxp_buf_append_json_double(pairs->buf, real ? number : 0);
        break;
    }
    case OXP_PAIR_COUNT:
        oxp_buf_append_u64(pairs->buf, pair->value.count < COUNT_MAX ? pair->value.count : COUNT_MAX);
        break;
    default:
        oxp_buf_append_text(pairs->buf, pair->value.flag ? "true" : "false");
    }
}

/* Appends a pair, or nothing when there is no room; a long text is cut to what there is. */
static void append_pair(struct pairs *pairs, const struct oxp_pair *pair) {
    struct oxp_view key = oxp_view_from(pair->key);
    bool text = pair->kind == OXP_PAIR_TEXT, id = false;
    size_t limit = text ? oxp_encode_limit(key, &id) : 0;
    for (;;) {
        struct pairs before = *pairs;
        size_t len = pairs->buf->len;
        begin_pair(pairs, key);
        append_value(pairs, pair, key, limit, id);
        if (pairs->buf->status == OXP_OK) {
            return;
        }
        pairs->buf->status = OXP_OK;
        pairs->buf->len = len;
        *pairs = before;
        limit = (limit < pair->value.text.len || !text ? limit : pair->value.text.len) * 3 / 4;
        if (!text || limit < 32) {
            return;
        }
    }
}

/* Long texts and the host's own maps come last: what a type needs is never among them. */
static bool comes_last(const struct oxp_pair *pair) {
    char first = pair->key[0];
    return (pair->kind == OXP_PAIR_TEXT && pair->value.text.len > FIRST_MAX) ||
           (first == 'a' && strncmp(pair->key, "attrs.", 6) == 0) ||
           (first == 'l' && strncmp(pair->key, "labels.", 7) == 0);
}

static void append_pairs(struct oxp_buf *buf, const struct oxp_report *report) {
    struct pairs pairs = {.buf = buf};
    size_t last = 0;
    for (size_t i = 0; i < report->count; i++) {
        const struct oxp_pair *pair = &report->pairs[i];
        if (pair->kind == OXP_PAIR_NONE) {
            continue;
        }
        if (comes_last(pair)) {
            last++;
        } else {
            append_pair(&pairs, pair);
        }
    }
    for (size_t i = 0; last > 0 && i < report->count; i++) {
        const struct oxp_pair *pair = &report->pairs[i];
        if (pair->kind != OXP_PAIR_NONE && comes_last(pair)) {
            append_pair(&pairs, pair);
            last--;
        }
    }
    buf->cap = buf->size;
    close_group(&pairs);
}

bool oxp_encode(const struct oxp_report *report, struct oxp_encoded *out) {
    struct oxp_view type = oxp_view_from(report->type);
    if (type.len == 0 || type.len > 64 || oxp_view_is(type, "orchestrator.started")) {
        return false;
    }
    out->head = (struct oxp_record){.size = 0};
    /* The body's own memory, of which the cap keeps the buffer from ever growing; a brace's room is left. */
    struct oxp_buf buf = {.data = out->body, .size = sizeof out->body, .cap = sizeof out->body - 1};
    oxp_buf_append_text(&buf, "\"type\":");
    oxp_buf_append_json_string(&buf, type);
    if (report->ids != NULL) {
        append_ids(&buf, report->ids);
    }
    append_pairs(&buf, report);
    out->head.body_len = (uint16_t)buf.len;
    oxp_watch(report, out);
    return buf.status == OXP_OK;
}
