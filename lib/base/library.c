#include "lib/base/library.h"

#include <dlfcn.h>
#include <string.h>

void *oxp_library_load(const char *name, const struct oxp_library_function *functions, size_t count, void *api) {
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; library != NULL && i < count; i++) {
        void *function = dlsym(library, functions[i].symbol);
        if (function == NULL) {
            dlclose(library);
            return NULL;
        }
        memcpy((char *)api + functions[i].offset, &function, sizeof function);
    }
    return library;
}
