/* /api/v1/rules and /api/v1/alerts: what is evaluated here, and what it found. */
#include "exporter/api/query_parts.h"
#include "exporter/api/rules_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "lib/base/map.h"
#include "lib/base/number.h"

#define TOKEN_SIZE 33

struct look {
    struct oxp_query_ask ask;
    struct oxp_arena arena;
    const struct oxp_group_view **groups; /* by file and name */
    size_t count;
    /* arguments */
    struct oxp_query_selectors selectors;
    bool alerting, recording, alerts;
    uint64_t limit; /* groups; 0 = all */
    struct oxp_view token;
};

/* ---- What there is ---- */

static int compare_views(struct oxp_view a, struct oxp_view b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_groups(const void *a, const void *b) {
    const struct oxp_group_view *left = *(const struct oxp_group_view *const *)a;
    const struct oxp_group_view *right = *(const struct oxp_group_view *const *)b;
    int order = compare_views(left->file, right->file);
    return order != 0 ? order : compare_views(left->name, right->name);
}

static bool take_groups(struct look *look) {
    const struct oxp_group_view *groups = NULL;
    if (look->ask.api->rules == NULL) {
        return true;
    }
    enum oxp_status status = oxp_rules_view(look->ask.api->rules, &look->arena, &groups, &look->count);
    if (status == OXP_OK) {
        look->groups = oxp_arena_zero(&look->arena, look->count, sizeof(void *));
        status = oxp_arena_status(&look->arena);
    }
    if (status != OXP_OK) {
        return oxp_query_refuse(&look->ask.fault, OXP_QUERY_UNAVAILABLE, "no memory for the answer");
    }
    for (size_t i = 0; i < look->count; i++) {
        look->groups[i] = &groups[i];
    }
    if (look->count > 1) {
        qsort(look->groups, look->count, sizeof(void *), compare_groups);
    }
    return true;
}

static void begin(struct look *look, void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    *look = (struct look){.ask = {.api = ctx, .request = request, .response = response}};
    oxp_arena_init(&look->arena, OXP_QUERY_LIST_MAX);
}

static void end(struct look *look, bool ok) {
    if (!ok) {
        oxp_query_send_fault(&look->ask);
    }
    oxp_query_selectors_fini(&look->selectors);
    oxp_arena_fini(&look->arena);
}

/* ---- /api/v1/alerts ---- */

static bool answer_alerts(struct look *look) {
    struct oxp_buf text;
    bool first = true;
    oxp_buf_init(&text, OXP_QUERY_BODY_MAX);
    oxp_query_json_begin(&text);
    oxp_buf_append_text(&text, "{\"alerts\":[");
    for (size_t g = 0; g < look->count; g++) {
        for (size_t r = 0; r < look->groups[g]->count; r++) {
            const struct oxp_rule_view *rule = &look->groups[g]->rules[r];
            for (size_t a = 0; a < rule->alert_count; a++) {
                oxp_buf_append_text(&text, first ? "" : ",");
                oxp_rules_json_alert(&text, &rule->alerts[a]);
                first = false;
            }
        }
    }
    oxp_buf_append_text(&text, "]}}");
    return oxp_query_send_text(&look->ask, &text);
}

void oxp_api_alerts(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    struct look look;
    begin(&look, ctx, request, response);
    end(&look, take_groups(&look) && answer_alerts(&look));
}

/* ---- Arguments of /api/v1/rules ---- */

static bool bad(struct look *look, const char *name, const char *text) {
    return oxp_query_refuse(&look->ask.fault, OXP_QUERY_BAD_DATA, "invalid parameter \"%s\": %s", name, text);
}

static bool is_word(struct oxp_view text, const char *word) {
    return text.len == strlen(word) && strncasecmp(text.ptr, word, text.len) == 0;
}

static bool read_type(struct look *look) {
    struct oxp_view type = oxp_query_arg(&look->ask, "type");
    look->alerting = type.len == 0 || is_word(type, "alert");
    look->recording = type.len == 0 || is_word(type, "record");
    if (look->alerting || look->recording) {
        return true;
    }
    char quoted[128], text[160];
    oxp_query_quote(type, quoted, sizeof quoted);
    snprintf(text, sizeof text, "not supported value %s", quoted);
    return bad(look, "type", text);
}

/* The words of strconv.ParseBool. */
static bool read_exclude(struct look *look) {
    static const char *const words[2][3] = {{"0", "f", "false"}, {"1", "t", "true"}};
    struct oxp_view text = oxp_query_arg(&look->ask, "exclude_alerts");
    look->alerts = true;
    for (size_t i = 0; text.len > 0 && i < 6; i++) {
        if (is_word(text, words[i / 3][i % 3])) {
            look->alerts = i < 3;
            return true;
        }
    }
    if (text.len == 0) {
        return true;
    }
    char quoted[128], reason[256];
    oxp_query_quote(text, quoted, sizeof quoted);
    snprintf(reason, sizeof reason, "error converting exclude_alerts: strconv.ParseBool: parsing %s: invalid syntax",
             quoted);
    return bad(look, "exclude_alerts", reason);
}

static bool read_page(struct look *look) {
    struct oxp_view limit = oxp_query_arg(&look->ask, "group_limit");
    look->token = oxp_query_arg(&look->ask, "group_next_token");
    if (limit.len == 0) {
        return look->token.len == 0 ||
               bad(look, "group_next_token", "group_limit needs to be present in order to paginate over the groups");
    }
    bool minus = limit.ptr[0] == '-';
    if (oxp_number_parse_u64(minus ? oxp_view_of(limit.ptr + 1, limit.len - 1) : limit, &look->limit) != OXP_OK ||
        look->limit > INT32_MAX) {
        return bad(look, "group_limit", "group_limit needs to be a valid number");
    }
    return (!minus && look->limit > 0) || bad(look, "group_limit", "group_limit needs to be greater than 0");
}

static bool read_arguments(struct look *look) {
    return oxp_query_arg_selectors(&look->ask, false, &look->selectors) && read_type(look) && read_exclude(look) &&
           read_page(look);
}

/* ---- Choosing ---- */

/* Whether a name is among the arguments, or there are none. */
static bool is_asked(const struct look *look, const char *argument, struct oxp_view name) {
    struct oxp_view value;
    size_t i = 0;
    for (; oxp_request_field(look->ask.request, argument, i, &value); i++) {
        if (oxp_view_equal(value, name)) {
            return true;
        }
    }
    return i == 0;
}

static bool takes_rule(const struct look *look, const struct oxp_rule_view *rule) {
    return (rule->kind == OXP_RULE_ALERTING ? look->alerting : look->recording) &&
           is_asked(look, "rule_name[]", rule->name) &&
           (look->selectors.count == 0 ||
            oxp_query_selectors_accept(&look->selectors, look->selectors.count, rule->labels));
}

/* Names a group in group_next_token: opaque to clients. */
static void write_token(const struct oxp_group_view *group, char token[TOKEN_SIZE]) {
    snprintf(token, TOKEN_SIZE, "%016llx%016llx", (unsigned long long)oxp_hash(group->file.ptr, group->file.len, 1),
             (unsigned long long)oxp_hash(group->name.ptr, group->name.len, 2));
}

/* ---- /api/v1/rules ---- */

/* Appends the group with those of its rules that were asked for; false when there are none, and nothing is left of it.
 */
static bool append_group(const struct look *look, const struct oxp_group_view *group, bool first,
                         struct oxp_buf *text) {
    size_t before = text->len;
    bool any = false;
    oxp_buf_append_text(text, first ? "" : ",");
    oxp_rules_json_group_begin(text, group);
    for (size_t i = 0; i < group->count; i++) {
        if (takes_rule(look, &group->rules[i])) {
            oxp_buf_append_text(text, any ? "," : "");
            oxp_rules_json_rule(text, &group->rules[i], look->alerts);
            any = true;
        }
    }
    oxp_rules_json_group_end(text, group);
    text->len = any ? text->len : before;
    return any;
}

/* True when the page begins at this group. */
static bool is_begin(const struct look *look, const struct oxp_group_view *group) {
    char token[TOKEN_SIZE];
    write_token(group, token);
    return look->token.len == 0 || oxp_view_is(look->token, token);
}

static bool answer_rules(struct look *look) {
    struct oxp_buf text;
    char next[TOKEN_SIZE] = "";
    uint64_t written = 0;
    bool begun = look->token.len == 0;
    oxp_buf_init(&text, OXP_QUERY_BODY_MAX);
    oxp_query_json_begin(&text);
    oxp_buf_append_text(&text, "{\"groups\":[");
    for (size_t i = 0; i < look->count && next[0] == '\0'; i++) {
        const struct oxp_group_view *group = look->groups[i];
        begun = begun || is_begin(look, group);
        if (!begun || !is_asked(look, "rule_group[]", group->name) || !is_asked(look, "file[]", group->file)) {
            continue;
        }
        size_t before = text.len;
        bool any = append_group(look, group, written == 0, &text);
        if (any && look->limit > 0 && written == look->limit) {
            text.len = before; /* one more than the page holds */
            write_token(group, next);
        }
        written += any;
    }
    if (!begun) {
        char reason[160];
        oxp_buf_fini(&text);
        snprintf(reason, sizeof reason, "invalid group_next_token '%.*s'. were rule groups changed?",
                 (int)(look->token.len < 64 ? look->token.len : 64), look->token.ptr);
        return bad(look, "group_next_token", reason);
    }
    oxp_buf_append_char(&text, ']');
    if (next[0] != '\0') {
        oxp_buf_append_format(&text, ",\"groupNextToken\":\"%s\"", next);
    }
    oxp_buf_append_text(&text, "}}");
    return oxp_query_send_text(&look->ask, &text);
}

void oxp_api_rules(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    struct look look;
    begin(&look, ctx, request, response);
    end(&look, read_arguments(&look) && take_groups(&look) && answer_rules(&look));
}
