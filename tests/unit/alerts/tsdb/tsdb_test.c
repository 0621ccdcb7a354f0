/* The short memory gives back what was appended, finds series by their labels, and survives every failing
 * allocation. Its bounds are in bounds_test.c. */
#include "alerts/tsdb/points.h"
#include "alerts/tsdb/series.h"
#include "lib/base/number.h"
#include "lib/base/random.h"
#include "tests/support/alloc_fail.h"
#include "tests/unit/alerts/tsdb/memory_world.h"

enum { STEP = 15000 };

/* ---- One series ---- */

static void test_append_statuses(void **state) {
    (void)state;
    static const struct {
        int64_t time_ms;
        double value;
        enum oxp_status status;
    } rows[] = {
        {1000, 1, OXP_OK},
        {1000, 1, OXP_IGNORED},
        {1000, 2, OXP_ERR_RANGE},
        {999, 1, OXP_ERR_RANGE},
        {1001, 2, OXP_OK},
        {INT64_MIN, 2, OXP_ERR_RANGE},
        {1001, -2, OXP_ERR_RANGE},
        {2001, 0, OXP_OK},
        {2001, -0.0, OXP_ERR_RANGE},
        {INT64_MAX, 0, OXP_OK},
        {INT64_MAX, 1, OXP_ERR_RANGE},
    };
    open_tsdb(0, 0);
    struct oxp_tsdb_series *series = series_at(labels_of(&arena, "a", "b", NULL));
    int64_t time_ms;
    double value;
    assert_false(oxp_tsdb_last(series, &time_ms, &value));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(oxp_tsdb_append(tsdb, series, rows[i].time_ms, rows[i].value), rows[i].status);
    }
    assert_true(oxp_tsdb_last(series, &time_ms, &value));
    assert_int_equal(time_ms, INT64_MAX);
    assert_int_equal(stats().samples, 4);
    assert_int_equal(stats().refused, 0); /* that is for want of room */
    assert_int_equal(stats().series, 1);
    assert_int_equal(stats().oldest_ms, 1000);
    assert_int_equal(stats().newest_ms, INT64_MAX);
}

enum { MOST = 1500 };
struct model {
    size_t count;
    int64_t time_ms[MOST];
    uint64_t bits[MOST];
};

static double any_value(struct oxp_random *random, unsigned kind, double last) {
    uint64_t draw = oxp_random_u64(random);
    switch (kind) {
    case 0:
        return isfinite(last) ? last + (double)(draw % 3) : 0;
    case 1:
        return (double)(draw % 4);
    case 2:
        return oxp_random_unit(random) * 100;
    case 3:
        return draw % 6 == 0 ? oxp_stale_value() : 7;
    default: {
        double value;
        memcpy(&value, &draw, sizeof value);
        return value;
    }
    }
}

/* What a reader gets for (after, until], against the plain array. */
static void check_range(const struct oxp_tsdb_reader *reader, const struct oxp_tsdb_series *series,
                        const struct model *model, int64_t after_ms, int64_t until_ms, struct oxp_points *points) {
    size_t first = 0, end = model->count;
    while (first < model->count && model->time_ms[first] <= after_ms) {
        first++;
    }
    while (end > first && model->time_ms[end - 1] > until_ms) {
        end--;
    }
    assert_int_equal(oxp_tsdb_samples(reader, series, after_ms, until_ms, points), OXP_OK);
    assert_int_equal(points->count, end - first);
    for (size_t i = first; i < end; i++) {
        assert_int_equal(points->time_ms[i - first], model->time_ms[i]);
        assert_int_equal(oxp_bits_of(points->value[i - first]), model->bits[i]);
    }
    int64_t time_ms;
    double value;
    assert_int_equal(oxp_tsdb_newest(reader, series, after_ms, until_ms, &time_ms, &value), end > first);
    if (end > first) {
        assert_int_equal(time_ms, model->time_ms[end - 1]);
        assert_int_equal(oxp_bits_of(value), model->bits[end - 1]);
    }
}

static void test_any_series_any_range(void **state) {
    (void)state;
    struct oxp_random random;
    struct oxp_points points = {0};
    oxp_random_seed(&random, 11);
    open_tsdb(0, 0);
    for (unsigned round = 0; round < 300; round++) {
        static struct model model;
        char text[16];
        snprintf(text, sizeof text, "%u", round);
        struct oxp_tsdb_series *series = series_at(labels_of(&arena, "round", text, NULL));
        int64_t now = (int64_t)(oxp_random_u64(&random) >> 22);
        double value = 0;
        model.count = 0;
        size_t count = oxp_random_u64(&random) % 700;
        struct oxp_tsdb_reader reader;
        assert_int_equal(oxp_tsdb_read(tsdb, &reader), OXP_OK);
        for (size_t i = 0; i < count; i++) {
            now += round % 3 == 0 ? 1 + (int64_t)(oxp_random_u64(&random) % 100000) : STEP;
            value = any_value(&random, round % 5, value);
            assert_int_equal(oxp_tsdb_append(tsdb, series, now, value), OXP_OK);
            model.time_ms[model.count] = now;
            model.bits[model.count++] = oxp_bits_of(value);
        }
        check_range(&reader, series, &model, INT64_MIN, INT64_MAX, &points);
        for (unsigned i = 0; i < 20; i++) {
            size_t a = count == 0 ? 0 : oxp_random_u64(&random) % count;
            size_t b = count == 0 ? 0 : oxp_random_u64(&random) % count;
            int64_t shift = (int64_t)(oxp_random_u64(&random) % 3) - 1;
            check_range(&reader, series, &model, model.time_ms[a] + shift, model.time_ms[b], &points);
        }
        oxp_tsdb_close(&reader);
    }
    oxp_points_fini(&points);
}

static void test_points(void **state) {
    (void)state;
    struct oxp_points points = {0};
    for (int64_t i = 0; i < 1000; i++) {
        assert_int_equal(oxp_points_add(&points, i, (double)i), OXP_OK);
    }
    assert_int_equal(points.count, 1000);
    oxp_points_cut(&points, 10, 20);
    assert_int_equal(points.count, 10);
    assert_int_equal(points.time_ms[0], 11);
    assert_int_equal(points.time_ms[9], 20);
    oxp_points_cut(&points, 20, 100);
    assert_int_equal(points.count, 0);
    oxp_points_fini(&points);
}

/* ---- Selecting ---- */

struct wanted {
    const char *name;
    struct {
        const char *name;
        enum oxp_match_op op;
        const char *value;
    } matchers[3];
    const char *ids; /* of the series, in the order of their labels */
};

/* The metric's name, code (empty: no such label) and id. By labels they come in the order a b c d g e f h. */
static const struct {
    const char *name, *code, *id;
} population[] = {
    {"up", "", "h"},   {"hits", "200", "a"}, {"hits", "404", "b"}, {"hits", "500", "c"},
    {"hits", "", "d"}, {"miss", "200", "e"}, {"miss", "503", "f"}, {"hits_sum", "500", "g"},
};

#define NAME OXP_NAME_LABEL
static const struct wanted selections[] = {
    {"everything", {{NULL, 0, NULL}}, "abcdgefh"},
    {"a name", {{NAME, OXP_MATCH_EQUAL, "hits"}}, "abcd"},
    {"no such name", {{NAME, OXP_MATCH_EQUAL, "hit"}}, ""},
    {"no such label", {{"kode", OXP_MATCH_EQUAL, "200"}}, ""},
    {"two equalities", {{NAME, OXP_MATCH_EQUAL, "hits"}, {"code", OXP_MATCH_EQUAL, "500"}}, "c"},
    {"one after the other way round", {{"code", OXP_MATCH_EQUAL, "500"}, {NAME, OXP_MATCH_EQUAL, "hits"}}, "c"},
    {"both there but not together", {{NAME, OXP_MATCH_EQUAL, "miss"}, {"code", OXP_MATCH_EQUAL, "404"}}, ""},
    {"not equal", {{NAME, OXP_MATCH_EQUAL, "hits"}, {"code", OXP_MATCH_NOT_EQUAL, "200"}}, "bcd"},
    {"not equal to what nobody has", {{NAME, OXP_MATCH_EQUAL, "hits"}, {"code", OXP_MATCH_NOT_EQUAL, "1"}}, "abcd"},
    {"without the label", {{"code", OXP_MATCH_EQUAL, ""}}, "dh"},
    {"with the label", {{"code", OXP_MATCH_NOT_EQUAL, ""}}, "abcgef"},
    {"without a label that nobody has", {{"kode", OXP_MATCH_EQUAL, ""}}, "abcdgefh"},
    {"with a label that nobody has", {{"kode", OXP_MATCH_NOT_EQUAL, ""}}, ""},
    {"literals", {{"code", OXP_MATCH_REGEX, "404|503|999"}}, "bf"},
    {"the same literal twice", {{"code", OXP_MATCH_REGEX, "404|404"}}, "b"},
    {"a literal and a name", {{NAME, OXP_MATCH_EQUAL, "hits"}, {"code", OXP_MATCH_REGEX, "404|503"}}, "b"},
    {"literals or nothing", {{"code", OXP_MATCH_REGEX, "404||503"}}, "bdfh"},
    {"literals that nobody has", {{"code", OXP_MATCH_REGEX, "1|2"}}, ""},
    {"a pattern", {{"code", OXP_MATCH_REGEX, "5.."}}, "cgf"},
    {"a pattern is anchored", {{NAME, OXP_MATCH_REGEX, "hit.?"}}, "abcd"},
    {"a pattern that nobody has", {{"code", OXP_MATCH_REGEX, "9.."}}, ""},
    {"any value", {{"code", OXP_MATCH_REGEX, ".+"}}, "abcgef"},
    {"any or none", {{"code", OXP_MATCH_REGEX, ".*"}}, "abcdgefh"},
    {"not a pattern", {{"code", OXP_MATCH_NOT_REGEX, "5.."}}, "abdeh"},
    {"not any value", {{"code", OXP_MATCH_NOT_REGEX, ".+"}}, "dh"},
    {"not any or none", {{"code", OXP_MATCH_NOT_REGEX, ".*"}}, ""},
    {"not a pattern on what nobody has", {{"kode", OXP_MATCH_NOT_REGEX, "5.."}}, "abcdgefh"},
    {"two patterns", {{NAME, OXP_MATCH_REGEX, "hits.*"}, {"code", OXP_MATCH_REGEX, "[45].+"}}, "bcg"},
    {"three",
     {{NAME, OXP_MATCH_REGEX, ".+"}, {"code", OXP_MATCH_NOT_EQUAL, "500"}, {"id", OXP_MATCH_REGEX, "a|c|f"}},
     "af"},
};

static void populate(void) {
    for (size_t i = 0; i < sizeof population / sizeof *population; i++) {
        struct oxp_tsdb_series *series = series_at(
            labels_of(&arena, NAME, population[i].name, "code", population[i].code, "id", population[i].id, NULL));
        assert_int_equal(oxp_tsdb_append(tsdb, series, 1000 * (int64_t)(i + 1), 1), OXP_OK);
    }
}

static size_t make_matchers(const struct wanted *wanted, struct oxp_matcher matchers[3]) {
    size_t count = 0;
    for (; count < 3 && wanted->matchers[count].name != NULL; count++) {
        matchers[count] =
            matcher_of(&arena, wanted->matchers[count].name, wanted->matchers[count].op, wanted->matchers[count].value);
    }
    return count;
}

static void free_matchers(struct oxp_matcher *matchers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        oxp_regex_free(matchers[i].regex);
    }
}

static void check_selection(const struct wanted *wanted) {
    struct oxp_tsdb_reader reader;
    struct oxp_tsdb_found *found;
    struct oxp_matcher matchers[3];
    size_t count = make_matchers(wanted, matchers), found_count;
    char ids[64] = "";
    assert_int_equal(oxp_tsdb_read(tsdb, &reader), OXP_OK);
    assert_int_equal(oxp_tsdb_select(&reader, matchers, count, INT64_MIN, INT64_MAX, &arena, &found, &found_count),
                     OXP_OK);
    assert_true(found_count < sizeof ids);
    for (size_t i = 0; i < found_count; i++) {
        ids[i] = oxp_labels_find(found[i].labels, OXP_VIEW("id"))->text[0];
        assert_true(oxp_matchers_accept(matchers, count, found[i].labels));
        assert_true(i == 0 || oxp_labels_compare(found[i - 1].labels, found[i].labels) < 0);
    }
    if (strcmp(ids, wanted->ids) != 0) {
        fail_msg("%s: found %s instead of %s", wanted->name, ids, wanted->ids);
    }
    oxp_tsdb_close(&reader);
    free_matchers(matchers, count);
}

static void test_select(void **state) {
    (void)state;
    open_tsdb(0, 0);
    populate();
    for (size_t trimmed = 0; trimmed < 2; trimmed++) { /* before and after ranks are given */
        for (size_t i = 0; i < sizeof selections / sizeof *selections; i++) {
            check_selection(&selections[i]);
        }
        oxp_tsdb_trim(tsdb, 10000);
    }
}

static void test_select_by_time(void **state) {
    (void)state;
    static const struct {
        int64_t min_ms, max_ms;
        size_t count;
    } rows[] = {{INT64_MIN, INT64_MAX, 8}, {1, 999, 0},          {1000, 1000, 1},      {1001, 1999, 0},
                {8000, INT64_MAX, 1},      {8001, INT64_MAX, 0}, {INT64_MIN, 4999, 4}, {3000, 5000, 3}};
    open_tsdb(0, 0);
    populate();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct oxp_tsdb_reader reader;
        struct oxp_tsdb_found *found;
        size_t count;
        assert_int_equal(oxp_tsdb_read(tsdb, &reader), OXP_OK);
        assert_int_equal(oxp_tsdb_select(&reader, NULL, 0, rows[i].min_ms, rows[i].max_ms, &arena, &found, &count),
                         OXP_OK);
        assert_int_equal(count, rows[i].count);
        oxp_tsdb_close(&reader);
    }
}

static void expect_symbols(const struct oxp_symbol *const *symbols, size_t count, const char *wanted) {
    char text[256] = "";
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s", i == 0 ? "" : " ", symbols[i]->text);
    }
    assert_string_equal(text, wanted);
}

static void test_label_names_and_values(void **state) {
    (void)state;
    static const struct {
        struct wanted on;
        const char *name; /* NULL: the names */
        const char *wanted;
    } rows[] = {
        {{"", {{NULL, 0, NULL}}, ""}, NULL, "__name__ code id"},
        {{"", {{NAME, OXP_MATCH_EQUAL, "up"}}, ""}, NULL, "__name__ id"},
        {{"", {{NAME, OXP_MATCH_EQUAL, "down"}}, ""}, NULL, ""},
        {{"", {{NULL, 0, NULL}}, ""}, "code", "200 404 500 503"},
        {{"", {{NULL, 0, NULL}}, ""}, "kode", ""},
        {{"", {{NAME, OXP_MATCH_REGEX, "miss|up"}}, ""}, "code", "200 503"},
        {{"", {{NULL, 0, NULL}}, ""}, NAME, "hits hits_sum miss up"},
    };
    open_tsdb(0, 0);
    populate();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct oxp_tsdb_reader reader;
        struct oxp_matcher matchers[3];
        const struct oxp_symbol **symbols;
        size_t count = make_matchers(&rows[i].on, matchers), symbol_count;
        assert_int_equal(oxp_tsdb_read(tsdb, &reader), OXP_OK);
        enum oxp_status status =
            rows[i].name == NULL
                ? oxp_tsdb_label_names(&reader, matchers, count, INT64_MIN, INT64_MAX, &arena, &symbols, &symbol_count)
                : oxp_tsdb_label_values(&reader, oxp_view_from(rows[i].name), matchers, count, INT64_MIN, INT64_MAX,
                                        &arena, &symbols, &symbol_count);
        assert_int_equal(status, OXP_OK);
        expect_symbols(symbols, symbol_count, rows[i].wanted);
        oxp_tsdb_close(&reader);
        free_matchers(matchers, count);
    }
}

static void test_readers_are_counted(void **state) {
    (void)state;
    struct oxp_tsdb_reader readers[65];
    open_tsdb(0, 0);
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(oxp_tsdb_read(tsdb, &readers[i]), OXP_OK);
    }
    assert_int_equal(oxp_tsdb_read(tsdb, &readers[64]), OXP_ERR_LIMIT);
    oxp_tsdb_close(&readers[17]);
    assert_int_equal(oxp_tsdb_read(tsdb, &readers[17]), OXP_OK);
    for (size_t i = 0; i < 64; i++) {
        oxp_tsdb_close(&readers[i]);
    }
}

/* ---- Series come and go ---- */

static size_t count_selected(const struct wanted *wanted) {
    struct oxp_tsdb_reader reader;
    struct oxp_tsdb_found *found;
    struct oxp_matcher matchers[3];
    size_t count = make_matchers(wanted, matchers), found_count;
    assert_int_equal(oxp_tsdb_read(tsdb, &reader), OXP_OK);
    assert_int_equal(oxp_tsdb_select(&reader, matchers, count, INT64_MIN, INT64_MAX, &arena, &found, &found_count),
                     OXP_OK);
    for (size_t i = 1; i < found_count; i++) {
        assert_true(oxp_labels_compare(found[i - 1].labels, found[i].labels) < 0);
    }
    oxp_tsdb_close(&reader);
    free_matchers(matchers, count);
    return found_count;
}

static void test_hold(void **state) {
    (void)state;
    static const struct wanted held = {"", {{"a", OXP_MATCH_EQUAL, "held"}}, ""};
    static const struct wanted loose = {"", {{"a", OXP_MATCH_EQUAL, "loose"}}, ""};
    open_tsdb(60000, 0);
    struct oxp_tsdb_series *series = series_at(labels_of(&arena, "a", "held", NULL));
    oxp_tsdb_hold(series);
    assert_int_equal(oxp_tsdb_append(tsdb, series, 1000, 1), OXP_OK);
    assert_int_equal(oxp_tsdb_append(tsdb, series_at(labels_of(&arena, "a", "loose", NULL)), 1000, 1), OXP_OK);
    oxp_tsdb_trim(tsdb, 61000); /* just not yet */
    assert_int_equal(stats().series, 2);
    assert_int_equal(count_selected(&held) + count_selected(&loose), 2);
    oxp_tsdb_trim(tsdb, 61001);
    assert_int_equal(stats().series, 0);
    assert_int_equal(stats().samples, 0);
    assert_int_equal(stats().series_gone, 1);
    assert_int_equal(count_selected(&held) + count_selected(&loose), 0);
    int64_t time_ms;
    double value;
    assert_false(oxp_tsdb_last(series, &time_ms, &value));
    assert_int_equal(oxp_tsdb_append(tsdb, series, 62000, 2), OXP_OK);
    assert_int_equal(count_selected(&held), 1);
    assert_ptr_equal(series_at(labels_of(&arena, "a", "held", NULL)), series);
    oxp_tsdb_release(series);
    oxp_tsdb_trim(tsdb, 200000);
    assert_int_equal(stats().series_gone, 2);
    assert_int_equal(count_selected(&held), 0);
}

/* What a reader selected stays although the series goes. */
static void test_reader_keeps_what_it_found(void **state) {
    (void)state;
    struct oxp_tsdb_reader reader;
    struct oxp_tsdb_found *found;
    struct oxp_points points = {0};
    size_t count;
    open_tsdb(60000, 0);
    populate();
    assert_int_equal(oxp_tsdb_read(tsdb, &reader), OXP_OK);
    assert_int_equal(oxp_tsdb_select(&reader, NULL, 0, INT64_MIN, INT64_MAX, &arena, &found, &count), OXP_OK);
    size_t before = stats().bytes;
    for (int64_t i = 0; i < 5; i++) {
        oxp_tsdb_trim(tsdb, 1000000 + i);
        populate();
    }
    assert_true(stats().bytes > before); /* what waits is counted */
    for (size_t i = 0; i < count; i++) {
        assert_non_null(oxp_labels_name(found[i].labels));
        assert_int_equal(oxp_tsdb_samples(&reader, found[i].series, INT64_MIN, INT64_MAX, &points), OXP_OK);
        assert_true(points.count <= 1);
    }
    oxp_tsdb_close(&reader);
    oxp_tsdb_trim(tsdb, 2000000);
    assert_int_equal(stats().series, 0);
    assert_int_equal(stats().series_gone, 6 * 8);
    assert_true(stats().bytes < before);
    oxp_points_fini(&points);
}

/* A reader may walk an old list: the number of a series that has gone must not become another's under its eyes. */
static void test_slots_wait_for_readers(void **state) {
    (void)state;
    struct oxp_tsdb_reader reader;
    open_tsdb(60000, 0);
    struct oxp_tsdb_series *series = series_at(labels_of(&arena, "a", "1", NULL));
    uint32_t slot = series->slot;
    assert_int_equal(oxp_tsdb_append(tsdb, series, 1000, 1), OXP_OK);
    assert_int_equal(oxp_tsdb_read(tsdb, &reader), OXP_OK);
    oxp_tsdb_trim(tsdb, 100000);
    assert_int_equal(stats().series_gone, 1);
    series = series_at(labels_of(&arena, "a", "2", NULL));
    oxp_tsdb_hold(series);
    assert_int_not_equal(series->slot, slot);
    oxp_tsdb_trim(tsdb, 100001);
    series = series_at(labels_of(&arena, "a", "3", NULL));
    oxp_tsdb_hold(series);
    assert_int_not_equal(series->slot, slot);
    oxp_tsdb_close(&reader);
    oxp_tsdb_trim(tsdb, 100002);
    assert_int_equal(series_at(labels_of(&arena, "a", "4", NULL))->slot, slot);
}

static void count_visit(void *ctx, const struct oxp_tsdb_found *found) {
    size_t *count = ctx;
    int64_t time_ms;
    double value;
    *count += found->labels->count != 0 && oxp_tsdb_last(found->series, &time_ms, &value);
}

static size_t count_visited(const char *name, const char *value) {
    struct oxp_tsdb_reader reader;
    size_t count = 0;
    struct oxp_matcher matcher = matcher_of(&arena, name, OXP_MATCH_EQUAL, value);
    assert_int_equal(oxp_tsdb_read(tsdb, &reader), OXP_OK);
    assert_int_equal(
        oxp_tsdb_visit(&reader, &matcher, 1, &arena, &(struct oxp_tsdb_visitor){.visit = count_visit, .ctx = &count}),
        OXP_OK);
    oxp_tsdb_close(&reader);
    return count;
}

/* A thousand series, of which each round takes some and brings some, against a plain array of who is there. */
static void test_churn(void **state) {
    (void)state;
    enum { SERIES = 1000, ROUNDS = 60, MODULI = 7 };
    static int64_t last_ms[SERIES]; /* 0: not there */
    static const struct oxp_labels *labels[SERIES];
    struct oxp_random random;
    oxp_random_seed(&random, 3);
    open_tsdb(10 * STEP, 0);
    memset(last_ms, 0, sizeof last_ms);
    for (size_t i = 0; i < SERIES; i++) {
        char id[16], rest[16], few[16];
        snprintf(id, sizeof id, "%zu", i);
        snprintf(rest, sizeof rest, "%zu", i % MODULI);
        snprintf(few, sizeof few, "%zu", i / 4);
        labels[i] = labels_of(&arena, "id", id, "rest", rest, "few", few, "job", "churn", NULL);
    }
    for (int64_t now = STEP; now <= ROUNDS * STEP; now += STEP) {
        uint64_t share = oxp_random_u64(&random) % 20;
        for (size_t i = 0; i < SERIES; i++) {
            if (oxp_random_u64(&random) % 20 < share) {
                last_ms[i] = now;
                assert_int_equal(oxp_tsdb_append(tsdb, series_at(labels[i]), now, 1), OXP_OK);
            }
        }
        if (now % (7 * STEP) == 0) {
            now += 9 * STEP; /* most of them go at once */
        }
        oxp_tsdb_trim(tsdb, now);
        size_t there = 0, of_rest[MODULI] = {0}, of_few[SERIES / 4] = {0};
        for (size_t i = 0; i < SERIES; i++) {
            bool is = last_ms[i] != 0 && last_ms[i] >= now - 10 * STEP;
            there += is;
            of_rest[i % MODULI] += is;
            of_few[i / 4] += is;
        }
        assert_int_equal(stats().series, there);
        assert_int_equal(stats().series_made - stats().series_gone, there);
        struct oxp_arena_mark mark = oxp_arena_here(&arena);
        static const struct wanted all = {"", {{"job", OXP_MATCH_EQUAL, "churn"}}, ""};
        static const struct wanted two = {"", {{"rest", OXP_MATCH_REGEX, "2"}}, ""};
        static const struct wanted not_two = {"", {{"rest", OXP_MATCH_NOT_EQUAL, "2"}}, ""};
        static const struct wanted small = {"", {{"rest", OXP_MATCH_REGEX, "[0-2]"}}, ""};
        assert_int_equal(count_selected(&all), there);
        assert_int_equal(count_selected(&two), of_rest[2]);
        assert_int_equal(count_selected(&not_two), there - of_rest[2]);
        assert_int_equal(count_selected(&small), of_rest[0] + of_rest[1] + of_rest[2]);
        static const struct wanted few[] = {{"", {{"few", OXP_MATCH_EQUAL, "17"}}, ""},
                                            {"", {{"few", OXP_MATCH_EQUAL, "18"}}, ""},
                                            {"", {{"few", OXP_MATCH_REGEX, "2|249|2|100|no"}}, ""}};
        assert_int_equal(count_selected(&few[0]), of_few[17]);
        assert_int_equal(count_selected(&few[1]), of_few[18]);
        assert_int_equal(count_selected(&few[2]), of_few[2] + of_few[249] + of_few[100]);
        assert_int_equal(count_visited("rest", "2"), of_rest[2]);
        assert_int_equal(count_visited("few", "17"), of_few[17]);
        oxp_arena_reset(&arena, mark);
    }
    oxp_tsdb_trim(tsdb, INT64_MAX);
    assert_int_equal(stats().series, 0);
    assert_int_equal(stats().oldest_ms, 0);
    assert_true(stats().sample_bytes == 0);
}

/* ---- Failing allocations ---- */

static void body(void *ctx) {
    struct oxp_arena local;
    struct oxp_tsdb *made = NULL;
    struct oxp_tsdb_reader reader;
    struct oxp_points points = {0};
    (void)ctx;
    oxp_arena_init(&local, 0);
    if (oxp_tsdb_new(&(struct oxp_tsdb_options){0}, &made) != OXP_OK) {
        return;
    }
    uint64_t samples = 0;
    for (int64_t now = STEP; now < 5 * STEP; now += STEP) {
        for (size_t i = 0; i < 80; i++) {
            struct oxp_tsdb_series *series;
            char id[16], more[16];
            snprintf(id, sizeof id, "%zu", i);
            snprintf(more, sizeof more, "n%zu", i % 3);
            const struct oxp_labels *labels = labels_of(&local, "id", id, more, "x", NULL);
            if (labels == NULL) {
                continue;
            }
            enum oxp_status status = oxp_tsdb_series_at(made, labels, &series);
            if (status == OXP_OK) {
                status = oxp_tsdb_append(made, series, now, (double)i * 0.7);
                samples += status == OXP_OK;
            }
            assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
        }
        oxp_tsdb_trim(made, now);
    }
    assert_int_equal(oxp_tsdb_read(made, &reader), OXP_OK);
    struct oxp_matcher matcher = matcher_of(&local, "n1", OXP_MATCH_REGEX, "x+");
    struct oxp_tsdb_found *found;
    const struct oxp_symbol **symbols;
    size_t count;
    if (matcher.name != NULL && matcher.regex != NULL) {
        enum oxp_status status = oxp_tsdb_select(&reader, &matcher, 1, INT64_MIN, INT64_MAX, &local, &found, &count);
        assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
        oxp_tsdb_label_values(&reader, OXP_VIEW("id"), NULL, 0, INT64_MIN, INT64_MAX, &local, &symbols, &count);
    }
    if (oxp_tsdb_select(&reader, NULL, 0, INT64_MIN, INT64_MAX, &local, &found, &count) == OXP_OK) {
        uint64_t seen = 0;
        bool whole = true;
        for (size_t i = 0; i < count; i++) {
            whole &= oxp_tsdb_samples(&reader, found[i].series, INT64_MIN, INT64_MAX, &points) == OXP_OK;
            seen += points.count;
        }
        assert_true(!whole || seen == samples); /* nothing that was taken is lost */
    }
    oxp_tsdb_close(&reader);
    oxp_points_fini(&points);
    oxp_regex_free(matcher.regex);
    oxp_tsdb_trim(made, INT64_MAX);
    struct oxp_tsdb_stats seen;
    oxp_tsdb_stats(made, &seen);
    assert_int_equal(seen.samples, 0);
    oxp_tsdb_free(made);
    oxp_arena_fini(&local);
}

static void test_failing_allocations(void **state) {
    (void)state;
    assert_true(alloc_fail_each(body, NULL) > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_append_statuses),
        TEST(test_any_series_any_range),
        TEST(test_points),
        TEST(test_select),
        TEST(test_select_by_time),
        TEST(test_label_names_and_values),
        TEST(test_readers_are_counted),
        TEST(test_hold),
        TEST(test_reader_keeps_what_it_found),
        TEST(test_slots_wait_for_readers),
        TEST(test_churn),
        TEST(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
