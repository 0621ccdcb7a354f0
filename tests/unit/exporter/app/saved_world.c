#include "tests/unit/exporter/app/saved_world.h"

#include "lib/base/buf.h"
#include <errno.h>
#include <math.h>
#include <oxpecker/exposition.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- fsync, watched ---- */

struct world_syncs syncs;

char folder[] = "/tmp/oxp_app_saved_XXXXXX";
char saved_path[64], fresh_path[64], aside_path[64];

int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return -1;
    }
    if (!S_ISDIR(info.st_mode)) {
        syncs.files++;
        errno = syncs.fail_file;
        return syncs.fail_file == 0 ? 0 : -1;
    }
    syncs.directories++;
    syncs.file_was_synced_first = syncs.files > 0;
    syncs.renamed_when_directory = access(saved_path, F_OK) == 0;
    errno = syncs.fail_directory;
    return syncs.fail_directory == 0 ? 0 : -1;
}

/* ---- registries of two runs ---- */

static double run_clock;

static double now_s(void *ctx) {
    (void)ctx;
    return run_clock;
}

struct oxp_registry *new_registry(double now) {
    struct oxp_registry *registry = NULL;
    run_clock = now;
    assert_int_equal(oxp_registry_new(&(struct oxp_registry_options){.now_s = now_s}, &registry), OXP_OK);
    return registry;
}

struct oxp_family *add(struct oxp_registry *registry, const struct oxp_family_spec *spec) {
    struct oxp_family *family = NULL;
    assert_int_equal(oxp_registry_add(registry, spec, &family), OXP_OK);
    return family;
}

const char *const world_sides[] = {"in", "out", NULL};
const double world_bounds[3] = {0.1, 1, 10};

const struct oxp_family_spec world_specs[FAMILIES] = {
    [EVENTS] = {.name = "t_events_total", .help = "h", .type = OXP_COUNTER},
    [SECONDS] = {.name = "t_seconds_total", .help = "h", .unit = "seconds", .type = OXP_COUNTER_FLOAT},
    [PATHS] = {.name = "t_paths_total", .help = "h", .type = OXP_COUNTER, .labels = {{.key = "path"}, {.key = "host"}}},
    [SIDES] = {.name = "t_sides_total", .help = "h", .type = OXP_COUNTER, .labels = {{"side", world_sides, 0}}},
    [CAPPED] =
        {.name = "t_capped_total", .help = "h", .type = OXP_COUNTER, .labels = {{.key = "name"}}, .max_series = 3},
    [BOUNDED] = {.name = "t_bounded_total",
                 .help = "h",
                 .type = OXP_COUNTER,
                 .labels = {{"name", NULL, 3}, {"side", world_sides, 0}}},
    [LE] = {.name = "t_le_total", .help = "h", .type = OXP_COUNTER, .labels = {{.key = "le"}}},
    [EXEMPLARS] = {.name = "t_exemplars_total", .help = "h", .type = OXP_COUNTER_FLOAT, .labels = {{.key = "name"}}},
    [DURATION] = {.name = "t_duration_seconds",
                  .help = "h",
                  .unit = "seconds",
                  .type = OXP_HISTOGRAM,
                  .labels = {{"side", world_sides, 0}},
                  .bounds = world_bounds,
                  .bound_count = 3},
    [BARE] = {.name = "t_bare", .help = "h", .type = OXP_HISTOGRAM},
    [BELOW] = {.name = "t_below", .help = "h", .type = OXP_HISTOGRAM, .bounds = world_bounds, .bound_count = 3},
    [QUEUE] = {.name = "t_queue", .help = "h", .type = OXP_GAUGE},
    [AGE] = {.name = "t_age_seconds", .help = "h", .type = OXP_GAUGE_AGE},
    [PROCESS] = {.name = "process_cpu_seconds_total", .help = "h", .type = OXP_COUNTER_FLOAT},
};

void begin(struct world *world, double now) {
    world->registry = new_registry(now);
    for (size_t i = 0; i < FAMILIES; i++) {
        world->families[i] = add(world->registry, &world_specs[i]);
    }
}

void add_to(struct oxp_series *series, uint64_t n) {
    oxp_counter_add(oxp_counter(series), n);
}

void exemplar(struct oxp_series *series, double value, double time_s, const char *id) {
    struct oxp_view labels[] = {OXP_VIEW("session"), oxp_view_from(id), OXP_VIEW("trace_id"), OXP_VIEW("t")};
    oxp_series_exemplar(series, value, time_s, labels, 4);
}

void fill(struct world *world) {
    struct oxp_family **families = world->families;
    add_to(oxp_family_only(families[EVENTS]), UINT64_C(1) << 53);
    oxp_series_count(oxp_family_only(families[SECONDS]), 0.1 + 0.2);
    add_to(oxp_family_at2(families[PATHS], OXP_VIEW("a\"b\\c\nd"), OXP_VIEW("")), 3);
    add_to(oxp_family_at2(families[PATHS], OXP_VIEW("caf\xc3\xa9 {,} # 1"), OXP_VIEW("x")), 4);
    add_to(oxp_family_at(families[SIDES], OXP_VIEW("out")), 5);
    for (unsigned i = 0; i < 5; i++) {
        char name[8];
        snprintf(name, sizeof name, "n%u", i);
        add_to(oxp_family_at(families[CAPPED], oxp_view_from(name)), 10 + i);
        add_to(oxp_family_at2(families[BOUNDED], oxp_view_from(name), OXP_VIEW("in")), 20 + i);
    }
    add_to(oxp_family_at(families[LE], OXP_VIEW("1")), 6);
    struct oxp_series *counted = oxp_family_at(families[EXEMPLARS], OXP_VIEW("timed"));
    oxp_series_count(counted, 1e-9);
    exemplar(counted, 1e-9, 1700000001.125, "with \"quotes\"");
    counted = oxp_family_at(families[EXEMPLARS], OXP_VIEW("timeless"));
    oxp_series_count(counted, 7);
    exemplar(counted, 7, NAN, "x");
    struct oxp_series *in = oxp_family_at(families[DURATION], OXP_VIEW("in"));
    static const double seconds[] = {0.05, 0.1, 5, 5, 1e6};
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        oxp_histogram_observe(in, seconds[i]);
    }
    exemplar(in, 5, 1700000002, "five");
    exemplar(in, 1e6, 1700000003, "long");
    oxp_histogram_observe(oxp_family_only(families[BARE]), 0.3);
    oxp_histogram_observe(oxp_family_only(families[BELOW]), 2);
    oxp_gauge_set(oxp_family_only(families[QUEUE]), 8);
    oxp_gauge_set(oxp_family_only(families[AGE]), FIRST_RUN);
    oxp_series_count(oxp_family_only(families[PROCESS]), 9);
}

char *dump(const struct oxp_registry *registry) {
    struct oxp_writer_options options = {.format = OXP_FORMAT_OPENMETRICS, .created = true, .now_s = NEXT_RUN};
    struct oxp_writer *writer = NULL;
    struct oxp_buf out;
    char chunk[4096];
    size_t n;
    assert_int_equal(oxp_writer_new(registry, &options, &writer), OXP_OK);
    oxp_buf_init(&out, 0);
    while ((n = oxp_writer_read(writer, chunk, sizeof chunk)) > 0) {
        oxp_buf_append(&out, chunk, n);
    }
    oxp_writer_free(writer);
    char *text = oxp_buf_take(&out, &n);
    assert_non_null(text);
    return text;
}

/* ---- files ---- */

bool exists(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0;
}

void put_file(const char *path, const char *bytes, size_t len) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

char *get_file(const char *path, size_t *len_out) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *bytes = malloc(1 << 16);
    assert_non_null(bytes);
    *len_out = fread(bytes, 1, (1 << 16) - 1, file);
    bytes[*len_out] = '\0';
    fclose(file);
    return bytes;
}

int clean(void **state) {
    (void)state;
    memset(&syncs, 0, sizeof syncs);
    const char *const paths[] = {saved_path, fresh_path, aside_path};
    for (size_t i = 0; i < 3; i++) {
        if (unlink(paths[i]) != 0) {
            rmdir(paths[i]);
        }
    }
    return 0;
}

void save(const struct oxp_registry *registry) {
    struct oxp_error error = {0};
    if (oxp_saved_write(registry, folder, STOPPED, &error) != OXP_OK) {
        fail_msg("%s", error.text);
    }
}

void assert_restores(struct oxp_registry *registry, size_t series) {
    struct oxp_error error = {0};
    size_t restored = 99;
    enum oxp_status status = oxp_saved_read(registry, folder, &restored, &error);
    if (status != OXP_OK) {
        fail_msg("%s: %s", oxp_status_name(status), error.text);
    }
    assert_int_equal(restored, series);
    assert_false(exists(saved_path));
    assert_false(exists(aside_path));
}

/* ---- the folder ---- */

int make_folder(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(saved_path, sizeof saved_path, "%s/metrics.saved", folder);
    snprintf(fresh_path, sizeof fresh_path, "%s/metrics.saved.new", folder);
    snprintf(aside_path, sizeof aside_path, "%s/metrics.saved.corrupt", folder);
    return 0;
}

int remove_folder(void **state) {
    clean(state);
    return rmdir(folder);
}
