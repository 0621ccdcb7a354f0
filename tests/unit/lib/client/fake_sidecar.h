/* A sidecar that a test plays itself: it reads what the client writes, with the real sidecar's reader, and checks what
 * must hold of every line: it is whole, and its seq is greater than the one before. For one thread at a time. Faults
 * fail the test (cmocka). */
#ifndef OXP_TESTS_CLIENT_FAKE_SIDECAR_H
#define OXP_TESTS_CLIENT_FAKE_SIDECAR_H

#include "exporter/parse/parse.h"
#include "lib/base/map.h"

#define PATIENCE_MS 60000 /* for bytes that must come */

struct sidecar {
    char path[64];
    int listener;
    int fd;
    struct oxp_lines lines;
    /* What came over all connections. */
    char *kept[1024]; /* the first lines */
    size_t count;
    uint64_t last_seq, gaps;
    struct oxp_map open; /* sessions by id */
    char started_writer[65], started_boot[17];
    uint64_t started_last_seq;
    bool started_resumed, stopping;
    /* Keep nothing: a thread that allocates while the process forks may leave the address sanitizer's allocator locked
     * in the child (libc's own is not). */
    bool light;
    size_t sessions_started, sessions_ended;
};

/* On a path of its own in /tmp. */
void sidecar_init(struct sidecar *sidecar, bool listens);
void sidecar_fini(struct sidecar *sidecar);
void sidecar_listen_again(struct sidecar *sidecar);
/* Accepts the next connection. */
void sidecar_answer(struct sidecar *sidecar);
void sidecar_hang_up(struct sidecar *sidecar);
void sidecar_wait_for_bytes(int fd);
/* Reads once; false at the end of the connection. */
bool sidecar_hear(struct sidecar *sidecar);
/* Until so many lines came over all connections. */
void sidecar_hear_lines(struct sidecar *sidecar, size_t count);
void sidecar_hear_to_the_end(struct sidecar *sidecar);
/* The same, as a thread's function: the client waits for it when it stops. */
void *sidecar_hear_on(void *sidecar);

#endif
