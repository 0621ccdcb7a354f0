/* What receivers get: Alertmanager's webhook message and alerts for Alertmanager itself. */
#include "alerts/notify/notice.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- The order of a message ---- */

/* One that lacks the label comes behind. An empty value is no label. */
static int compare_label(struct oxp_pairs a, struct oxp_pairs b, struct oxp_view name) {
    struct oxp_view left = oxp_pairs_get(a, name), right = oxp_pairs_get(b, name);
    if (left.len == 0 || right.len == 0) {
        return (left.len == 0) - (right.len == 0);
    }
    return oxp_text_order(left, right);
}

/* model.LabelSet.Before: fewer labels first; else the first difference, where who lacks the name is first. */
static int compare_labels(struct oxp_pairs a, struct oxp_pairs b) {
    int order = (a.count > b.count) - (a.count < b.count);
    for (size_t i = 0; order == 0 && i < a.count; i++) {
        int names = oxp_text_order(a.pair[i].name, b.pair[i].name);
        order = names != 0 ? -names : oxp_text_order(a.pair[i].value, b.pair[i].value);
    }
    return order;
}

static int compare_news(const void *left, const void *right) {
    struct oxp_pairs a = ((const struct oxp_news *)left)->notice->labels;
    struct oxp_pairs b = ((const struct oxp_news *)right)->notice->labels;
    int order = compare_label(a, b, OXP_VIEW("job"));
    order = order != 0 ? order : compare_label(a, b, OXP_VIEW("instance"));
    return order != 0 ? order : compare_labels(a, b);
}

void oxp_news_sort(struct oxp_news *news, size_t count) {
    if (count > 1) {
        qsort(news, count, sizeof *news, compare_news);
    }
}

/* ---- The webhook message ---- */

static const char *status_of(bool resolved) {
    return resolved ? "resolved" : "firing";
}

static void write_alert(struct oxp_buf *out, const struct oxp_news *news) {
    const struct oxp_notice *notice = news->notice;
    oxp_buf_append_format(out, "{\"status\":\"%s\",\"labels\":", status_of(news->resolved));
    oxp_pairs_json(out, notice->labels);
    oxp_buf_append_text(out, ",\"annotations\":");
    oxp_pairs_json(out, notice->annotations);
    oxp_buf_append_text(out, ",\"startsAt\":");
    oxp_time_json(out, news->starts_ms);
    oxp_buf_append_text(out, ",\"endsAt\":");
    if (news->resolved) {
        oxp_time_json(out, news->ends_ms);
    } else {
        oxp_buf_append_text(out, "\"0001-01-01T00:00:00Z\""); /* Go's zero time */
    }
    oxp_buf_append_text(out, ",\"generatorURL\":");
    oxp_buf_append_json_string(out, notice->generator);
    oxp_buf_append_format(out, ",\"fingerprint\":\"%016" PRIx64 "\"}", notice->fingerprint);
}

/* What all alerts have in common. */
static void write_common(struct oxp_buf *out, const struct oxp_payload *payload, bool annotations) {
    struct oxp_pair room[OXP_NOTICE_PAIRS];
    struct oxp_pairs common = {room, 0};
    struct oxp_pairs first = {NULL, 0};
    if (payload->count != 0) {
        const struct oxp_notice *notice = payload->news[0].notice;
        first = annotations ? notice->annotations : notice->labels;
    }
    for (size_t i = 0; i < first.count; i++) {
        bool same = true;
        for (size_t k = 1; same && k < payload->count; k++) {
            const struct oxp_notice *notice = payload->news[k].notice;
            struct oxp_pairs other = annotations ? notice->annotations : notice->labels;
            same = oxp_view_equal(oxp_pairs_get(other, first.pair[i].name), first.pair[i].value);
        }
        if (same) {
            room[common.count++] = first.pair[i];
        }
    }
    oxp_pairs_json(out, common);
}

/* As Go's regexp.QuoteMeta, which Alertmanager's template.Data puts the receiver through. */
static void write_receiver(struct oxp_buf *out, const char *receiver) {
    struct oxp_buf quoted;
    oxp_buf_init(&quoted, 0);
    for (const char *c = receiver; *c != '\0'; c++) {
        if (strchr("\\.+*?()|[]{}^$", *c) != NULL) {
            oxp_buf_append_char(&quoted, '\\');
        }
        oxp_buf_append_char(&quoted, *c);
    }
    oxp_buf_append_json_string(out, oxp_buf_view(&quoted));
    if (oxp_buf_status(&quoted) != OXP_OK) {
        out->status = oxp_buf_status(&quoted);
    }
    oxp_buf_fini(&quoted);
}

void oxp_payload_write(struct oxp_buf *out, const struct oxp_payload *payload) {
    oxp_buf_append_text(out, "{\"receiver\":");
    write_receiver(out, payload->receiver);
    oxp_buf_append_format(out, ",\"status\":\"%s\",\"alerts\":[", status_of(!payload->firing));
    for (size_t i = 0; i < payload->count; i++) {
        oxp_buf_append_text(out, i == 0 ? "" : ",");
        write_alert(out, &payload->news[i]);
    }
    oxp_buf_append_text(out, "],\"groupLabels\":");
    oxp_pairs_json(out, payload->group_labels);
    oxp_buf_append_text(out, ",\"commonLabels\":");
    write_common(out, payload, false);
    oxp_buf_append_text(out, ",\"commonAnnotations\":");
    write_common(out, payload, true);
    oxp_buf_append_text(out, ",\"externalURL\":");
    oxp_buf_append_json_string(out, oxp_view_from(payload->external_url));
    oxp_buf_append_text(out, ",\"version\":\"4\",\"groupKey\":");
    oxp_buf_append_json_string(out, payload->group_key);
    oxp_buf_append_format(out, ",\"truncatedAlerts\":%zu}\n", payload->truncated);
}

/* ---- API v2 ---- */

void oxp_news_write(struct oxp_buf *out, const struct oxp_news *news) {
    oxp_buf_append_text(out, "{\"labels\":");
    oxp_pairs_json(out, news->notice->labels);
    oxp_buf_append_text(out, ",\"annotations\":");
    oxp_pairs_json(out, news->notice->annotations);
    oxp_buf_append_text(out, ",\"startsAt\":");
    oxp_time_json(out, news->starts_ms);
    oxp_buf_append_text(out, ",\"endsAt\":");
    oxp_time_json(out, news->ends_ms);
    if (news->notice->generator.len != 0) {
        oxp_buf_append_text(out, ",\"generatorURL\":");
        oxp_buf_append_json_string(out, news->notice->generator);
    }
    oxp_buf_append_char(out, '}');
}
