/* What the outbox keeps beside messages: the ledger and the notes; and how all of it goes from one outbox to another.
 * In memory and in a file alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/alerts/outbox/world.h"

/* ---- The ledger ---- */

static const char *values(struct world *world, const char *prefix) {
    struct oxp_outbox_value *found = NULL;
    size_t count = 0, len = 0;
    assert_int_equal(oxp_outbox_values(world->outbox, oxp_view_from(prefix), &world->arena, &found, &count), OXP_OK);
    char *text = oxp_arena_zero(&world->arena, 1024, 1);
    for (size_t i = 0; i < count; i++) {
        len += (size_t)snprintf(text + len, 1024 - len, "%s=%s ", found[i].key.ptr, found[i].value.ptr);
    }
    return text;
}

static void test_ledger(void **state) {
    struct world *world = *state;
    struct oxp_outbox_value first[] = {{OXP_VIEW("b/2"), OXP_VIEW("two")}, {OXP_VIEW("b/1"), OXP_VIEW("one")},
                                       {OXP_VIEW("a"), OXP_VIEW("")},      {OXP_VIEW("b0"), OXP_VIEW("x")},
                                       {OXP_VIEW("b\xff"), OXP_VIEW("y")}, {OXP_VIEW("c"), OXP_VIEW("z")}};
    struct oxp_outbox_write write = {.values = first, .value_count = sizeof first / sizeof first[0]};
    assert_int_equal(oxp_outbox_put(world->outbox, &write, NOW, NULL), OXP_OK);
    assert_string_equal(values(world, "b/"), "b/1=one b/2=two ");
    assert_string_equal(values(world, "b"), "b/1=one b/2=two b0=x b\xff=y ");
    assert_string_equal(values(world, "d"), "");
    assert_string_equal(values(world, ""), "a= b/1=one b/2=two b0=x b\xff=y c=z ");
    struct oxp_outbox_value second[] = {
        {OXP_VIEW("b/1"), {NULL, 0}}, {OXP_VIEW("none"), {NULL, 0}}, {OXP_VIEW("b/2"), OXP_VIEW("2")}};
    write = (struct oxp_outbox_write){.values = second, .value_count = 3};
    assert_int_equal(oxp_outbox_put(world->outbox, &write, NOW, NULL), OXP_OK);
    assert_string_equal(values(world, "b/"), "b/2=2 ");
    struct oxp_view value;
    assert_int_equal(oxp_outbox_value(world->outbox, OXP_VIEW("b/1"), &world->arena, &value), OXP_ERR_NOT_FOUND);
    assert_int_equal(oxp_outbox_value(world->outbox, OXP_VIEW("b/2"), &world->arena, &value), OXP_OK);
    assert_string_equal(value.ptr, "2");
    assert_int_equal(oxp_outbox_value(world->outbox, OXP_VIEW("a"), &world->arena, &value), OXP_OK);
    assert_int_equal(value.len, 0); /* empty is not gone */
}

/* ---- Notes ---- */

static void test_notes(void **state) {
    struct world *world = *state;
    struct oxp_outbox_note in[] = {{OXP_VIEW("reload"), OXP_VIEW("a.yml")}, {OXP_VIEW("breaker.reset"), OXP_VIEW("")}};
    struct oxp_outbox_write write = {.notes = in, .note_count = 2};
    assert_int_equal(oxp_outbox_put(world->outbox, &write, NOW, NULL), OXP_OK);
    struct oxp_outbox_noted *notes = NULL;
    size_t count = 0;
    assert_int_equal(oxp_outbox_notes(world->outbox, 10, &world->arena, &notes, &count), OXP_OK);
    assert_int_equal(count, 2);
    assert_string_equal(notes[0].kind.ptr, "breaker.reset"); /* newest first */
    assert_string_equal(notes[1].text.ptr, "a.yml");
    assert_int_equal(notes[1].at_ms, NOW);
    assert_true(notes[0].id > notes[1].id);
    assert_int_equal(oxp_outbox_notes(world->outbox, 1, &world->arena, &notes, &count), OXP_OK);
    assert_int_equal(count, 1);
    oxp_outbox_sweep(world->outbox, NOW + 14 * DAY + 1); /* no older than the rest */
    assert_int_equal(oxp_outbox_notes(world->outbox, 10, &world->arena, &notes, &count), OXP_OK);
    assert_int_equal(count, 0);
}

/* ---- From memory to the disk ---- */

static void set_values(struct oxp_outbox *outbox, const char *const *pairs) {
    struct oxp_outbox_value values[8];
    struct oxp_outbox_write write = {.values = values};
    for (; pairs[2 * write.value_count] != NULL; write.value_count++) {
        values[write.value_count] = (struct oxp_outbox_value){oxp_view_from(pairs[2 * write.value_count]),
                                                              oxp_view_from(pairs[2 * write.value_count + 1])};
    }
    assert_int_equal(oxp_outbox_put(outbox, &write, NOW, NULL), OXP_OK);
}

static void expect_values(struct world *world, const char *wanted) {
    struct oxp_outbox_value *values;
    size_t count = 0;
    char text[256] = "";
    assert_int_equal(oxp_outbox_values(world->outbox, OXP_VIEW(""), &world->arena, &values, &count), OXP_OK);
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%.*s=%.*s ", (int)values[i].key.len, values[i].key.ptr,
                 (int)values[i].value.len, values[i].value.ptr);
    }
    assert_string_equal(text, wanted);
}

static void test_take_over(void **state) {
    static const char *const memory_has[] = {"cw/a", "new", "cw/b", "1", "group/x", "told", NULL, NULL};
    static const char *const disk_has[] = {"cw/a", "old", "cw/z", "9", "group/x", "old", "group/y", "kept", NULL, NULL};
    const struct oxp_outbox_note note = {OXP_VIEW("reload"), OXP_VIEW("once")};
    const struct oxp_outbox_write noted = {.notes = &note, .note_count = 1};
    struct world *to = *state, from;
    struct oxp_outbox_noted *notes;
    size_t moved = 0, count = 0;
    int64_t next_ms = 0;
    world_make(&from, true);
    world_open(&from);
    assert_int_equal(world_put(to, "warning q 1 older", NOW), OXP_OK);
    assert_int_equal(world_put(to, "warning q 9 theirs", NOW), OXP_OK);
    set_values(to->outbox, disk_has);
    /* Nothing there yet: what the other one has stays. */
    assert_int_equal(oxp_outbox_take_over(from.outbox, to->outbox, OXP_VIEW("cw/"), NOW, &moved, NULL), OXP_OK);
    assert_int_equal(moved, 0);
    expect_values(to, "cw/a=old cw/z=9 group/x=old group/y=kept ");
    set_values(from.outbox, memory_has);
    static const char *const lines[] = {"info q - sent", "info q - aside", "warning q 1 newer", "critical q - claimed"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(world_put(&from, lines[i], NOW + 1), OXP_OK);
        if (i < 2) {
            assert_string_equal(world_claim(&from, NOW + 1), i == 0 ? "sent" : "aside");
            struct oxp_view no = OXP_VIEW("no");
            assert_int_equal(i == 0 ? oxp_outbox_sent(from.outbox, from.claimed_id, no, NOW + 1)
                                    : oxp_outbox_set_aside(from.outbox, from.claimed_id, no, NOW + 1),
                             OXP_OK);
        }
    }
    assert_string_equal(world_claim(&from, NOW + 1), "claimed");
    assert_int_equal(oxp_outbox_put(from.outbox, &noted, NOW + 1, NULL), OXP_OK);
    assert_int_equal(oxp_outbox_take_over(from.outbox, to->outbox, OXP_VIEW("cw/"), NOW + 2, &moved, NULL), OXP_OK);
    assert_int_equal(moved, 3);
    assert_string_equal(world_states(to),
                        "superseded:older waiting:theirs waiting:aside waiting:newer waiting:claimed ");
    expect_values(to, "cw/a=new cw/b=1 group/x=told group/y=kept ");
    assert_int_equal(oxp_outbox_notes(to->outbox, 10, &to->arena, &notes, &count), OXP_OK);
    assert_int_equal(count, 1);
    assert_string_equal(world_claim(to, NOW + 2), "claimed");
    struct oxp_outbox_message message = world_show(to, to->claimed_id);
    assert_true(oxp_view_is(message.content, "claimed"));
    assert_int_equal(message.made_ms, NOW + 1);
    assert_int_equal(oxp_outbox_claim(to->outbox, OXP_VIEW("none"), NOW, &to->arena, &message, &next_ms), OXP_END);
    assert_string_equal(world_states(&from), "sent:sent set_aside:aside waiting:newer claimed:claimed ");
    world_end(&from);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_ledger),
        WORLD_TEST(test_notes),
        WORLD_TEST(test_take_over),
    };
    return WORLD_RUN_TWICE(tests);
}
