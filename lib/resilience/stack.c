#include "lib/resilience/stack.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { FRAMES_MAX = 48, LINE_MAX_BYTES = 320 };

static int frame_line(char *line, void *address) {
    Dl_info info;
    if (dladdr(address, &info) == 0 || info.dli_fname == NULL) {
        return snprintf(line, LINE_MAX_BYTES, "  at %p\n", address);
    }
    const char *slash = strrchr(info.dli_fname, '/');
    const char *module = slash == NULL ? info.dli_fname : slash + 1;
    size_t offset = (size_t)((uintptr_t)address - (uintptr_t)info.dli_fbase);
    if (info.dli_sname == NULL) {
        return snprintf(line, LINE_MAX_BYTES, "  at %.100s+0x%zx\n", module, offset);
    }
    size_t within = (size_t)((uintptr_t)address - (uintptr_t)info.dli_saddr);
    return snprintf(line, LINE_MAX_BYTES, "  at %.150s+0x%zx (%.100s+0x%zx)\n", info.dli_sname, within, module, offset);
}

size_t oxp_stack_text(char *out, size_t size, unsigned skip) {
    void *frames[FRAMES_MAX];
    int count = backtrace(frames, FRAMES_MAX);
    size_t used = 0;
    for (int i = (int)skip + 1; i < count; i++) {
        char line[LINE_MAX_BYTES];
        int len = frame_line(line, frames[i]);
        if (len <= 0 || (size_t)len >= sizeof line || used + (size_t)len > size) {
            break;
        }
        memcpy(out + used, line, (size_t)len);
        used += (size_t)len;
    }
    return used;
}
