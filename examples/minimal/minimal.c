/* The least that an orchestrator needs: who it is, one session, one operation that is tried again when it fails.
 *
 *     cc minimal.c $(pkg-config --cflags --libs oxpecker) -o minimal && ./minimal
 */
#include <oxpecker/oxpecker.h>
#include <stdio.h>

/* The work. The first try fails as a busy upstream does: the table knows what to do about it. */
static bool open_page(void *ctx, unsigned attempt, struct oxp_retry_failure *failure_out) {
    (void)ctx;
    if (attempt == 1) {
        failure_out->evidence.status = 503;
        return false;
    }
    return true;
}

int main(void) {
    struct oxp_client *client = NULL;
    const struct oxp_client_options options = {.version = "1.0", .environment = "demo", .sessions_limit = 3};
    if (oxp_client_new(&options, &client) != OXP_OK) {
        fputs("no client; going on without one\n", stderr);
    }

    const struct oxp_ids ids = {.workflow = OXP_VIEW("demo"), .session = OXP_VIEW("session-1")};
    oxp_client_session_started(client, &ids, &(struct oxp_client_session){.region = OXP_VIEW("us-east-1")});

    const struct oxp_retry_options retry = {.op = OXP_VIEW("navigate"),
                                            .upstream = OXP_VIEW("browserbase"),
                                            .ids = &ids,
                                            .reporter = oxp_client_reporter(client)};
    bool worked = oxp_retry_call(&retry, open_page, NULL, NULL) == OXP_RETRY_SUCCEEDED;
    printf("navigate: %s\n", worked ? "worked" : "failed");

    oxp_client_session_ended(client, &ids, OXP_VIEW("completed"), OXP_VIEW("done"), 0);
    oxp_client_stop(client, "done", 2000);
    oxp_client_free(client);
    return worked ? 0 : 1;
}
