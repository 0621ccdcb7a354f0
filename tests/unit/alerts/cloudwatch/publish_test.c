/* What a period becomes: gauges, distributions, states of rules, heartbeats; how counters rise is in rise_test.c. */
#include "tests/unit/alerts/cloudwatch/publish_world.h"

#include "tests/support/alloc_fail.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define HISTOGRAM_ENTRY "- {expr: h_bucket, name: H, kind: distribution}\n"
#define HISTOGRAM BARE HISTOGRAM_ENTRY

/* ---- Gauges ---- */

static void gauges_are_sets_of_the_period(void **state) {
    (void)state;
    struct world world;
    world_open(&world, BARE "- {expr: g, name: G, kind: gauge, unit: Count}\n", NULL);
    assert_string_equal(world_publish(&world, 60), ""); /* nothing was seen */
    for (int i = 0; i < 4; i++) {
        world_set(&world, 75 + 15 * i, "g", i + 1); /* 75, 90, 105, 120 */
    }
    assert_string_equal(world_publish(&world, 120), "G n=4 sum=10 min=1 max=4 Count\n");
    world_set(&world, 135, "g", NAN);
    world_set(&world, 150, "g", 7);
    assert_string_equal(world_publish(&world, 150), "G n=1 sum=7 min=7 max=7 Count\n"); /* since 120 */
    world_close(&world);
}

static void gauges_by_label(void **state) {
    (void)state;
    struct world world;
    world_open(&world,
               BARE "- {expr: g, name: G, kind: gauge, dimensions: {Region: r}}\n- {expr: g, name: Bad, kind: gauge}\n"
                    "- {expr: two, name: T, kind: gauge, by: [a, b]}\n",
               NULL);
    world_set(&world, 60, "two,b=x", 6);
    for (int i = 0; i < 3; i++) { /* which of them would be meant? They cost themselves alone. */
        world_set(&world, 60, (const char *[]){"two,a=c,o=1", "two,a=c,o=2", "two,a=c"}[i], i);
    }
    world_set(&world, 60, "g,r=eu", 1);
    world_set(&world, 60, "g,r=us", 2);
    world_set(&world, 60, "g", 3);
    world_set(&world, 60, "g,r=m\xc3\xbcnchen", 4);
    world_set(&world, 60, "g,r= ", 5);
    assert_string_equal(world_publish(&world, 60), "G n=1 sum=3 min=3 max=3\n"
                                                   "G{Region=\"eu\"} n=1 sum=1 min=1 max=1\n"
                                                   "G{Region=\"m\\\\xC3\\\\xBCnchen\"} n=1 sum=4 min=4 max=4\n"
                                                   "G{Region=\"us\"} n=1 sum=2 min=2 max=2\n"
                                                   "T{b=\"x\"} n=1 sum=6 min=6 max=6\n");
    assert_int_equal(world.published.failed, 0);
    assert_int_equal(world.published.left_out, 5 + 3 + 1); /* Bad: no dimension; three of T; the blank */
    assert_int_equal(world.published.replaced, 1);
    assert_non_null(strstr(world.published.first_left_out.text, "Bad: several series have the same dimensions"));
    world_close(&world);
}

/* Values that differ are never the same dimension, whatever their bytes are. */
static void values_that_are_not_ascii(void **state) {
    static const struct {
        const char *value, *sent; /* as JSON */
    } rows[] = {
        {"fine", "fine"},
        {"\xc3\xa4", "\\\\xC3\\\\xA4"},
        {"\xc3\xb6", "\\\\xC3\\\\xB6"},
        {"\\xC3\\xA4", "\\\\x5CxC3\\\\x5CxA4"}, /* which was the text already */
        {"C:\\xc3\\temp", "C:\\\\xc3\\\\temp"},
        {"\\\xf0\x9f\x90\xa6", "\\\\\\\\xF0\\\\x9F\\\\x90\\\\xA6"},
        {"\t", "\\\\x09"},
    };
    (void)state;
    struct world world;
    char series[64], wanted[96];
    world_open(&world, BARE "- {expr: g, name: G, kind: gauge, by: [r]}\n", NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(series, sizeof series, "g,r=%s", rows[i].value);
        world_set(&world, 60, series, (double)i);
    }
    const char *told = world_publish(&world, 60);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(wanted, sizeof wanted, "G{r=\"%s\"} n=1 sum=%zu ", rows[i].sent, i);
        if (strstr(told, wanted) == NULL) {
            fail_msg("%s is not in\n%s", wanted, told);
        }
    }
    assert_int_equal(world.published.data, sizeof rows / sizeof rows[0]);
    assert_int_equal(world.published.left_out, 0);
    assert_int_equal(world.published.replaced, 5);
    world_close(&world);
}

static void set_histogram(struct world *world, double at_s, const char *labels, const double *cumulative, double sum) {
    static const char *const bounds[] = {"1", "5", "+Inf"};
    char name[96];
    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        snprintf(name, sizeof name, "h_bucket,le=%s%s", bounds[i], labels);
        world_set(world, at_s, name, cumulative[i]);
    }
    snprintf(name, sizeof name, "h_sum%s", labels);
    world_set(world, at_s, name, sum);
}

/* ---- Another host ---- */

static const struct oxp_labels *target_of(struct oxp_arena *arena, const char *instance) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, oxp_labels_none());
    oxp_labels_set_text(&builder, OXP_VIEW("job"), OXP_VIEW("j"));
    oxp_labels_set_text(&builder, OXP_VIEW("instance"), oxp_view_from(instance));
    oxp_labels_set_text(&builder, OXP_VIEW("replica"), oxp_view_from(instance));
    return oxp_labels_finish(&builder);
}

/* A volume that goes on under another host's name: the counters are the same, and so is what was told of them. */
static void another_host_tells_nothing_again(void **state) {
    static const double some[] = {2, 3, 3}, more[] = {2, 3, 4};
    (void)state;
    struct oxp_arena arena;
    struct world world;
    oxp_arena_init(&arena, 0);
    world_open(&world, DELTA HISTOGRAM_ENTRY "- {expr: 'errors_total * 2', name: Twice, kind: delta}\n", NULL);
    world.options.target = target_of(&arena, "a");
    world_restart(&world, DELTA HISTOGRAM_ENTRY "- {expr: 'errors_total * 2', name: Twice, kind: delta}\n");
    world_set(&world, 55, "up", 1);
    assert_string_equal(world_publish(&world, 60), "D 0\nTwice 0\n");
    world_set(&world, 70, "errors_total,instance=a,job=j,replica=a,c=x", 5);
    set_histogram(&world, 70, ",instance=a,job=j,replica=a", some, 4);
    assert_string_equal(world_publish(&world, 120), "D 5\nH 0.5*2 3*1\nTwice 10\n");
    world.options.target = target_of(&arena, "b");
    world_restart(&world, DELTA HISTOGRAM_ENTRY "- {expr: 'errors_total * 2', name: Twice, kind: delta}\n");
    /* Nothing but what the file brought, then both, then the new one alone. */
    world_set(&world, 70, "errors_total,instance=a,job=j,replica=a,c=x", 5);
    assert_string_equal(world_publish(&world, 121), "D 0\nTwice 0\n");
    world_set(&world, 130, "errors_total,instance=b,job=j,replica=b,c=x", 7);
    set_histogram(&world, 130, ",instance=b,job=j,replica=b", more, 10);
    assert_string_equal(world_publish(&world, 180), "D 2\nH 6*1\nTwice 4\n");
    world_set(&world, 210, "errors_total,instance=a,job=j,replica=a,c=x", oxp_stale_value());
    world_set(&world, 230, "errors_total,instance=b,job=j,replica=b,c=x", 8);
    assert_string_equal(world_publish(&world, 240), "D 1\nTwice 2\n");
    world_close(&world);
    oxp_arena_fini(&arena);
}

static void gauges_of_another_host(void **state) {
    static const char by_instance[] =
        BARE "- {expr: g, name: G, kind: gauge}\n- {expr: g, name: I, kind: gauge, by: [instance]}\n";
    (void)state;
    struct oxp_arena arena;
    struct world world;
    oxp_arena_init(&arena, 0);
    world_open(&world, by_instance, NULL);
    world.options.target = target_of(&arena, "b");
    world_restart(&world, by_instance);
    world_set(&world, 15, "g,instance=a", 5); /* before the restart, in this period */
    world_set(&world, 30, "g,instance=a", oxp_stale_value());
    world_set(&world, 30, "g,instance=b", 1);
    world_set(&world, 45, "g,instance=b", 2);
    world_set(&world, 60, "g,instance=b", 3);
    assert_string_equal(world_publish(&world, 60), "G n=3 sum=6 min=1 max=3\nI{instance=\"b\"} n=3 sum=6 min=1 max=3\n"
                                                   "I{instance=\"a\"} n=1 sum=5 min=5 max=5\n");
    assert_int_equal(world.published.failed, 0);
    /* Of two foreign ones nobody knows which is meant. */
    world_set(&world, 90, "g,instance=b", oxp_stale_value());
    world_set(&world, 120, "g,instance=c", 1);
    world_set(&world, 120, "g,instance=d", 1);
    assert_string_equal(world_publish(&world, 180), "I{instance=\"c\"} n=4 sum=4 min=1 max=1\n"
                                                    "I{instance=\"d\"} n=4 sum=4 min=1 max=1\n");
    assert_int_equal(world.published.left_out, 2);
    world_close(&world);
    oxp_arena_fini(&arena);
}

/* Series that differ in nothing but target labels, which rules may make, are several all the same. */
static void target_labels_that_tell_apart(void **state) {
    (void)state;
    struct oxp_arena arena;
    struct world world;
    oxp_arena_init(&arena, 0);
    world_open(&world, DELTA, NULL);
    world.options.target = target_of(&arena, "b");
    world_restart(&world, DELTA);
    world_set(&world, 10, "errors_total,instance=x", 0);
    world_set(&world, 10, "errors_total,instance=y", 0);
    world_set(&world, 50, "errors_total,instance=x", 10);
    world_set(&world, 50, "errors_total,instance=y", 1);
    assert_string_equal(world_publish(&world, 60), "D 11\n");
    world_set(&world, 110, "errors_total,instance=x", 11);
    world_set(&world, 110, "errors_total,instance=y", 3);
    assert_string_equal(world_publish(&world, 120), "D 3\n");
    /* A third one, that was not there: what it had is not told, what it gets is. */
    world_set(&world, 170, "errors_total,instance=z", 100);
    assert_string_equal(world_publish(&world, 180), "D 0\n");
    world_set(&world, 230, "errors_total,instance=z", 101);
    assert_string_equal(world_publish(&world, 240), "D 1\n");
    /* Without a target nobody is the own one. */
    world.options.target = NULL;
    world_restart(&world, DELTA);
    world_set(&world, 290, "errors_total,instance=x", 12);
    world_set(&world, 290, "errors_total,instance=y", 3);
    assert_string_equal(world_publish(&world, 300), "D 1\n");
    world_close(&world);
    oxp_arena_fini(&arena);
}

static size_t rows_with(struct world *world, const char *part, struct oxp_arena *arena) {
    struct oxp_outbox_value *values;
    size_t count = 0, with = 0;
    assert_int_equal(oxp_outbox_values(world->outbox, OXP_VIEW("cw/"), arena, &values, &count), OXP_OK);
    for (size_t i = 0; i < count; i++) {
        const char *key = oxp_arena_copy(arena, values[i].key).ptr;
        assert_non_null(key);
        with += strstr(key, part) != NULL;
    }
    return with;
}

/* The ledger as it was when all labels were in its keys: a former host's, with less, and the last one's. */
static void make_version_1(struct world *world, struct oxp_arena *arena) {
    static const struct {
        const char *labels, *value;
    } rows[] = {
        {"errors_total{c=\"x\", instance=\"old\", job=\"j\", replica=\"old\"}", "3"},
        {"errors_total{c=\"x\", instance=\"a\", job=\"j\", replica=\"a\"}", "5"},
        {"errors_total{c=\"q\\\"\\n\", instance=\"a\", job=\"j\", replica=\"a\"}", "2"},
        {"{c=", "9"}, /* none of ours */
    };
    struct oxp_outbox_value *values, put[16] = {0};
    size_t count = 0, made = 0;
    assert_int_equal(oxp_outbox_values(world->outbox, OXP_VIEW("cw/"), arena, &values, &count), OXP_OK);
    for (size_t i = 0; i < count; i++) {
        if (oxp_view_starts(values[i].key, OXP_VIEW("cw/D/"))) { /* the mark, whose key begins those of the series */
            for (size_t k = 0; k < COUNT_OF(rows); k++) {
                struct oxp_buf key;
                oxp_buf_init(&key, 0);
                oxp_buf_append_view(&key, values[i].key);
                oxp_buf_append_format(&key, "/%s", rows[k].labels);
                put[made++] =
                    (struct oxp_outbox_value){oxp_arena_copy(arena, oxp_buf_view(&key)), oxp_view_from(rows[k].value)};
                oxp_buf_fini(&key);
            }
        }
    }
    assert_int_equal(made, COUNT_OF(rows));
    put[made++] = (struct oxp_outbox_value){OXP_VIEW("cw//version"), {NULL, 0}};
    const struct oxp_outbox_write write = {.values = put, .value_count = made};
    assert_int_equal(oxp_outbox_put(world->outbox, &write, START_S * 1000, NULL), OXP_OK);
}

/* An update in a new container: neither the keys of version 1 nor the other host's name make anything new. */
static void a_ledger_of_version_1(void **state) {
    (void)state;
    struct oxp_arena arena;
    struct world world;
    oxp_arena_init(&arena, 0);
    world_open(&world, DELTA, NULL);
    world_set(&world, 55, "up", 1);
    assert_string_equal(world_publish(&world, 60), "D 0\n");
    make_version_1(&world, &arena);
    world.options.target = target_of(&arena, "b");
    world_restart(&world, DELTA);
    world_set(&world, 110, "errors_total,instance=b,job=j,replica=b,c=x", 6);
    alloc_fail_at(5);
    assert_int_equal(world_try(&world, 119), OXP_ERR_NOMEM);
    alloc_fail_at(0);
    assert_int_equal(rows_with(&world, "instance", &arena), 3);
    assert_string_equal(world_publish(&world, 120), "D 1\n");
    assert_int_equal(rows_with(&world, "instance", &arena), 0);
    assert_int_equal(rows_with(&world, "errors_total{c=", &arena), 2);
    assert_int_equal(rows_with(&world, "cw//version", &arena), 1);
    /* One that was not there in that period kept its place, over a restart, too. */
    world_restart(&world, DELTA);
    world_set(&world, 170, "errors_total,instance=b,job=j,replica=b,c=x", 6);
    world_set(&world, 170, "errors_total,instance=b,job=j,replica=b,c=q\"\n", 3);
    assert_string_equal(world_publish(&world, 180), "D 1\n");
    world_close(&world);
    oxp_arena_fini(&arena);
}

/* A sum is one series: whatever is new in it counts; a reset is seen only when the sum itself falls. */
static void sums_are_one_series(void **state) {
    (void)state;
    struct world world;
    world_open(&world, BARE "- {expr: sum(errors_total), name: D, kind: delta}\n", NULL);
    world_set(&world, 15, "errors_total,c=a", 0);
    world_set(&world, 50, "errors_total,c=a", 3);
    assert_string_equal(world_publish(&world, 60), "D 3\n");
    world_set(&world, 100, "errors_total,c=b", 2);
    assert_string_equal(world_publish(&world, 120), "D 2\n");
    world_set(&world, 150, "errors_total,c=a", 1);
    assert_string_equal(world_publish(&world, 180), "D 3\n"); /* 5 -> 3: began anew, worth 3 */
    world_close(&world);
}

/* ---- Distributions ---- */

static void distributions(void **state) {
    (void)state;
    static const double none[] = {0, 0, 0}, some[] = {2, 3, 3}, more[] = {2, 5, 6}, anew[] = {1, 1, 1};
    struct world world;
    world_open(&world, HISTOGRAM, NULL);
    set_histogram(&world, 10, "", none, 0);
    assert_string_equal(world_publish(&world, 60), ""); /* no value to send */
    set_histogram(&world, 100, "", some, 4);            /* middles 0.5, 0.5, 3: together 4 */
    assert_string_equal(world_publish(&world, 120), "H 0.5*2 3*1\n");
    set_histogram(&world, 160, "", more, 4 + 16); /* two in (1, 5], one above: 3 + 3 + 5 = 11, times 16/11 */
    assert_string_equal(world_publish(&world, 180), "H 4.363636363636363*2 7.272727272727273*1\n");
    set_histogram(&world, 220, "", anew, 0.25); /* all began anew, though +Inf alone says so by itself */
    assert_string_equal(world_publish(&world, 240), "H 0.25*1\n");
    assert_int_equal(world.published.inexact, 0);
    assert_string_equal(world_publish(&world, 300), "");
    world_close(&world);
}

/* Buckets and sum together, though each of them is larger than it was. */
static void distributions_that_begin_anew(void **state) {
    (void)state;
    static const double none[] = {0, 0, 0}, some[] = {1, 1, 1}, anew[] = {2, 3, 3};
    struct world world;
    world_open(&world, HISTOGRAM, NULL);
    world.options.counters_began_ms = 1000;
    world_restart(&world, HISTOGRAM);
    set_histogram(&world, 10, "", none, 0);
    assert_string_equal(world_publish(&world, 60), "");
    set_histogram(&world, 100, "", some, 0.25);
    assert_string_equal(world_publish(&world, 120), "H 0.25*1\n");
    world.options.counters_began_ms = 2000;
    world_restart(&world, HISTOGRAM);
    set_histogram(&world, 160, "", anew, 4);
    assert_string_equal(world_publish(&world, 180), "H 0.5*2 3*1\n");
    assert_string_equal(world_publish(&world, 240), "");
    world_close(&world);
}

/* The lowest bucket's sample of a tick comes later than the others': the observation is told once, if not in its place.
 */
static void distributions_of_half_a_tick(void **state) {
    (void)state;
    static const double none[] = {0, 0, 0}, half[] = {0, 1, 1}, whole[] = {1, 1, 1};
    struct world world;
    world_open(&world, HISTOGRAM, NULL);
    set_histogram(&world, 10, "", none, 0);
    assert_string_equal(world_publish(&world, 60), "");
    set_histogram(&world, 100, "", half, 0.5);
    assert_string_equal(world_publish(&world, 120), "H 3*1\n");
    assert_int_equal(world.published.inexact, 1);
    set_histogram(&world, 160, "", whole, 0.5);
    assert_string_equal(world_publish(&world, 180), "");
    world_close(&world);
}

static void distributions_add_up(void **state) {
    (void)state;
    static const double none[] = {0, 0, 0}, one[] = {1, 1, 1}, two[] = {0, 2, 2};
    struct world world;
    world_open(&world,
               HISTOGRAM "- {expr: 'sum by (le) (h_bucket)', name: S, kind: distribution}\n"
                         "- {expr: h_bucket, name: W, kind: distribution, by: [w]}\n",
               NULL);
    set_histogram(&world, 15, ",w=a", none, 0);
    set_histogram(&world, 15, ",w=b", none, 0);
    assert_string_equal(world_publish(&world, 60), "");
    set_histogram(&world, 100, ",w=a", one, 0.5);
    set_histogram(&world, 100, ",w=b", two, 6);
    assert_string_equal(world_publish(&world, 120), "H 0.5*1 3*2\nS 0.5*1 3*2\nW{w=\"a\"} 0.5*1\nW{w=\"b\"} 3*2\n");
    world_close(&world);
}

/* ---- Commit ---- */

/* What could not be put was not published: the next period has it. */
static void a_failed_period_is_in_the_next(void **state) {
    (void)state;
    struct world world;
    world_open(&world, DELTA, NULL);
    world_set(&world, 10, "errors_total,c=a", 0);
    assert_string_equal(world_publish(&world, 60), "D 0\n");
    world_set(&world, 100, "errors_total,c=a", 5);
    alloc_fail_at(5); /* somewhere on the way */
    assert_int_equal(world_try(&world, 120), OXP_ERR_NOMEM);
    alloc_fail_at(0);
    assert_int_equal(world.published.data, 0);
    assert_string_equal(world_waiting(&world), "");
    assert_string_equal(world_publish(&world, 180), "D 5\n");
    world_close(&world);
}

struct again {
    struct world *world;
    double at_s;
};

/* Whatever allocation fails: what was seen is published once. */
static void publish_each(void *ctx) {
    struct again *again = ctx;
    enum oxp_status status = world_try(again->world, again->at_s);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM || status == OXP_ERR_IO || status == OXP_ERR_FULL);
    again->at_s += 0.001;
}

static void survives_no_memory(void **state) {
    (void)state;
    static const double none[] = {0, 0, 0}, some[] = {2, 3, 3};
    struct world world;
    double total = 0;
    world_open(&world,
               "heartbeat: {}\n" HISTOGRAM "- {expr: errors_total, name: D, kind: delta, by: [c]}\n"
               "- {expr: g, name: G, kind: gauge}\n",
               NULL);
    set_histogram(&world, 10, "", none, 0);
    world_set(&world, 10, "errors_total,c=a", 0);
    world_set(&world, 10, "g", 1);
    (void)world_publish(&world, 60);
    set_histogram(&world, 100, "", some, 4);
    world_set(&world, 100, "errors_total,c=a", 5);
    struct again again = {.world = &world, .at_s = 120};
    assert_true(alloc_fail_each(publish_each, &again) > 20);
    const char *told = world_waiting(&world);
    for (const char *at = strstr(told, "D{"); at != NULL; at = strstr(at + 1, "D{")) {
        total += strtod(strchr(at, '}') + 1, NULL);
    }
    assert_true(total == 5);
    const char *once = strstr(told, "H 0.5*2 3*1\n");
    assert_non_null(once);
    assert_null(strstr(once + 1, "H "));
    world_close(&world);
}

static void make_one(void *ctx) {
    const struct world *world = ctx;
    struct oxp_cw_publisher *publisher;
    if (oxp_cw_publisher_new(&world->options, &publisher, NULL) == OXP_OK) {
        oxp_cw_publisher_free(publisher);
    }
}

static void begins_without_memory(void **state) {
    (void)state;
    struct world world;
    world_open(&world, DELTA, NULL);
    world_set(&world, 10, "errors_total,c=a", 0);
    (void)world_publish(&world, 60);
    assert_true(alloc_fail_each(make_one, &world) > 1);
    world_close(&world);
}

/* ---- Others ---- */

static void heartbeats(void **state) {
    (void)state;
    struct world world;
    world_open(&world, "namespace: N\ndimensions: {Service: s}\nmetrics: []\nheartbeat: {}\n", NULL);
    assert_string_equal(world_publish(&world, 60), "Heartbeat{Service=\"s\"} 1 Count\n");
    assert_int_equal(world.published.data, 1);
    assert_int_equal(world.published.messages, 1);
    assert_int_equal(oxp_cw_next(world.publisher, START_S * 1000), START_S * 1000 + 60000);
    assert_int_equal(oxp_cw_next(world.publisher, START_S * 1000 + 59999), START_S * 1000 + 60000);
    world_close(&world);
}

static void poison_stays_out(void **state) {
    (void)state;
    struct world world;
    world_open(&world,
               BARE "- {expr: g, name: G, kind: gauge, by: [x]}\n- {expr: '1/0', name: Z, kind: gauge}\n"
                    "- {expr: 'g * on () g', name: Q, kind: gauge}\n",
               NULL);
    world_set(&world, 60, "g,x=good", 1);
    world_set(&world, 60, "g,x=inf", INFINITY);
    world_set(&world, 60, "g,x=large", 0x1p361);
    world_set(&world, 60, "g,x=most", 0x1p360);
    world_set(&world, 60, "g,x=nan", NAN);
    world_set(&world, 60, "g,x=tiny", 0x1p-400);
    assert_string_equal(world_publish(&world, 60),
                        "G{x=\"good\"} n=1 sum=1 min=1 max=1\n"
                        "G{x=\"most\"} n=1 sum=2.3485425827738332e+108 min=2.3485425827738332e+108 "
                        "max=2.3485425827738332e+108\n"
                        "G{x=\"tiny\"} n=1 sum=0 min=0 max=0\n");
    assert_int_equal(world.published.left_out, 4); /* inf, large, nan, Z */
    assert_int_equal(world.published.failed, 1);   /* Q: many to many */
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gauges_are_sets_of_the_period),
        cmocka_unit_test(gauges_by_label),
        cmocka_unit_test(values_that_are_not_ascii),
        cmocka_unit_test(another_host_tells_nothing_again),
        cmocka_unit_test(gauges_of_another_host),
        cmocka_unit_test(target_labels_that_tell_apart),
        cmocka_unit_test(a_ledger_of_version_1),
        cmocka_unit_test(sums_are_one_series),
        cmocka_unit_test(distributions),
        cmocka_unit_test(distributions_that_begin_anew),
        cmocka_unit_test(distributions_of_half_a_tick),
        cmocka_unit_test(distributions_add_up),
        cmocka_unit_test(a_failed_period_is_in_the_next),
        cmocka_unit_test(survives_no_memory),
        cmocka_unit_test(begins_without_memory),
        cmocka_unit_test(heartbeats),
        cmocka_unit_test(poison_stays_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
