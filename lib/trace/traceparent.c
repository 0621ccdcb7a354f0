/* The `traceparent` header (W3C Trace Context, section 3.2):
 *
 *     version "-" trace-id "-" parent-id "-" trace-flags
 *     2       -   32       -   16        -   2             lower-case hex digits
 *
 * Rules, by section:
 *   1. version ff is invalid (3.2.2.1)
 *   2. an id that is all zeros is invalid (3.2.2.3, 3.2.2.4)
 *   3. only bit 0 of the flags means something here (3.2.2.5)
 *   4. version 00 has these 55 bytes and not one more; of a higher one these are read as if it were 00, and what
 * follows must begin with a dash (3.2.4, "Versioning of traceparent") */
#include <oxpecker/trace.h>

#include "lib/trace/ids.h"

#include "lib/base/ascii.h"

enum { VERSION_AT = 0, TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53, WHOLE = 55 };

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool all_hex(const char *digits, size_t count) {
    size_t at = 0;
    while (at < count && is_hex(digits[at])) {
        at++;
    }
    return at == count;
}

bool oxp_trace_id_is_valid(struct oxp_view id, size_t digits) {
    size_t zeros = 0;
    if (id.len != digits || !all_hex(id.ptr, digits)) {
        return false;
    }
    while (zeros < digits && id.ptr[zeros] == '0') {
        zeros++;
    }
    return zeros < digits;
}

static bool has_form(struct oxp_view text) {
    return text.len >= WHOLE && all_hex(text.ptr + VERSION_AT, 2) && text.ptr[TRACE_AT - 1] == '-' &&
           text.ptr[SPAN_AT - 1] == '-' && text.ptr[FLAGS_AT - 1] == '-' && all_hex(text.ptr + FLAGS_AT, 2);
}

static unsigned hex_value(char c) {
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

enum oxp_status oxp_traceparent_read(struct oxp_view header, struct oxp_trace_context *context_out) {
    *context_out = (struct oxp_trace_context){.sampled = false};
    struct oxp_view text = oxp_ascii_trim(header, " \t");
    if (!has_form(text)) {
        return OXP_ERR_SYNTAX;
    }
    bool first_version = memcmp(text.ptr, "00", 2) == 0;
    bool ends_well = text.len == WHOLE || (!first_version && text.ptr[WHOLE] == '-');
    struct oxp_view trace_id = oxp_view_of(text.ptr + TRACE_AT, OXP_TRACE_ID_SIZE - 1);
    struct oxp_view span_id = oxp_view_of(text.ptr + SPAN_AT, OXP_SPAN_ID_SIZE - 1);
    if (!ends_well || memcmp(text.ptr, "ff", 2) == 0 || !oxp_trace_id_is_valid(trace_id, trace_id.len) ||
        !oxp_trace_id_is_valid(span_id, span_id.len)) {
        return OXP_ERR_SYNTAX;
    }
    memcpy(context_out->trace_id, trace_id.ptr, trace_id.len);
    memcpy(context_out->span_id, span_id.ptr, span_id.len);
    context_out->sampled = (hex_value(text.ptr[FLAGS_AT + 1]) & 1) != 0;
    return OXP_OK;
}

void oxp_traceparent_write(const struct oxp_trace_context *context, char header_out[OXP_TRACEPARENT_SIZE]) {
    if (context->trace_id[0] == '\0' || context->span_id[0] == '\0') {
        header_out[0] = '\0';
        return;
    }
    memcpy(header_out, "00-", 3);
    memcpy(header_out + TRACE_AT, context->trace_id, OXP_TRACE_ID_SIZE - 1);
    header_out[SPAN_AT - 1] = '-';
    memcpy(header_out + SPAN_AT, context->span_id, OXP_SPAN_ID_SIZE - 1);
    memcpy(header_out + FLAGS_AT - 1, context->sampled ? "-01" : "-00", 4);
}
