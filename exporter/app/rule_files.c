#include "exporter/app/rule_files.h"

#include "exporter/app/sampling.h"
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef OXP_RULES_DIR
#define OXP_RULES_DIR "/usr/share/oxpecker/rules"
#endif
#define DEFAULT_FILE "orchestrator.yml"
#define PATH_SIZE 4096

struct reading {
    const struct oxp_config *config;
    struct oxp_log *log;
    struct oxp_rule_files *files;
    const char *path;        /* of the file at hand */
    struct oxp_error *error; /* the first fault */
    enum oxp_status status;  /* of that */
};

/* ---- Faults ---- */

static void keep_first(struct reading *reading, enum oxp_status status, const struct oxp_error *error) {
    if (reading->status == OXP_OK) {
        reading->status = status;
        *reading->error = *error;
    }
}

static void log_place(const struct reading *reading, const char *message, const struct oxp_error *error) {
    char place[PATH_SIZE + 32];
    snprintf(place, sizeof place, "%s:%u:%u", reading->path, error->line, error->column);
    oxp_log_warning(reading->log, message, OXP_LOG_TEXT("place", place), OXP_LOG_TEXT("reason", error->text));
}

static void on_fault(void *ctx, const struct oxp_error *error) {
    struct reading *reading = ctx;
    struct oxp_error placed = {.line = error->line, .column = error->column};
    log_place(reading, "a fault in a rule file", error);
    if (error->line != 0) {
        oxp_error_set(&placed, OXP_ERR_INVALID, error->line, error->column, "%s:%u:%u: %s", reading->path, error->line,
                      error->column, error->text);
    } else {
        oxp_error_set(&placed, OXP_ERR_INVALID, 0, 0, "%s: %s", reading->path, error->text);
    }
    keep_first(reading, OXP_ERR_INVALID, &placed);
}

static void on_warning(void *ctx, const struct oxp_error *error) {
    log_place(ctx, "doubtful in a rule file", error);
}

static void fail(struct reading *reading, enum oxp_status status, const char *text) {
    struct oxp_error error = {0};
    oxp_error_set(&error, status, 0, 0, "%s", text);
    keep_first(reading, status, &error);
}

/* ---- One file ---- */

static bool is_there(const struct oxp_rule_files *files, const char *path) {
    for (size_t i = 0; i < files->count; i++) {
        if (oxp_view_is(files->files[i]->path, path)) {
            return true;
        }
    }
    return false;
}

static void check(struct reading *reading, const struct oxp_rule_file *file) {
    const struct oxp_config *config = reading->config;
    int64_t kept_ms = oxp_sampling_tsdb_options(config).retention_ms;
    int64_t lookback_ms = (int64_t)(oxp_config_number(config, OXP_OPT_QUERY_LOOKBACK_DELTA) * 1000);
    (void)oxp_rule_file_too_far(file, kept_ms, lookback_ms, on_fault, reading);
    if (oxp_rule_file_warnings(file, on_warning, reading, NULL) != OXP_OK) {
        fail(reading, OXP_ERR_NOMEM, oxp_status_text(OXP_ERR_NOMEM));
    }
}

static void add(struct reading *reading, struct oxp_rule_file *file) {
    struct oxp_rule_files *files = reading->files;
    struct oxp_rule_file **more = realloc(files->files, (files->count + 1) * sizeof(struct oxp_rule_file *));
    if (more == NULL) {
        oxp_rule_file_free(file);
        fail(reading, OXP_ERR_NOMEM, oxp_status_text(OXP_ERR_NOMEM));
        return;
    }
    files->files = more;
    files->files[files->count++] = file;
}

/* One that two patterns match is read once. */
static void read_file(struct reading *reading, const char *path) {
    struct oxp_rule_file *file = NULL;
    struct oxp_error error = {0};
    char *text = NULL;
    size_t len = 0;
    if (is_there(reading->files, path)) {
        return;
    }
    reading->path = path;
    enum oxp_status status = oxp_config_read_file(path, &text, &len, &error);
    if (status != OXP_OK) {
        keep_first(reading, status, &error);
    } else {
        status = oxp_rule_file_read(oxp_view_of(text, len), oxp_view_from(path), on_fault, reading, &file, &error);
    }
    free(text);
    if (status == OXP_OK) {
        check(reading, file);
        add(reading, file);
    } else if (reading->status == OXP_OK) { /* a failure that is no fault of the file */
        fail(reading, status, oxp_status_text(status));
    }
    reading->path = NULL;
}

/* ---- Which ---- */

static void read_pattern(struct reading *reading, const char *pattern) {
    glob_t found;
    if (strpbrk(pattern, "*?[") == NULL) {
        read_file(reading, pattern);
        return;
    }
    int result = glob(pattern, 0, NULL, &found);
    if (result == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            read_file(reading, found.gl_pathv[i]);
        }
        globfree(&found);
    } else if (result == GLOB_NOMATCH) {
        oxp_log_warning(reading->log, "no rule file has such a name", OXP_LOG_TEXT("pattern", pattern));
    } else {
        fail(reading, OXP_ERR_NOMEM, oxp_status_text(OXP_ERR_NOMEM));
    }
}

/* A path from the file is relative to the file. */
static void read_named(struct reading *reading) {
    const struct oxp_config *config = reading->config;
    const char *file = oxp_config_text(config, OXP_OPT_CONFIG_FILE), *slash = strrchr(file, '/');
    bool from_file = config->values[OXP_OPT_RULE_FILES].source == OXP_FROM_FILE && slash != NULL;
    char **paths = NULL;
    if (oxp_config_paths(config, OXP_OPT_RULE_FILES, &paths) != OXP_OK) {
        fail(reading, OXP_ERR_NOMEM, oxp_status_text(OXP_ERR_NOMEM));
        return;
    }
    for (size_t i = 0; paths[i] != NULL; i++) {
        char path[PATH_SIZE];
        int len = from_file && paths[i][0] != '/'
                      ? snprintf(path, sizeof path, "%.*s/%s", (int)(slash - file), file, paths[i])
                      : snprintf(path, sizeof path, "%s", paths[i]);
        if (len < 0 || (size_t)len >= sizeof path) {
            fail(reading, OXP_ERR_INVALID, "rule_files: a path is too long");
        } else {
            read_pattern(reading, path);
        }
    }
    free(paths);
}

/* Finds the file that comes with this program; false when there is none. */
static bool find_default(char out[PATH_SIZE]) {
    char program[PATH_SIZE] = "", path[2 * PATH_SIZE];
    static const struct {
        const char *path, *only_beside; /* the second: of a build tree */
    } places[] = {{"/../share/oxpecker/rules/" DEFAULT_FILE, NULL},
                  {"/../../alerts/rulefiles/" DEFAULT_FILE, "/CMakeCache.txt"}};
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    char *slash = len <= 0 ? NULL : strrchr(program, '/');
    for (size_t i = 0; slash != NULL && i < sizeof places / sizeof places[0]; i++) {
        *slash = '\0';
        if (places[i].only_beside != NULL) {
            snprintf(path, sizeof path, "%s%s", program, places[i].only_beside);
            if (access(path, F_OK) != 0) {
                continue;
            }
        }
        snprintf(path, sizeof path, "%s%s", program, places[i].path);
        char *real = realpath(path, NULL);
        if (real != NULL) {
            snprintf(out, PATH_SIZE, "%s", real);
            free(real);
            return true;
        }
    }
    snprintf(out, PATH_SIZE, "%s", OXP_RULES_DIR "/" DEFAULT_FILE);
    return access(out, F_OK) == 0;
}

enum oxp_status oxp_rule_files_read(const struct oxp_config *config, struct oxp_log *log,
                                    struct oxp_rule_files *files_out, struct oxp_error *error) {
    char path[PATH_SIZE];
    *files_out = (struct oxp_rule_files){0};
    struct reading reading = {.config = config, .log = log, .files = files_out, .error = error};
    if (config->values[OXP_OPT_RULE_FILES].source != OXP_FROM_DEFAULT) {
        read_named(&reading);
    } else if (find_default(path)) {
        read_file(&reading, path);
    } else {
        oxp_log_warning(log, "the rules that come with the sidecar are not installed; no alert will be raised",
                        OXP_LOG_TEXT("file", path));
    }
    if (reading.status != OXP_OK) {
        oxp_rule_files_fini(files_out);
    }
    return reading.status;
}

void oxp_rule_files_fini(struct oxp_rule_files *files) {
    for (size_t i = 0; i < files->count; i++) {
        oxp_rule_file_free(files->files[i]);
    }
    free(files->files);
    *files = (struct oxp_rule_files){0};
}
