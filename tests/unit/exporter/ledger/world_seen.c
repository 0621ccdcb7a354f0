/* The lines of a scenario about what is seen instead of reported (provider, process, container), and about incidents.
 * world.h says how to read them. */
#include "tests/unit/exporter/ledger/world.h"

/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SESSIONS = 32, IDS = 16 };

/* ---- The provider ---- */

/* "a:running:other:-100:60" */
static void read_session(const struct world *world, char *text, struct oxp_provider_session *out) {
    char *save = NULL;
    const char *id = strtok_r(text, ":", &save), *status = strtok_r(NULL, ":", &save);
    const char *whose = strtok_r(NULL, ":", &save), *began = strtok_r(NULL, ":", &save);
    const char *expires = strtok_r(NULL, ":", &save);
    double now_s = world_time(world, "now");
    *out = (struct oxp_provider_session){.id = oxp_view_from(id),
                                         .status = oxp_view_from(status),
                                         .region = OXP_VIEW("us-west-2"),
                                         .created_s = now_s + (began == NULL ? -100 : strtod(began, NULL)),
                                         .started_s = NAN,
                                         .ended_s = NAN,
                                         .expires_s = expires == NULL ? NAN : now_s + strtod(expires, NULL),
                                         .ours = whose == NULL || strcmp(whose, "mine") == 0};
}

static void answer(struct world *world, const char *rest) {
    static struct oxp_provider_session sessions[SESSIONS];
    static char text[512];
    struct oxp_provider_answer said = {.sessions = sessions,
                                       .concurrency = NAN,
                                       .usage_browser_seconds = NAN,
                                       .usage_proxy_bytes = NAN,
                                       .asked_at_s = world_time(world, "now")};
    char *save = NULL;
    snprintf(text, sizeof text, "%s", rest);
    for (char *word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        if (strcmp(word, "complete") == 0 || strcmp(word, "partial") == 0) {
            said.complete = word[0] == 'c';
        } else if (sscanf(word, "limit=%lf", &said.concurrency) == 1 ||
                   sscanf(word, "usage=%lf", &said.usage_browser_seconds) == 1 ||
                   sscanf(word, "bytes=%lf", &said.usage_proxy_bytes) == 1) {
            continue;
        } else {
            read_session(world, word, &sessions[said.count++]);
        }
    }
    oxp_ledger_provider_answered(world->ledger, &said);
}

static void ended(struct world *world, const char *rest) {
    char id[64], status[64];
    double began = 0, end = 0;
    assert_true(sscanf(rest, "%63s %63s %lf %lf", id, status, &began, &end) >= 2);
    double now_s = world_time(world, "now");
    struct oxp_provider_session session = {.id = oxp_view_from(id),
                                           .status = oxp_view_from(status),
                                           .created_s = now_s + began,
                                           .started_s = now_s + began,
                                           .ended_s = now_s + end,
                                           .expires_s = NAN,
                                           .proxy_bytes = 7,
                                           .ours = true};
    oxp_ledger_provider_ended(world->ledger, &session);
}

static bool same_ids(const struct oxp_view *ids, size_t count, const char *wanted, char *why) {
    char got[400] = "";
    for (size_t i = 0; i < count && i < IDS; i++) {
        size_t len = strlen(got);
        snprintf(got + len, sizeof got - len, "%s%.*s", i == 0 ? "" : ",", (int)ids[i].len, ids[i].ptr);
    }
    snprintf(why, 512, "are %s", got);
    return strcmp(count == 0 ? "-" : got, wanted) == 0;
}

static bool check_release(struct world *world, const char *rest, char *why) {
    struct oxp_view ids[IDS];
    char *wanted;
    double after = strtod(rest, &wanted);
    return same_ids(ids, oxp_ledger_orphans_to_release(world->ledger, after, ids, IDS), wanted + 1, why);
}

static bool check_asks(struct world *world, const char *rest, char *why) {
    struct oxp_view ids[IDS];
    return same_ids(ids, oxp_ledger_provider_asks(world->ledger, ids, IDS), rest, why);
}

static void released(struct world *world, const char *rest) {
    const char *space = strchr(rest, ' ');
    assert_non_null(space);
    oxp_ledger_released(world->ledger, oxp_view_of(rest, (size_t)(space - rest)), strcmp(space + 1, "ok") == 0);
}

/* ---- Process and container ---- */

static void watched(struct world *world, const char *rest) {
    struct oxp_watched seen;
    struct {
        const char *name;
        double *to;
    } rows[] = {
        {"cpu_user_s", &seen.cpu_user_s},
        {"cpu_sys_s", &seen.cpu_sys_s},
        {"read_bytes", &seen.read_bytes},
        {"write_bytes", &seen.write_bytes},
        {"rss", &seen.rss},
        {"fds", &seen.fds},
        {"max_fds", &seen.max_fds},
        {"threads", &seen.threads},
        {"container_cpu_s", &seen.container_cpu_s},
        {"throttled_s", &seen.throttled_s},
        {"oom_kills", &seen.oom_kills},
        {"working_set", &seen.working_set},
        {"memory_limit", &seen.memory_limit},
        {"memory_some_s", &seen.pressure_s[1][0]},
        {"io_full_s", &seen.pressure_s[2][1]},
        {"spool", &seen.avail_bytes[1]},
    };
    char text[512], *save = NULL;
    oxp_watched_clear(&seen);
    snprintf(text, sizeof text, "%s", rest);
    for (char *word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        char *equals = strchr(word, '=');
        assert_non_null(equals);
        *equals = '\0';
        bool known = false;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            if (strcmp(word, rows[i].name) == 0) {
                *rows[i].to = strtod(equals + 1, NULL);
                known = true;
            }
        }
        assert_true(known);
    }
    oxp_ledger_watched(world->ledger, &seen);
}

/* ---- Incidents ---- */

static bool check_incident(const struct world *world, const char *rest, char *why) {
    struct oxp_incident_view view;
    const struct {
        const char *name, *text;
    } rows[] = {
        {"state", view.state},
        {"code", view.code},
        {"category", view.category},
        {"severity", view.severity},
        {"component", view.component},
        {"task", view.task},
        {"session", view.session},
        {"workflow", view.workflow},
        {"trace_id", view.trace_id},
        {"action", view.action},
        {"outcome", view.outcome},
        {"automation", view.automation},
        {"level", view.level},
        {"reason", view.reason},
        {"writer", view.writer},
        {"boot", view.boot},
        {"derived", NULL},
    };
    char text[512], *save = NULL;
    snprintf(text, sizeof text, "%s", rest);
    char *id = strtok_r(text, " ", &save);
    if (oxp_ledger_incidents(world->ledger, oxp_view_from(id), 0, &view, 1) == 0) {
        snprintf(why, 512, "there is none");
        return strcmp(rest + strlen(id), " none") == 0;
    }
    for (char *word = strtok_r(NULL, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        bool same = false;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            size_t len = strlen(rows[i].name);
            const char *shown = strcmp(rows[i].name, "derived") == 0 ? (view.derived ? "true" : "false") : rows[i].text;
            if (strncmp(word, rows[i].name, len) == 0 && word[len] == '=') {
                same = strcmp(word + len + 1, shown) == 0;
                snprintf(why, 512, "%s is \"%s\"", rows[i].name, shown);
            }
        }
        if (!same) {
            return false;
        }
    }
    return true;
}

bool world_seen_line(struct world *world, const char *word, const char *rest, char *why) {
    if (strcmp(word, "answer") == 0) {
        answer(world, rest);
    } else if (strcmp(word, "poll") == 0) {
        oxp_ledger_provider_failed(world->ledger);
    } else if (strcmp(word, "ended") == 0) {
        ended(world, rest);
    } else if (strcmp(word, "asks") == 0) {
        return check_asks(world, rest, why);
    } else if (strcmp(word, "release") == 0) {
        return check_release(world, rest, why);
    } else if (strcmp(word, "released") == 0) {
        released(world, rest);
    } else if (strcmp(word, "watched") == 0) {
        watched(world, rest);
    } else if (strcmp(word, "incident") == 0) {
        return check_incident(world, rest, why);
    } else {
        snprintf(why, 512, "what does that mean?");
        return false;
    }
    return true;
}
