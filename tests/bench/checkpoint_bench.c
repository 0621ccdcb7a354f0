/* Checkpoints against the goals: how long a save holds its caller, and how long until it is durable, beside writing,
 * syncing and renaming the same bytes by hand in the same folder. Prints `name value unit limit_name limit_value`. */
#include <fcntl.h>
#include <oxpecker/checkpoint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum { SAVES = 2000, WRITES = 200 };

static char directory[] = "/tmp/oxp-bench-checkpoint-XXXXXX";
static double times[SAVES];

static double now_us(void) {
    return (double)oxp_clock_mono(oxp_clock_system()).ns / 1e3;
}

static void fail(const char *what) {
    fprintf(stderr, "%s failed\n", what);
    exit(1);
}

static int by_value(const void *a, const void *b) {
    const double *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

static double at_share(size_t count, double share) {
    return times[(size_t)((double)(count - 1) * share)];
}

static struct oxp_checkpoint snapshot(const char *context, size_t len) {
    return (struct oxp_checkpoint){.task = OXP_VIEW("bench"),
                                   .workflow = OXP_VIEW("bench"),
                                   .state = OXP_VIEW("step"),
                                   .context = oxp_view_of(context, len)};
}

static struct oxp_checkpoints *open_manager(struct oxp_store *store) {
    struct oxp_checkpoints *checkpoints = NULL;
    struct oxp_checkpoints_options options = {.store = store};
    if (oxp_checkpoints_new(&options, &checkpoints) != OXP_OK) {
        fail("manager");
    }
    return checkpoints;
}

/* The writer works at the same time; every tenth save finds an empty queue. */
static void hold(struct oxp_store *store, const char *name, const char *context, size_t len) {
    struct oxp_checkpoints *checkpoints = open_manager(store);
    struct oxp_checkpoint checkpoint = snapshot(context, len);
    for (size_t i = 0; i < SAVES; i++) {
        double began = now_us();
        if (oxp_checkpoint_save(checkpoints, &checkpoint) != OXP_OK) {
            fail("save");
        }
        times[i] = now_us() - began;
        if (i % 10 == 0) {
            oxp_checkpoints_flush(checkpoints, 10000);
        }
    }
    oxp_checkpoints_free(checkpoints);
    qsort(times, SAVES, sizeof times[0], by_value);
    printf("checkpoint_hold_%s_p50 %.1f us goal_us 5000\n", name, at_share(SAVES, 0.5));
    printf("checkpoint_hold_%s_p99 %.1f us goal_us 5000\n", name, at_share(SAVES, 0.99));
    printf("checkpoint_hold_%s_max %.1f us goal_us 5000\n", name, at_share(SAVES, 1));
}

static double by_hand(const char *bytes, size_t len) {
    char temp[64], path[64];
    snprintf(temp, sizeof temp, "%s/by-hand.tmp", directory);
    snprintf(path, sizeof path, "%s/by-hand", directory);
    int folder = open(directory, O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < WRITES; i++) {
        double began = now_us();
        int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || fsync(fd) != 0 || rename(temp, path) != 0 ||
            fsync(folder) != 0) {
            fail("write");
        }
        close(fd);
        times[i] = now_us() - began;
    }
    close(folder);
    unlink(path);
    qsort(times, WRITES, sizeof times[0], by_value);
    return at_share(WRITES, 0.5);
}

static void durable(struct oxp_store *store, const char *name, const char *context, size_t len) {
    struct oxp_checkpoints *checkpoints = open_manager(store);
    struct oxp_checkpoint checkpoint = snapshot(context, len);
    char *text = NULL;
    size_t text_len = 0;
    double began = now_us();
    if (oxp_checkpoint_encode(&checkpoint, NULL, &text, &text_len, NULL) != OXP_OK) {
        fail("encode");
    }
    double encode = now_us() - began;
    double limit = by_hand(text, text_len);
    for (size_t i = 0; i < WRITES; i++) {
        began = now_us();
        if (oxp_checkpoint_save_now(checkpoints, &checkpoint, NULL) != OXP_OK) {
            fail("save");
        }
        times[i] = now_us() - began;
    }
    qsort(times, WRITES, sizeof times[0], by_value);
    printf("checkpoint_durable_%s_p50 %.1f us write_fsync_rename_us %.1f\n", name, at_share(WRITES, 0.5), limit);
    printf("checkpoint_encode_%s %.1f us bytes %zu\n", name, encode, text_len);
    free(text);
    oxp_checkpoint_done_now(checkpoints, OXP_VIEW("bench"), NULL);
    oxp_checkpoints_free(checkpoints);
}

/* JSON as an agent's memory has it: short texts and numbers. */
static char *make_context(size_t want, size_t *len_out) {
    char *text = malloc(want + 128);
    if (text == NULL) {
        fail("memory");
    }
    size_t len = (size_t)snprintf(text, 32, "{\"history\": [");
    for (unsigned i = 0; len < want; i++) {
        len += (size_t)snprintf(text + len, 100, "%s{\"step\": %u, \"action\": \"click the button\", \"took\": %u.5}",
                                i == 0 ? "" : ", ", i, i % 10);
    }
    memcpy(text + len, "]}", 2);
    *len_out = len + 2;
    return text;
}

int main(void) {
    struct oxp_store *store = NULL;
    if (mkdtemp(directory) == NULL || oxp_store_files_new(directory, NULL, &store, NULL) != OXP_OK) {
        fail("folder");
    }
    static const struct {
        const char *name;
        size_t bytes;
    } sizes[] = {{"1KiB", 1024}, {"64KiB", 65536}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t len = 0;
        char *context = make_context(sizes[i].bytes, &len);
        hold(store, sizes[i].name, context, len);
        durable(store, sizes[i].name, context, len);
        free(context);
    }
    oxp_store_free(store);
    return rmdir(directory);
}
