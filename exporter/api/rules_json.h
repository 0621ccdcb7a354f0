/* Rules and alerts as Prometheus' HTTP API writes them (web/api/v1/api.go in its repository: /api/v1/rules,
 * /api/v1/alerts). Pure; every failure sticks to the buffer. */
#ifndef OXP_API_RULES_JSON_H
#define OXP_API_RULES_JSON_H

#include "alerts/rules/rules.h"
#include "lib/base/buf.h"

/* Unix milliseconds as Go writes a time: RFC 3339 in UTC, the fraction without its last zeros. `never` (0) is Go's zero
 * time, "0001-01-01T00:00:00Z". Between quotes. */
void oxp_rules_json_time(struct oxp_buf *out, int64_t ms);
/* The value of an alert, between quotes: always with an exponent, as strconv.FormatFloat's 'e' ("1e+00", "2.5e-01"). */
void oxp_rules_json_value(struct oxp_buf *out, double value);

void oxp_rules_json_alert(struct oxp_buf *out, const struct oxp_alert_view *alert);
/* `alerts` false: null in the place of the list, as with exclude_alerts. */
void oxp_rules_json_rule(struct oxp_buf *out, const struct oxp_rule_view *rule, bool alerts);
/* What stands behind a group's rules: `],"interval":15,…}`, and before them: `{"name":…,"rules":[`. */
void oxp_rules_json_group_begin(struct oxp_buf *out, const struct oxp_group_view *group);
void oxp_rules_json_group_end(struct oxp_buf *out, const struct oxp_group_view *group);

#endif
