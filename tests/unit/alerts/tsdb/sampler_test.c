/* What the sampler makes of a registry, tick by tick. */
#include "alerts/tsdb/sampler.h"

#include "lib/base/clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/alloc_fail.h"
#include "tests/unit/alerts/tsdb/memory_text.h"

/* ---- A registry, a memory and a sampler ---- */

static double now_s; /* unix time, as the registry sees it */

static double registry_now(void *ctx) {
    (void)ctx;
    return now_s;
}

struct world {
    struct oxp_tsdb *tsdb;
    struct oxp_exemplars_store *exemplars;
    struct oxp_registry *registry;
    struct oxp_sampler *sampler;
};

static void begin(struct world *world, const char *const *external_labels) {
    now_s = 1000;
    struct oxp_registry_options options = {.now_s = registry_now};
    struct oxp_sampler_options sampler = {
        .job = "j", .instance = "i", .external_labels = external_labels, .interval_ms = 15000};
    *world = (struct world){.tsdb = new_memory(3600, 0)};
    assert_int_equal(oxp_exemplars_new(0, &world->exemplars), OXP_OK);
    assert_int_equal(oxp_registry_new(&options, &world->registry), OXP_OK);
    assert_int_equal(oxp_sampler_new(world->tsdb, world->exemplars, world->registry, &sampler, &world->sampler),
                     OXP_OK);
}

static void end(struct world *world) {
    oxp_sampler_free(world->sampler);
    oxp_registry_free(world->registry);
    oxp_exemplars_free(world->exemplars);
    oxp_tsdb_free(world->tsdb);
}

static struct oxp_family *add(struct world *world, const struct oxp_family_spec *spec) {
    struct oxp_family *family = NULL;
    assert_int_equal(oxp_registry_add(world->registry, spec, &family), OXP_OK);
    return family;
}

/* A tick at a time in seconds, which becomes the registry's too. */
static struct oxp_sampler_tick tick(struct world *world, double time_s) {
    struct oxp_sampler_tick out;
    now_s = time_s;
    assert_int_equal(oxp_sampler_tick(world->sampler, (int64_t)(time_s * 1000), now_s, &out), OXP_OK);
    return out;
}

static const struct oxp_family_spec gauge_spec = {.name = "g", .help = "", .type = OXP_GAUGE};
static const struct oxp_family_spec counter_spec = {.name = "c_total", .help = "", .type = OXP_COUNTER};

/* ---- Names ---- */

static void test_every_type(void **state) {
    (void)state;
    struct world world;
    begin(&world, NULL);
    static const double bounds[] = {0.5, 1, 1e6};
    static const struct oxp_family_spec specs[] = {
        {.name = "m_float_total", .help = "", .type = OXP_COUNTER_FLOAT},
        {.name = "m_age", .help = "", .type = OXP_GAUGE_AGE},
        {.name = "m_h", .help = "", .type = OXP_HISTOGRAM, .bounds = bounds, .bound_count = 3},
        {.name = "m_big_total", .help = "", .type = OXP_COUNTER},
    };
    oxp_series_count(oxp_family_only(add(&world, &specs[0])), 1.5);
    oxp_gauge_set(oxp_family_only(add(&world, &specs[1])), 900);
    struct oxp_series *histogram = oxp_family_only(add(&world, &specs[2]));
    oxp_histogram_observe(histogram, 0.5);
    oxp_histogram_observe(histogram, 0.7);
    oxp_histogram_observe(histogram, 1e9);
    oxp_counter_add(oxp_counter(oxp_family_only(add(&world, &specs[3]))), (UINT64_C(1) << 60) + 1);
    struct oxp_sampler_tick out = tick(&world, 1010);
    assert_memory(world.tsdb, "m_",
                  "m_age{instance=\"i\", job=\"j\"} 110@1010\n"
                  "m_big_total{instance=\"i\", job=\"j\"} 0@1000 1152921504606847000@1010\n"
                  "m_float_total{instance=\"i\", job=\"j\"} 0@1000 1.5@1010\n"
                  "m_h_bucket{instance=\"i\", job=\"j\", le=\"+Inf\"} 0@1000 3@1010\n"
                  "m_h_bucket{instance=\"i\", job=\"j\", le=\"0.5\"} 0@1000 1@1010\n"
                  "m_h_bucket{instance=\"i\", job=\"j\", le=\"1.0\"} 0@1000 2@1010\n"
                  "m_h_bucket{instance=\"i\", job=\"j\", le=\"1000000.0\"} 0@1000 2@1010\n"
                  "m_h_count{instance=\"i\", job=\"j\"} 0@1000 3@1010\n"
                  "m_h_sum{instance=\"i\", job=\"j\"} 0@1000 1000000001.2@1010\n");
    assert_int_equal(out.samples, 9);
    assert_int_equal(out.added, 9);
    assert_int_equal(out.refused, 0);
    end(&world);
}

static void test_what_it_says_of_itself(void **state) {
    (void)state;
    struct world world;
    begin(&world, NULL);
    oxp_gauge_set(oxp_family_only(add(&world, &gauge_spec)), 1);
    (void)tick(&world, 1010);
    (void)tick(&world, 1025);
    assert_memory(world.tsdb, "up", "up{instance=\"i\", job=\"j\"} 1@1010 1@1025\n");
    assert_memory(world.tsdb, "scrape_s",
                  "scrape_samples_post_metric_relabeling{instance=\"i\", job=\"j\"} 1@1010 1@1025\n"
                  "scrape_samples_scraped{instance=\"i\", job=\"j\"} 1@1010 1@1025\n"
                  "scrape_series_added{instance=\"i\", job=\"j\"} 1@1010 0@1025\n");
    char *text = memory_text(world.tsdb, "scrape_duration_seconds");
    assert_non_null(strstr(text, "scrape_duration_seconds{instance=\"i\", job=\"j\"} "));
    free(text);
    end(&world);
}

static void test_labels(void **state) {
    (void)state;
    static const struct oxp_family_spec spec = {
        .name = "l",
        .help = "",
        .type = OXP_GAUGE,
        .labels = {{.key = "a"}, {.key = "instance"}, {.key = "exported_zone"}, {.key = "zone"}}};
    static const struct {
        const char *name, *a, *zone, *expected;
    } rows[] = {
        {"plain", "x", "z", "a=\"x\", exported_exported_zone=\"z\", exported_instance=\"own\", exported_zone=\"e\""},
        {"escaped", "q\"b\\n\nx,y=\"z\"", "z",
         "a=\"q\\\"b\\\\n\\nx,y=\\\"z\\\"\", exported_exported_zone=\"z\", exported_instance=\"own\", "
         "exported_zone=\"e\""},
        {"utf-8", "\xc3\xa4", "z",
         "a=\"\xc3\xa4\", exported_exported_zone=\"z\", exported_instance=\"own\", exported_zone=\"e\""},
        {"an empty value is no label", "", "", "exported_instance=\"own\", exported_zone=\"e\""},
    };
    static const char *const external[] = {"zone", "home", "replica", "r\"1", NULL};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world world;
        begin(&world, external);
        struct oxp_view values[] = {oxp_view_from(rows[i].a), OXP_VIEW("own"), OXP_VIEW("e"),
                                    oxp_view_from(rows[i].zone)};
        struct oxp_series *series = NULL;
        assert_int_equal(oxp_family_series(add(&world, &spec), values, &series), OXP_OK);
        oxp_gauge_set(series, 1);
        (void)tick(&world, 1010);
        char expected[400];
        snprintf(expected, sizeof expected,
                 "l{%s, instance=\"i\", job=\"j\", replica=\"r\\\"1\", zone=\"home\"} 1@1010\n", rows[i].expected);
        assert_memory(world.tsdb, "l", expected);
        end(&world);
    }
}

/* ---- Beginnings ---- */

static void test_zero_at_the_start(void **state) {
    (void)state;
    struct world world;
    begin(&world, NULL);
    static const struct oxp_family_spec spec = {
        .name = "z_total", .help = "", .type = OXP_COUNTER, .labels = {{.key = "k"}}};
    struct oxp_family *family = add(&world, &spec);
    struct oxp_family *gauge = add(&world, &gauge_spec);
    now_s = 1002.5;
    oxp_counter_add(oxp_counter(oxp_family_at(family, OXP_VIEW("first"))), 3);
    (void)tick(&world, 1005);
    now_s = 1012.25;
    oxp_counter_add(oxp_counter(oxp_family_at(family, OXP_VIEW("later"))), 4);
    oxp_gauge_set(oxp_family_only(gauge), 7);
    (void)tick(&world, 1020);
    /* made after the nominal time of the tick that sees it */
    now_s = 1035.004;
    oxp_counter_add(oxp_counter(oxp_family_at(family, OXP_VIEW("late"))), 5);
    struct oxp_sampler_tick out;
    assert_int_equal(oxp_sampler_tick(world.sampler, 1035000, now_s, &out), OXP_OK);
    assert_memory(world.tsdb, "z_total",
                  "z_total{instance=\"i\", job=\"j\", k=\"first\"} 0@1002.5 3@1005 3@1020 3@1035\n"
                  "z_total{instance=\"i\", job=\"j\", k=\"late\"} 0@1034.999 5@1035\n"
                  "z_total{instance=\"i\", job=\"j\", k=\"later\"} 0@1012.25 4@1020 4@1035\n");
    assert_memory(world.tsdb, "g", "g{instance=\"i\", job=\"j\"} 0@1005 7@1020 7@1035\n");
    /* begins anew while running */
    oxp_registry_set_created(world.registry, 1041);
    (void)tick(&world, 1050);
    char *text = memory_text(world.tsdb, "z_total");
    assert_non_null(strstr(text, "k=\"first\"} 0@1002.5 3@1005 3@1020 3@1035 0@1041 3@1050\n"));
    free(text);
    end(&world);
}

/* A counter that was restored, older than what is remembered, has no beginning to tell. */
static void test_no_zero_for_what_is_old(void **state) {
    (void)state;
    struct world world;
    begin(&world, NULL);
    struct oxp_series *series = oxp_family_only(add(&world, &counter_spec));
    assert_int_equal(oxp_series_restore_counter(series, 40, 1000), OXP_OK);
    (void)tick(&world, 1000 + 3601);
    assert_memory(world.tsdb, "c_total", "c_total{instance=\"i\", job=\"j\"} 40@4601\n");
    end(&world);
}

/* ---- Ends ---- */

static void test_hidden_series_end_and_come_back(void **state) {
    (void)state;
    struct world world;
    begin(&world, NULL);
    static const double bounds[] = {1};
    static const struct oxp_family_spec histogram = {
        .name = "h", .help = "", .type = OXP_HISTOGRAM, .bounds = bounds, .bound_count = 1};
    struct oxp_series *a = oxp_family_only(add(&world, &gauge_spec));
    struct oxp_series *b = oxp_family_only(add(&world, &histogram));
    assert_int_equal(tick(&world, 1010).stale, 0);
    oxp_series_hide(a);
    oxp_series_hide(b);
    /* one comes while two go: the number of series alone would not tell */
    static const struct oxp_family_spec other = {
        .name = "other", .help = "", .type = OXP_GAUGE, .labels = {{.key = "k"}}};
    struct oxp_family *others = add(&world, &other);
    oxp_gauge_set(oxp_family_at(others, OXP_VIEW("1")), 1);
    oxp_gauge_set(oxp_family_at(others, OXP_VIEW("2")), 1);
    struct oxp_sampler_tick out = tick(&world, 1025);
    assert_int_equal(out.stale, 5);
    assert_int_equal(out.added, 2);
    out = tick(&world, 1040);
    assert_int_equal(out.stale, 0);
    oxp_gauge_set(a, 5);
    out = tick(&world, 1055);
    assert_int_equal(out.added, 1);
    assert_memory(world.tsdb, "g", "g{instance=\"i\", job=\"j\"} 0@1010 stale@1025 5@1055\n");
    assert_memory(world.tsdb, "h_",
                  "h_bucket{instance=\"i\", job=\"j\", le=\"+Inf\"} 0@1000 0@1010 stale@1025\n"
                  "h_bucket{instance=\"i\", job=\"j\", le=\"1.0\"} 0@1000 0@1010 stale@1025\n"
                  "h_count{instance=\"i\", job=\"j\"} 0@1000 0@1010 stale@1025\n"
                  "h_sum{instance=\"i\", job=\"j\"} 0@1000 0@1010 stale@1025\n");
    end(&world);
}

/* A hidden series is not kept for ever: past the retention nothing of it is left. */
static void test_ended_series_are_forgotten(void **state) {
    (void)state;
    struct world world;
    begin(&world, NULL);
    struct oxp_series *series = oxp_family_only(add(&world, &gauge_spec));
    (void)tick(&world, 1010);
    oxp_series_hide(series);
    for (int i = 1; i <= 600; i++) {
        (void)tick(&world, 1010 + 15 * i);
    }
    assert_memory(world.tsdb, "g", "");
    struct oxp_tsdb_stats stats;
    oxp_tsdb_stats(world.tsdb, &stats);
    assert_int_equal(stats.series_gone, 1); /* nor is it held */
    oxp_gauge_set(series, 2);
    (void)tick(&world, 20000);
    assert_memory(world.tsdb, "g", "g{instance=\"i\", job=\"j\"} 2@20000\n");
    end(&world);
}

/* What a file brought: continued, or ended by the first tick. */
static void test_loaded_series(void **state) {
    (void)state;
    struct world world;
    begin(&world, NULL);
    append_to(world.tsdb, "c_total,instance=i,job=j", 900000, 7);
    append_to(world.tsdb, "gone,instance=i,job=j", 900000, 1);
    append_to(world.tsdb, "gone,instance=other,job=j", 900000, 1);
    append_to(world.tsdb, "gone,instance=i", 900000, 1);
    append_to(world.tsdb, "gone_before,instance=i,job=j", 900000, oxp_stale_value());
    append_to(world.tsdb, "up,instance=i,job=j", 900000, 1);
    append_to(world.tsdb, "recorded:by:rule,instance=i,job=j", 900000, 1);
    append_to(world.tsdb, "ALERTS,instance=i,job=j", 900000, 1);
    append_to(world.tsdb, "ALERTS_FOR_STATE,instance=i,job=j", 900000, 1);
    append_to(world.tsdb, "ALERTS_of_others,instance=i,job=j", 900000, 1);
    oxp_counter_add(oxp_counter(oxp_family_only(add(&world, &counter_spec))), 2);
    assert_int_equal(tick(&world, 1010).stale, 2);
    assert_memory(world.tsdb, "ALERTS",
                  "ALERTS{instance=\"i\", job=\"j\"} 1@900\n"
                  "ALERTS_FOR_STATE{instance=\"i\", job=\"j\"} 1@900\n"
                  "ALERTS_of_others{instance=\"i\", job=\"j\"} 1@900 stale@1010\n");
    assert_memory(world.tsdb, "recorded", "recorded:by:rule{instance=\"i\", job=\"j\"} 1@900\n");
    assert_memory(world.tsdb, "c_total", "c_total{instance=\"i\", job=\"j\"} 7@900 0@1000 2@1010\n");
    assert_memory(world.tsdb, "up", "up{instance=\"i\", job=\"j\"} 1@900 1@1010\n");
    assert_memory(world.tsdb, "gone",
                  "gone{instance=\"i\"} 1@900\n"
                  "gone{instance=\"i\", job=\"j\"} 1@900 stale@1010\n"
                  "gone{instance=\"other\", job=\"j\"} 1@900\n"
                  "gone_before{instance=\"i\", job=\"j\"} stale@900\n");
    assert_int_equal(tick(&world, 1025).stale, 0);
    end(&world);
}

/* Another host's name over the same volume: what the former one left is not current any more. */
static void test_loaded_of_another_host(void **state) {
    (void)state;
    struct world world;
    begin(&world, NULL);
    append_to(world.tsdb, "up,instance=before,job=j", 900000, 1);
    append_to(world.tsdb, "g,instance=before,job=j", 900000, 1);
    append_to(world.tsdb, "g,instance=before,job=j,replica=a", 900000, 1);
    append_to(world.tsdb, "g,instance=before,job=other", 900000, 1);
    append_to(world.tsdb, "g,instance=rules,job=j", 900000, 1);
    append_to(world.tsdb, "of:rules,instance=before,job=j", 900000, 1);
    append_to(world.tsdb, "up,instance=ended,job=j", 900000, oxp_stale_value());
    append_to(world.tsdb, "g,instance=ended,job=j", 900000, 1);
    append_to(world.tsdb, "up,job=j", 900000, 1);
    oxp_gauge_set(oxp_family_only(add(&world, &gauge_spec)), 5);
    assert_int_equal(tick(&world, 1010).stale, 3);
    assert_memory(world.tsdb, "g",
                  "g{instance=\"before\", job=\"j\"} 1@900 stale@1010\n"
                  "g{instance=\"before\", job=\"j\", replica=\"a\"} 1@900 stale@1010\n"
                  "g{instance=\"before\", job=\"other\"} 1@900\n"
                  "g{instance=\"ended\", job=\"j\"} 1@900\n"
                  "g{instance=\"i\", job=\"j\"} 5@1010\n"
                  "g{instance=\"rules\", job=\"j\"} 1@900\n");
    assert_memory(world.tsdb, "of:rules", "of:rules{instance=\"before\", job=\"j\"} 1@900\n");
    assert_int_equal(tick(&world, 1025).stale, 0);
    end(&world);
}

/* After a clean stop a counter goes on from before the last sample: there is no zero between. */
static void test_loaded_and_restored(void **state) {
    (void)state;
    struct world world;
    begin(&world, NULL);
    append_to(world.tsdb, "c_total,instance=i,job=j", 995000, 7);
    struct oxp_series *series = oxp_family_only(add(&world, &counter_spec));
    assert_int_equal(oxp_series_restore_counter(series, 8, 990), OXP_OK);
    (void)tick(&world, 1010);
    assert_memory(world.tsdb, "c_total", "c_total{instance=\"i\", job=\"j\"} 7@995 8@1010\n");
    end(&world);
}

/* ---- Time, values, exemplars ---- */

static void test_time_that_does_not_go_forward(void **state) {
    (void)state;
    struct world world;
    struct oxp_sampler_tick out;
    begin(&world, NULL);
    oxp_gauge_set(oxp_family_only(add(&world, &gauge_spec)), 1);
    (void)tick(&world, 1010);
    static const int64_t waits_ms[] = {1010000, 1009999, 995000, 950000};
    for (size_t i = 0; i < sizeof waits_ms / sizeof *waits_ms; i++) {
        assert_int_equal(oxp_sampler_tick(world.sampler, waits_ms[i], 1000, &out), OXP_IGNORED);
        assert_int_equal(out.samples, 0);
        assert_int_equal(out.gap_ms, 0);
    }
    assert_memory(world.tsdb, "g", "g{instance=\"i\", job=\"j\"} 1@1010\n");
    out = tick(&world, 1010.001);
    assert_int_equal(out.gap_ms, 1 - 15000); /* a tick too early is no matter */
    end(&world);
}

static void test_gaps(void **state) {
    (void)state;
    static const struct {
        double time_s;
        int64_t gap_ms;
    } rows[] = {{1010, 0},      {1025, 0}, {1040, 0},           {1100, 45000},  {1115, 0},
                {900, -230000}, {915, 0},  {1e9, 999999070000}, {1000000015, 0}};
    struct world world;
    begin(&world, NULL);
    oxp_gauge_set(oxp_family_only(add(&world, &gauge_spec)), 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(tick(&world, rows[i].time_s).gap_ms, rows[i].gap_ms);
    }
    end(&world);
    static const struct {
        int64_t interval_ms, patience_ms;
    } patience[] = {{0, 60000}, {1000, 60000}, {30000, 60000}, {30001, 60002}, {3600000, 7200000}};
    for (size_t i = 0; i < sizeof patience / sizeof *patience; i++) {
        assert_int_equal(oxp_sampler_patience_ms(patience[i].interval_ms), patience[i].patience_ms);
    }
}

/* An hour back: what lies behind the new time is forgotten, sampling goes on at once, what had ended stays ended, and
 * counters that came or began anew in the time that is forgotten begin with 0. */
static void test_back_for_good(void **state) {
    (void)state;
    static const struct oxp_family_spec labelled = {
        .name = "l_total", .help = "", .type = OXP_COUNTER, .labels = {{.key = "k"}}};
    static const struct oxp_family_spec gauges = {.name = "m", .help = "", .type = OXP_GAUGE, .labels = {{.key = "k"}}};
    struct world world;
    begin(&world, NULL);
    struct oxp_family *counters = add(&world, &labelled), *family = add(&world, &gauges);
    struct oxp_counter old = oxp_counter(oxp_family_at(counters, OXP_VIEW("old")));
    struct oxp_series *stays = oxp_family_at(family, OXP_VIEW("stays"));
    struct oxp_series *goes = oxp_family_at(family, OXP_VIEW("goes"));
    oxp_gauge_set(stays, 1);
    oxp_gauge_set(goes, 1);
    oxp_counter_add(old, 5);
    (void)tick(&world, 1010);
    append_to(world.tsdb, "job:m:sum,instance=i,job=j", 1012000, 1);
    append_to(world.tsdb, "job:m:sum,instance=i,job=j", 1027000, 1);
    (void)tick(&world, 1025);
    /* in the time that will be forgotten */
    oxp_series_hide(goes);
    now_s = 4002;
    oxp_counter_add(oxp_counter(oxp_family_at(counters, OXP_VIEW("new"))), 3);
    (void)tick(&world, 4000);
    oxp_counter_add(old, 2);
    (void)tick(&world, 4015);
    struct oxp_sampler_tick out = tick(&world, 1026);
    assert_int_equal(out.gap_ms, 1026000 - 4015000 - 15000);
    assert_int_equal(out.stale, 0);
    assert_memory(world.tsdb, "m",
                  "m{instance=\"i\", job=\"j\", k=\"goes\"} 1@1010 1@1025 stale@1025.999\n"
                  "m{instance=\"i\", job=\"j\", k=\"stays\"} 1@1010 1@1025 1@1026\n");
    assert_memory(world.tsdb, "l_",
                  "l_total{instance=\"i\", job=\"j\", k=\"new\"} 0@1025.999 3@1026\n"
                  "l_total{instance=\"i\", job=\"j\", k=\"old\"} 0@1000 5@1010 5@1025 7@1026\n");
    assert_memory(world.tsdb, "job:", "job:m:sum{instance=\"i\", job=\"j\"} 1@1012\n");
    assert_memory(world.tsdb, "up", "up{instance=\"i\", job=\"j\"} 1@1010 1@1025 1@1026\n");
    /* and on: a counter made since */
    now_s = 1040;
    oxp_counter_add(oxp_counter(oxp_family_at(counters, OXP_VIEW("later"))), 1);
    oxp_gauge_set(goes, 2);
    assert_int_equal(tick(&world, 1041).gap_ms, 0);
    char *text = memory_text(world.tsdb, "l_total");
    assert_non_null(strstr(text, "k=\"later\"} 0@1040 1@1041\n"));
    assert_non_null(strstr(text, "k=\"new\"} 0@1025.999 3@1026 3@1041\n"));
    free(text);
    struct oxp_tsdb_stats stats;
    oxp_tsdb_stats(world.tsdb, &stats);
    assert_int_equal(stats.newest_ms, 1041000);
    end(&world);
}

/* A counter that is first seen by the tick that goes back. */
static void test_made_while_time_went_back(void **state) {
    (void)state;
    struct world world;
    begin(&world, NULL);
    oxp_gauge_set(oxp_family_only(add(&world, &gauge_spec)), 1);
    (void)tick(&world, 9010);
    static const struct oxp_family_spec labelled = {
        .name = "l_total", .help = "", .type = OXP_COUNTER, .labels = {{.key = "k"}}};
    struct oxp_family *counters = add(&world, &labelled);
    now_s = 9012;
    oxp_counter_add(oxp_counter(oxp_family_at(counters, OXP_VIEW("before"))), 1);
    now_s = 2003;
    oxp_counter_add(oxp_counter(oxp_family_at(counters, OXP_VIEW("since"))), 1);
    (void)tick(&world, 2010);
    assert_memory(world.tsdb, "l_",
                  "l_total{instance=\"i\", job=\"j\", k=\"before\"} 0@2009.999 1@2010\n"
                  "l_total{instance=\"i\", job=\"j\", k=\"since\"} 0@2003 1@2010\n");
    end(&world);
}

/* Forward by years and, soon after, back. */
static void test_far_forward_and_back(void **state) {
    (void)state;
    struct world world;
    begin(&world, NULL);
    struct oxp_series *series = oxp_family_only(add(&world, &gauge_spec));
    oxp_gauge_set(series, 1);
    (void)tick(&world, 1010);
    (void)tick(&world, 315361010);
    assert_memory(world.tsdb, "g", "g{instance=\"i\", job=\"j\"} 1@315361010\n"); /* the old one left by retention */
    (void)tick(&world, 1025);
    (void)tick(&world, 1040);
    assert_memory(world.tsdb, "g", "g{instance=\"i\", job=\"j\"} 1@1025 1@1040\n");
    struct oxp_tsdb_stats stats;
    oxp_tsdb_stats(world.tsdb, &stats);
    assert_int_equal(stats.reach_ms, 3600000);
    assert_int_equal(stats.oldest_ms, 1025000);
    assert_int_equal(stats.samples, 2 * 6);
    end(&world);
}

/* The clock was set back between reading the file and the first tick. */
static void test_loaded_and_set_back(void **state) {
    (void)state;
    struct world world;
    begin(&world, NULL);
    append_to(world.tsdb, "g,instance=i,job=j", 900000, 7);
    append_to(world.tsdb, "g,instance=i,job=j", 5000000, 8);
    oxp_gauge_set(oxp_family_only(add(&world, &gauge_spec)), 1);
    assert_true(tick(&world, 1010).gap_ms < 0);
    assert_memory(world.tsdb, "g", "g{instance=\"i\", job=\"j\"} 7@900 1@1010\n");
    end(&world);
}

static void test_nan_is_not_stale(void **state) {
    (void)state;
    struct world world;
    begin(&world, NULL);
    oxp_gauge_set(oxp_family_only(add(&world, &gauge_spec)), oxp_stale_value());
    (void)tick(&world, 1010);
    assert_memory(world.tsdb, "g", "g{instance=\"i\", job=\"j\"} NaN@1010\n");
    end(&world);
}

static void expect_exemplars(struct world *world, size_t expected) {
    struct oxp_arena arena;
    struct oxp_exemplar_found *found = NULL;
    size_t count = 0;
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_exemplars_select(world->exemplars, NULL, 0, INT64_MIN, INT64_MAX, &arena, &found, &count),
                     OXP_OK);
    assert_int_equal(count, expected);
    oxp_arena_fini(&arena);
}

static void test_exemplars(void **state) {
    (void)state;
    struct world world;
    begin(&world, NULL);
    static const double bounds[] = {1};
    static const struct oxp_family_spec histogram = {
        .name = "h", .help = "", .type = OXP_HISTOGRAM, .bounds = bounds, .bound_count = 1};
    struct oxp_series *series = oxp_family_only(add(&world, &histogram));
    struct oxp_view labels[] = {OXP_VIEW("trace_id"), OXP_VIEW("a\"b")};
    (void)tick(&world, 1005);
    expect_exemplars(&world, 0);
    oxp_series_exemplar(series, 0.5, 1008.5, labels, 2);
    (void)tick(&world, 1010);
    (void)tick(&world, 1025);
    struct oxp_arena arena;
    struct oxp_exemplar_found *found = NULL;
    size_t count = 0;
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_exemplars_select(world.exemplars, NULL, 0, 0, INT64_MAX, &arena, &found, &count), OXP_OK);
    assert_int_equal(count, 1); /* the same one twice is one */
    assert_int_equal(found[0].time_ms, 1008500);
    assert_true(found[0].value == 0.5);
    assert_string_equal(oxp_labels_find(found[0].labels, OXP_VIEW("trace_id"))->text, "a\"b");
    assert_string_equal(oxp_labels_name(found[0].series)->text, "h_bucket");
    assert_string_equal(oxp_labels_find(found[0].series, OXP_VIEW("le"))->text, "1.0");
    oxp_arena_fini(&arena);
    oxp_series_exemplar(series, 0.5, 1030, labels, 2);
    oxp_series_exemplar(series, 2, (double)NAN, labels, 2); /* the other bucket, without a time */
    (void)tick(&world, 1040);
    expect_exemplars(&world, 3);
    end(&world);
}

/* ---- Bounds ---- */

static void test_limit(void **state) {
    (void)state;
    struct world world;
    begin(&world, NULL);
    static const struct oxp_family_spec spec = {
        .name = "many", .help = "", .type = OXP_GAUGE, .labels = {{.key = "k"}}, .max_series = 20000};
    struct oxp_family *family = add(&world, &spec);
    struct oxp_tsdb_options bounds = {.retention_ms = 3600000, .memory_limit = 1 << 20};
    oxp_tsdb_configure(world.tsdb, &bounds);
    for (int i = 0; i < 9000; i++) {
        char text[16];
        int len = snprintf(text, sizeof text, "%d", i);
        oxp_gauge_set(oxp_family_at(family, oxp_view_of(text, (size_t)len)), i);
    }
    struct oxp_sampler_tick out = tick(&world, 1010);
    assert_true(out.refused > 0 && out.refused < out.samples);
    assert_int_equal(out.samples, 9000);
    struct oxp_tsdb_stats stats;
    for (int i = 1; i < 20; i++) {
        (void)tick(&world, 1010 + 15 * i);
        oxp_tsdb_stats(world.tsdb, &stats);
        if (stats.bytes > bounds.memory_limit) {
            fail_msg("tick %d: %llu bytes", i, (unsigned long long)stats.bytes);
        }
    }
    /* with more room all of them are taken */
    bounds.memory_limit = 0;
    oxp_tsdb_configure(world.tsdb, &bounds);
    out = tick(&world, 2000);
    assert_int_equal(out.refused, 0);
    end(&world);
}

/* ---- Without memory ---- */

static void with_failures(void *ctx) {
    (void)ctx;
    static const double bounds[] = {1};
    static const struct oxp_family_spec histogram = {
        .name = "h", .help = "", .type = OXP_HISTOGRAM, .bounds = bounds, .bound_count = 1};
    static const char *const external[] = {"zone", "home", NULL};
    now_s = 1000;
    struct oxp_registry_options registry_options = {.now_s = registry_now};
    struct oxp_sampler_options options = {.job = "j", .instance = "i", .external_labels = external};
    struct oxp_tsdb_options bounds_of = {.retention_ms = 3600000};
    struct world world = {0};
    struct oxp_family *family = NULL;
    enum oxp_status status = oxp_tsdb_new(&bounds_of, &world.tsdb);
    status = status == OXP_OK ? oxp_exemplars_new(8, &world.exemplars) : status;
    status = status == OXP_OK ? oxp_registry_new(&registry_options, &world.registry) : status;
    status = status == OXP_OK ? oxp_registry_add(world.registry, &histogram, &family) : status;
    if (status == OXP_OK) {
        struct oxp_view labels[] = {OXP_VIEW("trace_id"), OXP_VIEW("a")};
        oxp_series_exemplar(oxp_family_only(family), 0.5, 1000, labels, 2);
        status = oxp_sampler_new(world.tsdb, world.exemplars, world.registry, &options, &world.sampler);
    }
    for (int64_t i = 1; i <= 3 && status == OXP_OK; i++) {
        struct oxp_sampler_tick out;
        bool failed_before = alloc_fail_hit();
        enum oxp_status ticked = oxp_sampler_tick(world.sampler, 1000000 + i * 15000, 1000, &out);
        assert_true(ticked == OXP_OK || (ticked == OXP_ERR_NOMEM && alloc_fail_hit()));
        assert_true(ticked == OXP_ERR_NOMEM || out.refused == 0);
        assert_true(!failed_before || ticked == OXP_OK); /* the next tick heals it */
    }
    assert_true(status == OXP_OK || (status == OXP_ERR_NOMEM && alloc_fail_hit()));
    end(&world);
}

static void test_without_memory(void **state) {
    (void)state;
    assert_true(alloc_fail_each(with_failures, NULL) > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_what_it_says_of_itself),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_zero_at_the_start),
        cmocka_unit_test(test_no_zero_for_what_is_old),
        cmocka_unit_test(test_hidden_series_end_and_come_back),
        cmocka_unit_test(test_ended_series_are_forgotten),
        cmocka_unit_test(test_loaded_series),
        cmocka_unit_test(test_loaded_of_another_host),
        cmocka_unit_test(test_loaded_and_restored),
        cmocka_unit_test(test_time_that_does_not_go_forward),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_back_for_good),
        cmocka_unit_test(test_made_while_time_went_back),
        cmocka_unit_test(test_far_forward_and_back),
        cmocka_unit_test(test_loaded_and_set_back),
        cmocka_unit_test(test_nan_is_not_stale),
        cmocka_unit_test(test_exemplars),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
