/* When the courier's threads have nothing to do, however slow the machine: they are seen to begin a wait
 * (pthread_cond_timedwait, which the linker wraps: CMakeLists.txt). So a test need not guess how long a turn takes
 * before it moves the clock on. */
#ifndef OXP_TEST_DELIVERY_RESTS_H
#define OXP_TEST_DELIVERY_RESTS_H

#include <stddef.h>

#include "alerts/delivery/courier.h"

/* Before a courier is made, by the thread that will call rests_await: its own waits do not count. */
void rests_begin(void);
/* Wakes all and waits until each of so many threads has gone through a whole turn at the clock as it stands, and rests;
 * fails the test after a minute. Not while an exchange blocks, nor after the end. */
void rests_await(struct oxp_courier *courier, size_t threads);

#endif
