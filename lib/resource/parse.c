#include "lib/resource/parse.h"

#include "lib/base/cursor.h"
#include "lib/base/number.h"

/* Version 1 says "no limit" with the largest page-aligned signed number; everything of that size is none. */
#define V1_UNLIMITED (UINT64_C(1) << 62)

static bool is_space(unsigned char c) {
    return c == ' ' || c == '\t';
}

static bool no_space(unsigned char c) {
    return !is_space(c);
}

/* The next word of the line, or the empty view at its end. */
static struct oxp_view word(struct oxp_cursor *line) {
    oxp_cursor_take_while(line, is_space);
    return oxp_cursor_take_while(line, no_space);
}

static bool number_of(struct oxp_view text, uint64_t *value_out) {
    return oxp_number_parse_u64(text, value_out) == OXP_OK;
}

static bool pid_of(struct oxp_view text, int64_t *pid_out) {
    uint64_t value;
    if (!number_of(text, &value) || value > INT32_MAX) {
        return false;
    }
    *pid_out = (int64_t)value;
    return true;
}

/* ---- /proc/PID/stat ---- */

/* The name of the program stands in parentheses and may hold any byte, a parenthesis, a space or a newline too: the
 * fields go on behind the last ')'. */
static bool split_stat(struct oxp_view text, struct oxp_view *pid_out, struct oxp_view *rest_out) {
    const char *open = text.len == 0 ? NULL : memchr(text.ptr, '(', text.len);
    const char *close = text.len == 0 ? NULL : memrchr(text.ptr, ')', text.len);
    if (open == NULL || close == NULL || close < open || open == text.ptr || open[-1] != ' ') {
        return false;
    }
    *pid_out = oxp_view_of(text.ptr, (size_t)(open - text.ptr) - 1);
    *rest_out = oxp_view_of(close + 1, text.len - (size_t)(close + 1 - text.ptr));
    return true;
}

bool oxp_proc_parse_stat(struct oxp_view text, struct oxp_proc_stat *stat_out) {
    enum { LAST = 24 }; /* fields are numbered from 1, as proc(5) does; the first behind the name is 3 */
    struct oxp_view pid, rest, state = {NULL, 0};
    struct oxp_proc_stat stat = {0};
    if (!split_stat(text, &pid, &rest) || !pid_of(pid, &stat.pid)) {
        return false;
    }
    uint64_t unused;
    uint64_t *fields[LAST + 1] = {
        [14] = &stat.user_ticks,
        [15] = &stat.system_ticks,
        [16] = &stat.waited_user_ticks,
        [17] = &stat.waited_system_ticks,
        [20] = &stat.threads,
        [22] = &stat.start_ticks,
        [23] = &unused,
        [24] = &stat.resident_pages,
    };
    struct oxp_cursor line = oxp_cursor_over(rest);
    for (unsigned i = 3; i <= LAST; i++) {
        struct oxp_view field = word(&line);
        if (i == 3) {
            state = field;
        } else if (i == 4 ? !pid_of(field, &stat.parent) : fields[i] != NULL && !number_of(field, fields[i])) {
            return false;
        }
    }
    if (state.len != 1) {
        return false;
    }
    stat.state = state.ptr[0];
    *stat_out = stat;
    return true;
}

bool oxp_proc_is_dead(const struct oxp_proc_stat *stat) {
    return stat->state == 'Z' || stat->state == 'X' || stat->state == 'x';
}

/* ---- Lines with a name in front ---- */

/* The rest of the first line that begins with `name`. */
static bool find_line(struct oxp_view text, const char *name, struct oxp_view *rest_out) {
    struct oxp_cursor cursor = oxp_cursor_over(text);
    struct oxp_view key = oxp_view_from(name);
    while (!oxp_cursor_at_end(&cursor)) {
        struct oxp_view line = oxp_cursor_take_line(&cursor);
        if (oxp_view_starts(line, key)) {
            *rest_out = oxp_view_of(line.ptr + key.len, line.len - key.len);
            return true;
        }
    }
    return false;
}

/* The only word of a line. */
static bool only_number(struct oxp_view line, uint64_t *value_out) {
    struct oxp_cursor cursor = oxp_cursor_over(line);
    struct oxp_view first = word(&cursor);
    return word(&cursor).len == 0 && number_of(first, value_out);
}

bool oxp_proc_parse_io(struct oxp_view text, uint64_t *read_out, uint64_t *write_out) {
    struct oxp_view line;
    uint64_t read, written, cancelled = 0;
    if (!find_line(text, "read_bytes:", &line) || !only_number(line, &read) ||
        !find_line(text, "write_bytes:", &line) || !only_number(line, &written)) {
        return false;
    }
    /* cancelled_write_bytes is what others may have written in vain; taking it off could make the counter fall, so it
     * is only checked for its form. */
    if (find_line(text, "cancelled_write_bytes:", &line) && !only_number(line, &cancelled)) {
        return false;
    }
    *read_out = read;
    *write_out = written;
    return true;
}

bool oxp_proc_parse_max_fds(struct oxp_view text, uint64_t *max_out) {
    struct oxp_view line;
    if (!find_line(text, "Max open files", &line)) {
        return false;
    }
    struct oxp_cursor cursor = oxp_cursor_over(line);
    return number_of(word(&cursor), max_out);
}

bool oxp_proc_parse_nspid(struct oxp_view text, int64_t *outer_out, int64_t *inner_out, unsigned *depth_out) {
    struct oxp_view line;
    if (!find_line(text, "NSpid:", &line)) {
        return false;
    }
    struct oxp_cursor cursor = oxp_cursor_over(line);
    int64_t outer = 0, inner = 0;
    unsigned depth = 0;
    for (struct oxp_view pid = word(&cursor); pid.len != 0; pid = word(&cursor)) {
        if (!pid_of(pid, &inner)) {
            return false;
        }
        outer = depth++ == 0 ? inner : outer;
    }
    if (depth == 0) {
        return false;
    }
    *outer_out = outer;
    *inner_out = inner;
    *depth_out = depth;
    return true;
}

/* ---- Control groups ---- */

/* "cpu" in "cpu,cpuacct". */
static bool is_listed(struct oxp_view list, const char *controller) {
    struct oxp_view name = oxp_view_from(controller);
    for (size_t start = 0; start <= list.len;) {
        const char *comma = start == list.len ? NULL : memchr(list.ptr + start, ',', list.len - start);
        size_t end = comma == NULL ? list.len : (size_t)(comma - list.ptr);
        if (oxp_view_equal(oxp_view_of(list.ptr + start, end - start), name)) {
            return true;
        }
        start = end + 1;
    }
    return false;
}

static bool leads_out(struct oxp_view path) {
    for (size_t i = 0; i + 3 <= path.len; i++) {
        if (memcmp(path.ptr + i, "/..", 3) == 0 && (i + 3 == path.len || path.ptr[i + 3] == '/')) {
            return true;
        }
    }
    return memchr(path.ptr, '\0', path.len) != NULL;
}

bool oxp_cgroup_parse_path(struct oxp_view text, const char *controller, struct oxp_view *list_out,
                           struct oxp_view *path_out) {
    struct oxp_cursor cursor = oxp_cursor_over(text);
    while (!oxp_cursor_at_end(&cursor)) {
        struct oxp_view line = oxp_cursor_take_line(&cursor);
        const char *end = line.ptr + line.len;
        const char *first = line.len == 0 ? NULL : memchr(line.ptr, ':', line.len);
        const char *second = first == NULL ? NULL : memchr(first + 1, ':', (size_t)(end - first - 1));
        if (second == NULL) {
            continue;
        }
        struct oxp_view list = oxp_view_of(first + 1, (size_t)(second - first - 1));
        struct oxp_view path = oxp_view_of(second + 1, (size_t)(end - second - 1));
        bool wanted =
            controller == NULL ? list.len == 0 && oxp_view_starts(line, OXP_VIEW("0:")) : is_listed(list, controller);
        if (wanted) {
            *list_out = list;
            *path_out = path;
            return path.len > 0 && path.ptr[0] == '/' && !leads_out(path);
        }
    }
    return false;
}

bool oxp_cgroup_parse_key(struct oxp_view text, const char *key, uint64_t *value_out) {
    struct oxp_cursor cursor = oxp_cursor_over(text);
    while (!oxp_cursor_at_end(&cursor)) {
        struct oxp_cursor line = oxp_cursor_over(oxp_cursor_take_line(&cursor));
        if (oxp_view_is(word(&line), key)) {
            return number_of(word(&line), value_out);
        }
    }
    return false;
}

bool oxp_cgroup_parse_number(struct oxp_view text, uint64_t *value_out) {
    struct oxp_cursor cursor = oxp_cursor_over(text);
    return only_number(oxp_cursor_take_line(&cursor), value_out);
}

bool oxp_cgroup_parse_limit(struct oxp_view text, uint64_t *limit_out) {
    struct oxp_cursor cursor = oxp_cursor_over(text);
    struct oxp_view line = oxp_cursor_take_line(&cursor);
    uint64_t limit = 0;
    if (!oxp_view_is(line, "max") && !only_number(line, &limit)) {
        return false;
    }
    *limit_out = limit >= V1_UNLIMITED ? 0 : limit;
    return true;
}

bool oxp_cgroup_parse_pressure(struct oxp_view text, const char *kind, uint64_t *total_us_out) {
    struct oxp_cursor cursor = oxp_cursor_over(text);
    while (!oxp_cursor_at_end(&cursor)) {
        struct oxp_cursor line = oxp_cursor_over(oxp_cursor_take_line(&cursor));
        if (!oxp_view_is(word(&line), kind)) {
            continue;
        }
        for (struct oxp_view pair = word(&line); pair.len != 0; pair = word(&line)) {
            if (oxp_view_starts(pair, OXP_VIEW("total="))) {
                return number_of(oxp_view_of(pair.ptr + 6, pair.len - 6), total_us_out);
            }
        }
        return false;
    }
    return false;
}
