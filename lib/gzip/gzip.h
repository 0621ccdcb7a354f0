/* gzip (RFC 1952), streamed, level 1: the one place for ISA-L.
 *
 * Push bytes in, pull compressed bytes out; memory is constant. Owned by one thread at a time. */
#ifndef OXP_GZIP_GZIP_H
#define OXP_GZIP_GZIP_H

#include <oxpecker/status.h>
#include <oxpecker/view.h>

struct oxp_gzip;
enum oxp_status oxp_gzip_new(struct oxp_gzip **gzip_out);
void oxp_gzip_free(struct oxp_gzip *gzip);

/* Where plain bytes come from: fills `out` with at most `size` and returns how many, 0 = the end. */
typedef size_t oxp_gzip_source_fn(void *ctx, char *out, size_t size);
/* Fills `out` with the next compressed bytes of the source, at most `size`; 0 = the end. Once the source has ended it
 * is not asked again. */
size_t oxp_gzip_read(struct oxp_gzip *gzip, oxp_gzip_source_fn *source, void *ctx, char *out, size_t size);
/* One whole gzip body taken apart (request bodies): at most `max` bytes out, else OXP_ERR_LIMIT; OXP_ERR_CORRUPT. The
 * result is the caller's (free). */
enum oxp_status oxp_gzip_expand(struct oxp_view body, size_t max, char **out, size_t *len_out);

/* The version of the library behind this (ISA-L), static text. */
const char *oxp_gzip_library(void);

#endif
