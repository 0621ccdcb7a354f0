/* Checkpoints from any bytes. The first byte says what the rest is:
 *   'f' a file
 *   'p' a payload, put into an envelope that fits: behind the checksum
 *   'c' the host's JSON, to be encoded: what encode takes, decode gives back
 *   'k' a key of the store, and an id
 *   'u' a URL of Redis */
#include <oxpecker/checkpoint.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/crc32.h"
#include "lib/base/scrub.h"
#include "lib/checkpoint/key.h"
#include "lib/checkpoint/redis_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool right) {
    if (!right) {
        abort();
    }
}

/* What was read can be written, and is then the same, but for what looks like a secret. */
static void try_file(struct oxp_view file) {
    struct oxp_checkpoint *first = NULL, *second = NULL;
    struct oxp_error error = {0};
    char *text = NULL;
    size_t len = 0;
    if (oxp_checkpoint_decode(file, &first, &error) != OXP_OK) {
        check(error.text[0] != '\0');
        return;
    }
    if (oxp_checkpoint_encode(first, NULL, &text, &len, NULL) == OXP_OK) {
        check(oxp_checkpoint_decode(oxp_view_of(text, len), &second, NULL) == OXP_OK);
        check(oxp_view_equal(first->task, second->task) && first->seq == second->seq);
        check(first->finished_count == second->finished_count && first->created_s == second->created_s);
        check(oxp_scrub_suspects(first->state) || oxp_view_equal(first->state, second->state));
    }
    oxp_checkpoint_free(first);
    oxp_checkpoint_free(second);
    free(text);
}

static void try_payload(struct oxp_view payload) {
    struct oxp_buf out;
    oxp_buf_init(&out, 0);
    uint32_t crc = oxp_crc32c(oxp_crc32c(0, "1", 1), payload.ptr, payload.len);
    oxp_buf_append_format(&out, "{\n  \"oxpecker_checkpoint\": 1,\n  \"crc32c\": \"%08x\",\n  \"bytes\": %zu,\n", crc,
                          payload.len);
    oxp_buf_append_text(&out, "  \"payload\": ");
    oxp_buf_append_view(&out, payload);
    oxp_buf_append_text(&out, "\n}\n");
    try_file(oxp_buf_view(&out));
    oxp_buf_fini(&out);
}

static void try_context(struct oxp_view json) {
    static const char *const plain[] = {"nextPageToken", NULL};
    struct oxp_checkpoint in = {.task = OXP_VIEW("t"), .state = json, .context = json, .results = json};
    struct oxp_checkpoint *out = NULL;
    char *text = NULL;
    size_t len = 0;
    if (oxp_checkpoint_encode(&in, plain, &text, &len, NULL) != OXP_OK) {
        return;
    }
    check(oxp_checkpoint_decode(oxp_view_of(text, len), &out, NULL) == OXP_OK);
    check(oxp_view_equal(out->context, out->results));
    oxp_checkpoint_free(out);
    free(text);
}

static void try_key(struct oxp_view bytes) {
    char text[OXP_KEY_SIZE], part[OXP_PART_MAX + 1], task[OXP_PART_MAX];
    struct oxp_key key;
    size_t len = bytes.len < sizeof text - 1 ? bytes.len : sizeof text - 1;
    memcpy(text, bytes.ptr, len);
    text[len] = '\0';
    if (oxp_key_read(text, &key)) {
        char again[OXP_KEY_SIZE];
        struct oxp_key same;
        oxp_key_write(again, key.part, key.seq, key.corrupt);
        check(oxp_key_read(again, &same) && same.seq == key.seq && same.corrupt == key.corrupt);
        check(oxp_view_equal(same.part, key.part));
    }
    if (oxp_task_is_valid(bytes)) {
        oxp_part_of_task(bytes, part);
        oxp_key_write(text, oxp_view_from(part), UINT64_MAX, true);
        check(oxp_store_key_is_valid(text) && oxp_key_read(text, &key) && oxp_view_is(key.part, part));
        size_t back = oxp_task_of_part(oxp_view_from(part), task, sizeof task);
        check(strlen(part) > 120 || oxp_view_equal(oxp_view_of(task, back), bytes));
    }
}

static void try_url(struct oxp_view url) {
    struct oxp_redis_url read;
    struct oxp_error error = {0};
    if (oxp_redis_url_read(url, &read, &error) == OXP_OK) {
        check(read.host[0] != '\0' && read.port >= 0 && read.port <= 65535);
    } else {
        check(error.text[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct {
        char kind;
        void (*run)(struct oxp_view bytes);
    } kinds[] = {{'f', try_file}, {'p', try_payload}, {'c', try_context}, {'k', try_key}, {'u', try_url}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && size > 0; i++) {
        if (data[0] == (uint8_t)kinds[i].kind) {
            kinds[i].run(oxp_view_of((const char *)data + 1, size - 1));
        }
    }
    return 0;
}
