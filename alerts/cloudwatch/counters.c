#include "alerts/cloudwatch/counters.h"

#include "lib/base/crc32.h"
#include "lib/base/number.h"
#include <math.h>
#include <stdlib.h>

#define FORGET_MS (INT64_C(14) * 86400 * 1000)
#define BEGAN_KEY OXP_CW_LEDGER "/began" /* no metric has an empty name */

struct oxp_cw_counter {
    double value; /* that the outbox has; meaningless unless `kept` */
    double next;  /* set aside in this round */
    int64_t seen_ms;
    bool kept, set, gone;
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

enum oxp_status oxp_cw_counters_open(struct oxp_cw_counters *counters, struct oxp_outbox *outbox) {
    struct oxp_arena arena;
    struct oxp_outbox_value *values = NULL;
    size_t count = 0;
    *counters = (struct oxp_cw_counters){0};
    oxp_map_init(&counters->map);
    if (outbox == NULL) {
        return OXP_OK;
    }
    oxp_arena_init(&arena, 0);
    enum oxp_status status = oxp_outbox_values(outbox, OXP_VIEW(OXP_CW_LEDGER), &arena, &values, &count);
    for (size_t i = 0; i < count && status == OXP_OK; i++) {
        double value;
        if (oxp_number_parse_exposition(values[i].value, &value) != OXP_OK || !isfinite(value)) {
            continue; /* whoever wrote that: the series begins anew */
        }
        if (oxp_view_is(values[i].key, BEGAN_KEY)) {
            counters->began_ms = value > 0 && value < 0x1p62 ? (int64_t)value : 0;
            continue;
        }
        struct oxp_cw_counter *counter = counter_at(counters, values[i].key);
        if (counter == NULL) {
            status = OXP_ERR_NOMEM;
            break;
        }
        counter->value = value;
        counter->kept = true;
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

void oxp_cw_counter_prefix(const struct oxp_cw_metric *metric, struct oxp_buf *out) {
    uint32_t crc = oxp_crc32c((uint32_t)metric->kind, metric->expr, strlen(metric->expr));
    for (size_t i = 0; i < metric->label_count; i++) {
        crc = oxp_crc32c(crc, metric->labels[i].name, strlen(metric->labels[i].name) + 1);
        crc = oxp_crc32c(crc, metric->labels[i].value, strlen(metric->labels[i].value) + 1);
    }
    oxp_buf_clear(out);
    oxp_buf_append_format(out, OXP_CW_LEDGER "%s/%08x", metric->name, (unsigned)crc);
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

static bool is_wanted(const struct oxp_view *prefixes, size_t count, struct oxp_view key) {
    for (size_t i = 0; i < count; i++) {
        if (oxp_view_starts(key, prefixes[i]) && (key.len == prefixes[i].len || key.ptr[prefixes[i].len] == '/')) {
            return true;
        }
    }
    return false;
}

static bool changed(const struct oxp_cw_counter *counter) {
    return counter->set && (!counter->kept || counter->next != counter->value);
}

static struct oxp_view number_text(struct oxp_arena *arena, double number) {
    char text[OXP_NUMBER_MAX];
    return oxp_arena_copy(arena, oxp_view_of(text, oxp_number_from_double(text, number)));
}

enum oxp_status oxp_cw_counters_changes(struct oxp_cw_counters *counters, const struct oxp_cw_config *config,
                                        int64_t now_ms, struct oxp_arena *arena, struct oxp_outbox_value **values_out,
                                        size_t *count_out) {
    const struct oxp_view *prefixes = wanted_prefixes(config, arena);
    struct oxp_outbox_value *values = oxp_arena_zero(arena, counters->map.count + 2, sizeof *values);
    size_t index = 0, count = 0;
    *count_out = 0;
    *values_out = values;
    if (prefixes == NULL || values == NULL) {
        return OXP_ERR_NOMEM;
    }
    for (struct oxp_cw_counter *counter; (counter = oxp_map_next(&counters->map, &index)) != NULL;) {
        /* Time counts from when this process saw it, so that a restart forgets nothing. */
        counter->seen_ms = counter->set || counter->seen_ms == 0 ? now_ms : counter->seen_ms;
        counter->gone = !counter->set && (now_ms - counter->seen_ms > FORGET_MS ||
                                          !is_wanted(prefixes, config->metric_count, key_of(counter)));
        if (!counter->set && counter->kept && !counter->gone && are_others(counters)) {
            counter->next = 0; /* not there yet: it will count from 0 */
            counter->set = true;
        }
        if (counter->gone && counter->kept) {
            values[count++] = (struct oxp_outbox_value){key_of(counter), {NULL, 0}};
        } else if (changed(counter)) {
            values[count++] = (struct oxp_outbox_value){key_of(counter), number_text(arena, counter->next)};
        }
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
    for (struct oxp_cw_counter *counter; (counter = oxp_map_next(&counters->map, &index)) != NULL;) {
        if (keep && counter->set) {
            counter->value = counter->next;
            counter->kept = true;
        }
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
