/* The first page, GET /: what is shown of the sidecar and its orchestrator to a person who just looks.
 *
 * page/ has the page as a person would write it (page.html with {{slots}}, page.css, page.js, page.svg), put into the
 * program when it is built. page_look.c gathers what is to be seen, in a bounded struct; page_write.c fills the slots,
 * those that are tables by page_alerts.c, page_tables.c and page_sidecar.c; page.c is the routes. Everything is written
 * by the server, so that the page is whole without JavaScript; with it, page.js asks for the page again, takes over the
 * parts that changed, and draws the charts from the query API. */
#ifndef OXP_API_PAGE_PARTS_H
#define OXP_API_PAGE_PARTS_H

#include "exporter/api/parts.h"
#include "exporter/ledger/ledger.h"

#include "alerts/delivery/courier.h"
#include "alerts/outbox/outbox.h"
#include "alerts/rules/rules.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"

oxp_handler_fn oxp_api_page, oxp_api_page_css, oxp_api_page_js, oxp_api_page_svg, oxp_api_graph;

/* What embed.cmake made; no NUL at the end. */
extern const char oxp_page_html[], oxp_page_css[], oxp_page_js[], oxp_page_svg[];
extern const size_t oxp_page_html_len, oxp_page_css_len, oxp_page_js_len, oxp_page_svg_len;

/* Numbers of the registry, added up by one label. */
enum oxp_page_number {
#define NUMBER(id, family, label) OXP_PAGE_##id,
#include "exporter/api/page_numbers.def"
#undef NUMBER
    OXP_PAGE_NUMBERS
};

#define OXP_PAGE_ROWS 24        /* of one number; more are added to the last one, as "other" */
#define OXP_PAGE_NAME 128       /* bytes of a row's name, its NUL included; a longer one is cut */
#define OXP_PAGE_BREAKERS 32    /* shown */
#define OXP_PAGE_WRITERS 64     /* looked at */
#define OXP_PAGE_WRITER_ROWS 12 /* shown */
#define OXP_PAGE_RECEIVERS 32   /* shown */
#define OXP_PAGE_ALERTS 50      /* shown */

struct oxp_page_row {
    char name[OXP_PAGE_NAME];
    double value;
};
struct oxp_page_group {
    struct oxp_page_row rows[OXP_PAGE_ROWS];
    size_t count; /* 0 = absent */
};

struct oxp_page_facts {
    double now_s, oldest_s; /* unix time; of the oldest sample in the short memory, 0 = there is none */
    struct oxp_page_group numbers[OXP_PAGE_NUMBERS];
    bool has_ledger;                                     /* false: the loop did not answer */
    struct oxp_breaker_view breakers[OXP_PAGE_BREAKERS]; /* the worst first */
    size_t open_breakers, half_open_breakers;
    struct oxp_writer_view writers[OXP_PAGE_WRITERS];
    size_t breaker_count, writer_count; /* there are; maybe more than shown */
    bool has_rules;
    bool too_many;                       /* alerts to copy them: they are counted only, has_rules is false */
    const struct oxp_group_view *groups; /* in the arena */
    size_t group_count;
    size_t rule_count, failing, waiting; /* waiting: for their first evaluation */
    const struct oxp_rule_view *failed;  /* the first one; NULL = there is none */
    size_t firing, critical;             /* those for information apart */
    size_t pending, info;
    bool has_outbox, kept;
    struct oxp_outbox_stats outbox;
    struct oxp_courier_view receivers[OXP_PAGE_RECEIVERS]; /* names are good until `release` */
    size_t receiver_count;
    struct oxp_arena arena;
};

/* Gathers everything; what cannot be had is left out, and its has_ says so. Fill `facts` with zeros first.
 * oxp_page_forget gives back what it holds. The HTTP threads. */
void oxp_page_look(struct oxp_page_facts *facts, struct oxp_api *api);
void oxp_page_forget(struct oxp_page_facts *facts, struct oxp_api *api);
/* The sum of a number's rows; NaN when it is absent. */
double oxp_page_sum(const struct oxp_page_facts *facts, enum oxp_page_number number);
/* The row with this name; 0 when there is none. */
double oxp_page_at(const struct oxp_page_facts *facts, enum oxp_page_number number, const char *name);

/* What is done about it first. */
enum { OXP_PAGE_CRITICAL, OXP_PAGE_OTHER, OXP_PAGE_INFO };
int oxp_page_alert_rank(const struct oxp_alert_view *alert);
enum { OXP_PAGE_OPEN, OXP_PAGE_HALF_OPEN, OXP_PAGE_CLOSED };
int oxp_page_breaker_rank(const struct oxp_breaker_view *breaker);

/* The first `max` of all that are offered, in order; what is equal stays in the order in which it came. */
struct oxp_page_top {
    void *rows;  /* the caller's, room for `max` of them */
    size_t size; /* bytes of one */
    size_t max, count;
    int (*compare)(const void *a, const void *b);
};
void oxp_page_offer(struct oxp_page_top *top, const void *row);

/* Appends the page. `facts` NULL: only the links, for a reader who may not see the ledger. */
void oxp_page_write(struct oxp_buf *page, const struct oxp_page_facts *facts, const struct oxp_route *routes);
/* What stands in a slot. */
typedef void oxp_page_slot_fn(struct oxp_buf *page, const struct oxp_page_facts *facts);
oxp_page_slot_fn oxp_page_troubles, oxp_page_sessions, oxp_page_breakers, oxp_page_alerts, oxp_page_errors,
    oxp_page_retries, oxp_page_tasks, oxp_page_writers, oxp_page_notifications, oxp_page_sidecar;

#endif
