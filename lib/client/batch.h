/* What is on its way into the socket: records taken out of the queues, and the lines made of them.
 *
 * Every line carries `seq`, given when the line is made: the one before, and one more, and as many more as were dropped
 * meanwhile. Lines that a closing connection did not take whole are made again behind the next one's first lines, with
 * new numbers: the sidecar forgets a line without its newline, so no number is used twice. Pure; under the client's
 * work lock. */
#ifndef OXP_CLIENT_BATCH_H
#define OXP_CLIENT_BATCH_H

#include "lib/client/encode.h"
#include "lib/client/open.h"

#define OXP_BATCH_BYTES ((size_t)64 * 1024) /* of records, about; and of lines that are no records */
#define OXP_BATCH_ITEMS 512

/* Where the numbering stands: the number of a line, and how many drops it accounts for. */
struct oxp_numbering {
    uint64_t seq, dropped;
};

enum oxp_item_kind { OXP_ITEM_RECORD, OXP_ITEM_END, OXP_ITEM_OTHER };

struct oxp_item {
    size_t end; /* of its line, in `out` */
    struct oxp_numbering number;
    enum oxp_item_kind kind;
};

struct oxp_batch {
    struct oxp_buf records; /* taken out of the queues */
    size_t offsets[OXP_BATCH_ITEMS];
    size_t count, next; /* of records; those before `next` are written */
    size_t rendered;    /* records that have a line in `out` */
    struct oxp_buf out;
    size_t sent; /* bytes */
    struct oxp_item items[OXP_BATCH_ITEMS];
    size_t item_count, item_next;
    struct oxp_numbering made, written;
};

/* Allocates all that it will need. OXP_ERR_NOMEM. */
enum oxp_status oxp_batch_init(struct oxp_batch *batch);
void oxp_batch_fini(struct oxp_batch *batch);
/* As if just made; keeps the memory. */
void oxp_batch_reset(struct oxp_batch *batch);

static inline bool oxp_batch_has_out(const struct oxp_batch *batch) {
    return batch->sent < batch->out.len;
}
static inline bool oxp_batch_has_records(const struct oxp_batch *batch) {
    return batch->next < batch->count;
}

/* Takes records out of both rings, in the order of their tickets, until it is full; the rings are pinned up to the
 * heads given, and the new tails are handed out. Only when it has no records. */
void oxp_batch_take(struct oxp_batch *batch, const struct oxp_ring *ordinary, const struct oxp_ring *state,
                    uint64_t *ordinary_tail_out, uint64_t *state_tail_out);

/* The ticket of the first record that is not written; it must have one. */
uint64_t oxp_batch_first_ticket(const struct oxp_batch *batch);

/* Begins a line: appends `{"seq":N,`. False when there is no room for another line. */
bool oxp_batch_begin(struct oxp_batch *batch, uint64_t dropped);
/* Ends it: appends the newline. */
void oxp_batch_end(struct oxp_batch *batch, enum oxp_item_kind kind);
/* Makes lines of its records, as far as there is room. */
void oxp_batch_render(struct oxp_batch *batch, uint64_t dropped);

/* `bytes` more were written: gives the number of lines that are whole by that, and applies their events to `open`. */
size_t oxp_batch_advance(struct oxp_batch *batch, size_t bytes, struct oxp_open *open);
/* The connection ended: what is not written whole has no line any more. */
void oxp_batch_rewind(struct oxp_batch *batch, struct oxp_open *open);
/* Folds the records about what is open, but for one whose line is partly out; gives the number of events lost. */
uint64_t oxp_batch_fold(struct oxp_batch *batch, struct oxp_open *open);

#endif
