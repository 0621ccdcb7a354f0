/* Any bytes as what AWS, its files and its endpoints give us: a shared file, an answer, a time, and a URL with a header
 * to sign. Beside not crashing: a file is read whole or refused with its line, and what is read stands in it; an error
 * always has a code; what is signed adds no line to the request. */
#include <stdint.h>
#include <stdlib.h>

#include "alerts/aws/aws.h"
#include "alerts/aws/ini.h"
#include "alerts/aws/judge.h"
#include "alerts/aws/parts.h"
#include "lib/base/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) {
        abort();
    }
}

static bool stands_in(struct oxp_view part, struct oxp_view whole) {
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void as_file(struct oxp_view text, bool config) {
    struct oxp_arena arena;
    struct oxp_aws_ini ini;
    struct oxp_error error = {0};
    oxp_arena_init(&arena, 0);
    enum oxp_status status = oxp_aws_ini_parse(text, config, "file", &arena, &ini, &error);
    check(status == OXP_OK || (error.line > 0 && memcmp(error.text, "file: ", 6) == 0));
    for (size_t i = 0; i < ini.count; i++) {
        const struct oxp_aws_setting *setting = &ini.settings[i];
        check(setting->profile.len > 0 && stands_in(setting->profile, text) && stands_in(setting->value, text));
        check(oxp_aws_ini_has(&ini, setting->profile));
        check(setting->value.len == 0 || memchr(setting->value.ptr, '\n', setting->value.len) == NULL);
    }
    oxp_arena_fini(&arena);
}

static void as_answer(struct oxp_view body, int http) {
    struct oxp_arena arena;
    struct oxp_aws_outcome outcome = {.answer = OXP_AWS_OK};
    char *copy = malloc(body.len + 1), safe[161];
    check(copy != NULL);
    memcpy(copy, body.len == 0 ? "" : body.ptr, body.len);
    copy[body.len] = '\0';
    struct oxp_http_response response = {.status = http, .body = copy, .body_len = body.len, .headers = copy};
    oxp_arena_init(&arena, 0);
    oxp_aws_read_answer(&response, &arena, &outcome);
    check(http < 300 || outcome.code.len > 0);
    check((oxp_aws_classify(http, outcome.code) == OXP_AWS_CLASS_OK) == (http < 300));
    check(strlen(oxp_aws_safe(outcome.message, safe)) <= 160 && strchr(safe, '\n') == NULL);
    oxp_arena_fini(&arena);
    free(copy);
}

static void as_time(struct oxp_view text) {
    int64_t ms = 0;
    char stamp[17];
    if (oxp_date_rfc3339(text, &ms)) {
        check(ms > INT64_C(-62167400000000) && ms < INT64_C(253402400000000)); /* years 0 to 9999, and an offset */
        oxp_aws_time_format(ms, stamp);
        check(strlen(stamp) == 16);
    }
}

/* The first line as a URL, the second as a header. */
static void as_request(struct oxp_view text) {
    static const struct oxp_aws_signing signing = {
        .keys = {{"AKIDEXAMPLE", 11}, {"secret", 6}, {"token", 5}}, .region = {"r", 1}, .service = {"s", 1}};
    struct oxp_arena arena;
    struct oxp_view rest = {NULL, 0};
    const char *const *lines = NULL;
    oxp_arena_init(&arena, 0);
    const char *url = oxp_aws_text(&arena, oxp_aws_before(text, '\n', &rest));
    const char *const headers[] = {oxp_aws_text(&arena, rest), NULL};
    struct oxp_http_request request = {.method = "GET", .url = url, .headers = headers, .body = text};
    if (oxp_aws_sign(&signing, &request, &arena, &lines) == OXP_OK) {
        for (size_t i = 0; i < 3; i++) {
            check(strpbrk(lines[i], "\r\n") == NULL);
        }
        check(lines[3] == NULL);
    }
    oxp_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct oxp_view text = oxp_view_of((const char *)data, size);
    as_file(text, false);
    as_file(text, true);
    as_answer(text, 200);
    as_answer(text, 400);
    as_time(text);
    as_request(text);
    return 0;
}
