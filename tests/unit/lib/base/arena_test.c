/* The arena: pieces are aligned and stay where they are, the cap and failures stick, marks give back. */
#include "lib/base/arena.h"

#include "tests/support/alloc_fail.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void pieces_stay(void **state) {
    (void)state;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    unsigned char *piece[2000];
    for (size_t i = 0; i < 2000; i++) {
        piece[i] = oxp_arena_take(&arena, i);
        assert_non_null(piece[i]);
        assert_int_equal((uintptr_t)piece[i] % 16, 0);
        memset(piece[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < 2000; i++) {
        for (size_t k = 0; k < i; k++) {
            assert_int_equal(piece[i][k], i & 0xff);
        }
    }
    assert_true(arena.bytes >= 1999 * 1000);
    oxp_arena_fini(&arena);
    assert_int_equal(arena.bytes, 0);
}

static void zeroed_pieces_are_zero(void **state) {
    (void)state;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    memset(oxp_arena_take(&arena, 100), 0xff, 100);
    oxp_arena_clear(&arena);
    unsigned char *piece = oxp_arena_zero(&arena, 25, 4);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(piece[i], 0);
    }
    assert_null(oxp_arena_zero(&arena, SIZE_MAX / 2, 4)); /* the product does not fit */
    assert_int_equal(oxp_arena_status(&arena), OXP_ERR_LIMIT);
    oxp_arena_fini(&arena);
}

static void arrays_grow(void **state) {
    (void)state;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    uint64_t *array = NULL;
    size_t size = 0;
    for (uint64_t i = 0; i < 5000; i++) {
        if (i == size) {
            array = oxp_arena_grow(&arena, array, size, size == 0 ? 1 : size * 2, sizeof *array);
            size = size == 0 ? 1 : size * 2;
            assert_non_null(array);
        }
        array[i] = i;
    }
    for (uint64_t i = 0; i < 5000; i++) {
        assert_int_equal(array[i], i);
    }
    /* the last piece grows where it is; one that is not the last is copied */
    uint64_t *last = oxp_arena_take(&arena, 16), *same = oxp_arena_grow(&arena, last, 2, 4, 8);
    assert_ptr_equal(last, same);
    oxp_arena_take(&arena, 16);
    same[3] = 7;
    uint64_t *moved = oxp_arena_grow(&arena, same, 4, 8, 8);
    assert_ptr_not_equal(moved, same);
    assert_int_equal(moved[3], 7);
    assert_null(oxp_arena_grow(&arena, NULL, 0, SIZE_MAX / 4, 8));
    oxp_arena_fini(&arena);
}

static void the_cap_holds_and_sticks(void **state) {
    (void)state;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 100000);
    size_t taken = 0;
    while (oxp_arena_take(&arena, 1000) != NULL) {
        taken += 1000;
    }
    assert_int_equal(oxp_arena_status(&arena), OXP_ERR_LIMIT);
    assert_true(taken >= 90000 && arena.bytes <= 100000);
    oxp_arena_clear(&arena);
    assert_int_equal(oxp_arena_status(&arena), OXP_OK);
    assert_null(oxp_arena_take(&arena, 100001));
    assert_null(oxp_arena_take(&arena, SIZE_MAX));
    oxp_arena_fini(&arena);
}

static void marks_give_back(void **state) {
    (void)state;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    struct oxp_arena_mark empty = oxp_arena_here(&arena);
    assert_non_null(oxp_arena_take(&arena, 100));
    struct oxp_arena_mark mark = oxp_arena_here(&arena);
    size_t bytes = arena.bytes;
    for (int i = 0; i < 100; i++) {
        oxp_arena_take(&arena, 1000);
    }
    assert_true(arena.bytes > bytes);
    oxp_arena_reset(&arena, mark);
    assert_int_equal(arena.bytes, bytes);
    oxp_arena_reset(&arena, empty);
    assert_int_equal(arena.used, 0);
    assert_non_null(oxp_arena_take(&arena, 10));
    oxp_arena_fini(&arena);
}

static void copies_end_in_nul(void **state) {
    (void)state;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    struct oxp_view copy = oxp_arena_copy(&arena, OXP_VIEW("text"));
    assert_int_equal(copy.len, 4);
    assert_string_equal(copy.ptr, "text");
    copy = oxp_arena_copy(&arena, oxp_view_of(NULL, 0));
    assert_int_equal(copy.len, 0);
    assert_string_equal(copy.ptr, "");
    oxp_arena_fini(&arena);
}

static void take_some(void *ctx) {
    (void)ctx;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    bool all = oxp_arena_take(&arena, 3000) != NULL;
    all = oxp_arena_take(&arena, 3000) != NULL && all;
    all = oxp_arena_zero(&arena, 3, 3000) != NULL && all;
    assert_int_equal(oxp_arena_status(&arena), all ? OXP_OK : OXP_ERR_NOMEM);
    oxp_arena_fini(&arena);
}

static void memory_may_end(void **state) {
    (void)state;
    assert_int_equal(alloc_fail_each(take_some, NULL), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_stay),     cmocka_unit_test(zeroed_pieces_are_zero),
        cmocka_unit_test(arrays_grow),     cmocka_unit_test(the_cap_holds_and_sticks),
        cmocka_unit_test(marks_give_back), cmocka_unit_test(copies_end_in_nul),
        cmocka_unit_test(memory_may_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
