/* histogram_quantile and histogram_fraction of classic histograms: series that differ in nothing but `le`.
 *
 * Which series make a histogram is found once for all steps, through a hash table of their labels without `le`; then
 * each histogram is worked through step by step with the buckets that have a value there. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "alerts/promql/buckets.h"
#include "alerts/promql/calls.h"

/* One bucket's series. */
struct series {
    double bound;
    const double *value;
    uint32_t next; /* the histogram's next one, plus one */
};

/* One histogram. The metric's name is none of `labels` but keeps histograms apart. */
struct histogram {
    const struct oxp_labels *labels, *first; /* of the result; of its first series */
    uint32_t series;                         /* the first one, plus one */
    uint32_t count;
};

struct histograms {
    struct histogram *list;
    size_t count;
    struct series *series;
    uint32_t *table; /* histograms' numbers plus one, by hash */
    size_t slots;    /* a power of two */
    size_t largest;  /* buckets */
};

/* The calls' difference. */
struct estimate {
    bool fraction;
    const double *phi, *lower, *upper; /* one for each step */
    struct oxp_bucket_repair repair;   /* of all histograms and steps together */
    size_t repaired;                   /* samples */
    int64_t from_ms, to_ms;            /* of repaired samples */
};

/* ---- Series to histograms ---- */

/* A bound as strconv.ParseFloat reads it; one that is too large is none. */
static bool read_bound(struct oxp_view text, double *bound_out) {
    if (oxp_number_parse_exposition(text, bound_out) != OXP_OK) {
        return false;
    }
    bool digits = false;
    for (size_t i = 0; i < text.len; i++) {
        digits = digits || (text.ptr[i] >= '0' && text.ptr[i] <= '9');
    }
    return !(isinf(*bound_out) && digits);
}

static void warn_of_bound(struct oxp_call *call, const struct oxp_promql_node *node, struct oxp_view text) {
    struct oxp_buf quoted;
    oxp_buf_init(&quoted, 4096);
    oxp_text_quote(&quoted, text);
    oxp_query_annotate(call->eval->query, OXP_ANNOTATION_WARNING, node,
                       "bucket label \"le\" is missing or has a malformed value of %s", oxp_buf_text(&quoted));
    oxp_buf_fini(&quoted);
}

static bool same_name(const struct oxp_labels *a, const struct oxp_labels *b) {
    const struct oxp_symbol *x = oxp_labels_name(a), *y = oxp_labels_name(b);
    return x == y || (x != NULL && y != NULL && oxp_symbol_equal(x, y));
}

/* The histogram of these labels, made when it is the first series of it; NULL without memory. */
static struct histogram *histogram_of(struct oxp_arena *arena, struct histograms *all, const struct oxp_labels *labels,
                                      const struct oxp_label_choice *choice) {
    size_t at = oxp_labels_chosen_hash(labels, choice) & (all->slots - 1);
    for (; all->table[at] != 0; at = (at + 1) & (all->slots - 1)) {
        struct histogram *histogram = &all->list[all->table[at] - 1];
        if (oxp_labels_chosen_equal(histogram->first, labels, choice) && same_name(histogram->first, labels)) {
            return histogram;
        }
    }
    struct histogram *histogram = &all->list[all->count++];
    *histogram = (struct histogram){.labels = oxp_labels_chosen(arena, labels, choice), .first = labels};
    all->table[at] = (uint32_t)all->count;
    return histogram->labels == NULL ? NULL : histogram;
}

/* Room for as many histograms as there are columns. False without memory. */
static bool prepare(struct oxp_arena *arena, size_t columns, struct histograms *all) {
    *all = (struct histograms){.slots = 16};
    while (all->slots < columns * 2) {
        all->slots *= 2;
    }
    all->list = oxp_arena_zero(arena, columns, sizeof *all->list);
    all->series = oxp_arena_zero(arena, columns, sizeof *all->series);
    all->table = oxp_arena_zero(arena, all->slots, sizeof *all->table);
    return all->list != NULL && all->series != NULL && all->table != NULL;
}

/* Finds the histograms of argument number `arg`. */
static enum oxp_status gather(struct oxp_call *call, size_t arg, struct histograms *all) {
    struct oxp_query_state *query = call->eval->query;
    const struct oxp_vector *vector = &call->args[arg];
    const struct oxp_symbol *le = oxp_symbol_new(&query->arena, OXP_VIEW("le"));
    if (vector->count >= UINT32_MAX / 4) {
        return oxp_query_fail(query, OXP_ERR_LIMIT, "too many series in a histogram function");
    }
    if (le == NULL || !prepare(&query->arena, vector->count, all)) {
        return oxp_query_memory(query);
    }
    const struct oxp_label_choice choice = {.names = &le, .count = 1, .without = true};
    for (size_t i = 0; i < vector->count; i++) {
        const struct oxp_column *column = &vector->columns[i];
        const struct oxp_symbol *bound = oxp_labels_get(column->labels, le);
        struct oxp_view text = bound == NULL ? (struct oxp_view){"", 0} : oxp_symbol_view(bound);
        struct series *series = &all->series[i];
        if (oxp_column_empty(column, call->eval->steps)) {
            continue;
        }
        if (!read_bound(text, &series->bound)) {
            warn_of_bound(call, call->node->call.args[arg], text);
            continue;
        }
        struct histogram *histogram = histogram_of(&query->arena, all, column->labels, &choice);
        if (histogram == NULL) {
            return oxp_query_memory(query);
        }
        series->value = column->value;
        series->next = histogram->series;
        histogram->series = (uint32_t)i + 1;
        histogram->count++;
        all->largest = histogram->count > all->largest ? histogram->count : all->largest;
    }
    return OXP_OK;
}

/* ---- Histograms to values ---- */

/* Ascending by bound; a NaN, which nobody means, first. */
static int compare_series(const void *a, const void *b) {
    double x = (*(const struct series *const *)a)->bound, y = (*(const struct series *const *)b)->bound;
    return isnan(x) || isnan(y) ? (isnan(y) != 0) - (isnan(x) != 0) : (x > y) - (x < y);
}

static void note_repair(struct estimate *estimate, const struct oxp_bucket_repair *repair, int64_t time_ms) {
    if (!repair->forced) {
        return;
    }
    if (estimate->repaired++ == 0) {
        estimate->repair = *repair;
        estimate->from_ms = estimate->to_ms = time_ms;
        return;
    }
    estimate->repair.first_bound = fmin(estimate->repair.first_bound, repair->first_bound);
    estimate->repair.last_bound = fmax(estimate->repair.last_bound, repair->last_bound);
    estimate->repair.most = fmax(estimate->repair.most, repair->most);
    estimate->from_ms = time_ms < estimate->from_ms ? time_ms : estimate->from_ms;
    estimate->to_ms = time_ms > estimate->to_ms ? time_ms : estimate->to_ms;
}

/* Fills `value` for all steps from a histogram's series, sorted. */
static void estimate_steps(const struct oxp_eval *eval, struct estimate *estimate, struct series *const *series,
                           size_t count, struct oxp_bucket *buckets, double *value) {
    for (size_t step = 0; step < eval->steps; step++) {
        size_t present = 0;
        for (size_t i = 0; i < count; i++) {
            if (!oxp_is_absent(series[i]->value[step])) {
                buckets[present++] = (struct oxp_bucket){series[i]->bound, series[i]->value[step]};
            }
        }
        if (present == 0) {
            continue;
        }
        present = oxp_buckets_join(buckets, present);
        if (estimate->fraction) {
            value[step] = oxp_buckets_fraction(estimate->lower[step], estimate->upper[step], buckets, present);
        } else {
            struct oxp_bucket_repair repair;
            value[step] = oxp_buckets_quantile(estimate->phi[step], buckets, present, &repair);
            note_repair(estimate, &repair, oxp_eval_time(eval, step));
        }
    }
}

static enum oxp_status estimate_all(struct oxp_call *call, struct estimate *estimate, const struct histograms *all,
                                    struct oxp_vector *out) {
    struct oxp_query_state *query = call->eval->query;
    *out = (struct oxp_vector){.count = 0};
    struct oxp_bucket *buckets = oxp_arena_zero(&query->arena, all->largest, sizeof *buckets);
    struct series **series = oxp_arena_zero(&query->arena, all->largest, sizeof(struct series *));
    if (buckets == NULL || series == NULL) {
        return oxp_query_memory(query);
    }
    for (size_t i = 0; i < all->count; i++) {
        size_t count = 0;
        for (uint32_t at = all->list[i].series; at != 0; at = all->series[at - 1].next) {
            series[count++] = &all->series[at - 1];
        }
        qsort(series, count, sizeof(struct series *), compare_series);
        struct oxp_column *column = oxp_vector_add(&query->arena, out, all->list[i].labels, NULL, call->eval->steps);
        if (column == NULL) {
            return oxp_query_memory(query);
        }
        estimate_steps(call->eval, estimate, series, count, buckets, column->value);
        enum oxp_status status = oxp_query_check(query, 0);
        if (status != OXP_OK) {
            return status;
        }
    }
    return OXP_OK;
}

/* ---- The calls ---- */

static int write_time(char *out, size_t size, int64_t time_ms) {
    struct oxp_civil civil = oxp_civil_of(time_ms / 1000);
    return snprintf(out, size, "%04lld-%02d-%02dT%02d:%02d:%02dZ", (long long)civil.year, civil.month, civil.day,
                    civil.hour, civil.minute, civil.second);
}

static void tell_repair(struct oxp_call *call, const struct oxp_promql_node *node, const struct estimate *estimate) {
    if (estimate->repaired == 0) {
        return;
    }
    char first[OXP_NUMBER_MAX], last[OXP_NUMBER_MAX], most[OXP_NUMBER_MAX], from[48], to[48];
    size_t first_len = oxp_promql_number_g(first, estimate->repair.first_bound, false);
    size_t last_len = oxp_promql_number_g(last, estimate->repair.last_bound, false);
    size_t most_len = oxp_promql_number_g(most, estimate->repair.most, true);
    write_time(from, sizeof from, estimate->from_ms);
    write_time(to, sizeof to, estimate->to_ms);
    oxp_query_annotate(call->eval->query, OXP_ANNOTATION_INFO, node,
                       "input to histogram_quantile needed to be fixed for monotonicity (see "
                       "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile), from "
                       "buckets %.*s to %.*s, with a max diff of %.*s, over %zu samples from %s to %s",
                       (int)first_len, first, (int)last_len, last, (int)most_len, most, estimate->repaired, from, to);
}

/* Each phi is looked at once while it stays the same. */
static enum oxp_status check_phi(struct oxp_call *call, const double *phi) {
    for (size_t step = 0; step < call->eval->steps; step++) {
        if (step != 0 && (phi[step] == phi[step - 1] || (isnan(phi[step]) && isnan(phi[step - 1])))) {
            continue;
        }
        oxp_promql_check_quantile(call->eval->query, call->node->call.args[0], phi[step]);
        enum oxp_status status = oxp_query_work(call->eval->query, 1);
        if (status != OXP_OK) {
            return status;
        }
    }
    return OXP_OK;
}

enum oxp_status oxp_call_histogram_quantile(struct oxp_call *call, struct oxp_vector *out) {
    struct estimate estimate = {.phi = call->args[0].columns[0].value};
    struct histograms all = {0};
    enum oxp_status status = check_phi(call, estimate.phi);
    status = status == OXP_OK ? gather(call, 1, &all) : status;
    if (status == OXP_OK) {
        status = estimate_all(call, &estimate, &all, out);
    }
    if (status != OXP_OK) {
        return status;
    }
    tell_repair(call, call->node->call.args[1], &estimate);
    return oxp_call_finish(call, out, false);
}

enum oxp_status oxp_call_histogram_fraction(struct oxp_call *call, struct oxp_vector *out) {
    struct estimate estimate = {
        .fraction = true, .lower = call->args[0].columns[0].value, .upper = call->args[1].columns[0].value};
    struct histograms all = {0};
    enum oxp_status status = gather(call, 2, &all);
    if (status == OXP_OK) {
        status = estimate_all(call, &estimate, &all, out);
    }
    return status == OXP_OK ? oxp_call_finish(call, out, false) : status;
}
