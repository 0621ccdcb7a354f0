/* What the outbox does with messages, in memory and in a file alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/alerts/outbox/world.h"

#define SUPERSEDED "superseded: a newer state took its place"

static void test_scripts(void **state) {
    (void)state;
    static const struct {
        const char *name;
        const char *script[20];
    } rows[] = {
        {"nothing", {"?", "=", NULL}},
        {"one", {"+info q - a", "?a", "=claimed:a ", "!", "=sent:a ", "?", NULL}},
        {"critical first, then the oldest",
         {"+info q - a", "+warning q - b", "+critical q - c", "+critical q - d", "+warning q - e", "?c", "?d", "?b",
          "?e", "?a", "?", NULL}},
        {"other queues are left alone", {"+critical r - a", "+info q - b", "?b", "?", NULL}},
        {"a newer state supersedes what waits", {"+info q g a", "+info q g b", "=superseded:a waiting:b ", "?b", NULL}},
        {"not that of another group", {"+info q g a", "+info q h b", "?a", "?b", NULL}},
        {"not that of another receiver", {"+info q g a", "+info r g b", "?a", "=claimed:a waiting:b ", NULL}},
        {"no group, nothing superseded", {"+info q - a", "+info q - b", "?a", "?b", NULL}},
        {"what is claimed stays", {"+info q g a", "?a", "+info q g b", "=claimed:a waiting:b ", "!", "?b", NULL}},
        {"and gives way when it is to be sent again",
         {"+info q g a", "?a", "+info q g b", "~", "=superseded:a waiting:b ", "?b", NULL}},
        {"what was refused stays", {"+info q g a", "?a", "x", "+info q g b", "=set_aside:a waiting:b ", "?b", NULL}},
        {"of what was refused of a group the newest stays",
         {"+info q g a", "?a", "x", "+info q g b", "?b", "x", "=superseded:a set_aside:b ", "+info q g c", "?c", "x",
          "=superseded:a superseded:b set_aside:c ", NULL}},
        {"not of another group, or receiver, or none",
         {"+info q g a", "?a", "x", "+info q h b", "?b", "x", "+info q - c", "?c", "x", "+info q - d", "?d", "x",
          "=set_aside:a set_aside:b set_aside:c set_aside:d ", NULL}},
        {"a newer one takes the place even when it matters less",
         {"+critical q g a", "+info q g b", "=superseded:a waiting:b ", NULL}},
        {"the least tried first, whatever its priority; of those in the queue's order",
         {"+critical q - a", "?a", "~", "+info q - b", "+critical q - c", "<c", "!", "<b", "~", "?a", "~", "?a", "~",
          "<b", NULL}},
        {"or the oldest of those",
         {"+critical q - a", "?a", "~", "+info q - b", "+critical q - c", "^b", "!", "^c", "!", "^a", "^", NULL}},
        {"again", {"+info q - a", "?a", "~", "=waiting:a ", "?a", "!", NULL}},
        {"a refused one holds up nobody", {"+critical q - a", "+info q - b", "?a", "x", "?b", NULL}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world world;
        world_make(&world, world_in_memory);
        world_open(&world);
        world_run(&world, rows[i].name, rows[i].script);
        world_end(&world);
    }
}

static void test_fields(void **state) {
    struct world *world = *state;
    struct oxp_outbox_message in[] = {
        {.receiver = OXP_VIEW("q"),
         .integration = OXP_VIEW("alertmanager"),
         .group = OXP_VIEW("g/\"ü\""),
         .priority = OXP_OUTBOX_WARNING,
         .since_ms = NOW - 5000,
         .made_ms = NOW - 2000,
         .due_ms = NOW - 1000,
         .expires_ms = NOW + HOUR,
         .summary = OXP_VIEW("one line"),
         .content = {"with\0a NUL", 10}},
        {.receiver = OXP_VIEW("q"), .integration = OXP_VIEW("webhook"), .priority = OXP_OUTBOX_INFO},
    };
    int64_t ids[2] = {0}, next_ms = 0;
    struct oxp_outbox_write write = {.messages = in, .message_count = 2, .ids_out = ids};
    assert_int_equal(oxp_outbox_put(world->outbox, &write, NOW, NULL), OXP_OK);
    assert_true(ids[0] > 0 && ids[1] > ids[0]);
    struct oxp_outbox_message out[2];
    for (int i = 0; i < 2; i++) {
        enum oxp_status status =
            oxp_outbox_claim(world->outbox, OXP_VIEW("q"), NOW + 7, &world->arena, &out[i], &next_ms);
        assert_int_equal(status, OXP_OK);
        assert_int_equal(out[i].id, ids[i]);
        assert_true(oxp_view_equal(out[i].integration, in[i].integration));
        assert_true(oxp_view_equal(out[i].group, in[i].group));
        assert_true(oxp_view_equal(out[i].summary, in[i].summary));
        assert_true(oxp_view_equal(out[i].content, in[i].content));
        assert_int_equal(out[i].priority, in[i].priority);
        assert_int_equal(out[i].state, OXP_OUTBOX_CLAIMED);
        assert_int_equal(out[i].tries, 1);
        assert_int_equal(out[i].changed_ms, NOW + 7);
    }
    assert_int_equal(out[0].since_ms, NOW - 5000);
    assert_int_equal(out[0].made_ms, NOW - 2000);
    assert_int_equal(out[0].expires_ms, NOW + HOUR);
    assert_int_equal(out[1].since_ms, NOW); /* the defaults */
    assert_int_equal(out[1].made_ms, NOW);
    assert_int_equal(out[1].expires_ms, NOW + 14 * DAY);
    assert_int_equal(oxp_outbox_sent(world->outbox, ids[0], OXP_VIEW("202 thanks"), NOW + 9), OXP_OK);
    out[0] = world_show(world, ids[0]);
    assert_string_equal(out[0].answer.ptr, "202 thanks");
    assert_int_equal(out[0].changed_ms, NOW + 9);
    assert_int_equal(out[0].content.len, 0); /* nothing is left of what was sent */
}

static void test_refused_writes(void **state) {
    struct world *world = *state;
    char *big = calloc(1, OXP_OUTBOX_CONTENT_MAX + 1);
    struct oxp_outbox_message messages[] = {
        {.receiver = OXP_VIEW("q"), .summary = OXP_VIEW("good")},
        {.receiver = OXP_VIEW("q"), .content = {big, OXP_OUTBOX_CONTENT_MAX + 1}},
    };
    struct oxp_outbox_write write = {.messages = messages, .message_count = 2};
    struct oxp_error error = {0};
    assert_int_equal(oxp_outbox_put(world->outbox, &write, NOW, &error), OXP_ERR_LIMIT);
    assert_non_null(strstr(error.text, "too long"));
    assert_string_equal(world_states(world), ""); /* not the good one alone */
    messages[1].content.len--;
    assert_int_equal(oxp_outbox_put(world->outbox, &write, NOW, &error), OXP_OK);
    messages[1] = (struct oxp_outbox_message){.priority = (enum oxp_outbox_priority)7};
    assert_int_equal(oxp_outbox_put(world->outbox, &write, NOW, &error), OXP_ERR_INVALID);
    free(big);
}

/* ---- Time ---- */

static void test_due(void **state) {
    struct world *world = *state;
    struct oxp_outbox_message message;
    int64_t next_ms = 0;
    struct oxp_arena *arena = &world->arena;
    assert_int_equal(oxp_outbox_claim(world->outbox, OXP_VIEW("q"), NOW, arena, &message, &next_ms), OXP_END);
    assert_true(next_ms == INT64_MAX);
    world_put(world, "critical q - a", NOW);
    world_put(world, "info q - b", NOW);
    assert_string_equal(world_claim(world, NOW), "a");
    assert_int_equal(oxp_outbox_again(world->outbox, world->claimed_id, NOW + 5000, OXP_VIEW("503"), NOW), OXP_OK);
    assert_string_equal(world_claim(world, NOW), "b"); /* what is not due holds up nobody */
    assert_int_equal(oxp_outbox_claim(world->outbox, OXP_VIEW("q"), NOW + 4999, arena, &message, &next_ms), OXP_END);
    assert_int_equal(next_ms, NOW + 5000);
    assert_string_equal(world_claim(world, NOW + 5000), "a");
    assert_int_equal(world_show(world, world->claimed_id).tries, 2);
    assert_string_equal(world_show(world, world->claimed_id).answer.ptr, "503");
}

/* The clock was ten years ahead, and is put right: what was put off then is not put off for ten years. */
static void test_clock_goes_back(void **state) {
    struct world *world = *state;
    const int64_t wrong = NOW + 10 * DAY;
    world_put(world, "info q - a", NOW);
    world_put(world, "info q - b", NOW);
    struct oxp_outbox_message later = {
        .receiver = OXP_VIEW("q"), .summary = OXP_VIEW("c"), .priority = OXP_OUTBOX_INFO, .due_ms = NOW + 5 * DAY};
    struct oxp_outbox_write write = {.messages = &later, .message_count = 1};
    assert_int_equal(oxp_outbox_put(world->outbox, &write, NOW, NULL), OXP_OK);
    oxp_outbox_sweep(world->outbox, wrong);
    static const char *const names[] = {"a", "b"};
    int64_t ids[2];
    for (int i = 0; i < 2; i++) {
        assert_string_equal(world_claim(world, wrong), names[i]);
        ids[i] = world->claimed_id;
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(oxp_outbox_again(world->outbox, ids[i], wrong + 5000, OXP_VIEW("503"), wrong), OXP_OK);
    }
    assert_string_equal(world_claim(world, NOW + MINUTE), "");
    oxp_outbox_sweep(world->outbox, NOW + MINUTE);
    assert_string_equal(world_claim(world, NOW + MINUTE), "a");
    assert_string_equal(world_claim(world, NOW + MINUTE), "b");
    assert_string_equal(world_claim(world, NOW + MINUTE), ""); /* what is meant for later is left for then */
    assert_string_equal(world_claim(world, NOW + 5 * DAY), "c");
}

static void test_expiry(void **state) {
    struct world *world = *state;
    struct oxp_outbox_message message = {
        .receiver = OXP_VIEW("q"), .summary = OXP_VIEW("short"), .expires_ms = NOW + 5};
    struct oxp_outbox_write write = {.messages = &message, .message_count = 1};
    assert_int_equal(oxp_outbox_put(world->outbox, &write, NOW, NULL), OXP_OK);
    world_put(world, "info q - long", NOW);
    assert_int_equal(oxp_outbox_sweep(world->outbox, NOW + 4), OXP_OK);
    assert_string_equal(world_states(world), "waiting:short waiting:long ");
    assert_string_equal(world_claim(world, NOW + 5), "long"); /* nobody is sent what is too old */
    assert_int_equal(oxp_outbox_sweep(world->outbox, NOW + 5), OXP_OK);
    assert_string_equal(world_states(world), "dropped:short claimed:long ");
    assert_int_equal(world->drops[OXP_OUTBOX_EXPIRED], 1);
    assert_int_equal(world_stats(world).dropped[OXP_OUTBOX_EXPIRED], 1);
    assert_non_null(strstr(world_show(world, 1).answer.ptr, "expired"));
    /* what is claimed is not dropped, whatever its age */
    assert_int_equal(oxp_outbox_sweep(world->outbox, NOW + 20 * DAY), OXP_OK);
    assert_string_equal(world_states(world), "claimed:long ");
}

static void test_aside_outlives_a_short_life(void **state) {
    struct world *world = *state;
    struct oxp_outbox_message message = {.receiver = OXP_VIEW("q"), .summary = OXP_VIEW("a"), .expires_ms = NOW + 5};
    struct oxp_outbox_write write = {.messages = &message, .message_count = 1};
    assert_int_equal(oxp_outbox_put(world->outbox, &write, NOW, NULL), OXP_OK);
    assert_string_equal(world_claim(world, NOW), "a");
    assert_int_equal(oxp_outbox_set_aside(world->outbox, world->claimed_id, OXP_VIEW("400"), NOW), OXP_OK);
    assert_int_equal(oxp_outbox_sweep(world->outbox, NOW + HOUR), OXP_OK);
    assert_string_equal(world_states(world), "set_aside:a ");
    assert_int_equal(oxp_outbox_sweep(world->outbox, NOW + 14 * DAY), OXP_OK);
    assert_string_equal(world_states(world), "dropped:a ");
}

static void test_history(void **state) {
    struct world *world = *state;
    world_put(world, "info q g a", NOW);
    world_put(world, "info q g b", NOW);
    world_claim(world, NOW);
    oxp_outbox_sent(world->outbox, world->claimed_id, OXP_VIEW("200"), NOW + HOUR);
    world_put(world, "info q - c", NOW);
    assert_int_equal(oxp_outbox_sweep(world->outbox, NOW + DAY), OXP_OK);
    assert_string_equal(world_states(world), "superseded:a sent:b waiting:c ");
    assert_int_equal(oxp_outbox_sweep(world->outbox, NOW + DAY + 1), OXP_OK);
    assert_string_equal(world_states(world), "sent:b waiting:c ");
    assert_int_equal(oxp_outbox_sweep(world->outbox, NOW + 25 * HOUR + 1), OXP_OK);
    assert_string_equal(world_states(world), "waiting:c ");
    int64_t id = 3; /* ids are never used twice */
    oxp_outbox_sweep(world->outbox, NOW + 14 * DAY);
    oxp_outbox_sweep(world->outbox, NOW + 16 * DAY);
    assert_string_equal(world_states(world), "");
    world_put(world, "info q - d", NOW);
    assert_int_equal(world->last_id, id + 1);
}

/* ---- What was not claimed cannot be told of ---- */

static void test_wrong_ids(void **state) {
    struct world *world = *state;
    world_put(world, "info q - a", NOW);
    static const int64_t ids[] = {0, 1, 2, -1, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        assert_int_equal(oxp_outbox_sent(world->outbox, ids[i], OXP_VIEW(""), NOW), OXP_ERR_NOT_FOUND);
        assert_int_equal(oxp_outbox_again(world->outbox, ids[i], NOW, OXP_VIEW(""), NOW), OXP_ERR_NOT_FOUND);
        assert_int_equal(oxp_outbox_set_aside(world->outbox, ids[i], OXP_VIEW(""), NOW), OXP_ERR_NOT_FOUND);
    }
    assert_string_equal(world_states(world), "waiting:a ");
    assert_int_equal(world_stats(world).failures, 0); /* of the disk */
    world_claim(world, NOW);
    assert_int_equal(oxp_outbox_sent(world->outbox, 1, OXP_VIEW(""), NOW), OXP_OK);
    assert_int_equal(oxp_outbox_sent(world->outbox, 1, OXP_VIEW(""), NOW), OXP_ERR_NOT_FOUND);
}

static void test_long_answer(void **state) {
    struct world *world = *state;
    char answer[OXP_OUTBOX_ANSWER_MAX + 10];
    memset(answer, 'a', sizeof answer);
    answer[OXP_OUTBOX_ANSWER_MAX - 1] = (char)0xc3; /* an ü that would be cut in two */
    answer[OXP_OUTBOX_ANSWER_MAX] = (char)0xbc;
    world_put(world, "info q - a", NOW);
    world_claim(world, NOW);
    oxp_outbox_set_aside(world->outbox, 1, oxp_view_of(answer, sizeof answer), NOW);
    assert_int_equal(world_show(world, 1).answer.len, OXP_OUTBOX_ANSWER_MAX - 1);
}

/* A newer message says why the one in whose place it came was not sent. */
static void test_the_answer_is_taken_over(void **state) {
    (void)state;
    static const struct {
        const char *name;
        const char *script[8];
        int64_t id;
        const char *answer;
        unsigned tries;
    } rows[] = {
        {"the older one was tried", {"+info q g a", "?a", "~", "+info q g b", NULL}, 2, "503", 0},
        {"and once more", {"+info q g a", "?a", "~", "+info q g b", "+info q g c", NULL}, 3, "503", 0},
        {"the older one is being tried", {"+info q g a", "?a", "+info q g b", "~", NULL}, 2, "503", 0},
        {"it was not tried", {"+info q g a", "+info q g b", NULL}, 2, "", 0},
        {"it was sent", {"+info q g a", "?a", "!", "+info q g b", NULL}, 2, "", 0},
        {"it was set aside", {"+info q g a", "?a", "x", "+info q g b", NULL}, 2, "", 0},
        {"it is of another group", {"+info q g a", "?a", "~", "+info q h b", NULL}, 2, "", 0},
        {"the older one itself", {"+info q g a", "?a", "~", "+info q g b", NULL}, 1, SUPERSEDED, 1},
        {"the older one was being tried", {"+info q g a", "?a", "+info q g b", "~", NULL}, 1, SUPERSEDED, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world world;
        world_make(&world, world_in_memory);
        world_open(&world);
        world_run(&world, rows[i].name, rows[i].script);
        struct oxp_outbox_message message = world_show(&world, rows[i].id);
        if (strcmp(message.answer.ptr, rows[i].answer) != 0 || message.tries != rows[i].tries) {
            fail_msg("%s: %s, %u", rows[i].name, message.answer.ptr, message.tries);
        }
        assert_int_equal(world_stats(&world).waiting, message.state == OXP_OUTBOX_WAITING ? 1 + (i == 6) : 1);
        world_end(&world);
    }
}

/* ---- Receivers that come and go ---- */

static void test_adopt(void **state) {
    struct world *world = *state;
    static const char orphan[] = "no such receiver in the configuration; it waits for one of that name";
    const struct oxp_view all[] = {OXP_VIEW("q"), OXP_VIEW("r"), OXP_VIEW("a")};
    size_t orphans = 9;
    assert_int_equal(oxp_outbox_adopt(world->outbox, all, 3, &orphans), OXP_OK);
    assert_int_equal(orphans, 0);
    world_put(world, "info r - a", NOW);
    world_put(world, "critical r g b", NOW);
    world_put(world, "info q - c", NOW);
    world_put(world, "info q - d", NOW);
    world_put(world, "info a/0 - e", NOW);
    world_claim(world, NOW); /* c */
    assert_int_equal(oxp_outbox_again(world->outbox, 3, NOW + HOUR, OXP_VIEW("503"), NOW), OXP_OK);
    for (int i = 0; i < 2; i++) { /* and again */
        assert_int_equal(oxp_outbox_adopt(world->outbox, all, 1, &orphans), OXP_OK);
        assert_int_equal(orphans, 3);
        assert_string_equal(world_show(world, 1).answer.ptr, orphan);
        assert_string_equal(world_show(world, 2).answer.ptr, orphan);
        assert_string_equal(world_show(world, 3).answer.ptr, "503");
        assert_string_equal(world_show(world, 4).answer.ptr, "");
        assert_string_equal(world_show(world, 5).answer.ptr, orphan);
    }
    assert_string_equal(world_states(world), "waiting:a waiting:b waiting:c waiting:d waiting:e ");
    assert_int_equal(world_stats(world).waiting, 5);
    assert_int_equal(oxp_outbox_adopt(world->outbox, all, 3, &orphans), OXP_OK); /* r is back */
    assert_int_equal(orphans, 1);
    assert_string_equal(world_show(world, 1).answer.ptr, "");
    assert_string_equal(world_show(world, 5).answer.ptr, orphan);
    assert_int_equal(oxp_outbox_adopt(world->outbox, NULL, 0, &orphans), OXP_OK);
    assert_int_equal(orphans, 5);
    assert_string_equal(world_show(world, 3).answer.ptr, orphan);
    assert_int_equal(world_show(world, 3).due_ms, NOW + HOUR); /* as it was */
    assert_int_equal(world_show(world, 3).changed_ms, NOW);
    /* A receiver that is there and idle: the reason says so, and goes when it is at work again. */
    assert_int_equal(oxp_outbox_adopt(world->outbox, all, 3, &orphans), OXP_OK);
    assert_int_equal(oxp_outbox_idle(world->outbox, OXP_VIEW("r"), "above the budget", &orphans), OXP_OK);
    assert_int_equal(orphans, 2);
    assert_string_equal(world_show(world, 1).answer.ptr, "it waits: above the budget");
    assert_string_equal(world_show(world, 4).answer.ptr, "");
    assert_int_equal(oxp_outbox_adopt(world->outbox, all, 3, &orphans), OXP_OK);
    assert_string_equal(world_show(world, 2).answer.ptr, "");
    assert_string_equal(world_claim(world, NOW), "d");
}

/* Everything goes along, and can be claimed: the checksum is the new queue's. Of two of one group the newer waits. */
static void test_rename(void **state) {
    struct world *world = *state;
    size_t count = 9;
    world_put(world, "info old g a", NOW);
    world_put(world, "critical old - b", NOW);
    world_put(world, "info q g c", NOW);
    world_put(world, "info q h d", NOW);
    world_put(world, "info old h e", NOW);
    world_put(world, "info r - f", NOW);
    assert_int_equal(oxp_outbox_rename(world->outbox, OXP_VIEW("none"), OXP_VIEW("q"), NOW, &count), OXP_OK);
    assert_int_equal(count, 0);
    assert_int_equal(oxp_outbox_rename(world->outbox, OXP_VIEW("old"), OXP_VIEW("q"), NOW, &count), OXP_OK);
    assert_int_equal(count, 3);
    assert_string_equal(world_states(world), "superseded:a waiting:b waiting:c superseded:d waiting:e waiting:f ");
    assert_int_equal(world->drops[OXP_OUTBOX_SUPERSEDING], 2);
    assert_true(oxp_view_is(world_show(world, 1).receiver, "q"));
    assert_true(oxp_view_is(world_show(world, 6).receiver, "r"));
    for (const char *expected = "bce"; *expected != '\0'; expected++) {
        assert_int_equal(world_claim(world, NOW)[0], *expected);
        assert_int_equal(oxp_outbox_sent(world->outbox, world->claimed_id, OXP_VIEW(""), NOW), OXP_OK);
    }
    assert_int_equal(world_stats(world).waiting, 1);
}

/* ---- Looking ---- */

static void test_list(void **state) {
    struct world *world = *state;
    static const char *const lines[] = {"info q - a", "info r - b", "info q - c", "info r - d", "info q - e"};
    for (size_t i = 0; i < 5; i++) {
        world_put(world, lines[i], NOW);
    }
    world_claim(world, NOW);
    static const struct {
        struct oxp_outbox_filter filter;
        const char *want;
    } rows[] = {
        {{.limit = 0}, "edcba"},
        {{.limit = 2}, "ed"},
        {{.below_id = 4}, "cba"},
        {{.receiver = OXP_VIEW("q")}, "eca"},
        {{.receiver = OXP_VIEW("none")}, ""},
        {{.states = 1u << OXP_OUTBOX_CLAIMED}, "a"},
        {{.states = 1u << OXP_OUTBOX_CLAIMED | 1u << OXP_OUTBOX_WAITING, .limit = 10}, "edcba"},
        {{.states = 1u << OXP_OUTBOX_WAITING, .receiver = OXP_VIEW("q"), .below_id = 5, .limit = 1}, "c"},
        {{.states = 1u << OXP_OUTBOX_SENT}, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_outbox_message *messages = NULL;
        size_t count = 0;
        char got[16] = "";
        assert_int_equal(oxp_outbox_list(world->outbox, &rows[i].filter, &world->arena, &messages, &count), OXP_OK);
        for (size_t at = 0; at < count && at < 15; at++) {
            got[at] = messages[at].summary.ptr[0];
            assert_int_equal(messages[at].content.len, 0);
        }
        if (strcmp(got, rows[i].want) != 0) {
            fail_msg("row %zu: %s, not %s", i, got, rows[i].want);
        }
    }
    struct oxp_outbox_message message;
    assert_int_equal(oxp_outbox_show(world->outbox, 99, &world->arena, &message), OXP_ERR_NOT_FOUND);
    assert_string_equal(world_show(world, 4).content.ptr, "d");
}

static void test_stats(void **state) {
    struct world *world = *state;
    assert_int_equal(world_stats(world).oldest_ms, 0);
    world_put(world, "info q g a", NOW - 5);
    world_put(world, "info q - b", NOW);
    struct oxp_outbox_message other = {.receiver = OXP_VIEW("r"), .integration = OXP_VIEW("cloudwatch")};
    struct oxp_outbox_write write = {.messages = &other, .message_count = 1};
    oxp_outbox_put(world->outbox, &write, NOW, NULL);
    for (int i = 0; i < 2; i++) { /* as counted along, and as counted at an opening */
        struct oxp_outbox_stats stats = world_stats(world);
        assert_int_equal(stats.waiting, 3);
        assert_int_equal(stats.claimed + stats.aside + stats.failures, 0);
        assert_int_equal(stats.oldest_ms, NOW - 5);
        assert_true(stats.bytes >= 4096 && stats.bytes < 200000);
        assert_int_equal(stats.count, 2);
        size_t webhook = stats.counts[0].integration.len == 7 ? 0 : 1;
        assert_string_equal(stats.counts[webhook].integration.ptr, "webhook");
        assert_int_equal(stats.counts[webhook].waiting, 2);
        assert_int_equal(stats.counts[1 - webhook].waiting, 1);
        if (!world_in_memory) {
            world_again(world);
        }
    }
    world_claim(world, NOW);
    assert_int_equal(world_stats(world).claimed, 1);
    assert_int_equal(world_stats(world).oldest_ms, NOW);
    oxp_outbox_set_aside(world->outbox, 1, OXP_VIEW("400"), NOW);
    world_put(world, "info q h c", NOW);
    world_put(world, "info q h d", NOW);
    struct oxp_outbox_stats stats = world_stats(world);
    assert_int_equal(stats.waiting, 3);
    assert_int_equal(stats.claimed, 0);
    assert_int_equal(stats.aside, 1);
    assert_int_equal(stats.dropped[OXP_OUTBOX_SUPERSEDING], 1);
    assert_int_equal(world->drops[OXP_OUTBOX_SUPERSEDING], 1);
    assert_string_equal(world->dropped, "c ");
}

static void test_names(void **state) {
    (void)state;
    assert_string_equal(oxp_outbox_state_name(OXP_OUTBOX_ASIDE), "set_aside");
    assert_string_equal(oxp_outbox_state_name(OXP_OUTBOX_STATES), "unknown");
    unsigned states = 0;
    assert_true(oxp_outbox_state_find("set_aside", &states) && states == 1u << OXP_OUTBOX_ASIDE);
    assert_false(oxp_outbox_state_find("unknown", &states));
    assert_string_equal(oxp_outbox_drop_name(OXP_OUTBOX_SUPERSEDING), "superseded");
    assert_string_equal(oxp_outbox_drop_name(OXP_OUTBOX_DROPS), "unknown");
    assert_string_equal(oxp_outbox_priority_name(OXP_OUTBOX_CRITICAL), "critical");
    assert_string_equal(oxp_outbox_priority_name(OXP_OUTBOX_PRIORITIES), "unknown");
}

static void test_kept(void **state) {
    struct world *world = *state;
    assert_int_equal(oxp_outbox_is_kept(world->outbox), !world_in_memory);
    assert_int_equal(world->opened, OXP_OUTBOX_NEW);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        WORLD_TEST(test_fields),
        WORLD_TEST(test_refused_writes),
        WORLD_TEST(test_due),
        WORLD_TEST(test_clock_goes_back),
        WORLD_TEST(test_expiry),
        WORLD_TEST(test_aside_outlives_a_short_life),
        WORLD_TEST(test_history),
        WORLD_TEST(test_wrong_ids),
        WORLD_TEST(test_long_answer),
        cmocka_unit_test(test_the_answer_is_taken_over),
        WORLD_TEST(test_adopt),
        WORLD_TEST(test_rename),
        WORLD_TEST(test_list),
        WORLD_TEST(test_stats),
        cmocka_unit_test(test_names),
        WORLD_TEST(test_kept),
    };
    return WORLD_RUN_TWICE(tests);
}
