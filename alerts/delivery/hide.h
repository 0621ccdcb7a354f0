/* An answer without what its request kept secret: many servers repeat in an error the path or the credentials that they
 * were asked with, and the path of a webhook often is its secret. Inside this folder. */
#ifndef OXP_DELIVERY_HIDE_H
#define OXP_DELIVERY_HIDE_H

#include "lib/base/arena.h"
#include "lib/base/http.h"

/* The answer with every repetition of these replaced by "[redacted]": the URL's userinfo, path, longer segments of it
 * (also percent-decoded), query and its values; the values of all headers but the harmless ones, and what stands behind
 * their first word ("Basic …"). What is shorter than 6 bytes (a segment: 8) is no secret. A repetition that the end of
 * the answer cuts off is one, too. In the arena; empty when there is no memory. */
struct oxp_view oxp_hide_request(struct oxp_arena *arena, struct oxp_view answer,
                                 const struct oxp_http_request *request);

#endif
