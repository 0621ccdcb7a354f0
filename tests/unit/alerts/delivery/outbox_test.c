/* The courier with the real outbox, in memory and on a disk: everything that was accepted arrives once, or is visible
 * with a reason; across stops in the middle, and while a receiver fails at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/random.h"
#include "tests/unit/alerts/delivery/hand.h"
#include "tests/unit/alerts/delivery/rests.h"

enum { MESSAGES = 120 };

/* ---- The receivers: they keep their own ledger ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct oxp_random dice;     /* under the lock, as all to the next line */
static unsigned arrived[MESSAGES]; /* by the number in the content */
static unsigned failed[MESSAGES];
static unsigned asked;
static atomic_int mood_500, mood_429, mood_dead, mood_block; /* percent */

static void rest(void) {
    const struct timespec a_little = {0, 1000000};
    nanosleep(&a_little, NULL);
}

static enum oxp_status say(struct oxp_http_response *response_out, int status) {
    response_out->status = status;
    response_out->body = strdup("said");
    response_out->body_len = 4;
    return OXP_OK;
}

/* Every tenth message is one that is refused; a try in a bad mood fails, but never so many of one message that it is
 * set aside for that (rule 8): which message a throw of the dice meets is as the threads happen to run. */
enum oxp_status exchange(struct oxp_http *http, const struct oxp_http_request *request,
                         struct oxp_http_response *response_out, struct oxp_error *error) {
    (void)http;
    long number = atol(request->body.ptr);
    assert_in_range(number, 0, MESSAGES - 1);
    *response_out = (struct oxp_http_response){0};
    pthread_mutex_lock(&lock);
    int die = (int)(oxp_random_u64(&dice) % 100);
    asked++;
    bool fine = die >= atomic_load(&mood_500) + atomic_load(&mood_429) + atomic_load(&mood_dead) ||
                failed[number] == OXP_COURIER_OWN_TRIES_MAX - 1;
    failed[number] += !fine;
    arrived[number] += fine && number % 10 != 0 && atomic_load(&mood_block) == 0;
    pthread_mutex_unlock(&lock);
    while (atomic_load(&mood_block) != 0) {
        if (request->give_up(request->give_up_ctx)) {
            return OXP_ERR_CLOSED;
        }
        rest();
    }
    if (fine) {
        return say(response_out, number % 10 == 0 ? 400 : 200);
    }
    if (die < atomic_load(&mood_dead)) {
        return oxp_error_set(error, OXP_ERR_TIMEOUT, 0, 0, "nobody there");
    }
    return say(response_out, die < atomic_load(&mood_dead) + atomic_load(&mood_429) ? 429 : 500);
}

/* ---- The rest of the world ---- */

static const char *const receivers[] = {"oncall/webhook/0", "alertmanager/http://a", "cloudwatch"};

static struct oxp_courier *begin(struct oxp_outbox *outbox) {
    struct oxp_recipient recipients[3];
    for (size_t i = 0; i < 3; i++) {
        recipients[i] = (struct oxp_recipient){.receiver = receivers[i], .integration = "webhook", .prepare = prepare};
    }
    const struct oxp_courier_options options = {
        .outbox = outbox, .recipients = recipients, .count = 3, .clock = &hand_clock, .http_new = http_new, .seed = 3};
    struct oxp_courier *courier = NULL;
    rests_begin();
    assert_int_equal(oxp_courier_new(&options, &courier), OXP_OK);
    return courier;
}

static void put(struct oxp_outbox *outbox, unsigned number) {
    char content[16];
    snprintf(content, sizeof content, "%u", number);
    struct oxp_outbox_message message = {
        .receiver = oxp_view_from(receivers[number % 3]),
        .integration = OXP_VIEW("webhook"),
        .priority = (enum oxp_outbox_priority)(number % OXP_OUTBOX_PRIORITIES),
        .summary = OXP_VIEW("test"),
        .content = oxp_view_from(content),
    };
    const struct oxp_outbox_write write = {.messages = &message, .message_count = 1};
    struct oxp_error error = {0};
    if (oxp_outbox_put(outbox, &write, now_ms(), &error) != OXP_OK) {
        fail_msg("%s", error.text);
    }
}

static struct oxp_outbox_stats stats_of(struct oxp_outbox *outbox) {
    struct oxp_outbox_stats stats;
    struct oxp_arena arena;
    oxp_arena_init(&arena, 0);
    assert_int_equal(oxp_outbox_stats(outbox, &arena, &stats), OXP_OK);
    oxp_arena_fini(&arena);
    return stats;
}

/* Moves the clock until nothing waits, so often at most. */
static void drain(struct oxp_outbox *outbox, struct oxp_courier *courier, double step_s) {
    struct oxp_outbox_stats stats;
    for (int i = 0; i < 5000; i++) {
        rests_await(courier, 3);
        stats = stats_of(outbox);
        if (stats.waiting + stats.claimed == 0) {
            return;
        }
        atomic_fetch_add(&now_ns, (long long)(step_s * 1e9));
    }
    fail_msg("%llu wait, %llu are being sent", (unsigned long long)stats.waiting, (unsigned long long)stats.claimed);
}

static void reset(void) {
    pthread_mutex_lock(&lock);
    oxp_random_seed(&dice, 11);
    memset(arrived, 0, sizeof arrived);
    memset(failed, 0, sizeof failed);
    asked = 0;
    pthread_mutex_unlock(&lock);
    atomic_store(&mood_500, 0);
    atomic_store(&mood_429, 0);
    atomic_store(&mood_dead, 0);
    atomic_store(&mood_block, 0);
}

static void check_arrived(struct oxp_outbox *outbox) {
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < MESSAGES; i++) {
        if (arrived[i] != (i % 10 != 0)) {
            print_error("message %u arrived %u times\n", i, arrived[i]);
            fail();
        }
    }
    pthread_mutex_unlock(&lock);
    assert_int_equal(stats_of(outbox).aside, MESSAGES / 10);
    struct oxp_arena arena;
    struct oxp_outbox_message *messages = NULL;
    size_t count = 0;
    oxp_arena_init(&arena, 0);
    const struct oxp_outbox_filter filter = {.states = 1u << OXP_OUTBOX_ASIDE, .limit = MESSAGES};
    assert_int_equal(oxp_outbox_list(outbox, &filter, &arena, &messages, &count), OXP_OK);
    assert_int_equal(count, MESSAGES / 10);
    for (size_t i = 0; i < count; i++) {
        assert_true(oxp_view_is(messages[i].answer, "HTTP 400: said"));
    }
    oxp_arena_fini(&arena);
}

static struct oxp_outbox *open_outbox(const char *directory) {
    const struct oxp_outbox_options options = {.directory = directory};
    struct oxp_outbox *outbox = NULL;
    struct oxp_error error = {0};
    if (oxp_outbox_open(&options, now_ms(), &outbox, NULL, &error) != OXP_OK) {
        fail_msg("%s", error.text);
    }
    return outbox;
}

/* ---- Tests ---- */

static void all_arrive(void **state) {
    (void)state;
    reset();
    struct oxp_outbox *outbox = open_outbox(NULL);
    struct oxp_courier *courier = begin(outbox);
    for (unsigned i = 0; i < MESSAGES; i++) {
        put(outbox, i);
        oxp_courier_wake(courier, oxp_view_from(receivers[i % 3]));
    }
    drain(outbox, courier, 0);
    check_arrived(outbox);
    assert_int_equal(asked, MESSAGES);
    oxp_courier_free(courier);
    oxp_outbox_close(outbox);
}

static void all_arrive_in_bad_weather(void **state) {
    (void)state;
    reset();
    atomic_store(&mood_500, 20);
    atomic_store(&mood_429, 20);
    atomic_store(&mood_dead, 20);
    struct oxp_outbox *outbox = open_outbox(NULL);
    struct oxp_courier *courier = begin(outbox);
    for (unsigned i = 0; i < MESSAGES; i++) {
        put(outbox, i);
    }
    drain(outbox, courier, 60);
    check_arrived(outbox);
    assert_true(asked > MESSAGES * 3 / 2);
    oxp_courier_free(courier);
    oxp_outbox_close(outbox);
}

/* What waits, and what was under way, goes on with the next courier, and with the next opening of the file. */
static void across_stops(void **state) {
    (void)state;
    reset();
    /* in memory where that can be: this is about the courier, and hundreds of commits wait long on a busy disk */
    char shared[] = "/dev/shm/oxp-courier-XXXXXX", on_disk[] = "/tmp/oxp-courier-XXXXXX";
    char *directory = mkdtemp(shared) != NULL ? shared : mkdtemp(on_disk);
    assert_non_null(directory);
    struct oxp_outbox *outbox = open_outbox(directory);
    unsigned put_so_far = 0;
    for (int life = 0; life < 4; life++) {
        atomic_store(&mood_block, life % 2); /* some lives end in the middle of a send */
        struct oxp_courier *courier = begin(outbox);
        for (unsigned i = 0; i < MESSAGES / 4; i++) {
            put(outbox, put_so_far++);
        }
        oxp_courier_wake(courier, OXP_VIEW(""));
        rest();
        oxp_courier_stop(courier, life);
        oxp_courier_free(courier);
        assert_int_equal(stats_of(outbox).claimed, 0);
        if (life == 1) {
            oxp_outbox_close(outbox);
            outbox = open_outbox(directory);
        }
    }
    atomic_store(&mood_block, 0);
    struct oxp_courier *courier = begin(outbox);
    drain(outbox, courier, 1);
    check_arrived(outbox);
    oxp_courier_free(courier);
    oxp_outbox_close(outbox);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", directory);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a path of our own making */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_arrive),
        cmocka_unit_test(all_arrive_in_bad_weather),
        cmocka_unit_test(across_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
