/* What the ledger holds, and what its parts share. Internal to this folder; everything is owned by the loop thread.
 *
 * Three times: `wall` is unix seconds; `mono` is the monotonic clock; `patience` is monotonic time that stands still
 * while this process does not run (a gap between ticks counts OXP_PATIENCE_GAP_S at most), so that a sidecar that was
 * stopped for minutes does not take everybody for dead before it has read what they sent. Graces, liveness, idle and
 * stall limits go by patience, provider time-outs and open time by mono, what is shown and observed by wall. */
#ifndef OXP_LEDGER_STATE_H
#define OXP_LEDGER_STATE_H

#include "exporter/ledger/closed.h"
#include "exporter/ledger/heap.h"
#include "exporter/ledger/journal.h"
#include "exporter/ledger/ledger.h"
#include "exporter/ledger/list.h"
#include "exporter/ledger/numbers.h"
#include "lib/base/buf.h"

#define OXP_PATIENCE_GAP_S 5.0
#define OXP_SEQ_WINDOW 1024
#define OXP_ID_SIZE 129   /* an id of 128 bytes and its NUL */
#define OXP_NAME_SIZE 65  /* a name of 64 bytes and its NUL */
#define OXP_PAIR_SIZE 260 /* two of them and a separator */
#define OXP_IDENTITIES_MAX 1024
#define OXP_PENDING_MAX 10000
#define OXP_RUNS_MAX 10000
#define OXP_BACKOFFS_MAX 10000
#define OXP_BREAKERS_MAX 256
#define OXP_DEGRADED_MAX 256
#define OXP_INCIDENTS_MAX 10000       /* open */
#define OXP_INCIDENTS_REMEMBERED 1000 /* closed */
#define OXP_EXEMPLAR_MARKS 512

/* One life of one process: writer and boot. `nobody` (no name) stands for those who own nothing. */
struct oxp_identity {
    struct oxp_link all; /* in ledger->identities, newest last */
    struct oxp_link sessions, tasks, pendings, runs, breakers, backoffs, incidents,
        degraded;            /* owned; those of nobody: least recently touched first */
    struct oxp_usage *usage; /* owned; what it said of its process; NULL = nothing yet */
    char key[OXP_PAIR_SIZE]; /* writer, NUL, boot */
    size_t key_len;
    char writer[OXP_NAME_SIZE], boot[OXP_NAME_SIZE];
    char version[OXP_NAME_SIZE], environment[OXP_NAME_SIZE], sdk[OXP_NAME_SIZE];
    double started_s, last_event_s; /* wall */
    double gone_s;                  /* wall, when the last connection ended; NaN while connected or never */
    double seen_at;                 /* patience, of the last event */
    double gone_at;                 /* patience, as gone_s */
    double await_until;             /* patience; restored, and its owner may come back until then; else NaN */
    unsigned connections;
    size_t refs;         /* orphans that name it as their last owner */
    bool announced;      /* said orchestrator.started over a connection */
    bool stopping, dead; /* dead: what it owned has been swept */
    bool alive;          /* holds orchestrator_up at 1 */
    uint64_t serial;     /* order of first sight */
    bool restored;       /* known from the journal: it was heard before this sidecar began */
    bool heard_before;   /* so, or it said so itself: what it counted until then is not ours to count */
    bool recovers;       /* says recovery itself: no incidents are derived from its errors */
    bool seq_known;
    uint64_t last_seq, lost; /* while seq is not known: the least that the last one can be */
    uint64_t seq_seen[OXP_SEQ_WINDOW / 64];
};

struct oxp_connection {
    uint64_t id; /* the map's key */
    struct oxp_identity *who;
};

struct oxp_session {
    struct oxp_link owned; /* in its owner's list, or in ledger->orphans */
    struct oxp_link all;   /* in ledger->all_sessions, in order of opening */
    struct oxp_heap_node oldest, expiry;
    struct oxp_identity *owner; /* of an orphan: the last one */
    enum oxp_session_state state;
    bool orphaned, must_restore;
    signed char keep_alive; /* -1 unknown */
    unsigned region;
    double started_s, last_s; /* wall */
    double timeout_s;         /* NaN = unknown */
    double disconnected_s;    /* wall; NaN while connected */
    double orphaned_at;       /* patience; of an orphan: since when */
    double release_at;        /* patience; an orphan may be released from then on */
    unsigned absent;          /* complete answers of the provider in a row that did not have it */
    uint64_t listed;          /* the last answer that had it */
    double captcha_s;         /* wall, a solver began; NaN = none */
    double touched;           /* patience */
    size_t id_len;
    char id[OXP_ID_SIZE], region_text[OXP_NAME_SIZE], workflow[OXP_NAME_SIZE], trace_id[OXP_NAME_SIZE];
};

/* A creation under way: known by the client's reference. */
struct oxp_pending {
    struct oxp_link owned;
    struct oxp_identity *owner;
    double since_s;
    double touched;
    size_t key_len;
    char key[OXP_PAIR_SIZE]; /* writer, NUL, ref */
};

enum oxp_task_state { OXP_TASK_QUEUED, OXP_TASK_RUNNING };

struct oxp_task {
    struct oxp_link owned;
    struct oxp_link all;
    struct oxp_link running; /* in ledger->running or ledger->stalled, least recently touched first */
    struct oxp_heap_node queued;
    struct oxp_identity *owner;
    struct oxp_open_value *flow;
    enum oxp_task_state state;
    bool stalled;
    unsigned priority, attempt;
    double queued_s, started_s; /* wall; NaN = unknown */
    double last_s, touched, progress;
    struct oxp_incident *incident; /* derived from its errors; NULL = none */
    size_t id_len;
    char id[OXP_ID_SIZE], workflow[OXP_NAME_SIZE], session[OXP_ID_SIZE], trace_id[OXP_NAME_SIZE];
};

struct oxp_run {
    struct oxp_link owned;
    struct oxp_identity *owner;
    struct oxp_open_value *flow;
    double started_s, last_s;
    bool named; /* has a run id of its own */
    size_t key_len;
    char key[OXP_PAIR_SIZE]; /* workflow, NUL, run */
};

struct oxp_breaker {
    struct oxp_link owned;
    struct oxp_link all;
    struct oxp_identity *owner;
    struct oxp_open_value *value; /* shared "other" past the bound */
    enum oxp_breaker_state state;
    double since_s, last_s; /* wall */
    double counted_at;      /* mono: open time before this is counted */
    double open_total_s;
    double touched;
    uint64_t failures;
    size_t name_len;
    char name[OXP_NAME_SIZE], cause[16];
};

struct oxp_backoff {
    struct oxp_link owned;
    struct oxp_heap_node until; /* mono */
    struct oxp_identity *owner;
    size_t key_len;
    char key[OXP_PAIR_SIZE]; /* op, NUL, task or session */
};

/* A failure that is not resolved yet; closed, it is shown for a while. */
struct oxp_incident {
    struct oxp_link owned; /* in its owner's list; closed: in none */
    struct oxp_link all;   /* in ledger->open_incidents or closed_incidents, oldest first */
    struct oxp_identity *owner;
    struct oxp_task *of;                   /* derived from errors of this task; else NULL */
    unsigned severity, action, automation; /* places in their closed sets; action and automation: as far as known */
    unsigned levels;                       /* one bit for each level that it was escalated to */
    bool closed, derived;
    unsigned outcome;                  /* closed */
    double opened_s, closed_s, last_s; /* wall */
    double touched;                    /* patience */
    size_t id_len;
    char id[OXP_ID_SIZE + 8], task[OXP_ID_SIZE], session[OXP_ID_SIZE]; /* derived: "task:" and its id */
    char code[OXP_NAME_SIZE], category[OXP_NAME_SIZE], component[OXP_NAME_SIZE], workflow[OXP_NAME_SIZE];
    char trace_id[OXP_NAME_SIZE], writer[OXP_NAME_SIZE], boot[OXP_NAME_SIZE], reason[OXP_NAME_SIZE];
};

/* A component that runs in reduced mode. */
struct oxp_degraded {
    struct oxp_link owned;
    struct oxp_link all;
    struct oxp_identity *owner;
    struct oxp_open_value *value; /* shared "other" past the bound */
    double since_s;               /* wall */
    double touched;               /* patience */
    size_t name_len;
    char name[OXP_NAME_SIZE];
};

struct oxp_queue {
    long derived[OXP_PRIORITIES];  /* tasks that we know as queued */
    long base[OXP_PRIORITIES];     /* what a snapshot said beyond them; may be negative */
    double head_s[OXP_PRIORITIES]; /* wall: the head of a snapshot; NaN = none */
    struct oxp_heap tasks[OXP_PRIORITIES];
    struct oxp_identity *source; /* who sent the snapshot; NULL = nobody */
};

/* Values that belong to nobody, kept over a restart. 0 = unknown. */
struct oxp_loose {
    double limit_announced;  /* sessions_limit, as the orchestrator or a capacity refusal said it last */
    double limit_configured; /* and as the configuration does */
    double create_limit;
    double checkpoint_s;         /* wall: the last good checkpoint */
    double stored, stored_bytes; /* checkpoints that are kept */
    double last_event_s;         /* wall */
    bool limit_is_configured;    /* the configuration was the last to say something new */
};

/* What the provider of sessions said. */
struct oxp_provider_state {
    uint64_t answers; /* how many were taken in */
    double limit;     /* as said last; 0 = never */
    uint64_t *ended;  /* owned: hashes of those that it lists as running and we know as ended */
    size_t ended_count;
};

/* When a series last had an exemplar. */
struct oxp_exemplar_mark {
    const struct oxp_series *series;
    int magnitude;
    double set_s; /* wall */
};

/* What is known of processes and containers (usage.c). The first of them are of one process each. */
enum {
    OXP_USE_CPU_USER,
    OXP_USE_CPU_SYS,
    OXP_USE_READ,
    OXP_USE_WRITE,
    OXP_USE_RSS,
    OXP_USE_FDS,
    OXP_USE_MAX_FDS,
    OXP_USE_THREADS,
    OXP_USE_BUSY,
    OXP_USE_IDLE,
    OXP_USES_OF_PROCESS,
    OXP_USE_CONTAINER_CPU = OXP_USES_OF_PROCESS,
    OXP_USE_THROTTLED,
    OXP_USE_OOM_KILLS,
    OXP_USE_PRESSURE,
    OXP_USE_WORKING_SET = OXP_USE_PRESSURE + 6,
    OXP_USE_MEMORY_LIMIT,
    OXP_USE_AVAIL,
    OXP_USES = OXP_USE_AVAIL + 2
};

/* What one process said last. */
struct oxp_usage {
    double last[OXP_USES_OF_PROCESS]; /* NaN = nothing yet */
    double at;                        /* patience */
};

struct oxp_usages {
    size_t reporters;           /* identities (nobody, too) that have an oxp_usage */
    double container[OXP_USES]; /* as said last by container_source; from OXP_USES_OF_PROCESS on */
    const struct oxp_identity *container_source;
    const struct oxp_identity *speaker; /* whose event is being applied: he is alive */
    double container_at;                /* patience */
    double watched[OXP_USES];           /* as seen last by the sidecar itself */
    double watched_until[OXP_USES];     /* patience; until then it wins */
};

struct oxp_ledger {
    struct oxp_ledger_options options;
    char environment[OXP_NAME_SIZE];
    struct oxp_registry *registry;
    struct oxp_numbers numbers;
    double wall_s, mono_s, patience_s; /* as of the last oxp_ledger_now */

    struct oxp_identity nobody;
    struct oxp_link identities;
    size_t identity_count;
    uint64_t next_serial;
    struct oxp_map by_identity, by_connection;
    bool announced;   /* someone with a boot was seen, ever */
    bool planned_end; /* stopped on purpose, nobody since */
    bool probe_known, probe_ok, probe_failed_since_stop;
    double probe_good_at; /* patience, of the last good probe; before the first -INFINITY */
    double lost_at;       /* patience, when the connection of a root writer ended that was lost; -INFINITY */
    double expected_by;   /* patience: end of the start grace; NaN = nobody is expected */
    double last_event_s;
    double event_s; /* wall: the time of the event that is being applied, else 0 */
    double pruned_at;
    bool info_known;
    char info_said[3][OXP_NAME_SIZE]; /* version, environment and sdk, by the root writer that announced itself last */
    char info[3][OXP_NAME_SIZE];      /* shown in orchestrator_info */

    struct oxp_map sessions_by_id;
    struct oxp_link all_sessions, orphans;
    struct oxp_heap oldest, expiry;
    size_t state_counts[OXP_SESSION_STATES], orphan_count;
    struct oxp_map pendings_by_key;

    struct oxp_map tasks_by_id;
    struct oxp_link all_tasks, running, stalled;
    size_t stalled_count;
    struct oxp_queue queue;
    struct oxp_map runs_by_key;

    struct oxp_map breakers_by_name;
    struct oxp_link all_breakers;
    struct oxp_map backoffs_by_key;
    struct oxp_heap backoffs;

    struct oxp_map incidents_by_id;
    struct oxp_link open_incidents, closed_incidents;
    size_t incident_counts[OXP_SEVERITIES], closed_incident_count;
    struct oxp_map degraded_by_name;
    struct oxp_link all_degraded;
    const struct oxp_identity *backlog_source; /* who said how many checkpoints wait; NULL = nobody with a boot */

    struct oxp_usages usages;
    struct oxp_apps *apps; /* owned; app.c; NULL before the first */
    struct oxp_provider_state provider;

    struct oxp_closed closed;

    struct oxp_journal *journal;
    bool journal_ok, replaying;
    bool ended_well;                      /* replaying: the last record is the mark of an orderly end */
    struct oxp_loose loose, loose_stored; /* as it is, and as the journal has it */
    double rewrite_tried_at;              /* patience */
    struct oxp_buf record;                /* the record being built */

    uint64_t clamped;
    double clamp_noted_at;
    struct oxp_exemplar_mark exemplars[OXP_EXEMPLAR_MARKS]; /* by hash; the newer of two in one place stays */
};

/* One event on its way through. */
struct oxp_moment {
    const struct oxp_event *event;
    uint64_t connection;
    enum oxp_source source;
    struct oxp_identity *who;   /* whose event it is, for liveness and losses; NULL = it does not say */
    struct oxp_identity *owner; /* who owns what it opens: an announced connection's identity, or nobody */
    double ts;                  /* wall: the event's time, or now */
    enum oxp_reject reason;
    struct oxp_error *error;
};

/* ---- ledger.c ---- */

/* Reads the clocks into wall_s, mono_s and patience_s. */
void oxp_ledger_now(struct oxp_ledger *ledger);
/* Refuses the event: bad_field, with "<field> "<value>" is not one of …" from the closed set of a family's label. */
enum oxp_status oxp_refuse(struct oxp_moment *moment, enum oxp_field field, enum oxp_metric metric, unsigned label);
/* Refuses the event with words of its own: a format and its arguments. */
#define oxp_refuse_because(moment, why, ...)                                                                           \
    ((moment)->reason = (why), oxp_error_set((moment)->error, OXP_ERR_INVALID, 0, 0, __VA_ARGS__))
/* The event's time for one entity: never before `*last_s`, which becomes it; what went back is counted. */
double oxp_clamp(struct oxp_ledger *ledger, struct oxp_moment *moment, double *last_s);
/* Trace and session of the event, for a series that has just counted or observed `value`: at most one a second for each
 * series and order of magnitude. */
void oxp_exemplar(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_series *series, double value);
/* oxp_histogram_observe and oxp_count with an exemplar. */
void oxp_observe(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_series *series, double value);
void oxp_count_event(struct oxp_ledger *ledger, const struct oxp_moment *moment, struct oxp_series *series);
/* `pairs`: names and values, ended by NULL. */
void oxp_note(struct oxp_ledger *ledger, int level, const char *message, const char *const *pairs);
enum { OXP_NOTE_DEBUG, OXP_NOTE_INFO, OXP_NOTE_WARNING, OXP_NOTE_ERROR }; /* as lib/log/log.h's levels */

/* Copies a view into an array of `size` bytes with its NUL, cut at a character; gives the length. */
size_t oxp_keep(char *to, size_t size, struct oxp_view text);
/* "a", NUL, "b" into `to` (OXP_PAIR_SIZE bytes); gives the length. */
/* The same for a whole number. */
void oxp_keep_number(char *to, size_t size, uint64_t value);
size_t oxp_pair(char *to, struct oxp_view a, struct oxp_view b);

typedef enum oxp_status oxp_handler_fn(struct oxp_ledger *ledger, struct oxp_moment *moment);

#endif
