#include "exporter/app/manager.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* sd_notify(3), "NOTIFY_SOCKET": a path, or @NAME for a socket that begins with a NUL and ends without one. Others
 * (vsock:…) are those of virtual machines' managers. */
static enum oxp_status read_address(const char *text, struct sockaddr_un *address_out, socklen_t *len_out) {
    size_t len = strlen(text);
    *address_out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if ((text[0] != '/' && text[0] != '@') || len < 2) {
        return OXP_ERR_UNSUPPORTED;
    }
    if (len >= sizeof address_out->sun_path) {
        return OXP_ERR_LIMIT;
    }
    memcpy(address_out->sun_path, text, len);
    *len_out = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (text[0] == '@') {
        address_out->sun_path[0] = '\0';
    } else {
        ++*len_out; /* a path counts its NUL, a name must not */
    }
    return OXP_OK;
}

enum oxp_status oxp_manager_send(const char *address, struct oxp_view message) {
    struct sockaddr_un peer;
    socklen_t len = 0;
    enum oxp_status status = read_address(address, &peer, &len);
    if (status != OXP_OK) {
        return status;
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return oxp_status_from_errno(errno);
    }
    if (sendto(fd, message.ptr, message.len, MSG_NOSIGNAL, (const struct sockaddr *)&peer, len) < 0) {
        status =
            errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? OXP_ERR_FULL : oxp_status_from_errno(errno);
    }
    close(fd);
    return status;
}

/* The latest message makes an owed one pointless, and takes its place. */
static void tell(struct oxp_manager *manager, const char *message) {
    enum oxp_status status = oxp_manager_send(manager->address, oxp_view_from(message));
    if (status == OXP_ERR_FULL) {
        if (message != manager->owed) {
            snprintf(manager->owed, sizeof manager->owed, "%s", message);
        }
        return;
    }
    manager->owed[0] = '\0';
    if (status != OXP_OK) {
        oxp_log_warning(manager->log, "the service manager cannot be told", OXP_LOG_TEXT("address", manager->address),
                        OXP_LOG_TEXT("error", oxp_status_text(status)));
    }
}

static bool is_asked(const struct oxp_manager *manager) {
    return manager->address != NULL && manager->address[0] != '\0';
}

void oxp_manager_ready(struct oxp_manager *manager, const char *status) {
    char message[OXP_MANAGER_MESSAGE_MAX];
    if (!is_asked(manager)) {
        return;
    }
    snprintf(message, sizeof message, "READY=1\nSTATUS=%s", status);
    tell(manager, message);
}

void oxp_manager_reloading(struct oxp_manager *manager, struct oxp_mono now) {
    char message[OXP_MANAGER_MESSAGE_MAX];
    if (!is_asked(manager)) {
        return;
    }
    snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, now.ns / 1000);
    tell(manager, message);
}

void oxp_manager_stopping(struct oxp_manager *manager) {
    if (is_asked(manager)) {
        tell(manager, "STOPPING=1");
    }
}

void oxp_manager_tick(struct oxp_manager *manager) {
    if (manager->owed[0] != '\0') {
        tell(manager, manager->owed);
    }
}
