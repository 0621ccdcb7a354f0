/* The short memory and PromQL: what it costs to keep a sample, and to ask for it.
 *
 *     bench_promql append N         a registry of N series sampled for an hour: time a sample, bytes, resident memory
 *     bench_promql query N          N series of an hour: time of an instant query for each sample it touches
 *     bench_promql panels N         ten panels of a dashboard over that hour, a point for each sample
 *     bench_promql rules N          1,000 expressions of alert rules, once
 *     bench_promql dump N           the same samples as OpenMetrics for promtool; the queries stand in run.py's peer,
 * too bench_promql list             the queries: a kind and an expression a line
 *
 * An instance has 100 series: 40 idle counters, 20 growing ones, 10 whole-numbered gauges, 6 fractional ones, 24
 * buckets. Prints lines of words for tests/bench/run.py. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "alerts/promql/engine.h"
#include "alerts/rules/rules.h"
#include "alerts/tsdb/sampler.h"
#include "exporter/api/query_json.h"
#include "lib/base/random.h"

enum { PER_INSTANCE = 100, TICKS = 240, INTERVAL_MS = 15000, BOUNDS = 12 };

static int64_t base_ms = INT64_C(1767225600000); /* of the first sample */

static const char *const bounds[BOUNDS] = {"0.1",  "0.25", "0.5",  "1.0",  "2.5",   "5.0",
                                           "10.0", "15.0", "30.0", "60.0", "120.0", "+Inf"};

/* ---- The series ---- */

struct model {
    struct oxp_random random;
    double value;
    unsigned kind; /* within its instance: 0 to 99 */
};

static void model_init(struct model *model, size_t i) {
    oxp_random_seed(&model->random, i);
    model->kind = (unsigned)(i % PER_INSTANCE);
    model->value = (double)(oxp_random_u64(&model->random) % 1000);
}

/* The next value. Buckets of one histogram are series of their own, but grow alike, the wider ones more. */
static double model_next(struct model *model) {
    double u = oxp_random_unit(&model->random);
    if (model->kind < 40) {
        return model->value;
    }
    if (model->kind < 60) {
        return model->value += (double)(int)(u * u * 20);
    }
    if (model->kind < 70) {
        return model->value = (double)(int)(u * 12);
    }
    if (model->kind < 76) {
        return model->value = (double)(int)(u * 1000) / 1000;
    }
    return model->value += (double)(int)(u * (1 + (model->kind - 76) % BOUNDS));
}

static int series_name(size_t i, char *out, size_t size) {
    size_t instance = i / PER_INSTANCE, kind = i % PER_INSTANCE;
    if (kind < 40) {
        return snprintf(out, size, "bench_idle_total{job=\"bench\",instance=\"i-%04zu\",code=\"c%02zu\"}", instance,
                        kind);
    }
    if (kind < 60) {
        static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};
        static const char *const codes[] = {"200", "302", "404", "500", "503"};
        return snprintf(out, size, "bench_requests_total{job=\"bench\",instance=\"i-%04zu\",method=\"%s\",code=\"%s\"}",
                        instance, methods[(kind - 40) / 5], codes[(kind - 40) % 5]);
    }
    if (kind < 70) {
        return snprintf(out, size, "bench_sessions{job=\"bench\",instance=\"i-%04zu\",state=\"s%zu\"}", instance,
                        kind - 60);
    }
    if (kind < 76) {
        return snprintf(out, size, "bench_load{job=\"bench\",instance=\"i-%04zu\",core=\"%zu\"}", instance, kind - 70);
    }
    return snprintf(out, size, "bench_latency_bucket{job=\"bench\",instance=\"i-%04zu\",op=\"%s\",le=\"%s\"}", instance,
                    kind < 88 ? "act" : "extract", bounds[(kind - 76) % BOUNDS]);
}

/* ---- Measuring ---- */

static double cpu_s(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static void must(enum oxp_status status, const char *what) {
    if (status != OXP_OK) {
        fprintf(stderr, "promql_bench: %s: %s\n", what, oxp_status_text(status));
        exit(1);
    }
}

static size_t heap(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* ---- Filling ---- */

/* `name{k="v",…}` as a label set. */
static const struct oxp_labels *labels_of(struct oxp_arena *arena, const char *name) {
    struct oxp_labels_builder builder;
    const char *brace = strchr(name, '{');
    oxp_labels_build(&builder, arena, oxp_labels_none());
    oxp_labels_set_text(&builder, OXP_VIEW(OXP_NAME_LABEL), oxp_view_of(name, (size_t)(brace - name)));
    for (const char *at = brace + 1; *at != '\0';) {
        const char *equal = strchr(at, '='), *end = strchr(equal + 2, '"');
        oxp_labels_set_text(&builder, oxp_view_of(at, (size_t)(equal - at)),
                            oxp_view_of(equal + 2, (size_t)(end - equal) - 2));
        at = end + 2;
    }
    return oxp_labels_finish(&builder);
}

static struct oxp_tsdb *fill(size_t count) {
    struct oxp_tsdb *tsdb = NULL;
    struct oxp_tsdb_series **series = calloc(count, sizeof(struct oxp_tsdb_series *));
    struct model *models = calloc(count, sizeof *models);
    must(series == NULL || models == NULL ? OXP_ERR_NOMEM : OXP_OK, "memory");
    must(oxp_tsdb_new(&(struct oxp_tsdb_options){.retention_ms = 7200000}, &tsdb), "short memory");
    for (size_t i = 0; i < count; i++) {
        char name[200];
        struct oxp_arena arena;
        oxp_arena_init(&arena, 0);
        series_name(i, name, sizeof name);
        must(oxp_tsdb_series_at(tsdb, labels_of(&arena, name), &series[i]), name);
        oxp_arena_fini(&arena);
        model_init(&models[i], i);
    }
    double began = cpu_s();
    for (int64_t tick = 0; tick < TICKS; tick++) {
        for (size_t i = 0; i < count; i++) {
            must(oxp_tsdb_append(tsdb, series[i], base_ms + tick * INTERVAL_MS, model_next(&models[i])), "append");
        }
    }
    fprintf(stderr, "filled: %.0f ns a sample, its making included\n",
            (cpu_s() - began) / (double)(count * TICKS) * 1e9);
    free(series);
    free(models);
    return tsdb;
}

/* A registry with the same series, sampled as the daemon does. Histograms are left out: their buckets would be four
 * samples for one update; gauges and counters stand for them. */
static void append(size_t count) {
    static struct oxp_family_spec specs[] = {
        {.name = "bench_requests_total", .help = "x", .type = OXP_COUNTER, .labels = {{.key = "name"}}},
        {.name = "bench_load", .help = "x", .type = OXP_GAUGE, .labels = {{.key = "name"}}},
    };
    struct oxp_registry *registry = NULL;
    struct oxp_family *families[2];
    struct oxp_series **series = calloc(count, sizeof(struct oxp_series *));
    struct model *models = calloc(count, sizeof *models);
    must(series == NULL || models == NULL ? OXP_ERR_NOMEM : OXP_OK, "memory");
    must(
        oxp_registry_new(
            &(struct oxp_registry_options){.series = count + 10, .series_per_family = (unsigned)count + 10}, &registry),
        "registry");
    for (size_t i = 0; i < 2; i++) {
        specs[i].max_series = (unsigned)count + 10;
        must(oxp_registry_add(registry, &specs[i], &families[i]), "family");
    }
    for (size_t i = 0; i < count; i++) {
        char name[64];
        size_t length = (size_t)snprintf(name, sizeof name, "workflow-%05zu", i);
        model_init(&models[i], i);
        bool gauge = models[i].kind >= 60 && models[i].kind < 76;
        series[i] = oxp_family_at(families[gauge], oxp_view_of(name, length));
    }
    size_t before = heap();
    struct oxp_tsdb *tsdb = NULL;
    struct oxp_sampler *sampler = NULL;
    struct oxp_exemplars_store *exemplars = NULL;
    must(oxp_tsdb_new(&(struct oxp_tsdb_options){.retention_ms = 3600000}, &tsdb), "short memory");
    must(oxp_exemplars_new(0, &exemplars), "exemplars");
    must(oxp_sampler_new(tsdb, exemplars, registry,
                         &(struct oxp_sampler_options){.job = "oxpecker", .instance = "localhost:10108"}, &sampler),
         "sampler");
    double first = 0, rest = 0;
    for (int64_t tick = 0; tick < TICKS; tick++) {
        for (size_t i = 0; i < count; i++) {
            double was = models[i].value, now = model_next(&models[i]);
            if (models[i].kind >= 60 && models[i].kind < 76) {
                oxp_gauge_set(series[i], now);
            } else {
                oxp_counter_add(oxp_counter(series[i]), (uint64_t)(now - was));
            }
        }
        struct oxp_sampler_tick done;
        double began = cpu_s();
        int64_t time_ms = base_ms + tick * INTERVAL_MS;
        must(oxp_sampler_tick(sampler, time_ms, (double)time_ms / 1000, &done), "tick");
        *(tick == 0 ? &first : &rest) += cpu_s() - began;
    }
    struct oxp_tsdb_stats stats;
    oxp_tsdb_stats(tsdb, &stats);
    printf("first_tick_ns_a_series %.0f\n", first / (double)count * 1e9);
    printf("tick_ns_a_sample %.1f\n", rest / (double)(count * (TICKS - 1)) * 1e9);
    printf("tick_ms %.2f\n", rest / (TICKS - 1) * 1e3);
    printf("bytes_a_sample %.2f\n", (double)stats.sample_bytes / (double)stats.samples);
    printf("bytes_in_all %llu\n", (unsigned long long)stats.bytes);
    printf("heap_bytes %zu\n", heap() - before);
    oxp_sampler_free(sampler);
    oxp_exemplars_free(exemplars);
    oxp_tsdb_free(tsdb);
    oxp_registry_free(registry);
    free(series);
    free(models);
}

/* ---- Asking ---- */

static const struct {
    const char *kind, *expr;
} queries[] = {
    {"instant", "bench_idle_total"},
    {"instant", "sum by (instance) (bench_idle_total)"},
    {"instant", "rate(bench_requests_total[5m])"},
    {"instant", "sum by (code) (rate(bench_requests_total[5m]))"},
    {"instant", "sum by (code) (rate(bench_requests_total[1h]))"},
    {"instant", "max_over_time(bench_load[1h])"},
    {"instant", "quantile_over_time(0.9, bench_load[1h])"},
    {"instant", "quantile(0.9, bench_idle_total)"},
    {"instant", "histogram_quantile(0.95, sum by (le) (rate(bench_latency_bucket[5m])))"},
    {"instant", "bench_sessions / on (instance) group_left sum by (instance) (bench_sessions)"},
    {"panel", "sum by (state) (bench_sessions)"},
    {"panel", "sum by (code) (rate(bench_requests_total[5m]))"},
    {"panel", "sum(rate(bench_requests_total{code=~\"5..\"}[5m])) / sum(rate(bench_requests_total[5m]))"},
    {"panel", "histogram_quantile(0.95, sum by (le, op) (rate(bench_latency_bucket[5m])))"},
    {"panel", "histogram_quantile(0.5, sum by (le) (rate(bench_latency_bucket[5m])))"},
    {"panel", "topk(5, sum by (instance) (rate(bench_requests_total[5m])))"},
    {"panel", "avg by (core) (bench_load)"},
    {"panel", "max_over_time(bench_load{core=\"0\"}[10m])"},
    {"panel", "sum by (instance) (increase(bench_requests_total{method=\"GET\"}[10m]))"},
    {"panel", "count(bench_load > 0.8) or vector(0)"},
};
#define QUERIES (sizeof queries / sizeof queries[0])

/* Seconds of processor for one query with its answer as JSON. `series_out`, `samples_out`: what it gave and touched. */
static double ask(struct oxp_promql_engine *engine, struct oxp_tsdb *tsdb, const char *text, bool range,
                  uint64_t *samples_out) {
    struct oxp_promql_expr *expr = NULL;
    struct oxp_promql_answer *answer = NULL;
    struct oxp_error error;
    struct oxp_buf out;
    int64_t end = base_ms + (TICKS - 1) * INTERVAL_MS + 1000;
    double began = cpu_s();
    oxp_buf_init(&out, 0);
    if (oxp_promql_parse(oxp_view_from(text), &expr, &error) != OXP_OK) {
        fprintf(stderr, "promql_bench: %s: %s\n", text, error.text);
        exit(1);
    }
    struct oxp_promql_request request = {
        .expr = expr, .start_ms = range ? end - 3585000 : end, .end_ms = end, .step_ms = range ? INTERVAL_MS : 0};
    if (oxp_promql_query(engine, tsdb, &request, &answer, &error) != OXP_OK) {
        fprintf(stderr, "promql_bench: %s: %s\n", text, error.text);
        exit(1);
    }
    struct oxp_query_text writer = {.answer = answer, .range = range};
    while (oxp_query_text_next(&writer, &out)) {
    }
    must(oxp_buf_status(&out), "answer");
    double took = cpu_s() - began;
    *samples_out = answer->samples;
    oxp_promql_answer_free(answer);
    oxp_promql_expr_free(expr);
    oxp_buf_fini(&out);
    return took;
}

static double median(double *values, size_t count) {
    for (size_t i = 1; i < count; i++) {
        for (size_t k = i; k > 0 && values[k] < values[k - 1]; k--) {
            double swap = values[k];
            values[k] = values[k - 1];
            values[k - 1] = swap;
        }
    }
    return values[count / 2];
}

static void ask_all(size_t count, const char *kind) {
    struct oxp_promql_engine *engine = NULL;
    struct oxp_tsdb *tsdb = fill(count);
    must(oxp_promql_engine_new(&(struct oxp_promql_options){.memory_max = (size_t)2 << 30, .samples_max = 1000000000},
                               &engine),
         "engine");
    for (size_t i = 0; i < QUERIES; i++) {
        double took[7];
        uint64_t samples = 0;
        if (strcmp(queries[i].kind, kind) != 0) {
            continue;
        }
        ask(engine, tsdb, queries[i].expr, kind[0] == 'p', &samples);
        for (size_t k = 0; k < 7; k++) {
            took[k] = ask(engine, tsdb, queries[i].expr, kind[0] == 'p', &samples);
        }
        printf("%.6f %llu %s\n", median(took, 7), (unsigned long long)samples, queries[i].expr);
    }
    oxp_promql_engine_free(engine);
    oxp_tsdb_free(tsdb);
}

/* ---- Rules ---- In the mix that alert rules have (the share of windows, sums, comparisons, joins that was counted
 * over 1,800 published ones), each over the series of a few instances, as rules with label matchers are. */

static void rule_expr(size_t i, char *out, size_t size) {
    static const char *const forms[] = {
        "sum by (instance) (rate(bench_requests_total{instance=~'i-00%zu.',code=~'5..'}[5m])) / sum by (instance) "
        "(rate(bench_requests_total{instance=~'i-00%zu.'}[5m])) > 0.5",
        "increase(bench_requests_total{instance='i-00%zu1'}[10m]) > 1e9 and on (instance) "
        "bench_load{instance='i-00%zu1'} > 2",
        "max by (instance) (bench_load{instance=~'i-0%zu..'}) > 0.99 and on (instance) sum by (instance) "
        "(bench_sessions{instance=~'i-0%zu..'}) > 200",
        "histogram_quantile(0.99, sum by (le, instance) (rate(bench_latency_bucket{instance=~'i-00%zu.'}[5m]))) > 100 "
        "+ %zu",
        "avg without (core) (bench_load{instance=~'i-00%zu.'}) > 0.9 + %zu",
        "count by (instance) (bench_sessions{instance=~'i-00%zu.',state='s%zu'} > 11) > 20",
        "predict_linear(bench_load{instance='i-00%zu2'}[30m], 3600 * %zu) > 1e6",
        "changes(bench_idle_total{instance='i-00%zu3'}[15m]) > %zu",
        "absent(bench_sessions{instance='i-00%zu4',state='s%zu'})",
        "bench_sessions{instance='i-00%zu5'} > on (instance) group_left () (sum by (instance) "
        "(bench_sessions{instance='i-00%zu5'}) * 2)",
    };
    const size_t digit = i / 10 % 10;
    /* two numbers in each form; the forms stand above */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(out, size, forms[i % 10], digit, digit);
#pragma GCC diagnostic pop
}

static void rule_file(struct oxp_buf *out) {
    char expr[400];
    oxp_buf_append_text(out, "groups:\n");
    for (size_t i = 0; i < 1000; i++) {
        if (i % 10 == 0) {
            oxp_buf_append_format(out, "- name: group-%zu\n  interval: 15s\n  rules:\n", i / 10);
        }
        rule_expr(i, expr, sizeof expr);
        oxp_buf_append_format(out,
                              "  - alert: Bench%zu\n    expr: \"%s\"\n    for: 5m\n    labels: {severity: warning}\n"
                              "    annotations: {summary: \"{{ $labels.instance }} is at {{ $value | humanize }}\"}\n",
                              i, expr);
    }
    must(oxp_buf_status(out), "rule file");
}

static void rules(size_t count) {
    struct oxp_promql_engine *engine = NULL;
    struct oxp_rule_file *file = NULL;
    struct oxp_rules *set = NULL;
    struct oxp_error error;
    struct oxp_buf text;
    struct oxp_tsdb *tsdb = fill(count);
    must(oxp_promql_engine_new(&(struct oxp_promql_options){.memory_max = (size_t)1 << 30}, &engine), "engine");
    oxp_buf_init(&text, 0);
    rule_file(&text);
    if (oxp_rule_file_read(oxp_buf_view(&text), OXP_VIEW("bench.yml"), NULL, NULL, &file, &error) != OXP_OK) {
        fprintf(stderr, "promql_bench: %u:%u: %s\n", error.line, error.column, error.text);
        exit(1);
    }
    must(oxp_rules_new(&(struct oxp_rules_options){.tsdb = tsdb, .engine = engine}, &set), "rules");
    int64_t end = base_ms + (TICKS - 1) * INTERVAL_MS;
    must(oxp_rules_load(set, &file, 1, end), "load");
    double took[7];
    for (int64_t round = 0; round < 7; round++) {
        double began = cpu_s();
        oxp_rules_run_at(set, end + 1000 + round * 100);
        took[round] = cpu_s() - began;
    }
    struct oxp_rules_stats stats;
    struct oxp_promql_engine_stats asked;
    oxp_rules_stats(set, &stats);
    oxp_promql_engine_stats(engine, &asked);
    printf("rules_s %.4f\nrules %zu\nfailures %llu\nrules_samples %llu\n", median(took, 7), stats.rules,
           (unsigned long long)stats.failures, (unsigned long long)(asked.samples / 7));
    oxp_rules_free(set);
    oxp_promql_engine_free(engine);
    oxp_tsdb_free(tsdb);
    oxp_buf_fini(&text);
}

static void ask_instants(size_t count) {
    ask_all(count, "instant");
}

static void ask_panels(size_t count) {
    ask_all(count, "panel");
}

static void dump(size_t count) {
    for (size_t i = 0; i < count; i++) {
        char name[200];
        struct model model;
        model_init(&model, i);
        series_name(i, name, sizeof name);
        for (int64_t tick = 0; tick < TICKS; tick++) {
            printf("%s %.17g %lld\n", name, model_next(&model), (long long)(base_ms + tick * INTERVAL_MS) / 1000);
        }
    }
    puts("# EOF");
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(size_t count);
    } modes[] = {{"append", append}, {"query", ask_instants}, {"panels", ask_panels}, {"rules", rules}, {"dump", dump}};
    size_t count = argc >= 3 ? strtoul(argv[2], NULL, 10) : 0;
    if (argc == 4) {
        base_ms = (strtoll(argv[3], NULL, 10) - (TICKS - 1) * INTERVAL_MS / 1000) * 1000;
    }
    if (argc == 2 && strcmp(argv[1], "rulefile") == 0) {
        struct oxp_buf text;
        oxp_buf_init(&text, 0);
        rule_file(&text);
        fwrite(text.data, 1, text.len, stdout);
        oxp_buf_fini(&text);
        return 0;
    }
    for (size_t i = 0; i < sizeof modes / sizeof modes[0] && count != 0; i++) {
        if (strcmp(argv[1], modes[i].name) == 0) {
            modes[i].run(count);
            return 0;
        }
    }
    fprintf(stderr, "usage: bench_promql append|query|panels|rules|dump N [END], or rulefile\n");
    return 1;
}
