#include "lib/checkpoint/key.h"

#include <inttypes.h>
#include <oxpecker/checkpoint.h>
#include <stdio.h>

#include "lib/base/map.h"
#include "lib/base/number.h"
#include "lib/base/scrub.h"
#include "lib/base/utf8.h"

#define SEQ_DIGITS 16  /* microseconds until the year 2286 */
#define HASH_SUFFIX 18 /* "_h" and 16 digits */

bool oxp_task_is_valid(struct oxp_view task) {
    if (task.len == 0 || task.len > OXP_CHECKPOINT_TASK_MAX || !oxp_utf8_is_valid(task)) {
        return false;
    }
    for (size_t i = 0; i < task.len; i++) {
        if ((unsigned char)task.ptr[i] < 0x20 || task.ptr[i] == 0x7f) {
            return false;
        }
    }
    return !oxp_scrub_suspects(task);
}

static bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
}

static bool stands_for_itself(struct oxp_view task, size_t i) {
    char c = task.ptr[i];
    bool looks_escaped = c == '_' && i + 1 < task.len && task.ptr[i + 1] == 'x';
    return is_plain(c) && !looks_escaped && !(c == '.' && i == 0);
}

void oxp_part_of_task(struct oxp_view task, char out[OXP_PART_MAX + 1]) {
    size_t len = 0;
    for (size_t i = 0; i < task.len; i++) {
        bool plain = stands_for_itself(task, i);
        size_t need = plain ? 1 : 4;
        if (len + need > OXP_PART_MAX) {
            size_t keep = len > OXP_PART_MAX - HASH_SUFFIX ? OXP_PART_MAX - HASH_SUFFIX : len;
            uint64_t hash = oxp_hash(task.ptr, task.len, 0); /* seed 0: the same in every process */
            snprintf(out + keep, OXP_PART_MAX + 1 - keep, "_h%016" PRIx64, hash);
            return;
        }
        if (plain) {
            out[len] = task.ptr[i];
        } else {
            snprintf(out + len, 5, "_x%02X", (unsigned)(unsigned char)task.ptr[i]);
        }
        len += need;
    }
    out[len] = '\0';
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

size_t oxp_task_of_part(struct oxp_view part, char *out, size_t size) {
    size_t len = 0;
    for (size_t i = 0; i < part.len && len < size; i++) {
        bool escape = part.ptr[i] == '_' && part.len - i > 3 && part.ptr[i + 1] == 'x' &&
                      hex_value(part.ptr[i + 2]) >= 0 && hex_value(part.ptr[i + 3]) >= 0;
        if (escape) {
            out[len++] = (char)(hex_value(part.ptr[i + 2]) * 16 + hex_value(part.ptr[i + 3]));
            i += 3;
        } else {
            out[len++] = part.ptr[i];
        }
    }
    return len;
}

void oxp_key_write(char out[OXP_KEY_SIZE], struct oxp_view part, uint64_t seq, bool corrupt) {
    snprintf(out, OXP_KEY_SIZE, "%.*s.%0*" PRIu64 ".%s", (int)part.len, part.ptr, SEQ_DIGITS, seq,
             corrupt ? "corrupt" : "json");
}

static bool cut_end(struct oxp_view *text, struct oxp_view end) {
    if (text->len < end.len || memcmp(text->ptr + text->len - end.len, end.ptr, end.len) != 0) {
        return false;
    }
    text->len -= end.len;
    return true;
}

bool oxp_key_read(const char *key, struct oxp_key *key_out) {
    struct oxp_view rest = oxp_view_from(key);
    key_out->corrupt = cut_end(&rest, OXP_VIEW(".corrupt"));
    if (!key_out->corrupt && !cut_end(&rest, OXP_VIEW(".json"))) {
        return false;
    }
    size_t digits = 0;
    while (digits < rest.len && rest.ptr[rest.len - digits - 1] >= '0' && rest.ptr[rest.len - digits - 1] <= '9') {
        digits++;
    }
    size_t dot = rest.len - digits;
    if (digits < SEQ_DIGITS || dot < 2 || rest.ptr[dot - 1] != '.' || dot - 1 > OXP_PART_MAX) {
        return false;
    }
    key_out->part = oxp_view_of(rest.ptr, dot - 1);
    struct oxp_view number = oxp_view_of(rest.ptr + dot, digits);
    return oxp_number_parse_u64(number, &key_out->seq) == OXP_OK;
}
