/* SPDX-License-Identifier: Apache-2.0 */
/* The few macros of the house. BULLA_TRY is the only one that may return; none names a variable of yours. */
#ifndef BULLA_BASE_MACROS_H
#define BULLA_BASE_MACROS_H

#include "bulla/status.h"

#define BULLA_CONCAT_(a, b) a##b
#define BULLA_CONCAT(a, b) BULLA_CONCAT_(a, b)

/* Returns from the calling function when `expr` is not BULLA_OK. */
#define BULLA_TRY(expr)                                                                                                \
    do {                                                                                                               \
        bulla_status bulla_try_ = (expr);                                                                              \
        if (__builtin_expect(bulla_try_ != BULLA_OK, 0)) return bulla_try_;                                            \
    } while (0)

/* A local that cleans up after itself: BULLA_AUTO(bulla_secret) *dek = NULL; needs BULLA_AUTO_DEFINE for its type. */
#define BULLA_AUTO(type) __attribute__((cleanup(BULLA_CONCAT(type, _auto)))) type
#define BULLA_AUTO_DEFINE(type, release)                                                                               \
    static inline void BULLA_CONCAT(type, _auto)(type * *ptr)                                                          \
    {                                                                                                                  \
        release(*ptr);                                                                                                 \
    }

/* Hands a local over: its value goes to the receiver, the local keeps nothing. */
#define BULLA_TAKE(ptr)                                                                                                \
    (__extension__({                                                                                                   \
        __auto_type bulla_take_ = (ptr);                                                                               \
        (ptr) = NULL;                                                                                                  \
        bulla_take_;                                                                                                   \
    }))

/* An array on the stack that is wiped at the end of its scope: BULLA_WIPED(uint8_t, key, 32); */
struct bulla_wiped_span {
    void *ptr;
    size_t len;
};
void bulla_wiped_span_done(struct bulla_wiped_span *span);
#define BULLA_WIPED(type, name, num)                                                                                   \
    type name[num];                                                                                                    \
    __attribute__((cleanup(bulla_wiped_span_done), unused)) struct bulla_wiped_span BULLA_CONCAT(name, _wiped_) = {    \
        name, sizeof(type) * (num)}

#define BULLA_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define BULLA_LIKELY(x) __builtin_expect(!!(x), 1)
#define BULLA_UNLIKELY(x) __builtin_expect(!!(x), 0)

#endif
