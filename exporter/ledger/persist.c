/* What is appended to the journal and written in its rewrites; record.h has the form. Reading is in replay.c. */
#include "exporter/ledger/parts.h"
#include "exporter/ledger/record.h"

#include <math.h>
#include <stdlib.h>

#define CLOSED_BATCH 4096
#define RETRY_AFTER_S 5.0

static void put(struct oxp_buf *buf, unsigned tag, const void *bytes, size_t len) {
    unsigned char header[OXP_RECORD_FIELD_HEADER] = {(unsigned char)tag, (unsigned char)(len & 0xff),
                                                     (unsigned char)(len >> 8)};
    oxp_buf_append(buf, header, sizeof header);
    oxp_buf_append(buf, bytes, len);
}

static void put_u64(struct oxp_buf *buf, unsigned tag, uint64_t value) {
    unsigned char bytes[8];
    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(value >> (8 * i));
    }
    put(buf, tag, bytes, sizeof bytes);
}

static uint64_t whole_at(const char *at, enum oxp_record_shape shape) {
    if (shape == OXP_SHAPE_WHOLE1) {
        return (unsigned char)*at;
    }
    if (shape == OXP_SHAPE_WHOLE4) {
        uint32_t value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    uint64_t value; /* OXP_SHAPE_WHOLE8, and a OXP_SHAPE_DOUBLE's bits */
    memcpy(&value, at, sizeof value);
    return value;
}

static void put_fields(struct oxp_buf *buf, const struct oxp_record_field *fields, const void *object) {
    for (; fields->tag != 0; fields++) {
        const char *at = (const char *)object + fields->offset;
        if (fields->shape == OXP_SHAPE_TEXT) {
            if (*at != '\0') {
                put(buf, fields->tag, at, strlen(at));
            }
        } else if (fields->shape == OXP_SHAPE_PAIR) {
            size_t len;
            memcpy(&len, (const char *)object + fields->len_offset, sizeof len);
            put(buf, fields->tag, at, len);
        } else {
            put_u64(buf, fields->tag, whole_at(at, (enum oxp_record_shape)fields->shape));
        }
    }
}

static void begin(struct oxp_buf *buf, char kind) {
    oxp_buf_clear(buf);
    oxp_buf_append_char(buf, (char)OXP_RECORD_VERSION);
    oxp_buf_append_char(buf, kind);
}

static void put_owner(struct oxp_buf *buf, const struct oxp_identity *owner) {
    if (owner != NULL && owner->key_len != 0) {
        put(buf, OXP_TAG_OWNER, owner->key, owner->key_len);
    }
}

static void build(struct oxp_buf *buf, char kind, const struct oxp_record_field *fields, const void *object,
                  const struct oxp_identity *owner) {
    begin(buf, kind);
    put_owner(buf, owner);
    put_fields(buf, fields, object);
}

static bool is_on(const struct oxp_ledger *ledger) {
    return ledger->journal != NULL && ledger->journal_ok && !ledger->replaying;
}

/* Appends what was built. After a failure nothing is appended until a rewrite has succeeded: a file with a hole would
 * bring back what has ended. */
static void append(struct oxp_ledger *ledger) {
    double last_event_s = fmax(ledger->last_event_s, ledger->event_s);
    uint64_t bits;
    memcpy(&bits, &last_event_s, sizeof bits);
    put_u64(&ledger->record, OXP_TAG_LAST_EVENT, bits);
    enum oxp_status status = oxp_buf_status(&ledger->record);
    if (status == OXP_OK) {
        status = oxp_journal_append(ledger->journal, oxp_buf_view(&ledger->record));
    }
    if (status != OXP_OK) {
        ledger->journal_ok = false;
        ledger->rewrite_tried_at = ledger->patience_s;
        const char *pairs[] = {"error", oxp_status_text(status), NULL};
        oxp_note(ledger, OXP_NOTE_ERROR, "the ledger's journal cannot be written: state is in memory only", pairs);
    }
}

static void persist(struct oxp_ledger *ledger, char kind, const struct oxp_record_field *fields, const void *object,
                    const struct oxp_identity *owner) {
    if (is_on(ledger)) {
        build(&ledger->record, kind, fields, object, owner);
        append(ledger);
    }
}

void oxp_persist_identity(struct oxp_ledger *ledger, const struct oxp_identity *identity) {
    persist(ledger, 'I', oxp_record_identity, identity, NULL);
}

void oxp_persist_session(struct oxp_ledger *ledger, const struct oxp_session *session) {
    persist(ledger, 'S', oxp_record_session, session, session->owner);
}

void oxp_persist_pending(struct oxp_ledger *ledger, const struct oxp_pending *pending) {
    persist(ledger, 'P', oxp_record_pending, pending, pending->owner);
}

void oxp_persist_task(struct oxp_ledger *ledger, const struct oxp_task *task) {
    persist(ledger, 'T', oxp_record_task, task, task->owner);
}

void oxp_persist_run(struct oxp_ledger *ledger, const struct oxp_run *run) {
    persist(ledger, 'R', oxp_record_run, run, run->owner);
}

void oxp_persist_breaker(struct oxp_ledger *ledger, const struct oxp_breaker *breaker) {
    persist(ledger, 'B', oxp_record_breaker, breaker, breaker->owner);
}

void oxp_persist_incident(struct oxp_ledger *ledger, const struct oxp_incident *incident) {
    persist(ledger, 'N', oxp_record_incident, incident, incident->owner);
}

void oxp_persist_degraded(struct oxp_ledger *ledger, const struct oxp_degraded *degraded) {
    persist(ledger, 'D', oxp_record_degraded, degraded, degraded->owner);
}

void oxp_persist_queue(struct oxp_ledger *ledger) {
    persist(ledger, 'Q', oxp_record_queue, &ledger->queue, ledger->queue.source);
}

static double gauge(const struct oxp_ledger *ledger, enum oxp_metric metric) {
    return oxp_series_value(oxp_cell(&ledger->numbers, metric, 0), ledger->wall_s);
}

/* What is known of checkpoints is where their handler puts it: in its gauges. */
static struct oxp_loose loose_now(const struct oxp_ledger *ledger) {
    struct oxp_loose loose = ledger->loose;
    loose.checkpoint_s = gauge(ledger, OXP_M_CHECKPOINT_LAST_SUCCESS);
    loose.stored = gauge(ledger, OXP_M_CHECKPOINTS_STORED);
    loose.stored_bytes = gauge(ledger, OXP_M_CHECKPOINT_BYTES);
    loose.last_event_s = ledger->last_event_s;
    return loose;
}

/* The time of the last event does not count: every record carries it. */
static bool same_loose(const struct oxp_loose *a, const struct oxp_loose *b) {
    return a->limit_announced == b->limit_announced && a->limit_configured == b->limit_configured &&
           a->create_limit == b->create_limit && a->checkpoint_s == b->checkpoint_s &&
           a->limit_is_configured == b->limit_is_configured && a->stored == b->stored &&
           a->stored_bytes == b->stored_bytes;
}

void oxp_persist_loose(struct oxp_ledger *ledger) {
    if (!is_on(ledger)) {
        return;
    }
    struct oxp_loose loose = loose_now(ledger);
    if (!same_loose(&loose, &ledger->loose_stored)) {
        persist(ledger, 'L', oxp_record_loose, &loose, NULL);
        ledger->loose_stored = loose;
    }
}

void oxp_persist_start(struct oxp_ledger *ledger, bool again) {
    if (again) {
        struct oxp_loose loose = ledger->loose_stored = loose_now(ledger);
        persist(ledger, 'L', oxp_record_loose, &loose, NULL);
    }
    oxp_persist_loose(ledger);
}

void oxp_persist_gone(struct oxp_ledger *ledger, char kind, struct oxp_view key, enum oxp_closed_how how) {
    if (is_on(ledger)) {
        begin(&ledger->record, 'x');
        put_u64(&ledger->record, OXP_TAG_KIND, (unsigned char)kind);
        put_u64(&ledger->record, OXP_TAG_HOW, how);
        put(&ledger->record, OXP_TAG_KEY, key.ptr, key.len);
        append(ledger);
    }
}

/* ---- Rewriting: everything that is, in an order that replays ---- */

struct dump {
    struct oxp_buf buf;
    oxp_journal_put_fn *put;
    void *put_ctx;
    enum oxp_status status;
};

static void emit(struct dump *dump) {
    if (dump->status == OXP_OK) {
        dump->status = oxp_buf_status(&dump->buf);
    }
    if (dump->status == OXP_OK) {
        dump->status = dump->put(dump->put_ctx, oxp_buf_view(&dump->buf));
    }
}

static void dump_one(struct dump *dump, char kind, const struct oxp_record_field *fields, const void *object,
                     const struct oxp_identity *owner) {
    build(&dump->buf, kind, fields, object, owner);
    emit(dump);
}

/* First of all, so that ids which end later are hashed with the same seed. */
static void dump_closed(struct dump *dump, const struct oxp_closed *closed) {
    size_t index = 0;
    uint64_t hash;
    enum oxp_closed_how how;
    bool more = true;
    while (more) {
        struct oxp_buf hashes;
        oxp_buf_init(&hashes, 0);
        for (size_t n = 0; n < CLOSED_BATCH && (more = oxp_closed_next(closed, &index, &hash, &how)); n++) {
            uint64_t entry = hash | (how == OXP_CLOSED_WRITTEN_OFF);
            oxp_buf_append(&hashes, &entry, sizeof entry);
        }
        begin(&dump->buf, 'C');
        put_u64(&dump->buf, OXP_TAG_SEED, closed->seed);
        put(&dump->buf, OXP_TAG_HASHES, hashes.data, hashes.len);
        if (oxp_buf_status(&hashes) == OXP_OK) {
            emit(dump);
        }
        oxp_buf_fini(&hashes);
    }
}

static void dump_maps(struct dump *dump, const struct oxp_ledger *ledger) {
    const struct oxp_pending *pending;
    for (size_t i = 0; (pending = oxp_map_next(&ledger->pendings_by_key, &i)) != NULL;) {
        dump_one(dump, 'P', oxp_record_pending, pending, pending->owner);
    }
    const struct oxp_run *run;
    for (size_t i = 0; (run = oxp_map_next(&ledger->runs_by_key, &i)) != NULL;) {
        dump_one(dump, 'R', oxp_record_run, run, run->owner);
    }
}

static enum oxp_status dump_all(void *ctx, oxp_journal_put_fn *put_fn, void *put_ctx) {
    const struct oxp_ledger *ledger = ctx;
    struct dump dump = {.put = put_fn, .put_ctx = put_ctx};
    oxp_buf_init(&dump.buf, OXP_JOURNAL_RECORD_MAX);
    dump_closed(&dump, &ledger->closed);
    OXP_LIST_EACH(&ledger->identities, who) {
        const struct oxp_identity *identity = OXP_AROUND(who, struct oxp_identity, all);
        dump_one(&dump, 'I', oxp_record_identity, identity, NULL);
    }
    OXP_LIST_EACH(&ledger->all_sessions, link) {
        const struct oxp_session *session = OXP_AROUND(link, struct oxp_session, all);
        dump_one(&dump, 'S', oxp_record_session, session, session->owner);
    }
    OXP_LIST_EACH(&ledger->all_tasks, link) {
        const struct oxp_task *task = OXP_AROUND(link, struct oxp_task, all);
        dump_one(&dump, 'T', oxp_record_task, task, task->owner);
    }
    OXP_LIST_EACH(&ledger->all_breakers, link) {
        const struct oxp_breaker *breaker = OXP_AROUND(link, struct oxp_breaker, all);
        dump_one(&dump, 'B', oxp_record_breaker, breaker, breaker->owner);
    }
    dump_maps(&dump, ledger);
    OXP_LIST_EACH(&ledger->open_incidents, link) { /* behind the tasks: some are theirs */
        const struct oxp_incident *incident = OXP_AROUND(link, struct oxp_incident, all);
        dump_one(&dump, 'N', oxp_record_incident, incident, incident->owner);
    }
    OXP_LIST_EACH(&ledger->all_degraded, link) {
        const struct oxp_degraded *degraded = OXP_AROUND(link, struct oxp_degraded, all);
        dump_one(&dump, 'D', oxp_record_degraded, degraded, degraded->owner);
    }
    dump_one(&dump, 'Q', oxp_record_queue, &ledger->queue, ledger->queue.source);
    struct oxp_loose loose = loose_now(ledger);
    dump_one(&dump, 'L', oxp_record_loose, &loose, NULL);
    oxp_buf_fini(&dump.buf);
    return dump.status;
}

void oxp_persist_tick(struct oxp_ledger *ledger) {
    if (ledger->journal == NULL || (ledger->journal_ok && !oxp_journal_wants_rewrite(ledger->journal)) ||
        ledger->patience_s < ledger->rewrite_tried_at + RETRY_AFTER_S) {
        return;
    }
    ledger->rewrite_tried_at = ledger->patience_s;
    if (oxp_journal_rewrite(ledger->journal, dump_all, ledger) == OXP_OK && !ledger->journal_ok) {
        ledger->journal_ok = true;
        oxp_note(ledger, OXP_NOTE_INFO, "the ledger's journal is written again", (const char *const[]){NULL});
    }
}

/* The last words of an orderly end. */
static void say_end(struct oxp_ledger *ledger) {
    OXP_LIST_EACH(&ledger->identities, link) {
        oxp_persist_identity(ledger, OXP_AROUND(link, struct oxp_identity, all));
    }
    struct oxp_loose loose = loose_now(ledger);
    persist(ledger, 'L', oxp_record_loose, &loose, NULL);
    if (is_on(ledger)) {
        begin(&ledger->record, 'E');
        append(ledger);
    }
}

void oxp_persist_close(struct oxp_ledger *ledger) {
    say_end(ledger);
    if (ledger->journal != NULL && !ledger->journal_ok &&
        oxp_journal_rewrite(ledger->journal, dump_all, ledger) != OXP_OK) {
        oxp_note(ledger, OXP_NOTE_ERROR, "the ledger's journal is out of date: what ended since may come back as open",
                 (const char *const[]){NULL});
    }
    oxp_journal_close(ledger->journal);
    ledger->journal = NULL;
}
