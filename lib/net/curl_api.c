#include "lib/net/curl_api.h"

#include "lib/base/library.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "lib/net/net.h"

#define LIBRARY "libcurl-gnutls.so.4" /* not the OpenSSL build: libmicrohttpd has GnuTLS loaded already */

static pthread_once_t load_once = PTHREAD_ONCE_INIT;
static struct oxp_curl_api api;
static bool loaded;
static pthread_once_t version_once = PTHREAD_ONCE_INIT;
static char version_text[256];

static const struct oxp_library_function functions[] = {
#define X(member, symbol) {#symbol, offsetof(struct oxp_curl_api, member)},
    OXP_CURL_FUNCTIONS(X)
#undef X
};

static void load(void) {
    void *library = oxp_library_load(LIBRARY, functions, sizeof functions / sizeof functions[0], &api);
    loaded = library != NULL && api.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    if (library != NULL && !loaded) {
        dlclose(library);
    }
}

const struct oxp_curl_api *oxp_curl_load(void) {
    pthread_once(&load_once, load);
    return loaded ? &api : NULL;
}

/* By curl_version_info, because curl_version asks LDAP and SASL, which then set themselves up. */
static void read_version(void) {
    void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    void *function = library == NULL ? NULL : dlsym(library, "curl_version_info");
    if (function != NULL) {
        __typeof__(&curl_version_info) version_info;
        memcpy(&version_info, &function, sizeof version_info);
        const curl_version_info_data *info = version_info(CURLVERSION_NOW);
        snprintf(version_text, sizeof version_text, "libcurl/%s %s", info->version,
                 info->ssl_version == NULL ? "" : info->ssl_version);
    }
    if (library != NULL) {
        dlclose(library);
    }
}

const char *oxp_net_version(void) {
    pthread_once(&version_once, read_version);
    return version_text[0] == '\0' ? NULL : version_text;
}

enum oxp_status oxp_curl_status(CURLcode code) {
    static const struct {
        CURLcode code;
        enum oxp_status status;
    } table[] = {
        {CURLE_UNSUPPORTED_PROTOCOL, OXP_ERR_CLOSED}, /* not the URL's, which was checked: the answer is not HTTP/1 */
        {CURLE_URL_MALFORMAT, OXP_ERR_INVALID},
        {CURLE_OPERATION_TIMEDOUT, OXP_ERR_TIMEOUT},
        {CURLE_OUT_OF_MEMORY, OXP_ERR_NOMEM},
        {CURLE_COULDNT_RESOLVE_PROXY, OXP_ERR_CLOSED},
        {CURLE_COULDNT_RESOLVE_HOST, OXP_ERR_CLOSED},
        {CURLE_COULDNT_CONNECT, OXP_ERR_CLOSED},
        {CURLE_PROXY, OXP_ERR_CLOSED},
        {CURLE_WEIRD_SERVER_REPLY, OXP_ERR_CLOSED},
        {CURLE_PARTIAL_FILE, OXP_ERR_CLOSED},
        {CURLE_GOT_NOTHING, OXP_ERR_CLOSED},
        {CURLE_SEND_ERROR, OXP_ERR_CLOSED},
        {CURLE_RECV_ERROR, OXP_ERR_CLOSED},
        {CURLE_HTTP2, OXP_ERR_CLOSED},
        {CURLE_HTTP2_STREAM, OXP_ERR_CLOSED},
        {CURLE_SSL_CONNECT_ERROR, OXP_ERR_CLOSED},
        {CURLE_PEER_FAILED_VERIFICATION, OXP_ERR_CLOSED},
        {CURLE_SSL_CACERT_BADFILE, OXP_ERR_CLOSED},
        {CURLE_UNKNOWN_OPTION, OXP_ERR_UNSUPPORTED},
        {CURLE_NOT_BUILT_IN, OXP_ERR_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].code == code) {
            return table[i].status;
        }
    }
    return OXP_ERR_IO;
}
