/* The world of one test: a short memory of its own, an engine, the rules, and the input series, whose samples come in
 * as time goes on, so that no query sees a later one whatever its offset or @. */
#include "alerts/rules/unit_file.h"

#include <stdlib.h>

/* Nothing may be too old to keep. */
#define RETENTION_MS (INT64_C(1000) * 365 * 24 * 3600 * 1000)
#define QUERY_TIMEOUT_MS 100000 /* promtool's */

struct oxp_unit_feed {
    const struct oxp_script_series *series;
    struct oxp_tsdb_series *handle; /* NULL until its first sample */
    size_t next;                    /* value */
    int64_t next_ms, step_ms;
};

/* ---- Rules ---- */

/* Every rule runs at every tick, and the test ends at the first failure: what is told is a failure at this tick. */
static void on_note(void *ctx, const struct oxp_rule_group *group, const struct oxp_rule *rule, const char *text) {
    struct oxp_unit_world *world = ctx;
    (void)group;
    if (rule == NULL) {
        return;
    }
    oxp_buf_append_text(world->failures, oxp_buf_view(world->failures).len == 0 ? "    rule: " : "\n    rule: ");
    oxp_buf_append_view(world->failures, oxp_symbol_view(rule->name));
    oxp_buf_append_text(world->failures, ", time: ");
    oxp_unit_print_time(world->failures, world->now_ms);
    oxp_buf_append_format(world->failures, ", err: %s", text);
}

static size_t rank_of(const struct oxp_unit_file *file, const struct oxp_rule_group *group) {
    for (size_t i = 0; i < file->group_order_count; i++) {
        if (oxp_view_equal(file->group_order[i].text, group->name)) {
            return i;
        }
    }
    return 0; /* as promtool has it: beside the first */
}

/* The groups of all files as those of one, in group_eval_order and else in the files' order. Their expressions move
 * with them; everything else of them stays where it is. */
static enum oxp_status merge(struct oxp_unit_world *world, const struct oxp_unit_file *file,
                             struct oxp_rule_file **merged_out) {
    size_t count = 0, done = 0;
    for (size_t i = 0; i < world->file_count; i++) {
        count += world->files[i]->group_count;
    }
    struct oxp_rule_file *merged = calloc(1, sizeof *merged);
    if (merged == NULL) {
        return OXP_ERR_NOMEM;
    }
    oxp_arena_init(&merged->arena, 0);
    struct oxp_rule_group *groups = oxp_arena_zero(&merged->arena, count, sizeof *groups);
    if (groups == NULL) {
        oxp_rule_file_free(merged);
        return OXP_ERR_NOMEM;
    }
    for (size_t i = 0; i < world->file_count; i++) {
        for (size_t k = 0; k < world->files[i]->group_count; k++) {
            size_t at = done++;
            for (; at > 0 && rank_of(file, &groups[at - 1]) > rank_of(file, &world->files[i]->groups[k]); at--) {
                groups[at] = groups[at - 1];
            }
            groups[at] = world->files[i]->groups[k];
        }
        merged->rule_count += world->files[i]->rule_count;
        world->files[i]->group_count = world->files[i]->rule_count = 0;
    }
    merged->groups = groups;
    merged->group_count = count;
    *merged_out = merged;
    return OXP_OK;
}

static enum oxp_status load_rules(struct oxp_unit_world *world, const struct oxp_unit_file *file,
                                  const struct oxp_unit_test *test, const struct oxp_unit_source *sources,
                                  size_t source_count) {
    struct oxp_rule_file *merged = NULL;
    struct oxp_error error;
    world->files = oxp_arena_zero(&world->arena, source_count, sizeof(struct oxp_rule_file *));
    enum oxp_status status = world->files == NULL ? OXP_ERR_NOMEM : OXP_OK;
    for (size_t i = 0; i < source_count && status == OXP_OK; i++) {
        status = oxp_rule_file_read(sources[i].text, sources[i].path, NULL, NULL, &world->files[i], &error);
        world->file_count += status == OXP_OK;
    }
    status = status == OXP_OK ? merge(world, file, &merged) : status;
    if (status != OXP_OK) {
        return status;
    }
    world->groups = merged->groups;
    world->group_count = merged->group_count;
    status = oxp_rules_load(world->rules, &merged, 1, test->start_ms);
    if (status != OXP_OK) {
        oxp_rule_file_free(merged);
        world->group_count = 0;
    }
    return status;
}

/* ---- Series ---- */

static int compare_feeds(const void *a, const void *b) {
    const struct oxp_unit_feed *first = a, *second = b;
    int order = oxp_labels_compare(first->series->labels, second->series->labels);
    return order != 0 ? order : first->series < second->series ? -1 : 1;
}

/* When a series is there twice, the last one counts. */
static enum oxp_status make_feeds(struct oxp_unit_world *world, const struct oxp_unit_test *test) {
    struct oxp_unit_feed *feeds = oxp_arena_zero(&world->arena, test->series_count, sizeof *feeds);
    if (feeds == NULL) {
        return OXP_ERR_NOMEM;
    }
    for (size_t i = 0; i < test->series_count; i++) {
        feeds[i] =
            (struct oxp_unit_feed){.series = &test->series[i], .next_ms = test->start_ms, .step_ms = test->interval_ms};
    }
    if (test->series_count != 0) {
        qsort(feeds, test->series_count, sizeof *feeds, compare_feeds);
    }
    for (size_t i = 0; i < test->series_count; i++) {
        if (i + 1 == test->series_count || !oxp_labels_equal(feeds[i].series->labels, feeds[i + 1].series->labels)) {
            feeds[world->feed_count++] = feeds[i];
        }
    }
    world->feeds = feeds;
    return OXP_OK;
}

static enum oxp_status feed(struct oxp_unit_world *world, struct oxp_unit_feed *from, int64_t until_ms) {
    enum oxp_status status = OXP_OK;
    for (; from->next < from->series->count && from->next_ms <= until_ms && status >= OXP_OK; from->next++) {
        if (from->handle == NULL) {
            status = oxp_tsdb_series_at(world->tsdb, from->series->labels, &from->handle);
        }
        if (!from->series->omitted[from->next] && status >= OXP_OK) {
            status = oxp_tsdb_append(world->tsdb, from->handle, from->next_ms, from->series->value[from->next]);
        }
        from->next_ms += from->step_ms;
    }
    if (status == OXP_ERR_RANGE) { /* a rule wrote there before */
        oxp_buf_append_text(world->failures, "    input series ");
        oxp_labels_format(world->failures, from->series->labels, true);
        oxp_buf_append_text(world->failures, ", time: ");
        oxp_unit_print_time(world->failures, world->now_ms);
        oxp_buf_append_text(world->failures, ", err: out of order sample");
        return OXP_OK;
    }
    return status < OXP_OK ? status : OXP_OK;
}

/* ---- The whole ---- */

enum oxp_status oxp_unit_world_init(struct oxp_unit_world *world, const struct oxp_unit_file *file,
                                    const struct oxp_unit_test *test, const struct oxp_unit_source *sources,
                                    size_t source_count) {
    struct oxp_buf *failures = world->failures;
    *world = (struct oxp_unit_world){.failures = failures, .now_ms = test->start_ms};
    oxp_arena_init(&world->arena, 0);
    struct oxp_tsdb_options memory = {.retention_ms = RETENTION_MS};
    enum oxp_status status = oxp_tsdb_new(&memory, &world->tsdb);
    if (status == OXP_OK) {
        struct oxp_promql_options engine = {.default_step_ms = file->eval_interval_ms, .timeout_ms = QUERY_TIMEOUT_MS};
        status = oxp_promql_engine_new(&engine, &world->engine);
    }
    if (status == OXP_OK) {
        struct oxp_rules_options rules = {
            .tsdb = world->tsdb,
            .engine = world->engine,
            .interval_ms = test->interval_ms,
            .external_labels = test->external_labels,
            .external_url = test->external_url.ptr,
            .on_note = on_note,
            .ctx = world,
        };
        status = oxp_rules_new(&rules, &world->rules);
    }
    status = status == OXP_OK ? load_rules(world, file, test, sources, source_count) : status;
    return status == OXP_OK ? make_feeds(world, test) : status;
}

void oxp_unit_world_fini(struct oxp_unit_world *world) {
    oxp_rules_free(world->rules);
    oxp_promql_engine_free(world->engine);
    oxp_tsdb_free(world->tsdb);
    for (size_t i = 0; i < world->file_count; i++) {
        oxp_rule_file_free(world->files[i]);
    }
    oxp_arena_fini(&world->arena);
}

enum oxp_status oxp_unit_world_tick(struct oxp_unit_world *world, int64_t time_ms) {
    world->now_ms = time_ms;
    for (size_t i = 0; i < world->feed_count; i++) {
        enum oxp_status status = feed(world, &world->feeds[i], time_ms);
        if (status != OXP_OK) {
            return status;
        }
    }
    oxp_rules_run_at(world->rules, time_ms);
    return oxp_buf_status(world->failures);
}
