#include "exporter/watch/follow.h"

#include "lib/base/crc32.h"
#include "lib/base/cursor.h"
#include "lib/base/number.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* One line: "oxpecker-position 1 DEVICE INODE OFFSET HEAD_LEN HEAD_CRC CHECK", CHECK being the CRC-32C of what stands
 * before it. */

#define PREFIX "oxpecker-position 1 "

enum { LINE_BYTES = 160, FIELDS = 6 };

enum oxp_status oxp_follow_position_save(const char *path, const struct oxp_follow_position *position) {
    char line[LINE_BYTES], fresh[4096];
    int len = snprintf(line, sizeof line, PREFIX "%llu %llu %llu %u %u ", (unsigned long long)position->device,
                       (unsigned long long)position->inode, (unsigned long long)position->offset, position->head_len,
                       position->head_crc);
    len += snprintf(line + len, sizeof line - (size_t)len, "%u\n", oxp_crc32c(0, line, (size_t)len));
    int path_len = snprintf(fresh, sizeof fresh, "%s.new", path);
    if (path_len < 0 || (size_t)path_len >= sizeof fresh) {
        return OXP_ERR_LIMIT;
    }
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return oxp_status_from_errno(errno);
    }
    ssize_t written = write(fd, line, (size_t)len);
    int error = written < 0 ? errno : EIO;
    if (close(fd) != 0 && written == len) {
        error = errno;
        written = -1;
    }
    if (written == len && rename(fresh, path) == 0) {
        return OXP_OK;
    }
    error = written == len ? errno : error;
    unlink(fresh);
    return oxp_status_from_errno(error);
}

static bool is_digit(unsigned char c) {
    return c >= '0' && c <= '9';
}

static enum oxp_status parse(struct oxp_view text, struct oxp_follow_position *position) {
    struct oxp_cursor cursor = oxp_cursor_over(text);
    uint64_t fields[FIELDS];
    size_t checked = 0;
    if (!oxp_cursor_take(&cursor, OXP_VIEW(PREFIX))) {
        return OXP_ERR_CORRUPT;
    }
    for (unsigned i = 0; i < FIELDS; i++) {
        checked = (size_t)(cursor.pos - cursor.start);
        if (oxp_number_parse_u64(oxp_cursor_take_while(&cursor, is_digit), &fields[i]) != OXP_OK ||
            !oxp_cursor_take_char(&cursor, i + 1 < FIELDS ? ' ' : '\n')) {
            return OXP_ERR_CORRUPT;
        }
    }
    if (!oxp_cursor_at_end(&cursor) || fields[5] != oxp_crc32c(0, text.ptr, checked) ||
        fields[3] > OXP_FOLLOW_HEAD_MAX || fields[4] > UINT32_MAX || fields[2] > INT64_MAX) {
        return OXP_ERR_CORRUPT;
    }
    *position = (struct oxp_follow_position){.device = fields[0],
                                             .inode = fields[1],
                                             .offset = fields[2],
                                             .head_len = (uint32_t)fields[3],
                                             .head_crc = (uint32_t)fields[4]};
    return OXP_OK;
}

enum oxp_status oxp_follow_position_load(const char *path, struct oxp_follow_position *position_out) {
    char bytes[LINE_BYTES + 1];
    *position_out = (struct oxp_follow_position){.offset = 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return oxp_status_from_errno(errno);
    }
    ssize_t got = read(fd, bytes, sizeof bytes);
    int error = errno;
    close(fd);
    return got < 0 ? oxp_status_from_errno(error) : parse(oxp_view_of(bytes, (size_t)got), position_out);
}
