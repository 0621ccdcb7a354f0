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
    unsigned damages;  /* what on_damage was told: how often, and the last id */
    int64_t damaged_id;
};

/* For tests that hold in memory and in a file alike: the group of tests that runs, their fixture (an open outbox as the
 * state), and the `main` of both groups. */
extern bool world_in_memory;
int world_setup(void **state);
int world_teardown(void **state);
#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
#define WORLD_RUN_TWICE(tests)                                                                                         \
    ((world_in_memory = true, cmocka_run_group_tests_name("in memory", tests, NULL, NULL)) != 0 ||                     \
     (world_in_memory = false, cmocka_run_group_tests_name("in a file", tests, NULL, NULL)) != 0)

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
/* Does what a script says, by a letter and its argument: + puts ("critical q g a"), ? claims from "q" and expects, <
 * and ^ claim the least tried (^ by age), ! the claimed one is sent, ~ it is to be sent again at once, x it is set
 * aside, = expects the states. NULL ends it. */
void world_run(struct world *world, const char *name, const char *const *script);
struct oxp_outbox_stats world_stats(struct world *world);
struct oxp_outbox_message world_show(struct world *world, int64_t id);

#endif
