/* Secrets out of text, before it is kept or shown: API keys, bearer tokens, signing keys, AWS key ids, and the query
 * and user parts of connect URLs. The patterns stand as one table in scrub.c. Pure; any thread. */
#ifndef OXP_BASE_SCRUB_H
#define OXP_BASE_SCRUB_H

#include <oxpecker/view.h>

/* True when `text` may hold a secret: a quick scan with no false negatives against the table. */
bool oxp_scrub_suspects(struct oxp_view text);
/* Copies `text` to `out`, each secret replaced by "[redacted]", never writing more than `size` bytes (the rest is cut).
 * Returns the bytes written. `out` may not overlap `text`. */
size_t oxp_scrub(struct oxp_view text, char *out, size_t size);
/* True when what stands under this name is a secret whatever it looks like: "apiKey", "x-bb-api-key", "db_password".
 * For maps, where name and value are apart. */
bool oxp_scrub_is_secret_name(struct oxp_view name);

#endif
