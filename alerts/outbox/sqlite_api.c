#include "alerts/outbox/sqlite_api.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY "libsqlite3.so.0"

struct oxp_sqlite_api oxp_sqlite;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;
static bool loaded;

static const struct {
    const char *symbol;
    size_t offset;
} functions[] = {
#define X(member, symbol) {#symbol, offsetof(struct oxp_sqlite_api, member)},
    OXP_SQLITE_FUNCTIONS(X)
#undef X
};

static bool find_functions(void *library) {
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *function = dlsym(library, functions[i].symbol);
        if (function == NULL) {
            return false;
        }
        memcpy((char *)&oxp_sqlite + functions[i].offset, &function, sizeof function);
    }
    return true;
}

static void load(void) {
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return;
    }
    loaded = find_functions(library);
    if (!loaded) {
        dlclose(library);
    }
}

bool oxp_sqlite_load(void) {
    pthread_once(&load_once, load);
    return loaded;
}
