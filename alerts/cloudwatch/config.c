#include "alerts/cloudwatch/config_reader.h"

#include <stdlib.h>

enum { INTERVAL_DEFAULT_S = 60, INTERVAL_MAX_S = 3600 };

const char *oxp_cw_missing_name(enum oxp_cw_missing missing) {
    static const char *const names[] = {[OXP_CW_MISSING] = "missing",
                                        [OXP_CW_BREACHING] = "breaching",
                                        [OXP_CW_NOT_BREACHING] = "notBreaching",
                                        [OXP_CW_IGNORE] = "ignore"};
    return names[missing];
}

/* ---- Where ---- */

static bool is_region(struct oxp_view text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-') {
            return false;
        }
    }
    return true;
}

static bool is_url(struct oxp_view text) {
    return text.len == 0 || oxp_view_starts(text, OXP_VIEW("http://")) || oxp_view_starts(text, OXP_VIEW("https://"));
}

static bool is_namespace(struct oxp_view text) {
    return !oxp_view_starts(text, OXP_VIEW("AWS/"));
}

static struct oxp_view text_or_empty(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node,
                                     const struct oxp_cw_text_rule *rule) {
    const char *text = oxp_cw_text(reader, node, rule);
    return text == NULL ? OXP_VIEW("") : oxp_view_from(text);
}

/* ---- Dimensions of all metrics ---- */

static void add_dimension(struct oxp_cw_reader *reader, struct oxp_cw_pair *pairs, struct oxp_view name,
                          struct oxp_view value) {
    struct oxp_cw_config *config = reader->config;
    if (oxp_cw_text_wrong(&oxp_cw_dimension_name, name) != NULL ||
        oxp_cw_text_wrong(&oxp_cw_dimension_value, value) != NULL) {
        oxp_fields_fault(&reader->fields, OXP_ERR_INVALID, reader->place->line, reader->place->column,
                         "%s=\"%s\" cannot be a dimension: CloudWatch takes printable ASCII of at most %d",
                         oxp_fields_shown(name).text, oxp_fields_shown(value).text, OXP_CW_VALUE_MAX);
        return;
    }
    pairs[config->dimension_count++] =
        (struct oxp_cw_pair){oxp_fields_keep(&reader->fields, name), oxp_fields_keep(&reader->fields, value)};
}

static void identity_dimension(struct oxp_cw_reader *reader, struct oxp_cw_pair *pairs, const char *name,
                               const char *value) {
    if (value != NULL && *value != '\0') {
        add_dimension(reader, pairs, oxp_view_from(name), oxp_view_from(value));
    }
}

static void read_dimensions(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node) {
    struct oxp_cw_config *config = reader->config;
    const struct oxp_labels *external = config->split ? reader->identity->external_labels : NULL;
    size_t extra = external == NULL ? 0 : external->count, given = 0;
    const struct oxp_cw_pair *written =
        oxp_cw_pairs(reader, node, &oxp_cw_dimension_name, &oxp_cw_dimension_value, OXP_CW_DIMENSIONS_MAX, &given);
    struct oxp_cw_pair *pairs = oxp_arena_zero(&reader->owned->arena, given + extra + 2, sizeof *pairs);
    if (pairs == NULL) {
        oxp_fields_no_memory(&reader->fields);
        return;
    }
    config->dimensions = pairs;
    for (size_t i = 0; i < given; i++) {
        pairs[config->dimension_count++] = written[i];
    }
    if (node == NULL) {
        identity_dimension(reader, pairs, "Service", reader->identity->service);
        identity_dimension(reader, pairs, "Environment", reader->identity->environment);
    }
    config->shared_count = config->dimension_count;
    for (size_t i = 0; i < extra; i++) {
        struct oxp_view name = oxp_symbol_view(external->label[i].name);
        if (!oxp_cw_pair_has(pairs, config->dimension_count, external->label[i].name->text)) {
            add_dimension(reader, pairs, name, oxp_symbol_view(external->label[i].value));
        }
    }
    if (config->dimension_count > OXP_CW_DIMENSIONS_MAX) {
        node = node == NULL ? reader->place : node;
        oxp_fields_fault(&reader->fields, OXP_ERR_INVALID, node->line, node->column,
                         "%zu dimensions with the external labels; at most %d are allowed", config->dimension_count,
                         OXP_CW_DIMENSIONS_MAX);
    }
}

/* ---- The resource of the lane otlp ---- */

static void read_resource(struct oxp_cw_reader *reader, const struct oxp_yaml_node *replicas) {
    const struct oxp_cw_identity *identity = reader->identity;
    const struct oxp_labels *external = identity->external_labels;
    struct oxp_cw_config *config = reader->config;
    const struct oxp_cw_pair own[] = {{"service.name", identity->service},
                                      {"deployment.environment", identity->environment}};
    size_t extra = external == NULL ? 0 : external->count;
    struct oxp_cw_pair *pairs = oxp_arena_zero(&reader->owned->arena, extra + 2, sizeof *pairs);
    if (pairs == NULL) {
        oxp_fields_no_memory(&reader->fields);
        return;
    }
    if (config->split) {
        OXP_FAULT(&reader->fields, replicas,
                  "replicas: lane otlp tells replicas apart by their external labels; use share");
    }
    config->resource = pairs;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (own[i].value != NULL && own[i].value[0] != '\0') {
            const char *value = oxp_fields_keep(&reader->fields, oxp_view_from(own[i].value));
            pairs[config->resource_count++] = (struct oxp_cw_pair){own[i].name, value};
        }
    }
    for (size_t i = 0; i < extra; i++) {
        const char *name = oxp_fields_keep(&reader->fields, oxp_symbol_view(external->label[i].name));
        const char *value = oxp_fields_keep(&reader->fields, oxp_symbol_view(external->label[i].value));
        pairs[config->resource_count++] = (struct oxp_cw_pair){name, value};
    }
}

/* ---- Money and tags ---- */

static bool is_currency(struct oxp_view text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < 'A' || text.ptr[i] > 'Z') {
            return false;
        }
    }
    return true;
}

static void read_prices(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node) {
    enum { CURRENCY = 8, KEYS };
    static const char *const names[KEYS] = {"metric",          "alarm",         "high_resolution_alarm",
                                            "composite_alarm", "requests_1000", "free_metrics",
                                            "free_alarms",     "free_requests", "currency"};
    static const struct oxp_cw_text_rule currency = {
        "a currency", 3, 3, true, false, is_currency, "must be three capital letters"};
    struct oxp_cw_prices *prices = &reader->config->prices;
    double *numbers[CURRENCY] = {&prices->metric,          &prices->alarm,         &prices->high_resolution_alarm,
                                 &prices->composite_alarm, &prices->requests_1000, &prices->free_metrics,
                                 &prices->free_alarms,     &prices->free_requests};
    static const struct oxp_keys keys_of_prices = {.what = "prices", .names = names, .count = KEYS};
    const struct oxp_yaml_node *found[KEYS];
    *prices = (struct oxp_cw_prices){0.30, 0.10, 0.30, 0.50, 0.01, 10, 10, 1e6, "USD"};
    if (node == NULL || !oxp_fields_find(&reader->fields, node, &keys_of_prices, found)) {
        return;
    }
    for (size_t i = 0; i < CURRENCY; i++) {
        *numbers[i] = oxp_fields_amount(&reader->fields, found[i], *numbers[i]);
    }
    const char *text = oxp_cw_text(reader, found[CURRENCY], &currency);
    prices->currency = text == NULL ? prices->currency : text;
}

static bool is_tag_name(struct oxp_view text) {
    return !oxp_view_starts(text, OXP_VIEW("aws:")) && !oxp_view_starts(text, OXP_VIEW("oxpecker:"));
}

static void read_tags(struct oxp_cw_reader *reader, const struct oxp_yaml_node *node) {
    static const struct oxp_cw_text_rule name = {
        "a tag's name", 1, 128, false, false, is_tag_name, "may not begin with aws: or oxpecker:"};
    static const struct oxp_cw_text_rule value = {"a tag's value", 0, 256, false, false, NULL, ""};
    reader->config->tags = oxp_cw_pairs(reader, node, &name, &value, OXP_CW_TAGS_MAX, &reader->config->tag_count);
}

/* ---- The section ---- */

enum {
    K_REGION,
    K_ENDPOINT,
    K_PROFILE,
    K_FIPS,
    K_DUAL_STACK,
    K_NAMESPACE,
    K_LANE,
    K_OTLP_UNTRIED,
    K_INTERVAL,
    K_COMPRESS,
    K_DIMENSIONS,
    K_REPLICAS,
    K_METRICS,
    K_THRESHOLDS,
    K_RULE_ALARMS,
    K_HEARTBEAT,
    K_TAGS,
    K_PRICES,
    K_BUDGET,
    KEYS
};
static const char *const names[KEYS] = {"region",     "endpoint", "profile",      "fips",       "dual_stack",
                                        "namespace",  "lane",     "otlp_untried", "interval",   "compress",
                                        "dimensions", "replicas", "metrics",      "thresholds", "rule_alarms",
                                        "heartbeat",  "tags",     "prices",       "budget"};
static const struct oxp_keys keys = {.what = "cloudwatch", .names = names, .count = KEYS};

static void read_place(struct oxp_cw_reader *reader, const struct oxp_yaml_node **found) {
    static const struct oxp_cw_text_rule region = {
        "a region", 0, 64, true, false, is_region, "must be small letters, digits and -"};
    static const struct oxp_cw_text_rule endpoint = {
        "an endpoint", 0, 2048, true, false, is_url, "must begin with http:// or https://"};
    static const struct oxp_cw_text_rule profile = {"a profile", 0, 256, false, false, NULL, ""};
    reader->config->place = (struct oxp_aws_place){
        .region = text_or_empty(reader, found[K_REGION], &region),
        .endpoint = text_or_empty(reader, found[K_ENDPOINT], &endpoint),
        .profile = text_or_empty(reader, found[K_PROFILE], &profile),
        .fips = oxp_fields_bool(&reader->fields, found[K_FIPS], false),
        .dual_stack = oxp_fields_bool(&reader->fields, found[K_DUAL_STACK], false),
    };
}

/* CloudWatch's OTLP endpoint could not be tried, and an encoder that nobody tried is worse than none. */
static void read_lane(struct oxp_cw_reader *reader, const struct oxp_yaml_node **found) {
    static const char *const lanes[] = {"putmetricdata", "emf", "otlp", NULL};
    reader->config->lane = (enum oxp_cw_lane)oxp_fields_choice(&reader->fields, found[K_LANE], lanes);
    bool untried = oxp_fields_bool(&reader->fields, found[K_OTLP_UNTRIED], false);
    if (reader->config->lane == OXP_CW_OTLP && !untried) {
        OXP_FAULT(&reader->fields, found[K_LANE],
                  "lane otlp was never tried against AWS; `otlp_untried: true` says that it is wanted nevertheless");
    } else if (reader->config->lane != OXP_CW_OTLP && untried) {
        OXP_FAULT_AT_KEY(&reader->fields, found[K_OTLP_UNTRIED], "otlp_untried: is of lane otlp alone");
    }
}

static void read_section(struct oxp_cw_reader *reader, const struct oxp_yaml_node *root) {
    static const struct oxp_cw_text_rule name = {
        "a namespace", 1, OXP_CW_NAME_MAX, true, true, is_namespace, "may not begin with AWS/"};
    static const char *const compress[] = {"auto", "never", NULL};
    static const char *const replicas[] = {"share", "split", NULL};
    struct oxp_cw_config *config = reader->config;
    const struct oxp_yaml_node *found[KEYS];
    if (!oxp_fields_find(&reader->fields, root, &keys, found)) {
        return;
    }
    read_place(reader, found);
    read_lane(reader, found);
    config->namespace_name = oxp_cw_text(reader, found[K_NAMESPACE], &name);
    if (config->namespace_name == NULL) {
        config->namespace_name = "Orchestrator";
    }
    config->interval_ms =
        INT64_C(1000) * oxp_cw_seconds(reader, found[K_INTERVAL], 1, INTERVAL_MAX_S, INTERVAL_DEFAULT_S);
    config->plain = oxp_fields_choice(&reader->fields, found[K_COMPRESS], compress) == 1;
    config->split = oxp_fields_choice(&reader->fields, found[K_REPLICAS], replicas) == 1;
    reader->place = found[K_REPLICAS] == NULL ? root : found[K_REPLICAS];
    read_dimensions(reader, found[K_DIMENSIONS]);
    if (config->lane == OXP_CW_OTLP) {
        read_resource(reader, found[K_REPLICAS]);
    }
    read_tags(reader, found[K_TAGS]);
    read_prices(reader, found[K_PRICES]);
    config->budget = oxp_fields_amount(&reader->fields, found[K_BUDGET], 0);
    if (reader->fields.status == OXP_OK) {
        oxp_cw_read_metrics(reader, found[K_METRICS]);
    }
    if (reader->fields.status == OXP_OK) {
        oxp_cw_read_thresholds(reader, found[K_THRESHOLDS]);
        oxp_cw_read_rule_alarms(reader, found[K_RULE_ALARMS]);
        oxp_cw_read_heartbeat(reader, found[K_HEARTBEAT]);
    }
}

enum oxp_status oxp_cw_config_read(const struct oxp_yaml_node *root, const char *path,
                                   const struct oxp_cw_identity *identity, struct oxp_cw_config **config_out,
                                   struct oxp_error *error) {
    static const struct oxp_cw_identity nobody = {NULL, NULL, NULL};
    struct oxp_cw_owned *owned = calloc(1, sizeof *owned);
    (void)path; /* whoever prints the error knows it */
    *config_out = NULL;
    if (owned == NULL) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    oxp_arena_init(&owned->arena, 0);
    struct oxp_cw_reader reader = {
        .owned = owned,
        .config = &owned->config,
        .identity = identity == NULL ? &nobody : identity,
        .fields = {.arena = &owned->arena, .error = error},
    };
    if (root != NULL) {
        owned->config.enabled = true;
        read_section(&reader, root);
    }
    if (reader.fields.status == OXP_OK && oxp_arena_status(&owned->arena) != OXP_OK) {
        oxp_fields_no_memory(&reader.fields);
    }
    if (reader.fields.status != OXP_OK) {
        oxp_cw_config_free(&owned->config);
        return reader.fields.status;
    }
    *config_out = &owned->config;
    return OXP_OK;
}

void oxp_cw_config_free(struct oxp_cw_config *config) {
    struct oxp_cw_owned *owned = (struct oxp_cw_owned *)config; /* its first member */
    if (owned == NULL) {
        return;
    }
    for (size_t i = 0; i < owned->expr_count; i++) {
        oxp_promql_expr_free(owned->exprs[i]);
    }
    free(owned->exprs);
    oxp_arena_fini(&owned->arena);
    free(owned);
}
