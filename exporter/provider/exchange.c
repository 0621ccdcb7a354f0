#include "exporter/provider/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/scrub.h"

enum { ANSWER_BYTES_MAX = 4 << 20, KEY_FILE_MAX = 1024 };

#define KEY_HEADER "X-BB-API-Key: "

/* The key out of its file. `error` names the file, never what is in it. */
static enum oxp_status read_key(const char *path, char key_out[OXP_PROVIDER_KEY_SIZE], struct oxp_error *error) {
    char text[KEY_FILE_MAX];
    size_t len = 0;
    struct oxp_error why = {0};
    enum oxp_status status = OXP_OK;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        do {
            got = read(fd, text + len, sizeof text - len);
            len += got > 0 ? (size_t)got : 0;
        } while ((got > 0 && len < sizeof text) || (got < 0 && errno == EINTR));
    }
    if (fd < 0 || got < 0) {
        status = oxp_status_from_errno(errno);
        oxp_error_set(&why, status, 0, 0, "%s", oxp_status_text(status));
    } else {
        status = oxp_provider_key_read(oxp_view_of(text, len), key_out, &why);
    }
    if (fd >= 0) {
        close(fd);
    }
    explicit_bzero(text, sizeof text);
    return status == OXP_OK ? OXP_OK : oxp_error_set(error, status, 0, 0, "the key file %s: %s", path, why.text);
}

static char *make_url(const struct oxp_poller *poller, const struct oxp_provider_request *request) {
    struct oxp_buf url;
    oxp_buf_init(&url, 0);
    bool tagged = request->question == OXP_ASK_PENDING_OURS || request->question == OXP_ASK_RUNNING_OURS;
    struct oxp_view base = oxp_view_from(poller->base_url);
    if (tagged) {
        oxp_provider_url_tagged(&url, base, request->question, &poller->tag);
    } else {
        oxp_provider_url(&url, base, request->question, request->id);
    }
    char *text = oxp_buf_take(&url, NULL);
    oxp_buf_fini(&url);
    return text;
}

/* The transport's reason may name the URL: secrets go out of it. */
static void scrub(struct oxp_error *error) {
    char clean[sizeof error->text];
    size_t len = oxp_scrub(oxp_view_of(error->text, strlen(error->text)), clean, sizeof clean - 1);
    clean[len] = '\0';
    memcpy(error->text, clean, len + 1);
}

enum oxp_status oxp_poller_exchange(struct oxp_poller *poller, const struct oxp_provider_request *request,
                                    struct oxp_http_response *response_out, struct oxp_error *error) {
    char key[OXP_PROVIDER_KEY_SIZE];
    char header[sizeof KEY_HEADER + OXP_PROVIDER_KEY_SIZE];
    struct oxp_error detail = {0};
    *response_out = (struct oxp_http_response){0};
    char *url = make_url(poller, request);
    if (url == NULL) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "%s", oxp_status_text(OXP_ERR_NOMEM));
    }
    enum oxp_status status = read_key(poller->api_key_file, key, error);
    if (status == OXP_OK) {
        snprintf(header, sizeof header, "%s%s", KEY_HEADER, key);
        bool post = request->question == OXP_ASK_RELEASE;
        const char *headers[] = {header, "Accept: application/json", post ? "Content-Type: application/json" : NULL,
                                 NULL};
        const struct oxp_http_request http_request = {
            .method = post ? "POST" : "GET",
            .url = url,
            .headers = headers,
            .body = request->body,
            .timeout_ms = (long)poller->options.timeout_ms,
            .max_body_bytes = ANSWER_BYTES_MAX,
        };
        status = poller->options.http->exchange(poller->options.http, &http_request, response_out, &detail);
        response_out->status = status == OXP_OK ? response_out->status : 0;
        poller->throttled = poller->throttled || (status == OXP_OK && response_out->status == 429);
        status = oxp_provider_judge(request->question, status, response_out->status, detail.text, error);
    }
    explicit_bzero(key, sizeof key);
    explicit_bzero(header, sizeof header);
    free(url);
    if (status != OXP_OK) {
        int http_status = response_out->status;
        oxp_http_response_fini(response_out);
        *response_out = (struct oxp_http_response){.status = http_status};
        scrub(error);
    }
    return status;
}

void oxp_poller_note(struct oxp_poller *poller, int level, const char *message, const char *name, const char *value) {
    if (poller->options.note != NULL && !oxp_poller_stopping(poller)) {
        const char *const fields[] = {name, value, NULL};
        poller->options.note(poller->options.ctx, level, message, fields);
    }
}
