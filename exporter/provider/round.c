#include "exporter/provider/parts.h"

#include <math.h>

static struct oxp_view body_of(const struct oxp_http_response *response) {
    return oxp_view_of(response->body, response->body_len);
}

/* Puts the question before a reason that does not name it yet: what was wrong with the answer. */
static enum oxp_status bad_answer(enum oxp_provider_question question, enum oxp_status status,
                                  const struct oxp_error *why, struct oxp_error *error) {
    return status == OXP_OK ? OXP_OK
                            : oxp_error_set(error, status, 0, 0, "%s: %.150s", oxp_provider_question_text(question),
                                            why->text[0] == '\0' ? oxp_status_text(status) : why->text);
}

typedef enum oxp_status list_fn(struct oxp_provider_list *list, struct oxp_view body,
                                const struct oxp_provider_tag *tag, struct oxp_error *error);

/* Both lists, the pending sessions first (poller.h says why). */
static enum oxp_status ask_lists(struct oxp_poller *poller, enum oxp_provider_question first, list_fn *take,
                                 struct oxp_provider_list *list, struct oxp_error *error) {
    enum oxp_status status = OXP_OK;
    for (enum oxp_provider_question i = first; status == OXP_OK && i <= first + 1; i++) {
        struct oxp_http_response response;
        struct oxp_error why = {0};
        const struct oxp_provider_request request = {.question = i};
        if (oxp_poller_stopping(poller)) {
            return OXP_ERR_CLOSED;
        }
        status = oxp_poller_exchange(poller, &request, &response, error);
        if (status == OXP_OK) {
            status = bad_answer(i, take(list, body_of(&response), &poller->tag, &why), &why, error);
            oxp_http_response_fini(&response);
        }
    }
    return status;
}

/* Says a trouble of one part once, until that part is well again. */
static void note_once(struct oxp_poller *poller, bool *noted, enum oxp_status status, const char *message,
                      const struct oxp_error *error) {
    if (status != OXP_OK && !*noted) {
        oxp_poller_note(poller, OXP_NOTE_WARNING, message, "reason", error->text);
    }
    *noted = status != OXP_OK;
}

/* The query for our tag, only where the lists leave it open which sessions are ours. */
static void ask_ours(struct oxp_poller *poller, struct oxp_provider_list *list) {
    if (poller->tag.key[0] == '\0' || list->silent_count == 0) {
        return;
    }
    struct oxp_error error = {0};
    enum oxp_status status = ask_lists(poller, OXP_ASK_PENDING_OURS, oxp_provider_list_mark, list, &error);
    if (status != OXP_ERR_CLOSED || error.text[0] != '\0') {
        note_once(poller, &poller->query_noted, status, "which sessions carry our tag could not be asked", &error);
    }
}

static enum oxp_status ask_project_part(struct oxp_poller *poller, enum oxp_provider_question question,
                                        struct oxp_provider_answer *answer, struct oxp_error *error) {
    struct oxp_http_response response;
    struct oxp_error why = {0};
    const struct oxp_provider_request request = {.question = question, .id = oxp_view_from(poller->project_id)};
    enum oxp_status status = oxp_poller_exchange(poller, &request, &response, error);
    if (status != OXP_OK) {
        return status;
    }
    status = question == OXP_ASK_PROJECT ? oxp_provider_project_read(body_of(&response), &answer->concurrency, &why)
                                         : oxp_provider_usage_read(body_of(&response), &answer->usage_browser_seconds,
                                                                   &answer->usage_proxy_bytes, &why);
    oxp_http_response_fini(&response);
    return bad_answer(question, status, &why, error);
}

static void ask_project(struct oxp_poller *poller, struct oxp_provider_answer *answer) {
    if (poller->project_id[0] == '\0') {
        return;
    }
    struct oxp_error error = {0};
    enum oxp_status status = OXP_OK;
    for (enum oxp_provider_question i = OXP_ASK_PROJECT; i <= OXP_ASK_PROJECT_USAGE; i++) {
        if (poller->throttled || oxp_poller_stopping(poller)) {
            return;
        }
        enum oxp_status one = ask_project_part(poller, i, answer, &error);
        status = status == OXP_OK ? one : status;
    }
    note_once(poller, &poller->project_noted, status, "the provider's project could not be read", &error);
}

/* ---- Sessions one by one ---- */

void oxp_poller_ask(struct oxp_poller_asking *asking, struct oxp_view id) {
    if (oxp_provider_list_get(asking->list, id) == NULL) {
        oxp_asks_offer(asking->asks, id);
    }
}

static void tell_ended(struct oxp_poller *poller, const struct oxp_provider_session *session) {
    if (poller->options.ended != NULL && !oxp_poller_stopping(poller)) {
        poller->options.ended(poller->options.ctx, session);
    }
}

static enum oxp_status ask_session(struct oxp_poller *poller, struct oxp_view id, struct oxp_error *error) {
    struct oxp_http_response response;
    struct oxp_provider_session session = {.id = id,
                                           .status = OXP_VIEW("not_found"),
                                           .created_s = (double)NAN,
                                           .started_s = (double)NAN,
                                           .ended_s = (double)NAN,
                                           .expires_s = (double)NAN};
    struct oxp_error why = {0};
    const struct oxp_provider_request request = {.question = OXP_ASK_SESSION, .id = id};
    enum oxp_status status = oxp_poller_exchange(poller, &request, &response, error);
    if (status == OXP_ERR_NOT_FOUND && (response.status == 404 || response.status == 410)) {
        tell_ended(poller, &session);
        return OXP_OK;
    }
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_json *root = NULL;
    status = oxp_provider_session_read(body_of(&response), &poller->tag, &session, &root, &why);
    oxp_http_response_fini(&response);
    if (status == OXP_OK && !oxp_view_equal(session.id, id)) {
        status = oxp_error_set(&why, OXP_ERR_SYNTAX, 0, 0, "the answer is about another session");
    }
    if (status == OXP_OK && oxp_provider_status_is_final(session.status)) {
        tell_ended(poller, &session);
    }
    oxp_json_free(root);
    return bad_answer(OXP_ASK_SESSION, status, &why, error);
}

/* An answer that makes no sense costs its session its turn; any other failure would meet the next one too. */
static void ask_sessions(struct oxp_poller *poller, const struct oxp_provider_list *list) {
    struct oxp_poller_asking asking = {.asks = &poller->asks, .list = list};
    oxp_asks_begin(&poller->asks);
    if (poller->options.ask_about == NULL || poller->throttled || oxp_poller_stopping(poller)) {
        return;
    }
    poller->options.ask_about(poller->options.ctx, &asking);
    enum oxp_status status = OXP_OK;
    for (size_t i = 0; i < poller->asks.count && (status == OXP_OK || status == OXP_ERR_SYNTAX); i++) {
        struct oxp_error error = {0};
        oxp_poller_run_releases(poller, 1);
        if (oxp_poller_stopping(poller)) {
            return;
        }
        status = ask_session(poller, oxp_view_from(poller->asks.picks[i].id), &error);
        oxp_asks_done(&poller->asks, i);
        if (status != OXP_OK) {
            oxp_poller_note(poller, OXP_NOTE_DEBUG, "a session could not be asked about", "reason", error.text);
        }
    }
}

/* ---- The whole ---- */

void oxp_poller_round(struct oxp_poller *poller) {
    struct oxp_provider_list list;
    struct oxp_error error = {0};
    struct oxp_provider_answer answer = {.concurrency = (double)NAN,
                                         .usage_browser_seconds = (double)NAN,
                                         .usage_proxy_bytes = (double)NAN,
                                         .asked_at_s = oxp_wall_seconds(oxp_clock_wall(poller->clock))};
    oxp_provider_list_init(&list);
    poller->throttled = false;
    enum oxp_status status = ask_lists(poller, OXP_ASK_PENDING, oxp_provider_list_add, &list, &error);
    if (status == OXP_OK) {
        ask_ours(poller, &list);
        ask_project(poller, &answer);
    }
    if (!oxp_poller_stopping(poller)) {
        if (status == OXP_OK) {
            answer.sessions = list.sessions;
            answer.count = list.count;
            answer.complete = list.bad == 0 && !list.more;
            poller->options.answered(poller->options.ctx, &answer);
            ask_sessions(poller, &list);
        } else {
            poller->options.failed(poller->options.ctx, error.text);
        }
    }
    /* Asked too often: slower, even when the lists were answered. */
    bool well = status == OXP_OK && !poller->throttled;
    poller->failures = well ? 0 : poller->failures + (poller->failures < 32);
    oxp_provider_list_fini(&list);
}
