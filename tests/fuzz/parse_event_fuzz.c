/* Any bytes as a line. Beside not crashing: a refusal has its place and reason; an accepted event's views lie in the
 * line or in its scratch, hold valid UTF-8 and nothing that the scrubber still finds; what is accepted once is accepted
 * again. The seq of a line, read alone, is in range and the accepted event's own. */
#include "exporter/parse/parse.h"
#include "lib/base/scrub.h"
#include "lib/base/utf8.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct oxp_event event;

static void check(bool holds) {
    if (!holds) {
        abort();
    }
}

static bool within(struct oxp_view part, const char *start, size_t len) {
    return part.ptr >= start && part.ptr <= start + len && part.len <= (size_t)(start + len - part.ptr);
}

static void check_text(struct oxp_view text, struct oxp_view line) {
    static const struct oxp_view fixed[] = {{"true", 4}, {"false", 5}, {"[redacted]", 10}};
    bool known = text.len == 0 || within(text, line.ptr, line.len) || within(text, event.scratch, event.scratch_len);
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        known = known || oxp_view_equal(text, fixed[i]);
    }
    check(known);
    check(oxp_utf8_is_valid(text));
}

static void check_field(enum oxp_field field, struct oxp_view line) {
    const struct oxp_field_spec *spec = oxp_field_spec(field);
    switch (spec->kind) {
    case OXP_KIND_STRING:
    case OXP_KIND_ID:
    case OXP_KIND_WORD:
        if (field != OXP_FIELD_TYPE) { /* whose view is of the table */
            check_text(event.values[field].text, line);
        }
        check(spec->kind == OXP_KIND_WORD || event.values[field].text.len <= spec->limit);
        check(spec->kind != OXP_KIND_ID || event.values[field].text.len > 0);
        break;
    case OXP_KIND_NUMBER:
    case OXP_KIND_TIME:
    case OXP_KIND_REAL:
        check(isfinite(event.values[field].number) && (spec->kind == OXP_KIND_REAL || event.values[field].number >= 0));
        break;
    case OXP_KIND_COUNT:
        check(event.values[field].number >= 0 && event.values[field].number <= 9007199254740992.0);
        break;
    default:
        break;
    }
}

static void check_event(struct oxp_view line) {
    check(event.type != OXP_EVENT_NONE && event.type < OXP_EVENT_TYPES && oxp_event_has(&event, OXP_FIELD_TYPE));
    for (unsigned f = 0; f < OXP_FIELDS; f++) {
        if (oxp_event_has(&event, (enum oxp_field)f)) {
            check_field((enum oxp_field)f, line);
        }
    }
    check(event.attr_count <= OXP_EVENT_ATTRS_MAX && event.label_count <= OXP_EVENT_ATTRS_MAX);
    for (size_t i = 0; i < event.attr_count; i++) {
        check_text(event.attrs[i].name, line);
        check_text(event.attrs[i].value, line);
    }
    for (const enum oxp_field *f = oxp_type_spec(event.type)->required; *f != OXP_FIELDS; f++) {
        check(oxp_event_has(&event, *f));
    }
}

/* The scan and the scrubber agree, and the scrubber keeps to its room. */
static void check_scrub(struct oxp_view text) {
    char out[256];
    size_t len = oxp_scrub(text, out, sizeof out);
    check(len <= sizeof out);
    if (!oxp_scrub_suspects(text)) {
        check(len == (text.len < sizeof out ? text.len : sizeof out) && (len == 0 || memcmp(out, text.ptr, len) == 0));
    }
}

static void check_seq(struct oxp_view line, bool accepted) {
    uint64_t seq = 0;
    if (oxp_parse_seq(line, &seq)) {
        check(seq >= 1 && seq <= UINT64_C(9007199254740992));
        check(!accepted || (oxp_event_has(&event, OXP_FIELD_SEQ) && event.values[OXP_FIELD_SEQ].number == (double)seq));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct oxp_view line = oxp_view_of((const char *)data, size);
    struct oxp_refusal refusal = {.reason = OXP_REJECTS};
    check_scrub(line);
    enum oxp_status status = oxp_parse_event(line, &event, &refusal);
    check_seq(line, status == OXP_OK);
    if (status == OXP_OK) {
        check_event(line);
        return 0;
    }
    check(status == OXP_ERR_SYNTAX && refusal.reason < OXP_REJECTS && refusal.error.text[0] != '\0');
    check(refusal.error.column >= 1 && refusal.error.column <= size + 1);
    return 0;
}
