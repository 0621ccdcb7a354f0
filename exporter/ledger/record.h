/* The ledger's records in the journal.
 *
 * A record is: version (1 byte, now 1), kind (1 byte), then fields of tag (1), length (2, little-endian) and bytes.
 * Numbers are 8 bytes, little-endian: doubles by their bits, whole numbers as they are. An upper-case kind says what
 * something is now, its lower-case twin (and kind 'x' for all) that it left. Records of newer versions, unknown kinds
 * and unknown tags are skipped, so that an older sidecar can start from a newer one's file.
 *
 * Every record that is appended also carries the time of the newest event. An orderly end appends each writer with his
 * last seq and then a mark, kind 'E'; whatever follows the mark, a start among it, makes those numbers unknown again.
 *
 * Order matters: a lost owner is one record, and replaying it sweeps what he owned, as it was swept then. Replaying
 * moves gauges and never a counter. */
#ifndef OXP_LEDGER_RECORD_H
#define OXP_LEDGER_RECORD_H

#include <stddef.h>

enum { OXP_RECORD_VERSION = 1, OXP_RECORD_FIELD_HEADER = 3 };

enum oxp_record_shape {
    OXP_SHAPE_TEXT,
    OXP_SHAPE_PAIR,
    OXP_SHAPE_DOUBLE,
    OXP_SHAPE_WHOLE1,
    OXP_SHAPE_WHOLE4,
    OXP_SHAPE_WHOLE8,
};

/* Where a tag of a kind stands in its struct. */
struct oxp_record_field {
    unsigned char tag;
    unsigned char shape;
    unsigned short size;       /* OXP_SHAPE_TEXT: bytes of the array */
    size_t offset, len_offset; /* OXP_SHAPE_PAIR: len_offset is where its length (size_t) stands */
};

/* Tags are for ever: a new field takes a new one. Tags of every kind: */
enum {
    OXP_TAG_OWNER = 1,
    OXP_TAG_HOW = 2,
    OXP_TAG_KIND = 3,
    OXP_TAG_KEY = 4,
    OXP_TAG_SEED = 5,
    OXP_TAG_HASHES = 6,
    OXP_TAG_LAST_EVENT = 7
};

/* The fields of each kind, each table ended by tag 0. */
extern const struct oxp_record_field oxp_record_identity[];
extern const struct oxp_record_field oxp_record_session[];
extern const struct oxp_record_field oxp_record_pending[];
extern const struct oxp_record_field oxp_record_task[];
extern const struct oxp_record_field oxp_record_run[];
extern const struct oxp_record_field oxp_record_breaker[];
extern const struct oxp_record_field oxp_record_queue[];
extern const struct oxp_record_field oxp_record_loose[];
extern const struct oxp_record_field oxp_record_incident[];
extern const struct oxp_record_field oxp_record_degraded[];

#endif
