/* When keys are fetched again; the rules are numbered in alerts/aws/credentials.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/alerts/aws/found.h"

static void container_world(struct fake *fake) {
    without_files(fake);
    fake_set(fake, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c");
}

static void refreshing(void **state) {
    (void)state;
    struct fake fake;
    struct oxp_aws_credentials *credentials = NULL;
    struct oxp_aws_place place = {.fips = false};
    container_world(&fake);
    fake_answer(&fake, (struct fake_answer){.http = 200, .body = JSON("ONE", AN_HOUR)});
    assert_int_equal(oxp_aws_credentials_new(&fake.world, &place, &credentials), OXP_OK);
    struct found found = ask(credentials, false);
    expect("first", &found, "ONE", "container");
    oxp_clock_manual_advance(&fake.clock, 44 * 60 + 59); /* rule 2: 15 min before, not earlier */
    found = ask(credentials, false);
    assert_int_equal(fake.asked_count, 1);
    oxp_clock_manual_advance(&fake.clock, 2);
    fake_answer(&fake, (struct fake_answer){.http = 403}); /* rule 4 */
    found = ask(credentials, false);
    expect("a refresh that fails", &found, "ONE", "container");
    assert_int_equal(fake.asked_count, 2);
    found = ask(credentials, false);
    assert_int_equal(fake.asked_count, 2); /* not at once again */
    oxp_clock_manual_advance(&fake.clock, 5.1);
    fake_answer(&fake, (struct fake_answer){.http = 403});
    found = ask(credentials, false);
    assert_int_equal(fake.asked_count, 3);
    oxp_clock_manual_advance(&fake.clock, 4.9); /* the pause has doubled, half of it by chance: 5 to 10 s */
    found = ask(credentials, false);
    assert_int_equal(fake.asked_count, 3);
    oxp_clock_manual_advance(&fake.clock, 5.2);
    fake_answer(&fake, (struct fake_answer){.http = 200, .body = JSON("ONE", AN_HOUR)}); /* rule 5: the same again */
    found = ask(credentials, false);
    assert_int_equal(fake.asked_count, 4);
    oxp_clock_manual_advance(&fake.clock, 59);
    found = ask(credentials, false);
    assert_int_equal(fake.asked_count, 4);
    oxp_clock_manual_advance(&fake.clock, 2);
    fake_answer(&fake, (struct fake_answer){.http = 200, .body = JSON("TWO", "2026-11-21T22:00:00Z")});
    found = ask(credentials, false);
    expect("the next", &found, "TWO", "container");
    assert_int_equal(fake.asked_count, 5);
    oxp_clock_manual_advance(&fake.clock, 6 * 3600); /* all gone */
    fake_answer(&fake, (struct fake_answer){.http = 403});
    found = ask(credentials, false);
    assert_int_equal(found.status, OXP_ERR_DENIED);
    assert_string_equal(found.id, "");
    fake_answer(&fake, (struct fake_answer){.http = 200, .body = JSON("THREE", "2026-11-22T22:00:00Z")});
    found = ask(credentials, false);
    expect("back again", &found, "THREE", "container");
    oxp_aws_credentials_free(credentials);
}

static void called_expired(void **state) {
    (void)state;
    struct fake fake;
    struct oxp_aws_credentials *credentials = NULL;
    struct oxp_aws_place place = {.fips = false};
    container_world(&fake);
    fake_answer(&fake, (struct fake_answer){.http = 200, .body = JSON("ONE", AN_HOUR)});
    fake_answer(&fake, (struct fake_answer){.http = 200, .body = JSON("TWO", AN_HOUR)});
    fake_answer(&fake, (struct fake_answer){.http = 401});
    assert_int_equal(oxp_aws_credentials_new(&fake.world, &place, &credentials), OXP_OK);
    struct found found = ask(credentials, true);
    expect("first", &found, "ONE", "container");
    found = ask(credentials, true);
    expect("others", &found, "TWO", "container");
    found = ask(credentials, true);
    assert_int_equal(found.status, OXP_ERR_DENIED); /* the old ones are no use to one who knows that they expired */
    found = ask(credentials, false);
    expect("to others they are", &found, "TWO", "container");
    oxp_aws_credentials_free(credentials);
}

static void expired_when_they_come(void **state) {
    (void)state;
    struct fake fake;
    struct oxp_aws_credentials *credentials = NULL;
    struct oxp_aws_place place = {.fips = false};
    container_world(&fake);
    fake_answer(&fake, (struct fake_answer){.http = 200, .body = JSON("OLD", "2026-11-21T15:00:00Z"), .stays = true});
    assert_int_equal(oxp_aws_credentials_new(&fake.world, &place, &credentials), OXP_OK);
    struct found found = ask(credentials, false);
    expect("rule 6", &found, "OLD", "container");
    oxp_clock_manual_advance(&fake.clock, 59);
    found = ask(credentials, false);
    assert_int_equal(fake.asked_count, 1);
    oxp_clock_manual_advance(&fake.clock, 2);
    found = ask(credentials, false);
    expect("and again", &found, "OLD", "container");
    assert_int_equal(fake.asked_count, 2);
    oxp_aws_credentials_free(credentials);
}

static void keys_that_do_not_expire(void **state) {
    (void)state;
    struct fake fake;
    struct oxp_aws_credentials *credentials = NULL;
    struct oxp_aws_place place = {.fips = false};
    without_files(&fake);
    fake_set(&fake, "AWS_ACCESS_KEY_ID", "ONE");
    fake_set(&fake, "AWS_SECRET_ACCESS_KEY", "s");
    assert_int_equal(oxp_aws_credentials_new(&fake.world, &place, &credentials), OXP_OK);
    struct found found = ask(credentials, false);
    fake_set(&fake, "AWS_ACCESS_KEY_ID", "TWO");
    oxp_clock_manual_advance(&fake.clock, 1e7);
    found = ask(credentials, false);
    expect("rule 1", &found, "ONE", "environment");
    found = ask(credentials, true);
    expect("called expired", &found, "TWO", "environment");
    oxp_aws_credentials_free(credentials);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refreshing),
        cmocka_unit_test(called_expired),
        cmocka_unit_test(expired_when_they_come),
        cmocka_unit_test(keys_that_do_not_expire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
