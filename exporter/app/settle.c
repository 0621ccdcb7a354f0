#include "exporter/app/settle.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* The whole pages of each segment that cannot be written: relocations are behind us, and were never in those. */
static int unmap_segments(struct dl_phdr_info *object, size_t size, void *page_size) {
    (void)size;
    const uintptr_t page = *(const uintptr_t *)page_size;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0) {
            continue;
        }
        uintptr_t from = (object->dlpi_addr + segment->p_vaddr + page - 1) / page * page;
        uintptr_t to = (object->dlpi_addr + segment->p_vaddr + segment->p_filesz) / page * page;
        if (from < to) {
            (void)madvise((void *)from, to - from, MADV_DONTNEED); /* the kernel's own vDSO may refuse */
        }
    }
    return 0;
}

void oxp_settle(void) {
    long page_size = sysconf(_SC_PAGESIZE);
    uintptr_t page = page_size > 0 ? (uintptr_t)page_size : 4096;
    (void)malloc_trim(0);
    (void)dl_iterate_phdr(unmap_segments, &page);
}
