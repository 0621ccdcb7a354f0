#include "exporter/app/storage.h"

#include "exporter/app/saved.h"
#include "lib/base/file.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#define RETRY_NS (2 * OXP_NS_PER_S)

static const char *directory_of(const struct oxp_daemon *daemon) {
    return oxp_config_text(&daemon->config, OXP_OPT_STORAGE_PATH);
}

bool oxp_storage_is_ready(const struct oxp_daemon *daemon) {
    return atomic_load(&daemon->storage) == OXP_STORAGE_READY;
}

bool oxp_storage_is_persistent(const struct oxp_daemon *daemon) {
    return oxp_storage_is_ready(daemon) && oxp_ledger_persistent(daemon->ledger) &&
           !atomic_load(&daemon->outbox_stands_in);
}

/* The directory itself, not those above it: a misspelt path is no reason to make a tree. What fails shows when the
 * directory is opened. */
static void make_directory(const struct oxp_daemon *daemon, const char *directory) {
    if (mkdir(directory, 0700) == 0) {
        oxp_log_info(daemon->log, "made the directory of --storage.path", OXP_LOG_TEXT("directory", directory));
    }
}

/* Loop thread, or before it. Once in the log for each reason. */
static void say_awaited(struct oxp_daemon *daemon, const struct oxp_error *error) {
    struct oxp_family *failures = daemon->stats.families[OXP_S_STORAGE_FAILURES_TOTAL];
    oxp_counter_add(oxp_counter(oxp_family_only(failures)), 1);
    if (strcmp(daemon->storage_said.text, error->text) != 0) {
        daemon->storage_said = *error;
        oxp_daemon_log_error(daemon->log,
                             "--storage.path cannot be used: all state is in memory and a restart forgets it, until it "
                             "can be; it is tried again every 2 s",
                             error);
    }
}

/* ---- At the start ---- */

static void restore_counters(struct oxp_daemon *daemon, const char *directory) {
    struct oxp_error error = {0};
    size_t restored = 0;
    enum oxp_status status = oxp_saved_read(daemon->registry, directory, &restored, &error);
    if (status < 0) {
        oxp_daemon_log_error(daemon->log, "saved counters were not restored; they start at 0", &error);
    } else if (status == OXP_OK) {
        oxp_log_info(daemon->log, "restored counters and histograms of the last run", OXP_LOG_NUM("series", restored));
    }
}

enum oxp_status oxp_storage_begin(struct oxp_daemon *daemon, struct oxp_error *error) {
    const char *directory = directory_of(daemon);
    if (directory[0] == '\0') {
        oxp_log_warning(daemon->log, "no --storage.path: all state is in memory and a restart forgets it",
                        OXP_LOG_NUM("persistent", 0));
        return OXP_OK;
    }
    make_directory(daemon, directory);
    /* First the journal: it takes the directory's lock. */
    enum oxp_status status = oxp_ledger_open(daemon->ledger, directory, error);
    if (status == OXP_ERR_IN_USE || status == OXP_ERR_INVALID || status == OXP_ERR_NOMEM) {
        return status;
    }
    if (status == OXP_OK) {
        atomic_store(&daemon->storage, OXP_STORAGE_READY);
        restore_counters(daemon, directory);
    } else {
        atomic_store(&daemon->storage, OXP_STORAGE_AWAITED);
        daemon->storage_tried = oxp_clock_mono(daemon->clock);
        say_awaited(daemon, error);
    }
    error->text[0] = '\0';
    return OXP_OK;
}

/* ---- Later ---- */

/* False when it is there and stays. */
static bool set_aside_late(struct oxp_daemon *daemon, const char *name, struct oxp_error *error) {
    char path[OXP_PATH_MAX], late[OXP_PATH_MAX + 32];
    int64_t when = oxp_clock_wall(daemon->clock).ns / OXP_NS_PER_S;
    struct stat info;
    if (oxp_file_path(path, directory_of(daemon), name, error) != OXP_OK) {
        return false;
    }
    do {
        snprintf(late, sizeof late, "%s.late-%lld", path, (long long)when++);
    } while (lstat(late, &info) == 0);
    if (rename(path, late) == 0) {
        oxp_log_warning(daemon->log, "state of a former run was found late: it was set aside and is not used",
                        OXP_LOG_TEXT("file", late));
        return true;
    }
    return errno == ENOENT || (oxp_file_failure(error, path, "set aside"), false);
}

/* With the directory's lock held. */
static bool take_over(struct oxp_daemon *daemon, struct oxp_error *error) {
    static const char *const names[] = {"metrics.saved", "samples.saved", "alerts.saved"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!set_aside_late(daemon, names[i], error)) {
            return false;
        }
    }
    return true;
}

void oxp_storage_tick(struct oxp_daemon *daemon) {
    struct oxp_error error = {0};
    struct oxp_mono now = oxp_clock_mono(daemon->clock);
    if (atomic_load(&daemon->storage) != OXP_STORAGE_AWAITED || now.ns - daemon->storage_tried.ns < RETRY_NS) {
        return;
    }
    daemon->storage_tried = now;
    make_directory(daemon, directory_of(daemon));
    if (oxp_ledger_open_late(daemon->ledger, directory_of(daemon), &error) != OXP_OK || !take_over(daemon, &error)) {
        say_awaited(daemon, &error);
        return;
    }
    daemon->storage_said.text[0] = '\0';
    atomic_store(&daemon->storage, OXP_STORAGE_READY);
    oxp_log_info(daemon->log, "--storage.path can be used now: state is kept there",
                 OXP_LOG_TEXT("directory", directory_of(daemon)));
}
