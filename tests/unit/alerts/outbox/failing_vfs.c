#include "tests/unit/alerts/outbox/failing_vfs.h"

#include <sqlite3.h>

struct failing_vfs failing_vfs;
size_t failing_vfs_syncs;

struct file {
    sqlite3_file base; /* SQLite's: its methods are ours */
    sqlite3_file *real;
};

static sqlite3_vfs *real_vfs, own_vfs;

static bool fails(bool for_space) {
    if (failing_vfs.at == 0 || (failing_vfs.is_full && !for_space)) {
        return false;
    }
    if (failing_vfs.at > 1) {
        failing_vfs.at--;
        return false;
    }
    failing_vfs.hit = true;
    failing_vfs.at = failing_vfs.stays ? 1 : 0;
    return true;
}

static sqlite3_file *real_of(sqlite3_file *file) {
    return ((struct file *)file)->real;
}

#define CALL(file, method, ...) real_of(file)->pMethods->method(real_of(file), ##__VA_ARGS__)

static int file_close(sqlite3_file *file) {
    return CALL(file, xClose);
}
static int file_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at) {
    return fails(false) ? SQLITE_IOERR_READ : CALL(file, xRead, bytes, len, at);
}
static int file_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at) {
    return fails(true) ? (failing_vfs.is_full ? SQLITE_FULL : SQLITE_IOERR_WRITE) : CALL(file, xWrite, bytes, len, at);
}
static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
    return fails(false) ? SQLITE_IOERR_TRUNCATE : CALL(file, xTruncate, size);
}
static int file_sync(sqlite3_file *file, int flags) {
    failing_vfs_syncs++;
    return fails(false) ? SQLITE_IOERR_FSYNC : CALL(file, xSync, flags);
}
static int file_size(sqlite3_file *file, sqlite3_int64 *size) {
    return CALL(file, xFileSize, size);
}
static int file_lock(sqlite3_file *file, int level) {
    return CALL(file, xLock, level);
}
static int file_unlock(sqlite3_file *file, int level) {
    return CALL(file, xUnlock, level);
}
static int file_check(sqlite3_file *file, int *reserved) {
    return CALL(file, xCheckReservedLock, reserved);
}
static int file_control(sqlite3_file *file, int op, void *arg) {
    return CALL(file, xFileControl, op, arg);
}
static int file_sector(sqlite3_file *file) {
    return CALL(file, xSectorSize);
}
static int file_traits(sqlite3_file *file) {
    return CALL(file, xDeviceCharacteristics);
}
static int file_map(sqlite3_file *file, int page, int size, int extend, void volatile **memory) {
    return fails(false) ? SQLITE_IOERR_SHMMAP : CALL(file, xShmMap, page, size, extend, memory);
}
static int file_shm_lock(sqlite3_file *file, int offset, int n, int flags) {
    return CALL(file, xShmLock, offset, n, flags);
}
static void file_barrier(sqlite3_file *file) {
    CALL(file, xShmBarrier);
}
static int file_unmap(sqlite3_file *file, int delete) {
    return CALL(file, xShmUnmap, delete);
}

static sqlite3_io_methods methods[2]; /* with shared memory, and without */

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out) {
    (void)vfs;
    struct file *own = (struct file *)file;
    own->base.pMethods = NULL;
    if (fails(false)) {
        return SQLITE_CANTOPEN;
    }
    own->real = (sqlite3_file *)(own + 1);
    int code = real_vfs->xOpen(real_vfs, name, own->real, flags, flags_out);
    if (own->real->pMethods != NULL) {
        own->base.pMethods = &methods[failing_vfs.without_wal ? 1 : 0];
    }
    return code;
}

void failing_vfs_register(void) {
    methods[0] = (sqlite3_io_methods){
        .iVersion = 2,
        .xClose = file_close,
        .xRead = file_read,
        .xWrite = file_write,
        .xTruncate = file_truncate,
        .xSync = file_sync,
        .xFileSize = file_size,
        .xLock = file_lock,
        .xUnlock = file_unlock,
        .xCheckReservedLock = file_check,
        .xFileControl = file_control,
        .xSectorSize = file_sector,
        .xDeviceCharacteristics = file_traits,
        .xShmMap = file_map,
        .xShmLock = file_shm_lock,
        .xShmBarrier = file_barrier,
        .xShmUnmap = file_unmap,
    };
    methods[1] = methods[0];
    methods[1].iVersion = 1;
    sqlite3_initialize();
    real_vfs = sqlite3_vfs_find(NULL);
    own_vfs = *real_vfs;
    own_vfs.zName = "failing";
    own_vfs.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
    own_vfs.xOpen = vfs_open;
    own_vfs.pNext = NULL;
    sqlite3_vfs_register(&own_vfs, 1);
}
