/* Any bytes as evidence: a line for each text, and numbers from the first ones. Beside not crashing: there is always a
 * row, and it is one that the tables know; the same evidence gives the same row; an explicit code is believed; what the
 * fingerprint leaves out does not depend on where the text lies. */
#include <stdint.h>
#include <stdlib.h>

#include "lib/resilience/determinism.h"
#include "lib/resilience/evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) {
        abort();
    }
}

static struct oxp_view take_line(struct oxp_view *rest) {
    const char *end = rest->len == 0 ? NULL : memchr(rest->ptr, '\n', rest->len);
    struct oxp_view line = oxp_view_of(rest->ptr, end == NULL ? rest->len : (size_t)(end - rest->ptr));
    *rest = end == NULL ? oxp_view_of(NULL, 0) : oxp_view_of(end + 1, rest->len - line.len - 1);
    return line;
}

static bool is_known(const struct oxp_code *code) {
    for (size_t i = 0; oxp_code_at(i) != NULL; i++) {
        if (code == oxp_code_at(i)) {
            return true;
        }
    }
    for (size_t i = 0; oxp_code_unknown_at(i) != NULL; i++) {
        if (code == oxp_code_unknown_at(i)) {
            return true;
        }
    }
    return false;
}

static void check_message(struct oxp_view message) {
    unsigned limit = 0, current = 0;
    if (oxp_capacity_from_message(message, &limit, &current)) {
        check(limit >= 1 && limit <= 1000000 && current <= 1000000);
    }
    char *copy = malloc(message.len + 1);
    check(copy != NULL);
    if (message.len > 0) {
        memcpy(copy, message.ptr, message.len);
    }
    check(oxp_message_fingerprint(message) == oxp_message_fingerprint(oxp_view_of(copy, message.len)));
    free(copy);
    int status = oxp_status_in_message(message);
    check(status == 0 || (status >= 400 && status <= 599));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct oxp_evidence evidence = {.status = 0};
    if (size >= 6) {
        evidence.status = data[0] * 3;
        evidence.ws_code = data[1] == 0 ? 0 : 1000 + data[1] % 20;
        evidence.curl_code = data[2];
        evidence.exit_status = (int8_t)data[3];
        evidence.signal = (int8_t)data[4];
        evidence.tasks_running = (data[5] & 1) != 0;
        evidence.never_connected = (data[5] & 2) != 0;
        evidence.session_age_s = (data[5] & 4) != 0 ? 300 : 0;
        evidence.last_command_age_s = (data[5] & 8) != 0 ? 700 : 0;
        data += 6;
        size -= 6;
    }
    struct oxp_view rest = oxp_view_of((const char *)data, size);
    struct oxp_view *const texts[] = {&evidence.message,  &evidence.name,       &evidence.op,
                                      &evidence.upstream, &evidence.errno_name, &evidence.session_status,
                                      &evidence.category, &evidence.outcome,    &evidence.code};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = take_line(&rest);
    }
    const struct oxp_code *code = oxp_classify(&evidence);
    check(is_known(code));
    check(code == oxp_classify(&evidence));
    const struct oxp_code *said = oxp_code_find(evidence.code);
    bool lost = evidence.session_status.len != 0 || evidence.last_command_age_s > 0;
    check(said == NULL || lost || code == said);
    check_message(evidence.message);
    return 0;
}
