/* Any bytes as the lines of a log. Beside not crashing: a refusal has its reason and its place; every event is
 * complete, has only fields of its type, within their limits, in valid UTF-8, and views that lie in the line, in the
 * parser or in its tables. */
#include "exporter/parse/audit.h"
#include "lib/base/utf8.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct oxp_audit_reader audit;

static void check(bool holds) {
    if (!holds) {
        abort();
    }
}

static bool within(struct oxp_view part, const void *start, size_t len) {
    return part.ptr >= (const char *)start && part.len <= len && part.ptr <= (const char *)start + len - part.len;
}

static void check_text(const struct oxp_event *event, struct oxp_view line, enum oxp_field field) {
    const struct oxp_field_spec *spec = oxp_field_spec(field);
    struct oxp_view text = event->values[field].text;
    check(text.len > 0 && text.len <= spec->limit && oxp_utf8_is_valid(text));
    bool fixed = field == OXP_FIELD_TYPE || field == OXP_FIELD_STATUS || field == OXP_FIELD_OUTCOME ||
                 field == OXP_FIELD_OP || field == OXP_FIELD_UPSTREAM || field == OXP_FIELD_SEVERITY ||
                 field == OXP_FIELD_LEVEL;
    check(fixed || within(text, line.ptr, line.len) || within(text, event->scratch, event->scratch_len) ||
          within(text, audit.scratch, audit.scratch_len));
}

static void on_event(void *ctx, const struct oxp_event *event) {
    struct oxp_view line = *(struct oxp_view *)ctx;
    check(event->type > OXP_EVENT_NONE && event->type < OXP_EVENT_TYPES);
    const uint64_t *required = oxp_type_required(event->type);
    for (unsigned word = 0; word < OXP_FIELD_WORDS; word++) {
        check((required[word] & ~event->present[word]) == 0);
    }
    for (enum oxp_field field = 0; field < OXP_FIELDS; field++) {
        if (!oxp_event_has(event, field)) {
            continue;
        }
        const struct oxp_field_spec *spec = oxp_field_spec(field);
        check(oxp_field_find_for(event->type, oxp_view_from(spec->name)) == field);
        if (field == OXP_FIELD_TS) {
            check(event->values[field].number >= 0 && isfinite(event->values[field].number));
        } else {
            check_text(event, line, field);
        }
    }
    for (size_t i = 0; i < event->attr_count; i++) {
        check(event->attrs[i].name.len > 0 && event->attrs[i].name.len <= 128);
        check(event->attrs[i].value.len <= 1024 && oxp_utf8_is_valid(event->attrs[i].value));
        check(oxp_utf8_is_valid(event->attrs[i].name));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    oxp_audit_init(&audit, &(struct oxp_audit_options){.utc_offset_s = 0});
    for (size_t at = 0; at <= size;) {
        const uint8_t *newline = at == size ? NULL : memchr(data + at, '\n', size - at);
        size_t end = newline == NULL ? size : (size_t)(newline - data);
        struct oxp_view line = oxp_view_of((const char *)data + at, end - at);
        struct oxp_refusal refusal = {.reason = OXP_REJECTS};
        const struct oxp_audit_sink sink = {&line, on_event};
        (void)oxp_audit_is_event(line);
        enum oxp_status status = oxp_audit_parse(&audit, line, &sink, &refusal);
        check(status == OXP_OK || status == OXP_IGNORED || status == OXP_ERR_SYNTAX);
        if (status == OXP_ERR_SYNTAX) {
            check(refusal.reason < OXP_REJECTS && refusal.error.text[0] != '\0');
            check(refusal.error.column >= 1 && refusal.error.column <= line.len + 1);
        }
        at = end + 1;
    }
    return 0;
}
