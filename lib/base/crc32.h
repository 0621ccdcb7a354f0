/* CRC-32C (Castagnoli; RFC 3720 appendix B.4) for records on disk. Pure. */
#ifndef OXP_BASE_CRC32_H
#define OXP_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of `len` bytes, continuing from `crc` (0 to begin). */
uint32_t oxp_crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
