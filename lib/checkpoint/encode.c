#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/crc32.h"
#include "lib/base/utf8.h"
#include "lib/checkpoint/format.h"
#include "lib/checkpoint/key.h"
#include "lib/checkpoint/redact.h"

#define MEMBER "\n    "

uint32_t oxp_envelope_checksum(struct oxp_view format, struct oxp_view payload) {
    return oxp_crc32c(oxp_crc32c(0, format.ptr, format.len), payload.ptr, payload.len);
}

static enum oxp_status check(const struct oxp_checkpoint *checkpoint, struct oxp_error *error) {
    if (!oxp_task_is_valid(checkpoint->task)) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0,
                             "the task id is empty, longer than %d bytes, not plain UTF-8, or looks like a secret",
                             OXP_CHECKPOINT_TASK_MAX);
    }
    if (!(checkpoint->progress_pct >= 0 && checkpoint->progress_pct <= 100)) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "progress is not between 0 and 100");
    }
    if (!(fabs(checkpoint->created_s) <= 1e12)) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "the time is out of range");
    }
    if (checkpoint->finished_count > OXP_CHECKPOINT_FINISHED_MAX) {
        return oxp_error_set(error, OXP_ERR_LIMIT, 0, 0, "more than %d finished dependencies",
                             OXP_CHECKPOINT_FINISHED_MAX);
    }
    return OXP_OK;
}

/* lib/json reads no text with a NUL. */
static bool is_plain_text(struct oxp_view text) {
    return oxp_utf8_is_valid(text) && (text.len == 0 || memchr(text.ptr, '\0', text.len) == NULL);
}

static enum oxp_status put_text(struct oxp_buf *out, const char *name, struct oxp_view text, struct oxp_error *error) {
    if (text.len == 0) {
        return OXP_OK;
    }
    if (!is_plain_text(text)) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "%s is not UTF-8, or has a NUL", name);
    }
    oxp_buf_append_format(out, "," MEMBER "\"%s\": ", name);
    oxp_redact_text(out, text);
    return OXP_OK;
}

static enum oxp_status put_json(struct oxp_buf *out, const char *name, struct oxp_view json, const char *const *plain,
                                struct oxp_error *error) {
    if (json.len == 0) {
        return OXP_OK;
    }
    oxp_buf_append_format(out, "," MEMBER "\"%s\": ", name);
    struct oxp_error reason = {0};
    enum oxp_status status = oxp_redact_json(out, json, plain, &reason);
    if (status == OXP_OK) {
        return OXP_OK;
    }
    char *quote = strstr(reason.text, " near "); /* what stands there may be a secret */
    if (quote != NULL) {
        *quote = '\0';
    }
    return oxp_error_set(error, status, reason.line, reason.column, "%s is not JSON that can be kept: %.200s", name,
                         status == OXP_ERR_SYNTAX ? reason.text : oxp_status_text(status));
}

static enum oxp_status put_texts(struct oxp_buf *out, const struct oxp_checkpoint *checkpoint,
                                 struct oxp_error *error) {
    const struct {
        const char *name;
        struct oxp_view text;
    } texts[] = {
        {"task", checkpoint->task},       {"workflow", checkpoint->workflow}, {"run", checkpoint->run},
        {"session", checkpoint->session}, {"state", checkpoint->state},
    };
    enum oxp_status status = OXP_OK;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && status == OXP_OK; i++) {
        status = put_text(out, texts[i].name, texts[i].text, error);
    }
    return status;
}

static enum oxp_status put_finished(struct oxp_buf *out, const struct oxp_checkpoint *checkpoint,
                                    struct oxp_error *error) {
    if (checkpoint->finished_count == 0) {
        return OXP_OK;
    }
    oxp_buf_append_text(out, "," MEMBER "\"finished\": [");
    for (size_t i = 0; i < checkpoint->finished_count; i++) {
        if (!is_plain_text(checkpoint->finished[i])) {
            return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "finished[%zu] is not UTF-8, or has a NUL", i);
        }
        oxp_buf_append_text(out, i == 0 ? "" : ", ");
        oxp_redact_text(out, checkpoint->finished[i]);
    }
    oxp_buf_append_char(out, ']');
    return OXP_OK;
}

static void put_numbers(struct oxp_buf *out, const struct oxp_checkpoint *checkpoint) {
    char created[25];
    oxp_wall_format(oxp_wall_from_seconds(checkpoint->created_s), created);
    oxp_buf_append_format(out, "," MEMBER "\"created\": \"%s\"," MEMBER "\"created_s\": ", created);
    oxp_buf_append_json_double(out, checkpoint->created_s);
    oxp_buf_append_text(out, "," MEMBER "\"progress_pct\": ");
    oxp_buf_append_json_double(out, checkpoint->progress_pct);
    oxp_buf_append_text(out, "," MEMBER "\"attempt\": ");
    oxp_buf_append_u64(out, checkpoint->attempt);
    oxp_buf_append_format(out, "," MEMBER "\"complete\": %s", checkpoint->complete ? "true" : "false");
}

static enum oxp_status put_payload(struct oxp_buf *out, const struct oxp_checkpoint *checkpoint,
                                   const char *const *plain, struct oxp_error *error) {
    oxp_buf_append_text(out, "{" MEMBER "\"schema\": ");
    oxp_buf_append_u64(out, checkpoint->schema);
    oxp_buf_append_text(out, "," MEMBER "\"seq\": \""); /* a text: readers with doubles would round it */
    oxp_buf_append_u64(out, checkpoint->seq);
    oxp_buf_append_char(out, '"');
    enum oxp_status status = put_texts(out, checkpoint, error);
    if (status != OXP_OK) {
        return status;
    }
    put_numbers(out, checkpoint);
    status = put_finished(out, checkpoint, error);
    if (status == OXP_OK) {
        status = put_json(out, "context", checkpoint->context, plain, error);
    }
    if (status == OXP_OK) {
        status = put_json(out, "results", checkpoint->results, plain, error);
    }
    oxp_buf_append_text(out, "\n  }");
    return status;
}

static void put_envelope(struct oxp_buf *out, struct oxp_view payload) {
    char format[16];
    snprintf(format, sizeof format, "%d", OXP_CHECKPOINT_FORMAT);
    uint32_t checksum = oxp_envelope_checksum(oxp_view_from(format), payload);
    oxp_buf_append_format(out, OXP_ENVELOPE_FORMAT "%s" OXP_ENVELOPE_CRC "%08x" OXP_ENVELOPE_BYTES "%zu", format,
                          checksum, payload.len);
    oxp_buf_append_text(out, OXP_ENVELOPE_PAYLOAD);
    oxp_buf_append_view(out, payload);
    oxp_buf_append_text(out, OXP_ENVELOPE_END);
}

enum oxp_status oxp_checkpoint_encode(const struct oxp_checkpoint *checkpoint, const char *const *plain_names,
                                      char **text_out, size_t *len_out, struct oxp_error *error) {
    struct oxp_buf payload, out;
    oxp_buf_init(&payload, 0);
    oxp_buf_init(&out, 0);
    enum oxp_status status = check(checkpoint, error);
    if (status == OXP_OK) {
        status = put_payload(&payload, checkpoint, plain_names, error);
    }
    if (status == OXP_OK) {
        status = oxp_buf_status(&payload);
    }
    if (status == OXP_OK) {
        put_envelope(&out, oxp_buf_view(&payload));
        *text_out = oxp_buf_take(&out, len_out);
        status = *text_out == NULL ? OXP_ERR_NOMEM : OXP_OK;
    }
    oxp_buf_fini(&payload);
    oxp_buf_fini(&out);
    return status == OXP_ERR_NOMEM ? oxp_error_set(error, status, 0, 0, "out of memory") : status;
}
