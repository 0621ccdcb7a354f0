#include "tests/support/alloc_fail.h"

#include <stdlib.h>
#include <string.h>

static _Thread_local size_t countdown;
static _Thread_local bool hit;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

static bool fails(void) {
    if (countdown == 0 || --countdown != 0) {
        return false;
    }
    hit = true;
    return true;
}

void alloc_fail_at(size_t n) {
    countdown = n;
    hit = false;
}

bool alloc_fail_hit(void) {
    return hit;
}

size_t alloc_fail_each(void (*body)(void *ctx), void *ctx) {
    for (size_t n = 1;; n++) {
        alloc_fail_at(n);
        body(ctx);
        bool was_hit = hit;
        alloc_fail_at(0);
        if (!was_hit) {
            return n - 1;
        }
    }
}

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) {
    return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text) {
    return fails() ? NULL : __real_strdup(text);
}
