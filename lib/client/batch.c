#include "lib/client/batch.h"

#include <stdlib.h>

#define OUT_BYTES (2 * OXP_BATCH_BYTES)
#define ONE_MORE ((size_t)OXP_CLIENT_LINE_MAX + 1)

static enum oxp_status reserve_all(struct oxp_buf *buf, size_t bytes) {
    oxp_buf_init(buf, bytes);
    oxp_buf_reserve(buf, bytes);
    return oxp_buf_status(buf);
}

enum oxp_status oxp_batch_init(struct oxp_batch *batch) {
    *batch = (struct oxp_batch){.count = 0};
    enum oxp_status status = reserve_all(&batch->records, OXP_BATCH_BYTES + 2 * ONE_MORE);
    if (status == OXP_OK) {
        status = reserve_all(&batch->out, OUT_BYTES);
    }
    return status;
}

void oxp_batch_fini(struct oxp_batch *batch) {
    oxp_buf_fini(&batch->records);
    oxp_buf_fini(&batch->out);
}

void oxp_batch_reset(struct oxp_batch *batch) {
    oxp_buf_clear(&batch->records);
    oxp_buf_clear(&batch->out);
    batch->count = batch->next = batch->rendered = batch->sent = batch->item_count = batch->item_next = 0;
    batch->made = batch->written = (struct oxp_numbering){0, 0};
}

static struct oxp_record *record_at(const struct oxp_batch *batch, size_t index) {
    return (struct oxp_record *)(void *)(batch->records.data + batch->offsets[index]);
}

/* ---- Records ---- */

void oxp_batch_take(struct oxp_batch *batch, const struct oxp_ring *ordinary, const struct oxp_ring *state,
                    uint64_t *ordinary_tail_out, uint64_t *state_tail_out) {
    uint64_t a = ordinary->tail, b = state->tail;
    oxp_buf_clear(&batch->records);
    batch->count = batch->next = batch->rendered = 0;
    while (batch->count < OXP_BATCH_ITEMS && batch->records.len < OXP_BATCH_BYTES) {
        const struct oxp_record *first = oxp_ring_at(ordinary, &a, ordinary->head);
        const struct oxp_record *second = oxp_ring_at(state, &b, state->head);
        if (first == NULL && second == NULL) {
            break;
        }
        bool is_first = second == NULL || (first != NULL && first->ticket < second->ticket);
        const struct oxp_record *record = is_first ? first : second;
        batch->offsets[batch->count++] = batch->records.len;
        oxp_buf_append(&batch->records, record, record->size);
        *(is_first ? &a : &b) += record->size;
    }
    *ordinary_tail_out = a;
    *state_tail_out = b;
}

uint64_t oxp_batch_first_ticket(const struct oxp_batch *batch) {
    return record_at(batch, batch->next)->ticket;
}

/* ---- Lines ---- */

bool oxp_batch_begin(struct oxp_batch *batch, uint64_t dropped) {
    if (!oxp_batch_has_out(batch)) {
        oxp_buf_clear(&batch->out);
        batch->sent = batch->item_count = batch->item_next = 0;
    }
    if (batch->item_count == OXP_BATCH_ITEMS || OUT_BYTES - batch->out.len < ONE_MORE) {
        return false;
    }
    batch->made.seq += 1 + dropped - batch->made.dropped;
    batch->made.dropped = dropped;
    oxp_buf_append(&batch->out, "{\"seq\":", 7);
    oxp_buf_append_u64(&batch->out, batch->made.seq);
    oxp_buf_append_char(&batch->out, ',');
    return true;
}

void oxp_batch_end(struct oxp_batch *batch, enum oxp_item_kind kind) {
    oxp_buf_append_char(&batch->out, '\n');
    batch->items[batch->item_count++] = (struct oxp_item){batch->out.len, batch->made, kind};
}

void oxp_batch_render(struct oxp_batch *batch, uint64_t dropped) {
    for (; batch->rendered < batch->count && oxp_batch_begin(batch, dropped); batch->rendered++) {
        const struct oxp_record *record = record_at(batch, batch->rendered);
        oxp_open_append_time(&batch->out, "\"ts\":", record->ts_us);
        oxp_buf_append_char(&batch->out, ',');
        oxp_buf_append_view(&batch->out, oxp_record_body(record));
        oxp_buf_append_char(&batch->out, '}');
        oxp_batch_end(batch, OXP_ITEM_RECORD);
    }
}

/* ---- Progress ---- */

static void apply_written(struct oxp_batch *batch, struct oxp_open *open) {
    struct oxp_record *record = record_at(batch, batch->next);
    if (record->verb != OXP_WATCH_NOTHING && (record->flags & OXP_RECORD_APPLIED) == 0) {
        oxp_open_apply(open, record, OXP_WRITTEN);
    }
}

size_t oxp_batch_advance(struct oxp_batch *batch, size_t bytes, struct oxp_open *open) {
    size_t before = batch->item_next;
    batch->sent += bytes;
    while (batch->item_next < batch->item_count && batch->items[batch->item_next].end <= batch->sent) {
        const struct oxp_item *item = &batch->items[batch->item_next++];
        batch->written = item->number;
        if (item->kind == OXP_ITEM_RECORD) {
            apply_written(batch, open);
            batch->next++;
        } else if (item->kind == OXP_ITEM_END) {
            oxp_open_paid(open);
        }
    }
    return batch->item_next - before;
}

void oxp_batch_rewind(struct oxp_batch *batch, struct oxp_open *open) {
    oxp_buf_clear(&batch->out);
    batch->sent = batch->item_count = batch->item_next = 0;
    batch->rendered = batch->next;
    batch->made = batch->written;
    oxp_open_rewind(open, 0);
}

/* Takes back the lines behind the one that is partly out; true when there is such a one. */
static bool withdraw(struct oxp_batch *batch, struct oxp_open *open) {
    size_t start = batch->item_next == 0 ? 0 : batch->items[batch->item_next - 1].end;
    if (batch->sent == start) {
        oxp_batch_rewind(batch, open);
        return false;
    }
    const struct oxp_item *partly = &batch->items[batch->item_next];
    batch->item_count = batch->item_next + 1;
    batch->out.len = partly->end;
    batch->made = partly->number;
    batch->rendered = batch->next + (partly->kind == OXP_ITEM_RECORD);
    oxp_open_rewind(open, partly->kind == OXP_ITEM_END);
    return true;
}

uint64_t oxp_batch_fold(struct oxp_batch *batch, struct oxp_open *open) {
    bool partly = withdraw(batch, open);
    oxp_open_owe_all(open); /* some of the lines taken back may have been about these */
    if (partly && batch->rendered > batch->next) {
        struct oxp_record *record = record_at(batch, batch->next);
        apply_written(batch, open); /* if its line should be cut it is said again, which does no harm */
        record->flags |= OXP_RECORD_APPLIED;
    }
    uint64_t lost = 0;
    size_t kept = batch->rendered;
    for (size_t i = batch->rendered; i < batch->count; i++) {
        const struct oxp_record *record = record_at(batch, i);
        if (record->verb == OXP_WATCH_NOTHING) {
            batch->offsets[kept++] = batch->offsets[i];
        } else if ((record->flags & OXP_RECORD_APPLIED) == 0) {
            lost += oxp_open_apply(open, record, OXP_FOLDED);
        }
    }
    batch->count = kept;
    return lost;
}
