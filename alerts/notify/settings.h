/* The `alerting` section as it was read. Immutable once read, so that the threads of the couriers may use it. Private
 * to this folder. */
#ifndef OXP_NOTIFY_SETTINGS_H
#define OXP_NOTIFY_SETTINGS_H

#include "alerts/delivery/courier.h"

#define OXP_TARGETS_MAX 64 /* webhooks of one receiver: a bit for each */

struct oxp_target { /* one queue; texts are NUL-terminated, NULL = not given */
    const char *queue;
    const char *name; /* of a webhook */
    const char *url, *url_file;
    const char *url_file_given; /* as it is written */
    const char *username, *password, *password_file;
    const char *type, *credentials, *credentials_file;
    bool send_resolved;
    uint64_t max_alerts; /* 0 = all */
    int64_t timeout_ms;
};
struct oxp_receiver {
    const char *name;
    struct oxp_target *webhooks;
    size_t count;
};
struct oxp_alerting_config {
    struct oxp_arena arena;
    struct oxp_receiver *receivers;
    size_t receiver_count;
    const struct oxp_receiver *route; /* NULL = nobody */
    struct oxp_view *group_by;
    size_t group_by_count;
    bool group_by_all;
    int64_t group_wait_ms, group_interval_ms, repeat_interval_ms;
    struct oxp_target *alertmanagers;
    size_t alertmanager_count;
    struct oxp_recipient *recipients;
    size_t recipient_count;
};

/* struct oxp_recipient.prepare: the request of a message; ctx is the target. Reads the files of secrets; what cannot be
 * read is tried again later. send.c */
enum oxp_status oxp_target_prepare(void *ctx, const struct oxp_outbox_message *message, int64_t now_ms,
                                   struct oxp_arena *arena, struct oxp_http_request *request_out,
                                   struct oxp_verdict *verdict_out);
/* http:// or https://, a host, no blanks and no control characters. */
bool oxp_url_is_whole(struct oxp_view url);

#endif
