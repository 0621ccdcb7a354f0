/* Writes as fast as it can until it is killed (tests/integration/test_checkpoint.py does that), and says on standard
 * output what it does: "found N" (what the last one left), then for each N "begin N" and "wrote N".
 *
 *     checkpoint_writer manager FOLDER BYTES    snapshots of task "t" by the manager, in turn awaited and in background
 *     checkpoint_writer store FOLDER BYTES      the value of one key of the file store, over and over
 *
 * Ends with 1 and a reason on standard error when what it finds is not whole. */
#include <oxpecker/checkpoint.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/number.h"

static void say(const char *word, unsigned long number) {
    char line[64];
    int len = snprintf(line, sizeof line, "%s %lu\n", word, number);
    if (write(STDOUT_FILENO, line, (size_t)len) != len) {
        _exit(2);
    }
}

static void give_up(const char *what, const char *why) {
    fprintf(stderr, "checkpoint_writer: %s: %s\n", what, why);
    exit(1);
}

/* {"n": N, "filler": "NNN…", "end": N}: a mixture of two of them shows. */
static void make_value(struct oxp_buf *out, unsigned long number, size_t bytes) {
    oxp_buf_clear(out);
    oxp_buf_append_format(out, "{\"n\": %lu, \"filler\": \"", number);
    while (out->len < bytes) {
        oxp_buf_append_format(out, "%lu ", number);
    }
    oxp_buf_append_format(out, "\", \"end\": %lu}", number);
}

/* The number of a value that make_value made; anything else is torn. */
static unsigned long number_of(struct oxp_view value, size_t bytes) {
    struct oxp_buf again;
    uint64_t number = 0;
    size_t digits = 6;
    while (digits < value.len && value.ptr[digits] >= '0' && value.ptr[digits] <= '9') {
        digits++;
    }
    if (value.len < 8 || oxp_number_parse_u64(oxp_view_of(value.ptr + 6, digits - 6), &number) != OXP_OK) {
        give_up("torn", "no number");
    }
    oxp_buf_init(&again, 0);
    make_value(&again, (unsigned long)number, bytes);
    if (!oxp_view_equal(oxp_buf_view(&again), value)) {
        give_up("torn", "a mixture");
    }
    oxp_buf_fini(&again);
    return (unsigned long)number;
}

static void run_store(struct oxp_store *store, size_t bytes) {
    struct oxp_error error = {0};
    char *value = NULL;
    size_t len = 0;
    unsigned long number = 0;
    enum oxp_status status = store->get(store, "value", 1 << 30, &value, &len, &error);
    if (status == OXP_OK) {
        number = number_of(oxp_view_of(value, len), bytes);
        free(value);
    } else if (status != OXP_ERR_NOT_FOUND) {
        give_up("get", error.text);
    }
    say("found", number);
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    for (number++;; number++) {
        make_value(&text, number, bytes);
        say("begin", number);
        if (store->put(store, "value", oxp_buf_view(&text), &error) != OXP_OK) {
            give_up("put", error.text);
        }
        say("wrote", number);
    }
}

static unsigned long find(struct oxp_checkpoints *checkpoints, size_t bytes) {
    struct oxp_error error = {0};
    struct oxp_checkpoint *found = NULL;
    unsigned long number = 0;
    enum oxp_status status = oxp_checkpoint_load(checkpoints, OXP_VIEW("t"), &found, &error);
    if (status == OXP_OK) {
        number = number_of(found->context, bytes);
        oxp_checkpoint_free(found);
    } else if (status != OXP_ERR_NOT_FOUND) {
        give_up("load", error.text);
    }
    struct oxp_checkpoint_counts counts;
    if (oxp_checkpoints_verify(checkpoints, OXP_VIEW(""), &counts, &error) != OXP_OK) {
        give_up("verify", error.text);
    }
    return number;
}

static void run_manager(struct oxp_store *store, size_t bytes) {
    struct oxp_checkpoints *checkpoints = NULL;
    struct oxp_checkpoints_options options = {.store = store};
    if (oxp_checkpoints_new(&options, &checkpoints) != OXP_OK) {
        give_up("manager", "no memory");
    }
    unsigned long number = find(checkpoints, bytes);
    say("found", number);
    struct oxp_buf text;
    oxp_buf_init(&text, 0);
    for (number++;; number++) {
        make_value(&text, number, bytes);
        struct oxp_checkpoint checkpoint = {.task = OXP_VIEW("t"), .context = oxp_buf_view(&text)};
        struct oxp_error error = {0};
        say("begin", number);
        if (number % 2 == 0) {
            if (oxp_checkpoint_save_now(checkpoints, &checkpoint, &error) != OXP_OK) {
                give_up("save", error.text);
            }
        } else if (oxp_checkpoint_save(checkpoints, &checkpoint) != OXP_OK ||
                   oxp_checkpoints_flush(checkpoints, 60000) != OXP_OK) {
            give_up("save", "in background");
        }
        struct oxp_checkpoints_stats stats;
        oxp_checkpoints_stats(checkpoints, &stats);
        if (stats.failed != 0) {
            give_up("save", "failed");
        }
        say("wrote", number);
    }
}

int main(int argc, char **argv) {
    struct oxp_store *store = NULL;
    struct oxp_error error = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: checkpoint_writer manager|store FOLDER BYTES\n");
        return 2;
    }
    if (oxp_store_files_new(argv[2], NULL, &store, &error) != OXP_OK) {
        give_up("store", error.text);
    }
    size_t bytes = strtoul(argv[3], NULL, 10);
    if (strcmp(argv[1], "store") == 0) {
        run_store(store, bytes);
    } else {
        run_manager(store, bytes);
    }
}
