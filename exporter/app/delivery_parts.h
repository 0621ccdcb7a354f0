/* Inside delivery: the parts of one setup, built and torn down (delivery_parts.c), and how their work shows in metrics
 * and in the log (delivery_shown.c). Nobody but delivery.c includes this. */
#ifndef OXP_APP_DELIVERY_PARTS_H
#define OXP_APP_DELIVERY_PARTS_H

#include "alerts/cloudwatch/publish.h"
#include "exporter/app/delivery.h"

/* What lasts as long as a setup; the outbox outlives it. */
struct oxp_delivery_parts {
    struct oxp_daemon *daemon;
    struct oxp_outbox *outbox; /* borrowed */
    /* to people */
    struct oxp_alerting *alerting;
    struct oxp_courier *courier;
    struct oxp_recipient *recipients; /* of the courier */
    size_t recipient_count;
    /* to CloudWatch */
    struct oxp_http *http; /* for credentials */
    struct oxp_aws_world world;
    _Atomic int64_t
        cut_ns; /* monotonic: the courier's grace is over then, and fetches of credentials end; 0 = not yet */
    struct oxp_aws_client *client;
    struct oxp_promql_engine *engine;
    struct oxp_cw_publisher *publisher;
    int64_t publish_ms; /* when the next one is due; INT64_MAX = never */
    bool emf;
    struct oxp_error left_out; /* what was said last of data that were left out */
    struct oxp_error idle;     /* why nothing is sent to CloudWatch although it is configured; empty = it is sent */
};

/* True when the setup needs an outbox. The lane emf sends nothing, and wants its ledger only where it is `kept`. */
bool oxp_delivery_needs_outbox(const struct oxp_delivery_setup *setup, bool kept);
/* True when nobody is told and nothing is published. */
bool oxp_delivery_is_empty(const struct oxp_delivery_setup *setup);
/* Opens it: in the directory, or ("") in memory. */
enum oxp_status oxp_delivery_open_outbox(struct oxp_daemon *daemon, const char *directory,
                                         struct oxp_outbox **outbox_out, struct oxp_error *error);
/* Builds the parts over the outbox (NULL where the setup needs none) and begins their threads; takes the alerting
 * configuration out of the setup, whose rest must outlive them. On failure nothing is left, and `error` has a text.
 * `parts_out` must stay where it is. */
enum oxp_status oxp_delivery_parts_new(struct oxp_daemon *daemon, struct oxp_outbox *outbox,
                                       struct oxp_delivery_setup *setup, struct oxp_delivery_parts *parts_out,
                                       struct oxp_error *error);
/* Ends them in the order of the data path, the courier within `grace_ms`; the setup has its alerting configuration
 * again. `last`: publishes what is left. */
void oxp_delivery_parts_free(struct oxp_delivery_parts *parts, struct oxp_delivery_setup *setup, bool last,
                             int64_t grace_ms);
/* Milliseconds until the next publishing; INT64_MAX = there is none. */
int64_t oxp_delivery_publish_in_ms(const struct oxp_delivery_parts *parts, int64_t now_ms);
/* Publishes when it is due. */
void oxp_delivery_publish(struct oxp_delivery_parts *parts, int64_t now_ms);

/* ---- delivery_shown.c ---- */

/* For the courier's on_send, the outbox's on_drop, alerting's on_failure and on_left_out; ctx is the daemon. */
void oxp_delivery_on_send(void *ctx, const struct oxp_recipient *recipient, const struct oxp_outbox_message *message,
                          const struct oxp_verdict *verdict, double seconds);
void oxp_delivery_on_drop(void *ctx, const struct oxp_outbox_message *message, enum oxp_outbox_drop drop);
void oxp_delivery_on_damage(void *ctx, const struct oxp_outbox_message *message);
void oxp_delivery_on_failure(void *ctx, const struct oxp_error *error);
void oxp_delivery_on_left_out(void *ctx, struct oxp_view alert, size_t bytes);
/* Makes the series of an integration, at 0: what is configured is seen before it first fails. */
void oxp_delivery_show_integration(struct oxp_daemon *daemon, const char *integration);
/* What a publishing made. */
void oxp_delivery_show_published(struct oxp_daemon *daemon, const struct oxp_cw_published *published);
/* The gauges of the outbox; `failures` is what of its failures was counted so far. */
void oxp_delivery_show_outbox(struct oxp_daemon *daemon, struct oxp_outbox *outbox, uint64_t *failures);

#endif
