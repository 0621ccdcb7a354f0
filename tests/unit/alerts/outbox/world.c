#include "tests/unit/alerts/outbox/world.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void on_drop(void *ctx, const struct oxp_outbox_message *message, enum oxp_outbox_drop drop) {
    struct world *world = ctx;
    world->drops[drop]++;
    size_t len = strlen(world->dropped);
    snprintf(world->dropped + len, sizeof world->dropped - len, "%.*s ", (int)message->summary.len,
             message->summary.ptr);
}

static void on_damage(void *ctx, const struct oxp_outbox_message *message) {
    struct world *world = ctx;
    world->damages++;
    world->damaged_id = message->id;
}

void world_make(struct world *world, bool in_memory) {
    *world = (struct world){0};
    oxp_arena_init(&world->arena, 0);
    if (!in_memory) {
        /* memory, where there is some: whether what is synced stays is the kernel's affair, and syncing is slow */
        snprintf(world->directory, sizeof world->directory, "%s/oxp-outbox-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        assert_non_null(mkdtemp(world->directory));
        world->options.directory = world->directory;
    }
    world->options.on_drop = on_drop;
    world->options.on_damage = on_damage;
    world->options.ctx = world;
}

void world_open(struct world *world) {
    struct oxp_error error = {0};
    if (oxp_outbox_open(&world->options, NOW, &world->outbox, &world->opened, &error) != OXP_OK) {
        fail_msg("open: %s", error.text);
    }
}

bool world_in_memory;

int world_setup(void **state) {
    struct world *world = malloc(sizeof(struct world));
    world_make(world, world_in_memory);
    world_open(world);
    *state = world;
    return 0;
}

int world_teardown(void **state) {
    world_end(*state);
    free(*state);
    return 0;
}

void world_again(struct world *world) {
    oxp_outbox_close(world->outbox);
    world->outbox = NULL;
    world_open(world);
}

void world_path(const struct world *world, const char *name, char out[128]) {
    snprintf(out, 128, "%s/%s", world->directory, name);
}

void world_end(struct world *world) {
    oxp_outbox_close(world->outbox);
    oxp_arena_fini(&world->arena);
    if (world->directory[0] == '\0') {
        return;
    }
    DIR *directory = opendir(world->directory);
    assert_non_null(directory);
    for (struct dirent *entry = NULL; (entry = readdir(directory)) != NULL;) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", world->directory, entry->d_name);
        if (entry->d_name[0] != '.') {
            unlink(path);
        }
    }
    closedir(directory);
    rmdir(world->directory);
}

static struct oxp_view word(const char **rest) {
    size_t len = strcspn(*rest, " ");
    struct oxp_view view = oxp_view_of(*rest, len);
    *rest += len + ((*rest)[len] == ' ' ? 1 : 0);
    return view;
}

static enum oxp_outbox_priority priority_of(struct oxp_view name) {
    for (int i = 0; i < OXP_OUTBOX_PRIORITIES; i++) {
        if (oxp_view_is(name, oxp_outbox_priority_name((enum oxp_outbox_priority)i))) {
            return (enum oxp_outbox_priority)i;
        }
    }
    fail_msg("no priority: %.*s", (int)name.len, name.ptr);
    return OXP_OUTBOX_INFO;
}

enum oxp_status world_put(struct world *world, const char *line, int64_t now_ms) {
    struct oxp_outbox_message message = {.integration = OXP_VIEW("webhook"), .priority = priority_of(word(&line))};
    message.receiver = word(&line);
    message.group = word(&line);
    if (oxp_view_is(message.group, "-")) {
        message.group.len = 0;
    }
    message.summary = message.content = oxp_view_from(line);
    struct oxp_outbox_write write = {.messages = &message, .message_count = 1, .ids_out = &world->last_id};
    return oxp_outbox_put(world->outbox, &write, now_ms, NULL);
}

void world_put_bytes(struct world *world, enum oxp_outbox_priority priority, const char *summary, size_t bytes) {
    char *content = malloc(bytes);
    assert_non_null(content);
    memset(content, 'x', bytes);
    struct oxp_outbox_message message = {.receiver = OXP_VIEW("q"),
                                         .integration = OXP_VIEW("webhook"),
                                         .priority = priority,
                                         .summary = oxp_view_from(summary),
                                         .content = oxp_view_of(content, bytes)};
    struct oxp_outbox_write write = {.messages = &message, .message_count = 1, .ids_out = &world->last_id};
    struct oxp_error error = {0};
    if (oxp_outbox_put(world->outbox, &write, NOW, &error) != OXP_OK) {
        fail_msg("put: %s", error.text);
    }
    free(content);
}

static const char *claimed(struct world *world, enum oxp_status status, const struct oxp_outbox_message *message) {
    if (status == OXP_END) {
        return "";
    }
    assert_int_equal(status, OXP_OK);
    world->claimed_id = message->id;
    return message->summary.ptr;
}

const char *world_claim(struct world *world, int64_t now_ms) {
    struct oxp_outbox_message message = {0};
    int64_t next_ms = 0;
    enum oxp_status status = oxp_outbox_claim(world->outbox, OXP_VIEW("q"), now_ms, &world->arena, &message, &next_ms);
    return claimed(world, status, &message);
}

static const char *claim_least_tried(struct world *world, bool by_age) {
    struct oxp_outbox_message message = {0};
    int64_t next_ms = 0;
    enum oxp_status status =
        oxp_outbox_claim_least_tried(world->outbox, OXP_VIEW("q"), by_age, NOW, &world->arena, &message, &next_ms);
    return claimed(world, status, &message);
}

const char *world_states(struct world *world) {
    struct oxp_outbox_message *messages = NULL;
    size_t count = 0;
    struct oxp_outbox_filter all = {.limit = 1000};
    assert_int_equal(oxp_outbox_list(world->outbox, &all, &world->arena, &messages, &count), OXP_OK);
    size_t size = count * 64 + 1, len = 0;
    char *text = oxp_arena_zero(&world->arena, size, 1);
    assert_non_null(text);
    while (count-- > 0) {
        len += (size_t)snprintf(text + len, size - len, "%s:%.*s ", oxp_outbox_state_name(messages[count].state),
                                (int)messages[count].summary.len, messages[count].summary.ptr);
    }
    return text;
}

struct oxp_outbox_stats world_stats(struct world *world) {
    struct oxp_outbox_stats stats;
    assert_int_equal(oxp_outbox_stats(world->outbox, &world->arena, &stats), OXP_OK);
    return stats;
}

struct oxp_outbox_message world_show(struct world *world, int64_t id) {
    struct oxp_outbox_message message = {0};
    assert_int_equal(oxp_outbox_show(world->outbox, id, &world->arena, &message), OXP_OK);
    return message;
}

void world_run(struct world *world, const char *name, const char *const *script) {
    for (; *script != NULL; script++) {
        const char *argument = *script + 1;
        const char *got = NULL;
        enum oxp_status status = OXP_OK;
        switch (**script) {
        case '+':
            status = world_put(world, argument, NOW);
            break;
        case '?':
            got = world_claim(world, NOW);
            break;
        case '<':
        case '^':
            got = claim_least_tried(world, **script == '^');
            break;
        case '!':
            status = oxp_outbox_sent(world->outbox, world->claimed_id, OXP_VIEW("200"), NOW);
            break;
        case '~':
            status = oxp_outbox_again(world->outbox, world->claimed_id, NOW, OXP_VIEW("503"), NOW);
            break;
        case 'x':
            status = oxp_outbox_set_aside(world->outbox, world->claimed_id, OXP_VIEW("400 no"), NOW);
            break;
        default:
            got = world_states(world);
            break;
        }
        if (status != OXP_OK || (got != NULL && strcmp(got, argument) != 0)) {
            fail_msg("%s: %s: got \"%s\", status %s", name, *script, got == NULL ? "" : got, oxp_status_name(status));
        }
    }
}
