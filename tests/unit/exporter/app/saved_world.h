/* What the tests of exporter/app/saved share: a folder, registries of two runs with something of everything in them,
 * and fsync as it was called. */
#ifndef OXP_TEST_APP_SAVED_WORLD_H
#define OXP_TEST_APP_SAVED_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exporter/app/saved.h"
#include <stdio.h>
#include <stdlib.h>

#define FIRST_RUN 1700000000.25 /* when the series of the first run were made */
#define STOPPED 1700003600.5
#define NEXT_RUN 1700003700.0

enum {
    EVENTS,
    SECONDS,
    PATHS,
    SIDES,
    CAPPED,
    BOUNDED,
    LE,
    EXEMPLARS,
    DURATION,
    BARE,
    BELOW,
    QUEUE,
    AGE,
    PROCESS,
    FAMILIES
};

extern const struct oxp_family_spec world_specs[FAMILIES];
extern const char *const world_sides[]; /* "in", "out" */
extern const double world_bounds[3];    /* 0.1, 1, 10 */
#define WORLD_RESTORED 22u              /* series of a filled world that come back */

/* fsync, which does nothing here but this. */
extern struct world_syncs {
    unsigned files, directories;
    bool file_was_synced_first;    /* before the directory was */
    bool renamed_when_directory;   /* metrics.saved stood there when the directory was synced */
    int fail_file, fail_directory; /* errno, or 0 */
} syncs;

extern char folder[], saved_path[64], fresh_path[64], aside_path[64];

struct world {
    struct oxp_registry *registry;
    struct oxp_family *families[FAMILIES];
};

struct oxp_registry *new_registry(double now);
struct oxp_family *add(struct oxp_registry *registry, const struct oxp_family_spec *spec);
void begin(struct world *world, double now);
/* Something in every family. */
void fill(struct world *world);
void add_to(struct oxp_series *series, uint64_t n);
void exemplar(struct oxp_series *series, double value, double time_s, const char *id);
/* The whole registry as it would be saved; free() it. */
char *dump(const struct oxp_registry *registry);

bool exists(const char *path);
void put_file(const char *path, const char *bytes, size_t len);
char *get_file(const char *path, size_t *len_out); /* free() it */
void save(const struct oxp_registry *registry);
void assert_restores(struct oxp_registry *registry, size_t series);

int make_folder(void **state);
int remove_folder(void **state);
int clean(void **state); /* empties the folder */

#endif
