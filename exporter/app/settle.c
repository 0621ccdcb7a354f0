#include "exporter/app/settle.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { KEPT_MAX = 64, LOOK = 256 };

struct settling {
    uintptr_t page; /* bytes */
    int map;        /* /proc/self/pagemap: 64 bits a page (Documentation/admin-guide/mm/pagemap.rst) */
    size_t kept_count;
    uintptr_t kept[KEPT_MAX]; /* where segments begin that are not as in the file; more of them: none is unmapped */
};

/* The whole pages of a segment that cannot be written. False for others. */
static bool range_of(const struct dl_phdr_info *object, unsigned i, uintptr_t page, uintptr_t *from_out,
                     uintptr_t *to_out) {
    const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
    uintptr_t at = object->dlpi_addr + segment->p_vaddr;
    *from_out = (at + page - 1) / page * page;
    *to_out = (at + segment->p_filesz) / page * page;
    return segment->p_type == PT_LOAD && (segment->p_flags & PF_W) == 0 && *from_out < *to_out;
}

/* Whether no page was written to: code that the loader had to relocate was, and what a debugger, a probe or an agent
 * has put its own instructions into. Such a page is in memory (bit 63) or swapped out (62) and not the file's (61). */
static bool is_as_in_file(const struct settling *settling, uintptr_t from, uintptr_t to) {
    uint64_t entries[LOOK];
    for (uintptr_t at = from / settling->page, end = to / settling->page; at < end;) {
        size_t wanted = end - at < LOOK ? end - at : LOOK;
        ssize_t bytes = pread(settling->map, entries, wanted * sizeof entries[0], (off_t)(at * sizeof entries[0]));
        if (bytes < (ssize_t)sizeof entries[0]) {
            return false;
        }
        size_t count = (size_t)bytes / sizeof entries[0];
        for (size_t i = 0; i < count; i++) {
            if (entries[i] >> 62 != 0 && (entries[i] >> 61 & 1) == 0) {
                return false;
            }
        }
        at += count;
    }
    return true;
}

static int look_at_segments(struct dl_phdr_info *object, size_t size, void *ctx) {
    struct settling *settling = ctx;
    uintptr_t from, to;
    (void)size;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        if (range_of(object, i, settling->page, &from, &to) && !is_as_in_file(settling, from, to)) {
            if (settling->kept_count == KEPT_MAX) {
                return -1;
            }
            settling->kept[settling->kept_count++] = from;
        }
    }
    return 0;
}

static bool is_kept(const struct settling *settling, uintptr_t from) {
    for (size_t i = 0; i < settling->kept_count; i++) {
        if (settling->kept[i] == from) {
            return true;
        }
    }
    return false;
}

static int unmap_segments(struct dl_phdr_info *object, size_t size, void *ctx) {
    const struct settling *settling = ctx;
    uintptr_t from, to;
    (void)size;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        if (range_of(object, i, settling->page, &from, &to) && !is_kept(settling, from)) {
            (void)madvise((void *)from, to - from, MADV_DONTNEED); /* the kernel's own vDSO may refuse */
        }
    }
    return 0;
}

/* Looks first and unmaps then: what the looking ran would else be mapped again. */
void oxp_settle(void) {
    long page_size = sysconf(_SC_PAGESIZE);
    struct settling settling = {.page = page_size > 0 ? (uintptr_t)page_size : 4096,
                                .map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)};
    (void)malloc_trim(0);
    if (settling.map < 0) {
        return; /* nobody says what was written to */
    }
    int looked = dl_iterate_phdr(look_at_segments, &settling);
    close(settling.map);
    if (looked == 0) {
        (void)dl_iterate_phdr(unmap_segments, &settling);
    }
}
