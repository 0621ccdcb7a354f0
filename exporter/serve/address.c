#include "exporter/serve/internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <oxpecker/view.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/number.h"

#define HOST_MAX 256
#define BACKLOG 1024

struct address {
    char host[HOST_MAX]; /* empty = every address of this machine */
    char port[8];
    bool numeric; /* never asked of a name server */
};

/* "host:port", "[v6]:port" or ":port". */
static enum oxp_status split(const char *text, struct address *address_out, struct oxp_error *error) {
    const char *colon = text == NULL ? NULL : strrchr(text, ':');
    if (colon == NULL) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "listen address \"%s\": no port; write it as \":10108\"",
                             text == NULL ? "" : text);
    }
    uint64_t port = 0;
    if (oxp_number_parse_u64(oxp_view_from(colon + 1), &port) != OXP_OK || port > 65535 || strlen(colon + 1) > 5) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0,
                             "listen address \"%s\": the port must be a number from 0 to 65535", text);
    }
    struct oxp_view host = oxp_view_of(text, (size_t)(colon - text));
    address_out->numeric = host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (address_out->numeric) {
        host = oxp_view_of(host.ptr + 1, host.len - 2);
    } else if (host.len > 0 && memchr(host.ptr, ':', host.len) != NULL) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0,
                             "listen address \"%s\": an IPv6 address stands in brackets, as in \"[::1]:10108\"", text);
    }
    if (host.len >= HOST_MAX) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0, "listen address: the host name is too long");
    }
    memcpy(address_out->host, host.ptr, host.len);
    address_out->host[host.len] = '\0';
    address_out->numeric = address_out->numeric || strspn(address_out->host, "0123456789.") == host.len;
    memcpy(address_out->port, colon + 1, strlen(colon + 1) + 1);
    return OXP_OK;
}

/* A bound and listening socket, or -1 with errno. No SO_REUSEPORT: a second process must be told that the port is
 * taken. */
static int open_socket(const struct sockaddr *address, socklen_t len, bool dual_stack) {
    int on = 1, off = 0;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (address->sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, dual_stack ? &off : &on, sizeof on) != 0) ||
        bind(fd, address, len) != 0 || listen(fd, BACKLOG) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* ":port": one socket for IPv6 and IPv4, or IPv4 alone where the kernel has no IPv6. */
static int open_any(unsigned port) {
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_any};
    int fd = open_socket((struct sockaddr *)&six, sizeof six, true);
    if (fd >= 0 || errno == EADDRINUSE || errno == EACCES) {
        return fd;
    }
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return open_socket((struct sockaddr *)&four, sizeof four, false);
}

/* A named host: its IPv4 addresses first, because "localhost" is asked for as 127.0.0.1 more often than as ::1. */
static int open_host(const struct address *address, const char **reason_out) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *list = NULL;
    hints.ai_flags |= address->numeric ? AI_NUMERICHOST : 0;
    int failed = getaddrinfo(address->host, address->port, &hints, &list);
    if (failed != 0) {
        *reason_out = gai_strerror(failed);
        errno = EINVAL;
        return -1;
    }
    int fd = -1, families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < 2 && fd < 0; i++) {
        for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
            if (a->ai_family == families[i] && (fd = open_socket(a->ai_addr, a->ai_addrlen, false)) < 0 &&
                errno == EADDRINUSE) {
                i = 2; /* do not hide a taken port behind the host's other family */
                break;
            }
        }
    }
    int saved = errno;
    freeaddrinfo(list);
    errno = saved;
    return fd;
}

static unsigned bound_port(int fd) {
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } bound = {.six = {.sin6_family = AF_UNSPEC}};
    socklen_t len = sizeof bound;
    if (getsockname(fd, &bound.any, &len) != 0) {
        return 0;
    }
    return ntohs(bound.any.sa_family == AF_INET6 ? bound.six.sin6_port : bound.four.sin_port);
}

enum oxp_status oxp_serve_listen(const char *text, int *fd_out, unsigned *port_out, struct oxp_error *error) {
    struct address address;
    enum oxp_status status = split(text, &address, error);
    if (status != OXP_OK) {
        return status;
    }
    const char *reason = NULL;
    uint64_t port = 0;
    (void)oxp_number_parse_u64(oxp_view_from(address.port), &port);
    int fd = address.host[0] == '\0' ? open_any((unsigned)port) : open_host(&address, &reason);
    if (fd < 0) {
        int saved = errno;
        char text_of_errno[128];
        status = saved == EADDRNOTAVAIL ? OXP_ERR_INVALID : oxp_status_from_errno(saved);
        return oxp_error_set(error, status, 0, 0, "cannot listen on \"%s\": %s", text,
                             reason != NULL ? reason : strerror_r(saved, text_of_errno, sizeof text_of_errno));
    }
    *fd_out = fd;
    *port_out = bound_port(fd);
    return OXP_OK;
}
