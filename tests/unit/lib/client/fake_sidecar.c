#include "tests/unit/lib/client/fake_sidecar.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

void sidecar_listen_again(struct sidecar *sidecar) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, sidecar->path, sizeof sidecar->path);
    unlink(sidecar->path);
    sidecar->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(sidecar->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(sidecar->listener, 8), 0);
}

void sidecar_init(struct sidecar *sidecar, bool listens) {
    *sidecar = (struct sidecar){.listener = -1, .fd = -1};
    snprintf(sidecar->path, sizeof sidecar->path, "/tmp/oxp-client-test-%d.sock", (int)getpid());
    unlink(sidecar->path);
    oxp_map_init(&sidecar->open);
    if (listens) {
        sidecar_listen_again(sidecar);
    }
}

void sidecar_hang_up(struct sidecar *sidecar) {
    if (sidecar->fd >= 0) {
        close(sidecar->fd);
        sidecar->fd = -1;
    }
}

static void stop_listening(struct sidecar *sidecar) {
    if (sidecar->listener >= 0) {
        close(sidecar->listener);
        sidecar->listener = -1;
        unlink(sidecar->path);
    }
}

void sidecar_fini(struct sidecar *sidecar) {
    sidecar_hang_up(sidecar);
    stop_listening(sidecar);
    for (size_t i = 0; i < sidecar->count && i < 1024; i++) {
        free(sidecar->kept[i]);
    }
    char *id;
    for (size_t i = 0; (id = oxp_map_next(&sidecar->open, &i)) != NULL;) {
        free(id);
    }
    oxp_map_fini(&sidecar->open);
}

void sidecar_wait_for_bytes(int fd) {
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&poller, 1, PATIENCE_MS), 1);
}

void sidecar_answer(struct sidecar *sidecar) {
    sidecar_wait_for_bytes(sidecar->listener);
    sidecar->fd = accept4(sidecar->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(sidecar->fd >= 0);
    oxp_lines_init(&sidecar->lines);
}

static void copy(char *to, size_t size, struct oxp_view text) {
    size_t len = text.len < size - 1 ? text.len : size - 1;
    memcpy(to, text.ptr, len);
    to[len] = '\0';
}

static void see_session(struct sidecar *sidecar, const struct oxp_event *event) {
    struct oxp_view id = oxp_event_text(event, OXP_FIELD_SESSION);
    sidecar->sessions_started += event->type == OXP_EVENT_SESSION_STARTED;
    sidecar->sessions_ended += event->type == OXP_EVENT_SESSION_ENDED;
    if (sidecar->light) {
        return;
    }
    if (event->type == OXP_EVENT_SESSION_STARTED && oxp_map_get(&sidecar->open, id) == NULL) {
        char *kept = strndup(id.ptr, id.len);
        assert_int_equal(oxp_map_set(&sidecar->open, oxp_view_from(kept), kept, NULL), OXP_OK);
    } else if (event->type == OXP_EVENT_SESSION_ENDED) {
        free(oxp_map_remove(&sidecar->open, id));
    }
}

static void see_started(struct sidecar *sidecar, const struct oxp_event *event) {
    copy(sidecar->started_writer, sizeof sidecar->started_writer, oxp_event_text(event, OXP_FIELD_WRITER));
    copy(sidecar->started_boot, sizeof sidecar->started_boot, oxp_event_text(event, OXP_FIELD_BOOT));
    sidecar->started_resumed = oxp_event_flag(event, OXP_FIELD_RESUMED, false);
    sidecar->started_last_seq = (uint64_t)oxp_event_number(event, OXP_FIELD_LAST_SEQ, 0);
}

static void see_line(void *ctx, unsigned long number, struct oxp_view line) {
    struct sidecar *sidecar = ctx;
    struct oxp_event event;
    struct oxp_refusal refusal;
    (void)number;
    if (oxp_parse_event(line, &event, &refusal) != OXP_OK) {
        fail_msg("%s: %.*s", refusal.error.text, (int)line.len, line.ptr);
    }
    uint64_t seq = (uint64_t)oxp_event_number(&event, OXP_FIELD_SEQ, 0);
    if (seq <= sidecar->last_seq) {
        fail_msg("seq %lu after %lu: %.*s", (unsigned long)seq, (unsigned long)sidecar->last_seq, (int)line.len,
                 line.ptr);
    }
    sidecar->gaps += seq - sidecar->last_seq - 1;
    sidecar->last_seq = seq;
    if (event.type == OXP_EVENT_ORCHESTRATOR_STARTED) {
        see_started(sidecar, &event);
    }
    sidecar->stopping |= event.type == OXP_EVENT_ORCHESTRATOR_STOPPING;
    see_session(sidecar, &event);
    if (sidecar->count < 1024 && !sidecar->light) {
        sidecar->kept[sidecar->count] = strndup(line.ptr, line.len);
    }
    sidecar->count++;
}

static void see_too_large(void *ctx, unsigned long number) {
    (void)ctx;
    fail_msg("line %lu is too large", number);
}

/* Reads once; false at the end of the connection. */
bool sidecar_hear(struct sidecar *sidecar) {
    char bytes[1 << 16];
    const struct oxp_lines_sink sink = {sidecar, see_line, see_too_large};
    sidecar_wait_for_bytes(sidecar->fd);
    ssize_t n = read(sidecar->fd, bytes, sizeof bytes);
    assert_true(n >= 0 || errno == ECONNRESET);
    if (n > 0) {
        oxp_lines_feed(&sidecar->lines, oxp_view_of(bytes, (size_t)n), &sink);
    }
    return n > 0;
}

void sidecar_hear_lines(struct sidecar *sidecar, size_t count) {
    while (sidecar->count < count) {
        assert_true(sidecar_hear(sidecar));
    }
}

void sidecar_hear_to_the_end(struct sidecar *sidecar) {
    while (sidecar_hear(sidecar)) {
    }
    sidecar_hang_up(sidecar);
}

/* The rest is heard on a thread, as the client waits for it when it stops. */
void *sidecar_hear_on(void *ctx) {
    sidecar_hear_to_the_end(ctx);
    return NULL;
}
