/* Requests within their limits, lines of EMF, and values of distributions. */
#include "tests/unit/alerts/cloudwatch/publish_world.h"

#include "alerts/cloudwatch/encode.h"
#include "alerts/cloudwatch/gather.h"
#include "lib/json/json.h"
#include "tests/support/alloc_fail.h"
#include <math.h>
#include <stdlib.h>

#define NOW_MS (START_S * 1000)

struct set {
    struct oxp_cw_config *config;
    struct oxp_arena arena;
    struct oxp_cw_published published;
    struct oxp_cw_data data;
    struct oxp_cw_body *bodies;
    size_t count;
};

static void open_set(struct set *set, const char *yaml) {
    *set = (struct set){.config = world_config(yaml)};
    oxp_arena_init(&set->arena, 0);
    set->data = (struct oxp_cw_data){.arena = &set->arena, .published = &set->published};
}

static void close_set(struct set *set) {
    oxp_arena_fini(&set->arena);
    oxp_cw_config_free(set->config);
}

static void add(struct set *set, struct oxp_cw_datum datum) {
    datum.name = datum.name == NULL ? "M" : datum.name;
    datum.unit = datum.unit == NULL ? "" : datum.unit;
    assert_int_equal(oxp_cw_data_add(&set->data, &datum), OXP_OK);
}

static void encode(struct set *set) {
    assert_int_equal(oxp_cw_encode(set->config, &set->data, NOW_MS, &set->bodies, &set->count), OXP_OK);
}

#define PAIRS(...)                                                                                                     \
    .dimensions = (struct oxp_cw_pair[]) {                                                                             \
        __VA_ARGS__                                                                                                    \
    }

/* ---- The body, byte for byte ---- */

static void body_is_json_1_0(void **state) {
    (void)state;
    struct set set;
    static const double values[] = {0.5, 3}, counts[] = {2, 1};
    open_set(&set, "namespace: My \"App\"\nmetrics: []\ninterval: 10s\n");
    add(&set, (struct oxp_cw_datum){
                  .name = "A", .unit = "Count", .value = 1e21, PAIRS({"D", "x\\y"}, {"E", "z"}), .dimension_count = 2});
    add(&set, (struct oxp_cw_datum){.form = OXP_CW_SET, .count = 2, .sum = 0.3, .least = -0.1, .most = 0.4});
    add(&set, (struct oxp_cw_datum){.form = OXP_CW_SHARES, .values = values, .counts = counts, .value_count = 2});
    encode(&set);
    assert_int_equal(set.count, 1);
    assert_int_equal(set.bodies[0].data, 3);
    assert_string_equal(
        set.bodies[0].text.ptr,
        "{\"Namespace\":\"My \\\"App\\\"\",\"MetricData\":["
        "{\"MetricName\":\"A\",\"Dimensions\":[{\"Name\":\"D\",\"Value\":\"x\\\\y\"},{\"Name\":\"E\",\"Value\":\"z\"}],"
        "\"Timestamp\":1700000040,\"Unit\":\"Count\",\"StorageResolution\":1,\"Value\":1e+21},"
        "{\"MetricName\":\"M\",\"Timestamp\":1700000040,\"StorageResolution\":1,\"StatisticValues\":{\"SampleCount\":2,"
        "\"Sum\":0.3,\"Minimum\":-0.1,\"Maximum\":0.4}},"
        "{\"MetricName\":\"M\",\"Timestamp\":1700000040,\"StorageResolution\":1,\"Values\":[0.5,3],\"Counts\":[2,1]}]"
        "}");
    close_set(&set);
}

/* ---- Limits ---- */

static void a_thousand_data(void **state) {
    (void)state;
    static const struct {
        size_t data, bodies, last;
    } rows[] = {{0, 0, 0}, {1, 1, 1}, {1000, 1, 1000}, {1001, 2, 1}, {2500, 3, 500}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct set set;
        struct oxp_buf told;
        size_t total = 0;
        open_set(&set, "metrics: []");
        oxp_buf_init(&told, 0);
        for (size_t k = 0; k < rows[i].data; k++) {
            add(&set, (struct oxp_cw_datum){.value = (double)k});
        }
        encode(&set);
        assert_int_equal(set.count, rows[i].bodies);
        for (size_t k = 0; k < set.count; k++) {
            assert_int_equal(tell_body(set.bodies[k].text, &told), set.bodies[k].data);
            total += set.bodies[k].data;
        }
        assert_int_equal(total, rows[i].data);
        assert_int_equal(set.count == 0 ? 0 : set.bodies[set.count - 1].data, rows[i].last);
        oxp_buf_fini(&told);
        close_set(&set);
    }
}

/* Bodies fill up to a megabyte, and not a byte more. */
static void a_megabyte(void **state) {
    (void)state;
    enum { DATA = 900 };
    static char text[1025];
    struct set set;
    struct oxp_buf told;
    size_t total = 0;
    open_set(&set, "metrics: []");
    oxp_buf_init(&told, 0);
    memset(text, 'v', 1024);
    const struct oxp_cw_pair pairs[] = {{"A", text}, {"B", text}};
    for (size_t k = 0; k < DATA; k++) {
        add(&set, (struct oxp_cw_datum){.value = 1, .dimensions = pairs, .dimension_count = 2});
    }
    encode(&set);
    assert_int_equal(set.count, 2);
    assert_true(set.bodies[0].text.len <= OXP_CW_BODY_MAX && set.bodies[0].text.len > OXP_CW_BODY_MAX - 2200);
    for (size_t k = 0; k < set.count; k++) {
        total += tell_body(set.bodies[k].text, &told);
    }
    assert_int_equal(total, DATA);
    oxp_buf_fini(&told);
    close_set(&set);
}

static void a_hundred_and_fifty_values(void **state) {
    (void)state;
    static const struct { size_t values, data; } rows[] = {{1, 1}, {150, 1}, {151, 2}, {301, 3}};
    static double values[301], counts[301];
    for (size_t k = 0; k < COUNT_OF(values); k++) {
        values[k] = (double)k;
        counts[k] = 1;
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct set set;
        struct oxp_buf told;
        open_set(&set, "metrics: []");
        oxp_buf_init(&told, 0);
        add(&set, (struct oxp_cw_datum){
                      .form = OXP_CW_SHARES, .values = values, .counts = counts, .value_count = rows[i].values});
        encode(&set);
        assert_int_equal(tell_body(set.bodies[0].text, &told), rows[i].data); /* asserts 150 of each */
        oxp_buf_fini(&told);
        close_set(&set);
    }
}

static void one_bad_does_not_spoil_the_others(void **state) {
    (void)state;
    static char name[257], value[1026];
    static const double bad[] = {1, NAN}, one[] = {1}, minus[] = {-1};
    static struct oxp_cw_pair many[31];
    memset(name, 'n', 256);
    memset(value, 'v', 1025);
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        many[i] = (struct oxp_cw_pair){"D", "x"};
    }
    const struct {
        struct oxp_cw_datum datum;
        bool good;
    } rows[] = {
        {{.value = NAN}, false},
        {{.value = INFINITY}, false},
        {{.value = -INFINITY}, false},
        {{.value = 0x1p360}, true},
        {{.value = -0x1p360}, true},
        {{.value = 0x1.0000000000001p360}, false},
        {{.form = OXP_CW_SET, .count = 0}, false},
        {{.form = OXP_CW_SET, .count = 1, .sum = 1, .least = 1, .most = 1}, true},
        {{.form = OXP_CW_SET, .count = 1, .sum = NAN, .least = 1, .most = 1}, false},
        {{.form = OXP_CW_SET, .count = 1, .sum = 1, .least = -INFINITY, .most = 1}, false},
        {{.form = OXP_CW_SHARES}, false},
        {{.form = OXP_CW_SHARES, .values = one, .counts = one, .value_count = 1}, true},
        {{.form = OXP_CW_SHARES, .values = bad, .counts = one, .value_count = 2}, false},
        {{.form = OXP_CW_SHARES, .values = one, .counts = minus, .value_count = 1}, false},
        {{.name = name}, false},
        {{.name = name + 1}, true},
        {{.name = "\xc3\xa9"}, false},
        {{.name = ":x"}, false},
        {{PAIRS({"D", "x"}), .dimension_count = 1}, true},
        {{PAIRS({"D", ""}), .dimension_count = 1}, false},
        {{PAIRS({"D", "  "}), .dimension_count = 1}, false},
        {{PAIRS({"D", "a\tb"}), .dimension_count = 1}, false},
        {{PAIRS({"D", "\xc3\xa9"}), .dimension_count = 1}, false},
        {{PAIRS({":D", "x"}), .dimension_count = 1}, false},
        {{PAIRS({"D", value}), .dimension_count = 1}, false},
        {{PAIRS({"D", value + 1}), .dimension_count = 1}, true},
        {{.dimensions = many, .dimension_count = 31}, false},
        {{.dimensions = many, .dimension_count = 30}, true},
    };
    struct set set;
    uint64_t bad_count = 0;
    open_set(&set, "metrics: []");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_cw_datum datum = rows[i].datum;
        datum.name = datum.name == NULL ? "M" : datum.name;
        if ((oxp_cw_datum_wrong(&datum) == NULL) != rows[i].good) {
            fail_msg("row %zu", i);
        }
        bad_count += !rows[i].good;
        add(&set, rows[i].datum);
    }
    encode(&set);
    assert_int_equal(set.count, 1);
    assert_int_equal(set.bodies[0].data, COUNT_OF(rows) - bad_count);
    assert_int_equal(set.published.left_out, bad_count);
    assert_string_equal(set.published.first_left_out.text, "M: a value is not a number within 2^360");
    close_set(&set);
}

/* ---- EMF ---- */

static void lines_of_emf(void **state) {
    (void)state;
    static const double values[] = {1, 2}, counts[] = {2, 1};
    struct set set;
    struct oxp_buf out;
    size_t written;
    open_set(&set, "namespace: N\nlane: emf\nmetrics: []\n");
    oxp_buf_init(&out, 0);
    add(&set, (struct oxp_cw_datum){.name = "A", .unit = "Count", .value = 1, PAIRS({"S", "s"}), .dimension_count = 1});
    add(&set, (struct oxp_cw_datum){.name = "B", .value = 2});
    add(&set, (struct oxp_cw_datum){.name = "C",
                                    .form = OXP_CW_SET,
                                    .count = 2,
                                    .sum = 3,
                                    .least = 1,
                                    .most = 2,
                                    .values = values,
                                    .value_count = 2,
                                    PAIRS({"S", "s"}),
                                    .dimension_count = 1});
    add(&set, (struct oxp_cw_datum){.name = "X", .value = NAN});
    add(&set, (struct oxp_cw_datum){
                  .name = "D", .form = OXP_CW_SHARES, .values = values, .counts = counts, .value_count = 2});
    assert_int_equal(oxp_cw_emf(set.config, &set.data, NOW_MS, &out, &written), OXP_OK);
    assert_int_equal(written, 4);
    assert_int_equal(set.published.left_out, 1);
    assert_string_equal(
        oxp_buf_text(&out),
        "{\"_aws\":{\"Timestamp\":1700000040000,\"CloudWatchMetrics\":[{\"Namespace\":\"N\",\"Dimensions\":[[\"S\"]],"
        "\"Metrics\":[{\"Name\":\"A\",\"Unit\":\"Count\"},{\"Name\":\"C\"}]}]},\"S\":\"s\",\"A\":1,\"C\":[1,2]}\n"
        "{\"_aws\":{\"Timestamp\":1700000040000,\"CloudWatchMetrics\":[{\"Namespace\":\"N\",\"Dimensions\":[[]],"
        "\"Metrics\":[{\"Name\":\"B\"},{\"Name\":\"D\"}]}]},\"B\":2,\"D\":[1,1,2]}\n");
    oxp_buf_fini(&out);
    close_set(&set);
}

/* Counts the lines, metrics and values, and asserts A10's limits of each. */
static size_t count_emf(struct oxp_view text, const char *name, size_t *lines_out) {
    size_t values = 0;
    *lines_out = 0;
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        struct oxp_json *json;
        assert_non_null(end);
        struct oxp_view line = oxp_view_of(text.ptr, (size_t)(end - text.ptr));
        assert_true(line.len <= OXP_CW_BODY_MAX);
        assert_int_equal(oxp_json_read(line, &json, NULL), OXP_OK);
        const struct oxp_json *directive =
            oxp_json_at(oxp_json_get(oxp_json_get(json, "_aws"), "CloudWatchMetrics"), 0);
        size_t metrics = oxp_json_size(oxp_json_get(directive, "Metrics"));
        assert_true(metrics >= 1 && metrics <= 100);
        const struct oxp_json *value = oxp_json_get(json, name);
        assert_true(oxp_json_size(value) <= 100);
        values += oxp_json_kind_of(value) == OXP_JSON_NUMBER ? 1 : oxp_json_size(value);
        oxp_json_free(json);
        (*lines_out)++;
        text = oxp_view_of(end + 1, text.len - line.len - 1);
    }
    return values;
}

static void limits_of_emf(void **state) {
    (void)state;
    static const double value[] = {1, 2};
    static const struct {
        double counts[2];
        size_t values, lines;
    } rows[] = {{{50, 50}, 100, 1}, {{50, 51}, 101, 2}, {{9999, 1}, 10000, 100}, {{9999, 2}, 0, 0}, {{1e300, 1}, 0, 0}};
    size_t written, lines;
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct set set;
        open_set(&set, "lane: emf\nmetrics: []\n");
        oxp_buf_clear(&out);
        add(&set,
            (struct oxp_cw_datum){.form = OXP_CW_SHARES, .values = value, .counts = rows[i].counts, .value_count = 2});
        assert_int_equal(oxp_cw_emf(set.config, &set.data, NOW_MS, &out, &written), OXP_OK);
        assert_int_equal(count_emf(oxp_buf_view(&out), "M", &lines), rows[i].values);
        assert_int_equal(lines, rows[i].lines);
        assert_int_equal(set.published.left_out, rows[i].values == 0);
        close_set(&set);
    }
    /* 101 metrics of one place: a second line. */
    static char names[101][8];
    struct set set;
    open_set(&set, "lane: emf\nmetrics: []\n");
    oxp_buf_clear(&out);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct oxp_buf name;
        oxp_buf_init(&name, 0);
        oxp_buf_append_format(&name, "m%zu", i);
        memcpy(names[i], oxp_buf_text(&name), name.len + 1);
        oxp_buf_fini(&name);
        add(&set, (struct oxp_cw_datum){.name = names[i], .value = 1});
    }
    assert_int_equal(oxp_cw_emf(set.config, &set.data, NOW_MS, &out, &written), OXP_OK);
    assert_int_equal(count_emf(oxp_buf_view(&out), "m100", &lines), 1);
    assert_int_equal(lines, 2);
    close_set(&set);
    oxp_buf_fini(&out);
}

static enum oxp_status take_lines(void *ctx, struct oxp_view lines) {
    oxp_buf_append_view(ctx, lines);
    return OXP_OK;
}

static enum oxp_status refuse_lines(void *ctx, struct oxp_view lines) {
    (void)ctx;
    (void)lines;
    return OXP_ERR_IO;
}

/* The lane writes at once, keeps the ledger, and puts no message. */
static void emf_publishes(void **state) {
    (void)state;
    struct world world;
    struct oxp_buf lines;
    oxp_buf_init(&lines, 0);
    world_open(&world, "namespace: N\nlane: emf\ndimensions: {}\nmetrics: [{expr: c_total, name: D, kind: delta}]\n",
               NULL);
    oxp_cw_publisher_free(world.publisher);
    world.options.write = refuse_lines;
    world.options.ctx = &lines;
    assert_int_equal(oxp_cw_publisher_new(&world.options, &world.publisher, NULL), OXP_OK);
    world_set(&world, 10, "c_total", 0);
    world_set(&world, 50, "c_total", 3);
    assert_int_equal(world_try(&world, 60), OXP_ERR_IO);
    world.options.write = take_lines;
    oxp_cw_publisher_free(world.publisher);
    assert_int_equal(oxp_cw_publisher_new(&world.options, &world.publisher, NULL), OXP_OK);
    assert_string_equal(world_publish(&world, 60), "");
    assert_non_null(strstr(oxp_buf_text(&lines), "\"D\":3}\n"));
    assert_int_equal(world.published.data, 1);
    oxp_buf_clear(&lines);
    world_set(&world, 100, "c_total", 5);
    assert_string_equal(world_publish(&world, 120), "");
    assert_non_null(strstr(oxp_buf_text(&lines), "\"D\":2}\n"));
    oxp_buf_fini(&lines);
    world_close(&world);
}

/* ---- Distributions ---- */

static void spreads(void **state) {
    (void)state;
    static const struct {
        const char *name;
        struct oxp_cw_bucket buckets[3];
        size_t count;
        double sum;
        bool exact;
        double values[3];
    } rows[] = {
        {"middles as they are", {{0, 1, 2}, {1, 5, 1}}, 2, 4, true, {0.5, 3}},
        {"one factor", {{0, 1, 2}, {1, 5, 1}}, 2, 6, true, {0.75, 4.5}},
        {"the factor leaves a bucket: one share", {{0, 1, 1}, {1, 2, 1}}, 2, 2.8, true, {0.9, 1.9}},
        {"lowest", {{1, 2, 1}, {2, 4, 1}}, 2, 3, true, {1, 2}},
        {"highest", {{0, 1, 1}, {1, 2, 1}}, 2, 3, true, {1, 2}},
        {"+Inf takes what is over", {{0, 1, 1}, {1, INFINITY, 2}}, 2, 21, true, {1, 10}},
        {"+Inf alone", {{10, INFINITY, 4}}, 1, 100, true, {25}},
        {"+Inf at its bound", {{10, INFINITY, 4}}, 1, 40, true, {10}},
        {"all in the first, sum 0", {{0, 1, 3}}, 1, 0, true, {0}},
        {"less than the buckets allow", {{1, 2, 1}}, 1, 0.5, false, {1.5}},
        {"more than the buckets allow", {{1, 2, 1}}, 1, 2.5, false, {1.5}},
        {"below the bound of +Inf", {{10, INFINITY, 1}}, 1, 5, false, {10}},
        {"no sum", {{1, 2, 1}}, 1, NAN, false, {1.5}},
        {"an infinite sum", {{1, 2, 1}, {2, INFINITY, 1}}, 2, INFINITY, false, {1.5, 2}},
        {"below zero", {{-4, -2, 1}}, 1, -3, true, {-3}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        double values[3];
        bool exact = oxp_cw_spread(rows[i].buckets, rows[i].count, rows[i].sum, values);
        for (size_t k = 0; k < rows[i].count; k++) {
            if (exact != rows[i].exact || fabs(values[k] - rows[i].values[k]) > 1e-9) {
                fail_msg("%s: value %zu is %g", rows[i].name, k, values[k]);
            }
        }
    }
}

static double next_random(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*seed >> 11) * 0x1p-53;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value at the share q of the counts. */
static double percentile(const double *values, const struct oxp_cw_bucket *buckets, size_t count, double q,
                         double total) {
    double passed = 0;
    for (size_t i = 0; i < count; i++) {
        passed += buckets[i].count;
        if (passed >= q * total) {
            return values[i];
        }
    }
    return values[count - 1];
}

/* Whatever was observed: the sum is exact, each value is in its bucket, so every percentile is in the right one. */
static void sums_and_percentiles(void **state) {
    (void)state;
    enum { ROUNDS = 300, SEEN = 60 };
    static const double bounds[] = {0.1, 0.5, 1, 5, 30, 120, INFINITY};
    uint64_t seed = 7;
    for (size_t round = 0; round < ROUNDS; round++) {
        double seen[SEEN], values[COUNT_OF(bounds)], sum = 0, made = 0;
        struct oxp_cw_bucket buckets[COUNT_OF(bounds)];
        size_t used = 0;
        for (size_t i = 0; i < SEEN; i++) {
            seen[i] = exp(next_random(&seed) * 9 - 4);
            sum += seen[i];
        }
        qsort(seen, SEEN, sizeof seen[0], compare_doubles);
        for (size_t b = 0; b < COUNT_OF(bounds); b++) {
            struct oxp_cw_bucket bucket = {b == 0 ? 0 : bounds[b - 1], bounds[b], 0};
            for (size_t i = 0; i < SEEN; i++) {
                bucket.count += (b == 0 || seen[i] > bucket.low) && seen[i] <= bucket.high;
            }
            if (bucket.count > 0) {
                buckets[used++] = bucket;
            }
        }
        assert_true(oxp_cw_spread(buckets, used, sum, values));
        for (size_t i = 0; i < used; i++) {
            made += values[i] * buckets[i].count;
            assert_true(values[i] >= buckets[i].low * (1 - 1e-9) && values[i] <= buckets[i].high * (1 + 1e-9));
        }
        assert_true(fabs(made - sum) <= 1e-9 * sum);
        for (size_t q = 1; q < 10; q++) {
            double real = seen[(size_t)ceil((double)q / 10 * SEEN) - 1];
            double told = percentile(values, buckets, used, (double)q / 10, SEEN);
            size_t b = 0;
            while (real > bounds[b]) {
                b++;
            }
            assert_true(told <= bounds[b] * (1 + 1e-9) && told >= (b == 0 ? 0 : bounds[b - 1] * (1 - 1e-9)));
        }
    }
}

/* ---- Memory ---- */

static void encode_once(void *ctx) {
    struct set *set = ctx;
    struct oxp_cw_body *bodies;
    struct oxp_buf out;
    size_t count;
    oxp_buf_init(&out, 0);
    enum oxp_status status = oxp_cw_encode(set->config, &set->data, NOW_MS, &bodies, &count);
    assert_true(status == (alloc_fail_hit() ? OXP_ERR_NOMEM : OXP_OK));
    status = oxp_cw_emf(set->config, &set->data, NOW_MS, &out, &count);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
    oxp_buf_fini(&out);
    oxp_arena_fini(&set->arena);
}

static void survives_no_memory(void **state) {
    (void)state;
    static struct oxp_cw_datum list[1500];
    struct set set;
    open_set(&set, "metrics: []");
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        list[i] = (struct oxp_cw_datum){.name = "M", .unit = "Count", .value = (double)i};
    }
    set.data.list = list;
    set.data.count = COUNT_OF(list);
    assert_true(alloc_fail_each(encode_once, &set) > 5);
    close_set(&set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(body_is_json_1_0),
        cmocka_unit_test(a_thousand_data),
        cmocka_unit_test(a_megabyte),
        cmocka_unit_test(a_hundred_and_fifty_values),
        cmocka_unit_test(one_bad_does_not_spoil_the_others),
        cmocka_unit_test(lines_of_emf),
        cmocka_unit_test(limits_of_emf),
        cmocka_unit_test(emf_publishes),
        cmocka_unit_test(spreads),
        cmocka_unit_test(sums_and_percentiles),
        cmocka_unit_test(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
