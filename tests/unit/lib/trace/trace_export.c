/* For tests/integration/test_traces.py: a host that makes a few spans and exports them over libcurl to the endpoint of
 * the environment, and so does its forked child. Ends with the counts on standard output. */
#include <oxpecker/http.h>
#include <oxpecker/trace.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void work(struct oxp_tracer *tracer, const char *name) {
    const struct oxp_trace_context remote = {"0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", true};
    struct oxp_span *root = oxp_span_start(tracer, &(struct oxp_span_options){.name = oxp_view_from(name),
                                                                              .kind = OXP_SPAN_SERVER,
                                                                              .remote = &remote,
                                                                              .ids = {.session = OXP_VIEW("s1")}});
    struct oxp_span *child = oxp_span_start(tracer, &(struct oxp_span_options){.name = OXP_VIEW("extract"),
                                                                               .component = OXP_VIEW("stagehand"),
                                                                               .kind = OXP_SPAN_CLIENT,
                                                                               .parent = root});
    const struct oxp_pair pairs[] = {oxp_pair_text("url", OXP_VIEW("wss://c/?apiKey=bb_live_canary0123456789ABCDEF")),
                                     oxp_pair_text("city", OXP_VIEW("K\xc3\xb6ln\n\"quoted\"")),
                                     oxp_pair_count("bytes", 9007199254740993U), oxp_pair_number("ratio", 0.25),
                                     oxp_pair_flag("cached", true)};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        oxp_span_set(child, &pairs[i]);
    }
    oxp_span_end(child, OXP_SPAN_ERROR, OXP_VIEW("no such element"));
    oxp_span_end(root, OXP_SPAN_OK, oxp_view_of(NULL, 0));
}

int main(void) {
    struct oxp_http *http = NULL;
    struct oxp_tracer *tracer = NULL;
    struct oxp_tracer_stats stats;
    if (oxp_http_curl_new(&http) != OXP_OK ||
        oxp_tracer_new(&(struct oxp_tracer_options){.service = "collector", .http = http}, &tracer) != OXP_OK) {
        return 1;
    }
    work(tracer, "parent");
    bool sent = oxp_tracer_flush(tracer, 20000);
    pid_t child = fork(); /* with a connection open */
    if (child == 0) {
        work(tracer, "child");
        sent = oxp_tracer_flush(tracer, 20000);
        oxp_tracer_read(tracer, &stats);
        oxp_tracer_free(tracer);
        oxp_http_free(http);
        _exit(sent && stats.exported == 2 ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    work(tracer, "parent again");
    oxp_tracer_flush(tracer, 20000);
    oxp_tracer_read(tracer, &stats);
    printf("{\"sent\":%d,\"child\":%d,\"exported\":%llu,\"dropped\":%llu}\n", sent, status,
           (unsigned long long)stats.exported, (unsigned long long)stats.dropped);
    oxp_tracer_free(tracer);
    oxp_http_free(http);
    return 0;
}
