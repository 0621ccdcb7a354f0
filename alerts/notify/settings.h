/* The `alerting` section as it was read, and the small reader of its mappings. Immutable once read, so that the threads
 * of the couriers may use it. Private to this folder. */
#ifndef OXP_NOTIFY_SETTINGS_H
#define OXP_NOTIFY_SETTINGS_H

#include "alerts/delivery/courier.h"
#include "lib/yaml/yaml.h"

#define OXP_TARGETS_MAX 64 /* webhooks of one receiver: a bit for each */

struct oxp_target { /* one queue; texts are NUL-terminated, NULL = not given */
    const char *queue;
    const char *url, *url_file;
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

/* ---- fields.c: mappings and values. The first fault ends the reading: it stands in `error`, and `status` sticks ----
 */

struct oxp_settings_reader {
    struct oxp_arena *arena;
    struct oxp_error *error;
    enum oxp_status status;
    struct oxp_view directory; /* of the configuration's file: where relative paths begin */
};
struct oxp_keys {
    const char *what; /* "alerting.route" */
    const char *const *known;
    size_t count;
    const char *const *later; /* known, but not built; ends with NULL */
    const char *later_suffix; /* the same for all that end so; may be NULL */
};
void oxp_settings_fault(struct oxp_settings_reader *reader, const struct oxp_yaml_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void oxp_settings_no_memory(struct oxp_settings_reader *reader);
/* The values by their place in `keys`; absent ones and nulls are NULL. False after a fault. */
bool oxp_settings_keys(struct oxp_settings_reader *reader, const struct oxp_yaml_node *node,
                       const struct oxp_keys *keys, const struct oxp_yaml_node **found);
/* The children of a list; NULL (and count 0) when there is none or it is no list. */
const struct oxp_yaml_node *oxp_settings_list(struct oxp_settings_reader *reader, const struct oxp_yaml_node *node,
                                              const char *what, size_t *count_out);
/* These give `otherwise` for NULL. Texts are copied to the arena. */
const char *oxp_settings_text(struct oxp_settings_reader *reader, const struct oxp_yaml_node *node,
                              const char *otherwise);
const char *oxp_settings_path(struct oxp_settings_reader *reader, const struct oxp_yaml_node *node);
int64_t oxp_settings_duration(struct oxp_settings_reader *reader, const struct oxp_yaml_node *node, int64_t otherwise);
bool oxp_settings_bool(struct oxp_settings_reader *reader, const struct oxp_yaml_node *node, bool otherwise);
uint64_t oxp_settings_count(struct oxp_settings_reader *reader, const struct oxp_yaml_node *node);

#endif
