#include "alerts/cloudwatch/key.h"

#include "alerts/promql/parse.h"
#include "lib/base/map.h"

static const struct oxp_labels *bare_of(struct oxp_arena *arena, const struct oxp_labels *target,
                                        const struct oxp_labels *labels) {
    struct oxp_labels_builder builder;
    oxp_labels_build(&builder, arena, labels);
    oxp_labels_remove(&builder, OXP_VIEW("job"));
    oxp_labels_remove(&builder, OXP_VIEW("instance"));
    for (size_t i = 0; target != NULL && i < target->count; i++) {
        oxp_labels_remove(&builder, oxp_symbol_view(target->label[i].name));
    }
    return oxp_labels_finish(&builder);
}

/* True when no target label that it has is another's. */
static bool is_own(const struct oxp_labels *target, const struct oxp_labels *labels) {
    for (size_t i = 0; target != NULL && i < target->count; i++) {
        const struct oxp_symbol *value = oxp_labels_get(labels, target->label[i].name);
        if (value != NULL && !oxp_symbol_equal(value, target->label[i].value)) {
            return false;
        }
    }
    return target != NULL;
}

/* Series with the same bare labels. */
struct group {
    size_t count, own;
};

static struct group *group_of(struct oxp_map *groups, struct oxp_arena *arena, struct oxp_view text) {
    struct group *group = oxp_map_get(groups, text);
    if (group == NULL) {
        group = oxp_arena_zero(arena, 1, sizeof *group);
        group = group != NULL && oxp_map_set(groups, text, group, NULL) == OXP_OK ? group : NULL;
    }
    return group;
}

static struct oxp_view key_text(struct oxp_arena *arena, struct oxp_buf *text, size_t prefix,
                                const struct oxp_labels *labels) {
    text->len = prefix;
    oxp_labels_format(text, labels, true);
    return oxp_buf_status(text) == OXP_OK ? oxp_arena_copy(arena, oxp_buf_view(text)) : oxp_view_of(NULL, 0);
}

/* What of all series is to be known before one of them can be named. */
struct naming {
    struct oxp_arena *arena;
    const struct oxp_labels *target;
    const struct oxp_promql_answer *answer;
    struct oxp_buf text;
    size_t prefix;
    struct oxp_map groups;
    struct group **group; /* of each series */
    struct oxp_cw_key *keys;
};

static bool name_bare(struct naming *naming) {
    for (size_t i = 0; i < naming->answer->count; i++) {
        const struct oxp_labels *labels = naming->answer->series[i].labels;
        const struct oxp_labels *bare = bare_of(naming->arena, naming->target, labels);
        struct oxp_view text =
            bare == NULL ? oxp_view_of(NULL, 0) : key_text(naming->arena, &naming->text, naming->prefix, bare);
        naming->group[i] = text.ptr == NULL ? NULL : group_of(&naming->groups, naming->arena, text);
        if (naming->group[i] == NULL) {
            return false;
        }
        naming->keys[i].text = text;
        naming->group[i]->count++;
        naming->group[i]->own += is_own(naming->target, labels);
    }
    return true;
}

static bool name_twins(struct naming *naming) {
    for (size_t i = 0; i < naming->answer->count; i++) {
        const struct oxp_labels *labels = naming->answer->series[i].labels;
        const struct group *group = naming->group[i];
        struct oxp_cw_key *key = &naming->keys[i];
        if (group->count == 1 || (group->own == 1 && is_own(naming->target, labels))) {
            continue;
        }
        key->twin = true;
        key->text = key_text(naming->arena, &naming->text, naming->prefix, labels);
        if (key->text.ptr == NULL) {
            return false;
        }
    }
    return true;
}

struct oxp_cw_key *oxp_cw_keys(struct oxp_arena *arena, const struct oxp_labels *target, struct oxp_view prefix,
                               const struct oxp_promql_answer *answer) {
    struct naming naming = {.arena = arena, .target = target, .answer = answer};
    oxp_buf_init(&naming.text, 0);
    oxp_buf_append_view(&naming.text, prefix);
    oxp_buf_append_char(&naming.text, '/');
    naming.prefix = naming.text.len;
    oxp_map_init(&naming.groups);
    naming.keys = oxp_arena_zero(arena, answer->count + 1, sizeof *naming.keys);
    naming.group = oxp_arena_zero(arena, answer->count + 1, sizeof(struct group *));
    bool ok = oxp_buf_status(&naming.text) == OXP_OK && naming.keys != NULL && naming.group != NULL &&
              name_bare(&naming) && name_twins(&naming);
    oxp_map_fini(&naming.groups);
    oxp_buf_fini(&naming.text);
    return ok ? naming.keys : NULL;
}

enum oxp_status oxp_cw_bare_text(struct oxp_view text, const struct oxp_labels *target, struct oxp_arena *arena,
                                 struct oxp_buf *out) {
    struct oxp_promql_expr *expr = NULL;
    struct oxp_error error = {0};
    struct oxp_labels_builder builder;
    /* What Prometheus prints of a set of labels is a selector. */
    enum oxp_status status = oxp_promql_parse_selector(text, &expr, &error);
    if (status != OXP_OK) {
        return status == OXP_ERR_NOMEM ? status : OXP_ERR_SYNTAX;
    }
    oxp_labels_build(&builder, arena, oxp_labels_none());
    for (size_t i = 0; i < expr->root->selector.matcher_count; i++) {
        const struct oxp_matcher *matcher = &expr->root->selector.matchers[i];
        oxp_labels_set(&builder, matcher->name, matcher->value);
    }
    const struct oxp_labels *labels = oxp_labels_finish(&builder);
    const struct oxp_labels *bare = labels == NULL ? NULL : bare_of(arena, target, labels);
    if (bare == NULL) {
        status = OXP_ERR_NOMEM;
    } else {
        oxp_labels_format(out, bare, true);
        status = oxp_buf_status(out) == OXP_OK ? OXP_OK : OXP_ERR_NOMEM;
    }
    oxp_promql_expr_free(expr);
    return status;
}
