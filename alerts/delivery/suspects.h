/* Which messages of a queue fail while others get through, inside this folder: rule 8 of courier.h. A small memory of
 * the last failures, of fixed size and for one thread; all zero is an empty one. It is of this run: nothing is kept. */
#ifndef OXP_DELIVERY_SUSPECTS_H
#define OXP_DELIVERY_SUSPECTS_H

#include "alerts/outbox/outbox.h"

enum { OXP_SUSPECTS_MAX = 256 };

struct oxp_suspects {
    struct oxp_suspect {
        uint64_t key;       /* of the group, or of the message that stands alone */
        uint64_t delivered; /* by the queue when it failed last */
        uint64_t failed_at; /* in the order of all failures: the longest ago is forgotten when there is no room */
        unsigned own;       /* failures that were its own */
    } items[OXP_SUSPECTS_MAX];
    size_t count;
    uint64_t failures;
};

/* The message failed, when the queue had delivered so many. Gives its own failures: those before which, since it had
 * failed last, another was delivered. `*is_own_out` says whether this was one. A newer state of a group goes on with
 * the group's. */
unsigned oxp_suspects_add(struct oxp_suspects *suspects, const struct oxp_outbox_message *message, uint64_t delivered,
                          bool *is_own_out);
/* It was delivered, or set aside. */
void oxp_suspects_forget(struct oxp_suspects *suspects, const struct oxp_outbox_message *message);

#endif
