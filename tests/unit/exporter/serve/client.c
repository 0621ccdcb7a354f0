#include "tests/unit/exporter/serve/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t client_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int client_dial(unsigned port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool wait_for(int fd, short events, int64_t until_ms) {
    int64_t left = until_ms - client_now_ms();
    struct pollfd watched = {.fd = fd, .events = events};
    return left > 0 && poll(&watched, 1, (int)left) == 1;
}

bool client_write(int fd, const void *bytes, size_t len) {
    int64_t until = client_now_ms() + CLIENT_WAIT_MS;
    const char *at = bytes;
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && (errno != EAGAIN || !wait_for(fd, POLLOUT, until))) {
            return false;
        }
        at += sent > 0 ? sent : 0;
        len -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

bool client_say(int fd, const char *text) {
    return client_write(fd, text, strlen(text));
}

static ssize_t read_some(int fd, void *out, size_t size, int64_t until_ms) {
    return wait_for(fd, POLLIN, until_ms) ? recv(fd, out, size, 0) : -1;
}

/* Exactly `len` bytes. */
static bool read_all(int fd, char *out, size_t len, int64_t until_ms) {
    while (len > 0) {
        ssize_t got = read_some(fd, out, len, until_ms);
        if (got <= 0) {
            return false;
        }
        out += got;
        len -= (size_t)got;
    }
    return true;
}

/* One line up to and with its LF, byte by byte: slow, and takes nothing that is not its own. */
static bool read_line(int fd, char *out, size_t size, int64_t until_ms) {
    for (size_t len = 0; len + 1 < size; len++) {
        if (!read_all(fd, out + len, 1, until_ms)) {
            return false;
        }
        if (out[len] == '\n') {
            out[len + 1] = '\0';
            return true;
        }
    }
    return false;
}

static bool append(int fd, struct answer *answer, size_t len, int64_t until_ms) {
    char *longer = realloc(answer->body, answer->body_len + len + 1);
    if (longer == NULL) {
        return false;
    }
    answer->body = longer;
    bool ok = read_all(fd, longer + answer->body_len, len, until_ms);
    answer->body_len += ok ? len : 0;
    longer[answer->body_len] = '\0';
    return ok;
}

static bool read_chunks(int fd, struct answer *answer, int64_t until_ms) {
    char line[64];
    for (;;) {
        if (!read_line(fd, line, sizeof line, until_ms)) {
            return false;
        }
        unsigned long len = strtoul(line, NULL, 16);
        if (len > 0 && !append(fd, answer, len, until_ms)) {
            return false;
        }
        if (!read_line(fd, line, sizeof line, until_ms) || strcmp(line, "\r\n") != 0) {
            return false;
        }
        if (len == 0) {
            return true;
        }
    }
}

static void read_to_end(int fd, struct answer *answer, int64_t until_ms) {
    static const size_t piece = 65536;
    for (ssize_t got = 1; got > 0;) {
        char *longer = realloc(answer->body, answer->body_len + piece + 1);
        if (longer == NULL) {
            return;
        }
        answer->body = longer;
        got = read_some(fd, longer + answer->body_len, piece, until_ms);
        answer->body_len += got > 0 ? (size_t)got : 0;
        longer[answer->body_len] = '\0';
    }
}

void client_read(int fd, bool head_only, struct answer *answer) {
    int64_t until = client_now_ms() + CLIENT_WAIT_MS;
    *answer = (struct answer){.body = calloc(1, 1)};
    for (size_t len = 0;;) {
        char *line = answer->head + len;
        if (!read_line(fd, line, sizeof answer->head - len, until)) {
            answer->cut = true;
            return;
        }
        len += strlen(line);
        if (strcmp(line, "\r\n") == 0) {
            break;
        }
    }
    answer->status = strncmp(answer->head, "HTTP/1.1 ", 9) == 0 ? (int)strtol(answer->head + 9, NULL, 10) : 0;
    const char *length = strstr(answer->head, "\r\nContent-Length: ");
    answer->chunked = strstr(answer->head, "\r\nTransfer-Encoding: chunked\r\n") != NULL;
    bool bare = answer->status == 204 || answer->status == 304 || (answer->status > 0 && answer->status < 200);
    if (head_only || bare) { /* RFC 9112, section 6.3 */
        return;
    }
    if (answer->chunked) {
        answer->cut = !read_chunks(fd, answer, until);
    } else if (length != NULL) {
        answer->cut = !append(fd, answer, strtoul(length + 18, NULL, 10), until);
    } else {
        read_to_end(fd, answer, until);
    }
}

void answer_free(struct answer *answer) {
    free(answer->body);
    answer->body = NULL;
}

void client_ask(unsigned port, const char *text, struct answer *answer) {
    int fd = client_dial(port);
    *answer = (struct answer){0};
    if (fd >= 0 && client_say(fd, text)) {
        client_read(fd, strncmp(text, "HEAD ", 5) == 0, answer);
    }
    if (fd >= 0) {
        close(fd);
    }
}

bool client_sees_end(int fd, int64_t ms) {
    int64_t until = client_now_ms() + ms;
    char scratch[4096];
    while (wait_for(fd, POLLIN, until)) {
        if (recv(fd, scratch, sizeof scratch, 0) <= 0) {
            return true;
        }
    }
    return false;
}

bool client_wait(bool (*holds)(void *ctx), void *ctx) {
    int64_t until = client_now_ms() + CLIENT_WAIT_MS;
    while (!holds(ctx)) {
        if (client_now_ms() > until) {
            return false;
        }
        struct timespec moment = {.tv_nsec = 1000000};
        nanosleep(&moment, NULL);
    }
    return true;
}
