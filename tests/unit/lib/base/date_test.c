/* Dates of the wire: what is read, and what is refused beside it. */
#include "lib/base/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define REFUSED INT64_MIN

struct row {
    const char *text;
    int64_t ms; /* REFUSED: it is no date */
};

static const struct row rfc3339[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"2026-11-22T04:26:00Z", 1795321560000},
    {"2026-11-22T04:26:00.1Z", 1795321560100},
    {"2026-11-22T04:26:00.123999Z", 1795321560123},
    {"2026-11-22T04:26:00,5Z", 1795321560500},
    {"2026-11-22T05:26:00+01:00", 1795321560000},
    {"2026-11-21T22:56:00-05:30", 1795321560000},
    {"2024-02-29T00:00:00Z", 1709164800000},
    {"0001-01-01T00:00:00Z", -62135596800000},
    {"9999-12-31T23:59:59.999Z", 253402300799999},
    {"", REFUSED},
    {"2026-11-22", REFUSED},
    {"2026-11-22T04:26:00", REFUSED},
    {"2026-11-22t04:26:00z", REFUSED},
    {"2026-11-22 04:26:00Z", REFUSED},
    {"2026-11-22T04:26Z", REFUSED},
    {"2026-11-22T04:26:00.Z", REFUSED},
    {"2026-11-22T04:26:00Z ", REFUSED},
    {"2026-11-22T24:00:00Z", REFUSED},
    {"2026-11-22T04:60:00Z", REFUSED},
    {"2026-11-22T04:26:60Z", REFUSED},
    {"2026-02-29T00:00:00Z", REFUSED},
    {"2026-04-31T00:00:00Z", REFUSED},
    {"2026-00-01T00:00:00Z", REFUSED},
    {"2026-13-01T00:00:00Z", REFUSED},
    {"2026-01-00T00:00:00Z", REFUSED},
    {"2026-11-22T04:26:00+0100", REFUSED},
    {"2026-11-22T04:26:00+25:00", REFUSED},
    {"26-11-22T04:26:00Z", REFUSED},
};

static void check(const struct row *row, bool read, int64_t ms) {
    if (read != (row->ms != REFUSED) || (read && ms != row->ms)) {
        fail_msg("\"%s\": %s %lld", row->text, read ? "read as" : "refused", (long long)ms);
    }
}

static void test_rfc3339(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rfc3339 / sizeof *rfc3339; i++) {
        int64_t ms = 0;
        bool read = oxp_date_rfc3339(oxp_view_from(rfc3339[i].text), &ms);
        check(&rfc3339[i], read, ms);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rfc3339)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
