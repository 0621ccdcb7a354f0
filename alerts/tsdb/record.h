/* One series as bytes, for the file that saved.h describes: labels, then its samples in two columns. Pure.
 *
 * Numbers are varints (seven bits a byte, the lowest first, the high bit on all but the last), signed ones zigzagged.
 *
 *     labels   count, then of each: name and value, each its length and its bytes
 *     samples  count, at least 1
 *     times    the first in unix ms; then pairs: a change of the step and how many samples in a row have it
 *     values   a token k for one or more values, after "the last value" (0.0 before the first):
 *                k = 2n      the last value again, n + 1 times
 *                k = 4z + 1  whole numbers: the last value and z (zigzagged) more
 *                k = 4b + 3  the last value's bits but for 1 + b / 8 bytes, which follow (XOR, the lowest first), from
 *                            byte b % 8 on */
#ifndef OXP_TSDB_RECORD_H
#define OXP_TSDB_RECORD_H

#include "alerts/tsdb/tsdb.h"

#define OXP_RECORD_SAMPLES_MAX (1u << 20) /* of one record; a longer series takes several */

/* Appends the samples from `from` on, `count` of them, at least 1. */
void oxp_record_write(struct oxp_buf *out, const struct oxp_labels *labels, const struct oxp_points *points,
                      size_t from, size_t count);
/* Reads a whole record; replaces what `points` holds. OXP_ERR_CORRUPT for anything that the writer would not write: bad
 * or unsorted labels, times that do not go forward, bytes too few or left over. OXP_ERR_NOMEM. */
enum oxp_status oxp_record_read(struct oxp_view bytes, struct oxp_arena *arena, const struct oxp_labels **labels_out,
                                struct oxp_points *points);

#endif
