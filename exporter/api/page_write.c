/* Fills the slots of page.html. A slot is {{name}}; what stands between {{ledger}} and {{end}} is left out for a reader
 * who may not see the ledger. */
#include "exporter/api/page_parts.h"
#include "exporter/api/page_text.h"

#include <math.h>

#define NEAR_LIMIT 0.9 /* of the sessions' limit, as the shipped alert has it */

/* ---- Tiles ---- */

struct tile {
    enum oxp_page_mood mood;
    double value;
    const char *word; /* instead of the value */
    const char *what;
};

static void tile_begin(struct oxp_buf *page, const struct tile *tile) {
    oxp_buf_append_format(page, "<div class=\"tile %s\">%s<b>", oxp_page_mood_class(tile->mood), tile->what);
    if (tile->word != NULL) {
        oxp_page_word(page, tile->word);
    } else {
        oxp_page_count(page, tile->value);
    }
    oxp_buf_append_text(page, "</b><small>");
}

static void tile_end(struct oxp_buf *page) {
    oxp_buf_append_text(page, "</small></div>\n");
}

/* A tile whose second line is a number and what it counts. */
static void tile_with(struct oxp_buf *page, const struct tile *tile, double value, const char *unit) {
    tile_begin(page, tile);
    oxp_page_count(page, value);
    oxp_buf_append_format(page, " %s", unit);
    tile_end(page);
}

static void up_tile(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    double up = oxp_page_sum(facts, OXP_PAGE_UP), last_s = oxp_page_sum(facts, OXP_PAGE_LAST_EVENT);
    struct tile tile = {OXP_PAGE_PLAIN, 0, "unknown", "Orchestrator"};
    if (isfinite(up)) {
        tile.mood = up > 0 ? OXP_PAGE_OK : OXP_PAGE_BAD;
        tile.word = up > 0 ? "up" : "down";
    }
    tile_begin(page, &tile);
    if (isfinite(last_s)) {
        oxp_buf_append_text(page, "last event ");
        oxp_page_duration(page, facts->now_s - last_s);
        oxp_buf_append_text(page, " ago");
    } else {
        oxp_buf_append_text(page, "no event yet");
    }
    tile_end(page);
}

static void session_tile(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    double active = oxp_page_sum(facts, OXP_PAGE_SESSIONS), limit = oxp_page_sum(facts, OXP_PAGE_SESSIONS_LIMIT);
    double orphaned = oxp_page_at(facts, OXP_PAGE_SESSIONS_ORPHANED, "");
    struct tile tile = {OXP_PAGE_PLAIN, active, NULL, "Sessions"};
    if (isfinite(limit) && limit > 0) {
        tile.mood = active + orphaned >= NEAR_LIMIT * limit ? OXP_PAGE_WARN : OXP_PAGE_OK;
        tile_begin(page, &tile);
        oxp_buf_append_text(page, "of ");
        oxp_page_count(page, limit);
    } else {
        tile_begin(page, &tile);
        oxp_buf_append_text(page, "limit unknown");
    }
    tile_end(page);
    tile = (struct tile){orphaned > 0 ? OXP_PAGE_BAD : OXP_PAGE_OK, orphaned, NULL, "Orphans"};
    tile_begin(page, &tile);
    oxp_buf_append_text(page, "oldest session ");
    oxp_page_duration(page, oxp_page_sum(facts, OXP_PAGE_SESSIONS_OLDEST));
    tile_end(page);
}

static void breaker_tile(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    size_t shown = facts->breaker_count < OXP_PAGE_BREAKERS ? facts->breaker_count : OXP_PAGE_BREAKERS;
    double open = 0, half = 0;
    for (size_t i = 0; i < shown; i++) {
        open += strcmp(facts->breakers[i].state, "open") == 0 ? 1 : 0;
        half += strcmp(facts->breakers[i].state, "half_open") == 0 ? 1 : 0;
    }
    struct tile tile = {open > 0 ? OXP_PAGE_BAD : half > 0 ? OXP_PAGE_WARN : OXP_PAGE_OK, open, NULL, "Open breakers"};
    if (!facts->has_ledger) {
        tile = (struct tile){OXP_PAGE_WARN, NAN, NULL, "Open breakers"};
    }
    tile_with(page, &tile, (double)facts->breaker_count, "known");
}

static void notification_tile(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    struct tile tile = {OXP_PAGE_PLAIN, 0, "none", "Notifications"};
    if (!facts->has_outbox) {
        tile_begin(page, &tile);
        oxp_buf_append_text(page, "no receiver");
        tile_end(page);
        return;
    }
    tile.mood = facts->outbox.aside > 0 ? OXP_PAGE_BAD : OXP_PAGE_OK;
    tile.word = NULL;
    tile.value = (double)(facts->outbox.waiting + facts->outbox.claimed);
    tile_begin(page, &tile);
    oxp_buf_append_text(page, "waiting, ");
    oxp_page_count(page, (double)facts->outbox.aside);
    oxp_buf_append_text(page, " set aside");
    tile_end(page);
}

static void tiles(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    double stalled = oxp_page_sum(facts, OXP_PAGE_TASKS_STALLED), critical = 0;
    critical = oxp_page_at(facts, OXP_PAGE_INCIDENTS, "critical") + oxp_page_at(facts, OXP_PAGE_INCIDENTS, "high");
    up_tile(page, facts);
    session_tile(page, facts);
    tile_with(page,
              &(struct tile){stalled > 0 ? OXP_PAGE_WARN : OXP_PAGE_OK, oxp_page_sum(facts, OXP_PAGE_TASKS_ACTIVE),
                             NULL, "Tasks running"},
              stalled, "stalled");
    breaker_tile(page, facts);
    tile_with(page,
              &(struct tile){critical > 0 ? OXP_PAGE_WARN : OXP_PAGE_OK, oxp_page_sum(facts, OXP_PAGE_INCIDENTS), NULL,
                             "Open incidents"},
              critical, "high or critical");
    tile_with(page,
              &(struct tile){facts->firing > 0    ? OXP_PAGE_BAD
                             : facts->pending > 0 ? OXP_PAGE_WARN
                                                  : OXP_PAGE_OK,
                             (double)facts->firing, NULL, "Alerts firing"},
              (double)facts->pending, "pending");
    notification_tile(page, facts);
}

/* ---- The template ---- */

static void version(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    (void)facts;
    oxp_page_word(page, OXP_VERSION);
}

static void now(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    oxp_page_time(page, facts->now_s);
}

static void oldest(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    oxp_buf_append_double(page, facts->oldest_s);
}

static const struct {
    const char *name;
    oxp_page_slot_fn *write;
} slots[] = {
    {"version", version},
    {"now", now},
    {"oldest", oldest},
    {"tiles", tiles},
    {"sessions", oxp_page_sessions},
    {"breakers", oxp_page_breakers},
    {"alerts", oxp_page_alerts},
    {"errors", oxp_page_errors},
    {"retries", oxp_page_retries},
    {"tasks", oxp_page_tasks},
    {"writers", oxp_page_writers},
    {"notifications", oxp_page_notifications},
    {"sidecar", oxp_page_sidecar},
};

/* A link for each route that can be got, the page's own parts apart. */
static void links(struct oxp_buf *page, const struct oxp_route *routes) {
    for (const struct oxp_route *route = routes; route->path != NULL; route++) {
        bool own =
            route->handle == oxp_api_page || route->handle == oxp_api_page_css || route->handle == oxp_api_page_js;
        if ((route->methods & OXP_GET) != 0 && !own && strchr(route->path, '*') == NULL) {
            oxp_buf_append_text(page, "<li><a href=\"");
            oxp_page_word(page, route->path);
            oxp_buf_append_text(page, "\">");
            oxp_page_word(page, route->path);
            oxp_buf_append_text(page, "</a></li>\n");
        }
    }
}

static void fill(struct oxp_buf *page, struct oxp_view slot, const struct oxp_page_facts *facts) {
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        if (oxp_view_is(slot, slots[i].name)) {
            slots[i].write(page, facts);
        }
    }
}

void oxp_page_write(struct oxp_buf *page, const struct oxp_page_facts *facts, const struct oxp_route *routes) {
    struct oxp_view rest = oxp_view_of(oxp_page_html, oxp_page_html_len);
    bool skip = false;
    while (rest.len > 0) {
        const char *open = memmem(rest.ptr, rest.len, "{{", 2);
        const char *close = open == NULL ? NULL : memmem(open, rest.len - (size_t)(open - rest.ptr), "}}", 2);
        size_t len = close == NULL ? rest.len : (size_t)(open - rest.ptr);
        if (!skip) {
            oxp_buf_append(page, rest.ptr, len);
        }
        if (close == NULL) {
            return;
        }
        struct oxp_view slot = oxp_view_of(open + 2, (size_t)(close - open) - 2);
        rest = oxp_view_of(close + 2, rest.len - (size_t)(close + 2 - rest.ptr));
        if (oxp_view_is(slot, "ledger")) {
            skip = facts == NULL;
        } else if (oxp_view_is(slot, "end")) {
            skip = false;
        } else if (!skip && oxp_view_is(slot, "links")) {
            links(page, routes);
        } else if (!skip) {
            fill(page, slot, facts);
        }
    }
}
