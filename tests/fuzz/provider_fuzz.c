/* Any bytes as an answer of the provider, to every question. Beside not crashing: a refusal has its reason; a list
 * holds only sessions that are open, each under its id once, with times and amounts in range; the query for our tag
 * makes nothing ours that says otherwise. */
#include "exporter/provider/answer.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct oxp_provider_tag tag = {"service", "collector"};

static void check(bool holds) {
    if (!holds) {
        abort();
    }
}

static bool is_time(double seconds) {
    return isnan(seconds) || (seconds > -86400 && seconds < 253402300800 + 86400);
}

static void check_session(const struct oxp_provider_session *session) {
    check(oxp_provider_id_is_valid(session->id) && session->status.len != 0 && session->region.len < 64);
    check(is_time(session->created_s) && is_time(session->started_s) && is_time(session->ended_s) &&
          is_time(session->expires_s));
}

static void check_list(const struct oxp_provider_list *list) {
    size_t silent = 0;
    for (size_t i = 0; i < list->count; i++) {
        check_session(&list->sessions[i]);
        check(oxp_view_is(list->sessions[i].status, "pending") || oxp_view_is(list->sessions[i].status, "running"));
        check(oxp_provider_list_get(list, list->sessions[i].id) == &list->sessions[i]);
        silent += list->silent[i];
    }
    check(silent == list->silent_count);
}

static void as_list(struct oxp_view body) {
    struct oxp_provider_list list;
    struct oxp_error error = {0};
    oxp_provider_list_init(&list);
    enum oxp_status status = oxp_provider_list_add(&list, body, &tag, &error);
    check(status == OXP_OK || error.text[0] != '\0');
    check_list(&list);
    size_t count = list.count;
    check(oxp_provider_list_add(&list, body, &tag, NULL) == status && list.count == count); /* nothing is new */
    check_list(&list);
    error.text[0] = '\0';
    status = oxp_provider_list_mark(&list, body, &tag, &error);
    check(status == OXP_OK || error.text[0] != '\0');
    for (size_t i = 0; status != OXP_OK && i < list.count; i++) {
        check(!(list.sessions[i].ours && list.silent[i]));
    }
    check_list(&list);
    oxp_provider_list_fini(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct oxp_view body = oxp_view_of((const char *)data, size);
    struct oxp_provider_session session;
    struct oxp_json *root = NULL;
    struct oxp_error error = {0};
    double concurrency, seconds, bytes;
    as_list(body);
    if (oxp_provider_session_read(body, &tag, &session, &root, &error) == OXP_OK) {
        check_session(&session);
    } else {
        check(root == NULL && error.text[0] != '\0');
    }
    oxp_json_free(root);
    (void)oxp_provider_project_read(body, &concurrency, NULL);
    (void)oxp_provider_usage_read(body, &seconds, &bytes, NULL);
    check(isnan(concurrency) || concurrency > 0);
    check((isnan(seconds) || seconds >= 0) && (isnan(bytes) || bytes >= 0));
    check(is_time(oxp_provider_time_read(body)));
    return 0;
}
