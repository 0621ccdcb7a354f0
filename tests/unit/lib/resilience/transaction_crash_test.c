/* Transactions that outlive their process: a crash at every store operation, stores that stop working, what cannot be
 * read. */
#include "tests/unit/lib/resilience/transaction_world.h"

/* ---- Crashes ---- */

static void run_life(struct fake *fake, unsigned fails_b) {
    struct oxp_transactions *manager = manager_over(fake);
    struct oxp_transaction *transaction = begin(manager, "x");
    world.failures_left['b'] = fails_b;
    push(transaction, "release", "a");
    push(transaction, "release", "b");
    push(transaction, "delete-file", "c");
    push(transaction, "release", "d");
    (void)oxp_transaction_rollback(transaction, NULL);
    oxp_transactions_free(manager);
}

/* The process dies after each operation on the store in turn; the next one recovers. Every step that was stored is
 * undone at least once, and nothing is left. */
static void a_crash_after_every_store_operation(void **state) {
    static struct content snapshots[SNAPSHOTS];
    static const size_t pushed[] = {1, 2, 3, 4}; /* steps that stand in the store after the n-th put */
    (void)state;
    for (unsigned fails_b = 0; fails_b <= 6; fails_b += 6) {
        struct fake first;
        fake_init(&first);
        first.snapshots = snapshots;
        world_reset();
        run_life(&first, fails_b);
        assert_true(first.snapshot_count >= 7);
        assert_int_equal(held(&first), fails_b == 0 ? 0 : 1); /* the failed step is kept */
        for (size_t i = 0; i < first.snapshot_count; i++) {
            struct fake second;
            unsigned count = 0;
            fake_init(&second);
            second.now = snapshots[i];
            bool was_held = held(&second) == 1;
            world_reset();
            struct oxp_transactions *manager = manager_over(&second);
            assert_int_equal(oxp_transactions_recover(manager, &count, NULL), OXP_OK);
            assert_int_equal(count, was_held ? 1 : 0);
            assert_int_equal(held(&second), 0);
            for (size_t k = 0; k < 4 && i < 4 && k < pushed[i]; k++) { /* died while pushing: all so far are undone */
                assert_int_equal(world.undone['a' + k], 1);
            }
            /* died while rolling back: d, c, b, a were undone before; what is left is undone now */
            if (i >= 4 && fails_b == 0) {
                static const char *const left[] = {"c b a ", "b a ", "a ", ""};
                assert_string_equal(world.done, left[i - 4]);
            }
            if (fails_b != 0 && i >= 4) {
                assert_int_equal(world.undone['b'], 1);
            }
            oxp_transactions_free(manager);
        }
    }
}

/* The store stops working at every operation in turn, for good, while the process lives on; then it dies, and another
 * one recovers with a store that works again. */
static void a_store_that_stops_working_loses_no_step(void **state) {
    (void)state;
    for (unsigned n = 1; n < 12; n++) {
        static const char steps[] = "abc";
        struct fake fake;
        bool kept[3] = {false, false, false};
        fake_init(&fake);
        fake.fails_from = n;
        world_reset();
        struct oxp_transactions *manager = manager_over(&fake);
        struct oxp_transaction *transaction = NULL;
        if (oxp_transaction_begin(manager, V("x"), NULL, &transaction) == OXP_OK) {
            for (size_t i = 0; i < 3; i++) {
                kept[i] = oxp_transaction_push(transaction, "release", oxp_view_of(&steps[i], 1)) == OXP_OK;
            }
            assert_int_equal(oxp_transaction_rollback(transaction, NULL), OXP_OK);
        }
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(world.undone[(unsigned char)steps[i]], kept[i]);
        }
        oxp_transactions_free(manager);
        fake.fails_from = 0;
        manager = manager_over(&fake);
        assert_int_equal(oxp_transactions_recover(manager, NULL, NULL), OXP_OK);
        for (size_t i = 0; i < 3; i++) {
            assert_true(world.undone[(unsigned char)steps[i]] >= kept[i]); /* some twice: they are safe to repeat */
        }
        assert_int_equal(held(&fake), 0);
        oxp_transactions_free(manager);
    }
}

static void failed_steps_are_tried_again_by_the_next(void **state) {
    struct fake fake;
    struct oxp_error error = {.text = ""};
    unsigned count = 0;
    (void)state;
    fake_init(&fake);
    world_reset();
    world.failures_left['b'] = world.failures_left['a'] = 12;
    struct oxp_transactions *manager = manager_over(&fake);
    struct oxp_transaction *transaction = begin(manager, "x");
    push(transaction, "release", "a");
    push(transaction, "release", "b");
    push(transaction, "release", "c");
    assert_int_equal(oxp_transaction_rollback(transaction, NULL), OXP_ERR_IO);
    assert_string_equal(world.done, "c ");
    oxp_transactions_free(manager);
    manager = manager_over(&fake);
    assert_int_equal(oxp_transactions_recover(manager, &count, &error), OXP_ERR_IO); /* the seventh to twelfth try */
    assert_string_equal(error.text, "txn.x: an undo step failed: what it should have undone is left");
    assert_int_equal(count, 1);
    assert_int_equal(held(&fake), 1);
    assert_int_equal(oxp_transactions_recover(manager, &count, &error), OXP_OK);
    assert_string_equal(world.done, "c b a "); /* still in their order */
    assert_int_equal(held(&fake), 0);
    oxp_transactions_free(manager);
}

/* Failed ones on both sides of one that worked: the next process finds them in their order. */
static void what_is_kept_keeps_its_order(void **state) {
    struct fake fake;
    (void)state;
    fake_init(&fake);
    world_reset();
    world.failures_left['a'] = world.failures_left['c'] = 6;
    struct oxp_transactions *manager = manager_over(&fake);
    struct oxp_transaction *transaction = begin(manager, "x");
    push(transaction, "release", "a");
    push(transaction, "release", "b");
    push(transaction, "release", "c");
    assert_int_equal(oxp_transaction_rollback(transaction, NULL), OXP_ERR_IO);
    assert_int_equal(oxp_transactions_recover(manager, NULL, NULL), OXP_OK);
    assert_string_equal(world.done, "b c a ");
    oxp_transactions_free(manager);
}

/* What cannot be read is set aside, said, and holds up nobody. */
static void corrupt_ones_are_set_aside(void **state) {
    struct fake good;
    (void)state;
    fake_init(&good);
    world_reset();
    struct oxp_transactions *manager = manager_over(&good);
    push(begin(manager, "x"), "release", "a");
    oxp_transactions_free(manager);
    size_t len = good.now.entries[0].len;
    for (size_t cut = 0; cut < 2 * len; cut++) { /* cut behind each byte, then one bit of each byte flipped */
        struct fake fake;
        struct oxp_error error = {.text = ""};
        unsigned count = 0;
        fake_init(&fake);
        fake.now = good.now;
        if (cut < len) {
            fake.now.entries[0].len = cut;
        } else {
            fake.now.entries[0].value[cut - len] ^= (char)(1 << cut % 8);
        }
        size_t left = fake.now.entries[0].len;
        world_reset();
        manager = manager_over(&fake);
        push(begin(manager, "mine"), "release", "m"); /* open: not touched */
        assert_int_equal(oxp_transactions_recover(manager, &count, &error), OXP_ERR_CORRUPT);
        assert_true(error.text[0] != '\0');
        assert_int_equal(count, 1);
        assert_string_equal(world.done, "");
        assert_int_equal(find(&fake.now, "txn.x"), -1);
        int at = find(&fake.now, "txn.x.corrupt");
        assert_true(at >= 0 && fake.now.entries[at].len == left);
        assert_non_null(strstr(world.notes.text, "error code=txn_rollback_failed"));
        assert_non_null(strstr(world.notes.text, "transaction outcome=rollback_failed name=x;"));
        assert_int_equal(oxp_transactions_recover(manager, &count, NULL), OXP_OK); /* once */
        assert_int_equal(count, 0);
        oxp_transactions_free(manager);
    }
}

static void a_kind_that_nobody_knows_any_more(void **state) {
    static const struct oxp_undo_kind other[] = {{"other", undo, NULL, NULL}};
    struct fake fake;
    (void)state;
    fake_init(&fake);
    world_reset();
    struct oxp_transactions *manager = manager_over(&fake);
    struct oxp_transaction *transaction = begin(manager, "x");
    push(transaction, "release", "a");
    push(transaction, "delete-file", "b");
    oxp_transactions_free(manager);
    const struct oxp_transactions_options options = {
        .kinds = other, .kind_count = 1, .store = &fake.store, .now_s = world_now, .sleep = world_sleep};
    assert_int_equal(oxp_transactions_new(&options, &manager), OXP_OK);
    assert_int_equal(oxp_transactions_recover(manager, NULL, NULL), OXP_ERR_IO);
    assert_string_equal(world.slept, ""); /* it would be no better the next time */
    oxp_transactions_free(manager);
    assert_int_equal(held(&fake), 1); /* kept, with its kinds, for a process that knows them */
    manager = manager_over(&fake);
    assert_int_equal(oxp_transactions_recover(manager, NULL, NULL), OXP_OK);
    assert_string_equal(world.done, "b a ");
    oxp_transactions_free(manager);
}

static void recovery_hands_up_what_the_store_says(void **state) {
    struct fake fake;
    struct oxp_error error = {.text = ""};
    unsigned count = 9;
    (void)state;
    fake_init(&fake);
    world_reset();
    struct oxp_transactions *manager = manager_over(&fake);
    push(begin(manager, "x"), "release", "a");
    push(begin(manager, "y"), "release", "b");
    oxp_transactions_free(manager);
    manager = manager_over(&fake);
    fake.fails_list = true;
    assert_int_equal(oxp_transactions_recover(manager, &count, &error), OXP_ERR_IO);
    assert_string_equal(error.text, "cannot list");
    assert_int_equal(count, 0);
    fake.fails_list = false;
    fake.fails_get = true;
    assert_int_equal(oxp_transactions_recover(manager, &count, &error), OXP_ERR_IO);
    assert_string_equal(error.text, "cannot read");
    struct oxp_transaction *transaction = NULL;
    assert_int_equal(oxp_transaction_begin(manager, V("z"), NULL, &transaction), OXP_ERR_IO);
    fake.fails_get = false;
    assert_int_equal(oxp_transactions_recover(manager, &count, &error), OXP_OK);
    assert_int_equal(count, 2);
    assert_int_equal(world.undone['a'] + world.undone['b'], 2);
    oxp_transactions_free(manager);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_after_every_store_operation),
        cmocka_unit_test(a_store_that_stops_working_loses_no_step),
        cmocka_unit_test(failed_steps_are_tried_again_by_the_next),
        cmocka_unit_test(what_is_kept_keeps_its_order),
        cmocka_unit_test(corrupt_ones_are_set_aside),
        cmocka_unit_test(a_kind_that_nobody_knows_any_more),
        cmocka_unit_test(recovery_hands_up_what_the_store_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
