/* Log records: made into JSON once, when they come, with the ids that they are asked by in front of every text that
 * comes from people, so that a filter need only look at the front. */
#include "exporter/api/recent_parts.h"

#include "lib/base/scrub.h"
#include "lib/base/utf8.h"
#include <stdlib.h>

/* ---- Into the rings ---- */

static struct oxp_ring *ring_of(struct oxp_recent *recent, bool alerts) {
    struct oxp_ring **place = alerts ? &recent->alerts : &recent->logs;
    pthread_mutex_lock(&recent->lock);
    if (*place == NULL && oxp_ring_new(0, place) != OXP_OK) {
        *place = NULL;
    }
    struct oxp_ring *ring = *place;
    pthread_mutex_unlock(&recent->lock);
    return ring;
}

static void add(struct oxp_recent *recent, bool alerts, const struct oxp_log_entry *entry) {
    struct oxp_ring *ring = ring_of(recent, alerts);
    if (ring != NULL && oxp_ring_add(ring, entry) && recent->counts) {
        oxp_gauge_set(alerts ? recent->alert_entries : recent->log_entries, (double)oxp_ring_held(ring));
    }
}

static void add_text(struct oxp_buf *json, const char *key, struct oxp_view text, size_t max) {
    if (text.len != 0) {
        oxp_buf_append_format(json, ",\"%s\":", key);
        oxp_buf_append_json_string(json, oxp_utf8_cut(text, max));
    }
}

static void begin(struct oxp_buf *json, double ts_s, const char *kind, enum oxp_log_level level) {
    oxp_buf_clear(json);
    oxp_buf_append_text(json, "{\"ts\":");
    oxp_buf_append_json_double(json, ts_s);
    oxp_buf_append_format(json, ",\"kind\":\"%s\",\"level\":\"%s\"", kind, oxp_log_level_name(level));
}

/* ---- Events ---- */

static bool says_failed(struct oxp_view status) {
    static const char *const words[] = {"failed", "failure", "fail", "error", "timed_out", "timeout", "denied"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (oxp_view_is(status, words[i])) {
            return true;
        }
    }
    return false;
}

/* A log says its level, an alert its severity (ours, or a level's name), an audit line whether it failed. */
static enum oxp_log_level level_of(const struct oxp_event *event) {
    static const struct {
        const char *severity;
        enum oxp_log_level level;
    } severities[] = {{"low", OXP_LOG_INFO}, {"medium", OXP_LOG_WARNING}, {"high", OXP_LOG_ERROR}};
    enum oxp_log_level level = OXP_LOG_INFO;
    if (oxp_event_has(event, OXP_FIELD_LEVEL) &&
        oxp_log_level_from(oxp_event_text(event, OXP_FIELD_LEVEL), &level) == OXP_OK) {
        return level;
    }
    if (event->type == OXP_EVENT_AUDIT) {
        return says_failed(oxp_event_text(event, OXP_FIELD_STATUS)) ? OXP_LOG_ERROR : OXP_LOG_INFO;
    }
    if (event->type == OXP_EVENT_LOG) {
        (void)oxp_log_level_from(oxp_event_text(event, OXP_FIELD_LEVEL), &level);
        return level;
    }
    struct oxp_view severity = oxp_event_text(event, OXP_FIELD_SEVERITY);
    for (size_t i = 0; i < sizeof severities / sizeof severities[0]; i++) {
        if (oxp_view_is(severity, severities[i].severity)) {
            return severities[i].level;
        }
    }
    level = OXP_LOG_WARNING;
    (void)oxp_log_level_from(severity, &level);
    return level;
}

static const struct row {
    const char *key;
    enum oxp_field field;
    bool is_long; /* its share is what a record has left for texts */
} rows[] = {
    {"workflow", OXP_FIELD_WORKFLOW, false}, {"run", OXP_FIELD_RUN, false},
    {"session", OXP_FIELD_SESSION, false},   {"task", OXP_FIELD_TASK, false},
    {"trace_id", OXP_FIELD_TRACE_ID, false}, {"span_id", OXP_FIELD_SPAN_ID, false},
    {"writer", OXP_FIELD_WRITER, false},     {"component", OXP_FIELD_COMPONENT, false},
    {"logger", OXP_FIELD_LOGGER, false},     {"name", OXP_FIELD_NAME, false},
    {"code", OXP_FIELD_CODE, false},         {"severity", OXP_FIELD_SEVERITY, false},
    {"state", OXP_FIELD_STATE, false},       {"action", OXP_FIELD_ACTION, false},
    {"status", OXP_FIELD_STATUS, false},     {"outcome", OXP_FIELD_OUTCOME, false},
    {"message", OXP_FIELD_MESSAGE, true},    {"details", OXP_FIELD_DETAILS, true},
    {"stack", OXP_FIELD_STACK, true},
};

static void add_pairs(struct oxp_buf *json, const char *key, const struct oxp_event_pair *pairs, size_t count,
                      size_t max) {
    for (size_t i = 0; i < count; i++) {
        oxp_buf_append_format(json, i == 0 ? ",\"%s\":{" : ",", key);
        oxp_buf_append_json_string(json, pairs[i].name);
        oxp_buf_append_char(json, ':');
        oxp_buf_append_json_string(json, oxp_utf8_cut(pairs[i].value, max));
    }
    if (count > 0) {
        oxp_buf_append_char(json, '}');
    }
}

static void write_event(struct oxp_buf *json, const struct oxp_event *event, double ts_s, size_t share) {
    begin(json, ts_s, oxp_type_spec(event->type)->name, level_of(event));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        add_text(json, rows[i].key, oxp_event_text(event, rows[i].field), rows[i].is_long ? share : 128);
    }
    if (share >= 256) {
        add_pairs(json, "attrs", event->attrs, event->attr_count, share / 8);
        add_pairs(json, "labels", event->labels, event->label_count, share / 8);
    }
    oxp_buf_append_char(json, '}');
}

/* Long texts are cut, and at last attributes left out, until the record is short enough. */
void oxp_recent_log_event(struct oxp_recent *recent, const struct oxp_event *event, double now_s) {
    static const size_t shares[] = {2048, 1024, 256, 64};
    double ts_s = oxp_event_number(event, OXP_FIELD_TS, now_s);
    struct oxp_buf json;
    oxp_buf_init(&json, 0);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        write_event(&json, event, ts_s, shares[i]);
        if (json.len <= OXP_RECENT_RECORD_MAX) {
            break;
        }
    }
    if (oxp_buf_status(&json) == OXP_OK && json.len <= OXP_RECENT_RECORD_MAX) {
        const struct oxp_log_entry entry = {ts_s, level_of(event), oxp_event_text(event, OXP_FIELD_TRACE_ID),
                                            oxp_buf_view(&json)};
        add(recent, event->type == OXP_EVENT_ALERT, &entry);
    }
    oxp_buf_fini(&json);
}

/* ---- The sidecar's own log ---- */

static void add_scrubbed(struct oxp_buf *json, const char *key, struct oxp_view text) {
    char clean[301];
    size_t len = text.len == 0 ? 0 : oxp_scrub(text, clean, sizeof clean);
    oxp_buf_append_json_string(json, oxp_view_from(key));
    oxp_buf_append_char(json, ':');
    oxp_buf_append_json_string(json, oxp_utf8_cut(oxp_view_of(clean, len), sizeof clean - 1));
}

void oxp_recent_own_log(struct oxp_recent *recent, enum oxp_log_level level, double ts_s, const char *message,
                        const struct oxp_log_field *fields, size_t count) {
    if (recent == NULL || level < OXP_LOG_WARNING) {
        return;
    }
    struct oxp_buf json;
    oxp_buf_init(&json, 0);
    begin(&json, ts_s, "sidecar", level);
    oxp_buf_append_text(&json, ",\"logger\":\"oxpecker\",");
    add_scrubbed(&json, "message", oxp_view_from(message));
    oxp_buf_append_text(&json, ",\"attrs\":{");
    for (size_t i = 0; i < count && json.len < OXP_RECENT_RECORD_MAX / 4; i++) {
        oxp_buf_append_text(&json, i == 0 ? "" : ",");
        if (fields[i].kind == OXP_LOG_FIELD_TEXT) {
            bool secret = oxp_scrub_is_secret_name(oxp_view_from(fields[i].key));
            add_scrubbed(&json, fields[i].key, secret ? OXP_VIEW("[redacted]") : fields[i].text);
        } else {
            oxp_buf_append_json_string(&json, oxp_view_from(fields[i].key));
            oxp_buf_append_char(&json, ':');
            oxp_buf_append_json_double(&json, fields[i].number);
        }
    }
    oxp_buf_append_text(&json, "}}");
    if (oxp_buf_status(&json) == OXP_OK && json.len <= OXP_RECENT_RECORD_MAX) {
        const struct oxp_log_entry entry = {ts_s, level, {NULL, 0}, oxp_buf_view(&json)};
        add(recent, false, &entry);
    }
    oxp_buf_fini(&json);
}

/* ---- Out ---- */

/* A filter as it stands in a record: `,"session":"s1"`. Within a text a quote has a backslash before it, so that no
 * text can look like one; attributes, which may have any name, are left out of the search. */
struct wanted {
    struct oxp_buf parts[3];
    size_t count;
};

static void want(struct wanted *wanted, const char *key, struct oxp_view value) {
    struct oxp_buf *part = &wanted->parts[wanted->count];
    if (value.len != 0) {
        oxp_buf_init(part, 0);
        add_text(part, key, value, value.len);
        wanted->count++;
    }
}

static bool holds(const struct wanted *wanted, struct oxp_view json) {
    static const char *const ends[] = {",\"attrs\":{", ",\"labels\":{"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        const char *end = memmem(json.ptr, json.len, ends[i], strlen(ends[i]));
        json.len = end == NULL ? json.len : (size_t)(end - json.ptr);
    }
    bool all = true;
    for (size_t i = 0; i < wanted->count && all; i++) {
        const struct oxp_buf *part = &wanted->parts[i];
        all = oxp_buf_status(part) == OXP_OK && memmem(json.ptr, json.len, part->data, part->len) != NULL;
    }
    return all;
}

/* What one ring has that is wanted: all counted, the newest `limit` copied. */
struct found {
    const struct oxp_recent_logs_query *query;
    const struct wanted *wanted;
    size_t total, count;
    struct record {
        double ts;
        size_t at, len; /* in `text` */
    } * records;        /* room for `limit` */
    struct oxp_buf text;
};

static bool take_entry(void *ctx, const struct oxp_log_entry *entry) {
    struct found *found = ctx;
    const struct oxp_recent_logs_query *query = found->query;
    if (entry->level < query->level ||
        (query->trace_id.len != 0 && !oxp_view_equal(entry->trace_id, query->trace_id)) ||
        !holds(found->wanted, entry->json)) {
        return true;
    }
    found->total++;
    if (found->count < query->limit) {
        found->records[found->count++] = (struct record){entry->ts, found->text.len, entry->json.len};
        oxp_buf_append_view(&found->text, entry->json);
    }
    return true;
}

static enum oxp_status search(struct oxp_ring *ring, struct found *found) {
    size_t most = found->query->limit < OXP_RING_CAPACITY ? found->query->limit : OXP_RING_CAPACITY;
    oxp_buf_init(&found->text, 0);
    if (ring == NULL) {
        return OXP_OK;
    }
    found->records = calloc(most, sizeof *found->records);
    if (found->records == NULL) {
        return OXP_ERR_NOMEM;
    }
    oxp_ring_each(ring, 0, take_entry, found);
    return oxp_buf_status(&found->text);
}

/* Two lists, each in the order of their coming, as one: the later time first. */
static void write_merged(const struct found found[2], size_t limit, struct oxp_buf *out) {
    size_t at[2] = {0, 0};
    for (size_t i = 0; i < limit && (at[0] < found[0].count || at[1] < found[1].count); i++) {
        bool second = at[0] == found[0].count ||
                      (at[1] < found[1].count && found[1].records[at[1]].ts > found[0].records[at[0]].ts);
        const struct found *from = &found[second];
        const struct record *record = &from->records[at[second]++];
        oxp_buf_append_text(out, i == 0 ? "" : ",\n");
        oxp_buf_append(out, from->text.data + record->at, record->len);
    }
}

void oxp_recent_logs(struct oxp_recent *recent, const struct oxp_recent_logs_query *query, struct oxp_buf *out) {
    struct wanted wanted = {.count = 0};
    struct found found[2] = {{.query = query, .wanted = &wanted}, {.query = query, .wanted = &wanted}};
    struct oxp_ring *rings[2] = {NULL, NULL};
    if (recent != NULL) {
        pthread_mutex_lock(&recent->lock);
        rings[0] = recent->logs;
        rings[1] = recent->alerts;
        pthread_mutex_unlock(&recent->lock);
    }
    want(&wanted, "kind", query->kind);
    want(&wanted, "session", query->session);
    want(&wanted, "task", query->task);
    enum oxp_status status = search(rings[0], &found[0]);
    enum oxp_status also = search(rings[1], &found[1]);
    if (status == OXP_OK && also == OXP_OK) {
        oxp_buf_append_format(out, "{\"total\":%zu,\"logs\":[", found[0].total + found[1].total);
        write_merged(found, query->limit, out);
        oxp_buf_append_text(out, "]}\n");
    } else {
        out->status = OXP_ERR_NOMEM;
    }
    for (size_t i = 0; i < 2; i++) {
        free(found[i].records);
        oxp_buf_fini(&found[i].text);
    }
    for (size_t i = 0; i < wanted.count; i++) {
        oxp_buf_fini(&wanted.parts[i]);
    }
}
