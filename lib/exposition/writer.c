/* The writer: a walk over a snapshot that stops wherever the caller's buffer ends.
 *
 * The walk is a table of steps. Each step emits at most one line as a list of pieces (views of the registry's own text,
 * of literals, and of a few numbers kept in the writer). What fits is copied at once; the pieces that do not fit wait,
 * as views, for the next read. So nothing is rendered twice, no line has to fit anywhere, and memory stays the size of
 * the struct and of the largest family's bucket bounds.
 *
 * The text of `le` is the canonical OpenMetrics number ("120.0", "+Inf") in both formats: the label's value is part of
 * the series' identity, and Prometheus 3 normalises it to that form whatever the format, Prometheus 2 never. */
#include <oxpecker/exposition.h>

#include "lib/base/number.h"
#include "lib/exposition/bound.h"
#include <math.h>
#include <stdlib.h>

enum { PIECES_MAX = 16 };

enum step {
    STEP_FAMILY,
    STEP_TYPE,
    STEP_UNIT,
    STEP_HELP,
    STEP_HELP_TEXT,
    STEP_NEXT, /* the next series of the family */
    STEP_VALUE,
    STEP_BUCKET,
    STEP_SUM,
    STEP_COUNT,
    STEP_CREATED,
    STEP_EOF,
    STEP_DONE,
    STEPS,
};

/* `le="0.25"} `, ready to stand between a bucket's labels and its value. */
struct bound_text {
    char text[OXP_NUMBER_MAX + 8];
    size_t len;
};

/* A number as text that pieces may point at. */
struct number_text {
    char text[OXP_NUMBER_MAX];
};

struct oxp_writer {
    struct oxp_writer_options options;
    struct oxp_snapshot snapshot;
    enum step step;

    /* the family */
    const struct oxp_family_spec *spec;
    struct oxp_view name;   /* of its samples, without the suffixes of histograms and of OpenMetrics' created times */
    struct oxp_view family; /* on metadata lines */
    struct oxp_view help;   /* what is still to be written */

    /* the series */
    struct oxp_sample sample;
    struct oxp_exemplar exemplar;
    uint64_t *buckets;         /* owned: of one histogram */
    struct bound_text *bounds; /* owned: of one family */
    size_t bucket;
    uint64_t cumulative;
    struct number_text value, exemplar_value, exemplar_time;

    /* the caller's buffer, during oxp_writer_read */
    char *out;
    size_t room;
    /* what did not fit */
    struct oxp_view rest[PIECES_MAX];
    size_t rest_count, rest_index;
};

#define PIECE(literal) OXP_VIEW(literal)

static bool is_openmetrics(const struct oxp_writer *writer) {
    return writer->options.format == OXP_FORMAT_OPENMETRICS;
}

/* ---- Bytes out ---- */

static inline char *copy(char *to, struct oxp_view from) {
    memcpy(to, from.ptr, from.len);
    return to + from.len;
}

static inline void put(struct oxp_writer *writer, struct oxp_view piece) {
    writer->out = copy(writer->out, piece);
    writer->room -= piece.len;
}

/* The tail of emit, when the line is longer than the room. */
static void emit_part(struct oxp_writer *writer, const struct oxp_view *pieces, size_t count) {
    writer->rest_count = writer->rest_index = 0;
    for (size_t i = 0; i < count; i++) {
        struct oxp_view piece = pieces[i];
        size_t fits = piece.len < writer->room ? piece.len : writer->room;
        if (fits > 0) {
            put(writer, oxp_view_of(piece.ptr, fits));
        }
        if (fits < piece.len) {
            writer->rest[writer->rest_count++] = oxp_view_of(piece.ptr + fits, piece.len - fits);
        }
    }
}

/* Writes a line (or a part of one). No piece has a NULL pointer. */
static inline void emit(struct oxp_writer *writer, const struct oxp_view *pieces, size_t count) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += pieces[i].len;
    }
    if (total > writer->room) {
        emit_part(writer, pieces, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        put(writer, pieces[i]);
    }
}

#define EMIT(writer, ...)                                                                                              \
    emit((writer), (const struct oxp_view[]){__VA_ARGS__},                                                             \
         sizeof((const struct oxp_view[]){__VA_ARGS__}) / sizeof(struct oxp_view))

static void emit_rest(struct oxp_writer *writer) {
    while (writer->room > 0 && writer->rest_index < writer->rest_count) {
        struct oxp_view *piece = &writer->rest[writer->rest_index];
        size_t fits = piece->len < writer->room ? piece->len : writer->room;
        put(writer, oxp_view_of(piece->ptr, fits));
        piece->ptr += fits;
        piece->len -= fits;
        writer->rest_index += piece->len == 0;
    }
}

static struct oxp_view double_text(struct number_text *text, double value) {
    return oxp_view_of(text->text, oxp_number_from_double(text->text, value));
}

static struct oxp_view u64_text(struct number_text *text, uint64_t value) {
    return oxp_view_of(text->text, oxp_number_from_u64(text->text, value));
}

/* ---- Families and their metadata ---- */

static bool ends_with(struct oxp_view text, struct oxp_view end) {
    return text.len >= end.len && memcmp(text.ptr + text.len - end.len, end.ptr, end.len) == 0;
}

static bool is_counter(const struct oxp_family_spec *spec) {
    return spec->type == OXP_COUNTER || spec->type == OXP_COUNTER_FLOAT;
}

static void prepare_bounds(struct oxp_writer *writer) {
    const struct oxp_family_spec *spec = writer->spec;
    for (size_t i = 0; i <= spec->bound_count; i++) {
        struct bound_text *bound = &writer->bounds[i];
        char *to = copy(bound->text, PIECE("le=\""));
        to += oxp_bound_text(to, i < spec->bound_count ? spec->bounds[i] : INFINITY);
        to = copy(to, PIECE("\"} "));
        bound->len = (size_t)(to - bound->text);
    }
}

/* The next family that has something to show. */
static enum step step_family(struct oxp_writer *writer) {
    static const struct oxp_view total = {"_total", 6};
    do {
        if (oxp_snapshot_family(&writer->snapshot, &writer->spec) != OXP_OK) {
            return is_openmetrics(writer) ? STEP_EOF : STEP_DONE;
        }
    } while (oxp_snapshot_next(&writer->snapshot, &writer->sample) != OXP_OK);
    const struct oxp_family_spec *spec = writer->spec;
    writer->name = writer->family = oxp_view_from(spec->name);
    if (is_openmetrics(writer) && is_counter(spec) && ends_with(writer->name, total)) {
        writer->family.len -= total.len;
    }
    writer->help = spec->help == NULL ? PIECE("") : oxp_view_from(spec->help);
    if (spec->type == OXP_HISTOGRAM) {
        prepare_bounds(writer);
    }
    return is_openmetrics(writer) ? STEP_TYPE : STEP_HELP;
}

static enum step first_sample(struct oxp_writer *writer);

static enum step step_type(struct oxp_writer *writer) {
    static const struct oxp_view words[] = {
        [OXP_COUNTER] = {"counter", 7}, [OXP_COUNTER_FLOAT] = {"counter", 7}, [OXP_GAUGE] = {"gauge", 5},
        [OXP_GAUGE_AGE] = {"gauge", 5}, [OXP_HISTOGRAM] = {"histogram", 9},
    };
    EMIT(writer, PIECE("# TYPE "), writer->family, PIECE(" "), words[writer->spec->type], PIECE("\n"));
    return is_openmetrics(writer) ? STEP_UNIT : first_sample(writer);
}

/* "an underscore and the unit MUST be the suffix of the MetricFamily name" */
static enum step step_unit(struct oxp_writer *writer) {
    struct oxp_view unit = oxp_view_from(writer->spec->unit);
    struct oxp_view family = writer->family;
    if (unit.len > 0 && family.len > unit.len && ends_with(family, unit) &&
        family.ptr[family.len - unit.len - 1] == '_') {
        EMIT(writer, PIECE("# UNIT "), family, PIECE(" "), unit, PIECE("\n"));
    }
    return STEP_HELP;
}

static enum step step_help(struct oxp_writer *writer) {
    EMIT(writer, PIECE("# HELP "), writer->family, PIECE(" "));
    return STEP_HELP_TEXT;
}

/* HELP up to and with the next character that needs an escape: backslash and line feed, in OpenMetrics quotes too. */
static enum step step_help_text(struct oxp_writer *writer) {
    size_t run = 0;
    struct oxp_view help = writer->help;
    while (run < help.len && help.ptr[run] != '\\' && help.ptr[run] != '\n' &&
           !(help.ptr[run] == '"' && is_openmetrics(writer))) {
        run++;
    }
    struct oxp_view before = oxp_view_of(help.ptr, run);
    if (run == help.len) {
        EMIT(writer, before, PIECE("\n"));
        return is_openmetrics(writer) ? first_sample(writer) : STEP_TYPE;
    }
    EMIT(writer, before, help.ptr[run] == '\n' ? PIECE("\\n") : help.ptr[run] == '"' ? PIECE("\\\"") : PIECE("\\\\"));
    writer->help = oxp_view_of(help.ptr + run + 1, help.len - run - 1);
    return STEP_HELP_TEXT;
}

/* ---- Series ---- */

static enum step first_sample(struct oxp_writer *writer) {
    if (writer->spec->type != OXP_HISTOGRAM) {
        return STEP_VALUE;
    }
    oxp_sample_buckets(&writer->sample, writer->buckets);
    writer->bucket = 0;
    writer->cumulative = 0;
    return STEP_BUCKET;
}

static enum step step_next(struct oxp_writer *writer) {
    if (oxp_snapshot_next(&writer->snapshot, &writer->sample) != OXP_OK) {
        return STEP_FAMILY;
    }
    return first_sample(writer);
}

static enum step after_series(const struct oxp_writer *writer) {
    bool has_created = is_counter(writer->spec) || writer->spec->type == OXP_HISTOGRAM;
    return has_created && writer->options.created && is_openmetrics(writer) ? STEP_CREATED : STEP_NEXT;
}

/* True when the bucket has an exemplar that may be shown: "the value of the exemplar MUST be within this range". */
static bool take_exemplar(struct oxp_writer *writer, size_t bucket, double bound) {
    return is_openmetrics(writer) && oxp_sample_exemplar(&writer->sample, bucket, &writer->exemplar) &&
           writer->exemplar.value <= bound;
}

/* Ends a sample's line, with the exemplar if there is one. */
static void emit_sample(struct oxp_writer *writer, struct oxp_view *pieces, size_t count, bool has_exemplar) {
    const struct oxp_exemplar *exemplar = &writer->exemplar;
    if (has_exemplar) {
        pieces[count++] = PIECE(" # {");
        pieces[count++] = oxp_view_of(exemplar->labels, exemplar->labels_len);
        pieces[count++] = PIECE("} ");
        pieces[count++] = double_text(&writer->exemplar_value, exemplar->value);
    }
    if (has_exemplar && isfinite(exemplar->time_s)) {
        pieces[count++] = PIECE(" ");
        pieces[count++] = double_text(&writer->exemplar_time, exemplar->time_s);
    }
    pieces[count++] = PIECE("\n");
    emit(writer, pieces, count);
}

/* The common line, name{labels} number, straight into the caller's buffer; false when it might not fit. */
static bool write_value(struct oxp_writer *writer) {
    const struct oxp_sample *sample = &writer->sample;
    if (writer->room < writer->name.len + sample->labels.len + OXP_NUMBER_MAX + 4) {
        return false;
    }
    char *to = copy(writer->out, writer->name);
    if (sample->labels.len > 0) {
        *to++ = '{';
        to = copy(to, sample->labels);
        *to++ = '}';
    }
    *to++ = ' ';
    to += sample->whole ? oxp_number_from_u64(to, sample->whole_value) : oxp_number_from_double(to, sample->value);
    *to++ = '\n';
    writer->room -= (size_t)(to - writer->out);
    writer->out = to;
    return true;
}

static enum step step_value(struct oxp_writer *writer) {
    const struct oxp_sample *sample = &writer->sample;
    bool has_exemplar = is_counter(writer->spec) && take_exemplar(writer, 0, INFINITY);
    if (!has_exemplar && write_value(writer)) {
        return after_series(writer);
    }
    struct oxp_view pieces[PIECES_MAX];
    size_t count = 0;
    pieces[count++] = writer->name;
    if (sample->labels.len > 0) {
        pieces[count++] = PIECE("{");
        pieces[count++] = sample->labels;
        pieces[count++] = PIECE("} ");
    } else {
        pieces[count++] = PIECE(" ");
    }
    pieces[count++] =
        sample->whole ? u64_text(&writer->value, sample->whole_value) : double_text(&writer->value, sample->value);
    emit_sample(writer, pieces, count, has_exemplar);
    return after_series(writer);
}

/* OpenMetrics: a sum is a counter, so none with negative buckets, and none that is negative or NaN (an observation
 * below zero, or infinities of both signs); without a sum there must be no count either. */
static bool has_sum(const struct oxp_writer *writer) {
    const struct oxp_family_spec *spec = writer->spec;
    return !is_openmetrics(writer) || (writer->sample.sum >= 0 && !(spec->bound_count > 0 && spec->bounds[0] < 0));
}

static enum step step_bucket(struct oxp_writer *writer) {
    const struct oxp_sample *sample = &writer->sample;
    size_t i = writer->bucket++;
    struct oxp_view pieces[PIECES_MAX];
    size_t count = 0;
    pieces[count++] = writer->name;
    pieces[count++] = PIECE("_bucket{");
    if (sample->labels.len > 0) {
        pieces[count++] = sample->labels;
        pieces[count++] = PIECE(",");
    }
    pieces[count++] = oxp_view_of(writer->bounds[i].text, writer->bounds[i].len);
    writer->cumulative += writer->buckets[i];
    pieces[count++] = u64_text(&writer->value, writer->cumulative);
    bool last = i == writer->spec->bound_count;
    emit_sample(writer, pieces, count, take_exemplar(writer, i, last ? INFINITY : writer->spec->bounds[i]));
    return !last ? STEP_BUCKET : has_sum(writer) ? STEP_SUM : after_series(writer);
}

/* A line of the series itself, with a suffix and without further labels. */
static void emit_plain(struct oxp_writer *writer, struct oxp_view name, struct oxp_view suffix, struct oxp_view value) {
    struct oxp_view labels = writer->sample.labels;
    if (labels.len > 0) {
        EMIT(writer, name, suffix, PIECE("{"), labels, PIECE("} "), value, PIECE("\n"));
    } else {
        EMIT(writer, name, suffix, PIECE(" "), value, PIECE("\n"));
    }
}

static enum step step_sum(struct oxp_writer *writer) {
    emit_plain(writer, writer->name, PIECE("_sum"), double_text(&writer->value, writer->sample.sum));
    return STEP_COUNT;
}

static enum step step_count(struct oxp_writer *writer) {
    emit_plain(writer, writer->name, PIECE("_count"), u64_text(&writer->value, writer->cumulative));
    return after_series(writer);
}

static enum step step_created(struct oxp_writer *writer) {
    emit_plain(writer, writer->family, PIECE("_created"), double_text(&writer->value, writer->sample.created_s));
    return STEP_NEXT;
}

static enum step step_eof(struct oxp_writer *writer) {
    EMIT(writer, PIECE("# EOF\n"));
    return STEP_DONE;
}

static enum step (*const steps[STEPS])(struct oxp_writer *writer) = {
    [STEP_FAMILY] = step_family, [STEP_TYPE] = step_type,           [STEP_UNIT] = step_unit,
    [STEP_HELP] = step_help,     [STEP_HELP_TEXT] = step_help_text, [STEP_NEXT] = step_next,
    [STEP_VALUE] = step_value,   [STEP_BUCKET] = step_bucket,       [STEP_SUM] = step_sum,
    [STEP_COUNT] = step_count,   [STEP_CREATED] = step_created,     [STEP_EOF] = step_eof,
};

size_t oxp_writer_read(struct oxp_writer *writer, char *out, size_t size) {
    writer->out = out;
    writer->room = size;
    emit_rest(writer);
    while (writer->room > 0 && writer->step != STEP_DONE) {
        writer->step = steps[writer->step](writer);
    }
    return size - writer->room;
}

/* ---- Life ---- */

/* The most buckets of any histogram in the snapshot; families added later are not walked. */
static size_t most_buckets(struct oxp_snapshot snapshot) {
    const struct oxp_family_spec *spec = NULL;
    size_t most = 0;
    while (oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        if (spec->type == OXP_HISTOGRAM && spec->bound_count + 1 > most) {
            most = spec->bound_count + 1;
        }
    }
    return most;
}

enum oxp_status oxp_writer_new(const struct oxp_registry *registry, const struct oxp_writer_options *options,
                               struct oxp_writer **writer_out) {
    *writer_out = NULL;
    struct oxp_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        return OXP_ERR_NOMEM;
    }
    writer->options = *options;
    writer->step = STEP_FAMILY;
    oxp_snapshot_begin(&writer->snapshot, registry, options->now_s);
    size_t buckets = most_buckets(writer->snapshot);
    if (buckets > 0) {
        writer->buckets = calloc(buckets, sizeof *writer->buckets);
        writer->bounds = calloc(buckets, sizeof *writer->bounds);
        if (writer->buckets == NULL || writer->bounds == NULL) {
            oxp_writer_free(writer);
            return OXP_ERR_NOMEM;
        }
    }
    *writer_out = writer;
    return OXP_OK;
}

void oxp_writer_free(struct oxp_writer *writer) {
    if (writer == NULL) {
        return;
    }
    free(writer->buckets);
    free(writer->bounds);
    free(writer);
}
