/* Any bytes as a line of the series notation. Beside not crashing: a refusal has its reason and its place within the
 * line; labels are sorted, none is empty; there are no more values than the limit; what is read once is read the same
 * again. */
#include "alerts/promql/script.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) {
        abort();
    }
}

static void check_labels(const struct oxp_labels *labels) {
    for (uint32_t i = 0; i < labels->count; i++) {
        check(labels->label[i].name->len > 0 && labels->label[i].value->len > 0);
        check(i == 0 || oxp_symbol_compare(labels->label[i - 1].name, labels->label[i].name) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct oxp_view line = oxp_view_of((const char *)data, size);
    struct oxp_arena arena;
    struct oxp_script_series series, again;
    struct oxp_error error = {0};
    oxp_arena_init(&arena, 64u << 20);
    enum oxp_status status = oxp_script_parse_series(line, &arena, &series, &error);
    check(status == OXP_OK || status == OXP_ERR_SYNTAX || status == OXP_ERR_UNSUPPORTED || status == OXP_ERR_LIMIT ||
          status == OXP_ERR_NOMEM);
    if (status == OXP_OK) {
        check_labels(series.labels);
        check(series.count <= 1000000);
        check(oxp_script_parse_series(line, &arena, &again, &error) == OXP_OK && again.count == series.count);
        check(oxp_labels_equal(series.labels, again.labels));
        check(series.count == 0 || memcmp(series.value, again.value, series.count * sizeof *again.value) == 0);
    } else if (status != OXP_ERR_NOMEM) {
        check(error.text[0] != '\0' && error.line >= 1 && error.column >= 1 && error.column <= size + 1);
    }
    if (status == OXP_ERR_UNSUPPORTED) {
        check_labels(series.labels);
    }
    oxp_arena_fini(&arena);
    return 0;
}
