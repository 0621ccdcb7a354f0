/* Expansion of request bodies: one or more gzip members (RFC 1952 section 2.2), nothing behind the last. */
#include "lib/gzip/gzip.h"

#include "lib/base/buf.h"
#include <isa-l/igzip_lib.h>
#include <stdlib.h>

enum { STEP_BYTES = 32 * 1024 };

static void begin_member(struct inflate_state *state) {
    isal_inflate_reset(state);
    state->crc_flag = ISAL_GZIP;
}

/* Expands what it can into the buffer's room, or into one spare byte once `max` is reached, to learn whether there is
 * more. OXP_OK to go on, OXP_END when a member has ended. */
static enum oxp_status expand_step(struct inflate_state *state, struct oxp_buf *buf, size_t max) {
    uint8_t spare;
    size_t room = max - buf->len < STEP_BYTES ? max - buf->len : STEP_BYTES;
    char *to = room == 0 ? (char *)&spare : oxp_buf_reserve(buf, room);
    if (to == NULL) {
        return OXP_ERR_NOMEM;
    }
    uint32_t in_before = state->avail_in;
    uint32_t offered = room == 0 ? 1 : (uint32_t)room;
    state->next_out = (uint8_t *)to;
    state->avail_out = offered;
    if (isal_inflate(state) != ISAL_DECOMP_OK) {
        return OXP_ERR_CORRUPT;
    }
    uint32_t made = offered - state->avail_out;
    if (room == 0 && made > 0) {
        return OXP_ERR_LIMIT;
    }
    oxp_buf_commit(buf, made);
    if (state->block_state == ISAL_BLOCK_FINISH) {
        return OXP_END;
    }
    /* no progress: the body ends before its member does */
    return made == 0 && state->avail_in == in_before ? OXP_ERR_CORRUPT : OXP_OK;
}

static enum oxp_status expand(struct inflate_state *state, struct oxp_view body, struct oxp_buf *buf, size_t max) {
    isal_inflate_init(state);
    begin_member(state);
    if (body.len == 0 || body.len > UINT32_MAX) {
        return body.len == 0 ? OXP_ERR_CORRUPT : OXP_ERR_LIMIT;
    }
    state->next_in = (uint8_t *)(uintptr_t)body.ptr;
    state->avail_in = (uint32_t)body.len;
    for (;;) {
        enum oxp_status status = expand_step(state, buf, max);
        if (status < 0) {
            return status;
        }
        if (status == OXP_END && state->avail_in == 0) {
            return OXP_OK;
        }
        if (status == OXP_END) {
            begin_member(state);
        }
    }
}

enum oxp_status oxp_gzip_expand(struct oxp_view body, size_t max, char **out, size_t *len_out) {
    *out = NULL;
    *len_out = 0;
    struct oxp_buf buf;
    oxp_buf_init(&buf, 0);
    struct inflate_state *state = malloc(sizeof *state);
    if (state == NULL) {
        return OXP_ERR_NOMEM;
    }
    enum oxp_status status = expand(state, body, &buf, max);
    if (status == OXP_OK) {
        *out = oxp_buf_take(&buf, len_out);
        status = *out == NULL ? OXP_ERR_NOMEM : OXP_OK;
    }
    oxp_buf_fini(&buf);
    free(state);
    return status;
}
