/* The file side of the listener: the lock, the stale socket, the mode, the removal. Not for other folders. */
#ifndef OXP_LISTEN_BIND_H
#define OXP_LISTEN_BIND_H

#include <oxpecker/status.h>
#include <sys/stat.h>
#include <sys/un.h>

#define OXP_SOCKET_PATH_MAX (sizeof((struct sockaddr_un *)NULL)->sun_path)

struct oxp_bound {
    int fd;      /* listening, non-blocking; -1 = none */
    int lock_fd; /* -1 = none */
    char path[OXP_SOCKET_PATH_MAX];
    char lock_path[OXP_SOCKET_PATH_MAX + sizeof ".lock"];
    struct stat socket_file; /* as it was made: device and inode tell whether it is still ours */
};

/* Locks, binds, sets the mode, listens. On failure nothing is left behind, and `error` says what to do. The codes are
 * those of oxp_listener_new. */
enum oxp_status oxp_bound_open(struct oxp_bound *bound, const char *path, mode_t mode, struct oxp_error *error);
/* Removes the socket file when it is still ours. New clients find nothing; those that had connected can be accepted. */
void oxp_bound_remove_socket(struct oxp_bound *bound);
/* Removes the socket file, closes, and gives the lock back. May be called again. */
void oxp_bound_close(struct oxp_bound *bound);

#endif
