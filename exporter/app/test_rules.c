/* oxpecker test rules FILE… */
#include "exporter/app/app.h"

#include "alerts/rules/unit.h"
#include "exporter/config/config.h"
#include "lib/base/buf.h"
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One test file. */
struct testing {
    const char *path;
    bool failed; /* that it did was printed */
};

static void begin_failure(struct testing *testing) {
    if (!testing->failed) {
        puts("  FAILED:");
        testing->failed = true;
    }
}

static void on_failure(void *ctx, unsigned line, const char *text) {
    struct testing *testing = ctx;
    begin_failure(testing);
    printf("    line: %u,\n%s\n\n", line, text);
}

/* The pattern as seen from the test file's folder. False when there is no memory. */
static bool resolve(const char *test_path, struct oxp_view pattern, struct oxp_buf *out) {
    const char *slash = strrchr(test_path, '/');
    oxp_buf_init(out, 0);
    if (slash != NULL && (pattern.len == 0 || pattern.ptr[0] != '/')) {
        for (const char *c = test_path; c <= slash; c++) { /* the folder is no pattern */
            if (strchr("*?[\\", *c) != NULL) {
                oxp_buf_append_char(out, '\\');
            }
            oxp_buf_append_char(out, *c);
        }
    }
    oxp_buf_append_view(out, pattern);
    (void)oxp_buf_text(out);
    return oxp_buf_status(out) == OXP_OK;
}

static enum oxp_status read_rules(const char *path, struct oxp_buf *path_out, struct oxp_buf *text_out,
                                  struct oxp_error *error) {
    char *text = NULL;
    size_t len = 0;
    enum oxp_status status = oxp_config_read_file(path, &text, &len, error);
    if (status != OXP_OK) {
        return status;
    }
    oxp_buf_append_text(path_out, path);
    oxp_buf_append(text_out, text, len);
    free(text);
    status = oxp_buf_status(path_out);
    return status != OXP_OK ? status : oxp_buf_status(text_out);
}

/* Rule files of a pattern, as filepath.Glob finds them: sorted, hidden ones too. */
static enum oxp_status read_pattern(void *ctx, struct oxp_view pattern, size_t next, struct oxp_buf *path_out,
                                    struct oxp_buf *text_out, struct oxp_error *error) {
    const struct testing *testing = ctx;
    struct oxp_buf resolved;
    glob_t found = {0};
    int failure = GLOB_NOSPACE;
    if (resolve(testing->path, pattern, &resolved)) {
        failure = glob(oxp_buf_text(&resolved), GLOB_PERIOD, NULL, &found);
    }
    enum oxp_status status = OXP_END;
    if (failure == GLOB_NOSPACE) {
        status = OXP_ERR_NOMEM;
    } else if (failure == 0 && next < found.gl_pathc) {
        status = read_rules(found.gl_pathv[next], path_out, text_out, error);
    } else if (next == 0) {
        fprintf(stderr, "  WARNING: no file match pattern %s\n", oxp_buf_text(&resolved));
    }
    globfree(&found);
    oxp_buf_fini(&resolved);
    return status;
}

/* True when every test passes. */
static bool test_file(const char *path) {
    struct testing testing = {.path = path};
    struct oxp_unit_options options = {.read = read_pattern, .on_failure = on_failure, .ctx = &testing};
    struct oxp_unit_result result = {0};
    struct oxp_error error = {0};
    char *text = NULL;
    size_t len = 0;
    printf("Unit Testing:  %s\n", path);
    enum oxp_status status = oxp_config_read_file(path, &text, &len, &error);
    if (status == OXP_OK) {
        status = oxp_unit_run(oxp_view_of(text, len), &options, &result, &error);
        if (error.line != 0) {
            begin_failure(&testing);
            printf("%s:%u:%u: %s\n\n", path, error.line, error.column, error.text);
        } else if (status != OXP_OK) {
            begin_failure(&testing);
            printf("%s: %s\n\n", path, error.text);
        }
    } else {
        begin_failure(&testing);
        printf("%s\n\n", error.text);
    }
    free(text);
    bool passed = status == OXP_OK && result.failed == 0 && !testing.failed;
    if (passed) {
        puts("  SUCCESS\n");
    }
    fflush(stdout);
    if (passed && result.checks == 0) {
        fprintf(stderr, "  WARNING: %s checks nothing\n", path);
    }
    return passed;
}

int oxp_test_rules(int argc, char **argv) {
    if (argc == 0) {
        fputs("usage: oxpecker test rules FILE…\n", stderr);
        return 1;
    }
    bool passed = true;
    for (int i = 0; i < argc; i++) {
        passed = test_file(argv[i]) && passed;
    }
    return passed ? 0 : 1;
}
