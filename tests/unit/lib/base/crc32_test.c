/* CRC-32C. */
#include "tests/unit/lib/base/support.h"

#include "lib/base/crc32.h"
#include <string.h>

static void test_known(void **state) {
    (void)state;
    /* RFC 3720 appendix B.4, and the check value of the catalogue of parametrised CRCs */
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];
    memset(ones, 0xff, sizeof ones);
    for (uint8_t i = 0; i < 32; i++) {
        up[i] = i;
        down[i] = (uint8_t)(31 - i);
    }
    const struct {
        const void *bytes;
        size_t len;
        uint32_t crc;
    } rows[] = {
        {"", 0, 0},           {"123456789", 9, 0xe3069283}, {zeros, 32, 0x8a9136aa}, {ones, 32, 0x62a8ab43},
        {up, 32, 0x46dd794e}, {down, 32, 0x113fdb5c},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(oxp_crc32c(0, rows[i].bytes, rows[i].len), rows[i].crc);
    }
}

/* In pieces of any length, at any alignment, it is the same. */
static void test_pieces(void **state) {
    (void)state;
    char bytes[100];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)(i * 37);
    }
    uint32_t whole = oxp_crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        uint32_t first = oxp_crc32c(0, bytes, cut);
        assert_int_equal(oxp_crc32c(first, bytes + cut, sizeof bytes - cut), whole);
    }
    bytes[50] ^= 1;
    assert_int_not_equal(oxp_crc32c(0, bytes, sizeof bytes), whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
