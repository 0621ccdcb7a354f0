/* The alerts as text, and back. A JSON object a line (RFC 8259):
 *
 *     {"oxpecker_alerts":1,"saved_ms":1767225600000}
 *     {"file":"rules/a.yml","group":"g","rule":"Down","query":"up == 0","labels":{"severity":"critical"}}
 *     {"labels":{"alertname":"Down",…},"annotations":{…},"value":"0","state":"firing","active_ms":…,"fired_ms":…,
 *      "resolved_ms":0,"keep_firing_since_ms":0}
 *     {"alerts":1,"crc32c":305419896}
 *
 * A rule is named by all that makes it that rule: one whose expression or labels changed has no claim to the alerts of
 * the old one after a restart. Alerts follow their rule. The last line has how many there are and the sum (CRC-32C) of
 * all bytes before it, so that a text that was cut or damaged is seen as a whole. */
#include <stdlib.h>

#include "alerts/rules/internal.h"
#include "lib/base/crc32.h"
#include "lib/base/cursor.h"
#include "lib/base/number.h"
#include "lib/json/json.h"

enum { VERSION = 1 };

/* Told to be changed at least this often while there are alerts, so that saved_ms is about when the sidecar ended. */
#define AGAIN_MS 60000

/* ---- Writing ---- */

static void put_set(struct oxp_buf *out, const char *name, const struct oxp_labels *labels) {
    oxp_buf_append_format(out, "\"%s\":{", name);
    for (size_t i = 0; i < labels->count; i++) {
        oxp_buf_append_text(out, i == 0 ? "" : ",");
        oxp_buf_append_json_string(out, oxp_symbol_view(labels->label[i].name));
        oxp_buf_append_char(out, ':');
        oxp_buf_append_json_string(out, oxp_symbol_view(labels->label[i].value));
    }
    oxp_buf_append_char(out, '}');
}

static void put_rule(struct oxp_buf *out, const struct oxp_rule_group *group, const struct oxp_rule_state *state) {
    const struct {
        const char *key;
        struct oxp_view text;
    } texts[] = {{"{\"file\":", group->file},
                 {",\"group\":", group->name},
                 {",\"rule\":", oxp_symbol_view(state->rule->name)},
                 {",\"query\":", state->rule->query}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        oxp_buf_append_text(out, texts[i].key);
        oxp_buf_append_json_string(out, texts[i].text);
    }
    oxp_buf_append_char(out, ',');
    put_set(out, "labels", state->labels);
    oxp_buf_append_text(out, "}\n");
}

static void put_alert(struct oxp_buf *out, const struct oxp_alert *alert) {
    const struct oxp_alert_life *life = &alert->life;
    oxp_buf_append_char(out, '{');
    put_set(out, "labels", alert->item.labels);
    oxp_buf_append_char(out, ',');
    put_set(out, "annotations", alert->annotations);
    oxp_buf_append_text(out, ",\"value\":\""); /* a text, for NaN and the infinities */
    oxp_buf_append_double(out, alert->value);
    oxp_buf_append_format(out,
                          "\",\"state\":\"%s\",\"active_ms\":%lld,\"fired_ms\":%lld,\"resolved_ms\":%lld,"
                          "\"keep_firing_since_ms\":%lld}\n",
                          oxp_alert_state_text(life->state), (long long)life->active_ms, (long long)life->fired_ms,
                          (long long)life->resolved_ms, (long long)life->keep_firing_since_ms);
}

/* A NUL cannot be read back. */
static bool has_nul(const struct oxp_labels *labels) {
    for (size_t i = 0; i < labels->count; i++) {
        if (memchr(labels->label[i].value->text, 0, labels->label[i].value->len) != NULL) {
            return true;
        }
    }
    return false;
}

static size_t put_alerts(struct oxp_buf *out, const struct oxp_rule_group *group, const struct oxp_rule_state *state) {
    size_t count = 0;
    for (size_t i = 0; state->rule->kind == OXP_RULE_ALERTING && i < state->table.count; i++) {
        const struct oxp_alert *alert = (const struct oxp_alert *)state->table.items[i];
        if (!has_nul(alert->item.labels) && !has_nul(alert->annotations)) {
            if (count++ == 0) {
                put_rule(out, group, state);
            }
            put_alert(out, alert);
        }
    }
    return count;
}

static bool has_alerts(const struct oxp_rules *rules) {
    for (size_t i = 0; i < rules->group_count; i++) {
        for (size_t k = 0; k < rules->groups[i].count; k++) {
            const struct oxp_rule_state *state = &rules->groups[i].rules[k];
            if (state->rule->kind == OXP_RULE_ALERTING && state->table.count != 0) {
                return true;
            }
        }
    }
    return false;
}

static bool is_changed(const struct oxp_rules *rules, int64_t now_ms) {
    if (rules->saved_ms == INT64_MIN || rules->changes != rules->saved_changes) {
        return true;
    }
    return (now_ms < rules->saved_ms || now_ms - rules->saved_ms >= AGAIN_MS) && has_alerts(rules);
}

enum oxp_status oxp_rules_save(struct oxp_rules *rules, int64_t now_ms, struct oxp_buf *out, bool *changed_out) {
    size_t start = out->len, count = 0;
    if (changed_out != NULL) {
        *changed_out = is_changed(rules, now_ms);
        if (!*changed_out) {
            return OXP_OK;
        }
    }
    oxp_buf_append_format(out, "{\"oxpecker_alerts\":%d,\"saved_ms\":%lld}\n", VERSION, (long long)now_ms);
    for (size_t i = 0; i < rules->group_count; i++) {
        for (size_t k = 0; k < rules->groups[i].count; k++) {
            count += put_alerts(out, rules->groups[i].group, &rules->groups[i].rules[k]);
        }
    }
    if (oxp_buf_status(out) == OXP_OK) {
        uint32_t crc = oxp_crc32c(0, out->data + start, out->len - start);
        oxp_buf_append_format(out, "{\"alerts\":%zu,\"crc32c\":%lu}\n", count, (unsigned long)crc);
    }
    if (oxp_buf_status(out) == OXP_OK) {
        rules->saved_changes = rules->changes;
        rules->saved_ms = now_ms;
    }
    return oxp_buf_status(out);
}

/* ---- Reading ---- */

struct found { /* an alert that was read, and whose it is */
    struct found *next;
    struct oxp_rule_state *state;
    const struct oxp_group_state *group;
    struct oxp_alert *alert;
};

struct restoring {
    struct oxp_rules *rules;
    int64_t saved_ms, now_ms;
    struct oxp_arena arena; /* `found`s and texts */
    struct found *first, **last;
    const struct oxp_group_state *group; /* of the rule whose alerts come now */
    struct oxp_rule_state *state;        /* NULL: it is not there any more */
    bool any_rule;
    size_t alerts;
};

/* A whole number that a double holds. */
static bool get_whole(const struct oxp_json *object, const char *key, int64_t *value_out) {
    double value = oxp_json_number_of(oxp_json_get(object, key));
    if (!(value >= -0x1p53 && value <= 0x1p53) || value != (double)(int64_t)value) {
        return false;
    }
    *value_out = (int64_t)value;
    return true;
}

static bool get_text(const struct oxp_json *object, const char *key, struct oxp_view *text_out) {
    const struct oxp_json *value = oxp_json_get(object, key);
    *text_out = oxp_json_text_of(value);
    return oxp_json_kind_of(value) == OXP_JSON_TEXT;
}

static enum oxp_status get_set(struct oxp_arena *arena, const struct oxp_json *object, const char *key,
                               const struct oxp_labels **labels_out) {
    const struct oxp_json *set = oxp_json_get(object, key), *value;
    struct oxp_labels_builder builder;
    struct oxp_view name;
    void *place = NULL;
    if (oxp_json_kind_of(set) != OXP_JSON_OBJECT || oxp_json_size(set) > OXP_LABELS_LIMIT) {
        return OXP_ERR_CORRUPT;
    }
    oxp_labels_build(&builder, arena, oxp_labels_none());
    builder.keeps_empty = true; /* of annotations; labels are never written empty */
    while ((value = oxp_json_next(set, &place, &name)) != NULL) {
        if (oxp_json_kind_of(value) != OXP_JSON_TEXT || name.len == 0) {
            return OXP_ERR_CORRUPT;
        }
        oxp_labels_set_text(&builder, name, oxp_json_text_of(value));
    }
    *labels_out = oxp_labels_finish(&builder);
    return *labels_out == NULL ? OXP_ERR_NOMEM : OXP_OK;
}

static bool get_life(const struct oxp_json *object, struct oxp_alert_life *life_out) {
    struct oxp_view state;
    bool good = get_text(object, "state", &state) && get_whole(object, "active_ms", &life_out->active_ms) &&
                get_whole(object, "fired_ms", &life_out->fired_ms) &&
                get_whole(object, "resolved_ms", &life_out->resolved_ms) &&
                get_whole(object, "keep_firing_since_ms", &life_out->keep_firing_since_ms);
    for (int i = OXP_ALERT_INACTIVE; good && i <= OXP_ALERT_FIRING; i++) {
        if (oxp_view_is(state, oxp_alert_state_text((enum oxp_alert_state)i))) {
            life_out->state = (enum oxp_alert_state)i;
            return i != OXP_ALERT_INACTIVE || life_out->resolved_ms != 0;
        }
    }
    return false;
}

/* ---- The lines ---- */

/* The rule that the following alerts belong to; of several with all the same, each in turn. */
static enum oxp_status read_rule(struct restoring *restoring, const struct oxp_json *line) {
    struct oxp_view file, group, rule, query;
    const struct oxp_labels *labels;
    if (!get_text(line, "file", &file) || !get_text(line, "group", &group) || !get_text(line, "rule", &rule) ||
        !get_text(line, "query", &query)) {
        return OXP_ERR_CORRUPT;
    }
    enum oxp_status status = get_set(&restoring->arena, line, "labels", &labels);
    restoring->any_rule = true;
    restoring->state = NULL;
    for (size_t i = 0; status == OXP_OK && i < restoring->rules->group_count; i++) {
        const struct oxp_group_state *at = &restoring->rules->groups[i];
        bool same = oxp_view_equal(at->group->file, file) && oxp_view_equal(at->group->name, group);
        for (size_t k = 0; same && k < at->count && restoring->state == NULL; k++) {
            struct oxp_rule_state *state = &at->rules[k];
            if (!state->taken && state->rule->kind == OXP_RULE_ALERTING &&
                oxp_view_equal(oxp_symbol_view(state->rule->name), rule) && oxp_view_equal(state->rule->query, query) &&
                oxp_labels_equal(state->labels, labels)) {
                state->taken = true;
                restoring->state = state;
                restoring->group = at;
            }
        }
    }
    return status;
}

/* Puts the alert into the list of what was found, unless it has no rule, is too old or is there already. */
static enum oxp_status take_alert(struct restoring *restoring, const struct oxp_labels *labels,
                                  const struct oxp_labels *annotations, double value, struct oxp_alert_life life) {
    if (restoring->state == NULL || !oxp_alert_restore(&life, restoring->saved_ms, restoring->now_ms) ||
        oxp_label_table_find(&restoring->state->table, labels->label, labels->count, labels->hash) != NULL) {
        return OXP_OK;
    }
    struct found *found = oxp_arena_zero(&restoring->arena, 1, sizeof *found);
    struct oxp_alert *alert = found == NULL ? NULL : calloc(1, sizeof *alert);
    if (alert == NULL) {
        return OXP_ERR_NOMEM;
    }
    *found = (struct found){.state = restoring->state, .group = restoring->group, .alert = alert};
    *restoring->last = found;
    restoring->last = &found->next;
    alert->item.labels = oxp_labels_own(labels);
    alert->annotations = oxp_labels_own(annotations);
    alert->value = value;
    alert->life = life;
    return alert->item.labels == NULL || alert->annotations == NULL ? OXP_ERR_NOMEM : OXP_OK;
}

static enum oxp_status read_alert(struct restoring *restoring, const struct oxp_json *line) {
    const struct oxp_labels *labels = NULL, *annotations = NULL;
    struct oxp_alert_life life;
    struct oxp_view text;
    double value;
    if (!restoring->any_rule || !get_life(line, &life) || !get_text(line, "value", &text) ||
        oxp_number_parse_exposition(text, &value) != OXP_OK) {
        return OXP_ERR_CORRUPT;
    }
    enum oxp_status status = get_set(&restoring->arena, line, "labels", &labels);
    status = status == OXP_OK ? get_set(&restoring->arena, line, "annotations", &annotations) : status;
    restoring->alerts++;
    return status == OXP_OK ? take_alert(restoring, labels, annotations, value, life) : status;
}

static enum oxp_status read_line(struct restoring *restoring, struct oxp_view text, size_t number, bool is_last) {
    struct oxp_json *line = NULL;
    int64_t version = 0, alerts = 0;
    enum oxp_status status = oxp_json_read(text, &line, NULL);
    if (status != OXP_OK) {
        status = status == OXP_ERR_NOMEM ? status : OXP_ERR_CORRUPT;
    } else if (number == 0) {
        bool good = get_whole(line, "oxpecker_alerts", &version) && version == VERSION &&
                    get_whole(line, "saved_ms", &restoring->saved_ms);
        status = good ? OXP_OK : OXP_ERR_CORRUPT;
    } else if (is_last) {
        bool good = get_whole(line, "alerts", &alerts) && (uint64_t)alerts == restoring->alerts;
        status = good ? OXP_OK : OXP_ERR_CORRUPT;
    } else {
        status = oxp_json_get(line, "rule") != NULL ? read_rule(restoring, line) : read_alert(restoring, line);
    }
    oxp_json_free(line);
    return status;
}

/* The text but for its last line, which must have the sum of what is before it. */
static enum oxp_status check_sum(struct oxp_view text, struct oxp_view *before_out) {
    size_t at = text.len == 0 || text.ptr[text.len - 1] != '\n' ? 0 : text.len - 1;
    while (at > 0 && text.ptr[at - 1] != '\n') {
        at--;
    }
    struct oxp_json *line = NULL;
    int64_t crc = 0;
    *before_out = oxp_view_of(text.ptr, at);
    enum oxp_status status =
        at == 0 ? OXP_ERR_CORRUPT : oxp_json_read(oxp_view_of(text.ptr + at, text.len - at), &line, NULL);
    if (status == OXP_OK && (!get_whole(line, "crc32c", &crc) || crc != (int64_t)oxp_crc32c(0, text.ptr, at))) {
        status = OXP_ERR_CORRUPT;
    }
    oxp_json_free(line);
    return status == OXP_OK || status == OXP_ERR_NOMEM ? status : OXP_ERR_CORRUPT;
}

static enum oxp_status read_all(struct restoring *restoring, struct oxp_view text) {
    struct oxp_view before;
    enum oxp_status status = check_sum(text, &before);
    struct oxp_cursor cursor = oxp_cursor_over(text);
    for (size_t number = 0; status == OXP_OK && !oxp_cursor_at_end(&cursor); number++) {
        bool is_last = cursor.pos == before.ptr + before.len;
        status = read_line(restoring, oxp_cursor_take_line(&cursor), number, is_last);
    }
    return status;
}

/* ---- Taking over ---- */

/* All of them, or none. */
static enum oxp_status take_all(struct restoring *restoring) {
    struct oxp_rules *rules = restoring->rules;
    enum oxp_status status = OXP_OK;
    pthread_mutex_lock(&rules->lock);
    for (struct found *at = restoring->first, *next; at != NULL && status == OXP_OK; at = next) {
        size_t same = 0;
        for (next = at; next != NULL && next->state == at->state; next = next->next) {
            same++;
        }
        status = oxp_label_table_reserve(&at->state->table, same);
    }
    for (struct found *at = restoring->first; at != NULL && status == OXP_OK; at = at->next) {
        const struct oxp_labels *labels = at->alert->item.labels;
        if (oxp_label_table_find(&at->state->table, labels->label, labels->count, labels->hash) == NULL) {
            (void)oxp_label_table_add(&at->state->table, &at->alert->item); /* there is room */
            at->alert = NULL;
        }
        oxp_alert_watch_restart(&at->state->watch, restoring->now_ms, at->group->interval_ms,
                                at->state->rule->expr->reach_ms);
        rules->changes++;
    }
    pthread_mutex_unlock(&rules->lock);
    return status;
}

static void untake_rules(struct oxp_rules *rules) {
    for (size_t i = 0; i < rules->group_count; i++) {
        for (size_t k = 0; k < rules->groups[i].count; k++) {
            rules->groups[i].rules[k].taken = false;
        }
    }
}

enum oxp_status oxp_rules_restore(struct oxp_rules *rules, struct oxp_view text, int64_t now_ms) {
    struct restoring restoring = {.rules = rules, .now_ms = now_ms};
    restoring.last = &restoring.first;
    oxp_arena_init(&restoring.arena, 0);
    enum oxp_status status = read_all(&restoring, text);
    status = status == OXP_OK ? take_all(&restoring) : status;
    untake_rules(rules); /* else the next load would find no rule to go on with */
    for (struct found *at = restoring.first; at != NULL; at = at->next) {
        if (at->alert != NULL) {
            oxp_alert_free(at->alert);
        }
    }
    oxp_arena_fini(&restoring.arena);
    return status;
}
