/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C heap, wiped when it is given back: for third-party libraries that take functions like malloc's and through
 * which secrets pass. Blocks may also be given to free, which leaves what they hold.
 */
#ifndef BULLA_BASE_HEAP_H
#define BULLA_BASE_HEAP_H

#include <stddef.h>

/* As malloc, calloc, realloc, strdup and free. What is moved or given back is wiped. */
void *bulla_heap_new(size_t len);
void *bulla_heap_new_zeroed(size_t num, size_t len);
void *bulla_heap_grow(void *ptr, size_t len);
char *bulla_heap_copy_text(const char *text);
void bulla_heap_free(void *ptr);

#endif
