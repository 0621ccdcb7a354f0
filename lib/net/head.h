/* The header lines of an answer, as oxp_http_response.headers holds them, inside this folder: fed with every line that
 * comes, it keeps those of the last head. Pure; owned by one thread. */
#ifndef OXP_NET_HEAD_H
#define OXP_NET_HEAD_H

#include "lib/base/buf.h"

#define OXP_HEAD_MAX 16384 /* bytes of oxp_http_response.headers */

struct oxp_head {
    struct oxp_buf lines; /* "name: value\n" … */
    bool open;            /* within a head: behind a status line, before the empty line */
    bool full;            /* a line did not fit: it and all after it are left out */
};

void oxp_head_init(struct oxp_head *head);
void oxp_head_fini(struct oxp_head *head);
/* Takes one line with or without its line end. A status line begins anew (so that a 1xx answer's head is forgotten);
 * an empty line ends the head, and what comes after it (trailers) is passed by. Lines that are no header are too; a
 * folded line (RFC 9112 section 5.2) goes on with the one before. Memory that fails leaves OXP_ERR_NOMEM in
 * lines.status. */
void oxp_head_take(struct oxp_head *head, struct oxp_view line);

#endif
