/* What is announced beside who is there: the limits and orchestrator_info (domain catalogue, section 5).
 *
 *  1. sessions_limit: who said something new last, the orchestrator or the configuration, is right. A reload that does
 *     not change the configured limit says nothing new; one that takes it away leaves what was announced, if anything.
 *  2. orchestrator_info is what the last root writer (no "/") announced; what it leaves out stays as that boot said it
 *     before, and a missing environment comes from the configuration. */
#include "exporter/ledger/parts.h"

#include <math.h>

static struct oxp_series *only(struct oxp_ledger *ledger, enum oxp_metric metric) {
    return oxp_cell(&ledger->numbers, metric, 0);
}

/* ---- orchestrator_info (rule 2) ---- */

/* Shows what was said, the environment of the configuration where none was. */
static void update_info(struct oxp_ledger *ledger) {
    if (!ledger->info_known) {
        return;
    }
    const char *said = ledger->info_said[1];
    const char *shown[3] = {ledger->info_said[0], said[0] != '\0' ? said : ledger->environment, ledger->info_said[2]};
    struct oxp_view values[3];
    bool same = true;
    for (size_t i = 0; i < 3; i++) {
        values[i] = oxp_view_from(shown[i][0] != '\0' ? shown[i] : "unknown");
        same = same && oxp_view_is(values[i], ledger->info[i]);
    }
    if (same) {
        return;
    }
    struct oxp_family *family = ledger->numbers.families[OXP_M_INFO];
    oxp_family_hide_all(family); /* info labels are replaced, not added */
    oxp_gauge_set(oxp_family_at3(family, values[0], values[1], values[2]), 1);
    for (size_t i = 0; i < 3; i++) {
        oxp_keep(ledger->info[i], sizeof ledger->info[i], values[i]);
    }
}

void oxp_info_show(struct oxp_ledger *ledger, const struct oxp_identity *who) {
    if (strchr(who->writer, '/') != NULL) {
        return;
    }
    ledger->info_known = true;
    memcpy(ledger->info_said[0], who->version, sizeof who->version);
    memcpy(ledger->info_said[1], who->environment, sizeof who->environment);
    memcpy(ledger->info_said[2], who->sdk, sizeof who->sdk);
    update_info(ledger);
}

/* ---- Limits (rule 1) ---- */

static void show_or_hide(struct oxp_series *gauge, double value) {
    if (value > 0) {
        oxp_gauge_set(gauge, value);
    } else {
        oxp_series_hide(gauge);
    }
}

static void show_limits(struct oxp_ledger *ledger) {
    const struct oxp_loose *loose = &ledger->loose;
    bool configured = loose->limit_configured > 0 && (loose->limit_is_configured || !(loose->limit_announced > 0));
    show_or_hide(only(ledger, OXP_M_SESSIONS_LIMIT), configured ? loose->limit_configured : loose->limit_announced);
    show_or_hide(only(ledger, OXP_M_SESSION_CREATE_LIMIT), loose->create_limit);
}

void oxp_limits_configured(struct oxp_ledger *ledger) {
    double limit = fmax(ledger->options.sessions_limit, 0);
    if (limit != ledger->loose.limit_configured) {
        ledger->loose.limit_configured = limit;
        ledger->loose.limit_is_configured = limit > 0;
        show_limits(ledger);
    }
    update_info(ledger);
}

void oxp_limits_take(struct oxp_ledger *ledger, const struct oxp_event *event) {
    oxp_limits_announce(ledger, oxp_event_number(event, OXP_FIELD_SESSIONS_LIMIT, 0));
    double create_limit = oxp_event_number(event, OXP_FIELD_CREATE_LIMIT, 0);
    if (create_limit > 0) {
        ledger->loose.create_limit = create_limit;
        show_limits(ledger);
    }
}

void oxp_limits_announce(struct oxp_ledger *ledger, double sessions_limit) {
    if (sessions_limit > 0) {
        ledger->loose.limit_announced = sessions_limit;
        ledger->loose.limit_is_configured = false;
        show_limits(ledger);
    }
}

/* ---- After a restart ---- */

/* What was announced is believed as it was, unless the configured limit has changed meanwhile: that is new. */
void oxp_limits_restore(struct oxp_ledger *ledger, const struct oxp_loose *read) {
    struct oxp_loose *loose = &ledger->loose;
    loose->limit_announced = read->limit_announced;
    loose->create_limit = read->create_limit;
    loose->checkpoint_s = read->checkpoint_s;
    loose->stored = read->stored;
    loose->stored_bytes = read->stored_bytes;
    bool changed = read->limit_configured != loose->limit_configured;
    loose->limit_is_configured = changed ? loose->limit_configured > 0 : read->limit_is_configured;
    ledger->last_event_s = fmax(ledger->last_event_s, read->last_event_s);
    show_limits(ledger);
    oxp_checkpoints_restore(ledger, loose);
}
