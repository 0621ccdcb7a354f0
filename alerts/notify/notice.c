#include "alerts/notify/notice.h"

#include "lib/base/clock.h"
#include <stdlib.h>

#define FNV_OFFSET UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)
#define SEPARATOR '\xff' /* no byte of UTF-8 */

/* ---- One block ---- */

struct cutter { /* hands out the bytes behind the struct and its pairs */
    char *at;
};

static struct oxp_view put(struct cutter *cutter, struct oxp_view text) {
    struct oxp_view copy = oxp_view_of(cutter->at, text.len);
    if (text.len != 0) {
        memcpy(cutter->at, text.ptr, text.len);
    }
    cutter->at += text.len;
    return copy;
}

static size_t bytes_of(struct oxp_pairs pairs) {
    size_t bytes = 0;
    for (size_t i = 0; i < pairs.count; i++) {
        bytes += pairs.pair[i].name.len + pairs.pair[i].value.len;
    }
    return bytes;
}

static struct oxp_pairs copy_pairs(struct cutter *cutter, struct oxp_pair *room, struct oxp_pairs pairs) {
    for (size_t i = 0; i < pairs.count; i++) {
        room[i].name = put(cutter, pairs.pair[i].name);
        room[i].value = put(cutter, pairs.pair[i].value);
    }
    return (struct oxp_pairs){room, pairs.count};
}

/* The key's bytes hold names and values of the labels, so these point into it. */
static struct oxp_pairs copy_labels(struct cutter *cutter, struct oxp_pair *room, struct oxp_pairs pairs) {
    for (size_t i = 0; i < pairs.count; i++) {
        room[i].name = put(cutter, pairs.pair[i].name);
        *cutter->at++ = SEPARATOR;
        room[i].value = put(cutter, pairs.pair[i].value);
        *cutter->at++ = SEPARATOR;
    }
    return (struct oxp_pairs){room, pairs.count};
}

struct oxp_notice *oxp_notice_new(const struct oxp_notice *shape) {
    size_t pairs = shape->labels.count + shape->annotations.count;
    size_t key = bytes_of(shape->labels) + 2 * shape->labels.count;
    size_t head = sizeof(struct oxp_notice) + pairs * sizeof(struct oxp_pair);
    struct oxp_notice *notice = malloc(head + key + bytes_of(shape->annotations) + shape->generator.len + 1);
    if (notice == NULL) {
        return NULL;
    }
    struct oxp_pair *room = (struct oxp_pair *)(void *)(notice + 1);
    struct cutter cutter = {(char *)notice + head};
    notice->holders = 1;
    notice->key = oxp_view_of(cutter.at, key);
    notice->labels = copy_labels(&cutter, room, shape->labels);
    notice->annotations = copy_pairs(&cutter, room + shape->labels.count, shape->annotations);
    notice->generator = put(&cutter, shape->generator);
    notice->fingerprint = oxp_notice_fingerprint(notice->key);
    return notice;
}

struct oxp_notice *oxp_notice_hold(struct oxp_notice *notice) {
    notice->holders++;
    return notice;
}

void oxp_notice_drop(struct oxp_notice *notice) {
    if (notice != NULL && --notice->holders == 0) {
        free(notice);
    }
}

void oxp_notice_key(struct oxp_buf *out, struct oxp_pairs labels) {
    for (size_t i = 0; i < labels.count; i++) {
        oxp_buf_append_view(out, labels.pair[i].name);
        oxp_buf_append_char(out, SEPARATOR);
        oxp_buf_append_view(out, labels.pair[i].value);
        oxp_buf_append_char(out, SEPARATOR);
    }
}

/* Names in order, name, separator, value, separator (common/model: labelSetToFingerprint): just the key's bytes. */
uint64_t oxp_notice_fingerprint(struct oxp_view key) {
    uint64_t hash = FNV_OFFSET;
    for (size_t i = 0; i < key.len; i++) {
        hash = (hash ^ (unsigned char)key.ptr[i]) * FNV_PRIME;
    }
    return hash;
}

/* ---- Pairs ---- */

bool oxp_pairs_equal(struct oxp_pairs a, struct oxp_pairs b) {
    bool equal = a.count == b.count;
    for (size_t i = 0; equal && i < a.count; i++) {
        equal = oxp_view_equal(a.pair[i].name, b.pair[i].name) && oxp_view_equal(a.pair[i].value, b.pair[i].value);
    }
    return equal;
}

struct oxp_view oxp_pairs_get(struct oxp_pairs pairs, struct oxp_view name) {
    for (size_t i = 0; i < pairs.count; i++) {
        if (oxp_view_equal(pairs.pair[i].name, name)) {
            return pairs.pair[i].value;
        }
    }
    return oxp_view_of("", 0);
}

struct oxp_pairs oxp_pairs_of(const struct oxp_labels *labels, struct oxp_pair *room) {
    size_t count = 0;
    for (size_t i = 0; labels != NULL && i < labels->count && count < OXP_NOTICE_PAIRS; i++, count++) {
        room[count] =
            (struct oxp_pair){oxp_symbol_view(labels->label[i].name), oxp_symbol_view(labels->label[i].value)};
    }
    return (struct oxp_pairs){room, count};
}

int oxp_text_order(struct oxp_view a, struct oxp_view b) {
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter == 0 ? 0 : memcmp(a.ptr, b.ptr, shorter);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_names(const void *left, const void *right) {
    return oxp_text_order(((const struct oxp_pair *)left)->name, ((const struct oxp_pair *)right)->name);
}

struct oxp_pairs oxp_pairs_of_json(const struct oxp_json *object, struct oxp_pair *room) {
    struct oxp_view key;
    void *place = NULL;
    size_t count = 0;
    for (const struct oxp_json *member = oxp_json_next(object, &place, &key);
         member != NULL && count < OXP_NOTICE_PAIRS; member = oxp_json_next(object, &place, &key)) {
        room[count++] = (struct oxp_pair){key, oxp_json_text_of(member)};
    }
    qsort(room, count, sizeof *room, compare_names);
    return (struct oxp_pairs){room, count};
}

void oxp_pairs_format(struct oxp_buf *out, struct oxp_pairs pairs) {
    oxp_buf_append_char(out, '{');
    for (size_t i = 0; i < pairs.count; i++) {
        oxp_buf_append_text(out, i == 0 ? "" : ", ");
        oxp_buf_append_view(out, pairs.pair[i].name);
        oxp_buf_append_char(out, '=');
        oxp_text_quote(out, pairs.pair[i].value);
    }
    oxp_buf_append_char(out, '}');
}

void oxp_pairs_json(struct oxp_buf *out, struct oxp_pairs pairs) {
    oxp_buf_append_char(out, '{');
    for (size_t i = 0; i < pairs.count; i++) {
        oxp_buf_append_text(out, i == 0 ? "" : ",");
        oxp_buf_append_json_string(out, pairs.pair[i].name);
        oxp_buf_append_char(out, ':');
        oxp_buf_append_json_string(out, pairs.pair[i].value);
    }
    oxp_buf_append_char(out, '}');
}

/* ---- Texts ---- */

void oxp_time_json(struct oxp_buf *out, int64_t unix_ms) {
    char text[25];
    oxp_wall_format((struct oxp_wall){unix_ms * OXP_NS_PER_MS}, text);
    size_t len = 23; /* up to the Z: 2026-11-22T04:26:00.123 */
    while (len > 20 && text[len - 1] == '0') {
        len--;
    }
    len -= len == 20; /* the point alone */
    oxp_buf_append_format(out, "\"%.*sZ\"", (int)len, text);
}

void oxp_generator_url(struct oxp_buf *out, struct oxp_view base, struct oxp_view expression) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    if (base.len == 0) {
        return;
    }
    base.len -= base.ptr[base.len - 1] == '/';
    oxp_buf_append_view(out, base);
    oxp_buf_append_text(out, "/graph?g0.expr=");
    for (size_t i = 0; i < expression.len; i++) {
        char c = expression.ptr[i];
        if (c != '\0' && strchr(plain, c) != NULL) {
            oxp_buf_append_char(out, c);
        } else if (c == ' ') {
            oxp_buf_append_char(out, '+');
        } else {
            oxp_buf_append_format(out, "%%%02X", (unsigned char)c);
        }
    }
    oxp_buf_append_text(out, "&g0.tab=1");
}
