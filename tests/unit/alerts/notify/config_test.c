/* The `alerting` section: what is taken, what is refused and where. */
#include "alerts/notify/settings.h"
#include "tests/unit/alerts/notify/world.h"

#include <stdio.h>

#define RECEIVER "receivers: [{name: r, webhook_configs: [{url: 'http://h/'}]}]\n"

static enum oxp_status read_text(const char *text, struct oxp_alerting_config **config_out, struct oxp_error *error) {
    struct oxp_yaml *yaml;
    const struct oxp_yaml_node *root;
    assert_int_equal(oxp_yaml_parse(oxp_view_from(text), &yaml, &root, error), OXP_OK);
    enum oxp_status status = oxp_alerting_config_read(root, "/etc/oxpecker/oxpecker.yml", config_out, error);
    oxp_yaml_free(yaml);
    return status;
}

static void test_accepts(void **state) {
    (void)state;
    static const struct {
        const char *name, *text, *recipients;
    } rows[] = {
        {"nothing", "", ""},
        {"empty", "{}", ""},
        {"nulls", "{route: , receivers: , alertmanagers: }", ""},
        {"plain", "route: {receiver: r}\n" RECEIVER, "r/webhook/h-2422b0c8=webhook "},
        {"two receivers",
         "route: {receiver: b}\nreceivers: [{name: a, webhook_configs: [{url: 'https://h:1/x?y'}, {url_file: f}]}, "
         "{name: b}]",
         "a/webhook/h:1-18cc995d=webhook a/webhook/f-151a27db=webhook "},
        {"named", "route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{name: a.b-C_1, url: 'http://h'}]}]",
         "r/webhook/a.b-C_1=webhook "},
        {"alertmanagers", "alertmanagers: ['http://u:p@h:9093//', {url: 'https://[::1]:1/a/b'}, 'http://x']",
         "alertmanager/h:9093=alertmanager alertmanager/[::1]:1/a/b=alertmanager alertmanager/x=alertmanager "},
        {"all of http_config",
         "alertmanagers: [{url: 'http://h', timeout: 0s, http_config: {basic_auth: {username: u, password: p}}},"
         "{url: 'http://i', http_config: {authorization: {type: Key, credentials_file: f}}},"
         "{url: 'http://j', http_config: {basic_auth: {username: u, password_file: f}}}]",
         "alertmanager/h=alertmanager alertmanager/i=alertmanager alertmanager/j=alertmanager "},
        {"zero wait", "route: {receiver: r, group_wait: 0s, group_by: ['...']}\n" RECEIVER,
         "r/webhook/h-2422b0c8=webhook "},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_alerting_config *config = NULL;
        struct oxp_error error = {0};
        struct oxp_buf names;
        size_t count;
        if (read_text(rows[i].text, &config, &error) != OXP_OK) {
            fail_msg("%s: %s", rows[i].name, error.text);
        }
        const struct oxp_recipient *recipients = oxp_alerting_recipients(config, &count);
        oxp_buf_init(&names, 0);
        for (size_t k = 0; k < count; k++) {
            oxp_buf_append_format(&names, "%s=%s ", recipients[k].receiver, recipients[k].integration);
            assert_int_equal(recipients[k].timeout_ms, 10000);
        }
        assert_string_equal(oxp_buf_text(&names), rows[i].recipients);
        oxp_buf_fini(&names);
        oxp_alerting_config_free(config);
    }
}

static void test_refuses(void **state) {
    (void)state;
    static const struct {
        const char *text;
        unsigned line, column;
        const char *expected;
    } rows[] = {
        {"[]", 1, 1, "alerting: found a list; expected a mapping"},
        {"{rout: {}}", 1, 2, "alerting: there is no key rout; did you mean route?"},
        {"{recievers: []}", 1, 2, "alerting: there is no key recievers; did you mean receivers?"},
        {"{zzz: []}", 1, 2, "alerting: there is no key zzz"},
        {"{inhibit_rules: []}", 1, 2, "alerting: inhibit_rules is not supported yet"},
        {"{mute_time_intervals: []}", 1, 2, "alerting: mute_time_intervals is not supported yet"},
        {"{templates: []}", 1, 2, "alerting: templates is not supported yet"},
        {"route: {receiver: r, routes: []}\n" RECEIVER, 1, 22, "alerting.route: routes is not supported yet"},
        {"route: {receiver: r, matchers: []}\n" RECEIVER, 1, 22, "alerting.route: matchers is not supported yet"},
        {"route: {receiver: r, grup_by: []}\n" RECEIVER, 1, 22,
         "alerting.route: there is no key grup_by; did you mean group_by?"},
        {"route: {}\n" RECEIVER, 1, 8, "alerting.route: receiver is missing"},
        {"route: {receiver: q}\n" RECEIVER, 1, 19, "alerting.route: there is no receiver q"},
        {"route: {receiver: [q]}\n" RECEIVER, 1, 19, "receiver: found a list; expected text"},
        {"route: {receiver: r, group_by: x}\n" RECEIVER, 1, 32, "group_by: found text; expected a list"},
        {"route: {receiver: r, group_by: [x, x]}\n" RECEIVER, 1, 36, "group_by: x stands there twice"},
        {"route: {receiver: r, group_by: [x, '...']}\n" RECEIVER, 1, 32,
         "group_by: \"...\" stands for all labels, so it stands alone"},
        {"route: {receiver: r, group_wait: soon}\n" RECEIVER, 1, 34, "group_wait: "},
        {"route: {receiver: r, group_interval: 0s}\n" RECEIVER, 1, 38, "group_interval: it cannot be zero"},
        {"route: {receiver: r, repeat_interval: 0s}\n" RECEIVER, 1, 39, "repeat_interval: it cannot be zero"},
        {RECEIVER, 1, 12, "alerting: there are receivers, but no route to them"},
        {"receivers: [{}]", 1, 13, "alerting.receivers: name is missing"},
        {"receivers: [{name: ''}]", 1, 20, "name: found an empty text"},
        {"receivers: [{name: a}, {name: a}]", 1, 24, "alerting.receivers: two have the name a"},
        {"receivers: [{name: a, slack_configs: []}]", 1, 23, "alerting.receivers: slack_configs is not supported yet"},
        {"receivers: [{name: a, email_configs: []}]", 1, 23, "alerting.receivers: email_configs is not supported yet"},
        {"receivers: [{name: a, webhook_config: []}]", 1, 23,
         "alerting.receivers: there is no key webhook_config; did you mean webhook_configs?"},
        {"receivers: [{name: a, webhook_configs: [{}]}]", 1, 41,
         "webhook_configs: give url or url_file, and one of them"},
        {"receivers: [{name: a, webhook_configs: [{url: 'http://h', url_file: f}]}]", 1, 41,
         "webhook_configs: give url or url_file, and one of them"},
        {"receivers: [{name: a, webhook_configs: [{url: 'ftp://h'}]}]", 1, 47,
         "url: expected http:// or https:// with a host"},
        {"receivers: [{name: a, webhook_configs: [{url: 'http://'}]}]", 1, 47,
         "url: expected http:// or https:// with a host"},
        {"receivers: [{name: a, webhook_configs: [{url: 'http://h/a b'}]}]", 1, 47,
         "url: expected http:// or https:// with a host"},
        {"receivers: [{name: a, webhook_configs: [{name: 0, url: 'http://h'}]}]", 1, 48,
         "name: of a webhook it is a letter, then letters, digits, _, - and ."},
        {"receivers: [{name: a, webhook_configs: [{name: 'a/b', url: 'http://h'}]}]", 1, 48,
         "name: of a webhook it is a letter, then letters, digits, _, - and ."},
        {"receivers: [{name: a, webhook_configs: [{name: x, url: 'http://h'}, {name: x, url: 'http://i'}]}]", 1, 69,
         "webhook_configs: two are called x"},
        {"receivers: [{name: a, webhook_configs: [{url: 'http://h', send_resolved: yes}]}]", 1, 74,
         "send_resolved: found \"yes\"; expected true or false"},
        {"receivers: [{name: a, webhook_configs: [{url: 'http://h', max_alerts: -1}]}]", 1, 71,
         "max_alerts: found \"-1\"; expected a whole number"},
        {"receivers: [{name: a, webhook_configs: [{url: 'http://h', timeout: 1h}]}]", 1, 68, "timeout: at most 5m"},
        {"receivers: [{name: a, webhook_configs: [{url: 'http://h', http_config: {tls_config: {}}}]}]", 1, 73,
         "http_config: tls_config is not supported yet"},
        {"alertmanagers: [{url: 'http://h', http_config: {basic_auth: {username: u, password: p, password_file: f}}}]",
         1, 103, "basic_auth: give password or password_file, not both"},
        {"alertmanagers: [{url: 'http://h', http_config: {basic_auth: {username: 'u:v'}}}]", 1, 72,
         "basic_auth: a username has no colon (RFC 7617)"},
        {"alertmanagers: [{url: 'http://h', http_config: {authorization: {type: Basic, credentials: x}}}]", 1, 71,
         "authorization: type cannot be that; for Basic use basic_auth"},
        {"alertmanagers: [{url: 'http://h', http_config: {authorization: {type: \"a\\r\\nb\", credentials: x}}}]", 1,
         71, "authorization: type cannot be that; for Basic use basic_auth"},
        {"alertmanagers: [{url: 'http://h', http_config: {authorization: {}}}]", 1, 64,
         "authorization: give credentials or credentials_file, and one of them"},
        {"alertmanagers: [{url: 'http://h', http_config: {authorization: {credentials: x}, basic_auth: {}}}]", 1, 64,
         "http_config: give basic_auth or authorization, not both"},
        {"alertmanagers: [{}]", 1, 17, "alerting.alertmanagers: url is missing"},
        {"alertmanagers: ['am:9093']", 1, 17, "url: expected http:// or https:// with a host"},
        {"alertmanagers: ['http://am?x']", 1, 17, "alerting.alertmanagers: a url has no query and no fragment"},
        {"alertmanagers: ['http://am', 'https://x@am']", 1, 30, "alerting.alertmanagers: this one stands there twice"},
        {"alertmanagers: [{static_configs: []}]", 1, 18, "alerting.alertmanagers: static_configs is not supported yet"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_alerting_config *config = NULL;
        struct oxp_error error = {0};
        if (read_text(rows[i].text, &config, &error) != OXP_ERR_INVALID) {
            fail_msg("taken: %s", rows[i].text);
        }
        if (memcmp(error.text, rows[i].expected, strlen(rows[i].expected)) != 0 || error.line != rows[i].line ||
            error.column != rows[i].column) {
            fail_msg("%s\n gave %u:%u: %s", rows[i].text, error.line, error.column, error.text);
        }
        assert_null(config);
    }
}

static void test_values(void **state) {
    (void)state;
    struct oxp_alerting_config *config = NULL;
    struct oxp_error error = {0};
    assert_int_equal(read_text("route: {receiver: r, group_by: [a, b], group_wait: 1s500ms, group_interval: 2m}\n"
                               "receivers: [{name: r, webhook_configs: [{url_file: secret/url, max_alerts: 7,"
                               " send_resolved: false, timeout: 3s}]}]\n"
                               "alertmanagers: ['http://u:p@h:9093/am/']\n",
                               &config, &error),
                     OXP_OK);
    assert_int_equal(config->group_wait_ms, 1500);
    assert_int_equal(config->group_interval_ms, 120000);
    assert_int_equal(config->repeat_interval_ms, 4 * 3600000);
    assert_int_equal(config->group_by_count, 2);
    const struct oxp_target *webhook = &config->route->webhooks[0];
    assert_string_equal(webhook->url_file, "/etc/oxpecker/secret/url"); /* beside the configuration */
    assert_int_equal(webhook->max_alerts, 7);
    assert_int_equal(webhook->timeout_ms, 3000);
    assert_false(webhook->send_resolved);
    assert_string_equal(config->alertmanagers[0].url, "http://u:p@h:9093/am/api/v2/alerts");
    assert_string_equal(config->alertmanagers[0].queue, "alertmanager/h:9093/am");
    oxp_alerting_config_free(config);
}

/* A queue goes by what its webhook points at, wherever in the list it stands. */
static void test_queues(void **state) {
    (void)state;
    static const struct {
        const char *one, *other;
        bool equal;
    } rows[] = {
        {"url: 'http://h/a'", "url: 'http://h/a'", true},
        {"url: 'http://h/a'", "url: 'http://h/b'", false},
        {"url: 'http://h/a?k=1'", "url: 'http://h/a?k=2'", false},
        {"url: 'http://h/a'", "url: 'https://h/a'", false},
        {"url: 'http://h:1/a'", "url: 'http://h:2/a'", false},
        {"url: 'http://u:p@h/a'", "url: 'http://u:q@h/a'", true}, /* a new password, the same place */
        {"url_file: x/f", "url_file: x/f", true},
        {"url_file: x/f", "url_file: y/f", false},
        {"name: n, url: 'http://h/a'", "name: n, url: 'http://i/b'", true},
        {"name: n, url: 'http://h/a'", "name: m, url: 'http://h/a'", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_alerting_config *one = NULL, *other = NULL;
        struct oxp_error error = {0};
        char text[200];
        snprintf(text, sizeof text, "{route: {receiver: r}, receivers: [{name: r, webhook_configs: [{%s}]}]}",
                 rows[i].one);
        assert_int_equal(read_text(text, &one, &error), OXP_OK);
        snprintf(text, sizeof text,
                 "{route: {receiver: r}, receivers: [{name: r, webhook_configs: [{url: 'http://first'}, {%s}]}]}",
                 rows[i].other);
        assert_int_equal(read_text(text, &other, &error), OXP_OK);
        const char *first = one->route->webhooks[0].queue, *second = other->route->webhooks[1].queue;
        if ((strcmp(first, second) == 0) != rows[i].equal) {
            fail_msg("%s: %s and %s", rows[i].one, first, second);
        }
        assert_null(strpbrk(first + 2, "?@"));
        oxp_alerting_config_free(one);
        oxp_alerting_config_free(other);
    }
}

static void test_equal_addresses(void **state) {
    (void)state;
    struct oxp_alerting_config *config = NULL;
    struct oxp_error error = {0};
    assert_int_equal(read_text("route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{url: 'http://h'},"
                               " {name: x, url: 'http://h'}, {url: 'http://h'}, {url: 'http://h'}]}]\n",
                               &config, &error),
                     OXP_OK);
    char text[64];
    const char *queue = config->route->webhooks[0].queue;
    assert_string_equal(config->route->webhooks[1].queue, "r/webhook/x");
    snprintf(text, sizeof text, "%s-2", queue);
    assert_string_equal(config->route->webhooks[2].queue, text);
    snprintf(text, sizeof text, "%s-3", queue);
    assert_string_equal(config->route->webhooks[3].queue, text);
    oxp_alerting_config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts), cmocka_unit_test(test_refuses),         cmocka_unit_test(test_values),
        cmocka_unit_test(test_queues),  cmocka_unit_test(test_equal_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
