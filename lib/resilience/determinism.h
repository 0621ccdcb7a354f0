/* Determinism: a failure that comes back word for word on every try will not heal by itself (domain catalogue, section
 * 3, the second override).
 *
 * A retry loop keeps one `struct oxp_tries` for each operation, adds every failed try, and asks when its tries are used
 * up. If all of them (two or more) failed with the same code and the same message, numbers and names apart, a transient
 * code becomes recoverable, with action debug and policy none. Codes whose cure is to wait (limits, breakers, models,
 * release) say the same every time and stay what they are.
 *
 *     struct oxp_tries tries = {0};
 *     ...after each failure:  oxp_tries_add(&tries, code, message);
 *     ...when giving up:      code = oxp_classify_tries(&tries);
 *
 * Plain data, pure functions, no allocation; any thread, one struct by one thread at a time. */
#ifndef OXP_RESILIENCE_DETERMINISM_H
#define OXP_RESILIENCE_DETERMINISM_H

#include <oxpecker/errors.h>
#include <stdint.h>

struct oxp_tries {               /* all zero = no try yet */
    const struct oxp_code *code; /* of the last try */
    uint64_t fingerprint;        /* of the last try's message */
    unsigned count;              /* failed tries */
    bool differ;                 /* some two of them had another code or message */
};

/* Takes one failed try. `code` is the classifier's, not NULL; `message` is only read. */
void oxp_tries_add(struct oxp_tries *tries, const struct oxp_code *code, struct oxp_view message);
/* True when there were two or more tries and all failed the same way. */
bool oxp_tries_same(const struct oxp_tries *tries);
/* The code of the operation: the last try's, or what stands for it when all were the same. NULL before the first. */
const struct oxp_code *oxp_classify_tries(const struct oxp_tries *tries);

/* The row that stands for `code` when every try failed the same way: the same name, category and severity; class
 * recoverable, action debug, policy none. `code` itself when it is not a transient of this kind; NULL for NULL. */
const struct oxp_code *oxp_code_determined(const struct oxp_code *code);

/* 64-bit FNV-1a (IETF draft-eastlake-fnv) of the message in lower case, in which every word with a digit and every
 * quoted part count as one sign, and runs of blanks as one blank: ids, addresses and times do not tell messages apart.
 * The same on every machine and in every version. */
uint64_t oxp_message_fingerprint(struct oxp_view message);

#endif
