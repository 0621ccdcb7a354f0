/* The first page's tables about the sidecar itself: whom it tells, and how it is. */
#include "exporter/api/page_parts.h"
#include "exporter/api/page_text.h"

#include <math.h>

/* ---- Notifications ---- */

static void receiver_rows(struct oxp_buf *page, const struct oxp_page_facts *facts, size_t shown) {
    oxp_page_table(page, "Receivers", "receiver|state|#sent|#failed|#last success");
    for (size_t i = 0; i < shown; i++) {
        const struct oxp_courier_view *receiver = &facts->receivers[i];
        bool closed = strcmp(receiver->breaker, "closed") == 0;
        bool failing = receiver->last_failure_ms > receiver->last_success_ms;
        oxp_buf_append_text(page, "<tr><th scope=\"row\">");
        oxp_page_name(page, receiver->receiver);
        oxp_buf_append_text(page, " <span class=\"labels\">");
        oxp_page_word(page, receiver->integration);
        oxp_buf_append_text(page, "</span></th><td>");
        oxp_page_pill(page,
                      closed && !failing ? OXP_PAGE_OK
                      : closed           ? OXP_PAGE_WARN
                                         : OXP_PAGE_BAD,
                      closed && failing ? "failing" : receiver->breaker);
        oxp_buf_append_text(page, "</td><td class=\"n\">");
        oxp_page_count(page, (double)receiver->sent);
        oxp_buf_append_text(page, "</td><td class=\"n\">");
        oxp_page_count(page, (double)(receiver->failed + receiver->refused));
        oxp_buf_append_text(page, "</td><td class=\"n\">");
        oxp_page_duration(page, receiver->last_success_ms > 0 ? facts->now_s - (double)receiver->last_success_ms / 1000
                                                              : (double)NAN);
        oxp_buf_append_text(page, receiver->last_success_ms > 0 ? " ago</td></tr>\n" : "</td></tr>\n");
    }
    oxp_page_table_end(page);
}

static void begin(struct oxp_buf *page, const char *name) {
    oxp_buf_append_format(page, "<tr><th scope=\"row\">%s</th><td>", name);
}

static void end(struct oxp_buf *page) {
    oxp_buf_append_text(page, "</td></tr>\n");
}

static void amount(struct oxp_buf *page, double value, const char *what) {
    oxp_page_count(page, value);
    oxp_buf_append_text(page, what);
}

static void outbox_rows(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    const struct oxp_outbox_stats *outbox = &facts->outbox;
    double dropped = 0;
    for (int i = 0; i < OXP_OUTBOX_DROPS; i++) {
        dropped += (double)outbox->dropped[i];
    }
    begin(page, "waiting");
    amount(page, (double)outbox->waiting, "");
    if (outbox->oldest_ms > 0) {
        oxp_buf_append_text(page, ", the oldest for ");
        oxp_page_duration(page, facts->now_s - (double)outbox->oldest_ms / 1000);
    }
    end(page);
    begin(page, "being sent");
    amount(page, (double)outbox->claimed, "");
    end(page);
    begin(page, "set aside");
    amount(page, (double)outbox->aside, "");
    end(page);
    begin(page, "dropped");
    amount(page, dropped, "");
    end(page);
    begin(page, "kept");
    oxp_page_pill(page, facts->kept && outbox->failures == 0 ? OXP_PAGE_OK : OXP_PAGE_WARN,
                  facts->kept ? "on disk" : "in memory only");
    if (outbox->failures > 0) {
        oxp_buf_append_text(page, " ");
        amount(page, (double)outbox->failures, " failures of the disk");
    }
    end(page);
}

void oxp_page_notifications(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    size_t shown = facts->receiver_count < OXP_PAGE_RECEIVERS ? facts->receiver_count : OXP_PAGE_RECEIVERS;
    if (!facts->has_outbox) {
        oxp_buf_append_text(page, "<p class=\"none\">No receiver is configured; alerts are on this page alone.</p>\n");
        return;
    }
    oxp_page_pairs(page, "Messages", "plain");
    outbox_rows(page, facts);
    oxp_page_table_end(page);
    if (shown > 0) {
        receiver_rows(page, facts, shown);
        oxp_page_more(page, facts->receiver_count, shown);
    }
}

/* ---- The sidecar ---- */

static void process_rows(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    double reload = oxp_page_sum(facts, OXP_PAGE_RELOAD_OK), failures = oxp_page_sum(facts, OXP_PAGE_STORAGE_FAILURES);
    bool kept = oxp_page_sum(facts, OXP_PAGE_STORAGE_PERSISTENT) > 0;
    begin(page, "version");
    oxp_page_word(page, OXP_VERSION);
    end(page);
    begin(page, "up for");
    oxp_page_duration(page, facts->now_s - oxp_page_sum(facts, OXP_PAGE_START_TIME));
    end(page);
    begin(page, "memory");
    oxp_page_bytes(page, oxp_page_sum(facts, OXP_PAGE_RESIDENT));
    end(page);
    begin(page, "processor time");
    oxp_page_duration(page, oxp_page_sum(facts, OXP_PAGE_CPU));
    end(page);
    begin(page, "configuration");
    oxp_page_pill(page,
                  reload > 0    ? OXP_PAGE_OK
                  : reload <= 0 ? OXP_PAGE_BAD
                                : OXP_PAGE_PLAIN,
                  reload > 0    ? "loaded"
                  : reload <= 0 ? "the last reload failed"
                                : "unknown");
    end(page);
    begin(page, "storage");
    oxp_page_pill(page, kept && !(failures > 0) ? OXP_PAGE_OK : OXP_PAGE_WARN, kept ? "on disk" : "in memory only");
    if (failures > 0) {
        oxp_buf_append_text(page, " ");
        amount(page, failures, " writes failed");
    }
    end(page);
}

static void data_rows(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    begin(page, "events");
    amount(page, oxp_page_sum(facts, OXP_PAGE_EVENTS_IN), " accepted, ");
    amount(page, oxp_page_sum(facts, OXP_PAGE_EVENTS_REJECTED), " refused, ");
    amount(page, oxp_page_sum(facts, OXP_PAGE_EVENTS_LOST), " lost");
    end(page);
    begin(page, "connections");
    amount(page, oxp_page_sum(facts, OXP_PAGE_CONNECTIONS), "");
    end(page);
    begin(page, "series");
    amount(page, oxp_page_sum(facts, OXP_PAGE_SERIES), " of at most ");
    amount(page, oxp_page_sum(facts, OXP_PAGE_SERIES_LIMIT), "");
    end(page);
    double reach_s = oxp_page_sum(facts, OXP_PAGE_TSDB_REACH), held_s = facts->now_s - facts->oldest_s;
    begin(page, "short memory");
    oxp_page_bytes(page, oxp_page_sum(facts, OXP_PAGE_TSDB_BYTES));
    oxp_buf_append_text(page, " of at most ");
    oxp_page_bytes(page, oxp_page_sum(facts, OXP_PAGE_TSDB_LIMIT));
    oxp_buf_append_text(page, ", ");
    amount(page, oxp_page_sum(facts, OXP_PAGE_TSDB_SERIES), " series, reaches back ");
    oxp_page_duration(page, !(facts->oldest_s > 0) ? (double)NAN : held_s < reach_s ? held_s : reach_s);
    end(page);
}

static void rule_rows(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    begin(page, "rules");
    if (facts->has_rules) {
        amount(page, (double)facts->rule_count, " in ");
        amount(page, (double)facts->group_count, facts->group_count == 1 ? " group " : " groups ");
    } else {
        oxp_page_pill(page, OXP_PAGE_WARN, "none");
    }
    if (facts->failing > 0) {
        oxp_page_pill(page, OXP_PAGE_BAD, "failing");
        oxp_buf_append_text(page, " ");
        amount(page, (double)facts->failing, "");
    }
    end(page);
    begin(page, "evaluations");
    amount(page, oxp_page_sum(facts, OXP_PAGE_EVALUATIONS), ", ");
    amount(page, oxp_page_sum(facts, OXP_PAGE_EVALUATIONS_FAILED), " failed, ");
    amount(page, oxp_page_sum(facts, OXP_PAGE_ITERATIONS_MISSED), " missed");
    end(page);
}

void oxp_page_sidecar(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    oxp_page_pairs(page, "This sidecar", "plain");
    process_rows(page, facts);
    data_rows(page, facts);
    rule_rows(page, facts);
    oxp_page_table_end(page);
}
