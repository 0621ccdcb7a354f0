#include "alerts/outbox/db.h"

#include <errno.h>
#include <string.h>
#include <sys/vfs.h>

#include "alerts/outbox/outbox.h"
#include "alerts/outbox/sqlite_api.h"

_Static_assert(OXP_OUTBOX_WAITING == 0 && OXP_OUTBOX_CLAIMED == 1 && OXP_OUTBOX_SENT == 2 && OXP_OUTBOX_ASIDE == 3 &&
                   OXP_OUTBOX_SUPERSEDED == 4 && OXP_OUTBOX_DROPPED == 5,
               "statements.def and the files of older versions have these numbers");

#define BUSY_MS 5000

static const char *const texts[] = {
#define X(name, sql) sql,
#include "alerts/outbox/statements.def"
#undef X
};

/* ---- Failures ---- */

/* What a result code means to us. `damaged`: the file is to be set aside. `unsure`: open it again before the next use.
 */
static const struct {
    int code;
    enum oxp_status status;
    bool damaged, unsure;
    const char *text;
} failures[] = {
    {SQLITE_FULL, OXP_ERR_FULL, false, false, "no space is left for the outbox"},
    {SQLITE_NOMEM, OXP_ERR_NOMEM, false, false, "out of memory"},
    {SQLITE_BUSY, OXP_ERR_IO, false, false, "another process holds the outbox"},
    {SQLITE_LOCKED, OXP_ERR_IO, false, false, "another process holds the outbox"},
    {SQLITE_READONLY, OXP_ERR_IO, false, true, "the outbox cannot be written"},
    {SQLITE_CANTOPEN, OXP_ERR_IO, false, true, "the outbox cannot be opened"},
    {SQLITE_PERM, OXP_ERR_IO, false, true, "the outbox may not be opened"},
    {SQLITE_AUTH, OXP_ERR_IO, false, true, "the outbox may not be opened"},
    {SQLITE_IOERR, OXP_ERR_IO, false, true, "the outbox cannot be read or written"},
    {SQLITE_PROTOCOL, OXP_ERR_IO, false, true, "the outbox cannot be locked"},
    {SQLITE_CORRUPT, OXP_ERR_IO, true, true, "the outbox is damaged"},
    {SQLITE_NOTADB, OXP_ERR_IO, true, true, "the outbox is damaged"},
    {SQLITE_TOOBIG, OXP_ERR_LIMIT, false, false, "too long for the outbox"},
};

/* `code` may be an extended one. */
static void fail(struct oxp_db *db, int code) {
    if (db->status != OXP_OK) {
        return;
    }
    if (code == SQLITE_IOERR_NOMEM) {
        code = SQLITE_NOMEM;
    }
    int primary = code & 0xff, system_errno = oxp_sqlite.system_errno(db->handle);
    if ((primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) && (system_errno == ENOSPC || system_errno == EDQUOT)) {
        primary = SQLITE_FULL;
    }
    size_t i = 0;
    while (i < sizeof failures / sizeof failures[0] && failures[i].code != primary) {
        i++;
    }
    if (i == sizeof failures / sizeof failures[0]) { /* SQLITE_ERROR and its like: at the opening a foreign schema */
        db->status = oxp_error_set(&db->error, OXP_ERR_IO, 0, 0, "the outbox is %s: %s",
                                   db->opening ? "damaged" : "out of order", oxp_sqlite.errmsg(db->handle));
        db->damaged = db->damaged || db->opening;
        db->unsure = true;
        return;
    }
    errno = system_errno; /* for %m */
    bool has_reason = system_errno != 0 && primary == SQLITE_IOERR;
    db->status = oxp_error_set(&db->error, failures[i].status, 0, 0, has_reason ? "%s: %s: %m" : "%s: %s",
                               failures[i].text, oxp_sqlite.errstr(code));
    db->damaged = db->damaged || failures[i].damaged;
    db->unsure = db->unsure || failures[i].unsure;
}

void oxp_db_fail(struct oxp_db *db, enum oxp_status status, const char *text) {
    if (db->status == OXP_OK) {
        db->status = oxp_error_set(&db->error, status, 0, 0, "%s", text);
    }
}

/* ---- Opening ---- */

/* File systems where several processes cannot share the memory that WAL needs, or only seem to. */
static bool is_remote(const char *path) {
    static const unsigned long remote[] = {
        0x6969 /* nfs, and with it EFS */,
        0x517b /* smb */,
        0xff534d42 /* cifs */,
        0xfe534d42 /* smb2 */,
        0x01021997 /* 9p */,
        0x00c36400 /* ceph */,
        0x5346414f /* afs */,
        0x0bd00bd0 /* lustre */,
    };
    struct statfs info;
    if (statfs(path, &info) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof remote / sizeof remote[0]; i++) {
        if ((unsigned long)info.f_type == remote[i]) {
            return true;
        }
    }
    return false;
}

/* WAL where it works. Where it does not, SQLite answers with the mode that it stays in, or fails. */
static void choose_journal(struct oxp_db *db, const char *path) {
    if (!is_remote(path)) {
        sqlite3_stmt *statement = NULL;
        int code = oxp_sqlite.prepare_v2(db->handle, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
        code = code == SQLITE_OK ? oxp_sqlite.step(statement) : code;
        const char *mode = code == SQLITE_ROW ? (const char *)oxp_sqlite.column_text(statement, 0) : NULL;
        bool is_wal = mode != NULL && oxp_sqlite.stricmp(mode, "wal") == 0;
        oxp_sqlite.finalize(statement);
        if (is_wal) {
            return;
        }
        int primary = code & 0xff;
        if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_FULL ||
            primary == SQLITE_NOMEM || primary == SQLITE_BUSY || code == SQLITE_IOERR_NOMEM) {
            fail(db, code);
            return;
        }
    }
    oxp_db_exec(db, "PRAGMA journal_mode = TRUNCATE");
}

enum oxp_status oxp_db_open(struct oxp_db *db, enum oxp_db_open how, const char *path, struct oxp_error *error) {
    *db = (struct oxp_db){.opening = true};
    if (!oxp_sqlite_load()) {
        return oxp_error_set(error, OXP_ERR_UNSUPPORTED, 0, 0, "libsqlite3.so.0 cannot be loaded");
    }
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (how == OXP_DB_MEMORY ? SQLITE_OPEN_CREATE : 0);
    int code = oxp_sqlite.open_v2(how == OXP_DB_MEMORY ? ":memory:" : path, &db->handle, flags, NULL);
    if (code != SQLITE_OK) {
        fail(db, code);
        goto out;
    }
    oxp_sqlite.extended_result_codes(db->handle, 1);
    oxp_sqlite.busy_timeout(db->handle, BUSY_MS);
    oxp_sqlite.db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    /* no memory map of the file, which a shrinking file would turn into a signal */
    oxp_db_exec(db, "PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; "
                    "PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY; PRAGMA synchronous = FULL; "
                    "PRAGMA wal_autocheckpoint = 256; PRAGMA journal_size_limit = 2097152");
    if (how != OXP_DB_VISIT && oxp_db_ask(db, "PRAGMA page_count") == 0) {
        oxp_db_exec(db, "PRAGMA auto_vacuum = INCREMENTAL"); /* before WAL: only an empty file takes it */
    }
    if (how == OXP_DB_FILE && oxp_db_is_well(db)) {
        choose_journal(db, path);
    }
out:;
    enum oxp_status status = db->status;
    if (status != OXP_OK) {
        struct oxp_error reason = db->error;
        bool damaged = db->damaged;
        oxp_db_close(db);
        db->damaged = damaged;
        oxp_error_set(error, status, 0, 0, "%s: %s", how == OXP_DB_MEMORY ? "in memory" : path, reason.text);
    }
    return status;
}

void oxp_db_close(struct oxp_db *db) {
    if (db->handle == NULL) { /* nothing was prepared, and perhaps not even loaded */
        *db = (struct oxp_db){0};
        return;
    }
    for (size_t i = 0; i < OXP_DB_STATEMENTS; i++) {
        oxp_sqlite.finalize(db->statements[i]);
    }
    oxp_sqlite.close(db->handle);
    *db = (struct oxp_db){0};
}

void oxp_db_exec(struct oxp_db *db, const char *sql) {
    if (oxp_db_is_well(db)) {
        int code = oxp_sqlite.exec(db->handle, sql, NULL, NULL, NULL);
        if (code != SQLITE_OK) {
            fail(db, code);
        }
    }
}

int64_t oxp_db_ask(struct oxp_db *db, const char *sql) {
    if (!oxp_db_is_well(db)) {
        return 0;
    }
    sqlite3_stmt *statement = NULL;
    int code = oxp_sqlite.prepare_v2(db->handle, sql, -1, &statement, NULL);
    code = code == SQLITE_OK ? oxp_sqlite.step(statement) : code;
    int64_t number = code == SQLITE_ROW ? oxp_sqlite.column_int64(statement, 0) : 0;
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        fail(db, code);
    }
    oxp_sqlite.finalize(statement);
    return number;
}

bool oxp_db_is_sound(struct oxp_db *db) {
    if (!oxp_db_is_well(db)) {
        return false;
    }
    sqlite3_stmt *statement = NULL;
    int code = oxp_sqlite.prepare_v2(db->handle, "PRAGMA integrity_check(1)", -1, &statement, NULL);
    code = code == SQLITE_OK ? oxp_sqlite.step(statement) : code;
    const char *text = code == SQLITE_ROW ? (const char *)oxp_sqlite.column_text(statement, 0) : NULL;
    bool sound = text != NULL && strcmp(text, "ok") == 0;
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        fail(db, code);
    }
    oxp_sqlite.finalize(statement);
    return sound;
}

/* ---- Statements ---- */

static sqlite3_stmt *prepared(struct oxp_db *db, enum oxp_db_statement which) {
    if (db->statements[which] == NULL) {
        int code = oxp_sqlite.prepare_v3(db->handle, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                                         &db->statements[which], NULL);
        if (code != SQLITE_OK) {
            fail(db, code);
        }
    }
    return db->statements[which];
}

static int bind(sqlite3_stmt *statement, int at, const struct oxp_db_value *value) {
    const char *bytes = value->view.ptr == NULL ? "" : value->view.ptr; /* NULL would be bound as SQL's NULL */
    switch (value->kind) {
    case OXP_DB_IS_TEXT:
        return oxp_sqlite.bind_text64(statement, at, bytes, value->view.len, SQLITE_STATIC, SQLITE_UTF8);
    case OXP_DB_IS_BYTES:
        return oxp_sqlite.bind_blob64(statement, at, bytes, value->view.len, SQLITE_STATIC);
    case OXP_DB_IS_NUMBER:
    default:
        return oxp_sqlite.bind_int64(statement, at, value->number);
    }
}

bool oxp_db_first(struct oxp_db *db, enum oxp_db_statement which, const struct oxp_db_value *values, size_t count) {
    if (!oxp_db_is_well(db)) {
        return false;
    }
    sqlite3_stmt *statement = prepared(db, which);
    if (statement == NULL) {
        return false;
    }
    oxp_sqlite.reset(statement);
    for (size_t i = 0; i < count; i++) {
        int code = bind(statement, (int)i + 1, &values[i]);
        if (code != SQLITE_OK) {
            fail(db, code);
            return false;
        }
    }
    return oxp_db_next(db, which);
}

bool oxp_db_next(struct oxp_db *db, enum oxp_db_statement which) {
    sqlite3_stmt *statement = db->statements[which];
    if (!oxp_db_is_well(db)) {
        oxp_db_done(db, which);
        return false;
    }
    int code = oxp_sqlite.step(statement);
    if (code == SQLITE_ROW) {
        return true;
    }
    if (code != SQLITE_DONE) {
        fail(db, code);
    }
    oxp_sqlite.reset(statement);
    return false;
}

void oxp_db_done(struct oxp_db *db, enum oxp_db_statement which) {
    oxp_sqlite.reset(db->statements[which]); /* NULL is allowed; its failure was told by the step */
}

void oxp_db_run(struct oxp_db *db, enum oxp_db_statement which, const struct oxp_db_value *values, size_t count) {
    bool more = oxp_db_first(db, which, values, count);
    while (more) {
        more = oxp_db_next(db, which);
    }
}

int64_t oxp_db_number(struct oxp_db *db, enum oxp_db_statement which, int column) {
    return oxp_sqlite.column_int64(db->statements[which], column);
}

struct oxp_view oxp_db_view(struct oxp_db *db, enum oxp_db_statement which, int column) {
    const char *bytes = oxp_sqlite.column_blob(db->statements[which], column); /* of a text its bytes, without a copy */
    int len = oxp_sqlite.column_bytes(db->statements[which], column);
    if (bytes == NULL && oxp_sqlite.errcode(db->handle) == SQLITE_NOMEM) {
        fail(db, SQLITE_NOMEM);
    }
    return bytes == NULL || len <= 0 ? (struct oxp_view){"", 0} : oxp_view_of(bytes, (size_t)len);
}

bool oxp_db_is_null(struct oxp_db *db, enum oxp_db_statement which, int column) {
    return oxp_sqlite.column_type(db->statements[which], column) == SQLITE_NULL;
}

bool oxp_db_exists(struct oxp_db *db, enum oxp_db_statement which, const struct oxp_db_value *values, size_t count) {
    bool exists = oxp_db_first(db, which, values, count);
    if (exists) {
        oxp_db_done(db, which);
    }
    return exists;
}

int64_t oxp_db_one(struct oxp_db *db, enum oxp_db_statement which, int64_t none) {
    int64_t number = none;
    if (oxp_db_first(db, which, NULL, 0)) {
        if (!oxp_db_is_null(db, which, 0)) {
            number = oxp_db_number(db, which, 0);
        }
        oxp_db_done(db, which);
    }
    return number;
}

int64_t oxp_db_last_id(struct oxp_db *db) {
    return oxp_sqlite.last_insert_rowid(db->handle);
}

enum oxp_status oxp_db_prepare_all(struct oxp_db *db, struct oxp_error *error) {
    db->status = OXP_OK;
    for (int which = 0; which < OXP_DB_STATEMENTS && oxp_db_is_well(db); which++) {
        prepared(db, (enum oxp_db_statement)which);
    }
    enum oxp_status status = db->status;
    if (status != OXP_OK) {
        oxp_error_set(error, status, 0, 0, "%s", db->error.text);
    }
    db->status = OXP_OK;
    db->opening = false;
    return status;
}

/* ---- Transactions ---- */

void oxp_db_begin(struct oxp_db *db, bool for_reading) {
    db->status = OXP_OK;
    oxp_db_run(db, for_reading ? OXP_DB_BEGIN_READ : OXP_DB_BEGIN, NULL, 0);
}

enum oxp_status oxp_db_end(struct oxp_db *db, struct oxp_error *error) {
    oxp_db_run(db, OXP_DB_COMMIT, NULL, 0);
    enum oxp_status status = db->status;
    if (status != OXP_OK) {
        oxp_error_set(error, status, 0, 0, "%s", db->error.text);
        for (size_t i = 0; i < OXP_DB_STATEMENTS; i++) { /* a query under way would be in the way */
            oxp_sqlite.reset(db->statements[i]);
        }
        if (!oxp_sqlite.get_autocommit(db->handle)) { /* many failures have rolled back already */
            oxp_sqlite.exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
        }
    }
    db->status = OXP_OK;
    return status;
}

void oxp_db_checkpoint(struct oxp_db *db) {
    oxp_sqlite.wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}
