/* What every public header begins and ends with: C names for C++, and names that the shared library exports (the tree
 * is compiled with -fvisibility=hidden). */
#ifndef OXPECKER_API_H
#define OXPECKER_API_H

#ifdef __cplusplus
#define OXP_BEGIN_DECLS                                                                                                \
    extern "C" {                                                                                                       \
    _Pragma("GCC visibility push(default)")
#define OXP_END_DECLS                                                                                                  \
    _Pragma("GCC visibility pop")                                                                                      \
    }
#else
#define OXP_BEGIN_DECLS _Pragma("GCC visibility push(default)")
#define OXP_END_DECLS _Pragma("GCC visibility pop")
#endif

#endif
