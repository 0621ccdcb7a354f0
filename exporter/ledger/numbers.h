/* Handles: every series that an event can move, found once and kept, so that an event costs an atomic add and no
 * rendering of labels.
 *
 * Families whose labels are all closed are resolved when the ledger is made: cells[metric] holds every combination, the
 * last label counting fastest. Families with an open label (workflow, breaker, model, component) are resolved for all
 * their closed siblings at once when a value is first seen. Owned by the loop thread. */
#ifndef OXP_LEDGER_NUMBERS_H
#define OXP_LEDGER_NUMBERS_H

#include "exporter/ledger/catalogue.h"
#include "lib/base/map.h"
#include "lib/resilience/classify.h"

/* Places in the closed sets of catalogue.c (a test compares them). */
enum oxp_session_state { OXP_SESSION_PENDING, OXP_SESSION_RUNNING, OXP_SESSION_RELEASING, OXP_SESSION_STATES };
enum { OXP_REGION_OTHER = 4, OXP_REGIONS };
enum { OXP_SESSION_UNKNOWN = 3, OXP_SESSION_STATUSES };
enum { OXP_OK_OK, OXP_OK_FAILED };
enum { OXP_DISCONNECT_NETWORK = 3, OXP_DISCONNECT_UNKNOWN = 5 };
enum { OXP_RUN_FAILED = 2, OXP_RUN_STATUSES = 5 };
enum {
    OXP_TASK_SUCCEEDED,
    OXP_TASK_DEGRADED,
    OXP_TASK_FAILED,
    OXP_TASK_CANCELLED = 4,
    OXP_TASK_SKIPPED,
    OXP_TASK_STATUSES
};
enum { OXP_OPERATION_OTHER = 7, OXP_OPERATIONS };
enum { OXP_OUTCOME_OK, OXP_OUTCOME_UNSUCCESSFUL, OXP_OUTCOME_ERROR, OXP_OUTCOMES };
enum { OXP_MODEL_OPERATION_OTHER = 4, OXP_MODEL_OPERATIONS };
enum { OXP_TOKEN_TYPES = 4 };
enum { OXP_CACHE_OPERATION_OTHER = 3 };
enum { OXP_UPSTREAM_OTHER = 5, OXP_UPSTREAMS };
enum { OXP_CATEGORY_SECURITY = 11, OXP_CATEGORY_UNKNOWN = 14, OXP_CATEGORIES };
enum { OXP_SEVERITY_MEDIUM = 1, OXP_SEVERITIES = 4 };
enum {
    OXP_DOES_RETRY,
    OXP_DOES_REQUEUE,
    OXP_DOES_REPLACE = 3,
    OXP_DOES_FALLBACK,
    OXP_DOES_SKIP,
    OXP_DOES_DEBUG,
    OXP_DOES_ESCALATE,
    OXP_DOES = 9
};
enum { OXP_ENDED_RECOVERED, OXP_ENDED_FAILED, OXP_ENDED_MANUAL, OXP_RECOVERY_OUTCOMES };
enum { OXP_AUTO_FULL, OXP_AUTO_SEMI, OXP_AUTO_MANUAL, OXP_AUTOS };
enum { OXP_ESCALATION_LEVELS = 3 };
enum { OXP_REASON_NO_FIX, OXP_REASON_SECURITY = 3, OXP_ESCALATION_REASONS };
enum { OXP_LIMIT_MAX_STEPS, OXP_LIMIT_LOOP = 3 };
enum { OXP_RESTORE_CORRUPT = 2 };
enum { OXP_TRANSACTION_COMMITTED };
enum { OXP_DEBUGGER_FIXED, OXP_DEBUGGER_SUGGESTED };
enum oxp_breaker_state { OXP_BREAKER_CLOSED, OXP_BREAKER_OPEN, OXP_BREAKER_HALF_OPEN, OXP_BREAKER_STATES };
enum { OXP_BREAKER_RESULTS = 4 };
enum { OXP_SUPPRESS_CLEANUP, OXP_SUPPRESS_DUPLICATE };
enum { OXP_PRIORITY_NORMAL = 1, OXP_PRIORITIES = 3 };
enum { OXP_QUEUE_ENQUEUED, OXP_QUEUE_STARTED, OXP_QUEUE_REQUEUED, OXP_QUEUE_REJECTED, OXP_QUEUE_CANCELLED };

#define OXP_OPEN_NAME_MAX 64
#define OXP_OPEN_CELLS 20

/* One value of an open label, with the series of its families, family by family. */
struct oxp_open_value {
    char name[OXP_OPEN_NAME_MAX + 1];
    bool ready; /* cells are filled */
    struct oxp_series *cells[OXP_OPEN_CELLS];
};

struct oxp_open {
    struct oxp_family **families; /* of struct oxp_numbers */
    enum oxp_metric metrics[6];
    size_t metric_count;
    unsigned bound; /* distinct values, "other" included */
    struct oxp_map by_name;
    struct oxp_open_value *last; /* the value of the last call */
    struct oxp_open_value other;
};

/* Where each family's series begin in a workflow's cells, and in a breaker's. */
enum {
    OXP_FLOW_RUNS,
    OXP_FLOW_RUN_DURATION = OXP_FLOW_RUNS + OXP_RUN_STATUSES,
    OXP_FLOW_STARTED,
    OXP_FLOW_ENDED,
    OXP_FLOW_ACTIVE = OXP_FLOW_ENDED + OXP_TASK_STATUSES,
    OXP_FLOW_DURATION
};
enum {
    OXP_BRK_STATE,
    OXP_BRK_TRANSITIONS = OXP_BRK_STATE + OXP_BREAKER_STATES,
    OXP_BRK_CALLS = OXP_BRK_TRANSITIONS + OXP_BREAKER_STATES,
    OXP_BRK_FAILURES = OXP_BRK_CALLS + OXP_BREAKER_RESULTS,
    OXP_BRK_OPEN_SECONDS,
    OXP_BRK_RESETS
};
/* And in a component's, and a function's. */
enum { OXP_CMP_UNHANDLED, OXP_CMP_FALLBACKS, OXP_CMP_DEGRADED = OXP_CMP_FALLBACKS + 2 };
enum { OXP_FUN_DURATION, OXP_FUN_ERRORS };

/* A code of the taxonomy and its series. */
struct oxp_code_number {
    const struct oxp_code *code;
    struct oxp_series *errors[OXP_SEVERITIES]; /* NULL before its first */
    struct oxp_series *create_failures, *release_failures;
    unsigned category, severity; /* places in the closed sets */
    bool listed, fatal;          /* not the row "unknown"; of that class */
};

struct oxp_numbers {
    struct oxp_family *families[OXP_METRICS];
    struct oxp_series **cells[OXP_METRICS]; /* NULL for families that have an open label */
    struct oxp_series **storage;            /* owned; what cells points into */
    struct oxp_open workflows, breakers, models, components, fixes, functions;
    struct oxp_series
        *unlisted[OXP_CATEGORIES][OXP_SEVERITIES]; /* errors without a listed code; NULL before the first */
    struct oxp_code_number *codes;                 /* owned */
    size_t code_count;
    struct oxp_map by_code;
};

/* Registers the catalogue and resolves the handles. On failure everything is freed; the registry keeps its families. */
enum oxp_status oxp_numbers_init(struct oxp_numbers *numbers, struct oxp_registry *registry);
void oxp_numbers_fini(struct oxp_numbers *numbers);

/* The place of `value` (compared without regard to case) in the closed set of a family's label, or -1. */
int oxp_numbers_place(enum oxp_metric metric, unsigned label, struct oxp_view value);
/* The same, or `otherwise`. */
unsigned oxp_numbers_place_or(enum oxp_metric metric, unsigned label, struct oxp_view value, unsigned otherwise);
/* The text at that place. */
const char *oxp_numbers_text(enum oxp_metric metric, unsigned label, unsigned place);
/* All texts of the set, as "a, b, c", for messages. */
void oxp_numbers_choices(enum oxp_metric metric, unsigned label, char *out, size_t size);

/* The value of an open label: kept, new, or "other" when the bound is reached. Never NULL. */
struct oxp_open_value *oxp_open_get(struct oxp_open *open, struct oxp_view name);
/* The series of an error that the classifier gave `code`, with the category and the severity (places in the closed
 * sets) that were stated, or -1. The code settles its labels, so that the family stays within its bound whatever is
 * stated: a stated severity is kept where the code is fatal (it pages) or is not listed, a stated category where it is
 * not listed. */
struct oxp_series *oxp_numbers_error(struct oxp_numbers *numbers, const struct oxp_code *code, int category,
                                     int severity);
/* What the classifier gave. Never NULL. */
const struct oxp_code_number *oxp_numbers_code(const struct oxp_numbers *numbers, const struct oxp_code *code);

static inline struct oxp_series *oxp_cell(const struct oxp_numbers *numbers, enum oxp_metric metric, size_t place) {
    return numbers->cells[metric][place];
}

static inline void oxp_count(struct oxp_series *series, uint64_t n) {
    oxp_counter_add(oxp_counter(series), n);
}

#endif
