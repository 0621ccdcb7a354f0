/* How delivery shows: in the sidecar's own metrics and in the log. Everything here may run on any thread. */
#include "exporter/app/delivery_parts.h"

#include "exporter/app/daemon.h"
#include "lib/base/number.h"

static struct oxp_family *family(const struct oxp_daemon *daemon, enum oxp_self_metric metric) {
    return daemon->stats.families[metric];
}

static void count(const struct oxp_daemon *daemon, enum oxp_self_metric metric, uint64_t n) {
    if (n != 0) {
        oxp_counter_add(oxp_counter(oxp_family_only(family(daemon, metric))), n);
    }
}

static void count_at(const struct oxp_daemon *daemon, enum oxp_self_metric metric, const char *value) {
    oxp_counter_add(oxp_counter(oxp_family_at(family(daemon, metric), oxp_view_from(value))), 1);
}

static double seconds_now(const struct oxp_daemon *daemon) {
    return oxp_wall_seconds(oxp_clock_wall(daemon->clock));
}

/* ---- A send ---- */

/* The data of a message to CloudWatch: its summary begins with their number. */
static uint64_t data_of(const struct oxp_outbox_message *message) {
    size_t digits = 0;
    uint64_t data = 0;
    while (digits < message->summary.len && message->summary.ptr[digits] >= '0' &&
           message->summary.ptr[digits] <= '9') {
        digits++;
    }
    return oxp_number_parse_u64(oxp_view_of(message->summary.ptr, digits), &data) == OXP_OK ? data : 0;
}

static void show_cloudwatch(const struct oxp_daemon *daemon, const struct oxp_outbox_message *message,
                            enum oxp_delivery delivery, struct oxp_view answer) {
    count(daemon, OXP_S_CLOUDWATCH_DROPPED_DATAPOINTS_TOTAL,
          delivery == OXP_DELIVERY_REFUSED ? data_of(message) : oxp_cw_rejected(answer));
    const char *outcome = delivery == OXP_DELIVERED ? "ok" : delivery == OXP_DELIVERY_WAIT ? "throttled" : "failed";
    count_at(daemon, OXP_S_CLOUDWATCH_REQUESTS_TOTAL, outcome);
    if (delivery == OXP_DELIVERED) {
        oxp_gauge_set(oxp_family_only(family(daemon, OXP_S_CLOUDWATCH_LAST_SUCCESS_TIMESTAMP_SECONDS)),
                      seconds_now(daemon));
    }
}

static void log_send(const struct oxp_daemon *daemon, const struct oxp_recipient *recipient,
                     const struct oxp_outbox_message *message, const struct oxp_verdict *verdict) {
    static const struct {
        enum oxp_log_level level;
        const char *text;
    } words[] = {
        [OXP_DELIVERED] = {OXP_LOG_DEBUG, "a message was delivered"},
        [OXP_DELIVERY_AGAIN] = {OXP_LOG_WARNING, "a message was not delivered; it is tried again"},
        [OXP_DELIVERY_WAIT] = {OXP_LOG_WARNING, "a receiver asks to wait; the message is tried again"},
        [OXP_DELIVERY_REFUSED] = {OXP_LOG_ERROR,
                                  "a receiver refuses a message; it is set aside (oxpecker outbox list)"},
    };
    bool delivered = verdict->delivery == OXP_DELIVERED;
    OXP_LOG_AT(daemon->log, words[verdict->delivery].level, words[verdict->delivery].text,
               OXP_LOG_TEXT("receiver", recipient->receiver), OXP_LOG_NUM("id", message->id),
               OXP_LOG_VIEW("summary", message->summary), OXP_LOG_NUM("tries", message->tries),
               OXP_LOG_TEXT("reason", delivered ? "" : oxp_delivery_reason_name(verdict->reason)),
               OXP_LOG_VIEW("answer", delivered ? OXP_VIEW("") : verdict->answer));
}

void oxp_delivery_on_send(void *ctx, const struct oxp_recipient *recipient, const struct oxp_outbox_message *message,
                          const struct oxp_verdict *verdict, double seconds) {
    const struct oxp_daemon *daemon = ctx;
    struct oxp_view integration = oxp_view_from(recipient->integration);
    bool delivered = verdict->delivery == OXP_DELIVERED, data = oxp_view_is(integration, "cloudwatch");
    (void)seconds;
    oxp_counter_add(oxp_counter(oxp_family_at(family(daemon, OXP_S_NOTIFICATIONS_TOTAL), integration)), 1);
    if (!delivered) {
        oxp_counter_add(oxp_counter(oxp_family_at2(family(daemon, OXP_S_NOTIFICATIONS_FAILED_TOTAL), integration,
                                                   oxp_view_from(oxp_delivery_reason_name(verdict->reason)))),
                        1);
    } else if (!data && message->since_ms > 0) {
        double delay = seconds_now(daemon) - (double)message->since_ms / 1000;
        oxp_histogram_observe(oxp_family_only(family(daemon, OXP_S_NOTIFICATION_DELAY_SECONDS)), delay < 0 ? 0 : delay);
    }
    if (data) {
        show_cloudwatch(daemon, message, verdict->delivery, verdict->answer);
    }
    log_send(daemon, recipient, message, verdict);
}

void oxp_delivery_show_integration(struct oxp_daemon *daemon, const char *integration) {
    struct oxp_view name = oxp_view_from(integration);
    (void)oxp_family_at(family(daemon, OXP_S_NOTIFICATIONS_TOTAL), name);
    (void)oxp_family_at(family(daemon, OXP_S_OUTBOX_ENTRIES), name);
    for (int reason = 0; reason < OXP_DELIVERY_REASONS; reason++) {
        (void)oxp_family_at2(family(daemon, OXP_S_NOTIFICATIONS_FAILED_TOTAL), name,
                             oxp_view_from(oxp_delivery_reason_name((enum oxp_delivery_reason)reason)));
    }
}

/* ---- What is in no message ---- */

void oxp_delivery_on_left_out(void *ctx, struct oxp_view alert, size_t bytes) {
    const struct oxp_daemon *daemon = ctx;
    oxp_counter_add(oxp_counter(oxp_family_at2(family(daemon, OXP_S_NOTIFICATIONS_FAILED_TOTAL),
                                               OXP_VIEW("alertmanager"), OXP_VIEW("other"))),
                    1);
    oxp_log_error(daemon->log, "an alert is too large for Alertmanagers; they are not told of it",
                  OXP_LOG_VIEW("alert", alert), OXP_LOG_NUM("bytes", (double)bytes),
                  OXP_LOG_NUM("limit_bytes", OXP_ALERTING_ALERT_MAX));
}

/* ---- A drop ---- */

void oxp_delivery_on_drop(void *ctx, const struct oxp_outbox_message *message, enum oxp_outbox_drop drop) {
    const struct oxp_daemon *daemon = ctx;
    count_at(daemon, OXP_S_OUTBOX_DROPPED_TOTAL, oxp_outbox_drop_name(drop));
    if (oxp_view_is(message->receiver, OXP_CW_RECEIVER)) {
        count(daemon, OXP_S_CLOUDWATCH_DROPPED_DATAPOINTS_TOTAL, data_of(message));
    }
    bool newer = drop == OXP_OUTBOX_SUPERSEDING; /* nothing is lost: a newer state took its place */
    OXP_LOG_AT(daemon->log, newer ? OXP_LOG_INFO : OXP_LOG_ERROR, "a message was dropped from the outbox undelivered",
               OXP_LOG_TEXT("reason", oxp_outbox_drop_name(drop)), OXP_LOG_NUM("id", message->id),
               OXP_LOG_VIEW("receiver", message->receiver), OXP_LOG_VIEW("summary", message->summary));
}

/* Its fields may be what is damaged: the queue was claimed from, so its name is as good as any. */
void oxp_delivery_on_damage(void *ctx, const struct oxp_outbox_message *message) {
    const struct oxp_daemon *daemon = ctx;
    oxp_counter_add(oxp_counter(oxp_family_at2(family(daemon, OXP_S_NOTIFICATIONS_FAILED_TOTAL), message->integration,
                                               OXP_VIEW("other"))),
                    1);
    oxp_log_error(daemon->log,
                  "a message was damaged on the disk; it is not sent, and set aside (oxpecker outbox list)",
                  OXP_LOG_NUM("id", message->id), OXP_LOG_VIEW("receiver", message->receiver),
                  OXP_LOG_VIEW("summary", message->summary));
}

/* ---- The disk ---- */

void oxp_delivery_on_failure(void *ctx, const struct oxp_error *error) {
    struct oxp_daemon *daemon = ctx;
    oxp_daemon_log_error(daemon->log, "the outbox took nothing; it is tried again", error);
}

void oxp_delivery_show_outbox(struct oxp_daemon *daemon, struct oxp_outbox *outbox, uint64_t *failures) {
    struct oxp_outbox_stats stats;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    if (oxp_outbox_stats(outbox, &arena, &stats) == OXP_OK) {
        struct oxp_family *entries = family(daemon, OXP_S_OUTBOX_ENTRIES);
        struct oxp_series *oldest = oxp_family_only(family(daemon, OXP_S_OUTBOX_OLDEST_TIMESTAMP_SECONDS));
        for (size_t i = 0; i < stats.count; i++) {
            oxp_gauge_set(oxp_family_at(entries, stats.counts[i].integration),
                          (double)(stats.counts[i].waiting + stats.counts[i].claimed));
        }
        oxp_gauge_set(oxp_family_only(family(daemon, OXP_S_OUTBOX_BYTES)), (double)stats.bytes);
        if (stats.oldest_ms == 0) {
            oxp_series_hide(oldest);
        } else {
            oxp_gauge_set(oldest, (double)stats.oldest_ms / 1000);
        }
        count(daemon, OXP_S_STORAGE_FAILURES_TOTAL, stats.failures > *failures ? stats.failures - *failures : 0);
        *failures = stats.failures;
    }
    oxp_arena_fini(&arena);
}

/* ---- What was published ---- */

void oxp_delivery_show_published(struct oxp_daemon *daemon, const struct oxp_cw_published *published) {
    count(daemon, OXP_S_CLOUDWATCH_DROPPED_DATAPOINTS_TOTAL, published->left_out);
    if (published->failed > 0) {
        oxp_log_warning(daemon->log, "expressions for CloudWatch could not be evaluated",
                        OXP_LOG_NUM("failed", published->failed), OXP_LOG_TEXT("first", published->first_failed.text));
    }
    oxp_log_debug(daemon->log, "published to CloudWatch", OXP_LOG_NUM("data", published->data),
                  OXP_LOG_NUM("messages", published->messages), OXP_LOG_NUM("left_out", published->left_out));
}
