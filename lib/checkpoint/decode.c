/* Reading: first the envelope and its checksum, then the payload, which encode.c wrote. A payload that has the right
 * checksum and the wrong shape was written by somebody else; it is corrupt all the same. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/number.h"
#include "lib/checkpoint/format.h"
#include "lib/checkpoint/key.h"
#include "lib/checkpoint/scan.h"
#include "lib/json/json.h"

static enum oxp_status corrupt(struct oxp_error *error, const char *what) {
    return oxp_error_set(error, OXP_ERR_CORRUPT, 0, 0, "corrupt checkpoint: %s", what);
}

/* ---- The envelope ---- */

static bool take(struct oxp_view *rest, struct oxp_view literal) {
    if (!oxp_view_starts(*rest, literal)) {
        return false;
    }
    *rest = oxp_view_of(rest->ptr + literal.len, rest->len - literal.len);
    return true;
}

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_decimal(char c) {
    return c >= '0' && c <= '9';
}

/* Digits as encode writes them: no zero in front. */
static struct oxp_view take_digits(struct oxp_view *rest, bool (*is)(char), size_t most) {
    size_t len = 0;
    while (len < rest->len && len < most && is(rest->ptr[len])) {
        len++;
    }
    struct oxp_view digits = {rest->ptr, len};
    *rest = oxp_view_of(rest->ptr + len, rest->len - len);
    return digits;
}

struct envelope {
    struct oxp_view format, crc, bytes, payload;
};

static bool read_envelope(struct oxp_view rest, struct envelope *out) {
    if (!take(&rest, OXP_VIEW(OXP_ENVELOPE_FORMAT))) {
        return false;
    }
    out->format = take_digits(&rest, is_decimal, 9);
    if (out->format.len == 0 || !take(&rest, OXP_VIEW(OXP_ENVELOPE_CRC))) {
        return false;
    }
    out->crc = take_digits(&rest, is_hex, 8);
    if (!take(&rest, OXP_VIEW(OXP_ENVELOPE_BYTES))) {
        return false;
    }
    out->bytes = take_digits(&rest, is_decimal, 18);
    uint64_t bytes = 0;
    if (!take(&rest, OXP_VIEW(OXP_ENVELOPE_PAYLOAD)) || oxp_number_parse_u64(out->bytes, &bytes) != OXP_OK ||
        out->bytes.ptr[0] == '0' || bytes > rest.len) {
        return false;
    }
    out->payload = oxp_view_of(rest.ptr, (size_t)bytes);
    return oxp_view_equal(oxp_view_of(rest.ptr + bytes, rest.len - (size_t)bytes), OXP_VIEW(OXP_ENVELOPE_END));
}

static enum oxp_status open_envelope(struct oxp_view text, struct oxp_view *payload_out, struct oxp_error *error) {
    struct envelope envelope;
    if (!read_envelope(text, &envelope)) {
        return corrupt(error, "cut short or damaged");
    }
    char crc[9];
    snprintf(crc, sizeof crc, "%08x", oxp_envelope_checksum(envelope.format, envelope.payload));
    if (!oxp_view_is(envelope.crc, crc)) {
        return corrupt(error, "the checksum does not match");
    }
    uint64_t format = 0;
    if (oxp_number_parse_u64(envelope.format, &format) != OXP_OK || format != OXP_CHECKPOINT_FORMAT) {
        return oxp_error_set(error, OXP_ERR_UNSUPPORTED, 0, 0, "format %.*s; this library reads %d",
                             (int)envelope.format.len, envelope.format.ptr, OXP_CHECKPOINT_FORMAT);
    }
    *payload_out = envelope.payload;
    return OXP_OK;
}

/* ---- The payload ---- */

static bool read_text(const struct oxp_json *payload, const char *name, struct oxp_view *out) {
    const struct oxp_json *value = oxp_json_get(payload, name);
    *out = oxp_json_text_of(value);
    return value == NULL || oxp_json_kind_of(value) == OXP_JSON_TEXT;
}

static bool read_number(const struct oxp_json *payload, const char *name, double most, double *out) {
    const struct oxp_json *value = oxp_json_get(payload, name);
    *out = oxp_json_number_of(value);
    return fabs(*out) <= most; /* not when it is missing: NaN */
}

static bool read_u32(const struct oxp_json *payload, const char *name, uint32_t *out) {
    double value = 0;
    if (!read_number(payload, name, UINT32_MAX, &value) || value < 0 || value != floor(value)) {
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

static bool read_scalars(const struct oxp_json *payload, struct oxp_checkpoint *out) {
    struct oxp_view seq;
    const struct oxp_json *complete = oxp_json_get(payload, "complete");
    out->complete = oxp_json_bool_of(complete);
    return read_text(payload, "task", &out->task) && oxp_task_is_valid(out->task) &&
           read_text(payload, "workflow", &out->workflow) && read_text(payload, "run", &out->run) &&
           read_text(payload, "session", &out->session) && read_text(payload, "state", &out->state) &&
           read_text(payload, "seq", &seq) && oxp_number_parse_u64(seq, &out->seq) == OXP_OK &&
           read_u32(payload, "schema", &out->schema) && read_u32(payload, "attempt", &out->attempt) &&
           read_number(payload, "created_s", 1e12, &out->created_s) &&
           read_number(payload, "progress_pct", 100, &out->progress_pct) && out->progress_pct >= 0 &&
           oxp_json_kind_of(complete) == OXP_JSON_BOOL;
}

/* Gives the list (free) or NULL when there is none. */
static enum oxp_status read_finished(const struct oxp_json *payload, struct oxp_view **list_out, size_t *count_out) {
    const struct oxp_json *array = oxp_json_get(payload, "finished");
    size_t count = oxp_json_size(array);
    *list_out = NULL;
    *count_out = count;
    if (array != NULL && (oxp_json_kind_of(array) != OXP_JSON_ARRAY || count > OXP_CHECKPOINT_FINISHED_MAX)) {
        return OXP_ERR_CORRUPT;
    }
    if (count == 0) {
        return OXP_OK;
    }
    struct oxp_view *list = calloc(count, sizeof *list);
    if (list == NULL) {
        return OXP_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const struct oxp_json *id = oxp_json_at(array, i);
        if (oxp_json_kind_of(id) != OXP_JSON_TEXT) {
            free(list);
            return OXP_ERR_CORRUPT;
        }
        list[i] = oxp_json_text_of(id);
    }
    *list_out = list;
    return OXP_OK;
}

static enum oxp_status read_payload(struct oxp_view text, struct oxp_checkpoint **checkpoint_out,
                                    struct oxp_error *error) {
    struct oxp_json *payload = NULL;
    enum oxp_status status = oxp_json_read(text, &payload, NULL);
    if (status != OXP_OK) {
        return status == OXP_ERR_NOMEM ? status : corrupt(error, "the payload is not JSON");
    }
    struct oxp_view *finished = NULL;
    struct oxp_checkpoint read = {0};
    if (oxp_json_kind_of(payload) != OXP_JSON_OBJECT || !read_scalars(payload, &read)) {
        status = OXP_ERR_CORRUPT;
    } else {
        status = read_finished(payload, &finished, &read.finished_count);
    }
    if (status == OXP_OK) {
        read.finished = finished;
        read.context = oxp_scan_member(text, OXP_VIEW("context"));
        read.results = oxp_scan_member(text, OXP_VIEW("results"));
        *checkpoint_out = oxp_checkpoint_copy(&read);
        status = *checkpoint_out == NULL ? OXP_ERR_NOMEM : OXP_OK;
    }
    free(finished);
    oxp_json_free(payload);
    return status == OXP_ERR_CORRUPT ? corrupt(error, "the payload has a wrong member") : status;
}

enum oxp_status oxp_checkpoint_decode(struct oxp_view text, struct oxp_checkpoint **checkpoint_out,
                                      struct oxp_error *error) {
    struct oxp_view payload = {NULL, 0};
    enum oxp_status status = open_envelope(text, &payload, error);
    if (status == OXP_OK) {
        status = read_payload(payload, checkpoint_out, error);
    }
    return status == OXP_ERR_NOMEM ? oxp_error_set(error, status, 0, 0, "out of memory") : status;
}
