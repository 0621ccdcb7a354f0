/* A whole file in memory, for tests that run over a corpus. */
#ifndef OXP_SUPPORT_SLURP_H
#define OXP_SUPPORT_SLURP_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

/* The bytes of a file that must be there, for the caller to free. */
static inline char *slurp(const char *path, size_t *len_out) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long len = ftell(file);
    assert_true(len >= 0);
    rewind(file);
    char *text = malloc((size_t)len + 1);
    assert_non_null(text);
    *len_out = fread(text, 1, (size_t)len, file);
    assert_int_equal(*len_out, (size_t)len);
    fclose(file);
    return text;
}

#endif
