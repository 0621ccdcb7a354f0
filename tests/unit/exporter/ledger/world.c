#include "tests/unit/exporter/ledger/world.h"

/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static double now_s(void *ctx) {
    const struct world *world = ctx;
    return oxp_wall_seconds(oxp_clock_wall(&world->clock.clock));
}

static void on_lost(void *ctx, uint64_t count) {
    ((struct world *)ctx)->lost += count;
}

static void on_clamped(void *ctx) {
    ((struct world *)ctx)->clamped++;
}

static void build(struct world *world) {
    struct oxp_registry_options registry = {.now_s = now_s, .ctx = world};
    assert_int_equal(oxp_registry_new(&registry, &world->registry), OXP_OK);
    assert_int_equal(oxp_ledger_new(&world->options, world->registry, &world->ledger), OXP_OK);
    if (world->directory[0] != '\0') {
        assert_int_equal(oxp_ledger_open(world->ledger, world->directory, &world->error), OXP_OK);
    }
}

void world_init(struct world *world, bool persistent) {
    memset(world, 0, sizeof *world);
    oxp_clock_manual_init(&world->clock, WORLD_BEGAN);
    world->options = (struct oxp_ledger_options){.clock = &world->clock.clock,
                                                 .liveness_s = 30,
                                                 .reconnect_grace_s = 5,
                                                 .idle_limit_s = 600,
                                                 .stall_limit_s = 300,
                                                 .on_lost = on_lost,
                                                 .on_clamped = on_clamped,
                                                 .ctx = world};
    if (persistent) {
        snprintf(world->directory, sizeof world->directory, "/tmp/oxp-ledger-test-XXXXXX");
        assert_non_null(mkdtemp(world->directory));
    }
    build(world);
}

static void remove_directory(const char *path) {
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char file[512];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        (void)unlink(file);
    }
    if (directory != NULL) {
        closedir(directory);
    }
    (void)rmdir(path);
}

void world_fini(struct world *world) {
    oxp_ledger_free(world->ledger);
    oxp_registry_free(world->registry);
    if (world->directory[0] != '\0') {
        remove_directory(world->directory);
    }
}

void world_crash(struct world *world) {
    oxp_ledger_free(world->ledger);
    oxp_registry_free(world->registry);
    build(world);
}

/* ---- Events ---- */

double world_time(const struct world *world, const char *text) {
    if (text[0] == '+') {
        return WORLD_BEGAN + strtod(text + 1, NULL);
    }
    if (strncmp(text, "now", 3) == 0) {
        return now_s((void *)world) + strtod(text + 3, NULL);
    }
    return strtod(text, NULL);
}

static void set_field(struct world *world, char *name, char *value) {
    struct oxp_event *event = &world->event;
    if (strncmp(name, "labels.", 7) == 0) {
        event->labels[event->label_count++] = (struct oxp_event_pair){oxp_view_from(name + 7), oxp_view_from(value)};
        return;
    }
    enum oxp_field field = oxp_field_find_for(event->type, oxp_view_from(name));
    if (field == OXP_FIELDS) {
        fail_msg("no field \"%s\" in this type", name);
    }
    union oxp_field_value *to = &event->values[field];
    event->present[field / 64] |= UINT64_C(1) << (field % 64);
    switch (oxp_field_spec(field)->kind) {
    case OXP_KIND_BOOL:
        to->flag = strcmp(value, "true") == 0;
        break;
    case OXP_KIND_TIME:
        to->number = world_time(world, value);
        break;
    case OXP_KIND_NUMBER:
    case OXP_KIND_COUNT:
    case OXP_KIND_REAL:
        to->number = strtod(value, NULL);
        break;
    default:
        for (char *c = value; field == OXP_FIELD_MESSAGE && *c != '\0'; c++) {
            *c = *c == '_' ? ' ' : *c;
        }
        to->text = oxp_view_from(value);
        break;
    }
}

void world_event(struct world *world, const char *text) {
    char *save = NULL;
    snprintf(world->text, sizeof world->text, "%s", text);
    oxp_event_clear(&world->event);
    char *word = strtok_r(world->text, " ", &save);
    world->event.type = oxp_event_type_find(oxp_view_from(word));
    if (world->event.type == OXP_EVENT_NONE) {
        fail_msg("no event type \"%s\"", word);
    }
    while ((word = strtok_r(NULL, " ", &save)) != NULL) {
        char *equals = strchr(word, '=');
        assert_non_null(equals);
        *equals = '\0';
        set_field(world, word, equals + 1);
    }
}

static enum oxp_status apply_from(struct world *world, const struct oxp_origin *origin, const char *text) {
    world_event(world, text);
    world->reason = OXP_REJECTS;
    world->error.text[0] = '\0';
    return origin->source == OXP_SOURCE_CLIENT
               ? oxp_ledger_apply(world->ledger, &world->event, origin->connection, &world->reason, &world->error)
               : oxp_ledger_apply_from(world->ledger, &world->event, origin, &world->reason, &world->error);
}

enum oxp_status world_apply(struct world *world, uint64_t connection, const char *text) {
    struct oxp_origin origin = {connection, OXP_SOURCE_CLIENT};
    return apply_from(world, &origin, text);
}

void world_pass(struct world *world, unsigned seconds) {
    for (unsigned i = 0; i < seconds; i++) {
        oxp_clock_manual_advance(&world->clock, 1);
        oxp_ledger_tick(world->ledger);
    }
}

/* ---- Reading ---- */

/* Finds the sample of "NAME{…}": the name and, without their quotes, the labels. */
static bool find_sample(const struct world *world, const char *wanted, struct oxp_sample *sample) {
    struct oxp_snapshot snapshot;
    const struct oxp_family_spec *spec;
    oxp_snapshot_begin(&snapshot, world->registry, now_s((void *)world));
    while (oxp_snapshot_family(&snapshot, &spec) == OXP_OK) {
        size_t name = strlen(spec->name);
        if (strncmp(wanted, spec->name, name) != 0 || (wanted[name] != '\0' && wanted[name] != '{')) {
            continue;
        }
        while (oxp_snapshot_next(&snapshot, sample) == OXP_OK) {
            char text[1024];
            size_t len = 0;
            for (size_t i = 0; i < sample->labels.len && len + 4 < sizeof text; i++) {
                if (sample->labels.ptr[i] != '"') {
                    text[len++] = sample->labels.ptr[i];
                }
            }
            text[len] = '\0';
            const char *rest = wanted + name;
            if (*rest == '\0' ? len == 0
                              : strlen(rest) == len + 2 && strncmp(rest + 1, text, len) == 0 && rest[len + 1] == '}') {
                return true;
            }
        }
    }
    return false;
}

double world_value(const struct world *world, const char *name) {
    char plain[256];
    snprintf(plain, sizeof plain, "%s", name);
    char *sum = strstr(plain, ":sum");
    if (sum != NULL) {
        memmove(sum, sum + 4, strlen(sum + 4) + 1);
    }
    struct oxp_sample sample;
    if (!find_sample(world, plain, &sample)) {
        return NAN;
    }
    return sum != NULL ? sample.sum : sample.value;
}

static bool has_exemplar(const struct world *world, const char *name, const char *text) {
    struct oxp_sample sample;
    if (!find_sample(world, name, &sample)) {
        return false;
    }
    for (size_t i = 0; i <= sample.spec->bound_count; i++) {
        struct oxp_exemplar exemplar;
        if (oxp_sample_exemplar(&sample, i, &exemplar) && exemplar.labels_len == strlen(text) &&
            memcmp(exemplar.labels, text, exemplar.labels_len) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- Lines ---- */

static bool run_event(struct world *world, const struct oxp_origin *origin, const char *text, char *why) {
    char plain[512];
    snprintf(plain, sizeof plain, "%s", text);
    const char *wanted = "accepted";
    char *arrow = strstr(plain, " -> ");
    if (arrow != NULL) {
        *arrow = '\0';
        wanted = arrow + 4;
    }
    enum oxp_status status = apply_from(world, origin, plain);
    const char *got = status == OXP_OK                                           ? "accepted"
                      : status == OXP_IGNORED                                    ? "ignored"
                      : status == OXP_ERR_INVALID && world->reason < OXP_REJECTS ? oxp_reject_name(world->reason)
                                                                                 : oxp_status_name(status);
    if (strcmp(got, wanted) != 0) {
        snprintf(why, 512, "was %s %s", got, world->error.text);
        return false;
    }
    if (status == OXP_ERR_INVALID && world->error.text[0] == '\0') {
        snprintf(why, 512, "was refused without a word");
        return false;
    }
    return true;
}

static bool check_value(const struct world *world, const char *text, char *why) {
    char name[256];
    const char *space = strrchr(text, ' ');
    snprintf(name, sizeof name, "%.*s", (int)(space - text), text);
    double wanted = strtod(space + 1, NULL), got = world_value(world, name);
    bool same = fabs(got - wanted) < 1e-6 * fmax(1, fabs(wanted));
    if (!same) {
        snprintf(why, 512, "is %g", got);
    }
    return same;
}

static bool check_exemplar(const struct world *world, const char *text, char *why) {
    char name[256];
    const char *space = strchr(text, ' ');
    snprintf(name, sizeof name, "%.*s", (int)(space - text), text);
    snprintf(why, 512, "no such exemplar");
    return has_exemplar(world, name, space + 1);
}

static bool run_word(struct world *world, const char *word, const char *rest, char *why) {
    if (strcmp(word, "drop") == 0) {
        oxp_ledger_disconnect(world->ledger, strtoull(rest, NULL, 10));
    } else if (strcmp(word, "pass") == 0) {
        world_pass(world, (unsigned)strtoul(rest, NULL, 10));
    } else if (strcmp(word, "jump") == 0) {
        world->clock.wall_now.ns += (int64_t)(strtod(rest, NULL) * 1e9);
    } else if (strcmp(word, "sleep") == 0) {
        oxp_clock_manual_advance(&world->clock, strtod(rest, NULL));
        oxp_ledger_tick(world->ledger);
    } else if (strcmp(word, "wait") == 0) {
        oxp_clock_manual_advance(&world->clock, strtod(rest, NULL));
    } else if (strcmp(word, "tick") == 0) {
        oxp_ledger_tick(world->ledger);
    } else if (strcmp(word, "probe") == 0) {
        oxp_ledger_probed(world->ledger, strcmp(rest, "ok") == 0);
    } else if (strcmp(word, "crash") == 0) {
        world_crash(world);
    } else if (strcmp(word, "lost") == 0) {
        snprintf(why, 512, "is %llu", (unsigned long long)world->lost);
        return world->lost == strtoull(rest, NULL, 10);
    } else if (strcmp(word, "clamped") == 0) {
        snprintf(why, 512, "is %llu", (unsigned long long)world->clamped);
        return world->clamped == strtoull(rest, NULL, 10);
    } else {
        return world_seen_line(world, word, rest, why);
    }
    return true;
}

bool world_line(struct world *world, const char *line, char *why) {
    char word[32];
    const char *space = strchr(line, ' ');
    size_t len = space == NULL ? strlen(line) : (size_t)(space - line);
    const char *rest = space == NULL ? "" : space + 1;
    snprintf(word, sizeof word, "%.*s", (int)len, line);
    if (isdigit((unsigned char)line[0]) && word[len - 1] == '>') {
        struct oxp_origin origin = {strtoull(line, NULL, 10), OXP_SOURCE_CLIENT};
        return run_event(world, &origin, rest, why);
    }
    if (strcmp(word, "log>") == 0) {
        struct oxp_origin origin = {0, OXP_SOURCE_LOG};
        return run_event(world, &origin, rest, why);
    }
    if (strcmp(word, "=") == 0) {
        return check_value(world, rest, why);
    }
    if (strcmp(word, "~") == 0) {
        double got = world_value(world, rest);
        snprintf(why, 512, "is %g", got);
        return isnan(got);
    }
    if (strcmp(word, "^") == 0) {
        return check_exemplar(world, rest, why);
    }
    return run_word(world, word, rest, why);
}
