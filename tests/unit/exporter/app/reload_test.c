/* Reload: what changes, what waits for a restart, and that a faulty file changes nothing. The daemon is built whole, on
 * a port and a socket of its own, but not run: this thread is its loop's. */
#include "exporter/app/daemon.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/oxp_app_reload_XXXXXX";
static char file_path[64], socket_path[64], log_path[64], file_flag[96], socket_flag[96];
static struct oxp_daemon *daemon_;

static void put_file(const char *text) {
    FILE *file = fopen(file_path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* What was logged since the last call. */
static const char *logged(void) {
    static char text[8192];
    FILE *file = fopen(log_path, "r+");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_int_equal(truncate(log_path, 0), 0);
    return text;
}

static double gauge(enum oxp_self_metric metric) {
    return oxp_series_value(oxp_family_only(daemon_->stats.families[metric]), 0);
}

static enum oxp_status reload(const char *text, struct oxp_error *error) {
    put_file(text);
    *error = (struct oxp_error){0};
    return oxp_daemon_reload(daemon_, error);
}

static void assert_reloads(const char *text) {
    struct oxp_error error;
    if (reload(text, &error) != OXP_OK) {
        fail_msg("%s", error.text);
    }
    assert_true(gauge(OXP_S_CONFIG_LAST_RELOAD_SUCCESSFUL) == 1);
}

#define BEFORE "shutdown: {grace: 5s}\nweb: {listen_address: \"127.0.0.1:0\", openmetrics_created: false}\n"

static void test_what_changes(void **state) {
    (void)state;
    assert_reloads("shutdown: {grace: 7s}\nweb: {listen_address: \"127.0.0.1:0\", openmetrics_created: true}\n"
                   "log: {format: json}\n");
    assert_true(oxp_config_number(&daemon_->config, OXP_OPT_SHUTDOWN_GRACE) == 7);
    assert_true(atomic_load(&daemon_->api.openmetrics_created));
    const char *said = logged();
    assert_non_null(strstr(said, "reloaded the configuration"));
    assert_non_null(strstr(said, "{\"")); /* in the new form */
    assert_null(strstr(said, "after a restart"));
    /* and back: what the file does not say any more is the default again */
    assert_reloads(BEFORE);
    assert_true(oxp_config_number(&daemon_->config, OXP_OPT_SHUTDOWN_GRACE) == 5);
    assert_false(atomic_load(&daemon_->api.openmetrics_created));
    assert_non_null(strstr(logged(), "level=info msg=\"reloaded the configuration\""));
    assert_true(gauge(OXP_S_CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP_SECONDS) > 0);
}

/* The old text stays where it is: the server, the listener and the routes point to it. */
static void test_what_needs_a_restart(void **state) {
    (void)state;
    const char *address = oxp_config_text(&daemon_->config, OXP_OPT_WEB_LISTEN_ADDRESS);
    const char *path = oxp_config_text(&daemon_->config, OXP_OPT_WEB_TELEMETRY_PATH);
    assert_reloads("shutdown: {grace: 9s}\nweb: {listen_address: \":1\", telemetry_path: /other}\n");
    assert_ptr_equal(oxp_config_text(&daemon_->config, OXP_OPT_WEB_LISTEN_ADDRESS), address);
    assert_ptr_equal(oxp_config_text(&daemon_->config, OXP_OPT_WEB_TELEMETRY_PATH), path);
    assert_string_equal(address, "127.0.0.1:0");
    assert_true(oxp_config_number(&daemon_->config, OXP_OPT_SHUTDOWN_GRACE) == 9); /* the rest took effect */
    const char *said = logged();
    assert_non_null(strstr(said, "option=web.listen_address running=127.0.0.1:0 new=:1"));
    assert_non_null(strstr(said, "option=web.telemetry_path running=/metrics new=/other"));
    /* said again at the next reload, because it still is so; and not when it was taken back */
    assert_reloads("web: {listen_address: \":1\"}\n");
    assert_non_null(strstr(logged(), "option=web.listen_address"));
    assert_reloads(BEFORE);
    assert_null(strstr(logged(), "after a restart"));
}

static const struct {
    const char *name, *text, *fragment;
} bad_rows[] = {
    {"no YAML", "web: [\n", ""},
    {"unknown key", "web: {listen_adress: \":1\"}\n", ":1:7: "},
    {"bad value behind good ones", "shutdown: {grace: 30s}\nlog: {level: loud}\n", ":2:14: "},
    {"out of range", "shutdown: {grace: 2h}\n", ":1:19: "},
};

static void test_a_faulty_file_changes_nothing(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_rows / sizeof bad_rows[0]; i++) {
        struct oxp_error error;
        assert_reloads(BEFORE);
        double when = gauge(OXP_S_CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP_SECONDS);
        logged();
        enum oxp_status status = reload(bad_rows[i].text, &error);
        if (status >= 0 || strstr(error.text, file_path) == NULL || strstr(error.text, bad_rows[i].fragment) == NULL ||
            oxp_config_number(&daemon_->config, OXP_OPT_SHUTDOWN_GRACE) != 5 ||
            gauge(OXP_S_CONFIG_LAST_RELOAD_SUCCESSFUL) != 0) {
            fail_msg("%s: %s, \"%s\"", bad_rows[i].name, oxp_status_name(status), error.text);
        }
        assert_true(gauge(OXP_S_CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP_SECONDS) == when);
        assert_non_null(strstr(logged(), "reload failed; the old configuration stays"));
    }
    struct oxp_error error = {0};
    unlink(file_path);
    assert_true(oxp_daemon_reload(daemon_, &error) < 0);
    assert_non_null(strstr(error.text, file_path));
    assert_reloads(BEFORE); /* and a good one mends it */
}

/* A probe is made, replaced when what it asks for changes, kept when it does not, and taken away. */
static void test_the_probe(void **state) {
    (void)state;
    assert_null(daemon_->probe);
    assert_reloads(BEFORE "orchestrator: {health_url: \"http://127.0.0.1:1/a\", health_interval: 1h}\n");
    struct oxp_health_probe *probe = daemon_->probe;
    assert_non_null(probe);
    assert_reloads(BEFORE "orchestrator: {health_url: \"http://127.0.0.1:1/a\", health_interval: 1h}\n"
                          "log: {level: info}\n");
    assert_ptr_equal(daemon_->probe, probe);
    assert_reloads(BEFORE);
    assert_null(daemon_->probe);
}

/* The log goes to standard error: to a file while a test runs. */
static int standard_error = -1;

static int catch_log(void **state) {
    (void)state;
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    fflush(stderr);
    standard_error = dup(STDERR_FILENO);
    if (log < 0 || standard_error < 0 || dup2(log, STDERR_FILENO) < 0) {
        return -1;
    }
    return close(log);
}

static int release_log(void **state) {
    (void)state;
    fflush(stderr);
    if (dup2(standard_error, STDERR_FILENO) < 0) {
        return -1;
    }
    return close(standard_error);
}

static int start(void **state) {
    (void)state;
    static char *argv[] = {file_flag, socket_flag, NULL};
    static char *environment[] = {NULL};
    struct oxp_config_source source = {2, argv, environment};
    struct oxp_error error = {0};
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(file_path, sizeof file_path, "%s/oxpecker.yml", folder);
    snprintf(socket_path, sizeof socket_path, "%s/events.sock", folder);
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    snprintf(file_flag, sizeof file_flag, "--config.file=%s", file_path);
    snprintf(socket_flag, sizeof socket_flag, "--events.listen-unix=%s", socket_path);
    put_file(BEFORE);
    if (catch_log(state) != 0) {
        return -1;
    }
    if (oxp_daemon_new(&source, &daemon_, &error) != OXP_OK) {
        printf("%s\n", error.text);
        return -1;
    }
    return release_log(state);
}

static int stop(void **state) {
    (void)state;
    oxp_daemon_free(daemon_, false);
    const char *const names[] = {"oxpecker.yml", "events.sock", "events.sock.lock", "log"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, catch_log, release_log)
    const struct CMUnitTest tests[] = {
        TEST(test_what_changes),
        TEST(test_what_needs_a_restart),
        TEST(test_a_faulty_file_changes_nothing),
        TEST(test_the_probe),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
