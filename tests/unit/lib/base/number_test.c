/* Numbers as text and back. */
#include "tests/unit/lib/base/support.h"

#include "lib/base/number.h"
#include "lib/base/random.h"
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *text_of(double value) {
    static char text[OXP_NUMBER_MAX + 1];
    text[oxp_number_from_double(text, value)] = '\0';
    return text;
}

/* ---- writing ---- */

static void test_known(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text, *canonical;
    } rows[] = {
        {0, "0", "0.0"},
        {-0.0, "-0", "-0.0"},
        {1, "1", "1.0"},
        {-1, "-1", "-1.0"},
        {10, "10", "10.0"},
        {100, "100", "100.0"},
        {0.1, "0.1", "0.1"},
        {0.3, "0.3", "0.3"},
        {0.1 + 0.2, "0.30000000000000004", "0.30000000000000004"},
        {-2.5, "-2.5", "-2.5"},
        {123.456, "123.456", "123.456"},
        {1e-4, "0.0001", "0.0001"},
        {1e-5, "0.00001", "0.00001"},
        {1.5e-5, "0.000015", "0.000015"},
        {9.999999999999999e-6, "9.999999999999999e-06", "9.999999999999999e-06"},
        {1e-6, "1e-06", "1e-06"},
        {-1e-10, "-1e-10", "-1e-10"},
        {1e-100, "1e-100", "1e-100"},
        {1e15, "1000000000000000", "1000000000000000.0"},
        {9007199254740991.0, "9007199254740991", "9007199254740991.0"},
        {9007199254740993.0, "9007199254740992", "9007199254740992.0"},
        {1e20, "100000000000000000000", "100000000000000000000.0"},
        {123456789012345680000.0, "123456789012345680000", "123456789012345680000.0"},
        {999999999999999900000.0, "999999999999999900000", "999999999999999900000.0"},
        {1e21, "1e+21", "1e+21"},
        {1e22, "1e+22", "1e+22"},
        {1e23, "1e+23", "1e+23"},
        {1.5e300, "1.5e+300", "1.5e+300"},
        {DBL_MAX, "1.7976931348623157e+308", "1.7976931348623157e+308"},
        {-DBL_MAX, "-1.7976931348623157e+308", "-1.7976931348623157e+308"},
        {DBL_MIN, "2.2250738585072014e-308", "2.2250738585072014e-308"},
        {2.225073858507201e-308, "2.225073858507201e-308", "2.225073858507201e-308"},
        {5e-324, "5e-324", "5e-324"},
        {1.5e-323, "1.5e-323", "1.5e-323"},
        {2.98023223876953125e-8, "2.9802322387695312e-08", "2.9802322387695312e-08"},
        {18014398509481984.0, "18014398509481984", "18014398509481984.0"},
        {INFINITY, "+Inf", "+Inf"},
        {-INFINITY, "-Inf", "-Inf"},
        {NAN, "NaN", "NaN"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char canonical[OXP_NUMBER_MAX + 1];
        canonical[oxp_number_from_double_canonical(canonical, rows[i].value)] = '\0';
        assert_string_equal(text_of(rows[i].value), rows[i].text);
        assert_string_equal(canonical, rows[i].canonical);
    }
    assert_string_equal(text_of(-NAN), "NaN");
}

/* The digits of `text` as one whole number, without zeros at either end. */
static size_t digits_of(const char *text, char out[OXP_NUMBER_MAX]) {
    size_t len = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text >= '0' && *text <= '9' && (len > 0 || *text != '0')) {
            out[len++] = *text;
        }
    }
    while (len > 0 && out[len - 1] == '0') {
        len--;
    }
    return len;
}

/* The text reads back as the value; no shorter one does; and among those of its length none is nearer. The C library
 * gives the correctly rounded digits of each length to compare with: when the shortest that reads back has n digits,
 * rounding to n digits is the nearest n-digit number. It need not itself read back at a power of two, where the
 * interval is lopsided, so there only the reading back and the length are asked for. */
static void check_shortest(double value) {
    const char *text = text_of(value);
    char digits[OXP_NUMBER_MAX], theirs[OXP_NUMBER_MAX], rounded[64];
    size_t count = digits_of(text, digits);
    if (oxp_bits_of(strtod(text, NULL)) != oxp_bits_of(value)) {
        fail_msg("%a became %s", value, text);
    }
    int shortest = 1;
    do {
        snprintf(rounded, sizeof rounded, "%.*e", shortest - 1, value);
    } while (strtod(rounded, NULL) != value && ++shortest < 17);
    if (count > (size_t)shortest) {
        fail_msg("%a became %s, but %s is shorter", value, text, rounded);
    }
    size_t their_count = digits_of(rounded, theirs);
    bool same = their_count == count && memcmp(digits, theirs, count) == 0;
    if (strtod(rounded, NULL) == value && !same && count == (size_t)shortest) {
        /* a tie between two nearest is allowed to go either way: the C library sees all digits, so only an exact half
         * may differ */
        double gap = fabs(strtod(text, NULL) - strtod(rounded, NULL));
        if (gap != 0 || their_count != count) {
            fail_msg("%a became %s, but %s is nearer", value, text, rounded);
        }
    }
}

static void test_shortest_random(void **state) {
    (void)state;
    struct oxp_random random;
    oxp_random_seed(&random, 20261122);
    for (int i = 0; i < 60000; i++) {
        uint64_t bits = oxp_random_u64(&random);
        if (i % 3 == 1) { /* near one */
            bits = (bits & ~(UINT64_C(0x7ff) << 52)) | (UINT64_C(1023) - 20 + bits % 90) << 52;
        } else if (i % 3 == 2) { /* few bits, and so short texts */
            bits &= ~UINT64_C(0) << 40;
        }
        if (isfinite(oxp_bits_double(bits)) && bits << 1 != 0) {
            check_shortest(oxp_bits_double(bits));
        }
    }
}

static void test_shortest_edges(void **state) {
    (void)state;
    for (int exponent = -1074; exponent <= 1023; exponent++) {
        double power = ldexp(1, exponent);
        check_shortest(power);
        check_shortest(nextafter(power, INFINITY));
        if (exponent > -1074) {
            check_shortest(nextafter(power, 0));
        }
    }
    for (int exponent = -323; exponent <= 308; exponent++) {
        char text[16];
        snprintf(text, sizeof text, "1e%d", exponent);
        double power = strtod(text, NULL);
        check_shortest(power);
        check_shortest(nextafter(power, INFINITY));
        check_shortest(3 * power / 2);
    }
    for (uint64_t bits = 1; bits < 3000; bits++) { /* subnormals */
        check_shortest(oxp_bits_double(bits));
        check_shortest(oxp_bits_double((UINT64_C(1) << 52) - bits));
    }
    check_shortest(DBL_MAX);
}

/* Decimals as people write them come back as they were written. */
static void test_decimals_return(void **state) {
    (void)state;
    for (unsigned i = 1; i < 20000; i++) {
        char text[32];
        snprintf(text, sizeof text, "%u.%03u", i / 7, i % 1000);
        size_t len = strlen(text);
        while (text[len - 1] == '0' || text[len - 1] == '.') {
            bool point = text[len - 1] == '.';
            text[--len] = '\0';
            if (point) {
                break;
            }
        }
        assert_string_equal(text_of(strtod(text, NULL)), text);
    }
}

static void test_whole_numbers(void **state) {
    (void)state;
    char text[OXP_NUMBER_MAX + 1], expected[OXP_NUMBER_MAX + 1];
    uint64_t power = 1;
    for (int i = 0; i < 20; i++, power *= 10) {
        const uint64_t near[] = {power - 1, power, power + 1, power * 9, ~power};
        for (size_t j = 0; j < COUNT_OF(near); j++) {
            text[oxp_number_from_u64(text, near[j])] = '\0';
            snprintf(expected, sizeof expected, "%ju", (uintmax_t)near[j]);
            assert_string_equal(text, expected);
            text[oxp_number_from_i64(text, (int64_t)near[j])] = '\0';
            snprintf(expected, sizeof expected, "%jd", (intmax_t)(int64_t)near[j]);
            assert_string_equal(text, expected);
        }
    }
    for (int i = 0; i < 64; i++) {
        text[oxp_number_from_u64(text, UINT64_C(1) << i)] = '\0';
        snprintf(expected, sizeof expected, "%ju", (uintmax_t)1 << i);
        assert_string_equal(text, expected);
    }
    text[oxp_number_from_i64(text, INT64_MIN)] = '\0';
    assert_string_equal(text, "-9223372036854775808");
    text[oxp_number_from_u64(text, UINT64_MAX)] = '\0';
    assert_string_equal(text, "18446744073709551615");
}

/* ---- reading ---- */

enum { JSON = 1, EXPO = 2, BOTH = 3 };

static void test_accepted(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int grammars;
        double value;
    } rows[] = {
        {"0", BOTH, 0},
        {"-0", BOTH, -0.0},
        {"-0.0e5", BOTH, -0.0},
        {"1", BOTH, 1},
        {"-12.5", BOTH, -12.5},
        {"1e5", BOTH, 1e5},
        {"1E+5", BOTH, 1e5},
        {"1e-5", BOTH, 1e-5},
        {"0.1", BOTH, 0.1},
        {"0e999999999999999999999", BOTH, 0},
        {"1e-999999999999999999999", BOTH, 0},
        {"-1e-400", BOTH, -0.0},
        {"9007199254740993", BOTH, 9007199254740992.0},
        {"9007199254740993.0000000000000000000000000001", BOTH, 9007199254740994.0},
        {"9007199254740992999999", BOTH, 9007199254740992999999.0},
        {"123456789012345678901234567890", BOTH, 123456789012345678901234567890.0},
        {"1.7976931348623157e308", BOTH, DBL_MAX},
        {"1.7976931348623158079e308", BOTH, DBL_MAX}, /* still below the midpoint to infinity */
        {"4.9406564584124654e-324", BOTH, 5e-324},
        {"2.4703282292062328e-324", BOTH, 5e-324},
        {"2.4703282292062327e-324", BOTH, 0},
        {"2.2250738585072011e-308", BOTH, 2.2250738585072011e-308},
        {"6.9294956446009195e15", BOTH, 6929495644600919.5},
        {"0.000000000000000000000000000000000000000000001e45", BOTH, 1},
        {"1000000000000000000000000000000000000000000000e-45", BOTH, 1},
        {"+1", EXPO, 1},
        {"007", EXPO, 7},
        {"1.", EXPO, 1},
        {".5", EXPO, 0.5},
        {"-.5e1", EXPO, -5},
        {"1e400", EXPO, INFINITY},
        {"-1e400", EXPO, -INFINITY},
        {"1.7976931348623159e308", EXPO, INFINITY},
        {"Inf", EXPO, INFINITY},
        {"+inf", EXPO, INFINITY},
        {"-INF", EXPO, -INFINITY},
        {"infinity", EXPO, INFINITY},
        {"-Infinity", EXPO, -INFINITY},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_view view = oxp_view_from(rows[i].text);
        double json = 42, exposition = 42;
        enum oxp_status status = oxp_number_parse_json(view, &json);
        if ((status == OXP_OK) != ((rows[i].grammars & JSON) != 0) ||
            (status == OXP_OK && oxp_bits_of(json) != oxp_bits_of(rows[i].value))) {
            fail_msg("JSON %s: %s, %a", rows[i].text, oxp_status_name(status), json);
        }
        status = oxp_number_parse_exposition(view, &exposition);
        if (status != OXP_OK || oxp_bits_of(exposition) != oxp_bits_of(rows[i].value)) {
            fail_msg("exposition %s: %s, %a", rows[i].text, oxp_status_name(status), exposition);
        }
    }
    double nan = 0;
    assert_int_equal(oxp_number_parse_exposition(OXP_VIEW("nAn"), &nan), OXP_OK);
    assert_true(isnan(nan));
}

static void test_refused(void **state) {
    (void)state;
    static const char *const rows[] = {
        "",      " ",    "-",    "+",   ".",        "-.",      "e5",        ".e5",   "1e",   "1e+",
        "1e-",   "1 ",   " 1",   "1,5", "1_000",    "0x10",    "1e5.0",     "--1",   "+-1",  "1..2",
        "1.2.3", "1f",   "i",    "in",  "infi",     "infinit", "na",        "nan1",  "+NaN", "-NaN",
        "Infx",  "inf ", "1e5e", "one", "\xd9\xa1", "1-",      "infinityy", "--inf",
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        double value = 42;
        struct oxp_view view = oxp_view_from(rows[i]);
        if (oxp_number_parse_json(view, &value) != OXP_ERR_SYNTAX ||
            oxp_number_parse_exposition(view, &value) != OXP_ERR_SYNTAX || value != 42) {
            fail_msg("accepted: %s", rows[i]);
        }
    }
    static const char *const not_json[] = {"+1", "01", "-01", "1.", ".5", "NaN", "Infinity", "00", "1.e5"};
    for (size_t i = 0; i < COUNT_OF(not_json); i++) {
        double value = 42;
        if (oxp_number_parse_json(oxp_view_from(not_json[i]), &value) != OXP_ERR_SYNTAX || value != 42) {
            fail_msg("accepted as JSON: %s", not_json[i]);
        }
    }
    double value = 42;
    assert_int_equal(oxp_number_parse_json(OXP_VIEW("1e309"), &value), OXP_ERR_RANGE);
    assert_int_equal(oxp_number_parse_json(OXP_VIEW("-1e999999999999"), &value), OXP_ERR_RANGE);
    assert_int_equal(oxp_number_parse_json(oxp_view_of(NULL, 0), &value), OXP_ERR_SYNTAX);
    assert_int_equal(oxp_number_parse_exposition(oxp_view_of(NULL, 0), &value), OXP_ERR_SYNTAX);
    assert_int_equal(oxp_number_parse_json(oxp_view_of("1\0", 2), &value), OXP_ERR_SYNTAX);
    assert_true(value == 42);
    /* nothing behind the view is looked at */
    assert_int_equal(oxp_number_parse_json(oxp_view_of("12345", 2), &value), OXP_OK);
    assert_true(value == 12);
}

/* What we write reads back through our own reader, and so does %.17g and a cut of it. */
static void test_reading_random(void **state) {
    (void)state;
    struct oxp_random random;
    oxp_random_seed(&random, 7);
    for (int i = 0; i < 100000; i++) {
        double value = oxp_bits_double(oxp_random_u64(&random)), read = 0;
        if (!isfinite(value)) {
            continue;
        }
        char text[64];
        size_t len = oxp_number_from_double(text, value);
        assert_int_equal(oxp_number_parse_json(oxp_view_of(text, len), &read), OXP_OK);
        assert_true(oxp_bits_of(read) == oxp_bits_of(value));
        int digits = 1 + i % 25;
        len = (size_t)snprintf(text, sizeof text, "%.*e", digits, value);
        assert_int_equal(oxp_number_parse_exposition(oxp_view_of(text, len), &read), OXP_OK);
        if (oxp_bits_of(read) != oxp_bits_of(strtod(text, NULL))) {
            fail_msg("%s was read as %a", text, read);
        }
    }
}

/* A midpoint between two doubles with hundreds of digits, then one more digit thousands of places further: only that
 * digit decides. */
static void test_long_inputs(void **state) {
    (void)state;
    enum { TAIL = 5000 };
    static char text[TAIL + 1200];
    const double value = 2.2250738585072014e-308, next = nextafter(value, 1);
    /* the midpoint of the two smallest normal doubles, exactly: (2^53 + 1) * 2^-1075 */
    int len = snprintf(text, sizeof text, "%.1080Lf", ((long double)value + (long double)next) / 2);
    double read = 0;
    assert_int_equal(oxp_number_parse_json(oxp_view_of(text, (size_t)len), &read), OXP_OK);
    assert_true(oxp_bits_of(read) == oxp_bits_of(value)); /* a tie goes to even */
    memset(text + len, '0', TAIL);
    assert_int_equal(oxp_number_parse_json(oxp_view_of(text, (size_t)len + TAIL), &read), OXP_OK);
    assert_true(oxp_bits_of(read) == oxp_bits_of(value));
    text[len + TAIL - 1] = '1';
    assert_int_equal(oxp_number_parse_json(oxp_view_of(text, (size_t)len + TAIL), &read), OXP_OK);
    assert_true(oxp_bits_of(read) == oxp_bits_of(next));
    memset(text, '9', sizeof text);
    assert_int_equal(oxp_number_parse_json(oxp_view_of(text, sizeof text), &read), OXP_ERR_RANGE);
    assert_int_equal(oxp_number_parse_json(oxp_view_of(text, 308), &read), OXP_OK);
    assert_true(read == 1e308);
}

static void test_locale(void **state) {
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "C.UTF-8"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (setlocale(LC_ALL, names[i]) != NULL) {
            print_message("locale %s, decimal point %s\n", names[i], localeconv()->decimal_point);
            break;
        }
    }
    double value = 0;
    assert_int_equal(oxp_number_parse_json(OXP_VIEW("1.234567890123456789012345"), &value), OXP_OK);
    assert_true(value == 1.234567890123456789012345);
    assert_string_equal(text_of(1.5), "1.5");
    setlocale(LC_ALL, "C");
}

static void test_u64(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum oxp_status status;
        uint64_t value;
    } rows[] = {
        {"0", OXP_OK, 0},
        {"007", OXP_OK, 7},
        {"18446744073709551615", OXP_OK, UINT64_MAX},
        {"18446744073709551616", OXP_ERR_RANGE, 42},
        {"99999999999999999999", OXP_ERR_RANGE, 42},
        {"184467440737095516150", OXP_ERR_RANGE, 42},
        {"99999999999999999999x", OXP_ERR_SYNTAX, 42},
        {"", OXP_ERR_SYNTAX, 42},
        {"-1", OXP_ERR_SYNTAX, 42},
        {"+1", OXP_ERR_SYNTAX, 42},
        {"1.0", OXP_ERR_SYNTAX, 42},
        {" 1", OXP_ERR_SYNTAX, 42},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t value = 42;
        assert_int_equal(oxp_number_parse_u64(oxp_view_from(rows[i].text), &value), rows[i].status);
        assert_true(value == rows[i].value);
    }
}

/* Every row is what Go's strconv.FormatFloat(v, 'f', -1, 64) gives. */
static void test_positional(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *head, *tail; /* of the text */
        size_t length;
    } rows[] = {
        {0, "0", "0", 1},
        {-0.0, "-0", "0", 2},
        {1.5, "1.5", "1.5", 3},
        {-1e-6, "-0.000001", "1", 9},
        {1.234e-6, "0.000001234", "1234", 11},
        {1e21, "1000000000000000000000", "0", 22},
        {-1.5e21, "-1500000000000000000000", "0", 23},
        {1.2345678901234567e22, "12345678901234568", "00000", 23},
        {123456789.125, "123456789.125", "5", 13},
        {5e-324, "0.000000", "0005", 326},
        {-2.2250738585072014e-308, "-0.0000", "22250738585072014", 327},
        {1.7976931348623157e308, "17976931348623157000", "000", 309},
        {(double)INFINITY, "+Inf", "Inf", 4},
        {(double)NAN, "NaN", "NaN", 3},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[OXP_NUMBER_POSITIONAL_MAX + 1];
        size_t length = oxp_number_positional(text, rows[i].value);
        text[length] = '\0';
        size_t tail = strlen(rows[i].tail);
        if (length != rows[i].length || strncmp(text, rows[i].head, strlen(rows[i].head)) != 0 ||
            strcmp(text + length - tail, rows[i].tail) != 0) {
            fail_msg("%g: %s (%zu)", rows[i].value, text, length);
        }
        assert_true(isnan(rows[i].value) || strtod(text, NULL) == rows[i].value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_shortest_random),
        cmocka_unit_test(test_shortest_edges),
        cmocka_unit_test(test_decimals_return),
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_reading_random),
        cmocka_unit_test(test_long_inputs),
        cmocka_unit_test(test_locale),
        cmocka_unit_test(test_u64),
        cmocka_unit_test(test_positional),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
