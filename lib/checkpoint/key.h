/* Task ids as parts of store keys, and the keys of snapshots: `<part>.<sequence>.json`, or `.corrupt`. Pure. */
#ifndef OXP_CHECKPOINT_KEY_H
#define OXP_CHECKPOINT_KEY_H

#include <oxpecker/store.h>
#include <oxpecker/view.h>
#include <stdint.h>

#define OXP_PART_MAX 152                     /* bytes of a part */
#define OXP_KEY_SIZE (OXP_STORE_KEY_MAX + 1) /* with a NUL */

struct oxp_key {
    struct oxp_view part; /* in the key that was read */
    uint64_t seq;
    bool corrupt; /* set aside */
};

/* True when `task` can be the id of a task: checkpoint.h has the rule. */
bool oxp_task_is_valid(struct oxp_view task);
/* The part for a valid task id, NUL-terminated. Letters, digits, '-', '_' and '.' stand for themselves, any other byte
 * (and a leading dot, and a '_' before an 'x') is `_xHH`. A result that is too long ends in `_h` and a hash instead:
 * two tasks may then share a part, so readers look at the task inside. */
void oxp_part_of_task(struct oxp_view task, char out[OXP_PART_MAX + 1]);
/* The task id of a part, as far as it can be read back; the bytes written, at most `size`. */
size_t oxp_task_of_part(struct oxp_view part, char *out, size_t size);
void oxp_key_write(char out[OXP_KEY_SIZE], struct oxp_view part, uint64_t seq, bool corrupt);
/* False for a key that is not a snapshot's. */
bool oxp_key_read(const char *key, struct oxp_key *key_out);

#endif
