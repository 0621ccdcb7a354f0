/* libcurl's functions, found at run time, inside this folder. Types come from libcurl's headers; nothing is linked. */
#ifndef OXP_NET_CURL_API_H
#define OXP_NET_CURL_API_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <oxpecker/status.h>

/* X(member, symbol) */
#define OXP_CURL_FUNCTIONS(X)                                                                                          \
    X(global_init, curl_global_init)                                                                                   \
    X(init, curl_easy_init)                                                                                            \
    X(reset, curl_easy_reset)                                                                                          \
    X(setopt, curl_easy_setopt)                                                                                        \
    X(getinfo, curl_easy_getinfo)                                                                                      \
    X(perform, curl_easy_perform)                                                                                      \
    X(cleanup, curl_easy_cleanup)                                                                                      \
    X(error_text, curl_easy_strerror)                                                                                  \
    X(list_append, curl_slist_append)                                                                                  \
    X(list_free, curl_slist_free_all)

struct oxp_curl_api {
#define X(member, symbol) __typeof__(&(symbol)) member;
    OXP_CURL_FUNCTIONS(X)
#undef X
};

/* Loads and initialises the library once for the process; every later call gives the same. NULL when it is not on this
 * machine or cannot be used. It stays loaded: libcurl's TLS library does not like to be unloaded. Any thread. */
const struct oxp_curl_api *oxp_curl_load(void);
/* The status of a result that is not CURLE_OK. */
enum oxp_status oxp_curl_status(CURLcode code);

#endif
