#include "alerts/outbox/sqlite_api.h"

#include "alerts/outbox/outbox.h"
#include "lib/base/library.h"
#include <pthread.h>
#include <stddef.h>

#define LIBRARY "libsqlite3.so.0"

struct oxp_sqlite_api oxp_sqlite;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;
static bool loaded;

static const struct oxp_library_function functions[] = {
#define X(member, symbol) {#symbol, offsetof(struct oxp_sqlite_api, member)},
    OXP_SQLITE_FUNCTIONS(X)
#undef X
};

static void load(void) {
    loaded = oxp_library_load(LIBRARY, functions, sizeof functions / sizeof functions[0], &oxp_sqlite) != NULL;
}

bool oxp_sqlite_load(void) {
    pthread_once(&load_once, load);
    return loaded;
}

const char *oxp_outbox_library(void) {
    return oxp_sqlite_load() ? oxp_sqlite.libversion() : NULL;
}
