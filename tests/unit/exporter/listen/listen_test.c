/* What the listener does with its connections. */
#include "tests/unit/exporter/listen/support.h"

#include "tests/support/alloc_fail.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

static struct world world;
static struct oxp_listener *listener;
static char path[256];

static int setup_with(unsigned max_connections) {
    listener = NULL;
    if (!world_init(&world)) {
        return -1;
    }
    snprintf(path, sizeof path, "%s", path_in(&world, "s"));
    return listen_on(&world, path, max_connections, &listener, NULL) == OXP_OK ? 0 : -1;
}

static int setup(void **state) {
    (void)state;
    return setup_with(0);
}

static int setup_three(void **state) {
    (void)state;
    return setup_with(3);
}

static int teardown(void **state) {
    (void)state;
    oxp_listener_free(listener);
    bool right = !world.sink.out_of_order && world.sink.opened == world.sink.closed;
    return world_fini(&world) && right ? 0 : -1;
}

static int connected(void) {
    int fd = client_of(path);
    assert_true(fd >= 0);
    return fd;
}

static void say(int fd, const char *text) {
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

enum ending { STILL_OPEN, ENDED, RESET };

/* How the connection looks from the client's side. */
static enum ending ending_of(int fd) {
    char byte;
    ssize_t len = recv(fd, &byte, 1, MSG_DONTWAIT);
    assert_true(len <= 0); /* nothing is ever written to a client */
    return len == 0 ? ENDED : errno == EAGAIN ? STILL_OPEN : RESET;
}

/* ---- bytes ---- */

static void bytes_arrive_in_order_and_the_close_follows_them(void **state) {
    (void)state;
    int fd = connected();
    say(fd, "one\n");
    assert_true(turn_until(&world, &world.sink.bytes, 4));
    say(fd, "two\n");
    say(fd, "three");
    assert_true(turn_until(&world, &world.sink.bytes, 13));
    assert_int_equal(world.sink.closed, 0);
    assert_int_equal(ending_of(fd), STILL_OPEN);
    close(fd);
    assert_true(turn_until(&world, &world.sink.closed, 1));
    assert_string_equal(world.sink.conns[0].text, "one\ntwo\nthree");
    assert_int_equal(world.sink.conns[0].id, 1);
    assert_int_equal(oxp_listener_connections(listener), 0);
}

/* What `oxpecker send` relies on: it shuts down its side, and sees the end when all was handed on. */
static void a_half_close_is_answered_with_a_close(void **state) {
    (void)state;
    static const char *const texts[] = {"", "x", "an event\n", "cut in the midd"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t closed_before = world.sink.closed;
        int fd = connected();
        say(fd, texts[i]);
        shutdown(fd, SHUT_WR);
        assert_int_equal(ending_of(fd), STILL_OPEN);
        assert_true(turn_until(&world, &world.sink.closed, closed_before + 1));
        assert_int_equal(ending_of(fd), ENDED);
        assert_string_equal(world.sink.conns[i].text, texts[i]);
        close(fd);
    }
}

static void a_client_of_one_byte_a_turn_and_one_that_says_nothing(void **state) {
    (void)state;
    int slow = connected(), silent = connected();
    const char *text = "slowly but surely";
    for (size_t i = 0; text[i] != '\0'; i++) {
        assert_int_equal(send(slow, text + i, 1, MSG_NOSIGNAL), 1);
        assert_true(turn_until(&world, &world.sink.bytes, i + 1));
    }
    assert_int_equal(oxp_listener_connections(listener), 2);
    assert_int_equal(ending_of(silent), STILL_OPEN);
    close(slow);
    assert_true(turn_until(&world, &world.sink.closed, 1));
    assert_string_equal(world.sink.conns[0].text, text);
    close(silent);
    assert_true(turn_until(&world, &world.sink.closed, 2));
    assert_int_equal(world.sink.conns[1].bytes, 0);
}

static void what_a_killed_client_had_written_is_handed_on(void **state) {
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        int fd = client_of(path);
        bool sent = send(fd, "last words", 10, MSG_NOSIGNAL) == 10 && write(ready[1], "x", 1) == 1;
        while (sent) {
            pause();
        }
        _exit(1);
    }
    char byte;
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_true(turn_until(&world, &world.sink.closed, 1));
    assert_string_equal(world.sink.conns[0].text, "last words");
}

struct writer {
    const char *path;
    size_t bytes;
};

static void *write_much(void *ctx) {
    struct writer *writer = ctx;
    static const char block[10000] = "much";
    int fd = client_of(writer->path);
    for (size_t left = writer->bytes; left > 0;) {
        ssize_t len = send(fd, block, left < sizeof block ? left : sizeof block, MSG_NOSIGNAL);
        if (len <= 0) {
            break;
        }
        left -= (size_t)len;
    }
    close(fd);
    return NULL;
}

static void megabytes_from_four_threads(void **state) {
    (void)state;
    struct writer writer = {path, 5000000};
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_much, &writer), 0);
    }
    for (int i = 0; i < 100000 && world.sink.closed < 4; i++) {
        (void)oxp_loop_turn(world.loop, 10);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(world.sink.conns[i].bytes, writer.bytes);
    }
}

static void a_flood_does_not_keep_others_waiting(void **state) {
    (void)state;
    int flood = connected(), small = connected();
    int room = 16 * 1024 * 1024;
    if (setsockopt(flood, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) != 0) {
        (void)setsockopt(flood, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    }
    turns(&world, 2);
    static const char block[32768] = "flood";
    size_t sent = 0;
    for (ssize_t len; (len = send(flood, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0;) {
        sent += (size_t)len;
    }
    say(small, "small");
    if (sent <= 1024 * 1024) {
        print_message("SKIPPED: this user may not make the socket's buffer large enough (net.core.wmem_max)\n");
    } else {
        turns(&world, 1);
        assert_string_equal(world.sink.conns[1].text, "small");
        assert_in_range(world.sink.conns[0].bytes, 1, 256 * 1024); /* its share of one turn */
    }
    assert_true(turn_until(&world, &world.sink.bytes, sent + 5));
    close(flood);
    close(small);
}

/* ---- limits ---- */

static void past_the_limit_the_newest_is_refused(void **state) {
    (void)state;
    int fds[3];
    for (size_t i = 0; i < 3; i++) {
        fds[i] = connected();
    }
    assert_true(turn_until(&world, &world.sink.opened, 3));
    int quiet = connected(), eager = connected();
    say(eager, "an event\n");
    shutdown(eager, SHUT_WR);
    assert_true(turn_until(&world, &world.sink.refused, 2));
    assert_string_equal(world.sink.why, "the limit of 3 connections is reached");
    assert_int_equal(world.sink.opened, 3);
    assert_int_equal(ending_of(quiet), ENDED);
    assert_int_equal(ending_of(eager), RESET); /* not to be taken for the close that means "taken" */
    close(quiet);
    close(eager);

    close(fds[0]);
    assert_true(turn_until(&world, &world.sink.closed, 1));
    fds[0] = connected();
    say(fds[0], "again");
    assert_true(turn_until(&world, &world.sink.bytes, 5));
    assert_int_equal(world.sink.conns[3].id, 4); /* ids are not used again */
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(ending_of(fds[i]), STILL_OPEN);
        close(fds[i]);
    }
}

static void a_sink_may_refuse(void **state) {
    (void)state;
    world.sink.refuse_all = true;
    int fd = connected();
    say(fd, "hello");
    turns(&world, 3);
    assert_int_equal(ending_of(fd), RESET);
    assert_int_equal(world.sink.closed + world.sink.bytes + world.sink.refused, 0);
    assert_int_equal(oxp_listener_connections(listener), 0);
    close(fd);
}

static void thousands_of_connections(void **state) {
    (void)state;
    oxp_listener_free(listener);
    struct rlimit old, limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    limit = old;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    size_t many = limit.rlim_cur > 4400 ? 2000 : limit.rlim_cur / 2 - 100;
    assert_int_equal(listen_on(&world, path, (unsigned)many, &listener, NULL), OXP_OK);
    static int fds[2100];
    for (size_t i = 0; i < many + 50; i++) {
        fds[i] = connected();
        turns(&world, i % 100 == 0);
    }
    assert_true(turn_until(&world, &world.sink.refused, 50));
    assert_int_equal(oxp_listener_connections(listener), many);
    for (size_t i = 0; i < many; i++) {
        say(fds[i], "hi");
    }
    assert_true(turn_until(&world, &world.sink.bytes, 2 * many));
    print_message("%zu connections\n", many);
    for (size_t i = 0; i < many + 50; i++) {
        close(fds[i]);
    }
    assert_true(turn_until(&world, &world.sink.closed, many));
    for (size_t i = 0; i < many; i++) {
        assert_string_equal(world.sink.conns[i].text, "hi");
    }
    (void)setrlimit(RLIMIT_NOFILE, &old);
}

/* ---- who it is ---- */

static void the_peer_is_known_by_its_pid(void **state) {
    (void)state;
    int mine = connected(), ready[2], leave[2];
    char byte = 0;
    assert_true(turn_until(&world, &world.sink.opened, 1));
    assert_true(pipe(ready) == 0 && pipe(leave) == 0);
    pid_t child = fork();
    if (child == 0) {
        int fd = client_of(path);
        bool told = fd >= 0 && write(ready[1], "", 1) == 1;
        close(leave[1]);
        _exit(told && read(leave[0], &byte, 1) == 0 ? 0 : 1);
    }
    assert_true(child > 0);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_true(turn_until(&world, &world.sink.opened, 2));
    uint64_t first = world.sink.conns[0].id, second = world.sink.conns[1].id;
    assert_int_equal(oxp_listener_peer_pid(listener, first), getpid());
    assert_int_equal(oxp_listener_peer_pid(listener, second), child);
    assert_int_equal(oxp_listener_peer_pid(listener, 0), 0);
    assert_int_equal(oxp_listener_peer_pid(listener, second + 1), 0);
    close(leave[1]);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(oxp_listener_peer_pid(listener, second), child); /* as it was when it connected */
    assert_true(turn_until(&world, &world.sink.closed, 1));
    assert_int_equal(oxp_listener_peer_pid(listener, second), 0); /* no such connection any more */
    assert_int_equal(oxp_listener_peer_pid(listener, first), getpid());
    close(mine);
    close(ready[0]);
    close(ready[1]);
    close(leave[0]);
}

/* Who opened the connection counts, not who holds it now. */
static void a_descriptor_that_was_handed_on_is_still_its_maker_s(void **state) {
    (void)state;
    int fd = connected();
    assert_true(turn_until(&world, &world.sink.opened, 1));
    pid_t child = fork();
    if (child == 0) {
        _exit(write(fd, "x", 1) == 1 ? 0 : 1);
    }
    assert_true(child > 0);
    assert_true(turn_until(&world, &world.sink.bytes, 1));
    assert_int_equal(oxp_listener_peer_pid(listener, world.sink.conns[0].id), getpid());
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(fd);
}

/* ---- no descriptors, no memory ---- */

/* Uses up every descriptor below the highest one in use, then allows no more. `filler` gets what has to be closed. */
struct shortage {
    struct rlimit old;
    int filler[1100];
    size_t count;
};

static void begin_shortage(struct shortage *shortage) {
    int highest = fcntl(0, F_DUPFD_CLOEXEC, 1000);
    assert_true(highest >= 1000);
    shortage->filler[0] = highest;
    shortage->count = 1;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &shortage->old), 0);
    struct rlimit limit = {(rlim_t)highest + 1, shortage->old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int fd; shortage->count < 1100 && (fd = dup(0)) >= 0;) {
        shortage->filler[shortage->count++] = fd;
    }
}

static void end_shortage(struct shortage *shortage) {
    setrlimit(RLIMIT_NOFILE, &shortage->old);
    while (shortage->count > 0) {
        close(shortage->filler[--shortage->count]);
    }
}

static void without_descriptors_clients_are_turned_away(void **state) {
    (void)state;
    struct shortage shortage;
    int fd = connected(), other = connected();
    begin_shortage(&shortage);
    bool refused = turn_until(&world, &world.sink.refused, 2);
    turns(&world, 3);
    end_shortage(&shortage);
    assert_int_equal(world.sink.refused, 2);
    assert_true(refused);
    assert_string_equal(world.sink.why, "no file descriptor is left; raise the limit (ulimit -n)");
    assert_int_equal(ending_of(fd), ENDED);
    assert_int_equal(ending_of(other), ENDED);
    close(fd);
    close(other);
    fd = connected();
    assert_true(turn_until(&world, &world.sink.opened, 1));
    close(fd);
}

static void without_even_the_spare_one_accepting_rests(void **state) {
    (void)state;
    int fd = connected();
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){0, old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    bool refused = turn_until(&world, &world.sink.refused, 1);
    turns(&world, 50);
    size_t while_resting = world.sink.refused;
    oxp_clock_manual_advance(&world.clock, 0.101);
    bool tried_again = turn_until(&world, &world.sink.refused, 2);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_true(refused && tried_again);
    assert_int_equal(while_resting, 1); /* it does not spin */
    assert_int_equal(ending_of(fd), STILL_OPEN);
    oxp_clock_manual_advance(&world.clock, 0.101);
    assert_true(turn_until(&world, &world.sink.opened, 1)); /* it had waited in the queue */
    assert_int_equal(ending_of(fd), STILL_OPEN);
    close(fd);
}

static void accept_one(void *ctx) {
    (void)ctx;
    int fd = connected();
    size_t handled = world.sink.opened + world.sink.refused;
    while (world.sink.opened + world.sink.refused == handled) {
        turns(&world, 1);
    }
    close(fd);
}

static void without_memory_clients_are_turned_away(void **state) {
    (void)state;
    assert_int_equal(alloc_fail_each(accept_one, NULL), 2);
    assert_int_equal(world.sink.refused, 2);
    assert_int_equal(world.sink.opened, 1);
    assert_string_equal(world.sink.why, "no memory for another connection");
}

/* ---- the end ---- */

static void stopping_takes_in_who_had_come_and_keeps_connections(void **state) {
    (void)state;
    int early = connected();
    say(early, "early ");
    assert_true(turn_until(&world, &world.sink.bytes, 6));
    int queued = connected();
    say(queued, "queued");
    oxp_listener_stop(listener);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(client_of(path), -1);
    assert_int_equal(world.sink.opened, 2);
    say(early, "late");
    assert_true(turn_until(&world, &world.sink.bytes, 16));
    assert_string_equal(world.sink.conns[0].text, "early late");
    assert_string_equal(world.sink.conns[1].text, "queued");
    assert_int_equal(oxp_listener_connections(listener), 2);
    close(early);
    close(queued);
}

static void freeing_reads_what_is_there(void **state) {
    (void)state;
    int known = connected(), queued;
    turns(&world, 2);
    static const char block[100000] = "much"; /* more than one read */
    assert_int_equal(send(known, block, sizeof block, MSG_NOSIGNAL), sizeof block);
    queued = connected();
    say(queued, "never seen by a turn");
    oxp_listener_free(listener);
    listener = NULL;
    assert_int_equal(world.sink.conns[0].bytes, sizeof block);
    assert_string_equal(world.sink.conns[1].text, "never seen by a turn");
    assert_int_equal(world.sink.closed, 2);
    assert_int_equal(ending_of(known), ENDED);
    assert_int_equal(ending_of(queued), ENDED);
    close(known);
    close(queued);
}

static void *stop_when_opened(void *ctx, uint64_t id) {
    oxp_listener_stop(listener);
    return sink_opened(ctx, id);
}

static void a_callback_may_stop_the_listener(void **state) {
    (void)state;
    oxp_listener_free(listener);
    struct oxp_listen_options options = {.path = path, .mode = 0600};
    struct oxp_listen_sink sink = sink_of(&world.sink);
    sink.opened = stop_when_opened;
    sink.refused = NULL;
    assert_int_equal(oxp_listener_new(world.loop, &options, &sink, &listener, NULL), OXP_OK);
    int first = connected(), second = connected();
    say(first, "1");
    say(second, "2");
    assert_true(turn_until(&world, &world.sink.bytes, 2));
    assert_int_equal(oxp_listener_connections(listener), 2);
    close(first);
    close(second);
}

#define LISTENING(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        LISTENING(bytes_arrive_in_order_and_the_close_follows_them),
        LISTENING(a_half_close_is_answered_with_a_close),
        LISTENING(a_client_of_one_byte_a_turn_and_one_that_says_nothing),
        LISTENING(what_a_killed_client_had_written_is_handed_on),
        LISTENING(megabytes_from_four_threads),
        LISTENING(a_flood_does_not_keep_others_waiting),
        cmocka_unit_test_setup_teardown(past_the_limit_the_newest_is_refused, setup_three, teardown),
        LISTENING(a_sink_may_refuse),
        LISTENING(thousands_of_connections),
        LISTENING(the_peer_is_known_by_its_pid),
        LISTENING(a_descriptor_that_was_handed_on_is_still_its_maker_s),
        LISTENING(without_descriptors_clients_are_turned_away),
        LISTENING(without_even_the_spare_one_accepting_rests),
        LISTENING(without_memory_clients_are_turned_away),
        LISTENING(stopping_takes_in_who_had_come_and_keeps_connections),
        LISTENING(freeing_reads_what_is_there),
        LISTENING(a_callback_may_stop_the_listener),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
