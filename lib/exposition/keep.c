#include "lib/exposition/keep.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 16 * 1024, ALIGNMENT = 16 };

struct oxp_keep_chunk {
    struct oxp_keep_chunk *next;
    size_t used, size;
    alignas(ALIGNMENT) char bytes[];
};

void *oxp_keep_alloc(struct oxp_keep *keep, size_t size) {
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct oxp_keep_chunk *chunk = keep->chunks;
    if (chunk == NULL || chunk->size - chunk->used < size) {
        size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
        chunk = malloc(sizeof *chunk + room);
        if (chunk == NULL) {
            return NULL;
        }
        chunk->next = keep->chunks;
        chunk->used = 0;
        chunk->size = room;
        keep->chunks = chunk;
    }
    char *piece = chunk->bytes + chunk->used;
    chunk->used += size;
    return memset(piece, 0, size);
}

void oxp_keep_reset(struct oxp_keep *keep) {
    while (keep->chunks != NULL && keep->chunks->next != NULL) {
        struct oxp_keep_chunk *next = keep->chunks->next;
        free(keep->chunks);
        keep->chunks = next;
    }
    if (keep->chunks != NULL) {
        keep->chunks->used = 0;
    }
}

void oxp_keep_fini(struct oxp_keep *keep) {
    oxp_keep_reset(keep);
    free(keep->chunks);
    keep->chunks = NULL;
}
