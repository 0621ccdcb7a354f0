/* GET /api/oxpecker/v1/notifications: who was told what and when, what waits and why.
 *
 * {"notifications": [messages, newest first], "receivers": [with their breakers], "outbox": {counts} or null,
 * "notes": [manual acts, newest first]}. ?receiver= and ?state= choose messages, ?limit= (1 to 1,000, 100 if absent)
 * how many, ?below= the page: ids below this one. Contents are not shown: `oxpecker outbox show` has them. */
#include "exporter/api/parts.h"

#include <math.h>

#include "alerts/delivery/courier.h"
#include "exporter/api/message_json.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
#define NOTES 50
#define RECEIVERS_MAX 256

struct page {
    struct oxp_arena arena;
    struct oxp_outbox_filter filter;
    struct oxp_outbox_message *messages;
    size_t message_count;
    struct oxp_outbox_noted *notes;
    size_t note_count;
    struct oxp_outbox_stats stats;
    struct oxp_courier_view *receivers;
    size_t receiver_count;
    bool has_outbox, kept;
};

/* ---- Encoding ---- */

static struct oxp_json *receiver(const struct oxp_courier_view *r, enum oxp_status *status) {
    struct oxp_json *object = oxp_json_object();
    int all = (int)oxp_json_set(object, "receiver", oxp_json_text(oxp_view_from(r->receiver))) |
              (int)oxp_json_set(object, "integration", oxp_json_text(oxp_view_from(r->integration))) |
              (int)oxp_json_set(object, "breaker", oxp_json_text(oxp_view_from(r->breaker))) |
              (int)oxp_json_set(object, "last_success_s", oxp_message_time(r->last_success_ms)) |
              (int)oxp_json_set(object, "last_failure_s", oxp_message_time(r->last_failure_ms)) |
              (int)oxp_json_set(object, "sent", oxp_json_count(r->sent)) |
              (int)oxp_json_set(object, "failed", oxp_json_count(r->failed)) |
              (int)oxp_json_set(object, "refused", oxp_json_count(r->refused));
    *status = all == 0 ? *status : OXP_ERR_NOMEM;
    return object;
}

static struct oxp_json *note(const struct oxp_outbox_noted *n, enum oxp_status *status) {
    struct oxp_json *object = oxp_json_object();
    int all = (int)oxp_json_set(object, "id", oxp_json_count((uint64_t)n->id)) |
              (int)oxp_json_set(object, "at_s", oxp_message_time(n->at_ms)) |
              (int)oxp_json_set(object, "kind", oxp_json_text(n->kind)) |
              (int)oxp_json_set(object, "text", oxp_json_text(n->text));
    *status = all == 0 ? *status : OXP_ERR_NOMEM;
    return object;
}

static struct oxp_json *outbox(const struct page *page, enum oxp_status *status) {
    struct oxp_json *object = oxp_json_object(), *dropped = oxp_json_object();
    const struct oxp_outbox_stats *stats = &page->stats;
    int all = 0;
    for (int i = 0; i < OXP_OUTBOX_DROPS; i++) {
        all |= (int)oxp_json_set(dropped, oxp_outbox_drop_name((enum oxp_outbox_drop)i),
                                 oxp_json_count(stats->dropped[i]));
    }
    all |= (int)oxp_json_set(object, "persistent", oxp_json_bool(page->kept)) |
           (int)oxp_json_set(object, "waiting", oxp_json_count(stats->waiting)) |
           (int)oxp_json_set(object, "claimed", oxp_json_count(stats->claimed)) |
           (int)oxp_json_set(object, "set_aside", oxp_json_count(stats->aside)) |
           (int)oxp_json_set(object, "bytes", oxp_json_count(stats->bytes)) |
           (int)oxp_json_set(object, "oldest_s", oxp_message_time(stats->oldest_ms)) |
           (int)oxp_json_set(object, "failures", oxp_json_count(stats->failures)) |
           (int)oxp_json_set(object, "dropped", dropped);
    *status = all == 0 ? *status : OXP_ERR_NOMEM;
    return object;
}

static void append(struct oxp_json *array, struct oxp_json *value, enum oxp_status *status) {
    enum oxp_status appended = oxp_json_append(array, value);
    *status = *status == OXP_OK ? appended : *status;
}

static struct oxp_json *encode(const struct page *page, enum oxp_status *status) {
    struct oxp_json *root = oxp_json_object(), *messages = oxp_json_array(), *receivers = oxp_json_array(),
                    *notes = oxp_json_array();
    for (size_t i = 0; i < page->message_count; i++) {
        append(messages, oxp_message_json(&page->messages[i], status), status);
    }
    for (size_t i = 0; i < page->receiver_count; i++) {
        append(receivers, receiver(&page->receivers[i], status), status);
    }
    for (size_t i = 0; i < page->note_count; i++) {
        append(notes, note(&page->notes[i], status), status);
    }
    int all = (int)oxp_json_set(root, "notifications", messages) | (int)oxp_json_set(root, "receivers", receivers);
    if (page->has_outbox) {
        all |= (int)oxp_json_set(root, "outbox", outbox(page, status));
    } else {
        all |= (int)oxp_json_set(root, "outbox", oxp_json_number((double)NAN)); /* null */
    }
    all |= (int)oxp_json_set(root, "notes", notes);
    *status = all == 0 ? *status : OXP_ERR_NOMEM;
    return root;
}

/* ---- Looking ---- */

static enum oxp_status look(struct page *page, struct oxp_outbox *box, struct oxp_courier *courier) {
    if (courier != NULL) {
        page->receivers = oxp_arena_zero(&page->arena, RECEIVERS_MAX, sizeof *page->receivers);
        if (page->receivers == NULL) {
            return OXP_ERR_NOMEM;
        }
        page->receiver_count = oxp_courier_look(courier, page->receivers, RECEIVERS_MAX);
        page->receiver_count = page->receiver_count < RECEIVERS_MAX ? page->receiver_count : RECEIVERS_MAX;
    }
    page->has_outbox = box != NULL;
    if (box == NULL) {
        return OXP_OK;
    }
    page->kept = oxp_outbox_is_kept(box);
    enum oxp_status status = oxp_outbox_list(box, &page->filter, &page->arena, &page->messages, &page->message_count);
    if (status == OXP_OK) {
        status = oxp_outbox_notes(box, NOTES, &page->arena, &page->notes, &page->note_count);
    }
    return status == OXP_OK ? oxp_outbox_stats(box, &page->arena, &page->stats) : status;
}

/* ---- The arguments ---- */

static bool read_state(const struct oxp_request *request, struct page *page, struct oxp_response *response) {
    const char *text = oxp_request_argument(request, "state");
    if (text == NULL || oxp_outbox_state_find(text, &page->filter.states)) {
        return true;
    }
    oxp_response_error(response, 400, "state must be waiting, claimed, sent, set_aside, superseded or dropped");
    return false;
}

static bool read_arguments(const struct oxp_request *request, struct page *page, struct oxp_response *response) {
    size_t below = 0;
    page->filter.limit = LIMIT_DEFAULT;
    page->filter.receiver = oxp_view_from(oxp_request_argument(request, "receiver"));
    if (!oxp_api_number(request, "limit", (const uint64_t[]){1, LIMIT_MAX}, &page->filter.limit) ||
        !oxp_api_number(request, "below", (const uint64_t[]){0, INT64_MAX}, &below)) {
        oxp_response_error(response, 400, "limit must be a whole number from 1 to %d, below one from 0", LIMIT_MAX);
        return false;
    }
    page->filter.below_id = (int64_t)below;
    return read_state(request, page, response);
}

void oxp_api_notifications(void *ctx, const struct oxp_request *request, struct oxp_response *response) {
    struct oxp_api *api = ctx;
    struct page page = {.has_outbox = false};
    struct oxp_outbox *box = NULL;
    struct oxp_courier *courier = NULL;
    if (!read_arguments(request, &page, response)) {
        return;
    }
    oxp_arena_init(&page.arena, (size_t)16 << 20);
    enum oxp_status status = OXP_OK;
    if (api->hold != NULL) {
        api->hold(api->ctx, &box, &courier);
        status = look(&page, box, courier);
    }
    if (status != OXP_OK) {
        oxp_response_error(response, 503, "the outbox cannot be read: %s", oxp_status_text(status));
    } else {
        struct oxp_json *root = encode(&page, &status); /* names of receivers are borrowed from the courier */
        oxp_api_json(response, 200, root, status);
    }
    if (api->hold != NULL) {
        api->release(api->ctx);
    }
    oxp_arena_fini(&page.arena);
}
