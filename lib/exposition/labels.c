/* Label sets: "{a=\"x\",b=\"y\"}", of a sample or of its exemplar. */
#include "lib/exposition/scan.h"

#include <stdlib.h>

static int compare_names(const void *a, const void *b) {
    const struct oxp_read_label *left = a, *right = b;
    size_t len = left->name.len < right->name.len ? left->name.len : right->name.len;
    int order = memcmp(left->name.ptr, right->name.ptr, len);
    if (order == 0) {
        order = (left->name.len > right->name.len) - (left->name.len < right->name.len);
    }
    /* equal names: the later one last, so that the error points at it */
    return order != 0 ? order : (left->name.ptr > right->name.ptr) - (left->name.ptr < right->name.ptr);
}

static enum oxp_status grow_labels(struct oxp_label_set *set) {
    size_t size = set->size == 0 ? 8 : set->size * 2;
    struct oxp_read_label *items = realloc(set->items, size * sizeof *items);
    if (items == NULL) {
        return OXP_ERR_NOMEM;
    }
    set->items = items;
    struct oxp_read_label *sorted = realloc(set->sorted, size * sizeof *sorted);
    if (sorted == NULL) {
        return OXP_ERR_NOMEM;
    }
    set->sorted = sorted;
    set->size = size;
    return OXP_OK;
}

/* Insertion for the few labels that a series has; qsort so that a hostile line costs no square. */
static void sort_labels(struct oxp_label_set *set) {
    memcpy(set->sorted, set->items, set->count * sizeof *set->items);
    if (set->count > 16) {
        qsort(set->sorted, set->count, sizeof *set->sorted, compare_names);
        return;
    }
    for (size_t i = 1; i < set->count; i++) {
        struct oxp_read_label label = set->sorted[i];
        size_t j = i;
        for (; j > 0 && compare_names(&set->sorted[j - 1], &label) > 0; j--) {
            set->sorted[j] = set->sorted[j - 1];
        }
        set->sorted[j] = label;
    }
}

static enum oxp_status check_unique(struct oxp_scan *scan, struct oxp_label_set *set) {
    if (set->count == 0) {
        return OXP_OK;
    }
    sort_labels(set);
    for (size_t i = 1; i < set->count; i++) {
        if (oxp_view_equal(set->sorted[i - 1].name, set->sorted[i].name)) {
            struct oxp_view name = set->sorted[i].name;
            return OXP_SCAN_FAIL(scan, name.ptr, "label \"%.*s\" stands twice", OXP_SHOW(name));
        }
    }
    return OXP_OK;
}

/* The character that stands for the escape `\c`, or -1. ABNF `escaped-char`. */
int oxp_scan_unescape(int c) {
    return c == 'n' ? '\n' : c == '"' || c == '\\' ? c : -1;
}

/* The text up to the closing quote, unescaped. Without an escape it is a view of the input. */
static enum oxp_status take_label_value(struct oxp_scan *scan, struct oxp_view *value_out) {
    if (!oxp_cursor_take_char(&scan->cursor, '"')) {
        return OXP_SCAN_FAIL(scan, scan->cursor.pos, "expected a label value in double quotes");
    }
    struct oxp_buf *scratch = &scan->reader->scratch;
    size_t scratch_from = scratch->len;
    const char *run = scan->cursor.pos;
    for (;;) {
        int c = oxp_cursor_peek(&scan->cursor);
        if (c < 0) {
            return OXP_SCAN_FAIL(scan, scan->cursor.pos, "expected the closing quote of a label value");
        }
        if (c == '"') {
            break;
        }
        scan->cursor.pos++;
        if (c == '\\') {
            int meant = oxp_scan_unescape(oxp_cursor_peek(&scan->cursor));
            if (meant < 0) {
                return OXP_SCAN_FAIL(scan, scan->cursor.pos - 1, "expected one of the escapes \\\\ \\\" \\n");
            }
            oxp_buf_append(scratch, run, (size_t)(scan->cursor.pos - 1 - run));
            oxp_buf_append_char(scratch, (char)meant);
            run = ++scan->cursor.pos;
        }
    }
    struct oxp_view rest = oxp_view_of(run, (size_t)(scan->cursor.pos - run));
    if (scratch->len > scratch_from) {
        oxp_buf_append_view(scratch, rest);
        rest = oxp_view_of(scratch->data + scratch_from, scratch->len - scratch_from);
    }
    *value_out = rest;
    scan->cursor.pos++; /* the quote */
    return OXP_OK;
}

static enum oxp_status check_label_name(struct oxp_scan *scan, struct oxp_view name) {
    if (name.len == 0 || (name.ptr[0] >= '0' && name.ptr[0] <= '9')) {
        return OXP_SCAN_FAIL(scan, name.ptr, "expected a label name ([a-zA-Z_][a-zA-Z0-9_]*)");
    }
    /* OpenMetrics, "Label": names beginning with underscores are reserved and must not be used. */
    if (oxp_scan_is_openmetrics(scan) && name.ptr[0] == '_') {
        return OXP_SCAN_FAIL(scan, name.ptr, "label name \"%.*s\" is reserved: it begins with an underscore",
                             OXP_SHOW(name));
    }
    if (oxp_view_is(name, "__name__")) {
        return OXP_SCAN_FAIL(scan, name.ptr, "label name \"__name__\" is reserved");
    }
    return OXP_OK;
}

static enum oxp_status take_label(struct oxp_scan *scan, struct oxp_label_set *set) {
    enum oxp_status status = set->count == set->size ? grow_labels(set) : OXP_OK;
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_read_label *label = &set->items[set->count];
    label->name = oxp_cursor_take_while(&scan->cursor, oxp_scan_is_label_char);
    status = check_label_name(scan, label->name);
    if (status != OXP_OK) {
        return status;
    }
    oxp_scan_blanks(scan);
    if (!oxp_cursor_take_char(&scan->cursor, '=')) {
        return OXP_SCAN_FAIL(scan, scan->cursor.pos, "expected \"=\" behind label name \"%.*s\"",
                             OXP_SHOW(label->name));
    }
    oxp_scan_blanks(scan);
    status = take_label_value(scan, &label->value);
    oxp_scan_blanks(scan);
    set->count++;
    return status;
}

enum oxp_status oxp_scan_labels(struct oxp_scan *scan, struct oxp_label_set *set) {
    oxp_cursor_take_char(&scan->cursor, '{');
    oxp_scan_blanks(scan);
    for (bool first = true; !oxp_cursor_take_char(&scan->cursor, '}'); first = false) {
        if (!first) {
            if (!oxp_cursor_take_char(&scan->cursor, ',')) {
                return OXP_SCAN_FAIL(scan, scan->cursor.pos, "expected \",\" or \"}\" behind a label value");
            }
            oxp_scan_blanks(scan);
            if (!oxp_scan_is_openmetrics(scan) && oxp_cursor_take_char(&scan->cursor, '}')) {
                break; /* text: a comma may stand behind the last label */
            }
        }
        enum oxp_status status = take_label(scan, set);
        if (status != OXP_OK) {
            return status;
        }
    }
    return check_unique(scan, set);
}
