/* What a service manager is told, seen by a socket in its place: by path and by abstract name, and that nothing waits
 * for one that does not read. */
#include "exporter/app/manager.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH_LEN_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

static char folder[] = "/tmp/oxp_app_manager_XXXXXX";

struct place {
    char address[PATH_LEN_MAX + 1];
    int fd;
};

/* The manager's end: a datagram socket of this name, `len` bytes long when that is more. */
static void open_place(struct place *place, const char *name, size_t len) {
    struct sockaddr_un peer = {.sun_family = AF_UNIX};
    snprintf(place->address, sizeof place->address, "%s-%d", name, (int)getpid());
    for (size_t i = strlen(place->address); i < len; i++) {
        place->address[i] = 'x';
        place->address[i + 1] = '\0';
    }
    len = strlen(place->address);
    assert_true(len < sizeof peer.sun_path);
    memcpy(peer.sun_path, place->address, len);
    bool abstract = peer.sun_path[0] == '@';
    peer.sun_path[0] = abstract ? '\0' : peer.sun_path[0];
    place->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(place->fd >= 0);
    assert_int_equal(bind(place->fd, (const struct sockaddr *)&peer,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (abstract ? 0 : 1))),
                     0);
}

static void close_place(struct place *place) {
    close(place->fd);
    if (place->address[0] != '@') {
        unlink(place->address);
    }
}

/* The next message, or NULL when there is none. */
static const char *heard(const struct place *place) {
    static char text[1024];
    ssize_t len = recv(place->fd, text, sizeof text - 1, 0);
    if (len < 0) {
        assert_int_equal(errno, EAGAIN);
        return NULL;
    }
    text[len] = '\0';
    return text;
}

static void assert_hears(const struct place *place, const char *expected) {
    const char *text = heard(place);
    assert_non_null(text);
    assert_string_equal(text, expected);
}

static const char *in_folder(const char *name) {
    static char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void test_what_is_said(void **state) {
    (void)state;
    const struct {
        const char *row, *name; /* without a slash or an @, in the folder */
        size_t len;
    } rows[] = {
        {"a path", "notify", 0},
        {"the longest path", "longest", PATH_LEN_MAX},
        {"an abstract name", "@oxpecker/manager-test", 0},
        {"the longest abstract name", "@oxpecker", PATH_LEN_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct place place;
        print_message("%s\n", rows[i].row);
        open_place(&place, rows[i].name[0] == '@' ? rows[i].name : in_folder(rows[i].name), rows[i].len);
        struct oxp_manager manager = {.address = place.address};
        oxp_manager_ready(&manager, "");
        assert_hears(&place, "READY=1\nSTATUS=");
        oxp_manager_reloading(&manager, (struct oxp_mono){INT64_C(1234567891999)});
        assert_hears(&place, "RELOADING=1\nMONOTONIC_USEC=1234567891");
        oxp_manager_ready(&manager, "the last reload failed");
        assert_hears(&place, "READY=1\nSTATUS=the last reload failed");
        oxp_manager_stopping(&manager);
        assert_hears(&place, "STOPPING=1");
        oxp_manager_tick(&manager);
        assert_null(heard(&place));
        close_place(&place);
    }
}

static void test_nobody_asks(void **state) {
    (void)state;
    static const char *const addresses[] = {NULL, ""};
    for (size_t i = 0; i < 2; i++) {
        struct oxp_manager manager = {.address = addresses[i]};
        oxp_manager_ready(&manager, "");
        oxp_manager_reloading(&manager, (struct oxp_mono){1});
        oxp_manager_stopping(&manager);
        oxp_manager_tick(&manager);
        assert_int_equal(manager.owed[0], '\0');
    }
}

static void test_addresses_that_lead_nowhere(void **state) {
    (void)state;
    char too_long[PATH_LEN_MAX + 2];
    memset(too_long, 'x', sizeof too_long);
    too_long[0] = '/';
    too_long[sizeof too_long - 1] = '\0';
    const struct {
        const char *row, *address;
        enum oxp_status status;
    } rows[] = {
        {"a relative path", "run/systemd/notify", OXP_ERR_UNSUPPORTED},
        {"a virtual machine's", "vsock:2:9999", OXP_ERR_UNSUPPORTED},
        {"the root", "/", OXP_ERR_UNSUPPORTED},
        {"an abstract name of no length", "@", OXP_ERR_UNSUPPORTED},
        {"too long", too_long, OXP_ERR_LIMIT},
        {"nothing there", "/nonexistent/notify", OXP_ERR_NOT_FOUND},
        {"nobody there", "@oxpecker/nobody-has-this-name", OXP_ERR_CLOSED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum oxp_status status = oxp_manager_send(rows[i].address, OXP_VIEW("READY=1"));
        if (status != rows[i].status) {
            fail_msg("%s: %s", rows[i].row, oxp_status_name(status));
        }
        struct oxp_manager manager = {.address = rows[i].address};
        oxp_manager_ready(&manager, "");
        assert_int_equal(manager.owed[0], '\0'); /* said in the log, not tried for ever */
    }
}

/* A manager that does not read for a while: its queue fills (net.unix.max_dgram_qlen), nothing waits, and the latest
 * message, that alone, arrives when there is room. */
static void test_a_full_queue(void **state) {
    (void)state;
    struct place place;
    open_place(&place, in_folder("full"), 0);
    struct oxp_manager manager = {.address = place.address};
    enum oxp_status status = OXP_OK;
    int queued = 0;
    for (; status == OXP_OK && queued < 100000; queued++) {
        status = oxp_manager_send(place.address, OXP_VIEW("WATCHDOG=1"));
    }
    assert_int_equal(status, OXP_ERR_FULL);
    oxp_manager_reloading(&manager, (struct oxp_mono){5000});
    assert_string_equal(manager.owed, "RELOADING=1\nMONOTONIC_USEC=5");
    oxp_manager_ready(&manager, "");
    oxp_manager_tick(&manager);
    assert_string_equal(manager.owed, "READY=1\nSTATUS=");
    for (; queued > 1; queued--) {
        assert_hears(&place, "WATCHDOG=1");
    }
    oxp_manager_tick(&manager);
    assert_hears(&place, "READY=1\nSTATUS=");
    oxp_manager_tick(&manager);
    assert_null(heard(&place));

    /* what is said next makes the owed pointless */
    for (status = OXP_OK; status == OXP_OK;) {
        status = oxp_manager_send(place.address, OXP_VIEW("WATCHDOG=1"));
    }
    oxp_manager_ready(&manager, "");
    while (heard(&place) != NULL) {
    }
    oxp_manager_stopping(&manager);
    oxp_manager_tick(&manager);
    assert_hears(&place, "STOPPING=1");
    assert_null(heard(&place));
    close_place(&place);
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_said),
        cmocka_unit_test(test_nobody_asks),
        cmocka_unit_test(test_addresses_that_lead_nowhere),
        cmocka_unit_test(test_a_full_queue),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
