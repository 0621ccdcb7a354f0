/* Opening the journal and replaying what is in it; record.h has the form. Writing is in persist.c. */
#include "exporter/ledger/parts.h"
#include "exporter/ledger/record.h"

#include <math.h>
#include <stdlib.h>

static uint64_t read_u64(struct oxp_view bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.len && i < 8; i++) {
        value |= (uint64_t)(unsigned char)bytes.ptr[i] << (8 * i);
    }
    return value;
}

/* Takes the next field off `rest`; false at the end, or where the record is cut. */
static bool next_field(struct oxp_view *rest, unsigned *tag, struct oxp_view *bytes) {
    if (rest->len < OXP_RECORD_FIELD_HEADER) {
        return false;
    }
    const unsigned char *p = (const unsigned char *)rest->ptr;
    size_t len = p[1] | (size_t)p[2] << 8;
    if (rest->len - OXP_RECORD_FIELD_HEADER < len) {
        return false;
    }
    *tag = p[0];
    *bytes = oxp_view_of(rest->ptr + OXP_RECORD_FIELD_HEADER, len);
    rest->ptr += OXP_RECORD_FIELD_HEADER + len;
    rest->len -= OXP_RECORD_FIELD_HEADER + len;
    return true;
}

static void store(const struct oxp_record_field *field, struct oxp_view bytes, void *object) {
    char *at = (char *)object + field->offset;
    if (field->shape == OXP_SHAPE_TEXT) {
        (void)oxp_keep(at, field->size, bytes);
        return;
    }
    if (field->shape == OXP_SHAPE_PAIR) {
        size_t len = bytes.len < OXP_PAIR_SIZE ? bytes.len : OXP_PAIR_SIZE - 1;
        memcpy(at, bytes.ptr, len);
        memcpy((char *)object + field->len_offset, &len, sizeof len);
        return;
    }
    uint64_t value = read_u64(bytes);
    if (field->shape == OXP_SHAPE_WHOLE1) {
        *at = (char)value;
    } else if (field->shape == OXP_SHAPE_WHOLE4) {
        uint32_t narrow = (uint32_t)value;
        memcpy(at, &narrow, sizeof narrow);
    } else {
        memcpy(at, &value, sizeof value);
    }
}

/* Fills the object; gives the owner's key, which is empty when it has none. */
static struct oxp_view read_fields(struct oxp_view rest, const struct oxp_record_field *fields, void *object) {
    struct oxp_view bytes, owner = {NULL, 0};
    unsigned tag;
    while (next_field(&rest, &tag, &bytes)) {
        if (tag == OXP_TAG_OWNER) {
            owner = bytes;
            continue;
        }
        for (const struct oxp_record_field *field = fields; field->tag != 0; field++) {
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
    (void)read_fields(rest, oxp_record_identity, &read);
    if (read.boot[0] != '\0' && is_flag(&read.stopping) && is_flag(&read.dead) && is_flag(&read.alive) &&
        is_flag(&read.announced) && is_flag(&read.recovers)) {
        oxp_writers_restore(ledger, &read);
    }
}

static void read_session(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_session read = {.keep_alive = -1, .timeout_s = NAN, .disconnected_s = NAN};
    struct oxp_view owner = read_fields(rest, oxp_record_session, &read);
    read.id_len = strlen(read.id);
    if (read.id_len != 0 && is_flag(&read.orphaned) && is_flag(&read.must_restore)) {
        oxp_sessions_restore(ledger, &read, owner_of(ledger, owner));
    }
}

static void read_pending(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_pending read = {.key_len = 0};
    struct oxp_view owner = read_fields(rest, oxp_record_pending, &read);
    if (read.key_len != 0) {
        oxp_sessions_restore_pending(ledger, &read, owner_of(ledger, owner));
    }
}

static void read_task(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_task read = {.queued_s = NAN, .started_s = NAN};
    struct oxp_view owner = read_fields(rest, oxp_record_task, &read);
    read.id_len = strlen(read.id);
    if (read.id_len != 0) {
        oxp_tasks_restore(ledger, &read, owner_of(ledger, owner));
    }
}

static void read_run(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_run read = {.key_len = 0};
    struct oxp_view owner = read_fields(rest, oxp_record_run, &read);
    if (read.key_len != 0 && is_flag(&read.named)) {
        oxp_runs_restore(ledger, &read, owner_of(ledger, owner));
    }
}

static void read_breaker(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_breaker read = {.failures = 0};
    struct oxp_view owner = read_fields(rest, oxp_record_breaker, &read);
    read.name_len = strlen(read.name);
    if (read.name_len != 0) {
        oxp_breakers_restore(ledger, &read, owner_of(ledger, owner));
    }
}

static void read_queue(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_queue read = {.head_s = {NAN, NAN, NAN}};
    struct oxp_view owner = read_fields(rest, oxp_record_queue, &read);
    oxp_queue_restore(ledger, &read, owner_of(ledger, owner));
}

static bool is_amount(double value) {
    return value >= 0 && isfinite(value);
}

static void read_incident(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_incident read = {.opened_s = NAN};
    struct oxp_view owner = read_fields(rest, oxp_record_incident, &read);
    read.id_len = strlen(read.id);
    if (read.id_len != 0 && read.severity < OXP_SEVERITIES && read.action < OXP_DOES && read.automation < OXP_AUTOS &&
        read.levels < 1u << OXP_ESCALATION_LEVELS && is_flag(&read.derived)) {
        oxp_incidents_restore(ledger, &read, owner_of(ledger, owner));
    }
}

static void read_degraded(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_degraded read = {.since_s = NAN};
    struct oxp_view owner = read_fields(rest, oxp_record_degraded, &read);
    read.name_len = strlen(read.name);
    if (read.name_len != 0) {
        oxp_degraded_restore(ledger, &read, owner_of(ledger, owner));
    }
}

static void read_loose(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_loose read = {.limit_announced = 0};
    (void)read_fields(rest, oxp_record_loose, &read);
    if (is_amount(read.limit_announced) && is_amount(read.limit_configured) && is_amount(read.create_limit) &&
        is_amount(read.checkpoint_s) && is_amount(read.last_event_s) && is_amount(read.stored) &&
        is_amount(read.stored_bytes) && is_flag(&read.limit_is_configured)) {
        oxp_limits_restore(ledger, &read);
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
        if (tag == OXP_TAG_LAST_EVENT && is_amount(last_event_s)) {
            ledger->last_event_s = fmax(ledger->last_event_s, last_event_s);
        }
    }
}

static void read_closed(struct oxp_ledger *ledger, struct oxp_view rest) {
    struct oxp_view bytes;
    unsigned tag;
    while (next_field(&rest, &tag, &bytes)) {
        if (tag == OXP_TAG_SEED && ledger->closed.count == 0) {
            ledger->closed.seed = read_u64(bytes);
        }
        for (size_t i = 0; tag == OXP_TAG_HASHES && i + 8 <= bytes.len; i += 8) {
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
        case OXP_TAG_KIND:
            kind = (char)read_u64(bytes);
            break;
        case OXP_TAG_HOW:
            how = read_u64(bytes);
            break;
        case OXP_TAG_KEY:
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
    } parts[] = {{'i', oxp_writers_forget},   {'s', oxp_sessions_forget}, {'p', oxp_sessions_forget_pending},
                 {'t', oxp_tasks_forget},     {'r', oxp_runs_forget},     {'b', oxp_breakers_forget},
                 {'n', oxp_incidents_forget}, {'d', oxp_degraded_forget}};
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
    } kinds[] = {{'I', read_identity}, {'S', read_session}, {'P', read_pending},  {'T', read_task},
                 {'R', read_run},      {'B', read_breaker}, {'Q', read_queue},    {'C', read_closed},
                 {'x', read_gone},     {'L', read_loose},   {'N', read_incident}, {'D', read_degraded}};
    struct oxp_ledger *ledger = ctx;
    ledger->ended_well = record.len >= 2 && record.ptr[0] == OXP_RECORD_VERSION && record.ptr[1] == 'E';
    if (record.len < 2 || record.ptr[0] != OXP_RECORD_VERSION) {
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
    oxp_persist_start(ledger, report.records > 0);
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

static enum oxp_status pass_over(void *ctx, struct oxp_view record) {
    (void)ctx;
    (void)record;
    return OXP_OK;
}

/* The journal with a former run's records out of the way, and nothing written yet. */
static enum oxp_status open_for_rewrite(struct oxp_ledger *ledger, const char *directory, struct oxp_error *error) {
    struct oxp_journal_report report = {0};
    struct oxp_journal *journal = NULL;
    char late[256] = "";
    enum oxp_status status = oxp_journal_open(directory, pass_over, NULL, &journal, &report, error);
    if (status == OXP_OK && report.records > 0) {
        status = oxp_journal_keep_late(journal, late, error);
    }
    if (status != OXP_OK) {
        oxp_journal_close(journal);
        return status;
    }
    if (report.records > 0) {
        const char *pairs[] = {"file", late, NULL};
        oxp_note(ledger, OXP_NOTE_WARNING,
                 "the journal of a former run was found late: it was set aside and is not used", pairs);
    }
    ledger->journal = journal;
    ledger->journal_ok = false; /* until all of it is written anew */
    return OXP_OK;
}

enum oxp_status oxp_ledger_open_late(struct oxp_ledger *ledger, const char *directory, struct oxp_error *error) {
    enum oxp_status status = ledger->journal == NULL ? open_for_rewrite(ledger, directory, error) : OXP_OK;
    if (status != OXP_OK) {
        return status;
    }
    oxp_ledger_now(ledger);
    ledger->rewrite_tried_at = -INFINITY;
    oxp_persist_tick(ledger);
    return ledger->journal_ok
               ? OXP_OK
               : oxp_error_set(error, OXP_ERR_IO, 0, 0, "%s: the ledger's journal cannot be written", directory);
}

uint64_t oxp_ledger_storage_failures(const struct oxp_ledger *ledger) {
    return ledger->journal == NULL ? 0 : oxp_journal_failures(ledger->journal);
}

bool oxp_ledger_persistent(const struct oxp_ledger *ledger) {
    return ledger->journal != NULL && ledger->journal_ok;
}
