/* A raw HTTP client for tests: bytes out, one answer in, every wait bounded. It says what it saw and asserts nothing.
 */
#ifndef OXP_TESTS_SERVE_CLIENT_H
#define OXP_TESTS_SERVE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_WAIT_MS 60000 /* far more than anything should take, also under a sanitizer on a busy machine */

struct answer {
    int status; /* 0 = none came */
    char head[4096];
    char *body; /* without chunks; NUL-terminated; free with answer_free */
    size_t body_len;
    bool chunked, cut; /* cut: the connection ended before the answer did */
};

int64_t client_now_ms(void);
/* A connected socket to a port of 127.0.0.1, or -1. */
int client_dial(unsigned port);
/* Writes everything, at most CLIENT_WAIT_MS; false when the peer has gone. */
bool client_write(int fd, const void *bytes, size_t len);
bool client_say(int fd, const char *text);
/* Reads exactly one answer, so that the next one of a pipeline stays. `head_only` after HEAD. */
void client_read(int fd, bool head_only, struct answer *answer);
void answer_free(struct answer *answer);
/* dial, say, read, close */
void client_ask(unsigned port, const char *text, struct answer *answer);
/* True when the peer closes within `ms`; throws away what still comes. */
bool client_sees_end(int fd, int64_t ms);
/* Waits, bounded, until a condition holds. */
bool client_wait(bool (*holds)(void *ctx), void *ctx);

#endif
