/* Breakers: each rule of breaker.h as a little film of calls, with a clock that is moved by hand; then threads, a fork,
 * and failing memory. */
#include <oxpecker/breaker.h>

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/alloc_fail.h"
#include "tests/unit/lib/resilience/notes.h"

enum { THREADS = 8, ROUNDS = 20000 };

static double now_s, wall_s;

static double get_now(void *ctx) {
    (void)ctx;
    return now_s;
}

static double get_wall(void *ctx) {
    (void)ctx;
    return wall_s;
}

static struct oxp_breakers *registry_of(struct oxp_reporter *reporter) {
    const struct oxp_breakers_options options = {.reporter = reporter, .now_s = get_now, .wall_s = get_wall};
    struct oxp_breakers *breakers = NULL;
    now_s = 1000;
    wall_s = 1700000000;
    assert_int_equal(oxp_breakers_new(&options, &breakers), OXP_OK);
    return breakers;
}

/* ---- Films ----
 *
 * s f i     a call that ends in success, failure, ignored; it must have passed
 * x         a call that must be rejected
 * 0-9       enters and stays inside under that number (must pass)
 * +         the clock moves 10 seconds
 * S1 F1 I1  number 1 leaves with that outcome
 * N1        enters anyway, as number 1
 * R D E     reset, disable, enable
 * < >       the clock jumps back an hour, and forward again
 * C O H     the state must be closed, open, half_open
 * =n        n consecutive failures */
struct film {
    const char *rule;
    struct oxp_breaker_options options;
    const char *play;
};

#define BY_COUNT                                                                                                       \
    { .failure_threshold = 3 }
static const struct film films[] = {
    {"1: three in a row open", BY_COUNT, "C f f =2 C f =3 O x"},
    {"1: a success begins anew", BY_COUNT, "f f s =0 f f C f O"},
    {"1: what is ignored does neither", BY_COUNT, "f f i =2 C i f O"},
    {"1: five by default", {.open_s = 0}, "f f f f C f O ++++++ s C"},
    {"1: by ratio", {.failure_ratio = 0.5, .min_calls = 4}, "f f f C s C f O"},
    {"1: by ratio, just not", {.failure_ratio = 0.5, .min_calls = 4}, "s s s f f C s s s s s f f f C f C f C f O"},
    {"1: by ratio, a success opens nothing", {.failure_ratio = 0.5, .min_calls = 4}, "f f f s C f O"},
    {"1: the window slides", {.failure_ratio = 0.5, .min_calls = 4, .window_s = 60}, "f f f +++++++ f C f f C f O"},
    {"1: old successes slide out",
     {.failure_ratio = 0.5, .min_calls = 4, .window_s = 60},
     "s s s s s s ++++++ f f f C f O"},
    {"2: rejects for a minute", BY_COUNT, "f f f O x +++++ x O + s C"},
    {"2: grows",
     {.failure_threshold = 1, .open_s = 10, .open_growth = 2, .open_max_s = 30},
     "f O + f O + x + f O ++ x + f O ++ x + s C f O + s C"},
    {"2: does not grow", {.failure_threshold = 1, .open_s = 10}, "f O + f O + f O + s C"},
    {"3: one probe", BY_COUNT, "f f f ++++++ 1 H x x S1 C s"},
    {"3: a failed probe", BY_COUNT, "f f f ++++++ 1 H F1 O x =4 ++++++ s C =0"},
    {"3: an ignored probe", BY_COUNT, "f f f ++++++ i H i H s C"},
    {"3: two probes needed", {.failure_threshold = 1, .probe_successes = 2}, "f ++++++ s H i H s C f O"},
    {"3: in a row", {.failure_threshold = 1, .probe_successes = 2}, "f ++++++ s H f O ++++++ s H s C"},
    {"4: a lost probe", BY_COUNT, "f f f ++++++ 1 H +++++ x + 2 x S1 H x S2 C"},
    {"4: which fails late", BY_COUNT, "f f f ++++++ 1 ++++++ 2 F1 H S2 C F1 C =0"},
    {"4: its own patience", {.failure_threshold = 1, .probe_timeout_s = 10}, "f ++++++ 1 x + 2 x S2 C"},
    {"4: a lost one breaks the row", {.failure_threshold = 1, .probe_successes = 2}, "f ++++++ s H 1 ++++++ s H s C"},
    {"5: what began before it opened", BY_COUNT, "1 2 f f f O F1 =3 O ++++++ 3 S2 H F1 H S3 C"},
    {"5: what began before it closed again", BY_COUNT, "1 2 3 f f f ++++++ s C F1 F2 F3 C =0"},
    {"5: and leaves twice", BY_COUNT, "1 2 F1 F1 F1 =1 C"},
    {"6: reset", BY_COUNT, "f f f O R C =0 s"},
    {"6: reset of a count", BY_COUNT, "f f R =0 f f C"},
    {"6: reset of a probe", BY_COUNT, "f f f ++++++ 1 H R C F1 C =0"},
    {"6: reset begins the growth anew", {.failure_threshold = 1, .open_s = 10, .open_growth = 2}, "f + f R f + s C"},
    {"6: reset empties the window", {.failure_ratio = 0.5, .min_calls = 4}, "f f f R f f f C f O"},
    {"7: disabled", BY_COUNT, "D O x ++++++ x R O x =0 E C s"},
    {"7: while open", BY_COUNT, "f f f D ++++++ x =3 E C =0"},
    {"7: while probing", BY_COUNT, "f f f ++++++ 1 D O S1 O x E C"},
    {"7: what was inside", BY_COUNT, "1 D F1 O E F1 C =0"},
    {"7: enabled by nobody", BY_COUNT, "f f f E O"},
    {"8: monitor only",
     {.failure_threshold = 3, .monitor_only = true},
     "f f f O s s f O ++++++ 1 H s f H F1 O ++++++ s C"},
    {"8: monitor only can be disabled", {.failure_threshold = 3, .monitor_only = true}, "D x E s"},
    {"entering anyway", BY_COUNT, "f f f O N1 S1 O N1 F1 =3 ++++++ N1 H x S1 C N1 F1 =1"},
    {"10: a clock that goes back stands", BY_COUNT, "< s > f f f O x < x > x ++++++ s C < f f f O > x ++++++ s C"},
};

static struct oxp_breaker_ticket inside[10];

static void leave_now(struct oxp_breaker_ticket *ticket, char outcome) {
    oxp_breaker_leave(ticket, outcome == 's' || outcome == 'S'   ? OXP_BREAKER_SUCCESS
                              : outcome == 'f' || outcome == 'F' ? OXP_BREAKER_FAILURE
                                                                 : OXP_BREAKER_IGNORED);
}

/* Plays the sign at `at`; false when it is not as it must be. */
static bool play_sign(struct oxp_breaker *breaker, const char *at) {
    static const char states[] = "COH";
    struct oxp_breaker_ticket ticket;
    struct oxp_breaker_info info;
    bool passed = true;
    switch (*at) {
    case 's':
    case 'f':
    case 'i':
        passed = oxp_breaker_enter(breaker, &ticket);
        leave_now(&ticket, *at);
        return passed;
    case 'x':
        return !oxp_breaker_enter(breaker, &ticket) && ticket.breaker == NULL;
    case 'N':
        oxp_breaker_enter_anyway(breaker, &inside[at[1] - '0']);
        return true;
    case 'S':
    case 'F':
    case 'I':
        leave_now(&inside[at[1] - '0'], *at);
        return true;
    case '+':
        now_s += 10;
        return true;
    case '<':
        now_s -= 3600;
        return true;
    case '>':
        now_s += 3600;
        return true;
    case 'R':
        oxp_breaker_reset(breaker);
        return true;
    case 'D':
        oxp_breaker_disable(breaker);
        return true;
    case 'E':
        oxp_breaker_enable(breaker);
        return true;
    case '=':
        oxp_breaker_read(breaker, &info);
        return info.failures == (uint64_t)(at[1] - '0');
    case 'C':
    case 'O':
    case 'H':
        return states[oxp_breaker_state_of(breaker)] == *at;
    default:
        return *at >= '0' && *at <= '9' ? oxp_breaker_enter(breaker, &inside[*at - '0']) : *at == ' ';
    }
}

static void play_film(const struct film *film) {
    struct oxp_breakers *breakers = registry_of(NULL);
    struct oxp_breaker *breaker = oxp_breaker_get(breakers, "b", &film->options);
    assert_non_null(breaker);
    for (const char *at = film->play; *at != '\0'; at++) {
        if (!play_sign(breaker, at)) {
            fail_msg("%s: at \"%s\"", film->rule, at);
        }
        at += strchr("NSFI=", *at) != NULL; /* and its number */
    }
    oxp_breakers_free(breakers);
}

static void the_rules(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(films); i++) {
        memset(inside, 0, sizeof inside);
        play_film(&films[i]);
    }
}

static void what_makes_no_sense_is_refused(void **state) {
    (void)state;
    static const struct oxp_breaker_options bad[] = {
        {.failure_ratio = -0.1}, {.failure_ratio = 1.1}, {.failure_ratio = NAN}, {.window_s = -1},
        {.open_s = -1},          {.open_s = INFINITY},   {.open_growth = 0.5},   {.open_max_s = 1e9},
        {.probe_timeout_s = -1}, {.window_s = NAN},      {.open_growth = NAN},
    };
    char long_name[OXP_BREAKER_NAME_MAX + 2];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    struct oxp_breakers *breakers = registry_of(NULL), *other = NULL;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct oxp_error error = {0};
        const struct oxp_breakers_options options = {.defaults = bad[i]};
        assert_null(oxp_breaker_get(breakers, "b", &bad[i]));
        assert_int_equal(oxp_breakers_new(&options, &other), OXP_ERR_INVALID);
        assert_int_equal(oxp_breakers_set_defaults(breakers, &bad[i], &error), OXP_ERR_INVALID);
        assert_int_equal(strncmp(error.text, "breaker: ", 9), 0);
    }
    assert_null(oxp_breaker_get(breakers, "", NULL));
    assert_null(oxp_breaker_get(breakers, long_name, NULL));
    assert_non_null(oxp_breaker_get(breakers, long_name + 1, NULL));
    assert_int_equal(oxp_breakers_list(breakers, NULL, 0), 1);
    oxp_breakers_free(breakers);
}

static void defaults_are_set_by_text(void **state) {
    (void)state;
    static const struct {
        const char *key, *value;
        enum oxp_status status;
    } rows[] = {
        {"error_handling.circuit_breaker.default_failure_threshold", "2", OXP_OK},
        {"default_recovery_timeout", "10.0", OXP_OK},
        {"monitor_only", "false", OXP_OK},
        {"probe_successes", "1", OXP_OK},
        {"default_failure_threshold", "0", OXP_ERR_RANGE},
        {"default_failure_threshold", "2.5", OXP_ERR_RANGE},
        {"open_s", "soon", OXP_ERR_SYNTAX},
        {"monitor_only", "yes", OXP_ERR_SYNTAX},
        {"threshold", "2", OXP_ERR_INVALID},
        {"counts", "2", OXP_ERR_INVALID},
    };
    struct oxp_breakers *breakers = registry_of(NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_error error = {0};
        assert_int_equal(oxp_breakers_config_set(breakers, rows[i].key, rows[i].value, &error), rows[i].status);
        assert_int_equal(error.text[0] == '\0', rows[i].status == OXP_OK);
    }
    struct oxp_breaker *breaker = oxp_breaker_get(breakers, "b", NULL);
    for (const char *at = "f C f O x + s C"; *at != '\0'; at++) {
        assert_true(play_sign(breaker, at));
    }
    oxp_breakers_free(breakers);
}

/* ---- Rule 9, the call form ---- */

static const struct oxp_code *give(void *ctx) {
    return ctx;
}

static bool only_parsing(void *ctx, const struct oxp_code *code) {
    return code == ctx;
}

static void codes_count_as_the_table_says(void **state) {
    (void)state;
    static const struct {
        const char *code; /* NULL = it worked */
        enum oxp_breaker_outcome outcome;
    } rows[] = {
        {NULL, OXP_BREAKER_SUCCESS},
        {"bb_server_error", OXP_BREAKER_FAILURE},
        {"net_timeout", OXP_BREAKER_FAILURE},
        {"cdp_closed", OXP_BREAKER_FAILURE},
        {"bb_concurrency_limit", OXP_BREAKER_IGNORED},
        {"bb_bad_request", OXP_BREAKER_IGNORED},
        {"bb_auth", OXP_BREAKER_IGNORED},
        {"task_cancelled", OXP_BREAKER_IGNORED},
        {"sh_unsuccessful", OXP_BREAKER_IGNORED},
        {"breaker_open", OXP_BREAKER_IGNORED},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct oxp_code *code = rows[i].code == NULL ? NULL : oxp_code_find(oxp_view_from(rows[i].code));
        assert_int_equal(oxp_breaker_outcome_of(NULL, code), rows[i].outcome);
    }
}

static void a_call_inside_gives_its_code_or_breaker_open(void **state) {
    (void)state;
    const struct oxp_code *parse = oxp_code_find(OXP_VIEW("sh_parse"));
    const struct oxp_code *server = oxp_code_find(OXP_VIEW("bb_server_error"));
    const struct oxp_breaker_options options = {.failure_threshold = 1, .counts = only_parsing, .ctx = (void *)parse};
    struct oxp_breakers *breakers = registry_of(NULL);
    struct oxp_breaker *breaker = oxp_breaker_get(breakers, "b", &options);
    assert_null(oxp_breaker_call(breaker, give, NULL));
    assert_ptr_equal(oxp_breaker_call(breaker, give, (void *)server), server); /* expected: it is not counted */
    assert_ptr_equal(oxp_breaker_call(breaker, give, (void *)parse), parse);
    assert_string_equal(oxp_breaker_call(breaker, give, NULL)->name, "breaker_open");
    assert_null(oxp_breaker_call(NULL, give, NULL));
    struct oxp_breaker_info info;
    oxp_breaker_read(breaker, &info);
    assert_true(info.success == 1 && info.ignored == 1 && info.failure == 1 && info.rejected == 1);
    assert_true(info.opened == 1 && info.wait_s == 60);
    oxp_breaker_disable(breaker);
    assert_true(isinf(oxp_breaker_wait_s(breaker)));
    oxp_breakers_free(breakers);
}

/* ---- Registry, reports ---- */

static void play(struct oxp_breaker *breaker, const char *signs) {
    for (; *signs != '\0'; signs++) {
        assert_true(play_sign(breaker, signs));
    }
}

static void names_find_the_same_breaker(void **state) {
    (void)state;
    struct oxp_breakers *breakers = registry_of(NULL);
    struct oxp_breaker *create = oxp_breaker_get(breakers, "bb_create", NULL);
    struct oxp_breaker *release =
        oxp_breaker_get(breakers, "bb_release", &(struct oxp_breaker_options){.monitor_only = true});
    const struct oxp_breaker_options ignored = {.failure_threshold = 1};
    assert_ptr_equal(oxp_breaker_get(breakers, "bb_create", &ignored), create);
    assert_ptr_equal(oxp_breaker_find(breakers, "bb_release"), release);
    assert_null(oxp_breaker_find(breakers, "bb"));
    play(create, "f");
    wall_s += 5;
    play(release, "f f f f f");
    struct oxp_breaker_info infos[3];
    assert_int_equal(oxp_breakers_list(breakers, infos, 1), 2);
    assert_int_equal(oxp_breakers_list(breakers, infos, 3), 2);
    assert_string_equal(infos[0].name, "bb_create");
    assert_int_equal(infos[0].state, OXP_BREAKER_CLOSED);
    assert_int_equal(infos[0].failures, 1);
    assert_true(infos[0].since_s == 1700000000);
    assert_string_equal(infos[1].name, "bb_release");
    assert_int_equal(infos[1].state, OXP_BREAKER_OPEN);
    assert_true(infos[1].monitor_only && infos[1].since_s == 1700000005);
    oxp_breakers_free(breakers);
    oxp_breakers_free(NULL);
    assert_ptr_equal(oxp_breakers_default(), oxp_breakers_default());
    assert_string_equal(oxp_breaker_state_name((enum oxp_breaker_state)3), "");
}

static void transitions_and_calls_are_reported(void **state) {
    (void)state;
    struct notes notes;
    notes_init(&notes);
    struct oxp_breakers *breakers = registry_of(&notes.reporter);
    struct oxp_breaker *breaker =
        oxp_breaker_get(breakers, "api", &(struct oxp_breaker_options){.failure_threshold = 2});
    oxp_breaker_get(breakers, "idle", NULL);
    play(breaker, "s f i f x ++++++ f ++++++ s R f f R D E");
    assert_string_equal(notes.text, "breaker name=api from=closed to=open failures=2 cause=auto;"
                                    "breaker name=api from=open to=half_open failures=2 cause=auto;"
                                    "breaker name=api from=half_open to=open failures=3 cause=auto;"
                                    "breaker name=api from=open to=half_open failures=3 cause=auto;"
                                    "breaker name=api from=half_open to=closed failures=0 cause=auto;"
                                    "breaker name=api from=closed to=open failures=2 cause=auto;"
                                    "breaker name=api from=open to=closed failures=0 cause=manual;"
                                    "breaker name=api from=closed to=open failures=0 cause=manual;"
                                    "breaker name=api from=open to=closed failures=0 cause=manual;");
    notes_init(&notes);
    oxp_breakers_flush(breakers);
    assert_string_equal(notes.text, "breaker.calls name=api success=2 failure=5 rejected=1 ignored=1 failures=0;");
    notes_init(&notes);
    oxp_breakers_flush(breakers);
    assert_string_equal(notes.text, "");
    play(breaker, "f");
    oxp_breakers_set_reporter(breakers, NULL);
    oxp_breakers_flush(breakers); /* nobody is there: it waits */
    play(breaker, "f x");
    assert_string_equal(notes.text, "");
    oxp_breakers_set_reporter(breakers, &notes.reporter);
    oxp_breakers_flush(breakers);
    assert_string_equal(notes.text, "breaker.calls name=api success=0 failure=2 rejected=1 ignored=0 failures=2;");
    oxp_breakers_free(breakers);
}

static void states_are_said_again(void **state) {
    (void)state;
    struct notes notes;
    struct oxp_breakers *breakers = registry_of(NULL);
    notes_init(&notes);
    play(oxp_breaker_get(breakers, "a", &(struct oxp_breaker_options){.failure_threshold = 1}), "f");
    wall_s = 100;
    oxp_breaker_disable(oxp_breaker_get(breakers, "b", NULL));
    oxp_breakers_resume(breakers, &notes.reporter);
    assert_string_equal(notes.text, "breaker name=a to=open failures=1 cause=auto resumed=true started_at=1.7e+09;"
                                    "breaker name=b to=open failures=0 cause=manual resumed=true started_at=100;");
    oxp_breakers_resume(breakers, NULL);
    oxp_breakers_free(breakers);
}

struct watch {
    struct oxp_breaker_observer observer;
    unsigned moves;
};

/* It may call into the breaker: no lock is held. */
static void saw_move(struct oxp_breaker_observer *self, struct oxp_breaker *breaker, enum oxp_breaker_state from,
                     enum oxp_breaker_state to, bool manual) {
    ((struct watch *)self)->moves++;
    if (to == OXP_BREAKER_OPEN) {
        assert_int_equal(from, OXP_BREAKER_CLOSED);
        assert_false(manual);
        oxp_breaker_reset(breaker);
    }
}

static void observers_may_call_back(void **state) {
    (void)state;
    struct watch watch = {.observer = {saw_move}};
    struct oxp_breakers *breakers = registry_of(NULL);
    struct oxp_breaker *breaker = oxp_breaker_get(breakers, "b", NULL);
    oxp_breakers_set_observer(breakers, &watch.observer);
    play(breaker, "f f f f f C");
    assert_int_equal(watch.moves, 2);
    oxp_breakers_free(breakers);
}

/* ---- Threads, fork, memory ---- */

static struct oxp_breaker *shared;
static atomic_uint probes, rejected, wrong;
static pthread_barrier_t barrier;

static void *storm(void *ctx) {
    (void)ctx;
    struct oxp_breaker_ticket ticket;
    pthread_barrier_wait(&barrier);
    bool passed = oxp_breaker_enter(shared, &ticket);
    atomic_fetch_add(passed ? &probes : &rejected, 1);
    pthread_barrier_wait(&barrier); /* nobody leaves before all have asked */
    if (passed) {
        oxp_breaker_leave(&ticket, OXP_BREAKER_SUCCESS);
    }
    return NULL;
}

static void run_threads(void *(*body)(void *ctx)) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, body, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void eight_threads_make_one_probe(void **state) {
    (void)state;
    struct oxp_breakers *breakers = registry_of(NULL);
    shared = oxp_breaker_get(breakers, "b", &(struct oxp_breaker_options){.failure_threshold = 1});
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (unsigned i = 1; i <= 50; i++) {
        play(shared, "f O");
        now_s += 60;
        run_threads(storm);
        assert_int_equal(probes, i);
        assert_int_equal(rejected, i * (THREADS - 1));
        play(shared, "C");
    }
    pthread_barrier_destroy(&barrier);
    oxp_breakers_free(breakers);
}

static struct oxp_breakers *busy;

static void *use_all(void *ctx) {
    (void)ctx;
    for (int i = 0; i < ROUNDS; i++) {
        struct oxp_breaker_ticket ticket;
        char name[8];
        snprintf(name, sizeof name, "b%d", i % 20);
        struct oxp_breaker *breaker = oxp_breaker_get(busy, name, NULL);
        if (oxp_breaker_enter(breaker, &ticket)) {
            oxp_breaker_leave(&ticket, i % 7 == 0 ? OXP_BREAKER_FAILURE : OXP_BREAKER_SUCCESS);
        }
        if (i % 512 == 0) {
            oxp_breakers_flush(busy);
            oxp_breaker_reset(breaker);
            atomic_fetch_add(&wrong, oxp_breakers_list(busy, NULL, 0) > 20);
        }
    }
    return NULL;
}

static atomic_ullong told;

static void add_up(struct oxp_reporter *self, const struct oxp_report *report) {
    (void)self;
    for (size_t i = 1; i < 5 && strcmp(report->type, "breaker.calls") == 0; i++) {
        atomic_fetch_add(&told, report->pairs[i].value.count);
    }
}

static void no_call_is_lost(void **state) {
    (void)state;
    struct oxp_reporter reporter = {add_up};
    busy = registry_of(&reporter);
    run_threads(use_all);
    oxp_breakers_flush(busy);
    assert_true(told == (unsigned long long)THREADS * ROUNDS);
    assert_int_equal(wrong, 0);
    oxp_breakers_free(busy);
}

static atomic_bool ended;

static void *use_until_ended(void *ctx) {
    struct oxp_breaker_ticket ticket;
    while (!ended) {
        oxp_breaker_enter(ctx, &ticket);
        oxp_breaker_leave(&ticket, OXP_BREAKER_SUCCESS);
    }
    return NULL;
}

static void a_fork_leaves_no_lock_behind(void **state) {
    (void)state;
    struct notes notes;
    pthread_t thread;
    notes_init(&notes);
    struct oxp_breakers *breakers = registry_of(&notes.reporter);
    struct oxp_breaker *breaker = oxp_breaker_get(breakers, "b", NULL);
    ended = false;
    assert_int_equal(pthread_create(&thread, NULL, use_until_ended, breaker), 0);
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            alarm(60); /* stuck on a lock */
            oxp_breakers_flush(breakers);
            bool quiet = notes.used == 0; /* what was not told yet is the parent's */
            play(breaker, "f s");
            _exit(quiet ? 0 : 1);
        }
        int status = -1;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    ended = true;
    pthread_join(thread, NULL);
    oxp_breakers_free(breakers);
}

static void make_some(void *ctx) {
    (void)ctx;
    struct oxp_breakers *breakers = NULL;
    bool made = oxp_breakers_new(NULL, &breakers) == OXP_OK;
    assert_int_equal(made, breakers != NULL);
    struct oxp_breaker *a = oxp_breaker_get(breakers, "a", NULL);
    assert_true(breakers == NULL || a == oxp_breaker_find(breakers, "a"));
    if (a != NULL) {
        play(a, "f s");
    }
    oxp_breakers_free(breakers);
}

static void they_may_lack_memory(void **state) {
    (void)state;
    assert_int_equal(alloc_fail_each(make_some, NULL), 3); /* the registry, a breaker, its place in the map */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rules),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(defaults_are_set_by_text),
        cmocka_unit_test(codes_count_as_the_table_says),
        cmocka_unit_test(a_call_inside_gives_its_code_or_breaker_open),
        cmocka_unit_test(names_find_the_same_breaker),
        cmocka_unit_test(transitions_and_calls_are_reported),
        cmocka_unit_test(states_are_said_again),
        cmocka_unit_test(observers_may_call_back),
        cmocka_unit_test(eight_threads_make_one_probe),
        cmocka_unit_test(no_call_is_lost),
        cmocka_unit_test(a_fork_leaves_no_lock_behind),
        cmocka_unit_test(they_may_lack_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
