/* From alerts to messages: groups alerts as Alertmanager does, and puts what is to be told into the outbox.
 *
 * The rules thread tells every change (oxp_alerting_tell), which never waits. A thread of its own keeps the groups:
 * group_wait before the first telling of a group, group_interval between changes, repeat_interval for what goes on.
 * A telling of a group is one message (group = receiver and group key; a newer state supersedes an unsent older one)
 * with the whole group: what fires and what was resolved since the last telling. What was told last is in the outbox's
 * ledger, in the same commit, so that a restart neither repeats nor forgets. What fired at the last telling, and of
 * which the rules have not spoken OXP_ALERTING_LOST_MS after they were ready, is told as resolved: but not while a rule
 * of its name waits for its first evaluation without a failure (`awaits`), and not when a changed group_by has put it
 * into another group and it fires there. Then its old group ends untold, with a note `alerting.regrouped`. What a
 * webhook was told is remembered for 14 days after a reload has taken it away: one that is back learns that what it was
 * told is over.
 *
 * Where it is not as Alertmanager does it (internal.h has all rules): a resolved state takes the place of an unsent
 * firing one and is told, so that the receiver learns that there was something; a telling that takes the place of an
 * unsent one repeats what that one said to be resolved; a resolution is told once, however often the rules say it;
 * repeat_interval is over when it is over, not one group_interval later; a payload that is cut (max_alerts, or a
 * mebibyte) keeps what fires.
 *
 * Alertmanagers get every alert past route and grouping, as Prometheus sends them: each change at once (gathered for
 * 100 ms, a second apart), and all that fire (and what was resolved in the last 15 min) every minute, endsAt four
 * resend intervals ahead of when the rules last said so (facts: Prometheus rules/alerting.go, notifier). One unsent
 * message for each member, in the group "alerts" (past 512 KiB further ones, "alerts/1" …): only the newest state is
 * sent.
 *
 * Queues: "RECEIVER/webhook/NAME" (naming.h says what stands there without a name), "alertmanager/HOST:PORT" (and the
 * path, if the URL has one). Contents are the JSON bodies; address and secrets are added when they are sent. */
#ifndef OXP_NOTIFY_ALERTING_H
#define OXP_NOTIFY_ALERTING_H

#include "alerts/delivery/courier.h"
#include "alerts/rules/rules.h"
#include "lib/yaml/yaml.h"

#define OXP_ALERTING_MAX 10000 /* alerts; what is past it is counted and noted (`alerting.limit`), and not told */
#define OXP_ALERTING_LOST_MS INT64_C(300000)

/* ---- Configuration: the `alerting` section ---- in Alertmanager's words
 *
 *     alerting:
 *       route: {receiver: oncall, group_by: [alertname], group_wait: 30s, group_interval: 5m, repeat_interval: 4h}
 *       receivers:
 *         - name: oncall
 *           webhook_configs: [{name: NAME, url: "http://…" | url_file: PATH, send_resolved: true, max_alerts: 0,
 * timeout: 10s, http_config: {basic_auth: {username, password | password_file}, authorization: {type, credentials |
 * credentials_file}}}] alertmanagers: ["http://alertmanager:9093", {url, http_config: …}]
 *
 * Child routes, matchers, inhibit_rules, time intervals and other integrations are refused by name until they are
 * built. Secrets are read from their files each time they are used, and never written anywhere. */
struct oxp_alerting_config;
/* `root` is the section's mapping (NULL: an empty configuration), `path` the file's name for errors. OXP_ERR_INVALID or
 * OXP_ERR_SYNTAX with line, column and reason; OXP_ERR_NOMEM. */
enum oxp_status oxp_alerting_config_read(const struct oxp_yaml_node *root, const char *path,
                                         struct oxp_alerting_config **config_out, struct oxp_error *error);
void oxp_alerting_config_free(struct oxp_alerting_config *config);
/* The queues that it needs, for the courier; they live as long as the configuration. */
const struct oxp_recipient *oxp_alerting_recipients(const struct oxp_alerting_config *config, size_t *count_out);

/* ---- At work ---- */

#define OXP_ALERTING_ALERT_MAX (256u << 10) /* bytes of one alert in a message to an Alertmanager */

struct oxp_alerting_options {
    struct oxp_alerting_config *config; /* owned once oxp_alerting_new has succeeded; the recipients live in it */
    struct oxp_outbox *outbox;
    const struct oxp_clock *clock;
    const char *external_url; /* copied; in payloads. May be NULL */
    int64_t interval_ms;      /* of rule groups that name none; 0 = 15 s */
    /* Something was put for this receiver: wakes the courier. Any thread. May be NULL. */
    void (*on_put)(void *ctx, struct oxp_view receiver);
    void (*on_failure)(void *ctx, const struct oxp_error *error); /* the outbox could not take it: tried again */
    /* An alert of so many bytes is in no message to the Alertmanagers: it is too large (OXP_ALERTING_ALERT_MAX). Once
     * until it fits again or is forgotten; a note in the outbox says the same. May be NULL. */
    void (*on_left_out)(void *ctx, struct oxp_view alert, size_t bytes);
    /* True while an alert of this alertname may fire without having been told: a rule of that name has not been
     * evaluated since the start, whatever its interval, or not without a failure (oxp_rules_awaits). On alerting's
     * thread, with no lock held. NULL = none. */
    bool (*awaits)(void *ctx, struct oxp_view alertname);
    void *ctx;
};
struct oxp_alerting;
/* Versions up to 2026-11 called the queue of a webhook by its place in the list, "RECEIVER/webhook/0". Gives what waits
 * in the outbox under such names, and what its ledger knows, to the webhook that is in that place now: once for each
 * outbox that is kept. Before the courier and the alerting are made. OXP_ERR_IO, OXP_ERR_FULL, OXP_ERR_NOMEM: to be
 * tried again. */
enum oxp_status oxp_alerting_upgrade(const struct oxp_alerting_config *config, struct oxp_outbox *outbox,
                                     int64_t now_ms, struct oxp_error *error);
/* Reads the ledger; begins no thread. OXP_ERR_IO, OXP_ERR_NOMEM. On a reload: the old one stopped and freed, a new one
 * with the new configuration over the same outbox, told by the rules of everything that lasts (oxp_rules_tell_all), and
 * then that they are ready. The courier uses the configuration's texts, so it is freed before this is. */
enum oxp_status oxp_alerting_new(const struct oxp_alerting_options *options, struct oxp_alerting **alerting_out,
                                 struct oxp_error *error);
void oxp_alerting_free(struct oxp_alerting *alerting);
/* The same, and gives the configuration back to the caller; NULL is allowed, and gives NULL. */
struct oxp_alerting_config *oxp_alerting_free_but_config(struct oxp_alerting *alerting);
/* From the rules (struct oxp_rules_options.on_alert). Takes a copy; waits for no disk. Without memory the alert is told
 * at its next resend. The rules thread. */
void oxp_alerting_tell(struct oxp_alerting *alerting, const struct oxp_alert_event *event);
/* The rules have been evaluated for the first time since the start, alerts are no longer held, and all that lasts was
 * told. Until then groups of the ledger are not told. Any thread. */
void oxp_alerting_rules_ready(struct oxp_alerting *alerting, int64_t now_ms);
/* Puts what is due at `now_ms` and gives when something will be due next (at most a minute ahead). For the thread below
 * and for tests. */
int64_t oxp_alerting_turn(struct oxp_alerting *alerting, int64_t now_ms);
struct oxp_alerting_stats {
    size_t alerts, groups;
    uint64_t refused;  /* events of alerts past OXP_ALERTING_MAX, or without memory */
    uint64_t failures; /* puts that the outbox could not take */
    uint64_t left_out; /* alerts that were too large for the Alertmanagers, each time that one became so */
};
/* Any thread. */
void oxp_alerting_stats(struct oxp_alerting *alerting, struct oxp_alerting_stats *stats_out);
/* A thread that calls _turn when it is due or something was told. OXP_ERR_NOMEM. _stop makes a last turn. */
enum oxp_status oxp_alerting_start(struct oxp_alerting *alerting);
void oxp_alerting_stop(struct oxp_alerting *alerting);

#endif
