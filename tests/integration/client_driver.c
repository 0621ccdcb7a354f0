/* An orchestrator on a leash for test_client.py: commands from standard input, one a line; each is answered by one
 * line.
 *
 *     client_driver SOCKET [QUEUE_BYTES]
 *
 *     start ID | end ID | act N | flush MS | mark | stop MS | stats | fork | flood N
 *
 * `mark` logs "mark N"; the answer is N. `fork` makes a child that starts session "child-<pid>", flushes and waits to
 * be killed; the answer is its pid. */
#include <oxpecker/client.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct oxp_client *client;
static uint64_t slow; /* calls that took more than 100 ms */
static long marks;

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void act(void) {
    struct oxp_client_operation operation = {.op = OXP_VIEW("act"), .ok = true, .duration_s = 0.5};
    uint64_t start = now_ns();
    oxp_client_operation(client, NULL, &operation);
    uint64_t took = now_ns() - start;
    slow += took > 100000000;
}

static void start_session(const char *id) {
    struct oxp_ids ids = {.session = oxp_view_from(id)};
    oxp_client_session_started(client, &ids, &(struct oxp_client_session){.region = OXP_VIEW("us-east-1")});
}

static void end_session(const char *id) {
    struct oxp_ids ids = {.session = oxp_view_from(id)};
    oxp_client_session_ended(client, &ids, OXP_VIEW("completed"), OXP_VIEW(""), 0);
}

static long mark(void) {
    char text[32];
    snprintf(text, sizeof text, "mark %ld", ++marks);
    const struct oxp_pair pairs[] = {oxp_pair_text("message", oxp_view_from(text))};
    oxp_report(oxp_client_reporter(client), "log", NULL, pairs, 1);
    return marks;
}

/* Sessions that open and close at once, as fast as it goes. */
static void flood(long count) {
    char id[32];
    for (long i = 0; i < count; i++) {
        snprintf(id, sizeof id, "flood-%ld", i);
        start_session(id);
        act();
        end_session(id);
        if (i % 100 == 0) {
            oxp_client_flush(client, 1);
        }
    }
}

static long fork_child(void) {
    int ready[2];
    char byte = 0;
    if (pipe(ready) != 0) {
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        char id[32];
        signal(SIGINT, SIG_IGN);
        alarm(120);
        snprintf(id, sizeof id, "child-%d", (int)getpid());
        start_session(id);
        byte = oxp_client_flush(client, 20000) == OXP_OK ? 'y' : 'n';
        if (write(ready[1], &byte, 1) == 1) {
            pause();
        }
        _exit(0);
    }
    if (read(ready[0], &byte, 1) != 1 || byte != 'y') {
        pid = -1;
    }
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void stats(void) {
    struct oxp_client_stats it;
    oxp_client_stats(client, &it);
    printf("{\"reported\": %lu, \"written\": %lu, \"dropped\": %lu, \"outrun\": %lu, \"connects\": %lu, \"open\": %lu, "
           "\"connected\": %s, \"boot\": \"%s\", \"slow\": %lu}\n",
           (unsigned long)it.reported, (unsigned long)it.written, (unsigned long)it.dropped, (unsigned long)it.outrun,
           (unsigned long)it.connects, (unsigned long)it.open, it.connected ? "true" : "false", it.boot,
           (unsigned long)slow);
}

static void obey(const char *command, const char *word) {
    long number = word[0] == '\0' ? 0 : strtol(word, NULL, 10);
    long answer = 0;
    if (strcmp(command, "start") == 0) {
        start_session(word);
    } else if (strcmp(command, "end") == 0) {
        end_session(word);
    } else if (strcmp(command, "act") == 0) {
        for (long i = 0; i < number; i++) {
            act();
        }
    } else if (strcmp(command, "flood") == 0) {
        flood(number);
    } else if (strcmp(command, "flush") == 0) {
        answer = oxp_client_flush(client, (int)number);
    } else if (strcmp(command, "mark") == 0) {
        answer = mark();
    } else if (strcmp(command, "stop") == 0) {
        answer = oxp_client_stop(client, "told to", (int)number);
    } else if (strcmp(command, "fork") == 0) {
        answer = fork_child();
    } else if (strcmp(command, "stats") == 0) {
        stats();
        return;
    }
    printf("%ld\n", answer);
}

int main(int argc, char **argv) {
    char line[256], command[16], word[128];
    struct oxp_client_options options = {.socket_path = argc > 1 ? argv[1] : NULL,
                                         .queue_bytes = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 0,
                                         .heartbeat_s = 1};
    if (oxp_client_new(&options, &client) != OXP_OK) {
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin) != NULL) {
        command[0] = word[0] = '\0';
        if (sscanf(line, "%15s %127s", command, word) >= 1) {
            obey(command, word);
        }
    }
    oxp_client_free(client);
    return 0;
}
