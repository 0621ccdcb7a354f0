/* The metrics (label sets) of the open family: rules R4 to R6 of reader.c. */
#include "lib/exposition/reading.h"

enum oxp_status oxp_metric_check(struct oxp_reading *reading, const struct oxp_group *group) {
    char reason[128];
    const struct oxp_open_family *family = &reading->family;
    if (!oxp_point_fault(&group->point, reading->lines.format, family->type, reason)) {
        return OXP_OK;
    }
    return oxp_error_set(reading->lines.error, OXP_ERR_SYNTAX, group->line, 1, "%s (%s \"%.*s\")", reason,
                         family->rules->word, OXP_SHOW(family->name));
}

/* The bytes that two equal label sets share; 0xff is in no name and in no value. */
static enum oxp_status make_key(struct oxp_reading *reading, const char *skipped, size_t skipped_len) {
    const struct oxp_label_set *set = &reading->lines.labels;
    oxp_buf_clear(&reading->key);
    for (size_t i = 0; i < set->count; i++) {
        const struct oxp_read_label *label = &set->sorted[i];
        if (label->value.len == 0 || oxp_view_equal(label->name, oxp_view_of(skipped, skipped_len))) {
            continue;
        }
        oxp_buf_append_view(&reading->key, label->name);
        oxp_buf_append_char(&reading->key, '\xff');
        oxp_buf_append_view(&reading->key, label->value);
        oxp_buf_append_char(&reading->key, '\xff');
    }
    return oxp_buf_status(&reading->key);
}

/* A kept copy of the key, behind room for `size` bytes. */
static void *keep_with_key(struct oxp_reading *reading, size_t size, struct oxp_view *key_out) {
    struct oxp_view key = oxp_buf_view(&reading->key);
    char *kept = oxp_arena_zero(&reading->family_arena, 1, size + key.len);
    if (kept == NULL) {
        return NULL;
    }
    if (key.len > 0) {
        memcpy(kept + size, key.ptr, key.len);
    }
    *key_out = oxp_view_of(kept + size, key.len);
    return kept;
}

static enum oxp_status add_group(struct oxp_reading *reading, struct oxp_group **group_out) {
    struct oxp_open_family *family = &reading->family;
    struct oxp_view key;
    struct oxp_group *group = keep_with_key(reading, sizeof *group, &key);
    if (group == NULL || oxp_map_set(&reading->groups, key, group, NULL) != OXP_OK) {
        return OXP_ERR_NOMEM;
    }
    group->key = key;
    *(family->last == NULL ? &family->first : &family->last->next) = group;
    family->last = group;
    *group_out = group;
    return OXP_OK;
}

/* Begins the next point of a group, or leaves it for the next group. */
static enum oxp_status end_point(struct oxp_reading *reading, struct oxp_group *group) {
    enum oxp_status status = oxp_metric_check(reading, group);
    group->point = (struct oxp_point){0};
    return status;
}

/* True for the kinds of sample that a point has one of at most. */
static bool comes_once(enum oxp_sample_role role) {
    return role != OXP_ROLE_BUCKET && role != OXP_ROLE_QUANTILE && role != OXP_ROLE_STATE;
}

static bool is_repeated(const struct oxp_group *group, enum oxp_sample_role role) {
    return comes_once(role) && (group->point.seen & (1U << role)) != 0;
}

/* R4: the same metric once more. A sample that is repeated at the same explicit time begins a point too (R5). */
static enum oxp_status continue_group(struct oxp_reading *reading, struct oxp_group *group, enum oxp_sample_role role) {
    const struct oxp_read_sample *sample = &reading->line.sample;
    if (sample->has_timestamp != group->has_timestamp) {
        return OXP_READING_FAIL(reading, reading->line.value.ptr,
                                "expected %s timestamp, as on the sample before of this metric",
                                group->has_timestamp ? "a" : "no");
    }
    if (sample->has_timestamp && sample->timestamp_s < group->timestamp_s) {
        return OXP_READING_FAIL(reading, reading->line.timestamp.ptr, "expected a timestamp not before that of line %u",
                                group->line);
    }
    if (sample->has_timestamp && (sample->timestamp_s > group->timestamp_s || is_repeated(group, role))) {
        return end_point(reading, group);
    }
    return OXP_OK;
}

static enum oxp_status enter_group(struct oxp_reading *reading, enum oxp_sample_role role,
                                   struct oxp_group **group_out) {
    struct oxp_open_family *family = &reading->family;
    struct oxp_view key = oxp_buf_view(&reading->key);
    struct oxp_group *group = family->current;
    enum oxp_status status = OXP_OK;
    if (group == NULL || !oxp_view_equal(group->key, key)) {
        group = oxp_map_get(&reading->groups, key);
        if (group != NULL && oxp_reading_is_openmetrics(reading)) {
            return OXP_READING_FAIL(reading, reading->line.name.ptr,
                                    "expected all samples of a metric together: this one continues that of line %u",
                                    group->line);
        }
        if (family->current != NULL && oxp_reading_is_openmetrics(reading)) {
            status = end_point(reading, family->current);
        }
        if (status == OXP_OK && group == NULL) {
            status = add_group(reading, &group);
        }
    } else if (oxp_reading_is_openmetrics(reading)) {
        status = continue_group(reading, group, role);
    }
    if (status != OXP_OK) {
        return status;
    }
    if (is_repeated(group, role)) {
        return OXP_READING_FAIL(reading, reading->line.name.ptr, "expected a series once: it stands in line %u already",
                                group->line);
    }
    group->has_timestamp = reading->line.sample.has_timestamp;
    group->timestamp_s = reading->line.sample.timestamp_s;
    group->line = reading->line.number;
    family->current = *group_out = group;
    return OXP_OK;
}

/* R5 for samples of which a point has any number, and for all that have no group. Buckets need none of this: they stand
 * in increasing order. */
static enum oxp_status check_series(struct oxp_reading *reading) {
    const struct oxp_read_sample *sample = &reading->line.sample;
    enum oxp_status status = make_key(reading, NULL, 0);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_seen_series *seen = oxp_map_get(&reading->series, oxp_buf_view(&reading->key));
    if (seen != NULL) {
        if (!oxp_reading_is_openmetrics(reading) || !sample->has_timestamp) {
            return OXP_READING_FAIL(reading, reading->line.name.ptr,
                                    "expected a series once: it stands in line %u already", seen->line);
        }
        seen->line = reading->line.number;
        return OXP_OK;
    }
    struct oxp_view key;
    seen = keep_with_key(reading, sizeof *seen, &key);
    if (seen == NULL) {
        return OXP_ERR_NOMEM;
    }
    seen->line = reading->line.number;
    return oxp_map_set(&reading->series, key, seen, NULL);
}

/* The label that belongs to the sample and not to its metric: le, quantile, or the state's. */
static struct oxp_view special_label(const struct oxp_open_family *family) {
    switch (family->type) {
    case OXP_READ_HISTOGRAM:
    case OXP_READ_GAUGE_HISTOGRAM:
        return OXP_VIEW("le");
    case OXP_READ_SUMMARY:
        return OXP_VIEW("quantile");
    case OXP_READ_STATESET:
        return family->name;
    case OXP_READ_UNKNOWN:
    case OXP_READ_COUNTER:
    case OXP_READ_GAUGE:
    case OXP_READ_INFO:
        break;
    }
    return oxp_view_of(NULL, 0);
}

static enum oxp_status find_special(struct oxp_reading *reading, enum oxp_sample_role role, struct oxp_view name,
                                    const struct oxp_read_label **special_out) {
    const struct oxp_label_set *set = &reading->lines.labels;
    *special_out = NULL;
    for (size_t i = 0; name.len > 0 && i < set->count; i++) {
        if (oxp_view_equal(set->items[i].name, name)) {
            *special_out = &set->items[i];
        }
    }
    if (*special_out != NULL && comes_once(role)) {
        return OXP_READING_FAIL(reading, (*special_out)->name.ptr, "expected no label \"%.*s\" on %.*s", OXP_SHOW(name),
                                OXP_SHOW(reading->line.name));
    }
    if (*special_out == NULL && role == OXP_ROLE_STATE) {
        return OXP_READING_FAIL(reading, reading->line.brace, "expected a label \"%.*s\" with the name of the state",
                                OXP_SHOW(name));
    }
    return OXP_OK;
}

/* Puts the sample to its metric and checks it there. */
enum oxp_status oxp_metric_add(struct oxp_reading *reading, enum oxp_sample_role role) {
    const struct oxp_read_label *special = NULL;
    struct oxp_view special_name = special_label(&reading->family);
    enum oxp_status status = find_special(reading, role, special_name, &special);
    if (status != OXP_OK) {
        return status;
    }
    bool grouped = oxp_reading_is_openmetrics(reading) ? role != OXP_ROLE_INFO : role != OXP_ROLE_VALUE;
    struct oxp_point alone = {0}, *point = &alone;
    if (grouped) {
        struct oxp_group *group = NULL;
        status = make_key(reading, special_name.ptr, special_name.len);
        status = status == OXP_OK ? enter_group(reading, role, &group) : status;
        if (status != OXP_OK) {
            return status;
        }
        point = &group->point;
    }
    if (!grouped || role == OXP_ROLE_QUANTILE || role == OXP_ROLE_STATE) {
        status = check_series(reading);
        if (status != OXP_OK) {
            return status;
        }
    }
    return oxp_point_add(point, &(struct oxp_point_sample){&reading->lines, &reading->line, role, special});
}
