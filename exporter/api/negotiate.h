/* Content negotiation (RFC 9110 sections 12.4.2, 12.5.1, 12.5.3): pure functions over header values. */
#ifndef OXP_API_NEGOTIATE_H
#define OXP_API_NEGOTIATE_H

#include <oxpecker/exposition.h>

/* The format that an Accept header (NULL = absent) likes best, by q-value and then by the header's order; text when
 * nothing in it is ours. "*" and "text/" ranges mean text. `escaping_out` gets the negotiated escaping parameter to
 * repeat in the Content-Type ("allow-utf-8", "underscores", …) as static text, or NULL. */
enum oxp_format oxp_negotiate_format(const char *accept, const char **escaping_out);
/* True when an Accept-Encoding header allows gzip (q > 0), by name or by "*". */
bool oxp_negotiate_gzip(const char *accept_encoding);

#endif
