/* Views beside a running evaluation: two threads look while a third evaluates and reloads. What they see is whole: an
 * alert's value, annotation and state are of one evaluation. */
#include "tests/unit/alerts/rules/world.h"
#include "tests/unit/alerts/tsdb/memory_text.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { JOBS = 20, ROUNDS = 300, INTERVAL_MS = 15000 };

static const char yaml[] = "groups: [{name: g, rules: [{record: r, expr: up * 2}, {alert: Even, expr: up % 2 == 0},"
                           "{alert: Up, expr: up, for: 30s, annotations: {v: '{{ $value }}'}}]}]";

struct shared {
    struct world world;
    _Atomic bool done;
    _Atomic unsigned wrong, seen;
};

/* cmocka's asserts jump, which only the main thread may do. */
static void expect(struct shared *shared, bool holds) {
    atomic_fetch_add(&shared->wrong, !holds);
}

static void check_alert(struct shared *shared, const struct oxp_alert_view *alert) {
    const struct oxp_symbol *said = oxp_labels_find(alert->annotations, OXP_VIEW("v"));
    expect(shared, alert->life.state != OXP_ALERT_INACTIVE);
    expect(shared, oxp_labels_find(alert->labels, OXP_VIEW("alertname")) != NULL);
    expect(shared, said == NULL || strtod(said->text, NULL) == alert->value);
    expect(shared, (alert->life.state == OXP_ALERT_FIRING) == (alert->life.fired_ms != 0));
    atomic_fetch_add(&shared->seen, 1);
}

static void *look(void *ctx) {
    struct shared *shared = ctx;
    while (!atomic_load(&shared->done)) {
        struct oxp_arena arena;
        const struct oxp_group_view *groups;
        struct oxp_rules_stats stats;
        size_t count;
        oxp_arena_init(&arena, 0);
        expect(shared, oxp_rules_view(shared->world.rules, &arena, &groups, &count) == OXP_OK);
        for (size_t i = 0; i < count; i++) {
            for (size_t k = 0; k < groups[i].count; k++) {
                for (size_t n = 0; n < groups[i].rules[k].alert_count; n++) {
                    check_alert(shared, &groups[i].rules[k].alerts[n]);
                }
            }
        }
        oxp_rules_stats(shared->world.rules, &stats);
        expect(shared, stats.rules == 3 && stats.pending + stats.firing <= 2 * JOBS);
        oxp_arena_fini(&arena);
    }
    return NULL;
}

static void test_views_beside_an_evaluation(void **state) {
    (void)state;
    static struct shared shared;
    pthread_t lookers[2];
    world_open(&shared.world, yaml);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&lookers[i], NULL, look, &shared), 0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        world_pass(&shared.world, INTERVAL_MS / 1000);
        for (int i = 0; i < JOBS; i++) {
            char name[32];
            snprintf(name, sizeof name, "up,job=%d", i);
            append_to(shared.world.tsdb, name, world_now(&shared.world),
                      (round + i) % 7 == 0 ? oxp_stale_value() : round + i);
        }
        oxp_rules_run(shared.world.rules, world_now(&shared.world), round % 10 == 0);
        oxp_buf_clear(&shared.world.told);
        if (round % 20 == 19) {
            assert_int_equal(world_load(&shared.world, yaml), OXP_OK);
        }
    }
    atomic_store(&shared.done, true);
    for (size_t i = 0; i < 2; i++) {
        pthread_join(lookers[i], NULL);
    }
    assert_int_equal(atomic_load(&shared.wrong), 0);
    assert_true(atomic_load(&shared.seen) > 0);
    world_close(&shared.world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views_beside_an_evaluation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
