/* Ring, batch and memory of what is open, without threads. */
#include "lib/client/batch.h"

#include "tests/support/alloc_fail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define RING_BYTES 4096

struct world {
    struct oxp_ring ordinary, state;
    struct oxp_batch batch;
    struct oxp_open open;
    uint64_t ticket, dropped;
    char all[1 << 20]; /* every byte that was "sent" on this connection */
    size_t all_len;
};

static struct world *world(void) {
    static struct world it;
    it = (struct world){.ticket = 0};
    assert_int_equal(oxp_ring_init(&it.ordinary, RING_BYTES), OXP_OK);
    assert_int_equal(oxp_ring_init(&it.state, RING_BYTES), OXP_OK);
    assert_int_equal(oxp_batch_init(&it.batch), OXP_OK);
    oxp_open_init(&it.open, 100);
    return &it;
}

static void end_world(struct world *it) {
    oxp_ring_fini(&it->ordinary);
    oxp_ring_fini(&it->state);
    oxp_batch_fini(&it->batch);
    oxp_open_fini(&it->open);
}

static bool put(struct world *it, enum oxp_watch_verb verb, enum oxp_watch_kind kind, const char *key,
                const char *body) {
    size_t key_len = strlen(key), body_len = strlen(body);
    size_t size = (sizeof(struct oxp_record) + key_len + body_len + 15) / 16 * 16;
    struct oxp_record *record = verb == OXP_WATCH_NOTHING ? oxp_ring_push(&it->ordinary, (uint32_t)size, &it->dropped)
                                                          : oxp_ring_push(&it->state, (uint32_t)size, NULL);
    it->ticket++;
    if (record == NULL) {
        it->dropped++;
        return false;
    }
    uint32_t keep = record->size;
    *record = (struct oxp_record){.size = keep,
                                  .verb = (uint8_t)verb,
                                  .kind = (uint8_t)kind,
                                  .key_len = (uint8_t)key_len,
                                  .ticket = it->ticket,
                                  .ts_us = (int64_t)it->ticket * 1000000,
                                  .body_len = (uint16_t)body_len};
    memcpy(record + 1, key, key_len);
    memcpy((char *)(record + 1) + key_len, body, body_len);
    return true;
}

static void plain(struct world *it, const char *body) {
    put(it, OXP_WATCH_NOTHING, OXP_OPEN_RUN, "", body);
}

static void session(struct world *it, enum oxp_watch_verb verb, const char *id) {
    char body[64];
    snprintf(body, sizeof body, "\"%s\":\"%s\"", verb == OXP_WATCH_OPEN ? "open" : "close", id);
    put(it, verb, OXP_OPEN_SESSION, id, body);
}

/* As the client's thread does it: what is owed, then records. */
static void make_lines(struct world *it) {
    bool is_end = false;
    while (oxp_open_owes(&it->open) && oxp_batch_begin(&it->batch, it->dropped)) {
        oxp_open_render(&it->open, &it->batch.out, 9000000, &is_end);
        oxp_batch_end(&it->batch, is_end ? OXP_ITEM_END : OXP_ITEM_OTHER);
    }
    if (!oxp_batch_has_records(&it->batch)) {
        oxp_batch_take(&it->batch, &it->ordinary, &it->state, &it->ordinary.tail, &it->state.tail);
    }
    oxp_batch_render(&it->batch, it->dropped);
}

static void sent(struct world *it, size_t bytes) {
    memcpy(it->all + it->all_len, it->batch.out.data + it->batch.sent, bytes);
    it->all_len += bytes;
    oxp_batch_advance(&it->batch, bytes, &it->open);
}

static void send_all(struct world *it) {
    for (;;) {
        make_lines(it);
        if (!oxp_batch_has_out(&it->batch)) {
            return;
        }
        sent(it, it->batch.out.len - it->batch.sent);
    }
}

static void reconnect(struct world *it) {
    oxp_batch_rewind(&it->batch, &it->open);
    oxp_open_owe_all(&it->open);
    it->all_len = 0;
}

static void expect(struct world *it, const char *lines) {
    it->all[it->all_len] = '\0';
    assert_string_equal(it->all, lines);
    it->all_len = 0;
}

/* ---- Rings ---- */

static void order_of_tickets(void **state) {
    (void)state;
    struct world *it = world();
    plain(it, "\"a\":1");
    session(it, OXP_WATCH_OPEN, "s");
    plain(it, "\"a\":2");
    send_all(it);
    expect(it, "{\"seq\":1,\"ts\":1.000000,\"a\":1}\n{\"seq\":2,\"ts\":2.000000,\"open\":\"s\"}\n"
               "{\"seq\":3,\"ts\":3.000000,\"a\":2}\n");
    end_world(it);
}

/* Many sizes go round the block many times; nothing is lost, and all come out in order. */
static void round_and_round(void **state) {
    (void)state;
    struct world *it = world();
    char body[700];
    uint64_t next = 1;
    for (uint64_t i = 0; i < 5000; i++) {
        memset(body, 'x', sizeof body);
        body[1 + i * 37 % 650] = '\0';
        plain(it, body);
        if (i % 3 == 2) {
            uint64_t at = it->ordinary.tail;
            const struct oxp_record *record;
            while ((record = oxp_ring_at(&it->ordinary, &at, it->ordinary.head)) != NULL) {
                assert_int_equal(record->ticket, next++);
                assert_int_equal(record->body_len, 1 + (record->ticket - 1) * 37 % 650);
                at += record->size;
            }
            it->ordinary.tail = at;
        }
    }
    assert_int_equal(it->dropped, 0);
    assert_true(next > 4990);
    end_world(it);
}

static void full_drops_the_oldest(void **state) {
    (void)state;
    struct world *it = world();
    for (int i = 0; i < 1000; i++) {
        plain(it, "\"a\":1");
    }
    uint64_t at = it->ordinary.tail, kept = 0;
    const struct oxp_record *record;
    uint64_t first = 0;
    while ((record = oxp_ring_at(&it->ordinary, &at, it->ordinary.head)) != NULL) {
        first = first == 0 ? record->ticket : first;
        kept++;
        at += record->size;
    }
    assert_int_equal(kept + it->dropped, 1000);
    assert_int_equal(first, it->dropped + 1);
    assert_true(kept > 50);
    /* pinned: the newest is dropped */
    it->ordinary.pinned = true;
    uint64_t before = it->dropped;
    plain(it, "\"a\":1");
    assert_int_equal(it->dropped, before + 1);
    assert_int_equal(it->ordinary.head, at);
    end_world(it);
}

/* ---- Numbers ---- */

static void gap_is_what_was_dropped(void **state) {
    (void)state;
    struct world *it = world();
    it->dropped = 5;
    plain(it, "\"a\":1");
    send_all(it);
    it->dropped = 7;
    plain(it, "\"a\":2");
    plain(it, "\"a\":3");
    send_all(it);
    expect(it, "{\"seq\":6,\"ts\":1.000000,\"a\":1}\n{\"seq\":9,\"ts\":2.000000,\"a\":2}\n"
               "{\"seq\":10,\"ts\":3.000000,\"a\":3}\n");
    end_world(it);
}

/* A connection that closes at every byte of a batch: the line that was cut is sent again whole behind what is open, and
 * no number that was used comes again. */
static void cut_anywhere(void **state) {
    (void)state;
    const size_t line = strlen("{\"seq\":1,\"ts\":1.000000,\"a\":1}\n");
    for (size_t cut = 0; cut <= 2 * line; cut++) {
        struct world *it = world();
        session(it, OXP_WATCH_OPEN, "s");
        send_all(it);
        it->all_len = 0;
        plain(it, "\"a\":1");
        plain(it, "\"a\":2");
        make_lines(it);
        sent(it, cut);
        reconnect(it);
        it->dropped += 3;
        send_all(it);
        size_t whole = cut / line;
        char want[400];
        int n = snprintf(want, sizeof want,
                         "{\"seq\":%zu,\"ts\":9.000000,\"open\":\"s\",\"resumed\":true,"
                         "\"started_at\":1.000000}\n",
                         whole + 5);
        for (size_t i = whole; i < 2; i++) {
            n += snprintf(want + n, sizeof want - (size_t)n, "{\"seq\":%zu,\"ts\":%zu.000000,\"a\":%zu}\n", 6 + i,
                          i + 2, i + 1);
        }
        expect(it, want);
        end_world(it);
    }
}

/* ---- What is open ---- */

static void only_what_was_written_is_resumed(void **state) {
    (void)state;
    struct world *it = world();
    session(it, OXP_WATCH_OPEN, "s");
    session(it, OXP_WATCH_OPEN, "t");
    make_lines(it);
    sent(it, it->batch.items[0].end); /* t stays behind */
    reconnect(it);
    send_all(it);
    expect(it, "{\"seq\":2,\"ts\":9.000000,\"open\":\"s\",\"resumed\":true,\"started_at\":1.000000}\n"
               "{\"seq\":3,\"ts\":2.000000,\"open\":\"t\"}\n");
    session(it, OXP_WATCH_CLOSE, "s");
    send_all(it);
    reconnect(it);
    send_all(it);
    expect(it, "{\"seq\":5,\"ts\":9.000000,\"open\":\"t\",\"resumed\":true,\"started_at\":2.000000}\n");
    end_world(it);
}

static uint64_t fold_all(struct world *it) {
    uint64_t lost = oxp_batch_fold(&it->batch, &it->open);
    const struct oxp_record *record;
    while ((record = oxp_ring_at(&it->state, &it->state.tail, it->state.head)) != NULL) {
        lost += oxp_open_apply(&it->open, record, OXP_FOLDED);
        it->state.tail += record->size;
    }
    it->dropped += lost;
    return lost;
}

static void folding(void **state) {
    (void)state;
    struct world *it = world();
    session(it, OXP_WATCH_OPEN, "known");
    send_all(it);
    it->all_len = 0;
    session(it, OXP_WATCH_OPEN, "stays"); /* said later, not lost */
    session(it, OXP_WATCH_OPEN, "flash"); /* opened and closed: both lost */
    session(it, OXP_WATCH_CLOSE, "flash");
    session(it, OXP_WATCH_CLOSE, "known");  /* owed */
    session(it, OXP_WATCH_CLOSE, "nobody"); /* lost */
    assert_int_equal(fold_all(it), 3);
    session(it, OXP_WATCH_CLOSE, "stays");
    send_all(it);
    expect(it, "{\"seq\":5,\"ts\":5.000000,\"close\":\"known\"}\n"
               "{\"seq\":6,\"ts\":9.000000,\"open\":\"stays\",\"resumed\":true,\"started_at\":2.000000}\n"
               "{\"seq\":7,\"ts\":7.000000,\"close\":\"stays\"}\n");
    assert_int_equal(it->open.by_key.count, 0);
    assert_int_equal(it->open.owed_count, 0);
    end_world(it);
}

/* Folding while a line is partly out: the line is finished, what stood behind it is folded. */
static void folding_under_way(void **state) {
    (void)state;
    struct world *it = world();
    session(it, OXP_WATCH_OPEN, "a");
    session(it, OXP_WATCH_OPEN, "b");
    plain(it, "\"p\":1");
    session(it, OXP_WATCH_CLOSE, "a");
    session(it, OXP_WATCH_CLOSE, "b");
    make_lines(it);
    sent(it, 10);
    assert_int_equal(fold_all(it), 2); /* b */
    sent(it, it->batch.out.len - it->batch.sent);
    expect(it, "{\"seq\":1,\"ts\":1.000000,\"open\":\"a\"}\n");
    send_all(it);
    expect(it, "{\"seq\":4,\"ts\":4.000000,\"close\":\"a\"}\n{\"seq\":5,\"ts\":3.000000,\"p\":1}\n");
    assert_int_equal(it->open.by_key.count, 0);
    end_world(it);
}

/* The end that is owed is partly out when the connection closes: it is said again. */
static void owed_end_is_cut(void **state) {
    (void)state;
    struct world *it = world();
    session(it, OXP_WATCH_OPEN, "a");
    send_all(it);
    session(it, OXP_WATCH_CLOSE, "a");
    assert_int_equal(fold_all(it), 0);
    make_lines(it);
    sent(it, 5);
    reconnect(it);
    send_all(it);
    expect(it, "{\"seq\":2,\"ts\":2.000000,\"close\":\"a\"}\n");
    assert_int_equal(it->open.owed_count, 0);
    end_world(it);
}

static void past_the_limit(void **state) {
    (void)state;
    struct world *it = world();
    oxp_open_fini(&it->open);
    oxp_open_init(&it->open, 2);
    session(it, OXP_WATCH_OPEN, "a");
    session(it, OXP_WATCH_OPEN, "b");
    session(it, OXP_WATCH_OPEN, "c");
    send_all(it);
    assert_int_equal(it->open.by_key.count, 2);
    assert_int_equal(it->open.unkept, 1);
    end_world(it);
}

static void no_memory(void **state) {
    (void)state;
    for (size_t n = 1; n < 12; n++) {
        struct world *it = world();
        session(it, OXP_WATCH_OPEN, "a");
        send_all(it);
        session(it, OXP_WATCH_OPEN, "b");
        session(it, OXP_WATCH_CLOSE, "a");
        alloc_fail_at(n);
        uint64_t lost = fold_all(it);
        send_all(it);
        alloc_fail_at(0);
        assert_true(lost <= 2);
        end_world(it);
    }
}

static void batch_without_memory(void *ctx) {
    (void)ctx;
    struct oxp_batch batch;
    enum oxp_status status = oxp_batch_init(&batch);
    assert_true(status == OXP_OK || status == OXP_ERR_NOMEM);
    oxp_batch_fini(&batch);
}

static void init_without_memory(void **state) {
    (void)state;
    assert_int_equal(alloc_fail_each(batch_without_memory, NULL), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_tickets),
        cmocka_unit_test(round_and_round),
        cmocka_unit_test(full_drops_the_oldest),
        cmocka_unit_test(gap_is_what_was_dropped),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(only_what_was_written_is_resumed),
        cmocka_unit_test(folding),
        cmocka_unit_test(folding_under_way),
        cmocka_unit_test(owed_end_is_cut),
        cmocka_unit_test(past_the_limit),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(init_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
