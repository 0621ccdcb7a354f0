/* PromQL as Prometheus' own test scripts have it, and as ours do: every script of OXP_CORPORA/promqltest (default
 * ../shared/corpora) and of tests/conformance/promql is run. A corpus that is missing is skipped aloud, but fails when
 * CI is set; one without a case always fails, and so does a case that is skipped for a reason that nobody knows. */
#include "tests/unit/alerts/promql/support.h"

#include "alerts/promql/script.h"
#include "tests/support/slurp.h"
#include <glob.h>

/* Why a case may be skipped. */
static const char *const known_reasons[] = {
    "native histograms",
    "start timestamps",
    "experimental",
};

struct tally {
    const char *file;
    unsigned found, failed, skipped, unknown;
};

static void on_case(void *ctx, const struct oxp_script_case *result) {
    struct tally *tally = ctx;
    if (result->outcome == OXP_SCRIPT_FAILED) {
        print_error("%s:%u: %.*s\n    %s\n", tally->file, result->line, (int)result->expr.len, result->expr.ptr,
                    result->detail);
    }
    if (result->outcome != OXP_SCRIPT_SKIPPED) {
        return;
    }
    for (size_t i = 0; i < COUNT_OF(known_reasons); i++) {
        if (strstr(result->detail, known_reasons[i]) != NULL) {
            return;
        }
    }
    print_error("%s:%u: skipped for no known reason: %s\n", tally->file, result->line, result->detail);
    tally->unknown++;
}

static void run_file(const char *path, struct tally *tally) {
    struct oxp_script_result result;
    struct oxp_error error = {0};
    size_t len;
    char *text = slurp(path, &len);
    tally->file = strrchr(path, '/') + 1;
    enum oxp_status status = oxp_script_run(oxp_view_of(text, len), on_case, tally, &result, &error);
    print_message("%-24s %4u found, %4u passed, %3u failed, %3u skipped\n", tally->file, result.found, result.passed,
                  result.failed, result.skipped);
    if (status != OXP_OK) {
        print_error("%s:%u:%u: %s: %s\n", tally->file, error.line, error.column, oxp_status_name(status), error.text);
    }
    tally->found += result.found;
    tally->failed += result.failed + (status != OXP_OK) + (result.found == 0);
    tally->skipped += result.skipped;
    free(text);
}

/* Runs all scripts of a folder; false when there is no such folder. */
static bool run_folder(const char *folder, struct tally *tally) {
    char pattern[4096];
    glob_t found = {0};
    snprintf(pattern, sizeof pattern, "%s/*.test", folder);
    int status = glob(pattern, 0, NULL, &found);
    for (size_t i = 0; status == 0 && i < found.gl_pathc; i++) {
        run_file(found.gl_pathv[i], tally);
    }
    globfree(&found);
    FILE *directory = fopen(folder, "r"); /* opens, and cannot be read */
    if (directory != NULL) {
        fclose(directory);
    }
    return directory != NULL;
}

static void check(const struct tally *tally) {
    print_message("%u cases, %u failed, %u skipped (%u for no known reason)\n", tally->found, tally->failed,
                  tally->skipped, tally->unknown);
    assert_true(tally->found > 0);
    assert_int_equal(tally->failed, 0);
    assert_int_equal(tally->unknown, 0);
}

static void test_corpus(void **state) {
    (void)state;
    char folder[4000];
    struct tally tally = {0};
    const char *corpora = getenv("OXP_CORPORA"), *ci = getenv("CI");
    snprintf(folder, sizeof folder, "%s/promqltest",
             corpora != NULL && *corpora != '\0' ? corpora : "../shared/corpora");
    if (!run_folder(folder, &tally)) {
        print_message("SKIPPED: %s: no such folder (set OXP_CORPORA)\n", folder);
        assert_true(ci == NULL || *ci == '\0');
        skip();
    }
    check(&tally);
}

static void test_own(void **state) {
    (void)state;
    struct tally tally = {0};
    assert_true(run_folder("tests/conformance/promql", &tally));
    check(&tally);
    assert_int_equal(tally.skipped, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corpus),
        cmocka_unit_test(test_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
