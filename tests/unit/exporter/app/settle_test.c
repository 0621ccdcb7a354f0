/* Which pages are given back: those of segments that are as the file has them, and no others. */
#include "exporter/app/settle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGES = 16, PAGE_MAX = 1 << 16 };

/* Constants, in a segment that is not written: whole pages whatever a page's size is. */
static const unsigned char constants[PAGES * PAGE_MAX] __attribute__((aligned(PAGE_MAX))) = {1};

static size_t page_size;

static int setup(void **state) {
    (void)state;
    page_size = (size_t)sysconf(_SC_PAGESIZE);
    return page_size <= PAGE_MAX ? 0 : -1;
}

/* Sandboxes have kernels that tell nothing of pages; there nothing is unmapped either. */
static void skip_without_pagemap(void) {
    int file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        print_message("SKIPPED settle: /proc/self/pagemap cannot be read here\n");
        skip();
    }
    close(file);
}

static const volatile unsigned char *page_at(size_t i) {
    return constants + i * page_size;
}

/* The kernel's word on a page: bit 63 = it is there, 61 = it is the file's (Documentation/admin-guide/mm/pagemap.rst).
 */
static uint64_t entry_of(const volatile void *at) {
    uint64_t entry = 0;
    int file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(pread(file, &entry, sizeof entry, (off_t)((uintptr_t)at / page_size * sizeof entry)),
                     sizeof entry);
    close(file);
    return entry;
}

static bool is_there(const volatile void *at) {
    return entry_of(at) >> 63 != 0;
}

/* Has a page mapped. The kernel may take it away again at any time, to move it or for want of memory; not for ever. */
static void come(const volatile unsigned char *page) {
    bool there = false;
    for (int i = 0; i < 10000 && !there; i++) {
        (void)*page;
        there = is_there(page);
    }
    assert_true(there);
}

/* As a loader does that relocates code, a debugger that sets a breakpoint, an agent that redirects a function. */
static void overwrite(size_t i, unsigned char value) {
    void *page = (void *)(uintptr_t)page_at(i);
    assert_int_equal(mprotect(page, page_size, PROT_READ | PROT_WRITE), 0);
    *(volatile unsigned char *)page = value;
    assert_int_equal(mprotect(page, page_size, PROT_READ), 0);
}

/* Of a library that nothing calls: a page of our own would come back with its neighbours, which the kernel maps at once
 * when they are in one large folio. */
static void test_clean_pages_go(void **state) {
    (void)state;
    skip_without_pagemap();
    void *library = dlopen("libsqlite3.so.0", RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    const volatile unsigned char *code = dlsym(library, "sqlite3_libversion");
    assert_non_null(code);
    unsigned char before = *code;
    come(code);
    oxp_settle();
    assert_false(is_there(code));
    assert_int_equal(*code, before);
    dlclose(library);
}

static void test_changed_pages_stay(void **state) {
    (void)state;
    static const size_t changed[] = {0, 3, 4, PAGES - 1};
    for (size_t i = 0; i < sizeof changed / sizeof changed[0]; i++) {
        overwrite(changed[i], (unsigned char)(10 + i));
    }
    oxp_settle();
    for (size_t i = 0; i < sizeof changed / sizeof changed[0]; i++) {
        assert_int_equal(*page_at(changed[i]), 10 + i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean_pages_go),
        cmocka_unit_test(test_changed_pages_stay),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
