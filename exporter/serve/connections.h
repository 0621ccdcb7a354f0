/* The list of connections, as the acceptor sees it. */
#ifndef OXP_SERVE_CONNECTIONS_H
#define OXP_SERVE_CONNECTIONS_H

#include "exporter/serve/internal.h"

#define OXP_SERVE_RESERVE 64 /* connections past the limit whose end is on its way */

/* Notes a connection that is about to be handed over, or that could not be. */
void oxp_connections_hand(struct oxp_server *server, int fd);
void oxp_connections_unhand(struct oxp_server *server, int fd);
/* Cuts what is past its deadline. Milliseconds until it should be called again, -1 = when there is a connection. */
int64_t oxp_connections_sweep(struct oxp_server *server);
/* Cuts the one that has the least claim to stay; false when there is none. */
bool oxp_connections_cut_one(struct oxp_server *server);
/* Makes room for one more; false when that takes a moment. */
bool oxp_connections_room(struct oxp_server *server);
/* Reads and throws away what peers still send on lingering sockets, and closes those that are done (or all).
 * Milliseconds until it should be called again, -1 = when there is one. */
int64_t oxp_connections_drop_rests(struct oxp_server *server, bool all);

#endif
