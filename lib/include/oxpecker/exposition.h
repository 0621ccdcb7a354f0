/* Exposition: the registry as text for a scraper, in chunks, and the strict reader of the same formats.
 *
 * Formats: Prometheus text 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/) and OpenMetrics 1.0
 * (https://github.com/OpenObservability/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md). */
#ifndef OXPECKER_EXPOSITION_H
#define OXPECKER_EXPOSITION_H

#include <oxpecker/api.h>
#include <oxpecker/metrics.h>
#include <oxpecker/status.h>
#include <oxpecker/view.h>

OXP_BEGIN_DECLS

enum oxp_format {
    OXP_FORMAT_TEXT,        /* 0.0.4: timestamps in ms, no exemplars, no created times */
    OXP_FORMAT_OPENMETRICS, /* 1.0.0: exemplars, # UNIT, # EOF */
};

/* The exact Content-Type to answer with. */
const char *oxp_format_content_type(enum oxp_format format);

struct oxp_writer_options {
    enum oxp_format format;
    bool created; /* OpenMetrics: `_created` samples for counters and histograms */
    double now_s; /* unix time of the snapshot */
};

/* A writer over one snapshot of a registry. Memory does not depend on the number of series. Owned by one thread at a
 * time; the registry must outlive it. */
struct oxp_writer;
enum oxp_status oxp_writer_new(const struct oxp_registry *registry, const struct oxp_writer_options *options,
                               struct oxp_writer **writer_out);
void oxp_writer_free(struct oxp_writer *writer);
/* Fills `out` with the next bytes, at most `size` (any size > 0 works), and returns how many; 0 = the end. */
size_t oxp_writer_read(struct oxp_writer *writer, char *out, size_t size);

/* ---- The strict reader ---- */

enum oxp_read_type {
    OXP_READ_UNKNOWN, /* "untyped" in text */
    OXP_READ_COUNTER,
    OXP_READ_GAUGE,
    OXP_READ_HISTOGRAM,
    OXP_READ_SUMMARY,
    OXP_READ_GAUGE_HISTOGRAM,
    OXP_READ_INFO,
    OXP_READ_STATESET,
};

struct oxp_read_label {
    struct oxp_view name;
    struct oxp_view value; /* unescaped */
};

struct oxp_read_sample {
    struct oxp_view family; /* metric family name */
    struct oxp_view name;   /* sample name, with suffix */
    enum oxp_read_type type;
    const struct oxp_read_label *labels;
    size_t label_count;
    double value;
    bool has_timestamp;
    double timestamp_s; /* seconds in both formats */
    bool has_exemplar;
    const struct oxp_read_label *exemplar_labels;
    size_t exemplar_label_count;
    double exemplar_value;
    bool exemplar_has_timestamp;
    double exemplar_timestamp_s;
    unsigned line;
};

struct oxp_reader_sink {
    /* Called for each sample in order; views are valid during the call. A negative status stops the reader and is
     * returned. May be NULL. */
    enum oxp_status (*sample)(void *ctx, const struct oxp_read_sample *sample);
    void *ctx;
};

/* Reads a whole exposition and checks it against every MUST of its format. OXP_OK, OXP_ERR_SYNTAX with line, column and
 * reason of the first fault in `error`, OXP_ERR_NOMEM, or what the sink returned. Pure but for the sink. */
enum oxp_status oxp_exposition_read(struct oxp_view input, enum oxp_format format, const struct oxp_reader_sink *sink,
                                    struct oxp_error *error);

OXP_END_DECLS

#endif
