/* Running and stopping.
 *
 * Stop, in this order: (1) not ready any more; (2) connected writers are read until they close; (3) on SIGTERM, when
 * somebody has been scraping, one more scrape is answered, so that the last values are seen; (4) everything is saved,
 * exit 0. Two and three together take at most --shutdown.grace. SIGINT (a person at a keyboard) leaves out three; a
 * second signal ends both at once. */
#include "exporter/app/app.h"
#include "exporter/app/daemon.h"
#include "exporter/app/storage.h"
#include "exporter/app/watching.h"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define SCRAPED_LATELY_NS (120 * OXP_NS_PER_S)

static double scrapes(const struct oxp_daemon *daemon) {
    struct oxp_family *family = daemon->stats.families[OXP_S_SCRAPES_TOTAL];
    return oxp_series_value(oxp_family_at(family, OXP_VIEW("text")), 0) +
           oxp_series_value(oxp_family_at(family, OXP_VIEW("openmetrics")), 0);
}

static void on_signal(void *ctx, uint32_t events) {
    struct oxp_daemon *daemon = ctx;
    struct signalfd_siginfo info;
    (void)events;
    while (read(daemon->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            struct oxp_error error = {0};
            (void)oxp_daemon_reload(daemon, &error); /* says in the log how it went */
        } else {
            oxp_daemon_stop(daemon, info.ssi_signo == SIGTERM);
        }
    }
}

void oxp_daemon_stop(struct oxp_daemon *daemon, bool wait_for_scrape) {
    struct oxp_mono now = oxp_clock_mono(daemon->clock);
    if (atomic_load(&daemon->phase) == OXP_STOPPING) {
        daemon->no_more_waiting = true;
        return;
    }
    atomic_store(&daemon->phase, OXP_STOPPING);
    oxp_manager_stopping(&daemon->manager);
    oxp_watching_stop(daemon->watching);
    daemon->stop_began = now;
    daemon->stop_deadline.ns = now.ns + (int64_t)(oxp_config_number(&daemon->config, OXP_OPT_SHUTDOWN_GRACE) * 1e9);
    daemon->wait_for_scrape =
        wait_for_scrape && daemon->last_scrape.ns != 0 && now.ns - daemon->last_scrape.ns < SCRAPED_LATELY_NS;
    daemon->scrapes_at_stop = -1;
    oxp_log_info(daemon->log, "stopping",
                 OXP_LOG_NUM("writers", daemon->listener == NULL ? 0 : oxp_listener_connections(daemon->listener)),
                 OXP_LOG_TEXT("waits_for_scrape", daemon->wait_for_scrape ? "true" : "false"));
    oxp_timer_every(daemon->tick, 50);
}

/* True when nothing is worth waiting for any more. */
static bool stopped(struct oxp_daemon *daemon) {
    if (daemon->no_more_waiting || oxp_clock_mono(daemon->clock).ns >= daemon->stop_deadline.ns) {
        return true;
    }
    if (daemon->listener != NULL && oxp_listener_connections(daemon->listener) > 0) {
        return false;
    }
    if (daemon->scrapes_at_stop < 0) {
        daemon->scrapes_at_stop = scrapes(daemon); /* counted from when the last writer had gone */
    }
    return !daemon->wait_for_scrape || scrapes(daemon) > daemon->scrapes_at_stop;
}

void oxp_daemon_tick(void *ctx) {
    struct oxp_daemon *daemon = ctx;
    oxp_ledger_tick(daemon->ledger);
    oxp_storage_tick(daemon);
    oxp_manager_tick(&daemon->manager);
    /* One tick longer: who is back says first what he has. */
    bool awaited = oxp_ledger_awaits_owners(daemon->ledger);
    atomic_store(&daemon->owners_awaited, awaited || daemon->awaited_last);
    daemon->awaited_last = awaited;
    oxp_recent_tick(daemon->recent, oxp_wall_seconds(oxp_clock_wall(daemon->clock)));
    double seen = scrapes(daemon);
    if (seen != daemon->scrapes_seen) {
        daemon->scrapes_seen = seen;
        daemon->last_scrape = oxp_clock_mono(daemon->clock);
    }
    struct oxp_family **families = daemon->stats.families;
    oxp_gauge_set(oxp_family_only(families[OXP_S_STORAGE_PERSISTENT]), oxp_storage_is_persistent(daemon));
    uint64_t failures = oxp_ledger_storage_failures(daemon->ledger);
    oxp_counter_add(oxp_counter(oxp_family_only(families[OXP_S_STORAGE_FAILURES_TOTAL])),
                    failures - daemon->storage_failures);
    daemon->storage_failures = failures;
    oxp_gauge_set(oxp_family_only(families[OXP_S_CONNECTIONS]),
                  daemon->listener == NULL ? 0 : (double)oxp_listener_connections(daemon->listener));
    if (atomic_load(&daemon->phase) == OXP_STOPPING && stopped(daemon)) {
        oxp_loop_stop(daemon->loop);
    }
}

int oxp_daemon_run(struct oxp_daemon *daemon) {
    if (oxp_loop_watch(daemon->loop, daemon->signals, EPOLLIN, on_signal, daemon, &daemon->signal_watch) != OXP_OK) {
        oxp_log_error(daemon->log, "cannot watch for signals", OXP_LOG_TEXT("error", "epoll"));
        return 1;
    }
    oxp_daemon_tick(daemon);
    oxp_timer_every(daemon->tick, 1000);
    atomic_store(&daemon->phase, OXP_READY);
    oxp_log_info(daemon->log, "ready", OXP_LOG_TEXT("version", OXP_VERSION));
    daemon->manager = (struct oxp_manager){.address = getenv("NOTIFY_SOCKET"), .log = daemon->log};
    oxp_manager_ready(&daemon->manager, "");
    return oxp_loop_run(daemon->loop) == OXP_OK ? 0 : 1;
}

/* The library's heap raises its thresholds with every large block that is freed, up to 64 MiB for each thread's heap,
 * and then keeps what a query has used. Fixed thresholds give it back: large blocks are mapped for themselves, and the
 * free end of a heap is not kept. */
static void give_memory_back(void) {
    (void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, 128 * 1024);
}

int oxp_command_run(int argc, char **argv) {
    struct oxp_daemon *daemon = NULL;
    struct oxp_error error = {0};
    struct oxp_config_source source = {.argc = argc, .argv = argv, .environment = environ};
    give_memory_back();
    if (oxp_daemon_new(&source, &daemon, &error) != OXP_OK) {
        fprintf(stderr, "oxpecker: %s\n", error.text);
        return 1;
    }
    int status = oxp_daemon_run(daemon);
    oxp_daemon_free(daemon, status == 0);
    return status;
}
