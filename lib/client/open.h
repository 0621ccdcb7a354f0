/* What is open: runs, sessions, creations, tasks, breakers, degradations and incidents, by their ids, with the event
 * that opened each; so that it can be said again after a connect (domain catalogue, section 5).
 *
 * Rules:
 *  1. An event that was written changes the memory once its whole line is out: a line that a closing connection cut is
 *     said again as it was, behind what is open without it.
 *  2. An event that is folded (it leaves the queue unwritten) changes the memory, too, and what it left open is owed:
 * it is said before any newer event.
 *  3. A folded end of something that the sidecar knows to be open is kept as its line, and owed before anything else;
 *     one of something that it does not know is lost together with the start.
 *  4. What is said again keeps its own started_at and resumed; a state of its own, if it has one, stands.
 *
 * Owned by the client's thread, under its work lock. */
#ifndef OXP_CLIENT_OPEN_H
#define OXP_CLIENT_OPEN_H

#include "lib/base/buf.h"
#include "lib/base/map.h"
#include "lib/client/ring.h"

struct oxp_open_link {
    struct oxp_open_link *prev, *next;
};

/* The end of something, unwritten. */
struct oxp_owed {
    struct oxp_owed *next;
    int64_t ts_us;
    size_t len;
    char body[];
};

struct oxp_open {
    struct oxp_map by_key;
    struct oxp_open_link all;   /* in the order of opening */
    struct oxp_open_link owing; /* to be said before any newer event */
    struct oxp_owed *owed, **owed_end;
    struct oxp_owed *owed_next; /* the first that is not rendered yet */
    size_t owed_count;
    size_t limit;
    uint64_t unkept; /* openings that were not remembered */
};

enum oxp_open_how { OXP_WRITTEN, OXP_FOLDED };

void oxp_open_init(struct oxp_open *open, size_t limit);
void oxp_open_fini(struct oxp_open *open);
/* Applies an event (rules 1 to 3); gives the number of events that are lost by it, now or earlier. */
uint64_t oxp_open_apply(struct oxp_open *open, const struct oxp_record *record, enum oxp_open_how how);
/* Everything is to be said again. */
void oxp_open_owe_all(struct oxp_open *open);

/* Events that were folded and are lost if nothing more is said. */
uint64_t oxp_open_unsaid(const struct oxp_open *open);

/* The next line that is owed, without `{"seq":…,` before and newline behind; ends of things first. False when there is
 * none. `end_out` says whether it is the end of something, which is to be taken off by oxp_open_paid once it is
 * written. */
bool oxp_open_render(struct oxp_open *open, struct oxp_buf *out, int64_t now_us, bool *end_out);
void oxp_open_paid(struct oxp_open *open);
/* Ends that were rendered but not written are to be rendered again, but for the first `keep`. */
void oxp_open_rewind(struct oxp_open *open, size_t keep);
/* True when oxp_open_render has something to say. */
static inline bool oxp_open_owes(const struct oxp_open *open) {
    return open->owed_next != NULL || open->owing.next != &open->owing;
}

/* Appends `"ts":SECONDS` with microseconds. */
void oxp_open_append_time(struct oxp_buf *out, const char *key, int64_t time_us);

#endif
