/* The tables of the first page. */
#include "exporter/api/page_parts.h"
#include "exporter/api/page_text.h"

#include <math.h>
#include <stdlib.h>

/* ---- Shared ---- */

static void none(struct oxp_buf *page, const char *text) {
    oxp_buf_append_format(page, "<p class=\"none\">%s</p>\n", text);
}

/* `heads` are the columns' names, separated by '|'; '#' before one: a column of numbers. */
static void table_begin(struct oxp_buf *page, const char *heads) {
    oxp_buf_append_text(page, "<table><thead><tr>");
    while (*heads != '\0') {
        size_t len = strcspn(heads, "|");
        bool number = *heads == '#';
        oxp_buf_append_text(page, number ? "<th scope=\"col\" class=\"n\">" : "<th scope=\"col\">");
        oxp_buf_append(page, heads + (number ? 1 : 0), len - (number ? 1 : 0));
        oxp_buf_append_text(page, "</th>");
        heads += len + (heads[len] == '|' ? 1 : 0);
    }
    oxp_buf_append_text(page, "</tr></thead><tbody>\n");
}

static void pairs_begin(struct oxp_buf *page) {
    oxp_buf_append_text(page, "<table class=\"plain counts\"><tbody>\n");
}

static void table_end(struct oxp_buf *page) {
    oxp_buf_append_text(page, "</tbody></table>\n");
}

static void row_head(struct oxp_buf *page, const char *name) {
    oxp_buf_append_text(page, "<tr><th scope=\"row\">");
    oxp_page_word(page, name);
    oxp_buf_append_text(page, "</th>");
}

static void row_end(struct oxp_buf *page) {
    oxp_buf_append_text(page, "</tr>\n");
}

static void cell_word(struct oxp_buf *page, const char *text) {
    oxp_buf_append_text(page, "<td>");
    oxp_page_word(page, text);
    oxp_buf_append_text(page, "</td>");
}

static void cell_count(struct oxp_buf *page, double value) {
    oxp_buf_append_text(page, "<td class=\"n\">");
    oxp_page_count(page, value);
    oxp_buf_append_text(page, "</td>");
}

static void cell_pill(struct oxp_buf *page, enum oxp_page_mood mood, const char *text) {
    oxp_buf_append_text(page, "<td>");
    oxp_page_pill(page, mood, text);
    oxp_buf_append_text(page, "</td>");
}

/* How long ago, or for how long; a dash when `since_s` is unknown (0 or not finite). */
static void cell_since(struct oxp_buf *page, double now_s, double since_s) {
    oxp_buf_append_text(page, "<td class=\"n\">");
    oxp_page_duration(page, since_s > 0 ? now_s - since_s : (double)NAN);
    oxp_buf_append_text(page, "</td>");
}

static void more(struct oxp_buf *page, size_t all, size_t shown) {
    if (all > shown) {
        oxp_buf_append_format(page, "<p class=\"none\">and %zu more</p>\n", all - shown);
    }
}

static void append_amount(struct oxp_buf *page, double value, const char *what) {
    oxp_page_count(page, value);
    oxp_buf_append_text(page, what);
}

/* ---- Sessions ---- */

void oxp_page_sessions(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    static const char *const states[] = {"pending", "releasing", "running"};
    enum { STATES = sizeof states / sizeof states[0] };
    double parts[STATES + 1], counts[STATES + 1];
    double limit = oxp_page_sum(facts, OXP_PAGE_SESSIONS_LIMIT), sum = 0;
    for (size_t i = 0; i < STATES; i++) {
        counts[i] = oxp_page_at(facts, OXP_PAGE_SESSIONS, states[i]);
        sum += counts[i];
    }
    counts[STATES] = oxp_page_at(facts, OXP_PAGE_SESSIONS_ORPHANED, "");
    sum += counts[STATES];
    double whole = limit > sum ? limit : sum;
    for (size_t i = 0; i < STATES + 1; i++) {
        parts[i] = whole > 0 ? counts[i] / whole * 100 : 0;
    }
    oxp_page_bar(page, parts, STATES + 1);
    pairs_begin(page);
    for (size_t i = 0; i < STATES + 1; i++) {
        oxp_buf_append_format(page, "<tr><th scope=\"row\"><span class=\"key s%zu\"></span>%s</th>", i,
                              i < STATES ? states[i] : "orphaned");
        cell_count(page, counts[i]);
        row_end(page);
    }
    row_head(page, "limit");
    cell_count(page, limit);
    row_end(page);
    row_head(page, "started so far");
    cell_count(page, oxp_page_sum(facts, OXP_PAGE_SESSIONS_STARTED));
    row_end(page);
    for (size_t i = 0; i < facts->numbers[OXP_PAGE_SESSIONS_ENDED].count; i++) {
        const struct oxp_page_row *row = &facts->numbers[OXP_PAGE_SESSIONS_ENDED].rows[i];
        oxp_buf_append_text(page, "<tr><th scope=\"row\">ended: ");
        oxp_page_word(page, row->name);
        oxp_buf_append_text(page, "</th>");
        cell_count(page, row->value);
        row_end(page);
    }
    table_end(page);
}

/* ---- Breakers ---- */

static int breaker_rank(const struct oxp_breaker_view *breaker) {
    return strcmp(breaker->state, "open") == 0 ? 0 : strcmp(breaker->state, "half_open") == 0 ? 1 : 2;
}

static void breaker_row(struct oxp_buf *page, const struct oxp_page_facts *facts,
                        const struct oxp_breaker_view *breaker) {
    static const enum oxp_page_mood moods[] = {OXP_PAGE_BAD, OXP_PAGE_WARN, OXP_PAGE_OK};
    row_head(page, breaker->name);
    cell_pill(page, moods[breaker_rank(breaker)], breaker->state);
    cell_since(page, facts->now_s, breaker->since_s);
    cell_count(page, (double)breaker->consecutive_failures);
    oxp_buf_append_text(page, "<td class=\"n\">");
    oxp_page_duration(page, breaker->open_total_s);
    oxp_buf_append_text(page, "</td>");
    row_end(page);
}

void oxp_page_breakers(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    size_t shown = facts->breaker_count < OXP_PAGE_BREAKERS ? facts->breaker_count : OXP_PAGE_BREAKERS;
    if (!facts->has_ledger || shown == 0) {
        none(page, facts->has_ledger ? "No breaker has been heard of yet." : "The ledger did not answer in time.");
        return;
    }
    table_begin(page, "breaker|state|#for|#failures|#open in all");
    for (int rank = 0; rank < 3; rank++) {
        for (size_t i = 0; i < shown; i++) {
            if (breaker_rank(&facts->breakers[i]) == rank) {
                breaker_row(page, facts, &facts->breakers[i]);
            }
        }
    }
    table_end(page);
    more(page, facts->breaker_count, shown);
}

/* ---- Alerts ---- */

static bool is_link(struct oxp_view text) {
    static const char *const schemes[] = {"https://", "http://"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t len = strlen(schemes[i]);
        if (text.len > len && memcmp(text.ptr, schemes[i], len) == 0) {
            return true;
        }
    }
    return false;
}

static struct oxp_view text_of(const struct oxp_labels *labels, const char *name) {
    const struct oxp_symbol *symbol = labels == NULL ? NULL : oxp_labels_find(labels, oxp_view_from(name));
    return symbol == NULL ? OXP_VIEW("") : oxp_symbol_view(symbol);
}

static void alert_labels(struct oxp_buf *page, const struct oxp_labels *labels) {
    oxp_buf_append_text(page, "<div class=\"labels\">");
    for (uint32_t i = 0; labels != NULL && i < labels->count; i++) {
        struct oxp_view name = oxp_symbol_view(labels->label[i].name);
        if (!oxp_view_is(name, "alertname") && !oxp_view_is(name, "severity")) {
            oxp_page_escape(page, name);
            oxp_buf_append_char(page, '=');
            oxp_page_escape(page, oxp_symbol_view(labels->label[i].value));
            oxp_buf_append_text(page, " ");
        }
    }
    oxp_buf_append_text(page, "</div>");
}

static void alert_row(struct oxp_buf *page, const struct oxp_page_facts *facts, const struct oxp_rule_view *rule,
                      const struct oxp_alert_view *alert) {
    bool firing = alert->life.state == OXP_ALERT_FIRING;
    struct oxp_view runbook = text_of(alert->annotations, "runbook_url");
    oxp_buf_append_text(page, "<tr><td>");
    oxp_page_pill(page, firing ? OXP_PAGE_BAD : OXP_PAGE_WARN, oxp_alert_state_text(alert->life.state));
    oxp_buf_append_text(page, "</td><th scope=\"row\">");
    oxp_page_escape(page, rule->name);
    oxp_buf_append_text(page, "</th><td>");
    oxp_page_escape(page, text_of(alert->labels, "severity"));
    oxp_buf_append_text(page, "</td><td>");
    oxp_page_escape(page, text_of(alert->annotations, "summary"));
    if (is_link(runbook)) {
        oxp_buf_append_text(page, " <a rel=\"noreferrer\" href=\"");
        oxp_page_escape(page, runbook);
        oxp_buf_append_text(page, "\">runbook</a>");
    }
    alert_labels(page, alert->labels);
    oxp_buf_append_text(page, "</td>");
    cell_since(page, facts->now_s, (double)(firing ? alert->life.fired_ms : alert->life.active_ms) / 1000);
    row_end(page);
}

/* Those in one state; gives how many there were before and are now. */
static size_t alert_rows(struct oxp_buf *page, const struct oxp_page_facts *facts, enum oxp_alert_state state,
                         size_t count) {
    for (size_t g = 0; g < facts->group_count; g++) {
        for (size_t r = 0; r < facts->groups[g].count; r++) {
            const struct oxp_rule_view *rule = &facts->groups[g].rules[r];
            for (size_t a = 0; a < rule->alert_count; a++) {
                if (rule->alerts[a].life.state == state && count++ < OXP_PAGE_ALERTS) {
                    alert_row(page, facts, rule, &rule->alerts[a]);
                }
            }
        }
    }
    return count;
}

void oxp_page_alerts(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    if (!facts->has_rules) {
        none(page, "There are no rules to look at.");
        return;
    }
    if (facts->firing + facts->pending == 0) {
        oxp_buf_append_text(page, "<p class=\"none\">Nothing fires and nothing is pending, of ");
        append_amount(page, (double)facts->rule_count, " rules.</p>\n");
        return;
    }
    table_begin(page, "state|alert|severity|what|#for");
    size_t count = alert_rows(page, facts, OXP_ALERT_FIRING, 0);
    count = alert_rows(page, facts, OXP_ALERT_PENDING, count);
    table_end(page);
    more(page, count, OXP_PAGE_ALERTS);
}

/* ---- Errors, retries, tasks ---- */

static int compare_rows(const void *a, const void *b) {
    const struct oxp_page_row *left = a, *right = b;
    return left->value != right->value ? (left->value < right->value ? 1 : -1) : strcmp(left->name, right->name);
}

/* The rows that are not 0, the highest first, each with its bar. False when there are none. */
static bool ranked(struct oxp_buf *page, const struct oxp_page_group *group, const char *heads) {
    struct oxp_page_row rows[OXP_PAGE_ROWS];
    memcpy(rows, group->rows, sizeof rows);
    if (group->count > 0) {
        qsort(rows, group->count, sizeof rows[0], compare_rows);
    }
    if (group->count == 0 || rows[0].value <= 0) {
        return false;
    }
    table_begin(page, heads);
    for (size_t i = 0; i < group->count && rows[i].value > 0; i++) {
        double part = rows[i].value / rows[0].value * 100;
        row_head(page, rows[i].name);
        oxp_buf_append_text(page, "<td class=\"b\">");
        oxp_page_bar(page, &part, 1);
        oxp_buf_append_text(page, "</td>");
        cell_count(page, rows[i].value);
        row_end(page);
    }
    table_end(page);
    return true;
}

void oxp_page_errors(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    if (!ranked(page, &facts->numbers[OXP_PAGE_ERRORS], "category||#so far")) {
        none(page, "No error so far.");
    }
}

void oxp_page_retries(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    const struct oxp_page_group *outcomes = &facts->numbers[OXP_PAGE_RETRY_OUTCOMES];
    if (!ranked(page, &facts->numbers[OXP_PAGE_RETRY_ATTEMPTS], "attempts beyond the first||#so far")) {
        none(page, "Nothing was tried again so far.");
    }
    pairs_begin(page);
    row_head(page, "waiting to try again now");
    cell_count(page, oxp_page_sum(facts, OXP_PAGE_RETRY_BACKOFFS));
    row_end(page);
    for (size_t i = 0; i < outcomes->count; i++) {
        oxp_buf_append_text(page, "<tr><th scope=\"row\">operations ");
        oxp_page_word(page, outcomes->rows[i].name);
        oxp_buf_append_text(page, "</th>");
        cell_count(page, outcomes->rows[i].value);
        row_end(page);
    }
    table_end(page);
}

void oxp_page_tasks(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    const struct oxp_page_group *started = &facts->numbers[OXP_PAGE_TASKS_STARTED];
    if (started->count == 0) {
        none(page, "No task so far.");
        return;
    }
    table_begin(page, "workflow|#running|#started|#ended");
    for (size_t i = 0; i < started->count; i++) {
        const char *name = started->rows[i].name;
        row_head(page, name);
        cell_count(page, oxp_page_at(facts, OXP_PAGE_TASKS_ACTIVE, name));
        cell_count(page, started->rows[i].value);
        cell_count(page, oxp_page_at(facts, OXP_PAGE_TASKS_ENDED, name));
        row_end(page);
    }
    table_end(page);
}

/* ---- Orchestrators ---- */

void oxp_page_writers(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    size_t shown = facts->writer_count < OXP_PAGE_WRITERS ? facts->writer_count : OXP_PAGE_WRITERS;
    if (!facts->has_ledger || shown == 0) {
        none(page, facts->has_ledger ? "None has announced itself yet." : "The ledger did not answer in time.");
        return;
    }
    table_begin(page, "writer|state|version|#last event|#lost");
    for (size_t i = 0; i < shown; i++) {
        const struct oxp_writer_view *writer = &facts->writers[i];
        oxp_buf_append_text(page, "<tr><th scope=\"row\">");
        oxp_page_word(page, writer->writer);
        oxp_buf_append_text(page, "<div class=\"labels\">");
        oxp_page_escape(page, oxp_view_from(writer->environment));
        oxp_buf_append_text(page, "</div></th>");
        cell_pill(page,
                  writer->lost        ? OXP_PAGE_BAD
                  : writer->connected ? OXP_PAGE_OK
                                      : OXP_PAGE_PLAIN,
                  writer->lost        ? "lost"
                  : writer->stopping  ? "stopping"
                  : writer->connected ? "connected"
                                      : "away");
        cell_word(page, writer->version);
        cell_since(page, facts->now_s, writer->last_event_s);
        cell_count(page, (double)writer->lost_events);
        row_end(page);
    }
    table_end(page);
    more(page, facts->writer_count, shown);
}
