/* The disk under SQLite, failing when told to: the n-th call that reads, writes, cuts, syncs, opens or maps. One for
 * the process; not for several threads. */
#ifndef OXP_TEST_OUTBOX_FAILING_VFS_H
#define OXP_TEST_OUTBOX_FAILING_VFS_H

#include <stdbool.h>
#include <stddef.h>

struct failing_vfs {
    size_t at;        /* calls until the failure, from 1; 0 = none */
    bool stays;       /* all calls after it fail too, until `at` is set to 0 */
    bool is_full;     /* writes fail for want of space, all else works; otherwise everything fails with an I/O error */
    bool without_wal; /* a file system on which memory cannot be shared */
    bool hit;         /* it was reached */
};
extern struct failing_vfs failing_vfs;
extern size_t failing_vfs_syncs; /* calls so far */

/* Puts it in front of SQLite's own. Once. */
void failing_vfs_register(void);

#endif
