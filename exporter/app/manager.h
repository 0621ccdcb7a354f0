/* Tells the service manager that started the sidecar how far it is: ready, reading its configuration again, stopping.
 *
 * The protocol is systemd's sd_notify(3): the environment's NOTIFY_SOCKET names a Unix datagram socket, by its path or,
 * after an @, in the abstract namespace; a message is lines of NAME=value. A unit of Type=notify is started when
 * READY=1 came, and who is ordered after it starts only then. Without the variable nothing happens. Nothing here waits:
 * what the manager's full queue has no room for is sent by a later call. */
#ifndef OXP_APP_MANAGER_H
#define OXP_APP_MANAGER_H

#include "lib/base/clock.h"
#include "lib/log/log.h"

#define OXP_MANAGER_MESSAGE_MAX 256

/* Owned by one thread. Zeroed: nobody is told. */
struct oxp_manager {
    const char *address;                /* what NOTIFY_SOCKET says, or NULL; must outlive this */
    struct oxp_log *log;                /* not owned; NULL for none. A message that cannot be sent is a warning */
    char owed[OXP_MANAGER_MESSAGE_MAX]; /* the latest message, while the queue is full; else empty */
};

/* Ready, for the first time or again after reloading. `status` is a sentence of ours, without a line's end, that every
 * user of the machine sees in `systemctl status`: nothing from the configuration. Empty for none. */
void oxp_manager_ready(struct oxp_manager *manager, const char *status);
/* The configuration is read again, from `now` (monotonic, CLOCK_MONOTONIC) on; oxp_manager_ready is to follow, whatever
 * comes of it. */
void oxp_manager_reloading(struct oxp_manager *manager, struct oxp_mono now);
void oxp_manager_stopping(struct oxp_manager *manager);
/* Now and then: sends what is owed. */
void oxp_manager_tick(struct oxp_manager *manager);

/* Sends one message to a socket named as above, or gives OXP_ERR_FULL when its queue is, OXP_ERR_UNSUPPORTED for a name
 * of another kind, OXP_ERR_LIMIT for one that is too long, or the status of oxp_status_from_errno. Never waits. Any
 * thread. */
enum oxp_status oxp_manager_send(const char *address, struct oxp_view message);

#endif
