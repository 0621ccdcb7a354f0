#include "exporter/api/rules_json.h"

#include <math.h>
#include <stdlib.h>

#include "exporter/api/query_json.h"
#include "lib/base/clock.h"
#include "lib/base/number.h"

void oxp_rules_json_time(struct oxp_buf *out, int64_t ms) {
    char text[25]; /* "2026-11-22T04:26:00.123Z" */
    size_t len = 23;
    if (ms == 0) {
        oxp_buf_append_text(out, "\"0001-01-01T00:00:00Z\"");
        return;
    }
    oxp_wall_format((struct oxp_wall){ms * OXP_NS_PER_MS}, text);
    while (text[len - 1] == '0') {
        len--;
    }
    len -= text[len - 1] == '.' ? 1 : 0;
    oxp_buf_append_char(out, '"');
    oxp_buf_append(out, text, len);
    oxp_buf_append_text(out, "Z\"");
}

/* ---- Values ---- */

/* The digits of a number, the first of them not 0 (but of 0 itself), and the exponent of the first. */
struct digits {
    char digit[OXP_NUMBER_MAX];
    size_t count;
    int exponent;
};

static struct digits read_digits(struct oxp_view text) {
    struct digits digits = {.count = 0};
    int before = 0; /* digits before the point, less zeros in front */
    bool point = false;
    size_t i = 0;
    for (; i < text.len && text.ptr[i] != 'e'; i++) {
        char c = text.ptr[i];
        if (c == '.') {
            point = true;
            continue;
        }
        bool leading = digits.count == 0 && c == '0';
        before += point ? (leading ? -1 : 0) : (leading ? 0 : 1);
        if (!leading) {
            digits.digit[digits.count++] = c;
        }
    }
    int written = 0;
    for (size_t j = i + 2; j < text.len; j++) {
        written = written * 10 + (text.ptr[j] - '0');
    }
    digits.exponent = before - 1 + (i + 1 < text.len && text.ptr[i + 1] == '-' ? -written : written);
    while (digits.count > 1 && digits.digit[digits.count - 1] == '0') {
        digits.count--;
    }
    if (digits.count == 0) {
        digits = (struct digits){.digit = "0", .count = 1};
    }
    return digits;
}

void oxp_rules_json_value(struct oxp_buf *out, double value) {
    char text[OXP_NUMBER_MAX];
    size_t len = oxp_number_from_double(text, value);
    oxp_buf_append_char(out, '"');
    if (!isfinite(value)) {
        oxp_buf_append(out, text, len);
    } else {
        size_t sign = text[0] == '-' ? 1 : 0;
        struct digits digits = read_digits(oxp_view_of(text + sign, len - sign));
        oxp_buf_append(out, text, sign);
        oxp_buf_append(out, digits.digit, 1);
        oxp_buf_append_text(out, digits.count > 1 ? "." : "");
        oxp_buf_append(out, digits.digit + 1, digits.count - 1);
        oxp_buf_append_format(out, "e%c%02d", digits.exponent < 0 ? '-' : '+', abs(digits.exponent));
    }
    oxp_buf_append_char(out, '"');
}

/* ---- Alerts ---- */

void oxp_rules_json_alert(struct oxp_buf *out, const struct oxp_alert_view *alert) {
    oxp_buf_append_text(out, "{\"labels\":");
    oxp_query_json_labels(out, alert->labels);
    oxp_buf_append_text(out, ",\"annotations\":");
    oxp_query_json_labels(out, alert->annotations);
    oxp_buf_append_format(out, ",\"state\":\"%s\",\"activeAt\":", oxp_alert_state_text(alert->life.state));
    oxp_rules_json_time(out, alert->life.active_ms);
    if (alert->life.keep_firing_since_ms != 0) {
        oxp_buf_append_text(out, ",\"keepFiringSince\":");
        oxp_rules_json_time(out, alert->life.keep_firing_since_ms);
    }
    oxp_buf_append_text(out, ",\"value\":");
    oxp_rules_json_value(out, alert->value);
    oxp_buf_append_char(out, '}');
}

static void append_alerts(struct oxp_buf *out, const struct oxp_rule_view *rule, bool alerts) {
    if (!alerts) {
        oxp_buf_append_text(out, ",\"alerts\":null");
        return;
    }
    oxp_buf_append_text(out, ",\"alerts\":[");
    for (size_t i = 0; i < rule->alert_count; i++) {
        oxp_buf_append_text(out, i == 0 ? "" : ",");
        oxp_rules_json_alert(out, &rule->alerts[i]);
    }
    oxp_buf_append_char(out, ']');
}

/* ---- Rules ---- */

static void append_text(struct oxp_buf *out, const char *before, struct oxp_view text) {
    oxp_buf_append_text(out, before);
    oxp_buf_append_json_string(out, text);
}

static void append_number(struct oxp_buf *out, const char *before, double value) {
    oxp_buf_append_text(out, before);
    oxp_buf_append_json_double(out, value);
}

static const char *health_text(enum oxp_rule_health health) {
    static const char *const words[] = {
        [OXP_RULE_UNKNOWN] = "unknown", [OXP_RULE_OK] = "ok", [OXP_RULE_FAILED] = "err"};
    return words[health];
}

/* A rule that was not evaluated yet is "inactive", as up to Prometheus 3.5; newer ones say "unknown" as its health
 * does, which clients of the API that buildinfo names do not know. */
void oxp_rules_json_rule(struct oxp_buf *out, const struct oxp_rule_view *rule, bool alerts) {
    bool alerting = rule->kind == OXP_RULE_ALERTING;
    oxp_buf_append_char(out, '{');
    if (alerting) {
        oxp_buf_append_format(out, "\"state\":\"%s\",", oxp_alert_state_text(rule->state));
    }
    append_text(out, "\"name\":", rule->name);
    append_text(out, ",\"query\":", rule->query);
    if (alerting) {
        append_number(out, ",\"duration\":", (double)rule->for_ms / 1000);
        append_number(out, ",\"keepFiringFor\":", (double)rule->keep_firing_for_ms / 1000);
    }
    oxp_buf_append_text(out, ",\"labels\":");
    oxp_query_json_labels(out, rule->labels);
    if (alerting) {
        oxp_buf_append_text(out, ",\"annotations\":");
        oxp_query_json_labels(out, rule->annotations);
        append_alerts(out, rule, alerts);
    }
    oxp_buf_append_format(out, ",\"health\":\"%s\"", health_text(rule->health));
    if (rule->last_error.len > 0) {
        append_text(out, ",\"lastError\":", rule->last_error);
    }
    append_number(out, ",\"evaluationTime\":", rule->seconds);
    oxp_buf_append_text(out, ",\"lastEvaluation\":");
    oxp_rules_json_time(out, rule->last_ms);
    oxp_buf_append_format(out, ",\"type\":\"%s\"}", alerting ? "alerting" : "recording");
}

void oxp_rules_json_group_begin(struct oxp_buf *out, const struct oxp_group_view *group) {
    append_text(out, "{\"name\":", group->name);
    append_text(out, ",\"file\":", group->file);
    oxp_buf_append_text(out, ",\"rules\":[");
}

void oxp_rules_json_group_end(struct oxp_buf *out, const struct oxp_group_view *group) {
    append_number(out, "],\"interval\":", (double)group->interval_ms / 1000);
    oxp_buf_append_format(out, ",\"limit\":%u", group->limit);
    append_number(out, ",\"evaluationTime\":", group->seconds);
    oxp_buf_append_text(out, ",\"lastEvaluation\":");
    oxp_rules_json_time(out, group->last_ms);
    oxp_buf_append_char(out, '}');
}
