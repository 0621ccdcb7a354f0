/* Any bytes as the form that is posted to the query API, and each of its values as a time, a duration, a limit and a
 * label's name. Beside not crashing: fields lie in the form's own text, times lie within their bounds, names are UTF-8,
 * and what is refused has a reason. */
#include "exporter/api/query_args.h"
#include "exporter/serve/form.h"
#include "lib/base/utf8.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) {
        abort();
    }
}

static bool within(struct oxp_view part, const char *start, size_t len) {
    return part.ptr >= start && part.len <= len && part.ptr <= start + len - part.len;
}

static void read_value(struct oxp_view text) {
    struct oxp_error error = {0};
    int64_t ms = 0;
    size_t limit = 0;
    struct oxp_buf name;
    if (oxp_query_time(text, &ms, &error) == OXP_OK) {
        check(ms >= OXP_QUERY_MIN_MS && ms <= OXP_QUERY_MAX_MS);
    } else {
        check(error.text[0] != '\0');
    }
    error.text[0] = '\0';
    check(oxp_query_duration(text, &ms, &error) == OXP_OK || error.text[0] != '\0');
    error.text[0] = '\0';
    check(oxp_query_limit(text, &limit, &error) == OXP_OK || error.text[0] != '\0');
    oxp_buf_init(&name, 0);
    error.text[0] = '\0';
    if (oxp_query_label_name(text, &name, &error) == OXP_OK) {
        check(name.len > 0 && name.len <= text.len && oxp_utf8_is_valid(oxp_buf_view(&name)));
    } else {
        check(error.text[0] != '\0');
    }
    oxp_buf_fini(&name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct oxp_form form;
    struct oxp_view text = oxp_view_of((const char *)data, size);
    if (oxp_form_read(text, 100, &form) != OXP_OK) {
        return 0;
    }
    check(form.count <= 100);
    for (size_t i = 0; i < form.count; i++) {
        check(within(form.fields[i].name, form.text, size) && within(form.fields[i].value, form.text, size));
        read_value(form.fields[i].value);
    }
    oxp_form_fini(&form);
    read_value(text);
    return 0;
}
