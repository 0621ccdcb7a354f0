/* cmocka with the includes that it wants. */
#ifndef OXP_TEST_BASE_SUPPORT_H
#define OXP_TEST_BASE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

#endif
