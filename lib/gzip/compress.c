/* Compression. ISA-L's stream state (82 KiB, most of it the window), its level buffer (276 KiB) and our input (64 KiB)
 * are one allocation: about 0.42 MiB for each scrape in flight. */
#include "lib/gzip/gzip.h"

#include <isa-l.h>
#include <stdlib.h>

enum { INPUT_BYTES = 64 * 1024 };

struct oxp_gzip {
    struct isal_zstream stream;
    unsigned char level[ISAL_DEF_LVL1_DEFAULT];
    char input[INPUT_BYTES];
};

enum oxp_status oxp_gzip_new(struct oxp_gzip **gzip_out) {
    *gzip_out = NULL;
    struct oxp_gzip *gzip = malloc(sizeof *gzip);
    if (gzip == NULL) {
        return OXP_ERR_NOMEM;
    }
    isal_deflate_init(&gzip->stream); /* leaves the input alone */
    gzip->stream.next_in = NULL;
    gzip->stream.avail_in = 0;
    gzip->stream.gzip_flag = IGZIP_GZIP;
    gzip->stream.level = 1;
    gzip->stream.level_buf = gzip->level;
    gzip->stream.level_buf_size = sizeof gzip->level;
    gzip->stream.flush = NO_FLUSH;
    *gzip_out = gzip;
    return OXP_OK;
}

void oxp_gzip_free(struct oxp_gzip *gzip) {
    free(gzip);
}

size_t oxp_gzip_read(struct oxp_gzip *gzip, oxp_gzip_source_fn *source, void *ctx, char *out, size_t size) {
    struct isal_zstream *stream = &gzip->stream;
    uint32_t room = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
    stream->next_out = (uint8_t *)out;
    stream->avail_out = room;
    while (stream->avail_out > 0 && stream->internal_state.state != ZSTATE_END) {
        if (stream->avail_in == 0 && stream->end_of_stream == 0) {
            size_t got = source(ctx, gzip->input, sizeof gzip->input);
            stream->next_in = (uint8_t *)gzip->input;
            stream->avail_in = (uint32_t)got;
            stream->end_of_stream = got == 0;
        }
        /* It fails only for wrong settings, which are the constants above. */
        if (isal_deflate(stream) != COMP_OK) {
            break;
        }
    }
    return room - stream->avail_out;
}

#define TEXT_OF(number) #number
#define VERSION_OF(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *oxp_gzip_library(void) {
    return VERSION_OF(ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION, ISAL_PATCH_VERSION);
}
