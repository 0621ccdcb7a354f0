#include "exporter/app/delivery.h"

#include "exporter/app/daemon.h"
#include "exporter/app/delivery_parts.h"
#include "exporter/app/ruling.h"
#include "exporter/app/sampling.h"
#include "exporter/app/storage.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TURN_MS 1000
#define RETRY_NS (5 * OXP_NS_PER_S) /* between two tries to open the outbox */
#define NOTES_MAX 4096              /* that wait for the disk; then the oldest goes */
#define NOTES_AT_ONCE 256           /* in one commit */

struct note {
    struct note *next;
    char *kind, *text;
};

struct oxp_deliveries {
    struct oxp_daemon *daemon;
    const char *directory; /* storage.path, whose text outlives every reload; "" = none */
    /* of the delivery thread, and of who begins and ends it */
    struct oxp_delivery_setup setup;
    bool unbuilt;                                   /* the setup waits for an outbox */
    bool stands_in;                                 /* the outbox is in memory, in place of that in the directory */
    struct oxp_mono tried, opened;                  /* when building and opening were tried last */
    uint64_t failures;                              /* of the outbox, counted so far */
    char said[sizeof((struct oxp_error *)0)->text]; /* the last failure in the log */
    /* written by the delivery thread alone, under the lock, which also keeps what others hold */
    pthread_rwlock_t lock;
    struct oxp_outbox *outbox;
    struct oxp_delivery_parts parts;
    /* the rules' side: never held over a wait */
    pthread_mutex_t tell_mutex;
    struct oxp_alerting *told; /* NULL while there is none */
    uint64_t told_count;       /* how many there were: its number */
    uint64_t ready;            /* number of the last one that was told everything */
    pthread_mutex_t mutex;     /* guards what follows */
    pthread_cond_t wake;
    pthread_t thread;
    bool runs, stop, has_fresh, has_limits;
    struct oxp_delivery_setup fresh;
    struct oxp_promql_options limits;
    struct note *notes, **notes_end;
    size_t note_count;
    uint64_t notes_left_out;
};

static int64_t now_ms(const struct oxp_deliveries *deliveries) {
    return oxp_clock_wall(deliveries->daemon->clock).ns / OXP_NS_PER_MS;
}

/* ---- The rules' side ---- */

void oxp_deliveries_tell(struct oxp_deliveries *deliveries, const struct oxp_alert_event *event) {
    if (deliveries == NULL) {
        return;
    }
    pthread_mutex_lock(&deliveries->tell_mutex);
    if (deliveries->told != NULL) {
        oxp_alerting_tell(deliveries->told, event);
    }
    pthread_mutex_unlock(&deliveries->tell_mutex);
}

uint64_t oxp_deliveries_wanting(struct oxp_deliveries *deliveries) {
    uint64_t wanting = 0;
    if (deliveries != NULL) {
        pthread_mutex_lock(&deliveries->tell_mutex);
        wanting = deliveries->told != NULL && deliveries->ready != deliveries->told_count ? deliveries->told_count : 0;
        pthread_mutex_unlock(&deliveries->tell_mutex);
    }
    return wanting;
}

void oxp_deliveries_rules_ready(struct oxp_deliveries *deliveries, uint64_t wanting, int64_t at_ms) {
    pthread_mutex_lock(&deliveries->tell_mutex);
    if (deliveries->told != NULL && deliveries->told_count == wanting) {
        deliveries->ready = wanting;
        oxp_alerting_rules_ready(deliveries->told, at_ms);
    }
    pthread_mutex_unlock(&deliveries->tell_mutex);
}

static void set_told(struct oxp_deliveries *deliveries, struct oxp_alerting *alerting) {
    pthread_mutex_lock(&deliveries->tell_mutex);
    deliveries->told = alerting;
    deliveries->told_count += alerting != NULL;
    pthread_mutex_unlock(&deliveries->tell_mutex);
}

/* ---- Views ---- */

void oxp_deliveries_hold(struct oxp_deliveries *deliveries, struct oxp_outbox **outbox_out,
                         struct oxp_courier **courier_out) {
    pthread_rwlock_rdlock(&deliveries->lock);
    *outbox_out = deliveries->outbox;
    *courier_out = deliveries->parts.courier;
}

void oxp_deliveries_release(struct oxp_deliveries *deliveries) {
    pthread_rwlock_unlock(&deliveries->lock);
}

/* ---- Building and rebuilding; the delivery thread, or before it begins and after it has ended ---- */

/* Once for each kind of trouble. */
static void say(struct oxp_deliveries *deliveries, const char *message, const struct oxp_error *error) {
    struct oxp_daemon *daemon = deliveries->daemon;
    oxp_counter_add(oxp_counter(oxp_family_only(daemon->stats.families[OXP_S_STORAGE_FAILURES_TOTAL])), 1);
    if (strcmp(deliveries->said, error->text) != 0) {
        memcpy(deliveries->said, error->text, sizeof deliveries->said);
        oxp_daemon_log_error(daemon->log, message, error);
    }
}

static bool is_time_to_try(const struct oxp_deliveries *deliveries, struct oxp_mono last) {
    return last.ns == 0 || oxp_clock_mono(deliveries->daemon->clock).ns - last.ns >= RETRY_NS;
}

/* In the directory, or in memory when there is none. */
static enum oxp_status open_wanted(struct oxp_deliveries *deliveries, struct oxp_outbox **outbox_out,
                                   struct oxp_error *error) {
    struct oxp_daemon *daemon = deliveries->daemon;
    enum oxp_status status = OXP_OK;
    if (deliveries->directory[0] != '\0' && !oxp_storage_is_ready(daemon)) {
        status = oxp_error_set(error, OXP_ERR_IO, 0, 0, "--storage.path cannot be used yet");
    } else {
        deliveries->opened = oxp_clock_mono(daemon->clock);
        status = oxp_delivery_open_outbox(daemon, deliveries->directory, outbox_out, error);
    }
    if (status != OXP_OK && error->text[0] == '\0') {
        oxp_error_set(error, status, 0, 0, "%s", oxp_status_text(status));
    }
    return status;
}

static void set_outbox(struct oxp_deliveries *deliveries, struct oxp_outbox *outbox, bool stands_in) {
    deliveries->failures = 0;
    pthread_rwlock_wrlock(&deliveries->lock);
    deliveries->outbox = outbox;
    pthread_rwlock_unlock(&deliveries->lock);
    deliveries->stands_in = stands_in;
    atomic_store(&deliveries->daemon->outbox_stands_in, stands_in);
}

static void say_open(struct oxp_deliveries *deliveries, size_t moved) {
    deliveries->said[0] = '\0';
    oxp_log_info(deliveries->daemon->log, "the outbox is open",
                 OXP_LOG_NUM("persistent", oxp_outbox_is_kept(deliveries->outbox)),
                 OXP_LOG_NUM("taken_over", (double)moved));
}

static bool open_outbox(struct oxp_deliveries *deliveries) {
    struct oxp_error error = {0};
    struct oxp_outbox *outbox = NULL;
    if (deliveries->outbox != NULL) {
        return true;
    }
    enum oxp_status status = open_wanted(deliveries, &outbox, &error);
    bool stands_in = status != OXP_OK && deliveries->directory[0] != '\0';
    if (status != OXP_OK) {
        say(deliveries,
            stands_in ? "the outbox cannot be opened; it is in memory, which a restart forgets, until it can be"
                      : "the outbox cannot be opened; nothing is delivered until it can be",
            &error);
    }
    if (stands_in) {
        status = oxp_delivery_open_outbox(deliveries->daemon, "", &outbox, &error);
    }
    if (status != OXP_OK) {
        return false;
    }
    set_outbox(deliveries, outbox, stands_in);
    if (deliveries->directory[0] == '\0') {
        oxp_log_warning(deliveries->daemon->log,
                        "no --storage.path: the outbox is in memory, and a restart forgets what waits in it",
                        OXP_LOG_NUM("persistent", 0));
    }
    if (!stands_in && deliveries->said[0] != '\0') {
        say_open(deliveries, 0);
    }
    return true;
}

/* Builds what the setup wants, as far as the disk lets it. */
static void build(struct oxp_deliveries *deliveries) {
    struct oxp_error error = {0};
    deliveries->unbuilt = true;
    if (oxp_delivery_needs_outbox(&deliveries->setup, deliveries->directory[0] != '\0') && !open_outbox(deliveries)) {
        return;
    }
    deliveries->tried = oxp_clock_mono(deliveries->daemon->clock);
    /* The views see the parts once they are whole. */
    pthread_rwlock_wrlock(&deliveries->lock);
    enum oxp_status status =
        oxp_delivery_parts_new(deliveries->daemon, deliveries->outbox, &deliveries->setup, &deliveries->parts, &error);
    pthread_rwlock_unlock(&deliveries->lock);
    if (status != OXP_OK) {
        say(deliveries, "delivery cannot begin; it is tried again", &error);
        return;
    }
    deliveries->unbuilt = false;
    if (!deliveries->stands_in) {
        deliveries->said[0] = '\0';
    }
    set_told(deliveries, deliveries->parts.alerting);
}

static void tear_down(struct oxp_deliveries *deliveries, bool last, int64_t grace_ms) {
    set_told(deliveries, NULL);
    pthread_rwlock_wrlock(&deliveries->lock);
    oxp_delivery_parts_free(&deliveries->parts, &deliveries->setup, last, grace_ms);
    pthread_rwlock_unlock(&deliveries->lock);
}

/* What memory has into the file, which takes its place. */
static bool move_to_disk(struct oxp_deliveries *deliveries) {
    struct oxp_error error = {0};
    struct oxp_outbox *kept = NULL, *memory = deliveries->outbox;
    size_t moved = 0;
    enum oxp_status status = open_wanted(deliveries, &kept, &error);
    if (status == OXP_OK) {
        status = oxp_outbox_take_over(memory, kept, OXP_VIEW(OXP_CW_LEDGER), now_ms(deliveries), &moved, &error);
    }
    if (status != OXP_OK) {
        oxp_outbox_close(kept);
        say(deliveries, "the outbox cannot take over what is in memory", &error);
        return false;
    }
    set_outbox(deliveries, kept, false);
    oxp_outbox_close(memory);
    say_open(deliveries, moved);
    return true;
}

/* Looks first whether it can be opened at all: the parts end for it. */
static void take_to_disk(struct oxp_deliveries *deliveries) {
    struct oxp_error error = {0};
    struct oxp_outbox *kept = NULL;
    if (open_wanted(deliveries, &kept, &error) != OXP_OK) {
        say(deliveries, "the outbox cannot be opened", &error);
        return;
    }
    oxp_outbox_close(kept);
    tear_down(deliveries, false, 0);
    (void)move_to_disk(deliveries);
    build(deliveries);
}

static void take_setup(struct oxp_deliveries *deliveries, struct oxp_delivery_setup *fresh) {
    tear_down(deliveries, false, 0);
    oxp_delivery_setup_fini(&deliveries->setup);
    deliveries->setup = *fresh;
    build(deliveries);
    oxp_log_info(deliveries->daemon->log, "delivery goes on with the new configuration",
                 OXP_LOG_NUM("receivers", deliveries->parts.recipient_count));
}

static void take_limits(struct oxp_deliveries *deliveries, const struct oxp_promql_options *limits) {
    deliveries->setup.limits = *limits;
    deliveries->setup.limits.clock = deliveries->daemon->clock;
    if (deliveries->parts.engine != NULL) {
        oxp_promql_engine_configure(deliveries->parts.engine, &deliveries->setup.limits);
    }
}

/* ---- Notes ---- */

static void free_note(struct note *note) {
    if (note != NULL) {
        free(note->kind);
        free(note->text);
        free(note);
    }
}

static bool put_some(struct oxp_deliveries *deliveries, const struct note *first) {
    struct oxp_error error = {0};
    struct oxp_outbox_note notes[NOTES_AT_ONCE];
    struct oxp_outbox_write write = {.notes = notes};
    for (const struct note *note = first; note != NULL; note = note->next) {
        notes[write.note_count++] = (struct oxp_outbox_note){oxp_view_from(note->kind), oxp_view_from(note->text)};
    }
    return oxp_outbox_put(deliveries->outbox, &write, now_ms(deliveries), &error) == OXP_OK;
}

/* Takes the first ones off the list, at most NOTES_AT_ONCE; gives the last of them. */
static struct note *cut_some_locked(struct oxp_deliveries *deliveries, size_t *count_out) {
    struct note *last = deliveries->notes;
    *count_out = 1;
    while (last->next != NULL && *count_out < NOTES_AT_ONCE) {
        last = last->next;
        ++*count_out;
    }
    deliveries->notes = last->next;
    deliveries->note_count -= *count_out;
    deliveries->notes_end = deliveries->notes == NULL ? &deliveries->notes : deliveries->notes_end;
    last->next = NULL;
    return last;
}

static void free_notes(struct note *note) {
    while (note != NULL) {
        struct note *next = note->next;
        free_note(note);
        note = next;
    }
}

/* With the lock held; gives it up meanwhile. Notes that the disk does not take wait for the next turn. */
static void put_notes_locked(struct oxp_deliveries *deliveries) {
    while (deliveries->notes != NULL) {
        size_t count;
        struct note *first = deliveries->notes, *last = cut_some_locked(deliveries, &count);
        pthread_mutex_unlock(&deliveries->mutex);
        bool may = deliveries->outbox != NULL || is_time_to_try(deliveries, deliveries->opened);
        bool kept = may && open_outbox(deliveries) && put_some(deliveries, first);
        if (kept) {
            free_notes(first);
        }
        pthread_mutex_lock(&deliveries->mutex);
        if (!kept) {
            last->next = deliveries->notes;
            deliveries->notes_end = last->next == NULL ? &last->next : deliveries->notes_end;
            deliveries->notes = first;
            deliveries->note_count += count;
            return;
        }
    }
    if (deliveries->notes_left_out != 0) {
        oxp_log_warning(deliveries->daemon->log, "notes were left out: they came faster than the disk took them",
                        OXP_LOG_NUM("notes", deliveries->notes_left_out));
        deliveries->notes_left_out = 0;
    }
}

/* ---- The delivery thread ---- */

static void turn(struct oxp_deliveries *deliveries) {
    struct oxp_daemon *daemon = deliveries->daemon;
    if (deliveries->unbuilt && is_time_to_try(deliveries, deliveries->tried)) {
        build(deliveries);
    }
    if (deliveries->stands_in && oxp_storage_is_ready(daemon) && is_time_to_try(deliveries, deliveries->opened)) {
        take_to_disk(deliveries);
    }
    if (deliveries->outbox != NULL) {
        (void)oxp_outbox_sweep(deliveries->outbox, now_ms(deliveries)); /* what it failed at is in its counts */
        if (oxp_outbox_was_touched(deliveries->outbox) && deliveries->parts.courier != NULL) {
            oxp_courier_wake(deliveries->parts.courier, oxp_view_of(NULL, 0));
        }
        oxp_delivery_show_outbox(daemon, deliveries->outbox, &deliveries->failures);
    }
    oxp_delivery_publish(&deliveries->parts, now_ms(deliveries));
}

/* Until the next turn, or something is said. */
static void wait_locked(struct oxp_deliveries *deliveries) {
    bool idle = deliveries->outbox == NULL && !deliveries->unbuilt && deliveries->parts.publisher == NULL;
    if (idle && deliveries->notes == NULL) {
        pthread_cond_wait(&deliveries->wake, &deliveries->mutex);
        return;
    }
    int64_t wait_ms = oxp_delivery_publish_in_ms(&deliveries->parts, now_ms(deliveries));
    wait_ms = wait_ms < TURN_MS ? wait_ms : TURN_MS;
    int64_t until_ns = oxp_clock_mono(deliveries->daemon->clock).ns + wait_ms * OXP_NS_PER_MS;
    const struct timespec until = {.tv_sec = (time_t)(until_ns / OXP_NS_PER_S),
                                   .tv_nsec = (long)(until_ns % OXP_NS_PER_S)};
    (void)pthread_cond_timedwait(&deliveries->wake, &deliveries->mutex, &until);
}

static void *delivery_main(void *ctx) {
    struct oxp_deliveries *deliveries = ctx;
    pthread_setname_np(pthread_self(), "oxp-delivery");
    pthread_mutex_lock(&deliveries->mutex);
    while (!deliveries->stop) {
        struct oxp_delivery_setup fresh = deliveries->fresh;
        struct oxp_promql_options limits = deliveries->limits;
        bool has_fresh = deliveries->has_fresh, has_limits = deliveries->has_limits;
        deliveries->has_fresh = deliveries->has_limits = false;
        deliveries->fresh = (struct oxp_delivery_setup){0};
        pthread_mutex_unlock(&deliveries->mutex);
        if (has_fresh) {
            take_setup(deliveries, &fresh);
        }
        if (has_limits) {
            take_limits(deliveries, &limits);
        }
        turn(deliveries);
        pthread_mutex_lock(&deliveries->mutex);
        put_notes_locked(deliveries);
        if (!deliveries->stop && !deliveries->has_fresh && !deliveries->has_limits) {
            wait_locked(deliveries);
        }
    }
    put_notes_locked(deliveries);
    pthread_mutex_unlock(&deliveries->mutex);
    return NULL;
}

/* With the mutex held. */
static enum oxp_status start_locked(struct oxp_deliveries *deliveries) {
    if (!deliveries->runs && !deliveries->stop) {
        deliveries->runs = pthread_create(&deliveries->thread, NULL, delivery_main, deliveries) == 0;
    }
    return deliveries->runs ? OXP_OK : OXP_ERR_NOMEM; /* EAGAIN: no room for another thread */
}

/* ---- From outside ---- */

/* What is known of the address. Loop thread. False without memory: it is left out then. */
static bool add_bound(struct oxp_daemon *daemon, struct oxp_delivery_setup *setup) {
    char room[OXP_DAEMON_ADDRESS_MAX];
    char *url = oxp_ruling_external_url(daemon, &daemon->config);
    setup->external_url = oxp_arena_copy(&setup->arena, oxp_view_from(url == NULL ? "" : url)).ptr;
    free(url);
    if (setup->cloudwatch != NULL) {
        struct oxp_labels_builder builder;
        oxp_labels_build(&builder, &setup->arena, setup->identity.external_labels);
        oxp_labels_set_text(&builder, OXP_VIEW("job"),
                            oxp_view_from(oxp_config_text(&daemon->config, OXP_OPT_ORCHESTRATOR_SERVICE)));
        oxp_labels_set_text(&builder, OXP_VIEW("instance"), oxp_view_from(oxp_sampling_instance(daemon, room)));
        setup->target = oxp_labels_finish(&builder);
    }
    return url != NULL && oxp_arena_status(&setup->arena) == OXP_OK;
}

void oxp_deliveries_reload(struct oxp_deliveries *deliveries, struct oxp_delivery_setup *setup, bool changed) {
    if (!changed) {
        pthread_mutex_lock(&deliveries->mutex);
        deliveries->limits = deliveries->fresh.limits = setup->limits;
        deliveries->has_limits = true;
        pthread_cond_broadcast(&deliveries->wake);
        pthread_mutex_unlock(&deliveries->mutex);
        oxp_delivery_setup_fini(setup);
        return;
    }
    (void)add_bound(deliveries->daemon, setup);
    pthread_mutex_lock(&deliveries->mutex);
    struct oxp_delivery_setup old = deliveries->fresh; /* one that was not taken yet */
    deliveries->fresh = *setup;
    deliveries->has_fresh = true;
    deliveries->has_limits = false;
    bool started = start_locked(deliveries) == OXP_OK;
    pthread_cond_broadcast(&deliveries->wake);
    pthread_mutex_unlock(&deliveries->mutex);
    oxp_delivery_setup_fini(&old);
    *setup = (struct oxp_delivery_setup){0};
    if (!started) {
        oxp_log_error(deliveries->daemon->log, "no room for the delivery thread; nobody is told of alerts",
                      OXP_LOG_TEXT("error", oxp_status_text(OXP_ERR_NOMEM)));
    }
}

void oxp_deliveries_note(struct oxp_deliveries *deliveries, const char *kind, const char *text) {
    struct note *note = calloc(1, sizeof *note);
    if (note == NULL || (note->kind = strdup(kind)) == NULL || (note->text = strdup(text)) == NULL) {
        free_note(note);
        return;
    }
    struct note *oldest = NULL;
    pthread_mutex_lock(&deliveries->mutex);
    bool kept = deliveries->runs || deliveries->directory[0] != '\0';
    if (kept && start_locked(deliveries) == OXP_OK) {
        *deliveries->notes_end = note;
        deliveries->notes_end = &note->next;
        note = NULL;
        if (++deliveries->note_count > NOTES_MAX) {
            oldest = deliveries->notes;
            deliveries->notes = oldest->next;
            deliveries->note_count--;
            deliveries->notes_left_out++;
        }
        pthread_cond_broadcast(&deliveries->wake);
    }
    pthread_mutex_unlock(&deliveries->mutex);
    free_note(note);
    free_note(oldest);
}

/* ---- Life ---- */

enum oxp_status oxp_deliveries_new(struct oxp_daemon *daemon, struct oxp_deliveries **deliveries_out,
                                   struct oxp_error *error) {
    struct oxp_delivery_setup setup;
    *deliveries_out = NULL;
    enum oxp_status status = oxp_delivery_read(&daemon->config, true, &setup, error);
    if (status != OXP_OK) {
        return status;
    }
    struct oxp_deliveries *deliveries = calloc(1, sizeof *deliveries);
    if (deliveries == NULL) {
        oxp_delivery_setup_fini(&setup);
        return OXP_ERR_NOMEM;
    }
    deliveries->daemon = daemon;
    deliveries->directory = oxp_config_text(&daemon->config, OXP_OPT_STORAGE_PATH);
    deliveries->setup = setup;
    deliveries->parts.daemon = daemon;
    deliveries->parts.publish_ms = INT64_MAX;
    deliveries->notes_end = &deliveries->notes;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&deliveries->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&deliveries->mutex, NULL);
    pthread_mutex_init(&deliveries->tell_mutex, NULL);
    pthread_rwlock_init(&deliveries->lock, NULL);
    *deliveries_out = deliveries;
    return OXP_OK;
}

void oxp_deliveries_rules(struct oxp_deliveries *deliveries, struct oxp_rule_file *const *files, size_t count) {
    struct oxp_error error = {0};
    if (oxp_delivery_budget(&deliveries->setup, files, count, &error) != OXP_OK) {
        oxp_daemon_log_error(deliveries->daemon->log, "nothing is published to CloudWatch", &error);
        deliveries->setup.over_budget = true;
    }
}

enum oxp_status oxp_deliveries_begin(struct oxp_deliveries *deliveries) {
    if (oxp_delivery_is_empty(&deliveries->setup)) {
        return OXP_OK;
    }
    if (!add_bound(deliveries->daemon, &deliveries->setup)) {
        return OXP_ERR_NOMEM;
    }
    build(deliveries);
    pthread_mutex_lock(&deliveries->mutex);
    enum oxp_status status = start_locked(deliveries);
    pthread_mutex_unlock(&deliveries->mutex);
    return status;
}

/* What is still there at the end, for the log. */
static void say_left(struct oxp_deliveries *deliveries) {
    struct oxp_outbox_stats stats;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    if (oxp_outbox_stats(deliveries->outbox, &arena, &stats) == OXP_OK && stats.waiting + stats.claimed > 0) {
        bool kept = oxp_outbox_is_kept(deliveries->outbox);
        OXP_LOG_AT(deliveries->daemon->log, kept ? OXP_LOG_INFO : OXP_LOG_ERROR,
                   kept ? "messages wait in the outbox for the next start"
                        : "messages that were not delivered are lost",
                   OXP_LOG_NUM("messages", stats.waiting + stats.claimed));
    }
    oxp_arena_fini(&arena);
}

void oxp_deliveries_stop(struct oxp_deliveries *deliveries, int64_t grace_ms) {
    pthread_mutex_lock(&deliveries->mutex);
    bool runs = deliveries->runs;
    deliveries->stop = true;
    deliveries->runs = false;
    pthread_cond_broadcast(&deliveries->wake);
    pthread_mutex_unlock(&deliveries->mutex);
    if (runs) {
        pthread_join(deliveries->thread, NULL);
    }
    tear_down(deliveries, true, grace_ms);
    if (deliveries->stands_in && oxp_storage_is_ready(deliveries->daemon)) {
        (void)move_to_disk(deliveries);
    }
    if (deliveries->outbox != NULL) {
        say_left(deliveries);
        oxp_outbox_close(deliveries->outbox);
        deliveries->outbox = NULL;
    }
}

void oxp_deliveries_free(struct oxp_deliveries *deliveries) {
    if (deliveries == NULL) {
        return;
    }
    oxp_deliveries_stop(deliveries, 0);
    oxp_delivery_setup_fini(&deliveries->setup);
    oxp_delivery_setup_fini(&deliveries->fresh);
    while (deliveries->notes != NULL) {
        struct note *note = deliveries->notes;
        deliveries->notes = note->next;
        free_note(note);
    }
    pthread_rwlock_destroy(&deliveries->lock);
    pthread_mutex_destroy(&deliveries->tell_mutex);
    pthread_mutex_destroy(&deliveries->mutex);
    pthread_cond_destroy(&deliveries->wake);
    free(deliveries);
}
