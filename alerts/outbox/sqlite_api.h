/* SQLite, loaded on first use: a sidecar that delivers nothing does not pay for it. Only db.c includes this. */
#ifndef OXP_OUTBOX_SQLITE_API_H
#define OXP_OUTBOX_SQLITE_API_H

#include <sqlite3.h>
#include <stdbool.h>

/* X(the member, its symbol) */
#define OXP_SQLITE_FUNCTIONS(X)                                                                                        \
    X(bind_blob64, sqlite3_bind_blob64)                                                                                \
    X(bind_int64, sqlite3_bind_int64)                                                                                  \
    X(bind_text64, sqlite3_bind_text64)                                                                                \
    X(busy_timeout, sqlite3_busy_timeout)                                                                              \
    X(close, sqlite3_close)                                                                                            \
    X(column_blob, sqlite3_column_blob)                                                                                \
    X(column_bytes, sqlite3_column_bytes)                                                                              \
    X(column_int64, sqlite3_column_int64)                                                                              \
    X(column_text, sqlite3_column_text)                                                                                \
    X(column_type, sqlite3_column_type)                                                                                \
    X(db_config, sqlite3_db_config)                                                                                    \
    X(errcode, sqlite3_errcode)                                                                                        \
    X(errmsg, sqlite3_errmsg)                                                                                          \
    X(errstr, sqlite3_errstr)                                                                                          \
    X(exec, sqlite3_exec)                                                                                              \
    X(extended_result_codes, sqlite3_extended_result_codes)                                                            \
    X(finalize, sqlite3_finalize)                                                                                      \
    X(get_autocommit, sqlite3_get_autocommit)                                                                          \
    X(last_insert_rowid, sqlite3_last_insert_rowid)                                                                    \
    X(libversion, sqlite3_libversion)                                                                                  \
    X(open_v2, sqlite3_open_v2)                                                                                        \
    X(prepare_v2, sqlite3_prepare_v2)                                                                                  \
    X(prepare_v3, sqlite3_prepare_v3)                                                                                  \
    X(reset, sqlite3_reset)                                                                                            \
    X(step, sqlite3_step)                                                                                              \
    X(stricmp, sqlite3_stricmp)                                                                                        \
    X(system_errno, sqlite3_system_errno)                                                                              \
    X(wal_checkpoint_v2, sqlite3_wal_checkpoint_v2)

struct oxp_sqlite_api {
#define X(member, symbol) __typeof__(&(symbol)) member;
    OXP_SQLITE_FUNCTIONS(X)
#undef X
};

/* Good once oxp_sqlite_load has said true. */
extern struct oxp_sqlite_api oxp_sqlite;
/* Loads the library, once for the process; false when it is not on this machine. Any thread. */
bool oxp_sqlite_load(void);

#endif
