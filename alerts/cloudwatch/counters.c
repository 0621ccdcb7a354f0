#include "alerts/cloudwatch/counters.h"

#include "alerts/cloudwatch/key.h"
#include "lib/base/crc32.h"
#include "lib/base/number.h"
#include <math.h>
#include <stdlib.h>

#define FORGET_MS (INT64_C(14) * 86400 * 1000)
/* no metric has an empty name */
#define BEGAN_KEY OXP_CW_LEDGER "/began"
#define VERSION_KEY OXP_CW_LEDGER "/version"
#define VERSION 2

struct oxp_cw_counter {
    double value; /* that the outbox has; meaningless unless `kept` */
    double next;  /* set aside in this round */
    int64_t seen_ms;
    bool kept, set, gone;
    bool unwritten; /* kept, but the outbox has it under another key yet */
    bool former;    /* of version 1: goes unless it is set */
    size_t key_len;
    char key[];
};

static struct oxp_view key_of(const struct oxp_cw_counter *counter) {
    return oxp_view_of(counter->key, counter->key_len);
}

static struct oxp_cw_counter *counter_at(struct oxp_cw_counters *counters, struct oxp_view key) {
    struct oxp_cw_counter *counter = oxp_map_get(&counters->map, key);
    if (counter != NULL) {
        return counter;
    }
    counter = calloc(1, sizeof *counter + key.len);
    if (counter == NULL) {
        return NULL;
    }
    memcpy(counter->key, key.ptr, key.len);
    counter->key_len = key.len;
    if (oxp_map_set(&counters->map, key_of(counter), counter, NULL) != OXP_OK) {
        free(counter);
        return NULL;
    }
    return counter;
}

/* ---- Keys ---- */

void oxp_cw_counter_prefix(const struct oxp_cw_metric *metric, struct oxp_buf *out) {
    uint32_t crc = oxp_crc32c((uint32_t)metric->kind, metric->expr, strlen(metric->expr));
    for (size_t i = 0; i < metric->label_count; i++) {
        crc = oxp_crc32c(crc, metric->labels[i].name, strlen(metric->labels[i].name) + 1);
        crc = oxp_crc32c(crc, metric->labels[i].value, strlen(metric->labels[i].value) + 1);
    }
    oxp_buf_clear(out);
    oxp_buf_append_format(out, OXP_CW_LEDGER "%s/%08x", metric->name, (unsigned)crc);
}

/* Prefixes of all metrics that are published as differences. */
static struct oxp_view *wanted_prefixes(const struct oxp_cw_config *config, struct oxp_arena *arena) {
    struct oxp_view *prefixes = oxp_arena_zero(arena, config->metric_count + 1, sizeof *prefixes);
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    for (size_t i = 0; i < config->metric_count && prefixes != NULL; i++) {
        oxp_cw_counter_prefix(&config->metrics[i], &text);
        prefixes[i] = oxp_arena_copy(arena, oxp_buf_view(&text));
        if (oxp_buf_status(&text) != OXP_OK || prefixes[i].ptr == NULL) {
            prefixes = NULL;
        }
    }
    oxp_buf_fini(&text);
    return prefixes;
}

/* Whose key it is; `count` = nobody's. */
static size_t find_prefix(const struct oxp_view *prefixes, size_t count, struct oxp_view key) {
    size_t i = 0;
    while (i < count &&
           (!oxp_view_starts(key, prefixes[i]) || (key.len > prefixes[i].len && key.ptr[prefixes[i].len] != '/'))) {
        i++;
    }
    return i;
}

/* ---- Reading ---- */

/* False: it is no value of a series, or none that can be used (whoever wrote that: the series begins anew). */
static bool read_value(struct oxp_cw_counters *counters, const struct oxp_outbox_value *row, double *value_out) {
    if (oxp_number_parse_exposition(row->value, value_out) != OXP_OK || !isfinite(*value_out)) {
        return false;
    }
    bool whole = *value_out > 0 && *value_out < 0x1p62;
    if (oxp_view_is(row->key, BEGAN_KEY)) {
        counters->began_ms = whole ? (int64_t)*value_out : 0;
        return false;
    }
    if (oxp_view_is(row->key, VERSION_KEY)) {
        counters->version = whole ? (unsigned)*value_out : 0;
        return false;
    }
    return true;
}

static enum oxp_status read_rows(struct oxp_cw_counters *counters, const struct oxp_outbox_value *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        double value;
        if (!read_value(counters, &rows[i], &value)) {
            continue;
        }
        struct oxp_cw_counter *counter = counter_at(counters, rows[i].key);
        if (counter == NULL) {
            return OXP_ERR_NOMEM;
        }
        counter->value = value;
        counter->kept = true;
    }
    return OXP_OK;
}

/* ---- Version 1 ---- */

/* One row under the key that it has now; `prefix` is its metric's. */
static enum oxp_status rename_row(struct oxp_cw_counters *counters, const struct oxp_labels *target,
                                  struct oxp_view prefix, struct oxp_view key, struct oxp_arena *arena) {
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    oxp_buf_append_view(&text, oxp_view_of(key.ptr, prefix.len + 1)); /* and the slash */
    enum oxp_status status =
        oxp_cw_bare_text(oxp_view_of(key.ptr + prefix.len + 1, key.len - prefix.len - 1), target, arena, &text);
    struct oxp_cw_counter *former = oxp_map_get(&counters->map, key);
    if (status == OXP_OK && former != NULL && !oxp_view_equal(oxp_buf_view(&text), key)) {
        struct oxp_cw_counter *counter = counter_at(counters, oxp_buf_view(&text));
        if (counter == NULL) {
            status = OXP_ERR_NOMEM;
        } else {
            former->former = true;
            counter->value = counter->kept && counter->value > former->value ? counter->value : former->value;
            counter->kept = counter->unwritten = true;
        }
    }
    oxp_buf_fini(&text);
    return status == OXP_ERR_SYNTAX ? OXP_OK : status;
}

static enum oxp_status rename_rows(struct oxp_cw_counters *counters, const struct oxp_cw_config *config,
                                   const struct oxp_labels *target, const struct oxp_outbox_value *rows, size_t count,
                                   struct oxp_arena *arena) {
    const struct oxp_view *prefixes = wanted_prefixes(config, arena);
    enum oxp_status status = prefixes == NULL ? OXP_ERR_NOMEM : OXP_OK;
    for (size_t i = 0; i < count && status == OXP_OK; i++) {
        size_t at = find_prefix(prefixes, config->metric_count, rows[i].key);
        if (at < config->metric_count && rows[i].key.len > prefixes[at].len) {
            status = rename_row(counters, target, prefixes[at], rows[i].key, arena);
        }
    }
    return status;
}

enum oxp_status oxp_cw_counters_open(struct oxp_cw_counters *counters, struct oxp_outbox *outbox,
                                     const struct oxp_cw_config *config, const struct oxp_labels *target) {
    struct oxp_arena arena;
    struct oxp_outbox_value *rows = NULL;
    size_t count = 0;
    *counters = (struct oxp_cw_counters){0};
    oxp_map_init(&counters->map);
    if (outbox == NULL) {
        return OXP_OK;
    }
    oxp_arena_init(&arena, 0);
    enum oxp_status status = oxp_outbox_values(outbox, OXP_VIEW(OXP_CW_LEDGER), &arena, &rows, &count);
    status = status == OXP_OK ? read_rows(counters, rows, count) : status;
    if (status == OXP_OK && counters->version == 0) {
        status = rename_rows(counters, config, target, rows, count, &arena);
    }
    oxp_arena_fini(&arena);
    if (status != OXP_OK) {
        oxp_cw_counters_close(counters);
    }
    return status;
}

void oxp_cw_counters_close(struct oxp_cw_counters *counters) {
    size_t index = 0;
    for (void *counter; (counter = oxp_map_next(&counters->map, &index)) != NULL;) {
        free(counter);
    }
    oxp_map_fini(&counters->map);
    oxp_map_init(&counters->map);
}

void oxp_cw_counters_began(struct oxp_cw_counters *counters, int64_t began_ms) {
    counters->next_began_ms = began_ms;
}

/* The counters that are published now are not those of the ledger. */
static bool are_others(const struct oxp_cw_counters *counters) {
    return counters->began_ms != 0 && counters->next_began_ms != 0 && counters->began_ms != counters->next_began_ms;
}

bool oxp_cw_counter_last(const struct oxp_cw_counters *counters, struct oxp_view key, double *value_out) {
    const struct oxp_cw_counter *counter = oxp_map_get(&counters->map, key);
    if (counter == NULL || !counter->kept) {
        return false;
    }
    *value_out = are_others(counters) ? 0 : counter->value;
    return true;
}

enum oxp_status oxp_cw_counter_set(struct oxp_cw_counters *counters, struct oxp_view key, double value) {
    struct oxp_cw_counter *counter = counter_at(counters, key);
    if (counter == NULL) {
        return OXP_ERR_NOMEM;
    }
    counter->next = value;
    counter->set = true;
    return OXP_OK;
}

/* ---- The commit ---- */

static bool changed(const struct oxp_cw_counter *counter) {
    return counter->set ? !counter->kept || counter->unwritten || counter->next != counter->value : counter->unwritten;
}

static struct oxp_view number_text(struct oxp_arena *arena, double number) {
    char text[OXP_NUMBER_MAX];
    return oxp_arena_copy(arena, oxp_view_of(text, oxp_number_from_double(text, number)));
}

enum oxp_status oxp_cw_counters_changes(struct oxp_cw_counters *counters, const struct oxp_cw_config *config,
                                        int64_t now_ms, struct oxp_arena *arena, struct oxp_outbox_value **values_out,
                                        size_t *count_out) {
    const struct oxp_view *prefixes = wanted_prefixes(config, arena);
    struct oxp_outbox_value *values = oxp_arena_zero(arena, counters->map.count + 3, sizeof *values);
    size_t index = 0, count = 0;
    *count_out = 0;
    *values_out = values;
    if (prefixes == NULL || values == NULL) {
        return OXP_ERR_NOMEM;
    }
    for (struct oxp_cw_counter *counter; (counter = oxp_map_next(&counters->map, &index)) != NULL;) {
        /* Time counts from when this process saw it, so that a restart forgets nothing. */
        counter->seen_ms = counter->set || counter->seen_ms == 0 ? now_ms : counter->seen_ms;
        bool wanted = find_prefix(prefixes, config->metric_count, key_of(counter)) < config->metric_count;
        counter->gone = !counter->set && (counter->former || !wanted || now_ms - counter->seen_ms > FORGET_MS);
        if (!counter->set && counter->kept && !counter->gone && are_others(counters)) {
            counter->next = 0; /* not there yet: it will count from 0 */
            counter->set = true;
        }
        if (counter->gone && counter->kept) {
            values[count++] = (struct oxp_outbox_value){key_of(counter), {NULL, 0}};
        } else if (changed(counter)) {
            double value = counter->set ? counter->next : counter->value;
            values[count++] = (struct oxp_outbox_value){key_of(counter), number_text(arena, value)};
        }
    }
    if (counters->version != VERSION) {
        values[count++] = (struct oxp_outbox_value){OXP_VIEW(VERSION_KEY), number_text(arena, VERSION)};
    }
    if (counters->next_began_ms != 0 && counters->next_began_ms != counters->began_ms) {
        values[count++] =
            (struct oxp_outbox_value){OXP_VIEW(BEGAN_KEY), number_text(arena, (double)counters->next_began_ms)};
    }
    *count_out = count;
    return oxp_arena_status(arena);
}

/* Ends the round: `keep` what was set aside, or not. Entries that stand for nothing are freed. */
static void end_round(struct oxp_cw_counters *counters, bool keep) {
    size_t index = 0;
    if (keep && counters->next_began_ms != 0) {
        counters->began_ms = counters->next_began_ms;
    }
    counters->version = keep ? VERSION : counters->version;
    for (struct oxp_cw_counter *counter; (counter = oxp_map_next(&counters->map, &index)) != NULL;) {
        if (keep && counter->set) {
            counter->value = counter->next;
            counter->kept = true;
        }
        counter->former = counter->former && !(keep && counter->set);
        counter->unwritten = counter->unwritten && !keep;
        counter->set = false;
        counter->gone = keep && counter->gone;
    }
    /* Removing moves entries, so the walk begins again after each; few are ever gone. */
    for (index = 0;;) {
        struct oxp_cw_counter *counter = oxp_map_next(&counters->map, &index);
        if (counter == NULL) {
            break;
        }
        if (counter->gone || !counter->kept) {
            oxp_map_remove(&counters->map, key_of(counter));
            free(counter);
            index = 0;
        }
    }
}

void oxp_cw_counters_keep(struct oxp_cw_counters *counters) {
    end_round(counters, true);
}

void oxp_cw_counters_undo(struct oxp_cw_counters *counters) {
    end_round(counters, false);
}
