/* The strict reader. grammar.c reads lines, point.c knows what samples must be together, metric.c keeps the
 * metrics of the open family; this file knows families.
 *
 * Rules, as the code below names them ("Text format" of OpenMetrics 1.0; "Grouping and sorting" of text 0.0.4):
 *  R1 Every name that a family may use (its own, and with each suffix of its type) belongs to that family alone.
 *  R2 All lines of a family stand together: metadata first, then samples. Only the latest family can be continued.
 *  R3 A sample whose name does not fit the family begins another one, of unknown type.
 *  R4 OpenMetrics: all samples of a metric (one label set) stand together; its points follow in time, and each has
 *     either no timestamp or one. (Info apart: which of its labels are the metric's cannot be told.)
 *  R5 No series stands twice: in text never, in OpenMetrics not without a timestamp. Points of one timestamp are let
 *     pass, as the specification's own tests do: the time may have been cut short.
 *  R6 A label with an empty value is as no label when series are compared ("Label"). */
#include "lib/exposition/reading.h"

#include "lib/base/utf8.h"

/* ---- Names (R1, R2) ---- */

/* Takes a name of the current family, or says who has it. */
static enum oxp_status take_name(struct oxp_reading *reading, struct oxp_view suffix) {
    const struct oxp_open_family *family = &reading->family;
    struct oxp_owner *owner = oxp_arena_zero(&reading->owners_arena, 1, sizeof *owner + family->name.len + suffix.len);
    if (owner == NULL) {
        return OXP_ERR_NOMEM;
    }
    char *bytes = (char *)(owner + 1);
    memcpy(bytes, family->name.ptr, family->name.len);
    if (suffix.len > 0) {
        memcpy(bytes + family->name.len, suffix.ptr, suffix.len);
    }
    *owner = (struct oxp_owner){family->name, reading->line.number};
    struct oxp_view name = oxp_view_of(bytes, family->name.len + suffix.len);
    const struct oxp_owner *taken = oxp_map_get(&reading->owners, name);
    if (taken != NULL) {
        return OXP_READING_FAIL(
            reading, reading->line.name.ptr,
            "name \"%.*s\" is taken by family \"%.*s\" of line %u: the lines of a family must stand together, "
            "and families must not clash",
            OXP_SHOW(name), OXP_SHOW(taken->family), taken->line);
    }
    return oxp_map_set(&reading->owners, name, owner, NULL);
}

/* The names that come with the type, beside the family's own. */
static enum oxp_status take_suffixed_names(struct oxp_reading *reading) {
    const struct oxp_type_rules *rules = reading->family.rules;
    for (size_t i = 0; i < rules->count; i++) {
        if (rules->suffixes[i].text[0] == '\0') {
            continue;
        }
        enum oxp_status status = take_name(reading, oxp_view_from(rules->suffixes[i].text));
        if (status != OXP_OK) {
            return status;
        }
    }
    return OXP_OK;
}

/* ---- Families ---- */

/* Checks what was left open and forgets the family. In OpenMetrics every group but the latest has been checked when the
 * next began (R4); in text samples of all groups may be mixed until here. */
static enum oxp_status close_family(struct oxp_reading *reading) {
    struct oxp_open_family *family = &reading->family;
    enum oxp_status status = OXP_OK;
    struct oxp_group *group = oxp_reading_is_openmetrics(reading) ? family->current : family->first;
    for (; status == OXP_OK && group != NULL; group = group->next) {
        status = oxp_metric_check(reading, group);
    }
    oxp_map_fini(&reading->groups);
    oxp_map_fini(&reading->series);
    oxp_arena_clear(&reading->family_arena);
    *family = (struct oxp_open_family){0};
    return status;
}

static enum oxp_status open_family(struct oxp_reading *reading) {
    enum oxp_status status = close_family(reading);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_view name = reading->line.name;
    reading->family = (struct oxp_open_family){
        .open = true,
        .name = name,
        .line = reading->line.number,
        .type = OXP_READ_UNKNOWN,
        .rules = oxp_exposition_type_rules(reading->lines.format, OXP_READ_UNKNOWN),
    };
    /* "MetricFamily names beginning with underscores are RESERVED and MUST NOT be used" */
    if (oxp_reading_is_openmetrics(reading) && name.ptr[0] == '_') {
        return OXP_READING_FAIL(reading, name.ptr, "name \"%.*s\" is reserved: it begins with an underscore",
                                OXP_SHOW(name));
    }
    return take_name(reading, oxp_view_of(NULL, 0));
}

/* "an underscore and the unit MUST be the suffix of the MetricFamily name"; none for info and stateset. */
static enum oxp_status check_unit(struct oxp_reading *reading) {
    const struct oxp_open_family *family = &reading->family;
    struct oxp_view name = family->name, unit = family->unit;
    if (unit.len == 0) {
        return OXP_OK; /* as if the line did not exist */
    }
    bool suffix = name.len > unit.len && name.ptr[name.len - unit.len - 1] == '_' &&
                  memcmp(name.ptr + name.len - unit.len, unit.ptr, unit.len) == 0;
    if (!suffix) {
        return OXP_READING_FAIL(reading, reading->line.name.ptr,
                                "expected the family name to end in \"_%.*s\", its unit", OXP_SHOW(unit));
    }
    if (family->type == OXP_READ_INFO || family->type == OXP_READ_STATESET) {
        return OXP_READING_FAIL(reading, reading->line.name.ptr, "expected no unit: the family's type is %s",
                                family->rules->word);
    }
    return OXP_OK;
}

static enum oxp_status set_type(struct oxp_reading *reading) {
    struct oxp_open_family *family = &reading->family;
    family->has_type = true;
    family->type = reading->line.type;
    family->rules = oxp_exposition_type_rules(reading->lines.format, family->type);
    enum oxp_status status = check_unit(reading);
    return status == OXP_OK ? take_suffixed_names(reading) : status;
}

static enum oxp_status read_metadata(struct oxp_reading *reading) {
    struct oxp_open_family *family = &reading->family;
    const struct oxp_line *line = &reading->line;
    if (!family->open || !oxp_view_equal(family->name, line->name)) {
        enum oxp_status status = open_family(reading);
        if (status != OXP_OK) {
            return status;
        }
    } else if (family->has_samples) {
        return OXP_READING_FAIL(reading, line->name.ptr, "expected the metadata of \"%.*s\" before its samples",
                                OXP_SHOW(line->name));
    }
    bool *had = line->kind == OXP_LINE_TYPE   ? &family->has_type
                : line->kind == OXP_LINE_HELP ? &family->has_help
                                              : &family->has_unit;
    if (*had) {
        return OXP_READING_FAIL(reading, NULL, "expected one line of a kind: %.4s of \"%.*s\" stands twice",
                                line->kind == OXP_LINE_TYPE   ? "TYPE"
                                : line->kind == OXP_LINE_HELP ? "HELP"
                                                              : "UNIT",
                                OXP_SHOW(line->name));
    }
    *had = true;
    if (line->kind == OXP_LINE_TYPE) {
        return set_type(reading);
    }
    if (line->kind == OXP_LINE_UNIT) {
        family->unit = line->unit;
        return check_unit(reading);
    }
    return OXP_OK;
}

/* ---- Samples ---- */

/* The role of the line's sample in the current family; false when its name does not fit. */
static bool find_role(const struct oxp_reading *reading, enum oxp_sample_role *role_out) {
    const struct oxp_open_family *family = &reading->family;
    struct oxp_view name = reading->line.name;
    if (!family->open || !oxp_view_starts(name, family->name)) {
        return false;
    }
    struct oxp_view suffix = oxp_view_of(name.ptr + family->name.len, name.len - family->name.len);
    for (size_t i = 0; i < family->rules->count; i++) {
        if (oxp_view_is(suffix, family->rules->suffixes[i].text)) {
            *role_out = family->rules->suffixes[i].role;
            return true;
        }
    }
    return false;
}

/* R3. A name that equals the family's but lacks the suffix of its type gets an error of its own. */
static enum oxp_status place_sample(struct oxp_reading *reading, enum oxp_sample_role *role_out) {
    struct oxp_open_family *family = &reading->family;
    if (find_role(reading, role_out)) {
        return OXP_OK;
    }
    if (family->open && oxp_view_equal(family->name, reading->line.name)) {
        return OXP_READING_FAIL(reading, reading->line.name.ptr, "expected suffix %s%s on a sample of %s \"%.*s\"",
                                family->rules->suffixes[0].text,
                                family->rules->count > 1 ? " (or another of its type)" : "", family->rules->word,
                                OXP_SHOW(family->name));
    }
    *role_out = OXP_ROLE_VALUE;
    return open_family(reading);
}

/* "Exemplars": on _total and _bucket alone; names and values of at most 128 characters together. */
static enum oxp_status check_exemplar(struct oxp_reading *reading, enum oxp_sample_role role) {
    const struct oxp_read_sample *sample = &reading->line.sample;
    if (!sample->has_exemplar) {
        return OXP_OK;
    }
    if (role != OXP_ROLE_TOTAL && role != OXP_ROLE_BUCKET) {
        return OXP_READING_FAIL(reading, reading->line.exemplar_brace,
                                "expected no exemplar: only a counter's _total and a histogram's _bucket may have one");
    }
    size_t characters = 0;
    for (size_t i = 0; i < sample->exemplar_label_count; i++) {
        characters += oxp_utf8_count(sample->exemplar_labels[i].name);
        characters += oxp_utf8_count(sample->exemplar_labels[i].value);
    }
    if (characters > OXP_EXEMPLAR_MAX) {
        return OXP_READING_FAIL(reading, reading->line.exemplar_brace,
                                "expected at most %d characters in the labels of an exemplar, found %zu",
                                OXP_EXEMPLAR_MAX, characters);
    }
    return OXP_OK;
}

static enum oxp_status read_sample(struct oxp_reading *reading) {
    enum oxp_sample_role role = OXP_ROLE_VALUE;
    enum oxp_status status = place_sample(reading, &role);
    if (status == OXP_OK) {
        status = check_exemplar(reading, role);
    }
    if (status == OXP_OK) {
        status = oxp_metric_add(reading, role);
    }
    if (status != OXP_OK) {
        return status;
    }
    reading->family.has_samples = true;
    struct oxp_read_sample *sample = &reading->line.sample;
    sample->family = reading->family.name;
    sample->type = reading->family.type;
    if (reading->sink == NULL || reading->sink->sample == NULL) {
        return OXP_OK;
    }
    status = reading->sink->sample(reading->sink->ctx, sample);
    return status < 0 ? status : OXP_OK;
}

/* ---- The exposition ---- */

/* Behind the last line (text), or behind # EOF: OXP_END when all is well. */
static enum oxp_status read_end(struct oxp_reading *reading) {
    enum oxp_status status = close_family(reading);
    if (status != OXP_OK) {
        return status;
    }
    if (oxp_reading_is_openmetrics(reading) && reading->line.kind != OXP_LINE_EOF) {
        return OXP_READING_FAIL(reading, NULL, "expected \"# EOF\" as the last line");
    }
    if (!oxp_cursor_at_end(&reading->lines.cursor)) {
        return oxp_cursor_fail(&reading->lines.cursor, reading->lines.error, "expected nothing behind \"# EOF\"");
    }
    return OXP_END;
}

static enum oxp_status read_line(struct oxp_reading *reading) {
    enum oxp_status status = oxp_line_read(&reading->lines, &reading->line);
    if (status == OXP_END) {
        return read_end(reading);
    }
    if (status != OXP_OK) {
        return status;
    }
    switch (reading->line.kind) {
    case OXP_LINE_NOTHING:
        return OXP_OK;
    case OXP_LINE_TYPE:
    case OXP_LINE_HELP:
    case OXP_LINE_UNIT:
        return read_metadata(reading);
    case OXP_LINE_SAMPLE:
        return read_sample(reading);
    case OXP_LINE_EOF:
        return read_end(reading);
    }
    return OXP_OK;
}

enum oxp_status oxp_exposition_read(struct oxp_view input, enum oxp_format format, const struct oxp_reader_sink *sink,
                                    struct oxp_error *error) {
    struct oxp_reading reading = {.sink = sink};
    oxp_line_reader_init(&reading.lines, input, format, error);
    oxp_map_init(&reading.owners);
    oxp_map_init(&reading.groups);
    oxp_map_init(&reading.series);
    oxp_buf_init(&reading.key, 0);
    enum oxp_status status = OXP_OK;
    while (status == OXP_OK) {
        status = read_line(&reading);
    }
    oxp_line_reader_fini(&reading.lines);
    oxp_map_fini(&reading.owners);
    oxp_map_fini(&reading.groups);
    oxp_map_fini(&reading.series);
    oxp_arena_fini(&reading.owners_arena);
    oxp_arena_fini(&reading.family_arena);
    oxp_buf_fini(&reading.key);
    return status == OXP_END ? OXP_OK : status;
}
