/* Fills the slots of page.html. A slot is {{name}}; what stands between {{ledger}} and {{end}} is left out for a reader
 * who may not see the ledger, what stands between {{stranger}} and {{end}} for one who may. */
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
    bool unknown = tile->word == NULL && !isfinite(tile->value); /* is not green */
    enum oxp_page_mood mood = unknown && tile->mood == OXP_PAGE_OK ? OXP_PAGE_PLAIN : tile->mood;
    oxp_buf_append_format(page, "<div class=\"tile %s\">%s<b%s>", oxp_page_mood_class(mood), tile->what,
                          tile->word != NULL ? " class=\"word\"" : "");
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

/* Green is for what is known to be well. */
static void alert_tile(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    struct tile tile = {OXP_PAGE_OK, (double)facts->firing, NULL, "Alerts firing"};
    const char *why = NULL;
    if (facts->too_many) {
        tile.mood = OXP_PAGE_BAD;
    } else if (facts->rule_count == 0) {
        tile = (struct tile){OXP_PAGE_WARN, NAN, NULL, tile.what};
        why = "no rules";
    } else if (facts->failing == facts->rule_count && facts->firing == 0) {
        tile = (struct tile){OXP_PAGE_BAD, NAN, NULL, tile.what};
        why = "every rule fails";
    } else if (facts->waiting == facts->rule_count) {
        tile = (struct tile){OXP_PAGE_PLAIN, NAN, NULL, tile.what};
        why = "no rule was evaluated yet";
    } else if (facts->critical > 0) {
        tile.mood = OXP_PAGE_BAD;
    } else if (facts->firing + facts->pending + facts->failing > 0) {
        tile.mood = OXP_PAGE_WARN;
    }
    tile_begin(page, &tile);
    if (why != NULL) {
        oxp_buf_append_text(page, why);
    } else {
        oxp_page_count(page, (double)facts->pending);
        oxp_buf_append_text(page, " pending");
    }
    if (facts->info > 0) {
        oxp_buf_append_format(page, ", %zu info", facts->info);
    }
    if (why == NULL && facts->failing > 0) {
        oxp_buf_append_format(page, ", %zu rule%s", facts->failing, facts->failing == 1 ? " fails" : "s fail");
    }
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
    double oldest_s = oxp_page_sum(facts, OXP_PAGE_SESSIONS_OLDEST);
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
    if (oldest_s > 0) {
        oxp_buf_append_text(page, ", oldest ");
        oxp_page_duration(page, oldest_s);
    }
    tile_end(page);
    tile = (struct tile){orphaned > 0 ? OXP_PAGE_BAD : OXP_PAGE_OK, orphaned, NULL, "Orphans"};
    tile_begin(page, &tile);
    oxp_buf_append_text(page, "without an owner");
    tile_end(page);
}

static void breaker_tile(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    struct tile tile = {facts->open_breakers > 0        ? OXP_PAGE_BAD
                        : facts->half_open_breakers > 0 ? OXP_PAGE_WARN
                                                        : OXP_PAGE_OK,
                        (double)facts->open_breakers, NULL, "Open breakers"};
    if (!facts->has_ledger) {
        tile = (struct tile){OXP_PAGE_WARN, NAN, NULL, tile.what};
    }
    tile_begin(page, &tile);
    oxp_page_count(page, (double)facts->breaker_count);
    oxp_buf_append_text(page, " known");
    if (facts->half_open_breakers > 0) {
        oxp_buf_append_format(page, ", %zu half open", facts->half_open_breakers);
    }
    tile_end(page);
}

/* A receiver that is told nothing at present: its breaker is not closed, or it refused the last try. */
static bool is_deaf(const struct oxp_page_facts *facts) {
    for (size_t i = 0; i < facts->receiver_count && i < OXP_PAGE_RECEIVERS; i++) {
        const struct oxp_courier_view *receiver = &facts->receivers[i];
        if (strcmp(receiver->breaker, "closed") != 0 || receiver->last_failure_ms > receiver->last_success_ms) {
            return true;
        }
    }
    return false;
}

static void notification_tile(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    struct tile tile = {OXP_PAGE_PLAIN, 0, "none", "Notifications"};
    if (!facts->has_outbox) {
        tile_begin(page, &tile);
        oxp_buf_append_text(page, "no receiver");
        tile_end(page);
        return;
    }
    tile.mood = facts->outbox.aside > 0 || is_deaf(facts) ? OXP_PAGE_BAD : OXP_PAGE_OK;
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
    alert_tile(page, facts);
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

/* What stands in the tab: how bad it is, then who says so. */
static void title(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    if (facts != NULL && facts->firing > 0) {
        oxp_page_count(page, (double)facts->firing);
        oxp_buf_append_text(page, " firing – ");
    }
    oxp_buf_append_text(page, "Oxpecker");
}

static void oldest(struct oxp_buf *page, const struct oxp_page_facts *facts) {
    oxp_buf_append_double(page, facts->oldest_s);
}

static const struct {
    const char *name;
    oxp_page_slot_fn *write;
} slots[] = {
    {"title", title},
    {"version", version},
    {"now", now},
    {"oldest", oldest},
    {"troubles", oxp_page_troubles},
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

/* What answers 400 without arguments: those of the link, or which there must be. */
static const struct {
    const char *path, *example, *needs;
} asked[] = {
    {"/api/v1/query", "?query=orchestrator_up", NULL},
    {"/api/v1/series", "?match[]=orchestrator_up", NULL},
    {"/api/v1/query_range", NULL, "query, start, end, step"},
    {"/api/v1/query_exemplars", NULL, "query, start, end"},
};

static void link_to(struct oxp_buf *page, const char *path) {
    const char *example = "", *needs = NULL;
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        if (strcmp(asked[i].path, path) == 0) {
            example = asked[i].example;
            needs = asked[i].needs;
        }
    }
    oxp_buf_append_text(page, "<li>");
    if (needs == NULL) {
        oxp_buf_append_text(page, "<a href=\"");
        oxp_page_escape(page, oxp_view_from(path));
        oxp_buf_append_format(page, "%s\">", example);
    }
    oxp_page_escape(page, oxp_view_from(path));
    if (needs == NULL) {
        oxp_buf_append_text(page, "</a></li>\n");
    } else {
        oxp_buf_append_format(page, " <span class=\"labels\">(%s)</span></li>\n", needs);
    }
}

/* A link for each route that this reader can get, the page's own parts apart. */
static void links(struct oxp_buf *page, const struct oxp_page_facts *facts, const struct oxp_route *routes) {
    static oxp_handler_fn *const own[] = {oxp_api_page, oxp_api_page_css, oxp_api_page_js, oxp_api_page_svg,
                                          oxp_api_graph};
    for (const struct oxp_route *route = routes; route->path != NULL; route++) {
        bool skip = (route->methods & OXP_GET) == 0 || strchr(route->path, '*') != NULL ||
                    (facts == NULL && route->access != OXP_ACCESS_OPEN);
        for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
            skip = skip || route->handle == own[i];
        }
        if (!skip) {
            link_to(page, route->path);
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
        } else if (oxp_view_is(slot, "stranger")) {
            skip = facts != NULL;
        } else if (oxp_view_is(slot, "end")) {
            skip = false;
        } else if (!skip && oxp_view_is(slot, "links")) {
            links(page, facts, routes);
        } else if (!skip) {
            fill(page, slot, facts);
        }
    }
}
