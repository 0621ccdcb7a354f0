#include "tests/unit/lib/net/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 32, BIG = 100000 };

struct connection {
    int fd;
    bool drips, ignored;
    char request[4096];
    size_t len;
};

struct loopback {
    pthread_t thread;
    int listener, stop[2];
    unsigned port;
    struct connection connections[CONNECTIONS];
    size_t count;
    atomic_uint accepted, requests;
};

/* Never a signal, never a wait: what does not fit is lost with its connection. */
static void say(int fd, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return;
        }
        bytes += n;
        len -= (size_t)n;
    }
}

static void answer(int fd, const char *status, const char *more, const char *body, size_t len) {
    char head[256];
    int head_len = snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n", status, more, len);
    say(fd, head, (size_t)head_len);
    say(fd, body, len);
}

/* Answers one whole request; false = close the connection. */
static bool act(struct connection *connection) {
    static const char big[BIG];
    const int fd = connection->fd;
    const char *path = strchr(connection->request, ' ');
    path = path == NULL ? "" : path + 1;
    if (strncmp(path, "/ok ", 4) == 0) {
        answer(fd, "200 OK", "", "fine", connection->request[0] == 'H' ? 0 : 4);
    } else if (strncmp(path, "/status/", 8) == 0) {
        char status[16];
        snprintf(status, sizeof status, "%.3s Text", path + 8);
        answer(fd, status, "", "", 0);
    } else if (strncmp(path, "/echo ", 6) == 0) {
        answer(fd, "200 OK", "", connection->request, connection->len);
    } else if (strncmp(path, "/redirect ", 10) == 0) {
        answer(fd, "302 Found", "Location: /ok\r\n", "", 0);
    } else if (strncmp(path, "/big ", 5) == 0) {
        answer(fd, "200 OK", "", big, BIG);
    } else if (strncmp(path, "/headers ", 9) == 0) {
        answer(fd, "200 OK", "Retry-After:  7 \r\nX-AMZN-RequestId: AbC\r\nX-Empty:\r\nX-Two: 1\r\nX-Two: 2\r\n", "",
               0);
    } else if (strncmp(path, "/early ", 7) == 0) {
        say(fd, "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n", 40);
        answer(fd, "200 OK", "X-Late: 1\r\n", "", 0);
    } else if (strncmp(path, "/trailer ", 9) == 0) {
        static const char text[] =
            "HTTP/1.1 200 OK\r\nX-Head: 1\r\nTransfer-Encoding: chunked\r\nTrailer: X-Trailer\r\n\r\n"
            "4\r\nfine\r\n0\r\nX-Trailer: 1\r\n\r\n";
        say(fd, text, sizeof text - 1);
    } else if (strncmp(path, "/hang ", 6) == 0) {
        connection->ignored = true;
    } else if (strncmp(path, "/drip ", 6) == 0) {
        say(fd, "HTTP/1.1 200 OK\r\n\r\n", 19);
        connection->drips = true;
    } else if (strncmp(path, "/cut ", 5) == 0) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789", 50);
        return false;
    } else {
        say(fd, "this is not HTTP\r\n\r\n", strncmp(path, "/garbage ", 9) == 0 ? 20 : 0);
        return false;
    }
    return true;
}

/* Reads; false = close. */
static bool readable(struct loopback *server, struct connection *connection) {
    size_t room = sizeof connection->request - 1 - connection->len;
    ssize_t n = recv(connection->fd, connection->request + connection->len, room, 0);
    if (n <= 0) {
        return false;
    }
    connection->len += (size_t)n;
    connection->request[connection->len] = '\0';
    const char *end = strstr(connection->request, "\r\n\r\n");
    if (end == NULL || connection->ignored || connection->drips) {
        return true;
    }
    const char *length = strcasestr(connection->request, "\r\nContent-Length: ");
    size_t body = length == NULL || length > end ? 0 : (size_t)strtoul(length + 18, NULL, 10);
    if (connection->len < (size_t)(end + 4 - connection->request) + body) {
        return true;
    }
    atomic_fetch_add(&server->requests, 1);
    bool go_on = act(connection);
    connection->len = 0;
    return go_on;
}

static void *serve(void *ctx) {
    struct loopback *server = ctx;
    for (;;) {
        struct pollfd polled[CONNECTIONS + 2] = {{.fd = server->stop[0], .events = POLLIN},
                                                 {.fd = server->listener, .events = POLLIN}};
        bool drips = false;
        for (size_t i = 0; i < server->count; i++) {
            polled[i + 2] = (struct pollfd){.fd = server->connections[i].fd, .events = POLLIN};
            drips = drips || server->connections[i].drips;
        }
        size_t count = server->count;
        poll(polled, count + 2, drips ? 10 : -1);
        if (polled[0].revents != 0) {
            return NULL;
        }
        for (size_t i = count; i-- > 0;) {
            struct connection *connection = &server->connections[i];
            if (connection->drips) {
                say(connection->fd, ".", 1);
            }
            if (polled[i + 2].revents != 0 && !readable(server, connection)) {
                close(connection->fd);
                *connection = server->connections[--server->count];
            }
        }
        if (polled[1].revents != 0 && server->count < CONNECTIONS) {
            int fd = accept(server->listener, NULL, NULL);
            if (fd >= 0) {
                const int yes = 1; /* or the answer's second part waits for a delayed acknowledgement */
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                server->connections[server->count++] = (struct connection){.fd = fd};
                atomic_fetch_add(&server->accepted, 1);
            }
        }
    }
}

struct loopback *loopback_start(void) {
    struct loopback *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, len) != 0 ||
        listen(server->listener, 16) != 0 || getsockname(server->listener, (struct sockaddr *)&address, &len) != 0 ||
        pipe(server->stop) != 0) {
        free(server);
        return NULL;
    }
    server->port = ntohs(address.sin_port);
    if (pthread_create(&server->thread, NULL, serve, server) != 0) {
        free(server);
        return NULL;
    }
    return server;
}

void loopback_stop(struct loopback *server) {
    close(server->stop[1]);
    pthread_join(server->thread, NULL);
    for (size_t i = 0; i < server->count; i++) {
        close(server->connections[i].fd);
    }
    close(server->stop[0]);
    close(server->listener);
    free(server);
}

const char *loopback_url(const struct loopback *server, const char *path, char *out, size_t size) {
    snprintf(out, size, "http://127.0.0.1:%u%s", server->port, path);
    return out;
}

unsigned loopback_connections(const struct loopback *server) {
    return atomic_load(&server->accepted);
}

unsigned loopback_requests(const struct loopback *server) {
    return atomic_load(&server->requests);
}
