/* Made /proc and cgroup trees below a temporary folder. */
#ifndef OXP_TESTS_RESOURCE_TREE_H
#define OXP_TESTS_RESOURCE_TREE_H

#include <stdint.h>

struct tree {
    char root[64];   /* the temporary folder */
    char proc[80];   /* root/proc */
    char cgroup[80]; /* root/cgroup */
};

void tree_make(struct tree *tree);
void tree_remove(struct tree *tree);
/* Writes a file, and the folders above it, at root/`path`. */
void tree_put(const struct tree *tree, const char *path, const char *text);
void tree_drop(const struct tree *tree, const char *path); /* a file or a whole folder; may be missing */

struct tree_process {
    int64_t pid, parent;
    char state;                                                               /* 0 = 'S' */
    unsigned user, system, waited_user, waited_system, threads, start, pages; /* ticks, pages */
};
/* proc/PID/stat and status. */
void tree_process(const struct tree *tree, const struct tree_process *process);

#endif
