/* What processes and their container use: said by `resource` and `queue` events, or seen by the sidecar itself (domain
 * catalogue, section 4).
 *
 *  1. A process is an identity (writer and boot); what comes without a boot is of "nobody", one process more. Counts
 * are absolute, since the process began. What a boot says first is counted in full, as it began at 0, unless it was
 * heard before this sidecar began (the journal knows it, or it says `resumed`), or is nobody: then only what comes on
 * top counts. A count that falls counts nothing and is where it goes on from.
 *  2. Gauges of processes are the sum over those that are alive; of nobody while it was heard within the idle limit.
 *  3. The container is one. The first to report it is believed until he is gone or silent for the liveness window; then
 *     the next one is. A count that is lower then is of a new container, which began at 0.
 *  4. What the sidecar sees itself wins, number by number, until the liveness window after it was last seen. Its first
 *     look counts nothing, nor does one after it had not looked for so long.
 *  5. What nobody says any more is not shown; workers are 0 then. */
#include "exporter/ledger/parts.h"

#include <math.h>
#include <stdlib.h>

static const struct {
    enum oxp_field field;
    enum oxp_metric metric;
    unsigned place;
} rows[OXP_USES] = {
    [OXP_USE_CPU_USER] = {OXP_FIELD_CPU_USER_S, OXP_M_PROCESS_CPU, 0},
    [OXP_USE_CPU_SYS] = {OXP_FIELD_CPU_SYS_S, OXP_M_PROCESS_CPU, 1},
    [OXP_USE_READ] = {OXP_FIELD_READ_BYTES, OXP_M_PROCESS_DISK, 0},
    [OXP_USE_WRITE] = {OXP_FIELD_WRITE_BYTES, OXP_M_PROCESS_DISK, 1},
    [OXP_USE_RSS] = {OXP_FIELD_RSS, OXP_M_PROCESS_MEMORY, 0},
    [OXP_USE_FDS] = {OXP_FIELD_FDS, OXP_M_PROCESS_OPEN_FDS, 0},
    [OXP_USE_MAX_FDS] = {OXP_FIELD_MAX_FDS, OXP_M_PROCESS_MAX_FDS, 0},
    [OXP_USE_THREADS] = {OXP_FIELD_THREADS, OXP_M_PROCESS_THREADS, 0},
    [OXP_USE_BUSY] = {OXP_FIELD_WORKERS_BUSY, OXP_M_WORKERS, 0},
    [OXP_USE_IDLE] = {OXP_FIELD_WORKERS_IDLE, OXP_M_WORKERS, 1},
    [OXP_USE_CONTAINER_CPU] = {OXP_FIELD_CONTAINER_CPU_S, OXP_M_CONTAINER_CPU, 0},
    [OXP_USE_THROTTLED] = {OXP_FIELD_CONTAINER_THROTTLED_S, OXP_M_CONTAINER_THROTTLED, 0},
    [OXP_USE_OOM_KILLS] = {OXP_FIELD_CONTAINER_OOM_KILLS, OXP_M_CONTAINER_OOM_KILLS, 0},
    [OXP_USE_PRESSURE + 0] = {OXP_FIELD_PRESSURE_CPU_SOME_S, OXP_M_PRESSURE, 0},
    [OXP_USE_PRESSURE + 1] = {OXP_FIELD_PRESSURE_CPU_FULL_S, OXP_M_PRESSURE, 1},
    [OXP_USE_PRESSURE + 2] = {OXP_FIELD_PRESSURE_MEMORY_SOME_S, OXP_M_PRESSURE, 2},
    [OXP_USE_PRESSURE + 3] = {OXP_FIELD_PRESSURE_MEMORY_FULL_S, OXP_M_PRESSURE, 3},
    [OXP_USE_PRESSURE + 4] = {OXP_FIELD_PRESSURE_IO_SOME_S, OXP_M_PRESSURE, 4},
    [OXP_USE_PRESSURE + 5] = {OXP_FIELD_PRESSURE_IO_FULL_S, OXP_M_PRESSURE, 5},
    [OXP_USE_WORKING_SET] = {OXP_FIELD_CONTAINER_WORKING_SET, OXP_M_CONTAINER_MEMORY, 0},
    [OXP_USE_MEMORY_LIMIT] = {OXP_FIELD_CONTAINER_MEMORY_LIMIT, OXP_M_CONTAINER_MEMORY_LIMIT, 0},
    [OXP_USE_AVAIL] = {OXP_FIELDS, OXP_M_FILESYSTEM_AVAIL, 0}, /* by the field `mount` */
    [OXP_USE_AVAIL + 1] = {OXP_FIELDS, OXP_M_FILESYSTEM_AVAIL, 1},
};

static enum oxp_metric_type type_of(unsigned use) {
    return oxp_catalogue_row(rows[use].metric)->spec.type;
}

static bool is_count(unsigned use) {
    return type_of(use) != OXP_GAUGE;
}

static bool is_watched(const struct oxp_ledger *ledger, unsigned use) {
    return ledger->patience_s < ledger->usages.watched_until[use];
}

/* ---- Life ---- */

void oxp_usage_init(struct oxp_ledger *ledger) {
    struct oxp_usages *usages = &ledger->usages;
    for (unsigned i = 0; i < OXP_USES; i++) {
        usages->container[i] = usages->watched[i] = NAN;
        usages->watched_until[i] = -INFINITY;
    }
    usages->container_at = -INFINITY;
}

void oxp_usage_drop(struct oxp_ledger *ledger, struct oxp_identity *identity) {
    ledger->usages.reporters -= identity->usage != NULL;
    free(identity->usage);
    identity->usage = NULL;
    if (ledger->usages.container_source == identity) {
        ledger->usages.container_source = NULL;
    }
}

static struct oxp_usage *usage_of(struct oxp_ledger *ledger, struct oxp_identity *identity) {
    if (identity->usage == NULL) {
        identity->usage = malloc(sizeof *identity->usage);
        ledger->usages.reporters += identity->usage != NULL;
        for (unsigned i = 0; identity->usage != NULL && i < OXP_USES_OF_PROCESS; i++) {
            identity->usage->last[i] = NAN;
        }
    }
    return identity->usage;
}

/* ---- Gauges (rules 2, 5) ---- */

static bool is_live(const struct oxp_ledger *ledger, const struct oxp_identity *identity) {
    if (identity == &ledger->nobody) {
        return identity->usage != NULL && ledger->patience_s < identity->usage->at + ledger->options.idle_limit_s;
    }
    return (identity->alive || identity == ledger->usages.speaker) && !identity->dead;
}

/* Adds what the identity says to `sum`, NaN when nobody did before. */
static void add(const struct oxp_ledger *ledger, const struct oxp_identity *identity, unsigned use, double *sum) {
    if (identity->usage != NULL && is_live(ledger, identity) && !isnan(identity->usage->last[use])) {
        *sum = (isnan(*sum) ? 0 : *sum) + identity->usage->last[use];
    }
}

static bool has_container_source(const struct oxp_ledger *ledger) {
    const struct oxp_usages *usages = &ledger->usages;
    return usages->container_source != NULL &&
           (usages->container_source == &ledger->nobody || is_live(ledger, usages->container_source)) &&
           ledger->patience_s < usages->container_at + ledger->options.liveness_s;
}

static double said(const struct oxp_ledger *ledger, unsigned use) {
    if (use >= OXP_USES_OF_PROCESS) {
        return has_container_source(ledger) ? ledger->usages.container[use] : NAN;
    }
    double sum = NAN;
    if (ledger->usages.reporters == 0) {
        return sum;
    }
    add(ledger, &ledger->nobody, use, &sum);
    OXP_LIST_EACH(&ledger->identities, link) {
        add(ledger, OXP_AROUND(link, struct oxp_identity, all), use, &sum);
    }
    return sum;
}

static void show(struct oxp_ledger *ledger, unsigned use) {
    struct oxp_series *series = oxp_cell(&ledger->numbers, rows[use].metric, rows[use].place);
    double value = is_watched(ledger, use) ? ledger->usages.watched[use] : said(ledger, use);
    bool absent = (oxp_catalogue_row(rows[use].metric)->spec.flags & OXP_FAMILY_ABSENT) != 0;
    if (!isnan(value) || !absent) {
        oxp_gauge_set(series, isnan(value) ? 0 : value);
    } else {
        oxp_series_hide(series);
    }
}

void oxp_usage_tick(struct oxp_ledger *ledger) {
    for (unsigned i = 0; i < OXP_USES; i++) {
        if (!is_count(i)) {
            show(ledger, i);
        }
    }
}

/* ---- Counts (rules 1, 3, 4) ---- */

static void count(struct oxp_ledger *ledger, unsigned use, double amount) {
    struct oxp_series *series = oxp_cell(&ledger->numbers, rows[use].metric, rows[use].place);
    if (type_of(use) == OXP_COUNTER) {
        oxp_count(series, (uint64_t)amount);
    } else {
        oxp_series_count(series, amount);
    }
}

static bool began_with_us(const struct oxp_ledger *ledger, const struct oxp_identity *who) {
    return who != &ledger->nobody && !who->heard_before;
}

static void take_process(struct oxp_ledger *ledger, const struct oxp_identity *who, unsigned use, double value) {
    double last = who->usage->last[use];
    double increase = isnan(last) ? (began_with_us(ledger, who) ? value : 0) : fmax(value - last, 0);
    who->usage->last[use] = value;
    if (is_count(use) && !is_watched(ledger, use)) {
        count(ledger, use, increase);
    }
}

static void take_container(struct oxp_ledger *ledger, const struct oxp_identity *who, bool new_source, unsigned use,
                           double value) {
    double last = ledger->usages.container[use];
    double increase = isnan(last)     ? (began_with_us(ledger, who) ? value : 0)
                      : value >= last ? value - last
                      : new_source    ? value
                                      : 0;
    ledger->usages.container[use] = value;
    if (is_count(use) && !is_watched(ledger, use)) {
        count(ledger, use, increase);
    }
}

/* ---- Events ---- */

/* The place of the field `mount`, or -1. */
static int mount_of(const struct oxp_event *event) {
    return oxp_numbers_place(OXP_M_FILESYSTEM_AVAIL, 0, oxp_event_text(event, OXP_FIELD_MOUNT));
}

static bool has_use(const struct oxp_event *event, unsigned use, double *value) {
    enum oxp_field field = rows[use].field;
    if (field == OXP_FIELDS) {
        bool named = mount_of(event) == (int)(use - OXP_USE_AVAIL);
        *value = oxp_event_number(event, OXP_FIELD_AVAIL_BYTES, 0);
        return named && oxp_event_has(event, OXP_FIELD_AVAIL_BYTES);
    }
    *value = oxp_event_number(event, field, 0);
    return oxp_event_has(event, field);
}

enum oxp_status oxp_usage_take(struct oxp_ledger *ledger, const struct oxp_moment *moment) {
    struct oxp_identity *who = moment->who != NULL ? moment->who : &ledger->nobody;
    struct oxp_usages *usages = &ledger->usages;
    bool mine = !has_container_source(ledger) || usages->container_source == who;
    bool new_source = usages->container_source != who;
    double value;
    bool any = false;
    for (unsigned i = 0; i < OXP_USES; i++) {
        if (!has_use(moment->event, i, &value) || (i >= OXP_USES_OF_PROCESS && !mine)) {
            continue;
        }
        if (i < OXP_USES_OF_PROCESS && usage_of(ledger, who) == NULL) {
            return OXP_ERR_NOMEM;
        }
        any = true;
        if (i < OXP_USES_OF_PROCESS) {
            who->usage->at = ledger->patience_s;
            take_process(ledger, who, i, value);
        } else {
            usages->container_source = who;
            usages->container_at = ledger->patience_s;
            take_container(ledger, who, new_source, i, value);
        }
    }
    usages->speaker = who;
    if (any) {
        oxp_usage_tick(ledger);
    }
    usages->speaker = NULL;
    return any ? OXP_OK : OXP_IGNORED;
}

enum oxp_status oxp_on_resource(struct oxp_ledger *ledger, struct oxp_moment *moment) {
    const struct oxp_event *event = moment->event;
    if (oxp_event_has(event, OXP_FIELD_MOUNT) && mount_of(event) < 0) {
        return oxp_refuse(moment, OXP_FIELD_MOUNT, OXP_M_FILESYSTEM_AVAIL, 0);
    }
    if (oxp_event_has(event, OXP_FIELD_AVAIL_BYTES) != oxp_event_has(event, OXP_FIELD_MOUNT)) {
        return oxp_refuse_because(moment, OXP_REJECT_BAD_FIELD, "mount: it goes with avail_bytes, and that with it");
    }
    return oxp_usage_take(ledger, moment);
}

/* ---- Seen by the sidecar itself ---- */

void oxp_watched_clear(struct oxp_watched *watched) {
    *watched = (struct oxp_watched){NAN,       NAN, NAN, NAN, NAN, NAN, NAN,
                                    NAN,       NAN, NAN, NAN, NAN, NAN, {{NAN, NAN}, {NAN, NAN}, {NAN, NAN}},
                                    {NAN, NAN}};
}

static void look(struct oxp_ledger *ledger, unsigned use, double value) {
    struct oxp_usages *usages = &ledger->usages;
    if (isnan(value) || value < 0) {
        return;
    }
    double increase = is_watched(ledger, use) ? fmax(value - usages->watched[use], 0) : 0;
    usages->watched[use] = value;
    usages->watched_until[use] = ledger->patience_s + ledger->options.liveness_s;
    if (is_count(use)) {
        count(ledger, use, increase);
    } else {
        show(ledger, use);
    }
}

void oxp_ledger_watched(struct oxp_ledger *ledger, const struct oxp_watched *watched) {
    const double values[OXP_USES] = {
        [OXP_USE_CPU_USER] = watched->cpu_user_s,
        [OXP_USE_CPU_SYS] = watched->cpu_sys_s,
        [OXP_USE_READ] = watched->read_bytes,
        [OXP_USE_WRITE] = watched->write_bytes,
        [OXP_USE_RSS] = watched->rss,
        [OXP_USE_FDS] = watched->fds,
        [OXP_USE_MAX_FDS] = watched->max_fds,
        [OXP_USE_THREADS] = watched->threads,
        [OXP_USE_BUSY] = NAN,
        [OXP_USE_IDLE] = NAN,
        [OXP_USE_CONTAINER_CPU] = watched->container_cpu_s,
        [OXP_USE_THROTTLED] = watched->throttled_s,
        [OXP_USE_OOM_KILLS] = watched->oom_kills,
        [OXP_USE_WORKING_SET] = watched->working_set,
        [OXP_USE_MEMORY_LIMIT] = watched->memory_limit,
        [OXP_USE_AVAIL] = watched->avail_bytes[0],
        [OXP_USE_AVAIL + 1] = watched->avail_bytes[1],
    };
    oxp_ledger_now(ledger);
    for (unsigned i = 0; i < OXP_USES; i++) {
        unsigned pressure = i - OXP_USE_PRESSURE;
        bool is_pressure = i >= OXP_USE_PRESSURE && i < OXP_USE_WORKING_SET;
        look(ledger, i, is_pressure ? watched->pressure_s[pressure / 2][pressure % 2] : values[i]);
    }
}
