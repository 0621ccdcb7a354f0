/* Values as files.
 *
 * A write goes to a new file beside its target, is synced, renamed over it, and the folder is synced: after a crash at
 * any point the name stands for the old bytes or the new ones, and never for a part (rename(2); fsync(2) has why the
 * folder needs its own).
 *
 * What a crash leaves is a file under a temporary name. A later start may remove it, but only when nobody is writing
 * it: several processes, in several containers, may share a folder, so process ids say nothing. A writer holds a lock
 * (flock) on its file, which the kernel drops when it dies; what can be locked is nobody's. Between making its file and
 * locking it a writer can lose it to such a cleaning; it then finds its name gone and begins again. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <oxpecker/checkpoint.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMP_START ".oxp-"
#define TEMP_END ".tmp"
#define TEMP_SIZE 64
#define TRIES 8 /* for a name that is free and stays ours */

struct files {
    struct oxp_store store;
    int dir; /* descriptor of the folder */
    unsigned mode;
    atomic_uint count;
};

static struct files *files_of(struct oxp_store *store) {
    return (struct files *)store;
}

static enum oxp_status fault(struct oxp_error *error, const char *what, const char *name) {
    int reason = errno;
    enum oxp_status status = oxp_status_from_errno(reason);
    errno = reason; /* for %m */
    return oxp_error_set(error, status == OXP_OK ? OXP_ERR_IO : status, 0, 0, "%s %s: %m", what, name);
}

static enum oxp_status bad_key(struct oxp_error *error) {
    return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "not a key of a store");
}

/* ---- Writing ---- */

static bool write_all(int fd, struct oxp_view value) {
    while (value.len > 0) {
        ssize_t n = write(fd, value.ptr, value.len);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n == 0) {
            errno = EIO;
            return false;
        }
        size_t done = n < 0 ? 0 : (size_t)n;
        value = oxp_view_of(value.ptr + done, value.len - done);
    }
    return true;
}

static bool sync_whole(int fd) {
    int result;
    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    return result == 0;
}

/* A new locked file; -1 with errno. */
static int open_temp(struct files *files, char name[TEMP_SIZE]) {
    for (int i = 0; i < TRIES; i++) {
        snprintf(name, TEMP_SIZE, TEMP_START "%ld-%u" TEMP_END, (long)getpid(), atomic_fetch_add(&files->count, 1));
        int fd = openat(files->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, (mode_t)files->mode);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return fd;
        }
        int reason = errno;
        if (fd >= 0) {
            close(fd); /* a cleaner has it, or the file system has no locks, and then no cleaner has either */
            unlinkat(files->dir, name, 0);
        }
        if (fd < 0 && reason != EEXIST) {
            errno = reason;
            return -1;
        }
    }
    errno = EBUSY;
    return -1;
}

/* OXP_ERR_NOT_FOUND when a cleaner took the file. */
static enum oxp_status put_once(struct files *files, const char *key, struct oxp_view value, struct oxp_error *error) {
    char name[TEMP_SIZE];
    int fd = open_temp(files, name);
    if (fd < 0) {
        return fault(error, "making a file for", key);
    }
    enum oxp_status status = OXP_OK;
    if (!write_all(fd, value)) {
        status = fault(error, "writing", key);
    } else if (!sync_whole(fd)) {
        status = fault(error, "syncing", key);
    } else if (renameat(files->dir, name, files->dir, key) != 0) {
        status = fault(error, "renaming", key);
    }
    if (status != OXP_OK) {
        unlinkat(files->dir, name, 0);
        close(fd);
        return status;
    }
    close(fd); /* nothing is left to fail: it was synced */
    return sync_whole(files->dir) ? OXP_OK : fault(error, "syncing the folder of", key);
}

static enum oxp_status files_put(struct oxp_store *store, const char *key, struct oxp_view value,
                                 struct oxp_error *error) {
    if (!oxp_store_key_is_valid(key)) {
        return bad_key(error);
    }
    enum oxp_status status = OXP_ERR_NOT_FOUND;
    for (int i = 0; i < TRIES && status == OXP_ERR_NOT_FOUND; i++) {
        status = put_once(files_of(store), key, value, error);
    }
    return status;
}

/* ---- Reading ---- */

static enum oxp_status read_all(int fd, size_t max_bytes, char **value_out, size_t *len_out) {
    struct stat found;
    if (fstat(fd, &found) != 0) {
        return oxp_status_from_errno(errno);
    }
    if (!S_ISREG(found.st_mode)) {
        return OXP_ERR_CORRUPT;
    }
    if (found.st_size < 0 || (uint64_t)found.st_size > max_bytes) {
        return OXP_ERR_LIMIT;
    }
    size_t size = (size_t)found.st_size, len = 0;
    char *value = malloc(size + 1);
    if (value == NULL) {
        return OXP_ERR_NOMEM;
    }
    while (len < size) {
        ssize_t n = read(fd, value + len, size - len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            enum oxp_status status = oxp_status_from_errno(errno);
            free(value);
            return status;
        }
        if (n == 0) {
            break; /* somebody cut it meanwhile */
        }
        len += (size_t)n;
    }
    value[len] = '\0';
    *value_out = value;
    *len_out = len;
    return OXP_OK;
}

static enum oxp_status files_get(struct oxp_store *store, const char *key, size_t max_bytes, char **value_out,
                                 size_t *len_out, struct oxp_error *error) {
    if (!oxp_store_key_is_valid(key)) {
        return bad_key(error);
    }
    /* Not blocking: a fifo of that name would wait for a writer. */
    int fd = openat(files_of(store)->dir, key, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return fault(error, "opening", key);
    }
    enum oxp_status status = read_all(fd, max_bytes, value_out, len_out);
    close(fd);
    return status == OXP_OK ? OXP_OK
                            : oxp_error_set(error, status, 0, 0, "reading %s: %s", key, oxp_status_text(status));
}

static enum oxp_status files_remove(struct oxp_store *store, const char *key, struct oxp_error *error) {
    struct files *files = files_of(store);
    if (!oxp_store_key_is_valid(key)) {
        return bad_key(error);
    }
    if (unlinkat(files->dir, key, 0) != 0) {
        return errno == ENOENT ? OXP_OK : fault(error, "removing", key);
    }
    return sync_whole(files->dir) ? OXP_OK : fault(error, "syncing the folder of", key);
}

/* ---- Listing ---- */

/* The folder opened once more: a listing has a place of its own in it. */
static DIR *open_listing(const struct files *files) {
    int fd = openat(files->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (listing == NULL && fd >= 0) {
        int reason = errno;
        close(fd);
        errno = reason;
    }
    return listing;
}

static enum oxp_status files_list(struct oxp_store *store, const char *prefix,
                                  bool (*each)(void *ctx, const struct oxp_store_entry *entry), void *ctx,
                                  struct oxp_error *error) {
    const struct files *files = files_of(store);
    DIR *listing = open_listing(files);
    if (listing == NULL) {
        return fault(error, "listing", "the folder");
    }
    enum oxp_status status = OXP_OK;
    bool more = true;
    while (more) {
        errno = 0;
        const struct dirent *entry = readdir(listing);
        if (entry == NULL) {
            status = errno == 0 ? OXP_OK : fault(error, "listing", "the folder");
            break;
        }
        struct stat found;
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || !oxp_store_key_is_valid(entry->d_name) ||
            fstatat(files->dir, entry->d_name, &found, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(found.st_mode)) {
            continue;
        }
        double time_s = (double)found.st_mtim.tv_sec + (double)found.st_mtim.tv_nsec / 1e9;
        more = each(ctx, &(struct oxp_store_entry){entry->d_name, (uint64_t)found.st_size, time_s});
    }
    closedir(listing);
    return status;
}

/* ---- Opening ---- */

static bool is_temp(const char *name) {
    size_t len = strlen(name), start = sizeof TEMP_START - 1, end = sizeof TEMP_END - 1;
    return len > start + end && strncmp(name, TEMP_START, start) == 0 && strcmp(name + len - end, TEMP_END) == 0;
}

/* As far as it can: a folder that may only be read is still good for loading. */
static void remove_leftovers(const struct files *files) {
    DIR *listing = open_listing(files);
    const struct dirent *entry;
    while (listing != NULL && (entry = readdir(listing)) != NULL) {
        if (!is_temp(entry->d_name)) {
            continue;
        }
        int fd = openat(files->dir, entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd >= 0) {
            if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
                unlinkat(files->dir, entry->d_name, 0);
            }
            close(fd);
        }
    }
    if (listing != NULL) {
        closedir(listing);
    }
}

static void files_free(struct oxp_store *store) {
    close(files_of(store)->dir);
    free(store);
}

enum oxp_status oxp_store_files_new(const char *directory, const struct oxp_store_files_options *options,
                                    struct oxp_store **store_out, struct oxp_error *error) {
    if (directory == NULL || directory[0] == '\0') {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "no folder was named");
    }
    struct files *files = calloc(1, sizeof *files);
    if (files == NULL) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    files->store = (struct oxp_store){files_put, files_get, files_remove, files_list, files_free};
    files->mode = options == NULL || options->mode == 0 ? 0600 : options->mode;
    if (mkdir(directory, 0700) != 0 && errno != EEXIST && errno != EROFS) {
        enum oxp_status status = fault(error, "making the folder", directory);
        free(files);
        return status;
    }
    files->dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (files->dir < 0) {
        enum oxp_status status = fault(error, "opening the folder", directory);
        free(files);
        return status;
    }
    remove_leftovers(files);
    *store_out = &files->store;
    return OXP_OK;
}
