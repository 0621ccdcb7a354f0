#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alerts/outbox/internal.h"
#include "alerts/outbox/schema.h"
#include "lib/base/file.h"

#define ROWS_MAX UINT64_C(100000)
#define BYTES_MAX (UINT64_C(64) << 20)
#define AGE_MAX_MS (INT64_C(14) * 86400000)
#define HISTORY_MS (INT64_C(24) * 3600000)
#define DAMAGED_KEPT 5 /* files; the last one is replaced then, so that they cannot fill the disk */
#define DAMAGES_MAX 3
#define PAGE_MIN 512 /* bytes of the smallest database that is not empty */

/* ---- The file ---- */

/* Before SQLite sees it, so that it is ours alone from the first byte; its log and journal take its mode. */
static enum oxp_status make_file(const char *directory, const char *path, struct oxp_error *error) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return oxp_file_failure(error, path, "open");
    }
    struct stat info;
    bool ok = fstat(fd, &info) == 0 && ((info.st_mode & 0077) == 0 || fchmod(fd, 0600) == 0);
    enum oxp_status status = ok ? OXP_OK : oxp_file_failure(error, path, "set the mode of");
    close(fd);
    if (ok && info.st_size > 0 && info.st_size < PAGE_MIN) { /* SQLite would take some of these for an empty one */
        return oxp_error_set(error, OXP_ERR_CORRUPT, 0, 0, "%s is damaged: %d bytes", path, (int)info.st_size);
    }
    if (ok && info.st_size == 0 && !oxp_file_sync_directory(directory)) {
        status = oxp_file_failure(error, directory, "sync");
    }
    return status;
}

/* `outbox.db` and what belongs to it become `outbox.db.damaged-N`. The file itself goes first: beside an empty one an
 * old log is thrown away. */
static enum oxp_status set_aside(const char *path, struct oxp_error *error) {
    static const char *const parts[] = {"", "-wal", "-journal"};
    char from[OXP_PATH_MAX + 16], to[OXP_PATH_MAX + 48];
    unsigned n = 1;
    struct stat info;
    for (; n < DAMAGED_KEPT; n++) {
        snprintf(to, sizeof to, "%s.damaged-%u", path, n);
        if (lstat(to, &info) != 0 && errno == ENOENT) {
            break;
        }
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(from, sizeof from, "%s%s", path, parts[i]);
        snprintf(to, sizeof to, "%s.damaged-%u%s", path, n, parts[i]);
        if (rename(from, to) != 0 && errno != ENOENT) {
            return oxp_file_failure(error, from, "set aside");
        }
    }
    snprintf(from, sizeof from, "%s-shm", path);
    unlink(from);
    return OXP_OK;
}

/* `*damaged_out` when the failure is one that setting the file aside will heal. */
static enum oxp_status open_once(struct oxp_outbox *outbox, const char *path, bool check, bool *new_out,
                                 bool *damaged_out, struct oxp_error *error) {
    struct oxp_db *db = &outbox->db;
    enum oxp_status status = make_file(outbox->directory, path, error);
    *damaged_out = status == OXP_ERR_CORRUPT;
    if (status == OXP_OK && (status = oxp_db_open(db, OXP_DB_FILE, path, error)) != OXP_OK) {
        *damaged_out = db->damaged;
    }
    if (status != OXP_OK) {
        return status;
    }
    if (check && !oxp_db_is_sound(db)) {
        status = oxp_db_is_well(db) ? OXP_ERR_IO : db->status;
        db->damaged = db->damaged || oxp_db_is_well(db);
        oxp_error_set(error, status, 0, 0, "%s: %s", path, oxp_db_is_well(db) ? "damaged" : db->error.text);
    } else {
        status = oxp_schema_upgrade(db, outbox->last_id, new_out, error);
        status = status == OXP_OK ? oxp_db_prepare_all(db, error) : status;
    }
    *damaged_out = db->damaged;
    if (status != OXP_OK) {
        oxp_db_close(db);
    }
    return status;
}

static enum oxp_status open_in_directory(struct oxp_outbox *outbox, bool check, enum oxp_outbox_opened *opened_out,
                                         struct oxp_error *error) {
    char path[OXP_PATH_MAX];
    bool is_new = false, damaged = false;
    *opened_out = OXP_OUTBOX_AS_IT_WAS;
    enum oxp_status status = oxp_file_path(path, outbox->directory, OXP_OUTBOX_FILE, error);
    if (status != OXP_OK) {
        return status;
    }
    if (outbox->damages < DAMAGES_MAX) {
        status = open_once(outbox, path, check, &is_new, &damaged, error);
    } else {
        damaged = true;
    }
    if (damaged && (status = set_aside(path, error)) == OXP_OK) {
        *opened_out = OXP_OUTBOX_FRESH;
        outbox->damages = 0;
        status = open_once(outbox, path, false, &is_new, &damaged, error);
    } else if (is_new) {
        *opened_out = OXP_OUTBOX_NEW;
    }
    return status;
}

static enum oxp_status open_visiting(struct oxp_outbox *outbox, struct oxp_error *error) {
    char path[OXP_PATH_MAX];
    enum oxp_status status = oxp_file_path(path, outbox->directory, OXP_OUTBOX_FILE, error);
    if (status == OXP_OK && access(path, R_OK) != 0) {
        bool none = errno == ENOENT || errno == ENOTDIR;
        status = none ? oxp_error_set(error, OXP_ERR_NOT_FOUND, 0, 0, "there is no outbox at %s", path)
                      : oxp_file_failure(error, path, "open");
    }
    if (status == OXP_OK) {
        status = oxp_db_open(&outbox->db, OXP_DB_VISIT, path, error);
    }
    if (status == OXP_OK && (status = oxp_schema_check(&outbox->db, error)) != OXP_OK) {
        oxp_db_close(&outbox->db);
    }
    return status;
}

enum oxp_status oxp_outbox_open_file(struct oxp_outbox *outbox, bool check, enum oxp_outbox_opened *opened_out,
                                     struct oxp_error *error) {
    enum oxp_outbox_opened opened = OXP_OUTBOX_NEW;
    enum oxp_status status = OXP_OK;
    if (outbox->visiting) {
        status = open_visiting(outbox, error);
    } else if (outbox->directory != NULL) {
        status = open_in_directory(outbox, check, &opened, error);
    } else if ((status = oxp_db_open(&outbox->db, OXP_DB_MEMORY, NULL, error)) == OXP_OK) {
        bool is_new = false;
        status = oxp_schema_upgrade(&outbox->db, 0, &is_new, error);
        status = status == OXP_OK ? oxp_db_prepare_all(&outbox->db, error) : status;
    }
    if (status == OXP_OK) {
        struct oxp_db *db = &outbox->db;
        outbox->page_size = oxp_db_ask(db, "PRAGMA page_size");
        outbox->data_version = oxp_db_ask(db, "PRAGMA data_version");
        int64_t last_id = oxp_db_ask(db, "SELECT seq FROM sqlite_sequence WHERE name = 'message'");
        outbox->last_id = last_id > outbox->last_id ? last_id : outbox->last_id;
        status = db->status;
        oxp_error_set(error, status, 0, 0, "%s", db->error.text);
    }
    if (opened_out != NULL) {
        *opened_out = opened;
    }
    return status;
}

/* ---- The outbox ---- */

static enum oxp_status make(const struct oxp_outbox_options *options, struct oxp_outbox **outbox_out) {
    struct oxp_outbox *outbox = calloc(1, sizeof(struct oxp_outbox));
    if (outbox == NULL) {
        return OXP_ERR_NOMEM;
    }
    if (options->directory != NULL && (outbox->directory = strdup(options->directory)) == NULL) {
        free(outbox);
        return OXP_ERR_NOMEM;
    }
    pthread_mutex_init(&outbox->lock, NULL);
    oxp_arena_init(&outbox->scratch, 0);
    outbox->options = *options;
    struct oxp_outbox_options *own = &outbox->options;
    own->directory = outbox->directory;
    own->rows_max = own->rows_max == 0 ? ROWS_MAX : own->rows_max;
    own->bytes_max = own->bytes_max == 0 ? BYTES_MAX : own->bytes_max;
    own->age_max_ms = own->age_max_ms == 0 ? AGE_MAX_MS : own->age_max_ms;
    own->history_ms = own->history_ms == 0 ? HISTORY_MS : own->history_ms;
    *outbox_out = outbox;
    return OXP_OK;
}

/* What was claimed when the process ended waits again. */
static enum oxp_status recover(struct oxp_outbox *outbox, int64_t now_ms, struct oxp_error *error) {
    enum oxp_status status = oxp_outbox_enter(outbox, false, error);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_outbox_message message = {.id = 0};
    while (oxp_outbox_find(outbox, OXP_DB_CLAIMED, OXP_DB_VALUES(OXP_DB_NUMBER(message.id)), &message)) {
        message.answer = OXP_VIEW("the process ended while it was being sent");
        oxp_outbox_let_wait(outbox, &message, now_ms);
    }
    oxp_outbox_undo_future(outbox, now_ms);
    oxp_outbox_bound(outbox, now_ms);
    oxp_outbox_at_point(outbox, "recover");
    return oxp_outbox_leave(outbox, false, error);
}

/* The codes that the header promises for an opening. */
static enum oxp_status as_promised(enum oxp_status status) {
    switch (status) {
    case OXP_OK:
    case OXP_ERR_NOMEM:
    case OXP_ERR_UNSUPPORTED:
    case OXP_ERR_NOT_FOUND:
        return status;
    default:
        return OXP_ERR_IO;
    }
}

enum oxp_status oxp_outbox_open(const struct oxp_outbox_options *options, int64_t now_ms,
                                struct oxp_outbox **outbox_out, enum oxp_outbox_opened *opened_out,
                                struct oxp_error *error) {
    enum oxp_outbox_opened opened = OXP_OUTBOX_NEW;
    struct oxp_outbox *outbox = NULL;
    enum oxp_status status = make(options, &outbox);
    if (status != OXP_OK) {
        return oxp_error_set(error, status, 0, 0, "out of memory");
    }
    /* twice: what the look at the opening did not see may show in the first transaction */
    for (int i = 0; i < 2; i++) {
        enum oxp_outbox_opened last = OXP_OUTBOX_NEW;
        status = oxp_outbox_open_file(outbox, true, &last, error);
        opened = opened == OXP_OUTBOX_FRESH ? opened : last;
        if (status == OXP_OK) {
            outbox->recount = true;
            status = recover(outbox, now_ms, error);
        }
        if (status == OXP_OK || !outbox->db.damaged) {
            break;
        }
        oxp_db_close(&outbox->db);
        outbox->damages = DAMAGES_MAX;
    }
    if (status != OXP_OK) {
        oxp_outbox_close(outbox);
        return status == OXP_ERR_NOT_FOUND ? OXP_ERR_IO : as_promised(status);
    }
    *outbox_out = outbox;
    if (opened_out != NULL) {
        *opened_out = opened;
    }
    return OXP_OK;
}

enum oxp_status oxp_outbox_visit(const char *directory, struct oxp_outbox **outbox_out, struct oxp_error *error) {
    struct oxp_outbox *outbox = NULL;
    const struct oxp_outbox_options options = {.directory = directory};
    enum oxp_status status = make(&options, &outbox);
    if (status != OXP_OK) {
        return oxp_error_set(error, status, 0, 0, "out of memory");
    }
    outbox->visiting = true;
    status = oxp_outbox_open_file(outbox, false, NULL, error);
    if (status == OXP_OK && (status = oxp_outbox_enter(outbox, true, error)) == OXP_OK) {
        oxp_outbox_recount(outbox);
        status = oxp_outbox_leave(outbox, true, error);
    }
    if (status != OXP_OK) {
        oxp_outbox_close(outbox);
        return as_promised(status);
    }
    *outbox_out = outbox;
    return OXP_OK;
}

void oxp_outbox_close(struct oxp_outbox *outbox) {
    if (outbox == NULL) {
        return;
    }
    oxp_db_close(&outbox->db);
    for (size_t i = 0; i < outbox->tally_count; i++) {
        free(outbox->tallies[i].integration);
    }
    free(outbox->tallies);
    oxp_arena_fini(&outbox->scratch);
    pthread_mutex_destroy(&outbox->lock);
    free(outbox->directory);
    free(outbox);
}
