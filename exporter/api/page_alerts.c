/* The first page's alerts: the worst that there are, and what keeps the rules from saying more. */
#include "exporter/api/page_parts.h"
#include "exporter/api/page_text.h"

#include <math.h>

#include "lib/base/utf8.h"

#define LABELS_MAX 800 /* bytes of one alert's labels; more are left out */
#define LINK_MAX 1000  /* bytes of an address; a longer one is not a link */

/* ---- The order ---- */

static struct oxp_view text_of(const struct oxp_labels *labels, const char *name) {
    const struct oxp_symbol *symbol = labels == NULL ? NULL : oxp_labels_find(labels, oxp_view_from(name));
    return symbol == NULL ? OXP_VIEW("") : oxp_symbol_view(symbol);
}

int oxp_page_alert_rank(const struct oxp_alert_view *alert) {
    struct oxp_view severity = text_of(alert->labels, "severity");
    return oxp_view_is(severity, "critical") ? OXP_PAGE_CRITICAL
           : oxp_view_is(severity, "info")   ? OXP_PAGE_INFO
                                             : OXP_PAGE_OTHER;
}

struct row {
    const struct oxp_rule_view *rule;
    const struct oxp_alert_view *alert;
};

static bool fires(const struct oxp_alert_view *alert) {
    return alert->life.state == OXP_ALERT_FIRING;
}

static int64_t since_ms(const struct oxp_alert_view *alert) {
    return fires(alert) ? alert->life.fired_ms : alert->life.active_ms;
}

/* By severity, by state, the newest first. */
static int compare_rows(const void *a, const void *b) {
    const struct oxp_alert_view *left = ((const struct row *)a)->alert, *right = ((const struct row *)b)->alert;
    int rank = oxp_page_alert_rank(left) - oxp_page_alert_rank(right);
    int state = (fires(right) ? 1 : 0) - (fires(left) ? 1 : 0);
    int age = since_ms(left) > since_ms(right) ? -1 : since_ms(left) < since_ms(right) ? 1 : 0;
    return rank != 0 ? rank : state != 0 ? state : age;
}

/* ---- A row ---- */

static bool is_link(struct oxp_view text) {
    static const char *const schemes[] = {"https://", "http://"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t len = strlen(schemes[i]);
        if (text.len > len && text.len <= LINK_MAX && memcmp(text.ptr, schemes[i], len) == 0) {
            return true;
        }
    }
    return false;
}

static void append_labels(struct oxp_buf *page, const struct oxp_labels *labels) {
    size_t room = LABELS_MAX;
    for (uint32_t i = 0; labels != NULL && i < labels->count; i++) {
        struct oxp_view name = oxp_symbol_view(labels->label[i].name), value = oxp_symbol_view(labels->label[i].value);
        if (oxp_view_is(name, "alertname") || oxp_view_is(name, "severity")) {
            continue;
        }
        size_t len = oxp_utf8_cut(name, OXP_PAGE_VALUE).len + oxp_utf8_cut(value, OXP_PAGE_VALUE).len;
        if (len > room) {
            oxp_buf_append_text(page, "… ");
            return;
        }
        room -= len;
        oxp_page_value(page, name);
        oxp_buf_append_char(page, '=');
        oxp_page_value(page, value);
        oxp_buf_append_char(page, ' ');
    }
}

/* Where to read on: a link, or the name of a page as the shipped rules have it. */
static void append_runbook(struct oxp_buf *page, const struct oxp_labels *annotations) {
    struct oxp_view url = text_of(annotations, "runbook_url"), name = text_of(annotations, "runbook");
    if (!is_link(url)) {
        url = name;
    }
    if (is_link(url)) {
        oxp_buf_append_text(page, "<a rel=\"noreferrer\" href=\"");
        oxp_page_escape(page, url);
        oxp_buf_append_text(page, "\">runbook</a>");
    } else if (name.len > 0) {
        oxp_buf_append_text(page, "See ");
        oxp_page_value(page, name);
    }
}

/* The summary; the description is behind it. */
static void append_summary(struct oxp_buf *page, const struct oxp_labels *annotations) {
    struct oxp_view summary = text_of(annotations, "summary"), description = text_of(annotations, "description");
    oxp_buf_append_text(page, description.len > 0 ? "<details><summary>" : "<div>");
    if (summary.len > 0) {
        oxp_page_prose(page, summary);
    } else if (description.len > 0) {
        oxp_buf_append_text(page, "More");
    }
    if (description.len > 0) {
        oxp_buf_append_text(page, "</summary>");
        oxp_page_prose(page, description);
    }
    oxp_buf_append_text(page, description.len > 0 ? "</details>" : "</div>");
}

/* The key tells a live page which row is which. */
static void append_row(struct oxp_buf *page, const struct oxp_page_facts *facts, const struct row *row) {
    static const enum oxp_page_mood moods[] = {OXP_PAGE_BAD, OXP_PAGE_WARN, OXP_PAGE_PLAIN};
    const struct oxp_alert_view *alert = row->alert;
    oxp_buf_append_format(page, "<tr data-key=\"%x\"><td>", alert->labels == NULL ? 0 : alert->labels->hash);
    oxp_page_pill(page, fires(alert) ? moods[oxp_page_alert_rank(alert)] : OXP_PAGE_PLAIN,
                  oxp_alert_state_text(alert->life.state));
    oxp_buf_append_text(page, "</td><td>");
    oxp_page_value(page, text_of(alert->labels, "severity"));
    oxp_buf_append_text(page, "</td><th scope=\"row\"><b>");
    oxp_page_value(page, row->rule->name);
    oxp_buf_append_text(page, "</b>");
    append_summary(page, alert->annotations);
    oxp_buf_append_text(page, "<div class=\"labels\">");
    append_labels(page, alert->labels);
    append_runbook(page, alert->annotations);
    oxp_buf_append_text(page, "</div></th><td class=\"n\">");
    oxp_page_duration(page, since_ms(alert) > 0 ? facts->now_s - (double)since_ms(alert) / 1000 : (double)NAN);
    oxp_buf_append_text(page, "</td></tr>\n");
}

/* ---- All ---- */

static void amount(struct oxp_buf *page, size_t value, const char *what) {
    oxp_page_count(page, (double)value);
    oxp_buf_append_text(page, what);
}

/* Why there is no row: that nothing fires is said only when it is known. */
static void append_none(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    size_t known = facts->rule_count - facts->failing - facts->waiting;
    oxp_buf_append_text(page, "<p class=\"none\">");
    if (facts->too_many) {
        oxp_buf_append_text(page, "There are too many alerts to show them here: ");
        amount(page, facts->firing, " fire and ");
        amount(page, facts->pending, " are pending.");
    } else if (!facts->has_rules) {
        oxp_buf_append_text(page, "No rule is evaluated: nothing can fire.");
    } else if (facts->rule_count == 0) {
        oxp_buf_append_text(page, "No rule is loaded: nothing can fire.");
    } else if (known == 0 && facts->failing == 0) {
        oxp_buf_append_text(page, "No rule was evaluated yet.");
    } else if (known == 0) {
        oxp_buf_append_text(page, "No rule could be evaluated: whether something is wrong is not known.");
    } else if (known < facts->rule_count) {
        oxp_buf_append_text(page, "Nothing fires and nothing is pending, of the ");
        amount(page, known, " of ");
        amount(page, facts->rule_count,
               facts->failing > 0 ? " rules that could be evaluated." : " rules that were evaluated so far.");
    } else {
        oxp_buf_append_text(page, "Nothing fires and nothing is pending, of ");
        amount(page, facts->rule_count, facts->rule_count == 1 ? " rule." : " rules.");
    }
    oxp_buf_append_text(page, "</p>\n");
}

void oxp_page_alerts(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    struct row rows[OXP_PAGE_ALERTS];
    struct oxp_page_top top = {rows, sizeof rows[0], OXP_PAGE_ALERTS, 0, compare_rows};
    size_t all = 0;
    for (size_t g = 0; g < facts->group_count; g++) {
        for (size_t r = 0; r < facts->groups[g].count; r++) {
            const struct oxp_rule_view *rule = &facts->groups[g].rules[r];
            for (size_t a = 0; a < rule->alert_count; a++) {
                if (rule->alerts[a].life.state != OXP_ALERT_INACTIVE) {
                    oxp_page_offer(&top, &(struct row){rule, &rule->alerts[a]});
                    all++;
                }
            }
        }
    }
    if (all == 0) {
        append_none(page, facts);
        return;
    }
    oxp_page_table(page, "Alerts", "state|severity|alert|#for");
    for (size_t i = 0; i < top.count; i++) {
        append_row(page, facts, &rows[i]);
    }
    oxp_page_table_end(page);
    oxp_page_more(page, all, top.count);
}

/* ---- What stands at the top ---- */

static void trouble_begin(struct oxp_buf *page) {
    oxp_buf_append_text(page, "<p class=\"trouble\">");
}

static void trouble_end(struct oxp_buf *page) {
    oxp_buf_append_text(page, "</p>\n");
}

void oxp_page_troubles(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    double failures = oxp_page_sum(facts, OXP_PAGE_STORAGE_FAILURES);
    if (facts->failed != NULL) {
        trouble_begin(page);
        amount(page, facts->failing, " of ");
        amount(page, facts->rule_count, facts->rule_count == 1 ? " rule" : " rules");
        oxp_buf_append_text(page, facts->failing == 1 ? " fails: " : " fail, the first is ");
        oxp_page_value(page, facts->failed->name);
        oxp_buf_append_text(page, ": ");
        oxp_page_value(page, facts->failed->last_error);
        trouble_end(page);
    }
    if (failures > 0 && oxp_page_sum(facts, OXP_PAGE_STORAGE_PERSISTENT) <= 0) {
        trouble_begin(page);
        oxp_buf_append_text(page, "State is kept in memory only: ");
        oxp_page_count(page, failures);
        oxp_buf_append_text(page, failures > 1 ? " writes to the disk failed." : " write to the disk failed.");
        trouble_end(page);
    }
    if (oxp_page_sum(facts, OXP_PAGE_RELOAD_OK) <= 0) {
        trouble_begin(page);
        oxp_buf_append_text(page, "The last reload of the configuration failed; the one before it is in use.");
        trouble_end(page);
    }
}
