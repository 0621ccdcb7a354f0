#include "exporter/app/watching.h"

#include "exporter/app/storage.h"
#include "exporter/provider/poller.h"
#include "exporter/watch/follow.h"
#include "exporter/watch/process.h"
#include "lib/base/buf.h"
#include "lib/base/crc32.h"
#include "lib/net/net.h"
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Every watcher's thread waits for the loop without limit: once the loop has ended the call comes back at once, and
 * until then there is no better place for what was seen. The loop never waits for a watcher. */
#define NO_LIMIT_MS (-1)
#define LOG_INTERVAL_MS 100
#define LOG_BATCH_MAX ((size_t)256 * 1024) /* bytes of log lines that wait for the loop */
#define LOG_BATCH_KEPT ((size_t)64 * 1024) /* bytes of memory that are kept for the next ones */
#define PROVIDER_IDS_MAX 256

/* Whose counts those are that the ledger is told: it knows one process, whose counts never fall. Another one's go on
 * from where they were, so that what it had used before it was looked at counts for nothing. */
struct continued {
    int64_t pid; /* 0 = none yet */
    uint64_t start_ticks;
    double base[4], last[4]; /* seconds in user and system mode, bytes read and written */
};

struct oxp_watching {
    struct oxp_daemon *daemon;
    /* The process. */
    struct oxp_process_watch *process;
    struct continued continued; /* the watch's thread */
    uint64_t announcer;         /* the connection that announced what is watched; loop thread */
    /* The log. */
    struct oxp_follower *follower;
    pthread_mutex_t mutex; /* guards the four below */
    pthread_cond_t left;
    bool loop_left;       /* the loop has ended, and its thread waits for the follower's */
    struct oxp_buf batch; /* lines that wait for the loop */
    bool posted;          /* it was told that there are some */
    struct oxp_buf taken; /* loop thread, as are the next two */
    struct oxp_audit_reader audit;
    unsigned long lines; /* handed on so far */
    bool gave_lines;     /* the follower's thread, as is the next one */
    char position_path[4096];
    /* The provider. */
    struct oxp_http *http;
    struct oxp_poller *poller;
};

static double known(double value, bool is_known) {
    return is_known ? value : NAN;
}

/* ---- The process ---- */

static double go_on(struct continued *continued, unsigned i, bool is_same, double value) {
    if (isnan(value)) {
        return value;
    }
    if (!is_same) {
        continued->base[i] = continued->last[i] - value;
    }
    return continued->last[i] = continued->base[i] + value;
}

static void continue_counts(struct continued *continued, const struct oxp_process_sample *sample,
                            struct oxp_watched *watched) {
    if (!sample->present) {
        return;
    }
    bool is_same = continued->pid == sample->pid && continued->start_ticks == sample->usage.process.start_ticks;
    continued->pid = sample->pid;
    continued->start_ticks = sample->usage.process.start_ticks;
    watched->cpu_user_s = go_on(continued, 0, is_same, watched->cpu_user_s);
    watched->cpu_sys_s = go_on(continued, 1, is_same, watched->cpu_sys_s);
    watched->read_bytes = go_on(continued, 2, is_same, watched->read_bytes);
    watched->write_bytes = go_on(continued, 3, is_same, watched->write_bytes);
}

static void to_watched(const struct oxp_process_sample *sample, struct oxp_watched *out) {
    const struct oxp_process_usage *p = &sample->usage.process;
    const struct oxp_container_usage *c = &sample->usage.container;
    oxp_watched_clear(out);
    out->cpu_user_s = known(p->cpu_user_s, p->known & OXP_PROCESS_CPU);
    out->cpu_sys_s = known(p->cpu_system_s, p->known & OXP_PROCESS_CPU);
    out->rss = known((double)p->resident_bytes, p->known & OXP_PROCESS_RESIDENT);
    out->read_bytes = known((double)p->read_bytes, p->known & OXP_PROCESS_DISK);
    out->write_bytes = known((double)p->write_bytes, p->known & OXP_PROCESS_DISK);
    out->fds = known((double)p->open_fds, p->known & OXP_PROCESS_OPEN_FDS);
    out->max_fds = known((double)p->max_fds, p->known & OXP_PROCESS_MAX_FDS);
    out->threads = known((double)p->threads, p->known & OXP_PROCESS_THREADS);
    out->container_cpu_s = known(c->cpu_s, c->known & OXP_CONTAINER_CPU);
    out->throttled_s = known(c->throttled_s, c->known & OXP_CONTAINER_THROTTLED);
    out->working_set = known((double)c->working_set_bytes, c->known & OXP_CONTAINER_WORKING_SET);
    out->memory_limit = known((double)c->memory_limit_bytes, c->known & OXP_CONTAINER_MEMORY_LIMIT);
    out->oom_kills = known((double)c->oom_kills, c->known & OXP_CONTAINER_OOM_KILLS);
    for (unsigned r = 0; r < OXP_PRESSURE_RESOURCES; r++) {
        for (unsigned k = 0; k < OXP_PRESSURE_KINDS; k++) {
            out->pressure_s[r][k] =
                known(c->stalled_s[r][k], c->known & ((unsigned)OXP_CONTAINER_PRESSURE << (2 * r + k)));
        }
    }
    for (size_t i = 0; i < OXP_PROCESS_MOUNTS; i++) {
        out->avail_bytes[i] = known((double)sample->avail_bytes[i], sample->avail_known[i]);
    }
}

struct sampled {
    struct oxp_watching *watching;
    struct oxp_watched watched;
};

static void take_sample(void *ctx) {
    struct sampled *sampled = ctx;
    oxp_ledger_watched(sampled->watching->daemon->ledger, &sampled->watched);
}

/* On the watch's thread. */
static void process_sampled(void *ctx, const struct oxp_process_sample *sample) {
    struct sampled sampled = {.watching = ctx};
    to_watched(sample, &sampled.watched);
    continue_counts(&sampled.watching->continued, sample, &sampled.watched);
    (void)oxp_loop_call(sampled.watching->daemon->loop, take_sample, &sampled, NO_LIMIT_MS);
}

/* On the loop thread, from the intake. */
static void announced(void *ctx, uint64_t connection, bool is_there, int64_t pid) {
    struct oxp_watching *watching = ctx;
    const struct oxp_daemon *daemon = watching->daemon;
    if (oxp_config_number(&daemon->config, OXP_OPT_ORCHESTRATOR_PID) > 0) {
        return; /* the operator knows better */
    }
    int64_t peer_pid = daemon->listener == NULL ? 0 : oxp_listener_peer_pid(daemon->listener, connection);
    if (is_there && connection != 0) {
        watching->announcer = connection;
        oxp_process_watch_set(watching->process, peer_pid, pid);
    } else if (!is_there && (connection == watching->announcer ||
                             oxp_listener_peer_pid(daemon->listener, watching->announcer) == 0)) {
        /* Of several writers another one may stop: the one that is watched goes on, as its connection shows. */
        oxp_process_watch_clear(watching->process);
    }
}

static const char *text_or_null(const char *text) {
    return text[0] == '\0' ? NULL : text;
}

static enum oxp_status watch_process(struct oxp_watching *watching, struct oxp_error *error) {
    const struct oxp_config *config = &watching->daemon->config;
    double interval_s = oxp_config_number(config, OXP_OPT_ORCHESTRATOR_WATCH_INTERVAL);
    if (!(interval_s > 0)) {
        return OXP_OK;
    }
    const struct oxp_process_watch_options options = {
        .interval_ms = (int64_t)ceil(interval_s * 1000),
        .mounts = {text_or_null(oxp_config_text(config, OXP_OPT_ORCHESTRATOR_CHECKPOINT_PATH)),
                   text_or_null(oxp_config_text(config, OXP_OPT_ORCHESTRATOR_SPOOL_PATH))},
        .sampled = process_sampled,
        .ctx = watching,
    };
    enum oxp_status status = oxp_process_watch_new(&options, &watching->process);
    if (status != OXP_OK) {
        return oxp_error_set(error, status, 0, 0, "orchestrator.watch_interval: %s", oxp_status_text(status));
    }
    oxp_intake_on_announced(watching->daemon->intake, announced, watching);
    double pid = oxp_config_number(config, OXP_OPT_ORCHESTRATOR_PID);
    if (pid > 0) {
        oxp_process_watch_set(watching->process, (int64_t)pid, 0);
    }
    return OXP_OK;
}

/* ---- The log ---- */

/* The follower's thread gathers lines in `batch`; the loop is told of the first one with a post, and takes whatever is
 * there when its turn comes. When there is much, and before a position is kept, the follower waits for it: what stands
 * before a position was applied. */

static void apply_lines(struct oxp_watching *watching, struct oxp_view left) {
    while (left.len > 0) {
        const char *newline = memchr(left.ptr, '\n', left.len);
        size_t len = newline == NULL ? left.len : (size_t)(newline - left.ptr);
        oxp_intake_log_line(watching->daemon->intake, &watching->audit, ++watching->lines, oxp_view_of(left.ptr, len));
        left = oxp_view_of(left.ptr + len + (newline != NULL), left.len - len - (newline != NULL));
    }
}

static void take_lines(void *ctx) {
    struct oxp_watching *watching = ctx;
    pthread_mutex_lock(&watching->mutex);
    struct oxp_buf lines = watching->batch;
    watching->batch = watching->taken;
    watching->posted = false;
    pthread_mutex_unlock(&watching->mutex);
    apply_lines(watching, oxp_buf_view(&lines));
    oxp_buf_clear(&lines);
    if (lines.size > LOG_BATCH_KEPT) {
        oxp_buf_fini(&lines);
    }
    watching->taken = lines;
}

/* On the follower's thread, as are the next three. When the loop has ended, the lines are applied here, while its
 * thread waits for this one: so the position that is kept last is exact. */
static void hand_over_lines(struct oxp_watching *watching) {
    if (oxp_loop_call(watching->daemon->loop, take_lines, watching, NO_LIMIT_MS) == OXP_OK) {
        return;
    }
    pthread_mutex_lock(&watching->mutex);
    while (!watching->loop_left) {
        pthread_cond_wait(&watching->left, &watching->mutex);
    }
    pthread_mutex_unlock(&watching->mutex);
    take_lines(watching);
}

static void log_line(void *ctx, struct oxp_view line) {
    struct oxp_watching *watching = ctx;
    watching->gave_lines = true;
    pthread_mutex_lock(&watching->mutex);
    char *room = oxp_buf_reserve(&watching->batch, line.len + 1);
    if (room != NULL) {
        memcpy(room, line.ptr, line.len);
        room[line.len] = '\n';
        oxp_buf_commit(&watching->batch, line.len + 1);
    }
    bool tells = !watching->posted, is_full = watching->batch.len >= LOG_BATCH_MAX;
    watching->posted = true;
    pthread_mutex_unlock(&watching->mutex);
    bool told = !tells || oxp_loop_post(watching->daemon->loop, take_lines, watching) == OXP_OK;
    if (!told || is_full || room == NULL) {
        hand_over_lines(watching);
    }
    if (room == NULL) {
        oxp_log_error(watching->daemon->log, "a line of the orchestrator's log was lost: no memory",
                      OXP_LOG_NUM("bytes", line.len));
    }
}

static void log_moved(void *ctx, const struct oxp_follow_position *position) {
    struct oxp_watching *watching = ctx;
    if (watching->gave_lines) { /* at the beginning there are none, and the loop does not run yet */
        hand_over_lines(watching);
    }
    if (watching->position_path[0] != '\0' && oxp_storage_is_ready(watching->daemon)) {
        (void)oxp_follow_position_save(watching->position_path, position);
    }
}

static void log_noticed(void *ctx, enum oxp_follow_notice notice, const char *detail) {
    static const struct {
        enum oxp_log_level level;
        const char *message;
    } rows[OXP_FOLLOW_NOTICES] = {
        [OXP_FOLLOW_OPENED] = {OXP_LOG_INFO, "the orchestrator's log is followed"},
        [OXP_FOLLOW_MISSING] = {OXP_LOG_WARNING, "the orchestrator's log is not there"},
        [OXP_FOLLOW_UNREADABLE] = {OXP_LOG_ERROR, "the orchestrator's log cannot be read"},
        [OXP_FOLLOW_ROTATED] = {OXP_LOG_INFO, "the orchestrator's log was rotated"},
        [OXP_FOLLOW_TRUNCATED] = {OXP_LOG_INFO, "the orchestrator's log was truncated"},
        [OXP_FOLLOW_OVERLONG] = {OXP_LOG_WARNING, "a line of the orchestrator's log is too long; its end was skipped"},
        [OXP_FOLLOW_CUT] = {OXP_LOG_WARNING, "a line of the orchestrator's log was never ended"},
        [OXP_FOLLOW_ENDED] = {OXP_LOG_WARNING, "the orchestrator's log ended: standard input was closed"},
    };
    struct oxp_watching *watching = ctx;
    oxp_log_write(watching->daemon->log, rows[notice].level, rows[notice].message,
                  &OXP_LOG_TEXT("detail", detail == NULL ? "" : detail), 1);
}

/* "+02:00", "-0330", "Z" */
static bool read_offset(const char *text, int *seconds_out) {
    char digits[4] = {0};
    size_t count = 0;
    if (strcmp(text, "Z") == 0 || text[0] == '\0') {
        *seconds_out = 0;
        return true;
    }
    for (const char *at = text + 1; *at != '\0'; at++) {
        if (*at == ':' && count == 2) {
            continue;
        }
        if (*at < '0' || *at > '9' || count == sizeof digits) {
            return false;
        }
        digits[count++] = (char)(*at - '0');
    }
    int hours = digits[0] * 10 + digits[1], minutes = digits[2] * 10 + digits[3];
    if (count != sizeof digits || (text[0] != '+' && text[0] != '-') || hours > 14 || minutes > 59) {
        return false;
    }
    *seconds_out = (text[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

static enum oxp_status follow_log(struct oxp_watching *watching, struct oxp_error *error) {
    const struct oxp_config *config = &watching->daemon->config;
    const char *path = oxp_config_text(config, OXP_OPT_ORCHESTRATOR_LOG_FILE);
    const char *storage = oxp_config_text(config, OXP_OPT_STORAGE_PATH);
    struct oxp_audit_options audit = {0};
    struct oxp_follow_position position;
    if (path[0] == '\0') {
        return OXP_OK;
    }
    if (!read_offset(oxp_config_text(config, OXP_OPT_ORCHESTRATOR_LOG_UTC_OFFSET), &audit.utc_offset_s)) {
        return oxp_error_set(error, OXP_ERR_INVALID, 0, 0,
                             "orchestrator.log_utc_offset: \"%s\" is not +HH:MM or -HH:MM",
                             oxp_config_text(config, OXP_OPT_ORCHESTRATOR_LOG_UTC_OFFSET));
    }
    oxp_audit_init(&watching->audit, &audit);
    if (storage[0] != '\0' && strcmp(path, "-") != 0) { /* a position for each path: one of another file is no help */
        snprintf(watching->position_path, sizeof watching->position_path, "%s/log-%08x.position", storage,
                 (unsigned)oxp_crc32c(0, path, strlen(path)));
    }
    bool resumes = watching->position_path[0] != '\0' && oxp_storage_is_ready(watching->daemon) &&
                   oxp_follow_position_load(watching->position_path, &position) == OXP_OK;
    const struct oxp_follow_options options = {.path = path,
                                               .resume = resumes ? &position : NULL,
                                               .line = log_line,
                                               .moved = log_moved,
                                               .noticed = log_noticed,
                                               .ctx = watching};
    enum oxp_status status = oxp_follower_new(&options, LOG_INTERVAL_MS, &watching->follower);
    return status == OXP_OK
               ? OXP_OK
               : oxp_error_set(error, status, 0, 0, "orchestrator.log_file %s: %s", path, oxp_status_text(status));
}

/* ---- The provider ---- */

/* One call of the poller, carried to the loop thread. */
struct told {
    struct oxp_watching *watching;
    const struct oxp_provider_answer *answer;
    const struct oxp_provider_session *session;
    struct oxp_poller_asking *asking;
    const char *id, *reason;
    bool ok;
};

static void tell(struct oxp_watching *watching, oxp_loop_fn *fn, struct told *told) {
    told->watching = watching;
    (void)oxp_loop_call(watching->daemon->loop, fn, told, NO_LIMIT_MS);
}

static void take_answer(void *ctx) {
    const struct told *told = ctx;
    struct oxp_daemon *daemon = told->watching->daemon;
    struct oxp_view ids[PROVIDER_IDS_MAX];
    oxp_ledger_provider_answered(daemon->ledger, told->answer);
    size_t count = oxp_ledger_orphans_to_release(
        daemon->ledger, oxp_config_number(&daemon->config, OXP_OPT_PROVIDER_RELEASE_AFTER), ids, PROVIDER_IDS_MAX);
    for (size_t i = 0; i < count && i < PROVIDER_IDS_MAX; i++) {
        (void)oxp_poller_release(told->watching->poller, ids[i]);
    }
}

static void take_failed(void *ctx) {
    const struct told *told = ctx;
    struct oxp_daemon *daemon = told->watching->daemon;
    oxp_ledger_provider_failed(daemon->ledger);
    oxp_log_warning(daemon->log, "the provider could not be asked about its sessions",
                    OXP_LOG_TEXT("reason", told->reason));
}

static void take_asks(void *ctx) {
    const struct told *told = ctx;
    struct oxp_view ids[PROVIDER_IDS_MAX];
    size_t count = oxp_ledger_provider_asks(told->watching->daemon->ledger, ids, PROVIDER_IDS_MAX);
    for (size_t i = 0; i < count && i < PROVIDER_IDS_MAX; i++) {
        oxp_poller_ask(told->asking, ids[i]);
    }
}

static void take_ended(void *ctx) {
    const struct told *told = ctx;
    oxp_ledger_provider_ended(told->watching->daemon->ledger, told->session);
}

static void take_released(void *ctx) {
    const struct told *told = ctx;
    struct oxp_daemon *daemon = told->watching->daemon;
    oxp_ledger_released(daemon->ledger, oxp_view_from(told->id), told->ok);
    oxp_log_write(
        daemon->log, told->ok ? OXP_LOG_INFO : OXP_LOG_WARNING,
        told->ok ? "an orphaned session was released" : "an orphaned session could not be released",
        (const struct oxp_log_field[]){OXP_LOG_TEXT("session", told->id), OXP_LOG_TEXT("reason", told->reason)}, 2);
}

static void provider_answered(void *ctx, const struct oxp_provider_answer *answer) {
    tell(ctx, take_answer, &(struct told){.answer = answer});
}

static void provider_failed(void *ctx, const char *reason) {
    tell(ctx, take_failed, &(struct told){.reason = reason});
}

static void provider_ask_about(void *ctx, struct oxp_poller_asking *asking) {
    tell(ctx, take_asks, &(struct told){.asking = asking});
}

static void provider_ended(void *ctx, const struct oxp_provider_session *session) {
    tell(ctx, take_ended, &(struct told){.session = session});
}

static void provider_released(void *ctx, const char *id, bool ok, const char *reason) {
    tell(ctx, take_released, &(struct told){.id = id, .ok = ok, .reason = reason == NULL ? "" : reason});
}

static void provider_note(void *ctx, int level, const char *message, const char *const *fields) {
    const struct oxp_watching *watching = ctx;
    oxp_daemon_note(watching->daemon, level, message, fields);
}

static enum oxp_release_mode release_mode(const struct oxp_config *config) {
    static const char *const names[] = {"off", "dry-run", "on"}; /* as enum oxp_release_mode */
    const char *text = oxp_config_text(config, OXP_OPT_PROVIDER_RELEASE_ORPHANS);
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            return (enum oxp_release_mode)i;
        }
    }
    return OXP_RELEASE_OFF;
}

static enum oxp_status poll_provider(struct oxp_watching *watching, struct oxp_error *error) {
    const struct oxp_config *config = &watching->daemon->config;
    if (oxp_config_text(config, OXP_OPT_PROVIDER_API_KEY_FILE)[0] == '\0') {
        return OXP_OK;
    }
    enum oxp_status status = oxp_net_http_new(&watching->http);
    if (status != OXP_OK) {
        return oxp_error_set(error, status, 0, 0, "provider: no HTTP client: %s", oxp_status_text(status));
    }
    const struct oxp_poller_options options = {
        .base_url = oxp_config_text(config, OXP_OPT_PROVIDER_BASE_URL),
        .api_key_file = oxp_config_text(config, OXP_OPT_PROVIDER_API_KEY_FILE),
        .project_id = oxp_config_text(config, OXP_OPT_PROVIDER_PROJECT_ID),
        .tag = oxp_config_text(config, OXP_OPT_PROVIDER_TAG),
        .interval_ms = (int64_t)(oxp_config_number(config, OXP_OPT_PROVIDER_INTERVAL) * 1000),
        .timeout_ms = (int64_t)(oxp_config_number(config, OXP_OPT_PROVIDER_TIMEOUT) * 1000),
        .release = release_mode(config),
        .http = watching->http,
        .answered = provider_answered,
        .failed = provider_failed,
        .ask_about = provider_ask_about,
        .ended = provider_ended,
        .released = provider_released,
        .note = provider_note,
        .ctx = watching,
    };
    struct oxp_error why = {0};
    status = oxp_poller_new(&options, &watching->poller, &why);
    return status == OXP_OK ? OXP_OK : oxp_error_set(error, status, 0, 0, "provider: %s", why.text);
}

/* ---- All of it ---- */

enum oxp_status oxp_watching_new(struct oxp_daemon *daemon, struct oxp_watching **watching_out,
                                 struct oxp_error *error) {
    struct oxp_watching *watching = calloc(1, sizeof *watching); /* pages of it that nobody touches cost nothing */
    if (watching == NULL) {
        return OXP_ERR_NOMEM;
    }
    watching->daemon = daemon;
    pthread_mutex_init(&watching->mutex, NULL);
    pthread_cond_init(&watching->left, NULL);
    oxp_buf_init(&watching->batch, LOG_BATCH_MAX + (size_t)2 * OXP_FOLLOW_LINE_MAX);
    oxp_buf_init(&watching->taken, LOG_BATCH_MAX + (size_t)2 * OXP_FOLLOW_LINE_MAX);
    *watching_out = watching; /* from here on it is the daemon's to free */
    enum oxp_status status = watch_process(watching, error);
    if (status == OXP_OK) {
        status = poll_provider(watching, error);
    }
    /* Last: a start that fails must not have read lines, whose position would be kept. */
    return status == OXP_OK ? follow_log(watching, error) : status;
}

void oxp_watching_reload(struct oxp_watching *watching, const struct oxp_config *config) {
    if (watching != NULL && watching->poller != NULL) {
        oxp_poller_set_release(watching->poller, release_mode(config));
    }
}

void oxp_watching_stop(struct oxp_watching *watching) {
    if (watching != NULL && watching->poller != NULL) {
        oxp_poller_stop(watching->poller);
    }
}

void oxp_watching_free(struct oxp_watching *watching) {
    if (watching == NULL) {
        return;
    }
    pthread_mutex_lock(&watching->mutex);
    watching->loop_left = true;
    pthread_cond_signal(&watching->left);
    pthread_mutex_unlock(&watching->mutex);
    oxp_follower_free(watching->follower);
    oxp_intake_on_announced(watching->daemon->intake, NULL, NULL); /* the listener has yet to hand in its last bytes */
    oxp_process_watch_free(watching->process);
    if (watching->poller != NULL) {
        oxp_poller_free(watching->poller);
    }
    if (watching->http != NULL) {
        watching->http->free(watching->http);
    }
    oxp_buf_fini(&watching->batch);
    oxp_buf_fini(&watching->taken);
    pthread_mutex_destroy(&watching->mutex);
    pthread_cond_destroy(&watching->left);
    free(watching);
}
