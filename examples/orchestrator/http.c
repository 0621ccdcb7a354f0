#include "examples/orchestrator/http.h"

#include "examples/orchestrator/config.h"
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct http {
    CURL *curl;
    struct http_reply *reply; /* of the transfer that runs */
    struct oxp_cancel *cancel;
};

bool http_start(void) {
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

void http_stop(void) {
    curl_global_cleanup();
}

struct http *http_new(void) {
    struct http *http = calloc(1, sizeof *http);
    if (http != NULL && (http->curl = curl_easy_init()) == NULL) {
        free(http);
        http = NULL;
    }
    return http;
}

void http_free(struct http *http) {
    if (http != NULL) {
        curl_easy_cleanup(http->curl);
        free(http);
    }
}

void http_reply_clear(struct http_reply *reply) {
    free(reply->body);
    *reply = (struct http_reply){.status = 0};
}

static size_t take_body(char *data, size_t size, size_t count, void *ctx) {
    struct http_reply *reply = ((struct http *)ctx)->reply;
    size_t len = size * count;
    char *grown = reply->len + len > HTTP_BODY_MAX ? NULL : realloc(reply->body, reply->len + len + 1);
    if (grown == NULL) {
        return 0; /* fails the transfer: CURLE_WRITE_ERROR */
    }
    memcpy(grown + reply->len, data, len);
    grown[reply->len + len] = '\0';
    reply->body = grown;
    reply->len += len;
    return len;
}

static size_t take_header(char *data, size_t size, size_t count, void *ctx) {
    struct http_reply *reply = ((struct http *)ctx)->reply;
    const struct {
        const char *name;
        char *to;
        size_t size;
    } wanted[] = {
        {"retry-after:", reply->retry_after, sizeof reply->retry_after},
        {"retry-after-ms:", reply->retry_after_ms, sizeof reply->retry_after_ms},
        {"browserbase-cache-status:", reply->cache, sizeof reply->cache},
        {"content-type:", reply->content_type, sizeof reply->content_type},
    };
    size_t len = size * count;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        size_t name_len = strlen(wanted[i].name);
        if (len > name_len && strncasecmp(data, wanted[i].name, name_len) == 0) {
            snprintf(wanted[i].to, wanted[i].size, "%.*s", (int)(len - name_len), data + name_len);
            size_t blank = strspn(wanted[i].to, " \t");
            memmove(wanted[i].to, wanted[i].to + blank, strlen(wanted[i].to + blank) + 1);
            wanted[i].to[strcspn(wanted[i].to, "\r\n")] = '\0';
        }
    }
    return len;
}

static int still_wanted(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    (void)a, (void)b, (void)c, (void)d;
    return oxp_cancel_is_set(((struct http *)ctx)->cancel); /* not 0 aborts: CURLE_ABORTED_BY_CALLBACK */
}

static struct curl_slist *headers_of(const struct http_request *request) {
    struct curl_slist *list = request->body == NULL ? NULL : curl_slist_append(NULL, "Content-Type: application/json");
    list = curl_slist_append(list, "Expect:"); /* nobody wants to wait for 100 Continue */
    for (size_t i = 0; i < HTTP_HEADERS_MAX && request->headers[i] != NULL; i++) {
        list = request->headers[i][0] == '\0' ? list : curl_slist_append(list, request->headers[i]);
    }
    return list;
}

static void set_up(struct http *http, const struct http_request *request, struct curl_slist *headers, char *note) {
    CURL *curl = http->curl;
    curl_easy_reset(curl); /* connections are kept */
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (request->body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
    }
    /* On a connection that it has used before, libcurl repeats a request by itself when the other side hangs up without
     * a word: a creation might be made twice, and no retry be counted. A new connection is never repeated. */
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, strcmp(request->method, "GET") == 0 ? 0L : 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    /* Never early, for after a timeout the deadline that it was cut to has passed: 1 ms as the fraction is cut off, and
     * 1 ms as libcurl may take what has elapsed for up to that much more (Curl_timediff cuts towards zero). */
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(1000 * request->timeout_s) + 2);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, note);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, http);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, http);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, still_wanted);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, http);
    if (config_is_loopback(request->url)) {
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    }
}

bool http_send(struct http *http, const struct http_request *request, struct http_reply *reply) {
    char note[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = headers_of(request);
    http_reply_clear(reply);
    http->reply = reply;
    http->cancel = request->cancel;
    set_up(http, request, headers, note);
    CURLcode code = curl_easy_perform(http->curl);
    long status = 0;
    curl_off_t took_us = 0;
    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(http->curl, CURLINFO_TOTAL_TIME_T, &took_us);
    curl_slist_free_all(headers);
    reply->curl_code = (int)code;
    reply->status = code == CURLE_OK ? (int)status : 0;
    reply->took_s = (double)took_us / 1e6;
    if (code != CURLE_OK) {
        snprintf(reply->note, sizeof reply->note, "%.250s", note[0] != '\0' ? note : curl_easy_strerror(code));
    }
    return code == CURLE_OK;
}
