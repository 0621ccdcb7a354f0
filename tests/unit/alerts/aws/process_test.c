/* credential_process: how its command is split and run. What it prints is in chain_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "alerts/aws/source.h"

/* Not at the first look. */
static bool give_up(void *ctx) {
    unsigned *looks = ctx;
    return ++*looks > 1;
}

static void processes(void **state) {
    (void)state;
    static const struct {
        const char *command, *output; /* output NULL = the status */
        enum oxp_status expect;
    } rows[] = {
        {"echo a  b", "a b\n", OXP_OK},
        {"echo 'a  b' \"c  d\"", "a  b c  d\n", OXP_OK},
        {"echo a\\ b \"\\\"q\\\\\" '\\x' ''", "a b \"q\\ \\x \n", OXP_OK},
        {"/bin/sh -c 'echo x >&2; cat; echo done'", "done\n", OXP_OK}, /* nothing to read, nobody hears it complain */
        {"  true  ", "", OXP_OK},
        {"false", NULL, OXP_ERR_IO},
        {"", NULL, OXP_ERR_SYNTAX},
        {"echo \"a", NULL, OXP_ERR_SYNTAX},
        {"/bin/sh -c 'kill -9 $$'", NULL, OXP_ERR_IO},
        {"sleep 60", NULL, OXP_ERR_TIMEOUT},
        {"/bin/sh -c 'exec 1>&-; sleep 60'", NULL, OXP_ERR_TIMEOUT},
        {"/bin/sh -c 'sleep 60 & echo x'", NULL, OXP_ERR_TIMEOUT}, /* a child that holds the output */
        {"sleep 61", NULL, OXP_ERR_CLOSED},
        {"/bin/sh -c 'exec 1>&-; sleep 61'", NULL, OXP_ERR_CLOSED},
        {"/bin/sh -c 'yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", NULL, OXP_ERR_LIMIT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oxp_buf out;
        struct oxp_error error = {0};
        unsigned looks = 0;
        bool hangs = rows[i].expect == OXP_ERR_TIMEOUT, given_up = rows[i].expect == OXP_ERR_CLOSED;
        const struct oxp_aws_world world = {.give_up = given_up ? give_up : NULL, .give_up_ctx = &looks};
        struct oxp_aws_fetch fetch = {.world = &world, .error = &error};
        oxp_buf_init(&out, 4096);
        enum oxp_status status = oxp_aws_process_run(&fetch, oxp_view_from(rows[i].command), hangs ? 60 : 20000, &out);
        if (status != rows[i].expect || (status == OXP_OK && strcmp(oxp_buf_text(&out), rows[i].output) != 0)) {
            print_error("%s: %s \"%s\" \"%s\"\n", rows[i].command, oxp_status_name(status), error.text,
                        oxp_buf_text(&out));
            fail();
        }
        oxp_buf_fini(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
