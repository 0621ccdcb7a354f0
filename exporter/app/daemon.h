/* The daemon: every part of the sidecar, wired. Built and torn down by daemon.c, driven by run.c, changed by reload.c.
 */
#ifndef OXP_APP_DAEMON_H
#define OXP_APP_DAEMON_H

#include "exporter/api/api.h"
#include "exporter/app/manager.h"
#include "exporter/config/config.h"
#include "exporter/listen/listen.h"
#include "exporter/watch/health.h"

#define OXP_DROP_NOTES 256
#define OXP_DAEMON_ADDRESS_MAX 300

enum oxp_phase { OXP_STARTING, OXP_READY, OXP_STOPPING };

struct oxp_deliveries;
struct oxp_ruling;
struct oxp_sampling;
struct oxp_watching;

struct oxp_daemon {
    const struct oxp_clock *clock;
    struct oxp_config_source source; /* where the configuration came from, and is read from again */
    struct oxp_config config;        /* loop thread */
    struct oxp_log *log;
    struct oxp_registry *registry;
    struct oxp_selfstats stats;
    struct oxp_counter dropped, lost, clamped;
    struct oxp_counter log_lines[OXP_LOG_LEVELS];
    struct oxp_ledger *ledger; /* loop thread */
    struct oxp_loop *loop;
    struct oxp_timer *tick;
    struct oxp_recent *recent; /* traces and logs: fed by the loop, read by any */
    struct oxp_intake *intake; /* loop thread */
    struct oxp_listener *listener;
    struct oxp_tsdb *tsdb; /* written by the sampling thread, read by any */
    struct oxp_exemplars_store *exemplars;
    struct oxp_promql_engine *engine;
    struct oxp_ruling *ruling;         /* ruling.h */
    struct oxp_deliveries *deliveries; /* delivery.h */
    struct oxp_sampling *sampling;     /* sampling.h */
    struct oxp_route *routes;
    struct oxp_api api;
    struct oxp_server *server;
    struct oxp_http *http; /* the probe's */
    struct oxp_health_probe *probe;
    struct oxp_watching *watching; /* watching.h */
    int signals;                   /* signalfd, or -1 */
    struct oxp_watch *signal_watch;
    struct oxp_manager manager;    /* of services, where one started us; loop thread */
    _Atomic int phase;             /* enum oxp_phase */
    _Atomic int storage;           /* enum oxp_storage */
    struct oxp_mono storage_tried; /* while it is awaited; loop thread */
    struct oxp_error storage_said; /* in the log; loop thread */
    _Atomic bool outbox_stands_in; /* in memory, in place of that on the disk */
    _Atomic bool sampled;          /* the short memory has a sample of this run */
    _Atomic bool owners_awaited;   /* what the ledger restored waits for its owners, or did a second ago */
    bool awaited_last;             /* … at the last tick; loop thread */
    _Atomic int probe_healthy;     /* what the probe saw last; read by the loop */
    int64_t refusal_noted;         /* monotonic ns of the last line about a refused connection; loop thread */
    uint64_t storage_failures;     /* counted so far; loop thread */
    _Atomic int64_t drop_notes[OXP_DROP_NOTES]; /* by family: monotonic ns of the last line about it */
    /* stopping (loop thread) */
    struct oxp_mono stop_began, stop_deadline;
    struct oxp_mono last_scrape; /* 0 = none yet */
    double scrapes_seen, scrapes_at_stop;
    bool wait_for_scrape;
    bool no_more_waiting; /* a second signal */
};

/* Builds everything up to bound sockets, from the flags in `source` (whose arrays must outlive the daemon). On failure
 * `error` says what and where, and nothing is left behind. */
enum oxp_status oxp_daemon_new(const struct oxp_config_source *source, struct oxp_daemon **daemon_out,
                               struct oxp_error *error);
/* Stops the threads, saves what is to be saved after a clean end, frees everything. NULL is allowed. */
void oxp_daemon_free(struct oxp_daemon *daemon, bool clean);
/* Runs until told to stop, gracefully. Gives the exit status. */
int oxp_daemon_run(struct oxp_daemon *daemon);
/* Starts to stop: waits for connected writers, and when `wait_for_scrape` for one more scrape, within the grace. Loop
 * thread. */
void oxp_daemon_stop(struct oxp_daemon *daemon, bool wait_for_scrape);
/* Once a second, and while stopping ten times: everything that depends on time. Loop thread. */
void oxp_daemon_tick(void *daemon);

/* Reads the configuration again. A faulty one changes nothing, `error` says what is wrong with it. Loop thread. */
enum oxp_status oxp_daemon_reload(struct oxp_daemon *daemon, struct oxp_error *error);
/* The same from any other thread, which waits. */
enum oxp_status oxp_daemon_reload_from_outside(void *daemon, struct oxp_error *error);
/* The parts of the configuration that other modules keep copies of. */
void oxp_daemon_ledger_options(struct oxp_daemon *daemon, const struct oxp_config *config,
                               struct oxp_ledger_options *options_out);
enum oxp_status oxp_daemon_start_probe(struct oxp_daemon *daemon, const struct oxp_config *config,
                                       struct oxp_error *error);
void oxp_daemon_stop_probe(struct oxp_daemon *daemon);
/* HOST:PORT: the host's name and the port that HTTP is served at. Any thread, once the server was made. */
void oxp_daemon_address(const struct oxp_daemon *daemon, char out[OXP_DAEMON_ADDRESS_MAX]);
/* A line for the log; `level` as lib/log numbers them, `fields` as name, value pairs ended by NULL. Any thread. */
void oxp_daemon_note(struct oxp_daemon *daemon, int level, const char *message, const char *const *fields);
/* The exit text of an error: "flag --x: …", "file.yml:3:5: …". `line` 0 leaves the place out. */
void oxp_daemon_log_error(struct oxp_log *log, const char *message, const struct oxp_error *error);

#endif
