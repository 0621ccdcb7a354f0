#include "lib/net/head.h"

#include "lib/base/ascii.h"

void oxp_head_init(struct oxp_head *head) {
    *head = (struct oxp_head){0};
    oxp_buf_init(&head->lines, 0);
}

void oxp_head_fini(struct oxp_head *head) {
    oxp_buf_fini(&head->lines);
}

static bool fits(struct oxp_head *head, size_t len) {
    head->full = head->full || len > OXP_HEAD_MAX - head->lines.len;
    return !head->full;
}

/* The value as it came, but for bytes that would end the line or the text. */
static void append_value(struct oxp_head *head, struct oxp_view value) {
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '\0' || c == '\r' || c == '\n') {
            c = ' ';
        }
        oxp_buf_append_char(&head->lines, c);
    }
    oxp_buf_append_char(&head->lines, '\n');
}

static void append_folded(struct oxp_head *head, struct oxp_view line) {
    struct oxp_view more = oxp_ascii_trim(line, " \t\r\n");
    if (head->lines.len != 0 && head->lines.status == OXP_OK && fits(head, more.len + 1)) {
        head->lines.data[head->lines.len - 1] = ' ';
        append_value(head, more);
    }
}

static void append_header(struct oxp_head *head, struct oxp_view line) {
    const char *colon = line.len == 0 ? NULL : memchr(line.ptr, ':', line.len);
    if (colon == NULL || colon == line.ptr) {
        return;
    }
    struct oxp_view name = oxp_ascii_trim(oxp_view_of(line.ptr, (size_t)(colon - line.ptr)), " \t\r\n");
    struct oxp_view value =
        oxp_ascii_trim(oxp_view_of(colon + 1, line.len - (size_t)(colon - line.ptr) - 1), " \t\r\n");
    if (!fits(head, name.len + 2 + value.len + 1)) {
        return;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c >= 'A' && c <= 'Z') {
            c |= 0x20;
        }
        oxp_buf_append_char(&head->lines, c);
    }
    oxp_buf_append(&head->lines, ": ", 2);
    append_value(head, value);
}

void oxp_head_take(struct oxp_head *head, struct oxp_view line) {
    if (oxp_view_starts(line, OXP_VIEW("HTTP/"))) {
        oxp_buf_clear(&head->lines);
        head->open = true;
        head->full = false;
    } else if (oxp_ascii_trim(line, " \t\r\n").len == 0) {
        head->open = false;
    } else if (head->open && (line.ptr[0] == ' ' || line.ptr[0] == '\t')) {
        append_folded(head, line);
    } else if (head->open) {
        append_header(head, line);
    }
}
