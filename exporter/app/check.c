/* oxpecker check config FILE…, oxpecker check metrics < FILE (check rules: check_rules.c) */
#include "exporter/app/app.h"
#include "exporter/app/delivery.h"
#include "exporter/app/rule_files.h"
#include "exporter/config/config.h"
#include "lib/base/buf.h"
#include <errno.h>
#include <oxpecker/exposition.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX (size_t)(1 << 30)

/* Reads a stream to its end; says what went wrong. */
static bool slurp(FILE *file, const char *name, struct oxp_buf *buf) {
    for (;;) {
        char *to = oxp_buf_reserve(buf, 65536);
        if (to == NULL) {
            fprintf(stderr, "%s: %s\n", name, oxp_status_text(oxp_buf_status(buf)));
            return false;
        }
        size_t n = fread(to, 1, 65536, file);
        oxp_buf_commit(buf, n);
        if (n == 0) {
            break;
        }
    }
    if (ferror(file)) {
        fprintf(stderr, "%s: cannot be read: %m\n", name);
        return false;
    }
    return true;
}

struct faults {
    const char *file;
    unsigned count;
};

static void report(void *ctx, const struct oxp_error *error) {
    struct faults *faults = ctx;
    faults->count++;
    fprintf(stderr, "%s:%u:%u: %s\n", faults->file, error->line, error->column, error->text);
}

/* The rule files that it names, as the daemon would read them: the first fault, which has its own place. */
static bool check_rule_files(const struct oxp_config *config) {
    struct oxp_rule_files files = {0};
    struct oxp_error error = {0};
    if (config->values[OXP_OPT_RULE_FILES].source == OXP_FROM_DEFAULT) {
        return true;
    }
    if (oxp_rule_files_read(config, NULL, &files, &error) != OXP_OK) {
        fprintf(stderr, "%s\n", error.text);
        return false;
    }
    oxp_rule_files_fini(&files);
    return true;
}

static int check_config_file(const char *path) {
    struct faults faults = {.file = path};
    struct oxp_error error = {0};
    char *text = NULL;
    size_t len = 0;
    if (oxp_config_read_file(path, &text, &len, &error) != OXP_OK) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    struct oxp_config config;
    struct oxp_delivery_setup delivery = {0};
    bool bad = oxp_config_check_into(oxp_view_of(text, len), report, &faults, &config) != OXP_OK;
    if (!bad) { /* what it names is looked for beside it */
        free(config.values[OXP_OPT_CONFIG_FILE].text);
        config.values[OXP_OPT_CONFIG_FILE].text = strdup(path);
        bad = config.values[OXP_OPT_CONFIG_FILE].text == NULL;
    }
    if (!bad && oxp_delivery_read(&config, false, &delivery, &error) != OXP_OK) {
        report(&faults, &error);
        bad = true;
    }
    bad = bad || !check_rule_files(&config);
    if (!bad) {
        printf("%s: ok\n", path);
    }
    oxp_delivery_setup_fini(&delivery);
    oxp_config_fini(&config);
    free(text);
    return bad;
}

static int check_config(int argc, char **argv) {
    if (argc == 0) {
        fputs("usage: oxpecker check config FILE…\n", stderr);
        return 1;
    }
    int status = 0;
    for (int i = 0; i < argc; i++) {
        status |= check_config_file(argv[i]);
    }
    return status;
}

/* An OpenMetrics exposition ends with its EOF line, whose line feed may be missing; without --format that tells which
 * of the two it is. */
static enum oxp_format guess(struct oxp_view input) {
    static const char eof[] = "# EOF";
    size_t len = sizeof eof - 1;
    input.len -= input.len > 0 && input.ptr[input.len - 1] == '\n';
    return input.len >= len && memcmp(input.ptr + input.len - len, eof, len) == 0 ? OXP_FORMAT_OPENMETRICS
                                                                                  : OXP_FORMAT_TEXT;
}

static enum oxp_status count_sample(void *ctx, const struct oxp_read_sample *sample) {
    (void)sample;
    ++*(size_t *)ctx;
    return OXP_OK;
}

static int check_metrics(int argc, char **argv) {
    static const struct {
        const char *flag;
        enum oxp_format format;
        const char *name;
    } formats[] = {
        {"--format=text", OXP_FORMAT_TEXT, "text 0.0.4"},
        {"--format=openmetrics", OXP_FORMAT_OPENMETRICS, "OpenMetrics 1.0.0"},
    };
    int chosen = -1;
    for (int i = 0; i < argc; i++) {
        chosen = strcmp(argv[i], formats[0].flag) == 0 ? 0 : strcmp(argv[i], formats[1].flag) == 0 ? 1 : -1;
        if (chosen < 0) {
            fputs("usage: oxpecker check metrics [--format=text|openmetrics] < FILE\n", stderr);
            return 1;
        }
    }
    struct oxp_buf buf;
    struct oxp_error error = {0};
    size_t samples = 0;
    int status = 1;
    oxp_buf_init(&buf, INPUT_MAX);
    if (slurp(stdin, "standard input", &buf)) {
        enum oxp_format format = chosen < 0 ? guess(oxp_buf_view(&buf)) : formats[chosen].format;
        struct oxp_reader_sink sink = {.sample = count_sample, .ctx = &samples};
        if (oxp_exposition_read(oxp_buf_view(&buf), format, &sink, &error) == OXP_OK) {
            printf("ok: %zu samples, %s\n", samples, formats[format == OXP_FORMAT_OPENMETRICS].name);
            status = 0;
        } else {
            fprintf(stderr, "%u:%u: %s\n", error.line, error.column, error.text);
        }
    }
    oxp_buf_fini(&buf);
    return status;
}

int oxp_command_check(int argc, char **argv) {
    if (argc > 0 && strcmp(argv[0], "config") == 0) {
        return check_config(argc - 1, argv + 1);
    }
    if (argc > 0 && strcmp(argv[0], "metrics") == 0) {
        return check_metrics(argc - 1, argv + 1);
    }
    if (argc > 0 && strcmp(argv[0], "rules") == 0) {
        return oxp_check_rules(argc - 1, argv + 1);
    }
    fputs("usage: oxpecker check config FILE…\n"
          "       oxpecker check rules [--storage.retention=DURATION] FILE…\n"
          "       oxpecker check metrics [--format=text|openmetrics] < FILE\n",
          stderr);
    return 1;
}
