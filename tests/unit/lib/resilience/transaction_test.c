/* Transactions: order, retries, what is said, names and limits, stores that fail, threads. */
#include "tests/unit/lib/resilience/transaction_world.h"

#include "tests/support/alloc_fail.h"
#include <pthread.h>

/* ---- Rolling back ---- */

static void rollbacks_come_out_as_written(void **state) {
    static const struct {
        const char *name;
        unsigned fails_b; /* how often undoing b fails; a and c work */
        const char *kind_b, *done, *slept;
        unsigned failed;
        bool gives_up;
        const char *report;
    } rows[] = {
        {"last first", 0, "release", "c b a ", "", 0, false,
         "transaction outcome=rolled_back name=x steps=3 failed_steps=0 duration_s=0;"},
        {"tried again", 2, "release", "c b a ", "1 2 ", 0, false,
         "transaction outcome=rolled_back name=x steps=3 failed_steps=0 duration_s=3;"},
        {"the sixth try is the last", 5, "release", "c b a ", "1 2 4 8 16 ", 0, false,
         "transaction outcome=rolled_back name=x steps=3 failed_steps=0 duration_s=31;"},
        {"it keeps failing, and holds up nobody", 6, "release", "c a ", "1 2 4 8 16 ", 1, false,
         "transaction outcome=rollback_failed name=x steps=3 failed_steps=1 duration_s=31;"},
        {"of a kind that is not repeated", 1, "delete-file", "c a ", "", 1, false,
         "transaction outcome=rollback_failed name=x steps=3 failed_steps=1 duration_s=0;"},
        {"who sleeps gives up", 3, "release", "c a ", "1 ", 1, true,
         "transaction outcome=rollback_failed name=x steps=3 failed_steps=1 duration_s=1;"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_rollback rollback;
        world_reset();
        world.failures_left['b'] = rows[i].fails_b;
        world.gives_up = rows[i].gives_up;
        struct oxp_transactions *manager = manager_over(NULL);
        struct oxp_transaction *transaction = begin(manager, "x");
        push(transaction, "release", "a");
        push(transaction, rows[i].kind_b, "b");
        push(transaction, "release", "c");
        enum oxp_status status = oxp_transaction_rollback(transaction, &rollback);
        const char *last = strstr(world.notes.text, "transaction outcome");
        if (status != (rows[i].failed == 0 ? OXP_OK : OXP_ERR_IO) || strcmp(world.done, rows[i].done) != 0 ||
            strcmp(world.slept, rows[i].slept) != 0 || rollback.steps != 3 || rollback.failed != rows[i].failed ||
            (rollback.failure != NULL) != (rows[i].failed > 0) || last == NULL || strcmp(last, rows[i].report) != 0) {
            fail_msg("%s: done %s, slept %s, failed %u, %s", rows[i].name, world.done, world.slept, rollback.failed,
                     world.notes.text);
        }
        oxp_failure_free(rollback.failure);
        oxp_transactions_free(manager);
    }
}

static void a_failed_step_says_what_is_left(void **state) {
    struct oxp_rollback rollback;
    struct oxp_pair pair;
    (void)state;
    world_reset();
    world.failures_left['a'] = world.failures_left['b'] = 99;
    world.gives_up = true;
    struct oxp_transactions *manager = manager_over(NULL);
    struct oxp_transaction *transaction = begin(manager, "order-17");
    push(transaction, "release", "a 1");
    push(transaction, "release", "b 2");
    assert_int_equal(oxp_transaction_rollback(transaction, &rollback), OXP_ERR_IO);
    assert_string_equal(oxp_failure_code(rollback.failure)->name, "txn_rollback_failed");
    assert_true(oxp_view_is(oxp_failure_ids(rollback.failure)->session, "s1"));
    assert_true(oxp_failure_attribute_at(rollback.failure, 0, &pair) && oxp_view_is(pair.value.text, "order-17"));
    assert_true(oxp_failure_attribute_at(rollback.failure, 2, &pair) && oxp_view_is(pair.value.text, "b 2"));
    assert_string_equal(oxp_failure_code(oxp_failure_cause(rollback.failure))->name, "net_reset");
    const struct oxp_failure *other = oxp_failure_cleanup_at(rollback.failure, 0);
    assert_true(other != NULL && oxp_failure_attribute_at(other, 2, &pair) && oxp_view_is(pair.value.text, "a 1"));
    /* both are reported, the second as one of cleaning up */
    const char *first = strstr(world.notes.text, "error code=txn_rollback_failed");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "error code=txn_rollback_failed"));
    assert_non_null(strstr(world.notes.text, "cleanup=true"));
    oxp_failure_free(rollback.failure);
    oxp_transactions_free(manager);
}

/* ---- Committing, letting go ---- */

static void a_commit_forgets(void **state) {
    struct fake fake;
    (void)state;
    fake_init(&fake);
    world_reset();
    struct oxp_transactions *manager = manager_over(&fake);
    struct oxp_transaction *transaction = begin(manager, "x");
    push(transaction, "release", "a");
    assert_int_equal(held(&fake), 1);
    fake.fails_remove = true;
    assert_int_equal(oxp_transaction_commit(transaction), OXP_ERR_IO); /* else the next process would undo it */
    assert_string_equal(world.notes.text, "");
    push(transaction, "release", "b"); /* nothing has changed */
    fake.fails_remove = false;
    assert_int_equal(oxp_transaction_commit(transaction), OXP_OK);
    assert_int_equal(held(&fake), 0);
    assert_string_equal(world.notes.text, "transaction outcome=committed name=x;");
    assert_string_equal(world.done, "");
    transaction = begin(manager, "x"); /* the name is free again */
    assert_int_equal(oxp_transaction_commit(transaction), OXP_OK);
    oxp_transactions_free(manager);
}

static void a_commit_that_failed_may_be_rolled_back(void **state) {
    struct fake fake;
    (void)state;
    fake_init(&fake);
    world_reset();
    struct oxp_transactions *manager = manager_over(&fake);
    struct oxp_transaction *transaction = begin(manager, "x");
    push(transaction, "release", "a");
    push(transaction, "release", "b");
    fake.fails_remove = true;
    assert_int_equal(oxp_transaction_commit(transaction), OXP_ERR_IO);
    fake.fails_remove = false;
    assert_int_equal(oxp_transaction_rollback(transaction, NULL), OXP_OK);
    assert_string_equal(world.done, "b a ");
    assert_int_equal(held(&fake), 0);
    oxp_transactions_free(manager);
}

static void a_push_that_cannot_be_stored_is_not_kept(void **state) {
    struct fake fake;
    (void)state;
    fake_init(&fake);
    world_reset();
    struct oxp_transactions *manager = manager_over(&fake);
    struct oxp_transaction *transaction = begin(manager, "x");
    push(transaction, "release", "a");
    fake.fails_put = true;
    assert_int_equal(oxp_transaction_push(transaction, "release", V("b")), OXP_ERR_FULL);
    fake.fails_put = false;
    push(transaction, "release", "c");
    assert_int_equal(oxp_transaction_rollback(transaction, NULL), OXP_OK);
    assert_string_equal(world.done, "c a ");
    oxp_transactions_free(manager);
}

static void abandoned_is_left_for_later(void **state) {
    struct fake fake;
    unsigned count = 0;
    (void)state;
    fake_init(&fake);
    world_reset();
    struct oxp_transactions *manager = manager_over(&fake);
    struct oxp_transaction *transaction = begin(manager, "x"), *again = NULL;
    push(transaction, "release", "a");
    oxp_transaction_abandon(transaction);
    assert_string_equal(world.notes.text, "transaction outcome=abandoned name=x;");
    assert_string_equal(world.done, "");
    /* what is stored is not written over */
    assert_int_equal(oxp_transaction_begin(manager, V("x"), NULL, &again), OXP_ERR_EXISTS);
    assert_null(again);
    assert_int_equal(oxp_transactions_recover(manager, &count, NULL), OXP_OK);
    assert_int_equal(count, 1);
    assert_string_equal(world.done, "a ");
    transaction = begin(manager, "x");
    oxp_transaction_abandon(transaction);
    oxp_transactions_free(manager);
    manager = manager_over(NULL); /* without a store it is lost */
    transaction = begin(manager, "y");
    push(transaction, "release", "b");
    oxp_transaction_abandon(transaction);
    assert_int_equal(oxp_transactions_recover(manager, &count, NULL), OXP_OK);
    assert_int_equal(count, 0);
    oxp_transactions_free(manager);
}

/* ---- Names, limits, managers ---- */

static void names_and_limits(void **state) {
    static const struct {
        const char *name;
        enum oxp_status status;
    } rows[] = {
        {"order-17", OXP_OK},
        {"A.b_c-9", OXP_OK},
        {"0123456789012345678901234567890123456789012345678901234567890123", OXP_OK},
        {"", OXP_ERR_INVALID},
        {"01234567890123456789012345678901234567890123456789012345678901234", OXP_ERR_INVALID},
        {"a b", OXP_ERR_INVALID},
        {"a/b", OXP_ERR_INVALID},
        {"a\nb", OXP_ERR_INVALID},
        {"\xc3\xa9", OXP_ERR_INVALID},
        {"x.corrupt", OXP_ERR_INVALID}, /* it would be passed over by recovery */
    };
    struct fake fake;
    (void)state;
    fake_init(&fake);
    world_reset();
    struct oxp_transactions *manager = manager_over(&fake);
    struct oxp_transaction *transaction = NULL;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(oxp_transaction_begin(manager, oxp_view_from(rows[i].name), NULL, &transaction),
                         rows[i].status);
        assert_int_equal(transaction != NULL, rows[i].status == OXP_OK);
    }
    assert_int_equal(oxp_transaction_begin(manager, V("order-17"), NULL, &transaction), OXP_ERR_EXISTS);
    oxp_transactions_free(manager);
    manager = manager_over(NULL);
    transaction = begin(manager, "x");
    static char data[OXP_TRANSACTION_DATA_MAX + 1] = "data";
    assert_int_equal(oxp_transaction_push(transaction, "nobody", V("a")), OXP_ERR_NOT_FOUND);
    assert_int_equal(oxp_transaction_push(transaction, "release", oxp_view_of(data, sizeof data)), OXP_ERR_LIMIT);
    for (int i = 0; i < OXP_TRANSACTION_STEPS_MAX; i++) {
        size_t len = i % 2 == 0 ? OXP_TRANSACTION_DATA_MAX : 1;
        assert_int_equal(oxp_transaction_push(transaction, "release", oxp_view_of(data, len)), OXP_OK);
    }
    assert_int_equal(oxp_transaction_push(transaction, "release", V("a")), OXP_ERR_LIMIT);
    assert_int_equal(oxp_transaction_rollback(transaction, NULL), OXP_OK);
    assert_int_equal(world.undone['d'], OXP_TRANSACTION_STEPS_MAX);
    oxp_transactions_free(manager);
    oxp_transactions_free(NULL);
}

static void kinds_are_checked(void **state) {
    static const struct {
        struct oxp_undo_kind kind;
        enum oxp_status status;
    } rows[] = {
        {{"ok", undo, NULL, "quick"}, OXP_OK},
        {{"two words", undo, NULL, NULL}, OXP_ERR_INVALID},
        {{"two\nlines", undo, NULL, NULL}, OXP_ERR_INVALID},
        {{"", undo, NULL, NULL}, OXP_ERR_INVALID},
        {{NULL, undo, NULL, NULL}, OXP_ERR_INVALID},
        {{"01234567890123456789012345678901234567890123456789012345678901234", undo, NULL, NULL}, OXP_ERR_INVALID},
        {{"idle", NULL, NULL, NULL}, OXP_ERR_INVALID},
        {{"ok", undo, NULL, "no-policy"}, OXP_ERR_INVALID},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct oxp_transactions_options options = {.kinds = &rows[i].kind, .kind_count = 1};
        struct oxp_transactions *manager = NULL;
        assert_int_equal(oxp_transactions_new(&options, &manager), rows[i].status);
        oxp_transactions_free(manager);
    }
    const struct oxp_transactions_options many = {.kind_count = 65};
    struct oxp_transactions *manager = NULL;
    assert_int_equal(oxp_transactions_new(&many, &manager), OXP_ERR_LIMIT);
}

/* Each has a store of its own; neither sees the other's. */
static void two_managers(void **state) {
    struct fake one, two;
    unsigned count = 0;
    (void)state;
    fake_init(&one);
    fake_init(&two);
    world_reset();
    struct oxp_transactions *a = manager_over(&one), *b = manager_over(&two);
    struct oxp_transaction *ours = begin(a, "x"), *theirs = begin(b, "x");
    push(ours, "release", "a");
    push(theirs, "release", "b");
    assert_int_equal(oxp_transactions_recover(a, &count, NULL), OXP_OK); /* open: not from before */
    assert_int_equal(count, 0);
    assert_int_equal(oxp_transaction_rollback(ours, NULL), OXP_OK);
    assert_string_equal(world.done, "a ");
    assert_int_equal(oxp_transaction_commit(theirs), OXP_OK);
    oxp_transactions_free(a);
    oxp_transactions_free(b);
    a = manager_over(&one);
    push(begin(a, "y"), "release", "c");
    b = manager_over(&one); /* a second one over the same store does not write over what the first has open */
    assert_int_equal(oxp_transaction_begin(b, V("y"), NULL, &ours), OXP_ERR_EXISTS);
    oxp_transactions_free(a);
    oxp_transactions_free(b);
}

static void live_and_recover(void *ctx) {
    struct fake fake;
    unsigned kept = 0;
    (void)ctx;
    fake_init(&fake);
    world_reset();
    const struct oxp_transactions_options options = {
        .kinds = kinds, .kind_count = 2, .store = &fake.store, .now_s = world_now, .sleep = world_sleep};
    struct oxp_transactions *manager = NULL;
    struct oxp_transaction *transaction = NULL;
    if (oxp_transactions_new(&options, &manager) != OXP_OK) {
        return;
    }
    if (oxp_transaction_begin(manager, V("x"), NULL, &transaction) == OXP_OK) {
        kept += oxp_transaction_push(transaction, "release", V("a")) == OXP_OK;
        kept += oxp_transaction_push(transaction, "release", V("b")) == OXP_OK;
    }
    oxp_transactions_free(manager);
    if (oxp_transactions_new(&options, &manager) != OXP_OK) {
        return;
    }
    while (oxp_transactions_recover(manager, NULL, NULL) != OXP_OK) { /* the allocation fails once */
    }
    assert_true(world.undone['a'] + world.undone['b'] >= kept);
    assert_int_equal(held(&fake), 0);
    oxp_transactions_free(manager);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    assert_true(alloc_fail_each(live_and_recover, NULL) >= 12);
}

/* ---- Threads ---- */

struct worker {
    struct oxp_transactions *manager;
    int number;
};

static struct oxp_failure *undo_quietly(void *ctx, struct oxp_view data) {
    (void)data;
    atomic_fetch_add((atomic_int *)ctx, 1);
    return NULL;
}

static void *work(void *arg) {
    struct worker *worker = arg;
    for (int i = 0; i < 50; i++) {
        char name[32];
        struct oxp_transaction *transaction = NULL;
        snprintf(name, sizeof name, "w%d", worker->number);
        if (oxp_transaction_begin(worker->manager, oxp_view_from(name), NULL, &transaction) != OXP_OK) {
            return arg;
        }
        if (oxp_transaction_push(transaction, "q", V("1")) != OXP_OK ||
            oxp_transaction_push(transaction, "q", V("2")) != OXP_OK) {
            return arg;
        }
        if (i % 2 == 0 ? oxp_transaction_commit(transaction) != OXP_OK
                       : oxp_transaction_rollback(transaction, NULL) != OXP_OK) {
            return arg;
        }
        if (worker->number < 4 && oxp_transactions_recover(worker->manager, NULL, NULL) != OXP_OK) {
            return arg;
        }
    }
    return NULL;
}

/* Recovery beside work: what is open, or just done, is never undone by it. */
static void eight_threads(void **state) {
    atomic_int undone = 0;
    const struct oxp_undo_kind kind = {"q", undo_quietly, &undone, NULL};
    struct fake fake;
    struct worker workers[8];
    pthread_t threads[8];
    (void)state;
    fake_init(&fake);
    const struct oxp_transactions_options options = {.kinds = &kind, .kind_count = 1, .store = &fake.store};
    struct oxp_transactions *manager = NULL;
    assert_int_equal(oxp_transactions_new(&options, &manager), OXP_OK);
    for (int i = 0; i < 8; i++) {
        workers[i] = (struct worker){manager, i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        assert_null(result);
    }
    assert_int_equal(undone, 8 * 25 * 2);
    assert_int_equal(held(&fake), 0);
    oxp_transactions_free(manager);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rollbacks_come_out_as_written),
        cmocka_unit_test(a_failed_step_says_what_is_left),
        cmocka_unit_test(a_commit_forgets),
        cmocka_unit_test(a_commit_that_failed_may_be_rolled_back),
        cmocka_unit_test(a_push_that_cannot_be_stored_is_not_kept),
        cmocka_unit_test(abandoned_is_left_for_later),
        cmocka_unit_test(names_and_limits),
        cmocka_unit_test(kinds_are_checked),
        cmocka_unit_test(two_managers),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(eight_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
