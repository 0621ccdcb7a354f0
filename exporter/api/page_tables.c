/* The tables of the first page. */
#include "exporter/api/page_parts.h"
#include "exporter/api/page_text.h"

#include <math.h>
#include <stdlib.h>

/* ---- Shared ---- */

static void none(struct oxp_buf *page, const char *text) {
    oxp_buf_append_format(page, "<p class=\"none\">%s</p>\n", text);
}

static void row_head(struct oxp_buf *page, const char *name) {
    oxp_buf_append_text(page, "<tr><th scope=\"row\">");
    oxp_page_name(page, name);
    oxp_buf_append_text(page, "</th>");
}

static void row_end(struct oxp_buf *page) {
    oxp_buf_append_text(page, "</tr>\n");
}

static void cell_name(struct oxp_buf *page, const char *name) {
    oxp_buf_append_text(page, "<td>");
    oxp_page_name(page, name);
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
    oxp_page_pairs(page, "Sessions", "plain counts");
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
        oxp_page_name(page, row->name);
        oxp_buf_append_text(page, "</th>");
        cell_count(page, row->value);
        row_end(page);
    }
    oxp_page_table_end(page);
}

/* ---- Breakers ---- */

static void breaker_row(struct oxp_buf *page, const struct oxp_page_facts *facts,
                        const struct oxp_breaker_view *breaker) {
    static const enum oxp_page_mood moods[] = {OXP_PAGE_BAD, OXP_PAGE_WARN, OXP_PAGE_OK};
    row_head(page, breaker->name);
    cell_pill(page, moods[oxp_page_breaker_rank(breaker)], breaker->state);
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
    oxp_page_table(page, "Circuit breakers", "breaker|state|#for|#failures|#open in all");
    for (size_t i = 0; i < shown; i++) {
        breaker_row(page, facts, &facts->breakers[i]);
    }
    oxp_page_table_end(page);
    oxp_page_more(page, facts->breaker_count, shown);
}

/* ---- Errors, retries, tasks ---- */

static int compare_rows(const void *a, const void *b) {
    const struct oxp_page_row *left = a, *right = b;
    return left->value != right->value ? (left->value < right->value ? 1 : -1) : strcmp(left->name, right->name);
}

/* The rows that are not 0, the highest first, each with its bar. False when there are none. */
static bool ranked(struct oxp_buf *page, const struct oxp_page_group *group, const char *name, const char *heads) {
    struct oxp_page_row rows[OXP_PAGE_ROWS];
    memcpy(rows, group->rows, sizeof rows);
    if (group->count > 0) {
        qsort(rows, group->count, sizeof rows[0], compare_rows);
    }
    if (group->count == 0 || rows[0].value <= 0) {
        return false;
    }
    oxp_page_table(page, name, heads);
    for (size_t i = 0; i < group->count && rows[i].value > 0; i++) {
        double part = rows[i].value / rows[0].value * 100;
        row_head(page, rows[i].name);
        oxp_buf_append_text(page, "<td class=\"b\">");
        oxp_page_bar(page, &part, 1);
        oxp_buf_append_text(page, "</td>");
        cell_count(page, rows[i].value);
        row_end(page);
    }
    oxp_page_table_end(page);
    return true;
}

void oxp_page_errors(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    if (!ranked(page, &facts->numbers[OXP_PAGE_ERRORS], "Errors by category", "category||#so far")) {
        none(page, "No error so far.");
    }
}

void oxp_page_retries(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    const struct oxp_page_group *outcomes = &facts->numbers[OXP_PAGE_RETRY_OUTCOMES];
    if (!ranked(page, &facts->numbers[OXP_PAGE_RETRY_ATTEMPTS], "Retries by upstream",
                "attempts beyond the first||#so far")) {
        none(page, "Nothing was tried again so far.");
    }
    oxp_page_pairs(page, "Operations that were tried again", "plain counts");
    row_head(page, "waiting to try again now");
    cell_count(page, oxp_page_sum(facts, OXP_PAGE_RETRY_BACKOFFS));
    row_end(page);
    for (size_t i = 0; i < outcomes->count; i++) {
        oxp_buf_append_text(page, "<tr><th scope=\"row\">operations ");
        oxp_page_name(page, outcomes->rows[i].name);
        oxp_buf_append_text(page, "</th>");
        cell_count(page, outcomes->rows[i].value);
        row_end(page);
    }
    oxp_page_table_end(page);
}

void oxp_page_tasks(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    const struct oxp_page_group *started = &facts->numbers[OXP_PAGE_TASKS_STARTED];
    if (started->count == 0) {
        none(page, "No task so far.");
        return;
    }
    oxp_page_table(page, "Tasks by workflow", "workflow|#running|#started|#ended");
    for (size_t i = 0; i < started->count; i++) {
        const char *name = started->rows[i].name;
        row_head(page, name);
        cell_count(page, oxp_page_at(facts, OXP_PAGE_TASKS_ACTIVE, name));
        cell_count(page, started->rows[i].value);
        cell_count(page, oxp_page_at(facts, OXP_PAGE_TASKS_ENDED, name));
        row_end(page);
    }
    oxp_page_table_end(page);
}

/* ---- Orchestrators ---- */

/* Where a process stands in the table: 0 = lost, 1 = connected, 2 = away; REPLACED = nowhere, since another process of
 * its name is connected. */
enum { REPLACED = 3 };
static int writer_rank(const struct oxp_page_facts *facts, size_t place, size_t known) {
    const struct oxp_writer_view *writer = &facts->writers[place];
    for (size_t i = 0; i < known && !writer->connected; i++) {
        if (facts->writers[i].connected && strcmp(facts->writers[i].writer, writer->writer) == 0) {
            return REPLACED;
        }
    }
    return writer->lost ? 0 : writer->connected ? 1 : 2;
}

static void writer_row(struct oxp_buf *page, const struct oxp_page_facts *facts, const struct oxp_writer_view *writer) {
    oxp_buf_append_text(page, "<tr><th scope=\"row\">");
    oxp_page_name(page, writer->writer);
    oxp_buf_append_text(page, "<div class=\"labels\">");
    oxp_page_value(page, oxp_view_from(writer->environment));
    oxp_buf_append_text(page, "</div></th>");
    cell_pill(page,
              writer->lost        ? OXP_PAGE_BAD
              : writer->connected ? OXP_PAGE_OK
                                  : OXP_PAGE_PLAIN,
              writer->lost        ? "lost"
              : writer->stopping  ? "stopping"
              : writer->connected ? "connected"
                                  : "away");
    cell_name(page, writer->version);
    cell_since(page, facts->now_s, writer->last_event_s);
    cell_count(page, (double)writer->lost_events);
    row_end(page);
}

void oxp_page_writers(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    size_t known = facts->writer_count < OXP_PAGE_WRITERS ? facts->writer_count : OXP_PAGE_WRITERS;
    size_t all = 0, shown = 0;
    if (!facts->has_ledger || known == 0) {
        none(page, facts->has_ledger ? "None has announced itself yet." : "The ledger did not answer in time.");
        return;
    }
    oxp_page_table(page, "Orchestrators", "writer|state|version|#last event|#lost");
    for (int rank = 0; rank < REPLACED; rank++) {
        for (size_t i = 0; i < known; i++) {
            if (writer_rank(facts, i, known) == rank && all++ < OXP_PAGE_WRITER_ROWS) {
                writer_row(page, facts, &facts->writers[i]);
                shown++;
            }
        }
    }
    oxp_page_table_end(page);
    oxp_page_more(page, all + facts->writer_count - known, shown);
}
