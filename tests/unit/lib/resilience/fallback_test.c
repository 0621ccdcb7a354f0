/* Fallback: the order of the alternatives, the way back, what is reported (and what the sidecar would count from it),
 * what may not be answered by another, threads. */
#include "tests/unit/lib/resilience/notes.h"

#include "tests/support/alloc_fail.h"
#include <oxpecker/fallback.h>
#include <pthread.h>
#include <stdatomic.h>

/* ---- One caller: scripts ---- */

/* What each alternative does when it is asked: '.' works, a letter is a failure by its first letter. */
struct stage {
    struct notes notes;
    double now_s;
    char does[8];
    char asked[64]; /* the alternatives that were asked, in order; a blank after each call */
};

static struct stage stage;

static struct oxp_failure *failure_of(char letter) {
    static const struct {
        char letter;
        const char *code;
    } rows[] = {{'t', "net_timeout"}, {'a', "bb_auth"}, {'s', "data_empty"}, {'q', "llm_quota"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].letter == letter) {
            struct oxp_evidence evidence = {.code = oxp_view_from(rows[i].code),
                                            .message = oxp_view_from(rows[i].code)};
            return oxp_failure_new(&evidence, NULL);
        }
    }
    return NULL;
}

static struct oxp_failure *ask(void *ctx, void *result) {
    size_t which = (size_t)(uintptr_t)ctx;
    size_t used = strlen(stage.asked);
    assert_true(used + 2 < sizeof stage.asked);
    stage.asked[used] = (char)('0' + which);
    stage.asked[used + 1] = '\0';
    if (stage.does[which] == '.' && result != NULL) {
        *(size_t *)result = which;
    }
    return failure_of(stage.does[which]);
}

static double stage_now(void *ctx) {
    (void)ctx;
    return stage.now_s;
}

static const struct oxp_alternative three[] = {
    {"provider", ask, (void *)0}, {"local", ask, (void *)1}, {"cached", ask, (void *)2}};

static struct oxp_fallback *fallback_with(bool (*may_fall)(void *ctx, const struct oxp_failure *failure)) {
    const struct oxp_fallback_options options = {.component = "browser",
                                                 .alternatives = three,
                                                 .count = 3,
                                                 .retry_first_s = 30,
                                                 .may_fall = may_fall,
                                                 .reporter = &stage.notes.reporter,
                                                 .now_s = stage_now};
    struct oxp_fallback *fallback = NULL;
    memset(&stage, 0, sizeof stage);
    notes_init(&stage.notes);
    assert_int_equal(oxp_fallback_new(&options, &fallback), OXP_OK);
    return fallback;
}

/* One step of a script: at `at_s` the alternatives do `does`, one call is made. */
struct step {
    double at_s;
    const char *does, *asked; /* asked: which ones were */
    int used;                 /* -1 = the call failed */
    size_t level;             /* afterwards */
    const char *reports;      /* what this call reported */
};

struct script {
    const char *name;
    struct step steps[6];
};

static const struct script scripts[] = {
    {"whole: only the first is asked", {{0, "...", "0", 0, 0, ""}, {1, "...", "0", 0, 0, ""}}},
    {"rules 1, 2, 3: degraded, later ones begin there, the first is tried again in time",
     {{0, "t..", "01", 1, 1, "degraded component=browser on=true ok=true reason=net_timeout;"},
      {1, "...", "1", 1, 1, ""},
      {29.9, "...", "1", 1, 1, ""},
      {30, "...", "0", 0, 0, "degraded component=browser on=false reason=provider;"},
      {31, "...", "0", 0, 0, ""}}},
    {"the first is still down when it is tried again: not again before another 30 s, nothing is news",
     {{0, "t..", "01", 1, 1, "degraded component=browser on=true ok=true reason=net_timeout;"},
      {30, "t..", "01", 1, 1, ""},
      {31, "...", "1", 1, 1, ""},
      {59.9, "...", "1", 1, 1, ""},
      {60, "...", "0", 0, 0, "degraded component=browser on=false reason=provider;"}}},
    {"rule 3: worse by falling further, better only by beginning at the first",
     {{0, "t..", "01", 1, 1, "degraded component=browser on=true ok=true reason=net_timeout;"},
      {1, ".t.", "12", 2, 2, "degraded component=browser on=true ok=true reason=net_timeout;"},
      {2, "...", "2", 2, 2, ""},
      {31, "t..", "01", 1, 1, "degraded component=browser on=true ok=true reason=net_timeout;"}}},
    {"rule 4: all fail: it stays whole, and the fallback that failed is counted",
     {{0, "ttt", "012", -1, 0,
       "degraded component=browser on=true ok=false reason=net_timeout;"
       "degraded component=browser on=false reason=no alternative worked;"},
      {1, "...", "0", 0, 0, ""}}},
    {"rule 4, degraded: it stays where it was",
     {{0, "t..", "01", 1, 1, "degraded component=browser on=true ok=true reason=net_timeout;"},
      {1, "ttt", "12", -1, 1, "degraded component=browser on=true ok=false reason=net_timeout;"},
      {30, "ttt", "012", -1, 1, "degraded component=browser on=true ok=false reason=net_timeout;"},
      {31, "...", "1", 1, 1, ""}}},
    {"the last one alone fails: no fallback was taken",
     {{0, "tt.", "012", 2, 2, "degraded component=browser on=true ok=true reason=net_timeout;"},
      {1, "..t", "2", -1, 2, ""}}},
    {"abort is not answered by another: nothing was degraded, no fallback was taken", {{0, "a..", "0", -1, 0, ""}}},
    {"nor is skip", {{0, "s..", "0", -1, 0, ""}}},
    {"escalate is", {{0, "q..", "01", 1, 1, "degraded component=browser on=true ok=true reason=llm_quota;"}}},
    {"an abort of the second: the fallback was taken, and failed",
     {{0, "ta.", "01", -1, 0,
       "degraded component=browser on=true ok=false reason=bb_auth;"
       "degraded component=browser on=false reason=no alternative worked;"}}},
};

static void run_step(struct oxp_fallback *fallback, const struct script *script, const struct step *step) {
    size_t used = 99, result = 99, said = stage.notes.used;
    stage.asked[0] = '\0';
    stage.now_s = 1000 + step->at_s;
    memcpy(stage.does, step->does, 4);
    struct oxp_failure *failure = oxp_fallback_call(fallback, &result, &used);
    bool good = strcmp(stage.asked, step->asked) == 0 && (failure == NULL) == (step->used >= 0) &&
                oxp_fallback_level(fallback) == step->level &&
                oxp_fallback_is_degraded(fallback) == (step->level > 0) &&
                strcmp(stage.notes.text + said, step->reports) == 0;
    if (step->used >= 0) {
        good = good && used == (size_t)step->used && result == used;
    } else {
        good = good && used == 99 && strlen(stage.asked) > 0;
    }
    if (!good) {
        fail_msg("%s, at %g: asked %s, used %zu, level %zu, reported: %s", script->name, step->at_s, stage.asked, used,
                 oxp_fallback_level(fallback), stage.notes.text + said);
    }
    oxp_failure_free(failure);
}

static void scripts_come_out_as_written(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        struct oxp_fallback *fallback = fallback_with(NULL);
        for (size_t k = 0; k < COUNT_OF(scripts[i].steps) && scripts[i].steps[k].does != NULL; k++) {
            run_step(fallback, &scripts[i], &scripts[i].steps[k]);
        }
        oxp_fallback_free(fallback);
    }
}

static bool never(void *ctx, const struct oxp_failure *failure) {
    (void)ctx;
    (void)failure;
    return false;
}

static void the_host_says_what_may_fall(void **state) {
    struct oxp_fallback *fallback = fallback_with(never);
    (void)state;
    memcpy(stage.does, "t..", 4);
    struct oxp_failure *failure = oxp_fallback_call(fallback, NULL, NULL);
    assert_string_equal(oxp_failure_code(failure)->name, "net_timeout");
    assert_string_equal(stage.asked, "0");
    oxp_failure_free(failure);
    oxp_fallback_free(fallback);
}

/* The last one's failure, whole, with those before as its causes, the newest first. */
static void a_failure_holds_all_that_were_tried(void **state) {
    struct oxp_fallback *fallback = fallback_with(NULL);
    (void)state;
    memcpy(stage.does, "tqt", 4);
    struct oxp_failure *failure = oxp_fallback_call(fallback, NULL, NULL);
    char *text = oxp_failure_text(failure);
    assert_string_equal(text, "net_timeout: net_timeout\n  caused by llm_quota: llm_quota\n  caused by net_timeout: "
                              "net_timeout");
    free(text);
    oxp_failure_free(failure);
    oxp_fallback_free(fallback);
}

static void switched_by_hand(void **state) {
    struct oxp_fallback *fallback = fallback_with(NULL);
    size_t used = 99;
    (void)state;
    stage.now_s = 1000;
    memcpy(stage.does, "...", 4);
    oxp_fallback_set(fallback, 2, "maintenance");
    oxp_fallback_set(fallback, 2, "again");
    assert_null(oxp_fallback_call(fallback, NULL, &used));
    assert_int_equal(used, 2);
    oxp_fallback_set(fallback, 99, "past the end");
    assert_int_equal(oxp_fallback_level(fallback), 2);
    oxp_fallback_set(fallback, 0, NULL);
    assert_null(oxp_fallback_call(fallback, NULL, &used));
    assert_int_equal(used, 0);
    /* no fallback was taken, so no ok: the sidecar counts none */
    assert_string_equal(stage.notes.text, "degraded component=browser on=true reason=maintenance;"
                                          "degraded component=browser on=false;");
    oxp_fallback_free(fallback);
}

/* ---- Two callers, one within the other's alternative ---- */

struct nested {
    struct oxp_fallback *fallback;
    void (*within)(struct nested *nested); /* run once, in the alternative that is asked */
    bool first_fails;
    char asked[32];
};

static struct oxp_failure *nested_ask(struct nested *nested, char which) {
    void (*within)(struct nested *) = nested->within;
    size_t used = strlen(nested->asked);
    assert_true(used + 1 < sizeof nested->asked);
    nested->asked[used] = which;
    nested->within = NULL;
    if (within != NULL) {
        within(nested);
    }
    return which == '0' && nested->first_fails ? failure_of('t') : NULL;
}

static struct oxp_failure *nested_first(void *ctx, void *result) {
    (void)result;
    return nested_ask(ctx, '0');
}

static struct oxp_failure *nested_second(void *ctx, void *result) {
    (void)result;
    return nested_ask(ctx, '1');
}

static void call_once_more(struct nested *nested) {
    assert_null(oxp_fallback_call(nested->fallback, NULL, NULL));
}

static void make_it_worse(struct nested *nested) {
    oxp_fallback_set(nested->fallback, 2, "worse");
}

static void a_second_caller_meanwhile(void **state) {
    struct nested nested = {.first_fails = true};
    const struct oxp_alternative some[] = {
        {"first", nested_first, &nested}, {"second", nested_second, &nested}, {"third", nested_second, &nested}};
    const struct oxp_fallback_options options = {
        .component = "c", .alternatives = some, .count = 3, .retry_first_s = 30, .now_s = stage_now};
    (void)state;
    memset(&stage, 0, sizeof stage);
    assert_int_equal(oxp_fallback_new(&options, &nested.fallback), OXP_OK);
    assert_null(oxp_fallback_call(nested.fallback, NULL, NULL));
    stage.now_s = 30; /* rule 2: while one tries the first again, another one is content with the second */
    nested.within = call_once_more;
    assert_null(oxp_fallback_call(nested.fallback, NULL, NULL));
    assert_string_equal(nested.asked, "01"
                                      "011");
    nested.within = make_it_worse; /* rule 3: who began at the second cannot mend what became worse meanwhile */
    assert_null(oxp_fallback_call(nested.fallback, NULL, NULL));
    assert_int_equal(oxp_fallback_level(nested.fallback), 2);
    oxp_fallback_free(nested.fallback);
}

/* ---- Making ---- */

static void options_are_checked(void **state) {
    static const struct oxp_alternative unnamed[] = {{"a", ask, NULL}, {NULL, ask, NULL}};
    static const struct oxp_alternative empty[] = {{"", ask, NULL}, {"b", ask, NULL}};
    static const struct oxp_alternative idle[] = {{"a", ask, NULL}, {"b", NULL, NULL}};
    static const struct oxp_alternative many[9] = {{"a", ask, NULL}, {"a", ask, NULL}, {"a", ask, NULL},
                                                   {"a", ask, NULL}, {"a", ask, NULL}, {"a", ask, NULL},
                                                   {"a", ask, NULL}, {"a", ask, NULL}, {"a", ask, NULL}};
    static const char longest[] = "sixty-three-bytes-of-a-name-sixty-three-bytes-of-a-name-sixty-3",
                      too_long[] = "sixty-four-bytes-of-a-name-sixty-four-bytes-of-a-name-sixty-four";
    static const struct {
        const char *name;
        struct oxp_fallback_options options;
        enum oxp_status status;
    } rows[] = {
        {"two", {.component = "c", .alternatives = many, .count = 2}, OXP_OK},
        {"eight", {.component = longest, .alternatives = many, .count = 8}, OXP_OK},
        {"one", {.component = "c", .alternatives = many, .count = 1}, OXP_ERR_INVALID},
        {"nine", {.component = "c", .alternatives = many, .count = 9}, OXP_ERR_INVALID},
        {"no component", {.alternatives = many, .count = 2}, OXP_ERR_INVALID},
        {"a long component", {.component = too_long, .alternatives = many, .count = 2}, OXP_ERR_INVALID},
        {"no name", {.component = "c", .alternatives = unnamed, .count = 2}, OXP_ERR_INVALID},
        {"an empty name", {.component = "c", .alternatives = empty, .count = 2}, OXP_ERR_INVALID},
        {"no function", {.component = "c", .alternatives = idle, .count = 2}, OXP_ERR_INVALID},
    };
    (void)state;
    assert_int_equal(strlen(longest), 63);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oxp_fallback *fallback = (void *)&stage;
        if (oxp_fallback_new(&rows[i].options, &fallback) != rows[i].status ||
            (fallback != NULL) != (rows[i].status == OXP_OK)) {
            fail_msg("%s", rows[i].name);
        }
        oxp_fallback_free(fallback);
    }
    oxp_fallback_free(NULL);
}

static void make_and_fall(void *ctx) {
    const struct oxp_fallback_options options = {.component = "c", .alternatives = three, .count = 3};
    struct oxp_fallback *fallback = NULL;
    (void)ctx;
    memset(&stage, 0, sizeof stage);
    memcpy(stage.does, "ttt", 4);
    if (oxp_fallback_new(&options, &fallback) == OXP_OK) {
        struct oxp_failure *failure = oxp_fallback_call(fallback, NULL, NULL);
        assert_non_null(failure); /* without memory too: whatever was kept of them */
        oxp_failure_free(failure);
    }
    oxp_fallback_free(fallback);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    assert_true(alloc_fail_each(make_and_fall, NULL) >= 4);
}

/* ---- Threads ---- */

struct crowd {
    struct oxp_reporter reporter;
    struct oxp_fallback *fallback;
    atomic_bool first_works;
    atomic_int at_first, most_at_first, first_calls;
    atomic_llong now_ms;
    int on; /* as the reports say; under the fallback's lock */
    unsigned changes;
};

static void crowd_report(struct oxp_reporter *self, const struct oxp_report *report) {
    struct crowd *crowd = (struct crowd *)self;
    bool on = report->pairs[1].value.flag;
    assert_string_equal(report->pairs[1].key, "on");
    assert_true(crowd->on != on); /* reports come in the order of the changes */
    crowd->on = on;
    crowd->changes++;
}

static double crowd_now(void *ctx) {
    struct crowd *crowd = ctx;
    return (double)atomic_load(&crowd->now_ms) / 1e3;
}

static struct oxp_failure *crowd_first(void *ctx, void *result) {
    struct crowd *crowd = ctx;
    (void)result;
    int here = atomic_fetch_add(&crowd->at_first, 1) + 1, most = atomic_load(&crowd->most_at_first);
    while (here > most && !atomic_compare_exchange_weak(&crowd->most_at_first, &most, here)) {
    }
    atomic_fetch_add(&crowd->first_calls, 1);
    bool works = atomic_load(&crowd->first_works);
    atomic_fetch_sub(&crowd->at_first, 1);
    return works ? NULL : failure_of('t');
}

static struct oxp_failure *crowd_second(void *ctx, void *result) {
    (void)ctx;
    (void)result;
    return NULL;
}

static void *crowd_call(void *arg) {
    struct crowd *crowd = arg;
    for (int i = 0; i < 2000; i++) {
        struct oxp_failure *failure = oxp_fallback_call(crowd->fallback, NULL, NULL);
        assert_null(failure);
        (void)oxp_fallback_level(crowd->fallback);
    }
    return NULL;
}

static void run_crowd(struct crowd *crowd) {
    pthread_t threads[8];
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_call, crowd), 0);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
    }
}

static void eight_threads_and_one_way_back(void **state) {
    struct crowd crowd = {.reporter = {crowd_report}};
    const struct oxp_alternative two[] = {{"first", crowd_first, &crowd}, {"second", crowd_second, &crowd}};
    const struct oxp_fallback_options options = {.component = "c",
                                                 .alternatives = two,
                                                 .count = 2,
                                                 .retry_first_s = 60,
                                                 .reporter = &crowd.reporter,
                                                 .now_s = crowd_now,
                                                 .ctx = &crowd};
    (void)state;
    assert_int_equal(oxp_fallback_new(&options, &crowd.fallback), OXP_OK);
    run_crowd(&crowd);
    assert_int_equal(oxp_fallback_level(crowd.fallback), 1);
    assert_int_equal(crowd.changes, 1);
    assert_true(crowd.first_calls <= 8); /* those that were on their way when it degraded */
    atomic_store(&crowd.now_ms, 60000);
    atomic_store(&crowd.first_calls, 0);
    atomic_store(&crowd.most_at_first, 0);
    run_crowd(&crowd);
    assert_int_equal(crowd.first_calls, 1); /* one caller, once in 60 s */
    assert_int_equal(crowd.most_at_first, 1);
    atomic_store(&crowd.now_ms, 120000);
    atomic_store(&crowd.first_works, true);
    run_crowd(&crowd);
    assert_int_equal(oxp_fallback_level(crowd.fallback), 0);
    assert_int_equal(crowd.changes, 2);
    oxp_fallback_free(crowd.fallback);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_come_out_as_written),         cmocka_unit_test(the_host_says_what_may_fall),
        cmocka_unit_test(a_failure_holds_all_that_were_tried), cmocka_unit_test(switched_by_hand),
        cmocka_unit_test(a_second_caller_meanwhile),           cmocka_unit_test(options_are_checked),
        cmocka_unit_test(every_allocation_may_fail),           cmocka_unit_test(eight_threads_and_one_way_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
