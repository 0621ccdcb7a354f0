/* What the tests of the outbox share: a directory for each test, an outbox in it, and messages in one line. */
#ifndef OXP_TEST_OUTBOX_WORLD_H
#define OXP_TEST_OUTBOX_WORLD_H

#include "alerts/outbox/outbox.h"

#define NOW INT64_C(1795321560000)
#define MINUTE INT64_C(60000)
#define HOUR INT64_C(3600000)
#define DAY INT64_C(86400000)

struct world {
    char directory[64]; /* empty: in memory */
    struct oxp_outbox_options options;
    struct oxp_outbox *outbox;
    enum oxp_outbox_opened opened;
    struct oxp_arena arena;
    int64_t last_id;    /* put last */
    int64_t claimed_id; /* claimed last */
    /* what on_drop was told */
    unsigned drops[OXP_OUTBOX_DROPS];
    char dropped[512]; /* their summaries, each with a blank behind it */
};

/* Makes a directory unless `in_memory`; opens nothing. */
void world_make(struct world *world, bool in_memory);
void world_open(struct world *world); /* fails the test when it does not open */
/* Closes and removes the directory. */
void world_end(struct world *world);
/* Closes and opens again. */
void world_again(struct world *world);
void world_path(const struct world *world, const char *name, char out[128]);

/* "critical a/1 hello": priority, receiver, group ("-" = none), summary; the content is the summary. */
enum oxp_status world_put(struct world *world, const char *line, int64_t now_ms);
void world_put_bytes(struct world *world, enum oxp_outbox_priority priority, const char *summary, size_t bytes);
/* Claims from queue "q" and gives the summary; "" when nothing is due. */
const char *world_claim(struct world *world, int64_t now_ms);
/* The states and summaries of all, oldest first: "waiting:a sent:b ". */
const char *world_states(struct world *world);
struct oxp_outbox_stats world_stats(struct world *world);
struct oxp_outbox_message world_show(struct world *world, int64_t id);

#endif
