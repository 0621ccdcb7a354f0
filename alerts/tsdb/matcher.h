/* A label matcher of a selector: name, operator, value. Plain data around a compiled pattern. Immutable: any thread. */
#ifndef OXP_TSDB_MATCHER_H
#define OXP_TSDB_MATCHER_H

#include "alerts/tsdb/labels.h"

struct oxp_regex;

enum oxp_match_op {
    OXP_MATCH_EQUAL,     /* = */
    OXP_MATCH_NOT_EQUAL, /* != */
    OXP_MATCH_REGEX,     /* =~ */
    OXP_MATCH_NOT_REGEX, /* !~ */
};

struct oxp_matcher {
    enum oxp_match_op op;
    const struct oxp_symbol *name, *value;
    struct oxp_regex *regex; /* of the two regular-expression operators; owned by whoever made the matcher */
};

/* "=", "!=", "=~", "!~" */
const char *oxp_match_op_text(enum oxp_match_op op);
/* Whether a label's value (empty for a label that is not there) satisfies the matcher. */
bool oxp_matcher_accepts(const struct oxp_matcher *matcher, struct oxp_view value);
/* Whether the set satisfies all of them. */
bool oxp_matchers_accept(const struct oxp_matcher *matchers, size_t count, const struct oxp_labels *labels);

#endif
