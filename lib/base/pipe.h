/* Writing to a pipe whose reader may be gone. A library must neither be ended by SIGPIPE nor change what the process
 * does about it. */
#ifndef OXP_BASE_PIPE_H
#define OXP_BASE_PIPE_H

#include <oxpecker/view.h>
#include <sys/types.h>

/* write(2), once: what it returns and sets. SIGPIPE is blocked in this thread meanwhile and, where this write raised
 * it, taken off it again; one that was pending before stays. Any thread. Waits as write does. */
ssize_t oxp_pipe_write(int fd, struct oxp_view bytes);

#endif
