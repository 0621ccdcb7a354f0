/* Any bytes as the `alerting` section, and as a value of the ledger. Beside not crashing: what is refused says why, in
 * UTF-8 without control characters; every queue of what is taken has a name and makes a whole request; a ledger value
 * that is nonsense hinders neither the start nor the turns. */
#include "alerts/notify/alerting.h"

#include "lib/base/utf8.h"
#include <stdlib.h>

#define NOW_MS INT64_C(1700000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) {
        abort();
    }
}

static struct oxp_alerting_config *read_config(struct oxp_view text) {
    struct oxp_yaml *yaml = NULL;
    const struct oxp_yaml_node *root = NULL;
    struct oxp_alerting_config *config = NULL;
    struct oxp_error error = {0};
    if (oxp_yaml_parse(text, &yaml, &root, &error) != OXP_OK) {
        return NULL;
    }
    if (oxp_alerting_config_read(root, NULL, &config, &error) != OXP_OK) {
        struct oxp_view why = oxp_view_from(error.text);
        check(config == NULL && why.len != 0 && error.line != 0 && oxp_utf8_is_valid(why));
        for (size_t i = 0; i < why.len; i++) {
            check((unsigned char)why.ptr[i] >= 0x20 && why.ptr[i] != 0x7f);
        }
    }
    oxp_yaml_free(yaml);
    return config;
}

static void check_recipients(const struct oxp_alerting_config *config) {
    size_t count;
    const struct oxp_recipient *recipients = oxp_alerting_recipients(config, &count);
    for (size_t i = 0; i < count; i++) {
        check(recipients[i].receiver[0] != '\0' && recipients[i].timeout_ms > 0);
    }
}

static void turn_over(struct oxp_view value) {
    struct oxp_outbox_options outbox = {0};
    struct oxp_outbox_value row = {OXP_VIEW("group/r/webhook/one/{}:{}"), value};
    struct oxp_outbox_write write = {.values = &row, .value_count = 1};
    struct oxp_alerting_options options = {
        .config = read_config(OXP_VIEW(
            "{route: {receiver: r}, receivers: [{name: r, webhook_configs: [{name: one, url: 'http://h'}]}]}")),
        .clock = oxp_clock_system()};
    struct oxp_alerting *alerting = NULL;
    if (options.config == NULL || oxp_outbox_open(&outbox, NOW_MS, &options.outbox, NULL, NULL) != OXP_OK) {
        abort();
    }
    check(oxp_outbox_put(options.outbox, &write, NOW_MS, NULL) == OXP_OK);
    check(oxp_alerting_new(&options, &alerting, NULL) == OXP_OK);
    oxp_alerting_rules_ready(alerting, NOW_MS);
    for (int64_t now_ms = NOW_MS; now_ms <= NOW_MS + 4 * OXP_ALERTING_LOST_MS; now_ms += OXP_ALERTING_LOST_MS / 2) {
        int64_t next_ms = oxp_alerting_turn(alerting, now_ms);
        check(next_ms > now_ms && next_ms <= now_ms + 60000);
    }
    oxp_alerting_free(alerting);
    oxp_outbox_close(options.outbox);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct oxp_view text = oxp_view_of((const char *)data, size);
    struct oxp_alerting_config *config = read_config(text);
    if (config != NULL) {
        check_recipients(config);
        oxp_alerting_config_free(config);
    }
    if (size != 0) {
        turn_over(text);
    }
    return 0;
}
