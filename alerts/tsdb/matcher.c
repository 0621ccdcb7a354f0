#include "alerts/tsdb/matcher.h"

#include "lib/regex/regex.h"

const char *oxp_match_op_text(enum oxp_match_op op) {
    static const char *const texts[] = {"=", "!=", "=~", "!~"};
    return texts[op];
}

bool oxp_matcher_accepts(const struct oxp_matcher *matcher, struct oxp_view value) {
    switch (matcher->op) {
    case OXP_MATCH_EQUAL:
        return oxp_view_equal(value, oxp_symbol_view(matcher->value));
    case OXP_MATCH_NOT_EQUAL:
        return !oxp_view_equal(value, oxp_symbol_view(matcher->value));
    case OXP_MATCH_REGEX:
        return oxp_regex_matches(matcher->regex, value);
    case OXP_MATCH_NOT_REGEX:
        return !oxp_regex_matches(matcher->regex, value);
    }
    return false;
}

bool oxp_matchers_accept(const struct oxp_matcher *matchers, size_t count, const struct oxp_labels *labels) {
    for (size_t i = 0; i < count; i++) {
        const struct oxp_symbol *value = oxp_labels_get(labels, matchers[i].name);
        if (!oxp_matcher_accepts(&matchers[i], value == NULL ? oxp_view_of(NULL, 0) : oxp_symbol_view(value))) {
            return false;
        }
    }
    return true;
}
