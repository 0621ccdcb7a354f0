/* The request of a message, made when it is sent: address and secrets come from the configuration, or from their files
 * as they are now. A file that is missing or holds nonsense is for a person to mend, so the message waits. */
#include "alerts/notify/settings.h"

#include "lib/base/file.h"
#include <stdio.h>

enum { FILE_MAX = 1 << 18, SECRET_MAX = 16384, ANSWER_BODY_MAX = 1 << 20 };

bool oxp_url_is_whole(struct oxp_view url) {
    static const char *const schemes[] = {"http://", "https://"};
    size_t host = 0;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (oxp_view_starts(url, oxp_view_from(schemes[i]))) {
            host = strlen(schemes[i]);
        }
    }
    for (size_t i = 0; i < url.len; i++) {
        if ((unsigned char)url.ptr[i] <= 0x20 || url.ptr[i] == 0x7f) {
            return false;
        }
    }
    return host != 0 && host < url.len && strchr("/?#:", url.ptr[host]) == NULL;
}

/* One line for a header or an address: no control characters, so that nothing can follow it. */
static bool is_line(struct oxp_view text) {
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f) {
            return false;
        }
    }
    return text.len != 0;
}

struct preparing {
    struct oxp_arena *arena;
    struct oxp_verdict *verdict;
    enum oxp_status status; /* of the first failure */
};

static void fail(struct preparing *preparing, enum oxp_status status, const char *text) {
    if (preparing->status == OXP_OK) {
        preparing->status = status;
        *preparing->verdict = (struct oxp_verdict){.delivery = OXP_DELIVERY_AGAIN,
                                                   .reason = OXP_REASON_OTHER,
                                                   .answer = oxp_arena_copy(preparing->arena, oxp_view_from(text))};
    }
}

/* What stands in the file, without blanks behind it; or `given` when there is no file. NULL after a failure. */
static const char *secret_of(struct preparing *preparing, const char *given, const char *path) {
    struct oxp_buf text;
    struct oxp_error error = {0};
    char why[320];
    if (path == NULL) {
        return given == NULL ? "" : given;
    }
    oxp_buf_init(&text, FILE_MAX);
    const char *secret = NULL;
    enum oxp_status status = oxp_file_read(path, &text, &error);
    struct oxp_view view = oxp_buf_view(&text);
    while (view.len != 0 && strchr(" \t\r\n", view.ptr[view.len - 1]) != NULL) {
        view.len--;
    }
    if (status != OXP_OK) {
        snprintf(why, sizeof why, "cannot read %.200s: %.80s", path,
                 status == OXP_END ? "there is no such file" : oxp_status_text(status));
        fail(preparing, status == OXP_END ? OXP_ERR_NOT_FOUND : status, why);
    } else if (!is_line(view) || view.len > SECRET_MAX) {
        snprintf(why, sizeof why, "%.200s: expected one line of text", path);
        fail(preparing, OXP_ERR_INVALID, why);
    } else {
        secret = oxp_arena_copy(preparing->arena, view).ptr;
    }
    oxp_buf_fini(&text);
    if (secret == NULL) {
        fail(preparing, OXP_ERR_NOMEM, "out of memory");
    }
    return secret;
}

static char *format_line(struct preparing *preparing, const char *a, const char *b, const char *c) {
    size_t size = strlen(a) + strlen(b) + strlen(c) + 1;
    char *line = oxp_arena_take(preparing->arena, size);
    if (line == NULL) {
        fail(preparing, OXP_ERR_NOMEM, "out of memory");
    } else {
        snprintf(line, size, "%s%s%s", a, b, c);
    }
    return line;
}

/* RFC 4648, section 4. */
static char *base64(struct preparing *preparing, const char *text) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = strlen(text);
    char *out = oxp_arena_take(preparing->arena, (len + 2) / 3 * 4 + 1), *at = out;
    if (out == NULL) {
        fail(preparing, OXP_ERR_NOMEM, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t)(unsigned char)text[i] << 16;
        bits |= i + 1 < len ? (uint32_t)(unsigned char)text[i + 1] << 8 : 0;
        bits |= i + 2 < len ? (uint32_t)(unsigned char)text[i + 2] : 0;
        *at++ = digits[bits >> 18];
        *at++ = digits[bits >> 12 & 63];
        *at++ = digits[bits >> 6 & 63];
        *at++ = digits[bits & 63];
        at[-1] = (char)(i + 2 < len ? at[-1] : '=');
        at[-2] = (char)(i + 1 < len ? at[-2] : '=');
    }
    *at = '\0';
    return out;
}

/* The Authorization line, or NULL for none and after a failure. */
static const char *authorization(struct preparing *preparing, const struct oxp_target *target) {
    if (target->username != NULL) {
        const char *password = secret_of(preparing, target->password, target->password_file);
        const char *pair = password == NULL ? NULL : format_line(preparing, target->username, ":", password);
        const char *code = pair == NULL ? NULL : base64(preparing, pair);
        return code == NULL ? NULL : format_line(preparing, "Authorization: Basic ", code, "");
    }
    if (target->type != NULL) {
        const char *secret = secret_of(preparing, target->credentials, target->credentials_file);
        const char *line = secret == NULL ? NULL : format_line(preparing, target->type, " ", secret);
        return line == NULL ? NULL : format_line(preparing, "Authorization: ", line, "");
    }
    return NULL;
}

enum oxp_status oxp_target_prepare(void *ctx, const struct oxp_outbox_message *message, int64_t now_ms,
                                   struct oxp_arena *arena, struct oxp_http_request *request_out,
                                   struct oxp_verdict *verdict_out) {
    const struct oxp_target *target = ctx;
    struct preparing preparing = {.arena = arena, .verdict = verdict_out};
    (void)now_ms;
    const char *url = secret_of(&preparing, target->url, target->url_file);
    if (preparing.status == OXP_OK && !oxp_url_is_whole(oxp_view_from(url))) {
        fail(&preparing, OXP_ERR_INVALID, "the url_file holds no http:// or https:// address");
    }
    const char *secret = authorization(&preparing, target);
    if (secret != NULL && !is_line(oxp_view_from(secret))) {
        fail(&preparing, OXP_ERR_INVALID, "the credentials hold control characters");
    }
    const char **headers = oxp_arena_zero(arena, 4, sizeof(const char *));
    if (headers == NULL) {
        fail(&preparing, OXP_ERR_NOMEM, "out of memory");
    }
    if (preparing.status != OXP_OK) {
        return preparing.status;
    }
    headers[0] = "Content-Type: application/json";
    headers[1] = "User-Agent: oxpecker/" OXP_VERSION;
    headers[2] = secret; /* NULL ends the list */
    *request_out = (struct oxp_http_request){.method = "POST",
                                             .url = url,
                                             .headers = headers,
                                             .body = message->content,
                                             .timeout_ms = (long)target->timeout_ms,
                                             .max_body_bytes = ANSWER_BODY_MAX};
    return OXP_OK;
}
