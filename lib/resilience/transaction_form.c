#include "lib/resilience/transaction_form.h"

#include "lib/base/crc32.h"
#include "lib/base/cursor.h"
#include "lib/base/number.h"
#include <stddef.h>

static const char magic[] = "oxpecker-transaction 1 ";
static const char hex_digits[16] = {'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};
enum { MAGIC_LEN = sizeof magic - 1, CRC_LEN = 8 };

static const struct {
    const char *name;
    size_t offset;
} id_rows[] = {{"workflow", offsetof(struct oxp_ids, workflow)},
               {"run", offsetof(struct oxp_ids, run)},
               {"session", offsetof(struct oxp_ids, session)},
               {"task", offsetof(struct oxp_ids, task)},
               {"trace_id", offsetof(struct oxp_ids, trace_id)}};
enum { ID_ROWS = sizeof id_rows / sizeof *id_rows };

static void write_item(struct oxp_buf *buf, const char *what, struct oxp_view name, struct oxp_view value) {
    oxp_buf_append_text(buf, what);
    oxp_buf_append_char(buf, ' ');
    oxp_buf_append_view(buf, name);
    oxp_buf_append_char(buf, ' ');
    oxp_buf_append_u64(buf, value.len);
    oxp_buf_append_char(buf, '\n');
    oxp_buf_append_view(buf, value);
    oxp_buf_append_char(buf, '\n');
}

void oxp_transaction_write(struct oxp_buf *buf, const struct oxp_ids *ids, const struct oxp_step *steps, size_t count) {
    size_t begin = buf->len;
    oxp_buf_append_format(buf, "%s%08x\n", magic, 0u);
    size_t body = buf->len;
    for (size_t i = 0; i < ID_ROWS; i++) {
        struct oxp_view value = *(const struct oxp_view *)(const void *)((const char *)ids + id_rows[i].offset);
        if (value.len != 0) {
            write_item(buf, "id", oxp_view_from(id_rows[i].name), value);
        }
    }
    for (size_t i = 0; i < count; i++) {
        write_item(buf, "step", steps[i].kind, steps[i].data);
    }
    if (oxp_buf_status(buf) != OXP_OK) {
        return;
    }
    uint32_t crc = oxp_crc32c(0, buf->data + body, buf->len - body);
    for (size_t i = 0; i < CRC_LEN; i++) {
        buf->data[begin + MAGIC_LEN + i] = hex_digits[crc >> (28 - 4 * i) & 15];
    }
}

static bool is_blank(unsigned char c) {
    return c == ' ';
}

/* "<name> <bytes>\n<value>\n" */
static bool read_item(struct oxp_cursor *cursor, struct oxp_view *name_out, struct oxp_view *value_out) {
    uint64_t len = 0;
    *name_out = oxp_cursor_take_until(cursor, is_blank);
    if (!oxp_cursor_take_char(cursor, ' ') || oxp_number_parse_u64(oxp_cursor_take_line(cursor), &len) != OXP_OK ||
        len >= oxp_cursor_left(cursor)) {
        return false;
    }
    *value_out = oxp_view_of(cursor->pos, (size_t)len);
    cursor->pos += len;
    return oxp_cursor_take_char(cursor, '\n');
}

static void keep_id(struct oxp_ids *ids, struct oxp_view name, struct oxp_view value) {
    for (size_t i = 0; i < ID_ROWS; i++) {
        if (oxp_view_is(name, id_rows[i].name)) {
            *(struct oxp_view *)(void *)((char *)ids + id_rows[i].offset) = value;
        } /* others are of a newer version */
    }
}

static bool has_good_head(struct oxp_cursor *cursor) {
    uint32_t said = 0;
    if (!oxp_cursor_take(cursor, oxp_view_of(magic, MAGIC_LEN))) {
        return false;
    }
    struct oxp_view digits = oxp_cursor_take_line(cursor);
    for (size_t i = 0; i < digits.len; i++) {
        const char *at = memchr(hex_digits, digits.ptr[i], sizeof hex_digits);
        if (at == NULL) {
            return false;
        }
        said = said << 4 | (uint32_t)(at - hex_digits);
    }
    return digits.len == CRC_LEN && said == oxp_crc32c(0, cursor->pos, oxp_cursor_left(cursor));
}

enum oxp_status oxp_transaction_read(struct oxp_view text, struct oxp_ids *ids_out, struct oxp_step *steps,
                                     size_t *count_out, struct oxp_error *error) {
    struct oxp_cursor cursor = oxp_cursor_over(text);
    memset(ids_out, 0, sizeof *ids_out);
    *count_out = 0;
    if (!has_good_head(&cursor)) {
        return oxp_error_set(error, OXP_ERR_CORRUPT, 1, 1,
                             "not a whole transaction: its first line or checksum is wrong");
    }
    while (!oxp_cursor_at_end(&cursor)) {
        struct oxp_view name, value;
        bool is_step = oxp_cursor_take(&cursor, OXP_VIEW("step "));
        if ((!is_step && !oxp_cursor_take(&cursor, OXP_VIEW("id "))) || !read_item(&cursor, &name, &value) ||
            *count_out == OXP_TRANSACTION_STEPS_MAX) {
            return oxp_error_set(error, OXP_ERR_CORRUPT, cursor.line, 1, "not an id or a step");
        }
        if (is_step) {
            steps[(*count_out)++] = (struct oxp_step){name, value};
        } else {
            keep_id(ids_out, name, value);
        }
    }
    return OXP_OK;
}
