/* A shared library that is loaded on first use, so that who does not need it does not pay for it: its functions are
 * found by name and their addresses put into a struct of function pointers. Loading counts up the library; it is given
 * back by dlclose. Any thread; whoever shares the struct calls this under pthread_once. */
#ifndef OXP_BASE_LIBRARY_H
#define OXP_BASE_LIBRARY_H

#include <stddef.h>

struct oxp_library_function {
    const char *symbol;
    size_t offset; /* of its pointer in the struct */
};

/* Fills `api` and gives the library's handle; NULL, with nothing loaded, when it is not on this machine or lacks one of
 * the functions. `name` as dlopen(3) takes it. */
void *oxp_library_load(const char *name, const struct oxp_library_function *functions, size_t count, void *api);

#endif
