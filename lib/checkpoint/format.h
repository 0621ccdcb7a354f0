/* What encode.c, decode.c and the manager share of a checkpoint's file and of its copy in memory. Pure. */
#ifndef OXP_CHECKPOINT_FORMAT_H
#define OXP_CHECKPOINT_FORMAT_H

#include <oxpecker/checkpoint.h>

/* The envelope, to the byte:
 *
 *     {
 *       "oxpecker_checkpoint": 1,
 *       "crc32c": "0a1b2c3d",
 *       "bytes": 123,
 *       "payload": {…}
 *     }
 *
 * and a newline. `bytes` is the length of the payload's text; the checksum is of the format's digits and then of that
 * text. The envelope is for ever, so that a reader can tell a file of a later format from a damaged one. */
#define OXP_ENVELOPE_FORMAT "{\n  \"oxpecker_checkpoint\": "
#define OXP_ENVELOPE_CRC ",\n  \"crc32c\": \""
#define OXP_ENVELOPE_BYTES "\",\n  \"bytes\": "
#define OXP_ENVELOPE_PAYLOAD ",\n  \"payload\": "
#define OXP_ENVELOPE_END "\n}\n"

uint32_t oxp_envelope_checksum(struct oxp_view format, struct oxp_view payload);

/* A copy in one allocation, for oxp_checkpoint_free; NULL when there is no memory. */
struct oxp_checkpoint *oxp_checkpoint_copy(const struct oxp_checkpoint *checkpoint);
/* The bytes of all its texts together. */
size_t oxp_checkpoint_size(const struct oxp_checkpoint *checkpoint);

#endif
