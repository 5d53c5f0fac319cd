/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka wants these in this order before it. */
#ifndef BULLA_TESTS_CMOCKA_ALL_H
#define BULLA_TESTS_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bulla/status.h"

/* A status that should be another says which. */
#define assert_status(expr, expected) assert_string_equal(bulla_status_name(expr), bulla_status_name(expected))
#define assert_ok(expr) assert_status(expr, BULLA_OK)

#endif
