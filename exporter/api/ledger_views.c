/* GET /api/oxpecker/v1/sessions, tasks, breakers, incidents, writers: what the ledger knows, page by page.
 *
 * A list is a table: for each field its name, its kind and where it stands in the ledger's view. One reader of the
 * query and one encoder serve them all. */
#include "exporter/api/parts.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "lib/base/number.h"
#include "lib/json/json.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000

enum kind {
    TEXT,    /* char array; empty = null */
    SECONDS, /* double; NaN = null */
    FLAG,    /* bool */
    MAYBE,   /* bool, valid when the bool before it in the view is true; else null */
    COUNT,   /* uint64_t */
    SMALL,   /* unsigned */
};

struct column {
    const char *name;
    enum kind kind;
    size_t offset;
    size_t known; /* MAYBE: where the bool stands that says whether this one is known */
};

typedef size_t view_fn(const struct oxp_ledger *ledger, struct oxp_view id, size_t skip, void *out, size_t max);

struct list {
    const char *name;
    view_fn *view;
    size_t entry_size;
    const struct column *columns; /* ends with a NULL name */
};

#define COLUMN(type, name, kind)                                                                                       \
    { #name, kind, offsetof(struct type, name), 0 }

static const struct column session_columns[] = {
    COLUMN(oxp_session_view, id, TEXT),
    COLUMN(oxp_session_view, state, TEXT),
    COLUMN(oxp_session_view, orphaned, FLAG),
    COLUMN(oxp_session_view, must_restore, FLAG),
    COLUMN(oxp_session_view, owner, TEXT),
    COLUMN(oxp_session_view, region, TEXT),
    COLUMN(oxp_session_view, workflow, TEXT),
    COLUMN(oxp_session_view, writer, TEXT),
    COLUMN(oxp_session_view, boot, TEXT),
    COLUMN(oxp_session_view, trace_id, TEXT),
    COLUMN(oxp_session_view, started_s, SECONDS),
    COLUMN(oxp_session_view, last_event_s, SECONDS),
    COLUMN(oxp_session_view, timeout_s, SECONDS),
    {"keep_alive", MAYBE, offsetof(struct oxp_session_view, keep_alive),
     offsetof(struct oxp_session_view, keep_alive_known)},
    {NULL, TEXT, 0, 0},
};

static const struct column task_columns[] = {
    COLUMN(oxp_task_view, id, TEXT),
    COLUMN(oxp_task_view, status, TEXT),
    COLUMN(oxp_task_view, stalled, FLAG),
    COLUMN(oxp_task_view, workflow, TEXT),
    COLUMN(oxp_task_view, session, TEXT),
    COLUMN(oxp_task_view, priority, TEXT),
    COLUMN(oxp_task_view, attempt, SMALL),
    COLUMN(oxp_task_view, progress_ratio, SECONDS),
    COLUMN(oxp_task_view, writer, TEXT),
    COLUMN(oxp_task_view, trace_id, TEXT),
    COLUMN(oxp_task_view, started_s, SECONDS),
    COLUMN(oxp_task_view, last_event_s, SECONDS),
    {NULL, TEXT, 0, 0},
};

static const struct column breaker_columns[] = {
    COLUMN(oxp_breaker_view, name, TEXT),
    COLUMN(oxp_breaker_view, state, TEXT),
    COLUMN(oxp_breaker_view, cause, TEXT),
    COLUMN(oxp_breaker_view, since_s, SECONDS),
    COLUMN(oxp_breaker_view, open_total_s, SECONDS),
    COLUMN(oxp_breaker_view, consecutive_failures, COUNT),
    {NULL, TEXT, 0, 0},
};

static const struct column incident_columns[] = {
    COLUMN(oxp_incident_view, id, TEXT),
    COLUMN(oxp_incident_view, state, TEXT),
    COLUMN(oxp_incident_view, code, TEXT),
    COLUMN(oxp_incident_view, category, TEXT),
    COLUMN(oxp_incident_view, severity, TEXT),
    COLUMN(oxp_incident_view, component, TEXT),
    COLUMN(oxp_incident_view, workflow, TEXT),
    COLUMN(oxp_incident_view, session, TEXT),
    COLUMN(oxp_incident_view, task, TEXT),
    COLUMN(oxp_incident_view, trace_id, TEXT),
    COLUMN(oxp_incident_view, action, TEXT),
    COLUMN(oxp_incident_view, automation, TEXT),
    COLUMN(oxp_incident_view, outcome, TEXT),
    COLUMN(oxp_incident_view, level, TEXT),
    COLUMN(oxp_incident_view, reason, TEXT),
    COLUMN(oxp_incident_view, writer, TEXT),
    COLUMN(oxp_incident_view, boot, TEXT),
    COLUMN(oxp_incident_view, opened_s, SECONDS),
    COLUMN(oxp_incident_view, closed_s, SECONDS),
    COLUMN(oxp_incident_view, derived, FLAG),
    {NULL, TEXT, 0, 0},
};

static const struct column writer_columns[] = {
    COLUMN(oxp_writer_view, writer, TEXT),
    COLUMN(oxp_writer_view, boot, TEXT),
    COLUMN(oxp_writer_view, version, TEXT),
    COLUMN(oxp_writer_view, environment, TEXT),
    COLUMN(oxp_writer_view, connected, FLAG),
    COLUMN(oxp_writer_view, announced, FLAG),
    COLUMN(oxp_writer_view, lost, FLAG),
    COLUMN(oxp_writer_view, started_s, SECONDS),
    COLUMN(oxp_writer_view, last_event_s, SECONDS),
    COLUMN(oxp_writer_view, last_seq, COUNT),
    COLUMN(oxp_writer_view, lost_events, COUNT),
    {NULL, TEXT, 0, 0},
};

/* The ledger's functions with the type of their entries forgotten. */
#define VIEW(function, type)                                                                                           \
    static size_t view_##function(const struct oxp_ledger *ledger, struct oxp_view id, size_t skip, void *out,         \
                                  size_t max) {                                                                        \
        return oxp_ledger_##function(ledger, id, skip, (struct type *)out, max);                                       \
    }
VIEW(sessions, oxp_session_view)
VIEW(tasks, oxp_task_view)
VIEW(breakers, oxp_breaker_view)
VIEW(incidents, oxp_incident_view)
VIEW(writers, oxp_writer_view)

static const struct list sessions = {"sessions", view_sessions, sizeof(struct oxp_session_view), session_columns};
static const struct list tasks = {"tasks", view_tasks, sizeof(struct oxp_task_view), task_columns};
static const struct list breakers = {"breakers", view_breakers, sizeof(struct oxp_breaker_view), breaker_columns};
static const struct list incidents = {"incidents", view_incidents, sizeof(struct oxp_incident_view), incident_columns};
static const struct list writers = {"writers", view_writers, sizeof(struct oxp_writer_view), writer_columns};

/* What an incident must be; empty = anything. */
struct incident_filter {
    struct oxp_view state, severity, task;
};

/* One question to the ledger. */
struct page {
    const struct list *list;
    const struct oxp_ledger *ledger;
    struct oxp_view id;
    size_t skip, limit;
    char *entries; /* limit of them */
    size_t total;
    const struct incident_filter *filter; /* of incidents; NULL = none */
    char *some;                           /* SOME entries, with a filter */
};

#define SOME 16

/* "open" is also one that was escalated: it is not over. */
static bool passes(const struct incident_filter *filter, const struct oxp_incident_view *incident) {
    bool over = strcmp(incident->state, "closed") == 0;
    bool state = filter->state.len == 0 || oxp_view_is(filter->state, incident->state) ||
                 (oxp_view_is(filter->state, "open") && !over);
    return state && (filter->severity.len == 0 || oxp_view_is(filter->severity, incident->severity)) &&
           (filter->task.len == 0 || oxp_view_is(filter->task, incident->task));
}

/* Goes through all of them, a few at a time, and keeps the page of those that pass. */
static void look_through(struct page *page) {
    size_t size = page->list->entry_size, all = SIZE_MAX;
    for (size_t from = 0; from < all; from += SOME) {
        all = page->list->view(page->ledger, page->id, from, page->some, SOME);
        for (size_t i = 0; i < SOME && from + i < all; i++) {
            const char *entry = page->some + i * size;
            if (!passes(page->filter, (const struct oxp_incident_view *)(const void *)entry)) {
                continue;
            }
            size_t at = page->total++;
            if (at >= page->skip && at - page->skip < page->limit) {
                memcpy(page->entries + (at - page->skip) * size, entry, size);
            }
        }
    }
}

static void look(void *ctx) {
    struct page *page = ctx;
    if (page->filter != NULL) {
        look_through(page);
        return;
    }
    page->total = page->list->view(page->ledger, page->id, page->skip, page->entries, page->limit);
}

static struct oxp_json *null_or(bool known, struct oxp_json *(*make)(bool value), bool value) {
    return known ? make(value) : oxp_json_number(NAN);
}

static struct oxp_json *encode_field(const struct column *column, const char *entry) {
    const void *field = entry + column->offset;
    switch (column->kind) {
    case TEXT:
        return *(const char *)field == '\0' ? oxp_json_number(NAN) : oxp_json_text(oxp_view_from(field));
    case SECONDS:
        return oxp_json_number(*(const double *)field);
    case FLAG:
        return oxp_json_bool(*(const bool *)field);
    case MAYBE:
        return null_or(*(const bool *)(const void *)(entry + column->known), oxp_json_bool, *(const bool *)field);
    case COUNT:
        return oxp_json_count(*(const uint64_t *)field);
    case SMALL:
        return oxp_json_count(*(const unsigned *)field);
    }
    return NULL;
}

static struct oxp_json *encode_entry(const struct list *list, const char *entry, enum oxp_status *status) {
    struct oxp_json *object = oxp_json_object();
    for (const struct column *column = list->columns; column->name != NULL && *status == OXP_OK; column++) {
        *status = oxp_json_set(object, column->name, encode_field(column, entry));
    }
    return object;
}

static struct oxp_json *encode(const struct page *page, enum oxp_status *status) {
    struct oxp_json *root = oxp_json_object(), *array = oxp_json_array();
    size_t left = page->total > page->skip ? page->total - page->skip : 0;
    for (size_t i = 0; i < left && i < page->limit && *status == OXP_OK; i++) {
        struct oxp_json *object = encode_entry(page->list, page->entries + i * page->list->entry_size, status);
        enum oxp_status appended = oxp_json_append(array, object);
        *status = *status == OXP_OK ? appended : *status;
    }
    int all = (int)oxp_json_set(root, "total", oxp_json_count(page->total)) |
              (int)oxp_json_set(root, "skip", oxp_json_count(page->skip)) |
              (int)oxp_json_set(root, page->list->name, array);
    *status = all == 0 ? *status : OXP_ERR_NOMEM;
    return root;
}

bool oxp_api_number(const struct oxp_request *request, const char *name, const uint64_t bounds[2], size_t *value) {
    const char *text = oxp_request_argument(request, name);
    uint64_t number = 0;
    if (text == NULL) {
        return true;
    }
    if (oxp_number_parse_u64(oxp_view_from(text), &number) != OXP_OK || number < bounds[0] || number > bounds[1]) {
        return false;
    }
    *value = (size_t)number;
    return true;
}

static void answer_page(struct oxp_api *api, const struct oxp_request *request, struct page page,
                        struct oxp_response *response) {
    const struct list *list = page.list;
    page.ledger = api->ledger;
    page.limit = LIMIT_DEFAULT;
    page.id = oxp_view_from(oxp_request_argument(request, "id"));
    if (!oxp_api_number(request, "limit", (const uint64_t[]){1, LIMIT_MAX}, &page.limit) ||
        !oxp_api_number(request, "skip", (const uint64_t[]){0, SIZE_MAX / 2}, &page.skip)) {
        oxp_response_error(response, 400, "limit must be a whole number from 1 to %d, skip one from 0", LIMIT_MAX);
        return;
    }
    page.entries = calloc(page.limit, list->entry_size);
    page.some = page.filter == NULL ? NULL : calloc(SOME, list->entry_size);
    if (page.entries == NULL || (page.filter != NULL && page.some == NULL)) {
        oxp_response_error(response, 503, "no memory for %zu entries", page.limit);
    } else if (oxp_api_on_loop(api, look, &page, response)) {
        enum oxp_status status = OXP_OK;
        struct oxp_json *root = encode(&page, &status);
        oxp_api_json(response, 200, root, status);
    }
    free(page.some);
    free(page.entries);
}

static void answer_list(struct oxp_api *api, const struct oxp_request *request, const struct list *list,
                        struct oxp_response *response) {
    answer_page(api, request, (struct page){.list = list}, response);
}

void oxp_api_sessions(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    answer_list(ctx, request, &sessions, response);
}

void oxp_api_tasks(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    answer_list(ctx, request, &tasks, response);
}

void oxp_api_breakers(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    answer_list(ctx, request, &breakers, response);
}

void oxp_api_incidents(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    const struct incident_filter filter = {oxp_view_from(oxp_request_argument(request, "state")),
                                           oxp_view_from(oxp_request_argument(request, "severity")),
                                           oxp_view_from(oxp_request_argument(request, "task"))};
    bool known = filter.state.len == 0 || oxp_view_is(filter.state, "open") || oxp_view_is(filter.state, "escalated") ||
                 oxp_view_is(filter.state, "closed");
    if (!known) {
        oxp_response_error(response, 400, "state must be open, escalated or closed");
        return;
    }
    answer_page(ctx, request, (struct page){.list = &incidents, .filter = &filter}, response);
}

void oxp_api_writers(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    answer_list(ctx, request, &writers, response);
}
