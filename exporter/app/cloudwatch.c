/* oxpecker cloudwatch plan|apply|test|policy|dashboard: what the configuration wants in CloudWatch against what is
 * there. Asks AWS by itself; a running sidecar is not needed, and when one answers it says how many series each metric
 * has. */
#include "exporter/app/app.h"
#include "exporter/app/delivery.h"
#include "exporter/app/rule_files.h"
#include "exporter/app/series.h"
#include "exporter/app/verbs.h"

#include "alerts/cloudwatch/plan.h"
#include "lib/base/clock.h"
#include "lib/log/log.h"
#include "lib/net/net.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cloudwatch {
    struct oxp_verbs verbs;
    bool prune;
    struct oxp_delivery_setup setup;
    struct oxp_log *log;
    struct oxp_rule_files files;
    struct oxp_cw_plan_input input;
    struct oxp_http *http;
    struct oxp_aws_world world;
    struct oxp_aws_client *client;
    struct oxp_arena arena;
    struct oxp_buf out;
    struct oxp_error error;
};

static int fail(const struct cloudwatch *cloudwatch, enum oxp_status status) {
    const char *text = cloudwatch->error.text;
    return oxp_verbs_fail(&cloudwatch->verbs, text[0] != '\0' ? text : oxp_status_text(status));
}

static int print(struct cloudwatch *cloudwatch, enum oxp_status status) {
    if (!oxp_verbs_print(&cloudwatch->out)) { /* what was done before it failed is said, too */
        return oxp_verbs_fail(&cloudwatch->verbs, "cannot write");
    }
    oxp_buf_clear(&cloudwatch->out);
    return status == OXP_OK ? 0 : fail(cloudwatch, status);
}

/* ---- The verbs ---- */

static int plan(struct cloudwatch *cloudwatch) {
    struct oxp_cw_plan wanted = {0};
    enum oxp_status status = oxp_cw_plan(&cloudwatch->input, cloudwatch->client, cloudwatch->http, &cloudwatch->arena,
                                         &wanted, &cloudwatch->error);
    if (status == OXP_OK) {
        oxp_cw_plan_print(&cloudwatch->input, &wanted, &cloudwatch->out);
    }
    return print(cloudwatch, status);
}

static void on_done(void *ctx, const struct oxp_cw_planned *alarm) {
    static const char *const words[] = {[OXP_CW_KEEP] = "kept",
                                        [OXP_CW_CREATE] = "created",
                                        [OXP_CW_CHANGE] = "changed",
                                        [OXP_CW_REMOVE] = "removed",
                                        [OXP_CW_CONFLICT] = "conflict"};
    size_t *count = ctx;
    ++*count;
    printf("%-8s %s\n", words[alarm->change], alarm->name);
    (void)fflush(stdout);
}

static int apply(struct cloudwatch *cloudwatch) {
    struct oxp_cw_plan wanted = {0};
    size_t count = 0;
    const struct oxp_cw_apply_options options = {.prune = cloudwatch->prune, .done = on_done, .ctx = &count};
    enum oxp_status status = oxp_cw_plan(&cloudwatch->input, cloudwatch->client, cloudwatch->http, &cloudwatch->arena,
                                         &wanted, &cloudwatch->error);
    if (status == OXP_OK) {
        oxp_cw_plan_print(&cloudwatch->input, &wanted, &cloudwatch->out);
        if (print(cloudwatch, OXP_OK) != 0) {
            return 1;
        }
        status = oxp_cw_apply(&wanted, &cloudwatch->input, cloudwatch->client, cloudwatch->http, &options,
                              &cloudwatch->error);
    }
    if (status != OXP_OK) {
        return fail(cloudwatch, status);
    }
    printf("%zu %s changed\n", count, count == 1 ? "alarm was" : "alarms were");
    return 0;
}

static int test(struct cloudwatch *cloudwatch) {
    enum oxp_status status =
        oxp_cw_test(&cloudwatch->input, cloudwatch->client, cloudwatch->http, &cloudwatch->out, &cloudwatch->error);
    return print(cloudwatch, status);
}

/* Where it is said; else what the environment says, else any. */
static struct oxp_view region(struct cloudwatch *cloudwatch) {
    struct oxp_view url, found = OXP_VIEW("");
    struct oxp_error error = {0};
    struct oxp_aws_world world = {.clock = oxp_clock_system()};
    return oxp_aws_endpoint(&world, &cloudwatch->setup.cloudwatch->place, "monitoring", &cloudwatch->arena, &url,
                            &found, &error) == OXP_OK
               ? found
               : OXP_VIEW("");
}

static int policy(struct cloudwatch *cloudwatch) {
    return print(cloudwatch, oxp_cw_policy(&cloudwatch->input, region(cloudwatch), &cloudwatch->out));
}

static int dashboard(struct cloudwatch *cloudwatch) {
    enum oxp_status status = oxp_cw_dashboard(&cloudwatch->input, region(cloudwatch), &cloudwatch->out);
    if (status == OXP_OK && strstr(oxp_buf_text(&cloudwatch->out), ":" OXP_CW_ACCOUNT_UNKNOWN ":") != NULL) {
        fputs("oxpecker cloudwatch: no action of an alarm says which account this is: replace " OXP_CW_ACCOUNT_UNKNOWN
              " by its 12 digits\n",
              stderr);
    }
    return print(cloudwatch, status);
}

static const struct verb {
    const char *name;
    bool asks; /* AWS */
    int (*run)(struct cloudwatch *cloudwatch);
} verbs[] = {
    {"plan", true, plan},      {"apply", true, apply},          {"test", true, test},
    {"policy", false, policy}, {"dashboard", false, dashboard},
};

/* ---- What they need ---- */

static enum oxp_status read_rules(struct cloudwatch *cloudwatch) {
    struct oxp_log_options options = {
        .fd = STDERR_FILENO, .level = OXP_LOG_WARNING, .format = OXP_LOG_LOGFMT, .clock = oxp_clock_system()};
    enum oxp_status status = oxp_log_new(&options, &cloudwatch->log);
    return status == OXP_OK
               ? oxp_rule_files_read(&cloudwatch->verbs.config, cloudwatch->log, &cloudwatch->files, &cloudwatch->error)
               : status;
}

static enum oxp_status prepare(struct cloudwatch *cloudwatch, bool asks) {
    enum oxp_status status = oxp_delivery_read(&cloudwatch->verbs.config, true, &cloudwatch->setup, &cloudwatch->error);
    if (status == OXP_OK && (cloudwatch->setup.cloudwatch == NULL || !cloudwatch->setup.cloudwatch->enabled)) {
        status = oxp_error_set(&cloudwatch->error, OXP_ERR_INVALID, 0, 0,
                               "the configuration has no section cloudwatch; give --config.file=FILE");
    }
    if (status == OXP_OK) {
        status = read_rules(cloudwatch);
    }
    if (status != OXP_OK) {
        return status;
    }
    cloudwatch->input = (struct oxp_cw_plan_input){
        .config = cloudwatch->setup.cloudwatch,
        .identity = &cloudwatch->setup.identity,
        .files = (const struct oxp_rule_file *const *)cloudwatch->files.files,
        .file_count = cloudwatch->files.count,
    };
    if (!asks) {
        return OXP_OK;
    }
    status = oxp_net_http_new(&cloudwatch->http);
    if (status != OXP_OK) {
        return status;
    }
    cloudwatch->world = (struct oxp_aws_world){.http = cloudwatch->http, .clock = oxp_clock_system()};
    struct oxp_aws_client_options options = {
        .world = &cloudwatch->world, .place = cloudwatch->setup.cloudwatch->place, .service = "monitoring"};
    status = oxp_aws_client_new(&options, &cloudwatch->client, &cloudwatch->error);
    if (status == OXP_OK) {
        cloudwatch->input.series =
            oxp_series_of(cloudwatch->http, oxp_config_text(&cloudwatch->verbs.config, OXP_OPT_WEB_LISTEN_ADDRESS),
                          cloudwatch->setup.cloudwatch, &cloudwatch->arena);
    }
    return status;
}

static int run_verb(struct cloudwatch *cloudwatch, const struct verb *verb) {
    oxp_arena_init(&cloudwatch->arena, 0);
    oxp_buf_init(&cloudwatch->out, 0);
    enum oxp_status status = prepare(cloudwatch, verb->asks);
    int result = status == OXP_OK ? verb->run(cloudwatch) : fail(cloudwatch, status);
    oxp_aws_client_free(cloudwatch->client);
    if (cloudwatch->http != NULL) {
        cloudwatch->http->free(cloudwatch->http);
    }
    oxp_rule_files_fini(&cloudwatch->files);
    oxp_delivery_setup_fini(&cloudwatch->setup);
    oxp_log_free(cloudwatch->log);
    oxp_buf_fini(&cloudwatch->out);
    oxp_arena_fini(&cloudwatch->arena);
    return result;
}

int oxp_command_cloudwatch(int argc, char **argv) {
    struct cloudwatch cloudwatch = {
        .verbs = {
            .command = "cloudwatch",
            .usage =
                "usage: oxpecker cloudwatch plan | apply [--prune] | test | policy | dashboard  --config.file=FILE "
                "[flags]\n"}};
    const struct oxp_verb_option options[] = {{"--prune", NULL, &cloudwatch.prune}, {NULL, NULL, NULL}};
    const struct verb *verb = NULL;
    cloudwatch.verbs.options = options;
    int status = 1;
    if (oxp_verbs_read(&cloudwatch.verbs, argc, argv)) {
        for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
            bool is = strcmp(verbs[i].name, cloudwatch.verbs.words[0]) == 0 && cloudwatch.verbs.count == 1;
            verb = is ? &verbs[i] : verb;
        }
        if (verb == NULL) {
            fputs(cloudwatch.verbs.usage, stderr);
        } else {
            status = run_verb(&cloudwatch, verb);
        }
    }
    oxp_verbs_fini(&cloudwatch.verbs);
    return status;
}
