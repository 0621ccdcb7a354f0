/* What the reader remembers between lines: the names that are taken, and the family that is open. Shared by reader.c
 * (families) and metric.c (the metrics of one family). Owned by one thread. */
#ifndef OXP_EXPOSITION_READING_H
#define OXP_EXPOSITION_READING_H

#include "lib/base/arena.h"
#include "lib/base/map.h"
#include "lib/exposition/grammar.h"
#include "lib/exposition/point.h"
#include "lib/exposition/types.h"

/* A name that some family has taken (R1). */
struct oxp_owner {
    struct oxp_view family;
    unsigned line;
};

/* One label set of the current family: a metric. */
struct oxp_group {
    struct oxp_group *next; /* in the order of appearance */
    struct oxp_view key;
    unsigned line; /* of the latest sample */
    double timestamp_s;
    bool has_timestamp;
    struct oxp_point point;
};

/* A series that has been seen, of the kinds that a point has any number of. */
struct oxp_seen_series {
    unsigned line;
};

struct oxp_open_family {
    bool open, has_type, has_help, has_unit, has_samples;
    struct oxp_view name;
    struct oxp_view unit;
    unsigned line;
    enum oxp_read_type type;
    const struct oxp_type_rules *rules;
    struct oxp_group *first, *last, *current;
};

struct oxp_reading {
    struct oxp_line_reader lines;
    struct oxp_line line; /* the current one */
    const struct oxp_reader_sink *sink;
    struct oxp_arena owners_arena; /* lives as long as the reading */
    struct oxp_map owners;         /* name -> struct oxp_owner */
    struct oxp_open_family family;
    struct oxp_arena family_arena; /* forgotten with its family, as are these maps: */
    struct oxp_map groups;         /* label set -> struct oxp_group */
    struct oxp_map series;         /* sample name and label set -> struct oxp_seen_series */
    struct oxp_buf key;
};

#define OXP_READING_FAIL(reading, at, ...) oxp_line_fail(&(reading)->lines, &(reading)->line, (at), __VA_ARGS__)

static inline bool oxp_reading_is_openmetrics(const struct oxp_reading *reading) {
    return reading->lines.format == OXP_FORMAT_OPENMETRICS;
}

/* metric.c: puts the current line's sample to its metric and checks it there. OXP_OK, OXP_ERR_SYNTAX, OXP_ERR_NOMEM. */
enum oxp_status oxp_metric_add(struct oxp_reading *reading, enum oxp_sample_role role);
/* Checks the latest point of a metric as a whole: OXP_OK or OXP_ERR_SYNTAX. */
enum oxp_status oxp_metric_check(struct oxp_reading *reading, const struct oxp_group *group);

#endif
