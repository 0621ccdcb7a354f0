#include <stdint.h>
#include <stdlib.h>

#include "lib/checkpoint/format.h"

#define TEXTS 7

static struct oxp_view *text_of(struct oxp_checkpoint *checkpoint, size_t i) {
    struct oxp_view *const texts[TEXTS] = {
        &checkpoint->task,  &checkpoint->workflow, &checkpoint->run,     &checkpoint->session,
        &checkpoint->state, &checkpoint->context,  &checkpoint->results,
    };
    return texts[i];
}

/* Adds without overflow: views are of real memory, so a sum that overflows is a mistake of the caller's and is refused
 * as too large wherever it is compared. */
static size_t plus(size_t a, size_t b) {
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

size_t oxp_checkpoint_size(const struct oxp_checkpoint *checkpoint) {
    struct oxp_checkpoint shallow = *checkpoint;
    size_t size = 0;
    for (size_t i = 0; i < TEXTS; i++) {
        size = plus(size, text_of(&shallow, i)->len);
    }
    for (size_t i = 0; i < checkpoint->finished_count; i++) {
        size = plus(size, checkpoint->finished[i].len);
    }
    return size;
}

static struct oxp_view take_text(char **at, struct oxp_view text) {
    struct oxp_view copy = {*at, text.len};
    if (text.len > 0) {
        memcpy(*at, text.ptr, text.len);
    }
    *at += text.len;
    return copy;
}

struct oxp_checkpoint *oxp_checkpoint_copy(const struct oxp_checkpoint *checkpoint) {
    size_t ids = checkpoint->finished_count * sizeof *checkpoint->finished;
    size_t texts = oxp_checkpoint_size(checkpoint);
    if (checkpoint->finished_count > OXP_CHECKPOINT_FINISHED_MAX || texts > SIZE_MAX / 2) {
        return NULL;
    }
    struct oxp_checkpoint *copy = malloc(sizeof *copy + ids + texts + 1);
    if (copy == NULL) {
        return NULL;
    }
    *copy = *checkpoint;
    struct oxp_view *finished = (struct oxp_view *)(copy + 1);
    char *at = (char *)(finished + checkpoint->finished_count);
    for (size_t i = 0; i < checkpoint->finished_count; i++) {
        finished[i] = take_text(&at, checkpoint->finished[i]);
    }
    copy->finished = finished;
    for (size_t i = 0; i < TEXTS; i++) {
        *text_of(copy, i) = take_text(&at, *text_of(copy, i));
    }
    *at = '\0';
    return copy;
}

void oxp_checkpoint_free(struct oxp_checkpoint *checkpoint) {
    free(checkpoint);
}
