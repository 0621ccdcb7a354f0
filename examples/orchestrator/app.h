/* The parts of liboxpecker that this orchestrator uses, made once and wired to each other: the client reports what all
 * of them say, the beat flushes what they count, one store holds checkpoints and the undo steps of transactions. Made
 * and freed by main; in between every thread may use every part. */
#ifndef ORCHESTRATOR_APP_H
#define ORCHESTRATOR_APP_H

#include "examples/orchestrator/config.h"
#include <oxpecker/breaker.h>
#include <oxpecker/checkpoint.h>
#include <oxpecker/client.h>
#include <oxpecker/crash.h>
#include <oxpecker/fallback.h>
#include <oxpecker/http.h>
#include <oxpecker/log.h>
#include <oxpecker/recovery.h>
#include <oxpecker/resource.h>
#include <oxpecker/retry.h>
#include <oxpecker/trace.h>
#include <oxpecker/transaction.h>
#include <stdatomic.h>

enum { MODELS_MAX = 2, ID_SIZE = 96 };

struct model { /* one alternative of app->fallback */
    const char *name;
    struct oxp_breaker *breaker; /* llm_<provider> */
};

struct app {
    const struct config *config;
    struct oxp_client *client;
    struct oxp_reporter *reporter; /* the client's */
    struct oxp_logger *logger;
    struct oxp_tracer *tracer;
    struct oxp_http *otlp; /* that its spans are exported with */
    struct oxp_resource_sampler *sampler;

    struct oxp_retry_config *retry;
    struct oxp_retry_budget *budget;
    struct oxp_retry_observer observer; /* logs what follows a failed try */
    struct oxp_breakers *breakers;
    struct oxp_breaker *bb_create, *bb_release, *bb_api, *sh_api;
    struct model models[MODELS_MAX];
    size_t model_count;
    struct oxp_fallback *fallback; /* over the models; NULL when there is one only */

    struct oxp_store *store;
    struct oxp_checkpoints *checkpoints;
    struct oxp_transactions *transactions; /* made by the pool, which knows how to undo */
    struct oxp_recovery *recovery;

    _Atomic double session_timeout_s; /* of new sessions; grows when one was too short */
    atomic_bool stopping;             /* no new work */
    int audit_fd, json_fd;
};

/* True, or false with the reason on standard error and everything freed. `ask` is the fallback's alternative: it is
 * called with a struct model as context. */
bool app_start(struct app *app, const struct config *config, oxp_alternative_fn ask);
/* Says goodbye to the sidecar with `reason` and frees everything. Nobody may use it any more. */
void app_stop(struct app *app, const char *reason);

/* ---- Small helpers over the parts ---- */

/* Monotonic seconds, as the retries count them; unix seconds. */
double app_now(void);
double app_wall(void);
/* `size` - 1 random hex digits and a NUL. */
void app_random_hex(char *text, size_t size);
/* One log record with ids and, where `detail` is not NULL, that text under the key "detail". */
void app_log(struct app *app, enum oxp_log_level level, const struct oxp_ids *ids, const char *message,
             const char *detail);
/* One audit line; `details` may be NULL. */
void app_audit(struct app *app, const char *action, const char *status, const struct oxp_ids *ids, const char *details);
/* `ids` with the trace and span of `span`, which may be NULL. */
struct oxp_ids app_ids(const struct oxp_ids *ids, const struct oxp_span *span);

#endif
