/* The subcommands as a shell sees them: words and standard input go in; exit status, output and what reaches the socket
 * come out. Each runs in a process of its own, against a server of the test's. */
#include "exporter/app/app.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MOST 8
#define ROOM 65536

static char folder[] = "/tmp/oxp_app_commands_XXXXXX";
static char socket_path[64], input_path[64], out_path[64], err_path[64], socket_flag[96];

typedef int command_fn(int argc, char **argv);

struct run {
    command_fn *command;
    const char *const *words;
    const char *input; /* standard input */
    size_t input_len;
    int listener;      /* where the test serves, or -1 */
    const char *reply; /* to an HTTP request; NULL: reads to the end and closes; "": closes at once */
    /* what came out */
    int status;
    char out[4096], err[4096];
    char heard[ROOM]; /* by the server */
    size_t heard_len;
    unsigned connections;
};

static void read_text(const char *path, char *text, size_t size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

static void put_input(const char *bytes, size_t len) {
    FILE *file = fopen(input_path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void redirect(const char *path, int flags, int to) {
    int fd = open(path, flags, 0600);
    if (fd < 0 || dup2(fd, to) < 0) {
        _exit(99);
    }
    close(fd);
}

static pid_t start(const struct run *run, int input) {
    char *argv[MOST + 1] = {NULL};
    int argc = 0;
    for (; argc < MOST && run->words[argc] != NULL; argc++) {
        argv[argc] = (char *)(uintptr_t)run->words[argc];
    }
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (input >= 0) {
            dup2(input, STDIN_FILENO);
        } else {
            redirect(input_path, O_RDONLY, STDIN_FILENO);
        }
        close_range(STDERR_FILENO + 1, ~0U, 0); /* a pipe's other end would keep it open */
        redirect(out_path, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
        redirect(err_path, O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
        alarm(60);
        int status = run->command(argc, argv);
        fflush(NULL);
        _exit(status);
    }
    return child;
}

/* Reads until `stop` stands at the end of what was heard, or to the end of the stream. */
static void hear(struct run *run, int conn, const char *stop) {
    ssize_t n;
    while (run->heard_len < ROOM - 1 && (n = read(conn, run->heard + run->heard_len, ROOM - 1 - run->heard_len)) > 0) {
        run->heard_len += (size_t)n;
        run->heard[run->heard_len] = '\0';
        size_t len = stop == NULL ? 0 : strlen(stop);
        if (len > 0 && run->heard_len >= len && strcmp(run->heard + run->heard_len - len, stop) == 0) {
            break;
        }
    }
}

static void serve_one(struct run *run) {
    int conn = accept(run->listener, NULL, NULL);
    assert_true(conn >= 0);
    run->connections++;
    if (run->reply == NULL) {
        hear(run, conn, NULL);
    } else if (run->reply[0] != '\0') {
        hear(run, conn, "\r\n\r\n");
        assert_int_equal(write(conn, run->reply, strlen(run->reply)), strlen(run->reply));
    }
    close(conn);
}

static void finish(struct run *run, pid_t child) {
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status)) {
        fail_msg("it ended by signal %d", WTERMSIG(status));
    }
    run->status = WEXITSTATUS(status);
    read_text(out_path, run->out, sizeof run->out);
    read_text(err_path, run->err, sizeof run->err);
}

/* Runs it to its end. */
static void run_command(struct run *run) {
    run->heard[0] = '\0';
    put_input(run->input == NULL ? "" : run->input, run->input_len);
    pid_t child = start(run, -1);
    siginfo_t info = {0};
    while (run->listener >= 0 && waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0) {
        struct pollfd wait = {.fd = run->listener, .events = POLLIN};
        if (poll(&wait, 1, 20) > 0) {
            serve_one(run);
        }
    }
    finish(run, child);
}

static int listen_unix(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    unlink(socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 8) == 0);
    return fd;
}

/* ---- send ---- */

/* clang-format off: a table */
static const struct {
    const char *name;
    const char *words[MOST];
    const char *input; /* its length is taken up to a final "\n" */
    size_t input_len;
    int status;
    unsigned connections;
    const char *heard; /* fragment */
    const char *err;   /* fragment; "" = nothing at all */
} send_rows[] = {
#define LINES(text) text, sizeof text - 1
    {"one event", {"session.started", "session=a"}, NULL, 0, 0, 1, ",\"session\":\"a\"}\n", ""},
    {"a field twice", {"session.started", "session=a", "session=b"}, NULL, 0, 1, 0, "", "session stands twice"},
    {"a member twice", {"queue", "low.length=1", "low.length=1"}, NULL, 0, 1, 0, "", "low.length stands twice"},
    {"an attr twice", {"queue", "attrs.a=1", "attrs.a=1"}, NULL, 0, 1, 0, "", "attrs: a name stands twice"},
    {"unknown field", {"session.started", "session=a", "x=1"}, NULL, 0, 1, 0, "", "x=1: no such field"},
    {"a needed field is missing", {"session.started"}, NULL, 0, 1, 0, "", "session is missing"},
    {"what only a ledger refuses", {"breaker", "name=b", "to=ajar"}, NULL, 0, 1, 0, "", "bad_field: "},
    {"no words", {NULL}, NULL, 0, 1, 0, "", "usage: oxpecker send"},
    {"no input", {"-"}, LINES(""), 0, 0, "", ""},
    {"lines",
     {"-"},
     LINES("queue low.length=1\n\n  \nqueue \t low.length=2 \r\n"),
     0,
     1,
     ",\"low\":{\"length\":2}}\n",
     ""},
    {"a line without line feed", {"-"}, LINES("queue low.length=3"), 0, 1, ",\"low\":{\"length\":3}}\n", ""},
    {"JSON goes as it is", {"-"}, LINES("{\"type\" : \"queue\"}\n"), 0, 1, "{\"type\" : \"queue\"}\n", ""},
    {"a bad line costs itself",
     {"-"},
     LINES("queue low.length=1\nqueue low.length=x\nqueue low.length=4\n"),
     1,
     1,
     ",\"low\":{\"length\":4}}\n",
     "oxpecker send: line 2: low.length=x: a number is wanted\n"},
    {"a line that the parser refuses",
     {"-"},
     LINES("queue low.length=1.5\n"),
     1,
     0,
     "",
     "line 1: low.length: expected a whole number"},
    {"bad JSON", {"-"}, LINES("{\"type\":\"queue\"\n"), 1, 0, "", "line 1: "},
    {"a NUL behind JSON", {"-"}, LINES("{\"type\":\"queue\"}\0x\n"), 1, 0, "", "line 1: a NUL stands in the line"},
#undef LINES
};
/* clang-format on */

static void test_send(void **state) {
    (void)state;
    static struct run run;
    for (size_t i = 0; i < sizeof send_rows / sizeof send_rows[0]; i++) {
        const char *words[MOST] = {socket_flag};
        for (size_t w = 0; w < MOST - 2 && send_rows[i].words[w] != NULL; w++) {
            words[w + 1] = send_rows[i].words[w];
        }
        memset(&run, 0, sizeof run);
        run.command = oxp_command_send;
        run.words = words;
        run.input = send_rows[i].input;
        run.input_len = send_rows[i].input_len;
        run.listener = listen_unix();
        run_command(&run);
        close(run.listener);
        if (run.status != send_rows[i].status || run.connections != send_rows[i].connections ||
            strstr(run.heard, send_rows[i].heard) == NULL || strstr(run.err, send_rows[i].err) == NULL ||
            (send_rows[i].err[0] == '\0' && run.err[0] != '\0') || run.out[0] != '\0') {
            fail_msg("%s: exit %d, %u connections, heard \"%s\", said \"%s\"", send_rows[i].name, run.status,
                     run.connections, run.heard, run.err);
        }
    }
}

/* Every way in which an event may get lost ends with 1. */
static void test_send_to_nobody(void **state) {
    (void)state;
    static struct run run;
    const char *one[MOST] = {socket_flag, "queue", "low.length=1"}, *stream[MOST] = {socket_flag, "-"};
    unlink(socket_path);
    for (int i = 0; i < 2; i++) {
        memset(&run, 0, sizeof run);
        run.command = oxp_command_send;
        run.words = i == 0 ? one : stream;
        run.input = "queue\n";
        run.input_len = 6;
        run.listener = -1;
        run_command(&run);
        assert_int_equal(run.status, 1);
        assert_non_null(strstr(run.err, socket_path));
        assert_non_null(strstr(run.err, "cannot reach the sidecar: No such file or directory"));
    }
    memset(&run, 0, sizeof run);
    run.command = oxp_command_send;
    run.words = one;
    run.listener = listen_unix();
    run.reply = ""; /* the sidecar dies */
    run_command(&run);
    close(run.listener);
    if (run.status != 1 || strstr(run.err, socket_path) == NULL) {
        fail_msg("exit %d: \"%s\"", run.status, run.err);
    }
}

/* Lines that are too long, or of too many words, say so. */
static void test_send_too_much(void **state) {
    (void)state;
    static struct run run;
    static char text[ROOM];
    size_t len = (size_t)snprintf(text, sizeof text, "{\"type\":\"error\",\"message\":\"%0*d\"}\nqueue", 9000, 0);
    for (int i = 0; i < 300; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, " attrs.a%d=1", i);
    }
    len += (size_t)snprintf(text + len, sizeof text - len, "\n%0*d\n", 40000, 0);
    const char *words[MOST] = {socket_flag, "-"};
    run.command = oxp_command_send;
    run.words = words;
    run.input = text;
    run.input_len = len;
    run.listener = -1;
    run_command(&run);
    assert_int_equal(run.status, 1);
    assert_non_null(strstr(run.err, "line 1: the event is longer than 8 KiB\n"));
    assert_non_null(strstr(run.err, "line 2: queue: more than 128 fields\n"));
    assert_non_null(strstr(run.err, "line 3: 0000"));
    assert_non_null(strstr(run.err, ": not an event type\n"));
}

/* When the sidecar goes away, the next line connects again and says first who speaks. */
static void test_send_announces_itself_again(void **state) {
    (void)state;
    static struct run run;
    const char *words[MOST] = {socket_flag, "-"};
    static const char first[] = "orchestrator.started boot=b\n", second[] = "queue low.length=1\n";
    int input[2];
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    run.command = oxp_command_send;
    run.words = words;
    run.listener = listen_unix();
    pid_t child = start(&run, input[0]);
    close(input[0]);
    assert_int_equal(write(input[1], first, sizeof first - 1), sizeof first - 1);
    int conn = accept(run.listener, NULL, NULL);
    hear(&run, conn, "\n");
    close(conn);
    size_t announcement = run.heard_len;
    assert_non_null(strstr(run.heard, "\"boot\":\"b\"}\n"));
    assert_int_equal(write(input[1], second, sizeof second - 1), sizeof second - 1);
    close(input[1]);
    serve_one(&run);
    finish(&run, child);
    close(run.listener);
    assert_int_equal(run.status, 0);
    assert_string_equal(run.err, "");
    assert_memory_equal(run.heard, run.heard + announcement, announcement);
    assert_non_null(strstr(run.heard + 2 * announcement, "{\"length\":1}}\n"));
}

/* ---- check ---- */

static const struct {
    const char *name;
    const char *words[MOST];
    const char *input;
    int status;
    const char *out, *err;
} check_rows[] = {
    {"text", {"metrics"}, "a 1\n", 0, "ok: 1 samples, text 0.0.4\n", ""},
    {"nothing", {"metrics"}, "", 0, "ok: 0 samples, text 0.0.4\n", ""},
    {"OpenMetrics is seen", {"metrics"}, "a 1\n# EOF\n", 0, "ok: 1 samples, OpenMetrics 1.0.0\n", ""},
    {"without line feed too", {"metrics"}, "a 1\n# EOF", 0, "ok: 1 samples, OpenMetrics 1.0.0\n", ""},
    {"OpenMetrics as text", {"metrics", "--format=text"}, "a 1\n# EOF\n", 0, "ok: 1 samples, text 0.0.4\n", ""},
    {"text as OpenMetrics", {"metrics", "--format=openmetrics"}, "a 1\n", 1, "", "EOF"},
    {"a bad line", {"metrics"}, "a 1\nb x\n", 1, "", "2:3: "},
    {"unknown format", {"metrics", "--format=xml"}, "", 1, "", "usage: oxpecker check metrics"},
    {"no file", {"config"}, "", 1, "", "usage: oxpecker check config"},
    {"a file that is not there", {"config", "/tmp/oxp_no_such_file.yml"}, "", 1, "", "/tmp/oxp_no_such_file.yml"},
    {"no word", {NULL}, "", 1, "", "usage: oxpecker check config"},
};

static void test_check(void **state) {
    (void)state;
    static struct run run;
    for (size_t i = 0; i < sizeof check_rows / sizeof check_rows[0]; i++) {
        memset(&run, 0, sizeof run);
        run.command = oxp_command_check;
        run.words = check_rows[i].words;
        run.input = check_rows[i].input;
        run.input_len = strlen(run.input);
        run.listener = -1;
        run_command(&run);
        if (run.status != check_rows[i].status || strcmp(run.out, check_rows[i].out) != 0 ||
            strstr(run.err, check_rows[i].err) == NULL || (run.status == 0 && run.err[0] != '\0')) {
            fail_msg("%s: exit %d, \"%s\", \"%s\"", check_rows[i].name, run.status, run.out, run.err);
        }
    }
}

/* ---- healthcheck ---- */

static int listen_tcp(int family, unsigned *port_out) {
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } address = {.six = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback}};
    socklen_t len = sizeof address.six;
    if (family == AF_INET) {
        address.four = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        len = sizeof address.four;
    }
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd >= 0 && family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on); /* as the server binds "[::]" */
    }
    if (fd < 0 || bind(fd, &address.any, len) != 0 || listen(fd, 8) != 0 || getsockname(fd, &address.any, &len) != 0) {
        close(fd);
        return -1;
    }
    *port_out = ntohs(family == AF_INET ? address.four.sin_port : address.six.sin6_port);
    return fd;
}

static const char ready[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nReady\n";
static const char stopping[] = "HTTP/1.1 503 Unavailable\r\nContent-Length: 9\r\nConnection: close\r\n\r\nstopping\n";

static const struct {
    const char *listen; /* the configured address, without port */
    int family;         /* where the test listens; 0 = nowhere */
    const char *reply;
    int status;
    const char *out, *err;
} health_rows[] = {
    {"", AF_INET, ready, 0, "Ready\n", ""},
    {"0.0.0.0", AF_INET, ready, 0, "Ready\n", ""},
    {"127.0.0.1", AF_INET, ready, 0, "Ready\n", ""},
    {"[::]", AF_INET6, ready, 0, "Ready\n", ""},
    {"[::1]", AF_INET6, ready, 0, "Ready\n", ""},
    {"", AF_INET, stopping, 1, "", "stopping\n"},
    {"127.0.0.1", 0, NULL, 1, "", "http://127.0.0.1:"},
};

static void test_healthcheck(void **state) {
    (void)state;
    static struct run run;
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* of the container; never for what is beside us */
    setenv("no_proxy", "example.org", 1);
    for (size_t i = 0; i < sizeof health_rows / sizeof health_rows[0]; i++) {
        char flag[96];
        unsigned port = 0;
        const char *words[MOST] = {flag};
        memset(&run, 0, sizeof run);
        run.listener = listen_tcp(health_rows[i].family == AF_INET6 ? AF_INET6 : AF_INET, &port);
        if (run.listener < 0) {
            print_message("no IPv6 here: %s is skipped\n", health_rows[i].listen);
            continue;
        }
        if (health_rows[i].family == 0) {
            close(run.listener); /* its port is nobody's now */
            run.listener = -1;
        }
        snprintf(flag, sizeof flag, "--web.listen-address=%s:%u", health_rows[i].listen, port);
        run.command = oxp_command_healthcheck;
        run.words = words;
        run.reply = health_rows[i].reply;
        run_command(&run);
        if (run.listener >= 0) {
            close(run.listener);
        }
        if (run.status != health_rows[i].status || strcmp(run.out, health_rows[i].out) != 0 ||
            strstr(run.err, health_rows[i].err) == NULL ||
            (run.listener >= 0 && strncmp(run.heard, "GET /-/ready HTTP/1.1\r\n", 23) != 0)) {
            fail_msg("%s: exit %d, \"%s\", \"%s\", asked \"%s\"", flag, run.status, run.out, run.err, run.heard);
        }
    }
    unsetenv("http_proxy");
    unsetenv("no_proxy");
}

static int make_folder(void **state) {
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(socket_path, sizeof socket_path, "%s/events.sock", folder);
    snprintf(input_path, sizeof input_path, "%s/in", folder);
    snprintf(out_path, sizeof out_path, "%s/out", folder);
    snprintf(err_path, sizeof err_path, "%s/err", folder);
    snprintf(socket_flag, sizeof socket_flag, "--events.listen-unix=%s", socket_path);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(socket_path);
    unlink(input_path);
    unlink(out_path);
    unlink(err_path);
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send),          cmocka_unit_test(test_send_to_nobody),
        cmocka_unit_test(test_send_too_much), cmocka_unit_test(test_send_announces_itself_again),
        cmocka_unit_test(test_check),         cmocka_unit_test(test_healthcheck),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
