/* oxpecker test promql FILE… */
#include "exporter/app/app.h"

#include "alerts/promql/script.h"
#include "exporter/config/config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REASONS_MAX 32

/* What all files gave together: the counts, and how often each reason for skipping came. */
struct tally {
    const char *file;
    struct oxp_script_result sum;
    struct {
        char text[192];
        unsigned count;
    } reasons[REASONS_MAX]; /* the last one takes what has no place */
    size_t reason_count;
};

static void count_reason(struct tally *tally, const char *text) {
    size_t i = 0;
    while (i < tally->reason_count && strncmp(tally->reasons[i].text, text, sizeof tally->reasons[i].text - 1) != 0) {
        i++;
    }
    if (i == tally->reason_count && i < REASONS_MAX) {
        snprintf(tally->reasons[i].text, sizeof tally->reasons[i].text, "%s",
                 i == REASONS_MAX - 1 ? "other reasons" : text);
        tally->reason_count++;
    }
    tally->reasons[i < REASONS_MAX ? i : REASONS_MAX - 1].count++;
}

static void on_case(void *ctx, const struct oxp_script_case *result) {
    struct tally *tally = ctx;
    if (result->outcome == OXP_SCRIPT_FAILED) {
        printf("%s:%u: %.*s\n    %s\n", tally->file, result->line, (int)result->expr.len, result->expr.ptr,
               result->detail);
    } else if (result->outcome == OXP_SCRIPT_SKIPPED) {
        count_reason(tally, result->detail);
    }
}

static void print_counts(const char *name, const struct oxp_script_result *result) {
    printf("%s: %u found, %u passed, %u failed, %u skipped\n", name, result->found, result->passed, result->failed,
           result->skipped);
}

/* False when the file could not be read or is no script. */
static bool run_file(const char *path, struct tally *tally) {
    struct oxp_error error = {0};
    struct oxp_script_result result = {0};
    char *text = NULL;
    size_t len = 0;
    tally->file = path;
    if (oxp_config_read_file(path, &text, &len, &error) != OXP_OK) {
        fprintf(stderr, "%s\n", error.text);
        return false;
    }
    enum oxp_status status = oxp_script_run(oxp_view_of(text, len), on_case, tally, &result, &error);
    if (status == OXP_ERR_SYNTAX) {
        fprintf(stderr, "%s:%u:%u: %s\n", path, error.line, error.column, error.text);
    } else if (status != OXP_OK) {
        fprintf(stderr, "%s: %s\n", path, oxp_status_text(status));
    }
    print_counts(path, &result);
    tally->sum.found += result.found;
    tally->sum.passed += result.passed;
    tally->sum.failed += result.failed;
    tally->sum.skipped += result.skipped;
    free(text);
    return status == OXP_OK;
}

static int test_promql(int argc, char **argv) {
    static struct tally tally; /* some kilobytes; this runs once */
    if (argc == 0) {
        fputs("usage: oxpecker test promql FILE…\n", stderr);
        return 1;
    }
    bool ok = true;
    for (int i = 0; i < argc; i++) {
        ok = run_file(argv[i], &tally) && ok;
    }
    for (size_t i = 0; i < tally.reason_count; i++) {
        printf("skipped %u: %s\n", tally.reasons[i].count, tally.reasons[i].text);
    }
    if (argc > 1) {
        print_counts("all", &tally.sum);
    }
    if (tally.sum.found == 0) {
        fputs("no test was found\n", stderr);
    }
    return ok && tally.sum.failed == 0 && tally.sum.found > 0 ? 0 : 1;
}

int oxp_command_test(int argc, char **argv) {
    if (argc > 0 && strcmp(argv[0], "promql") == 0) {
        return test_promql(argc - 1, argv + 1);
    }
    if (argc > 0 && strcmp(argv[0], "rules") == 0) {
        return oxp_test_rules(argc - 1, argv + 1);
    }
    fputs("usage: oxpecker test promql FILE…\n       oxpecker test rules FILE…\n", stderr);
    return 1;
}
