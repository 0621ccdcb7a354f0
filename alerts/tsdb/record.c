#include "alerts/tsdb/record.h"

#include "lib/base/number.h"
#include "lib/base/utf8.h"

/* ---- Varints ---- */

static void put(struct oxp_buf *out, uint64_t value) {
    char bytes[10];
    size_t len = 0;
    while (value >= 0x80) {
        bytes[len++] = (char)(value | 0x80);
        value >>= 7;
    }
    bytes[len++] = (char)value;
    oxp_buf_append(out, bytes, len);
}

static uint64_t zigzag(int64_t value) {
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t value) {
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

struct source {
    const unsigned char *pos, *end;
    bool bad; /* sticks; whatever was read since means nothing */
};

static uint64_t get(struct source *source) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (source->pos == source->end) {
            break;
        }
        unsigned char byte = *source->pos++;
        if (shift == 63 && byte > 1) {
            break;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    source->bad = true;
    return 0;
}

static struct oxp_view get_text(struct source *source) {
    uint64_t len = get(source);
    if (len > (uint64_t)(source->end - source->pos)) {
        source->bad = true;
        return oxp_view_of(NULL, 0);
    }
    struct oxp_view text = oxp_view_of((const char *)source->pos, (size_t)len);
    source->pos += len;
    return text;
}

/* ---- Labels ---- */

static void put_labels(struct oxp_buf *out, const struct oxp_labels *labels) {
    put(out, labels->count);
    for (size_t i = 0; i < labels->count; i++) {
        const struct oxp_symbol *pair[2] = {labels->label[i].name, labels->label[i].value};
        for (size_t k = 0; k < 2; k++) {
            put(out, pair[k]->len);
            oxp_buf_append_view(out, oxp_symbol_view(pair[k]));
        }
    }
}

static enum oxp_status get_labels(struct source *source, struct oxp_arena *arena,
                                  const struct oxp_labels **labels_out) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, oxp_labels_none());
    uint64_t count = get(source);
    if (count == 0 || count > OXP_LABELS_LIMIT) {
        source->bad = true;
    }
    for (uint64_t i = 0; i < count && !source->bad; i++) {
        struct oxp_view name = get_text(source), value = get_text(source);
        source->bad |= name.len == 0 || value.len == 0 || !oxp_utf8_is_valid(name) || !oxp_utf8_is_valid(value);
        oxp_labels_set_text(&builder, name, value);
        source->bad |= builder.count != i + 1 && oxp_arena_status(arena) == OXP_OK; /* a name came twice */
    }
    if (source->bad) {
        return OXP_ERR_CORRUPT;
    }
    *labels_out = oxp_labels_finish(&builder);
    return oxp_arena_status(arena);
}

/* ---- Times ---- */

static void put_times(struct oxp_buf *out, const int64_t *times, size_t count) {
    int64_t step = 0;
    put(out, zigzag(times[0]));
    for (size_t i = 1; i < count;) {
        int64_t next = times[i] - times[i - 1];
        size_t run = 1;
        while (i + run < count && times[i + run] - times[i + run - 1] == next) {
            run++;
        }
        put(out, zigzag(next - step));
        put(out, run);
        step = next;
        i += run;
    }
}

/* Times of a real memory are far from the ends of the type: sums of such ones cannot overflow. */
static bool is_sane(int64_t ms) {
    return ms > INT64_MIN / 8 && ms < INT64_MAX / 8;
}

static void get_times(struct source *source, struct oxp_points *points) {
    int64_t time = unzigzag(get(source)), step = 0;
    source->bad |= !is_sane(time);
    for (size_t i = 0; i < points->count && !source->bad;) {
        uint64_t run = 1;
        if (i != 0) {
            int64_t change = unzigzag(get(source));
            run = get(source);
            source->bad |= !is_sane(change);
            step = source->bad ? 1 : step + change;
            source->bad |= run == 0 || run > points->count - i || step <= 0 || !is_sane(step);
        }
        for (uint64_t k = 0; k < run && !source->bad; k++) {
            time += step;
            source->bad |= !is_sane(time);
            points->time_ms[i++] = time;
        }
    }
}

/* ---- Values ---- */

/* True for a number that an int64 holds exactly: -0.0 is none, nor is anything past 2^53. */
static bool is_whole(double value, int64_t *whole_out) {
    if (!(value >= -0x1p53 && value <= 0x1p53)) {
        return false;
    }
    *whole_out = (int64_t)value;
    return oxp_bits_of((double)*whole_out) == oxp_bits_of(value);
}

static void put_value(struct oxp_buf *out, double last, double value) {
    int64_t a = 0, b = 0;
    if (is_whole(last, &a) && is_whole(value, &b)) {
        put(out, zigzag(b - a) * 4 + 1);
        return;
    }
    uint64_t change = oxp_bits_of(last) ^ oxp_bits_of(value); /* not 0 */
    unsigned first = (unsigned)__builtin_ctzll(change) / 8, past = 8 - (unsigned)__builtin_clzll(change) / 8;
    put(out, (uint64_t)((past - first - 1) * 8 + first) * 4 + 3);
    for (unsigned i = first; i < past; i++) {
        oxp_buf_append_char(out, (char)(change >> (8 * i)));
    }
}

static void put_values(struct oxp_buf *out, const double *values, size_t count) {
    double last = 0;
    for (size_t i = 0; i < count;) {
        size_t run = 0;
        while (i + run < count && oxp_bits_of(values[i + run]) == oxp_bits_of(last)) {
            run++;
        }
        if (run > 0) {
            put(out, (uint64_t)(run - 1) * 2);
            i += run;
        } else {
            put_value(out, last, values[i]);
            last = values[i++];
        }
    }
}

static double get_value(struct source *source, uint64_t token, double last) {
    int64_t whole = 0;
    if (token % 4 == 1) {
        int64_t change = unzigzag(token / 4);
        source->bad |= !is_whole(last, &whole) || change < -(INT64_C(1) << 55) || change > (INT64_C(1) << 55);
        return source->bad ? 0 : (double)(whole + change);
    }
    uint64_t place = token / 4, change = 0;
    unsigned first = (unsigned)(place % 8), bytes = (unsigned)(place / 8 % 8) + 1;
    if (place >= 64 || first + bytes > 8 || bytes > (size_t)(source->end - source->pos)) {
        source->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++) {
        change |= (uint64_t)*source->pos++ << (8 * (first + i));
    }
    return oxp_bits_double(oxp_bits_of(last) ^ change);
}

static void get_values(struct source *source, struct oxp_points *points) {
    double last = 0;
    for (size_t i = 0; i < points->count && !source->bad;) {
        uint64_t token = get(source), run = 1;
        if (token % 2 == 0) {
            run = token / 2 + 1;
            source->bad |= run > points->count - i;
        } else {
            last = get_value(source, token, last);
        }
        for (uint64_t k = 0; k < run && !source->bad; k++) {
            points->value[i++] = last;
        }
    }
}

/* ---- Records ---- */

void oxp_record_write(struct oxp_buf *out, const struct oxp_labels *labels, const struct oxp_points *points,
                      size_t from, size_t count) {
    put_labels(out, labels);
    put(out, count);
    put_times(out, points->time_ms + from, count);
    put_values(out, points->value + from, count);
}

static enum oxp_status make_room(struct oxp_points *points, uint64_t count) {
    points->count = 0;
    while (points->size < count) { /* add doubles */
        points->count = points->size;
        enum oxp_status status = oxp_points_add(points, 0, 0);
        if (status != OXP_OK) {
            points->count = 0;
            return status;
        }
    }
    points->count = (size_t)count;
    return OXP_OK;
}

enum oxp_status oxp_record_read(struct oxp_view bytes, struct oxp_arena *arena, const struct oxp_labels **labels_out,
                                struct oxp_points *points) {
    struct source source = {(const unsigned char *)bytes.ptr, (const unsigned char *)bytes.ptr + bytes.len, false};
    points->count = 0;
    enum oxp_status status = get_labels(&source, arena, labels_out);
    if (status != OXP_OK) {
        return status;
    }
    uint64_t count = get(&source);
    if (source.bad || count == 0 || count > OXP_RECORD_SAMPLES_MAX) {
        return OXP_ERR_CORRUPT;
    }
    status = make_room(points, count);
    if (status != OXP_OK) {
        return status;
    }
    get_times(&source, points);
    get_values(&source, points);
    return source.bad || source.pos != source.end ? OXP_ERR_CORRUPT : OXP_OK;
}
