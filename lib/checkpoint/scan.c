#include "lib/checkpoint/scan.h"

size_t oxp_scan_space(struct oxp_view text, size_t pos) {
    while (pos < text.len &&
           (text.ptr[pos] == ' ' || text.ptr[pos] == '\t' || text.ptr[pos] == '\n' || text.ptr[pos] == '\r')) {
        pos++;
    }
    return pos;
}

size_t oxp_scan_string(struct oxp_view text, size_t pos) {
    for (pos++; pos < text.len; pos++) {
        if (text.ptr[pos] == '"') {
            return pos + 1;
        }
        if (text.ptr[pos] == '\\') {
            pos++;
        }
    }
    return text.len;
}

static size_t scan_nested(struct oxp_view text, size_t pos) {
    size_t depth = 0;
    while (pos < text.len) {
        char c = text.ptr[pos];
        if (c == '"') {
            pos = oxp_scan_string(text, pos);
            continue;
        }
        pos++;
        if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return pos;
        }
    }
    return text.len;
}

size_t oxp_scan_value(struct oxp_view text, size_t pos) {
    if (pos >= text.len) {
        return text.len;
    }
    if (text.ptr[pos] == '"') {
        return oxp_scan_string(text, pos);
    }
    if (text.ptr[pos] == '{' || text.ptr[pos] == '[') {
        return scan_nested(text, pos);
    }
    size_t end = pos;
    while (end < text.len && text.ptr[end] != ',' && text.ptr[end] != '}' && text.ptr[end] != ']' &&
           oxp_scan_space(text, end) == end) {
        end++;
    }
    return end;
}

struct oxp_view oxp_scan_member(struct oxp_view object, struct oxp_view name) {
    size_t pos = oxp_scan_space(object, object.len == 0 ? 0 : 1);
    while (pos < object.len && object.ptr[pos] == '"') {
        size_t behind = oxp_scan_string(object, pos);
        struct oxp_view found = oxp_view_of(object.ptr + pos + 1, behind - pos < 2 ? 0 : behind - pos - 2);
        size_t value = oxp_scan_space(object, oxp_scan_space(object, behind) + 1);
        size_t end = oxp_scan_value(object, value);
        if (oxp_view_equal(found, name)) {
            return end > value ? oxp_view_of(object.ptr + value, end - value) : oxp_view_of(NULL, 0);
        }
        pos = oxp_scan_space(object, oxp_scan_space(object, end) + 1); /* behind the comma */
    }
    return oxp_view_of(NULL, 0);
}
