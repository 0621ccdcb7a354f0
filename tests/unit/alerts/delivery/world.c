#include "tests/unit/alerts/delivery/world.h"
#include "tests/unit/alerts/delivery/rests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct world the_world;

/* The outbox's functions take it as theirs. */
static struct oxp_outbox *as_outbox(struct world *world) {
    return (struct oxp_outbox *)world;
}

static struct world *as_world(struct oxp_outbox *outbox) {
    return (struct world *)outbox;
}

static void changed_locked(struct world *world) {
    pthread_cond_broadcast(&world->changed);
}

/* ---- The clock ---- */

static struct oxp_mono mono(const struct oxp_clock *clock) {
    (void)clock;
    return (struct oxp_mono){atomic_load(&the_world.now_ns)};
}

static struct oxp_wall wall(const struct oxp_clock *clock) {
    (void)clock;
    return (struct oxp_wall){atomic_load(&the_world.now_ns) + 1000000 * OXP_NS_PER_S};
}

static int64_t now_ms(void) {
    return wall(NULL).ns / OXP_NS_PER_MS;
}

/* ---- The outbox ---- */

static bool fails(atomic_int *left) {
    int before = atomic_load(left);
    while (before > 0 && !atomic_compare_exchange_weak(left, &before, before - 1)) {
    }
    return before > 0;
}

/* Whether `letter` goes before `other`, which was put earlier. */
static bool goes_before(const struct world *world, const struct letter *letter, const struct letter *other,
                        bool least_tried) {
    if (least_tried && letter->tries != other->tries) {
        return letter->tries < other->tries;
    }
    return atomic_load(&world->by_due) && letter->due_ms < other->due_ms;
}

static enum oxp_status claim(struct oxp_outbox *outbox, struct oxp_view receiver, bool least_tried, int64_t now,
                             struct oxp_arena *arena, struct oxp_outbox_message *message_out, int64_t *next_ms_out) {
    struct world *world = as_world(outbox);
    if (fails(&world->fail_claims)) {
        return OXP_ERR_IO;
    }
    *next_ms_out = INT64_MAX;
    pthread_mutex_lock(&world->lock);
    struct letter *found = NULL;
    for (size_t i = 0; i < world->count; i++) {
        struct letter *letter = &world->letters[i];
        if (letter->state != OXP_OUTBOX_WAITING || !oxp_view_is(receiver, letter->receiver)) {
            continue;
        }
        if (letter->due_ms <= now && (found == NULL || goes_before(world, letter, found, least_tried))) {
            found = letter;
        }
        *next_ms_out = letter->due_ms < *next_ms_out ? letter->due_ms : *next_ms_out;
    }
    if (found != NULL) {
        found->state = OXP_OUTBOX_CLAIMED;
        found->tries++;
        *message_out = (struct oxp_outbox_message){
            .id = found->id,
            .receiver = oxp_arena_copy(arena, receiver),
            .content = oxp_arena_copy(arena, oxp_view_from(found->content)),
            .tries = found->tries,
        };
        changed_locked(world);
    }
    pthread_mutex_unlock(&world->lock);
    if (found == NULL && fails(&world->put_at_end)) {
        world_put(world, "oncall/webhook/0", "200");
        world_wake(world);
    }
    return found == NULL ? OXP_END : OXP_OK;
}

enum oxp_status oxp_outbox_claim(struct oxp_outbox *outbox, struct oxp_view receiver, int64_t now,
                                 struct oxp_arena *arena, struct oxp_outbox_message *message_out,
                                 int64_t *next_ms_out) {
    return claim(outbox, receiver, false, now, arena, message_out, next_ms_out);
}

enum oxp_status oxp_outbox_claim_least_tried(struct oxp_outbox *outbox, struct oxp_view receiver, bool by_age,
                                             int64_t now, struct oxp_arena *arena,
                                             struct oxp_outbox_message *message_out, int64_t *next_ms_out) {
    struct world *world = as_world(outbox);
    enum oxp_status status = claim(outbox, receiver, true, now, arena, message_out, next_ms_out);
    pthread_mutex_lock(&world->lock);
    size_t len = strlen(world->probes);
    if (status == OXP_OK && len + 1 < sizeof world->probes) {
        world->probes[len] = by_age ? 'a' : 'q'; /* which is all: the letters matter alike */
    }
    pthread_mutex_unlock(&world->lock);
    return status;
}

static enum oxp_status become(struct oxp_outbox *outbox, int64_t id, enum oxp_outbox_state state, int64_t due_ms,
                              struct oxp_view answer) {
    struct world *world = as_world(outbox);
    if (fails(&world->fail_tells)) {
        return OXP_ERR_IO;
    }
    pthread_mutex_lock(&world->lock);
    struct letter *letter = &world->letters[id - 1];
    assert_int_equal(letter->state, OXP_OUTBOX_CLAIMED);
    letter->state = state;
    letter->due_ms = due_ms;
    letter->told++;
    snprintf(letter->answer, sizeof letter->answer, "%.*s", (int)answer.len, answer.ptr == NULL ? "" : answer.ptr);
    changed_locked(world);
    pthread_mutex_unlock(&world->lock);
    return OXP_OK;
}

enum oxp_status oxp_outbox_sent(struct oxp_outbox *outbox, int64_t id, struct oxp_view answer, int64_t now) {
    (void)now;
    return become(outbox, id, OXP_OUTBOX_SENT, 0, answer);
}

enum oxp_status oxp_outbox_again(struct oxp_outbox *outbox, int64_t id, int64_t due_ms, struct oxp_view answer,
                                 int64_t now) {
    (void)now;
    return become(outbox, id, OXP_OUTBOX_WAITING, due_ms, answer);
}

enum oxp_status oxp_outbox_set_aside(struct oxp_outbox *outbox, int64_t id, struct oxp_view answer, int64_t now) {
    (void)now;
    return become(outbox, id, OXP_OUTBOX_ASIDE, 0, answer);
}

/* ---- The recipient ---- */

/* The word for this try. */
static void word_of(const struct world *world, struct oxp_view content, unsigned tries, char out[64]) {
    const char *storm = atomic_load(&world->storm);
    const char *word = storm != NULL ? storm : content.ptr;
    for (unsigned i = 1; storm == NULL && i < tries && strchr(word, ' ') != NULL; i++) {
        word = strchr(word, ' ') + 1;
    }
    snprintf(out, 64, "%.*s", (int)strcspn(word, " "), word);
}

static enum oxp_status prepare(void *ctx, const struct oxp_outbox_message *message, int64_t now,
                               struct oxp_arena *arena, struct oxp_http_request *request_out,
                               struct oxp_verdict *verdict_out) {
    assert_int_equal(now, now_ms());
    char word[64];
    word_of(ctx, message->content, message->tries, word);
    if (strcmp(word, "refuse") == 0 || strcmp(word, "later") == 0) {
        verdict_out->delivery = word[0] == 'r' ? OXP_DELIVERY_REFUSED : OXP_DELIVERY_AGAIN;
        verdict_out->answer = OXP_VIEW("not prepared");
        return OXP_ERR_DENIED;
    }
    char id[32];
    snprintf(id, sizeof id, "%lld", (long long)message->id);
    request_out->method = "POST";
    request_out->url = oxp_arena_copy(arena, oxp_view_from(id)).ptr;
    request_out->body = oxp_arena_copy(arena, oxp_view_from(word));
    return OXP_OK;
}

static void judge(void *ctx, const struct oxp_outbox_message *message, enum oxp_status status,
                  const struct oxp_http_response *response, const struct oxp_error *error, int64_t now,
                  struct oxp_arena *arena, struct oxp_verdict *verdict_out) {
    assert_int_equal(now, now_ms());
    oxp_courier_judge(status, response, error, now, arena, verdict_out);
    char word[64];
    word_of(ctx, message->content, message->tries, word);
    if (strncmp(word, "judge:", 6) == 0) {
        assert_int_equal(response->status, 200);
        verdict_out->delivery = OXP_DELIVERY_AGAIN;
        verdict_out->wait_ms = atoll(word + 6);
    }
}

/* ---- The transport ---- */

static enum oxp_status answer_of(const char *word, struct oxp_http_response *response_out) {
    response_out->status = atoi(word);
    const char *text = strchr(word, '='), *wait = strchr(word, ':');
    response_out->body = strdup(text == NULL ? "" : text + 1);
    response_out->body_len = strlen(response_out->body);
    if (wait != NULL) {
        response_out->headers = malloc(64);
        snprintf(response_out->headers, 64, "date: now\nretry-after: %s\n", wait + 1);
    }
    return OXP_OK;
}

static enum oxp_status block(const struct oxp_http_request *request) {
    atomic_fetch_add(&the_world.blocked, 1);
    const struct timespec a_little = {0, 500000};
    while (!request->give_up(request->give_up_ctx)) {
        nanosleep(&a_little, NULL);
    }
    return OXP_ERR_CLOSED;
}

static enum oxp_status exchange(struct oxp_http *http, const struct oxp_http_request *request,
                                struct oxp_http_response *response_out, struct oxp_error *error) {
    (void)http;
    struct world *world = &the_world;
    *response_out = (struct oxp_http_response){0};
    assert_int_equal(request->timeout_ms, 10000);
    assert_true(request->max_body_bytes > 0);
    pthread_mutex_lock(&world->lock);
    struct letter *letter = &world->letters[atoll(request->url) - 1];
    letter->exchanges++;
    letter->sent_at_ms = now_ms();
    assert_true(world->send_count < SENDS);
    world->sends[world->send_count++] = letter->id;
    changed_locked(world);
    pthread_mutex_unlock(&world->lock);
    const char *word = request->body.ptr;
    if (strcmp(word, "dead") == 0) {
        return oxp_error_set(error, OXP_ERR_CLOSED, 0, 0, "nobody there");
    }
    if (strcmp(word, "timeout") == 0) {
        return OXP_ERR_TIMEOUT;
    }
    if (strcmp(word, "long") == 0) {
        response_out->status = 200;
        return OXP_ERR_LIMIT;
    }
    return strcmp(word, "block") == 0 ? block(request) : answer_of(word[0] == 'j' ? "200" : word, response_out);
}

static void http_free(struct oxp_http *http) {
    free(http);
}

static enum oxp_status http_new(struct oxp_http **http_out) {
    if (fails(&the_world.fail_https)) {
        return OXP_ERR_NOMEM;
    }
    *http_out = malloc(sizeof **http_out);
    **http_out = (struct oxp_http){exchange, http_free};
    return OXP_OK;
}

/* ---- The courier in it ---- */

static void point(void *ctx, const char *name) {
    assert_string_equal(name, "send");
    atomic_fetch_add(&((struct world *)ctx)->points, 1);
}

static void on_send(void *ctx, const struct oxp_recipient *recipient, const struct oxp_outbox_message *message,
                    const struct oxp_verdict *verdict, double seconds) {
    assert_true(oxp_view_is(message->receiver, recipient->receiver));
    assert_true(seconds >= 0 && verdict->answer.len != 0);
    atomic_fetch_add(&((struct world *)ctx)->seen, 1);
}

struct world *world_begin(const char *const *receivers, size_t count) {
    struct world *world = &the_world;
    memset(world, 0, sizeof *world);
    pthread_mutex_init(&world->lock, NULL);
    pthread_cond_init(&world->changed, NULL);
    world->clock = (struct oxp_clock){mono, wall};
    world->lanes = count;
    rests_begin();
    struct oxp_recipient recipients[4] = {0};
    for (size_t i = 0; i < count; i++) { /* the second one's is the default judge */
        recipients[i] = (struct oxp_recipient){.judge = i == 1 ? NULL : judge,
                                               .receiver = receivers[i],
                                               .integration = "webhook",
                                               .prepare = prepare,
                                               .ctx = world};
    }
    const struct oxp_courier_options options = {
        .outbox = as_outbox(world),
        .recipients = recipients,
        .count = count,
        .clock = &world->clock,
        .http_new = http_new,
        .seed = 7,
        .point = point,
        .on_send = on_send,
        .ctx = world,
    };
    assert_int_equal(oxp_courier_new(&options, &world->courier), OXP_OK);
    return world;
}

void world_end(struct world *world) {
    oxp_courier_free(world->courier);
    pthread_cond_destroy(&world->changed);
    pthread_mutex_destroy(&world->lock);
}

int64_t world_put_later(struct world *world, const char *receiver, const char *content, double seconds) {
    pthread_mutex_lock(&world->lock);
    assert_true(world->count < MESSAGES);
    struct letter *letter = &world->letters[world->count++];
    *letter = (struct letter){.id = (int64_t)world->count,
                              .receiver = receiver,
                              .content = content,
                              .due_ms = now_ms() + (int64_t)(seconds * 1000)};
    int64_t id = letter->id;
    pthread_mutex_unlock(&world->lock);
    return id;
}

void world_due_now(struct world *world, int64_t id) {
    pthread_mutex_lock(&world->lock);
    world->letters[id - 1].due_ms = now_ms();
    pthread_mutex_unlock(&world->lock);
}

int64_t world_put(struct world *world, const char *receiver, const char *content) {
    return world_put_later(world, receiver, content, 0);
}

void world_wake(struct world *world) {
    oxp_courier_wake(world->courier, OXP_VIEW(""));
}

void world_advance(struct world *world, double seconds) {
    rests_await(world->courier, world->lanes);
    atomic_fetch_add(&world->now_ns, (long long)(seconds * 1e9));
    world_wake(world);
}

/* ---- Waiting ---- */

static void wait_locked(struct world *world, const char *what) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    if (pthread_cond_timedwait(&world->changed, &world->lock, &until) != 0) {
        for (size_t i = 0; i < world->count; i++) {
            print_error("%zu: %s, %u tries, due %lld, %s\n", i + 1, world->letters[i].content, world->letters[i].tries,
                        (long long)(world->letters[i].due_ms - now_ms()), world->letters[i].answer);
        }
        fail_msg("waited in vain: %s", what);
    }
}

void world_await_sends(struct world *world, size_t count) {
    pthread_mutex_lock(&world->lock);
    while (world->send_count < count) {
        wait_locked(world, "sends");
    }
    pthread_mutex_unlock(&world->lock);
}

void world_await(struct world *world, int64_t id, enum oxp_outbox_state state) {
    pthread_mutex_lock(&world->lock);
    while (world->letters[id - 1].state != state) {
        wait_locked(world, "state");
    }
    pthread_mutex_unlock(&world->lock);
}

static size_t send_count(struct world *world) {
    pthread_mutex_lock(&world->lock);
    size_t count = world->send_count;
    pthread_mutex_unlock(&world->lock);
    return count;
}

size_t world_quiet(struct world *world) {
    rests_await(world->courier, world->lanes);
    return send_count(world);
}

size_t world_pause(struct world *world) {
    const struct timespec a_little = {0, 3000000};
    nanosleep(&a_little, NULL);
    return send_count(world);
}

struct letter world_letter(struct world *world, int64_t id) {
    pthread_mutex_lock(&world->lock);
    struct letter letter = world->letters[id - 1];
    pthread_mutex_unlock(&world->lock);
    return letter;
}
