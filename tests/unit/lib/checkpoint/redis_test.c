/* The Redis store against the real redis-server of the machine: started here on a socket and a free port of loopback,
 * killed and started again in the middle, stopped by its process id. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <oxpecker/checkpoint.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"

#define SERVER "/usr/bin/redis-server"
#define PASSWORD "p@ss/w:rd"

static char directory[64], socket_path[100], socket_url[160], tcp_url[160];
static int port;
static pid_t server = -1;

static int free_port(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        return 0;
    }
    close(fd);
    return ntohs(address.sin_port);
}

/* Listening, and done with reading its files. */
static bool answers(void) {
    static const char words[] = "AUTH " PASSWORD "\r\nPING\r\n";
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char answer[128] = "";
    size_t len = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        send(fd, words, sizeof words - 1, MSG_NOSIGNAL) == (ssize_t)sizeof words - 1) {
        ssize_t n = 1;
        while (n > 0 && len < sizeof answer - 1 && strstr(answer, "+PONG") == NULL && strchr(answer, '-') == NULL) {
            n = recv(fd, answer + len, sizeof answer - 1 - len, 0);
            len += n > 0 ? (size_t)n : 0;
        }
    }
    close(fd);
    return strstr(answer, "+PONG") != NULL;
}

static void start_server(void) {
    char port_text[16], log[100];
    snprintf(port_text, sizeof port_text, "%d", port);
    snprintf(log, sizeof log, "%s/log", directory);
    fflush(NULL);
    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        execl(SERVER, SERVER, "--port", port_text, "--bind", "127.0.0.1", "--unixsocket", socket_path, "--dir",
              directory, "--logfile", log, "--requirepass", PASSWORD, "--appendonly", "yes", "--appendfsync", "always",
              "--daemonize", "no", "--maxmemory-policy", "noeviction", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 6000; i++) { /* a server of its own needs a moment */
        if (answers()) {
            return;
        }
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    fail_msg("redis-server does not listen; see %s", log);
}

static void kill_server(int number) {
    if (server > 0) {
        kill(server, number);
        waitpid(server, NULL, 0);
        server = -1;
    }
}

static int set_up(void **state) {
    (void)state;
    if (access(SERVER, X_OK) != 0) {
        print_message("SKIPPED: there is no " SERVER "\n");
        return getenv("CI") != NULL;
    }
    snprintf(directory, sizeof directory, "/tmp/oxp-redis-XXXXXX");
    if (mkdtemp(directory) == NULL || (port = free_port()) == 0) {
        return 1;
    }
    snprintf(socket_path, sizeof socket_path, "%s/s", directory);
    snprintf(socket_url, sizeof socket_url, "unix://:p%%40ss%%2Fw%%3Ard@%s?db=3", socket_path);
    snprintf(tcp_url, sizeof tcp_url, "redis://:p%%40ss%%2Fw%%3Ard@127.0.0.1:%d", port);
    start_server();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    kill_server(SIGKILL);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return directory[0] == '\0' ? 0 : system(command);
}

static void need_server(void) {
    if (server < 0) {
        skip();
    }
}

static struct oxp_store *open_store(const char *url, const char *prefix) {
    struct oxp_store *store = NULL;
    struct oxp_error error = {0};
    struct oxp_store_redis_options options = {.prefix = prefix, .timeout_ms = 30000};
    if (oxp_store_redis_new(url, &options, &store, &error) != OXP_OK) {
        fail_msg("%s", error.text);
    }
    return store;
}

static enum oxp_status put(struct oxp_store *store, const char *key, const char *value, struct oxp_error *error) {
    return store->put(store, key, oxp_view_from(value), error);
}

static enum oxp_status get_is(struct oxp_store *store, const char *key, const char *want) {
    char *value = NULL;
    size_t len = 0;
    enum oxp_status status = store->get(store, key, 1 << 20, &value, &len, NULL);
    if (status == OXP_OK) {
        assert_string_equal(value, want);
        free(value);
    }
    return status;
}

struct listed {
    size_t count;
    uint64_t bytes;
    double newest_s;
};

static bool note(void *ctx, const struct oxp_store_entry *entry) {
    struct listed *listed = ctx;
    listed->count++;
    listed->bytes += entry->size;
    listed->newest_s = entry->time_s > listed->newest_s ? entry->time_s : listed->newest_s;
    return true;
}

static void check_contract(const char *url) {
    struct oxp_store *store = open_store(url, "contract:");
    struct oxp_store *other = open_store(url, "[odd]*?\\:");
    assert_int_equal(get_is(store, "a.json", ""), OXP_ERR_NOT_FOUND);
    assert_int_equal(put(store, "a.json", "one", NULL), OXP_OK);
    assert_int_equal(put(store, "a.json", "two!", NULL), OXP_OK);
    assert_int_equal(put(store, "a.jsonx", "", NULL), OXP_OK);
    assert_int_equal(put(other, "a.json", "theirs", NULL), OXP_OK);
    assert_int_equal(get_is(store, "a.json", "two!"), OXP_OK);
    assert_int_equal(get_is(store, "a.jsonx", ""), OXP_OK);
    assert_int_equal(get_is(other, "a.json", "theirs"), OXP_OK);
    struct oxp_view bytes = {"\0\xff\r\n", 4};
    assert_int_equal(store->put(store, "b", bytes, NULL), OXP_OK);
    char *value = NULL;
    size_t len = 0;
    assert_int_equal(store->get(store, "b", 4, &value, &len, NULL), OXP_OK);
    assert_true(oxp_view_equal(oxp_view_of(value, len), bytes) && value[4] == '\0');
    free(value);
    assert_int_equal(store->get(store, "b", 3, &value, &len, NULL), OXP_ERR_LIMIT);
    struct listed all = {0}, some = {0}, odd = {0};
    assert_int_equal(store->list(store, "", note, &all, NULL), OXP_OK);
    assert_true(all.count == 3 && all.bytes == 8);
    double now = oxp_wall_seconds(oxp_clock_wall(oxp_clock_system()));
    assert_true(all.newest_s > now - 60 && all.newest_s < now + 60);
    assert_int_equal(store->list(store, "a.", note, &some, NULL), OXP_OK);
    assert_int_equal(some.count, 2);
    assert_int_equal(other->list(other, "", note, &odd, NULL), OXP_OK);
    assert_int_equal(odd.count, 1);
    assert_int_equal(store->remove(store, "b", NULL), OXP_OK);
    assert_int_equal(store->remove(store, "b", NULL), OXP_OK);
    assert_int_equal(get_is(store, "b", ""), OXP_ERR_NOT_FOUND);
    assert_int_equal(put(store, "../x", "", NULL), OXP_ERR_INVALID);
    oxp_store_free(store);
    oxp_store_free(other);
}

static void test_contract(void **state) {
    (void)state;
    need_server();
    check_contract(socket_url);
    check_contract(tcp_url);
}

/* Databases are apart. */
static void test_select(void **state) {
    (void)state;
    need_server();
    struct oxp_store *third = open_store(socket_url, "select:"), *zeroth = open_store(tcp_url, "select:");
    assert_int_equal(put(third, "k", "x", NULL), OXP_OK);
    assert_int_equal(get_is(zeroth, "k", ""), OXP_ERR_NOT_FOUND);
    oxp_store_free(third);
    oxp_store_free(zeroth);
}

/* More than one page, each key once. */
static void test_long_list(void **state) {
    (void)state;
    need_server();
    struct oxp_store *store = open_store(socket_url, "long:");
    for (int i = 0; i < 1500; i++) {
        char key[32];
        snprintf(key, sizeof key, "t%d.json", i);
        assert_int_equal(put(store, key, "0123456789", NULL), OXP_OK);
    }
    struct listed all = {0};
    assert_int_equal(store->list(store, "t", note, &all, NULL), OXP_OK);
    assert_true(all.count == 1500 && all.bytes == 15000);
    oxp_store_free(store);
}

static void test_refused(void **state) {
    (void)state;
    need_server();
    char url[160];
    struct oxp_error error = {0};
    snprintf(url, sizeof url, "redis://:c4nary@127.0.0.1:%d", port);
    struct oxp_store *store = open_store(url, NULL);
    assert_int_equal(put(store, "k", "x", &error), OXP_ERR_DENIED);
    assert_null(strstr(error.text, "c4nary"));
    oxp_store_free(store);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", port);
    store = open_store(url, NULL);
    assert_int_equal(put(store, "k", "x", &error), OXP_ERR_DENIED);
    oxp_store_free(store);
    snprintf(url, sizeof url, "redis://:p%%40ss%%2Fw%%3Ard@127.0.0.1:%d/999", port);
    store = open_store(url, NULL);
    assert_true(put(store, "k", "x", &error) < 0);
    oxp_store_free(store);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", free_port());
    store = open_store(url, NULL);
    assert_int_equal(put(store, "k", "x", &error), OXP_ERR_CLOSED);
    assert_non_null(strstr(error.text, "refused"));
    oxp_store_free(store);
    assert_int_equal(oxp_store_redis_new("rediss://h", NULL, &store, &error), OXP_ERR_UNSUPPORTED);
}

/* One that takes connections and never answers. */
static void test_timeout(void **state) {
    (void)state;
    need_server();
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    char url[64];
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", ntohs(address.sin_port));
    struct oxp_store *store = NULL;
    struct oxp_store_redis_options options = {.timeout_ms = 100};
    assert_int_equal(oxp_store_redis_new(url, &options, &store, NULL), OXP_OK);
    struct oxp_error error = {0};
    int64_t began = oxp_clock_mono(oxp_clock_system()).ns;
    assert_int_equal(put(store, "k", "x", &error), OXP_ERR_TIMEOUT);
    assert_true(oxp_clock_mono(oxp_clock_system()).ns - began < 60 * OXP_NS_PER_S);
    oxp_store_free(store);
    close(fd);
}

/* Killed and started again: the first call after that works, with no SIGPIPE for the host; in between it fails. */
static void test_restart(void **state) {
    (void)state;
    need_server();
    struct oxp_store *store = open_store(socket_url, "restart:");
    assert_int_equal(put(store, "k", "before", NULL), OXP_OK);
    kill_server(SIGKILL);
    struct oxp_error error = {0};
    assert_int_equal(put(store, "k", "down", &error), OXP_ERR_CLOSED);
    assert_true(error.text[0] != '\0');
    assert_int_equal(get_is(store, "k", ""), OXP_ERR_CLOSED);
    start_server();
    assert_int_equal(get_is(store, "k", "before"), OXP_OK);
    assert_int_equal(put(store, "k", "after", NULL), OXP_OK);
    kill_server(SIGKILL);
    start_server(); /* this time it has not noticed */
    assert_int_equal(get_is(store, "k", "after"), OXP_OK);
    sigset_t pending;
    sigpending(&pending);
    assert_int_equal(sigismember(&pending, SIGPIPE), 0);
    oxp_store_free(store);
}

/* Parent and child each on a connection of their own. */
static void test_fork(void **state) {
    (void)state;
    need_server();
    struct oxp_store *store = open_store(socket_url, "fork:");
    assert_int_equal(put(store, "k", "parent", NULL), OXP_OK);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool well = true;
        for (int i = 0; i < 200 && well; i++) {
            char *value = NULL;
            size_t len = 0;
            well = put(store, "c", "child", NULL) == OXP_OK &&
                   store->get(store, "c", 99, &value, &len, NULL) == OXP_OK && strcmp(value, "child") == 0;
            free(value);
        }
        oxp_store_free(store);
        _exit(well ? 0 : 1);
    }
    for (int i = 0; i < 200; i++) {
        assert_int_equal(get_is(store, "k", "parent"), OXP_OK);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(get_is(store, "c", "child"), OXP_OK);
    oxp_store_free(store);
}

/* A manager on it: a snapshot that could not be written is tried again when the server is back. */
static void test_manager(void **state) {
    (void)state;
    need_server();
    struct oxp_store *store = open_store(socket_url, "manager:");
    struct oxp_checkpoints *checkpoints = NULL, *other = NULL;
    struct oxp_checkpoints_options options = {.store = store, .attempts = 1000, .retry_ms = 1};
    assert_int_equal(oxp_checkpoints_new(&options, &checkpoints), OXP_OK);
    struct oxp_checkpoint one = {.task = OXP_VIEW("t"), .state = OXP_VIEW("1"), .context = OXP_VIEW("{\"a\": 1}")};
    assert_int_equal(oxp_checkpoint_save_now(checkpoints, &one, NULL), OXP_OK);
    kill_server(SIGKILL);
    one.state = OXP_VIEW("2");
    assert_int_equal(oxp_checkpoint_save(checkpoints, &one), OXP_OK);
    assert_int_equal(oxp_checkpoints_flush(checkpoints, 50), OXP_ERR_TIMEOUT);
    start_server();
    assert_int_equal(oxp_checkpoints_flush(checkpoints, 20000), OXP_OK);
    struct oxp_store *theirs = open_store(socket_url, "manager:"); /* another machine */
    options.store = theirs;
    assert_int_equal(oxp_checkpoints_new(&options, &other), OXP_OK);
    struct oxp_checkpoint *out = NULL;
    assert_int_equal(oxp_checkpoint_load(other, OXP_VIEW("t"), &out, NULL), OXP_OK);
    assert_true(oxp_view_is(out->state, "2") && oxp_view_is(out->context, "{\"a\": 1}"));
    oxp_checkpoint_free(out);
    assert_int_equal(oxp_checkpoint_done_now(other, OXP_VIEW("t"), NULL), OXP_OK);
    assert_int_equal(oxp_checkpoint_load(checkpoints, OXP_VIEW("t"), &out, NULL), OXP_ERR_NOT_FOUND);
    oxp_checkpoints_free(checkpoints);
    oxp_checkpoints_free(other);
    oxp_store_free(store);
    oxp_store_free(theirs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contract), cmocka_unit_test(test_select),  cmocka_unit_test(test_long_list),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_timeout), cmocka_unit_test(test_restart),
        cmocka_unit_test(test_fork),     cmocka_unit_test(test_manager),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
