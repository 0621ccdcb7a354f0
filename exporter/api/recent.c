#include "exporter/api/recent_parts.h"

#include "lib/base/utf8.h"
#include "lib/trace/ids.h"
#include <math.h>
#include <stdlib.h>

#define SWEEP_EVERY_S 5.0
#define OWNERS_MAX 4096

enum oxp_status oxp_recent_new(struct oxp_selfstats *stats, struct oxp_recent **recent_out) {
    struct oxp_recent *recent = calloc(1, sizeof *recent);
    *recent_out = recent;
    if (recent == NULL) {
        return OXP_ERR_NOMEM;
    }
    pthread_mutex_init(&recent->lock, NULL);
    oxp_map_init(&recent->traces);
    recent->counts = stats != NULL && stats->families[OXP_S_RING_ENTRIES] != NULL;
    if (recent->counts) {
        struct oxp_family *entries = stats->families[OXP_S_RING_ENTRIES];
        recent->log_entries = oxp_family_at(entries, OXP_VIEW("logs"));
        recent->alert_entries = oxp_family_at(entries, OXP_VIEW("alerts"));
        recent->trace_entries = oxp_family_at(entries, OXP_VIEW("traces"));
        recent->traces_active = oxp_family_only(stats->families[OXP_S_TRACES_ACTIVE]);
        recent->spans_dropped = oxp_counter(oxp_family_only(stats->families[OXP_S_SPANS_DROPPED_TOTAL]));
    }
    return OXP_OK;
}

void oxp_recent_free(struct oxp_recent *recent) {
    if (recent == NULL) {
        return;
    }
    oxp_recent_traces_free(recent);
    oxp_ring_free(recent->logs);
    oxp_ring_free(recent->alerts);
    free(recent->owners);
    pthread_mutex_destroy(&recent->lock);
    free(recent);
}

/* ---- Owners ---- */

static uint64_t hash_of(struct oxp_view text) {
    uint64_t hash = oxp_hash(text.ptr, text.len, 0);
    return hash == 0 ? 1 : hash;
}

/* The boot that speaks over this connection; 0 = nobody in particular. */
static uint64_t owner_of(const struct oxp_recent *recent, uint64_t connection) {
    for (size_t i = 0; i < recent->owner_count && connection != 0; i++) {
        if (recent->owners[i].connection == connection) {
            return recent->owners[i].boot;
        }
    }
    return 0;
}

static void forget_owner(struct oxp_recent *recent, size_t at) {
    recent->owners[at] = recent->owners[--recent->owner_count];
}

static bool add_owner(struct oxp_recent *recent, const struct oxp_recent_owner *owner) {
    if (recent->owner_count == recent->owner_size) {
        size_t size = recent->owner_size == 0 ? 8 : recent->owner_size * 2;
        struct oxp_recent_owner *more =
            size > OWNERS_MAX ? NULL : realloc(recent->owners, size * sizeof *recent->owners);
        if (more == NULL) {
            return false; /* its spans belong to nobody */
        }
        recent->owners = more;
        recent->owner_size = size;
    }
    recent->owners[recent->owner_count++] = *owner;
    return true;
}

/* orchestrator.started: the boot is back, or another one has taken its place. */
static void announce(struct oxp_recent *recent, const struct oxp_event *event, uint64_t connection, double now_s) {
    struct oxp_view writer = oxp_event_text(event, OXP_FIELD_WRITER);
    uint64_t name = hash_of(writer.len == 0 ? OXP_VIEW("main") : writer);
    uint64_t boot = hash_of(oxp_event_text(event, OXP_FIELD_BOOT)) ^ name;
    boot = boot == 0 ? 1 : boot;
    const struct oxp_recent_owner owner = {connection, name, boot, 0};
    for (size_t i = recent->owner_count; i-- > 0;) {
        const struct oxp_recent_owner known = recent->owners[i];
        bool replaced = known.writer == name && known.boot != boot && known.connection == 0;
        if (replaced) {
            oxp_recent_abandon_locked(recent, known.boot, INFINITY, now_s);
        }
        if (replaced || known.connection == connection || (known.boot == boot && known.connection == 0)) {
            forget_owner(recent, i);
        }
    }
    (void)add_owner(recent, &owner);
}

void oxp_recent_disconnected(struct oxp_recent *recent, uint64_t connection, double now_s) {
    if (recent == NULL || connection == 0) {
        return;
    }
    pthread_mutex_lock(&recent->lock);
    for (size_t i = 0; i < recent->owner_count; i++) {
        if (recent->owners[i].connection == connection) {
            recent->owners[i].connection = 0;
            recent->owners[i].gone_s = now_s;
        }
    }
    pthread_mutex_unlock(&recent->lock);
}

static bool is_there(const struct oxp_recent *recent, uint64_t boot) {
    for (size_t i = 0; i < recent->owner_count; i++) {
        if (recent->owners[i].boot == boot && recent->owners[i].connection != 0) {
            return true;
        }
    }
    return false;
}

static void sweep_locked(struct oxp_recent *recent, double now_s) {
    double since_s = now_s - recent->swept_s;
    if (since_s >= 0 && since_s < SWEEP_EVERY_S) {
        return;
    }
    recent->swept_s = now_s;
    for (size_t i = recent->owner_count; i-- > 0;) {
        const struct oxp_recent_owner known = recent->owners[i];
        if (known.connection == 0 && now_s - known.gone_s >= OXP_RECENT_GONE_S) {
            forget_owner(recent, i);
            if (!is_there(recent, known.boot)) {
                oxp_recent_abandon_locked(recent, known.boot, INFINITY, now_s);
            }
        }
    }
    oxp_recent_abandon_locked(recent, 0, now_s - OXP_RECENT_SPAN_LIFE_S, now_s);
}

void oxp_recent_tick(struct oxp_recent *recent, double now_s) {
    if (recent == NULL) {
        return;
    }
    pthread_mutex_lock(&recent->lock);
    sweep_locked(recent, now_s);
    pthread_mutex_unlock(&recent->lock);
}

/* ---- Spans from events ---- */

#define ATTRS_MAX 2048
#define MESSAGE_MAX 512

static enum oxp_recent_status status_from(struct oxp_view word) {
    static const struct {
        const char *word;
        enum oxp_recent_status status;
    } words[] = {{"ok", OXP_RU_OK},          {"success", OXP_RU_OK},   {"succeeded", OXP_RU_OK},
                 {"error", OXP_RU_ERROR},    {"failed", OXP_RU_ERROR}, {"failure", OXP_RU_ERROR},
                 {"timed_out", OXP_RU_ERROR}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (oxp_view_is(word, words[i].word)) {
            return words[i].status;
        }
    }
    return OXP_RU_UNSET;
}

/* A whole pair or none: the object stays JSON. */
static void write_attrs(const struct oxp_event *event, struct oxp_buf *out) {
    for (size_t i = 0; i < event->attr_count; i++) {
        size_t before = out->len;
        oxp_buf_append_char(out, i == 0 ? '{' : ',');
        oxp_buf_append_json_string(out, event->attrs[i].name);
        oxp_buf_append_char(out, ':');
        oxp_buf_append_json_string(out, event->attrs[i].value);
        if (out->len > ATTRS_MAX - 1) {
            out->len = before;
            break;
        }
    }
    if (out->len > 0) {
        oxp_buf_append_char(out, '}');
    }
}

static void read_times(const struct oxp_event *event, double now_s, struct oxp_recent_span_in *in) {
    double ts_s = oxp_event_number(event, OXP_FIELD_TS, now_s);
    double took_s = oxp_event_number(event, OXP_FIELD_DURATION_S, NAN);
    bool open = in->state == OXP_RS_OPEN, took = !open && isfinite(took_s);
    in->start_known = open || took || oxp_event_has(event, OXP_FIELD_STARTED_AT);
    in->started_s = oxp_event_number(event, OXP_FIELD_STARTED_AT, took ? ts_s - took_s : ts_s);
    in->ended_s = open ? (double)NAN : took ? in->started_s + took_s : ts_s;
    if (in->ended_s < in->started_s) {
        in->ended_s = in->started_s;
    }
}

static void take_span(struct oxp_recent *recent, const struct oxp_event *event, uint64_t connection, double now_s) {
    static const struct {
        enum oxp_recent_text text;
        enum oxp_field field;
    } rows[] = {{OXP_RT_ID, OXP_FIELD_SPAN_ID},        {OXP_RT_PARENT, OXP_FIELD_PARENT_ID},
                {OXP_RT_NAME, OXP_FIELD_NAME},         {OXP_RT_COMPONENT, OXP_FIELD_COMPONENT},
                {OXP_RT_WORKFLOW, OXP_FIELD_WORKFLOW}, {OXP_RT_RUN, OXP_FIELD_RUN},
                {OXP_RT_SESSION, OXP_FIELD_SESSION},   {OXP_RT_TASK, OXP_FIELD_TASK},
                {OXP_RT_KIND, OXP_FIELD_KIND},         {OXP_RT_MESSAGE, OXP_FIELD_MESSAGE}};
    struct oxp_recent_span_in in = {.trace_id = oxp_event_text(event, OXP_FIELD_TRACE_ID)};
    struct oxp_buf attrs;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        in.texts[rows[i].text] = oxp_event_text(event, rows[i].field);
    }
    in.texts[OXP_RT_MESSAGE] = oxp_utf8_cut(in.texts[OXP_RT_MESSAGE], MESSAGE_MAX);
    in.state = oxp_view_is(oxp_event_text(event, OXP_FIELD_STATE), "started") ? OXP_RS_OPEN : OXP_RS_ENDED;
    in.status = status_from(oxp_event_text(event, OXP_FIELD_STATUS));
    read_times(event, now_s, &in);
    bool whole = oxp_trace_id_is_valid(in.trace_id, OXP_TRACE_ID_DIGITS) &&
                 oxp_trace_id_is_valid(in.texts[OXP_RT_ID], OXP_SPAN_ID_DIGITS);
    if (in.texts[OXP_RT_PARENT].len > OXP_SPAN_ID_DIGITS) {
        in.texts[OXP_RT_PARENT].len = 0; /* no id: the span is a root */
    }
    oxp_buf_init(&attrs, 0);
    if (whole) {
        write_attrs(event, &attrs);
        in.texts[OXP_RT_ATTRS] = oxp_buf_view(&attrs);
    }
    pthread_mutex_lock(&recent->lock);
    sweep_locked(recent, now_s);
    in.owner = owner_of(recent, connection);
    if (whole && oxp_buf_status(&attrs) == OXP_OK) {
        oxp_recent_span_put_locked(recent, &in, now_s);
    } else {
        oxp_recent_dropped_locked(recent, 1);
    }
    pthread_mutex_unlock(&recent->lock);
    oxp_buf_fini(&attrs);
}

void oxp_recent_event(struct oxp_recent *recent, const struct oxp_event *event, uint64_t connection, double now_s) {
    if (recent == NULL) {
        return;
    }
    switch (event->type) {
    case OXP_EVENT_SPAN:
        take_span(recent, event, connection, now_s);
        break;
    case OXP_EVENT_LOG:
    case OXP_EVENT_ALERT:
    case OXP_EVENT_AUDIT:
        oxp_recent_log_event(recent, event, now_s);
        break;
    case OXP_EVENT_ORCHESTRATOR_STARTED:
        if (connection != 0) {
            pthread_mutex_lock(&recent->lock);
            announce(recent, event, connection, now_s);
            pthread_mutex_unlock(&recent->lock);
        }
        break;
    default:
        break;
    }
}
