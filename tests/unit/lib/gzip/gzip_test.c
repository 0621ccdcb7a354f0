/* gzip both ways: what we compress gzip(1) and we expand, what gzip(1) compresses we expand; bodies that are cut,
 * damaged or too large are refused by their name. */
#include "lib/gzip/gzip.h"

#include "lib/base/buf.h"
#include "lib/base/random.h"
#include "tests/support/alloc_fail.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* A source that gives a view, at most `step` bytes at a time (0 = as many as are asked for), and counts its calls. */
struct source {
    struct oxp_view left;
    size_t step;
    unsigned ends; /* how often it said that it has ended */
};

static size_t give(void *ctx, char *out, size_t size) {
    struct source *source = ctx;
    size_t len = source->left.len < size ? source->left.len : size;
    len = source->step != 0 && len > source->step ? source->step : len;
    if (len == 0) {
        source->ends++;
        return 0;
    }
    memcpy(out, source->left.ptr, len);
    source->left.ptr += len;
    source->left.len -= len;
    return len;
}

static void compress_into(struct oxp_view plain, size_t source_step, size_t read_step, struct oxp_buf *out) {
    struct source source = {plain, source_step, 0};
    struct oxp_gzip *gzip = NULL;
    assert_int_equal(oxp_gzip_new(&gzip), OXP_OK);
    oxp_buf_init(out, 0);
    for (;;) {
        char *chunk = malloc(read_step);
        assert_non_null(chunk);
        size_t got = oxp_gzip_read(gzip, give, &source, chunk, read_step);
        assert_true(got <= read_step);
        oxp_buf_append(out, chunk, got);
        free(chunk);
        if (got == 0) {
            break;
        }
    }
    assert_int_equal(source.ends, 1); /* it is not asked again */
    oxp_gzip_free(gzip);
}

/* Runs gzip(1) over bytes in a temporary file. */
static void run_gzip(const char *flags, struct oxp_view in, struct oxp_buf *out) {
    char path[] = "/tmp/oxpecker-gzip-XXXXXX", command[256], chunk[4096];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, in.ptr, in.len), in.len);
    close(fd);
    snprintf(command, sizeof command, "gzip %s < %s", flags, path);
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): a test, over a path of its own */
    assert_non_null(pipe);
    oxp_buf_init(out, 0);
    for (size_t got = fread(chunk, 1, sizeof chunk, pipe); got > 0; got = fread(chunk, 1, sizeof chunk, pipe)) {
        oxp_buf_append(out, chunk, got);
    }
    int status = pclose(pipe);
    unlink(path);
    assert_int_equal(status, 0);
}

/* Text as a scrape has it. */
static void make_text(struct oxp_buf *out, size_t lines) {
    oxp_buf_init(out, 0);
    for (size_t i = 0; i < lines; i++) {
        oxp_buf_append_format(out, "orchestrator_tasks_ended_total{workflow=\"w%zu\",status=\"ok\"} %zu\n", i, i * i);
    }
}

static void make_noise(struct oxp_buf *out, size_t bytes) {
    struct oxp_random random;
    oxp_random_seed(&random, 7);
    oxp_buf_init(out, 0);
    for (size_t i = 0; i < bytes; i++) {
        oxp_buf_append_char(out, (char)oxp_random_u64(&random));
    }
}

static void assert_same(struct oxp_view got, struct oxp_view expected) {
    assert_int_equal(got.len, expected.len);
    if (got.len > 0) {
        assert_memory_equal(got.ptr, expected.ptr, got.len);
    }
}

static void round_trip(struct oxp_view plain, size_t source_step, size_t read_step) {
    struct oxp_buf packed, other;
    compress_into(plain, source_step, read_step, &packed);
    run_gzip("-dc", oxp_buf_view(&packed), &other);
    assert_same(oxp_buf_view(&other), plain);
    char *out = NULL;
    size_t len = 0;
    assert_int_equal(oxp_gzip_expand(oxp_buf_view(&packed), plain.len, &out, &len), OXP_OK);
    assert_same(oxp_view_of(out, len), plain);
    free(out);
    oxp_buf_fini(&packed);
    oxp_buf_fini(&other);
}

static void round_trips(void **state) {
    (void)state;
    struct oxp_buf text, noise;
    make_text(&text, 20000);
    make_noise(&noise, 300000);
    static const size_t steps[][2] = {{0, 4096}, {0, 1}, {1, 4096}, {17, 13}, {65536, 1 << 20}, {65535, 100}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        round_trip(oxp_buf_view(&text), steps[i][0], steps[i][1]);
        round_trip(oxp_buf_view(&noise), steps[i][0], steps[i][1]);
        round_trip(OXP_VIEW("x"), steps[i][0], steps[i][1]);
        round_trip(OXP_VIEW(""), steps[i][0], steps[i][1]);
    }
    oxp_buf_fini(&text);
    oxp_buf_fini(&noise);
}

static void compresses_well_enough(void **state) {
    (void)state;
    struct oxp_buf text, packed;
    make_text(&text, 20000);
    compress_into(oxp_buf_view(&text), 0, 4096, &packed);
    assert_true(packed.len * 5 < text.len);
    oxp_buf_fini(&packed);
    oxp_buf_fini(&text);
}

static void takes_little_memory(void **state) {
    (void)state;
    struct oxp_gzip *gzip = NULL;
    assert_int_equal(oxp_gzip_new(&gzip), OXP_OK);
    size_t size = malloc_usable_size(gzip);
    oxp_gzip_free(gzip);
    oxp_gzip_free(NULL);
    assert_in_range(size, 1, 600 * 1024);
}

static void expands_what_others_compress(void **state) {
    (void)state;
    static const char *const flags[] = {"-1", "-6", "-9", "-9 -n"};
    struct oxp_buf text;
    make_text(&text, 3000);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        struct oxp_buf packed;
        run_gzip(flags[i], oxp_buf_view(&text), &packed);
        char *out = NULL;
        size_t len = 0;
        assert_int_equal(oxp_gzip_expand(oxp_buf_view(&packed), 1 << 20, &out, &len), OXP_OK);
        assert_same(oxp_view_of(out, len), oxp_buf_view(&text));
        free(out);
        oxp_buf_fini(&packed);
    }
    oxp_buf_fini(&text);
}

/* RFC 1952 section 2.2: "A gzip file consists of a series of members"; section 2.3: the optional fields of a header. */
static void expands_members_and_header_fields(void **state) {
    (void)state;
    struct oxp_buf one, two, both;
    compress_into(OXP_VIEW("first,"), 0, 64, &one);
    run_gzip("-9", OXP_VIEW("second"), &two);
    oxp_buf_init(&both, 0);
    oxp_buf_append_view(&both, oxp_buf_view(&one));
    /* extra field, name and comment before the second member's data */
    static const char header[] = "\x1f\x8b\x08\x1c\0\0\0\0\0\xff\x02\0ABname.txt\0comment";
    oxp_buf_append(&both, header, sizeof header);
    oxp_buf_append(&both, two.data + 10, two.len - 10);
    char *out = NULL;
    size_t len = 0;
    assert_int_equal(oxp_gzip_expand(oxp_buf_view(&both), 100, &out, &len), OXP_OK);
    assert_same(oxp_view_of(out, len), OXP_VIEW("first,second"));
    assert_int_equal(out[len], '\0');
    free(out);
    /* the limit is for all members together */
    assert_int_equal(oxp_gzip_expand(oxp_buf_view(&both), 11, &out, &len), OXP_ERR_LIMIT);
    assert_null(out);
    oxp_buf_fini(&one);
    oxp_buf_fini(&two);
    oxp_buf_fini(&both);
}

static enum oxp_status expand_copy(const char *bytes, size_t len, size_t max) {
    char *copy = malloc(len == 0 ? 1 : len); /* exactly: the sanitizer sees a read past its end */
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    char *out = NULL;
    size_t out_len = 0;
    enum oxp_status status = oxp_gzip_expand(oxp_view_of(copy, len), max, &out, &out_len);
    assert_true((status == OXP_OK) == (out != NULL));
    free(out);
    free(copy);
    return status;
}

static void refuses_every_truncation(void **state) {
    (void)state;
    struct oxp_buf text, packed;
    make_text(&text, 40);
    compress_into(oxp_buf_view(&text), 0, 4096, &packed);
    for (size_t len = 0; len < packed.len; len++) {
        assert_int_equal(expand_copy(packed.data, len, 1 << 20), OXP_ERR_CORRUPT);
    }
    assert_int_equal(expand_copy(packed.data, packed.len, 1 << 20), OXP_OK);
    oxp_buf_fini(&packed);
    oxp_buf_fini(&text);
}

/* Each bit turned, one by one: never a crash, and never other bytes that pass for good. The bits that do not matter are
 * those of the header's flags, time and systems (bytes 3 to 9) and what fills up the last byte of data, before the
 * trailer of 8 bytes. */
static void refuses_damage(void **state) {
    (void)state;
    struct oxp_buf text, packed;
    make_text(&text, 40);
    compress_into(oxp_buf_view(&text), 0, 4096, &packed);
    for (size_t i = 0; i < packed.len * 8; i++) {
        size_t at = i / 8;
        packed.data[at] = (char)(packed.data[at] ^ (1 << i % 8));
        char *out = NULL;
        size_t len = 0;
        enum oxp_status status = oxp_gzip_expand(oxp_buf_view(&packed), 1 << 20, &out, &len);
        packed.data[at] = (char)(packed.data[at] ^ (1 << i % 8));
        if (status == OXP_OK) {
            assert_same(oxp_view_of(out, len), oxp_buf_view(&text));
            assert_true((at >= 3 && at < 10) || at == packed.len - 9);
        }
        free(out);
    }
    oxp_buf_append_text(&packed, "behind");
    assert_int_equal(expand_copy(packed.data, packed.len, 1 << 20), OXP_ERR_CORRUPT);
    oxp_buf_fini(&packed);
    oxp_buf_fini(&text);
}

static void refuses_what_is_not_gzip(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"", 0},
        {"{\"type\":1}\n", 11},
        {"\x1f\x8b", 2},
        {"\x78\x9c\x03\x00\x00\x00\x00\x01", 8},
        {"\x1f\x8b\x07\0\0\0\0\0\0\0\x03\0", 12},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(expand_copy(rows[i].bytes, rows[i].len, 1000), OXP_ERR_CORRUPT);
    }
}

static void keeps_the_limit(void **state) {
    (void)state;
    struct oxp_buf bomb, packed;
    oxp_buf_init(&bomb, 0);
    char *zeros = oxp_buf_reserve(&bomb, 32 << 20);
    assert_non_null(zeros);
    memset(zeros, 0, 32 << 20);
    oxp_buf_commit(&bomb, 32 << 20);
    compress_into(oxp_buf_view(&bomb), 0, 65536, &packed);
    assert_true(packed.len < 400000);
    static const size_t limits[] = {0, 1, 8192, 1 << 20, (32 << 20) - 1};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        assert_int_equal(expand_copy(packed.data, packed.len, limits[i]), OXP_ERR_LIMIT);
    }
    assert_int_equal(expand_copy(packed.data, packed.len, 32 << 20), OXP_OK);
    oxp_buf_fini(&packed);
    compress_into(OXP_VIEW(""), 0, 64, &packed);
    assert_int_equal(expand_copy(packed.data, packed.len, 0), OXP_OK);
    oxp_buf_fini(&packed);
    oxp_buf_fini(&bomb);
}

static void names_its_library(void **state) {
    (void)state;
    unsigned major = 0, minor = 0, patch = 0;
    assert_int_equal(sscanf(oxp_gzip_library(), "%u.%u.%u", &major, &minor, &patch), 3);
    assert_true(major >= 2);
}

static void use_starving(void *ctx) {
    const struct oxp_view *packed = ctx;
    char *out = NULL;
    size_t len = 0;
    enum oxp_status status = oxp_gzip_expand(*packed, 1 << 20, &out, &len);
    assert_true(status == (alloc_fail_hit() ? OXP_ERR_NOMEM : OXP_OK));
    free(out);
}

static void make_starving(void *ctx) {
    (void)ctx;
    struct oxp_gzip *gzip = NULL;
    enum oxp_status status = oxp_gzip_new(&gzip);
    assert_true(status == (alloc_fail_hit() ? OXP_ERR_NOMEM : OXP_OK));
    oxp_gzip_free(gzip);
}

static void survives_each_failing_allocation(void **state) {
    (void)state;
    struct oxp_buf text, packed;
    make_text(&text, 3000);
    compress_into(oxp_buf_view(&text), 0, 65536, &packed);
    struct oxp_view view = oxp_buf_view(&packed);
    assert_true(alloc_fail_each(use_starving, &view) >= 3);
    assert_int_equal(alloc_fail_each(make_starving, NULL), 1);
    oxp_buf_fini(&packed);
    oxp_buf_fini(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(compresses_well_enough),
        cmocka_unit_test(takes_little_memory),
        cmocka_unit_test(expands_what_others_compress),
        cmocka_unit_test(expands_members_and_header_fields),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(refuses_damage),
        cmocka_unit_test(refuses_what_is_not_gzip),
        cmocka_unit_test(keeps_the_limit),
        cmocka_unit_test(names_its_library),
        cmocka_unit_test(survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
