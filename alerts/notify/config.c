/* The `alerting` section, read strictly: what Alertmanager knows and is not built yet is refused by name. */
#include "alerts/notify/alerting.h"

#include "alerts/notify/naming.h"
#include "alerts/notify/settings.h"
#include "alerts/promql/lexer.h"
#include "lib/yaml/fields.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

enum {
    GROUP_WAIT_MS = 30000,
    GROUP_INTERVAL_MS = 5 * 60000,
    REPEAT_INTERVAL_MS = 4 * 3600000,
    TIMEOUT_MS = 10000,
    TIMEOUT_MAX_MS = 300000
};

/* ---- http_config ---- */

enum { BASIC_USERNAME, BASIC_PASSWORD, BASIC_PASSWORD_FILE, BASIC_KEYS };
static const char *const basic_names[] = {"username", "password", "password_file"};
static const char *const basic_later[] = {"username_file", "username_ref", "password_ref", NULL};
static const struct oxp_keys basic_keys = {"http_config.basic_auth", basic_names, BASIC_KEYS, basic_later, NULL};

enum { AUTH_TYPE, AUTH_CREDENTIALS, AUTH_CREDENTIALS_FILE, AUTH_KEYS };
static const char *const auth_names[] = {"type", "credentials", "credentials_file"};
static const char *const auth_later[] = {"credentials_ref", NULL};
static const struct oxp_keys auth_keys = {"http_config.authorization", auth_names, AUTH_KEYS, auth_later, NULL};

enum { HTTP_BASIC, HTTP_AUTH, HTTP_KEYS };
static const char *const http_names[] = {"basic_auth", "authorization"};
static const char *const http_later[] = {
    "bearer_token",           "bearer_token_file",    "oauth2",           "tls_config",   "proxy_url",    "no_proxy",
    "proxy_from_environment", "proxy_connect_header", "follow_redirects", "enable_http2", "http_headers", NULL};
static const struct oxp_keys http_keys = {"http_config", http_names, HTTP_KEYS, http_later, NULL};

static void read_basic(struct oxp_fields *fields, const struct oxp_yaml_node *node, struct oxp_target *target) {
    const struct oxp_yaml_node *found[BASIC_KEYS];
    if (!oxp_fields_find(fields, node, &basic_keys, found)) {
        return;
    }
    target->username = oxp_fields_text(fields, found[BASIC_USERNAME], "");
    target->password = oxp_fields_text(fields, found[BASIC_PASSWORD], NULL);
    target->password_file = oxp_fields_path(fields, found[BASIC_PASSWORD_FILE]);
    if (found[BASIC_PASSWORD] != NULL && found[BASIC_PASSWORD_FILE] != NULL) {
        OXP_FAULT(fields, found[BASIC_PASSWORD_FILE], "basic_auth: give password or password_file, not both");
    }
    if (fields->status == OXP_OK && strchr(target->username, ':') != NULL) {
        OXP_FAULT(fields, found[BASIC_USERNAME], "basic_auth: a username has no colon (RFC 7617)");
    }
}

/* A token of RFC 9110, 5.6.2, as far as schemes need it. */
static bool is_scheme(const char *text) {
    return text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")] == '\0';
}

static void read_authorization(struct oxp_fields *fields, const struct oxp_yaml_node *node, struct oxp_target *target) {
    const struct oxp_yaml_node *found[AUTH_KEYS];
    if (!oxp_fields_find(fields, node, &auth_keys, found)) {
        return;
    }
    target->type = oxp_fields_text(fields, found[AUTH_TYPE], "Bearer");
    target->credentials = oxp_fields_text(fields, found[AUTH_CREDENTIALS], NULL);
    target->credentials_file = oxp_fields_path(fields, found[AUTH_CREDENTIALS_FILE]);
    if (fields->status == OXP_OK && found[AUTH_TYPE] != NULL &&
        (!is_scheme(target->type) || strcasecmp(target->type, "basic") == 0)) {
        OXP_FAULT(fields, found[AUTH_TYPE], "authorization: type cannot be that; for Basic use basic_auth");
    }
    if ((found[AUTH_CREDENTIALS] == NULL) == (found[AUTH_CREDENTIALS_FILE] == NULL)) {
        OXP_FAULT(fields, node, "authorization: give credentials or credentials_file, and one of them");
    }
}

static void read_http(struct oxp_fields *fields, const struct oxp_yaml_node *node, struct oxp_target *target) {
    const struct oxp_yaml_node *found[HTTP_KEYS] = {NULL};
    if (node == NULL || !oxp_fields_find(fields, node, &http_keys, found)) {
        return;
    }
    if (found[HTTP_BASIC] != NULL && found[HTTP_AUTH] != NULL) {
        OXP_FAULT(fields, found[HTTP_AUTH], "http_config: give basic_auth or authorization, not both");
    }
    if (found[HTTP_BASIC] != NULL) {
        read_basic(fields, found[HTTP_BASIC], target);
    }
    if (found[HTTP_AUTH] != NULL) {
        read_authorization(fields, found[HTTP_AUTH], target);
    }
}

/* ---- Receivers ---- */

static void read_timeout(struct oxp_fields *fields, const struct oxp_yaml_node *node, struct oxp_target *target) {
    target->timeout_ms = oxp_fields_duration(fields, node, TIMEOUT_MS);
    if (target->timeout_ms < 1) {
        target->timeout_ms = TIMEOUT_MS; /* 0 is Alertmanager's "none given" */
    }
    if (node != NULL && target->timeout_ms > TIMEOUT_MAX_MS) {
        OXP_FAULT(fields, node, "timeout: at most 5m");
    }
}

static void read_url(struct oxp_fields *fields, const struct oxp_yaml_node *node, struct oxp_target *target) {
    target->url = oxp_fields_text(fields, node, NULL);
    if (node != NULL && target->url != NULL && !oxp_url_is_whole(oxp_view_from(target->url))) {
        /* The address may hold a secret: it is not shown. */
        OXP_FAULT(fields, node, "url: expected http:// or https:// with a host");
    }
}

enum {
    WEBHOOK_NAME,
    WEBHOOK_URL,
    WEBHOOK_URL_FILE,
    WEBHOOK_SEND_RESOLVED,
    WEBHOOK_MAX_ALERTS,
    WEBHOOK_TIMEOUT,
    WEBHOOK_HTTP,
    WEBHOOK_KEYS
};
static const char *const webhook_names[] = {"name",       "url",     "url_file",   "send_resolved",
                                            "max_alerts", "timeout", "http_config"};
static const char *const webhook_later[] = {"payload", NULL};
static const struct oxp_keys webhook_keys = {"webhook_configs", webhook_names, WEBHOOK_KEYS, webhook_later, NULL};

static void read_webhook(struct oxp_fields *fields, const struct oxp_yaml_node *node, struct oxp_target *target) {
    const struct oxp_yaml_node *found[WEBHOOK_KEYS];
    if (!oxp_fields_find(fields, node, &webhook_keys, found)) {
        return;
    }
    if ((found[WEBHOOK_URL] == NULL) == (found[WEBHOOK_URL_FILE] == NULL)) {
        OXP_FAULT(fields, node, "webhook_configs: give url or url_file, and one of them");
    }
    target->name = oxp_fields_text(fields, found[WEBHOOK_NAME], NULL);
    if (target->name != NULL && !oxp_webhook_name_is_good(target->name)) {
        OXP_FAULT(fields, found[WEBHOOK_NAME], "name: of a webhook it is a letter, then letters, digits, _, - and .");
    }
    read_url(fields, found[WEBHOOK_URL], target);
    target->url_file = oxp_fields_path(fields, found[WEBHOOK_URL_FILE]);
    target->url_file_given = oxp_fields_text(fields, found[WEBHOOK_URL_FILE], NULL);
    target->send_resolved = oxp_fields_bool(fields, found[WEBHOOK_SEND_RESOLVED], true);
    target->max_alerts = oxp_fields_count(fields, found[WEBHOOK_MAX_ALERTS], (struct oxp_range){0, UINT64_MAX}, 0);
    read_timeout(fields, found[WEBHOOK_TIMEOUT], target);
    read_http(fields, found[WEBHOOK_HTTP], target);
}

static const char *format_name(struct oxp_fields *fields, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static const char *format_name(struct oxp_fields *fields, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    char *text = len < 0 ? NULL : oxp_arena_take(fields->arena, (size_t)len + 1);
    if (text == NULL) {
        oxp_fields_no_memory(fields);
    } else {
        vsnprintf(text, (size_t)len + 1, format, again);
    }
    va_end(again);
    va_end(args);
    return text == NULL ? "" : text;
}

enum { RECEIVER_NAME, RECEIVER_WEBHOOKS, RECEIVER_KEYS };
static const char *const receiver_names[] = {"name", "webhook_configs"};
static const struct oxp_keys receiver_keys = {"alerting.receivers", receiver_names, RECEIVER_KEYS, NULL, "_configs"};

static void read_receiver(struct oxp_fields *fields, const struct oxp_yaml_node *node, struct oxp_receiver *receiver) {
    const struct oxp_yaml_node *found[RECEIVER_KEYS];
    if (!oxp_fields_find(fields, node, &receiver_keys, found)) {
        return;
    }
    receiver->name = oxp_fields_text(fields, found[RECEIVER_NAME], NULL);
    if (found[RECEIVER_NAME] == NULL) {
        OXP_FAULT(fields, node, "alerting.receivers: name is missing");
    }
    const struct oxp_yaml_node *webhook =
        oxp_fields_children(fields, found[RECEIVER_WEBHOOKS], OXP_YAML_SEQUENCE, &receiver->count);
    (void)oxp_fields_few(fields, found[RECEIVER_WEBHOOKS], receiver->count, OXP_TARGETS_MAX);
    receiver->webhooks = oxp_arena_zero(fields->arena, receiver->count, sizeof *receiver->webhooks);
    if (receiver->webhooks == NULL) {
        oxp_fields_no_memory(fields);
        return;
    }
    const struct oxp_yaml_node *first = webhook;
    for (size_t i = 0; webhook != NULL && fields->status == OXP_OK; webhook = webhook->next, i++) {
        read_webhook(fields, webhook, &receiver->webhooks[i]);
    }
    oxp_webhooks_name(fields, first, receiver);
}

static void read_receivers(struct oxp_fields *fields, const struct oxp_yaml_node *list,
                           struct oxp_alerting_config *config) {
    const struct oxp_yaml_node *node = oxp_fields_children(fields, list, OXP_YAML_SEQUENCE, &config->receiver_count);
    config->receivers = oxp_arena_zero(fields->arena, config->receiver_count, sizeof *config->receivers);
    if (config->receivers == NULL) {
        oxp_fields_no_memory(fields);
        return;
    }
    for (size_t i = 0; node != NULL && fields->status == OXP_OK; node = node->next, i++) {
        read_receiver(fields, node, &config->receivers[i]);
        for (size_t k = 0; fields->status == OXP_OK && k < i; k++) {
            if (strcmp(config->receivers[k].name, config->receivers[i].name) == 0) {
                OXP_FAULT(fields, node, "alerting.receivers: two have the name %.100s", config->receivers[i].name);
            }
        }
    }
}

/* ---- The route ---- */

enum { ROUTE_RECEIVER, ROUTE_GROUP_BY, ROUTE_GROUP_WAIT, ROUTE_GROUP_INTERVAL, ROUTE_REPEAT_INTERVAL, ROUTE_KEYS };
static const char *const route_names[] = {"receiver", "group_by", "group_wait", "group_interval", "repeat_interval"};
static const char *const route_later[] = {
    "routes", "matchers", "match", "match_re", "continue", "mute_time_intervals", "active_time_intervals", NULL};
static const struct oxp_keys route_keys = {"alerting.route", route_names, ROUTE_KEYS, route_later, NULL};

static bool is_listed(const struct oxp_alerting_config *config, size_t count, struct oxp_view name) {
    for (size_t i = 0; i < count; i++) {
        if (oxp_view_equal(config->group_by[i], name)) {
            return true;
        }
    }
    return false;
}

static void read_group_by(struct oxp_fields *fields, const struct oxp_yaml_node *list,
                          struct oxp_alerting_config *config) {
    const struct oxp_yaml_node *node = oxp_fields_children(fields, list, OXP_YAML_SEQUENCE, &config->group_by_count);
    config->group_by = oxp_arena_zero(fields->arena, config->group_by_count, sizeof *config->group_by);
    if (config->group_by == NULL) {
        oxp_fields_no_memory(fields);
        return;
    }
    for (size_t i = 0; node != NULL && fields->status == OXP_OK; node = node->next, i++) {
        struct oxp_view name = oxp_view_from(oxp_fields_text(fields, node, NULL));
        if (fields->status == OXP_OK && name.len == 0) {
            OXP_FAULT(fields, node, "group_by: found nothing; expected a label's name or \"...\"");
        } else if (is_listed(config, i, name)) {
            OXP_FAULT(fields, node, "group_by: %.100s stands there twice", name.ptr);
        } else if (oxp_view_is(name, "...")) {
            config->group_by_all = true;
        }
        config->group_by[i] = name;
    }
    if (config->group_by_all && config->group_by_count > 1) {
        OXP_FAULT(fields, list, "group_by: \"...\" stands for all labels, so it stands alone");
    }
}

static void read_route(struct oxp_fields *fields, const struct oxp_yaml_node *node,
                       struct oxp_alerting_config *config) {
    const struct oxp_yaml_node *found[ROUTE_KEYS];
    if (!oxp_fields_find(fields, node, &route_keys, found)) {
        return;
    }
    if (found[ROUTE_RECEIVER] == NULL) {
        OXP_FAULT(fields, node, "alerting.route: receiver is missing");
        return;
    }
    const char *name = oxp_fields_text(fields, found[ROUTE_RECEIVER], "");
    for (size_t i = 0; fields->status == OXP_OK && i < config->receiver_count; i++) {
        if (strcmp(config->receivers[i].name, name) == 0) {
            config->route = &config->receivers[i];
        }
    }
    if (fields->status == OXP_OK && config->route == NULL) {
        OXP_FAULT(fields, found[ROUTE_RECEIVER], "alerting.route: there is no receiver %.100s", name);
    }
    read_group_by(fields, found[ROUTE_GROUP_BY], config);
    config->group_wait_ms = oxp_fields_duration(fields, found[ROUTE_GROUP_WAIT], GROUP_WAIT_MS);
    config->group_interval_ms = oxp_fields_duration(fields, found[ROUTE_GROUP_INTERVAL], GROUP_INTERVAL_MS);
    config->repeat_interval_ms = oxp_fields_duration(fields, found[ROUTE_REPEAT_INTERVAL], REPEAT_INTERVAL_MS);
    if (fields->status == OXP_OK && config->group_interval_ms == 0) {
        OXP_FAULT(fields, found[ROUTE_GROUP_INTERVAL], "group_interval: it cannot be zero");
    }
    if (fields->status == OXP_OK && config->repeat_interval_ms == 0) {
        OXP_FAULT(fields, found[ROUTE_REPEAT_INTERVAL], "repeat_interval: it cannot be zero");
    }
}

/* ---- Alertmanagers ---- */

enum { MEMBER_URL, MEMBER_TIMEOUT, MEMBER_HTTP, MEMBER_KEYS };
static const char *const member_names[] = {"url", "timeout", "http_config"};
static const char *const member_later[] = {"api_version",     "scheme",         "path_prefix", "static_configs",
                                           "file_sd_configs", "dns_sd_configs", "basic_auth",  "tls_config",
                                           "relabel_configs", "authorization",  NULL};
static const struct oxp_keys member_keys = {"alerting.alertmanagers", member_names, MEMBER_KEYS, member_later,
                                            "_sd_configs"};

/* Host and port, and the path if there is one: names the queue. No user, no password. */
static struct oxp_view place_of(const char *url) {
    const char *host = strstr(url, "://") + 3;
    size_t authority = strcspn(host, "/");
    for (size_t i = authority; i > 0; i--) {
        if (host[i - 1] == '@') {
            return oxp_view_from(host + i);
        }
    }
    return oxp_view_from(host);
}

static void name_member(struct oxp_fields *fields, const struct oxp_yaml_node *node, struct oxp_target *member) {
    if (strpbrk(member->url, "?#") != NULL) {
        OXP_FAULT(fields, node, "alerting.alertmanagers: a url has no query and no fragment");
        return;
    }
    size_t len = strlen(member->url);
    while (member->url[len - 1] == '/') {
        len--;
    }
    member->url = format_name(fields, "%.*s/api/v2/alerts", (int)len, member->url);
    if (fields->status == OXP_OK) {
        struct oxp_view place = place_of(member->url);
        place.len -= strlen("/api/v2/alerts");
        member->queue = format_name(fields, "alertmanager/%.*s", (int)place.len, place.ptr);
    }
}

static void read_member(struct oxp_fields *fields, const struct oxp_yaml_node *node, struct oxp_target *member) {
    const struct oxp_yaml_node *found[MEMBER_KEYS] = {NULL};
    if (node->kind == OXP_YAML_SCALAR) {
        found[MEMBER_URL] = node;
    } else if (!oxp_fields_find(fields, node, &member_keys, found)) {
        return;
    }
    if (found[MEMBER_URL] == NULL) {
        OXP_FAULT(fields, node, "alerting.alertmanagers: url is missing");
    }
    read_url(fields, found[MEMBER_URL], member);
    read_timeout(fields, found[MEMBER_TIMEOUT], member);
    read_http(fields, found[MEMBER_HTTP], member);
    if (fields->status == OXP_OK) {
        name_member(fields, found[MEMBER_URL], member);
    }
}

static void read_members(struct oxp_fields *fields, const struct oxp_yaml_node *list,
                         struct oxp_alerting_config *config) {
    const struct oxp_yaml_node *node =
        oxp_fields_children(fields, list, OXP_YAML_SEQUENCE, &config->alertmanager_count);
    config->alertmanagers = oxp_arena_zero(fields->arena, config->alertmanager_count, sizeof *config->alertmanagers);
    if (config->alertmanagers == NULL) {
        oxp_fields_no_memory(fields);
        return;
    }
    for (size_t i = 0; node != NULL && fields->status == OXP_OK; node = node->next, i++) {
        read_member(fields, node, &config->alertmanagers[i]);
        for (size_t k = 0; fields->status == OXP_OK && k < i; k++) {
            if (strcmp(config->alertmanagers[k].queue, config->alertmanagers[i].queue) == 0) {
                OXP_FAULT(fields, node, "alerting.alertmanagers: this one stands there twice");
            }
        }
    }
}

/* ---- All of it ---- */

enum { TOP_ROUTE, TOP_RECEIVERS, TOP_ALERTMANAGERS, TOP_KEYS };
static const char *const top_names[] = {"route", "receivers", "alertmanagers"};
static const char *const top_later[] = {"global",
                                        "inhibit_rules",
                                        "mute_time_intervals",
                                        "time_intervals",
                                        "templates",
                                        "escalations",
                                        "alert_relabel_configs",
                                        "tracing",
                                        "event_recorder",
                                        NULL};
static const struct oxp_keys top_keys = {"alerting", top_names, TOP_KEYS, top_later, NULL};

static void read_top(struct oxp_fields *fields, const struct oxp_yaml_node *root, struct oxp_alerting_config *config) {
    const struct oxp_yaml_node *found[TOP_KEYS] = {NULL};
    if (root == NULL || root->kind == OXP_YAML_NULL || !oxp_fields_find(fields, root, &top_keys, found)) {
        return;
    }
    read_receivers(fields, found[TOP_RECEIVERS], config);
    if (fields->status == OXP_OK && found[TOP_ROUTE] != NULL) {
        read_route(fields, found[TOP_ROUTE], config);
    } else if (config->receiver_count != 0) {
        OXP_FAULT(fields, found[TOP_RECEIVERS], "alerting: there are receivers, but no route to them");
    }
    read_members(fields, found[TOP_ALERTMANAGERS], config);
}

static void add_recipient(struct oxp_alerting_config *config, struct oxp_target *target, const char *integration) {
    config->recipients[config->recipient_count++] = (struct oxp_recipient){.receiver = target->queue,
                                                                           .integration = integration,
                                                                           .timeout_ms = target->timeout_ms,
                                                                           .prepare = oxp_target_prepare,
                                                                           .ctx = target};
}

static void list_recipients(struct oxp_fields *fields, struct oxp_alerting_config *config) {
    size_t count = config->alertmanager_count;
    for (size_t i = 0; i < config->receiver_count; i++) {
        count += config->receivers[i].count;
    }
    config->recipients = oxp_arena_zero(fields->arena, count, sizeof *config->recipients);
    if (config->recipients == NULL) {
        oxp_fields_no_memory(fields);
        return;
    }
    for (size_t i = 0; i < config->receiver_count; i++) {
        for (size_t k = 0; k < config->receivers[i].count; k++) {
            add_recipient(config, &config->receivers[i].webhooks[k], "webhook");
        }
    }
    for (size_t i = 0; i < config->alertmanager_count; i++) {
        add_recipient(config, &config->alertmanagers[i], "alertmanager");
    }
}

static struct oxp_view directory_of(const char *path) {
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    return oxp_view_of(path, slash == NULL ? 0 : (size_t)(slash - path));
}

enum oxp_status oxp_alerting_config_read(const struct oxp_yaml_node *root, const char *path,
                                         struct oxp_alerting_config **config_out, struct oxp_error *error) {
    struct oxp_alerting_config *config = calloc(1, sizeof *config);
    if (config == NULL) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    oxp_arena_init(&config->arena, 0);
    struct oxp_fields fields = {.arena = &config->arena,
                                .error = error,
                                .directory = directory_of(path),
                                .null = OXP_NULL_ABSENT,
                                .quoted_is_text = true,
                                .duration = oxp_duration_read};
    read_top(&fields, root, config);
    if (fields.status == OXP_OK) {
        list_recipients(&fields, config);
    }
    if (fields.status != OXP_OK) {
        oxp_alerting_config_free(config);
        return fields.status;
    }
    *config_out = config;
    return OXP_OK;
}

void oxp_alerting_config_free(struct oxp_alerting_config *config) {
    if (config != NULL) {
        oxp_arena_fini(&config->arena);
        free(config);
    }
}

const struct oxp_recipient *oxp_alerting_recipients(const struct oxp_alerting_config *config, size_t *count_out) {
    *count_out = config->recipient_count;
    return config->recipients;
}
