/* oxpecker check rules [--storage.retention=DURATION] [--query.lookback-delta=DURATION] FILE… */
#include "exporter/app/app.h"

#include "alerts/rules/file.h"
#include "exporter/config/config.h"
#include <stdio.h>
#include <stdlib.h>

#define LOOKBACK_MS INT64_C(300000)   /* where no flag says otherwise */
#define RETENTION_MS INT64_C(3600000) /* the sidecar's default */

struct limits {
    int64_t retention_ms; /* 0: nobody asked; what looks back past the default is then noted, and no fault */
    int64_t lookback_ms;
};

struct faults {
    const char *file;
    const char *kind; /* "" or "warning: " */
    size_t count;
};

static void report(void *ctx, const struct oxp_error *error) {
    struct faults *faults = ctx;
    faults->count++;
    if (error->line == 0) {
        fprintf(stderr, "%s: %s%s\n", faults->file, faults->kind, error->text);
    } else {
        fprintf(stderr, "%s:%u:%u: %s%s\n", faults->file, error->line, error->column, faults->kind, error->text);
    }
}

/* A file that was read well. */
static bool check_read(const struct oxp_rule_file *file, const struct limits *limits, const char *path) {
    struct faults warnings = {path, "warning: ", 0}, faults = {path, "", 0};
    if (oxp_rule_file_warnings(file, report, &warnings, NULL) != OXP_OK) {
        fprintf(stderr, "%s: out of memory\n", path);
        return false;
    }
    struct faults notes = {path, "note: not for a sidecar that remembers the default 1h: ", 0};
    bool asked = limits->retention_ms != 0;
    /* the sidecar keeps samples for a lookback longer than it promises */
    int64_t kept_ms = (asked ? limits->retention_ms : RETENTION_MS) + limits->lookback_ms;
    oxp_rule_file_too_far(file, kept_ms, limits->lookback_ms, report, asked ? &faults : &notes);
    if (faults.count == 0) {
        printf("%s: SUCCESS: %zu rules found\n", path, file->rule_count);
    }
    return faults.count == 0;
}

static bool check_file(const char *path, const struct limits *limits) {
    struct faults faults = {path, "", 0};
    struct oxp_rule_file *file = NULL;
    struct oxp_error error = {0};
    char *text = NULL;
    size_t len = 0;
    bool ok = false;
    if (oxp_config_read_file(path, &text, &len, &error) != OXP_OK) {
        fprintf(stderr, "%s\n", error.text);
        return false;
    }
    enum oxp_status status =
        oxp_rule_file_read(oxp_view_of(text, len), oxp_view_from(path), report, &faults, &file, &error);
    if (status == OXP_OK) {
        ok = check_read(file, limits, path);
    } else if (status == OXP_ERR_NOMEM) { /* the only one that is not reported */
        fprintf(stderr, "%s: %s\n", path, error.text);
    }
    oxp_rule_file_free(file);
    free(text);
    return ok;
}

static int usage(void) {
    fputs("usage: oxpecker check rules [--storage.retention=DURATION] [--query.lookback-delta=DURATION] FILE…\n",
          stderr);
    return 1;
}

/* A flag with a duration; false when it is no such flag, or was wrong, which is then said. */
static bool read_flag(const char *word, struct limits *limits) {
    const struct {
        const char *flag;
        int64_t *ms;
    } flags[] = {
        {"--storage.retention=", &limits->retention_ms},
        {"--query.lookback-delta=", &limits->lookback_ms},
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        size_t len = strlen(flags[i].flag);
        if (strncmp(word, flags[i].flag, len) != 0) {
            continue;
        }
        if (oxp_promql_parse_duration(oxp_view_from(word + len), flags[i].ms) == OXP_OK && *flags[i].ms > 0) {
            return true;
        }
        fprintf(stderr, "%.*s: found \"%s\"; expected a duration such as 1h\n", (int)len - 1, word, word + len);
        return false;
    }
    return false;
}

int oxp_check_rules(int argc, char **argv) {
    struct limits limits = {.lookback_ms = LOOKBACK_MS};
    int first = 0;
    for (; first < argc && argv[first][0] == '-' && argv[first][1] == '-'; first++) {
        if (argv[first][2] == '\0') {
            first++;
            break;
        }
        if (!read_flag(argv[first], &limits)) {
            return usage();
        }
    }
    if (first == argc) {
        return usage();
    }
    bool ok = true;
    for (int i = first; i < argc; i++) {
        ok = check_file(argv[i], &limits) && ok;
    }
    return ok ? 0 : 1;
}
