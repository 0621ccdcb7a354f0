/* For the tests of the manager: a reporter that keeps what it is told as lines of text, and a store that fails when
 * told to. */
#ifndef OXP_TEST_CHECKPOINT_SINK_H
#define OXP_TEST_CHECKPOINT_SINK_H

#include <oxpecker/report.h>
#include <oxpecker/store.h>
#include <pthread.h>
#include <stdatomic.h>

struct sink {
    struct oxp_reporter reporter;
    pthread_mutex_t lock;
    char text[1 << 16]; /* "task saved ok=true …\n" for each */
    size_t len;
    double overhead_max_s;
};

void sink_init(struct sink *sink);
void sink_clear(struct sink *sink);
/* Times that `words` stand in the lines. */
size_t sink_count(struct sink *sink, const char *words);

struct faulty {
    struct oxp_store store;
    struct oxp_store *inner;
    atomic_int puts_to_fail; /* of the next puts */
    atomic_int status;       /* that they give */
    atomic_bool list_fails;
    pthread_mutex_t gate; /* locked = every put waits */
    atomic_int puts;
    atomic_int waiting; /* puts at the gate */
};

/* `inner` stays the caller's. */
void faulty_init(struct faulty *faulty, struct oxp_store *inner);

#endif
