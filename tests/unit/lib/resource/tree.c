#include "tests/unit/lib/resource/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void tree_make(struct tree *tree) {
    snprintf(tree->root, sizeof tree->root, "/tmp/oxp-tree-XXXXXX");
    assert_non_null(mkdtemp(tree->root));
    snprintf(tree->proc, sizeof tree->proc, "%s/proc", tree->root);
    snprintf(tree->cgroup, sizeof tree->cgroup, "%s/cgroup", tree->root);
    mkdir(tree->proc, 0755);
    mkdir(tree->cgroup, 0755);
}

static int drop_one(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void drop(const char *path) {
    nftw(path, drop_one, 16, FTW_DEPTH | FTW_PHYS);
}

void tree_remove(struct tree *tree) {
    drop(tree->root);
}

void tree_drop(const struct tree *tree, const char *path) {
    char full[512];
    snprintf(full, sizeof full, "%s/%s", tree->root, path);
    drop(full);
}

void tree_put(const struct tree *tree, const char *path, const char *text) {
    char full[512];
    snprintf(full, sizeof full, "%s/%s", tree->root, path);
    for (char *slash = full + strlen(tree->root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
    FILE *file = fopen(full, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

void tree_process(const struct tree *tree, const struct tree_process *process) {
    char path[64], text[512];
    snprintf(path, sizeof path, "proc/%lld/stat", (long long)process->pid);
    snprintf(
        text, sizeof text,
        "%lld (a) b) c) %c %lld 1 1 0 -1 4194304 101 0 0 0 %u %u %u %u 20 0 %u 0 %u 3133440 %u 18446744073709551615 "
        "1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
        (long long)process->pid, process->state == 0 ? 'S' : process->state, (long long)process->parent, process->user,
        process->system, process->waited_user, process->waited_system, process->threads, process->start,
        process->pages);
    tree_put(tree, path, text);
    snprintf(path, sizeof path, "proc/%lld/status", (long long)process->pid);
    snprintf(text, sizeof text, "Name:\tx\nPid:\t%lld\nNSpid:\t%lld\n", (long long)process->pid,
             (long long)process->pid);
    tree_put(tree, path, text);
}
