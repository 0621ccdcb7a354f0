/* Whole readings over made trees, and one of this very process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/alloc_fail.h"
#include "tests/unit/lib/resource/tree.h"
#include <oxpecker/resource.h>

static struct oxp_resource_usage usage;

static enum oxp_status read_it(const struct tree *tree, int64_t pid) {
    const struct oxp_resource_roots roots = {tree->proc, tree->cgroup};
    return oxp_resource_read_at(&roots, pid, &usage);
}

static void put_fds(const struct tree *tree, int64_t pid, unsigned open, unsigned max) {
    char path[64], text[128];
    for (unsigned i = 0; i < open; i++) {
        snprintf(path, sizeof path, "proc/%lld/fd/%u", (long long)pid, i);
        tree_put(tree, path, "");
    }
    snprintf(path, sizeof path, "proc/%lld/limits", (long long)pid);
    snprintf(text, sizeof text, "Max open files            %u                 4096                 files\n", max);
    tree_put(tree, path, text);
}

static void put_io(const struct tree *tree, int64_t pid, unsigned read, unsigned written) {
    char path[64], text[128];
    snprintf(path, sizeof path, "proc/%lld/io", (long long)pid);
    snprintf(text, sizeof text, "read_bytes: %u\nwrite_bytes: %u\ncancelled_write_bytes: 0\n", read, written);
    tree_put(tree, path, text);
}

static double seconds(unsigned ticks) {
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static void a_tree_of_processes(void **state) {
    (void)state;
    struct tree tree;
    tree_make(&tree);
    /* 30 is a child of 50, listed before it: the walk must not depend on the order */
    tree_process(&tree, &(struct tree_process){.pid = 1, .threads = 100, .pages = 1000, .user = 9999});
    tree_process(&tree, &(struct tree_process){40, 1, 'S', 100, 10, 5, 1, 4, 777, 20});
    tree_process(&tree, &(struct tree_process){50, 40, 'R', 200, 20, 0, 0, 2, 800, 30});
    tree_process(&tree, &(struct tree_process){30, 50, 'S', 400, 40, 0, 0, 1, 900, 5});
    tree_process(&tree, &(struct tree_process){60, 40, 'Z', 800, 80, 0, 0, 1, 901, 0});
    tree_process(&tree, &(struct tree_process){70, 1, 'S', 5000, 5000, 0, 0, 9, 902, 500});
    tree_put(&tree, "proc/80/stat", "garbage");
    tree_put(&tree, "proc/self/stat", "garbage");
    put_io(&tree, 40, 1000, 2000);
    put_io(&tree, 50, 10, 20);
    put_fds(&tree, 40, 5, 100);
    put_fds(&tree, 50, 4, 10); /* nearer to its limit */
    put_fds(&tree, 30, 8, 1000);
    assert_int_equal(read_it(&tree, 40), OXP_OK);
    const struct oxp_process_usage *process = &usage.process;
    assert_int_equal(process->known, (1 << 7) - 1);
    assert_int_equal(process->processes, 4);
    assert_float_equal(process->cpu_user_s, seconds(100 + 5 + 200 + 400 + 800), 1e-9);
    assert_float_equal(process->cpu_system_s, seconds(10 + 1 + 20 + 40 + 80), 1e-9);
    assert_int_equal(process->resident_bytes, 55 * sysconf(_SC_PAGESIZE));
    assert_int_equal(process->threads, 4 + 2 + 1 + 1);
    assert_int_equal(process->read_bytes, 1010);
    assert_int_equal(process->write_bytes, 2020);
    assert_int_equal(process->open_fds, 4);
    assert_int_equal(process->max_fds, 10);
    assert_int_equal(process->start_ticks, 777);
    assert_float_equal(process->started_after_boot_s, seconds(777), 1e-9);
    assert_true(usage.taken_s > 0);
    assert_int_equal(usage.container.known, 0);
    tree_remove(&tree);
}

static void what_is_hidden_is_not_known(void **state) {
    (void)state;
    struct tree tree;
    tree_make(&tree);
    tree_process(&tree, &(struct tree_process){.pid = 40, .parent = 1, .threads = 1});
    tree_process(&tree, &(struct tree_process){.pid = 50, .parent = 40, .threads = 1});
    put_io(&tree, 50, 10, 20); /* the child's alone is not the tree's */
    put_fds(&tree, 50, 4, 10);
    assert_int_equal(read_it(&tree, 40), OXP_OK);
    assert_int_equal(usage.process.known,
                     OXP_PROCESS_CPU | OXP_PROCESS_RESIDENT | OXP_PROCESS_THREADS | OXP_PROCESS_START);
    assert_int_equal(usage.process.open_fds, 0);
    assert_int_equal(usage.process.processes, 2);
    tree_put(&tree, "proc/40/limits", "Max open files 99 99 files\n");
    assert_int_equal(read_it(&tree, 40), OXP_OK);
    assert_true((usage.process.known & OXP_PROCESS_MAX_FDS) != 0 && usage.process.max_fds == 99);
    tree_remove(&tree);
}

static void no_such_process(void **state) {
    (void)state;
    struct tree tree;
    tree_make(&tree);
    tree_process(&tree, &(struct tree_process){.pid = 60, .parent = 1, .state = 'Z'});
    tree_process(&tree, &(struct tree_process){.pid = 61, .parent = 1, .state = 'X'});
    tree_put(&tree, "proc/70/stat", "garbage");
    tree_put(&tree, "proc/71/stat", "72 (other) S 1 1 1 0 -1 0 0 0 0 0 1 1 1 1 20 0 5 0 1 1 1 1");
    static const struct {
        int64_t pid;
        enum oxp_status status;
    } rows[] = {{41, OXP_ERR_NOT_FOUND}, {60, OXP_ERR_NOT_FOUND}, {61, OXP_ERR_NOT_FOUND},
                {70, OXP_ERR_CORRUPT},   {71, OXP_ERR_CORRUPT},   {-1, OXP_ERR_NOT_FOUND}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memset(&usage, 0x55, sizeof usage);
        assert_int_equal(read_it(&tree, rows[i].pid), rows[i].status);
        assert_int_equal(usage.process.known, 0);
        assert_int_equal(usage.container.known, 0);
    }
    char *longest = calloc(1, 2000);
    assert_non_null(longest);
    memset(longest, 'x', 1999);
    struct oxp_resource_roots roots = {longest, longest};
    assert_int_equal(oxp_resource_read_at(&roots, 1, &usage), OXP_ERR_LIMIT);
    free(longest);
    tree_remove(&tree);
}

/* ---- Containers ---- */

enum { ALL_V2 = (1 << 11) - 1 };

static void put_v2(const struct tree *tree, const char *folder) {
    static const char *const files[][2] = {
        {"cgroup.type", "domain\n"},
        {"cgroup.controllers", "cpu io memory\n"},
        {"cpu.stat", "usage_usec 2500000\nuser_usec 1\nthrottled_usec 500000\n"},
        {"memory.current", "1000\n"},
        {"memory.stat", "anon 1\ninactive_anon 7\ninactive_file 400\n"},
        {"memory.max", "4096\n"},
        {"memory.events", "low 0\noom 9\noom_kill 3\noom_group_kill 1\n"},
        {"cpu.pressure", "some avg10=0.00 total=1000000\nfull avg10=0.00 total=2000000\n"},
        {"memory.pressure", "some avg10=0.00 total=3000000\nfull avg10=0.00 total=4000000\n"},
        {"io.pressure", "some avg10=0.00 total=5000000\nfull avg10=0.00 total=6000000\n"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", folder, files[i][0]);
        tree_put(tree, path, files[i][1]);
    }
}

static void check_v2(void) {
    const struct oxp_container_usage *container = &usage.container;
    assert_int_equal(container->known, ALL_V2);
    assert_float_equal(container->cpu_s, 2.5, 1e-9);
    assert_float_equal(container->throttled_s, 0.5, 1e-9);
    assert_int_equal(container->working_set_bytes, 600);
    assert_int_equal(container->memory_limit_bytes, 4096);
    assert_int_equal(container->oom_kills, 3);
    for (int i = 0; i < 6; i++) {
        assert_float_equal(container->stalled_s[i / 2][i % 2], i + 1, 1e-9);
    }
}

static void containers_of_version_2(void **state) {
    (void)state;
    static const struct {
        const char *name, *cgroup, *folder;
        bool found;
    } rows[] = {
        {"a unit on a host", "0::/system.slice/a.service\n", "cgroup/system.slice/a.service", true},
        {"our own container", "0::/\n", "cgroup", true},
        {"the host's tree", "0::/kubepods/pod1/c1\n", "cgroup/kubepods/pod1/c1", true},
        {"another container, same user", "0::/../c2\n", "proc/40/root/sys/fs/cgroup", true},
        {"a path that is not mounted here", "0::/elsewhere\n", "proc/40/root/sys/fs/cgroup", true},
        {"beside version 1", "4:memory:/m\n0::/x\n", "cgroup/x", true},
        {"another container, hidden", "0::/../c2\n", "cgroup", false},
        {"our own is not another's", "0::/../c2\n", "c2", false},
        {"no line", "4:memory:/m\n", "cgroup/m", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tree tree;
        tree_make(&tree);
        tree_process(&tree, &(struct tree_process){.pid = 40, .parent = 1, .threads = 1});
        tree_put(&tree, "proc/40/cgroup", rows[i].cgroup);
        tree_put(&tree, "cgroup/cgroup.controllers", "cpu\n");
        put_v2(&tree, rows[i].folder);
        assert_int_equal(read_it(&tree, 40), OXP_OK);
        if (rows[i].found != (usage.container.known != 0)) {
            print_error("row: %s\n", rows[i].name);
            fail();
        }
        if (rows[i].found) {
            check_v2();
        }
        tree_remove(&tree);
    }
}

static void the_whole_machine_is_no_container(void **state) {
    (void)state;
    struct tree tree;
    tree_make(&tree);
    tree_process(&tree, &(struct tree_process){.pid = 40, .parent = 1, .threads = 1});
    tree_put(&tree, "proc/40/cgroup", "0::/\n");
    put_v2(&tree, "cgroup");
    tree_drop(&tree, "cgroup/cgroup.type");
    assert_int_equal(read_it(&tree, 40), OXP_OK);
    assert_int_equal(usage.container.known, 0);
    put_v2(&tree, "proc/40/root/sys/fs/cgroup"); /* the same root by another way, in truth: not taken */
    assert_int_equal(read_it(&tree, 40), OXP_OK);
    assert_int_equal(usage.container.known, 0);
    tree_remove(&tree);
}

static void parts_of_a_container(void **state) {
    (void)state;
    struct tree tree;
    tree_make(&tree);
    tree_process(&tree, &(struct tree_process){.pid = 40, .parent = 1, .threads = 1});
    tree_put(&tree, "proc/40/cgroup", "0::/x\n");
    put_v2(&tree, "cgroup/x");
    tree_put(&tree, "cgroup/x/memory.max", "max\n");
    tree_put(&tree, "cgroup/x/memory.current", "100\n"); /* less than the cache: read at another moment */
    tree_put(&tree, "cgroup/x/cpu.stat", "usage_usec 1\n");
    tree_put(&tree, "cgroup/x/cpu.pressure", "some avg10=0.00 total=1000000\n");
    tree_drop(&tree, "cgroup/x/memory.events");
    tree_drop(&tree, "cgroup/x/io.pressure");
    assert_int_equal(read_it(&tree, 40), OXP_OK);
    assert_int_equal(usage.container.known, OXP_CONTAINER_CPU | OXP_CONTAINER_WORKING_SET | OXP_CONTAINER_MEMORY_LIMIT |
                                                OXP_CONTAINER_PRESSURE * (1 | 4 | 8));
    assert_int_equal(usage.container.memory_limit_bytes, 0);
    assert_int_equal(usage.container.working_set_bytes, 0);
    tree_drop(&tree, "cgroup/x/memory.stat"); /* current alone is no working set */
    assert_int_equal(read_it(&tree, 40), OXP_OK);
    assert_int_equal(usage.container.known & OXP_CONTAINER_WORKING_SET, 0);
    tree_remove(&tree);
}

static void containers_of_version_1(void **state) {
    (void)state;
    struct tree tree;
    tree_make(&tree);
    tree_process(&tree, &(struct tree_process){.pid = 40, .parent = 1, .threads = 1});
    tree_put(&tree, "proc/40/cgroup", "4:memory:/d/c1\n2:cpu,cpuacct:/d/c1\n");
    tree_put(&tree, "cgroup/memory/d/c1/cgroup.procs", "");
    tree_put(&tree, "cgroup/memory/d/c1/memory.usage_in_bytes", "1000\n");
    tree_put(&tree, "cgroup/memory/d/c1/memory.stat", "inactive_file 1\ntotal_inactive_file 400\n");
    tree_put(&tree, "cgroup/memory/d/c1/memory.limit_in_bytes", "9223372036854771712\n");
    tree_put(&tree, "cgroup/memory/d/c1/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
    tree_put(&tree, "cgroup/cpu,cpuacct/d/c1/cgroup.procs", "");
    tree_put(&tree, "cgroup/cpu,cpuacct/d/c1/cpuacct.usage", "1500000000\n");
    tree_put(&tree, "cgroup/cpu,cpuacct/d/c1/cpu.stat", "nr_periods 1\nthrottled_time 250000000\n");
    assert_int_equal(read_it(&tree, 40), OXP_OK);
    assert_int_equal(usage.container.known, OXP_CONTAINER_PRESSURE - 1);
    assert_float_equal(usage.container.cpu_s, 1.5, 1e-9);
    assert_float_equal(usage.container.throttled_s, 0.25, 1e-9);
    assert_int_equal(usage.container.working_set_bytes, 600);
    assert_int_equal(usage.container.memory_limit_bytes, 0);
    assert_int_equal(usage.container.oom_kills, 2);
    tree_put(&tree, "proc/40/cgroup", "4:memory:/\n2:cpu,cpuacct:/\n"); /* the whole machine */
    tree_put(&tree, "cgroup/memory/cgroup.procs", "");
    tree_put(&tree, "cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    tree_put(&tree, "cgroup/cpu,cpuacct/cgroup.procs", "");
    tree_put(&tree, "cgroup/cpu,cpuacct/cpuacct.usage", "1\n");
    assert_int_equal(read_it(&tree, 40), OXP_OK);
    assert_int_equal(usage.container.known, 0);
    tree_remove(&tree);
}

/* ---- Ourselves, and the helpers ---- */

static void read_ourselves(void *ctx) {
    (void)ctx;
    assert_int_equal(oxp_resource_read(0, &usage), OXP_OK);
}

static void this_process(void **state) {
    (void)state;
    assert_int_equal(alloc_fail_each(read_ourselves, NULL), 0); /* it allocates nothing */
    assert_int_equal(usage.process.known, (1 << 7) - 1);
    assert_true(usage.process.open_fds >= 3 && usage.process.open_fds < usage.process.max_fds);
    assert_true(usage.process.resident_bytes > 100000 && usage.process.threads >= 1);
    uint64_t before = usage.process.open_fds;
    int fd = open("/dev/null", O_RDONLY);
    read_ourselves(NULL);
    assert_int_equal(usage.process.open_fds, before + 1);
    close(fd);
    struct oxp_resource_usage first = usage;
    volatile unsigned sum = 0;
    do { /* work until the clock of the kernel has seen it */
        for (unsigned i = 0; i < 1000000; i++) {
            sum += i;
        }
        read_ourselves(NULL);
    } while (usage.process.cpu_user_s + usage.process.cpu_system_s <
             first.process.cpu_user_s + first.process.cpu_system_s + 0.05);
    (void)sum;
    double percent = oxp_resource_cpu_percent(&first, &usage);
    assert_true(percent > 0.1 && percent < 500);
}

static void file_systems(void **state) {
    (void)state;
    uint64_t avail = 0;
    assert_int_equal(oxp_resource_filesystem("/tmp", &avail), OXP_OK);
    assert_true(avail > 0);
    assert_int_equal(oxp_resource_filesystem("/no/such/folder", &avail), OXP_ERR_NOT_FOUND);
    assert_int_equal(avail, 0);
}

static struct oxp_resource_usage made(double taken_s, double user_s, double system_s, uint64_t start) {
    return (struct oxp_resource_usage){
        .taken_s = taken_s,
        .process = {.known = OXP_PROCESS_CPU | OXP_PROCESS_START,
                    .cpu_user_s = user_s,
                    .cpu_system_s = system_s,
                    .start_ticks = start},
    };
}

static void percentages(void **state) {
    (void)state;
    const struct oxp_resource_usage a = made(10, 1, 1, 5), unknown = {.taken_s = 9};
    const struct {
        const char *name;
        struct oxp_resource_usage before, now;
        double percent; /* NaN = none */
    } rows[] = {
        {"half of one", a, made(12, 1.5, 1.5, 5), 50},
        {"two processors", a, made(12, 3, 3, 5), 200},
        {"idle", a, made(12, 1, 1, 5), 0},
        {"a child took its share away", a, made(12, 0.5, 1, 5), 0},
        {"no time passed", a, made(10, 2, 2, 5), NAN},
        {"backwards", a, made(9, 2, 2, 5), NAN},
        {"another process", a, made(12, 2, 2, 6), NAN},
        {"not known before", unknown, a, NAN},
        {"not known now", a, unknown, NAN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double percent = oxp_resource_cpu_percent(&rows[i].before, &rows[i].now);
        if (isnan(rows[i].percent) ? !isnan(percent) : fabs(percent - rows[i].percent) > 1e-9) {
            print_error("row: %s: %g\n", rows[i].name, percent);
            fail();
        }
    }
    struct oxp_resource_usage memory = {.process = {.known = OXP_PROCESS_RESIDENT, .resident_bytes = 3 << 19}};
    assert_float_equal(oxp_resource_memory_mb(&memory), 1.5, 1e-9);
    assert_true(isnan(oxp_resource_memory_mb(&a)));
}

static void pairs_of_an_event(void **state) {
    (void)state;
    struct oxp_pair pairs[OXP_RESOURCE_PAIRS];
    struct oxp_resource_usage both = {.process = {.known = OXP_PROCESS_CPU | OXP_PROCESS_THREADS,
                                                  .cpu_user_s = 1.5,
                                                  .cpu_system_s = 2.5,
                                                  .threads = 3},
                                      .container = {.known = OXP_CONTAINER_OOM_KILLS | OXP_CONTAINER_PRESSURE << 5,
                                                    .oom_kills = 4,
                                                    .stalled_s = {[2] = {0, 7}}}};
    oxp_resource_pairs(&both, pairs);
    unsigned known = 0;
    for (size_t i = 0; i < OXP_RESOURCE_PAIRS; i++) {
        known += pairs[i].kind != OXP_PAIR_NONE;
    }
    assert_int_equal(known, 5);
    assert_string_equal(pairs[1].key, "cpu_sys_s");
    assert_float_equal(pairs[1].value.number, 2.5, 0);
    assert_string_equal(pairs[7].key, "threads");
    assert_int_equal(pairs[7].value.count, 3);
    assert_string_equal(pairs[12].key, "container.oom_kills");
    assert_int_equal(pairs[12].value.count, 4);
    assert_string_equal(pairs[18].key, "pressure.io_full_s");
    assert_float_equal(pairs[18].value.number, 7, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_of_processes),
        cmocka_unit_test(what_is_hidden_is_not_known),
        cmocka_unit_test(no_such_process),
        cmocka_unit_test(containers_of_version_2),
        cmocka_unit_test(the_whole_machine_is_no_container),
        cmocka_unit_test(parts_of_a_container),
        cmocka_unit_test(containers_of_version_1),
        cmocka_unit_test(this_process),
        cmocka_unit_test(file_systems),
        cmocka_unit_test(percentages),
        cmocka_unit_test(pairs_of_an_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
