/* What a person may do: send again what was set aside, dropped or waits. In memory and in a file alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/alerts/outbox/world.h"

static void test_retry(void **state) {
    struct world *world = *state;
    static const struct {
        const char *name;
        const char *script[12];
        int64_t id; /* 0 = all that was set aside for q */
        enum oxp_status status;
        size_t count;
        const char *after;
    } rows[] = {
        {"set aside", {"+info q - a", "?a", "x", NULL}, 1, OXP_OK, 1, "waiting:a "},
        {"waiting", {"+info q - a", "?a", "~", NULL}, 1, OXP_OK, 1, "waiting:a "},
        {"claimed", {"+info q - a", "?a", NULL}, 1, OXP_ERR_IN_USE, 0, "claimed:a "},
        {"sent", {"+info q - a", "?a", "!", NULL}, 1, OXP_ERR_INVALID, 0, "sent:a "},
        {"superseded", {"+info q g a", "+info q g b", NULL}, 1, OXP_ERR_INVALID, 0, "superseded:a waiting:b "},
        {"none such", {"+info q - a", NULL}, 2, OXP_ERR_NOT_FOUND, 0, "waiting:a "},
        {"a newer state waits",
         {"+info q g a", "?a", "x", "+info q g b", NULL},
         1,
         OXP_ERR_EXISTS,
         0,
         "set_aside:a waiting:b "},
        {"a newer state is being sent",
         {"+info q g a", "?a", "x", "+info q g b", "?b", NULL},
         1,
         OXP_ERR_EXISTS,
         0,
         "set_aside:a claimed:b "},
        {"a newer state was sent: by name it goes out",
         {"+info q g a", "?a", "x", "+info q g b", "?b", "!", NULL},
         1,
         OXP_OK,
         1,
         "waiting:a sent:b "},
        {"all", {"+info q - a", "?a", "x", "+info q - b", "?b", "x", NULL}, 0, OXP_OK, 2, "waiting:a waiting:b "},
        {"all, of a group the newest",
         {"+info q g a", "?a", "x", "+info q g b", "?b", "x", NULL},
         0,
         OXP_OK,
         1,
         "superseded:a waiting:b "},
        {"all, but what is past",
         {"+info q g a", "?a", "x", "+info q g b", "?b", "!", NULL},
         0,
         OXP_OK,
         0,
         "superseded:a sent:b "},
        {"all of another receiver",
         {"+info r - a", "+info q - b", "?b", "x", NULL},
         0,
         OXP_OK,
         1,
         "waiting:a waiting:b "},
        {"nothing", {NULL}, 0, OXP_OK, 0, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world own;
        world_make(&own, world_in_memory);
        world_open(&own);
        world_run(&own, rows[i].name, rows[i].script);
        size_t count = 9;
        enum oxp_status status = oxp_outbox_retry(own.outbox, rows[i].id, OXP_VIEW("q"), NOW, &count);
        const char *after = world_states(&own);
        if (status != rows[i].status || count != rows[i].count || strcmp(after, rows[i].after) != 0) {
            fail_msg("%s: %s, %zu, %s", rows[i].name, oxp_status_name(status), count, after);
        }
        struct oxp_outbox_noted *notes = NULL;
        assert_int_equal(oxp_outbox_notes(own.outbox, 10, &own.arena, &notes, &count), OXP_OK);
        assert_int_equal(count, status == OXP_OK ? 1 : 0); /* a manual act leaves a note */
        assert_true(count == 0 || strcmp(notes[0].kind.ptr, "outbox.retry") == 0);
        world_end(&own);
    }
    (void)world;
}

static void test_retry_of_expired(void **state) {
    struct world *world = *state;
    size_t count = 0;
    world_put(world, "info q - a", NOW);
    int64_t later = NOW + 14 * DAY;
    oxp_outbox_sweep(world->outbox, later);
    assert_string_equal(world_states(world), "dropped:a ");
    assert_int_equal(oxp_outbox_retry(world->outbox, 1, OXP_VIEW(""), later, &count), OXP_OK);
    oxp_outbox_sweep(world->outbox, later);                   /* not at once dropped again */
    assert_string_equal(world_show(world, 1).answer.ptr, ""); /* why it was dropped is not why it waits */
    assert_string_equal(world_claim(world, later), "a");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_retry),
        WORLD_TEST(test_retry_of_expired),
    };
    return WORLD_RUN_TWICE(tests);
}
