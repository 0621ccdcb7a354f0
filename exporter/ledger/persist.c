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
#include "exporter/ledger/parts.h"

#include <math.h>
#include <stdlib.h>

enum { VERSION = 1, HEADER = 3, CLOSED_BATCH = 4096 };
#define RETRY_AFTER_S 5.0

/* ---- Fields: where each tag of a kind stands in its struct ---- */

enum shape { TEXT, PAIR, DOUBLE, WHOLE1, WHOLE4, WHOLE8 };

struct field {
    unsigned char tag;
    unsigned char shape;
    unsigned short size;       /* TEXT: bytes of the array */
    size_t offset, len_offset; /* PAIR: len_offset is where its length (size_t) stands */
};

#define T(tag_, type, member)                                                                                          \
    { (tag_), TEXT, sizeof((struct type *)0)->member, offsetof(struct type, member), 0 }
#define N(tag_, shape_, type, member)                                                                                  \
    { (tag_), (shape_), 0, offsetof(struct type, member), 0 }
#define P(tag_, type, member, len)                                                                                     \
    { (tag_), PAIR, OXP_PAIR_SIZE, offsetof(struct type, member), offsetof(struct type, len) }

/* Tags are for ever: a new field takes a new one. Tags of every kind: */
enum { TAG_OWNER = 1, TAG_HOW = 2, TAG_KIND = 3, TAG_KEY = 4, TAG_SEED = 5, TAG_HASHES = 6, TAG_LAST_EVENT = 7 };

static const struct field identity_fields[] = {
    T(10, oxp_identity, writer),
    T(11, oxp_identity, boot),
    T(12, oxp_identity, version),
    T(13, oxp_identity, environment),
    T(14, oxp_identity, sdk),
    N(15, DOUBLE, oxp_identity, started_s),
    N(16, DOUBLE, oxp_identity, last_event_s),
    N(17, DOUBLE, oxp_identity, gone_s),
    N(18, WHOLE1, oxp_identity, stopping),
    N(19, WHOLE1, oxp_identity, dead),
    N(20, WHOLE1, oxp_identity, alive),
    N(21, WHOLE1, oxp_identity, announced),
    N(22, WHOLE8, oxp_identity, last_seq),
    {0},
};
static const struct field session_fields[] = {
    T(10, oxp_session, id),
    T(11, oxp_session, region_text),
    T(12, oxp_session, workflow),
    T(13, oxp_session, trace_id),
    N(14, DOUBLE, oxp_session, started_s),
    N(15, DOUBLE, oxp_session, last_s),
    N(16, DOUBLE, oxp_session, timeout_s),
    N(17, DOUBLE, oxp_session, disconnected_s),
    N(18, WHOLE4, oxp_session, state),
    N(19, WHOLE1, oxp_session, orphaned),
    N(20, WHOLE1, oxp_session, must_restore),
    N(21, WHOLE1, oxp_session, keep_alive),
    {0},
};
static const struct field pending_fields[] = {
    P(10, oxp_pending, key, key_len),
    N(11, DOUBLE, oxp_pending, since_s),
    {0},
};
static const struct field task_fields[] = {
    T(10, oxp_task, id),
    T(11, oxp_task, workflow),
    T(12, oxp_task, session),
    T(13, oxp_task, trace_id),
    N(14, WHOLE4, oxp_task, state),
    N(15, WHOLE4, oxp_task, priority),
    N(16, WHOLE4, oxp_task, attempt),
    N(17, DOUBLE, oxp_task, queued_s),
    N(18, DOUBLE, oxp_task, started_s),
    N(19, DOUBLE, oxp_task, last_s),
    {0},
};
static const struct field run_fields[] = {
    P(10, oxp_run, key, key_len),
    N(11, DOUBLE, oxp_run, started_s),
    N(12, DOUBLE, oxp_run, last_s),
    N(13, WHOLE1, oxp_run, named),
    {0},
};
static const struct field breaker_fields[] = {
    T(10, oxp_breaker, name),
    T(11, oxp_breaker, cause),
    N(12, WHOLE4, oxp_breaker, state),
    N(13, DOUBLE, oxp_breaker, since_s),
    N(14, DOUBLE, oxp_breaker, last_s),
    N(15, DOUBLE, oxp_breaker, open_total_s),
    N(16, WHOLE8, oxp_breaker, failures),
    {0},
};
static const struct field queue_fields[] = {
    N(10, WHOLE8, oxp_queue, base[0]),
    N(11, WHOLE8, oxp_queue, base[1]),
    N(12, WHOLE8, oxp_queue, base[2]),
    N(13, DOUBLE, oxp_queue, head_s[0]),
    N(14, DOUBLE, oxp_queue, head_s[1]),
    N(15, DOUBLE, oxp_queue, head_s[2]),
    {0},
};
static const struct field loose_fields[] = {
    N(10, DOUBLE, oxp_loose, limit_announced),
    N(11, DOUBLE, oxp_loose, limit_configured),
    N(12, DOUBLE, oxp_loose, create_limit),
    N(13, DOUBLE, oxp_loose, checkpoint_s),
    N(14, DOUBLE, oxp_loose, last_event_s),
    N(15, WHOLE1, oxp_loose, limit_is_configured),
    {0},
};

/* ---- Writing ---- */

static void put(struct oxp_buf *buf, unsigned tag, const void *bytes, size_t len) {
    unsigned char header[HEADER] = {(unsigned char)tag, (unsigned char)(len & 0xff), (unsigned char)(len >> 8)};
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

static uint64_t whole_at(const char *at, enum shape shape) {
    if (shape == WHOLE1) {
        return (unsigned char)*at;
    }
    if (shape == WHOLE4) {
        uint32_t value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    uint64_t value; /* WHOLE8, and a DOUBLE's bits */
    memcpy(&value, at, sizeof value);
    return value;
}

static void put_fields(struct oxp_buf *buf, const struct field *fields, const void *object) {
    for (; fields->tag != 0; fields++) {
        const char *at = (const char *)object + fields->offset;
        if (fields->shape == TEXT) {
            if (*at != '\0') {
                put(buf, fields->tag, at, strlen(at));
            }
        } else if (fields->shape == PAIR) {
            size_t len;
            memcpy(&len, (const char *)object + fields->len_offset, sizeof len);
            put(buf, fields->tag, at, len);
        } else {
            put_u64(buf, fields->tag, whole_at(at, (enum shape)fields->shape));
        }
    }
}

static void begin(struct oxp_buf *buf, char kind) {
    oxp_buf_clear(buf);
    oxp_buf_append_char(buf, (char)VERSION);
    oxp_buf_append_char(buf, kind);
}

static void put_owner(struct oxp_buf *buf, const struct oxp_identity *owner) {
    if (owner != NULL && owner->key_len != 0) {
        put(buf, TAG_OWNER, owner->key, owner->key_len);
    }
}

static void build(struct oxp_buf *buf, char kind, const struct field *fields, const void *object,
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
    put_u64(&ledger->record, TAG_LAST_EVENT, bits);
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

static void persist(struct oxp_ledger *ledger, char kind, const struct field *fields, const void *object,
                    const struct oxp_identity *owner) {
    if (is_on(ledger)) {
        build(&ledger->record, kind, fields, object, owner);
        append(ledger);
    }
}

void oxp_persist_identity(struct oxp_ledger *ledger, const struct oxp_identity *identity) {
    persist(ledger, 'I', identity_fields, identity, NULL);
}

void oxp_persist_session(struct oxp_ledger *ledger, const struct oxp_session *session) {
    persist(ledger, 'S', session_fields, session, session->owner);
}

void oxp_persist_pending(struct oxp_ledger *ledger, const struct oxp_pending *pending) {
    persist(ledger, 'P', pending_fields, pending, pending->owner);
}

void oxp_persist_task(struct oxp_ledger *ledger, const struct oxp_task *task) {
    persist(ledger, 'T', task_fields, task, task->owner);
}

void oxp_persist_run(struct oxp_ledger *ledger, const struct oxp_run *run) {
    persist(ledger, 'R', run_fields, run, run->owner);
}

void oxp_persist_breaker(struct oxp_ledger *ledger, const struct oxp_breaker *breaker) {
    persist(ledger, 'B', breaker_fields, breaker, breaker->owner);
}

void oxp_persist_queue(struct oxp_ledger *ledger) {
    persist(ledger, 'Q', queue_fields, &ledger->queue, ledger->queue.source);
}

/* The last good checkpoint is where its handler puts it: in its gauge. */
static struct oxp_loose loose_now(const struct oxp_ledger *ledger) {
    const struct oxp_series *gauge = oxp_cell(&ledger->numbers, OXP_M_CHECKPOINT_LAST_SUCCESS, 0);
    struct oxp_loose loose = ledger->loose;
    loose.checkpoint_s = oxp_series_value(gauge, ledger->wall_s);
    loose.last_event_s = ledger->last_event_s;
    return loose;
}

/* The time of the last event does not count: every record carries it. */
static bool same_loose(const struct oxp_loose *a, const struct oxp_loose *b) {
    return a->limit_announced == b->limit_announced && a->limit_configured == b->limit_configured &&
           a->create_limit == b->create_limit && a->checkpoint_s == b->checkpoint_s &&
           a->limit_is_configured == b->limit_is_configured;
}

void oxp_persist_loose(struct oxp_ledger *ledger) {
    if (!is_on(ledger)) {
        return;
    }
    struct oxp_loose loose = loose_now(ledger);
    if (!same_loose(&loose, &ledger->loose_stored)) {
        persist(ledger, 'L', loose_fields, &loose, NULL);
        ledger->loose_stored = loose;
    }
}

void oxp_persist_gone(struct oxp_ledger *ledger, char kind, struct oxp_view key, enum oxp_closed_how how) {
    if (is_on(ledger)) {
        begin(&ledger->record, 'x');
        put_u64(&ledger->record, TAG_KIND, (unsigned char)kind);
        put_u64(&ledger->record, TAG_HOW, how);
        put(&ledger->record, TAG_KEY, key.ptr, key.len);
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

static void dump_one(struct dump *dump, char kind, const struct field *fields, const void *object,
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
        put_u64(&dump->buf, TAG_SEED, closed->seed);
        put(&dump->buf, TAG_HASHES, hashes.data, hashes.len);
        if (oxp_buf_status(&hashes) == OXP_OK) {
            emit(dump);
        }
        oxp_buf_fini(&hashes);
    }
}

static void dump_maps(struct dump *dump, const struct oxp_ledger *ledger) {
    const struct oxp_pending *pending;
    for (size_t i = 0; (pending = oxp_map_next(&ledger->pendings_by_key, &i)) != NULL;) {
        dump_one(dump, 'P', pending_fields, pending, pending->owner);
    }
    const struct oxp_run *run;
    for (size_t i = 0; (run = oxp_map_next(&ledger->runs_by_key, &i)) != NULL;) {
        dump_one(dump, 'R', run_fields, run, run->owner);
    }
}

static enum oxp_status dump_all(void *ctx, oxp_journal_put_fn *put_fn, void *put_ctx) {
    const struct oxp_ledger *ledger = ctx;
    struct dump dump = {.put = put_fn, .put_ctx = put_ctx};
    oxp_buf_init(&dump.buf, OXP_JOURNAL_RECORD_MAX);
    dump_closed(&dump, &ledger->closed);
    OXP_LIST_EACH(&ledger->identities, who) {
        const struct oxp_identity *identity = OXP_AROUND(who, struct oxp_identity, all);
        dump_one(&dump, 'I', identity_fields, identity, NULL);
    }
    OXP_LIST_EACH(&ledger->all_sessions, link) {
        const struct oxp_session *session = OXP_AROUND(link, struct oxp_session, all);
        dump_one(&dump, 'S', session_fields, session, session->owner);
    }
    OXP_LIST_EACH(&ledger->all_tasks, link) {
        const struct oxp_task *task = OXP_AROUND(link, struct oxp_task, all);
        dump_one(&dump, 'T', task_fields, task, task->owner);
    }
    OXP_LIST_EACH(&ledger->all_breakers, link) {
        const struct oxp_breaker *breaker = OXP_AROUND(link, struct oxp_breaker, all);
        dump_one(&dump, 'B', breaker_fields, breaker, breaker->owner);
    }
    dump_maps(&dump, ledger);
    dump_one(&dump, 'Q', queue_fields, &ledger->queue, ledger->queue.source);
    struct oxp_loose loose = loose_now(ledger);
    dump_one(&dump, 'L', loose_fields, &loose, NULL);
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
    persist(ledger, 'L', loose_fields, &loose, NULL);
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

/* ---- Reading ---- */

static uint64_t read_u64(struct oxp_view bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.len && i < 8; i++) {
        value |= (uint64_t)(unsigned char)bytes.ptr[i] << (8 * i);
    }
    return value;
}

/* Takes the next field off `rest`; false at the end, or where the record is cut. */
static bool next_field(struct oxp_view *rest, unsigned *tag, struct oxp_view *bytes) {
    if (rest->len < HEADER) {
        return false;
    }
    const unsigned char *p = (const unsigned char *)rest->ptr;
    size_t len = p[1] | (size_t)p[2] << 8;
    if (rest->len - HEADER < len) {
        return false;
    }
    *tag = p[0];
    *bytes = oxp_view_of(rest->ptr + HEADER, len);
    rest->ptr += HEADER + len;
    rest->len -= HEADER + len;
    return true;
}

static void store(const struct field *field, struct oxp_view bytes, void *object) {
    char *at = (char *)object + field->offset;
    if (field->shape == TEXT) {
        (void)oxp_keep(at, field->size, bytes);
        return;
    }
    if (field->shape == PAIR) {
        size_t len = bytes.len < OXP_PAIR_SIZE ? bytes.len : OXP_PAIR_SIZE - 1;
        memcpy(at, bytes.ptr, len);
        memcpy((char *)object + field->len_offset, &len, sizeof len);
        return;
    }
    uint64_t value = read_u64(bytes);
    if (field->shape == WHOLE1) {
        *at = (char)value;
    } else if (field->shape == WHOLE4) {
        uint32_t narrow = (uint32_t)value;
        memcpy(at, &narrow, sizeof narrow);
    } else {
        memcpy(at, &value, sizeof value);
    }
}

/* Fills the object; gives the owner's key, which is empty when it has none. */
static struct oxp_view read_fields(struct oxp_view rest, const struct field *fields, void *object) {
    struct oxp_view bytes, owner = {NULL, 0};
    unsigned tag;
    while (next_field(&rest, &tag, &bytes)) {
        if (tag == TAG_OWNER) {
            owner = bytes;
            continue;
        }
        for (const struct field *field = fields; field->tag != 0; field++) {
            if (field->tag == tag) {
                store(field, bytes, object);
            }
        }
    }
    return owner;
}

/* The owner of a record: known from his own record, or made from the key; nobody when there is none. */
static struct oxp_identity *owner_of(struct oxp_ledger *ledger, struct oxp_view key) {
    const char *nul = key.len == 0 ? NULL : memchr(key.ptr, '\0', key.len);
    if (nul == NULL) {
        return &ledger->nobody;
    }
    size_t writer_len = (size_t)(nul - key.ptr);
    struct oxp_identity *owner =
        oxp_writers_get(ledger, oxp_view_of(key.ptr, writer_len), oxp_view_of(nul + 1, key.len - writer_len - 1));
    return owner != NULL ? owner : &ledger->nobody;
}

static bool is_flag(const bool *flag) {
    unsigned char byte;
    memcpy(&byte, flag, sizeof byte);
    return byte <= 1;
}

static void read_identity(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_identity read = {.gone_s = NAN};
    (void)read_fields(rest, identity_fields, &read);
    if (read.boot[0] != '\0' && is_flag(&read.stopping) && is_flag(&read.dead) && is_flag(&read.alive) &&
        is_flag(&read.announced)) {
        oxp_writers_restore(ledger, &read);
    }
}

static void read_session(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_session read = {.keep_alive = -1, .timeout_s = NAN, .disconnected_s = NAN};
    struct oxp_view owner = read_fields(rest, session_fields, &read);
    read.id_len = strlen(read.id);
    if (read.id_len != 0 && is_flag(&read.orphaned) && is_flag(&read.must_restore)) {
        oxp_sessions_restore(ledger, &read, owner_of(ledger, owner));
    }
}

static void read_pending(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_pending read = {.key_len = 0};
    struct oxp_view owner = read_fields(rest, pending_fields, &read);
    if (read.key_len != 0) {
        oxp_sessions_restore_pending(ledger, &read, owner_of(ledger, owner));
    }
}

static void read_task(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_task read = {.queued_s = NAN, .started_s = NAN};
    struct oxp_view owner = read_fields(rest, task_fields, &read);
    read.id_len = strlen(read.id);
    if (read.id_len != 0) {
        oxp_tasks_restore(ledger, &read, owner_of(ledger, owner));
    }
}

static void read_run(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_run read = {.key_len = 0};
    struct oxp_view owner = read_fields(rest, run_fields, &read);
    if (read.key_len != 0 && is_flag(&read.named)) {
        oxp_runs_restore(ledger, &read, owner_of(ledger, owner));
    }
}

static void read_breaker(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_breaker read = {.failures = 0};
    struct oxp_view owner = read_fields(rest, breaker_fields, &read);
    read.name_len = strlen(read.name);
    if (read.name_len != 0) {
        oxp_breakers_restore(ledger, &read, owner_of(ledger, owner));
    }
}

static void read_queue(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_queue read = {.head_s = {NAN, NAN, NAN}};
    struct oxp_view owner = read_fields(rest, queue_fields, &read);
    oxp_queue_restore(ledger, &read, owner_of(ledger, owner));
}

static bool is_amount(double value) {
    return value >= 0 && isfinite(value);
}

static void read_loose(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_loose read = {.limit_announced = 0};
    (void)read_fields(rest, loose_fields, &read);
    if (is_amount(read.limit_announced) && is_amount(read.limit_configured) && is_amount(read.create_limit) &&
        is_amount(read.checkpoint_s) && is_amount(read.last_event_s) && is_flag(&read.limit_is_configured)) {
        oxp_writers_restore_loose(ledger, &read);
    }
}

/* What every record carries. */
static void read_last_event(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_view bytes;
    unsigned tag;
    while (next_field(&rest, &tag, &bytes)) {
        uint64_t bits = read_u64(bytes);
        double last_event_s;
        memcpy(&last_event_s, &bits, sizeof last_event_s);
        if (tag == TAG_LAST_EVENT && is_amount(last_event_s)) {
            ledger->last_event_s = fmax(ledger->last_event_s, last_event_s);
        }
    }
}

static void read_closed(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_view bytes;
    unsigned tag;
    while (next_field(&rest, &tag, &bytes)) {
        if (tag == TAG_SEED && ledger->closed.count == 0) {
            ledger->closed.seed = read_u64(bytes);
        }
        for (size_t i = 0; tag == TAG_HASHES && i + 8 <= bytes.len; i += 8) {
            uint64_t entry;
            memcpy(&entry, bytes.ptr + i, sizeof entry);
            if ((entry | 1) != 1) {
                oxp_closed_put(&ledger->closed, entry & ~UINT64_C(1),
                               (entry & 1) != 0 ? OXP_CLOSED_WRITTEN_OFF : OXP_CLOSED_ENDED);
            }
        }
    }
}

static void read_gone(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_view bytes, key = {NULL, 0};
    unsigned tag;
    char kind = 0;
    uint64_t how = OXP_CLOSED_NOT;
    while (next_field(&rest, &tag, &bytes)) {
        switch (tag) {
        case TAG_KIND:
            kind = (char)read_u64(bytes);
            break;
        case TAG_HOW:
            how = read_u64(bytes);
            break;
        case TAG_KEY:
            key = bytes;
            break;
        default:
            break;
        }
    }
    if (how == OXP_CLOSED_ENDED || how == OXP_CLOSED_WRITTEN_OFF) {
        oxp_closed_put(&ledger->closed, oxp_closed_hash(&ledger->closed, kind, key), (enum oxp_closed_how)how);
    }
    static const struct {
        char kind;
        void (*forget)(struct oxp_ledger *ledger, struct oxp_view key);
    } parts[] = {{'i', oxp_writers_forget}, {'s', oxp_sessions_forget}, {'p', oxp_sessions_forget_pending},
                 {'t', oxp_tasks_forget},   {'r', oxp_runs_forget},     {'b', oxp_breakers_forget}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].kind == kind && key.len != 0) {
            parts[i].forget(ledger, key);
        }
    }
}

static enum oxp_status replay(void *ctx, struct oxp_view record) {
    static const struct {
        char kind;
        void (*read)(struct oxp_ledger *ledger, struct oxp_view rest);
    } kinds[] = {{'I', read_identity}, {'S', read_session}, {'P', read_pending}, {'T', read_task}, {'R', read_run},
                 {'B', read_breaker},  {'Q', read_queue},   {'C', read_closed},  {'x', read_gone}, {'L', read_loose}};
    struct oxp_ledger *ledger = ctx;
    ledger->ended_well = record.len >= 2 && record.ptr[0] == VERSION && record.ptr[1] == 'E';
    if (record.len < 2 || record.ptr[0] != VERSION) {
        return OXP_OK;
    }
    struct oxp_view rest = oxp_view_of(record.ptr + 2, record.len - 2);
    read_last_event(ledger, rest);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].kind == record.ptr[1]) {
            kinds[i].read(ledger, rest);
        }
    }
    return OXP_OK;
}

enum oxp_status oxp_ledger_open(struct oxp_ledger *ledger, const char *directory, struct oxp_error *error) {
    struct oxp_journal_report report = {0};
    oxp_ledger_now(ledger);
    ledger->replaying = true;
    enum oxp_status status = oxp_journal_open(directory, replay, ledger, &ledger->journal, &report, error);
    if (status == OXP_OK || report.records > 0) {
        oxp_writers_restored(ledger);
    }
    ledger->replaying = false;
    ledger->journal_ok = status == OXP_OK;
    ledger->rewrite_tried_at = -INFINITY;
    if (report.records > 0) { /* the start, so that a mark before it no longer says that all is known */
        struct oxp_loose loose = ledger->loose_stored = loose_now(ledger);
        persist(ledger, 'L', loose_fields, &loose, NULL);
    }
    oxp_persist_loose(ledger);
    if (report.set_aside) {
        const char *pairs[] = {"aside", report.aside_path, NULL};
        oxp_note(ledger, OXP_NOTE_ERROR, "the ledger's journal was damaged; what could be read was kept", pairs);
    }
    if (status == OXP_OK && report.records > 0) {
        char sessions[24], tasks[24];
        oxp_keep_number(sessions, sizeof sessions, ledger->sessions_by_id.count);
        oxp_keep_number(tasks, sizeof tasks, ledger->tasks_by_id.count);
        const char *pairs[] = {"sessions", sessions, "tasks", tasks, NULL};
        oxp_note(ledger, OXP_NOTE_INFO, "ledger restored", pairs);
    }
    return status;
}

uint64_t oxp_ledger_storage_failures(const struct oxp_ledger *ledger) {
    return ledger->journal == NULL ? 0 : oxp_journal_failures(ledger->journal);
}

bool oxp_ledger_persistent(const struct oxp_ledger *ledger) {
    return ledger->journal != NULL && ledger->journal_ok;
}
