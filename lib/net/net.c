#include "lib/net/net.h"

#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#include "lib/base/buf.h"
#include "lib/net/curl_api.h"
#include "lib/net/head.h"

struct net_http {
    struct oxp_http http; /* first: what the caller sees */
    const struct oxp_curl_api *api;
    CURL *handle; /* kept, for its open connections; made by the first exchange */
};

struct answer {
    const struct oxp_http_request *request;
    struct oxp_head head;
    struct oxp_buf body;
};

static size_t take_body(char *bytes, size_t size, size_t count, void *ctx) {
    struct answer *answer = ctx;
    size_t len = size * count; /* size is always 1 (CURLOPT_WRITEFUNCTION) */
    if (len > answer->request->max_body_bytes - answer->body.len) {
        answer->body.status = OXP_ERR_LIMIT;
    }
    oxp_buf_append(&answer->body, bytes, len);
    return oxp_buf_status(&answer->body) == OXP_OK ? len : 0;
}

static size_t take_head(char *bytes, size_t size, size_t count, void *ctx) {
    struct answer *answer = ctx;
    oxp_head_take(&answer->head, oxp_view_of(bytes, size * count)); /* one whole line a call (CURLOPT_HEADERFUNCTION) */
    return size * count;
}

/* Called while data moves, and about once a second while none does. */
static int ask_to_give_up(void *ctx, curl_off_t to_get, curl_off_t got, curl_off_t to_send, curl_off_t sent) {
    (void)to_get, (void)got, (void)to_send, (void)sent;
    const struct answer *answer = ctx;
    return answer->request->give_up != NULL && answer->request->give_up(answer->request->give_up_ctx);
}

static bool is_header_line(const char *line) {
    const char *colon = strchr(line, ':');
    return colon != NULL && colon != line && strpbrk(line, "\r\n") == NULL;
}

static enum oxp_status check(const struct oxp_http_request *request, struct oxp_error *error) {
    if (strncasecmp(request->url, "http://", 7) != 0 && strncasecmp(request->url, "https://", 8) != 0) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "the URL is neither http:// nor https://");
    }
    if (request->method[0] == '\0' ||
        strspn(request->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(request->method)) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "\"%.32s\" is no method", request->method);
    }
    if (request->timeout_ms <= 0) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "the timeout must be greater than 0");
    }
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++) {
        if (!is_header_line(request->headers[i])) {
            return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "header %zu is not \"Name: value\"", i + 1);
        }
    }
    return OXP_OK;
}

/* To libcurl "Name:" means that the header is not to be sent; one without a value is written "Name;". */
static struct curl_slist *append_header(const struct oxp_curl_api *api, struct curl_slist *list, const char *line) {
    const char *colon = strchr(line, ':');
    if (colon[1 + strspn(colon + 1, " \t")] != '\0') {
        return api->list_append(list, line);
    }
    char *empty = strdup(line);
    if (empty == NULL) {
        return NULL;
    }
    memcpy(empty + (colon - line), ";", 2);
    struct curl_slist *longer = api->list_append(list, empty);
    free(empty);
    return longer;
}

/* The request's headers as curl's list; "Expect:" keeps curl from waiting for 100 Continue before a body. */
static enum oxp_status make_list(const struct oxp_curl_api *api, const struct oxp_http_request *request,
                                 struct curl_slist **list_out) {
    struct curl_slist *longer = api->list_append(*list_out, "Expect:");
    for (size_t i = 0; longer != NULL; i++) {
        *list_out = longer;
        if (request->headers == NULL || request->headers[i] == NULL) {
            return OXP_OK;
        }
        longer = append_header(api, longer, request->headers[i]);
    }
    return OXP_ERR_NOMEM;
}

static CURLcode set_method(const struct oxp_curl_api *api, CURL *handle, const struct oxp_http_request *request) {
    CURLcode code = CURLE_OK;
    bool head = strcmp(request->method, "HEAD") == 0;
    if (request->body.len != 0 || strcmp(request->method, "POST") == 0) {
        code = api->setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        if (code == CURLE_OK) {
            code = api->setopt(handle, CURLOPT_POSTFIELDS, request->body.len == 0 ? "" : request->body.ptr);
        }
    } else if (head) {
        code = api->setopt(handle, CURLOPT_NOBODY, 1L);
    }
    return code != CURLE_OK || head ? code : api->setopt(handle, CURLOPT_CUSTOMREQUEST, request->method);
}

static CURLcode set_functions(const struct oxp_curl_api *api, CURL *handle) {
    CURLcode code = api->setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
    if (code == CURLE_OK) {
        code = api->setopt(handle, CURLOPT_HEADERFUNCTION, take_head);
    }
    return code != CURLE_OK ? code : api->setopt(handle, CURLOPT_XFERINFOFUNCTION, ask_to_give_up);
}

static CURLcode set_options(struct net_http *net, const struct oxp_http_request *request, struct curl_slist *headers,
                            struct answer *answer) {
    const struct oxp_curl_api *api = net->api;
    api->reset(net->handle);
    const struct {
        CURLoption option;
        long value;
    } numbers[] = {
        {CURLOPT_NOSIGNAL, 1},
        {CURLOPT_FOLLOWLOCATION, 0},
        {CURLOPT_SUPPRESS_CONNECT_HEADERS, 1}, /* a proxy's, which are not the answer's */
        {CURLOPT_NOPROGRESS, 0},
        {CURLOPT_QUICK_EXIT, 1}, /* a name server that is silent does not hold up the end */
        {CURLOPT_TIMEOUT_MS, request->timeout_ms},
        {CURLOPT_CONNECTTIMEOUT_MS, request->timeout_ms},
    };
    CURLcode code = CURLE_OK;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && code == CURLE_OK; i++) {
        code = api->setopt(net->handle, numbers[i].option, numbers[i].value);
    }
    const struct {
        CURLoption option;
        const void *value;
    } pointers[] = {
        {CURLOPT_URL, request->url},
        {CURLOPT_PROTOCOLS_STR, "http,https"},
        {CURLOPT_NOPROXY, request->direct ? "*" : NULL},
        {CURLOPT_USERAGENT, "oxpecker/" OXP_VERSION},
        {CURLOPT_HTTPHEADER, headers},
        {CURLOPT_WRITEDATA, answer},
        {CURLOPT_HEADERDATA, answer},
        {CURLOPT_XFERINFODATA, answer},
    };
    for (size_t i = 0; i < sizeof pointers / sizeof pointers[0] && code == CURLE_OK; i++) {
        code = api->setopt(net->handle, pointers[i].option, pointers[i].value);
    }
    if (code == CURLE_OK) {
        code = set_functions(api, net->handle);
    }
    return code != CURLE_OK ? code : set_method(api, net->handle, request);
}

static bool take_answer(struct answer *answer, struct oxp_http_response *response_out) {
    if (oxp_buf_status(&answer->head.lines) != OXP_OK) {
        return false;
    }
    bool headers = answer->head.lines.len != 0;
    response_out->body = oxp_buf_take(&answer->body, &response_out->body_len);
    response_out->headers = headers ? oxp_buf_take(&answer->head.lines, NULL) : NULL;
    return response_out->body != NULL && headers == (response_out->headers != NULL);
}

static enum oxp_status perform(struct net_http *net, struct answer *answer, struct oxp_http_response *response_out,
                               struct oxp_error *error) {
    char reason[CURL_ERROR_SIZE] = "";
    net->api->setopt(net->handle, CURLOPT_ERRORBUFFER, reason);
    CURLcode code = net->api->perform(net->handle);
    net->api->setopt(net->handle, CURLOPT_ERRORBUFFER, NULL);
    long status = 0;
    net->api->getinfo(net->handle, CURLINFO_RESPONSE_CODE, &status);
    if (oxp_buf_status(&answer->body) == OXP_ERR_LIMIT) {
        response_out->status = (int)status;
        return oxp_error_set(error, OXP_ERR_LIMIT, 0, 0, "the answer is longer than %zu bytes",
                             answer->request->max_body_bytes);
    }
    if (oxp_buf_status(&answer->body) != OXP_OK) {
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        return oxp_error_set(error, OXP_ERR_CLOSED, 0, 0, "given up");
    }
    if (code != CURLE_OK) {
        return oxp_error_set(error, oxp_curl_status(code), 0, 0, "%s",
                             reason[0] == '\0' ? net->api->error_text(code) : reason);
    }
    if (!take_answer(answer, response_out)) {
        oxp_http_response_fini(response_out);
        return oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory");
    }
    response_out->status = (int)status;
    return OXP_OK;
}

static enum oxp_status prepare(struct net_http *net, struct oxp_error *error) {
    net->api = net->api == NULL ? oxp_curl_load() : net->api;
    if (net->api == NULL) {
        return oxp_error_set(error, OXP_ERR_UNSUPPORTED, 0, 0, "libcurl-gnutls.so.4 cannot be loaded");
    }
    net->handle = net->handle == NULL ? net->api->init() : net->handle;
    return net->handle == NULL ? oxp_error_set(error, OXP_ERR_NOMEM, 0, 0, "out of memory") : OXP_OK;
}

static enum oxp_status exchange(struct oxp_http *http, const struct oxp_http_request *request,
                                struct oxp_http_response *response_out, struct oxp_error *error) {
    struct net_http *net = (struct net_http *)http;
    struct answer answer = {.request = request};
    struct curl_slist *headers = NULL;
    *response_out = (struct oxp_http_response){0};
    oxp_buf_init(&answer.body, 0);
    oxp_head_init(&answer.head);
    enum oxp_status status = check(request, error);
    if (status == OXP_OK) {
        status = prepare(net, error);
    }
    if (status != OXP_OK) {
        return status;
    }
    status = make_list(net->api, request, &headers);
    CURLcode code = status == OXP_OK ? set_options(net, request, headers, &answer) : CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OK) {
        status = perform(net, &answer, response_out, error);
    } else {
        status = oxp_error_set(error, oxp_curl_status(code), 0, 0, "%s", net->api->error_text(code));
    }
    net->api->list_free(headers);
    oxp_buf_fini(&answer.body);
    oxp_head_fini(&answer.head);
    return status;
}

static void net_free(struct oxp_http *http) {
    struct net_http *net = (struct net_http *)http;
    if (net == NULL) {
        return;
    }
    if (net->handle != NULL) {
        net->api->cleanup(net->handle);
    }
    free(net);
}

enum oxp_status oxp_net_http_new(struct oxp_http **http_out) {
    struct net_http *net = calloc(1, sizeof *net);
    *http_out = net == NULL ? NULL : &net->http;
    if (net == NULL) {
        return OXP_ERR_NOMEM;
    }
    net->http = (struct oxp_http){.exchange = exchange, .free = net_free};
    return OXP_OK;
}
