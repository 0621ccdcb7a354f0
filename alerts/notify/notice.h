/* The texts of one alert, as receivers need them, and the bodies that are made of them: the webhook payload (version 4)
 * and the alerts of Alertmanager's API v2. Pure, apart from the count of holders, which belongs to one thread. Private
 * to this folder. */
#ifndef OXP_NOTIFY_NOTICE_H
#define OXP_NOTIFY_NOTICE_H

#include "alerts/tsdb/labels.h"
#include "lib/base/buf.h"
#include "lib/json/json.h"

#define OXP_NOTICE_PAIRS OXP_LABELS_LIMIT /* of labels, and of annotations */

struct oxp_pair {
    struct oxp_view name, value;
};
struct oxp_pairs { /* sorted by name, each name once */
    const struct oxp_pair *pair;
    size_t count;
};

struct oxp_notice { /* one block of memory; immutable but for the holders */
    unsigned holders;
    uint64_t fingerprint;      /* FNV-1a of the key, as model.LabelSet.Fingerprint of Prometheus' common/model */
    struct oxp_view key;       /* the labels: name, 0xff, value, 0xff, …: the same for the same labels only */
    struct oxp_view generator; /* URL; may be empty */
    struct oxp_pairs labels, annotations;
};

/* A copy of the texts of `shape` (its key and fingerprint are not looked at) with one holder; NULL without memory. */
struct oxp_notice *oxp_notice_new(const struct oxp_notice *shape);
struct oxp_notice *oxp_notice_hold(struct oxp_notice *notice);
void oxp_notice_drop(struct oxp_notice *notice); /* NULL is allowed */
void oxp_notice_key(struct oxp_buf *out, struct oxp_pairs labels);
uint64_t oxp_notice_fingerprint(struct oxp_view key);
/* Bytewise, a shorter one first. */
int oxp_text_order(struct oxp_view a, struct oxp_view b);
bool oxp_pairs_equal(struct oxp_pairs a, struct oxp_pairs b);
/* The value; empty when there is none. */
struct oxp_view oxp_pairs_get(struct oxp_pairs pairs, struct oxp_view name);
/* A label set as pairs, which point into it; `room` has OXP_NOTICE_PAIRS. */
struct oxp_pairs oxp_pairs_of(const struct oxp_labels *labels, struct oxp_pair *room);
/* The same of a JSON object with texts, sorted; what is past the room is left out. */
struct oxp_pairs oxp_pairs_of_json(const struct oxp_json *object, struct oxp_pair *room);

/* `{a="b", c="d"}` with Go's quotes. */
void oxp_pairs_format(struct oxp_buf *out, struct oxp_pairs pairs);
void oxp_pairs_json(struct oxp_buf *out, struct oxp_pairs pairs);
/* RFC 3339 with as many digits of the second as needed, as Go writes it: "2026-11-22T04:26:00.12Z". */
void oxp_time_json(struct oxp_buf *out, int64_t unix_ms);
/* `base` + "/graph?g0.expr=…&g0.tab=1", the expression as Go's url.QueryEscape (Prometheus'
 * strutil.TableLinkForExpression); nothing when `base` is empty. */
void oxp_generator_url(struct oxp_buf *out, struct oxp_view base, struct oxp_view expression);

/* ---- Bodies ---- */

struct oxp_news { /* an alert in a message */
    const struct oxp_notice *notice;
    bool resolved;
    int64_t starts_ms;
    int64_t ends_ms; /* of a firing one: until when it is valid without being told again; in API v2 only */
};
/* Sorts as Alertmanager's types.AlertSlice: by job, instance, number of labels, labels. */
void oxp_news_sort(struct oxp_news *news, size_t count);

struct oxp_payload {
    const char *receiver, *external_url;
    struct oxp_view group_key;
    struct oxp_pairs group_labels;
    const struct oxp_news *news;
    size_t count;
    size_t truncated; /* that are left out */
    bool firing;      /* the group's status */
};
/* Alertmanager's webhook message, version 4, with a newline at its end (facts C5: notify/webhook, template.Data). */
void oxp_payload_write(struct oxp_buf *out, const struct oxp_payload *payload);
/* One alert of POST /api/v2/alerts. */
void oxp_news_write(struct oxp_buf *out, const struct oxp_news *news);

#endif
